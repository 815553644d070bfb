// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "demo.h"
#include "tool.h"

#define BLOCK	(2ul << 20)

static bool set(struct demo *demo, void *p, size_t size, enum drm_vsvm_attr_type type,
		uint32_t value)
{
	int ret = vsvm_attr_set_one(demo->vm, p, size, type, value);

	if (!ret)
		return true;
	return demo_fail("cannot set %s: %s", vsvm_attr_name(type), strerror(-ret));
}

/* Pages of the first block that lie on the device */
static unsigned int on_device(struct demo *demo, void *p)
{
	static uint32_t state[BLOCK / 4096];
	unsigned int i, n = 0;

	if (vsvm_vm_state(demo->vm, p, BLOCK, state))
		return 0;
	for (i = 0; i < BLOCK / 4096; i++)
		n += !!(state[i] & DRM_VSVM_PAGE_VRAM);
	return n;
}

/* The first word of a block, read by the device */
static bool read_one(struct demo_work *work, uint64_t *p, uint64_t *to)
{
	if (vsvm_cmd_copy(work->cmds, to, p, sizeof(*to)))
		return demo_fail("out of memory");
	return demo_work_run(work);
}

static bool refused(struct demo *demo, uint64_t *p)
{
	struct demo_work work;
	char why[256];
	bool ok = false;
	int ret;

	if (!demo_work_create(demo, &work))
		return false;
	if (!vsvm_cmd_store64(work.cmds, p, 1)) {
		ret = vsvm_run(work.queue, work.cmds, DEMO_TIMEOUT);
		ok = ret;
		if (ok)
			demo_say("%s", tool_why(work.queue, ret, why, sizeof(why)));
		else
			demo_fail("the device wrote where it may not");
	}
	demo_work_destroy(&work);
	return ok;
}

bool demo_attributes(struct demo *demo)
{
	struct demo_work work;
	uint64_t seen = 0, *p;
	bool ok = false;
	char *area;

	if (!demo_work_create(demo, &work))
		return false;
	area = mmap(NULL, 3 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		demo_work_destroy(&work);
		return demo_fail("no memory");
	}
	p = (uint64_t *)(((uintptr_t)area + BLOCK - 1) & ~(BLOCK - 1));
	memset(p, 0x42, BLOCK);

	if (vsvm_info(demo->dev)->vram_bytes) {
		if (!set(demo, p, BLOCK, DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_DEVICE) ||
		    !read_one(&work, p, &seen))
			goto out;
		demo_say("preferred_loc=device: one read, and %u pages are mapped in device memory",
			 on_device(demo, p));
		if (!on_device(demo, p) || seen != 0x4242424242424242ull) {
			demo_fail("it is not there");
			goto out;
		}
	}
	if (!set(demo, p, BLOCK, DRM_VSVM_ATTR_GPU_RO, 1))
		goto out;
	demo_say("gpu_ro=1: what the device had mapped it can still read, and a write:");
	if (!refused(demo, p) || !set(demo, p, BLOCK, DRM_VSVM_ATTR_ACCESS, 0))
		goto out;
	demo_say("access=none: neither is allowed:");
	if (!refused(demo, p + 1))
		goto out;
	if (vsvm_attr_reset(demo->vm, p, BLOCK)) {
		demo_fail("cannot reset");
		goto out;
	}
	if (vsvm_cmd_store64(work.cmds, p, 4711) || !demo_work_run(&work))
		goto out;
	demo_say("reset: the device writes again; the CPU reads %" PRIu64, *(volatile uint64_t *)p);
	ok = *(volatile uint64_t *)p == 4711;
out:
	vsvm_attr_reset(demo->vm, p, BLOCK);
	munmap(area, 3 * BLOCK);
	demo_work_destroy(&work);
	return ok;
}
