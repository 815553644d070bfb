// SPDX-License-Identifier: GPL-2.0-only
/* The life of spans, how they are found, and what is counted. */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/workqueue.h>

#include "tests/svm_fixture.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	VSVM_SVM_BLOCK_PAGES
#define SPAN	(2 * BLOCK)

static void span_once(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct vsvm_svm_notifier *n;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, 0, vsvm_svm_spans(f->svm));
	KUNIT_EXPECT_EQ(test, 0, vsvm_svm_meta_bytes(f->svm));
	for (i = 0; i < SVM_FAKE_PAGES; i += BLOCK) {
		n = vsvm_svm_notifier_get(f->svm, SVM_PAGE(i) + 123);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, n);
		KUNIT_EXPECT_EQ(test, SVM_PAGE(i / SPAN * SPAN), n->span->start);
		KUNIT_EXPECT_EQ(test, SVM_PAGE((i / SPAN + 1) * SPAN), n->span->end);
		KUNIT_EXPECT_PTR_EQ(test, n, vsvm_svm_notifier_get(f->svm, n->span->start));
		KUNIT_EXPECT_PTR_EQ(test, n,
				    vsvm_svm_notifier_get(f->svm, n->span->end - 1));
		KUNIT_EXPECT_EQ(test, i / SPAN + 1, vsvm_svm_spans(f->svm));
	}
	svm_expect_calls(f, SPAN_CREATE, SVM_FAKE_PAGES / SPAN);
	KUNIT_EXPECT_GE(test, vsvm_svm_meta_bytes(f->svm),
			SVM_FAKE_PAGES / SPAN * sizeof(*n));
}

/* The device has no memory: nothing is left behind, and it can be tried again */
static void span_no_memory(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct vsvm_svm_notifier *n;

	f->fake.fail_span = 2;
	n = vsvm_svm_notifier_get(f->svm, SVM_BASE);
	KUNIT_EXPECT_EQ(test, -ENOMEM, PTR_ERR_OR_ZERO(n));
	n = vsvm_svm_notifier_get(f->svm, SVM_BASE);
	KUNIT_EXPECT_EQ(test, -ENOMEM, PTR_ERR_OR_ZERO(n));
	KUNIT_EXPECT_EQ(test, 0, vsvm_svm_spans(f->svm));
	n = vsvm_svm_notifier_get(f->svm, SVM_BASE);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(n));
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
}

static void span_after_stop(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(f->svm, SVM_BASE);

	vsvm_svm_stop(f->svm);
	KUNIT_EXPECT_PTR_EQ(test, n, vsvm_svm_notifier_get(f->svm, SVM_BASE));
	n = vsvm_svm_notifier_get(f->svm, SVM_PAGE(SPAN));
	KUNIT_EXPECT_EQ(test, -ESRCH, PTR_ERR_OR_ZERO(n));
	svm_expect_calls(f, SPAN_CREATE, 1);
}

/**
 * struct span_finder - looks a span up in the background
 * @work: does it
 * @f: where
 * @start: waits for this, if anything
 * @found: what it has found
 */
struct span_finder {
	struct work_struct work;
	struct svm_fixture *f;
	struct completion *start;
	struct vsvm_svm_notifier *found;
	struct completion done;
};

static void span_find(struct work_struct *work)
{
	struct span_finder *finder = container_of(work, struct span_finder, work);
	struct vsvm_svm_user user;

	if (finder->start)
		wait_for_completion(finder->start);
	vsvm_svm_enter(finder->f->svm, &user);
	finder->found = vsvm_svm_notifier_get(finder->f->svm, SVM_BASE);
	vsvm_svm_leave(finder->f->svm, &user);
	complete(&finder->done);
}

static struct span_finder *finder_create(struct svm_fixture *f)
{
	struct span_finder *finder = kunit_kzalloc(f->test, sizeof(*finder), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(f->test, finder);
	finder->f = f;
	init_completion(&finder->done);
	INIT_WORK(&finder->work, span_find);
	return finder;
}

/* One that exists is found while others are being created */
static void span_lock_free(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(f->svm, SVM_BASE);
	struct span_finder *finder = finder_create(f);

	mutex_lock(&f->svm->lock);
	mutex_lock(&n->span->lock);
	queue_work(system_dfl_wq, &finder->work);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&finder->done, 5 * HZ));
	mutex_unlock(&n->span->lock);
	mutex_unlock(&f->svm->lock);
	flush_work(&finder->work);
	KUNIT_EXPECT_PTR_EQ(test, n, finder->found);
}

