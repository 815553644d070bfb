// SPDX-License-Identifier: MIT
/*
 * The machine: time, processors, memory.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

#define MAX_CPUS	256
#define CPU_ONLINE	"/sys/devices/system/cpu/cpu%u/online"
#define WORKERS		"/sys/devices/virtual/workqueue/cpumask"

/* As found when the program began */
static bool online[MAX_CPUS];
static char workers[64];

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

double bench_clock_ns(void)
{
	struct bench_samples s = { 0 };
	double ns;
	int i;

	for (i = 0; i < 1001; i++) {
		uint64_t t = bench_now();

		bench_add(&s, bench_now() - t);
	}
	ns = bench_median(&s);
	bench_free(&s);
	return ns;
}

/* --- processors --- */

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = -1;

	if (fd >= 0) {
		n = write(fd, text, strlen(text));
		close(fd);
	}
	return n < 0 ? -errno : 0;
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
	return n < 0 ? -errno : 0;
}

void machine_init(void)
{
	char path[64], text[8];
	unsigned int i;

	for (i = 1; i < MAX_CPUS; i++) {
		snprintf(path, sizeof(path), CPU_ONLINE, i);
		online[i] = !read_text(path, text, sizeof(text)) && text[0] == '1';
	}
	read_text(WORKERS, workers, sizeof(workers));
}

unsigned int bench_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

static void set_cpus(unsigned int n, bool skip)
{
	unsigned int i, left = 1;
	char path[64];
	int ret;

	for (i = 1; i < MAX_CPUS; i++) {
		if (!online[i])
			continue;
		snprintf(path, sizeof(path), CPU_ONLINE, i);
		ret = write_text(path, left++ < n ? "1" : "0");
		if (ret && skip)
			bench_skip("%s: %s", path, strerror(-ret));
	}
	if (skip && bench_cpus() != n)
		bench_skip("this takes %u processors", n);
}

void bench_limit_cpus(unsigned int n)
{
	set_cpus(n, true);
}

void bench_limit_workers(const char *mask)
{
	int ret = write_text(WORKERS, mask);

	if (ret)
		bench_skip(WORKERS ": %s", strerror(-ret));
}

void bench_pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_die("CPU %u: %s", cpu, strerror(errno));
}

static void place(pid_t tid, int policy, int priority, int cpu)
{
	const struct sched_param param = { .sched_priority = priority };
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (cpu < 0 || i == cpu)
			CPU_SET(i, &set);
	(void)sched_setaffinity(tid, sizeof(set), &set);
	(void)sched_setscheduler(tid, policy, &param);
}

/* Returns how many there are */
static unsigned int place_engines(int policy, int priority, int cpu)
{
	char path[300], text[32];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (read_text(path, text, sizeof(text)) || strncmp(text, "vsvm-eng/", 9))
			continue;
		place(atoi(entry->d_name), policy, priority, cpu);
		n++;
	}
	closedir(dir);
	return n;
}

void bench_gather(void)
{
	unsigned int cpu = bench_cpus() - 1;
	char mask[16];

	if (cpu > 31)
		cpu = 31;
	snprintf(mask, sizeof(mask), "%x", 1u << cpu);
	bench_limit_workers(mask);
	if (!place_engines(SCHED_FIFO, 1, cpu))
		bench_skip("the engines' threads are not to be found");
	place(0, SCHED_FIFO, 2, cpu);
	if (sched_getscheduler(0) != SCHED_FIFO)
		bench_skip("no right to a real-time priority");
}

void bench_scatter(void)
{
	place(0, SCHED_OTHER, 0, -1);
	place_engines(SCHED_OTHER, 0, -1);
	if (workers[0])
		(void)write_text(WORKERS, workers);
}

void machine_restore(void)
{
	set_cpus(MAX_CPUS, false);
	bench_scatter();
}

uint64_t bench_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

unsigned int *bench_shuffle(unsigned int n)
{
	unsigned int *order = malloc(n * sizeof(*order));
	uint64_t state = 0x9e3779b97f4a7c15;
	unsigned int i, j, t;

	if (!order)
		bench_die("no memory");
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		j = bench_random(&state) % i;
		t = order[i - 1];
		order[i - 1] = order[j];
		order[j] = t;
	}
	return order;
}

/* --- memory --- */

static void *map(size_t size, size_t align, int flags, int fd, int advice)
{
	size_t room = size + align;
	char *p, *at;

	p = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		bench_die("no address space");
	at = (char *)(((uintptr_t)p + align - 1) & ~(align - 1));
	if (mmap(at, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	if (at > p)
		munmap(p, at - p);
	if (p + room > at + size)
		munmap(at + size, p + room - (at + size));
	/* Where there are no huge pages there is no such advice either */
	(void)madvise(at, size, advice);
	return at;
}

void *bench_map_4k(size_t size)
{
	return bench_map_at(size, BLOCK, false);
}

void *bench_map_2m(size_t size)
{
	return bench_map_at(size, BLOCK, true);
}

void *bench_map_at(size_t size, size_t align, bool huge)
{
	return map(size, align, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int bench_memfd(size_t size)
{
	int fd = memfd_create("vsvm-bench", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size))
		bench_die("memfd: %s", strerror(errno));
	return fd;
}

void *bench_map_fd(int fd, size_t size)
{
	return map(size, BLOCK, MAP_SHARED, fd, MADV_NOHUGEPAGE);
}

void *bench_map_shared(size_t size)
{
	return map(size, PAGE, MAP_SHARED | MAP_ANONYMOUS, -1, MADV_NOHUGEPAGE);
}

void bench_populate(void *p, size_t size)
{
	volatile char *at = p, *end = at + size;

	for (; at < end; at += PAGE)
		*at = 1;
}

/* Pages that are touched in order may well lie in order, and be mapped as one */
void bench_populate_4k(void *p, size_t size)
{
	unsigned int *order = bench_shuffle(size / PAGE);
	volatile char *at = p;
	size_t i;

	for (i = 0; i < size / PAGE; i++)
		at[order[i] * PAGE] = 1;
	free(order);
}

void bench_discard(void *p, size_t size)
{
	if (madvise(p, size, MADV_DONTNEED))
		bench_die("madvise: %s", strerror(errno));
}

/* In pieces: a whole block at once, and its page table may go too */
void bench_unmap_cpu(void *p, size_t size)
{
	char *at = p, *end = at + size;

	for (; at < end; at += BLOCK / 2)
		bench_discard(at, (size_t)(end - at) < BLOCK / 2 ? (size_t)(end - at) : BLOCK / 2);
}

size_t bench_available(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

size_t bench_resident(void *p, size_t size)
{
	unsigned char *there = malloc(size / PAGE);
	size_t i, n = 0;

	if (!there || mincore(p, size, there))
		bench_die("mincore: %s", strerror(errno));
	for (i = 0; i < size / PAGE; i++)
		n += there[i] & 1;
	free(there);
	return n;
}
