// SPDX-License-Identifier: GPL-2.0-only
/* Leaves of both sizes: how they come, and how one kind gives way to the other. */
#include <kunit/test.h>
#include <linux/hmm.h>
#include <linux/string.h>

#include "tests/pt_fixture.h"

static void map_small(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = NULL;
	long bytes = atomic_long_read(&f->pt.table_bytes);

	/* There is no table yet, and none has been brought */
	KUNIT_EXPECT_EQ(test, -EAGAIN, pt_map_into(f, 100, 16, true, &table));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
	pt_expect_resident(f, 0, 0);

	pt_flushes(f);
	table = pt_table(f);
	KUNIT_EXPECT_EQ(test, 16, pt_map_into(f, 100, 16, true, &table));
	KUNIT_EXPECT_NULL(test, table);
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 100, 16, PT_RW));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 100));
	KUNIT_EXPECT_EQ(test, 16, f->span->block[0].live);
	KUNIT_EXPECT_EQ(test, bytes + PAGE_SIZE, atomic_long_read(&f->pt.table_bytes));
	pt_expect_resident(f, 16, 0);
	pt_expect_stat(f, MAPPED_4K, 16);
	/* What becomes valid was in no TLB */
	KUNIT_EXPECT_EQ(test, 0, pt_flushes(f));
}

static void map_twice(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = NULL;

	KUNIT_EXPECT_EQ(test, 16, pt_map(f, 100, 16, true));
	/* Some new, some not; the table is there */
	KUNIT_EXPECT_EQ(test, 8, pt_map_into(f, 92, 24, true, &table));
	KUNIT_EXPECT_EQ(test, 0, pt_map_into(f, 92, 24, true, &table));
	/* One that is not needed is not taken */
	table = pt_table(f);
	KUNIT_EXPECT_EQ(test, 0, pt_map_into(f, 92, 24, true, &table));
	KUNIT_EXPECT_NOT_NULL(test, table);
	vsvm_pt_table_destroy(&f->pt, table);
	KUNIT_EXPECT_EQ(test, 24, f->span->block[0].live);
	pt_expect_resident(f, 24, 0);
	pt_expect_stat(f, MAPPED_4K, 24);
	pt_expect_stat(f, UPGRADED, 0);
}

/* What the process has not, and what is broken, is left alone */
static void map_holes(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = pt_table(f);
	unsigned int i;

	for (i = 0; i < 16; i++)
		f->pfns[i] = page_to_pfn(pt_page(f, i)) | HMM_PFN_VALID;
	f->pfns[3] = 0;
	f->pfns[5] = HMM_PFN_ERROR;
	f->pfns[7] |= HMM_PFN_ERROR;
	f->pfns[9] |= HMM_PFN_WRITE;
	mutex_lock(&f->span->base.lock);
	KUNIT_EXPECT_EQ(test, 13, vsvm_pt_map(&f->pt, f->span, PT_BASE, f->pfns, 16,
					      false, &table));
	mutex_unlock(&f->span->base.lock);
	KUNIT_EXPECT_EQ(test, 13, pt_count(f, 0, PT_BLOCK, VSVM_PTE_VALID));
	KUNIT_EXPECT_EQ(test, 0, pt_entry(f, 3));
	KUNIT_EXPECT_EQ(test, 0, pt_entry(f, 5));
	KUNIT_EXPECT_EQ(test, 0, pt_entry(f, 7));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 8));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 9));
	pt_expect_resident(f, 13, 0);
}

/* The first and the last page of a block, in each block */
static void map_edges(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	unsigned int b;

	for (b = 0; b < PT_BLOCKS; b++) {
		KUNIT_EXPECT_EQ(test, 1, pt_map(f, b * PT_BLOCK, 1, true));
		KUNIT_EXPECT_EQ(test, 1, pt_map(f, (b + 1) * PT_BLOCK - 1, 1, false));
	}
	for (b = 0; b < PT_BLOCKS; b++) {
		KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, b * PT_BLOCK));
		KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, (b + 1) * PT_BLOCK - 1));
		KUNIT_EXPECT_EQ(test, 2, f->span->block[b].live);
	}
	KUNIT_EXPECT_EQ(test, 2 * PT_BLOCKS, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
}

