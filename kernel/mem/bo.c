// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects of user space.
 *
 * An object has no memory until it is used.  Used by the device, it goes to
 * VRAM if it may, and others, least recently used, make room for it.  What was
 * sent to system memory and may stay there comes back only into VRAM that is
 * free, lest objects that do not all fit chase each other; one of VRAM alone
 * makes room again.  Where no room can be made, system memory serves.
 *
 * CPU accesses leave an object where it lies.
 */
#include <kunit/visibility.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>
#include <drm/ttm/ttm_tt.h>
#include <drm/vsvm_drm.h>

#include "mem/bo_priv.h"

static const struct ttm_place vsvm_vram_place = {
	.mem_type = TTM_PL_VRAM,
};

static struct ttm_placement vsvm_vram_placement = {
	.num_placement = 1,
	.placement = &vsvm_vram_place,
};

/* VRAM that is free, or else where it is */
static const struct ttm_place vsvm_free_vram_places[] = {
	{
		.mem_type = TTM_PL_VRAM,
		.flags = TTM_PL_FLAG_DESIRED,
	},
	{
		.mem_type = TTM_PL_SYSTEM,
		.flags = TTM_PL_FLAG_FALLBACK,
	},
};

static struct ttm_placement vsvm_free_vram_placement = {
	.num_placement = ARRAY_SIZE(vsvm_free_vram_places),
	.placement = vsvm_free_vram_places,
};

/* see bo.h */
void vsvm_mem_set_bo_unmap(struct vsvm_mem *mem,
			   void (*unmap)(struct drm_gem_object *gem))
{
	mem->bo_unmap = unmap;
}

/**
 * vsvm_bo_unmap_device() - see that the device does not reach its memory
 * @bo: reserved
 */
void vsvm_bo_unmap_device(struct vsvm_bo *bo)
{
	dma_resv_assert_held(bo->ttm.base.resv);
	if (bo->mem->bo_unmap)
		bo->mem->bo_unmap(&bo->ttm.base);
}

/* --- where it lies --- */

/**
 * vsvm_bo_extent() - the contiguous piece around an offset
 * @bo: with extents, reserved
 * @offset: less than its size
 * @bytes: out: from @offset to the end of the piece
 */
const struct vsvm_bo_extent *vsvm_bo_extent(struct vsvm_bo *bo, u64 offset, u64 *bytes)
{
	u32 low = 0, high = bo->nr_extents - 1;

	while (low < high) {
		u32 middle = high - (high - low) / 2;

		if (bo->extents[middle].start <= offset)
			low = middle;
		else
			high = middle - 1;
	}
	*bytes = (low + 1 < bo->nr_extents ? bo->extents[low + 1].start :
		  bo->ttm.base.size) - offset;
	return &bo->extents[low];
}

/* see bo.h */
void vsvm_bo_piece(struct vsvm_bo *bo, u64 offset, struct vsvm_bo_piece *piece)
{
	dma_resv_assert_held(bo->ttm.base.resv);
	if (bo->extents) {
		const struct vsvm_bo_extent *extent;

		extent = vsvm_bo_extent(bo, offset, &piece->bytes);
		piece->vram = !bo->import;
		piece->address = extent->address + (offset - extent->start);
	} else {
		const dma_addr_t *bus = vsvm_tt_bus(bo->ttm.ttm);

		piece->vram = false;
		piece->address = bus[offset >> PAGE_SHIFT];
		piece->bytes = vsvm_bus_run(bus, offset, bo->ttm.ttm->num_pages);
	}
}

/**
 * vsvm_bo_count_purgeable() - bring the count for the shrinker up to date
 * @bo: reserved
 * @alive: false: it is about to lose its memory
 */
void vsvm_bo_count_purgeable(struct vsvm_bo *bo, bool alive)
{
	u32 now = 0;

	if (alive && bo->advice == DRM_VSVM_BO_DONTNEED && !vsvm_bo_in_vram(bo) &&
	    bo->ttm.ttm && ttm_tt_is_populated(bo->ttm.ttm))
		now = bo->ttm.ttm->num_pages;
	atomic_long_add((long)now - bo->purgeable, &bo->mem->purgeable);
	bo->purgeable = now;
}

/**
 * vsvm_bo_purge() - take the memory of an object that is not needed any more
 * @bo: reserved, in system memory
 * @ctx: of whoever wants the memory
 *
 * Return: 0, or -EBUSY if it cannot be had now.
 */
