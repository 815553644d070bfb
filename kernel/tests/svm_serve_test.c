// SPDX-License-Identifier: GPL-2.0-only
/* What a touch of the device maps, and what it brings into the process. */
#include <kunit/test.h>
#include <linux/hmm.h>

#include "tests/svm_fixture.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	VSVM_SVM_BLOCK_PAGES

/* A page in the middle of what is looked at around it */
#define TOUCH	(6 * SVM_AROUND + 4)
#define AROUND	(6 * SVM_AROUND)

static void serve_hole(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned long entry;

	svm_mmap(f, 0, BLOCK, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 1, svm_present(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	entry = svm_fake_entry(&f->fake, SVM_PAGE(TOUCH));
	KUNIT_EXPECT_TRUE(test, entry & SVM_FAKE_WRITE);
	KUNIT_EXPECT_EQ(test, svm_look(f, TOUCH) & ~HMM_PFN_FLAGS,
			entry >> SVM_FAKE_PFN_SHIFT);
	svm_expect_stat(f, POPULATED, 1);
	svm_expect_stat(f, AHEAD, 0);
	svm_expect_stat(f, AROUND, 0);
	svm_expect_stat(f, RETRIES, 0);
	svm_expect_stat(f, VALID, 0);
	svm_expect_stat(f, GROUPS, 1);
	/* One look that finds nothing, one that finds the page */
	svm_expect_stat(f, SNAPSHOTS, 2);
	svm_expect_calls(f, MAP, 1);
}

/* A read of a hole is worth the zero page, which nobody may write to */
static void serve_hole_read(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, false));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 1, svm_present(f, 0, BLOCK));
	/* Writing to it brings a page of its own */
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 1, svm_writable(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 1, svm_present(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 2);
}

/* Touches all over the place: each is worth one page */
static void serve_scattered(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	for (i = 0; i < 64; i++)
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK,
				svm_serve(f, (i * 1023 + 7) % SVM_FAKE_PAGES, true));
	KUNIT_EXPECT_EQ(test, 64, svm_present(f, 0, SVM_FAKE_PAGES));
	KUNIT_EXPECT_EQ(test, 64, svm_mapped(f, 0, SVM_FAKE_PAGES));
	svm_expect_stat(f, POPULATED, 64);
	svm_expect_stat(f, AHEAD, 0);
}

static void serve_around(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 0, BLOCK);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, false));
	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_writable(f, AROUND, SVM_AROUND));
	svm_expect_stat(f, AROUND, SVM_AROUND - 1);
	svm_expect_stat(f, POPULATED, 0);
	svm_expect_stat(f, SNAPSHOTS, 1);
	svm_expect_calls(f, MAP, 1);
	svm_expect_call(f, MAP, 0, AROUND, SVM_AROUND);
}

/* Of what lies around, only what is there */
static void serve_around_holes(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, AROUND, 1);
	svm_write(f, TOUCH + 3, 2);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 4, svm_present(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 4, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, TOUCH, 1));
	svm_expect_stat(f, POPULATED, 1);
	svm_expect_stat(f, AROUND, 3);
}

static void serve_around_one(struct kunit *test)
{
	struct vsvm_svm_config config = svm_default_config;

	config.around = 1;
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, &config);
	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 0, BLOCK);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, TOUCH, 1));
}

static void serve_around_block(struct kunit *test)
{
	struct vsvm_svm_config config = svm_default_config;

	config.around = BLOCK;
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, &config);
	svm_mmap(f, 0, 2 * BLOCK, RW);
	svm_write(f, BLOCK - 1, BLOCK);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK + 17, true));
	KUNIT_EXPECT_EQ(test, BLOCK - 1, svm_mapped(f, 0, 2 * BLOCK));
	KUNIT_EXPECT_EQ(test, BLOCK - 1, svm_mapped(f, BLOCK, BLOCK));
	svm_expect_stat(f, AROUND, BLOCK - 2);
}

