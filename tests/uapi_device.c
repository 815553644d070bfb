// SPDX-License-Identifier: MIT
/*
 * The device and its ioctls as such: nodes, queries, pointers that lead
 * nowhere, files closed in the middle, users without privileges.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "vsvm_harness.h"

FIXTURE_VSVM(device);

static const uint64_t bad_pointers[] = {
	0, 8, 0x1000, 0x00007fffffffeff8ull, 0x0000800000000000ull, 0xffff800000000000ull,
	0xffff888000000000ull, 0xffffffff81000000ull, 0xfffffffffffffff8ull,
};

static int query(int fd, uint32_t type, uint32_t *size, uint64_t pointer)
{
	struct drm_vsvm_dev_query args = { .type = type, .size = *size, .pointer = pointer };
	int ret = test_ioctl(fd, DRM_IOCTL_VSVM_DEV_QUERY, &args);

	*size = args.size;
	return ret;
}

TEST_F(device, info_makes_sense)
{
	const struct drm_vsvm_dev_info *info = vsvm_info(self->t.dev);

	EXPECT_EQ(DRM_VSVM_CONTRACT, info->contract);
	EXPECT_LE(1, info->engines);
	EXPECT_GE(32, info->engines);
	EXPECT_NE(0, info->caps & DRM_VSVM_CAP_FAULT);
	EXPECT_EQ(48, info->va_bits);
	EXPECT_EQ(12, info->page_shift);
	EXPECT_EQ(21, info->huge_shift);
	EXPECT_EQ(0, info->pad);
	EXPECT_LE(HUGE, info->notifier_size);
	EXPECT_EQ(0, info->notifier_size & (info->notifier_size - 1));
	EXPECT_LT(0, info->max_bind_ops);
	EXPECT_LT(0, info->max_commands);
	EXPECT_LE(100, info->max_queues);
	EXPECT_LE(512, info->max_pages);
	EXPECT_LT(0, info->fault_entries);
	EXPECT_LE(info->max_commands, info->queue_depth);
}

TEST_F(device, query_in_every_size)
{
	struct drm_vsvm_dev_info info;
	unsigned char room[2 * sizeof(info)];
	uint32_t size = 0, have, i;

	ASSERT_EQ(0, query(self->t.fd, DRM_VSVM_DEV_QUERY_INFO, &size, 0));
	have = size;
	EXPECT_LE(80, have);
	/* Less, exactly and more than there is */
	for (i = 1; i <= sizeof(room); i += i < 16 ? 1 : 8) {
		memset(room, 0x77, sizeof(room));
		size = i;
		ASSERT_EQ(0, query(self->t.fd, DRM_VSVM_DEV_QUERY_INFO, &size, (uintptr_t)room));
		EXPECT_EQ(i < have ? i : have, size);
		EXPECT_EQ(0, memcmp(room, vsvm_info(self->t.dev), i < 8 ? i : 8));
		/* Not a byte beyond */
		EXPECT_EQ(-1, check_bytes(room + size, sizeof(room) - size, 0x77));
	}
	size = 0;
	ASSERT_EQ(0, query(self->t.fd, DRM_VSVM_DEV_QUERY_COUNTERS, &size, 0));
	EXPECT_LE(72, size);
}

TEST_F(device, query_of_nonsense)
{
	uint64_t room[64];
	uint32_t size, i;

	for (i = 0; i < ARRAY_SIZE(bad_pointers); i++) {
		size = sizeof(room);
		EXPECT_EQ(bad_pointers[i] ? -EFAULT : -EINVAL,
			  query(self->t.fd, DRM_VSVM_DEV_QUERY_INFO, &size, bad_pointers[i]));
		size = 8;
		EXPECT_NE(0, query(self->t.fd, DRM_VSVM_DEV_QUERY_COUNTERS, &size,
				   bad_pointers[i]));
	}
	size = 0;
	EXPECT_EQ(-EINVAL, query(self->t.fd, DRM_VSVM_DEV_QUERY_INFO, &size, (uintptr_t)room));
	size = sizeof(room);
	EXPECT_EQ(-EINVAL, query(self->t.fd, 2, &size, (uintptr_t)room));
	size = sizeof(room);
	EXPECT_EQ(-EINVAL, query(self->t.fd, ~0u, &size, (uintptr_t)room));
	/* A size that lies: only what the kernel has is written */
	size = ~0u;
	EXPECT_EQ(0, query(self->t.fd, DRM_VSVM_DEV_QUERY_INFO, &size, (uintptr_t)room));
	EXPECT_GE(sizeof(room), size);
	/* Where it may not be written */
	const char *constant = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	size = 64;
	EXPECT_EQ(-EFAULT, query(self->t.fd, DRM_VSVM_DEV_QUERY_INFO, &size, (uintptr_t)constant));
}

