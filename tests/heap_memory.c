// SPDX-License-Identifier: MIT
/*
 * What lies in the heap: seams between chunks, the CPU's view, synchronisation,
 * memory of the process, and who may do what.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm.h>

#include "vsvm_heap.h"
#include "vsvm_harness.h"

FIXTURE_HEAP(memory);

static int bo_sync_call(int fd, uint32_t handle, uint64_t offset, uint64_t size, uint32_t direction)
{
	struct drm_vsvm_bo_sync arg = {
		.handle = handle, .direction = direction, .offset = offset, .size = size,
	};

	return test_ioctl(fd, DRM_IOCTL_VSVM_BO_SYNC, &arg);
}

/* 5: an object over a seam is one piece for the CPU, the kernel and the device */
TEST_F(memory, pitfall_5_a_seam_is_not_seen)
{
	uint64_t size = 2 * HUGE + 3 * PAGE, address, seam;
	char buf[PAGE];
	int pad, handle, fd;
	char *p;

	REQUIRE(self->maximum >= 2 * self->chunk, "heap=small");
	pad = heap_alloc(self->t.fd, self->chunk - HUGE - PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, NULL);
	ASSERT_LT(0, pad);
	handle = heap_alloc(self->t.fd, size, 0, DRM_VSVM_HEAP_ALLOC_GROW, &address);
	ASSERT_LT(0, handle);
	seam = HUGE + PAGE;
	ASSERT_EQ((1ull << 47) + self->chunk, address + seam);
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	p = heap_map(self->t.fd, handle, size);
	ASSERT_NE(MAP_FAILED, p);
	fill_pattern(p, size, 3);
	put_crc(&self->t.q, (void *)(uintptr_t)address, size, 0, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(crc32c(0, p, size), *(volatile uint32_t *)self->t.out);
	/* As the kernel sees it, across the seam and not aligned */
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ((ssize_t)PAGE, pread(fd, buf, PAGE, (off_t)(uintptr_t)(p + seam - 1000)));
	EXPECT_EQ(0, memcmp(buf, p + seam - 1000, PAGE));
	memset(buf, 0x5a, sizeof(buf));
	ASSERT_EQ((ssize_t)PAGE, pwrite(fd, buf, PAGE, (off_t)(uintptr_t)(p + seam - 3000)));
	close(fd);
	put_copy(&self->t.q, self->t.out, (void *)(uintptr_t)(address + seam - 3000), 2000);
	put_barrier(&self->t.q);
	put_fill(&self->t.q, (void *)(uintptr_t)(address + seam - PAGE), 2 * PAGE, 0x1111111111111111);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(-1, check_bytes(self->t.out, 2000, 0x5a));
	EXPECT_EQ(-1, check_bytes(p + seam - PAGE, 2 * PAGE, 0x11));
	EXPECT_EQ(0, bo_sync_call(self->t.fd, handle, seam - 100, 200, DRM_VSVM_SYNC_BOTH));
	EXPECT_EQ(0, bo_sync_call(self->t.fd, handle, 0, size, DRM_VSVM_SYNC_BOTH));
	munmap(p, size);
}

/* 13: the range is the object's, whatever is asked for */
TEST_F(memory, pitfall_13_sync_is_bounded)
{
	const struct { uint64_t offset, size; uint32_t direction; int ret; } calls[] = {
		{ 0, 1, 1, 0 }, { PAGE - 1, 2, 2, 0 }, { 0, 3 * PAGE, 3, 0 },
		{ 3 * PAGE - 1, 1, 3, 0 }, { 5, 7, 1, 0 },
		{ 0, 3 * PAGE + 1, 3, -EINVAL }, { 3 * PAGE, 1, 3, -EINVAL },
		{ ~0ull, 1, 3, -EINVAL }, { ~0ull, 2, 3, -EINVAL }, { 1, ~0ull, 3, -EINVAL },
		{ PAGE, -PAGE, 3, -EINVAL }, { 0, 0, 3, -EINVAL }, { 0, PAGE, 0, -EINVAL },
		{ 0, PAGE, 4, -EINVAL }, { 0, PAGE, 7, -EINVAL },
	};
	struct vsvm_bo *bo[3];
	unsigned int i, j;

	ASSERT_EQ(0, vsvm_heap_alloc(self->t.dev, 3 * PAGE, 0, &bo[0]));
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, 3 * PAGE, DRM_VSVM_BO_SYSTEM, 0, &bo[1]));
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, 3 * PAGE, DRM_VSVM_BO_SYSTEM, 0, &bo[2]));
	/* One that the device has mapped, one that has no memory yet */
	ASSERT_EQ(0, vsvm_bind_bo(self->t.vm, bo[1], 1ull << 46, 0, 3 * PAGE,
				  DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_store64(&self->t, (void *)(1ul << 46), 1));
	for (i = 0; i < ARRAY_SIZE(bo); i++) {
		for (j = 0; j < ARRAY_SIZE(calls); j++)
			EXPECT_EQ(calls[j].ret, bo_sync_call(self->t.fd, vsvm_bo_handle(bo[i]),
							     calls[j].offset, calls[j].size,
							     calls[j].direction));
		vsvm_bo_destroy(bo[i]);
	}
	EXPECT_EQ(-ENOENT, bo_sync_call(self->t.fd, 0xdead, 0, 1, 1));
}

