// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks: contiguous device memory that pages of processes have moved to.
 *
 * A chunk is a buffer object of TTM's, so that it has its place in the one LRU.
 * It counts whoever fills it and the pages of it that are in use; when nothing
 * is left, which core-mm may find out in atomic context, a worker gives the
 * memory back.
 *
 * While it is being filled it cannot be evicted: its pages are locked then, and
 * more are about to come.
 *
 * A page is *live* from when it is taken until its contents has moved elsewhere
 * or it is freed, whichever is first.  Whoever has moved a page may still hold a
 * reference for a moment, in which it looks like any other page, only that
 * nobody maps it: to move it once more would make a page out of nothing.
 */
#include <linux/jiffies.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include <drm/drm_gem.h>

#include "mem/mem_priv.h"

/* How long an eviction tries to get hold of pages that are busy */
#define VSVM_CHUNK_PATIENCE	(2 * HZ)

/* Longest time that freeing or splitting a page takes */
#define VSVM_CHUNK_FREE_TIME	(10 * HZ)

/**
 * struct vsvm_chunk - device memory for pages of processes
 * @bo: the memory
 * @offset: where in VRAM it begins; constant
 * @order: log2 of pages; constant
 * @filling: whoever created it has not let go of it
 * @refs: 1 if @filling, and one for each page in use
 * @live: pages that contents is in; atomic bit operations, cleared under the
 *	lock of the folio
 * @freed: in &vsvm_mem.freed
 */
struct vsvm_chunk {
	struct vsvm_bo bo;
	u64 offset;
	unsigned int order;
	bool filling;
	atomic_t refs;
	DECLARE_BITMAP(live, VSVM_CHUNK_PAGES);
	struct llist_node freed;
};

static void vsvm_chunk_destroy(struct ttm_buffer_object *ttm)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);

	drm_gem_object_release(&ttm->base);
	kfree(container_of(bo, struct vsvm_chunk, bo));
}

/* see mem_priv.h */
void vsvm_chunk_free_work(struct work_struct *work)
{
	struct vsvm_mem *mem = container_of(work, struct vsvm_mem, free_work);
	struct vsvm_chunk *chunk, *next;

	llist_for_each_entry_safe(chunk, next, llist_del_all(&mem->freed), freed)
		ttm_bo_fini(&chunk->bo.ttm);
}

/* see mem_priv.h */
void vsvm_chunk_page_freed(struct vsvm_chunk *chunk, unsigned int npages)
{
	struct vsvm_mem *mem = chunk->bo.mem;

	if (!atomic_sub_and_test(npages, &chunk->refs))
		return;
	/* An eviction may be waiting; it holds the object, but not this reference */
	wake_up_var(&chunk->refs);
	if (llist_add(&chunk->freed, &mem->freed))
		queue_work(mem->ttm.wq, &mem->free_work);
}

/* see mem.h */
void vsvm_chunk_put(struct vsvm_chunk *chunk)
{
	WRITE_ONCE(chunk->filling, false);
	vsvm_chunk_page_freed(chunk, 1);
}

/* see mem.h */
unsigned int vsvm_chunk_order(const struct vsvm_chunk *chunk)
{
	return chunk->order;
}

/* see mem_priv.h */
u64 vsvm_chunk_offset(const struct vsvm_chunk *chunk)
{
	return chunk->offset;
}

/* see mem_priv.h */
struct vsvm_mem *vsvm_chunk_mem(const struct vsvm_chunk *chunk)
{
	return chunk->bo.mem;
}

/* see mem_priv.h */
bool vsvm_chunk_evictable(const struct vsvm_chunk *chunk)
{
	return !READ_ONCE(chunk->filling);
}

