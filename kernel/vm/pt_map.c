// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing leaves.
 *
 * Only the hardware's dirty bit changes in an entry behind the driver's back,
 * so what is read from an entry under the lock stays true but for that bit.
 */
#include <linux/hmm.h>
#include <linux/export.h>

#include <kunit/visibility.h>

#include "vm/pt.h"

#define VSVM_PT_LEAF_BITS	(VSVM_PTE_VALID | VSVM_PTE_READ | VSVM_PTE_COHERENT)
#define VSVM_PT_WRITE_BITS	(VSVM_PTE_WRITE | VSVM_PTE_ATOMIC)

/* Rights that go with what the process may do with a page */
static u64 vsvm_pt_rights(struct vsvm_pt *pt, unsigned long pfn, unsigned int mode)
{
	u64 pte = VSVM_PT_LEAF_BITS;

	if (mode & VSVM_SVM_MAP_EXEC)
		pte |= VSVM_PTE_EXEC;
	if (mode & VSVM_SVM_MAP_INCOHERENT)
		pte &= ~VSVM_PTE_COHERENT;
	if (!(pfn & HMM_PFN_WRITE) || (mode & VSVM_SVM_MAP_READ_ONLY))
		return pte;
	pte |= VSVM_PTE_WRITE;
	if (pt->system_atomics || (pfn & ~HMM_PFN_FLAGS) - pt->vram_pfn < pt->vram_pages)
		pte |= VSVM_PTE_ATOMIC;
	return pte;
}

/* Add rights to a valid entry: needs no flush */
static bool vsvm_pt_upgrade(struct vsvm_pt *pt, u64 *entry, u64 old, u64 want)
{
	if (!(want & ~old & VSVM_PT_WRITE_BITS))
		return false;
	while (!try_cmpxchg(entry, &old, old | (want & VSVM_PT_WRITE_BITS)))
		;
	vsvm_pt_count(pt, VSVM_STAT_UPGRADED, 1);
	return true;
}

/**
 * vsvm_pt_split() - replace a 2 MiB leaf by a table of 512 equal ones
 * @pt: page table
 * @span: locked
 * @b: block
 * @table: empty, is used up on success
 *
 * The old leaf stays in the TLBs until the caller flushes, and mapped for DMA
 * until it unmaps it after that.
 *
 * Return: false if the pages could not be mapped one by one; nothing changed.
 */
bool vsvm_pt_split(struct vsvm_pt *pt, struct vsvm_pt_span *span, unsigned int b,
		   struct vsvm_pt_table *table)
{
	u64 old = READ_ONCE(span->pde[b]);
	u64 bits = old & ~(VSVM_PTE_ADDR_MASK | VSVM_PTE_LEAF);
	unsigned long pfn = vsvm_pt_pfn(pt, old);
	unsigned int i;

	lockdep_assert_held(&span->base.lock);
	for (i = 0; i < VSVM_HW_TABLE_ENTRIES; i++) {
		u64 page = old & VSVM_PT_BO ?
			(old & VSVM_PTE_ADDR_MASK) + ((u64)i << PAGE_SHIFT) :
			vsvm_pt_address_get(pt, pfn + i, PAGE_SIZE);

		if (page == VSVM_PT_NO_ADDRESS)
			goto undo;
		table->entries[i] = page | bits;
	}
	old = xchg(&span->pde[b], table->bus | VSVM_PTE_VALID);
	/* Written while the table was being filled in */
	if (old & ~bits & VSVM_PTE_DIRTY)
		for (i = 0; i < VSVM_HW_TABLE_ENTRIES; i++)
			atomic64_or(VSVM_PTE_DIRTY, (atomic64_t *)&table->entries[i]);
	rcu_assign_pointer(span->block[b].table, table);
	span->block[b].live = VSVM_HW_TABLE_ENTRIES;
	atomic_long_dec(&pt->resident_2m);
	atomic_long_add(VSVM_HW_TABLE_ENTRIES, &pt->resident_4k);
	vsvm_pt_count(pt, VSVM_STAT_SPLIT_2M, 1);
	return true;

undo:
	while (i--) {
		vsvm_pt_address_put(pt, table->entries[i], PAGE_SIZE);
		table->entries[i] = 0;
	}
	return false;
}

