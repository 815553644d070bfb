// SPDX-License-Identifier: MIT
/*
 * Buffer objects shared with other files, other processes and other devices,
 * in both directions.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(2 * HUGE + 3 * PAGE)

FIXTURE_BO(share);

/* A render node of another driver, or -1 */
static int open_other(const char *driver)
{
	char name[32], path[300];
	struct dirent *entry;
	DIR *dir = opendir("/dev/dri");
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

		if (strncmp(entry->d_name, "renderD", 7))
			continue;
		snprintf(path, sizeof(path), "/dev/dri/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		memset(name, 0, sizeof(name));
		if (fd >= 0 && (test_ioctl(fd, DRM_IOCTL_VERSION, &version) ||
				strcmp(name, driver))) {
			close(fd);
			fd = -1;
		}
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int import_there(int fd, int dmabuf, uint32_t *handle)
{
	struct drm_prime_handle arg = { .fd = dmabuf };
	int ret = test_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);

	*handle = arg.handle;
	return ret;
}

TEST_F(share, the_same_file_gets_the_same_object_back)
{
	struct drm_vsvm_bo_info info;
	struct vsvm_bo *bo, *again;
	void *p;
	int fd;

	ASSERT_EQ(0, vsvm_bo_create(self->dev, BYTES, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_export(bo, &fd));
	ASSERT_EQ(0, vsvm_bo_import(self->dev, fd, &again));
	EXPECT_EQ(bo, again);
	close(fd);
	vsvm_bo_destroy(again);
	ASSERT_EQ(0, vsvm_bo_info(bo, &info));
	EXPECT_EQ(0, info.imported);
	ASSERT_EQ(0, vsvm_bo_map(bo, &p));
	*(volatile char *)p = 1;
	vsvm_bo_destroy(bo);
}

TEST_F(share, another_file_shares_the_memory_where_it_lies)
{
	struct vsvm_device *other;
	struct vsvm_bo *bo, *theirs;
	char *p, *q;
	int fd;

	ASSERT_EQ(0, vsvm_open(vsvm_path(self->dev), &other));
	ASSERT_EQ(0, vsvm_bo_create(self->dev, BYTES, self->vram ? 1 : 2, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&p));
	fill_pattern(p, BYTES, 1);
	ASSERT_EQ(0, vsvm_bo_export(bo, &fd));
	ASSERT_EQ(0, vsvm_bo_import(other, fd, &theirs));
	close(fd);
	EXPECT_EQ(bo_state(bo), bo_state(theirs));
	EXPECT_EQ(self->vram ? DRM_VSVM_BO_IN_VRAM : DRM_VSVM_BO_IN_SYSTEM, bo_state(theirs));
	EXPECT_EQ(BYTES, vsvm_bo_size(theirs));
	ASSERT_EQ(0, vsvm_bo_map(theirs, (void **)&q));
	EXPECT_EQ(-1, check_pattern(q, BYTES, 1));
	p[PAGE] = 0x55;
	EXPECT_EQ(0x55, q[PAGE]);
	EXPECT_LT(0, bo_fdinfo_kib(self->dev, self->vram ? "drm-shared-vram0" :
				   "drm-shared-memory"));
	/* The creator goes, the object does not */
	vsvm_bo_destroy(bo);
	fill_pattern(q, BYTES, 2);
	EXPECT_EQ(-1, check_pattern(q, BYTES, 2));
	vsvm_bo_destroy(theirs);
	vsvm_close(other);
}

TEST_F(share, dma_buf_outlives_its_creators_file)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	struct vsvm_device *other;
	struct vsvm_bo *bo;
	char *p, *q;
	int fd;

	ASSERT_EQ(0, vsvm_open(vsvm_path(self->dev), &other));
	ASSERT_EQ(0, vsvm_bo_create(other, BYTES, self->vram ? 3 : 2, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&p));
	fill_pattern(p, BYTES, 3);
	ASSERT_EQ(0, vsvm_bo_export(bo, &fd));
	vsvm_bo_destroy(bo);
	vsvm_close(other);
	q = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, test_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
	EXPECT_EQ(-1, check_pattern(q, BYTES, 3));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, BYTES + PAGE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, BYTES - PAGE));
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, BYTES - PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, memcmp(p, q + BYTES - PAGE, PAGE));
	munmap(p, PAGE);
	close(fd);
	/* And the mapping outlives the dma-buf */
	EXPECT_EQ(-1, check_pattern(q, BYTES, 3));
	munmap(q, BYTES);
}

