// SPDX-License-Identifier: MIT
/*
 * What comes before what: FENCE, BARRIER, WAIT, SPIN, submissions, queues.
 */
#include "vsvm_harness.h"

FIXTURE(order)
{
	struct test_vm t;
	struct test_queue other;
	/* Words that device and CPU talk through */
	volatile uint64_t *word;
	char *p;
};

#define BYTES	(1ul << 20)

FIXTURE_SETUP(order)
{
	ASSERT_EQ(0, test_open(&self->t));
	ASSERT_EQ(0, test_queue_open(&self->t, &self->other));
	self->word = map_anon(PAGE);
	self->p = map_anon(BYTES);
}

FIXTURE_TEARDOWN(order)
{
	test_queue_close(&self->other);
	EXPECT_EQ(0, test_close(&self->t));
}

/* Waits for a word in memory to become a value, as a program would that polls */
static bool poll_word(const volatile uint64_t *word, uint64_t value)
{
	uint64_t since = 0;

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		if (!test_patient(&since))
			return false;
	return true;
}

TEST_F(order, fence_comes_after_all_before_it)
{
	unsigned long i, rounds = test_scale(30);

	/* A long packet, then a fence: whoever sees the fence sees all of the packet's work */
	for (i = 1; i <= rounds; i++) {
		put_fill(&self->t.q, self->p, BYTES, i);
		put_fence(&self->t.q, self->word, i);
		ASSERT_EQ(0, test_submit(&self->t.q));
		ASSERT_EQ(true, poll_word(self->word, i));
		EXPECT_EQ(i, *(uint64_t *)self->p);
		EXPECT_EQ(i, *(uint64_t *)(self->p + BYTES - 8));
		EXPECT_EQ(i, *(uint64_t *)(self->p + BYTES / 2));
		ASSERT_EQ(0, test_wait(&self->t.q));
	}
}

TEST_F(order, fence_comes_after_what_faults_before_it)
{
	uint64_t *fresh = map_anon(256 * PAGE);
	int i;

	/* Each of the stores is parked when the fence's turn comes */
	for (i = 0; i < 60; i++)
		put_store64(&self->t.q, (char *)fresh + i * 4 * PAGE, i + 1);
	put_fence(&self->t.q, self->word, 1);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(true, poll_word(self->word, 1));
	for (i = 0; i < 60; i++) {
		EXPECT_EQ(i + 1, *(int *)((char *)fresh + i * 4 * PAGE));
	}
}

TEST_F(order, fences_come_in_order)
{
	int i;

	for (i = 1; i <= 200; i++)
		put_fence(&self->t.q, self->word, i);
	ASSERT_EQ(0, test_submit(&self->t.q));
	uint64_t last = 0, now, since = 0;

	while ((now = *self->word) != 200 && test_patient(&since)) {
		ASSERT_LE(last, now);
		last = now;
	}
	EXPECT_EQ(200, *self->word);
}

TEST_F(order, barrier_holds_what_is_behind_it)
{
	unsigned long i, rounds = test_scale(30);

	for (i = 1; i <= rounds; i++) {
		char *fresh = map_anon(BYTES / 2);

		/* The copy must not overtake the fill that makes its source */
		put_fill(&self->t.q, fresh, BYTES / 2, i);
		put_barrier(&self->t.q);
		put_copy(&self->t.q, self->p, fresh, BYTES / 2);
		put_barrier(&self->t.q);
		put_fill(&self->t.q, fresh, BYTES / 2, 0);
		ASSERT_EQ(0, test_run(&self->t.q));
		EXPECT_EQ(i, *(uint64_t *)self->p);
		EXPECT_EQ(i, *(uint64_t *)(self->p + BYTES / 2 - 8));
		EXPECT_EQ(0, *(uint64_t *)(fresh + BYTES / 2 - 8));
		munmap(fresh, BYTES / 2);
	}
}

TEST_F(order, barrier_flag_on_any_packet)
{
	int i;

	/* A chain of copies, each from where the one before put it */
	*(uint64_t *)self->p = 0xc0ffee;
	for (i = 0; i < 200; i++) {
		put_copy(&self->t.q, self->p + (i + 1) * 512, self->p + i * 512, 8);
		self->t.q.packets[self->t.q.count - 1].flags = VSVM_PACKET_F_BARRIER;
	}
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0xc0ffee, *(uint64_t *)(self->p + 200 * 512));
}

TEST_F(order, barrier_reaches_across_submissions)
{
	unsigned long i, rounds = test_scale(30);

	for (i = 1; i <= rounds; i++) {
		put_fill(&self->t.q, self->p, BYTES / 2, i);
		ASSERT_EQ(0, test_submit(&self->t.q));
		put_barrier(&self->t.q);
		put_copy(&self->t.q, self->p + BYTES / 2, self->p, BYTES / 2);
		ASSERT_EQ(0, test_submit(&self->t.q));
		ASSERT_EQ(0, test_wait(&self->t.q));
		EXPECT_EQ(i, *(uint64_t *)(self->p + BYTES - 8));
		EXPECT_EQ(i, *(uint64_t *)(self->p + BYTES / 2));
	}
}

