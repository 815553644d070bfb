// SPDX-License-Identifier: MIT
/*
 * Batches: many ranges of the process as one of the device.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "vsvm_harness.h"
#include "vsvm_userptr.h"

FIXTURE(userptr)
{
	struct test_vm t;
};

FIXTURE_SETUP(userptr)
{
	ASSERT_EQ(0, test_open(&self->t));
}

FIXTURE_TEARDOWN(userptr)
{
	if (self->t.vm) {
		vsvm_unbind(self->t.vm, BATCH_AT, BATCH_AT, DRM_VSVM_BIND_FORCE);
		EXPECT_EQ(0, batch_all_gone(&self->t));
	}
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F(userptr, a_batch_of_one_is_a_plain_userptr)
{
	char *p = map_anon(4 * PAGE), *q = map_anon(4 * PAGE);
	const struct iovec iov = { p, 4 * PAGE };

	fill_pattern(p, 4 * PAGE, 1);
	ASSERT_EQ(0, batch_bind(&self->t, &iov, 1, 0));
	ASSERT_EQ(0, dev_copy(&self->t, q, batch_at(0), 4 * PAGE));
	EXPECT_EQ(-1, check_pattern(q, 4 * PAGE, 1));
	fill_pattern(q, 4 * PAGE, 2);
	ASSERT_EQ(0, dev_copy(&self->t, batch_at(0), q, 4 * PAGE));
	EXPECT_EQ(-1, check_pattern(p, 4 * PAGE, 2));
}

TEST_F(userptr, ranges_lie_back_to_back_in_the_order_given)
{
	char *area = map_anon(64 * PAGE), *copy = map_anon(16 * PAGE);
	/* Not in the order of their addresses, and not of one size */
	const struct iovec iov[] = {
		{ area + 40 * PAGE, 3 * PAGE }, { area, PAGE }, { area + 10 * PAGE, 7 * PAGE },
		{ area + 2 * PAGE, PAGE }, { area + 60 * PAGE, 4 * PAGE },
	};
	size_t at = 0;
	unsigned int i;

	batch_fill(iov, ARRAY_SIZE(iov), 5);
	ASSERT_EQ(0, batch_bind(&self->t, iov, ARRAY_SIZE(iov), 0));
	ASSERT_EQ(0, dev_copy(&self->t, copy, batch_at(0), 16 * PAGE));
	for (i = 0; i < ARRAY_SIZE(iov); at += iov[i++].iov_len) {
		EXPECT_EQ(0, memcmp(copy + at, iov[i].iov_base, iov[i].iov_len));
	}
	/* One access across each seam */
	for (i = 0, at = iov[0].iov_len; i + 1 < ARRAY_SIZE(iov); at += iov[++i].iov_len) {
		ASSERT_EQ(0, dev_fill(&self->t, batch_at(at - 24), 48, 0x1122334455667788));
		EXPECT_EQ(0x1122334455667788ull,
			  *(uint64_t *)((char *)iov[i].iov_base + iov[i].iov_len - 24));
		EXPECT_EQ(0x1122334455667788ull, *(uint64_t *)((char *)iov[i + 1].iov_base + 16));
	}
	/* What lies between them in the process is nobody's */
	EXPECT_EQ(-1, check_bytes(area + PAGE, PAGE, 0));
	EXPECT_EQ(-1, check_bytes(area + 17 * PAGE, PAGE, 0));
}

static void many(struct __test_metadata *_metadata, FIXTURE_DATA(userptr) *self,
		 uint32_t count, size_t size, uint32_t flags)
{
	char *area = map_anon(2 * count * size);
	struct iovec *iov = batch_scatter(area, count, size, count);
	uint32_t crc;

	batch_fill(iov, count, count);
	ASSERT_EQ(0, batch_bind(&self->t, iov, count, flags));
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT, count * size, &crc));
	EXPECT_EQ(batch_crc(iov, count), crc);
	EXPECT_EQ(count, test_stats(&self->t).batch_ranges);
	/* A notifier for a piece of the address space, not for each range */
	EXPECT_GE(2 * count * size / vsvm_info(self->t.dev)->notifier_size + 2,
		  test_stats(&self->t).batch_notifiers);
	ASSERT_EQ(0, batch_unbind(&self->t, BATCH_AT, count * size));
	EXPECT_EQ(0, batch_all_gone(&self->t));
	munmap(area, 2 * count * size);
	free(iov);
}

TEST_F_LONG(userptr, two_to_65536_ranges, 120)
{
	uint32_t n;

	for (n = 2; n <= 65536; n *= 8) {
		many(_metadata, self, n, PAGE, 0);
		many(_metadata, self, n - 1, PAGE, DRM_VSVM_BIND_IMMEDIATE);
	}
	many(_metadata, self, 65536, PAGE, DRM_VSVM_BIND_IMMEDIATE);
	many(_metadata, self, 512, 16 * PAGE, 0);
	many(_metadata, self, 8, HUGE, 0);
}

