// SPDX-License-Identifier: MIT
/*
 * More buffer objects than device memory holds: they make room for each other,
 * nothing is lost but what is not needed, and what is not needed goes first.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define MANY	64

FIXTURE(evict)
{
	struct vsvm_device *dev;
	uint64_t vram;
	struct vsvm_bo *bo[MANY];
	char *p[MANY];
	uint64_t size;
	unsigned int count;
};

FIXTURE_SETUP(evict)
{
	ASSERT_EQ(0, vsvm_open(NULL, &self->dev));
	self->vram = vsvm_info(self->dev)->vram_bytes;
	memset(self->bo, 0, sizeof(self->bo));
	/* Three times as much as there is, but not more than the guest has */
	self->count = 24;
	self->size = self->vram / 8;
	if (self->size > 16 * HUGE)
		self->size = 0;
}

FIXTURE_TEARDOWN(evict)
{
	unsigned int i;

	for (i = 0; i < MANY; i++)
		vsvm_bo_destroy(self->bo[i]);
	EXPECT_EQ(0, bo_vram_used_becomes(self->dev, 0));
	vsvm_close(self->dev);
}

#define REQUIRE_SMALL_VRAM() REQUIRE(self->size, "needs device memory, 256 MiB at most")

static int make(struct vsvm_device *dev, struct vsvm_bo **bo, char **p, uint64_t size,
		uint32_t placement)
{
	int ret = vsvm_bo_create(dev, size, placement, 0, bo);

	return ret ? ret : vsvm_bo_map(*bo, (void **)p);
}

static unsigned int count_in(struct vsvm_bo **bo, unsigned int count, uint32_t state)
{
	unsigned int i, n = 0;

	for (i = 0; i < count; i++)
		n += bo_state(bo[i]) == state;
	return n;
}

TEST_F(evict, the_oldest_make_room_and_keep_what_they_hold)
{
	struct drm_vsvm_dev_counters before, after;
	unsigned int i, in;

	REQUIRE_SMALL_VRAM();
	ASSERT_EQ(0, vsvm_counters(self->dev, &before));
	for (i = 0; i < self->count; i++) {
		ASSERT_EQ(0, make(self->dev, &self->bo[i], &self->p[i], self->size,
				  DRM_VSVM_BO_VRAM));
		fill_pattern(self->p[i], self->size, i);
		EXPECT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(self->bo[i]));
	}
	in = count_in(self->bo, self->count, DRM_VSVM_BO_IN_VRAM);
	EXPECT_LE(4, in);
	EXPECT_EQ(self->count - in, count_in(self->bo, self->count, DRM_VSVM_BO_IN_SYSTEM));
	ASSERT_EQ(0, vsvm_counters(self->dev, &after));
	EXPECT_LE(before.evicted_bos + self->count - in, after.evicted_bos);
	for (i = 0; i < self->count; i++)
		EXPECT_EQ(-1, check_pattern(self->p[i], self->size, i));
	/* The CPU's looking at them has moved none */
	EXPECT_EQ(in, count_in(self->bo, self->count, DRM_VSVM_BO_IN_VRAM));
}

TEST_F(evict, odd_sizes)
{
	uint64_t state = 12345, size, total = 0;
	unsigned int i;

	REQUIRE_SMALL_VRAM();
	for (i = 0; i < MANY && total < 3 * self->vram; i++, total += size) {
		size = (1 + test_random(&state) % (self->vram / 4 / PAGE)) * PAGE;
		ASSERT_EQ(0, make(self->dev, &self->bo[i], &self->p[i], size, DRM_VSVM_BO_VRAM));
		fill_pattern(self->p[i], size, i);
		/* Holes everywhere */
		if (i % 3 == 1) {
			vsvm_bo_destroy(self->bo[i]);
			self->bo[i] = NULL;
		}
	}
	for (i = 0; i < MANY; i++)
		if (self->bo[i])
			EXPECT_EQ(-1, check_pattern(self->p[i], vsvm_bo_size(self->bo[i]), i));
}

TEST_F(evict, all_of_vram_in_one)
{
	REQUIRE_SMALL_VRAM();
	ASSERT_EQ(0, make(self->dev, &self->bo[0], &self->p[0], self->vram, DRM_VSVM_BO_VRAM));
	fill_pattern(self->p[0], self->vram, 1);
	EXPECT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(self->bo[0]));
	ASSERT_EQ(0, make(self->dev, &self->bo[1], &self->p[1], self->vram, DRM_VSVM_BO_VRAM));
	fill_pattern(self->p[1], self->vram, 2);
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(self->bo[0]));
	EXPECT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(self->bo[1]));
	EXPECT_EQ(-1, check_pattern(self->p[0], self->vram, 1));
	EXPECT_EQ(-1, check_pattern(self->p[1], self->vram, 2));
}

