// SPDX-License-Identifier: MIT
/*
 * What attributes do to the device's accesses and mappings: at the next fault,
 * and to what is mapped already, before the call returns.
 */
#include <pthread.h>

#include "vsvm_attr.h"
#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define PAGES	64
#define BYTES	(PAGES * PAGE)

FIXTURE(effect)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(effect)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
	fill_pattern(self->p, BYTES, 1);
	/* From here on a fault is one of self->p */
	ASSERT_EQ(0, dev_touch_read(&self->t, self->t.out, 8));
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)self->p, BYTES,
				      DRM_VSVM_BIND_REPLACE));
}

FIXTURE_TEARDOWN(effect)
{
	EXPECT_EQ(0, test_close(&self->t));
}

/* --- access --- */

TEST_F(effect, no_access_ends_a_fault_with_a_record)
{
	struct test_vm *t = &self->t;
	uint64_t value = 0;

	ASSERT_EQ(0, attr_set(t, self->p + 8 * PAGE, 4 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	EXPECT_NE(0, dev_load64(t, self->p + 9 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_NO_ACCESS, EACCES, self->p + 9 * PAGE,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_NE(0, dev_store64(t, self->p + 11 * PAGE + 8, 1));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_NO_ACCESS, EACCES,
				  self->p + 11 * PAGE + 8, DRM_VSVM_ACCESS_WRITE));
	/* Pages around it go on, and are not mapped across the boundary */
	ASSERT_EQ(0, dev_touch_write(t, self->p, 8 * PAGE));
	ASSERT_EQ(0, dev_touch_write(t, self->p + 12 * PAGE, 4 * PAGE));
	EXPECT_EQ(0, count_state(t, self->p + 8 * PAGE, 4 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(effect, access_is_lost_before_the_call_returns)
{
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p + 16 * PAGE, 16 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	EXPECT_EQ(0, count_state(t, self->p + 16 * PAGE, 16 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	/* And nobody else loses any */
	EXPECT_EQ(PAGES - 16, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
}

TEST_F(effect, register_regrant)
{
	struct test_vm *t = &self->t;
	uint64_t value = 0;

	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	EXPECT_NE(0, dev_load64(t, self->p, &value));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_NO_ACCESS, EACCES, self->p,
				  DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_IN_PLACE));
	ASSERT_EQ(0, dev_load64(t, self->p, &value));
	EXPECT_EQ(test_pattern(1, 0), value);
	ASSERT_EQ(0, dev_fill(t, self->p, BYTES, 7));
}

TEST_F(effect, partial_page_not_revoked)
{
	struct drm_vsvm_stats before, after;
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	before = test_stats(t);
	ASSERT_EQ(0, attr_set(t, self->p + 5 * PAGE, PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	after = test_stats(t);
	EXPECT_EQ(1, after.zapped_4k - before.zapped_4k);
	before = after;
	put_fill(&t->q, self->p, 5 * PAGE, 1);
	put_fill(&t->q, self->p + 6 * PAGE, BYTES - 6 * PAGE, 1);
	ASSERT_EQ(0, test_run(&t->q));
	after = test_stats(t);
	EXPECT_EQ(0, after.faults - before.faults);
	EXPECT_EQ(test_pattern(1, 5 * PAGE / 8), *(uint64_t *)(self->p + 5 * PAGE));
}

/* --- GPU_RO --- */

TEST_F(effect, defect_read_only_left_writable_entries)
{
	struct drm_vsvm_stats before, after;
	struct test_vm *t = &self->t;
	uint64_t value = 0;

	/* Set on exactly a range that exists and is mapped for writing */
	ASSERT_EQ(0, attr_set(t, self->p, 16 * PAGE, DRM_VSVM_ATTR_GRANULARITY, 3));
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	before = test_stats(t);
	ASSERT_EQ(0, attr_set(t, self->p, 16 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	after = test_stats(t);
	EXPECT_EQ(16, count_state(t, self->p, BYTES, STATE_RW, STATE_RO));
	EXPECT_EQ(PAGES - 16, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
	/* A downgrade: it can still be read without a fault */
	EXPECT_EQ(16, after.downgraded - before.downgraded);
	EXPECT_EQ(0, after.zapped_4k - before.zapped_4k);
	before = after;
	ASSERT_EQ(0, dev_load64(t, self->p + PAGE, &value));
	EXPECT_EQ(0, test_stats(t).faults - before.faults);
	/* Sixteen pages, one flush, give or take one at each end */
	EXPECT_GE(3, after.tlb_flushes - before.tlb_flushes);
}

TEST_F(effect, defect_write_to_a_read_only_page_succeeds_or_refaults_for_ever)
{
	struct test_vm *t = &self->t;
	struct drm_vsvm_stats before = test_stats(t), after;
	uint64_t value = 0;

	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, dev_load64(t, self->p, &value));
	EXPECT_NE(0, dev_store64(t, self->p, 4711));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_NE(0, dev_atomic(t, VSVM_ATOMIC_INC, 8, self->p + PAGE, 0, 0, NULL));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p + PAGE,
				  DRM_VSVM_ACCESS_ATOMIC));
	after = test_stats(t);
	EXPECT_GE(64, after.faults - before.faults);
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_WRITE));
}

TEST_F(effect, defect_reset_leaves_entries_with_the_old_flags)
{
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_EXEC, 1));
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(PAGES, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
	ASSERT_EQ(0, attr_reset(t, self->p, 32 * PAGE));
	EXPECT_EQ(32, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
	EXPECT_EQ(0, count_state(t, self->p, 32 * PAGE, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
	EXPECT_EQ(32, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
	/* And what could not be written can be again */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, attr_reset(t, self->p, BYTES));
	ASSERT_EQ(0, dev_fill(t, self->p, BYTES, 3));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
}

TEST_F(effect, gpu_exec_and_coherence_are_in_the_entries)
{
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_EXEC, 1));
	ASSERT_EQ(0, dev_touch_read(t, self->p, BYTES));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_EXEC, 0));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_EXEC, DRM_VSVM_PAGE_EXEC));
	/* The kind of entry changes: it goes, and comes back as the other kind */
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_COHERENT, 0));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_EXT_COHERENT, 1));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	/* Coherent one way or the other: nothing changes */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_COHERENT, 1));
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(effect, hints_change_nothing_that_is_mapped)
{
	static const uint32_t hints[] = {
		DRM_VSVM_ATTR_HIVE_LOCAL, DRM_VSVM_ATTR_HOST_ACCESS, DRM_VSVM_ATTR_GRANULARITY,
	};
	struct test_vm *t = &self->t;
	struct drm_vsvm_stats before, after;
	unsigned int i;

	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	before = test_stats(t);
	for (i = 0; i < ARRAY_SIZE(hints); i++)
		ASSERT_EQ(0, attr_set(t, self->p + 3 * PAGE, 5 * PAGE, hints[i],
				      !attr_default(hints[i])));
	after = test_stats(t);
	EXPECT_EQ(0, after.zapped_4k - before.zapped_4k);
	EXPECT_EQ(0, after.downgraded - before.downgraded);
	EXPECT_EQ(PAGES, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
}

TEST_F(effect, defect_one_read_only_mapping_makes_the_rest_read_only)
{
	struct test_vm *t = &self->t;

	/* Of the process ... */
	ASSERT_EQ(0, mprotect(self->p, 2 * PAGE, PROT_READ));
	ASSERT_EQ(0, vsvm_prefetch(t->vm, self->p, BYTES, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(2, count_state(t, self->p, BYTES, STATE_RW, STATE_RO));
	EXPECT_EQ(PAGES - 2, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
	/* ... and by attributes */
	ASSERT_EQ(0, vsvm_unbind(t->vm, (uintptr_t)self->p, BYTES, DRM_VSVM_BIND_FORCE));
	ASSERT_EQ(0, vsvm_bind_mirror(t->vm, (uintptr_t)self->p, BYTES, 0));
	ASSERT_EQ(0, attr_set(t, self->p + 2 * PAGE, 2 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, vsvm_prefetch(t->vm, self->p, BYTES, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(4, count_state(t, self->p, BYTES, STATE_RW, STATE_RO));
	EXPECT_EQ(PAGES - 4, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
}

TEST_F(effect, prefetch_maps_nothing_without_access)
{
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, attr_set(t, self->p + 8 * PAGE, 8 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	ASSERT_EQ(0, vsvm_prefetch(t->vm, self->p, BYTES, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(PAGES - 8, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED,
					 DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	EXPECT_EQ(0, count_state(t, self->p + 8 * PAGE, 8 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
}

/* --- boundaries --- */

TEST_F(effect, mappings_never_cross_a_boundary)
{
	struct test_vm *t = &self->t;
	char *p = map_huge(2 * HUGE);
	struct drm_vsvm_stats before, after;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, 2 * HUGE, 2);
	ASSERT_EQ(0, dev_touch_write(t, p, 2 * HUGE));
	ASSERT_EQ(1024, count_state(t, p, 2 * HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	/* Something that takes no mapping away, in the middle of the first one */
	before = test_stats(t);
	ASSERT_EQ(0, attr_set(t, p + 100 * PAGE, 100 * PAGE, DRM_VSVM_ATTR_GRANULARITY, 4));
	after = test_stats(t);
	EXPECT_EQ(1, after.split_2m - before.split_2m);
	EXPECT_EQ(0, after.zapped_4k + after.zapped_2m - before.zapped_4k - before.zapped_2m);
	EXPECT_EQ(0, count_state(t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	EXPECT_EQ(1024, count_state(t, p, 2 * HUGE, STATE_RW, STATE_RW));
	/* Only what it must: the second one stays */
	EXPECT_EQ(512, count_state(t, p + HUGE, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	/* And none comes to be that crosses it */
	ASSERT_EQ(0, madvise(p, HUGE, MADV_PAGEOUT));
	EXPECT_EQ(-1, check_pattern(p, 2 * HUGE, 2));
	ASSERT_EQ(0, dev_touch_read(t, p, HUGE));
	EXPECT_EQ(0, count_state(t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	EXPECT_EQ(-1, check_pattern(p, 2 * HUGE, 2));
	/* With a boundary that is one of huge pages too, there is nothing to split */
	before = test_stats(t);
	ASSERT_EQ(0, attr_set(t, p + HUGE, HUGE, DRM_VSVM_ATTR_GRANULARITY, 4));
	after = test_stats(t);
	EXPECT_EQ(0, after.split_2m - before.split_2m);
	EXPECT_EQ(512, count_state(t, p + HUGE, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
}

TEST_F(effect, split_shapes)
{
	/* Every way in which one range can overlap another, in pages */
	static const struct { unsigned int from, to; } shapes[] = {
		{ 16, 48 }, { 0, 16 }, { 48, 64 }, { 0, 24 }, { 40, 64 }, { 24, 40 }, { 0, 64 },
		{ 16, 32 }, { 32, 48 }, { 8, 16 }, { 48, 56 }, { 15, 49 }, { 16, 17 }, { 47, 48 },
	};
	struct test_vm *t = &self->t;
	unsigned int i, page;
	uint64_t value;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		char *q = self->p + shapes[i].from * PAGE;
		size_t size = (shapes[i].to - shapes[i].from) * PAGE;

		ASSERT_EQ(0, attr_reset(t, self->p, BYTES));
		ASSERT_EQ(0, attr_set(t, self->p + 16 * PAGE, 32 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
		ASSERT_EQ(0, dev_touch_read(t, self->p, BYTES));
		ASSERT_EQ(0, attr_set(t, q, size, DRM_VSVM_ATTR_ACCESS,
				      DRM_VSVM_ATTR_ACCESS_NONE));
		for (page = 0; page < PAGES; page++) {
			bool none = page >= shapes[i].from && page < shapes[i].to;
			bool ro = page >= 16 && page < 48;
			uint32_t state = page_state(t, self->p + page * PAGE);

			EXPECT_EQ(none, attr_get(t, self->p + page * PAGE, PAGE,
						 DRM_VSVM_ATTR_ACCESS) == 0);
			EXPECT_EQ(ro, attr_get(t, self->p + page * PAGE, PAGE,
					       DRM_VSVM_ATTR_GPU_RO));
			EXPECT_EQ(!none, !!(state & DRM_VSVM_PAGE_MAPPED));
			EXPECT_EQ(0, ro && (state & DRM_VSVM_PAGE_WRITE));
		}
		/* What is left works to the last byte */
		for (page = 0; page < PAGES; page++) {
			if (page >= shapes[i].from && page < shapes[i].to)
				continue;
			value = 0;
			ASSERT_EQ(0, dev_load64(t, self->p + page * PAGE + PAGE - 8, &value));
			EXPECT_EQ(test_pattern(1, page * 512 + 511), value);
		}
	}
}

TEST_F(effect, defect_partial_zap_forgets_the_whole)
{
	struct test_vm *t = &self->t;
	uint64_t value = 0;
	unsigned int i;

	/*
	 * A part goes by attribute; the rest must still be known, or the memory
	 * that goes next stays reachable.
	 */
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p + 20 * PAGE, 4 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	ASSERT_EQ(0, madvise(self->p, BYTES, MADV_DONTNEED));
	EXPECT_EQ(0, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	fill_pattern(self->p, BYTES, 3);
	for (i = 0; i < PAGES; i++) {
		if (i >= 20 && i < 24)
			continue;
		ASSERT_EQ(0, dev_load64(t, self->p + i * PAGE, &value));
		EXPECT_EQ(test_pattern(3, i * 512), value);
	}
}

TEST_F(effect, defect_time_based_filter_drops_good_faults)
{
	struct test_vm *t = &self->t;
	unsigned int i;

	/* Many faults at once, next to each other and on one page: none is lost */
	for (i = 0; i < PAGES; i++) {
		put_store64(&t->q, self->p + i * PAGE, i);
		put_store64(&t->q, self->p + i * PAGE + 8, i);
	}
	ASSERT_EQ(0, test_run(&t->q));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(i, *(uint64_t *)(self->p + i * PAGE));
		EXPECT_EQ(i, *(uint64_t *)(self->p + i * PAGE + 8));
	}
}

TEST_F(effect, lesson_tlb_flushes_are_folded)
{
	struct test_vm *t = &self->t;
	char *p = map_anon(HUGE);
	struct drm_vsvm_stats before, after;

	ASSERT_EQ(0, dev_touch_write(t, p, HUGE));
	before = test_stats(t);
	ASSERT_EQ(0, attr_set(t, p, HUGE, DRM_VSVM_ATTR_ACCESS, DRM_VSVM_ATTR_ACCESS_NONE));
	after = test_stats(t);
	EXPECT_EQ(512, after.zapped_4k - before.zapped_4k);
	/* 2 MiB of pages that need not be aligned: two spans at most */
	EXPECT_GE(2, after.tlb_flushes - before.tlb_flushes);
}

TEST_F(effect, lesson_buffer_objects_are_left_alone)
{
	struct test_vm *t = &self->t;
	struct vsvm_bo *bo;
	uint64_t value = 0;

	ASSERT_EQ(0, vsvm_bo_create(t->dev, 16 * PAGE, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bind_bo(t->vm, bo, (uintptr_t)self->p + 8 * PAGE, 0, 16 * PAGE,
				  DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_fill(t, self->p + 8 * PAGE, 16 * PAGE, 0x55));
	/* Attributes are of the process' memory, which is not what is bound there */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	EXPECT_EQ(16, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_load64(t, self->p + 8 * PAGE, &value));
	EXPECT_EQ(0x55, value);
	EXPECT_NE(0, dev_load64(t, self->p, &value));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_NO_ACCESS, EACCES, self->p,
				  DRM_VSVM_ACCESS_READ));
	/* When it goes, they count */
	ASSERT_EQ(0, vsvm_bind_mirror(t->vm, (uintptr_t)self->p + 8 * PAGE, 16 * PAGE,
				      DRM_VSVM_BIND_REPLACE));
	EXPECT_NE(0, dev_load64(t, self->p + 8 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_NO_ACCESS, EACCES, self->p + 8 * PAGE,
				  DRM_VSVM_ACCESS_READ));
	vsvm_bo_destroy(bo);
}

TEST_F(effect, attributes_and_bindings_are_independent)
{
	struct test_vm *t = &self->t;
	uint64_t value = 0;

	ASSERT_EQ(0, vsvm_unbind(t->vm, (uintptr_t)self->p, BYTES, DRM_VSVM_BIND_FORCE));
	/* Set where nothing is bound, in force when it is */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	EXPECT_NE(0, dev_load64(t, self->p, &value));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_NOT_BOUND, EFAULT, self->p,
				  DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, vsvm_bind_mirror(t->vm, (uintptr_t)self->p, BYTES, 0));
	ASSERT_EQ(0, dev_load64(t, self->p, &value));
	EXPECT_NE(0, dev_store64(t, self->p, 1));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p,
				  DRM_VSVM_ACCESS_WRITE));
	/* Each forbids; neither allows what the other does not */
	ASSERT_EQ(0, attr_reset(t, self->p, BYTES));
	ASSERT_EQ(0, vsvm_bind_mirror(t->vm, (uintptr_t)self->p, BYTES,
				      DRM_VSVM_BIND_READ_ONLY | DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 0));
	EXPECT_NE(0, dev_store64(t, self->p, 1));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p,
				  DRM_VSVM_ACCESS_WRITE));
}

/* --- ALWAYS_MAPPED --- */

static bool all_mapped(struct test_vm *t, char *p, size_t size)
{
	uint64_t since = 0;

	while (count_state(t, p, size, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED) != size / PAGE) {
		if (!test_patient(&since))
			return false;
		test_nap();
	}
	return true;
}

TEST_F(effect, always_mapped_without_a_fault)
{
	struct test_vm *t = &self->t;
	struct drm_vsvm_stats before, after;

	before = test_stats(t);
	ASSERT_EQ(0, attr_set(t, self->p, 32 * PAGE, DRM_VSVM_ATTR_ALWAYS_MAPPED, 1));
	EXPECT_EQ(32, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
	/* Taken away by core-mm, and there again without anybody asking */
	ASSERT_EQ(0, mprotect(self->p, 32 * PAGE, PROT_NONE));
	ASSERT_EQ(0, mprotect(self->p, 32 * PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(true, all_mapped(t, self->p, 32 * PAGE));
	after = test_stats(t);
	EXPECT_EQ(0, after.faults - before.faults);
	EXPECT_EQ(32, count_state(t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	/* As far as other attributes allow */
	ASSERT_EQ(0, attr_set(t, self->p, 8 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	EXPECT_EQ(0, count_state(t, self->p, 8 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, attr_set(t, self->p, 8 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_IN_PLACE));
	EXPECT_EQ(true, all_mapped(t, self->p, 32 * PAGE));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(effect, lesson_restore_only_what_was_mapped)
{
	struct test_vm *t = &self->t;
	struct drm_vsvm_stats before;
	char *other = map_anon(BYTES);
	unsigned int i;

	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ALWAYS_MAPPED, 1));
	/* Close by, or elsewhere, but not mapped by the device: no work for anybody */
	before = test_stats(t);
	for (i = 0; i < 20; i++) {
		*other = 1;
		ASSERT_EQ(0, madvise(other, BYTES, MADV_DONTNEED));
		test_nap();
	}
	EXPECT_EQ(before.snapshots, test_stats(t).snapshots);
}

TEST_HARNESS_MAIN
