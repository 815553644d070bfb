// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where pages should lie when they are mapped, and with which rights, as far as
 * that is not the process' to say.
 */
#include <linux/hmm.h>
#include <linux/mm.h>

#include "svm/svm_serve.h"

/* The heap and stacks are the CPU's, unless somebody says something else */
static bool vsvm_svm_is_cpus(const struct vm_area_struct *vma)
{
	return vma_is_initial_heap(vma) || vma_is_initial_stack(vma) ||
	       (vma->vm_flags & (VM_GROWSDOWN | VM_GROWSUP));
}

/*
 * Nobody has asked for a migration here: it is what suits the mapping, and does
 * not go beyond that.  Return: whether there is to be one.
 */
static bool vsvm_svm_derive(struct vsvm_svm *svm, unsigned long address,
			    unsigned long *start, unsigned long *end)
{
	struct vm_area_struct *vma;
	bool move;

	mmap_read_lock(svm->mm);
	vma = vma_lookup(svm->mm, address);
	move = vma && !vsvm_svm_is_cpus(vma);
	if (move) {
		*start = max(*start, vma->vm_start);
		*end = min(*end, vma->vm_end);
	}
	mmap_read_unlock(svm->mm);
	return move;
}

/* Does this request want its page to be elsewhere? */
static bool vsvm_svm_misplaced(struct vsvm_svm_service *s,
			       const struct vsvm_svm_request *r)
{
	const struct vsvm_svm_mem *mem = &s->svm->config.mem;
	unsigned long pfn = vsvm_svm_pfn(s, vsvm_svm_index(s, r->address)) &
		~HMM_PFN_FLAGS;
	bool on_device = pfn - mem->first_pfn < mem->npages;

	if (r->status != VSVM_SVM_PENDING)
		return false;
	if (s->bounds->recall)
		return on_device;
	if (s->bounds->read_mostly && !r->access)
		return false;
	return !on_device && !is_zero_pfn(pfn);
}

/**
 * vsvm_svm_place() - move pages that are asked for to where they should lie
 * @s: service, with a walk that has found them
 *
 * Tries once: what cannot move is mapped where it lies.
 * Context: may sleep; no lock held.
 * Return: whether it has tried, and the walk is out of date.
 */
bool vsvm_svm_place(struct vsvm_svm_service *s)
{
	const struct vsvm_svm_bounds *bounds = s->bounds;
	unsigned long size = (bounds->granule ?: VSVM_SVM_BLOCK_PAGES) << PAGE_SHIFT;
	unsigned long start, end, done = 0;
	bool moved = false;
	unsigned int i;

	if (!(bounds->migrate || bounds->recall) || s->migrate_done ||
	    !s->svm->config.mem.npages)
		return false;
	s->migrate_done = true;
	for (i = 0; i < s->count; i++) {
		struct vsvm_svm_request *r = &s->req[i];

		if (r->address < done || !vsvm_svm_misplaced(s, r))
			continue;
		if (!bounds->recall && vsvm_svm_guard_holds(s->n, s->block)) {
			vsvm_svm_count(s->svm, VSVM_STAT_GUARDED, 1);
			break;
		}
		start = max(ALIGN_DOWN(r->address, size), bounds->start);
		end = min(ALIGN_DOWN(r->address, size) + size, bounds->end);
		done = end;
		if (bounds->derived && !vsvm_svm_derive(s->svm, r->address, &start, &end))
			continue;
		vsvm_svm_migrate(s->svm, start, end, !bounds->recall, true);
		moved = true;
	}
	return moved;
}

/**
 * vsvm_svm_mode() - how to map what a service has found
 * @s: service; of pages that are mostly read, those that are not written lose
 *	the right to be in @s->pfns
 *
 * Return: VSVM_SVM_MAP_*.
 */
unsigned int vsvm_svm_mode(struct vsvm_svm_service *s)
{
	unsigned int mode = 0, i, begin, end, page;
	bool written = false;

	if (s->bounds->exec)
		mode |= VSVM_SVM_MAP_EXEC;
	if (s->bounds->incoherent)
		mode |= VSVM_SVM_MAP_INCOHERENT;
	if (s->bounds->read_only)
		return mode | VSVM_SVM_MAP_READ_ONLY;
	if (!s->bounds->read_mostly)
		return mode;

	for (i = 0; i < s->count; i++)
		written |= s->req[i].status == VSVM_SVM_PENDING && s->req[i].access;
	if (!written)
		return mode | VSVM_SVM_MAP_READ_ONLY;
	/* A huge page that is written is written as a whole */
	if (s->huge_pfn)
		return mode;
	i = 0;
	for_each_set_bitrange(begin, end, s->want, VSVM_SVM_BLOCK_PAGES) {
		for (page = begin; page < end; page++) {
			bool keep = false;

			while (i < s->count && vsvm_svm_index(s, s->req[i].address) < page)
				i++;
			for (; i < s->count && vsvm_svm_index(s, s->req[i].address) == page; i++)
				keep |= s->req[i].access;
			if (!keep)
				s->pfns[page] &= ~HMM_PFN_WRITE;
		}
	}
	return mode;
}
