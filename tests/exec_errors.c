// SPDX-License-Identifier: MIT
/*
 * Work that the device refuses: every way to get a packet wrong ends its queue,
 * that queue alone, with a record that is exact.
 */
#include "vsvm_harness.h"

FIXTURE(errors)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(errors)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(16 * PAGE);
}

FIXTURE_TEARDOWN(errors)
{
	EXPECT_EQ(0, test_close(&self->t));
}

/* A good packet of each kind */
static struct vsvm_packet *good(struct test_queue *q, uint16_t opcode, char *p)
{
	struct vsvm_packet *packet = put(q, opcode);
	uint64_t at = (uintptr_t)p;

	switch (opcode) {
	case VSVM_PACKET_STORE:
		packet->store.address = at;
		packet->store.width = 8;
		break;
	case VSVM_PACKET_FILL:
		packet->fill.address = at;
		packet->fill.bytes = 64;
		break;
	case VSVM_PACKET_COPY:
		packet->copy.dst = at;
		packet->copy.src = at + PAGE;
		packet->copy.bytes = 64;
		break;
	case VSVM_PACKET_ATOMIC:
		packet->atomic.address = at;
		packet->atomic.op = VSVM_ATOMIC_ADD;
		packet->atomic.width = 8;
		break;
	case VSVM_PACKET_SUM:
		packet->sum.src = at;
		packet->sum.count = 8;
		packet->sum.stride = 8;
		packet->sum.width = 8;
		packet->sum.result = at + PAGE;
		break;
	case VSVM_PACKET_GATHER:
		packet->gather.dst = at;
		packet->gather.src = at + PAGE;
		packet->gather.index = at + 2 * PAGE;
		packet->gather.count = 8;
		packet->gather.width = 8;
		packet->gather.index_width = 8;
		break;
	case VSVM_PACKET_CHASE:
		packet->chase.first = at;
		packet->chase.max_nodes = 8;
		packet->chase.result = at + PAGE;
		break;
	case VSVM_PACKET_CRC32C:
		packet->crc32c.src = at;
		packet->crc32c.bytes = 64;
		packet->crc32c.result = at + PAGE;
		break;
	case VSVM_PACKET_FENCE:
		packet->fence.address = at;
		break;
	case VSVM_PACKET_WAIT:
		packet->wait.address = at;
		packet->wait.compare = VSVM_COMPARE_EQ;
		packet->wait.mask = ~0ull;
		break;
	case VSVM_PACKET_SPIN:
		packet->spin.duration_ns = 1000;
		break;
	case VSVM_PACKET_ADD:
		packet->add.dst = at;
		packet->add.a = at + PAGE;
		packet->add.b = at + 2 * PAGE;
		packet->add.count = 8;
		packet->add.width = 8;
		break;
	}
	return packet;
}

/*
 * The last packet put must end the queue.  It goes behind a good one and in
 * front of another that must not run.  0 or the line of what is wrong.
 */
static int refused(struct test_vm *t, uint32_t reason, uint64_t address)
{
	struct test_queue *q = &t->q;
	struct vsvm_packet bad = q->packets[--q->count];
	volatile uint64_t *canary = t->out;
	struct drm_vsvm_fault fault;
	struct vsvm_packet *packet;
	uint64_t tag;

	canary[0] = 0;
	canary[1] = 0;
	put_store64(q, &canary[0], 1);
	put_barrier(q);
	packet = put(q, 0);
	tag = packet->tag;
	*packet = bad;
	packet->tag = tag;
	put_barrier(q);
	put_store64(q, &canary[1], 1);
	if (test_run(q) != -ECANCELED)
		return __LINE__;
	if (test_fault(q, &fault))
		return __LINE__;
	if (fault.reason != reason || fault.tag != tag || fault.packet != (uintptr_t)packet ||
	    fault.queue_id != q->id || fault.access != DRM_VSVM_ACCESS_NONE ||
	    (address && fault.address != address)) {
		fprintf(stderr, "# reason %u tag %s packet %s access %u address %#llx\n",
			fault.reason, fault.tag == tag ? "right" : "wrong",
			fault.packet == (uintptr_t)packet ? "right" : "wrong", fault.access,
			(long long)fault.address);
		return __LINE__;
	}
	if (fault.error != (reason == DRM_VSVM_FAULT_ADDRESS ? EFAULT : EINVAL))
		return __LINE__;
	if (canary[0] != 1 || canary[1] != 0)
		return __LINE__;
	return test_queue_renew(q) ? __LINE__ : 0;
}

