// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a mirror, and how its notifiers are found.
 *
 * Notifiers are found without a lock: what a thread has found stays until it
 * leaves, see collect.c.  They are inserted outside of the path of a fault as
 * far as possible: insertion costs more than a page-table walk, which is why one
 * notifier watches many megabytes and stays for as long as it is of use.
 */
#include <linux/hmm.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/export.h>

#include <kunit/visibility.h>

#include "svm/svm_priv.h"

struct vsvm_svm *vsvm_svm_create(const struct vsvm_svm_ops *ops, void *priv,
				 const struct vsvm_svm_config *config)
{
	struct vsvm_svm *svm = kzalloc_obj(*svm, GFP_KERNEL_ACCOUNT);

	if (!svm)
		return NULL;
	svm->counters = alloc_percpu_gfp(struct vsvm_svm_counters, GFP_KERNEL_ACCOUNT);
	if (!svm->counters || init_srcu_struct(&svm->users)) {
		free_percpu(svm->counters);
		kfree(svm);
		return NULL;
	}
	svm->ops = ops;
	svm->priv = priv;
	svm->config = *config;
	svm->mm = current->mm;
	mmgrab(svm->mm);
	mutex_init(&svm->lock);
	xa_init_flags(&svm->notifiers, XA_FLAGS_ACCOUNT);
	vsvm_svm_collect_init(svm);
	/*
	 * The first notifier of a process takes mmap_lock for writing: here,
	 * where the process itself waits for it, and not in a fault.
	 */
	if (mmu_notifier_register(NULL, svm->mm)) {
		vsvm_svm_destroy(svm);
		return NULL;
	}
	return svm;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_create);

void vsvm_svm_enter(struct vsvm_svm *svm, struct vsvm_svm_user *user)
{
	user->index = srcu_read_lock(&svm->users);
	user->memcg = get_mem_cgroup_from_mm(svm->mm);
	user->outer = set_active_memcg(user->memcg);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_enter);

void vsvm_svm_leave(struct vsvm_svm *svm, const struct vsvm_svm_user *user)
{
	set_active_memcg(user->outer);
	mem_cgroup_put(user->memcg);
	srcu_read_unlock(&svm->users, user->index);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_leave);

