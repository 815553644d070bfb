// SPDX-License-Identifier: MIT
/*
 * Faults that user space serves (userfaultfd).  The device may have to wait for
 * a program; nobody else has to wait with it, and whoever wants to leave can.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "vsvm_harness.h"

#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};

#define UFFDIO_POISON	_IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

#define PAGES	32
#define BYTES	(PAGES * PAGE)

FIXTURE(uffd)
{
	struct test_vm t;
	struct test_queue other;
	int fd;
	int stop;
	pthread_t thread;
	bool running;
	char *source;
	/* Shared: a child's handler tells the parent */
	volatile uint32_t *shared;
	volatile uint32_t *events;
	volatile uint64_t *address;
	volatile uint32_t hold;
	/* [p, p + BYTES) is registered, the next BYTES are not */
	char *p;
};

/* --- the handler --- */

static int copy_in(int fd, char *page, char *source)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page & ~(PAGE - 1),
		.src = (uintptr_t)source,
		.len = PAGE,
	};

	/* Somebody else may have been faster: then it is there */
	return ioctl(fd, UFFDIO_COPY, &copy) && errno != EEXIST ? -errno : 0;
}

static int unprotect(int fd, uint64_t address)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = address & ~(PAGE - 1), .len = PAGE },
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

static void *handle(void *arg)
{
	FIXTURE_DATA(uffd) * self = arg;
	struct pollfd poll_for[2] = {
		{ .fd = self->fd, .events = POLLIN },
		{ .fd = self->stop, .events = POLLIN },
	};
	struct uffd_msg msg;

	for (;;) {
		if (poll(poll_for, 2, -1) < 0 || poll_for[1].revents)
			return NULL;
		if (read(self->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		if (msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		*self->address = msg.arg.pagefault.address;
		__atomic_fetch_add(self->events, 1, __ATOMIC_SEQ_CST);
		if (self->hold)
			continue;
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
			unprotect(self->fd, msg.arg.pagefault.address);
		else
			copy_in(self->fd, (char *)(uintptr_t)msg.arg.pagefault.address,
				self->source);
	}
}

static int start(FIXTURE_DATA(uffd) *self, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)self->p, .len = BYTES },
		.mode = mode,
	};

	self->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (self->fd < 0 || ioctl(self->fd, UFFDIO_API, &api) ||
	    ioctl(self->fd, UFFDIO_REGISTER, &reg))
		return -errno;
	self->stop = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&self->thread, NULL, handle, self))
		return -EAGAIN;
	self->running = true;
	return 0;
}

