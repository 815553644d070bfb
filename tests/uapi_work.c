// SPDX-License-Identifier: MIT
/*
 * Hostile input for the ioctls on queues: QUEUE_CREATE, QUEUE_DESTROY,
 * QUEUE_QUERY, SUBMIT, WAIT_USER_FENCE.  Refused, and nothing changed.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "vsvm_harness.h"

FIXTURE(work)
{
	struct test_vm t;
	int fd;
	char *p;
	uint64_t submitted;
};

FIXTURE_SETUP(work)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->fd = self->t.fd;
	self->p = map_anon(16 * PAGE);
}

FIXTURE_TEARDOWN(work)
{
	struct drm_vsvm_queue_query query;

	/* What was refused was not submitted, and the queue is as good as ever */
	EXPECT_EQ(0, dev_store64(&self->t, self->p, 4711));
	EXPECT_EQ(4711, *(uint64_t *)self->p);
	EXPECT_EQ(0, test_query(&self->t.q, &query));
	EXPECT_EQ(self->submitted + 1, query.submitted);
	EXPECT_EQ(0, test_close(&self->t));
}

static const uint32_t bad_ids[] = { 0, 2, 5000, 0x7fffffff, 0x80000000, 0xffffffff };
static const uint64_t bad_pointers[] = {
	0, 8, 0x00007ffffffff000ull, 0x0000800000000000ull, 0xffff888000000000ull,
	0xffffffff81000000ull, 0xfffffffffffffff8ull,
};

/* --- QUEUE_* --- */

TEST_F(work, queue_create_of_nonsense)
{
	struct drm_vsvm_queue_create good = { .vm_id = self->t.id }, args;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		args = good;
		args.vm_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &args));
		EXPECT_EQ(0, args.queue_id);
	}
	for (i = 0; i < 32; i++) {
		args = good;
		args.flags = 1u << i;
		/* The heap is empty */
		EXPECT_EQ(args.flags == DRM_VSVM_QUEUE_HEAP ? -ENOENT : -EINVAL,
			  test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &args));
		args = good;
		args.priority = 1u << i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &args));
		args = good;
		args.ring_handle = 1u << i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &args));
		if (i < vsvm_info(self->t.dev)->engines)
			continue;
		args = good;
		args.engine_mask = 1u << i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &args));
	}
}

TEST_F(work, queue_destroy_and_query_of_nonsense)
{
	struct drm_vsvm_queue_destroy destroy = { 0 };
	struct drm_vsvm_queue_query query = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		destroy.queue_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
		query.queue_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_QUERY, &query));
	}
	destroy.queue_id = self->t.q.id;
	destroy.pad = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
}

TEST_F(work, what_only_comes_out_is_not_looked_at)
{
	struct drm_vsvm_queue_create create = { .vm_id = self->t.id, .queue_id = 77 };
	struct drm_vsvm_queue_query query;
	struct drm_vsvm_queue_destroy destroy = { 0 };
	struct drm_vsvm_submit submit;

	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create));
	memset(&query, 0xff, sizeof(query));
	query.queue_id = create.queue_id;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_QUERY, &query));
	EXPECT_EQ(DRM_VSVM_QUEUE_IDLE, query.state);
	/* A structure that came back is used again as it is */
	memset(&submit, 0, sizeof(submit));
	submit.queue_id = create.queue_id;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &submit));
	EXPECT_EQ(1, submit.sequence);
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &submit));
	EXPECT_EQ(2, submit.sequence);
	destroy.queue_id = create.queue_id;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
}

/* --- SUBMIT --- */

TEST_F(work, submit_arguments)
{
	struct drm_vsvm_command command = { (uintptr_t)self->t.q.packets, 64 };
	struct drm_vsvm_submit good = {
		.queue_id = self->t.q.id,
		.commands = { sizeof(command), 1, (uintptr_t)&command },
	}, args;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		args = good;
		args.queue_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	}
	for (i = 0; i < 32; i++) {
		args = good;
		args.flags = 1u << i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	}
	for (i = 0; i < ARRAY_SIZE(bad_pointers); i++) {
		args = good;
		args.commands.pointer = bad_pointers[i];
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	}
	/* A fence nowhere, with a value */
	args = good;
	args.fence_value = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	for (i = 1; i < 8; i++) {
		args = good;
		args.fence_address = (uintptr_t)self->p + i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	}
	args = good;
	args.fence_address = 1ull << 48;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	args.fence_address = 0xffff888000000000ull;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
}

