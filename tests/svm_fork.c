// SPDX-License-Identifier: MIT
/*
 * fork() and copy-on-write from every side: parent, child, CPU, device.  Each
 * sees its own, reads go on without a fault, and no write goes astray.
 */
#include <pthread.h>

#include "vsvm_harness.h"

#define PAGES	32
#define BYTES	(PAGES * PAGE)

FIXTURE(fork)
{
	struct test_vm t;
	char *p;
	/* step[0] is what the parent has done, step[1] the child */
	volatile uint32_t *step;
};

FIXTURE_SETUP(fork)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
	self->step = map_shared(PAGE);
	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, BYTES));
	ASSERT_EQ(0, dev_touch_read(&self->t, self->p, PAGE));
}

FIXTURE_TEARDOWN(fork)
{
	EXPECT_EQ(0, test_close(&self->t));
}

/* A child that looks twice: before and after the parent has done something */
static pid_t child_that_looks_twice(char *p, size_t size, uint64_t seed, volatile uint32_t *step)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (check_pattern(p, size, seed) >= 0)
		_exit(1);
	flag_set(&step[1], 1);
	if (!flag_wait(&step[0], 1))
		_exit(2);
	_exit(check_pattern(p, size, seed) >= 0 ? 3 : 0);
}

TEST_F(fork, device_write_is_not_seen_by_the_child)
{
	pid_t pid = child_that_looks_twice(self->p, BYTES, 1, self->step);

	ASSERT_LT(0, pid);
	ASSERT_EQ(true, flag_wait(&self->step[1], 1));
	EXPECT_EQ(0, dev_fill(&self->t, self->p, BYTES, 0x7777777777777777ull));
	EXPECT_EQ(-1, check_bytes(self->p, BYTES, 0x77));
	flag_set(&self->step[0], 1);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(-1, check_bytes(self->p, BYTES, 0x77));
}

TEST_F(fork, device_write_of_part_of_a_page_keeps_the_rest)
{
	pid_t pid = child_that_looks_twice(self->p, BYTES, 1, self->step);
	int i;

	ASSERT_LT(0, pid);
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(0, dev_store64(&self->t, self->p + i * PAGE + 8, i));
	}
	flag_set(&self->step[0], 1);
	EXPECT_EQ(0, wait_child(pid));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ((uint64_t)i, *(uint64_t *)(self->p + i * PAGE + 8));
		EXPECT_EQ(test_pattern(1, i * PAGE / 8), *(uint64_t *)(self->p + i * PAGE));
		EXPECT_EQ(test_pattern(1, i * PAGE / 8 + 511),
			  *(uint64_t *)(self->p + i * PAGE + 4088));
	}
}

TEST_F(fork, child_write_is_not_seen_by_parent_or_device)
{
	char *copy = map_anon(BYTES);
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		memset(self->p, 0x55, BYTES);
		flag_set(&self->step[1], 1);
		flag_wait(&self->step[0], 1);
		_exit(check_bytes(self->p, BYTES, 0x55) < 0 ? 0 : 1);
	}
	ASSERT_EQ(true, flag_wait(&self->step[1], 1));
	EXPECT_EQ(0, dev_copy(&self->t, copy, self->p, BYTES));
	EXPECT_EQ(-1, check_pattern(copy, BYTES, 1));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 1));
	flag_set(&self->step[0], 1);
	EXPECT_EQ(0, wait_child(pid));
}

TEST_F(fork, cpu_write_of_the_parent_is_seen_by_its_device)
{
	pid_t pid = child_that_looks_twice(self->p, BYTES, 1, self->step);
	uint64_t value = 0;
	int i;

	ASSERT_LT(0, pid);
	ASSERT_EQ(true, flag_wait(&self->step[1], 1));
	for (i = 0; i < PAGES; i++) {
		/* The device has a translation of the page that the child keeps */
		ASSERT_EQ(0, dev_load64(&self->t, self->p + i * PAGE, &value));
		*(volatile uint64_t *)(self->p + i * PAGE) = i + 500;
		ASSERT_EQ(0, dev_load64(&self->t, self->p + i * PAGE, &value));
		EXPECT_EQ(i + 500, (int)value);
	}
	flag_set(&self->step[0], 1);
	EXPECT_EQ(0, wait_child(pid));
}

TEST_F(fork, device_reads_on_without_a_fault)
{
	struct drm_vsvm_stats before = test_stats(&self->t), after;
	pid_t pid = child_that_looks_twice(self->p, BYTES, 1, self->step);

	ASSERT_LT(0, pid);
	ASSERT_EQ(true, flag_wait(&self->step[1], 1));
	after = test_stats(&self->t);
	/* Other memory of the process may have been mapped too; ours was not zapped */
	EXPECT_LE(PAGES, after.downgraded - before.downgraded);
	EXPECT_EQ(0, after.zapped_4k - before.zapped_4k);
	EXPECT_EQ(PAGES, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_READ |
				     DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_READ));
	before = after;
	self->t.out[0] = 0;
	put_sum(&self->t.q, self->p, BYTES / 8, 8, 8, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.faults - before.faults);
	flag_set(&self->step[0], 1);
	EXPECT_EQ(0, wait_child(pid));
}

