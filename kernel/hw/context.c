// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: contexts
 *
 * A context is a FIFO of command buffers in an address space, bound to an
 * engine for life.  The FIFO has one writer (the driver serialises) and one
 * reader (the engine): the writer publishes an entry by moving the tail, the
 * reader gives it back by moving the head.
 *
 * To stop a context is a request like any other: the engine sees it at the next
 * block boundary, or is woken for it, drops what the context was doing, and
 * lets go.  Only then the context is taken out of the tables by which answers
 * and events find it, and freed when nobody can be looking at it any more.
 */
#include <kunit/visibility.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "hw/hw_priv.h"

static void context_init(struct vsvm_hw_context *ctx)
{
	u32 i;

	init_completion(&ctx->stopped);
	INIT_LIST_HEAD(&ctx->queue);
	INIT_LIST_HEAD(&ctx->news);
	INIT_LIST_HEAD(&ctx->wait);
	INIT_LIST_HEAD(&ctx->ready);
	INIT_LIST_HEAD(&ctx->live);
	ctx->depth = ctx->hw->config.queue_depth;
	ctx->free = GENMASK_ULL(ctx->hw->config.items - 1, 0);
	for (i = 0; i < VSVM_HW_SLOTS; i++)
		INIT_LIST_HEAD(&ctx->slots[i].held);
}

/* The context can be found and may run from here on. */
static int context_publish(struct vsvm_hw_context *ctx, u32 asid, u32 engine)
{
	struct vsvm_hw *hw = ctx->hw;
	int ret;

	guard(mutex)(&hw->mutex);
	ctx->asid = xa_load(&hw->asids, asid);
	if (!ctx->asid)
		return -EINVAL;
	/*
	 * A number is used again after all others were: a fault of long ago must
	 * not be answered to somebody else.
	 */
	ret = xa_alloc_cyclic(&hw->contexts, &ctx->id, ctx, xa_limit_32b,
			      &hw->next_context, GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return ret;
	if (!ctx->asid->contexts[engine]++) {
		set_bit(engine, &ctx->asid->engines);
		/*
		 * Before the engine can walk.  An invalidation that does not
		 * see the bit has changed the table before the engine reads it.
		 */
		smp_mb__after_atomic();
	}
	return 0;
}

/* see hw.h */
struct vsvm_hw_context *vsvm_hw_context_create(struct vsvm_hw *hw, u32 asid,
					       u32 engine)
{
	struct vsvm_hw_context *ctx;
	int ret;

	if (engine >= hw->config.engines)
		return ERR_PTR(-EINVAL);
	ctx = kvzalloc_obj(*ctx, GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return ERR_PTR(-ENOMEM);
	ctx->hw = hw;
	ctx->engine = &hw->engines[engine];
	context_init(ctx);
	ctx->entries = kvzalloc_objs(*ctx->entries, ctx->depth, GFP_KERNEL_ACCOUNT);
	ret = ctx->entries ? context_publish(ctx, asid, engine) : -ENOMEM;
	if (ret) {
		kvfree(ctx->entries);
		kvfree(ctx);
		return ERR_PTR(ret);
	}
	return ctx;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_context_create);

/* see hw.h */
u32 vsvm_hw_context_id(const struct vsvm_hw_context *context)
{
	return context->id;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_context_id);

/* see hw.h */
unsigned int vsvm_hw_context_room(const struct vsvm_hw_context *context)
{
	/* the engine has done with the entries */
	return context->depth - (context->tail - smp_load_acquire(&context->head));
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_context_room);

/* see hw.h */
int vsvm_hw_context_submit(struct vsvm_hw_context *context,
			   const struct vsvm_hw_command *command)
{
	struct vsvm_hw_entry *entry;
	u64 tail = context->tail;

	if (READ_ONCE(context->failed))
		return -EIO;
	if (!vsvm_hw_context_room(context))
		return -ENOSPC;
	entry = &context->entries[tail % context->depth];
	*entry = (struct vsvm_hw_entry) { .command = *command };
	/* pairs with fetch() */
	smp_store_release(&context->tail, tail + 1);
	vsvm_hw_engine_kick(context);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_context_submit);

/* see hw.h */
void vsvm_hw_context_destroy(struct vsvm_hw_context *context)
{
	struct vsvm_hw *hw = context->hw;
	struct vsvm_hw_engine *eng = context->engine;
	struct vsvm_hw_asid *asid = context->asid;

	atomic_or(VSVM_HW_ATTEND_STOP, &context->attention);
	vsvm_hw_engine_kick(context);
	wait_for_completion(&context->stopped);

	xa_erase(&hw->contexts, context->id);
	vsvm_hw_event_forget(context);
	vsvm_hw_mailbox_forget(hw);
	scoped_guard(mutex, &hw->mutex) {
		if (!--asid->contexts[eng->index]) {
			/* whoever does not see the bit must find no entry */
			vsvm_hw_tlb_drop(&eng->tlb, asid->asid, 0,
					 BIT_ULL(VSVM_HW_VA_BITS));
			smp_mb__before_atomic(); /* entries before the bit */
			clear_bit(eng->index, &asid->engines);
		}
	}
	kvfree(context->entries);
	kvfree_rcu(context, rcu);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_context_destroy);
