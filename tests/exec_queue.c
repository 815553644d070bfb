// SPDX-License-Identifier: MIT
/*
 * Queues: what they hold, what they tell, and how they end.
 */
#include <pthread.h>

#include "vsvm_harness.h"

FIXTURE(queue)
{
	struct test_vm t;
	char *p;
};

#define BYTES	(1ul << 20)

FIXTURE_SETUP(queue)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
}

FIXTURE_TEARDOWN(queue)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F(queue, tells_what_it_does)
{
	struct drm_vsvm_queue_query query;
	uint64_t since = 0;

	ASSERT_EQ(0, test_query(&self->t.q, &query));
	EXPECT_EQ(DRM_VSVM_QUEUE_IDLE, query.state);
	EXPECT_EQ(0, query.error);
	EXPECT_EQ(0, query.submitted);
	EXPECT_EQ(0, query.completed);
	EXPECT_EQ(0, query.fault_sequence);
	EXPECT_GT(vsvm_info(self->t.dev)->engines, query.engine);

	put_wait(&self->t.q, self->p, 1, VSVM_COMPARE_EQ, 0);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, test_query(&self->t.q, &query));
	EXPECT_EQ(DRM_VSVM_QUEUE_BUSY, query.state);
	EXPECT_EQ(2, query.submitted);
	EXPECT_EQ(0, query.completed);
	*(volatile uint64_t *)self->p = 1;
	ASSERT_EQ(0, test_wait(&self->t.q));
	/* The fence is written before completion is told of: that follows at once */
	do {
		ASSERT_EQ(0, test_query(&self->t.q, &query));
	} while (query.state == DRM_VSVM_QUEUE_BUSY && test_patient(&since));
	EXPECT_EQ(DRM_VSVM_QUEUE_IDLE, query.state);
	EXPECT_EQ(2, query.submitted);
	EXPECT_EQ(2, query.completed);
}

TEST_F(queue, runs_on_the_engine_asked_for)
{
	uint32_t engines = vsvm_info(self->t.dev)->engines, i;

	for (i = 0; i < engines; i++) {
		struct drm_vsvm_queue_create create = {
			.vm_id = self->t.id, .engine_mask = 1u << i,
		};
		struct drm_vsvm_queue_query query = { 0 };
		struct drm_vsvm_queue_destroy destroy = { 0 };

		ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create));
		query.queue_id = create.queue_id;
		ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_QUERY, &query));
		EXPECT_EQ(i, query.engine);
		destroy.queue_id = create.queue_id;
		ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
	}
	if (engines < 32) {
		struct drm_vsvm_queue_create create = {
			.vm_id = self->t.id, .engine_mask = 1u << engines | 1,
		};

		EXPECT_EQ(-EINVAL, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create));
	}
}

TEST_F(queue, is_full_and_loses_nothing)
{
	uint32_t depth = vsvm_info(self->t.dev)->queue_depth, i;
	volatile uint64_t *counter = (void *)self->p, *gate = (void *)(self->p + PAGE);
	struct drm_vsvm_command command;
	uint64_t sequence = 0;
	int ret = 0;

	command.address = (uintptr_t)self->t.q.packets;
	command.bytes = 64;
	put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, counter, 0, 0, NULL);
	self->t.q.start = self->t.q.count;
	put_wait(&self->t.q, gate, 1, VSVM_COMPARE_EQ, 0);
	ASSERT_EQ(0, test_submit(&self->t.q));
	for (i = 0; i < depth + 64; i++) {
		ret = test_submit_raw(&self->t.q, &command, 1, 0, 0, &sequence);
		if (ret)
			break;
		EXPECT_EQ(i + 2, sequence);
	}
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_LE(depth, i + 1);
	EXPECT_GE(depth + 1, i + 1);
	EXPECT_EQ(0, *counter);
	/* A refused submission has left no trace */
	EXPECT_EQ(-EAGAIN, test_submit_raw(&self->t.q, &command, 1, 0, 0, &sequence));
	*gate = 1;
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(i, *counter);
}

