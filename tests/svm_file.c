// SPDX-License-Identifier: MIT
/*
 * Mappings of files: what the device writes reaches the file if it is shared
 * and does not if it is private, and the end of the file is the end.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include "vsvm_harness.h"

#define PAGES	16

FIXTURE(file)
{
	struct test_vm t;
	int fd;
	char *shared;
	char *private;
};

FIXTURE_SETUP(file)
{
	size_t i;
	uint64_t value;

	ASSERT_EQ(0, test_open(&self->t));
	self->fd = temp_file(PAGES * PAGE);
	ASSERT_LE(0, self->fd);
	for (i = 0; i < PAGES * PAGE / 8; i++) {
		value = test_pattern(1, i);
		ASSERT_EQ(8, pwrite(self->fd, &value, 8, i * 8));
		/* One write a page is enough to tell, the rest stays zero */
		i += PAGE / 8 - 1;
	}
	self->shared = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	self->private = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->private);
}

FIXTURE_TEARDOWN(file)
{
	EXPECT_EQ(0, test_close(&self->t));
}

static uint64_t in_file(int fd, size_t offset)
{
	uint64_t value = ~0ull;

	return pread(fd, &value, 8, (off_t)offset) == 8 ? value : ~0ull;
}

TEST_F(file, device_reads_what_is_in_the_file)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, dev_load64(&self->t, self->shared + i * PAGE, &value));
		EXPECT_EQ(test_pattern(1, i * PAGE / 8), value);
		ASSERT_EQ(0, dev_load64(&self->t, self->private + i * PAGE, &value));
		EXPECT_EQ(test_pattern(1, i * PAGE / 8), value);
	}
}

TEST_F(file, device_write_to_shared_is_read_from_the_file)
{
	ASSERT_EQ(0, dev_store64(&self->t, self->shared + 3 * PAGE + 16, 0xabc));
	EXPECT_EQ(0xabc, in_file(self->fd, 3 * PAGE + 16));
	ASSERT_EQ(0, msync(self->shared, PAGES * PAGE, MS_SYNC));
	EXPECT_EQ(0xabc, in_file(self->fd, 3 * PAGE + 16));
	/* And by the other mapping, which has not been written to */
	EXPECT_EQ(0xabc, *(volatile uint64_t *)(self->private + 3 * PAGE + 16));
	/* Again: whatever msync() did to the page must not cost the second write */
	ASSERT_EQ(0, dev_store64(&self->t, self->shared + 3 * PAGE + 16, 0xdef));
	EXPECT_EQ(0xdef, in_file(self->fd, 3 * PAGE + 16));
}

TEST_F(file, device_write_to_private_never_reaches_the_file)
{
	uint64_t value = 0;

	/* Mapped for reading first, so that the device has the file's own page */
	ASSERT_EQ(0, dev_touch_read(&self->t, self->private, PAGES * PAGE));
	ASSERT_EQ(0, dev_store64(&self->t, self->private + 5 * PAGE, 0xbad));
	ASSERT_EQ(0, dev_store64(&self->t, self->private + 6 * PAGE + 8, 0xbad));
	EXPECT_EQ(0xbad, *(uint64_t *)(self->private + 5 * PAGE));
	EXPECT_EQ(test_pattern(1, 5 * PAGE / 8), in_file(self->fd, 5 * PAGE));
	EXPECT_EQ(test_pattern(1, 5 * PAGE / 8), *(uint64_t *)(self->shared + 5 * PAGE));
	EXPECT_EQ(0, in_file(self->fd, 6 * PAGE + 8));
	/* The copy has the rest of the page */
	EXPECT_EQ(test_pattern(1, 6 * PAGE / 8), *(uint64_t *)(self->private + 6 * PAGE));
	ASSERT_EQ(0, dev_load64(&self->t, self->private + 5 * PAGE, &value));
	EXPECT_EQ(0xbad, value);
	ASSERT_EQ(0, msync(self->private, PAGES * PAGE, MS_SYNC));
	EXPECT_EQ(test_pattern(1, 5 * PAGE / 8), in_file(self->fd, 5 * PAGE));
}

TEST_F(file, cpu_copy_on_write_of_private_is_seen)
{
	uint64_t value = 0;

	ASSERT_EQ(0, dev_touch_read(&self->t, self->private, PAGES * PAGE));
	*(volatile uint64_t *)(self->private + 7 * PAGE) = 77;
	ASSERT_EQ(0, dev_load64(&self->t, self->private + 7 * PAGE, &value));
	EXPECT_EQ(77, value);
	/* A write through the file is for those who share its page only */
	value = 88;
	ASSERT_EQ(8, pwrite(self->fd, &value, 8, 7 * PAGE));
	ASSERT_EQ(0, dev_load64(&self->t, self->private + 7 * PAGE, &value));
	EXPECT_EQ(77, value);
	ASSERT_EQ(0, dev_load64(&self->t, self->shared + 7 * PAGE, &value));
	EXPECT_EQ(88, value);
}

