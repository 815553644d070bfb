// SPDX-License-Identifier: GPL-2.0-only
/* Tables: the tree, what it takes, what becomes of empty ones; and many changes. */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/prandom.h>

#include "tests/pt_fixture.h"

#define SPAN_BYTES	(32UL << 20)

static long tables(struct pt_fixture *f)
{
	return atomic_long_read(&f->pt.table_bytes) / PAGE_SIZE;
}

/* The tables above a span are there before anything is mapped, once for all */
static void table_tree(struct kunit *test)
{
	static const struct {
		unsigned long start;
		long added;
	} places[] = {
		{ PT_BASE + (1UL << 29), 0 },			/* the same GiB */
		{ PT_BASE + (1UL << 30), 1 },			/* the next */
		{ PT_BASE + (1UL << 39), 2 },			/* the next 512 GiB */
		{ 0, 1 },
		{ BIT(VSVM_HW_VA_BITS) - SPAN_BYTES, 2 },
	};
	struct vsvm_pt_span *span[ARRAY_SIZE(places)];
	struct pt_fixture *f = test->priv;
	unsigned int level, i;
	long before, meta;

	/* Root, level 3, level 2 of the fixture's own span */
	KUNIT_EXPECT_EQ(test, 3, tables(f));
	meta = atomic_long_read(&f->pt.meta_bytes);
	KUNIT_EXPECT_GT(test, meta, 0);	/* the same again in the end */
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		before = tables(f);
		span[i] = vsvm_pt_span_create(&f->pt, places[i].start,
					      places[i].start + SPAN_BYTES);
		KUNIT_ASSERT_NOT_NULL(test, span[i]);
		KUNIT_EXPECT_EQ_MSG(test, places[i].added, tables(f) - before,
				    "place %u", i);
		/* The hardware gets as far as there are tables */
		KUNIT_EXPECT_EQ(test, 0, *pt_walk(f, places[i].start, &level));
		KUNIT_EXPECT_EQ(test, 2, level);
	}
	/* They go with the last span below them, and with no other */
	while (i--) {
		before = tables(f);
		pt_flushes(f);
		vsvm_pt_span_destroy(&f->pt, span[i]);
		KUNIT_EXPECT_EQ_MSG(test, places[i].added, before - tables(f),
				    "place %u", i);
		KUNIT_EXPECT_EQ(test, !!places[i].added, pt_flushes(f));
		pt_walk(f, places[i].start, &level);
		KUNIT_EXPECT_EQ(test, 2 + places[i].added, level);
	}
	KUNIT_EXPECT_EQ(test, 3, tables(f));
	KUNIT_EXPECT_EQ(test, meta, atomic_long_read(&f->pt.meta_bytes));
}

