// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes that go with their mapping, where the binding asks for it.
 *
 * A notifier over the whole address space takes note of what the process unmaps,
 * before munmap() returns.  The notes are worked off by a worker, and before
 * anybody looks at attributes: so what is mapped there next, and given attributes
 * of its own, keeps them.
 *
 * Notes are kept apart: what lies between two of them has not been unmapped.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "vm/vm_priv.h"

/* A note that could not be worked off for want of memory is tried again after */
#define VSVM_RESET_PAUSE	(HZ / 10)

/**
 * struct vsvm_attr_note - what the process has unmapped
 * @link: on &vsvm_vm_attr.notes
 * @start: first address
 * @end: one past the last
 */
struct vsvm_attr_note {
	struct list_head link;
	unsigned long start;
	unsigned long end;
};

static bool vsvm_attr_unmapped(struct mmu_interval_notifier *mni,
			       const struct mmu_notifier_range *range,
			       unsigned long cur_seq)
{
	struct vsvm_vm *vm = container_of(mni, struct vsvm_vm, attr.mni);
	struct vsvm_vm_attr *attr = &vm->attr;
	struct vsvm_attr_note *note;
	unsigned long end;

	/* Nobody reads this sequence */
	mmu_interval_set_seq(mni, cur_seq);
	if (range->event != MMU_NOTIFY_UNMAP)
		return true;
	end = min(range->end, BIT(VSVM_HW_VA_BITS));
	/* A SET that comes later than this look may as well come later than all of it */
	if (range->start >= end || !vsvm_attr_any(&attr->tree, range->start, end))
		return true;
	note = kmalloc_obj(*note, GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT);
	if (note) {
		note->start = range->start;
		note->end = end;
	}
	spin_lock(&attr->lock);
	if (note)
		list_add_tail(&note->link, &attr->notes);
	else
		attr->sweep = true;
	WRITE_ONCE(attr->pending, true);
	spin_unlock(&attr->lock);
	queue_delayed_work(system_dfl_wq, &attr->reset_work, 0);
	return true;
}

static const struct mmu_interval_notifier_ops vsvm_attr_notifier_ops = {
	.invalidate = vsvm_attr_unmapped,
};

/* Reset what of a range is bound with AUTO_RESET */
static int vsvm_attr_reset_bound(struct vsvm_vm *vm, unsigned long start,
				 unsigned long end)
{
	const struct vsvm_attr_change change = { .clear = VSVM_ATTR_ALL };
	struct drm_gpuva *va;
	int err;

	drm_gpuvm_for_each_va_range(va, vm->gpuvm, start, end) {
		unsigned long from = max_t(u64, start, va->va.addr);
		unsigned long to = min_t(u64, end, va->va.addr + va->va.range);

		if (!(container_of(va, struct vsvm_binding, va)->flags &
		      DRM_VSVM_BIND_AUTO_RESET) ||
		    !vsvm_attr_any(&vm->attr.tree, from, to))
			continue;
		err = vsvm_vm_attr_change(vm, from, to, &change);
		if (err)
			return err;
		vsvm_svm_count(vm->svm, VSVM_STAT_ATTR_RESETS, 1);
	}
	return 0;
}

/*
 * There was no memory for a note: reset where nothing is mapped any more.  What
 * has been mapped anew in the meantime keeps what was there.
 */
static int vsvm_attr_sweep(struct vsvm_vm *vm)
{
	unsigned long end = BIT(VSVM_HW_VA_BITS), address = 0, hole, next;
	struct vm_area_struct *vma;
	int err = 0;

	if (!mmget_not_zero(vm->attr.mm))
		return vsvm_attr_reset_bound(vm, 0, end);
	while (address < end && !err) {
		mmap_read_lock(vm->attr.mm);
		vma = find_vma(vm->attr.mm, address);
		hole = vma ? min(end, vma->vm_start) : end;
		next = vma ? vma->vm_end : end;
		mmap_read_unlock(vm->attr.mm);
		if (address < hole)
			err = vsvm_attr_reset_bound(vm, address, hole);
		address = next;
		cond_resched();
	}
	mmput_async(vm->attr.mm);
	return err;
}

