// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches with a device that is an array: the process has its memory in the
 * upper blocks, the device finds it in the lower ones.
 */
#include <kunit/test.h>
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/slab.h>

#include "tests/suites.h"
#include "tests/svm_fixture.h"
#include "userptr/userptr_priv.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	VSVM_SVM_BLOCK_PAGES
/* Where the process' pages begin */
#define CPU	(4 * BLOCK)
#define RANGES	32

/**
 * struct batch_bench - a batch on the bench
 * @f: process, mirror and device
 * @up: its batches
 * @batch: page n of the device is page @cpu[n] of the process
 * @cpu: counted as in &struct svm_fixture
 * @npages: of the batch
 * @calls: of a hook
 * @scratch: for services
 */
struct batch_bench {
	struct svm_fixture *f;
	struct vsvm_userptr *up;
	struct vsvm_userptr_batch *batch;
	unsigned int cpu[BLOCK];
	unsigned int npages;
	unsigned int calls;
	struct vsvm_userptr_scratch scratch;
};

static void bench_end(struct batch_bench *b)
{
	struct vsvm_userptr_usage usage;

	vsvm_svm_zap(b->f->svm, SVM_BASE, SVM_END);
	vsvm_userptr_batch_put(b->batch);
	vsvm_userptr_usage(b->up, &usage);
	KUNIT_EXPECT_EQ(b->f->test, 0, usage.batches);
	KUNIT_EXPECT_EQ(b->f->test, 0, usage.windows);
	KUNIT_EXPECT_EQ(b->f->test, sizeof(*b->up), usage.bytes);
	vsvm_userptr_destroy(b->up);
	svm_leave(b->f);
}

DEFINE_FREE(bench_end, struct batch_bench *, bench_end(_T))

/* RANGES pages, two windows in turn, backwards; and the first ones once more */
static struct batch_bench *bench(struct kunit *test, unsigned int aliases)
{
	struct batch_bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	const struct vsvm_userptr_limits limits = { .end = TASK_SIZE, .bytes = 1ull << 40 };
	struct vsvm_userptr_piece *piece;
	unsigned int i;
	u32 failed;

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->f = svm_enter(test, NULL);
	b->up = vsvm_userptr_create(&svm_fake_ops, &b->f->fake, b->f->svm,
				    &svm_default_config);
	KUNIT_ASSERT_NOT_NULL(test, b->up);
	b->npages = RANGES + aliases;
	piece = kunit_kcalloc(test, b->npages, sizeof(*piece), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, piece);
	for (i = 0; i < b->npages; i++) {
		b->cpu[i] = CPU + 100 + 2 * (RANGES - i % RANGES) + (i % 2 ? 2 * BLOCK : 0);
		piece[i].start = SVM_PAGE(b->cpu[i]);
		piece[i].size = PAGE_SIZE;
	}
	b->batch = vsvm_userptr_batch_create(b->up, SVM_BASE, piece, b->npages, &limits,
					     &failed);
	KUNIT_ASSERT_FALSE(test, IS_ERR(b->batch));
	b->f->bounds.end = SVM_PAGE(b->npages);
	/* Page by page: cutting a mapping that holds a block takes all of the block away */
	for (i = 0; i < RANGES; i++)
		svm_mmap(b->f, b->cpu[i], 1, RW);
	return b;
}

static void bench_write(struct batch_bench *b)
{
	unsigned int i;

	for (i = 0; i < RANGES; i++)
		svm_write(b->f, b->cpu[i], 1);
}

/* All that was asked with svm_ask() */
static void bench_serve(struct batch_bench *b)
{
	struct svm_fixture *f = b->f;
	struct vsvm_svm_user user;
	unsigned int i;

	vsvm_svm_enter(f->svm, &user);
	vsvm_userptr_serve(b->batch, f->req, f->nreq, &f->bounds, &b->scratch,
			   VSVM_SVM_WAIT_NOT);
	vsvm_svm_leave(f->svm, &user);
	for (i = 0; i < f->nreq; i++)
		KUNIT_EXPECT_NE(f->test, VSVM_SVM_PENDING, f->req[i].status);
	f->nreq = 0;
}

