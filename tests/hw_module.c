// SPDX-License-Identifier: MIT
/*
 * The module and its device come and go: unloading with users, unbinding under
 * them, silicon of other sizes, parameters that make no device.
 */
#include <linux/userfaultfd.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "vsvm_harness.h"

/* With these parameters instead of what is loaded; 0 or -errno */
static int reload(const char *params)
{
	int ret = module_unload();

	return ret ? ret : module_load(params);
}

/*
 * A bit of everything, verified.  Enough faults at once to fill a small buffer,
 * enough pages to fill a small TLB, invalidations in the middle.
 */
static int workload(void)
{
	enum { QUEUES = 8, PAGES = 256 };
	unsigned long round, rounds = test_scale(3);
	struct test_queue queues[QUEUES];
	struct test_vm t;
	unsigned int i, j;
	char *p;

	if (test_open(&t))
		return __LINE__;
	for (i = 0; i < QUEUES; i++)
		if (test_queue_open(&t, &queues[i]))
			return __LINE__;
	for (round = 1; round <= rounds; round++) {
		p = map_anon(QUEUES * PAGES * PAGE);
		for (i = 0; i < QUEUES; i++) {
			char *mine = p + i * PAGES * PAGE;

			/* Each in an order of its own, all pages missing */
			for (j = 0; j < PAGES; j++)
				put_store64(&queues[i], mine + (j * 37 + i) % PAGES * PAGE + 8 * j,
					    round * 1000 + j);
			put_atomic(&queues[i], VSVM_ATOMIC_INC, 8, p + 16, 0, 0, NULL);
			if (test_submit(&queues[i]))
				return __LINE__;
		}
		madvise(p + 8 * PAGE, PAGE, MADV_COLD);
		for (i = 0; i < QUEUES; i++)
			if (test_wait(&queues[i]))
				return __LINE__;
		for (i = 0; i < QUEUES; i++)
			for (j = 0; j < PAGES; j++)
				if (*(uint64_t *)(p + i * PAGES * PAGE +
						  (j * 37 + i) % PAGES * PAGE + 8 * j) !=
				    round * 1000 + j)
					return __LINE__;
		for (i = 0; i < QUEUES; i++)
			put_fill(&queues[i], p + i * PAGES * PAGE, PAGES * PAGE, round * 77 + i);
		for (i = 0; i < QUEUES; i++)
			if (test_submit(&queues[i]))
				return __LINE__;
		for (i = 0; i < QUEUES; i++)
			if (test_wait(&queues[i]))
				return __LINE__;
		for (i = 0; i < QUEUES * PAGES; i++)
			if (*(uint64_t *)(p + i * PAGE) != round * 77 + i / PAGES)
				return __LINE__;
		munmap(p, QUEUES * PAGES * PAGE);
	}
	/* An error ends its queue on any silicon */
	if (!dev_store64(&t, NULL, 1) ||
	    expect_fault(&t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, NULL, DRM_VSVM_ACCESS_WRITE))
		return __LINE__;
	for (i = 0; i < QUEUES; i++)
		test_queue_close(&queues[i]);
	return test_close(&t) ? __LINE__ : 0;
}

/* --- silicon of other sizes --- */

FIXTURE(silicon)
{
	char before[1024];
};

FIXTURE_VARIANT(silicon)
{
	const char *params;
};

#define SILICON(name, text) \
	FIXTURE_VARIANT_ADD(silicon, name) { .params = text }

SILICON(four_fault_entries, "fault_entries=4");
SILICON(one_fault_entry, "fault_entries=1 fault_workers=1");
SILICON(one_engine, "engines=1");
SILICON(many_engines, "engines=32");
SILICON(one_item, "items=1");
SILICON(tiny_tlb, "tlb_sets=1 tlb_huge_sets=1");
SILICON(slow_tlb, "tlb_delay_us=200 paranoid=1");
SILICON(short_slices, "slice_us=1");
SILICON(small_notifiers, "notifier_mib=2 around=1");
SILICON(large_notifiers, "notifier_mib=512 around=512");

