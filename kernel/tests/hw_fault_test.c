// SPDX-License-Identifier: GPL-2.0-only
/* Faults: what the record says, parking, answers, and a buffer that is full. */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>

#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define A		0x10000000ull
#define ABSENT		0x30000000ull
#define ABSENT_PAGES	64

static u64 at_page(u32 page)
{
	return ABSENT + page * PAGE_SIZE;
}

static int fault_init(struct kunit *test)
{
	struct hw_fixture *f;
	int ret = hw_fixture_init(test);

	if (ret)
		return ret;
	f = test->priv;
	hw_fixture_map(f, A, 4 * PAGE_SIZE, PTE_RW);
	/* tables for the hole */
	for (u32 i = 0; i < ABSENT_PAGES; i++)
		hw_fixture_pte(f, at_page(i), 1);
	return 0;
}

static void submit(struct hw_fixture *f, struct hw_fixture_context *c,
		   struct vsvm_packet packet)
{
	KUNIT_ASSERT_EQ(f->test, 0, hw_fixture_submit(f, c, &packet, 1, 0, 0));
}

/* Wait for fault number @n. */
static struct vsvm_hw_fault *nth(struct hw_fixture *f, u32 n)
{
	hw_fixture_wait(f, f->nfaults > n);
	return &f->faults[n];
}

/* What is the same in every record of a work item. */
static void expect_record(struct hw_fixture *f, struct hw_fixture_context *c,
			  const struct vsvm_hw_fault *fault, u64 address,
			  u8 access, u8 cause)
{
	KUNIT_EXPECT_EQ(f->test, address, fault->address);
	KUNIT_EXPECT_EQ(f->test, access, fault->access);
	KUNIT_EXPECT_EQ(f->test, cause, fault->cause);
	KUNIT_EXPECT_EQ(f->test, 1, fault->level);
	KUNIT_EXPECT_EQ(f->test, FIXTURE_ASID, fault->asid);
	KUNIT_EXPECT_EQ(f->test, vsvm_hw_context_id(c->context), fault->context);
	KUNIT_EXPECT_EQ(f->test, 1, fault->engine);
	KUNIT_EXPECT_NE(f->test, 0, fault->time_ns);
}

static void fault_record(struct kunit *test)
{
	static const struct {
		struct vsvm_packet packet;
		u64 address;
		u8 access;
	} cases[] = {
		{ PACKET(COPY, .copy = { A, ABSENT + 9, 64 }), ABSENT + 9, VSVM_HW_READ },
		{ PACKET(COPY, .copy = { A, ABSENT - 9, 64 }), ABSENT, VSVM_HW_READ },
		{ PACKET(COPY, .copy = { ABSENT + 9, A, 64 }), ABSENT + 9, VSVM_HW_WRITE },
		{ PACKET(STORE, .store = { ABSENT + 8, 1, 8 }), ABSENT + 8, VSVM_HW_WRITE },
		{ PACKET(FILL, .fill = { ABSENT + 7, 1, 8 }), ABSENT + 7, VSVM_HW_WRITE },
		{ PACKET(ATOMIC, .atomic = { ABSENT + 4, 1, 0, A, 0, 4 }),
		  ABSENT + 4, VSVM_HW_ATOMIC },
		{ PACKET(ATOMIC, .atomic = { A, 1, 0, ABSENT + 4, 0, 4 }),
		  ABSENT + 4, VSVM_HW_WRITE },
		{ PACKET(SUM, .sum = { ABSENT - 8, 3, 8, A, 8 }), ABSENT, VSVM_HW_READ },
		{ PACKET(SUM, .sum = { A, 3, 8, ABSENT + 16, 8 }), ABSENT + 16,
		  VSVM_HW_WRITE },
		{ PACKET(GATHER, .gather = { A, A, ABSENT + 16, 1, 8, 8 }),
		  ABSENT + 16, VSVM_HW_READ },
		{ PACKET(CHASE, .chase = { ABSENT + 16, 8, 1, A }), 0, VSVM_HW_NONE },
		{ PACKET(CHASE, .chase = { ABSENT + 16, 8, 2, A }), ABSENT + 24,
		  VSVM_HW_READ },
		{ PACKET(CRC32C, .crc32c = { A, 5, ABSENT + 4 }), ABSENT + 4,
		  VSVM_HW_WRITE },
		{ PACKET(FENCE, .fence = { ABSENT + 8, 1 }), ABSENT + 8, VSVM_HW_WRITE },
		{ PACKET(WAIT, .wait = { ABSENT + 8, 1, 1 }), ABSENT + 8, VSVM_HW_READ },
		{ PACKET(ADD, .add = { A, A, ABSENT + 8, 1, 8 }), ABSENT + 8,
		  VSVM_HW_READ },
	};
	struct hw_fixture *f = test->priv;

	hw_fixture_map(f, ABSENT - PAGE_SIZE, PAGE_SIZE, PTE_RW);
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct hw_fixture_context *c = hw_fixture_context(f, 1);
		struct vsvm_packet packet = cases[i].packet;
		u64 at = FIXTURE_COMMANDS + f->next_command;

		packet.tag = 100 + i;
		f->nfaults = 0;
		submit(f, c, packet);
		if (cases[i].access == VSVM_HW_NONE) {
			hw_fixture_wait_done(f, c);
		} else {
			expect_record(f, c, nth(f, 0), cases[i].address,
				      cases[i].access, VSVM_HW_NOT_PRESENT);
			KUNIT_EXPECT_EQ(test, at, f->faults[0].packet);
			KUNIT_EXPECT_EQ(test, 100 + i, f->faults[0].tag);
		}
		hw_fixture_destroy(f, c);
	}
}

