// SPDX-License-Identifier: GPL-2.0-only
/* What the device has written is told to core-mm before the page is forgotten. */
#include <kunit/test.h>
#include <linux/mm.h>

#include "tests/pt_fixture.h"

/* The hardware writes to a page; nobody has been told yet */
static void write_to(struct pt_fixture *f, unsigned int page)
{
	KUNIT_EXPECT_TRUE(f->test, pt_write(f, page));
	KUNIT_EXPECT_TRUE(f->test, pt_entry(f, page) & VSVM_PTE_DIRTY);
}

static void dirty_zap(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 0, 16, true);
	write_to(f, 5);
	write_to(f, 9);
	KUNIT_EXPECT_EQ(test, 0, pt_dirty_count(f));
	KUNIT_EXPECT_EQ(test, 8, pt_zap(f, 0, 8));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 5));
	KUNIT_EXPECT_EQ(test, 1, pt_dirty_count(f));
	KUNIT_EXPECT_EQ(test, 8, pt_zap(f, 0, PT_BLOCK));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 9));
	KUNIT_EXPECT_EQ(test, 2, pt_dirty_count(f));
}

/* What comes after is clean */
static void dirty_is_forgotten(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 5, 1, true);
	write_to(f, 5);
	pt_zap(f, 5, 1);
	ClearPageDirty(pt_page(f, 5));
	pt_map(f, 5, 1, true);
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 5));
	pt_zap(f, 5, 1);
	KUNIT_EXPECT_EQ(test, 0, pt_dirty_count(f));
}

/* A read-only page is not written, whatever the hardware tries */
static void dirty_read_only(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 0, 2, false);
	KUNIT_EXPECT_FALSE(test, pt_write(f, 0));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 0));
	/* Given the right, it is; a later gain of rights does not lose that */
	pt_map(f, 0, 1, true);
	write_to(f, 0);
	pt_map(f, 0, 2, true);
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_DIRTY, pt_entry(f, 0));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 1));
	pt_zap(f, 0, 2);
	KUNIT_EXPECT_EQ(test, 1, pt_dirty_count(f));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 0));
}

/* When the right to write goes, what was written is told, and only that */
static void dirty_protect(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 0, 16, true);
	write_to(f, 5);
	write_to(f, 6);
	KUNIT_EXPECT_EQ(test, 2, pt_protect(f, 4, 2));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 5));
	KUNIT_EXPECT_EQ(test, 1, pt_dirty_count(f));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(f, 5));
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_DIRTY, pt_entry(f, 6));
	/* It is told once: core-mm may have cleaned the page since */
	ClearPageDirty(pt_page(f, 5));
	KUNIT_EXPECT_EQ(test, 14, pt_protect(f, 0, 16));
	KUNIT_EXPECT_FALSE(test, pt_dirty(f, 5));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 6));
	/* Written again, it is told again */
	pt_map(f, 5, 1, true);
	write_to(f, 5);
	KUNIT_EXPECT_EQ(test, 16, pt_zap(f, 0, 16));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 5));
	KUNIT_EXPECT_EQ(test, 2, pt_dirty_count(f));
}

static void dirty_huge(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 0, true);
	pt_map_huge(f, 1, true);
	write_to(f, PT_BLOCK + 3);
	KUNIT_EXPECT_EQ(test, 2, pt_zap(f, 0, PT_PAGES));
	/* Which of its pages nobody knows */
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_dirty_count(f));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, PT_BLOCK));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 2 * PT_BLOCK - 1));
}

static void dirty_huge_protect(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 1, true);
	write_to(f, PT_BLOCK + 3);
	KUNIT_EXPECT_EQ(test, 1, pt_protect(f, PT_BLOCK, PT_BLOCK));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_dirty_count(f));
	KUNIT_EXPECT_EQ(test, PT_RO | VSVM_PTE_LEAF, pt_entry(f, PT_BLOCK));
}

