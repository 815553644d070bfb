// SPDX-License-Identifier: MIT
/*
 * What a process does to its memory, and has the kernel do with it, while it lies
 * on the device: each with small pages and with huge ones.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(4 * HUGE)
#define ONES	0x0101010101010101ull

FIXTURE(change)
{
	struct test_vm t;
};

FIXTURE_VARIANT(change)
{
	bool huge;
};

FIXTURE_VARIANT_ADD(change, small)
{
	.huge = false,
};

FIXTURE_VARIANT_ADD(change, huge)
{
	.huge = true,
};

FIXTURE_SETUP(change)
{
	ASSERT_EQ(0, test_open(&self->t));
	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
}

FIXTURE_TEARDOWN(change)
{
	EXPECT_EQ(0, test_close(&self->t));
}

/* Memory on the device, with the pattern of a seed */
#define MAKE(p, seed)							\
	char *p = vram_make(&self->t, BYTES, variant->huge, (seed));	\
	ASSERT_NE(NULL, p)

/* Is [at, at + size) of memory that began with a pattern still that? */
static int intact(const char *p, size_t at, size_t size, uint64_t seed)
{
	size_t i;

	for (i = at; i < at + size; i += 8)
		if (*(const uint64_t *)(p + i) != test_pattern(seed, i / 8)) {
			fprintf(stderr, "# wrong at %#zx\n", i);
			return 1;
		}
	return 0;
}

TEST_F(change, state_tells_where_each_page_lies)
{
	MAKE(p, 1);

	EXPECT_EQ(variant->huge ? BYTES / PAGE : 0,
		  count_state(&self->t, p, BYTES, DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_VRAM,
			      DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_VRAM) * variant->huge);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p + HUGE, HUGE, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_EQ(512, vram_pages(&self->t, p, HUGE));
	EXPECT_EQ(0, vram_pages(&self->t, p + HUGE, HUGE));
	EXPECT_EQ(512, count_state(&self->t, p + HUGE, HUGE, DRM_VSVM_PAGE_MAPPED,
				   DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(1024, vram_pages(&self->t, p + 2 * HUGE, 2 * HUGE));
	/* The CPU takes one page of the third: that and its cluster are not the device's now */
	EXPECT_EQ(0, intact(p, 2 * HUGE + 100 * PAGE, 8, 1));
	EXPECT_EQ(variant->huge ? 0 : 512 - 16, vram_pages(&self->t, p + 2 * HUGE, HUGE));
	EXPECT_EQ(0, intact(p, 0, BYTES, 1));
}

TEST_F(change, device_and_system_and_zero_pages_and_holes_in_one_range)
{
	struct drm_vsvm_stats before, after;
	char *p = map_aligned(BYTES);
	size_t i;

	/* By 64 KiB in turn: never touched, only read, written, written and on the device */
	madvise(p, BYTES, MADV_NOHUGEPAGE);
	if (variant->huge) {
		madvise(p + 2 * HUGE, 2 * HUGE, MADV_HUGEPAGE);
		fill_pattern(p + 2 * HUGE, 2 * HUGE, 1);
	}
	for (i = 0; i < 2 * HUGE; i += 16 * PAGE)
		switch (i / (16 * PAGE) % 4) {
		case 1:
			EXPECT_EQ(-1, check_bytes(p + i, 16 * PAGE, 0));
			break;
		case 2:
			fill_pattern(p + i, 16 * PAGE, i);
			break;
		case 3:
			fill_pattern(p + i, 16 * PAGE, i);
			ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p + i, 16 * PAGE,
						   DRM_VSVM_PLACE_DEVICE));
			break;
		}
	EXPECT_EQ(2 * HUGE / PAGE / 4, vram_pages(&self->t, p, 2 * HUGE));
	before = test_stats(&self->t);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
	after = test_stats(&self->t);
	/* What was written is there, once; nothing has come into being */
	EXPECT_EQ(2 * HUGE / PAGE / 4 + variant->huge * 1024, after.migrated - before.migrated);
	EXPECT_EQ(0, after.migrate_failed - before.migrate_failed);
	EXPECT_EQ(2 * HUGE / PAGE / 2, vram_pages(&self->t, p, 2 * HUGE));
	EXPECT_EQ(0, count_state(&self->t, p, 16 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	before = after;
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
	after = test_stats(&self->t);
	EXPECT_EQ(2 * HUGE / PAGE / 2 + variant->huge * 1024,
		  after.prefetched - before.prefetched);
	EXPECT_EQ(0, vram_pages(&self->t, p, BYTES));
	for (i = 0; i < 2 * HUGE; i += 16 * PAGE) {
		if (i / (16 * PAGE) % 4 < 2) {
			EXPECT_EQ(-1, check_bytes(p + i, 16 * PAGE, 0));
		} else {
			EXPECT_EQ(-1, check_pattern(p + i, 16 * PAGE, i));
		}
	}
	if (variant->huge)
		EXPECT_EQ(-1, check_pattern(p + 2 * HUGE, 2 * HUGE, 1));
}

TEST_F(change, both_sides_of_a_fork_write_pages_that_they_share)
{
	volatile uint32_t *step = map_shared(PAGE);
	pid_t pid;

	MAKE(p, 2);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* First reader of some, first writer of others, with the parent in between */
		if (intact(p, 0, HUGE, 2))
			_exit(1);
		memset(p + HUGE, 0xcc, HUGE);
		flag_set(step, 1);
		if (!flag_wait(step, 2))
			_exit(2);
		if (intact(p, 0, HUGE, 2) || check_bytes(p + HUGE, HUGE, 0xcc) != -1 ||
		    intact(p, 2 * HUGE, 2 * HUGE, 2))
			_exit(3);
		memset(p + 2 * HUGE, 0xdd, HUGE);
		_exit(check_bytes(p + 2 * HUGE, HUGE, 0xdd) == -1 ? 0 : 4);
	}
	ASSERT_TRUE(flag_wait(step, 1));
	EXPECT_EQ(0, intact(p, HUGE, HUGE, 2));
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE / 2, 3 * ONES));
	memset(p + HUGE / 2, 4, HUGE / 2);
	ASSERT_EQ(0, dev_fill(&self->t, p + 2 * HUGE, HUGE, 5 * ONES));
	flag_set(step, 2);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(-1, check_bytes(p, HUGE / 2, 3));
	EXPECT_EQ(-1, check_bytes(p + HUGE / 2, HUGE / 2, 4));
	EXPECT_EQ(0, intact(p, HUGE, HUGE, 2));
	EXPECT_EQ(-1, check_bytes(p + 2 * HUGE, HUGE, 5));
	EXPECT_EQ(0, intact(p, 3 * HUGE, HUGE, 2));
}

