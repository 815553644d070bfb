// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving pages of the process to device memory, and back when asked to.
 *
 * Pages move in *flights* of several 2 MiB blocks, two at a time: while the
 * device copies one, the next is collected, or the one before is finished with.
 * A walk over a *window* of several flights, which changes nothing, tells first
 * how many pages of each block are there to be moved, so that a block with one
 * page does not cost 2 MiB of device memory.
 *
 * From when pages are collected until they are finished with, mmap_lock is held:
 * it keeps the mappings, and what core-mm needs to find its way back to them.
 * Whoever waits for it gets it between two flights.  Others are evicted only
 * with nothing aloft and without it.
 *
 * Whatever can move, moves.  What cannot - pinned, shared, no room - stays where
 * it lies and is mapped there.
 *
 * Pages that come back because the CPU touched them, or because their room is
 * needed, are not seen here: the owner of the device memory sees to that, with
 * no mirror and no VMA at hand.
 */
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "svm/svm_migrate.h"
#include "svm/svm_trace.h"

/* --- what is there --- */

static bool vsvm_svm_pfn_on_device(const struct vsvm_svm *svm, unsigned long pfn)
{
	return pfn - svm->config.mem.first_pfn < svm->config.mem.npages;
}

/* Count what of a mapping is there to be moved; a guess is good enough */
static unsigned int vsvm_svm_count_range(struct vsvm_svm_migration *m,
					 struct hmm_range *range, bool *huge)
{
	struct vsvm_svm *svm = m->svm;
	unsigned long i, npages = (range->end - range->start) >> PAGE_SHIFT;
	unsigned int want = 0;

	memset(range->hmm_pfns, 0, npages * sizeof(*range->hmm_pfns));
	if (hmm_range_fault(range))
		return npages;
	for (i = 0; i < npages; i++) {
		unsigned long entry = range->hmm_pfns[i], pfn = entry & ~HMM_PFN_FLAGS;

		if ((entry & HMM_PFN_VALID) && !is_zero_pfn(pfn) &&
		    vsvm_svm_pfn_on_device(svm, pfn) != m->to_device)
			want++;
	}
	*huge = want == VSVM_SVM_BLOCK_PAGES &&
		hmm_pfn_to_map_order(range->hmm_pfns[0]) >= HPAGE_PMD_ORDER;
	return want;
}

/* Count the pages of a window.  Only anonymous memory can move. */
static int vsvm_svm_window_count(struct vsvm_svm_migration *m)
{
	struct vsvm_svm *svm = m->svm;
	unsigned long a, next;
	unsigned int b = 0;
	int total = 0;

	memset(m->want, 0, sizeof(m->want));
	bitmap_zero(m->huge, VSVM_WINDOW_BLOCKS);
	for (a = m->start; a < m->end; a = next, b++) {
		struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(svm, a);
		struct hmm_range range = {
			.hmm_pfns = m->flight[0]->src,
			.dev_private_owner = svm->config.mem.owner,
		};
		struct vm_area_struct *vma;
		struct vma_iterator vmi;
		bool huge = false;

		if (IS_ERR(n))
			return PTR_ERR(n);
		next = min(m->end, ALIGN(a + 1, VSVM_SVM_BLOCK_SIZE));
		range.notifier = &n->mni;
		range.notifier_seq = mmu_interval_read_begin(&n->mni);
		if (!vsvm_svm_lock_mm(svm, VSVM_SVM_WAIT_LOCK))
			return -EINTR;
		vma_iter_init(&vmi, svm->mm, a);
		for_each_vma_range(vmi, vma, next) {
			if (!vma_is_anonymous(vma))
				continue;
			range.start = max(a, vma->vm_start);
			range.end = min(next, vma->vm_end);
			m->want[b] += vsvm_svm_count_range(m, &range, &huge);
		}
		mmap_read_unlock(svm->mm);
		__assign_bit(b, m->huge, huge);
		total += m->want[b];
	}
	return total;
}