/* 12: imported memory is its exporter's to synchronise, and is seen by both */
TEST_F(memory, pitfall_12_imported_objects_are_usable)
{
	struct udmabuf_create create = { .size = 4 * PAGE, .flags = UDMABUF_FLAGS_CLOEXEC };
	struct vsvm_bo *bo;
	int dev, fd;
	char *p;

	dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	REQUIRE(dev >= 0, "no udmabuf");
	create.memfd = (uint32_t)memfd_create("heap", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate((int)create.memfd, 4 * PAGE));
	ASSERT_EQ(0, fcntl((int)create.memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, (int)create.memfd, 0);
	fd = ioctl(dev, UDMABUF_CREATE, &create);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vsvm_bo_import(self->t.dev, fd, &bo));
	ASSERT_EQ(0, vsvm_bind_bo(self->t.vm, bo, 1ull << 46, 0, 4 * PAGE, DRM_VSVM_BIND_REPLACE));
	fill_pattern(p, 4 * PAGE, 9);
	EXPECT_EQ(0, vsvm_bo_sync(bo, 0, 4 * PAGE, DRM_VSVM_SYNC_TO_DEVICE));
	put_crc(&self->t.q, (void *)(1ul << 46), 4 * PAGE, 0, self->t.out);
	put_fill(&self->t.q, (void *)((1ul << 46) + PAGE), PAGE, 0);
	EXPECT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0, vsvm_bo_sync(bo, PAGE, PAGE, DRM_VSVM_SYNC_FROM_DEVICE));
	EXPECT_EQ(0, vsvm_bo_sync(bo, PAGE, PAGE, DRM_VSVM_SYNC_BOTH));
	EXPECT_EQ(-EINVAL, vsvm_bo_sync(bo, PAGE, 4 * PAGE, DRM_VSVM_SYNC_BOTH));
	EXPECT_EQ(-1, check_bytes(p + PAGE, PAGE, 0));
	vsvm_bo_destroy(bo);
	close(fd);
	close(dev);
	close((int)create.memfd);
	munmap(p, 4 * PAGE);
}

