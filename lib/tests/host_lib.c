// SPDX-License-Identifier: MIT
/*
 * What of the library can be tested without a device.  ioctl() is replaced by
 * the linker (--wrap), so that a test sees each call and chooses the answer.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"

#include "../../tools/tool.h"
#include "../internal.h"

/* --- the device --- */

static int (*answer)(unsigned long request, void *arg);
static int calls;

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	(void)fd;
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	ret = answer ? answer(request, arg) : -ENODEV;
	if (ret) {
		errno = -ret;
		return -1;
	}
	return 0;
}

static struct vsvm_device device = {
	.fd = -1,
	.info = { .page_shift = 12, .va_bits = 48, .max_pages = 16 },
};

static struct vsvm_vm vm = { .dev = &device, .id = 7 };

/* --- open --- */

TEST(open_what_is_not_a_device)
{
	struct vsvm_device *dev = NULL;

	answer = NULL;
	EXPECT_EQ(-ENODEV, vsvm_open("/dev/null", &dev));
	EXPECT_EQ(-ENOENT, vsvm_open("/dev/null-that-is-not-there", &dev));
	EXPECT_EQ(NULL, dev);
	vsvm_close(NULL);
}

static const char *driver;

static int answer_version(unsigned long request, void *arg)
{
	struct drm_version *version = arg;
	struct drm_vsvm_dev_query *dev_query = arg;
	struct drm_vsvm_dev_info info = { .contract = 1, .engines = 3 };

	if (request == DRM_IOCTL_VSVM_DEV_QUERY) {
		/* Of an older kernel: half of it */
		memcpy((void *)(uintptr_t)dev_query->pointer, &info, 8);
		dev_query->size = 8;
		return 0;
	}
	if (request != DRM_IOCTL_VERSION)
		return -EINVAL;
	memcpy(version->name, driver, version->name_len < strlen(driver) ?
	       version->name_len : strlen(driver));
	version->name_len = strlen(driver);
	return 0;
}

TEST(open_looks_at_the_whole_name)
{
	struct vsvm_device *dev = NULL;

	answer = answer_version;
	driver = "vsv";
	EXPECT_EQ(-ENODEV, vsvm_open("/dev/null", &dev));
	driver = "vsvmx";
	EXPECT_EQ(-ENODEV, vsvm_open("/dev/null", &dev));
	driver = "vsvm";
	ASSERT_EQ(0, vsvm_open("/dev/null", &dev));
	EXPECT_EQ(3, vsvm_info(dev)->engines);
	EXPECT_EQ(0, vsvm_info(dev)->queue_depth);
	EXPECT_STREQ("/dev/null", vsvm_path(dev));
	vsvm_close(dev);
}

/* --- packets --- */

TEST(packets_are_aligned_and_survive_growth)
{
	struct vsvm_cmds *cmds;
	uint64_t i, word;

	ASSERT_EQ(0, vsvm_cmds_create(0, &cmds));
	EXPECT_EQ(0, vsvm_cmds_count(cmds));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, vsvm_cmd_store64(cmds, &word, i));
	EXPECT_EQ(1000, vsvm_cmds_count(cmds));
	EXPECT_EQ(0, (uintptr_t)vsvm_cmds_packets(cmds) % VSVM_PACKET_BYTES);
	for (i = 0; i < 1000; i++)
		EXPECT_EQ(i, vsvm_cmds_packets(cmds)[i].store.value);
	vsvm_cmds_reset(cmds);
	EXPECT_EQ(0, vsvm_cmds_count(cmds));
	/* What the packet does not use is zero, whatever was there before */
	ASSERT_EQ(0, vsvm_cmd_nop(cmds));
	EXPECT_EQ(0, vsvm_cmds_packets(cmds)[0].store.value);
	EXPECT_EQ(VSVM_PACKET_BYTES, vsvm_cmds_packets(cmds)[0].length);
	vsvm_cmds_destroy(cmds);
	vsvm_cmds_destroy(NULL);
	EXPECT_EQ(-ENOMEM, vsvm_cmds_create(SIZE_MAX / 2, &cmds));
}