/* --- flights --- */

/* The copy failed: give the destinations back, and the pages stay where they are */
static void vsvm_svm_flight_undo(struct vsvm_svm_flight *f)
{
	unsigned int i, npages = (f->end - f->start) >> PAGE_SHIFT;

	for (i = 0; i < npages; i++) {
		struct page *page = migrate_pfn_to_page(f->dst[i]);

		if (!page)
			continue;
		folio_unlock(page_folio(page));
		folio_put(page_folio(page));
		f->dst[i] = 0;
	}
}

static unsigned long vsvm_svm_leg_moved(const struct vsvm_svm_leg *leg)
{
	unsigned long i, moved = 0;

	for (i = 0; i < leg->args.npages; i++)
		if ((leg->args.src[i] & MIGRATE_PFN_MIGRATE) && leg->args.dst[i])
			moved += leg->args.dst[i] & MIGRATE_PFN_COMPOUND ?
				VSVM_SVM_BLOCK_PAGES : 1;
	return moved;
}

/* Tell the guard which blocks have gone to the device, or are brought back */
static void vsvm_svm_note_moved(struct vsvm_svm *svm, unsigned long start,
				unsigned long end, bool to_device)
{
	for (; start < end; start = ALIGN(start + 1, VSVM_SVM_BLOCK_SIZE)) {
		struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(svm, start);

		if (IS_ERR(n))
			continue;
		if (to_device)
			vsvm_svm_guard_moved(n, start);
		else
			vsvm_svm_guard_forget(n, start);
	}
}

/* Collect what lies in one mapping.  Return: there is something to be moved. */
static bool vsvm_svm_leg_collect(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f,
				 struct vsvm_svm_leg *leg, struct vm_area_struct *vma)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	unsigned int first = (leg->start - f->start) >> PAGE_SHIFT;
	unsigned int i, npages = (leg->end - leg->start) >> PAGE_SHIFT;

	if (!m->to_device) {
		unsigned int b = vsvm_svm_block_of(m->start, leg->start);

		if (!leg->back)
			leg->back = mem->ops->back_create(mem->priv);
		return leg->back && mem->ops->back_begin(leg->back, vma, leg->start, leg->end,
							 test_bit(b, m->huge));
	}
	leg->args = (struct migrate_vma) {
		.vma = vma,
		.start = leg->start,
		.end = leg->end,
		.src = f->src + first,
		.dst = f->dst + first,
		.pgmap_owner = vsvm_svm_to_device_owner(m->svm),
		.flags = MIGRATE_VMA_SELECT_COMPOUND | MIGRATE_VMA_SELECT_SYSTEM,
	};
	if (migrate_vma_setup(&leg->args) || !leg->args.cpages) {
		memset(f->src + first, 0, npages * sizeof(*f->src));
		return false;
	}
	for (i = first; i < first + npages;)
		i += vsvm_svm_room_place(m, f, i);
	return true;
}

/*
 * Collect a flight, from @start on, and have it copied; under mmap_lock, with
 * room made.  It ends early where there are more mappings than it can take in.
 */
