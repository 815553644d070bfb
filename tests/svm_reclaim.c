// SPDX-License-Identifier: MIT
/*
 * Memory that the kernel wants back: nothing that the device maps is pinned,
 * and nothing that it wrote is lost on the way to swap and back.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "vsvm_harness.h"

#define PAGES	128
#define BYTES	(PAGES * PAGE)

FIXTURE(reclaim)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(reclaim)
{
	int ret;

	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
	ret = swap_on(32);
	if (ret)
		SKIP(return, "no swap: %s", strerror(-ret));
}

FIXTURE_TEARDOWN(reclaim)
{
	EXPECT_EQ(0, test_close(&self->t));
	memcg_leave();
	swap_off();
}

/* Pages that were faulted in on another CPU may still be on its way to the LRU lists */
static void drain_lru(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "1", 1) != 1)
		fprintf(stderr, "# drop_caches: %s\n", strerror(errno));
	close(fd);
}

/*
 * Pages out of the range that are in swap now.  Pages that somebody else looks
 * at for a moment are left out by the kernel, so it is asked a few times.
 */
static size_t page_out(char *p, size_t size)
{
	size_t swapped = 0;
	int i;

	for (i = 0; i < 10 && swapped < size / PAGE; i++) {
		if (i)
			drain_lru();
		madvise(p, size, MADV_PAGEOUT);
		swapped = pagemap_count(p, size, PM_SWAP);
	}
	return swapped;
}

TEST_F(reclaim, device_mapping_does_not_pin)
{
	struct drm_vsvm_stats before, after;
	size_t swapped;

	fill_pattern(self->p, BYTES, 1);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, BYTES));
	before = test_stats(&self->t);
	swapped = page_out(self->p, BYTES);
	after = test_stats(&self->t);
	EXPECT_EQ(PAGES, swapped);
	EXPECT_EQ(0, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_LE(PAGES, after.zapped_4k - before.zapped_4k);
}

TEST_F(reclaim, device_reads_from_swap)
{
	char *copy = map_anon(BYTES);

	fill_pattern(self->p, BYTES, 2);
	ASSERT_LT(PAGES / 2, page_out(self->p, BYTES));
	ASSERT_EQ(0, dev_copy(&self->t, copy, self->p, BYTES));
	EXPECT_EQ(-1, check_pattern(copy, BYTES, 2));
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 2));
}

TEST_F(reclaim, what_the_device_wrote_survives)
{
	unsigned int round;

	for (round = 1; round < 6; round++) {
		ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES, 0x0101010101010101ull * round));
		ASSERT_LT(PAGES / 2, page_out(self->p, BYTES));
		/* Looked at from either side: reading leaves a clean copy in swap */
		if (round % 2) {
			ASSERT_EQ(0, dev_touch_read(&self->t, self->p, BYTES));
		} else {
			EXPECT_EQ(-1, check_bytes(self->p, BYTES, round));
		}
		EXPECT_EQ(-1, check_bytes(self->p, BYTES, round));
	}
}

TEST_F(reclaim, write_to_a_page_with_a_clean_copy_in_swap)
{
	unsigned int round;

	memset(self->p, 0xff, BYTES);
	for (round = 1; round < 4; round++) {
		ASSERT_LT(PAGES / 2, page_out(self->p, BYTES));
		/* Mapped by device and CPU for reading, clean; then the device alone writes */
		ASSERT_EQ(0, dev_touch_read(&self->t, self->p, BYTES));
		EXPECT_EQ(round == 1 ? 0xff : round - 1, (uint8_t)self->p[PAGE]);
		ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES, 0x0101010101010101ull * round));
		ASSERT_LT(PAGES / 2, page_out(self->p, BYTES));
		EXPECT_EQ(-1, check_bytes(self->p, BYTES, round));
	}
}

