// SPDX-License-Identifier: MIT
/*
 * Things that fail on the way to the device and back: there is no device memory, no
 * system memory, the copy engines do not copy.  Nothing is lost, and nothing fails
 * that need not.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(4 * HUGE)
#define ALWAYS	1000000u
#define ONES	0x0101010101010101ull

FIXTURE(inject)
{
	struct test_vm t;
};

FIXTURE_VARIANT(inject)
{
	bool huge;
};

FIXTURE_VARIANT_ADD(inject, small)
{
	.huge = false,
};

FIXTURE_VARIANT_ADD(inject, huge)
{
	.huge = true,
};

FIXTURE_SETUP(inject)
{
	REQUIRE(!bo_knob("vram_fail", 0) && !bo_knob("return_fail", 0) && !bo_knob("copy_fail", 0),
		"no debugfs");
	ASSERT_EQ(0, test_open(&self->t));
	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
}

FIXTURE_TEARDOWN(inject)
{
	bo_knob("vram_fail", 0);
	bo_knob("return_fail", 0);
	bo_knob("copy_fail", 0);
	bo_knob("copy_delay_us", 0);
	EXPECT_EQ(0, test_close(&self->t));
}

static char *make(bool huge, uint64_t seed)
{
	char *p = map_aligned(BYTES);

	madvise(p, BYTES, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	fill_pattern(p, BYTES, seed);
	return p;
}

TEST_F(inject, no_device_memory_and_pages_are_mapped_where_they_lie)
{
	struct drm_vsvm_stats before = test_stats(&self->t), after;
	char *p = make(variant->huge, 1);

	bo_knob("vram_fail", ALWAYS);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.migrated - before.migrated);
	EXPECT_EQ(BYTES / PAGE, after.migrate_failed - before.migrate_failed);
	EXPECT_EQ(BYTES / PAGE, count_state(&self->t, p, BYTES, DRM_VSVM_PAGE_MAPPED |
					    DRM_VSVM_PAGE_VRAM, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_copy(&self->t, p + HUGE, p, HUGE));
	EXPECT_EQ(0, memcmp(p, p + HUGE, HUGE));
	/* By a fault just the same */
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, BYTES,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_touch_write(&self->t, p, BYTES));
	EXPECT_EQ(0, vram_pages(&self->t, p, BYTES));
	/* And when there is some again */
	bo_knob("vram_fail", 0);
	EXPECT_EQ(BYTES / PAGE, vram_move(&self->t, p, BYTES));
	EXPECT_EQ(0, memcmp(p, p + HUGE, HUGE));
	EXPECT_EQ(0, check_pattern(p, HUGE, 1) + 1);
}

TEST_F(inject, device_memory_that_fails_now_and_then)
{
	char *p = make(variant->huge, 2);
	struct vsvm_bo *bo;
	unsigned int i;
	char *map;

	for (i = 1; i < 12; i++) {
		bo_knob("vram_fail", i);
		ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
		bo_knob("vram_fail", 0);
		ASSERT_EQ(0, dev_touch_write(&self->t, p, BYTES));
		if (i % 2) {
			ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
		} else {
			ASSERT_EQ(-1, check_pattern(p, BYTES, 2));
		}
	}
	EXPECT_EQ(-1, check_pattern(p, BYTES, 2));
	/* An object goes where it can */
	bo_knob("vram_fail", ALWAYS);
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, HUGE, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
	fill_pattern(map, HUGE, 3);
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	bo_knob("vram_fail", 0);
	EXPECT_EQ(-1, check_pattern(map, HUGE, 3));
	vsvm_bo_destroy(bo);
}

TEST_F(inject, copies_that_fail_on_the_way_to_the_device)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;
	char *p = make(variant->huge, 4);
	size_t there;
	unsigned int i;

	for (i = 1; i < 5; i++) {
		bo_knob("copy_fail", i);
		ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
		bo_knob("copy_fail", 0);
		there = vram_pages(&self->t, p, BYTES);
		/* What was to be copied together has stayed together; the rest has gone */
		EXPECT_GT(BYTES / PAGE, there);
		EXPECT_EQ(BYTES / PAGE, count_state(&self->t, p, BYTES, DRM_VSVM_PAGE_MAPPED,
						    DRM_VSVM_PAGE_MAPPED));
		ASSERT_EQ(0, dev_touch_write(&self->t, p, BYTES));
		EXPECT_EQ(-1, check_pattern(p, BYTES, 4));
	}
	after = test_counters(&self->t);
	EXPECT_LE(10, after.copy_errors - before.copy_errors);
}

