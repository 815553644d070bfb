// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables: their memory, their tree, their collection.
 *
 * A leaf table that has become empty is not freed at once: what was unmapped is
 * often mapped again soon.  A worker collects the empty ones a little later.
 * Looks without a lock (vsvm_pt_mapped()) may still be reading a table that was
 * taken out, hence the RCU period; walks of the hardware are over when the
 * flush returns that follows the clearing of the entry.
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/export.h>

#include <kunit/visibility.h>

#include "vm/pt.h"

/* How long an empty leaf table is kept */
#define VSVM_PT_GC_DELAY	msecs_to_jiffies(100)

/*
 * Every page is mapped on its own and may be mapped by several address spaces
 * at once, which only a coherent mapping allows.
 */
#define VSVM_PT_DMA_ATTRS	DMA_ATTR_REQUIRE_COHERENT

/**
 * vsvm_pt_address_get() - make pages accessible to the device
 * @pt: page table
 * @pfn: first page, of system or of device memory
 * @size: bytes, contiguous
 *
 * Context: any.
 * Return: address and aperture for a leaf, or %VSVM_PT_NO_ADDRESS.
 */
u64 vsvm_pt_address_get(struct vsvm_pt *pt, unsigned long pfn, size_t size)
{
	dma_addr_t bus;

	if (pfn - pt->vram_pfn < pt->vram_pages)
		return PFN_PHYS(pfn - pt->vram_pfn) | VSVM_PTE_VRAM;
	bus = dma_map_phys(pt->dev, PFN_PHYS(pfn), size, DMA_BIDIRECTIONAL,
			   VSVM_PT_DMA_ATTRS);
	return dma_mapping_error(pt->dev, bus) ? VSVM_PT_NO_ADDRESS : bus;
}

/** vsvm_pt_address_put() - the same back; @pte holds what was returned; any context */
void vsvm_pt_address_put(struct vsvm_pt *pt, u64 pte, size_t size)
{
	if (!(pte & (VSVM_PTE_VRAM | VSVM_PT_BO)))
		dma_unmap_phys(pt->dev, pte & VSVM_PTE_ADDR_MASK, size,
			       DMA_BIDIRECTIONAL, VSVM_PT_DMA_ATTRS);
}

/** vsvm_pt_pfn() - the page behind a leaf; any context */
unsigned long vsvm_pt_pfn(struct vsvm_pt *pt, u64 pte)
{
	u64 address = pte & VSVM_PTE_ADDR_MASK;

	if (pte & VSVM_PTE_VRAM)
		return pt->vram_pfn + PHYS_PFN(address);
	return PHYS_PFN(dma_to_phys(pt->dev, address));
}

static int vsvm_pt_table_init(struct vsvm_pt *pt, struct vsvm_pt_table *table,
			      gfp_t gfp)
{
	table->entries = dma_alloc_coherent(pt->dev, PAGE_SIZE, &table->bus, gfp);
	if (!table->entries)
		return -ENOMEM;
	atomic_long_add(PAGE_SIZE, &pt->table_bytes);
	return 0;
}

static void vsvm_pt_table_fini(struct vsvm_pt *pt, struct vsvm_pt_table *table)
{
	dma_free_coherent(pt->dev, PAGE_SIZE, table->entries, table->bus);
	atomic_long_sub(PAGE_SIZE, &pt->table_bytes);
}

/**
 * vsvm_pt_table_create() - allocate an empty leaf table
 * @pt: page table
 * @gfp: GFP_KERNEL_ACCOUNT, or GFP_NOWAIT under a span's lock
 *
 * Return: the table or NULL.
 */
struct vsvm_pt_table *vsvm_pt_table_create(struct vsvm_pt *pt, gfp_t gfp)
{
	struct vsvm_pt_table *table = kmalloc_obj(*table, gfp);

	if (!table)
		return NULL;
	if (vsvm_pt_table_init(pt, table, gfp)) {
		kfree(table);
		return NULL;
	}
	atomic_long_add(sizeof(*table), &pt->meta_bytes);
	return table;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_table_create);