TEST_F(evict, what_is_not_needed_goes_first_and_is_lost)
{
	bool retained = true;
	unsigned int i;

	REQUIRE_SMALL_VRAM();
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, make(self->dev, &self->bo[i], &self->p[i], self->size,
				  DRM_VSVM_BO_VRAM));
		fill_pattern(self->p[i], self->size, i);
	}
	ASSERT_EQ(8, count_in(self->bo, 8, DRM_VSVM_BO_IN_VRAM));
	/* Not the oldest */
	ASSERT_EQ(0, vsvm_bo_advise(self->bo[5], DRM_VSVM_BO_DONTNEED, &retained));
	EXPECT_TRUE(retained);
	EXPECT_EQ(-1, check_pattern(self->p[5], self->size, 5));
	/* Needed again in time */
	ASSERT_EQ(0, vsvm_bo_advise(self->bo[6], DRM_VSVM_BO_DONTNEED, &retained));
	ASSERT_EQ(0, vsvm_bo_advise(self->bo[6], DRM_VSVM_BO_WILLNEED, &retained));
	EXPECT_TRUE(retained);
	ASSERT_EQ(0, make(self->dev, &self->bo[8], &self->p[8], self->size, DRM_VSVM_BO_VRAM));
	fill_pattern(self->p[8], self->size, 8);
	EXPECT_EQ(8, count_in(self->bo, 9, DRM_VSVM_BO_IN_VRAM));
	EXPECT_EQ(DRM_VSVM_BO_PURGED, bo_state(self->bo[5]));
	EXPECT_TRUE(bo_sigbus(self->p[5]));
	EXPECT_TRUE(bo_sigbus(self->p[5] + self->size - 1));
	ASSERT_EQ(0, vsvm_bo_advise(self->bo[5], DRM_VSVM_BO_WILLNEED, &retained));
	EXPECT_FALSE(retained);
	EXPECT_EQ(DRM_VSVM_BO_PURGED, bo_state(self->bo[5]));
	EXPECT_TRUE(bo_sigbus(self->p[5]));
	for (i = 0; i < 9; i++)
		if (i != 5)
			EXPECT_EQ(-1, check_pattern(self->p[i], self->size, i));
}

TEST_F(evict, what_is_not_needed_is_given_back_when_memory_is_short)
{
	bool retained = true;
	unsigned int i, n;
	char *p;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, make(self->dev, &self->bo[i], &p, 4 * HUGE, DRM_VSVM_BO_SYSTEM));
		fill_pattern(p, 4 * HUGE, i);
	}
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, vsvm_bo_advise(self->bo[i], DRM_VSVM_BO_DONTNEED, NULL));
	/* Shrinkers are asked for all they have */
	for (i = 0, n = 0; i < 50 && n < 4; i++) {
		ASSERT_LE(0, write_text("/proc/sys/vm/drop_caches", "2"));
		n = count_in(self->bo, 8, DRM_VSVM_BO_PURGED);
	}
	EXPECT_EQ(4, n);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, vsvm_bo_map(self->bo[i], (void **)&p));
		if (i < 4) {
			EXPECT_TRUE(bo_sigbus(p));
			ASSERT_EQ(0, vsvm_bo_advise(self->bo[i], DRM_VSVM_BO_WILLNEED, &retained));
			EXPECT_FALSE(retained);
		} else {
			EXPECT_EQ(-1, check_pattern(p, 4 * HUGE, i));
		}
	}
}

struct crowd {
	struct vsvm_device *dev;
	uint64_t size;
	unsigned long rounds;
	uint64_t until;
	uint64_t seed;
	int bad;
};

