// SPDX-License-Identifier: MIT
/*
 * What mapped memory costs: the driver's own, the time of a copy, and what
 * core-mm has to do for it in fork() and munmap().
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

/* --- metadata --- */

#define GIB		(1024 * MIB)
#define METADATA_FILE	(64 * MIB)

static double metadata_bytes(struct bench_dev *d)
{
	struct drm_vsvm_stats s = bench_stats(d);

	return s.table_bytes + s.meta_bytes;
}

/* What comes on top of an address space in which little is mapped, for a GiB */
static double metadata_per_gib(struct bench *b, char *p, size_t size, bool huge)
{
	struct drm_vsvm_stats s;
	struct bench_dev d;
	double empty, full;
	uint64_t mapped;

	bench_open(&d, 1, 0);
	empty = metadata_bytes(&d);
	bench_map_device(&d, p, size, false);
	full = metadata_bytes(&d);
	s = bench_stats(&d);
	mapped = huge ? s.resident_2m * BLOCK : s.resident_4k * PAGE;
	/* The rest would be counted as well */
	if (mapped < size)
		bench_skip("only %llu of %lu MiB are mapped as they should be",
			   (unsigned long long)(mapped / MIB), size / MIB);
	bench_close(&d);
	if (!huge)
		bench_row(b, "empty", empty / 1024, "KiB", NO_GOAL);
	return (full - empty) / 1024 * ((double)GIB / size);
}

