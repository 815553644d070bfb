// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vsvm_env.h"
#include "vsvm_test.h"

#define AREA_SIZE	(64ul << 10)
#define AREA_PACKETS	(2 * PAGE)

/* --- time and effort --- */

static bool debug_kernel(void)
{
	const char *flavour = getenv("VSVM_FLAVOUR");

	if (!flavour)
		flavour = getenv("VSVM_KERNEL");
	return flavour && strstr(flavour, "debug");
}

unsigned int test_time(unsigned int seconds)
{
	return seconds * (debug_kernel() ? 5 : 1);
}

static double scale_or(double otherwise)
{
	const char *text = getenv("VSVM_TEST_SCALE");

	return text ? strtod(text, NULL) : otherwise;
}

unsigned long test_scale(unsigned long n)
{
	unsigned long scaled = (unsigned long)((double)n * scale_or(debug_kernel() ? 0.2 : 1.0));

	return scaled ? scaled : 1;
}

uint64_t test_span(unsigned int ms)
{
	return (uint64_t)((double)ms * 1e6 * scale_or(1.0));
}

uint64_t test_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t test_patience(void)
{
	return test_time(20) * NSEC_PER_SEC;
}

bool test_patient(uint64_t *since)
{
	if (!*since)
		*since = test_now();
	return test_now() - *since < test_patience();
}

void test_nap(void)
{
	const struct timespec nap = { .tv_nsec = 2000000 };

	nanosleep(&nap, NULL);
}

/* --- queues --- */

int test_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int queue_make(struct test_queue *q)
{
	struct drm_vsvm_queue_create create = { .vm_id = q->vm->id };
	int ret = test_ioctl(q->vm->fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create);

	if (ret)
		return ret;
	q->id = create.queue_id;
	q->start = 0;
	q->count = 0;
	q->value = 0;
	*q->fence = 0;
	return 0;
}

int test_queue_open(struct test_vm *t, struct test_queue *q)
{
	int ret;

	memset(q, 0, sizeof(*q));
	q->vm = t;
	q->area = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (q->area == MAP_FAILED) {
		q->area = NULL;
		return -errno;
	}
	q->fence = q->area;
	q->packets = (void *)((char *)q->area + AREA_PACKETS);
	q->capacity = (AREA_SIZE - AREA_PACKETS) / sizeof(*q->packets);
	ret = queue_make(q);
	if (ret) {
		munmap(q->area, AREA_SIZE);
		q->area = NULL;
	}
	return ret;
}

static int queue_end(struct test_queue *q)
{
	struct drm_vsvm_queue_destroy destroy = { .queue_id = q->id };

	if (!q->id)
		return 0;
	q->id = 0;
	return test_ioctl(q->vm->fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy);
}

void test_queue_close(struct test_queue *q)
{
	queue_end(q);
	if (q->area)
		munmap(q->area, AREA_SIZE);
	q->area = NULL;
}

int test_queue_renew(struct test_queue *q)
{
	int ret = queue_end(q);

	return ret ? ret : queue_make(q);
}

int test_open_on(struct test_vm *t, struct vsvm_device *dev, uint32_t flags)
{
	int ret;

	memset(t, 0, sizeof(*t));
	t->fd = vsvm_fd(dev);
	ret = vsvm_vm_create(dev, flags, &t->vm);
	if (ret) {
		fprintf(stderr, "# vm_create: %s\n", strerror(-ret));
		return ret;
	}
	t->id = vsvm_vm_id(t->vm);
	ret = vsvm_bind_mirror_all(t->vm);
	if (ret) {
		fprintf(stderr, "# bind_mirror_all: %s\n", strerror(-ret));
		goto destroy;
	}
	ret = test_queue_open(t, &t->q);
	if (ret) {
		fprintf(stderr, "# queue_create: %s\n", strerror(-ret));
		goto destroy;
	}
	t->out = (void *)((char *)t->q.area + PAGE);
	t->stale = ~0ull;
	return 0;

destroy:
	vsvm_vm_destroy(t->vm);
	t->vm = NULL;
	return ret;
}