static void bench_map_present(struct batch_bench *b)
{
	struct vsvm_svm_user user;

	vsvm_svm_enter(b->f->svm, &user);
	KUNIT_EXPECT_EQ(b->f->test, 0,
			vsvm_userptr_map_present(b->batch, SVM_BASE, SVM_PAGE(b->npages),
						 &b->f->bounds, &b->scratch));
	vsvm_svm_leave(b->f->svm, &user);
}

/* What is mapped is what the process has there.  Return: how many pages */
static unsigned int bench_agree(struct batch_bench *b)
{
	unsigned int i, n = 0;

	for (i = 0; i < b->npages; i++) {
		unsigned long entry = svm_fake_entry(&b->f->fake, SVM_PAGE(i));

		if (!(entry & SVM_FAKE_VALID))
			continue;
		n++;
		KUNIT_EXPECT_EQ_MSG(b->f->test, svm_look(b->f, b->cpu[i]) & ~HMM_PFN_FLAGS,
				    entry >> SVM_FAKE_PFN_SHIFT, "page %u", i);
	}
	KUNIT_EXPECT_EQ(b->f->test, n, svm_mapped(b->f, 0, 4 * BLOCK));
	return n;
}

static void serve_translates(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);
	struct vsvm_userptr_usage usage;

	bench_write(b);
	svm_ask(b->f, 3, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, b->f->req[0].status);
	/* What is around it, across ranges and windows, in one go */
	KUNIT_EXPECT_EQ(test, SVM_AROUND, bench_agree(b));
	svm_expect_calls(b->f, MAP, 1);
	vsvm_userptr_usage(b->up, &usage);
	KUNIT_EXPECT_EQ(test, 2, usage.windows);
}

static void serve_populates_one(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);

	svm_ask(b->f, 5, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, b->f->req[0].status);
	KUNIT_EXPECT_EQ(test, 1, bench_agree(b));
	KUNIT_EXPECT_EQ(test, 1, svm_present(b->f, CPU, 4 * BLOCK));
}

static void zap_hits_every_alias_and_nothing_else(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, RANGES);
	unsigned int i;

	bench_write(b);
	bench_map_present(b);
	KUNIT_EXPECT_EQ(test, 2 * RANGES, bench_agree(b));
	svm_munmap(b->f, b->cpu[7], 1);
	KUNIT_EXPECT_EQ(test, 2 * RANGES - 2, bench_agree(b));
	for (i = 0; i < b->npages; i++)
		KUNIT_EXPECT_EQ(test, i % RANGES == 7 ? 0 : 1, svm_mapped(b->f, i, 1));
	svm_expect_calls(b->f, ZAP, 2);
	/* Over both windows */
	svm_munmap(b->f, CPU, 4 * BLOCK);
	KUNIT_EXPECT_EQ(test, 0, bench_agree(b));
}

static void hook_unmap(struct svm_fake *fake)
{
	struct batch_bench *b = fake->hook_arg;

	svm_munmap(b->f, b->cpu[4], 1);
}

/*
 * One of two windows changes between the look and the commit: its pages are
 * looked at again, those of the other are mapped at once
 */
static void race_one_window_of_two(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);
	unsigned int i;

	bench_write(b);
	for (i = 0; i < 8; i++)
		svm_ask(b->f, i, true);
	b->f->fake.hook[SVM_FAKE_PREPARE] = hook_unmap;
	b->f->fake.hook_arg = b;
	bench_serve(b);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, i == 4 ? VSVM_SVM_NO_MAPPING : VSVM_SVM_OK,
				b->f->req[i].status);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(b->f, 4, 1));
	bench_agree(b);
	/* Every other page first, one by one, and then the rest */
	svm_expect_call(b->f, MAP, 0, 1, 1);
}

static void race_unmapped_is_not_mapped(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, RANGES);

	bench_write(b);
	b->f->fake.hook[SVM_FAKE_PREPARE] = hook_unmap;
	b->f->fake.hook_arg = b;
	svm_ask(b->f, 4, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, b->f->req[0].status);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(b->f, 4, 1));
	bench_agree(b);
}

