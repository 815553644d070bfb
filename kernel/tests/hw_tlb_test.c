// SPDX-License-Identifier: GPL-2.0-only
/* What a TLB keeps, and that it forgets what it must and nothing else. */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/sizes.h>

#include "hw/hw.h"
#include "hw/hw_tlb.h"
#include "tests/suites.h"

#define SETS		16
#define HUGE_SETS	4
#define PAGES		(SETS * VSVM_HW_TLB_WAYS)
#define BASE		0x7f0000000000ull

/**
 * struct tlb_test - a TLB without an engine
 * @tlb: it
 * @started: invalidations begun
 */
struct tlb_test {
	struct vsvm_hw_tlb tlb;
	atomic64_t started;
};

static int tlb_test_init(struct kunit *test)
{
	struct tlb_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	return vsvm_hw_tlb_init(&t->tlb, SETS, HUGE_SETS);
}

static void tlb_test_exit(struct kunit *test)
{
	struct tlb_test *t = test->priv;

	if (t)
		vsvm_hw_tlb_fini(&t->tlb);
}

/* An entry that says in @pte what it was filled with. */
static void fill(struct tlb_test *t, struct vsvm_hw_tlb_part *part, u32 asid,
		 u64 address, u64 pte)
{
	struct vsvm_hw_tlb_way new = { .pte = pte };

	vsvm_hw_tlb_fill(part, asid, address, &new, 1, &t->started,
			 atomic64_read(&t->started));
}

static u64 find(const struct vsvm_hw_tlb_part *part, u32 asid, u64 address)
{
	struct vsvm_hw_tlb_way *way = vsvm_hw_tlb_find(part, asid, address);

	return way ? way->pte : 0;
}

static u32 present(struct tlb_test *t, u32 asid, u64 start, u64 pages)
{
	u32 n = 0;

	for (u64 i = 0; i < pages; i++)
		n += !!find(&t->tlb.small, asid, start + i * PAGE_SIZE);
	return n;
}