TEST_F_LONG(userptr, every_mix_of_sizes_up_to_a_gib, 120)
{
	static const size_t sizes[] = {
		PAGE, 1ul << 30, 3 * PAGE, HUGE, HUGE + PAGE, 1ul << 26, PAGE, 5 * HUGE - PAGE,
		1ul << 30, 1ul << 20, 17 * PAGE, 1ul << 28,
	};
	struct iovec iov[ARRAY_SIZE(sizes)];
	uint64_t at = 0, value;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		iov[i].iov_len = sizes[i];
		iov[i].iov_base = mmap(NULL, sizes[i], PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ASSERT_NE(MAP_FAILED, iov[i].iov_base);
	}
	/* More than 4 GiB with all the aliases below */
	ASSERT_EQ(0, batch_bind(&self->t, iov, ARRAY_SIZE(iov), DRM_VSVM_BIND_IMMEDIATE));
	for (i = 0; i < ARRAY_SIZE(sizes); at += sizes[i++]) {
		for (k = 0; k < 8; k++) {
			size_t off = k == 7 ? sizes[i] - 8 : sizes[i] / 8 * k & ~7ul;

			ASSERT_EQ(0, dev_store64(&self->t, batch_at(at + off), i * 100 + k + 1));
			EXPECT_EQ(i * 100 + k + 1,
				  *(uint64_t *)((char *)iov[i].iov_base + off));
			*(uint64_t *)((char *)iov[i].iov_base + off) += 5;
			ASSERT_EQ(0, dev_load64(&self->t, batch_at(at + off), &value));
			EXPECT_EQ(i * 100 + k + 6, value);
		}
	}
}

TEST_F(userptr, sizes_of_more_than_32_bits_are_not_cut)
{
	struct drm_vsvm_stats s;
	size_t size = 6ul << 30;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *q = map_anon(PAGE);
	const struct iovec iov[] = { { p, size }, { q, PAGE }, { p, size } };
	uint64_t value;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 3, 0));
	*(uint64_t *)q = 77;
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(size), &value));
	EXPECT_EQ(77, value);
	ASSERT_EQ(0, dev_store64(&self->t, batch_at(2 * size + PAGE - 8), 78));
	EXPECT_EQ(78, *(uint64_t *)(p + size - 8));
	EXPECT_EQ(0, *(uint64_t *)(p + (size & 0xffffffff) - 8));
	/* Notifiers come with pages, not with sizes */
	s = test_stats(&self->t);
	EXPECT_GE(3, s.batch_notifiers);
}

TEST_F(userptr, ranges_that_repeat_and_overlap_are_aliases)
{
	char *p = map_anon(8 * PAGE);
	const struct iovec iov[] = {
		{ p, 4 * PAGE }, { p, 4 * PAGE }, { p + PAGE, PAGE }, { p + 2 * PAGE, 6 * PAGE },
	};
	uint64_t value;
	unsigned int i;

	ASSERT_EQ(0, batch_bind(&self->t, iov, 4, 0));
	ASSERT_EQ(0, dev_touch_write(&self->t, batch_at(0), 15 * PAGE));
	/* Page 1 appears three times, page 2 too */
	ASSERT_EQ(0, dev_store64(&self->t, batch_at(PAGE), 1));
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(5 * PAGE), &value));
	EXPECT_EQ(1, value);
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(8 * PAGE), &value));
	EXPECT_EQ(1, value);
	ASSERT_EQ(0, dev_store64(&self->t, batch_at(9 * PAGE), 2));
	EXPECT_EQ(2, *(uint64_t *)(p + 2 * PAGE));
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(6 * PAGE), &value));
	EXPECT_EQ(2, value);
	/* All of them go with the page, and nothing else */
	ASSERT_EQ(0, madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED));
	for (i = 0; i < 15; i++) {
		bool alias = i == 2 || i == 6 || i == 9;

		EXPECT_EQ(alias ? 0 : DRM_VSVM_PAGE_MAPPED,
			  page_state(&self->t, batch_at(i * PAGE)) & DRM_VSVM_PAGE_MAPPED)
			TH_LOG("page %u", i);
	}
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(6 * PAGE), &value));
	EXPECT_EQ(0, value);
}

TEST_F(userptr, bound_read_only_the_device_may_not_write)
{
	char *p = map_anon(2 * PAGE);
	const struct iovec iov[] = { { p + PAGE, PAGE }, { p, PAGE } };
	uint64_t value;

	*(uint64_t *)p = 9;
	ASSERT_EQ(0, batch_bind(&self->t, iov, 2, DRM_VSVM_BIND_READ_ONLY));
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(PAGE), &value));
	EXPECT_EQ(9, value);
	put_store64(&self->t.q, batch_at(PAGE), 10);
	ASSERT_EQ(-ECANCELED, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES, batch_at(PAGE),
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(9, *(uint64_t *)p);
}

