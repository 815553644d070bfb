// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each packet does, against a plain reference: with everything mapped, and
 * with next to nothing.
 */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define A		0x10000000ull
#define B		0x20000000ull
#define C		0x30000000ull
#define RESULT		0x40000000ull
#define BYTES		(6 * PAGE_SIZE)

/**
 * struct ops - a fixture with operands
 * @f: it
 * @c: a context
 * @rnd: for contents
 * @a: scratch of BYTES
 * @b: scratch of BYTES
 * @c_: scratch of BYTES
 */
struct ops {
	struct hw_fixture *f;
	struct hw_fixture_context *c;
	struct rnd_state rnd;
	u8 *a, *b, *c_;
};

static struct ops *ops_create(struct kunit *test)
{
	struct ops *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, o);
	o->f = test->priv;
	o->c = hw_fixture_context(o->f, 0);
	o->a = kunit_kzalloc(test, BYTES, GFP_KERNEL);
	o->b = kunit_kzalloc(test, BYTES, GFP_KERNEL);
	o->c_ = kunit_kzalloc(test, BYTES, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, o->a && o->b && o->c_);
	prandom_seed_state(&o->rnd, 4711);
	prandom_bytes_state(&o->rnd, o->a, BYTES);
	prandom_bytes_state(&o->rnd, o->b, BYTES);
	hw_fixture_map(o->f, A, BYTES, PTE_RW);
	hw_fixture_map(o->f, B, BYTES, PTE_RW);
	hw_fixture_map(o->f, C, BYTES, PTE_RW);
	hw_fixture_map(o->f, RESULT, PAGE_SIZE, PTE_RW);
	hw_fixture_write(o->f, A, o->a, BYTES);
	hw_fixture_write(o->f, B, o->b, BYTES);
	return o;
}

static void run(struct ops *o, struct vsvm_packet packet)
{
	hw_fixture_run(o->f, o->c, &packet, 1);
}

/* Run a packet that ends the context in error. */
static const struct vsvm_hw_error *run_bad(struct ops *o,
					   struct vsvm_packet packet)
{
	struct hw_fixture *f = o->f;

	o->c = hw_fixture_context(f, 1);
	KUNIT_ASSERT_EQ(f->test, 0, hw_fixture_submit(f, o->c, &packet, 1, 0, 0));
	hw_fixture_wait(f, o->c->failed);
	KUNIT_EXPECT_EQ(f->test, 0, o->c->completed);
	return &o->c->error;
}

static u32 below(struct ops *o, u32 limit)
{
	return prandom_u32_state(&o->rnd) % limit;
}

/* Does device memory at @address look like @expected? */
static void expect_bytes(struct ops *o, u64 address, const u8 *expected)
{
	hw_fixture_read(o->f, address, o->c_, BYTES);
	KUNIT_EXPECT_MEMEQ(o->f->test, o->c_, expected, BYTES);
}

static void op_store(struct kunit *test)
{
	struct ops *o = ops_create(test);

	run(o, PACKET(STORE, .store = { A + 8, 0x1122334455667788, 8 }));
	KUNIT_EXPECT_EQ(test, 0x1122334455667788ull, hw_fixture_peek(o->f, A + 8));
	run(o, PACKET(STORE, .store = { A + 12, 0xffffffff99aabbcc, 4 }));
	KUNIT_EXPECT_EQ(test, 0x99aabbcc55667788ull, hw_fixture_peek(o->f, A + 8));
	run(o, PACKET(STORE, .store = { A + PAGE_SIZE - 4, 1, 4 }));
	KUNIT_EXPECT_EQ(test, 1, hw_fixture_peek(o->f, A + PAGE_SIZE - 8) >> 32);
}

