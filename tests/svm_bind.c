// SPDX-License-Identifier: MIT
/*
 * What is bound where: whole and in part, read-only, taken away again, all of a
 * call or nothing of it.
 */
#include <pthread.h>

#include "vsvm_harness.h"

#define PAGES	64
#define BYTES	(PAGES * PAGE)

FIXTURE(bind)
{
	struct test_vm t;
	char *p;
	uint64_t at;
};

FIXTURE_SETUP(bind)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
	self->at = (uintptr_t)self->p;
	fill_pattern(self->p, BYTES, 1);
	/* Only the queue's own area and what each test binds */
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)self->t.q.area, 64 << 10, 0));
}

FIXTURE_TEARDOWN(bind)
{
	EXPECT_EQ(0, test_close(&self->t));
}

static struct drm_vsvm_bind_op op(uint32_t what, uint32_t flags, uint64_t address, uint64_t size)
{
	return (struct drm_vsvm_bind_op) {
		.op = what, .flags = flags, .address = address, .size = size,
	};
}

static int not_bound(struct test_vm *t, char *p)
{
	uint64_t value = 0;

	if (page_state(t, p))
		return __LINE__;
	if (!dev_load64(t, p + 8, &value) ||
	    expect_fault(&t->q, DRM_VSVM_FAULT_NOT_BOUND, EFAULT, p + 8, DRM_VSVM_ACCESS_READ))
		return __LINE__;
	if (!dev_store64(t, p + 16, 1) ||
	    expect_fault(&t->q, DRM_VSVM_FAULT_NOT_BOUND, EFAULT, p + 16, DRM_VSVM_ACCESS_WRITE))
		return __LINE__;
	return 0;
}

TEST_F(bind, nothing_is_bound_at_first)
{
	EXPECT_EQ(0, not_bound(&self->t, self->p));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
}

TEST_F(bind, a_part_is_bound_and_its_neighbours_are_not)
{
	uint64_t value = 0;

	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at + 8 * PAGE, 4 * PAGE, 0));
	EXPECT_EQ(0, not_bound(&self->t, self->p + 7 * PAGE));
	EXPECT_EQ(0, not_bound(&self->t, self->p + 12 * PAGE));
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 8 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 8 * PAGE / 8), value);
	ASSERT_EQ(0, dev_store64(&self->t, self->p + 12 * PAGE - 8, 1));
	/* What lies around a fault is not mapped beyond the binding */
	EXPECT_EQ(0, count_state(&self->t, self->p, 8 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(0, count_state(&self->t, self->p + 12 * PAGE, BYTES - 12 * PAGE,
				 DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(4, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND,
				 DRM_VSVM_PAGE_BOUND));
	/* A range that runs out of it */
	EXPECT_NE(0, dev_fill(&self->t, self->p + 11 * PAGE, 2 * PAGE, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NOT_BOUND, EFAULT,
				  self->p + 12 * PAGE, DRM_VSVM_ACCESS_WRITE));
}

TEST_F(bind, huge_page_is_not_mapped_beyond_the_binding)
{
	char *p = map_huge(HUGE);
	uint64_t value = 0;

	REQUIRE(p, "no huge pages to be had");
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, HUGE / 2, 0));
	ASSERT_EQ(0, dev_load64(&self->t, p, &value));
	ASSERT_EQ(0, dev_store64(&self->t, p + HUGE / 2 - 8, 1));
	EXPECT_EQ(0, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	EXPECT_EQ(0, not_bound(&self->t, p + HUGE / 2));
}

TEST_F(bind, read_only)
{
	uint64_t value = 0;

	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at, BYTES, DRM_VSVM_BIND_READ_ONLY));
	ASSERT_EQ(0, dev_load64(&self->t, self->p + PAGE, &value));
	EXPECT_EQ(test_pattern(1, PAGE / 8), value);
	EXPECT_EQ(DRM_VSVM_PAGE_READ, page_state(&self->t, self->p + PAGE) &
		  (DRM_VSVM_PAGE_READ | DRM_VSVM_PAGE_WRITE));
	/* Mapped before or not, by a store or an atomic */
	EXPECT_NE(0, dev_store64(&self->t, self->p + PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p + PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_NE(0, dev_fill(&self->t, self->p + 40 * PAGE + 1, 1, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES,
				  self->p + 40 * PAGE + 1, DRM_VSVM_ACCESS_WRITE));
	EXPECT_NE(0, dev_atomic(&self->t, VSVM_ATOMIC_INC, 8, self->p, 0, 0, NULL));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p,
				  DRM_VSVM_ACCESS_ATOMIC));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
	/* The CPU may, and the device sees it */
	*(volatile uint64_t *)(self->p + PAGE) = 99;
	ASSERT_EQ(0, dev_load64(&self->t, self->p + PAGE, &value));
	EXPECT_EQ(99, value);
}

