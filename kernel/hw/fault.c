// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the fault buffer
 *
 * A work item that faults is *parked*, and its record goes into a ring.  If the
 * ring is full the item is *held*: parked just the same, in a list, and its
 * record goes in when the driver has read others.  So nothing is lost, and no
 * engine waits for room.
 *
 * Parking and raising is one step under the lock of the unit, because the
 * record can be read and answered on another CPU before the engine that raised
 * it has done anything else.  For the same reason the engine takes the slot out
 * of its own lists before.
 *
 * A record is answered once: the serial number of the slot says whether the
 * record is of the fault for which the slot is parked now.  Contexts are looked
 * up by id, ids are not reused, and a context is freed by RCU after its engine
 * has made it deaf: an answer to one that has gone finds nothing.
 */
#include <kunit/visibility.h>
#include <linux/ktime.h>
#include <linux/slab.h>

#include "hw/hw_priv.h"

static void put_record(struct vsvm_hw_fault_unit *unit,
		       struct vsvm_hw_slot *slot)
{
	u32 last = unit->first + unit->count;

	lockdep_assert_held(&unit->lock);
	slot->park = VSVM_HW_PARK_RAISED;
	slot->fault.serial = ++slot->serial;
	unit->ring[last < unit->size ? last : last - unit->size] = slot->fault;
	WRITE_ONCE(unit->count, unit->count + 1);
	unit->raised++;
}

/**
 * vsvm_hw_fault_raise() - park a slot and raise its record
 * @ctx: context, by the thread of its engine
 * @index: of the slot, which is in no list of the engine's any more
 * @fault: the record; its time and serial are filled in here
 */
void vsvm_hw_fault_raise(struct vsvm_hw_context *ctx, u32 index,
			 const struct vsvm_hw_fault *fault)
{
	struct vsvm_hw_fault_unit *unit = &ctx->hw->faults;
	struct vsvm_hw_slot *slot = &ctx->slots[index];
	unsigned long flags;
	bool raised = false;
	u64 now = ktime_get_ns();

	spin_lock_irqsave(&unit->lock, flags);
	slot->fault = *fault;
	slot->fault.time_ns = now;
	/* if there is room nobody is held: who makes room lets them in */
	if (unit->count < unit->size) {
		put_record(unit, slot);
		raised = true;
	} else {
		slot->park = VSVM_HW_PARK_HELD;
		list_add_tail(&slot->held, &unit->held);
		unit->full++;
	}
	spin_unlock_irqrestore(&unit->lock, flags);
	if (raised)
		vsvm_hw_irq_raise(ctx->hw, VSVM_HW_IRQ_FAULT);
}

/* see hw.h */
unsigned int vsvm_hw_fault_read(struct vsvm_hw *hw, struct vsvm_hw_fault *out,
				unsigned int max)
{
	struct vsvm_hw_fault_unit *unit = &hw->faults;
	struct vsvm_hw_slot *slot;
	unsigned long flags;
	bool raised = false;
	unsigned int n;

	spin_lock_irqsave(&unit->lock, flags);
	for (n = 0; n < max && unit->count; n++) {
		out[n] = unit->ring[unit->first];
		if (++unit->first == unit->size)
			unit->first = 0;
		WRITE_ONCE(unit->count, unit->count - 1);
	}
	while (unit->count < unit->size) {
		slot = list_first_entry_or_null(&unit->held,
						struct vsvm_hw_slot, held);
		if (!slot)
			break;
		list_del_init(&slot->held);
		put_record(unit, slot);
		raised = true;
	}
	spin_unlock_irqrestore(&unit->lock, flags);
	if (raised)
		vsvm_hw_irq_defer(hw, VSVM_HW_IRQ_FAULT);
	return n;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_fault_read);

/* see hw.h */
void vsvm_hw_fault_answer(struct vsvm_hw *hw, const struct vsvm_hw_fault *fault,
			  enum vsvm_hw_verdict verdict, u32 code)
{
	struct vsvm_hw_fault_unit *unit = &hw->faults;
	struct vsvm_hw_context *ctx;
	struct vsvm_hw_slot *slot;
	unsigned long flags;
	u32 attend = 0;

	if (fault->item >= VSVM_HW_SLOTS)
		return;
	rcu_read_lock();
	ctx = xa_load(&hw->contexts, fault->context);
	if (!ctx)
		goto out;

	spin_lock_irqsave(&unit->lock, flags);
	slot = &ctx->slots[fault->item];
	if (!ctx->deaf && slot->park == VSVM_HW_PARK_RAISED &&
	    slot->serial == fault->serial) {
		slot->park = VSVM_HW_PARK_NONE;
		if (verdict == VSVM_HW_REPLAY) {
			__set_bit(fault->item, ctx->answered);
			attend = VSVM_HW_ATTEND_ANSWER;
		} else {
			/* the first one counts */
			ctx->deaf = true;
			ctx->verdict_slot = fault->item;
			ctx->verdict_code = code;
			attend = VSVM_HW_ATTEND_KILL;
		}
	}
	spin_unlock_irqrestore(&unit->lock, flags);

	if (attend) {
		atomic_or(attend, &ctx->attention);
		vsvm_hw_engine_kick(ctx);
	}
out:
	rcu_read_unlock();
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_fault_answer);

/**
 * vsvm_hw_fault_collect() - take the slots that were answered with replay
 * @ctx: context, by the thread of its engine
 * @out: %VSVM_HW_SLOTS bits
 */
void vsvm_hw_fault_collect(struct vsvm_hw_context *ctx, unsigned long *out)
{
	struct vsvm_hw_fault_unit *unit = &ctx->hw->faults;
	unsigned long flags;

	spin_lock_irqsave(&unit->lock, flags);
	bitmap_copy(out, ctx->answered, VSVM_HW_SLOTS);
	bitmap_zero(ctx->answered, VSVM_HW_SLOTS);
	spin_unlock_irqrestore(&unit->lock, flags);
}

/**
 * vsvm_hw_fault_forget() - a context runs nothing any more
 * @ctx: context, by the thread of its engine
 *
 * Records of it that are in the buffer stay there; answers to them do nothing.
 */
void vsvm_hw_fault_forget(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_fault_unit *unit = &ctx->hw->faults;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&unit->lock, flags);
	ctx->deaf = true;
	bitmap_zero(ctx->answered, VSVM_HW_SLOTS);
	for (i = 0; i < VSVM_HW_SLOTS; i++) {
		struct vsvm_hw_slot *slot = &ctx->slots[i];

		if (slot->park == VSVM_HW_PARK_HELD)
			list_del_init(&slot->held);
		slot->park = VSVM_HW_PARK_NONE;
	}
	spin_unlock_irqrestore(&unit->lock, flags);
}

/** vsvm_hw_fault_init() - an empty buffer; the ring is freed by the caller in any case */
int vsvm_hw_fault_init(struct vsvm_hw_fault_unit *unit, u32 entries)
{
	spin_lock_init(&unit->lock);
	INIT_LIST_HEAD(&unit->held);
	unit->size = entries;
	unit->ring = kvzalloc_objs(*unit->ring, entries);
	return unit->ring ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_fault_init);