static void finish(FIXTURE_DATA(uffd) *self)
{
	uint64_t one = 1;

	if (self->running && write(self->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(self->thread, NULL);
	self->running = false;
	if (self->fd > 0)
		close(self->fd);
	self->fd = -1;
}

static bool wait_for_events(FIXTURE_DATA(uffd) *self, uint32_t count)
{
	uint64_t since = 0;

	while (*self->events < count) {
		if (!test_patient(&since))
			return false;
		test_nap();
	}
	return true;
}

FIXTURE_SETUP(uffd)
{
	ASSERT_EQ(0, test_open(&self->t));
	ASSERT_EQ(0, test_queue_open(&self->t, &self->other));
	self->p = map_anon(2 * BYTES);
	self->source = map_anon(PAGE);
	memset(self->source, 0x5a, PAGE);
	self->shared = map_shared(PAGE);
	self->events = &self->shared[0];
	self->address = (volatile uint64_t *)&self->shared[2];
	/* The queues' own pages: only the test's faults shall need user space */
	ASSERT_EQ(0, dev_touch_write(&self->t, self->t.q.area, 4 * PAGE));
	if (start(self, UFFDIO_REGISTER_MODE_MISSING))
		SKIP(return, "no userfaultfd: %s", strerror(errno));
}

FIXTURE_TEARDOWN(uffd)
{
	finish(self);
	test_queue_close(&self->other);
	EXPECT_EQ(0, test_close(&self->t));
}

/* --- served --- */

TEST_F(uffd, device_read_is_served)
{
	char *copy = map_anon(BYTES);

	ASSERT_EQ(0, dev_copy(&self->t, copy, self->p, BYTES));
	EXPECT_EQ(-1, check_bytes(copy, BYTES, 0x5a));
	EXPECT_LE(1, *self->events);
	EXPECT_EQ(-1, check_bytes(self->p, BYTES, 0x5a));
}

TEST_F(uffd, device_write_is_served)
{
	int i;

	for (i = 0; i < PAGES; i++)
		put_store64(&self->t.q, self->p + i * PAGE + 16, i);
	ASSERT_EQ(0, test_run(&self->t.q));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ((uint64_t)i, *(uint64_t *)(self->p + i * PAGE + 16));
		EXPECT_EQ(-1, check_bytes(self->p + i * PAGE + 24, PAGE - 24, 0x5a));
		EXPECT_EQ(-1, check_bytes(self->p + i * PAGE, 16, 0x5a));
	}
}

TEST_F(uffd, a_batch_is_served)
{
	/* From behind, and one page of memory that needs nobody */
	char *other = map_anon(PAGE), *copy = map_anon(3 * PAGE);
	const struct iovec iov[] = {
		{ self->p + 2 * PAGE, PAGE }, { other, PAGE }, { self->p, PAGE },
	};

	memset(other, 0x11, PAGE);
	ASSERT_EQ(0, vsvm_bind_userptr(self->t.vm, 1ull << 47, iov, 3, DRM_VSVM_BIND_REPLACE |
				       DRM_VSVM_BIND_IMMEDIATE, NULL));
	ASSERT_EQ(0, dev_copy(&self->t, copy, (void *)(1ull << 47), 3 * PAGE));
	EXPECT_EQ(-1, check_bytes(copy, PAGE, 0x5a));
	EXPECT_EQ(-1, check_bytes(copy + PAGE, PAGE, 0x11));
	EXPECT_EQ(-1, check_bytes(copy + 2 * PAGE, PAGE, 0x5a));
	EXPECT_LE(2, *self->events);
}

TEST_F(uffd, only_what_was_touched_is_asked_for)
{
	uint64_t value = 0;

	/* Faulting around a page must not fault its neighbours to user space */
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 9 * PAGE + 8, &value));
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aull, value);
	EXPECT_EQ(1, *self->events);
	EXPECT_EQ((uintptr_t)self->p + 9 * PAGE, *self->address & ~(PAGE - 1));
	EXPECT_EQ(1, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_MAPPED,
				 DRM_VSVM_PAGE_MAPPED));
}

TEST_F(uffd, zero_page_is_served)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)self->p, PAGE } };
	uint64_t value = 1;

	self->hold = 1;
	put_copy(&self->t.q, self->t.out, self->p, 8);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(true, wait_for_events(self, 1));
	ASSERT_EQ(0, ioctl(self->fd, UFFDIO_ZEROPAGE, &zero));
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(0, self->t.out[0]);
	ASSERT_EQ(0, dev_store64(&self->t, self->p, 3));
	ASSERT_EQ(0, dev_load64(&self->t, self->p, &value));
	EXPECT_EQ(3, value);
}

TEST_F(uffd, poisoned_page_is_a_bus_error)
{
	struct uffdio_poison poison = { .range = { (uintptr_t)self->p + 2 * PAGE, PAGE } };
	uint64_t value = 0;

	REQUIRE(!ioctl(self->fd, UFFDIO_POISON, &poison), "no UFFDIO_POISON: %s", strerror(errno));
	EXPECT_NE(0, dev_load64(&self->t, self->p + 2 * PAGE + 8, &value));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_BUS, EFAULT, self->p + 2 * PAGE + 8,
				  DRM_VSVM_ACCESS_READ));
	ASSERT_EQ(0, dev_load64(&self->t, self->p + PAGE, &value));
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aull, value);
}

/* --- while the device waits --- */

/* Parks the first queue at the page; 0 when the handler has been asked */
static int park(FIXTURE_DATA(uffd) *self, int page)
{
	uint32_t before = *self->events;

	self->hold = 1;
	put_store64(&self->t.q, self->p + page * PAGE, 0x1111);
	if (test_submit(&self->t.q))
		return -EIO;
	return wait_for_events(self, before + 1) ? 0 : -ETIME;
}