TEST_F(order, submission_fence_comes_after_all_submitted_before)
{
	uint64_t *fences = map_anon(PAGE);
	struct drm_vsvm_command none = { 0 };
	uint64_t sequence, last = 0;
	int i;

	for (i = 0; i < 20; i++) {
		put_fill(&self->t.q, self->p, BYTES, i + 1);
		ASSERT_EQ(0, test_submit(&self->t.q));
		/* Nothing but a fence */
		ASSERT_EQ(0, test_submit_raw(&self->t.q, &none, 0, (uintptr_t)&fences[i], 1,
					     &sequence));
		EXPECT_LT(last, sequence);
		last = sequence;
	}
	EXPECT_EQ(0, test_wait_value(&self->t, &fences[19], 1, VSVM_COMPARE_EQ, test_patience()));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(1, fences[i]);
	}
	EXPECT_EQ(20, *self->t.q.fence);
}

TEST_F(order, several_command_buffers_of_one_submission)
{
	struct drm_vsvm_command commands[4];
	uint64_t *fence = map_anon(PAGE);
	int i;

	for (i = 0; i < 4; i++) {
		commands[i].address = (uintptr_t)&self->t.q.packets[self->t.q.count];
		put_atomic(&self->t.q, VSVM_ATOMIC_ADD, 8, self->word, 1ull << (i * 8), 0, NULL);
		if (i == 2)
			put_barrier(&self->t.q);
		commands[i].bytes = (uintptr_t)&self->t.q.packets[self->t.q.count] -
				    commands[i].address;
	}
	ASSERT_EQ(0, test_submit_raw(&self->t.q, commands, 4, (uintptr_t)fence, 5, NULL));
	EXPECT_EQ(0, test_wait_value(&self->t, fence, 5, VSVM_COMPARE_EQ, test_patience()));
	EXPECT_EQ(0x01010101, *self->word);
}

/* --- WAIT --- */

TEST_F(order, wait_holds_the_queue_until_the_cpu_writes)
{
	put_wait(&self->t.q, self->word, 7, VSVM_COMPARE_EQ, 0);
	put_store64(&self->t.q, &self->word[8], 1);
	ASSERT_EQ(0, test_submit(&self->t.q));
	/* Another queue goes on, however long it takes */
	put_fill(&self->other, self->p, BYTES, 1);
	ASSERT_EQ(0, test_run(&self->other));
	EXPECT_EQ(0, self->word[8]);
	__atomic_store_n(self->word, 7, __ATOMIC_RELEASE);
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(1, self->word[8]);
}

TEST_F(order, wait_for_another_queue)
{
	unsigned long i, rounds = test_scale(40);

	/* All of it lies in the area at once */
	if (rounds > 200)
		rounds = 200;
	/* Ping-pong between two queues, without the CPU */
	for (i = 0; i < rounds; i++) {
		put_wait(&self->t.q, self->word, 2 * i, VSVM_COMPARE_GE, 0);
		put_store64(&self->t.q, self->word, 2 * i + 1);
		put_barrier(&self->t.q);
		put_wait(&self->other, self->word, 2 * i + 1, VSVM_COMPARE_GE, 0);
		put_store64(&self->other, self->word, 2 * i + 2);
		put_barrier(&self->other);
	}
	ASSERT_EQ(0, test_submit(&self->other));
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, test_wait(&self->t.q));
	ASSERT_EQ(0, test_wait(&self->other));
	EXPECT_EQ(2 * rounds, *self->word);
}