TEST_F(bind, read_only_huge_page)
{
	char *p = map_huge(HUGE);
	uint64_t value = 0;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 2);
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, HUGE, DRM_VSVM_BIND_READ_ONLY));
	ASSERT_EQ(0, dev_load64(&self->t, p + 8, &value));
	EXPECT_EQ(test_pattern(2, 1), value);
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_WRITE,
				   DRM_VSVM_PAGE_HUGE));
	EXPECT_NE(0, dev_store64(&self->t, p + 77 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES, p + 77 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(-1, check_pattern(p, HUGE, 2));
}

TEST_F(bind, memory_of_nobody_may_be_bound)
{
	char *hole = map_anon(PAGE);

	ASSERT_EQ(0, munmap(hole, PAGE));
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)hole, PAGE, 0));
	EXPECT_NE(0, dev_store64(&self->t, hole, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, hole,
				  DRM_VSVM_ACCESS_WRITE));
	/* What comes there later counts */
	ASSERT_EQ(hole, mmap(hole, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_EQ(0, dev_store64(&self->t, hole, 1));
	EXPECT_EQ(1, *(uint64_t *)hole);
}

TEST_F(bind, nothing_is_bound_twice)
{
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at + 8 * PAGE, 8 * PAGE, 0));
	/* The same, inside, around, over either end */
	EXPECT_EQ(-EEXIST, vsvm_bind_mirror(self->t.vm, self->at + 8 * PAGE, 8 * PAGE, 0));
	EXPECT_EQ(-EEXIST, vsvm_bind_mirror(self->t.vm, self->at + 10 * PAGE, PAGE, 0));
	EXPECT_EQ(-EEXIST, vsvm_bind_mirror(self->t.vm, self->at, BYTES, 0));
	EXPECT_EQ(-EEXIST, vsvm_bind_mirror(self->t.vm, self->at + 4 * PAGE, 5 * PAGE, 0));
	EXPECT_EQ(-EEXIST, vsvm_bind_mirror(self->t.vm, self->at + 15 * PAGE, 5 * PAGE,
					    DRM_VSVM_BIND_READ_ONLY));
	EXPECT_EQ(8, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND,
				 DRM_VSVM_PAGE_BOUND));
	/* Next to it is well */
	EXPECT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at + 4 * PAGE, 4 * PAGE, 0));
	EXPECT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at + 16 * PAGE, PAGE, 0));
	EXPECT_EQ(0, dev_fill(&self->t, self->p + 4 * PAGE, 13 * PAGE, 1));
}

TEST_F(bind, unbinding_what_is_mapped_is_refused_without_force)
{
	uint64_t value = 0;

	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at, BYTES, 0));
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 30 * PAGE, &value));
	EXPECT_EQ(-EBUSY, vsvm_unbind(self->t.vm, self->at, BYTES, 0));
	EXPECT_EQ(-EBUSY, vsvm_unbind(self->t.vm, self->at + 30 * PAGE, PAGE, 0));
	/* Refused, nothing has changed: not even the page is gone */
	EXPECT_NE(0, page_state(&self->t, self->p + 30 * PAGE) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_EQ(PAGES, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND,
				     DRM_VSVM_PAGE_BOUND));
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, self->at, BYTES, DRM_VSVM_BIND_FORCE));
	EXPECT_EQ(0, count_state(&self->t, self->p, BYTES, ~0u, ~0u));
	EXPECT_EQ(0, not_bound(&self->t, self->p + 30 * PAGE));
	EXPECT_EQ(-ENOENT, vsvm_unbind(self->t.vm, self->at, BYTES, 0));
	EXPECT_EQ(-ENOENT, vsvm_unbind(self->t.vm, self->at, BYTES, DRM_VSVM_BIND_FORCE));
}