TEST_F(share, memory_is_in_system_memory_while_another_device_is_attached)
{
	struct drm_gem_close close_arg = {};
	struct vsvm_bo *bo, *full;
	int vgem = open_other("vgem");
	uint32_t handle;
	char *p;
	int fd;

	REQUIRE(vgem >= 0, "no vgem");
	REQUIRE(self->vram, "no device memory");
	ASSERT_EQ(0, vsvm_bo_create(self->dev, BYTES, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&p));
	fill_pattern(p, BYTES, 4);
	ASSERT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(bo));
	ASSERT_EQ(0, vsvm_bo_export(bo, &fd));
	ASSERT_EQ(0, import_there(vgem, fd, &handle));
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	EXPECT_EQ(-1, check_pattern(p, BYTES, 4));
	/* Whatever happens to VRAM meanwhile */
	ASSERT_EQ(0, vsvm_bo_create(self->dev, self->vram, DRM_VSVM_BO_VRAM, 0, &full));
	ASSERT_EQ(0, bo_touch(full));
	vsvm_bo_destroy(full);
	fill_pattern(p, BYTES, 5);
	/* Created here, gone here, still there */
	vsvm_bo_destroy(bo);
	p = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, check_pattern(p, BYTES, 5));
	munmap(p, BYTES);
	close(fd);
	close_arg.handle = handle;
	ASSERT_EQ(0, test_ioctl(vgem, DRM_IOCTL_GEM_CLOSE, &close_arg));
	close(vgem);
}

TEST_F(share, memory_of_a_memfd_is_imported)
{
	struct drm_vsvm_bo_mmap_offset offset = {};
	struct drm_vsvm_bo_info info;
	struct vsvm_bo *bo, *again;
	char *p, *q;
	int fd = make_udmabuf(BYTES, &p), out;

	REQUIRE(fd >= 0, "no udmabuf");
	fill_pattern(p, BYTES, 6);
	ASSERT_EQ(0, vsvm_bo_import(self->dev, fd, &bo));
	ASSERT_EQ(0, vsvm_bo_info(bo, &info));
	EXPECT_EQ(1, info.imported);
	EXPECT_EQ(BYTES, info.size);
	EXPECT_EQ(DRM_VSVM_BO_SYSTEM, info.placement);
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, info.state);
	EXPECT_EQ(-EOPNOTSUPP, vsvm_bo_advise(bo, DRM_VSVM_BO_DONTNEED, NULL));
	offset.handle = info.handle;
	EXPECT_EQ(-EOPNOTSUPP,
		  test_ioctl(vsvm_fd(self->dev), DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &offset));
	/* Once more is the same */
	ASSERT_EQ(0, vsvm_bo_import(self->dev, fd, &again));
	EXPECT_EQ(bo, again);
	vsvm_bo_destroy(again);
	/* What is imported is exported as what it was */
	ASSERT_EQ(0, vsvm_bo_export(bo, &out));
	close(out);
	close(fd);
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&q));
	EXPECT_EQ(-1, check_pattern(q, BYTES, 6));
	fill_pattern(q, BYTES, 7);
	EXPECT_EQ(-1, check_pattern(p, BYTES, 7));
	vsvm_bo_destroy(bo);
	munmap(p, BYTES);
}

/*
 * The same pages as memory of the process, in several address spaces, and as an
 * object of another device: mapped for DMA by each, and each undoes its own.
 */
