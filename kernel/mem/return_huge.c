// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge pages that come back as a whole.
 *
 * While a huge page is being migrated, the page tables that mapped it hold a
 * migration entry for it.  Core-mm (7.2, 7.3) takes the removal of such an entry,
 * by munmap(), exec(), exit or madvise(), for the removal of a mapping, if the
 * page is device-private: it drops a reference and a mapping that are not there
 * any more.  The page would be freed under the hands of who migrates it.
 *
 * So more references than that could ever drop are held meanwhile, and what has
 * been dropped is made up for: a page that has moved is mapped by nobody, so as
 * many mappings as it has less than none were removed.  That is why the step
 * that core-mm's migrate_vma_pages() takes is taken here, by the same functions:
 * they are told how many references to expect.
 *
 * Memory is allocated before a page is unmapped, so that nothing needs undoing:
 * mappings that come back to the page could not be told from those removed.
 */
#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/slab.h>

#include "mem/mem_priv.h"

/* Page tables that a page can be removed from while it is being migrated */
#define VSVM_HUGE_HOLD		BIT(16)

/* Times that a reference of somebody who only looks at the page is waited for */
#define VSVM_HUGE_TRIES		10000

/* Mappings removed that were none.  Unmapped, or else meaningless */
static unsigned int vsvm_huge_removed(const struct vsvm_huge *huge)
{
	int mapcount = folio_mapcount(huge->folio);

	return mapcount < 0 ? -mapcount : 0;
}

/*
 * The count of mapped pages goes astray by what the folio's own count has become,
 * more with each removal.
 */
static void vsvm_huge_repair(struct vsvm_huge *huge)
{
	struct folio *folio = huge->folio;
	unsigned int k, removed = vsvm_huge_removed(huge);
	long npages = folio_nr_pages(folio);
	long each;

	if (likely(removed == huge->repaired))
		return;
	each = -atomic_read(&folio->_nr_pages_mapped) / (int)removed;
	for (k = huge->repaired + 1; k <= removed; k++) {
		if (each)
			lruvec_stat_mod_folio(folio, NR_ANON_MAPPED,
					      npages + k * each);
		lruvec_stat_mod_folio(folio, NR_ANON_THPS, npages);
	}
	huge->repaired = removed;
}

/* Unmapped, and one reference held: hold enough */
static void vsvm_huge_hold(struct vsvm_huge *huge)
{
	folio_ref_add(huge->folio, VSVM_HUGE_HOLD);
	huge->hold = VSVM_HUGE_HOLD + 1;
}

/* Let go of it: unlocked, and finished with */
static void vsvm_huge_drop(struct vsvm_huge *huge, bool moved)
{
	unsigned int hold = huge->hold;

	if (moved) {
		vsvm_huge_repair(huge);
		hold -= vsvm_huge_removed(huge);
	}
	folio_put_refs(huge->folio, hold);
}

/* Make @new what the page was to its processes.  @extra: references of core-mm's */
static bool vsvm_huge_move(struct vsvm_huge *huge, struct folio *new,
			   unsigned int extra)
{
	unsigned int i;

	for (i = 0; i < VSVM_HUGE_TRIES; i++) {
		vsvm_huge_repair(huge);
		if (!folio_migrate_mapping(NULL, new, huge->folio, huge->hold + extra)) {
			folio_migrate_flags(new, huge->folio);
			return true;
		}
		cpu_relax();
	}
	return false;
}

/**
 * vsvm_huge_collect() - take on a huge page that migrate_vma_setup() has collected
 * @huge: zeroed, but may have the folio with a reference
 * @args: given to it, for one block, with huge pages wanted
 * @new: where to; set to NULL if it is used
 *
 * If it is one, there is a hold afterwards and a destination to copy to.  What
 * follows is vsvm_huge_finish() in any case.
 */
void vsvm_huge_collect(struct vsvm_huge *huge, struct migrate_vma *args,
		       struct folio **new)
{
	struct folio *folio;

	if (!(args->src[0] & MIGRATE_PFN_MIGRATE) ||
	    !(args->src[0] & MIGRATE_PFN_COMPOUND) || !migrate_pfn_to_page(args->src[0]))
		return;
	folio = page_folio(migrate_pfn_to_page(args->src[0]));
	if (!folio_try_get(folio)) {
		/* Freed in the moment before it could be held */
		args->src[0] = 0;
		return;
	}
	if (huge->folio)
		folio_put(huge->folio);
	huge->folio = folio;
	huge->new = *new;
	*new = NULL;
	vsvm_huge_hold(huge);
	args->dst[0] = vsvm_return_use(huge->new);
}

/**
 * vsvm_huge_finish() - the rest of it: the data has been copied
 * @mem: device memory
 * @huge: see vsvm_huge_collect()
 * @args: see there
 *
 * Return: the page has moved.
 */
bool vsvm_huge_finish(struct vsvm_mem *mem, struct vsvm_huge *huge,
		      struct migrate_vma *args)
{
	bool moved = huge->hold && vsvm_huge_move(huge, huge->new, !!args->fault_page);

	if (moved)
		vsvm_mem_pages_left(mem, args->src, 1);
	else
		args->src[0] &= ~MIGRATE_PFN_MIGRATE;
	migrate_vma_finalize(args);
	if (huge->hold)
		vsvm_huge_drop(huge, moved);
	else if (huge->folio)
		folio_put(huge->folio);
	return moved;
}

