// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidation: when it returns, nothing uses the translation any more; and
 * the paranoid knob says so when that is not true.
 */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define A		0x10000000ull
#define B		0x20000000ull
#define PAGES		8
#define WRITERS		3
#define STORM_NS	(300 * NSEC_PER_MSEC)

/**
 * struct storm - contexts that write a window for ever, and what serves them
 * @f: their device
 * @task: thread that maps pages and submits
 * @lock: guards @absent and the leaves of the window
 * @leaves: of the window, when it is mapped
 * @absent: pages that must not be mapped now
 * @command: FILLs over the window
 * @writers: the contexts
 */
struct storm {
	struct hw_fixture *f;
	struct task_struct *task;
	spinlock_t lock; /* taken for a moment by the thread and by the test */
	u64 leaves[PAGES];
	u32 absent;
	struct vsvm_hw_command command;
	struct vsvm_hw_context *writers[WRITERS];
};

/* Map the page again if it may be, and answer in any case. */
static void storm_serve(struct storm *storm, const struct vsvm_hw_fault *fault)
{
	u32 page = (fault->address - A) / PAGE_SIZE;

	spin_lock(&storm->lock);
	if (page < PAGES && !(storm->absent & BIT(page)))
		WRITE_ONCE(*hw_fixture_pte(storm->f, fault->address, 1),
			   storm->leaves[page]);
	spin_unlock(&storm->lock);
	vsvm_hw_fault_answer(storm->f->hw, fault, VSVM_HW_REPLAY, 0);
}

static int storm_thread(void *data)
{
	struct storm *storm = data;
	struct vsvm_hw *hw = storm->f->hw;
	struct vsvm_hw_fault fault;
	struct vsvm_hw_event event;

	while (!kthread_should_stop()) {
		while (vsvm_hw_fault_read(hw, &fault, 1))
			storm_serve(storm, &fault);
		while (vsvm_hw_event_read(hw, &event))
			;
		for (u32 i = 0; i < WRITERS; i++) {
			while (!vsvm_hw_context_submit(storm->writers[i],
						       &storm->command))
				storm->command.sequence++;
		}
		usleep_range(10, 50);
	}
	return 0;
}

static struct storm *storm_start(struct kunit *test)
{
	struct storm *storm = kunit_kzalloc(test, sizeof(*storm), GFP_KERNEL);
	struct hw_fixture *f = test->priv;
	struct vsvm_packet *packets;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, storm);
	packets = kunit_kcalloc(test, 32, sizeof(*packets), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, packets);
	storm->f = f;
	spin_lock_init(&storm->lock);
	hw_fixture_map(f, A, PAGES * PAGE_SIZE, PTE_RW);
	for (i = 0; i < PAGES; i++)
		storm->leaves[i] = *hw_fixture_pte(f, A + i * PAGE_SIZE, 1);
	for (i = 0; i < 32; i++)
		packets[i] = PACKET(FILL, .fill = { A, PAGES * PAGE_SIZE, i + 1 });
	storm->command.address = hw_fixture_commands(f, packets, 32);
	storm->command.bytes = 32 * sizeof(*packets);
	for (i = 0; i < WRITERS; i++)
		storm->writers[i] = hw_fixture_context(f, i % 2)->context;
	storm->task = kthread_run(storm_thread, storm, "vsvm-hw-storm");
	if (IS_ERR(storm->task))
		KUNIT_FAIL_AND_ABORT(test, "no thread");
	return storm;
}

static void storm_stop(struct storm *storm)
{
	kthread_stop(storm->task);
}

/* Take a page of the window away for a while. */
static u64 storm_take(struct storm *storm, u32 page)
{
	u64 at = A + page * PAGE_SIZE;
	u64 old;

	spin_lock(&storm->lock);
	storm->absent |= BIT(page);
	old = xchg(hw_fixture_pte(storm->f, at, 1), 0);
	spin_unlock(&storm->lock);
	vsvm_hw_tlb_invalidate(storm->f->hw, FIXTURE_ASID, at, at + PAGE_SIZE);
	return old;
}

