/* SPDX-License-Identifier: MIT */
#ifndef VSVM_TOOL_H
#define VSVM_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vsvm_device;
struct vsvm_queue;

/* Exit status of the command */
enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
};

/* The subcommands; argv[0] is their name */
int cmd_info(int argc, char **argv);
int cmd_crc(int argc, char **argv);
int cmd_gather(int argc, char **argv);
int cmd_attr(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* "vsvm: <message>" to stderr */
void tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Point to the help, after getopt_long() or a check has complained */
int tool_usage(const char *subcommand);
/* Open PATH or the first device; says what is wrong if that fails */
int tool_open(const char *path, struct vsvm_device **dev);
/* What ended a queue, in words, for a wait that returned err */
const char *tool_why(struct vsvm_queue *queue, int err, char *buf, size_t size);
/* A number in [1, max] */
bool tool_number(const char *text, unsigned long max, unsigned long *out);

/* CRC32C, computed by the CPU, of what came before (0 to start) and of data */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);
/*
 * The same of the first size bytes of a file, by read() and not through a
 * mapping, where a file that gets shorter would be a signal.  0, -errno, or
 * -ESTALE if the file does not have as many bytes any more.
 */
int crc32c_file(int fd, uint64_t size, uint32_t *crc);

#endif
