// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device memory, as the mirror wants to see it.
 */
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include <drm/drm_device.h>

#include "mem/mem.h"
#include "vm/vm_priv.h"

static void *vsvm_glue_room_create(void *priv, unsigned int order, bool evict)
{
	return vsvm_chunk_create(priv, order, evict);
}

static struct page *vsvm_glue_room_take(void *room, unsigned int index,
					unsigned int order)
{
	return vsvm_chunk_take(room, index, order);
}

static void vsvm_glue_room_put(void *room)
{
	vsvm_chunk_put(room);
}

/* Let the copy engines copy, and wait; all of system memory is mapped for DMA */
static int vsvm_glue_copy(void *priv, const struct vsvm_svm_copy *copies,
			  unsigned int count, bool to_device)
{
	enum dma_data_direction dir = to_device ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	struct vsvm_mem *mem = priv;
	struct device *dev = vsvm_mem_device(mem);
	struct dma_fence *fence;
	struct vsvm_hw_copy *hw;
	unsigned int i, mapped;
	int err = 0;

	hw = kvmalloc_objs(*hw, count);
	if (!hw)
		return -ENOMEM;
	for (mapped = 0; mapped < count; mapped++) {
		const struct vsvm_svm_copy *c = &copies[mapped];
		u64 vram = vsvm_mem_page_offset(mem, pfn_to_page(c->device));
		u32 bytes = c->npages << PAGE_SHIFT;
		dma_addr_t bus;

		bus = dma_map_phys(dev, PFN_PHYS(c->system), bytes, dir,
				   DMA_ATTR_REQUIRE_COHERENT);
		if (dma_mapping_error(dev, bus)) {
			err = -EIO;
			break;
		}
		hw[mapped] = (struct vsvm_hw_copy) {
			.src = to_device ? bus : vram,
			.dst = to_device ? vram : bus,
			.bytes = bytes,
			.flags = to_device ? VSVM_HW_COPY_DST_VRAM :
					     VSVM_HW_COPY_SRC_VRAM,
		};
	}
	if (!err) {
		fence = vsvm_mem_copy(mem, hw, count);
		if (IS_ERR(fence)) {
			err = PTR_ERR(fence);
		} else {
			dma_fence_wait(fence, false);
			err = dma_fence_get_status(fence);
			err = err < 0 ? err : 0;
			dma_fence_put(fence);
		}
	}
	for (i = 0; i < mapped; i++)
		dma_unmap_phys(dev, to_device ? hw[i].src : hw[i].dst, hw[i].bytes,
			       dir, DMA_ATTR_REQUIRE_COHERENT);
	kvfree(hw);
	return err;
}

static const struct vsvm_svm_mem_ops vsvm_glue_ops = {
	.room_create = vsvm_glue_room_create,
	.room_take = vsvm_glue_room_take,
	.room_put = vsvm_glue_room_put,
	.copy = vsvm_glue_copy,
};

/** vsvm_vmm_mem_config() - what a mirror needs to know of device memory */
void vsvm_vmm_mem_config(struct vsvm_mem *mem, struct vsvm_svm_mem *out)
{
	*out = (struct vsvm_svm_mem) {
		.ops = &vsvm_glue_ops,
		.priv = mem,
		.owner = vsvm_mem_owner(mem),
	};
	if (vsvm_mem_present(mem))
		vsvm_mem_pfns(mem, &out->first_pfn, &out->npages);
}
