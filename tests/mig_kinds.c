// SPDX-License-Identifier: MIT
/*
 * There and back for every kind of memory that a process can have, and with every
 * setting of the parameters that say how.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(2 * HUGE)
#define ONES	0x0101010101010101ull

/* --- kinds of memory --- */

static char *file_of(int fd, int flags)
{
	char *p = fd < 0 ? MAP_FAILED : mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static char *make_small(void)
{
	return map_anon(BYTES);
}

static char *make_huge(void)
{
	return map_huge(BYTES);
}

static char *make_hugetlb(void)
{
	return map_hugetlb(BYTES);
}

static char *make_shared(void)
{
	return map_shared(BYTES);
}

static char *make_file_shared(void)
{
	return file_of(temp_file(BYTES), MAP_SHARED);
}

static char *make_file_private(void)
{
	return file_of(temp_file(BYTES), MAP_PRIVATE);
}

static char *make_memfd(void)
{
	return file_of(temp_memfd(BYTES), MAP_SHARED);
}

static char *make_sysv(void)
{
	int id = shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600);
	char *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	return p == (void *)-1 ? NULL : p;
}

static char *make_locked(void)
{
	char *p = map_anon(BYTES);

	return mlock(p, BYTES) ? NULL : p;
}

static char *make_heap(void)
{
	return aligned_alloc(PAGE, BYTES);
}

static char *make_break(void)
{
	char *p = sbrk((intptr_t)BYTES + (intptr_t)PAGE);

	return p == (void *)-1 ? NULL : p + (-(uintptr_t)p & (PAGE - 1));
}

static char *make_static(void)
{
	static char memory[BYTES] __attribute__((aligned(PAGE)));

	return memory;
}

/* Huge pages and small ones */
static char *make_mixed(void)
{
	char *p = map_aligned(BYTES);

	madvise(p, HUGE, MADV_HUGEPAGE);
	madvise(p + HUGE, HUGE, MADV_NOHUGEPAGE);
	p[HUGE] = 1;
	return p;
}

FIXTURE(kind)
{
	struct test_vm t;
};

FIXTURE_VARIANT(kind)
{
	char *(*make)(void);
	/* It moves; what does not is mapped where it lies */
	bool moves;
};

#define KIND(name, can)								\
	FIXTURE_VARIANT_ADD(kind, name) { .make = make_##name, .moves = (can), }
KIND(small, true);
KIND(huge, true);
KIND(mixed, true);
KIND(locked, true);
KIND(heap, true);
KIND(break, true);
KIND(static, true);
KIND(hugetlb, false);
KIND(shared, false);
KIND(file_shared, false);
KIND(file_private, false);
KIND(memfd, false);
KIND(sysv, false);

FIXTURE_SETUP(kind)
{
	ASSERT_EQ(0, test_open(&self->t));
	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
}

FIXTURE_TEARDOWN(kind)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F(kind, there_and_back)
{
	char *p = variant->make(), *copy = map_anon(BYTES);
	unsigned int round;

	REQUIRE(p, "no such memory to be had");
	for (round = 1; round < 4; round++) {
		fill_pattern(p, BYTES, round);
		EXPECT_EQ(variant->moves ? BYTES / PAGE : 0,
			  variant->moves ? vram_move(&self->t, p, BYTES) :
			  (size_t)vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
		if (!variant->moves)
			EXPECT_EQ(0, vram_pages(&self->t, p, BYTES));
		EXPECT_EQ(BYTES / PAGE, count_state(&self->t, p, BYTES, DRM_VSVM_PAGE_MAPPED,
						    DRM_VSVM_PAGE_MAPPED));
		/* The device reads what the CPU wrote, wherever that is now, and writes */
		ASSERT_EQ(0, dev_copy(&self->t, copy, p, BYTES));
		EXPECT_EQ(-1, check_pattern(copy, BYTES, round));
		ASSERT_EQ(0, dev_fill(&self->t, p + HUGE / 2, HUGE, round * ONES));
		/* Back by being asked for, by the CPU's touch, by both */
		if (round != 2)
			ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, round == 1 ? BYTES : HUGE,
						   DRM_VSVM_PLACE_SYSTEM));
		EXPECT_EQ(0, memcmp(p, copy, HUGE / 2));
		EXPECT_EQ(-1, check_bytes(p + HUGE / 2, HUGE, (uint8_t)round));
		EXPECT_EQ(0, memcmp(p + HUGE + HUGE / 2, copy + HUGE + HUGE / 2, HUGE / 2));
		EXPECT_EQ(0, vram_pages(&self->t, p, BYTES));
	}
}

FIXTURE_VSVM(whole);