/* What may not be written, also where it is in the TLB for reading. */
static void fault_protection(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);
	u64 *leaf = hw_fixture_pte(f, ABSENT, 1);

	hw_fixture_map(f, ABSENT, PAGE_SIZE, PTE_RO);
	submit(f, c, PACKET(COPY, .copy = { A, ABSENT, 64 }));
	hw_fixture_wait_done(f, c);
	submit(f, c, PACKET(STORE, .store = { ABSENT + 8, 5, 8 }));
	expect_record(f, c, nth(f, 0), ABSENT + 8, VSVM_HW_WRITE, VSVM_HW_PROTECTION);
	/* a permission more needs no invalidation */
	WRITE_ONCE(*leaf, *leaf | VSVM_PTE_WRITE);
	hw_fixture_replay(f, 0);
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 5, hw_fixture_peek(f, ABSENT + 8));
	KUNIT_EXPECT_TRUE(test, *leaf & VSVM_PTE_DIRTY);
	KUNIT_EXPECT_EQ(test, 1, f->nfaults);
}

/* A command buffer may fault, and what is read then counts. */
static void fault_fetch(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);
	struct vsvm_hw_command command = {
		.address = ABSENT + PAGE_SIZE - 64,
		.bytes = 128,
		.sequence = 1,
	};
	struct vsvm_packet packets[2] = {
		PACKET(STORE, .store = { A, 11, 8 }),
		PACKET(STORE, .store = { A + 8, 12, 8 }),
	};

	c->sequence = 1;
	KUNIT_ASSERT_EQ(test, 0, vsvm_hw_context_submit(c->context, &command));
	for (u32 i = 0; i < 2; i++) {
		u64 at = ABSENT + PAGE_SIZE - 64 + i * 64;

		expect_record(f, c, nth(f, i), at, VSVM_HW_FETCH,
			      VSVM_HW_NOT_PRESENT);
		KUNIT_EXPECT_EQ(test, at, f->faults[i].packet);
		KUNIT_EXPECT_EQ(test, 0, f->faults[i].tag);
		hw_fixture_map(f, at & PAGE_MASK, PAGE_SIZE, PTE_RO);
		hw_fixture_write(f, at, &packets[i], 64);
		hw_fixture_replay(f, i);
	}
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 11, hw_fixture_peek(f, A));
	KUNIT_EXPECT_EQ(test, 12, hw_fixture_peek(f, A + 8));
}