static void storm_give_back(struct storm *storm, u32 page)
{
	spin_lock(&storm->lock);
	storm->absent &= ~BIT(page);
	spin_unlock(&storm->lock);
}

static u64 stale(struct hw_fixture *f)
{
	struct vsvm_hw_counters counters;

	vsvm_hw_counters(f->hw, &counters);
	return counters.stale_translations;
}

/* The pages that were taken away change no more. */
static void invalidate_storm(struct kunit *test)
{
	struct storm *storm = storm_start(test);
	struct hw_fixture *f = storm->f;
	u64 end = ktime_get_ns() + STORM_NS;
	struct vsvm_hw_counters counters;
	u32 written = 0;
	u32 n = 0;

	for (; ktime_get_ns() < end; n++) {
		u32 page = n * 5 % PAGES;
		u64 *data = phys_to_virt(storm->leaves[page] & VSVM_PTE_ADDR_MASK);
		u64 old = storm_take(storm, page);

		if (old & VSVM_PTE_VALID && old & VSVM_PTE_DIRTY)
			written++;
		memset(data, 0xee, PAGE_SIZE);
		if (n % 16 == 0)
			fsleep(50);
		if (memchr_inv(data, 0xee, PAGE_SIZE))
			KUNIT_FAIL(test, "written after invalidation %u", n);
		storm_give_back(storm, page);
		/* on a single CPU nobody else gets to run otherwise */
		if (n % 64 == 0)
			usleep_range(100, 200);
	}
	storm_stop(storm);
	vsvm_hw_counters(f->hw, &counters);
	KUNIT_EXPECT_EQ(test, 0, counters.stale_translations);
	KUNIT_EXPECT_EQ(test, n, counters.tlb_invalidations);
	KUNIT_EXPECT_GT(test, counters.faults, 0);
	KUNIT_EXPECT_GT(test, written, 0);
}

/* The same, with intervals that are swept, and 2 MiB at a time. */
static void invalidate_storm_wide(struct kunit *test)
{
	struct storm *storm = storm_start(test);
	struct hw_fixture *f = storm->f;
	u64 end = ktime_get_ns() + STORM_NS;
	u32 n = 0;

	for (; ktime_get_ns() < end; n++) {
		spin_lock(&storm->lock);
		storm->absent = BIT(PAGES) - 1;
		for (u32 i = 0; i < PAGES; i++)
			WRITE_ONCE(*hw_fixture_pte(f, A + i * PAGE_SIZE, 1), 0);
		spin_unlock(&storm->lock);
		vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, A,
				       n % 2 ? A + SZ_2M : ~0ull);
		for (u32 i = 0; i < PAGES; i++) {
			u64 *data = phys_to_virt(storm->leaves[i] &
						 VSVM_PTE_ADDR_MASK);

			memset(data, 0xee, PAGE_SIZE);
			if (memchr_inv(data, 0xee, PAGE_SIZE))
				KUNIT_FAIL(test, "written after invalidation %u", n);
		}
		spin_lock(&storm->lock);
		storm->absent = 0;
		spin_unlock(&storm->lock);
		usleep_range(50, 100);
	}
	storm_stop(storm);
	KUNIT_EXPECT_EQ(test, 0, stale(f));
}

/* Break the device, and see that it is found out. */
static void sabotage(struct kunit *test, u32 what)
{
	struct storm *storm = storm_start(test);
	struct hw_fixture *f = storm->f;
	u64 end = ktime_get_ns() + 20 * STORM_NS;
	u32 n;

	WRITE_ONCE(f->hw->sabotage, what);
	for (n = 0; ktime_get_ns() < end && !stale(f); n++) {
		storm_take(storm, n % PAGES);
		storm_give_back(storm, n % PAGES);
		if (n % 16 == 0)
			usleep_range(50, 100);
	}
	storm_stop(storm);
	KUNIT_EXPECT_GT(test, stale(f), 0);
}

/* An invalidation that leaves the TLB entries where they are. */
static void paranoid_finds_entries(struct kunit *test)
{
	sabotage(test, VSVM_HW_SABOTAGE_DROP);
}

