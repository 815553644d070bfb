// SPDX-License-Identifier: GPL-2.0-only
/*
 * What core-mm takes away.
 *
 * An invalidation touches the pages that it names and no other.  Where only
 * the right to write goes, the translation stays: after fork() the device goes
 * on reading without a fault.
 */
#include <linux/mm.h>
#include <linux/sched/clock.h>
#include <linux/export.h>

#include <kunit/visibility.h>

#include "svm/svm_priv.h"
#include "svm/svm_trace.h"

void vsvm_svm_page_dirty(unsigned long pfn, unsigned long npages)
{
	while (npages) {
		struct folio *folio = page_folio(pfn_to_page(pfn));
		unsigned long in_folio = folio_nr_pages(folio) -
			folio_page_idx(folio, pfn_to_page(pfn));
		unsigned long n = min(npages, in_folio);

		/* The zero page is never writable, so it does not come here */
		if (!folio_test_dirty(folio))
			folio_mark_dirty(folio);
		pfn += n;
		npages -= n;
	}
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_page_dirty);

static unsigned long vsvm_svm_zap_locked(struct vsvm_svm_notifier *n,
					 unsigned long start, unsigned long end)
{
	return n->svm->ops->zap(n->svm->priv, n->span, start, end,
				VSVM_SVM_ANYWHERE);
}

/*
 * A migration between system and device memory by a mirror of this device: it
 * takes pages of one kind and leaves those of the other where they are.  Pages
 * that go back because the CPU wants them are noted.
 */
static unsigned long vsvm_svm_migrate_locked(struct vsvm_svm_notifier *n,
					     const struct mmu_notifier_range *range,
					     unsigned long start, unsigned long end)
{
	enum vsvm_svm_place place = VSVM_SVM_ANYWHERE;
	unsigned long hit;

	if (!range->owner)
		place = VSVM_SVM_ANYWHERE;
	else if (range->owner == vsvm_svm_to_device_owner(n->svm))
		place = VSVM_SVM_SYSTEM;
	else if (range->owner == n->svm->config.mem.owner)
		place = VSVM_SVM_DEVICE;
	hit = n->svm->ops->zap(n->svm->priv, n->span, start, end, place);
	if (place == VSVM_SVM_DEVICE)
		vsvm_svm_guard_returned(n, start, end);
	return hit;
}

/*
 * A change of the protection of a mapping: it still names the pages that it
 * named, but may forbid to read them.  The new flags are in place already, and
 * whoever changes protections holds mmap_lock.
 */
static unsigned long vsvm_svm_protect_vma(struct vsvm_svm_notifier *n,
					  unsigned long start, unsigned long end)
{
	const struct vsvm_svm_ops *ops = n->svm->ops;
	unsigned long hit = 0, address = start;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, n->svm->mm, start);
	for_each_vma_range(vmi, vma, end) {
		unsigned long from = max(start, vma->vm_start);
		unsigned long to = min(end, vma->vm_end);

		if (address < from)
			hit += vsvm_svm_zap_locked(n, address, from);
		if (vma->vm_flags & VM_READ)
			hit += ops->protect(n->svm->priv, n->span, from, to);
		else
			hit += vsvm_svm_zap_locked(n, from, to);
		address = to;
	}
	if (address < end)
		hit += vsvm_svm_zap_locked(n, address, end);
	return hit;
}

static bool vsvm_svm_invalidate(struct mmu_interval_notifier *mni,
				const struct mmu_notifier_range *range,
				unsigned long cur_seq)
{
	struct vsvm_svm_notifier *n = container_of(mni, struct vsvm_svm_notifier, mni);
	const struct vsvm_svm_ops *ops = n->svm->ops;
	struct vsvm_svm_span *span = n->span;
	unsigned long start = max(range->start, span->start);
	unsigned long end = min(range->end, span->end);
	unsigned long hit;
	u64 t;

	/*
	 * It is this device that takes a page for itself: nothing of its own is
	 * to be taken away, and whoever is about to map the page must not see
	 * the sequence move for it.
	 */
	if (range->event == MMU_NOTIFY_EXCLUSIVE && range->owner &&
	    range->owner == n->svm->config.mem.owner)
		return true;

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&span->lock);
	else if (!mutex_trylock(&span->lock))
		return false;

	t = local_clock();
	vsvm_svm_look_note(n, cur_seq, start, end);
	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_VMA:
		hit = vsvm_svm_protect_vma(n, start, end);
		break;
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		hit = ops->protect(n->svm->priv, span, start, end);
		break;
	case MMU_NOTIFY_MIGRATE:
		hit = vsvm_svm_migrate_locked(n, range, start, end);
		break;
	default:
		hit = vsvm_svm_zap_locked(n, start, end);
		break;
	}
	vsvm_svm_count(n->svm, VSVM_STAT_INVALIDATIONS, 1);
	if (hit)
		vsvm_svm_count(n->svm, VSVM_STAT_INVALIDATIONS_HIT, 1);
	vsvm_svm_count(n->svm, VSVM_STAT_INVALIDATE_NS, local_clock() - t);
	mutex_unlock(&span->lock);
	trace_vsvm_invalidate(n->svm, start, end, range->event, hit);
	return true;
}

const struct mmu_interval_notifier_ops vsvm_svm_notifier_ops = {
	.invalidate = vsvm_svm_invalidate,
};