static struct vsvm_svm_notifier *
vsvm_svm_notifier_create(struct vsvm_svm *svm, unsigned long index)
{
	unsigned long size = svm->config.span_size;
	unsigned long start = index * size;
	struct vsvm_svm_notifier *n;
	int err;

	lockdep_assert_held(&svm->lock);
	n = kzalloc_flex(*n, guard, size >> VSVM_SVM_BLOCK_SHIFT, GFP_KERNEL_ACCOUNT);
	if (!n)
		return ERR_PTR(-ENOMEM);
	n->svm = svm;
	n->span = svm->ops->span_create(svm->priv, start, start + size);
	if (!n->span) {
		err = -ENOMEM;
		goto err_free;
	}
	err = xa_reserve(&svm->notifiers, index, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_span;
	err = mmu_interval_notifier_insert(&n->mni, svm->mm, start, size,
					   &vsvm_svm_notifier_ops);
	if (err) {
		xa_release(&svm->notifiers, index);
		goto err_span;
	}
	WRITE_ONCE(svm->count, svm->count + 1);
	xa_store(&svm->notifiers, index, n, GFP_KERNEL_ACCOUNT);
	vsvm_svm_collect_start(svm);
	return n;

err_span:
	svm->ops->span_destroy(svm->priv, n->span);
err_free:
	kfree(n);
	return ERR_PTR(err);
}

/* The first notifier from @index to @last, or NULL; @index: out: which it is */
static struct vsvm_svm_notifier *
vsvm_svm_notifier_find(struct vsvm_svm *svm, unsigned long *index, unsigned long last)
{
	struct vsvm_svm_notifier *n;

	RCU_LOCKDEP_WARN(!srcu_read_lock_held(&svm->users),
			 "outside of vsvm_svm_enter() and vsvm_svm_leave()");
	rcu_read_lock();
	n = xa_find(&svm->notifiers, index, last, XA_PRESENT);
	while (n && !vsvm_svm_notifier_keep(n))
		n = xa_find_after(&svm->notifiers, index, last, XA_PRESENT);
	rcu_read_unlock();
	return n;
}

/**
 * vsvm_svm_notifier_get() - find or create the notifier of an address
 * @svm: mirror, entered
 * @address: any
 *
 * Context: may sleep; the caller holds a reference to the users of the mm.
 * Return: the notifier, good until vsvm_svm_leave(); ERR_PTR(-ENOMEM),
 * ERR_PTR(-ESRCH) when stopped.
 */
struct vsvm_svm_notifier *vsvm_svm_notifier_get(struct vsvm_svm *svm,
						unsigned long address)
{
	unsigned long index = address / svm->config.span_size;
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_find(svm, &index, index);

	if (likely(n))
		return n;
	mutex_lock(&svm->lock);
	n = vsvm_svm_notifier_find(svm, &index, index);
	if (!n) {
		if (READ_ONCE(svm->stopped))
			n = ERR_PTR(-ESRCH);
		else
			n = vsvm_svm_notifier_create(svm, index);
	}
	mutex_unlock(&svm->lock);
	return n;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_notifier_get);

struct vsvm_svm_span *vsvm_svm_span(struct vsvm_svm *svm, unsigned long address)
{
	unsigned long index = address / svm->config.span_size;
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_find(svm, &index, index);

	if (n)
		return n->span;
	if (!mmget_not_zero(svm->mm))
		return ERR_PTR(-ESRCH);
	n = vsvm_svm_notifier_get(svm, address);
	mmput_async(svm->mm);
	return IS_ERR(n) ? ERR_CAST(n) : n->span;
}

bool vsvm_svm_stopped(const struct vsvm_svm *svm)
{
	return READ_ONCE(svm->stopped);
}

static int vsvm_svm_each_span(struct vsvm_svm *svm, unsigned long start,
			      unsigned long end, vsvm_svm_span_fn fn, void *arg,
			      bool block)
{
	unsigned long size = svm->config.span_size;
	struct vsvm_svm_notifier *n;
	unsigned long index, last;
	int ret = 0, user;

	if (start >= end)
		return 0;
	index = start / size;
	last = (end - 1) / size;
	user = srcu_read_lock(&svm->users);
	while ((n = vsvm_svm_notifier_find(svm, &index, last))) {
		struct vsvm_svm_span *span = n->span;

		if (block) {
			mutex_lock(&span->lock);
		} else if (!mutex_trylock(&span->lock)) {
			ret = -EAGAIN;
			break;
		}
		ret = fn(span, max(start, span->start), min(end, span->end), arg);
		mutex_unlock(&span->lock);
		if (ret || index++ == last)
			break;
		if (block)
			cond_resched();
	}
	srcu_read_unlock(&svm->users, user);
	return ret;
}

int vsvm_svm_walk_spans(struct vsvm_svm *svm, unsigned long start,
			unsigned long end, vsvm_svm_span_fn fn, void *arg)
{
	return vsvm_svm_each_span(svm, start, end, fn, arg, true);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_walk_spans);

int vsvm_svm_try_spans(struct vsvm_svm *svm, unsigned long start,
		       unsigned long end, vsvm_svm_span_fn fn, void *arg)
{
	return vsvm_svm_each_span(svm, start, end, fn, arg, false);
}

struct vsvm_svm_zap {
	struct vsvm_svm *svm;
	unsigned long leaves;
};

static int vsvm_svm_zap_span(struct vsvm_svm_span *span, unsigned long start,
			     unsigned long end, void *arg)
{
	struct vsvm_svm_zap *zap = arg;

	zap->leaves += zap->svm->ops->zap(zap->svm->priv, span, start, end,
					   VSVM_SVM_ANYWHERE);
	return 0;
}

unsigned long vsvm_svm_zap(struct vsvm_svm *svm, unsigned long start,
			   unsigned long end)
{
	struct vsvm_svm_zap zap = { .svm = svm };

	vsvm_svm_walk_spans(svm, start, end, vsvm_svm_zap_span, &zap);
	return zap.leaves;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_zap);

void vsvm_svm_stop(struct vsvm_svm *svm)
{
	/* Under the lock, so that no notifier appears behind the walk below */
	mutex_lock(&svm->lock);
	WRITE_ONCE(svm->stopped, true);
	mutex_unlock(&svm->lock);
	/*
	 * Whoever maps checks the flag under the span's lock: it has either
	 * been zapped by this walk or sees the flag.
	 */
	vsvm_svm_zap(svm, 0, ULONG_MAX);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_stop);

void vsvm_svm_destroy(struct vsvm_svm *svm)
{
	struct vsvm_svm_notifier *n;
	unsigned long index;

	if (!svm)
		return;
	vsvm_svm_collect_stop(svm);
	xa_for_each(&svm->notifiers, index, n) {
		mmu_interval_notifier_remove(&n->mni);
		svm->ops->span_destroy(svm->priv, n->span);
		kfree(n);
	}
	xa_destroy(&svm->notifiers);
	mutex_destroy(&svm->lock);
	cleanup_srcu_struct(&svm->users);
	free_percpu(svm->counters);
	mmdrop(svm->mm);
	kfree(svm);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_destroy);

bool vsvm_svm_lock_mm(struct vsvm_svm *svm, enum vsvm_svm_wait wait)
{
	if (wait == VSVM_SVM_WAIT_NOT)
		return mmap_read_trylock(svm->mm);
	return !mmap_read_lock_killable(svm->mm);
}

struct mm_struct *vsvm_svm_mm(const struct vsvm_svm *svm)
{
	return svm->mm;
}

unsigned long vsvm_svm_spans(const struct vsvm_svm *svm)
{
	return READ_ONCE(svm->count);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_spans);

unsigned long vsvm_svm_meta_bytes(const struct vsvm_svm *svm)
{
	return vsvm_svm_spans(svm) *
		struct_size_t(struct vsvm_svm_notifier, guard,
			      svm->config.span_size >> VSVM_SVM_BLOCK_SHIFT);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_meta_bytes);

struct vsvm_svm_counters __percpu *vsvm_svm_counters(struct vsvm_svm *svm)
{
	return svm->counters;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_counters);

u64 vsvm_svm_stat(const struct vsvm_svm *svm, enum vsvm_svm_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(svm->counters, cpu)->v[stat]);
	return sum;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_stat);
