// SPDX-License-Identifier: GPL-2.0-only
/*
 * Against thrashing: pages that go back and forth are left in system memory.
 *
 * The rule: when pages of a 2 MiB block have come back for the CPU within
 * %VSVM_GUARD_WINDOW of having been moved to the device, for the
 * %VSVM_GUARD_LIMIT'th time in a row, faults of the device leave the block where
 * it is for %VSVM_GUARD_HOLD.  The CPU never waits, and a prefetch, which is a
 * request and not a guess, is carried out all the same; one that brings pages
 * back is no return, and ends the row.
 */
#include <linux/jiffies.h>

#include "svm/svm_priv.h"

#define VSVM_GUARD_WINDOW	(HZ / 10)
#define VSVM_GUARD_LIMIT	3
#define VSVM_GUARD_HOLD		HZ

static struct vsvm_svm_guard *vsvm_svm_guard(struct vsvm_svm_notifier *n,
					     unsigned long address)
{
	return &n->guard[(address - n->span->start) >> VSVM_SVM_BLOCK_SHIFT];
}

/** vsvm_svm_guard_moved() - pages of a block have been moved to the device; no locks */
void vsvm_svm_guard_moved(struct vsvm_svm_notifier *n, unsigned long address)
{
	WRITE_ONCE(vsvm_svm_guard(n, address)->moved, (u32)jiffies | 1);
}

/** vsvm_svm_guard_forget() - a block is to go back because it was asked for; no locks */
void vsvm_svm_guard_forget(struct vsvm_svm_notifier *n, unsigned long address)
{
	struct vsvm_svm_guard *g = vsvm_svm_guard(n, address);

	WRITE_ONCE(g->moved, 0);
	WRITE_ONCE(g->bounces, 0);
}

/** vsvm_svm_guard_returned() - pages are going back for the CPU; under the span's lock */
void vsvm_svm_guard_returned(struct vsvm_svm_notifier *n, unsigned long start,
			     unsigned long end)
{
	u32 now = jiffies;

	lockdep_assert_held(&n->span->lock);
	for (; start < end; start = ALIGN(start + 1, VSVM_SVM_BLOCK_SIZE)) {
		struct vsvm_svm_guard *g = vsvm_svm_guard(n, start);
		u32 moved = READ_ONCE(g->moved);

		if (!moved)
			continue;
		/* One return for one move */
		WRITE_ONCE(g->moved, 0);
		if (now - moved > VSVM_GUARD_WINDOW) {
			g->bounces = 0;
		} else if (++g->bounces >= VSVM_GUARD_LIMIT) {
			g->bounces = 0;
			WRITE_ONCE(g->until, (now + VSVM_GUARD_HOLD) | 1);
		}
	}
}

/** vsvm_svm_guard_holds() - should a fault leave the block where it is?  No locks. */
bool vsvm_svm_guard_holds(struct vsvm_svm_notifier *n, unsigned long address)
{
	struct vsvm_svm_guard *g = vsvm_svm_guard(n, address);
	u32 until = READ_ONCE(g->until);

	if (!until)
		return false;
	if ((s32)(until - (u32)jiffies) > 0)
		return true;
	WRITE_ONCE(g->until, 0);
	return false;
}