TEST_F(uffd, others_go_on_meanwhile)
{
	char *far = map_anon(4 << 20);
	int i;

	ASSERT_EQ(0, park(self, 3));
	/* The same 2 MiB block, other memory, for reading and for writing */
	for (i = 0; i < PAGES; i++)
		put_store64(&self->other, self->p + BYTES + i * PAGE, i + 1);
	EXPECT_EQ(0, test_run(&self->other));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(i + 1, *(int *)(self->p + BYTES + i * PAGE));
	}
	put_fill(&self->other, far, 4 << 20, 0x3333333333333333ull);
	EXPECT_EQ(0, test_run(&self->other));
	EXPECT_EQ(-1, check_bytes(far, 4 << 20, 0x33));
	/* Its invalidations too */
	EXPECT_EQ(0, munmap(far, 4 << 20));
	EXPECT_EQ(0, madvise(self->p + BYTES, PAGE, MADV_DONTNEED));
	EXPECT_EQ(1, *self->events);
	EXPECT_EQ(-ETIME, test_wait_ns(&self->t.q, 1000000));

	ASSERT_EQ(0, copy_in(self->fd, self->p + 3 * PAGE, self->source));
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(0x1111, *(uint64_t *)(self->p + 3 * PAGE));
	EXPECT_EQ(0x5a, self->p[3 * PAGE + 8]);
}

TEST_F(uffd, many_parked_pages_are_served_in_any_order)
{
	int i;

	self->hold = 1;
	for (i = 0; i < PAGES; i++)
		put_store64(&self->t.q, self->p + i * PAGE, i);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(true, wait_for_events(self, 1));
	/* Those that have not been asked for yet come with a page in place */
	for (i = PAGES - 1; i >= 0; i--) {
		ASSERT_EQ(0, copy_in(self->fd, self->p + i * PAGE, self->source));
	}
	ASSERT_EQ(0, test_wait(&self->t.q));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(i, *(int *)(self->p + i * PAGE));
	}
}

TEST_F(uffd, one_that_is_served_does_not_wait_for_one_that_is_not)
{
	ASSERT_EQ(0, park(self, 3));
	/* Another page of the same monitor, which it does serve */
	self->hold = 0;
	put_store64(&self->other, self->p + 20 * PAGE, 0x2222);
	EXPECT_EQ(0, test_run(&self->other));
	EXPECT_EQ(0x2222, *(uint64_t *)(self->p + 20 * PAGE));
	EXPECT_EQ(-ETIME, test_wait_ns(&self->t.q, 1000000));
	ASSERT_EQ(0, copy_in(self->fd, self->p + 3 * PAGE, self->source));
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(0x1111, *(uint64_t *)(self->p + 3 * PAGE));
}

TEST_F(uffd, closing_the_userfaultfd_lets_it_go)
{
	ASSERT_EQ(0, park(self, 0));
	finish(self);
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(0x1111, *(uint64_t *)self->p);
	EXPECT_EQ(0, *(uint64_t *)(self->p + 8));
}

TEST_F(uffd, unregistering_lets_it_go)
{
	struct uffdio_range range = { (uintptr_t)self->p, BYTES };

	ASSERT_EQ(0, park(self, 1));
	ASSERT_EQ(0, ioctl(self->fd, UFFDIO_UNREGISTER, &range));
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(0x1111, *(uint64_t *)(self->p + PAGE));
}

TEST_F(uffd, unmapping_ends_it)
{
	struct uffdio_range range = { (uintptr_t)self->p, BYTES };

	ASSERT_EQ(0, park(self, 2));
	ASSERT_EQ(0, munmap(self->p, BYTES));
	ioctl(self->fd, UFFDIO_WAKE, &range);
	EXPECT_EQ(-ECANCELED, test_wait(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
				  self->p + 2 * PAGE, DRM_VSVM_ACCESS_WRITE));
}

TEST_F(uffd, destroying_the_queue_does_not_wait)
{
	struct drm_vsvm_queue_destroy destroy = { .queue_id = self->t.q.id };
	uint64_t start = test_now();

	ASSERT_EQ(0, park(self, 4));
	EXPECT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy));
	EXPECT_GT(test_patience(), test_now() - start);
	self->t.q.id = 0;
	/* The address space is as good as before */
	put_store64(&self->other, self->p + BYTES, 5);
	EXPECT_EQ(0, test_run(&self->other));
	EXPECT_EQ(0, test_queue_renew(&self->t.q));
	ASSERT_EQ(0, copy_in(self->fd, self->p + 4 * PAGE, self->source));
	EXPECT_EQ(0, dev_store64(&self->t, self->p + 4 * PAGE, 6));
}

