// SPDX-License-Identifier: MIT
/*
 * Faults: how they scale, fold, and how little they populate.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"

/* --- parallel --- */

#define PARALLEL_BLOCKS		16ul
#define PARALLEL_BYTES		(PARALLEL_BLOCKS * BLOCK)
#define PARALLEL_FAULTS		32u
#define PARALLEL_ROUNDS		40

/*
 * Faults all over the blocks, as many blocks and faults for each engine, no two
 * so close that one maps what the other wants.
 */
static void parallel_scattered(struct bench_dev *d, char *p)
{
	unsigned int per_queue = PARALLEL_BLOCKS / BENCH_QUEUES;
	unsigned int *order = bench_shuffle(BLOCK / AROUND);
	unsigned int q, u, i;

	bench_begin(d);
	for (q = 0; q < BENCH_QUEUES; q++)
		for (u = 0; u < PARALLEL_FAULTS; u++)
			for (i = 0; i < per_queue; i++)
				bench_touch(d, q, p + (q * per_queue + i) * BLOCK +
					    order[u] * AROUND, false);
	free(order);
}

/* Every page of each block, in order */
static void parallel_sweeps(struct bench_dev *d, char *p)
{
	unsigned int per_queue = PARALLEL_BLOCKS / BENCH_QUEUES;
	unsigned int i;

	bench_begin(d);
	for (i = 0; i < PARALLEL_BLOCKS; i++)
		bench_sweep(d, i / per_queue, p + i * BLOCK, BLOCK, PAGE);
}

/*
 * The best of many short rounds: where the host has other things to do, it takes
 * a while until it lets all processors of a guest run at the same time.
 */
static double parallel_time(struct bench_dev *d, char *p)
{
	double best = INFINITY;
	int i;

	for (i = 0; i < PARALLEL_ROUNDS; i++) {
		bench_forget(d, p, PARALLEL_BYTES);
		best = fmin(best, bench_run(d));
	}
	return best;
}

/*
 * What a second processor is worth here: two threads that only count, and two
 * that take minor faults on memory of their own
 */
struct pair {
	pthread_t thread;
	char *p;
};

#define PAIR_BYTES	(4 * MIB)
#define PAIR_COUNT	20000000
/* Less than that for threads that only count, and there is no second processor */
#define PAIR_ENOUGH	1.8

static void *count_thread(void *arg)
{
	unsigned int i;

	for (i = 0; i < PAIR_COUNT; i++)
		asm volatile("" : : "r" (arg) : "memory");
	return NULL;
}

static void *fault_thread(void *arg)
{
	bench_populate(((struct pair *)arg)->p, PAIR_BYTES);
	return NULL;
}

static double pair_time(struct pair pair[2], void *(*fn)(void *arg))
{
	double best = INFINITY;
	uint64_t t;
	int i, k;

	for (i = 0; i < PARALLEL_ROUNDS / 4; i++) {
		for (k = 0; k < 2; k++)
			bench_unmap_cpu(pair[k].p, PAIR_BYTES);
		t = bench_now();
		for (k = 0; k < 2; k++)
			if (pthread_create(&pair[k].thread, NULL, fn, &pair[k]))
				bench_die("no thread");
		for (k = 0; k < 2; k++)
			pthread_join(pair[k].thread, NULL);
		best = fmin(best, bench_now() - t);
	}
	return best;
}

/*
 * One processor is one processor: the others are taken away from the whole
 * machine, so that engines, driver and caller share what there is in both
 * cases.  To confine only the driver's workers would leave the engines a
 * processor of their own in the case that is to be the slow one.
 */
