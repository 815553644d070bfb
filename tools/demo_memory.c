// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demo.h"
#include "tool.h"

static bool one_file(struct demo_work *work, const char *name)
{
	/* The device writes the result to the stack: memory like any other */
	uint32_t device = 0, cpu = 0;
	bool ok = false;
	uint64_t start;
	struct stat st;
	void *data;
	int fd, ret;

	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return demo_fail("%s: %s", name, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size) {
		demo_fail("%s: is not a regular file, or empty", name);
		goto out_close;
	}
	data = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		demo_fail("%s: %s", name, strerror(errno));
		goto out_close;
	}

	start = demo_now_ns();
	if (vsvm_cmd_crc32c(work->cmds, data, st.st_size, 0, &device)) {
		demo_fail("out of memory");
		goto out_unmap;
	}
	if (!demo_work_run(work))
		goto out_unmap;
	demo_say("%s: %" PRIu64 " bytes, CRC32C %08x, %" PRIu64 " us", name, (uint64_t)st.st_size,
		 device, (demo_now_ns() - start) / 1000);
	ret = crc32c_file(fd, st.st_size, &cpu);
	if (ret)
		demo_fail("%s: the CPU cannot read it: %s", name, strerror(-ret));
	else if (cpu != device)
		demo_fail("%s: the CPU says %08x", name, cpu);
	else
		ok = true;

out_unmap:
	munmap(data, st.st_size);
out_close:
	close(fd);
	return ok;
}

bool demo_files(struct demo *demo)
{
	bool ok = true;
	int i;

	for (i = 0; i < demo->file_count; i++) {
		struct demo_work work;

		if (!demo_work_create(demo, &work))
			return false;
		if (!one_file(&work, demo->files[i]))
			ok = false;
		demo_work_destroy(&work);
	}
	return ok;
}

/* --- a list --- */

#define NODES	100000

struct node {
	struct node *next;
	uint64_t value;
	/* and as much more as makes the distance to the next one irregular */
};

/* The same numbers each time: a demonstration can be repeated */
static uint32_t scatter(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void free_list(struct node **nodes)
{
	size_t i;

	for (i = 0; i < NODES && nodes[i]; i++)
		free(nodes[i]);
	free(nodes);
}

/* nodes[0] is the first; each node follows another one that lies anywhere */
static struct node **create_list(uint64_t *sum)
{
	struct node **nodes = calloc(NODES, sizeof(*nodes));
	uint32_t state = 1;
	size_t i;

	if (!nodes)
		return NULL;
	for (i = 0; i < NODES; i++) {
		nodes[i] = malloc(sizeof(struct node) + scatter(&state) % 480);
		if (!nodes[i]) {
			free_list(nodes);
			return NULL;
		}
	}
	for (i = NODES - 1; i > 0; i--) {
		size_t other = scatter(&state) % (i + 1);
		struct node *node = nodes[i];

		nodes[i] = nodes[other];
		nodes[other] = node;
	}
	*sum = 0;
	for (i = 0; i < NODES; i++) {
		nodes[i]->next = i + 1 < NODES ? nodes[i + 1] : NULL;
		nodes[i]->value = scatter(&state);
		*sum += nodes[i]->value;
	}
	return nodes;
}

bool demo_list(struct demo *demo)
{
	struct vsvm_chase_result result = { 0 };
	struct demo_work work;
	struct node **nodes;
	bool ok = false;
	uint64_t start, sum;

	nodes = create_list(&sum);
	if (!nodes)
		return demo_fail("out of memory");
	if (!demo_work_create(demo, &work))
		goto out_free;

	start = demo_now_ns();
	/* Twice as many as there are: it has to stop at the null pointer */
	if (vsvm_cmd_chase(work.cmds, nodes[0], offsetof(struct node, next), 2 * NODES,
			   offsetof(struct node, value), &result)) {
		demo_fail("out of memory");
		goto out_destroy;
	}
	if (!demo_work_run(&work))
		goto out_destroy;
	demo_say("%" PRIu64 " nodes, sum %" PRIu64 ", %" PRIu64 " us", (uint64_t)result.nodes,
		 (uint64_t)result.sum, (demo_now_ns() - start) / 1000);
	ok = result.nodes == NODES && result.sum == sum &&
	     result.last == (uintptr_t)nodes[NODES - 1];
	if (!ok)
		demo_fail("the CPU says %d nodes, sum %" PRIu64, NODES, sum);

out_destroy:
	demo_work_destroy(&work);
out_free:
	free_list(nodes);
	return ok;
}

/* --- vectors --- */

#define ELEMENTS	(2 << 20)
#define VECTOR_BYTES	(ELEMENTS * sizeof(uint64_t))
#define LARGE		(2 << 20)

/* Plain malloc(), with the hint that any program may give for large data */
static uint64_t *create_vector(void)
{
	uint64_t *vector = malloc(VECTOR_BYTES);
	uintptr_t start, end;

	if (!vector)
		return NULL;
	start = ((uintptr_t)vector + LARGE - 1) & ~(uintptr_t)(LARGE - 1);
	end = ((uintptr_t)vector + VECTOR_BYTES) & ~(uintptr_t)(LARGE - 1);
	/* A kernel without large pages refuses, and that is as well */
	(void)madvise((void *)start, end - start, MADV_HUGEPAGE);
	return vector;
}

bool demo_vectors(struct demo *demo)
{
	uint64_t *a = create_vector();
	uint64_t *b = create_vector();
	uint64_t *sum = create_vector();
	struct demo_work work;
	uint64_t start;
	bool ok = false;
	size_t i;

	if (!a || !b || !sum) {
		demo_fail("out of memory");
		goto out_free;
	}
	for (i = 0; i < ELEMENTS; i++) {
		a[i] = i;
		b[i] = ~0ull / (i + 1);
	}
	if (!demo_work_create(demo, &work))
		goto out_free;

	start = demo_now_ns();
	if (vsvm_cmd_add(work.cmds, sum, a, b, ELEMENTS, sizeof(*sum))) {
		demo_fail("out of memory");
		goto out_destroy;
	}
	if (!demo_work_run(&work))
		goto out_destroy;
	demo_say("%d elements of 8 bytes, %" PRIu64 " us", ELEMENTS,
		 (demo_now_ns() - start) / 1000);
	for (i = 0; i < ELEMENTS && sum[i] == a[i] + b[i]; i++)
		;
	ok = i == ELEMENTS;
	if (!ok)
		demo_fail("element %zu: %" PRIu64 " instead of %" PRIu64, i, sum[i], a[i] + b[i]);

out_destroy:
	demo_work_destroy(&work);
out_free:
	free(sum);
	free(b);
	free(a);
	return ok;
}