TEST_F(userptr, a_bad_range_fails_the_access_to_it_and_no_other)
{
	char *p = map_anon(8 * PAGE);
	const struct iovec iov[] = {
		{ p, PAGE }, { p + PAGE, PAGE }, { p + 2 * PAGE, PAGE }, { p + 3 * PAGE, PAGE },
		{ p + 4 * PAGE, PAGE },
	};
	static const struct {
		size_t page;
		bool write;
		uint32_t reason, error;
	} bad[] = {
		{ 1, false, DRM_VSVM_FAULT_NO_MAPPING, EFAULT },
		{ 2, true, DRM_VSVM_FAULT_PERMISSION, EACCES },
		{ 3, false, DRM_VSVM_FAULT_PERMISSION, EACCES },
	};
	unsigned int i;
	uint64_t value;

	memset(p, 1, 8 * PAGE);
	munmap(p + PAGE, PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_READ);
	mprotect(p + 3 * PAGE, PAGE, PROT_NONE);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 5, DRM_VSVM_BIND_IMMEDIATE));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		char *at = batch_at(bad[i].page * PAGE);

		if (bad[i].write)
			put_store64(&self->t.q, at, 10);
		else
			put_copy(&self->t.q, self->t.out, at, 8);
		ASSERT_EQ(-ECANCELED, test_run(&self->t.q));
		EXPECT_EQ(0, expect_fault(&self->t.q, bad[i].reason, bad[i].error, at,
					  bad[i].write ? DRM_VSVM_ACCESS_WRITE :
					  DRM_VSVM_ACCESS_READ));
		ASSERT_EQ(0, dev_store64(&self->t, batch_at(0), i));
		ASSERT_EQ(0, dev_load64(&self->t, batch_at(4 * PAGE), &value));
		EXPECT_EQ(0x0101010101010101ull, value);
	}
	/* What the process maps there later counts */
	ASSERT_EQ(p + PAGE, mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE);
	EXPECT_EQ(0, dev_fill(&self->t, batch_at(0), 5 * PAGE, 3));
}

TEST_F(userptr, a_file_is_gathered_out_of_the_page_cache)
{
	int fd = temp_memfd(64 * PAGE);
	char *file = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct iovec *iov = batch_scatter(file, 32, PAGE, 3);
	uint32_t crc;

	ASSERT_NE(MAP_FAILED, file);
	fill_pattern(file, 64 * PAGE, 1);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 32, DRM_VSVM_BIND_READ_ONLY));
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT, 32 * PAGE, &crc));
	EXPECT_EQ(batch_crc(iov, 32), crc);
	/* Past the end of the file there is nothing */
	ASSERT_EQ(0, ftruncate(fd, 0));
	put_copy(&self->t.q, self->t.out, batch_at(0), 8);
	ASSERT_EQ(-ECANCELED, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, batch_at(0),
				  DRM_VSVM_ACCESS_READ));
	close(fd);
	free(iov);
}

TEST_F(userptr, immediate_maps_what_is_there_and_populates_nothing)
{
	char *p = map_anon(256 * PAGE);
	struct iovec *iov = batch_scatter(p, 64, 2 * PAGE, 7);
	struct drm_vsvm_stats s;
	unsigned int i;

	/* One page of each range */
	for (i = 0; i < 64; i++)
		*((char *)iov[i].iov_base + (i & 1) * PAGE) = 1;
	ASSERT_EQ(0, batch_bind(&self->t, iov, 64, DRM_VSVM_BIND_IMMEDIATE));
	for (i = 0; i < 128; i++) {
		EXPECT_EQ(i % 2 == i / 2 % 2 ? DRM_VSVM_PAGE_MAPPED : 0,
			  page_state(&self->t, batch_at(i * PAGE)) & DRM_VSVM_PAGE_MAPPED)
			TH_LOG("page %u", i);
	}
	s = test_stats(&self->t);
	EXPECT_EQ(0, s.populated);
	EXPECT_EQ(64, pagemap_count(p, 256 * PAGE, PM_PRESENT));
	/* No fault for what is mapped */
	ASSERT_EQ(0, dev_store64(&self->t, batch_at(0), 1));
	free(iov);
}