/* Many threads that all want the same one, at once */
static void span_race(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	DECLARE_COMPLETION_ONSTACK(start);
	struct span_finder *finder[8];
	unsigned int i;

	f->fake.alone = false;
	for (i = 0; i < ARRAY_SIZE(finder); i++) {
		finder[i] = finder_create(f);
		finder[i]->start = &start;
	}
	for (i = 0; i < ARRAY_SIZE(finder); i++)
		queue_work(system_dfl_wq, &finder[i]->work);
	complete_all(&start);
	for (i = 0; i < ARRAY_SIZE(finder); i++)
		flush_work(&finder[i]->work);
	f->fake.alone = true;
	for (i = 0; i < ARRAY_SIZE(finder); i++) {
		KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(finder[i]->found));
		KUNIT_EXPECT_PTR_EQ(test, finder[0]->found, finder[i]->found);
	}
	svm_expect_calls(f, SPAN_CREATE, 1);
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
}

#define WALK_MAX	8

/**
 * struct span_walk - what a walk has come by
 * @test: that walks
 * @n: how many
 * @end_at: ends with -EINTR at this one
 * @start: of each
 * @end: of each
 */
struct span_walk {
	struct kunit *test;
	unsigned int n;
	unsigned int end_at;
	unsigned long start[WALK_MAX];
	unsigned long end[WALK_MAX];
};

static int span_visit(struct vsvm_svm_span *span, unsigned long start,
		      unsigned long end, void *arg)
{
	struct span_walk *w = arg;

	KUNIT_EXPECT_TRUE(w->test, mutex_is_locked(&span->lock));
	KUNIT_EXPECT_GE(w->test, start, span->start);
	KUNIT_EXPECT_LE(w->test, end, span->end);
	if (w->n < WALK_MAX) {
		w->start[w->n] = start;
		w->end[w->n] = end;
	}
	return ++w->n == w->end_at ? -EINTR : 0;
}

static int walk(struct svm_fixture *f, struct span_walk *w, unsigned int end_at,
		unsigned long start, unsigned long end)
{
	*w = (struct span_walk) { .test = f->test, .end_at = end_at };
	return vsvm_svm_walk_spans(f->svm, start, end, span_visit, w);
}

static void span_walks(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct span_walk w;

	KUNIT_EXPECT_EQ(test, 0, walk(f, &w, 0, 0, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, 0, w.n);
	/* The first, the second and the fourth exist */
	vsvm_svm_notifier_get(f->svm, SVM_BASE);
	vsvm_svm_notifier_get(f->svm, SVM_PAGE(SPAN));
	vsvm_svm_notifier_get(f->svm, SVM_PAGE(3 * SPAN));

	KUNIT_EXPECT_EQ(test, 0, walk(f, &w, 0, SVM_PAGE(3), SVM_PAGE(3 * SPAN + 2)));
	KUNIT_ASSERT_EQ(test, 3, w.n);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(3), w.start[0]);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(SPAN), w.end[0]);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(SPAN), w.start[1]);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(2 * SPAN), w.end[1]);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(3 * SPAN), w.start[2]);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(3 * SPAN + 2), w.end[2]);

	KUNIT_EXPECT_EQ(test, 0, walk(f, &w, 0, 0, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, 3, w.n);
	KUNIT_EXPECT_EQ(test, SVM_BASE, w.start[0]);
	KUNIT_EXPECT_EQ(test, SVM_END, w.end[2]);

	/* Ends where a span begins: that one is not visited */
	KUNIT_EXPECT_EQ(test, 0, walk(f, &w, 0, SVM_PAGE(SPAN - 1), SVM_PAGE(SPAN)));
	KUNIT_EXPECT_EQ(test, 1, w.n);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(SPAN - 1), w.start[0]);
	KUNIT_EXPECT_EQ(test, SVM_PAGE(SPAN), w.end[0]);

	/* Nothing, the wrong way round, and where there is none */
	walk(f, &w, 0, SVM_PAGE(5), SVM_PAGE(5));
	KUNIT_EXPECT_EQ(test, 0, w.n);
	walk(f, &w, 0, SVM_PAGE(6), SVM_PAGE(5));
	KUNIT_EXPECT_EQ(test, 0, w.n);
	walk(f, &w, 0, SVM_PAGE(2 * SPAN), SVM_PAGE(3 * SPAN));
	KUNIT_EXPECT_EQ(test, 0, w.n);

	/* Not 0 ends it */
	KUNIT_EXPECT_EQ(test, -EINTR, walk(f, &w, 2, 0, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, 2, w.n);
}

