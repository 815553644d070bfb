// SPDX-License-Identifier: MIT
/*
 * What one fault costs, against what the same page costs the CPU.
 *
 * Three times are taken of a device fault:
 *
 *   service  work in the driver: its own counter.  The targets are for this.
 *   latency  from the device raising the fault to the answer: its record.
 *            Adds waking the worker up.
 *   elapsed  of the submission, less that of the same one without a fault: all
 *            there is, parking and replaying by the engine included.
 *
 * The CPU's fault is a minor one, on the same page through a second mapping,
 * with the page tables in place: what core-mm itself takes to look a page up
 * and map it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fault.h"

struct costs {
	struct bench_samples service;
	struct bench_samples snapshot;
	struct bench_samples map;
	struct bench_samples latency;
	struct bench_samples elapsed;
	struct bench_samples plain;
	struct bench_samples cpu;
};

static void each_cost(struct costs *to, struct costs *from,
		      void (*fn)(struct bench_samples *to, const struct bench_samples *from))
{
	fn(&to->service, &from->service);
	fn(&to->snapshot, &from->snapshot);
	fn(&to->map, &from->map);
	fn(&to->latency, &from->latency);
	fn(&to->elapsed, &from->elapsed);
	fn(&to->plain, &from->plain);
	fn(&to->cpu, &from->cpu);
}

static void reset_one(struct bench_samples *to, const struct bench_samples *from)
{
	(void)from;
	bench_reset(to);
}

static void costs_reset(struct costs *c)
{
	each_cost(c, c, reset_one);
}

/* The record of the last fault */
static void add_latency(struct bench_dev *d, uint64_t *last, struct bench_samples *s)
{
	struct drm_vsvm_fault record[16];
	uint32_t count = ARRAY_SIZE(record);
	uint32_t i;

	bench_must(vsvm_vm_faults(d->vm, *last, record, &count, NULL, last), "faults");
	for (i = 0; i < count; i++)
		bench_add(s, record[i].latency_ns);
}

static double cpu_touch(char *p, bool write)
{
	volatile uint64_t *at = (volatile uint64_t *)p;
	uint64_t t = bench_now();

	if (write)
		*at = t;
	else
		(void)*at;
	return bench_now() - t;
}

/*
 * One fault after the other, one in each of n units in the order given.  If
 * there is another mapping of the same pages, the CPU faults on the same page
 * right after the device, neither of the two having its own path fresh in the
 * caches.
 */
static void measure_device(struct bench_dev *d, char *p, char *other, size_t unit,
			   unsigned int n, const unsigned int *order, bool write, double clock,
			   struct costs *c)
{
	struct drm_vsvm_stats s;
	uint64_t last = 0;
	uint32_t none = 0;
	double t, plain;
	unsigned int i;

	bench_must(vsvm_vm_faults(d->vm, UINT64_MAX, NULL, &none, NULL, &last), "faults");
	bench_forget(d, p, n * unit);
	if (other)
		bench_unmap_cpu(other, n * unit);
	for (i = 0; i < n; i++) {
		bench_begin(d);
		bench_touch(d, 0, p + order[i] * unit, write);
		s = bench_stats(d);
		t = bench_run(d);
		s = bench_stats_since(d, &s);
		if (other)
			bench_add(&c->cpu, cpu_touch(other + order[i] * unit, write) - clock);
		add_latency(d, &last, &c->latency);
		plain = bench_run(d);
		bench_add(&c->plain, plain);
		/* More than one: something else has come in between */
		if (s.groups != 1)
			continue;
		bench_add(&c->service, s.service_ns);
		bench_add(&c->snapshot, s.snapshot_ns);
		bench_add(&c->map, s.map_ns);
		bench_add(&c->elapsed, t - plain);
	}
}

/* The same for the CPU, in a loop and with nothing in between */
static void measure_cpu(char *p, size_t unit, unsigned int n, const unsigned int *order,
			bool write, double clock, struct bench_samples *samples)
{
	unsigned int i;

	bench_unmap_cpu(p, n * unit);
	for (i = 0; i < n; i++)
		bench_add(samples, cpu_touch(p + order[i] * unit, write) - clock);
}

/* --- rows --- */

struct named {
	const char *name;
	const struct bench_samples *samples;
	const char *unit;
	struct bench_goal goal;
};

static void add_rows(struct bench *b, const char *prefix, const struct named *rows, size_t n)
{
	char name[32];
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s_%s", prefix, rows[i].name);
		bench_rows(b, name, rows[i].samples, rows[i].unit, rows[i].goal);
	}
}

/* --- one at a time --- */

#define SERVICE_FAULTS	128

struct service {
	struct costs all;
	struct bench_samples loop;
	struct bench_samples ratio;
	struct bench_samples loop_ratio;
	struct bench_samples latency_ratio;
	struct bench_samples elapsed_ratio;
};