/* 8: nobody else gets at it, and whoever still maps it holds what it lies in */
TEST_F(memory, pitfall_8_an_object_outlives_its_client)
{
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	uint64_t size = 3 * HUGE, address;
	struct test_vm t;
	int handle;
	char *p;

	ASSERT_EQ(0, test_open(&t));
	handle = heap_alloc(t.fd, size, 0, DRM_VSVM_HEAP_ALLOC_GROW, &address);
	ASSERT_LT(0, handle);
	prime.handle = handle;
	EXPECT_EQ(-EOPNOTSUPP, test_ioctl(t.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));
	ASSERT_EQ(0, heap_take(&t.q, 0));
	p = heap_map(t.fd, handle, size);
	ASSERT_NE(MAP_FAILED, p);
	put_fill(&t.q, (void *)(uintptr_t)address, size, 0x2222222222222222);
	ASSERT_EQ(0, test_run(&t.q));
	ASSERT_EQ(0, heap_close(t.fd, handle));
	EXPECT_EQ(0, test_close(&t));
	/* Handle, file, queue and address space have gone */
	EXPECT_EQ(-1, check_bytes(p, size, 0x22));
	fill_pattern(p, size, 5);
	EXPECT_EQ(0, munmap(p + PAGE, PAGE));
	EXPECT_EQ(-1, check_pattern(p, PAGE, 5));
	munmap(p, size);
}

TEST_F(memory, other_calls_know_what_it_is)
{
	struct drm_vsvm_bo_info info;
	struct vsvm_bo *bo;
	bool retained;

	ASSERT_EQ(0, vsvm_heap_alloc(self->t.dev, PAGE + 1, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_info(bo, &info));
	EXPECT_EQ(DRM_VSVM_BO_HEAP, info.placement);
	EXPECT_EQ(2 * PAGE, info.size);
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, info.state);
	EXPECT_EQ(0, info.imported | info.flags);
	EXPECT_EQ(-EOPNOTSUPP, vsvm_bo_advise(bo, DRM_VSVM_BO_DONTNEED, &retained));
	EXPECT_EQ(-EOPNOTSUPP, vsvm_bind_bo(self->t.vm, bo, 0, 0, PAGE, DRM_VSVM_BIND_REPLACE));
	vsvm_heap_free(bo);
	EXPECT_EQ(-EINVAL, vsvm_bo_create(self->t.dev, PAGE, DRM_VSVM_BO_HEAP, 0, &bo));
}

/* 10: what mmap() refuses leaves nothing behind */
TEST_F(memory, pitfall_10_mmap_that_is_refused)
{
	struct drm_vsvm_bo_mmap_offset arg = {};
	int handle, i;
	char *p;

	handle = heap_alloc(self->t.fd, 4 * PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, NULL);
	ASSERT_LT(0, handle);
	arg.handle = handle;
	ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &arg));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
					   self->t.fd, (off_t)arg.offset));
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, self->t.fd,
					   (off_t)arg.offset));
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 5 * PAGE, PROT_READ, MAP_SHARED, self->t.fd,
					   (off_t)arg.offset));
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->t.fd,
					   (off_t)arg.offset + 4 * PAGE));
	}
	p = heap_map(self->t.fd, handle, 4 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(MAP_FAILED, mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
	ASSERT_EQ(0, munmap(p, PAGE));
	p[PAGE] = 1;
	/* Nobody's reference is left: with the last mapping it goes */
	ASSERT_EQ(0, heap_close(self->t.fd, handle));
	EXPECT_EQ(1, heap_query(self->t.fd).bos);
	munmap(p + PAGE, 3 * PAGE);
	EXPECT_EQ(0, heap_query(self->t.fd).bos);
}

/* 9: what cannot be had is given back, all of it */
TEST_F(memory, pitfall_9_failed_growth_leaves_nothing)
{
	struct drm_vsvm_heap_grow arg = { .bytes = self->chunk, .flags = DRM_VSVM_HEAP_USER };
	char *p = mmap(NULL, self->chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	int i;

	ASSERT_NE(MAP_FAILED, p);
	/* The last page is not there */
	ASSERT_EQ(0, munmap(p + self->chunk - PAGE, PAGE));
	arg.address = (uintptr_t)p;
	for (i = 0; i < 3; i++) {
		arg.expected = 0;
		EXPECT_EQ(-EFAULT, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_GROW, &arg));
		EXPECT_EQ(0, arg.committed);
	}
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_GROW, &arg));
	munmap(p, self->chunk);
	/* 15: and the heap is not wedged by it */
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
}