TEST_F(inject, copies_that_fail_on_the_way_back)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;
	char *p = make(variant->huge, 5);
	unsigned int i;

	for (i = 1; i < 5; i++) {
		ASSERT_EQ(BYTES / PAGE, vram_move(&self->t, p, BYTES));
		bo_knob("copy_fail", i);
		ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
		bo_knob("copy_fail", 0);
		/* The CPU does it then */
		EXPECT_EQ(0, vram_pages(&self->t, p, BYTES));
		EXPECT_EQ(-1, check_pattern(p, BYTES, 5));
	}
	after = test_counters(&self->t);
	EXPECT_EQ(10, after.copy_errors - before.copy_errors);
}

/* How many return fallbacks a look at the memory takes */
static uint64_t fallbacks(struct test_vm *t)
{
	return test_counters(t).return_fallbacks;
}

TEST_F(inject, no_memory_for_more_than_one_page_on_the_way_back)
{
	unsigned int n;

	/* A huge page, if it is one; then the page itself, among others */
	for (n = 1; n <= 1u + variant->huge; n++) {
		char *p = make(variant->huge, 6);
		uint64_t before;

		ASSERT_EQ(BYTES / PAGE, vram_move(&self->t, p, BYTES));
		before = fallbacks(&self->t);
		bo_knob("return_fail", n);
		EXPECT_FALSE(bo_sigbus(p + HUGE + 20 * PAGE));
		bo_knob("return_fail", 0);
		EXPECT_LT(before, fallbacks(&self->t));
		EXPECT_EQ(test_pattern(6, (HUGE + 20 * PAGE) / 8),
			  *(volatile uint64_t *)(p + HUGE + 20 * PAGE));
		/* Then it has come alone */
		if (n == 1u + variant->huge) {
			ASSERT_EQ(0, dev_touch_read(&self->t, p + HUGE, HUGE));
			EXPECT_EQ(511, vram_pages(&self->t, p + HUGE, HUGE));
		}
		EXPECT_EQ(-1, check_pattern(p, BYTES, 6));
		munmap(p, BYTES);
	}
}

TEST_F(inject, no_memory_at_all_on_the_way_back_is_a_bus_error_and_not_the_end)
{
	uint64_t value = 0;
	char *p = make(variant->huge, 7);

	ASSERT_EQ(BYTES / PAGE, vram_move(&self->t, p, BYTES));
	bo_knob("return_fail", ALWAYS);
	EXPECT_TRUE(bo_sigbus(p + 5 * PAGE));
	EXPECT_TRUE(bo_sigbus(p + 2 * HUGE));
	/* The device still has it, and nobody else's pages are concerned */
	EXPECT_EQ(0, dev_load64(&self->t, p + 5 * PAGE, &value));
	EXPECT_EQ(test_pattern(7, 5 * PAGE / 8), value);
	EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
	bo_knob("return_fail", 0);
	EXPECT_FALSE(bo_sigbus(p + 5 * PAGE));
	EXPECT_EQ(-1, check_pattern(p, BYTES, 7));
}

TEST_F(inject, no_memory_for_what_is_evicted)
{
	char *p = make(variant->huge, 8);
	uint64_t vram = vsvm_info(self->t.dev)->vram_bytes;
	struct vsvm_bo *bo;

	ASSERT_EQ(BYTES / PAGE, vram_move(&self->t, p, BYTES));
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, vram, DRM_VSVM_BO_VRAM, 0, &bo));
	bo_knob("return_fail", ALWAYS);
	/* What holds pages that have nowhere to go stays; the object goes elsewhere */
	{
		void *map;

		ASSERT_EQ(0, vsvm_bo_map(bo, &map));
		*(volatile uint64_t *)map = 1;
	}
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	bo_knob("return_fail", 0);
	vsvm_bo_destroy(bo);
	EXPECT_EQ(-1, check_pattern(p, BYTES, 8));
}

/* --- prefetch is cut short --- */

