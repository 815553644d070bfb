// SPDX-License-Identifier: MIT
/*
 * Batches: what a range costs, alone and among many, and what one costs that
 * was taken away.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

/* No process has memory there */
#define AT	(1ull << 47)
#define DEVICE	((char *)(uintptr_t)AT)

/*
 * Every other piece of an area, in random order: nothing that lies side by side
 * on one side does so on the other.
 */
static struct iovec *scatter(char *area, unsigned int count, size_t size)
{
	struct iovec *iov = calloc(count, sizeof(*iov));
	unsigned int *order = bench_shuffle(count);
	unsigned int i;

	if (!iov)
		bench_die("no memory");
	for (i = 0; i < count; i++)
		iov[i] = (struct iovec) { area + 2 * size * order[i], size };
	free(order);
	return iov;
}

static void populate(const struct iovec *iov, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		bench_populate(iov[i].iov_base, iov[i].iov_len);
}

static double bind_batch(struct bench_dev *d, const struct iovec *iov, unsigned int count,
			 uint32_t flags)
{
	uint64_t t = bench_now();

	bench_must(vsvm_bind_userptr(d->vm, AT, iov, count, flags, NULL), "bind");
	return bench_now() - t;
}

/* The same ranges at the same addresses of the device, each in a call of its own */
static double bind_singles(struct bench_dev *d, const struct iovec *iov, unsigned int count,
			   uint32_t flags)
{
	uint64_t at = AT, t = bench_now();
	unsigned int i;

	for (i = 0; i < count; at += iov[i++].iov_len)
		bench_must(vsvm_bind_userptr(d->vm, at, &iov[i], 1, flags, NULL), "bind");
	return bench_now() - t;
}

static void unbind(struct bench_dev *d, uint64_t bytes)
{
	bench_must(vsvm_unbind(d->vm, AT, bytes, DRM_VSVM_BIND_FORCE), "unbind");
}

/* With nothing bound where the batches go: there is nothing for a bind to replace */
static void open_device(struct bench_dev *d)
{
	bench_open(d, 1, 0);
	unbind(d, AT);
}

/* The device has all of it without another fault */
static void must_be_mapped(struct bench_dev *d, size_t bytes)
{
	struct drm_vsvm_stats s = bench_stats(d);

	bench_begin(d);
	bench_sweep(d, 0, DEVICE, bytes, PAGE);
	bench_run(d);
	s = bench_stats_since(d, &s);
	if (s.faults)
		bench_die("%llu faults on what was mapped", (unsigned long long)s.faults);
}

/* --- register --- */

#define REGISTER_RANGES	4096u
#define REGISTER_BYTES	(64ul << 10)

static void register_measure(struct bench *b, const char *name, char *area, uint32_t flags,
			     struct bench_goal goal)
{
	struct iovec *iov = scatter(area, REGISTER_RANGES, REGISTER_BYTES);
	struct bench_samples ratio = { 0 }, one = { 0 }, all = { 0 };
	uint64_t bytes = REGISTER_RANGES * REGISTER_BYTES;
	char metric[64];
	struct bench_dev d;
	unsigned int run;
	double t[2];

	populate(iov, REGISTER_RANGES);
	open_device(&d);
	for (run = 0; run <= bench_runs(b); run++) {
		t[0] = bind_singles(&d, iov, REGISTER_RANGES, flags);
		if (flags)
			must_be_mapped(&d, bytes);
		unbind(&d, bytes);
		t[1] = bind_batch(&d, iov, REGISTER_RANGES, flags);
		if (flags)
			must_be_mapped(&d, bytes);
		unbind(&d, bytes);
		/* The first round makes everything warm */
		if (!run)
			continue;
		bench_add(&ratio, t[0] / t[1]);
		bench_add(&one, t[0] / REGISTER_RANGES);
		bench_add(&all, t[1] / REGISTER_RANGES);
	}
	bench_rows(b, name, &ratio, "x", goal);
	snprintf(metric, sizeof(metric), "%s_single_ns", name);
	bench_rows(b, metric, &one, "ns", NO_GOAL);
	snprintf(metric, sizeof(metric), "%s_range_ns", name);
	bench_rows(b, metric, &all, "ns", NO_GOAL);
	bench_close(&d);
	free(iov);
}

static void userptr_register(struct bench *b)
{
	size_t size = 2 * REGISTER_RANGES * REGISTER_BYTES;
	char *area;

	if (bench_available() < size + size / 2)
		bench_skip("needs %zu MiB of memory", (size + size / 2) / MIB);
	area = bench_map_4k(size);
	/* A mapping that works when the call returns, and every page of it at once */
	register_measure(b, "bind", area, 0, AT_LEAST(10));
	register_measure(b, "bind_mapped_4k", area, DRM_VSVM_BIND_IMMEDIATE, AT_LEAST(10));
	munmap(area, size);
	area = bench_map_2m(size);
	register_measure(b, "bind_mapped_2m", area, DRM_VSVM_BIND_IMMEDIATE, AT_LEAST(10));
}

