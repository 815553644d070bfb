// SPDX-License-Identifier: GPL-2.0-only
/* How a request can end that is not served, and that each gets its own answer. */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "tests/svm_fixture.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	VSVM_SVM_BLOCK_PAGES

static void status_no_mapping(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, svm_serve(f, 10, false));
	svm_mmap(f, 11, 1, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, svm_serve(f, 10, true));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, svm_serve(f, 12, true));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 0);
	svm_expect_stat(f, RETRIES, 0);
}

/* A request that has failed costs the device nothing */
static void status_is_free(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, svm_serve(f, 10, false));
	svm_expect_calls(f, PREPARE, 0);
	svm_expect_calls(f, MAP, 0);
}

static void status_permission(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, 4, PROT_NONE);
	svm_mmap(f, 4, 4, PROT_READ);
	svm_mmap(f, 8, 4, PROT_WRITE);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_PERMISSION, svm_serve(f, 1, false));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_PERMISSION, svm_serve(f, 1, true));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_PERMISSION, svm_serve(f, 5, true));
	KUNIT_EXPECT_EQ(test, 0, svm_present(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 5, false));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 0, BLOCK));
	/* Mapped to be read, it still cannot be written */
	KUNIT_EXPECT_EQ(test, VSVM_SVM_PERMISSION, svm_serve(f, 5, true));
	/* What may be written but not read cannot be read */
	KUNIT_EXPECT_EQ(test, VSVM_SVM_PERMISSION, svm_serve(f, 9, false));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
}

static void status_read_only(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 0, 32);
	f->bounds.read_only = true;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_READ_ONLY, svm_serve(f, 5, true));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, BLOCK));
	svm_expect_stat(f, SNAPSHOTS, 0);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 5, false));
	KUNIT_EXPECT_EQ(test, SVM_AROUND, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 0, svm_writable(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_READ_ONLY, svm_serve(f, 5, true));
}

/* Past the end of a file */
static void status_bus(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap_file(f, 0, 8, svm_file(f, 4), MAP_SHARED);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_BUS, svm_serve(f, 4, false));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_BUS, svm_serve(f, 7, true));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 3, true));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	svm_expect_stat(f, POPULATED, 1);
}

static void status_unsupported(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, 4, RW);
	svm_mmap(f, 8, 4, RW);
	svm_vma_flags(f, 0, VM_IO, 0);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, svm_serve(f, 1, false));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, svm_serve(f, 1, true));
	KUNIT_EXPECT_EQ(test, 0, svm_present(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 9, true));
	svm_vma_flags(f, 0, 0, VM_IO);
}

/* memfd_secret() memory is known by its file system, here one that takes its name */
static void status_secret(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct file *file = svm_file(f, 8);
	struct super_block *sb = file_inode(file)->i_sb;
	unsigned long magic = sb->s_magic;

	svm_mmap(f, 0, 4, RW);
	svm_mmap_file(f, 4, 8, file, MAP_SHARED);
	svm_write(f, 4, 2);
	sb->s_magic = SECRETMEM_MAGIC;
	/* Neither asked for, nor around what is, nor ahead of it; there or not */
	svm_ask(f, 3, true);
	svm_ask(f, 4, false);
	svm_ask(f, 5, true);
	svm_ask(f, 9, false);
	svm_serve_all(f, VSVM_SVM_WAIT_USER);
	sb->s_magic = magic;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, f->req[1].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, f->req[2].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, f->req[3].status);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 4, 8));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
}

static vm_fault_t special_fault(struct vm_fault *vmf)
{
	/* The local interrupt controller: an address without a struct page */
	return vmf_insert_mixed(vmf->vma, vmf->address, PHYS_PFN(0xfee00000));
}

static const struct vm_operations_struct special_vm_ops = {
	.fault = special_fault,
};

static int special_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &special_vm_ops;
	return 0;
}

static const struct file_operations special_fops = {
	.owner = THIS_MODULE,
	.mmap = special_mmap,
};

/*
 * A mapping like any other, of something that is no memory: that the page is
 * there and yet of no use is noticed without waiting for the deadline.
 */
