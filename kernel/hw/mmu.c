// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: MMU
 *
 * An engine executes its work in blocks.  A block is a short section, between
 * vsvm_hw_enter() and vsvm_hw_leave(), that cannot be preempted: it looks its
 * translations up in the TLB or walks the page table, accesses the memory, and
 * ends.  No translation is carried from one block to the next but in the TLB.
 *
 * The section makes the engine's epoch odd when it begins and even when it
 * ends.  That is all an invalidation needs to be synchronous: it empties the
 * TLBs, and then waits for every engine whose epoch is odd until it changes.
 * Between making the epoch odd and reading TLB or table there is a full
 * barrier, as there is between emptying the TLB (and before it the driver's
 * write to the table) and reading the epoch.  So either the section sees that
 * the translation has gone, or the invalidation sees the section.
 *
 * The engine never waits for an invalidation, and an invalidation waits for at
 * most one section of each engine that has contexts of the address space.
 *
 * The walk reads each entry once, the leaf always from the table.  Before the
 * first write through a leaf it sets the leaf's dirty bit with a
 * compare-and-exchange against what it read, and walks again if that fails.  A
 * stream of pages has the leaves that follow read ahead, if they are good for
 * the same access: for writing, those that are dirty already.
 */
#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/processor.h>

#include "hw/hw_mmu.h"

/* walks of one translation before the block is left and begun again */
#define WALK_TRIES		4

static_assert(PAGE_SHIFT == VSVM_HW_PAGE_SHIFT);

/* Has a struct page, but nothing behind it. */
static bool is_private_pfn(unsigned long pfn)
{
	/* memory since boot: spares a look at the struct page, a cache miss */
	if (likely(early_section(__pfn_to_section(pfn))))
		return false;
	return is_device_private_page(pfn_to_page(pfn));
}

/* The kernel's mapping of system memory at a bus address, or NULL. */
static void *bus_to_virt(struct vsvm_hw *hw, dma_addr_t bus)
{
	phys_addr_t phys = dma_to_phys(hw->dev, bus);
	unsigned long pfn = PHYS_PFN(phys);

	if (unlikely(!pfn_valid(pfn) || is_private_pfn(pfn)))
		return NULL;
	return phys_to_virt(phys);
}

/* Fill in where the page of a valid leaf is. */
static bool leaf_base(struct vsvm_hw *hw, u64 address, struct vsvm_hw_walk *walk)
{
	const u64 bytes = walk->level == 1 ? BIT_ULL(VSVM_HW_PAGE_SHIFT) :
					     BIT_ULL(VSVM_HW_HUGE_SHIFT);
	u64 target = walk->pte & VSVM_PTE_ADDR_MASK;

	if (target & (bytes - 1) || walk->pte & VSVM_PTE_PEER)
		return false;
	walk->huge = walk->level == 2;

	if (!(walk->pte & VSVM_PTE_VRAM)) {
		walk->base = bus_to_virt(hw, target);
		return walk->base;
	}

	if (target >= hw->config.vram_bytes)
		return false;
	if (walk->huge && hw->chunks[target >> VSVM_HW_HUGE_SHIFT].pages) {
		walk->huge = false;
		target += address & (bytes - 1) & ~(u64)(PAGE_SIZE - 1);
	}
	walk->base = page_address(vsvm_hw_vram_page(hw, target));
	return true;
}

/* From the root to the table that has the leaf, the entry and its level. */
static enum vsvm_hw_trouble_kind
walk_tables(struct vsvm_hw *hw, dma_addr_t root, u64 address,
	    struct vsvm_hw_walk *walk, u64 **slot)
{
	dma_addr_t next = root;
	u64 *table;
	u64 pte;

