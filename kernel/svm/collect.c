// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving up notifiers of spans in which nothing is left.
 *
 * A span that is empty now is likely to be used again soon, so that one is given
 * up only if nobody has looked it up for a whole period.  Looking up takes no
 * lock and counts nothing: a thread says that it is about (vsvm_svm_enter()),
 * and the notifier says what may still be done with it.
 *
 *	in use	found, by whoever is about
 *	idle	was empty; who finds it puts it back in use.  When all who were
 *		about at that time have left, and it still is idle, nobody has it.
 *	gone	nobody finds it; who comes by makes another, and waits for
 *		&vsvm_svm.lock until this one has been taken out
 *
 * The step from idle to in use and the one from idle to gone are the same
 * compare-and-exchange: only one of them happens.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/export.h>

#include <kunit/visibility.h>

#include "svm/svm_priv.h"

/**
 * vsvm_svm_notifier_keep() - may the caller use a notifier that it has found?
 * @n: found under RCU
 *
 * Context: under RCU, by who has entered the mirror.
 * Return: true, and it stays until the caller leaves; false if it is gone.
 */
bool vsvm_svm_notifier_keep(struct vsvm_svm_notifier *n)
{
	int life = atomic_read(&n->life);

	if (unlikely(life == VSVM_SVM_IDLE))
		life = atomic_cmpxchg(&n->life, VSVM_SVM_IDLE, VSVM_SVM_IN_USE);
	return life != VSVM_SVM_GONE;
}

static bool vsvm_svm_notifier_empty(struct vsvm_svm_notifier *n)
{
	bool empty;

	mutex_lock(&n->span->lock);
	empty = n->svm->ops->span_empty(n->svm->priv, n->span);
	mutex_unlock(&n->span->lock);
	return empty;
}

/* Nobody who found @n before it became idle is about any more */
static void vsvm_svm_notifier_give_up(struct vsvm_svm *svm, unsigned long index,
				      struct vsvm_svm_notifier *n)
{
	/* Until it is taken out, so that no other is made in its place before */
	mutex_lock(&svm->lock);
	/* Whoever was about then may have mapped something */
	if (!vsvm_svm_notifier_empty(n)) {
		atomic_set(&n->life, VSVM_SVM_IN_USE);
	} else if (atomic_cmpxchg(&n->life, VSVM_SVM_IDLE, VSVM_SVM_GONE) ==
		   VSVM_SVM_IDLE) {
		xa_erase(&svm->notifiers, index);
		WRITE_ONCE(svm->count, svm->count - 1);
		/* Waits for a callback, which finds nothing to do */
		mmu_interval_notifier_remove(&n->mni);
		svm->ops->span_destroy(svm->priv, n->span);
		kfree_rcu(n, rcu);
	}
	mutex_unlock(&svm->lock);
}

static void vsvm_svm_collect(struct work_struct *work)
{
	struct vsvm_svm *svm = container_of(work, struct vsvm_svm, collect.work);
	struct vsvm_svm_notifier *n;
	unsigned long index;

	/* Someone waits for user space since before: that may take as long as it likes */
	if (svm->marked && !poll_state_synchronize_srcu(&svm->users, svm->grace))
		goto out;
	/* Only this takes notifiers out, so none that it looks at goes */
	xa_for_each(&svm->notifiers, index, n) {
		int life = atomic_read(&n->life);

		if (life == VSVM_SVM_IDLE)
			vsvm_svm_notifier_give_up(svm, index, n);
		else if (vsvm_svm_notifier_empty(n))
			atomic_set(&n->life, VSVM_SVM_IDLE);
		cond_resched();
	}
	svm->grace = start_poll_synchronize_srcu(&svm->users);
	svm->marked = true;
out:
	if (READ_ONCE(svm->count))
		vsvm_svm_collect_start(svm);
}

void vsvm_svm_collect_init(struct vsvm_svm *svm)
{
	INIT_DELAYED_WORK(&svm->collect, vsvm_svm_collect);
}

/** vsvm_svm_collect_start() - there is a notifier that may have to be given up some day */
void vsvm_svm_collect_start(struct vsvm_svm *svm)
{
	if (svm->config.idle_ms)
		queue_delayed_work(system_dfl_wq, &svm->collect,
				   msecs_to_jiffies(svm->config.idle_ms));
}

/** vsvm_svm_collect_stop() - for good; no request is in flight; may sleep */
void vsvm_svm_collect_stop(struct vsvm_svm *svm)
{
	cancel_delayed_work_sync(&svm->collect);
	/* Ends the grace period that has been asked for */
	if (svm->marked && !poll_state_synchronize_srcu(&svm->users, svm->grace))
		synchronize_srcu(&svm->users);
}
