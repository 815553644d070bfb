// SPDX-License-Identifier: MIT
/*
 * Pages that move to device memory and back.
 */
#include <unistd.h>

#include "bench.h"

static struct drm_vsvm_dev_counters counters(struct bench_dev *d)
{
	struct drm_vsvm_dev_counters c;

	bench_must(vsvm_counters(d->dev, &c), "counters");
	return c;
}

static void need_vram(struct bench_dev *d, size_t size)
{
	if (vsvm_info(d->dev)->vram_bytes < size)
		bench_skip("needs %zu MiB of device memory", size / MIB);
}

/* The time of moving all of it, in ns */
static double move(struct bench_dev *d, void *p, size_t size, enum drm_vsvm_place place)
{
	uint64_t t = bench_now();

	bench_must(vsvm_prefetch(d->vm, p, size, place), "prefetch");
	return bench_now() - t;
}

/* --- prefetch --- */

static void prefetch(struct bench *b, bool huge)
{
	struct bench_samples there = { 0 }, back = { 0 };
	size_t size = 64 * MIB;
	struct bench_dev d;
	unsigned int run;
	char *p;

	bench_open(&d, 1, 0);
	need_vram(&d, size);
	p = huge ? bench_map_2m(size) : bench_map_4k(size);
	bench_populate(p, size);
	for (run = 0; run <= bench_runs(b); run++) {
		struct drm_vsvm_stats s = bench_stats(&d);
		double to = move(&d, p, size, DRM_VSVM_PLACE_DEVICE);
		double from;

		s = bench_stats_since(&d, &s);
		if (s.migrated != size / PAGE)
			bench_die("%llu of %zu pages moved", (unsigned long long)s.migrated,
				  size / PAGE);
		from = move(&d, p, size, DRM_VSVM_PLACE_SYSTEM);
		/* The first round makes everything warm */
		if (!run)
			continue;
		bench_add(&there, to * PAGE / size);
		bench_add(&back, from * PAGE / size);
	}
	bench_rows(b, "to_device_page_ns", &there, "ns", NO_GOAL);
	bench_rows(b, "to_system_page_ns", &back, "ns", NO_GOAL);
	bench_close(&d);
}

static void migrate_small(struct bench *b)
{
	prefetch(b, false);
}

static void migrate_huge(struct bench *b)
{
	prefetch(b, true);
}

/* --- sparse --- */

#define SPARSE_TOUCHES	32

static void migrate_sparse(struct bench *b)
{
	struct bench_samples pages = { 0 }, ns = { 0 };
	size_t size = SPARSE_TOUCHES * BLOCK;
	struct drm_vsvm_dev_counters before, after;
	struct bench_dev d;
	unsigned int run, i;
	uint64_t t;
	char *p;

	bench_open(&d, 1, 0);
	need_vram(&d, size);
	p = bench_map_4k(size);
	bench_populate(p, size);
	for (run = 0; run < bench_runs(b); run++) {
		move(&d, p, size, DRM_VSVM_PLACE_DEVICE);
		before = counters(&d);
		t = bench_now();
		for (i = 0; i < SPARSE_TOUCHES; i++)
			p[i * BLOCK + (i * 37 + run) % 512 * PAGE] = 1;
		bench_add(&ns, (double)(bench_now() - t) / SPARSE_TOUCHES);
		after = counters(&d);
		bench_add(&pages, (double)(after.returned_pages - before.returned_pages) *
			  PAGE / 1024 / SPARSE_TOUCHES);
	}
	bench_row(b, "kib_per_touch", bench_quantile(&pages, 1), "KiB", AT_MOST(64));
	bench_rows(b, "touch_ns", &ns, "ns", NO_GOAL);
	bench_close(&d);
}

/* --- on demand --- */

#define GUARD_US	150000

static void migrate_demand(struct bench *b)
{
	struct bench_samples ratio = { 0 };
	size_t size = 64 * MIB;
	struct drm_vsvm_stats s;
	struct bench_dev d;
	unsigned int run;
	double to, on;
	char *p;

	bench_open(&d, 1, 0);
	need_vram(&d, size);
	p = bench_map_4k(size);
	bench_populate(p, size);
	bench_sweep(&d, 0, p, size, PAGE);
	for (run = 0; run <= bench_runs(b); run++) {
		to = move(&d, p, size, DRM_VSVM_PLACE_DEVICE);
		to += bench_run(&d);
		/* Or else it looks like thrashing, and faults move nothing for a while */
		usleep(GUARD_US);
		move(&d, p, size, DRM_VSVM_PLACE_SYSTEM);
		/* Bound anew: nothing is mapped, and faults move pages */
		bench_must(vsvm_bind_mirror(d.vm, (uintptr_t)p, size,
					    DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE),
			   "bind");
		s = bench_stats(&d);
		on = bench_run(&d);
		s = bench_stats_since(&d, &s);
		usleep(GUARD_US);
		move(&d, p, size, DRM_VSVM_PLACE_SYSTEM);
		if (run && s.migrated >= size / PAGE * 9 / 10)
			bench_add(&ratio, to / on);
	}
	if (!ratio.n)
		bench_die("faults moved %llu of %zu pages, %llu guarded",
			  (unsigned long long)s.migrated, size / PAGE,
			  (unsigned long long)s.guarded);
	bench_rows(b, "rate_of_prefetch", &ratio, "x", AT_LEAST(0.6));
	bench_close(&d);
}

/* --- flat --- */

static void migrate_flat(struct bench *b)
{
	struct bench_samples ratio = { 0 };
	size_t small = 16 * MIB, large = 192 * MIB;
	struct bench_dev d;
	unsigned int run;
	double one, all;
	char *p;

	bench_open(&d, 1, 0);
	need_vram(&d, large);
	if (bench_available() < 2 * large)
		bench_skip("needs %zu MiB of memory", 2 * large / MIB);
	p = bench_map_4k(large);
	bench_populate(p, large);
	for (run = 0; run <= bench_runs(b); run++) {
		one = move(&d, p, small, DRM_VSVM_PLACE_DEVICE) / small;
		move(&d, p, small, DRM_VSVM_PLACE_SYSTEM);
		all = move(&d, p, large, DRM_VSVM_PLACE_DEVICE) / large;
		move(&d, p, large, DRM_VSVM_PLACE_SYSTEM);
		if (run)
			bench_add(&ratio, all / one);
	}
	bench_rows(b, "page_192_of_16_mib", &ratio, "x", NO_GOAL);
	bench_close(&d);
}

static const struct bench_load loads[] = {
	{ "small", "prefetch of 4 KiB pages, there and back", migrate_small },
	{ "huge", "prefetch of 2 MiB pages, there and back", migrate_huge },
	{ "sparse", "one touch of the CPU in each 2 MiB on the device", migrate_sparse },
	{ "demand", "faults that move pages, and a prefetch", migrate_demand },
	{ "flat", "the cost of a page in much and in little memory", migrate_flat },
	{ 0 },
};

const struct bench_area bench_migrate = {
	.name = "migrate",
	.what = "pages that move to device memory and back",
	.loads = loads,
};
