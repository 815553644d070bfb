// SPDX-License-Identifier: MIT
/*
 * A firmware that refuses, is silent, slow, or restarts, at each message: what a
 * queue had stays, what it got in vain is taken back, and it catches up.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_heap.h"
#include "vsvm_harness.h"

#define SHORT_MS	50

FIXTURE_HEAP(firmware);

static int grow_one(struct test_vm *t)
{
	struct drm_vsvm_heap_query q = heap_query(t->fd);

	return heap_grow(t->fd, q.committed, q.chunk_size, NULL);
}

static void *grow_thread(void *arg)
{
	grow_one(arg);
	return NULL;
}

/* Does the queue read and write the last page of the heap? */
static int reach_end(struct test_vm *t, struct test_queue *q)
{
	struct drm_vsvm_heap_query query = heap_query(t->fd);
	uint64_t value = test_now();
	void *p = (void *)(uintptr_t)(query.base + query.committed - 8);
	int ret;

	put_store64(q, p, value);
	put_barrier(q);
	put_copy(q, t->out, p, 8);
	ret = test_run(q);
	return ret ? ret : *(volatile uint64_t *)t->out == value ? 0 : -EIO;
}

/* 2 and 3: refused at the n-th message, undone to where it was, caught up */
TEST_F(firmware, pitfall_2_a_queue_that_lags_catches_up)
{
	unsigned int round;

	REQUIRE(self->maximum >= 6 * self->chunk, "heap=small");
	ASSERT_EQ(0, grow_one(&self->t));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, bo_knob("mailbox_refuse_add", 1));
		ASSERT_EQ(0, grow_one(&self->t));
		EXPECT_EQ(1, heap_query(self->t.fd).lagging);
		EXPECT_EQ(1, heap_told(self->t.fd, round));
		EXPECT_EQ(0, heap_told(self->t.fd, round + 1));
		/* The next submission has it take up what it has not */
		EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
		EXPECT_EQ(0, heap_query(self->t.fd).lagging);
		EXPECT_EQ(1, heap_told(self->t.fd, round + 1));
	}
	/* As long as it is refused, a submission says so, and the queue lives */
	ASSERT_EQ(0, bo_knob("mailbox_refuse_add", ~0u));
	ASSERT_EQ(0, grow_one(&self->t));
	put_store64(&self->t.q, self->t.out, 1);
	EXPECT_EQ(-EIO, test_submit(&self->t.q));
	EXPECT_EQ(-EIO, test_submit(&self->t.q));
	ASSERT_EQ(0, bo_knob("mailbox_refuse_add", 0));
	EXPECT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
}

TEST_F(firmware, pitfall_3_only_this_attempt_is_undone)
{
	struct drm_vsvm_heap_query q;
	struct test_queue other;

	REQUIRE(self->maximum >= 6 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, 2 * self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	ASSERT_EQ(0, test_queue_open(&self->t, &other));
	ASSERT_EQ(0, heap_take(&other, 0));
	/* Three at once, to two queues: the fourth message fails */
	ASSERT_EQ(0, bo_knob("mailbox_skip", 3));
	ASSERT_EQ(0, bo_knob("mailbox_refuse_add", 1));
	ASSERT_EQ(0, heap_grow(self->t.fd, 2 * self->chunk, 3 * self->chunk, NULL));
	q = heap_query(self->t.fd);
	EXPECT_EQ(5 * self->chunk, q.committed);
	EXPECT_EQ(1, q.lagging);
	EXPECT_EQ(2, heap_told(self->t.fd, 0));
	EXPECT_EQ(2, heap_told(self->t.fd, 1));
	EXPECT_EQ(1, heap_told(self->t.fd, 2));
	EXPECT_EQ(1, heap_told(self->t.fd, 4));
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
	EXPECT_EQ(0, reach_end(&self->t, &other));
	EXPECT_EQ(2, heap_told(self->t.fd, 4));
	test_queue_close(&other);
}

TEST_F(firmware, a_queue_takes_up_all_or_nothing)
{
	unsigned int i;

	REQUIRE(self->maximum >= 4 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, 3 * self->chunk, NULL));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, bo_knob("mailbox_skip", i));
		ASSERT_EQ(0, bo_knob(i ? "mailbox_refuse_add" : "mailbox_refuse_map", 1));
		EXPECT_EQ(-EIO, heap_take(&self->t.q, 0));
		EXPECT_EQ(0, heap_query(self->t.fd).queues);
		EXPECT_EQ(0, heap_told(self->t.fd, 0));
		/* The queue that was there works on, and there is no heap in its address space */
		EXPECT_EQ(0, dev_store64(&self->t, self->t.out, i));
		EXPECT_EQ(DRM_VSVM_PAGE_BOUND, page_state(&self->t, (void *)(1ul << 47)));
	}
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
}

static const char *const silent[] = { "lose", "mute" };