static void map_read_only(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = pt_table(f);
	unsigned long pfn = page_to_pfn(pt_page(f, 0)) | HMM_PFN_VALID | HMM_PFN_WRITE;

	mutex_lock(&f->span->base.lock);
	KUNIT_EXPECT_EQ(test, 1, vsvm_pt_map(&f->pt, f->span, PT_BASE, &pfn, 1, true,
					     &table));
	pfn = page_to_pfn(f->chunk[1]) | HMM_PFN_VALID | HMM_PFN_WRITE;
	KUNIT_EXPECT_EQ(test, 1, vsvm_pt_map_huge(&f->pt, f->span, PT_PAGE(PT_BLOCK),
						  pfn, true));
	mutex_unlock(&f->span->base.lock);
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 0));
	KUNIT_EXPECT_EQ(test, PT_RO | VSVM_PTE_LEAF, pt_entry(f, PT_BLOCK));
}

/* Rights are added in place, without a flush; nothing else in the entry changes */
static void map_upgrade(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, 4, pt_map(f, 0, 4, false));
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 0, pt_map(f, 1, 2, true));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 0));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 1));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 2));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 3));
	pt_expect_stat(f, UPGRADED, 2);
	/* Who wants less leaves it as it is */
	KUNIT_EXPECT_EQ(test, 0, pt_map(f, 0, 4, false));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 1));
	pt_expect_stat(f, UPGRADED, 2);
	KUNIT_EXPECT_EQ(test, 0, pt_flushes(f));
	pt_expect_resident(f, 4, 0);
}

static void map_huge(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long bytes = atomic_long_read(&f->pt.table_bytes);

	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 2, true));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 2 * PT_BLOCK, PT_BLOCK,
						 PT_RW | VSVM_PTE_LEAF));
	KUNIT_EXPECT_EQ(test, 0, pt_map_huge(f, 2, true));
	KUNIT_EXPECT_EQ(test, 0, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, bytes, atomic_long_read(&f->pt.table_bytes));
	pt_expect_resident(f, 0, 1);
	pt_expect_stat(f, MAPPED_2M, 1);
}

static void map_huge_upgrade(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, false));
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 0, pt_map_huge(f, 0, true));
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_LEAF, pt_entry(f, 7));
	KUNIT_EXPECT_EQ(test, 0, pt_map_huge(f, 0, false));
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_LEAF, pt_entry(f, 7));
	KUNIT_EXPECT_EQ(test, 0, pt_flushes(f));
	pt_expect_stat(f, UPGRADED, 1);
	pt_expect_resident(f, 0, 1);
}

/* A whole block takes the place of its pages */
static void map_huge_over_small(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long bytes = atomic_long_read(&f->pt.table_bytes);

	KUNIT_EXPECT_EQ(test, 20, pt_map(f, 10, 20, true));
	KUNIT_EXPECT_EQ(test, 20, pt_map(f, PT_BLOCK, 20, true));
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, true));
	KUNIT_EXPECT_GE(test, pt_flushes(f), 1);
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_BLOCK, PT_RW | VSVM_PTE_LEAF));
	KUNIT_EXPECT_EQ(test, 20, pt_count(f, PT_BLOCK, PT_BLOCK, VSVM_PTE_VALID));
	pt_expect_resident(f, 20, 1);
	pt_expect_stat(f, ZAPPED_4K, 20);
	pt_collect(f);
	/* One table is left, of the other block */
	KUNIT_EXPECT_EQ(test, bytes + PAGE_SIZE, atomic_long_read(&f->pt.table_bytes));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_BLOCK, PT_RW | VSVM_PTE_LEAF));
}

/* And over a table in which nothing is left */
static void map_huge_over_empty(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long bytes = atomic_long_read(&f->pt.table_bytes);

	KUNIT_EXPECT_EQ(test, 20, pt_map(f, 10, 20, true));
	KUNIT_EXPECT_EQ(test, 20, pt_zap(f, 0, PT_BLOCK));
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, true));
	/* The hardware may be walking the table */
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	pt_collect(f);
	KUNIT_EXPECT_EQ(test, bytes, atomic_long_read(&f->pt.table_bytes));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_BLOCK, PT_RW | VSVM_PTE_LEAF));
	pt_expect_resident(f, 0, 1);
}