TEST_F(bind, unbinding_what_is_not_mapped_needs_no_force)
{
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at, BYTES, 0));
	ASSERT_EQ(0, dev_touch_read(&self->t, self->p, PAGE));
	ASSERT_EQ(0, munmap(self->p, BYTES));
	/* The process has taken it all away: nothing is mapped now */
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, self->at, BYTES, 0));
}

TEST_F(bind, a_part_is_unbound_and_the_rest_stays)
{
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at, BYTES, 0));
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, BYTES));
	/* Middle, head, tail */
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, self->at + 20 * PAGE, 4 * PAGE, DRM_VSVM_BIND_FORCE));
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, self->at, 2 * PAGE, DRM_VSVM_BIND_FORCE));
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, self->at + 60 * PAGE, 4 * PAGE, DRM_VSVM_BIND_FORCE));
	EXPECT_EQ(PAGES - 10, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND |
					  DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_BOUND |
					  DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(0, not_bound(&self->t, self->p + PAGE));
	EXPECT_EQ(0, not_bound(&self->t, self->p + 20 * PAGE));
	EXPECT_EQ(0, not_bound(&self->t, self->p + 23 * PAGE));
	EXPECT_EQ(0, not_bound(&self->t, self->p + 60 * PAGE));
	ASSERT_EQ(0, dev_fill(&self->t, self->p + 2 * PAGE, 18 * PAGE, ~0ull));
	ASSERT_EQ(0, dev_fill(&self->t, self->p + 24 * PAGE, 36 * PAGE, ~0ull));
	/* And bound again, of another kind, in the middle */
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at + 20 * PAGE, 4 * PAGE,
				      DRM_VSVM_BIND_READ_ONLY));
	EXPECT_NE(0, dev_store64(&self->t, self->p + 21 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES,
				  self->p + 21 * PAGE, DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, dev_store64(&self->t, self->p + 19 * PAGE, 1));
	/* What is left of a read-only binding is still read-only */
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, self->at + 21 * PAGE, PAGE, DRM_VSVM_BIND_FORCE));
	EXPECT_NE(0, dev_store64(&self->t, self->p + 22 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES,
				  self->p + 22 * PAGE, DRM_VSVM_ACCESS_WRITE));
}

TEST_F(bind, a_part_of_a_huge_page_is_unbound_and_the_rest_stays)
{
	char *p = map_huge(HUGE);
	struct drm_vsvm_stats before, after;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 3);
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, HUGE, 0));
	ASSERT_EQ(0, dev_store64(&self->t, p, 1));
	ASSERT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	before = test_stats(&self->t);
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, (uintptr_t)p + 99 * PAGE, PAGE, DRM_VSVM_BIND_FORCE));
	after = test_stats(&self->t);
	/* The leaf is cut up: only the page that was named is gone */
	EXPECT_EQ(1, after.split_2m - before.split_2m);
	EXPECT_EQ(1, after.zapped_4k - before.zapped_4k);
	EXPECT_EQ(0, after.zapped_2m - before.zapped_2m);
	EXPECT_EQ(511, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(0, not_bound(&self->t, p + 99 * PAGE));
	ASSERT_EQ(0, dev_fill(&self->t, p, 99 * PAGE, 0x7878787878787878ull));
	ASSERT_EQ(0, dev_fill(&self->t, p + 100 * PAGE, HUGE - 100 * PAGE, 0x7878787878787878ull));
	EXPECT_EQ(-1, check_bytes(p, 99 * PAGE, 0x78));
	EXPECT_EQ(test_pattern(3, 99 * PAGE / 8), *(uint64_t *)(p + 99 * PAGE));
	EXPECT_EQ(-1, check_bytes(p + 100 * PAGE, HUGE - 100 * PAGE, 0x78));
	after = test_stats(&self->t);
	EXPECT_EQ(511, after.resident_4k - before.resident_4k);
}

