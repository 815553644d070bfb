// SPDX-License-Identifier: MIT
/*
 * More than the device holds: by memory of processes, by buffer objects, by both,
 * by several processes; and eviction while those concerned do something else.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define ONES	0x0101010101010101ull
#define PIECE	(2 * HUGE)
#define MANY	32

FIXTURE_VRAM(over, 16);

/* --- a set of things that want to be on the device --- */

struct piece {
	struct vsvm_bo *bo;	/* or memory of the process */
	char *device;		/* for the device */
	char *cpu;		/* for the CPU */
	uint8_t value;
};

static int piece_make(struct test_vm *t, struct piece *piece, bool object, bool huge)
{
	*piece = (struct piece){};
	if (object) {
		if (vsvm_bo_create(t->dev, PIECE, DRM_VSVM_BO_VRAM, 0, &piece->bo) ||
		    vsvm_bo_map(piece->bo, (void **)&piece->cpu))
			return __LINE__;
		piece->device = bo_bind_new(t, piece->bo, 0);
		return piece->device ? 0 : __LINE__;
	}
	piece->cpu = map_aligned(PIECE);
	piece->device = piece->cpu;
	madvise(piece->cpu, PIECE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(piece->cpu, 0, PIECE);
	return vsvm_bind_mirror(t->vm, (uintptr_t)piece->cpu, PIECE,
				DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE) ? __LINE__ : 0;
}

static void piece_drop(struct test_vm *t, struct piece *piece)
{
	if (!piece->device)
		return;
	vsvm_unbind(t->vm, (uintptr_t)piece->device, PIECE, DRM_VSVM_BIND_FORCE);
	if (piece->bo)
		vsvm_bo_destroy(piece->bo);
	munmap(piece->device, PIECE);
}

/* The device writes all of it, on what it has left there before */
static int piece_write(struct test_vm *t, struct piece *piece, uint8_t value)
{
	if (!piece->bo && vsvm_prefetch(t->vm, piece->cpu, PIECE, DRM_VSVM_PLACE_DEVICE))
		return __LINE__;
	if (dev_fill(t, piece->device, PIECE / 2, value * ONES) ||
	    dev_copy(t, piece->device + PIECE / 2, piece->device, PIECE / 2))
		return __LINE__;
	piece->value = value;
	return 0;
}

/*
 * So many pieces, every OBJECTS'th one an object (0: none), written in turn, twice,
 * with a look at each from time to time.
 */
static int oversubscribe(struct test_vm *t, unsigned int n, unsigned int objects, bool huge,
			 unsigned int seed)
{
	struct piece piece[MANY] = {};
	unsigned int i, round;
	int bad = 0;

	for (i = 0; i < n && !bad; i++)
		bad = piece_make(t, &piece[i], objects && i % objects == 0, huge);
	for (round = 0; round < 2; round++)
		for (i = 0; i < n && !bad; i++) {
			/* Nobody else's, and not lost */
			if (check_bytes(piece[i].cpu, PAGE, piece[i].value) != -1)
				bad = __LINE__;
			if (!bad)
				bad = piece_write(t, &piece[i], 1 + (seed + round * n + i) % 255);
		}
	for (i = 0; i < n && !bad; i++)
		if (check_bytes(piece[i].cpu, PIECE, piece[i].value) != -1) {
			fprintf(stderr, "# piece %u of %u, %s, is not %u\n", i, n,
				piece[i].bo ? "an object" : "memory", piece[i].value);
			bad = __LINE__;
		}
	for (i = 0; i < n; i++)
		piece_drop(t, &piece[i]);
	return bad;
}

/* How many pieces are so many times what there is */
static unsigned int times(uint64_t vram, unsigned int n)
{
	return (unsigned int)(n * vram / PIECE);
}

TEST_F_LONG(over, twice_and_four_times_by_memory, 120)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;

	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 2), 0, false, 1));
	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 2), 0, true, 2));
	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 4), 0, true, 3));
	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 4), 0, false, 4));
	after = test_counters(&self->t);
	EXPECT_LE(self->vram / PAGE, after.evicted_pages - before.evicted_pages);
	EXPECT_EQ(0, after.evicted_bos - before.evicted_bos);
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