TEST_F(work, submit_of_commands_that_are_none)
{
	uint64_t at = (uintptr_t)self->t.q.packets;
	const struct drm_vsvm_command commands[] = {
		{ at, 0 }, { at, 1 }, { at, 63 }, { at, 65 }, { at + 1, 64 }, { at + 8, 64 },
		{ at + 32, 64 }, { at, ~0ull }, { at, 0 - 64ull }, { 0 - 64ull, 64 },
		{ 0 - 64ull, 128 }, { 1ull << 48, 64 }, { (1ull << 48) - 64, 128 },
		{ 0xffff888000000000ull, 64 }, { 1ull << 63, 1ull << 63 }, { 0, 0 },
	};
	struct drm_vsvm_command pair[2] = { { at, 64 } };
	unsigned int i;

	put_store64(&self->t.q, self->p, 666);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(-EINVAL, test_submit_raw(&self->t.q, &commands[i], 1, 0, 0, NULL))
			TH_LOG("address %llx bytes %llx", (long long)commands[i].address,
			       (long long)commands[i].bytes);
		/* Behind a good one: that does not run either */
		pair[1] = commands[i];
		EXPECT_EQ(-EINVAL, test_submit_raw(&self->t.q, pair, 2, 0, 0, NULL));
	}
	self->t.q.count = 0;
	EXPECT_EQ(0, dev_store64(&self->t, self->p + 8, 1));
	self->submitted = 1;
	EXPECT_EQ(0, *(uint64_t *)self->p);
}

TEST_F(work, submit_of_as_many_commands_as_there_may_be)
{
	uint32_t most = vsvm_info(self->t.dev)->max_commands, i;
	struct drm_vsvm_command *commands = calloc(most + 1, sizeof(*commands));

	ASSERT_NE(NULL, commands);
	put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, self->p + 8, 0, 0, NULL);
	self->t.q.start = self->t.q.count;
	for (i = 0; i <= most; i++) {
		commands[i].address = (uintptr_t)self->t.q.packets;
		commands[i].bytes = 64;
	}
	EXPECT_EQ(-E2BIG, test_submit_raw(&self->t.q, commands, most + 1, 0, 0, NULL));
	EXPECT_EQ(-E2BIG, test_submit_raw(&self->t.q, commands, ~0u, 0, 0, NULL));
	EXPECT_EQ(0, test_submit_raw(&self->t.q, commands, most, (uintptr_t)self->p + 16, 1, NULL));
	EXPECT_EQ(0, test_wait_value(&self->t, self->p + 16, 1, VSVM_COMPARE_EQ, test_patience()));
	EXPECT_EQ(most, *(uint64_t *)(self->p + 8));
	self->submitted = 1;
	self->t.q.count = 0;
	self->t.q.start = 0;
	free(commands);
}

TEST_F(work, submit_with_every_stride)
{
	struct {
		struct drm_vsvm_command command;
		char more[48];
	} large = { .command = { (uintptr_t)self->t.q.packets, 64 } };
	static const uint32_t strides[] = { 0, 1, 4, 7, 12, 17, 1u << 31, ~0u, ~7u };
	struct drm_vsvm_submit args = {
		.queue_id = self->t.q.id, .commands = { 0, 1, (uintptr_t)&large },
	};
	unsigned int i;

	put(&self->t.q, VSVM_PACKET_NOP);
	for (i = 0; i < ARRAY_SIZE(strides); i++) {
		args.commands.stride = strides[i];
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	}
	/* Only an address, and so no bytes */
	args.commands.stride = 8;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	args.commands.stride = sizeof(large);
	large.more[47] = 1;
	EXPECT_EQ(-E2BIG, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	large.more[47] = 0;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	self->t.q.count = 0;
	self->submitted = 1;
	/* What is counted is not looked at if there is none */
	args = (struct drm_vsvm_submit) { .queue_id = self->t.q.id };
	args.commands.pointer = 8;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_SUBMIT, &args));
	self->submitted = 2;
}

/* --- WAIT_USER_FENCE --- */

TEST_F(work, wait_arguments)
{
	uint64_t word = 5;
	struct drm_vsvm_wait_user_fence good = {
		.address = (uintptr_t)&word, .value = 5, .mask = ~0ull,
	}, args;
	unsigned int i;

	args = good;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	for (i = 1; i < ARRAY_SIZE(bad_ids); i++) {
		args = good;
		args.queue_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	}
	for (i = 0; i < ARRAY_SIZE(bad_pointers); i++) {
		args = good;
		args.address = bad_pointers[i];
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	}
	for (i = 0; i < 32; i++) {
		args = good;
		args.flags = 1u << i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
		args = good;
		args.pad = 1u << i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
		args = good;
		args.compare = VSVM_COMPARE_LT + 1 + i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	}
	for (i = 1; i < 8; i++) {
		args = good;
		args.address += i;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	}
	args = good;
	args.compare = ~0u;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
}

