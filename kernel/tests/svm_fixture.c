// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: a process on the bench
 *
 * A mirror is of the process that creates it, and threads of the kernel have
 * none.  So the thread of a test is given an address space of its own, with a
 * window of memory at a known place: what the test maps there is what the
 * mirror sees.  A second notifier, which no mirror knows, lets the test look at
 * the process' page table without touching it.
 */
#include <kunit/visibility.h>
#include <linux/file.h>
#include <linux/hmm.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>

#include "tests/svm_fixture.h"

const struct vsvm_svm_config svm_default_config = {
	.span_size = SVM_SPAN,
	.around = SVM_AROUND,
	.deadline_ms = 10000,
};

static bool watch_invalidate(struct mmu_interval_notifier *watch,
			     const struct mmu_notifier_range *range,
			     unsigned long cur_seq)
{
	mmu_interval_set_seq(watch, cur_seq);
	return true;
}

static const struct mmu_interval_notifier_ops watch_ops = {
	.invalidate = watch_invalidate,
};

static void fixture_stop(void *arg)
{
	struct svm_fixture *f = arg;

	if (f->svm) {
		vsvm_svm_stop(f->svm);
		vsvm_svm_destroy(f->svm);
		f->svm = NULL;
	}
	if (f->watch.ops)
		mmu_interval_notifier_remove(&f->watch);
	KUNIT_EXPECT_EQ(f->test, 0, atomic_read(&f->fake.spans));
	KUNIT_EXPECT_EQ(f->test, 0, atomic_read(&f->fake.outstanding));
}

static struct mm_struct *mm_begin(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_use_mm(mm);
	return mm;
}

/* config: NULL for the usual one */
struct svm_fixture *svm_enter(struct kunit *test, const struct vsvm_svm_config *config)
{
	struct svm_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!config)
		config = &svm_default_config;
	KUNIT_ASSERT_NOT_NULL(test, f);
	f->test = test;
	f->bounds = (struct vsvm_svm_bounds) {
		.start = SVM_BASE,
		.end = SVM_END,
		.epoch = &f->epoch,
	};
	svm_fake_init(&f->fake, test, SVM_BASE);
	f->fake.span_size = config->span_size;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, fixture_stop, f));
	f->mm = mm_begin(test);
	f->fake.mm = f->mm;
	KUNIT_ASSERT_EQ(test, 0,
			mmu_interval_notifier_insert(&f->watch, f->mm, SVM_BASE,
						     SVM_FAKE_BYTES, &watch_ops));
	f->svm = vsvm_svm_create(&svm_fake_ops, &f->fake, config);
	KUNIT_ASSERT_NOT_NULL(test, f->svm);
	vsvm_svm_enter(f->svm, &f->user);
	return f;
}

/* The last word of each test: the device has nothing that the process has not */
void svm_leave(struct svm_fixture *f)
{
	struct mm_struct *mm;

	if (!f)
		return;
	mm = f->mm;
	if (f->svm && current->mm == mm)
		svm_agree(f);
	if (f->svm)
		vsvm_svm_leave(f->svm, &f->user);
	kunit_release_action(f->test, fixture_stop, f);
	if (current->mm != mm)
		return;
	kthread_unuse_mm(mm);
	mmput(mm);
}

/* --- the process --- */

static void map_pages(struct svm_fixture *f, unsigned int first, unsigned int npages,
		      struct file *file, unsigned long prot, unsigned long flags)
{
	unsigned long address;

	address = vm_mmap(file, SVM_PAGE(first), (unsigned long)npages << PAGE_SHIFT,
			  prot, flags | MAP_FIXED, 0);
	KUNIT_EXPECT_EQ(f->test, SVM_PAGE(first), address);
}

void svm_mmap(struct svm_fixture *f, unsigned int first, unsigned int npages,
	      unsigned long prot)
{
	map_pages(f, first, npages, NULL, prot, MAP_PRIVATE | MAP_ANONYMOUS);
}

void svm_mmap_file(struct svm_fixture *f, unsigned int first, unsigned int npages,
		   struct file *file, unsigned long flags)
{
	map_pages(f, first, npages, file, PROT_READ | PROT_WRITE, flags);
}

KUNIT_DEFINE_ACTION_WRAPPER(fixture_fput, fput, struct file *);

/* A file in memory of so many pages, which are not there yet */
struct file *svm_file(struct svm_fixture *f, unsigned int npages)
{
	struct file *file;

	file = shmem_file_setup("vsvm-kunit", (loff_t)npages << PAGE_SHIFT,
				EMPTY_VMA_FLAGS);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, file);
	KUNIT_ASSERT_EQ(f->test, 0,
			kunit_add_action_or_reset(f->test, fixture_fput, file));
	return file;
}

void svm_munmap(struct svm_fixture *f, unsigned int first, unsigned int npages)
{
	KUNIT_EXPECT_EQ(f->test, 0,
			vm_munmap(SVM_PAGE(first), (size_t)npages << PAGE_SHIFT));
}

