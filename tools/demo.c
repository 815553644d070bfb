// SPDX-License-Identifier: MIT
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "tool.h"

static const char help[] =
	"usage: vsvm demo [OPTION]... [FILE]...\n"
	"\n"
	"Show step by step what shared virtual memory is.  The device computes the\n"
	"checksums of the files; without one, of the kernel image if it is there, or of\n"
	"this program.\n"
	"\n"
	"options:\n"
	"  -d, --device=PATH  render node; without it the first one that is vsvm\n"
	"  -h, --help         this text\n"
	"\n"
	"Exit status: 0 if all steps are ok, else 1.\n";

static const struct {
	const char *title;
	/* head of its column, NULL: it does not use the address space */
	const char *column;
	bool (*run)(struct demo *demo);
	const char *about;
} steps[] = {
	{
		"the device", NULL, demo_device,
		"A render node like that of a GPU, and what the device behind it can do."
	}, {
		"files, in place", "files", demo_files,
		"Files are mapped with mmap(); the device checksums them in the page cache.\n"
		"The CPU reads the same files and has to come to the same CRC32C."
	}, {
		"a linked list", "list", demo_list,
		"100,000 nodes from malloc(), scattered; the device follows their pointers\n"
		"as they are and adds up the values."
	}, {
		"vectors", "vectors", demo_vectors,
		"Two vectors from malloc() are added into a third, that no one has touched:\n"
		"the device faults its pages in, as a CPU would."
	}, {
		"device memory", "memory", demo_move,
		"A buffer is moved to the device's own memory; the CPU touches a byte of it.\n"
		"Then the device works on twice as much as it has memory for."
	}, {
		"scattered pieces", "gather", demo_gather,
		"4,096 pieces of memory, anywhere and in any order, become one range of the\n"
		"device with one call.  Nothing is copied, and nothing is pinned."
	}, {
		"fork and copy-on-write", "fork", demo_fork,
		"The device has pages of the parent mapped when it forks, and writes to them\n"
		"afterwards.  The child still has to see the old data, and may not use the\n"
		"address space of its parent."
	}, {
		"attributes", "attrs", demo_attributes,
		"Of a range of memory the process says where it should lie and what the device\n"
		"may do with it; what is mapped already obeys when the call returns."
	}, {
		"a heap that grows", NULL, demo_heap,
		"Objects in the device's heap, one of them larger than a chunk: it grows as\n"
		"far as they take.  The queue's own instructions lie in it, too."
	}, {
		"bad accesses", "errors", demo_bad_access,
		"Two queues do what the process itself must not do.  They end with an\n"
		"explanation; the one that runs beside them goes on."
	},
};

#define STEPS	(sizeof(steps) / sizeof(steps[0]))

