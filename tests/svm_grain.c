// SPDX-License-Identifier: MIT
/*
 * How much is done for how little: what a touch populates, what an invalidation
 * takes away, how often many faults are served, and that what is told about it
 * is exact.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "vsvm_harness.h"

#define BLOCK_PAGES	(HUGE / PAGE)

FIXTURE(grain)
{
	struct test_vm t;
	/* A 2 MiB block of small pages */
	char *p;
};

FIXTURE_SETUP(grain)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_aligned(HUGE);
	ASSERT_EQ(0, madvise(self->p, HUGE, MADV_NOHUGEPAGE));
	/* Packets, fence and result are mapped: faults are the test's own */
	ASSERT_EQ(0, dev_touch_write(&self->t, self->t.q.area, 16 * PAGE));
}

FIXTURE_TEARDOWN(grain)
{
	EXPECT_EQ(0, test_close(&self->t));
}

static size_t mapped(struct test_vm *t, const void *p, size_t size)
{
	return count_state(t, p, size, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED);
}

/* --- what a touch costs --- */

TEST_F(grain, one_touch_in_each_block_populates_few_pages)
{
	const unsigned int touches = 32;
	const size_t size = touches * HUGE;
	char *p = map_aligned(size);
	unsigned int i;

	ASSERT_EQ(0, madvise(p, size, MADV_NOHUGEPAGE));
	for (i = 0; i < touches; i++)
		put_store64(&self->t.q, p + i * HUGE + i * 8 * PAGE, i + 1);
	ASSERT_EQ(0, test_run(&self->t.q));
	for (i = 0; i < touches; i++) {
		size_t there = pagemap_count(p + i * HUGE, HUGE, PM_PRESENT);

		EXPECT_LE(1, there);
		EXPECT_GE(16, there);
		EXPECT_EQ(i + 1, *(uint64_t *)(p + i * HUGE + i * 8 * PAGE));
	}
}

TEST_F(grain, scattered_touches_populate_few_pages)
{
	uint64_t seed = 12345;
	bool touched[BLOCK_PAGES] = { false };
	size_t there, wanted = 0;
	int i;

	for (i = 0; i < 24; i++) {
		unsigned int page = test_random(&seed) % BLOCK_PAGES;

		wanted += !touched[page];
		touched[page] = true;
		ASSERT_EQ(0, dev_store64(&self->t, self->p + page * PAGE, 1));
	}
	there = pagemap_count(self->p, HUGE, PM_PRESENT);
	EXPECT_LE(wanted, there);
	EXPECT_GE(4 * wanted, there);
}

TEST_F(grain, what_is_there_is_mapped_along_and_nothing_more)
{
	struct drm_vsvm_stats before, after;
	uint64_t value = 1;
	size_t there;
	int i;

	/* The CPU has every fourth page */
	for (i = 0; i < (int)BLOCK_PAGES; i += 4)
		self->p[i * PAGE] = 1;
	there = pagemap_count(self->p, HUGE, PM_PRESENT);
	ASSERT_EQ(BLOCK_PAGES / 4, there);
	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 64 * PAGE, &value));
	after = test_stats(&self->t);
	EXPECT_EQ(1, value);
	EXPECT_EQ(there, pagemap_count(self->p, HUGE, PM_PRESENT));
	EXPECT_EQ(0, after.populated - before.populated);
	EXPECT_EQ(1, after.faults - before.faults);
	EXPECT_LT(0, after.around - before.around);
	EXPECT_EQ(mapped(&self->t, self->p, HUGE), after.around - before.around + 1);
	EXPECT_EQ(mapped(&self->t, self->p, HUGE), after.mapped_4k - before.mapped_4k);
	/* Only pages that are there */
	for (i = 0; i < (int)BLOCK_PAGES; i++) {
		if (i % 4) {
			EXPECT_EQ(0, page_state(&self->t, self->p + i * PAGE) &
				  DRM_VSVM_PAGE_MAPPED);
		}
	}
}

TEST_F(grain, a_populated_block_takes_few_faults)
{
	struct drm_vsvm_stats before, after;

	memset(self->p, 1, HUGE);
	before = test_stats(&self->t);
	self->t.out[0] = 0;
	put_sum(&self->t.q, self->p, HUGE / 8, 8, 8, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	after = test_stats(&self->t);
	EXPECT_EQ(HUGE / 8 * 0x0101010101010101ull, self->t.out[0]);
	/* Whatever the window: an eighth of the pages at the very most */
	EXPECT_GE(BLOCK_PAGES / 8, after.faults - before.faults);
	EXPECT_EQ(BLOCK_PAGES, after.mapped_4k - before.mapped_4k);
}

TEST_F(grain, a_stream_is_faulted_in_ahead)
{
	const size_t size = 8ul << 20;
	struct drm_vsvm_stats before, after;
	char *p = map_anon(size);

	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_fill(&self->t, p, size, 0x2121212121212121ull));
	after = test_stats(&self->t);
	EXPECT_EQ(-1, check_bytes(p, size, 0x21));
	EXPECT_LT(size / PAGE / 2, after.ahead - before.ahead);
	EXPECT_GT(size / PAGE / 8, after.groups - before.groups);
	EXPECT_LE(size / PAGE, after.populated - before.populated);
}

