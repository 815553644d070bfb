/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_MEM_PRIV_H_
#define _VSVM_MEM_PRIV_H_

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_resource.h>

#include "mem/mem.h"

struct anon_vma;
struct migrate_vma;
struct dma_buf;
struct shrinker;
struct resource;
struct vsvm_copy_state;
struct vsvm_vram_manager;

/* Pages of a chunk at most: a huge page */
#define VSVM_CHUNK_ORDER	9
#define VSVM_CHUNK_PAGES	BIT(VSVM_CHUNK_ORDER)

/*
 * Priority of every &struct vsvm_bo, chunk or not, on the LRU: what is not
 * needed any more goes below it and is taken first.
 */
#define VSVM_BO_PRIORITY	1

/**
 * struct vsvm_mem - device memory
 * @drm: device
 * @hw: hardware, from vsvm_mem_start() to vsvm_mem_stop()
 * @config: constants
 * @ttm: buffer objects of both kinds; from vsvm_mem_start() to vsvm_mem_destroy()
 * @ttm_ready: there is @ttm
 * @vram: resource manager of TTM_PL_VRAM; NULL without VRAM
 * @pagemap: device-private pages, one for each 4 KiB of VRAM; its owner is this
 * @region: addresses that @pagemap occupies, where there is no memory
 * @first_pfn: of @pagemap
 * @freed: chunks that nothing holds any more
 * @free_work: gives them back
 * @next_channel: copy engine to be used next; racy on purpose
 * @stats: counters
 * @knobs: failures to come, see &enum vsvm_mem_knob; atomic
 * @bo_unmap: takes a buffer object out of all page tables; set once, before the
 *	first one is mapped
 * @return_block: tells which pages come back together, with @return_block_arg; set
 *	once, before the first page goes to the device
 * @return_block_arg: its
 * @bos: of user space, as long as they may be mapped for DMA; under @bos_lock
 * @bos_lock: guards @bos and @stopped; leaf
 * @stopped: nothing is mapped for DMA any more, nothing goes to VRAM
 * @purgeable: pages in system memory that may be purged
 * @shrinker: purges them when memory is short
 *
 * The room that a file belongs to adds what is its own: see copy.c.
 */
struct vsvm_mem {
	struct drm_device *drm;
	struct vsvm_hw *hw;
	struct vsvm_mem_config config;
	bool ttm_ready;
	struct ttm_device ttm;
	struct vsvm_vram_manager *vram;
	struct dev_pagemap pagemap;
	struct resource *region;
	unsigned long first_pfn;
	struct llist_head freed;
	struct work_struct free_work;
	unsigned int next_channel;
	atomic64_t stats[VSVM_MEM_NR_STATS];
	u32 knobs[VSVM_MEM_NR_KNOBS];
	struct vsvm_copy_state *copy;
	void (*bo_unmap)(struct drm_gem_object *gem);
	vsvm_mem_block_fn return_block;
	void *return_block_arg;
	struct list_head bos;
	spinlock_t bos_lock;	/* guards bos and stopped */
	bool stopped;
	atomic_long_t purgeable;
	struct shrinker *shrinker;
};

/**
 * struct vsvm_bo_extent - a contiguous piece of a buffer object
 * @start: first byte in the object
 * @address: of it, in VRAM or on the bus
 */
struct vsvm_bo_extent {
	u64 start;
	u64 address;
};

/**
 * struct vsvm_bo - memory that TTM manages
 * @ttm: base; its reservation lock guards where the memory lies and what of it
 *	is mapped on the device
 * @mem: device memory
 * @chunk: the chunk that this is the memory of, or NULL for one of user space
 * @placement: DRM_VSVM_BO_VRAM, DRM_VSVM_BO_SYSTEM; constant
 * @flags: DRM_VSVM_BO_WC; constant
 * @advice: &enum drm_vsvm_bo_advice, under the reservation lock
 * @purged: the contents is lost, under the reservation lock
 * @exported: a dma-buf has been made of it, under the reservation lock
 * @purgeable: pages of it in &vsvm_mem.purgeable, under the reservation lock
 * @import: the dma-buf whose memory this is, or NULL; constant
 * @link: on &vsvm_mem.bos
 * @extents: where it lies in VRAM, or what was imported, in order; NULL for a
 *	chunk and in system memory; under the reservation lock
 * @nr_extents: how many there are
 */
struct vsvm_bo {
	struct ttm_buffer_object ttm;
	struct vsvm_mem *mem;
	struct vsvm_chunk *chunk;
	u32 placement;
	u32 flags;
	u32 advice;
	bool purged;
	bool exported;
	u32 purgeable;
	struct dma_buf *import;
	struct list_head link;
	struct vsvm_bo_extent *extents;
	u32 nr_extents;
};

static inline struct vsvm_bo *to_vsvm_bo(struct ttm_buffer_object *ttm)
{
	return container_of(ttm, struct vsvm_bo, ttm);
}

static inline void vsvm_mem_count(struct vsvm_mem *mem, enum vsvm_mem_stat stat, u64 n)
{
	atomic64_add(n, &mem->stats[stat]);
}

/* vram.c: the resource manager */
int vsvm_vram_init(struct vsvm_mem *mem);
void vsvm_vram_fini(struct vsvm_mem *mem);
int vsvm_vram_empty(struct vsvm_mem *mem);
u64 vsvm_vram_used(struct vsvm_mem *mem);
/* Call a function for each contiguous piece of a VRAM resource: offset in VRAM, bytes */
int vsvm_vram_for_each(struct ttm_resource *res,
		       int (*fn)(u64 offset, u64 bytes, void *arg), void *arg);