TEST_F_LONG(over, twice_and_four_times_by_objects, 120)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;

	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 2), 1, false, 1));
	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 4), 1, false, 2));
	after = test_counters(&self->t);
	EXPECT_LE(times(self->vram, 4), after.evicted_bos - before.evicted_bos);
	EXPECT_EQ(0, after.evicted_chunks - before.evicted_chunks);
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

TEST_F_LONG(over, twice_and_four_times_by_both, 120)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;

	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 2), 2, true, 1));
	EXPECT_EQ(0, oversubscribe(&self->t, times(self->vram, 4), 2, false, 2));
	after = test_counters(&self->t);
	EXPECT_LT(0, after.evicted_bos - before.evicted_bos);
	EXPECT_LT(0, after.evicted_chunks - before.evicted_chunks);
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

TEST_F_LONG(over, by_four_processes_at_once, 180)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;
	unsigned int i;
	pid_t pid[4];

	for (i = 0; i < 4; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			struct test_vm t;
			int bad;

			if (test_open(&t))
				_exit(1);
			/* Each as much as there is; one of objects, one of memory, two of both */
			bad = oversubscribe(&t, times(self->vram, 1), i, i % 2, 50 * i);
			if (bad)
				fprintf(stderr, "# process %u: line %d\n", i, bad);
			_exit(bad || test_close(&t) ? 2 : 0);
		}
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, wait_child(pid[i]));
	after = test_counters(&self->t);
	EXPECT_LT(0, after.evicted_bos - before.evicted_bos);
	EXPECT_LT(0, after.evicted_chunks - before.evicted_chunks);
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

TEST_F(over, memory_evicts_objects_and_objects_evict_memory)
{
	struct drm_vsvm_dev_counters a = test_counters(&self->t), b, c;
	struct vsvm_bo *bo;
	char *p, *map;

	/* All of it is one object; a page has to go somewhere */
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, self->vram, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
	fill_pattern(map, self->vram, 1);
	ASSERT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(bo));
	p = vram_make(&self->t, self->vram, false, 2);
	ASSERT_NE(NULL, p);
	b = test_counters(&self->t);
	EXPECT_EQ(1, b.evicted_bos - a.evicted_bos);
	EXPECT_EQ(0, b.evicted_chunks - a.evicted_chunks);
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	EXPECT_EQ(-1, check_pattern(map, self->vram, 1));
	EXPECT_EQ(self->vram / PAGE, vram_pages(&self->t, p, self->vram));
	vsvm_bo_destroy(bo);
	/* All of it is pages; an object wants it */
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, self->vram, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
	fill_pattern(map, self->vram, 3);
	ASSERT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(bo));
	c = test_counters(&self->t);
	EXPECT_EQ(0, c.evicted_bos - b.evicted_bos);
	EXPECT_LE(self->vram / HUGE, c.evicted_chunks - b.evicted_chunks);
	EXPECT_EQ(self->vram / PAGE, c.evicted_pages - b.evicted_pages);
	EXPECT_EQ(0, vram_pages(&self->t, p, self->vram));
	EXPECT_EQ(-1, check_pattern(p, self->vram, 2));
	EXPECT_EQ(-1, check_pattern(map, self->vram, 3));
	vsvm_bo_destroy(bo);
}