#define OPCODES	(VSVM_PACKET_ADD + 1)

TEST_F(errors, good_packets_are_good)
{
	uint16_t opcode;

	for (opcode = 0; opcode < OPCODES; opcode++) {
		good(&self->t.q, opcode, self->p);
		put_barrier(&self->t.q);
		ASSERT_EQ(0, test_run(&self->t.q))
			TH_LOG("opcode %u", opcode);
		good(&self->t.q, opcode, self->p)->flags = VSVM_PACKET_F_BARRIER;
		ASSERT_EQ(0, test_run(&self->t.q))
			TH_LOG("opcode %u with a barrier", opcode);
	}
}

TEST_F(errors, unknown_opcode)
{
	static const uint16_t opcodes[] = { OPCODES, OPCODES + 1, 63, 64, 65, 255, 256, 0x8000,
					    0xffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		put(&self->t.q, opcodes[i]);
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_OPCODE, 0));
	}
}

TEST_F(errors, wrong_length)
{
	static const uint16_t lengths[] = { 0, 1, 32, 63, 65, 128, 0xffff };
	uint16_t opcode;
	unsigned int i;

	for (opcode = 0; opcode < OPCODES; opcode++) {
		for (i = 0; i < ARRAY_SIZE(lengths); i++) {
			good(&self->t.q, opcode, self->p)->length = lengths[i];
			ASSERT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
		}
	}
}

TEST_F(errors, unknown_flags)
{
	uint16_t opcode;
	unsigned int bit;

	for (opcode = 0; opcode < OPCODES; opcode++) {
		for (bit = 1; bit < 32; bit += bit < 3 ? 1 : 7) {
			if (opcode == VSVM_PACKET_CHASE && bit == 1)
				continue;
			good(&self->t.q, opcode, self->p)->flags = 1u << bit;
			ASSERT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0))
				TH_LOG("opcode %u bit %u", opcode, bit);
		}
	}
}

TEST_F(errors, fields_that_must_be_zero)
{
	/* How many of the six words each packet names */
	static const uint8_t named[OPCODES] = {
		[VSVM_PACKET_STORE] = 3, [VSVM_PACKET_FILL] = 3, [VSVM_PACKET_COPY] = 3,
		[VSVM_PACKET_ATOMIC] = 5, [VSVM_PACKET_SUM] = 5, [VSVM_PACKET_GATHER] = 5,
		[VSVM_PACKET_CHASE] = 5, [VSVM_PACKET_CRC32C] = 4, [VSVM_PACKET_FENCE] = 2,
		[VSVM_PACKET_WAIT] = 5, [VSVM_PACKET_SPIN] = 1, [VSVM_PACKET_ADD] = 5,
	};
	uint16_t opcode;
	int i;

	for (opcode = 0; opcode < OPCODES; opcode++) {
		for (i = named[opcode]; i < 6; i++) {
			good(&self->t.q, opcode, self->p)->arg[i] = 1;
			ASSERT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0))
				TH_LOG("opcode %u word %d", opcode, i);
			good(&self->t.q, opcode, self->p)->arg[i] = 1ull << 63;
			ASSERT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
		}
	}
	/* Those that only a flag or an operation names */
	good(&self->t.q, VSVM_PACKET_CHASE, self->p)->chase.value_offset = 8;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(&self->t.q, VSVM_PACKET_ATOMIC, self->p)->atomic.compare = 1;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
}

