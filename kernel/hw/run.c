// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: running a context
 *
 * Everything here is done by the thread of the context's engine, which alone
 * owns the FIFO's near end, the work items and the lists they are in.
 *
 * The *fetcher* copies packets from the command buffer into free work items,
 * through the MMU, checks them and starts them in order.  It stops behind a
 * packet with a barrier and behind a WAIT until that is complete (the
 * *holder*).  A started work item is *ready*, unless it has to be the oldest of
 * the context first: a barrier, a FENCE.  Ready items run in turn, a burst of
 * blocks each; they complete in any order.  The *retirer* takes entries off the
 * FIFO in order, as soon as their packets are complete, and writes their
 * fences.  Fetcher and retirer have slots of their own, because they too can
 * fault, and park like a work item.
 *
 * A context that has ended in error runs nothing more.  The error is reported
 * after the last block was executed and everything was dropped.
 */
#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "hw/hw_mmu.h"
#include "hw/hw_packet.h"

/* packets copied in one block */
#define FETCH_PACKETS	16
/* how often a WAIT is looked at: at first, and at most */
#define POLL_FIRST_NS	(50 * NSEC_PER_USEC)
#define POLL_LAST_NS	NSEC_PER_MSEC

static struct vsvm_hw_entry *entry_at(struct vsvm_hw_context *ctx, u64 number)
{
	return &ctx->entries[number % ctx->depth];
}

static u32 slot_index(const struct vsvm_hw_context *ctx,
		      const struct vsvm_hw_slot *slot)
{
	return slot - ctx->slots;
}

static void make_ready(struct vsvm_hw_context *ctx, struct vsvm_hw_slot *slot)
{
	if (slot == ctx->waiting)
		ctx->waiting = NULL;
	slot->state = VSVM_HW_SLOT_READY;
	list_add_tail(&slot->run, &ctx->ready);
	ctx->nready++;
}

static void make_unready(struct vsvm_hw_context *ctx, struct vsvm_hw_slot *slot,
			 u8 state)
{
	slot->state = state;
	list_del(&slot->run);
	ctx->nready--;
}

/* Start the oldest work item if it has only waited to be that. */
static void unblock(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_slot *slot;

	slot = list_first_entry_or_null(&ctx->live, struct vsvm_hw_slot, live);
	if (!slot || slot->state != VSVM_HW_SLOT_BLOCKED)
		return;
	/* a barrier also waits for earlier entries to retire */
	if (vsvm_hw_is_barrier(&slot->packet) && slot->entry != ctx->head)
		return;
	make_ready(ctx, slot);
}

/* The record of what has just stopped @slot. */
static void fill_record(struct vsvm_hw_context *ctx,
			const struct vsvm_hw_slot *slot,
			struct vsvm_hw_fault *fault)
{
	const struct vsvm_hw_trouble *trouble = &ctx->engine->trouble;
	u32 index = slot_index(ctx, slot);

	*fault = (struct vsvm_hw_fault) {
		.address = trouble->address,
		.packet = slot->address,
		.tag = index < VSVM_HW_MAX_ITEMS ? slot->packet.tag : 0,
		.generation = trouble->generation,
		.asid = ctx->asid->asid,
		.context = ctx->id,
		.engine = ctx->engine->index,
		.item = index,
		.access = trouble->access,
		.cause = trouble->cause,
		.level = trouble->level,
	};
}

/* Drop everything the context was doing. */
static void drop_all(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_slot *slot;

	vsvm_hw_fault_forget(ctx);
	list_for_each_entry(slot, &ctx->live, live)
		slot->state = VSVM_HW_SLOT_FREE;
	INIT_LIST_HEAD(&ctx->live);
	INIT_LIST_HEAD(&ctx->ready);
	ctx->nready = 0;
	ctx->holder = NULL;
	ctx->waiting = NULL;
	list_del_init(&ctx->wait);
}

static void end_in_error(struct vsvm_hw_context *ctx,
			 const struct vsvm_hw_error *error)
{
	drop_all(ctx);
	/* no more commands, before anybody hears of it */
	smp_store_release(&ctx->failed, true);
	vsvm_hw_event_error(ctx, error);
}

/* The error that &vsvm_hw_engine.trouble describes. */
static void end_in_trouble(struct vsvm_hw_context *ctx,
			   const struct vsvm_hw_slot *slot)
{
	struct vsvm_hw_error error = {
		.error = ctx->engine->trouble.error,
	};

	fill_record(ctx, slot, &error.fault);
	error.fault.cause = 0;
	error.fault.time_ns = ktime_get_ns();
	end_in_error(ctx, &error);
}

