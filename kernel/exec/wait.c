// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a value in memory.
 *
 * Reading the value may fault and sleep, so the task must be running when it
 * looks; the wait queue entry remembers a wake-up that comes meanwhile.
 */
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "exec/exec_priv.h"

static bool vsvm_fence_passed(u64 value, const struct drm_vsvm_wait_user_fence *args)
{
	value &= args->mask;
	switch (args->compare) {
	case VSVM_COMPARE_EQ:
		return value == args->value;
	case VSVM_COMPARE_NE:
		return value != args->value;
	case VSVM_COMPARE_GE:
		return value >= args->value;
	case VSVM_COMPARE_GT:
		return value > args->value;
	case VSVM_COMPARE_LE:
		return value <= args->value;
	default:
		return value < args->value;
	}
}

/* 1: passed; 0: not yet; or what the wait ends with */
static int vsvm_fence_check(struct vsvm_queue *queue,
			    const struct drm_vsvm_wait_user_fence *args,
			    const bool *gone)
{
	/* Before the value: an error that comes after a value is not seen first */
	bool error = queue && smp_load_acquire(&queue->error);
	bool killed = queue && READ_ONCE(queue->killed);
	u64 value;

	if (get_user(value, (u64 __user *)u64_to_user_ptr(args->address)))
		return -EFAULT;
	if (vsvm_fence_passed(value, args))
		return 1;
	if (READ_ONCE(*gone))
		return -ENODEV;
	return error || killed ? -ECANCELED : 0;
}

/* Sleep until woken or until an absolute time.  False: the time has come. */
static bool vsvm_fence_sleep(struct wait_queue_entry *entry, ktime_t until)
{
	ktime_t now = ktime_get();

	if (until == KTIME_MAX) {
		wait_woken(entry, TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);
		return true;
	}
	if (until <= now)
		return false;
	wait_woken(entry, TASK_INTERRUPTIBLE,
		   min_t(u64, nsecs_to_jiffies64(ktime_sub(until, now)) + 1,
			 MAX_SCHEDULE_TIMEOUT - 1));
	return true;
}

int vsvm_wait_user_fence(struct vsvm_queue *queue, wait_queue_head_t *wait,
			 const struct drm_vsvm_wait_user_fence *args,
			 const bool *gone)
{
	DEFINE_WAIT_FUNC(entry, woken_wake_function);
	int ret;

	if (queue)
		wait = &queue->wait;
	add_wait_queue(wait, &entry);
	for (;;) {
		ret = vsvm_fence_check(queue, args, gone);
		if (ret)
			break;
		if (signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		if (!vsvm_fence_sleep(&entry, args->timeout_ns)) {
			/* The value may have come with the time */
			ret = vsvm_fence_check(queue, args, gone) ?: -ETIME;
			break;
		}
	}
	remove_wait_queue(wait, &entry);
	return ret > 0 ? 0 : ret;
}
