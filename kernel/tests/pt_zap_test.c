// SPDX-License-Identifier: GPL-2.0-only
/* Leaves that go or lose a right: those that were named, and no others. */
#include <kunit/test.h>

#include "tests/pt_fixture.h"

static void zap_small(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 100, 16, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 3, pt_zap(f, 105, 3));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, 13, pt_count(f, 0, PT_PAGES, PT_RW));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 105, 3, VSVM_PTE_VALID));
	KUNIT_EXPECT_EQ(test, 13, f->span->block[0].live);
	pt_expect_resident(f, 13, 0);
	pt_expect_stat(f, ZAPPED_4K, 3);
	pt_expect_stat(f, TLB_FLUSHES, 1);
	/* More than is there; what is there twice is not there */
	KUNIT_EXPECT_EQ(test, 13, pt_zap(f, 50, 200));
	KUNIT_EXPECT_EQ(test, 0, f->span->block[0].live);
	pt_expect_resident(f, 0, 0);
	/* A page that has gone can come again */
	KUNIT_EXPECT_EQ(test, 16, pt_map(f, 100, 16, false));
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 0, PT_PAGES, PT_RO));
}

/* Where nothing is, nothing is flushed */
static void zap_nothing(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, 0, pt_zap(f, 0, PT_PAGES));
	KUNIT_EXPECT_EQ(test, 0, pt_protect(f, 0, PT_PAGES));
	pt_map(f, 10, 1, false);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 0, pt_zap(f, 0, 10));
	KUNIT_EXPECT_EQ(test, 0, pt_zap(f, 11, PT_PAGES - 11));
	/* Read-only already */
	KUNIT_EXPECT_EQ(test, 0, pt_protect(f, 0, PT_PAGES));
	KUNIT_EXPECT_EQ(test, 0, pt_flushes(f));
	pt_expect_stat(f, TLB_FLUSHES, 0);
	pt_expect_stat(f, DOWNGRADED, 0);
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 10));
}

/* Of a page that is named in part, all goes */
static void zap_part_of_page(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 0, 16, true);
	mutex_lock(&f->span->base.lock);
	KUNIT_EXPECT_EQ(test, 2, vsvm_pt_zap(&f->pt, f->span, PT_PAGE(4) + 100,
					     PT_PAGE(5) + 1, VSVM_SVM_ANYWHERE));
	mutex_unlock(&f->span->base.lock);
	KUNIT_EXPECT_EQ(test, 14, pt_count(f, 0, PT_BLOCK, PT_RW));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 4, 2, VSVM_PTE_VALID));
}

/* Small pages, a huge one, nothing, small pages: from the middle to the middle */
static void zap_blocks(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, PT_BLOCK - 8, 8, true);
	pt_map_huge(f, 1, true);
	pt_map(f, 3 * PT_BLOCK, 8, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 4 + 1 + 3,
			pt_zap(f, PT_BLOCK - 4, 2 * PT_BLOCK + 4 + 3));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, 4 + 5, pt_count(f, 0, PT_PAGES, PT_RW));
	KUNIT_EXPECT_EQ(test, 4, pt_count(f, PT_BLOCK - 8, 4, PT_RW));
	KUNIT_EXPECT_EQ(test, 5, pt_count(f, 3 * PT_BLOCK + 3, 5, PT_RW));
	pt_expect_resident(f, 9, 0);
	pt_expect_stat(f, ZAPPED_4K, 7);
	pt_expect_stat(f, ZAPPED_2M, 1);
	pt_expect_stat(f, SPLIT_2M, 0);
}

static void zap_huge(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 1, true);
	pt_map_huge(f, 2, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_zap(f, PT_BLOCK, PT_BLOCK));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_PAGES, PT_RW));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 2 * PT_BLOCK, PT_BLOCK,
						 PT_RW | VSVM_PTE_LEAF));
	pt_expect_resident(f, 0, 1);
	pt_expect_stat(f, SPLIT_2M, 0);
	/* Small ones can come in its place */
	KUNIT_EXPECT_EQ(test, 4, pt_map(f, PT_BLOCK + 4, 4, true));
	pt_expect_resident(f, 4, 1);
}

/* One page of a huge leaf: the other 511 stay, where they are and as they are */
static void zap_huge_part(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 1, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_zap(f, PT_BLOCK + 77, 1));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 1, pt_count(f, 0, PT_PAGES, PT_RW));
	KUNIT_EXPECT_EQ(test, 0, pt_entry(f, PT_BLOCK + 77));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, PT_BLOCK + 76));
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 1, f->span->block[1].live);
	pt_expect_resident(f, PT_BLOCK - 1, 0);
	pt_expect_stat(f, SPLIT_2M, 1);
	pt_expect_stat(f, ZAPPED_4K, 1);
	pt_expect_stat(f, ZAPPED_2M, 0);
	/* The rest goes like any other */
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 1, pt_zap(f, 0, PT_PAGES));
	pt_expect_resident(f, 0, 0);
}

/* A read-only one stays read-only */
static void zap_huge_part_read_only(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 0, false);
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 1, pt_zap(f, 1, PT_BLOCK - 1));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 0));
	KUNIT_EXPECT_EQ(test, 1, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
}

