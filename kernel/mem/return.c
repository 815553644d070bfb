// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of processes come back to system memory: because a CPU has touched
 * them, or because their room is wanted.
 *
 * A CPU brings back a huge page as a whole, else an aligned cluster of small
 * ones.  The page that it has touched must come; its neighbours come if there
 * is memory at hand.  Under core-mm's locks nothing else is locked.  The CPU
 * copies, through the aperture: it would have to wait for a copy engine anyway,
 * and to wake that costs more than to copy 64 KiB.
 *
 * For room, pages are taken by page frame, with no mapping and no mmap_lock, and
 * the copy engines copy.  Then core-mm cannot split a huge page, so it needs a
 * huge page to go to.
 */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include <drm/drm_device.h>

#include "hw/hw.h"
#include "mem/mem_priv.h"
#include "mem/mem_trace.h"

/* Pages from entry @i on that move as one */
static unsigned long vsvm_return_step(const unsigned long *dst, unsigned long i)
{
	struct page *page = migrate_pfn_to_page(dst[i]);

	return page ? folio_nr_pages(page_folio(page)) : 1;
}

/** vsvm_return_copy_cpu() - copy the pages that have a destination, through the aperture */
void vsvm_return_copy_cpu(struct vsvm_mem *mem, const unsigned long *src,
			  const unsigned long *dst, unsigned long npages)
{
	unsigned long i, j, n;

	for (i = 0; i < npages; i += n) {
		struct page *to = migrate_pfn_to_page(dst[i]);
		u64 from;

		n = vsvm_return_step(dst, i);
		if (!to)
			continue;
		from = vsvm_mem_page_offset(mem, migrate_pfn_to_page(src[i]));
		for (j = 0; j < n; j++) {
			copy_highpage(to + j,
				      vsvm_hw_vram_page(mem->hw, from + j * PAGE_SIZE));
			cond_resched();
		}
	}
}

/**
 * vsvm_return_alloc() - get memory that pages go back to
 * @mem: device memory
 * @gfp: how
 * @order: log2 of pages
 * @vma: that it will be mapped in, or NULL: not known
 * @address: in it
 *
 * Return: a folio or NULL, also when a test wants that.
 */
struct folio *vsvm_return_alloc(struct vsvm_mem *mem, gfp_t gfp, unsigned int order,
				struct vm_area_struct *vma, unsigned long address)
{
	if (vsvm_mem_shall_fail(mem, VSVM_MEM_RETURN_FAIL))
		return NULL;
	return vma ? vma_alloc_folio(gfp, order, vma, address) : folio_alloc(gfp, order);
}

/** vsvm_return_describe() - what is to be copied, the destinations by physical address */
u32 vsvm_return_describe(struct vsvm_mem *mem, struct vsvm_hw_copy *copies,
			 const unsigned long *src, const unsigned long *dst,
			 unsigned long npages)
{
	struct vsvm_hw_copy *last = NULL;
	unsigned long i, n;

	for (i = 0; i < npages; i += n) {
		struct page *to = migrate_pfn_to_page(dst[i]);
		u64 from;

		n = vsvm_return_step(dst, i);
		if (!to)
			continue;
		from = vsvm_mem_page_offset(mem, migrate_pfn_to_page(src[i]));
		if (last && last->src + last->bytes == from &&
		    last->dst + last->bytes == page_to_phys(to)) {
			last->bytes += n * PAGE_SIZE;
			continue;
		}
		last = last ? last + 1 : copies;
		*last = (struct vsvm_hw_copy) {
			.src = from,
			.dst = page_to_phys(to),
			.bytes = n * PAGE_SIZE,
			.flags = VSVM_HW_COPY_SRC_VRAM,
		};
	}
	return last ? last - copies + 1 : 0;
}

/** vsvm_return_copy_engine() - the same by copy engines; 0 or an error */
int vsvm_return_copy_engine(struct vsvm_mem *mem, const unsigned long *src,
			    const unsigned long *dst, unsigned long npages)
{
	struct vsvm_transfer t = { .mem = mem };
	int err = 0;

	t.copies = kvmalloc_objs(*t.copies, npages);
	if (!t.copies)
		return -ENOMEM;
	t.count = vsvm_return_describe(mem, t.copies, src, dst, npages);
	if (t.count)
		err = vsvm_transfer_begin(&t);
	if (t.count && !err)
		err = vsvm_transfer_end(&t);
	kvfree(t.copies);
	return err;
}

