// SPDX-License-Identifier: MIT
/*
 * The device goes while its buffer objects are mapped, exported, imported and
 * attached to another device: what is left of them does no harm.
 */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(HUGE + PAGE)

FIXTURE(gone)
{
	struct vsvm_device *dev;
	char name[64];
	uint64_t vram;
};

FIXTURE_SETUP(gone)
{
	ASSERT_EQ(0, platform_device(self->name, sizeof(self->name)));
	ASSERT_EQ(0, vsvm_open(NULL, &self->dev));
	self->vram = vsvm_info(self->dev)->vram_bytes;
}

FIXTURE_TEARDOWN(gone)
{
	struct vsvm_device *dev;

	/* It is as good as new */
	EXPECT_EQ(0, platform_bind(self->name));
	EXPECT_EQ(0, vsvm_open(NULL, &dev));
	EXPECT_EQ(self->vram, vsvm_info(dev)->vram_bytes);
	EXPECT_EQ(0, bo_vram_used(dev));
	vsvm_close(dev);
}

TEST_F(gone, mappings_raise_sigbus)
{
	struct drm_vsvm_bo_info info;
	struct vsvm_bo *bo[3];
	char *p[3];
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vsvm_bo_create(self->dev, BYTES, self->vram && i ? i : 2, 0, &bo[i]));
		ASSERT_EQ(0, vsvm_bo_map(bo[i], (void **)&p[i]));
		/* One that has no memory yet */
		if (i < 2)
			fill_pattern(p[i], BYTES, 1);
	}
	ASSERT_EQ(0, platform_unbind(self->name));
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(bo_sigbus(p[i]));
		EXPECT_EQ(-ENODEV, vsvm_bo_info(bo[i], &info));
		vsvm_bo_destroy(bo[i]);
	}
	vsvm_close(self->dev);
}

TEST_F(gone, mappings_outlive_device_and_file)
{
	struct drm_vsvm_bo_create create = { .size = BYTES, .placement = self->vram ? 1 : 2 };
	struct drm_vsvm_bo_mmap_offset offset = {};
	int fd = open(vsvm_path(self->dev), O_RDWR | O_CLOEXEC);
	char *p;

	vsvm_close(self->dev);
	ASSERT_EQ(0, test_ioctl(fd, DRM_IOCTL_VSVM_BO_CREATE, &create));
	offset.handle = create.handle;
	ASSERT_EQ(0, test_ioctl(fd, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &offset));
	p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset.offset);
	ASSERT_NE(MAP_FAILED, p);
	fill_pattern(p, BYTES, 1);
	close(fd);
	ASSERT_EQ(0, platform_unbind(self->name));
	EXPECT_TRUE(bo_sigbus(p));
	munmap(p, BYTES);
}

TEST_F(gone, exports_and_imports)
{
	struct udmabuf_create create = { .size = 16 * PAGE, .flags = UDMABUF_FLAGS_CLOEXEC };
	int udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	struct vsvm_bo *bo, *import = NULL;
	int fd, in = -1;
	char *p;

	if (udmabuf >= 0) {
		create.memfd = (uint32_t)memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC);
		ASSERT_EQ(0, ftruncate((int)create.memfd, 16 * PAGE));
		ASSERT_EQ(0, fcntl((int)create.memfd, F_ADD_SEALS, F_SEAL_SHRINK));
		in = ioctl(udmabuf, UDMABUF_CREATE, &create);
		ASSERT_LE(0, in);
		ASSERT_EQ(0, vsvm_bo_import(self->dev, in, &import));
		close((int)create.memfd);
		close(udmabuf);
	}
	ASSERT_EQ(0, vsvm_bo_create(self->dev, BYTES, self->vram ? 1 : 2, 0, &bo));
	ASSERT_EQ(0, bo_touch(bo));
	ASSERT_EQ(0, vsvm_bo_export(bo, &fd));
	ASSERT_EQ(0, platform_unbind(self->name));
	p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		EXPECT_TRUE(bo_sigbus(p));
		munmap(p, BYTES);
	}
	vsvm_bo_destroy(bo);
	vsvm_bo_destroy(import);
	vsvm_close(self->dev);
	/* The last reference goes with these */
	close(fd);
	if (in >= 0)
		close(in);
}

TEST_F_LONG(gone, while_objects_are_used, 120)
{
	unsigned long round, rounds = test_scale(10);

	vsvm_close(self->dev);
	for (round = 0; round < rounds; round++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct vsvm_device *dev;
			struct vsvm_bo *bo;
			unsigned int i;

			if (vsvm_open(NULL, &dev))
				_exit(1);
			/* Until SIGBUS or ENODEV ends it */
			for (i = 0;; i++) {
				if (vsvm_bo_create(dev, BYTES, self->vram ? 1 + i % 3 : 2, 0, &bo))
					_exit(0);
				if (bo_touch(bo))
					_exit(0);
				if (i % 4)
					vsvm_bo_destroy(bo);
				if (i > 100)
					i = 0;
			}
		}
		usleep(test_time(1) * 1000 * (20 + round * 13 % 50));
		ASSERT_EQ(0, platform_unbind(self->name));
		EXPECT_NE(-1, wait_child(pid));
		if (round + 1 < rounds)
			ASSERT_EQ(0, platform_bind(self->name));
	}
}

TEST_HARNESS_MAIN
