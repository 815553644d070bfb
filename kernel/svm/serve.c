// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serving faults.
 *
 * One service handles the requests of one 2 MiB block.  It looks first and
 * faults afterwards: a walk of the process' page table that asks for nothing
 * tells what is there around the requests; only a requested page that is
 * missing is faulted in, alone, and the walk is taken again.  So a touch
 * populates one page, whatever surrounds it, and nothing that surrounds it can
 * make it fail.  Only a run of faults at rising addresses populates ahead.
 *
 * No lock is held from one step to the next.  What the walk said is used only
 * if the notifier's sequence proves, under the span's lock, that no
 * invalidation came in between; otherwise all begins again, until the deadline.
 */
#include <linux/bitmap.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/export.h>

#include <kunit/visibility.h>

#include "svm/svm_serve.h"
#include "svm/svm_trace.h"

/* How far apart two requests are still walked together */
#define VSVM_SVM_GAP		32

static void vsvm_svm_fail_pending(struct vsvm_svm_service *s,
				  enum vsvm_svm_status status)
{
	unsigned int i;

	for (i = 0; i < s->count; i++)
		if (s->req[i].status == VSVM_SVM_PENDING)
			s->req[i].status = status;
}

/* The first request that is not done with, or NULL */
static struct vsvm_svm_request *vsvm_svm_pending(struct vsvm_svm_service *s)
{
	unsigned int i;

	for (i = 0; i < s->count; i++)
		if (s->req[i].status == VSVM_SVM_PENDING)
			return &s->req[i];
	return NULL;
}

/* Set aside what needs no walk; tell how many are left and where they begin and end */
static unsigned int vsvm_svm_sort_out(struct vsvm_svm_service *s,
				      unsigned long *first, unsigned long *last)
{
	const struct vsvm_svm_ops *ops = s->svm->ops;
	unsigned int i, valid = 0, left = 0;

	for (i = 0; i < s->count; i++) {
		struct vsvm_svm_request *r = &s->req[i];

		if (r->status != VSVM_SVM_PENDING)
			continue;
		if (s->bounds->no_access) {
			r->status = VSVM_SVM_NO_ACCESS;
			continue;
		}
		if (r->access && s->bounds->read_only) {
			r->status = VSVM_SVM_READ_ONLY;
			continue;
		}
		if (ops->mapped(s->svm->priv, s->n->span, r->address, r->access)) {
			r->status = VSVM_SVM_OK;
			valid++;
			continue;
		}
		if (!left++)
			*first = r->address;
		*last = r->address;
	}
	if (valid)
		vsvm_svm_count(s->svm, VSVM_STAT_VALID, valid);
	return left;
}

/* Choose the pages to walk: what surrounds each request, and what a run is heading for */
static void vsvm_svm_choose(struct vsvm_svm_service *s)
{
	unsigned int around = s->narrow ? 1 : s->svm->config.around;
	unsigned int lo = 0, hi = VSVM_SVM_BLOCK_PAGES;
	unsigned int i, begin, end, previous = UINT_MAX;

	if (s->bounds->start > s->block)
		lo = vsvm_svm_index(s, s->bounds->start);
	if (s->bounds->end < s->block + VSVM_SVM_BLOCK_SIZE)
		hi = vsvm_svm_index(s, s->bounds->end);

	bitmap_zero(s->want, VSVM_SVM_BLOCK_PAGES);
	for (i = 0; i < s->count; i++) {
		struct vsvm_svm_request *r = &s->req[i];
		unsigned int page = vsvm_svm_index(s, r->address);

		if (r->status != VSVM_SVM_PENDING)
			continue;
		begin = rounddown(page, around);
		end = begin + around;
		if (s->window > 1 && !s->narrow)
			end = max(end, page + s->window);
		/* One longer walk is cheaper than two short ones */
		if (!s->narrow && previous != UINT_MAX && begin > previous &&
		    begin - previous <= VSVM_SVM_GAP)
			begin = previous;
		begin = max(begin, lo);
		end = min(end, hi);
		if (begin < end)
			bitmap_set(s->want, begin, end - begin);
		previous = end;
		if (s->narrow == VSVM_SVM_ONE)
			break;
	}
}

