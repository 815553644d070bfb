/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_SVM_H_
#define _VSVM_SVM_H_

#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/types.h>

/**
 * DOC: the mirror of a process
 *
 * This room keeps a device's page table in step with a process' own.  It knows
 * core-mm and nothing of a device: page-table updates go out through
 * &struct vsvm_svm_ops, so that it can be tested with a device that is an array
 * and adopted by a driver that is not this one.
 *
 * The address space is cut into aligned *spans*, one &mmu_interval_notifier
 * each.  There is no object for what is mapped in a span: the device's page
 * table is the only record of it.  A span is created by the first fault in it
 * and given up when nothing has been in it, and nobody has looked at it, for a
 * while.
 *
 * Locks, outermost first: mmap_lock and whatever else core-mm holds when it
 * calls a notifier, then &vsvm_svm_span.lock.  Under the span's lock nothing
 * allocates with reclaim and nothing waits for a fault.
 */

struct mem_cgroup;
struct mm_struct;
struct mmu_interval_notifier;
struct vm_area_struct;
struct vsvm_svm;

/** enum vsvm_svm_stat - counters, see &struct drm_vsvm_stats for their meaning */
enum vsvm_svm_stat {
	VSVM_STAT_FAULTS,
	VSVM_STAT_FOLDED,
	VSVM_STAT_VALID,
	VSVM_STAT_TERMINAL,
	VSVM_STAT_GROUPS,
	VSVM_STAT_RETRIES,
	VSVM_STAT_SNAPSHOTS,
	VSVM_STAT_POPULATED,
	VSVM_STAT_AHEAD,
	VSVM_STAT_AROUND,
	VSVM_STAT_MAPPED_4K,
	VSVM_STAT_MAPPED_2M,
	VSVM_STAT_UPGRADED,
	VSVM_STAT_SPLIT_2M,
	VSVM_STAT_INVALIDATIONS,
	VSVM_STAT_INVALIDATIONS_HIT,
	VSVM_STAT_ZAPPED_4K,
	VSVM_STAT_ZAPPED_2M,
	VSVM_STAT_DOWNGRADED,
	VSVM_STAT_TLB_FLUSHES,
	VSVM_STAT_SLOW,
	VSVM_STAT_SERVICE_NS,
	VSVM_STAT_POPULATE_NS,
	VSVM_STAT_SNAPSHOT_NS,
	VSVM_STAT_MAP_NS,
	VSVM_STAT_INVALIDATE_NS,
	VSVM_STAT_MIGRATED,
	VSVM_STAT_MIGRATE_FAILED,
	VSVM_STAT_MIGRATE_NS,
	VSVM_STAT_PREFETCHED,
	VSVM_STAT_GUARDED,
	VSVM_STAT_EXCLUSIVE,
	VSVM_STAT_LOOKUP_NS,
	VSVM_STAT_ATTR_RESETS,
	VSVM_NR_STATS
};

/** struct vsvm_svm_counters - one CPU's share of the counters */
struct vsvm_svm_counters {
	u64 v[VSVM_NR_STATS];
};

#define VSVM_SVM_BLOCK_SHIFT	21
#define VSVM_SVM_BLOCK_SIZE	BIT(VSVM_SVM_BLOCK_SHIFT)
#define VSVM_SVM_BLOCK_PAGES	(VSVM_SVM_BLOCK_SIZE >> PAGE_SHIFT)

/**
 * struct vsvm_svm_span - what the device keeps for a span; it embeds this
 * @lock: guards the device's page table in the span
 * @start: first address, aligned to the size
 * @end: one past the last
 */
struct vsvm_svm_span {
	struct mutex lock;	/* device page table of the span */
	unsigned long start;
	unsigned long end;
};

/** enum vsvm_svm_access - what the device wants of a page; each includes those before */
enum vsvm_svm_access {
	VSVM_SVM_READ,
	VSVM_SVM_WRITE,
	VSVM_SVM_ATOMIC,
};

/** enum vsvm_svm_place - where pages lie */
enum vsvm_svm_place {
	VSVM_SVM_ANYWHERE,
	VSVM_SVM_SYSTEM,
	VSVM_SVM_DEVICE,
};

