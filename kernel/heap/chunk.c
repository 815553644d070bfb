// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks: memory that is pinned, counted against RLIMIT_MEMLOCK, and mapped for
 * DMA, in this order; and the other way round at the end.
 */
#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <drm/drm_device.h>

#include "heap/heap_priv.h"

/* Objects may share pages with the mirror of the process, which is user memory's lot */
#define VSVM_HEAP_DMA_ATTRS	DMA_ATTR_REQUIRE_COHERENT

/* Pages pinned by one call, so that a signal is heard in between */
#define VSVM_HEAP_PIN_BATCH	512

/* --- how much a process may pin --- */

static int vsvm_heap_account(struct mm_struct *mm)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(VSVM_HEAP_CHUNK_PAGES, &mm->pinned_vm) <= limit ||
	    capable(CAP_IPC_LOCK))
		return 0;
	atomic64_sub(VSVM_HEAP_CHUNK_PAGES, &mm->pinned_vm);
	return -EDQUOT;
}

/* --- memory --- */

static int vsvm_heap_get_shmem(struct vsvm_heap *heap, struct vsvm_heap_chunk *chunk)
{
	struct page **pages;
	int err;

	err = drm_gem_object_init(heap->heaps->drm, &chunk->store, VSVM_HEAP_CHUNK);
	if (err)
		return err;
	/* Rather none than at the cost of another process */
	mapping_set_gfp_mask(chunk->store.filp->f_mapping,
			     GFP_HIGHUSER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	pages = drm_gem_get_pages(&chunk->store);
	if (IS_ERR(pages)) {
		drm_gem_object_release(&chunk->store);
		return PTR_ERR(pages) == -EINTR ? -EINTR : -ENOMEM;
	}
	chunk->pages = pages;
	return 0;
}

static int vsvm_heap_get_user(struct vsvm_heap_chunk *chunk, u64 address)
{
	struct page **pages = kvmalloc_objs(*pages, VSVM_HEAP_CHUNK_PAGES, GFP_KERNEL_ACCOUNT);
	u32 done = 0;
	int n;

	if (!pages)
		return -ENOMEM;
	while (done < VSVM_HEAP_CHUNK_PAGES) {
		n = fatal_signal_pending(current) ? -EINTR :
			pin_user_pages_fast(address + ((u64)done << PAGE_SHIFT),
					    min(VSVM_HEAP_CHUNK_PAGES - done,
						(u32)VSVM_HEAP_PIN_BATCH),
					    FOLL_WRITE | FOLL_LONGTERM, pages + done);
		if (n <= 0) {
			unpin_user_pages(pages, done);
			kvfree(pages);
			return n == -ENOMEM || n == -EINTR ? n : -EFAULT;
		}
		done += n;
	}
	chunk->pages = pages;
	chunk->user = true;
	return 0;
}

static void vsvm_heap_put_memory(struct vsvm_heap_chunk *chunk)
{
	if (!chunk->pages)
		return;
	if (chunk->user) {
		unpin_user_pages_dirty_lock(chunk->pages, VSVM_HEAP_CHUNK_PAGES, true);
		kvfree(chunk->pages);
	} else {
		/* Nobody will read it any more */
		drm_gem_put_pages(&chunk->store, chunk->pages, false, false);
		drm_gem_object_release(&chunk->store);
	}
	chunk->pages = NULL;
}

/* --- DMA --- */

/* Pages from @first on that lie side by side */
static u32 vsvm_heap_run(const struct vsvm_heap_chunk *chunk, u32 first)
{
	unsigned long pfn = page_to_pfn(chunk->pages[first]);
	u32 n = 1;

	while (first + n < VSVM_HEAP_CHUNK_PAGES &&
	       page_to_pfn(chunk->pages[first + n]) == pfn + n)
		n++;
	return n;
}

static void vsvm_heap_unmap_to(struct vsvm_heap *heap, struct vsvm_heap_chunk *chunk, u32 end)
{
	u32 i, run;

	for (i = 0; i < end; i += run) {
		run = vsvm_heap_run(chunk, i);
		dma_unmap_phys(heap->heaps->drm->dev, chunk->bus[i],
			       (size_t)run << PAGE_SHIFT, DMA_BIDIRECTIONAL,
			       VSVM_HEAP_DMA_ATTRS);
	}
}

static int vsvm_heap_chunk_map(struct vsvm_heap *heap, struct vsvm_heap_chunk *chunk)
{
	struct device *dev = heap->heaps->drm->dev;
	dma_addr_t at;
	u32 i, j, run;

	chunk->bus = kvmalloc_objs(*chunk->bus, VSVM_HEAP_CHUNK_PAGES, GFP_KERNEL_ACCOUNT);
	if (!chunk->bus)
		return -ENOMEM;
	for (i = 0; i < VSVM_HEAP_CHUNK_PAGES; i += run) {
		run = vsvm_heap_run(chunk, i);
		at = dma_map_phys(dev, page_to_phys(chunk->pages[i]),
				  (size_t)run << PAGE_SHIFT, DMA_BIDIRECTIONAL,
				  VSVM_HEAP_DMA_ATTRS);
		if (dma_mapping_error(dev, at)) {
			vsvm_heap_unmap_to(heap, chunk, i);
			return -ENOMEM;
		}
		for (j = 0; j < run; j++)
			chunk->bus[i + j] = at + ((u64)j << PAGE_SHIFT);
	}
	chunk->mapped = true;
	return 0;
}

/**
 * vsvm_heap_chunk_unmap() - take it away from DMA; no device reaches it any more
 * @heap: heap, grow lock held, or nobody else sees it
 * @chunk: mapped or not
 */
void vsvm_heap_chunk_unmap(struct vsvm_heap *heap, struct vsvm_heap_chunk *chunk)
{
	if (chunk->mapped)
		vsvm_heap_unmap_to(heap, chunk, VSVM_HEAP_CHUNK_PAGES);
	chunk->mapped = false;
}

/* --- the whole --- */

/**
 * vsvm_heap_chunk_create() - get the memory of a chunk
 * @heap: heap of the calling process
 * @user: address of memory of the process, or 0
 *
 * Context: may sleep, for long; no mmap_lock held.
 * Return: the chunk, which nothing knows of yet, or an ERR_PTR(): -ENOMEM,
 * -EDQUOT, -EFAULT, -EINTR.
 */
struct vsvm_heap_chunk *vsvm_heap_chunk_create(struct vsvm_heap *heap, u64 user)
{
	struct vsvm_heap_chunk *chunk;
	int err;

	if (fatal_signal_pending(current))
		return ERR_PTR(-EINTR);
	chunk = kzalloc_obj(*chunk, GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	err = vsvm_heap_account(heap->mm);
	chunk->accounted = !err;
	if (!err)
		err = user ? vsvm_heap_get_user(chunk, user) :
			vsvm_heap_get_shmem(heap, chunk);
	if (!err)
		err = vsvm_heap_chunk_map(heap, chunk);
	if (!err)
		return chunk;
	vsvm_heap_chunk_destroy(heap, chunk);
	return ERR_PTR(err);
}

/** vsvm_heap_chunk_destroy() - give it back, also one that is half made; may sleep */
void vsvm_heap_chunk_destroy(struct vsvm_heap *heap, struct vsvm_heap_chunk *chunk)
{
	vsvm_heap_chunk_unmap(heap, chunk);
	kvfree(chunk->bus);
	vsvm_heap_put_memory(chunk);
	if (chunk->accounted)
		atomic64_sub(VSVM_HEAP_CHUNK_PAGES, &heap->mm->pinned_vm);
	kfree(chunk);
}

/**
 * vsvm_heap_check_window() - is all of a range mapped in the calling process?
 * @start: first address
 * @end: one past the last
 *
 * Return: 0 or -EFAULT, -EINTR.
 */
int vsvm_heap_check_window(u64 start, u64 end)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int err = 0;

	if (end > TASK_SIZE)
		return -EFAULT;
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	while (start < end && !err) {
		vma = vma_lookup(mm, start);
		if (vma)
			start = vma->vm_end;
		else
			err = -EFAULT;
	}
	mmap_read_unlock(mm);
	return err;
}
