// SPDX-License-Identifier: MIT
/*
 * Pages that move because somebody touches them, and much memory.
 */
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>

#include "migrate.h"

/* --- sparse --- */

#define SPARSE_TOUCHES	32

void migrate_sparse(struct bench *b)
{
	struct bench_samples pages = { 0 }, ns = { 0 };
	size_t size = SPARSE_TOUCHES * BLOCK;
	struct drm_vsvm_dev_counters before, after;
	struct bench_dev d;
	unsigned int run, i;
	uint64_t t;
	char *p;

	bench_open(&d, 1, 0);
	bench_need_vram(&d, size);
	p = bench_map_4k(size);
	bench_populate(p, size);
	for (run = 0; run < bench_runs(b); run++) {
		bench_must(vsvm_prefetch(d.vm, p, size, DRM_VSVM_PLACE_DEVICE), "prefetch");
		before = bench_counters(&d);
		t = bench_now();
		for (i = 0; i < SPARSE_TOUCHES; i++)
			p[i * BLOCK + (i * 37 + run) % 512 * PAGE] = 1;
		bench_add(&ns, (double)(bench_now() - t) / SPARSE_TOUCHES);
		after = bench_counters(&d);
		if (after.returns - before.returns != SPARSE_TOUCHES)
			bench_die("%d touches, %llu returns", SPARSE_TOUCHES,
				  (unsigned long long)(after.returns - before.returns));
		bench_add(&pages, (double)(after.returned_pages - before.returned_pages) *
			  PAGE / 1024 / SPARSE_TOUCHES);
	}
	bench_row(b, "kib_per_touch", bench_quantile(&pages, 1), "KiB", AT_MOST(64));
	bench_rows(b, "touch_ns", &ns, "ns", NO_GOAL);
	bench_close(&d);
}

/* --- on demand --- */

#define DEMAND_BYTES	(256 * MIB)

static void demand_measure(struct bench *b, struct bench_dev *d, bool huge)
{
	struct bench_samples ratio = { 0 }, ns = { 0 }, prefetch_ns = { 0 };
	char *p = huge ? bench_map_2m(DEMAND_BYTES) : bench_map_4k(DEMAND_BYTES);
	const char *kind = huge ? "2m" : "4k";
	double pages = DEMAND_BYTES / PAGE;
	struct drm_vsvm_stats s;
	unsigned int run;
	char name[32];
	double to, on;

	bench_populate(p, DEMAND_BYTES);
	bench_begin(d);
	bench_sweep(d, 0, p, DEMAND_BYTES, PAGE);
	for (run = 0; run <= bench_runs(b); run++) {
		to = bench_move(d, p, DEMAND_BYTES, DRM_VSVM_PLACE_DEVICE);
		bench_move(d, p, DEMAND_BYTES, DRM_VSVM_PLACE_SYSTEM);
		bench_bind_migrate(d, p, DEMAND_BYTES);
		s = bench_stats(d);
		on = bench_run(d);
		s = bench_stats_since(d, &s);
		if (s.migrated != pages)
			bench_die("faults moved %llu of %.0f pages, %llu guarded",
				  (unsigned long long)s.migrated, pages,
				  (unsigned long long)s.guarded);
		/* The touches themselves are no part of moving */
		on -= bench_run(d);
		bench_move(d, p, DEMAND_BYTES, DRM_VSVM_PLACE_SYSTEM);
		if (!run)
			continue;
		bench_add(&ratio, to / on);
		bench_add(&ns, on / pages);
		bench_add(&prefetch_ns, to / pages);
	}
	snprintf(name, sizeof(name), "rate_of_prefetch_%s", kind);
	bench_rows(b, name, &ratio, "x", AT_LEAST(0.6));
	snprintf(name, sizeof(name), "page_ns_%s", kind);
	bench_rows(b, name, &ns, "ns", NO_GOAL);
	snprintf(name, sizeof(name), "prefetch_page_ns_%s", kind);
	bench_rows(b, name, &prefetch_ns, "ns", NO_GOAL);
	munmap(p, DEMAND_BYTES);
}

void migrate_demand(struct bench *b)
{
	struct bench_dev d;

	bench_open(&d, 1, 0);
	bench_need_vram(&d, DEMAND_BYTES);
	bench_need_memory(DEMAND_BYTES);
	demand_measure(b, &d, false);
	demand_measure(b, &d, true);
	bench_close(&d);
}

/* --- more than fits --- */