/* An invalidation that does not wait for the block in flight. */
static void paranoid_finds_overtaking(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU: a block is never seen in flight");
	sabotage(test, VSVM_HW_SABOTAGE_WAIT);
}

/* No storm, no luck: one entry that should have gone, used once. */
static void paranoid_one_entry(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet store = PACKET(STORE, .store = { A, 1, 8 });

	hw_fixture_map(f, A, 2 * PAGE_SIZE, PTE_RW);
	hw_fixture_run(f, c, &store, 1);
	f->hw->sabotage = VSVM_HW_SABOTAGE_DROP;
	/* beside it, and another address space */
	vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, A + PAGE_SIZE, A + 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, vsvm_hw_asid_attach(f->hw, 8, 0));
	vsvm_hw_tlb_invalidate(f->hw, 8, A, A + PAGE_SIZE);
	vsvm_hw_asid_detach(f->hw, 8);
	hw_fixture_run(f, c, &store, 1);
	KUNIT_EXPECT_EQ(test, 0, stale(f));
	vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, A, A + PAGE_SIZE);
	hw_fixture_run(f, c, &store, 1);
	KUNIT_EXPECT_EQ(test, 1, stale(f));
	/* the same record is not reported twice for the same entry */
	hw_fixture_run(f, c, &store, 1);
	KUNIT_EXPECT_EQ(test, 1, stale(f));
}

/* A record says how many invalidations the access knew of. */
static void invalidate_generation(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet store = PACKET(STORE, .store = { A, 1, 8 });
	u64 generation;

	hw_fixture_pte(f, A, 1);
	KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, &store, 1, 0, 0));
	hw_fixture_wait(f, f->nfaults == 1);
	generation = f->faults[0].generation;
	for (u32 i = 0; i < 5; i++)
		vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, B, B + PAGE_SIZE);
	hw_fixture_replay(f, 0);
	hw_fixture_wait(f, f->nfaults == 2);
	KUNIT_EXPECT_EQ(test, generation + 5, f->faults[1].generation);
}

/* The dirty bit comes again after it was cleared and invalidated. */
static void invalidate_dirty(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet store = PACKET(STORE, .store = { A, 1, 8 });
	const struct vsvm_packet load = PACKET(COPY, .copy = { B, A, 8 });
	u64 *leaf = hw_fixture_pte(f, A, 1);

	hw_fixture_map(f, A, PAGE_SIZE, PTE_RW);
	hw_fixture_map(f, B, PAGE_SIZE, PTE_RW);
	for (u32 i = 0; i < 3; i++) {
		hw_fixture_run(f, c, &load, 1);
		KUNIT_EXPECT_FALSE(test, *leaf & VSVM_PTE_DIRTY);
		hw_fixture_run(f, c, &store, 1);
		KUNIT_EXPECT_TRUE(test, *leaf & VSVM_PTE_DIRTY);
		*leaf &= ~VSVM_PTE_DIRTY;
		vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, A, A + PAGE_SIZE);
	}
}

/* Entries of a context that has gone are not found by one that comes. */
static void invalidate_no_context(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet store = PACKET(STORE, .store = { A, 1, 8 });
	u64 *first, *second;

	hw_fixture_map(f, A, PAGE_SIZE, PTE_RW);
	first = hw_fixture_at(f, A);
	hw_fixture_run(f, c, &store, 1);
	hw_fixture_destroy(f, c);
	KUNIT_EXPECT_EQ(test, 1, *first);
	*first = 0;
	/* no engine has contexts of it: nothing is flushed now */
	hw_fixture_unmap(f, A);
	hw_fixture_map(f, A, PAGE_SIZE, PTE_RW);
	second = hw_fixture_at(f, A);
	hw_fixture_run(f, hw_fixture_context(f, 0), &store, 1);
	KUNIT_EXPECT_EQ(test, 0, *first);
	KUNIT_EXPECT_EQ(test, 1, *second);
}

