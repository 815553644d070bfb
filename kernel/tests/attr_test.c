// SPDX-License-Identifier: GPL-2.0-only
/* The tree of attributes, with no device and no process, and with no memory. */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/prandom.h>

#include "attr/attr.h"
#include "attr/attr_priv.h"
#include "tests/suites.h"

#define PAGES		64
#define BASE		BIT(40)
#define AT(n)		(BASE + ((unsigned long)(n) << PAGE_SHIFT))

/**
 * struct attr_test - a tree and what should be in it
 * @lock: of @tree
 * @tree: tree
 * @word: of each page from %BASE on
 * @rnd: random numbers
 * @left: allocations that succeed before one fails; negative: all
 * @failed: how many have failed
 */
struct attr_test {
	struct rw_semaphore lock;	/* @tree */
	struct vsvm_attr_tree tree;
	u32 word[PAGES];
	struct rnd_state rnd;
	int left;
	unsigned int failed;
};

static int attr_test_init(struct kunit *test)
{
	struct attr_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	init_rwsem(&t->lock);
	vsvm_attr_init(&t->tree, &t->lock, 9);
	prandom_seed_state(&t->rnd, 4711);
	t->left = -1;
	test->priv = t;
	return 0;
}

static void attr_test_exit(struct kunit *test)
{
	struct attr_test *t = test->priv;

	if (t)
		vsvm_attr_destroy(&t->tree);
}

/* One that fails takes the place of the real one, see attr/tree.c */
static int attr_reserve(struct ma_state *mas, void *entry)
{
	struct attr_test *t = kunit_get_current_test()->priv;

	if (!t->left) {
		t->failed++;
		return -ENOMEM;
	}
	if (t->left > 0)
		t->left--;
	return mas_preallocate(mas, entry, GFP_KERNEL);
}

static int change(struct attr_test *t, unsigned int first, unsigned int n, u32 clear,
		  u32 set)
{
	const struct vsvm_attr_change c = { .clear = clear, .set = set };
	struct vsvm_attr_update u;
	unsigned int i;
	int err;

	down_write(&t->lock);
	err = vsvm_attr_begin(&u, &t->tree, AT(first), AT(first + n), &c);
	if (!err)
		vsvm_attr_commit(&u);
	up_write(&t->lock);
	for (i = first; i < first + n && !err; i++)
		t->word[i] = vsvm_attr_changed(&c, t->word[i]);
	return err;
}

static u32 word_at(struct attr_test *t, unsigned int page)
{
	unsigned long start = BASE, end = AT(PAGES);

	return vsvm_attr_find(&t->tree, AT(page), VSVM_ATTR_ALL, &start, &end);
}

static void expect_words(struct kunit *test)
{
	struct attr_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (word_at(t, i) != t->word[i])
			KUNIT_FAIL(test, "page %u: %x, not %x", i, word_at(t, i),
				   t->word[i]);
}

/* No two equal neighbours, nothing for defaults, and the count is right */
static void expect_tidy(struct kunit *test)
{
	struct attr_test *t = test->priv;
	unsigned long entries = 0, index = 0, last = ULONG_MAX;
	void *entry, *before = NULL;

	MA_STATE(mas, &t->tree.mt, 0, 0);
	down_read(&t->lock);
	mas_for_each(&mas, entry, ULONG_MAX) {
		KUNIT_EXPECT_NE(test, 0, xa_to_value(entry));
		if (before && mas.index == last + 1)
			KUNIT_EXPECT_PTR_NE(test, before, entry);
		before = entry;
		index = mas.index;
		last = mas.last;
		entries++;
	}
	up_read(&t->lock);
	KUNIT_EXPECT_LE(test, index, last);
	KUNIT_EXPECT_EQ(test, entries, t->tree.count);
}

static void attr_empty(struct kunit *test)
{
	struct attr_test *t = test->priv;
	unsigned long start = 0, end = ULONG_MAX;
	u32 type;

	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_find(&t->tree, BASE, VSVM_ATTR_ALL, &start,
						&end));
	KUNIT_EXPECT_EQ(test, 0, start);
	KUNIT_EXPECT_EQ(test, ULONG_MAX, end);
	KUNIT_EXPECT_FALSE(test, vsvm_attr_any(&t->tree, 0, ULONG_MAX));
	for (type = 0; type <= DRM_VSVM_ATTR_ALWAYS_MAPPED; type++) {
		u32 want = 0;

		if (type == DRM_VSVM_ATTR_ACCESS)
			want = DRM_VSVM_ATTR_ACCESS_ALLOW_MIGRATE;
		else if (type == DRM_VSVM_ATTR_GRANULARITY)
			want = 9;
		else if (type == DRM_VSVM_ATTR_COHERENT ||
			 type == DRM_VSVM_ATTR_HOST_ACCESS)
			want = 1;
		KUNIT_EXPECT_EQ(test, want, vsvm_attr_value(&t->tree, 0, type));
	}
	/* To return what is by default to defaults stores nothing */
	KUNIT_EXPECT_EQ(test, 0, change(t, 0, PAGES, VSVM_ATTR_ALL, 0));
	KUNIT_EXPECT_EQ(test, 0, t->tree.count);
	expect_tidy(test);
}