/* Get memory for it.  On failure it is gone. */
static int vsvm_chunk_place(struct vsvm_chunk *chunk, bool evict)
{
	struct vsvm_mem *mem = chunk->bo.mem;
	struct ttm_operation_ctx ctx = { .interruptible = true };
	/* TTM evicts for no placement that is but desired */
	const struct ttm_place place = {
		.mem_type = TTM_PL_VRAM,
		.flags = TTM_PL_FLAG_CONTIGUOUS | (evict ? 0 : TTM_PL_FLAG_DESIRED),
	};
	struct ttm_placement placement = {
		.num_placement = 1,
		.placement = &place,
	};
	struct ttm_buffer_object *ttm = &chunk->bo.ttm;
	int err;

	drm_gem_private_object_init(mem->drm, &ttm->base, PAGE_SIZE << chunk->order);
	err = ttm_bo_init_reserved(&mem->ttm, ttm, ttm_bo_type_kernel, &placement,
				   1u << chunk->order, &ctx, NULL, NULL,
				   vsvm_chunk_destroy);
	if (err)
		return err;
	/* The memory may still be copied out of, for whom it was taken from */
	err = ttm_bo_wait_ctx(ttm, &ctx);
	chunk->offset = (u64)ttm->resource->start << PAGE_SHIFT;
	ttm_bo_unreserve(ttm);
	if (err)
		vsvm_chunk_put(chunk);
	return err;
}

static struct vsvm_chunk *vsvm_chunk_try(struct vsvm_mem *mem, unsigned int order,
					 bool evict)
{
	struct vsvm_chunk *chunk;
	int err;

	chunk = kzalloc_obj(*chunk, GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	chunk->bo.mem = mem;
	chunk->bo.chunk = chunk;
	chunk->bo.ttm.priority = VSVM_BO_PRIORITY;
	chunk->order = order;
	chunk->filling = true;
	atomic_set(&chunk->refs, 1);
	err = vsvm_chunk_place(chunk, evict);
	return err ? ERR_PTR(err) : chunk;
}

/* see mem.h */
struct vsvm_chunk *vsvm_chunk_create(struct vsvm_mem *mem, unsigned int order,
				     bool evict)
{
	struct vsvm_chunk *chunk;

	if (WARN_ON_ONCE(order > VSVM_CHUNK_ORDER))
		return ERR_PTR(-EINVAL);
	if (!mem->vram || READ_ONCE(mem->stopped))
		return ERR_PTR(-ENODEV);
	chunk = vsvm_chunk_try(mem, order, false);
	if (!IS_ERR(chunk) || PTR_ERR(chunk) == -ERESTARTSYS)
		return chunk;
	/* What is being freed is free soon */
	if (flush_work(&mem->free_work))
		chunk = vsvm_chunk_try(mem, order, false);
	if (evict && IS_ERR(chunk) && PTR_ERR(chunk) != -ERESTARTSYS)
		chunk = vsvm_chunk_try(mem, order, true);
	if (IS_ERR(chunk) && PTR_ERR(chunk) != -ERESTARTSYS)
		return ERR_PTR(-ENOMEM);
	return chunk;
}

/* see mem.h */
struct page *vsvm_chunk_take(struct vsvm_chunk *chunk, unsigned int index,
			     unsigned int order)
{
	struct vsvm_mem *mem = chunk->bo.mem;
	unsigned int i, npages = 1u << order;
	struct page *page;

	if (WARN_ON_ONCE(!IS_ALIGNED(index, npages) ||
			 index + npages > 1u << chunk->order))
		return NULL;
	page = pfn_to_page(mem->first_pfn + PHYS_PFN(chunk->offset) + index);
	if (WARN_ON_ONCE(page_ref_count(page)))
		return NULL;
	atomic_add(npages, &chunk->refs);
	for (i = 0; i < npages; i++)
		set_bit(index + i, chunk->live);
	zone_device_folio_init((struct folio *)page, &mem->pagemap, order);
	folio_set_zone_device_data(page_folio(page), chunk);
	return page;
}

/**
 * vsvm_chunk_hold() - keep the memory of a chunk from being used for anything else
 * @chunk: that a page is in use of
 *
 * An eviction waits for it.  To be undone by vsvm_chunk_retake().
 */
void vsvm_chunk_hold(struct vsvm_chunk *chunk)
{
	atomic_inc(&chunk->refs);
}

/**
 * vsvm_chunk_retake() - get a reference to a page again that was let go of
 * @chunk: held by vsvm_chunk_hold(), which this undoes
 * @page: of it; may have been freed in the meantime
 *
 * Return: the page is locked, with a reference for the caller.  If it was free,
 * it is an empty page that nobody maps.
 */
void vsvm_chunk_retake(struct vsvm_chunk *chunk, struct page *page)
{
	unsigned long deadline = jiffies + VSVM_CHUNK_FREE_TIME;

	/*
	 * No reference can be had while it is free, while whoever has dropped the
	 * last one is freeing it, and while core-mm splits it.
	 */
	while (!get_page_unless_zero(page)) {
		/* Pairs with the release in vsvm_pages_free() */
		if (!smp_load_acquire(&page->zone_device_data))
			goto free;
		WARN_ON_ONCE(time_after(jiffies, deadline));
		cond_resched();
		cpu_relax();
	}
	folio_lock(page_folio(page));
	vsvm_chunk_page_freed(chunk, 1);
	return;

free:
	/* What the hold has counted is this page from here on */
	zone_device_folio_init((struct folio *)page, &chunk->bo.mem->pagemap, 0);
	folio_set_zone_device_data(page_folio(page), chunk);
}

/**
 * vsvm_chunk_mark_left() - nothing is in these pages any more
 * @chunk: chunk
 * @pfn: first page
 * @npages: how many
 *
 * Under the folio's lock, or nobody has a reference to it.  Any context.
 */
void vsvm_chunk_mark_left(struct vsvm_chunk *chunk, unsigned long pfn,
			  unsigned long npages)
{
	unsigned long i = pfn - chunk->bo.mem->first_pfn - PHYS_PFN(chunk->offset);

	for (; npages--; i++)
		clear_bit(i, chunk->live);
}

/** vsvm_chunk_is_live() - is there contents in a page?  Under the folio's lock */
bool vsvm_chunk_is_live(const struct vsvm_chunk *chunk, unsigned long pfn)
{
	return test_bit(pfn - chunk->bo.mem->first_pfn - PHYS_PFN(chunk->offset),
			chunk->live);
}

/* see mem.h */
void vsvm_mem_pages_left(struct vsvm_mem *mem, const unsigned long *src,
			 unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++) {
		struct page *page = migrate_pfn_to_page(src[i]);
		struct folio *folio;

		if (!page || !(src[i] & MIGRATE_PFN_MIGRATE) ||
		    !vsvm_mem_page_is_ours(mem, page))
			continue;
		folio = page_folio(page);
		vsvm_chunk_mark_left(folio_zone_device_data(folio), folio_pfn(folio),
				     folio_nr_pages(folio));
	}
}

