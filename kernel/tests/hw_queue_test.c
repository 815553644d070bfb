// SPDX-License-Identifier: GPL-2.0-only
/* Contexts: order, what waits for what, time slices, and how they end. */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define A		0x10000000ull
#define B		0x20000000ull
#define ABSENT		0x30000000ull
#define BYTES		(4 * PAGE_SIZE)

#define STORE(at, what)	PACKET(STORE, .store = { at, what, 8 })
#define SPIN(ns)	PACKET(SPIN, .spin = { ns })
#define FENCE(at, what)	PACKET(FENCE, .fence = { at, what })
#define WAIT(at, what)	PACKET(WAIT, .wait = { at, what, ~0ull, 0, VSVM_COMPARE_EQ })

static int queue_init(struct kunit *test)
{
	struct hw_fixture *f;
	int ret = hw_fixture_init(test);

	if (ret)
		return ret;
	f = test->priv;
	hw_fixture_map(f, A, BYTES, PTE_RW);
	hw_fixture_map(f, B, BYTES, PTE_RW);
	/* tables for the hole */
	hw_fixture_pte(f, ABSENT, 1);
	return 0;
}

static void submit(struct hw_fixture *f, struct hw_fixture_context *c,
		   const struct vsvm_packet *packets, u32 count)
{
	KUNIT_ASSERT_EQ(f->test, 0,
			hw_fixture_submit(f, c, packets, count, 0, 0));
}

/* Wait until device memory holds a value; no event tells. */
static void wait_value(struct hw_fixture *f, u64 address, u64 value)
{
	for (u32 i = 0; i < 5000; i++) {
		if (hw_fixture_peek(f, address) == value)
			return;
		usleep_range(500, 1000);
	}
	KUNIT_FAIL(f->test, "%#llx never became %llu", address, value);
}

/* Entries complete in order, with their fences, empty ones too. */
static void queue_order(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet packets[] = {
		PACKET(COPY, .copy = { B, A, BYTES }), FENCE(A + 8, 5), STORE(A + 16, 6),
	};

	hw_fixture_poke(f, A, 4);
	for (u32 i = 1; i <= 10; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				hw_fixture_submit(f, c, packets,
						  i % 3 ? ARRAY_SIZE(packets) : 0,
						  i % 2 ? A + 24 : 0, i));
	}
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 10, c->completed);
	KUNIT_EXPECT_EQ(test, 4, hw_fixture_peek(f, B));
	KUNIT_EXPECT_EQ(test, 5, hw_fixture_peek(f, A + 8));
	KUNIT_EXPECT_EQ(test, 6, hw_fixture_peek(f, A + 16));
	KUNIT_EXPECT_EQ(test, 9, hw_fixture_peek(f, A + 24));
	KUNIT_EXPECT_NE(test, 0, c->fences);
}

/* The FIFO holds what it was made for, and takes more when it is drained. */
static void queue_full(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet wait = WAIT(A, 1);
	u32 depth = vsvm_hw_config(f->hw)->queue_depth;

	submit(f, c, &wait, 1);
	for (u32 i = 1; i < depth; i++)
		submit(f, c, NULL, 0);
	KUNIT_EXPECT_EQ(test, -ENOSPC, hw_fixture_submit(f, c, NULL, 0, 0, 0));
	hw_fixture_poke(f, A, 1);
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, depth, c->completed);
	/* who hears that all is complete finds all of the room */
	for (u32 round = 0; round < 50; round++) {
		for (u32 i = 0; i < depth; i++)
			submit(f, c, NULL, 0);
		hw_fixture_wait_done(f, c);
	}
}

/* What comes behind a packet that takes long does not wait for it, a fence does. */
static void queue_overtake(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet packets[] = {
		SPIN(50 * NSEC_PER_MSEC), STORE(A, 1), FENCE(A + 8, 1), STORE(A + 16, 1),
	};
	u64 begin = ktime_get_ns();

	submit(f, c, packets, ARRAY_SIZE(packets));
	wait_value(f, A, 1);
	wait_value(f, A + 16, 1);
	if (ktime_get_ns() - begin < 40 * NSEC_PER_MSEC)
		KUNIT_EXPECT_EQ(test, 0, hw_fixture_peek(f, A + 8));
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_GE(test, ktime_get_ns() - begin, 50 * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, 1, hw_fixture_peek(f, A + 8));
	KUNIT_EXPECT_EQ(test, 1, c->fences);
}

