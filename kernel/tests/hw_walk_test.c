// SPDX-License-Identifier: GPL-2.0-only
/* The page walk: what it finds, what it refuses, and the dirty bit. */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "hw/hw_mmu.h"
#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define ADDRESS	0x123456789000ull
#define HUGE	0x2345600000ull

static dma_addr_t root_of(struct hw_fixture *f)
{
	return phys_to_dma(f->dev, virt_to_phys(f->root));
}

static enum vsvm_hw_trouble_kind walk(struct hw_fixture *f, u64 address,
				      u8 access, struct vsvm_hw_walk *found)
{
	*found = (struct vsvm_hw_walk) { };
	return vsvm_hw_walk(f->hw, root_of(f), NULL, address, access,
			    found);
}

/* An expected fault. */
static void expect_fault(struct hw_fixture *f, u64 address, u8 access,
			 u8 cause, u8 level)
{
	struct vsvm_hw_walk found;

	KUNIT_EXPECT_EQ(f->test, VSVM_HW_TROUBLE_FAULT,
			walk(f, address, access, &found));
	KUNIT_EXPECT_EQ(f->test, cause, found.cause);
	KUNIT_EXPECT_EQ(f->test, level, found.level);
}

/* An expected error, for a leaf or table entry that is @pte. */
static void expect_error(struct hw_fixture *f, u64 address, u8 level, u64 pte)
{
	u64 *entry = hw_fixture_pte(f, address, level);
	struct vsvm_hw_walk found;
	u64 old = *entry;

	*entry = pte;
	KUNIT_EXPECT_EQ_MSG(f->test, VSVM_HW_TROUBLE_ERROR,
			    walk(f, address, VSVM_HW_READ, &found),
			    "level %u, entry %#llx", level, pte);
	KUNIT_EXPECT_EQ(f->test, level, found.level);
	KUNIT_EXPECT_EQ(f->test, pte, *entry);
	*entry = old;
}

/* Every level in turn is the one where the walk ends. */
static void walk_levels(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	void *page = hw_fixture_alloc(f, 0);
	struct vsvm_hw_walk found;

	expect_fault(f, ADDRESS, VSVM_HW_READ, VSVM_HW_NOT_PRESENT, 4);
	for (u32 level = 3; level >= 1; level--) {
		hw_fixture_pte(f, ADDRESS, level);
		expect_fault(f, ADDRESS, VSVM_HW_READ, VSVM_HW_NOT_PRESENT, level);
	}
	hw_fixture_map_page(f, ADDRESS, page, PTE_RO);
	KUNIT_EXPECT_EQ(test, VSVM_HW_TROUBLE_NONE,
			walk(f, ADDRESS + 0xabc, VSVM_HW_READ, &found));
	KUNIT_EXPECT_PTR_EQ(test, found.base, page);
	KUNIT_EXPECT_FALSE(test, found.huge);
	KUNIT_EXPECT_EQ(test, 1, found.level);
	expect_fault(f, ADDRESS + PAGE_SIZE, VSVM_HW_READ, VSVM_HW_NOT_PRESENT, 1);
	expect_fault(f, ADDRESS ^ BIT_ULL(47), VSVM_HW_READ,
		     VSVM_HW_NOT_PRESENT, 4);
}

/* An entry that is not valid may hold anything. */
static void walk_invalid(struct kunit *test)
{
	struct hw_fixture *f = test->priv;

	*hw_fixture_pte(f, ADDRESS, 1) = ~VSVM_PTE_VALID;
	expect_fault(f, ADDRESS, VSVM_HW_READ, VSVM_HW_NOT_PRESENT, 1);
	*hw_fixture_pte(f, HUGE, 2) = ~VSVM_PTE_VALID;
	expect_fault(f, HUGE, VSVM_HW_READ, VSVM_HW_NOT_PRESENT, 2);
}