TEST_F(reclaim, free_then_device_write_is_not_lost)
{
	int round;

	for (round = 0; round < 4; round++) {
		memset(self->p, 0x11, BYTES);
		/* In the second half of the rounds the device has had the pages before */
		if (round > 1) {
			ASSERT_EQ(0, dev_touch_write(&self->t, self->p, BYTES));
		}
		REQUIRE(!madvise(self->p, BYTES, MADV_FREE), "no MADV_FREE: %s", strerror(errno));
		ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES / 2, 0x2222222222222222ull));
		/* Lazily freed pages are dropped, unless somebody knows that they are dirty */
		madvise(self->p, BYTES, MADV_PAGEOUT);
		madvise(self->p, BYTES, MADV_PAGEOUT);
		EXPECT_EQ(-1, check_bytes(self->p, BYTES / 2, 0x22));
	}
}

TEST_F(reclaim, free_then_partial_device_write_keeps_the_page_whole)
{
	int i;

	memset(self->p, 0x33, BYTES);
	REQUIRE(!madvise(self->p, BYTES, MADV_FREE), "no MADV_FREE: %s", strerror(errno));
	for (i = 0; i < PAGES; i++)
		put_store64(&self->t.q, self->p + i * PAGE + 64, i);
	ASSERT_EQ(0, test_run(&self->t.q));
	madvise(self->p, BYTES, MADV_PAGEOUT);
	for (i = 0; i < PAGES; i++) {
		char *page = self->p + i * PAGE;

		EXPECT_EQ((uint64_t)i, *(uint64_t *)(page + 64));
		/* The rest is what it was before, or zero, but one of them throughout */
		EXPECT_EQ(-1, check_bytes(page, 64, page[0]));
		EXPECT_EQ(-1, check_bytes(page + 72, PAGE - 72, page[0]));
		EXPECT_EQ(true, page[0] == 0x33 || page[0] == 0);
	}
}

TEST_F(reclaim, free_under_a_streaming_device)
{
	unsigned long i, rounds = test_scale(30);

	for (i = 1; i <= rounds; i++) {
		put_fill(&self->t.q, self->p, BYTES, i);
		put_fill(&self->t.q, self->p, BYTES, i);
		ASSERT_EQ(0, test_submit(&self->t.q));
		madvise(self->p, BYTES, MADV_FREE);
		put_barrier(&self->t.q);
		put_fill(&self->t.q, self->p, BYTES, ~i);
		ASSERT_EQ(0, test_run(&self->t.q));
		madvise(self->p, BYTES, MADV_PAGEOUT);
		EXPECT_EQ(~i, *(uint64_t *)self->p);
		EXPECT_EQ(~i, *(uint64_t *)(self->p + BYTES - 8));
		EXPECT_EQ(~i, *(uint64_t *)(self->p + BYTES / 2));
	}
}

TEST_F(reclaim, huge_page_to_swap_and_back)
{
	char *p = map_huge(HUGE);

	REQUIRE(p, "no huge pages to be had");
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, 0x4444444444444444ull));
	ASSERT_LT(256, page_out(p, HUGE));
	EXPECT_EQ(0, page_state(&self->t, p) & DRM_VSVM_PAGE_HUGE);
	ASSERT_EQ(0, dev_store64(&self->t, p + HUGE / 2, 5));
	EXPECT_EQ(-1, check_bytes(p, HUGE / 2, 0x44));
	EXPECT_EQ(5, *(uint64_t *)(p + HUGE / 2));
	EXPECT_EQ(-1, check_bytes(p + HUGE / 2 + 8, HUGE / 2 - 8, 0x44));
}

TEST_F(reclaim, shared_memory_to_swap_and_back)
{
	char *p = map_shared(BYTES);
	unsigned int round;

	for (round = 1; round < 4; round++) {
		ASSERT_EQ(0, dev_fill(&self->t, p, BYTES, 0x0101010101010101ull * round));
		madvise(p, BYTES, MADV_PAGEOUT);
		madvise(p, BYTES, MADV_PAGEOUT);
		if (round == 1) {
			EXPECT_GT(PAGES / 2, pagemap_count(p, BYTES, PM_PRESENT));
		}
		EXPECT_EQ(-1, check_bytes(p, BYTES, round));
	}
}

