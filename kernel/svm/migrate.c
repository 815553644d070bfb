// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving pages of the process to device memory, and back when asked to.
 *
 * Pages move in batches of several 2 MiB blocks.  A walk that changes nothing
 * tells first how many pages of each block are there to be moved, so that a
 * block with one page does not cost 2 MiB of device memory.  Room on the device
 * is made before mmap_lock is taken, since it may have to be taken from others.
 *
 * Whatever can move, moves.  What cannot - pinned, shared, no room - stays where
 * it lies and is mapped there.
 *
 * Pages that come back because the CPU touched them, or because their room is
 * needed, are not seen here: the owner of the device memory sees to that, with
 * no mirror and no VMA at hand.
 */
#include <linux/gfp.h>
#include <linux/hmm.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "svm/svm_priv.h"
#include "svm/svm_trace.h"

#define VSVM_MIGRATE_BLOCKS	4
#define VSVM_MIGRATE_PAGES	(VSVM_MIGRATE_BLOCKS * VSVM_SVM_BLOCK_PAGES)
/* Pieces that a block is made of when device memory is in pieces */
#define VSVM_MIGRATE_PIECES	32
#define VSVM_MIGRATE_LEAST_ORDER 0

/**
 * struct vsvm_svm_room - contiguous device memory for a batch
 * @room: the device's handle
 * @order: log2 of pages
 * @used: pages given out, from the first on; all of it, or none, if @placed
 * @placed: page n is for page n of the block
 */
struct vsvm_svm_room {
	void *room;
	unsigned int order;
	unsigned int used;
	bool placed;
};

/**
 * struct vsvm_svm_migration - a batch
 * @svm: mirror
 * @to_device: direction
 * @evict: others may be evicted for it
 * @start: first address
 * @end: one past the last
 * @want: pages of each block that are there to be moved
 * @room: for each block
 * @nrooms: of each block
 * @ncopies: of @copy
 * @moved: pages moved
 * @src: see struct migrate_vma
 * @dst: see there
 * @copy: what is to be copied
 */
struct vsvm_svm_migration {
	struct vsvm_svm *svm;
	bool to_device;
	bool evict;
	unsigned long start;
	unsigned long end;
	unsigned int want[VSVM_MIGRATE_BLOCKS];
	struct vsvm_svm_room room[VSVM_MIGRATE_BLOCKS][VSVM_MIGRATE_PIECES];
	unsigned int nrooms[VSVM_MIGRATE_BLOCKS];
	unsigned int ncopies;
	unsigned long moved;
	unsigned long src[VSVM_MIGRATE_PAGES];
	unsigned long dst[VSVM_MIGRATE_PAGES];
	struct vsvm_svm_copy copy[VSVM_MIGRATE_PAGES];
};

static bool vsvm_svm_pfn_on_device(const struct vsvm_svm *svm, unsigned long pfn)
{
	return pfn - svm->config.mem.first_pfn < svm->config.mem.npages;
}

/* Address of a page of a batch, and the block of the batch that it is in */
static unsigned int vsvm_svm_batch_block(const struct vsvm_svm_migration *m,
					 unsigned long address)
{
	return (address >> VSVM_SVM_BLOCK_SHIFT) - (m->start >> VSVM_SVM_BLOCK_SHIFT);
}

/* Count the pages of a batch that are there to be moved; a guess is good enough */
static int vsvm_svm_batch_count(struct vsvm_svm_migration *m)
{
	struct vsvm_svm *svm = m->svm;
	unsigned long a, next, i;
	unsigned int total = 0;

	memset(m->want, 0, sizeof(m->want));
	for (a = m->start; a < m->end; a = next) {
		struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(svm, a);
		unsigned int *want = &m->want[vsvm_svm_batch_block(m, a)];
		struct hmm_range range = {
			.start = a,
			.hmm_pfns = m->src,
			.dev_private_owner = svm->config.mem.owner,
		};
		int ret;

		if (IS_ERR(n))
			return PTR_ERR(n);
		next = min(m->end, ALIGN(a + 1, VSVM_SVM_BLOCK_SIZE));
		range.end = next;
		range.notifier = &n->mni;
		range.notifier_seq = mmu_interval_read_begin(&n->mni);
		memset(m->src, 0, ((next - a) >> PAGE_SHIFT) * sizeof(*m->src));
		mmap_read_lock(svm->mm);
		ret = hmm_range_fault(&range);
		mmap_read_unlock(svm->mm);
		for (i = 0; i < (next - a) >> PAGE_SHIFT; i++) {
			unsigned long pfn = m->src[i] & ~HMM_PFN_FLAGS;

			if (ret == -EBUSY ||
			    ((m->src[i] & HMM_PFN_VALID) && !is_zero_pfn(pfn) &&
			     vsvm_svm_pfn_on_device(svm, pfn) != m->to_device))
				++*want;
		}
		total += *want;
	}
	return total;
}