TEST_F_LONG(inject, a_killed_prefetch_ends_and_gives_back_what_it_took, 90)
{
	uint64_t began, since = 0;
	pid_t pid;

	/* Without end: 16 MiB a group of copies that takes 20 ms for each 2 MiB */
	bo_knob("copy_delay_us", 20000);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char *p = make(variant->huge, 9);
		struct test_vm t;

		if (test_open(&t))
			_exit(1);
		for (;;)
			if (vsvm_prefetch(t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE) ||
			    vsvm_prefetch(t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM))
				_exit(2);
	}
	while (!bo_vram_used(self->t.dev) && test_patient(&since))
		test_nap();
	EXPECT_LT(0, bo_vram_used(self->t.dev));
	began = test_now();
	kill(pid, SIGKILL);
	EXPECT_EQ(SIGKILL, wait_child(pid) & 0x7f);
	/* Two flights of two blocks on two engines may have been under way */
	EXPECT_GT(test_patience() / 4, test_now() - began);
	bo_knob("copy_delay_us", 0);
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

/* --- others want the memory map, and the very pages --- */

struct others {
	char *p;
	volatile uint32_t stop;
	volatile uint32_t maps;
	volatile uint32_t touches;
	int bad;
};

static void *maps(void *arg)
{
	struct others *o = arg;

	for (; !o->stop && !o->bad; o->maps++) {
		char *q = map_anon(4 * PAGE);

		q[PAGE] = 1;
		mprotect(q, PAGE, PROT_READ);
		o->bad = munmap(q, 4 * PAGE);
	}
	return NULL;
}

static void *touches(void *arg)
{
	struct others *o = arg;
	uint64_t state = 5;

	for (; !o->stop && !o->bad; o->touches++) {
		size_t word = test_random(&state) % (BYTES / 8);

		/* Written as it is: a write that got lost would tell of itself */
		if (__atomic_fetch_add((uint64_t *)o->p + word, 0, __ATOMIC_SEQ_CST) !=
		    test_pattern(11, word))
			o->bad = __LINE__;
	}
	return NULL;
}

TEST_F_LONG(inject, others_are_not_kept_from_the_memory_map, 120)
{
	struct others o = { .p = make(variant->huge, 11) };
	uint64_t since = 0;
	unsigned int i;
	pthread_t a, b;

	/* Long enough that all of them meet with pages on their way */
	bo_knob("copy_delay_us", 3000);
	ASSERT_EQ(0, pthread_create(&a, NULL, maps, &o));
	ASSERT_EQ(0, pthread_create(&b, NULL, touches, &o));
	for (i = 0; !o.bad && (i < 20 || o.maps < 50 || o.touches < 50) &&
	     test_patient(&since); i++)
		EXPECT_EQ(0, vsvm_prefetch(self->t.vm, o.p, BYTES, 1 + i % 2));
	EXPECT_LE(50, o.maps);
	EXPECT_LE(50, o.touches);
	o.stop = 1;
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	EXPECT_EQ(0, o.bad);
	EXPECT_EQ(-1, check_pattern(o.p, BYTES, 11));
}

/* --- all of it at once --- */

struct spoiler {
	volatile uint32_t stop;
	uint64_t seed;
};

static void *spoiler(void *arg)
{
	static const char * const knobs[] = { "vram_fail", "copy_fail", "return_fail" };
	struct spoiler *s = arg;
	uint64_t state = s->seed;

	while (!s->stop) {
		/* So few that a page is found at the second try */
		bo_knob(knobs[test_random(&state) % 2], 1 + test_random(&state) % 4);
		test_nap();
	}
	return NULL;
}

TEST_F_LONG(inject, failures_under_a_load_lose_nothing, 120)
{
	struct spoiler s = { .seed = 99 };
	uint64_t end = test_now() + test_span(4000), state = 7;
	char *p = make(variant->huge, 10);
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, spoiler, &s));
	while (test_now() < end) {
		size_t at = test_random(&state) % (BYTES / PAGE / 2) * PAGE;
		size_t size = (1 + test_random(&state) % (BYTES / PAGE / 2)) * PAGE;

		ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p + at, size,
					   1 + test_random(&state) % 2));
		ASSERT_EQ(0, dev_touch_write(&self->t, p + at, size));
		if (check_pattern(p, BYTES, 10) != -1)
			break;
	}
	s.stop = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(-1, check_pattern(p, BYTES, 10));
}

TEST_HARNESS_MAIN
