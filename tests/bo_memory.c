// SPDX-License-Identifier: MIT
/*
 * Buffer objects by themselves: sizes, contents, where they lie, what the CPU
 * sees of them, and what is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

FIXTURE_BO(memory);

TEST_F(memory, size_is_rounded_up_and_contents_are_zero)
{
	static const uint32_t places[] = {
		DRM_VSVM_BO_SYSTEM, DRM_VSVM_BO_VRAM, DRM_VSVM_BO_VRAM | DRM_VSVM_BO_SYSTEM,
	};
	static const uint64_t sizes[] = { 1, PAGE, PAGE + 1, 67 * PAGE - 5, HUGE, 3 * HUGE + PAGE };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		if (!self->vram && places[i] == DRM_VSVM_BO_VRAM)
			continue;
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			struct vsvm_bo *bo;
			void *p;

			ASSERT_EQ(0, vsvm_bo_create(self->dev, sizes[j], places[i], 0, &bo));
			EXPECT_EQ((sizes[j] + PAGE - 1) / PAGE * PAGE, vsvm_bo_size(bo));
			ASSERT_EQ(0, vsvm_bo_map(bo, &p));
			EXPECT_EQ(-1, check_bytes(p, vsvm_bo_size(bo), 0));
			/* What the next one must not see */
			fill_pattern(p, vsvm_bo_size(bo), 7);
			EXPECT_EQ(-1, check_pattern(p, vsvm_bo_size(bo), 7));
			vsvm_bo_destroy(bo);
		}
	}
}

TEST_F(memory, lies_nowhere_until_it_is_used)
{
	struct drm_vsvm_bo_info info;
	struct vsvm_bo *bo;
	void *p;

	ASSERT_EQ(0, vsvm_bo_create(self->dev, HUGE, DRM_VSVM_BO_VRAM | DRM_VSVM_BO_SYSTEM,
				    DRM_VSVM_BO_WC, &bo));
	ASSERT_EQ(0, vsvm_bo_info(bo, &info));
	EXPECT_EQ(vsvm_bo_handle(bo), info.handle);
	EXPECT_EQ(DRM_VSVM_BO_VRAM | DRM_VSVM_BO_SYSTEM, info.placement);
	EXPECT_EQ(HUGE, info.size);
	EXPECT_EQ(DRM_VSVM_BO_WC, info.flags);
	EXPECT_EQ(DRM_VSVM_BO_NONE, info.state);
	EXPECT_EQ(DRM_VSVM_BO_WILLNEED, info.advice);
	EXPECT_EQ(0, info.imported);
	ASSERT_EQ(0, vsvm_bo_map(bo, &p));
	EXPECT_EQ(DRM_VSVM_BO_NONE, bo_state(bo));
	EXPECT_EQ(0, *(volatile uint64_t *)p);
	EXPECT_EQ(self->vram ? DRM_VSVM_BO_IN_VRAM : DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	vsvm_bo_destroy(bo);
}

TEST_F(memory, lies_where_it_may)
{
	struct vsvm_bo *bo;
	void *p;

	ASSERT_EQ(0, vsvm_bo_create(self->dev, HUGE, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, &p));
	memset(p, 1, HUGE);
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	vsvm_bo_destroy(bo);
	REQUIRE(self->vram, "no device memory");
	ASSERT_EQ(0, vsvm_bo_create(self->dev, HUGE, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, &p));
	memset(p, 1, HUGE);
	EXPECT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(bo));
	EXPECT_LE(HUGE, bo_vram_used(self->dev));
	vsvm_bo_destroy(bo);
	EXPECT_EQ(0, bo_vram_used_becomes(self->dev, 0));
}

TEST_F(memory, is_mapped_once_and_counted)
{
	struct vsvm_bo *bo;
	void *p, *again;

	ASSERT_EQ(0, vsvm_bo_create(self->dev, 4 * PAGE, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, &p));
	ASSERT_EQ(0, vsvm_bo_map(bo, &again));
	EXPECT_EQ(p, again);
	vsvm_bo_unmap(bo);
	*(volatile char *)p = 1;
	vsvm_bo_unmap(bo);
	EXPECT_EQ(-1, msync(p, PAGE, MS_ASYNC));
	ASSERT_EQ(0, vsvm_bo_map(bo, &p));
	EXPECT_EQ(1, *(volatile char *)p);
	vsvm_bo_destroy(bo);
	EXPECT_EQ(-1, msync(p, PAGE, MS_ASYNC));
}

TEST_F(memory, write_combined_memory_holds_what_is_written)
{
	struct vsvm_bo *bo;
	void *p;

	ASSERT_EQ(0, vsvm_bo_create(self->dev, HUGE + PAGE, DRM_VSVM_BO_SYSTEM, DRM_VSVM_BO_WC,
				    &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, &p));
	fill_pattern(p, HUGE + PAGE, 3);
	EXPECT_EQ(-1, check_pattern(p, HUGE + PAGE, 3));
	vsvm_bo_destroy(bo);
}