TEST_F(errors, unknown_widths_operations_and_comparisons)
{
	static const uint64_t widths[] = { 0, 1, 2, 3, 5, 7, 9, 16, 64 };
	struct test_queue *q = &self->t.q;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		good(q, VSVM_PACKET_STORE, self->p)->store.width = widths[i];
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
		good(q, VSVM_PACKET_ATOMIC, self->p)->atomic.width = widths[i];
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
		good(q, VSVM_PACKET_SUM, self->p)->sum.width = widths[i];
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
		good(q, VSVM_PACKET_GATHER, self->p)->gather.width = widths[i];
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
		good(q, VSVM_PACKET_GATHER, self->p)->gather.index_width = widths[i];
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
		good(q, VSVM_PACKET_ADD, self->p)->add.width = widths[i];
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	}
	/* A width that is right in its lower half only */
	good(q, VSVM_PACKET_STORE, self->p)->store.width = 1ull << 32 | 8;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_ATOMIC, self->p)->atomic.op = VSVM_ATOMIC_CMPXCHG + 1;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_ATOMIC, self->p)->atomic.op = ~0u;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_WAIT, self->p)->wait.compare = VSVM_COMPARE_LT + 1;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_WAIT, self->p)->wait.compare = 1ull << 32;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_CRC32C, self->p)->crc32c.seed = 1ull << 32;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	/* Elements closer than they are wide; ranges that overlap */
	good(q, VSVM_PACKET_SUM, self->p)->sum.stride = 4;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_SUM, self->p)->sum.stride = 0;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_COPY, self->p)->copy.src = (uintptr_t)self->p + 63;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
	good(q, VSVM_PACKET_COPY, self->p)->copy.src = (uintptr_t)self->p;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_BAD_PACKET, 0));
}

TEST_F(errors, misaligned)
{
	struct test_queue *q = &self->t.q;
	uint64_t at = (uintptr_t)self->p;
	unsigned int by;

	for (by = 1; by < 8; by++) {
		good(q, VSVM_PACKET_STORE, self->p)->store.address = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
		good(q, VSVM_PACKET_ATOMIC, self->p)->atomic.address = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
		good(q, VSVM_PACKET_ATOMIC, self->p)->atomic.old = at + PAGE + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + PAGE + by));
		good(q, VSVM_PACKET_SUM, self->p)->sum.src = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
		good(q, VSVM_PACKET_FENCE, self->p)->fence.address = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
		good(q, VSVM_PACKET_WAIT, self->p)->wait.address = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
		good(q, VSVM_PACKET_ADD, self->p)->add.b = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
		good(q, VSVM_PACKET_GATHER, self->p)->gather.index = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
	}
	/* Four bytes need four */
	for (by = 1; by < 4; by++) {
		struct vsvm_packet *packet = good(q, VSVM_PACKET_STORE, self->p);

		packet->store.address = at + by;
		packet->store.width = 4;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
		good(q, VSVM_PACKET_CRC32C, self->p)->crc32c.result = at + by;
		EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_MISALIGNED, at + by));
	}
}

TEST_F(errors, ranges_that_leave_the_address_space)
{
	struct test_queue *q = &self->t.q;
	uint64_t end = 1ull << 48, at = (uintptr_t)self->p;

	good(q, VSVM_PACKET_FILL, self->p)->fill.bytes = end;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, at));
	good(q, VSVM_PACKET_FILL, self->p)->fill.bytes = ~0ull;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, at));
	good(q, VSVM_PACKET_FILL, self->p)->fill.bytes = 0 - at;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, at));
	good(q, VSVM_PACKET_COPY, self->p)->copy.bytes = end;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, 0));
	good(q, VSVM_PACKET_COPY, self->p)->copy.src = end - 8;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, end - 8));
	good(q, VSVM_PACKET_SUM, self->p)->sum.count = ~0ull;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, at));
	good(q, VSVM_PACKET_SUM, self->p)->sum.stride = 1ull << 60;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, at));
	good(q, VSVM_PACKET_GATHER, self->p)->gather.count = 1ull << 61;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, 0));
	good(q, VSVM_PACKET_ADD, self->p)->add.count = 1ull << 62;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, 0));
	good(q, VSVM_PACKET_CRC32C, self->p)->crc32c.bytes = ~0ull - 10;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, at));
	good(q, VSVM_PACKET_CHASE, self->p)->chase.next_offset = 1ull << 56;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, 0));
	good(q, VSVM_PACKET_STORE, self->p)->store.address = end;
	EXPECT_EQ(0, refused(&self->t, DRM_VSVM_FAULT_ADDRESS, end));
}

/* --- packets that cannot be read --- */

