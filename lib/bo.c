// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static int close_handle(struct vsvm_device *dev, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return vsvm__ioctl(dev, DRM_IOCTL_GEM_CLOSE, &arg);
}

struct vsvm_bo *vsvm__bo_add(struct vsvm_device *dev, uint32_t handle, uint64_t size)
{
	struct vsvm_bo *bo = calloc(1, sizeof(*bo));

	if (!bo) {
		close_handle(dev, handle);
		return NULL;
	}
	bo->dev = dev;
	bo->handle = handle;
	bo->size = size;
	bo->refs = 1;
	bo->next = dev->bos;
	bo->link = &dev->bos;
	if (bo->next)
		bo->next->link = &bo->next;
	dev->bos = bo;
	return bo;
}

int vsvm_bo_create(struct vsvm_device *dev, uint64_t size, uint32_t placement, uint32_t flags,
		   struct vsvm_bo **out)
{
	struct drm_vsvm_bo_create arg = {
		.size = size,
		.placement = placement,
		.flags = flags,
	};
	struct vsvm_bo *bo;
	int ret;

	pthread_mutex_lock(&dev->lock);
	ret = vsvm__ioctl(dev, DRM_IOCTL_VSVM_BO_CREATE, &arg);
	if (!ret) {
		bo = vsvm__bo_add(dev, arg.handle, arg.size);
		if (bo)
			*out = bo;
		else
			ret = -ENOMEM;
	}
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

void vsvm_bo_destroy(struct vsvm_bo *bo)
{
	struct vsvm_device *dev;

	if (!bo)
		return;
	dev = bo->dev;
	pthread_mutex_lock(&dev->lock);
	if (--bo->refs) {
		pthread_mutex_unlock(&dev->lock);
		return;
	}
	*bo->link = bo->next;
	if (bo->next)
		bo->next->link = bo->link;
	/* The addresses first: the kernel may give them to the next object */
	if (bo->map && bo->shared)
		vsvm__heap_unmap(bo);
	close_handle(dev, bo->handle);
	pthread_mutex_unlock(&dev->lock);
	if (bo->map && !bo->shared)
		munmap(bo->map, bo->size);
	free(bo);
}

uint32_t vsvm_bo_handle(const struct vsvm_bo *bo)
{
	return bo->handle;
}

uint64_t vsvm_bo_size(const struct vsvm_bo *bo)
{
	return bo->size;
}

int vsvm_bo_info(struct vsvm_bo *bo, struct drm_vsvm_bo_info *out)
{
	struct drm_vsvm_bo_info arg = { .handle = bo->handle };
	int ret = vsvm__ioctl(bo->dev, DRM_IOCTL_VSVM_BO_INFO, &arg);

	if (!ret)
		*out = arg;
	return ret;
}

static int map_file(const struct vsvm_bo *bo, int fd, uint64_t offset, void **out)
{
	void *at = bo->shared ? (void *)(uintptr_t)bo->address : NULL;
	void *map = mmap(at, bo->size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | (bo->shared ? MAP_FIXED : 0), fd, (off_t)offset);

	if (map == MAP_FAILED)
		return -errno;
	*out = map;
	return 0;
}

static int map_bo(struct vsvm_bo *bo, void **out)
{
	struct drm_vsvm_bo_mmap_offset arg = { .handle = bo->handle };
	int fd, ret;

	ret = vsvm__ioctl(bo->dev, DRM_IOCTL_VSVM_BO_MMAP_OFFSET, &arg);
	if (!ret)
		return map_file(bo, bo->dev->fd, arg.offset, out);
	if (ret != -EOPNOTSUPP)
		return ret;
	/* Another device's: its owner maps it */
	ret = vsvm_bo_export(bo, &fd);
	if (ret)
		return ret;
	ret = map_file(bo, fd, 0, out);
	close(fd);
	return ret;
}

int vsvm_bo_map(struct vsvm_bo *bo, void **address)
{
	int ret = 0;

	pthread_mutex_lock(&bo->dev->lock);
	if (!bo->map)
		ret = map_bo(bo, &bo->map);
	if (!ret) {
		bo->maps++;
		*address = bo->map;
	}
	pthread_mutex_unlock(&bo->dev->lock);
	return ret;
}

void vsvm_bo_unmap(struct vsvm_bo *bo)
{
	pthread_mutex_lock(&bo->dev->lock);
	if (bo->maps && !--bo->maps) {
		if (bo->shared)
			vsvm__heap_unmap(bo);
		else
			munmap(bo->map, bo->size);
		bo->map = NULL;
	}
	pthread_mutex_unlock(&bo->dev->lock);
}

int vsvm_bo_advise(struct vsvm_bo *bo, enum drm_vsvm_bo_advice advice, bool *retained)
{
	struct drm_vsvm_bo_advise arg = {
		.handle = bo->handle,
		.advice = advice,
	};
	int ret = vsvm__ioctl(bo->dev, DRM_IOCTL_VSVM_BO_ADVISE, &arg);

	if (!ret && retained)
		*retained = arg.retained;
	return ret;
}

int vsvm_bo_sync(struct vsvm_bo *bo, uint64_t offset, uint64_t size, enum drm_vsvm_sync direction)
{
	struct drm_vsvm_bo_sync arg = {
		.handle = bo->handle,
		.direction = direction,
		.offset = offset,
		.size = size,
	};

	return vsvm__ioctl(bo->dev, DRM_IOCTL_VSVM_BO_SYNC, &arg);
}

uint64_t vsvm_bo_address(const struct vsvm_bo *bo)
{
	return bo->address;
}

int vsvm_bo_export(struct vsvm_bo *bo, int *fd)
{
	struct drm_prime_handle arg = {
		.handle = bo->handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
		.fd = -1,
	};
	int ret = vsvm__ioctl(bo->dev, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg);

	if (!ret)
		*fd = arg.fd;
	return ret;
}

static struct vsvm_bo *find_handle(struct vsvm_device *dev, uint32_t handle)
{
	struct vsvm_bo *bo;

	for (bo = dev->bos; bo && bo->handle != handle; bo = bo->next)
		;
	return bo;
}

int vsvm_bo_import(struct vsvm_device *dev, int fd, struct vsvm_bo **out)
{
	struct drm_prime_handle arg = { .fd = fd };
	struct drm_vsvm_bo_info info;
	struct vsvm_bo *bo;
	int ret;

	/* Against a destroy that closes the very handle that comes back here */
	pthread_mutex_lock(&dev->lock);
	ret = vsvm__ioctl(dev, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);
	if (ret)
		goto out;
	bo = find_handle(dev, arg.handle);
	if (bo) {
		bo->refs++;
		*out = bo;
		goto out;
	}
	info = (struct drm_vsvm_bo_info) { .handle = arg.handle };
	ret = vsvm__ioctl(dev, DRM_IOCTL_VSVM_BO_INFO, &info);
	if (ret) {
		close_handle(dev, arg.handle);
		goto out;
	}
	bo = vsvm__bo_add(dev, arg.handle, info.size);
	if (bo)
		*out = bo;
	else
		ret = -ENOMEM;
out:
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

int vsvm_bind_bo(struct vsvm_vm *vm, struct vsvm_bo *bo, uint64_t address, uint64_t offset,
		 uint64_t size, uint32_t flags)
{
	const struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_MAP_BO,
		.flags = flags,
		.address = address,
		.size = size,
		.offset = offset,
		.handle = bo->handle,
	};

	return vsvm_bind(vm, &op, 1, NULL);
}