TEST_F(over, memory_in_pieces_is_used_in_pieces)
{
	struct vsvm_bo *bo[256] = {};
	unsigned int i, n = self->vram / (HUGE / 16);
	char *p;

	/* Every other 128 KiB is taken */
	ASSERT_GE(ARRAY_SIZE(bo), n);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, vsvm_bo_create(self->t.dev, HUGE / 16, DRM_VSVM_BO_VRAM, 0, &bo[i]));
		ASSERT_EQ(0, bo_touch(bo[i]));
	}
	for (i = 0; i < n; i += 2) {
		vsvm_bo_destroy(bo[i]);
		bo[i] = NULL;
	}
	p = map_aligned(2 * HUGE);
	madvise(p, 2 * HUGE, MADV_NOHUGEPAGE);
	fill_pattern(p, 2 * HUGE, 4);
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, 2 * HUGE, DRM_VSVM_PLACE_DEVICE));
	EXPECT_EQ(1024, vram_pages(&self->t, p, 2 * HUGE));
	ASSERT_EQ(0, dev_touch_write(&self->t, p, 2 * HUGE));
	EXPECT_EQ(-1, check_pattern(p, 2 * HUGE, 4));
	for (i = 1; i < n; i += 2)
		vsvm_bo_destroy(bo[i]);
}

/* --- eviction against all sorts of things --- */

struct evictor {
	struct test_vm *t;
	uint64_t vram;
	volatile uint32_t stop;
	volatile uint32_t rounds;
	int bad;
};

/* Takes all of device memory again and again */
static void *evictor(void *arg)
{
	struct evictor *e = arg;
	struct vsvm_bo *full;

	while (!e->stop && !e->bad) {
		e->bad = vsvm_bo_create(e->t->dev, e->vram, DRM_VSVM_BO_VRAM, 0, &full);
		if (e->bad)
			break;
		e->bad = bo_touch(full);
		vsvm_bo_destroy(full);
		e->rounds++;
	}
	return NULL;
}

/* Memory that an eviction may be taking away just now */
struct stake {
	struct test_vm *t;
	char *p;
	size_t size;
	uint64_t seed;
};

static int by_cpu_fault(struct stake *s)
{
	return check_pattern(s->p, s->size, s->seed) != -1;
}

static int by_device_fault(struct stake *s)
{
	return dev_touch_write(s->t, s->p, s->size) || check_pattern(s->p, s->size, s->seed) != -1;
}

/* Every other block loses its middle; what is left of it all goes in the end */
static int by_munmap(struct stake *s)
{
	const size_t hole = 9 * PAGE, size = HUGE / 2;
	char *p = s->p;
	size_t i, j;
	int bad = 0;

	/* What is unmapped may be somebody else's from then on */
	s->p = NULL;
	for (i = 0; i < s->size; i += 2 * HUGE)
		bad |= munmap(p + i + hole, size);
	for (i = 0; i < s->size; i += HUGE)
		for (j = 0; j < HUGE; j += PAGE) {
			bool gone = i % (2 * HUGE) == 0 && j >= hole && j < hole + size;

			bad |= !gone && *(uint64_t *)(p + i + j) !=
				test_pattern(s->seed, (i + j) / 8);
		}
	for (i = 0; i < s->size; i += 2 * HUGE) {
		munmap(p + i, hole);
		munmap(p + i + hole + size, 2 * HUGE - hole - size);
	}
	return bad;
}

static int by_fork(struct stake *s)
{
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (!pid) {
		memset(s->p, 1, HUGE);
		_exit(check_bytes(s->p, HUGE, 1) != -1);
	}
	if (check_pattern(s->p, s->size, s->seed) != -1)
		return 1;
	return wait_child(pid);
}

static int by_prefetch(struct stake *s)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (vsvm_prefetch(s->t->vm, s->p, s->size, i % 2 ? DRM_VSVM_PLACE_DEVICE :
				  DRM_VSVM_PLACE_SYSTEM))
			return 1;
	return check_pattern(s->p, s->size, s->seed) != -1;
}

