// SPDX-License-Identifier: GPL-2.0-only
/* What the device refuses in a packet, and what it does not. */
#include <kunit/test.h>
#include <kunit/visibility.h>

#include "hw/hw_packet.h"
#include "tests/suites.h"

#define TOP	BIT_ULL(VSVM_HW_VA_BITS)

#define PACKET(what, ...)						\
	((struct vsvm_packet) {						\
		.opcode = VSVM_PACKET_##what,				\
		.length = VSVM_PACKET_BYTES,				\
		__VA_ARGS__						\
	})

/**
 * struct packet_case - a packet and what is wrong with it
 * @name: what the case is about
 * @packet: the packet
 * @error: expected
 * @address: expected
 */
struct packet_case {
	const char *name;
	struct vsvm_packet packet;
	enum vsvm_hw_error_code error;
	u64 address;
};

static const struct packet_case good_cases[] = {
	{ "nop", PACKET(NOP) },
	{ "nop, tag", PACKET(NOP, .tag = ~0ull) },
	{ "barrier", PACKET(BARRIER, .flags = VSVM_PACKET_F_BARRIER) },
	{ "store 8", PACKET(STORE, .store = { 0x1008, ~0ull, 8 }) },
	{ "store 4", PACKET(STORE, .store = { 0x1004, ~0ull, 4 }) },
	{ "store at the end", PACKET(STORE, .store = { TOP - 8, 1, 8 }) },
	{ "fill", PACKET(FILL, .fill = { 0x1001, 0x1233, 5 }) },
	{ "fill nothing", PACKET(FILL, .fill = { TOP, 0, 5 }) },
	{ "fill to the end", PACKET(FILL, .fill = { TOP - 3, 3, 5 }) },
	{ "copy", PACKET(COPY, .copy = { 0x1001, 0x2003, 0x1002 }) },
	{ "copy to behind itself", PACKET(COPY, .copy = { 0x2000, 0x1000, 0x1000 }) },
	{ "copy to before itself", PACKET(COPY, .copy = { 0x1000, 0x2000, 0x1000 }) },
	{ "copy nothing", PACKET(COPY, .copy = { 0x1000, 0x1000, 0 }) },
	{ "atomic add",
	  PACKET(ATOMIC, .atomic = { 0x1004, 1, 0, 0, VSVM_ATOMIC_ADD, 4 }) },
	{ "atomic inc",
	  PACKET(ATOMIC, .atomic = { 0x1008, 0, 0, 0x2008, VSVM_ATOMIC_INC, 8 }) },
	{ "atomic cmpxchg",
	  PACKET(ATOMIC, .atomic = { 0x1008, 1, 2, 0, VSVM_ATOMIC_CMPXCHG, 8 }) },
	{ "sum", PACKET(SUM, .sum = { 0x1004, 9, 12, 0x2000, 4 }) },
	{ "sum of one, any stride",
	  PACKET(SUM, .sum = { 0x1000, 1, TOP * 2, 0x2000, 8 }) },
	{ "sum of none", PACKET(SUM, .sum = { 0, 0, 8, 0x2000, 8 }) },
	{ "sum to the end",
	  PACKET(SUM, .sum = { TOP - 0x1000, 512, 8, 0x2000, 8 }) },
	{ "gather",
	  PACKET(GATHER, .gather = { 0x1000, 0x2000, 0x3004, 9, 8, 4 }) },
	{ "chase", PACKET(CHASE, .chase = { 0x1008, 8, 9, 0x2000, 0 }) },
	{ "chase, odd node and offset",
	  PACKET(CHASE, .chase = { 0x1001, 7, 9, 0x2000, 0 }) },
	{ "chase, sum",
	  PACKET(CHASE, .flags = VSVM_PACKET_F_CHASE_SUM,
		 .chase = { 0x1008, 8, 9, 0x2000, 16 }) },
	{ "crc", PACKET(CRC32C, .crc32c = { 0x1001, 77, 0x2004, U32_MAX }) },
	{ "fence", PACKET(FENCE, .fence = { 0x1008, ~0ull }) },
	{ "wait",
	  PACKET(WAIT, .wait = { 0x1008, 1, ~0ull, ~0ull, VSVM_COMPARE_LT }) },
	{ "spin", PACKET(SPIN, .spin = { ~0ull }) },
	{ "add", PACKET(ADD, .add = { 0x1004, 0x1004, 0x3000, 9, 4 }) },
};