static void walk_permissions(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	static const u64 needs[] = {
		[VSVM_HW_READ] = VSVM_PTE_READ,
		[VSVM_HW_WRITE] = VSVM_PTE_WRITE,
		[VSVM_HW_ATOMIC] = VSVM_PTE_READ | VSVM_PTE_WRITE | VSVM_PTE_ATOMIC,
		[VSVM_HW_EXEC] = VSVM_PTE_EXEC,
		[VSVM_HW_FETCH] = VSVM_PTE_READ,
	};
	void *page = hw_fixture_alloc(f, 0);
	struct vsvm_hw_walk found;

	for (u64 have = 0; have < 16; have++) {
		for (u8 access = 0; access < ARRAY_SIZE(needs); access++) {
			u64 flags = VSVM_PTE_VALID | (have & 7) * VSVM_PTE_READ |
				    (have & 8 ? VSVM_PTE_ATOMIC : 0);

			hw_fixture_map_page(f, ADDRESS, page, flags);
			if ((flags & needs[access]) == needs[access])
				KUNIT_EXPECT_EQ(test, VSVM_HW_TROUBLE_NONE,
						walk(f, ADDRESS, access, &found));
			else
				expect_fault(f, ADDRESS, access,
					     VSVM_HW_PROTECTION, 1);
		}
	}
}

static void walk_reserved(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 page = phys_to_dma(f->dev, virt_to_phys(hw_fixture_alloc(f, 0)));
	u64 table = *hw_fixture_pte(f, FIXTURE_COMMANDS, 2);

	for (u32 bit = 52; bit < 63; bit++) {
		expect_error(f, ADDRESS, 1, page | PTE_RO | BIT_ULL(bit));
		expect_error(f, HUGE, 2, PTE_RO | VSVM_PTE_LEAF | BIT_ULL(bit));
		expect_error(f, ADDRESS, 4, page | VSVM_PTE_VALID | BIT_ULL(bit));
	}
	/* leaves where there are none, tables where there can be none */
	expect_error(f, ADDRESS, 3, PTE_RO | VSVM_PTE_LEAF);
	expect_error(f, ADDRESS, 4, PTE_RO | VSVM_PTE_LEAF);
	expect_error(f, ADDRESS, 2, table | VSVM_PTE_VRAM);
	expect_error(f, ADDRESS, 2, table | VSVM_PTE_PEER);
	/* not the start of a page of that size, no memory, no peer */
	expect_error(f, HUGE, 2, PTE_RO | VSVM_PTE_LEAF | SZ_4K);
	expect_error(f, ADDRESS, 1, PTE_RO | VSVM_PTE_ADDR_MASK);
	expect_error(f, ADDRESS, 1, PTE_RO | VSVM_PTE_PEER | page);
	/* beyond the device's own memory */
	expect_error(f, ADDRESS, 1, PTE_RO | VSVM_PTE_VRAM | 2 * SZ_2M);
	expect_error(f, HUGE, 2,
		     PTE_RO | VSVM_PTE_VRAM | VSVM_PTE_LEAF | 2 * SZ_2M);
}

/* A table that is no memory ends the walk at the entry that would be in it. */
static void walk_bad_table(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct vsvm_hw_walk found;
	u64 *entry = hw_fixture_pte(f, ADDRESS, 3);

	*entry = VSVM_PTE_VALID | VSVM_PTE_ADDR_MASK;
	KUNIT_EXPECT_EQ(test, VSVM_HW_TROUBLE_ERROR,
			walk(f, ADDRESS, VSVM_HW_READ, &found));
	KUNIT_EXPECT_EQ(test, 2, found.level);
}

static void walk_huge(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	void *memory = hw_fixture_alloc(f, VSVM_HW_HUGE_SHIFT - PAGE_SHIFT);
	u64 *entry = hw_fixture_pte(f, HUGE, 2);
	struct vsvm_hw_walk found;

	*entry = phys_to_dma(f->dev, virt_to_phys(memory)) | PTE_RW | VSVM_PTE_LEAF;
	KUNIT_EXPECT_EQ(test, VSVM_HW_TROUBLE_NONE,
			walk(f, HUGE + SZ_1M + 5, VSVM_HW_WRITE, &found));
	KUNIT_EXPECT_PTR_EQ(test, found.base, memory);
	KUNIT_EXPECT_TRUE(test, found.huge);
	KUNIT_EXPECT_EQ(test, 2, found.level);
	KUNIT_EXPECT_TRUE(test, *entry & VSVM_PTE_DIRTY);
}