/* Small pages that lie and may be accessed as one: a leaf of 2 MiB will do for them */
static bool vsvm_svm_contiguous(const struct vsvm_svm_service *s)
{
	unsigned long first = s->pfns[0];
	unsigned long i;

	if (!bitmap_full(s->want, VSVM_SVM_BLOCK_PAGES) || !(first & HMM_PFN_VALID) ||
	    (first & HMM_PFN_ERROR) ||
	    !IS_ALIGNED(first & ~HMM_PFN_FLAGS, VSVM_SVM_BLOCK_PAGES))
		return false;
	for (i = VSVM_SVM_BLOCK_PAGES - 1; i; i--)
		if (s->pfns[i] != first + i)
			return false;
	return true;
}

/*
 * Walk the process' page table, under mmap_lock.  -EBUSY: an invalidation came
 * in between.
 */
int vsvm_svm_snapshot(struct vsvm_svm_service *s)
{
	struct vm_area_struct *hint = NULL;
	unsigned long begin, end, i;
	u64 t = local_clock();
	int ret = 0;

	s->huge_pfn = 0;
	for_each_set_bitrange(begin, end, s->want, VSVM_SVM_BLOCK_PAGES) {
		ret = vsvm_svm_walk(&s->n->mni, s->look.seq, s->svm->config.mem.owner,
				    s->block + (begin << PAGE_SHIFT),
				    s->block + (end << PAGE_SHIFT),
				    &s->pfns[begin], &hint);
		if (ret)
			break;
		vsvm_svm_count(s->svm, VSVM_STAT_SNAPSHOTS, 1);
		/* An entry that maps the whole block says all there is to say of it */
		i = begin;
		if ((s->pfns[i] & HMM_PFN_VALID) &&
		    hmm_pfn_to_map_order(s->pfns[i]) >= HPAGE_PMD_ORDER &&
		    s->bounds->start <= s->block &&
		    s->bounds->end >= s->block + VSVM_SVM_BLOCK_SIZE &&
		    IS_ALIGNED((s->pfns[i] & ~HMM_PFN_FLAGS) - i,
			       VSVM_SVM_BLOCK_PAGES)) {
			s->huge_pfn = s->pfns[i] - i;
			break;
		}
	}
	if (!ret && !s->huge_pfn && vsvm_svm_contiguous(s))
		s->huge_pfn = s->pfns[0];
	vsvm_svm_count(s->svm, VSVM_STAT_SNAPSHOT_NS, local_clock() - t);
	return ret;
}

/*
 * Leave out of what was walked the pages that have been invalidated since.
 * Return: false if nothing is left.
 */
static bool vsvm_svm_leave_out_stale(struct vsvm_svm_service *s)
{
	unsigned long end = s->block + VSVM_SVM_BLOCK_SIZE, event = 0;
	const struct vsvm_svm_event *e;
	unsigned int from, to;

	while ((e = vsvm_svm_look_hit(s->n, &s->look, s->block, end, &event))) {
		if (s->huge_pfn)
			return false;
		from = vsvm_svm_index(s, max(e->start, s->block));
		to = vsvm_svm_index(s, min(e->end, end));
		bitmap_clear(s->want, from, to - from);
	}
	return !bitmap_empty(s->want, VSVM_SVM_BLOCK_PAGES);
}

