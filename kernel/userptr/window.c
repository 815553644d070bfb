// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watching the process.
 *
 * An invalidation of a window asks each batch linked to it where the pages
 * appear, and takes them away there, from the device's page table, one span
 * after the other.  It touches those pages and no other, whatever else the
 * batch consists of.
 */
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "userptr/userptr_priv.h"

/**
 * struct vsvm_userptr_zap - an invalidation under way
 * @up: address space
 * @start: device addresses that are to go, not done with yet
 * @end: one past their last
 * @protect: only the right to write goes
 * @block: locks may be waited for
 * @hit: leaves changed so far
 */
struct vsvm_userptr_zap {
	struct vsvm_userptr *up;
	u64 start;
	u64 end;
	bool protect;
	bool block;
	unsigned long hit;
};

static int vsvm_userptr_zap_span(struct vsvm_svm_span *span, unsigned long start,
				 unsigned long end, void *arg)
{
	struct vsvm_userptr_zap *z = arg;
	const struct vsvm_svm_ops *ops = z->up->ops;

	if (z->protect)
		z->hit += ops->protect(z->up->priv, span, start, end);
	else
		z->hit += ops->zap(z->up->priv, span, start, end, VSVM_SVM_ANYWHERE);
	return 0;
}

/*
 * Take away what has been collected, where there is a span: where there is none,
 * nothing was ever mapped, or who is about to map sees the sequence.
 * Return: 0, or -EAGAIN if a lock could not be had.
 */
static int vsvm_userptr_flush(struct vsvm_userptr_zap *z)
{
	if (z->block)
		return vsvm_svm_walk_spans(z->up->svm, z->start, z->end,
					   vsvm_userptr_zap_span, z);
	return vsvm_svm_try_spans(z->up->svm, z->start, z->end,
				  vsvm_userptr_zap_span, z);
}

/* Ranges that follow one another on both sides are taken away at once */
static int vsvm_userptr_collect(u64 start, u64 end, void *arg)
{
	struct vsvm_userptr_zap *z = arg;
	int ret;

	if (start == z->end) {
		z->end = end;
		return 0;
	}
	ret = vsvm_userptr_flush(z);
	z->start = start;
	z->end = end;
	return ret;
}

static int vsvm_userptr_take(struct vsvm_userptr_window *w, struct vsvm_userptr_zap *z,
			     unsigned long start, unsigned long end, bool protect)
{
	struct interval_tree_node *node;
	int ret = 0;

	lockdep_assert_held(&w->lock);
	z->protect = protect;
	for (node = interval_tree_iter_first(&w->links, start, end - 1); node && !ret;
	     node = interval_tree_iter_next(node, start, end - 1)) {
		struct vsvm_userptr_link *link =
			container_of(node, struct vsvm_userptr_link, node);

		ret = vsvm_userptr_batch_hits(link->batch, start, end,
					      vsvm_userptr_collect, z);
		if (!ret)
			ret = vsvm_userptr_flush(z);
		z->start = 0;
		z->end = 0;
	}
	return ret;
}

/* See vsvm_svm_protect_vma(): the mappings say already what they allow */
static int vsvm_userptr_protect_vma(struct vsvm_userptr_window *w,
				    struct vsvm_userptr_zap *z,
				    unsigned long start, unsigned long end)
{
	unsigned long address = start;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int ret = 0;

	vma_iter_init(&vmi, w->up->mm, start);
	for_each_vma_range(vmi, vma, end) {
		unsigned long from = max(start, vma->vm_start);
		unsigned long to = min(end, vma->vm_end);

		if (address < from)
			ret = vsvm_userptr_take(w, z, address, from, false);
		if (!ret)
			ret = vsvm_userptr_take(w, z, from, to, vma->vm_flags & VM_READ);
		if (ret)
			return ret;
		address = to;
	}
	if (address < end)
		ret = vsvm_userptr_take(w, z, address, end, false);
	return ret;
}