/* Device memory that is in one piece, and a leaf over some that is not. */
static void walk_vram(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	const u64 flags = PTE_RW | VSVM_PTE_VRAM;
	u64 *leaf = hw_fixture_pte(f, ADDRESS, 1);
	u64 *huge = hw_fixture_pte(f, HUGE, 2);
	struct vsvm_hw_chunk chunk = f->hw->chunks[1];
	struct vsvm_hw_walk found;
	struct page **pages;

	*leaf = flags | (SZ_2M + 3 * SZ_4K);
	KUNIT_EXPECT_EQ(test, VSVM_HW_TROUBLE_NONE,
			walk(f, ADDRESS, VSVM_HW_READ, &found));
	KUNIT_EXPECT_PTR_EQ(test, found.base,
			    page_address(vsvm_hw_vram_page(f->hw, SZ_2M + 3 * SZ_4K)));
	KUNIT_ASSERT_NOT_NULL(test, chunk.whole);
	*huge = flags | VSVM_PTE_LEAF | SZ_2M;
	KUNIT_EXPECT_EQ(test, VSVM_HW_TROUBLE_NONE,
			walk(f, HUGE + SZ_1M, VSVM_HW_READ, &found));
	KUNIT_EXPECT_TRUE(test, found.huge);
	KUNIT_EXPECT_PTR_EQ(test, found.base, page_address(chunk.whole));

	/* the same pages the other way round, as if they had come one by one */
	pages = kunit_kcalloc(test, 512, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (u32 i = 0; i < 512; i++)
		pages[i] = chunk.whole + 511 - i;
	f->hw->chunks[1] = (struct vsvm_hw_chunk) { .pages = pages };
	KUNIT_EXPECT_EQ(test, VSVM_HW_TROUBLE_NONE,
			walk(f, HUGE + 7 * SZ_4K + 9, VSVM_HW_READ, &found));
	KUNIT_EXPECT_FALSE(test, found.huge);
	KUNIT_EXPECT_PTR_EQ(test, found.base,
			    page_address(chunk.whole + 511 - 7));
	f->hw->chunks[1] = chunk;
}

/* Set by what writes, in the table and in what is found, and by nothing else. */
static void walk_dirty(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	void *page = hw_fixture_alloc(f, 0);
	u64 *entry = hw_fixture_pte(f, ADDRESS, 1);
	struct vsvm_hw_walk found;
	u64 clean;

	hw_fixture_map_page(f, ADDRESS, page,
			    PTE_RW | VSVM_PTE_EXEC | VSVM_PTE_SW_MASK);
	clean = *entry;
	KUNIT_EXPECT_EQ(test, 0, walk(f, ADDRESS, VSVM_HW_READ, &found));
	KUNIT_EXPECT_EQ(test, 0, walk(f, ADDRESS, VSVM_HW_FETCH, &found));
	KUNIT_EXPECT_EQ(test, 0, walk(f, ADDRESS, VSVM_HW_EXEC, &found));
	KUNIT_EXPECT_EQ(test, clean, *entry);
	KUNIT_EXPECT_EQ(test, clean, found.pte);
	for (u8 access = VSVM_HW_WRITE; access <= VSVM_HW_ATOMIC; access++) {
		*entry = clean;
		KUNIT_EXPECT_EQ(test, 0, walk(f, ADDRESS, access, &found));
		KUNIT_EXPECT_EQ(test, clean | VSVM_PTE_DIRTY, *entry);
		KUNIT_EXPECT_EQ(test, clean | VSVM_PTE_DIRTY, found.pte);
	}
	KUNIT_EXPECT_EQ(test, 0, walk(f, ADDRESS, VSVM_HW_READ, &found));
	KUNIT_EXPECT_EQ(test, clean | VSVM_PTE_DIRTY, found.pte);

	/* what may not be written is not made dirty */
	hw_fixture_map_page(f, ADDRESS, page, PTE_RO);
	clean = *entry;
	expect_fault(f, ADDRESS, VSVM_HW_WRITE, VSVM_HW_PROTECTION, 1);
	KUNIT_EXPECT_EQ(test, clean, *entry);
}

static struct kunit_case vsvm_hw_walk_cases[] = {
	KUNIT_CASE(walk_levels),
	KUNIT_CASE(walk_invalid),
	KUNIT_CASE(walk_permissions),
	KUNIT_CASE(walk_reserved),
	KUNIT_CASE(walk_bad_table),
	KUNIT_CASE(walk_huge),
	KUNIT_CASE(walk_vram),
	KUNIT_CASE(walk_dirty),
	{ }
};

struct kunit_suite vsvm_hw_walk_suite = {
	.name = "vsvm_hw_walk",
	.init = hw_fixture_init,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_walk_cases,
};