static void op_fill(struct kunit *test)
{
	struct ops *o = ops_create(test);
	const u64 pattern = 0x0807060504030201;

	for (u32 i = 0; i < 60; i++) {
		u32 start = below(o, 40);
		u32 bytes = i < 30 ? i : below(o, BYTES - 40);

		if (i % 3)
			start += PAGE_SIZE - 20;
		if (start + bytes > BYTES)
			bytes = BYTES - start;
		for (u32 n = 0; n < bytes; n++)
			o->a[start + n] = n % 8 + 1;
		run(o, PACKET(FILL, .fill = { A + start, bytes, pattern }));
		expect_bytes(o, A, o->a);
	}
}

static void op_copy(struct kunit *test)
{
	struct ops *o = ops_create(test);

	for (u32 i = 0; i < 60; i++) {
		u32 src = below(o, BYTES);
		u32 dst = i % 4 ? below(o, BYTES) : src;
		u32 bytes = below(o, BYTES - max(src, dst) + 1);

		memcpy(o->b + dst, o->a + src, bytes);
		run(o, PACKET(COPY, .copy = { B + dst, A + src, bytes }));
		expect_bytes(o, B, o->b);
	}
	expect_bytes(o, A, o->a);
}

/* Through a 2 MiB leaf, out of device memory and into it. */
static void op_copy_huge(struct kunit *test)
{
	struct ops *o = ops_create(test);
	const u64 vram = 0x80000000ull;
	const u64 at = vram + SZ_1M - 100;

	*hw_fixture_pte(o->f, vram, 2) = PTE_RW | VSVM_PTE_LEAF | VSVM_PTE_VRAM |
					 SZ_2M;
	run(o, PACKET(COPY, .copy = { at, A + 1, BYTES - 8 }));
	run(o, PACKET(COPY, .copy = { B + 1, at, BYTES - 8 }));
	memcpy(o->b + 1, o->a + 1, BYTES - 8);
	expect_bytes(o, B, o->b);
	KUNIT_EXPECT_MEMEQ(test, o->a + 1 + 100,
			   page_address(vsvm_hw_vram_page(o->f->hw, SZ_2M + SZ_1M)),
			   PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, *hw_fixture_pte(o->f, vram, 2) & VSVM_PTE_DIRTY);
}

static void op_atomic(struct kunit *test)
{
	static const struct {
		u32 op;
		u64 before, operand, compare, after;
	} cases[] = {
		{ VSVM_ATOMIC_ADD, 0xfffffffffffffffe, 3, 0, 1 },
		{ VSVM_ATOMIC_ADD, 5, -7ull, 0, -2ull },
		{ VSVM_ATOMIC_INC, 0x7fffffffffffffff, 0, 0, 0x8000000000000000 },
		{ VSVM_ATOMIC_AND, 0xff00ff00ff00ff00, 0x0ff00ff00ff00ff0, 0,
		  0x0f000f000f000f00 },
		{ VSVM_ATOMIC_OR, 0xf0f0, 0xff, 0, 0xf0ff },
		{ VSVM_ATOMIC_XOR, 0xf0f0, 0xff, 0, 0xf00f },
		{ VSVM_ATOMIC_XCHG, 1, 0x123456789abcdef0, 0, 0x123456789abcdef0 },
		{ VSVM_ATOMIC_CMPXCHG, 11, 22, 11, 22 },
		{ VSVM_ATOMIC_CMPXCHG, 11, 22, 12, 11 },
	};
	struct ops *o = ops_create(test);
	const u64 guard = 0xa5a5a5a500000000;

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		const u64 before = cases[i].before;
		struct vsvm_packet packet = PACKET(ATOMIC);

		packet.atomic.address = A;
		packet.atomic.operand = cases[i].operand;
		packet.atomic.compare = cases[i].compare;
		packet.atomic.op = cases[i].op;
		packet.atomic.width = 8;
		if (i % 2)
			packet.atomic.old = RESULT;
		hw_fixture_poke(o->f, A, before);
		hw_fixture_poke(o->f, RESULT, guard);
		run(o, packet);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].after, hw_fixture_peek(o->f, A),
				    "case %u", i);
		KUNIT_EXPECT_EQ(test, hw_fixture_peek(o->f, RESULT),
				(i % 2) ? before : guard);

		/* 4 bytes at an odd place of 4, nothing beside it changes */
		packet.atomic.address = A + 4;
		packet.atomic.old = RESULT;
		packet.atomic.width = 4;
		hw_fixture_poke(o->f, A, guard >> 32 | before << 32);
		hw_fixture_poke(o->f, RESULT, guard);
		run(o, packet);
		KUNIT_EXPECT_EQ_MSG(test, guard >> 32 | cases[i].after << 32,
				    hw_fixture_peek(o->f, A), "case %u", i);
		KUNIT_EXPECT_EQ(test, guard | (u32)before,
				hw_fixture_peek(o->f, RESULT));
	}
}

