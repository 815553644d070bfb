// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: TLB
 *
 * Each engine has one, of two parts: 4 KiB and 2 MiB pages.  It takes no lock.
 * The engine that owns it looks up and fills; whoever invalidates may empty a
 * way by storing 0 in its tag, and nothing else.  A store that comes late, when
 * the owner has put another page there, drops an innocent entry: a miss more,
 * no harm.
 *
 * What must never happen is an entry that is read from the page table before
 * an invalidation and filled in behind its back.  The owner notes how many
 * invalidations of the address space have begun before it walks, stores the
 * tag, and looks at the number again: if it has moved, the entry goes.  The
 * other side adds to the number first and looks at the tags after, with a full
 * barrier in between on both sides, so one of the two sees the other.
 *
 * Besides pages, a TLB remembers a few level 1 tables, so that a walk can begin
 * where it ends.  The same rules hold for them, but for their life: a table may
 * be freed after any invalidation that began when nothing led to it any more,
 * so any invalidation of the address space drops them all.
 */
#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/slab.h>

#include "hw/hw.h"
#include "hw/hw_tlb.h"

static int part_init(struct vsvm_hw_tlb_part *part, u32 sets, u8 shift)
{
	size_t ways = (size_t)sets * VSVM_HW_TLB_WAYS;

	part->tags = kvzalloc_objs(*part->tags, ways);
	part->ways = kvzalloc_objs(*part->ways, ways);
	if (!part->tags || !part->ways)
		return -ENOMEM;
	part->mask = sets - 1;
	part->shift = shift;
	return 0;
}

static void part_fini(struct vsvm_hw_tlb_part *part)
{
	kvfree(part->tags);
	kvfree(part->ways);
}

/** vsvm_hw_tlb_fini() - free what vsvm_hw_tlb_init() allocated, all or a part */
void vsvm_hw_tlb_fini(struct vsvm_hw_tlb *tlb)
{
	part_fini(&tlb->small);
	part_fini(&tlb->huge);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_tlb_fini);

/**
 * vsvm_hw_tlb_init() - an empty TLB
 * @tlb: zeroed
 * @sets: of 4 KiB entries, a power of two
 * @huge_sets: of 2 MiB entries, a power of two
 *
 * Return: 0 or -ENOMEM, with vsvm_hw_tlb_fini() to be called in both cases.
 */
int vsvm_hw_tlb_init(struct vsvm_hw_tlb *tlb, u32 sets, u32 huge_sets)
{
	int ret;

	ret = part_init(&tlb->small, sets, VSVM_HW_PAGE_SHIFT);
	if (ret)
		return ret;
	return part_init(&tlb->huge, huge_sets, VSVM_HW_HUGE_SHIFT);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_tlb_init);

/*
 * Put an entry in: where the page already has one, else in an empty way, else
 * in each way of the set in turn.  Return: which way.
 */
static u32 put(struct vsvm_hw_tlb_part *part, u32 asid, u64 page,
	       const struct vsvm_hw_tlb_way *new)
{
	u64 tag = vsvm_hw_tlb_tag(page, asid);
	u32 first = vsvm_hw_tlb_set(part, page, asid) * VSVM_HW_TLB_WAYS;
	u32 victim = U32_MAX;
	u32 way;

	for (way = first; way < first + VSVM_HW_TLB_WAYS; way++) {
		u64 old = READ_ONCE(part->tags[way]);

		if (old == tag) {
			victim = way;
			break;
		}
		/* the first one: it is what a look-up comes to first */
		if (!old && victim == U32_MAX)
			victim = way;
	}
	if (victim == U32_MAX)
		victim = first + part->turn++ % VSVM_HW_TLB_WAYS;

	part->ways[victim] = *new;
	WRITE_ONCE(part->tags[victim], tag);
	return victim;
}

/**
 * vsvm_hw_tlb_fill() - put entries in
 * @part: of the TLB of the calling engine
 * @asid: address space
 * @address: that was walked for
 * @new: entries of its page and of those that follow
 * @count: how many, 1 to %VSVM_HW_TLB_AHEAD
 * @started: invalidations of the address space begun
 * @seen: what it was before the walk
 */
