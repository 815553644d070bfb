// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that come back because a prefetch asks for it: by address range, in bulk,
 * copied by the copy engines while the caller collects more.
 *
 * It is advice: memory for them is not sought hard, and what finds none stays.
 */
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "hw/hw.h"
#include "mem/mem_priv.h"

/**
 * struct vsvm_back - a block on its way back
 * @mem: device memory
 * @args: as core-mm has it
 * @huge: the huge page that it is, if it is one
 * @spare: huge page in system memory, to be used
 * @no_huge: there was none to be had: do not try again
 * @failed: the copy engines could not even be asked
 * @transfer: the copies, under way if it has a fence
 * @src: see struct migrate_vma
 * @dst: see there
 * @copies: of @transfer
 */
struct vsvm_back {
	struct vsvm_mem *mem;
	struct migrate_vma args;
	struct vsvm_huge huge;
	struct folio *spare;
	bool no_huge;
	bool failed;
	struct vsvm_transfer transfer;
	unsigned long src[VSVM_CHUNK_PAGES];
	unsigned long dst[VSVM_CHUNK_PAGES];
	struct vsvm_hw_copy copies[VSVM_CHUNK_PAGES];
};

/* see mem.h */
struct vsvm_back *vsvm_back_create(struct vsvm_mem *mem)
{
	struct vsvm_back *back = kvmalloc_obj(*back, GFP_KERNEL | __GFP_NOWARN);

	if (!back)
		return NULL;
	/* What is behind that is written before it is read */
	memset(back, 0, offsetof(struct vsvm_back, src));
	back->mem = mem;
	return back;
}

/* see mem.h */
void vsvm_back_destroy(struct vsvm_back *back)
{
	if (back->spare)
		folio_put(back->spare);
	kvfree(back);
}

/* A huge page is got before anything is unmapped, see return_huge.c */
static bool vsvm_back_spare(struct vsvm_back *back, struct vm_area_struct *vma,
			    unsigned long start)
{
	if (!back->spare && !back->no_huge)
		back->spare = vsvm_return_alloc(back->mem, GFP_TRANSHUGE | __GFP_NORETRY |
						__GFP_NOWARN, HPAGE_PMD_ORDER, vma, start);
	back->no_huge = !back->spare;
	return back->spare;
}

static void vsvm_back_fill(struct vsvm_back *back)
{
	const gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN;
	struct migrate_vma *args = &back->args;
	unsigned long i;

	for (i = 0; i < args->npages; i++) {
		struct folio *folio;

		if (!vsvm_return_wanted(args->src[i]))
			continue;
		folio = vsvm_return_alloc(back->mem, gfp, 0, args->vma,
					  args->start + (i << PAGE_SHIFT));
		if (folio)
			args->dst[i] = vsvm_return_use(folio);
	}
}

/* see mem.h */
bool vsvm_back_begin(struct vsvm_back *back, struct vm_area_struct *vma,
		     unsigned long start, unsigned long end, bool huge)
{
	struct migrate_vma *args = &back->args;
	struct vsvm_transfer *t = &back->transfer;

	mmap_assert_locked(vma->vm_mm);
	if (WARN_ON_ONCE(end - start > HPAGE_PMD_SIZE))
		return false;
	huge = huge && end - start == HPAGE_PMD_SIZE && vsvm_back_spare(back, vma, start);
	*args = (struct migrate_vma) {
		.vma = vma,
		.start = start,
		.end = end,
		.src = back->src,
		.dst = back->dst,
		.pgmap_owner = vsvm_mem_owner(back->mem),
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE |
			 (huge ? MIGRATE_VMA_SELECT_COMPOUND : 0),
	};
	memset(back->dst, 0, ((end - start) >> PAGE_SHIFT) * sizeof(*back->dst));
	memset(&back->huge, 0, sizeof(back->huge));
	back->failed = false;
	if (migrate_vma_setup(args) || !args->cpages)
		return false;
	if (huge)
		vsvm_huge_collect(&back->huge, args, &back->spare);
	vsvm_back_fill(back);
	*t = (struct vsvm_transfer) {
		.mem = back->mem,
		.copies = back->copies,
	};
	t->count = vsvm_return_describe(back->mem, t->copies, args->src, args->dst,
					args->npages);
	if (t->count)
		back->failed = vsvm_transfer_begin(t);
	return true;
}

/* see mem.h */
unsigned long vsvm_back_end(struct vsvm_back *back)
{
	struct migrate_vma *args = &back->args;
	unsigned long moved;

	if (back->transfer.fence)
		back->failed = vsvm_transfer_end(&back->transfer);
	/* Nothing must be lost for an engine that fails */
	if (back->failed)
		vsvm_return_copy_cpu(back->mem, args->src, args->dst, args->npages);
	if (back->huge.hold)
		return vsvm_huge_finish(back->mem, &back->huge, args) ? HPAGE_PMD_NR : 0;
	migrate_vma_pages(args);
	vsvm_mem_pages_left(back->mem, args->src, args->npages);
	moved = vsvm_return_count(args->src, args->dst, args->npages);
	migrate_vma_finalize(args);
	return moved;
}
