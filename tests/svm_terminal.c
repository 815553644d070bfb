// SPDX-License-Identifier: MIT
/*
 * Memory that the device must not get: each ends the queue with a record that
 * is exact, and no good page next to a bad one pays for it.
 */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vsvm_harness.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret	447
#endif
#ifndef SYS_map_shadow_stack
#define SYS_map_shadow_stack	453
#endif
#ifndef MADV_HWPOISON
#define MADV_HWPOISON		100
#endif

FIXTURE_VSVM(terminal);

TEST_F(terminal, prot_none)
{
	char *p = map_anon(3 * PAGE);
	uint64_t value = 0;

	memset(p, 1, 3 * PAGE);
	ASSERT_EQ(0, mprotect(p + PAGE, PAGE, PROT_NONE));
	EXPECT_NE(0, dev_load64(&self->t, p + PAGE + 24, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + PAGE + 24,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_NE(0, dev_store64(&self->t, p + PAGE + 32, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + PAGE + 32,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_NE(0, dev_atomic(&self->t, VSVM_ATOMIC_ADD, 4, p + PAGE + 36, 1, 0, NULL));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + PAGE + 36,
				  DRM_VSVM_ACCESS_ATOMIC));
	/* Its neighbours */
	ASSERT_EQ(0, dev_store64(&self->t, p, 2));
	ASSERT_EQ(0, dev_store64(&self->t, p + 2 * PAGE, 2));
	ASSERT_EQ(0, mprotect(p + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(-1, check_bytes(p + PAGE, PAGE, 1));
}

TEST_F(terminal, read_only_is_read_and_not_written)
{
	char *p = map_anon(2 * PAGE);
	uint64_t value = 0;

	fill_pattern(p, 2 * PAGE, 1);
	ASSERT_EQ(0, mprotect(p, 2 * PAGE, PROT_READ));
	ASSERT_EQ(0, dev_load64(&self->t, p, &value));
	EXPECT_EQ(test_pattern(1, 0), value);
	EXPECT_NE(0, dev_store64(&self->t, p + 8, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + 8,
				  DRM_VSVM_ACCESS_WRITE));
	/* Not mapped before, and not by a read */
	EXPECT_NE(0, dev_fill(&self->t, p + PAGE + 1, 1, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + PAGE + 1,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_NE(0, dev_atomic(&self->t, VSVM_ATOMIC_XCHG, 8, p + 16, 1, 0, NULL));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + 16,
				  DRM_VSVM_ACCESS_ATOMIC));
	EXPECT_EQ(-1, check_pattern(p, 2 * PAGE, 1));
}

TEST_F(terminal, never_populated_read_only_memory)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t value = 1;

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_NE(0, dev_store64(&self->t, p, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p,
				  DRM_VSVM_ACCESS_WRITE));
	ASSERT_EQ(0, dev_load64(&self->t, p, &value));
	EXPECT_EQ(0, value);
}

TEST_F(terminal, hole_between_two_mappings)
{
	char *p = map_anon(3 * PAGE);
	uint64_t value = 0;

	ASSERT_EQ(0, munmap(p + PAGE, PAGE));
	EXPECT_NE(0, dev_load64(&self->t, p + PAGE + 8, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + PAGE + 8,
				  DRM_VSVM_ACCESS_READ));
	/* A copy up to the last good byte, and one further */
	ASSERT_EQ(0, dev_fill(&self->t, p, PAGE, 0x0101010101010101ull));
	ASSERT_EQ(0, dev_copy(&self->t, p + 2 * PAGE, p, PAGE));
	EXPECT_NE(0, dev_copy(&self->t, p + 2 * PAGE, p + 1, PAGE));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + PAGE,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_EQ(-1, check_bytes(p, PAGE, 1));
}

TEST_F(terminal, null_pointer)
{
	uint64_t value = 0;

	EXPECT_NE(0, dev_load64(&self->t, (void *)8, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, (void *)8,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_NE(0, dev_store64(&self->t, NULL, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, NULL,
				  DRM_VSVM_ACCESS_WRITE));
}

TEST_F(terminal, addresses_that_no_process_has)
{
	static const uint64_t wide[] = {
		1ull << 48, 0x0001000000000008ull, 0x7fffffffffffff00ull, 0x8000000000000000ull,
		0xffff800000000000ull, 0xffff888000001000ull, 0xffffffff81000000ull,
		0xffffffffff600000ull, 0xfffffffffffffff8ull,
	};
	/* Wide enough for the device, not for a process */
	static const uint64_t beyond[] = { 1ull << 47, 0x0000fffffffff000ull };
	uint64_t value = 0;
	unsigned int i;

	/* Found in the packet, before anything is accessed */
	for (i = 0; i < ARRAY_SIZE(wide); i++) {
		EXPECT_NE(0, dev_load64(&self->t, (void *)wide[i], &value));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_ADDRESS, EFAULT,
					  (void *)wide[i], DRM_VSVM_ACCESS_NONE));
		EXPECT_NE(0, dev_store64(&self->t, (void *)wide[i], 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_ADDRESS, EFAULT,
					  (void *)wide[i], DRM_VSVM_ACCESS_NONE));
	}
	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		EXPECT_NE(0, dev_store64(&self->t, (void *)beyond[i], 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
					  (void *)beyond[i], DRM_VSVM_ACCESS_WRITE));
	}
}

TEST_F(terminal, guard_page_among_good_ones)
{
	char *p = map_anon(32 * PAGE);
	uint64_t value = 0;
	int i;

	memset(p, 3, 32 * PAGE);
	REQUIRE(!madvise(p + 8 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL), "no guard pages: %s",
		strerror(errno));
	EXPECT_NE(0, dev_load64(&self->t, p + 9 * PAGE + 16, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + 9 * PAGE + 16,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_NE(0, dev_store64(&self->t, p + 8 * PAGE, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + 8 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	for (i = 0; i < 32; i++) {
		if (i == 8 || i == 9)
			continue;
		ASSERT_EQ(0, dev_store64(&self->t, p + i * PAGE, i));
	}
	EXPECT_EQ(30, count_state(&self->t, p, 32 * PAGE, DRM_VSVM_PAGE_MAPPED,
				  DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, madvise(p + 8 * PAGE, 2 * PAGE, MADV_GUARD_REMOVE));
	ASSERT_EQ(0, dev_load64(&self->t, p + 8 * PAGE, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, dev_store64(&self->t, p + 9 * PAGE, 9));
	EXPECT_EQ(9, *(uint64_t *)(p + 9 * PAGE));
}

TEST_F(terminal, guard_page_installed_over_what_the_device_maps)
{
	char *p = map_anon(16 * PAGE);
	uint64_t value = 0;

	memset(p, 3, 16 * PAGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 16 * PAGE));
	REQUIRE(!madvise(p + 4 * PAGE, PAGE, MADV_GUARD_INSTALL), "no guard pages: %s",
		strerror(errno));
	EXPECT_EQ(0, page_state(&self->t, p + 4 * PAGE) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_NE(0, dev_load64(&self->t, p + 4 * PAGE, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + 4 * PAGE,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_EQ(15, count_state(&self->t, p, 16 * PAGE, DRM_VSVM_PAGE_MAPPED,
				  DRM_VSVM_PAGE_MAPPED));
}

TEST_F(terminal, every_kind_of_bad_neighbour_at_once)
{
	/* A 2 MiB block in which every other page is bad in some way */
	char *p = map_aligned(HUGE);
	bool guards;
	int i, fd = temp_file(PAGE);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, madvise(p, HUGE, MADV_NOHUGEPAGE));
	guards = !madvise(p + 11 * PAGE, PAGE, MADV_GUARD_INSTALL);
	for (i = 1; i < 64; i += 2) {
		switch (i / 2 % 4) {
		case 0:
			ASSERT_EQ(0, mprotect(p + i * PAGE, PAGE, PROT_NONE));
			break;
		case 1:
			ASSERT_EQ(0, munmap(p + i * PAGE, PAGE));
			break;
		case 2:
			if (guards) {
				ASSERT_EQ(0, madvise(p + i * PAGE, PAGE, MADV_GUARD_INSTALL));
			}
			break;
		default:
			/* Past the end of a file */
			ASSERT_EQ(p + i * PAGE, mmap(p + i * PAGE, PAGE, PROT_READ | PROT_WRITE,
						     MAP_SHARED | MAP_FIXED, fd, 16 * PAGE));
		}
	}
	for (i = 0; i < 64; i += 2) {
		ASSERT_EQ(0, dev_store64(&self->t, p + i * PAGE + 8, i + 1));
		EXPECT_EQ(i + 1, *(uint64_t *)(p + i * PAGE + 8));
	}
	EXPECT_EQ(0, count_state(&self->t, p + PAGE, PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	close(fd);
}

TEST_F(terminal, bad_neighbours_within_a_stream)
{
	/* The stream makes the driver fault ahead, into the guard page */
	char *p = map_anon(256 * PAGE);
	int i;

	ASSERT_EQ(0, mprotect(p + 200 * PAGE, PAGE, PROT_NONE));
	ASSERT_EQ(0, munmap(p + 220 * PAGE, PAGE));
	for (i = 0; i < 200; i++)
		put_store64(&self->t.q, p + i * PAGE, i);
	ASSERT_EQ(0, test_run(&self->t.q));
	for (i = 201; i < 220; i++)
		put_store64(&self->t.q, p + i * PAGE, i);
	for (i = 221; i < 256; i++)
		put_store64(&self->t.q, p + i * PAGE, i);
	ASSERT_EQ(0, test_run(&self->t.q));
	for (i = 0; i < 256; i++) {
		if (i == 200 || i == 220)
			continue;
		EXPECT_EQ(i, *(int *)(p + i * PAGE));
	}
	EXPECT_NE(0, dev_fill(&self->t, p + 199 * PAGE, 3 * PAGE, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + 200 * PAGE,
				  DRM_VSVM_ACCESS_WRITE));
}

/* The device may neither read nor write there; 0 if it is told so, exactly */
static int refused(struct test_vm *t, char *p)
{
	uint64_t value = 0;

	if (!dev_load64(t, p + 128, &value) ||
	    expect_fault(&t->q, DRM_VSVM_FAULT_UNSUPPORTED, EOPNOTSUPP, p + 128,
			 DRM_VSVM_ACCESS_READ))
		return __LINE__;
	if (!dev_store64(t, p + 136, 1) ||
	    expect_fault(&t->q, DRM_VSVM_FAULT_UNSUPPORTED, EOPNOTSUPP, p + 136,
			 DRM_VSVM_ACCESS_WRITE))
		return __LINE__;
	return page_state(t, p) & DRM_VSVM_PAGE_MAPPED ? __LINE__ : 0;
}

/* A mapping of page frames: the CPU's own of a buffer object */
TEST_F(terminal, memory_that_no_device_may_map)
{
	struct vsvm_bo *bo;
	char *p;

	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, 4 * PAGE, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&p));
	/* There, for the CPU, or not yet */
	p[0] = 1;
	EXPECT_EQ(0, refused(&self->t, p));
	EXPECT_EQ(0, refused(&self->t, p + 2 * PAGE));
	/* Bound for the device it is as good as any */
	ASSERT_EQ(0, vsvm_bind_bo(self->t.vm, bo, (uintptr_t)p, 0, 4 * PAGE,
				  DRM_VSVM_BIND_REPLACE));
	EXPECT_EQ(0, dev_store64(&self->t, p, 2));
	EXPECT_EQ(2, *(uint64_t *)p);
	vsvm_unbind(self->t.vm, (uintptr_t)p, 4 * PAGE, DRM_VSVM_BIND_FORCE);
	vsvm_bo_destroy(bo);
}

/* Registers of a device, wherever one lets itself be mapped */
TEST_F(terminal, registers_of_another_device)
{
	char *p = MAP_FAILED;
	glob_t found;
	size_t i;

	REQUIRE(!glob("/sys/bus/pci/devices/*/resource[0-9]", 0, NULL, &found),
		"no PCI device with registers");
	for (i = 0; i < found.gl_pathc && p == MAP_FAILED; i++) {
		int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);

		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	globfree(&found);
	REQUIRE(p != MAP_FAILED, "no PCI device whose registers may be mapped");
	EXPECT_EQ(0, refused(&self->t, p));
	munmap(p, PAGE);
}

/* What even the kernel has no mapping of */
TEST_F(terminal, secret_memory)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	char *p;

	REQUIRE(fd >= 0, "no memfd_secret(): %s", strerror(errno));
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED, "no secret memory: %s", strerror(errno));
	p[0] = 1;
	EXPECT_EQ(0, refused(&self->t, p));
	EXPECT_EQ(0, refused(&self->t, p + 2 * PAGE));
	EXPECT_EQ(1, p[0]);
	EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p, 4 * PAGE, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(0, count_state(&self->t, p, 4 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	munmap(p, 4 * PAGE);
	close(fd);
}

/* A stack of return addresses: what could write it could take the process over */
TEST_F(terminal, shadow_stack)
{
	char *p = (char *)syscall(SYS_map_shadow_stack, 0, 4 * PAGE, 0);

	REQUIRE(p != MAP_FAILED, "no shadow stacks: %s", strerror(errno));
	EXPECT_EQ(0, refused(&self->t, p));
	EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p, 4 * PAGE, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(0, count_state(&self->t, p, 4 * PAGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	munmap(p, 4 * PAGE);
}

static void ignore(int signal)
{
	(void)signal;
}

TEST_F(terminal, poisoned_page)
{
	struct sigaction action = { .sa_handler = ignore };
	char *p = map_anon(8 * PAGE);
	uint64_t value = 0;
	int i;

	/* Who poisons a page is told so, whether it touches it or not */
	ASSERT_EQ(0, sigaction(SIGBUS, &action, NULL));
	memset(p, 6, 8 * PAGE);
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 8 * PAGE));
	REQUIRE(!madvise(p + 3 * PAGE, PAGE, MADV_HWPOISON), "no memory failure: %s",
		strerror(errno));
	EXPECT_EQ(0, page_state(&self->t, p + 3 * PAGE) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_NE(0, dev_load64(&self->t, p + 3 * PAGE + 8, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + 3 * PAGE + 8,
				  DRM_VSVM_ACCESS_READ));
	for (i = 0; i < 8; i++) {
		if (i == 3)
			continue;
		ASSERT_EQ(0, dev_store64(&self->t, p + i * PAGE, i));
		EXPECT_EQ(i, *(int *)(p + i * PAGE));
	}
	/* A new page in its place is as good as any */
	ASSERT_EQ(p + 3 * PAGE, mmap(p + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, dev_store64(&self->t, p + 3 * PAGE, 3));
}

TEST_F(terminal, another_queue_goes_on)
{
	struct test_queue other;
	char *p = map_anon(512 * PAGE);
	int i;

	ASSERT_EQ(0, test_queue_open(&self->t, &other));
	for (i = 0; i < 256; i++)
		put_fill(&other, p + 2 * i * PAGE, 2 * PAGE, i + 1);
	ASSERT_EQ(0, test_submit(&other));
	for (i = 0; i < 16; i++) {
		EXPECT_NE(0, dev_store64(&self->t, (void *)(16ul + 8 * i), 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
					  (void *)(16ul + 8 * i), DRM_VSVM_ACCESS_WRITE));
	}
	EXPECT_EQ(0, test_wait(&other));
	for (i = 0; i < 256 * 1024; i++) {
		ASSERT_EQ(i / 1024 + 1, (int)((uint64_t *)p)[i]);
	}
	test_queue_close(&other);
}

TEST_HARNESS_MAIN
