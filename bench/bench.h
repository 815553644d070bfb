/* SPDX-License-Identifier: MIT */
#ifndef VSVM_BENCH_H
#define VSVM_BENCH_H

/*
 * The frame of the benchmarks.
 *
 * An area is a table of loads, a load is a function.  Each load runs in a
 * process of its own, so that it finds a clean address space and leaves nothing
 * behind, and reports rows: a metric, a value, and for some a goal.  Where
 * there is a goal the value is a ratio of two things measured in turn in the
 * same run, because absolute figures depend on the machine, and under emulation
 * on nothing else.
 *
 * What goes wrong in a load ends its process with a message.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vsvm.h>

#define PAGE		4096ul
#define BLOCK		(2ul << 20)
#define MIB		(1ul << 20)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct bench;

/* --- areas and loads --- */

struct bench_load {
	const char *name;
	const char *what;
	void (*run)(struct bench *b);
};

struct bench_area {
	const char *name;
	const char *what;
	/* Up to one without a name */
	const struct bench_load *loads;
};

extern const struct bench_area bench_fault;
extern const struct bench_area bench_migrate;
extern const struct bench_area bench_userptr;
extern const struct bench_area bench_attr;
extern const struct bench_area bench_heap;

/* How often each thing is to be measured, at least 1 */
unsigned int bench_runs(const struct bench *b);

/* --- samples --- */

/* All zero is empty */
struct bench_samples {
	double *v;
	size_t n;
	size_t room;
};

void bench_add(struct bench_samples *s, double v);
void bench_append(struct bench_samples *to, const struct bench_samples *from);
void bench_reset(struct bench_samples *s);
void bench_free(struct bench_samples *s);
/* The value below which a part of the samples lies: 0.5 is the median; NAN if there is none */
double bench_quantile(const struct bench_samples *s, double part);
double bench_median(const struct bench_samples *s);

/* --- rows --- */

enum bench_sense {
	BENCH_NO_GOAL,
	BENCH_AT_MOST,
	BENCH_AT_LEAST,
};

struct bench_goal {
	enum bench_sense sense;
	double value;
	/* The machine did not allow to tell: neither met nor missed */
	bool doubt;
};

#define NO_GOAL		((struct bench_goal) { .sense = BENCH_NO_GOAL })
/* None either, but the low end is the bad one */
#define NO_GOAL_UP	((struct bench_goal) { .sense = BENCH_NO_GOAL, .value = 1 })
#define AT_MOST(x)	((struct bench_goal) { .sense = BENCH_AT_MOST, .value = (x) })
#define AT_LEAST(x)	((struct bench_goal) { .sense = BENCH_AT_LEAST, .value = (x) })

void bench_row(struct bench *b, const char *metric, double value, const char *unit,
	       struct bench_goal goal);
/* The median, which the goal is for, and the p99 at the bad end */
void bench_rows(struct bench *b, const char *metric, const struct bench_samples *s,
		const char *unit, struct bench_goal goal);

/* --- when it cannot go on --- */

void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The machine has not what the load needs: no failure */
void bench_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* It has it, but not as it should: goes on */
void bench_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Dies if ret is negative */
void bench_must(int ret, const char *what);

/* --- the machine --- */

/* CLOCK_MONOTONIC */
uint64_t bench_now(void);
/* What two calls of it are apart if there is nothing in between */
double bench_clock_ns(void);
unsigned int bench_cpus(void);
/*
 * These last until the load ends, and skip it where they cannot be done.
 */
/* Take all but the first n processors away */
void bench_limit_cpus(unsigned int n);
/* Where work queues that are bound to no processor may run, the driver's among them */
void bench_limit_workers(const char *mask);
/*
 * Have the caller, the engines and the driver's workers run on one processor,
 * in this order of precedence: the engines get everything that was submitted,
 * and the workers begin when there is nothing left for the engines to do.
 */
void bench_gather(void);
void bench_scatter(void);
void bench_pin(unsigned int cpu);
/* xorshift; the same numbers in each run */
uint64_t bench_random(uint64_t *state);
/* 0 to n - 1 in random order; free() it */
unsigned int *bench_shuffle(unsigned int n);