static void vsvm_svm_flight_begin(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	unsigned long a, end, npages = (f->end - f->start) >> PAGE_SHIFT;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	mmap_assert_locked(m->svm->mm);
	if (m->to_device) {
		memset(f->src, 0, npages * sizeof(*f->src));
		memset(f->dst, 0, npages * sizeof(*f->dst));
	}
	f->ncopies = 0;
	f->copying = NULL;
	f->nlegs = 0;
	vma_iter_init(&vmi, m->svm->mm, f->start);
	for_each_vma_range(vmi, vma, f->end) {
		if (!vma_is_anonymous(vma))
			continue;
		end = min(f->end, vma->vm_end);
		for (a = max(f->start, vma->vm_start); a < end; ) {
			struct vsvm_svm_leg *leg = &f->leg[f->nlegs];

			if (f->nlegs == VSVM_FLIGHT_LEGS) {
				f->end = a;
				break;
			}
			leg->start = a;
			/* The way back is by single blocks */
			leg->end = m->to_device ? end :
				min(end, ALIGN(a + 1, VSVM_SVM_BLOCK_SIZE));
			a = leg->end;
			if (vsvm_svm_leg_collect(m, f, leg, vma))
				f->nlegs++;
		}
	}
	if (f->ncopies) {
		f->copying = mem->ops->copy_begin(mem->priv, f->copy, f->ncopies,
						  m->to_device);
		if (IS_ERR(f->copying)) {
			f->copying = NULL;
			vsvm_svm_flight_undo(f);
		}
	}
	f->aloft = true;
}

/* Wait for the copies of a flight, and finish with it; under mmap_lock */
static void vsvm_svm_flight_end(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	unsigned long moved, total = 0;
	unsigned int i;

	if (!f || !f->aloft)
		return;
	if (f->copying && mem->ops->copy_end(f->copying))
		vsvm_svm_flight_undo(f);
	for (i = 0; i < f->nlegs; i++) {
		struct vsvm_svm_leg *leg = &f->leg[i];

		if (!m->to_device) {
			total += mem->ops->back_end(leg->back);
			continue;
		}
		migrate_vma_pages(&leg->args);
		moved = vsvm_svm_leg_moved(leg);
		migrate_vma_finalize(&leg->args);
		if (moved)
			vsvm_svm_note_moved(m->svm, leg->start, leg->end, true);
		total += moved;
	}
	vsvm_svm_room_put_all(m, f);
	f->aloft = false;
	m->moved += total;
	vsvm_svm_count(m->svm, m->to_device ? VSVM_STAT_MIGRATED : VSVM_STAT_PREFETCHED,
		       total);
}

/* Finish with all flights, in order */
static void vsvm_svm_land(struct vsvm_svm_migration *m)
{
	unsigned int i;

	for (i = 0; i < VSVM_FLIGHTS; i++)
		vsvm_svm_flight_end(m, m->flight[(m->next + i) % VSVM_FLIGHTS]);
}

/* --- windows --- */

/*
 * Memory for a flight.  For one of a single block it is little enough for the
 * page allocator not to begin to reclaim for want of contiguous pages.
 */
static struct vsvm_svm_flight *vsvm_svm_flight_create(unsigned int blocks)
{
	unsigned int npages = blocks * VSVM_SVM_BLOCK_PAGES;
	size_t size = sizeof(struct vsvm_svm_flight) +
		npages * (2 * sizeof(unsigned long) + sizeof(struct vsvm_svm_copy));
	struct vsvm_svm_flight *f;

	f = blocks == 1 ? kvmalloc(size, GFP_KERNEL | __GFP_NOWARN) : vmalloc(size);
	if (!f)
		return NULL;
	/* What is behind the struct is written before it is read */
	memset(f, 0, sizeof(*f));
	f->copy = (void *)(f + 1);
	f->src = (void *)(f->copy + npages);
	f->dst = f->src + npages;
	return f;
}

/* The flight to use next: what it carries is finished with; under mmap_lock */
static struct vsvm_svm_flight *vsvm_svm_flight_get(struct vsvm_svm_migration *m)
{
	struct vsvm_svm_flight **f = &m->flight[m->next];

	if (!*f) {
		*f = vsvm_svm_flight_create(m->blocks);
		if (!*f) {
			/* Then it is one after the other */
			m->next = 0;
			f = &m->flight[0];
		}
	}
	m->next = (m->next + 1) % VSVM_FLIGHTS;
	vsvm_svm_flight_end(m, *f);
	return *f;
}

