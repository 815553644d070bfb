// SPDX-License-Identifier: MIT
/*
 * Attributes and the life of mappings: they outlive munmap(), unless the binding
 * says that they shall not; and a stale one harms nobody.
 */
#include <pthread.h>

#include "vsvm_attr.h"
#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define PAGES	64
#define BYTES	(PAGES * PAGE)

FIXTURE(reset)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
}

FIXTURE_TEARDOWN(reset)
{
	EXPECT_EQ(0, test_close(&self->t));
}

static int map_at(char *p, size_t size)
{
	return mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) == p ? 0 : -errno;
}

static int auto_reset(struct test_vm *t, char *p, size_t size)
{
	return vsvm_bind_mirror(t->vm, (uintptr_t)p, size,
				DRM_VSVM_BIND_AUTO_RESET | DRM_VSVM_BIND_REPLACE);
}

TEST_F(reset, attributes_outlive_munmap)
{
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, dev_touch_read(t, self->p, BYTES));
	ASSERT_EQ(0, munmap(self->p, BYTES));
	EXPECT_EQ(1, attr_get(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO));
	ASSERT_EQ(0, map_at(self->p, BYTES));
	EXPECT_NE(0, dev_store64(t, self->p, 1));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(0, test_stats(t).attr_resets);
}

TEST_F(reset, auto_reset_where_the_binding_says_so)
{
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, auto_reset(t, self->p, 32 * PAGE));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	/* The device has never seen these pages: there is no other notifier */
	ASSERT_EQ(0, munmap(self->p, BYTES));
	EXPECT_EQ(ATTR_TYPES, attr_not_default(t, self->p, 32 * PAGE));
	EXPECT_EQ(1, attr_get(t, self->p + 32 * PAGE, 32 * PAGE, DRM_VSVM_ATTR_GPU_RO));
	EXPECT_EQ(1, attr_ranges(t));
	ASSERT_EQ(0, map_at(self->p, BYTES));
	ASSERT_EQ(0, dev_fill(t, self->p, 32 * PAGE, 1));
	EXPECT_NE(0, dev_store64(t, self->p + 32 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p + 32 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
}

TEST_F(reset, before_a_fault_is_served)
{
	struct test_vm *t = &self->t;
	unsigned long i, rounds = test_scale(50);

	/* Nobody asks for attributes in between: the fault itself has to see to it */
	ASSERT_EQ(0, auto_reset(t, self->p, BYTES));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ACCESS,
				      DRM_VSVM_ATTR_ACCESS_NONE));
		ASSERT_EQ(0, munmap(self->p, BYTES));
		ASSERT_EQ(0, map_at(self->p, BYTES));
		ASSERT_EQ(0, dev_store64(t, self->p + i % PAGES * PAGE, i));
		EXPECT_EQ(i, *(uint64_t *)(self->p + i % PAGES * PAGE));
	}
}

TEST_F(reset, by_a_worker_if_nobody_asks)
{
	struct test_vm *t = &self->t;
	uint64_t since = 0;

	ASSERT_EQ(0, auto_reset(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, munmap(self->p, BYTES));
	while (attr_ranges(t) && test_patient(&since))
		test_nap();
	EXPECT_EQ(0, attr_ranges(t));
	EXPECT_EQ(1, test_stats(t).attr_resets);
}

TEST_F(reset, defect_union_of_two_pending_unmaps)
{
	struct test_vm *t = &self->t;
	unsigned long i, rounds = test_scale(50);

	/* What lies between two pieces that go keeps its attributes */
	ASSERT_EQ(0, auto_reset(t, self->p, BYTES));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY, 3));
		ASSERT_EQ(0, munmap(self->p, 8 * PAGE));
		ASSERT_EQ(0, munmap(self->p + 48 * PAGE, 8 * PAGE));
		EXPECT_EQ(3, attr_get(t, self->p + 8 * PAGE, 40 * PAGE, DRM_VSVM_ATTR_GRANULARITY));
		EXPECT_EQ(9, attr_get(t, self->p, 8 * PAGE, DRM_VSVM_ATTR_GRANULARITY));
		EXPECT_EQ(9, attr_get(t, self->p + 48 * PAGE, 8 * PAGE, DRM_VSVM_ATTR_GRANULARITY));
		EXPECT_EQ(3, attr_get(t, self->p + 56 * PAGE, 8 * PAGE, DRM_VSVM_ATTR_GRANULARITY));
		ASSERT_EQ(0, map_at(self->p, BYTES));
	}
}

