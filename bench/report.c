// SPDX-License-Identifier: MIT
/*
 * Samples, and rows as a table and as JSON.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define JSON_BEGIN	"--- begin vsvm-bench json ---"
#define JSON_END	"--- end vsvm-bench json ---"

/* --- samples --- */

void bench_add(struct bench_samples *s, double v)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->v = realloc(s->v, s->room * sizeof(*s->v));
		if (!s->v)
			bench_die("no memory");
	}
	s->v[s->n++] = v;
}

void bench_append(struct bench_samples *to, const struct bench_samples *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		bench_add(to, from->v[i]);
}

void bench_reset(struct bench_samples *s)
{
	s->n = 0;
}

void bench_free(struct bench_samples *s)
{
	free(s->v);
	*s = (struct bench_samples) { 0 };
}

static int compare(const void *a, const void *b)
{
	double l = *(const double *)a, r = *(const double *)b;

	return (l > r) - (l < r);
}

/* Between the two samples nearest to it, as it lies */
double bench_quantile(const struct bench_samples *s, double part)
{
	double *v, at, result;
	size_t i;

	if (!s->n)
		return NAN;
	v = malloc(s->n * sizeof(*v));
	if (!v)
		bench_die("no memory");
	memcpy(v, s->v, s->n * sizeof(*v));
	qsort(v, s->n, sizeof(*v), compare);
	at = part * (s->n - 1);
	i = at;
	result = v[i];
	if (i + 1 < s->n)
		result += (at - i) * (v[i + 1] - v[i]);
	free(v);
	return result;
}

double bench_median(const struct bench_samples *s)
{
	return bench_quantile(s, 0.5);
}

/* --- rows --- */

void bench_row(struct bench *b, const char *metric, double value, const char *unit,
	       struct bench_goal goal)
{
	struct bench_row *row;

	if (b->nrows == BENCH_ROWS)
		bench_die("more than %d rows", BENCH_ROWS);
	row = &b->row[b->nrows];
	snprintf(row->metric, sizeof(row->metric), "%s", metric);
	snprintf(row->unit, sizeof(row->unit), "%s", unit);
	row->value = value;
	row->goal = goal;
	b->nrows++;
}

void bench_rows(struct bench *b, const char *metric, const struct bench_samples *s,
		const char *unit, struct bench_goal goal)
{
	bool high = goal.sense == BENCH_AT_LEAST || (goal.sense == BENCH_NO_GOAL && goal.value > 0);
	char name[METRIC_CHARS];

	bench_row(b, metric, bench_median(s), unit, goal);
	snprintf(name, sizeof(name), "%s.%s", metric, high ? "p1" : "p99");
	bench_row(b, name, bench_quantile(s, high ? 0.01 : 0.99), unit, NO_GOAL);
}

/* --- the report --- */

static bool met(const struct bench_row *row)
{
	return row->goal.sense == BENCH_AT_MOST ? row->value <= row->goal.value :
						  row->value >= row->goal.value;
}

static const char *goal_text(const struct bench_row *row, char *buf, size_t size)
{
	snprintf(buf, size, "%s%g", row->goal.sense == BENCH_AT_MOST ? "<=" : ">=",
		 row->goal.value);
	return buf;
}

/* So many digits as mean something */
static const char *value_text(double value, char *buf, size_t size)
{
	double size_of = fabs(value);

	if (isnan(value))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%.*f", size_of >= 100 || value == 0 ? 0 :
			 size_of >= 10 ? 1 : size_of >= 1 ? 2 : 3, value);
	return buf;
}

void report_init(struct report *r)
{
	*r = (struct report) {
		.accel = getenv("VSVM_ACCEL"),
		.cpus = bench_cpus(),
	};
	uname(&r->kernel);
	if (!r->accel || !*r->accel)
		r->accel = "unknown";
	printf("# kernel %s, %s, %u CPUs\n", r->kernel.release, r->accel, r->cpus);
	printf("%-8s %-11s %-30s %12s %-10s %7s %s\n", "area", "load", "metric", "value", "unit",
	       "target", "met");
}

