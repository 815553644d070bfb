// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls on buffer objects.
 */
#include <linux/overflow.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_vma_manager.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "heap/heap.h"
#include "mem/bo.h"

int vsvm_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_bo_create *args = data;
	struct vsvm_device *vdev = to_vsvm(drm);
	struct drm_gem_object *gem;
	int err;

	if (args->pad)
		return -EINVAL;
	down_read(&vdev->lock);
	if (vdev->gone)
		gem = ERR_PTR(-ENODEV);
	else
		gem = vsvm_bo_create(vdev->mem, args->size, args->placement, args->flags);
	up_read(&vdev->lock);
	if (IS_ERR(gem))
		return PTR_ERR(gem);
	err = drm_gem_handle_create(f, gem, &args->handle);
	if (!err)
		args->size = gem->size;
	/* The handle has its own */
	drm_gem_object_put(gem);
	return err;
}

int vsvm_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_bo_info *args = data;
	struct drm_gem_object *gem = drm_gem_object_lookup(f, args->handle);
	int err = 0;

	if (!gem)
		return -ENOENT;
	if (vsvm_heap_bo_check(gem))
		vsvm_heap_bo_info(gem, args);
	else
		err = vsvm_bo_get_info(vsvm_bo_from_gem(gem), args);
	drm_gem_object_put(gem);
	return err;
}

int vsvm_ioctl_bo_mmap_offset(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_bo_mmap_offset *args = data;
	struct drm_gem_object *gem;
	int err = 0;

	if (args->pad)
		return -EINVAL;
	gem = drm_gem_object_lookup(f, args->handle);
	if (!gem)
		return -ENOENT;
	/* One of a heap gets it when it is asked for */
	if (vsvm_heap_bo_check(gem))
		err = drm_gem_create_mmap_offset(gem);
	else if (vsvm_bo_is_imported(vsvm_bo_from_gem(gem)))
		err = -EOPNOTSUPP;
	if (!err)
		args->offset = drm_vma_node_offset_addr(&gem->vma_node);
	drm_gem_object_put(gem);
	return err;
}

int vsvm_ioctl_bo_advise(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_bo_advise *args = data;
	struct drm_gem_object *gem;
	bool retained;
	int err;

	if (args->pad)
		return -EINVAL;
	gem = drm_gem_object_lookup(f, args->handle);
	if (!gem)
		return -ENOENT;
	err = vsvm_heap_bo_check(gem) ? -EOPNOTSUPP :
		vsvm_bo_advise(vsvm_bo_from_gem(gem), args->advice, &retained);
	if (!err)
		args->retained = retained;
	drm_gem_object_put(gem);
	return err;
}

int vsvm_ioctl_bo_sync(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_bo_sync *args = data;
	struct vsvm_device *vdev = to_vsvm(drm);
	struct drm_gem_object *gem;
	u64 end;
	int err = 0;

	if (!args->direction || args->direction & ~DRM_VSVM_SYNC_BOTH || !args->size ||
	    check_add_overflow(args->offset, args->size, &end))
		return -EINVAL;
	gem = drm_gem_object_lookup(f, args->handle);
	if (!gem)
		return -ENOENT;
	down_read(&vdev->lock);
	if (end > gem->size)
		err = -EINVAL;
	else if (vdev->gone)
		err = -ENODEV;
	else if (vsvm_heap_bo_check(gem))
		vsvm_heap_bo_sync(gem, args->offset, args->size, args->direction);
	else
		err = vsvm_bo_sync(vsvm_bo_from_gem(gem), args->offset, args->size,
				   args->direction);
	up_read(&vdev->lock);
	drm_gem_object_put(gem);
	return err;
}

/** vsvm_gem_import() - &drm_driver.gem_prime_import_sg_table */
struct drm_gem_object *vsvm_gem_import(struct drm_device *drm,
				       struct dma_buf_attachment *attach,
				       struct sg_table *sgt)
{
	return vsvm_bo_import(to_vsvm(drm)->mem, attach, sgt);
}