/* An error that was found without an access. */
static void end_in_check(struct vsvm_hw_context *ctx,
			 const struct vsvm_hw_slot *slot,
			 enum vsvm_hw_error_code code, u64 address)
{
	ctx->engine->trouble = (struct vsvm_hw_trouble) {
		.kind = VSVM_HW_TROUBLE_ERROR,
		.error = code,
		.access = VSVM_HW_NONE,
		.address = address,
		.generation = atomic64_read(&ctx->asid->generation),
	};
	end_in_trouble(ctx, slot);
}

/*
 * A block of @slot, which is in no list but live, met the trouble that the
 * engine describes.  Return: false if it can be tried again at once.
 */
static bool stop_slot(struct vsvm_hw_context *ctx, struct vsvm_hw_slot *slot)
{
	struct vsvm_hw_fault fault;

	switch (ctx->engine->trouble.kind) {
	case VSVM_HW_TROUBLE_FAULT:
		slot->state = VSVM_HW_SLOT_PARKED;
		fill_record(ctx, slot, &fault);
		vsvm_hw_fault_raise(ctx, slot_index(ctx, slot), &fault);
		return true;
	case VSVM_HW_TROUBLE_ERROR:
		end_in_trouble(ctx, slot);
		return true;
	default:
		return false;
	}
}

/* The driver has ended the context. */
static void end_in_verdict(struct vsvm_hw_context *ctx)
{
	/* nobody writes them any more: the context is deaf */
	struct vsvm_hw_error error = {
		.fault = ctx->slots[ctx->verdict_slot].fault,
		.error = VSVM_HW_ERROR_TERMINATED,
		.code = ctx->verdict_code,
	};

	error.fault.cause = 0;
	error.fault.serial = 0;
	end_in_error(ctx, &error);
}

/* Replay the slots that were answered. */
static void replay(struct vsvm_hw_context *ctx)
{
	DECLARE_BITMAP(answered, VSVM_HW_SLOTS);
	u32 i;

	vsvm_hw_fault_collect(ctx, answered);
	for_each_set_bit(i, answered, VSVM_HW_SLOTS) {
		if (i < VSVM_HW_MAX_ITEMS)
			make_ready(ctx, &ctx->slots[i]);
		else
			ctx->slots[i].state = VSVM_HW_SLOT_FREE;
	}
}

/* Do what others have asked for.  Return: false if the context cannot run. */
static bool attend(struct vsvm_hw_context *ctx)
{
	int attention = atomic_xchg(&ctx->attention, 0);

	if (attention & VSVM_HW_ATTEND_STOP) {
		drop_all(ctx);
		vsvm_hw_engine_forget(ctx);
		return false;
	}
	if (ctx->failed)
		return false;
	if (attention & VSVM_HW_ATTEND_KILL) {
		end_in_verdict(ctx);
		return false;
	}
	if (attention & VSVM_HW_ATTEND_ANSWER)
		replay(ctx);
	return true;
}

/* Take a complete entry off the FIFO.  Return: was it possible? */
static bool retire_one(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_slot *slot = &ctx->slots[VSVM_HW_SLOT_RETIRE];
	struct vsvm_hw_engine *eng = ctx->engine;
	struct vsvm_hw_entry *entry = entry_at(ctx, ctx->head);
	const struct vsvm_hw_command *command = &entry->command;
	const u64 sequence = command->sequence;
	u32 news = VSVM_HW_EVENT_COMPLETED;

	if (!entry->fetched || entry->live)
		return false;

	if (command->fence_address) {
		void *to;

		vsvm_hw_enter(eng);
		to = vsvm_hw_translate(eng, command->fence_address,
				       VSVM_HW_WRITE);
		if (to) {
			/* all that the packets wrote, this thread wrote */
			smp_store_release((u64 *)to, command->fence_value);
		}
		vsvm_hw_leave(eng);
		eng->counters.blocks++;
		if (!to)
			return !stop_slot(ctx, slot);
		eng->counters.bytes += sizeof(u64);
		news |= VSVM_HW_EVENT_FENCE;
	}

	/*
	 * The entry may be overwritten now.  Whoever hears that it is complete
	 * finds room for another.
	 */
	smp_store_release(&ctx->head, ctx->head + 1);
	vsvm_hw_event_post(ctx, news, sequence);
	if (news & VSVM_HW_EVENT_FENCE)
		vsvm_hw_engine_recheck(ctx->hw);
	return true;
}

static void retire(struct vsvm_hw_context *ctx)
{
	while (ctx->head != ctx->fetch_entry && !ctx->failed &&
	       ctx->slots[VSVM_HW_SLOT_RETIRE].state == VSVM_HW_SLOT_FREE) {
		if (!retire_one(ctx))
			return;
		unblock(ctx);
	}
}