	for (walk->level = VSVM_HW_LEVELS;; walk->level--) {
		u32 shift = VSVM_HW_PAGE_SHIFT + 9 * (walk->level - 1);

		table = bus_to_virt(hw, next);
		if (!table)
			return VSVM_HW_TROUBLE_ERROR;
		*slot = table + (address >> shift & (VSVM_HW_TABLE_ENTRIES - 1));
		if (walk->level == 1) {
			walk->table = table;
			return VSVM_HW_TROUBLE_NONE;
		}
		pte = READ_ONCE(**slot);
		if (!(pte & VSVM_PTE_VALID)) {
			walk->cause = VSVM_HW_NOT_PRESENT;
			return VSVM_HW_TROUBLE_FAULT;
		}
		if (pte & VSVM_PTE_RESERVED)
			return VSVM_HW_TROUBLE_ERROR;
		if (walk->level == 2 && pte & VSVM_PTE_LEAF) {
			walk->pte = pte;
			return VSVM_HW_TROUBLE_NONE;
		}
		if (pte & (VSVM_PTE_LEAF | VSVM_PTE_VRAM | VSVM_PTE_PEER))
			return VSVM_HW_TROUBLE_ERROR;
		next = pte & VSVM_PTE_ADDR_MASK;
	}
}

static enum vsvm_hw_trouble_kind
walk_once(struct vsvm_hw *hw, dma_addr_t root, u64 *table, u64 address,
	  u8 access, struct vsvm_hw_walk *walk)
{
	const u64 needs = vsvm_hw_needs(access);
	enum vsvm_hw_trouble_kind kind;
	u64 *slot;
	u64 pte;

	walk->table = table;
	if (table) {
		walk->level = 1;
		slot = table + (address >> VSVM_HW_PAGE_SHIFT &
				(VSVM_HW_TABLE_ENTRIES - 1));
	} else {
		kind = walk_tables(hw, root, address, walk, &slot);
		if (kind)
			return kind;
	}
	if (walk->level == 1) {
		walk->pte = READ_ONCE(*slot);
		if (!(walk->pte & VSVM_PTE_VALID)) {
			walk->cause = VSVM_HW_NOT_PRESENT;
			return VSVM_HW_TROUBLE_FAULT;
		}
		if (walk->pte & VSVM_PTE_RESERVED)
			return VSVM_HW_TROUBLE_ERROR;
	}
	pte = walk->pte;

	if (~pte & needs & ~VSVM_PTE_DIRTY) {
		walk->cause = VSVM_HW_PROTECTION;
		return VSVM_HW_TROUBLE_FAULT;
	}
	if (!leaf_base(hw, address, walk))
		return VSVM_HW_TROUBLE_ERROR;
	if (needs & ~pte & VSVM_PTE_DIRTY) {
		if (!try_cmpxchg(slot, &pte, pte | VSVM_PTE_DIRTY))
			return VSVM_HW_TROUBLE_AGAIN;
		walk->pte |= VSVM_PTE_DIRTY;
	}
	return VSVM_HW_TROUBLE_NONE;
}

/**
 * vsvm_hw_walk() - walk a page table
 * @hw: device; no more than @dev, @config and @chunks are used
 * @root: bus address of the level 4 table
 * @table: the level 1 table to begin with if it is known, else NULL
 * @address: to translate
 * @access: &enum vsvm_hw_access
 * @walk: out
 *
 * Return: %VSVM_HW_TROUBLE_NONE with all of @walk filled in;
 * %VSVM_HW_TROUBLE_FAULT with its level and cause, %VSVM_HW_TROUBLE_ERROR or
 * %VSVM_HW_TROUBLE_AGAIN with its level.
 */
enum vsvm_hw_trouble_kind vsvm_hw_walk(struct vsvm_hw *hw, dma_addr_t root,
				       u64 *table, u64 address, u8 access,
				       struct vsvm_hw_walk *walk)
{
	enum vsvm_hw_trouble_kind kind;
	u32 tries = WALK_TRIES;

	do {
		kind = walk_once(hw, root, table, address, access, walk);
	} while (kind == VSVM_HW_TROUBLE_AGAIN && --tries);
	return kind;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_walk);

/*
 * The leaves that a stream comes to next, as far as they are good for the same
 * access as the one in @ways[0].  Return: how many there are with that one.
 */