static void op_sum(struct kunit *test)
{
	static const struct {
		u32 offset, stride, width;
	} cases[] = {
		{ 0, 4, 4 }, { 4, 4, 4 }, { 8, 8, 8 }, { 4, 12, 4 },
		{ 16, 24, 8 }, { PAGE_SIZE - 8, PAGE_SIZE, 8 },
		{ PAGE_SIZE - 4, PAGE_SIZE + 4, 4 }, { 0, 2 * PAGE_SIZE - 8, 8 },
	};
	struct ops *o = ops_create(test);

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		u32 most = (BYTES - cases[i].offset - cases[i].width) /
			   cases[i].stride + 1;
		struct vsvm_packet packet = PACKET(SUM);
		u64 sum = 0;

		for (u32 n = 0; n < most; n++) {
			u8 *at = o->a + cases[i].offset + n * cases[i].stride;

			if (cases[i].width == 8)
				sum += *(u64 *)at;
			else
				sum += *(u32 *)at;
		}
		packet.sum.src = A + cases[i].offset;
		packet.sum.count = most;
		packet.sum.stride = cases[i].stride;
		packet.sum.result = RESULT;
		packet.sum.width = cases[i].width;
		run(o, packet);
		KUNIT_EXPECT_EQ_MSG(test, sum, hw_fixture_peek(o->f, RESULT),
				    "case %u", i);
	}
	run(o, PACKET(SUM, .sum = { A, 0, 8, RESULT, 8 }));
	KUNIT_EXPECT_EQ(test, 0, hw_fixture_peek(o->f, RESULT));
}

/* One page seen many times over, by way of a stride that repeats it. */
static void op_sum_many(struct kunit *test)
{
	struct ops *o = ops_create(test);
	const u64 base = 0x9000000000ull;
	void *page = hw_fixture_alloc(o->f, 0);

	for (u32 i = 0; i < 300; i++)
		hw_fixture_map_page(o->f, base + i * PAGE_SIZE, page, PTE_RO);
	*(u64 *)(page + 8) = 3;
	run(o, PACKET(SUM, .sum = { base + 8, 300, PAGE_SIZE, RESULT, 8 }));
	KUNIT_EXPECT_EQ(test, 900, hw_fixture_peek(o->f, RESULT));
}