TEST_F(share, memory_mirrored_and_imported_at_once)
{
	enum { VMS = 5 };
	const uint64_t at = 1ull << 40;
	struct test_vm t[VMS];
	struct vsvm_bo *bo;
	unsigned int i, round;
	char *p;
	int fd = make_udmabuf(16 * PAGE, &p);

	REQUIRE(fd >= 0, "no udmabuf");
	for (i = 0; i < VMS; i++)
		ASSERT_EQ(0, test_open_on(&t[i], self->dev, 0));
	for (round = 0; round < 4; round++) {
		/* The mirrors first, or the object */
		for (i = 0; i < VMS && round % 2; i++)
			ASSERT_EQ(0, dev_touch_write(&t[i], p, 16 * PAGE));
		ASSERT_EQ(0, vsvm_bo_import(self->dev, fd, &bo));
		ASSERT_EQ(0, vsvm_bind_bo(t[0].vm, bo, at, 0, 16 * PAGE,
					  DRM_VSVM_BIND_REPLACE));
		for (i = 0; i < 16; i++)
			ASSERT_EQ(0, dev_store64(&t[0], (char *)at + i * PAGE + 8 * round,
						 round * 100 + i));
		for (i = 0; i < VMS; i++)
			ASSERT_EQ(0, dev_atomic(&t[i], VSVM_ATOMIC_ADD, 8, p + 2048, 1, 0, NULL));
		for (i = 0; i < 16; i++)
			EXPECT_EQ(round * 100 + i, *(uint64_t *)(p + i * PAGE + 8 * round));
		/* And gone again, in either order */
		if (round < 2)
			ASSERT_EQ(0, madvise(p, 16 * PAGE, MADV_DONTNEED));
		ASSERT_EQ(0, vsvm_bind_mirror(t[0].vm, at, 16 * PAGE, DRM_VSVM_BIND_REPLACE));
		vsvm_bo_destroy(bo);
		if (round >= 2)
			ASSERT_EQ(0, madvise(p, 16 * PAGE, MADV_DONTNEED));
	}
	EXPECT_EQ(4 * VMS, *(uint64_t *)(p + 2048));
	close(fd);
	munmap(p, 16 * PAGE);
	for (i = 0; i < VMS; i++) {
		test_queue_close(&t[i].q);
		EXPECT_EQ(0, vsvm_vm_destroy(t[i].vm));
	}
}

TEST_F(share, imports_by_several_files_come_and_go)
{
	struct vsvm_device *other;
	struct vsvm_bo *a, *b;
	unsigned int i;
	char *p;
	int fd;

	ASSERT_EQ(0, vsvm_open(vsvm_path(self->dev), &other));
	for (i = 0; i < 20; i++) {
		fd = make_udmabuf(8 * PAGE, &p);
		REQUIRE(fd >= 0, "no udmabuf");
		ASSERT_EQ(0, vsvm_bo_import(self->dev, fd, &a));
		close(fd);
		if (i % 2) {
			ASSERT_EQ(0, vsvm_bo_export(a, &fd));
			vsvm_bo_destroy(a);
			ASSERT_EQ(0, vsvm_bo_import(other, fd, &b));
			close(fd);
			vsvm_bo_destroy(b);
		} else {
			vsvm_bo_destroy(a);
		}
		munmap(p, 8 * PAGE);
	}
	vsvm_close(other);
}

TEST_F(share, what_may_be_purged_is_not_shared_nor_the_reverse)
{
	bool retained = false;
	struct vsvm_bo *bo;
	int fd;

	ASSERT_EQ(0, vsvm_bo_create(self->dev, BYTES, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_advise(bo, DRM_VSVM_BO_DONTNEED, &retained));
	EXPECT_EQ(-EBUSY, vsvm_bo_export(bo, &fd));
	ASSERT_EQ(0, vsvm_bo_advise(bo, DRM_VSVM_BO_WILLNEED, &retained));
	EXPECT_TRUE(retained);
	ASSERT_EQ(0, vsvm_bo_export(bo, &fd));
	EXPECT_EQ(-EOPNOTSUPP, vsvm_bo_advise(bo, DRM_VSVM_BO_DONTNEED, &retained));
	close(fd);
	/* Somebody may still have it */
	EXPECT_EQ(-EOPNOTSUPP, vsvm_bo_advise(bo, DRM_VSVM_BO_DONTNEED, &retained));
	vsvm_bo_destroy(bo);
}

TEST_F(share, what_is_no_dma_buf_is_refused)
{
	struct vsvm_bo *bo;
	int fd = temp_memfd(PAGE);

	EXPECT_EQ(-EINVAL, vsvm_bo_import(self->dev, fd, &bo));
	close(fd);
	EXPECT_EQ(-EBADF, vsvm_bo_import(self->dev, fd, &bo));
	EXPECT_EQ(-EINVAL, vsvm_bo_import(self->dev, vsvm_fd(self->dev), &bo));
}

TEST_HARNESS_MAIN