TEST(each_packet_says_what_it_was_told)
{
	void *a = (void *)0x1000, *b = (void *)0x2000, *c = (void *)0x3000;
	const struct vsvm_packet expected[] = {
		{ .opcode = VSVM_PACKET_NOP },
		{ .opcode = VSVM_PACKET_STORE, .store = { 0x1000, 5, 4 } },
		{ .opcode = VSVM_PACKET_STORE, .store = { 0x1000, 6, 8 } },
		{ .opcode = VSVM_PACKET_FILL, .fill = { 0x1000, 10, 11 } },
		{ .opcode = VSVM_PACKET_COPY, .copy = { 0x1000, 0x2000, 12 } },
		{ .opcode = VSVM_PACKET_ATOMIC,
		  .atomic = { 0x1000, 1, 2, 0x2000, VSVM_ATOMIC_CMPXCHG, 8 } },
		{ .opcode = VSVM_PACKET_SUM, .sum = { 0x1000, 3, 16, 0x2000, 4 } },
		{ .opcode = VSVM_PACKET_GATHER, .gather = { 0x1000, 0x2000, 0x3000, 9, 8, 4 } },
		{ .opcode = VSVM_PACKET_CHASE, .chase = { 0x1000, 8, 100, 0x2000, 0 } },
		{ .opcode = VSVM_PACKET_CHASE, .flags = VSVM_PACKET_F_CHASE_SUM,
		  .chase = { 0x1000, 8, 100, 0x2000, 16 } },
		{ .opcode = VSVM_PACKET_CRC32C, .crc32c = { 0x1000, 77, 0x2000, 0xffffffff } },
		{ .opcode = VSVM_PACKET_FENCE, .fence = { 0x1000, 4 } },
		{ .opcode = VSVM_PACKET_BARRIER },
		{ .opcode = VSVM_PACKET_WAIT,
		  .wait = { 0x1000, 1, 2, 3, VSVM_COMPARE_LE } },
		{ .opcode = VSVM_PACKET_SPIN, .spin = { 123 } },
		{ .opcode = VSVM_PACKET_ADD, .add = { 0x1000, 0x2000, 0x3000, 9, 4 } },
	};
	const size_t count = sizeof(expected) / sizeof(expected[0]);
	struct vsvm_cmds *cmds;
	size_t i;

	ASSERT_EQ(0, vsvm_cmds_create(1, &cmds));
	ASSERT_EQ(0, vsvm_cmd_nop(cmds));
	ASSERT_EQ(0, vsvm_cmd_store32(cmds, a, 5));
	ASSERT_EQ(0, vsvm_cmd_store64(cmds, a, 6));
	ASSERT_EQ(0, vsvm_cmd_fill(cmds, a, 10, 11));
	ASSERT_EQ(0, vsvm_cmd_copy(cmds, a, b, 12));
	ASSERT_EQ(0, vsvm_cmd_atomic(cmds, VSVM_ATOMIC_CMPXCHG, 8, a, 1, 2, b));
	ASSERT_EQ(0, vsvm_cmd_sum(cmds, a, 3, 16, 4, b));
	ASSERT_EQ(0, vsvm_cmd_gather(cmds, a, b, c, 9, 8, 4));
	ASSERT_EQ(0, vsvm_cmd_chase(cmds, a, 8, 100, -1, b));
	ASSERT_EQ(0, vsvm_cmd_chase(cmds, a, 8, 100, 16, b));
	ASSERT_EQ(0, vsvm_cmd_crc32c(cmds, a, 77, 0xffffffff, b));
	ASSERT_EQ(0, vsvm_cmd_fence(cmds, a, 4));
	ASSERT_EQ(0, vsvm_cmd_barrier(cmds));
	ASSERT_EQ(0, vsvm_cmd_wait(cmds, a, 1, 2, VSVM_COMPARE_LE, 3));
	ASSERT_EQ(0, vsvm_cmd_spin(cmds, 123));
	ASSERT_EQ(0, vsvm_cmd_add(cmds, a, b, c, 9, 4));

	ASSERT_EQ(count, vsvm_cmds_count(cmds));
	for (i = 0; i < count; i++) {
		struct vsvm_packet want = expected[i];

		want.length = VSVM_PACKET_BYTES;
		EXPECT_EQ(0, memcmp(&want, &vsvm_cmds_packets(cmds)[i], sizeof(want)))
			TH_LOG("packet %zu", i);
	}
	vsvm_cmds_destroy(cmds);
}