TEST_F(userptr, without_immediate_nothing_is_touched)
{
	char *p = map_anon(64 * PAGE);
	struct iovec *iov = batch_scatter(p, 32, PAGE, 7);

	memset(p, 1, 64 * PAGE);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 32, 0));
	EXPECT_EQ(0, count_state(&self->t, batch_at(0), 32 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(32, count_state(&self->t, batch_at(0), 32 * PAGE, DRM_VSVM_PAGE_BOUND,
				  DRM_VSVM_PAGE_BOUND));
	EXPECT_EQ(0, test_stats(&self->t).batch_notifiers);
	free(iov);
}

TEST_F(userptr, what_lies_around_a_fault_is_mapped_across_ranges)
{
	char *p = map_anon(64 * PAGE);
	struct iovec *iov = batch_scatter(p, 32, PAGE, 9);
	struct drm_vsvm_stats before, after;

	memset(p, 1, 64 * PAGE);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 32, 0));
	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_store64(&self->t, batch_at(5 * PAGE), 1));
	after = test_stats(&self->t);
	EXPECT_LE(16, count_state(&self->t, batch_at(0), 32 * PAGE, DRM_VSVM_PAGE_MAPPED,
				  DRM_VSVM_PAGE_MAPPED));
	EXPECT_LE(15, after.around - before.around);
	free(iov);
}

TEST_F(userptr, one_touch_of_empty_memory_populates_one_page)
{
	char *p = map_anon(1024 * PAGE);
	struct iovec *iov = batch_scatter(p, 8, 64 * PAGE, 9);

	ASSERT_EQ(0, batch_bind(&self->t, iov, 8, 0));
	ASSERT_EQ(0, dev_store64(&self->t, batch_at(200 * PAGE), 1));
	EXPECT_EQ(1, pagemap_count(p, 1024 * PAGE, PM_PRESENT));
	free(iov);
}

TEST_F(userptr, huge_pages_are_mapped_as_such_where_they_fit)
{
	char *p = map_huge(2 * HUGE), *q = map_anon(PAGE);
	const struct iovec fits[] = { { p + HUGE, HUGE }, { p, HUGE }, { q, PAGE } };
	const struct iovec off[] = { { q, PAGE }, { p, 2 * HUGE } };
	uint32_t crc;

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, 2 * HUGE, 3);
	ASSERT_EQ(0, batch_bind(&self->t, fits, 3, DRM_VSVM_BIND_IMMEDIATE));
	EXPECT_EQ(1024, count_state(&self->t, batch_at(0), 2 * HUGE, DRM_VSVM_PAGE_HUGE,
				    DRM_VSVM_PAGE_HUGE));
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT, 2 * HUGE, &crc));
	EXPECT_EQ(batch_crc(fits, 2), crc);
	/* A hit in part splits one leaf and leaves the other */
	ASSERT_EQ(0, madvise(p + 7 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(512, count_state(&self->t, batch_at(0), 2 * HUGE, DRM_VSVM_PAGE_HUGE,
				   DRM_VSVM_PAGE_HUGE));
	EXPECT_EQ(0, page_state(&self->t, batch_at(HUGE + 7 * PAGE)) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_EQ(0, batch_unbind(&self->t, BATCH_AT, batch_size(fits, 3)));
	ASSERT_EQ(0, batch_bind(&self->t, off, 2, DRM_VSVM_BIND_IMMEDIATE));
	EXPECT_EQ(0, count_state(&self->t, batch_at(0), 2 * HUGE, DRM_VSVM_PAGE_HUGE,
				 DRM_VSVM_PAGE_HUGE));
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT, 2 * HUGE + PAGE, &crc));
	EXPECT_EQ(batch_crc(off, 2), crc);
}

TEST_F(userptr, a_fault_maps_a_huge_page_as_a_whole)
{
	char *p = map_huge(HUGE);
	const struct iovec iov = { p, HUGE };
	struct drm_vsvm_stats before, after;

	REQUIRE(p, "no huge pages to be had");
	ASSERT_EQ(0, batch_bind(&self->t, &iov, 1, 0));
	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_store64(&self->t, batch_at(300 * PAGE), 1));
	after = test_stats(&self->t);
	EXPECT_EQ(1, after.mapped_2m - before.mapped_2m);
	EXPECT_EQ(512, count_state(&self->t, batch_at(0), HUGE, DRM_VSVM_PAGE_HUGE,
				   DRM_VSVM_PAGE_HUGE));
}

/* --- bindings --- */

