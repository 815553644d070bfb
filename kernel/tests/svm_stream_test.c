// SPDX-License-Identifier: GPL-2.0-only
/* How many pages a fault is worth, from the faults before it. */
#include <kunit/test.h>
#include <kunit/visibility.h>

#include "svm/svm_priv.h"

#define PAGE(n)		((unsigned long)(n) << PAGE_SHIFT)
#define SLACK		2

/**
 * struct stream_test - the runs of a span
 * @test: that uses it
 * @streams: runs
 * @victim: the next to be replaced
 */
struct stream_test {
	struct kunit *test;
	struct vsvm_svm_stream streams[VSVM_SVM_STREAMS];
	unsigned int victim;
};

static int stream_init(struct kunit *test)
{
	struct stream_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->test = test;
	test->priv = t;
	return 0;
}

static unsigned int window(struct stream_test *t, unsigned long page,
			   unsigned int npages)
{
	return vsvm_svm_stream_window(t->streams, &t->victim, PAGE(page), npages);
}

static void stream_scattered(struct kunit *test)
{
	struct stream_test *t = test->priv;
	unsigned long page;

	/* The very first pages: nothing has been seen, so nothing goes on */
	for (page = 0; page < 4; page++)
		KUNIT_EXPECT_EQ(test, 1, window(t, page * 100, 1));
	for (page = 40000; page > 1000; page -= 500)
		KUNIT_EXPECT_EQ(test, 1, window(t, page, 1));
}

static void stream_same_page(struct kunit *test)
{
	struct stream_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, 1, window(t, 1000, 1));
}

static void stream_backwards(struct kunit *test)
{
	struct stream_test *t = test->priv;
	unsigned long page;

	for (page = 5000; page > 4900; page--)
		KUNIT_EXPECT_EQ(test, 1, window(t, page, 1));
}

static void stream_run(struct kunit *test)
{
	struct stream_test *t = test->priv;
	unsigned int expected = 1, i;
	unsigned long page = 1000;

	for (i = 0; i < 16; i++) {
		KUNIT_EXPECT_EQ(test, expected, window(t, page, 1));
		page += expected;
		expected = min_t(unsigned int, 2 * expected, VSVM_SVM_BLOCK_PAGES);
	}
	KUNIT_EXPECT_EQ(test, VSVM_SVM_BLOCK_PAGES, expected);
}

/* As many runs at once as are followed, and a run that ends makes room */
static void stream_several(struct kunit *test)
{
	unsigned long page[VSVM_SVM_STREAMS];
	struct stream_test *t = test->priv;
	unsigned int s, i;

	for (s = 0; s < VSVM_SVM_STREAMS; s++)
		page[s] = 10000 * (s + 1);
	for (i = 0; i < 5; i++) {
		for (s = 0; s < VSVM_SVM_STREAMS; s++) {
			KUNIT_EXPECT_EQ(test, BIT(i), window(t, page[s], 1));
			page[s] += BIT(i);
		}
	}
	/* Something else takes the place of the oldest; the others go on */
	KUNIT_EXPECT_EQ(test, 1, window(t, 900000, 1));
	for (s = VSVM_SVM_STREAMS - 1; s > 0; s--)
		KUNIT_EXPECT_EQ(test, 32, window(t, page[s], 1));
	KUNIT_EXPECT_EQ(test, 1, window(t, page[0], 1));
}

static void stream_slack(struct kunit *test)
{
	struct stream_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, 1, window(t, 1000, 1));
	KUNIT_EXPECT_EQ(test, 2, window(t, 1001 + SLACK, 1));
	KUNIT_EXPECT_EQ(test, 4, window(t, 1003 + SLACK, 1));
	KUNIT_EXPECT_EQ(test, 1, window(t, 1007 + SLACK + SLACK + 1, 1));
	/* Short of where it was to go on */
	KUNIT_EXPECT_EQ(test, 1, window(t, 1006 + SLACK, 1));
}

static void stream_at_once(struct kunit *test)
{
	struct stream_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, 7, window(t, 1000, 7));
	KUNIT_EXPECT_EQ(test, 14, window(t, 1007, 1));
	KUNIT_EXPECT_EQ(test, 100, window(t, 1021, 100));
	KUNIT_EXPECT_EQ(test, 200, window(t, 1121, 1));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_BLOCK_PAGES,
			window(t, 50000, VSVM_SVM_BLOCK_PAGES));
}

static void stream_advance(struct kunit *test)
{
	struct stream_test *t = test->priv;

	/* What lay behind the window was mapped along: the run goes on there */
	KUNIT_EXPECT_EQ(test, 1, window(t, 1000, 1));
	vsvm_svm_stream_advance(t->streams, PAGE(1000), PAGE(1016));
	KUNIT_EXPECT_EQ(test, 2, window(t, 1016, 1));
	/* It does not go back to where less was mapped */
	vsvm_svm_stream_advance(t->streams, PAGE(1016), PAGE(1017));
	KUNIT_EXPECT_EQ(test, 4, window(t, 1018, 1));
	/* Others are left alone */
	KUNIT_EXPECT_EQ(test, 1, window(t, 9000, 1));
	vsvm_svm_stream_advance(t->streams, PAGE(9000), PAGE(9100));
	KUNIT_EXPECT_EQ(test, 8, window(t, 1022, 1));
	KUNIT_EXPECT_EQ(test, 2, window(t, 9100, 1));
}

static struct kunit_case vsvm_svm_stream_cases[] = {
	KUNIT_CASE(stream_scattered),
	KUNIT_CASE(stream_same_page),
	KUNIT_CASE(stream_backwards),
	KUNIT_CASE(stream_run),
	KUNIT_CASE(stream_several),
	KUNIT_CASE(stream_slack),
	KUNIT_CASE(stream_at_once),
	KUNIT_CASE(stream_advance),
	{ }
};

struct kunit_suite vsvm_svm_stream_suite = {
	.name = "vsvm_svm_stream",
	.init = stream_init,
	.test_cases = vsvm_svm_stream_cases,
};