static bool vsvm_svm_batch_add_room(struct vsvm_svm_migration *m, unsigned int b,
				    unsigned int order, bool evict)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	struct vsvm_svm_room *r = &m->room[b][m->nrooms[b]];
	void *room = mem->ops->room_create(mem->priv, order, evict);

	if (IS_ERR(room))
		return false;
	*r = (struct vsvm_svm_room) {
		.room = room,
		.order = order,
		.placed = order == HPAGE_PMD_ORDER,
	};
	m->nrooms[b]++;
	return true;
}

/*
 * Make room for a block.  In one piece if at all possible, taken from others if
 * need be; in several pieces if there is none; for some of it if there is no
 * more.
 */
static void vsvm_svm_batch_make_room(struct vsvm_svm_migration *m, unsigned int b)
{
	unsigned int order = min_t(unsigned int, order_base_2(m->want[b]),
				   HPAGE_PMD_ORDER);
	unsigned int have = 0;

	if (!m->want[b])
		return;
	if (vsvm_svm_batch_add_room(m, b, order, false))
		return;
	if (m->evict && vsvm_svm_batch_add_room(m, b, order, true))
		return;
	while (order-- > VSVM_MIGRATE_LEAST_ORDER) {
		while (have < m->want[b] && m->nrooms[b] < VSVM_MIGRATE_PIECES &&
		       vsvm_svm_batch_add_room(m, b, order, false))
			have += 1u << order;
		if (have >= m->want[b] || m->nrooms[b] == VSVM_MIGRATE_PIECES)
			return;
	}
}

static void vsvm_svm_batch_put_rooms(struct vsvm_svm_migration *m)
{
	unsigned int b, i;

	for (b = 0; b < VSVM_MIGRATE_BLOCKS; b++) {
		for (i = 0; i < m->nrooms[b]; i++)
			m->svm->config.mem.ops->room_put(m->room[b][i].room);
		m->nrooms[b] = 0;
	}
}

