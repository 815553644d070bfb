/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_SVM_FIXTURE_H_
#define _VSVM_SVM_FIXTURE_H_

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>

#include "svm/svm_priv.h"
#include "tests/svm_fake.h"

/* Where the tests have their memory; aligned to all that may matter */
#define SVM_BASE		(64UL << 30)
#define SVM_END			(SVM_BASE + SVM_FAKE_BYTES)
#define SVM_SPAN		(2 * VSVM_SVM_BLOCK_SIZE)
#define SVM_AROUND		16
#define SVM_REQUESTS		256

/* Address of a page, by its number */
#define SVM_PAGE(n)		(SVM_BASE + ((unsigned long)(n) << PAGE_SHIFT))

/**
 * struct svm_fixture - a process with memory, its mirror, and a fake device
 * @test: that uses it
 * @mm: the process, which is the test's own; NULL when left
 * @fake: the device
 * @svm: the mirror; NULL when destroyed
 * @user: the thread of the test, which has entered the mirror
 * @watch: to look at the process' page table; never interrupted by the mirror
 * @epoch: that @bounds hold for
 * @bounds: for svm_serve(): all that the device can see, unless changed
 * @req: for svm_serve_all()
 * @nreq: of @req
 * @scratch: for the mirror
 * @pfns: of svm_look()
 */
struct svm_fixture {
	struct kunit *test;
	struct mm_struct *mm;
	struct svm_fake fake;
	struct vsvm_svm *svm;
	struct vsvm_svm_user user;
	struct mmu_interval_notifier watch;
	u32 epoch;
	struct vsvm_svm_bounds bounds;
	struct vsvm_svm_request req[SVM_REQUESTS];
	unsigned int nreq;
	struct vsvm_svm_scratch scratch;
	unsigned long pfns[VSVM_SVM_BLOCK_PAGES];
};

extern const struct vsvm_svm_config svm_default_config;

/*
 * A test begins with svm_enter() and ends with svm_leave(), both in the thread
 * of the test: declare the fixture with __free(svm_leave).
 */
struct svm_fixture *svm_enter(struct kunit *test, const struct vsvm_svm_config *config);
void svm_leave(struct svm_fixture *f);

DEFINE_FREE(svm_leave, struct svm_fixture *, svm_leave(_T))

/* the process does something; pages are counted from @first */
void svm_mmap(struct svm_fixture *f, unsigned int first, unsigned int npages,
	      unsigned long prot);
void svm_mmap_file(struct svm_fixture *f, unsigned int first, unsigned int npages,
		   struct file *file, unsigned long flags);
struct file *svm_file(struct svm_fixture *f, unsigned int npages);
void svm_munmap(struct svm_fixture *f, unsigned int first, unsigned int npages);
void svm_write(struct svm_fixture *f, unsigned int first, unsigned int npages);
void svm_vma_flags(struct svm_fixture *f, unsigned int page, vm_flags_t set,
		   vm_flags_t clear);
bool svm_make_huge(struct svm_fixture *f, unsigned int first);

/* what the process has, as hmm_range_fault() says */
unsigned long svm_look(struct svm_fixture *f, unsigned int page);
unsigned int svm_present(struct svm_fixture *f, unsigned int first, unsigned int npages);

/* the device asks */
enum vsvm_svm_status svm_serve(struct svm_fixture *f, unsigned int page, bool write);
void svm_ask(struct svm_fixture *f, unsigned int page, bool write);
void svm_serve_all(struct svm_fixture *f, enum vsvm_svm_wait wait);

/* what the device has */
void svm_agree(struct svm_fixture *f);

static inline unsigned int svm_mapped(struct svm_fixture *f, unsigned int first,
				      unsigned int npages)
{
	return svm_fake_mapped(&f->fake, SVM_PAGE(first), SVM_PAGE(first + npages));
}

static inline unsigned int svm_writable(struct svm_fixture *f, unsigned int first,
					unsigned int npages)
{
	return svm_fake_writable(&f->fake, SVM_PAGE(first), SVM_PAGE(first + npages));
}

#define svm_expect_stat(fixture, stat, value) \
do { \
	struct svm_fixture *__f = (fixture); \
	\
	KUNIT_EXPECT_EQ(__f->test, (u64)(value), \
			vsvm_svm_stat(__f->svm, VSVM_STAT_##stat)); \
} while (0)

/* The nth call of an operation, from 0, was for these pages */
#define svm_expect_call(fixture, operation, nth, first, npages) \
do { \
	struct svm_fixture *__f = (fixture); \
	const struct svm_fake_call *__call = \
		svm_fake_call(&__f->fake, SVM_FAKE_##operation, nth); \
	unsigned int __first = (first); \
	\
	KUNIT_ASSERT_NOT_NULL(__f->test, __call); \
	KUNIT_EXPECT_EQ(__f->test, SVM_PAGE(__first), __call->start); \
	KUNIT_EXPECT_EQ(__f->test, SVM_PAGE(__first + (npages)), __call->end); \
} while (0)

/* There were so many calls of an operation */
#define svm_expect_calls(fixture, operation, n) \
do { \
	struct svm_fixture *__f = (fixture); \
	\
	KUNIT_EXPECT_EQ(__f->test, n, \
			svm_fake_count(&__f->fake, SVM_FAKE_##operation)); \
} while (0)

#endif