/* Write what the walk found.  0; -EAGAIN: begin again; -EIO */
int vsvm_svm_commit(struct vsvm_svm_service *s, unsigned int left)
{
	const struct vsvm_svm_ops *ops = s->svm->ops;
	struct vsvm_svm_span *span = s->n->span;
	unsigned int mode = vsvm_svm_mode(s);
	void *priv = s->svm->priv;
	unsigned long begin, end = 0;
	void *prepared = NULL;
	int ret = 0, pages = 0;
	u64 t;

	if (!s->huge_pfn) {
		prepared = ops->prepare(priv, span, s->block);
		if (IS_ERR(prepared))
			return PTR_ERR(prepared);
	}

	mutex_lock(&span->lock);
	t = local_clock();
	if (READ_ONCE(s->svm->stopped)) {
		ret = -ESRCH;
	} else if (READ_ONCE(*s->bounds->epoch) != s->bounds->seen) {
		ret = -ESTALE;
	} else if (!vsvm_svm_leave_out_stale(s)) {
		ret = -EAGAIN;
	} else if (s->huge_pfn) {
		ret = ops->map_huge(priv, span, s->block, s->huge_pfn, mode);
		end = VSVM_SVM_BLOCK_PAGES;
		if (ret > 0)
			pages = VSVM_SVM_BLOCK_PAGES;
	} else {
		for_each_set_bitrange(begin, end, s->want, VSVM_SVM_BLOCK_PAGES) {
			ret = ops->map(priv, span,
				       s->block + (begin << PAGE_SHIFT),
				       &s->pfns[begin], end - begin, mode,
				       &prepared);
			if (ret < 0)
				break;
			pages += ret;
		}
	}
	vsvm_svm_count(s->svm, VSVM_STAT_MAP_NS, local_clock() - t);
	mutex_unlock(&span->lock);

	if (prepared)
		ops->finish(priv, prepared);
	if (pages > left)
		vsvm_svm_count(s->svm, VSVM_STAT_AROUND, pages - left);
	return ret < 0 ? ret : 0;
}

static bool vsvm_svm_expired(struct vsvm_svm_service *s, unsigned long deadline)
{
	if (READ_ONCE(s->svm->stopped) || fatal_signal_pending(current))
		vsvm_svm_fail_pending(s, VSVM_SVM_EXITED);
	else if (time_after(jiffies, deadline))
		vsvm_svm_fail_pending(s, VSVM_SVM_TIMEOUT);
	else
		return false;
	return true;
}

/* Where a run of faults goes on: behind the last page mapped for it without a gap */
static void vsvm_svm_advance(struct vsvm_svm_service *s, unsigned long first)
{
	unsigned long end = VSVM_SVM_BLOCK_PAGES;

	if (!s->huge_pfn) {
		end = vsvm_svm_index(s, first);
		while (end < VSVM_SVM_BLOCK_PAGES && test_bit(end, s->want) &&
		       vsvm_svm_present(s->pfns[end], false))
			end++;
	}
	vsvm_svm_stream_advance(s->n->streams, first,
				s->block + (end << PAGE_SHIFT));
}

/*
 * What has been mapped is what was asked for, but for atomic access to system
 * memory.  Return: false if all must begin again.
 */
static bool vsvm_svm_grant(struct vsvm_svm_service *s)
{
	const struct vsvm_svm_ops *ops = s->svm->ops;
	bool done = true;
	unsigned int i;

	for (i = 0; i < s->count; i++) {
		struct vsvm_svm_request *r = &s->req[i];
		unsigned long pfn;

		if (r->status != VSVM_SVM_PENDING)
			continue;
		if (!test_bit(vsvm_svm_index(s, r->address), s->want)) {
			/* Invalidated since the walk, or not its turn yet */
			if (s->narrow != VSVM_SVM_ONE)
				vsvm_svm_count(s->svm, VSVM_STAT_RETRIES, 1);
			done = false;
			continue;
		}
		pfn = vsvm_svm_pfn(s, vsvm_svm_index(s, r->address));
		if (r->access == VSVM_SVM_ATOMIC &&
		    !ops->mapped(s->svm->priv, s->n->span, r->address, r->access))
			r->status = vsvm_svm_exclusive(s->n, r->address, pfn, &s->look,
						       s->bounds, s->wait);
		else
			r->status = VSVM_SVM_OK;
		done &= r->status != VSVM_SVM_PENDING;
	}
	return done;
}

