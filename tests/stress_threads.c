// SPDX-License-Identifier: MIT
/*
 * Many threads at once: with a queue each, with an address space each, and all
 * of them creating and destroying under one another.
 */
#include <pthread.h>

#include "vsvm_harness.h"

FIXTURE(threads)
{
	struct test_vm t;
	uint64_t end;
};

FIXTURE_SETUP(threads)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->end = test_now() + test_span(2500);
}

FIXTURE_TEARDOWN(threads)
{
	EXPECT_EQ(0, test_close(&self->t));
}

struct worker {
	struct test_vm *t;
	unsigned int index;
	uint64_t end;
	volatile uint64_t *shared;
	unsigned long rounds;
	int line;
	pthread_t thread;
};

#define SIZE	(64 * PAGE)

/* Work whose every result is known, on memory of one's own that comes and goes */
static int one_round(struct test_vm *t, struct test_queue *q, struct worker *w)
{
	volatile uint64_t *result = (void *)((char *)q->area + PAGE);
	char *a = map_anon(SIZE), *b = map_anon(SIZE);
	uint64_t value = (uint64_t)w->index << 32 | w->rounds;
	int line = 0;

	(void)t;
	put_fill(q, a, SIZE, value);
	put_barrier(q);
	put_copy(q, b + 8, a, SIZE - 8);
	put_barrier(q);
	put_sum(q, b, SIZE / 8, 8, 8, &result[0]);
	put_crc(q, a, SIZE, 0, &result[1]);
	put_atomic(q, VSVM_ATOMIC_ADD, 8, w->shared, 3, 0, NULL);
	if (test_run(q))
		line = __LINE__;
	else if (result[0] != value * (SIZE / 8 - 1))
		line = __LINE__;
	else if ((uint32_t)result[1] != crc32c(0, a, SIZE))
		line = __LINE__;
	else if (*(uint64_t *)b || *(uint64_t *)(b + SIZE - 8) != value)
		line = __LINE__;
	munmap(a, SIZE);
	munmap(b, SIZE);
	w->rounds++;
	return line;
}

static void *work_with_a_queue(void *arg)
{
	struct worker *w = arg;
	struct test_queue q;

	if (test_queue_open(w->t, &q)) {
		w->line = __LINE__;
		return NULL;
	}
	/* Once at least, however slow the machine */
	do {
		w->line = one_round(w->t, &q, w);
	} while (test_now() < w->end && !w->line);
	test_queue_close(&q);
	return NULL;
}

static void *work_with_an_address_space(void *arg)
{
	struct worker *w = arg;
	struct test_vm t;

	do {
		/* Every other time on the common file, else on one of its own */
		if (w->rounds % 2 ? test_open_on(&t, w->t->dev, 0) : test_open(&t)) {
			w->line = __LINE__;
			break;
		}
		w->line = one_round(&t, &t.q, w);
		if (test_close(&t))
			w->line = __LINE__;
	} while (test_now() < w->end && !w->line);
	return NULL;
}

static void *work_with_a_new_queue_each_time(void *arg)
{
	struct worker *w = arg;
	struct test_queue q;

	do {
		if (test_queue_open(w->t, &q)) {
			w->line = __LINE__;
			break;
		}
		if (w->rounds % 3) {
			w->line = one_round(w->t, &q, w);
		} else {
			/* Left in the middle of something */
			put_spin(&q, 0);
			if (test_submit(&q))
				w->line = __LINE__;
			w->rounds++;
		}
		test_queue_close(&q);
	} while (test_now() < w->end && !w->line);
	return NULL;
}

static void *bind_and_unbind(void *arg)
{
	struct worker *w = arg;
	/* An address space of one's own; the device of the others goes on */
	struct test_vm t;
	char *p = map_anon(SIZE);
	int ret;

	if (test_open_on(&t, w->t->dev, 0)) {
		w->line = __LINE__;
		return NULL;
	}
	do {
		put_fill(&t.q, p, SIZE, w->rounds);
		if (test_submit(&t.q))
			w->line = __LINE__;
		ret = vsvm_unbind(t.vm, (uintptr_t)p, SIZE, DRM_VSVM_BIND_FORCE);
		if (ret || vsvm_bind_mirror(t.vm, (uintptr_t)p, SIZE, 0))
			w->line = __LINE__;
		/* In between the device may have found nothing bound */
		if (test_wait(&t.q) && test_queue_renew(&t.q))
			w->line = __LINE__;
		w->rounds++;
	} while (test_now() < w->end && !w->line);
	if (test_close(&t))
		w->line = __LINE__;
	return NULL;
}