TEST_F(reset, a_new_set_is_not_lost_to_the_old_unmap)
{
	struct test_vm *t = &self->t;
	unsigned long i, rounds = test_scale(500);

	ASSERT_EQ(0, auto_reset(t, self->p, BYTES));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
		ASSERT_EQ(0, munmap(self->p, BYTES));
		ASSERT_EQ(0, map_at(self->p, BYTES));
		/* The worker may come at any moment */
		ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY, i % 9));
		if (i % 3 == 0)
			test_nap();
		EXPECT_EQ(i % 9, attr_get(t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY));
		EXPECT_EQ(0, attr_get(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO));
	}
}

TEST_F(reset, what_stays_mapped_keeps_its_attributes)
{
	struct test_vm *t = &self->t;
	char *q;

	ASSERT_EQ(0, auto_reset(t, self->p, BYTES));
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY, 3));
	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, madvise(self->p, 8 * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, mprotect(self->p, BYTES, PROT_READ));
	ASSERT_EQ(0, mprotect(self->p, BYTES, PROT_READ | PROT_WRITE));
	if (!fork())
		_exit(0);
	*self->p = 1;
	EXPECT_EQ(3, attr_get(t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY));
	EXPECT_EQ(0, test_stats(t).attr_resets);
	/* mremap() is an unmap where it came from; it takes nothing along */
	q = mremap(self->p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   map_anon(8 * PAGE));
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(ATTR_TYPES, attr_not_default(t, self->p, 8 * PAGE));
	EXPECT_EQ(ATTR_TYPES, attr_not_default(t, q, 8 * PAGE));
	EXPECT_EQ(3, attr_get(t, self->p + 8 * PAGE, BYTES - 8 * PAGE, DRM_VSVM_ATTR_GRANULARITY));
}

TEST_F(reset, many_unmaps_at_once)
{
	struct test_vm *t = &self->t;
	const unsigned int n = 2000;
	char *p = map_anon(n * 2 * PAGE);
	unsigned int i;

	ASSERT_EQ(0, auto_reset(t, p, n * 2 * PAGE));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, attr_set(t, p + 2 * i * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY, i % 9));
	ASSERT_EQ(n, attr_ranges(t));
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(0, munmap(p + 2 * i * PAGE, PAGE));
	for (i = 0; i < n; i++) {
		EXPECT_EQ(i % 2 ? i % 9 : 9,
			  attr_get(t, p + 2 * i * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY));
	}
	EXPECT_EQ(n / 2, attr_ranges(t));
}

TEST_F(reset, lesson_stale_attribute_over_a_recycled_address)
{
	struct test_vm *t = &self->t;
	struct vsvm_bo *bo;
	uint64_t value = 0;
	void *map;
	char *p;

	/* A big block of anonymous memory, of which a part becomes I/O-like */
	p = map_aligned(HUGE);
	ASSERT_EQ(0, attr_set(t, p, HUGE, DRM_VSVM_ATTR_GRANULARITY, 0x3f));
	ASSERT_EQ(0, attr_set(t, p, HUGE, DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_DEVICE));
	ASSERT_EQ(0, munmap(p, HUGE));
	ASSERT_EQ(0, map_at(p, HUGE / 2));
	ASSERT_EQ(0, vsvm_bo_create(t->dev, HUGE / 2, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, &map));
	ASSERT_EQ(p + HUGE / 2, mremap(map, HUGE / 2, HUGE / 2, MREMAP_MAYMOVE | MREMAP_FIXED,
				       p + HUGE / 2));
	fill_pattern(p, HUGE / 2, 1);
	*(volatile char *)(p + HUGE / 2) = 1;
	/* The good half works to its last page; the other says what it is */
	ASSERT_EQ(0, dev_load64(t, p + HUGE / 2 - PAGE, &value));
	EXPECT_EQ(test_pattern(1, (HUGE / 2 - PAGE) / 8), value);
	ASSERT_EQ(0, dev_fill(t, p, HUGE / 2, 0x7777777777777777ull));
	EXPECT_EQ(-1, check_bytes(p, HUGE / 2, 0x77));
	EXPECT_NE(0, dev_load64(t, p + HUGE / 2, &value));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_UNSUPPORTED, EOPNOTSUPP, p + HUGE / 2,
				  DRM_VSVM_ACCESS_READ));
	munmap(p, HUGE);
}

