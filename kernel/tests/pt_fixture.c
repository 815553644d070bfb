// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: a page table on the bench
 *
 * A page table without an address space and without a process, but with memory
 * and with the hardware that it is made for: what the driver believes to have
 * written is checked against what a walk of the hardware finds.  Page n of the
 * table is always page n of the memory, so that a test can tell whether an entry
 * points where it should.
 */
#include <kunit/device.h>
#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/mm.h>

#include "tests/pt_fixture.h"

static void pt_irq(void *priv, u32 causes)
{
}

/* As the driver asks for it: bus addresses are physical ones */
static bool dma_is_direct(struct pt_fixture *f)
{
	struct device *dev = f->dev;
	dma_addr_t bus;
	void *cpu;
	bool direct;

	f->dma_mask = DMA_BIT_MASK(64);
	dev->dma_mask = &f->dma_mask;
	if (dma_set_coherent_mask(dev, DMA_BIT_MASK(64)))
		return false;
	cpu = dma_alloc_coherent(dev, PAGE_SIZE, &bus, GFP_KERNEL);
	if (!cpu)
		return false;
	direct = !get_dma_ops(dev) && dma_to_phys(dev, bus) == virt_to_phys(cpu);
	dma_free_coherent(dev, PAGE_SIZE, cpu, bus);
	return direct;
}

static bool chunks_get(struct pt_fixture *f)
{
	unsigned int b;

	for (b = 0; b < PT_BLOCKS; b++) {
		f->chunk[b] = alloc_pages(GFP_KERNEL | __GFP_NOWARN,
					  VSVM_SVM_BLOCK_SHIFT - PAGE_SHIFT);
		if (!f->chunk[b])
			return false;
		split_page(f->chunk[b], VSVM_SVM_BLOCK_SHIFT - PAGE_SHIFT);
	}
	return true;
}

static int pt_power(struct pt_fixture *f)
{
	const struct vsvm_hw_config config = {
		.engines = 1,
		.fault_entries = 8,
		.queue_depth = 8,
		.items = 1,
		.tlb_sets = 16,
		.tlb_huge_sets = 4,
		.slice_us = 1000,
	};
	struct vsvm_hw *hw;
	int err;

	hw = vsvm_hw_create(f->dev, &config, pt_irq, f);
	if (IS_ERR(hw))
		return PTR_ERR(hw);
	f->hw = hw;
	f->pt.hw = hw;
	f->pt.asid = PT_ASID;
	f->pt.counters = alloc_percpu(struct vsvm_svm_counters);
	if (!f->pt.counters)
		return -ENOMEM;
	f->pt.system_atomics = true;
	err = vsvm_pt_init(&f->pt, f->dev);
	return err ?: vsvm_hw_asid_attach(hw, PT_ASID, f->pt.root->table.bus);
}

/* For the init of a suite: test->priv is the fixture */
int pt_fixture_init(struct kunit *test)
{
	struct pt_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int err;

	if (!f)
		return -ENOMEM;
	f->test = test;
	test->priv = f;
	f->dev = kunit_device_register(test, "vsvm-pt");
	if (IS_ERR(f->dev))
		return PTR_ERR(f->dev);
	if (!dma_is_direct(f))
		kunit_skip(test, "bus addresses are not physical ones");
	if (!chunks_get(f))
		kunit_skip(test, "no memory in pieces of 2 MiB");
	err = pt_power(f);
	if (err)
		return err;
	f->span = vsvm_pt_span_create(&f->pt, PT_BASE, PT_PAGE(PT_PAGES));
	return f->span ? 0 : -ENOMEM;
}

