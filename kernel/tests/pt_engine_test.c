// SPDX-License-Identifier: GPL-2.0-only
/*
 * An engine at work on the page table.  It keeps translations of what it has
 * used: what was taken away has to be gone from there too when a call returns.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/mm.h>

#include "tests/pt_fixture.h"

/* In the last block: packets, and somewhere to copy to */
#define COMMANDS	(PT_PAGES - 1)
#define SCRATCH		(PT_PAGES - 2)
#define OFFSET		0x128

/**
 * struct engine_test - a context of an engine
 * @f: its page table
 * @context: the context
 * @sequence: of the last command
 * @fault: the last one
 */
struct engine_test {
	struct pt_fixture *f;
	struct vsvm_hw_context *context;
	u64 sequence;
	struct vsvm_hw_fault fault;
};

static void engine_end(void *arg)
{
	struct engine_test *e = arg;

	if (e->context)
		vsvm_hw_context_destroy(e->context);
	e->context = NULL;
}

static struct engine_test *engine_begin(struct kunit *test)
{
	struct pt_fixture *f = test->priv;
	struct engine_test *e = kunit_kzalloc(test, sizeof(*e), GFP_KERNEL);
	struct vsvm_hw_context *context;

	KUNIT_ASSERT_NOT_NULL(test, e);
	KUNIT_ASSERT_EQ(test, 2, pt_map(f, SCRATCH, 2, true));
	context = vsvm_hw_context_create(f->hw, PT_ASID, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, context);
	e->f = f;
	e->context = context;
	f->engine_end = engine_end;
	f->engine = e;
	return e;
}

/* Wait for the packet: 0, or -EFAULT and its fault, which is not answered yet */
static int engine_wait(struct engine_test *e)
{
	struct vsvm_hw_event event;
	unsigned int i;

	for (i = 0; i < 10000; i++) {
		while (vsvm_hw_event_read(e->f->hw, &event)) {
			KUNIT_EXPECT_FALSE(e->f->test, event.flags & VSVM_HW_EVENT_ERROR);
			if (event.completed >= e->sequence)
				return 0;
		}
		if (vsvm_hw_fault_read(e->f->hw, &e->fault, 1))
			return -EFAULT;
		usleep_range(50, 1000);
	}
	KUNIT_FAIL(e->f->test, "the engine does not answer");
	return -ETIME;
}

static int engine_run(struct engine_test *e, const struct vsvm_packet *packet)
{
	struct vsvm_hw_command command = {
		.address = PT_PAGE(COMMANDS),
		.bytes = sizeof(*packet),
		.sequence = ++e->sequence,
	};

	memcpy(page_address(pt_page(e->f, COMMANDS)), packet, sizeof(*packet));
	KUNIT_ASSERT_EQ(e->f->test, 0, vsvm_hw_context_submit(e->context, &command));
	return engine_wait(e);
}

static int engine_store(struct engine_test *e, unsigned int page, u64 value)
{
	const struct vsvm_packet packet = {
		.opcode = VSVM_PACKET_STORE,
		.length = VSVM_PACKET_BYTES,
		.store = {
			.address = PT_PAGE(page) + OFFSET,
			.value = value,
			.width = sizeof(value),
		},
	};

	return engine_run(e, &packet);
}

static int engine_load(struct engine_test *e, unsigned int page)
{
	const struct vsvm_packet packet = {
		.opcode = VSVM_PACKET_COPY,
		.length = VSVM_PACKET_BYTES,
		.copy = {
			.dst = PT_PAGE(SCRATCH),
			.src = PT_PAGE(page) + OFFSET,
			.bytes = sizeof(u64),
		},
	};

	return engine_run(e, &packet);
}

/* The word of a page that the engine stores to */
static u64 *word(struct engine_test *e, unsigned int page)
{
	return page_address(pt_page(e->f, page)) + OFFSET;
}

/* A store that comes through, twice: by a walk, and by what is known from it */
static void expect_store(struct engine_test *e, unsigned int page)
{
	u64 value;

	for (value = page + 1; value <= page + 2; value++) {
		KUNIT_EXPECT_EQ_MSG(e->f->test, 0, engine_store(e, page, value),
				    "page %u", page);
		KUNIT_EXPECT_EQ_MSG(e->f->test, value, *word(e, page), "page %u", page);
	}
}

/*
 * A store that must not.  The context cannot go on from there: the last word of
 * a test, unless the fault is answered.
 */
