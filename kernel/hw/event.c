// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: interrupts and events
 *
 * A cause is *masked* from when it is raised until the driver enables it.  Who
 * puts something into a source then sets the mask bit of the cause, and raises
 * it if the bit was not set.  The driver reads until nothing is left or it has
 * had enough, clears the bit, and the source is looked at once more.  Both sides
 * do the one before the other with a full barrier in between: what comes after
 * the last look is raised, what came before is seen by it.
 *
 * A thread of the device calls the handler itself, with interrupts off.  What
 * is found while the driver calls in (it enables a cause whose source is not
 * empty, its reading lets held records into the fault buffer) is raised by an
 * irq_work, in hard interrupt context: the handler never runs within a call
 * that the driver makes.
 *
 * Events are news of a context: each has room for its own, and those that come
 * before they are read are merged, so they can neither overflow nor be lost.
 */
#include <kunit/visibility.h>
#include <linux/irqflags.h>

#include "hw/hw_priv.h"

/* Mark @causes raised.  Return: those that were not yet. */
static u32 mask_causes(struct vsvm_hw *hw, u32 causes)
{
	return causes & ~(u32)atomic_fetch_or(causes, &hw->masked);
}

/** vsvm_hw_irq_raise() - by a thread of the device, after the source was filled; no lock held */
void vsvm_hw_irq_raise(struct vsvm_hw *hw, u32 causes)
{
	unsigned long flags;

	causes = mask_causes(hw, causes);
	if (!causes)
		return;
	local_irq_save(flags);
	hw->irq(hw->priv, causes);
	local_irq_restore(flags);
}

/** vsvm_hw_irq_defer() - the same, within a call of the driver */
void vsvm_hw_irq_defer(struct vsvm_hw *hw, u32 causes)
{
	causes = mask_causes(hw, causes);
	if (!causes)
		return;
	atomic_or(causes, &hw->deferred);
	/* the causes before the work that takes them */
	smp_mb__after_atomic();
	irq_work_queue(&hw->irq_work);
}

static void irq_work_fn(struct irq_work *work)
{
	struct vsvm_hw *hw = container_of(work, struct vsvm_hw, irq_work);
	u32 causes = atomic_xchg(&hw->deferred, 0);

	if (causes)
		hw->irq(hw->priv, causes);
}

void vsvm_hw_irq_init(struct vsvm_hw *hw)
{
	atomic_set(&hw->masked, 0);
	atomic_set(&hw->deferred, 0);
	hw->irq_work = IRQ_WORK_INIT(irq_work_fn);
}

/* see hw.h */
void vsvm_hw_irq_enable(struct vsvm_hw *hw, u32 causes)
{
	u32 pending = 0;

	atomic_andnot(causes, &hw->masked);
	/* enabled before the sources are looked at; pairs with mask_causes() */
	smp_mb__after_atomic();
	if (causes & VSVM_HW_IRQ_FAULT && READ_ONCE(hw->faults.count))
		pending |= VSVM_HW_IRQ_FAULT;
	if (causes & VSVM_HW_IRQ_EVENT && !list_empty(&hw->events.news))
		pending |= VSVM_HW_IRQ_EVENT;
	if (causes & VSVM_HW_IRQ_COPY && vsvm_hw_copy_pending(hw))
		pending |= VSVM_HW_IRQ_COPY;
	if (causes & VSVM_HW_IRQ_MAILBOX && vsvm_hw_mailbox_pending(hw))
		pending |= VSVM_HW_IRQ_MAILBOX;
	if (pending)
		vsvm_hw_irq_defer(hw, pending);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_irq_enable);

static void post(struct vsvm_hw_context *ctx, u32 flags)
{
	struct vsvm_hw_event_unit *events = &ctx->hw->events;

	lockdep_assert_held(&events->lock);
	ctx->flags |= flags;
	if (list_empty(&ctx->news))
		list_add_tail(&ctx->news, &events->news);
}

/**
 * vsvm_hw_event_post() - there is news of a context
 * @ctx: context, by the thread of its engine
 * @flags: %VSVM_HW_EVENT_COMPLETED, %VSVM_HW_EVENT_FENCE
 * @completed: sequence, with %VSVM_HW_EVENT_COMPLETED
 */
void vsvm_hw_event_post(struct vsvm_hw_context *ctx, u32 flags, u64 completed)
{
	struct vsvm_hw_event_unit *events = &ctx->hw->events;
	unsigned long irq;

	spin_lock_irqsave(&events->lock, irq);
	if (flags & VSVM_HW_EVENT_COMPLETED)
		ctx->completed = completed;
	post(ctx, flags);
	spin_unlock_irqrestore(&events->lock, irq);
	vsvm_hw_irq_raise(ctx->hw, VSVM_HW_IRQ_EVENT);
}

/** vsvm_hw_event_error() - a context has ended in error; once for each */
void vsvm_hw_event_error(struct vsvm_hw_context *ctx,
			 const struct vsvm_hw_error *error)
{
	struct vsvm_hw_event_unit *events = &ctx->hw->events;
	unsigned long irq;

	spin_lock_irqsave(&events->lock, irq);
	ctx->error = *error;
	post(ctx, VSVM_HW_EVENT_ERROR);
	spin_unlock_irqrestore(&events->lock, irq);
	vsvm_hw_irq_raise(ctx->hw, VSVM_HW_IRQ_EVENT);
}

/** vsvm_hw_event_forget() - drop the news of a context that no engine runs any more */
void vsvm_hw_event_forget(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_event_unit *events = &ctx->hw->events;
	unsigned long irq;

	spin_lock_irqsave(&events->lock, irq);
	list_del_init(&ctx->news);
	spin_unlock_irqrestore(&events->lock, irq);
}

/* see hw.h */
bool vsvm_hw_event_read(struct vsvm_hw *hw, struct vsvm_hw_event *out)
{
	struct vsvm_hw_event_unit *events = &hw->events;
	struct vsvm_hw_context *ctx;
	unsigned long irq;

	spin_lock_irqsave(&events->lock, irq);
	ctx = list_first_entry_or_null(&events->news, struct vsvm_hw_context,
				       news);
	if (ctx) {
		list_del_init(&ctx->news);
		out->context = ctx->id;
		out->flags = ctx->flags;
		out->completed = ctx->completed;
		out->error = ctx->error;
		ctx->flags = 0;
	}
	spin_unlock_irqrestore(&events->lock, irq);
	return ctx;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_event_read);