/* A barrier waits for the fences of earlier entries too. */
static void fault_fence_barrier(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);

	KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, NULL, 0, ABSENT, 77));
	nth(f, 0);
	submit(f, c, PACKET(COPY, .flags = VSVM_PACKET_F_BARRIER,
			    .copy = { A, ABSENT, 8 }));
	msleep(20);
	hw_fixture_pump(f);
	KUNIT_EXPECT_EQ(test, 1, f->nfaults);
	hw_fixture_map(f, ABSENT, PAGE_SIZE, PTE_RW);
	hw_fixture_replay(f, 0);
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 77, hw_fixture_peek(f, A));
}

/* The fence of an entry may fault; the entry is not complete before. */
static void fault_fence(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);
	struct vsvm_packet store = PACKET(STORE, .store = { A, 1, 8 });

	KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, &store, 1, ABSENT, 77));
	submit(f, c, PACKET(STORE, .store = { A + 8, 2, 8 }));
	expect_record(f, c, nth(f, 0), ABSENT, VSVM_HW_WRITE, VSVM_HW_NOT_PRESENT);
	for (u32 i = 0; i < 1000 && hw_fixture_peek(f, A + 8) != 2; i++)
		fsleep(1000);
	KUNIT_EXPECT_EQ(test, 2, hw_fixture_peek(f, A + 8));
	hw_fixture_pump(f);
	KUNIT_EXPECT_EQ(test, 0, c->completed);
	hw_fixture_map(f, ABSENT, PAGE_SIZE, PTE_RW);
	hw_fixture_replay(f, 0);
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 77, hw_fixture_peek(f, ABSENT));
}

/* One item is parked, the others of its context and engine go on. */
static void fault_others(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);
	struct hw_fixture_context *d = hw_fixture_context(f, 1);

	submit(f, c, PACKET(STORE, .store = { ABSENT, 1, 8 }));
	nth(f, 0);
	for (u32 i = 0; i < 20; i++) {
		submit(f, d, PACKET(COPY, .copy = { A + PAGE_SIZE, A, PAGE_SIZE }));
		hw_fixture_wait_done(f, d);
	}
	submit(f, c, PACKET(STORE, .store = { A, 5, 8 }));
	for (u32 i = 0; i < 1000 && hw_fixture_peek(f, A) != 5; i++)
		fsleep(1000);
	KUNIT_EXPECT_EQ(test, 5, hw_fixture_peek(f, A));
	KUNIT_EXPECT_EQ(test, 0, c->completed);
	hw_fixture_map(f, ABSENT, PAGE_SIZE, PTE_RW);
	hw_fixture_replay(f, 0);
	hw_fixture_wait_done(f, c);
}

/* The operation comes once, however often its operands have to be fetched. */
static void fault_atomic_once(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);

	hw_fixture_poke(f, A, 100);
	submit(f, c, PACKET(ATOMIC, .atomic = { A, 1, 0, ABSENT, VSVM_ATOMIC_ADD, 8 }));
	for (u32 i = 0; i < 5; i++) {
		nth(f, i);
		KUNIT_EXPECT_EQ(test, 100, hw_fixture_peek(f, A));
		if (i == 4)
			hw_fixture_map(f, ABSENT, PAGE_SIZE, PTE_RW);
		/* answered without being served: it comes again */
		hw_fixture_replay(f, i);
	}
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 5, f->nfaults);
	KUNIT_EXPECT_EQ(test, 101, hw_fixture_peek(f, A));
	KUNIT_EXPECT_EQ(test, 100, hw_fixture_peek(f, ABSENT));
	for (u32 i = 1; i < 5; i++)
		KUNIT_EXPECT_NE(test, f->faults[i - 1].serial, f->faults[i].serial);
}