void vsvm_hw_tlb_fill(struct vsvm_hw_tlb_part *part, u32 asid, u64 address,
		      const struct vsvm_hw_tlb_way *new, u32 count,
		      const atomic64_t *started, s64 seen)
{
	u64 page = address >> part->shift;
	u32 ways[VSVM_HW_TLB_AHEAD];
	u32 i;

	for (i = 0; i < count; i++)
		ways[i] = put(part, asid, page + i, &new[i]);
	/* pairs with the barrier in vsvm_hw_tlb_invalidate() */
	smp_mb();
	if (likely(atomic64_read(started) == seen))
		return;
	for (i = 0; i < count; i++)
		WRITE_ONCE(part->tags[ways[i]], 0);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_tlb_fill);

/**
 * vsvm_hw_tlb_fill_table() - remember a level 1 table
 * @tlb: of the calling engine
 * @asid: address space
 * @address: that was walked for
 * @entries: the table
 * @started: invalidations of the address space begun
 * @seen: what it was before the walk
 */
void vsvm_hw_tlb_fill_table(struct vsvm_hw_tlb *tlb, u32 asid, u64 address,
			    u64 *entries, const atomic64_t *started, s64 seen)
{
	struct vsvm_hw_tlb_table *table =
		&tlb->tables[tlb->turn++ % VSVM_HW_TABLES];

	table->entries = entries;
	table->next = (address >> VSVM_HW_PAGE_SHIFT &
		       (VSVM_HW_TABLE_ENTRIES - 1)) + 1;
	WRITE_ONCE(table->tag,
		   vsvm_hw_tlb_tag(address >> VSVM_HW_HUGE_SHIFT, asid));
	/* pairs with the barrier in vsvm_hw_tlb_invalidate() */
	smp_mb();
	if (atomic64_read(started) != seen)
		WRITE_ONCE(table->tag, 0);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_tlb_fill_table);

static void part_drop(struct vsvm_hw_tlb_part *part, u32 asid, u64 start,
		      u64 end)
{
	const u64 first = start >> part->shift;
	const u64 last = (end - 1) >> part->shift;
	u32 way;
	u64 page;

	if (last - first > part->mask) {
		const u64 owner = vsvm_hw_tlb_tag(0, asid);
		const u32 ways = (part->mask + 1) * VSVM_HW_TLB_WAYS;

		for (way = 0; way < ways; way++) {
			u64 tag = READ_ONCE(part->tags[way]);

			page = tag >> VSVM_HW_TAG_PAGE_SHIFT;
			if ((tag & VSVM_HW_TAG_ASID_MASK) == owner &&
			    page >= first && page <= last)
				WRITE_ONCE(part->tags[way], 0);
		}
		return;
	}

	for (page = first; page <= last; page++) {
		const u64 tag = vsvm_hw_tlb_tag(page, asid);

		way = vsvm_hw_tlb_set(part, page, asid) * VSVM_HW_TLB_WAYS;
		for (u32 i = 0; i < VSVM_HW_TLB_WAYS; i++, way++) {
			if (READ_ONCE(part->tags[way]) == tag)
				WRITE_ONCE(part->tags[way], 0);
		}
	}
}

/**
 * vsvm_hw_tlb_drop() - forget an interval
 * @tlb: of any engine
 * @asid: address space
 * @start: first address
 * @end: one past the last, more than @start
 *
 * Looks page by page at a short interval, at every entry for a long one.  All
 * tables of the address space go in any case.
 */
void vsvm_hw_tlb_drop(struct vsvm_hw_tlb *tlb, u32 asid, u64 start, u64 end)
{
	const u64 owner = vsvm_hw_tlb_tag(0, asid);
	u32 i;

	/* the interval says which leaves, not which table may be freed */
	for (i = 0; i < VSVM_HW_TABLES; i++) {
		u64 tag = READ_ONCE(tlb->tables[i].tag);

		if ((tag & VSVM_HW_TAG_ASID_MASK) == owner)
			WRITE_ONCE(tlb->tables[i].tag, 0);
	}
	part_drop(&tlb->small, asid, start, end);
	part_drop(&tlb->huge, asid, start, end);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_tlb_drop);
