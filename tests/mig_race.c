// SPDX-License-Identifier: MIT
/*
 * Pages that go back and forth, and eviction while the process changes what it
 * has.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

FIXTURE(race)
{
	char before[1024];
	struct test_vm t;
};

FIXTURE_SETUP(race)
{
	REQUIRE(module_found(), "vsvm.ko is not to be found (VSVM_MODULE)");
	ASSERT_EQ(0, module_params(self->before, sizeof(self->before)));
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("vram_mib=16"));
	ASSERT_EQ(0, test_open(&self->t));
}

FIXTURE_TEARDOWN(race)
{
	if (!self->before[0])
		return;
	EXPECT_EQ(0, test_close(&self->t));
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(self->before));
}

TEST_F(race, ping_pong_is_guarded)
{
	char *p = map_aligned(HUGE);
	uint64_t since = 0;
	unsigned long i;

	madvise(p, HUGE, MADV_NOHUGEPAGE);
	fill_pattern(p, HUGE, 1);
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, HUGE,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	for (i = 1; !test_stats(&self->t).guarded && test_patient(&since); i++) {
		ASSERT_EQ(0, dev_store64(&self->t, p, i));
		ASSERT_EQ(i, *(volatile uint64_t *)p);
		*(volatile uint64_t *)p = ~i;
	}
	EXPECT_LT(0, test_stats(&self->t).guarded);
	*(uint64_t *)p = test_pattern(1, 0);
	EXPECT_EQ(-1, check_pattern(p, HUGE, 1));
}

/* What was asked for is no sign that the CPU wants it */
TEST_F(race, prefetch_back_is_no_ping_pong)
{
	char *p = map_aligned(HUGE);
	unsigned int i;

	madvise(p, HUGE, MADV_NOHUGEPAGE);
	fill_pattern(p, HUGE, 1);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, HUGE, DRM_VSVM_PLACE_DEVICE));
		ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, HUGE, DRM_VSVM_PLACE_SYSTEM));
	}
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, HUGE,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_store64(&self->t, p, test_pattern(1, 0)));
	EXPECT_EQ(0, test_stats(&self->t).guarded);
	EXPECT_EQ(9 * HUGE / 4096, test_stats(&self->t).migrated);
	EXPECT_EQ(-1, check_pattern(p, HUGE, 1));
}

TEST_F(race, death_gives_device_memory_back)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		char *p = map_aligned(4 * HUGE);
		struct test_vm t;

		memset(p, 1, 4 * HUGE);
		if (test_open(&t) ||
		    vsvm_prefetch(t.vm, p, 4 * HUGE, DRM_VSVM_PLACE_DEVICE))
			_exit(1);
		_exit(bo_vram_used(t.dev) < 4 * HUGE ? 2 : 0);
	}
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

struct racer {
	struct test_vm *t;
	unsigned int seed;
	unsigned long rounds;
	int bad;
};

/* Four of them want twice as much as there is */
static void *racer(void *arg)
{
	struct racer *r = arg;
	size_t size = 4 * HUGE;
	unsigned long i;
	pid_t pid;

	for (i = 0; i < r->rounds && !r->bad; i++) {
		uint64_t seed = r->seed * 1000 + i;
		char *p = map_aligned(size);

		madvise(p, size, (r->seed + i) % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		fill_pattern(p, size, seed);
		if (vsvm_prefetch(r->t->vm, p, size, DRM_VSVM_PLACE_DEVICE))
			r->bad = __LINE__;
		munmap(p + size - HUGE / 2, HUGE / 2);
		if (r->seed == 1) {
			pid = fork();
			if (!pid)
				_exit(check_pattern(p, HUGE, seed) != -1);
			if (pid < 0 || wait_child(pid))
				r->bad = __LINE__;
		}
		if (check_pattern(p, size - HUGE / 2, seed) != -1)
			r->bad = __LINE__;
		munmap(p, size - HUGE / 2);
	}
	return NULL;
}

TEST_F_LONG(race, eviction_faults_munmap_and_fork, 120)
{
	struct racer r[4];
	pthread_t thread[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		r[i] = (struct racer) {
			.t = &self->t, .seed = i, .rounds = test_scale(6),
		};
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, racer, &r[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, r[i].bad);
	}
}

TEST_F(race, an_object_over_the_mirror_and_back)
{
	char *p = map_aligned(2 * HUGE), *map;
	struct vsvm_bo *bo;
	uint64_t value = 0;

	fill_pattern(p, 2 * HUGE, 5);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, 2 * HUGE, DRM_VSVM_PLACE_DEVICE));
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, HUGE, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
	EXPECT_EQ(-EEXIST, vsvm_bind_bo(self->t.vm, bo, (uintptr_t)p, 0, HUGE, 0));
	ASSERT_EQ(0, vsvm_bind_bo(self->t.vm, bo, (uintptr_t)p, 0, HUGE, DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, 0x0606060606060606ull));
	EXPECT_EQ(-1, check_bytes(map, HUGE, 6));
	EXPECT_EQ(-1, check_pattern(p, 2 * HUGE, 5));
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, HUGE, DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_load64(&self->t, p, &value));
	EXPECT_EQ(test_pattern(5, 0), value);
	vsvm_bo_destroy(bo);
}

TEST_HARNESS_MAIN
