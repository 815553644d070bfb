// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faulting in what the process does not have there yet.
 *
 * Not through hmm_range_fault(): it faults every page of a hole if one is asked
 * for, and cannot wait for userfaultfd.
 *
 * A fault may have to wait for somebody: for a disk, for the server of a file
 * system, for the monitor of a userfaultfd, and some of them let others wait
 * for ever.  Whoever serves many processes must not.  So memory is asked for
 * without waiting first, and only where it is likely to be at hand; whatever
 * else it may be is for a thread that a signal can end.
 */
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/clock.h>
#include <linux/shmem_fs.h>
#include <linux/userfaultfd_k.h>

#include "svm/svm_serve.h"

/*
 * Memory that has a struct page and is not for devices: secretmem is not in the
 * kernel's own map, a shadow stack is written by the CPU alone.
 */
bool vsvm_svm_refused(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_SHADOW_STACK)
		return true;
	return vma->vm_file &&
	       file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/*
 * Can a page be had without waiting for anybody but the kernel itself?  A file's
 * must be in the page cache, and its file system not to be asked before it is
 * written to.
 */
static bool vsvm_svm_at_hand(struct vm_area_struct *vma, unsigned long address,
			     bool write)
{
	struct folio *folio;
	bool uptodate;

	if (userfaultfd_armed(vma))
		return false;
	if (!vma->vm_file || is_vm_hugetlb_page(vma) ||
	    shmem_mapping(vma->vm_file->f_mapping))
		return true;
	if (write && (vma->vm_flags & VM_SHARED))
		return false;
	folio = filemap_get_folio(vma->vm_file->f_mapping,
				  linear_page_index(vma, address));
	if (IS_ERR(folio))
		return false;
	uptodate = folio_test_uptodate(folio);
	folio_put(folio);
	return uptodate;
}

/* As fixup_user_fault(), but -EAGAIN where that would wait; mmap_lock stays held */
static int vsvm_svm_fault_now(struct vm_area_struct *vma, unsigned long address,
			      unsigned int flags)
{
	vm_fault_t ret;

	if (!vsvm_svm_at_hand(vma, address, flags & FAULT_FLAG_WRITE))
		return -EAGAIN;
	ret = handle_mm_fault(vma, address, flags | FAULT_FLAG_ALLOW_RETRY |
			      FAULT_FLAG_RETRY_NOWAIT, NULL);
	if (ret & VM_FAULT_ERROR)
		return vm_fault_to_errno(ret, 0);
	return ret & VM_FAULT_RETRY ? -EAGAIN : 0;
}

enum vsvm_svm_status vsvm_svm_fault_in(struct mm_struct *mm, unsigned long address,
				       bool write, bool wait)
{
	unsigned int flags = FAULT_FLAG_REMOTE;
	struct vm_area_struct *vma;
	bool unlocked = false;
	int err;

	vma = vma_lookup(mm, address);
	if (!vma)
		return VSVM_SVM_NO_MAPPING;
	if (vma->vm_flags & (VM_IO | VM_PFNMAP) || vsvm_svm_refused(vma))
		return VSVM_SVM_UNSUPPORTED;
	if (!(vma->vm_flags & VM_READ) || (write && !(vma->vm_flags & VM_WRITE)))
		return VSVM_SVM_PERMISSION;

	if (write)
		flags |= FAULT_FLAG_WRITE;
	if (wait)
		err = fixup_user_fault(mm, address, flags, &unlocked);
	else
		err = vsvm_svm_fault_now(vma, address, flags);
	switch (err) {
	case 0:
		return VSVM_SVM_OK;
	case -EAGAIN:
		return VSVM_SVM_SLOW;
	case -EINTR:
		return VSVM_SVM_EXITED;
	case -ENOMEM:
		return VSVM_SVM_NO_MEMORY;
	default:
		break;
	}
	/*
	 * The lock may have been dropped: -EFAULT stands for a mapping that has
	 * gone or has changed as well as for SIGBUS and SIGSEGV.
	 */
	vma = vma_lookup(mm, address);
	if (!vma)
		return VSVM_SVM_NO_MAPPING;
	if (!(vma->vm_flags & VM_READ) || (write && !(vma->vm_flags & VM_WRITE)))
		return VSVM_SVM_PERMISSION;
	return VSVM_SVM_BUS;
}

