/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_SVM_SERVE_H_
#define _VSVM_SVM_SERVE_H_

#include <linux/bitmap.h>
#include <linux/hmm.h>

#include "svm/svm_priv.h"

/**
 * struct vsvm_svm_service - one service
 * @svm: mirror
 * @n: notifier of the block
 * @req: the requests
 * @count: of @req
 * @bounds: see vsvm_svm_serve()
 * @pfns: of the block, valid where @want is set
 * @want: pages to be walked
 * @block: address of the block
 * @look: when the walk began
 * @huge_pfn: of the first page of the block, if the process maps it as one
 * @window: pages to populate from the first request on
 * @narrow: leave out what is only around; VSVM_SVM_ONE: one request at a time
 * @ahead_done: populated ahead already
 * @migrate_done: tried to move the block already
 * @wait: see vsvm_svm_serve()
 */
struct vsvm_svm_service {
	struct vsvm_svm *svm;
	struct vsvm_svm_notifier *n;
	struct vsvm_svm_request *req;
	unsigned int count;
	const struct vsvm_svm_bounds *bounds;
	unsigned long *pfns;
	DECLARE_BITMAP(want, VSVM_SVM_BLOCK_PAGES);
	unsigned long block;
	struct vsvm_svm_look look;
	unsigned long huge_pfn;
	unsigned int window;
	unsigned int narrow;
	bool ahead_done;
	bool migrate_done;
	enum vsvm_svm_wait wait;
};

/* How far &vsvm_svm_service.narrow goes */
#define VSVM_SVM_REQUESTS	1
#define VSVM_SVM_ONE		2

static inline unsigned int vsvm_svm_index(const struct vsvm_svm_service *s,
					  unsigned long address)
{
	return (address - s->block) >> PAGE_SHIFT;
}

static inline unsigned long vsvm_svm_pfn(const struct vsvm_svm_service *s,
					 unsigned int page)
{
	return s->huge_pfn ? s->huge_pfn + page : s->pfns[page];
}

static inline bool vsvm_svm_present(unsigned long pfn, bool write)
{
	return (pfn & HMM_PFN_VALID) && !(pfn & HMM_PFN_ERROR) &&
	       (!write || (pfn & HMM_PFN_WRITE));
}

/* populate.c: fault in what is missing, under mmap_lock; is the walk out of date? */
bool vsvm_svm_refused(const struct vm_area_struct *vma);
bool vsvm_svm_populate(struct vsvm_svm_service *s);
bool vsvm_svm_populate_ahead(struct vsvm_svm_service *s);

/* place.c */
bool vsvm_svm_place(struct vsvm_svm_service *s);
unsigned int vsvm_svm_mode(struct vsvm_svm_service *s);

/* serve.c: walk what is wanted, under mmap_lock; write what was found */
int vsvm_svm_snapshot(struct vsvm_svm_service *s);
int vsvm_svm_commit(struct vsvm_svm_service *s, unsigned int left);

#endif
