// SPDX-License-Identifier: GPL-2.0-only
/*
 * Atomic access of the device to system memory.
 *
 * A device whose atomic operations are not seen as such by the CPU must have the
 * page for itself meanwhile: make_device_exclusive() takes it out of the
 * process' page table, and the first touch of the CPU takes it back, which ends
 * the device's right in the notifier.  Neither side can lose an update of the
 * other.
 *
 * It is the choice of whoever created the address space: the accelerator itself
 * could do without.
 *
 * Core-mm does that for anonymous memory only.  Memory that several mappings
 * share (shmem, files) is given as it is.
 */
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

#include "svm/svm_priv.h"

static int vsvm_svm_map_atomic(struct vsvm_svm_notifier *n, unsigned long address,
			       unsigned long pfn, const struct vsvm_svm_look *look,
			       const struct vsvm_svm_bounds *bounds)
{
	const struct vsvm_svm_ops *ops = n->svm->ops;
	void *priv = n->svm->priv;
	void *prepared;
	int ret;

	prepared = ops->prepare(priv, n->span, address);
	if (IS_ERR(prepared))
		return PTR_ERR(prepared);
	mutex_lock(&n->span->lock);
	if (READ_ONCE(n->svm->stopped))
		ret = -ESRCH;
	else if (READ_ONCE(*bounds->epoch) != bounds->seen)
		ret = -ESTALE;
	else if (vsvm_svm_look_stale(n, look, address, address + PAGE_SIZE))
		ret = -EAGAIN;
	else
		ret = ops->map_atomic(priv, n->span, address, pfn, &prepared);
	mutex_unlock(&n->span->lock);
	if (prepared)
		ops->finish(priv, prepared);
	return ret;
}

/**
 * vsvm_svm_exclusive() - let the device access a page atomically
 * @n: notifier of the page
 * @address: page aligned
 * @pfn: of the page, writable, in hmm encoding, for memory that is shared
 * @look: when @pfn was looked up
 * @bounds: cover the page
 * @wait: for mmap_lock, or not
 *
 * Context: may sleep; the caller holds a reference to the users of the mm and
 * no lock.
 * Return: %VSVM_SVM_OK, %VSVM_SVM_PENDING if all must begin again, or what the
 * request fails with.
 */
enum vsvm_svm_status vsvm_svm_exclusive(struct vsvm_svm_notifier *n,
					unsigned long address, unsigned long pfn,
					const struct vsvm_svm_look *look,
					const struct vsvm_svm_bounds *bounds,
					enum vsvm_svm_wait wait)
{
	struct vsvm_svm *svm = n->svm;
	struct folio *folio = NULL;
	struct vsvm_svm_look own;
	struct page *page;
	int ret;

	vsvm_svm_look_begin(n, &own);
	if (!vsvm_svm_lock_mm(svm, wait))
		return wait ? VSVM_SVM_EXITED : VSVM_SVM_LATER;
	page = make_device_exclusive(svm->mm, address, svm->config.mem.owner, &folio);
	mmap_read_unlock(svm->mm);
	if (!IS_ERR(page)) {
		pfn = page_to_pfn(page) | HMM_PFN_VALID | HMM_PFN_WRITE;
		look = &own;
		ret = 0;
	} else {
		ret = PTR_ERR(page);
	}
	if (!ret || ret == -EOPNOTSUPP)
		ret = vsvm_svm_map_atomic(n, address, pfn, look, bounds);
	if (folio) {
		if (!ret)
			vsvm_svm_count(svm, VSVM_STAT_EXCLUSIVE, 1);
		folio_unlock(folio);
		folio_put(folio);
	}

	switch (ret) {
	case 0:
		return VSVM_SVM_OK;
	case -EAGAIN:
	case -EBUSY:
	case -EFAULT:
		/* It has gone or changed meanwhile: the next walk tells */
		vsvm_svm_count(svm, VSVM_STAT_RETRIES, 1);
		return VSVM_SVM_PENDING;
	case -ENOMEM:
		return VSVM_SVM_NO_MEMORY;
	case -ESTALE:
		return VSVM_SVM_STALE;
	case -EIO:
		return VSVM_SVM_UNSUPPORTED;
	default:
		return VSVM_SVM_EXITED;
	}
}