static void service_rows(struct bench *b, const char *access, const struct service *s)
{
	const struct named rows[] = {
		{ "service", &s->ratio, "x", AT_MOST(2) },
		{ "service_of_loop", &s->loop_ratio, "x", NO_GOAL },
		{ "latency", &s->latency_ratio, "x", NO_GOAL },
		{ "elapsed", &s->elapsed_ratio, "x", NO_GOAL },
		{ "service_ns", &s->all.service, "ns", NO_GOAL },
		{ "snapshot_ns", &s->all.snapshot, "ns", NO_GOAL },
		{ "map_ns", &s->all.map, "ns", NO_GOAL },
		{ "latency_ns", &s->all.latency, "ns", NO_GOAL },
		{ "elapsed_ns", &s->all.elapsed, "ns", NO_GOAL },
		{ "nofault_ns", &s->all.plain, "ns", NO_GOAL },
		{ "cpu_ns", &s->all.cpu, "ns", NO_GOAL },
		{ "cpu_loop_ns", &s->loop, "ns", NO_GOAL },
	};

	add_rows(b, access, rows, ARRAY_SIZE(rows));
}

void fault_service(struct bench *b)
{
	unsigned int *order = bench_shuffle(SERVICE_FAULTS);
	struct bench_samples loop = { 0 };
	size_t size = SERVICE_FAULTS * AROUND;
	struct service both[2] = { 0 }, *s;
	double clock = bench_clock_ns();
	int fd = bench_memfd(size);
	unsigned int run, write;
	struct costs now = { 0 };
	struct bench_dev d;
	char *p, *other;
	double cpu;

	p = bench_map_fd(fd, size);
	other = bench_map_fd(fd, size);
	bench_populate_4k(p, size);
	bench_populate(other, size);
	bench_pin(0);
	bench_open(&d, 1, DRM_VSVM_VM_RECORD_ALL);
	for (run = 0; run <= bench_runs(b); run++) {
		for (write = 0; write < 2; write++) {
			s = &both[write];
			costs_reset(&now);
			bench_reset(&loop);
			measure_device(&d, p, other, AROUND, SERVICE_FAULTS, order, write, clock,
				       &now);
			measure_cpu(other, AROUND, SERVICE_FAULTS, order, write, clock, &loop);
			/* The first round makes everything warm */
			if (!run)
				continue;
			cpu = bench_median(&now.cpu);
			bench_add(&s->ratio, bench_median(&now.service) / cpu);
			bench_add(&s->latency_ratio, bench_median(&now.latency) / cpu);
			bench_add(&s->elapsed_ratio, bench_median(&now.elapsed) / cpu);
			bench_add(&s->loop_ratio,
				  bench_median(&now.service) / bench_median(&loop));
			each_cost(&s->all, &now, bench_append);
			bench_append(&s->loop, &loop);
		}
	}
	service_rows(b, "read", &both[0]);
	service_rows(b, "write", &both[1]);
	bench_close(&d);
	free(order);
}

/* --- many at once --- */

#define STORM_FAULTS	256
#define STORM_ROUNDS	16

struct storm {
	struct bench_samples ratio;
	struct bench_samples elapsed_ratio;
	struct bench_samples service;
	struct bench_samples snapshot;
	struct bench_samples map;
	struct bench_samples elapsed;
	struct bench_samples cpu;
	struct bench_samples faults;
	struct bench_samples groups;
};

static void storm_measure(struct bench_dev *d, char *p, char *other, size_t unit, bool write,
			  double clock, bool warm, struct storm *storm)
{
	struct bench_samples service = { 0 }, elapsed = { 0 }, cpu = { 0 };
	unsigned int *order = bench_shuffle(STORM_FAULTS);
	size_t size = STORM_FAULTS * unit;
	struct drm_vsvm_stats s;
	unsigned int i;
	double t;

	bench_begin(d);
	for (i = 0; i < STORM_FAULTS; i++)
		bench_touch(d, i % BENCH_QUEUES, p + order[i] * unit, write);
	for (i = 0; i < STORM_ROUNDS; i++) {
		bench_forget(d, p, size);
		s = bench_stats(d);
		t = bench_run(d);
		s = bench_stats_since(d, &s);
		t -= bench_run(d);
		measure_cpu(other, unit, STORM_FAULTS, order, write, clock, &cpu);
		bench_add(&service, (double)s.service_ns / STORM_FAULTS);
		bench_add(&elapsed, t / STORM_FAULTS);
		if (!warm)
			continue;
		bench_add(&storm->snapshot, (double)s.snapshot_ns / STORM_FAULTS);
		bench_add(&storm->map, (double)s.map_ns / STORM_FAULTS);
		bench_add(&storm->faults, s.faults);
		bench_add(&storm->groups, s.groups);
	}
	if (warm) {
		bench_add(&storm->ratio, bench_median(&service) / bench_median(&cpu));
		bench_add(&storm->elapsed_ratio, bench_median(&elapsed) / bench_median(&cpu));
		bench_append(&storm->service, &service);
		bench_append(&storm->elapsed, &elapsed);
		bench_append(&storm->cpu, &cpu);
	}
	bench_free(&service);
	bench_free(&elapsed);
	bench_free(&cpu);
	free(order);
}