/* Where the next flight goes.  Return: false if there is nothing left to be moved. */
static bool vsvm_svm_flight_plan(struct vsvm_svm_migration *m, unsigned long *start,
				 unsigned long *end)
{
	unsigned int b;

	while (*start < m->end && !m->want[vsvm_svm_block_of(m->start, *start)])
		*start = ALIGN(*start + 1, VSVM_SVM_BLOCK_SIZE);
	if (*start >= m->end)
		return false;
	*end = min(m->end, ALIGN_DOWN(*start, VSVM_SVM_BLOCK_SIZE) +
		   m->blocks * VSVM_SVM_BLOCK_SIZE);
	for (b = 1; b < m->blocks; b++) {
		unsigned long block = ALIGN_DOWN(*start, VSVM_SVM_BLOCK_SIZE) +
			b * VSVM_SVM_BLOCK_SIZE;

		if (block < *end && !m->want[vsvm_svm_block_of(m->start, block)])
			*end = block;
	}
	return true;
}

/*
 * Make room for a flight.  mmap_lock is held, and may be dropped and taken again.
 * Return: false if it could not be taken, for a fatal signal: then there is no room.
 */
static bool vsvm_svm_flight_make_room(struct vsvm_svm_migration *m,
				      struct vsvm_svm_flight *f)
{
	bool enough = true;
	unsigned int b;

	for (b = 0; b < VSVM_FLIGHT_BLOCKS; b++)
		if (ALIGN_DOWN(f->start, VSVM_SVM_BLOCK_SIZE) + b * VSVM_SVM_BLOCK_SIZE <
		    f->end)
			enough &= vsvm_svm_room_make(m, f, b, false);
	if (enough)
		return true;
	vsvm_svm_land(m);
	mmap_read_unlock(m->svm->mm);
	for (b = 0; b < VSVM_FLIGHT_BLOCKS; b++)
		if (ALIGN_DOWN(f->start, VSVM_SVM_BLOCK_SIZE) + b * VSVM_SVM_BLOCK_SIZE <
		    f->end)
			vsvm_svm_room_make(m, f, b, true);
	if (vsvm_svm_lock_mm(m->svm, VSVM_SVM_WAIT_LOCK))
		return true;
	vsvm_svm_room_put_all(m, f);
	return false;
}

static int vsvm_svm_window_state(struct vsvm_svm *svm)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	return READ_ONCE(svm->stopped) ? -ESRCH : 0;
}

static int vsvm_svm_window_move(struct vsvm_svm_migration *m)
{
	struct mm_struct *mm = m->svm->mm;
	unsigned long start, end;
	int ret = 0;

	if (!vsvm_svm_lock_mm(m->svm, VSVM_SVM_WAIT_LOCK))
		return -EINTR;
	for (start = m->start; vsvm_svm_flight_plan(m, &start, &end); start = end) {
		struct vsvm_svm_flight *f;

		ret = vsvm_svm_window_state(m->svm);
		if (ret)
			break;
		cond_resched();
		if (mmap_lock_is_contended(mm)) {
			vsvm_svm_land(m);
			mmap_read_unlock(mm);
			if (!vsvm_svm_lock_mm(m->svm, VSVM_SVM_WAIT_LOCK))
				return -EINTR;
		}
		f = vsvm_svm_flight_get(m);
		f->start = start;
		f->end = end;
		if (m->to_device && !vsvm_svm_flight_make_room(m, f))
			return -EINTR;
		vsvm_svm_flight_begin(m, f);
		end = f->end;
	}
	vsvm_svm_land(m);
	mmap_read_unlock(mm);
	return ret;
}

/**
 * vsvm_svm_migration_create() - get ready to move pages
 * @svm: mirror, which has device memory
 * @to_device: or back
 * @evict: make room by evicting others
 * @blocks: of a flight at most, up to %VSVM_FLIGHT_BLOCKS
 *
 * Return: it, to be used by one thread, or NULL: no memory.  May sleep.
 */
