// SPDX-License-Identifier: MIT
/*
 * Batches under pressure: of memory, of threads, of time.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vsvm_harness.h"
#include "vsvm_userptr.h"

FIXTURE(stress)
{
	struct test_vm t;
	uint64_t end;
};

FIXTURE_SETUP(stress)
{
	ASSERT_EQ(0, test_open(&self->t));
	swap_on(128);
	self->end = test_now() + test_span(3000);
}

FIXTURE_TEARDOWN(stress)
{
	if (self->t.vm)
		vsvm_unbind(self->t.vm, BATCH_AT, BATCH_AT, DRM_VSVM_BIND_FORCE);
	EXPECT_EQ(0, test_close(&self->t));
	memcg_leave();
	swap_off();
}

/* --- memory --- */

/*
 * The case that never ends if all ranges of a batch have to be there at once:
 * faulting one in takes another one away.
 */
TEST_F_LONG(stress, ranges_that_reclaim_one_another, 240)
{
	const size_t limit = 10ul << 20, count = 4096, half = count / 2 * PAGE;
	struct test_queue other;
	uint64_t sums[2] = { 0 };
	struct drm_vsvm_stats s;
	unsigned long round;
	struct iovec *iov;
	char *area;
	size_t i;
	int ret;

	ret = memcg_enter(limit);
	REQUIRE(!ret, "no memory control groups: %s", strerror(-ret));
	ASSERT_EQ(0, test_queue_open(&self->t, &other));
	area = map_anon(2 * count * PAGE);
	iov = batch_scatter(area, count, PAGE, 3);
	ASSERT_EQ(0, batch_bind(&self->t, iov, count, DRM_VSVM_BIND_IMMEDIATE));
	for (round = 1; round <= test_scale(3); round++) {
		/* Two queues, from both halves, so that each takes from the other */
		put_fill(&self->t.q, batch_at(0), half, round);
		put_fill(&other, batch_at(half), half, round << 32);
		ASSERT_EQ(0, test_submit(&self->t.q));
		ASSERT_EQ(0, test_submit(&other));
		ASSERT_EQ(0, test_wait_ns(&self->t.q, 3 * test_patience()));
		ASSERT_EQ(0, test_wait_ns(&other, 3 * test_patience()));
		EXPECT_GE((long)limit, memcg_current());
		put_sum(&self->t.q, batch_at(half), half / 8, 8, 8, &self->t.out[0]);
		put_sum(&other, batch_at(0), half / 8, 8, 8, &self->t.out[1]);
		ASSERT_EQ(0, test_submit(&self->t.q));
		ASSERT_EQ(0, test_submit(&other));
		ASSERT_EQ(0, test_wait_ns(&self->t.q, 3 * test_patience()));
		ASSERT_EQ(0, test_wait_ns(&other, 3 * test_patience()));
		sums[0] = half / 8 * (round << 32);
		sums[1] = half / 8 * round;
		EXPECT_EQ(sums[0], self->t.out[0]);
		EXPECT_EQ(sums[1], self->t.out[1]);
	}
	for (i = 0; i < count; i++) {
		ASSERT_EQ(i < count / 2 ? round - 1 : (round - 1) << 32,
			  *(uint64_t *)iov[i].iov_base);
	}
	s = test_stats(&self->t);
	EXPECT_EQ(0, s.terminal);
	test_queue_close(&other);
	free(iov);
}

/*
 * The same with less memory than the pages that the device asks for at once, so
 * that they never are there together: each is answered by itself.
 */
TEST_F_LONG(stress, less_memory_than_is_asked_for_at_once, 240)
{
	const size_t count = 512;
	unsigned long round, rounds = test_scale(3);
	struct iovec *iov;
	size_t i;
	int ret;

	iov = batch_scatter(map_anon(2 * count * PAGE), count, PAGE, 3);
	ASSERT_EQ(0, batch_bind(&self->t, iov, count, 0));
	ret = memcg_enter(700ul << 10);
	REQUIRE(!ret, "no memory control groups: %s", strerror(-ret));
	for (round = 1; round <= rounds; round++) {
		/* A packet for each page, none of which waits for another */
		for (i = 0; i < count; i++)
			put_atomic(&self->t.q, VSVM_ATOMIC_ADD, 8, batch_at(i * PAGE), i + 1, 0,
				   NULL);
		ASSERT_EQ(0, test_submit(&self->t.q));
		ASSERT_EQ(0, test_wait_ns(&self->t.q, 3 * test_patience()));
	}
	for (i = 0; i < count; i++) {
		ASSERT_EQ(rounds * (i + 1), *(uint64_t *)iov[i].iov_base);
	}
	EXPECT_EQ(0, test_stats(&self->t).terminal);
	free(iov);
}