/* The program writes to the pages */
void svm_write(struct svm_fixture *f, unsigned int first, unsigned int npages)
{
	unsigned int i;

	for (i = first; i < first + npages; i++)
		KUNIT_EXPECT_EQ(f->test, 0,
				put_user(i + 1, (unsigned int __user *)SVM_PAGE(i)));
}

/* What a system call that modules cannot reach would do to a mapping's flags */
void svm_vma_flags(struct svm_fixture *f, unsigned int page, vm_flags_t set,
		   vm_flags_t clear)
{
	struct vm_area_struct *vma;

	mmap_write_lock(f->mm);
	vma = vma_lookup(f->mm, SVM_PAGE(page));
	if (vma) {
		vm_flags_set(vma, set);
		vm_flags_clear(vma, clear);
	}
	mmap_write_unlock(f->mm);
	KUNIT_ASSERT_NOT_NULL(f->test, vma);
}

/* Map a block as one huge page.  Return: false if there is none to be had */
bool svm_make_huge(struct svm_fixture *f, unsigned int first)
{
	svm_mmap(f, first, VSVM_SVM_BLOCK_PAGES, PROT_READ | PROT_WRITE);
	svm_vma_flags(f, first, VM_HUGEPAGE, VM_NOHUGEPAGE);
	svm_write(f, first, 1);
	return hmm_pfn_to_map_order(svm_look(f, first)) == HPAGE_PMD_ORDER;
}

/* @npages of one block, into @f->pfns */
static void look(struct svm_fixture *f, unsigned int first, unsigned int npages)
{
	struct hmm_range range = {
		.notifier = &f->watch,
		.start = SVM_PAGE(first),
		.end = SVM_PAGE(first + npages),
		.hmm_pfns = f->pfns,
	};
	int ret;

	do {
		memset(f->pfns, 0, npages * sizeof(*f->pfns));
		range.notifier_seq = mmu_interval_read_begin(&f->watch);
		mmap_read_lock(f->mm);
		ret = hmm_range_fault(&range);
		mmap_read_unlock(f->mm);
	} while (ret == -EBUSY);
	KUNIT_ASSERT_EQ(f->test, 0, ret);
}

unsigned long svm_look(struct svm_fixture *f, unsigned int page)
{
	look(f, page, 1);
	return f->pfns[0];
}

unsigned int svm_present(struct svm_fixture *f, unsigned int first, unsigned int npages)
{
	unsigned int i, n = 0;

	while (npages) {
		unsigned int batch = min_t(unsigned int, npages, VSVM_SVM_BLOCK_PAGES);

		look(f, first, batch);
		for (i = 0; i < batch; i++)
			n += !!(f->pfns[i] & HMM_PFN_VALID);
		first += batch;
		npages -= batch;
	}
	return n;
}

/* --- the device --- */

void svm_ask(struct svm_fixture *f, unsigned int page, bool write)
{
	KUNIT_ASSERT_LT(f->test, f->nreq, SVM_REQUESTS);
	f->req[f->nreq++] = (struct vsvm_svm_request) {
		.address = SVM_PAGE(page),
		.access = write ? VSVM_SVM_WRITE : VSVM_SVM_READ,
	};
}

/* What was asked for with svm_ask(); the answers are in @f->req */
void svm_serve_all(struct svm_fixture *f, enum vsvm_svm_wait wait)
{
	unsigned int i;

	vsvm_svm_serve(f->svm, f->req, f->nreq, &f->bounds, &f->scratch, wait);
	for (i = 0; i < f->nreq; i++)
		KUNIT_EXPECT_NE(f->test, VSVM_SVM_PENDING, f->req[i].status);
	f->nreq = 0;
}

enum vsvm_svm_status svm_serve(struct svm_fixture *f, unsigned int page, bool write)
{
	svm_ask(f, page, write);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	return f->req[0].status;
}

/* Nothing is mapped but what the process has there, with no more rights */
void svm_agree(struct svm_fixture *f)
{
	unsigned int block, i;

	for (block = 0; block < SVM_FAKE_PAGES; block += VSVM_SVM_BLOCK_PAGES) {
		if (!svm_mapped(f, block, VSVM_SVM_BLOCK_PAGES))
			continue;
		look(f, block, VSVM_SVM_BLOCK_PAGES);
		for (i = 0; i < VSVM_SVM_BLOCK_PAGES; i++) {
			unsigned long entry = svm_fake_entry(&f->fake, SVM_PAGE(block + i));

			if (!(entry & SVM_FAKE_VALID))
				continue;
			KUNIT_EXPECT_TRUE_MSG(f->test, f->pfns[i] & HMM_PFN_VALID,
					      "page %u is mapped and not there", block + i);
			KUNIT_EXPECT_EQ_MSG(f->test, entry >> SVM_FAKE_PFN_SHIFT,
					    f->pfns[i] & ~HMM_PFN_FLAGS,
					    "page %u is mapped elsewhere", block + i);
			if (entry & SVM_FAKE_WRITE)
				KUNIT_EXPECT_TRUE_MSG(f->test, f->pfns[i] & HMM_PFN_WRITE,
						      "page %u is writable", block + i);
		}
	}
}