static void table_no_memory(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long before = tables(f);
	long meta = atomic_long_read(&f->pt.meta_bytes);
	struct vsvm_pt_span *span;

	pt_no_memory(f, true);
	KUNIT_EXPECT_NULL(test, vsvm_pt_table_create(&f->pt, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, vsvm_pt_span_create(&f->pt, 0, SPAN_BYTES));
	/* Where the upper tables are there, none is needed */
	span = vsvm_pt_span_create(&f->pt, PT_BASE + SPAN_BYTES,
				   PT_BASE + 2 * SPAN_BYTES);
	pt_no_memory(f, false);
	KUNIT_ASSERT_NOT_NULL(test, span);
	KUNIT_EXPECT_EQ(test, before, tables(f));
	vsvm_pt_span_destroy(&f->pt, span);
	KUNIT_EXPECT_EQ(test, meta, atomic_long_read(&f->pt.meta_bytes));
}

/* A table in which nothing is left goes, a little later */
static void table_collected(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long meta = atomic_long_read(&f->pt.meta_bytes);
	long before = tables(f);
	unsigned int level;

	pt_map(f, 0, 16, true);
	pt_map(f, PT_BLOCK, 16, true);
	pt_map(f, 2 * PT_BLOCK, 16, true);
	KUNIT_EXPECT_EQ(test, before + 3, tables(f));
	KUNIT_EXPECT_EQ(test, 16 + 15, pt_zap(f, 0, PT_BLOCK + 15));
	KUNIT_EXPECT_EQ(test, before + 3, tables(f));
	pt_flushes(f);
	pt_collect(f);
	/* Only the first was empty */
	KUNIT_EXPECT_EQ(test, before + 2, tables(f));
	KUNIT_EXPECT_EQ(test, 1, pt_flushes(f));
	KUNIT_EXPECT_EQ(test, 0, *pt_walk(f, PT_BASE, &level));
	KUNIT_EXPECT_EQ(test, 2, level);
	KUNIT_EXPECT_EQ(test, PT_RW, pt_entry(f, PT_BLOCK + 15));
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 2 * PT_BLOCK, PT_BLOCK, PT_RW));
	pt_zap(f, 0, PT_PAGES);
	pt_collect(f);
	KUNIT_EXPECT_EQ(test, before, tables(f));
	KUNIT_EXPECT_EQ(test, meta, atomic_long_read(&f->pt.meta_bytes));
	/* It can all begin again */
	KUNIT_EXPECT_EQ(test, 16, pt_map(f, 0, 16, true));
	KUNIT_EXPECT_EQ(test, 16, pt_count(f, 0, PT_PAGES, PT_RW));
}

/* By itself, that is */
static void table_collected_in_time(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long before = tables(f);
	unsigned int i;

	pt_map(f, 0, 16, true);
	pt_zap(f, 0, 16);
	for (i = 0; i < 500 && tables(f) != before; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, before, tables(f));
}

/* What is used again before that is kept, without another table */
static void table_used_again(struct kunit *test)
{
	struct vsvm_pt_table *none = NULL;
	struct pt_fixture *f = test->priv;
	long before = tables(f);

	pt_map(f, 0, 16, true);
	pt_zap(f, 0, 16);
	KUNIT_EXPECT_EQ(test, 4, pt_map_into(f, 100, 4, true, &none));
	pt_collect(f);
	KUNIT_EXPECT_EQ(test, before + 1, tables(f));
	KUNIT_EXPECT_EQ(test, 4, pt_count(f, 0, PT_PAGES, PT_RW));
	pt_zap(f, 100, 4);
	pt_collect(f);
	KUNIT_EXPECT_EQ(test, before, tables(f));
}

/* A table that was brought for pages that have all gone meanwhile */
static void table_for_nothing(struct kunit *test)
{
	struct vsvm_pt_table *table;
	struct pt_fixture *f = test->priv;
	long before = tables(f);

	memset(f->pfns, 0, sizeof(f->pfns));
	table = pt_table(f);
	mutex_lock(&f->span->base.lock);
	KUNIT_EXPECT_EQ(test, 0, vsvm_pt_map(&f->pt, f->span, PT_BASE, f->pfns, 16,
					     false, &table));
	mutex_unlock(&f->span->base.lock);
	vsvm_pt_table_destroy(&f->pt, table);
	pt_collect(f);
	KUNIT_EXPECT_EQ(test, before, tables(f));
}

static bool span_is_empty(struct pt_fixture *f)
{
	bool empty;

	mutex_lock(&f->span->base.lock);
	empty = vsvm_pt_span_empty(&f->pt, f->span);
	mutex_unlock(&f->span->base.lock);
	return empty;
}

/* A span is empty when nothing is mapped, whatever tables are left of it */
static void table_span_empty(struct kunit *test)
{
	struct pt_fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, span_is_empty(f));
	pt_map(f, PT_BLOCK + 3, 1, true);
	KUNIT_EXPECT_FALSE(test, span_is_empty(f));
	pt_zap(f, PT_BLOCK, PT_BLOCK);
	KUNIT_EXPECT_TRUE(test, span_is_empty(f));
	pt_map_huge(f, 2, false);
	KUNIT_EXPECT_FALSE(test, span_is_empty(f));
	pt_zap(f, 2 * PT_BLOCK, PT_BLOCK);
	KUNIT_EXPECT_TRUE(test, span_is_empty(f));
}

