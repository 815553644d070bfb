// SPDX-License-Identifier: MIT
/*
 * Memory of every kind that a process can have, seen from the device: what the
 * CPU wrote is read, what the device writes is read back.
 */
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "vsvm_harness.h"

FIXTURE_VSVM(memory);

/*
 * Both directions over the whole of [p, p + size), at odd offsets too.  Returns
 * the line that found something wrong, or 0.
 */
static int roundtrip(struct test_vm *t, char *p, size_t size)
{
	char *copy = map_anon(size);
	volatile uint32_t *result = (volatile uint32_t *)t->out;
	int bad = 0;

	/* CPU to device */
	fill_pattern(p, size, 1);
	put_crc(&t->q, p, size, 0, result);
	if (test_run(&t->q) || *result != crc32c(0, p, size))
		bad = __LINE__;
	if (dev_copy(t, copy, p, size) || check_pattern(copy, size, 1) >= 0)
		bad = __LINE__;
	/* Device to CPU */
	fill_pattern(copy, size, 2);
	if (dev_copy(t, p, copy, size) || check_pattern(p, size, 2) >= 0)
		bad = __LINE__;
	/* The CPU's next write is seen again, without anything in between */
	*(volatile uint64_t *)p = 0x1234;
	if (dev_copy(t, copy, p, 8) || *(uint64_t *)copy != 0x1234)
		bad = __LINE__;
	/* Byte granularity: the neighbours of an odd range stay */
	memset(p, 0x11, size);
	if (dev_fill(t, p + 3, size - 10, 0x2222222222222222ull))
		bad = __LINE__;
	if (check_bytes(p, 3, 0x11) >= 0 || check_bytes(p + 3, size - 10, 0x22) >= 0 ||
	    check_bytes(p + size - 7, 7, 0x11) >= 0)
		bad = __LINE__;
	munmap(copy, size);
	return bad;
}

TEST_F(memory, anonymous_written_by_the_cpu_first)
{
	char *p = map_anon(64 * PAGE);

	EXPECT_EQ(0, roundtrip(&self->t, p, 64 * PAGE));
	EXPECT_EQ(64, count_state(&self->t, p, 64 * PAGE, DRM_VSVM_PAGE_MAPPED |
				  DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_WRITE));
}

TEST_F(memory, anonymous_written_by_the_device_first)
{
	char *p = map_anon(16 * PAGE);

	ASSERT_EQ(0, dev_store64(&self->t, p + 5 * PAGE + 8, 0xfeedface));
	EXPECT_EQ(0xfeedface, *(uint64_t *)(p + 5 * PAGE + 8));
	/* The rest is zero, on that page too */
	EXPECT_EQ(-1, check_bytes(p, 5 * PAGE + 8, 0));
	EXPECT_EQ(-1, check_bytes(p + 5 * PAGE + 16, 10 * PAGE, 0));
}

TEST_F(memory, zero_page_is_read_and_stays_zero)
{
	char *p = map_anon(8 * PAGE), *other = map_anon(PAGE);
	uint64_t value = 1;
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, dev_load64(&self->t, p + i * PAGE, &value));
		EXPECT_EQ(0, value);
	}
	EXPECT_EQ(DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ,
		  page_state(&self->t, p) & (DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ |
					     DRM_VSVM_PAGE_WRITE));
	/* The CPU's own zero page, then the device writes to its mapping of it */
	EXPECT_EQ(0, *(volatile uint64_t *)other);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, dev_store64(&self->t, p + i * PAGE, 0xbad0 + i));
	}
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(0xbad0u + i, *(uint64_t *)(p + i * PAGE));
	}
	/* Were it shared, this would show it */
	EXPECT_EQ(0, *(volatile uint64_t *)other);
	value = 1;
	ASSERT_EQ(0, dev_load64(&self->t, other, &value));
	EXPECT_EQ(0, value);
}

TEST_F(memory, zero_page_after_a_cpu_read_is_not_written_to)
{
	volatile char *p = map_anon(2 * PAGE);

	/* The CPU maps the zero page, the device the same one, the CPU writes */
	EXPECT_EQ(0, p[0] + p[PAGE]);
	ASSERT_EQ(0, dev_touch_read(&self->t, p, 2 * PAGE));
	p[0] = 7;
	ASSERT_EQ(0, dev_touch_read(&self->t, p, PAGE));
	EXPECT_EQ(7, self->t.out[0]);
	ASSERT_EQ(0, dev_store64(&self->t, p + PAGE, 9));
	EXPECT_EQ(9, p[PAGE]);
	EXPECT_EQ(7, p[0]);
}