/* The time of a sweep of the device through all of it, ns a page */
static double sweep(struct bench_dev *d, char *p, size_t size, double *moved)
{
	struct drm_vsvm_stats s;
	double t;

	bench_begin(d);
	bench_sweep(d, 0, p, size, PAGE);
	s = bench_stats(d);
	t = bench_run(d);
	s = bench_stats_since(d, &s);
	if (moved)
		*moved = (double)s.migrated / (size / PAGE);
	return t / (size / PAGE);
}

/*
 * Streaming means that every page has to come: what fits is swept through once
 * from system memory; of what is twice as large, a page that is come to has
 * been evicted since the last sweep, and another one has to go for it.
 */
void migrate_over(struct bench *b)
{
	struct bench_samples ratio = { 0 }, fit_ns = { 0 }, over_ns = { 0 }, share = { 0 };
	size_t vram, fit, over;
	struct bench_dev d;
	double one, two, moved;
	unsigned int run;
	char *p;

	bench_open(&d, 1, 0);
	vram = vsvm_info(d.dev)->vram_bytes;
	if (!vram)
		bench_skip("the device has no memory");
	fit = vram / 2;
	over = 2 * vram;
	bench_need_memory(over);
	p = bench_map_4k(over);
	bench_populate(p, over);
	bench_bind_migrate(&d, p, over);
	for (run = 0; run <= bench_runs(b); run++) {
		bench_must(vsvm_prefetch(d.vm, p, over, DRM_VSVM_PLACE_SYSTEM), "prefetch");
		bench_bind_migrate(&d, p, over);
		one = sweep(&d, p, fit, &moved);
		if (moved != 1)
			bench_die("a sweep through what fits moved %.3f of it", moved);
		/* Full from here on */
		sweep(&d, p, over, NULL);
		two = sweep(&d, p, over, &moved);
		if (!run)
			continue;
		bench_add(&ratio, one / two);
		bench_add(&fit_ns, one);
		bench_add(&over_ns, two);
		bench_add(&share, moved);
	}
	bench_rows(b, "throughput_of_fitting", &ratio, "x", AT_LEAST(0.4));
	bench_row(b, "moved_share", bench_median(&share), "x", NO_GOAL_UP);
	bench_rows(b, "fitting_page_ns", &fit_ns, "ns", NO_GOAL);
	bench_rows(b, "twofold_page_ns", &over_ns, "ns", NO_GOAL);
	bench_close(&d);
}

/* --- flat --- */

#define FLAT_LEAST	(64 * MIB)
#define FLAT_MOST	(4096 * MIB)
#define FLAT_SIZES	8

void migrate_flat(struct bench *b)
{
	struct bench_samples ns[FLAT_SIZES] = { 0 }, ratio = { 0 };
	size_t size, most = FLAT_LEAST;
	unsigned int run, i;
	double page, worst;
	struct bench_dev d;
	char name[32];
	char *p;

	bench_open(&d, 1, 0);
	while (most < FLAT_MOST && 4 * most <= vsvm_info(d.dev)->vram_bytes &&
	       bench_available() > 4 * most + 128 * MIB)
		most *= 4;
	if (most == FLAT_LEAST)
		bench_skip("needs more memory, of the machine and of the device (vram_mib)");
	p = bench_map_4k(most);
	bench_populate(p, most);
	for (run = 0; run <= bench_runs(b); run++) {
		worst = 0;
		for (size = FLAT_LEAST, i = 0; size <= most; size *= 4, i++) {
			page = bench_move(&d, p, size, DRM_VSVM_PLACE_DEVICE);
			page += bench_move(&d, p, size, DRM_VSVM_PLACE_SYSTEM);
			page /= size / PAGE;
			if (run)
				bench_add(&ns[i], page);
			if (size > FLAT_LEAST && run)
				worst = fmax(worst, page / ns[0].v[run - 1]);
		}
		if (run)
			bench_add(&ratio, worst);
	}
	/* Flat: no more than what two runs of the same differ by */
	snprintf(name, sizeof(name), "page_%zu_of_%lu_mib", most / MIB, FLAT_LEAST / MIB);
	bench_rows(b, name, &ratio, "x", most == FLAT_MOST ? AT_MOST(1.2) : NO_GOAL);
	for (size = FLAT_LEAST, i = 0; size <= most; size *= 4, i++) {
		snprintf(name, sizeof(name), "round_trip_page_ns_%zu", size / MIB);
		bench_rows(b, name, &ns[i], "ns", NO_GOAL);
	}
	bench_close(&d);
}
