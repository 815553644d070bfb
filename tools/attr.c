// SPDX-License-Identifier: MIT
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vsvm.h>

#include "tool.h"

/*
 * Attributes belong to an address space, and that to a process, which nobody else
 * can speak for through the device.  The driver has a file in debugfs for the
 * administrator, which this command reads and writes.
 */

#define ATTR_FILES	"/sys/kernel/debug/dri/*/svm_attr"

static const char help[] =
	"usage: vsvm attr show [-p PID]\n"
	"       vsvm attr set (-p PID | -a NUMBER) ADDRESS SIZE NAME=VALUE...\n"
	"       vsvm attr reset (-p PID | -a NUMBER) ADDRESS SIZE\n"
	"       vsvm attr list\n"
	"\n"
	"Attributes of address ranges of running processes: show those that are not by\n"
	"default, set them, return ranges to defaults, list what there is.  All but the\n"
	"list is for root, and needs debugfs.\n"
	"\n"
	"options:\n"
	"  -p, --pid=PID              the process\n"
	"  -a, --address-space=NUMBER the address space, where a process has several\n"
	"  -h, --help                 this text\n"
	"\n"
	"ADDRESS and SIZE are multiples of 4096, decimal or hexadecimal with 0x.\n";

struct target {
	unsigned long pid;
	unsigned long number;
};

/* A device has its directory under several names: is it the first of them? */
static bool seen_before(const glob_t *found, size_t i)
{
	char *path = realpath(found->gl_pathv[i], NULL);
	bool seen = false;
	size_t j;

	for (j = 0; path && j < i && !seen; j++) {
		char *other = realpath(found->gl_pathv[j], NULL);

		seen = other && !strcmp(path, other);
		free(other);
	}
	free(path);
	return seen;
}

/* Each file into one, behind a line "@NAME" */
static int collect(const glob_t *found, FILE *all)
{
	char buf[4096];
	size_t i, n;
	FILE *in;

	for (i = 0; i < found->gl_pathc; i++) {
		if (seen_before(found, i))
			continue;
		in = fopen(found->gl_pathv[i], "re");
		if (!in) {
			tool_error("%s: %s", found->gl_pathv[i], strerror(errno));
			return -1;
		}
		fprintf(all, "@%s\n", found->gl_pathv[i]);
		while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
			fwrite(buf, 1, n, all);
		fclose(in);
	}
	return 0;
}

/* All that there is, one after the other; NULL, and says what is wrong */
static FILE *open_all(void)
{
	FILE *all = NULL;
	glob_t found;

	if (glob(ATTR_FILES, 0, NULL, &found)) {
		if (geteuid())
			tool_error("attributes of other processes are root's to see");
		else
			tool_error("no " ATTR_FILES ": is the module loaded, and debugfs mounted?");
		return NULL;
	}
	all = tmpfile();
	if (!all) {
		tool_error("no room for a temporary file");
	} else if (collect(&found, all)) {
		fclose(all);
		all = NULL;
	} else {
		rewind(all);
	}
	globfree(&found);
	return all;
}

/* "0=1 2=0" in words */
static void print_pairs(char *text)
{
	char *word;

	for (word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
		unsigned int type, value;
		const char *name, *meaning;

		if (sscanf(word, "%u=%u", &type, &value) != 2)
			continue;
		name = vsvm_attr_name(type);
		meaning = vsvm_attr_value_name(type, value);
		if (!name)
			printf(" %u=%u", type, value);
		else if (meaning)
			printf(" %s=%s", name, meaning);
		else
			printf(" %s=%u", name, value);
	}
	putchar('\n');
}

static int show(const struct target *target)
{
	unsigned int spaces = 0;
	char line[1024];
	FILE *all = open_all();

	if (!all)
		return TOOL_FAILED;
	while (fgets(line, sizeof(line), all)) {
		unsigned long number, pid, ranges;
		unsigned long long start, size;
		int at = 0;

		if (sscanf(line, "# %lu %lu %lu", &number, &pid, &ranges) == 3) {
			if (target->pid && target->pid != pid)
				continue;
			if (target->number && target->number != number)
				continue;
			spaces++;
			printf("address space %lu of process %lu: %lu range%s\n", number, pid, ranges,
			       ranges == 1 ? "" : "s");
		} else if (sscanf(line, "%lu %lu %llx %llx %n", &number, &pid, &start, &size,
				  &at) >= 4 && at) {
			if (target->pid && target->pid != pid)
				continue;
			if (target->number && target->number != number)
				continue;
			printf("  %012llx-%012llx", start, start + size);
			print_pairs(line + at);
		}
	}
	fclose(all);
	if (!spaces && (target->pid || target->number)) {
		tool_error("there is no such address space");
		return TOOL_FAILED;
	}
	return TOOL_OK;
}

