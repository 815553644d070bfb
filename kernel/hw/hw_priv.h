/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HW_PRIV_H_
#define _VSVM_HW_PRIV_H_

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/cache.h>
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "hw/hw.h"
#include "hw/hw_tlb.h"

#define VSVM_HW_MAX_ENGINES	32
#define VSVM_HW_MAX_ITEMS	64
#define VSVM_HW_MAX_CHANNELS	8

/* slots of a context behind its work items: they fetch packets and retire FIFO entries */
#define VSVM_HW_SLOT_FETCH	VSVM_HW_MAX_ITEMS
#define VSVM_HW_SLOT_RETIRE	(VSVM_HW_MAX_ITEMS + 1)
#define VSVM_HW_SLOTS		(VSVM_HW_MAX_ITEMS + 2)

/* most bytes that one block reads or writes per operand */
#define VSVM_HW_BLOCK_BYTES	4096u
/* most translations of one block of a packet with scattered elements */
#define VSVM_HW_BLOCK_ELEMENTS	64
/* blocks that a work item runs before the next one is looked at */
#define VSVM_HW_BURST		32

struct task_struct;

/**
 * struct vsvm_hw_asid - an attached address space
 * @asid: its number
 * @root: bus address of the level 4 table
 * @started: invalidations begun
 * @generation: invalidations returned
 * @engines: engines with contexts of it; atomic bit operations, a bit is set
 *	before the first context can run and cleared after the last has gone
 * @contexts: how many each engine has; &vsvm_hw.mutex
 */
struct vsvm_hw_asid {
	u32 asid;
	dma_addr_t root;
	atomic64_t started;
	atomic64_t generation;
	unsigned long engines;
	u32 contexts[VSVM_HW_MAX_ENGINES];
};

/** enum vsvm_hw_trouble_kind - why a block could not be executed */
enum vsvm_hw_trouble_kind {
	VSVM_HW_TROUBLE_NONE = 0,
	/** @VSVM_HW_TROUBLE_AGAIN: the page table changed under the walk: try again */
	VSVM_HW_TROUBLE_AGAIN,
	/** @VSVM_HW_TROUBLE_FAULT: no translation: park, raise a record */
	VSVM_HW_TROUBLE_FAULT,
	/** @VSVM_HW_TROUBLE_ERROR: terminal */
	VSVM_HW_TROUBLE_ERROR,
};

/**
 * struct vsvm_hw_trouble - what stopped the last block of an engine
 * @kind: &enum vsvm_hw_trouble_kind
 * @error: of an error: &enum vsvm_hw_error_code
 * @address: that was accessed
 * @generation: of the address space, before the walk
 * @access: &enum vsvm_hw_access
 * @cause: of a fault: &enum vsvm_hw_cause
 * @level: of the entry that ended the walk, or 0
 */
struct vsvm_hw_trouble {
	u8 kind;
	u8 error;
	u8 access;
	u8 cause;
	u8 level;
	u64 address;
	u64 generation;
};

/** enum vsvm_hw_step - what came of a block */
enum vsvm_hw_step {
	VSVM_HW_MORE,
	VSVM_HW_DONE,
	/** @VSVM_HW_TROUBLE: see &vsvm_hw_engine.trouble */
	VSVM_HW_TROUBLE,
	/** @VSVM_HW_WAIT: WAIT does not compare yet */
	VSVM_HW_WAIT,
	/** @VSVM_HW_SPIN: SPIN goes on */
	VSVM_HW_SPIN,
};

/** enum vsvm_hw_slot_state - of a slot, as its engine sees it */
enum vsvm_hw_slot_state {
	VSVM_HW_SLOT_FREE = 0,
	/** @VSVM_HW_SLOT_READY: in &vsvm_hw_context.ready */
	VSVM_HW_SLOT_READY,
	/** @VSVM_HW_SLOT_BLOCKED: until it is the oldest of its context */
	VSVM_HW_SLOT_BLOCKED,
	/** @VSVM_HW_SLOT_PARKED: until its fault is answered */
	VSVM_HW_SLOT_PARKED,
	/** @VSVM_HW_SLOT_WAITING: WAIT, to be looked at again */
	VSVM_HW_SLOT_WAITING,
};

