// SPDX-License-Identifier: MIT
/*
 * Two vectors from malloc() are added by the device into a third one.  No
 * buffers are created, nothing is copied and no address is translated: the
 * pointers of the program are what the device is given.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vsvm.h>

#define COUNT	(1 << 20)

/* Every function of the library returns 0 or a negative errno */
static void check(int ret, const char *what)
{
	if (ret) {
		fprintf(stderr, "%s: %s\n", what, strerror(-ret));
		exit(1);
	}
}

int main(void)
{
	uint64_t *a = malloc(COUNT * sizeof(*a));
	uint64_t *b = malloc(COUNT * sizeof(*b));
	uint64_t *sum = malloc(COUNT * sizeof(*sum));
	struct vsvm_device *dev;
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	struct vsvm_vm *vm;
	size_t i;

	if (!a || !b || !sum)
		check(-ENOMEM, "malloc");
	for (i = 0; i < COUNT; i++) {
		a[i] = i;
		b[i] = 2 * i;
	}

	/* The first device there is, and an address space on it ... */
	check(vsvm_open(NULL, &dev), "open");
	check(vsvm_vm_create(dev, 0, &vm), "create an address space");
	/* ... in which every address means what it means in this process */
	check(vsvm_bind_mirror_all(vm), "mirror the process");
	/* A queue runs command buffers in that address space */
	check(vsvm_queue_create(vm, 0, &queue), "create a queue");

	check(vsvm_cmds_create(1, &cmds), "create a command buffer");
	check(vsvm_cmd_add(cmds, sum, a, b, COUNT, sizeof(*sum)), "add a packet");

	/*
	 * Nothing has told the device about these pages: it faults on them,
	 * as a CPU does.  "sum" has not even been touched by the CPU yet.
	 * Wait for at most 10 s: a program shall not hang with its device.
	 */
	check(vsvm_run(queue, cmds, 10000000000), "run");

	for (i = 0; i < COUNT; i++)
		if (sum[i] != 3 * i)
			break;
	printf("%s: sum[%zu] = %" PRIu64 "\n", i == COUNT ? "ok" : "WRONG",
	       i == COUNT ? i - 1 : i, sum[i == COUNT ? i - 1 : i]);

	/* In the opposite order: the queue stops before its memory goes */
	vsvm_cmds_destroy(cmds);
	vsvm_queue_destroy(queue);
	vsvm_vm_destroy(vm);
	vsvm_close(dev);
	free(sum);
	free(b);
	free(a);
	return i != COUNT;
}