TEST_F(device, counters_only_rise)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;
	char *p = map_anon(64 * PAGE);

	ASSERT_EQ(0, dev_fill(&self->t, p, 64 * PAGE, 1));
	after = test_counters(&self->t);
	EXPECT_LT(before.blocks, after.blocks);
	EXPECT_LE(before.bytes + 64 * PAGE, after.bytes);
	EXPECT_LT(before.packets, after.packets);
	EXPECT_LT(before.tlb_misses, after.tlb_misses);
	EXPECT_LT(before.faults, after.faults);
	before = after;
	ASSERT_EQ(0, munmap(p, 64 * PAGE));
	after = test_counters(&self->t);
	EXPECT_LT(before.tlb_invalidations, after.tlb_invalidations);
	EXPECT_EQ(0, after.stale_translations);
}

TEST_F(device, checks_its_translations_when_told)
{
	struct drm_vsvm_dev_counters counters;

	/* Without this, a stale translation that all the tests look for is never seen */
	REQUIRE(!getenv("VSVM_TEST_PARANOID"), "not wanted");
	EXPECT_EQ(true, paranoid_on());
	counters = test_counters(&self->t);
	EXPECT_EQ(0, counters.stale_translations);
}

/* --- every ioctl --- */

static const struct {
	unsigned long request;
	const char *name;
} ioctls[] = {
#define IOCTL(name) { DRM_IOCTL_VSVM_##name, #name }
	IOCTL(DEV_QUERY), IOCTL(VM_CREATE), IOCTL(VM_DESTROY), IOCTL(VM_BIND), IOCTL(VM_STATE),
	IOCTL(VM_FAULTS), IOCTL(VM_STATS), IOCTL(QUEUE_CREATE), IOCTL(QUEUE_DESTROY),
	IOCTL(QUEUE_QUERY), IOCTL(SUBMIT), IOCTL(WAIT_USER_FENCE),
#undef IOCTL
};

TEST_F(device, arguments_at_bad_addresses)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++) {
		for (j = 0; j < ARRAY_SIZE(bad_pointers); j++) {
			EXPECT_EQ(-EFAULT, test_ioctl(self->t.fd, ioctls[i].request,
						      (void *)bad_pointers[j]))
				TH_LOG("%s at %llx", ioctls[i].name, (long long)bad_pointers[j]);
		}
	}
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

TEST_F(device, everything_zero_and_everything_one)
{
	unsigned char room[256];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++) {
		memset(room, 0xff, sizeof(room));
		EXPECT_GT(0, test_ioctl(self->t.fd, ioctls[i].request, room))
			TH_LOG("%s of ones", ioctls[i].name);
		/* What asks for sizes, or looks at a bad address, is well-formed all zero */
		if (ioctls[i].request == DRM_IOCTL_VSVM_DEV_QUERY)
			continue;
		memset(room, 0, sizeof(room));
		EXPECT_GT(0, test_ioctl(self->t.fd, ioctls[i].request, room))
			TH_LOG("%s of zeros", ioctls[i].name);
	}
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

TEST_F(device, unknown_ioctls)
{
	unsigned char room[256] = { 0 };
	unsigned int nr;

	for (nr = 0x40 + 0x60; nr < 0xa8; nr++) {
		EXPECT_GT(0, test_ioctl(self->t.fd, _IOWR('d', nr, room), room));
	}
	EXPECT_GT(0, test_ioctl(self->t.fd, 0, NULL));
	EXPECT_GT(0, test_ioctl(self->t.fd, ~0ul, room));
}

TEST_F(device, callers_with_shorter_structures)
{
	/* As if built before mask, timeout and the rest were there: zero is the default */
	struct drm_vsvm_wait_user_fence wait = {
		.address = (uintptr_t)self->t.out, .value = 0, .mask = ~0ull,
		.compare = ~0u, .queue_id = ~0u, .flags = ~0u, .pad = ~0u,
	};
	unsigned long request = _IOC(_IOC_READ | _IOC_WRITE, 'd',
				     DRM_COMMAND_BASE + DRM_VSVM_WAIT_USER_FENCE, 32);

	self->t.out[0] = 0;
	EXPECT_EQ(0, test_ioctl(self->t.fd, request, &wait));
	self->t.out[0] = 1;
	EXPECT_EQ(-ETIME, test_ioctl(self->t.fd, request, &wait));
	/* What was not passed has not been written */
	EXPECT_EQ(~0u, wait.pad);
	request = _IOC(_IOC_READ | _IOC_WRITE, 'd', DRM_COMMAND_BASE + DRM_VSVM_SUBMIT, 4);
	EXPECT_EQ(0, test_ioctl(self->t.fd, request, &self->t.q.id));
	/* And with longer ones */
	struct {
		struct drm_vsvm_queue_query query;
		char more[64];
	} longer = { .query.queue_id = self->t.q.id };

	request = _IOC(_IOC_READ | _IOC_WRITE, 'd', DRM_COMMAND_BASE + DRM_VSVM_QUEUE_QUERY,
		       sizeof(longer));
	EXPECT_EQ(0, test_ioctl(self->t.fd, request, &longer));
	EXPECT_LE(1, longer.query.submitted);
}

