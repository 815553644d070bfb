// SPDX-License-Identifier: GPL-2.0-only
/* The index of a batch: from the device to the process, and back, against a search */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "tests/suites.h"
#include "userptr/userptr_priv.h"

#define AT	BIT_ULL(40)
#define MANY	700

struct batch_fixture {
	struct kunit *test;
	struct vsvm_userptr up;
	struct vsvm_userptr_piece piece[MANY];
	u32 count;
	struct vsvm_userptr_batch *batch;
	/* What a search found */
	u64 pages;
	unsigned long last;
	unsigned long from;
	unsigned long to;
	u64 stop_after;
};

static const struct vsvm_userptr_limits wide = { .end = 1ull << 47, .bytes = 1ull << 46 };

static int batch_init(struct kunit *test)
{
	struct batch_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->test = test;
	test->priv = f;
	return 0;
}

static void batch_exit(struct kunit *test)
{
	struct batch_fixture *f = test->priv;

	vsvm_userptr_batch_put(f->batch);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&f->up.batches));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&f->up.ranges));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&f->up.bytes));
}

static void add(struct batch_fixture *f, u64 page, u64 npages)
{
	f->piece[f->count++] = (struct vsvm_userptr_piece) {
		page << PAGE_SHIFT, npages << PAGE_SHIFT,
	};
}

static void make(struct batch_fixture *f)
{
	u32 failed;

	vsvm_userptr_batch_put(f->batch);
	f->batch = vsvm_userptr_batch_create(&f->up, AT, f->piece, f->count, &wide, &failed);
	KUNIT_ASSERT_FALSE(f->test, IS_ERR(f->batch));
	KUNIT_EXPECT_EQ(f->test, ~0u, failed);
}

/* Each hit is translated back by the other way */
static int look(u64 start, u64 end, void *arg)
{
	struct batch_fixture *f = arg;
	const struct vsvm_userptr_batch *b = f->batch;
	u32 i = vsvm_userptr_batch_find(b, start - AT);
	unsigned long cpu = b->range[i].start + (start - AT - b->range[i].offset);

	KUNIT_EXPECT_LT(f->test, start, end);
	KUNIT_EXPECT_LE(f->test, end - AT, b->range[i + 1].offset);
	KUNIT_EXPECT_GE(f->test, cpu, f->from);
	KUNIT_EXPECT_LE(f->test, cpu + (end - start), f->to);
	/* In the order of the process */
	KUNIT_EXPECT_GE(f->test, b->range[i].start, f->last);
	f->last = b->range[i].start;
	f->pages += (end - start) >> PAGE_SHIFT;
	return f->stop_after && f->pages >= f->stop_after ? -EINTR : 0;
}

/* Pages of the interval, as often as they appear: 0 or what the search ended with */
static int hits(struct batch_fixture *f, u64 first, u64 npages)
{
	f->pages = 0;
	f->last = 0;
	f->from = first << PAGE_SHIFT;
	f->to = (first + npages) << PAGE_SHIFT;
	return vsvm_userptr_batch_hits(f->batch, f->from, f->to, look, f);
}

static u64 expected(struct batch_fixture *f)
{
	u64 pages = 0;
	u32 i;

	for (i = 0; i < f->count; i++) {
		u64 start = max_t(u64, f->piece[i].start, f->from);
		u64 end = min_t(u64, f->piece[i].start + f->piece[i].size, f->to);

		if (start < end)
			pages += (end - start) >> PAGE_SHIFT;
	}
	return pages;
}

static void batch_find(struct kunit *test)
{
	struct batch_fixture *f = test->priv;
	u64 offset = 0;
	u32 i;

	for (i = 0; i < 100; i++)
		add(f, 10000 - 50 * i, i % 7 + 1);
	make(f);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&f->up.batches));
	for (i = 0; i < f->count; offset += f->piece[i++].size) {
		KUNIT_EXPECT_EQ(test, i, vsvm_userptr_batch_find(f->batch, offset));
		KUNIT_EXPECT_EQ(test, i, vsvm_userptr_batch_find(f->batch, offset +
								 f->piece[i].size - 1));
	}
	KUNIT_EXPECT_EQ(test, offset, vsvm_userptr_batch_size(f->batch));
}

static void batch_one(struct kunit *test)
{
	struct batch_fixture *f = test->priv;

	add(f, 100, 10);
	make(f);
	KUNIT_EXPECT_EQ(test, 0, hits(f, 0, 100));
	KUNIT_EXPECT_EQ(test, 0, f->pages);
	hits(f, 110, 100);
	KUNIT_EXPECT_EQ(test, 0, f->pages);
	hits(f, 109, 1);
	KUNIT_EXPECT_EQ(test, 1, f->pages);
	hits(f, 0, 101);
	KUNIT_EXPECT_EQ(test, 1, f->pages);
	hits(f, 0, 1000);
	KUNIT_EXPECT_EQ(test, 10, f->pages);
}

