// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was looked at, and what of it has gone since.
 *
 * The sequence of an interval notifier says that something in its whole
 * interval was invalidated.  In a span of many megabytes under a steady stream
 * of munmap() or madvise() that is nearly always so, and whoever starts again
 * each time never gets done.  So each notifier remembers the ranges of the last
 * few invalidations: what none of them names is as it was.
 *
 * The sequence is still what tells that an invalidation is under way: a look
 * begins by waiting for the end of those that have called already.  One that
 * calls later is in the log.
 */
#include "svm/svm_priv.h"

/**
 * vsvm_svm_look_begin() - begin to look at the process' page table
 * @n: notifier of what is looked at
 * @look: out
 *
 * Context: may sleep, no lock held.
 */
void vsvm_svm_look_begin(struct vsvm_svm_notifier *n, struct vsvm_svm_look *look)
{
	/*
	 * An invalidation that is counted here has moved the sequence before,
	 * so its end is waited for; one that is not will be in the log.
	 */
	look->events = smp_load_acquire(&n->events);
	look->seq = mmu_interval_read_begin(&n->mni);
}

/**
 * vsvm_svm_look_note() - an invalidation
 * @n: notifier
 * @cur_seq: of the callback
 * @start: first address
 * @end: one past the last
 */
void vsvm_svm_look_note(struct vsvm_svm_notifier *n, unsigned long cur_seq,
			unsigned long start, unsigned long end)
{
	struct vsvm_svm_event *e = &n->log[n->events % VSVM_SVM_LOG];

	lockdep_assert_held(&n->span->lock);
	mmu_interval_set_seq(&n->mni, cur_seq);
	e->start = start;
	e->end = end;
	/* After the sequence: see vsvm_svm_look_begin() */
	smp_store_release(&n->events, n->events + 1);
}

/**
 * vsvm_svm_look_hit() - what has been invalidated since a look
 * @n: notifier
 * @look: when it began
 * @start: first address looked at
 * @end: one past the last
 * @event: iterator, 0 at first
 *
 * Return: a part of [start, end) that has to be looked at again; all of it if
 * the log does not reach back so far; or NULL if there is no other.
 */
const struct vsvm_svm_event *
vsvm_svm_look_hit(const struct vsvm_svm_notifier *n, const struct vsvm_svm_look *look,
		  unsigned long start, unsigned long end, unsigned long *event)
{
	static const struct vsvm_svm_event everything = { .end = ULONG_MAX };
	unsigned long since = n->events - look->events;

	lockdep_assert_held(&n->span->lock);
	if (since > VSVM_SVM_LOG)
		return (*event)++ ? NULL : &everything;
	while (*event < since) {
		const struct vsvm_svm_event *e =
			&n->log[(look->events + (*event)++) % VSVM_SVM_LOG];

		if (e->start < end && e->end > start)
			return e;
	}
	return NULL;
}

/** vsvm_svm_look_stale() - has any of [start, end) been invalidated since the look? */
bool vsvm_svm_look_stale(const struct vsvm_svm_notifier *n,
			 const struct vsvm_svm_look *look,
			 unsigned long start, unsigned long end)
{
	unsigned long event = 0;

	return vsvm_svm_look_hit(n, look, start, end, &event);
}
