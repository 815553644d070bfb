// SPDX-License-Identifier: GPL-2.0-only
/*
 * A look at pages of a batch, and writing what was seen.
 *
 * The pages of a block of the device are those of up to 512 ranges, in as many
 * windows.  The block is cut into *runs*, each with the sequence of its window
 * from before the look, and each is judged by itself under the lock of the
 * device's span: what holds is written, what does not is left.
 */
#include <linux/bitmap.h>
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/sched/clock.h>

#include "userptr/userptr_serve.h"

static void vsvm_userptr_limits(const struct vsvm_userptr_service *s, unsigned int *lo,
				unsigned int *hi)
{
	*lo = 0;
	*hi = VSVM_SVM_BLOCK_PAGES;
	if (s->bounds->start > s->block)
		*lo = vsvm_userptr_index(s, s->bounds->start);
	if (s->bounds->end < s->block + VSVM_SVM_BLOCK_SIZE)
		*hi = vsvm_userptr_index(s, s->bounds->end);
}

/*
 * Choose the pages to look at: what surrounds each request, across ranges, and
 * what a run of faults is heading for; but nothing at the edges that is mapped
 * already: after an invalidation only what it hit is looked at.
 */
void vsvm_userptr_choose(struct vsvm_userptr_service *s)
{
	unsigned int around = s->narrow ? 1 : s->up->config.around;
	unsigned int i, lo, hi, page, begin, end;

	vsvm_userptr_limits(s, &lo, &hi);
	bitmap_zero(s->want, VSVM_SVM_BLOCK_PAGES);
	for (i = 0; i < s->count; i++) {
		if (s->req[i].status != VSVM_SVM_PENDING)
			continue;
		page = vsvm_userptr_index(s, s->req[i].address);
		begin = max(lo, rounddown(page, around));
		end = rounddown(page, around) + around;
		if (s->window > 1 && !s->narrow)
			end = max(end, page + s->window);
		end = min(end, hi);
		while (begin < page && vsvm_userptr_mapped(s, begin, VSVM_SVM_READ))
			begin++;
		while (end > page + 1 && vsvm_userptr_mapped(s, end - 1, VSVM_SVM_READ))
			end--;
		bitmap_set(s->want, begin, end - begin);
		if (s->narrow == VSVM_USERPTR_ONE)
			break;
	}
}

/* Append pages that are contiguous in the process, window by window */
static int vsvm_userptr_add_runs(struct vsvm_userptr_service *s, unsigned long address,
				 unsigned int page, unsigned int npages)
{
	unsigned long size = s->up->config.span_size;
	struct vsvm_userptr_run *run, *last;

	while (npages) {
		unsigned int n = min_t(unsigned long, npages,
				       (ALIGN_DOWN(address, size) + size - address) >>
				       PAGE_SHIFT);

		last = s->nruns ? &s->scratch->run[s->nruns - 1] : NULL;
		if (last && last->page + last->npages == page &&
		    last->address + ((unsigned long)last->npages << PAGE_SHIFT) == address &&
		    (address & (size - 1))) {
			/* The next range goes on where the last one ended */
			last->npages += n;
		} else {
			run = &s->scratch->run[s->nruns];
			run->window = vsvm_userptr_window_get(s->batch, address);
			if (IS_ERR(run->window))
				return PTR_ERR(run->window);
			if (last && last->window == run->window)
				run->seq = last->seq;
			else
				run->seq = mmu_interval_read_begin(&run->window->mni);
			run->address = address;
			run->page = page;
			run->npages = n;
			run->walked = false;
			s->nruns++;
		}
		address += (unsigned long)n << PAGE_SHIFT;
		page += n;
		npages -= n;
	}
	return 0;
}

/* Cut what is wanted into runs, and begin to watch each */
int vsvm_userptr_cut(struct vsvm_userptr_service *s)
{
	const struct vsvm_userptr_batch *b = s->batch;
	unsigned int begin, end, n;
	u64 offset;
	u32 i;
	int err;

	s->nruns = 0;
	for_each_set_bitrange(begin, end, s->want, VSVM_SVM_BLOCK_PAGES) {
		offset = s->block + ((u64)begin << PAGE_SHIFT) - b->address;
		i = vsvm_userptr_batch_find(b, offset);
		for (; begin < end; begin += n, i++) {
			n = min_t(u64, end - begin,
				  (b->range[i + 1].offset - offset) >> PAGE_SHIFT);
			err = vsvm_userptr_add_runs(s, b->range[i].start +
						    (offset - b->range[i].offset),
						    begin, n);
			if (err)
				return err;
			offset += (u64)n << PAGE_SHIFT;
		}
	}
	return 0;
}

