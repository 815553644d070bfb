// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens between two steps of a service: the fake device calls a test
 * back when memory has been prepared, which is after the walk of the process'
 * page table and before anything is mapped.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>

#include "tests/svm_fixture.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	VSVM_SVM_BLOCK_PAGES
#define TOUCH	100

static void hook_unmap(struct svm_fake *fake)
{
	svm_munmap(fake->hook_arg, TOUCH, 1);
}

/* The page that was found has gone before it could be mapped */
static void race_unmapped(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_unmap;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, BLOCK));
	svm_expect_stat(f, RETRIES, 1);
}

static void hook_replace(struct svm_fake *fake)
{
	struct svm_fixture *f = fake->hook_arg;

	svm_mmap(f, TOUCH, 1, RW);
	svm_write(f, TOUCH, 1);
}

/* Something else is there by now: that is what is mapped */
static void race_replaced(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, TOUCH, 1);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_replace;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 1, svm_writable(f, 0, BLOCK));
	svm_agree(f);
	svm_expect_calls(f, MAP, 1);
	svm_expect_stat(f, RETRIES, 1);
}

static void hook_unmap_around(struct svm_fake *fake)
{
	svm_munmap(fake->hook_arg, TOUCH + 1, 1);
}

/* What has gone is a neighbour: the page itself is served all the same */
static void race_neighbour(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, TOUCH, 1);
	/* A mapping of its own: splitting one invalidates all of the block */
	svm_mmap(f, TOUCH + 1, 1, PROT_READ);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH + 1, false));
	KUNIT_EXPECT_EQ(test, 2, svm_mapped(f, 0, BLOCK));
	svm_munmap(f, TOUCH, 1);
	svm_mmap(f, TOUCH, 1, RW);
	svm_write(f, TOUCH, 1);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_unmap_around;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, TOUCH, 1));
	svm_expect_stat(f, RETRIES, 0);
}

static void hook_unmap_next_block(struct svm_fake *fake)
{
	svm_munmap(fake->hook_arg, BLOCK, BLOCK);
}

/* Nor does it matter what goes on elsewhere in the span */
static void race_elsewhere_in_the_span(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, 2 * BLOCK, RW);
	svm_write(f, TOUCH, 2);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_unmap_next_block;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 2, svm_mapped(f, 0, BLOCK));
	svm_expect_stat(f, INVALIDATIONS, 1);
	svm_expect_stat(f, RETRIES, 0);
}

static void hook_unmap_many(struct svm_fake *fake)
{
	unsigned int i;

	for (i = 0; i <= VSVM_SVM_LOG; i++)
		svm_munmap(fake->hook_arg, BLOCK + 2 * i, 1);
}

/* More than the notifier remembers: any page may have been among them */
static void race_more_than_remembered(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, 2 * BLOCK, RW);
	svm_write(f, TOUCH, 1);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_unmap_many;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_GT(test, vsvm_svm_stat(f->svm, VSVM_STAT_INVALIDATIONS),
			(u64)VSVM_SVM_LOG);
	svm_expect_stat(f, RETRIES, 1);
}

#define STORM	1000

static void hook_storm(struct svm_fake *fake)
{
	struct svm_fixture *f = fake->hook_arg;

	svm_munmap(f, TOUCH, 1);
	svm_mmap(f, TOUCH, 1, RW);
	if (svm_fake_count(fake, SVM_FAKE_PREPARE) < STORM)
		fake->hook[SVM_FAKE_PREPARE] = hook_storm;
}

/* However often it has to begin again: what ends it is the deadline */
static void race_storm(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, TOUCH, 1, RW);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_storm;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	svm_expect_stat(f, RETRIES, STORM);
	KUNIT_EXPECT_EQ(test, 1, svm_writable(f, TOUCH, 1));
}

static void hook_unmap_elsewhere(struct svm_fake *fake)
{
	svm_munmap(fake->hook_arg, 3 * BLOCK, BLOCK);
}

/* What goes on in another span is nobody's business here */
static void race_elsewhere(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 3 * BLOCK, true));
	f->fake.hook[SVM_FAKE_PREPARE] = hook_unmap_elsewhere;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	svm_expect_stat(f, RETRIES, 0);
	svm_expect_stat(f, INVALIDATIONS, 1);
}

static void hook_stop(struct svm_fake *fake)
{
	struct svm_fixture *f = fake->hook_arg;

	vsvm_svm_stop(f->svm);
}