/* A packet with a barrier has all before it, and nothing behind it begins. */
static void queue_barrier(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	struct vsvm_packet packets[] = {
		SPIN(20 * NSEC_PER_MSEC),
		PACKET(ATOMIC, .atomic = { A, 1, 0, 0, VSVM_ATOMIC_ADD, 8 }),
		PACKET(COPY, .flags = VSVM_PACKET_F_BARRIER, .copy = { B, A, 8 }),
		PACKET(ATOMIC, .atomic = { A, 1, 0, 0, VSVM_ATOMIC_ADD, 8 }),
		PACKET(BARRIER),
		PACKET(COPY, .copy = { B + 8, A, 8 }),
	};

	for (u32 i = 0; i < 20; i++) {
		hw_fixture_poke(f, A, 10 * i);
		hw_fixture_run(f, c, packets, ARRAY_SIZE(packets));
		KUNIT_EXPECT_EQ(test, 10 * i + 1, hw_fixture_peek(f, B));
		KUNIT_EXPECT_EQ(test, 10 * i + 2, hw_fixture_peek(f, B + 8));
		packets[0].spin.duration_ns = 1;
	}
}

/* Earlier entries have written their fences when a barrier starts. */
static void queue_barrier_entries(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet barrier =
		PACKET(COPY, .flags = VSVM_PACKET_F_BARRIER, .copy = { B, A, 8 });

	for (u32 i = 1; i < 50; i++) {
		KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, NULL, 0, A, i));
		submit(f, c, &barrier, 1);
		hw_fixture_wait_done(f, c);
		KUNIT_EXPECT_EQ(test, i, hw_fixture_peek(f, B));
	}
}

/* WAIT holds what is behind it until the CPU has written. */
static void queue_wait(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet packets[] = {
		STORE(A + 8, 1),
		PACKET(WAIT, .wait = { A, 0x30, 0xf0, 0, VSVM_COMPARE_GE }),
		STORE(A + 16, 1),
	};

	submit(f, c, packets, ARRAY_SIZE(packets));
	wait_value(f, A + 8, 1);
	hw_fixture_poke(f, A, 0xf02f);
	msleep(20);
	KUNIT_EXPECT_EQ(test, 0, hw_fixture_peek(f, A + 16));
	hw_fixture_poke(f, A, 0x3f);
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 1, hw_fixture_peek(f, A + 16));
}

/* Two contexts hand a number to and fro, on the same engine and on two. */
static void queue_ping_pong(struct kunit *test)
{
	struct hw_fixture *f = test->priv;

	for (u32 engine = 0; engine < 2; engine++) {
		struct hw_fixture_context *x = hw_fixture_context(f, 0);
		struct hw_fixture_context *y = hw_fixture_context(f, engine);

		hw_fixture_poke(f, A, 0);
		for (u32 i = 0; i < 60; i += 2) {
			const struct vsvm_packet to[] = {
				WAIT(A, i), FENCE(A, i + 1),
			};
			const struct vsvm_packet fro[] = {
				WAIT(A, i + 1), FENCE(A, i + 2),
			};

			while (hw_fixture_submit(f, x, to, 2, 0, 0))
				hw_fixture_wait_done(f, x);
			while (hw_fixture_submit(f, y, fro, 2, 0, 0))
				hw_fixture_wait_done(f, y);
		}
		hw_fixture_wait_done(f, y);
		KUNIT_EXPECT_EQ(test, 60, hw_fixture_peek(f, A));
	}
}

static void queue_wait_timeout(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet packets[] = {
		PACKET(WAIT, .tag = 9,
		       .wait = { A, 1, ~0ull, 5 * NSEC_PER_MSEC, VSVM_COMPARE_EQ }),
		STORE(A + 8, 1),
	};
	u64 begin = ktime_get_ns();

	submit(f, c, packets, ARRAY_SIZE(packets));
	hw_fixture_wait(f, c->failed);
	KUNIT_EXPECT_GE(test, ktime_get_ns() - begin, 5 * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_WAIT_TIMEOUT, c->error.error);
	KUNIT_EXPECT_EQ(test, A, c->error.fault.address);
	KUNIT_EXPECT_EQ(test, 9, c->error.fault.tag);
	KUNIT_EXPECT_EQ(test, 0, hw_fixture_peek(f, A + 8));
}

