// SPDX-License-Identifier: GPL-2.0-only
/*
 * The resource manager of device memory: a buddy allocator in pages of 4 KiB.
 *
 * What fits into a 2 MiB leaf is allocated in one piece if there is one; larger
 * objects may be scattered, unless they ask not to be.
 */
#include <linux/cgroup_dmem.h>
#include <linux/gpu_buddy.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sizes.h>

#include <drm/drm_device.h>
#include <drm/drm_print.h>

#include "mem/mem_priv.h"

/* Up to this size one piece is tried first */
#define VSVM_VRAM_WHOLE		SZ_2M

/**
 * struct vsvm_vram_manager - device memory, as TTM sees it
 * @base: base
 * @buddy: what of it is free, under @lock
 * @lock: guards @buddy; innermost but for the LRU's
 */
struct vsvm_vram_manager {
	struct ttm_resource_manager base;
	struct gpu_buddy buddy;
	struct mutex lock;	/* guards @buddy */
};

/**
 * struct vsvm_vram_resource - a piece of device memory, or several
 * @base: base; its start is the first page of the first block
 * @blocks: of the buddy allocator, in the order of the object
 */
struct vsvm_vram_resource {
	struct ttm_resource base;
	struct list_head blocks;
};

static struct vsvm_vram_manager *to_vram(struct ttm_resource_manager *man)
{
	return container_of(man, struct vsvm_vram_manager, base);
}

static struct vsvm_vram_resource *to_vres(struct ttm_resource *res)
{
	return container_of(res, struct vsvm_vram_resource, base);
}

static bool vsvm_vram_contiguous(struct vsvm_vram_manager *vram,
				 struct vsvm_vram_resource *vres)
{
	struct gpu_buddy_block *block;
	u64 next = 0;

	list_for_each_entry(block, &vres->blocks, link) {
		u64 offset = gpu_buddy_block_offset(block);

		if (!list_is_first(&block->link, &vres->blocks) && offset != next)
			return false;
		next = offset + gpu_buddy_block_size(&vram->buddy, block);
	}
	return true;
}

static int vsvm_vram_blocks(struct vsvm_vram_manager *vram,
			    struct ttm_buffer_object *bo,
			    const struct ttm_place *place,
			    struct list_head *blocks)
{
	u64 size = PAGE_ALIGN(bo->base.size);
	u64 least = max_t(u64, PAGE_SIZE, (u64)bo->page_alignment << PAGE_SHIFT);
	unsigned long flags = 0;
	int err;

	if (place->flags & TTM_PL_FLAG_TOPDOWN)
		flags |= GPU_BUDDY_TOPDOWN_ALLOCATION;
	if (place->flags & TTM_PL_FLAG_CONTIGUOUS)
		flags |= GPU_BUDDY_CONTIGUOUS_ALLOCATION;

	guard(mutex)(&vram->lock);
	if (size > vram->buddy.avail)
		return -ENOSPC;
	if (size <= VSVM_VRAM_WHOLE && !(place->flags & TTM_PL_FLAG_CONTIGUOUS)) {
		err = gpu_buddy_alloc_blocks(&vram->buddy, 0, vram->buddy.size, size,
					     least, blocks,
					     flags | GPU_BUDDY_CONTIGUOUS_ALLOCATION);
		if (err != -ENOSPC)
			return err;
	}
	return gpu_buddy_alloc_blocks(&vram->buddy, 0, vram->buddy.size, size, least,
				      blocks, flags);
}

static int vsvm_vram_alloc(struct ttm_resource_manager *man,
			   struct ttm_buffer_object *bo,
			   const struct ttm_place *place, struct ttm_resource **res)
{
	struct vsvm_vram_manager *vram = to_vram(man);
	struct gpu_buddy_block *first;
	struct vsvm_vram_resource *vres;
	int err;

	/* All of it is alike: nobody asks for a part */
	if (WARN_ON_ONCE(place->fpfn || place->lpfn))
		return -EINVAL;
	/* Evicting others would not help */
	if (bo->base.size > man->size)
		return -E2BIG;
	if (vsvm_mem_shall_fail(container_of(bo->bdev, struct vsvm_mem, ttm),
				VSVM_MEM_VRAM_FAIL))
		return -ENOSPC;
	vres = kzalloc_obj(*vres);
	if (!vres)
		return -ENOMEM;
	INIT_LIST_HEAD(&vres->blocks);
	ttm_resource_init(bo, place, &vres->base);
	err = vsvm_vram_blocks(vram, bo, place, &vres->blocks);
	if (err) {
		ttm_resource_fini(man, &vres->base);
		kfree(vres);
		return err;
	}
	if (vsvm_vram_contiguous(vram, vres))
		vres->base.placement |= TTM_PL_FLAG_CONTIGUOUS;
	first = list_first_entry(&vres->blocks, struct gpu_buddy_block, link);
	vres->base.start = gpu_buddy_block_offset(first) >> PAGE_SHIFT;
	*res = &vres->base;
	return 0;
}

static void vsvm_vram_free(struct ttm_resource_manager *man,
			   struct ttm_resource *res)
{
	struct vsvm_vram_manager *vram = to_vram(man);
	struct vsvm_vram_resource *vres = to_vres(res);

