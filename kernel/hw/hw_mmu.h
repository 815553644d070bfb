/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HW_MMU_H_
#define _VSVM_HW_MMU_H_

#include <linux/mm.h>
#include <linux/preempt.h>

#include "hw/hw_paranoid.h"
#include "hw/hw_priv.h"

/**
 * struct vsvm_hw_walk - what a page walk found
 * @pte: the leaf, with %VSVM_PTE_DIRTY if it was set by the walk
 * @base: of the page, in the kernel's mapping
 * @table: the level 1 table, if the walk got there; NULL else
 * @huge: the page is one of 2 MiB, in one piece; else a 4 KiB page or the
 *	4 KiB of a leaf of 2 MiB that hold the address
 * @level: of the entry that ended the walk
 * @cause: of a fault: &enum vsvm_hw_cause
 */
struct vsvm_hw_walk {
	u64 pte;
	void *base;
	u64 *table;
	bool huge;
	u8 level;
	u8 cause;
};

enum vsvm_hw_trouble_kind vsvm_hw_walk(struct vsvm_hw *hw, dma_addr_t root,
				       u64 *table, u64 address, u8 access,
				       struct vsvm_hw_walk *walk);
void *vsvm_hw_translate_slow(struct vsvm_hw_engine *eng, u64 address, u8 access);

/** vsvm_hw_needs() - bits that a cached leaf must have for an access */
static __always_inline u64 vsvm_hw_needs(u8 access)
{
	switch (access) {
	case VSVM_HW_WRITE:
		return VSVM_PTE_WRITE | VSVM_PTE_DIRTY;
	case VSVM_HW_ATOMIC:
		return VSVM_PTE_READ | VSVM_PTE_WRITE | VSVM_PTE_ATOMIC |
		       VSVM_PTE_DIRTY;
	case VSVM_HW_EXEC:
		return VSVM_PTE_EXEC;
	default:
		return VSVM_PTE_READ;
	}
}

/**
 * vsvm_hw_enter() - begin a block
 * @eng: engine of the calling thread
 *
 * What is translated from here on may be used until vsvm_hw_leave(), and no
 * longer.  A block does not sleep, and is short: somebody may spin for it.
 */
static __always_inline void vsvm_hw_enter(struct vsvm_hw_engine *eng)
{
	preempt_disable();
	/* odd before the TLB and the tables are read; pairs with invalidation */
	smp_store_mb(eng->epoch, eng->epoch + 1);
	if (unlikely(READ_ONCE(eng->hw->config.paranoid)))
		vsvm_hw_paranoid_enter(eng);
}

/** vsvm_hw_leave() - end a block */
static __always_inline void vsvm_hw_leave(struct vsvm_hw_engine *eng)
{
	if (unlikely(eng->watched))
		vsvm_hw_paranoid_leave(eng);
	/* even after the last access; pairs with invalidation */
	smp_store_release(&eng->epoch, eng->epoch + 1);
	preempt_enable();
}

/**
 * vsvm_hw_translate() - find the memory behind an address
 * @eng: engine of the calling thread, within a block
 * @address: less than 1 << %VSVM_HW_VA_BITS
 * @access: &enum vsvm_hw_access
 *
 * For a write the leaf is made dirty before this returns.
 *
 * Return: where it is, good to the end of the 4 KiB page and of the block;
 * NULL with &vsvm_hw_engine.trouble filled in.
 */
static __always_inline void *
vsvm_hw_translate(struct vsvm_hw_engine *eng, u64 address, u8 access)
{
	const u64 needs = vsvm_hw_needs(access);
	const u32 asid = eng->asid->asid;
	struct vsvm_hw_tlb_way *way;

	/* A tag that is there is good, whatever there is of 4 KiB */
	way = vsvm_hw_tlb_find_hint(&eng->tlb, eng->tlb.hint[access != VSVM_HW_READ],
				    asid, address);
	if (way && (way->pte & needs) == needs) {
		if (unlikely(eng->watched))
			vsvm_hw_paranoid_use(eng, way, address);
		eng->counters.hits++;
		return way->base + (address & (BIT_ULL(VSVM_HW_HUGE_SHIFT) - 1));
	}
	way = vsvm_hw_tlb_find(&eng->tlb.small, asid, address);
	if (likely(way && (way->pte & needs) == needs)) {
		if (unlikely(eng->watched))
			vsvm_hw_paranoid_use(eng, way, address);
		eng->counters.hits++;
		return way->base + offset_in_page(address);
	}
	return vsvm_hw_translate_slow(eng, address, access);
}

#endif
