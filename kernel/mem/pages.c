// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-private pages: for each page of VRAM a struct page that core-mm can
 * put into page tables, as an entry that faults when a CPU follows it.
 */
#include <linux/ioport.h>
#include <linux/memremap.h>
#include <linux/mm.h>

#include "mem/mem_priv.h"

static void vsvm_pages_free(struct folio *folio)
{
	struct vsvm_chunk *chunk = folio_zone_device_data(folio);
	unsigned long npages = folio_nr_pages(folio);

	vsvm_chunk_mark_left(chunk, folio_pfn(folio), npages);
	/* This is the last that is done to the page: see vsvm_chunk_retake() */
	smp_store_release(&folio->page.zone_device_data, NULL);
	vsvm_chunk_page_freed(chunk, npages);
}

/* Called for each folio that is split off; last with none, when @head is small too */
static void vsvm_pages_split(struct folio *head, struct folio *tail)
{
	if (!tail)
		return;
	tail->pgmap = head->pgmap;
	tail->mapping = head->mapping;
	tail->page.zone_device_data = folio_zone_device_data(head);
}

static const struct dev_pagemap_ops vsvm_pages_ops = {
	.folio_free = vsvm_pages_free,
	.folio_split = vsvm_pages_split,
	.migrate_to_ram = vsvm_return_fault,
};

/* see mem_priv.h */
int vsvm_pages_init(struct vsvm_mem *mem)
{
	struct dev_pagemap *pagemap = &mem->pagemap;
	struct resource *region;
	void *ret;

	region = request_free_mem_region(&iomem_resource, mem->config.vram_bytes,
					 "vsvm");
	if (IS_ERR(region))
		return PTR_ERR(region);
	pagemap->type = MEMORY_DEVICE_PRIVATE;
	pagemap->ops = &vsvm_pages_ops;
	pagemap->owner = mem;
	pagemap->nr_range = 1;
	pagemap->range = (struct range) {
		.start = region->start,
		.end = region->start + mem->config.vram_bytes - 1,
	};
	ret = memremap_pages(pagemap, NUMA_NO_NODE);
	if (IS_ERR(ret)) {
		release_mem_region(region->start, resource_size(region));
		return PTR_ERR(ret);
	}
	mem->region = region;
	mem->first_pfn = PHYS_PFN(pagemap->range.start);
	return 0;
}

/* see mem_priv.h; waits until no page is in use */
void vsvm_pages_fini(struct vsvm_mem *mem)
{
	if (!mem->region)
		return;
	memunmap_pages(&mem->pagemap);
	release_mem_region(mem->region->start, resource_size(mem->region));
	mem->region = NULL;
}

/* see mem.h */
void vsvm_mem_pfns(const struct vsvm_mem *mem, unsigned long *first,
		   unsigned long *count)
{
	*first = mem->first_pfn;
	*count = mem->region ? mem->config.vram_bytes >> PAGE_SHIFT : 0;
}

/* see mem.h */
bool vsvm_mem_page_is_ours(struct vsvm_mem *mem, const struct page *page)
{
	return is_device_private_page(page) && page_pgmap(page) == &mem->pagemap;
}

/* see mem.h */
u64 vsvm_mem_page_offset(struct vsvm_mem *mem, const struct page *page)
{
	return PFN_PHYS(page_to_pfn(page) - mem->first_pfn);
}