/* The address space that is meant, and the file to write to */
static int find(struct target *target, char *path, size_t size)
{
	char line[1024], file[512] = "";
	unsigned int found = 0;
	unsigned long number, pid;
	FILE *all = open_all();

	if (!all)
		return -1;
	while (fgets(line, sizeof(line), all)) {
		if (sscanf(line, "@%511s", file) == 1)
			continue;
		if (sscanf(line, "# %lu %lu", &number, &pid) != 2 ||
		    (target->pid && target->pid != pid) ||
		    (target->number && target->number != number))
			continue;
		snprintf(path, size, "%s", file);
		if (!found++)
			target->number = number;
		else if (target->number != number)
			found = 2;
	}
	fclose(all);
	if (found == 1)
		return 0;
	tool_error(found ? "there are several: choose one with --address-space" :
		   "there is no such address space");
	return -1;
}

/* NAME=VALUE as TYPE=VALUE */
static bool parse_pair(const char *text, char *out, size_t size)
{
	const char *value = strchr(text, '='), *name, *meaning;
	unsigned int type, v;
	unsigned long number;
	char *end;

	for (type = 0; value && (name = vsvm_attr_name(type)); type++) {
		if (strncmp(text, name, value - text) || name[value - text])
			continue;
		for (v = 0; (meaning = vsvm_attr_value_name(type, v)); v++) {
			if (!strcmp(meaning, value + 1)) {
				snprintf(out, size, " %u=%u", type, v);
				return true;
			}
		}
		errno = 0;
		number = strtoul(value + 1, &end, 0);
		if (errno || end == value + 1 || *end || number > UINT32_MAX)
			return false;
		snprintf(out, size, " %u=%lu", type, number);
		return true;
	}
	return false;
}

static bool parse_address(const char *text, unsigned long long *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return !errno && end != text && !*end && !strchr(text, '-');
}

/* args: ADDRESS SIZE and for set pairs */
static int change(struct target *target, bool set, char **args, int count)
{
	unsigned long long address, size;
	char line[2048], path[512] = "";
	FILE *file;
	int i, n;

	if (count < (set ? 3 : 2) || (!set && count > 2)) {
		tool_error("attr: %s", set ? "ADDRESS, SIZE and NAME=VALUE are needed" :
			   "ADDRESS and SIZE are needed");
		return tool_usage("attr");
	}
	if (!target->pid && !target->number) {
		tool_error("attr: of which process?");
		return tool_usage("attr");
	}
	if (!parse_address(args[0], &address) || !parse_address(args[1], &size) || !size ||
	    (address | size) & 4095) {
		tool_error("attr: '%s %s' is no range of pages", args[0], args[1]);
		return tool_usage("attr");
	}
	n = snprintf(line, sizeof(line), "%12s 0x%llx 0x%llx ", "", address, size);
	for (i = 2; i < count; i++) {
		char pair[64];

		if (!parse_pair(args[i], pair, sizeof(pair))) {
			tool_error("attr: '%s' is no attribute and value; see 'vsvm attr list'",
				   args[i]);
			return tool_usage("attr");
		}
		if (n + strlen(pair) >= sizeof(line)) {
			tool_error("attr: too many attributes");
			return TOOL_USAGE;
		}
		n += sprintf(line + n, "%s", pair);
	}
	if (find(target, path, sizeof(path)))
		return TOOL_FAILED;
	i = snprintf(line, 13, "%lu", target->number);
	line[i] = ' ';

	file = fopen(path, "we");
	if (file) {
		/* One write(): it is carried out as a whole or refused */
		setvbuf(file, NULL, _IOFBF, sizeof(line));
		fwrite(line, 1, n, file);
		if (!fclose(file))
			return TOOL_OK;
	}
	tool_error("attr: %s", errno == EFAULT ? "not all of the range is mapped by the process" :
		   strerror(errno));
	return TOOL_FAILED;
}

static int list(void)
{
	unsigned int type, v;
	const char *name, *meaning;

	for (type = 0; (name = vsvm_attr_name(type)); type++) {
		printf("%-15s", name);
		for (v = 0; (meaning = vsvm_attr_value_name(type, v)); v++)
			printf("%s%s", v ? " | " : " ", meaning);
		if (!v)
			fputs(type == DRM_VSVM_ATTR_GRANULARITY ? " 0 to 63, log2 of pages" :
			      " 0 | 1", stdout);
		putchar('\n');
	}
	return TOOL_OK;
}

int cmd_attr(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "address-space", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct target target = { 0 };
	const char *what;
	int opt;

	while ((opt = getopt_long(argc, argv, "p:a:h", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
		case 'a':
			if (tool_number(optarg, UINT32_MAX, opt == 'p' ? &target.pid : &target.number))
				break;
			tool_error("attr: '%s' is no number of a process or address space", optarg);
			return tool_usage("attr");
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			return tool_usage("attr");
		}
	}
	what = optind < argc ? argv[optind] : "";
	argv += optind + 1;
	argc -= optind + 1;
	if (!strcmp(what, "show") && !argc)
		return show(&target);
	if (!strcmp(what, "set"))
		return change(&target, true, argv, argc);
	if (!strcmp(what, "reset"))
		return change(&target, false, argv, argc);
	if (!strcmp(what, "list") && !argc)
		return list();
	tool_error("attr: show, set, reset or list?");
	return tool_usage("attr");
}