int test_open(struct test_vm *t)
{
	struct vsvm_device *dev;
	int ret = vsvm_open(NULL, &dev);

	if (ret) {
		fprintf(stderr, "# open: %s\n", strerror(-ret));
		return ret;
	}
	ret = test_open_on(t, dev, 0);
	if (ret) {
		vsvm_close(dev);
		return ret;
	}
	t->dev = dev;
	paranoid_on();
	t->stale = test_counters(t).stale_translations;
	return 0;
}

int test_close(struct test_vm *t)
{
	int ret = 0;

	if (!t->vm)
		return 0;
	if (t->dev && test_counters(t).stale_translations != t->stale) {
		fprintf(stderr, "# a stale translation was used\n");
		ret = -EIO;
	}
	test_queue_close(&t->q);
	if (vsvm_vm_destroy(t->vm)) {
		fprintf(stderr, "# the address space would not go\n");
		ret = -EBUSY;
	}
	t->vm = NULL;
	if (t->dev)
		vsvm_close(t->dev);
	t->dev = NULL;
	return ret;
}

int test_submit_raw(struct test_queue *q, const struct drm_vsvm_command *commands, uint32_t count,
		    uint64_t fence_address, uint64_t fence_value, uint64_t *sequence)
{
	struct drm_vsvm_submit submit = {
		.queue_id = q->id,
		.commands = {
			.stride = sizeof(*commands),
			.count = count,
			.pointer = (uintptr_t)commands,
		},
		.fence_address = fence_address,
		.fence_value = fence_value,
	};
	int ret = test_ioctl(q->vm->fd, DRM_IOCTL_VSVM_SUBMIT, &submit);

	if (!ret && sequence)
		*sequence = submit.sequence;
	return ret;
}

int test_submit(struct test_queue *q)
{
	struct drm_vsvm_command command = {
		.address = (uintptr_t)&q->packets[q->start],
		.bytes = (q->count - q->start) * sizeof(*q->packets),
	};
	uint64_t since = 0;
	int ret;

	do {
		ret = test_submit_raw(q, &command, command.bytes ? 1 : 0, (uintptr_t)q->fence,
				      q->value + 1, NULL);
		if (ret != -EAGAIN && ret != -EINTR)
			break;
		sched_yield();
	} while (test_patient(&since));
	if (ret)
		return ret;
	q->value++;
	q->start = q->count;
	return 0;
}

int test_wait_value(struct test_vm *t, const volatile void *address, uint64_t value,
		    uint32_t compare, uint64_t ns)
{
	struct drm_vsvm_wait_user_fence wait = {
		.address = (uintptr_t)address,
		.value = value,
		.mask = ~0ull,
		.timeout_ns = (int64_t)(test_now() + ns),
		.compare = compare,
	};
	int ret;

	do {
		ret = test_ioctl(t->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &wait);
	} while (ret == -EINTR);
	return ret;
}

int test_wait_ns(struct test_queue *q, uint64_t ns)
{
	struct drm_vsvm_wait_user_fence wait = {
		.address = (uintptr_t)q->fence,
		.value = q->value,
		.mask = ~0ull,
		.timeout_ns = (int64_t)(test_now() + ns),
		.compare = VSVM_COMPARE_GE,
		.queue_id = q->id,
	};
	int ret;

	do {
		ret = test_ioctl(q->vm->fd, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &wait);
	} while (ret == -EINTR);
	if (!ret && q->start == q->count) {
		q->start = 0;
		q->count = 0;
	}
	return ret;
}

int test_wait(struct test_queue *q)
{
	return test_wait_ns(q, test_patience());
}

int test_run(struct test_queue *q)
{
	int ret = test_submit(q);

	return ret ? ret : test_wait(q);
}

int test_query(struct test_queue *q, struct drm_vsvm_queue_query *out)
{
	memset(out, 0, sizeof(*out));
	out->queue_id = q->id;
	return test_ioctl(q->vm->fd, DRM_IOCTL_VSVM_QUEUE_QUERY, out);
}

/* --- packets --- */

struct vsvm_packet *put(struct test_queue *q, uint16_t opcode)
{
	struct vsvm_packet *packet;