static void fault_parallel(struct bench *b)
{
	struct bench_samples scattered = { 0 }, sweeps = { 0 }, machine = { 0 };
	struct bench_samples workers = { 0 }, rate = { 0 }, minor = { 0 };
	double faults = PARALLEL_BLOCKS * PARALLEL_FAULTS;
	struct bench_goal goal = AT_LEAST(1.6);
	struct pair pair[2];
	struct bench_dev d;
	unsigned int run;
	double t[2];
	char *p;
	int i;

	bench_limit_cpus(2);
	for (i = 0; i < 2; i++) {
		pair[i].p = bench_map_fd(bench_memfd(PAIR_BYTES), PAIR_BYTES);
		bench_populate(pair[i].p, PAIR_BYTES);
	}
	p = bench_map_4k(PARALLEL_BYTES);
	bench_populate_4k(p, PARALLEL_BYTES);
	bench_open(&d, BENCH_QUEUES, 0);
	parallel_scattered(&d, p);
	parallel_time(&d, p);
	for (run = 0; run < bench_runs(b); run++) {
		for (i = 0; i < 2; i++) {
			bench_limit_cpus(i + 1);
			t[i] = pair_time(pair, count_thread);
		}
		bench_add(&machine, t[0] / t[1]);
		for (i = 0; i < 2; i++) {
			bench_limit_cpus(i + 1);
			t[i] = pair_time(pair, fault_thread);
		}
		bench_add(&minor, t[0] / t[1]);

		parallel_scattered(&d, p);
		for (i = 0; i < 2; i++) {
			bench_limit_cpus(i + 1);
			t[i] = parallel_time(&d, p);
		}
		bench_add(&scattered, t[0] / t[1]);
		bench_add(&rate, faults / t[1] * 1e9);
		bench_limit_workers("1");
		t[0] = parallel_time(&d, p);
		bench_limit_workers("3");
		t[1] = parallel_time(&d, p);
		bench_add(&workers, t[0] / t[1]);

		parallel_sweeps(&d, p);
		for (i = 0; i < 2; i++) {
			bench_limit_cpus(i + 1);
			t[i] = parallel_time(&d, p);
		}
		bench_add(&sweeps, t[0] / t[1]);
	}
	goal.doubt = bench_median(&machine) < PAIR_ENOUGH;
	if (goal.doubt)
		bench_warn("two threads that only count gain a factor of %.2f from a second processor: the host has none to spare",
			   bench_median(&machine));
	bench_rows(b, "speedup_2cpu", &scattered, "x", goal);
	bench_rows(b, "speedup_2cpu_sweep", &sweeps, "x", NO_GOAL_UP);
	bench_rows(b, "speedup_2cpu_machine", &machine, "x", NO_GOAL_UP);
	bench_rows(b, "speedup_2cpu_minor_faults", &minor, "x", NO_GOAL_UP);
	bench_rows(b, "speedup_2workers", &workers, "x", NO_GOAL_UP);
	bench_row(b, "faults_2cpu", bench_median(&rate), "1/s", NO_GOAL);
	bench_close(&d);
}

/* --- fold --- */

#define FOLD_ITEMS	64
#define FOLD_PAGES	32

struct fold {
	struct bench_samples service;
	struct bench_samples elapsed;
	struct bench_samples faults;
	struct bench_samples served;
};

static void fold_measure(struct bench_dev *d, char *p, size_t size, size_t at,
			 unsigned int items, struct fold *f)
{
	struct drm_vsvm_stats s;
	unsigned int i;
	double t;

	bench_begin(d);
	for (i = 0; i < items; i++)
		bench_touch(d, 0, p + at + 8 * i, true);
	bench_forget(d, p, size);
	s = bench_stats(d);
	t = bench_run(d);
	s = bench_stats_since(d, &s);
	bench_add(&f->service, s.service_ns);
	bench_add(&f->faults, s.faults);
	bench_add(&f->served, s.faults - s.folded - s.valid);
	/* The same once more without a fault */
	bench_add(&f->elapsed, t - bench_run(d));
}