/* --- files --- */

TEST_F(device, other_ways_to_use_the_file)
{
	char buf[16];
	struct pollfd poll_for = { .fd = self->t.fd, .events = POLLIN | POLLOUT };

	/* There is nothing to read, and that is waited for */
	ASSERT_EQ(0, fcntl(self->t.fd, F_SETFL, O_NONBLOCK));
	EXPECT_GT(0, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->t.fd, 0) == MAP_FAILED ? -1 : 0);
	EXPECT_EQ(-1, write(self->t.fd, buf, sizeof(buf)));
	EXPECT_EQ(-1, pread(self->t.fd, buf, sizeof(buf), 1ll << 40));
	EXPECT_LE(0, poll(&poll_for, 1, 0));
	EXPECT_EQ(-1, ftruncate(self->t.fd, 0));
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

TEST_F(device, fdinfo_can_be_read)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->t.fd);
	ASSERT_LT(0, read_text(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "drm-driver:\tvsvm"));
}

struct user {
	int fd;
	uint32_t queue_id;
	uint32_t ready;
	uint64_t word;
	int ret;
};

static void *wait_long(void *arg)
{
	struct user *user = arg;
	struct drm_vsvm_wait_user_fence wait = {
		.address = (uintptr_t)&user->word, .value = 1, .mask = ~0ull,
		.timeout_ns = (int64_t)(test_now() + 3 * test_patience()),
		.queue_id = user->queue_id,
	};

	__atomic_store_n(&user->ready, 1, __ATOMIC_SEQ_CST);
	user->ret = test_ioctl(user->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &wait);
	return NULL;
}

TEST_F(device, closed_while_somebody_waits)
{
	struct test_vm other;
	struct user user = { 0 };
	pthread_t thread;

	/* The wait holds the file: it ends when its queue does, here by an error */
	ASSERT_EQ(0, test_open(&other));
	user.fd = other.fd;
	user.queue_id = other.q.id;
	put_wait(&other.q, &user.word, 5, VSVM_COMPARE_EQ, 200000000);
	ASSERT_EQ(0, test_submit(&other.q));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_long, &user));
	while (!__atomic_load_n(&user.ready, __ATOMIC_SEQ_CST))
		test_nap();
	test_nap();
	vsvm_close(other.dev);
	pthread_join(thread, NULL);
	/* Had the thread not come that far, the number was that of no file */
	EXPECT_EQ(true, user.ret == -ECANCELED || user.ret == -EBADF);
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

static void *query_over_and_over(void *arg)
{
	struct user *user = arg;
	struct drm_vsvm_queue_query query;

	while (!__atomic_load_n(&user->word, __ATOMIC_RELAXED)) {
		memset(&query, 0, sizeof(query));
		query.queue_id = user->queue_id;
		test_ioctl(user->fd, DRM_IOCTL_VSVM_QUEUE_QUERY, &query);
	}
	return NULL;
}

TEST_F(device, closed_under_other_threads)
{
	unsigned long i, rounds = test_scale(40);

	for (i = 0; i < rounds; i++) {
		struct user user = { 0 };
		struct test_vm other;
		pthread_t threads[2];

		ASSERT_EQ(0, test_open(&other));
		user.fd = other.fd;
		user.queue_id = other.q.id;
		ASSERT_EQ(0, pthread_create(&threads[0], NULL, query_over_and_over, &user));
		ASSERT_EQ(0, pthread_create(&threads[1], NULL, query_over_and_over, &user));
		put_spin(&other.q, 0);
		EXPECT_EQ(0, test_submit(&other.q));
		vsvm_close(other.dev);
		__atomic_store_n(&user.word, 1, __ATOMIC_RELAXED);
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
	}
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

TEST_F(device, needs_no_privileges)
{
	const char *path = vsvm_path(self->t.dev);
	struct stat st;
	pid_t pid;

	ASSERT_EQ(0, stat(path, &st));
	ASSERT_EQ(0, chmod(path, 0666));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct test_vm mine;
		char *p = map_anon(16 * PAGE);

		setenv("VSVM_TEST_PARANOID", "0", 1);
		if (setgid(65534) || setuid(65534))
			_exit(1);
		/* A change of user makes the process undumpable, which has nothing to do with it */
		if (test_open(&mine))
			_exit(2);
		if (dev_fill(&mine, p, 16 * PAGE, 3) || *(uint64_t *)(p + PAGE) != 3)
			_exit(3);
		_exit(test_close(&mine) ? 4 : 0);
	}
	EXPECT_EQ(0, wait_child(pid));
	ASSERT_EQ(0, chmod(path, st.st_mode));
}

TEST_HARNESS_MAIN