/**
 * vsvm_return_huge_vma() - bring back a huge page that is mapped as such
 * @mem: device memory
 * @vma: mapping, under mmap_lock
 * @start: where the page is mapped
 * @fault_page: page that core-mm holds for a fault
 * @new: where to; set to NULL if it was used
 *
 * Return: pages moved: all or none, which may have been mapped otherwise by now,
 * be busy, or lie elsewhere; -ENOMEM, -EINVAL: a mapping from where none move.
 */
long vsvm_return_huge_vma(struct vsvm_mem *mem, struct vm_area_struct *vma,
			  unsigned long start, struct page *fault_page,
			  struct folio **new)
{
	struct vsvm_huge huge = { .folio = page_folio(fault_page) };
	struct migrate_vma args = {
		.vma = vma,
		.start = start,
		.end = start + HPAGE_PMD_SIZE,
		.pgmap_owner = vsvm_mem_owner(mem),
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE |
			 MIGRATE_VMA_SELECT_COMPOUND,
		.fault_page = fault_page,
	};
	unsigned long *entries;
	bool moved;

	entries = kvcalloc(HPAGE_PMD_NR, 2 * sizeof(*entries),
			   GFP_KERNEL | __GFP_NOWARN);
	if (!entries)
		return -ENOMEM;
	args.src = entries;
	args.dst = entries + HPAGE_PMD_NR;
	folio_get(huge.folio);
	if (migrate_vma_setup(&args)) {
		folio_put(huge.folio);
		kvfree(entries);
		return -EINVAL;
	}
	vsvm_huge_collect(&huge, &args, new);
	if (huge.hold)
		vsvm_return_copy_cpu(mem, args.src, args.dst, 1);
	moved = vsvm_huge_finish(mem, &huge, &args);
	kvfree(entries);
	return moved ? HPAGE_PMD_NR : 0;
}

/* The same by page frame.  @entries: two for each page, all zero */
static bool vsvm_huge_return_pfn(struct vsvm_mem *mem, struct vsvm_huge *huge,
				 unsigned long *entries, struct folio *new)
{
	unsigned long *src = entries, *dst = entries + HPAGE_PMD_NR;
	bool moved = false;

	src[0] = folio_pfn(huge->folio);
	/* Nobody splits it: there is a reference too many */
	if (migrate_device_pfns(src, HPAGE_PMD_NR) || !(src[0] & MIGRATE_PFN_MIGRATE)) {
		folio_put(huge->folio);
		folio_put(new);
		return false;
	}
	vsvm_huge_hold(huge);
	dst[0] = vsvm_return_use(new);
	if (vsvm_chunk_is_live(folio_zone_device_data(huge->folio), folio_pfn(huge->folio))) {
		/* Nothing must be lost for an engine that fails */
		if (vsvm_return_copy_engine(mem, src, dst, 1))
			vsvm_return_copy_cpu(mem, src, dst, 1);
		moved = vsvm_huge_move(huge, new, 0);
	}
	if (moved)
		vsvm_mem_pages_left(mem, src, 1);
	else
		src[0] &= ~MIGRATE_PFN_MIGRATE;
	migrate_device_finalize(src, dst, HPAGE_PMD_NR);
	vsvm_huge_drop(huge, moved);
	return moved;
}

/* Is there a huge page at a page frame?  If so, with a reference */
static struct folio *vsvm_huge_get(unsigned long pfn)
{
	struct folio *folio = folio_get_nontail_page(pfn_to_page(pfn));

	if (folio && !folio_test_large(folio)) {
		folio_put(folio);
		folio = NULL;
	}
	return folio;
}

/**
 * vsvm_return_huge_pfn() - bring back the huge page at a page frame, if there is one
 * @mem: device memory
 * @pfn: where a huge page would begin
 *
 * Return: pages moved, all or none; -ENOMEM if there is one that has nowhere to go.
 */
long vsvm_return_huge_pfn(struct vsvm_mem *mem, unsigned long pfn)
{
	struct anon_vma *pin = NULL;
	struct vsvm_huge huge = {};
	unsigned long *entries;
	struct vsvm_chunk *chunk;
	struct folio *new;
	bool moved = false;

	huge.folio = vsvm_huge_get(pfn);
	if (!huge.folio)
		return 0;
	/* Not held while memory is allocated: a CPU may want the page */
	folio_put(huge.folio);
	new = vsvm_return_alloc(mem, GFP_TRANSHUGE | __GFP_RETRY_MAYFAIL,
				HPAGE_PMD_ORDER, NULL, 0);
	entries = kvcalloc(HPAGE_PMD_NR, 2 * sizeof(*entries),
			   GFP_KERNEL | __GFP_NOWARN);
	huge.folio = new && entries ? vsvm_huge_get(pfn) : NULL;
	if (huge.folio && folio_trylock(huge.folio)) {
		chunk = folio_zone_device_data(huge.folio);
		if (chunk && folio_test_large(huge.folio) && vsvm_chunk_is_live(chunk, pfn))
			pin = vsvm_pin_anon(huge.folio);
		folio_unlock(huge.folio);
	}
	if (pin) {
		moved = vsvm_huge_return_pfn(mem, &huge, entries, new);
		vsvm_unpin_anon(pin);
		kvfree(entries);
		return moved ? HPAGE_PMD_NR : 0;
	}
	if (huge.folio)
		folio_put(huge.folio);
	moved = new && entries;
	if (new)
		folio_put(new);
	kvfree(entries);
	return moved ? 0 : -ENOMEM;
}