/* A 4 KiB page and the 2 MiB leaf that takes its place. */
static void invalidate_size_change(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet store = PACKET(STORE, .store = { A, 7, 8 });
	void *huge = hw_fixture_alloc(f, VSVM_HW_HUGE_SHIFT - PAGE_SHIFT);
	u64 *entry = hw_fixture_pte(f, A, 2);
	u64 *small;

	hw_fixture_map(f, A, PAGE_SIZE, PTE_RW);
	small = hw_fixture_at(f, A);
	for (u32 i = 0; i < 3; i++) {
		u64 table;

		hw_fixture_run(f, c, &store, 1);
		KUNIT_EXPECT_EQ(test, 7, *small);
		*small = 0;
		table = xchg(entry, phys_to_dma(f->dev, virt_to_phys(huge)) |
				    PTE_RW | VSVM_PTE_LEAF);
		vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, A, A + SZ_2M);
		hw_fixture_run(f, c, &store, 1);
		KUNIT_EXPECT_EQ(test, 0, *small);
		KUNIT_EXPECT_EQ(test, 7, *(u64 *)huge);
		*(u64 *)huge = 0;
		WRITE_ONCE(*entry, table);
		vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, A, A + SZ_2M);
	}
}

/*
 * A level 1 table that nothing leads to any more is not looked at after any
 * invalidation that began then, of whatever interval.
 */
static void invalidate_table(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet store = PACKET(STORE, .store = { A, 7, 8 });
	const struct vsvm_packet other =
		PACKET(STORE, .store = { A + PAGE_SIZE, 7, 8 });
	u64 *entry = hw_fixture_pte(f, A, 2);
	u64 *old, *fresh;

	hw_fixture_map(f, A, 2 * PAGE_SIZE, PTE_RW);
	old = hw_fixture_at(f, A + PAGE_SIZE);
	hw_fixture_run(f, c, &store, 1);

	*entry = 0;
	hw_fixture_map(f, A, 2 * PAGE_SIZE, PTE_RW);
	fresh = hw_fixture_at(f, A + PAGE_SIZE);
	vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, B, B + PAGE_SIZE);
	/* a page that is in no TLB: the old table would lead to the old one */
	hw_fixture_run(f, c, &other, 1);
	KUNIT_EXPECT_EQ(test, 0, *old);
	KUNIT_EXPECT_EQ(test, 7, *fresh);
}

/*
 * A leaf that becomes valid needs no invalidation, and makes no fault: not
 * either when it takes the place of a table that the device remembers.
 */
static void invalidate_not_needed(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const struct vsvm_packet known = PACKET(STORE, .store = { A, 7, 8 });
	const struct vsvm_packet store = PACKET(STORE, .store = { A + SZ_1M, 7, 8 });
	void *huge = hw_fixture_alloc(f, VSVM_HW_HUGE_SHIFT - PAGE_SHIFT);
	u64 *entry = hw_fixture_pte(f, A, 2);

	hw_fixture_map(f, A, PAGE_SIZE, PTE_RW);
	hw_fixture_run(f, c, &known, 1);
	KUNIT_ASSERT_EQ(test, 0, hw_fixture_submit(f, c, &store, 1, 0, 0));
	hw_fixture_wait(f, f->nfaults == 1);
	KUNIT_EXPECT_EQ(test, 1, f->faults[0].level);
	WRITE_ONCE(*hw_fixture_pte(f, A, 1), 0);
	WRITE_ONCE(*entry, phys_to_dma(f->dev, virt_to_phys(huge)) | PTE_RW |
			   VSVM_PTE_LEAF);
	hw_fixture_replay(f, 0);
	hw_fixture_wait_done(f, c);
	KUNIT_EXPECT_EQ(test, 1, f->nfaults);
	KUNIT_EXPECT_EQ(test, 7, *(u64 *)(huge + SZ_1M));
}

