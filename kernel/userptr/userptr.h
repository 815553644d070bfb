/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_USERPTR_H_
#define _VSVM_USERPTR_H_

#include <linux/types.h>

#include "svm/svm.h"

/**
 * DOC: scattered ranges of a process as one range of the device
 *
 * A *batch* is an array of ranges of the process, any of them, in any order,
 * with repetitions; to the device they lie back to back from one address on.
 * It is an index and nothing else: from an offset to an address of the process,
 * by the sums of the sizes, and from an address of the process to all offsets
 * where it appears, by a tree that lies in an array.  It never changes, so it is
 * read without a lock.
 *
 * What is mapped is in the device's page table only, as for the mirror, and
 * nothing is pinned.  The process' addresses are watched by *windows*, aligned
 * pieces of its address space with one &mmu_interval_notifier each, which all
 * batches of an address space share: a batch is linked to a window before its
 * first page in it is looked at, and stays so until it goes.  So registering
 * costs nothing for a range that the device never uses, and no event of the
 * process has to look at more than the batches that have pages where it happens.
 *
 * The lock of a mapped page is that of the *device's* span, as for the mirror.
 * An invalidation of the process sets the sequence of the window and then takes
 * the locks of the spans where the pages appear, one after the other; who maps
 * a page checks the sequence under the lock of its span.  Either the check sees
 * the invalidation, or the invalidation finds the page.
 */

struct vsvm_userptr;
struct vsvm_userptr_batch;
struct vsvm_userptr_window;

/**
 * struct vsvm_userptr_piece - one range of a process
 * @start: page aligned
 * @size: bytes, a multiple of the page size, not 0
 */
struct vsvm_userptr_piece {
	u64 start;
	u64 size;
};

/**
 * struct vsvm_userptr_limits - what a batch may be
 * @end: one past the last address of the process
 * @bytes: most bytes in all
 */
struct vsvm_userptr_limits {
	u64 end;
	u64 bytes;
};

/**
 * vsvm_userptr_create() - what the batches of an address space share
 * @ops: the device, for entries of batches; spans are those of @svm
 * @priv: passed to @ops
 * @svm: mirror of the process, outlives the batches
 * @config: of the mirror
 *
 * Return: it, or NULL: no memory.  May sleep.
 */
struct vsvm_userptr *vsvm_userptr_create(const struct vsvm_svm_ops *ops, void *priv,
					 struct vsvm_svm *svm,
					 const struct vsvm_svm_config *config);

/** vsvm_userptr_destroy() - free; no batch is left, or NULL; may sleep */
void vsvm_userptr_destroy(struct vsvm_userptr *up);

/**
 * vsvm_userptr_batch_create() - index an array of ranges
 * @up: address space
 * @address: of the device, where the first one begins
 * @pieces: of the process
 * @count: of @pieces, not 0
 * @limits: what they may be
 * @failed: out: which one is wrong, or ~0 if none is by itself
 *
 * Return: the batch with one reference, or an ERR_PTR(): -EINVAL if one is empty,
 * not aligned or out of bounds, or all together overflow; -E2BIG if they are too
 * many bytes; -ENOMEM.  May sleep.
 */
struct vsvm_userptr_batch *
vsvm_userptr_batch_create(struct vsvm_userptr *up, u64 address,
			  const struct vsvm_userptr_piece *pieces, u32 count,
			  const struct vsvm_userptr_limits *limits, u32 *failed);

/** vsvm_userptr_batch_get() - take another reference; any context */
struct vsvm_userptr_batch *vsvm_userptr_batch_get(struct vsvm_userptr_batch *batch);

/**
 * vsvm_userptr_batch_put() - drop a reference
 * @batch: with the last one, nothing of it is mapped any more; or NULL
 *
 * May sleep; no lock of a span or window and no mmap_lock held.
 */
void vsvm_userptr_batch_put(struct vsvm_userptr_batch *batch);

/** vsvm_userptr_batch_size() - bytes in all */
u64 vsvm_userptr_batch_size(const struct vsvm_userptr_batch *batch);

/**
 * struct vsvm_userptr_run - pages that are contiguous in the process too
 * @address: of the process
 * @window: that watches them
 * @seq: its sequence, from before the walk
 * @page: first, counted from the beginning of the block
 * @npages: of them
 * @walked: what is in the scratch has been seen at @seq
 */
struct vsvm_userptr_run {
	unsigned long address;
	struct vsvm_userptr_window *window;
	unsigned long seq;
	u16 page;
	u16 npages;
	bool walked;
};

/**
 * struct vsvm_userptr_scratch - memory that a service needs, one user at a time
 * @pfns: of one block of the device, as hmm_range_fault() fills them in
 * @run: in the order of the device
 */
struct vsvm_userptr_scratch {
	unsigned long pfns[VSVM_SVM_BLOCK_PAGES];
	struct vsvm_userptr_run run[VSVM_SVM_BLOCK_PAGES];
};

/**
 * vsvm_userptr_serve() - make pages of a batch accessible to the device
 * @batch: with a reference held; its mirror entered
 * @requests: of one 2 MiB block of the device, sorted by address; PENDING ones are
 *	served, others left alone
 * @count: of @requests
 * @bounds: cover all of @requests, within the batch
 * @scratch: the caller's
 * @wait: see vsvm_svm_serve()
 *
 * As vsvm_svm_serve().
 */
void vsvm_userptr_serve(struct vsvm_userptr_batch *batch,
			struct vsvm_svm_request *requests, unsigned int count,
			const struct vsvm_svm_bounds *bounds,
			struct vsvm_userptr_scratch *scratch, enum vsvm_svm_wait wait);

/**
 * vsvm_userptr_map_present() - map what is there already
 * @batch: with a reference held; its mirror entered
 * @start: first address of the device
 * @end: one past the last
 * @bounds: cover the range
 * @scratch: the caller's
 *
 * Faults nothing in; what goes away meanwhile is left out.  May sleep.
 * Return: 0; -EINTR on a fatal signal, -ESRCH if the process has gone, -ESTALE
 * if the bounds do not hold any more, -ENOMEM.
 */
int vsvm_userptr_map_present(struct vsvm_userptr_batch *batch, u64 start, u64 end,
			     const struct vsvm_svm_bounds *bounds,
			     struct vsvm_userptr_scratch *scratch);

/**
 * struct vsvm_userptr_usage - what there is of batches in an address space
 * @batches: batches
 * @ranges: of them all
 * @windows: notifiers
 * @bytes: memory that they take
 */
struct vsvm_userptr_usage {
	unsigned long batches;
	unsigned long ranges;
	unsigned long windows;
	unsigned long bytes;
};

/** vsvm_userptr_usage() - read it; any context */
void vsvm_userptr_usage(struct vsvm_userptr *up, struct vsvm_userptr_usage *out);

#endif
