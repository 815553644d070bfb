// SPDX-License-Identifier: MIT
/*
 * Pages that move to device memory and back: by prefetch, by faults of the
 * device, by faults of the CPU, with their contents.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "vsvm_test.h"

#define MIB		(1ul << 20)

FIXTURE(mig)
{
	struct test_vm t;
};

FIXTURE_SETUP(mig)
{
	if (test_open(&self->t))
		SKIP(return, "no device");
	if (!vsvm_info(self->t.dev)->vram_bytes)
		SKIP(return, "no device memory");
}

FIXTURE_TEARDOWN(mig)
{
	EXPECT_EQ(0, test_close(&self->t));
}

static char *map_anon(size_t size, int advice)
{
	char *p = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	madvise(p, size, advice);
	return p;
}

static void fill(char *p, size_t size, uint64_t seed)
{
	for (size_t i = 0; i < size / 8; i++)
		((uint64_t *)p)[i] = seed * 0x9e3779b97f4a7c15ull + i;
}

static long bad(const char *p, size_t size, uint64_t seed)
{
	for (size_t i = 0; i < size / 8; i++)
		if (((const uint64_t *)p)[i] != seed * 0x9e3779b97f4a7c15ull + i)
			return i * 8;
	return -1;
}

static unsigned long in_vram(struct test_vm *t, char *p, size_t size)
{
	uint32_t *state = calloc(size / PAGE, sizeof(*state));
	unsigned long n = 0;

	if (!vsvm_vm_state(t->vm, p, size, state))
		for (size_t i = 0; i < size / PAGE; i++)
			n += !!(state[i] & DRM_VSVM_PAGE_VRAM);
	free(state);
	return n;
}

static int round_trip(struct test_vm *t, size_t size, int advice)
{
	char *p = map_anon(size, advice);
	long where;
	int err;

	fill(p, size, 1);
	err = vsvm_prefetch(t->vm, p, size, DRM_VSVM_PLACE_DEVICE);
	if (err)
		return err;
	if (in_vram(t, p, size) != size / PAGE) {
		fprintf(stderr, "# in vram: %lu of %lu\n", in_vram(t, p, size), size / PAGE);
		return -EIO;
	}
	err = dev_fill(t, p + size / 2, size / 4, 0x5555555555555555ull);
	if (err)
		return err;
	where = bad(p, size / 2, 1);
	if (where >= 0) {
		fprintf(stderr, "# wrong at %ld\n", where);
		return -EBADMSG;
	}
	for (size_t i = size / 2; i < size / 2 + size / 4; i += 8)
		if (*(uint64_t *)(p + i) != 0x5555555555555555ull)
			return -EBADE;
	return 0;
}

TEST_F(mig, prefetch_and_back_small_pages)
{
	ASSERT_EQ(0, round_trip(&self->t, 4 * MIB, MADV_NOHUGEPAGE));
}

TEST_F(mig, prefetch_and_back_huge_pages)
{
	ASSERT_EQ(0, round_trip(&self->t, 16 * MIB, MADV_HUGEPAGE));
}

TEST_F(mig, prefetch_to_system)
{
	char *p = map_anon(8 * MIB, MADV_HUGEPAGE);

	fill(p, 8 * MIB, 7);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, 8 * MIB, DRM_VSVM_PLACE_DEVICE));
	ASSERT_EQ(8 * MIB / PAGE, in_vram(&self->t, p, 8 * MIB));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, 8 * MIB, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_EQ(0, in_vram(&self->t, p, 8 * MIB));
	EXPECT_EQ(-1, bad(p, 8 * MIB, 7));
}
TEST_HARNESS_MAIN