/* What is read ahead of a stream is as clean as it was, and can be taken away. */
static void invalidate_read_ahead(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const u32 pages = 32;

	hw_fixture_map(f, A, pages * PAGE_SIZE, PTE_RW);
	hw_fixture_map(f, B, pages * PAGE_SIZE, PTE_RW);
	for (u32 n = 2; n <= pages; n++) {
		const struct vsvm_packet packets[] = {
			PACKET(COPY, .copy = { B, A, n * PAGE_SIZE }),
			PACKET(FILL, .flags = VSVM_PACKET_F_BARRIER,
			       .fill = { A, n * PAGE_SIZE, n }),
		};

		hw_fixture_run(f, c, packets, 2);
		for (u32 i = 0; i < pages; i++) {
			u64 at = A + i * PAGE_SIZE;
			u64 *leaf = hw_fixture_pte(f, at, 1);

			KUNIT_EXPECT_EQ_MSG(test, i < n, !!(*leaf & VSVM_PTE_DIRTY),
					    "page %u of %u", i, n);
			*leaf &= ~VSVM_PTE_DIRTY;
			KUNIT_EXPECT_EQ(test, i < n ? n : 0, hw_fixture_peek(f, at));
			if (i >= n)
				continue;
			hw_fixture_unmap(f, at);
			hw_fixture_map(f, at, PAGE_SIZE, PTE_RW);
		}
	}
}

/* Reading ahead ends where the table does, whatever lies behind it. */
static void read_ahead_ends(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	const u64 at = A + SZ_2M - 4 * PAGE_SIZE;
	const struct vsvm_packet sum =
		PACKET(SUM, .sum = { at, 8, PAGE_SIZE, B, 8 });
	u64 *tables = hw_fixture_alloc(f, 1);
	u64 *wrong = hw_fixture_alloc(f, 0);

	*hw_fixture_pte(f, A, 2) = phys_to_dma(f->dev, virt_to_phys(tables)) |
				   VSVM_PTE_VALID;
	for (u32 i = 0; i < VSVM_HW_TABLE_ENTRIES; i++)
		tables[VSVM_HW_TABLE_ENTRIES + i] =
			phys_to_dma(f->dev, virt_to_phys(wrong)) | PTE_RO;
	*wrong = 1000;
	hw_fixture_map(f, at, 8 * PAGE_SIZE, PTE_RO);
	hw_fixture_map(f, B, PAGE_SIZE, PTE_RW);
	for (u32 i = 0; i < 8; i++)
		*(u64 *)hw_fixture_at(f, at + i * PAGE_SIZE) = i;
	for (u32 i = 0; i < 3; i++) {
		hw_fixture_run(f, c, &sum, 1);
		KUNIT_EXPECT_EQ(test, 28, hw_fixture_peek(f, B));
		vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, at, at + SZ_2M);
	}
}

static void invalidate_delay(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 begin;

	WRITE_ONCE(vsvm_hw_config(f->hw)->tlb_delay_us, 3000);
	begin = ktime_get_ns();
	vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, A, A + PAGE_SIZE);
	KUNIT_EXPECT_GE(test, ktime_get_ns() - begin, 3 * NSEC_PER_MSEC);
	WRITE_ONCE(vsvm_hw_config(f->hw)->tlb_delay_us, 0);
}

static struct kunit_case vsvm_hw_invalidate_cases[] = {
	KUNIT_CASE(invalidate_storm),
	KUNIT_CASE(invalidate_storm_wide),
	KUNIT_CASE(paranoid_finds_entries),
	KUNIT_CASE(paranoid_finds_overtaking),
	KUNIT_CASE(paranoid_one_entry),
	KUNIT_CASE(invalidate_generation),
	KUNIT_CASE(invalidate_dirty),
	KUNIT_CASE(invalidate_no_context),
	KUNIT_CASE(invalidate_size_change),
	KUNIT_CASE(invalidate_table),
	KUNIT_CASE(invalidate_not_needed),
	KUNIT_CASE(invalidate_read_ahead),
	KUNIT_CASE(read_ahead_ends),
	KUNIT_CASE(invalidate_delay),
	{ }
};

struct kunit_suite vsvm_hw_invalidate_suite = {
	.name = "vsvm_hw_invalidate",
	.init = hw_fixture_init,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_invalidate_cases,
};