TEST_F(uffd, destroying_everything_does_not_wait)
{
	uint64_t start = test_now();

	ASSERT_EQ(0, park(self, 5));
	test_queue_close(&self->other);
	EXPECT_EQ(0, test_close(&self->t));
	EXPECT_GT(test_patience(), test_now() - start);
	/* And leaves nothing behind that hinders the next one */
	ASSERT_EQ(0, test_open(&self->t));
	self->hold = 0;
	EXPECT_EQ(0, dev_store64(&self->t, self->p + 5 * PAGE, 7));
	EXPECT_EQ(7, *(uint64_t *)(self->p + 5 * PAGE));
}

TEST_F(uffd, closing_the_device_does_not_wait)
{
	uint64_t start = test_now();

	ASSERT_EQ(0, park(self, 6));
	vsvm_close(self->t.dev);
	EXPECT_GT(test_patience(), test_now() - start);
	memset(&self->t, 0, sizeof(self->t));
	memset(&self->other, 0, sizeof(self->other));
	ASSERT_EQ(0, test_open(&self->t));
	EXPECT_EQ(0, dev_store64(&self->t, self->p + BYTES, 7));
}

/* --- ioctls whose memory does not come --- */

struct asker {
	FIXTURE_DATA(uffd) *self;
	void *memory;
	int (*ask)(struct asker *asker);
	int ret;
	uint32_t done;
};

static int ask_stats(struct asker *a)
{
	struct drm_vsvm_vm_stats arg = {
		.vm_id = a->self->t.id, .size = sizeof(struct drm_vsvm_stats),
		.pointer = (uintptr_t)a->memory,
	};

	return test_ioctl(a->self->t.fd, DRM_IOCTL_VSVM_VM_STATS, &arg);
}

static int ask_state(struct asker *a)
{
	struct drm_vsvm_vm_state arg = {
		.vm_id = a->self->t.id, .address = (uintptr_t)a->self->source, .size = PAGE,
		.pages = (uintptr_t)a->memory,
	};

	return test_ioctl(a->self->t.fd, DRM_IOCTL_VSVM_VM_STATE, &arg);
}

static int ask_faults(struct asker *a)
{
	struct drm_vsvm_vm_faults arg = {
		.vm_id = a->self->t.id,
		.records = { sizeof(struct drm_vsvm_fault), 4, (uintptr_t)a->memory },
	};

	return test_ioctl(a->self->t.fd, DRM_IOCTL_VSVM_VM_FAULTS, &arg);
}

static int ask_bind(struct asker *a)
{
	struct drm_vsvm_vm_bind arg = {
		.vm_id = a->self->t.id,
		.ops = { sizeof(struct drm_vsvm_bind_op), 1, (uintptr_t)a->memory },
	};

	return test_ioctl(a->self->t.fd, DRM_IOCTL_VSVM_VM_BIND, &arg);
}

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->ret = a->ask(a);
	__atomic_store_n(&a->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST_F(uffd, ioctls_that_wait_for_memory_hold_up_nobody)
{
	static int (*const asks[])(struct asker *) = {
		ask_stats, ask_state, ask_faults, ask_bind,
	};
	struct asker a[ARRAY_SIZE(asks)];
	pthread_t thread[ARRAY_SIZE(asks)];
	uint64_t value = 0;
	unsigned int i;

	/* A record to be read */
	EXPECT_NE(0, dev_store64(&self->t, NULL, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, NULL,
				  DRM_VSVM_ACCESS_WRITE));
	self->hold = 1;
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		a[i] = (struct asker) {
			.self = self, .memory = self->p + 2 * i * PAGE, .ask = asks[i],
		};
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, ask, &a[i]));
		ASSERT_EQ(true, wait_for_events(self, i + 1));
	}
	/* The address space works, can be bound in, and goes when it is told to */
	EXPECT_EQ(0, dev_load64(&self->t, self->source, &value));
	EXPECT_EQ(0, vsvm_prefetch(self->t.vm, self->source, PAGE, DRM_VSVM_PLACE_DEFAULT));
	test_queue_close(&self->other);
	EXPECT_EQ(0, test_close(&self->t));
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		EXPECT_EQ(0, __atomic_load_n(&a[i].done, __ATOMIC_SEQ_CST));
		ASSERT_EQ(0, copy_in(self->fd, a[i].memory, self->source));
		pthread_join(thread[i], NULL);
		/* Who has its answer gets it; who has not asked yet finds nothing any more */
		EXPECT_EQ(asks[i] == ask_bind, !!a[i].ret)
			TH_LOG("%u: %d", i, a[i].ret);
	}
	self->hold = 0;
	ASSERT_EQ(0, test_open(&self->t));
	ASSERT_EQ(0, test_queue_open(&self->t, &self->other));
}

