// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device memory, as the mirror wants to see it.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "hw/hw.h"
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

/**
 * struct vsvm_glue_copying - copies under way
 * @transfer: what mem/ knows of them
 * @copies: of @transfer
 */
struct vsvm_glue_copying {
	struct vsvm_transfer transfer;
	struct vsvm_hw_copy copies[];
};

static void *vsvm_glue_copy_begin(void *priv, const struct vsvm_svm_copy *copies,
				  unsigned int count, bool to_device)
{
	struct vsvm_glue_copying *c = kvmalloc_flex(*c, copies, count);
	unsigned int i;
	int err;

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->transfer = (struct vsvm_transfer) {
		.mem = priv,
		.to_device = to_device,
		.copies = c->copies,
		.count = count,
	};
	for (i = 0; i < count; i++) {
		u64 vram = vsvm_mem_page_offset(priv, pfn_to_page(copies[i].device));
		u64 system = PFN_PHYS(copies[i].system);

		c->copies[i] = (struct vsvm_hw_copy) {
			.src = to_device ? system : vram,
			.dst = to_device ? vram : system,
			.bytes = copies[i].npages << PAGE_SHIFT,
			.flags = to_device ? VSVM_HW_COPY_DST_VRAM :
					     VSVM_HW_COPY_SRC_VRAM,
		};
	}
	err = vsvm_transfer_begin(&c->transfer);
	if (err) {
		kvfree(c);
		return ERR_PTR(err);
	}
	return c;
}

static int vsvm_glue_copy_end(void *copying)
{
	struct vsvm_glue_copying *c = copying;
	int err = vsvm_transfer_end(&c->transfer);

	kvfree(c);
	return err;
}

static void *vsvm_glue_back_create(void *priv)
{
	return vsvm_back_create(priv);
}

static bool vsvm_glue_back_begin(void *back, struct vm_area_struct *vma,
				 unsigned long start, unsigned long end, bool huge)
{
	return vsvm_back_begin(back, vma, start, end, huge);
}

static unsigned long vsvm_glue_back_end(void *back)
{
	return vsvm_back_end(back);
}

static void vsvm_glue_back_destroy(void *back)
{
	vsvm_back_destroy(back);
}

static const struct vsvm_svm_mem_ops vsvm_glue_ops = {
	.room_create = vsvm_glue_room_create,
	.room_take = vsvm_glue_room_take,
	.room_put = vsvm_glue_room_put,
	.copy_begin = vsvm_glue_copy_begin,
	.copy_end = vsvm_glue_copy_end,
	.back_create = vsvm_glue_back_create,
	.back_begin = vsvm_glue_back_begin,
	.back_end = vsvm_glue_back_end,
	.back_destroy = vsvm_glue_back_destroy,
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
