// SPDX-License-Identifier: MIT
/*
 * Pages that move to device memory and back when they are told to, against
 * what the copy engines, core-mm and the kernel's own test driver take.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "migrate.h"

struct drm_vsvm_dev_counters bench_counters(struct bench_dev *d)
{
	struct drm_vsvm_dev_counters c;

	bench_must(vsvm_counters(d->dev, &c), "counters");
	return c;
}

void bench_need_vram(struct bench_dev *d, size_t size)
{
	if (vsvm_info(d->dev)->vram_bytes < size)
		bench_skip("needs %zu MiB of device memory (vram_mib)", size / MIB);
}

void bench_need_memory(size_t size)
{
	if (bench_available() < size + 128 * MIB)
		bench_skip("needs %zu MiB of memory", size / MIB + 128);
}

double bench_move(struct bench_dev *d, void *p, size_t size, enum drm_vsvm_place place)
{
	struct drm_vsvm_stats s = bench_stats(d);
	uint64_t moved, t = bench_now();

	bench_must(vsvm_prefetch(d->vm, p, size, place), "prefetch");
	t = bench_now() - t;
	s = bench_stats_since(d, &s);
	moved = place == DRM_VSVM_PLACE_DEVICE ? s.migrated : s.prefetched;
	if (moved != size / PAGE)
		bench_die("%llu of %zu pages moved", (unsigned long long)moved, size / PAGE);
	return t;
}

void bench_bind_migrate(struct bench_dev *d, void *p, size_t size)
{
	bench_must(vsvm_bind_mirror(d->vm, (uintptr_t)p, size,
				    DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE), "bind");
}

/* --- prefetch --- */

#define PREFETCH_BYTES	(64 * MIB)

/* One direction: ours, and what it is compared with */
struct way {
	struct bench_samples ns, of_engine, of_bare, engine_ns, bare_ns;
};

static void way_add(struct way *w, double ours, double engine, double bare)
{
	double pages = PREFETCH_BYTES / PAGE;

	bench_add(&w->ns, ours / pages);
	bench_add(&w->engine_ns, engine / pages);
	bench_add(&w->of_engine, engine / ours);
	if (!bare)
		return;
	bench_add(&w->bare_ns, bare / pages);
	bench_add(&w->of_bare, bare / ours);
}

static void way_rows(struct bench *b, const char *to, const struct way *w, bool huge)
{
	const struct {
		const char *name;
		const struct bench_samples *samples;
		const char *unit;
		struct bench_goal goal;
	} rows[] = {
		{ "of_engine", &w->of_engine, "x", huge ? AT_LEAST(0.8) : NO_GOAL_UP },
		{ "of_bare", &w->of_bare, "x", AT_LEAST(0.85) },
		{ "page_ns", &w->ns, "ns", NO_GOAL },
		{ "engine_page_ns", &w->engine_ns, "ns", NO_GOAL },
		{ "bare_page_ns", &w->bare_ns, "ns", NO_GOAL },
	};
	char name[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!rows[i].samples->n)
			continue;
		snprintf(name, sizeof(name), "%s_%s", to, rows[i].name);
		bench_rows(b, name, rows[i].samples, rows[i].unit, rows[i].goal);
	}
}

/*
 * The copy engines get the very pages that are moved then.  The bare loop gets
 * a buffer of its own, in which no notifier of ours is.
 */