TEST_F(queue, a_hundred_at_once)
{
	struct test_queue *queues = calloc(100, sizeof(*queues));
	int i, round;

	ASSERT_NE(NULL, queues);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
	}
	for (round = 1; round <= 4; round++) {
		for (i = 0; i < 100; i++) {
			put_fill(&queues[i], self->p + i * 2 * PAGE, 2 * PAGE, round * 1000 + i);
			ASSERT_EQ(0, test_submit(&queues[i]));
		}
		for (i = 0; i < 100; i++) {
			ASSERT_EQ(0, test_wait(&queues[i]));
			EXPECT_EQ(round * 1000 + i, *(int *)(self->p + i * 2 * PAGE));
			EXPECT_EQ(round * 1000 + i, *(int *)(self->p + (i + 1) * 2 * PAGE - 8));
		}
	}
	for (i = 0; i < 100; i++)
		test_queue_close(&queues[i]);
	free(queues);
}

TEST_F(queue, as_many_as_promised_and_no_more)
{
	uint32_t most = vsvm_info(self->t.dev)->max_queues, i;
	struct drm_vsvm_queue_create create = { .vm_id = self->t.id };
	struct drm_vsvm_queue_destroy destroy = { 0 };
	uint32_t *ids = calloc(most, sizeof(*ids));
	int ret = 0;

	ASSERT_NE(NULL, ids);
	/* One is there already */
	for (i = 0; i < most; i++) {
		create.queue_id = 0;
		ret = test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create);
		if (ret)
			break;
		ids[i] = create.queue_id;
	}
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_EQ(most - 1, i);
	destroy.queue_id = ids[0];
	EXPECT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
	create.queue_id = 0;
	EXPECT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create));
	ids[0] = create.queue_id;
	while (i--) {
		destroy.queue_id = ids[i];
		EXPECT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
	}
	free(ids);
	EXPECT_EQ(0, dev_store64(&self->t, self->p, 1));
}

/* --- the end --- */

/* Work of every kind that is under way when its queue is destroyed */
static void put_endless(struct test_queue *q, char *p, unsigned int kind)
{
	int i;

	switch (kind) {
	case 0:
		put_spin(q, 0);
		break;
	case 1:
		put_wait(q, p + BYTES - 8, 0xdead, VSVM_COMPARE_EQ, 0);
		break;
	case 2:
		for (i = 0; i < 800; i++)
			put_fill(q, p, BYTES - PAGE, ~0ull);
		break;
	case 3:
		for (i = 0; i < 800; i++)
			put_copy(q, p, p + BYTES / 2, BYTES / 2 - PAGE);
		break;
	default:
		for (i = 0; i < 800; i++)
			put_atomic(q, VSVM_ATOMIC_INC, 8, p + i % 200 * PAGE, 0, 0, NULL);
		break;
	}
}

TEST_F_LONG(queue, destroyed_while_busy_touches_nothing_any_more, 90)
{
	unsigned long i, rounds = 5 * test_scale(8);
	struct test_queue q;
	char *p;

	for (i = 0; i < rounds; i++) {
		p = map_anon(BYTES);
		ASSERT_EQ(0, test_queue_open(&self->t, &q));
		put_endless(&q, p, i % 5);
		ASSERT_EQ(0, test_submit(&q));
		if (i % 2)
			test_nap();
		/* From here on the memory is the CPU's alone, the fence too */
		ASSERT_EQ(0, test_queue_renew(&q));
		memset(p, 0x3c, BYTES);
		*q.fence = 0;
		ASSERT_EQ(0, dev_store64(&self->t, self->p, i));
		EXPECT_EQ(-1, check_bytes(p, BYTES, 0x3c));
		EXPECT_EQ(0, *q.fence);
		test_queue_close(&q);
		munmap(p, BYTES);
	}
}

struct waiter {
	struct test_queue *q;
	uint32_t started;
	int ret;
};

static void *wait_for_it(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->started, 1, __ATOMIC_SEQ_CST);
	waiter->ret = test_wait(waiter->q);
	return NULL;
}

