// SPDX-License-Identifier: MIT
/*
 * mprotect(): the device loses exactly the rights that the process loses, and
 * keeps the others without a fault.
 */
#include "vsvm_harness.h"

#define PAGES	64

FIXTURE(protect)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(protect)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(PAGES * PAGE);
	fill_pattern(self->p, PAGES * PAGE, 1);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, PAGES * PAGE));
	/* From here on a fault is one of self->p */
	ASSERT_EQ(0, dev_touch_read(&self->t, self->p, PAGE));
}

FIXTURE_TEARDOWN(protect)
{
	EXPECT_EQ(0, test_close(&self->t));
}

#define STATE_RW	(DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ | DRM_VSVM_PAGE_WRITE)
#define STATE_RO	(DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ)

TEST_F(protect, read_only_is_a_downgrade_not_a_zap)
{
	struct drm_vsvm_stats before, after;
	uint64_t value = 0;

	before = test_stats(&self->t);
	ASSERT_EQ(0, mprotect(self->p, PAGES * PAGE, PROT_READ));
	after = test_stats(&self->t);
	EXPECT_EQ(PAGES, after.downgraded - before.downgraded);
	EXPECT_EQ(0, after.zapped_4k - before.zapped_4k);
	EXPECT_EQ(PAGES, count_state(&self->t, self->p, PAGES * PAGE, STATE_RW, STATE_RO));
	/* Reading goes on, and nobody has to serve it */
	before = after;
	self->t.out[0] = 0;
	put_sum(&self->t.q, self->p, PAGES * PAGE / 8, 8, 8, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.faults - before.faults);
	EXPECT_EQ(0, after.mapped_4k - before.mapped_4k);
	/* Writing does not */
	EXPECT_NE(0, dev_store64(&self->t, self->p + 5 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES,
				  self->p + 5 * PAGE, DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(-1, check_pattern(self->p, PAGES * PAGE, 1));
	/* And a refused write does not cost the mapping */
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 5 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 5 * PAGE / 8), value);
}

TEST_F(protect, writable_again)
{
	ASSERT_EQ(0, mprotect(self->p, PAGES * PAGE, PROT_READ));
	EXPECT_NE(0, dev_store64(&self->t, self->p, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, self->p,
				  DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, mprotect(self->p, PAGES * PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, check_pattern(self->p, PAGES * PAGE, 1));
	ASSERT_EQ(0, dev_fill(&self->t, self->p, PAGES * PAGE, 0x6666666666666666ull));
	EXPECT_EQ(-1, check_bytes(self->p, PAGES * PAGE, 0x66));
	EXPECT_EQ(PAGES, count_state(&self->t, self->p, PAGES * PAGE, STATE_RW, STATE_RW));
}

TEST_F(protect, nothing_allowed_and_back)
{
	uint64_t value = 0;

	ASSERT_EQ(0, mprotect(self->p, PAGES * PAGE, PROT_NONE));
	EXPECT_EQ(0, count_state(&self->t, self->p, PAGES * PAGE, DRM_VSVM_PAGE_READ,
				 DRM_VSVM_PAGE_READ));
	EXPECT_NE(0, dev_load64(&self->t, self->p + 3 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES,
				  self->p + 3 * PAGE, DRM_VSVM_ACCESS_READ));
	EXPECT_NE(0, dev_store64(&self->t, self->p + 4 * PAGE, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES,
				  self->p + 4 * PAGE, DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, mprotect(self->p, PAGES * PAGE, PROT_READ));
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 3 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 3 * PAGE / 8), value);
	ASSERT_EQ(0, mprotect(self->p, PAGES * PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, dev_store64(&self->t, self->p + 4 * PAGE, 4));
	EXPECT_EQ(4, *(uint64_t *)(self->p + 4 * PAGE));
}

TEST_F(protect, one_page_leaves_its_neighbours_alone)
{
	struct drm_vsvm_stats before = test_stats(&self->t), after;

	ASSERT_EQ(0, mprotect(self->p + 20 * PAGE, PAGE, PROT_READ));
	after = test_stats(&self->t);
	EXPECT_EQ(1, after.downgraded - before.downgraded);
	EXPECT_EQ(0, after.zapped_4k - before.zapped_4k);
	EXPECT_EQ(PAGES - 1, count_state(&self->t, self->p, PAGES * PAGE, STATE_RW, STATE_RW));
	before = after;
	put_fill(&self->t.q, self->p, 20 * PAGE, 1);
	put_fill(&self->t.q, self->p + 21 * PAGE, (PAGES - 21) * PAGE, 1);
	ASSERT_EQ(0, test_run(&self->t.q));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.faults - before.faults);
	EXPECT_EQ(test_pattern(1, 20 * PAGE / 8), *(uint64_t *)(self->p + 20 * PAGE));
}

TEST_F(protect, every_other_page)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < PAGES; i += 2) {
		ASSERT_EQ(0, mprotect(self->p + i * PAGE, PAGE, PROT_READ));
	}
	EXPECT_EQ(PAGES / 2, count_state(&self->t, self->p, PAGES * PAGE, STATE_RW, STATE_RO));
	EXPECT_EQ(PAGES / 2, count_state(&self->t, self->p, PAGES * PAGE, STATE_RW, STATE_RW));
	for (i = 0; i < PAGES; i++) {
		if (i % 2) {
			ASSERT_EQ(0, dev_store64(&self->t, self->p + i * PAGE, i));
		}
		ASSERT_EQ(0, dev_load64(&self->t, self->p + i * PAGE, &value));
		EXPECT_EQ(i % 2 ? (uint64_t)i : test_pattern(1, i * PAGE / 8), value);
	}
	EXPECT_NE(0, dev_store64(&self->t, self->p + 40 * PAGE, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES,
				  self->p + 40 * PAGE, DRM_VSVM_ACCESS_WRITE));
}