/* --- memory, aligned to 2 MiB unless it says otherwise; munmap() gives it back --- */

/* Anonymous, of 4 KiB pages for certain, not populated */
void *bench_map_4k(size_t size);
/* Anonymous, of 2 MiB pages where the kernel has some, not populated */
void *bench_map_2m(size_t size);
/* One or the other at a multiple of align, a power of two */
void *bench_map_at(size_t size, size_t align, bool huge);
int bench_memfd(size_t size);
/* The same pages, each time it is called; of 4 KiB */
void *bench_map_fd(int fd, size_t size);
/* A page that fork() does not touch */
void *bench_map_shared(size_t size);
/* A write to each page */
void bench_populate(void *p, size_t size);
/* The same in an order that leaves no 2 MiB of 4 KiB pages in one piece */
void bench_populate_4k(void *p, size_t size);
void bench_discard(void *p, size_t size);
/* Unmap from the processor, without giving its page tables back */
void bench_unmap_cpu(void *p, size_t size);
/* What the machine could still give, in bytes */
size_t bench_available(void);
/* Pages that the process has */
size_t bench_resident(void *p, size_t size);

/* --- yardsticks: each skips the load where the machine does not have it --- */

/* vsvm-bench.ko, with device memory for so many bytes */
int bench_yard_open(size_t size);
/* Times in ns.  The kernel's own memcpy() on the pages */
double bench_yard_memcpy(int fd, void *dst, const void *src, size_t size);
/* The least that core-mm asks for to migrate pages of 4 KiB */
double bench_yard_migrate(int fd, void *p, size_t size, bool to_device);
/* The copy engines alone, without anything being migrated */
double bench_yard_engine(int fd, void *p, size_t size, bool to_device);

/* The kernel's test_hmm.ko */
int bench_peer_open(void);
/*
 * It reads what it has migrated back for verification, to copy; *verify: how much
 * of the time a read like that takes
 */
double bench_peer_to_device(int fd, void *p, void *copy, size_t size, double *verify);
double bench_peer_to_system(int fd, void *p, size_t size);

/* --- the device --- */

#define BENCH_QUEUES	4
/* Packets of a queue that are mapped beforehand */
#define BENCH_PACKETS	4096

/*
 * An address space that mirrors the process, and a queue on each of some
 * engines, with a command buffer.  Its packets, its fence and the place for
 * results are mapped: no fault but those of what is measured.
 */
struct bench_dev {
	struct vsvm_device *dev;
	struct vsvm_vm *vm;
	unsigned int queues;
	struct vsvm_queue *queue[BENCH_QUEUES];
	struct vsvm_cmds *cmds[BENCH_QUEUES];
	/* Where packets write results that nobody reads */
	uint64_t *sink;
};

/* queues: at most BENCH_QUEUES; flags: DRM_VSVM_VM_* */
void bench_open(struct bench_dev *d, unsigned int queues, uint32_t flags);
void bench_close(struct bench_dev *d);
/* Empty the command buffers */
void bench_begin(struct bench_dev *d);
/* One access of 8 bytes */
void bench_touch(struct bench_dev *d, unsigned int q, const void *p, bool write);
/* The same with everything before it complete, and nothing behind it begun */
void bench_touch_alone(struct bench_dev *d, unsigned int q, const void *p, bool write);
/* One packet that reads 8 bytes every stride bytes */
void bench_sweep(struct bench_dev *d, unsigned int q, const void *p, size_t size, size_t stride);
/* Run what is in the command buffers; the time that it took, in ns */
double bench_run(struct bench_dev *d);
/* Have the device unmap a range that the process keeps, and map it anew on demand */
void bench_forget(struct bench_dev *d, void *p, size_t size);
/* Map a range for the device, as it lies, for reading or writing */
void bench_map_device(struct bench_dev *d, void *p, size_t size, bool write);
struct drm_vsvm_stats bench_stats(struct bench_dev *d);
/* What has come since */
struct drm_vsvm_stats bench_stats_since(struct bench_dev *d, const struct drm_vsvm_stats *before);

#endif
