// SPDX-License-Identifier: GPL-2.0-only
/* Copying for the driver: groups, fences, rings that are full, hardware that goes. */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/dma-fence.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "mem/mem_priv.h"
#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define ENTRIES		16

/**
 * struct mem_copy_fixture - what the room needs to copy, and no more
 * @f: a bench, for its device and memory
 * @mem: device memory without memory
 */
struct mem_copy_fixture {
	struct hw_fixture *f;
	struct vsvm_mem mem;
};

static struct mem_copy_fixture *fixture;

static void mem_irq(void *priv, u32 causes)
{
	struct mem_copy_fixture *m = priv;

	if (causes & VSVM_HW_IRQ_COPY)
		vsvm_mem_copy_irq(&m->mem);
}

static int mem_copy_init(struct kunit *test)
{
	struct vsvm_hw_config config = hw_fixture_config();
	struct mem_copy_fixture *m;
	int ret = hw_fixture_init(test);

	if (ret)
		return ret;
	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	fixture = m;
	m->f = test->priv;
	config.copy_channels = 2;
	config.copy_entries = ENTRIES;
	m->mem.hw = vsvm_hw_create(m->f->dev, &config, mem_irq, m);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, m->mem.hw);
	m->mem.config.copy_channels = 2;
	KUNIT_ASSERT_EQ(test, 0, vsvm_copy_init(&m->mem));
	vsvm_copy_start(&m->mem);
	return 0;
}

static void mem_copy_exit(struct kunit *test)
{
	if (fixture && !IS_ERR_OR_NULL(fixture->mem.hw)) {
		vsvm_copy_stop(&fixture->mem);
		vsvm_hw_destroy(fixture->mem.hw);
		vsvm_copy_fini(&fixture->mem);
	}
	fixture = NULL;
	hw_fixture_exit(test);
}

static struct vsvm_hw_config *knobs(void)
{
	return vsvm_hw_config(fixture->mem.hw);
}

static u64 bus(void *at)
{
	return phys_to_dma(fixture->f->dev, virt_to_phys(at));
}

/* @n copies of one word to the next */
static struct vsvm_hw_copy *words(u32 n)
{
	u64 *a = hw_fixture_alloc(fixture->f, 1);
	struct vsvm_hw_copy *copies;

	copies = kunit_kmalloc_array(fixture->f->test, n, sizeof(*copies), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fixture->f->test, copies);
	for (u32 i = 0; i < n; i++)
		copies[i] = (struct vsvm_hw_copy) { bus(a), bus(a) + 8, 8, 0 };
	return copies;
}

static int finish(struct dma_fence *fence)
{
	int ret;

	if (IS_ERR(fence))
		return PTR_ERR(fence);
	if (!dma_fence_wait_timeout(fence, false, FIXTURE_PATIENCE))
		ret = -ETIME;
	else
		ret = min(dma_fence_get_status(fence), 0);
	dma_fence_put(fence);
	return ret;
}

/* More descriptors than the rings hold, most of them small. */
static void copy_long(struct kunit *test)
{
	const u32 n = 40 * ENTRIES + 3;
	struct vsvm_hw_copy *copies = kunit_kmalloc_array(test, n, sizeof(*copies),
							  GFP_KERNEL);
	u64 *a = hw_fixture_alloc(fixture->f, 2), *b = hw_fixture_alloc(fixture->f, 2);

	KUNIT_ASSERT_NOT_NULL(test, copies);
	for (u32 i = 0; i < n; i++) {
		a[i] = i + 1;
		copies[i] = (struct vsvm_hw_copy) { bus(a + i), bus(b + i), 8, 0 };
	}
	KUNIT_EXPECT_EQ(test, 0, finish(vsvm_mem_copy(&fixture->mem, copies, n)));
	for (u32 i = 0; i < n; i++)
		if (b[i] != i + 1)
			KUNIT_FAIL(test, "word %u is %llu", i, b[i]);
	KUNIT_EXPECT_EQ(test, b[n], 0);
	KUNIT_EXPECT_EQ(test, vsvm_mem_stat(&fixture->mem, VSVM_MEM_COPIED_BYTES), n * 8);
}