/* Runs n threads of each function; checks that all did something, all of it right */
static unsigned long run(struct __test_metadata *_metadata, FIXTURE_DATA(threads) *self,
			 void *(*const *functions)(void *), unsigned int kinds, unsigned int n,
			 volatile uint64_t *shared)
{
	struct worker *workers = calloc(kinds * n, sizeof(*workers));
	unsigned long rounds = 0;
	unsigned int i;

	ASSERT_NE(NULL, workers);
	for (i = 0; i < kinds * n; i++) {
		workers[i].t = &self->t;
		workers[i].index = i + 1;
		workers[i].end = self->end;
		workers[i].shared = shared;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, functions[i % kinds],
					    &workers[i]));
	}
	for (i = 0; i < kinds * n; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].line)
			TH_LOG("thread %u in round %lu, line %d", i, workers[i].rounds,
			       workers[i].line);
		EXPECT_LT(0, workers[i].rounds);
		rounds += workers[i].rounds;
	}
	free(workers);
	return rounds;
}

TEST_F_LONG(threads, a_queue_each, 90)
{
	void *(*const functions[])(void *) = { work_with_a_queue };
	volatile uint64_t *shared = map_anon(PAGE);
	unsigned long rounds;

	rounds = run(_metadata, self, functions, 1, 16, shared);
	/* The one word that all of them add to */
	EXPECT_EQ(3 * rounds, *shared);
}

TEST_F_LONG(threads, an_address_space_each, 90)
{
	void *(*const functions[])(void *) = { work_with_an_address_space };
	volatile uint64_t *shared = map_anon(PAGE);
	unsigned long rounds;

	rounds = run(_metadata, self, functions, 1, 6, shared);
	EXPECT_EQ(3 * rounds, *shared);
}

TEST_F_LONG(threads, all_kinds_at_once, 90)
{
	void *(*const functions[])(void *) = {
		work_with_a_queue, work_with_an_address_space, work_with_a_new_queue_each_time,
		bind_and_unbind,
	};

	run(_metadata, self, functions, ARRAY_SIZE(functions), 3, map_anon(PAGE));
}

/* --- submission and destruction race --- */

struct racer {
	struct test_vm *t;
	volatile uint32_t *queue_id;
	uint64_t end;
	struct vsvm_packet *packets;
	unsigned long accepted;
	unsigned long refused;
	int odd;
	pthread_t thread;
};

static void *submit_to_whatever_is_there(void *arg)
{
	struct racer *r = arg;
	struct drm_vsvm_command command = { .address = (uintptr_t)r->packets, .bytes = 64 };
	uint64_t word = 0;

	do {
		struct drm_vsvm_submit submit = {
			.queue_id = *r->queue_id,
			.commands = { sizeof(command), 1, (uintptr_t)&command },
		};
		struct drm_vsvm_wait_user_fence wait = {
			.address = (uintptr_t)&word, .value = 1, .mask = ~0ull,
			.timeout_ns = (int64_t)(test_now() + 1000000), .queue_id = submit.queue_id,
		};
		int ret = test_ioctl(r->t->fd, DRM_IOCTL_VSVM_SUBMIT, &submit);

		if (!ret)
			r->accepted++;
		else if (ret == -ENOENT || ret == -EAGAIN || ret == -ECANCELED)
			r->refused++;
		else
			r->odd = ret;
		ret = test_ioctl(r->t->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &wait);
		if (ret != -ENOENT && ret != -ECANCELED && ret != -ETIME)
			r->odd = ret ? ret : 1;
	} while (test_now() < r->end);
	return NULL;
}

TEST_F_LONG(threads, queues_vanish_under_submitters, 60)
{
	volatile uint32_t queue_id = 0;
	struct racer racers[3];
	unsigned int i;

	put(&self->t.q, VSVM_PACKET_NOP);
	for (i = 0; i < ARRAY_SIZE(racers); i++) {
		racers[i] = (struct racer) {
			.t = &self->t, .queue_id = &queue_id, .end = self->end,
			.packets = self->t.q.packets,
		};
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL, submit_to_whatever_is_there,
					    &racers[i]));
	}
	while (test_now() < self->end) {
		struct drm_vsvm_queue_create create = { .vm_id = self->t.id };
		struct drm_vsvm_queue_destroy destroy = { 0 };

		ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create));
		queue_id = create.queue_id;
		sched_yield();
		destroy.queue_id = create.queue_id;
		ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
	}
	for (i = 0; i < ARRAY_SIZE(racers); i++) {
		pthread_join(racers[i].thread, NULL);
		EXPECT_EQ(0, racers[i].odd);
		EXPECT_LT(0, racers[i].accepted + racers[i].refused);
	}
	self->t.q.count = 0;
}

TEST_HARNESS_MAIN
