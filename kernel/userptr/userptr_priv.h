/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_USERPTR_PRIV_H_
#define _VSVM_USERPTR_PRIV_H_

#include <linux/interval_tree.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/xarray.h>

#include "userptr/userptr.h"

/**
 * struct vsvm_userptr - what the batches of an address space share
 * @ops: the device
 * @priv: of @ops
 * @svm: mirror: spans, counters, whether all has been stopped
 * @mm: the process
 * @config: constants of the mirror; a window is as large as a span
 * @shift: log2 of that
 * @lock: guards @windows, and linking of batches.  Outside mmap_lock.
 * @windows: by address >> @shift
 * @nwindows: of @windows, under @lock
 * @batches: that exist
 * @ranges: of them
 * @bytes: memory of batches, links and windows
 */
struct vsvm_userptr {
	const struct vsvm_svm_ops *ops;
	void *priv;
	struct vsvm_svm *svm;
	struct mm_struct *mm;
	struct vsvm_svm_config config;
	unsigned int shift;
	struct mutex lock;	/* windows and links */
	struct xarray windows;
	unsigned long nwindows;
	atomic_long_t batches;
	atomic_long_t ranges;
	atomic_long_t bytes;
};

/**
 * struct vsvm_userptr_window - watches a piece of the process' addresses
 * @mni: inserted as long as this exists
 * @up: whose
 * @index: in &vsvm_userptr.windows
 * @lock: guards @links; the sequence is set under it.  Inside all that core-mm
 *	holds when it calls a notifier, outside the locks of spans.
 * @links: batches that have pages here
 * @nlinks: how many, under &vsvm_userptr.lock
 * @dead: to be freed
 */
struct vsvm_userptr_window {
	struct mmu_interval_notifier mni;
	struct vsvm_userptr *up;
	unsigned long index;
	struct mutex lock;	/* links, sequence */
	struct rb_root_cached links;
	unsigned long nlinks;
	struct list_head dead;
};

/**
 * struct vsvm_userptr_link - a batch that has pages in a window
 * @node: in &vsvm_userptr_window.links, under its lock: the part of the window
 *	that the batch reaches
 * @window: has one of its @nlinks
 * @batch: in its @links until it is freed
 */
struct vsvm_userptr_link {
	struct interval_tree_node node;
	struct vsvm_userptr_window *window;
	struct vsvm_userptr_batch *batch;
};

/**
 * struct vsvm_userptr_range - a range, in the order of the device
 * @start: address of the process
 * @offset: sum of the sizes before it; that of the next one tells its size
 */
struct vsvm_userptr_range {
	unsigned long start;
	u64 offset;
};

/**
 * struct vsvm_userptr_batch - ranges of a process
 * @refs: references
 * @up: address space
 * @address: of the device
 * @count: of ranges
 * @first: lowest address of the process
 * @last: highest one, inclusive
 * @links: by window, counted from that of @first; read without a lock, added
 *	under &vsvm_userptr.lock, stay until the batch goes
 * @streams: patterns of faults, as in a notifier of the mirror; racy on purpose
 * @victim: of @streams
 * @order: ranges by @start
 * @reach: a binary tree over @order, whose root is in the middle: the highest end
 *	of a range below each node
 * @range: in the order of the device, and one more
 *
 * But for @refs, @links and the pattern all of it is constant.
 */
struct vsvm_userptr_batch {
	refcount_t refs;
	struct vsvm_userptr *up;
	u64 address;
	u32 count;
	unsigned long first;
	unsigned long last;
	struct xarray links;
	struct vsvm_svm_stream streams[VSVM_SVM_STREAMS];
	unsigned int victim;
	u32 *order;
	unsigned long *reach;
	struct vsvm_userptr_range range[];
};

static inline unsigned long vsvm_userptr_end(const struct vsvm_userptr_batch *b, u32 i)
{
	return b->range[i].start + (b->range[i + 1].offset - b->range[i].offset);
}

/** typedef vsvm_userptr_hit_fn - called for a part of a batch; not 0 ends the search */
typedef int (*vsvm_userptr_hit_fn)(u64 start, u64 end, void *arg);

/* batch.c */
u32 vsvm_userptr_batch_find(const struct vsvm_userptr_batch *batch, u64 offset);
int vsvm_userptr_batch_hits(const struct vsvm_userptr_batch *batch, unsigned long start,
			    unsigned long end, vsvm_userptr_hit_fn fn, void *arg);

/* window.c */
struct vsvm_userptr_window *
vsvm_userptr_window_get(struct vsvm_userptr_batch *batch, unsigned long address);
void vsvm_userptr_unlink(struct vsvm_userptr_batch *batch);

#endif