TEST_F(memory, what_never_fits_is_refused)
{
	struct vsvm_bo *bo;
	uint64_t ram = (uint64_t)meminfo_kib("MemTotal") << 10;

	EXPECT_EQ(-ENOSPC, vsvm_bo_create(self->dev, self->vram + 1, DRM_VSVM_BO_VRAM, 0, &bo));
	EXPECT_EQ(-ENOSPC, vsvm_bo_create(self->dev, ram + (1 << 30), DRM_VSVM_BO_SYSTEM, 0, &bo));
	EXPECT_EQ(-ENOSPC, vsvm_bo_create(self->dev, ~0ull, 3, 0, &bo));
	EXPECT_EQ(-ENOSPC, vsvm_bo_create(self->dev, ~0ull - PAGE, 3, 0, &bo));
	EXPECT_EQ(-ENOSPC, vsvm_bo_create(self->dev, 1ull << 62, 3, 0, &bo));
	/* Larger than VRAM, but it may lie elsewhere */
	ASSERT_EQ(0, vsvm_bo_create(self->dev, self->vram + PAGE, 3, 0, &bo));
	EXPECT_EQ(0, bo_touch(bo));
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	vsvm_bo_destroy(bo);
}

TEST_F(memory, malformed_calls_are_refused)
{
	struct drm_vsvm_bo_mmap_offset offset = { .handle = 0xdead };
	struct drm_vsvm_bo_create create = { .size = PAGE, .placement = 2, .pad = 1 };
	struct drm_vsvm_bo_advise advise = { .handle = 0xdead };
	struct drm_vsvm_bo_info info = { .handle = 0xdead };
	int fd = vsvm_fd(self->dev);
	struct vsvm_bo *bo;

	EXPECT_EQ(-EINVAL, vsvm_bo_create(self->dev, 0, DRM_VSVM_BO_SYSTEM, 0, &bo));
	EXPECT_EQ(-EINVAL, vsvm_bo_create(self->dev, PAGE, 0, 0, &bo));
	EXPECT_EQ(-EINVAL, vsvm_bo_create(self->dev, PAGE, 4 | DRM_VSVM_BO_SYSTEM, 0, &bo));
	EXPECT_EQ(-EINVAL, vsvm_bo_create(self->dev, PAGE, DRM_VSVM_BO_SYSTEM, 2, &bo));
	EXPECT_EQ(-EINVAL, test_ioctl(fd, DRM_IOCTL_VSVM_BO_CREATE, &create));
	EXPECT_EQ(-ENOENT, test_ioctl(fd, DRM_IOCTL_VSVM_BO_INFO, &info));
	EXPECT_EQ(-ENOENT, test_ioctl(fd, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &offset));
	EXPECT_EQ(-ENOENT, test_ioctl(fd, DRM_IOCTL_VSVM_BO_ADVISE, &advise));
	ASSERT_EQ(0, vsvm_bo_create(self->dev, PAGE, DRM_VSVM_BO_SYSTEM, 0, &bo));
	offset.handle = vsvm_bo_handle(bo);
	advise.handle = vsvm_bo_handle(bo);
	offset.pad = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(fd, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &offset));
	advise.pad = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(fd, DRM_IOCTL_VSVM_BO_ADVISE, &advise));
	advise.pad = 0;
	advise.advice = 2;
	EXPECT_EQ(-EINVAL, test_ioctl(fd, DRM_IOCTL_VSVM_BO_ADVISE, &advise));
	vsvm_bo_destroy(bo);
}

TEST_F(memory, mapping_of_another_file_or_the_wrong_size_is_refused)
{
	struct drm_vsvm_bo_mmap_offset offset = {};
	struct vsvm_device *other;
	struct vsvm_bo *bo;

	ASSERT_EQ(0, vsvm_open(vsvm_path(self->dev), &other));
	ASSERT_EQ(0, vsvm_bo_create(self->dev, 4 * PAGE, DRM_VSVM_BO_SYSTEM, 0, &bo));
	offset.handle = vsvm_bo_handle(bo);
	ASSERT_EQ(0, test_ioctl(vsvm_fd(self->dev), DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, vsvm_fd(other),
				   (off_t)offset.offset));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 5 * PAGE, PROT_READ, MAP_SHARED, vsvm_fd(self->dev),
				   (off_t)offset.offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, vsvm_fd(self->dev),
				   (off_t)offset.offset + 4 * PAGE));
	/* A private copy would have strange ideas of what is in it */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				   vsvm_fd(self->dev), (off_t)offset.offset));
	vsvm_bo_destroy(bo);
	vsvm_close(other);
}

