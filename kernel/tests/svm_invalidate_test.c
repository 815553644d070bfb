// SPDX-License-Identifier: GPL-2.0-only
/* What core-mm takes away goes from the device, and nothing else does. */
#include <kunit/test.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

#include "tests/svm_fixture.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	VSVM_SVM_BLOCK_PAGES

/* All pages there, and all mapped */
static void fill(struct svm_fixture *f, unsigned int first, unsigned int npages)
{
	unsigned int page;

	svm_mmap(f, first, npages, RW);
	svm_write(f, first, npages);
	for (page = first; page < first + npages; page++)
		if (!svm_mapped(f, page, 1))
			KUNIT_EXPECT_EQ(f->test, VSVM_SVM_OK, svm_serve(f, page, true));
	KUNIT_EXPECT_EQ(f->test, npages, svm_writable(f, first, npages));
	svm_fake_forget(&f->fake);
}

static void invalidate_page(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	fill(f, 0, 64);
	svm_munmap(f, 33, 1);
	KUNIT_EXPECT_EQ(test, 63, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 33, 1));
	svm_expect_calls(f, ZAP, 1);
	svm_expect_call(f, ZAP, 0, 33, 1);
	svm_expect_stat(f, INVALIDATIONS, 1);
	svm_expect_stat(f, INVALIDATIONS_HIT, 1);
}

/*
 * A range over two blocks, and over two spans.  Where a mapping covers a block,
 * core-mm names all of it when the mapping is cut there, as there might be a
 * huge page; so these do not.
 */
static void invalidate_range(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	fill(f, BLOCK - 100, 200);
	fill(f, 2 * BLOCK - 100, 200);
	svm_munmap(f, BLOCK - 5, 10);
	KUNIT_EXPECT_EQ(test, 400 - 10, svm_mapped(f, 0, 4 * BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, BLOCK - 5, 10));
	svm_expect_calls(f, ZAP, 1);
	svm_expect_call(f, ZAP, 0, BLOCK - 5, 10);
	svm_fake_forget(&f->fake);
	svm_munmap(f, 2 * BLOCK - 3, 7);
	KUNIT_EXPECT_EQ(test, 400 - 17, svm_mapped(f, 0, 4 * BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 2 * BLOCK - 3, 7));
	svm_expect_calls(f, ZAP, 2);
	svm_expect_call(f, ZAP, 0, 2 * BLOCK - 3, 3);
	svm_expect_call(f, ZAP, 1, 2 * BLOCK, 4);
}

static void invalidate_all(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	fill(f, 0, 3 * BLOCK);
	svm_munmap(f, 0, SVM_FAKE_PAGES);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, SVM_FAKE_PAGES));
	KUNIT_EXPECT_EQ(test, 2, vsvm_svm_spans(f->svm));
	svm_expect_calls(f, SPAN_DESTROY, 0);
	svm_expect_calls(f, ZAP, 2);
}

/* Where nobody has been, and where nothing is mapped */
static void invalidate_miss(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	svm_write(f, 0, SVM_FAKE_PAGES);
	svm_munmap(f, 0, 1);
	svm_expect_calls(f, ZAP, 0);
	svm_expect_stat(f, INVALIDATIONS, 0);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
	svm_munmap(f, BLOCK, 3 * BLOCK);
	svm_expect_calls(f, ZAP, 1);
	svm_expect_call(f, ZAP, 0, BLOCK, BLOCK);
	svm_expect_stat(f, INVALIDATIONS, 1);
	svm_expect_stat(f, INVALIDATIONS_HIT, 0);
}

/* Unmapped and mapped again: the device does not see what was there before */
static void invalidate_and_again(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	fill(f, 0, 64);
	for (i = 0; i < 20; i++) {
		svm_mmap(f, 17, 2, RW);
		KUNIT_EXPECT_EQ(test, 62, svm_mapped(f, 0, BLOCK));
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 17, true));
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 18, true));
		svm_agree(f);
	}
	KUNIT_EXPECT_EQ(test, 64, svm_writable(f, 0, BLOCK));
}

