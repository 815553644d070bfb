// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the paranoid knob
 *
 * With it on, every invalidation leaves a record when it returns, and every
 * use of a TLB entry is compared with the records.  An entry is stale if an
 * invalidation that covers it began after the entry was walked, and returned
 * before the access began: that translation must not exist any more.
 *
 * Both ends of "after" and "before" are numbers, not times.  Invalidations are
 * counted when they begin; an entry remembers the count at its walk, a record
 * the number of its invalidation.  If the number is in the count, the page
 * table was changed before the walk, so what was walked is new.  Records are
 * counted too, and a block looks at those that were there when it was entered.
 *
 * Besides, a block must not be overtaken: when it ends, no invalidation of its
 * address space that began after it was entered may have returned.
 *
 * Neither can happen by chance: one report is one bug.
 */
#include <linux/printk.h>
#include <linux/slab.h>

#include "hw/hw_paranoid.h"

/**
 * struct vsvm_hw_invalidated - record of an invalidation that returned
 * @began: its number
 * @start: first address
 * @end: one past the last
 * @asid: address space
 */
struct vsvm_hw_invalidated {
	u64 began;
	u64 start;
	u64 end;
	u32 asid;
};

int vsvm_hw_paranoid_init(struct vsvm_hw_paranoid *paranoid)
{
	raw_spin_lock_init(&paranoid->lock);
	atomic64_set(&paranoid->started, 0);
	paranoid->ring = kvzalloc_objs(*paranoid->ring, VSVM_HW_RECORDS);
	return paranoid->ring ? 0 : -ENOMEM;
}

void vsvm_hw_paranoid_fini(struct vsvm_hw_paranoid *paranoid)
{
	kvfree(paranoid->ring);
}

/**
 * vsvm_hw_paranoid_begin() - an invalidation begins
 * @hw: device
 *
 * Return: its number, or 0 if the knob is off.
 */
u64 vsvm_hw_paranoid_begin(struct vsvm_hw *hw)
{
	if (likely(!READ_ONCE(hw->config.paranoid)))
		return 0;
	return atomic64_inc_return(&hw->paranoid.started);
}

/** vsvm_hw_paranoid_record() - the invalidation with number @began is about to return */
void vsvm_hw_paranoid_record(struct vsvm_hw *hw, u32 asid, u64 start, u64 end,
			     u64 began)
{
	struct vsvm_hw_paranoid *paranoid = &hw->paranoid;
	unsigned long flags;

	raw_spin_lock_irqsave(&paranoid->lock, flags);
	paranoid->ring[paranoid->head % VSVM_HW_RECORDS] =
		(struct vsvm_hw_invalidated) {
			.began = began,
			.start = start,
			.end = end,
			.asid = asid,
		};
	WRITE_ONCE(paranoid->head, paranoid->head + 1);
	raw_spin_unlock_irqrestore(&paranoid->lock, flags);
}

/*
 * Is there a record of @asid in [@from, @to) whose invalidation began after
 * @count others, and that covers @address or any address?
 */
static bool recorded(struct vsvm_hw_paranoid *paranoid, u32 asid, u64 from,
		     u64 to, u64 count, const u64 *address,
		     struct vsvm_hw_invalidated *out)
{
	unsigned long flags;
	bool found = false;

	raw_spin_lock_irqsave(&paranoid->lock, flags);
	if (paranoid->head > VSVM_HW_RECORDS)
		from = max(from, paranoid->head - VSVM_HW_RECORDS);
	for (; from < to; from++) {
		const struct vsvm_hw_invalidated *record =
			&paranoid->ring[from % VSVM_HW_RECORDS];

		if (record->asid != asid || record->began <= count)
			continue;
		if (address && (*address < record->start ||
				*address >= record->end))
			continue;
		*out = *record;
		found = true;
		break;
	}
	raw_spin_unlock_irqrestore(&paranoid->lock, flags);
	return found;
}

static void report(struct vsvm_hw_engine *eng, const char *what, u64 address,
		   const struct vsvm_hw_invalidated *record)
{
	eng->counters.stale++;
	if (vsvm_hw_sabotage(eng->hw, ~0u))
		pr_info("vsvm: a broken device has been found out: stale translation\n");
	else
		pr_err_ratelimited("BUG: vsvm: stale translation: engine %u, asid %u, address %#llx: invalidation of %#llx-%#llx returned %s\n",
				   eng->index, record->asid, address,
				   record->start, record->end, what);
}

/** vsvm_hw_paranoid_enter() - a block begins with the knob on */
void vsvm_hw_paranoid_enter(struct vsvm_hw_engine *eng)
{
	struct vsvm_hw_paranoid *paranoid = &eng->hw->paranoid;

	eng->watched = true;
	eng->watch_started = atomic64_read_acquire(&paranoid->started);
	eng->watch_head = READ_ONCE(paranoid->head);
}

/** vsvm_hw_paranoid_leave() - a block ends that began with the knob on */
void vsvm_hw_paranoid_leave(struct vsvm_hw_engine *eng)
{
	struct vsvm_hw_paranoid *paranoid = &eng->hw->paranoid;
	struct vsvm_hw_invalidated record;
	u64 head;

	eng->watched = false;
	/* the accesses of the block come first */
	smp_mb();
	head = READ_ONCE(paranoid->head);
	if (likely(head == eng->watch_head))
		return;
	if (!recorded(paranoid, eng->asid->asid, eng->watch_head, head,
		      eng->watch_started, NULL, &record))
		return;
	report(eng, "during the access", record.start, &record);
}

/** vsvm_hw_paranoid_use() - an entry of the TLB is used in a block that is watched */
void vsvm_hw_paranoid_use(struct vsvm_hw_engine *eng,
			  struct vsvm_hw_tlb_way *way, u64 address)
{
	struct vsvm_hw_invalidated record;
	u64 page = address & ~(u64)(PAGE_SIZE - 1);
	u64 from = way->checked;

	if (likely(from >= eng->watch_head))
		return;
	/* every record once: they do not change */
	way->checked = eng->watch_head;
	if (!recorded(&eng->hw->paranoid, eng->asid->asid, from,
		      eng->watch_head, way->walked, &page, &record))
		return;
	report(eng, "before the access", address, &record);
}