/* The process maps all of the block as one: then one entry says all there is to say */
static bool vsvm_userptr_is_huge(struct vsvm_userptr_service *s,
				 struct vsvm_userptr_run *run)
{
	const struct vsvm_userptr_batch *b = s->batch;
	unsigned long pfn = s->scratch->pfns[run->page];
	unsigned int lo, hi;
	u64 offset;
	u32 i;

	if (!vsvm_userptr_present(pfn, false) || hmm_pfn_to_map_order(pfn) < HPAGE_PMD_ORDER)
		return false;
	vsvm_userptr_limits(s, &lo, &hi);
	if (lo || hi < VSVM_SVM_BLOCK_PAGES ||
	    !IS_ALIGNED(run->address - ((unsigned long)run->page << PAGE_SHIFT),
			VSVM_SVM_BLOCK_SIZE) ||
	    !IS_ALIGNED((pfn & ~HMM_PFN_FLAGS) - run->page, VSVM_SVM_BLOCK_PAGES))
		return false;
	/* One range holds all of it */
	offset = s->block - b->address;
	i = vsvm_userptr_batch_find(b, offset);
	if (b->range[i + 1].offset - offset < VSVM_SVM_BLOCK_SIZE)
		return false;
	s->huge_pfn = pfn - run->page;
	swap(s->scratch->run[0], *run);
	s->nruns = 1;
	return true;
}

/* What an entry says but for how much the process maps at once */
static unsigned long vsvm_userptr_plain(unsigned long pfn)
{
	return pfn & (~HMM_PFN_FLAGS | HMM_PFN_VALID | HMM_PFN_WRITE | HMM_PFN_ERROR);
}

/* Small pages, of whatever ranges, that lie and may be used as one */
static bool vsvm_userptr_contiguous(const struct vsvm_userptr_service *s)
{
	const unsigned long *pfns = s->scratch->pfns;
	unsigned long first = vsvm_userptr_plain(pfns[0]);
	unsigned int i;

	if (!bitmap_full(s->want, VSVM_SVM_BLOCK_PAGES) ||
	    !vsvm_userptr_present(first, false) ||
	    !IS_ALIGNED(first & ~HMM_PFN_FLAGS, VSVM_SVM_BLOCK_PAGES))
		return false;
	for (i = VSVM_SVM_BLOCK_PAGES - 1; i; i--)
		if (vsvm_userptr_plain(pfns[i]) != first + i)
			return false;
	for (i = 0; i < s->nruns; i++)
		if (!s->scratch->run[i].walked)
			return false;
	return true;
}

/* Lock the process' mappings.  Return: false, and no request is left pending */
bool vsvm_userptr_lock_mm(struct vsvm_userptr_service *s)
{
	if (vsvm_svm_lock_mm(s->up->svm, s->wait))
		return true;
	vsvm_userptr_fail(s, s->wait ? VSVM_SVM_EXITED : VSVM_SVM_LATER);
	return false;
}

/* Look at all runs.  Return: false, and no request is left pending, if it cannot be done */
bool vsvm_userptr_walk(struct vsvm_userptr_service *s)
{
	struct vsvm_userptr_scratch *scratch = s->scratch;
	struct vm_area_struct *hint = NULL;
	u64 t = local_clock();
	unsigned int i, n = 0;

	s->huge_pfn = 0;
	if (!vsvm_userptr_lock_mm(s))
		return false;
	for (i = 0; i < s->nruns; i++) {
		struct vsvm_userptr_run *run = &scratch->run[i];
		unsigned long end = run->address +
			((unsigned long)run->npages << PAGE_SHIFT);

		n++;
		run->walked = !vsvm_svm_walk(&run->window->mni, run->seq,
					     s->up->config.mem.owner, run->address, end,
					     &scratch->pfns[run->page], &hint);
		if (run->walked && vsvm_userptr_is_huge(s, run))
			break;
	}
	mmap_read_unlock(s->up->mm);
	if (!s->huge_pfn && vsvm_userptr_contiguous(s))
		s->huge_pfn = vsvm_userptr_plain(scratch->pfns[0]);
	vsvm_svm_count(s->up->svm, VSVM_STAT_SNAPSHOTS, n);
	vsvm_svm_count(s->up->svm, VSVM_STAT_SNAPSHOT_NS, local_clock() - t);
	return true;
}