static long pinned_kib(void)
{
	char buf[4096];
	const char *line;

	if (read_text("/proc/self/status", buf, sizeof(buf)) < 0)
		return -1;
	line = strstr(buf, "VmPin:");
	return line ? strtol(line + 6, NULL, 10) : -1;
}

/* 14, 15: a limit is told as what it is, and what failed can be tried again */
TEST_F(memory, pitfall_14_the_limit_of_locked_memory_has_its_own_error)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	struct rlimit limit = { self->chunk + PAGE, self->chunk + PAGE };
	uint64_t committed = 1;
	pid_t pid;

	REQUIRE(self->maximum >= 2 * self->chunk, "heap=small");
	pid = fork();
	if (!pid) {
		struct test_vm t;

		if (test_open(&t) || setrlimit(RLIMIT_MEMLOCK, &limit) ||
		    syscall(SYS_capget, &header, data))
			_exit(1);
		data[0].effective &= ~(1u << CAP_IPC_LOCK);
		if (syscall(SYS_capset, &header, data))
			_exit(2);
		if (heap_grow(t.fd, 0, 2 * self->chunk, &committed) != -EDQUOT || committed ||
		    pinned_kib())
			_exit(3);
		if (heap_alloc(t.fd, 2 * self->chunk, 0, DRM_VSVM_HEAP_ALLOC_GROW, NULL) != -EDQUOT)
			_exit(4);
		if (heap_grow(t.fd, 0, self->chunk, NULL) ||
		    pinned_kib() != (long)(self->chunk >> 10) || heap_take(&t.q, 0))
			_exit(5);
		if (heap_grow(t.fd, self->chunk, self->chunk, NULL) != -EDQUOT)
			_exit(6);
		if (test_queue_renew(&t.q) || heap_shrink(t.fd, self->chunk, 0, &committed) ||
		    committed || pinned_kib())
			_exit(7);
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(pid));
}

TEST_F(memory, memory_of_the_process_as_chunks)
{
	struct drm_vsvm_heap_grow arg = { .bytes = self->chunk, .flags = DRM_VSVM_HEAP_USER };
	uint64_t address;
	int handle;
	char *p, *q;

	/* Huge or not */
	p = map_aligned(self->chunk);
	fill_pattern(p, self->chunk, 4);
	arg.address = (uintptr_t)p;
	ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_GROW, &arg));
	EXPECT_EQ(self->chunk, arg.committed);
	handle = heap_alloc(self->t.fd, self->chunk, 0, 0, &address);
	ASSERT_LT(0, handle);
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	put_crc(&self->t.q, (void *)(uintptr_t)address, HUGE, 0, self->t.out);
	put_store64(&self->t.q, (void *)(uintptr_t)(address + HUGE), 42);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(crc32c(0, p, HUGE), *(volatile uint32_t *)self->t.out);
	EXPECT_EQ(42, *(volatile uint64_t *)(p + HUGE));
	/* 17: unmapped by the process, and something else mapped there: the heap has what it had */
	q = heap_map(self->t.fd, handle, self->chunk);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, munmap(p, self->chunk));
	ASSERT_EQ(p, mmap(p, self->chunk, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, heap_restart(true));
	EXPECT_EQ(1, heap_told(self->t.fd, 0));
	EXPECT_EQ(-1, check_pattern(q, HUGE, 4));
	put_copy(&self->t.q, self->t.out, (void *)(uintptr_t)(address + HUGE), 8);
	put_store64(&self->t.q, (void *)(uintptr_t)address, 43);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(42, *(volatile uint64_t *)self->t.out);
	EXPECT_EQ(43, *(volatile uint64_t *)q);
	EXPECT_EQ(0, *(volatile uint64_t *)p);
	munmap(p, self->chunk);
	munmap(q, self->chunk);
}