TEST_F(whole, huge_pages_stay_huge_there_and_back)
{
	struct drm_vsvm_dev_counters before, after;
	const uint32_t both = DRM_VSVM_PAGE_HUGE | DRM_VSVM_PAGE_VRAM;
	char *p;

	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
	p = make_huge();
	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, BYTES, 1);
	ASSERT_EQ(BYTES / PAGE, vram_move(&self->t, p, BYTES));
	EXPECT_EQ(BYTES / PAGE, count_state(&self->t, p, BYTES, both, both));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, HUGE, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_EQ(512, count_state(&self->t, p, HUGE, both, DRM_VSVM_PAGE_HUGE));
	/* One touch, one page */
	before = test_counters(&self->t);
	(void)*(volatile char *)(p + HUGE + 77 * PAGE);
	after = test_counters(&self->t);
	EXPECT_EQ(512, after.returned_pages - before.returned_pages);
	EXPECT_EQ(1, after.returns - before.returns);
	ASSERT_EQ(0, dev_touch_read(&self->t, p + HUGE, PAGE));
	EXPECT_EQ(512, count_state(&self->t, p + HUGE, HUGE, both, DRM_VSVM_PAGE_HUGE));
	EXPECT_EQ(-1, check_pattern(p, BYTES, 1));
}

/* --- parameters --- */

FIXTURE(knob)
{
	char before[1024];
};

FIXTURE_SETUP(knob)
{
	REQUIRE(module_found(), "vsvm.ko is not to be found (VSVM_MODULE)");
	ASSERT_EQ(0, module_params(self->before, sizeof(self->before)));
	ASSERT_EQ(0, module_unload());
}

FIXTURE_TEARDOWN(knob)
{
	if (!self->before[0])
		return;
	module_unload();
	EXPECT_EQ(0, module_load(self->before));
}

TEST_F(knob, so_many_pages_come_back_for_one_touch)
{
	static const unsigned int pages[] = { 1, 4, 512 };
	struct drm_vsvm_dev_counters before, after;
	char params[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct test_vm t;
		char *p;

		snprintf(params, sizeof(params), "vram_mib=16 return_pages=%u", pages[i]);
		ASSERT_EQ(0, module_load(params));
		ASSERT_EQ(0, test_open(&t));
		p = vram_make(&t, BYTES, false, i);
		ASSERT_NE(NULL, p);
		before = test_counters(&t);
		(void)*(volatile char *)(p + HUGE + 123 * PAGE);
		after = test_counters(&t);
		EXPECT_EQ(pages[i], after.returned_pages - before.returned_pages);
		EXPECT_EQ(BYTES / PAGE - pages[i], vram_pages(&t, p, BYTES));
		EXPECT_EQ(-1, check_pattern(p, BYTES, i));
		munmap(p, BYTES);
		EXPECT_EQ(0, test_close(&t));
		ASSERT_EQ(0, module_unload());
	}
	EXPECT_NE(0, module_load("return_pages=3"));
	EXPECT_NE(0, module_load("return_pages=1024"));
}

TEST_F(knob, a_device_without_memory)
{
	struct drm_vsvm_stats stats;
	struct vsvm_bo *bo;
	struct test_vm t;
	char *p;

	ASSERT_EQ(0, module_load("vram_mib=0"));
	ASSERT_EQ(0, test_open(&t));
	EXPECT_EQ(0, vsvm_info(t.dev)->vram_bytes);
	p = map_anon(BYTES);
	fill_pattern(p, BYTES, 1);
	/* It is advice, and there is nowhere to follow it to */
	EXPECT_EQ(0, vsvm_prefetch(t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
	EXPECT_EQ(BYTES / PAGE, count_state(&t, p, BYTES, DRM_VSVM_PAGE_MAPPED |
					    DRM_VSVM_PAGE_VRAM, DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(0, vsvm_prefetch(t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_EQ(0, vsvm_bind_mirror(t.vm, (uintptr_t)p, BYTES,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	EXPECT_EQ(0, dev_touch_write(&t, p, BYTES));
	stats = test_stats(&t);
	EXPECT_EQ(0, stats.migrated + stats.prefetched);
	EXPECT_EQ(-1, check_pattern(p, BYTES, 1));
	EXPECT_EQ(-ENOSPC, vsvm_bo_create(t.dev, HUGE, DRM_VSVM_BO_VRAM, 0, &bo));
	EXPECT_EQ(0, vsvm_bo_create(t.dev, HUGE, DRM_VSVM_BO_VRAM | DRM_VSVM_BO_SYSTEM, 0, &bo));
	vsvm_bo_destroy(bo);
	EXPECT_EQ(0, test_close(&t));
}

TEST_HARNESS_MAIN