static u32 read_ahead(struct vsvm_hw *hw, const struct vsvm_hw_tlb_table *table,
		      u64 address, u64 needs, struct vsvm_hw_tlb_way *ways)
{
	u32 room = VSVM_HW_TABLE_ENTRIES - table->next;
	struct vsvm_hw_walk walk = { .level = 1 };
	u32 n;

	needs |= VSVM_PTE_VALID;
	for (n = 1; n < min(room, VSVM_HW_TLB_AHEAD); n++) {
		walk.pte = READ_ONCE(table->entries[table->next + n]);
		if ((walk.pte & needs) != needs || walk.pte & VSVM_PTE_RESERVED ||
		    !leaf_base(hw, address + n * PAGE_SIZE, &walk))
			break;
		ways[n] = ways[0];
		ways[n].pte = walk.pte;
		ways[n].base = walk.base;
	}
	return n;
}

/* Put what was walked for into the TLB. */
static void fill(struct vsvm_hw_engine *eng, struct vsvm_hw_tlb_table *table,
		 u64 address, u64 needs, const struct vsvm_hw_walk *walk,
		 struct vsvm_hw_tlb_way *ways, s64 seen)
{
	u32 index = address >> VSVM_HW_PAGE_SHIFT & (VSVM_HW_TABLE_ENTRIES - 1);
	struct vsvm_hw_tlb *tlb = &eng->tlb;
	struct vsvm_hw_asid *asid = eng->asid;
	struct vsvm_hw_tlb_way *way;
	u32 n = 1;

	if (walk->huge) {
		/* an entry of a 4 KiB page that was there before would hide it */
		way = vsvm_hw_tlb_find(&tlb->small, asid->asid, address);
		if (way)
			WRITE_ONCE(tlb->small.tags[way - tlb->small.ways], 0);
		vsvm_hw_tlb_fill(&tlb->huge, asid->asid, address, ways, 1,
				 &asid->started, seen);
		return;
	}
	if (table) {
		if (index == table->next)
			n = read_ahead(eng->hw, table, address, needs, ways);
		table->next = index + n;
	} else if (walk->table) {
		vsvm_hw_tlb_fill_table(tlb, asid->asid, address, walk->table,
				       &asid->started, seen);
	}
	vsvm_hw_tlb_fill(&tlb->small, asid->asid, address, ways, n,
			 &asid->started, seen);
}

/* The TLB does not know: walk.  Apart, so that who finds something pays for none of it. */
static noinline void *translate_walk(struct vsvm_hw_engine *eng,
				     struct vsvm_hw_tlb_table *table, u64 address,
				     u8 access)
{
	struct vsvm_hw_tlb_way *ways = eng->ahead;
	struct vsvm_hw_asid *asid = eng->asid;
	const u64 needs = vsvm_hw_needs(access);
	struct vsvm_hw_walk walk;
	u64 generation;
	s64 seen;
	u8 kind;

	eng->counters.misses++;
	/*
	 * In this order: an invalidation is counted for the paranoid knob
	 * before it is counted as begun.  All before the walk.
	 */
	seen = atomic64_read_acquire(&asid->started);
	ways[0].walked = atomic64_read_acquire(&eng->hw->paranoid.started);
	ways[0].checked = READ_ONCE(eng->hw->paranoid.head);
	generation = atomic64_read_acquire(&asid->generation);

	kind = vsvm_hw_walk(eng->hw, asid->root, table ? table->entries : NULL,
			    address, access, &walk);
	if (kind && table) {
		/* a fault is a fault of the whole walk */
		table = NULL;
		kind = vsvm_hw_walk(eng->hw, asid->root, NULL, address, access,
				    &walk);
	}
	if (unlikely(kind)) {
		eng->trouble = (struct vsvm_hw_trouble) {
			.kind = kind,
			.error = kind == VSVM_HW_TROUBLE_ERROR ?
				 VSVM_HW_ERROR_RESERVED : VSVM_HW_ERROR_NONE,
			.access = access,
			.cause = kind == VSVM_HW_TROUBLE_FAULT ? walk.cause : 0,
			.level = walk.level,
			.address = address,
			.generation = generation,
		};
		return NULL;
	}

	ways[0].pte = walk.pte;
	ways[0].base = walk.base;
	fill(eng, table, address, needs, &walk, ways, seen);
	if (walk.huge)
		return walk.base + (address & (BIT_ULL(VSVM_HW_HUGE_SHIFT) - 1));
	return walk.base + offset_in_page(address);
}