static void expect_fault(struct engine_test *e, unsigned int page, u8 cause)
{
	struct kunit *test = e->f->test;
	u64 before = *word(e, page);

	KUNIT_ASSERT_EQ_MSG(test, -EFAULT, engine_store(e, page, ~before),
			    "page %u", page);
	KUNIT_EXPECT_EQ(test, before, *word(e, page));
	KUNIT_EXPECT_EQ(test, PT_PAGE(page) + OFFSET, e->fault.address);
	KUNIT_EXPECT_EQ(test, cause, e->fault.cause);
}

static void engine_zap_small(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map(e->f, 0, 4, true);
	expect_store(e, 1);
	expect_store(e, 2);
	pt_zap(e->f, 1, 1);
	expect_store(e, 2);
	KUNIT_EXPECT_TRUE(test, pt_dirty(e->f, 1));
	KUNIT_EXPECT_FALSE(test, pt_dirty(e->f, 2));
	expect_fault(e, 1, VSVM_HW_NOT_PRESENT);
}

static void engine_zap_huge(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map_huge(e->f, 0, true);
	expect_store(e, 3);
	pt_zap(e->f, 0, PT_BLOCK);
	expect_fault(e, 3, VSVM_HW_NOT_PRESENT);
}

/* Of a huge leaf a page goes; the engine knew the whole, and reaches the rest */
static void engine_zap_huge_part(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map_huge(e->f, 0, true);
	expect_store(e, 3);
	pt_zap(e->f, 77, 1);
	expect_store(e, 3);
	expect_store(e, 76);
	pt_zap(e->f, 3, 1);
	expect_store(e, 78);
	expect_fault(e, 3, VSVM_HW_NOT_PRESENT);
}

static void engine_zap_huge_part_itself(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map_huge(e->f, 0, true);
	expect_store(e, 300);
	pt_zap(e->f, 300, 1);
	expect_fault(e, 300, VSVM_HW_NOT_PRESENT);
}

/* With no memory to split it, pages go that were not named */
static void engine_zap_no_memory(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map_huge(e->f, 0, true);
	expect_store(e, 3);
	pt_no_memory(e->f, true);
	pt_zap(e->f, 77, 1);
	pt_no_memory(e->f, false);
	expect_fault(e, 3, VSVM_HW_NOT_PRESENT);
}

/* A range over blocks: its beginning, its middle and its end */
static void engine_zap_range(struct kunit *test, unsigned int page)
{
	struct engine_test *e = engine_begin(test);

	pt_map(e->f, PT_BLOCK - 4, 4, true);
	pt_map_huge(e->f, 1, true);
	pt_map(e->f, 2 * PT_BLOCK, 4, true);
	expect_store(e, PT_BLOCK - 2);
	expect_store(e, PT_BLOCK + 9);
	expect_store(e, 2 * PT_BLOCK + 1);
	pt_zap(e->f, PT_BLOCK - 2, PT_BLOCK + 4);
	expect_store(e, PT_BLOCK - 3);
	expect_store(e, 2 * PT_BLOCK + 2);
	expect_fault(e, page, VSVM_HW_NOT_PRESENT);
}

static void engine_zap_first(struct kunit *test)
{
	engine_zap_range(test, PT_BLOCK - 2);
}

static void engine_zap_middle(struct kunit *test)
{
	engine_zap_range(test, PT_BLOCK + 9);
}

static void engine_zap_last(struct kunit *test)
{
	engine_zap_range(test, 2 * PT_BLOCK + 1);
}

/* Reads go on, writes do not; given the right again, the access comes through */
static void engine_protect(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);
	u64 before;

	pt_map(e->f, 0, 4, true);
	expect_store(e, 1);
	expect_store(e, 2);
	pt_protect(e->f, 1, 1);
	expect_store(e, 2);
	KUNIT_EXPECT_EQ(test, 0, engine_load(e, 1));
	expect_fault(e, 1, VSVM_HW_PROTECTION);
	before = *word(e, 1);
	pt_flushes(e->f);
	KUNIT_EXPECT_EQ(test, 0, pt_map(e->f, 1, 1, true));
	KUNIT_EXPECT_EQ(test, 0, pt_flushes(e->f));
	vsvm_hw_fault_answer(e->f->hw, &e->fault, VSVM_HW_REPLAY, 0);
	KUNIT_EXPECT_EQ(test, 0, engine_wait(e));
	KUNIT_EXPECT_EQ(test, ~before, *word(e, 1));
}