/* Makes, fills, checks and destroys, so that others must make room */
static void *crowd(void *arg)
{
	struct crowd *c = arg;
	struct vsvm_bo *bo[6] = {};
	uint64_t seed[6] = {};
	uint64_t state = c->seed + 1;
	unsigned long i;
	void *p;

	/* On a machine that is busy with something else, fewer will do */
	for (i = 0; i < c->rounds && !c->bad && (i < 24 || test_now() < c->until); i++) {
		unsigned int k = test_random(&state) % 6;

		if (bo[k]) {
			if (vsvm_bo_map(bo[k], &p) ||
			    check_pattern(p, vsvm_bo_size(bo[k]), seed[k]) != -1)
				c->bad = __LINE__;
			vsvm_bo_destroy(bo[k]);
			bo[k] = NULL;
			continue;
		}
		seed[k] = c->seed * 1000 + i;
		if (vsvm_bo_create(c->dev, (1 + test_random(&state) % (c->size / PAGE)) * PAGE,
				   i % 3 ? DRM_VSVM_BO_VRAM : 3, 0, &bo[k]) ||
		    vsvm_bo_map(bo[k], &p)) {
			c->bad = __LINE__;
			break;
		}
		if (check_bytes(p, vsvm_bo_size(bo[k]), 0) != -1)
			c->bad = __LINE__;
		fill_pattern(p, vsvm_bo_size(bo[k]), seed[k]);
	}
	for (i = 0; i < 6; i++)
		vsvm_bo_destroy(bo[i]);
	return NULL;
}

TEST_F_LONG(evict, a_crowd, 300)
{
	struct crowd c[4];
	pthread_t thread[4];
	unsigned int i;

	REQUIRE_SMALL_VRAM();
	for (i = 0; i < 4; i++) {
		c[i] = (struct crowd) {
			.dev = self->dev,
			.size = self->size,
			.rounds = test_scale(300),
			.until = test_now() + test_time(60) * NSEC_PER_SEC,
			.seed = i,
		};
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, crowd, &c[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, c[i].bad);
	}
}

TEST_F(evict, copy_engines_that_fail_lose_nothing)
{
	struct drm_vsvm_dev_counters before, after;
	unsigned int i;

	REQUIRE_SMALL_VRAM();
	REQUIRE(!bo_knob("copy_fail", 0), "no debugfs");
	ASSERT_EQ(0, vsvm_counters(self->dev, &before));
	for (i = 0; i < self->count; i++) {
		/* Now the one that clears, now the one that copies */
		bo_knob("copy_fail", 1 + i % 3);
		ASSERT_EQ(0, make(self->dev, &self->bo[i], &self->p[i], self->size,
				  DRM_VSVM_BO_VRAM));
		EXPECT_EQ(-1, check_bytes(self->p[i], self->size, 0));
		fill_pattern(self->p[i], self->size, i);
	}
	bo_knob("copy_fail", 0);
	ASSERT_EQ(0, vsvm_counters(self->dev, &after));
	EXPECT_LT(before.copy_errors, after.copy_errors);
	for (i = 0; i < self->count; i++) {
		EXPECT_EQ(-1, check_pattern(self->p[i], self->size, i));
	}
}

TEST_F(evict, swapped_out_and_back)
{
	static const char limit[] = "/sys/module/ttm/parameters/pages_limit";
	long old = read_number(limit);
	unsigned int i;
	int ret;

	REQUIRE(old > 0, "TTM's limit cannot be set");
	ret = write_text(limit, "%lu", 4 * HUGE / PAGE);
	REQUIRE(ret >= 0, "TTM's limit cannot be set");
	/* Each pushes others out to swappable memory */
	for (i = 0; i < 16; i++) {
		if (make(self->dev, &self->bo[i], &self->p[i], HUGE, DRM_VSVM_BO_SYSTEM))
			break;
		fill_pattern(self->p[i], HUGE, i);
	}
	EXPECT_EQ(16, i);
	EXPECT_GT(16 * 2048, bo_fdinfo_kib(self->dev, "drm-resident-memory"));
	EXPECT_EQ(16, count_in(self->bo, 16, DRM_VSVM_BO_IN_SYSTEM));
	while (i--) {
		EXPECT_EQ(-1, check_pattern(self->p[i], HUGE, i));
	}
	write_text(limit, "%ld", old);
}

/* Another process' end gives all of it back */
TEST_F(evict, a_process_that_dies)
{
	pid_t pid;
	int status;

	REQUIRE_SMALL_VRAM();
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vsvm_device *dev;
		struct vsvm_bo *bo;
		unsigned int i;
		char *p;

		if (vsvm_open(NULL, &dev))
			_exit(1);
		for (i = 0; i < 12; i++) {
			if (make(dev, &bo, &p, self->size, DRM_VSVM_BO_VRAM))
				_exit(2);
			memset(p, 1, self->size);
		}
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, bo_vram_used_becomes(self->dev, 0));
}

TEST_HARNESS_MAIN