TEST_F(reclaim, file_pages_are_given_up_with_their_data)
{
	int fd = disk_file(BYTES);
	unsigned int round;
	char *p;

	REQUIRE(fd >= 0, "no file system with a disk behind it");
	p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (round = 1; round < 4; round++) {
		ASSERT_EQ(0, dev_fill(&self->t, p, BYTES, 0x0101010101010101ull * round));
		madvise(p, BYTES, MADV_PAGEOUT);
		ASSERT_EQ(0, msync(p, BYTES, MS_SYNC));
		madvise(p, BYTES, MADV_PAGEOUT);
		drop_caches();
		ASSERT_EQ(0, dev_copy(&self->t, self->p, p, BYTES));
		EXPECT_EQ(-1, check_bytes(self->p, BYTES, round));
		EXPECT_EQ(-1, check_bytes(p, BYTES, round));
	}
	munmap(p, BYTES);
	close(fd);
	disk_file_done();
}

TEST_F(reclaim, cold_memory_stays_as_it_is)
{
	fill_pattern(self->p, BYTES, 7);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, BYTES));
	madvise(self->p, BYTES, MADV_COLD);
	self->t.out[0] = 0;
	put_crc(&self->t.q, self->p, BYTES, 0, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(crc32c(0, self->p, BYTES), *(uint32_t *)self->t.out);
	EXPECT_EQ(-1, check_pattern(self->p, BYTES, 7));
}

/* --- control groups --- */

TEST_F_LONG(reclaim, group_is_told_to_reclaim, 90)
{
	const size_t size = 8ul << 20;
	char *p;
	int ret;

	ret = memcg_enter(0);
	REQUIRE(!ret, "no memory control groups: %s", strerror(-ret));
	p = map_anon(size);
	ASSERT_EQ(0, dev_fill(&self->t, p, size, 0x6666666666666666ull));
	/* What the device faulted in is the process's: else there is nothing to reclaim */
	EXPECT_LE((long)size, memcg_current());
	ret = memcg_reclaim(size / 2);
	EXPECT_EQ(true, !ret || ret == -EAGAIN);
	EXPECT_LT(size / PAGE / 8, pagemap_count(p, size, PM_SWAP));
	self->t.out[0] = 0;
	put_sum(&self->t.q, p, size / 8, 8, 8, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(size / 8 * 0x6666666666666666ull, self->t.out[0]);
	EXPECT_EQ(-1, check_bytes(p, size, 0x66));
}

TEST_F_LONG(reclaim, group_with_less_memory_than_the_device_uses, 180)
{
	const size_t limit = 16ul << 20, size = 24ul << 20, part = 1ul << 20;
	unsigned long round, rounds = test_scale(2);
	char *p;
	size_t i;
	int ret;

	ret = memcg_enter(limit);
	REQUIRE(!ret, "no memory control groups: %s", strerror(-ret));
	p = map_anon(size);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < size; i += part) {
			ASSERT_EQ(0, dev_fill(&self->t, p + i, part, round << 32 | i));
		}
		EXPECT_GE((long)limit, memcg_current());
		for (i = 0; i < size; i += part) {
			self->t.out[0] = 0;
			put_sum(&self->t.q, p + i, part / 8, 8, 8, self->t.out);
			ASSERT_EQ(0, test_run(&self->t.q));
			EXPECT_EQ(part / 8 * (round << 32 | i), self->t.out[0]);
		}
	}
	for (i = 0; i < size; i += PAGE) {
		ASSERT_EQ((rounds - 1) << 32 | (i & ~(part - 1)), *(uint64_t *)(p + i));
	}
}

/* --- pages made one (KSM) --- */

#define KSM	"/sys/kernel/mm/ksm/"

FIXTURE(ksm)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(ksm)
{
	ASSERT_EQ(0, test_open(&self->t));
	if (read_number(KSM "run") < 0)
		SKIP(return, "no KSM");
	self->p = map_anon(32 * PAGE);
	write_text(KSM "smart_scan", "0");
	write_text(KSM "pages_to_scan", "10000");
	write_text(KSM "sleep_millisecs", "1");
	ASSERT_EQ(0, write_text(KSM "run", "1"));
}