/** vsvm_pt_table_destroy() - free a leaf table that nobody can reach; may sleep */
void vsvm_pt_table_destroy(struct vsvm_pt *pt, struct vsvm_pt_table *table)
{
	if (!table)
		return;
	vsvm_pt_table_fini(pt, table);
	atomic_long_sub(sizeof(*table), &pt->meta_bytes);
	kfree(table);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_table_destroy);

/**
 * vsvm_pt_table_retire() - free a leaf table later
 * @pt: page table
 * @table: out of the tree and flushed, but perhaps still being looked at
 *
 * Context: any.
 */
void vsvm_pt_table_retire(struct vsvm_pt *pt, struct vsvm_pt_table *table)
{
	llist_add(&table->dead, &pt->dead);
	queue_delayed_work(system_dfl_wq, &pt->gc_work, VSVM_PT_GC_DELAY);
}

/* Take the empty tables of a span out of the tree */
static void vsvm_pt_span_collect(struct vsvm_pt *pt, struct vsvm_pt_span *span)
{
	struct vsvm_pt_table *table;
	unsigned int b;
	bool any = false;
	LLIST_HEAD(empty);

	mutex_lock(&span->base.lock);
	if (span->gc) {
		span->gc = false;
		for (b = 0; b < vsvm_pt_blocks(span); b++) {
			table = vsvm_pt_block_table(span, b);
			if (!table || span->block[b].live)
				continue;
			WRITE_ONCE(span->pde[b], 0);
			RCU_INIT_POINTER(span->block[b].table, NULL);
			__llist_add(&table->dead, &empty);
			any = true;
		}
	}
	if (any) {
		struct llist_node *first = __llist_del_all(&empty);
		struct vsvm_pt_table *next;

		vsvm_hw_tlb_invalidate(pt->hw, pt->asid, span->base.start,
				       span->base.end);
		llist_for_each_entry_safe(table, next, first, dead)
			llist_add(&table->dead, &pt->dead);
	}
	mutex_unlock(&span->base.lock);
}

static void vsvm_pt_free_dead(struct vsvm_pt *pt)
{
	struct llist_node *dead = llist_del_all(&pt->dead);
	struct vsvm_pt_table *table, *next;

	if (!dead)
		return;
	synchronize_rcu();
	llist_for_each_entry_safe(table, next, dead, dead)
		vsvm_pt_table_destroy(pt, table);
}

static void vsvm_pt_gc(struct work_struct *work)
{
	struct vsvm_pt *pt = container_of(work, struct vsvm_pt, gc_work.work);
	struct vsvm_pt_span *span;

	mutex_lock(&pt->lock);
	list_for_each_entry(span, &pt->spans, link)
		if (READ_ONCE(span->gc))
			vsvm_pt_span_collect(pt, span);
	mutex_unlock(&pt->lock);
	vsvm_pt_free_dead(pt);
}

static struct vsvm_pt_dir *vsvm_pt_dir_create(struct vsvm_pt *pt)
{
	struct vsvm_pt_dir *dir = kzalloc_obj(*dir, GFP_KERNEL_ACCOUNT);

	if (!dir)
		return NULL;
	if (vsvm_pt_table_init(pt, &dir->table, GFP_KERNEL_ACCOUNT)) {
		kfree(dir);
		return NULL;
	}
	atomic_long_add(sizeof(*dir), &pt->meta_bytes);
	return dir;
}

static void vsvm_pt_dir_destroy(struct vsvm_pt *pt, struct vsvm_pt_dir *dir)
{
	vsvm_pt_table_fini(pt, &dir->table);
	atomic_long_sub(sizeof(*dir), &pt->meta_bytes);
	kfree(dir);
}

static unsigned int vsvm_pt_dir_index(unsigned long address, unsigned int level)
{
	return (address >> (VSVM_HW_PAGE_SHIFT + 9 * (level - 1))) &
	       (VSVM_HW_TABLE_ENTRIES - 1);
}