TEST_F(grain, a_stream_that_ends_populates_little_beyond)
{
	char *p = map_anon(8 * HUGE);
	size_t there;

	/* Half a MiB of a stream: what it looked ahead to at its end is no more than that */
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE / 4, 1));
	there = pagemap_count(p, 8 * HUGE, PM_PRESENT);
	EXPECT_LE(BLOCK_PAGES / 4, there);
	EXPECT_GE(BLOCK_PAGES, there);
}

TEST_F(grain, many_faults_of_one_page_are_served_once_or_twice)
{
	struct drm_vsvm_stats before, after;
	int i;

	before = test_stats(&self->t);
	for (i = 0; i < 64; i++)
		put_store64(&self->t.q, self->p + 8 * i, i + 1);
	ASSERT_EQ(0, test_run(&self->t.q));
	after = test_stats(&self->t);
	for (i = 0; i < 64; i++) {
		EXPECT_EQ(i + 1, *(int *)(self->p + 8 * i));
	}
	EXPECT_LE(1, after.groups - before.groups);
	EXPECT_GE(16, after.groups - before.groups);
	EXPECT_EQ(1, after.mapped_4k - before.mapped_4k);
	EXPECT_LE(1, after.populated - before.populated);
	/* Groups served side by side may both find it missing */
	EXPECT_GE(after.groups - before.groups, after.populated - before.populated);
}

TEST_F(grain, faults_of_one_page_from_many_queues)
{
	struct test_queue queues[16];
	struct drm_vsvm_stats before, after;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
		for (j = 0; j < 32; j++)
			put_atomic(&queues[i], VSVM_ATOMIC_INC, 8, self->p, 0, 0, NULL);
	}
	before = test_stats(&self->t);
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		ASSERT_EQ(0, test_submit(&queues[i]));
	}
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		ASSERT_EQ(0, test_wait(&queues[i]));
	}
	after = test_stats(&self->t);
	EXPECT_EQ(16 * 32, *(uint64_t *)self->p);
	EXPECT_EQ(1, page_state(&self->t, self->p) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_LE(after.folded - before.folded, after.faults - before.faults);
	for (i = 0; i < ARRAY_SIZE(queues); i++)
		test_queue_close(&queues[i]);
}

/* --- what an invalidation takes --- */

TEST_F(grain, one_page_given_back_leaves_the_rest_mapped)
{
	struct drm_vsvm_stats before, after;
	uint64_t value = 1;

	memset(self->p, 1, HUGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, HUGE));
	ASSERT_EQ(BLOCK_PAGES, mapped(&self->t, self->p, HUGE));
	before = test_stats(&self->t);
	ASSERT_EQ(0, madvise(self->p + 200 * PAGE, PAGE, MADV_DONTNEED));
	after = test_stats(&self->t);
	EXPECT_EQ(BLOCK_PAGES - 1, mapped(&self->t, self->p, HUGE));
	EXPECT_EQ(0, page_state(&self->t, self->p + 200 * PAGE) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_EQ(1, after.zapped_4k - before.zapped_4k);
	EXPECT_EQ(1, before.resident_4k - after.resident_4k);
	EXPECT_EQ(1, after.invalidations_hit - before.invalidations_hit);
	/* And nobody faults on it */
	before = after;
	put_fill(&self->t.q, self->p, 200 * PAGE, 2);
	put_fill(&self->t.q, self->p + 201 * PAGE, (BLOCK_PAGES - 201) * PAGE, 2);
	ASSERT_EQ(0, test_run(&self->t.q));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.faults - before.faults);
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 200 * PAGE, &value));
	EXPECT_EQ(0, value);
}

TEST_F(grain, copy_on_write_of_one_page_leaves_the_rest_mapped)
{
	pid_t pid;

	memset(self->p, 1, HUGE);
	ASSERT_EQ(0, dev_touch_read(&self->t, self->p, HUGE));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	EXPECT_EQ(BLOCK_PAGES, mapped(&self->t, self->p, HUGE));
	/* The CPU breaks the sharing of one */
	self->p[300 * PAGE] = 2;
	EXPECT_EQ(BLOCK_PAGES - 1, mapped(&self->t, self->p, HUGE));
	kill(pid, SIGKILL);
	wait_child(pid);
}