static void op_add(struct kunit *test)
{
	static const struct {
		u32 dst, a, b, width;
	} cases[] = {
		{ 0, 0, 0, 4 }, { 0, 0, 0, 8 }, { 4, 8, 12, 4 }, { 8, 0, 16, 8 },
		{ PAGE_SIZE - 4, PAGE_SIZE + 4, 0, 4 },
	};
	struct ops *o = ops_create(test);
	u8 *dst = kunit_kzalloc(test, BYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dst);
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		u32 most = BYTES - max3(cases[i].dst, cases[i].a, cases[i].b);
		u32 count = most / cases[i].width;
		struct vsvm_packet packet = PACKET(ADD);

		for (u32 n = 0; n < count; n++) {
			u8 *to = dst + cases[i].dst + n * cases[i].width;
			u8 *a = o->a + cases[i].a + n * cases[i].width;
			u8 *b = o->b + cases[i].b + n * cases[i].width;

			if (cases[i].width == 8)
				*(u64 *)to = *(u64 *)a + *(u64 *)b;
			else
				*(u32 *)to = *(u32 *)a + *(u32 *)b;
		}
		packet.add.dst = C + cases[i].dst;
		packet.add.a = A + cases[i].a;
		packet.add.b = B + cases[i].b;
		packet.add.count = count;
		packet.add.width = cases[i].width;
		run(o, packet);
		expect_bytes(o, C, dst);
	}
	/* in place, and none at all */
	run(o, PACKET(ADD, .add = { A, A, A, BYTES / 8, 8 }));
	KUNIT_EXPECT_EQ(test, 2 * *(u64 *)o->a, hw_fixture_peek(o->f, A));
	run(o, PACKET(ADD, .add = { A, A, A, 0, 8 }));
	KUNIT_EXPECT_EQ(test, 2 * *(u64 *)o->a, hw_fixture_peek(o->f, A));
}

static void gather_case(struct ops *o, u32 width, u32 index_width)
{
	/* a paged one takes three faults for each */
	const u32 count = (o->f->paged ? BYTES / 64 : BYTES / 8) - 3;
	struct vsvm_packet packet = PACKET(GATHER);
	u8 *expected = o->b;

	memset(expected, 0, BYTES);
	hw_fixture_write(o->f, C, expected, BYTES);
	for (u32 i = 0; i < count; i++) {
		u64 index = below(o, BYTES / width);

		hw_fixture_write(o->f, B + 8 + i * index_width, &index,
				 index_width);
		memcpy(expected + width + i * width, o->a + index * width, width);
	}
	packet.gather.dst = C + width;
	packet.gather.src = A;
	packet.gather.index = B + 8;
	packet.gather.count = count;
	packet.gather.width = width;
	packet.gather.index_width = index_width;
	run(o, packet);
	expect_bytes(o, C, expected);
}

static void op_gather(struct kunit *test)
{
	struct ops *o = ops_create(test);

	gather_case(o, 4, 4);
	gather_case(o, 4, 8);
	gather_case(o, 8, 4);
	gather_case(o, 8, 8);
	run(o, PACKET(GATHER, .gather = { C, A, B, 0, 8, 8 }));
}

/* An index that leads out of the address space, after some that do not. */
static void op_gather_bad(struct kunit *test)
{
	static const u64 bad[] = { BIT_ULL(45), BIT_ULL(61), ~0ull };
	struct ops *o = ops_create(test);

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct vsvm_hw_error *error;

		hw_fixture_poke(o->f, B, 0);
		hw_fixture_poke(o->f, B + 8, bad[i]);
		hw_fixture_poke(o->f, C, 0);
		error = run_bad(o, PACKET(GATHER, .gather = { C, A, B, 9, 8, 8 }));
		KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_ADDRESS, error->error);
		KUNIT_EXPECT_EQ(test, A + bad[i] * 8, error->fault.address);
		KUNIT_EXPECT_EQ(test, *(u64 *)o->a, hw_fixture_peek(o->f, C));
	}
}

#define CHAIN	700
#define NODE(i)	(A + ((i) * 37 % CHAIN) * 32)

/* A chain through all of the pages, with a value in each node. */
static void make_chain(struct ops *o)
{
	BUILD_BUG_ON(CHAIN * 32 > BYTES);
	for (u32 i = 0; i < CHAIN; i++) {
		hw_fixture_poke(o->f, NODE(i) + 8,
				i + 1 < CHAIN ? NODE(i + 1) : 0);
		hw_fixture_poke(o->f, NODE(i) + 24, i);
	}
}

static void expect_chase(struct ops *o, u64 last, u64 nodes, u64 sum)
{
	KUNIT_EXPECT_EQ(o->f->test, last, hw_fixture_peek(o->f, RESULT));
	KUNIT_EXPECT_EQ(o->f->test, nodes, hw_fixture_peek(o->f, RESULT + 8));
	KUNIT_EXPECT_EQ(o->f->test, sum, hw_fixture_peek(o->f, RESULT + 16));
}

