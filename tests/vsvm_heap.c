// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <drm/drm.h>

#include "vsvm_heap.h"

int heap_grow(int fd, uint64_t expected, uint64_t bytes, uint64_t *committed)
{
	struct drm_vsvm_heap_grow arg = { .expected = expected, .bytes = bytes };
	int ret = test_ioctl(fd, DRM_IOCTL_VSVM_HEAP_GROW, &arg);

	if (committed)
		*committed = arg.committed;
	return ret;
}

int heap_shrink(int fd, uint64_t expected, uint64_t bytes, uint64_t *committed)
{
	struct drm_vsvm_heap_shrink arg = { .expected = expected, .bytes = bytes };
	int ret = test_ioctl(fd, DRM_IOCTL_VSVM_HEAP_SHRINK, &arg);

	if (committed)
		*committed = arg.committed;
	return ret;
}

int heap_alloc(int fd, uint64_t size, uint64_t align, uint32_t flags, uint64_t *address)
{
	struct drm_vsvm_heap_alloc arg = { .size = size, .align = align, .flags = flags };
	int ret = test_ioctl(fd, DRM_IOCTL_VSVM_HEAP_ALLOC, &arg);

	if (ret)
		return ret;
	if (address)
		*address = arg.address;
	return (int)arg.handle;
}

int heap_close(int fd, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return test_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

void *heap_map(int fd, uint32_t handle, uint64_t size)
{
	struct drm_vsvm_bo_mmap_offset arg = { .handle = handle };

	if (test_ioctl(fd, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &arg))
		return MAP_FAILED;
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)arg.offset);
}

struct drm_vsvm_heap_query heap_query(int fd)
{
	struct drm_vsvm_heap_query arg = { 0 };

	if (test_ioctl(fd, DRM_IOCTL_VSVM_HEAP_QUERY, &arg))
		memset(&arg, 0, sizeof(arg));
	return arg;
}

int heap_told(int fd, unsigned int chunk)
{
	struct drm_vsvm_heap_chunk chunks[128] = { 0 };
	struct drm_vsvm_heap_query arg = {
		.chunks = {
			.stride = sizeof(chunks[0]),
			.count = ARRAY_SIZE(chunks),
			.pointer = (uintptr_t)chunks,
		},
	};

	if (test_ioctl(fd, DRM_IOCTL_VSVM_HEAP_QUERY, &arg) || chunk >= arg.chunks.count)
		return -1;
	return (int)chunks[chunk].told;
}

int heap_take(struct test_queue *q, uint32_t ring_handle)
{
	struct drm_vsvm_queue_create create = {
		.vm_id = q->vm->id,
		.flags = DRM_VSVM_QUEUE_HEAP,
		.ring_handle = ring_handle,
	};
	struct drm_vsvm_queue_destroy destroy = { .queue_id = q->id };
	int ret = test_ioctl(q->vm->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create);

	if (ret)
		return ret;
	test_ioctl(q->vm->fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy);
	q->id = create.queue_id;
	q->start = 0;
	q->count = 0;
	q->value = 0;
	*q->fence = 0;
	return 0;
}

int heap_calm(void)
{
	static const char *const kinds[] = { "refuse", "lose", "mute", "delay_us" };
	static const char *const types[] = { "map", "add", "remove", "forget" };
	unsigned int i, j;
	char name[64];
	int ret;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(types); j++) {
			snprintf(name, sizeof(name), "mailbox_%s_%s", kinds[i], types[j]);
			ret = bo_knob(name, 0);
			if (ret)
				return ret;
		}
	}
	ret = bo_knob("mailbox_skip", 0);
	return ret ? ret : bo_knob("firmware_timeout_ms", test_time(5) * 1000);
}

int heap_restart(bool replay)
{
	return bo_knob("heap_replay", replay);
}