/** enum vsvm_hw_park - of a slot, as the fault buffer sees it */
enum vsvm_hw_park {
	VSVM_HW_PARK_NONE = 0,
	/** @VSVM_HW_PARK_HELD: the buffer was full, in &vsvm_hw_fault_unit.held */
	VSVM_HW_PARK_HELD,
	/** @VSVM_HW_PARK_RAISED: in the buffer, or read and not answered */
	VSVM_HW_PARK_RAISED,
};

/**
 * struct vsvm_hw_slot - a work item: a packet on its way
 * @packet: as it was fetched; checked and used here, never read again
 * @address: of the packet
 * @entry: number of the FIFO entry that it belongs to
 * @done: bytes or elements done
 * @sum: SUM, CHASE: so far
 * @node: CHASE: the one to visit, or the last when there is none
 * @nodes: CHASE: visited
 * @deadline: WAIT, SPIN: CLOCK_MONOTONIC
 * @crc: CRC32C: so far
 * @phase: what to do next, the packet's own affair; 0 at the start
 * @state: &enum vsvm_hw_slot_state
 * @live: in &vsvm_hw_context.live
 * @run: in &vsvm_hw_context.ready
 * @park: &enum vsvm_hw_park; &vsvm_hw_fault_unit.lock
 * @serial: of the last fault; &vsvm_hw_fault_unit.lock
 * @fault: the last fault; &vsvm_hw_fault_unit.lock
 * @held: in &vsvm_hw_fault_unit.held; its lock
 *
 * All but what the fault unit guards belongs to the thread of the engine.
 */
struct vsvm_hw_slot {
	struct vsvm_packet packet;
	u64 address;
	u64 entry;
	u64 done;
	u64 sum;
	u64 node;
	u64 nodes;
	u64 deadline;
	u32 crc;
	u8 phase;
	u8 state;
	struct list_head live;
	struct list_head run;

	u8 park;
	u32 serial;
	struct vsvm_hw_fault fault;
	struct list_head held;
};

/**
 * struct vsvm_hw_entry - an entry of a FIFO
 * @command: as it was submitted
 * @live: engine: packets started and not complete
 * @fetched: engine: all packets started
 */
struct vsvm_hw_entry {
	struct vsvm_hw_command command;
	u32 live;
	bool fetched;
};

/* bits of vsvm_hw_context.attention: what the engine must look at before it goes on */
#define VSVM_HW_ATTEND_STOP	BIT(0)
#define VSVM_HW_ATTEND_ANSWER	BIT(1)
#define VSVM_HW_ATTEND_KILL	BIT(2)

/**
 * struct vsvm_hw_context - a context
 * @hw: the device
 * @engine: that runs it
 * @asid: address space
 * @id: in records and events
 * @depth: of the FIFO
 * @entries: the FIFO; entry n is at n % @depth, what is between @head and
 *	@tail is the engine's
 * @tail: entries submitted; written by the submitter, with release
 * @head: entries retired; written by the engine, with release
 * @failed: in error: nothing is taken any more; written by the engine
 * @attention: VSVM_HW_ATTEND_*, atomic; followed by vsvm_hw_engine_kick()
 * @queue: in &vsvm_hw_engine.queue; &vsvm_hw_engine.lock
 * @gone: never to be queued again; &vsvm_hw_engine.lock
 * @stopped: the engine has let go of it
 * @rcu: answers look contexts up without a lock
 * @deaf: answers are ignored; &vsvm_hw_fault_unit.lock
 * @answered: slots answered with replay; &vsvm_hw_fault_unit.lock
 * @verdict_slot: that was answered with terminate; &vsvm_hw_fault_unit.lock
 * @verdict_code: code of that answer; &vsvm_hw_fault_unit.lock
 * @news: in &vsvm_hw_event_unit.news; its lock
 * @flags: of the news; &vsvm_hw_event_unit.lock
 * @completed: sequence; &vsvm_hw_event_unit.lock
 * @error: &vsvm_hw_event_unit.lock
 * @wait: in &vsvm_hw_engine.waiters
 * @waiting: the WAIT that does not compare yet, or NULL
 * @poll: when to look at it again
 * @backoff: what to add to get the next @poll
 * @holder: packet that must complete before the next is fetched, or NULL
 * @ready: slots that can run, next one first
 * @live: packets started and not complete, in order
 * @nready: length of @ready
 * @free: free work items
 * @fetch_entry: entry to fetch from
 * @fetch_offset: bytes of it fetched
 * @slots: work items, then the two others
 * @buffers: of the host that the firmware knows; &vsvm_hw_mailbox.busy
 * @buffer_end: where the last of them ends; &vsvm_hw_mailbox.busy
 *
 * What follows @error belongs to the thread of the engine, but for the buffers.
 */
