/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HW_TLB_H_
#define _VSVM_HW_TLB_H_

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/types.h>

#define VSVM_HW_TLB_WAYS	4
/* most entries that are filled in at once: of a stream */
#define VSVM_HW_TLB_AHEAD	8

/* A tag is page number, asid and a bit that says valid; 0 is an empty way. */
#define VSVM_HW_TAG_PAGE_SHIFT	17
#define VSVM_HW_TAG_ASID_MASK	0x1ffffull

/**
 * struct vsvm_hw_tlb_way - what a TLB knows of a page
 * @pte: the leaf as it was used, %VSVM_PTE_DIRTY set if the table's is known to be
 * @base: where the page is, in the kernel's mapping
 * @walked: paranoid: invalidations begun before the walk
 * @checked: paranoid: records that this entry has been compared with
 *
 * Only the owner of the TLB reads or writes ways.
 */
struct vsvm_hw_tlb_way {
	u64 pte;
	void *base;
	u64 walked;
	u64 checked;
};

/**
 * struct vsvm_hw_tlb_part - entries of one page size
 * @tags: VSVM_HW_TLB_WAYS of each set.  Written by the owner; anyone may write
 *	0, which drops the entry
 * @ways: what belongs to them
 * @mask: sets - 1
 * @turn: owner: which way to replace next
 * @shift: log2 of the page size
 */
struct vsvm_hw_tlb_part {
	u64 *tags;
	struct vsvm_hw_tlb_way *ways;
	u32 mask;
	u32 turn;
	u8 shift;
};

/* level 1 tables that a TLB remembers */
#define VSVM_HW_TABLES		4

/**
 * struct vsvm_hw_tlb_table - a level 1 table to begin a walk with
 * @tag: as that of a way; the page is one of 2 MiB
 * @entries: owner: the table, in the kernel's mapping
 * @next: owner: which entry comes next if this is a stream
 */
struct vsvm_hw_tlb_table {
	u64 tag;
	u64 *entries;
	u32 next;
};

/**
 * struct vsvm_hw_tlb - a TLB
 * @small: 4 KiB pages
 * @huge: 2 MiB pages
 * @tables: level 1 tables; any invalidation of an address space drops all of it
 * @turn: owner: which table to replace next
 * @hint: owner: the 2 MiB entry that was found last, for reading and for others:
 *	where to look first.  Only the tag that is there says what it is worth
 */
struct vsvm_hw_tlb {
	struct vsvm_hw_tlb_part small;
	struct vsvm_hw_tlb_part huge;
	struct vsvm_hw_tlb_table tables[VSVM_HW_TABLES];
	u32 turn;
	u32 hint[2];
};

static __always_inline u64 vsvm_hw_tlb_tag(u64 page, u32 asid)
{
	return page << VSVM_HW_TAG_PAGE_SHIFT | asid << 1 | 1;
}

static __always_inline u32
vsvm_hw_tlb_set(const struct vsvm_hw_tlb_part *part, u64 page, u32 asid)
{
	return ((u32)page + asid * 41) & part->mask;
}

/** vsvm_hw_tlb_find() - look an address up; the owner only, within a section */
static __always_inline struct vsvm_hw_tlb_way *
vsvm_hw_tlb_find(const struct vsvm_hw_tlb_part *part, u32 asid, u64 address)
{
	u64 page = address >> part->shift;
	u64 tag = vsvm_hw_tlb_tag(page, asid);
	u32 first = vsvm_hw_tlb_set(part, page, asid) * VSVM_HW_TLB_WAYS;
	u32 way;

	for (way = first; way < first + VSVM_HW_TLB_WAYS; way++) {
		if (READ_ONCE(part->tags[way]) == tag)
			return &part->ways[way];
	}
	return NULL;
}

/** vsvm_hw_tlb_find_hint() - the entry of 2 MiB for an address if it is where it was last */
static __always_inline struct vsvm_hw_tlb_way *
vsvm_hw_tlb_find_hint(const struct vsvm_hw_tlb *tlb, u32 hint, u32 asid, u64 address)
{
	const struct vsvm_hw_tlb_part *part = &tlb->huge;

	if (READ_ONCE(part->tags[hint]) ==
	    vsvm_hw_tlb_tag(address >> VSVM_HW_HUGE_SHIFT, asid))
		return &part->ways[hint];
	return NULL;
}

/** vsvm_hw_tlb_table() - level 1 table for an address, or NULL; as vsvm_hw_tlb_find() */
static __always_inline struct vsvm_hw_tlb_table *
vsvm_hw_tlb_table(struct vsvm_hw_tlb *tlb, u32 asid, u64 address)
{
	u64 tag = vsvm_hw_tlb_tag(address >> VSVM_HW_HUGE_SHIFT, asid);
	struct vsvm_hw_tlb_table *table;

	for (table = tlb->tables; table < tlb->tables + VSVM_HW_TABLES; table++) {
		if (READ_ONCE(table->tag) == tag)
			return table;
	}
	return NULL;
}

int vsvm_hw_tlb_init(struct vsvm_hw_tlb *tlb, u32 sets, u32 huge_sets);
void vsvm_hw_tlb_fini(struct vsvm_hw_tlb *tlb);
void vsvm_hw_tlb_fill(struct vsvm_hw_tlb_part *part, u32 asid, u64 address,
		      const struct vsvm_hw_tlb_way *new, u32 count,
		      const atomic64_t *started, s64 seen);
void vsvm_hw_tlb_fill_table(struct vsvm_hw_tlb *tlb, u32 asid, u64 address,
			    u64 *entries, const atomic64_t *started, s64 seen);
void vsvm_hw_tlb_drop(struct vsvm_hw_tlb *tlb, u32 asid, u64 start, u64 end);

#endif