/** vsvm_return_count() - pages that have moved from one entry to the other */
unsigned long vsvm_return_count(const unsigned long *src, const unsigned long *dst,
				unsigned long npages)
{
	unsigned long i, n, moved = 0;

	for (i = 0; i < npages; i += n) {
		n = vsvm_return_step(dst, i);
		if (dst[i] && (src[i] & MIGRATE_PFN_MIGRATE))
			moved += n;
	}
	return moved;
}

/** vsvm_return_use() - the entry for a folio that pages are to go to; locked from here on */
unsigned long vsvm_return_use(struct folio *folio)
{
	unsigned long entry = migrate_pfn(folio_pfn(folio));

	folio_lock(folio);
	if (folio_test_large(folio))
		entry |= MIGRATE_PFN_COMPOUND;
	return entry;
}

/*
 * Find destinations for what was collected around entry @at.  Return: false if
 * there is none for that one.
 */
static bool vsvm_return_fill(struct vsvm_mem *mem, const struct migrate_vma *args,
			     unsigned long at)
{
	const gfp_t light = (GFP_HIGHUSER_MOVABLE & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN;
	struct folio *folio;
	unsigned long i;

	if (vsvm_return_wanted(args->src[at])) {
		folio = vsvm_return_alloc(mem, GFP_HIGHUSER_MOVABLE, 0, args->vma,
					  args->start + (at << PAGE_SHIFT));
		if (!folio)
			return false;
		args->dst[at] = vsvm_return_use(folio);
	}
	for (i = 0; i < args->npages; i++) {
		if (i == at || !vsvm_return_wanted(args->src[i]))
			continue;
		folio = vsvm_return_alloc(mem, light, 0, args->vma,
					  args->start + (i << PAGE_SHIFT));
		if (!folio) {
			vsvm_mem_count(mem, VSVM_MEM_RETURN_FALLBACKS, 1);
			break;
		}
		args->dst[i] = vsvm_return_use(folio);
	}
	return true;
}

/*
 * Bring back what lies in [start, end) as small pages, of which the one at
 * @address must come.  @fault_page: that core-mm holds for a fault, or NULL.
 * Return: pages moved, or -ENOMEM, -EINVAL.
 */
static long vsvm_return_range(struct vsvm_mem *mem, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end,
			      unsigned long address, struct page *fault_page)
{
	unsigned long one[2], *entries = one;
	unsigned long npages = (end - start) >> PAGE_SHIFT;
	struct migrate_vma args = {
		.vma = vma,
		.pgmap_owner = vsvm_mem_owner(mem),
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = fault_page,
	};
	long ret = 0;

	if (npages > 1) {
		entries = kvmalloc_array(npages, 2 * sizeof(*entries),
					 GFP_KERNEL | __GFP_NOWARN);
		if (!entries) {
			vsvm_mem_count(mem, VSVM_MEM_RETURN_FALLBACKS, 1);
			entries = one;
			start = address;
			npages = 1;
		}
	}
	args.start = start;
	args.end = start + (npages << PAGE_SHIFT);
	args.src = entries;
	args.dst = entries + npages;
	memset(args.dst, 0, npages * sizeof(*args.dst));
	ret = migrate_vma_setup(&args);
	/* Somebody else may have been faster: then the fault is tried again */
	if (ret || !args.cpages)
		goto out;

	if (vsvm_return_fill(mem, &args, (address - start) >> PAGE_SHIFT))
		vsvm_return_copy_cpu(mem, args.src, args.dst, args.npages);
	else
		ret = -ENOMEM;
	migrate_vma_pages(&args);
	vsvm_mem_pages_left(mem, args.src, args.npages);
	if (!ret)
		ret = vsvm_return_count(args.src, args.dst, args.npages);
	migrate_vma_finalize(&args);
out:
	if (entries != one)
		kvfree(entries);
	return ret;
}

/* see mem.h */
void vsvm_mem_set_return_block(struct vsvm_mem *mem, vsvm_mem_block_fn fn, void *arg)
{
	mem->return_block = fn;
	mem->return_block_arg = arg;
}

/**
 * struct vsvm_return_block - what a fault brings back
 * @start: first address
 * @end: one past the last
 * @split: a huge page does not come as a whole
 */
struct vsvm_return_block {
	unsigned long start;
	unsigned long end;
	bool split;
};

/* An aligned cluster around the address of a fault, or what somebody has asked for */
static void vsvm_return_choose(struct vsvm_mem *mem, struct vm_fault *vmf,
			       struct vsvm_return_block *block)
{
	unsigned long size = (unsigned long)mem->config.return_pages << PAGE_SHIFT;
	unsigned long start = 0, end = ULONG_MAX;

	block->split = false;
	if (mem->return_block &&
	    mem->return_block(mem->return_block_arg, vmf->vma->vm_mm, vmf->address,
			      &start, &end)) {
		block->split = end - start < HPAGE_PMD_SIZE;
	} else {
		start = ALIGN_DOWN(vmf->address, size);
		end = start + size;
	}
	block->start = max(start, vmf->vma->vm_start);
	block->end = min(end, vmf->vma->vm_end);
}

/* All of a block, or the page that the CPU has touched alone if there is no memory for more */
static long vsvm_return_cluster(struct vsvm_mem *mem, struct vm_fault *vmf,
				const struct vsvm_return_block *block,
				struct page *fault_page)
{
	unsigned long page = vmf->address & PAGE_MASK;
	long ret;

	ret = vsvm_return_range(mem, vmf->vma, block->start, block->end, page,
				fault_page);
	if (ret == -ENOMEM && block->end - block->start > PAGE_SIZE) {
		vsvm_mem_count(mem, VSVM_MEM_RETURN_FALLBACKS, 1);
		ret = vsvm_return_range(mem, vmf->vma, page, page + PAGE_SIZE, page,
					fault_page);
	}
	return ret;
}

/* A fault on a huge page that is mapped as such */
static long vsvm_return_huge(struct vsvm_mem *mem, struct vm_fault *vmf,
			     const struct vsvm_return_block *block)
{
	unsigned long start = vmf->address & HPAGE_PMD_MASK;
	struct folio *folio = page_folio(vmf->page);
	struct vsvm_chunk *chunk = folio_zone_device_data(folio);
	struct folio *new = NULL;
	long ret;

	if (!block->split)
		new = vsvm_return_alloc(mem, GFP_TRANSHUGE | __GFP_NORETRY,
					HPAGE_PMD_ORDER, vmf->vma, start);
	if (new) {
		ret = vsvm_return_huge_vma(mem, vmf->vma, start, vmf->page, &new);
		if (new)
			folio_put(new);
		if (ret != -ENOMEM)
			return ret;
	}
	/*
	 * It has to be split, which core-mm does when it collects a part of it,
	 * but not while a fault holds it: let go of the page, and give core-mm
	 * back what it will let go of itself.
	 */
	if (!block->split)
		vsvm_mem_count(mem, VSVM_MEM_RETURN_FALLBACKS, 1);
	vsvm_chunk_hold(chunk);
	folio_unlock(folio);
	folio_put(folio);
	ret = vsvm_return_cluster(mem, vmf, block, NULL);
	vsvm_chunk_retake(chunk, &folio->page);
	return ret;
}

/* see mem_priv.h */
vm_fault_t vsvm_return_fault(struct vm_fault *vmf)
{
	struct vsvm_mem *mem = page_pgmap(vmf->page)->owner;
	struct vsvm_return_block block;
	u64 t = local_clock();
	long ret;

	vsvm_return_choose(mem, vmf, &block);
	if (folio_test_large(page_folio(vmf->page)) && vmf->pte) {
		/*
		 * A huge page that is mapped in parts is split for its first page.
		 * Nothing else may be locked with it: another fault may hold that,
		 * and want this.
		 */
		block.start = vmf->address & PAGE_MASK;
		block.end = block.start + PAGE_SIZE;
		ret = vsvm_return_cluster(mem, vmf, &block, vmf->page);
	} else if (folio_test_large(page_folio(vmf->page))) {
		ret = vsvm_return_huge(mem, vmf, &block);
	} else {
		ret = vsvm_return_cluster(mem, vmf, &block, vmf->page);
	}
	trace_vsvm_return(vmf->address, ret, local_clock() - t);
	/* Not even for one page has memory been found */
	if (ret < 0)
		return VM_FAULT_SIGBUS;
	if (ret) {
		vsvm_mem_count(mem, VSVM_MEM_RETURNED_PAGES, ret);
		vsvm_mem_count(mem, VSVM_MEM_RETURNS, 1);
	}
	return 0;
}

static void vsvm_return_mm(struct vsvm_mem *mem, struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	unsigned long start, next;
	struct vma_iterator vmi;

	mmap_read_lock(mm);
	vma_iter_init(&vmi, mm, 0);
	for_each_vma(vmi, vma) {
		if (!vma_is_anonymous(vma))
			continue;
		for (start = vma->vm_start; start < vma->vm_end; start = next) {
			next = min(vma->vm_end, ALIGN(start + 1, HPAGE_PMD_SIZE));
			vsvm_return_range(mem, vma, start, next, start, NULL);
			cond_resched();
		}
	}
	mmap_read_unlock(mm);
}

/**
 * vsvm_return_everywhere() - bring back what any process has in device memory
 * @mem: device memory
 *
 * As small pages.  That a huge page is there and no huge page to be had for it is
 * no reason to keep the device.  Slow; may sleep, no locks held.
 */
void vsvm_return_everywhere(struct vsvm_mem *mem)
{
	struct task_struct *task;
	struct mm_struct *mm;
	int nr;

	for (nr = 1; nr < PID_MAX_LIMIT; nr++) {
		rcu_read_lock();
		task = pid_task(find_pid_ns(nr, &init_pid_ns), PIDTYPE_TGID);
		if (task)
			get_task_struct(task);
		rcu_read_unlock();
		cond_resched();
		if (!task)
			continue;
		mm = get_task_mm(task);
		put_task_struct(task);
		if (!mm)
			continue;
		vsvm_return_mm(mem, mm);
		mmput(mm);
	}
}

/* Find destinations for pages collected by page frame.  0 or -ENOMEM: not for all. */
static int vsvm_return_fill_pfns(struct vsvm_mem *mem, unsigned long *src,
				 unsigned long *dst, unsigned long npages)
{
	const gfp_t gfp = READ_ONCE(mem->stopped) ? GFP_HIGHUSER_MOVABLE :
			  GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	unsigned long i;
	int err = 0;

	for (i = 0; i < npages; i++) {
		struct page *page = migrate_pfn_to_page(src[i]);
		struct folio *folio, *new;

		if (!page || !(src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		folio = page_folio(page);
		/* Has gone already, or somebody is looking at it just now */
		if (!vsvm_chunk_is_live(folio_zone_device_data(folio), page_to_pfn(page)) ||
		    folio_ref_count(folio) > 1) {
			src[i] &= ~MIGRATE_PFN_MIGRATE;
			continue;
		}
		new = vsvm_return_alloc(mem, gfp, 0, NULL, 0);
		if (new)
			dst[i] = vsvm_return_use(new);
		else
			err = -ENOMEM;
	}
	return err;
}

/*
 * Collect the small pages that somebody maps, and keep what leads to where they
 * are mapped.  Return: how many.
 */
static unsigned long vsvm_return_collect(unsigned long first_pfn, unsigned long npages,
					 unsigned long *src, struct anon_vma **pins)
{
	unsigned long pfn, n = 0;

	for (pfn = first_pfn; pfn < first_pfn + npages; pfn++) {
		struct folio *folio = folio_get_nontail_page(pfn_to_page(pfn));
		struct vsvm_chunk *chunk;

		if (!folio)
			continue;
		if (folio_trylock(folio)) {
			chunk = folio_zone_device_data(folio);
			if (!folio_test_large(folio) && chunk &&
			    vsvm_chunk_is_live(chunk, pfn))
				pins[n] = vsvm_pin_anon(folio);
			if (pins[n])
				src[n++] = pfn;
			folio_unlock(folio);
		}
		folio_put(folio);
	}
	return n;
}

static int vsvm_return_small_pfns(struct vsvm_mem *mem, unsigned long first_pfn,
				  unsigned long npages, unsigned long *returned)
{
	unsigned long *src, *dst, i, n;
	struct anon_vma **pins;
	int err = 0;

	src = kvcalloc(npages, 3 * sizeof(*src), GFP_KERNEL | __GFP_NOWARN);
	if (!src)
		return -ENOMEM;
	dst = src + npages;
	pins = (void *)(dst + npages);
	n = vsvm_return_collect(first_pfn, npages, src, pins);
	if (n)
		err = migrate_device_pfns(src, n);
	if (n && !err) {
		err = vsvm_return_fill_pfns(mem, src, dst, n);
		/* Nothing must be lost for an engine that fails */
		if (vsvm_return_copy_engine(mem, src, dst, n))
			vsvm_return_copy_cpu(mem, src, dst, n);
		migrate_device_pages(src, dst, n);
		vsvm_mem_pages_left(mem, src, n);
		*returned = vsvm_return_count(src, dst, n);
		migrate_device_finalize(src, dst, n);
	}
	for (i = 0; i < n; i++)
		vsvm_unpin_anon(pins[i]);
	kvfree(src);
	return err;
}

/* see mem_priv.h */
int vsvm_return_pfns(struct vsvm_mem *mem, unsigned long first_pfn,
		     unsigned long npages, unsigned long *returned)
{
	long ret;

	*returned = 0;
	if (npages == HPAGE_PMD_NR) {
		ret = vsvm_return_huge_pfn(mem, first_pfn);
		if (ret < 0)
			return ret;
		*returned = ret;
		if (ret)
			return 0;
	}
	return vsvm_return_small_pfns(mem, first_pfn, npages, returned);
}