/* A folio on the device for a page of the process, or NULL */
static struct page *vsvm_svm_take_device(struct vsvm_svm_migration *m,
					 unsigned long address, unsigned int order)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	unsigned int b = vsvm_svm_batch_block(m, address);
	unsigned int i;

	for (i = 0; i < m->nrooms[b]; i++) {
		struct vsvm_svm_room *r = &m->room[b][i];
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

/* A folio of system memory for one that is on the device, locked, or NULL */
static struct page *vsvm_svm_take_system(struct vm_area_struct *vma,
					 unsigned long address, unsigned int order)
{
	struct folio *folio;

	folio = vma_alloc_folio(order ? GFP_TRANSHUGE : GFP_HIGHUSER_MOVABLE, order,
				vma, address);
	if (!folio)
		return NULL;
	folio_lock(folio);
	return folio_page(folio, 0);
}

static struct page *vsvm_svm_take(struct vsvm_svm_migration *m,
				  struct vm_area_struct *vma,
				  unsigned long address, unsigned int order)
{
	if (m->to_device)
		return vsvm_svm_take_device(m, address, order);
	return vsvm_svm_take_system(vma, address, order);
}

static void vsvm_svm_batch_copy(struct vsvm_svm_migration *m, unsigned long from,
				unsigned long to, unsigned int npages)
{
	struct vsvm_svm_copy *c = m->ncopies ? &m->copy[m->ncopies - 1] : NULL;
	unsigned long system = m->to_device ? from : to;
	unsigned long device = m->to_device ? to : from;

	if (c && c->system + c->npages == system && c->device + c->npages == device &&
	    c->npages + npages <= VSVM_SVM_BLOCK_PAGES) {
		c->npages += npages;
		return;
	}
	m->copy[m->ncopies++] = (struct vsvm_svm_copy) {
		.system = system,
		.device = device,
		.npages = npages,
	};
}

/* Find a destination for page @i of the batch.  Return: pages dealt with. */
static unsigned int vsvm_svm_batch_place(struct vsvm_svm_migration *m,
					 struct vm_area_struct *vma, unsigned int i)
{
	unsigned long address = m->start + ((unsigned long)i << PAGE_SHIFT);
	struct page *from = migrate_pfn_to_page(m->src[i]);
	unsigned int order, j, npages;
	unsigned long write;
	struct page *to;

	/* Holes and the zero page are no memory yet */
	if (!from || !(m->src[i] & MIGRATE_PFN_MIGRATE))
		return 1;
	order = m->src[i] & MIGRATE_PFN_COMPOUND ? folio_order(page_folio(from)) : 0;
	npages = 1u << order;
	write = m->src[i] & MIGRATE_PFN_WRITE;

	to = vsvm_svm_take(m, vma, address, order);
	if (to) {
		m->dst[i] = migrate_pfn(page_to_pfn(to)) | write;
		if (order)
			m->dst[i] |= MIGRATE_PFN_COMPOUND;
		vsvm_svm_batch_copy(m, page_to_pfn(from), page_to_pfn(to), npages);
		return npages;
	}
	/* No huge page for a huge page: it is split, if all of it finds a place */
	for (j = 0; order && j < npages; j++) {
		to = vsvm_svm_take(m, vma, address + ((unsigned long)j << PAGE_SHIFT), 0);
		if (!to)
			break;
		m->dst[i + j] = migrate_pfn(page_to_pfn(to)) | write;
	}
	if (!order || j < npages) {
		while (j--) {
			struct folio *folio = page_folio(migrate_pfn_to_page(m->dst[i + j]));

			folio_unlock(folio);
			folio_put(folio);
			m->dst[i + j] = 0;
		}
		return npages;
	}
	for (j = 0; j < npages; j++)
		vsvm_svm_batch_copy(m, page_to_pfn(from) + j,
				    page_to_pfn(migrate_pfn_to_page(m->dst[i + j])),
				    1);
	return npages;
}

/* The copy failed: give the destinations back, and the pages stay where they are */
static void vsvm_svm_batch_undo(struct vsvm_svm_migration *m, unsigned int npages)
{
	unsigned int i;

	for (i = 0; i < npages; i++) {
		struct page *page = migrate_pfn_to_page(m->dst[i]);

		if (!page)
			continue;
		folio_unlock(page_folio(page));
		folio_put(page_folio(page));
		m->dst[i] = 0;
	}
}

static void vsvm_svm_batch_account(struct vsvm_svm_migration *m, unsigned int npages,
				   unsigned long collected)
{
	unsigned long moved = 0;
	unsigned int i;

	for (i = 0; i < npages; i++) {
		if (!(m->src[i] & MIGRATE_PFN_MIGRATE) || !m->dst[i])
			continue;
		moved += m->dst[i] & MIGRATE_PFN_COMPOUND ? VSVM_SVM_BLOCK_PAGES : 1;
	}
	m->moved += moved;
	if (!m->to_device)
		vsvm_svm_count(m->svm, VSVM_STAT_PREFETCHED, moved);
	else
		vsvm_svm_count(m->svm, VSVM_STAT_MIGRATED, moved);
	if (collected > moved)
		vsvm_svm_count(m->svm, VSVM_STAT_MIGRATE_FAILED, collected - moved);
}

/* Move what lies in one mapping, under mmap_lock */
static void vsvm_svm_batch_vma(struct vsvm_svm_migration *m, struct vm_area_struct *vma,
			       unsigned long start, unsigned long end)
{
	const struct vsvm_svm_mem *mem = &m->svm->config.mem;
	unsigned int first = (start - m->start) >> PAGE_SHIFT;
	unsigned int npages = (end - start) >> PAGE_SHIFT;
	struct migrate_vma args = {
		.vma = vma,
		.start = start,
		.end = end,
		.src = m->src + first,
		.dst = m->dst + first,
		.flags = MIGRATE_VMA_SELECT_COMPOUND,
	};
	unsigned long collected = 0;
	unsigned int i;

	if (!vma_is_anonymous(vma))
		return;
	if (m->to_device) {
		args.flags |= MIGRATE_VMA_SELECT_SYSTEM;
		args.pgmap_owner = vsvm_svm_to_device_owner(m->svm);
	} else {
		args.flags |= MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
		args.pgmap_owner = mem->owner;
	}
	if (migrate_vma_setup(&args) || !args.cpages)
		return;
	m->ncopies = 0;
	for (i = first; i < first + npages;) {
		unsigned int n = vsvm_svm_batch_place(m, vma, i);

		if (migrate_pfn_to_page(m->src[i]) && (m->src[i] & MIGRATE_PFN_MIGRATE))
			collected += n;
		i += n;
	}
	if (m->ncopies && mem->ops->copy(mem->priv, m->copy, m->ncopies, m->to_device))
		vsvm_svm_batch_undo(m, first + npages);
	migrate_vma_pages(&args);
	vsvm_svm_batch_account(m, first + npages, collected);
	migrate_vma_finalize(&args);
	/* Counted: what the next mapping of the batch finds is its own */
	memset(m->src + first, 0, npages * sizeof(*m->src));
	memset(m->dst + first, 0, npages * sizeof(*m->dst));
}

static int vsvm_svm_batch(struct vsvm_svm_migration *m)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	unsigned int b;
	int ret;

	ret = vsvm_svm_batch_count(m);
	if (ret <= 0)
		return ret;
	if (m->to_device)
		for (b = 0; b < VSVM_MIGRATE_BLOCKS; b++)
			vsvm_svm_batch_make_room(m, b);

	memset(m->src, 0, sizeof(m->src));
	memset(m->dst, 0, sizeof(m->dst));
	mmap_read_lock(m->svm->mm);
	vma_iter_init(&vmi, m->svm->mm, m->start);
	for_each_vma_range(vmi, vma, m->end)
		vsvm_svm_batch_vma(m, vma, max(m->start, vma->vm_start),
				   min(m->end, vma->vm_end));
	mmap_read_unlock(m->svm->mm);
	vsvm_svm_batch_put_rooms(m);
	return 0;
}

