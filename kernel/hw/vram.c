// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: device memory
 *
 * Ordinary pages, allocated when the device is created, in pieces of 2 MiB as
 * long as the system has such pieces, and page by page where it has not.  Each
 * page counts its own references.  What they hold at power-up is undefined.
 */
#include <kunit/visibility.h>
#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "hw/hw_priv.h"

#define CHUNK_ORDER	(VSVM_HW_HUGE_SHIFT - PAGE_SHIFT)
#define CHUNK_PAGES	BIT(CHUNK_ORDER)

static int chunk_init(struct vsvm_hw_chunk *chunk)
{
	struct page *page;
	unsigned long i;

	page = alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY,
			   CHUNK_ORDER);
	if (page) {
		split_page(page, CHUNK_ORDER);
		chunk->whole = page;
		return 0;
	}

	chunk->pages = kvzalloc_objs(*chunk->pages, CHUNK_PAGES);
	if (!chunk->pages)
		return -ENOMEM;
	for (i = 0; i < CHUNK_PAGES; i++) {
		chunk->pages[i] = alloc_page(GFP_KERNEL | __GFP_NOWARN |
					     __GFP_RETRY_MAYFAIL);
		if (!chunk->pages[i])
			return -ENOMEM;
	}
	return 0;
}

static void chunk_fini(struct vsvm_hw_chunk *chunk)
{
	unsigned long i;

	if (chunk->whole) {
		for (i = 0; i < CHUNK_PAGES; i++)
			__free_page(chunk->whole + i);
	} else if (chunk->pages) {
		for (i = 0; i < CHUNK_PAGES && chunk->pages[i]; i++)
			__free_page(chunk->pages[i]);
		kvfree(chunk->pages);
	}
}

/** vsvm_hw_vram_init() - allocate it; vsvm_hw_vram_fini() in any case */
int vsvm_hw_vram_init(struct vsvm_hw *hw)
{
	u64 chunks = hw->config.vram_bytes >> VSVM_HW_HUGE_SHIFT;
	u64 i;
	int ret;

	if (!chunks)
		return 0;
	hw->chunks = kvzalloc_objs(*hw->chunks, chunks);
	if (!hw->chunks)
		return -ENOMEM;
	for (i = 0; i < chunks; i++) {
		ret = chunk_init(&hw->chunks[i]);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

void vsvm_hw_vram_fini(struct vsvm_hw *hw)
{
	u64 chunks = hw->config.vram_bytes >> VSVM_HW_HUGE_SHIFT;
	u64 i;

	for (i = 0; hw->chunks && i < chunks; i++) {
		chunk_fini(&hw->chunks[i]);
		cond_resched();
	}
	kvfree(hw->chunks);
}

/* see hw.h */
struct page *vsvm_hw_vram_page(struct vsvm_hw *hw, u64 offset)
{
	const struct vsvm_hw_chunk *chunk;
	unsigned long i = offset >> PAGE_SHIFT & (CHUNK_PAGES - 1);

	if (WARN_ON_ONCE(offset >= hw->config.vram_bytes))
		return NULL;
	chunk = &hw->chunks[offset >> VSVM_HW_HUGE_SHIFT];
	return chunk->pages ? chunk->pages[i] : chunk->whole + i;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_vram_page);