/* How to map: for &vsvm_svm_ops.map, besides what the process may do with the page */
#define VSVM_SVM_MAP_READ_ONLY	BIT(0)
#define VSVM_SVM_MAP_EXEC	BIT(1)
#define VSVM_SVM_MAP_INCOHERENT	BIT(2)

/** struct vsvm_svm_ops - the device, as the mirror sees it */
struct vsvm_svm_ops {
	/**
	 * @span_create: allocate tables down to what @map needs for the span,
	 * initialise the base.  May sleep.  NULL: no memory.
	 */
	struct vsvm_svm_span *(*span_create)(void *priv, unsigned long start,
					     unsigned long end);
	/** @span_destroy: nothing of the span is mapped any more.  May sleep. */
	void (*span_destroy)(void *priv, struct vsvm_svm_span *span);
	/** @span_empty: is nothing of the span mapped?  Under its lock. */
	bool (*span_empty)(void *priv, struct vsvm_svm_span *span);
	/**
	 * @prepare: get the memory that @map may need for small pages in the
	 * 2 MiB block of @address.  May sleep, no lock held.
	 * Return: NULL if none is needed, memory, or ERR_PTR(-ENOMEM).
	 */
	void *(*prepare)(void *priv, struct vsvm_svm_span *span,
			 unsigned long address);
	/** @finish: give back what is left of @prepare.  May sleep, no lock held. */
	void (*finish)(void *priv, void *prepared);
	/**
	 * @mapped: may the device access the page?  No lock: the answer may be
	 * out of date as soon as it is given.
	 */
	bool (*mapped)(void *priv, struct vsvm_svm_span *span,
		       unsigned long address, enum vsvm_svm_access access);
	/**
	 * @map: map pages of one 2 MiB block; @pfns as hmm_range_fault() fills
	 * them in: entries that are not valid are left alone, entries that are
	 * writable become writable unless @mode (VSVM_SVM_MAP_*) forbids it.  Under
	 * the span's lock.
	 * @prepared is set to NULL if it was used up.
	 * Return: pages that are newly mapped, or -EAGAIN if memory from
	 * @prepare turns out to be needed, or -EIO if the device cannot reach
	 * a page.
	 */
	int (*map)(void *priv, struct vsvm_svm_span *span, unsigned long address,
		   const unsigned long *pfns, unsigned int npages, unsigned int mode,
		   void **prepared);
	/**
	 * @map_huge: map a whole 2 MiB block that is contiguous from @pfn (in
	 * hmm encoding).  Under the span's lock.
	 * Return: 1 if newly mapped, 0 if it was, -EIO.
	 */
	int (*map_huge)(void *priv, struct vsvm_svm_span *span,
			unsigned long address, unsigned long pfn, unsigned int mode);
	/**
	 * @map_atomic: map one page for atomic access too, or let it have that
	 * if it is mapped.  @pfn is writable.  @prepared and errors as for @map.
	 * Return: 0 or an error.
	 */
	int (*map_atomic)(void *priv, struct vsvm_svm_span *span,
			  unsigned long address, unsigned long pfn,
			  void **prepared);
	/**
	 * @zap: unmap what is mapped of [start, end) and lies in @place.  When it
	 * returns, the device cannot reach the pages any more, and those that it
	 * has written were reported through vsvm_svm_page_dirty().  Under the
	 * span's lock; no allocation with reclaim.
	 * Return: leaves taken away.
	 */
	unsigned long (*zap)(void *priv, struct vsvm_svm_span *span,
			     unsigned long start, unsigned long end,
			     enum vsvm_svm_place place);
	/** @protect: the same, but only the right to write goes. */
	unsigned long (*protect)(void *priv, struct vsvm_svm_span *span,
				 unsigned long start, unsigned long end);
};

/**
 * struct vsvm_svm_copy - a copy between system and device memory
 * @system: page frame of system memory
 * @device: page frame of device memory, or of nothing: fill with zeros
 * @npages: contiguous in both
 */
struct vsvm_svm_copy {
	unsigned long system;
	unsigned long device;
	unsigned int npages;
};

