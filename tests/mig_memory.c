// SPDX-License-Identifier: MIT
/*
 * What may lie in a range that is moved to device memory, and what the process
 * may do to it while it is there.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(2 * HUGE)

FIXTURE(mig)
{
	struct test_vm t;
};

FIXTURE_SETUP(mig)
{
	ASSERT_EQ(0, test_open(&self->t));
	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
}

FIXTURE_TEARDOWN(mig)
{
	EXPECT_EQ(0, test_close(&self->t));
}

static size_t on_device(struct test_vm *t, const void *p, size_t size)
{
	return count_state(t, p, size, DRM_VSVM_PAGE_VRAM, DRM_VSVM_PAGE_VRAM);
}

/* Small pages with a pattern, moved to the device; NULL if they did not go */
static char *make(struct test_vm *t, size_t size, uint64_t seed)
{
	char *p = map_aligned(size);

	madvise(p, size, MADV_NOHUGEPAGE);
	fill_pattern(p, size, seed);
	if (vsvm_prefetch(t->vm, p, size, DRM_VSVM_PLACE_DEVICE) ||
	    on_device(t, p, size) != size / PAGE)
		return NULL;
	return p;
}

TEST_F(mig, pages_holes_and_the_zero_page_in_one_range)
{
	char *p = map_aligned(4 * HUGE);
	uint64_t value = 1;

	/* A huge one, small ones, pages that were only read, nothing */
	madvise(p, HUGE, MADV_HUGEPAGE);
	madvise(p + HUGE, 3 * HUGE, MADV_NOHUGEPAGE);
	fill_pattern(p, HUGE, 1);
	fill_pattern(p + HUGE, HUGE / 2, 2);
	EXPECT_EQ(-1, check_bytes(p + 2 * HUGE, HUGE / 2, 0));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, 4 * HUGE, DRM_VSVM_PLACE_DEVICE));
	EXPECT_EQ(512, on_device(&self->t, p, HUGE));
	EXPECT_EQ(256, on_device(&self->t, p + HUGE, HUGE / 2));
	EXPECT_EQ(0, on_device(&self->t, p + HUGE + HUGE / 2, HUGE / 2 + 2 * HUGE));
	ASSERT_EQ(0, dev_load64(&self->t, p + 3 * HUGE, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(-1, check_pattern(p, HUGE, 1));
	EXPECT_EQ(-1, check_pattern(p + HUGE, HUGE / 2, 2));
	EXPECT_EQ(-1, check_bytes(p + HUGE + HUGE / 2, HUGE / 2 + 2 * HUGE, 0));
}

TEST_F(mig, what_cannot_move_is_mapped_where_it_lies)
{
	int fd = temp_file(HUGE);
	char *file, *shared = map_shared(HUGE), *huge = map_hugetlb(HUGE);
	char *p[3];
	unsigned int i;

	ASSERT_LE(0, fd);
	file = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, file);
	p[0] = file;
	p[1] = shared;
	p[2] = huge;
	for (i = 0; i < 3; i++) {
		if (!p[i])
			continue;
		fill_pattern(p[i], HUGE, i);
		EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p[i], HUGE, DRM_VSVM_PLACE_DEVICE));
		EXPECT_EQ(0, on_device(&self->t, p[i], HUGE));
		EXPECT_EQ(512, count_state(&self->t, p[i], HUGE, DRM_VSVM_PAGE_MAPPED,
					   DRM_VSVM_PAGE_MAPPED));
		EXPECT_EQ(-1, check_pattern(p[i], HUGE, i));
	}
	close(fd);
}

TEST_F(mig, pinned_pages_stay_and_the_others_go)
{
	char *p = map_aligned(HUGE), *copy = map_anon(16 * PAGE);
	struct iovec pin = { p + 64 * PAGE, 8 * PAGE };
	int fds[2];

	madvise(p, HUGE, MADV_NOHUGEPAGE);
	fill_pattern(p, HUGE, 3);
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ((ssize_t)pin.iov_len, vmsplice(fds[1], &pin, 1, 0));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, HUGE, DRM_VSVM_PLACE_DEVICE));
	EXPECT_EQ(512 - 8, on_device(&self->t, p, HUGE));
	EXPECT_EQ(0, on_device(&self->t, p + 64 * PAGE, 8 * PAGE));
	EXPECT_EQ((ssize_t)pin.iov_len, read(fds[0], copy, pin.iov_len));
	EXPECT_EQ(0, memcmp(copy, p + 64 * PAGE, pin.iov_len));
	EXPECT_EQ(-1, check_pattern(p, HUGE, 3));
	close(fds[0]);
	close(fds[1]);
}

