// SPDX-License-Identifier: MIT
/*
 * Memory that goes away, or becomes other memory, while the device maps it.
 * What is left stays usable, and what was there before is never seen again.
 */
#include <sys/syscall.h>

#include "vsvm_harness.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

#define PAGES	32

FIXTURE(unmap)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(unmap)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(PAGES * PAGE);
	fill_pattern(self->p, PAGES * PAGE, 1);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, PAGES * PAGE));
	ASSERT_EQ(PAGES, count_state(&self->t, self->p, PAGES * PAGE, DRM_VSVM_PAGE_WRITE,
				     DRM_VSVM_PAGE_WRITE));
}

FIXTURE_TEARDOWN(unmap)
{
	EXPECT_EQ(0, test_close(&self->t));
}

/* Pages [from, to) are gone for the device, all others still there; 0 or a line */
static int gone(struct test_vm *t, char *p, int from, int to)
{
	uint64_t value = 0;
	int i;

	/* Those that stay were not even zapped */
	if (count_state(t, p, PAGES * PAGE, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED) !=
	    (size_t)(PAGES - (to - from)))
		return __LINE__;
	/* Bound is what the address is, whatever is there */
	if (count_state(t, p, PAGES * PAGE, DRM_VSVM_PAGE_BOUND, DRM_VSVM_PAGE_BOUND) != PAGES)
		return __LINE__;
	for (i = 0; i < PAGES; i++) {
		if (i >= from && i < to) {
			if (i != from && i != to - 1)
				continue;
			if (!dev_load64(t, p + i * PAGE + 8, &value) ||
			    expect_fault(&t->q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
					 p + i * PAGE + 8, DRM_VSVM_ACCESS_READ))
				return __LINE__;
			if (!dev_store64(t, p + i * PAGE + 4088, 1) ||
			    expect_fault(&t->q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
					 p + i * PAGE + 4088, DRM_VSVM_ACCESS_WRITE))
				return __LINE__;
			continue;
		}
		if (dev_load64(t, p + i * PAGE, &value) ||
		    value != test_pattern(1, i * PAGE / 8) ||
		    dev_store64(t, p + i * PAGE + 8, i) || *(int *)(p + i * PAGE + 8) != i)
			return __LINE__;
	}
	return 0;
}

TEST_F(unmap, all)
{
	ASSERT_EQ(0, munmap(self->p, PAGES * PAGE));
	EXPECT_EQ(0, gone(&self->t, self->p, 0, PAGES));
}

TEST_F(unmap, head)
{
	ASSERT_EQ(0, munmap(self->p, 5 * PAGE));
	EXPECT_EQ(0, gone(&self->t, self->p, 0, 5));
}

TEST_F(unmap, tail)
{
	ASSERT_EQ(0, munmap(self->p + 20 * PAGE, (PAGES - 20) * PAGE));
	EXPECT_EQ(0, gone(&self->t, self->p, 20, PAGES));
}

TEST_F(unmap, middle)
{
	ASSERT_EQ(0, munmap(self->p + 10 * PAGE, 3 * PAGE));
	EXPECT_EQ(0, gone(&self->t, self->p, 10, 13));
}

TEST_F(unmap, one_page_at_a_time_until_nothing_is_left)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, munmap(self->p + i * PAGE, PAGE));
		EXPECT_EQ(PAGES - 1 - i, (int)count_state(&self->t, self->p, PAGES * PAGE,
							  DRM_VSVM_PAGE_MAPPED,
							  DRM_VSVM_PAGE_MAPPED));
	}
	EXPECT_EQ(0, gone(&self->t, self->p, 0, PAGES));
}

TEST_F(unmap, half_of_a_huge_page)
{
	char *p = map_huge(HUGE);
	uint64_t value = 0;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 2);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	ASSERT_EQ(0, munmap(p + HUGE / 2, HUGE / 2));
	EXPECT_EQ(0, count_state(&self->t, p + HUGE / 2, HUGE / 2, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_NE(0, dev_load64(&self->t, p + HUGE / 2, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + HUGE / 2,
				  DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, dev_copy(&self->t, self->t.out, p + HUGE / 2 - 64, 64));
	EXPECT_EQ(0, memcmp(self->t.out, p + HUGE / 2 - 64, 64));
	EXPECT_EQ(-1, check_pattern(p, HUGE / 2, 2));
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE / 2, 0x9999999999999999ull));
	EXPECT_EQ(-1, check_bytes(p, HUGE / 2, 0x99));
}