/* A span that goes while its tables wait to be collected */
static void table_span_goes(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	long before = tables(f);

	pt_map(f, 0, 16, true);
	pt_map_huge(f, 1, true);
	pt_map(f, 2 * PT_BLOCK, 16, true);
	pt_map_huge(f, 2, true);
	pt_zap(f, 0, PT_PAGES);
	vsvm_pt_span_destroy(&f->pt, f->span);
	f->span = vsvm_pt_span_create(&f->pt, PT_BASE, PT_PAGE(PT_PAGES));
	KUNIT_ASSERT_NOT_NULL(test, f->span);
	pt_collect(f);
	KUNIT_EXPECT_EQ(test, before, tables(f));
	KUNIT_EXPECT_EQ(test, 0, pt_count(f, 0, PT_PAGES, VSVM_PTE_VALID));
}

/* --- many changes, and what should be there after each --- */

#define ROUNDS		400
#define MODEL_PAGES	(2 * PT_BLOCK)

/**
 * struct table_model - what should be mapped
 * @rnd: choices
 * @rights: of each page: 0, PT_RO or PT_RW
 * @huge: block is one leaf
 */
struct table_model {
	struct rnd_state rnd;
	u64 rights[MODEL_PAGES];
	bool huge[MODEL_PAGES / PT_BLOCK];
};

static u32 choose(struct table_model *m, u32 n)
{
	return prandom_u32_state(&m->rnd) % n;
}

static void model_change(struct table_model *m, u32 first, u32 npages, u64 take)
{
	u32 end = first + npages, b, i;

	for (b = 0; b < ARRAY_SIZE(m->huge); b++) {
		u32 from = max(first, b * PT_BLOCK), to = min(end, (b + 1) * PT_BLOCK);

		/* Hit in part, or taken away */
		if (from < to && m->huge[b] && m->rights[b * PT_BLOCK] & take &&
		    (to - from < PT_BLOCK || take & VSVM_PTE_VALID))
			m->huge[b] = false;
	}
	for (i = first; i < end; i++)
		m->rights[i] = take & VSVM_PTE_VALID ? 0 : m->rights[i] & ~take;
}

static void model_map(struct table_model *m, u32 first, u32 npages, u64 rights)
{
	u32 i;

	if (m->huge[first / PT_BLOCK] && rights & ~m->rights[first])
		m->huge[first / PT_BLOCK] = false;
	for (i = first; i < first + npages; i++)
		m->rights[i] |= rights;
}

static void model_step(struct pt_fixture *f, struct table_model *m)
{
	u32 npages = 1 + choose(m, choose(m, 4) ? 40 : MODEL_PAGES);
	u32 first = choose(m, MODEL_PAGES - npages + 1);
	u32 block = first / PT_BLOCK, i;
	bool write = choose(m, 2);

	switch (choose(m, 8)) {
	case 0:
		pt_map_huge(f, block, write);
		for (i = block * PT_BLOCK; i < (block + 1) * PT_BLOCK; i++)
			m->rights[i] = (m->huge[block] ? m->rights[i] : 0) |
				       (write ? PT_RW : PT_RO);
		m->huge[block] = true;
		break;
	case 1:
	case 2:
		pt_zap(f, first, npages);
		model_change(m, first, npages, VSVM_PTE_VALID);
		break;
	case 3:
	case 4:
		pt_protect(f, first, npages);
		model_change(m, first, npages, VSVM_PTE_WRITE | VSVM_PTE_ATOMIC);
		break;
	case 5:
		pt_collect(f);
		break;
	default:
		npages = min(npages, (block + 1) * PT_BLOCK - first);
		pt_map(f, first, npages, write);
		model_map(m, first, npages, write ? PT_RW : PT_RO);
		break;
	}
}