static void race_stop(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_stop;
	f->fake.hook_arg = f;
	svm_ask(f, TOUCH, true);
	svm_ask(f, TOUCH + 30, true);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, f->req[1].status);
	svm_expect_calls(f, MAP, 0);
	svm_expect_calls(f, FINISH, 1);
}

static void hook_rebind(struct svm_fake *fake)
{
	struct svm_fixture *f = fake->hook_arg;

	WRITE_ONCE(f->epoch, f->epoch + 1);
}

static void race_rebound(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_rebind;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_STALE, svm_serve(f, TOUCH, true));
	svm_expect_calls(f, MAP, 0);
	svm_expect_calls(f, FINISH, 1);
}

/* The device wants to be asked again, and is */
static void race_again(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->fake.fail_map = 3;
	f->fake.map_error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	svm_expect_stat(f, RETRIES, 3);
	svm_expect_stat(f, POPULATED, 1);
	svm_expect_calls(f, MAP, 4);
	svm_expect_calls(f, PREPARE, 4);
	svm_expect_calls(f, FINISH, 3);
}

static void hook_collect(struct svm_fake *fake)
{
	WRITE_ONCE(fake->table[0], false);
}

/* Memory that was there when it was asked for, and is not when it is needed */
static void race_collected(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	svm_munmap(f, TOUCH, 1);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_collect;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 300, true));
	svm_expect_stat(f, RETRIES, 1);
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
}

static void hook_serve(struct svm_fake *fake)
{
	struct svm_fixture *f = fake->hook_arg;
	struct vsvm_svm_request request = {
		.address = SVM_PAGE(TOUCH),
		.access = VSVM_SVM_WRITE,
	};
	struct vsvm_svm_scratch *scratch;

	scratch = kmalloc_obj(*scratch);
	if (!scratch)
		return;
	vsvm_svm_serve(f->svm, &request, 1, &f->bounds, scratch,
		       VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(f->test, VSVM_SVM_OK, request.status);
	kfree(scratch);
}

/* Somebody else was faster: what was prepared is given back */
static void race_served_twice(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->fake.hook[SVM_FAKE_PREPARE] = hook_serve;
	f->fake.hook_arg = f;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	svm_expect_calls(f, MAP, 2);
	svm_expect_calls(f, FINISH, 1);
	svm_expect_stat(f, POPULATED, 1);
	svm_expect_stat(f, AROUND, 0);
}

/* A huge page is tried again as well */
static void race_huge(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	if (!svm_make_huge(f, BLOCK)) {
		kunit_mark_skipped(test, "no huge page to be had");
		return;
	}
	f->fake.fail_map = 2;
	f->fake.map_error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK + 7, true));
	KUNIT_EXPECT_EQ(test, BLOCK, svm_mapped(f, BLOCK, BLOCK));
	svm_expect_stat(f, RETRIES, 2);
	svm_expect_calls(f, MAP_HUGE, 3);
}

/* --- several threads --- */

#define STRESS_ROUNDS	1500
#define STRESS_PAGES	(2 * BLOCK)

/**
 * struct race_thread - a thread of the process
 * @f: the process
 * @seed: of its choices
 * @fn: what it does
 * @stop: it should end; it does so in time by itself
 * @done: it has
 */
struct race_thread {
	struct svm_fixture *f;
	u32 seed;
	void (*fn)(struct race_thread *t);
	bool stop;
	struct completion done;
};

static int race_thread(void *arg)
{
	struct race_thread *t = arg;

	kthread_use_mm(t->f->mm);
	t->fn(t);
	kthread_unuse_mm(t->f->mm);
	kthread_complete_and_exit(&t->done, 0);
}

static void race_begin(struct race_thread *t)
{
	struct task_struct *task;

	init_completion(&t->done);
	task = kthread_run(race_thread, t, "vsvm-kunit-race");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(t->f->test, task);
}

/* The program: maps, writes, unmaps; what it has unmapped is out of reach */
static void race_program(struct race_thread *t)
{
	struct svm_fixture *f = t->f;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, t->seed);
	for (i = 0; i < STRESS_ROUNDS; i++) {
		u32 first = prandom_u32_state(&rnd) % STRESS_PAGES;
		u32 npages = 1 + prandom_u32_state(&rnd) % 24;

		npages = min_t(u32, npages, STRESS_PAGES - first);
		switch (prandom_u32_state(&rnd) % 4) {
		case 0:
			svm_munmap(f, first, npages);
			KUNIT_EXPECT_EQ(f->test, 0, svm_mapped(f, first, npages));
			svm_mmap(f, first, npages, RW);
			break;
		case 1:
			svm_mmap(f, first, npages, PROT_READ);
			KUNIT_EXPECT_EQ(f->test, 0, svm_writable(f, first, npages));
			svm_mmap(f, first, npages, RW);
			break;
		default:
			svm_write(f, first, npages);
			break;
		}
		cond_resched();
	}
}