/**
 * vsvm_vm_attr_drain() - work off what has been noted
 * @vm: address space, bind_lock held for writing
 *
 * May sleep.
 */
void vsvm_vm_attr_drain(struct vsvm_vm *vm)
{
	struct vsvm_vm_attr *attr = &vm->attr;
	struct vsvm_attr_note *note, *next;
	LIST_HEAD(notes);
	bool sweep;
	int err = 0;

	lockdep_assert_held_write(&vm->bind_lock);
	if (likely(!READ_ONCE(attr->pending)))
		return;
	spin_lock(&attr->lock);
	list_splice_init(&attr->notes, &notes);
	sweep = attr->sweep;
	attr->sweep = false;
	WRITE_ONCE(attr->pending, false);
	spin_unlock(&attr->lock);

	list_for_each_entry_safe(note, next, &notes, link) {
		err = vsvm_attr_reset_bound(vm, note->start, note->end);
		if (err)
			break;
		list_del(&note->link);
		kfree(note);
	}
	if (!err && sweep) {
		err = vsvm_attr_sweep(vm);
		sweep = err;
	}
	if (likely(!err))
		return;
	spin_lock(&attr->lock);
	list_splice(&notes, &attr->notes);
	attr->sweep |= sweep;
	WRITE_ONCE(attr->pending, true);
	spin_unlock(&attr->lock);
	if (!READ_ONCE(vm->closing))
		queue_delayed_work(system_dfl_wq, &attr->reset_work, VSVM_RESET_PAUSE);
}

/** vsvm_vm_attr_catch_up() - the same for who does not hold the lock, before he looks */
void vsvm_vm_attr_catch_up(struct vsvm_vm *vm)
{
	if (likely(!READ_ONCE(vm->attr.pending)))
		return;
	down_write(&vm->bind_lock);
	vsvm_vm_attr_drain(vm);
	up_write(&vm->bind_lock);
}

static void vsvm_attr_reset_work(struct work_struct *work)
{
	struct vsvm_vm *vm = container_of(to_delayed_work(work), struct vsvm_vm,
					  attr.reset_work);

	vsvm_vm_attr_catch_up(vm);
}

/**
 * vsvm_vm_attr_watch() - take note of what the process unmaps
 * @vm: address space of the calling process
 *
 * Stays until the address space goes.  May sleep; no lock held.
 * Return: 0 or -ENOMEM, -EINTR.
 */
int vsvm_vm_attr_watch(struct vsvm_vm *vm)
{
	struct vsvm_vm_attr *attr = &vm->attr;
	int err = 0;

	mutex_lock(&attr->watch);
	if (!attr->watched) {
		err = mmu_interval_notifier_insert(&attr->mni, attr->mm, 0,
						   BIT(VSVM_HW_VA_BITS),
						   &vsvm_attr_notifier_ops);
		attr->watched = !err;
	}
	mutex_unlock(&attr->watch);
	return err;
}

void vsvm_vm_attr_reset_init(struct vsvm_vm *vm)
{
	spin_lock_init(&vm->attr.lock);
	mutex_init(&vm->attr.watch);
	INIT_LIST_HEAD(&vm->attr.notes);
	INIT_DELAYED_WORK(&vm->attr.reset_work, vsvm_attr_reset_work);
}

void vsvm_vm_attr_reset_fini(struct vsvm_vm *vm)
{
	struct vsvm_attr_note *note, *next;

	if (vm->attr.watched)
		mmu_interval_notifier_remove(&vm->attr.mni);
	disable_delayed_work_sync(&vm->attr.reset_work);
	list_for_each_entry_safe(note, next, &vm->attr.notes, link)
		kfree(note);
	mutex_destroy(&vm->attr.watch);
}
