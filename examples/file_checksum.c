// SPDX-License-Identifier: MIT
/*
 * The device computes the CRC32C of a file where it lies, in the page cache:
 * mmap() is all that is needed.  When the work fails, the record of the fault
 * tells why; try it with a file that another program truncates meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <vsvm.h>

static void check(int ret, const char *what)
{
	if (ret) {
		fprintf(stderr, "%s: %s\n", what, strerror(-ret));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct vsvm_device *dev;
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	struct vsvm_vm *vm;
	uint32_t crc = 0;
	struct stat st;
	void *data;
	int fd, ret;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		check(-errno, argv[1]);
	data = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		check(-errno, argv[1]);

	check(vsvm_open(NULL, &dev), "open");
	check(vsvm_vm_create(dev, 0, &vm), "create an address space");
	check(vsvm_bind_mirror_all(vm), "mirror the process");
	check(vsvm_queue_create(vm, 0, &queue), "create a queue");
	check(vsvm_cmds_create(1, &cmds), "create a command buffer");
	check(vsvm_cmd_crc32c(cmds, data, st.st_size, 0, &crc), "add a packet");

	ret = vsvm_run(queue, cmds, -1);
	if (ret == -ECANCELED) {
		/* The queue has ended, and this is what ended it */
		struct drm_vsvm_fault fault;
		char why[256];

		check(vsvm_queue_fault(queue, &fault), "read the fault");
		fprintf(stderr, "%s: %s\n", argv[1],
			vsvm_strerror_fault(&fault, why, sizeof(why)));
		return 1;
	}
	check(ret, "run");
	printf("%08x  %s\n", crc, argv[1]);

	/* The rest goes with the process, in the right order */
	return 0;
}
