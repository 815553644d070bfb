// SPDX-License-Identifier: MIT
/*
 * What is measured against: vsvm-bench.ko, and the kernel's test_hmm.ko.  Both
 * are loaded when a load asks for them, and unloaded when it has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/vsvm_bench.h"
#include "report.h"

#define PEER_NODE	"/dev/hmm_dmirror0"

/*
 * The ioctls of test_hmm.  Its header is not installed; these have not changed
 * since the module exists.
 */
struct peer_op {
	uint64_t addr;
	uint64_t ptr;
	uint64_t npages;
	uint64_t cpages;
	uint64_t faults;
};

#define PEER_READ	_IOWR('H', 0x00, struct peer_op)
#define PEER_TO_DEVICE	_IOWR('H', 0x02, struct peer_op)
#define PEER_TO_SYSTEM	_IOWR('H', 0x03, struct peer_op)

static void load_module(const char *path, const char *args)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		bench_skip("%s: %s", path, strerror(errno));
	if (syscall(SYS_finit_module, fd, args, 0) && errno != EEXIST)
		bench_skip("%s does not load: %s", path, strerror(errno));
	close(fd);
}

void yardsticks_unload(void)
{
	syscall(SYS_delete_module, "vsvm_bench", O_NONBLOCK);
	syscall(SYS_delete_module, "test_hmm", O_NONBLOCK);
}

/* --- vsvm-bench.ko --- */

int bench_yard_open(size_t size)
{
	const char *vsvm = getenv("VSVM_MODULE");
	char path[512], copy[512], args[32];
	int fd;

	snprintf(copy, sizeof(copy), "%s", vsvm ? vsvm : "/lib/vsvm/vsvm.ko");
	snprintf(path, sizeof(path), "%.480s/vsvm-bench.ko", dirname(copy));
	snprintf(args, sizeof(args), "mib=%zu", (size + BLOCK - 1) / BLOCK * 2);
	load_module(path, args);
	fd = open("/dev/" VSVM_BENCH_NAME, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		bench_skip("/dev/" VSVM_BENCH_NAME ": %s", strerror(errno));
	return fd;
}

static double yard(int fd, unsigned long what, void *p, const void *source, size_t size)
{
	struct vsvm_bench_op op = {
		.address = (uintptr_t)p,
		.source = (uintptr_t)source,
		.size = size,
	};

	if (ioctl(fd, what, &op))
		bench_die("yardstick %lu: %s", what & 0xff, strerror(errno));
	if (op.pages != size / PAGE)
		bench_die("yardstick %lu: %llu of %zu pages", what & 0xff,
			  (unsigned long long)op.pages, size / PAGE);
	return op.ns;
}

double bench_yard_memcpy(int fd, void *dst, const void *src, size_t size)
{
	return yard(fd, VSVM_BENCH_MEMCPY, dst, src, size);
}

double bench_yard_migrate(int fd, void *p, size_t size, bool to_device)
{
	return yard(fd, to_device ? VSVM_BENCH_MIGRATE_TO_DEVICE :
		    VSVM_BENCH_MIGRATE_TO_SYSTEM, p, NULL, size);
}

double bench_yard_engine(int fd, void *p, size_t size, bool to_device)
{
	return yard(fd, to_device ? VSVM_BENCH_ENGINE_TO_DEVICE :
		    VSVM_BENCH_ENGINE_TO_SYSTEM, p, NULL, size);
}

/* --- test_hmm.ko --- */

int bench_peer_open(void)
{
	int fd, i;

	load_module("test_hmm.ko", "");
	/* devtmpfs makes the node in its own time */
	for (i = 0; i < 100; i++) {
		fd = open(PEER_NODE, O_RDWR | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			break;
		usleep(10000);
	}
	if (fd < 0)
		bench_skip(PEER_NODE ": %s", strerror(errno));
	return fd;
}

static double peer(int fd, unsigned long what, void *p, void *copy, size_t size)
{
	struct peer_op op = {
		.addr = (uintptr_t)p,
		.ptr = (uintptr_t)copy,
		.npages = size / PAGE,
	};
	uint64_t t = bench_now();

	if (ioctl(fd, what, &op))
		bench_die("test_hmm %lu: %s", what & 0xff, strerror(errno));
	t = bench_now() - t;
	/* Going back it counts huge pages, not what they hold */
	if (op.cpages != size / PAGE && op.cpages != size / BLOCK)
		bench_die("test_hmm %lu: %llu of %zu pages", what & 0xff,
			  (unsigned long long)op.cpages, size / PAGE);
	return t;
}

double bench_peer_to_device(int fd, void *p, void *copy, size_t size, double *verify)
{
	double t = peer(fd, PEER_TO_DEVICE, p, copy, size);

	*verify = peer(fd, PEER_READ, p, copy, size);
	return t;
}

double bench_peer_to_system(int fd, void *p, size_t size)
{
	return peer(fd, PEER_TO_SYSTEM, p, NULL, size);
}