struct vsvm_hw_context {
	struct vsvm_hw *hw;
	struct vsvm_hw_engine *engine;
	struct vsvm_hw_asid *asid;
	u32 id;
	u32 depth;
	struct vsvm_hw_entry *entries;
	u64 tail;
	u64 head;
	bool failed;
	atomic_t attention;

	struct list_head queue;
	bool gone;
	struct completion stopped;
	struct rcu_head rcu;

	bool deaf;
	DECLARE_BITMAP(answered, VSVM_HW_SLOTS);
	u32 verdict_slot;
	u32 verdict_code;

	struct list_head news;
	u32 flags;
	u64 completed;
	struct vsvm_hw_error error;

	struct list_head wait;
	struct vsvm_hw_slot *waiting;
	u64 poll;
	u64 backoff;
	struct vsvm_hw_slot *holder;
	struct list_head ready;
	struct list_head live;
	u32 nready;
	u64 free;
	u64 fetch_entry;
	u64 fetch_offset;
	struct vsvm_hw_slot slots[VSVM_HW_SLOTS];
	u32 buffers;
	u64 buffer_end;
};

/** struct vsvm_hw_engine_counters - written by the thread of the engine only */
struct vsvm_hw_engine_counters {
	u64 blocks;
	u64 bytes;
	u64 packets;
	u64 hits;
	u64 misses;
	u64 stale;
};

/**
 * struct vsvm_hw_engine - an engine
 * @epoch: odd while a block is executed, see mmu.c
 * @hw: the device
 * @asid: of the context that runs
 * @tlb: translations
 * @ahead: what a walk is about to put into the TLB; no array on the stack, which
 *	would be cleared for every walk
 * @trouble: what stopped the last block
 * @counters: of the engine
 * @waiters: contexts with a WAIT that does not compare yet
 * @watched: the block that is executed is checked by the paranoid knob
 * @watch_started: paranoid: invalidations begun when it was entered
 * @watch_head: paranoid: records when it was entered
 * @index: number of the engine
 * @task: its thread
 * @lock: guards what follows
 * @queue: contexts to look at
 * @asleep: the thread is going to sleep or sleeps: wake it
 * @recheck: look at the waiters whatever the time
 *
 * @asid to @watch_head belong to the thread.
 */
struct vsvm_hw_engine {
	unsigned long epoch ____cacheline_aligned_in_smp;

	struct vsvm_hw *hw ____cacheline_aligned_in_smp;
	struct vsvm_hw_asid *asid;
	struct vsvm_hw_tlb tlb;
	struct vsvm_hw_tlb_way ahead[VSVM_HW_TLB_AHEAD];
	struct vsvm_hw_trouble trouble;
	struct vsvm_hw_engine_counters counters;
	struct list_head waiters;
	bool watched;
	u64 watch_started;
	u64 watch_head;
	u32 index;
	struct task_struct *task;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct list_head queue;
	bool asleep;
	bool recheck;
};

/**
 * struct vsvm_hw_fault_unit - the fault buffer
 * @lock: guards all of it, and the @park of every slot
 * @ring: records
 * @size: how many there is room for
 * @first: the oldest one
 * @count: how many there are; may be read without the lock
 * @held: slots whose record did not fit, oldest first
 * @raised: records raised
 * @full: times that one did not fit
 */
struct vsvm_hw_fault_unit {
	/* leaf; taken by threads of the device and in calls of the driver */
	spinlock_t lock;
	struct vsvm_hw_fault *ring;
	u32 size;
	u32 first;
	u32 count;
	struct list_head held;
	u64 raised;
	u64 full;
};

/**
 * struct vsvm_hw_event_unit - news of contexts
 * @lock: guards @news and the news of every context
 * @news: contexts that have some, oldest first
 */
struct vsvm_hw_event_unit {
	/* leaf; taken by threads of the device and in calls of the driver */
	spinlock_t lock;
	struct list_head news;
};

/**
 * struct vsvm_hw_copy_group - a group of descriptors in a ring
 * @cookie: the driver's
 * @count: of descriptors
 * @error: once it is complete
 */
