/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_MEM_H_
#define _VSVM_MEM_H_

#include <linux/types.h>

/**
 * DOC: device memory
 *
 * VRAM is one TTM resource manager.  What lies in it belongs to a TTM buffer
 * object, be it one that user space created or a *chunk*, memory that pages of
 * processes have migrated to; so there is one LRU, and either kind evicts the
 * other.  Each 4 KiB of VRAM has a device-private struct page; those of chunks
 * stand for the pages of processes.
 *
 * A chunk is held by whoever fills it and by each of its pages that is in use.
 * Pages are freed by core-mm in atomic context; the chunk's memory is given back
 * by a worker when nothing holds it any more.
 */

struct device;
struct dma_fence;
struct drm_device;
struct drm_printer;
struct mm_struct;
struct page;
struct seq_file;
struct vsvm_back;
struct vsvm_chunk;
struct vm_area_struct;
struct vsvm_hw;
struct vsvm_hw_copy;
struct vsvm_mem;

/** enum vsvm_mem_stat - counters of device memory */
enum vsvm_mem_stat {
	/* Pages brought back by CPU faults, and how many such faults */
	VSVM_MEM_RETURNED_PAGES,
	VSVM_MEM_RETURNS,
	/* Of these faults, such that had to fall back to one page for want of memory */
	VSVM_MEM_RETURN_FALLBACKS,
	/* Pages brought back by eviction, chunks evicted, buffer objects evicted */
	VSVM_MEM_EVICTED_PAGES,
	VSVM_MEM_EVICTED_CHUNKS,
	VSVM_MEM_EVICTED_BOS,
	/* Groups and bytes copied by the copy engines, and failures */
	VSVM_MEM_COPIES,
	VSVM_MEM_COPIED_BYTES,
	VSVM_MEM_COPY_ERRORS,
	VSVM_MEM_NR_STATS
};

/**
 * struct vsvm_mem_config - constants of device memory
 * @vram_bytes: as configured in the hardware, a multiple of 2 MiB, 0: none
 * @copy_channels: as configured in the hardware
 * @return_pages: pages that a CPU fault brings back at least where they lie
 *	together (knob), a power of two, 1 to 512
 */
struct vsvm_mem_config {
	u64 vram_bytes;
	u32 copy_channels;
	u32 return_pages;
};

/**
 * vsvm_mem_create() - set up what open files may touch when the hardware has gone
 * @drm: device
 * @config: copied
 *
 * Return: the room's state or an ERR_PTR().  May sleep.
 */
struct vsvm_mem *vsvm_mem_create(struct drm_device *drm,
				 const struct vsvm_mem_config *config);

/** vsvm_mem_start() - give it the hardware: pages, TTM.  0 or an error.  May sleep. */
int vsvm_mem_start(struct vsvm_mem *mem, struct vsvm_hw *hw);

/**
 * vsvm_mem_stop() - bring everything back to system memory, give the hardware back
 * @mem: started; all address spaces are closed
 *
 * Every page of a process that is in a chunk is migrated back, whatever it
 * takes; buffer objects that are still referenced lose their VRAM.  May sleep.
 */
void vsvm_mem_stop(struct vsvm_mem *mem);

/** vsvm_mem_destroy() - free; stopped or never started */
void vsvm_mem_destroy(struct vsvm_mem *mem);

/** vsvm_mem_present() - is there any VRAM? */
bool vsvm_mem_present(const struct vsvm_mem *mem);

/** vsvm_mem_owner() - owner of the device-private pages, for hmm and migrate */
void *vsvm_mem_owner(struct vsvm_mem *mem);

/** vsvm_mem_pfns() - the page frames that stand for VRAM: the first, and how many */
void vsvm_mem_pfns(const struct vsvm_mem *mem, unsigned long *first,
		   unsigned long *count);

/** vsvm_mem_page_is_ours() - is it a page of this device's memory? */
bool vsvm_mem_page_is_ours(struct vsvm_mem *mem, const struct page *page);

/** vsvm_mem_page_offset() - offset in VRAM of one of its pages */
u64 vsvm_mem_page_offset(struct vsvm_mem *mem, const struct page *page);

/** vsvm_mem_device() - that its copy engines do DMA for */
struct device *vsvm_mem_device(const struct vsvm_mem *mem);

/** vsvm_mem_usage() - bytes of VRAM in all and in use */
void vsvm_mem_usage(struct vsvm_mem *mem, u64 *total, u64 *used);

/** vsvm_mem_stat() - read a counter */
u64 vsvm_mem_stat(struct vsvm_mem *mem, enum vsvm_mem_stat stat);

/** vsvm_mem_copy_irq() - copy engines have news; atomic context */
void vsvm_mem_copy_irq(struct vsvm_mem *mem);

/* --- chunks --- */

/**
 * vsvm_chunk_create() - get device memory for pages of processes
 * @mem: device memory
 * @order: log2 of its pages, 0 to 9; contiguous and aligned to its size
 * @evict: take it from others if there is none free
 *
 * Context: may sleep; takes reservation locks; mmap_lock may be held for reading,
 * and folios be locked, but not if @evict.
 * Return: the chunk, held by the caller, or an ERR_PTR(): -ENOMEM if there is
 * no such memory, -ERESTARTSYS, -ENODEV.
 */
struct vsvm_chunk *vsvm_chunk_create(struct vsvm_mem *mem, unsigned int order,
				     bool evict);

