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
	"usage: vsvm crc [OPTION]... FILE...\n"
	"\n"
	"Print the CRC32C, the size and the name of each file.  The device computes it\n"
	"in place, through its own mapping of the page cache; the CPU computes it as\n"
	"well, by reading the file.\n"
	"\n"
	"options:\n"
	"  -d, --device=PATH  render node; without it the first one that is vsvm\n"
	"  -q, --queues=N     files in flight at once (default: four for each engine)\n"
	"  -n, --no-check     do not let the CPU check\n"
	"  -h, --help         this text\n"
	"\n"
	"Exit status: 0, or 1 if a file could not be read or the two differ.\n";

/* One file in flight; the device writes straight into it */
struct slot {
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	struct vsvm_fence fence;
	const char *name;
	void *data;
	uint64_t size;
	int fd;
	bool busy;
	uint32_t crc;
};

struct crc {
	struct vsvm_device *dev;
	struct vsvm_vm *vm;
	struct slot *slots;
	unsigned long count;
	bool check;
	bool failed;
};

static void complain(struct crc *crc, const char *name, const char *what)
{
	tool_error("crc: %s: %s", name, what);
	crc->failed = true;
}

static void print_result(const char *name, uint64_t size, uint32_t value)
{
	printf("%08x  %" PRIu64 "  %s\n", value, size, name);
}

/* Open and measure; what cannot be mapped is told apart here.  -1: complained */
static int open_file(struct crc *crc, const char *name, uint64_t *size)
{
	struct stat st;
	char byte;
	int fd;

	/* O_NONBLOCK: a FIFO would wait for its other end */
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		complain(crc, name, strerror(errno));
		goto err;
	}
	if (S_ISDIR(st.st_mode)) {
		complain(crc, name, "is a directory");
		goto err;
	}
	if (!S_ISREG(st.st_mode)) {
		complain(crc, name, "is not a regular file");
		goto err;
	}
	if (!st.st_size && pread(fd, &byte, 1, 0) > 0) {
		complain(crc, name, "has no size and cannot be mapped (a file of the kernel?)");
		goto err;
	}
	*size = st.st_size;
	return fd;

err:
	if (fd >= 0)
		close(fd);
	return -1;
}

static void start(struct crc *crc, struct slot *slot, const char *name)
{
	int ret;

	slot->name = name;
	slot->fd = open_file(crc, name, &slot->size);
	if (slot->fd < 0)
		return;
	slot->busy = true;
	slot->crc = 0;
	slot->data = MAP_FAILED;
	/* There is nothing to map, and the CRC of nothing is 0 */
	if (!slot->size)
		return;

	slot->data = mmap(NULL, slot->size, PROT_READ, MAP_SHARED, slot->fd, 0);
	ret = slot->data == MAP_FAILED ? -errno : 0;
	if (!ret) {
		vsvm_cmds_reset(slot->cmds);
		ret = vsvm_cmd_crc32c(slot->cmds, slot->data, slot->size, 0, &slot->crc);
	}
	if (!ret)
		ret = vsvm_submit(slot->queue, slot->cmds, &slot->fence);
	if (!ret)
		return;

	complain(crc, name, strerror(-ret));
	if (slot->data != MAP_FAILED)
		munmap(slot->data, slot->size);
	close(slot->fd);
	slot->busy = false;
}

/* The queue has ended; say why in terms of the file, and give the slot another */
static void queue_ended(struct crc *crc, struct slot *slot, int err)
{
	struct drm_vsvm_fault record = { 0 };
	char why[256], message[400];
	uint64_t at = slot->size;
	int ret;

	tool_why(slot->queue, err, why, sizeof(why));
	if (err == -ECANCELED && !vsvm_queue_fault(slot->queue, &record))
		at = record.address - (uintptr_t)slot->data;
	if (record.reason == DRM_VSVM_FAULT_BUS && at < slot->size)
		snprintf(message, sizeof(message), "cannot be read at byte %" PRIu64
			 "; has it got shorter meanwhile? (%s)", at, why);
	else
		snprintf(message, sizeof(message), "%s", why);
	complain(crc, slot->name, message);

	vsvm_queue_destroy(slot->queue);
	slot->queue = NULL;
	ret = vsvm_queue_create(crc->vm, 0, &slot->queue);
	if (ret) {
		tool_error("crc: cannot create a queue: %s", strerror(-ret));
		exit(TOOL_FAILED);
	}
}