TEST_F(mig, a_fault_moves_where_the_binding_says_so)
{
	char *p = map_aligned(BYTES);
	struct drm_vsvm_stats before, after;

	madvise(p, BYTES, MADV_NOHUGEPAGE);
	fill_pattern(p, BYTES, 4);
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, BYTES,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, BYTES));
	after = test_stats(&self->t);
	EXPECT_LT(before.migrated, after.migrated);
	EXPECT_LT(0, on_device(&self->t, p, BYTES));
	EXPECT_EQ(-1, check_pattern(p, BYTES, 4));
}

TEST_F(mig, a_touch_of_the_cpu_brings_back_64_kib_at_most)
{
	struct drm_vsvm_dev_counters before, after;
	char *p = make(&self->t, 8 * HUGE, 5);
	unsigned int i;

	ASSERT_NE(NULL, p);
	before = test_counters(&self->t);
	for (i = 0; i < 8; i++)
		(void)*(volatile char *)(p + i * HUGE + i * 13 * PAGE);
	after = test_counters(&self->t);
	EXPECT_LE(8, after.returned_pages - before.returned_pages);
	EXPECT_GE(8 * 16, after.returned_pages - before.returned_pages);
	EXPECT_LE(8 * (512 - 16), on_device(&self->t, p, 8 * HUGE));
	EXPECT_EQ(-1, check_pattern(p, 8 * HUGE, 5));
}

TEST_F(mig, a_part_of_a_huge_page_is_unmapped)
{
	char *p = map_huge(BYTES), *copy = map_anon(BYTES);

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, BYTES, 6);
	memcpy(copy, p, BYTES);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
	ASSERT_EQ(1024, on_device(&self->t, p, BYTES));
	ASSERT_EQ(0, munmap(p + HUGE / 2, HUGE));
	EXPECT_EQ(0, memcmp(copy, p, HUGE / 2));
	EXPECT_EQ(0, memcmp(copy + HUGE / 2 + HUGE, p + HUGE / 2 + HUGE, HUGE / 2));
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE / 2, 0x0707070707070707ull));
	EXPECT_EQ(-1, check_bytes(p, HUGE / 2, 7));
}

TEST_F(mig, moved_to_another_address)
{
	char *p = make(&self->t, BYTES, 7), *to = map_aligned(BYTES);

	ASSERT_NE(NULL, p);
	ASSERT_EQ(to, mremap(p, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	ASSERT_EQ(0, dev_touch_write(&self->t, to, BYTES));
	EXPECT_EQ(-1, check_pattern(to, BYTES, 7));
}

TEST_F(mig, both_sides_of_a_fork_write)
{
	char *p = make(&self->t, BYTES, 8);
	pid_t pid;

	ASSERT_NE(NULL, p);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (check_pattern(p, BYTES, 8) != -1)
			_exit(1);
		fill_pattern(p, BYTES, 9);
		_exit(check_pattern(p, BYTES, 9) == -1 ? 0 : 2);
	}
	EXPECT_EQ(0, dev_fill(&self->t, p, HUGE, 0x0a0a0a0a0a0a0a0aull));
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(-1, check_bytes(p, HUGE, 10));
	munmap(p, HUGE);
}

TEST_F(mig, protection_and_get_user_pages)
{
	char *p = make(&self->t, BYTES, 11), *copy = map_anon(BYTES);
	struct iovec from = { p, HUGE }, to = { copy, HUGE };

	ASSERT_NE(NULL, p);
	EXPECT_EQ((ssize_t)HUGE, process_vm_readv(getpid(), &to, 1, &from, 1, 0));
	EXPECT_EQ(-1, check_pattern(copy, HUGE, 11));
	ASSERT_EQ(0, mprotect(p + HUGE, HUGE, PROT_READ));
	EXPECT_NE(0, dev_store64(&self->t, p + HUGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + HUGE,
				  DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, mprotect(p + HUGE, HUGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, check_pattern(p, BYTES, 11));
}

TEST_F(mig, two_address_spaces_of_one_process)
{
	char *p = make(&self->t, BYTES, 12);
	struct test_vm other;

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, test_open_on(&other, self->t.dev, 0));
	EXPECT_EQ(0, dev_touch_write(&other, p, BYTES));
	EXPECT_EQ(0, dev_fill(&self->t, p, HUGE, 0x0c0c0c0c0c0c0c0cull));
	EXPECT_EQ(-1, check_bytes(p, HUGE, 12));
	EXPECT_EQ(0, test_close(&other));
}

TEST_F(mig, prefetch_is_refused_outside_of_the_mirror)
{
	struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_PREFETCH, .size = PAGE, .place = 17,
	};
	char *p = map_anon(4 * PAGE);
	uint32_t failed = 7;

	op.address = (uintptr_t)p;
	EXPECT_EQ(-EINVAL, vsvm_bind(self->t.vm, &op, 1, &failed));
	EXPECT_EQ(0, failed);
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, (uintptr_t)p, 4 * PAGE, DRM_VSVM_BIND_FORCE));
	EXPECT_EQ(-ENOENT, vsvm_prefetch(self->t.vm, p, PAGE, DRM_VSVM_PLACE_DEVICE));
}