/* A page of a huge one: core-mm splits it, which takes the block; no more */
static void invalidate_huge(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	fill(f, 0, 32);
	if (!svm_make_huge(f, BLOCK)) {
		kunit_mark_skipped(test, "no huge page to be had");
		return;
	}
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK, true));
	svm_munmap(f, BLOCK + 3, 1);
	KUNIT_EXPECT_EQ(test, 32, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, BLOCK + 3, 1));
	svm_agree(f);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, BLOCK + 4, true));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, svm_serve(f, BLOCK + 3, true));
	KUNIT_EXPECT_EQ(test, SVM_AROUND - 1, svm_mapped(f, BLOCK, SVM_AROUND));
	svm_expect_stat(f, MAPPED_2M, 0);
	svm_expect_calls(f, MAP_HUGE, 1);
}

/* The program writes to its own copy of a file: that page has moved */
static void invalidate_copy_on_write(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned long before;

	svm_mmap_file(f, 0, 32, svm_file(f, 32), MAP_PRIVATE);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 8, false));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 12, false));
	KUNIT_EXPECT_EQ(test, 2, svm_mapped(f, 0, 32));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 0, 32));
	before = svm_fake_entry(&f->fake, SVM_PAGE(8));
	svm_fake_forget(&f->fake);
	svm_write(f, 8, 1);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 8, 1));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 12, 1));
	svm_expect_calls(f, ZAP, 1);
	svm_expect_call(f, ZAP, 0, 8, 1);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 8, true));
	KUNIT_EXPECT_NE(test, before >> SVM_FAKE_PFN_SHIFT,
			svm_fake_entry(&f->fake, SVM_PAGE(8)) >> SVM_FAKE_PFN_SHIFT);
}

/* A hole is punched into a file */
static void invalidate_punch(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct file *file = svm_file(f, 64);

	svm_mmap_file(f, 0, 64, file, MAP_SHARED);
	svm_write(f, 0, 64);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 5, true));
	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_mapped(f, 0, 64));
	KUNIT_EXPECT_EQ(test, 0,
			vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      2 * PAGE_SIZE, 3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, SVM_AROUND - 3, svm_mapped(f, 0, 64));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 2, 3));
}

/* Write-back takes the right to write from one page, and only that */
static void invalidate_clean(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct file *file = svm_file(f, 64);
	struct folio *folio;

	svm_mmap_file(f, 0, 64, file, MAP_SHARED);
	svm_write(f, 0, 64);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 5, true));
	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_writable(f, 0, 64));
	svm_fake_forget(&f->fake);

	folio = filemap_lock_folio(file->f_mapping, 5);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, folio);
	KUNIT_EXPECT_EQ(test, 1, folio_mkclean(folio));
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_mapped(f, 0, 64));
	KUNIT_EXPECT_EQ(test, SVM_AROUND - 1, svm_writable(f, 0, 64));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 5, 1));
	svm_expect_calls(f, ZAP, 0);
	svm_expect_calls(f, PROTECT, 1);
	svm_expect_call(f, PROTECT, 0, 5, 1);
	svm_expect_stat(f, INVALIDATIONS_HIT, 1);
	/* It can be had back */
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 5, false));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 5, 1));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 5, true));
	KUNIT_EXPECT_EQ(test, 1, svm_writable(f, 5, 1));
}

static struct vsvm_svm_notifier *notifier_of(struct svm_fixture *f, unsigned int page)
{
	struct vsvm_svm_notifier *n = vsvm_svm_notifier_get(f->svm, SVM_PAGE(page));

	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, n);
	return n;
}

/*
 * Call the notifier of a page as core-mm would for something that modules cannot
 * do.  @blocking: how core-mm usually does it, with the mmap_lock held.
 */
