// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking leaves away, and taking the right to write away from leaves.
 *
 * Both take the same steps: change the entries, flush once, then see to what
 * had to wait for the flush.  After the flush the dirty bits are final: a write
 * that was under way has set its bit, a later one cannot.
 */
#include <linux/mm.h>
#include <linux/export.h>

#include <kunit/visibility.h>

#include "vm/pt.h"

/**
 * struct vsvm_pt_change - one zap or one downgrade
 * @pt: page table
 * @span: locked
 * @start: first address
 * @end: one past the last
 * @protect: take only the right to write
 * @kind: whose entries
 * @all: no matter whose
 * @place: take only what lies there
 * @leaves: changed so far
 * @split: 2 MiB leaves that were split, to be unmapped for DMA
 * @nsplit: of @split; only the first and the last block can be hit in part
 */
struct vsvm_pt_change {
	struct vsvm_pt *pt;
	struct vsvm_pt_span *span;
	unsigned long start;
	unsigned long end;
	bool protect;
	u64 kind;
	bool all;
	enum vsvm_svm_place place;
	unsigned long leaves;
	u64 split[2];
	unsigned int nsplit;
};

static bool vsvm_pt_concerns(const struct vsvm_pt_change *c, u64 pte)
{
	if (!c->all && (pte & VSVM_PT_KIND) != c->kind)
		return false;
	return c->place == VSVM_SVM_ANYWHERE ||
	       (c->place == VSVM_SVM_DEVICE) == !!(pte & VSVM_PTE_VRAM);
}

static bool vsvm_pt_change_entry(struct vsvm_pt_change *c, u64 *entry)
{
	u64 old = READ_ONCE(*entry), new;

	do {
		if (!(old & VSVM_PTE_VALID) || !vsvm_pt_concerns(c, old))
			return false;
		if (c->protect) {
			if (!(old & VSVM_PTE_WRITE))
				return false;
			new = old & ~(VSVM_PTE_WRITE | VSVM_PTE_ATOMIC);
		} else {
			new = (old & ~VSVM_PTE_VALID) | VSVM_PT_ZAPPED;
		}
	} while (!try_cmpxchg(entry, &old, new));
	return true;
}

/* What had to wait for the flush.  Return: whether the entry has become free. */
static bool vsvm_pt_settle_entry(struct vsvm_pt_change *c, u64 *entry, size_t size)
{
	u64 pte = READ_ONCE(*entry);
	bool zapped = pte & VSVM_PT_ZAPPED;

	if (!zapped && (!c->protect || (pte & VSVM_PTE_WRITE)))
		return false;
	if ((pte & VSVM_PTE_DIRTY) && !(pte & VSVM_PT_BO)) {
		vsvm_svm_page_dirty(vsvm_pt_pfn(c->pt, pte), size >> PAGE_SHIFT);
		/* Read-only by now: nobody else writes to the entry */
		if (!zapped)
			WRITE_ONCE(*entry, pte & ~VSVM_PTE_DIRTY);
	}
	if (!zapped)
		return false;
	WRITE_ONCE(*entry, 0);
	vsvm_pt_address_put(c->pt, pte, size);
	return true;
}

/*
 * A 2 MiB leaf that is hit in part is split.  If there is no memory for a table,
 * all of it goes: more than was asked for, never less.
 */
static bool vsvm_pt_change_split(struct vsvm_pt_change *c, unsigned int b)
{
	u64 pde = c->span->pde[b];
	struct vsvm_pt_table *table;

	table = vsvm_pt_table_create(c->pt, GFP_NOWAIT | __GFP_NOWARN);
	if (!table)
		return false;
	if (!vsvm_pt_split(c->pt, c->span, b, table)) {
		vsvm_pt_table_retire(c->pt, table);
		return false;
	}
	c->split[c->nsplit++] = pde;
	return true;
}

static void vsvm_pt_change_block(struct vsvm_pt_change *c, unsigned int b,
				 unsigned long from, unsigned long to)
{
	u64 pde = READ_ONCE(c->span->pde[b]);
	struct vsvm_pt_table *table;
	unsigned int i, end;

	if (!(pde & VSVM_PTE_VALID))
		return;
	if (pde & VSVM_PTE_LEAF) {
		if ((c->protect && !(pde & VSVM_PTE_WRITE)) || !vsvm_pt_concerns(c, pde))
			return;
		if (to - from == VSVM_SVM_BLOCK_SIZE || !vsvm_pt_change_split(c, b)) {
			c->leaves += vsvm_pt_change_entry(c, &c->span->pde[b]);
			return;
		}
	} else if (!c->span->block[b].live) {
		return;
	}
	table = vsvm_pt_block_table(c->span, b);
	end = vsvm_pt_index(to - PAGE_SIZE) + 1;
	for (i = vsvm_pt_index(from); i < end; i++)
		c->leaves += vsvm_pt_change_entry(c, &table->entries[i]);
}