static void op_chase(struct kunit *test)
{
	struct ops *o = ops_create(test);

	make_chain(o);
	run(o, PACKET(CHASE, .flags = VSVM_PACKET_F_CHASE_SUM,
		      .chase = { NODE(0), 8, ~0ull, RESULT, 24 }));
	expect_chase(o, NODE(CHAIN - 1), CHAIN, CHAIN * (CHAIN - 1) / 2);
	run(o, PACKET(CHASE, .flags = VSVM_PACKET_F_CHASE_SUM,
		      .chase = { NODE(0), 8, 100, RESULT, 24 }));
	expect_chase(o, NODE(99), 100, 100 * 99 / 2);
	run(o, PACKET(CHASE, .chase = { NODE(5), 8, ~0ull, RESULT }));
	expect_chase(o, NODE(CHAIN - 1), CHAIN - 5, 0);
	run(o, PACKET(CHASE, .chase = { NODE(5), 8, 1, RESULT }));
	expect_chase(o, NODE(5), 1, 0);
	run(o, PACKET(CHASE, .chase = { NODE(5), 8, 0, RESULT }));
	expect_chase(o, 0, 0, 0);
	run(o, PACKET(CHASE, .chase = { 0, 8, 9, RESULT }));
	expect_chase(o, 0, 0, 0);
}

static void op_chase_bad(struct kunit *test)
{
	struct ops *o = ops_create(test);
	const struct vsvm_hw_error *error;
	const struct vsvm_packet packet =
		PACKET(CHASE, .chase = { A, 8, ~0ull, RESULT });

	hw_fixture_poke(o->f, A + 8, A + 36);
	error = run_bad(o, packet);
	KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_MISALIGNED, error->error);
	KUNIT_EXPECT_EQ(test, A + 44, error->fault.address);
	hw_fixture_poke(o->f, A + 8, ~7ull);
	error = run_bad(o, packet);
	KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_ADDRESS, error->error);
	hw_fixture_poke(o->f, A + 8, BIT_ULL(VSVM_HW_VA_BITS) - 8);
	error = run_bad(o, packet);
	KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_ADDRESS, error->error);
	KUNIT_EXPECT_EQ(test, BIT_ULL(VSVM_HW_VA_BITS), error->fault.address);
}

static void op_crc32c(struct kunit *test)
{
	struct ops *o = ops_create(test);
	const u64 from = B + 3, bytes = BYTES - 3;
	const u32 cut = PAGE_SIZE + 123;
	u64 whole, part;

	/* the check value of the polynomial */
	hw_fixture_write(o->f, A + PAGE_SIZE - 4, "123456789", 9);
	hw_fixture_poke(o->f, RESULT, ~0ull);
	run(o, PACKET(CRC32C, .crc32c = { A + PAGE_SIZE - 4, 9, RESULT, 0 }));
	KUNIT_EXPECT_EQ(test, 0xffffffffe3069283ull,
			hw_fixture_peek(o->f, RESULT));
	run(o, PACKET(CRC32C, .crc32c = { A, 0, RESULT, 0 }));
	KUNIT_EXPECT_EQ(test, 0, (u32)hw_fixture_peek(o->f, RESULT));

	run(o, PACKET(CRC32C, .crc32c = { from, bytes, RESULT, 0 }));
	whole = (u32)hw_fixture_peek(o->f, RESULT);
	run(o, PACKET(CRC32C, .crc32c = { from, cut, RESULT, 0 }));
	part = (u32)hw_fixture_peek(o->f, RESULT);
	run(o, PACKET(CRC32C, .crc32c = { from + cut, bytes - cut, RESULT, part }));
	KUNIT_EXPECT_EQ(test, whole, (u32)hw_fixture_peek(o->f, RESULT));
}

