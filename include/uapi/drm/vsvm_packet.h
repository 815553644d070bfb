/* SPDX-License-Identifier: MIT */
#ifndef _UAPI_VSVM_PACKET_H_
#define _UAPI_VSVM_PACKET_H_

#include <linux/types.h>

/**
 * DOC: the packets of the accelerator
 *
 * A command buffer is an array of packets, read by the engine through the
 * address space of the queue.  Each packet is &VSVM_PACKET_BYTES long and
 * aligned to as much, so that none crosses a page.  Packets of one queue
 * start in order and may complete out of order; a packet with
 * %VSVM_PACKET_F_BARRIER starts only when everything before it in the queue is
 * complete, and nothing behind it starts before it is.
 *
 * All addresses are addresses of the process.  Every field that a packet does
 * not name must be zero: anything else is a terminal error of the queue, as is
 * an unknown opcode or flag.
 */

#define VSVM_PACKET_BYTES	64

/** enum vsvm_packet_opcode - what a packet does */
enum vsvm_packet_opcode {
	/** @VSVM_PACKET_NOP: nothing */
	VSVM_PACKET_NOP = 0,
	/** @VSVM_PACKET_STORE: write one value of 4 or 8 bytes, aligned to its width */
	VSVM_PACKET_STORE = 1,
	/** @VSVM_PACKET_FILL: repeat an 8-byte pattern over any range of bytes */
	VSVM_PACKET_FILL = 2,
	/** @VSVM_PACKET_COPY: copy bytes, ranges must not overlap */
	VSVM_PACKET_COPY = 3,
	/** @VSVM_PACKET_ATOMIC: one atomic operation of 4 or 8 bytes, naturally aligned */
	VSVM_PACKET_ATOMIC = 4,
	/** @VSVM_PACKET_SUM: sum of strided elements into a 64-bit result */
	VSVM_PACKET_SUM = 5,
	/** @VSVM_PACKET_GATHER: destination[i] = source[index[i]] */
	VSVM_PACKET_GATHER = 6,
	/** @VSVM_PACKET_CHASE: follow a chain of pointers */
	VSVM_PACKET_CHASE = 7,
	/** @VSVM_PACKET_CRC32C: checksum of a range of bytes */
	VSVM_PACKET_CRC32C = 8,
	/** @VSVM_PACKET_FENCE: write a 64-bit value when all earlier packets are complete */
	VSVM_PACKET_FENCE = 9,
	/** @VSVM_PACKET_BARRIER: as NOP with %VSVM_PACKET_F_BARRIER */
	VSVM_PACKET_BARRIER = 10,
	/** @VSVM_PACKET_WAIT: hold the queue until a 64-bit value compares */
	VSVM_PACKET_WAIT = 11,
	/** @VSVM_PACKET_SPIN: run until stopped, or for a number of nanoseconds */
	VSVM_PACKET_SPIN = 12,
	/** @VSVM_PACKET_ADD: destination[i] = a[i] + b[i] */
	VSVM_PACKET_ADD = 13,
};

/** @VSVM_PACKET_F_BARRIER: wait for all earlier packets, hold all later ones */
#define VSVM_PACKET_F_BARRIER	(1u << 0)
/** @VSVM_PACKET_F_CHASE_SUM: CHASE: add up a u64 of each node visited */
#define VSVM_PACKET_F_CHASE_SUM	(1u << 1)

/** enum vsvm_atomic_op - operations of %VSVM_PACKET_ATOMIC */
enum vsvm_atomic_op {
	VSVM_ATOMIC_ADD = 0,
	VSVM_ATOMIC_INC = 1,
	VSVM_ATOMIC_AND = 2,
	VSVM_ATOMIC_OR = 3,
	VSVM_ATOMIC_XOR = 4,
	VSVM_ATOMIC_XCHG = 5,
	VSVM_ATOMIC_CMPXCHG = 6,
};

/** enum vsvm_compare - how WAIT and the wait ioctl compare (value & mask) with the reference */
enum vsvm_compare {
	VSVM_COMPARE_EQ = 0,
	VSVM_COMPARE_NE = 1,
	VSVM_COMPARE_GE = 2,
	VSVM_COMPARE_GT = 3,
	VSVM_COMPARE_LE = 4,
	VSVM_COMPARE_LT = 5,
};

/**
 * struct vsvm_chase_result - what CHASE writes
 * @last: address of the last node reached
 * @nodes: how many nodes were visited, the first included
 * @sum: sum of the u64 at the value offset of each, with %VSVM_PACKET_F_CHASE_SUM
 */
struct vsvm_chase_result {
	__u64 last;
	__u64 nodes;
	__u64 sum;
};

/**
 * struct vsvm_packet - one packet
 * @opcode: &enum vsvm_packet_opcode
 * @length: bytes, always %VSVM_PACKET_BYTES
 * @flags: VSVM_PACKET_F_*
 * @tag: free for user space; reported in the record of a terminal error
 */
struct vsvm_packet {
	__u16 opcode;
	__u16 length;
	__u32 flags;
	__u64 tag;
	union {
		__u64 arg[6];
		struct {
			__u64 address;
			__u64 value;
			/** width: bytes, 4 or 8 */
			__u64 width;
		} store;
		struct {
			__u64 address;
			__u64 bytes;
			__u64 pattern;
		} fill;
		struct {
			__u64 dst;
			__u64 src;
			__u64 bytes;
		} copy;
		struct {
			__u64 address;
			__u64 operand;
			/** compare: of CMPXCHG, else zero */
			__u64 compare;
			/** old: where the value before goes (same width), or 0 */
			__u64 old;
			/** op: enum vsvm_atomic_op */
			__u32 op;
			__u32 width;
		} atomic;
		struct {
			__u64 src;
			__u64 count;
			/** stride: bytes from one element to the next, at least the width */
			__u64 stride;
			/** result: u64 */
			__u64 result;
			/** width: 4 (unsigned) or 8, elements aligned to it */
			__u64 width;
		} sum;
		struct {
			__u64 dst;
			__u64 src;
			__u64 index;
			__u64 count;
			/** width: of an element, 4 or 8 */
			__u32 width;
			/** index_width: of an index, 4 or 8 */
			__u32 index_width;
		} gather;
		struct {
			__u64 first;
			/** next_offset: of the u64 pointer to the next node in each */
			__u64 next_offset;
			/** max_nodes: stop there, or at a null pointer */
			__u64 max_nodes;
			/** result: struct vsvm_chase_result */
			__u64 result;
			__u64 value_offset;
		} chase;
		struct {
			__u64 src;
			__u64 bytes;
			/** result: u32 */
			__u64 result;
			/** seed: CRC of what came before, 0 to start */
			__u64 seed;
		} crc32c;
		struct {
			__u64 address;
			__u64 value;
		} fence;
		struct {
			__u64 address;
			__u64 value;
			__u64 mask;
			/** timeout_ns: until the queue fails, or 0: wait until stopped */
			__u64 timeout_ns;
			/** compare: enum vsvm_compare */
			__u64 compare;
		} wait;
		struct {
			/** duration_ns: 0 runs until stopped */
			__u64 duration_ns;
		} spin;
		struct {
			__u64 dst;
			__u64 a;
			__u64 b;
			__u64 count;
			/** width: 4 or 8, addresses aligned to it */
			__u64 width;
		} add;
	};
};

#endif