TEST_F(bind, several_bindings_are_unbound_at_once)
{
	int i;

	for (i = 0; i < PAGES; i += 4) {
		ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at + i * PAGE, 2 * PAGE, 0));
	}
	ASSERT_EQ(0, dev_store64(&self->t, self->p + 8 * PAGE, 1));
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, self->at + PAGE, BYTES - 2 * PAGE,
				 DRM_VSVM_BIND_FORCE));
	EXPECT_EQ(1, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND,
				 DRM_VSVM_PAGE_BOUND));
	EXPECT_EQ(0, dev_store64(&self->t, self->p, 1));
	EXPECT_EQ(0, not_bound(&self->t, self->p + PAGE));
}

TEST_F(bind, all_of_a_call_or_nothing)
{
	struct drm_vsvm_bind_op ops[4] = {
		op(DRM_VSVM_BIND_MAP_MIRROR, 0, self->at, 4 * PAGE),
		op(DRM_VSVM_BIND_MAP_MIRROR, DRM_VSVM_BIND_READ_ONLY, self->at + 8 * PAGE,
		   4 * PAGE),
		op(DRM_VSVM_BIND_UNMAP, 0, self->at + PAGE, PAGE),
		op(DRM_VSVM_BIND_MAP_MIRROR, 0, self->at + 9 * PAGE, PAGE),
	};
	uint32_t failed = 77;

	/* The last one meets the second one */
	EXPECT_EQ(-EEXIST, vsvm_bind(self->t.vm, ops, 4, &failed));
	EXPECT_EQ(3, failed);
	EXPECT_EQ(0, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND,
				 DRM_VSVM_PAGE_BOUND));
	EXPECT_EQ(0, not_bound(&self->t, self->p));
	/* Without it all goes through, in order */
	EXPECT_EQ(0, vsvm_bind(self->t.vm, ops, 3, &failed));
	EXPECT_EQ(~0u, failed);
	EXPECT_EQ(7, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND,
				 DRM_VSVM_PAGE_BOUND));
	EXPECT_EQ(0, not_bound(&self->t, self->p + PAGE));
	/* A call that fails has unbound nothing either, and zapped nothing */
	ASSERT_EQ(0, dev_store64(&self->t, self->p, 1));
	ops[0] = op(DRM_VSVM_BIND_UNMAP, DRM_VSVM_BIND_FORCE, self->at, PAGE);
	ops[1] = op(DRM_VSVM_BIND_UNMAP, 0, self->at + 50 * PAGE, PAGE);
	EXPECT_EQ(-ENOENT, vsvm_bind(self->t.vm, ops, 2, &failed));
	EXPECT_EQ(1, failed);
	EXPECT_NE(0, page_state(&self->t, self->p) & DRM_VSVM_PAGE_MAPPED);
	/* EBUSY in the second of two */
	ops[0] = op(DRM_VSVM_BIND_UNMAP, 0, self->at + 8 * PAGE, PAGE);
	ops[1] = op(DRM_VSVM_BIND_UNMAP, 0, self->at, PAGE);
	EXPECT_EQ(-EBUSY, vsvm_bind(self->t.vm, ops, 2, &failed));
	EXPECT_EQ(1, failed);
	EXPECT_NE(0, page_state(&self->t, self->p + 8 * PAGE) & DRM_VSVM_PAGE_BOUND);
	/* Away and back in one call */
	ops[0] = op(DRM_VSVM_BIND_UNMAP, DRM_VSVM_BIND_FORCE, self->at, PAGE);
	ops[1] = op(DRM_VSVM_BIND_MAP_MIRROR, DRM_VSVM_BIND_READ_ONLY, self->at, PAGE);
	EXPECT_EQ(0, vsvm_bind(self->t.vm, ops, 2, &failed));
	EXPECT_NE(0, dev_store64(&self->t, self->p, 2));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES, self->p,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(1, *(uint64_t *)self->p);
}

