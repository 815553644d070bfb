// SPDX-License-Identifier: MIT
/*
 * Whose memory it is: several address spaces of one process, many processes,
 * file descriptors in the wrong hands, and processes that leave in the middle.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include "vsvm_harness.h"

FIXTURE_VSVM(process);

/* --- several address spaces of one process --- */

static void both_map(struct __test_metadata *_metadata, struct test_vm *a, struct test_vm *b)
{
	char *p = map_anon(16 * PAGE);
	uint64_t value = 0;

	/* What one writes the other reads, without a word in between */
	ASSERT_EQ(0, dev_fill(a, p, 16 * PAGE, 0x1111111111111111ull));
	ASSERT_EQ(0, dev_load64(b, p + 5 * PAGE, &value));
	EXPECT_EQ(0x1111111111111111ull, value);
	ASSERT_EQ(0, dev_touch_write(b, p, 16 * PAGE));
	ASSERT_EQ(0, dev_store64(b, p + 5 * PAGE, 2));
	ASSERT_EQ(0, dev_load64(a, p + 5 * PAGE, &value));
	EXPECT_EQ(2, value);
	/* Both lose what the process gives up */
	ASSERT_EQ(0, munmap(p, 8 * PAGE));
	EXPECT_EQ(8, count_state(a, p, 16 * PAGE, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(8, count_state(b, p, 16 * PAGE, DRM_VSVM_PAGE_MAPPED, DRM_VSVM_PAGE_MAPPED));
	EXPECT_NE(0, dev_store64(a, p, 1));
	EXPECT_EQ(0, expect_fault(&a->q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_NE(0, dev_store64(b, p, 1));
	EXPECT_EQ(0, expect_fault(&b->q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, p,
				  DRM_VSVM_ACCESS_WRITE));
	/* And one's end is not the other's */
	ASSERT_EQ(0, test_close(a));
	ASSERT_EQ(0, dev_fill(b, p + 8 * PAGE, 8 * PAGE, 3));
	EXPECT_EQ(3, *(uint64_t *)(p + 8 * PAGE));
}

TEST_F(process, two_address_spaces_of_one_file)
{
	struct test_vm other;

	ASSERT_EQ(0, test_open_on(&other, self->t.dev, 0));
	EXPECT_NE(self->t.id, other.id);
	both_map(_metadata, &other, &self->t);
}

TEST_F(process, two_address_spaces_of_two_files)
{
	struct test_vm other;

	ASSERT_EQ(0, test_open(&other));
	both_map(_metadata, &other, &self->t);
}

TEST_F(process, one_file_knows_nothing_of_the_others_numbers)
{
	struct drm_vsvm_queue_query query = { 0 };
	struct test_vm other;
	struct test_queue extra;

	ASSERT_EQ(0, test_open(&other));
	/* A number that only the second file has given out */
	ASSERT_EQ(0, test_queue_open(&other, &extra));
	query.queue_id = extra.id;
	EXPECT_EQ(0, test_ioctl(other.fd, DRM_IOCTL_VSVM_QUEUE_QUERY, &query));
	EXPECT_EQ(-ENOENT, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_QUERY, &query));
	test_queue_close(&extra);
	EXPECT_EQ(0, test_close(&other));
}

TEST_F(process, many_address_spaces_come_and_go)
{
	unsigned long i, rounds = test_scale(50);
	char *p = map_anon(4 * PAGE);
	struct test_vm other;

	for (i = 1; i <= rounds; i++) {
		ASSERT_EQ(0, test_open_on(&other, self->t.dev, 0));
		ASSERT_EQ(0, dev_fill(&other, p, 4 * PAGE, i));
		EXPECT_EQ(i, *(uint64_t *)(p + 4 * PAGE - 8));
		ASSERT_EQ(0, test_close(&other));
	}
}

/* --- many processes --- */

TEST_F_LONG(process, many_with_the_same_addresses, 120)
{
	enum { PROCESSES = 8 };
	unsigned long rounds = test_scale(20);
	char *p = map_anon(64 * PAGE);
	pid_t pids[PROCESSES];
	int i;

	/* After fork() all have p; each fills it with its own */
	for (i = 0; i < PROCESSES; i++) {
		unsigned long round;
		struct test_vm t;

		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (pids[i])
			continue;
		if (test_open(&t))
			_exit(1);
		for (round = 0; round < rounds; round++) {
			uint64_t value = round << 32 | (i + 1);

			if (dev_fill(&t, p, 64 * PAGE, value))
				_exit(2);
			t.out[0] = 0;
			put_sum(&t.q, p, 64 * PAGE / 8, 8, 8, t.out);
			if (test_run(&t.q) || t.out[0] != value * (64 * PAGE / 8))
				_exit(3);
			if (*(uint64_t *)(p + round % 64 * PAGE) != value)
				_exit(4);
			if (round % 4 == 3)
				madvise(p, 32 * PAGE, MADV_DONTNEED);
		}
		_exit(test_close(&t) ? 5 : 0);
	}
	for (i = 0; i < PROCESSES; i++) {
		EXPECT_EQ(0, wait_child(pids[i]));
	}
	EXPECT_EQ(-1, check_bytes(p, 64 * PAGE, 0));
}

TEST_F(process, another_task_with_the_same_memory_is_the_same_process)
{
	char *stack = map_anon(16 * PAGE);
	pid_t pid;

	/* vfork() is clone() with CLONE_VM: the mm counts, not the process */
	pid = vfork();
	if (!pid) {
		*(volatile int *)stack = dev_store64(&self->t, stack + PAGE, 5);
		_exit(0);
	}
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(0, *(int *)stack);
	EXPECT_EQ(5, *(uint64_t *)(stack + PAGE));
}

/* --- the wrong hands --- */

/* Every ioctl that names the address space or the queue; 0 or the line of the first that let it in */
static int refused(int fd, uint32_t vm_id, uint32_t queue_id)
{
	struct drm_vsvm_vm_destroy vm_destroy = { .vm_id = vm_id };
	struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_UNMAP, .flags = DRM_VSVM_BIND_FORCE, .size = 1ull << 47,
	};
	struct drm_vsvm_vm_bind bind = {
		.vm_id = vm_id, .ops = { sizeof(op), 1, (uintptr_t)&op },
	};
	uint32_t page;
	struct drm_vsvm_vm_state state = {
		.vm_id = vm_id, .address = 1ull << 30, .size = PAGE, .pages = (uintptr_t)&page,
	};
	struct drm_vsvm_fault record;
	struct drm_vsvm_vm_faults faults = {
		.vm_id = vm_id, .records = { sizeof(record), 1, (uintptr_t)&record },
	};
	struct drm_vsvm_stats counters;
	struct drm_vsvm_vm_stats stats = {
		.vm_id = vm_id, .size = sizeof(counters), .pointer = (uintptr_t)&counters,
	};
	struct drm_vsvm_queue_create queue_create = { .vm_id = vm_id };
	struct drm_vsvm_queue_query query = { .queue_id = queue_id };
	struct drm_vsvm_submit submit = { .queue_id = queue_id };
	uint64_t word = 0;
	struct drm_vsvm_wait_user_fence wait = {
		.address = (uintptr_t)&word, .value = 1, .mask = ~0ull, .queue_id = queue_id,
	};
	struct drm_vsvm_queue_destroy queue_destroy = { .queue_id = queue_id };

	if (test_ioctl(fd, DRM_IOCTL_VSVM_VM_BIND, &bind) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_VM_STATE, &state) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_VM_FAULTS, &faults) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_VM_STATS, &stats) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &queue_create) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_QUEUE_QUERY, &query) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_SUBMIT, &submit) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &wait) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &queue_destroy) != -EPERM)
		return __LINE__;
	if (test_ioctl(fd, DRM_IOCTL_VSVM_VM_DESTROY, &vm_destroy) != -EPERM)
		return __LINE__;
	return 0;
}

