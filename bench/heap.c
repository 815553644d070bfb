// SPDX-License-Identifier: MIT
/*
 * The growable heap: objects in it, its growth, synchronisation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <drm/drm.h>

#include "bench.h"

#define SMALL		(32ul << 10)
#define BATCH		500

/* Straight to the kernel: the library keeps books of its own */
static void call(struct bench_dev *d, unsigned long request, void *arg, const char *what)
{
	int ret;

	do {
		ret = ioctl(vsvm_fd(d->dev), request, arg);
	} while (ret < 0 && errno == EINTR);
	bench_must(ret < 0 ? -errno : 0, what);
}

static uint64_t committed(struct bench_dev *d)
{
	struct drm_vsvm_heap_query query;

	bench_must(vsvm_heap_query(d->dev, &query, NULL, NULL), "heap_query");
	return query.committed;
}

static void need_heap(struct bench_dev *d, uint64_t size)
{
	if (vsvm_info(d->dev)->heap_maximum < size)
		bench_skip("needs a heap of %llu MiB", (unsigned long long)(size / MIB));
	if (bench_available() < size + size / 2)
		bench_skip("needs %llu MiB of memory", (unsigned long long)(size / MIB));
}

static void commit(struct bench_dev *d, uint64_t size)
{
	uint64_t now = committed(d);

	if (now < size)
		bench_must(vsvm_heap_grow(d->dev, size - now, NULL), "heap_grow");
}

static uint32_t heap_object(struct bench_dev *d, uint64_t size)
{
	struct drm_vsvm_heap_alloc arg = { .size = size };

	call(d, DRM_IOCTL_VSVM_HEAP_ALLOC, &arg, "heap_alloc");
	return arg.handle;
}

static uint32_t plain_object(struct bench_dev *d, uint64_t size)
{
	struct drm_vsvm_bo_create arg = { .size = size, .placement = DRM_VSVM_BO_SYSTEM };

	call(d, DRM_IOCTL_VSVM_BO_CREATE, &arg, "bo_create");
	return arg.handle;
}

static void object_close(struct bench_dev *d, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	call(d, DRM_IOCTL_GEM_CLOSE, &arg, "gem_close");
}

/* Making and closing one, in ns */
static double object_ns(struct bench_dev *d, uint32_t (*make)(struct bench_dev *d, uint64_t size),
			uint64_t size)
{
	uint64_t t = bench_now();
	unsigned int i;

	for (i = 0; i < BATCH; i++)
		object_close(d, make(d, size));
	return (double)(bench_now() - t) / BATCH;
}

/* --- an object, and the bare handle of one --- */

static void heap_alloc(struct bench *b)
{
	struct bench_samples ratio = { 0 }, ns = { 0 };
	struct bench_dev d;
	unsigned int run;

	bench_open(&d, 1, 0);
	need_heap(&d, 64 * MIB);
	commit(&d, 64 * MIB);
	for (run = 0; run <= 4 * bench_runs(b); run++) {
		double plain = object_ns(&d, plain_object, SMALL);
		double heap = object_ns(&d, heap_object, SMALL);

		if (!run)
			continue;
		bench_add(&ratio, heap / plain);
		bench_add(&ns, heap);
	}
	bench_rows(b, "object_of_bare_handle", &ratio, "x", AT_MOST(3));
	bench_rows(b, "object_ns", &ns, "ns", NO_GOAL);
	bench_close(&d);
}

/* --- a chunk, and as many pages faulted in one by one --- */

static void heap_grow(struct bench *b)
{
	struct bench_samples ratio = { 0 }, ms = { 0 };
	uint64_t size, at;
	struct bench_dev d;
	unsigned int run, n, i, *order;

	bench_open(&d, 1, 0);
	size = vsvm_info(d.dev)->heap_chunk;
	need_heap(&d, size);
	n = size / PAGE;
	order = bench_shuffle(n);
	for (run = 0; run < bench_runs(b); run++) {
		char *p = bench_map_4k(size);
		double faults = 0, grow;

		/* In an order that no stream is seen in, each when the one before is complete */
		for (at = 0; at < n; at += BENCH_PACKETS / 2) {
			bench_begin(&d);
			for (i = 0; i < BENCH_PACKETS / 2 && at + i < n; i++)
				bench_touch_alone(&d, 0, p + order[at + i] * PAGE, true);
			faults += bench_run(&d);
		}
		munmap(p, size);
		grow = bench_now();
		bench_must(vsvm_heap_grow(d.dev, size, NULL), "heap_grow");
		grow = bench_now() - grow;
		bench_must(vsvm_heap_shrink(d.dev, 0), "heap_shrink");
		bench_add(&ratio, faults / grow);
		bench_add(&ms, grow / 1e6);
	}
	bench_rows(b, "faults_of_growth", &ratio, "x", AT_LEAST(5));
	bench_rows(b, "chunk_ms", &ms, "ms", NO_GOAL);
	free(order);
	bench_close(&d);
}