static int by_dontneed(struct stake *s)
{
	if (madvise(s->p, HUGE, MADV_DONTNEED) || madvise(s->p + HUGE + 9 * PAGE, PAGE, MADV_DONTNEED))
		return 1;
	return check_bytes(s->p, HUGE, 0) != -1 || check_bytes(s->p + HUGE + 9 * PAGE, PAGE, 0) != -1;
}

FIXTURE(evict_race)
{
	char before[1024];
	struct test_vm t;
	uint64_t vram;
};

FIXTURE_VARIANT(evict_race)
{
	int (*what)(struct stake *s);
};

#define RACE(name) FIXTURE_VARIANT_ADD(evict_race, name) { .what = by_##name, }
RACE(cpu_fault);
RACE(device_fault);
RACE(munmap);
RACE(fork);
RACE(prefetch);
RACE(dontneed);

FIXTURE_SETUP(evict_race)
{
	REQUIRE(module_found(), "vsvm.ko is not to be found (VSVM_MODULE)");
	ASSERT_EQ(0, module_params(self->before, sizeof(self->before)));
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("vram_mib=16"));
	ASSERT_EQ(0, test_open(&self->t));
	self->vram = vsvm_info(self->t.dev)->vram_bytes;
}

FIXTURE_TEARDOWN(evict_race)
{
	if (!self->before[0])
		return;
	EXPECT_EQ(0, test_close(&self->t));
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(self->before));
}

TEST_F_LONG(evict_race, against, 120)
{
	struct evictor e = { .t = &self->t, .vram = self->vram };
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;
	uint64_t end = test_now() + test_span(2500), since = 0, seed;
	const size_t size = 4 * HUGE;
	struct stake s;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, evictor, &e));
	for (seed = 1; test_now() < end || (e.rounds < 3 && test_patient(&since)); seed++) {
		char *p = map_aligned(size);

		madvise(p, size, seed % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		fill_pattern(p, size, seed);
		EXPECT_EQ(0, vsvm_prefetch(self->t.vm, p, size, DRM_VSVM_PLACE_DEVICE));
		s = (struct stake){ &self->t, p, size, seed };
		EXPECT_EQ(0, variant->what(&s)) {
			break;
		}
		if (s.p)
			munmap(p, size);
	}
	e.stop = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, e.bad);
	after = test_counters(&self->t);
	EXPECT_LT(0, after.evicted_chunks - before.evicted_chunks);
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
}

/* --- the end --- */

TEST_F(over, unloading_the_module_brings_every_page_back)
{
	char *small = vram_make(&self->t, 2 * HUGE, false, 5);
	char *huge = vram_make(&self->t, 4 * HUGE, true, 6);
	volatile uint32_t *step = map_shared(PAGE);
	pid_t pid;

	ASSERT_NE(NULL, small);
	ASSERT_NE(NULL, huge);
	/* Those that a child has too, which has nothing to do with the device */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->t.fd);
		flag_set(step, 1);
		if (!flag_wait(step, 2))
			_exit(1);
		_exit(check_pattern(small, 2 * HUGE, 5) != -1 ||
		      check_pattern(huge, 4 * HUGE, 6) != -1);
	}
	ASSERT_TRUE(flag_wait(step, 1));
	munmap(huge + HUGE + 7 * PAGE, PAGE);
	ASSERT_EQ(0, test_close(&self->t));
	/* Nobody has the device open any more, but the pages are still there */
	ASSERT_EQ(0, module_unload());
	EXPECT_EQ(-1, check_pattern(small, 2 * HUGE, 5));
	EXPECT_EQ(-1, check_pattern(huge, HUGE, 6));
	flag_set(step, 2);
	EXPECT_EQ(0, wait_child(pid));
	ASSERT_EQ(0, module_load("vram_mib=16"));
	ASSERT_EQ(0, test_open(&self->t));
	EXPECT_EQ(1024, vram_move(&self->t, small, 2 * HUGE));
	EXPECT_EQ(-1, check_pattern(small, 2 * HUGE, 5));
}

TEST_HARNESS_MAIN