/* A zap that the driver asks for, over spans and the gap between them */
static void span_zap(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	svm_write(f, 0, SVM_AROUND);
	svm_write(f, 2 * SPAN, SVM_AROUND);
	svm_serve(f, 0, true);
	svm_serve(f, 2 * SPAN, true);
	svm_fake_forget(&f->fake);
	KUNIT_EXPECT_EQ(test, SVM_AROUND - 4 + 3,
			vsvm_svm_zap(f->svm, SVM_PAGE(4), SVM_PAGE(2 * SPAN + 3)));
	KUNIT_EXPECT_EQ(test, 4, svm_mapped(f, 0, SPAN));
	KUNIT_EXPECT_EQ(test, SVM_AROUND - 3, svm_mapped(f, 2 * SPAN, SPAN));
	svm_expect_call(f, ZAP, 0, 4, SPAN - 4);
	svm_expect_call(f, ZAP, 1, 2 * SPAN, 3);
	/* No event of core-mm, and it can be had again */
	svm_expect_stat(f, INVALIDATIONS, 0);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 4, true));
	KUNIT_EXPECT_EQ(test, 0, vsvm_svm_zap(f->svm, SVM_PAGE(SPAN), SVM_PAGE(2 * SPAN)));
}

/* --- spans that are of no more use --- */

/* Give up what is idle; the test must not be about, or it holds that up */
static void collect(struct svm_fixture *f)
{
	flush_delayed_work(&f->svm->collect);
}

/* The same, when all who were about have left */
static void collect_later(struct svm_fixture *f)
{
	synchronize_srcu(&f->svm->users);
	collect(f);
}

static struct svm_fixture *collected_enter(struct kunit *test)
{
	struct vsvm_svm_config config = svm_default_config;

	/* Only when it is told to */
	config.idle_ms = 3600000;
	return svm_enter(test, &config);
}

static void span_given_up(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = collected_enter(test);
	unsigned int i;

	svm_mmap(f, 0, BLOCK, RW);
	svm_serve(f, 1, true);
	for (i = SPAN; i < SVM_FAKE_PAGES; i += SPAN)
		vsvm_svm_notifier_get(f->svm, SVM_PAGE(i));
	KUNIT_EXPECT_EQ(test, SVM_FAKE_PAGES / SPAN, vsvm_svm_spans(f->svm));

	vsvm_svm_leave(f->svm, &f->user);
	collect(f);
	/* Found empty once: that may be a moment only */
	KUNIT_EXPECT_EQ(test, SVM_FAKE_PAGES / SPAN, vsvm_svm_spans(f->svm));
	collect_later(f);
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&f->fake.spans));
	collect_later(f);
	collect_later(f);
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
	vsvm_svm_enter(f->svm, &f->user);

	/* What is left still watches, and what has gone can be had again */
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	svm_munmap(f, 0, BLOCK);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, BLOCK));
	svm_mmap(f, SPAN, BLOCK, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, SPAN + 3, true));
	KUNIT_EXPECT_EQ(test, 2, vsvm_svm_spans(f->svm));
	svm_munmap(f, SPAN, BLOCK);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, SPAN, BLOCK));
}

/* Whoever has one keeps it, however long that takes */
static void span_kept_while_used(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = collected_enter(test);
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(f->svm, SVM_BASE);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		collect(f);
		msleep(20);
	}
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&f->fake.spans));
	/* Unless it was looked up in between, it goes with the last user */
	vsvm_svm_leave(f->svm, &f->user);
	collect_later(f);
	collect_later(f);
	KUNIT_EXPECT_EQ(test, 0, vsvm_svm_spans(f->svm));
	vsvm_svm_enter(f->svm, &f->user);
	KUNIT_EXPECT_PTR_NE(test, NULL, n);
}

/* Looking one up is use enough */
static void span_looked_up_again(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = collected_enter(test);
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(f->svm, SVM_BASE);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		vsvm_svm_leave(f->svm, &f->user);
		collect_later(f);
		vsvm_svm_enter(f->svm, &f->user);
		KUNIT_EXPECT_PTR_EQ(test, n, vsvm_svm_notifier_get(f->svm, SVM_BASE));
		vsvm_svm_leave(f->svm, &f->user);
		collect_later(f);
		vsvm_svm_enter(f->svm, &f->user);
		KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
		KUNIT_EXPECT_PTR_EQ(test, n, vsvm_svm_notifier_get(f->svm, SVM_BASE));
	}
}

/* Mapped by somebody who had found it before it was found empty */
static void span_filled_late(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = collected_enter(test);
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(f->svm, SVM_BASE);

	svm_mmap(f, 0, BLOCK, RW);
	collect(f);
	svm_serve(f, 5, true);
	atomic_set(&n->life, VSVM_SVM_IDLE);
	vsvm_svm_leave(f->svm, &f->user);
	collect_later(f);
	vsvm_svm_enter(f->svm, &f->user);
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_IN_USE, atomic_read(&n->life));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
}

