/* SPDX-License-Identifier: MIT */
#ifndef VSVM_TEST_H
#define VSVM_TEST_H

/*
 * What the tests share: a device with an address space and a queue, packets
 * written by hand, and looking at what came of it.  Nothing in here knows the
 * test harness: functions return 0 or -errno unless they say otherwise, and
 * complain on stderr where that helps.
 *
 * Packets and fences lie in shared memory on purpose.  fork() leaves it alone,
 * so that a test that counts invalidations counts its own.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <drm/vsvm_drm.h>
#include <vsvm.h>

#define PAGE		4096ul
#define HUGE		(2ul << 20)
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define NSEC_PER_SEC	1000000000ull

/* --- time and effort --- */

/* On a debug kernel (VSVM_FLAVOUR) everything may take five times as long */
unsigned int test_time(unsigned int seconds);
/* How much of a stress of n rounds to do here (VSVM_TEST_SCALE), at least 1 */
unsigned long test_scale(unsigned long n);
/* How long to go on with something, in ns: ms unless scaled; the same on every kernel */
uint64_t test_span(unsigned int ms);
/* CLOCK_MONOTONIC */
uint64_t test_now(void);
/* How long anything may take before it counts as hung */
uint64_t test_patience(void);
/* True until PATIENCE is over; start with a zero: for loops that poll */
bool test_patient(uint64_t *since);
/* A little sleep for such a loop */
void test_nap(void);

/* --- queues --- */

struct test_vm;

struct test_queue {
	struct test_vm *vm;
	uint32_t id;
	/* Packets from start to count have not been submitted */
	struct vsvm_packet *packets;
	uint32_t start;
	uint32_t count;
	uint32_t capacity;
	volatile uint64_t *fence;
	/* Highest fence value submitted */
	uint64_t value;
	uint64_t tag;
	void *area;
};

struct test_vm {
	struct vsvm_device *dev;
	struct vsvm_vm *vm;
	int fd;
	uint32_t id;
	struct test_queue q;
	/* A page that the device may write, shared */
	uint64_t *out;
	uint64_t stale;
};

/* Device, address space with everything mirrored, one queue */
int test_open(struct test_vm *t);
/* The same on a device that is open; flags: DRM_VSVM_VM_* */
int test_open_on(struct test_vm *t, struct vsvm_device *dev, uint32_t flags);
/* Ends it all; also an error when a stale translation was used in the meantime */
int test_close(struct test_vm *t);

int test_queue_open(struct test_vm *t, struct test_queue *q);
void test_queue_close(struct test_queue *q);
/* A queue that ended in error is replaced by a new one, the area stays */
int test_queue_renew(struct test_queue *q);

/* ioctl() that gives 0 or -errno and is not repeated */
int test_ioctl(int fd, unsigned long request, void *arg);
/* Submits what was put since the last time; -EAGAIN is waited out */
int test_submit(struct test_queue *q);
/* Submits ready-made commands with a fence address and value */
int test_submit_raw(struct test_queue *q, const struct drm_vsvm_command *commands, uint32_t count,
		    uint64_t fence_address, uint64_t fence_value, uint64_t *sequence);
/* Waits for everything submitted and takes the packets back; -ETIME after PATIENCE */
int test_wait(struct test_queue *q);
int test_wait_ns(struct test_queue *q, uint64_t ns);
int test_run(struct test_queue *q);
int test_query(struct test_queue *q, struct drm_vsvm_queue_query *out);
/* Waits until *address compares */
int test_wait_value(struct test_vm *t, const volatile void *address, uint64_t value,
		    uint32_t compare, uint64_t ns);

/* --- packets: appended to the queue's area, never NULL --- */

struct vsvm_packet *put(struct test_queue *q, uint16_t opcode);
void put_store(struct test_queue *q, const volatile void *p, uint64_t value, uint32_t width);
void put_store64(struct test_queue *q, const volatile void *p, uint64_t value);
void put_fill(struct test_queue *q, const volatile void *p, size_t bytes, uint64_t pattern);
void put_copy(struct test_queue *q, const volatile void *dst, const volatile void *src,
	      size_t bytes);
void put_atomic(struct test_queue *q, uint32_t op, uint32_t width, const volatile void *p,
		uint64_t operand, uint64_t compare, const volatile void *old);
void put_sum(struct test_queue *q, const volatile void *src, uint64_t count, uint64_t stride,
	     uint32_t width, const volatile void *result);
void put_crc(struct test_queue *q, const volatile void *src, size_t bytes, uint32_t seed,
	     const volatile void *result);
void put_fence(struct test_queue *q, const volatile void *p, uint64_t value);
void put_barrier(struct test_queue *q);
void put_wait(struct test_queue *q, const volatile void *p, uint64_t value, uint32_t compare,
	      uint64_t timeout_ns);
void put_spin(struct test_queue *q, uint64_t ns);

/* --- one packet on the first queue, waited for --- */

int dev_store64(struct test_vm *t, const volatile void *p, uint64_t value);
int dev_load64(struct test_vm *t, const volatile void *p, uint64_t *value);
int dev_fill(struct test_vm *t, const volatile void *p, size_t bytes, uint64_t pattern);
int dev_copy(struct test_vm *t, const volatile void *dst, const volatile void *src, size_t bytes);
int dev_atomic(struct test_vm *t, uint32_t op, uint32_t width, const volatile void *p,
	       uint64_t operand, uint64_t compare, uint64_t *old);
/* One load a page of [p, p + size): makes the device map it for reading */
int dev_touch_read(struct test_vm *t, const volatile void *p, size_t size);
/* Atomic OR with 0, one a page: maps for writing and changes nothing */
int dev_touch_write(struct test_vm *t, const volatile void *p, size_t size);

/* --- what came of it --- */

/*
 * The queue must have ended in error with a record that says exactly this and
 * names a packet of the queue's area with its tag.  Returns 0 and gives the
 * queue a successor if so; 1 and says what is different if not.
 */
int expect_fault(struct test_queue *q, uint32_t reason, uint32_t error,
		 const volatile void *address, uint32_t access);
/* The record that ended the queue; waits for it */
int test_fault(struct test_queue *q, struct drm_vsvm_fault *out);

/* DRM_VSVM_PAGE_* of the page at p; ~0u if that cannot be had */
uint32_t page_state(struct test_vm *t, const volatile void *p);
/* Pages of the range whose (state & mask) is value */
size_t count_state(struct test_vm *t, const volatile void *p, size_t size, uint32_t mask,
		   uint32_t value);
struct drm_vsvm_stats test_stats(struct test_vm *t);
struct drm_vsvm_dev_counters test_counters(struct test_vm *t);

/* --- data --- */

/* A u64 that depends on seed and index only */
uint64_t test_pattern(uint64_t seed, uint64_t index);
void fill_pattern(void *p, size_t size, uint64_t seed);
/* Offset of the first byte that is not the pattern, or -1 */
ssize_t check_pattern(const void *p, size_t size, uint64_t seed);
/* Offset of the first byte that differs from value, or -1 */
ssize_t check_bytes(const void *p, size_t size, uint8_t value);
uint32_t crc32c(uint32_t seed, const void *p, size_t bytes);
/* xorshift; the state must not be 0 */
uint64_t test_random(uint64_t *state);

#endif