/* For the exit of a suite: all goes, and nothing is left in the books */
void pt_fixture_exit(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	unsigned int b, i;

	if (!f)
		return;
	if (f->engine_end)
		f->engine_end(f->engine);
	if (f->span) {
		pt_limit(f, UINT_MAX);
		pt_no_memory(f, false);
		pt_zap(f, 0, PT_PAGES);
		pt_expect_resident(f, 0, 0);
		vsvm_pt_span_destroy(&f->pt, f->span);
	}
	if (f->pt.root) {
		vsvm_hw_asid_detach(f->hw, PT_ASID);
		vsvm_pt_fini(&f->pt);
		KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&f->pt.table_bytes));
	}
	if (f->hw)
		vsvm_hw_destroy(f->hw);
	free_percpu(f->pt.counters);
	for (b = 0; b < PT_BLOCKS && f->chunk[b]; b++) {
		for (i = 0; i < PT_BLOCK; i++) {
			ClearPageDirty(f->chunk[b] + i);
			__free_page(f->chunk[b] + i);
		}
	}
}

struct page *pt_page(struct pt_fixture *f, unsigned int page)
{
	return f->chunk[page / PT_BLOCK] + page % PT_BLOCK;
}

/* A table for pt_map_into() */
struct vsvm_pt_table *pt_table(struct pt_fixture *f)
{
	struct vsvm_pt_table *table = vsvm_pt_table_create(&f->pt, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(f->test, table);
	return table;
}

/* The pages of one block, all of them there */
int pt_map_into(struct pt_fixture *f, unsigned int first, unsigned int npages,
		bool write, struct vsvm_pt_table **prepared)
{
	unsigned int i;
	int ret;

	for (i = 0; i < npages; i++)
		f->pfns[i] = page_to_pfn(pt_page(f, first + i)) | HMM_PFN_VALID |
			     (write ? HMM_PFN_WRITE : 0);
	mutex_lock(&f->span->base.lock);
	ret = vsvm_pt_map(&f->pt, f->span, PT_PAGE(first), f->pfns, npages, false,
			  prepared);
	mutex_unlock(&f->span->base.lock);
	return ret;
}

/* The same, with a table if one is needed */
int pt_map(struct pt_fixture *f, unsigned int first, unsigned int npages, bool write)
{
	struct vsvm_pt_table *table = pt_table(f);
	int ret = pt_map_into(f, first, npages, write, &table);

	vsvm_pt_table_destroy(&f->pt, table);
	return ret;
}

int pt_map_huge(struct pt_fixture *f, unsigned int block, bool write)
{
	unsigned long pfn = page_to_pfn(f->chunk[block]) | HMM_PFN_VALID |
			    (write ? HMM_PFN_WRITE : 0);
	int ret;

	mutex_lock(&f->span->base.lock);
	ret = vsvm_pt_map_huge(&f->pt, f->span, PT_PAGE(block * PT_BLOCK), pfn, false);
	mutex_unlock(&f->span->base.lock);
	return ret;
}

unsigned long pt_zap(struct pt_fixture *f, unsigned int first, unsigned int npages)
{
	unsigned long leaves;

	mutex_lock(&f->span->base.lock);
	leaves = vsvm_pt_zap(&f->pt, f->span, PT_PAGE(first), PT_PAGE(first + npages),
			     VSVM_SVM_ANYWHERE);
	mutex_unlock(&f->span->base.lock);
	return leaves;
}

unsigned long pt_protect(struct pt_fixture *f, unsigned int first, unsigned int npages)
{
	unsigned long leaves;

	mutex_lock(&f->span->base.lock);
	leaves = vsvm_pt_protect(&f->pt, f->span, PT_PAGE(first),
				 PT_PAGE(first + npages));
	mutex_unlock(&f->span->base.lock);
	return leaves;
}

/* What would be done a little later */
void pt_collect(struct pt_fixture *f)
{
	flush_delayed_work(&f->pt.gc_work);
}

/* Down the tables by what the entries say.  Return: the entry that ends it, and its level */
u64 *pt_walk(struct pt_fixture *f, unsigned long address, unsigned int *level)
{
	u64 table = f->pt.root->table.bus;
	u64 *entry, value;

	for (*level = VSVM_HW_LEVELS;; --*level) {
		unsigned int shift = VSVM_HW_PAGE_SHIFT + 9 * (*level - 1);

		entry = phys_to_virt(dma_to_phys(f->dev, table));
		entry += (address >> shift) & (VSVM_HW_TABLE_ENTRIES - 1);
		value = READ_ONCE(*entry);
		if (*level == 1 || !(value & VSVM_PTE_VALID) ||
		    (*level == 2 && value & VSVM_PTE_LEAF))
			return entry;
		KUNIT_EXPECT_EQ(f->test, 0, value & ~(VSVM_PTE_ADDR_MASK | VSVM_PTE_VALID));
		table = value & VSVM_PTE_ADDR_MASK;
	}
}

/*
 * The entry of a page, without its address.  Where it is must be right, and the
 * hardware must come to the same one.
 */
u64 pt_entry(struct pt_fixture *f, unsigned int page)
{
	dma_addr_t bus = phys_to_dma(f->dev, page_to_phys(pt_page(f, page)));
	unsigned int level;
	u64 entry, found;

	mutex_lock(&f->span->base.lock);
	entry = vsvm_pt_lookup(&f->pt, f->span, PT_PAGE(page));
	mutex_unlock(&f->span->base.lock);
	found = *pt_walk(f, PT_PAGE(page), &level);
	if (!(found & VSVM_PTE_VALID))
		found = 0;
	KUNIT_EXPECT_EQ_MSG(f->test, entry, found, "page %u", page);
	KUNIT_EXPECT_EQ(f->test, !!entry,
			vsvm_pt_mapped(&f->pt, f->span, PT_PAGE(page), VSVM_SVM_READ));
	KUNIT_EXPECT_EQ(f->test, !!(entry & VSVM_PTE_WRITE),
			vsvm_pt_mapped(&f->pt, f->span, PT_PAGE(page),
				       VSVM_SVM_WRITE));
	if (!entry)
		return 0;
	KUNIT_EXPECT_EQ(f->test, entry & VSVM_PTE_LEAF ? 2 : 1, level);
	if (entry & VSVM_PTE_LEAF)
		bus = ALIGN_DOWN(bus, VSVM_SVM_BLOCK_SIZE);
	KUNIT_EXPECT_EQ_MSG(f->test, bus, entry & VSVM_PTE_ADDR_MASK, "page %u", page);
	return entry & ~VSVM_PTE_ADDR_MASK;
}

/* The hardware writes to a page.  Return: whether it may; then it has said so */
bool pt_write(struct pt_fixture *f, unsigned int page)
{
	unsigned int level;
	u64 *entry = pt_walk(f, PT_PAGE(page), &level);

	if (~READ_ONCE(*entry) & (VSVM_PTE_VALID | VSVM_PTE_WRITE))
		return false;
	atomic64_or(VSVM_PTE_DIRTY, (atomic64_t *)entry);
	return true;
}

/* How many pages have an entry that has all of these bits */
unsigned int pt_count(struct pt_fixture *f, unsigned int first, unsigned int npages,
		      u64 bits)
{
	unsigned int i, n = 0;

	for (i = first; i < first + npages; i++)
		n += (pt_entry(f, i) & bits) == bits;
	return n;
}

/* Flushes since the last time */
u64 pt_flushes(struct pt_fixture *f)
{
	struct vsvm_hw_counters counters;
	u64 n;

	vsvm_hw_counters(f->hw, &counters);
	n = counters.tlb_invalidations - f->flushes;
	f->flushes = counters.tlb_invalidations;
	return n;
}

u64 pt_stat(struct pt_fixture *f, enum vsvm_svm_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(f->pt.counters, cpu)->v[stat];
	return sum;
}

bool pt_dirty(struct pt_fixture *f, unsigned int page)
{
	return PageDirty(pt_page(f, page));
}

unsigned int pt_dirty_count(struct pt_fixture *f)
{
	unsigned int i, n = 0;

	for (i = 0; i < PT_PAGES; i++)
		n += pt_dirty(f, i);
	return n;
}

void pt_no_memory(struct pt_fixture *f, bool none)
{
	f->dev->coherent_dma_mask = none ? PAGE_SIZE - 1 : DMA_BIT_MASK(64);
}

/* UINT_MAX: all can */
void pt_limit(struct pt_fixture *f, unsigned int page)
{
	f->dma_mask = page == UINT_MAX ? DMA_BIT_MASK(64) :
		      page_to_phys(pt_page(f, page)) - 1;
}