/* Go down one level, making what is missing */
static struct vsvm_pt_dir *vsvm_pt_descend(struct vsvm_pt *pt,
					   struct vsvm_pt_dir *dir,
					   unsigned int index)
{
	lockdep_assert_held(&pt->lock);
	if (!dir->child[index]) {
		struct vsvm_pt_dir *child = vsvm_pt_dir_create(pt);

		if (!child)
			return NULL;
		dir->child[index] = child;
		dir->used++;
		/* The hardware sees an empty table */
		smp_store_release(&dir->table.entries[index],
				  child->table.bus | VSVM_PTE_VALID);
	}
	return dir->child[index];
}

/* A span below a table of level 2 has gone: take out the tables that are of no more use */
static void vsvm_pt_ascend(struct vsvm_pt *pt, unsigned long address)
{
	struct vsvm_pt_dir *path[VSVM_HW_LEVELS + 1], *unused[VSVM_HW_LEVELS];
	unsigned int level, i, n = 0;

	lockdep_assert_held(&pt->lock);
	path[VSVM_HW_LEVELS] = pt->root;
	for (level = VSVM_HW_LEVELS; level > 2; level--) {
		path[level - 1] = path[level]->child[vsvm_pt_dir_index(address, level)];
		if (!path[level - 1])
			break;
	}
	for (; level <= VSVM_HW_LEVELS; level++) {
		struct vsvm_pt_dir *dir = path[level];

		if (!dir || dir->used || dir == pt->root)
			break;
		i = vsvm_pt_dir_index(address, level + 1);
		WRITE_ONCE(path[level + 1]->table.entries[i], 0);
		path[level + 1]->child[i] = NULL;
		path[level + 1]->used--;
		unused[n++] = dir;
	}
	if (!n)
		return;
	/* A walk of the hardware may be in them */
	vsvm_hw_tlb_invalidate(pt->hw, pt->asid, address, address + PAGE_SIZE);
	while (n--)
		vsvm_pt_dir_destroy(pt, unused[n]);
}

/**
 * vsvm_pt_span_create() - make the upper tables and the record of a span
 * @pt: page table
 * @start: aligned to the size
 * @end: one past the last address; at most 1 GiB from @start
 *
 * Return: the span or NULL.  May sleep.
 */
struct vsvm_pt_span *vsvm_pt_span_create(struct vsvm_pt *pt, unsigned long start,
					 unsigned long end)
{
	unsigned int nblocks = (end - start) >> VSVM_SVM_BLOCK_SHIFT;
	struct vsvm_pt_span *span;
	struct vsvm_pt_dir *dir;
	unsigned int level;

	span = kzalloc_flex(*span, block, nblocks, GFP_KERNEL_ACCOUNT);
	if (!span)
		return NULL;
	mutex_init(&span->base.lock);
	span->base.start = start;
	span->base.end = end;

	mutex_lock(&pt->lock);
	dir = pt->root;
	for (level = VSVM_HW_LEVELS; dir && level > 2; level--)
		dir = vsvm_pt_descend(pt, dir, vsvm_pt_dir_index(start, level));
	if (dir) {
		span->pde = &dir->table.entries[vsvm_pt_dir_index(start, 2)];
		span->dir = dir;
		dir->used++;
		list_add(&span->link, &pt->spans);
	} else {
		/* What was made before there was no more memory */
		vsvm_pt_ascend(pt, start);
	}
	mutex_unlock(&pt->lock);
	if (!dir) {
		kfree(span);
		return NULL;
	}
	atomic_long_add(struct_size(span, block, nblocks), &pt->meta_bytes);
	return span;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_span_create);

/** vsvm_pt_span_destroy() - free a span in which nothing is mapped; may sleep */
void vsvm_pt_span_destroy(struct vsvm_pt *pt, struct vsvm_pt_span *span)
{
	mutex_lock(&pt->lock);
	list_del(&span->link);
	span->gc = true;
	vsvm_pt_span_collect(pt, span);
	span->dir->used--;
	vsvm_pt_ascend(pt, span->base.start);
	mutex_unlock(&pt->lock);
	if (!llist_empty(&pt->dead))
		queue_delayed_work(system_dfl_wq, &pt->gc_work, VSVM_PT_GC_DELAY);
	atomic_long_sub(struct_size(span, block, vsvm_pt_blocks(span)),
			&pt->meta_bytes);
	mutex_destroy(&span->base.lock);
	kfree(span);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_span_destroy);