/* A mapping that ends, one that forbids, a file that ends, device memory */
static void serve_bad_neighbour(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	for (i = 0; i < 4; i++) {
		unsigned int page = 2 * SVM_AROUND * i + 8;

		svm_mmap(f, page, 1, RW);
		if (i == 1) {
			svm_mmap(f, page - 1, 1, PROT_NONE);
			svm_mmap(f, page + 1, 1, PROT_NONE);
		} else if (i == 2) {
			svm_mmap_file(f, page + 1, 2, svm_file(f, 1), MAP_SHARED);
			svm_write(f, page + 1, 1);
		} else if (i == 3) {
			svm_mmap(f, page - 1, 1, PROT_READ);
			svm_vma_flags(f, page - 1, VM_IO, 0);
		}
		KUNIT_EXPECT_EQ_MSG(test, VSVM_SVM_OK, svm_serve(f, page, true),
				    "neighbour %u", i);
		KUNIT_EXPECT_EQ_MSG(test, i == 2 ? 2 : 1,
				    svm_mapped(f, page - 8, SVM_AROUND),
				    "neighbour %u", i);
	}
	svm_expect_stat(f, POPULATED, 4);
}

static void serve_valid(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_serve(f, TOUCH, true);
	svm_fake_forget(&f->fake);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, false));
	svm_expect_stat(f, VALID, 2);
	svm_expect_stat(f, GROUPS, 3);
	svm_expect_stat(f, SNAPSHOTS, 2);
	KUNIT_EXPECT_EQ(test, 0, f->fake.ncalls);
}

/* A page that the process may write to, mapped read-only before, gains the right */
static void serve_upgrade(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, TOUCH, 1);
	f->bounds.read_only = true;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, false));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 0, BLOCK));
	f->bounds.read_only = false;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 1, svm_writable(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 0);
	svm_expect_stat(f, AROUND, 0);
	svm_expect_calls(f, ZAP, 0);
}

static void serve_bounds(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 0, BLOCK);
	f->bounds.start = SVM_PAGE(TOUCH - 2);
	f->bounds.end = SVM_PAGE(TOUCH + 3);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	KUNIT_EXPECT_EQ(test, 5, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 5, svm_mapped(f, TOUCH - 2, 5));
	svm_expect_call(f, MAP, 0, TOUCH - 2, 5);
}

/* The first and the last page of a block, and of a span */
static void serve_edges(struct kunit *test)
{
	static const unsigned int pages[] = {
		0, BLOCK, BLOCK - 1, 2 * BLOCK, 2 * BLOCK - 1, SVM_FAKE_PAGES - 1,
	};
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, pages[i], true));
		KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, pages[i], 1));
	}
	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(pages), svm_present(f, 0, SVM_FAKE_PAGES));
}

/* Requests far apart: what lies between them and around neither is left alone */
static void serve_far_apart(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 0, BLOCK);
	svm_ask(f, 3, true);
	svm_ask(f, 400, true);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, 2 * SVM_AROUND, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_mapped(f, 0, SVM_AROUND));
	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_mapped(f, 400, SVM_AROUND));
	svm_expect_calls(f, MAP, 2);
	svm_expect_stat(f, AROUND, 2 * SVM_AROUND - 2);
}

/* A read and a write of the same page at once: it is brought in once */
static void serve_read_and_write(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_ask(f, TOUCH, false);
	svm_ask(f, TOUCH, true);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[1].status);
	KUNIT_EXPECT_EQ(test, 1, svm_writable(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 1, svm_present(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 1);
	svm_expect_calls(f, MAP, 1);
}

/* What was decided before is not decided again */
static void serve_not_pending(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_ask(f, 5, true);
	f->req[0].status = VSVM_SVM_BUS;
	svm_ask(f, 6, true);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_BUS, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[1].status);
	KUNIT_EXPECT_EQ(test, 1, svm_present(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 5, 1));
}

/* Several touches at once of pages in a row: those pages and no more */
static void serve_in_a_row(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	svm_mmap(f, 0, BLOCK, RW);
	for (i = 0; i < 8; i++)
		svm_ask(f, TOUCH + i, true);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[i].status);
	KUNIT_EXPECT_EQ(test, 8, svm_mapped(f, TOUCH, 8));
	KUNIT_EXPECT_EQ(test, 8, svm_present(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 8);
	svm_expect_stat(f, AHEAD, 0);
}

