// SPDX-License-Identifier: MIT
/*
 * Pages that change their place under the device: soft offlining, compaction,
 * collapsing into huge pages and splitting them.
 */
#include <fcntl.h>
#include <pthread.h>

#include "vsvm_harness.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

FIXTURE_VSVM(migrate);

TEST_F(migrate, page_moves_and_the_device_follows)
{
	char *p = map_anon(8 * PAGE);
	uint64_t pfn, value = 0;
	int i;

	fill_pattern(p, 8 * PAGE, 1);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 8 * PAGE));
	pfn = pagemap(p + 3 * PAGE) & PM_PFN;
	/* Soft offlining is the one way to have a page moved when asked */
	REQUIRE(!madvise(p + 3 * PAGE, PAGE, MADV_SOFT_OFFLINE), "no soft offlining: %s",
		strerror(errno));
	EXPECT_NE(pfn, pagemap(p + 3 * PAGE) & PM_PFN);
	EXPECT_EQ(7, count_state(&self->t, p, 8 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_load64(&self->t, p + 3 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 3 * PAGE / 8), value);
	ASSERT_EQ(0, dev_store64(&self->t, p + 3 * PAGE + 8, 33));
	EXPECT_EQ(33, *(uint64_t *)(p + 3 * PAGE + 8));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(test_pattern(1, i * PAGE / 8), *(uint64_t *)(p + i * PAGE));
	}
}

TEST_F(migrate, what_the_device_wrote_moves_along)
{
	char *p = map_anon(16 * PAGE);
	int i;

	/* The CPU has never touched these: only the device knows what is in them */
	ASSERT_EQ(0, dev_fill(&self->t, p, 16 * PAGE, 0x1212121212121212ull));
	for (i = 0; i < 16; i += 2) {
		REQUIRE(!madvise(p + i * PAGE, PAGE, MADV_SOFT_OFFLINE), "no soft offlining: %s",
			strerror(errno));
	}
	EXPECT_EQ(-1, check_bytes(p, 16 * PAGE, 0x12));
}

struct mover {
	char *p;
	uint32_t stop;
	unsigned int moved;
};

static void *move_pages_about(void *arg)
{
	struct mover *mover = arg;
	unsigned int i = 0;

	/* A page is lost for good each time: few, and far apart */
	while (!__atomic_load_n(&mover->stop, __ATOMIC_RELAXED) && mover->moved < 64) {
		if (!madvise(mover->p + i % 16 * PAGE, PAGE, MADV_SOFT_OFFLINE))
			mover->moved++;
		i++;
	}
	return NULL;
}

TEST_F_LONG(migrate, pages_move_while_the_device_counts, 90)
{
	char *p = map_anon(16 * PAGE);
	struct mover mover = { .p = p };
	unsigned long i, rounds = test_scale(60);
	pthread_t thread;
	int page;

	/* An atomic on a page that has just been copied elsewhere would be lost */
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 16 * PAGE));
	ASSERT_EQ(0, pthread_create(&thread, NULL, move_pages_about, &mover));
	for (i = 0; i < rounds; i++) {
		for (page = 0; page < 16 * 16; page++)
			put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, p + page % 16 * PAGE, 0, 0,
				   NULL);
		EXPECT_EQ(0, test_run(&self->t.q));
	}
	__atomic_store_n(&mover.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (page = 0; page < 16; page++) {
		EXPECT_EQ(rounds * 16, *(uint64_t *)(p + page * PAGE));
	}
	REQUIRE(mover.moved, "no soft offlining");
}

TEST_F(migrate, small_pages_collapse_into_a_huge_one)
{
	char *p = map_aligned(HUGE);
	uint64_t value = 0;

	ASSERT_EQ(0, madvise(p, HUGE, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, 0x1313131313131313ull));
	EXPECT_EQ(0, page_state(&self->t, p) & DRM_VSVM_PAGE_HUGE);
	ASSERT_EQ(0, madvise(p, HUGE, MADV_HUGEPAGE));
	REQUIRE(!madvise(p, HUGE, MADV_COLLAPSE), "no MADV_COLLAPSE: %s", strerror(errno));
	ASSERT_EQ(0, dev_load64(&self->t, p + 400 * PAGE, &value));
	EXPECT_EQ(0x1313131313131313ull, value);
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	ASSERT_EQ(0, dev_store64(&self->t, p + 5 * PAGE, 5));
	EXPECT_EQ(5, *(uint64_t *)(p + 5 * PAGE));
	EXPECT_EQ(-1, check_bytes(p, 5 * PAGE, 0x13));
	EXPECT_EQ(-1, check_bytes(p + 6 * PAGE, HUGE - 6 * PAGE, 0x13));
}