/* --- sentences --- */

TEST(a_fault_is_explained)
{
	struct drm_vsvm_fault fault = {
		.address = 0x7f0000001000, .packet = 0x5500, .tag = 0x2a, .queue_id = 3,
		.access = DRM_VSVM_ACCESS_WRITE, .reason = DRM_VSVM_FAULT_PERMISSION,
		.error = EACCES,
	};
	char buf[256], small[8] = "#######";

	EXPECT_STREQ("write to 0x7f0000001000 by the packet at 0x5500 (tag 0x2a) of queue 3 "
		     "refused: the process' mapping is read-only (EACCES)",
		     vsvm_strerror_fault(&fault, buf, sizeof(buf)));
	EXPECT_STREQ("write t", vsvm_strerror_fault(&fault, small, sizeof(small)));
	EXPECT_STREQ("", vsvm_strerror_fault(&fault, small, 1));
	small[0] = '#';
	EXPECT_EQ('#', vsvm_strerror_fault(&fault, small, 0)[0]);

	fault.access = DRM_VSVM_ACCESS_NONE;
	fault.reason = DRM_VSVM_FAULT_BAD_OPCODE;
	fault.error = EINVAL;
	EXPECT_STREQ("packet at 0x5500 (tag 0x2a) of queue 3 refused: unknown opcode (EINVAL)",
		     vsvm_strerror_fault(&fault, buf, sizeof(buf)));

	fault.reason = DRM_VSVM_FAULT_MISALIGNED;
	EXPECT_STREQ("address 0x7f0000001000 of the packet at 0x5500 (tag 0x2a) of queue 3 refused: "
		     "it is not aligned to the width of the access (EINVAL)",
		     vsvm_strerror_fault(&fault, buf, sizeof(buf)));

	fault = (struct drm_vsvm_fault) { .address = 0x1000, .latency_ns = 12345 };
	EXPECT_STREQ("read from 0x1000 by the packet at 0x0 (tag 0x0) served in 12.345 us",
		     vsvm_strerror_fault(&fault, buf, sizeof(buf)));
}

TEST(every_reason_and_access_has_words)
{
	struct drm_vsvm_fault fault = { .queue_id = 1, .error = EFAULT };
	char buf[256];

	for (fault.access = 0; fault.access <= DRM_VSVM_ACCESS_NONE; fault.access++) {
		for (fault.reason = 1; fault.reason <= DRM_VSVM_FAULT_WAIT_TIMEOUT; fault.reason++) {
			vsvm_strerror_fault(&fault, buf, sizeof(buf));
			EXPECT_EQ(NULL, strstr(buf, "reason"));
			EXPECT_EQ(NULL, strstr(buf, "null"));
			EXPECT_LT(strlen(buf), 200);
		}
	}
	/* Of a newer kernel */
	fault.reason = 99;
	fault.error = 77;
	vsvm_strerror_fault(&fault, buf, sizeof(buf));
	EXPECT_NE(NULL, strstr(buf, "reason 99 (errno 77)"));
}

/* --- time --- */