TEST_F(process, forked_child_is_refused_everything)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		int line = refused(self->t.fd, self->t.id, self->t.q.id);

		if (line)
			fprintf(stderr, "# %s:%d: let in\n", __FILE__, line);
		/* With an address space of its own on the same file it is welcome */
		if (!line) {
			struct test_vm mine;

			if (test_open_on(&mine, self->t.dev, 0))
				_exit(2);
			if (dev_store64(&mine, self->t.out, 7) || test_close(&mine))
				_exit(3);
		}
		_exit(line ? 1 : 0);
	}
	EXPECT_EQ(0, wait_child(pid));
	/* Its closing of the file is not the parent's */
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

TEST_F(process, descriptor_sent_through_a_socket_is_refused)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	uint32_t ids[2] = { self->t.id, self->t.q.id };
	struct iovec iov = { ids, sizeof(ids) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *header;
	int pair[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int fd, line;

		close(self->t.fd);
		if (recvmsg(pair[1], &msg, 0) != sizeof(ids))
			_exit(2);
		header = CMSG_FIRSTHDR(&msg);
		if (!header)
			_exit(3);
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		line = refused(fd, ids[0], ids[1]);
		if (line)
			fprintf(stderr, "# %s:%d: let in\n", __FILE__, line);
		_exit(line ? 1 : 0);
	}
	header = CMSG_FIRSTHDR(&msg);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &self->t.fd, sizeof(int));
	ASSERT_EQ((ssize_t)sizeof(ids), sendmsg(pair[0], &msg, 0));
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