static bool notify(struct svm_fixture *f, struct vsvm_svm_notifier *n,
		   enum mmu_notifier_event event, bool blocking, unsigned int first,
		   unsigned int npages)
{
	struct mmu_notifier_range range;
	bool ret;

	mmu_notifier_range_init(&range, event,
				blocking ? MMU_NOTIFIER_RANGE_BLOCKABLE : 0, f->mm,
				SVM_PAGE(first), SVM_PAGE(first + npages));
	if (blocking)
		mmap_write_lock(f->mm);
	ret = n->mni.ops->invalidate(&n->mni, &range, n->mni.invalidate_seq);
	if (blocking)
		mmap_write_unlock(f->mm);
	return ret;
}

/* fork() makes pages read-only; they stay where they are */
static void invalidate_protect(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	fill(f, 0, 64);
	KUNIT_EXPECT_TRUE(test, notify(f, notifier_of(f, 0), MMU_NOTIFY_PROTECTION_PAGE,
				       true, 0, 4));
	KUNIT_EXPECT_TRUE(test, notify(f, notifier_of(f, 0), MMU_NOTIFY_SOFT_DIRTY,
				       true, 8, 4));
	KUNIT_EXPECT_EQ(test, 64, svm_mapped(f, 0, 64));
	KUNIT_EXPECT_EQ(test, 56, svm_writable(f, 0, 64));
	svm_expect_call(f, PROTECT, 0, 0, 4);
	svm_expect_call(f, PROTECT, 1, 8, 4);
	svm_expect_calls(f, ZAP, 0);
}

/* Everything else may have moved the page */
static void invalidate_events(struct kunit *test)
{
	static const enum mmu_notifier_event events[] = {
		MMU_NOTIFY_UNMAP, MMU_NOTIFY_CLEAR, MMU_NOTIFY_MIGRATE,
		MMU_NOTIFY_EXCLUSIVE, MMU_NOTIFY_RELEASE,
	};
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	fill(f, 0, 64);
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		KUNIT_EXPECT_TRUE(test, notify(f, notifier_of(f, 0), events[i], true,
					       3 * i, 1));
		KUNIT_EXPECT_EQ(test, 64 - i - 1, svm_mapped(f, 0, 64));
		svm_expect_call(f, ZAP, i, 3 * i, 1);
	}
	svm_expect_calls(f, PROTECT, 0);
}

/*
 * A change of protection: what may still be read stays, what may not goes, and
 * so does what no mapping covers.
 */
static void invalidate_mprotect(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned int i;

	fill(f, 0, 48);
	/* Of the process' mappings there remain 4..7, 8..11 unreadable, 16..19 */
	svm_munmap(f, 0, 48);
	svm_mmap(f, 4, 4, RW);
	svm_mmap(f, 8, 4, PROT_READ);
	svm_vma_flags(f, 8, 0, VM_READ);
	svm_mmap(f, 16, 4, RW);
	for (i = 0; i < 24; i++)
		f->fake.entry[i] = SVM_FAKE_VALID | SVM_FAKE_WRITE;
	svm_fake_forget(&f->fake);

	KUNIT_EXPECT_TRUE(test, notify(f, notifier_of(f, 0), MMU_NOTIFY_PROTECTION_VMA,
				       true, 2, 20));
	KUNIT_EXPECT_EQ(test, 2, svm_writable(f, 0, 2));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 2, 2));
	KUNIT_EXPECT_EQ(test, 4, svm_mapped(f, 4, 4));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 4, 4));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 8, 8));
	KUNIT_EXPECT_EQ(test, 4, svm_mapped(f, 16, 4));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 16, 4));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 20, 2));
	KUNIT_EXPECT_EQ(test, 2, svm_writable(f, 22, 2));
	memset(f->fake.entry, 0, sizeof(f->fake.entry));
}

/* A mapping that goes on beyond the span, and a range that does */
static void invalidate_mprotect_clips(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	svm_write(f, 2 * BLOCK, 1);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 2 * BLOCK, true));
	svm_fake_forget(&f->fake);
	KUNIT_EXPECT_TRUE(test, notify(f, notifier_of(f, 2 * BLOCK),
				       MMU_NOTIFY_PROTECTION_VMA, true, 2 * BLOCK,
				       6 * BLOCK));
	svm_expect_calls(f, PROTECT, 1);
	svm_expect_call(f, PROTECT, 0, 2 * BLOCK, 2 * BLOCK);
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 2 * BLOCK, 1));
}