	if (q->count == q->capacity) {
		fprintf(stderr, "# the test puts more packets than its area holds\n");
		abort();
	}
	packet = &q->packets[q->count++];
	memset(packet, 0, sizeof(*packet));
	packet->opcode = opcode;
	packet->length = VSVM_PACKET_BYTES;
	packet->tag = (uint64_t)q->id << 32 | ++q->tag;
	return packet;
}

void put_store(struct test_queue *q, const volatile void *p, uint64_t value, uint32_t width)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_STORE);

	packet->store.address = (uintptr_t)p;
	packet->store.value = value;
	packet->store.width = width;
}

void put_store64(struct test_queue *q, const volatile void *p, uint64_t value)
{
	put_store(q, p, value, 8);
}

void put_fill(struct test_queue *q, const volatile void *p, size_t bytes, uint64_t pattern)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_FILL);

	packet->fill.address = (uintptr_t)p;
	packet->fill.bytes = bytes;
	packet->fill.pattern = pattern;
}

void put_copy(struct test_queue *q, const volatile void *dst, const volatile void *src,
	      size_t bytes)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_COPY);

	packet->copy.dst = (uintptr_t)dst;
	packet->copy.src = (uintptr_t)src;
	packet->copy.bytes = bytes;
}

void put_atomic(struct test_queue *q, uint32_t op, uint32_t width, const volatile void *p,
		uint64_t operand, uint64_t compare, const volatile void *old)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_ATOMIC);

	packet->atomic.address = (uintptr_t)p;
	packet->atomic.operand = operand;
	packet->atomic.compare = compare;
	packet->atomic.old = (uintptr_t)old;
	packet->atomic.op = op;
	packet->atomic.width = width;
}

void put_sum(struct test_queue *q, const volatile void *src, uint64_t count, uint64_t stride,
	     uint32_t width, const volatile void *result)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_SUM);

	packet->sum.src = (uintptr_t)src;
	packet->sum.count = count;
	packet->sum.stride = stride;
	packet->sum.width = width;
	packet->sum.result = (uintptr_t)result;
}

void put_crc(struct test_queue *q, const volatile void *src, size_t bytes, uint32_t seed,
	     const volatile void *result)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_CRC32C);

	packet->crc32c.src = (uintptr_t)src;
	packet->crc32c.bytes = bytes;
	packet->crc32c.seed = seed;
	packet->crc32c.result = (uintptr_t)result;
}

void put_fence(struct test_queue *q, const volatile void *p, uint64_t value)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_FENCE);

	packet->fence.address = (uintptr_t)p;
	packet->fence.value = value;
}

void put_barrier(struct test_queue *q)
{
	put(q, VSVM_PACKET_BARRIER);
}

void put_wait(struct test_queue *q, const volatile void *p, uint64_t value, uint32_t compare,
	      uint64_t timeout_ns)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_WAIT);

	packet->wait.address = (uintptr_t)p;
	packet->wait.value = value;
	packet->wait.mask = ~0ull;
	packet->wait.compare = compare;
	packet->wait.timeout_ns = timeout_ns;
}

void put_spin(struct test_queue *q, uint64_t ns)
{
	put(q, VSVM_PACKET_SPIN)->spin.duration_ns = ns;
}

/* --- one packet, waited for --- */

int dev_store64(struct test_vm *t, const volatile void *p, uint64_t value)
{
	put_store64(&t->q, p, value);
	return test_run(&t->q);
}

int dev_load64(struct test_vm *t, const volatile void *p, uint64_t *value)
{
	int ret;

	t->out[0] = ~*value;
	put_copy(&t->q, t->out, p, sizeof(*value));
	ret = test_run(&t->q);
	if (!ret)
		*value = *(volatile uint64_t *)t->out;
	return ret;
}

int dev_fill(struct test_vm *t, const volatile void *p, size_t bytes, uint64_t pattern)
{
	put_fill(&t->q, p, bytes, pattern);
	return test_run(&t->q);
}

int dev_copy(struct test_vm *t, const volatile void *dst, const volatile void *src, size_t bytes)
{
	put_copy(&t->q, dst, src, bytes);
	return test_run(&t->q);
}

