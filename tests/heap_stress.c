// SPDX-License-Identifier: MIT
/*
 * The heap under stress: places against a model, many threads that grow it,
 * queues that run meanwhile, and ends at any moment.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vsvm_heap.h"
#include "vsvm_harness.h"

FIXTURE_HEAP(stress);

#define MODEL_OBJECTS	2000

struct object {
	uint32_t handle;
	uint64_t address;
	uint64_t size;
};

/* Pages of the model that the object takes: all free before, all its own then */
static bool model_take(uint8_t *pages, const struct object *o, uint64_t base, uint8_t from)
{
	uint64_t i = (o->address - base) / PAGE, end = i + o->size / PAGE;

	for (; i < end; i++) {
		if (pages[i] != from)
			return false;
		pages[i] = !from;
	}
	return true;
}

static uint64_t model_largest(const uint8_t *pages, uint64_t count)
{
	uint64_t i, run = 0, largest = 0;

	for (i = 0; i < count; i++) {
		run = pages[i] ? 0 : run + 1;
		if (run > largest)
			largest = run;
	}
	return largest * PAGE;
}

TEST_F_LONG(stress, fragmentation_against_a_model, 300)
{
	static const uint64_t aligns[] = { 0, PAGE, 8 * PAGE, HUGE };
	unsigned long i, rounds = test_scale(100000);
	uint64_t base, limit, used = 0, seed = 0x1234567;
	struct object *objects = calloc(MODEL_OBJECTS, sizeof(*objects));
	struct drm_vsvm_heap_query q;
	unsigned int live = 0;
	uint8_t *pages;

	limit = self->maximum < 2 * self->chunk ? self->maximum : 2 * self->chunk;
	pages = calloc(self->maximum / PAGE, 1);
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, limit, NULL));
	base = heap_query(self->t.fd).base;
	for (i = 0; i < rounds; i++) {
		struct object *o = &objects[test_random(&seed) % MODEL_OBJECTS];
		uint64_t align = aligns[test_random(&seed) % ARRAY_SIZE(aligns)];
		int handle;

		if (o->size) {
			ASSERT_TRUE(model_take(pages, o, base, 1));
			ASSERT_EQ(0, heap_close(self->t.fd, o->handle));
			used -= o->size;
			o->size = 0;
			live--;
			continue;
		}
		o->size = (1 + test_random(&seed) % (i % 16 ? 32 : 256)) * PAGE;
		handle = heap_alloc(self->t.fd, o->size, align, 0, &o->address);
		if (handle < 0) {
			ASSERT_TRUE(handle == -ENOBUFS || handle == -ENOSPC);
			/* Not while there is room for it wherever it begins */
			ASSERT_GT(o->size + (align > PAGE ? align : 0),
				  model_largest(pages, limit / PAGE));
			o->size = 0;
			continue;
		}
		o->handle = handle;
		ASSERT_EQ(0, align ? o->address % align : 0);
		ASSERT_TRUE(o->address >= base && o->address + o->size <= base + limit);
		ASSERT_TRUE(model_take(pages, o, base, 0));
		used += o->size;
		live++;
		if (i % 512)
			continue;
		q = heap_query(self->t.fd);
		ASSERT_EQ(used, q.used);
		ASSERT_EQ(live, q.bos);
		ASSERT_EQ(model_largest(pages, limit / PAGE), q.largest_hole);
	}
	for (i = 0; i < MODEL_OBJECTS; i++)
		if (objects[i].size)
			ASSERT_EQ(0, heap_close(self->t.fd, objects[i].handle));
	q = heap_query(self->t.fd);
	EXPECT_EQ(0, q.used | q.bos);
	EXPECT_EQ(limit, q.largest_hole);
	free(objects);
	free(pages);
}

struct grower {
	pthread_t thread;
	struct vsvm_device *dev;
	pthread_barrier_t *barrier;
	struct vsvm_bo *bo;
	uint64_t size;
	bool kernel;
	int ret;
};