/* Faults in one window while memory of the same window comes and goes without an end */
static void *discard_thread(void *arg)
{
	volatile char *p = arg;

	/* The last byte says when to stop */
	while (!p[8 * PAGE - 1]) {
		p[0] = 1;
		madvise((void *)p, PAGE, MADV_DONTNEED);
	}
	return NULL;
}

TEST_F_LONG(stress, a_window_that_is_invalidated_all_the_time, 120)
{
	char *area = map_anon(1024 * PAGE), *noise = map_anon(8 * PAGE);
	struct iovec *iov = batch_scatter(area, 256, PAGE, 9);
	unsigned long round = 0;
	pthread_t thread;
	uint32_t crc;

	/* In the same window, if not by chance at its edge */
	noise = mremap(noise, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       area + 1000 * PAGE);
	ASSERT_NE(MAP_FAILED, noise);
	iov[255] = (struct iovec) { noise, PAGE };
	ASSERT_EQ(0, pthread_create(&thread, NULL, discard_thread, noise));
	do {
		batch_fill(iov, 255, ++round);
		ASSERT_EQ(0, batch_bind(&self->t, iov, 256, 0));
		ASSERT_EQ(0, batch_dev_crc(&self->t, BATCH_AT, 255 * PAGE, &crc));
		EXPECT_EQ(batch_crc(iov, 255), crc);
	} while (test_now() < self->end);
	noise[8 * PAGE - 1] = 1;
	pthread_join(thread, NULL);
	TH_LOG("%lu rounds", round);
	free(iov);
}

/* --- threads --- */

struct worker {
	struct test_vm *t;
	unsigned int index;
	uint64_t end;
	char *shared;
	unsigned long rounds;
	int line;
	pthread_t thread;
};

/* Register, use, check, unregister; memory of one's own and memory of all */
static int register_use(struct worker *w, struct test_queue *q)
{
	uint64_t seed = w->index * 1000 + w->rounds + 1;
	uint64_t at = BATCH_AT + ((uint64_t)w->index << 32) + w->rounds % 3 * PAGE;
	uint32_t n = 2 + test_random(&seed) % 60;
	char *area = map_anon(2 * n * PAGE);
	struct iovec *iov = batch_scatter(area, n, PAGE, seed);
	volatile uint64_t *out = (void *)((char *)q->area + PAGE);
	int line = 0;
	uint32_t i;

	iov[n - 1] = (struct iovec) { w->shared, PAGE };
	if (batch_bind_at(w->t, at, iov, n, w->rounds % 2 ? DRM_VSVM_BIND_IMMEDIATE : 0, NULL))
		line = __LINE__;
	put_fill(q, (void *)(uintptr_t)at, (n - 1) * PAGE, seed);
	put_atomic(q, VSVM_ATOMIC_ADD, 8, (void *)(uintptr_t)(at + (n - 1) * PAGE), 1, 0, NULL);
	put_barrier(q);
	put_sum(q, (void *)(uintptr_t)at, (n - 1) * PAGE / 8, 8, 8, out);
	if (!line && test_run(q))
		line = __LINE__;
	else if (!line && *out != (n - 1) * PAGE / 8 * seed)
		line = __LINE__;
	for (i = 0; !line && i < n - 1; i++)
		if (*(uint64_t *)((char *)iov[i].iov_base + 8 * (i % 512)) != seed)
			line = __LINE__;
	/* In either order: the memory may go before the batch */
	if (w->rounds % 4 < 2)
		munmap(area, 2 * n * PAGE);
	if (!line && batch_unbind(w->t, at, n * PAGE))
		line = __LINE__;
	if (w->rounds % 4 >= 2)
		munmap(area, 2 * n * PAGE);
	free(iov);
	w->rounds++;
	return line;
}

static void *register_thread(void *arg)
{
	struct worker *w = arg;
	struct test_queue q;

	if (test_queue_open(w->t, &q)) {
		w->line = __LINE__;
		return NULL;
	}
	do {
		w->line = register_use(w, &q);
	} while (!w->line && test_now() < w->end);
	test_queue_close(&q);
	return NULL;
}

#define THREADS	6

TEST_F_LONG(stress, many_threads_register_and_unregister, 180)
{
	struct worker w[THREADS] = { 0 };
	unsigned long rounds = 0;
	char *shared = map_anon(PAGE);
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker) {
			.t = &self->t, .index = i, .end = self->end, .shared = shared,
		};
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, register_thread, &w[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(0, w[i].line);
		rounds += w[i].rounds;
	}
	/* Every batch had the page, and none lost an update */
	EXPECT_EQ(rounds, *(uint64_t *)shared);
	EXPECT_EQ(0, batch_all_gone(&self->t));
	TH_LOG("%lu rounds", rounds);
}

/* --- the end --- */