/** vsvm_hw_translate_slow() - vsvm_hw_translate() when the 4 KiB part does not know */
void *vsvm_hw_translate_slow(struct vsvm_hw_engine *eng, u64 address, u8 access)
{
	struct vsvm_hw_asid *asid = eng->asid;
	const u64 needs = vsvm_hw_needs(access);
	struct vsvm_hw_tlb_table *table;
	struct vsvm_hw_tlb_way *way;

	/* where there is a level 1 table there is no leaf of 2 MiB */
	table = vsvm_hw_tlb_table(&eng->tlb, asid->asid, address);
	if (table)
		return translate_walk(eng, table, address, access);
	way = vsvm_hw_tlb_find(&eng->tlb.huge, asid->asid, address);
	if (unlikely(!way || (way->pte & needs) != needs))
		return translate_walk(eng, NULL, address, access);
	eng->tlb.hint[access != VSVM_HW_READ] = way - eng->tlb.huge.ways;
	if (unlikely(eng->watched))
		vsvm_hw_paranoid_use(eng, way, address);
	eng->counters.hits++;
	return way->base + (address & (BIT_ULL(VSVM_HW_HUGE_SHIFT) - 1));
}

/* Wait until the section that @eng may be in has ended. */
static void wait_section(const struct vsvm_hw_engine *eng)
{
	unsigned long epoch;

	/* what comes after the wait comes after the section's accesses */
	epoch = smp_load_acquire(&eng->epoch);
	if (likely(!(epoch & 1)))
		return;
	/* the same */
	spin_until_cond(smp_load_acquire(&eng->epoch) != epoch);
}

/* see hw.h */
void vsvm_hw_tlb_invalidate(struct vsvm_hw *hw, u32 asid_number, u64 start,
			    u64 end)
{
	struct vsvm_hw_asid *asid = xa_load(&hw->asids, asid_number);
	u32 delay = READ_ONCE(hw->config.tlb_delay_us);
	unsigned long engines;
	unsigned long i;
	u64 until = 0;
	u64 began;

	lockdep_assert(!in_hardirq() && !in_serving_softirq());
	if (WARN_ON_ONCE(!asid))
		return;
	end = min(end, BIT_ULL(VSVM_HW_VA_BITS));
	if (start >= end)
		return;
	if (unlikely(delay))
		until = ktime_get_ns() + (u64)delay * NSEC_PER_USEC;

	began = vsvm_hw_paranoid_begin(hw);
	atomic64_inc(&asid->started);
	/* pairs with the barriers in vsvm_hw_enter() and vsvm_hw_tlb_fill() */
	smp_mb__after_atomic();

	engines = READ_ONCE(asid->engines);
	if (engines) {
		if (!vsvm_hw_sabotage(hw, VSVM_HW_SABOTAGE_DROP)) {
			for_each_set_bit(i, &engines, VSVM_HW_MAX_ENGINES)
				vsvm_hw_tlb_drop(&hw->engines[i].tlb,
						 asid_number, start, end);
		}
		/* no entry left before the epochs are read */
		smp_mb();
		if (!vsvm_hw_sabotage(hw, VSVM_HW_SABOTAGE_WAIT)) {
			for_each_set_bit(i, &engines, VSVM_HW_MAX_ENGINES)
				wait_section(&hw->engines[i]);
		}
	}

	while (unlikely(until) && ktime_get_ns() < until)
		cpu_relax();
	if (unlikely(began))
		vsvm_hw_paranoid_record(hw, asid_number, start, end, began);
	this_cpu_inc(*hw->invalidations);
	atomic64_inc_return_release(&asid->generation);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_tlb_invalidate);
