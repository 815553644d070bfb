// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges that are to stay mapped.
 *
 * Where faults can be taken nothing is lost by being unmapped for a moment, so
 * nobody is stopped for it: a worker maps again what an invalidation has taken
 * away, if the process still has it, and a fault that comes earlier does the same.
 */
#include "vm/vm_priv.h"

/* Invalidations come in bursts: wait for the end of one */
#define VSVM_RESTORE_DELAY	msecs_to_jiffies(1)

/**
 * vsvm_vm_attr_zapped() - something of a range may have been unmapped
 * @vm: address space
 * @start: first address
 * @end: one past the last
 *
 * Any context that may take spinlocks; under a span's lock in general.
 */
void vsvm_vm_attr_zapped(struct vsvm_vm *vm, unsigned long start, unsigned long end)
{
	struct vsvm_vm_attr *attr = &vm->attr;

	if (likely(!READ_ONCE(attr->keep)) || READ_ONCE(vm->closing))
		return;
	spin_lock(&attr->lock);
	attr->restore_start = min(attr->restore_start, start);
	attr->restore_end = max(attr->restore_end, end);
	spin_unlock(&attr->lock);
	queue_delayed_work(system_dfl_wq, &attr->restore_work, VSVM_RESTORE_DELAY);
}

/* The first part of [*start, *end) that is to stay mapped */
static bool vsvm_attr_next_mapped(struct vsvm_vm *vm, unsigned long *start,
				  unsigned long *end)
{
	unsigned long at = *start, lo, hi;
	bool found = false;
	u32 word;

	down_read(&vm->bind_lock);
	while (at < *end && !found) {
		lo = at;
		hi = *end;
		word = vsvm_attr_find(&vm->attr.tree, at, VSVM_ATTR_ALWAYS_MAPPED,
				      &lo, &hi);
		found = word & VSVM_ATTR_ALWAYS_MAPPED;
		if (found)
			*start = at;
		at = hi;
	}
	up_read(&vm->bind_lock);
	*end = at;
	return found;
}

static void vsvm_attr_restore_work(struct work_struct *work)
{
	struct vsvm_vm *vm = container_of(to_delayed_work(work), struct vsvm_vm,
					  attr.restore_work);
	struct vsvm_vm_attr *attr = &vm->attr;
	unsigned long start, end, from, to;

	spin_lock(&attr->lock);
	start = attr->restore_start;
	end = min(attr->restore_end, BIT(VSVM_HW_VA_BITS));
	attr->restore_start = ULONG_MAX;
	attr->restore_end = 0;
	spin_unlock(&attr->lock);
	for (; start < end && !READ_ONCE(vm->closing); start = to) {
		from = start;
		to = end;
		if (!vsvm_attr_next_mapped(vm, &from, &to))
			break;
		/* What fails here is left to a fault */
		vsvm_vm_attr_prefetch(vm, from, to, VSVM_SVM_ANYWHERE);
	}
}

/**
 * vsvm_vm_attr_keep_mapped() - a range is to stay mapped from now on
 * @vm: address space
 * @start: first address, page aligned
 * @end: one past the last
 *
 * Maps what is there.  May sleep.
 */
void vsvm_vm_attr_keep_mapped(struct vsvm_vm *vm, unsigned long start,
			      unsigned long end)
{
	WRITE_ONCE(vm->attr.keep, true);
	vsvm_vm_attr_prefetch(vm, start, end, VSVM_SVM_ANYWHERE);
}

void vsvm_vm_attr_mapped_init(struct vsvm_vm *vm)
{
	vm->attr.restore_start = ULONG_MAX;
	INIT_DELAYED_WORK(&vm->attr.restore_work, vsvm_attr_restore_work);
}

void vsvm_vm_attr_mapped_fini(struct vsvm_vm *vm)
{
	disable_delayed_work_sync(&vm->attr.restore_work);
}