/* A buffer of one record, and 60 work items that want one. */
static void fault_full(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct vsvm_hw_config config = hw_fixture_config();
	struct hw_fixture_context *c[3];
	struct vsvm_hw_counters counters;
	struct vsvm_packet *packets;
	struct vsvm_hw_fault fault;
	u64 seen = 0;
	u32 n;

	config.fault_entries = 1;
	hw_fixture_power(f, &config);
	f->hold_faults = true;
	for (u32 i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = hw_fixture_context(f, i % 2);
	/* one store each to 60 pages, by three contexts on two engines */
	packets = kunit_kcalloc(test, 20, sizeof(*packets), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, packets);
	for (u32 i = 0; i < ARRAY_SIZE(c); i++) {
		for (n = 0; n < 20; n++) {
			u32 page = 20 * i + n;

			packets[n] = PACKET(STORE, .store = { at_page(page), page, 8 });
		}
		KUNIT_ASSERT_EQ(test, 0,
				hw_fixture_submit(f, c[i], packets, 20, 0, 0));
	}
	for (n = 0; n < 5000; n++) {
		vsvm_hw_counters(f->hw, &counters);
		if (counters.fault_buffer_full == 59)
			break;
		fsleep(1000);
	}
	KUNIT_EXPECT_EQ(test, 1, counters.faults);
	KUNIT_EXPECT_EQ(test, 59, counters.fault_buffer_full);

	for (n = 0; n < 60; n++) {
		u64 page;

		for (u32 i = 0; i < 1000 && !vsvm_hw_fault_read(f->hw, &fault, 1); i++)
			fsleep(1000);
		page = (fault.address - ABSENT) / PAGE_SIZE;
		KUNIT_ASSERT_LT(test, page, 60);
		KUNIT_EXPECT_FALSE(test, seen & BIT_ULL(page));
		seen |= BIT_ULL(page);
		hw_fixture_map(f, fault.address, PAGE_SIZE, PTE_RW);
		vsvm_hw_fault_answer(f->hw, &fault, VSVM_HW_REPLAY, 0);
	}
	for (u32 i = 0; i < ARRAY_SIZE(c); i++)
		hw_fixture_wait_done(f, c[i]);
	for (u32 page = 0; page < 60; page++)
		KUNIT_EXPECT_EQ(test, page, hw_fixture_peek(f, at_page(page)));
	KUNIT_EXPECT_EQ(test, 0, vsvm_hw_fault_read(f->hw, &fault, 1));
}

/* With the driver's own loop: the interrupts that a full buffer needs all come. */
static void fault_full_irq(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct vsvm_hw_config config = hw_fixture_config();
	struct hw_fixture_context *c;
	u32 done = 0;

	config.fault_entries = 2;
	hw_fixture_power(f, &config);
	c = hw_fixture_context(f, 0);
	for (u32 page = 0; page < 16; page++)
		submit(f, c, PACKET(STORE, .store = { at_page(page), 1, 8 }));
	while (done < 16) {
		hw_fixture_wait(f, f->nfaults > done);
		for (; done < f->nfaults; done++) {
			hw_fixture_map(f, f->faults[done].address, PAGE_SIZE, PTE_RW);
			vsvm_hw_fault_answer(f->hw, &f->faults[done],
					     VSVM_HW_REPLAY, 0);
		}
	}
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 16, f->nfaults);
}

/* Answers that are late, doubled, or about nothing at all. */
static void fault_answers(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);
	struct vsvm_hw_fault first, bad;

	submit(f, c, PACKET(STORE, .store = { ABSENT, 1, 8 }));
	first = *nth(f, 0);
	for (u32 i = 0; i < 4; i++) {
		bad = first;
		if (i == 0)
			bad.serial++;
		if (i == 1)
			bad.item++;
		if (i == 2)
			bad.item = U16_MAX;
		if (i == 3)
			bad.context += 100;
		vsvm_hw_fault_answer(f->hw, &bad, VSVM_HW_TERMINATE, i);
	}
	/* the second fault of the same item: what was right before is wrong now */
	hw_fixture_replay(f, 0);
	nth(f, 1);
	vsvm_hw_fault_answer(f->hw, &first, VSVM_HW_TERMINATE, 9);
	vsvm_hw_fault_answer(f->hw, &first, VSVM_HW_REPLAY, 0);
	msleep(20);
	hw_fixture_pump(f);
	KUNIT_EXPECT_EQ(test, 2, f->nfaults);
	hw_fixture_map(f, ABSENT, PAGE_SIZE, PTE_RW);
	hw_fixture_replay(f, 0);
	hw_fixture_replay(f, 0);
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 0, c->failed);
	/* gone on, and gone */
	vsvm_hw_fault_answer(f->hw, &f->faults[1], VSVM_HW_TERMINATE, 9);
	hw_fixture_destroy(f, c);
	vsvm_hw_fault_answer(f->hw, &f->faults[1], VSVM_HW_TERMINATE, 9);
}

