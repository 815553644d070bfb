// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one side wrote made visible to the other.
 *
 * Only what the device has mapped has to be: device memory is reached through the
 * aperture, pages that no device has seen are the CPU's alone.  An imported object
 * is its exporter's to synchronise, who knows no ranges.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>

#include <drm/drm_device.h>
#include <drm/vsvm_drm.h>

#include "mem/bo_priv.h"

/*
 * As if the CPU had its turn now: an exporter may refuse the one call without the
 * other, and one that maps its memory when it is first asked does so for the
 * direction of that call, for good.
 */
static int vsvm_bo_sync_import(struct vsvm_bo *bo)
{
	int err = dma_buf_begin_cpu_access(bo->import, DMA_BIDIRECTIONAL);

	return err ?: dma_buf_end_cpu_access(bo->import, DMA_BIDIRECTIONAL);
}

static void vsvm_bo_sync_pages(struct vsvm_bo *bo, u64 offset, u64 size, u32 direction)
{
	const dma_addr_t *bus = vsvm_tt_bus(bo->ttm.ttm);
	struct device *dev = bo->mem->drm->dev;
	u64 n;

	for (; size; offset += n, size -= n) {
		dma_addr_t at = bus[offset >> PAGE_SHIFT] + offset_in_page(offset);

		n = min(size, vsvm_bus_run(bus, offset, PFN_UP(offset + size)) -
			offset_in_page(offset));
		if (direction & DRM_VSVM_SYNC_FROM_DEVICE)
			dma_sync_single_for_cpu(dev, at, n, DMA_FROM_DEVICE);
		if (direction & DRM_VSVM_SYNC_TO_DEVICE)
			dma_sync_single_for_device(dev, at, n, DMA_TO_DEVICE);
		cond_resched();
	}
}

/* see bo.h */
int vsvm_bo_sync(struct vsvm_bo *bo, u64 offset, u64 size, u32 direction)
{
	int err;

	if (bo->import)
		return vsvm_bo_sync_import(bo);
	err = ttm_bo_reserve(&bo->ttm, true, false, NULL);
	if (err)
		return err;
	if (!vsvm_bo_in_vram(bo) && bo->ttm.ttm && vsvm_tt_bus(bo->ttm.ttm))
		vsvm_bo_sync_pages(bo, offset, size, direction);
	dma_resv_unlock(bo->ttm.base.resv);
	return 0;
}
