// SPDX-License-Identifier: MIT
/*
 * Attributes of address ranges: what one costs where there are many.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define MANY	1000000u
#define FEW	100u

static void set(struct bench_dev *d, char *p, size_t size, enum drm_vsvm_attr_type type,
		uint32_t value)
{
	bench_must(vsvm_attr_set_one(d->vm, p, size, type, value), "set");
}

/* Every other page gets an attribute: n ranges, none equal to its neighbour */
static char *alternating(struct bench_dev *d, unsigned int n)
{
	char *p = mmap(NULL, 2ul * n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned int i;

	if (p == MAP_FAILED)
		bench_skip("needs %lu MiB of addresses", 2ul * n * PAGE / MIB);
	for (i = 0; i < n; i++)
		set(d, p + 2ul * i * PAGE, PAGE, DRM_VSVM_ATTR_GPU_RO, 1);
	return p;
}

static void done(struct bench_dev *d, char *p, unsigned int n)
{
	bench_must(vsvm_attr_reset(d->vm, p, 2ul * n * PAGE), "reset");
	munmap(p, 2ul * n * PAGE);
}

/* The time of changing one range and of asking for it, in ns; @n ranges at @p */
static void one(struct bench_dev *d, char *p, unsigned int n, double *set_ns, double *get_ns)
{
	const unsigned int times = 2000;
	uint64_t seed = 4711, t;
	unsigned int i;

	t = bench_now();
	for (i = 0; i < times; i++)
		set(d, p + 2 * (bench_random(&seed) % n) * PAGE, PAGE,
		    DRM_VSVM_ATTR_GPU_RO, 1);
	/* To the value that it has and, as often, to another one and back */
	for (i = 0; i < times / 2; i++) {
		char *q = p + 2 * (bench_random(&seed) % n) * PAGE;

		set(d, q, PAGE, DRM_VSVM_ATTR_HIVE_LOCAL, 1);
		set(d, q, PAGE, DRM_VSVM_ATTR_HIVE_LOCAL, 0);
	}
	*set_ns = (double)(bench_now() - t) / (2 * times);
	t = bench_now();
	for (i = 0; i < times; i++) {
		struct drm_vsvm_attr attr = { .type = DRM_VSVM_ATTR_GPU_RO };

		bench_must(vsvm_attr_get(d->vm, p + 2 * (bench_random(&seed) % n) * PAGE, PAGE,
					 &attr, 1, NULL), "get");
		if (attr.value != 1)
			bench_die("GET says %u", attr.value);
	}
	*get_ns = (double)(bench_now() - t) / times;
}

static void attr_many(struct bench *b)
{
	struct bench_samples sets = { 0 }, gets = { 0 }, set_ns = { 0 }, get_ns = { 0 };
	double few_set, few_get, many_set, many_get;
	struct bench_dev few, many;
	unsigned int run;
	char *p, *q;

	bench_open(&few, 1, 0);
	bench_open(&many, 1, 0);
	p = alternating(&few, FEW);
	q = alternating(&many, MANY);
	for (run = 0; run <= bench_runs(b); run++) {
		one(&few, p, FEW, &few_set, &few_get);
		one(&many, q, MANY, &many_set, &many_get);
		if (!run)
			continue;
		bench_add(&sets, many_set / few_set);
		bench_add(&gets, many_get / few_get);
		bench_add(&set_ns, many_set);
		bench_add(&get_ns, many_get);
	}
	bench_rows(b, "set_million_of_100", &sets, "x", AT_MOST(3));
	bench_rows(b, "get_million_of_100", &gets, "x", AT_MOST(3));
	bench_rows(b, "set_ns", &set_ns, "ns", NO_GOAL);
	bench_rows(b, "get_ns", &get_ns, "ns", NO_GOAL);
	done(&few, p, FEW);
	done(&many, q, MANY);
	bench_close(&few);
	bench_close(&many);
}

/* The time of a SET over n ranges that leaves them different, for each of them, in ns */
static double over(struct bench_dev *d, char *p, unsigned int n, unsigned int value)
{
	uint64_t t = bench_now();

	set(d, p, 2ul * n * PAGE - PAGE, DRM_VSVM_ATTR_GRANULARITY, value);
	return (double)(bench_now() - t) / n;
}

static void attr_linear(struct bench *b)
{
	struct bench_samples ratio = { 0 }, ns = { 0 };
	const unsigned int small = 2000, large = 200000;
	struct bench_dev d;
	double one_of_few, one_of_many;
	unsigned int run, i;
	char *p, *q;

	bench_open(&d, 1, 0);
	p = alternating(&d, small);
	q = alternating(&d, large);
	for (run = 0; run <= bench_runs(b); run++) {
		one_of_few = 0;
		for (i = 0; i < 10; i++)
			one_of_few += over(&d, p, small, 1 + (run + i) % 2) / 10;
		one_of_many = over(&d, q, large, 1 + run % 2);
		if (!run)
			continue;
		bench_add(&ratio, one_of_many / one_of_few);
		bench_add(&ns, one_of_many);
	}
	/* Were it quadratic, it would be a hundred */
	bench_rows(b, "range_of_200000_of_2000", &ratio, "x", AT_MOST(2));
	bench_rows(b, "range_ns", &ns, "ns", NO_GOAL);
	done(&d, p, small);
	done(&d, q, large);
	bench_close(&d);
}

static long meminfo_kib(const char *field)
{
	char line[128];
	long value = -1;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			sscanf(line + strlen(field), ": %ld", &value);
	if (f)
		fclose(f);
	return value;
}

static void attr_memory(struct bench *b)
{
	struct bench_dev d;
	long before, after;
	char *p;

	bench_open(&d, 1, 0);
	usleep(1000000);
	before = meminfo_kib("SUnreclaim");
	p = alternating(&d, MANY);
	/* What was replaced is freed a little later */
	usleep(3000000);
	after = meminfo_kib("SUnreclaim");
	if (before < 0 || after < 0)
		bench_skip("no SUnreclaim in /proc/meminfo");
	bench_row(b, "bytes_per_range", (after - before) * 1024.0 / MANY, "bytes", AT_MOST(256));
	done(&d, p, MANY);
	bench_close(&d);
}

static void attr_fault(struct bench *b)
{
	struct bench_samples share = { 0 }, ns = { 0 };
	const unsigned int pages = 1024;
	struct bench_dev d;
	unsigned int run, i, *order;
	char *p, *q;

	bench_open(&d, 1, 0);
	q = alternating(&d, MANY);
	/* Far apart, each with neighbours that have other attributes */
	p = bench_map_4k(2ul * pages * PAGE);
	bench_populate(p, 2ul * pages * PAGE);
	for (i = 0; i < pages; i++)
		set(&d, p + 2ul * i * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY, 3);
	order = bench_shuffle(pages);
	for (run = 0; run <= bench_runs(b); run++) {
		struct drm_vsvm_stats s;

		bench_forget(&d, p, 2ul * pages * PAGE);
		bench_begin(&d);
		for (i = 0; i < pages; i++)
			bench_touch_alone(&d, 0, p + 2ul * order[i] * PAGE, false);
		s = bench_stats(&d);
		bench_run(&d);
		s = bench_stats_since(&d, &s);
		if (s.groups < pages / 2)
			bench_die("%llu services for %u pages", (unsigned long long)s.groups, pages);
		if (!run)
			continue;
		bench_add(&share, 100.0 * s.lookup_ns / (s.lookup_ns + s.service_ns));
		bench_add(&ns, (double)s.lookup_ns / s.groups);
	}
	bench_rows(b, "lookup_of_service", &share, "%", AT_MOST(5));
	bench_rows(b, "lookup_ns", &ns, "ns", NO_GOAL);
	done(&d, q, MANY);
	bench_close(&d);
}

static const struct bench_load loads[] = {
	{ "many", "SET and GET of one range among a million and among a hundred", attr_many },
	{ "linear", "SET over ranges that stay different", attr_linear },
	{ "memory", "a million ranges", attr_memory },
	{ "fault", "the look-up's part in fault service, a million ranges elsewhere", attr_fault },
	{ 0 },
};

const struct bench_area bench_attr = {
	.name = "attr",
	.what = "attributes of address ranges",
	.loads = loads,
};