TEST_F(unmap, new_memory_at_the_old_address_is_new)
{
	char *q;
	int round;

	for (round = 0; round < 8; round++) {
		ASSERT_EQ(0, dev_fill(&self->t, self->p, PAGES * PAGE, ~0ull));
		ASSERT_EQ(0, munmap(self->p, PAGES * PAGE));
		q = mmap(self->p, PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		ASSERT_EQ(self->p, q);
		self->t.out[0] = 1;
		put_sum(&self->t.q, q, PAGES * PAGE / 8, 8, 8, self->t.out);
		ASSERT_EQ(0, test_run(&self->t.q));
		EXPECT_EQ(0, self->t.out[0]);
	}
}

TEST_F(unmap, mapped_over_with_a_file)
{
	int fd = temp_memfd(PAGES * PAGE);
	uint64_t value = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(8, pwrite(fd, "file    ", 8, 7 * PAGE));
	ASSERT_EQ(self->p, mmap(self->p, PAGES * PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, fd, 0));
	EXPECT_EQ(0, count_state(&self->t, self->p, PAGES * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 7 * PAGE, &value));
	EXPECT_EQ(0, memcmp(&value, "file    ", 8));
	ASSERT_EQ(0, dev_store64(&self->t, self->p, 5));
	ASSERT_EQ(8, pread(fd, &value, 8, 0));
	EXPECT_EQ(5, value);
	close(fd);
}

TEST_F(unmap, dontneed_reads_zero_again)
{
	uint64_t value = 1;
	int i;

	ASSERT_EQ(0, madvise(self->p + 4 * PAGE, 3 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(PAGES - 3, count_state(&self->t, self->p, PAGES * PAGE, DRM_VSVM_PAGE_MAPPED,
					 DRM_VSVM_PAGE_MAPPED));
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, dev_load64(&self->t, self->p + i * PAGE, &value));
		EXPECT_EQ(i >= 4 && i < 7 ? 0 : test_pattern(1, i * PAGE / 8), value);
	}
	ASSERT_EQ(0, dev_store64(&self->t, self->p + 4 * PAGE, 44));
	EXPECT_EQ(44, *(uint64_t *)(self->p + 4 * PAGE));
	EXPECT_EQ(0, *(uint64_t *)(self->p + 4 * PAGE + 8));
}

TEST_F(unmap, dontneed_of_part_of_a_huge_page)
{
	char *p = map_huge(HUGE);
	uint64_t value = 1;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 2);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	ASSERT_EQ(0, madvise(p + 100 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, page_state(&self->t, p + 100 * PAGE) & DRM_VSVM_PAGE_MAPPED);
	ASSERT_EQ(0, dev_load64(&self->t, p + 100 * PAGE, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(-1, check_pattern(p, 100 * PAGE, 2));
	self->t.out[0] = 0;
	put_sum(&self->t.q, p + 101 * PAGE, 1, 8, 8, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(test_pattern(2, 101 * PAGE / 8), self->t.out[0]);
}

TEST_F(unmap, dontneed_in_a_loop)
{
	unsigned long i, rounds = test_scale(200);

	for (i = 1; i <= rounds; i++) {
		self->t.out[0] = 1;
		put_sum(&self->t.q, self->p + PAGE, 512, 8, 8, self->t.out);
		if (i > 1) {
			ASSERT_EQ(0, test_run(&self->t.q));
			EXPECT_EQ(0, self->t.out[0]);
		}
		ASSERT_EQ(0, dev_fill(&self->t, self->p + PAGE, PAGE, i));
		EXPECT_EQ(i, *(uint64_t *)(self->p + 2 * PAGE - 8));
		ASSERT_EQ(0, madvise(self->p + PAGE, PAGE, MADV_DONTNEED));
	}
}

TEST_F(unmap, removal_from_shared_memory)
{
	char *p = map_shared(8 * PAGE);
	uint64_t value = 1;

	memset(p, 1, 8 * PAGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 8 * PAGE));
	ASSERT_EQ(0, madvise(p + 2 * PAGE, PAGE, MADV_REMOVE));
	ASSERT_EQ(0, dev_load64(&self->t, p + 2 * PAGE, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(-1, check_bytes(p + 3 * PAGE, 5 * PAGE, 1));
	ASSERT_EQ(0, dev_store64(&self->t, p + 2 * PAGE + 8, 2));
	EXPECT_EQ(2, *(uint64_t *)(p + 2 * PAGE + 8));
	/* DONTNEED of shared memory forgets the mapping, not the data */
	ASSERT_EQ(0, madvise(p, 8 * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, dev_load64(&self->t, p + 2 * PAGE + 8, &value));
	EXPECT_EQ(2, value);
}

TEST_F(unmap, mremap_moves)
{
	char *to = map_anon(PAGES * PAGE);
	uint64_t value = 0;
	int i;

	ASSERT_EQ(0, dev_touch_write(&self->t, to, PAGES * PAGE));
	ASSERT_EQ(to, mremap(self->p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to));
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, dev_load64(&self->t, to + i * PAGE, &value));
		EXPECT_EQ(test_pattern(1, i * PAGE / 8), value);
		ASSERT_EQ(0, dev_store64(&self->t, to + i * PAGE, i));
		EXPECT_EQ(i, *(int *)(to + i * PAGE));
	}
	EXPECT_EQ(0, gone(&self->t, self->p, 0, PAGES));
}

TEST_F(unmap, mremap_moves_the_middle)
{
	char *to = map_anon(8 * PAGE);
	uint64_t value = 0;

	ASSERT_EQ(to, mremap(self->p + 8 * PAGE, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to));
	ASSERT_EQ(0, dev_load64(&self->t, to + PAGE, &value));
	EXPECT_EQ(test_pattern(1, 9 * PAGE / 8), value);
	EXPECT_EQ(0, gone(&self->t, self->p, 8, 16));
}

TEST_F(unmap, mremap_grows_and_shrinks)
{
	char *q = mremap(self->p, PAGES * PAGE, 3 * PAGES * PAGE, MREMAP_MAYMOVE);
	uint64_t value = 1;

	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, dev_copy(&self->t, q + 2 * PAGES * PAGE, q, PAGES * PAGE));
	EXPECT_EQ(-1, check_pattern(q, PAGES * PAGE, 1));
	EXPECT_EQ(-1, check_pattern(q + 2 * PAGES * PAGE, PAGES * PAGE, 1));
	ASSERT_EQ(0, dev_load64(&self->t, q + PAGES * PAGE, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(q, mremap(q, 3 * PAGES * PAGE, PAGES * PAGE, 0));
	EXPECT_NE(0, dev_load64(&self->t, q + PAGES * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, q + PAGES * PAGE,
				  DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, dev_load64(&self->t, q + 8, &value));
	EXPECT_EQ(test_pattern(1, 1), value);
}

TEST_F(unmap, mremap_leaves_an_empty_mapping_behind)
{
	uint64_t value = 1;
	char *to;

	/* Not every libc passes on the last argument without MREMAP_FIXED */
	to = (void *)syscall(SYS_mremap, self->p, PAGES * PAGE, PAGES * PAGE,
			     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	REQUIRE(to != MAP_FAILED, "no MREMAP_DONTUNMAP: %s", strerror(errno));
	EXPECT_EQ(0, count_state(&self->t, self->p, PAGES * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_load64(&self->t, self->p, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, dev_load64(&self->t, to, &value));
	EXPECT_EQ(test_pattern(1, 0), value);
	/* They are two now */
	ASSERT_EQ(0, dev_store64(&self->t, self->p, 1));
	ASSERT_EQ(0, dev_store64(&self->t, to, 2));
	EXPECT_EQ(1, *(uint64_t *)self->p);
	EXPECT_EQ(2, *(uint64_t *)to);
}

TEST_F(unmap, mremap_moves_huge_pages)
{
	char *p = map_huge(2 * HUGE), *to;
	uint64_t value = 1;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, 2 * HUGE, 6);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	ASSERT_EQ(0, dev_touch_write(&self->t, p + HUGE, PAGE));
	to = map_aligned(2 * HUGE);
	ASSERT_EQ(to, mremap(p, 2 * HUGE, 2 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	put_sum(&self->t.q, to + 8, 1, 8, 8, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(test_pattern(6, 1), self->t.out[0]);
	ASSERT_EQ(0, dev_store64(&self->t, to + HUGE, 1));
	EXPECT_EQ(1, *(uint64_t *)(to + HUGE));
	EXPECT_NE(0, dev_load64(&self->t, p + HUGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + HUGE,
				  DRM_VSVM_ACCESS_READ));
}

TEST_F(unmap, heap_that_shrinks)
{
	char *top = sbrk(0), *p;
	uint64_t value = 0;

	ASSERT_NE((void *)-1, top);
	p = (char *)(((uintptr_t)top + PAGE - 1) & ~(PAGE - 1));
	ASSERT_EQ(0, brk(p + 8 * PAGE));
	ASSERT_EQ(0, dev_fill(&self->t, p, 8 * PAGE, 0x0202020202020202ull));
	ASSERT_EQ(0, brk(p + 4 * PAGE));
	EXPECT_NE(0, dev_load64(&self->t, p + 4 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + 4 * PAGE,
				  DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, dev_load64(&self->t, p + 3 * PAGE, &value));
	EXPECT_EQ(0x0202020202020202ull, value);
}

TEST_F(unmap, range_over_many_notifiers)
{
	const size_t size = 200ul << 20;
	char *p = map_anon(size);
	size_t i;

	/* A page in every 8 MiB, then all of it at once */
	for (i = 0; i < size; i += 8ul << 20) {
		ASSERT_EQ(0, dev_store64(&self->t, p + i, i + 1));
	}
	for (i = 0; i < size; i += 8ul << 20) {
		EXPECT_EQ(i + 1, *(uint64_t *)(p + i));
	}
	ASSERT_EQ(0, munmap(p, size));
	for (i = 0; i < size; i += 8ul << 20) {
		EXPECT_EQ(0, page_state(&self->t, p + i) & DRM_VSVM_PAGE_MAPPED);
	}
	EXPECT_NE(0, dev_store64(&self->t, p + size / 2, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + size / 2,
				  DRM_VSVM_ACCESS_WRITE));
}

TEST_HARNESS_MAIN
