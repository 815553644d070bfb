// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vsvm.h>

#include "tool.h"

static const char help[] =
	"usage: vsvm gather [OPTION]... FILE...\n"
	"\n"
	"Lay pieces of files side by side in the memory of the device, without copying\n"
	"them, and have it compute the CRC32C of the whole with one packet.  The CPU does\n"
	"the same by reading the files one after the other.  A file that does not end\n"
	"with a page is taken as if it went on with zeros up to there.\n"
	"\n"
	"options:\n"
	"  -d, --device=PATH  render node; without it the first one that is vsvm\n"
	"  -p, --piece=KIB    cut files into pieces of that size (default: 64)\n"
	"  -i, --interleave   take a piece of each file in turn, not file by file\n"
	"  -n, --no-check     do not let the CPU check\n"
	"  -h, --help         this text\n"
	"\n"
	"Exit status: 0, or 1 if a file could not be read or the two differ.\n";

struct file {
	const char *name;
	char *data;
	uint64_t size;
	/* rounded up to pages */
	uint64_t mapped;
	int fd;
};

/* A range of the batch: where it comes from */
struct piece {
	const struct file *file;
	uint64_t offset;
};

struct gather {
	struct vsvm_device *dev;
	struct vsvm_vm *vm;
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	struct file *files;
	unsigned long nfiles;
	struct piece *pieces;
	struct iovec *ranges;
	uint32_t count;
	uint64_t bytes;
	uint64_t page;
	uint64_t piece;
	bool interleave;
	uint32_t crc;
};

static int open_file(struct gather *g, struct file *file, const char *name)
{
	struct stat st;

	file->name = name;
	file->fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0 || fstat(file->fd, &st)) {
		tool_error("gather: %s: %s", name, strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		tool_error("gather: %s: is not a regular file", name);
		return -1;
	}
	file->size = st.st_size;
	file->mapped = (file->size + g->page - 1) & ~(g->page - 1);
	if (!file->size)
		return 0;
	file->data = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->fd, 0);
	if (file->data != MAP_FAILED)
		return 0;
	tool_error("gather: %s: %s", name, strerror(errno));
	return -1;
}

static uint64_t pieces_of(const struct gather *g, const struct file *file)
{
	return (file->mapped + g->piece - 1) / g->piece;
}

static void add_piece(struct gather *g, const struct file *file, uint64_t number)
{
	uint64_t offset = number * g->piece;
	uint64_t size = file->mapped - offset;

	if (size > g->piece)
		size = g->piece;
	g->pieces[g->count] = (struct piece) { file, offset };
	g->ranges[g->count++] = (struct iovec) { file->data + offset, size };
	g->bytes += size;
}

/* Cut all files.  Return: 0 or -errno */
static int cut(struct gather *g)
{
	uint64_t total = 0, most = 0, n;
	unsigned long i;

	for (i = 0; i < g->nfiles; i++) {
		n = pieces_of(g, &g->files[i]);
		total += n;
		most = n > most ? n : most;
	}
	if (total > vsvm_info(g->dev)->max_userptr_ranges) {
		tool_error("gather: these are %" PRIu64 " pieces, and no more than %u can be one range; "
			   "try a larger --piece", total, vsvm_info(g->dev)->max_userptr_ranges);
		return -E2BIG;
	}
	g->pieces = calloc(total ? total : 1, sizeof(*g->pieces));
	g->ranges = calloc(total ? total : 1, sizeof(*g->ranges));
	if (!g->pieces || !g->ranges) {
		tool_error("gather: out of memory");
		return -ENOMEM;
	}
	if (!g->interleave) {
		for (i = 0; i < g->nfiles; i++)
			for (n = 0; n < pieces_of(g, &g->files[i]); n++)
				add_piece(g, &g->files[i], n);
		return 0;
	}
	for (n = 0; n < most; n++)
		for (i = 0; i < g->nfiles; i++)
			if (n < pieces_of(g, &g->files[i]))
				add_piece(g, &g->files[i], n);
	return 0;
}

/* The upper half of the device's addresses: no process has memory there */
static uint64_t device_address(const struct gather *g)
{
	return 1ull << (vsvm_info(g->dev)->va_bits - 1);
}

static void explain(struct gather *g, int err)
{
	struct drm_vsvm_fault record;
	char why[256];
	uint64_t at;
	uint32_t i;

	tool_why(g->queue, err, why, sizeof(why));
	if (err == -ECANCELED && !vsvm_queue_fault(g->queue, &record) &&
	    record.reason == DRM_VSVM_FAULT_BUS) {
		at = record.address - device_address(g);
		for (i = 0; i < g->count && at >= g->ranges[i].iov_len; i++)
			at -= g->ranges[i].iov_len;
		if (i < g->count) {
			tool_error("gather: %s: cannot be read at byte %" PRIu64
				   "; has it got shorter meanwhile? (%s)", g->pieces[i].file->name,
				   g->pieces[i].offset + at, why);
			return;
		}
	}
	tool_error("gather: %s", why);
}