static void attr_extent(struct kunit *test)
{
	struct attr_test *t = test->priv;
	unsigned long start = BASE, end = AT(PAGES);

	change(t, 8, 8, VSVM_ATTR_GPU_RO, VSVM_ATTR_GPU_RO);
	change(t, 16, 8, VSVM_ATTR_GPU_RO | VSVM_ATTR_PREFETCH,
	       VSVM_ATTR_GPU_RO | 1 << 2);
	/* What does not matter does not end it */
	KUNIT_EXPECT_EQ(test, VSVM_ATTR_GPU_RO,
			vsvm_attr_find(&t->tree, AT(10), VSVM_ATTR_EFFECT, &start, &end));
	KUNIT_EXPECT_EQ(test, AT(8), start);
	KUNIT_EXPECT_EQ(test, AT(24), end);
	start = BASE;
	end = AT(PAGES);
	vsvm_attr_find(&t->tree, AT(20), VSVM_ATTR_ALL, &start, &end);
	KUNIT_EXPECT_EQ(test, AT(16), start);
	KUNIT_EXPECT_EQ(test, AT(24), end);
	/* Nor does it reach beyond what was asked for */
	start = AT(18);
	end = AT(22);
	vsvm_attr_find(&t->tree, AT(20), VSVM_ATTR_ALL, &start, &end);
	KUNIT_EXPECT_EQ(test, AT(18), start);
	KUNIT_EXPECT_EQ(test, AT(22), end);
	/* The gap between */
	start = BASE;
	end = AT(PAGES);
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_find(&t->tree, AT(40), VSVM_ATTR_ALL, &start,
						&end));
	KUNIT_EXPECT_EQ(test, AT(24), start);
	KUNIT_EXPECT_EQ(test, AT(PAGES), end);
}

static void attr_first_and_last_address(struct kunit *test)
{
	const struct vsvm_attr_change ro = { VSVM_ATTR_GPU_RO, VSVM_ATTR_GPU_RO };
	const struct vsvm_attr_change exec = { VSVM_ATTR_GPU_EXEC, VSVM_ATTR_GPU_EXEC };
	const struct vsvm_attr_change none = { VSVM_ATTR_ALL, 0 };
	const unsigned long top = BIT(48);
	struct attr_test *t = test->priv;
	struct vsvm_attr_update u;

	down_write(&t->lock);
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_begin(&u, &t->tree, 0, PAGE_SIZE, &ro));
	vsvm_attr_commit(&u);
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_begin(&u, &t->tree, top - PAGE_SIZE, top, &ro));
	vsvm_attr_commit(&u);
	KUNIT_EXPECT_EQ(test, 2, t->tree.count);
	/* All there is, in parts that stay different */
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_begin(&u, &t->tree, 0, top, &exec));
	vsvm_attr_commit(&u);
	KUNIT_EXPECT_EQ(test, 3, t->tree.count);
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_begin(&u, &t->tree, 0, top, &none));
	vsvm_attr_commit(&u);
	KUNIT_EXPECT_EQ(test, 0, t->tree.count);
	up_write(&t->lock);
	expect_tidy(test);
}

static u32 any(struct attr_test *t, u32 n)
{
	return prandom_u32_state(&t->rnd) % n;
}

/* Few bits, so that neighbours become equal again */
static void any_change(struct attr_test *t, unsigned int *first, unsigned int *n,
		       u32 *clear, u32 *set)
{
	static const u32 bits[] = {
		VSVM_ATTR_GPU_RO, VSVM_ATTR_GPU_EXEC, VSVM_ATTR_ALL,
		VSVM_ATTR_GPU_RO | VSVM_ATTR_READ_MOSTLY,
	};

	*first = any(t, PAGES);
	*n = 1 + any(t, min(PAGES - *first, any(t, 3) ? 8u : PAGES));
	*clear = bits[any(t, ARRAY_SIZE(bits))];
	*set = any(t, 2) ? *clear & (VSVM_ATTR_GPU_RO | VSVM_ATTR_GPU_EXEC |
				     VSVM_ATTR_READ_MOSTLY) : 0;
}

static void attr_random(struct kunit *test)
{
	struct attr_test *t = test->priv;
	unsigned int i, first, n;
	u32 clear, set;

	for (i = 0; i < 5000; i++) {
		any_change(t, &first, &n, &clear, &set);
		KUNIT_ASSERT_EQ(test, 0, change(t, first, n, clear, set));
		if (i % 16)
			continue;
		expect_words(test);
		expect_tidy(test);
	}
}