TEST_F_LONG(work, wait_for_a_time_gone_by_only_looks, 10)
{
	static const int64_t times[] = {
		INT64_MIN, INT64_MIN + 1, INT64_MIN / 2, -1, 0, 1, 1000,
	};
	uint64_t word = 1;
	struct drm_vsvm_wait_user_fence args = {
		.address = (uintptr_t)&word, .value = 5, .mask = ~0ull,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(times); i++) {
		uint64_t start = test_now();

		args.timeout_ns = times[i];
		args.value = 5;
		EXPECT_EQ(-ETIME, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
		args.value = 1;
		EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
		EXPECT_GT(NSEC_PER_SEC * test_time(1), test_now() - start);
	}
	args.value = 5;
	args.timeout_ns = (int64_t)test_now() + 20000000;
	EXPECT_EQ(-ETIME, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	EXPECT_LE((uint64_t)args.timeout_ns, test_now());
}

/* A time so far away that adding to it, or taking something from it, may go wrong */
TEST_F(work, wait_until_the_end_of_time_ends_with_the_value)
{
	const int64_t times[] = {
		INT64_MAX, INT64_MAX - 1, INT64_MAX - (int64_t)test_now(),
		INT64_MAX / 2, INT64_MAX - 1000000,
	};
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(times); i++) {
		struct drm_vsvm_wait_user_fence args = {
			.address = (uintptr_t)self->t.out, .value = i + 1, .mask = ~0ull,
			.timeout_ns = times[i / 2], .queue_id = i % 2 ? self->t.q.id : 0,
		};
		uint64_t start = test_now();

		put_spin(&self->t.q, 20000000);
		put_barrier(&self->t.q);
		put_fence(&self->t.q, self->t.out, i + 1);
		ASSERT_EQ(0, test_submit(&self->t.q));
		self->submitted++;
		EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args))
			TH_LOG("until %lld", (long long)times[i / 2]);
		EXPECT_EQ(i + 1, *self->t.out);
		EXPECT_GT(test_patience(), test_now() - start);
		ASSERT_EQ(0, test_wait(&self->t.q));
	}
}

TEST_F(work, wait_on_memory_that_is_only_read)
{
	uint64_t *word = map_anon(PAGE);
	struct drm_vsvm_wait_user_fence args = {
		.address = (uintptr_t)word, .value = 0, .mask = ~0ull,
	};

	ASSERT_EQ(0, mprotect(word, PAGE, PROT_READ));
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	ASSERT_EQ(0, mprotect(word, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
}

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

TEST_F(work, wait_is_interrupted_by_a_signal)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct itimerval timer = { .it_value.tv_usec = 20000 };
	uint64_t word = 1;
	struct drm_vsvm_wait_user_fence args = {
		.address = (uintptr_t)&word, .value = 5, .mask = ~0ull,
		.timeout_ns = (int64_t)(test_now() + test_patience()),
	};

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(-EINTR, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	EXPECT_EQ(1, signals);
	/* Asked to, the kernel goes on with it; the time-out does not start anew */
	action.sa_flags = SA_RESTART;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	args.timeout_ns = (int64_t)test_now() + 60000000;
	EXPECT_EQ(-ETIME, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	EXPECT_EQ(2, signals);
	EXPECT_LE((uint64_t)args.timeout_ns, test_now());
	EXPECT_GT((uint64_t)args.timeout_ns + test_time(2) * NSEC_PER_SEC, test_now());
}

TEST_F(work, wait_for_what_another_queue_writes)
{
	struct test_queue other;
	uint64_t *word = map_anon(PAGE);

	/* With no queue named, any queue of the file wakes */
	ASSERT_EQ(0, test_queue_open(&self->t, &other));
	put_spin(&other, 30000000);
	put_fence(&other, word, 9);
	ASSERT_EQ(0, test_submit(&other));
	EXPECT_EQ(0, test_wait_value(&self->t, word, 9, VSVM_COMPARE_EQ, test_patience()));
	EXPECT_EQ(0, test_wait(&other));
	/* A value that compares counts, even if the queue named is in error */
	put(&other, 999);
	EXPECT_EQ(-ECANCELED, test_run(&other));
	struct drm_vsvm_wait_user_fence args = {
		.address = (uintptr_t)word, .value = 9, .mask = ~0ull, .queue_id = other.id,
	};

	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	args.value = 10;
	EXPECT_EQ(-ECANCELED, test_ioctl(self->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args));
	test_queue_close(&other);
}

struct long_wait {
	int fd;
	uint64_t *word;
	uint32_t started;
	int ret;
};

static void *wait_long(void *arg)
{
	struct long_wait *w = arg;
	struct drm_vsvm_wait_user_fence args = {
		.address = (uintptr_t)w->word, .value = 1, .mask = ~0ull,
		.timeout_ns = (int64_t)(test_now() + 50000000),
	};

	__atomic_store_n(&w->started, 1, __ATOMIC_SEQ_CST);
	w->ret = test_ioctl(w->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &args);
	return NULL;
}

TEST_F(work, wait_on_memory_that_goes_away)
{
	struct long_wait w = { .fd = self->fd, .word = map_anon(PAGE) };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_long, &w));
	while (!__atomic_load_n(&w.started, __ATOMIC_SEQ_CST))
		test_nap();
	test_nap();
	munmap(w.word, PAGE);
	pthread_join(thread, NULL);
	EXPECT_EQ(-EFAULT, w.ret);
}

TEST_HARNESS_MAIN