TEST_F(firmware, silence_at_each_message_times_out)
{
	char knob[64];
	unsigned int i;

	REQUIRE(self->maximum >= 6 * self->chunk, "heap=small");
	ASSERT_EQ(0, grow_one(&self->t));
	for (i = 0; i < ARRAY_SIZE(silent); i++) {
		ASSERT_EQ(0, bo_knob("firmware_timeout_ms", SHORT_MS));
		snprintf(knob, sizeof(knob), "mailbox_%s_map", silent[i]);
		ASSERT_EQ(0, bo_knob(knob, 1));
		EXPECT_EQ(-ETIME, heap_take(&self->t.q, 0));
		ASSERT_EQ(0, heap_calm());
		ASSERT_EQ(0, heap_take(&self->t.q, 0));
		/* A chunk that it was told of, or not: nobody knows */
		snprintf(knob, sizeof(knob), "mailbox_%s_add", silent[i]);
		ASSERT_EQ(0, bo_knob(knob, 1));
		ASSERT_EQ(0, bo_knob("firmware_timeout_ms", SHORT_MS));
		ASSERT_EQ(0, grow_one(&self->t));
		EXPECT_EQ(1, heap_query(self->t.fd).lagging);
		/* It forgets everything first, and that can get no answer either */
		snprintf(knob, sizeof(knob), "mailbox_%s_forget", silent[i]);
		ASSERT_EQ(0, bo_knob(knob, 1));
		put_store64(&self->t.q, self->t.out, 1);
		EXPECT_EQ(-ETIME, test_submit(&self->t.q));
		ASSERT_EQ(0, heap_calm());
		EXPECT_EQ(0, test_run(&self->t.q));
		EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
		EXPECT_EQ(0, heap_query(self->t.fd).lagging);
		/* Nor does it let go: then the chunk stays */
		snprintf(knob, sizeof(knob), "mailbox_%s_remove", silent[i]);
		ASSERT_EQ(0, bo_knob("firmware_timeout_ms", SHORT_MS));
		ASSERT_EQ(0, bo_knob(knob, 1));
		EXPECT_EQ(-ETIME, heap_shrink(self->t.fd, heap_query(self->t.fd).committed,
					      self->chunk, NULL));
		EXPECT_EQ((i + 2) * self->chunk, heap_query(self->t.fd).committed);
		ASSERT_EQ(0, heap_calm());
		EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
		EXPECT_EQ(0, test_queue_renew(&self->t.q));
	}
}