/* The packet of a work item has been executed. */
static void complete_slot(struct vsvm_hw_context *ctx,
			  struct vsvm_hw_slot *slot)
{
	list_del(&slot->live);
	ctx->free |= BIT_ULL(slot_index(ctx, slot));
	entry_at(ctx, slot->entry)->live--;
	ctx->engine->counters.packets++;
	if (ctx->holder == slot)
		ctx->holder = NULL;
	if (slot->packet.opcode == VSVM_PACKET_FENCE) {
		vsvm_hw_event_post(ctx, VSVM_HW_EVENT_FENCE, 0);
		vsvm_hw_engine_recheck(ctx->hw);
	}
	unblock(ctx);
}

/* Check and start the packet that has been copied into a free work item. */
static void start_slot(struct vsvm_hw_context *ctx, struct vsvm_hw_slot *slot,
		       u64 address)
{
	const struct vsvm_packet *packet = &slot->packet;
	bool barrier = vsvm_hw_is_barrier(packet);
	enum vsvm_hw_error_code code;
	u64 where;

	slot->address = address;
	slot->entry = ctx->fetch_entry;
	slot->done = 0;
	slot->sum = 0;
	slot->nodes = 0;
	slot->phase = 0;

	code = vsvm_hw_packet_check(packet, &where);
	if (code) {
		end_in_check(ctx, slot, code, where ?: address);
		return;
	}

	ctx->free &= ~BIT_ULL(slot_index(ctx, slot));
	list_add_tail(&slot->live, &ctx->live);
	entry_at(ctx, slot->entry)->live++;
	if (barrier || packet->opcode == VSVM_PACKET_WAIT) {
		ctx->holder = slot;
		ctx->backoff = 0;
	}
	if (barrier || packet->opcode == VSVM_PACKET_FENCE) {
		slot->state = VSVM_HW_SLOT_BLOCKED;
		unblock(ctx);
	} else {
		make_ready(ctx, slot);
	}
}

/* Copy packets into free work items.  Return: how many, 0 with trouble. */
static u32 copy_packets(struct vsvm_hw_context *ctx, u64 address, u64 bytes)
{
	struct vsvm_hw_engine *eng = ctx->engine;
	const struct vsvm_packet *from;
	u64 free = ctx->free;
	u32 count, i;

	count = min_t(u64, bytes, PAGE_SIZE - offset_in_page(address));
	count = min3(count / VSVM_PACKET_BYTES, (u32)hweight64(free),
		     (u32)FETCH_PACKETS);

	vsvm_hw_enter(eng);
	from = vsvm_hw_translate(eng, address, VSVM_HW_FETCH);
	for (i = 0; from && i < count; i++, free &= free - 1)
		memcpy(&ctx->slots[__ffs64(free)].packet, from + i,
		       VSVM_PACKET_BYTES);
	vsvm_hw_leave(eng);
	eng->counters.blocks++;
	if (!from)
		return 0;
	eng->counters.bytes += count * VSVM_PACKET_BYTES;
	return count;
}

/* Fetch from the current entry, at least one packet or its end. */
static bool fetch_some(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_slot *fetcher = &ctx->slots[VSVM_HW_SLOT_FETCH];
	struct vsvm_hw_entry *entry = entry_at(ctx, ctx->fetch_entry);
	const struct vsvm_hw_command *command = &entry->command;
	enum vsvm_hw_error_code code;
	u64 free = ctx->free;
	u64 where;
	u32 count;

	fetcher->address = command->address + ctx->fetch_offset;
	if (!ctx->fetch_offset) {
		code = vsvm_hw_command_check(command, &where);
		if (code) {
			end_in_check(ctx, fetcher, code, where);
			return false;
		}
	}

	if (ctx->fetch_offset < command->bytes) {
		count = copy_packets(ctx, fetcher->address,
				     command->bytes - ctx->fetch_offset);
		if (!count)
			return !stop_slot(ctx, fetcher);
		/* those behind a holder are fetched again when it is complete */
		for (; count && !ctx->holder && !ctx->failed; count--) {
			start_slot(ctx, &ctx->slots[__ffs64(free)],
				   command->address + ctx->fetch_offset);
			free &= free - 1;
			ctx->fetch_offset += VSVM_PACKET_BYTES;
		}
	}
	if (ctx->fetch_offset >= command->bytes) {
		entry->fetched = true;
		ctx->fetch_entry++;
		ctx->fetch_offset = 0;
	}
	return true;
}

static void fetch(struct vsvm_hw_context *ctx)
{
	/* the entries before the tail are there; pairs with submission */
	const u64 tail = smp_load_acquire(&ctx->tail);

	while (ctx->fetch_entry != tail && !ctx->holder && ctx->free &&
	       ctx->slots[VSVM_HW_SLOT_FETCH].state == VSVM_HW_SLOT_FREE &&
	       !ctx->failed) {
		if (!fetch_some(ctx))
			return;
	}
}