/* Each look loses one of the two pages, in turn */
static void hook_reclaim(struct svm_fake *fake)
{
	struct batch_bench *b = fake->hook_arg;

	svm_mmap(b->f, b->cpu[4 + b->calls++ % 2], 1, RW);
	fake->hook[SVM_FAKE_PREPARE] = hook_reclaim;
}

/* They never are there together, and each is answered all the same */
static void race_reclaiming_one_another(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);

	b->f->fake.hook[SVM_FAKE_PREPARE] = hook_reclaim;
	b->f->fake.hook_arg = b;
	svm_ask(b->f, 4, true);
	svm_ask(b->f, 5, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, b->f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, b->f->req[1].status);
	KUNIT_EXPECT_GT(test, 6, b->calls);
	b->f->fake.hook[SVM_FAKE_PREPARE] = NULL;
	bench_agree(b);
}

static void hook_stop(struct svm_fake *fake)
{
	struct batch_bench *b = fake->hook_arg;

	vsvm_svm_stop(b->f->svm);
}

static void race_stopped(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);

	bench_write(b);
	b->f->fake.hook[SVM_FAKE_PREPARE] = hook_stop;
	b->f->fake.hook_arg = b;
	svm_ask(b->f, 4, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, b->f->req[0].status);
	KUNIT_EXPECT_EQ(test, 0, bench_agree(b));
}

static void hook_epoch(struct svm_fake *fake)
{
	struct batch_bench *b = fake->hook_arg;

	b->f->epoch++;
}

static void race_unbound(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);

	bench_write(b);
	b->f->fake.hook[SVM_FAKE_PREPARE] = hook_epoch;
	b->f->fake.hook_arg = b;
	svm_ask(b->f, 4, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_STALE, b->f->req[0].status);
	KUNIT_EXPECT_EQ(test, 0, bench_agree(b));
}

/* A page that the device cannot reach fails alone */
static void serve_unreachable(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);
	unsigned int i;

	bench_write(b);
	b->f->fake.unreachable = SVM_PAGE(6);
	for (i = 4; i < 9; i++)
		svm_ask(b->f, i, true);
	bench_serve(b);
	for (i = 4; i < 9; i++)
		KUNIT_EXPECT_EQ(test, i == 6 ? VSVM_SVM_UNSUPPORTED : VSVM_SVM_OK,
				b->f->req[i - 4].status);
	bench_agree(b);
}

static void serve_without_memory(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);

	bench_write(b);
	b->f->fake.fail_prepare = 1;
	svm_ask(b->f, 4, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MEMORY, b->f->req[0].status);
	KUNIT_EXPECT_EQ(test, 0, bench_agree(b));
	svm_ask(b->f, 4, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, b->f->req[0].status);
}

/* After an invalidation of one page, only that page is looked at and mapped */
static void restore_touches_what_was_hit(struct kunit *test)
{
	struct batch_bench *b __free(bench_end) = bench(test, 0);

	bench_write(b);
	bench_map_present(b);
	svm_mmap(b->f, b->cpu[9], 1, RW);
	svm_write(b->f, b->cpu[9], 1);
	KUNIT_EXPECT_EQ(test, RANGES - 1, bench_agree(b));
	svm_fake_forget(&b->f->fake);
	svm_ask(b->f, 9, true);
	bench_serve(b);
	KUNIT_EXPECT_EQ(test, RANGES, bench_agree(b));
	svm_expect_calls(b->f, MAP, 1);
	svm_expect_call(b->f, MAP, 0, 9, 1);
}

static struct kunit_case serve_cases[] = {
	KUNIT_CASE(serve_translates),
	KUNIT_CASE(serve_populates_one),
	KUNIT_CASE(zap_hits_every_alias_and_nothing_else),
	KUNIT_CASE(race_one_window_of_two),
	KUNIT_CASE(race_unmapped_is_not_mapped),
	KUNIT_CASE(race_reclaiming_one_another),
	KUNIT_CASE(race_stopped),
	KUNIT_CASE(race_unbound),
	KUNIT_CASE(serve_unreachable),
	KUNIT_CASE(serve_without_memory),
	KUNIT_CASE(restore_touches_what_was_hit),
	{}
};

struct kunit_suite vsvm_userptr_serve_suite = {
	.name = "vsvm_userptr_serve",
	.test_cases = serve_cases,
};