static void status_special(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned long start = jiffies;
	struct file *file;

	if (pfn_valid(PHYS_PFN(0xfee00000))) {
		kunit_mark_skipped(test, "memory where none should be");
		return;
	}
	file = anon_inode_getfile("vsvm-kunit", &special_fops, NULL, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	svm_mmap_file(f, 8, 2, file, MAP_SHARED);
	fput(file);
	svm_mmap(f, 10, 1, RW);
	svm_ask(f, 8, false);
	svm_ask(f, 9, true);
	svm_serve_all(f, VSVM_SVM_WAIT_USER);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, f->req[1].status);
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + 5 * HZ));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 10, true));
	KUNIT_EXPECT_EQ(test, 1, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_LE(test, vsvm_svm_stat(f->svm, VSVM_STAT_POPULATED), 33);
	svm_munmap(f, 8, 2);
}

/* The device cannot reach a page */
static void status_unreachable(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, 4, RW);
	/* With what surrounds it, with what is asked for, and alone */
	f->fake.fail_map = 3;
	f->fake.map_error = -EIO;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, svm_serve(f, 1, true));
	svm_expect_calls(f, MAP, 3);
	svm_expect_stat(f, RETRIES, 0);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
}

/* What it cannot reach is a neighbour: the page itself is served all the same */
static void status_unreachable_neighbour(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, SVM_AROUND, RW);
	svm_write(f, 0, SVM_AROUND);
	f->fake.unreachable = SVM_PAGE(3);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 5, true));
	KUNIT_EXPECT_EQ(test, 1, svm_writable(f, 5, 1));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, svm_serve(f, 3, true));
}

/*
 * Memory that a userfaultfd watches is nothing to wait for, unless one may.
 * Nobody listens here, so whoever waits gets an error.
 */
static void status_slow(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	if (!VM_UFFD_MISSING) {
		kunit_mark_skipped(test, "no userfaultfd in this kernel");
		return;
	}
	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 3, 1);
	svm_vma_flags(f, 0, VM_UFFD_MISSING, 0);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_SLOW, svm_serve(f, 5, true));
	KUNIT_EXPECT_EQ(test, 1, svm_present(f, 0, BLOCK));
	/* What is there needs nobody */
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 3, true));
	svm_ask(f, 5, true);
	svm_serve_all(f, VSVM_SVM_WAIT_USER);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_BUS, f->req[0].status);
	svm_vma_flags(f, 0, 0, VM_UFFD_MISSING);
}

/* Each request has its own end; the good ones are served */
static void status_mixed(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 1, 1, RW);
	svm_mmap(f, 2, 1, PROT_NONE);
	svm_mmap(f, 3, 1, PROT_READ);
	svm_mmap_file(f, 4, 2, svm_file(f, 1), MAP_SHARED);
	svm_mmap(f, 6, 1, RW);
	svm_vma_flags(f, 6, VM_IO, 0);
	svm_ask(f, 0, false);
	svm_ask(f, 1, true);
	svm_ask(f, 2, false);
	svm_ask(f, 3, false);
	svm_ask(f, 3, true);
	svm_ask(f, 4, true);
	svm_ask(f, 5, true);
	svm_ask(f, 6, false);
	svm_ask(f, 300, false);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[1].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_PERMISSION, f->req[2].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[3].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_PERMISSION, f->req[4].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, f->req[5].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_BUS, f->req[6].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_UNSUPPORTED, f->req[7].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MAPPING, f->req[8].status);
	KUNIT_EXPECT_EQ(test, 3, svm_mapped(f, 0, BLOCK));
	KUNIT_EXPECT_EQ(test, 2, svm_writable(f, 0, BLOCK));
	svm_vma_flags(f, 6, 0, VM_IO);
}

static void status_no_memory(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->fake.fail_prepare = 1;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MEMORY, svm_serve(f, 1, true));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, BLOCK));
	svm_expect_calls(f, MAP, 0);
	svm_expect_calls(f, FINISH, 0);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
}

static void status_no_span(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->fake.fail_span = 1;
	svm_ask(f, 1, true);
	svm_ask(f, 2, false);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MEMORY, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_NO_MEMORY, f->req[1].status);
	KUNIT_EXPECT_EQ(test, 0, vsvm_svm_spans(f->svm));
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
}

/* Bounds that do not hold any more before the service begins */
static void status_stale(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, BLOCK, RW);
	f->epoch++;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_STALE, svm_serve(f, 1, true));
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, BLOCK));
	svm_expect_calls(f, MAP, 0);
	f->bounds.seen = f->epoch;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
}