/*
 * Fault in what is requested and missing.  Writes first: the read of a page
 * that is to be written as well would only map the zero page for a moment.
 * Return: whether the walk is out of date.
 */
bool vsvm_svm_populate(struct vsvm_svm_service *s)
{
	unsigned int i, done = 0;
	int write;
	u64 t = 0;

	for (write = 1; write >= 0; write--) {
		for (i = 0; i < s->count; i++) {
			struct vsvm_svm_request *r = &s->req[i];
			enum vsvm_svm_status status;
			unsigned long pfn;

			if (r->status != VSVM_SVM_PENDING || !!r->access != write)
				continue;
			pfn = vsvm_svm_pfn(s, vsvm_svm_index(s, r->address));
			if (vsvm_svm_present(pfn, r->access))
				continue;
			if (r->tries >= VSVM_SVM_ERROR_TRIES &&
			    (pfn & HMM_PFN_ERROR)) {
				r->status = VSVM_SVM_UNSUPPORTED;
				continue;
			}
			if (!write && i + 1 < s->count && done &&
			    s->req[i + 1].address == r->address &&
			    s->req[i + 1].status == VSVM_SVM_PENDING)
				continue;
			if (!t)
				t = local_clock();
			status = vsvm_svm_fault_in(s->svm->mm, r->address, r->access,
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
	if (t)
		vsvm_svm_count(s->svm, VSVM_STAT_POPULATE_NS, local_clock() - t);
	vsvm_svm_count(s->svm, VSVM_STAT_POPULATED, done);
	return done;
}

/* A run of faults: fault in what it is heading for.  Nothing here can fail a request. */
bool vsvm_svm_populate_ahead(struct vsvm_svm_service *s)
{
	const struct vsvm_svm_request *first = NULL, *last = NULL;
	unsigned int i, page, end, done = 0;
	struct vm_area_struct *vma;
	u64 t;

	if (s->ahead_done || s->window <= 1 || s->huge_pfn)
		return false;
	s->ahead_done = true;
	for (i = 0; i < s->count; i++) {
		if (s->req[i].status != VSVM_SVM_PENDING)
			continue;
		if (!first)
			first = &s->req[i];
		last = &s->req[i];
	}
	if (!last)
		return false;

	/* What is behind the mapping, or in a file that others read, was not asked for */
	vma = vma_lookup(s->svm->mm, last->address);
	if (!vma || (last->access && (vma->vm_flags & VM_SHARED)))
		return false;
	t = local_clock();
	page = vsvm_svm_index(s, last->address) + 1;
	end = min_t(unsigned int, vsvm_svm_index(s, first->address) + s->window,
		    VSVM_SVM_BLOCK_PAGES);
	if (vma->vm_end < s->block + VSVM_SVM_BLOCK_SIZE)
		end = min(end, vsvm_svm_index(s, vma->vm_end));
	for (; page < end && test_bit(page, s->want); page++) {
		if (s->pfns[page] & HMM_PFN_ERROR)
			break;
		if (vsvm_svm_present(s->pfns[page], last->access))
			continue;
		if (vsvm_svm_fault_in(s->svm->mm,
				      s->block + ((unsigned long)page << PAGE_SHIFT),
				      last->access, false) != VSVM_SVM_OK)
			break;
		done++;
		cond_resched();
	}
	vsvm_svm_count(s->svm, VSVM_STAT_POPULATE_NS, local_clock() - t);
	vsvm_svm_count(s->svm, VSVM_STAT_POPULATED, done);
	vsvm_svm_count(s->svm, VSVM_STAT_AHEAD, done);
	return done;
}