/* ttm.c: what TTM asks of a driver, for both kinds */
/* In vsvm_mem_create(): buffer objects may outlive the hardware */
int vsvm_ttm_init(struct vsvm_mem *mem);
/*
 * In vsvm_mem_stop(), after the chunks have gone, while VRAM and copy engines
 * are still there: objects leave VRAM, nothing stays mapped for DMA
 */
void vsvm_ttm_stop(struct vsvm_mem *mem);
/* In vsvm_mem_destroy(): no object is left but those TTM is about to free */
void vsvm_ttm_fini(struct vsvm_mem *mem);

/* pages.c: device-private pages */
int vsvm_pages_init(struct vsvm_mem *mem);
void vsvm_pages_fini(struct vsvm_mem *mem);

/* chunk.c */
void vsvm_chunk_free_work(struct work_struct *work);
/*
 * All pages in use have been brought back (0), or an error; the BO is reserved.
 * @pages: out: pages brought back, also with an error
 */
int vsvm_chunk_evict(struct vsvm_chunk *chunk, struct ttm_operation_ctx *ctx,
		     unsigned long *pages);
/* Is it worth trying?  Not while it is being filled; for &ttm_device_funcs.eviction_valuable */
bool vsvm_chunk_evictable(const struct vsvm_chunk *chunk);
/* Bytes of VRAM where it begins */
u64 vsvm_chunk_offset(const struct vsvm_chunk *chunk);
struct vsvm_mem *vsvm_chunk_mem(const struct vsvm_chunk *chunk);
/* Pages of it have been freed by core-mm; atomic */
void vsvm_chunk_page_freed(struct vsvm_chunk *chunk, unsigned int npages);
void vsvm_chunk_mark_left(struct vsvm_chunk *chunk, unsigned long pfn,
			  unsigned long npages);
bool vsvm_chunk_is_live(const struct vsvm_chunk *chunk, unsigned long pfn);
void vsvm_chunk_hold(struct vsvm_chunk *chunk);
void vsvm_chunk_retake(struct vsvm_chunk *chunk, struct page *page);

/* return.c: back to system memory */
vm_fault_t vsvm_return_fault(struct vm_fault *vmf);
int vsvm_return_pfns(struct vsvm_mem *mem, unsigned long first_pfn,
		     unsigned long npages, unsigned long *returned);
void vsvm_return_everywhere(struct vsvm_mem *mem);
unsigned long vsvm_return_use(struct folio *folio);
void vsvm_return_copy_cpu(struct vsvm_mem *mem, const unsigned long *src,
			  const unsigned long *dst, unsigned long npages);
int vsvm_return_copy_engine(struct vsvm_mem *mem, const unsigned long *src,
			    const unsigned long *dst, unsigned long npages);
u32 vsvm_return_describe(struct vsvm_mem *mem, struct vsvm_hw_copy *copies,
			 const unsigned long *src, const unsigned long *dst,
			 unsigned long npages);
unsigned long vsvm_return_count(const unsigned long *src, const unsigned long *dst,
				unsigned long npages);
struct folio *vsvm_return_alloc(struct vsvm_mem *mem, gfp_t gfp, unsigned int order,
				struct vm_area_struct *vma, unsigned long address);

/* Is there a small page to be moved? */
static inline bool vsvm_return_wanted(unsigned long src)
{
	return migrate_pfn_to_page(src) && (src & MIGRATE_PFN_MIGRATE) &&
	       !(src & MIGRATE_PFN_COMPOUND);
}

/**
 * struct vsvm_huge - a huge page on its way
 * @folio: in device memory
 * @new: where it goes, locked, if there is a hold
 * @hold: references held besides those that core-mm knows of
 * @repaired: removals whose traces in the statistics are wiped out
 */
struct vsvm_huge {
	struct folio *folio;
	struct folio *new;
	unsigned int hold;
	unsigned int repaired;
};

/* return_huge.c */
void vsvm_huge_collect(struct vsvm_huge *huge, struct migrate_vma *args,
		       struct folio **new);
bool vsvm_huge_finish(struct vsvm_mem *mem, struct vsvm_huge *huge,
		      struct migrate_vma *args);
long vsvm_return_huge_vma(struct vsvm_mem *mem, struct vm_area_struct *vma,
			  unsigned long start, struct page *fault_page,
			  struct folio **new);
long vsvm_return_huge_pfn(struct vsvm_mem *mem, unsigned long pfn);

/* pin.c */
struct anon_vma *vsvm_pin_anon(const struct folio *folio);
void vsvm_unpin_anon(struct anon_vma *anon_vma);

/* knob.c */
bool vsvm_mem_shall_fail(struct vsvm_mem *mem, enum vsvm_mem_knob knob);

/**
 * enum vsvm_evict_reason - why something leaves device memory
 * @VSVM_EVICT_ROOM: somebody else wants the room
 * @VSVM_EVICT_SHARE: another device wants to reach it
 * @VSVM_EVICT_SHRINK: system memory is short, and it is not needed
 * @VSVM_EVICT_STOP: the device goes
 */
enum vsvm_evict_reason {
	VSVM_EVICT_ROOM,
	VSVM_EVICT_SHARE,
	VSVM_EVICT_SHRINK,
	VSVM_EVICT_STOP,
};

/* copy.c */
int vsvm_copy_init(struct vsvm_mem *mem);
void vsvm_copy_fini(struct vsvm_mem *mem);
void vsvm_copy_start(struct vsvm_mem *mem);
void vsvm_copy_stop(struct vsvm_mem *mem);

/* bo.c: the part of a move that concerns a BO of user space: unmap it everywhere */
void vsvm_bo_unmap_device(struct vsvm_bo *bo);

#endif
