// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prefetch: pages are moved and mapped before the device asks for them.
 */
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "svm/svm_migrate.h"
#include "svm/svm_serve.h"

/* Map what is there of a part of a block.  0, -EINTR, -ESRCH, -ESTALE, -ENOMEM */
static int vsvm_svm_map_present(struct vsvm_svm_service *s, unsigned long start,
				unsigned long end)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(s->svm->config.deadline_ms);
	int ret;

	bitmap_zero(s->want, VSVM_SVM_BLOCK_PAGES);
	bitmap_set(s->want, vsvm_svm_index(s, start), (end - start) >> PAGE_SHIFT);
	do {
		vsvm_svm_look_begin(s->n, &s->look);
		mmap_read_lock(s->svm->mm);
		ret = vsvm_svm_snapshot(s);
		mmap_read_unlock(s->svm->mm);
		if (!ret)
			ret = vsvm_svm_commit(s, 0);
		if (ret != -EBUSY && ret != -EAGAIN)
			return ret == -EIO ? 0 : ret;
		vsvm_svm_count(s->svm, VSVM_STAT_RETRIES, 1);
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	} while (time_before(jiffies, deadline));
	/* It was only advice */
	return 0;
}

/*
 * The first address of a mapping for which there is a page table or a huge page,
 * or @end.  Down to the level of 2 MiB, and without a notifier: tables of that
 * level stay as long as the mapping does.
 */
static unsigned long vsvm_svm_next_table(struct mm_struct *mm, unsigned long address,
					 unsigned long end)
{
	while (address < end) {
		pgd_t *pgd = pgd_offset(mm, address);
		p4d_t *p4d;
		pud_t pud;

		if (pgd_none(*pgd)) {
			address = pgd_addr_end(address, end);
			continue;
		}
		p4d = p4d_offset(pgd, address);
		if (p4d_none(*p4d)) {
			address = p4d_addr_end(address, end);
			continue;
		}
		pud = READ_ONCE(*pud_offset(p4d, address));
		if (pud_none(pud)) {
			address = pud_addr_end(address, end);
			continue;
		}
		if (pud_leaf(pud) ||
		    !pmd_none(pmdp_get_lockless(pmd_offset(&pud, address))))
			break;
		address = pmd_addr_end(address, end);
	}
	return address;
}

/* The same for a range of the process, under mmap_lock */
static unsigned long vsvm_svm_next_present(struct mm_struct *mm, unsigned long start,
					   unsigned long end)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	unsigned long from, to;

	vma_iter_init(&vmi, mm, start);
	for_each_vma_range(vmi, vma, end) {
		from = max(start, vma->vm_start);
		to = min(end, vma->vm_end);
		/* Shared tables, which come and go under locks of their own */
		if (!is_vm_hugetlb_page(vma))
			from = vsvm_svm_next_table(mm, from, to);
		if (from < to)
			return from;
	}
	return end;
}

/*
 * The next run of blocks that have something in them.  No more at once than is
 * to be mapped while it is fresh from having moved.
 */
static unsigned long vsvm_svm_next_run(struct vsvm_svm *svm, unsigned long start,
				       unsigned long end, unsigned long *run_end)
{
	unsigned long next, last;

	mmap_read_lock(svm->mm);
	start = vsvm_svm_next_present(svm->mm, start, end);
	last = min(end, ALIGN_DOWN(start, VSVM_SVM_BLOCK_SIZE) + VSVM_WINDOW_SIZE);
	for (next = start; next < last;) {
		next = min(last, ALIGN(next + 1, VSVM_SVM_BLOCK_SIZE));
		if (vsvm_svm_next_present(svm->mm, next,
					  min(last, next + VSVM_SVM_BLOCK_SIZE)) != next)
			break;
	}
	mmap_read_unlock(svm->mm);
	*run_end = next;
	return start;
}

/* Move the pages of a window and map what is there of it */
static int vsvm_svm_prefetch_window(struct vsvm_svm *svm, unsigned long start,
				    unsigned long end,
				    const struct vsvm_svm_bounds *bounds,
				    struct vsvm_svm_migration *m,
				    struct vsvm_svm_scratch *scratch)
{
	unsigned long to;
	int ret = 0;

	if (m)
		ret = vsvm_svm_migrate_window(m, start, end, VSVM_SVM_BY_PREFETCH);
	for (; start < end && !ret; start = to) {
		struct vsvm_svm_service s = {
			.svm = svm,
			.bounds = bounds,
			.pfns = scratch->pfns,
			.block = ALIGN_DOWN(start, VSVM_SVM_BLOCK_SIZE),
		};

		to = min(end, s.block + VSVM_SVM_BLOCK_SIZE);
		s.n = vsvm_svm_notifier_get(svm, start);
		ret = IS_ERR(s.n) ? PTR_ERR(s.n) : vsvm_svm_map_present(&s, start, to);
	}
	return ret;
}

int vsvm_svm_prefetch(struct vsvm_svm *svm, unsigned long start, unsigned long end,
		      const struct vsvm_svm_bounds *bounds,
		      enum vsvm_svm_place place)
{
	struct vsvm_svm_migration *m = NULL;
	struct vsvm_svm_scratch *scratch;
	struct vsvm_svm_user user;
	unsigned long next;
	int ret = -ENOMEM;

	if (bounds->no_access)
		return 0;
	if (!mmget_not_zero(svm->mm))
		return -ESRCH;
	vsvm_svm_enter(svm, &user);
	scratch = kvmalloc_obj(*scratch);
	if (!scratch)
		goto out;
	if (place != VSVM_SVM_ANYWHERE && svm->config.mem.npages) {
		m = vsvm_svm_migration_create(svm, place == VSVM_SVM_DEVICE, true,
					      VSVM_FLIGHT_BLOCKS);
		if (!m)
			goto out;
	}
	for (ret = 0; start < end && !ret; start = next) {
		start = vsvm_svm_next_run(svm, start, end, &next);
		if (start >= end)
			break;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		ret = vsvm_svm_prefetch_window(svm, start, next, bounds, m, scratch);
		cond_resched();
	}
out:
	vsvm_svm_migration_destroy(m);
	kvfree(scratch);
	vsvm_svm_leave(svm, &user);
	mmput(svm->mm);
	return ret;
}
