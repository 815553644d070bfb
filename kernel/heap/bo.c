// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects of a heap: a place, and a reference to the heap.
 *
 * Whoever holds the object, be it by a mapping that has outlived handle and file,
 * holds the heap, and so the memory.
 */
#include <linux/align.h>
#include <linux/dma-mapping.h>
#include <linux/iosys-map.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_vma_manager.h>
#include <drm/vsvm_drm.h>

#include "heap/heap_priv.h"

/* Pages that a fault of the CPU maps, aligned to as much */
#define VSVM_HEAP_AROUND	64u

/* Growths that one allocation asks for before it leaves the rest to its caller */
#define VSVM_HEAP_TRIES		16

/* --- life --- */

static void vsvm_heap_bo_free(struct drm_gem_object *gem)
{
	struct vsvm_heap_bo *bo = to_heap_bo(gem);

	if (drm_mm_node_allocated(&bo->node))
		vsvm_heap_unplace(bo->heap, &bo->node);
	drm_gem_object_release(gem);
	vsvm_heap_put(bo->heap);
	kfree(bo);
}

/* Grow until so many bytes are committed, or further if somebody else does */
static int vsvm_heap_grow_to(struct vsvm_heap *heap, u64 needed)
{
	u64 committed;
	int err = 0;

	if (mutex_lock_killable(&heap->grow))
		return -EINTR;
	committed = heap->committed * VSVM_HEAP_CHUNK;
	if (committed < needed && heap->process)
		err = vsvm_heap_check_window(heap->window + committed, heap->window + needed);
	if (committed < needed && !err)
		err = vsvm_heap_grow_by(heap, (needed - committed) / VSVM_HEAP_CHUNK, 0);
	mutex_unlock(&heap->grow);
	return err;
}

static int vsvm_heap_alloc_place(struct vsvm_heap *heap, struct vsvm_heap_bo *bo,
				 struct drm_vsvm_heap_alloc *args)
{
	u32 tries = VSVM_HEAP_TRIES;
	int err;

	for (;;) {
		args->needed = 0;
		err = vsvm_heap_place(heap, &bo->node, args->size, args->align,
				      &args->committed, &args->needed);
		if (err != -ENOBUFS || !(args->flags & DRM_VSVM_HEAP_ALLOC_GROW) || !tries--)
			return err;
		err = vsvm_heap_grow_to(heap, args->needed);
		if (err)
			return err;
	}
}

int vsvm_heap_alloc(struct vsvm_heap *heap, struct drm_file *file,
		    struct drm_vsvm_heap_alloc *args)
{
	u64 maximum = heap->heaps->config.maximum;
	struct vsvm_heap_bo *bo;
	int err;

	args->committed = READ_ONCE(heap->committed) * VSVM_HEAP_CHUNK;
	args->needed = 0;
	if (args->flags & ~DRM_VSVM_HEAP_ALLOC_GROW || !args->size ||
	    (args->align && !is_power_of_2(args->align)))
		return -EINVAL;
	if (args->size > maximum || args->align > maximum)
		return -ENOSPC;
	args->size = PAGE_ALIGN(args->size);
	args->align = max_t(u64, args->align, PAGE_SIZE);

	bo = kzalloc_obj(*bo, GFP_KERNEL_ACCOUNT);
	if (!bo)
		return -ENOMEM;
	bo->heap = heap;
	drm_gem_object_get(&heap->base);
	bo->base.funcs = &vsvm_heap_bo_funcs;
	drm_gem_private_object_init(heap->heaps->drm, &bo->base, args->size);
	err = vsvm_heap_alloc_place(heap, bo, args);
	if (!err) {
		args->address = heap->window + bo->node.start;
		err = drm_gem_handle_create(file, &bo->base, &args->handle);
	}
	/* The handle has its own */
	drm_gem_object_put(&bo->base);
	return err;
}

bool vsvm_heap_bo_check(const struct drm_gem_object *gem)
{
	return gem->funcs == &vsvm_heap_bo_funcs;
}

void vsvm_heap_bo_info(struct drm_gem_object *gem, struct drm_vsvm_bo_info *info)
{
	info->placement = DRM_VSVM_BO_HEAP;
	info->size = gem->size;
	info->flags = 0;
	info->state = DRM_VSVM_BO_IN_SYSTEM;
	info->advice = DRM_VSVM_BO_WILLNEED;
	info->imported = 0;
}

/* Its place is in the heap of one client, and is given to the next object at once */
static struct dma_buf *vsvm_heap_bo_export(struct drm_gem_object *gem, int flags)
{
	return ERR_PTR(-EOPNOTSUPP);
}

/* --- as the device wants it --- */

static void vsvm_heap_sync_one(struct vsvm_heap_bo *bo, dma_addr_t bus, size_t size,
			       u32 direction)
{
	struct device *dev = bo->base.dev->dev;

	if (direction & DRM_VSVM_SYNC_FROM_DEVICE)
		dma_sync_single_for_cpu(dev, bus, size, DMA_FROM_DEVICE);
	if (direction & DRM_VSVM_SYNC_TO_DEVICE)
		dma_sync_single_for_device(dev, bus, size, DMA_TO_DEVICE);
}

