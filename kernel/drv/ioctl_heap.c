// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls on the heap of a file.
 */
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "heap/heap.h"

/* Chunks told by one HEAP_QUERY: more than any device has */
#define VSVM_MAX_QUERY_CHUNKS	1024

/* The heap of the file, made if there is none.  An ERR_PTR(): -EPERM, -ENOMEM, -ENODEV */
static struct vsvm_heap *vsvm_file_heap(struct vsvm_file *file)
{
	struct vsvm_heap *heap = smp_load_acquire(&file->heap);	/* pairs with the release */
	struct vsvm_device *vdev = file->vdev;

	if (!heap) {
		down_read(&vdev->lock);
		mutex_lock(&file->lock);
		heap = file->heap;
		if (!heap) {
			heap = vdev->gone ? ERR_PTR(-ENODEV) : vsvm_heap_create(vdev->heaps);
			if (!IS_ERR(heap))
				smp_store_release(&file->heap, heap); /* it is complete */
		}
		mutex_unlock(&file->lock);
		up_read(&vdev->lock);
	}
	if (!IS_ERR(heap) && !vsvm_heap_is_mine(heap))
		return ERR_PTR(-EPERM);
	return heap;
}

int vsvm_ioctl_heap_grow(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct vsvm_heap *heap = vsvm_file_heap(f->driver_priv);

	return IS_ERR(heap) ? PTR_ERR(heap) : vsvm_heap_grow(heap, data);
}

int vsvm_ioctl_heap_shrink(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct vsvm_heap *heap = vsvm_file_heap(f->driver_priv);

	return IS_ERR(heap) ? PTR_ERR(heap) : vsvm_heap_shrink(heap, data);
}

int vsvm_ioctl_heap_alloc(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct vsvm_heap *heap = vsvm_file_heap(f->driver_priv);

	return IS_ERR(heap) ? PTR_ERR(heap) : vsvm_heap_alloc(heap, f, data);
}

int vsvm_ioctl_heap_query(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct vsvm_heap *heap = vsvm_file_heap(f->driver_priv);
	struct drm_vsvm_heap_query *args = data;
	struct drm_vsvm_heap_chunk *chunks = NULL;
	u32 max, n;
	int err;

	if (IS_ERR(heap))
		return PTR_ERR(heap);
	err = vsvm_array_check(&args->chunks, U32_MAX);
	if (err)
		return err;
	max = min_t(u32, args->chunks.count, VSVM_MAX_QUERY_CHUNKS);
	if (max) {
		chunks = kvcalloc(max, sizeof(*chunks), GFP_KERNEL_ACCOUNT);
		if (!chunks)
			return -ENOMEM;
	}
	n = vsvm_heap_query(heap, args, chunks, max);
	if (n)
		err = vsvm_array_write(&args->chunks, chunks, sizeof(*chunks), n);
	args->chunks.count = n;
	kvfree(chunks);
	return err;
}