/* Remember which blocks have gone to the device, for the guard */
static void vsvm_svm_note_moved(struct vsvm_svm *svm, unsigned long start,
				unsigned long end)
{
	for (; start < end; start = ALIGN(start + 1, VSVM_SVM_BLOCK_SIZE)) {
		struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(svm, start);

		if (!IS_ERR(n))
			vsvm_svm_guard_moved(n, start);
	}
}

/**
 * vsvm_svm_migrate() - move pages of a range
 * @svm: mirror
 * @start: first address
 * @end: one past the last
 * @to_device: or back
 * @evict: make room by evicting others
 *
 * Context: may sleep; the caller holds a reference to the users of the mm and
 * no lock.
 * Return: pages moved, or -ENOMEM for want of the driver's own memory, -EINTR,
 * -ESRCH.  That some or all could not move is no error.
 */
long vsvm_svm_migrate(struct vsvm_svm *svm, unsigned long start, unsigned long end,
		      bool to_device, bool evict)
{
	struct vsvm_svm_migration *m;
	u64 t = local_clock();
	long moved;
	int ret = 0;

	if (!svm->config.mem.npages)
		return 0;
	m = kvzalloc_obj(*m);
	if (!m)
		return -ENOMEM;
	m->svm = svm;
	m->to_device = to_device;
	m->evict = evict;
	for (; start < end && !ret; start = m->end) {
		m->start = start;
		m->end = min(end, ALIGN_DOWN(start, VSVM_SVM_BLOCK_SIZE) +
			     VSVM_MIGRATE_BLOCKS * VSVM_SVM_BLOCK_SIZE);
		moved = m->moved;
		ret = vsvm_svm_batch(m);
		if (to_device && m->moved != moved)
			vsvm_svm_note_moved(svm, m->start, m->end);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (READ_ONCE(svm->stopped))
			ret = -ESRCH;
		cond_resched();
	}
	moved = m->moved;
	kvfree(m);
	t = local_clock() - t;
	vsvm_svm_count(svm, VSVM_STAT_MIGRATE_NS, t);
	trace_vsvm_migrate(svm, start, to_device, moved, t);
	return ret < 0 ? ret : moved;
}