static void vsvm_pt_settle_block(struct vsvm_pt_change *c, unsigned int b,
				 unsigned long from, unsigned long to)
{
	struct vsvm_pt_table *table = vsvm_pt_block_table(c->span, b);
	unsigned int i, end, gone = 0;

	if (c->span->pde[b] & VSVM_PTE_LEAF) {
		if (vsvm_pt_settle_entry(c, &c->span->pde[b], VSVM_SVM_BLOCK_SIZE)) {
			atomic_long_dec(&c->pt->resident_2m);
			vsvm_pt_count(c->pt, VSVM_STAT_ZAPPED_2M, 1);
		}
		return;
	}
	if (!table)
		return;
	end = vsvm_pt_index(to - PAGE_SIZE) + 1;
	for (i = vsvm_pt_index(from); i < end; i++)
		gone += vsvm_pt_settle_entry(c, &table->entries[i], PAGE_SIZE);
	if (!gone)
		return;
	c->span->block[b].live -= gone;
	atomic_long_sub(gone, &c->pt->resident_4k);
	vsvm_pt_count(c->pt, VSVM_STAT_ZAPPED_4K, gone);
	if (!c->span->block[b].live) {
		c->span->gc = true;
		queue_delayed_work(system_dfl_wq, &c->pt->gc_work,
				   msecs_to_jiffies(100));
	}
}

static void vsvm_pt_change_each(struct vsvm_pt_change *c,
				void (*fn)(struct vsvm_pt_change *c, unsigned int b,
					   unsigned long from, unsigned long to))
{
	unsigned long from, to;

	for (from = c->start; from < c->end; from = to) {
		to = min(c->end, ALIGN(from + 1, VSVM_SVM_BLOCK_SIZE));
		fn(c, vsvm_pt_block(c->span, from), from, to);
	}
}

static unsigned long vsvm_pt_change(struct vsvm_pt_change *c)
{
	lockdep_assert_held(&c->span->base.lock);
	c->start = ALIGN_DOWN(c->start, PAGE_SIZE);
	c->end = PAGE_ALIGN(c->end);
	vsvm_pt_change_each(c, vsvm_pt_change_block);
	if (!c->leaves && !c->nsplit)
		return 0;
	vsvm_hw_tlb_invalidate(c->pt->hw, c->pt->asid, c->start, c->end);
	vsvm_pt_count(c->pt, VSVM_STAT_TLB_FLUSHES, 1);
	vsvm_pt_change_each(c, vsvm_pt_settle_block);
	while (c->nsplit)
		vsvm_pt_address_put(c->pt, c->split[--c->nsplit], VSVM_SVM_BLOCK_SIZE);
	return c->leaves;
}

/** vsvm_pt_zap_kind() - see &vsvm_svm_ops.zap; @kind: whose entries */
unsigned long vsvm_pt_zap_kind(struct vsvm_pt *pt, struct vsvm_pt_span *span, u64 kind,
			       unsigned long start, unsigned long end,
			       enum vsvm_svm_place place)
{
	struct vsvm_pt_change c = {
		.pt = pt, .span = span, .kind = kind,
		.start = start, .end = end, .place = place,
	};

	return vsvm_pt_change(&c);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_zap_kind);

/** vsvm_pt_zap_all() - the same, no matter whose they are */
unsigned long vsvm_pt_zap_all(struct vsvm_pt *pt, struct vsvm_pt_span *span,
			      unsigned long start, unsigned long end)
{
	struct vsvm_pt_change c = {
		.pt = pt, .span = span, .start = start, .end = end, .all = true,
	};

	return vsvm_pt_change(&c);
}

/** vsvm_pt_protect_kind() - see &vsvm_svm_ops.protect; @kind: whose entries */
unsigned long vsvm_pt_protect_kind(struct vsvm_pt *pt, struct vsvm_pt_span *span,
				   u64 kind, unsigned long start, unsigned long end)
{
	struct vsvm_pt_change c = {
		.pt = pt, .span = span, .kind = kind,
		.start = start, .end = end, .protect = true,
	};
	unsigned long leaves = vsvm_pt_change(&c);

	if (leaves)
		vsvm_pt_count(pt, VSVM_STAT_DOWNGRADED, leaves);
	return leaves;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_protect_kind);

/**
 * vsvm_pt_cut() - have no 2 MiB leaf of the mirror's cross an address
 * @pt: page table
 * @span: locked
 * @address: page aligned
 *
 * Without memory for a table the leaf goes.
 */
void vsvm_pt_cut(struct vsvm_pt *pt, struct vsvm_pt_span *span,
		 unsigned long address)
{
	unsigned long start = ALIGN_DOWN(address, VSVM_SVM_BLOCK_SIZE);
	unsigned int b = vsvm_pt_block(span, address);
	struct vsvm_pt_change c = {
		.pt = pt, .span = span, .start = start,
		.end = start + VSVM_SVM_BLOCK_SIZE,
	};
	u64 pde = READ_ONCE(span->pde[b]);

	lockdep_assert_held(&span->base.lock);
	if (start == address || !(pde & VSVM_PTE_VALID) || !(pde & VSVM_PTE_LEAF) ||
	    (pde & VSVM_PT_KIND))
		return;
	if (!vsvm_pt_change_split(&c, b)) {
		vsvm_pt_change(&c);
		return;
	}
	vsvm_hw_tlb_invalidate(pt->hw, pt->asid, c.start, c.end);
	vsvm_pt_count(pt, VSVM_STAT_TLB_FLUSHES, 1);
	vsvm_pt_address_put(pt, c.split[0], VSVM_SVM_BLOCK_SIZE);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_pt_cut);
