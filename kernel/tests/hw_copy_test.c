// SPDX-License-Identifier: GPL-2.0-only
/* Copy engines: what they copy, in which order, and that nothing they say is lost. */
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "tests/hw_fixture.h"
#include "tests/suites.h"

#define CHANNELS	2
#define ENTRIES		16
#define DST		VSVM_HW_COPY_DST_VRAM
#define SRC		VSVM_HW_COPY_SRC_VRAM
#define FILL		VSVM_HW_COPY_FILL

/* The VRAM of the fixture: two pieces of 2 MiB */
#define VRAM_BYTES	(2 * SZ_2M)

static int copy_init(struct kunit *test)
{
	struct vsvm_hw_config config = hw_fixture_config();
	struct hw_fixture *f;
	int ret = hw_fixture_init(test);

	if (ret)
		return ret;
	f = test->priv;
	config.copy_channels = CHANNELS;
	config.copy_entries = ENTRIES;
	hw_fixture_power(f, &config);
	return 0;
}

static u64 bus(struct hw_fixture *f, void *at)
{
	return phys_to_dma(f->dev, virt_to_phys(at));
}

static void *vram(struct hw_fixture *f, u64 offset)
{
	return page_address(vsvm_hw_vram_page(f->hw, offset)) + offset_in_page(offset);
}

/* Has the device interrupted?  Nothing is read that it has not told of. */
static bool interrupted(struct hw_fixture *f)
{
	return atomic_fetch_andnot(VSVM_HW_IRQ_COPY, &f->causes) & VSVM_HW_IRQ_COPY;
}

/* The next group that completes, of any channel */
static struct vsvm_hw_copy_done next_done(struct hw_fixture *f)
{
	struct vsvm_hw_copy_done done = {};

	while (!vsvm_hw_copy_read(f->hw, &done)) {
		vsvm_hw_irq_enable(f->hw, VSVM_HW_IRQ_COPY);
		if (!wait_event_timeout(f->wait, interrupted(f), FIXTURE_PATIENCE)) {
			KUNIT_FAIL_AND_ABORT(f->test, "no group has completed");
			break;
		}
	}
	return done;
}

static void submit(struct hw_fixture *f, u32 channel,
		   const struct vsvm_hw_copy *copies, u32 count, u64 cookie)
{
	KUNIT_ASSERT_EQ(f->test, 0,
			vsvm_hw_copy_submit(f->hw, channel, copies, count, cookie));
}

static void copy_one(struct hw_fixture *f, u64 src, u64 dst, u32 bytes, u32 flags)
{
	const struct vsvm_hw_copy copy = { src, dst, bytes, flags };
	struct vsvm_hw_copy_done done;

	submit(f, 0, &copy, 1, 77);
	done = next_done(f);
	KUNIT_EXPECT_EQ(f->test, done.cookie, 77);
	KUNIT_EXPECT_EQ(f->test, done.error, 0);
}

/* Bytes that tell where they are */
static void pattern(u64 *at, u32 bytes, u64 seed)
{
	for (u32 i = 0; i < bytes / sizeof(*at); i++)
		at[i] = seed * 0x100000001ull + i;
}

/* Every kind of source and destination, from one word to several pieces. */
static void copy_kinds(struct kunit *test)
{
	static const u32 sizes[] = { 8, 4088, SZ_4K, SZ_64K, SZ_64K + 8, SZ_1M - 8 };
	struct hw_fixture *f = test->priv;
	u8 *a = hw_fixture_alloc(f, get_order(SZ_1M));
	u8 *b = hw_fixture_alloc(f, get_order(SZ_1M));
	/* Across the end of the first piece of VRAM, and in the middle of a page */
	const u64 at = SZ_2M - SZ_64K + 16, to = SZ_64K;

	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 n = sizes[i];

		pattern((u64 *)a, n, i + 1);
		memset(b, 0, SZ_1M);
		copy_one(f, bus(f, a), bus(f, b), n, 0);
		KUNIT_EXPECT_EQ(test, memcmp(a, b, n), 0);
		KUNIT_EXPECT_TRUE(test, !memchr_inv(b + n, 0, SZ_1M - n));

		memset(b, 0, SZ_1M);
		copy_one(f, bus(f, a), at, n, DST);
		copy_one(f, at, to, n, SRC | DST);
		copy_one(f, to, bus(f, b), n, SRC);
		KUNIT_EXPECT_EQ(test, memcmp(a, b, n), 0);
		KUNIT_EXPECT_TRUE(test, !memchr_inv(b + n, 0, SZ_1M - n));
		KUNIT_EXPECT_EQ(test, *(u64 *)vram(f, at), *(u64 *)a);
	}
}