static void tlb_find(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	struct vsvm_hw_tlb_part *small = &t->tlb.small;
	struct vsvm_hw_tlb_part *huge = &t->tlb.huge;

	KUNIT_EXPECT_EQ(test, 0, find(small, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, find(huge, 0, 0));
	fill(t, small, 0, 0, 1);
	fill(t, small, 1, BASE, 2);
	fill(t, small, 0xffff, BASE, 3);
	fill(t, huge, 1, BASE, 4);
	KUNIT_EXPECT_EQ(test, 1, find(small, 0, 0xfff));
	KUNIT_EXPECT_EQ(test, 0, find(small, 0, 0x1000));
	KUNIT_EXPECT_EQ(test, 0, find(small, 0, BASE));
	KUNIT_EXPECT_EQ(test, 2, find(small, 1, BASE + 0xfff));
	KUNIT_EXPECT_EQ(test, 3, find(small, 0xffff, BASE));
	KUNIT_EXPECT_EQ(test, 4, find(huge, 1, BASE + SZ_2M - 1));
	KUNIT_EXPECT_EQ(test, 0, find(huge, 1, BASE + SZ_2M));
	KUNIT_EXPECT_EQ(test, 0, find(huge, 1, BASE - 1));
}

/* The address 0xffff_ffff_f000 of address space 0xffff has a tag of its own. */
static void tlb_extremes(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	u64 last = BIT_ULL(VSVM_HW_VA_BITS) - PAGE_SIZE;

	fill(t, &t->tlb.small, 0xffff, last, 1);
	KUNIT_EXPECT_EQ(test, 1, find(&t->tlb.small, 0xffff, last));
	KUNIT_EXPECT_EQ(test, 0, find(&t->tlb.small, 0xfffe, last));
	KUNIT_EXPECT_EQ(test, 0, find(&t->tlb.small, 0xffff, last - PAGE_SIZE));
	vsvm_hw_tlb_drop(&t->tlb, 0xffff, last, last + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, find(&t->tlb.small, 0xffff, last));
}

/* An entry is replaced where it is, and else the set has room for all its ways. */
static void tlb_replace(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	struct vsvm_hw_tlb_part *small = &t->tlb.small;
	const u64 stride = SETS * PAGE_SIZE;
	u32 n = 0;

	for (u32 i = 0; i < VSVM_HW_TLB_WAYS; i++)
		fill(t, small, 1, BASE + i * stride, 10 + i);
	for (u32 i = 0; i < 3 * VSVM_HW_TLB_WAYS; i++)
		fill(t, small, 1, BASE, 20 + i);
	KUNIT_EXPECT_EQ(test, 20 + 3 * VSVM_HW_TLB_WAYS - 1,
			find(small, 1, BASE));
	for (u32 i = 1; i < VSVM_HW_TLB_WAYS; i++)
		KUNIT_EXPECT_EQ(test, 10 + i, find(small, 1, BASE + i * stride));

	/* one more throws one out, and only one */
	fill(t, small, 1, BASE + VSVM_HW_TLB_WAYS * stride, 99);
	KUNIT_EXPECT_EQ(test, 99,
			find(small, 1, BASE + VSVM_HW_TLB_WAYS * stride));
	for (u32 i = 0; i < VSVM_HW_TLB_WAYS; i++)
		n += !!find(small, 1, BASE + i * stride);
	KUNIT_EXPECT_EQ(test, VSVM_HW_TLB_WAYS - 1, n);
}

/* Drop every interval of a small window: just the pages in it go. */
static void tlb_drop(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	const u32 window = 6;

	for (u32 first = 0; first < window; first++) {
		for (u32 last = first; last < window; last++) {
			u64 start = BASE + first * PAGE_SIZE + 0x10;
			u64 end = BASE + last * PAGE_SIZE + 0x20;

			for (u32 i = 0; i < window; i++) {
				fill(t, &t->tlb.small, 1, BASE + i * PAGE_SIZE, 1);
				fill(t, &t->tlb.small, 2, BASE + i * PAGE_SIZE, 2);
			}
			vsvm_hw_tlb_drop(&t->tlb, 1, start, end);
			for (u32 i = 0; i < window; i++) {
				bool in = i >= first && i <= last;

				KUNIT_EXPECT_EQ(test, in ? 0 : 1,
						find(&t->tlb.small, 1,
						     BASE + i * PAGE_SIZE));
				KUNIT_EXPECT_EQ(test, 2,
						find(&t->tlb.small, 2,
						     BASE + i * PAGE_SIZE));
			}
		}
	}
}

/* Intervals with more pages than the TLB has sets, and the largest. */
static void tlb_drop_sweep(struct kunit *test)
{
	struct tlb_test *t = test->priv;

	for (u32 i = 0; i < PAGES / 2; i++) {
		fill(t, &t->tlb.small, 1, BASE + i * PAGE_SIZE, 1);
		fill(t, &t->tlb.small, 2, BASE + i * PAGE_SIZE, 1);
	}
	KUNIT_ASSERT_EQ(test, PAGES / 2, present(t, 1, BASE, PAGES / 2));
	vsvm_hw_tlb_drop(&t->tlb, 1, BASE + PAGE_SIZE,
			 BASE + (SETS + 2) * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 1, present(t, 1, BASE, SETS + 2));
	KUNIT_EXPECT_EQ(test, PAGES / 2 - SETS - 1, present(t, 1, BASE, PAGES / 2));
	vsvm_hw_tlb_drop(&t->tlb, 1, 0, BIT_ULL(VSVM_HW_VA_BITS));
	KUNIT_EXPECT_EQ(test, 0, present(t, 1, BASE, PAGES / 2));
	KUNIT_EXPECT_EQ(test, PAGES / 2, present(t, 2, BASE, PAGES / 2));
}

/* A page in the middle of a 2 MiB entry takes all of it away. */
/* Where an entry was last is worth what the tag there says, and no more. */
static void tlb_hint(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	struct vsvm_hw_tlb_part *huge = &t->tlb.huge;
	struct vsvm_hw_tlb_way *way;
	u32 hint;

	fill(t, huge, 1, BASE, 4);
	way = vsvm_hw_tlb_find(huge, 1, BASE);
	KUNIT_ASSERT_NOT_NULL(test, way);
	hint = way - huge->ways;
	KUNIT_EXPECT_PTR_EQ(test, way, vsvm_hw_tlb_find_hint(&t->tlb, hint, 1,
							     BASE + SZ_2M - 1));
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_find_hint(&t->tlb, hint, 2, BASE));
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_find_hint(&t->tlb, hint, 1, BASE + SZ_2M));
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_find_hint(&t->tlb, hint, 1, BASE - 1));
	vsvm_hw_tlb_drop(&t->tlb, 1, BASE + SZ_1M, BASE + SZ_1M + SZ_4K);
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_find_hint(&t->tlb, hint, 1, BASE));
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_find_hint(&t->tlb, hint, 0, 0));
}

static void tlb_drop_huge(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	struct vsvm_hw_tlb_part *huge = &t->tlb.huge;

	for (u32 i = 0; i < 3; i++)
		fill(t, huge, 1, BASE + i * SZ_2M, 1 + i);
	vsvm_hw_tlb_drop(&t->tlb, 1, BASE + SZ_2M + 0x5000, BASE + SZ_2M + 0x6000);
	KUNIT_EXPECT_EQ(test, 1, find(huge, 1, BASE));
	KUNIT_EXPECT_EQ(test, 0, find(huge, 1, BASE + SZ_2M));
	KUNIT_EXPECT_EQ(test, 3, find(huge, 1, BASE + 2 * SZ_2M));
	fill(t, huge, 1, BASE + SZ_2M, 2);
	vsvm_hw_tlb_drop(&t->tlb, 1, BASE + SZ_2M - 1, BASE + 2 * SZ_2M + 1);
	KUNIT_EXPECT_EQ(test, 0, find(huge, 1, BASE) + find(huge, 1, BASE + SZ_2M) +
				 find(huge, 1, BASE + 2 * SZ_2M));
}

