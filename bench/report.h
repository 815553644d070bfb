/* SPDX-License-Identifier: MIT */
#ifndef VSVM_BENCH_REPORT_H
#define VSVM_BENCH_REPORT_H

/* Between main.c and report.c; loads see bench.h only */

#include <sys/utsname.h>

#include "bench.h"

#define BENCH_ROWS	128
#define METRIC_CHARS	32
#define UNIT_CHARS	16

struct bench_row {
	char metric[METRIC_CHARS];
	char unit[UNIT_CHARS];
	double value;
	struct bench_goal goal;
};

/* A load under way, in memory that its process shares with the one that reports */
struct bench {
	unsigned int runs;
	unsigned int nrows;
	struct bench_row row[BENCH_ROWS];
};

struct report_row {
	const char *area;
	const char *load;
	unsigned int runs;
	struct bench_row row;
};

struct report {
	struct utsname kernel;
	const char *accel;
	unsigned int cpus;
	struct report_row *row;
	size_t nrows;
};

/* machine.c: remember how things are, to leave them like that whatever a load does */
void machine_init(void);
void machine_restore(void);

/* yardstick.c: unload what loads have loaded */
void yardsticks_unload(void);

void report_init(struct report *r);
void report_free(struct report *r);
/* Take over the rows of a load, and print them */
void report_load(struct report *r, const char *area, const char *load, const struct bench *b);
/* Returns 0, or -1 and errno */
int report_json(const struct report *r, const char *path);
void report_summary(const struct report *r, unsigned int failed);

#endif