static void copy_fill(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 2);
	const u64 at = SZ_2M - 24;

	copy_one(f, 0x0123456789abcdefull, bus(f, a + 1), 4 * PAGE_SIZE - 16, FILL);
	KUNIT_EXPECT_EQ(test, a[0], 0);
	for (u32 i = 1; i < 4 * PAGE_SIZE / 8 - 1; i++)
		if (a[i] != 0x0123456789abcdefull)
			KUNIT_FAIL(test, "word %u is %#llx", i, a[i]);
	KUNIT_EXPECT_EQ(test, a[4 * PAGE_SIZE / 8 - 1], 0);

	copy_one(f, 0, 0, VRAM_BYTES, FILL | DST);
	copy_one(f, 5, at, 48, FILL | DST);
	KUNIT_EXPECT_EQ(test, *(u64 *)vram(f, at - 8), 0);
	KUNIT_EXPECT_EQ(test, *(u64 *)vram(f, at), 5);
	KUNIT_EXPECT_EQ(test, *(u64 *)vram(f, at + 40), 5);
	KUNIT_EXPECT_EQ(test, *(u64 *)vram(f, at + 48), 0);
}

/* Groups of a channel complete in order: each may use what the one before wrote. */
static void copy_order(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 2);
	struct vsvm_hw_copy copies[2];
	u64 page = bus(f, a);

	a[0] = 42;
	for (u32 round = 0; round < 50; round++) {
		for (u32 i = 0; i < 3; i++) {
			copies[0] = (struct vsvm_hw_copy) {
				page + i * PAGE_SIZE, page + (i + 1) * PAGE_SIZE, PAGE_SIZE, 0,
			};
			copies[1] = copies[0];
			submit(f, 1, copies, 2, round * 3 + i);
		}
		for (u32 i = 0; i < 3; i++) {
			struct vsvm_hw_copy_done done = next_done(f);

			KUNIT_EXPECT_EQ(test, done.cookie, round * 3 + i);
			KUNIT_EXPECT_EQ(test, done.error, 0);
		}
		KUNIT_EXPECT_EQ(test, a[3 * PAGE_SIZE / 8], 42 + round);
		a[0]++;
	}
}

/* A ring that is full takes nothing, and gives back every group that it took. */
static void copy_full(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 1);
	struct vsvm_hw_copy copies[ENTRIES + 1];
	struct vsvm_hw_copy_done done;
	u64 seen = 0;
	u32 i, n;

	for (i = 0; i <= ENTRIES; i++)
		copies[i] = (struct vsvm_hw_copy) { bus(f, a), bus(f, a) + PAGE_SIZE, 8, 0 };

	/* By descriptors, which are free when the group is complete */
	WRITE_ONCE(vsvm_hw_config(f->hw)->copy_delay_us, 100000);
	submit(f, 0, copies, ENTRIES - 1, 0);
	KUNIT_EXPECT_EQ(test, -ENOSPC, vsvm_hw_copy_submit(f->hw, 0, copies, 2, 1));
	submit(f, 0, copies, 1, 1);
	KUNIT_EXPECT_EQ(test, -ENOSPC, vsvm_hw_copy_submit(f->hw, 0, copies, 1, 2));
	/* The other channel has nothing to do with it */
	submit(f, 1, copies, ENTRIES, 2);
	WRITE_ONCE(vsvm_hw_config(f->hw)->copy_delay_us, 0);
	for (i = 0; i < 3; i++) {
		done = next_done(f);
		KUNIT_EXPECT_EQ(test, done.error, 0);
		seen |= BIT(done.cookie);
	}
	KUNIT_EXPECT_EQ(test, seen, GENMASK(2, 0));

	/* By groups, which are free when they have been read */
	for (n = 0; n < ENTRIES; n++) {
		unsigned long end = jiffies + FIXTURE_PATIENCE;
		int ret;

		do
			ret = vsvm_hw_copy_submit(f->hw, 0, copies, 1, n);
		while (ret == -ENOSPC && time_before(jiffies, end));
		KUNIT_ASSERT_EQ(test, ret, 0);
	}
	KUNIT_EXPECT_EQ(test, -ENOSPC, vsvm_hw_copy_submit(f->hw, 0, copies, 1, n));
	for (i = 0; i < ENTRIES; i++) {
		done = next_done(f);
		KUNIT_EXPECT_EQ(test, done.cookie, i);
		if (!i)
			submit(f, 0, copies, 1, n);
	}
	KUNIT_EXPECT_EQ(test, next_done(f).cookie, n);
	KUNIT_EXPECT_FALSE(test, vsvm_hw_copy_read(f->hw, &done));
}