/* The sequence still holds: nothing has been taken from the window since */
static bool vsvm_userptr_holds(const struct vsvm_userptr_service *s,
			       struct vsvm_userptr_run *run)
{
	lockdep_assert_held(&s->span->lock);
	if (run->walked && mmu_interval_check_retry(&run->window->mni, run->seq))
		run->walked = false;
	return run->walked;
}

static int vsvm_userptr_write(struct vsvm_userptr_service *s, void **prepared)
{
	const struct vsvm_svm_ops *ops = s->up->ops;
	unsigned int mode = s->bounds->read_only ? VSVM_SVM_MAP_READ_ONLY : 0;
	struct vsvm_userptr_run *run;
	unsigned int i, first;
	bool hold = true;
	int ret, pages = 0;

	for (i = 0; i < s->nruns; i++)
		hold &= vsvm_userptr_holds(s, &s->scratch->run[i]);
	if (s->huge_pfn && hold) {
		ret = ops->map_huge(s->up->priv, s->span, s->block, s->huge_pfn,
				    mode);
		return ret > 0 ? VSVM_SVM_BLOCK_PAGES : ret;
	}
	if (s->huge_pfn) {
		/* All of it or nothing: it is looked at again */
		for (i = 0; i < s->nruns; i++)
			s->scratch->run[i].walked = false;
		return 0;
	}
	for (i = 0; i < s->nruns;) {
		unsigned int n = 0;

		first = i;
		do {
			run = &s->scratch->run[i];
			if (!run->walked)
				break;
			n += run->npages;
			i++;
		} while (i < s->nruns && run->page + run->npages == run[1].page);
		if (!n) {
			i++;
			continue;
		}
		run = &s->scratch->run[first];
		ret = ops->map(s->up->priv, s->span,
			       s->block + ((u64)run->page << PAGE_SHIFT),
			       &s->scratch->pfns[run->page], n, mode, prepared);
		if (ret < 0)
			return ret;
		pages += ret;
	}
	return pages;
}

/* Write what was seen and still holds.  Pages newly mapped, or an error */
int vsvm_userptr_commit(struct vsvm_userptr_service *s)
{
	const struct vsvm_svm_ops *ops = s->up->ops;
	void *prepared = NULL;
	int ret;
	u64 t;

	if (!s->huge_pfn) {
		prepared = ops->prepare(s->up->priv, s->span, s->block);
		if (IS_ERR(prepared))
			return PTR_ERR(prepared);
	}
	mutex_lock(&s->span->lock);
	t = local_clock();
	if (vsvm_svm_stopped(s->up->svm))
		ret = -ESRCH;
	else if (READ_ONCE(*s->bounds->epoch) != s->bounds->seen)
		ret = -ESTALE;
	else
		ret = vsvm_userptr_write(s, &prepared);
	vsvm_svm_count(s->up->svm, VSVM_STAT_MAP_NS, local_clock() - t);
	mutex_unlock(&s->span->lock);
	if (prepared)
		ops->finish(s->up->priv, prepared);
	return ret;
}

/* The run of a page, or NULL if it was not looked at */
struct vsvm_userptr_run *vsvm_userptr_run(struct vsvm_userptr_service *s,
					  unsigned int page)
{
	unsigned int lo = 0, hi = s->nruns;

	if (s->huge_pfn)
		return &s->scratch->run[0];
	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		struct vsvm_userptr_run *run = &s->scratch->run[mid];

		if (page < run->page)
			hi = mid;
		else if (page >= run->page + run->npages)
			lo = mid + 1;
		else
			return run;
	}
	return NULL;
}

/* Where a page of the block lies in the process */
unsigned long vsvm_userptr_address(const struct vsvm_userptr_service *s, u64 address)
{
	const struct vsvm_userptr_batch *b = s->batch;
	u64 offset = address - b->address;
	u32 i = vsvm_userptr_batch_find(b, offset);

	return b->range[i].start + (offset - b->range[i].offset);
}