TEST_F(userptr, what_is_bound_is_not_bound_again)
{
	char *p = map_anon(4 * PAGE);
	const struct iovec iov[] = { { p, 2 * PAGE }, { p + 2 * PAGE, 2 * PAGE } };
	uint64_t value;

	*(uint64_t *)p = 1;
	*(uint64_t *)(p + 2 * PAGE) = 2;
	/* By the mirror, by a batch, at either end */
	EXPECT_EQ(-EEXIST, vsvm_bind_userptr(self->t.vm, (uintptr_t)p, iov, 2, 0, NULL));
	ASSERT_EQ(0, batch_bind(&self->t, iov, 2, 0));
	EXPECT_EQ(-EEXIST, vsvm_bind_userptr(self->t.vm, BATCH_AT, iov, 2, 0, NULL));
	EXPECT_EQ(-EEXIST, vsvm_bind_userptr(self->t.vm, BATCH_AT + 3 * PAGE, iov, 2, 0, NULL));
	EXPECT_EQ(-EEXIST, vsvm_bind_userptr(self->t.vm, BATCH_AT - 3 * PAGE, iov, 2, 0, NULL));
	EXPECT_EQ(1, test_stats(&self->t).batches);
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(0), &value));
	EXPECT_EQ(1, value);
	/* In its place if that is wanted */
	ASSERT_EQ(0, batch_bind(&self->t, iov + 1, 1, 0));
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(0), &value));
	EXPECT_EQ(2, value);
	/* The rest of the first one is still there */
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(2 * PAGE), &value));
	EXPECT_EQ(2, value);
	EXPECT_EQ(2, test_stats(&self->t).batches);
}