/* All work items have faulted before the first fault is served */
static void fault_fold(struct bench *b)
{
	struct bench_samples service = { 0 }, elapsed = { 0 };
	size_t size = FOLD_PAGES * BLOCK / 8;
	struct fold one = { 0 }, many = { 0 };
	struct bench_dev d;
	unsigned int run, i;
	size_t at;
	char *p;

	p = bench_map_4k(size);
	bench_populate_4k(p, size);
	bench_open(&d, 1, 0);
	bench_gather();
	for (run = 0; run <= bench_runs(b); run++) {
		bench_reset(&one.service);
		bench_reset(&one.elapsed);
		bench_reset(&many.service);
		bench_reset(&many.elapsed);
		for (i = 0; i < FOLD_PAGES; i++) {
			at = i * (BLOCK / 8);
			fold_measure(&d, p, size, at, 1, &one);
			fold_measure(&d, p, size, at, FOLD_ITEMS, &many);
		}
		/* The first round makes everything warm */
		if (!run)
			continue;
		bench_add(&service, bench_median(&many.service) / bench_median(&one.service));
		bench_add(&elapsed, bench_median(&many.elapsed) / bench_median(&one.elapsed));
	}
	bench_rows(b, "service_64", &service, "x", AT_MOST(1.5));
	bench_rows(b, "elapsed_64", &elapsed, "x", NO_GOAL);
	bench_row(b, "faults_of_64", bench_median(&many.faults), "faults", NO_GOAL);
	bench_row(b, "served_of_64", bench_median(&many.served), "faults", NO_GOAL);
	bench_rows(b, "service_1_ns", &one.service, "ns", NO_GOAL);
	bench_rows(b, "service_64_ns", &many.service, "ns", NO_GOAL);
	bench_rows(b, "elapsed_1_ns", &one.elapsed, "ns", NO_GOAL);
	bench_rows(b, "elapsed_64_ns", &many.elapsed, "ns", NO_GOAL);
	bench_close(&d);
}

/* --- sparse --- */

#define SPARSE_TOUCHES	128

static void fault_sparse(struct bench *b)
{
	struct bench_samples device = { 0 }, cpu = { 0 }, pages = { 0 };
	unsigned int *order = bench_shuffle(SPARSE_TOUCHES);
	size_t size = SPARSE_TOUCHES * BLOCK;
	struct bench_dev d;
	unsigned int run, i;
	uint64_t t;
	char *p;

	p = bench_map_4k(size);
	bench_open(&d, 1, 0);
	for (i = 0; i < SPARSE_TOUCHES; i++)
		bench_touch(&d, 0, p + order[i] * BLOCK + i * PAGE, true);
	for (run = 0; run < bench_runs(b); run++) {
		bench_discard(p, size);
		t = bench_now();
		for (i = 0; i < SPARSE_TOUCHES; i++)
			p[order[i] * BLOCK + i * PAGE] = 1;
		bench_add(&cpu, (double)(bench_now() - t) / SPARSE_TOUCHES);

		bench_discard(p, size);
		bench_add(&device, bench_run(&d) / SPARSE_TOUCHES);
		bench_add(&pages, (double)bench_resident(p, size) / SPARSE_TOUCHES);
	}
	bench_row(b, "rss_pages_per_touch", bench_quantile(&pages, 1), "pages", AT_MOST(16));
	bench_rows(b, "device_touch_ns", &device, "ns", NO_GOAL);
	bench_rows(b, "cpu_touch_ns", &cpu, "ns", NO_GOAL);
	bench_close(&d);
	free(order);
}

/* --- the area --- */

static const struct bench_load loads[] = {
	{ "parallel", "faults on disjoint populated blocks, 1 and 2 processors", fault_parallel },
	{ "fold", "64 work items that fault on one page, and 1", fault_fold },
	{ "sparse", "one touch in each 2 MiB of unpopulated memory", fault_sparse },
	{ "service", "one fault on a populated page, and a CPU's", fault_service },
	{ "storm", "256 faults on populated pages, and a CPU's", fault_storm },
	{ "huge", "a fault on a populated huge page, and on a small one", fault_huge },
	{ "metadata", "memory of the driver for a GiB mapped", fault_metadata },
	{ "copy", "COPY over mapped memory, and the kernel's own", fault_copy },
	{ "stream", "touches of unpopulated memory, in order and not", fault_stream },
	{ "invalidate", "one page taken away in a loop, elsewhere in the span", fault_invalidate },
	{ "fork", "reading after fork(), and what fork() costs", fault_fork },
	{ "munmap", "munmap() of what the device maps, and of what it does not", fault_munmap },
	{ 0 },
};

const struct bench_area bench_fault = {
	.name = "fault",
	.what = "page faults of the device, and what comes of the mirror",
	.loads = loads,
};