static bool vsvm_userptr_invalidate(struct mmu_interval_notifier *mni,
				    const struct mmu_notifier_range *range,
				    unsigned long cur_seq)
{
	struct vsvm_userptr_window *w =
		container_of(mni, struct vsvm_userptr_window, mni);
	unsigned long size = w->up->config.span_size;
	unsigned long start = max(range->start, w->index * size);
	unsigned long end = min(range->end, w->index * size + size);
	struct vsvm_svm *svm = w->up->svm;
	struct vsvm_userptr_zap z = {
		.up = w->up,
		.block = mmu_notifier_range_blockable(range),
	};
	u64 t = local_clock();
	int ret;

	/* This device takes a page for itself: nothing of its own goes */
	if (range->event == MMU_NOTIFY_EXCLUSIVE && range->owner &&
	    range->owner == w->up->config.mem.owner)
		return true;

	if (z.block)
		mutex_lock(&w->lock);
	else if (!mutex_trylock(&w->lock))
		return false;
	/*
	 * Before any span's lock is taken: who maps a page under such a lock has
	 * either done so before it is taken here, or sees this.
	 */
	mmu_interval_set_seq(mni, cur_seq);
	smp_mb();	/* pairs with vsvm_userptr_begin(): a span not seen here sees it */
	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_VMA:
		ret = vsvm_userptr_protect_vma(w, &z, start, end);
		break;
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		ret = vsvm_userptr_take(w, &z, start, end, true);
		break;
	default:
		ret = vsvm_userptr_take(w, &z, start, end, false);
		break;
	}
	mutex_unlock(&w->lock);
	vsvm_svm_count(svm, VSVM_STAT_INVALIDATIONS, 1);
	if (z.hit)
		vsvm_svm_count(svm, VSVM_STAT_INVALIDATIONS_HIT, 1);
	vsvm_svm_count(svm, VSVM_STAT_INVALIDATE_NS, local_clock() - t);
	return !ret;
}

static const struct mmu_interval_notifier_ops vsvm_userptr_notifier_ops = {
	.invalidate = vsvm_userptr_invalidate,
};