FIXTURE_SETUP(silicon)
{
	if (!module_found())
		SKIP(return, "vsvm.ko is not to be found (VSVM_MODULE)");
	ASSERT_EQ(0, module_params(self->before, sizeof(self->before)));
	ASSERT_EQ(0, reload(variant->params));
}

FIXTURE_TEARDOWN(silicon)
{
	if (!self->before[0])
		return;
	EXPECT_EQ(0, reload(self->before));
}

TEST_F_LONG(silicon, does_all_the_same, 90)
{
	EXPECT_EQ(0, workload());
}

/* --- a full fault buffer --- */

FIXTURE(overflow)
{
	char before[1024];
	struct test_vm t;
};

FIXTURE_SETUP(overflow)
{
	if (!module_found())
		SKIP(return, "vsvm.ko is not to be found (VSVM_MODULE)");
	ASSERT_EQ(0, module_params(self->before, sizeof(self->before)));
	ASSERT_EQ(0, reload("fault_entries=4"));
	ASSERT_EQ(0, test_open(&self->t));
	ASSERT_EQ(4, vsvm_info(self->t.dev)->fault_entries);
}

FIXTURE_TEARDOWN(overflow)
{
	if (!self->before[0])
		return;
	EXPECT_EQ(0, test_close(&self->t));
	EXPECT_EQ(0, reload(self->before));
}

TEST_F(overflow, nothing_is_lost)
{
	enum { QUEUES = 16, ITEMS = 64 };
	struct drm_vsvm_dev_counters before, after;
	struct test_queue queues[QUEUES];
	char *p = map_anon(QUEUES * ITEMS * 17 * PAGE);
	unsigned int i, j, round;

	for (i = 0; i < QUEUES; i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
	}
	before = test_counters(&self->t);
	for (round = 1; round <= 3; round++) {
		/* A thousand pages far from one another are missing at once */
		for (i = 0; i < QUEUES; i++) {
			for (j = 0; j < ITEMS; j++)
				put_store64(&queues[i], p + (i * ITEMS + j) * 17 * PAGE, j + round);
			ASSERT_EQ(0, test_submit(&queues[i]));
		}
		for (i = 0; i < QUEUES; i++) {
			ASSERT_EQ(0, test_wait(&queues[i]));
			for (j = 0; j < ITEMS; j++) {
				ASSERT_EQ(j + round,
					  *(uint64_t *)(p + (i * ITEMS + j) * 17 * PAGE));
			}
		}
		madvise(p, QUEUES * ITEMS * 17 * PAGE, MADV_DONTNEED);
	}
	after = test_counters(&self->t);
	EXPECT_LE(QUEUES * ITEMS, after.faults - before.faults);
	EXPECT_LT(0, after.fault_buffer_full - before.fault_buffer_full);
	for (i = 0; i < QUEUES; i++)
		test_queue_close(&queues[i]);
}

TEST_F(overflow, queues_that_end_make_room)
{
	struct test_queue queues[8];
	char *p = map_anon(64 * PAGE);
	unsigned int round, i, j;

	/* All of them fault where nothing is; half are destroyed in the middle of it */
	for (round = 0; round < 10; round++) {
		for (i = 0; i < ARRAY_SIZE(queues); i++) {
			ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
			for (j = 0; j < 64; j++)
				put_store64(&queues[i], (void *)(uintptr_t)(j * PAGE % 0x8000), 1);
			ASSERT_EQ(0, test_submit(&queues[i]));
		}
		for (i = 0; i < ARRAY_SIZE(queues); i += 2)
			test_queue_close(&queues[i]);
		EXPECT_EQ(0, dev_fill(&self->t, p, 64 * PAGE, round + 1));
		EXPECT_EQ(round + 1, *(uint64_t *)(p + 63 * PAGE));
		for (i = 1; i < ARRAY_SIZE(queues); i += 2) {
			EXPECT_EQ(-ECANCELED, test_wait(&queues[i]));
			test_queue_close(&queues[i]);
		}
	}
}

/* --- unloading --- */

FIXTURE(module)
{
	char params[1024];
};

