/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_PT_H_
#define _VSVM_PT_H_

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/workqueue.h>

#include "hw/hw.h"
#include "svm/svm.h"

/**
 * DOC: the device's page table
 *
 * The upper tables are made when a span is created and go with the last span
 * below them; leaf tables (level 1) and 2 MiB leaves come and go meanwhile, under
 * the lock of their span.
 *
 * A leaf that is taken away goes through two steps, so that nothing needs to
 * be remembered elsewhere: first %VSVM_PTE_VALID is replaced by
 * %VSVM_PT_ZAPPED, the address stays; when the TLBs are flushed, the address
 * tells what to unmap from DMA, and the entry becomes 0.
 */

struct device;

/* Taken away from the device, not yet unmapped from DMA */
#define VSVM_PT_ZAPPED		BIT_ULL(9)
/* Of a buffer object, which sees to its memory: neither DMA nor dirt is ours */
#define VSVM_PT_BO		BIT_ULL(10)
/* Of a batch: the page is the process', but at another address there */
#define VSVM_PT_BATCH		BIT_ULL(11)
/* Whose an entry is: the mirror's if none of these is set */
#define VSVM_PT_KIND		(VSVM_PT_BO | VSVM_PT_BATCH)

/**
 * struct vsvm_pt_table - a table page
 * @entries: as the CPU sees it
 * @bus: as the device sees it
 * @dead: on &vsvm_pt.dead
 */
struct vsvm_pt_table {
	u64 *entries;
	dma_addr_t bus;
	struct llist_node dead;
};

/**
 * struct vsvm_pt_dir - a table above those of the spans; under &vsvm_pt.lock
 * @table: the page
 * @used: spans and tables right below it
 * @child: what each entry points to, or NULL
 */
struct vsvm_pt_dir {
	struct vsvm_pt_table table;
	unsigned int used;
	struct vsvm_pt_dir *child[VSVM_HW_TABLE_ENTRIES];
};

/**
 * struct vsvm_pt_block - 2 MiB of a span
 * @table: its leaf table, or NULL; set under the span's lock, read under RCU
 * @live: leaves in @table, under the span's lock
 */
struct vsvm_pt_block {
	struct vsvm_pt_table __rcu *table;
	u16 live;
};

/**
 * struct vsvm_pt_span - the device's part of a span
 * @base: range and lock
 * @link: on &vsvm_pt.spans
 * @dir: the level 2 table
 * @pde: its entries in a level 2 table; written under the lock, except for the
 *	dirty bit, which is the hardware's
 * @gc: some leaf table has become empty; under the lock
 * @block: what each entry points to
 */
struct vsvm_pt_span {
	struct vsvm_svm_span base;
	struct list_head link;
	struct vsvm_pt_dir *dir;
	u64 *pde;
	bool gc;
	struct vsvm_pt_block block[];
};

/**
 * struct vsvm_pt - a page table
 * @dev: for DMA
 * @hw: to flush
 * @asid: its number
 * @lock: guards the upper tables and @spans.  Outside the spans' locks.
 * @root: level 4
 * @spans: all spans
 * @dead: tables that nothing points to any more, waiting for an RCU period
 * @gc_work: frees @dead and tables that became empty
 * @counters: of the mirror
 * @vram_pfn: first page frame that stands for device memory
 * @vram_pages: how many of them
 * @system_atomics: the device's atomic operations on system memory are the CPU's
 * @table_bytes: memory in tables
 * @meta_bytes: other memory
 * @resident_4k: leaves of 4 KiB
 * @resident_2m: leaves of 2 MiB
 */
struct vsvm_pt {
	struct device *dev;
	struct vsvm_hw *hw;
	u32 asid;
	struct mutex lock;	/* upper tables and @spans */
	struct vsvm_pt_dir *root;
	struct list_head spans;
	struct llist_head dead;
	struct delayed_work gc_work;
	struct vsvm_svm_counters __percpu *counters;
	unsigned long vram_pfn;
	unsigned long vram_pages;
	bool system_atomics;
	atomic_long_t table_bytes;
	atomic_long_t meta_bytes;
	atomic_long_t resident_4k;
	atomic_long_t resident_2m;
};

int vsvm_pt_init(struct vsvm_pt *pt, struct device *dev);
void vsvm_pt_fini(struct vsvm_pt *pt);

struct vsvm_pt_table *vsvm_pt_table_create(struct vsvm_pt *pt, gfp_t gfp);
void vsvm_pt_table_destroy(struct vsvm_pt *pt, struct vsvm_pt_table *table);
void vsvm_pt_table_retire(struct vsvm_pt *pt, struct vsvm_pt_table *table);

struct vsvm_pt_span *vsvm_pt_span_create(struct vsvm_pt *pt, unsigned long start,
					 unsigned long end);
void vsvm_pt_span_destroy(struct vsvm_pt *pt, struct vsvm_pt_span *span);
bool vsvm_pt_span_empty(struct vsvm_pt *pt, struct vsvm_pt_span *span);