TEST(deadlines_do_not_wrap)
{
	int64_t now = vsvm__deadline(1);

	EXPECT_EQ(INT64_MAX, vsvm__deadline(-1));
	EXPECT_EQ(INT64_MAX, vsvm__deadline(INT64_MIN));
	EXPECT_EQ(INT64_MAX, vsvm__deadline(INT64_MAX));
	EXPECT_EQ(0, vsvm__deadline(0));
	EXPECT_LE(now + 1000000000, vsvm__deadline(1000000000));
}

/* --- queues --- */

static struct {
	pthread_mutex_t lock;
	uint64_t *fence;
	uint64_t last;
	int depth;
	int pending;
	int submits;
	int waits;
	int eagains;
	int interrupts;
	bool out_of_order;
	/* the device completes at once what it takes */
	bool fast;
} mock = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int mock_submit(struct drm_vsvm_submit *arg)
{
	mock.submits++;
	if (mock.interrupts && mock.interrupts--)
		return -EINTR;
	if (mock.eagains && mock.eagains--)
		return -EAGAIN;
	if (mock.pending == mock.depth)
		return -EAGAIN;
	mock.fence = (uint64_t *)(uintptr_t)arg->fence_address;
	if (arg->fence_value != mock.last + 1)
		mock.out_of_order = true;
	mock.last = arg->fence_value;
	mock.pending++;
	if (mock.fast) {
		*mock.fence = mock.last;
		mock.pending = 0;
	}
	return 0;
}

/* A wait makes time go by: one submission becomes complete */
static int mock_wait(struct drm_vsvm_wait_user_fence *arg)
{
	uint64_t *value = (uint64_t *)(uintptr_t)arg->address;

	mock.waits++;
	if (mock.pending) {
		__atomic_add_fetch(mock.fence, 1, __ATOMIC_RELEASE);
		mock.pending--;
	}
	if (arg->compare == VSVM_COMPARE_GT ? *value > arg->value : *value >= arg->value)
		return 0;
	return -ETIME;
}

static int answer_queue(unsigned long request, void *arg)
{
	int ret = 0;

	pthread_mutex_lock(&mock.lock);
	if (request == DRM_IOCTL_VSVM_QUEUE_CREATE)
		((struct drm_vsvm_queue_create *)arg)->queue_id = 5;
	else if (request == DRM_IOCTL_VSVM_SUBMIT)
		ret = mock_submit(arg);
	else if (request == DRM_IOCTL_VSVM_WAIT_USER_FENCE)
		ret = mock_wait(arg);
	pthread_mutex_unlock(&mock.lock);
	return ret;
}

FIXTURE(queue)
{
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
};

FIXTURE_SETUP(queue)
{
	answer = answer_queue;
	mock.depth = 4;
	ASSERT_EQ(0, vsvm_queue_create(&vm, 0, &self->queue));
	ASSERT_EQ(0, vsvm_cmds_create(1, &self->cmds));
	ASSERT_EQ(0, vsvm_cmd_nop(self->cmds));
}

FIXTURE_TEARDOWN(queue)
{
	vsvm_queue_destroy(self->queue);
	vsvm_cmds_destroy(self->cmds);
}

TEST_F(queue, a_signal_is_no_end)
{
	struct vsvm_fence fence;

	mock.interrupts = 3;
	ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, &fence));
	EXPECT_EQ(4, mock.submits);
	EXPECT_EQ(1, fence.sequence);
	EXPECT_EQ(self->queue, fence.queue);
}

TEST_F(queue, a_full_queue_is_waited_for)
{
	int i;

	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, NULL));
	/* One wait and one more attempt for each beyond the depth: no spinning */
	EXPECT_EQ(6, mock.waits);
	EXPECT_EQ(16, mock.submits);
	EXPECT_FALSE(mock.out_of_order);
}