static void model_check(struct pt_fixture *f, struct table_model *m)
{
	long small = 0, huge = 0;
	u32 b, i;

	for (b = 0; b < ARRAY_SIZE(m->huge); b++) {
		u32 live = 0;

		for (i = b * PT_BLOCK; i < (b + 1) * PT_BLOCK; i++) {
			u64 entry = pt_entry(f, i) & ~VSVM_PTE_DIRTY;

			live += !!m->rights[i];
			KUNIT_ASSERT_EQ_MSG(f->test, m->rights[i] |
					    (m->huge[b] ? VSVM_PTE_LEAF : 0), entry,
					    "page %u", i);
		}
		if (m->huge[b]) {
			huge++;
			continue;
		}
		small += live;
		KUNIT_ASSERT_EQ(f->test, live, f->span->block[b].live);
	}
	KUNIT_ASSERT_EQ(f->test, small, atomic_long_read(&f->pt.resident_4k));
	KUNIT_ASSERT_EQ(f->test, huge, atomic_long_read(&f->pt.resident_2m));
}

static void table_random(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct table_model *m;
	unsigned int i;

	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&m->rnd, 20250101);
	for (i = 0; i < ROUNDS; i++) {
		model_step(f, m);
		model_check(f, m);
		cond_resched();
	}
}

/**
 * struct table_looker - looks without a lock, as a fault does
 * @f: at what
 * @stop: when to end
 * @looks: so far
 * @done: it has ended
 */
struct table_looker {
	struct pt_fixture *f;
	bool stop;
	unsigned long looks;
	struct completion done;
};

static int table_look(void *arg)
{
	struct table_looker *l = arg;
	unsigned int page = 0;

	while (!READ_ONCE(l->stop)) {
		vsvm_pt_mapped(&l->f->pt, l->f->span, PT_PAGE(page), page & 1);
		page = (page + 131) % MODEL_PAGES;
		WRITE_ONCE(l->looks, l->looks + 1);
		cond_resched();
	}
	kthread_complete_and_exit(&l->done, 0);
}

/* Looks meet tables that come and go */
static void table_lookers(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct table_looker *l;
	struct task_struct *task;
	unsigned int i;

	l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, l);
	l->f = f;
	init_completion(&l->done);
	task = kthread_run(table_look, l, "vsvm-kunit-look");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (i = 0; i < 60 || !READ_ONCE(l->looks); i++) {
		pt_map(f, 0, PT_BLOCK, true);
		pt_map(f, PT_BLOCK + 5, 40, true);
		pt_map_huge(f, 0, true);
		pt_zap(f, 7, PT_BLOCK + 100);
		pt_collect(f);
		pt_zap(f, 0, PT_PAGES);
		pt_collect(f);
	}
	WRITE_ONCE(l->stop, true);
	wait_for_completion(&l->done);
	KUNIT_EXPECT_GT(test, l->looks, 0);
	KUNIT_EXPECT_EQ(test, 3, tables(f));
}

static struct kunit_case vsvm_pt_table_cases[] = {
	KUNIT_CASE(table_tree),
	KUNIT_CASE(table_no_memory),
	KUNIT_CASE(table_collected),
	KUNIT_CASE(table_collected_in_time),
	KUNIT_CASE(table_used_again),
	KUNIT_CASE(table_for_nothing),
	KUNIT_CASE(table_span_empty),
	KUNIT_CASE(table_span_goes),
	KUNIT_CASE_SLOW(table_random),
	KUNIT_CASE_SLOW(table_lookers),
	{ }
};

struct kunit_suite vsvm_pt_table_suite = {
	.name = "vsvm_pt_table",
	.init = pt_fixture_init,
	.exit = pt_fixture_exit,
	.test_cases = vsvm_pt_table_cases,
};