FIXTURE_SETUP(module)
{
	if (!module_found())
		SKIP(return, "vsvm.ko is not to be found (VSVM_MODULE)");
	ASSERT_EQ(0, module_params(self->params, sizeof(self->params)));
}

FIXTURE_TEARDOWN(module)
{
	/* Whatever happened, the next test finds it loaded */
	if (self->params[0]) {
		module_load(self->params);
		EXPECT_EQ(0, workload());
	}
}

TEST_F(module, is_not_unloaded_while_a_file_is_open)
{
	struct test_vm t;
	int i;

	ASSERT_EQ(0, test_open(&t));
	put_spin(&t.q, 0);
	ASSERT_EQ(0, test_submit(&t.q));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EAGAIN, module_unload());
	}
	ASSERT_EQ(0, test_queue_renew(&t.q));
	EXPECT_EQ(0, dev_store64(&t, t.out, 1));
	ASSERT_EQ(0, test_close(&t));
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(self->params));
}

TEST_F_LONG(module, loads_and_unloads_over_and_over, 90)
{
	unsigned long i, rounds = test_scale(8);

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, reload(self->params));
		if (i % 2) {
			EXPECT_EQ(0, workload());
		}
	}
}

TEST_F(module, refuses_parameters_that_make_no_device)
{
	static const char * const bad[] = {
		"engines=0", "engines=33", "items=0", "items=65", "fault_entries=0",
		"fault_entries=65537", "queue_depth=0", "tlb_sets=3", "tlb_sets=0",
		"tlb_huge_sets=6", "notifier_mib=1", "notifier_mib=3", "notifier_mib=1024",
		"around=0", "around=3", "around=1024", "slice_us=0", "tlb_delay_us=1001",
		"fault_deadline_ms=0", "fault_workers=65", "engines=-1", "engines=x",
	};
	unsigned int i;

	ASSERT_EQ(0, module_unload());
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_GT(0, module_load(bad[i]))
			TH_LOG("%s", bad[i]);
		/* In case it did load */
		module_unload();
	}
	EXPECT_EQ(0, module_load(self->params));
}

/* --- unbinding --- */