TEST_F(userptr, a_part_is_unbound_and_the_rest_goes_on)
{
	char *p = map_anon(128 * PAGE);
	struct iovec *iov = batch_scatter(p, 16, 4 * PAGE, 11);
	uint64_t value;
	uint32_t crc;

	batch_fill(iov, 16, 1);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 16, DRM_VSVM_BIND_IMMEDIATE));
	/* From the middle of range 3 to the middle of range 9 */
	ASSERT_EQ(0, batch_unbind(&self->t, BATCH_AT + 14 * PAGE, 24 * PAGE));
	EXPECT_EQ(40, count_state(&self->t, batch_at(0), 64 * PAGE, DRM_VSVM_PAGE_MAPPED,
				  DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(40, count_state(&self->t, batch_at(0), 64 * PAGE, DRM_VSVM_PAGE_BOUND,
				  DRM_VSVM_PAGE_BOUND));
	put_copy(&self->t.q, self->t.out, batch_at(20 * PAGE), 8);
	ASSERT_EQ(-ECANCELED, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NOT_BOUND, EFAULT,
				  batch_at(20 * PAGE), DRM_VSVM_ACCESS_READ));
	/* Both ends follow the process as before: translated by the whole batch */
	ASSERT_EQ(0, madvise(iov[15].iov_base, 4 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, count_state(&self->t, batch_at(60 * PAGE), 4 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_load64(&self->t, batch_at(60 * PAGE), &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT, 12 * PAGE, &crc));
	EXPECT_EQ(batch_crc(iov, 3), crc);
	/* Something else in the gap, which the gone ranges have no part in */
	ASSERT_EQ(0, vsvm_bind_userptr(self->t.vm, BATCH_AT + 14 * PAGE, iov, 6,
				       DRM_VSVM_BIND_IMMEDIATE, NULL));
	ASSERT_EQ(0, madvise(iov[5].iov_base, 4 * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT + 14 * PAGE, 24 * PAGE, &crc));
	EXPECT_EQ(batch_crc(iov, 6), crc);
	ASSERT_EQ(0, batch_unbind(&self->t, BATCH_AT, 64 * PAGE));
	EXPECT_EQ(0, batch_all_gone(&self->t));
	free(iov);
}

TEST_F(userptr, two_batches_over_the_same_memory)
{
	char *p = map_anon(64 * PAGE);
	struct iovec *one = batch_scatter(p, 32, PAGE, 1), *two = batch_scatter(p, 32, PAGE, 2);
	const uint64_t other = BATCH_AT + (1ull << 30);
	unsigned int i;

	ASSERT_EQ(0, batch_bind(&self->t, one, 32, 0));
	ASSERT_EQ(0, batch_bind_at(&self->t, other, two, 32, 0, NULL));
	for (i = 0; i < 32; i++)
		put_store64(&self->t.q, batch_at(i * PAGE), i + 1);
	put_barrier(&self->t.q);
	for (i = 0; i < 32; i++)
		put_atomic(&self->t.q, VSVM_ATOMIC_ADD, 8, (char *)(uintptr_t)other + i * PAGE,
			   1000, 0, NULL);
	ASSERT_EQ(0, test_run(&self->t.q));
	for (i = 0; i < 32; i++) {
		EXPECT_EQ(i + 1001, *(uint64_t *)one[i].iov_base);
	}
	/* One goes: the other one stays as it is and follows the process */
	ASSERT_EQ(0, batch_unbind(&self->t, BATCH_AT, 32 * PAGE));
	EXPECT_EQ(32, count_state(&self->t, (char *)(uintptr_t)other, 32 * PAGE,
				  DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, madvise(p, 64 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, count_state(&self->t, (char *)(uintptr_t)other, 32 * PAGE,
				 DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	free(one);
	free(two);
}

TEST_F(userptr, mirror_and_batch_do_not_touch_each_other)
{
	char *p = map_anon(64 * PAGE), *here = map_anon(8 * PAGE);
	const struct iovec iov = { p, 8 * PAGE };
	uint64_t value;

	/* The device's address is one that the process uses for something else */
	memset(p, 1, 8 * PAGE);
	memset(here, 2, 8 * PAGE);
	ASSERT_EQ(0, batch_bind_at(&self->t, (uintptr_t)here, &iov, 1, 0, NULL));
	ASSERT_EQ(0, dev_touch_write(&self->t, here, 8 * PAGE));
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 8 * PAGE));
	ASSERT_EQ(0, dev_load64(&self->t, here, &value));
	EXPECT_EQ(0x0101010101010101ull, value);
	/* Not the batch's memory: nothing of it goes */
	ASSERT_EQ(0, madvise(here, 8 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(8, count_state(&self->t, here, 8 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	/* The batch's and the mirror's: both */
	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, page_state(&self->t, here + PAGE) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_EQ(0, page_state(&self->t, p + PAGE) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_NE(0, page_state(&self->t, here + 2 * PAGE) & DRM_VSVM_PAGE_MAPPED);
	ASSERT_EQ(0, dev_store64(&self->t, here + PAGE, 5));
	ASSERT_EQ(0, dev_load64(&self->t, p + PAGE, &value));
	EXPECT_EQ(5, value);
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)here, 8 * PAGE,
				      DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_load64(&self->t, here, &value));
	EXPECT_EQ(0, value);
}

TEST_F(userptr, pages_that_the_mirror_moves_to_the_device_are_followed)
{
	char *p = map_anon(64 * PAGE);
	struct iovec *iov = batch_scatter(p, 32, PAGE, 5);
	uint32_t crc;

	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
	batch_fill(iov, 32, 1);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 32, DRM_VSVM_BIND_IMMEDIATE));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, 64 * PAGE, DRM_VSVM_PLACE_DEVICE));
	ASSERT_EQ(0, dev_touch_write(&self->t, batch_at(0), 32 * PAGE));
	EXPECT_LT(0, count_state(&self->t, batch_at(0), 32 * PAGE, DRM_VSVM_PAGE_VRAM,
				 DRM_VSVM_PAGE_VRAM));
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT, 32 * PAGE, &crc));
	/* Now the CPU takes them back */
	EXPECT_EQ(batch_crc(iov, 32), crc);
	EXPECT_EQ(0, count_state(&self->t, batch_at(0), 32 * PAGE, DRM_VSVM_PAGE_VRAM,
				 DRM_VSVM_PAGE_VRAM));
	ASSERT_EQ(0, dev_fill(&self->t, batch_at(0), 32 * PAGE, 0x0707070707070707));
	EXPECT_EQ(-1, check_bytes(iov[31].iov_base, PAGE, 7));
	/* A batch is not moved by itself */
	EXPECT_EQ(-ENOENT, vsvm_prefetch(self->t.vm, batch_at(0), PAGE, DRM_VSVM_PLACE_DEVICE));
	free(iov);
}

/* --- what is refused --- */

struct bad {
	const char *what;
	uint64_t address, size;
	struct drm_vsvm_userptr_range ranges[3];
	uint32_t count;
	uint32_t flags;
	int error;
	uint32_t failed;
};

static int raw_bind(struct test_vm *t, const struct drm_vsvm_bind_op *ops, uint32_t count,
		    uint32_t *failed_op, uint32_t *failed_range)
{
	struct drm_vsvm_vm_bind args = {
		.vm_id = t->id,
		.ops = { .stride = sizeof(*ops), .count = count, .pointer = (uintptr_t)ops },
	};
	int ret = test_ioctl(t->fd, DRM_IOCTL_VSVM_VM_BIND, &args);

	*failed_op = args.failed_op;
	*failed_range = args.failed_range;
	return ret;
}

#define P	0x10000000ull

static const struct bad bads[] = {
	{ "no ranges", BATCH_AT, PAGE, { { 0 } }, 0, 0, EINVAL, ~0u },
	{ "an empty one", BATCH_AT, PAGE, { { P, PAGE }, { P, 0 } }, 2, 0, EINVAL, 1 },
	{ "start not aligned", BATCH_AT, PAGE, { { P + 8, PAGE } }, 1, 0, EINVAL, 0 },
	{ "size not aligned", BATCH_AT, PAGE, { { P, PAGE }, { P, 2 * PAGE }, { P, 100 } }, 3, 0,
		EINVAL, 2 },
	{ "end overflows", BATCH_AT, PAGE, { { 0 - PAGE, 2 * PAGE } }, 1, 0, EINVAL, 0 },
	{ "end is 0", BATCH_AT, PAGE, { { 0 - PAGE, PAGE } }, 1, 0, EINVAL, 0 },
	{ "of the kernel", BATCH_AT, PAGE, { { P, PAGE }, { 0xffff888000000000ull, PAGE } }, 2, 0,
		EINVAL, 1 },
	{ "just beyond the process", BATCH_AT, 2 * PAGE, { { (1ull << 47) - PAGE, 2 * PAGE } },
		1, 0, EINVAL, 0 },
	{ "sum is more", BATCH_AT, PAGE, { { P, PAGE }, { P, PAGE } }, 2, 0, EINVAL, ~0u },
	{ "sum is less", BATCH_AT, 3 * PAGE, { { P, PAGE }, { P, PAGE } }, 2, 0, EINVAL, ~0u },
	{ "sum over the limit", BATCH_AT, PAGE, { { P, 1ull << 46 }, { P, PAGE } }, 2, 0, E2BIG,
		1 },
	{ "device end beyond", (1ull << 48) - PAGE, 2 * PAGE, { { P, 2 * PAGE } }, 1, 0, EINVAL,
		~0u },
	{ "device not aligned", BATCH_AT + 8, PAGE, { { P, PAGE } }, 1, 0, EINVAL, ~0u },
	{ "flag of another", BATCH_AT, PAGE, { { P, PAGE } }, 1, DRM_VSVM_BIND_MIGRATE, EINVAL,
		~0u },
	{ "flag of another", BATCH_AT, PAGE, { { P, PAGE } }, 1, DRM_VSVM_BIND_FORCE, EINVAL,
		~0u },
	{ "unknown flag", BATCH_AT, PAGE, { { P, PAGE } }, 1, 1u << 20, EINVAL, ~0u },
};

TEST_F(userptr, what_is_malformed_is_refused_and_named)
{
	uint32_t op, range;
	unsigned int i;

	ASSERT_EQ(0, vsvm_unbind(self->t.vm, BATCH_AT, BATCH_AT, DRM_VSVM_BIND_FORCE));
	for (i = 0; i < ARRAY_SIZE(bads); i++) {
		const struct drm_vsvm_userptr_range fine = { P, PAGE };
		struct drm_vsvm_bind_op ops[2] = {
			{
				.op = DRM_VSVM_BIND_MAP_USERPTR,
				.address = BATCH_AT + (1ull << 40), .size = PAGE,
				.ranges = { sizeof(fine), 1, (uintptr_t)&fine },
			}, {
				.op = DRM_VSVM_BIND_MAP_USERPTR, .flags = bads[i].flags,
				.address = bads[i].address, .size = bads[i].size,
				.ranges = { sizeof(fine), bads[i].count,
					    (uintptr_t)bads[i].ranges },
			},
		};

		EXPECT_EQ(-bads[i].error, raw_bind(&self->t, ops, 2, &op, &range))
			TH_LOG("%s", bads[i].what);
		EXPECT_EQ(1, op) TH_LOG("%s", bads[i].what);
		EXPECT_EQ(bads[i].failed, range) TH_LOG("%s", bads[i].what);
		/* The operation before it neither */
		EXPECT_EQ(0, count_state(&self->t, batch_at(1ull << 40), PAGE,
					 DRM_VSVM_PAGE_BOUND, DRM_VSVM_PAGE_BOUND));
		EXPECT_EQ(0, batch_all_gone(&self->t));
	}
}

TEST_F(userptr, arrays_of_every_stride)
{
	struct {
		struct drm_vsvm_userptr_range range;
		uint64_t more;
	} large[2] = { { { P, PAGE }, 0 }, { { P + PAGE, PAGE }, 0 } };
	struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_MAP_USERPTR, .flags = DRM_VSVM_BIND_REPLACE,
		.address = BATCH_AT, .size = 2 * PAGE,
		.ranges = { sizeof(large[0]), 2, (uintptr_t)large },
	};
	static const uint32_t strides[] = { 0, 1, 12, 20, 1u << 30, ~7u };
	static const uint64_t pointers[] = { 0, 8, 1ull << 47, ~0ull - 64 };
	uint32_t failed, range;
	unsigned int i;

	EXPECT_EQ(0, raw_bind(&self->t, &op, 1, &failed, &range));
	large[1].more = 1;
	EXPECT_EQ(-E2BIG, raw_bind(&self->t, &op, 1, &failed, &range));
	large[1].more = 0;
	for (i = 0; i < ARRAY_SIZE(strides); i++) {
		op.ranges.stride = strides[i];
		EXPECT_EQ(-EINVAL, raw_bind(&self->t, &op, 1, &failed, &range));
	}
	for (i = 0; i < ARRAY_SIZE(pointers); i++) {
		op.ranges.stride = sizeof(large[0].range);
		op.ranges.pointer = pointers[i];
		EXPECT_EQ(-EFAULT, raw_bind(&self->t, &op, 1, &failed, &range));
		EXPECT_EQ(0, failed);
	}
	/* Where there is no batch, there are no ranges */
	op.op = DRM_VSVM_BIND_MAP_MIRROR;
	op.ranges.pointer = (uintptr_t)large;
	EXPECT_EQ(-EINVAL, raw_bind(&self->t, &op, 1, &failed, &range));
}