TEST_F(queue, full_although_all_fences_are_written)
{
	mock.fast = true;
	ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, NULL));
	/* The driver has not heard of it: there is nothing to wait for */
	mock.eagains = 3;
	ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, NULL));
	EXPECT_EQ(0, mock.waits);
	EXPECT_EQ(2, mock.last);
}

TEST_F(queue, what_has_passed_needs_no_kernel)
{
	struct vsvm_fence fence;

	mock.fast = true;
	ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, &fence));
	calls = 0;
	EXPECT_EQ(0, vsvm_wait(&fence, 0));
	EXPECT_EQ(0, vsvm_wait(&fence, -1));
	EXPECT_EQ(0, calls);
}

TEST_F(queue, no_packets_and_no_buffer)
{
	mock.fast = true;
	ASSERT_EQ(0, vsvm_submit(self->queue, NULL, NULL));
	vsvm_cmds_reset(self->cmds);
	ASSERT_EQ(0, vsvm_run(self->queue, self->cmds, -1));
	EXPECT_EQ(2, mock.last);
}

static void *submit_many(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		if (vsvm_submit(arg, NULL, NULL))
			return arg;
	return NULL;
}

TEST_F(queue, values_rise_with_many_threads)
{
	pthread_t threads[4];
	void *failed;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, submit_many, self->queue));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &failed));
		EXPECT_EQ(NULL, failed);
	}
	EXPECT_FALSE(mock.out_of_order);
	EXPECT_EQ(4000, mock.last);
}

static int answer_error(unsigned long request, void *arg)
{
	(void)arg;
	return request == DRM_IOCTL_VSVM_SUBMIT ? -ECANCELED : 0;
}

TEST_F(queue, an_error_uses_no_number)
{
	struct vsvm_fence fence = { .sequence = 99 };

	answer = answer_error;
	EXPECT_EQ(-ECANCELED, vsvm_submit(self->queue, self->cmds, &fence));
	EXPECT_EQ(99, fence.sequence);
	answer = answer_queue;
	ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, &fence));
	EXPECT_EQ(1, fence.sequence);
	EXPECT_FALSE(mock.out_of_order);
}

static uint64_t fault_first;

static int answer_fault(unsigned long request, void *arg)
{
	struct drm_vsvm_queue_query *state = arg;
	struct drm_vsvm_vm_faults *faults = arg;
	struct drm_vsvm_fault record = { .sequence = fault_first };

	if (request == DRM_IOCTL_VSVM_QUEUE_QUERY)
		state->fault_sequence = fault_first ? 6 : 0;
	if (request == DRM_IOCTL_VSVM_VM_FAULTS) {
		if (faults->since != 5 || faults->records.count != 1)
			return -EINVAL;
		memcpy((void *)(uintptr_t)faults->records.pointer, &record, sizeof(record));
	}
	return 0;
}

TEST_F(queue, the_record_that_ended_it)
{
	struct drm_vsvm_fault record;

	answer = answer_fault;
	fault_first = 0;
	EXPECT_EQ(-ENOENT, vsvm_queue_fault(self->queue, &record));
	fault_first = 6;
	EXPECT_EQ(0, vsvm_queue_fault(self->queue, &record));
	EXPECT_EQ(6, record.sequence);
	fault_first = 8;
	EXPECT_EQ(-ENODATA, vsvm_queue_fault(self->queue, &record));
}

/* --- address spaces --- */

static int state_calls;

static int answer_state(unsigned long request, void *arg)
{
	struct drm_vsvm_vm_state *state = arg;
	uint64_t i, pages = state->size >> 12;

	if (request != DRM_IOCTL_VSVM_VM_STATE || pages > 16)
		return -E2BIG;
	if (!pages)
		return -EINVAL;
	state_calls++;
	for (i = 0; i < pages; i++)
		((uint32_t *)(uintptr_t)state->pages)[i] = (state->address >> 12) + i;
	return 0;
}