/* Who cannot wait is told to come again, and nothing has happened */
static void invalidate_nonblocking(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct vsvm_svm_notifier *n;

	fill(f, 0, 64);
	n = notifier_of(f, 0);
	mutex_lock(&n->span->lock);
	KUNIT_EXPECT_FALSE(test, notify(f, n, MMU_NOTIFY_UNMAP, false, 0, 64));
	mutex_unlock(&n->span->lock);
	KUNIT_EXPECT_EQ(test, 64, svm_mapped(f, 0, 64));
	svm_expect_calls(f, ZAP, 0);
	svm_expect_stat(f, INVALIDATIONS, 0);
	KUNIT_EXPECT_TRUE(test, notify(f, n, MMU_NOTIFY_UNMAP, false, 0, 64));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, 64));
	svm_expect_stat(f, INVALIDATIONS, 1);
}

static void invalidate_stop(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	fill(f, 0, 32);
	fill(f, 2 * BLOCK + 9, 32);
	fill(f, SVM_FAKE_PAGES - 32, 32);
	vsvm_svm_stop(f->svm);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, SVM_FAKE_PAGES));
	svm_expect_calls(f, SPAN_DESTROY, 0);
	/* The process has kept all */
	KUNIT_EXPECT_EQ(test, 96, svm_present(f, 0, SVM_FAKE_PAGES));
	/* What core-mm does from now on is still heard */
	svm_munmap(f, 0, 1);
	svm_expect_stat(f, INVALIDATIONS, 1);
	svm_expect_stat(f, INVALIDATIONS_HIT, 0);
}

/* Pages that the device has written, in one folio and over several */
static void invalidate_dirty(struct kunit *test)
{
	struct page *page;
	struct folio *big;
	unsigned int i;

	page = alloc_pages(GFP_KERNEL, 3);
	KUNIT_ASSERT_NOT_NULL(test, page);
	split_page(page, 3);
	vsvm_svm_page_dirty(page_to_pfn(page) + 2, 3);
	for (i = 0; i < 8; i++) {
		struct folio *folio = page_folio(page + i);

		KUNIT_EXPECT_EQ_MSG(test, i >= 2 && i < 5, folio_test_dirty(folio),
				    "page %u", i);
		folio_clear_dirty(folio);
		__free_page(page + i);
	}

	big = folio_alloc(GFP_KERNEL, 3);
	KUNIT_ASSERT_NOT_NULL(test, big);
	vsvm_svm_page_dirty(folio_pfn(big) + 7, 1);
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(big));
	folio_clear_dirty(big);
	folio_put(big);
}

static struct kunit_case vsvm_svm_invalidate_cases[] = {
	KUNIT_CASE(invalidate_page),
	KUNIT_CASE(invalidate_range),
	KUNIT_CASE(invalidate_all),
	KUNIT_CASE(invalidate_miss),
	KUNIT_CASE(invalidate_and_again),
	KUNIT_CASE(invalidate_huge),
	KUNIT_CASE(invalidate_copy_on_write),
	KUNIT_CASE(invalidate_punch),
	KUNIT_CASE(invalidate_clean),
	KUNIT_CASE(invalidate_protect),
	KUNIT_CASE(invalidate_events),
	KUNIT_CASE(invalidate_mprotect),
	KUNIT_CASE(invalidate_mprotect_clips),
	KUNIT_CASE(invalidate_nonblocking),
	KUNIT_CASE(invalidate_stop),
	KUNIT_CASE(invalidate_dirty),
	{ }
};

struct kunit_suite vsvm_svm_invalidate_suite = {
	.name = "vsvm_svm_invalidate",
	.test_cases = vsvm_svm_invalidate_cases,
};