static void engine_protect_huge_part(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map_huge(e->f, 0, true);
	expect_store(e, 3);
	pt_protect(e->f, 3, 1);
	expect_store(e, 4);
	KUNIT_EXPECT_EQ(test, 0, engine_load(e, 3));
	expect_fault(e, 3, VSVM_HW_PROTECTION);
}

/*
 * A page that the engine has written, that was told, and is written again: it
 * must not believe that it has said so already.
 */
static void engine_dirty_again(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map(e->f, 1, 1, true);
	expect_store(e, 1);
	pt_protect(e->f, 1, 1);
	ClearPageDirty(pt_page(e->f, 1));
	pt_map(e->f, 1, 1, true);
	expect_store(e, 1);
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_DIRTY, pt_entry(e->f, 1));
	pt_zap(e->f, 1, 1);
	KUNIT_EXPECT_TRUE(test, pt_dirty(e->f, 1));
}

/* The same where a whole block takes the place of the page */
static void engine_dirty_huge(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map(e->f, 1, 4, true);
	expect_store(e, 1);
	pt_map_huge(e->f, 0, true);
	KUNIT_EXPECT_TRUE(test, pt_dirty(e->f, 1));
	expect_store(e, 1);
	KUNIT_EXPECT_TRUE(test, pt_entry(e->f, 1) & VSVM_PTE_DIRTY);
}

/* And where a block is split for the sake of a right */
static void engine_dirty_split(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map_huge(e->f, 0, false);
	KUNIT_EXPECT_EQ(test, 0, engine_load(e, 5));
	KUNIT_EXPECT_EQ(test, 0, pt_map(e->f, 5, 1, true));
	expect_store(e, 5);
	KUNIT_EXPECT_EQ(test, PT_RW | VSVM_PTE_DIRTY, pt_entry(e->f, 5));
	KUNIT_EXPECT_EQ(test, PT_RO, pt_entry(e->f, 6));
	expect_fault(e, 6, VSVM_HW_PROTECTION);
}

/* A table that was collected is not walked any more */
static void engine_collect(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map(e->f, 0, 4, true);
	expect_store(e, 1);
	expect_store(e, 2);
	pt_zap(e->f, 0, 4);
	pt_collect(e->f);
	expect_fault(e, 2, VSVM_HW_NOT_PRESENT);
	KUNIT_EXPECT_EQ(test, 2, e->fault.level);
	/* And the next one is found */
	KUNIT_EXPECT_EQ(test, 4, pt_map(e->f, 0, 4, true));
	vsvm_hw_fault_answer(e->f->hw, &e->fault, VSVM_HW_REPLAY, 0);
	KUNIT_EXPECT_EQ(test, 0, engine_wait(e));
	expect_store(e, 1);
}

/* A table that a whole block has taken the place of is not walked either */
static void engine_retire(struct kunit *test)
{
	struct engine_test *e = engine_begin(test);

	pt_map(e->f, 0, 4, true);
	expect_store(e, 1);
	pt_map_huge(e->f, 0, true);
	pt_collect(e->f);
	expect_store(e, 1);
	expect_store(e, 2);
	expect_store(e, 100);
	pt_zap(e->f, 0, PT_BLOCK);
	expect_fault(e, 2, VSVM_HW_NOT_PRESENT);
}

static struct kunit_case vsvm_pt_engine_cases[] = {
	KUNIT_CASE(engine_zap_small),
	KUNIT_CASE(engine_zap_huge),
	KUNIT_CASE(engine_zap_huge_part),
	KUNIT_CASE(engine_zap_huge_part_itself),
	KUNIT_CASE(engine_zap_no_memory),
	KUNIT_CASE(engine_zap_first),
	KUNIT_CASE(engine_zap_middle),
	KUNIT_CASE(engine_zap_last),
	KUNIT_CASE(engine_protect),
	KUNIT_CASE(engine_protect_huge_part),
	KUNIT_CASE(engine_dirty_again),
	KUNIT_CASE(engine_dirty_huge),
	KUNIT_CASE(engine_dirty_split),
	KUNIT_CASE(engine_collect),
	KUNIT_CASE(engine_retire),
	{ }
};

struct kunit_suite vsvm_pt_engine_suite = {
	.name = "vsvm_pt_engine",
	.init = pt_fixture_init,
	.exit = pt_fixture_exit,
	.test_cases = vsvm_pt_engine_cases,
};