TEST_F_LONG(userptr, limits_are_told_and_kept, 120)
{
	const struct drm_vsvm_dev_info *info = vsvm_info(self->t.dev);
	uint32_t n = info->max_userptr_ranges, i, crc, failed, range;
	struct drm_vsvm_userptr_range *ranges;
	char *p = map_anon(4 * PAGE);
	struct drm_vsvm_bind_op ops[2] = { 0 };

	ASSERT_LE(65536, n);
	ASSERT_LE(1ull << 40, info->max_userptr_bytes);
	ranges = calloc(n + 1, sizeof(*ranges));
	ASSERT_NE(NULL, ranges);
	fill_pattern(p, 4 * PAGE, 4);
	for (i = 0; i <= n; i++)
		ranges[i] = (struct drm_vsvm_userptr_range) { (uintptr_t)p + i % 4 * PAGE, PAGE };
	ops[0] = (struct drm_vsvm_bind_op) {
		.op = DRM_VSVM_BIND_MAP_USERPTR, .flags = DRM_VSVM_BIND_REPLACE,
		.address = BATCH_AT, .size = (n + 1ull) * PAGE,
		.ranges = { sizeof(*ranges), n + 1, (uintptr_t)ranges },
	};
	EXPECT_EQ(-E2BIG, raw_bind(&self->t, ops, 1, &failed, &range));
	EXPECT_EQ(0, failed);
	/* Of a call in all, not of each operation */
	ops[1] = ops[0];
	ops[0].ranges.count = n / 2;
	ops[0].size = n / 2 * PAGE;
	ops[1].address += 1ull << 40;
	ops[1].ranges.count = n / 2 + 1;
	ops[1].size = (n / 2 + 1ull) * PAGE;
	EXPECT_EQ(-E2BIG, raw_bind(&self->t, ops, 2, &failed, &range));
	EXPECT_EQ(1, failed);
	EXPECT_EQ(0, batch_all_gone(&self->t));
	ops[0].ranges.count = n;
	ops[0].size = (uint64_t)n * PAGE;
	ASSERT_EQ(0, raw_bind(&self->t, ops, 1, &failed, &range));
	ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT + ops[0].size - 4 * PAGE, 4 * PAGE, &crc));
	EXPECT_EQ(crc32c(0, p, 4 * PAGE), crc);
	/* The same page at a quarter of all places: all of those go */
	ASSERT_EQ(0, dev_touch_read(&self->t, batch_at(0), 64 * PAGE));
	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(48, count_state(&self->t, batch_at(0), 64 * PAGE, DRM_VSVM_PAGE_MAPPED,
				  DRM_VSVM_PAGE_MAPPED));
	free(ranges);
}