static void batch_aliases(struct kunit *test)
{
	struct batch_fixture *f = test->priv;
	u32 i;

	/* The same page a hundred times, and ranges that overlap by halves */
	for (i = 0; i < 100; i++)
		add(f, 500, 1);
	for (i = 0; i < 100; i++)
		add(f, 1000 + i, 2);
	make(f);
	hits(f, 500, 1);
	KUNIT_EXPECT_EQ(test, 100, f->pages);
	hits(f, 1050, 1);
	KUNIT_EXPECT_EQ(test, 2, f->pages);
	hits(f, 0, 2000);
	KUNIT_EXPECT_EQ(test, 300, f->pages);
}

/* A long range that begins before many short ones and reaches behind them */
static void batch_long_one(struct kunit *test)
{
	struct batch_fixture *f = test->priv;
	u32 i;

	for (i = 0; i < 500; i++)
		add(f, 1000 + 2 * i, 1);
	add(f, 10, 100000);
	make(f);
	for (i = 0; i < 500; i++) {
		hits(f, 1000 + 2 * i, 1);
		KUNIT_EXPECT_EQ(test, 2, f->pages);
		hits(f, 1001 + 2 * i, 1);
		KUNIT_EXPECT_EQ(test, 1, f->pages);
	}
	hits(f, 100009, 100);
	KUNIT_EXPECT_EQ(test, 1, f->pages);
}

static void batch_stops(struct kunit *test)
{
	struct batch_fixture *f = test->priv;
	u32 i;

	for (i = 0; i < 100; i++)
		add(f, 2 * i, 1);
	make(f);
	f->stop_after = 30;
	KUNIT_EXPECT_EQ(test, -EINTR, hits(f, 0, 1000));
	KUNIT_EXPECT_EQ(test, 30, f->pages);
}

static void batch_random(struct kunit *test)
{
	struct batch_fixture *f = test->priv;
	struct rnd_state rnd;
	u32 round, i;

	prandom_seed_state(&rnd, 20);
	for (round = 0; round < 60; round++) {
		/* Close together, and over all the address space */
		u64 space = round % 3 ? 1000 : 1ull << 35;
		u32 n = 1 + prandom_u32_state(&rnd) % MANY;

		f->count = 0;
		while (f->count < n) {
			u64 at = ((u64)prandom_u32_state(&rnd) << 10 |
				  prandom_u32_state(&rnd) % 1024) % space;

			add(f, at, 1 + prandom_u32_state(&rnd) %
			    (prandom_u32_state(&rnd) % 16 ? 4 : 300));
		}
		make(f);
		for (i = 1; i < n; i++)
			KUNIT_EXPECT_LE(test, f->batch->range[f->batch->order[i - 1]].start,
					f->batch->range[f->batch->order[i]].start);
		for (i = 0; i < 40; i++) {
			u64 near = f->piece[prandom_u32_state(&rnd) % n].start >> PAGE_SHIFT;

			hits(f, near - min(near, prandom_u32_state(&rnd) % 8),
			     1 + prandom_u32_state(&rnd) % (i % 4 ? 8 : 500));
			KUNIT_EXPECT_EQ(test, expected(f), f->pages);
		}
	}
}

static void refused(struct batch_fixture *f, int error, u32 which)
{
	struct vsvm_userptr_batch *b;
	u32 failed = 77;

	b = vsvm_userptr_batch_create(&f->up, AT, f->piece, f->count, &wide, &failed);
	KUNIT_EXPECT_EQ(f->test, error, PTR_ERR_OR_ZERO(b));
	KUNIT_EXPECT_EQ(f->test, which, failed);
	if (!IS_ERR(b))
		vsvm_userptr_batch_put(b);
	f->count = 0;
}

static void batch_limits(struct kunit *test)
{
	struct batch_fixture *f = test->priv;

	add(f, 1, 1);
	add(f, 2, 0);
	refused(f, -EINVAL, 1);
	add(f, 1, 1);
	f->piece[0].start++;
	refused(f, -EINVAL, 0);
	add(f, 1, 1);
	f->piece[0].size--;
	refused(f, -EINVAL, 0);
	/* Each of the sums overflows, or goes just beyond */
	add(f, 1, 1);
	add(f, U64_MAX >> PAGE_SHIFT, 1);
	refused(f, -EINVAL, 1);
	add(f, (1ull << (47 - PAGE_SHIFT)) - 1, 2);
	refused(f, -EINVAL, 0);
	add(f, 0, 1ull << (46 - PAGE_SHIFT));
	add(f, 0, 1);
	refused(f, -E2BIG, 1);
	add(f, (1ull << (47 - PAGE_SHIFT)) - 1, 1);
	add(f, 0, (1ull << (46 - PAGE_SHIFT)) - 1);
	refused(f, 0, ~0u);
}

static struct kunit_case batch_cases[] = {
	KUNIT_CASE(batch_find),
	KUNIT_CASE(batch_one),
	KUNIT_CASE(batch_aliases),
	KUNIT_CASE(batch_long_one),
	KUNIT_CASE(batch_stops),
	KUNIT_CASE(batch_random),
	KUNIT_CASE(batch_limits),
	{}
};

struct kunit_suite vsvm_userptr_batch_suite = {
	.name = "vsvm_userptr_batch",
	.init = batch_init,
	.exit = batch_exit,
	.test_cases = batch_cases,
};