TEST_F(mig, copies_that_fail_lose_nothing)
{
	char *p = map_aligned(BYTES);
	unsigned int i;

	REQUIRE(!bo_knob("copy_fail", 0), "no debugfs");
	for (i = 1; i < 4; i++) {
		fill_pattern(p, BYTES, i);
		bo_knob("copy_fail", i);
		EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
		EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
		bo_knob("copy_fail", 0);
		EXPECT_EQ(-1, check_pattern(p, BYTES, i));
	}
}

static void *count_up(void *arg)
{
	unsigned int i;

	for (i = 0; i < 2000; i++)
		__atomic_add_fetch((uint64_t *)arg, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST_F(mig, exclusive_atomics_lose_no_update)
{
	uint64_t *p = map_anon(PAGE);
	struct test_vm other;
	pthread_t thread;
	unsigned int i;

	*p = 0;
	ASSERT_EQ(0, test_open_on(&other, self->t.dev, DRM_VSVM_VM_EXCLUSIVE_ATOMICS));
	for (i = 0; i < 500; i++)
		put_atomic(&other.q, VSVM_ATOMIC_INC, 8, p, 0, 0, NULL);
	ASSERT_EQ(0, test_submit(&other.q));
	ASSERT_EQ(0, pthread_create(&thread, NULL, count_up, p));
	EXPECT_EQ(0, test_wait(&other.q));
	pthread_join(thread, NULL);
	EXPECT_EQ(2500, *p);
	EXPECT_LT(0, test_stats(&other).exclusive);
	EXPECT_EQ(0, test_close(&other));
}

/* --- more than the device holds --- */

FIXTURE(small)
{
	char before[1024];
	struct test_vm t;
};

FIXTURE_SETUP(small)
{
	REQUIRE(module_found(), "vsvm.ko is not to be found (VSVM_MODULE)");
	ASSERT_EQ(0, module_params(self->before, sizeof(self->before)));
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("vram_mib=16"));
	ASSERT_EQ(0, test_open(&self->t));
}

FIXTURE_TEARDOWN(small)
{
	if (!self->before[0])
		return;
	EXPECT_EQ(0, test_close(&self->t));
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(self->before));
}

static int oversubscribe(struct test_vm *t, size_t size, bool huge, uint64_t seed)
{
	char *p = map_aligned(size);
	size_t at;

	madvise(p, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	fill_pattern(p, size, seed);
	for (at = 0; at < size; at += 4 * HUGE)
		if (vsvm_prefetch(t->vm, p + at, 4 * HUGE, DRM_VSVM_PLACE_DEVICE))
			return __LINE__;
	if (dev_touch_write(t, p, size) || check_pattern(p, size, seed) != -1)
		return __LINE__;
	munmap(p, size);
	return 0;
}

TEST_F_LONG(small, twice_and_four_times, 120)
{
	EXPECT_EQ(0, oversubscribe(&self->t, 16 * HUGE, false, 1));
	EXPECT_EQ(0, oversubscribe(&self->t, 16 * HUGE, true, 2));
	EXPECT_EQ(0, oversubscribe(&self->t, 32 * HUGE, false, 3));
	EXPECT_LT(0, test_counters(&self->t).evicted_pages);
}

TEST_F_LONG(small, several_processes_and_objects, 120)
{
	struct vsvm_bo *bo[4];
	pid_t pid[2];
	unsigned int i;
	void *p;

	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			struct test_vm t;

			_exit(test_open(&t) || oversubscribe(&t, 12 * HUGE, i, 4 + i));
		}
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, vsvm_bo_create(self->t.dev, 3 * HUGE, DRM_VSVM_BO_VRAM, 0, &bo[i]));
		ASSERT_EQ(0, vsvm_bo_map(bo[i], &p));
		fill_pattern(p, 3 * HUGE, 20 + i);
	}
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, wait_child(pid[i]));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, vsvm_bo_map(bo[i], &p));
		EXPECT_EQ(-1, check_pattern(p, 3 * HUGE, 20 + i));
		vsvm_bo_destroy(bo[i]);
	}
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

TEST_F(small, the_end_of_the_device_brings_everything_back)
{
	char *p = make(&self->t, BYTES, 30);
	char name[64];

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, platform_device(name, sizeof(name)));
	ASSERT_EQ(0, platform_unbind(name));
	EXPECT_EQ(-1, check_pattern(p, BYTES, 30));
	EXPECT_EQ(0, platform_bind(name));
	vsvm_close(self->t.dev);
	ASSERT_EQ(0, test_open(&self->t));
}

TEST_HARNESS_MAIN