/* Make room for small pages in a block.  0, or -EAGAIN if there is no table for it */
static int vsvm_pt_open_block(struct vsvm_pt *pt, struct vsvm_pt_span *span,
			      unsigned int b, struct vsvm_pt_table **prepared)
{
	u64 pde = span->pde[b];

	if (vsvm_pt_block_table(span, b))
		return 0;
	if (!*prepared)
		return -EAGAIN;
	if (pde & VSVM_PTE_VALID) {
		unsigned long start = span->base.start +
			((unsigned long)b << VSVM_SVM_BLOCK_SHIFT);

		if (!vsvm_pt_split(pt, span, b, *prepared))
			return -EIO;
		vsvm_hw_tlb_invalidate(pt->hw, pt->asid, start,
				       start + VSVM_SVM_BLOCK_SIZE);
		vsvm_pt_address_put(pt, pde, VSVM_SVM_BLOCK_SIZE);
	} else {
		rcu_assign_pointer(span->block[b].table, *prepared);
		span->block[b].live = 0;
		/* The hardware sees an empty table */
		smp_store_release(&span->pde[b],
				  (*prepared)->bus | VSVM_PTE_VALID);
	}
	*prepared = NULL;
	return 0;
}

/** vsvm_pt_map_as() - see &vsvm_svm_ops.map; @kind: whose entries they become */
int vsvm_pt_map_as(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
		   unsigned long address, const unsigned long *pfns,
		   unsigned int npages, unsigned int mode,
		   struct vsvm_pt_table **prepared)
{
	unsigned int b = vsvm_pt_block(span, address);
	unsigned int i, mapped = 0;
	u64 *entry;
	int ret = 0;

	lockdep_assert_held(&span->base.lock);
	for (i = 0; i < npages && !(pfns[i] & HMM_PFN_VALID); i++)
		;
	/* No table for nothing */
	if (i == npages)
		return 0;
	if (span->pde[b] & VSVM_PTE_LEAF) {
		/* One leaf for all, and nobody wants more than it gives */
		for (i = 0; i < npages; i++)
			if ((pfns[i] & HMM_PFN_VALID) &&
			    (vsvm_pt_rights(pt, pfns[i], mode) & ~span->pde[b]))
				break;
		if (i == npages)
			return 0;
	}
	ret = vsvm_pt_open_block(pt, span, b, prepared);
	if (ret)
		return ret;

	entry = &vsvm_pt_block_table(span, b)->entries[vsvm_pt_index(address)];
	for (i = 0; i < npages; i++, entry++) {
		u64 old = READ_ONCE(*entry);
		u64 page;

		if (!(pfns[i] & HMM_PFN_VALID) || (pfns[i] & HMM_PFN_ERROR))
			continue;
		if (old & VSVM_PTE_VALID) {
			vsvm_pt_upgrade(pt, entry, old,
					vsvm_pt_rights(pt, pfns[i], mode));
			continue;
		}
		page = vsvm_pt_address_get(pt, pfns[i] & ~HMM_PFN_FLAGS, PAGE_SIZE);
		if (page == VSVM_PT_NO_ADDRESS) {
			ret = -EIO;
			break;
		}
		/* Whoever sees the entry sees the page's contents */
		smp_store_release(entry, page | kind |
				  vsvm_pt_rights(pt, pfns[i], mode));
		mapped++;
	}
	span->block[b].live += mapped;
	atomic_long_add(mapped, &pt->resident_4k);
	vsvm_pt_count(pt, VSVM_STAT_MAPPED_4K, mapped);
	return ret ?: mapped;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_map_as);

/** vsvm_pt_map_atomic_as() - see &vsvm_svm_ops.map_atomic */
int vsvm_pt_map_atomic_as(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
			  unsigned long address, unsigned long pfn,
			  struct vsvm_pt_table **prepared)
{
	unsigned int b = vsvm_pt_block(span, address);
	u64 old, *entry;
	int ret;

	lockdep_assert_held(&span->base.lock);
	/* A leaf of 2 MiB is split: the right is given for one page */
	ret = vsvm_pt_open_block(pt, span, b, prepared);
	if (ret)
		return ret;
	entry = &vsvm_pt_block_table(span, b)->entries[vsvm_pt_index(address)];
	if (!(READ_ONCE(*entry) & VSVM_PTE_VALID)) {
		ret = vsvm_pt_map_as(pt, span, kind, address, &pfn, 1, 0,
				     prepared);
		if (ret < 0)
			return ret;
	}
	old = READ_ONCE(*entry);
	vsvm_pt_upgrade(pt, entry, old, old | VSVM_PT_WRITE_BITS);
	return 0;
}

