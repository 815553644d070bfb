// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor of migration: what core-mm asks for and a copy, and nothing else.
 * There is no mirror, no policy, no eviction; device memory is handed out from
 * one end to the other.
 */
#include <linux/bitmap.h>
#include <linux/ioport.h>
#include <linux/ktime.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bench/bench.h"

#define BATCH_PAGES	(SZ_2M / PAGE_SIZE)
#define BACKING_ORDER	9

static struct dev_pagemap bench_pagemap;
static struct resource *bench_region;
static unsigned long bench_first_pfn, bench_npages;
/* What stands behind the device's pages, 2 MiB each */
static struct page **bench_backing;
static unsigned long *bench_used;
static unsigned long bench_next;

static void *backing(const struct page *page)
{
	unsigned long i = page_to_pfn(page) - bench_first_pfn;

	return page_address(bench_backing[i >> BACKING_ORDER] +
			    (i & (BATCH_PAGES - 1)));
}

static struct page *take_device(void)
{
	unsigned long i = READ_ONCE(bench_next) % bench_npages;
	struct page *page;

	WRITE_ONCE(bench_next, i + 1);
	if (test_and_set_bit(i, bench_used))
		return NULL;
	page = pfn_to_page(bench_first_pfn + i);
	zone_device_page_init(page, &bench_pagemap, 0);
	return page;
}

static void bench_folio_free(struct folio *folio)
{
	clear_bit(folio_pfn(folio) - bench_first_pfn, bench_used);
}

static struct page *take_system(struct vm_area_struct *vma, unsigned long address)
{
	struct folio *folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, address);

	if (!folio)
		return NULL;
	folio_lock(folio);
	return folio_page(folio, 0);
}

/* Between setup and finalize.  Return: pages moved */
static unsigned long move(struct migrate_vma *args, bool to_device)
{
	unsigned long i, moved = 0;

	for (i = 0; i < args->npages; i++) {
		struct page *from = migrate_pfn_to_page(args->src[i]);
		struct page *to;

		args->dst[i] = 0;
		if (!from || !(args->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		to = to_device ? take_device() :
			take_system(args->vma, args->start + i * PAGE_SIZE);
		if (!to)
			continue;
		if (to_device)
			memcpy(backing(to), page_address(from), PAGE_SIZE);
		else
			memcpy(page_address(to), backing(from), PAGE_SIZE);
		args->dst[i] = migrate_pfn(page_to_pfn(to)) |
			(args->src[i] & MIGRATE_PFN_WRITE);
	}
	migrate_vma_pages(args);
	for (i = 0; i < args->npages; i++)
		moved += args->dst[i] && args->src[i] & MIGRATE_PFN_MIGRATE;
	return moved;
}

static vm_fault_t bench_migrate_to_ram(struct vm_fault *vmf)
{
	unsigned long src, dst, address = vmf->address & PAGE_MASK;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.start = address,
		.end = address + PAGE_SIZE,
		.src = &src,
		.dst = &dst,
		.pgmap_owner = &bench_pagemap,
		.fault_page = vmf->page,
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
	};
	unsigned long moved;

	if (migrate_vma_setup(&args))
		return VM_FAULT_SIGBUS;
	if (!args.cpages)
		return 0;
	moved = move(&args, false);
	migrate_vma_finalize(&args);
	return moved ? 0 : VM_FAULT_SIGBUS;
}

static const struct dev_pagemap_ops bench_pagemap_ops = {
	.folio_free = bench_folio_free,
	.migrate_to_ram = bench_migrate_to_ram,
};

int bench_migrate(struct vsvm_bench_op *op, bool to_device)
{
	unsigned long address = op->address, end = op->address + op->size;
	struct mm_struct *mm = current->mm;
	unsigned long *pfns;
	int ret = 0;
	u64 t;

	pfns = kvmalloc_array(2 * BATCH_PAGES, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	op->pages = 0;
	t = ktime_get_ns();
	for (; address < end; address += SZ_2M) {
		struct migrate_vma args = {
			.start = address,
			.end = min(address + SZ_2M, end),
			.src = pfns,
			.dst = pfns + BATCH_PAGES,
			.pgmap_owner = &bench_pagemap,
			.flags = to_device ? MIGRATE_VMA_SELECT_SYSTEM :
				MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		};

		mmap_read_lock(mm);
		args.vma = vma_lookup(mm, address);
		if (!args.vma || args.vma->vm_end < args.end)
			ret = -EFAULT;
		else
			ret = migrate_vma_setup(&args);
		if (!ret && args.cpages) {
			op->pages += move(&args, to_device);
			migrate_vma_finalize(&args);
		}
		mmap_read_unlock(mm);
		if (ret)
			break;
		cond_resched();
	}
	op->ns = ktime_get_ns() - t;
	kvfree(pfns);
	return ret;
}

int bench_migrate_init(u64 bytes)
{
	unsigned long i, nblocks = bytes / SZ_2M;
	void *ret;

	bench_npages = bytes >> PAGE_SHIFT;
	bench_backing = kvzalloc_objs(*bench_backing, nblocks);
	bench_used = kvzalloc_objs(*bench_used, BITS_TO_LONGS(bench_npages));
	if (!bench_backing || !bench_used)
		goto err_free;
	for (i = 0; i < nblocks; i++) {
		bench_backing[i] = alloc_pages(GFP_KERNEL | __GFP_ZERO, BACKING_ORDER);
		if (!bench_backing[i])
			goto err_free;
	}
	bench_region = request_free_mem_region(&iomem_resource, bytes, VSVM_BENCH_NAME);
	if (IS_ERR(bench_region))
		goto err_free;
	bench_pagemap.type = MEMORY_DEVICE_PRIVATE;
	bench_pagemap.ops = &bench_pagemap_ops;
	bench_pagemap.owner = &bench_pagemap;
	bench_pagemap.nr_range = 1;
	bench_pagemap.range = (struct range) {
		.start = bench_region->start,
		.end = bench_region->end,
	};
	ret = memremap_pages(&bench_pagemap, NUMA_NO_NODE);
	if (IS_ERR(ret))
		goto err_region;
	bench_first_pfn = PHYS_PFN(bench_region->start);
	return 0;

err_region:
	release_mem_region(bench_region->start, resource_size(bench_region));
err_free:
	bench_region = NULL;
	bench_migrate_fini();
	return -ENOMEM;
}

/* Waits until no process has a page of the device any more */
void bench_migrate_fini(void)
{
	unsigned long i;

	if (bench_region) {
		memunmap_pages(&bench_pagemap);
		release_mem_region(bench_region->start, resource_size(bench_region));
	}
	for (i = 0; bench_backing && i < bench_npages >> BACKING_ORDER; i++)
		if (bench_backing[i])
			__free_pages(bench_backing[i], BACKING_ORDER);
	kvfree(bench_backing);
	kvfree(bench_used);
}