void fault_metadata(struct bench *b)
{
	int fd = bench_memfd(METADATA_FILE);
	size_t at, size;
	char *p;

	p = bench_map_fd(fd, METADATA_FILE);
	bench_populate_4k(p, METADATA_FILE);
	munmap(p, METADATA_FILE);
	/* The same pages side by side: the driver cannot tell, and the guest is spared a GiB */
	p = bench_map_at(GIB, GIB, false);
	for (at = 0; at < GIB; at += METADATA_FILE) {
		if (mmap(p + at, METADATA_FILE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			bench_die("mmap: %s", strerror(errno));
		madvise(p + at, METADATA_FILE, MADV_NOHUGEPAGE);
	}
	bench_row(b, "per_gib_4k", metadata_per_gib(b, p, GIB, false), "KiB/GiB",
		  AT_MOST(2.2 * 1024));
	munmap(p, GIB);
	close(fd);

	size = bench_available() > GIB + 256 * MIB ? GIB : 256 * MIB;
	p = bench_map_at(size, GIB, true);
	bench_populate(p, size);
	bench_row(b, "per_gib_2m", metadata_per_gib(b, p, size, true), "KiB/GiB", AT_MOST(40));
}

/* --- copy --- */

#define COPY_BYTES	(8 * MIB)
#define COPY_ROUNDS	12
/*
 * Source and destination are not a power of two apart: the TLB of an emulated
 * processor has one way, and would have room for but one of the two.
 */
#define COPY_SHIFT	(37 * PAGE)

struct copy {
	struct bench_samples ratio, device, parallel, kernel, libc;
};

static double copy_libc(char *dst, const char *src)
{
	uint64_t t = bench_now();
	size_t at;

	for (at = 0; at < COPY_BYTES; at += PAGE) {
		memcpy(dst + at, src + at, PAGE);
		asm volatile("" : : : "memory");
	}
	return bench_now() - t;
}

static void copy_measure(struct bench *b, int yard, char *dst, char *src, struct copy *c)
{
	double device, parallel, kernel, libc;
	struct bench_dev d, all;
	unsigned int run, i;

	bench_open(&d, 1, 0);
	bench_must(vsvm_cmd_copy(d.cmds[0], dst, src, COPY_BYTES), "copy");
	bench_open(&all, BENCH_QUEUES, 0);
	for (i = 0; i < BENCH_QUEUES; i++)
		bench_must(vsvm_cmd_copy(all.cmds[i], dst + i * (COPY_BYTES / BENCH_QUEUES),
					 src + i * (COPY_BYTES / BENCH_QUEUES),
					 COPY_BYTES / BENCH_QUEUES), "copy");
	bench_run(&d);
	bench_run(&all);
	for (run = 0; run < bench_runs(b); run++) {
		device = parallel = kernel = libc = INFINITY;
		/* In turn, and the best of each: what else the host has to do comes and goes */
		for (i = 0; i < COPY_ROUNDS; i++) {
			/* The two that are compared on one processor, with one TLB */
			bench_gather();
			kernel = fmin(kernel, bench_yard_memcpy(yard, dst, src, COPY_BYTES));
			device = fmin(device, bench_run(&d));
			bench_scatter();
			parallel = fmin(parallel, bench_run(&all));
			libc = fmin(libc, copy_libc(dst, src));
		}
		bench_add(&c->ratio, kernel / device);
		bench_add(&c->device, COPY_BYTES / device);
		bench_add(&c->parallel, COPY_BYTES / parallel);
		bench_add(&c->kernel, COPY_BYTES / kernel);
		bench_add(&c->libc, COPY_BYTES / libc);
	}
	bench_close(&d);
	bench_close(&all);
}

static void copy_rows(struct bench *b, const char *pages, const struct copy *c)
{
	const struct {
		const char *name;
		const struct bench_samples *samples;
	} rows[] = {
		{ "device", &c->device },
		{ "device_4_engines", &c->parallel },
		{ "kernel", &c->kernel },
		{ "libc", &c->libc },
	};
	char name[32];
	size_t i;

	snprintf(name, sizeof(name), "of_kernel_%s", pages);
	bench_rows(b, name, &c->ratio, "x", AT_LEAST(0.7));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(name, sizeof(name), "%s_%s", rows[i].name, pages);
		bench_row(b, name, bench_median(rows[i].samples), "GB/s", NO_GOAL);
	}
}

/* The kernel's own memcpy() goes over the same pages, page by page */
void fault_copy(struct bench *b)
{
	size_t size = 2 * COPY_BYTES + BLOCK;
	int yard = bench_yard_open(BLOCK);
	struct copy small = { 0 }, huge = { 0 };
	char *p;

	p = bench_map_fd(bench_memfd(size), size);
	bench_populate_4k(p, size);
	copy_measure(b, yard, p + COPY_BYTES + COPY_SHIFT, p, &small);
	munmap(p, size);
	p = bench_map_2m(size);
	bench_populate(p, size);
	copy_measure(b, yard, p + COPY_BYTES + COPY_SHIFT, p, &huge);
	copy_rows(b, "4k", &small);
	copy_rows(b, "2m", &huge);
}

/* --- fork --- */

#define FORK_BYTES	(32 * MIB)

/* A child that waits until it is let go; *ns: what fork() took */
static pid_t fork_child(int *let_go, double *ns)
{
	int fd[2];
	pid_t pid;
	uint64_t t;
	char c;

	if (pipe(fd))
		bench_die("pipe: %s", strerror(errno));
	t = bench_now();
	pid = fork();
	*ns = bench_now() - t;
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (!pid) {
		close(fd[1]);
		_exit(read(fd[0], &c, 1) != 0);
	}
	close(fd[0]);
	*let_go = fd[1];
	return pid;
}

static void fork_end(pid_t pid, int let_go)
{
	close(let_go);
	waitpid(pid, NULL, 0);
}

void fault_fork(struct bench *b)
{
	struct bench_samples read = { 0 }, refaults = { 0 }, cost = { 0 }, more = { 0 };
	struct drm_vsvm_stats s;
	double t, mapped, bare;
	struct bench_dev d;
	unsigned int run;
	int let_go;
	pid_t pid;
	char *p;

	p = bench_map_4k(FORK_BYTES);
	bench_open(&d, 1, 0);
	for (run = 0; run < bench_runs(b); run++) {
		/* What the last child has left is shared no more, but still read-only */
		bench_discard(p, FORK_BYTES);
		bench_populate_4k(p, FORK_BYTES);
		pid = fork_child(&let_go, &bare);
		fork_end(pid, let_go);

		bench_discard(p, FORK_BYTES);
		bench_populate_4k(p, FORK_BYTES);
		bench_map_device(&d, p, FORK_BYTES, true);
		bench_begin(&d);
		bench_sweep(&d, 0, p, FORK_BYTES, PAGE);
		t = bench_run(&d);
		pid = fork_child(&let_go, &mapped);
		/* Neither the packets nor the place for the result are what is measured */
		s = bench_stats(&d);
		bench_add(&read, bench_run(&d) / t);
		s = bench_stats_since(&d, &s);
		bench_add(&refaults, s.faults);
		fork_end(pid, let_go);
		bench_add(&cost, mapped / bare);
		bench_add(&more, (mapped - bare) / (FORK_BYTES / PAGE));
	}
	bench_row(b, "refaults", bench_quantile(&refaults, 1), "faults", NO_GOAL);
	bench_rows(b, "read_after", &read, "x", NO_GOAL);
	bench_rows(b, "fork_of_mapped", &cost, "x", NO_GOAL);
	bench_rows(b, "fork_more_ns", &more, "ns/page", NO_GOAL);
	bench_close(&d);
}

/* --- munmap --- */

#define MUNMAP_BYTES	(64 * MIB)

static double munmap_time(struct bench_dev *d, bool huge, bool mapped)
{
	char *p = huge ? bench_map_2m(MUNMAP_BYTES) : bench_map_4k(MUNMAP_BYTES);
	uint64_t t;

	if (huge)
		bench_populate(p, MUNMAP_BYTES);
	else
		bench_populate_4k(p, MUNMAP_BYTES);
	if (mapped)
		bench_map_device(d, p, MUNMAP_BYTES, false);
	t = bench_now();
	munmap(p, MUNMAP_BYTES);
	return (double)(bench_now() - t) / (MUNMAP_BYTES / PAGE);
}

void fault_munmap(struct bench *b)
{
	struct bench_samples mapped = { 0 }, bare = { 0 }, ratio = { 0 };
	struct bench_samples mapped_2m = { 0 }, bare_2m = { 0 }, zap = { 0 };
	struct drm_vsvm_stats s;
	struct bench_dev d;
	unsigned int run;

	bench_open(&d, 1, 0);
	for (run = 0; run < bench_runs(b); run++) {
		bench_add(&bare, munmap_time(&d, false, false));
		s = bench_stats(&d);
		bench_add(&mapped, munmap_time(&d, false, true));
		s = bench_stats_since(&d, &s);
		bench_add(&zap, (double)s.invalidate_ns / (MUNMAP_BYTES / PAGE));
		bench_add(&ratio, mapped.v[run] / bare.v[run]);
		bench_add(&bare_2m, munmap_time(&d, true, false));
		bench_add(&mapped_2m, munmap_time(&d, true, true));
	}
	bench_rows(b, "mapped", &ratio, "x", NO_GOAL);
	bench_rows(b, "mapped_ns", &mapped, "ns/page", NO_GOAL);
	bench_rows(b, "unmapped_ns", &bare, "ns/page", NO_GOAL);
	bench_rows(b, "notifier_ns", &zap, "ns/page", NO_GOAL);
	bench_rows(b, "mapped_2m_ns", &mapped_2m, "ns/page", NO_GOAL);
	bench_rows(b, "unmapped_2m_ns", &bare_2m, "ns/page", NO_GOAL);
	bench_close(&d);
}