static void check_and_print(struct crc *crc, const struct slot *slot)
{
	char message[128];
	struct stat st;
	uint32_t cpu;
	int ret;

	if (!crc->check) {
		print_result(slot->name, slot->size, slot->crc);
		return;
	}
	ret = crc32c_file(slot->fd, slot->size, &cpu);
	if (ret == -ESTALE) {
		complain(crc, slot->name, "got shorter while it was read");
		return;
	}
	if (ret) {
		complain(crc, slot->name, strerror(-ret));
		return;
	}
	print_result(slot->name, slot->size, slot->crc);
	if (cpu == slot->crc)
		return;
	snprintf(message, sizeof(message), "MISMATCH: device %08x, CPU %08x%s", slot->crc, cpu,
		 !fstat(slot->fd, &st) && (uint64_t)st.st_size != slot->size ?
		 " (its size has changed meanwhile)" : "");
	complain(crc, slot->name, message);
}

static void finish(struct crc *crc, struct slot *slot)
{
	int ret = 0;

	if (!slot->busy)
		return;
	if (slot->size)
		ret = vsvm_wait(&slot->fence, -1);
	if (ret)
		queue_ended(crc, slot, ret);
	else
		check_and_print(crc, slot);
	if (slot->size)
		munmap(slot->data, slot->size);
	close(slot->fd);
	slot->busy = false;
}

/* Slots are taken in turn, so that results come in the order of the arguments */
static void run(struct crc *crc, char **names, unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		finish(crc, &crc->slots[i % crc->count]);
		start(crc, &crc->slots[i % crc->count], names[i]);
	}
	for (i = 0; i < crc->count; i++)
		finish(crc, &crc->slots[(count + i) % crc->count]);
}

static unsigned long smaller(unsigned long a, unsigned long b)
{
	return a < b ? a : b;
}

/* queues: 0 for the default */
static int setup(struct crc *crc, const char *path, unsigned long queues, unsigned long files)
{
	const struct drm_vsvm_dev_info *info;
	unsigned long i;
	int ret;

	if (tool_open(path, &crc->dev))
		return -ENODEV;
	info = vsvm_info(crc->dev);
	if (!queues)
		queues = 4ul * info->engines;
	crc->count = smaller(smaller(queues, files), info->max_queues);
	ret = vsvm_vm_create(crc->dev, 0, &crc->vm);
	if (!ret)
		ret = vsvm_bind_mirror_all(crc->vm);
	if (ret) {
		tool_error("crc: cannot create an address space: %s", strerror(-ret));
		return ret;
	}
	crc->slots = calloc(crc->count, sizeof(*crc->slots));
	if (!crc->slots)
		ret = -ENOMEM;
	for (i = 0; !ret && i < crc->count; i++) {
		ret = vsvm_queue_create(crc->vm, 0, &crc->slots[i].queue);
		if (!ret)
			ret = vsvm_cmds_create(1, &crc->slots[i].cmds);
	}
	if (ret)
		tool_error("crc: cannot create a queue: %s", strerror(-ret));
	return ret;
}

static void teardown(struct crc *crc)
{
	unsigned long i;

	for (i = 0; crc->slots && i < crc->count; i++) {
		vsvm_queue_destroy(crc->slots[i].queue);
		vsvm_cmds_destroy(crc->slots[i].cmds);
	}
	free(crc->slots);
	vsvm_vm_destroy(crc->vm);
	vsvm_close(crc->dev);
}

int cmd_crc(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "queues", required_argument, NULL, 'q' },
		{ "no-check", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct crc crc = { .check = true };
	unsigned long files, queues = 0;
	const char *path = NULL;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "d:q:nh", options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			path = optarg;
			break;
		case 'q':
			if (tool_number(optarg, 65536, &queues))
				break;
			tool_error("crc: '%s' is not a number of queues", optarg);
			return tool_usage("crc");
		case 'n':
			crc.check = false;
			break;
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			return tool_usage("crc");
		}
	}
	files = argc - optind;
	if (!files) {
		tool_error("crc: no file given");
		return tool_usage("crc");
	}

	ret = setup(&crc, path, queues, files);
	if (!ret)
		run(&crc, argv + optind, files);
	teardown(&crc);
	return ret || crc.failed ? TOOL_FAILED : TOOL_OK;
}
