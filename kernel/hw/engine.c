// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: engines
 *
 * An engine is a thread, and a queue of contexts that there is something to do
 * for.  Whoever changes the state of a context (a command is submitted, a fault
 * answered, the context is to stop) changes it first and kicks the engine then:
 * the context goes into the queue, if it is not there, and the thread is woken,
 * if it sleeps.  The thread takes a context out of the queue before it looks at
 * its state.  So a change comes before that look, or the context is in the
 * queue again after it.
 *
 * Contexts are run in turn, each for a time slice if others are queued.
 *
 * Two kinds of packet are waited for rather than run.  A WAIT that does not
 * compare is looked at again whenever its context runs, when any engine has
 * written a fence, and besides every 50 us at first and 1 ms later.  A SPIN
 * that is all there is to do holds its engine for the slice, asleep.  An engine
 * without such packets and without work sleeps until it is kicked.
 */
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "hw/hw_priv.h"

/* Sleep until kicked or @until, in a state that was set together with asleep. */
static void sleep_until(struct vsvm_hw_engine *eng, u64 until)
{
	u64 now;

	if (kthread_should_stop()) {
		__set_current_state(TASK_RUNNING);
	} else if (until == U64_MAX) {
		schedule();
	} else {
		now = ktime_get_ns();
		if (until > now) {
			ktime_t rest = ns_to_ktime(until - now);

			schedule_hrtimeout_range(&rest, 10 * NSEC_PER_USEC,
						 HRTIMER_MODE_REL);
		}
		__set_current_state(TASK_RUNNING);
	}

	spin_lock_irq(&eng->lock);
	eng->asleep = false;
	spin_unlock_irq(&eng->lock);
}

/* Take the next context, or sleep until there may be one. */
static struct vsvm_hw_context *take(struct vsvm_hw_engine *eng, u64 until)
{
	struct vsvm_hw_context *ctx;
	bool sleep = false;

	spin_lock_irq(&eng->lock);
	ctx = list_first_entry_or_null(&eng->queue, struct vsvm_hw_context,
				       queue);
	if (ctx) {
		list_del_init(&ctx->queue);
	} else if (!eng->recheck) {
		eng->asleep = true;
		set_current_state(TASK_IDLE);
		sleep = true;
	}
	spin_unlock_irq(&eng->lock);

	if (sleep)
		sleep_until(eng, until);
	return ctx;
}

static void requeue(struct vsvm_hw_engine *eng, struct vsvm_hw_context *ctx)
{
	spin_lock_irq(&eng->lock);
	if (list_empty(&ctx->queue))
		list_add_tail(&ctx->queue, &eng->queue);
	spin_unlock_irq(&eng->lock);
}

/**
 * vsvm_hw_engine_poll() - queue the contexts whose WAIT is to be looked at
 * @eng: engine of the calling thread
 *
 * Return: when to poll again, CLOCK_MONOTONIC, or U64_MAX.
 */
u64 vsvm_hw_engine_poll(struct vsvm_hw_engine *eng)
{
	struct vsvm_hw_context *ctx, *next;
	u64 until = U64_MAX;
	bool recheck;
	u64 now;

	if (list_empty(&eng->waiters)) {
		/* the bit is a hint: a check too many or one tick late */
		if (READ_ONCE(eng->hw->waiting) & BIT(eng->index))
			clear_bit(eng->index, &eng->hw->waiting);
		WRITE_ONCE(eng->recheck, false);
		return until;
	}

	set_bit(eng->index, &eng->hw->waiting);
	recheck = xchg(&eng->recheck, false);
	now = ktime_get_ns();
	list_for_each_entry_safe(ctx, next, &eng->waiters, wait) {
		if (recheck || ctx->poll <= now) {
			list_del_init(&ctx->wait);
			requeue(eng, ctx);
		} else {
			until = min(until, ctx->poll);
		}
	}
	return until;
}