#define SPLIT	"/sys/kernel/debug/split_huge_pages"

TEST_F(migrate, huge_page_is_split)
{
	char *p = map_huge(HUGE);

	REQUIRE(p, "no huge pages to be had");
	REQUIRE(!access(SPLIT, W_OK), "no " SPLIT);
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, 0x1414141414141414ull));
	ASSERT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
	ASSERT_EQ(0, write_text(SPLIT, "%d,0x%lx,0x%lx", getpid(), (long)p, (long)p + HUGE));
	EXPECT_EQ(0, smaps_kib(p, "AnonHugePages:"));
	EXPECT_EQ(-1, check_bytes(p, HUGE, 0x14));
	ASSERT_EQ(0, dev_fill(&self->t, p + PAGE, 2 * PAGE, 0x1515151515151515ull));
	EXPECT_EQ(-1, check_bytes(p, PAGE, 0x14));
	EXPECT_EQ(-1, check_bytes(p + PAGE, 2 * PAGE, 0x15));
	EXPECT_EQ(-1, check_bytes(p + 3 * PAGE, HUGE - 3 * PAGE, 0x14));
	EXPECT_EQ(0, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
}

TEST_F_LONG(migrate, collapse_and_split_while_the_device_counts, 90)
{
	unsigned long i, rounds = test_scale(12);
	char *p = map_huge(HUGE);

	REQUIRE(p, "no huge pages to be had");
	for (i = 1; i <= rounds; i++) {
		int page;

		for (page = 0; page < 512; page++)
			put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, p + page * PAGE, 0, 0, NULL);
		ASSERT_EQ(0, test_submit(&self->t.q));
		write_text(SPLIT, "%d,0x%lx,0x%lx", getpid(), (long)p, (long)p + HUGE);
		madvise(p, HUGE, MADV_COLLAPSE);
		ASSERT_EQ(0, test_wait(&self->t.q));
		for (page = 0; page < 512; page++) {
			ASSERT_EQ(i, *(uint64_t *)(p + page * PAGE));
		}
	}
}

TEST_F_LONG(migrate, compaction_under_a_streaming_device, 120)
{
	const size_t size = 4ul << 20, litter = 64ul << 20;
	unsigned long round, rounds = test_scale(5);
	char *waste = map_anon(litter), *p = map_anon(size);
	size_t i, moved = 0;
	uint64_t *pfn;

	pfn = calloc(size / PAGE, sizeof(*pfn));
	ASSERT_NE(NULL, pfn);
	for (round = 1; round <= rounds; round++) {
		/* Holes everywhere give compaction something to do */
		for (i = 0; i < litter; i += PAGE)
			waste[i] = 1;
		ASSERT_EQ(0, dev_fill(&self->t, p, size, round));
		for (i = 0; i < litter; i += 2 * PAGE)
			madvise(waste + i, PAGE, MADV_DONTNEED);
		for (i = 0; i < size; i += PAGE)
			pfn[i / PAGE] = pagemap(p + i) & PM_PFN;
		put_fill(&self->t.q, p, size, ~round);
		put_barrier(&self->t.q);
		put_fill(&self->t.q, p, size, round + 1);
		ASSERT_EQ(0, test_submit(&self->t.q));
		write_text("/proc/sys/vm/compact_memory", "1");
		ASSERT_EQ(0, test_wait(&self->t.q));
		for (i = 0; i < size; i += PAGE) {
			moved += pfn[i / PAGE] != (pagemap(p + i) & PM_PFN);
			ASSERT_EQ(round + 1, *(uint64_t *)(p + i));
			ASSERT_EQ(round + 1, *(uint64_t *)(p + i + PAGE - 8));
		}
		self->t.out[0] = 0;
		put_sum(&self->t.q, p, size / 8, 8, 8, self->t.out);
		ASSERT_EQ(0, test_run(&self->t.q));
		EXPECT_EQ(size / 8 * (round + 1), self->t.out[0]);
		/* Freed and taken again in another order next time */
		madvise(p, size, MADV_DONTNEED);
	}
	free(pfn);
	TH_LOG("compaction moved %zu pages", moved);
}

TEST_HARNESS_MAIN