FIXTURE_TEARDOWN(ksm)
{
	write_text(KSM "run", "2");
	write_text(KSM "run", "0");
	EXPECT_EQ(0, test_close(&self->t));
}

/* Waits until all pages of the range are one */
static bool merged(char *p, size_t size)
{
	uint64_t since = 0, first;
	size_t i;

	do {
		first = pagemap(p) & PM_PFN;
		for (i = PAGE; i < size; i += PAGE)
			if ((pagemap(p + i) & PM_PFN) != first)
				break;
		if (first && i >= size)
			return true;
		test_nap();
	} while (test_patient(&since));
	return false;
}

TEST_F(ksm, device_write_splits_one_off)
{
	uint64_t value = 0;
	int i;

	memset(self->p, 0x42, 32 * PAGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, 32 * PAGE));
	ASSERT_EQ(0, madvise(self->p, 32 * PAGE, MADV_MERGEABLE));
	REQUIRE(merged(self->p, 32 * PAGE), "KSM does not merge");
	/* Now one page, which the device must not be able to write to */
	EXPECT_EQ(0, count_state(&self->t, self->p, 32 * PAGE, DRM_VSVM_PAGE_WRITE,
				 DRM_VSVM_PAGE_WRITE));
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 5 * PAGE, &value));
	EXPECT_EQ(0x4242424242424242ull, value);
	ASSERT_EQ(0, dev_store64(&self->t, self->p + 7 * PAGE + 8, 0x77));
	for (i = 0; i < 32; i++) {
		EXPECT_EQ(i == 7 ? 0x77 : 0x4242424242424242ull,
			  *(uint64_t *)(self->p + i * PAGE + 8));
	}
}

TEST_F(ksm, device_reads_each_of_many_copies)
{
	int i;

	memset(self->p, 0x24, 32 * PAGE);
	ASSERT_EQ(0, madvise(self->p, 32 * PAGE, MADV_MERGEABLE));
	REQUIRE(merged(self->p, 32 * PAGE), "KSM does not merge");
	ASSERT_EQ(0, dev_touch_read(&self->t, self->p, 32 * PAGE));
	EXPECT_EQ(32, count_state(&self->t, self->p, 32 * PAGE, DRM_VSVM_PAGE_MAPPED |
				  DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_MAPPED));
	/* The CPU takes one back: the device must follow */
	for (i = 0; i < 32; i += 4) {
		*(volatile uint64_t *)(self->p + i * PAGE) = i;
		self->t.out[0] = 1;
		put_sum(&self->t.q, self->p + i * PAGE, 1, 8, 8, self->t.out);
		ASSERT_EQ(0, test_run(&self->t.q));
		EXPECT_EQ((uint64_t)i, self->t.out[0]);
	}
	EXPECT_EQ(-1, check_bytes(self->p + PAGE, PAGE, 0x24));
}

TEST_F_LONG(ksm, merging_under_a_writing_device, 90)
{
	unsigned long i, rounds = test_scale(40);

	/* Pages keep becoming equal, being merged and being written to */
	ASSERT_EQ(0, madvise(self->p, 32 * PAGE, MADV_MERGEABLE));
	for (i = 1; i <= rounds; i++) {
		ASSERT_EQ(0, dev_fill(&self->t, self->p, 32 * PAGE, i));
		test_nap();
		test_nap();
		ASSERT_EQ(0, dev_store64(&self->t, self->p + i % 32 * PAGE, ~i));
		EXPECT_EQ(~i, *(uint64_t *)(self->p + i % 32 * PAGE));
		EXPECT_EQ(i, *(uint64_t *)(self->p + (i + 1) % 32 * PAGE));
		EXPECT_EQ(i, *(uint64_t *)(self->p + (i + 31) % 32 * PAGE));
		EXPECT_EQ(i, *(uint64_t *)(self->p + i % 32 * PAGE + 8));
	}
}

TEST_HARNESS_MAIN
