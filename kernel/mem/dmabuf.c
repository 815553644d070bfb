// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects shared with other devices.
 *
 * VRAM is this device's own: as long as another one is attached, an object is
 * pinned in system memory.  An imported object is its exporter's memory, known
 * here by bus addresses alone; it is attached for as long as it exists, or until
 * the device goes.
 */
#include <kunit/visibility.h>
#include <linux/dma-buf.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_tt.h>
#include <drm/vsvm_drm.h>

#include "mem/bo_priv.h"

MODULE_IMPORT_NS("DMA_BUF");

/** vsvm_gem_pin() - of &drm_gem_object_funcs: to system memory, and keep it there; reserved */
int vsvm_gem_pin(struct drm_gem_object *gem)
{
	struct vsvm_bo *bo = to_vsvm_bo_from_gem(gem);
	struct ttm_operation_ctx ctx = { .gfp_retry_mayfail = true };
	int err = 0;

	if (bo->purged)
		return -EFAULT;
	if (!bo->ttm.pin_count)
		err = vsvm_bo_to_system(bo, &ctx);
	if (!err)
		ttm_bo_pin(&bo->ttm);
	return err;
}

/** vsvm_gem_unpin() - of &drm_gem_object_funcs; reserved */
void vsvm_gem_unpin(struct drm_gem_object *gem)
{
	ttm_bo_unpin(&to_vsvm_bo_from_gem(gem)->ttm);
}

/** vsvm_gem_get_sg_table() - of &drm_gem_object_funcs; pinned */
struct sg_table *vsvm_gem_get_sg_table(struct drm_gem_object *gem)
{
	struct ttm_tt *ttm = to_vsvm_bo_from_gem(gem)->ttm.ttm;

	return drm_prime_pages_to_sg(gem->dev, ttm->pages, ttm->num_pages);
}

/**
 * vsvm_gem_export() - of &drm_gem_object_funcs
 * @gem: object
 * @flags: of the file to be
 *
 * Nobody else expects memory to vanish: what may be purged is not shared.
 *
 * Return: the dma-buf or an ERR_PTR(): -EBUSY if it may be, or has been, purged.
 */
struct dma_buf *vsvm_gem_export(struct drm_gem_object *gem, int flags)
{
	struct vsvm_bo *bo = to_vsvm_bo_from_gem(gem);
	int err;

	err = ttm_bo_reserve(&bo->ttm, true, false, NULL);
	if (err)
		return ERR_PTR(err);
	if (bo->purged || bo->advice == DRM_VSVM_BO_DONTNEED)
		err = -EBUSY;
	else
		bo->exported = true;
	dma_resv_unlock(bo->ttm.base.resv);
	return err ? ERR_PTR(err) : drm_gem_prime_export(gem, flags);
}

/**
 * vsvm_bo_detach() - let go of the memory of an imported object
 * @bo: reserved
 */
void vsvm_bo_detach(struct vsvm_bo *bo)
{
	vsvm_bo_unmap_device(bo);
	if (bo->ttm.sg)
		dma_buf_unmap_attachment(bo->ttm.base.import_attach, bo->ttm.sg,
					 DMA_BIDIRECTIONAL);
	bo->ttm.sg = NULL;
}

/* Pieces of it that lie side by side are one; 0 if it is not made of whole pages */
static u32 vsvm_import_extents(struct sg_table *sgt, u64 size,
			       struct vsvm_bo_extent *out)
{
	struct scatterlist *sg;
	u64 start = 0, next = 0;
	u32 i, n = 0;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 address = sg_dma_address(sg);

		if (start >= size)
			break;
		if (!PAGE_ALIGNED(address | sg_dma_len(sg)))
			return 0;
		if (!n || address != next) {
			if (out)
				out[n] = (struct vsvm_bo_extent) {
					.start = start,
					.address = address,
				};
			n++;
		}
		start += sg_dma_len(sg);
		next = address + sg_dma_len(sg);
	}
	return start < size ? 0 : n;
}

static int vsvm_import_init(struct vsvm_bo *bo, struct dma_buf_attachment *attach,
			    struct sg_table *sgt)
{
	struct ttm_operation_ctx ctx = {};
	struct dma_resv *resv = attach->dmabuf->resv;
	int err;

	err = dma_resv_lock_interruptible(resv, NULL);
	if (err) {
		/* TTM does not know it yet */
		vsvm_bo_destroy(&bo->ttm);
		return err;
	}
	/* Frees it if it fails */
	err = ttm_bo_init_reserved(&bo->mem->ttm, &bo->ttm, ttm_bo_type_sg,
				   &vsvm_system_placement, 0, &ctx, sgt, resv,
				   vsvm_bo_destroy);
	if (err) {
		dma_resv_unlock(resv);
		return err;
	}
	err = vsvm_bo_publish(bo);
	/* The caller unmaps it if this fails */
	if (err)
		bo->ttm.sg = NULL;
	else
		bo->ttm.base.import_attach = attach;
	dma_resv_unlock(resv);
	if (err)
		drm_gem_object_put(&bo->ttm.base);
	return err;
}

/* see bo.h */
struct drm_gem_object *vsvm_bo_import(struct vsvm_mem *mem,
				      struct dma_buf_attachment *attach,
				      struct sg_table *sgt)
{
	u64 size = attach->dmabuf->size;
	u32 count = vsvm_import_extents(sgt, size, NULL);
	struct vsvm_bo *bo;
	int err;

	if (!count || !PAGE_ALIGNED(size) || size >> PAGE_SHIFT > U32_MAX)
		return ERR_PTR(-EINVAL);
	bo = vsvm_bo_alloc(mem, size);
	if (!bo)
		return ERR_PTR(-ENOMEM);
	get_dma_buf(attach->dmabuf);
	bo->import = attach->dmabuf;
	bo->placement = DRM_VSVM_BO_SYSTEM;
	bo->extents = kvmalloc_objs(*bo->extents, count, GFP_KERNEL_ACCOUNT);
	if (!bo->extents) {
		vsvm_bo_destroy(&bo->ttm);
		return ERR_PTR(-ENOMEM);
	}
	bo->nr_extents = vsvm_import_extents(sgt, size, bo->extents);
	err = vsvm_import_init(bo, attach, sgt);
	return err ? ERR_PTR(err) : &bo->ttm.base;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_bo_import);
