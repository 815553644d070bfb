// SPDX-License-Identifier: MIT
/*
 * Where pages lie: PREFERRED_LOC, PREFETCH_LOC, ACCESS, READ_MOSTLY and
 * GRANULARITY, and what follows from the mapping where nothing is said.
 */
#include <sys/resource.h>

#include "vsvm_attr.h"
#include "vsvm_harness.h"

#define PAGES	64
#define BYTES	(PAGES * PAGE)

/*
 * The device touches a page, and then all of them.  Of several faults at once some
 * find a page on its way with another, and use it where it lies.
 */
static int touch_write(struct test_vm *t, void *p, size_t size)
{
	return dev_touch_write(t, p, PAGE) ?: dev_touch_write(t, p, size);
}

static int touch_read(struct test_vm *t, void *p, size_t size)
{
	return dev_touch_read(t, p, PAGE) ?: dev_touch_read(t, p, size);
}

FIXTURE(place)
{
	struct test_vm t;
	/* The second 2 MiB of three; small pages */
	char *p;
};

FIXTURE_SETUP(place)
{
	char *area;

	ASSERT_EQ(0, test_open(&self->t));
	if (!vsvm_info(self->t.dev)->vram_bytes)
		SKIP(return, "no device memory");
	area = map_aligned(3 * HUGE);
	ASSERT_EQ(0, madvise(area, 3 * HUGE, MADV_NOHUGEPAGE));
	self->p = area + HUGE;
}