int dev_atomic(struct test_vm *t, uint32_t op, uint32_t width, const volatile void *p,
	       uint64_t operand, uint64_t compare, uint64_t *old)
{
	int ret;

	t->out[0] = 0;
	put_atomic(&t->q, op, width, p, operand, compare, old ? t->out : NULL);
	ret = test_run(&t->q);
	if (!ret && old)
		*old = *(volatile uint64_t *)t->out;
	return ret;
}

int dev_touch_read(struct test_vm *t, const volatile void *p, size_t size)
{
	struct vsvm_packet *packet;
	int ret = 0;

	while (size && !ret) {
		size_t part = size < 256 * PAGE ? size : 256 * PAGE;
		uint64_t count = (part + PAGE - 1) / PAGE;

		packet = put(&t->q, VSVM_PACKET_SUM);
		packet->sum.src = (uintptr_t)p;
		packet->sum.count = count;
		packet->sum.stride = PAGE;
		packet->sum.width = 8;
		packet->sum.result = (uintptr_t)t->out;
		ret = test_run(&t->q);
		p = (const volatile char *)p + part;
		size -= part;
	}
	return ret;
}

int dev_touch_write(struct test_vm *t, const volatile void *p, size_t size)
{
	size_t offset;
	int ret;

	for (offset = 0; offset < size; offset += PAGE) {
		put_atomic(&t->q, VSVM_ATOMIC_OR, 8, (const volatile char *)p + offset, 0, 0, NULL);
		if (t->q.count < t->q.capacity)
			continue;
		ret = test_run(&t->q);
		if (ret)
			return ret;
	}
	return test_run(&t->q);
}

/* --- what came of it --- */

int test_fault(struct test_queue *q, struct drm_vsvm_fault *out)
{
	struct drm_vsvm_queue_query query;
	uint64_t since = 0;
	uint32_t count = 1;
	int ret;

	do {
		ret = test_query(q, &query);
		if (ret || query.state == DRM_VSVM_QUEUE_ERROR)
			break;
		test_nap();
	} while (test_patient(&since));
	if (ret) {
		fprintf(stderr, "# queue_query: %s\n", strerror(-ret));
		return ret;
	}
	if (query.state != DRM_VSVM_QUEUE_ERROR) {
		fprintf(stderr, "# the queue is in state %u, not in error\n", query.state);
		return -ENOENT;
	}
	if (!query.fault_sequence) {
		fprintf(stderr, "# the queue ended with errno %u and no record\n", query.error);
		return -ENOENT;
	}
	memset(out, 0, sizeof(*out));
	ret = vsvm_vm_faults(q->vm->vm, query.fault_sequence - 1, out, &count, NULL, NULL);
	if (ret || !count || out->sequence != query.fault_sequence) {
		fprintf(stderr, "# record %" PRIu64 " cannot be read: %s, %u read\n",
			(uint64_t)query.fault_sequence, strerror(-ret), count);
		return ret ? ret : -ENOENT;
	}
	if (out->error != query.error) {
		fprintf(stderr, "# queue says errno %u, record %u\n", query.error, out->error);
		return -EIO;
	}
	return 0;
}

static int differs(const char *what, uint64_t expected, uint64_t seen)
{
	if (expected == seen)
		return 0;
	fprintf(stderr, "# fault record: %s is %#" PRIx64 ", expected %#" PRIx64 "\n", what, seen,
		expected);
	return 1;
}

int expect_fault(struct test_queue *q, uint32_t reason, uint32_t error,
		 const volatile void *address, uint32_t access)
{
	struct drm_vsvm_fault fault;
	uint64_t first = (uintptr_t)q->packets;
	int bad = 0;

	if (test_fault(q, &fault))
		return 1;
	bad |= differs("reason", reason, fault.reason);
	bad |= differs("error", error, fault.error);
	bad |= differs("address", (uintptr_t)address, fault.address);
	bad |= differs("access", access, fault.access);
	bad |= differs("queue", q->id, fault.queue_id);
	if (fault.packet < first || fault.packet >= first + q->count * sizeof(*q->packets) ||
	    (fault.packet - first) % sizeof(*q->packets)) {
		fprintf(stderr, "# fault record: packet %#" PRIx64 " is none of the queue's\n",
			(uint64_t)fault.packet);
		bad = 1;
	} else if (fault.access != DRM_VSVM_ACCESS_FETCH) {
		bad |= differs("tag", q->packets[(fault.packet - first) / sizeof(*q->packets)].tag,
			       fault.tag);
	}
	if (fault.time_ns > test_now()) {
		fprintf(stderr, "# fault record: from the future\n");
		bad = 1;
	}
	if (test_queue_renew(q)) {
		fprintf(stderr, "# the queue cannot be replaced\n");
		bad = 1;
	}
	return bad;
}