bool vsvm_pt_mapped(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		    unsigned long address, enum vsvm_svm_access access);
int vsvm_pt_map_atomic_as(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
			  unsigned long address, unsigned long pfn,
			  struct vsvm_pt_table **prepared);
int vsvm_pt_map_as(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
		   unsigned long address, const unsigned long *pfns,
		   unsigned int npages, unsigned int mode,
		   struct vsvm_pt_table **prepared);
int vsvm_pt_map_huge_as(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
			unsigned long address, unsigned long pfn,
			unsigned int mode);
unsigned long vsvm_pt_zap_kind(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
			       unsigned long start, unsigned long end,
			       enum vsvm_svm_place place);
unsigned long vsvm_pt_protect_kind(struct vsvm_pt *pt, struct vsvm_pt_span *span,
				   u64 kind, unsigned long start, unsigned long end);
unsigned long vsvm_pt_zap_all(struct vsvm_pt *pt, struct vsvm_pt_span *span,
			      unsigned long start, unsigned long end);
void vsvm_pt_cut(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		 unsigned long address);
int vsvm_pt_map_bo(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		   unsigned long address, u64 page, unsigned int npages,
		   struct vsvm_pt_table **prepared);
u64 vsvm_pt_lookup(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		   unsigned long address);

/* Shared between pt_map.c and pt_zap.c; all under the span's lock */
bool vsvm_pt_split(struct vsvm_pt *pt, struct vsvm_pt_span *span, unsigned int b,
		   struct vsvm_pt_table *table);
u64 vsvm_pt_address_get(struct vsvm_pt *pt, unsigned long pfn, size_t size);
void vsvm_pt_address_put(struct vsvm_pt *pt, u64 pte, size_t size);
unsigned long vsvm_pt_pfn(struct vsvm_pt *pt, u64 pte);

/* What vsvm_pt_address_get() returns if the device cannot reach the page */
#define VSVM_PT_NO_ADDRESS	(~0ull)

struct vsvm_pt_table *vsvm_pt_prepare(struct vsvm_pt *pt, struct vsvm_pt_span *span,
				      unsigned long address);

static inline struct vsvm_pt_span *to_pt_span(struct vsvm_svm_span *span)
{
	return container_of(span, struct vsvm_pt_span, base);
}

static inline struct vsvm_pt_table *
vsvm_pt_block_table(struct vsvm_pt_span *span, unsigned int b)
{
	return rcu_dereference_protected(span->block[b].table,
					 lockdep_is_held(&span->base.lock));
}

static inline unsigned int vsvm_pt_blocks(const struct vsvm_pt_span *span)
{
	return (span->base.end - span->base.start) >> VSVM_SVM_BLOCK_SHIFT;
}

static inline unsigned int vsvm_pt_block(const struct vsvm_pt_span *span,
					 unsigned long address)
{
	return (address - span->base.start) >> VSVM_SVM_BLOCK_SHIFT;
}

static inline unsigned int vsvm_pt_index(unsigned long address)
{
	return (address >> PAGE_SHIFT) & (VSVM_HW_TABLE_ENTRIES - 1);
}

/* The same for the mirror, and for what belongs to buffer objects */
static inline int vsvm_pt_map_atomic(struct vsvm_pt *pt, struct vsvm_pt_span *span,
				     unsigned long address, unsigned long pfn,
				     struct vsvm_pt_table **prepared)
{
	return vsvm_pt_map_atomic_as(pt, span, 0, address, pfn, prepared);
}

static inline int vsvm_pt_map(struct vsvm_pt *pt, struct vsvm_pt_span *span,
			      unsigned long address, const unsigned long *pfns,
			      unsigned int npages, unsigned int mode,
			      struct vsvm_pt_table **prepared)
{
	return vsvm_pt_map_as(pt, span, 0, address, pfns, npages, mode, prepared);
}

static inline int vsvm_pt_map_huge(struct vsvm_pt *pt, struct vsvm_pt_span *span,
				   unsigned long address, unsigned long pfn,
				   unsigned int mode)
{
	return vsvm_pt_map_huge_as(pt, span, 0, address, pfn, mode);
}

static inline unsigned long vsvm_pt_zap(struct vsvm_pt *pt, struct vsvm_pt_span *span,
					unsigned long start, unsigned long end,
					enum vsvm_svm_place place)
{
	return vsvm_pt_zap_kind(pt, span, 0, start, end, place);
}

static inline unsigned long vsvm_pt_protect(struct vsvm_pt *pt,
					    struct vsvm_pt_span *span,
					    unsigned long start, unsigned long end)
{
	return vsvm_pt_protect_kind(pt, span, 0, start, end);
}

static inline unsigned long vsvm_pt_zap_bo(struct vsvm_pt *pt,
					   struct vsvm_pt_span *span,
					   unsigned long start, unsigned long end)
{
	return vsvm_pt_zap_kind(pt, span, VSVM_PT_BO, start, end, VSVM_SVM_ANYWHERE);
}

#define vsvm_pt_count(pt, stat, n)	this_cpu_add((pt)->counters->v[stat], (n))

#endif