FIXTURE(binding)
{
	char name[64];
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(binding)
{
	ASSERT_EQ(0, platform_device(self->name, sizeof(self->name)));
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(1 << 20);
}

FIXTURE_TEARDOWN(binding)
{
	/* The old file is of no more use, whatever order things go in */
	if (self->t.dev)
		vsvm_close(self->t.dev);
	platform_bind(self->name);
	EXPECT_EQ(0, workload());
}

/* All ioctls of a file whose device has gone; 0 or the line of the first that did not say so */
static int gone(struct test_vm *t)
{
	struct drm_vsvm_queue_query query;
	struct drm_vsvm_dev_counters counters;
	struct drm_vsvm_stats stats;
	struct vsvm_vm *vm;
	uint32_t page, count = 0;

	if (test_query(&t->q, &query) != -ENODEV)
		return __LINE__;
	if (test_submit(&t->q) != -ENODEV)
		return __LINE__;
	if (test_wait_value(t, t->out, 0x1234, VSVM_COMPARE_EQ, 1000) != -ENODEV)
		return __LINE__;
	if (vsvm_counters(t->dev, &counters) != -ENODEV)
		return __LINE__;
	if (vsvm_vm_stats(t->vm, &stats) != -ENODEV)
		return __LINE__;
	if (vsvm_vm_create(t->dev, 0, &vm) != -ENODEV)
		return __LINE__;
	if (vsvm_vm_state(t->vm, NULL, PAGE, &page) != -ENODEV)
		return __LINE__;
	if (vsvm_vm_faults(t->vm, 0, NULL, &count, NULL, NULL) != -ENODEV)
		return __LINE__;
	if (vsvm_bind_mirror_all(t->vm) != -ENODEV)
		return __LINE__;
	return 0;
}

TEST_F(binding, idle_client_is_told)
{
	ASSERT_EQ(0, dev_fill(&self->t, self->p, 1 << 20, 1));
	ASSERT_EQ(0, platform_unbind(self->name));
	EXPECT_EQ(0, gone(&self->t));
	/* Its memory is its own again */
	memset(self->p, 2, 1 << 20);
	munmap(self->p, 1 << 19);
	/* The device comes back while the old file is still open */
	ASSERT_EQ(0, platform_bind(self->name));
	EXPECT_EQ(0, workload());
	EXPECT_EQ(0, gone(&self->t));
}

TEST_F(binding, file_closed_while_there_is_no_device)
{
	ASSERT_EQ(0, dev_fill(&self->t, self->p, 1 << 20, 1));
	ASSERT_EQ(0, platform_unbind(self->name));
	vsvm_close(self->t.dev);
	self->t.dev = NULL;
	ASSERT_EQ(0, platform_bind(self->name));
}

struct waiter {
	struct test_vm *t;
	uint32_t queue_id;
	uint32_t started;
	int ret;
	char *memory;
};

static void *wait_long(void *arg)
{
	struct waiter *waiter = arg;
	struct drm_vsvm_wait_user_fence wait = {
		.address = (uintptr_t)waiter->t->out, .value = 0x4242, .mask = ~0ull,
		.timeout_ns = (int64_t)(test_now() + 2 * test_patience()),
		.queue_id = waiter->queue_id,
	};

	__atomic_store_n(&waiter->started, 1, __ATOMIC_SEQ_CST);
	waiter->ret = test_ioctl(waiter->t->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &wait);
	return NULL;
}

TEST_F(binding, work_in_flight_ends)
{
	struct test_queue queues[4];
	struct waiter waiters[2] = {
		{ .t = &self->t }, { .t = &self->t, .queue_id = self->t.q.id },
	};
	pthread_t threads[2];
	uint64_t start;
	int i, j;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
		for (j = 0; j < 500; j++) {
			if (i == 0)
				put_spin(&queues[i], 0);
			else if (i == 1)
				put_wait(&queues[i], self->t.out, 0x4242, VSVM_COMPARE_EQ, 0);
			else
				put_fill(&queues[i], self->p, 1 << 20, j);
		}
		ASSERT_EQ(0, test_submit(&queues[i]));
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, wait_long, &waiters[i]));
		while (!__atomic_load_n(&waiters[i].started, __ATOMIC_SEQ_CST))
			test_nap();
	}
	test_nap();
	start = test_now();
	ASSERT_EQ(0, platform_unbind(self->name));
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(true, waiters[i].ret == -ENODEV || waiters[i].ret == -ECANCELED)
			TH_LOG("wait ended with %d", waiters[i].ret);
	}
	EXPECT_GT(test_patience(), test_now() - start);
	/* Nothing of the device is at work any more */
	memset(self->p, 0x21, 1 << 20);
	test_nap();
	EXPECT_EQ(-1, check_bytes(self->p, 1 << 20, 0x21));
	EXPECT_EQ(0, gone(&self->t));
}

TEST_F(binding, parked_fault_does_not_hold_it_up)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)self->p, 1 << 20 }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct pollfd poll_for = { .fd = fd, .events = POLLIN };
	uint64_t start;

	REQUIRE(fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg),
		"no userfaultfd: %s", strerror(errno));
	put_store64(&self->t.q, self->p, 1);
	ASSERT_EQ(0, test_submit(&self->t.q));
	/* The device waits for us, and we leave it there */
	ASSERT_EQ(1, poll(&poll_for, 1, (int)test_time(20) * 1000));
	start = test_now();
	ASSERT_EQ(0, platform_unbind(self->name));
	EXPECT_GT(test_patience() / 2, test_now() - start);
	close(fd);
	EXPECT_EQ(0, gone(&self->t));
}