/* From the middle of one to the middle of another, over a third */
static void zap_huge_both_ends(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 0, true);
	pt_map_huge(f, 1, true);
	pt_map_huge(f, 2, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, (PT_BLOCK - 10) + 1 + 20,
			pt_zap(f, 10, 2 * PT_BLOCK + 20 - 10));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, 10 + PT_BLOCK - 20, pt_count(f, 0, PT_PAGES, PT_RW));
	KUNIT_EXPECT_EQ(test, 10, pt_count(f, 0, PT_BLOCK, PT_RW));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, PT_BLOCK, PT_BLOCK, VSVM_PTE_VALID));
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 20,
			pt_count(f, 2 * PT_BLOCK + 20, PT_BLOCK - 20, PT_RW));
	pt_expect_resident(f, 10 + PT_BLOCK - 20, 0);
	pt_expect_stat(f, SPLIT_2M, 2);
	pt_expect_stat(f, ZAPPED_2M, 1);
}

/* No memory to split it with: more goes than was asked for, never less */
static void zap_huge_no_memory(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long bytes = atomic_long_read(&f->pt.table_bytes);

	pt_map_huge(f, 0, true);
	pt_map_huge(f, 1, true);
	pt_no_memory(f, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_zap(f, 77, 1));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_BLOCK, VSVM_PTE_VALID));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, PT_BLOCK, PT_BLOCK, PT_RW));
	KUNIT_EXPECT_EQ(test, bytes, atomic_long_read(&f->pt.table_bytes));
	pt_expect_resident(f, 0, 1);
	pt_expect_stat(f, SPLIT_2M, 0);
	pt_expect_stat(f, ZAPPED_2M, 1);
	pt_no_memory(f, false);
	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, true));
}

/* The same where there is memory, but a page that cannot be mapped by itself */
static void zap_huge_unsplittable(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long bytes = atomic_long_read(&f->pt.table_bytes);

	pt_map_huge(f, 0, true);
	kunit_warning_suppress(test) {
		pt_limit(f, 300);
		KUNIT_EXPECT_EQ(test, 1, pt_zap(f, 77, 1));
	}
	pt_limit(f, UINT_MAX);
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
	pt_expect_resident(f, 0, 0);
	pt_expect_stat(f, SPLIT_2M, 0);
	pt_collect(f);
	KUNIT_EXPECT_EQ(test, bytes, atomic_long_read(&f->pt.table_bytes));
}

static void protect_small(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 100, 16, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 3, pt_protect(f, 105, 3));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 105));
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 0, PT_PAGES, PT_RO));
	KUNIT_EXPECT_EQ(test, 13, pt_count(f, 0, PT_PAGES, PT_RW));
	pt_expect_resident(f, 16, 0);
	pt_expect_stat(f, DOWNGRADED, 3);
	/* Those that have it still */
	KUNIT_EXPECT_EQ(test, 13, pt_protect(f, 0, PT_PAGES));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_PAGES, VSVM_PTE_WRITE));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_PAGES, VSVM_PTE_ATOMIC));
	pt_expect_stat(f, DOWNGRADED, 16);
	/* It can be had back, and taken away with the page */
	KUNIT_EXPECT_EQ(test, 0, pt_map(f, 105, 1, true));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 105));
	KUNIT_EXPECT_EQ(test, 16, pt_zap(f, 0, PT_BLOCK));
}

static void protect_huge(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 1, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_protect(f, 0, PT_PAGES));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, PT_RO | VSVM_PTE_LEAF, pt_entry(f, PT_BLOCK));
	KUNIT_EXPECT_EQ(test, 0, pt_protect(f, PT_BLOCK, 1));
	KUNIT_EXPECT_EQ(test, PT_RO | VSVM_PTE_LEAF, pt_entry(f, PT_BLOCK));
	pt_expect_resident(f, 0, 1);
	pt_expect_stat(f, SPLIT_2M, 0);
}

static void protect_huge_part(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 1, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 5, pt_protect(f, PT_BLOCK + 77, 5));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_PAGES, PT_RO));
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 5, pt_count(f, 0, PT_PAGES, PT_RW));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, PT_BLOCK + 77, 5, VSVM_PTE_WRITE));
	pt_expect_resident(f, PT_BLOCK, 0);
	pt_expect_stat(f, SPLIT_2M, 1);
	pt_expect_stat(f, DOWNGRADED, 5);
}

static void protect_huge_no_memory(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 0, true);
	pt_no_memory(f, true);
	pt_flushes(f);
	KUNIT_EXPECT_EQ(test, 1, pt_protect(f, 77, 1));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_count(f, 0, PT_PAGES, PT_RO | VSVM_PTE_LEAF));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_PAGES, VSVM_PTE_WRITE));
	pt_expect_resident(f, 0, 1);
	pt_no_memory(f, false);
}

static struct kunit_case vsvm_pt_zap_cases[] = {
	KUNIT_CASE(zap_small),
	KUNIT_CASE(zap_nothing),
	KUNIT_CASE(zap_part_of_page),
	KUNIT_CASE(zap_blocks),
	KUNIT_CASE(zap_huge),
	KUNIT_CASE(zap_huge_part),
	KUNIT_CASE(zap_huge_part_read_only),
	KUNIT_CASE(zap_huge_both_ends),
	KUNIT_CASE(zap_huge_no_memory),
	KUNIT_CASE(zap_huge_unsplittable),
	KUNIT_CASE(protect_small),
	KUNIT_CASE(protect_huge),
	KUNIT_CASE(protect_huge_part),
	KUNIT_CASE(protect_huge_no_memory),
	{ }
};

struct kunit_suite vsvm_pt_zap_suite = {
	.name = "vsvm_pt_zap",
	.init = pt_fixture_init,
	.exit = pt_fixture_exit,
	.test_cases = vsvm_pt_zap_cases,
};