static void storm_rows(struct bench *b, const char *kind, const struct storm *s,
		       struct bench_goal goal)
{
	const struct named rows[] = {
		{ "service", &s->ratio, "x", goal },
		{ "elapsed", &s->elapsed_ratio, "x", NO_GOAL },
		{ "service_ns", &s->service, "ns", NO_GOAL },
		{ "snapshot_ns", &s->snapshot, "ns", NO_GOAL },
		{ "map_ns", &s->map, "ns", NO_GOAL },
		{ "elapsed_ns", &s->elapsed, "ns", NO_GOAL },
		{ "cpu_ns", &s->cpu, "ns", NO_GOAL },
	};
	char name[32];

	add_rows(b, kind, rows, ARRAY_SIZE(rows));
	snprintf(name, sizeof(name), "%s_faults", kind);
	bench_row(b, name, bench_median(&s->faults), "faults", NO_GOAL);
	snprintf(name, sizeof(name), "%s_services", kind);
	bench_row(b, name, bench_median(&s->groups), "services", NO_GOAL);
}

/*
 * Dense: the pages of one MiB.  Apart: no two so close that one fault maps what
 * the other wants; so each maps sixteen pages, as a CPU's does that reads, but
 * not one that writes.
 *
 * All faults of a storm are raised before the first is served, for which the
 * engines have to take precedence.  Left to itself (loose), the service of the
 * first fault may be over before the second is raised, and what is measured
 * depends on who was faster.
 */
void fault_storm(struct bench *b)
{
	static const struct {
		const char *name;
		size_t unit;
		bool write;
		bool loose;
	} kinds[] = {
		{ "dense", PAGE, true, false },
		{ "apart", AROUND, true, false },
		{ "apart_read", AROUND, false, false },
		{ "dense_loose", PAGE, true, true },
		{ "apart_loose", AROUND, true, true },
	};
	struct storm storms[ARRAY_SIZE(kinds)] = { 0 };
	size_t size = STORM_FAULTS * AROUND;
	double clock = bench_clock_ns();
	int fd = bench_memfd(size);
	struct bench_dev d;
	unsigned int run, i;
	char *p, *other;

	p = bench_map_fd(fd, size);
	other = bench_map_fd(fd, size);
	bench_populate_4k(p, size);
	bench_populate(other, size);
	bench_open(&d, BENCH_QUEUES, 0);
	for (run = 0; run <= bench_runs(b); run++) {
		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			if (kinds[i].loose)
				bench_scatter();
			else
				bench_gather();
			/* The first round makes everything warm */
			storm_measure(&d, p, other, kinds[i].unit, kinds[i].write, clock, run,
				      &storms[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		storm_rows(b, kinds[i].name, &storms[i],
			   kinds[i].loose ? NO_GOAL : AT_MOST(0.5));
	bench_close(&d);
}

/* --- huge pages --- */

#define HUGE_FAULTS	32

void fault_huge(struct bench *b)
{
	unsigned int *order = bench_shuffle(HUGE_FAULTS);
	struct bench_samples ratio = { 0 }, elapsed = { 0 };
	struct costs small = { 0 }, huge = { 0 };
	size_t size = HUGE_FAULTS * BLOCK;
	struct drm_vsvm_stats s;
	struct bench_dev d;
	char *p4k, *p2m;
	unsigned int run;

	p2m = bench_map_2m(size);
	bench_populate(p2m, size);
	p4k = bench_map_4k(size);
	bench_populate_4k(p4k, size);
	bench_pin(0);
	bench_open(&d, 1, DRM_VSVM_VM_RECORD_ALL);
	for (run = 0; run <= bench_runs(b); run++) {
		costs_reset(&small);
		costs_reset(&huge);
		measure_device(&d, p4k, NULL, BLOCK, HUGE_FAULTS, order, true, 0, &small);
		s = bench_stats(&d);
		measure_device(&d, p2m, NULL, BLOCK, HUGE_FAULTS, order, true, 0, &huge);
		s = bench_stats_since(&d, &s);
		if (s.mapped_2m < HUGE_FAULTS)
			bench_skip("only %llu of %d pages are huge",
				   (unsigned long long)s.mapped_2m, HUGE_FAULTS);
		if (!run)
			continue;
		bench_add(&ratio, bench_median(&huge.service) / bench_median(&small.service));
		bench_add(&elapsed, bench_median(&huge.elapsed) / bench_median(&small.elapsed));
	}
	bench_rows(b, "service", &ratio, "x", AT_MOST(1.5));
	bench_rows(b, "elapsed", &elapsed, "x", NO_GOAL);
	bench_rows(b, "service_4k_ns", &small.service, "ns", NO_GOAL);
	bench_rows(b, "service_2m_ns", &huge.service, "ns", NO_GOAL);
	bench_rows(b, "elapsed_4k_ns", &small.elapsed, "ns", NO_GOAL);
	bench_rows(b, "elapsed_2m_ns", &huge.elapsed, "ns", NO_GOAL);
	bench_close(&d);
	free(order);
}
