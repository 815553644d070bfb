// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <string.h>

#include "demo.h"
#include "tool.h"

#define SMALL	(48ull << 20)
#define LARGE	(80ull << 20)
#define PATTERN	0x0123456789abcdefull

static bool report(struct demo *demo, const char *what)
{
	struct drm_vsvm_heap_query query;
	int ret = vsvm_heap_query(demo->dev, &query, NULL, NULL);

	if (ret)
		return demo_fail("cannot ask about the heap: %s", strerror(-ret));
	demo_say("%-24s %3" PRIu64 " of %" PRIu64 " MiB committed, %3" PRIu64 " used, %u queue%s",
		 what, (uint64_t)query.committed >> 20, (uint64_t)query.maximum >> 20,
		 (uint64_t)query.used >> 20, query.queues, query.queues == 1 ? "" : "s");
	return true;
}

/* The device fills an object by its address, the CPU looks at the last word */
static bool fill(struct vsvm_queue *queue, struct vsvm_cmds *cmds, struct vsvm_bo *bo)
{
	uint64_t size = vsvm_bo_size(bo), *map;
	bool ok;
	int ret;

	vsvm_cmds_reset(cmds);
	ret = vsvm_cmd_fill(cmds, (void *)(uintptr_t)vsvm_bo_address(bo), size, PATTERN);
	if (!ret)
		ret = vsvm_run(queue, cmds, DEMO_TIMEOUT);
	if (!ret)
		ret = vsvm_bo_sync(bo, size - 8, 8, DRM_VSVM_SYNC_FROM_DEVICE);
	if (!ret)
		ret = vsvm_bo_map(bo, (void **)&map);
	if (ret)
		return demo_fail("the device did not fill it: %s", strerror(-ret));
	ok = map[0] == PATTERN && map[size / 8 - 1] == PATTERN;
	vsvm_bo_unmap(bo);
	return ok || demo_fail("the CPU sees something else than the device wrote");
}

static bool use(struct demo *demo, struct vsvm_queue *queue, struct vsvm_cmds *cmds)
{
	struct vsvm_bo *small = NULL, *large = NULL;
	bool ok;
	int ret;

	ok = report(demo, "a queue and its ring:");
	if (ok) {
		ret = vsvm_heap_alloc(demo->dev, SMALL, 0, &small);
		ok = !ret || demo_fail("no room in the heap: %s", strerror(-ret));
	}
	ok = ok && report(demo, "an object of 48 MiB:") && fill(queue, cmds, small);
	/* Not on a device with a heap of one chunk */
	if (ok && vsvm_info(demo->dev)->heap_maximum >= SMALL + 2 * LARGE) {
		ret = vsvm_heap_alloc(demo->dev, LARGE, 0, &large);
		ok = !ret || demo_fail("the heap does not grow: %s", strerror(-ret));
		ok = ok && report(demo, "another of 80 MiB:") && fill(queue, cmds, large);
	}
	vsvm_heap_free(large);
	vsvm_heap_free(small);
	if (ok) {
		ret = vsvm_heap_shrink(demo->dev, 0);
		ok = !ret || demo_fail("the heap does not shrink: %s", strerror(-ret));
	}
	return ok && report(demo, "freed and shrunk:");
}

bool demo_heap(struct demo *demo)
{
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	bool ok;
	int ret;

	ret = vsvm_queue_create_in_heap(demo->vm, 0, 0, &queue);
	if (ret)
		return demo_fail("cannot create a queue in the heap: %s", strerror(-ret));
	ret = vsvm_cmds_create(0, &cmds);
	ok = ret ? demo_fail("no memory") : use(demo, queue, cmds);
	vsvm_queue_destroy(queue);
	if (!ret)
		vsvm_cmds_destroy(cmds);
	return ok;
}