TEST_F(errors, command_buffer_that_is_not_there)
{
	struct drm_vsvm_command command = { .address = (uintptr_t)self->p, .bytes = 64 };
	struct drm_vsvm_fault fault;

	ASSERT_EQ(0, munmap(self->p, PAGE));
	ASSERT_EQ(0, test_submit_raw(&self->t.q, &command, 1, 0, 0, NULL));
	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	EXPECT_EQ(DRM_VSVM_FAULT_NO_MAPPING, fault.reason);
	EXPECT_EQ(EFAULT, fault.error);
	EXPECT_EQ(DRM_VSVM_ACCESS_FETCH, fault.access);
	EXPECT_EQ((uintptr_t)self->p, fault.address);
	EXPECT_EQ((uintptr_t)self->p, fault.packet);
	EXPECT_EQ(0, fault.tag);
	EXPECT_EQ(self->t.q.id, fault.queue_id);
	ASSERT_EQ(0, test_queue_renew(&self->t.q));

	/* Not for reading */
	command.address = (uintptr_t)self->p + PAGE;
	ASSERT_EQ(0, mprotect(self->p + PAGE, PAGE, PROT_NONE));
	ASSERT_EQ(0, test_submit_raw(&self->t.q, &command, 1, 0, 0, NULL));
	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	EXPECT_EQ(DRM_VSVM_FAULT_PERMISSION, fault.reason);
	EXPECT_EQ(DRM_VSVM_ACCESS_FETCH, fault.access);
}

TEST_F(errors, command_buffer_that_runs_into_a_hole)
{
	struct vsvm_packet *packets = (struct vsvm_packet *)self->p;
	struct drm_vsvm_command command = { .address = (uintptr_t)self->p, .bytes = 2 * PAGE };
	struct drm_vsvm_fault fault;
	unsigned int i;

	ASSERT_EQ(0, munmap(self->p + PAGE, PAGE));
	for (i = 0; i < PAGE / 64; i++) {
		packets[i].opcode = VSVM_PACKET_NOP;
		packets[i].length = VSVM_PACKET_BYTES;
	}
	ASSERT_EQ(0, test_submit_raw(&self->t.q, &command, 1, 0, 0, NULL));
	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	EXPECT_EQ(DRM_VSVM_FAULT_NO_MAPPING, fault.reason);
	EXPECT_EQ(DRM_VSVM_ACCESS_FETCH, fault.access);
	EXPECT_EQ((uintptr_t)self->p + PAGE, fault.address);
	EXPECT_EQ((uintptr_t)self->p + PAGE, fault.packet);
}

TEST_F(errors, command_buffer_in_memory_that_is_only_read)
{
	/* Packets are read: a read-only file will do, and one never touched before */
	struct vsvm_packet *packet = (struct vsvm_packet *)self->p;
	struct drm_vsvm_command command = { .address = (uintptr_t)self->p, .bytes = 64 };

	packet->opcode = VSVM_PACKET_STORE;
	packet->length = VSVM_PACKET_BYTES;
	packet->store.address = (uintptr_t)self->t.out;
	packet->store.value = 77;
	packet->store.width = 8;
	ASSERT_EQ(0, mprotect(self->p, PAGE, PROT_READ));
	ASSERT_EQ(0, test_submit_raw(&self->t.q, &command, 1, (uintptr_t)&self->t.out[1], 1, NULL));
	EXPECT_EQ(0, test_wait_value(&self->t, &self->t.out[1], 1, VSVM_COMPARE_EQ,
				     test_patience()));
	EXPECT_EQ(77, self->t.out[0]);
	/* A page of zeros is full of packets of the wrong length */
	command.address = (uintptr_t)self->p + 2 * PAGE;
	ASSERT_EQ(0, test_submit_raw(&self->t.q, &command, 1, 0, 0, NULL));
	struct drm_vsvm_fault fault;

	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	EXPECT_EQ(DRM_VSVM_FAULT_BAD_PACKET, fault.reason);
	EXPECT_EQ(command.address, fault.packet);
}

