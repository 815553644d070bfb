// SPDX-License-Identifier: MIT
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vsvm.h>

#include "tool.h"

static const char help[] =
	"usage: vsvm info [OPTION]...\n"
	"\n"
	"Constants of the device, and its counters since it was created.\n"
	"\n"
	"options:\n"
	"  -d, --device=PATH  render node; without it the first one that is vsvm\n"
	"  -h, --help         this text\n";

static const char * const packet_names[] = {
	[VSVM_PACKET_NOP] = "NOP",
	[VSVM_PACKET_STORE] = "STORE",
	[VSVM_PACKET_FILL] = "FILL",
	[VSVM_PACKET_COPY] = "COPY",
	[VSVM_PACKET_ATOMIC] = "ATOMIC",
	[VSVM_PACKET_SUM] = "SUM",
	[VSVM_PACKET_GATHER] = "GATHER",
	[VSVM_PACKET_CHASE] = "CHASE",
	[VSVM_PACKET_CRC32C] = "CRC32C",
	[VSVM_PACKET_FENCE] = "FENCE",
	[VSVM_PACKET_BARRIER] = "BARRIER",
	[VSVM_PACKET_WAIT] = "WAIT",
	[VSVM_PACKET_SPIN] = "SPIN",
	[VSVM_PACKET_ADD] = "ADD",
};

#define PACKET_NAMES	(sizeof(packet_names) / sizeof(packet_names[0]))

static void line(const char *name, uint64_t value)
{
	printf("  %-22s %" PRIu64 "\n", name, value);
}

static void print_size(const char *name, uint64_t bytes)
{
	if (bytes >= 1 << 20 && !(bytes & ((1 << 20) - 1)))
		printf("  %-22s %" PRIu64 " MiB\n", name, bytes >> 20);
	else
		printf("  %-22s %" PRIu64 " KiB\n", name, bytes >> 10);
}

static void print_packets(uint64_t set)
{
	unsigned int i, column = 25;

	printf("  %-22s", "packets");
	for (i = 0; i < 64; i++) {
		char number[16];
		const char *name = number;

		if (!(set >> i & 1))
			continue;
		/* Of a device newer than this program */
		snprintf(number, sizeof(number), "#%u", i);
		if (i < PACKET_NAMES && packet_names[i])
			name = packet_names[i];
		if (column + strlen(name) >= 79) {
			printf("\n%25s", "");
			column = 25;
			printf("%s", name);
		} else {
			printf(" %s", name);
		}
		column += strlen(name) + 1;
	}
	printf("\n");
}

static void print_info(const struct vsvm_device *dev)
{
	const struct drm_vsvm_dev_info *info = vsvm_info(dev);

	printf("device %s\n", vsvm_path(dev));
	line("contract", info->contract);
	line("engines", info->engines);
	printf("  %-22s %s\n", "page faults", info->caps & DRM_VSVM_CAP_FAULT ? "yes" : "no");
	printf("  %-22s %s\n", "attributes of ranges",
	       info->caps & DRM_VSVM_CAP_SVM_ATTR ? "yes" : "no");
	printf("  %-22s %u bits\n", "addresses", info->va_bits);
	print_size("page", 1ull << info->page_shift);
	print_size("large page", 1ull << info->huge_shift);
	print_size("notifier", info->notifier_size);
	print_packets(info->packet_set);
	if (info->heap_maximum) {
		printf("heap\n");
		printf("  %-22s 0x%" PRIx64 "\n", "base", (uint64_t)info->heap_base);
		print_size("chunk", info->heap_chunk);
		print_size("maximum", info->heap_maximum);
	}

	printf("limits\n");
	line("operations of a bind", info->max_bind_ops);
	line("commands of a submit", info->max_commands);
	line("queues of a file", info->max_queues);
	line("submissions in a queue", info->queue_depth);
	line("pages of a state", info->max_pages);
	line("ranges of a batch", info->max_userptr_ranges);
	line("fault records", info->fault_entries);
	line("attributes of a call", info->max_attrs);
}

static void print_counters(const struct drm_vsvm_dev_counters *counters)
{
	printf("counters\n");
	line("packets", counters->packets);
	line("blocks", counters->blocks);
	line("bytes", counters->bytes);
	line("faults", counters->faults);
	line("fault buffer full", counters->fault_buffer_full);
	line("TLB hits", counters->tlb_hits);
	line("TLB misses", counters->tlb_misses);
	line("TLB invalidations", counters->tlb_invalidations);
	line("stale translations", counters->stale_translations);
}

int cmd_info(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct drm_vsvm_dev_counters counters;
	struct vsvm_device *dev;
	const char *path = NULL;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "d:h", options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			path = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			return tool_usage("info");
		}
	}
	if (optind != argc) {
		tool_error("info: unexpected argument '%s'", argv[optind]);
		return tool_usage("info");
	}

	if (tool_open(path, &dev))
		return TOOL_FAILED;
	print_info(dev);
	ret = vsvm_counters(dev, &counters);
	if (ret)
		tool_error("info: cannot read the counters: %s", strerror(-ret));
	else
		print_counters(&counters);
	vsvm_close(dev);
	return ret ? TOOL_FAILED : TOOL_OK;
}