/* What the record of a bad packet says. */
static void bad_packet(struct kunit *test)
{
	struct ops *o = ops_create(test);
	const struct vsvm_hw_error *error;
	u64 packet = o->f->next_command + FIXTURE_COMMANDS;

	error = run_bad(o, PACKET(STORE, .tag = 77, .store = { A + 2, 1, 4 }));
	KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_MISALIGNED, error->error);
	KUNIT_EXPECT_EQ(test, 0, error->code);
	KUNIT_EXPECT_EQ(test, A + 2, error->fault.address);
	KUNIT_EXPECT_EQ(test, packet, error->fault.packet);
	KUNIT_EXPECT_EQ(test, 77, error->fault.tag);
	KUNIT_EXPECT_EQ(test, FIXTURE_ASID, error->fault.asid);
	KUNIT_EXPECT_EQ(test, vsvm_hw_context_id(o->c->context),
			error->fault.context);
	KUNIT_EXPECT_EQ(test, 1, error->fault.engine);
	KUNIT_EXPECT_EQ(test, VSVM_HW_NONE, error->fault.access);
	KUNIT_EXPECT_NE(test, 0, error->fault.time_ns);
	KUNIT_EXPECT_EQ(test, -EIO,
			hw_fixture_submit(o->f, o->c, NULL, 0, 0, 0));
}

/* A reserved bit in a leaf ends the context that comes across it, at its level. */
static void bad_leaf(struct kunit *test)
{
	struct ops *o = ops_create(test);
	const struct vsvm_hw_error *error;

	*hw_fixture_pte(o->f, A + PAGE_SIZE, 1) |= BIT_ULL(60);
	error = run_bad(o, PACKET(COPY, .copy = { B, A, BYTES }));
	KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_RESERVED, error->error);
	KUNIT_EXPECT_EQ(test, A + PAGE_SIZE, error->fault.address);
	KUNIT_EXPECT_EQ(test, VSVM_HW_READ, error->fault.access);
	KUNIT_EXPECT_EQ(test, 1, error->fault.level);
}

static struct kunit_case vsvm_hw_ops_cases[] = {
	KUNIT_CASE(op_store),
	KUNIT_CASE(op_fill),
	KUNIT_CASE(op_copy),
	KUNIT_CASE(op_copy_huge),
	KUNIT_CASE(op_atomic),
	KUNIT_CASE(op_sum),
	KUNIT_CASE(op_sum_many),
	KUNIT_CASE(op_add),
	KUNIT_CASE(op_gather),
	KUNIT_CASE(op_gather_bad),
	KUNIT_CASE(op_chase),
	KUNIT_CASE(op_chase_bad),
	KUNIT_CASE(op_crc32c),
	KUNIT_CASE(bad_packet),
	KUNIT_CASE(bad_leaf),
	{ }
};

/* all but those that change leaves themselves */
static struct kunit_case vsvm_hw_ops_paged_cases[] = {
	KUNIT_CASE(op_store),
	KUNIT_CASE(op_fill),
	KUNIT_CASE(op_copy),
	KUNIT_CASE(op_copy_huge),
	KUNIT_CASE(op_atomic),
	KUNIT_CASE(op_sum),
	KUNIT_CASE(op_sum_many),
	KUNIT_CASE(op_add),
	KUNIT_CASE(op_gather),
	KUNIT_CASE(op_gather_bad),
	KUNIT_CASE(op_chase),
	KUNIT_CASE(op_chase_bad),
	KUNIT_CASE(op_crc32c),
	{ }
};

struct kunit_suite vsvm_hw_ops_suite = {
	.name = "vsvm_hw_ops",
	.init = hw_fixture_init,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_ops_cases,
};

struct kunit_suite vsvm_hw_ops_paged_suite = {
	.name = "vsvm_hw_ops_paged",
	.init = hw_fixture_init_paged,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_ops_paged_cases,
};
