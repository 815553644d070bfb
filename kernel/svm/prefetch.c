// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prefetch: pages are moved and mapped before the device asks for them.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "svm/svm_serve.h"

/* Map what is there of a part of a block.  0, -EINTR, -ESRCH, -ESTALE, -ENOMEM */
static int vsvm_svm_map_present(struct vsvm_svm_service *s, unsigned long start,
				unsigned long end)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(s->svm->config.deadline_ms);
	int ret;

	bitmap_zero(s->want, VSVM_SVM_BLOCK_PAGES);
	bitmap_set(s->want, vsvm_svm_index(s, start), (end - start) >> PAGE_SHIFT);
	do {
		vsvm_svm_look_begin(s->n, &s->look);
		mmap_read_lock(s->svm->mm);
		ret = vsvm_svm_snapshot(s);
		mmap_read_unlock(s->svm->mm);
		if (!ret)
			ret = vsvm_svm_commit(s, 0);
		if (ret != -EBUSY && ret != -EAGAIN)
			return ret == -EIO ? 0 : ret;
		vsvm_svm_count(s->svm, VSVM_STAT_RETRIES, 1);
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	} while (time_before(jiffies, deadline));
	/* It was only advice */
	return 0;
}

/* Where the process has something mapped, from an address on */
static unsigned long vsvm_svm_next_mapped(struct vsvm_svm *svm, unsigned long address)
{
	struct vm_area_struct *vma;

	mmap_read_lock(svm->mm);
	vma = find_vma(svm->mm, address);
	if (!vma)
		address = ULONG_MAX;
	else
		address = max(address, vma->vm_start);
	mmap_read_unlock(svm->mm);
	return address;
}

int vsvm_svm_prefetch(struct vsvm_svm *svm, unsigned long start, unsigned long end,
		      const struct vsvm_svm_bounds *bounds,
		      enum vsvm_svm_place place)
{
	struct vsvm_svm_scratch *scratch;
	unsigned long next, to;
	long ret = 0;

	if (!mmget_not_zero(svm->mm))
		return -ESRCH;
	scratch = kvmalloc_obj(*scratch);
	if (!scratch) {
		mmput(svm->mm);
		return -ENOMEM;
	}
	while (start < end && ret >= 0) {
		start = vsvm_svm_next_mapped(svm, start);
		if (start >= end)
			break;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		/* Map what has moved while it is fresh, not at the end of it all */
		next = min(end, ALIGN_DOWN(start, VSVM_SVM_BLOCK_SIZE) +
			   8 * VSVM_SVM_BLOCK_SIZE);
		if (place != VSVM_SVM_ANYWHERE)
			ret = vsvm_svm_migrate(svm, start, next,
					       place == VSVM_SVM_DEVICE, true);
		for (; start < next && ret >= 0; start = to) {
			struct vsvm_svm_service s = {
				.svm = svm,
				.bounds = bounds,
				.pfns = scratch->pfns,
				.block = ALIGN_DOWN(start, VSVM_SVM_BLOCK_SIZE),
			};

			to = min(next, s.block + VSVM_SVM_BLOCK_SIZE);
			s.n = vsvm_svm_notifier_get(svm, start);
			ret = IS_ERR(s.n) ? PTR_ERR(s.n) :
				vsvm_svm_map_present(&s, start, to);
		}
	}
	kvfree(scratch);
	mmput(svm->mm);
	return ret < 0 ? ret : 0;
}
