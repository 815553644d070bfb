/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_PT_FIXTURE_H_
#define _VSVM_PT_FIXTURE_H_

#include <kunit/test.h>
#include <linux/hmm.h>

#include "hw/hw.h"
#include "vm/pt.h"

#define PT_ASID			5
#define PT_BASE			(64UL << 30)
#define PT_BLOCK		VSVM_SVM_BLOCK_PAGES
#define PT_BLOCKS		4
#define PT_PAGES		(PT_BLOCKS * PT_BLOCK)
#define PT_PAGE(n)		(PT_BASE + ((unsigned long)(n) << PAGE_SHIFT))

/* The rights of an entry */
#define PT_RO	(VSVM_PTE_VALID | VSVM_PTE_READ | VSVM_PTE_COHERENT)
#define PT_RW	(PT_RO | VSVM_PTE_WRITE | VSVM_PTE_ATOMIC)

/**
 * struct pt_fixture - a page table, hardware that reads it, memory for it
 * @test: that uses it
 * @dev: does DMA
 * @dma_mask: of @dev, for pages; may be cut to make mapping fail
 * @hw: flushes
 * @pt: the page table
 * @span: %PT_BLOCKS blocks from %PT_BASE on
 * @chunk: of each block: 2 MiB in one piece, of single pages
 * @pfns: for calls
 * @flushes: what the hardware has counted, see pt_flushes()
 * @engine_end: called first when all goes, with @engine
 * @engine: of the test
 */
struct pt_fixture {
	struct kunit *test;
	struct device *dev;
	u64 dma_mask;
	struct vsvm_hw *hw;
	struct vsvm_pt pt;
	struct vsvm_pt_span *span;
	struct page *chunk[PT_BLOCKS];
	unsigned long pfns[PT_BLOCK];
	u64 flushes;
	void (*engine_end)(void *engine);
	void *engine;
};

int pt_fixture_init(struct kunit *test);
void pt_fixture_exit(struct kunit *test);

/* pages are counted from the beginning of the span, page n has the nth page of memory */
struct page *pt_page(struct pt_fixture *f, unsigned int page);
struct vsvm_pt_table *pt_table(struct pt_fixture *f);
int pt_map(struct pt_fixture *f, unsigned int first, unsigned int npages, bool write);
int pt_map_into(struct pt_fixture *f, unsigned int first, unsigned int npages,
		bool write, struct vsvm_pt_table **prepared);
int pt_map_huge(struct pt_fixture *f, unsigned int block, bool write);
unsigned long pt_zap(struct pt_fixture *f, unsigned int first, unsigned int npages);
unsigned long pt_protect(struct pt_fixture *f, unsigned int first, unsigned int npages);
void pt_collect(struct pt_fixture *f);

/* what is there: the entry, as the driver and as the hardware finds it */
u64 *pt_walk(struct pt_fixture *f, unsigned long address, unsigned int *level);
u64 pt_entry(struct pt_fixture *f, unsigned int page);
bool pt_write(struct pt_fixture *f, unsigned int page);
unsigned int pt_count(struct pt_fixture *f, unsigned int first, unsigned int npages,
		      u64 bits);
u64 pt_flushes(struct pt_fixture *f);
u64 pt_stat(struct pt_fixture *f, enum vsvm_svm_stat stat);
bool pt_dirty(struct pt_fixture *f, unsigned int page);
unsigned int pt_dirty_count(struct pt_fixture *f);

/* from here on there is no memory for tables; no page from this one on can be mapped */
void pt_no_memory(struct pt_fixture *f, bool none);
void pt_limit(struct pt_fixture *f, unsigned int page);

#define pt_expect_stat(fixture, stat, value) \
do { \
	struct pt_fixture *__f = (fixture); \
	\
	KUNIT_EXPECT_EQ(__f->test, (u64)(value), pt_stat(__f, VSVM_STAT_##stat)); \
} while (0)

/* The books: leaves of each size */
#define pt_expect_resident(fixture, small, huge) \
do { \
	struct pt_fixture *__f = (fixture); \
	\
	KUNIT_EXPECT_EQ(__f->test, small, atomic_long_read(&__f->pt.resident_4k)); \
	KUNIT_EXPECT_EQ(__f->test, huge, atomic_long_read(&__f->pt.resident_2m)); \
} while (0)

#endif
