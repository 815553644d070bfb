// SPDX-License-Identifier: MIT
/*
 * vsvm-bench: choose loads, run each in a process of its own, report.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

#define DEFAULT_RUNS	7
/* No load takes that long, even emulated */
#define LOAD_SECONDS	300
#define EXIT_SKIP	77

static const struct bench_area *const areas[] = {
	&bench_fault,
	&bench_migrate,
	&bench_userptr,
	&bench_attr,
	&bench_heap,
};

static const char usage[] =
	"Usage: vsvm-bench [OPTION]...\n"
	"Measure what the device and its driver do.\n"
	"\n"
	"  --area AREA   only this area\n"
	"  --load LOAD   only loads of this name, which may hold * and ?\n"
	"  --runs N      measure each thing so often (default: 7)\n"
	"  --json FILE   write the results there too; -: to standard output,\n"
	"                between lines that say where they begin and end\n"
	"  --list        tell the areas and loads\n"
	"  --help        tell this\n"
	"\n"
	"Exits with 1 if a load could not be run; a target that is missed is a result.\n";

struct options {
	const char *area;
	const char *load;
	const char *json;
	unsigned int runs;
	bool list;
};

static void complain(const char *format, va_list args)
{
	fputs("vsvm-bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	exit(1);
}

void bench_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	exit(EXIT_SKIP);
}

void bench_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

void bench_must(int ret, const char *what)
{
	if (ret < 0)
		bench_die("%s: %s", what, strerror(-ret));
}

unsigned int bench_runs(const struct bench *b)
{
	return b->runs;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "area", required_argument, NULL, 'a' },
		{ "load", required_argument, NULL, 'l' },
		{ "runs", required_argument, NULL, 'r' },
		{ "json", required_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'L' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			o->area = optarg;
			break;
		case 'l':
			o->load = optarg;
			break;
		case 'r':
			o->runs = strtoul(optarg, &end, 10);
			if (*end || !o->runs || o->runs > 1000)
				bench_die("--runs: 1 to 1000");
			break;
		case 'j':
			o->json = optarg;
			break;
		case 'L':
			o->list = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
}

static bool chosen(const struct options *o, const struct bench_area *area,
		   const struct bench_load *load)
{
	return (!o->area || !strcmp(o->area, area->name)) &&
	       (!o->load || !fnmatch(o->load, load->name, 0));
}

/* Run a load to its end in a child, which leaves its rows in shared memory */
static int run_load(struct bench *b, const struct bench_load *load)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (!pid) {
		alarm(LOAD_SECONDS);
		load->run(b);
		exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* Whatever became of it */
	machine_restore();
	yardsticks_unload();
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "vsvm-bench: ended by signal %d%s\n", WTERMSIG(status),
		WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
	return 1;
}

static void list(const struct options *o)
{
	const struct bench_load *load;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		printf("%-20s %s\n", areas[i]->name, areas[i]->what);
		for (load = areas[i]->loads; load->name; load++)
			if (chosen(o, areas[i], load))
				printf("  %-18s %s\n", load->name, load->what);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .runs = DEFAULT_RUNS };
	const struct bench_load *load;
	unsigned int ran = 0, failed = 0;
	struct report report;
	struct bench *b;
	size_t i;
	int ret;

	parse(argc, argv, &o);
	if (o.list) {
		list(&o);
		return 0;
	}
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		bench_die("no memory");
	machine_init();
	report_init(&report);
	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		for (load = areas[i]->loads; load->name; load++) {
			if (!chosen(&o, areas[i], load))
				continue;
			b->runs = o.runs;
			b->nrows = 0;
			ran++;
			ret = run_load(b, load);
			report_load(&report, areas[i]->name, load->name, b);
			if (ret == EXIT_SKIP)
				printf("# %s %s: skipped\n", areas[i]->name, load->name);
			else if (ret)
				printf("# %s %s: failed\n", areas[i]->name, load->name);
			failed += ret && ret != EXIT_SKIP;
		}
	}
	if (!ran)
		bench_die("no such load; --list tells which there are");
	if (o.json && report_json(&report, o.json))
		bench_die("%s: %s", o.json, strerror(errno));
	report_summary(&report, failed);
	report_free(&report);
	return failed ? 1 : 0;
}