static void fault_terminate(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);
	const struct vsvm_packet packets[] = {
		PACKET(SPIN, .spin = { 0 }),
		PACKET(STORE, .tag = 3, .store = { ABSENT + 8, 1, 8 }),
		PACKET(STORE, .store = { ABSENT + PAGE_SIZE, 1, 8 }),
		PACKET(BARRIER),
		PACKET(STORE, .store = { A, 9, 8 }),
	};

	KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, packets,
						   ARRAY_SIZE(packets), A + 8, 9));
	nth(f, 1);
	/* the first one counts, whatever comes after */
	vsvm_hw_fault_answer(f->hw, &f->faults[0], VSVM_HW_TERMINATE, 42);
	vsvm_hw_fault_answer(f->hw, &f->faults[1], VSVM_HW_TERMINATE, 43);
	vsvm_hw_fault_answer(f->hw, &f->faults[1], VSVM_HW_REPLAY, 0);
	hw_fixture_wait(f, c->failed);
	msleep(20);
	hw_fixture_pump(f);
	KUNIT_EXPECT_EQ(test, 1, c->failed);
	KUNIT_EXPECT_EQ(test, VSVM_HW_ERROR_TERMINATED, c->error.error);
	KUNIT_EXPECT_EQ(test, 42, c->error.code);
	KUNIT_EXPECT_EQ(test, 3, c->error.fault.tag);
	expect_record(f, c, &c->error.fault, ABSENT + 8, VSVM_HW_WRITE, 0);
	KUNIT_EXPECT_EQ(test, f->faults[0].time_ns, c->error.fault.time_ns);
	KUNIT_EXPECT_EQ(test, -EIO, hw_fixture_submit(f, c, NULL, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, hw_fixture_peek(f, A) + hw_fixture_peek(f, A + 8));
	KUNIT_EXPECT_EQ(test, 2, f->nfaults);
}

/* Of two answers that come before the engine has looked, the first one counts. */
static void fault_terminate_first(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 1);

	for (u32 i = 0; i < 2; i++)
		submit(f, c, PACKET(STORE, .store = { at_page(i), 1, 8 }));
	nth(f, 1);
	/* the engine has something else to do for a while */
	WRITE_ONCE(vsvm_hw_config(f->hw)->slice_us, 200 * USEC_PER_MSEC);
	hw_fixture_poke(f, A, A);
	submit(f, hw_fixture_context(f, 1),
	       PACKET(CHASE, .chase = { A, 0, ~0ull, A + 8 }));
	msleep(20);
	vsvm_hw_fault_answer(f->hw, &f->faults[0], VSVM_HW_TERMINATE, 42);
	vsvm_hw_fault_answer(f->hw, &f->faults[1], VSVM_HW_TERMINATE, 43);
	hw_fixture_wait(f, c->failed);
	KUNIT_EXPECT_EQ(test, 42, c->error.code);
	KUNIT_EXPECT_EQ(test, f->faults[0].address, c->error.fault.address);
}

/* A cause whose source is not empty is raised as soon as it is enabled. */
static void fault_irq_enable(struct kunit *test)
{
	struct hw_fixture *f = test->priv;

	f->hold_faults = true;
	submit(f, hw_fixture_context(f, 1), PACKET(STORE, .store = { ABSENT, 1, 8 }));
	for (int n = 1; n <= 3; n++) {
		wait_event_timeout(f->wait, atomic_read(&f->irqs) == n,
				   FIXTURE_PATIENCE);
		KUNIT_EXPECT_EQ(test, n, atomic_read(&f->irqs));
		vsvm_hw_irq_enable(f->hw, VSVM_HW_IRQ_FAULT);
	}
}