static int compute(struct gather *g)
{
	uint64_t address = device_address(g);
	uint32_t failed;
	int ret;

	if (!g->bytes)
		return 0;
	ret = vsvm_bind_userptr(g->vm, address, g->ranges, g->count,
				DRM_VSVM_BIND_READ_ONLY | DRM_VSVM_BIND_REPLACE, &failed);
	if (ret) {
		tool_error("gather: %s: cannot be bound: %s",
			   failed < g->count ? g->pieces[failed].file->name : "the files",
			   strerror(-ret));
		return ret;
	}
	ret = vsvm_cmd_crc32c(g->cmds, (void *)(uintptr_t)address, g->bytes, 0, &g->crc);
	if (!ret)
		ret = vsvm_run(g->queue, g->cmds, -1);
	if (ret)
		explain(g, ret);
	return ret;
}

/* The same pieces in the same order, by read() and not through a mapping */
static int check(struct gather *g, uint32_t *crc)
{
	char *buffer = malloc(g->piece);
	uint32_t i;
	int ret = 0;

	if (!buffer) {
		tool_error("gather: out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < g->count && !ret; i++) {
		const struct file *file = g->pieces[i].file;
		uint64_t size = g->ranges[i].iov_len, at = 0, want;
		ssize_t n;

		want = file->size - g->pieces[i].offset;
		want = want < size ? want : size;
		while (at < want) {
			n = pread(file->fd, buffer + at, want - at, g->pieces[i].offset + at);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0) {
				tool_error("gather: %s: %s", file->name, n ? strerror(errno) :
					   "got shorter while it was read");
				ret = -EIO;
				break;
			}
			at += n;
		}
		memset(buffer + want, 0, size - want);
		*crc = crc32c(*crc, buffer, size);
	}
	free(buffer);
	return ret;
}

static int setup(struct gather *g, const char *path, char **names, unsigned long count,
		 unsigned long kib)
{
	unsigned long i;
	int ret;

	if (tool_open(path, &g->dev))
		return -ENODEV;
	g->page = 1ull << vsvm_info(g->dev)->page_shift;
	g->piece = (kib * 1024ull + g->page - 1) & ~(g->page - 1);
	g->files = calloc(count, sizeof(*g->files));
	if (!g->files) {
		tool_error("gather: out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < count; i++) {
		g->nfiles++;
		g->files[i].fd = -1;
		g->files[i].data = MAP_FAILED;
		if (open_file(g, &g->files[i], names[i]))
			return -EIO;
	}
	ret = cut(g);
	if (ret)
		return ret;
	ret = vsvm_vm_create(g->dev, 0, &g->vm);
	if (!ret)
		ret = vsvm_bind_mirror_all(g->vm);
	if (!ret)
		ret = vsvm_queue_create(g->vm, 0, &g->queue);
	if (!ret)
		ret = vsvm_cmds_create(1, &g->cmds);
	if (ret)
		tool_error("gather: cannot create a queue: %s", strerror(-ret));
	return ret;
}

static void teardown(struct gather *g)
{
	unsigned long i;

	vsvm_queue_destroy(g->queue);
	vsvm_cmds_destroy(g->cmds);
	vsvm_vm_destroy(g->vm);
	vsvm_close(g->dev);
	for (i = 0; i < g->nfiles; i++) {
		if (g->files[i].data != MAP_FAILED)
			munmap(g->files[i].data, g->files[i].size);
		if (g->files[i].fd >= 0)
			close(g->files[i].fd);
	}
	free(g->files);
	free(g->pieces);
	free(g->ranges);
}

int cmd_gather(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "piece", required_argument, NULL, 'p' },
		{ "interleave", no_argument, NULL, 'i' },
		{ "no-check", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct gather g = { 0 };
	unsigned long kib = 64;
	const char *path = NULL;
	bool verify = true;
	uint32_t cpu = 0;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "d:p:inh", options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			path = optarg;
			break;
		case 'p':
			if (tool_number(optarg, 1ul << 30, &kib))
				break;
			tool_error("gather: '%s' is not a size in KiB", optarg);
			return tool_usage("gather");
		case 'i':
			g.interleave = true;
			break;
		case 'n':
			verify = false;
			break;
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			return tool_usage("gather");
		}
	}
	if (optind == argc) {
		tool_error("gather: no file given");
		return tool_usage("gather");
	}
	ret = setup(&g, path, argv + optind, argc - optind, kib);
	if (!ret)
		ret = compute(&g);
	if (!ret)
		printf("%08x  %" PRIu64 "  %u ranges of %lu files\n", g.crc, g.bytes, g.count,
		       g.nfiles);
	if (!ret && verify) {
		ret = check(&g, &cpu);
		if (!ret && cpu != g.crc) {
			tool_error("gather: MISMATCH: device %08x, CPU %08x", g.crc, cpu);
			ret = -EIO;
		}
	}
	teardown(&g);
	return ret ? TOOL_FAILED : TOOL_OK;
}