/**
 * struct vsvm_svm_mem_ops - device memory, as the mirror sees it
 *
 * A *room* is contiguous device memory that pages are about to be moved to.
 */
struct vsvm_svm_mem_ops {
	/**
	 * @room_create: get 1 << @order pages, aligned to as many; from others if
	 * @evict.  May sleep; mmap_lock may be held for reading, and folios be
	 * locked, but not if @evict.  ERR_PTR(-ENOMEM) if there are none.
	 */
	void *(*room_create)(void *priv, unsigned int order, bool evict);
	/** @room_take: a folio of it, locked, with one reference */
	struct page *(*room_take)(void *room, unsigned int index, unsigned int order);
	/** @room_put: let go; pages taken keep what they need.  Any context. */
	void (*room_put)(void *room);
	/**
	 * @copy_begin: have copies carried out.  May sleep; @copies is not used
	 * after the return.
	 * Return: a handle for @copy_end, or an ERR_PTR(): nothing was begun.
	 */
	void *(*copy_begin)(void *priv, const struct vsvm_svm_copy *copies,
			    unsigned int count, bool to_device);
	/**
	 * @copy_end: wait for them.  All succeed, or an error: then the
	 * destination is undefined.  May sleep.
	 */
	int (*copy_end)(void *copying);
	/** @back_create: get ready to bring pages back; NULL: no memory.  May sleep. */
	void *(*back_create)(void *priv);
	/**
	 * @back_begin: begin to bring back what lies in [start, end), in one
	 * 2 MiB block and in @vma, an anonymous mapping, under mmap_lock, which
	 * is held until @back_end.  @huge: it is likely a huge page.  May sleep.
	 * Return: false if there is nothing that can be moved.
	 */
	bool (*back_begin)(void *back, struct vm_area_struct *vma,
			   unsigned long start, unsigned long end, bool huge);
	/** @back_end: finish it.  Return: pages moved.  May sleep. */
	unsigned long (*back_end)(void *back);
	/** @back_destroy: nothing is begun */
	void (*back_destroy)(void *back);
};

/**
 * struct vsvm_svm_mem - device memory that a mirror may move pages to
 * @ops: how
 * @priv: passed to @ops
 * @owner: of the device-private pages
 * @first_pfn: of them
 * @npages: how many; 0: none
 */
struct vsvm_svm_mem {
	const struct vsvm_svm_mem_ops *ops;
	void *priv;
	void *owner;
	unsigned long first_pfn;
	unsigned long npages;
};

/** enum vsvm_svm_status - what became of a request */
enum vsvm_svm_status {
	VSVM_SVM_PENDING = 0,
	VSVM_SVM_OK,
	/** @VSVM_SVM_NO_MAPPING: the process has no mapping there */
	VSVM_SVM_NO_MAPPING,
	/** @VSVM_SVM_PERMISSION: it has, but it forbids the access */
	VSVM_SVM_PERMISSION,
	/** @VSVM_SVM_READ_ONLY: the bounds forbid the write */
	VSVM_SVM_READ_ONLY,
	/** @VSVM_SVM_NO_ACCESS: the bounds forbid any access */
	VSVM_SVM_NO_ACCESS,
	/** @VSVM_SVM_BUS: past the end of a file, poison, guard page */
	VSVM_SVM_BUS,
	/** @VSVM_SVM_UNSUPPORTED: memory that has no struct page, or I/O */
	VSVM_SVM_UNSUPPORTED,
	VSVM_SVM_NO_MEMORY,
	/** @VSVM_SVM_EXITED: the process has gone, or the mirror has been stopped */
	VSVM_SVM_EXITED,
	VSVM_SVM_TIMEOUT,
	/** @VSVM_SVM_PURGED: the driver's own: memory taken away after it was given up */
	VSVM_SVM_PURGED,
	/** @VSVM_SVM_STALE: the bounds do not hold any more: look them up again */
	VSVM_SVM_STALE,
	/** @VSVM_SVM_SLOW: it takes I/O or user space: ask again with WAIT_USER */
	VSVM_SVM_SLOW,
	/** @VSVM_SVM_LATER: mmap_lock is taken: ask again with WAIT_LOCK */
	VSVM_SVM_LATER,
};

