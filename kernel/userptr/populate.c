// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faulting in pages of a batch that the process does not have there yet.
 */
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/clock.h>

#include "userptr/userptr_serve.h"

/*
 * May the request be faulted in?  Sets its status if that has been tried too often.
 * A page that has gone since the look is asked for like one that was missing: if
 * it waited for the next look, two that take each other's memory would never be
 * there at the same time.
 */
static bool vsvm_userptr_try(struct vsvm_userptr_service *s, struct vsvm_svm_request *r)
{
	unsigned int page = vsvm_userptr_index(s, r->address);
	struct vsvm_userptr_run *run = vsvm_userptr_run(s, page);
	unsigned long pfn;

	if (!run)
		return false;
	if (!run->walked)
		return true;
	pfn = vsvm_userptr_pfn(s, page);
	if (vsvm_userptr_present(pfn, r->access))
		return false;
	if (r->tries >= VSVM_SVM_ERROR_TRIES && (pfn & HMM_PFN_ERROR))
		r->status = VSVM_SVM_UNSUPPORTED;
	return r->status == VSVM_SVM_PENDING;
}

/* Fault in what is requested and missing, writes first.  Return: pages */
static unsigned int vsvm_userptr_populate(struct vsvm_userptr_service *s)
{
	unsigned int i, done = 0;
	int write;

	for (write = 1; write >= 0; write--) {
		for (i = 0; i < s->count && done < s->burst; i++) {
			struct vsvm_svm_request *r = &s->req[i];
			enum vsvm_svm_status status;

			if (r->status != VSVM_SVM_PENDING || !!r->access != write ||
			    !vsvm_userptr_try(s, r))
				continue;
			/* The write that follows it brings the page for both */
			if (!write && i + 1 < s->count && done &&
			    s->req[i + 1].address == r->address &&
			    s->req[i + 1].status == VSVM_SVM_PENDING)
				continue;
			status = vsvm_svm_fault_in(s->up->mm,
						   vsvm_userptr_address(s, r->address),
						   r->access,
						   s->wait == VSVM_SVM_WAIT_USER);
			if (status != VSVM_SVM_OK) {
				r->status = status;
				continue;
			}
			if (r->tries < U8_MAX)
				r->tries++;
			done++;
		}
	}
	return done;
}

/* A run of faults: fault in what it is heading for.  Nothing here can fail a request */
static unsigned int vsvm_userptr_populate_ahead(struct vsvm_userptr_service *s)
{
	const struct vsvm_svm_request *first = NULL, *last = NULL;
	unsigned int i, page, end, done = 0;

	if (s->ahead_done || s->window <= 1 || s->huge_pfn || s->narrow)
		return 0;
	s->ahead_done = true;
	for (i = 0; i < s->count; i++) {
		if (s->req[i].status != VSVM_SVM_PENDING)
			continue;
		first = first ?: &s->req[i];
		last = &s->req[i];
	}
	if (!last)
		return 0;
	page = vsvm_userptr_index(s, last->address) + 1;
	end = min_t(unsigned int, vsvm_userptr_index(s, first->address) + s->window,
		    VSVM_SVM_BLOCK_PAGES);
	for (; page < end && test_bit(page, s->want); page++) {
		u64 address = s->block + ((u64)page << PAGE_SHIFT);
		struct vsvm_userptr_run *run = vsvm_userptr_run(s, page);
		unsigned long at = vsvm_userptr_address(s, address);
		struct vm_area_struct *vma;

		if (!run || !run->walked || (s->scratch->pfns[page] & HMM_PFN_ERROR))
			break;
		if (vsvm_userptr_present(s->scratch->pfns[page], last->access))
			continue;
		/* A file that others read was not to be written to */
		vma = vma_lookup(s->up->mm, at);
		if (!vma || (last->access && (vma->vm_flags & VM_SHARED)) ||
		    vsvm_svm_fault_in(s->up->mm, at, last->access, false) != VSVM_SVM_OK)
			break;
		done++;
		cond_resched();
	}
	vsvm_svm_count(s->up->svm, VSVM_STAT_AHEAD, done);
	return done;
}

unsigned int vsvm_userptr_bring(struct vsvm_userptr_service *s)
{
	unsigned long began = jiffies;
	u64 t = local_clock();
	unsigned int done;

	if (!vsvm_userptr_lock_mm(s))
		return 0;
	/* Ahead first: what is requested is to be the last that came */
	done = vsvm_userptr_populate_ahead(s);
	done += vsvm_userptr_populate(s);
	mmap_read_unlock(s->up->mm);
	/* However long the pages took to come */
	s->deadline += jiffies - began;
	vsvm_svm_count(s->up->svm, VSVM_STAT_POPULATE_NS, local_clock() - t);
	vsvm_svm_count(s->up->svm, VSVM_STAT_POPULATED, done);
	return done;
}