static void *grow(void *arg)
{
	struct grower *g = arg;
	int handle;

	pthread_barrier_wait(g->barrier);
	if (g->kernel) {
		handle = heap_alloc(vsvm_fd(g->dev), g->size, 0, DRM_VSVM_HEAP_ALLOC_GROW, NULL);
		g->ret = handle < 0 ? handle : 0;
	} else {
		g->ret = vsvm_heap_alloc(g->dev, g->size, 0, &g->bo);
	}
	return NULL;
}

TEST_F_LONG(stress, sixteen_threads_grow_at_once, 200)
{
	struct grower g[16] = {};
	pthread_barrier_t barrier;
	unsigned int i, round;

	for (round = 0; round < 2; round++) {
		struct vsvm_device *dev;
		struct drm_vsvm_heap_query q;

		ASSERT_EQ(0, vsvm_open(NULL, &dev));
		ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(g)));
		for (i = 0; i < ARRAY_SIZE(g); i++) {
			/* Together not more than four chunks, or one */
			g[i] = (struct grower) {
				.dev = dev, .barrier = &barrier, .kernel = round,
				.size = (self->maximum > self->chunk ? 4 : 1) * self->chunk / 16,
			};
			ASSERT_EQ(0, pthread_create(&g[i].thread, NULL, grow, &g[i]));
		}
		for (i = 0; i < ARRAY_SIZE(g); i++) {
			pthread_join(g[i].thread, NULL);
			EXPECT_EQ(0, g[i].ret);
		}
		/* Not one chunk more than it takes */
		q = heap_query(vsvm_fd(dev));
		EXPECT_EQ(16, q.bos);
		EXPECT_EQ(q.used, q.committed);
		for (i = 0; i < ARRAY_SIZE(g); i++)
			vsvm_heap_free(g[i].bo);
		pthread_barrier_destroy(&barrier);
		vsvm_close(dev);
	}
}

struct runner {
	pthread_t thread;
	struct test_vm *t;
	struct test_queue q;
	uint64_t address;
	volatile bool stop;
	unsigned long done;
	int ret;
};

static void *run(void *arg)
{
	struct runner *r = arg;

	while (!r->stop && !r->ret) {
		put_atomic(&r->q, VSVM_ATOMIC_ADD, 8, (void *)(uintptr_t)r->address, 1, 0, NULL);
		r->ret = test_run(&r->q);
		r->done++;
	}
	return NULL;
}

TEST_F_LONG(stress, growth_and_shrinking_with_running_queues, 200)
{
	uint64_t end, committed;
	struct runner r[3] = {};
	unsigned int i;
	uint64_t *p;
	int handle;

	REQUIRE(self->maximum >= 3 * self->chunk, "heap=small");
	handle = heap_alloc(self->t.fd, PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, &r[0].address);
	ASSERT_LT(0, handle);
	p = heap_map(self->t.fd, handle, PAGE);
	ASSERT_NE(MAP_FAILED, (void *)p);
	for (i = 0; i < ARRAY_SIZE(r); i++) {
		r[i].t = &self->t;
		r[i].address = r[0].address + i / 3 * 3 * 8 + i * 8;
		ASSERT_EQ(0, test_queue_open(&self->t, &r[i].q));
		ASSERT_EQ(0, heap_take(&r[i].q, 0));
		ASSERT_EQ(0, pthread_create(&r[i].thread, NULL, run, &r[i]));
	}
	for (end = test_now() + test_span(5000), i = 0; test_now() < end; i++) {
		ASSERT_EQ(0, heap_grow(self->t.fd, self->chunk, self->chunk * (1 + i % 2), NULL));
		if (i % 3 == 0)
			ASSERT_EQ(0, heap_restart(true));
		ASSERT_EQ(0, heap_shrink(self->t.fd, heap_query(self->t.fd).committed, 0,
					 &committed));
		ASSERT_EQ(self->chunk, committed);
	}
	for (i = 0; i < ARRAY_SIZE(r); i++) {
		r[i].stop = true;
		pthread_join(r[i].thread, NULL);
		EXPECT_EQ(0, r[i].ret);
		EXPECT_LT(0, r[i].done);
		EXPECT_EQ(r[i].done, p[i]);
		test_queue_close(&r[i].q);
	}
	munmap(p, PAGE);
}