/* An engine with contexts that never end still runs the others. */
static void queue_slices(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	const struct vsvm_packet spins[] = { SPIN(0), SPIN(0), STORE(A, 1) };
	const struct vsvm_packet copy = PACKET(COPY, .copy = { B, A, BYTES });
	/* a node that points to itself */
	const struct vsvm_packet chase =
		PACKET(CHASE, .chase = { A + 16, 0, ~0ull, B });
	struct hw_fixture_context *c;

	hw_fixture_poke(f, A + 16, A + 16);
	submit(f, hw_fixture_context(f, 0), spins, 3);
	submit(f, hw_fixture_context(f, 0), spins, 2);
	submit(f, hw_fixture_context(f, 0), &chase, 1);
	wait_value(f, A, 1);
	c = hw_fixture_context(f, 0);
	for (u32 i = 0; i < 10; i++)
		hw_fixture_run(f, c, &copy, 1);
}

/* Whatever a context is doing, it can be destroyed. */
static void queue_destroy(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	static const struct {
		const char *name;
		struct vsvm_packet packets[4];
		u32 count;
		u64 fence;
	} cases[] = {
		{ "idle" },
		{ "spin", { SPIN(0) }, 1 },
		{ "spins", { SPIN(0), SPIN(0), FENCE(A, 1) }, 3 },
		{ "wait", { WAIT(A + 8, 1) }, 1 },
		{ "wait and spin", { SPIN(0), WAIT(A + 8, 1), STORE(A, 1) }, 3 },
		{ "barrier", { SPIN(0), PACKET(BARRIER), STORE(A, 1) }, 3 },
		{ "chase", { PACKET(CHASE, .chase = { A + 16, 0, ~0ull, B }) }, 1 },
		{ "copy", { PACKET(COPY, .copy = { B, A, BYTES }) }, 1 },
		{ "parked", { PACKET(COPY, .copy = { ABSENT, A, BYTES }),
			      PACKET(COPY, .copy = { B, ABSENT, BYTES }),
			      STORE(ABSENT, 1), SPIN(0) }, 4 },
		{ "fence parked", { STORE(A, 1) }, 1, ABSENT },
		{ "failed", { SPIN(0), { .opcode = 99 } }, 2 },
		{ "failed, parked", { STORE(ABSENT, 1), { .opcode = 99 } }, 2 },
	};

	hw_fixture_poke(f, A + 16, A + 16);
	for (u32 round = 0; round < 8; round++) {
		for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
			struct hw_fixture_context *c = hw_fixture_context(f, i % 2);

			KUNIT_ASSERT_EQ(test, 0,
					hw_fixture_submit(f, c, cases[i].packets,
							  cases[i].count,
							  cases[i].fence, 1));
			/* the engine is sometimes well into it */
			if (round % 2)
				usleep_range(round * 100, round * 200);
			hw_fixture_destroy(f, c);
		}
	}
	hw_fixture_pump(f);
	hw_fixture_replay(f, 0);
}

/* Many at once, while others go on. */
static void queue_destroy_many(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	const struct vsvm_packet packets[] = { SPIN(0), STORE(ABSENT, 1), WAIT(A, 1) };
	struct hw_fixture_context *c[FIXTURE_CONTEXTS];

	for (u32 i = 0; i < FIXTURE_CONTEXTS; i++) {
		c[i] = hw_fixture_context(f, i % 2);
		submit(f, c[i], packets, ARRAY_SIZE(packets));
	}
	msleep(20);
	for (u32 i = 0; i < FIXTURE_CONTEXTS; i++)
		hw_fixture_destroy(f, c[i]);
}