TEST(a_long_range_is_looked_at_in_parts)
{
	uint32_t pages[41] = { [40] = 0xdead };
	uint32_t i;

	answer = answer_state;
	ASSERT_EQ(0, vsvm_vm_state(&vm, (void *)0x100000, 40 << 12, pages));
	EXPECT_EQ(3, state_calls);
	for (i = 0; i < 40; i++)
		EXPECT_EQ(0x100 + i, pages[i]);
	EXPECT_EQ(0xdead, pages[40]);
	EXPECT_EQ(-EINVAL, vsvm_vm_state(&vm, (void *)0x100000, 0, pages));
}

static int answer_bind(unsigned long request, void *arg)
{
	struct drm_vsvm_vm_bind *bind = arg;

	if (request != DRM_IOCTL_VSVM_VM_BIND || bind->vm_id != 7 || bind->flags ||
	    bind->failed_range || bind->ops.stride != sizeof(struct drm_vsvm_bind_op))
		return -EINVAL;
	/* The kernel wants to find zero in what only comes out */
	if (bind->failed_op)
		return -EINVAL;
	if (bind->ops.count == 1)
		return -ENODEV;
	bind->failed_op = UINT32_MAX;
	if (bind->ops.count != 3)
		return -E2BIG;
	bind->failed_op = 2;
	return -EEXIST;
}

TEST(which_operation_failed)
{
	struct drm_vsvm_bind_op ops[3] = { 0 };
	uint32_t failed = 0;

	answer = answer_bind;
	EXPECT_EQ(-EEXIST, vsvm_bind(&vm, ops, 3, &failed));
	EXPECT_EQ(2, failed);
	EXPECT_EQ(-E2BIG, vsvm_bind(&vm, ops, 2, &failed));
	EXPECT_EQ(UINT32_MAX, failed);
	failed = 0;
	EXPECT_EQ(-ENODEV, vsvm_bind(&vm, ops, 1, &failed));
	EXPECT_EQ(UINT32_MAX, failed);
}

static int answer_userptr(unsigned long request, void *arg)
{
	struct drm_vsvm_vm_bind *bind = arg;
	const struct drm_vsvm_bind_op *op = (void *)(uintptr_t)bind->ops.pointer;
	const struct drm_vsvm_userptr_range *ranges = (void *)(uintptr_t)op->ranges.pointer;

	if (request != DRM_IOCTL_VSVM_VM_BIND || bind->ops.count != 1 ||
	    op->op != DRM_VSVM_BIND_MAP_USERPTR || op->flags != DRM_VSVM_BIND_READ_ONLY ||
	    op->address != 0x5000 || op->size != 0x103000 ||
	    op->ranges.stride != sizeof(*ranges) || op->ranges.count != 2)
		return -EPERM;
	if (ranges[0].start != 0x7000 || ranges[0].size != 0x3000 ||
	    ranges[1].start != 0x1000 || ranges[1].size != 0x100000)
		return -EFAULT;
	bind->failed_op = 0;
	bind->failed_range = 1;
	return -EINVAL;
}

TEST(ranges_of_a_batch)
{
	struct iovec iov[3] = {
		{ (void *)0x7000, 0x3000 }, { (void *)0x1000, 0x100000 },
		{ (void *)0x1000, SIZE_MAX - 0xfff },
	};
	uint32_t failed = 0;
	int before;

	answer = answer_userptr;
	EXPECT_EQ(-EINVAL, vsvm_bind_userptr(&vm, 0x5000, iov, 2, DRM_VSVM_BIND_READ_ONLY,
					     &failed));
	EXPECT_EQ(1, failed);
	EXPECT_EQ(-EINVAL, vsvm_bind_userptr(&vm, 0x5000, iov, 2, DRM_VSVM_BIND_READ_ONLY, NULL));
	/* More than there are addresses: the kernel need not be asked */
	before = calls;
	EXPECT_EQ(-EINVAL, vsvm_bind_userptr(&vm, 0x5000, iov, 3, DRM_VSVM_BIND_READ_ONLY,
					     &failed));
	EXPECT_EQ(2, failed);
	EXPECT_EQ(before, calls);
}

