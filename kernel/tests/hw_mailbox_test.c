// SPDX-License-Identifier: GPL-2.0-only
/* The firmware: what it knows of a context, when it replies, how it misbehaves. */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/sizes.h>

#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define BUFFER		BIT_ULL(VSVM_HW_HOST_BUFFER_SHIFT)
#define BASE		(16 * BUFFER)

/* The buffer is mapped with leaves of 2 MiB, all to the same memory */
static void map_buffer(struct hw_fixture *f, u64 address, u64 flags)
{
	void *page = hw_fixture_alloc(f, 9);
	u64 at;

	for (at = address; at < address + BUFFER; at += SZ_2M)
		WRITE_ONCE(*hw_fixture_pte(f, at, 2),
			   virt_to_phys(page) | flags | VSVM_PTE_LEAF);
}

static void send(struct hw_fixture *f, u32 sequence, u32 type, u32 context, u64 address)
{
	const struct vsvm_hw_message m = {
		.sequence = sequence,
		.type = type,
		.context = context,
		.address = address,
		.bytes = address ? BUFFER : 0,
	};

	KUNIT_ASSERT_EQ(f->test, 0, vsvm_hw_mailbox_send(f->hw, &m));
}

/* The next reply; -ETIME if none comes within @ms */
static int reply(struct hw_fixture *f, u32 *sequence, u32 ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	struct vsvm_hw_reply r;

	while (!vsvm_hw_mailbox_read(f->hw, &r)) {
		if (time_after(jiffies, end))
			return -ETIME;
		usleep_range(100, 200);
	}
	*sequence = r.sequence;
	return r.status;
}

static int say(struct hw_fixture *f, u32 type, u32 context, u64 address)
{
	static u32 last;
	u32 sequence;
	int status;

	send(f, ++last, type, context, address);
	status = reply(f, &sequence, 10000);
	KUNIT_EXPECT_EQ(f->test, last, sequence);
	return status;
}

static void mailbox_buffers(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	u32 id = vsvm_hw_context_id(c->context);

	map_buffer(f, BASE, PTE_RW);
	map_buffer(f, BASE + BUFFER, PTE_RW);
	map_buffer(f, BASE + 2 * BUFFER, PTE_RO);
	/* Nothing can be added to nothing, nor removed from it */
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_ADD_HOST_BUFFER, id, BASE));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_REMOVE_HOST_BUFFER, id, BASE));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_MAP_HOST_BUFFER, id, BASE + SZ_2M));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_MAP_HOST_BUFFER, id, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_MESSAGE_TYPES, id, BASE));
	KUNIT_EXPECT_EQ(test, -ENOENT, say(f, VSVM_HW_MAP_HOST_BUFFER, id + 1, BASE));
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_MAP_HOST_BUFFER, id, BASE));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_MAP_HOST_BUFFER, id, BASE + BUFFER));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_ADD_HOST_BUFFER, id, BASE + 2 * BUFFER));
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_ADD_HOST_BUFFER, id, BASE + BUFFER));
	/* What cannot be written, and what does not translate at all */
	KUNIT_EXPECT_EQ(test, -EFAULT, say(f, VSVM_HW_ADD_HOST_BUFFER, id, BASE + 2 * BUFFER));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_REMOVE_HOST_BUFFER, id, BASE));
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_REMOVE_HOST_BUFFER, id, BASE + BUFFER));
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_FORGET_HOST_BUFFERS, id, 0));
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_FORGET_HOST_BUFFERS, id, 0));
	WRITE_ONCE(*hw_fixture_pte(f, BASE + 31 * SZ_2M, 2), 0);
	KUNIT_EXPECT_EQ(test, -EFAULT, say(f, VSVM_HW_MAP_HOST_BUFFER, id, BASE));
	/* It knows nothing of a context that has gone */
	hw_fixture_destroy(f, c);
	KUNIT_EXPECT_EQ(test, -ENOENT, say(f, VSVM_HW_FORGET_HOST_BUFFERS, id, 0));
}