static struct vsvm_userptr_window *
vsvm_userptr_window_create(struct vsvm_userptr *up, unsigned long index)
{
	unsigned long size = up->config.span_size;
	struct vsvm_userptr_window *w;
	int err;

	lockdep_assert_held(&up->lock);
	w = kzalloc_obj(*w, GFP_KERNEL_ACCOUNT);
	if (!w)
		return ERR_PTR(-ENOMEM);
	w->up = up;
	w->index = index;
	mutex_init(&w->lock);
	w->links = RB_ROOT_CACHED;
	err = xa_reserve(&up->windows, index, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_free;
	err = mmu_interval_notifier_insert(&w->mni, up->mm, index * size, size,
					   &vsvm_userptr_notifier_ops);
	if (err) {
		xa_release(&up->windows, index);
		goto err_free;
	}
	xa_store(&up->windows, index, w, GFP_KERNEL_ACCOUNT);
	WRITE_ONCE(up->nwindows, up->nwindows + 1);
	atomic_long_add(sizeof(*w), &up->bytes);
	return w;

err_free:
	kfree(w);
	return ERR_PTR(err);
}

/* Out of sight; vsvm_userptr_window_free() has to follow, without the lock */
static void vsvm_userptr_window_remove(struct vsvm_userptr_window *w,
				       struct list_head *dead)
{
	struct vsvm_userptr *up = w->up;

	lockdep_assert_held(&up->lock);
	xa_erase(&up->windows, w->index);
	WRITE_ONCE(up->nwindows, up->nwindows - 1);
	list_add(&w->dead, dead);
}

static void vsvm_userptr_windows_free(struct list_head *dead)
{
	struct vsvm_userptr_window *w, *next;

	list_for_each_entry_safe(w, next, dead, dead) {
		mmu_interval_notifier_remove(&w->mni);
		atomic_long_sub(sizeof(*w), &w->up->bytes);
		mutex_destroy(&w->lock);
		kfree(w);
	}
}

static struct vsvm_userptr_window *
vsvm_userptr_link(struct vsvm_userptr_batch *batch, unsigned long index)
{
	struct vsvm_userptr *up = batch->up;
	unsigned long size = up->config.span_size;
	unsigned long key = index - (batch->first >> up->shift);
	struct vsvm_userptr_window *w;
	struct vsvm_userptr_link *link;
	int err;

	lockdep_assert_held(&up->lock);
	link = xa_load(&batch->links, key);
	if (link)
		return link->window;
	link = kzalloc_obj(*link, GFP_KERNEL_ACCOUNT);
	if (!link)
		return ERR_PTR(-ENOMEM);
	link->batch = batch;
	link->node.start = max(batch->first, index * size);
	link->node.last = min(batch->last, index * size + size - 1);
	err = xa_reserve(&batch->links, key, GFP_KERNEL_ACCOUNT);
	if (err) {
		kfree(link);
		return ERR_PTR(err);
	}
	w = xa_load(&up->windows, index);
	if (!w)
		w = vsvm_userptr_window_create(up, index);
	if (IS_ERR(w)) {
		xa_release(&batch->links, key);
		kfree(link);
		return w;
	}
	link->window = w;
	w->nlinks++;
	mutex_lock(&w->lock);
	interval_tree_insert(&link->node, &w->links);
	mutex_unlock(&w->lock);
	atomic_long_add(sizeof(*link), &up->bytes);
	/* From here on the window may be used without the lock */
	xa_store(&batch->links, key, link, GFP_KERNEL_ACCOUNT);
	return w;
}

/**
 * vsvm_userptr_window_get() - the window of an address, linked to a batch
 * @batch: with a reference held
 * @address: of the process, in the batch
 *
 * Context: may sleep; no lock held; the process is alive.
 * Return: the window, good until the batch goes; ERR_PTR(-ENOMEM).
 */
struct vsvm_userptr_window *
vsvm_userptr_window_get(struct vsvm_userptr_batch *batch, unsigned long address)
{
	struct vsvm_userptr *up = batch->up;
	unsigned long index = address >> up->shift;
	struct vsvm_userptr_link *link;
	struct vsvm_userptr_window *w;

	link = xa_load(&batch->links, index - (batch->first >> up->shift));
	if (likely(link))
		return link->window;
	mutex_lock(&up->lock);
	w = vsvm_userptr_link(batch, index);
	mutex_unlock(&up->lock);
	return w;
}

/** vsvm_userptr_unlink() - a batch goes: nothing of it is mapped; may sleep */
void vsvm_userptr_unlink(struct vsvm_userptr_batch *batch)
{
	struct vsvm_userptr *up = batch->up;
	struct vsvm_userptr_link *link;
	unsigned long key;
	LIST_HEAD(dead);

	if (xa_empty(&batch->links))
		return;
	mutex_lock(&up->lock);
	xa_for_each(&batch->links, key, link) {
		struct vsvm_userptr_window *w = link->window;

		mutex_lock(&w->lock);
		interval_tree_remove(&link->node, &w->links);
		mutex_unlock(&w->lock);
		if (!--w->nlinks)
			vsvm_userptr_window_remove(w, &dead);
		atomic_long_sub(sizeof(*link), &up->bytes);
		kfree(link);
	}
	mutex_unlock(&up->lock);
	xa_destroy(&batch->links);
	/* Waits for invalidations under way */
	vsvm_userptr_windows_free(&dead);
}

struct vsvm_userptr *vsvm_userptr_create(const struct vsvm_svm_ops *ops, void *priv,
					 struct vsvm_svm *svm,
					 const struct vsvm_svm_config *config)
{
	struct vsvm_userptr *up = kzalloc_obj(*up, GFP_KERNEL_ACCOUNT);

	if (!up)
		return NULL;
	up->ops = ops;
	up->priv = priv;
	up->svm = svm;
	up->mm = vsvm_svm_mm(svm);
	up->config = *config;
	up->shift = ilog2(config->span_size);
	mutex_init(&up->lock);
	xa_init(&up->windows);
	return up;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_create);

void vsvm_userptr_destroy(struct vsvm_userptr *up)
{
	if (!up)
		return;
	WARN_ON(atomic_long_read(&up->batches));
	xa_destroy(&up->windows);
	mutex_destroy(&up->lock);
	kfree(up);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_destroy);

void vsvm_userptr_usage(struct vsvm_userptr *up, struct vsvm_userptr_usage *out)
{
	*out = (struct vsvm_userptr_usage) {
		.batches = atomic_long_read(&up->batches),
		.ranges = atomic_long_read(&up->ranges),
		.windows = READ_ONCE(up->nwindows),
		.bytes = atomic_long_read(&up->bytes) + sizeof(*up),
	};
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_usage);