static void vsvm_svm_service(struct vsvm_svm_service *s)
{
	struct mm_struct *mm = s->svm->mm;
	unsigned long deadline = jiffies + msecs_to_jiffies(s->svm->config.deadline_ms);
	unsigned long first, last;
	unsigned int left;
	bool again;
	int ret;

	for (;;) {
		unsigned long began;

		left = vsvm_svm_sort_out(s, &first, &last);
		if (!left || vsvm_svm_expired(s, deadline))
			return;
		if (!s->window) {
			unsigned int span = ((last - first) >> PAGE_SHIFT) + 1;

			/* Requests that leave gaps are no run */
			s->window = vsvm_svm_stream_window(s->n->streams,
							   &s->n->victim, first,
							   span == left ? left : 1);
		}
		vsvm_svm_choose(s);

		vsvm_svm_look_begin(s->n, &s->look);
		if (!vsvm_svm_lock_mm(s->svm, s->wait)) {
			vsvm_svm_fail_pending(s, s->wait ? VSVM_SVM_EXITED :
					      VSVM_SVM_LATER);
			return;
		}
		ret = vsvm_svm_snapshot(s);
		began = jiffies;
		again = !ret && (vsvm_svm_populate(s) ||
				 vsvm_svm_populate_ahead(s));
		mmap_read_unlock(mm);
		if (again) {
			/* However long the pages took to come: it is not held against them */
			deadline += jiffies - began;
			continue;
		}
		if (!ret && vsvm_svm_place(s))
			continue;
		if (!ret && !vsvm_svm_pending(s))
			return;
		if (!ret) {
			ret = vsvm_svm_commit(s, left);
			if (!ret)
				vsvm_svm_advance(s, first);
		}
		switch (ret) {
		case 0:
			break;
		case -EBUSY:
		case -EAGAIN:
			vsvm_svm_count(s->svm, VSVM_STAT_RETRIES, 1);
			break;
		case -ESRCH:
			vsvm_svm_fail_pending(s, VSVM_SVM_EXITED);
			return;
		case -ESTALE:
			vsvm_svm_fail_pending(s, VSVM_SVM_STALE);
			return;
		case -ENOMEM:
			vsvm_svm_fail_pending(s, VSVM_SVM_NO_MEMORY);
			return;
		default:
			/* A page that cannot be reached must not fail others */
			if (s->narrow != VSVM_SVM_ONE)
				s->narrow++;
			else
				vsvm_svm_pending(s)->status = VSVM_SVM_UNSUPPORTED;
			break;
		}
		if (!ret && vsvm_svm_grant(s))
			return;
		cond_resched();
	}
}

void vsvm_svm_serve(struct vsvm_svm *svm, struct vsvm_svm_request *requests,
		    unsigned int count, const struct vsvm_svm_bounds *bounds,
		    struct vsvm_svm_scratch *scratch, enum vsvm_svm_wait wait)
{
	struct vsvm_svm_service s = {
		.svm = svm,
		.req = requests,
		.count = count,
		.bounds = bounds,
		.pfns = scratch->pfns,
		.block = ALIGN_DOWN(requests[0].address, VSVM_SVM_BLOCK_SIZE),
		.wait = wait,
	};
	u64 t = local_clock();

	if (READ_ONCE(svm->stopped) || !mmget_not_zero(svm->mm)) {
		vsvm_svm_fail_pending(&s, VSVM_SVM_EXITED);
		return;
	}
	s.n = vsvm_svm_notifier_get(svm, s.block);
	if (IS_ERR(s.n))
		vsvm_svm_fail_pending(&s, PTR_ERR(s.n) == -ENOMEM ?
				      VSVM_SVM_NO_MEMORY : VSVM_SVM_EXITED);
	else
		vsvm_svm_service(&s);
	/*
	 * The last reference would unmap the whole process here, in the middle
	 * of serving others.
	 */
	mmput_async(svm->mm);
	t = local_clock() - t;
	vsvm_svm_count(svm, VSVM_STAT_GROUPS, 1);
	vsvm_svm_count(svm, VSVM_STAT_SERVICE_NS, t);
	trace_vsvm_serve(svm, requests[0].address, count, s.window, s.huge_pfn, t);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_serve);