TEST_F(grain, giving_back_what_is_not_mapped_hits_nothing)
{
	struct drm_vsvm_stats before, after;
	int i;

	memset(self->p, 1, HUGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, PAGE));
	for (i = 0; i < (int)BLOCK_PAGES; i++) {
		if (page_state(&self->t, self->p + i * PAGE) & DRM_VSVM_PAGE_MAPPED)
			continue;
		break;
	}
	if (i == (int)BLOCK_PAGES) {
		/* All of the block was mapped along: use memory next to it */
		self->p = map_anon(PAGE);
		self->p[0] = 1;
		i = 0;
	}
	before = test_stats(&self->t);
	ASSERT_EQ(0, madvise(self->p + i * PAGE, PAGE, MADV_DONTNEED));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.invalidations_hit - before.invalidations_hit);
	EXPECT_EQ(0, after.zapped_4k - before.zapped_4k);
}

TEST_F(grain, invalidations_next_door_cost_no_remapping)
{
	struct drm_vsvm_stats before, after;
	char *p = map_anon(64 * PAGE);
	unsigned long i, rounds = test_scale(100);

	memset(p, 1, 64 * PAGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 32 * PAGE));
	before = test_stats(&self->t);
	/* The other half of the same mapping comes and goes */
	for (i = 0; i < rounds; i++) {
		put_fill(&self->t.q, p, 32 * PAGE, i);
		ASSERT_EQ(0, test_submit(&self->t.q));
		memset(p + 32 * PAGE, 1, 4 * PAGE);
		madvise(p + 32 * PAGE, 32 * PAGE, MADV_DONTNEED);
		ASSERT_EQ(0, test_wait(&self->t.q));
		EXPECT_EQ(i, *(uint64_t *)(p + 32 * PAGE - 8));
	}
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.faults - before.faults);
	EXPECT_EQ(32, mapped(&self->t, p, 32 * PAGE));
}

/* --- what is told --- */

TEST_F(grain, state_of_a_range_is_exact)
{
	uint32_t state[8], all = DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ | DRM_VSVM_PAGE_WRITE |
			   DRM_VSVM_PAGE_DIRTY | DRM_VSVM_PAGE_BOUND | DRM_VSVM_PAGE_HUGE |
			   DRM_VSVM_PAGE_VRAM | DRM_VSVM_PAGE_EXEC;
	char *p = map_anon(8 * PAGE);
	int i;

	/* Far enough apart in time and kind that nothing is mapped along */
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(DRM_VSVM_PAGE_BOUND, page_state(&self->t, p + i * PAGE) & all);
	}
	ASSERT_EQ(0, dev_store64(&self->t, p + 2 * PAGE, 1));
	ASSERT_EQ(0, dev_touch_read(&self->t, p + 5 * PAGE, PAGE));
	memset(p + 7 * PAGE, 1, PAGE);
	ASSERT_EQ(0, mprotect(p + 7 * PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, dev_touch_read(&self->t, p + 7 * PAGE, PAGE));
	ASSERT_EQ(0, vsvm_vm_state(self->t.vm, p, sizeof(state) / 4 * PAGE, state));
	EXPECT_EQ(DRM_VSVM_PAGE_BOUND | DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ |
		  DRM_VSVM_PAGE_WRITE | DRM_VSVM_PAGE_DIRTY,
		  state[2] & all & ~DRM_VSVM_PAGE_EXEC);
	EXPECT_EQ(DRM_VSVM_PAGE_BOUND | DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ,
		  state[5] & all & ~DRM_VSVM_PAGE_EXEC);
	EXPECT_EQ(DRM_VSVM_PAGE_BOUND | DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ,
		  state[7] & all & ~DRM_VSVM_PAGE_EXEC);
	EXPECT_EQ(DRM_VSVM_PAGE_BOUND, state[0] & all);
	EXPECT_EQ(DRM_VSVM_PAGE_BOUND, state[1] & all);
	/* No bit that is not in the contract */
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(0, state[i] & ~all);
	}
}

TEST_F(grain, dirty_is_what_the_device_wrote)
{
	memset(self->p, 1, 2 * PAGE);
	ASSERT_EQ(0, dev_touch_read(&self->t, self->p, 2 * PAGE));
	EXPECT_EQ(0, page_state(&self->t, self->p) & DRM_VSVM_PAGE_DIRTY);
	ASSERT_EQ(0, dev_store64(&self->t, self->p, 1));
	EXPECT_NE(0, page_state(&self->t, self->p) & DRM_VSVM_PAGE_DIRTY);
	EXPECT_EQ(0, page_state(&self->t, self->p + PAGE) & DRM_VSVM_PAGE_DIRTY);
}