/* Work that does not end by itself, of some kind */
static int start_work(struct test_vm *t, char *p, unsigned int kind)
{
	int i;

	switch (kind % 4) {
	case 0:
		put_spin(&t->q, 0);
		break;
	case 1:
		put_wait(&t->q, t->out, 0xdead, VSVM_COMPARE_EQ, 0);
		break;
	case 2:
		for (i = 0; i < 600; i++)
			put_fill(&t->q, p, 256 * PAGE, i);
		break;
	default:
		for (i = 0; i < 600; i++)
			put_copy(&t->q, p + 128 * PAGE, p, 128 * PAGE);
		break;
	}
	return test_submit(&t->q);
}

TEST_F(process, child_that_outlives_the_owner_is_refused)
{
	volatile uint32_t *step = map_shared(PAGE);
	pid_t pid;

	/* The middle process owns the address space, its child inherits the file */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct test_vm mine;

		if (test_open(&mine) || start_work(&mine, map_anon(256 * PAGE), 2))
			_exit(1);
		if (!fork()) {
			int line = 1;

			if (flag_wait(&step[0], 1))
				line = refused(mine.fd, mine.id, mine.q.id);
			flag_set(&step[1], line ? 2 : 1);
			_exit(0);
		}
		_exit(0);
	}
	EXPECT_EQ(0, wait_child(pid));
	flag_set(&step[0], 1);
	EXPECT_EQ(true, flag_wait(&step[1], 1));
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

static int after_exec(char **argv)
{
	return refused(atoi(argv[2]), (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4])) ? 1 : 0;
}

TEST_F(process, exec_leaves_the_address_space_behind)
{
	int kind;

	for (kind = 0; kind < 4; kind++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			char fd[16], vm[16], queue[16];
			struct test_vm mine;

			if (test_open(&mine) || start_work(&mine, map_anon(256 * PAGE), kind))
				_exit(2);
			fcntl(mine.fd, F_SETFD, 0);
			snprintf(fd, sizeof(fd), "%d", mine.fd);
			snprintf(vm, sizeof(vm), "%u", mine.id);
			snprintf(queue, sizeof(queue), "%u", mine.q.id);
			execl("/proc/self/exe", "after-exec", "--after-exec", fd, vm, queue, NULL);
			_exit(3);
		}
		EXPECT_EQ(0, wait_child(pid));
	}
	EXPECT_EQ(0, dev_store64(&self->t, self->t.out, 1));
}

/* --- leaving in the middle --- */

static void leave_in_the_middle(struct __test_metadata *_metadata, FIXTURE_DATA(process) *self,
				bool killed)
{
	unsigned long i, rounds = 4 * test_scale(6);
	volatile uint32_t *step = map_shared(PAGE);
	long before, after;
	uint64_t since = 0;

	before = meminfo_kib("MemAvailable:");
	for (i = 0; i < rounds; i++) {
		pid_t pid;
		int status;

		step[0] = 0;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			char *p = map_anon(8 << 20);
			struct test_vm mine;

			if (test_open(&mine) || dev_fill(&mine, p, 8 << 20, 1) ||
			    start_work(&mine, p, i))
				_exit(1);
			flag_set(step, 1);
			if (!killed)
				_exit(0);
			for (;;)
				pause();
		}
		ASSERT_EQ(true, flag_wait(step, 1));
		if (killed)
			kill(pid, SIGKILL);
		status = wait_child(pid);
		EXPECT_NE(-1, status);
		EXPECT_EQ(killed, WIFSIGNALED(status));
		/* The device serves the next one */
		EXPECT_EQ(0, dev_store64(&self->t, self->t.out, i));
	}
	/* All of it comes back: twice what one of them used is room for noise */
	do {
		after = meminfo_kib("MemAvailable:");
		if (before - after < 16 << 10)
			break;
		test_nap();
	} while (test_patient(&since));
	EXPECT_GT(16 << 10, before - after);
}

TEST_F_LONG(process, kill_with_work_in_flight, 120)
{
	leave_in_the_middle(_metadata, self, true);
}

TEST_F_LONG(process, exit_with_work_in_flight, 120)
{
	leave_in_the_middle(_metadata, self, false);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "--after-exec"))
		return after_exec(argv);
	return test_harness_run(argc, argv);
}