/* Split, each page may be the one that was written */
static void dirty_huge_part(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 0, true);
	write_to(f, 3);
	KUNIT_EXPECT_EQ(test, 1, pt_zap(f, 7, 1));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 7));
	KUNIT_EXPECT_EQ(test, 1, pt_dirty_count(f));
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 1, pt_count(f, 0, PT_BLOCK, VSVM_PTE_DIRTY));
	KUNIT_EXPECT_EQ(test, 1, pt_protect(f, 3, 1));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 3));
	KUNIT_EXPECT_EQ(test, 2, pt_dirty_count(f));
	KUNIT_EXPECT_EQ(test, PT_BLOCK - 1, pt_zap(f, 0, PT_BLOCK));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_dirty_count(f));
}

/* A split for the sake of a right does not lose it either */
static void dirty_huge_split_by_map(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 0, true);
	write_to(f, 3);
	KUNIT_EXPECT_EQ(test, 1, pt_protect(f, 9, 1));
	KUNIT_EXPECT_EQ(test, 0, pt_map(f, 9, 1, true));
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, 9));
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_DIRTY, pt_entry(f, 3));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_zap(f, 0, PT_BLOCK));
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_dirty_count(f));
}

/* No memory to split it: all of it has gone, so all of it is told */
static void dirty_huge_no_memory(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map_huge(f, 0, true);
	write_to(f, 3);
	pt_no_memory(f, true);
	KUNIT_EXPECT_EQ(test, 1, pt_zap(f, 77, 1));
	pt_no_memory(f, false);
	KUNIT_EXPECT_EQ(test, PT_BLOCK, pt_dirty_count(f));
}

/* Pages that make room for a whole block */
static void dirty_map_huge(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, 0, 16, true);
	write_to(f, 5);
	KUNIT_EXPECT_EQ(test, 1, pt_map_huge(f, 0, true));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 5));
	KUNIT_EXPECT_EQ(test, 1, pt_dirty_count(f));
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_LEAF, pt_entry(f, 5));
	ClearPageDirty(pt_page(f, 5));
	KUNIT_EXPECT_EQ(test, 1, pt_zap(f, 0, PT_BLOCK));
	KUNIT_EXPECT_EQ(test, 0, pt_dirty_count(f));
}

/* Over several blocks, each in its own way */
static void dirty_blocks(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	pt_map(f, PT_BLOCK - 2, 2, true);
	pt_map_huge(f, 1, true);
	pt_map_huge(f, 2, true);
	pt_map(f, 3 * PT_BLOCK, 2, true);
	write_to(f, PT_BLOCK - 1);
	write_to(f, 2 * PT_BLOCK + 100);
	write_to(f, 3 * PT_BLOCK);
	pt_zap(f, PT_BLOCK - 1, 2 * PT_BLOCK + 2);
	KUNIT_EXPECT_EQ(test, PT_BLOCK + 2, pt_dirty_count(f));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, PT_BLOCK - 1));
	KUNIT_EXPECT_FALSE(test, pt_dirty(f, PT_BLOCK));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 2 * PT_BLOCK));
	KUNIT_EXPECT_TRUE(test, pt_dirty(f, 3 * PT_BLOCK));
}

static struct kunit_case vsvm_pt_dirty_cases[] = {
	KUNIT_CASE(dirty_zap),
	KUNIT_CASE(dirty_is_forgotten),
	KUNIT_CASE(dirty_read_only),
	KUNIT_CASE(dirty_protect),
	KUNIT_CASE(dirty_huge),
	KUNIT_CASE(dirty_huge_protect),
	KUNIT_CASE(dirty_huge_part),
	KUNIT_CASE(dirty_huge_split_by_map),
	KUNIT_CASE(dirty_huge_no_memory),
	KUNIT_CASE(dirty_map_huge),
	KUNIT_CASE(dirty_blocks),
	{ }
};

struct kunit_suite vsvm_pt_dirty_suite = {
	.name = "vsvm_pt_dirty",
	.init = pt_fixture_init,
	.exit = pt_fixture_exit,
	.test_cases = vsvm_pt_dirty_cases,
};