/* A context goes while its records are in the buffer and some are held. */
static void fault_destroy(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct vsvm_hw_config config = hw_fixture_config();
	struct hw_fixture_context *c, *d;

	config.fault_entries = 3;
	hw_fixture_power(f, &config);
	f->hold_faults = true;
	c = hw_fixture_context(f, 0);
	d = hw_fixture_context(f, 1);
	for (u32 i = 0; i < 6; i++) {
		submit(f, c, PACKET(STORE, .store = { ABSENT, 1, 8 }));
		submit(f, d, PACKET(STORE, .store = { ABSENT + PAGE_SIZE, 1, 8 }));
	}
	msleep(20);
	hw_fixture_destroy(f, c);
	hw_fixture_map(f, ABSENT + PAGE_SIZE, PAGE_SIZE, PTE_RW);
	f->hold_faults = false;
	for (u32 i = 0; d->completed < d->sequence && i < 12; i++) {
		hw_fixture_wait(f, f->nfaults > i || d->completed == d->sequence);
		hw_fixture_replay(f, i);
	}
	hw_fixture_wait_done(f, d);
	KUNIT_EXPECT_LE(test, f->nfaults, 6 + 3);
}

/**
 * struct server - a driver in a thread of its own
 * @f: its device
 * @task: the thread
 * @served: faults answered
 */
struct server {
	struct hw_fixture *f;
	struct task_struct *task;
	u32 served;
};

static int server_thread(void *data)
{
	struct server *server = data;
	struct hw_fixture *f = server->f;
	struct vsvm_hw_fault fault;

	/* never waits for an interrupt: it may be faster than the engine */
	while (!kthread_should_stop()) {
		while (vsvm_hw_fault_read(f->hw, &fault, 1)) {
			u64 *leaf = hw_fixture_pte(f, fault.address, 1);

			server->served++;
			WRITE_ONCE(*leaf, *leaf | VSVM_PTE_VALID);
			vsvm_hw_fault_answer(f->hw, &fault, VSVM_HW_REPLAY, 0);
		}
		cond_resched();
	}
	return 0;
}

static bool done(struct hw_fixture *f, struct hw_fixture_context *c)
{
	hw_fixture_pump(f);
	return c->completed == c->sequence;
}

/* Records are answered before the engine has done anything more. */
static void fault_early_answer(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c[4];
	struct server server = { .f = f };
	const u64 bytes = ABSENT_PAGES * PAGE_SIZE;

	f->hold_faults = true;
	hw_fixture_map(f, ABSENT, bytes, PTE_RW);
	for (u32 i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = hw_fixture_context(f, i % 2);
	server.task = kthread_run(server_thread, &server, "vsvm-hw-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(server.task));
	for (u32 round = 0; round < 40; round++) {
		for (u32 page = 0; page < ABSENT_PAGES; page++) {
			u64 at = at_page(page);
			u64 *leaf = hw_fixture_pte(f, at, 1);

			WRITE_ONCE(*leaf, *leaf & ~VSVM_PTE_VALID);
			vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, at, at + PAGE_SIZE);
		}
		for (u32 i = 0; i < ARRAY_SIZE(c); i++)
			submit(f, c[i], PACKET(FILL, .fill = { ABSENT, bytes, round }));
		/* no assertion here: the thread must not outlive the test */
		for (u32 i = 0; i < ARRAY_SIZE(c); i++) {
			if (!wait_event_timeout(f->wait, done(f, c[i]), 5 * HZ))
				KUNIT_FAIL(test, "round %u", round);
		}
	}
	kthread_stop(server.task);
	KUNIT_EXPECT_GE(test, server.served, 40 * ABSENT_PAGES);
}

static struct kunit_case vsvm_hw_fault_cases[] = {
	KUNIT_CASE(fault_record),
	KUNIT_CASE(fault_protection),
	KUNIT_CASE(fault_fetch),
	KUNIT_CASE(fault_fence),
	KUNIT_CASE(fault_fence_barrier),
	KUNIT_CASE(fault_others),
	KUNIT_CASE(fault_atomic_once),
	KUNIT_CASE(fault_full),
	KUNIT_CASE(fault_full_irq),
	KUNIT_CASE(fault_answers),
	KUNIT_CASE(fault_terminate),
	KUNIT_CASE(fault_terminate_first),
	KUNIT_CASE(fault_irq_enable),
	KUNIT_CASE(fault_destroy),
	KUNIT_CASE(fault_early_answer),
	{ }
};

struct kunit_suite vsvm_hw_fault_suite = {
	.name = "vsvm_hw_fault",
	.init = fault_init,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_fault_cases,
};