/* When all numbers have been used they are used again, but for those in use. */
static void queue_numbers(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c[4];
	u32 first, i, k;

	c[0] = hw_fixture_context(f, 0);
	first = vsvm_hw_context_id(c[0]->context);
	f->hw->next_context = U32_MAX;
	c[1] = hw_fixture_context(f, 0);
	KUNIT_EXPECT_EQ(test, U32_MAX, vsvm_hw_context_id(c[1]->context));
	/* Right before the one that is in use, if there is room */
	f->hw->next_context = first;
	for (i = 2; i < ARRAY_SIZE(c); i++) {
		c[i] = hw_fixture_context(f, i % 2);
		for (k = 0; k < i; k++)
			KUNIT_EXPECT_NE(test, vsvm_hw_context_id(c[k]->context),
					vsvm_hw_context_id(c[i]->context));
	}
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c[i], NULL, 0, A, i + 1));
		hw_fixture_wait_done(f, c[i]);
		KUNIT_EXPECT_EQ(test, i + 1, hw_fixture_peek(f, A));
	}
}

/* News that nobody reads are merged, and nothing of them is lost. */
static void queue_news(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	struct hw_fixture_context *d = hw_fixture_context(f, 1);
	struct vsvm_hw_event event;
	bool seen[2] = { };
	u32 i;

	for (i = 1; i <= 12; i++) {
		KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, NULL, 0, A, i));
		KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, d, NULL, 0, A + 8, i));
	}
	wait_value(f, A, 12);
	wait_value(f, A + 8, 12);
	msleep(20);
	/* one interrupt: the cause was not enabled since */
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&f->irqs));
	for (i = 0; vsvm_hw_event_read(f->hw, &event); i++) {
		KUNIT_EXPECT_EQ(test, 12, event.completed);
		KUNIT_EXPECT_EQ(test, VSVM_HW_EVENT_COMPLETED | VSVM_HW_EVENT_FENCE,
				event.flags);
		seen[event.context == vsvm_hw_context_id(c->context)] = true;
	}
	KUNIT_EXPECT_EQ(test, 2, i);
	KUNIT_EXPECT_TRUE(test, seen[0] && seen[1]);
	/* nothing more is raised for what was read, and something for what is new */
	vsvm_hw_irq_enable(f->hw, VSVM_HW_IRQ_EVENT);
	msleep(20);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&f->irqs));
	KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, NULL, 0, A, i));
	hw_fixture_wait_done(f, c);
}

/* News of a context that has gone are nobody's. */
static void queue_news_destroyed(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	struct vsvm_hw_event event;

	KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, NULL, 0, A, 1));
	wait_event_timeout(f->wait, atomic_read(&f->irqs), FIXTURE_PATIENCE);
	KUNIT_ASSERT_EQ(test, 1, atomic_read(&f->irqs));
	hw_fixture_destroy(f, c);
	KUNIT_EXPECT_FALSE(test, vsvm_hw_event_read(f->hw, &event));
}

/* A cause whose source is not empty is raised as soon as it is enabled. */
static void queue_irq_enable(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);

	submit(f, c, NULL, 0);
	wait_event_timeout(f->wait, atomic_read(&f->irqs), FIXTURE_PATIENCE);
	KUNIT_ASSERT_EQ(test, 1, atomic_read(&f->irqs));
	vsvm_hw_irq_enable(f->hw, VSVM_HW_IRQ_EVENT);
	wait_event_timeout(f->wait, atomic_read(&f->irqs) == 2,
			   FIXTURE_PATIENCE);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&f->irqs));
	hw_fixture_wait_done(f, c);
}

/* The smallest device there is. */
static void queue_one_item(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct vsvm_hw_config config = hw_fixture_config();
	struct hw_fixture_context *c;
	const struct vsvm_packet packets[] = {
		STORE(A, 1), FENCE(A + 8, 2), PACKET(BARRIER), WAIT(A + 8, 2),
		PACKET(COPY, .flags = VSVM_PACKET_F_BARRIER, .copy = { B, A, BYTES }),
		SPIN(1),
	};

	config.engines = 1;
	config.items = 1;
	config.queue_depth = 1;
	config.fault_entries = 1;
	config.tlb_sets = 1;
	config.tlb_huge_sets = 1;
	config.vram_bytes = 0;
	hw_fixture_power(f, &config);
	c = hw_fixture_context(f, 0);
	for (u32 i = 0; i < 5; i++) {
		hw_fixture_poke(f, B, 0);
		KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, packets,
							   ARRAY_SIZE(packets),
							   A + 16, i));
		hw_fixture_wait_done(f, c);
		KUNIT_EXPECT_EQ(test, 1, hw_fixture_peek(f, B));
		KUNIT_EXPECT_EQ(test, i, hw_fixture_peek(f, A + 16));
	}
}