void report_free(struct report *r)
{
	free(r->row);
}

void report_load(struct report *r, const char *area, const char *load, const struct bench *b)
{
	char value[32], goal[32];
	unsigned int i;

	r->row = realloc(r->row, (r->nrows + b->nrows) * sizeof(*r->row));
	if (!r->row && r->nrows + b->nrows)
		bench_die("no memory");
	for (i = 0; i < b->nrows; i++) {
		const struct bench_row *row = &b->row[i];
		bool aim = row->goal.sense != BENCH_NO_GOAL;

		r->row[r->nrows++] = (struct report_row) {
			.area = area, .load = load, .runs = b->runs, .row = *row,
		};
		printf("%-8s %-11s %-30s %12s %-10s %7s %s\n", area, load, row->metric,
		       value_text(row->value, value, sizeof(value)), row->unit,
		       aim ? goal_text(row, goal, sizeof(goal)) : "",
		       !aim ? "" : row->goal.doubt ? "?" : met(row) ? "yes" : "NO");
	}
	fflush(stdout);
}

/* Names are ours; the kernel's release and the environment are not */
static void json_string(FILE *f, const char *name, const char *text)
{
	fprintf(f, "\"%s\": \"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		if ((unsigned char)*text >= ' ')
			fputc(*text, f);
	}
	fputs("\", ", f);
}

static void json_row(FILE *f, const struct report *r, const struct report_row *row)
{
	bool aim = row->row.goal.sense != BENCH_NO_GOAL;
	char goal[32];

	fputs("  {", f);
	json_string(f, "area", row->area);
	json_string(f, "load", row->load);
	json_string(f, "metric", row->row.metric);
	if (isfinite(row->row.value))
		fprintf(f, "\"value\": %.6g, ", row->row.value);
	else
		fputs("\"value\": null, ", f);
	json_string(f, "unit", row->row.unit);
	if (aim) {
		json_string(f, "target", goal_text(&row->row, goal, sizeof(goal)));
		fprintf(f, "\"met\": %s, ", row->row.goal.doubt ? "null" :
			met(&row->row) ? "true" : "false");
	} else {
		fputs("\"target\": null, \"met\": null, ", f);
	}
	fprintf(f, "\"runs\": %u, ", row->runs);
	json_string(f, "kernel", r->kernel.release);
	json_string(f, "accel", r->accel);
	fprintf(f, "\"cpus\": %u}", r->cpus);
}

int report_json(const struct report *r, const char *path)
{
	bool out = !strcmp(path, "-");
	FILE *f = out ? stdout : fopen(path, "w");
	size_t i;
	int err;

	if (!f)
		return -1;
	if (out)
		fputs(JSON_BEGIN "\n", f);
	fputs("[\n", f);
	for (i = 0; i < r->nrows; i++) {
		json_row(f, r, &r->row[i]);
		fputs(i + 1 < r->nrows ? ",\n" : "\n", f);
	}
	fputs("]\n", f);
	if (out)
		fputs(JSON_END "\n", f);
	err = fflush(f) || ferror(f);
	if (!out)
		err |= fclose(f);
	return err ? -1 : 0;
}

void report_summary(const struct report *r, unsigned int failed)
{
	unsigned int goals = 0, missed = 0, doubt = 0;
	size_t i;

	for (i = 0; i < r->nrows; i++) {
		const struct bench_row *row = &r->row[i].row;

		if (row->goal.sense == BENCH_NO_GOAL)
			continue;
		goals++;
		if (row->goal.doubt)
			doubt++;
		else
			missed += !met(row);
	}
	printf("# %u targets, %u missed", goals, missed);
	if (doubt)
		printf(", %u not to be told", doubt);
	if (failed)
		printf("; %u loads could not be run", failed);
	printf("\n");
}