TEST_F(memory, mapping_outlives_handle_and_file)
{
	struct drm_vsvm_bo_create create = { .size = HUGE, .placement = DRM_VSVM_BO_SYSTEM };
	struct drm_vsvm_bo_mmap_offset offset = {};
	struct drm_gem_close close_arg = {};
	int fd = open(vsvm_path(self->dev), O_RDWR | O_CLOEXEC);
	char *p;

	ASSERT_LE(0, fd);
	if (self->vram)
		create.placement = DRM_VSVM_BO_VRAM;
	ASSERT_EQ(0, test_ioctl(fd, DRM_IOCTL_VSVM_BO_CREATE, &create));
	offset.handle = create.handle;
	ASSERT_EQ(0, test_ioctl(fd, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &offset));
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset.offset);
	ASSERT_NE(MAP_FAILED, p);
	fill_pattern(p, HUGE / 2, 5);
	close_arg.handle = create.handle;
	ASSERT_EQ(0, test_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &close_arg));
	close(fd);
	EXPECT_EQ(-1, check_pattern(p, HUGE / 2, 5));
	EXPECT_EQ(-1, check_bytes(p + HUGE / 2, HUGE / 2, 0));
	/* Split and moved */
	ASSERT_EQ(0, munmap(p + 8 * PAGE, PAGE));
	EXPECT_EQ(-1, check_pattern(p, 8 * PAGE, 5));
	munmap(p, HUGE);
}

TEST_F(memory, others_can_look_at_it)
{
	static const uint32_t places[] = { DRM_VSVM_BO_SYSTEM, DRM_VSVM_BO_VRAM };
	char buf[3 * PAGE];
	unsigned int i;

	for (i = 0; i < (self->vram ? 2 : 1); i++) {
		struct vsvm_bo *bo;
		off_t at;
		char *p;
		int fd;

		ASSERT_EQ(0, vsvm_bo_create(self->dev, 16 * PAGE, places[i], 0, &bo));
		ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&p));
		fill_pattern(p, 16 * PAGE, 6);
		/* As a debugger does, across pages and not aligned */
		fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		at = (off_t)(uintptr_t)(p + 100);
		ASSERT_EQ((ssize_t)sizeof(buf), pread(fd, buf, sizeof(buf), at));
		EXPECT_EQ(0, memcmp(buf, p + 100, sizeof(buf)));
		memset(buf, 0x7a, sizeof(buf));
		ASSERT_EQ((ssize_t)sizeof(buf), pwrite(fd, buf, sizeof(buf), at));
		EXPECT_EQ(-1, check_bytes(p + 100, sizeof(buf), 0x7a));
		close(fd);
		vsvm_bo_destroy(bo);
	}
}

TEST_F(memory, fdinfo_tells_what_a_file_takes)
{
	struct vsvm_bo *vram, *system;

	ASSERT_EQ(0, vsvm_bo_create(self->dev, 2 * HUGE, DRM_VSVM_BO_SYSTEM, 0, &system));
	EXPECT_EQ(4096, bo_fdinfo_kib(self->dev, "drm-total-memory"));
	EXPECT_EQ(0, bo_fdinfo_kib(self->dev, "drm-resident-memory"));
	ASSERT_EQ(0, bo_touch(system));
	EXPECT_EQ(4096, bo_fdinfo_kib(self->dev, "drm-resident-memory"));
	EXPECT_EQ(0, bo_fdinfo_kib(self->dev, "drm-purgeable-memory"));
	ASSERT_EQ(0, vsvm_bo_advise(system, DRM_VSVM_BO_DONTNEED, NULL));
	EXPECT_EQ(4096, bo_fdinfo_kib(self->dev, "drm-purgeable-memory"));
	ASSERT_EQ(0, vsvm_bo_advise(system, DRM_VSVM_BO_WILLNEED, NULL));
	EXPECT_EQ(0, bo_fdinfo_kib(self->dev, "drm-purgeable-memory"));
	vsvm_bo_destroy(system);
	EXPECT_EQ(0, bo_fdinfo_kib(self->dev, "drm-total-memory"));
	REQUIRE(self->vram, "no device memory");
	ASSERT_EQ(0, vsvm_bo_create(self->dev, HUGE, DRM_VSVM_BO_VRAM, 0, &vram));
	EXPECT_EQ(2048, bo_fdinfo_kib(self->dev, "drm-total-vram0"));
	EXPECT_EQ(0, bo_fdinfo_kib(self->dev, "drm-resident-vram0"));
	ASSERT_EQ(0, bo_touch(vram));
	EXPECT_EQ(2048, bo_fdinfo_kib(self->dev, "drm-resident-vram0"));
	vsvm_bo_destroy(vram);
}

TEST_HARNESS_MAIN