struct vsvm_svm_migration *vsvm_svm_migration_create(struct vsvm_svm *svm,
						     bool to_device, bool evict,
						     unsigned int blocks)
{
	struct vsvm_svm_migration *m = kzalloc_obj(*m);

	if (!m)
		return NULL;
	m->svm = svm;
	m->to_device = to_device;
	m->evict = evict;
	m->blocks = blocks;
	m->flight[0] = vsvm_svm_flight_create(blocks);
	if (!m->flight[0]) {
		kfree(m);
		return NULL;
	}
	return m;
}

/** vsvm_svm_migration_destroy() - the opposite; @m may be NULL; may sleep */
void vsvm_svm_migration_destroy(struct vsvm_svm_migration *m)
{
	unsigned int i, j;

	if (!m)
		return;
	for (i = 0; i < VSVM_FLIGHTS; i++) {
		for (j = 0; m->flight[i] && j < VSVM_FLIGHT_LEGS; j++)
			if (m->flight[i]->leg[j].back)
				m->svm->config.mem.ops->back_destroy(m->flight[i]->leg[j].back);
		kvfree(m->flight[i]);
	}
	kfree(m);
}

/**
 * vsvm_svm_migrate_window() - move pages of a window
 * @m: migration
 * @start: first address
 * @end: one past the last, no more than %VSVM_WINDOW_SIZE from the block of @start
 * @reason: why
 *
 * Context: may sleep; the caller holds a reference to the users of the mm and
 * no lock.
 * Return: 0, or -ENOMEM for want of the driver's own memory, -EINTR, -ESRCH.
 * That some or all could not move is no error.
 */
int vsvm_svm_migrate_window(struct vsvm_svm_migration *m, unsigned long start,
			    unsigned long end, enum vsvm_svm_reason reason)
{
	unsigned long before = m->moved, moved;
	u64 t = local_clock();
	int ret, want;

	m->start = start;
	m->end = end;
	want = vsvm_svm_window_count(m);
	if (want <= 0)
		return want;
	/* Or what was asked for would look like the CPU wanting it */
	if (!m->to_device)
		vsvm_svm_note_moved(m->svm, start, end, false);
	ret = vsvm_svm_window_move(m);
	moved = m->moved - before;
	t = local_clock() - t;
	if (want > moved && !ret)
		vsvm_svm_count(m->svm, VSVM_STAT_MIGRATE_FAILED, want - moved);
	vsvm_svm_count(m->svm, VSVM_STAT_MIGRATE_NS, t);
	trace_vsvm_migrate(m->svm, start, end, m->to_device, reason, want, moved, t);
	return ret;
}

/**
 * vsvm_svm_migrate() - move pages of a range, for a fault
 * @svm: mirror
 * @start: first address
 * @end: one past the last
 * @to_device: or back
 * @evict: make room by evicting others
 *
 * Context: as vsvm_svm_migrate_window().
 * Return: pages moved, or an error as there.
 */
long vsvm_svm_migrate(struct vsvm_svm *svm, unsigned long start, unsigned long end,
		      bool to_device, bool evict)
{
	struct vsvm_svm_migration *m;
	unsigned long next;
	long ret = 0;

	if (!svm->config.mem.npages)
		return 0;
	next = vsvm_svm_block_of(start, end - 1);
	m = vsvm_svm_migration_create(svm, to_device, evict, next ? VSVM_FLIGHT_BLOCKS : 1);
	if (!m)
		return -ENOMEM;
	for (; start < end && !ret; start = next) {
		next = min(end, ALIGN_DOWN(start, VSVM_SVM_BLOCK_SIZE) + VSVM_WINDOW_SIZE);
		ret = vsvm_svm_migrate_window(m, start, next, VSVM_SVM_BY_FAULT);
	}
	if (!ret)
		ret = m->moved;
	vsvm_svm_migration_destroy(m);
	return ret;
}