/* Everything a client does, over and over; never returns */
static void live(volatile uint32_t *step)
{
	struct test_vm t;
	uint64_t address;
	int handle;

	for (;;) {
		*step = 1;
		if (test_open(&t))
			_exit(1);
		if (heap_grow(t.fd, 0, 64ull << 20, NULL))
			_exit(2);
		*step = 2;
		if (heap_take(&t.q, 0))
			_exit(3);
		handle = heap_alloc(t.fd, 80ull << 20, 0, DRM_VSVM_HEAP_ALLOC_GROW, &address);
		if (handle < 0 && handle != -ENOSPC)
			_exit(4);
		*step = 3;
		put_fill(&t.q, (void *)(1ul << 47), HUGE, 5);
		if (test_submit(&t.q))
			_exit(5);
		if (handle > 0)
			heap_close(t.fd, handle);
		heap_shrink(t.fd, heap_query(t.fd).committed, 0, NULL);
		*step = 4;
		if (test_close(&t))
			_exit(6);
	}
}

TEST_F_LONG(stress, killed_at_every_step, 300)
{
	volatile uint32_t *step = map_shared(PAGE);
	unsigned long i, rounds = test_scale(40);
	uint64_t seed = 77;

	for (i = 0; i < rounds; i++) {
		struct timespec nap = { .tv_nsec = (long)(test_random(&seed) % 30) * 1000000 };
		uint32_t at = 1 + i % 4;
		pid_t pid, ended = 0;
		int status;

		*step = 0;
		/* Every other time the firmware is silent, too */
		if (i % 2) {
			ASSERT_EQ(0, bo_knob("firmware_timeout_ms", 300));
			ASSERT_EQ(0, bo_knob("mailbox_skip", test_random(&seed) % 6));
			ASSERT_EQ(0, bo_knob(i % 4 == 1 ? "mailbox_mute_add" : "mailbox_lose_remove",
					     1));
		}
		pid = fork();
		if (!pid)
			live(step);
		while (*step < at && !ended) {
			test_nap();
			ended = waitpid(pid, &status, WNOHANG);
		}
		if (!ended) {
			nanosleep(&nap, NULL);
			kill(pid, SIGKILL);
			status = wait_child(pid);
		}
		/* Silence may have ended it before: EIO and ETIME are honest answers */
		if (!(i % 2))
			EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_NE(-1, status);
		ASSERT_EQ(0, heap_calm());
	}
	/* It works on for others */
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	ASSERT_EQ(0, dev_fill(&self->t, (void *)(1ul << 47), HUGE, 1));
}

TEST_F(stress, the_device_goes_while_a_heap_is_in_use)
{
	char name[64];
	int handle;
	char *p;

	REQUIRE(!platform_device(name, sizeof(name)), "no platform device");
	handle = heap_alloc(self->t.fd, HUGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, NULL);
	ASSERT_LT(0, handle);
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	p = heap_map(self->t.fd, handle, HUGE);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, dev_fill(&self->t, (void *)(1ul << 47), HUGE, 0x0707070707070707));
	ASSERT_EQ(0, platform_unbind(name));
	/* The CPU has what it had */
	EXPECT_EQ(-1, check_bytes(p, HUGE, 7));
	EXPECT_EQ(-ENODEV, heap_grow(self->t.fd, self->chunk, self->chunk, NULL));
	ASSERT_EQ(0, platform_bind(name));
	munmap(p, HUGE);
	/* For the end of the fixture, which would look for the old device */
	vsvm_close(self->t.dev);
	ASSERT_EQ(0, test_open(&self->t));
}

TEST_HARNESS_MAIN