static void mailbox_knobs(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct vsvm_hw_config *config = vsvm_hw_config(f->hw);
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	u32 id = vsvm_hw_context_id(c->context);
	u32 sequence;

	map_buffer(f, BASE, PTE_RW);
	WRITE_ONCE(config->mailbox_skip, 1);
	WRITE_ONCE(config->mailbox_refuse[VSVM_HW_MAP_HOST_BUFFER], 1);
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_FORGET_HOST_BUFFERS, id, 0));
	KUNIT_EXPECT_EQ(test, -EIO, say(f, VSVM_HW_MAP_HOST_BUFFER, id, BASE));
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_MAP_HOST_BUFFER, id, BASE));
	/* Lost: nothing happened.  Muted: it did */
	WRITE_ONCE(config->mailbox_lose[VSVM_HW_REMOVE_HOST_BUFFER], 1);
	send(f, 1000, VSVM_HW_REMOVE_HOST_BUFFER, id, BASE);
	KUNIT_EXPECT_EQ(test, -ETIME, reply(f, &sequence, 50));
	WRITE_ONCE(config->mailbox_mute[VSVM_HW_REMOVE_HOST_BUFFER], 1);
	send(f, 1001, VSVM_HW_REMOVE_HOST_BUFFER, id, BASE);
	KUNIT_EXPECT_EQ(test, -ETIME, reply(f, &sequence, 50));
	KUNIT_EXPECT_EQ(test, -EINVAL, say(f, VSVM_HW_REMOVE_HOST_BUFFER, id, BASE));
	/* Later ones overtake */
	WRITE_ONCE(config->mailbox_delay_us[VSVM_HW_MAP_HOST_BUFFER], 100000);
	send(f, 1002, VSVM_HW_MAP_HOST_BUFFER, id, BASE);
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_FORGET_HOST_BUFFERS, id, 0));
	KUNIT_EXPECT_EQ(test, 0, reply(f, &sequence, 10000));
	KUNIT_EXPECT_EQ(test, 1002, sequence);
}

/* A driver that reads no replies gets no room, and loses none; a restart loses all */
static void mailbox_full(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_context *c = hw_fixture_context(f, 0);
	struct vsvm_hw_message m = {
		.type = VSVM_HW_FORGET_HOST_BUFFERS,
		.context = vsvm_hw_context_id(c->context),
	};
	u32 sequence, i;

	for (i = 0; i < VSVM_HW_MAILBOX_SLOTS; i++, m.sequence++)
		KUNIT_ASSERT_EQ(test, 0, vsvm_hw_mailbox_send(f->hw, &m));
	KUNIT_EXPECT_EQ(test, -ENOSPC, vsvm_hw_mailbox_send(f->hw, &m));
	for (i = 0; i < VSVM_HW_MAILBOX_SLOTS; i++) {
		KUNIT_EXPECT_EQ(test, 0, reply(f, &sequence, 10000));
		KUNIT_EXPECT_EQ(test, i, sequence);
	}
	map_buffer(f, BASE, PTE_RW);
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_MAP_HOST_BUFFER, m.context, BASE));
	for (i = 0; i < VSVM_HW_MAILBOX_SLOTS; i++)
		KUNIT_ASSERT_EQ(test, 0, vsvm_hw_mailbox_send(f->hw, &m));
	vsvm_hw_mailbox_reset(f->hw);
	KUNIT_EXPECT_EQ(test, -ETIME, reply(f, &sequence, 20));
	KUNIT_EXPECT_EQ(test, 0, say(f, VSVM_HW_MAP_HOST_BUFFER, m.context, BASE));
}

static struct kunit_case vsvm_hw_mailbox_cases[] = {
	KUNIT_CASE(mailbox_buffers),
	KUNIT_CASE(mailbox_knobs),
	KUNIT_CASE(mailbox_full),
	{ }
};

struct kunit_suite vsvm_hw_mailbox_suite = {
	.name = "vsvm_hw_mailbox",
	.init = hw_fixture_init,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_mailbox_cases,
};
