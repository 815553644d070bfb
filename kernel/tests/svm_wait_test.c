// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a service does not wait for: it may be one of many that the same few
 * threads have to do, for processes that wish each other no good.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "tests/svm_fixture.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	VSVM_SVM_BLOCK_PAGES

/**
 * struct wait_file - a file whose pages come when its server feels like it
 * @asked: somebody waits for one
 * @serve: let it have it
 */
struct wait_file {
	struct completion asked;
	struct completion serve;
};

static vm_fault_t wait_fault(struct vm_fault *vmf)
{
	struct wait_file *w = vmf->vma->vm_private_data;

	complete(&w->asked);
	if (wait_for_completion_killable(&w->serve))
		return VM_FAULT_SIGBUS;
	vmf->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	return vmf->page ? 0 : VM_FAULT_OOM;
}

static const struct vm_operations_struct wait_vm_ops = {
	.fault = wait_fault,
};

static int wait_mmap_prepare(struct vm_area_desc *desc)
{
	desc->vm_ops = &wait_vm_ops;
	desc->private_data = desc->file->private_data;
	return 0;
}

static const struct file_operations wait_fops = {
	.mmap_prepare = wait_mmap_prepare,
};

KUNIT_DEFINE_ACTION_WRAPPER(wait_fput, fput, struct file *);

static struct wait_file *wait_map(struct svm_fixture *f, unsigned int first)
{
	struct wait_file *w = kunit_kzalloc(f->test, sizeof(*w), GFP_KERNEL);
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(f->test, w);
	init_completion(&w->asked);
	init_completion(&w->serve);
	file = anon_inode_getfile("vsvm-kunit", &wait_fops, w, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, file);
	KUNIT_ASSERT_EQ(f->test, 0,
			kunit_add_action_or_reset(f->test, wait_fput, file));
	file->f_mode |= FMODE_READ | FMODE_WRITE;
	svm_mmap_file(f, first, 4, file, MAP_PRIVATE);
	return w;
}

/* A page that a file's server has to bring is for who may wait, and comes */
static void wait_for_a_file(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct wait_file *w = wait_map(f, 10);

	svm_mmap(f, 0, 4, RW);
	svm_ask(f, 1, true);
	svm_ask(f, 11, false);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_SLOW, f->req[1].status);
	svm_ask(f, 11, false);
	svm_serve_all(f, VSVM_SVM_WAIT_LOCK);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_SLOW, f->req[0].status);
	KUNIT_EXPECT_FALSE(test, completion_done(&w->asked));

	complete(&w->serve);
	svm_ask(f, 11, false);
	svm_serve_all(f, VSVM_SVM_WAIT_USER);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[0].status);
	KUNIT_EXPECT_TRUE(test, completion_done(&w->asked));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 11, 1));
}

/* Who waits for it can be killed */
static void wait_for_a_file_killed(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	wait_map(f, 10);
	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	svm_ask(f, 11, false);
	svm_serve_all(f, VSVM_SVM_WAIT_USER);
	flush_signals(current);
	disallow_signal(SIGKILL);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, f->req[0].status);
}

/* Pages ahead of a run that would have to be waited for do not hold it up */
static void wait_not_ahead(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct wait_file *w = wait_map(f, 4);
	unsigned int i;

	svm_mmap(f, 0, 4, RW);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, i, true));
	svm_ask(f, 4, false);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_SLOW, f->req[0].status);
	KUNIT_EXPECT_FALSE(test, completion_done(&w->asked));
}

/**
 * struct wait_holder - a thread that sits on mmap_lock
 * @mm: whose
 * @has: it has the lock
 * @drop: it is to let go
 * @done: it has
 */
struct wait_holder {
	struct mm_struct *mm;
	struct completion has;
	struct completion drop;
	struct completion done;
};

static int wait_holder(void *arg)
{
	struct wait_holder *h = arg;

	mmap_write_lock(h->mm);
	complete(&h->has);
	wait_for_completion(&h->drop);
	mmap_write_unlock(h->mm);
	kthread_complete_and_exit(&h->done, 0);
}

/* Nor is mmap_lock waited for, of whoever has it nobody knows what for */
static void wait_for_mmap_lock(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct wait_holder h = { .mm = f->mm };
	enum vsvm_svm_status status[2];
	struct task_struct *task;

	init_completion(&h.has);
	init_completion(&h.drop);
	init_completion(&h.done);
	f->fake.alone = false;
	svm_mmap(f, 0, 4, RW);
	task = kthread_run(wait_holder, &h, "vsvm-kunit-hold");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	wait_for_completion(&h.has);
	svm_ask(f, 1, true);
	svm_ask(f, 2, true);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	status[0] = f->req[0].status;
	status[1] = f->req[1].status;
	complete(&h.drop);
	wait_for_completion(&h.done);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_LATER, status[0]);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_LATER, status[1]);
	svm_ask(f, 1, true);
	svm_serve_all(f, VSVM_SVM_WAIT_LOCK);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[0].status);
}

static struct kunit_case vsvm_svm_wait_cases[] = {
	KUNIT_CASE(wait_for_a_file),
	KUNIT_CASE(wait_for_a_file_killed),
	KUNIT_CASE(wait_not_ahead),
	KUNIT_CASE(wait_for_mmap_lock),
	{}
};

struct kunit_suite vsvm_svm_wait_suite = {
	.name = "vsvm_svm_wait",
	.test_cases = vsvm_svm_wait_cases,
};