/* Pages of a block that is mapped as a whole: it gives them what they want... */
static void map_small_in_huge(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = NULL;

	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, true));
	KUNIT_EXPECT_EQ(test, 0, pt_map_into(f, 100, 16, true, &table));
	KUNIT_EXPECT_EQ(test, 0, pt_map_into(f, 100, 16, false, &table));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_BLOCK, PT_RW | VSVM_PTE_LEAF));
	pt_expect_resident(f, 0, 1);
	pt_expect_stat(f, SPLIT_2M, 0);
}

/* ...or it does not, and is split */
static void map_small_splits_huge(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = NULL;

	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, false));
	KUNIT_EXPECT_EQ(test, -EAGAIN, pt_map_into(f, 100, 16, true, &table));
	KUNIT_EXPECT_EQ(test, PT_RO | VSVM_PTE_LEAF, pt_entry(f, 100));
	pt_flushes(f);
	table = pt_table(f);
	KUNIT_EXPECT_EQ(test, 0, pt_map_into(f, 100, 16, true, &table));
	KUNIT_EXPECT_NULL(test, table);
	KUNIT_EXPECT_GE(test, pt_flushes(f), 1);
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 100, 16, PT_RW));
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 0, PT_BLOCK, VSVM_PTE_WRITE));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_BLOCK, PT_RO));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_BLOCK, VSVM_PTE_LEAF));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, f->span->block[0].live);
	pt_expect_resident(f, PT_BLOCK, 0);
	pt_expect_stat(f, SPLIT_2M, 1);
	pt_expect_stat(f, UPGRADED, 16);
}

/* A page that the device cannot reach: what came before it is in the books */
static void map_unreachable(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = pt_table(f);

	/* The kernel warns of what the driver has to live with */
	kunit_warning_suppress(test) {
		pt_limit(f, 20);
		KUNIT_EXPECT_EQ(test, -EIO, pt_map_into(f, 10, 20, true, &table));
		KUNIT_EXPECT_EQ(test, 10, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
		KUNIT_EXPECT_EQ(test, 10, pt_count(f, 10, 10, PT_RW));
		pt_expect_resident(f, 10, 0);
		pt_limit(f, PT_BLOCK - 1);
		KUNIT_EXPECT_EQ(test, -EIO, pt_map_huge(f, 0, true));
	}
	KUNIT_EXPECT_EQ(test, 10, pt_count(f, 10, 10, PT_RW));
	KUNIT_EXPECT_EQ(test, 10, f->span->block[0].live);
	pt_expect_resident(f, 10, 0);
	pt_limit(f, UINT_MAX);
	KUNIT_EXPECT_EQ(test, 10, pt_map(f, 10, 20, true));
	pt_expect_resident(f, 20, 0);
}

/* A split that has to map a page that cannot be reached: nothing has happened */
static void map_unsplittable(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct vsvm_pt_table *table = pt_table(f);

	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, false));
	kunit_warning_suppress(test) {
		pt_limit(f, 300);
		KUNIT_EXPECT_EQ(test, -EIO, pt_map_into(f, 10, 1, true, &table));
	}
	pt_limit(f, UINT_MAX);
	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_BLOCK, PT_RO | VSVM_PTE_LEAF));
	pt_expect_resident(f, 0, 1);
	pt_expect_stat(f, SPLIT_2M, 0);
	/* The table is as good as new */
	KUNIT_EXPECT_NULL(test, memchr_inv(table->entries, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, pt_map_into(f, 10, 1, true, &table));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_BLOCK, PT_RO));
	vsvm_pt_table_destroy(&f->pt, table);
}

static struct kunit_case vsvm_pt_map_cases[] = {
	KUNIT_CASE(map_small),
	KUNIT_CASE(map_twice),
	KUNIT_CASE(map_holes),
	KUNIT_CASE(map_edges),
	KUNIT_CASE(map_read_only),
	KUNIT_CASE(map_upgrade),
	KUNIT_CASE(map_huge),
	KUNIT_CASE(map_huge_upgrade),
	KUNIT_CASE(map_huge_over_small),
	KUNIT_CASE(map_huge_over_empty),
	KUNIT_CASE(map_small_in_huge),
	KUNIT_CASE(map_small_splits_huge),
	KUNIT_CASE(map_unreachable),
	KUNIT_CASE(map_unsplittable),
	{ }
};

struct kunit_suite vsvm_pt_map_suite = {
	.name = "vsvm_pt_map",
	.init = pt_fixture_init,
	.exit = pt_fixture_exit,
	.test_cases = vsvm_pt_map_cases,
};