static void collect_all_the_time(struct work_struct *work)
{
	struct span_finder *finder = container_of(work, struct span_finder, work);

	while (!try_wait_for_completion(finder->start)) {
		flush_delayed_work(&finder->f->svm->collect);
		cond_resched();
	}
	complete(&finder->done);
}

/* Found, given up and found again, as fast as it goes: nothing is mapped unwatched */
static void span_given_up_under_users(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = collected_enter(test);
	DECLARE_COMPLETION_ONSTACK(stop);
	struct span_finder *finder = finder_create(f);
	unsigned int i, page;

	f->fake.alone = false;
	finder->start = &stop;
	INIT_WORK(&finder->work, collect_all_the_time);
	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	vsvm_svm_leave(f->svm, &f->user);
	queue_work(system_dfl_wq, &finder->work);
	for (i = 0; i < 1500; i++) {
		page = i * 37 % SVM_FAKE_PAGES;
		vsvm_svm_enter(f->svm, &f->user);
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, page, true));
		vsvm_svm_leave(f->svm, &f->user);
		if (i % 8 == 0)
			usleep_range(500, 1000);
		KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, page, 1));
		/* Core-mm's own way to take it away: whoever watches hears of it */
		svm_mmap(f, page / BLOCK * BLOCK, BLOCK, RW);
		KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, page / BLOCK * BLOCK, BLOCK));
	}
	complete_all(&stop);
	flush_work(&finder->work);
	vsvm_svm_enter(f->svm, &f->user);
	f->fake.alone = true;
	/* Else this was a test of nothing */
	KUNIT_EXPECT_GT(test, svm_fake_count(&f->fake, SVM_FAKE_SPAN_DESTROY), 10);
}

static void span_counters(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu_ptr(vsvm_svm_counters(f->svm), cpu)->v[VSVM_STAT_SLOW] = cpu + 1;
	svm_expect_stat(f, SLOW, nr_cpu_ids * (nr_cpu_ids + 1) / 2);
	vsvm_svm_count(f->svm, VSVM_STAT_FAULTS, 3);
	vsvm_svm_count(f->svm, VSVM_STAT_FAULTS, 4);
	svm_expect_stat(f, FAULTS, 7);
	svm_expect_stat(f, FOLDED, 0);
}

/* Times are counted where something was done, and only there */
static void span_times(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
	KUNIT_EXPECT_GT(test, vsvm_svm_stat(f->svm, VSVM_STAT_SERVICE_NS), 0);
	KUNIT_EXPECT_GT(test, vsvm_svm_stat(f->svm, VSVM_STAT_POPULATE_NS), 0);
	KUNIT_EXPECT_GT(test, vsvm_svm_stat(f->svm, VSVM_STAT_SNAPSHOT_NS), 0);
	KUNIT_EXPECT_GT(test, vsvm_svm_stat(f->svm, VSVM_STAT_MAP_NS), 0);
	svm_expect_stat(f, INVALIDATE_NS, 0);
	KUNIT_EXPECT_GE(test, vsvm_svm_stat(f->svm, VSVM_STAT_SERVICE_NS),
			vsvm_svm_stat(f->svm, VSVM_STAT_POPULATE_NS) +
			vsvm_svm_stat(f->svm, VSVM_STAT_SNAPSHOT_NS));
	svm_munmap(f, 1, 1);
	KUNIT_EXPECT_GT(test, vsvm_svm_stat(f->svm, VSVM_STAT_INVALIDATE_NS), 0);
}

static struct kunit_case vsvm_svm_span_cases[] = {
	KUNIT_CASE(span_once),
	KUNIT_CASE(span_no_memory),
	KUNIT_CASE(span_after_stop),
	KUNIT_CASE(span_lock_free),
	KUNIT_CASE(span_race),
	KUNIT_CASE(span_walks),
	KUNIT_CASE(span_zap),
	KUNIT_CASE(span_given_up),
	KUNIT_CASE(span_kept_while_used),
	KUNIT_CASE(span_looked_up_again),
	KUNIT_CASE(span_filled_late),
	KUNIT_CASE_SLOW(span_given_up_under_users),
	KUNIT_CASE(span_counters),
	KUNIT_CASE(span_times),
	{ }
};

struct kunit_suite vsvm_svm_span_suite = {
	.name = "vsvm_svm_span",
	.test_cases = vsvm_svm_span_cases,
};