int vsvm_bo_purge(struct vsvm_bo *bo, struct ttm_operation_ctx *ctx)
{
	struct ttm_placement nowhere = {};

	if (bo->advice != DRM_VSVM_BO_DONTNEED || bo->ttm.pin_count ||
	    !dma_resv_test_signaled(bo->ttm.base.resv, DMA_RESV_USAGE_BOOKKEEP))
		return -EBUSY;
	ttm_bo_unmap_virtual(&bo->ttm);
	vsvm_bo_unmap_device(bo);
	/* Idle: this allocates nothing */
	if (ttm_bo_validate(&bo->ttm, &nowhere, ctx))
		return -EBUSY;
	bo->purged = true;
	vsvm_bo_count_purgeable(bo, true);
	return 0;
}

/**
 * vsvm_bo_to_system() - see that an object has pages in system memory
 * @bo: reserved, not imported, not purged
 * @ctx: how to wait
 *
 * Return: 0, -ENOMEM, -ERESTARTSYS.
 */
int vsvm_bo_to_system(struct vsvm_bo *bo, struct ttm_operation_ctx *ctx)
{
	int err;

	err = ttm_bo_validate(&bo->ttm, &vsvm_system_placement, ctx);
	if (!err)
		err = ttm_bo_populate(&bo->ttm, ctx);
	return err == -EINTR ? -ERESTARTSYS : err;
}

/**
 * vsvm_bo_place() - see that an object has memory, the best that it can have
 * @bo: reserved, not imported
 * @ctx: how to wait
 *
 * Return: 0, -ENOMEM, -EFAULT if it was purged, -ERESTARTSYS.
 */
int vsvm_bo_place(struct vsvm_bo *bo, struct ttm_operation_ctx *ctx)
{
	bool keep = (bo->placement & DRM_VSVM_BO_SYSTEM) && vsvm_bo_has_pages(bo);
	int err = -ENOSPC;

	if (bo->purged)
		return -EFAULT;
	if ((bo->placement & DRM_VSVM_BO_VRAM) && bo->mem->vram && !bo->ttm.pin_count)
		err = ttm_bo_validate(&bo->ttm, keep ? &vsvm_free_vram_placement :
				      &vsvm_vram_placement, ctx);
	if (err == -ERESTARTSYS || err == -EINTR)
		return -ERESTARTSYS;
	/* Moved out by the attempt to make room for others? */
	if (bo->purged)
		return -EFAULT;
	if (!vsvm_bo_in_vram(bo))
		err = vsvm_bo_to_system(bo, ctx);
	vsvm_bo_count_purgeable(bo, true);
	return err;
}

/* The exporter may still be filling it, and others of its users have the lock */
static int vsvm_bo_lock_import(struct vsvm_bo *bo, bool wait)
{
	struct dma_resv *resv = bo->ttm.base.resv;
	long left;
	int err;

	if (!wait) {
		if (!dma_resv_trylock(resv))
			return -EBUSY;
		if (dma_resv_test_signaled(resv, DMA_RESV_USAGE_KERNEL))
			return 0;
		dma_resv_unlock(resv);
		return -EBUSY;
	}
	err = dma_resv_lock_interruptible(resv, NULL);
	if (err)
		return err;
	left = dma_resv_wait_timeout(resv, DMA_RESV_USAGE_KERNEL, true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left >= 0)
		return 0;
	dma_resv_unlock(resv);
	return left;
}

/* see bo.h */
int vsvm_bo_lock_for_device(struct vsvm_bo *bo, bool wait)
{
	struct ttm_operation_ctx ctx = { .gfp_retry_mayfail = true };
	struct dma_resv *resv = bo->ttm.base.resv;
	int err = 0;

	if (bo->import)
		err = vsvm_bo_lock_import(bo, wait);
	else
		dma_resv_lock(resv, NULL);
	if (err)
		return err;
	if (READ_ONCE(bo->mem->stopped)) {
		err = -ENODEV;
	} else if (!bo->import) {
		err = vsvm_bo_place(bo, &ctx);
		if (!err && !vsvm_bo_in_vram(bo))
			err = vsvm_tt_map(bo->mem, bo->ttm.ttm);
	}
	if (err)
		dma_resv_unlock(resv);
	return err;
}

/* see bo.h */
void vsvm_bo_unlock(struct vsvm_bo *bo)
{
	ttm_bo_unreserve(&bo->ttm);
}

/* --- life --- */

static void vsvm_gem_free(struct drm_gem_object *gem)
{
	ttm_bo_fini(&to_vsvm_bo_from_gem(gem)->ttm);
}