/** enum vsvm_svm_wait - what a service may wait for, besides the kernel's own work */
enum vsvm_svm_wait {
	/** @VSVM_SVM_WAIT_NOT: for nothing that a process could draw out */
	VSVM_SVM_WAIT_NOT,
	/** @VSVM_SVM_WAIT_LOCK: for mmap_lock */
	VSVM_SVM_WAIT_LOCK,
	/** @VSVM_SVM_WAIT_USER: for I/O and user space too */
	VSVM_SVM_WAIT_USER,
};

/**
 * struct vsvm_svm_request - one page that the device wants
 * @address: page aligned
 * @access: what for
 * @tries: times that the page was faulted in; internal
 * @status: out
 */
struct vsvm_svm_request {
	unsigned long address;
	enum vsvm_svm_access access;
	u8 tries;
	enum vsvm_svm_status status;
};

/**
 * struct vsvm_svm_bounds - what may be mapped around a request
 * @start: first address
 * @end: one past the last
 * @read_only: never map writable
 * @no_access: never map
 * @exec: map with the right to execute
 * @incoherent: map with the other kind of entry
 * @migrate: move pages to device memory before they are mapped
 * @recall: bring pages back to system memory before they are mapped
 * @derived: nobody has asked for @migrate here: the heap and stacks stay
 * @read_mostly: reads move nothing and map read-only
 * @granule: pages of an aligned block that moves as one; 0: all of the 2 MiB
 * @offset: the driver's own
 * @object: the driver's own
 * @epoch: the bounds hold as long as this reads @seen under the span's lock
 * @seen: value when they were looked up
 */
struct vsvm_svm_bounds {
	unsigned long start;
	unsigned long end;
	bool read_only;
	bool no_access;
	bool exec;
	bool incoherent;
	bool migrate;
	bool recall;
	bool derived;
	bool read_mostly;
	unsigned int granule;
	u64 offset;
	void *object;
	const u32 *epoch;
	u32 seen;
};

/**
 * struct vsvm_svm_scratch - memory that a service needs, one user at a time
 * @pfns: of one block, as hmm_range_fault() fills them in
 */
struct vsvm_svm_scratch {
	unsigned long pfns[VSVM_SVM_BLOCK_PAGES];
};

/**
 * struct vsvm_svm_config - constants of a mirror
 * @span_size: bytes of a span, a power of two, 2 to 512 MiB
 * @around: pages mapped along with a scattered fault, a power of two, 1 to 512
 * @deadline_ms: after which a request that cannot be served fails
 * @idle_ms: after which, and within twice which, a span that is empty and of no
 *	use to anybody is given up; 0: never
 * @mem: device memory, or one with no pages
 */
struct vsvm_svm_config {
	unsigned long span_size;
	unsigned int around;
	unsigned int deadline_ms;
	unsigned int idle_ms;
	struct vsvm_svm_mem mem;
};

/**
 * vsvm_svm_create() - mirror the calling process
 * @ops: the device
 * @priv: passed to @ops
 * @config: copied
 *
 * Nothing is watched until the first request.
 * Return: the mirror, or NULL: no memory.  May sleep.
 */
struct vsvm_svm *vsvm_svm_create(const struct vsvm_svm_ops *ops, void *priv,
				 const struct vsvm_svm_config *config);

/**
 * vsvm_svm_stop() - let no request map anything any more, and unmap all
 * @svm: mirror
 *
 * Requests in flight end with %VSVM_SVM_EXITED as soon as they notice.
 * May sleep.  May be called more than once.
 */
void vsvm_svm_stop(struct vsvm_svm *svm);

/**
 * vsvm_svm_destroy() - stop watching and free
 * @svm: stopped, with no request in flight; or NULL
 *
 * May sleep.
 */
void vsvm_svm_destroy(struct vsvm_svm *svm);

/**
 * struct vsvm_svm_user - a thread that uses a mirror
 * @index: of the read-side section
 * @memcg: charged meanwhile; with a reference
 * @outer: charged before and after
 */
struct vsvm_svm_user {
	int index;
	struct mem_cgroup *memcg;
	struct mem_cgroup *outer;
};