TEST_F(memory, huge_zero_page_is_not_written_to)
{
	char *p = map_aligned(HUGE), *other = map_aligned(HUGE);
	uint64_t value = 1;

	ASSERT_EQ(0, madvise(p, HUGE, MADV_HUGEPAGE));
	ASSERT_EQ(0, madvise(other, HUGE, MADV_HUGEPAGE));
	EXPECT_EQ(0, *(volatile char *)p);
	EXPECT_EQ(0, *(volatile char *)other);
	ASSERT_EQ(0, dev_load64(&self->t, p + 4096 + 8, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, page_state(&self->t, p + 4096) & DRM_VSVM_PAGE_WRITE);
	ASSERT_EQ(0, dev_store64(&self->t, p + 4096 + 8, 0xdead));
	EXPECT_EQ(0xdead, *(uint64_t *)(p + 4096 + 8));
	EXPECT_EQ(-1, check_bytes(other, HUGE, 0));
	EXPECT_EQ(-1, check_bytes(p + 8192, HUGE - 8192, 0));
}

TEST_F(memory, thp_is_mapped_by_one_leaf)
{
	char *p = map_huge(2 * HUGE);
	struct drm_vsvm_stats before, after;

	REQUIRE(p, "no huge pages to be had");
	before = test_stats(&self->t);
	ASSERT_EQ(0, dev_store64(&self->t, p + 12345 * 8, 1));
	after = test_stats(&self->t);
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_MAPPED |
				   DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_HUGE |
				   DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_WRITE));
	EXPECT_EQ(1, after.mapped_2m - before.mapped_2m);
	EXPECT_EQ(1, after.resident_2m - before.resident_2m);
	EXPECT_EQ(0, count_state(&self->t, p + HUGE, HUGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(0, roundtrip(&self->t, p, 2 * HUGE));
	EXPECT_EQ(1024, count_state(&self->t, p, 2 * HUGE, DRM_VSVM_PAGE_HUGE,
				    DRM_VSVM_PAGE_HUGE));
}

TEST_F(memory, thp_is_populated_by_a_device_touch)
{
	char *p = map_aligned(HUGE);

	ASSERT_EQ(0, madvise(p, HUGE, MADV_HUGEPAGE));
	ASSERT_EQ(0, dev_store64(&self->t, p + 77 * PAGE, 77));
	EXPECT_EQ(77, *(uint64_t *)(p + 77 * PAGE));
	REQUIRE(smaps_kib(p, "AnonHugePages:") == 2048, "no huge pages to be had");
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE, DRM_VSVM_PAGE_HUGE));
}

TEST_F(memory, thp_that_the_vma_cuts_is_mapped_in_small_pages)
{
	char *p = map_huge(HUGE);

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 3);
	/* Another VMA over the second half; the folio may stay whole */
	ASSERT_EQ(0, mprotect(p + HUGE / 2, HUGE / 2, PROT_READ));
	ASSERT_EQ(0, dev_touch_read(&self->t, p, HUGE));
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_store64(&self->t, p, 5));
	EXPECT_NE(0, dev_store64(&self->t, p + HUGE / 2, 5));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p + HUGE / 2,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(5, *(uint64_t *)p);
	EXPECT_EQ(test_pattern(3, HUGE / 16), *(uint64_t *)(p + HUGE / 2));
}