static const struct packet_case bad_cases[] = {
	{ "opcode", { .opcode = 14, .length = 64 }, VSVM_HW_ERROR_BAD_OPCODE },
	{ "opcode, all bits", { .opcode = 0xffff }, VSVM_HW_ERROR_BAD_OPCODE },
	{ "length", { .length = 63 }, VSVM_HW_ERROR_BAD_PACKET },
	{ "flag", PACKET(NOP, .flags = BIT(2)), VSVM_HW_ERROR_BAD_PACKET },
	{ "flag of another opcode", PACKET(NOP, .flags = VSVM_PACKET_F_CHASE_SUM),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "store width", PACKET(STORE, .store = { 0x1000, 1, 2 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "store width, long", PACKET(STORE, .store = { 0x1000, 1, BIT_ULL(32) + 4 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "store misaligned", PACKET(STORE, .store = { 0x1004, 1, 8 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x1004 },
	{ "store beyond", PACKET(STORE, .store = { TOP, 1, 8 }),
	  VSVM_HW_ERROR_ADDRESS, TOP },
	{ "fill wraps", PACKET(FILL, .fill = { 0x1000, ~0ull, 0 }),
	  VSVM_HW_ERROR_ADDRESS, 0x1000 },
	{ "fill one too many", PACKET(FILL, .fill = { TOP - 3, 4, 0 }),
	  VSVM_HW_ERROR_ADDRESS, TOP - 3 },
	{ "fill nothing beyond", PACKET(FILL, .fill = { TOP + 1, 0, 0 }),
	  VSVM_HW_ERROR_ADDRESS, TOP + 1 },
	{ "copy to beyond", PACKET(COPY, .copy = { TOP - 1, 0x1000, 2 }),
	  VSVM_HW_ERROR_ADDRESS, TOP - 1 },
	{ "copy from beyond", PACKET(COPY, .copy = { 0x1000, TOP - 1, 2 }),
	  VSVM_HW_ERROR_ADDRESS, TOP - 1 },
	{ "copy overlaps", PACKET(COPY, .copy = { 0x1fff, 0x1000, 0x1000 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "copy onto itself", PACKET(COPY, .copy = { 0x1000, 0x1000, 1 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "atomic op", PACKET(ATOMIC, .atomic = { 0x1000, 1, 0, 0, 7, 8 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "atomic width", PACKET(ATOMIC, .atomic = { 0x1000, 1, 0, 0, 0, 0 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "atomic compare of no cmpxchg",
	  PACKET(ATOMIC, .atomic = { 0x1000, 1, 1, 0, VSVM_ATOMIC_XCHG, 8 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "atomic operand of inc",
	  PACKET(ATOMIC, .atomic = { 0x1000, 1, 0, 0, VSVM_ATOMIC_INC, 8 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "atomic misaligned", PACKET(ATOMIC, .atomic = { 0x1004, 1, 0, 0, 0, 8 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x1004 },
	{ "atomic old misaligned",
	  PACKET(ATOMIC, .atomic = { 0x1004, 1, 0, 0x2002, 0, 4 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x2002 },
	{ "atomic old beyond",
	  PACKET(ATOMIC, .atomic = { 0x1004, 1, 0, TOP, 0, 4 }),
	  VSVM_HW_ERROR_ADDRESS, TOP },
	{ "sum width", PACKET(SUM, .sum = { 0x1000, 1, 8, 0x2000, 1 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "sum stride", PACKET(SUM, .sum = { 0x1000, 1, 4, 0x2000, 8 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "sum stride misaligned", PACKET(SUM, .sum = { 0x1000, 2, 12, 0x2000, 8 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x100c },
	{ "sum result misaligned", PACKET(SUM, .sum = { 0x1000, 1, 8, 0x2004, 8 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x2004 },
	{ "sum one too many",
	  PACKET(SUM, .sum = { TOP - 0x1000, 513, 8, 0x2000, 8 }),
	  VSVM_HW_ERROR_ADDRESS, TOP - 0x1000 },
	{ "sum wraps", PACKET(SUM, .sum = { 0x1000, ~0ull, 8, 0x2000, 8 }),
	  VSVM_HW_ERROR_ADDRESS, 0x1000 },
	{ "gather width", PACKET(GATHER, .gather = { 0, 0, 0, 1, 2, 4 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "gather index width", PACKET(GATHER, .gather = { 0, 0, 0, 1, 4, 2 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "gather index misaligned",
	  PACKET(GATHER, .gather = { 0x1000, 0x2000, 0x3004, 1, 4, 8 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x3004 },
	{ "gather count",
	  PACKET(GATHER, .gather = { 0x1000, 0x2000, 0x3000, BIT_ULL(62), 4, 4 }),
	  VSVM_HW_ERROR_ADDRESS, 0x1000 },
	{ "chase value without sum", PACKET(CHASE, .chase = { 0x1000, 0, 9, 0x2000, 8 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "chase misaligned", PACKET(CHASE, .chase = { 0x1000, 4, 9, 0x2000 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x1004 },
	{ "chase result at the end",
	  PACKET(CHASE, .chase = { 0x1000, 0, 9, TOP - 16 }),
	  VSVM_HW_ERROR_ADDRESS, TOP - 16 },
	{ "crc seed", PACKET(CRC32C, .crc32c = { 0x1000, 1, 0x2000, BIT_ULL(32) }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "crc result misaligned", PACKET(CRC32C, .crc32c = { 0x1000, 1, 0x2002 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x2002 },
	{ "fence misaligned", PACKET(FENCE, .fence = { 0x1004, 1 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x1004 },
	{ "wait compare", PACKET(WAIT, .wait = { 0x1000, 1, 1, 0, 6 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "wait misaligned", PACKET(WAIT, .wait = { 0x1001, 1, 1, 0, 0 }),
	  VSVM_HW_ERROR_MISALIGNED, 0x1001 },
	{ "add width", PACKET(ADD, .add = { 0, 0, 0, 1, 16 }),
	  VSVM_HW_ERROR_BAD_PACKET },
	{ "add b beyond", PACKET(ADD, .add = { 0, 0, TOP - 8, 2, 8 }),
	  VSVM_HW_ERROR_ADDRESS, TOP - 8 },
};

static void check_case(struct kunit *test, const struct packet_case *c)
{
	u64 address = 1;

	KUNIT_EXPECT_EQ_MSG(test, vsvm_hw_packet_check(&c->packet, &address),
			    c->error, "%s", c->name);
	KUNIT_EXPECT_EQ_MSG(test, address, c->address, "%s", c->name);
}

static void packets_good(struct kunit *test)
{
	for (u32 i = 0; i < ARRAY_SIZE(good_cases); i++)
		check_case(test, &good_cases[i]);
}

static void packets_bad(struct kunit *test)
{
	for (u32 i = 0; i < ARRAY_SIZE(bad_cases); i++)
		check_case(test, &bad_cases[i]);
}

/* Every field that an opcode does not name must be zero. */
static void packets_unused(struct kunit *test)
{
	static const u8 used[VSVM_HW_OPCODES] = {
		0, 3, 3, 3, 5, 5, 5, 5, 4, 2, 0, 5, 1, 5,
	};
	u64 address;

	for (u32 i = 0; i < ARRAY_SIZE(good_cases); i++) {
		struct vsvm_packet packet = good_cases[i].packet;

		for (u32 arg = used[packet.opcode]; arg < 6; arg++) {
			packet.arg[arg] = BIT_ULL(63);
			KUNIT_EXPECT_EQ_MSG(test, VSVM_HW_ERROR_BAD_PACKET,
					    vsvm_hw_packet_check(&packet, &address),
					    "%s, arg %u", good_cases[i].name, arg);
			packet.arg[arg] = 0;
		}
	}
}

static void commands(struct kunit *test)
{
	static const struct {
		struct vsvm_hw_command command;
		enum vsvm_hw_error_code error;
	} cases[] = {
		{ { .address = 0x1040, .bytes = 64 } },
		{ { .fence_address = 0x1008 } },
		{ { .address = 0x1, .bytes = 0 } },
		{ { .address = TOP - 64, .bytes = 64 } },
		{ { .address = 0x1020, .bytes = 64 }, VSVM_HW_ERROR_MISALIGNED },
		{ { .address = 0x1040, .bytes = 96 }, VSVM_HW_ERROR_MISALIGNED },
		{ { .address = TOP - 64, .bytes = 128 }, VSVM_HW_ERROR_ADDRESS },
		{ { .address = 64, .bytes = -64ull }, VSVM_HW_ERROR_ADDRESS },
		{ { .fence_address = 0x1004 }, VSVM_HW_ERROR_MISALIGNED },
		{ { .fence_address = TOP }, VSVM_HW_ERROR_ADDRESS },
	};
	u64 address;

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, cases[i].error,
				    vsvm_hw_command_check(&cases[i].command,
							  &address),
				    "case %u", i);
}

static void compares(struct kunit *test)
{
	/* less, equal, greater */
	static const bool expected[6][3] = {
		[VSVM_COMPARE_EQ] = { false, true, false },
		[VSVM_COMPARE_NE] = { true, false, true },
		[VSVM_COMPARE_GE] = { false, true, true },
		[VSVM_COMPARE_GT] = { false, false, true },
		[VSVM_COMPARE_LE] = { true, true, false },
		[VSVM_COMPARE_LT] = { true, false, false },
	};

	for (u32 op = 0; op < ARRAY_SIZE(expected); op++) {
		for (u32 i = 0; i < 3; i++)
			KUNIT_EXPECT_EQ_MSG(test, expected[op][i],
					    vsvm_hw_compare(op, BIT_ULL(63) - 1 + i,
							    BIT_ULL(63)),
					    "op %u, case %u", op, i);
	}
}

static struct kunit_case vsvm_hw_packet_cases[] = {
	KUNIT_CASE(packets_good),
	KUNIT_CASE(packets_bad),
	KUNIT_CASE(packets_unused),
	KUNIT_CASE(commands),
	KUNIT_CASE(compares),
	{ }
};

struct kunit_suite vsvm_hw_packet_suite = {
	.name = "vsvm_hw_packet",
	.test_cases = vsvm_hw_packet_cases,
};