/* --- many chunks, many objects --- */

#define LIVE_FEW	10
#define LIVE_MANY	100000

static void heap_chunks(struct bench *b)
{
	struct bench_samples ratio = { 0 };
	unsigned int run, chunks = 8;
	uint64_t chunk;
	struct bench_dev d;
	double one, all;

	bench_open(&d, 1, 0);
	chunk = vsvm_info(d.dev)->heap_chunk;
	need_heap(&d, chunks * chunk);
	for (run = 0; run < bench_runs(b); run++) {
		commit(&d, chunk);
		object_ns(&d, heap_object, SMALL);
		one = object_ns(&d, heap_object, SMALL);
		commit(&d, chunks * chunk);
		object_ns(&d, heap_object, SMALL);
		all = object_ns(&d, heap_object, SMALL);
		bench_must(vsvm_heap_shrink(d.dev, 0), "heap_shrink");
		bench_add(&ratio, all / one);
	}
	bench_rows(b, "8_chunks_of_1", &ratio, "x", AT_MOST(2));
	bench_close(&d);
}

static void heap_live(struct bench *b)
{
	struct bench_samples few = { 0 }, many = { 0 }, ratio = { 0 };
	unsigned int run, i, live = 0, holes;
	uint64_t size = 512 * MIB;
	uint32_t *handle;
	struct bench_dev d;

	bench_open(&d, 1, 0);
	need_heap(&d, size);
	commit(&d, size);
	handle = calloc(LIVE_MANY, sizeof(*handle));
	if (!handle)
		bench_die("no memory");
	for (; live < LIVE_FEW; live++)
		handle[live] = heap_object(&d, PAGE);
	for (run = 0; run <= bench_runs(b); run++) {
		double ns = object_ns(&d, heap_object, PAGE);

		if (run)
			bench_add(&few, ns);
	}
	for (; live < LIVE_MANY; live++)
		handle[live] = heap_object(&d, PAGE);
	/* With holes between them: each tenth is closed */
	for (i = 0, holes = 0; i < LIVE_MANY; i += 10, holes++) {
		object_close(&d, handle[i]);
		handle[i] = 0;
	}
	for (run = 0; run <= bench_runs(b); run++) {
		double ns = object_ns(&d, heap_object, PAGE);

		if (!run)
			continue;
		bench_add(&many, ns);
		bench_add(&ratio, ns / bench_median(&few));
	}
	bench_rows(b, "100000_objects_of_10", &ratio, "x", AT_MOST(2));
	bench_rows(b, "object_of_100000_ns", &many, "ns", NO_GOAL);
	bench_row(b, "holes", holes, "", NO_GOAL);
	free(handle);
	bench_close(&d);
}

/* --- synchronisation --- */

static double sync_ns(struct bench_dev *d, uint32_t handle, uint64_t offset)
{
	struct drm_vsvm_bo_sync arg = {
		.handle = handle,
		.direction = DRM_VSVM_SYNC_BOTH,
		.offset = offset,
		.size = PAGE,
	};
	uint64_t t = bench_now();
	unsigned int i;

	for (i = 0; i < 4 * BATCH; i++)
		call(d, DRM_IOCTL_VSVM_BO_SYNC, &arg, "bo_sync");
	return (double)(bench_now() - t) / (4 * BATCH);
}

static void heap_sync(struct bench *b)
{
	struct bench_samples ratio = { 0 }, ns = { 0 };
	uint64_t large = 192 * MIB;
	uint32_t small_handle, large_handle;
	struct bench_dev d;
	unsigned int run;

	bench_open(&d, 1, 0);
	need_heap(&d, 256 * MIB);
	commit(&d, 256 * MIB);
	small_handle = heap_object(&d, PAGE);
	large_handle = heap_object(&d, large);
	for (run = 0; run <= bench_runs(b); run++) {
		double one = sync_ns(&d, small_handle, 0);
		double of_many = sync_ns(&d, large_handle, large / 2);

		if (!run)
			continue;
		bench_add(&ratio, of_many / one);
		bench_add(&ns, of_many);
	}
	bench_rows(b, "page_of_192_mib_of_4_kib", &ratio, "x", AT_MOST(1.5));
	bench_rows(b, "sync_page_ns", &ns, "ns", NO_GOAL);
	bench_close(&d);
}

static const struct bench_load loads[] = {
	{ "alloc", "an object of 32 KiB made and closed, and a bare handle", heap_alloc },
	{ "grow", "growth by a chunk, and its pages faulted in one by one", heap_grow },
	{ "chunks", "the cost of an object with 8 chunks and with 1", heap_chunks },
	{ "live", "the cost of an object beside 100,000 and beside 10", heap_live },
	{ "sync", "4 KiB of a large and of a small object", heap_sync },
	{ 0 },
};

const struct bench_area bench_heap = {
	.name = "heap",
	.what = "the growable heap",
	.loads = loads,
};