/* What is no copy is refused, and nothing of its group is done. */
static void copy_bad(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 1);
	const u64 page = bus(f, a);
	const struct vsvm_hw_copy bad[] = {
		{ page, page + PAGE_SIZE, 0, 0 },
		{ page, page + PAGE_SIZE, 12, 0 },
		{ page + 4, page + PAGE_SIZE, 8, 0 },
		{ page, page + PAGE_SIZE + 1, 8, 0 },
		{ page, page + PAGE_SIZE, 8, BIT(3) },
		{ page, page + PAGE_SIZE, 8, FILL | SRC },
		{ page, VRAM_BYTES, 8, DST },
		{ page, VRAM_BYTES - 8, 16, DST },
		{ VRAM_BYTES - 8, page, 16, SRC },
		{ U64_MAX - 7, page, 16, SRC },
		{ page, BIT_ULL(52), 8, 0 },
		{ BIT_ULL(52), page, 8, 0 },
		{ U64_MAX - 7, page, 16, 0 },
	};
	struct vsvm_hw_copy group[ENTRIES + 1];
	struct vsvm_hw_copy_done done;

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		group[0] = (struct vsvm_hw_copy) { page, page + PAGE_SIZE, 8, 0 };
		group[1] = bad[i];
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    vsvm_hw_copy_submit(f->hw, 0, group, 2, 0),
				    "descriptor %u", i);
	}
	for (u32 i = 0; i <= ENTRIES; i++)
		group[i] = (struct vsvm_hw_copy) { page, page + PAGE_SIZE, 8, 0 };
	KUNIT_EXPECT_EQ(test, -EINVAL, vsvm_hw_copy_submit(f->hw, 0, group, 0, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			vsvm_hw_copy_submit(f->hw, 0, group, ENTRIES + 1, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, vsvm_hw_copy_submit(f->hw, CHANNELS, group, 1, 0));
	KUNIT_EXPECT_FALSE(test, vsvm_hw_copy_read(f->hw, &done));
	KUNIT_EXPECT_EQ(test, atomic_read(&f->causes) & VSVM_HW_IRQ_COPY, 0);
}

/* The knob: so many groups fail, of whatever channel, and no more. */
static void copy_fails(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 1);
	const struct vsvm_hw_copy copy = { bus(f, a), bus(f, a) + PAGE_SIZE, 8, 0 };
	struct vsvm_hw_counters counters;
	u32 failed = 0;

	WRITE_ONCE(vsvm_hw_config(f->hw)->copy_fail, 3);
	for (u32 i = 0; i < 8; i++)
		submit(f, i % CHANNELS, &copy, 1, i);
	for (u32 i = 0; i < 8; i++) {
		struct vsvm_hw_copy_done done = next_done(f);

		if (done.error) {
			KUNIT_EXPECT_EQ(test, done.error, -EIO);
			failed++;
		}
	}
	KUNIT_EXPECT_EQ(test, failed, 3);
	KUNIT_EXPECT_EQ(test, vsvm_hw_config(f->hw)->copy_fail, 0);
	vsvm_hw_counters(f->hw, &counters);
	KUNIT_EXPECT_EQ(test, counters.copies, 5);
	KUNIT_EXPECT_EQ(test, counters.copied_bytes, 40);
}

static void copy_delay(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 1);
	u64 begin;

	WRITE_ONCE(vsvm_hw_config(f->hw)->copy_delay_us, 20000);
	begin = ktime_get_ns();
	copy_one(f, bus(f, a), bus(f, a) + PAGE_SIZE, 8, 0);
	KUNIT_EXPECT_GE(test, ktime_get_ns() - begin, 20 * NSEC_PER_MSEC);
}

