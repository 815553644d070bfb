// SPDX-License-Identifier: MIT
/*
 * The device follows the pointers of a linked list and adds up its values.
 * Without shared virtual memory the list would have to be flattened first: a
 * pointer stored in memory means nothing to a device with its own addresses.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vsvm.h>

#define NODES	10000

struct node {
	uint64_t value;
	struct node *next;
};

static void check(int ret, const char *what)
{
	if (ret) {
		fprintf(stderr, "%s: %s\n", what, strerror(-ret));
		exit(1);
	}
}

int main(void)
{
	/* The device writes it, and it is on the stack: that is memory like any other */
	struct vsvm_chase_result result = { 0 };
	struct node *head = NULL;
	struct vsvm_device *dev;
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	struct vsvm_vm *vm;
	uint64_t sum = 0;
	bool ok;
	int i;

	for (i = 0; i < NODES; i++) {
		struct node *node = malloc(sizeof(*node));

		if (!node)
			check(-ENOMEM, "malloc");
		node->value = i;
		node->next = head;
		head = node;
		sum += i;
	}

	check(vsvm_open(NULL, &dev), "open");
	check(vsvm_vm_create(dev, 0, &vm), "create an address space");
	check(vsvm_bind_mirror_all(vm), "mirror the process");
	check(vsvm_queue_create(vm, 0, &queue), "create a queue");
	check(vsvm_cmds_create(1, &cmds), "create a command buffer");

	/* Where in a node the pointer and the value are; a null pointer ends the list */
	check(vsvm_cmd_chase(cmds, head, offsetof(struct node, next), 2 * NODES,
			     offsetof(struct node, value), &result), "add a packet");
	check(vsvm_run(queue, cmds, 10000000000), "run");

	ok = result.nodes == NODES && result.sum == sum;
	printf("%s: %" PRIu64 " nodes, sum %" PRIu64 "\n", ok ? "ok" : "WRONG",
	       (uint64_t)result.nodes, (uint64_t)result.sum);

	vsvm_cmds_destroy(cmds);
	vsvm_queue_destroy(queue);
	vsvm_vm_destroy(vm);
	vsvm_close(dev);
	while (head) {
		struct node *next = head->next;

		free(head);
		head = next;
	}
	return !ok;
}