TEST_F(queue, destruction_wakes_who_waits_for_it)
{
	struct drm_vsvm_queue_destroy destroy = { 0 };
	int i;

	for (i = 0; i < 10; i++) {
		struct test_queue q;
		struct waiter waiter = { .q = &q };
		pthread_t thread;
		uint64_t start;

		ASSERT_EQ(0, test_queue_open(&self->t, &q));
		put_spin(&q, 0);
		ASSERT_EQ(0, test_submit(&q));
		ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_it, &waiter));
		while (!__atomic_load_n(&waiter.started, __ATOMIC_SEQ_CST))
			test_nap();
		if (i % 2)
			test_nap();
		start = test_now();
		destroy.queue_id = q.id;
		ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
		pthread_join(thread, NULL);
		EXPECT_GT(test_patience() / 2, test_now() - start);
		/* Whoever came too late found no such queue */
		EXPECT_EQ(true, waiter.ret == -ECANCELED || waiter.ret == -ENOENT);
		q.id = 0;
		test_queue_close(&q);
	}
}

TEST_F(queue, error_wakes_who_waits_for_it)
{
	struct waiter waiter = { .q = &self->t.q };
	pthread_t thread;

	put_wait(&self->t.q, self->p, 1, VSVM_COMPARE_EQ, 0);
	put_barrier(&self->t.q);
	put(&self->t.q, 77);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_it, &waiter));
	while (!__atomic_load_n(&waiter.started, __ATOMIC_SEQ_CST))
		test_nap();
	*(volatile uint64_t *)self->p = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(-ECANCELED, waiter.ret);
}

TEST_F(queue, address_space_is_busy_while_it_has_queues)
{
	struct drm_vsvm_vm_destroy destroy = { .vm_id = self->t.id };
	struct test_queue q;

	ASSERT_EQ(0, test_queue_open(&self->t, &q));
	EXPECT_EQ(-EBUSY, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy));
	test_queue_close(&q);
	EXPECT_EQ(-EBUSY, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy));
	/* Refused, it is as good as before */
	EXPECT_EQ(0, dev_store64(&self->t, self->p, 1));
}

TEST_F(queue, twice_destroyed_is_not_found)
{
	struct drm_vsvm_queue_destroy destroy = { .queue_id = self->t.q.id };
	struct drm_vsvm_vm_destroy vm_destroy = { .vm_id = self->t.id };
	struct drm_vsvm_queue_query query;

	ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
	EXPECT_EQ(-ENOENT, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
	EXPECT_EQ(-ENOENT, test_query(&self->t.q, &query));
	EXPECT_EQ(-ENOENT, test_submit(&self->t.q));
	EXPECT_EQ(-ENOENT, test_wait_ns(&self->t.q, 0));
	ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_VM_DESTROY, &vm_destroy));
	EXPECT_EQ(-ENOENT, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_VM_DESTROY, &vm_destroy));
	self->t.q.id = 0;
	test_queue_close(&self->t.q);
	vsvm_close(self->t.dev);
	self->t.vm = NULL;
}

/* Everything alive, and then the file goes, or the parts in some order */
static int teardown(unsigned int order)
{
	char *p = map_anon(BYTES);
	struct test_queue q[5];
	struct test_vm a, b;
	unsigned int i;

	if (test_open(&a) || test_open_on(&b, a.dev, 0))
		return __LINE__;
	for (i = 0; i < ARRAY_SIZE(q); i++) {
		if (test_queue_open(i % 2 ? &a : &b, &q[i]))
			return __LINE__;
		put_endless(&q[i], p, i);
		if (test_submit(&q[i]))
			return __LINE__;
	}
	switch (order % 4) {
	case 0:
		/* Memory first: what the device does with it ends in errors */
		munmap(p, BYTES);
		vsvm_close(a.dev);
		break;
	case 1:
		vsvm_close(a.dev);
		munmap(p, BYTES);
		break;
	case 2:
		for (i = 0; i < ARRAY_SIZE(q); i++)
			test_queue_close(&q[i]);
		munmap(p, BYTES);
		if (test_close(&b) || test_close(&a))
			return __LINE__;
		break;
	default:
		for (i = ARRAY_SIZE(q); i--;)
			test_queue_close(&q[i]);
		if (vsvm_unbind(a.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE))
			return __LINE__;
		if (test_close(&b))
			return __LINE__;
		vsvm_close(a.dev);
		break;
	}
	return 0;
}

TEST_F_LONG(queue, teardown_in_every_order, 90)
{
	unsigned long i, rounds = 4 * test_scale(5);

	for (i = 0; i < rounds; i++) {
		EXPECT_EQ(0, teardown(i));
		EXPECT_EQ(0, dev_store64(&self->t, self->p, i));
	}
}

TEST_HARNESS_MAIN