TEST_F(order, wait_compares_in_every_way)
{
	static const struct {
		uint32_t compare;
		uint64_t value, reference, mask;
		bool holds;
	} cases[] = {
		{ VSVM_COMPARE_EQ, 5, 5, ~0ull, true }, { VSVM_COMPARE_EQ, 5, 6, ~0ull, false },
		{ VSVM_COMPARE_NE, 5, 6, ~0ull, true }, { VSVM_COMPARE_NE, 5, 5, ~0ull, false },
		{ VSVM_COMPARE_GE, 5, 5, ~0ull, true }, { VSVM_COMPARE_GE, 4, 5, ~0ull, false },
		{ VSVM_COMPARE_GT, 6, 5, ~0ull, true }, { VSVM_COMPARE_GT, 5, 5, ~0ull, false },
		{ VSVM_COMPARE_LE, 5, 5, ~0ull, true }, { VSVM_COMPARE_LE, 6, 5, ~0ull, false },
		{ VSVM_COMPARE_LT, 4, 5, ~0ull, true }, { VSVM_COMPARE_LT, 5, 5, ~0ull, false },
		/* Unsigned, and what is masked out does not count */
		{ VSVM_COMPARE_GT, ~0ull, 5, ~0ull, true }, { VSVM_COMPARE_LT, ~0ull, 5, ~0ull, false },
		{ VSVM_COMPARE_EQ, 0xab05, 5, 0xff, true }, { VSVM_COMPARE_EQ, 5, 0x105, 0xff, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int ret;

		*self->word = cases[i].value;
		put_wait(&self->t.q, self->word, cases[i].reference, cases[i].compare, 1000000);
		self->t.q.packets[self->t.q.count - 1].wait.mask = cases[i].mask;
		ret = test_run(&self->t.q);
		EXPECT_EQ(cases[i].holds, !ret)
			TH_LOG("case %u", i);
		if (ret) {
			EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_WAIT_TIMEOUT, ETIME,
						  self->word, DRM_VSVM_ACCESS_READ));
		}
		/* The ioctl says the same */
		struct drm_vsvm_wait_user_fence wait = {
			.address = (uintptr_t)self->word, .value = cases[i].reference,
			.mask = cases[i].mask, .compare = cases[i].compare,
		};

		EXPECT_EQ(cases[i].holds ? 0 : -ETIME,
			  test_ioctl(self->t.fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &wait));
	}
}

TEST_F(order, wait_that_runs_out_of_time)
{
	uint64_t start = test_now();

	put_wait(&self->t.q, self->word, 1, VSVM_COMPARE_EQ, 30000000);
	put_store64(&self->t.q, &self->word[1], 1);
	EXPECT_EQ(-ECANCELED, test_run(&self->t.q));
	EXPECT_LE(30000000, test_now() - start);
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_WAIT_TIMEOUT, ETIME, self->word,
				  DRM_VSVM_ACCESS_READ));
	EXPECT_EQ(0, self->word[1]);
}

TEST_F(order, wait_on_a_page_that_comes_and_goes)
{
	volatile uint64_t *word = map_anon(PAGE);
	int i;

	/* The device polls; the page is taken away under it again and again */
	put_wait(&self->t.q, word, 42, VSVM_COMPARE_EQ, 0);
	ASSERT_EQ(0, test_submit(&self->t.q));
	for (i = 0; i < 50; i++) {
		*word = i % 40;
		madvise((void *)word, PAGE, MADV_DONTNEED);
	}
	*word = 42;
	ASSERT_EQ(0, test_wait(&self->t.q));
}

TEST_F(order, wait_on_a_page_that_goes_for_good)
{
	volatile uint64_t *word = map_anon(PAGE);

	put_wait(&self->t.q, word, 42, VSVM_COMPARE_EQ, 0);
	ASSERT_EQ(0, test_submit(&self->t.q));
	EXPECT_EQ(-ETIME, test_wait_ns(&self->t.q, 2000000));
	munmap((void *)word, PAGE);
	EXPECT_EQ(-ECANCELED, test_wait(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, word,
				  DRM_VSVM_ACCESS_READ));
}

/* --- SPIN --- */

TEST_F(order, spin_for_a_time)
{
	uint64_t start = test_now();

	put_spin(&self->t.q, 20000000);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_LE(20000000, test_now() - start);
}

TEST_F(order, spin_without_end_does_not_starve_others)
{
	const struct drm_vsvm_dev_info *info = vsvm_info(self->t.dev);
	struct test_queue spinners[32], worker;
	struct drm_vsvm_queue_query query;
	unsigned int i, n = info->engines < 16 ? 2 * info->engines : 32;

	/* Two on each engine; then work for all of them */
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &spinners[i]));
		put_spin(&spinners[i], 0);
		ASSERT_EQ(0, test_submit(&spinners[i]));
	}
	for (i = 0; i < info->engines; i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &worker));
		put_fill(&worker, self->p, BYTES, i + 1);
		EXPECT_EQ(0, test_run(&worker));
		EXPECT_EQ(i + 1, *(uint64_t *)(self->p + BYTES - 8));
		test_queue_close(&worker);
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, test_query(&spinners[i], &query));
		EXPECT_EQ(DRM_VSVM_QUEUE_BUSY, query.state);
		test_queue_close(&spinners[i]);
	}
}

TEST_F(order, packets_overtake_one_that_takes_long)
{
	uint64_t since = 0;
	int i;

	put_spin(&self->t.q, 0);
	for (i = 0; i < 32; i++)
		put_store64(&self->t.q, &self->word[i], i + 1);
	ASSERT_EQ(0, test_submit(&self->t.q));
	for (i = 0; i < 32; i++) {
		while (self->word[i] != (uint64_t)i + 1 && test_patient(&since))
			test_nap();
		EXPECT_EQ(i + 1, (int)self->word[i]);
	}
	EXPECT_EQ(-ETIME, test_wait_ns(&self->t.q, 1000000));
	EXPECT_EQ(0, test_queue_renew(&self->t.q));
}

TEST_HARNESS_MAIN