TEST_F(errors, fence_that_cannot_be_written)
{
	struct drm_vsvm_command none = { 0 };
	struct drm_vsvm_fault fault;

	ASSERT_EQ(0, mprotect(self->p, PAGE, PROT_READ));
	ASSERT_EQ(0, test_submit_raw(&self->t.q, &none, 0, (uintptr_t)self->p + 8, 1, NULL));
	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	EXPECT_EQ(DRM_VSVM_FAULT_PERMISSION, fault.reason);
	EXPECT_EQ(EACCES, fault.error);
	EXPECT_EQ(DRM_VSVM_ACCESS_WRITE, fault.access);
	EXPECT_EQ((uintptr_t)self->p + 8, fault.address);
	EXPECT_EQ(0, *(uint64_t *)(self->p + 8));
	ASSERT_EQ(0, test_queue_renew(&self->t.q));
	put_fence(&self->t.q, self->p + 16, 1);
	EXPECT_NE(0, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PERMISSION, EACCES, self->p + 16,
				  DRM_VSVM_ACCESS_WRITE));
}

/* --- what an error does and does not do --- */

TEST_F(errors, a_queue_in_error_takes_no_more_work)
{
	struct drm_vsvm_queue_query query;
	struct drm_vsvm_command none = { 0 };
	uint64_t value = self->t.q.value;
	struct drm_vsvm_fault fault;
	int i;

	put(&self->t.q, 999);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-ECANCELED, test_submit_raw(&self->t.q, &none, 0, (uintptr_t)self->p, 1,
						      NULL));
	}
	ASSERT_EQ(0, test_query(&self->t.q, &query));
	EXPECT_EQ(DRM_VSVM_QUEUE_ERROR, query.state);
	EXPECT_EQ(EINVAL, query.error);
	EXPECT_EQ(1, query.submitted);
	EXPECT_EQ(0, query.completed);
	EXPECT_EQ(fault.sequence, query.fault_sequence);
	/* The fence of what did not run is not written, whoever waits for it hears so */
	EXPECT_EQ(value, *self->t.q.fence);
	EXPECT_EQ(-ECANCELED, test_wait(&self->t.q));
	EXPECT_EQ(0, *(uint64_t *)self->p);
}

TEST_F(errors, first_error_counts)
{
	struct drm_vsvm_fault fault;
	int i;

	/* Many bad packets in flight at once make one record */
	for (i = 0; i < 64; i++)
		put_store64(&self->t.q, (void *)(8ul + 4096 * i), 1);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	EXPECT_EQ(DRM_VSVM_FAULT_NO_MAPPING, fault.reason);
	EXPECT_EQ(8, fault.address % 4096);
	uint64_t last, lost;
	uint32_t count = 0;

	ASSERT_EQ(0, vsvm_vm_faults(self->t.vm, 0, NULL, &count, &lost, &last));
	EXPECT_EQ(fault.sequence, last);
}

TEST_F(errors, work_behind_the_error_does_not_run)
{
	struct drm_vsvm_fault fault;
	int i;

	put_store64(&self->t.q, (void *)8, 1);
	for (i = 0; i < 100; i++) {
		put_barrier(&self->t.q);
		put_store64(&self->t.q, self->p + 8 * i, 1);
	}
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(0, test_fault(&self->t.q, &fault));
	EXPECT_EQ(-1, check_bytes(self->p, PAGE, 0));
}

TEST_F(errors, many_queues_fail_at_once)
{
	struct test_queue queues[32], fine;
	unsigned int i;

	ASSERT_EQ(0, test_queue_open(&self->t, &fine));
	for (i = 0; i < 200; i++)
		put_fill(&fine, self->p, 16 * PAGE, i);
	put_barrier(&fine);
	put_fill(&fine, self->p, 16 * PAGE, 4711);
	ASSERT_EQ(0, test_submit(&fine));
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
		put_store64(&queues[i], (void *)(uintptr_t)(PAGE * i + 8 * i), i);
		ASSERT_EQ(0, test_submit(&queues[i]));
	}
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		EXPECT_EQ(-ECANCELED, test_wait(&queues[i]));
		EXPECT_EQ(0, expect_fault(&queues[i], DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
					  (void *)(uintptr_t)(PAGE * i + 8 * i),
					  DRM_VSVM_ACCESS_WRITE));
		test_queue_close(&queues[i]);
	}
	EXPECT_EQ(0, test_wait(&fine));
	EXPECT_EQ(4711, *(uint64_t *)(self->p + 16 * PAGE - 8));
	test_queue_close(&fine);
}

TEST_HARNESS_MAIN