static void prefetch(struct bench *b, bool huge)
{
	struct way there = { 0 }, back = { 0 };
	size_t size = PREFETCH_BYTES;
	int yard = bench_yard_open(size);
	struct bench_dev d;
	unsigned int run;
	char *p, *q = NULL;

	bench_open(&d, 1, 0);
	bench_need_vram(&d, size);
	p = huge ? bench_map_2m(size) : bench_map_4k(size);
	bench_populate(p, size);
	if (!huge) {
		q = bench_map_at(size, 1024 * MIB, false);
		bench_populate(q, size);
	}
	for (run = 0; run <= bench_runs(b); run++) {
		double engine_to = bench_yard_engine(yard, p, size, true);
		double engine_from = bench_yard_engine(yard, p, size, false);
		double bare_to = huge ? 0 : bench_yard_migrate(yard, q, size, true);
		double bare_from = huge ? 0 : bench_yard_migrate(yard, q, size, false);
		double to = bench_move(&d, p, size, DRM_VSVM_PLACE_DEVICE);
		double from = bench_move(&d, p, size, DRM_VSVM_PLACE_SYSTEM);

		/* The first round makes everything warm */
		if (!run)
			continue;
		way_add(&there, to, engine_to, bare_to);
		way_add(&back, from, engine_from, bare_from);
	}
	way_rows(b, "to_device", &there, huge);
	way_rows(b, "to_system", &back, huge);
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

/* --- the kernel's test driver --- */

#define PEER_BYTES	(32 * MIB)

struct peer {
	struct bench_samples there, back, unverified;
	struct bench_samples there_ns, back_ns, verify_ns;
};

static void peer_measure(struct bench_dev *d, int fd, char *p, char *copy, bool warm,
			 struct peer *s)
{
	double pages = PEER_BYTES / PAGE, verify;
	double there = bench_peer_to_device(fd, p, copy, PEER_BYTES, &verify);
	double back = bench_peer_to_system(fd, p, PEER_BYTES);
	double to = bench_move(d, p, PEER_BYTES, DRM_VSVM_PLACE_DEVICE);
	double from = bench_move(d, p, PEER_BYTES, DRM_VSVM_PLACE_SYSTEM);

	if (!warm)
		return;
	bench_add(&s->there, there / to);
	bench_add(&s->unverified, (there - verify) / to);
	bench_add(&s->back, back / from);
	bench_add(&s->there_ns, there / pages);
	bench_add(&s->back_ns, back / pages);
	bench_add(&s->verify_ns, verify / pages);
}

/*
 * Migrating to the device is one ioctl of test_hmm's that also reads everything
 * back; the targets are for that.  What is left without the reading is core-mm
 * and a copy, as in the bare loop of the load "small", and below is what that is.
 */
static void peer_rows(struct bench *b, const struct peer *s, bool huge)
{
	const struct bench_goal goal = AT_LEAST(huge ? 1.5 : 3);
	const struct {
		const char *name;
		const struct bench_samples *samples;
		const char *unit;
		struct bench_goal goal;
	} rows[] = {
		{ "to_device_of_test_hmm", &s->there, "x", goal },
		{ "to_system_of_test_hmm", &s->back, "x", goal },
		{ "to_device_of_unverified", &s->unverified, "x", NO_GOAL_UP },
		{ "test_hmm_to_device", &s->there_ns, "ns", NO_GOAL },
		{ "test_hmm_to_system", &s->back_ns, "ns", NO_GOAL },
		{ "test_hmm_verifying", &s->verify_ns, "ns", NO_GOAL },
	};
	char name[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(name, sizeof(name), "%s_%s", rows[i].name, huge ? "2m" : "4k");
		bench_rows(b, name, rows[i].samples, rows[i].unit, rows[i].goal);
	}
}

static void peer(struct bench *b, struct bench_dev *d, int fd, bool huge)
{
	char *p = huge ? bench_map_2m(PEER_BYTES) : bench_map_4k(PEER_BYTES);
	char *copy = bench_map_2m(PEER_BYTES);
	struct peer s = { 0 };
	unsigned int run;

	bench_populate(p, PEER_BYTES);
	bench_populate(copy, PEER_BYTES);
	/* The first round makes everything warm */
	for (run = 0; run <= bench_runs(b); run++)
		peer_measure(d, fd, p, copy, run, &s);
	peer_rows(b, &s, huge);
	munmap(p, PEER_BYTES);
	munmap(copy, PEER_BYTES);
}

static void migrate_peer(struct bench *b)
{
	int fd = bench_peer_open();
	struct bench_dev d;

	bench_open(&d, 1, 0);
	bench_need_vram(&d, PEER_BYTES);
	peer(b, &d, fd, false);
	peer(b, &d, fd, true);
	bench_close(&d);
}

/* --- the area --- */

static const struct bench_load loads[] = {
	{ "small", "prefetch of 4 KiB pages, and the bare calls of core-mm", migrate_small },
	{ "huge", "prefetch of 2 MiB pages, and the copy engines alone", migrate_huge },
	{ "peer", "prefetch, and the kernel's test_hmm", migrate_peer },
	{ "sparse", "one touch of the CPU in each 2 MiB on the device", migrate_sparse },
	{ "demand", "faults that move pages, and a prefetch", migrate_demand },
	{ "over", "streams through more than the device holds, and through less", migrate_over },
	{ "flat", "the cost of a page in much and in little memory", migrate_flat },
	{ 0 },
};

const struct bench_area bench_migrate = {
	.name = "migrate",
	.what = "pages that move to device memory and back",
	.loads = loads,
};
