// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: packets, and what is wrong with them
 *
 * A packet is checked when it starts, as it was copied into its work item.
 * What is found wrong is terminal.  Checks come in this order: opcode, length,
 * flags and fields that must be zero, widths and operations, alignment,
 * addresses.  Addresses that a packet finds in memory (nodes of CHASE, the
 * elements that GATHER's indices name) are checked where they are used.
 */
#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/export.h>
#include <linux/overflow.h>

#include "hw/hw_packet.h"

/* fields that each opcode may use */
static const u8 used_args[VSVM_HW_OPCODES] = {
	[VSVM_PACKET_NOP] = 0,
	[VSVM_PACKET_STORE] = 3,
	[VSVM_PACKET_FILL] = 3,
	[VSVM_PACKET_COPY] = 3,
	[VSVM_PACKET_ATOMIC] = 5,
	[VSVM_PACKET_SUM] = 5,
	[VSVM_PACKET_GATHER] = 5,
	[VSVM_PACKET_CHASE] = 5,
	[VSVM_PACKET_CRC32C] = 4,
	[VSVM_PACKET_FENCE] = 2,
	[VSVM_PACKET_BARRIER] = 0,
	[VSVM_PACKET_WAIT] = 5,
	[VSVM_PACKET_SPIN] = 1,
	[VSVM_PACKET_ADD] = 5,
};

/**
 * struct check - checks of the addresses of one packet
 * @error: the first that failed
 * @address: for it
 */
struct check {
	enum vsvm_hw_error_code error;
	u64 address;
};

static void fail(struct check *check, enum vsvm_hw_error_code error,
		 u64 address)
{
	if (check->error)
		return;
	check->error = error;
	check->address = address;
}

static void aligned(struct check *check, u64 address, u64 to)
{
	if (!IS_ALIGNED(address, to))
		fail(check, VSVM_HW_ERROR_MISALIGNED, address);
}

static void range(struct check *check, u64 address, u64 bytes)
{
	if (address > VSVM_HW_VA_END || bytes > VSVM_HW_VA_END - address)
		fail(check, VSVM_HW_ERROR_ADDRESS, address);
}

static void elements(struct check *check, u64 address, u64 count, u64 width)
{
	u64 bytes;

	if (check_mul_overflow(count, width, &bytes))
		fail(check, VSVM_HW_ERROR_ADDRESS, address);
	range(check, address, bytes);
}

static bool good_width(u64 width)
{
	return width == 4 || width == 8;
}

static bool check_copy(struct check *check, const struct vsvm_packet *p)
{
	u64 dst = p->copy.dst;
	u64 src = p->copy.src;

	range(check, dst, p->copy.bytes);
	range(check, src, p->copy.bytes);
	/* nothing overflows that has passed the above */
	return check->error ||
	       dst >= src + p->copy.bytes || src >= dst + p->copy.bytes;
}

static bool check_atomic(struct check *check, const struct vsvm_packet *p)
{
	if (!good_width(p->atomic.width) || p->atomic.op > VSVM_ATOMIC_CMPXCHG)
		return false;
	if (p->atomic.compare && p->atomic.op != VSVM_ATOMIC_CMPXCHG)
		return false;
	if (p->atomic.operand && p->atomic.op == VSVM_ATOMIC_INC)
		return false;
	aligned(check, p->atomic.address, p->atomic.width);
	aligned(check, p->atomic.old, p->atomic.width);
	range(check, p->atomic.address, p->atomic.width);
	range(check, p->atomic.old, p->atomic.width);
	return true;
}

static bool check_sum(struct check *check, const struct vsvm_packet *p)
{
	const u64 width = p->sum.width;
	u64 bytes;

	if (!good_width(width) || p->sum.stride < width)
		return false;
	aligned(check, p->sum.src, width);
	if (!IS_ALIGNED(p->sum.stride, width))
		fail(check, VSVM_HW_ERROR_MISALIGNED,
		     p->sum.src + p->sum.stride);
	aligned(check, p->sum.result, sizeof(u64));
	if (p->sum.count) {
		if (check_mul_overflow(p->sum.count - 1, p->sum.stride, &bytes) ||
		    check_add_overflow(bytes, width, &bytes))
			fail(check, VSVM_HW_ERROR_ADDRESS, p->sum.src);
		range(check, p->sum.src, bytes);
	}
	range(check, p->sum.result, sizeof(u64));
	return true;
}

static bool check_gather(struct check *check, const struct vsvm_packet *p)
{
	if (!good_width(p->gather.width) || !good_width(p->gather.index_width))
		return false;
	aligned(check, p->gather.dst, p->gather.width);
	aligned(check, p->gather.src, p->gather.width);
	aligned(check, p->gather.index, p->gather.index_width);
	elements(check, p->gather.dst, p->gather.count, p->gather.width);
	elements(check, p->gather.index, p->gather.count,
		 p->gather.index_width);
	range(check, p->gather.src, 0);
	return true;
}

static bool check_chase(struct check *check, const struct vsvm_packet *p)
{
	bool sum = p->flags & VSVM_PACKET_F_CHASE_SUM;

	if (p->chase.value_offset && !sum)
		return false;
	aligned(check, p->chase.first + p->chase.next_offset, sizeof(u64));
	if (sum)
		aligned(check, p->chase.first + p->chase.value_offset,
			sizeof(u64));
	aligned(check, p->chase.result, sizeof(u64));
	range(check, p->chase.first, 0);
	range(check, p->chase.next_offset, 0);
	range(check, p->chase.value_offset, 0);
	range(check, p->chase.result, sizeof(struct vsvm_chase_result));
	return true;
}

static bool check_add(struct check *check, const struct vsvm_packet *p)
{
	const u64 width = p->add.width;

	if (!good_width(width))
		return false;
	aligned(check, p->add.dst, width);
	aligned(check, p->add.a, width);
	aligned(check, p->add.b, width);
	elements(check, p->add.dst, p->add.count, width);
	elements(check, p->add.a, p->add.count, width);
	elements(check, p->add.b, p->add.count, width);
	return true;
}

/* Return: false for a bad packet, whatever @check says. */
static bool check_args(struct check *check, const struct vsvm_packet *p)
{
	switch (p->opcode) {
	case VSVM_PACKET_STORE:
		if (!good_width(p->store.width))
			return false;
		aligned(check, p->store.address, p->store.width);
		range(check, p->store.address, p->store.width);
		return true;
	case VSVM_PACKET_FILL:
		range(check, p->fill.address, p->fill.bytes);
		return true;
	case VSVM_PACKET_COPY:
		return check_copy(check, p);
	case VSVM_PACKET_ATOMIC:
		return check_atomic(check, p);
	case VSVM_PACKET_SUM:
		return check_sum(check, p);
	case VSVM_PACKET_GATHER:
		return check_gather(check, p);
	case VSVM_PACKET_CHASE:
		return check_chase(check, p);
	case VSVM_PACKET_CRC32C:
		if (p->crc32c.seed > U32_MAX)
			return false;
		aligned(check, p->crc32c.result, sizeof(u32));
		range(check, p->crc32c.src, p->crc32c.bytes);
		range(check, p->crc32c.result, sizeof(u32));
		return true;
	case VSVM_PACKET_FENCE:
		aligned(check, p->fence.address, sizeof(u64));
		range(check, p->fence.address, sizeof(u64));
		return true;
	case VSVM_PACKET_WAIT:
		if (p->wait.compare > VSVM_COMPARE_LT)
			return false;
		aligned(check, p->wait.address, sizeof(u64));
		range(check, p->wait.address, sizeof(u64));
		return true;
	case VSVM_PACKET_ADD:
		return check_add(check, p);
	default:
		return true;
	}
}

/**
 * vsvm_hw_packet_check() - what is wrong with a packet
 * @packet: a copy of it
 * @address: out: which address is misaligned or out of range, else 0
 *
 * Return: %VSVM_HW_ERROR_NONE, %VSVM_HW_ERROR_BAD_OPCODE,
 * %VSVM_HW_ERROR_BAD_PACKET, %VSVM_HW_ERROR_MISALIGNED or
 * %VSVM_HW_ERROR_ADDRESS.
 */
enum vsvm_hw_error_code vsvm_hw_packet_check(const struct vsvm_packet *packet,
					     u64 *address)
{
	u32 flags = VSVM_PACKET_F_BARRIER;
	struct check check = { };
	u32 i;

	*address = 0;
	if (packet->opcode >= VSVM_HW_OPCODES)
		return VSVM_HW_ERROR_BAD_OPCODE;
	if (packet->length != VSVM_PACKET_BYTES)
		return VSVM_HW_ERROR_BAD_PACKET;
	if (packet->opcode == VSVM_PACKET_CHASE)
		flags |= VSVM_PACKET_F_CHASE_SUM;
	if (packet->flags & ~flags)
		return VSVM_HW_ERROR_BAD_PACKET;
	for (i = used_args[packet->opcode]; i < ARRAY_SIZE(packet->arg); i++) {
		if (packet->arg[i])
			return VSVM_HW_ERROR_BAD_PACKET;
	}
	if (!check_args(&check, packet))
		return VSVM_HW_ERROR_BAD_PACKET;
	*address = check.address;
	return check.error;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_packet_check);

/**
 * vsvm_hw_command_check() - what is wrong with a FIFO entry
 * @command: the entry
 * @address: out: which address is misaligned or out of range, else 0
 *
 * Return: as vsvm_hw_packet_check().
 */
enum vsvm_hw_error_code
vsvm_hw_command_check(const struct vsvm_hw_command *command, u64 *address)
{
	struct check check = { };

	if (command->bytes) {
		aligned(&check, command->address, VSVM_PACKET_BYTES);
		if (!IS_ALIGNED(command->bytes, VSVM_PACKET_BYTES))
			fail(&check, VSVM_HW_ERROR_MISALIGNED,
			     command->address);
		range(&check, command->address, command->bytes);
	}
	aligned(&check, command->fence_address, sizeof(u64));
	range(&check, command->fence_address, sizeof(u64));
	*address = check.address;
	return check.error;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_command_check);

/** vsvm_hw_compare() - @value against @reference as &enum vsvm_compare says; unsigned */
bool vsvm_hw_compare(u64 op, u64 value, u64 reference)
{
	switch (op) {
	case VSVM_COMPARE_EQ:
		return value == reference;
	case VSVM_COMPARE_NE:
		return value != reference;
	case VSVM_COMPARE_GE:
		return value >= reference;
	case VSVM_COMPARE_GT:
		return value > reference;
	case VSVM_COMPARE_LE:
		return value <= reference;
	default:
		return value < reference;
	}
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_compare);
