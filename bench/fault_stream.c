// SPDX-License-Identifier: MIT
/*
 * Runs of faults, and work beside an invalidation that has nothing to do with
 * it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fault.h"

/* --- stream --- */

#define STREAM_PAGES	1024
#define STREAM_BYTES	(STREAM_PAGES * PAGE)

struct stream {
	struct bench_samples ns;
	struct bench_samples faults;
};

/* One page after the other, in the order given or as they lie */
static void stream_measure(struct bench_dev *d, char *p, const unsigned int *order,
			   struct stream *stream)
{
	struct drm_vsvm_stats s;
	unsigned int i;

	bench_begin(d);
	for (i = 0; i < STREAM_PAGES; i++)
		bench_touch_alone(d, 0, p + (order ? order[i] : i) * PAGE, true);
	bench_discard(p, STREAM_BYTES);
	s = bench_stats(d);
	bench_add(&stream->ns, bench_run(d) / STREAM_PAGES);
	s = bench_stats_since(d, &s);
	bench_add(&stream->faults, s.faults);
}

void fault_stream(struct bench *b)
{
	struct bench_samples gain = { 0 }, of_cpu = { 0 }, cpu = { 0 }, all = { 0 };
	unsigned int *order = bench_shuffle(STREAM_PAGES);
	struct stream ordered = { 0 }, random = { 0 };
	struct bench_dev d;
	unsigned int run;
	uint64_t t;
	char *p;

	p = bench_map_4k(STREAM_BYTES);
	bench_open(&d, 1, 0);
	for (run = 0; run < bench_runs(b); run++) {
		stream_measure(&d, p, NULL, &ordered);
		stream_measure(&d, p, order, &random);

		/* One packet that writes all of it */
		bench_begin(&d);
		bench_must(vsvm_cmd_fill(d.cmds[0], p, STREAM_BYTES, 1), "fill");
		bench_discard(p, STREAM_BYTES);
		bench_add(&all, bench_run(&d) / STREAM_PAGES);

		bench_discard(p, STREAM_BYTES);
		t = bench_now();
		bench_populate(p, STREAM_BYTES);
		bench_add(&cpu, (double)(bench_now() - t) / STREAM_PAGES);
		bench_add(&gain, random.ns.v[run] / ordered.ns.v[run]);
		bench_add(&of_cpu, ordered.ns.v[run] / cpu.v[run]);
	}
	bench_rows(b, "random_of_ordered", &gain, "x", NO_GOAL_UP);
	bench_rows(b, "ordered_of_cpu", &of_cpu, "x", NO_GOAL);
	bench_rows(b, "ordered_ns", &ordered.ns, "ns/page", NO_GOAL);
	bench_rows(b, "random_ns", &random.ns, "ns/page", NO_GOAL);
	bench_rows(b, "fill_ns", &all, "ns/page", NO_GOAL);
	bench_rows(b, "cpu_ns", &cpu, "ns/page", NO_GOAL);
	bench_row(b, "ordered_faults", bench_median(&ordered.faults), "faults", NO_GOAL);
	bench_row(b, "random_faults", bench_median(&random.faults), "faults", NO_GOAL);
	bench_close(&d);
	free(order);
}

/* --- invalidate --- */

#define SPAN		(32 * MIB)
#define STREAM_PART	(16 * MIB)
#define SWEEPS		16
#define REFAULTS	8

/* A thread that takes a page away from the process, again and again */
struct taker {
	pthread_t thread;
	char *page;
	bool stop;
	unsigned long times;
};

static void *taker_thread(void *arg)
{
	struct taker *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		*(volatile char *)t->page = 1;
		bench_discard(t->page, PAGE);
		t->times++;
	}
	return NULL;
}

static void taker_start(struct taker *t, char *page)
{
	*t = (struct taker) { .page = page };
	if (pthread_create(&t->thread, NULL, taker_thread, t))
		bench_die("no thread");
}

static unsigned long taker_end(struct taker *t)
{
	__atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
	pthread_join(t->thread, NULL);
	return t->times;
}

struct beside {
	struct bench_samples sweep;
	struct bench_samples refault;
	struct bench_samples service;
	double taken;
	double retries;
	double faults;
	double invalidate_ns;
};

