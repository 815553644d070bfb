// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "demo.h"
#include "tool.h"

#define BUFFER		(8ull << 20)
#define STEP		(2ull << 20)
/* The demonstration shall not take all of a machine's memory */
#define MOST		(512ull << 20)

static uint64_t pattern(size_t word)
{
	return word * 0x9e3779b97f4a7c15ull + 1;
}

/* Memory of the process, in small pages */
static uint64_t *make(size_t bytes)
{
	uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (p == MAP_FAILED) {
		demo_fail("out of memory");
		return NULL;
	}
	madvise(p, bytes, MADV_NOHUGEPAGE);
	for (i = 0; i < bytes / sizeof(*p); i++)
		p[i] = pattern(i);
	return p;
}

static bool intact(const uint64_t *p, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes / sizeof(*p); i++)
		if (p[i] != pattern(i))
			return demo_fail("word %zu is not what was written there", i);
	return true;
}

/* KiB of the buffer that the device maps in its own memory; -1: it does not say */
static long on_device(struct demo *demo, const void *p, size_t bytes)
{
	const unsigned int shift = vsvm_info(demo->dev)->page_shift;
	uint32_t *state = calloc(bytes >> shift, sizeof(*state));
	long kib = 0;
	size_t i;

	if (!state || vsvm_vm_state(demo->vm, p, bytes, state)) {
		free(state);
		return -1;
	}
	for (i = 0; i < bytes >> shift; i++)
		if (state[i] & DRM_VSVM_PAGE_VRAM)
			kib += 1l << (shift - 10);
	free(state);
	return kib;
}

static bool there_and_back(struct demo *demo, uint64_t *p)
{
	struct drm_vsvm_dev_counters before, after;
	long kib, left;
	int ret;

	ret = vsvm_prefetch(demo->vm, p, BUFFER, DRM_VSVM_PLACE_DEVICE);
	if (ret)
		return demo_fail("prefetch: %s", strerror(-ret));
	kib = on_device(demo, p, BUFFER);
	demo_say("prefetched: %ld of %llu KiB are in device memory now", kib, BUFFER >> 10);
	if (kib != BUFFER >> 10)
		return demo_fail("not all of it has moved");

	ret = vsvm_counters(demo->dev, &before);
	if (*(volatile uint8_t *)p != (uint8_t)pattern(0))
		return demo_fail("the CPU reads something else than it wrote");
	if (!ret)
		ret = vsvm_counters(demo->dev, &after);
	left = on_device(demo, p, BUFFER);
	if (ret || left < 0)
		return demo_fail("cannot look at the counters");
	demo_say("the CPU touches one byte: %" PRIu64 " KiB come back, %ld KiB stay",
		 (uint64_t)(after.returned_pages - before.returned_pages) <<
		 (vsvm_info(demo->dev)->page_shift - 10), left);
	if (left >= kib)
		return demo_fail("the page that it touched should be in system memory");
	return intact(p, BUFFER);
}

/* The device writes twice as much as it has memory for */
static bool too_much(struct demo *demo, struct demo_work *work)
{
	struct drm_vsvm_dev_counters before, after;
	const uint64_t vram = vsvm_info(demo->dev)->vram_bytes;
	const size_t bytes = 2 * vram;
	uint64_t at;
	uint64_t *p;
	bool ok;
	int ret;

	if (bytes > MOST) {
		demo_say("(not tried with more than it holds: that would be %zu MiB)", bytes >> 20);
		return true;
	}
	p = make(bytes);
	if (!p)
		return false;
	ret = vsvm_counters(demo->dev, &before);
	for (at = 0; !ret && at < bytes; at += STEP) {
		uint8_t *piece = (uint8_t *)p + at;

		ret = vsvm_prefetch(demo->vm, piece, STEP, DRM_VSVM_PLACE_DEVICE);
		/* A page of each piece is copied over the one behind it, and must be found there */
		if (!ret)
			ret = vsvm_cmd_copy(work->cmds, piece + STEP / 2, piece, 4096);
	}
	ok = !ret && demo_work_run(work);
	if (!ret)
		ret = vsvm_counters(demo->dev, &after);
	if (ret) {
		munmap(p, bytes);
		return demo_fail("it did not work: %s", strerror(-ret));
	}
	for (at = 0; ok && at < bytes; at += STEP) {
		uint64_t *piece = p + at / sizeof(*p);

		if (memcmp(piece, piece + STEP / 2 / sizeof(*p), 4096))
			ok = demo_fail("what the device has copied at %" PRIu64 " is lost", at);
		else
			for (size_t i = 0; i < 4096 / sizeof(*p); i++)
				piece[STEP / 2 / sizeof(*p) + i] =
					pattern((at + STEP / 2) / sizeof(*p) + i);
	}
	if (ok)
		ok = intact(p, bytes);
	munmap(p, bytes);
	if (ok)
		demo_say("%zu MiB through %" PRIu64 " MiB of device memory: %" PRIu64
			 " MiB had to make room, nothing is lost",
			 bytes >> 20, vram >> 20, (uint64_t)(after.evicted_pages -
			 before.evicted_pages) >> (20 - vsvm_info(demo->dev)->page_shift));
	return ok;
}

bool demo_move(struct demo *demo)
{
	struct demo_work work;
	uint64_t *p;
	bool ok;

	if (!vsvm_info(demo->dev)->vram_bytes) {
		demo_say("(the device has no memory of its own)");
		return true;
	}
	p = make(BUFFER);
	if (!p)
		return false;
	ok = there_and_back(demo, p);
	munmap(p, BUFFER);
	if (!demo_work_create(demo, &work))
		return false;
	if (!too_much(demo, &work))
		ok = false;
	demo_work_destroy(&work);
	return ok;
}