static int engine_thread(void *data)
{
	struct vsvm_hw_engine *eng = data;
	struct vsvm_hw_context *ctx;

	while (!kthread_should_stop()) {
		ctx = take(eng, vsvm_hw_engine_poll(eng));
		if (ctx && vsvm_hw_context_run(ctx))
			requeue(eng, ctx);
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

/**
 * vsvm_hw_engine_kick() - have an engine look at a context
 * @ctx: whose state has changed; may be a context that has gone, under RCU
 *
 * Context: any.
 */
void vsvm_hw_engine_kick(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_engine *eng = ctx->engine;
	unsigned long flags;
	bool wake = false;

	spin_lock_irqsave(&eng->lock, flags);
	if (!ctx->gone) {
		if (list_empty(&ctx->queue))
			list_add_tail(&ctx->queue, &eng->queue);
		wake = eng->asleep;
		eng->asleep = false;
	}
	spin_unlock_irqrestore(&eng->lock, flags);
	if (wake)
		wake_up_process(eng->task);
}

/** vsvm_hw_engine_contended() - do other contexts than @ctx want to run? */
bool vsvm_hw_engine_contended(struct vsvm_hw_engine *eng,
			      struct vsvm_hw_context *ctx)
{
	bool others;

	spin_lock_irq(&eng->lock);
	others = !list_empty(&eng->queue) &&
		 !(list_is_singular(&eng->queue) && !list_empty(&ctx->queue));
	spin_unlock_irq(&eng->lock);
	return others;
}

/**
 * vsvm_hw_engine_nap() - let time pass for the context that runs
 * @eng: engine of the calling thread
 * @ctx: the context
 * @until: CLOCK_MONOTONIC
 *
 * Returns at once if something has happened to the context that it has not
 * looked at, and early if a context of the engine is kicked.
 */
void vsvm_hw_engine_nap(struct vsvm_hw_engine *eng,
			struct vsvm_hw_context *ctx, u64 until)
{
	bool nap = false;

	spin_lock_irq(&eng->lock);
	if (!list_empty(&ctx->queue)) {
		list_del_init(&ctx->queue);
	} else {
		eng->asleep = true;
		set_current_state(TASK_IDLE);
		nap = true;
	}
	spin_unlock_irq(&eng->lock);
	if (nap)
		sleep_until(eng, until);
}

/** vsvm_hw_engine_recheck() - a fence was written: WAITs may compare now */
void vsvm_hw_engine_recheck(struct vsvm_hw *hw)
{
	unsigned long engines = READ_ONCE(hw->waiting);
	unsigned long i;

	for_each_set_bit(i, &engines, VSVM_HW_MAX_ENGINES) {
		struct vsvm_hw_engine *eng = &hw->engines[i];
		bool wake;

		spin_lock_irq(&eng->lock);
		WRITE_ONCE(eng->recheck, true);
		wake = eng->asleep;
		eng->asleep = false;
		spin_unlock_irq(&eng->lock);
		if (wake)
			wake_up_process(eng->task);
	}
}

/** vsvm_hw_engine_forget() - let go of a context, by its thread; it may be freed after */
void vsvm_hw_engine_forget(struct vsvm_hw_context *ctx)
{
	struct vsvm_hw_engine *eng = ctx->engine;

	list_del_init(&ctx->wait);
	spin_lock_irq(&eng->lock);
	ctx->gone = true;
	list_del_init(&ctx->queue);
	spin_unlock_irq(&eng->lock);
	complete(&ctx->stopped);
}

/** vsvm_hw_engine_start() - start engine @index; vsvm_hw_engine_stop() in any case */
int vsvm_hw_engine_start(struct vsvm_hw *hw, struct vsvm_hw_engine *eng,
			 u32 index)
{
	struct task_struct *task;
	int ret;

	eng->hw = hw;
	eng->index = index;
	INIT_LIST_HEAD(&eng->waiters);
	INIT_LIST_HEAD(&eng->queue);
	spin_lock_init(&eng->lock);
	ret = vsvm_hw_tlb_init(&eng->tlb, hw->config.tlb_sets,
			       hw->config.tlb_huge_sets);
	if (ret)
		return ret;
	task = kthread_create(engine_thread, eng, "vsvm-eng/%u", index);
	if (IS_ERR(task))
		return PTR_ERR(task);
	eng->task = task;
	wake_up_process(task);
	return 0;
}

void vsvm_hw_engine_stop(struct vsvm_hw_engine *eng)
{
	if (eng->task)
		kthread_stop(eng->task);
	vsvm_hw_tlb_fini(&eng->tlb);
}
