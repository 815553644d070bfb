/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_SVM_PRIV_H_
#define _VSVM_SVM_PRIV_H_

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "svm/svm.h"

/**
 * struct vsvm_svm_guard - what is known of the way of a block, see guard.c
 * @moved: jiffies when pages last went to the device, 0: have come back since
 * @until: jiffies until when faults leave the block alone, 0: do not
 * @bounces: times in a row that they came back at once; under the span's lock
 */
struct vsvm_svm_guard {
	u32 moved;
	u32 until;
	u32 bounces;
};

/* Invalidations that a notifier remembers */
#define VSVM_SVM_LOG		16

/**
 * struct vsvm_svm_event - an invalidation
 * @start: first address
 * @end: one past the last
 */
struct vsvm_svm_event {
	unsigned long start;
	unsigned long end;
};

/**
 * struct vsvm_svm_look - a look at the process' page table, see look.c
 * @events: of the notifier when it began
 * @seq: sequence of the notifier when it began
 */
struct vsvm_svm_look {
	unsigned long events;
	unsigned long seq;
};

/** enum vsvm_svm_life - of a notifier, see collect.c */
enum vsvm_svm_life {
	/** @VSVM_SVM_IN_USE: somebody has looked it up lately, or it has pages */
	VSVM_SVM_IN_USE,
	/** @VSVM_SVM_IDLE: was found empty, and nobody has looked it up since */
	VSVM_SVM_IDLE,
	/** @VSVM_SVM_GONE: nobody may use it any more */
	VSVM_SVM_GONE,
};

/**
 * struct vsvm_svm_notifier - watches one span
 * @mni: inserted until it is given up
 * @life: &enum vsvm_svm_life
 * @rcu: who looks it up finds @life readable
 * @svm: the mirror
 * @span: the device's part, which holds the lock
 * @events: counts invalidations; written under the span's lock
 * @log: of the last of them, number n at n % VSVM_SVM_LOG; under the span's lock
 * @streams: patterns seen here; racy on purpose: a torn update costs a guess
 * @victim: the stream to be replaced next; racy on purpose
 * @guard: of each block
 */
struct vsvm_svm_notifier {
	struct mmu_interval_notifier mni;
	atomic_t life;
	struct rcu_head rcu;
	struct vsvm_svm *svm;
	struct vsvm_svm_span *span;
	unsigned long events;
	struct vsvm_svm_event log[VSVM_SVM_LOG];
	struct vsvm_svm_stream streams[VSVM_SVM_STREAMS];
	unsigned int victim;
	struct vsvm_svm_guard guard[];
};

/**
 * struct vsvm_svm - the mirror of a process
 * @ops: the device
 * @priv: of @ops
 * @mm: the process, held with mmgrab()
 * @config: constants
 * @notifiers: by address / span size; read under RCU; entries are added and
 *	taken out under @lock
 * @lock: serialises adding and giving up notifiers.  Outside mmap_lock.
 * @count: notifiers, under @lock
 * @users: threads between vsvm_svm_enter() and vsvm_svm_leave(), for which
 *	what they have found stays
 * @collect: gives up what is idle; runs as long as there are notifiers
 * @grace: of @users, begun when notifiers were last marked idle; @collect's own
 * @marked: there are such; @collect's own
 * @stopped: set once, read under a span's lock before anything is mapped
 * @counters: per CPU
 */
struct vsvm_svm {
	const struct vsvm_svm_ops *ops;
	void *priv;
	struct mm_struct *mm;
	struct vsvm_svm_config config;
	struct xarray notifiers;
	struct mutex lock;	/* adding and giving up notifiers */
	unsigned long count;
	struct srcu_struct users;
	struct delayed_work collect;
	unsigned long grace;
	bool marked;
	bool stopped;
	struct vsvm_svm_counters __percpu *counters;
};

extern const struct mmu_interval_notifier_ops vsvm_svm_notifier_ops;

struct vsvm_svm_notifier *vsvm_svm_notifier_get(struct vsvm_svm *svm,
						unsigned long address);

/* Owner that core-mm's notifications carry when pages go to the device */
static inline void *vsvm_svm_to_device_owner(const struct vsvm_svm *svm)
{
	return svm->config.mem.owner + 1;
}

/* collect.c */
bool vsvm_svm_notifier_keep(struct vsvm_svm_notifier *n);
void vsvm_svm_collect_init(struct vsvm_svm *svm);
void vsvm_svm_collect_start(struct vsvm_svm *svm);
void vsvm_svm_collect_stop(struct vsvm_svm *svm);

/* look.c */
void vsvm_svm_look_begin(struct vsvm_svm_notifier *n, struct vsvm_svm_look *look);
void vsvm_svm_look_note(struct vsvm_svm_notifier *n, unsigned long cur_seq,
			unsigned long start, unsigned long end);
const struct vsvm_svm_event *
vsvm_svm_look_hit(const struct vsvm_svm_notifier *n, const struct vsvm_svm_look *look,
		  unsigned long start, unsigned long end, unsigned long *event);
bool vsvm_svm_look_stale(const struct vsvm_svm_notifier *n,
			 const struct vsvm_svm_look *look,
			 unsigned long start, unsigned long end);

/** enum vsvm_svm_reason - why pages are moved */
enum vsvm_svm_reason {
	VSVM_SVM_BY_FAULT,
	VSVM_SVM_BY_PREFETCH,
};

/* migrate.c */
long vsvm_svm_migrate(struct vsvm_svm *svm, unsigned long start, unsigned long end,
		      bool to_device, bool evict);

/* exclusive.c */
enum vsvm_svm_status vsvm_svm_exclusive(struct vsvm_svm_notifier *n,
					unsigned long address, unsigned long pfn,
					const struct vsvm_svm_look *look,
					const struct vsvm_svm_bounds *bounds,
					enum vsvm_svm_wait wait);

/* guard.c */
void vsvm_svm_guard_moved(struct vsvm_svm_notifier *n, unsigned long address);
void vsvm_svm_guard_forget(struct vsvm_svm_notifier *n, unsigned long address);
void vsvm_svm_guard_returned(struct vsvm_svm_notifier *n, unsigned long start,
			     unsigned long end);
bool vsvm_svm_guard_holds(struct vsvm_svm_notifier *n, unsigned long address);

#endif