TEST_F(reset, lesson_a_check_at_set_time_is_stale)
{
	struct test_vm *t = &self->t;
	uint64_t value;

	/* It was there when it was checked; the fault tells that it is not */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_IN_PLACE));
	ASSERT_EQ(0, munmap(self->p, BYTES));
	EXPECT_NE(0, dev_load64(t, self->p, &value));
	EXPECT_EQ(0, expect_fault(&t->q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, self->p,
				  DRM_VSVM_ACCESS_READ));
}

TEST_F(reset, partial_unmap_leaves_both_ends_usable)
{
	struct test_vm *t = &self->t;
	uint64_t value = 0;

	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY, 2));
	ASSERT_EQ(0, dev_touch_write(t, self->p, BYTES));
	ASSERT_EQ(0, munmap(self->p + 24 * PAGE, 16 * PAGE));
	EXPECT_EQ(48, count_state(t, self->p, BYTES, STATE_RW, STATE_RW));
	ASSERT_EQ(0, dev_load64(t, self->p + 23 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 23 * 512), value);
	ASSERT_EQ(0, dev_load64(t, self->p + 40 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 40 * 512), value);
	/* A SET over the hole is refused, and changes nothing on either side */
	EXPECT_EQ(-EFAULT, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(0, attr_get(t, self->p, 24 * PAGE, DRM_VSVM_ATTR_GPU_RO));
	ASSERT_EQ(0, dev_fill(t, self->p, 24 * PAGE, 1));
	ASSERT_EQ(0, dev_fill(t, self->p + 40 * PAGE, 24 * PAGE, 1));
}

/* --- against each other --- */

struct racer {
	char *p;
	struct test_vm *t;
	uint32_t stop;
	unsigned long rounds;
	int ret;
};

static void *unmap_and_map(void *arg)
{
	struct racer *r = arg;
	uint64_t seed = 4711;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		unsigned int first = test_random(&seed) % PAGES;
		unsigned int n = 1 + test_random(&seed) % (PAGES - first);

		munmap(r->p + first * PAGE, n * PAGE);
		if (map_at(r->p + first * PAGE, n * PAGE))
			r->ret = -errno;
		r->rounds++;
	}
	return NULL;
}

TEST_F_LONG(reset, racing_with_munmap, 60)
{
	struct test_vm *t = &self->t;
	struct racer r = { .p = self->p };
	uint64_t end = test_now() + test_span(3000), seed = 99, sets = 0;
	pthread_t thread;
	char *own = map_anon(PAGE);

	ASSERT_EQ(0, auto_reset(t, self->p, BYTES));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unmap_and_map, &r));
	while (test_now() < end) {
		unsigned int first = test_random(&seed) % PAGES;
		unsigned int n = 1 + test_random(&seed) % (PAGES - first);
		int ret = attr_set(t, self->p + first * PAGE, n * PAGE,
				   DRM_VSVM_ATTR_GRANULARITY, test_random(&seed) % 9);

		EXPECT_EQ(true, !ret || ret == -EFAULT);
		sets += !ret;
		/* Attributes of what nobody unmaps are never lost */
		ASSERT_EQ(0, attr_set(t, own, PAGE, DRM_VSVM_ATTR_GRANULARITY, sets % 9));
		put_store64(&t->q, self->p + first * PAGE, 1);
		if (test_run(&t->q))
			EXPECT_EQ(0, test_queue_renew(&t->q));
		EXPECT_EQ(sets % 9, attr_get(t, own, PAGE, DRM_VSVM_ATTR_GRANULARITY));
	}
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, r.ret);
	EXPECT_LT(0, sets);
	/* When all is quiet: what is unmapped now is gone */
	ASSERT_EQ(0, munmap(self->p, BYTES));
	EXPECT_EQ(ATTR_TYPES, attr_not_default(t, self->p, BYTES));
	TH_LOG("%lu unmaps, %llu sets", r.rounds, (unsigned long long)sets);
}

TEST_HARNESS_MAIN