struct vsvm_hw_copy_group {
	u64 cookie;
	u32 count;
	int error;
};

/**
 * struct vsvm_hw_copy_channel - a copy engine
 * @hw: the device
 * @index: number of the channel
 * @task: its thread
 * @size: descriptors that @ring holds, and groups that @groups holds
 * @ring: descriptors; number n is at n % @size, those between @head and @tail
 *	are the thread's
 * @groups: the same for groups; those between @complete and @submitted are the
 *	thread's
 * @lock: guards what follows
 * @tail: descriptors submitted
 * @head: descriptors of groups that are complete
 * @submitted: groups submitted
 * @complete: groups complete
 * @read: groups of which the driver has been told
 * @asleep: the thread is going to sleep or sleeps: wake it
 * @copied: groups complete without error
 * @bytes: copied by them
 *
 * A group has its record until it has been read, so that no completion is lost.
 */
struct vsvm_hw_copy_channel {
	struct vsvm_hw *hw;
	u32 index;
	struct task_struct *task;
	u32 size;
	struct vsvm_hw_copy *ring;
	struct vsvm_hw_copy_group *groups;

	/* leaf; taken by the thread and in calls of the driver */
	spinlock_t lock ____cacheline_aligned_in_smp;
	u64 tail;
	u64 head;
	u64 submitted;
	u64 complete;
	u64 read;
	bool asleep;
	u64 copied;
	u64 bytes;
};

/* messages whose reply has not been read */
#define VSVM_HW_MAILBOX_SLOTS	64

/**
 * struct vsvm_hw_letter - a message and what became of it
 * @link: on one of the lists of the mailbox
 * @message: as it was sent
 * @status: once it has been carried out
 * @due: when the reply may be read, CLOCK_MONOTONIC
 */
struct vsvm_hw_letter {
	struct list_head link;
	struct vsvm_hw_message message;
	int status;
	u64 due;
};

/**
 * struct vsvm_hw_mailbox - the firmware
 * @task: its thread
 * @busy: held while a message is carried out; guards what is known of contexts
 * @lock: guards the lists; inside @busy
 * @free: letters
 * @sent: not yet taken in, in order
 * @waiting: carried out, the reply is not due
 * @ready: replies to be read; may be looked at without the lock
 * @letters: all of them
 */
struct vsvm_hw_mailbox {
	struct task_struct *task;
	/* may sleep; nothing is taken under it but @lock */
	struct mutex busy;
	/* leaf; taken by the thread and in calls of the driver */
	spinlock_t lock;
	struct list_head free;
	struct list_head sent;
	struct list_head waiting;
	struct list_head ready;
	struct vsvm_hw_letter letters[VSVM_HW_MAILBOX_SLOTS];
};

/** struct vsvm_hw_chunk - 2 MiB of device memory: one piece, or page by page */
struct vsvm_hw_chunk {
	struct page *whole;
	struct page **pages;
};

struct vsvm_hw_invalidated;

/**
 * struct vsvm_hw_paranoid - what was invalidated
 * @lock: serialises writers of @ring and guards it
 * @started: invalidations begun while the knob was on
 * @head: records written; record n is at n % VSVM_HW_RECORDS
 * @ring: the last ones
 */
struct vsvm_hw_paranoid {
	raw_spinlock_t lock;
	atomic64_t started;
	u64 head;
	struct vsvm_hw_invalidated *ring;
};

/* what a test can break, see vsvm_hw_sabotage() */
#define VSVM_HW_SABOTAGE_DROP	BIT(0)
#define VSVM_HW_SABOTAGE_WAIT	BIT(1)

/**
 * struct vsvm_hw - the device
 * @dev: whose bus addresses it uses
 * @config: as created; knobs may change
 * @irq: the driver's handler
 * @priv: passed to it
 * @masked: causes raised and not enabled since; atomic
 * @deferred: causes to be raised by @irq_work; atomic
 * @irq_work: raises what is not found out by a thread of the device
 * @mutex: creation of contexts, &vsvm_hw_asid.contexts
 * @next_context: where to look for the id of the next context; @mutex
 * @asids: &struct vsvm_hw_asid by number
 * @contexts: by id, looked up under RCU
 * @waiting: engines with waiters; atomic bit operations
 * @faults: the fault buffer
 * @events: the news
 * @paranoid: what was invalidated
 * @invalidations: carried out, per CPU
 * @chunks: device memory
 * @channels: copy engines, there are @config.copy_channels of them
 * @next_read: channel whose completions are read first; racy on purpose
 * @mailbox: the firmware
 * @sabotage: VSVM_HW_SABOTAGE_*, for tests
 * @engines: there are @config.engines of them
 */