#define COUNTS	48

/* Atomics of four contexts and of the CPU, all on one word. */
static void queue_atomics(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c[4];
	atomic64_t *word = hw_fixture_at(f, A);
	struct vsvm_packet *packets;
	u32 added = 0;

	packets = kunit_kcalloc(test, COUNTS, sizeof(*packets), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, packets);
	for (u32 i = 0; i < COUNTS; i++)
		packets[i] = PACKET(ATOMIC, .atomic = { A, 1, 0, 0, VSVM_ATOMIC_ADD, 8 });
	for (u32 i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = hw_fixture_context(f, i % 2);
	for (u32 round = 0; round < 50; round++) {
		for (u32 i = 0; i < ARRAY_SIZE(c); i++) {
			while (hw_fixture_submit(f, c[i], packets, COUNTS, 0, 0))
				hw_fixture_wait_done(f, c[i]);
			atomic64_inc(word);
			added += COUNTS + 1;
		}
	}
	for (u32 i = 0; i < ARRAY_SIZE(c); i++)
		hw_fixture_wait_done(f, c[i]);
	KUNIT_EXPECT_EQ(test, added, atomic64_read(word));
}

/* A device that cannot be built is refused; what may be odd is not. */
static void queue_config_bad(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	const struct vsvm_hw_config good = hw_fixture_config();
	static struct vsvm_hw_config bad[12];
	struct vsvm_hw *hw;

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].engines = 0;
	bad[1].engines = 33;
	bad[2].fault_entries = 0;
	bad[3].fault_entries = 65537;
	bad[4].queue_depth = 0;
	bad[5].items = 0;
	bad[6].items = 65;
	bad[7].tlb_sets = 3;
	bad[8].tlb_huge_sets = 0;
	bad[9].slice_us = 0;
	bad[10].vram_bytes += PAGE_SIZE;
	bad[11].vram_bytes = -BIT_ULL(VSVM_HW_HUGE_SHIFT);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		hw = vsvm_hw_create(f->dev, &bad[i], f->hw->irq, f);
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL, PTR_ERR_OR_ZERO(hw), "case %u", i);
		if (!IS_ERR(hw))
			vsvm_hw_destroy(hw);
	}
	hw = vsvm_hw_create(f->dev, &good, f->hw->irq, f);
	KUNIT_ASSERT_EQ(test, 0, PTR_ERR_OR_ZERO(hw));
	vsvm_hw_destroy(hw);
}

static void queue_create_bad(struct kunit *test)
{
	struct hw_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR_OR_ZERO(vsvm_hw_context_create(f->hw, FIXTURE_ASID, 2)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR_OR_ZERO(vsvm_hw_context_create(f->hw, 8, 0)));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			vsvm_hw_asid_attach(f->hw, FIXTURE_ASID, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			vsvm_hw_asid_attach(f->hw, VSVM_HW_ASIDS, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, vsvm_hw_asid_attach(f->hw, 8, 8));
}

static struct kunit_case vsvm_hw_queue_cases[] = {
	KUNIT_CASE(queue_order),
	KUNIT_CASE(queue_full),
	KUNIT_CASE(queue_overtake),
	KUNIT_CASE(queue_barrier),
	KUNIT_CASE(queue_barrier_entries),
	KUNIT_CASE(queue_wait),
	KUNIT_CASE(queue_ping_pong),
	KUNIT_CASE(queue_wait_timeout),
	KUNIT_CASE(queue_slices),
	KUNIT_CASE(queue_destroy),
	KUNIT_CASE(queue_destroy_many),
	KUNIT_CASE(queue_numbers),
	KUNIT_CASE(queue_news),
	KUNIT_CASE(queue_news_destroyed),
	KUNIT_CASE(queue_irq_enable),
	KUNIT_CASE(queue_one_item),
	KUNIT_CASE(queue_atomics),
	KUNIT_CASE(queue_config_bad),
	KUNIT_CASE(queue_create_bad),
	{ }
};

struct kunit_suite vsvm_hw_queue_suite = {
	.name = "vsvm_hw_queue",
	.init = queue_init,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_queue_cases,
};