/* One descriptor larger than a group, among others. */
static void copy_large(struct kunit *test)
{
	const struct vsvm_hw_copy copies[] = {
		{ 7, 0, 8, VSVM_HW_COPY_FILL | VSVM_HW_COPY_DST_VRAM },
		{ 9, 8, 2 * SZ_2M - 16, VSVM_HW_COPY_FILL | VSVM_HW_COPY_DST_VRAM },
		{ 8, 2 * SZ_2M - 8, 8, VSVM_HW_COPY_FILL | VSVM_HW_COPY_DST_VRAM },
	};
	struct vsvm_hw *hw = fixture->mem.hw;
	u64 at;

	KUNIT_EXPECT_EQ(test, 0, finish(vsvm_mem_copy(&fixture->mem, copies,
						      ARRAY_SIZE(copies))));
	for (at = 0; at < 2 * SZ_2M; at += 8) {
		u64 *word = page_address(vsvm_hw_vram_page(hw, at)) + offset_in_page(at);
		u64 want = !at ? 7 : at == 2 * SZ_2M - 8 ? 8 : 9;

		if (*word != want) {
			KUNIT_FAIL(test, "%llu at %#llx", *word, at);
			break;
		}
	}
	KUNIT_EXPECT_EQ(test, vsvm_mem_stat(&fixture->mem, VSVM_MEM_COPIED_BYTES),
			2 * SZ_2M);
}

/* An error of one group is the error of all, and of no other call. */
static void copy_error(struct kunit *test)
{
	const u32 n = 4 * ENTRIES;
	struct vsvm_hw_copy *copies = words(n);

	WRITE_ONCE(knobs()->copy_fail, 1);
	KUNIT_EXPECT_EQ(test, -EIO, finish(vsvm_mem_copy(&fixture->mem, copies, n)));
	KUNIT_EXPECT_EQ(test, 0, finish(vsvm_mem_copy(&fixture->mem, copies, n)));
	KUNIT_EXPECT_EQ(test, vsvm_mem_stat(&fixture->mem, VSVM_MEM_COPY_ERRORS), 1);
	/* A descriptor that the hardware refuses, behind some that it takes */
	copies[3 * ENTRIES].bytes = 4;
	KUNIT_EXPECT_EQ(test, -EINVAL, finish(vsvm_mem_copy(&fixture->mem, copies, n)));
	KUNIT_EXPECT_EQ(test, 0, finish(vsvm_mem_copy(&fixture->mem, copies, 0)));
}

static int stop_thread(void *data)
{
	vsvm_copy_stop(&fixture->mem);
	return 0;
}

/* The hardware goes: what is in flight completes, what waits for room fails. */
static void copy_stop(struct kunit *test)
{
	struct vsvm_hw_copy *copies = words(8 * ENTRIES);
	struct dma_fence *flying, *waiting;
	struct task_struct *task;

	WRITE_ONCE(knobs()->copy_delay_us, 200000);
	flying = vsvm_mem_copy(&fixture->mem, copies, 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, flying);
	task = kthread_run(stop_thread, NULL, "vsvm-test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	get_task_struct(task);
	/* Comes before the stop, or after it; in any case it comes to an end */
	waiting = vsvm_mem_copy(&fixture->mem, copies, 8 * ENTRIES);
	KUNIT_EXPECT_EQ(test, 0, finish(flying));
	KUNIT_EXPECT_NE(test, -ETIME, finish(waiting));
	kthread_stop(task);
	put_task_struct(task);
	KUNIT_EXPECT_EQ(test, -ENODEV, finish(vsvm_mem_copy(&fixture->mem, copies, 1)));
}

static struct kunit_case vsvm_mem_copy_cases[] = {
	KUNIT_CASE(copy_long),
	KUNIT_CASE(copy_large),
	KUNIT_CASE(copy_error),
	KUNIT_CASE(copy_stop),
	{ }
};

struct kunit_suite vsvm_mem_copy_suite = {
	.name = "vsvm_mem_copy",
	.init = mem_copy_init,
	.exit = mem_copy_exit,
	.test_cases = vsvm_mem_copy_cases,
};