struct vsvm_hw {
	struct device *dev;
	struct vsvm_hw_config config;
	void (*irq)(void *priv, u32 causes);
	void *priv;
	atomic_t masked;
	atomic_t deferred;
	struct irq_work irq_work;

	/* outermost; may sleep */
	struct mutex mutex;
	u32 next_context;
	struct xarray asids;
	struct xarray contexts;
	unsigned long waiting;

	struct vsvm_hw_fault_unit faults;
	struct vsvm_hw_event_unit events;
	struct vsvm_hw_paranoid paranoid;
	u64 __percpu *invalidations;
	struct vsvm_hw_chunk *chunks;
	struct vsvm_hw_copy_channel *channels;
	u32 next_read;
	struct vsvm_hw_mailbox mailbox;
	u32 sabotage;
	struct vsvm_hw_engine *engines;
};

/* engine.c */
int vsvm_hw_engine_start(struct vsvm_hw *hw, struct vsvm_hw_engine *eng,
			 u32 index);
void vsvm_hw_engine_stop(struct vsvm_hw_engine *eng);
void vsvm_hw_engine_kick(struct vsvm_hw_context *ctx);
bool vsvm_hw_engine_contended(struct vsvm_hw_engine *eng,
			      struct vsvm_hw_context *ctx);
u64 vsvm_hw_engine_poll(struct vsvm_hw_engine *eng);
void vsvm_hw_engine_nap(struct vsvm_hw_engine *eng,
			struct vsvm_hw_context *ctx, u64 until);
void vsvm_hw_engine_recheck(struct vsvm_hw *hw);
void vsvm_hw_engine_forget(struct vsvm_hw_context *ctx);

/* run.c */
bool vsvm_hw_context_run(struct vsvm_hw_context *ctx);

/* fault.c */
void vsvm_hw_fault_raise(struct vsvm_hw_context *ctx, u32 slot,
			 const struct vsvm_hw_fault *fault);
void vsvm_hw_fault_collect(struct vsvm_hw_context *ctx, unsigned long *out);
void vsvm_hw_fault_forget(struct vsvm_hw_context *ctx);
int vsvm_hw_fault_init(struct vsvm_hw_fault_unit *unit, u32 entries);

/* event.c */
void vsvm_hw_irq_raise(struct vsvm_hw *hw, u32 causes);
void vsvm_hw_irq_defer(struct vsvm_hw *hw, u32 causes);
void vsvm_hw_irq_init(struct vsvm_hw *hw);
void vsvm_hw_event_post(struct vsvm_hw_context *ctx, u32 flags, u64 completed);
void vsvm_hw_event_error(struct vsvm_hw_context *ctx,
			 const struct vsvm_hw_error *error);
void vsvm_hw_event_forget(struct vsvm_hw_context *ctx);

/* copy.c */
int vsvm_hw_copy_init(struct vsvm_hw *hw);
void vsvm_hw_copy_fini(struct vsvm_hw *hw);
bool vsvm_hw_copy_pending(struct vsvm_hw *hw);

/* mailbox.c */
int vsvm_hw_mailbox_init(struct vsvm_hw *hw);
void vsvm_hw_mailbox_fini(struct vsvm_hw *hw);
bool vsvm_hw_mailbox_pending(struct vsvm_hw *hw);
void vsvm_hw_mailbox_forget(struct vsvm_hw *hw);

/* vram.c */
int vsvm_hw_vram_init(struct vsvm_hw *hw);
void vsvm_hw_vram_fini(struct vsvm_hw *hw);

#if IS_ENABLED(CONFIG_KUNIT)
static inline bool vsvm_hw_sabotage(const struct vsvm_hw *hw, u32 what)
{
	return unlikely(READ_ONCE(hw->sabotage) & what);
}
#else
static inline bool vsvm_hw_sabotage(const struct vsvm_hw *hw, u32 what)
{
	return false;
}
#endif

#endif