TEST_F(change, child_moves_what_it_shares_with_a_device_of_its_own)
{
	volatile uint32_t *step = map_shared(PAGE);
	pid_t pid;

	MAKE(p, 3);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct test_vm t;

		if (test_open(&t) ||
		    vsvm_prefetch(t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM) ||
		    vsvm_prefetch(t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE) ||
		    dev_fill(&t, p, HUGE, 6 * ONES))
			_exit(1);
		flag_set(step, 1);
		if (!flag_wait(step, 2))
			_exit(2);
		if (check_bytes(p, HUGE, 6) != -1 || intact(p, HUGE, BYTES - HUGE, 3))
			_exit(3);
		_exit(test_close(&t) ? 4 : 0);
	}
	ASSERT_TRUE(flag_wait(step, 1));
	ASSERT_EQ(0, dev_fill(&self->t, p + HUGE, HUGE, 7 * ONES));
	EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
	flag_set(step, 2);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(0, intact(p, 0, HUGE, 3));
	EXPECT_EQ(-1, check_bytes(p + HUGE, HUGE, 7));
	EXPECT_EQ(0, intact(p, 2 * HUGE, 2 * HUGE, 3));
}

TEST_F(change, moved_and_then_touched_by_the_device_and_by_the_cpu)
{
	char *to = map_aligned(BYTES), *copy = map_anon(BYTES);
	uint64_t value = 0;

	MAKE(p, 4);
	fill_pattern(copy, BYTES, 4);
	ASSERT_EQ(to, mremap(p, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_NE(0, dev_load64(&self->t, p, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p,
				  DRM_VSVM_ACCESS_READ));
	/* The device first: it finds its own memory there */
	ASSERT_EQ(0, dev_load64(&self->t, to + HUGE, &value));
	EXPECT_EQ(test_pattern(4, HUGE / 8), value);
	EXPECT_LT(0, vram_pages(&self->t, to + HUGE, HUGE));
	EXPECT_EQ(test_pattern(4, 3 * HUGE / 8), *(volatile uint64_t *)(to + 3 * HUGE));
	/* The middle of it, not aligned to anything */
	p = map_aligned(BYTES);
	ASSERT_EQ(p + 5 * PAGE, mremap(to + HUGE / 2, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				       p + 5 * PAGE));
	ASSERT_EQ(0, dev_touch_write(&self->t, p + 5 * PAGE, HUGE));
	EXPECT_EQ(0, memcmp(p + 5 * PAGE, copy + HUGE / 2, HUGE));
	EXPECT_EQ(0, memcmp(to, copy, HUGE / 2));
	EXPECT_EQ(0, memcmp(to + HUGE / 2 + HUGE, copy + HUGE / 2 + HUGE, BYTES - HUGE / 2 - HUGE));
}

TEST_F(change, parts_are_unmapped_and_the_rest_stays_on_the_device)
{
	uint64_t value = 0;

	MAKE(p, 5);
	ASSERT_EQ(0, munmap(p + 10 * PAGE, PAGE));
	ASSERT_EQ(0, munmap(p + HUGE + HUGE / 2, HUGE));
	ASSERT_EQ(0, dev_touch_read(&self->t, p, 10 * PAGE));
	ASSERT_EQ(0, dev_touch_read(&self->t, p + 11 * PAGE, 100 * PAGE));
	EXPECT_LT(0, vram_pages(&self->t, p, HUGE));
	EXPECT_NE(0, dev_load64(&self->t, p + 10 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + 10 * PAGE,
				  DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, dev_store64(&self->t, p + 11 * PAGE, test_pattern(5, 11 * PAGE / 8)));
	EXPECT_EQ(0, intact(p, 0, 10 * PAGE, 5));
	EXPECT_EQ(0, intact(p, 11 * PAGE, HUGE + HUGE / 2 - 11 * PAGE, 5));
	EXPECT_EQ(0, intact(p, 2 * HUGE + HUGE / 2, HUGE + HUGE / 2, 5));
}

TEST_F(change, split_by_protection_advice_and_a_page_given_back)
{
	MAKE(p, 6);
	ASSERT_EQ(0, mprotect(p + 8 * PAGE, 8 * PAGE, PROT_READ));
	EXPECT_NE(0, dev_store64(&self->t, p + 9 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + 9 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, dev_store64(&self->t, p + 16 * PAGE, test_pattern(6, 16 * PAGE / 8)));
	ASSERT_EQ(0, madvise(p + HUGE + 7 * PAGE, PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(p + 2 * HUGE, HUGE, MADV_DONTNEED));
	ASSERT_EQ(0, dev_touch_write(&self->t, p + HUGE, 16 * PAGE));
	EXPECT_EQ(-1, check_bytes(p + HUGE + 7 * PAGE, PAGE, 0));
	EXPECT_EQ(0, intact(p, HUGE, 7 * PAGE, 6));
	EXPECT_EQ(0, intact(p, HUGE + 8 * PAGE, HUGE - 8 * PAGE, 6));
	EXPECT_EQ(-1, check_bytes(p + 2 * HUGE, HUGE, 0));
	EXPECT_EQ(0, intact(p, 0, HUGE, 6));
	EXPECT_EQ(0, intact(p, 3 * HUGE, HUGE, 6));
	/* What is in pieces goes there again, and comes back */
	ASSERT_EQ(0, mprotect(p + 8 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(512, vram_move(&self->t, p, HUGE));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_EQ(0, vram_pages(&self->t, p, BYTES));
	EXPECT_EQ(0, intact(p, 0, HUGE, 6));
}

TEST_F(change, two_address_spaces_share_pages_on_the_device)
{
	struct test_vm other;

	MAKE(p, 7);
	ASSERT_EQ(0, test_open_on(&other, self->t.dev, 0));
	ASSERT_EQ(0, dev_touch_read(&other, p, BYTES));
	/* It has found them there, and has brought nothing back */
	EXPECT_EQ(BYTES / PAGE, vram_pages(&other, p, BYTES));
	EXPECT_EQ(BYTES / PAGE, vram_pages(&self->t, p, BYTES));
	ASSERT_EQ(0, dev_fill(&other, p, HUGE, 1 * ONES));
	ASSERT_EQ(0, dev_copy(&self->t, p + HUGE, p, HUGE));
	ASSERT_EQ(0, vsvm_prefetch(other.vm, p, 2 * HUGE, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_EQ(0, vram_pages(&self->t, p, 2 * HUGE));
	EXPECT_EQ(1024, vram_pages(&self->t, p + 2 * HUGE, 2 * HUGE));
	EXPECT_EQ(-1, check_bytes(p, 2 * HUGE, 1));
	EXPECT_EQ(0, intact(p, 2 * HUGE, HUGE, 7));
	EXPECT_EQ(0, test_close(&other));
	/* The end of one leaves the pages to the other */
	EXPECT_LT(0, vram_pages(&self->t, p + 3 * HUGE, HUGE));
	EXPECT_EQ(0, intact(p, 3 * HUGE, HUGE, 7));
}

TEST_F(change, advice_to_free_and_to_page_out)
{
	MAKE(p, 8);
	ASSERT_EQ(0, swap_on(16));
	madvise(p, HUGE, MADV_COLD);
	madvise(p, HUGE, MADV_PAGEOUT);
	EXPECT_EQ(0, intact(p, 0, HUGE, 8));
	ASSERT_EQ(0, mlock(p + HUGE, HUGE));
	ASSERT_EQ(0, dev_touch_write(&self->t, p + HUGE, HUGE));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p + HUGE, HUGE, DRM_VSVM_PLACE_DEVICE));
	EXPECT_EQ(0, intact(p, HUGE, HUGE, 8));
	ASSERT_EQ(0, munlock(p + HUGE, HUGE));
	/* Free to be forgotten, until somebody writes */
	madvise(p + 2 * HUGE, HUGE, MADV_FREE);
	ASSERT_EQ(0, dev_fill(&self->t, p + 2 * HUGE, HUGE, 2 * ONES));
	madvise(p + 2 * HUGE, HUGE, MADV_PAGEOUT);
	EXPECT_EQ(-1, check_bytes(p + 2 * HUGE, HUGE, 2));
	EXPECT_EQ(0, intact(p, 3 * HUGE, HUGE, 8));
}

TEST_F(change, under_pressure_of_its_control_group)
{
	unsigned int i;
	int ret;

	/* Before anything of it is charged elsewhere */
	ret = memcg_enter(0);
	REQUIRE(!ret, "no memory control group: %s", strerror(-ret));
	ASSERT_EQ(0, swap_on(32));
	{
		MAKE(p, 9);

		for (i = 0; i < 8; i++) {
			memcg_reclaim(HUGE);
			ASSERT_EQ(0, dev_touch_write(&self->t, p + i % 4 * HUGE, HUGE));
			EXPECT_EQ(0, intact(p, (i / 2) * HUGE, HUGE, 9));
			ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES,
						   1 + i % 2));
		}
		EXPECT_EQ(0, intact(p, 0, BYTES, 9));
		munmap(p, BYTES);
	}
	memcg_leave();
}

/* --- the kernel takes hold of pages --- */

TEST_F(change, read_and_written_past_the_page_cache)
{
	char *copy = map_anon(BYTES);
	int fd = disk_file(BYTES);

	REQUIRE(fd >= 0, "no disk");
	REQUIRE(!fcntl(fd, F_SETFL, O_DIRECT), "no O_DIRECT: %s", strerror(errno));
	{
		MAKE(p, 10);

		/* Out of device memory: it is brought back for the disk to read */
		ASSERT_EQ((ssize_t)HUGE, pwrite(fd, p + HUGE, HUGE, 0));
		EXPECT_EQ(0, vram_pages(&self->t, p + HUGE, HUGE));
		ASSERT_EQ((ssize_t)HUGE, pread(fd, copy, HUGE, 0));
		EXPECT_EQ(0, memcmp(copy, p + HUGE, HUGE));
		/* And into it */
		ASSERT_EQ((ssize_t)HUGE, pread(fd, p + 2 * HUGE, HUGE, 0));
		ASSERT_EQ(0, dev_copy(&self->t, p + 3 * HUGE, p + 2 * HUGE, HUGE));
		EXPECT_EQ(0, memcmp(copy, p + 3 * HUGE, HUGE));
		EXPECT_EQ(0, intact(p, 0, 2 * HUGE, 10));
	}
	close(fd);
	disk_file_done();
}

TEST_F(change, spliced_out_of_device_memory_and_held_there)
{
	char *copy = map_anon(16 * PAGE);
	struct drm_vsvm_stats before, after;
	struct iovec pin;
	int fds[2];

	MAKE(p, 11);
	pin = (struct iovec){ p + HUGE + 64 * PAGE, 8 * PAGE };
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ((ssize_t)pin.iov_len, vmsplice(fds[1], &pin, 1, 0));
	EXPECT_EQ(0, vram_pages(&self->t, pin.iov_base, pin.iov_len));
	/* The pipe has hold of them: they stay, and that is counted */
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p + HUGE, HUGE, DRM_VSVM_PLACE_SYSTEM));
	before = test_stats(&self->t);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p + HUGE, HUGE, DRM_VSVM_PLACE_DEVICE));
	after = test_stats(&self->t);
	EXPECT_EQ(0, vram_pages(&self->t, pin.iov_base, pin.iov_len));
	EXPECT_EQ(8, count_state(&self->t, pin.iov_base, pin.iov_len, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	if (!variant->huge) {
		EXPECT_EQ(8, after.migrate_failed - before.migrate_failed);
		EXPECT_EQ(512 - 8, after.migrated - before.migrated);
		EXPECT_EQ(512 - 8, vram_pages(&self->t, p + HUGE, HUGE));
	} else {
		EXPECT_LE(8, after.migrate_failed - before.migrate_failed);
		EXPECT_EQ(512, after.migrate_failed - before.migrate_failed +
			  after.migrated - before.migrated);
	}
	/* What is in the pipe is what the device writes: the same page */
	ASSERT_EQ(0, dev_store64(&self->t, p + HUGE + 64 * PAGE, 4711));
	EXPECT_EQ((ssize_t)pin.iov_len, read(fds[0], copy, pin.iov_len));
	EXPECT_EQ(4711, *(uint64_t *)copy);
	EXPECT_EQ(0, memcmp(copy, pin.iov_base, pin.iov_len));
	*(uint64_t *)(p + HUGE + 64 * PAGE) = test_pattern(11, (HUGE + 64 * PAGE) / 8);
	/* Let go of, they go */
	EXPECT_EQ(512, vram_move(&self->t, p + HUGE, HUGE));
	EXPECT_EQ(0, intact(p, 0, BYTES, 11));
	close(fds[0]);
	close(fds[1]);
}

TEST_F(change, copied_by_another_process)
{
	char *copy = map_anon(BYTES);
	struct iovec local = { copy, HUGE }, remote;
	int fd;

	MAKE(p, 12);
	remote = (struct iovec){ p, HUGE };
	ASSERT_EQ((ssize_t)HUGE, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(0, intact(copy, 0, HUGE, 12));
	memset(copy, 0x5a, HUGE);
	remote.iov_base = p + HUGE;
	ASSERT_EQ((ssize_t)HUGE, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	ASSERT_EQ(0, dev_touch_write(&self->t, p + HUGE, HUGE));
	EXPECT_EQ(-1, check_bytes(p + HUGE, HUGE, 0x5a));
	/* As a debugger does, over the border of two places */
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p + 3 * HUGE, HUGE, DRM_VSVM_PLACE_SYSTEM));
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(64, pwrite(fd, copy, 64, (off_t)(uintptr_t)(p + 3 * HUGE - 32)));
	close(fd);
	EXPECT_EQ(-1, check_bytes(p + 3 * HUGE - 32, 64, 0x5a));
	EXPECT_EQ(0, intact(p, 2 * HUGE, HUGE - 32, 12));
	EXPECT_EQ(0, intact(p, 3 * HUGE + 32, HUGE - 32, 12));
}

#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup	425
#define __NR_io_uring_register	427
#endif

/* A ring that has registered [p, p + size): pages pinned for as long as it is open */
static int pin_for_long(void *p, size_t size)
{
	/* struct io_uring_params, of which nothing is looked at here */
	uint32_t params[30] = {};
	struct iovec buffer = { p, size };
	int ring = (int)syscall(__NR_io_uring_setup, 4, params);

	if (ring < 0)
		return -errno;
	/* IORING_REGISTER_BUFFERS */
	if (syscall(__NR_io_uring_register, ring, 0, &buffer, 1)) {
		close(ring);
		return -EIO;
	}
	return ring;
}

TEST_F(change, pinned_for_long_out_of_device_memory)
{
	int ring;

	MAKE(p, 13);
	ring = pin_for_long(p + HUGE, 64 * PAGE);
	REQUIRE(ring != -ENOSYS, "no io_uring");
	ASSERT_LE(0, ring);
	/* Nobody pins device memory: they came back first */
	EXPECT_EQ(0, vram_pages(&self->t, p + HUGE, 64 * PAGE));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
	EXPECT_EQ(0, vram_pages(&self->t, p + HUGE, 64 * PAGE));
	ASSERT_EQ(0, dev_fill(&self->t, p + HUGE, 64 * PAGE, ONES));
	EXPECT_EQ(-1, check_bytes(p + HUGE, 64 * PAGE, 1));
	close(ring);
	EXPECT_EQ(0, intact(p, 0, HUGE, 13));
	EXPECT_EQ(0, intact(p, HUGE + 64 * PAGE, BYTES - HUGE - 64 * PAGE, 13));
}

TEST_HARNESS_MAIN