const struct drm_gem_object_funcs vsvm_gem_funcs = {
	.free = vsvm_gem_free,
	.export = vsvm_gem_export,
	.pin = vsvm_gem_pin,
	.unpin = vsvm_gem_unpin,
	.get_sg_table = vsvm_gem_get_sg_table,
	.vmap = vsvm_gem_vmap,
	.vunmap = vsvm_gem_vunmap,
	.mmap = vsvm_gem_mmap,
	.vm_ops = &vsvm_gem_vm_ops,
};

/** vsvm_bo_destroy() - of &ttm_buffer_object: its memory has gone */
void vsvm_bo_destroy(struct ttm_buffer_object *ttm)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);

	spin_lock(&bo->mem->bos_lock);
	list_del(&bo->link);
	spin_unlock(&bo->mem->bos_lock);
	if (ttm->base.import_attach)
		drm_prime_gem_destroy(&ttm->base, ttm->sg);
	kvfree(bo->extents);
	drm_gem_object_release(&ttm->base);
	if (bo->import)
		dma_buf_put(bo->import);
	kfree(bo);
}

/** vsvm_bo_alloc() - an object that TTM knows nothing of yet, or NULL */
struct vsvm_bo *vsvm_bo_alloc(struct vsvm_mem *mem, u64 size)
{
	struct vsvm_bo *bo = kzalloc_obj(*bo, GFP_KERNEL_ACCOUNT);

	if (!bo)
		return NULL;
	bo->mem = mem;
	INIT_LIST_HEAD(&bo->link);
	bo->ttm.priority = VSVM_BO_PRIORITY;
	bo->ttm.base.funcs = &vsvm_gem_funcs;
	drm_gem_private_object_init(mem->drm, &bo->ttm.base, size);
	/* Linux 7.2 does this only for drivers with a flag that 7.3 does not have */
	drm_gem_gpuva_init(&bo->ttm.base);
	return bo;
}

/** vsvm_bo_publish() - let vsvm_ttm_stop() know of it; -ENODEV if it has been */
int vsvm_bo_publish(struct vsvm_bo *bo)
{
	int err = 0;

	spin_lock(&bo->mem->bos_lock);
	if (bo->mem->stopped)
		err = -ENODEV;
	else
		list_add(&bo->link, &bo->mem->bos);
	spin_unlock(&bo->mem->bos_lock);
	return err;
}

/* Nothing is too large that fits into one of the places it may lie in */
static bool vsvm_bo_fits(struct vsvm_mem *mem, u64 size, u32 placement)
{
	if ((placement & DRM_VSVM_BO_VRAM) && mem->vram &&
	    size <= mem->config.vram_bytes)
		return true;
	return (placement & DRM_VSVM_BO_SYSTEM) &&
		size >> PAGE_SHIFT <= totalram_pages();
}

/* see bo.h */
struct drm_gem_object *vsvm_bo_create(struct vsvm_mem *mem, u64 size, u32 placement,
				      u32 flags)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct vsvm_bo *bo;
	int err;

	if (!size || !placement || (flags & ~DRM_VSVM_BO_WC) ||
	    (placement & ~(DRM_VSVM_BO_VRAM | DRM_VSVM_BO_SYSTEM)))
		return ERR_PTR(-EINVAL);
	if (size > U64_MAX - PAGE_SIZE)
		return ERR_PTR(-ENOSPC);
	size = PAGE_ALIGN(size);
	/* TTM counts pages in 32 bits */
	if (size >> PAGE_SHIFT > U32_MAX || !vsvm_bo_fits(mem, size, placement))
		return ERR_PTR(-ENOSPC);
	bo = vsvm_bo_alloc(mem, size);
	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->placement = placement;
	bo->flags = flags;
	/* Frees it if it fails */
	err = ttm_bo_init_reserved(&mem->ttm, &bo->ttm, ttm_bo_type_device,
				   &vsvm_system_placement, 0, &ctx, NULL, NULL,
				   vsvm_bo_destroy);
	if (err)
		return ERR_PTR(err);
	err = vsvm_bo_publish(bo);
	ttm_bo_unreserve(&bo->ttm);
	if (err) {
		drm_gem_object_put(&bo->ttm.base);
		return ERR_PTR(err);
	}
	return &bo->ttm.base;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_bo_create);

/* see bo.h */
struct vsvm_bo *vsvm_bo_from_gem(struct drm_gem_object *gem)
{
	return gem->funcs == &vsvm_gem_funcs ? to_vsvm_bo_from_gem(gem) : NULL;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_bo_from_gem);

/* --- what user space asks and says --- */