TEST_F(grain, counters_add_up)
{
	struct drm_vsvm_stats s, before = test_stats(&self->t);
	uint64_t value = 0;

	memset(self->p, 1, 64 * PAGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, 64 * PAGE));
	EXPECT_NE(0, dev_load64(&self->t, NULL, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, NULL,
				  DRM_VSVM_ACCESS_READ));
	s = test_stats(&self->t);
	EXPECT_EQ(1, s.terminal - before.terminal);
	EXPECT_LE(s.folded + s.valid + s.terminal, s.faults);
	EXPECT_LE(s.ahead, s.populated);
	EXPECT_EQ(s.resident_4k, s.mapped_4k - s.zapped_4k + 512 * s.split_2m);
	EXPECT_LE(s.invalidations_hit, s.invalidations);
	EXPECT_LE(s.populate_ns + s.snapshot_ns + s.map_ns, s.service_ns);
	EXPECT_LT(0, s.notifiers);
	EXPECT_LT(0, s.table_bytes);
	EXPECT_EQ(0, s.slow);
}

TEST_F(grain, upgrade_in_place)
{
	struct drm_vsvm_stats before, after;
	char *p = map_anon(8 * PAGE);

	/*
	 * A small mapping: cutting one that covers a 2 MiB block makes core-mm
	 * invalidate all of the block, in case there is a huge page to split.
	 */
	memset(p, 1, PAGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ));
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_store64(&self->t, p, 2));
	after = test_stats(&self->t);
	/* The same page gets its right to write back, it is not mapped again */
	EXPECT_EQ(1, after.upgraded - before.upgraded);
	EXPECT_EQ(0, after.mapped_4k - before.mapped_4k);
	EXPECT_EQ(2, *(uint64_t *)p);
}

TEST_F(grain, memory_of_the_driver_does_not_grow_with_time)
{
	unsigned long i, rounds = test_scale(150);
	struct drm_vsvm_stats s;
	uint64_t early = 0;

	for (i = 0; i < rounds + 20; i++) {
		ASSERT_EQ(0, dev_fill(&self->t, self->p + i % 16 * 16 * PAGE, 16 * PAGE, i));
		ASSERT_EQ(0, madvise(self->p, HUGE, MADV_DONTNEED));
		s = test_stats(&self->t);
		if (i == 19)
			early = s.table_bytes + s.meta_bytes;
	}
	/* Tables are given back a moment after they are empty: a few are on their way */
	EXPECT_GE(early + 16 * PAGE, s.table_bytes + s.meta_bytes);
	EXPECT_EQ(0, mapped(&self->t, self->p, HUGE));
}

TEST_F(grain, driver_memory_per_mapped_byte)
{
	const size_t size = 16ul << 20;
	struct drm_vsvm_stats before = test_stats(&self->t), after;
	char *p = map_anon(size);

	ASSERT_EQ(0, dev_fill(&self->t, p, size, 1));
	after = test_stats(&self->t);
	/* A table and as much again: 16 bytes a page, and a span or two of fixed size */
	EXPECT_GE(size / PAGE * 16 + (256ul << 10),
		  after.table_bytes + after.meta_bytes - before.table_bytes - before.meta_bytes);
}

/* --- how far a stream reads ahead --- */

TEST_F(grain, read_ahead_stays_within_its_mapping)
{
	struct drm_vsvm_stats before = test_stats(&self->t), after;
	int i;

	/* One mapping ends, the next begins, in the middle of a block: as good, but another */
	ASSERT_EQ(0, madvise(self->p + 100 * PAGE, HUGE - 100 * PAGE, MADV_DONTDUMP));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, dev_store64(&self->t, self->p + i * PAGE, i));
	after = test_stats(&self->t);
	EXPECT_LT(10, after.ahead - before.ahead);
	EXPECT_EQ(100, pagemap_count(self->p, HUGE, PM_PRESENT));
	EXPECT_EQ(0, mapped(&self->t, self->p + 100 * PAGE, HUGE - 100 * PAGE));
}

TEST_F(grain, read_ahead_of_a_write_does_not_fill_a_shared_file)
{
	struct drm_vsvm_stats before, after;
	int i, fd = temp_memfd(HUGE);
	struct stat st;
	char *p;

	ASSERT_LE(0, fd);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, madvise(p, HUGE, MADV_NOHUGEPAGE));
	before = test_stats(&self->t);
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, dev_store64(&self->t, p + i * PAGE, i));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.ahead - before.ahead);
	/* A hole stays one until somebody writes to it */
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(64 * (long)PAGE, (long)st.st_blocks * 512);
	EXPECT_EQ(64, pagemap_count(p, HUGE, PM_PRESENT));
	munmap(p, HUGE);
	close(fd);
}

TEST_HARNESS_MAIN