uint32_t page_state(struct test_vm *t, const volatile void *p)
{
	uintptr_t page = (uintptr_t)p & ~(PAGE - 1);
	uint32_t state = ~0u;
	int ret = vsvm_vm_state(t->vm, (const void *)page, PAGE, &state);

	if (!ret)
		return state;
	fprintf(stderr, "# vm_state: %s\n", strerror(-ret));
	return ~0u;
}

size_t count_state(struct test_vm *t, const volatile void *p, size_t size, uint32_t mask,
		   uint32_t value)
{
	size_t pages = size / PAGE, found = 0, i;
	uint32_t *state = calloc(pages, sizeof(*state));
	int ret;

	if (!state)
		abort();
	ret = vsvm_vm_state(t->vm, (const void *)(uintptr_t)p, size, state);
	if (ret)
		fprintf(stderr, "# vm_state: %s\n", strerror(-ret));
	for (i = 0; !ret && i < pages; i++)
		found += (state[i] & mask) == value;
	free(state);
	return found;
}

struct drm_vsvm_stats test_stats(struct test_vm *t)
{
	struct drm_vsvm_stats stats;
	int ret = vsvm_vm_stats(t->vm, &stats);

	if (ret) {
		fprintf(stderr, "# vm_stats: %s\n", strerror(-ret));
		abort();
	}
	return stats;
}

struct drm_vsvm_dev_counters test_counters(struct test_vm *t)
{
	struct drm_vsvm_dev_counters counters;
	int ret = vsvm_counters(vsvm_vm_device(t->vm), &counters);

	if (ret) {
		fprintf(stderr, "# counters: %s\n", strerror(-ret));
		abort();
	}
	return counters;
}

/* --- data --- */

uint64_t test_pattern(uint64_t seed, uint64_t index)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull + index * 0xd1342543de82ef95ull;

	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9ull;
}

void fill_pattern(void *p, size_t size, uint64_t seed)
{
	unsigned char *bytes = p;
	uint64_t value;
	size_t i, part;

	for (i = 0; i < size; i += part) {
		value = test_pattern(seed, i / 8);
		part = size - i < 8 ? size - i : 8;
		memcpy(bytes + i, &value, part);
	}
}

ssize_t check_pattern(const void *p, size_t size, uint64_t seed)
{
	const unsigned char *bytes = p;
	uint64_t value;
	size_t i, j, part;

	for (i = 0; i < size; i += part) {
		value = test_pattern(seed, i / 8);
		part = size - i < 8 ? size - i : 8;
		if (!memcmp(bytes + i, &value, part))
			continue;
		for (j = 0; bytes[i + j] == ((unsigned char *)&value)[j]; j++)
			;
		return (ssize_t)(i + j);
	}
	return -1;
}

ssize_t check_bytes(const void *p, size_t size, uint8_t value)
{
	const uint8_t *bytes = p;
	size_t i;

	for (i = 0; i < size; i++)
		if (bytes[i] != value)
			return (ssize_t)i;
	return -1;
}

uint32_t crc32c(uint32_t seed, const void *p, size_t bytes)
{
	static uint32_t table[256];
	const uint8_t *data = p;
	uint32_t crc = ~seed, entry;
	unsigned int i, bit;

	if (!table[1]) {
		for (i = 256; i-- > 0;) {
			entry = i;
			for (bit = 0; bit < 8; bit++)
				entry = entry >> 1 ^ (entry & 1 ? 0x82f63b78u : 0);
			table[i] = entry;
		}
	}
	while (bytes--)
		crc = crc >> 8 ^ table[(crc ^ *data++) & 0xff];
	return ~crc;
}

uint64_t test_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}
