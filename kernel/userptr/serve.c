// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serving faults on batches.
 *
 * The rules are those of the mirror: look first and ask for nothing, fault in
 * only what was requested and is missing, write what was seen if the sequence
 * still holds.  What is different is that the pages of a block are those of up
 * to 512 ranges, in as many windows.  The block is cut into *runs*, each with the
 * sequence of its window, and each is judged by itself: what holds is written,
 * what does not is looked at again.
 *
 * So a service gets on with every look.  A request that is written is answered
 * and never looked at again, even if faulting in the next one takes its page
 * away: the device asks anew then.  Where nothing was won between two looks, no
 * more than one page is faulted in before the next one, so that ranges that
 * reclaim one another do not wait for one another.  A look without success does
 * not put off the deadline.
 */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include <kunit/visibility.h>

#include "userptr/userptr_serve.h"

/* Pages faulted in between two looks as long as that goes well */
#define VSVM_USERPTR_BURST		64

static bool vsvm_userptr_begin(struct vsvm_userptr_service *s)
{
	s->span = vsvm_svm_span(s->up->svm, s->block);
	if (IS_ERR(s->span))
		return false;
	smp_mb();	/* pairs with vsvm_userptr_invalidate(): seen before the sequence is read */
	return true;
}

/* Set aside what needs no look.  Return: how many are left, where they begin and end */
static unsigned int vsvm_userptr_sort_out(struct vsvm_userptr_service *s, u64 *first,
					  u64 *last)
{
	unsigned int i, valid = 0, left = 0;

	for (i = 0; i < s->count; i++) {
		struct vsvm_svm_request *r = &s->req[i];

		if (r->status != VSVM_SVM_PENDING)
			continue;
		if (r->access && s->bounds->read_only) {
			r->status = VSVM_SVM_READ_ONLY;
		} else if (vsvm_userptr_mapped(s, vsvm_userptr_index(s, r->address),
					       r->access)) {
			r->status = VSVM_SVM_OK;
			valid++;
		} else {
			if (!left++)
				*first = r->address;
			*last = r->address;
		}
	}
	if (valid)
		vsvm_svm_count(s->up->svm, VSVM_STAT_VALID, valid);
	return left;
}