TEST_F(firmware, a_chunk_that_is_kept_stays)
{
	uint64_t committed;

	REQUIRE(self->maximum >= 4 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, 3 * self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	/* The second of two */
	ASSERT_EQ(0, bo_knob("mailbox_skip", 1));
	ASSERT_EQ(0, bo_knob("mailbox_refuse_remove", 1));
	EXPECT_EQ(-EIO, heap_shrink(self->t.fd, 3 * self->chunk, 2 * self->chunk, &committed));
	EXPECT_EQ(3 * self->chunk, committed);
	EXPECT_EQ(1, heap_told(self->t.fd, 2));
	EXPECT_EQ(0, heap_query(self->t.fd).lagging);
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
	ASSERT_EQ(0, heap_shrink(self->t.fd, 3 * self->chunk, 2 * self->chunk, &committed));
	EXPECT_EQ(self->chunk, committed);
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
}

/* 17: after a restart it is told the addresses that it was told, whatever the CPU maps */
TEST_F(firmware, pitfall_17_a_restart_replays_the_record)
{
	struct drm_vsvm_heap_query before;
	struct test_queue other;

	REQUIRE(self->maximum >= 4 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, 3 * self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	ASSERT_EQ(0, test_queue_open(&self->t, &other));
	ASSERT_EQ(0, heap_take(&other, 0));
	before = heap_query(self->t.fd);
	ASSERT_EQ(0, heap_restart(true));
	EXPECT_EQ(2, heap_told(self->t.fd, 2));
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
	EXPECT_EQ(0, reach_end(&self->t, &other));
	/* It knows them: the next one is in turn, the last one can be removed */
	ASSERT_EQ(0, grow_one(&self->t));
	EXPECT_EQ(0, heap_query(self->t.fd).lagging);
	ASSERT_EQ(0, heap_shrink(self->t.fd, 4 * self->chunk, 2 * self->chunk, NULL));
	/* A restart of which the driver knows nothing shows, and heals */
	ASSERT_EQ(0, heap_restart(false));
	ASSERT_EQ(0, grow_one(&self->t));
	EXPECT_EQ(2, heap_query(self->t.fd).lagging);
	ASSERT_EQ(0, heap_restart(true));
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
	EXPECT_EQ(0, reach_end(&self->t, &other));
	/* Refused in the middle of a replay */
	ASSERT_EQ(0, bo_knob("mailbox_skip", 3));
	ASSERT_EQ(0, bo_knob("mailbox_refuse_add", 1));
	heap_restart(true);
	EXPECT_EQ(1, heap_query(self->t.fd).lagging);
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
	EXPECT_EQ(0, reach_end(&self->t, &other));
	EXPECT_EQ(before.committed, heap_query(self->t.fd).committed);
	test_queue_close(&other);
}

struct allocator {
	pthread_t thread;
	struct test_vm *t;
	volatile bool stop;
	unsigned long done;
	uint64_t longest;
};

static void *allocate(void *arg)
{
	struct allocator *a = arg;

	while (!a->stop) {
		uint64_t since = test_now();
		int handle = heap_alloc(a->t->fd, 8 * PAGE, 0, 0, NULL);

		if (handle > 0) {
			heap_close(a->t->fd, handle);
			a->done++;
		}
		since = test_now() - since;
		if (since > a->longest)
			a->longest = since;
	}
	return NULL;
}

/* 4 and 19: while the firmware is waited for, others allocate, query and submit */
TEST_F(firmware, pitfall_19_no_allocation_waits_for_the_firmware)
{
	struct allocator a = { .t = &self->t };
	struct test_vm other;
	uint64_t since;

	REQUIRE(self->maximum >= 3 * self->chunk, "heap=small");
	ASSERT_EQ(0, grow_one(&self->t));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	ASSERT_EQ(0, test_open(&other));
	ASSERT_EQ(0, bo_knob("firmware_timeout_ms", 4000));
	ASSERT_EQ(0, bo_knob("mailbox_lose_add", 1));
	ASSERT_EQ(0, pthread_create(&a.thread, NULL, allocate, &a));
	since = test_now();
	ASSERT_EQ(0, grow_one(&self->t));
	since = test_now() - since;
	a.stop = true;
	pthread_join(a.thread, NULL);
	EXPECT_LE(4000000000ull, since);
	EXPECT_LT(10, a.done);
	EXPECT_GT(since / 2, a.longest);
	/* Nothing of another client is lost */
	EXPECT_EQ(0, dev_store64(&other, other.out, 9));
	EXPECT_EQ(0, test_close(&other));
	EXPECT_EQ(0, reach_end(&self->t, &self->t.q));
}

TEST_F(firmware, pitfall_4_another_client_grows_while_one_waits)
{
	struct allocator a = { .t = &self->t };
	struct test_vm other;
	uint64_t since;
	int status;
	pid_t pid;

	ASSERT_EQ(0, grow_one(&self->t));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	REQUIRE(self->maximum >= 2 * self->chunk, "heap=small");
	ASSERT_EQ(0, bo_knob("firmware_timeout_ms", 6000));
	ASSERT_EQ(0, bo_knob("mailbox_lose_add", 1));
	ASSERT_EQ(0, pthread_create(&a.thread, NULL, grow_thread, &self->t));
	since = test_now();
	ASSERT_EQ(0, test_open(&other));
	ASSERT_EQ(0, grow_one(&other));
	ASSERT_EQ(0, heap_take(&other.q, 0));
	EXPECT_EQ(0, reach_end(&other, &other.q));
	EXPECT_GT(6000000000ull * test_time(1), test_now() - since);
	EXPECT_EQ(0, test_close(&other));
	pid = fork();
	if (!pid)
		_exit(test_open(&other) || grow_one(&other) ? 1 : 0);
	status = wait_child(pid);
	EXPECT_EQ(0, status);
	pthread_join(a.thread, NULL);
}

/* 7: objects are closed first, queues later; a restart meanwhile finds both */
TEST_F(firmware, pitfall_7_a_restart_while_files_are_closed)
{
	unsigned long round, rounds = test_scale(12);

	for (round = 0; round < rounds; round++) {
		pid_t pid = fork();

		if (!pid) {
			struct test_vm t;

			if (test_open(&t) || grow_one(&t) || heap_take(&t.q, 0) ||
			    heap_alloc(t.fd, HUGE, 0, 0, NULL) < 0)
				_exit(1);
			_exit(reach_end(&t, &t.q) ? 2 : 0);
		}
		EXPECT_EQ(0, heap_restart(true) == -ENODEV);
		while (!heap_restart(true) && waitpid(pid, NULL, WNOHANG) == 0)
			;
		waitpid(pid, NULL, 0);
	}
}

TEST_F(firmware, replies_out_of_order_and_late)
{
	struct test_queue q[6];
	unsigned int i;

	REQUIRE(self->maximum >= 4 * self->chunk, "heap=small");
	ASSERT_EQ(0, grow_one(&self->t));
	for (i = 0; i < ARRAY_SIZE(q); i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &q[i]));
		ASSERT_EQ(0, heap_take(&q[i], 0));
	}
	/* Too late for who waits: the reply comes to nobody */
	ASSERT_EQ(0, bo_knob("firmware_timeout_ms", SHORT_MS));
	ASSERT_EQ(0, bo_knob("mailbox_delay_us_add", 300000));
	ASSERT_EQ(0, grow_one(&self->t));
	EXPECT_EQ(6, heap_query(self->t.fd).lagging);
	ASSERT_EQ(0, heap_calm());
	ASSERT_EQ(0, bo_knob("mailbox_delay_us_forget", 20000));
	ASSERT_EQ(0, grow_one(&self->t));
	EXPECT_EQ(0, heap_query(self->t.fd).lagging);
	for (i = 0; i < ARRAY_SIZE(q); i++) {
		EXPECT_EQ(0, reach_end(&self->t, &q[i]));
		test_queue_close(&q[i]);
	}
}

TEST_HARNESS_MAIN