/* --- flat --- */

#define FLAT_MOST	65536u

static void userptr_flat(struct bench *b)
{
	static const unsigned int counts[] = { 64, 512, 4096, FLAT_MOST };
	struct bench_samples cost[2][ARRAY_SIZE(counts)] = { 0 };
	static const char *const names[2] = { "bind", "bind_mapped" };
	size_t size = 2ul * FLAT_MOST * PAGE;
	struct bench_dev d;
	unsigned int run, i, k, n;
	char *area, metric[64];

	if (bench_available() < size + size / 2)
		bench_skip("needs %zu MiB of memory", (size + size / 2) / MIB);
	area = bench_map_4k(size);
	bench_populate(area, size);
	open_device(&d);
	for (run = 0; run <= bench_runs(b); run++) {
		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			struct iovec *iov = scatter(area, counts[i], PAGE);

			/* As many ranges in all, so that each is measured as long */
			for (k = 0; k < 2; k++) {
				unsigned int rounds = fmax(1, 4096 / counts[i]);
				double t = 0;

				for (n = 0; n < rounds; n++) {
					t += bind_batch(&d, iov, counts[i],
							k ? DRM_VSVM_BIND_IMMEDIATE : 0);
					unbind(&d, counts[i] * PAGE);
				}
				if (run)
					bench_add(&cost[k][i], t / rounds / counts[i]);
			}
			free(iov);
		}
	}
	for (k = 0; k < 2; k++) {
		double least = INFINITY, most = 0;

		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			double median = bench_median(&cost[k][i]);

			least = fmin(least, median);
			most = fmax(most, median);
			snprintf(metric, sizeof(metric), "%s_range_of_%u_ns", names[k], counts[i]);
			bench_rows(b, metric, &cost[k][i], "ns", NO_GOAL);
		}
		snprintf(metric, sizeof(metric), "%s_dearest_of_cheapest", names[k]);
		/* Without the pages there is little but the call itself to be shared out */
		bench_row(b, metric, most / least, "x", k ? AT_MOST(1.3) : NO_GOAL);
	}
	bench_close(&d);
}

/* --- stream --- */

#define STREAM_RANGES	1024u
#define STREAM_BYTES	(16 * PAGE)

static void userptr_stream(struct bench *b)
{
	size_t size = STREAM_RANGES * STREAM_BYTES;
	struct bench_samples copy = { 0 }, sum = { 0 };
	int fd = bench_memfd(2 * size);
	char *area = bench_map_fd(fd, 2 * size), *flat, *dst;
	struct iovec *iov = scatter(area, STREAM_RANGES, STREAM_BYTES);
	struct bench_dev d;
	unsigned int run, i;
	double t[2][2];

	bench_populate(area, 2 * size);
	dst = bench_map_4k(size);
	bench_populate(dst, size);
	/* The same pages in the same order, side by side in the process */
	flat = bench_map_4k(size);
	for (i = 0; i < STREAM_RANGES; i++)
		if (mmap(flat + i * STREAM_BYTES, STREAM_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
			 (char *)iov[i].iov_base - area) == MAP_FAILED)
			bench_die("mmap: %s", strerror(errno));
	open_device(&d);
	bind_batch(&d, iov, STREAM_RANGES, DRM_VSVM_BIND_IMMEDIATE);
	bench_map_device(&d, dst, size, true);
	for (run = 0; run <= bench_runs(b); run++) {
		for (i = 0; i < 2; i++) {
			char *src = i ? DEVICE : flat;

			bench_begin(&d);
			bench_sweep(&d, 0, src, size, PAGE);
			bench_run(&d);
			bench_begin(&d);
			bench_must(vsvm_cmd_copy(d.cmds[0], dst, src, size), "copy");
			t[0][i] = bench_run(&d);
			bench_begin(&d);
			bench_sweep(&d, 0, src, size, 8);
			t[1][i] = bench_run(&d);
		}
		if (!run)
			continue;
		bench_add(&copy, t[0][0] / t[0][1]);
		bench_add(&sum, t[1][0] / t[1][1]);
	}
	bench_rows(b, "copy_of_contiguous", &copy, "x", AT_LEAST(0.95));
	bench_rows(b, "sum_of_contiguous", &sum, "x", AT_LEAST(0.95));
	bench_close(&d);
	free(iov);
}

/* --- restore --- */