static void status_stopped(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);

	svm_mmap(f, 0, SVM_FAKE_PAGES, RW);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
	vsvm_svm_stop(f->svm);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, SVM_FAKE_PAGES));
	svm_fake_forget(&f->fake);
	/* In a span that is there, in one that is not; all requests */
	svm_ask(f, 1, true);
	svm_ask(f, 2, false);
	svm_serve_all(f, VSVM_SVM_WAIT_NOT);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, f->req[0].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, f->req[1].status);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, svm_serve(f, 3 * BLOCK, true));
	KUNIT_EXPECT_EQ(test, 1, vsvm_svm_spans(f->svm));
	KUNIT_EXPECT_EQ(test, 0, f->fake.ncalls);
	/* Again, which does no harm */
	vsvm_svm_stop(f->svm);
}

/* The process has gone: so has what was mapped, and nothing more is */
static void status_process_gone(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	struct mm_struct *mm = f->mm;

	svm_mmap(f, 0, BLOCK, RW);
	svm_write(f, 0, 8);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
	mmgrab(mm);
	kthread_unuse_mm(mm);
	mmput(mm);
	KUNIT_EXPECT_EQ(test, 0, svm_mapped(f, 0, BLOCK));
	svm_fake_forget(&f->fake);
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, svm_serve(f, 1, true));
	KUNIT_EXPECT_EQ(test, 0, f->fake.ncalls);
	vsvm_svm_stop(f->svm);
	vsvm_svm_leave(f->svm, &f->user);
	vsvm_svm_destroy(f->svm);
	f->svm = NULL;
	mmdrop(mm);
}

static void status_timeout(struct kunit *test)
{
	struct vsvm_svm_config config = svm_default_config;
	unsigned long start;

	config.deadline_ms = 60;
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, &config);
	svm_mmap(f, 0, BLOCK, RW);
	f->fake.fail_map = UINT_MAX;
	f->fake.map_error = -EAGAIN;
	start = jiffies;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_TIMEOUT, svm_serve(f, 1, true));
	KUNIT_EXPECT_TRUE(test, time_after_eq(jiffies, start + msecs_to_jiffies(60)));
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + 10 * HZ));
	KUNIT_EXPECT_EQ(test, (u64)svm_fake_count(&f->fake, SVM_FAKE_MAP),
			vsvm_svm_stat(f->svm, VSVM_STAT_RETRIES));
	svm_expect_stat(f, POPULATED, 1);
	f->fake.fail_map = 0;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
}

static void kill_self(struct svm_fake *fake)
{
	send_sig(SIGKILL, current, 1);
}

/* A thread that is killed does not try until the deadline */
static void status_killed(struct kunit *test)
{
	struct svm_fixture *f __free(svm_leave) = svm_enter(test, NULL);
	unsigned long start = jiffies;

	svm_mmap(f, 0, BLOCK, RW);
	allow_signal(SIGKILL);
	f->fake.fail_map = UINT_MAX;
	f->fake.map_error = -EAGAIN;
	f->fake.hook[SVM_FAKE_MAP] = kill_self;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_EXITED, svm_serve(f, 1, true));
	flush_signals(current);
	disallow_signal(SIGKILL);
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + 5 * HZ));
	f->fake.fail_map = 0;
	KUNIT_EXPECT_EQ(test, VSVM_SVM_OK, svm_serve(f, 1, true));
}

static struct kunit_case vsvm_svm_status_cases[] = {
	KUNIT_CASE(status_no_mapping),
	KUNIT_CASE(status_is_free),
	KUNIT_CASE(status_permission),
	KUNIT_CASE(status_read_only),
	KUNIT_CASE(status_bus),
	KUNIT_CASE(status_unsupported),
	KUNIT_CASE(status_secret),
	KUNIT_CASE(status_unreachable),
	KUNIT_CASE(status_unreachable_neighbour),
	KUNIT_CASE(status_special),
	KUNIT_CASE(status_slow),
	KUNIT_CASE(status_mixed),
	KUNIT_CASE(status_no_memory),
	KUNIT_CASE(status_no_span),
	KUNIT_CASE(status_stale),
	KUNIT_CASE(status_stopped),
	KUNIT_CASE(status_process_gone),
	KUNIT_CASE(status_timeout),
	KUNIT_CASE(status_killed),
	{ }
};

struct kunit_suite vsvm_svm_status_suite = {
	.name = "vsvm_svm_status",
	.test_cases = vsvm_svm_status_cases,
};
