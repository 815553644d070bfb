/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_SVM_FAKE_H_
#define _VSVM_SVM_FAKE_H_

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/spinlock.h>

#include "svm/svm.h"

/* what the fake can see: eight blocks */
#define SVM_FAKE_BLOCKS		8
#define SVM_FAKE_PAGES		(SVM_FAKE_BLOCKS * VSVM_SVM_BLOCK_PAGES)
#define SVM_FAKE_BYTES		((unsigned long)SVM_FAKE_PAGES << PAGE_SHIFT)
#define SVM_FAKE_CALLS		128

/* an entry: a page frame number and these */
#define SVM_FAKE_VALID		BIT(0)
#define SVM_FAKE_WRITE		BIT(1)
#define SVM_FAKE_HUGE		BIT(2)
#define SVM_FAKE_PFN_SHIFT	8

/** enum svm_fake_op - what the mirror may ask of it */
enum svm_fake_op {
	SVM_FAKE_SPAN_CREATE,
	SVM_FAKE_SPAN_DESTROY,
	SVM_FAKE_PREPARE,
	SVM_FAKE_FINISH,
	SVM_FAKE_MAP,
	SVM_FAKE_MAP_HUGE,
	SVM_FAKE_ZAP,
	SVM_FAKE_PROTECT,
	SVM_FAKE_NR_OPS
};

/**
 * struct svm_fake_call - what it was asked
 * @op: the operation
 * @start: first address
 * @end: one past the last
 * @result: what it answered
 */
struct svm_fake_call {
	enum svm_fake_op op;
	unsigned long start;
	unsigned long end;
	long result;
};

/**
 * struct svm_fake - a device whose page table is an array
 * @test: that it reports to
 * @mm: the process mirrored
 * @start: address of the first entry
 * @span_size: that it expects spans to have
 * @alone: nobody but the test uses the mirror: locks not held are free
 * @entry: the page table; the lock of the span
 * @table: a block has memory for small pages; the lock of the span
 * @spans: spans that exist
 * @outstanding: prepared, neither used up nor given back
 * @count: calls of each operation
 * @lock: guards @call and @ncalls
 * @call: the last calls
 * @ncalls: all calls
 * @fail_span: so many times span_create has no memory
 * @fail_prepare: so many times prepare has no memory
 * @fail_map: so many times map and map_huge end with @map_error
 * @map_error: with that
 * @unreachable: a page that cannot be mapped, or 0
 * @hook: called once, at the beginning of the operation
 * @hook_arg: for the hooks
 */
struct svm_fake {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long span_size;
	bool alone;
	unsigned long entry[SVM_FAKE_PAGES];
	bool table[SVM_FAKE_BLOCKS];
	atomic_t spans;
	atomic_t outstanding;
	atomic_t count[SVM_FAKE_NR_OPS];
	spinlock_t lock;	/* the record of calls */
	struct svm_fake_call call[SVM_FAKE_CALLS];
	unsigned int ncalls;
	unsigned int fail_span;
	unsigned int fail_prepare;
	unsigned int fail_map;
	int map_error;
	unsigned long unreachable;
	void (*hook[SVM_FAKE_NR_OPS])(struct svm_fake *fake);
	void *hook_arg;
};

extern const struct vsvm_svm_ops svm_fake_ops;

void svm_fake_init(struct svm_fake *fake, struct kunit *test, unsigned long start);

/* what is mapped: an entry, how many of a range */
unsigned long svm_fake_entry(const struct svm_fake *fake, unsigned long address);
unsigned int svm_fake_mapped(const struct svm_fake *fake, unsigned long start,
			     unsigned long end);
unsigned int svm_fake_writable(const struct svm_fake *fake, unsigned long start,
			       unsigned long end);

/* what was asked since the last svm_fake_forget() */
void svm_fake_forget(struct svm_fake *fake);
const struct svm_fake_call *svm_fake_call(const struct svm_fake *fake,
					  enum svm_fake_op op, unsigned int nth);

static inline int svm_fake_count(const struct svm_fake *fake, enum svm_fake_op op)
{
	return atomic_read(&fake->count[op]);
}

#endif