TEST_F(protect, part_of_a_huge_page)
{
	char *p = map_huge(HUGE);
	uint64_t value = 0;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 2);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	ASSERT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	ASSERT_EQ(0, mprotect(p + 128 * PAGE, PAGE, PROT_READ));
	EXPECT_EQ(0, page_state(&self->t, p + 128 * PAGE) & DRM_VSVM_PAGE_WRITE);
	EXPECT_NE(0, dev_store64(&self->t, p + 128 * PAGE, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + 128 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, dev_store64(&self->t, p + 127 * PAGE, 127));
	ASSERT_EQ(0, dev_store64(&self->t, p + 129 * PAGE, 129));
	ASSERT_EQ(0, dev_load64(&self->t, p + 128 * PAGE, &value));
	EXPECT_EQ(test_pattern(2, 128 * PAGE / 8), value);
	EXPECT_EQ(127, *(uint64_t *)(p + 127 * PAGE));
	EXPECT_EQ(129, *(uint64_t *)(p + 129 * PAGE));
	EXPECT_EQ(-1, check_pattern(p, 127 * PAGE, 2));
}

TEST_F(protect, whole_huge_page)
{
	char *p = map_huge(HUGE);
	struct drm_vsvm_stats before, after;

	REQUIRE(p, "no huge pages to be had");
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	before = test_stats(&self->t);
	ASSERT_EQ(0, mprotect(p, HUGE, PROT_READ));
	after = test_stats(&self->t);
	EXPECT_EQ(1, after.downgraded - before.downgraded);
	EXPECT_EQ(0, after.zapped_2m - before.zapped_2m);
	EXPECT_EQ(0, after.split_2m - before.split_2m);
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, STATE_RW | DRM_VSVM_PAGE_HUGE,
				   STATE_RO | DRM_VSVM_PAGE_HUGE));
	ASSERT_EQ(0, mprotect(p, HUGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, dev_store64(&self->t, p + 300 * PAGE, 300));
	EXPECT_EQ(300, *(uint64_t *)(p + 300 * PAGE));
}

TEST_F(protect, shared_memory)
{
	char *p = map_shared(8 * PAGE);
	uint64_t value = 0;

	ASSERT_EQ(0, dev_touch_write(&self->t, p, 8 * PAGE));
	ASSERT_EQ(0, mprotect(p, 8 * PAGE, PROT_READ));
	EXPECT_EQ(0, count_state(&self->t, p, 8 * PAGE, DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_WRITE));
	EXPECT_NE(0, dev_store64(&self->t, p + 3 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + 3 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, dev_load64(&self->t, p + 3 * PAGE, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, dev_store64(&self->t, p + 3 * PAGE, 33));
	EXPECT_EQ(33, *(uint64_t *)(p + 3 * PAGE));
}

TEST_F(protect, a_write_is_refused_the_moment_mprotect_returns)
{
	unsigned long i, rounds = test_scale(100);
	uint64_t seen;

	/*
	 * The device hammers the page; once mprotect() has returned, what the
	 * CPU reads must never change again.
	 */
	for (i = 0; i < rounds; i++) {
		volatile uint64_t *word = (void *)self->p;
		int j;

		for (j = 0; j < 400; j++)
			put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, word, 0, 0, NULL);
		ASSERT_EQ(0, test_submit(&self->t.q));
		for (j = 0; j < (int)(i % 50); j++)
			(void)*word;
		ASSERT_EQ(0, mprotect(self->p, PAGE, PROT_READ));
		seen = *word;
		if (test_wait(&self->t.q)) {
			EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES,
						  word, DRM_VSVM_ACCESS_ATOMIC));
		}
		EXPECT_EQ(seen, *word);
		ASSERT_EQ(0, mprotect(self->p, PAGE, PROT_READ | PROT_WRITE));
	}
}

TEST_HARNESS_MAIN