/* see mem_priv.h */
int vsvm_chunk_evict(struct vsvm_chunk *chunk, struct ttm_operation_ctx *ctx,
		     unsigned long *pages)
{
	struct vsvm_mem *mem = chunk->bo.mem;
	unsigned long deadline = jiffies + VSVM_CHUNK_PATIENCE;
	unsigned long pfn = mem->first_pfn + PHYS_PFN(chunk->offset);
	unsigned long pause = 1, returned;
	int err;

	dma_resv_assert_held(chunk->bo.ttm.base.resv);
	*pages = 0;
	if (!vsvm_chunk_evictable(chunk))
		return -EBUSY;
	while (atomic_read(&chunk->refs)) {
		err = vsvm_return_pfns(mem, pfn, 1u << chunk->order, &returned);
		vsvm_mem_count(mem, VSVM_MEM_EVICTED_PAGES, returned);
		*pages += returned;
		if (!atomic_read(&chunk->refs))
			break;
		/* TTM goes on to the next of the LRU when one is busy */
		if (err)
			return -EBUSY;
		if (ctx->interruptible && signal_pending(current))
			return -ERESTARTSYS;
		if (ctx->no_wait_gpu || time_after(jiffies, deadline))
			return -EBUSY;
		wait_var_event_timeout(&chunk->refs, !atomic_read(&chunk->refs), pause);
		pause = min(2 * pause, HZ / 20 + 1);
	}
	vsvm_mem_count(mem, VSVM_MEM_EVICTED_CHUNKS, 1);
	return 0;
}