/* As many as there may be, a page between each two */
static void serve_many(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	svm_mmap(f, 0, BLOCK, RW);
	for (i = 0; i < SVM_REQUESTS; i++)
		svm_ask(f, 2 * i, true);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	for (i = 0; i < SVM_REQUESTS; i++)
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[i].status);
	KUNIT_EXPECT_EQ(test, SVM_REQUESTS, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, SVM_REQUESTS, svm_present(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, SVM_REQUESTS);
	svm_expect_stat(f, AHEAD, 0);
	svm_expect_stat(f, GROUPS, 1);
	/* One walk for all, before and after */
	svm_expect_stat(f, SNAPSHOTS, 2);
	svm_expect_calls(f, MAP, 1);
}

/* Touch whatever is missing, from the first page on.  Return: touches */
static unsigned int stream_through(struct svm_fixture *f, unsigned int first,
				   unsigned int npages)
{
	unsigned int page, touches = 0;

	for (page = first; page < first + npages; page++) {
		if (svm_mapped(f, page, 1))
			continue;
		KUNIT_EXPECT_EQ(f->test, VSVM_SVM_OK, svm_serve(f, page, true));
		touches++;
	}
	return touches;
}

/* A run through a hole: windows of 1, 2, 4, 8, ... pages from the first on */
static void serve_stream_begins(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int touches;

	svm_mmap(f, 0, BLOCK, RW);
	touches = stream_through(f, 0, 255);
	KUNIT_EXPECT_EQ(test, 8, touches);
	KUNIT_EXPECT_EQ(test, 255, svm_present(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 255);
	svm_expect_stat(f, AHEAD, 255 - touches);
}

/* It goes on in the next block with no smaller windows */
static void serve_stream_goes_on(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, 2 * BLOCK, RW);
	stream_through(f, 0, BLOCK);
	KUNIT_EXPECT_EQ(test, BLOCK, svm_present(f, 0, 2 * BLOCK));
	KUNIT_EXPECT_LE(test, stream_through(f, BLOCK, BLOCK), 2);
	KUNIT_EXPECT_EQ(test, 2 * BLOCK, svm_mapped(f, 0, 2 * BLOCK));
}

/* All of it is what the run has asked for, block by block */
static void serve_stream_hole(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int touches;

	svm_mmap(f, 0, 2 * BLOCK, RW);
	touches = stream_through(f, 0, 2 * BLOCK);
	KUNIT_EXPECT_EQ(test, 2 * BLOCK, svm_mapped(f, 0, 2 * BLOCK));
	KUNIT_EXPECT_EQ(test, 2 * BLOCK, svm_present(f, 0, SVM_FAKE_PAGES));
	KUNIT_EXPECT_LE(test, touches, 64);
	svm_expect_stat(f, POPULATED, 2 * BLOCK);
	svm_expect_stat(f, AHEAD, 2 * BLOCK - touches);
}

/* A run through memory that is there goes as fast */
static void serve_stream_present(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int touches;

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 0, BLOCK);
	touches = stream_through(f, 0, BLOCK);
	KUNIT_EXPECT_LE(test, touches, 9);
	svm_expect_stat(f, POPULATED, 0);
	svm_expect_stat(f, AROUND, BLOCK - touches);
}

/* What a run is heading for cannot fail it: here, the end of the mapping */
static void serve_stream_end(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, 100, RW);
	svm_mmap(f, 101, 100, RW);
	stream_through(f, 0, 100);
	KUNIT_EXPECT_EQ(test, 100, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 100, svm_present(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 100);
}

/* It does not go beyond the bounds either */
static void serve_stream_bounds(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->bounds.end = SVM_PAGE(100);
	stream_through(f, 0, 100);
	KUNIT_EXPECT_EQ(test, 100, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 100, svm_present(f, 0, BLOCK));
}