/* Execute a burst of blocks.  Return: what came of the last. */
static enum vsvm_hw_step run_slot(struct vsvm_hw_context *ctx,
				  struct vsvm_hw_slot *slot, u32 *blocks)
{
	const vsvm_hw_op_fn op = vsvm_hw_ops[slot->packet.opcode];
	struct vsvm_hw_engine *eng = ctx->engine;
	enum vsvm_hw_step step;
	u32 n = 0;

	do {
		vsvm_hw_enter(eng);
		step = op(eng, slot);
		vsvm_hw_leave(eng);
		n++;
	} while (step == VSVM_HW_MORE && n < VSVM_HW_BURST &&
		 !atomic_read(&ctx->attention));
	eng->counters.blocks += n;
	*blocks += n;
	return step;
}

/* Put a work item where it belongs after its burst. */
static void file_slot(struct vsvm_hw_context *ctx, struct vsvm_hw_slot *slot,
		      enum vsvm_hw_step step)
{
	switch (step) {
	case VSVM_HW_MORE:
	case VSVM_HW_SPIN:
		list_move_tail(&slot->run, &ctx->ready);
		break;
	case VSVM_HW_DONE:
		make_unready(ctx, slot, VSVM_HW_SLOT_FREE);
		complete_slot(ctx, slot);
		break;
	case VSVM_HW_WAIT:
		make_unready(ctx, slot, VSVM_HW_SLOT_WAITING);
		ctx->waiting = slot;
		ctx->backoff = min_t(u64, max_t(u64, 2 * ctx->backoff,
						POLL_FIRST_NS), POLL_LAST_NS);
		ctx->poll = min(ktime_get_ns() + ctx->backoff, slot->deadline);
		break;
	case VSVM_HW_TROUBLE:
		make_unready(ctx, slot, VSVM_HW_SLOT_FREE);
		if (!stop_slot(ctx, slot))
			make_ready(ctx, slot);
		break;
	}
}

/* Only SPINs are left: when is there something else to do, if nobody kicks? */
static u64 nap_until(const struct vsvm_hw_context *ctx, u64 end)
{
	const struct vsvm_hw_slot *slot;

	list_for_each_entry(slot, &ctx->ready, run)
		end = min(end, slot->deadline);
	if (ctx->waiting)
		end = min(end, ctx->poll);
	return end;
}

/**
 * vsvm_hw_context_run() - run a context for a slice, or as long as it can
 * @ctx: by the thread of its engine, taken out of the engine's queue
 *
 * Return: true if it could go on; false if it has to be kicked first, and may
 * be freed.
 */
bool vsvm_hw_context_run(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_engine *eng = ctx->engine;
	struct vsvm_hw_slot *slot;
	enum vsvm_hw_step step;
	u32 blocks = 0;
	u32 spun = 0;
	u64 end, now;
	bool recheck;
	u64 slice;

	eng->asid = ctx->asid;
	list_del_init(&ctx->wait);
	if (ctx->waiting)
		make_ready(ctx, ctx->waiting);
	slice = READ_ONCE(ctx->hw->config.slice_us) * (u64)NSEC_PER_USEC;
	end = ktime_get_ns() + slice;

	for (;;) {
		if (unlikely(atomic_read(&ctx->attention)) && !attend(ctx))
			return false;
		if (ctx->failed)
			return false;
		fetch(ctx);
		retire(ctx);
		slot = list_first_entry_or_null(&ctx->ready,
						struct vsvm_hw_slot, run);
		if (!slot)
			break;

		step = run_slot(ctx, slot, &blocks);
		file_slot(ctx, slot, step);
		spun = step == VSVM_HW_SPIN ? spun + 1 : 0;
		if (blocks < VSVM_HW_BURST && !spun)
			continue;

		blocks = 0;
		now = ktime_get_ns();
		recheck = READ_ONCE(eng->recheck);
		if (now >= end || recheck)
			vsvm_hw_engine_poll(eng);
		if (now >= end) {
			if (vsvm_hw_engine_contended(eng, ctx))
				return true;
			end = now + slice;
		}
		if (ctx->waiting && (now >= ctx->poll || recheck))
			make_ready(ctx, ctx->waiting);
		if (spun >= ctx->nready && ctx->nready) {
			vsvm_hw_engine_nap(eng, ctx, nap_until(ctx, end));
			spun = 0;
		}
		cond_resched_tasks_rcu_qs();
	}

	if (ctx->waiting)
		list_add_tail(&ctx->wait, &eng->waiters);
	return false;
}