	mutex_lock(&vram->lock);
	gpu_buddy_free_list(&vram->buddy, &vres->blocks, 0);
	mutex_unlock(&vram->lock);
	ttm_resource_fini(man, res);
	kfree(vres);
}

static void vsvm_vram_debug(struct ttm_resource_manager *man,
			    struct drm_printer *p)
{
	struct vsvm_vram_manager *vram = to_vram(man);

	mutex_lock(&vram->lock);
	drm_printf(p, "  free: %llu of %llu\n", vram->buddy.avail, vram->buddy.size);
	mutex_unlock(&vram->lock);
}

static const struct ttm_resource_manager_func vsvm_vram_funcs = {
	.alloc = vsvm_vram_alloc,
	.free = vsvm_vram_free,
	.debug = vsvm_vram_debug,
};

/* see mem_priv.h */
int vsvm_vram_for_each(struct ttm_resource *res,
		       int (*fn)(u64 offset, u64 bytes, void *arg), void *arg)
{
	struct vsvm_vram_resource *vres = to_vres(res);
	struct gpu_buddy_block *block;
	u64 offset = 0, bytes = 0;
	int ret;

	/* Blocks that follow each other are one piece; a block's size is in pages */
	list_for_each_entry(block, &vres->blocks, link) {
		u64 at = gpu_buddy_block_offset(block);
		u64 size = PAGE_SIZE << gpu_buddy_block_order(block);

		if (bytes && offset + bytes == at) {
			bytes += size;
			continue;
		}
		ret = bytes ? fn(offset, bytes, arg) : 0;
		if (ret)
			return ret;
		offset = at;
		bytes = size;
	}
	return bytes ? fn(offset, bytes, arg) : 0;
}

#ifdef VSVM_DMEM_RECLAIM
static const struct dmem_cgroup_ops vsvm_vram_dmem_ops = {
	.reclaim = ttm_resource_manager_dmem_reclaim,
};

static struct dmem_cgroup_region *vsvm_vram_region(struct vsvm_mem *mem,
						   struct ttm_resource_manager *man)
{
	const struct dmem_cgroup_init init = {
		.size = man->size,
		.ops = &vsvm_vram_dmem_ops,
		.reclaim_priv = man,
	};

	return dmem_cgroup_register_region(&init, "drm/%s/vram", mem->drm->unique);
}
#else
static struct dmem_cgroup_region *vsvm_vram_region(struct vsvm_mem *mem,
						   struct ttm_resource_manager *man)
{
	return dmem_cgroup_register_region(man->size, "drm/%s/vram",
					   mem->drm->unique);
}
#endif

/* see mem_priv.h */
int vsvm_vram_init(struct vsvm_mem *mem)
{
	struct dmem_cgroup_region *region;
	struct vsvm_vram_manager *vram;
	int err;

	vram = kzalloc_obj(*vram);
	if (!vram)
		return -ENOMEM;
	err = gpu_buddy_init(&vram->buddy, mem->config.vram_bytes, PAGE_SIZE);
	if (err)
		goto err_free;
	mutex_init(&vram->lock);
	gpu_buddy_driver_set_lock(&vram->buddy, &vram->lock);
	vram->base.func = &vsvm_vram_funcs;
	ttm_resource_manager_init(&vram->base, &mem->ttm, mem->config.vram_bytes);
	region = vsvm_vram_region(mem, &vram->base);
	if (IS_ERR(region)) {
		err = PTR_ERR(region);
		goto err_buddy;
	}
	vram->base.cg = region;
	ttm_set_driver_manager(&mem->ttm, TTM_PL_VRAM, &vram->base);
	ttm_resource_manager_set_used(&vram->base, true);
	mem->vram = vram;
	return 0;

err_buddy:
	mutex_destroy(&vram->lock);
	gpu_buddy_fini(&vram->buddy);
err_free:
	kfree(vram);
	return err;
}

/** vsvm_vram_empty() - bring everything out of it once; 0, or an error if something stays */
int vsvm_vram_empty(struct vsvm_mem *mem)
{
	return ttm_resource_manager_evict_all(&mem->ttm, &mem->vram->base);
}

/** vsvm_vram_used() - bytes in use */
u64 vsvm_vram_used(struct vsvm_mem *mem)
{
	return ttm_resource_manager_usage(&mem->vram->base);
}

/* see mem_priv.h; nothing is in use any more */
void vsvm_vram_fini(struct vsvm_mem *mem)
{
	struct vsvm_vram_manager *vram = mem->vram;

	if (!vram)
		return;
	ttm_resource_manager_set_used(&vram->base, false);
	ttm_resource_manager_cleanup(&vram->base);
	ttm_set_driver_manager(&mem->ttm, TTM_PL_VRAM, NULL);
	dmem_cgroup_unregister_region(vram->base.cg);
	WARN_ON(vram->buddy.avail != vram->buddy.size);
	gpu_buddy_fini(&vram->buddy);
	mutex_destroy(&vram->lock);
	kfree(vram);
	mem->vram = NULL;
}