/* A walk that began before an invalidation leaves nothing behind. */
static void tlb_late_fill(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	struct vsvm_hw_tlb_way new = { .pte = 1 };
	s64 seen = atomic64_read(&t->started);

	atomic64_inc(&t->started);
	vsvm_hw_tlb_drop(&t->tlb, 1, BASE, BASE + PAGE_SIZE);
	vsvm_hw_tlb_fill(&t->tlb.small, 1, BASE, &new, 1, &t->started, seen);
	KUNIT_EXPECT_EQ(test, 0, find(&t->tlb.small, 1, BASE));
	fill(t, &t->tlb.small, 1, BASE, 2);
	KUNIT_EXPECT_EQ(test, 2, find(&t->tlb.small, 1, BASE));
}

/* Several at once: all of them are there, or after an invalidation none. */
static void tlb_fill_many(struct kunit *test)
{
	struct vsvm_hw_tlb_way new[VSVM_HW_TLB_AHEAD];
	struct tlb_test *t = test->priv;
	s64 seen = atomic64_read(&t->started);

	for (u32 i = 0; i < VSVM_HW_TLB_AHEAD; i++)
		new[i].pte = 10 + i;
	vsvm_hw_tlb_fill(&t->tlb.small, 1, BASE, new, VSVM_HW_TLB_AHEAD,
			 &t->started, seen);
	for (u32 i = 0; i < VSVM_HW_TLB_AHEAD; i++)
		KUNIT_EXPECT_EQ(test, 10 + i,
				find(&t->tlb.small, 1, BASE + i * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, VSVM_HW_TLB_AHEAD, present(t, 1, BASE, PAGES));
	atomic64_inc(&t->started);
	vsvm_hw_tlb_fill(&t->tlb.small, 1, BASE, new, VSVM_HW_TLB_AHEAD,
			 &t->started, seen);
	KUNIT_EXPECT_EQ(test, 0, present(t, 1, BASE, PAGES));
}

/* Tables are remembered until anything of their address space is invalidated. */
static void tlb_tables(struct kunit *test)
{
	struct tlb_test *t = test->priv;
	struct vsvm_hw_tlb_table *found;
	u64 entries[2];
	s64 seen = 0;

	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_table(&t->tlb, 1, BASE));
	for (u32 asid = 1; asid <= 2; asid++)
		vsvm_hw_tlb_fill_table(&t->tlb, asid, BASE + PAGE_SIZE,
				       &entries[asid - 1], &t->started, seen);
	for (u32 asid = 1; asid <= 2; asid++) {
		found = vsvm_hw_tlb_table(&t->tlb, asid, BASE + SZ_2M - 1);
		KUNIT_ASSERT_NOT_NULL(test, found);
		KUNIT_EXPECT_PTR_EQ(test, found->entries, &entries[asid - 1]);
	}
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_table(&t->tlb, 1, BASE + SZ_2M));
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_table(&t->tlb, 3, BASE));
	vsvm_hw_tlb_drop(&t->tlb, 1, 0, PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_table(&t->tlb, 1, BASE));
	KUNIT_EXPECT_NOT_NULL(test, vsvm_hw_tlb_table(&t->tlb, 2, BASE));
	atomic64_inc(&t->started);
	vsvm_hw_tlb_fill_table(&t->tlb, 1, BASE, entries, &t->started, seen);
	KUNIT_EXPECT_NULL(test, vsvm_hw_tlb_table(&t->tlb, 1, BASE));
}

static struct kunit_case vsvm_hw_tlb_cases[] = {
	KUNIT_CASE(tlb_find),
	KUNIT_CASE(tlb_extremes),
	KUNIT_CASE(tlb_replace),
	KUNIT_CASE(tlb_drop),
	KUNIT_CASE(tlb_drop_sweep),
	KUNIT_CASE(tlb_hint),
	KUNIT_CASE(tlb_drop_huge),
	KUNIT_CASE(tlb_late_fill),
	KUNIT_CASE(tlb_fill_many),
	KUNIT_CASE(tlb_tables),
	{ }
};

struct kunit_suite vsvm_hw_tlb_suite = {
	.name = "vsvm_hw_tlb",
	.init = tlb_test_init,
	.exit = tlb_test_exit,
	.test_cases = vsvm_hw_tlb_cases,
};