TEST_F(file, write_call_is_seen_by_the_device)
{
	uint64_t value = 0, i;

	ASSERT_EQ(0, dev_touch_read(&self->t, self->shared, PAGES * PAGE));
	for (i = 0; i < PAGES; i++) {
		value = i + 1000;
		ASSERT_EQ(8, pwrite(self->fd, &value, 8, i * PAGE + 24));
		ASSERT_EQ(0, dev_load64(&self->t, self->shared + i * PAGE + 24, &value));
		EXPECT_EQ(i + 1000, value);
	}
}

TEST_F(file, past_the_end_is_a_bus_error_and_its_neighbour_is_fine)
{
	int fd = temp_file(PAGE + 100);
	uint64_t value = 0;
	char *p;

	ASSERT_LE(0, fd);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	/* The last page of the file is whole, zero behind the end */
	ASSERT_EQ(0, dev_store64(&self->t, p + PAGE, 1));
	ASSERT_EQ(0, dev_load64(&self->t, p + 2 * PAGE - 8, &value));
	EXPECT_EQ(0, value);

	EXPECT_NE(0, dev_load64(&self->t, p + 2 * PAGE + 40, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + 2 * PAGE + 40,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_NE(0, dev_store64(&self->t, p + 3 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + 3 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	/* A range that runs over the end names the first byte behind it */
	EXPECT_NE(0, dev_fill(&self->t, p + PAGE + 8, PAGE, ~0ull));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + 2 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, dev_store64(&self->t, p, 2));
	EXPECT_EQ(1, in_file(fd, PAGE));
	EXPECT_EQ(2, in_file(fd, 0));

	/* It grows: what was past the end is not any more */
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	ASSERT_EQ(0, dev_store64(&self->t, p + 3 * PAGE, 3));
	EXPECT_EQ(3, in_file(fd, 3 * PAGE));
	close(fd);
}

TEST_F(file, truncation_takes_pages_from_the_device)
{
	uint64_t value = 1;

	ASSERT_EQ(0, dev_touch_write(&self->t, self->shared, PAGES * PAGE));
	ASSERT_EQ(0, dev_touch_write(&self->t, self->private, PAGES * PAGE));
	ASSERT_EQ(0, ftruncate(self->fd, 4 * PAGE));
	EXPECT_EQ(4, count_state(&self->t, self->shared, PAGES * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_NE(0, dev_load64(&self->t, self->shared + 4 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, self->shared + 4 * PAGE,
				  DRM_VSVM_ACCESS_READ));
	/* Private copies go too */
	EXPECT_NE(0, dev_load64(&self->t, self->private + 15 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT,
				  self->private + 15 * PAGE, DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, dev_load64(&self->t, self->shared + 3 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 3 * PAGE / 8), value);
	ASSERT_EQ(0, ftruncate(self->fd, PAGES * PAGE));
	ASSERT_EQ(0, dev_load64(&self->t, self->shared + 4 * PAGE, &value));
	EXPECT_EQ(0, value);
}

TEST_F(file, punched_hole_reads_zero)
{
	uint64_t value = 1;

	ASSERT_EQ(0, dev_touch_write(&self->t, self->shared, PAGES * PAGE));
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE,
			       3 * PAGE));
	ASSERT_EQ(0, dev_load64(&self->t, self->shared + 4 * PAGE, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, dev_load64(&self->t, self->shared + 5 * PAGE, &value));
	EXPECT_EQ(test_pattern(1, 5 * PAGE / 8), value);
	ASSERT_EQ(0, dev_store64(&self->t, self->shared + 2 * PAGE, 22));
	EXPECT_EQ(22, in_file(self->fd, 2 * PAGE));
}

TEST_F(file, file_open_for_reading_only)
{
	char path[64];
	uint64_t value = 0;
	char *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, dev_load64(&self->t, p, &value));
	EXPECT_EQ(test_pattern(1, 0), value);
	EXPECT_NE(0, dev_store64(&self->t, p, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(test_pattern(1, 0), in_file(self->fd, 0));
	/* A private mapping of it may be written to: the copy may */
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, dev_store64(&self->t, p, 1));
	EXPECT_EQ(1, *(uint64_t *)p);
	EXPECT_EQ(test_pattern(1, 0), in_file(self->fd, 0));
	close(fd);
}

TEST_F(file, mapped_at_an_offset)
{
	uint64_t value = 0;
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 9 * PAGE);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, dev_load64(&self->t, p + PAGE, &value));
	EXPECT_EQ(test_pattern(1, 10 * PAGE / 8), value);
	ASSERT_EQ(0, dev_store64(&self->t, p, 9));
	EXPECT_EQ(9, in_file(self->fd, 9 * PAGE));
}

TEST_F(file, large_file_copied_by_the_device)
{
	const size_t size = 6ul << 20;
	int fd = temp_file(size);
	char *from, *to = map_anon(size);

	ASSERT_LE(0, fd);
	from = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, from);
	fill_pattern(from, size, 4);
	ASSERT_EQ(0, dev_copy(&self->t, to, from, size));
	EXPECT_EQ(-1, check_pattern(to, size, 4));
	fill_pattern(to, size, 5);
	ASSERT_EQ(0, dev_copy(&self->t, from + 1, to, size - 1));
	EXPECT_EQ(0, memcmp(from + 1, to, size - 1));
	close(fd);
}

FIXTURE(disk)
{
	struct test_vm t;
	int fd;
	int direct;
	char *p;
	char *bounce;
};

FIXTURE_SETUP(disk)
{
	char path[64];

	ASSERT_EQ(0, test_open(&self->t));
	self->fd = disk_file(PAGES * PAGE);
	if (self->fd < 0)
		SKIP(return, "no file system with a disk behind it");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	self->direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, self->direct);
	self->p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	self->bounce = map_anon(PAGES * PAGE);
}

FIXTURE_TEARDOWN(disk)
{
	EXPECT_EQ(0, test_close(&self->t));
	if (self->fd >= 0) {
		munmap(self->p, PAGES * PAGE);
		close(self->direct);
		close(self->fd);
	}
	disk_file_done();
}

/* What is on the disk; only dirty pages have been written there */
static int on_disk(int fd, char *bounce, uint8_t value)
{
	if (pread(fd, bounce, PAGES * PAGE, 0) != PAGES * PAGE)
		return -errno;
	return check_bytes(bounce, PAGES * PAGE, value) < 0 ? 0 : 1;
}

TEST_F(disk, device_writes_reach_the_disk_each_time)
{
	int round;

	/*
	 * Writeback makes the pages clean and read-only.  A device that kept
	 * its write permission would write into a page that nobody writes back.
	 */
	for (round = 1; round < 5; round++) {
		ASSERT_EQ(0, dev_fill(&self->t, self->p, PAGES * PAGE,
				      0x0101010101010101ull * round));
		ASSERT_EQ(0, msync(self->p, PAGES * PAGE, MS_SYNC));
		EXPECT_EQ(0, count_state(&self->t, self->p, PAGES * PAGE, DRM_VSVM_PAGE_WRITE,
					 DRM_VSVM_PAGE_WRITE));
		EXPECT_EQ(0, on_disk(self->direct, self->bounce, round));
	}
}

TEST_F(disk, device_write_survives_losing_the_page)
{
	ASSERT_EQ(0, dev_fill(&self->t, self->p, PAGES * PAGE, 0x4242424242424242ull));
	/* Nobody but the device knows that these pages are dirty now */
	ASSERT_EQ(0, munmap(self->p, PAGES * PAGE));
	ASSERT_EQ(0, fsync(self->fd));
	drop_caches();
	self->p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(-1, check_bytes(self->p, PAGES * PAGE, 0x42));
}

TEST_F(disk, device_writes_a_page_that_was_mapped_for_reading)
{
	ASSERT_EQ(PAGES * PAGE, pwrite(self->fd, memset(self->bounce, 0x33, PAGES * PAGE),
				       PAGES * PAGE, 0));
	ASSERT_EQ(0, fsync(self->fd));
	ASSERT_EQ(0, dev_touch_read(&self->t, self->p, PAGES * PAGE));
	EXPECT_EQ(0, count_state(&self->t, self->p, PAGES * PAGE, DRM_VSVM_PAGE_WRITE,
				 DRM_VSVM_PAGE_WRITE));
	ASSERT_EQ(0, dev_fill(&self->t, self->p, PAGES * PAGE, 0x4444444444444444ull));
	ASSERT_EQ(0, fsync(self->fd));
	EXPECT_EQ(0, on_disk(self->direct, self->bounce, 0x44));
}

TEST_F(disk, a_file_read_from_disk_by_the_device)
{
	memset(self->bounce, 0x55, PAGES * PAGE);
	ASSERT_EQ(PAGES * PAGE, pwrite(self->fd, self->bounce, PAGES * PAGE, 0));
	ASSERT_EQ(0, fsync(self->fd));
	drop_caches();
	memset(self->bounce, 0, PAGES * PAGE);
	ASSERT_EQ(0, dev_copy(&self->t, self->bounce, self->p, PAGES * PAGE));
	EXPECT_EQ(-1, check_bytes(self->bounce, PAGES * PAGE, 0x55));
}

TEST_HARNESS_MAIN