/* A process parks its device and sits there, or leaves; returns how it ended */
static int end_of_a_parked_process(FIXTURE_DATA(uffd) *self, bool exits)
{
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (!pid) {
		FIXTURE_DATA(uffd) mine = { .p = self->p, .source = self->source };

		mine.events = self->events;
		mine.address = self->address;
		mine.hold = 1;
		if (test_open(&mine.t) || start(&mine, UFFDIO_REGISTER_MODE_MISSING) ||
		    park(&mine, 7))
			_exit(1);
		flag_set(&self->shared[8], 1);
		if (exits)
			_exit(0);
		for (;;)
			pause();
	}
	if (!flag_wait(&self->shared[8], 1)) {
		kill(pid, SIGKILL);
		wait_child(pid);
		return -1;
	}
	if (!exits)
		kill(pid, SIGKILL);
	return wait_child(pid);
}

TEST_F(uffd, kill_of_a_parked_process)
{
	int status;

	/* The child registers its own copy of the memory */
	finish(self);
	status = end_of_a_parked_process(self, false);
	EXPECT_EQ(true, status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(0, dev_store64(&self->t, self->p, 8));
	EXPECT_EQ(8, *(uint64_t *)self->p);
}

TEST_F(uffd, exit_of_a_parked_process)
{
	int status;

	finish(self);
	status = end_of_a_parked_process(self, true);
	EXPECT_EQ(true, status != -1 && WIFEXITED(status) && !WEXITSTATUS(status));
	EXPECT_EQ(0, dev_store64(&self->t, self->p, 8));
	EXPECT_EQ(8, *(uint64_t *)self->p);
}

/* --- write protection --- */

TEST_F(uffd, write_protection_stops_the_device)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)self->p, .len = BYTES },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	uint64_t value = 0;
	uint32_t before;
	int i;

	finish(self);
	memset(self->p, 0x77, BYTES);
	ASSERT_EQ(0, dev_touch_write(&self->t, self->p, BYTES));
	REQUIRE(!start(self, UFFDIO_REGISTER_MODE_WP), "no write protection: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(self->fd, UFFDIO_WRITEPROTECT, &wp));
	EXPECT_EQ(0, count_state(&self->t, self->p, BYTES, DRM_VSVM_PAGE_WRITE,
				 DRM_VSVM_PAGE_WRITE));
	before = *self->events;
	/* Reading needs nobody */
	ASSERT_EQ(0, dev_load64(&self->t, self->p + 8, &value));
	EXPECT_EQ(0x7777777777777777ull, value);
	EXPECT_EQ(before, *self->events);
	/* Each page written to is reported, with the right address */
	for (i = 0; i < PAGES; i += 3) {
		before = *self->events;
		ASSERT_EQ(0, dev_store64(&self->t, self->p + i * PAGE + 8, i));
		EXPECT_LT(before, *self->events);
		EXPECT_EQ((uintptr_t)self->p + i * PAGE, *self->address & ~(PAGE - 1));
		EXPECT_EQ((uint64_t)i, *(uint64_t *)(self->p + i * PAGE + 8));
	}
	/* And while it is not answered, the data stays what it was */
	self->hold = 1;
	before = *self->events;
	put_store64(&self->t.q, self->p + PAGE, 0xbad);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(true, wait_for_events(self, before + 1));
	EXPECT_EQ(0x7777777777777777ull, *(uint64_t *)(self->p + PAGE));
	ASSERT_EQ(0, unprotect(self->fd, (uintptr_t)self->p + PAGE));
	ASSERT_EQ(0, test_wait(&self->t.q));
	EXPECT_EQ(0xbad, *(uint64_t *)(self->p + PAGE));
}

TEST_HARNESS_MAIN