TEST_F(memory, hugetlb)
{
	char *p = map_hugetlb(2 * HUGE);

	REQUIRE(p, "no hugetlb pages to be had");
	EXPECT_EQ(0, roundtrip(&self->t, p, 2 * HUGE));
	EXPECT_EQ(1024, count_state(&self->t, p, 2 * HUGE, DRM_VSVM_PAGE_HUGE |
				    DRM_VSVM_PAGE_WRITE, DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_WRITE));
	ASSERT_EQ(0, munmap(p, HUGE));
	EXPECT_EQ(0, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	ASSERT_EQ(0, dev_store64(&self->t, p + HUGE, 1));
	EXPECT_NE(0, dev_store64(&self->t, p + HUGE - 8, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p + HUGE - 8,
				  DRM_VSVM_ACCESS_WRITE));
}

TEST_F(memory, hugetlb_populated_by_the_device)
{
	char *p = map_hugetlb(HUGE);

	REQUIRE(p, "no hugetlb pages to be had");
	ASSERT_EQ(0, dev_store64(&self->t, p + 100 * PAGE, 0x77));
	EXPECT_EQ(0x77, *(uint64_t *)(p + 100 * PAGE));
	EXPECT_EQ(-1, check_bytes(p + 101 * PAGE, 411 * PAGE, 0));
}

TEST_F(memory, shared_huge_pages)
{
	const char *knob = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	int fd = temp_memfd(2 * HUGE);
	char *p;

	ASSERT_LE(0, fd);
	REQUIRE(!write_text(knob, "advise"), "no huge pages of shared memory");
	p = map_aligned(2 * HUGE);
	ASSERT_EQ(p, mmap(p, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
	madvise(p, 2 * HUGE, MADV_HUGEPAGE);
	/* The first touch of one by the CPU, of the other by the device */
	p[0] = 1;
	ASSERT_EQ(0, dev_store64(&self->t, p + HUGE + 8, 2));
	EXPECT_EQ(0, roundtrip(&self->t, p, 2 * HUGE));
	if (smaps_kib(p, "ShmemPmdMapped:") == 4096) {
		EXPECT_EQ(1024, count_state(&self->t, p, 2 * HUGE, DRM_VSVM_PAGE_HUGE,
					    DRM_VSVM_PAGE_HUGE));
	}
	/* What the file has lost the device must not have any more */
	ASSERT_EQ(0, ftruncate(fd, HUGE));
	EXPECT_EQ(0, count_state(&self->t, p + HUGE, HUGE, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
	EXPECT_NE(0, dev_store64(&self->t, p + HUGE + 64, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, p + HUGE + 64,
				  DRM_VSVM_ACCESS_WRITE));
	write_text(knob, "never");
	close(fd);
}

TEST_F(memory, locked)
{
	char *p = map_anon(16 * PAGE);

	ASSERT_EQ(0, mlock(p, 16 * PAGE));
	EXPECT_EQ(0, roundtrip(&self->t, p, 16 * PAGE));
	EXPECT_EQ(16, pagemap_count(p, 16 * PAGE, PM_PRESENT));
}

static int roundtrip_on_the_stack(struct test_vm *t)
{
	char local[3 * PAGE];

	return roundtrip(t, local, sizeof(local));
}

TEST_F(memory, stack)
{
	EXPECT_EQ(0, roundtrip_on_the_stack(&self->t));
}

TEST_F(memory, stack_is_not_grown_by_the_device)
{
	uintptr_t start, end;
	char *below;

	/* Far below what the stack has grown to, the process has no mapping yet */
	ASSERT_EQ(true, find_mapping("[stack]", &start, &end));
	below = (char *)start - 64 * PAGE;
	EXPECT_NE(0, dev_store64(&self->t, below, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, below,
				  DRM_VSVM_ACCESS_WRITE));
}

TEST_F(memory, heap_small_and_large)
{
	char *small[64], *large = malloc(3 << 20);
	int i;

	ASSERT_NE(NULL, large);
	for (i = 0; i < 64; i++) {
		small[i] = malloc(40);
		ASSERT_NE(NULL, small[i]);
		memset(small[i], i, 40);
	}
	/* Neighbours on one page, each written on its own */
	for (i = 0; i < 64; i += 2)
		put_fill(&self->t.q, small[i], 40, 0xaaaaaaaaaaaaaaaaull);
	ASSERT_EQ(0, test_run(&self->t.q));
	for (i = 0; i < 64; i++) {
		EXPECT_EQ(-1, check_bytes(small[i], 40, i % 2 ? i : 0xaa));
	}
	EXPECT_EQ(0, roundtrip(&self->t, large, 3 << 20));
}

static char in_bss[5 * PAGE];
static char in_data[3 * PAGE] = { 1 };
static const char in_rodata[2 * PAGE] = { [0] = 42, [2 * PAGE - 1] = 43 };

TEST_F(memory, static_data)
{
	EXPECT_EQ(0, roundtrip(&self->t, in_bss, sizeof(in_bss)));
	EXPECT_EQ(0, roundtrip(&self->t, in_data, sizeof(in_data)));
}

TEST_F(memory, constants_and_code_are_read_not_written)
{
	volatile char *constant = (volatile char *)(uintptr_t)in_rodata;
	uintptr_t code = ((uintptr_t)&roundtrip + 7) & ~7ul;
	char *copy = map_anon(2 * PAGE);

	ASSERT_EQ(0, dev_copy(&self->t, copy, constant, sizeof(in_rodata)));
	EXPECT_EQ(42, copy[0]);
	EXPECT_EQ(43, copy[2 * PAGE - 1]);
	EXPECT_NE(0, dev_fill(&self->t, constant, 1, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, constant,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(42, constant[0]);

	ASSERT_EQ(0, dev_copy(&self->t, copy, (void *)code, 64));
	EXPECT_EQ(0, memcmp(copy, (void *)code, 64));
	EXPECT_NE(0, dev_store64(&self->t, (void *)code, 0));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, (void *)code,
				  DRM_VSVM_ACCESS_WRITE));
}

TEST_F(memory, shared_anonymous)
{
	EXPECT_EQ(0, roundtrip(&self->t, map_shared(20 * PAGE), 20 * PAGE));
}

TEST_F(memory, shared_with_a_child)
{
	volatile uint32_t *flag = map_shared(PAGE);
	volatile uint64_t *p = map_shared(4 * PAGE);
	pid_t child;

	ASSERT_EQ(0, dev_store64(&self->t, p, 1));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		p[1] = p[0] + 1;
		flag_set(flag, 1);
		_exit(flag_wait(flag, 2) && p[2] == 3 && p[1536] == 4 ? 0 : 1);
	}
	ASSERT_EQ(true, flag_wait(flag, 1));
	/* What the child wrote is read, what the device writes the child reads */
	ASSERT_EQ(0, dev_copy(&self->t, self->t.out, p, 16));
	EXPECT_EQ(2, self->t.out[1]);
	ASSERT_EQ(0, dev_store64(&self->t, &p[2], 3));
	ASSERT_EQ(0, dev_store64(&self->t, &p[1536], 4));
	flag_set(flag, 2);
	EXPECT_EQ(0, wait_child(child));
}

TEST_F(memory, system_v_shared)
{
	int id = shmget(IPC_PRIVATE, 6 * PAGE, IPC_CREAT | 0600);
	char *p;

	REQUIRE(id >= 0 || errno != ENOSYS, "no System V shared memory");
	ASSERT_LE(0, id);
	p = shmat(id, NULL, 0);
	ASSERT_EQ(0, shmctl(id, IPC_RMID, NULL));
	ASSERT_NE((void *)-1, p);
	EXPECT_EQ(0, roundtrip(&self->t, p, 6 * PAGE));
	ASSERT_EQ(0, shmdt(p));
	EXPECT_NE(0, dev_store64(&self->t, p, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p,
				  DRM_VSVM_ACCESS_WRITE));
}

TEST_F(memory, memfd_through_two_mappings)
{
	int fd = temp_memfd(8 * PAGE);
	char *a, *b;

	ASSERT_LE(0, fd);
	a = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, a);
	ASSERT_NE(MAP_FAILED, b);
	EXPECT_EQ(0, roundtrip(&self->t, a, 8 * PAGE));
	/* One address of the page written by the device, the other read by it */
	fill_pattern(a, 8 * PAGE, 8);
	EXPECT_EQ(-1, check_pattern(b, 8 * PAGE, 8));
	ASSERT_EQ(0, dev_store64(&self->t, a + 4096, 0x1111));
	ASSERT_EQ(0, dev_copy(&self->t, self->t.out, b + 4096, 8));
	EXPECT_EQ(0x1111, self->t.out[0]);
	ASSERT_EQ(0, dev_store64(&self->t, b + 4096, 0x2222));
	EXPECT_EQ(0x2222, *(uint64_t *)(a + 4096));
	close(fd);
}

TEST_F(memory, memfd_sealed_against_writing)
{
	int fd = temp_memfd(2 * PAGE);
	uint64_t value = 0;
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(8, pwrite(fd, "sealed!", 8, 0));
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, dev_load64(&self->t, p, &value));
	EXPECT_EQ(0, memcmp(&value, "sealed!", 8));
	EXPECT_NE(0, dev_store64(&self->t, p, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, p,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(0, memcmp(p, "sealed!", 8));
	close(fd);
}

TEST_F(memory, high_and_low_addresses)
{
	/* As far up as a process may map, and as far down */
	char *high = mmap((void *)(0x7ffffffff000ul - 64 * HUGE), HUGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	char *low = mmap((void *)0x10000, 16 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (high != MAP_FAILED) {
		EXPECT_EQ(0, roundtrip(&self->t, high, 8 * PAGE));
	}
	ASSERT_NE(MAP_FAILED, low);
	EXPECT_EQ(0, roundtrip(&self->t, low, 16 * PAGE));
}

TEST_F(memory, bounds_of_huge_blocks_and_notifiers)
{
	/* Across a 2 MiB boundary and one of 32 MiB, which no alignment favours */
	char *base = map_anon(80ul << 20);
	char *at = (char *)(((uintptr_t)base + (64ul << 20)) & ~((32ul << 20) - 1)) - 5 * PAGE;

	EXPECT_EQ(0, roundtrip(&self->t, at, 10 * PAGE));
	EXPECT_EQ(0, roundtrip(&self->t, at + HUGE, 10 * PAGE));
}

TEST_HARNESS_MAIN