TEST_F(userptr, a_forked_child_may_not)
{
	char *p = map_anon(PAGE);
	const struct iovec iov = { p, PAGE };
	pid_t pid;

	ASSERT_EQ(0, batch_bind(&self->t, &iov, 1, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(batch_bind_at(&self->t, BATCH_AT + HUGE, &iov, 1, 0, NULL) != -EPERM);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(1, test_stats(&self->t).batches);
}

TEST_F(userptr, atomics_where_the_device_must_have_the_page_for_itself)
{
	struct test_vm t;
	char *p = map_anon(4 * PAGE);
	const struct iovec iov[] = { { p + 2 * PAGE, 2 * PAGE }, { p, 2 * PAGE } };
	unsigned int i;

	ASSERT_EQ(0, test_open_on(&t, self->t.dev, DRM_VSVM_VM_EXCLUSIVE_ATOMICS));
	ASSERT_EQ(0, batch_bind(&t, iov, 2, 0));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, dev_atomic(&t, VSVM_ATOMIC_ADD, 8, batch_at(3 * PAGE), 1, 0, NULL));
		__atomic_add_fetch((uint64_t *)(p + PAGE), 1, __ATOMIC_SEQ_CST);
		/* Through the mirror, the same page */
		ASSERT_EQ(0, dev_atomic(&t, VSVM_ATOMIC_ADD, 8, p + PAGE, 1, 0, NULL));
	}
	EXPECT_EQ(60, *(uint64_t *)(p + PAGE));
	EXPECT_LT(0, test_stats(&t).exclusive);
	EXPECT_EQ(0, test_close(&t));
}

TEST_HARNESS_MAIN