FIXTURE_TEARDOWN(place)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F(place, preferred_loc_decides_at_the_fault)
{
	struct test_vm *t = &self->t;
	uint64_t value = 0;

	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, attr_set(t, self->p, 32 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	/* Advice only: nothing has moved */
	EXPECT_EQ(0, test_stats(t).migrated);
	ASSERT_EQ(0, dev_load64(t, self->p + PAGE, &value));
	EXPECT_EQ(test_pattern(1, 512), value);
	/* All that has the attribute, and nothing behind */
	ASSERT_EQ(0, touch_read(t, self->p, BYTES));
	EXPECT_EQ(32, count_vram(t, self->p, BYTES));
	EXPECT_EQ(32, count_vram(t, self->p, 32 * PAGE));
	EXPECT_EQ(32, test_stats(t).migrated);
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(place, location_takes_effect_on_what_is_mapped)
{
	struct test_vm *t = &self->t;

	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, touch_write(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_vram(t, self->p, BYTES));
	/* What lies right already stays mapped */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	EXPECT_EQ(PAGES, count_vram(t, self->p, BYTES));
	/* And back: the device's own fault brings it */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	ASSERT_EQ(0, touch_read(t, self->p, BYTES));
	EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RO, STATE_RO));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(place, in_place_moves_nothing)
{
	struct test_vm *t = &self->t;

	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_IN_PLACE));
	ASSERT_EQ(0, touch_write(t, self->p, BYTES));
	EXPECT_EQ(0, test_stats(t).migrated);
	EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	/* A prefetch is a request and not a fault */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_DEVICE));
	EXPECT_EQ(PAGES, count_vram(t, self->p, BYTES));
	/* Where it lies is where it is used, be that the device */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	ASSERT_EQ(0, touch_write(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_vram(t, self->p, BYTES));
	/* Now it may move */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_ALLOW_MIGRATE));
	ASSERT_EQ(0, touch_write(t, self->p, BYTES));
	EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(place, prefetch_acts_each_time)
{
	struct test_vm *t = &self->t;
	unsigned int i;

	fill_pattern(self->p, BYTES, 1);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
				      DRM_VSVM_LOC_DEVICE));
		EXPECT_EQ(PAGES, count_vram(t, self->p, BYTES));
		EXPECT_EQ(DRM_VSVM_LOC_DEVICE,
			  attr_get(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC));
		/* The CPU takes it back */
		EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
		EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	}
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_DEVICE));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RO, STATE_RO));
	/* UNDEFINED asks for nothing */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_DEVICE));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_UNDEFINED));
	EXPECT_EQ(PAGES, count_vram(t, self->p, BYTES));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(place, advice_does_not_prefetch_and_prefetch_follows_advice)
{
	struct test_vm *t = &self->t;
	uint32_t type;

	fill_pattern(self->p, BYTES, 1);
	for (type = DRM_VSVM_ATTR_GPU_RO; type < ATTR_TYPES; type++) {
		ASSERT_EQ(0, attr_set(t, self->p, BYTES, type, 1));
		EXPECT_EQ(0, test_stats(t).migrated + test_stats(t).prefetched);
	}
	ASSERT_EQ(0, attr_reset(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, 16 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	ASSERT_EQ(0, vsvm_prefetch(t->vm, self->p, BYTES, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(16, count_vram(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, 16 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	ASSERT_EQ(0, vsvm_prefetch(t->vm, self->p, BYTES, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RO, STATE_RO));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(place, prefetch_of_a_range_that_is_half_there)
{
	struct test_vm *t = &self->t;
	unsigned int i;

	/* Nothing is populated by it, and what is mapped nowhere is no error */
	for (i = 0; i < PAGES; i += 2)
		*(uint64_t *)(self->p + i * PAGE) = i + 1;
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_DEVICE));
	EXPECT_EQ(PAGES / 2, count_vram(t, self->p, BYTES));
	EXPECT_EQ(0, test_stats(t).populated);
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(i % 2 ? 0 : i + 1, *(uint64_t *)(self->p + i * PAGE));
	}
}

TEST_F(place, lesson_what_cannot_move_is_used_where_it_lies)
{
	struct test_vm *t = &self->t;
	char *p = map_shared(BYTES);
	struct drm_vsvm_stats before;

	fill_pattern(p, BYTES, 1);
	ASSERT_EQ(0, attr_set(t, p, BYTES, DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_DEVICE));
	before = test_stats(t);
	ASSERT_EQ(0, touch_write(t, p, BYTES));
	EXPECT_EQ(0, count_vram(t, p, BYTES));
	EXPECT_EQ(PAGES, count_state(t, p, BYTES, STATE_RW, STATE_RW));
	/* Tried once a service and not over and over */
	EXPECT_GE(PAGES, test_stats(t).retries - before.retries);
	EXPECT_EQ(-1, check_pattern(p, BYTES, 1));
}

/* --- granularity --- */

static uint64_t returned(struct test_vm *t)
{
	return test_counters(t).returned_pages;
}

TEST_F_LONG(place, every_granularity_both_ways, 60)
{
	struct test_vm *t = &self->t;
	unsigned int order, there = 0, back = 0;
	uint64_t value, before;

	fill_pattern(self->p, HUGE, 1);
	for (order = 0; order <= 12; order++) {
		unsigned int pages = 1u << (order < 9 ? order : 9);
		const struct drm_vsvm_attr attrs[] = {
			{ DRM_VSVM_ATTR_GRANULARITY, order },
			{ DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_DEVICE },
		};

		ASSERT_EQ(0, vsvm_attr_set(t->vm, self->p, HUGE, attrs, 2));
		/* One page is asked for; its block comes along */
		before = test_stats(t).migrated;
		ASSERT_EQ(0, dev_load64(t, self->p + 300 * PAGE, &value));
		EXPECT_EQ(test_pattern(1, 300 * 512), value);
		there = test_stats(t).migrated - before;
		EXPECT_EQ(pages, there);
		/* All of it there; one page is touched, its block comes back */
		ASSERT_EQ(0, vsvm_prefetch(t->vm, self->p, HUGE, DRM_VSVM_PLACE_DEVICE));
		ASSERT_EQ(512, count_vram(t, self->p, HUGE));
		attr_calm();
		before = returned(t);
		EXPECT_EQ(test_pattern(1, 301 * 512), *(volatile uint64_t *)(self->p + 301 * PAGE));
		back = returned(t) - before;
		EXPECT_EQ(pages, back);
		EXPECT_EQ(512 - pages, count_vram(t, self->p, HUGE));
		EXPECT_EQ(-1, check_pattern(self->p, HUGE, 1));
		ASSERT_EQ(0, attr_reset(t, self->p, HUGE));
	}
}

TEST_F(place, granularity_is_clipped_to_the_range)
{
	struct test_vm *t = &self->t;
	uint64_t value, before;

	fill_pattern(self->p, HUGE, 1);
	ASSERT_EQ(0, attr_set(t, self->p, HUGE, DRM_VSVM_ATTR_GRANULARITY, 5));
	ASSERT_EQ(0, attr_set(t, self->p + 10 * PAGE, 7 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	before = test_stats(t).migrated;
	ASSERT_EQ(0, dev_load64(t, self->p + 12 * PAGE, &value));
	EXPECT_EQ(7, test_stats(t).migrated - before);
	before = returned(t);
	EXPECT_EQ(test_pattern(1, 13 * 512), *(volatile uint64_t *)(self->p + 13 * PAGE));
	EXPECT_EQ(7, returned(t) - before);
	EXPECT_EQ(-1, check_pattern(self->p, HUGE, 1));
}

TEST_F(place, granularity_splits_a_huge_page_on_its_return)
{
	struct test_vm *t = &self->t;
	char *p = map_huge(HUGE);
	uint64_t before;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 1);
	ASSERT_EQ(0, vsvm_prefetch(t->vm, p, HUGE, DRM_VSVM_PLACE_DEVICE));
	REQUIRE(count_vram(t, p, HUGE) == 512, "it does not move");
	ASSERT_EQ(0, attr_set(t, p, HUGE, DRM_VSVM_ATTR_GRANULARITY, 4));
	before = returned(t);
	EXPECT_EQ(test_pattern(1, 100 * 512), *(volatile uint64_t *)(p + 100 * PAGE));
	EXPECT_EQ(16, returned(t) - before);
	EXPECT_EQ(-1, check_pattern(p, HUGE, 1));
}

TEST_F(place, granularity_of_what_nobody_has_asked_for)
{
	struct test_vm *t = &self->t;
	uint64_t before;

	/* The device's own choice, until somebody sets one; and again after a reset */
	fill_pattern(self->p, HUGE, 1);
	ASSERT_EQ(0, vsvm_prefetch(t->vm, self->p, HUGE, DRM_VSVM_PLACE_DEVICE));
	before = returned(t);
	EXPECT_EQ(test_pattern(1, 0), *(volatile uint64_t *)self->p);
	EXPECT_EQ(16, returned(t) - before);
	ASSERT_EQ(0, attr_set(t, self->p, HUGE, DRM_VSVM_ATTR_GRANULARITY, 6));
	EXPECT_EQ(test_pattern(1, 64 * 512), *(volatile uint64_t *)(self->p + 64 * PAGE));
	EXPECT_EQ(16 + 64, returned(t) - before);
	ASSERT_EQ(0, attr_reset(t, self->p, HUGE));
	EXPECT_EQ(test_pattern(1, 256 * 512), *(volatile uint64_t *)(self->p + 256 * PAGE));
	EXPECT_EQ(16 + 64 + 16, returned(t) - before);
}

/* --- read mostly --- */

TEST_F(place, read_mostly_is_read_by_both_until_a_write)
{
	struct test_vm *t = &self->t;
	const struct drm_vsvm_attr attrs[] = {
		{ DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_DEVICE },
		{ DRM_VSVM_ATTR_READ_MOSTLY, 1 },
		{ DRM_VSVM_ATTR_GRANULARITY, 0 },
	};
	struct drm_vsvm_stats before;
	unsigned int i;

	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, vsvm_attr_set(t->vm, self->p, BYTES, attrs, 3));
	ASSERT_EQ(0, touch_read(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RW | DRM_VSVM_PAGE_VRAM, STATE_RO));
	/* Both read, and nobody takes anything from the other */
	before = test_stats(t);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
		put_sum(&t->q, self->p, BYTES / 8, 8, 8, t->out);
		ASSERT_EQ(0, test_run(&t->q));
	}
	EXPECT_EQ(before.faults, test_stats(t).faults);
	EXPECT_EQ(0, test_stats(t).migrated);
	/* A write: that page goes where it is preferred, and can be written */
	ASSERT_EQ(0, dev_store64(t, self->p + 5 * PAGE, 55));
	EXPECT_EQ(STATE_RW | DRM_VSVM_PAGE_VRAM,
		  page_state(t, self->p + 5 * PAGE) & (STATE_RW | DRM_VSVM_PAGE_VRAM));
	EXPECT_EQ(1, count_vram(t, self->p, BYTES));
	EXPECT_EQ(1, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_WRITE));
	/* Read by the CPU it comes back, and stays for both */
	EXPECT_EQ(55, *(volatile uint64_t *)(self->p + 5 * PAGE));
	ASSERT_EQ(0, touch_read(t, self->p, BYTES));
	EXPECT_EQ(0, count_vram(t, self->p, BYTES));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_WRITE));
}