static int answer_attr(unsigned long request, void *arg)
{
	struct drm_vsvm_svm_attr *a = arg;
	struct drm_vsvm_attr *attrs = (void *)(uintptr_t)a->attrs.pointer;

	if (request != DRM_IOCTL_VSVM_SVM_ATTR || a->vm_id != 7 || a->start != 0x5000 ||
	    a->size != 0x2000 || a->attrs.stride != sizeof(*attrs) || a->next)
		return -EINVAL;
	switch (a->op) {
	case DRM_VSVM_ATTR_OP_SET:
		return a->attrs.count == 1 && attrs->type == DRM_VSVM_ATTR_ACCESS &&
			attrs->value == 2 ? 0 : -EINVAL;
	case DRM_VSVM_ATTR_OP_GET:
		if (a->attrs.count != 2)
			return -E2BIG;
		attrs[0].value = attrs[0].type + 100;
		attrs[1].value = attrs[1].type + 100;
		a->next = 0x9000;
		return 0;
	default:
		return a->attrs.count || a->attrs.pointer ? -EINVAL : 0;
	}
}

TEST(attributes)
{
	struct drm_vsvm_attr attrs[2] = { { .type = 3 }, { .type = 5 } };
	void *p = (void *)0x5000;
	uint64_t next = 4711;
	uint32_t type;

	answer = answer_attr;
	EXPECT_EQ(0, vsvm_attr_set_one(&vm, p, 0x2000, DRM_VSVM_ATTR_ACCESS, 2));
	EXPECT_EQ(-EINVAL, vsvm_attr_set_one(&vm, p, 0x2000, DRM_VSVM_ATTR_ACCESS, 1));
	EXPECT_EQ(-E2BIG, vsvm_attr_get(&vm, p, 0x2000, attrs, 1, &next));
	EXPECT_EQ(4711, next);
	EXPECT_EQ(0, vsvm_attr_get(&vm, p, 0x2000, attrs, 2, &next));
	EXPECT_EQ(0x9000, next);
	EXPECT_EQ(103, attrs[0].value);
	EXPECT_EQ(105, attrs[1].value);
	EXPECT_EQ(0, vsvm_attr_get(&vm, p, 0x2000, attrs, 2, NULL));
	EXPECT_EQ(0, vsvm_attr_reset(&vm, p, 0x2000));
	/* Each has a name, and some of their values */
	for (type = 0; type <= DRM_VSVM_ATTR_ALWAYS_MAPPED; type++)
		EXPECT_NE(NULL, vsvm_attr_name(type));
	EXPECT_EQ(NULL, vsvm_attr_name(type));
	EXPECT_EQ(NULL, vsvm_attr_name(~0u));
	EXPECT_STREQ("in_place", vsvm_attr_value_name(DRM_VSVM_ATTR_ACCESS, 1));
	EXPECT_STREQ("system", vsvm_attr_value_name(DRM_VSVM_ATTR_PREFERRED_LOC, 2));
	EXPECT_EQ(NULL, vsvm_attr_value_name(DRM_VSVM_ATTR_ACCESS, 3));
	EXPECT_EQ(NULL, vsvm_attr_value_name(DRM_VSVM_ATTR_GPU_RO, 1));
}

/* --- the tool's own checksum --- */

TEST(crc32c_of_the_cpu)
{
	EXPECT_EQ(0xe3069283, crc32c(0, "123456789", 9));
	EXPECT_EQ(0xe3069283, crc32c(crc32c(0, "1234", 4), "56789", 5));
	EXPECT_EQ(0, crc32c(0, "", 0));
}

TEST_HARNESS_MAIN