static void serve_huge(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	if (!svm_make_huge(f, BLOCK)) {
		kunit_mark_skipped(test, "no huge page to be had");
		return;
	}
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK + TOUCH, true));
	KUNIT_EXPECT_EQ(test, BLOCK, svm_writable(f, BLOCK, BLOCK));
	svm_expect_calls(f, MAP, 0);
	svm_expect_calls(f, PREPARE, 0);
	svm_expect_calls(f, MAP_HUGE, 1);
	svm_expect_call(f, MAP_HUGE, 0, BLOCK, BLOCK);
	svm_expect_stat(f, AROUND, BLOCK - 1);
	svm_expect_stat(f, POPULATED, 0);
	/* The second touch finds it */
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 2 * BLOCK - 1, true));
	svm_expect_calls(f, MAP_HUGE, 1);
	svm_expect_stat(f, VALID, 1);
}

/* Nothing there yet, but it may become a huge page: one touch brings it in */
static void serve_huge_hole(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_vma_flags(f, 0, VM_HUGEPAGE, VM_NOHUGEPAGE);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, TOUCH, true));
	if (hmm_pfn_to_map_order(svm_look(f, 0)) != HPAGE_PMD_ORDER) {
		kunit_mark_skipped(test, "no huge page to be had");
		return;
	}
	svm_expect_calls(f, MAP_HUGE, 1);
	svm_expect_stat(f, POPULATED, 1);
}

/* A block that is bound in part is never mapped as a whole */
static void serve_huge_bounds(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	if (!svm_make_huge(f, BLOCK)) {
		kunit_mark_skipped(test, "no huge page to be had");
		return;
	}
	f->bounds.end = SVM_PAGE(2 * BLOCK - 1);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 2 * BLOCK - 2, true));
	svm_expect_calls(f, MAP_HUGE, 0);
	KUNIT_EXPECT_EQ(test, SVM_AROUND - 1, svm_mapped(f, BLOCK, BLOCK));
	f->bounds.end = SVM_END;
	f->bounds.start = SVM_PAGE(BLOCK + 1);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK + 1, true));
	svm_expect_calls(f, MAP_HUGE, 0);
	KUNIT_EXPECT_EQ(test, 2 * SVM_AROUND - 2, svm_mapped(f, BLOCK, BLOCK));
	/* Bound as a whole, it is */
	f->bounds.start = SVM_BASE;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK + 100, true));
	svm_expect_calls(f, MAP_HUGE, 1);
	KUNIT_EXPECT_EQ(test, BLOCK, svm_mapped(f, BLOCK, BLOCK));
}

static void serve_huge_read_only(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	if (!svm_make_huge(f, BLOCK)) {
		kunit_mark_skipped(test, "no huge page to be had");
		return;
	}
	f->bounds.read_only = true;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK, false));
	KUNIT_EXPECT_EQ(test, BLOCK, svm_mapped(f, BLOCK, BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, BLOCK, BLOCK));
}

static struct kunit_case vsvm_svm_serve_cases[] = {
	KUNIT_CASE(serve_hole),
	KUNIT_CASE(serve_hole_read),
	KUNIT_CASE(serve_scattered),
	KUNIT_CASE(serve_around),
	KUNIT_CASE(serve_around_holes),
	KUNIT_CASE(serve_around_one),
	KUNIT_CASE(serve_around_block),
	KUNIT_CASE(serve_bad_neighbour),
	KUNIT_CASE(serve_valid),
	KUNIT_CASE(serve_upgrade),
	KUNIT_CASE(serve_bounds),
	KUNIT_CASE(serve_edges),
	KUNIT_CASE(serve_far_apart),
	KUNIT_CASE(serve_read_and_write),
	KUNIT_CASE(serve_not_pending),
	KUNIT_CASE(serve_in_a_row),
	KUNIT_CASE(serve_many),
	KUNIT_CASE(serve_stream_begins),
	KUNIT_CASE(serve_stream_goes_on),
	KUNIT_CASE(serve_stream_hole),
	KUNIT_CASE(serve_stream_present),
	KUNIT_CASE(serve_stream_end),
	KUNIT_CASE(serve_stream_bounds),
	KUNIT_CASE(serve_huge),
	KUNIT_CASE(serve_huge_hole),
	KUNIT_CASE(serve_huge_bounds),
	KUNIT_CASE(serve_huge_read_only),
	{ }
};

struct kunit_suite vsvm_svm_serve_suite = {
	.name = "vsvm_svm_serve",
	.test_cases = vsvm_svm_serve_cases,
};