static void *query(void *arg)
{
	struct waiter *waiter = arg;
	struct drm_vsvm_dev_query args = {
		.type = DRM_VSVM_DEV_QUERY_INFO, .size = sizeof(struct drm_vsvm_dev_info),
		.pointer = (uintptr_t)waiter->memory,
	};

	waiter->ret = test_ioctl(waiter->t->fd, DRM_IOCTL_VSVM_DEV_QUERY, &args);
	__atomic_store_n(&waiter->started, 2, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Nor does a query whose answer goes to memory that does not come */
TEST_F(binding, query_that_waits_for_memory_does_not_hold_it_up)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)self->p, 1 << 20 }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct pollfd poll_for = { .fd = fd, .events = POLLIN };
	struct waiter waiter = { .t = &self->t, .memory = self->p };
	pthread_t thread;

	REQUIRE(fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg),
		"no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, pthread_create(&thread, NULL, query, &waiter));
	ASSERT_EQ(1, poll(&poll_for, 1, (int)test_time(20) * 1000));
	ASSERT_EQ(0, platform_unbind(self->name));
	ASSERT_EQ(0, platform_bind(self->name));
	EXPECT_EQ(0, __atomic_load_n(&waiter.started, __ATOMIC_SEQ_CST));
	close(fd);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, waiter.ret);
	EXPECT_EQ(0, gone(&self->t));
}

/* Faults waiting in the buffer, faults being served, and the device goes */
TEST_F_LONG(binding, faults_in_the_workers_do_not_hold_it_up, 120)
{
	enum { QUEUES = 8, ITEMS = 64 };
	unsigned long round, rounds = test_scale(6), caught = 0;
	struct test_queue queues[QUEUES];
	const size_t size = QUEUES * ITEMS * 17 * PAGE;
	unsigned int i, j, written;

	for (round = 0; round < rounds; round++) {
		char *p = map_anon(size);

		for (i = 0; i < QUEUES; i++) {
			ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
			for (j = 0; j < ITEMS; j++)
				put_store64(&queues[i], p + (i * ITEMS + j) * 17 * PAGE, 1);
		}
		for (i = 0; i < QUEUES; i++)
			ASSERT_EQ(0, test_submit(&queues[i]));
		/* The later, the more have been served */
		for (i = 0; i < round; i++)
			sched_yield();
		ASSERT_EQ(0, platform_unbind(self->name));
		for (i = 0, written = 0; i < QUEUES * ITEMS; i++)
			written += *(volatile uint64_t *)(p + i * 17 * PAGE) == 1;
		caught += written < QUEUES * ITEMS;
		/* Nobody is at work any more */
		memset(p, 0x21, size);
		test_nap();
		EXPECT_EQ(-1, check_bytes(p, size, 0x21));
		EXPECT_EQ(0, gone(&self->t));
		vsvm_close(self->t.dev);
		memset(&self->t, 0, sizeof(self->t));
		munmap(p, size);
		ASSERT_EQ(0, platform_bind(self->name));
		ASSERT_EQ(0, test_open(&self->t));
	}
	/* Else there was nothing in the workers */
	EXPECT_LT(0, caught);
}

struct opener {
	uint32_t stop;
	unsigned long opened;
};

static void *open_over_and_over(void *arg)
{
	struct opener *opener = arg;

	while (!__atomic_load_n(&opener->stop, __ATOMIC_RELAXED)) {
		struct vsvm_device *dev;
		struct vsvm_vm *vm;
		struct vsvm_queue *queue;

		if (vsvm_open(NULL, &dev))
			continue;
		opener->opened++;
		if (!vsvm_vm_create(dev, 0, &vm)) {
			vsvm_bind_mirror_all(vm);
			if (!vsvm_queue_create(vm, 0, &queue))
				vsvm_queue_destroy(queue);
			vsvm_vm_destroy(vm);
		}
		vsvm_close(dev);
	}
	return NULL;
}

TEST_F_LONG(binding, comes_and_goes_under_openers, 90)
{
	unsigned long i, rounds = test_scale(12);
	struct opener opener = { 0 };
	pthread_t threads[2];

	ASSERT_EQ(0, pthread_create(&threads[0], NULL, open_over_and_over, &opener));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, open_over_and_over, &opener));
	for (i = 0; i < rounds; i++) {
		EXPECT_EQ(0, platform_unbind(self->name));
		EXPECT_EQ(0, platform_bind(self->name));
		test_nap();
	}
	__atomic_store_n(&opener.stop, 1, __ATOMIC_RELAXED);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	EXPECT_LT(0, opener.opened);
}

TEST_HARNESS_MAIN