void demo_say(const char *format, ...)
{
	va_list args;

	fputs("   ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

bool demo_fail(const char *format, ...)
{
	va_list args;

	fputs("   ! ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	return false;
}

uint64_t demo_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

bool demo_work_create(struct demo *demo, struct demo_work *work)
{
	int ret;

	memset(work, 0, sizeof(*work));
	ret = vsvm_queue_create(demo->vm, 0, &work->queue);
	if (!ret)
		ret = vsvm_cmds_create(0, &work->cmds);
	if (!ret)
		return true;
	demo_work_destroy(work);
	return demo_fail("cannot create a queue: %s", strerror(-ret));
}

bool demo_work_run(struct demo_work *work)
{
	char why[256];
	int ret;

	ret = vsvm_run(work->queue, work->cmds, DEMO_TIMEOUT);
	vsvm_cmds_reset(work->cmds);
	if (!ret)
		return true;
	return demo_fail("the device did not do it: %s",
			 tool_why(work->queue, ret, why, sizeof(why)));
}

void demo_work_destroy(struct demo_work *work)
{
	/* The queue first: the device reads the commands until it is gone */
	vsvm_queue_destroy(work->queue);
	vsvm_cmds_destroy(work->cmds);
}

bool demo_device(struct demo *demo)
{
	const struct drm_vsvm_dev_info *info = vsvm_info(demo->dev);

	demo_say("%s: %u engines, %u-bit addresses, pages of %u KiB and %u MiB",
		 vsvm_path(demo->dev), info->engines, info->va_bits, 1u << (info->page_shift - 10),
		 1u << (info->huge_shift - 20));
	if (!(info->caps & DRM_VSVM_CAP_FAULT))
		return demo_fail("it cannot take page faults");
	return true;
}

/* The table at the end: what a step has cost */

static const struct {
	const char *name;
	size_t offset;
	/* shown divided by that */
	unsigned int scale;
} rows[] = {
#define ROW(name, field, scale)	{ name, offsetof(struct drm_vsvm_stats, field), scale }
	ROW("faults", faults, 1),
	ROW("  folded duplicates", folded, 1),
	ROW("  refused", terminal, 1),
	ROW("pages mapped, 4 KiB", mapped_4k, 1),
	ROW("pages mapped, 2 MiB", mapped_2m, 1),
	ROW("  around a fault", around, 1),
	ROW("pages populated", populated, 1),
	ROW("pages moved to it", migrated, 1),
	ROW("invalidations", invalidations, 1),
	ROW("  zapped, 4 KiB", zapped_4k, 1),
	ROW("  zapped, 2 MiB", zapped_2m, 1),
	ROW("  made read-only", downgraded, 1),
	ROW("time in service, us", service_ns, 1000),
#undef ROW
};

#define ROWS	(sizeof(rows) / sizeof(rows[0]))

static uint64_t row_value(const struct drm_vsvm_stats *stats, size_t row)
{
	return *(const uint64_t *)((const char *)stats + rows[row].offset);
}

/* stats[i]: before step i; stats[STEPS]: at the end */
static void print_table(const struct drm_vsvm_stats stats[STEPS + 1])
{
	size_t row, i;

	printf("%zu. what it took\n", STEPS + 1);
	demo_say("How often the device asked for pages, what the kernel mapped, and what it\n"
		 "   took away again because the process' own mappings changed.");
	printf("\n   %-22s", "");
	for (i = 0; i < STEPS; i++)
		if (steps[i].column)
			printf("%9s", steps[i].column);
	printf("%9s\n", "total");

	for (row = 0; row < ROWS; row++) {
		const uint64_t first = row_value(&stats[0], row);
		const uint64_t last = row_value(&stats[STEPS], row);

		printf("   %-22s", rows[row].name);
		for (i = 0; i < STEPS; i++)
			if (steps[i].column)
				printf("%9" PRIu64, (row_value(&stats[i + 1], row) -
						     row_value(&stats[i], row)) / rows[row].scale);
		printf("%9" PRIu64 "\n", (last - first) / rows[row].scale);
	}
}

static bool run_steps(struct demo *demo)
{
	struct drm_vsvm_stats stats[STEPS + 1];
	struct drm_vsvm_dev_counters counters;
	unsigned int failed = 0;
	size_t i;
	int ret;

	ret = vsvm_vm_stats(demo->vm, &stats[0]);
	for (i = 0; i < STEPS; i++) {
		const char *about = steps[i].about;
		bool ok;

		printf("%zu. %s\n   ", i + 1, steps[i].title);
		for (; *about; about++)
			fputs(*about == '\n' ? "\n   " : (char []){ *about, 0 }, stdout);
		putchar('\n');
		ok = steps[i].run(demo);
		failed += !ok;
		demo_say("%s\n", ok ? "ok" : "FAILED");
		fflush(stdout);
		if (!ret)
			ret = vsvm_vm_stats(demo->vm, &stats[i + 1]);
	}

	if (!ret) {
		print_table(stats);
		ret = vsvm_counters(demo->dev, &counters);
	}
	if (ret)
		failed += !demo_fail("cannot read the counters: %s", strerror(-ret));
	else if (counters.stale_translations)
		failed += !demo_fail("the device used %" PRIu64 " translations after their end",
				     (uint64_t)counters.stale_translations);
	if (failed)
		printf("\nFAILED: %u of %zu\n", failed, STEPS + 1);
	else
		printf("   ok\n\nall ok\n");
	return !failed;
}

static bool setup(struct demo *demo, const char *path)
{
	int ret;

	if (tool_open(path, &demo->dev))
		return false;
	ret = vsvm_vm_create(demo->dev, 0, &demo->vm);
	if (ret) {
		tool_error("demo: cannot create an address space: %s", strerror(-ret));
		return false;
	}
	ret = vsvm_bind_mirror_all(demo->vm);
	if (ret) {
		tool_error("demo: cannot mirror the process: %s", strerror(-ret));
		return false;
	}
	return true;
}

int cmd_demo(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static char kernel[] = "/boot/bzImage", self[] = "/proc/self/exe";
	char *fallback[] = { access(kernel, R_OK) ? self : kernel };
	struct demo demo = { 0 };
	const char *path = NULL;
	bool ok = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "d:h", options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			path = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			return tool_usage("demo");
		}
	}
	demo.files = optind < argc ? argv + optind : fallback;
	demo.file_count = optind < argc ? argc - optind : 1;

	if (setup(&demo, path))
		ok = run_steps(&demo);
	vsvm_vm_destroy(demo.vm);
	vsvm_close(demo.dev);
	return ok ? TOOL_OK : TOOL_FAILED;
}