/* see bo.h */
bool vsvm_bo_is_imported(struct vsvm_bo *bo)
{
	return bo->import;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_bo_is_imported);

static u32 vsvm_bo_state(struct vsvm_bo *bo)
{
	dma_resv_assert_held(bo->ttm.base.resv);
	if (bo->purged)
		return DRM_VSVM_BO_PURGED;
	if (vsvm_bo_in_vram(bo))
		return DRM_VSVM_BO_IN_VRAM;
	return bo->import || vsvm_bo_has_pages(bo) ? DRM_VSVM_BO_IN_SYSTEM :
		DRM_VSVM_BO_NONE;
}

/* see bo.h */
int vsvm_bo_get_info(struct vsvm_bo *bo, struct drm_vsvm_bo_info *info)
{
	int err = ttm_bo_reserve(&bo->ttm, true, false, NULL);

	if (err)
		return err;
	info->placement = bo->placement;
	info->size = bo->ttm.base.size;
	info->flags = bo->flags;
	info->state = vsvm_bo_state(bo);
	info->advice = bo->advice;
	info->imported = vsvm_bo_is_imported(bo);
	dma_resv_unlock(bo->ttm.base.resv);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_bo_get_info);

/* see bo.h */
int vsvm_bo_advise(struct vsvm_bo *bo, u32 advice, bool *retained)
{
	int err;

	if (advice != DRM_VSVM_BO_WILLNEED && advice != DRM_VSVM_BO_DONTNEED)
		return -EINVAL;
	if (bo->import)
		return -EOPNOTSUPP;
	err = ttm_bo_reserve(&bo->ttm, true, false, NULL);
	if (err)
		return err;
	if (bo->exported) {
		err = -EOPNOTSUPP;
	} else {
		bo->advice = advice;
		bo->ttm.priority = advice == DRM_VSVM_BO_DONTNEED ? 0 : VSVM_BO_PRIORITY;
		vsvm_bo_count_purgeable(bo, true);
		*retained = !bo->purged;
	}
	/* To where its priority now belongs */
	ttm_bo_unreserve(&bo->ttm);
	return err;
}

/* --- fdinfo --- */

enum vsvm_region {
	VSVM_REGION_SYSTEM,
	VSVM_REGION_VRAM,
	VSVM_NR_REGIONS
};

static void vsvm_bo_add_stats(struct vsvm_bo *bo, struct drm_memory_stats *stats)
{
	u64 size = bo->ttm.base.size;
	u32 state;

	dma_resv_lock(bo->ttm.base.resv, NULL);
	state = vsvm_bo_state(bo);
	/* What lies nowhere yet counts where it is to go */
	if (state == DRM_VSVM_BO_IN_VRAM ||
	    (state == DRM_VSVM_BO_NONE && (bo->placement & DRM_VSVM_BO_VRAM)))
		stats += VSVM_REGION_VRAM;
	else
		stats += VSVM_REGION_SYSTEM;
	if (drm_gem_object_is_shared_for_memory_stats(&bo->ttm.base))
		stats->shared += size;
	else
		stats->private += size;
	if (state == DRM_VSVM_BO_IN_VRAM || bo->import ||
	    (bo->ttm.ttm && ttm_tt_is_populated(bo->ttm.ttm))) {
		stats->resident += size;
		if (bo->advice == DRM_VSVM_BO_DONTNEED)
			stats->purgeable += size;
	}
	dma_resv_unlock(bo->ttm.base.resv);
}

/* see bo.h */
void vsvm_bo_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct drm_memory_stats stats[VSVM_NR_REGIONS] = {};
	static const char * const names[] = {
		[VSVM_REGION_SYSTEM] = "memory",
		[VSVM_REGION_VRAM] = "vram0",
	};
	struct drm_gem_object *gem;
	unsigned int i;
	int id;

	spin_lock(&file->table_lock);
	idr_for_each_entry(&file->object_idr, gem, id) {
		drm_gem_object_get(gem);
		spin_unlock(&file->table_lock);
		if (vsvm_bo_from_gem(gem))
			vsvm_bo_add_stats(to_vsvm_bo_from_gem(gem), stats);
		drm_gem_object_put(gem);
		spin_lock(&file->table_lock);
	}
	spin_unlock(&file->table_lock);
	for (i = 0; i < VSVM_NR_REGIONS; i++)
		drm_print_memory_stats(p, &stats[i], DRM_GEM_OBJECT_RESIDENT |
				       DRM_GEM_OBJECT_PURGEABLE, names[i]);
}