static void attr_no_memory_at_any_step(struct kunit *test)
{
	struct attr_test *t = test->priv;
	unsigned int i, first, n, refused = 0;
	u32 clear, set;
	int nth, err;

	kunit_activate_static_stub(test, vsvm_attr_reserve, attr_reserve);
	for (i = 0; i < 300; i++) {
		any_change(t, &first, &n, &clear, &set);
		/* Each change fails at its first allocation, at the second, and so on */
		for (nth = 0; ; nth++) {
			t->left = nth;
			t->failed = 0;
			err = change(t, first, n, clear, set);
			if (!t->failed)
				break;
			/* Merging may fail, which nobody has to be told of */
			if (!err)
				break;
			KUNIT_ASSERT_EQ(test, -ENOMEM, err);
			refused++;
			expect_words(test);
		}
		t->left = -1;
		expect_words(test);
	}
	/* Had nothing been refused, nothing would have been tried */
	KUNIT_EXPECT_LT(test, 300, refused);
	/* With memory again, all that was left behind goes */
	KUNIT_EXPECT_EQ(test, 0, change(t, 0, PAGES, VSVM_ATTR_ALL, 0));
	KUNIT_EXPECT_EQ(test, 0, t->tree.count);
	expect_tidy(test);
	kunit_deactivate_static_stub(test, vsvm_attr_reserve);
}

static void attr_abort(struct kunit *test)
{
	const struct vsvm_attr_change c = { VSVM_ATTR_GPU_EXEC, VSVM_ATTR_GPU_EXEC };
	struct attr_test *t = test->priv;
	struct vsvm_attr_update u;

	change(t, 8, 8, VSVM_ATTR_GPU_RO, VSVM_ATTR_GPU_RO);
	down_write(&t->lock);
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_begin(&u, &t->tree, AT(4), AT(12), &c));
	KUNIT_EXPECT_FALSE(test, u.single);
	vsvm_attr_abort(&u);
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_begin(&u, &t->tree, AT(10), AT(12), &c));
	KUNIT_EXPECT_TRUE(test, u.single);
	vsvm_attr_abort(&u);
	up_write(&t->lock);
	expect_words(test);
	expect_tidy(test);
	KUNIT_EXPECT_EQ(test, 1, t->tree.count);
}

static void attr_pairs(struct kunit *test)
{
	struct drm_vsvm_attr a[2] = {};
	struct attr_test *t = test->priv;
	struct vsvm_attr_change c;
	bool set;

	a[0].type = DRM_VSVM_ATTR_ALWAYS_MAPPED + 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, vsvm_attr_parse(a, 1, &c));
	a[0].type = U32_MAX;
	KUNIT_EXPECT_EQ(test, -EINVAL, vsvm_attr_parse(a, 1, &c));
	a[0] = (struct drm_vsvm_attr) { DRM_VSVM_ATTR_GRANULARITY, 64 };
	KUNIT_EXPECT_EQ(test, -EINVAL, vsvm_attr_parse(a, 1, &c));
	/* The later of two counts, and takes all of the earlier one away */
	a[0] = (struct drm_vsvm_attr) { DRM_VSVM_ATTR_GRANULARITY, 63 };
	a[1] = (struct drm_vsvm_attr) { DRM_VSVM_ATTR_GRANULARITY, 0 };
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_parse(a, 2, &c));
	KUNIT_EXPECT_EQ(test, VSVM_ATTR_GRANULARITY, c.clear);
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_value(&t->tree, c.set,
						 DRM_VSVM_ATTR_GRANULARITY));
	/* More than the device can is what the device can */
	KUNIT_EXPECT_EQ(test, 0, vsvm_attr_parse(a, 1, &c));
	KUNIT_EXPECT_EQ(test, 63, vsvm_attr_value(&t->tree, c.set,
						  DRM_VSVM_ATTR_GRANULARITY));
	KUNIT_EXPECT_EQ(test, VSVM_ATTR_MAX_ORDER, vsvm_attr_order(&t->tree, c.set, &set));
	KUNIT_EXPECT_TRUE(test, set);
	vsvm_attr_order(&t->tree, 0, &set);
	KUNIT_EXPECT_FALSE(test, set);
}

static struct kunit_case attr_cases[] = {
	KUNIT_CASE(attr_empty),
	KUNIT_CASE(attr_extent),
	KUNIT_CASE(attr_first_and_last_address),
	KUNIT_CASE(attr_random),
	KUNIT_CASE(attr_no_memory_at_any_step),
	KUNIT_CASE(attr_abort),
	KUNIT_CASE(attr_pairs),
	{}
};

struct kunit_suite vsvm_attr_suite = {
	.name = "vsvm_attr",
	.init = attr_test_init,
	.exit = attr_test_exit,
	.test_cases = attr_cases,
};