TEST_F(memory, addresses_of_the_process)
{
	struct drm_vsvm_heap_grow arg = {
		.bytes = self->chunk,
		.flags = DRM_VSVM_HEAP_PROCESS,
	};
	struct drm_vsvm_bo_mmap_offset offset = {};
	struct vsvm_device *dev;
	struct test_vm t;
	struct vsvm_bo *bo, *other;
	volatile uint64_t *p;

	ASSERT_EQ(0, vsvm_open(vsvm_path(self->t.dev), &dev));
	ASSERT_EQ(0, vsvm_heap_share_addresses(dev));
	EXPECT_EQ(-EBUSY, vsvm_heap_share_addresses(dev));
	ASSERT_EQ(0, test_open_on(&t, dev, 0));
	ASSERT_EQ(0, vsvm_heap_alloc(dev, 3 * PAGE, 0, &bo));
	ASSERT_EQ(0, vsvm_heap_alloc(dev, 3 * PAGE, 0, &other));
	ASSERT_EQ(0, heap_take(&t.q, 0));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&p));
	EXPECT_EQ(vsvm_bo_address(bo), (uintptr_t)p);
	EXPECT_EQ(DRM_VSVM_HEAP_PROCESS, heap_query(t.fd).flags);
	/* One pointer for both */
	p[100] = 7;
	ASSERT_EQ(0, dev_atomic(&t, VSVM_ATOMIC_ADD, 8, &p[100], 5, 0, NULL));
	EXPECT_EQ(12, p[100]);
	/* Checked when it is mapped: nowhere else, nor moved there later */
	offset.handle = vsvm_bo_handle(other);
	ASSERT_EQ(0, test_ioctl(t.fd, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, t.fd,
				   (off_t)offset.offset));
	EXPECT_EQ(MAP_FAILED, mremap((void *)p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				     (char *)p + self->chunk / 2));
	EXPECT_EQ(12, p[100]);
	/* Unmapped and mapped again */
	vsvm_bo_unmap(bo);
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&p));
	EXPECT_EQ(12, p[100]);
	vsvm_heap_free(other);
	/* All of the window, or none of it, and the same one each time */
	arg.window = heap_query(t.fd).base + self->chunk;
	arg.expected = self->chunk;
	if (self->maximum > self->chunk) {
		EXPECT_EQ(-EINVAL, test_ioctl(t.fd, DRM_IOCTL_VSVM_HEAP_GROW, &arg));
		ASSERT_EQ(0, munmap((char *)(uintptr_t)arg.window + HUGE, PAGE));
		arg.window -= self->chunk;
		EXPECT_EQ(-EFAULT, test_ioctl(t.fd, DRM_IOCTL_VSVM_HEAP_GROW, &arg));
	}
	arg.window = self->chunk;
	arg.expected = 0;
	EXPECT_EQ(-EFAULT, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_GROW, &arg));
	EXPECT_EQ(0, heap_query(self->t.fd).committed);
	EXPECT_EQ(0, test_close(&t));
	vsvm_heap_free(bo);
	vsvm_close(dev);
}

TEST_F(memory, a_forked_child_is_refused)
{
	struct drm_vsvm_heap_query query = {};
	struct drm_vsvm_heap_alloc alloc = { .size = PAGE };
	uint64_t address;
	int handle, fd = self->t.fd;
	volatile uint64_t *p;
	pid_t pid;

	handle = heap_alloc(fd, PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, &address);
	ASSERT_LT(0, handle);
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	p = heap_map(fd, handle, PAGE);
	ASSERT_NE(MAP_FAILED, p);
	pid = fork();
	if (!pid) {
		if (heap_grow(fd, self->chunk, self->chunk, NULL) != -EPERM ||
		    heap_shrink(fd, self->chunk, 0, NULL) != -EPERM ||
		    test_ioctl(fd, DRM_IOCTL_VSVM_HEAP_ALLOC, &alloc) != -EPERM ||
		    test_ioctl(fd, DRM_IOCTL_VSVM_HEAP_QUERY, &query) != -EPERM)
			_exit(1);
		/* What was mapped is shared, as any mapping of a device is */
		p[1] = 33;
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(33, p[1]);
	put_store64(&self->t.q, (void *)(uintptr_t)(address + 16), 44);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(44, p[2]);
	munmap((void *)p, PAGE);
}

TEST_HARNESS_MAIN
