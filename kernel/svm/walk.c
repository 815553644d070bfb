// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking at a process' page table.  A walk asks for nothing: it tells what is
 * there.
 */
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "svm/svm_serve.h"

/* Take out of a walk what is refused */
static void vsvm_svm_refuse(struct mm_struct *mm, unsigned long start,
			    unsigned long end, unsigned long *pfns,
			    struct vm_area_struct **hint)
{
	struct vm_area_struct *vma = hint ? *hint : NULL;
	struct vma_iterator vmi;
	unsigned long a;

	if (vma && start >= vma->vm_start && end <= vma->vm_end &&
	    !vsvm_svm_refused(vma))
		return;
	vma_iter_init(&vmi, mm, start);
	for_each_vma_range(vmi, vma, end) {
		if (hint)
			*hint = vma;
		if (!vsvm_svm_refused(vma))
			continue;
		for (a = max(start, vma->vm_start); a < min(end, vma->vm_end);
		     a += PAGE_SIZE)
			pfns[(a - start) >> PAGE_SHIFT] = HMM_PFN_ERROR;
	}
}

int vsvm_svm_walk(struct mmu_interval_notifier *mni, unsigned long seq, void *owner,
		  unsigned long start, unsigned long end, unsigned long *pfns,
		  struct vm_area_struct **hint)
{
	struct hmm_range range = {
		.notifier = mni,
		.notifier_seq = seq,
		.start = start,
		.end = end,
		.hmm_pfns = pfns,
		.dev_private_owner = owner,
	};
	int ret;

	mmap_assert_locked(mni->mm);
	memset(pfns, 0, ((end - start) >> PAGE_SHIFT) * sizeof(*pfns));
	ret = hmm_range_fault(&range);
	if (!ret)
		vsvm_svm_refuse(mni->mm, start, end, pfns, hint);
	return ret;
}
