// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies between pages of processes and device memory: what the copy engines
 * are to do, with the pages mapped for DMA as long as they do it.
 */
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <drm/drm_device.h>

#include "hw/hw.h"
#include "mem/mem_priv.h"

#define VSVM_TRANSFER_DMA_ATTRS	DMA_ATTR_REQUIRE_COHERENT

static void vsvm_transfer_unmap(struct vsvm_transfer *t, u32 count)
{
	struct device *dev = vsvm_mem_device(t->mem);

	while (count--) {
		struct vsvm_hw_copy *c = &t->copies[count];

		dma_unmap_phys(dev, t->to_device ? c->src : c->dst, c->bytes,
			       t->to_device ? DMA_TO_DEVICE : DMA_FROM_DEVICE,
			       VSVM_TRANSFER_DMA_ATTRS);
	}
}

/* see mem.h */
int vsvm_transfer_begin(struct vsvm_transfer *t)
{
	struct device *dev = vsvm_mem_device(t->mem);
	u32 i;

	t->fence = NULL;
	for (i = 0; i < t->count; i++) {
		struct vsvm_hw_copy *c = &t->copies[i];
		u64 *system = t->to_device ? &c->src : &c->dst;
		dma_addr_t bus;

		bus = dma_map_phys(dev, *system, c->bytes,
				   t->to_device ? DMA_TO_DEVICE : DMA_FROM_DEVICE,
				   VSVM_TRANSFER_DMA_ATTRS);
		if (dma_mapping_error(dev, bus)) {
			vsvm_transfer_unmap(t, i);
			return -EIO;
		}
		*system = bus;
	}
	t->fence = vsvm_mem_copy(t->mem, t->copies, t->count);
	if (IS_ERR(t->fence)) {
		int err = PTR_ERR(t->fence);

		t->fence = NULL;
		vsvm_transfer_unmap(t, t->count);
		return err;
	}
	return 0;
}

/* see mem.h */
int vsvm_transfer_end(struct vsvm_transfer *t)
{
	int err;

	dma_fence_wait(t->fence, false);
	err = dma_fence_get_status(t->fence);
	dma_fence_put(t->fence);
	t->fence = NULL;
	vsvm_transfer_unmap(t, t->count);
	return min(err, 0);
}
