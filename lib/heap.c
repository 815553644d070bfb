// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/mman.h>

#include "internal.h"

/* Growths that one allocation tries: others may take what was grown for it */
#define TRIES	64

static uint64_t window_of(const struct vsvm_device *dev)
{
	return vsvm__pointer(dev->window);
}

int vsvm_heap_query(struct vsvm_device *dev, struct drm_vsvm_heap_query *out,
		    struct drm_vsvm_heap_chunk *chunks, uint32_t *count)
{
	struct drm_vsvm_heap_query arg = {
		.chunks = {
			.stride = sizeof(*chunks),
			.count = chunks && count ? *count : 0,
			.pointer = vsvm__pointer(chunks),
		},
	};
	int ret = vsvm__ioctl(dev, DRM_IOCTL_VSVM_HEAP_QUERY, &arg);

	if (ret)
		return ret;
	if (count)
		*count = arg.chunks.count;
	arg.chunks = (struct drm_vsvm_array) { 0 };
	*out = arg;
	return 0;
}

int vsvm_heap_share_addresses(struct vsvm_device *dev)
{
	const uint64_t bytes = dev->info.heap_maximum, align = dev->info.heap_chunk;
	struct drm_vsvm_heap_query query;
	uint64_t head;
	char *p;
	int ret;

	if (!bytes)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&dev->heap_lock);
	ret = dev->window ? -EBUSY : vsvm_heap_query(dev, &query, NULL, NULL);
	if (!ret && query.committed)
		ret = -EBUSY;
	if (ret)
		goto out;
	p = mmap(NULL, bytes + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	if (p == MAP_FAILED) {
		ret = -errno;
		goto out;
	}
	head = (align - vsvm__pointer(p) % align) % align;
	if (head)
		munmap(p, head);
	munmap(p + head + bytes, align - head);
	dev->window = p + head;
out:
	pthread_mutex_unlock(&dev->heap_lock);
	return ret;
}

void vsvm__heap_fini(struct vsvm_device *dev)
{
	if (dev->window)
		munmap(dev->window, dev->info.heap_maximum);
}

void vsvm__heap_unmap(struct vsvm_bo *bo)
{
	/* If that fails, the old mapping stays, and the next one replaces it */
	(void)mmap((void *)(uintptr_t)bo->address, bo->size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* Commit bytes more than expected, unless somebody else has done something; heap_lock held */
static int grow(struct vsvm_device *dev, uint64_t expected, uint64_t bytes, void *address)
{
	struct drm_vsvm_heap_grow arg = {
		.expected = expected,
		.bytes = bytes,
		.address = vsvm__pointer(address),
		.window = window_of(dev),
		.flags = (address ? DRM_VSVM_HEAP_USER : 0) |
			 (dev->window ? DRM_VSVM_HEAP_PROCESS : 0),
	};

	return vsvm__ioctl(dev, DRM_IOCTL_VSVM_HEAP_GROW, &arg);
}

int vsvm_heap_grow(struct vsvm_device *dev, uint64_t bytes, void *address)
{
	struct drm_vsvm_heap_query query;
	int ret;

	pthread_mutex_lock(&dev->heap_lock);
	ret = vsvm_heap_query(dev, &query, NULL, NULL);
	if (!ret)
		ret = grow(dev, query.committed, bytes, address);
	pthread_mutex_unlock(&dev->heap_lock);
	return ret;
}

int vsvm_heap_shrink(struct vsvm_device *dev, uint64_t bytes)
{
	struct drm_vsvm_heap_shrink arg = { .bytes = bytes };
	struct drm_vsvm_heap_query query;
	int ret;

	pthread_mutex_lock(&dev->heap_lock);
	ret = vsvm_heap_query(dev, &query, NULL, NULL);
	if (!ret) {
		arg.expected = query.committed;
		ret = vsvm__ioctl(dev, DRM_IOCTL_VSVM_HEAP_SHRINK, &arg);
	}
	pthread_mutex_unlock(&dev->heap_lock);
	return ret;
}

/* Allocate; as long as it does not fit, commit what the kernel says it takes */
static int alloc(struct vsvm_device *dev, struct drm_vsvm_heap_alloc *arg)
{
	const uint64_t size = arg->size;
	unsigned int tries = TRIES;
	int ret;

	for (;;) {
		arg->size = size;
		ret = vsvm__ioctl(dev, DRM_IOCTL_VSVM_HEAP_ALLOC, arg);
		if (ret != -ENOBUFS || !tries--)
			return ret;
		pthread_mutex_lock(&dev->heap_lock);
		ret = grow(dev, arg->committed, arg->needed - arg->committed, NULL);
		pthread_mutex_unlock(&dev->heap_lock);
		if (ret)
			return ret;
	}
}

int vsvm_heap_alloc(struct vsvm_device *dev, uint64_t size, uint64_t align, struct vsvm_bo **out)
{
	struct drm_vsvm_heap_alloc arg = { .size = size, .align = align };
	struct vsvm_bo *bo;
	int ret;

	ret = alloc(dev, &arg);
	if (ret)
		return ret;
	pthread_mutex_lock(&dev->lock);
	bo = vsvm__bo_add(dev, arg.handle, arg.size);
	if (bo) {
		bo->address = arg.address;
		bo->shared = dev->window;
		*out = bo;
	} else {
		ret = -ENOMEM;
	}
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

void vsvm_heap_free(struct vsvm_bo *bo)
{
	vsvm_bo_destroy(bo);
}