/* Read mapped memory, and fault on populated memory, while a page is taken away, or none */
static void beside_measure(struct bench_dev *d, char *p, char *page, struct beside *r)
{
	struct drm_vsvm_stats s;
	struct taker taker;
	uint64_t t;
	int i;

	bench_reset(&r->sweep);
	bench_reset(&r->refault);
	bench_reset(&r->service);
	r->retries = 0;

	bench_begin(d);
	bench_sweep(d, 0, p, STREAM_PART, 64);
	bench_run(d);
	if (page)
		taker_start(&taker, page);
	s = bench_stats(d);
	t = bench_now();
	for (i = 0; i < SWEEPS; i++)
		bench_add(&r->sweep, bench_run(d));
	t = bench_now() - t;
	s = bench_stats_since(d, &s);
	if (page)
		r->taken = taker_end(&taker) * 1e9 / t;
	r->faults = s.faults;
	r->invalidate_ns = s.invalidations ? (double)s.invalidate_ns / s.invalidations : 0;

	bench_begin(d);
	bench_sweep(d, 0, p, STREAM_PART, PAGE);
	if (page)
		taker_start(&taker, page);
	for (i = 0; i < REFAULTS; i++) {
		bench_forget(d, p, STREAM_PART);
		s = bench_stats(d);
		bench_add(&r->refault, bench_run(d));
		s = bench_stats_since(d, &s);
		bench_add(&r->service, s.service_ns);
		r->retries += s.retries;
	}
	if (page)
		taker_end(&taker);
}

static double kept(const struct bench_samples *with, const struct bench_samples *without)
{
	return bench_median(without) / bench_median(with);
}

/*
 * The same several times, with the page to be taken away
 *   nowhere    no thread
 *   elsewhere  where the device has nothing in the span: no notifier.  What the
 *              thread costs the machine, and the yardstick of all that follow
 *   next       in the span next to the one that is read, which has a notifier
 *   beside     in the same span, not mapped by the device
 *   within     in the midst of what is read: each time it goes it is flushed,
 *              and faulted on again
 */
void fault_invalidate(struct bench *b)
{
	enum { NOWHERE, ELSEWHERE, NEXT, BESIDE, WITHIN, PLACES };
	static const char *const names[PLACES] = {
		"nowhere", "elsewhere", "next", "beside", "within",
	};
	struct bench_samples sweep[PLACES] = { 0 }, refault[PLACES] = { 0 };
	struct bench_samples service[PLACES] = { 0 }, callback = { 0 };
	struct bench_samples taken = { 0 }, faults = { 0 }, retries = { 0 };
	struct beside r[PLACES] = { 0 };
	char *place[PLACES], name[32];
	struct bench_dev d;
	unsigned int run, i;
	char *p;

	p = bench_map_at(3 * SPAN, SPAN, false);
	bench_populate_4k(p, STREAM_PART);
	place[NOWHERE] = NULL;
	place[ELSEWHERE] = p + 2 * SPAN + STREAM_PART;
	place[NEXT] = p + SPAN + STREAM_PART;
	place[BESIDE] = p + SPAN - 4 * MIB;
	place[WITHIN] = p + STREAM_PART / 2;
	bench_open(&d, 1, 0);
	bench_map_device(&d, p, STREAM_PART, false);
	bench_map_device(&d, p + SPAN, MIB, false);
	for (run = 0; run < bench_runs(b); run++) {
		for (i = 0; i < PLACES; i++)
			beside_measure(&d, p, place[i], &r[i]);
		for (i = 0; i < PLACES; i++) {
			bench_add(&sweep[i], kept(&r[i].sweep, &r[ELSEWHERE].sweep));
			bench_add(&refault[i], kept(&r[i].refault, &r[ELSEWHERE].refault));
			bench_add(&service[i], bench_median(&r[i].service));
		}
		bench_add(&callback, r[BESIDE].invalidate_ns);
		bench_add(&taken, r[BESIDE].taken);
		bench_add(&retries, r[BESIDE].retries);
		bench_add(&faults, r[WITHIN].faults);
	}
	for (i = 0; i < PLACES; i++) {
		if (i == ELSEWHERE)
			continue;
		snprintf(name, sizeof(name), "read_%s", names[i]);
		bench_rows(b, name, &sweep[i], "x", NO_GOAL_UP);
		snprintf(name, sizeof(name), "fault_%s", names[i]);
		bench_rows(b, name, &refault[i], "x", NO_GOAL_UP);
	}
	for (i = 0; i < PLACES; i++) {
		snprintf(name, sizeof(name), "service_%s_ns", names[i]);
		bench_row(b, name, bench_median(&service[i]) / (STREAM_PART / PAGE), "ns/page",
			  NO_GOAL);
	}
	bench_rows(b, "notifier_ns", &callback, "ns", NO_GOAL);
	bench_row(b, "taken_beside", bench_median(&taken), "1/s", NO_GOAL);
	bench_row(b, "retries_beside", bench_median(&retries), "retries", NO_GOAL);
	bench_row(b, "faults_within", bench_median(&faults), "faults", NO_GOAL);
	bench_close(&d);
}
