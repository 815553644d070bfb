/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_USERPTR_SERVE_H_
#define _VSVM_USERPTR_SERVE_H_

#include <linux/bitmap.h>
#include <linux/hmm.h>

#include "userptr/userptr_priv.h"

/* How far @narrow goes */
#define VSVM_USERPTR_REQUESTS		1
#define VSVM_USERPTR_ONE		2

/**
 * struct vsvm_userptr_service - one service
 * @batch: whose pages
 * @up: its address space
 * @span: of the device, that holds the block
 * @req: the requests
 * @count: of @req
 * @bounds: see vsvm_userptr_serve()
 * @scratch: pages and runs
 * @nruns: of the scratch
 * @want: pages to be looked at
 * @block: address of the device
 * @huge_pfn: of the first page of the block, if it lies and may be used as one
 * @window: pages to bring in from the first request on
 * @narrow: leave out what is only around; VSVM_USERPTR_ONE: one request at a time
 * @burst: pages to fault in until the next look
 * @ahead_done: populated ahead already
 * @wait: see vsvm_svm_serve()
 * @deadline: in jiffies
 */
struct vsvm_userptr_service {
	struct vsvm_userptr_batch *batch;
	struct vsvm_userptr *up;
	struct vsvm_svm_span *span;
	struct vsvm_svm_request *req;
	unsigned int count;
	const struct vsvm_svm_bounds *bounds;
	struct vsvm_userptr_scratch *scratch;
	unsigned int nruns;
	DECLARE_BITMAP(want, VSVM_SVM_BLOCK_PAGES);
	u64 block;
	unsigned long huge_pfn;
	unsigned int window;
	unsigned int narrow;
	unsigned int burst;
	bool ahead_done;
	enum vsvm_svm_wait wait;
	unsigned long deadline;
};

static inline unsigned int vsvm_userptr_index(const struct vsvm_userptr_service *s, u64 address)
{
	return (address - s->block) >> PAGE_SHIFT;
}

static inline bool vsvm_userptr_present(unsigned long pfn, bool write)
{
	return (pfn & HMM_PFN_VALID) && !(pfn & HMM_PFN_ERROR) &&
	       (!write || (pfn & HMM_PFN_WRITE));
}

static inline bool vsvm_userptr_mapped(const struct vsvm_userptr_service *s,
				       unsigned int page, enum vsvm_svm_access access)
{
	return s->up->ops->mapped(s->up->priv, s->span,
				  s->block + ((u64)page << PAGE_SHIFT), access);
}

static inline void vsvm_userptr_fail(struct vsvm_userptr_service *s,
				     enum vsvm_svm_status status)
{
	unsigned int i;

	for (i = 0; i < s->count; i++)
		if (s->req[i].status == VSVM_SVM_PENDING)
			s->req[i].status = status;
}

static inline unsigned long vsvm_userptr_pfn(const struct vsvm_userptr_service *s,
					     unsigned int page)
{
	return s->huge_pfn ? s->huge_pfn + page : s->scratch->pfns[page];
}

/* look.c: choose pages, cut them into runs, look at them, write what was seen */
void vsvm_userptr_choose(struct vsvm_userptr_service *s);
int vsvm_userptr_cut(struct vsvm_userptr_service *s);
bool vsvm_userptr_lock_mm(struct vsvm_userptr_service *s);
bool vsvm_userptr_walk(struct vsvm_userptr_service *s);
int vsvm_userptr_commit(struct vsvm_userptr_service *s);
struct vsvm_userptr_run *vsvm_userptr_run(struct vsvm_userptr_service *s,
					  unsigned int page);
unsigned long vsvm_userptr_address(const struct vsvm_userptr_service *s, u64 address);

/* populate.c: fault in what is missing.  Return: pages */
unsigned int vsvm_userptr_bring(struct vsvm_userptr_service *s);

#endif