/** vsvm_chunk_put() - let go of a chunk; any context */
void vsvm_chunk_put(struct vsvm_chunk *chunk);

/** vsvm_chunk_order() - log2 of its pages */
unsigned int vsvm_chunk_order(const struct vsvm_chunk *chunk);

/**
 * vsvm_chunk_take() - make a folio of free pages of a chunk
 * @chunk: held by the caller, who takes from it alone
 * @index: first page, aligned to the size
 * @order: log2 of pages
 *
 * Return: its first page, locked, with one reference, as migrate_vma_pages()
 * wants its destinations.  The reference holds the chunk.
 */
struct page *vsvm_chunk_take(struct vsvm_chunk *chunk, unsigned int index,
			     unsigned int order);

/**
 * vsvm_mem_pages_left() - tell that pages have moved to system memory
 * @mem: device memory
 * @src: source array of migrate_vma_pages(), which has returned
 * @npages: entries
 *
 * Whoever brings pages back calls this before migrate_vma_finalize(): pages
 * that are marked as migrated are empty from here on, and no eviction takes them
 * for more than that while their last reference goes.  Other pages are ignored.
 * Any context.
 */
void vsvm_mem_pages_left(struct vsvm_mem *mem, const unsigned long *src,
			 unsigned long npages);

/* --- back to system memory, in bulk --- */

/** vsvm_back_create() - get ready to bring pages back; NULL: no memory.  May sleep. */
struct vsvm_back *vsvm_back_create(struct vsvm_mem *mem);

/**
 * vsvm_back_begin() - begin to bring back what lies in a part of a mapping
 * @back: with nothing begun
 * @vma: anonymous mapping; mmap_lock is held until vsvm_back_end()
 * @start: first address, in @vma
 * @end: one past the last, in @vma and in the same 2 MiB block as @start
 * @huge: it is likely a huge page, and shall stay one if there is memory for it
 *
 * Pages are collected, and the copy engines begin to copy.  What is busy stays, and
 * what finds no memory.  May sleep.
 *
 * Return: false if there is nothing that can be moved: no vsvm_back_end() then.
 */
bool vsvm_back_begin(struct vsvm_back *back, struct vm_area_struct *vma,
		     unsigned long start, unsigned long end, bool huge);

/** vsvm_back_end() - wait for the copies and finish.  Return: pages moved.  May sleep. */
unsigned long vsvm_back_end(struct vsvm_back *back);

/** vsvm_back_destroy() - the opposite of vsvm_back_create() */
void vsvm_back_destroy(struct vsvm_back *back);

/**
 * typedef vsvm_mem_block_fn - which pages come back together
 * @arg: as passed to vsvm_mem_set_return_block()
 * @mm: of the process
 * @address: that the CPU has touched
 * @start: in: 0; out: first address
 * @end: in: ULONG_MAX; out: one past the last
 *
 * Called with what core-mm holds in a fault: takes no lock but RCU.
 * Return: whether anybody has a wish.
 */
typedef bool (*vsvm_mem_block_fn)(void *arg, struct mm_struct *mm,
				  unsigned long address, unsigned long *start,
				  unsigned long *end);

/** vsvm_mem_set_return_block() - tell who knows which pages come back together */
void vsvm_mem_set_return_block(struct vsvm_mem *mem, vsvm_mem_block_fn fn, void *arg);

/* --- copying --- */

/**
 * vsvm_mem_copy() - have the copy engines carry out descriptors
 * @mem: started
 * @copies: descriptors; addresses must be good until the fence has signalled
 * @count: any number; cut into groups, spread over the channels
 *
 * Context: may sleep for room in the rings.
 * Return: a fence that signals when all is done, with an error if any of it
 * failed, or an ERR_PTR(): -ENOMEM, -ENODEV.
 */
struct dma_fence *vsvm_mem_copy(struct vsvm_mem *mem,
				const struct vsvm_hw_copy *copies, u32 count);

/**
 * struct vsvm_transfer - copies between system and device memory
 * @mem: device memory
 * @to_device: direction
 * @copies: descriptors, with physical addresses on the system's side: they become
 *	bus addresses
 * @count: how many there are, at least one
 * @fence: of the copies under way, NULL: none are
 */
struct vsvm_transfer {
	struct vsvm_mem *mem;
	bool to_device;
	struct vsvm_hw_copy *copies;
	u32 count;
	struct dma_fence *fence;
};

/**
 * vsvm_transfer_begin() - map pages for DMA and have them copied
 * @t: filled in but for the fence
 *
 * Pages and descriptors stay until vsvm_transfer_end().  May sleep.
 * Return: 0 or an error: then nothing was begun.
 */
int vsvm_transfer_begin(struct vsvm_transfer *t);

/** vsvm_transfer_end() - wait for it; 0, or an error: the destination is undefined */
int vsvm_transfer_end(struct vsvm_transfer *t);

/* --- test knobs --- */

/** enum vsvm_mem_knob - how many times something is to fail yet */
enum vsvm_mem_knob {
	/** @VSVM_MEM_VRAM_FAIL: allocations of device memory */
	VSVM_MEM_VRAM_FAIL,
	/** @VSVM_MEM_RETURN_FAIL: allocations of pages to bring others back to */
	VSVM_MEM_RETURN_FAIL,
	VSVM_MEM_NR_KNOBS
};

/** vsvm_mem_knob() - where a knob lies; may be written at any time */
u32 *vsvm_mem_knob(struct vsvm_mem *mem, enum vsvm_mem_knob knob);

#endif