/** vsvm_pt_map_huge_as() - see &vsvm_svm_ops.map_huge */
int vsvm_pt_map_huge_as(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
			unsigned long address, unsigned long pfn, unsigned int mode)
{
	unsigned int b = vsvm_pt_block(span, address);
	struct vsvm_pt_table *table = vsvm_pt_block_table(span, b);
	u64 old = READ_ONCE(span->pde[b]);
	u64 page;

	lockdep_assert_held(&span->base.lock);
	if ((old & VSVM_PTE_VALID) && (old & VSVM_PTE_LEAF)) {
		vsvm_pt_upgrade(pt, &span->pde[b], old,
				vsvm_pt_rights(pt, pfn, mode));
		return 0;
	}
	page = vsvm_pt_address_get(pt, pfn & ~HMM_PFN_FLAGS, VSVM_SVM_BLOCK_SIZE);
	if (page == VSVM_PT_NO_ADDRESS)
		return -EIO;
	if (table)
		vsvm_pt_zap_kind(pt, span, kind, address,
				 address + VSVM_SVM_BLOCK_SIZE, VSVM_SVM_ANYWHERE);
	/* Whoever sees the entry sees the page's contents */
	smp_store_release(&span->pde[b],
			  page | kind | vsvm_pt_rights(pt, pfn, mode) |
			  VSVM_PTE_LEAF);
	if (table) {
		RCU_INIT_POINTER(span->block[b].table, NULL);
		/* A walk of the hardware may be in the table */
		vsvm_hw_tlb_invalidate(pt->hw, pt->asid, address,
				       address + VSVM_SVM_BLOCK_SIZE);
		vsvm_pt_table_retire(pt, table);
	}
	atomic_long_inc(&pt->resident_2m);
	vsvm_pt_count(pt, VSVM_STAT_MAPPED_2M, 1);
	return 1;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_map_huge_as);

/**
 * vsvm_pt_map_bo() - map contiguous memory of a buffer object in one block
 * @pt: page table
 * @span: locked
 * @address: first
 * @page: address, aperture and rights of the first page
 * @npages: pages; all of an aligned block are mapped by one leaf
 * @prepared: table from vsvm_pt_prepare(), NULL once it is used up
 *
 * What is mapped already stays.
 * Return: 0, or -EAGAIN if a table turns out to be needed.
 */
int vsvm_pt_map_bo(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		   unsigned long address, u64 page, unsigned int npages,
		   struct vsvm_pt_table **prepared)
{
	unsigned int b = vsvm_pt_block(span, address);
	unsigned int i, mapped = 0;
	u64 *entry;
	int ret;

	lockdep_assert_held(&span->base.lock);
	page |= VSVM_PT_LEAF_BITS | VSVM_PT_BO;
	if (npages == VSVM_SVM_BLOCK_PAGES && !span->pde[b] &&
	    IS_ALIGNED(page & VSVM_PTE_ADDR_MASK, VSVM_SVM_BLOCK_SIZE)) {
		smp_store_release(&span->pde[b], page | VSVM_PTE_LEAF); /* as in vsvm_pt_map() */
		atomic_long_inc(&pt->resident_2m);
		vsvm_pt_count(pt, VSVM_STAT_MAPPED_2M, 1);
		return 0;
	}
	if (span->pde[b] & VSVM_PTE_LEAF)
		return 0;
	ret = vsvm_pt_open_block(pt, span, b, prepared);
	if (ret)
		return ret;
	entry = &vsvm_pt_block_table(span, b)->entries[vsvm_pt_index(address)];
	for (i = 0; i < npages; i++, entry++, page += PAGE_SIZE) {
		if (READ_ONCE(*entry) & VSVM_PTE_VALID)
			continue;
		smp_store_release(entry, page);	/* as in vsvm_pt_map() */
		mapped++;
	}
	span->block[b].live += mapped;
	atomic_long_add(mapped, &pt->resident_4k);
	vsvm_pt_count(pt, VSVM_STAT_MAPPED_4K, mapped);
	return 0;
}
