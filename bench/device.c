// SPDX-License-Identifier: MIT
/*
 * The device: an address space, queues, and packets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

#define PATIENCE_NS	120000000000ll

void bench_open(struct bench_dev *d, unsigned int queues, uint32_t flags)
{
	unsigned int engines, i, k;
	int ret;

	*d = (struct bench_dev) { .queues = queues };
	ret = vsvm_open(NULL, &d->dev);
	if (ret == -ENODEV)
		bench_skip("there is no vsvm device");
	bench_must(ret, "open");
	bench_must(vsvm_vm_create(d->dev, flags, &d->vm), "vm_create");
	bench_must(vsvm_bind_mirror_all(d->vm), "bind");
	d->sink = bench_map_shared(PAGE);
	bench_populate(d->sink, PAGE);

	engines = vsvm_info(d->dev)->engines;
	for (i = 0; i < queues; i++) {
		bench_must(vsvm_queue_create(d->vm, 1u << i % engines, &d->queue[i]), "queue");
		bench_must(vsvm_cmds_create(BENCH_PACKETS, &d->cmds[i]), "cmds");
		for (k = 1; k < BENCH_PACKETS; k++)
			bench_must(vsvm_cmd_nop(d->cmds[i]), "nop");
		bench_touch(d, i, d->sink, true);
	}
	bench_run(d);
	bench_begin(d);
}

void bench_close(struct bench_dev *d)
{
	unsigned int i;

	for (i = 0; i < d->queues; i++) {
		vsvm_queue_destroy(d->queue[i]);
		vsvm_cmds_destroy(d->cmds[i]);
	}
	bench_must(vsvm_vm_destroy(d->vm), "vm_destroy");
	vsvm_close(d->dev);
	munmap(d->sink, PAGE);
}

void bench_begin(struct bench_dev *d)
{
	unsigned int i;

	for (i = 0; i < d->queues; i++)
		vsvm_cmds_reset(d->cmds[i]);
}

static struct vsvm_packet *append(struct bench_dev *d, unsigned int q,
				  enum vsvm_packet_opcode opcode)
{
	struct vsvm_packet *packet;

	if (vsvm_cmds_count(d->cmds[q]) == BENCH_PACKETS)
		bench_die("more than %d packets", BENCH_PACKETS);
	packet = vsvm_cmds_append(d->cmds[q], opcode);
	if (!packet)
		bench_die("no memory");
	return packet;
}

static struct vsvm_packet *touch(struct bench_dev *d, unsigned int q, const void *p, bool write)
{
	struct vsvm_packet *packet;

	if (write) {
		packet = append(d, q, VSVM_PACKET_STORE);
		packet->store.address = (uintptr_t)p;
		packet->store.value = (uintptr_t)p;
		packet->store.width = 8;
	} else {
		packet = append(d, q, VSVM_PACKET_SUM);
		packet->sum.src = (uintptr_t)p;
		packet->sum.count = 1;
		packet->sum.stride = 8;
		packet->sum.result = (uintptr_t)d->sink;
		packet->sum.width = 8;
	}
	return packet;
}

void bench_touch(struct bench_dev *d, unsigned int q, const void *p, bool write)
{
	touch(d, q, p, write);
}

void bench_touch_alone(struct bench_dev *d, unsigned int q, const void *p, bool write)
{
	touch(d, q, p, write)->flags |= VSVM_PACKET_F_BARRIER;
}

void bench_sweep(struct bench_dev *d, unsigned int q, const void *p, size_t size, size_t stride)
{
	struct vsvm_packet *packet = append(d, q, VSVM_PACKET_SUM);

	packet->sum.src = (uintptr_t)p;
	packet->sum.count = size / stride;
	packet->sum.stride = stride;
	packet->sum.result = (uintptr_t)d->sink;
	packet->sum.width = 8;
}

/* Why a queue ended, if it did */
static void must_run(struct vsvm_queue *queue, int ret)
{
	struct drm_vsvm_fault record;
	char text[256];

	if (!ret)
		return;
	if (ret == -ECANCELED && !vsvm_queue_fault(queue, &record))
		bench_die("%s", vsvm_strerror_fault(&record, text, sizeof(text)));
	bench_die("the device: %s", strerror(-ret));
}

double bench_run(struct bench_dev *d)
{
	struct vsvm_fence fence[BENCH_QUEUES];
	uint64_t t = bench_now();
	unsigned int i;

	for (i = 0; i < d->queues; i++)
		if (vsvm_cmds_count(d->cmds[i]))
			must_run(d->queue[i],
				 vsvm_submit(d->queue[i], d->cmds[i], &fence[i]));
	for (i = 0; i < d->queues; i++)
		if (vsvm_cmds_count(d->cmds[i]))
			must_run(d->queue[i], vsvm_wait(&fence[i], PATIENCE_NS));
	return bench_now() - t;
}

void bench_forget(struct bench_dev *d, void *p, size_t size)
{
	const struct drm_vsvm_bind_op ops[] = {
		{
			.op = DRM_VSVM_BIND_UNMAP,
			.flags = DRM_VSVM_BIND_FORCE,
			.address = (uintptr_t)p,
			.size = size,
		}, {
			.op = DRM_VSVM_BIND_MAP_MIRROR,
			.address = (uintptr_t)p,
			.size = size,
		},
	};

	bench_must(vsvm_bind(d->vm, ops, ARRAY_SIZE(ops), NULL), "bind");
}

void bench_map_device(struct bench_dev *d, void *p, size_t size, bool write)
{
	size_t at;

	bench_begin(d);
	if (!write) {
		bench_sweep(d, 0, p, size, PAGE);
		bench_run(d);
		return;
	}
	for (at = 0; at < size; at += PAGE) {
		bench_touch(d, 0, (char *)p + at, true);
		if (vsvm_cmds_count(d->cmds[0]) < BENCH_PACKETS && at + PAGE < size)
			continue;
		bench_run(d);
		bench_begin(d);
	}
}

struct drm_vsvm_stats bench_stats(struct bench_dev *d)
{
	struct drm_vsvm_stats stats;

	bench_must(vsvm_vm_stats(d->vm, &stats), "stats");
	return stats;
}

struct drm_vsvm_stats bench_stats_since(struct bench_dev *d, const struct drm_vsvm_stats *before)
{
	struct drm_vsvm_stats now = bench_stats(d);
	const uint64_t *b = (const uint64_t *)before;
	uint64_t *n = (uint64_t *)&now;
	size_t i;

	for (i = 0; i < sizeof(now) / sizeof(*n); i++)
		n[i] -= b[i];
	return now;
}