/* Raised once, and again when what is left is asked for. */
static void copy_irq(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 1);
	const struct vsvm_hw_copy copy = { bus(f, a), bus(f, a) + PAGE_SIZE, 8, 0 };
	struct vsvm_hw_copy_done done;
	int irqs = atomic_read(&f->irqs);
	u32 i;

	submit(f, 0, &copy, 1, 0);
	KUNIT_ASSERT_TRUE(test, wait_event_timeout(f->wait, interrupted(f),
						   FIXTURE_PATIENCE));
	for (i = 1; i < 8; i++)
		submit(f, 0, &copy, 1, i);
	KUNIT_EXPECT_FALSE(test, wait_event_timeout(f->wait, interrupted(f), HZ / 20));
	KUNIT_EXPECT_EQ(test, atomic_read(&f->irqs), irqs + 1);

	/* Two are read, six are left */
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_TRUE(test, vsvm_hw_copy_read(f->hw, &done));
		KUNIT_EXPECT_EQ(test, done.cookie, i);
	}
	vsvm_hw_irq_enable(f->hw, VSVM_HW_IRQ_COPY);
	KUNIT_ASSERT_TRUE(test, wait_event_timeout(f->wait, interrupted(f),
						   FIXTURE_PATIENCE));
	for (; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, vsvm_hw_copy_read(f->hw, &done));
	vsvm_hw_irq_enable(f->hw, VSVM_HW_IRQ_COPY);
	KUNIT_EXPECT_FALSE(test, wait_event_timeout(f->wait, interrupted(f), HZ / 20));
}

/* Many small groups: none is lost, none is told of twice. */
static void copy_many(struct kunit *test)
{
	const u32 total = 4000;
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 1);
	const struct vsvm_hw_copy copy = { bus(f, a), bus(f, a) + PAGE_SIZE, 64, 0 };
	u64 next[CHANNELS] = {}, expect[CHANNELS] = {};
	u32 submitted = 0, done_count = 0;

	while (done_count < total) {
		struct vsvm_hw_copy_done done;
		u32 channel = submitted % CHANNELS;

		if (submitted < total &&
		    !vsvm_hw_copy_submit(f->hw, channel, &copy, 1,
					 (u64)channel << 32 | next[channel])) {
			next[channel]++;
			submitted++;
			continue;
		}
		done = next_done(f);
		channel = done.cookie >> 32;
		KUNIT_ASSERT_LT(test, channel, CHANNELS);
		KUNIT_ASSERT_EQ(test, lower_32_bits(done.cookie), expect[channel]);
		expect[channel]++;
		done_count++;
	}
}

/* Power goes while there is work: what is not complete is dropped. */
static void copy_power(struct kunit *test)
{
	struct vsvm_hw_config config = hw_fixture_config();
	struct hw_fixture *f = test->priv;
	u64 *a = hw_fixture_alloc(f, 1);
	const struct vsvm_hw_copy copy = { bus(f, a), bus(f, a) + PAGE_SIZE, 8, 0 };

	WRITE_ONCE(vsvm_hw_config(f->hw)->copy_delay_us, USEC_PER_SEC);
	for (u32 i = 0; i < ENTRIES; i++)
		submit(f, i % CHANNELS, &copy, 1, i);
	config.copy_channels = 1;
	config.copy_entries = ENTRIES;
	hw_fixture_power(f, &config);
	copy_one(f, bus(f, a), bus(f, a) + PAGE_SIZE, 8, 0);
}

static void copy_config(struct kunit *test)
{
	static const struct {
		u32 channels, entries;
	} bad[] = { { 9, 16 }, { 1, 15 }, { 1, 65537 }, { 8, 0 } };
	struct hw_fixture *f = test->priv;
	struct vsvm_hw_config config;

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		config = hw_fixture_config();
		config.copy_channels = bad[i].channels;
		config.copy_entries = bad[i].entries;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				PTR_ERR_OR_ZERO(vsvm_hw_create(f->dev, &config, NULL, NULL)));
	}
	/* None at all is fine */
	config = hw_fixture_config();
	config.copy_channels = 0;
	config.copy_entries = 0;
	hw_fixture_power(f, &config);
	KUNIT_EXPECT_EQ(test, -EINVAL, vsvm_hw_copy_submit(f->hw, 0, NULL, 1, 0));
}

static struct kunit_case vsvm_hw_copy_cases[] = {
	KUNIT_CASE(copy_kinds),
	KUNIT_CASE(copy_fill),
	KUNIT_CASE(copy_order),
	KUNIT_CASE(copy_full),
	KUNIT_CASE(copy_bad),
	KUNIT_CASE(copy_fails),
	KUNIT_CASE(copy_delay),
	KUNIT_CASE(copy_irq),
	KUNIT_CASE(copy_many),
	KUNIT_CASE(copy_power),
	KUNIT_CASE(copy_config),
	{ }
};

struct kunit_suite vsvm_hw_copy_suite = {
	.name = "vsvm_hw_copy",
	.init = copy_init,
	.exit = hw_fixture_exit,
	.test_cases = vsvm_hw_copy_cases,
};
