// SPDX-License-Identifier: MIT
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vsvm.h>

#include "tool.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "info", cmd_info },
	{ "crc", cmd_crc },
	{ "gather", cmd_gather },
	{ "attr", cmd_attr },
	{ "demo", cmd_demo },
};

static const char help[] =
	"usage: vsvm COMMAND [OPTION]... [FILE]...\n"
	"\n"
	"Use and look at a vsvm device: an accelerator, made of software, that works\n"
	"on the memory of a process with the process' own pointers.\n"
	"\n"
	"commands:\n"
	"  info          constants and counters of the device\n"
	"  crc FILE...   CRC32C of files, computed by the device where they lie in\n"
	"                memory, and checked against the CPU\n"
	"  gather FILE...\n"
	"                pieces of files, in one piece to the device: their CRC32C with one\n"
	"                packet, checked against the CPU\n"
	"  attr show|set|reset|list\n"
	"                attributes of address ranges of running processes\n"
	"  demo [FILE]...\n"
	"                what shared virtual memory is, shown step by step\n"
	"\n"
	"options:\n"
	"  -h, --help     this text; 'vsvm COMMAND --help' for one command\n"
	"  -V, --version  version of this program\n";

void tool_error(const char *format, ...)
{
	va_list args;

	/* What was printed before shall also be read before */
	fflush(stdout);
	fputs("vsvm: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int tool_usage(const char *subcommand)
{
	fprintf(stderr, "Try 'vsvm %s%s--help'.\n", subcommand ? subcommand : "",
		subcommand ? " " : "");
	return TOOL_USAGE;
}

int tool_open(const char *path, struct vsvm_device **dev)
{
	int ret = vsvm_open(path, dev);

	if (!ret)
		return 0;
	if (path && ret == -ENODEV)
		tool_error("%s is not a vsvm device", path);
	else if (path)
		tool_error("cannot open %s: %s", path, strerror(-ret));
	else if (ret == -ENODEV)
		tool_error("no vsvm device found; is the module loaded (modprobe vsvm)?");
	else if (ret == -EACCES)
		tool_error("no permission to open the render nodes in /dev/dri; "
			   "is the user in the group that owns them?");
	else
		tool_error("cannot open a device: %s", strerror(-ret));
	return ret;
}

const char *tool_why(struct vsvm_queue *queue, int err, char *buf, size_t size)
{
	struct drm_vsvm_fault record;

	if (err == -ECANCELED && !vsvm_queue_fault(queue, &record))
		return vsvm_strerror_fault(&record, buf, size);
	snprintf(buf, size, "%s", strerror(-err));
	return buf;
}

bool tool_number(const char *text, unsigned long max, unsigned long *out)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	/* strtoul() would take "-1" as well */
	if (errno || end == text || *end || strchr(text, '-') || !value || value > max)
		return false;
	*out = value;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const char *name;
	char title[32];
	size_t i;
	int opt;

	/* "+": stop at the subcommand, what follows is its own */
	while ((opt = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		case 'V':
			printf("vsvm %s\n", VSVM_VERSION);
			return TOOL_OK;
		default:
			return tool_usage(NULL);
		}
	}
	if (optind == argc) {
		fputs(help, stderr);
		return TOOL_USAGE;
	}

	name = argv[optind];
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int first = optind;
		int ret;

		if (strcmp(name, commands[i].name))
			continue;
		/* getopt_long() complains in the name of argv[0] */
		snprintf(title, sizeof(title), "vsvm: %s", name);
		argv[first] = title;
		/* 0: start again, with another string of options */
		optind = 0;
		ret = commands[i].run(argc - first, argv + first);
		/* A full disk behind ">" is an error too */
		if (fflush(stdout) || ferror(stdout)) {
			tool_error("cannot write the output: %s", strerror(errno));
			return ret ? ret : TOOL_FAILED;
		}
		return ret;
	}
	tool_error("unknown command '%s'", name);
	return tool_usage(NULL);
}