void vsvm_heap_bo_sync(struct drm_gem_object *gem, u64 offset, u64 size, u32 direction)
{
	struct vsvm_heap_bo *bo = to_heap_bo(gem);
	u64 at = bo->node.start + offset, end = at + size;

	while (at < end) {
		const struct vsvm_heap_chunk *chunk = bo->heap->chunk[at / VSVM_HEAP_CHUNK];
		u64 stop = min(end, ALIGN(at + 1, VSVM_HEAP_CHUNK));
		u32 i = (at % VSVM_HEAP_CHUNK) >> PAGE_SHIFT;
		dma_addr_t bus = chunk->bus[i] + offset_in_page(at);
		u64 n = min(stop - at, PAGE_SIZE - offset_in_page(at));

		/* As far as it lies in one piece */
		while (at + n < stop && chunk->bus[i + 1] == chunk->bus[i] + PAGE_SIZE) {
			n = min(stop - at, n + PAGE_SIZE);
			i++;
		}
		vsvm_heap_sync_one(bo, bus, n, direction);
		at += n;
		cond_resched();
	}
}

/* --- as the kernel sees it --- */

/* Map a part of it, over the seams between chunks.  The first byte, or NULL. */
static void *vsvm_heap_bo_map(struct vsvm_heap_bo *bo, u64 offset, u64 size)
{
	u64 start = bo->node.start + PAGE_ALIGN_DOWN(offset);
	u32 n = (PAGE_ALIGN(offset + size) - PAGE_ALIGN_DOWN(offset)) >> PAGE_SHIFT;
	struct page **pages = kvmalloc_objs(*pages, n);
	void *map;
	u32 i;

	if (!pages)
		return NULL;
	for (i = 0; i < n; i++)
		pages[i] = vsvm_heap_page(bo->heap, start + ((u64)i << PAGE_SHIFT));
	map = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return map ? map + offset_in_page(offset) : NULL;
}

static void vsvm_heap_bo_unmap(void *map)
{
	vunmap(PTR_ALIGN_DOWN(map, PAGE_SIZE));
}

static int vsvm_heap_bo_vmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	void *p = vsvm_heap_bo_map(to_heap_bo(gem), 0, gem->size);

	if (!p)
		return -ENOMEM;
	iosys_map_set_vaddr(map, p);
	return 0;
}

static void vsvm_heap_bo_vunmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	vsvm_heap_bo_unmap(map->vaddr);
}

/* --- as a process sees it --- */

static u64 vsvm_heap_bo_vma_offset(struct vm_area_struct *vma, unsigned long address)
{
	struct drm_gem_object *gem = vma->vm_private_data;

	return ((u64)(vma->vm_pgoff - drm_vma_node_start(&gem->vma_node)) << PAGE_SHIFT) +
		(address - vma->vm_start);
}

static vm_fault_t vsvm_heap_bo_insert(struct vm_area_struct *vma,
				      const struct vsvm_heap_bo *bo, unsigned long address)
{
	u64 offset = bo->node.start + vsvm_heap_bo_vma_offset(vma, address);

	return vmf_insert_pfn(vma, address, page_to_pfn(vsvm_heap_page(bo->heap, offset)));
}

static vm_fault_t vsvm_heap_bo_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vsvm_heap_bo *bo = to_heap_bo(vma->vm_private_data);
	unsigned long bytes = VSVM_HEAP_AROUND << PAGE_SHIFT;
	unsigned long at = max(ALIGN_DOWN(vmf->address, bytes), vma->vm_start);
	unsigned long end = min(ALIGN_DOWN(vmf->address, bytes) + bytes, vma->vm_end);
	unsigned long wanted = vmf->address & PAGE_MASK;
	vm_fault_t ret;

	ret = vsvm_heap_bo_insert(vma, bo, wanted);
	if (ret != VM_FAULT_NOPAGE)
		return ret;
	/* Those around it, as far as that goes */
	for (; at < end; at += PAGE_SIZE)
		if (at != wanted && vsvm_heap_bo_insert(vma, bo, at) != VM_FAULT_NOPAGE)
			break;
	return VM_FAULT_NOPAGE;
}

/* ptrace and /proc/PID/mem */
static int vsvm_heap_bo_access(struct vm_area_struct *vma, unsigned long address,
			       void *buf, int len, int write)
{
	void *map;

	len = min_t(unsigned long, len, vma->vm_end - address);
	map = vsvm_heap_bo_map(to_heap_bo(vma->vm_private_data),
			       vsvm_heap_bo_vma_offset(vma, address), len);
	if (!map)
		return -ENOMEM;
	if (write)
		memcpy(map, buf, len);
	else
		memcpy(buf, map, len);
	vsvm_heap_bo_unmap(map);
	return len;
}

/* Where addresses are those of the process, an object stays where it is */
static int vsvm_heap_bo_mremap(struct vm_area_struct *vma)
{
	struct drm_gem_object *gem = vma->vm_private_data;

	return to_heap_bo(gem)->heap->process ? -EINVAL : 0;
}

static const struct vm_operations_struct vsvm_heap_bo_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
	.mremap = vsvm_heap_bo_mremap,
	.fault = vsvm_heap_bo_fault,
	.access = vsvm_heap_bo_access,
};

static int vsvm_heap_bo_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	struct vsvm_heap_bo *bo = to_heap_bo(gem);

	/* A private copy is not the heap's */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (bo->heap->process && vma->vm_start != bo->heap->window + bo->node.start)
		return -EINVAL;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

const struct drm_gem_object_funcs vsvm_heap_bo_funcs = {
	.free = vsvm_heap_bo_free,
	.export = vsvm_heap_bo_export,
	.vmap = vsvm_heap_bo_vmap,
	.vunmap = vsvm_heap_bo_vunmap,
	.mmap = vsvm_heap_bo_mmap,
	.vm_ops = &vsvm_heap_bo_vm_ops,
};