TEST_F_LONG(stress, unbound_while_the_device_works, 120)
{
	char *area = map_anon(512 * PAGE), *copy = map_anon(256 * PAGE);
	struct iovec *iov = batch_scatter(area, 256, PAGE, 21);
	struct drm_vsvm_fault fault;
	unsigned long rounds = test_scale(20);
	int ret;

	while (rounds--) {
		batch_fill(iov, 256, rounds);
		ASSERT_EQ(0, batch_bind(&self->t, iov, 256, 0));
		put_fill(&self->t.q, batch_at(0), 256 * PAGE, 0x5a5a5a5a5a5a5a5a);
		ASSERT_EQ(0, test_submit(&self->t.q));
		if (rounds & 1)
			sched_yield();
		ASSERT_EQ(0, batch_unbind(&self->t, BATCH_AT, 256 * PAGE));
		/* From here on the memory is the process' alone */
		memcpy(copy, area, 256 * PAGE);
		ret = test_wait(&self->t.q);
		if (ret) {
			ASSERT_EQ(-ECANCELED, ret);
			ASSERT_EQ(0, test_fault(&self->t.q, &fault));
			EXPECT_EQ(DRM_VSVM_FAULT_NOT_BOUND, fault.reason);
			ASSERT_EQ(0, test_queue_renew(&self->t.q));
		}
		EXPECT_EQ(0, memcmp(copy, area, 256 * PAGE));
	}
	EXPECT_EQ(0, batch_all_gone(&self->t));
	free(iov);
}

TEST_F_LONG(stress, process_that_ends_in_flight, 120)
{
	unsigned long round, rounds = test_scale(12);

	for (round = 0; round < rounds; round++) {
		volatile uint32_t *flag = map_shared(PAGE);
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct iovec *iov;
			struct test_vm t;

			if (test_open(&t))
				_exit(1);
			iov = batch_scatter(map_anon(2048 * PAGE), 1024, PAGE, 5);
			if (batch_bind(&t, iov, 1024, round & 1 ? DRM_VSVM_BIND_IMMEDIATE : 0))
				_exit(1);
			flag_set(flag, 1);
			for (;;) {
				put_fill(&t.q, batch_at(0), 1024 * PAGE, round);
				if (test_run(&t.q))
					_exit(1);
			}
		}
		ASSERT_EQ(true, flag_wait(flag, 1));
		if (round % 3)
			test_nap();
		kill(pid, SIGKILL);
		EXPECT_NE(0, wait_child(pid));
		munmap((void *)flag, PAGE);
	}
	EXPECT_EQ(0, dev_fill(&self->t, self->t.out, 64, 1));
}

TEST_F(stress, a_descriptor_outlives_the_process)
{
	struct iovec *iov = batch_scatter(map_anon(64 * PAGE), 32, PAGE, 5);
	struct vsvm_device *dev;
	struct test_vm t;
	pid_t pid;

	/* Our copy of the file keeps its address space when the owner has gone */
	ASSERT_EQ(0, vsvm_open(NULL, &dev));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (test_open_on(&t, dev, 0) || batch_bind(&t, iov, 32, 0) ||
		    dev_fill(&t, batch_at(0), 32 * PAGE, 1))
			_exit(1);
		put_fill(&t.q, batch_at(0), 32 * PAGE, 2);
		_exit(test_submit(&t.q) != 0);
	}
	EXPECT_EQ(0, wait_child(pid));
	vsvm_close(dev);
	free(iov);
}

TEST_F_LONG(stress, fork_storm_over_a_batch, 120)
{
	struct iovec *iov = batch_scatter(map_anon(256 * PAGE), 128, PAGE, 5);
	unsigned long round = 0;
	uint64_t value = 0;
	pid_t pid;

	memset(iov[0].iov_base, 0, PAGE);
	ASSERT_EQ(0, batch_bind(&self->t, iov, 128, 0));
	do {
		put_atomic(&self->t.q, VSVM_ATOMIC_ADD, 8, batch_at(round % 128 * PAGE), 1, 0,
			   NULL);
		ASSERT_EQ(0, test_submit(&self->t.q));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			/* Neither side's copy is the other's */
			memset(iov[round % 128].iov_base, 0xff, PAGE);
			_exit(0);
		}
		__atomic_fetch_add((uint64_t *)iov[round % 128].iov_base, 1, __ATOMIC_SEQ_CST);
		ASSERT_EQ(0, test_wait(&self->t.q));
		EXPECT_EQ(0, wait_child(pid));
		value += *(uint64_t *)iov[round % 128].iov_base;
		EXPECT_EQ(2 * (round / 128 + 1), *(uint64_t *)iov[round % 128].iov_base);
		round++;
	} while (test_now() < self->end);
	EXPECT_LT(0, value);
	free(iov);
}

TEST_HARNESS_MAIN