/**
 * vsvm_svm_enter() - begin to use a mirror
 * @svm: mirror
 * @user: the caller's, filled in
 *
 * Until the same thread calls vsvm_svm_leave(), spans that it finds stay, and
 * what it allocates with %__GFP_ACCOUNT is charged to the process.  May be
 * nested, and be held for long: it holds nobody up.  May sleep.
 */
void vsvm_svm_enter(struct vsvm_svm *svm, struct vsvm_svm_user *user);

/** vsvm_svm_leave() - the opposite, in the reverse order if nested */
void vsvm_svm_leave(struct vsvm_svm *svm, const struct vsvm_svm_user *user);

/** vsvm_svm_mm() - the process mirrored; not necessarily alive */
struct mm_struct *vsvm_svm_mm(const struct vsvm_svm *svm);

/**
 * vsvm_svm_lock_mm() - lock the process' mappings, for reading
 * @svm: mirror
 * @wait: see vsvm_svm_serve()
 *
 * Context: may sleep if @wait; the caller holds a reference to the users of the mm.
 * Return: false if they are locked and that is not waited for, or a fatal signal
 * came.
 */
bool vsvm_svm_lock_mm(struct vsvm_svm *svm, enum vsvm_svm_wait wait);

/*
 * A page that is there and that hmm calls an error may only be on its way
 * through a migration: faulting it in waits for that.  One that still is after
 * so many times is not ordinary memory.
 */
#define VSVM_SVM_ERROR_TRIES	16

/**
 * vsvm_svm_serve() - make pages accessible to the device
 * @svm: mirror, entered
 * @requests: of one 2 MiB block, sorted by address; PENDING ones are served,
 *	others left alone
 * @count: of @requests
 * @bounds: cover all of @requests
 * @scratch: the caller's
 * @wait: what may be waited for; more than nothing only where a fatal signal
 *	reaches the calling thread
 *
 * Pages that are present around the requests are mapped along.  No request is
 * left PENDING.  May sleep; takes mmap_lock for reading and the span's lock,
 * one after the other.
 */
void vsvm_svm_serve(struct vsvm_svm *svm, struct vsvm_svm_request *requests,
		    unsigned int count, const struct vsvm_svm_bounds *bounds,
		    struct vsvm_svm_scratch *scratch, enum vsvm_svm_wait wait);

/**
 * vsvm_svm_prefetch() - move pages and map them
 * @svm: mirror
 * @start: first address
 * @end: one past the last
 * @bounds: cover the range
 * @place: where to; ANYWHERE only maps
 *
 * What is not there stays so, and where the process has no page table nothing is
 * done at all; what cannot move is mapped where it lies.  May sleep; takes
 * mmap_lock for reading and span locks.
 * Return: 0; -EINTR on a fatal signal, -ESRCH if the process has gone, -ESTALE
 * if the bounds do not hold any more, -ENOMEM for want of the driver's own
 * memory.
 */
int vsvm_svm_prefetch(struct vsvm_svm *svm, unsigned long start, unsigned long end,
		      const struct vsvm_svm_bounds *bounds,
		      enum vsvm_svm_place place);

/**
 * vsvm_svm_zap() - unmap a range from the device
 * @svm: mirror
 * @start: first address
 * @end: one past the last
 *
 * Return: leaves taken away.  May sleep; takes span locks.
 */
unsigned long vsvm_svm_zap(struct vsvm_svm *svm, unsigned long start,
			   unsigned long end);

/**
 * vsvm_svm_span() - the span of an address, for what the driver maps there itself
 * @svm: mirror, entered
 * @address: any
 *
 * Context: may sleep; the process is alive.
 * Return: the span, good until vsvm_svm_leave(); ERR_PTR(-ENOMEM),
 * ERR_PTR(-ESRCH).
 */
struct vsvm_svm_span *vsvm_svm_span(struct vsvm_svm *svm, unsigned long address);

/** vsvm_svm_stopped() - may nothing be mapped any more?  Under a span's lock. */
bool vsvm_svm_stopped(const struct vsvm_svm *svm);