TEST_F(fork, huge_page_is_downgraded_whole)
{
	char *p = map_huge(HUGE);
	struct drm_vsvm_stats before, after;
	pid_t pid;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 9);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	before = test_stats(&self->t);
	pid = child_that_looks_twice(p, HUGE, 9, self->step);
	ASSERT_LT(0, pid);
	ASSERT_EQ(true, flag_wait(&self->step[1], 1));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.zapped_2m - before.zapped_2m);
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_WRITE |
				   DRM_VSVM_PAGE_READ, DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_READ));
	/* A write in its middle: the child keeps all of it, the parent the rest */
	EXPECT_EQ(0, dev_store64(&self->t, p + 99 * PAGE, 99));
	flag_set(&self->step[0], 1);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(99, *(uint64_t *)(p + 99 * PAGE));
	EXPECT_EQ(-1, check_pattern(p, 99 * PAGE, 9));
	EXPECT_EQ(test_pattern(9, 99 * PAGE / 8 + 1), *(uint64_t *)(p + 99 * PAGE + 8));
}

TEST_F(fork, memory_kept_from_the_child_stays_writable)
{
	struct drm_vsvm_stats before, after;
	pid_t pid;

	ASSERT_EQ(0, madvise(self->p, BYTES, MADV_DONTFORK));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(0);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(PAGES, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_WRITE,
				     DRM_VSVM_PAGE_WRITE));
	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES, 1));
	after = test_stats(&self->t);
	EXPECT_EQ(0, after.faults - before.faults);
}

TEST_F(fork, after_the_child_has_gone_all_is_as_before)
{
	pid_t pid;
	int i;

	for (i = 1; i < 10; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(check_pattern(self->p, BYTES, i) >= 0);
		EXPECT_EQ(0, wait_child(pid));
		/* Writes by device and CPU in turn */
		ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES, i));
		EXPECT_EQ(i, *(int *)(self->p + BYTES - 8));
		fill_pattern(self->p, BYTES, i + 1);
	}
}

TEST_F(fork, child_with_a_device_of_its_own)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct test_vm mine;
		int bad = 0;

		if (test_open(&mine))
			_exit(1);
		/* The same page as the parent's, for reading; then each its own */
		if (dev_copy(&mine, mine.out, self->p, PAGE) || check_pattern(mine.out, PAGE, 1) >= 0)
			bad = 2;
		if (dev_fill(&mine, self->p, BYTES, 0xc1c1c1c1c1c1c1c1ull))
			bad = 3;
		flag_set(&self->step[1], 1);
		if (!flag_wait(&self->step[0], 1))
			bad = 4;
		if (check_bytes(self->p, BYTES, 0xc1) >= 0)
			bad = 5;
		if (test_close(&mine))
			bad = 6;
		_exit(bad);
	}
	ASSERT_EQ(true, flag_wait(&self->step[1], 1));
	ASSERT_EQ(0, dev_copy(&self->t, self->t.out, self->p, PAGE));
	EXPECT_EQ(-1, check_pattern(self->t.out, PAGE, 1));
	ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES, 0xd2d2d2d2d2d2d2d2ull));
	flag_set(&self->step[0], 1);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(-1, check_bytes(self->p, BYTES, 0xd2));
}

TEST_F_LONG(fork, many_forks_while_the_device_streams, 90)
{
	unsigned long i, forks = test_scale(40);
	uint64_t round = 2;

	/*
	 * Each child takes a checksum of a moment, and again once the device
	 * has written everything anew: what it has must not have moved.
	 */
	for (i = 0; i < forks; i++) {
		pid_t pid;
		int pass;

		self->step[0] = 0;
		self->step[1] = 0;
		for (pass = 0; pass < 8; pass++)
			put_fill(&self->t.q, self->p, BYTES, round++);
		ASSERT_EQ(0, test_submit(&self->t.q));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			uint32_t first = crc32c(0, self->p, BYTES);

			flag_set(&self->step[1], 1);
			if (!flag_wait(&self->step[0], 1))
				_exit(2);
			_exit(first == crc32c(0, self->p, BYTES) ? 0 : 1);
		}
		ASSERT_EQ(true, flag_wait(&self->step[1], 1));
		/* Packets may overtake one another: this one comes last */
		put_barrier(&self->t.q);
		put_fill(&self->t.q, self->p, BYTES, round);
		ASSERT_EQ(0, test_run(&self->t.q));
		flag_set(&self->step[0], 1);
		EXPECT_EQ(0, wait_child(pid));
		EXPECT_EQ(round, *(uint64_t *)self->p);
		EXPECT_EQ(round, *(uint64_t *)(self->p + BYTES - 8));
		round++;
	}
}

struct counting {
	volatile uint64_t *word;
	unsigned long count;
	uint32_t stop;
};

static void *count_on_the_cpu(void *arg)
{
	struct counting *counting = arg;

	while (!__atomic_load_n(&counting->stop, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(counting->word, 1, __ATOMIC_SEQ_CST);
		counting->count++;
	}
	return NULL;
}

TEST_F_LONG(fork, no_update_is_lost_when_pages_are_copied_under_both, 90)
{
	unsigned long i, forks = test_scale(30), added = 0;
	struct counting counting = { .word = (void *)self->p };
	pthread_t thread;

	/* CPU and device add to one counter while fork() shares its page over and over */
	*counting.word = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, count_on_the_cpu, &counting));
	for (i = 0; i < forks; i++) {
		pid_t pid;
		int j;

		for (j = 0; j < 200; j++)
			put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, counting.word, 0, 0, NULL);
		added += 200;
		EXPECT_EQ(0, test_submit(&self->t.q));
		pid = fork();
		if (!pid) {
			uint64_t seen = *counting.word;

			test_nap();
			_exit(seen == *counting.word ? 0 : 1);
		}
		EXPECT_EQ(0, wait_child(pid));
		EXPECT_EQ(0, test_wait(&self->t.q));
	}
	__atomic_store_n(&counting.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(added + counting.count, *counting.word);
}

TEST_HARNESS_MAIN