#define RESTORE_ROUNDS	64

struct restore {
	struct bench_samples take;
	struct bench_samples back;
	struct bench_samples driver;
};

/* One page is taken away, and the device wants it back */
static void restore_measure(struct bench_dev *d, const struct iovec *iov, unsigned int count,
			    struct restore *r)
{
	unsigned int i;

	bench_reset(&r->take);
	bench_reset(&r->back);
	bench_reset(&r->driver);

	bind_batch(d, iov, count, DRM_VSVM_BIND_IMMEDIATE);
	for (i = 0; i < RESTORE_ROUNDS; i++) {
		unsigned int range = (i * 2654435761u) % count;
		struct drm_vsvm_stats s;
		uint64_t t;

		bench_begin(d);
		bench_touch(d, 0, DEVICE + range * PAGE, false);
		s = bench_stats(d);
		t = bench_now();
		bench_discard(iov[range].iov_base, PAGE);
		bench_add(&r->take, bench_now() - t);
		bench_add(&r->back, bench_run(d));
		s = bench_stats_since(d, &s);
		if (s.zapped_4k != 1 || s.mapped_4k != 1)
			bench_die("%llu pages were taken away and %llu came back",
				  (unsigned long long)s.zapped_4k,
				  (unsigned long long)s.mapped_4k);
		bench_add(&r->driver, s.service_ns + s.invalidate_ns);
	}
	unbind(d, count * PAGE);
}

static void userptr_restore(struct bench *b)
{
	struct bench_samples ratio[3] = { 0 }, take[2] = { 0 }, back[2] = { 0 }, driver[2] = { 0 };
	struct restore few = { 0 }, many = { 0 };
	size_t size = 2ul * FLAT_MOST * PAGE;
	int fd = bench_memfd(size);
	struct iovec *iov[2];
	struct bench_dev d;
	unsigned int run;
	char *area;

	if (bench_available() < size + size / 2)
		bench_skip("needs %zu MiB of memory", (size + size / 2) / MIB);
	/* Of a file: the page stays, only the mappings of it go */
	area = bench_map_fd(fd, size);
	bench_populate(area, size);
	iov[0] = scatter(area, 64, PAGE);
	iov[1] = scatter(area, FLAT_MOST, PAGE);
	open_device(&d);
	for (run = 0; run <= bench_runs(b); run++) {
		restore_measure(&d, iov[0], 64, &few);
		restore_measure(&d, iov[1], FLAT_MOST, &many);
		if (!run)
			continue;
		bench_add(&take[0], bench_median(&few.take));
		bench_add(&take[1], bench_median(&many.take));
		bench_add(&back[0], bench_median(&few.back));
		bench_add(&back[1], bench_median(&many.back));
		bench_add(&driver[0], bench_median(&few.driver));
		bench_add(&driver[1], bench_median(&many.driver));
		bench_add(&ratio[0], (bench_median(&many.take) + bench_median(&many.back)) /
			  (bench_median(&few.take) + bench_median(&few.back)));
		bench_add(&ratio[1], bench_median(&many.back) / bench_median(&few.back));
		bench_add(&ratio[2], bench_median(&many.driver) / bench_median(&few.driver));
	}
	bench_rows(b, "driver_65536_of_64", &ratio[2], "x", AT_MOST(2));
	bench_rows(b, "back_65536_of_64", &ratio[1], "x", AT_MOST(2));
	bench_rows(b, "all_65536_of_64", &ratio[0], "x", NO_GOAL);
	bench_rows(b, "driver_64_ns", &driver[0], "ns", NO_GOAL);
	bench_rows(b, "driver_65536_ns", &driver[1], "ns", NO_GOAL);
	bench_rows(b, "back_64_ns", &back[0], "ns", NO_GOAL);
	bench_rows(b, "back_65536_ns", &back[1], "ns", NO_GOAL);
	bench_rows(b, "taking_away_64_ns", &take[0], "ns", NO_GOAL);
	bench_rows(b, "taking_away_65536_ns", &take[1], "ns", NO_GOAL);
	bench_close(&d);
	free(iov[0]);
	free(iov[1]);
}

static const struct bench_load loads[] = {
	{ "register", "4,096 ranges of 64 KiB in one call, and in as many", userptr_register },
	{ "flat", "what a range costs among 64 and among 65,536", userptr_flat },
	{ "stream", "the device over a batch, and over the same pages in one piece",
	  userptr_stream },
	{ "restore", "one page taken away and brought back, of few ranges and of many",
	  userptr_restore },
	{ 0 },
};

const struct bench_area bench_userptr = {
	.name = "userptr",
	.what = "scattered ranges of the process as one range of the device",
	.loads = loads,
};