/** typedef vsvm_svm_span_fn - called for the part of a span in a range, locked */
typedef int (*vsvm_svm_span_fn)(struct vsvm_svm_span *span, unsigned long start,
				unsigned long end, void *arg);

/**
 * vsvm_svm_walk_spans() - call a function for each span of a range, locked
 * @svm: mirror
 * @start: first address
 * @end: one past the last
 * @fn: called with the intersection under the span's lock; not 0 ends the walk
 * @arg: passed to @fn
 *
 * Return: what @fn returned last, or 0.  May sleep.
 */
int vsvm_svm_walk_spans(struct vsvm_svm *svm, unsigned long start,
			unsigned long end, vsvm_svm_span_fn fn, void *arg);

/** vsvm_svm_try_spans() - the same without sleeping; -EAGAIN if a lock is taken */
int vsvm_svm_try_spans(struct vsvm_svm *svm, unsigned long start,
		       unsigned long end, vsvm_svm_span_fn fn, void *arg);

/**
 * vsvm_svm_page_dirty() - tell core-mm that the device has written pages
 * @pfn: first
 * @npages: how many
 *
 * To be called by the device before it forgets a page that it has written,
 * while the page is still mapped by the process: in the notifier's callback,
 * that is, and under the span's lock.  Atomic.
 */
void vsvm_svm_page_dirty(unsigned long pfn, unsigned long npages);

/**
 * vsvm_svm_walk() - look at a process' page table
 * @mni: notifier that watches the range
 * @seq: its sequence, from before
 * @owner: of device-private pages that may be told of
 * @start: first address
 * @end: one past the last
 * @pfns: out: a word a page, as hmm_range_fault() fills them in
 * @hint: in, out: a mapping seen under the same lock; or NULL
 *
 * Asks for nothing and faults nothing in.  Memory that is not for devices is an
 * error in @pfns.  Under mmap_lock.
 * Return: 0, or -EBUSY: an invalidation came in between.
 */
int vsvm_svm_walk(struct mmu_interval_notifier *mni, unsigned long seq, void *owner,
		  unsigned long start, unsigned long end, unsigned long *pfns,
		  struct vm_area_struct **hint);

/**
 * vsvm_svm_fault_in() - have a process fault in one page
 * @mm: the process, with a reference to its users
 * @address: page aligned
 * @write: for writing
 * @wait: for I/O and user space too; else it is %VSVM_SVM_SLOW that would
 *
 * Under mmap_lock, which may be dropped and taken again if @wait.
 * Return: %VSVM_SVM_OK, or what a request for the page fails with.
 */
enum vsvm_svm_status vsvm_svm_fault_in(struct mm_struct *mm, unsigned long address,
				       bool write, bool wait);

#define VSVM_SVM_STREAMS	4

/**
 * struct vsvm_svm_stream - a run of faults at rising addresses
 * @next: where the next fault of the run is expected
 * @window: pages to bring in with it
 */
struct vsvm_svm_stream {
	unsigned long next;
	unsigned int window;
};

/* stream.c: no locks, a torn update costs a guess */
unsigned int vsvm_svm_stream_window(struct vsvm_svm_stream *streams,
				    unsigned int *victim, unsigned long address,
				    unsigned int npages);
void vsvm_svm_stream_advance(struct vsvm_svm_stream *streams,
			     unsigned long address, unsigned long end);

/** vsvm_svm_spans() - number of spans that exist now */
unsigned long vsvm_svm_spans(const struct vsvm_svm *svm);

/** vsvm_svm_meta_bytes() - memory that the spans take in this room */
unsigned long vsvm_svm_meta_bytes(const struct vsvm_svm *svm);

/** vsvm_svm_counters() - this CPU's counters, for vsvm_svm_count() */
struct vsvm_svm_counters __percpu *vsvm_svm_counters(struct vsvm_svm *svm);

/** vsvm_svm_stat() - sum of one counter over all CPUs */
u64 vsvm_svm_stat(const struct vsvm_svm *svm, enum vsvm_svm_stat stat);

/* Add to a counter of a mirror; any context */
#define vsvm_svm_count(svm, stat, n) \
	this_cpu_add(vsvm_svm_counters(svm)->v[stat], (n))

#endif