static void race_stress(struct kunit *test)
{
	struct vsvm_svm_config config = svm_default_config;
	struct race_thread *t;
	struct rnd_state rnd;
	unsigned int served = 0;

	config.span_size = 2 * VSVM_SVM_BLOCK_SIZE;
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, &config);
	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->f = f;
	t->seed = 1;
	t->fn = race_program;
	f->fake.alone = false;
	svm_mmap(f, 0, STRESS_PAGES, RW);
	prandom_seed_state(&rnd, 2);
	race_begin(t);
	while (!try_wait_for_completion(&t->done)) {
		u32 page = prandom_u32_state(&rnd) % STRESS_PAGES;
		bool write = prandom_u32_state(&rnd) % 2;
		enum vsvm_svm_status status = svm_serve(f, page, write);

		if (status == VSVM_SVM_LATER) {
			svm_ask(f, page, write);
			svm_serve_all(f, VSVM_SVM_WAIT_LOCK);
			status = f->req[0].status;
		}
		if (status == VSVM_SVM_OK)
			served++;
		else
			KUNIT_EXPECT_TRUE_MSG(test, status == VSVM_SVM_NO_MAPPING ||
					      (write && status == VSVM_SVM_PERMISSION),
					      "status %u", status);
		cond_resched();
	}
	f->fake.alone = true;
	KUNIT_EXPECT_GT(test, served, 100);
	svm_agree(f);
}

/* Serves until it is told that all is over */
static void race_device(struct race_thread *t)
{
	enum vsvm_svm_status status;
	struct vsvm_svm_scratch *scratch;
	struct vsvm_svm_request request;
	struct svm_fixture *f = t->f;
	unsigned int page = t->seed;
	struct vsvm_svm_user user;

	scratch = kmalloc_obj(*scratch);
	if (!scratch)
		return;
	do {
		request = (struct vsvm_svm_request) {
			.address = SVM_PAGE(page),
			.access = VSVM_SVM_WRITE,
		};
		page = (page + 37) % SVM_FAKE_PAGES;
		vsvm_svm_enter(f->svm, &user);
		vsvm_svm_serve(f->svm, &request, 1, &f->bounds, scratch,
			       VSVM_SVM_WAIT_NOT);
		vsvm_svm_leave(f->svm, &user);
		status = request.status;
		cond_resched();
	} while (status == VSVM_SVM_OK);
	KUNIT_EXPECT_EQ(f->test, VSVM_SVM_EXITED, status);
	kfree(scratch);
}

/* When a stop has returned, nothing is mapped, and nothing is afterwards */
static void race_stop_while_serving(struct kunit *test)
{
	struct race_thread *t[2];
	unsigned int i;

	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	f->fake.alone = false;
	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = kunit_kzalloc(test, sizeof(*t[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, t[i]);
		t[i]->f = f;
		t[i]->seed = i;
		t[i]->fn = race_device;
	}
	for (i = 0; i < ARRAY_SIZE(t); i++)
		race_begin(t[i]);
	msleep(50);
	vsvm_svm_stop(f->svm);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, SVM_FAKE_PAGES));
	for (i = 0; i < ARRAY_SIZE(t); i++)
		wait_for_completion(&t[i]->done);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, SVM_FAKE_PAGES));
	KUNIT_EXPECT_GT(test, svm_present(f, 0, SVM_FAKE_PAGES), 0);
	f->fake.alone = true;
}

static struct kunit_case vsvm_svm_race_cases[] = {
	KUNIT_CASE(race_unmapped),
	KUNIT_CASE(race_replaced),
	KUNIT_CASE(race_neighbour),
	KUNIT_CASE(race_elsewhere),
	KUNIT_CASE(race_elsewhere_in_the_span),
	KUNIT_CASE(race_more_than_remembered),
	KUNIT_CASE_SLOW(race_storm),
	KUNIT_CASE(race_stop),
	KUNIT_CASE(race_rebound),
	KUNIT_CASE(race_again),
	KUNIT_CASE(race_collected),
	KUNIT_CASE(race_served_twice),
	KUNIT_CASE(race_huge),
	KUNIT_CASE_SLOW(race_stress),
	KUNIT_CASE(race_stop_while_serving),
	{ }
};

struct kunit_suite vsvm_svm_race_suite = {
	.name = "vsvm_svm_race",
	.test_cases = vsvm_svm_race_cases,
};