/** vsvm_pt_span_empty() - see &vsvm_svm_ops.span_empty */
bool vsvm_pt_span_empty(struct vsvm_pt *pt, struct vsvm_pt_span *span)
{
	unsigned int b;

	lockdep_assert_held(&span->base.lock);
	for (b = 0; b < vsvm_pt_blocks(span); b++)
		if (span->pde[b] & VSVM_PTE_LEAF || span->block[b].live)
			return false;
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_span_empty);

/**
 * vsvm_pt_init() - an empty page table
 * @pt: zeroed; hw, asid and counters are to be filled in before the first span
 * @dev: that the hardware does DMA for
 *
 * Return: 0 or -ENOMEM.  May sleep.
 */
int vsvm_pt_init(struct vsvm_pt *pt, struct device *dev)
{
	pt->dev = dev;
	mutex_init(&pt->lock);
	INIT_LIST_HEAD(&pt->spans);
	init_llist_head(&pt->dead);
	INIT_DELAYED_WORK(&pt->gc_work, vsvm_pt_gc);
	pt->root = vsvm_pt_dir_create(pt);
	return pt->root ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_init);

/** vsvm_pt_fini() - free; no span is left and the hardware does not know it any more */
void vsvm_pt_fini(struct vsvm_pt *pt)
{
	if (!pt->root)
		return;
	cancel_delayed_work_sync(&pt->gc_work);
	vsvm_pt_free_dead(pt);
	vsvm_pt_dir_destroy(pt, pt->root);
	pt->root = NULL;
	mutex_destroy(&pt->lock);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_fini);

/**
 * vsvm_pt_prepare() - get the table that small pages in a block may need
 * @pt: page table
 * @span: of the address
 * @address: in the block
 *
 * Context: may sleep, no lock held.
 * Return: NULL if there is one already, a table for vsvm_pt_table_destroy() if
 * it is not used up, or ERR_PTR(-ENOMEM).
 */
struct vsvm_pt_table *vsvm_pt_prepare(struct vsvm_pt *pt, struct vsvm_pt_span *span,
				      unsigned long address)
{
	if (rcu_access_pointer(span->block[vsvm_pt_block(span, address)].table))
		return NULL;
	return vsvm_pt_table_create(pt, GFP_KERNEL_ACCOUNT) ?: ERR_PTR(-ENOMEM);
}

/**
 * vsvm_pt_lookup() - the entry that translates an address
 * @pt: page table
 * @span: of the address
 * @address: any
 *
 * Context: under the span's lock or rcu_read_lock(), when it is but a snapshot.
 * Return: the leaf, with %VSVM_PTE_LEAF if it is one of 2 MiB; 0 if none.
 */
u64 vsvm_pt_lookup(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		   unsigned long address)
{
	unsigned int b = vsvm_pt_block(span, address);
	u64 pde = READ_ONCE(span->pde[b]);
	struct vsvm_pt_table *table;
	u64 pte;

	if (!(pde & VSVM_PTE_VALID))
		return 0;
	if (pde & VSVM_PTE_LEAF)
		return pde;
	table = rcu_dereference_check(span->block[b].table,
				      lockdep_is_held(&span->base.lock));
	if (!table)
		return 0;
	pte = READ_ONCE(table->entries[vsvm_pt_index(address)]);
	return pte & VSVM_PTE_VALID ? pte : 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_lookup);

/** vsvm_pt_mapped() - see &vsvm_svm_ops.mapped */
bool vsvm_pt_mapped(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		    unsigned long address, enum vsvm_svm_access access)
{
	static const u64 needs[] = {
		[VSVM_SVM_READ] = VSVM_PTE_VALID,
		[VSVM_SVM_WRITE] = VSVM_PTE_WRITE,
		[VSVM_SVM_ATOMIC] = VSVM_PTE_ATOMIC,
	};
	u64 pte;

	rcu_read_lock();
	pte = vsvm_pt_lookup(pt, span, address);
	rcu_read_unlock();
	return pte & needs[access];
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_mapped);