/* See svm/exclusive.c.  Map one page for atomic access as well */
static enum vsvm_svm_status vsvm_userptr_exclusive(struct vsvm_userptr_service *s,
						   struct vsvm_userptr_run *run,
						   unsigned int page, u64 address)
{
	const struct vsvm_svm_ops *ops = s->up->ops;
	unsigned long from = vsvm_userptr_address(s, address);
	unsigned long seq, pfn = vsvm_userptr_pfn(s, page);
	struct folio *folio = NULL;
	void *prepared = NULL;
	struct page *p;
	int ret;

	seq = mmu_interval_read_begin(&run->window->mni);
	if (!vsvm_userptr_lock_mm(s))
		return s->wait ? VSVM_SVM_EXITED : VSVM_SVM_LATER;
	p = make_device_exclusive(s->up->mm, from, s->up->config.mem.owner, &folio);
	mmap_read_unlock(s->up->mm);
	ret = PTR_ERR_OR_ZERO(p);
	if (!ret) {
		pfn = page_to_pfn(p) | HMM_PFN_VALID | HMM_PFN_WRITE;
	} else if (ret == -EOPNOTSUPP) {
		/* Memory that is shared is given as it is */
		seq = run->seq;
		ret = 0;
	}
	if (!ret) {
		prepared = ops->prepare(s->up->priv, s->span, address);
		if (IS_ERR(prepared)) {
			ret = PTR_ERR(prepared);
			prepared = NULL;
		}
	}
	if (!ret) {
		mutex_lock(&s->span->lock);
		if (vsvm_svm_stopped(s->up->svm))
			ret = -ESRCH;
		else if (READ_ONCE(*s->bounds->epoch) != s->bounds->seen)
			ret = -ESTALE;
		else if (mmu_interval_check_retry(&run->window->mni, seq))
			ret = -EAGAIN;
		else
			ret = ops->map_atomic(s->up->priv, s->span, address, pfn,
					      &prepared);
		mutex_unlock(&s->span->lock);
	}
	if (prepared)
		ops->finish(s->up->priv, prepared);
	if (folio) {
		if (!ret)
			vsvm_svm_count(s->up->svm, VSVM_STAT_EXCLUSIVE, 1);
		folio_unlock(folio);
		folio_put(folio);
	}
	switch (ret) {
	case 0:
		return VSVM_SVM_OK;
	case -EAGAIN:
	case -EBUSY:
	case -EFAULT:
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

/* Answer the requests whose pages have been written.  Return: how many */
static unsigned int vsvm_userptr_grant(struct vsvm_userptr_service *s)
{
	unsigned int i, granted = 0;

	for (i = 0; i < s->count; i++) {
		struct vsvm_svm_request *r = &s->req[i];
		unsigned int page = vsvm_userptr_index(s, r->address);
		struct vsvm_userptr_run *run;

		if (r->status != VSVM_SVM_PENDING)
			continue;
		run = vsvm_userptr_run(s, page);
		if (!run || !run->walked ||
		    !vsvm_userptr_present(vsvm_userptr_pfn(s, page), r->access))
			continue;
		if (r->access == VSVM_SVM_ATOMIC &&
		    !vsvm_userptr_mapped(s, page, r->access))
			r->status = vsvm_userptr_exclusive(s, run, page, r->address);
		else
			r->status = VSVM_SVM_OK;
		granted += r->status != VSVM_SVM_PENDING;
	}
	return granted;
}

static bool vsvm_userptr_expired(struct vsvm_userptr_service *s)
{
	if (vsvm_svm_stopped(s->up->svm) || fatal_signal_pending(current))
		vsvm_userptr_fail(s, VSVM_SVM_EXITED);
	else if (time_after(jiffies, s->deadline))
		vsvm_userptr_fail(s, VSVM_SVM_TIMEOUT);
	else
		return false;
	return true;
}

/* Where a run of faults goes on: behind the last page mapped for it without a gap */
static void vsvm_userptr_advance(struct vsvm_userptr_service *s, u64 first)
{
	unsigned int end = vsvm_userptr_index(s, first);
	unsigned int limit = min_t(unsigned int, VSVM_SVM_BLOCK_PAGES,
				   end + max(s->window, s->up->config.around));

	while (end < limit && vsvm_userptr_mapped(s, end, VSVM_SVM_READ))
		end++;
	vsvm_svm_stream_advance(s->batch->streams, first,
				s->block + ((u64)end << PAGE_SHIFT));
}

/* A look went wrong: what is left to do?  Return: whether to go on */
static bool vsvm_userptr_recover(struct vsvm_userptr_service *s, int err)
{
	switch (err) {
	case -EAGAIN:
		vsvm_svm_count(s->up->svm, VSVM_STAT_RETRIES, 1);
		return true;
	case -ESRCH:
		vsvm_userptr_fail(s, VSVM_SVM_EXITED);
		return false;
	case -ESTALE:
		vsvm_userptr_fail(s, VSVM_SVM_STALE);
		return false;
	case -ENOMEM:
		vsvm_userptr_fail(s, VSVM_SVM_NO_MEMORY);
		return false;
	default:
		break;
	}
	/* A page that cannot be reached must not fail others */
	if (s->narrow != VSVM_USERPTR_ONE) {
		s->narrow++;
	} else {
		unsigned int i;

		for (i = 0; i < s->count; i++) {
			if (s->req[i].status != VSVM_SVM_PENDING)
				continue;
			s->req[i].status = VSVM_SVM_UNSUPPORTED;
			break;
		}
	}
	return true;
}

static void vsvm_userptr_service(struct vsvm_userptr_service *s)
{
	unsigned long patience = msecs_to_jiffies(s->up->config.deadline_ms);
	unsigned int left, granted;
	u64 first, last;
	int ret;

	s->deadline = jiffies + patience;
	s->burst = VSVM_USERPTR_BURST;
	for (;;) {
		left = vsvm_userptr_sort_out(s, &first, &last);
		if (!left || vsvm_userptr_expired(s))
			return;
		if (!s->window) {
			unsigned int span = ((last - first) >> PAGE_SHIFT) + 1;

			s->window = vsvm_svm_stream_window(s->batch->streams,
							   &s->batch->victim, first,
							   span == left ? left : 1);
		}
		vsvm_userptr_choose(s);
		ret = vsvm_userptr_cut(s);
		if (!ret) {
			if (!vsvm_userptr_walk(s))
				return;
			ret = vsvm_userptr_commit(s);
		}
		if (ret < 0) {
			if (!vsvm_userptr_recover(s, ret))
				return;
			cond_resched();
			continue;
		}
		granted = vsvm_userptr_grant(s);
		if (ret > granted)
			vsvm_svm_count(s->up->svm, VSVM_STAT_AROUND, ret - granted);
		if (granted == left) {
			vsvm_userptr_advance(s, first);
			return;
		}
		if (granted) {
			s->deadline = jiffies + patience;
			s->burst = VSVM_USERPTR_BURST;
		} else if (s->burst < VSVM_USERPTR_BURST) {
			/* What was faulted in has gone again, or never held */
			vsvm_svm_count(s->up->svm, VSVM_STAT_RETRIES, 1);
			s->narrow = max(s->narrow, VSVM_USERPTR_REQUESTS);
		}
		if (!vsvm_userptr_bring(s) && !granted) {
			s->narrow = max(s->narrow, VSVM_USERPTR_REQUESTS);
			cond_resched();
		}
		if (!granted)
			s->burst = max(s->burst / 8, 1u);
	}
}

void vsvm_userptr_serve(struct vsvm_userptr_batch *batch,
			struct vsvm_svm_request *requests, unsigned int count,
			const struct vsvm_svm_bounds *bounds,
			struct vsvm_userptr_scratch *scratch, enum vsvm_svm_wait wait)
{
	struct vsvm_userptr_service s = {
		.batch = batch,
		.up = batch->up,
		.req = requests,
		.count = count,
		.bounds = bounds,
		.scratch = scratch,
		.block = ALIGN_DOWN(requests[0].address, VSVM_SVM_BLOCK_SIZE),
		.wait = wait,
	};
	u64 t = local_clock();

	if (vsvm_svm_stopped(s.up->svm) || !mmget_not_zero(s.up->mm)) {
		vsvm_userptr_fail(&s, VSVM_SVM_EXITED);
		return;
	}
	if (vsvm_userptr_begin(&s))
		vsvm_userptr_service(&s);
	else
		vsvm_userptr_fail(&s, PTR_ERR(s.span) == -ENOMEM ?
				  VSVM_SVM_NO_MEMORY : VSVM_SVM_EXITED);
	/* As in vsvm_svm_serve() */
	mmput_async(s.up->mm);
	vsvm_svm_count(s.up->svm, VSVM_STAT_GROUPS, 1);
	vsvm_svm_count(s.up->svm, VSVM_STAT_SERVICE_NS, local_clock() - t);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_serve);

/* A block, from a bitmap of pages; what does not hold is tried once more, then left */
static int vsvm_userptr_map_block(struct vsvm_userptr_service *s)
{
	unsigned int i, tries;
	int ret;

	if (!vsvm_userptr_begin(s))
		return PTR_ERR(s->span);
	for (tries = 0; tries < 2; tries++) {
		ret = vsvm_userptr_cut(s);
		if (ret)
			return ret;
		if (!vsvm_userptr_walk(s))
			return -EINTR;
		ret = vsvm_userptr_commit(s);
		if (ret < 0 && ret != -EAGAIN)
			return ret == -EIO ? 0 : ret;
		for (i = 0; i < s->nruns && s->scratch->run[i].walked; i++)
			;
		if (ret >= 0 && i == s->nruns)
			break;
	}
	return 0;
}

int vsvm_userptr_map_present(struct vsvm_userptr_batch *batch, u64 start, u64 end,
			     const struct vsvm_svm_bounds *bounds,
			     struct vsvm_userptr_scratch *scratch)
{
	struct vsvm_userptr *up = batch->up;
	int ret = 0;
	u64 to;

	if (!mmget_not_zero(up->mm))
		return -ESRCH;
	for (; start < end && !ret; start = to) {
		struct vsvm_userptr_service s = {
			.batch = batch,
			.up = up,
			.bounds = bounds,
			.scratch = scratch,
			.block = ALIGN_DOWN(start, VSVM_SVM_BLOCK_SIZE),
			.wait = VSVM_SVM_WAIT_LOCK,
		};

		to = min(end, s.block + VSVM_SVM_BLOCK_SIZE);
		bitmap_set(s.want, vsvm_userptr_index(&s, start),
			   (to - start) >> PAGE_SHIFT);
		ret = vsvm_userptr_map_block(&s);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	mmput_async(up->mm);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_map_present);