TEST_F(place, read_mostly_sees_every_write_of_the_cpu)
{
	struct test_vm *t = &self->t;
	uint64_t i, value;

	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_READ_MOSTLY, 1));
	for (i = 1; i < 50; i++) {
		*(volatile uint64_t *)(self->p + 3 * PAGE) = i;
		ASSERT_EQ(0, dev_load64(t, self->p + 3 * PAGE, &value));
		EXPECT_EQ(i, value);
	}
}

TEST_F(place, read_mostly_takes_the_right_to_write_from_what_is_mapped)
{
	struct test_vm *t = &self->t;

	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_READ_MOSTLY, 1));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RW, STATE_RO));
	ASSERT_EQ(0, dev_fill(t, self->p + PAGE, PAGE, 0x2222222222222222ull));
	EXPECT_EQ(1, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
	EXPECT_EQ(-1, check_bytes(self->p + PAGE, PAGE, 0x22));
}

/* --- what nobody has said anything of --- */

TEST_F(place, unregistered_heap_and_stack_prefer_system_memory)
{
	struct test_vm *t = &self->t;
	char *stack = __builtin_frame_address(0);
	char *heap, *anon = self->p;

	heap = sbrk(4 * PAGE);
	REQUIRE(heap != (void *)-1, "no heap");
	heap = (char *)(((uintptr_t)heap + PAGE - 1) & ~(PAGE - 1));
	stack = (char *)((uintptr_t)stack & ~(PAGE - 1));
	fill_pattern(heap, 2 * PAGE, 1);
	fill_pattern(anon, 2 * PAGE, 1);
	/* The binding says "migrate"; the heap and the stack are the CPU's */
	ASSERT_EQ(0, vsvm_bind_mirror(t->vm, 0, 1ull << 48,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, touch_read(t, anon, 2 * PAGE));
	EXPECT_EQ(2, count_vram(t, anon, 2 * PAGE));
	ASSERT_EQ(0, touch_read(t, heap, 2 * PAGE));
	EXPECT_EQ(0, count_vram(t, heap, 2 * PAGE));
	ASSERT_EQ(0, dev_touch_read(t, stack, PAGE));
	EXPECT_EQ(0, count_vram(t, stack, PAGE));
	EXPECT_EQ(0, attr_ranges(t));
	/* Unless somebody says something else */
	ASSERT_EQ(0, attr_set(t, heap, 2 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	ASSERT_EQ(0, touch_read(t, heap, 2 * PAGE));
	EXPECT_EQ(2, count_vram(t, heap, 2 * PAGE));
	/* And the other way about */
	ASSERT_EQ(0, attr_set(t, anon, PAGE, DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_SYSTEM));
	ASSERT_EQ(0, touch_read(t, anon, 2 * PAGE));
	EXPECT_EQ(1, count_vram(t, anon, 2 * PAGE));
	EXPECT_EQ(-1, check_pattern(anon, 2 * PAGE, 1));
	EXPECT_EQ(-1, check_pattern(heap, 2 * PAGE, 1));
}

TEST_F(place, unregistered_between_two_ranges_moves_alone)
{
	struct test_vm *t = &self->t;
	uint64_t value;

	/* The gap between neighbours is the extent; so is the mapping */
	fill_pattern(self->p, HUGE, 1);
	ASSERT_EQ(0, vsvm_bind_mirror(t->vm, (uintptr_t)self->p, HUGE,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, attr_set(t, self->p, 8 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_IN_PLACE));
	ASSERT_EQ(0, attr_set(t, self->p + 20 * PAGE, 8 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_IN_PLACE));
	ASSERT_EQ(0, dev_load64(t, self->p + 10 * PAGE, &value));
	EXPECT_EQ(12, test_stats(t).migrated);
	EXPECT_EQ(2, attr_ranges(t));
	EXPECT_EQ(-1, check_pattern(self->p, HUGE, 1));
}

TEST_HARNESS_MAIN
