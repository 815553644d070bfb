// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room on the device for pages that are about to be moved there.
 */
#include <linux/log2.h>
#include <linux/mm.h>

#include "svm/svm_migrate.h"

static bool vsvm_svm_room_add(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f,
			      unsigned int b, unsigned int order, bool evict)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	void *room = mem->ops->room_create(mem->priv, order, evict);

	if (IS_ERR(room))
		return false;
	f->room[b][f->nrooms[b]++] = (struct vsvm_svm_room) {
		.room = room,
		.order = order,
		.placed = order == HPAGE_PMD_ORDER,
	};
	return true;
}

/**
 * vsvm_svm_room_make() - make room for a block
 * @m: migration
 * @f: a flight that is not aloft
 * @b: block of it
 * @last: whatever it takes: evict others if that is allowed, in pieces if need be
 *
 * In one piece if at all possible, taken from others if need be; in several
 * pieces if there is none; for some of it if there is no more.
 *
 * Context: may sleep.  mmap_lock may be held, but not if @last.
 * Return: false if it is worth trying again with @last.
 */
bool vsvm_svm_room_make(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f,
			unsigned int b, bool last)
{
	unsigned int want = m->want[vsvm_svm_block_of(m->start, f->start) + b];
	unsigned int order = min_t(unsigned int, order_base_2(want), HPAGE_PMD_ORDER);
	unsigned int have = 0;

	if (!want || f->nrooms[b])
		return true;
	if (vsvm_svm_room_add(m, f, b, order, false))
		return true;
	if (!last)
		return false;
	if (m->evict && vsvm_svm_room_add(m, f, b, order, true))
		return true;
	while (order--) {
		while (have < want && f->nrooms[b] < VSVM_ROOM_PIECES &&
		       vsvm_svm_room_add(m, f, b, order, false))
			have += 1u << order;
		if (have >= want || f->nrooms[b] == VSVM_ROOM_PIECES)
			break;
	}
	return true;
}

/** vsvm_svm_room_put_all() - let go of the rooms of a flight; pages taken keep theirs */
void vsvm_svm_room_put_all(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f)
{
	unsigned int b, i;

	for (b = 0; b < VSVM_FLIGHT_BLOCKS; b++) {
		for (i = 0; i < f->nrooms[b]; i++)
			m->svm->config.mem.ops->room_put(f->room[b][i].room);
		f->nrooms[b] = 0;
	}
}

/* A folio on the device for a page of the process, locked, or NULL */
static struct page *vsvm_svm_room_take(struct vsvm_svm_migration *m,
				       struct vsvm_svm_flight *f,
				       unsigned long address, unsigned int order)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	unsigned int b = vsvm_svm_block_of(f->start, address);
	unsigned int i;

	for (i = 0; i < f->nrooms[b]; i++) {
		struct vsvm_svm_room *r = &f->room[b][i];
		unsigned int index = r->used;

		if (order) {
			if (r->order != order || r->used)
				continue;
			r->used = 1u << order;
			return mem->ops->room_take(r->room, 0, order);
		}
		if (r->used >= 1u << r->order)
			continue;
		if (r->placed) {
			/* Contiguous there as it is here: one leaf maps it all */
			index = (address & (VSVM_SVM_BLOCK_SIZE - 1)) >> PAGE_SHIFT;
			if (index < r->used)
				continue;
			r->used = index;
		}
		r->used++;
		return mem->ops->room_take(r->room, index, 0);
	}
	return NULL;
}

static void vsvm_svm_room_copy(struct vsvm_svm_flight *f, unsigned long system,
			       unsigned long device, unsigned int npages)
{
	struct vsvm_svm_copy *c = f->ncopies ? &f->copy[f->ncopies - 1] : NULL;

	if (c && c->system + c->npages == system && c->device + c->npages == device &&
	    c->npages + npages <= VSVM_SVM_BLOCK_PAGES) {
		c->npages += npages;
		return;
	}
	f->copy[f->ncopies++] = (struct vsvm_svm_copy) {
		.system = system,
		.device = device,
		.npages = npages,
	};
}

/**
 * vsvm_svm_room_place() - find a destination for a page of a flight
 * @m: migration
 * @f: flight, collected
 * @i: page of it
 *
 * Return: pages dealt with.
 */
unsigned int vsvm_svm_room_place(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f,
				 unsigned int i)
{
	unsigned long address = f->start + ((unsigned long)i << PAGE_SHIFT);
	struct page *from = migrate_pfn_to_page(f->src[i]);
	unsigned int order, j, npages;
	unsigned long write;
	struct page *to;

	/* Holes and the zero page are no memory yet */
	if (!from || !(f->src[i] & MIGRATE_PFN_MIGRATE))
		return 1;
	order = f->src[i] & MIGRATE_PFN_COMPOUND ? folio_order(page_folio(from)) : 0;
	npages = 1u << order;
	write = f->src[i] & MIGRATE_PFN_WRITE;

	to = vsvm_svm_room_take(m, f, address, order);
	if (to) {
		f->dst[i] = migrate_pfn(page_to_pfn(to)) | write;
		if (order)
			f->dst[i] |= MIGRATE_PFN_COMPOUND;
		vsvm_svm_room_copy(f, page_to_pfn(from), page_to_pfn(to), npages);
		return npages;
	}
	/* No huge page for a huge page: it is split, if all of it finds a place */
	for (j = 0; order && j < npages; j++) {
		to = vsvm_svm_room_take(m, f, address + ((unsigned long)j << PAGE_SHIFT), 0);
		if (!to)
			break;
		f->dst[i + j] = migrate_pfn(page_to_pfn(to)) | write;
	}
	if (!order || j < npages) {
		while (j--) {
			struct folio *folio = page_folio(migrate_pfn_to_page(f->dst[i + j]));

			folio_unlock(folio);
			folio_put(folio);
			f->dst[i + j] = 0;
		}
		return npages;
	}
	for (j = 0; j < npages; j++)
		vsvm_svm_room_copy(f, page_to_pfn(from) + j,
				   page_to_pfn(migrate_pfn_to_page(f->dst[i + j])), 1);
	return npages;
}