TEST_F(bind, malformed_operation_is_found_before_anything_is_done)
{
	struct drm_vsvm_bind_op ops[3] = {
		op(DRM_VSVM_BIND_MAP_MIRROR, 0, self->at, PAGE),
		op(DRM_VSVM_BIND_MAP_MIRROR, 0, self->at + PAGE, PAGE),
		op(DRM_VSVM_BIND_MAP_MIRROR, 0, self->at + 2 * PAGE, 100),
	};
	uint32_t failed = 0;

	EXPECT_EQ(-EINVAL, vsvm_bind(self->t.vm, ops, 3, &failed));
	EXPECT_EQ(2, failed);
	EXPECT_EQ(0, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_BOUND,
				 DRM_VSVM_PAGE_BOUND));
}

struct stream {
	struct test_vm *t;
	struct test_queue q;
	char *p;
	uint32_t stop;
	unsigned long failures;
	unsigned long rounds;
	int bad;
};

static void *stream(void *arg)
{
	struct stream *s = arg;
	struct drm_vsvm_fault fault;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED) && !s->bad) {
		put_fill(&s->q, s->p, BYTES, ++s->rounds);
		if (!test_run(&s->q))
			continue;
		s->failures++;
		if (test_fault(&s->q, &fault) || fault.reason != DRM_VSVM_FAULT_NOT_BOUND ||
		    fault.address < (uintptr_t)s->p || fault.address >= (uintptr_t)s->p + BYTES ||
		    test_queue_renew(&s->q))
			s->bad = 1;
	}
	return NULL;
}

TEST_F_LONG(bind, unbinding_under_a_streaming_device, 60)
{
	unsigned long i, rounds = test_scale(100);
	struct stream s = { .t = &self->t, .p = self->p };
	pthread_t thread;

	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at, BYTES, 0));
	ASSERT_EQ(0, test_queue_open(&self->t, &s.q));
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)s.q.area, 64 << 10, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, stream, &s));
	for (i = 0; i < rounds; i++) {
		uint64_t part = self->at + i % 8 * 8 * PAGE;

		EXPECT_EQ(0, vsvm_unbind(self->t.vm, part, 8 * PAGE, DRM_VSVM_BIND_FORCE));
		/* Not bound and not mapped, however hard the device tries */
		EXPECT_EQ(8, count_state(&self->t, (void *)part, 8 * PAGE, ~0u, 0));
		memset((void *)part, 0x5e, 8 * PAGE);
		EXPECT_EQ(-1, check_bytes((void *)part, 8 * PAGE, 0x5e));
		EXPECT_EQ(0, vsvm_bind_mirror(self->t.vm, part, 8 * PAGE, 0));
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, s.bad);
	EXPECT_LT(0, s.rounds);
	test_queue_close(&s.q);
}

TEST_F_LONG(bind, unbinding_while_a_fault_is_being_served, 60)
{
	unsigned long i, rounds = test_scale(150);
	struct stream s = { .t = &self->t, .p = self->p };
	uint64_t seed = 77;
	pthread_t thread;

	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at, BYTES, 0));
	ASSERT_EQ(0, test_queue_open(&self->t, &s.q));
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)s.q.area, 64 << 10, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, stream, &s));
	for (i = 0; i < rounds; i++) {
		uint64_t until = test_now() + test_random(&seed) % 400000;

		/* The device has to fault all of it in again, and is somewhere in the middle */
		madvise(self->p, BYTES, MADV_DONTNEED);
		while (test_now() < until)
			;
		EXPECT_EQ(0, vsvm_unbind(self->t.vm, self->at, BYTES, DRM_VSVM_BIND_FORCE));
		/* A service that began before must not end in a mapping after */
		EXPECT_EQ(PAGES, count_state(&self->t, self->p, BYTES, ~0u, 0));
		test_nap();
		EXPECT_EQ(PAGES, count_state(&self->t, self->p, BYTES, ~0u, 0));
		EXPECT_EQ(0, vsvm_bind_mirror(self->t.vm, self->at, BYTES, 0));
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, s.bad);
	test_queue_close(&s.q);
}

TEST_HARNESS_MAIN
