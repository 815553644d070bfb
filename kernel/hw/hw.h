/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HW_H_
#define _VSVM_HW_H_

#include <linux/bits.h>
#include <linux/types.h>

#include <drm/vsvm_packet.h>

/**
 * DOC: the accelerator, as the driver sees it
 *
 * This header is to the driver what a register map and a programming manual
 * are for a card; docs/hardware.md is the manual.  The accelerator knows bus
 * addresses, address-space ids and contexts; it has never heard of a process.
 *
 * What the device has to say it says asynchronously: it raises an interrupt
 * cause (the callback given to vsvm_hw_create(), called in atomic context from
 * a thread of the hardware's own) and the driver reads faults and events from
 * where it may sleep.
 */

struct device;
struct page;
struct vsvm_hw;
struct vsvm_hw_context;

/* --- page tables ---
 *
 * 48-bit device addresses, four levels of 512 entries.  Level 4 is the root,
 * level 1 holds 4 KiB leaves, level 2 may hold 2 MiB leaves (%VSVM_PTE_LEAF).
 * Entries are naturally aligned u64 in system memory, always accessed whole.
 *
 * The device caches valid leaves only; an entry that becomes valid, or gains a
 * permission, needs no invalidation.  An access that the cached entry does not
 * permit walks again before it faults.  A table page may be freed when an
 * invalidation, begun after the entry that pointed to it was cleared, has
 * returned.
 *
 * On the first write through a leaf the device sets %VSVM_PTE_DIRTY in it with
 * a compare-and-exchange against the entry that it used: if the entry has
 * changed in the meantime, it walks again.
 */
#define VSVM_PTE_VALID		BIT_ULL(0)
#define VSVM_PTE_READ		BIT_ULL(1)
#define VSVM_PTE_WRITE		BIT_ULL(2)
#define VSVM_PTE_EXEC		BIT_ULL(3)
/* address is an offset into device memory, else a bus address */
#define VSVM_PTE_VRAM		BIT_ULL(4)
#define VSVM_PTE_LEAF		BIT_ULL(5)
#define VSVM_PTE_ATOMIC		BIT_ULL(6)
#define VSVM_PTE_COHERENT	BIT_ULL(7)
#define VSVM_PTE_PEER		BIT_ULL(8)
/* bits 9 to 11 are the driver's */
#define VSVM_PTE_SW_MASK	GENMASK_ULL(11, 9)
#define VSVM_PTE_ADDR_MASK	GENMASK_ULL(51, 12)
#define VSVM_PTE_RESERVED	GENMASK_ULL(62, 52)
#define VSVM_PTE_DIRTY		BIT_ULL(63)

#define VSVM_HW_VA_BITS		48
#define VSVM_HW_PAGE_SHIFT	12
#define VSVM_HW_HUGE_SHIFT	21
#define VSVM_HW_LEVELS		4
#define VSVM_HW_TABLE_ENTRIES	512
#define VSVM_HW_ASIDS		65536

/**
 * enum vsvm_hw_irq - interrupt causes
 * @VSVM_HW_IRQ_FAULT: the fault buffer is not empty
 * @VSVM_HW_IRQ_EVENT: vsvm_hw_event_read() has something
 * @VSVM_HW_IRQ_COPY: vsvm_hw_copy_read() has something
 * @VSVM_HW_IRQ_MAILBOX: vsvm_hw_mailbox_read() has something
 *
 * A cause is raised when its source goes from empty to not empty, and not
 * again before vsvm_hw_irq_enable() has been called for it: the driver reads
 * for as long as it likes, then enables; a source that is not empty at that
 * moment is raised at once.
 */
enum vsvm_hw_irq {
	VSVM_HW_IRQ_FAULT = BIT(0),
	VSVM_HW_IRQ_EVENT = BIT(1),
	VSVM_HW_IRQ_COPY = BIT(2),
	VSVM_HW_IRQ_MAILBOX = BIT(3),
};

/** enum vsvm_hw_message_type - what can be said to the firmware */
enum vsvm_hw_message_type {
	/** @VSVM_HW_MAP_HOST_BUFFER: the first buffer of a context */
	VSVM_HW_MAP_HOST_BUFFER = 0,
	/** @VSVM_HW_ADD_HOST_BUFFER: one that begins where the last one ends */
	VSVM_HW_ADD_HOST_BUFFER = 1,
	/** @VSVM_HW_REMOVE_HOST_BUFFER: the last one */
	VSVM_HW_REMOVE_HOST_BUFFER = 2,
	/** @VSVM_HW_FORGET_HOST_BUFFERS: all of them, whatever there is */
	VSVM_HW_FORGET_HOST_BUFFERS = 3,
	VSVM_HW_MESSAGE_TYPES
};

/* a host buffer is aligned to that, and at most so large */
#define VSVM_HW_HOST_BUFFER_SHIFT	26

/**
 * struct vsvm_hw_config - what silicon to build
 * @engines: 1 to 32
 * @fault_entries: records in the fault buffer, 1 to 65536
 * @queue_depth: entries of the command FIFO of each context
 * @items: work items that an engine runs at once, 1 to 64
 * @tlb_sets: sets of the 4 KiB part of each TLB (4 ways), a power of two
 * @tlb_huge_sets: the same for the 2 MiB part
 * @vram_bytes: device memory, a multiple of 2 MiB, 0: none
 * @copy_channels: copy engines, 0 to 8
 * @copy_entries: descriptors that a copy engine holds, 16 to 65536
 * @slice_us: time slice of a context on an engine
 * @tlb_delay_us: knob: every invalidation takes at least this long
 * @paranoid: knob: check every translation used against what was invalidated
 * @copy_delay_us: knob: every group of descriptors takes at least this long
 * @copy_fail: knob: so many groups from now on fail with -EIO, counting down
 * @mailbox_skip: knob: so many messages from now on are left alone by the
 *	others, counting down
 * @mailbox_refuse: knob: so many messages of a type are refused with -EIO
 * @mailbox_lose: knob: so many are lost on their way to the firmware
 * @mailbox_mute: knob: so many are carried out, and the reply is lost
 * @mailbox_delay_us: knob: replies to a type take at least so long
 *
 * Knobs may be changed while the device runs, see vsvm_hw_config().
 */
struct vsvm_hw_config {
	u32 engines;
	u32 fault_entries;
	u32 queue_depth;
	u32 items;
	u32 tlb_sets;
	u32 tlb_huge_sets;
	u64 vram_bytes;
	u32 copy_channels;
	u32 copy_entries;
	u32 slice_us;
	u32 tlb_delay_us;
	u32 paranoid;
	u32 copy_delay_us;
	u32 copy_fail;
	u32 mailbox_skip;
	u32 mailbox_refuse[VSVM_HW_MESSAGE_TYPES];
	u32 mailbox_lose[VSVM_HW_MESSAGE_TYPES];
	u32 mailbox_mute[VSVM_HW_MESSAGE_TYPES];
	u32 mailbox_delay_us[VSVM_HW_MESSAGE_TYPES];
};

/** enum vsvm_hw_access - what an access wants; numbers as in enum drm_vsvm_access */
enum vsvm_hw_access {
	VSVM_HW_READ = 0,
	VSVM_HW_WRITE = 1,
	VSVM_HW_ATOMIC = 2,
	VSVM_HW_EXEC = 3,
	VSVM_HW_FETCH = 4,
	VSVM_HW_NONE = 5,
};

/** enum vsvm_hw_cause - why a translation failed */
enum vsvm_hw_cause {
	VSVM_HW_NOT_PRESENT = 0,
	VSVM_HW_PROTECTION = 1,
};

/**
 * struct vsvm_hw_fault - a fault record
 * @time_ns: CLOCK_MONOTONIC when it was raised
 * @address: that was accessed, exact
 * @packet: address of the packet concerned
 * @tag: of that packet, 0 if it could not be read yet
 * @generation: invalidations of the address space that had returned when the
 *	access was tried
 * @asid: address space
 * @context: id of the context
 * @serial: with @item, tells this fault of the work item from any other of it
 * @engine: that raised it
 * @item: slot of the work item
 * @access: &enum vsvm_hw_access
 * @cause: &enum vsvm_hw_cause
 * @level: of the entry that ended the walk
 */
struct vsvm_hw_fault {
	u64 time_ns;
	u64 address;
	u64 packet;
	u64 tag;
	u64 generation;
	u32 asid;
	u32 context;
	u32 serial;
	u16 engine;
	u16 item;
	u8 access;
	u8 cause;
	u8 level;
};

/** enum vsvm_hw_verdict - the driver's answer to a fault record */
enum vsvm_hw_verdict {
	/** @VSVM_HW_REPLAY: try the access again */
	VSVM_HW_REPLAY = 0,
	/**
	 * @VSVM_HW_TERMINATE: the context ends in error; it reports a
	 * %VSVM_HW_ERROR_TERMINATED
	 */
	VSVM_HW_TERMINATE = 1,
};

/** enum vsvm_hw_error_code - why a context ended */
enum vsvm_hw_error_code {
	VSVM_HW_ERROR_NONE = 0,
	/** @VSVM_HW_ERROR_TERMINATED: the driver's verdict; @code is the driver's */
	VSVM_HW_ERROR_TERMINATED = 1,
	VSVM_HW_ERROR_BAD_OPCODE = 2,
	VSVM_HW_ERROR_BAD_PACKET = 3,
	VSVM_HW_ERROR_MISALIGNED = 4,
	/** @VSVM_HW_ERROR_ADDRESS: beyond %VSVM_HW_VA_BITS */
	VSVM_HW_ERROR_ADDRESS = 5,
	/**
	 * @VSVM_HW_ERROR_RESERVED: reserved bits in a table entry, or an
	 * address that is no memory
	 */
	VSVM_HW_ERROR_RESERVED = 6,
	VSVM_HW_ERROR_WAIT_TIMEOUT = 7,
};

/**
 * struct vsvm_hw_error - what ended a context
 * @fault: where; all but @cause and @serial are filled in
 * @error: &enum vsvm_hw_error_code
 * @code: of the driver's verdict, else 0
 */
struct vsvm_hw_error {
	struct vsvm_hw_fault fault;
	u32 error;
	u32 code;
};

/**
 * struct vsvm_hw_command - an entry of a context's FIFO
 * @address: first packet, aligned to 64; 0 with no @bytes
 * @bytes: multiple of 64
 * @fence_address: where to write @fence_value once this entry and all before
 *	it are complete, or 0
 * @fence_value: what to write
 * @sequence: reported as completed when all that is done; rising
 *
 * Misaligned addresses are a terminal error of the context, not refused here.
 */
struct vsvm_hw_command {
	u64 address;
	u64 bytes;
	u64 fence_address;
	u64 fence_value;
	u64 sequence;
};

#define VSVM_HW_EVENT_COMPLETED	BIT(0)
#define VSVM_HW_EVENT_FENCE	BIT(1)
#define VSVM_HW_EVENT_ERROR	BIT(2)

/**
 * struct vsvm_hw_event - news of one context
 * @context: id
 * @flags: what is new: VSVM_HW_EVENT_*: entries completed, a fence value
 *	written, ended in error
 * @completed: sequence of the last entry completed
 * @error: with %VSVM_HW_EVENT_ERROR
 */
struct vsvm_hw_event {
	u32 context;
	u32 flags;
	u64 completed;
	struct vsvm_hw_error error;
};

/** struct vsvm_hw_counters - since the device was created */
struct vsvm_hw_counters {
	u64 blocks;
	u64 bytes;
	u64 packets;
	u64 tlb_hits;
	u64 tlb_misses;
	u64 tlb_invalidations;
	u64 faults;
	u64 fault_buffer_full;
	u64 stale_translations;
	/* groups of descriptors complete without error, and their bytes */
	u64 copies;
	u64 copied_bytes;
};

/* --- the device --- */

/**
 * vsvm_hw_create() - power the device up
 * @dev: device whose bus addresses it uses: they must be physical addresses
 *	(no IOMMU, no bounce buffers)
 * @config: copied
 * @irq: called with causes (&enum vsvm_hw_irq), in atomic context, any CPU
 * @priv: passed to @irq
 *
 * Context: may sleep.
 * Return: the device or an ERR_PTR(): -EINVAL for a configuration out of
 * range, -ENOMEM.
 */
struct vsvm_hw *vsvm_hw_create(struct device *dev,
			       const struct vsvm_hw_config *config,
			       void (*irq)(void *priv, u32 causes), void *priv);

/**
 * vsvm_hw_destroy() - power it down
 * @hw: device; all contexts destroyed and all address spaces detached
 *
 * Context: may sleep.  @irq is not called any more once it returns.
 */
void vsvm_hw_destroy(struct vsvm_hw *hw);

/** vsvm_hw_config() - the configuration; knobs may be written (WRITE_ONCE) at any time */
struct vsvm_hw_config *vsvm_hw_config(struct vsvm_hw *hw);

/** vsvm_hw_counters() - read the counters; not one atomic snapshot */
void vsvm_hw_counters(struct vsvm_hw *hw, struct vsvm_hw_counters *out);

/** vsvm_hw_irq_enable() - acknowledge @causes and let them be raised again; any context */
void vsvm_hw_irq_enable(struct vsvm_hw *hw, u32 causes);

/** vsvm_hw_vram_page() - page behind a byte offset of device memory, through the aperture */
struct page *vsvm_hw_vram_page(struct vsvm_hw *hw, u64 offset);

/* --- address spaces --- */

/**
 * vsvm_hw_asid_attach() - give an address space its root table
 * @hw: device
 * @asid: less than %VSVM_HW_ASIDS, not attached
 * @root: bus address of the level 4 table
 *
 * Return: 0, -EINVAL, -EBUSY if attached, -ENOMEM.  May sleep.
 */
int vsvm_hw_asid_attach(struct vsvm_hw *hw, u32 asid, dma_addr_t root);

/** vsvm_hw_asid_detach() - take it away; no context may use it; invalidates all of it */
void vsvm_hw_asid_detach(struct vsvm_hw *hw, u32 asid);

/**
 * vsvm_hw_tlb_invalidate() - forget translations, wait for accesses in flight
 * @hw: device
 * @asid: attached
 * @start: first address
 * @end: one past the last
 *
 * When it returns, no access begun with a translation of the interval that was
 * read from the page table before the call is still running, in no engine.
 *
 * Context: a task, with locks held or interrupts off if it likes; not in an
 * interrupt, soft or hard, which may have come in the middle of a block.  Spins
 * for at most one block of each engine, sleeps not, allocates not.
 */
void vsvm_hw_tlb_invalidate(struct vsvm_hw *hw, u32 asid, u64 start, u64 end);

/* --- faults --- */

/**
 * vsvm_hw_fault_read() - take records out of the fault buffer
 * @hw: device
 * @out: where to
 * @max: room
 *
 * A work item stays parked from when its record is raised until it is
 * answered.  If the buffer was full, parked items that could not raise theirs
 * do so now.
 *
 * Return: number of records, oldest first.  Any context.
 */
unsigned int vsvm_hw_fault_read(struct vsvm_hw *hw, struct vsvm_hw_fault *out,
				unsigned int max);

/**
 * vsvm_hw_fault_answer() - answer a record
 * @hw: device
 * @fault: the record
 * @verdict: &enum vsvm_hw_verdict
 * @code: for %VSVM_HW_TERMINATE: comes back in &struct vsvm_hw_error.code
 *
 * An answer to a record whose work item has gone on or does not exist any more
 * is ignored.  Any context.
 */
void vsvm_hw_fault_answer(struct vsvm_hw *hw, const struct vsvm_hw_fault *fault,
			  enum vsvm_hw_verdict verdict, u32 code);

/* --- contexts --- */

/**
 * vsvm_hw_context_create() - create a context
 * @hw: device
 * @asid: attached; must stay so until the context is destroyed
 * @engine: that runs it
 *
 * Return: the context or an ERR_PTR(): -EINVAL, -ENOMEM.  May sleep.
 */
struct vsvm_hw_context *vsvm_hw_context_create(struct vsvm_hw *hw, u32 asid,
					       u32 engine);

/** vsvm_hw_context_id() - id in records and events; not reused while the device lives */
u32 vsvm_hw_context_id(const struct vsvm_hw_context *context);

/**
 * vsvm_hw_context_room() - entries that the FIFO has room for
 * @context: the context
 *
 * Only vsvm_hw_context_submit() makes it less.  Any context.
 */
unsigned int vsvm_hw_context_room(const struct vsvm_hw_context *context);

/**
 * vsvm_hw_context_submit() - append an entry to the FIFO
 * @context: the context
 * @command: copied
 *
 * Return: 0; -ENOSPC if the FIFO is full; -EIO if the context is in error.
 * Any context; calls for one context must be serialised by the caller.
 */
int vsvm_hw_context_submit(struct vsvm_hw_context *context,
			   const struct vsvm_hw_command *command);

/**
 * vsvm_hw_context_destroy() - stop and free a context
 * @context: the context, in any state
 *
 * Work items are dropped at the next block boundary, parked ones at once; their
 * records may still be in the fault buffer.  Events not yet read are dropped.
 *
 * Context: may sleep, for as long as the longest block takes.
 */
void vsvm_hw_context_destroy(struct vsvm_hw_context *context);

/**
 * vsvm_hw_event_read() - take the news of one context
 * @hw: device
 * @out: filled in
 *
 * News of a context that come before they are read are merged.
 *
 * Return: false if there is none.  Any context.
 */
bool vsvm_hw_event_read(struct vsvm_hw *hw, struct vsvm_hw_event *out);

/* --- copy engines --- */

#define VSVM_HW_COPY_SRC_VRAM	BIT(0)
#define VSVM_HW_COPY_DST_VRAM	BIT(1)
/* fill the destination with the 8-byte pattern in @src */
#define VSVM_HW_COPY_FILL	BIT(2)

/**
 * struct vsvm_hw_copy - a descriptor of a copy engine
 * @src: bus address, or offset into device memory, or pattern
 * @dst: bus address, or offset into device memory
 * @bytes: multiple of 8, not 0; contiguous in both
 * @flags: VSVM_HW_COPY_*
 */
struct vsvm_hw_copy {
	u64 src;
	u64 dst;
	u32 bytes;
	u32 flags;
};

/**
 * struct vsvm_hw_copy_done - a group that is complete
 * @cookie: of vsvm_hw_copy_submit()
 * @error: 0 or -EIO: what was copied is undefined
 */
struct vsvm_hw_copy_done {
	u64 cookie;
	int error;
};

/**
 * vsvm_hw_copy_submit() - append a group of descriptors to a ring
 * @hw: device
 * @channel: copy engine; groups of one complete in order, of several in any
 * @copies: copied
 * @count: of @copies, not 0
 * @cookie: comes back in &struct vsvm_hw_copy_done
 *
 * No translation, no faults: addresses must stay good until the group is
 * complete.  Any context; calls may race.
 * Return: 0, -ENOSPC if the ring has no room for all of them now, -EINVAL if it
 * never has, or for a malformed descriptor.
 */
int vsvm_hw_copy_submit(struct vsvm_hw *hw, u32 channel,
			const struct vsvm_hw_copy *copies, u32 count, u64 cookie);

/** vsvm_hw_copy_read() - take a group that is complete; false if none is; any context */
bool vsvm_hw_copy_read(struct vsvm_hw *hw, struct vsvm_hw_copy_done *out);

/* --- firmware --- */

/**
 * struct vsvm_hw_message - a message to the firmware
 * @sequence: comes back with the reply
 * @type: &enum vsvm_hw_message_type
 * @context: id of the context concerned
 * @address: device address of the buffer; 0 where there is none
 * @bytes: of the buffer, 0 where there is none
 */
struct vsvm_hw_message {
	u32 sequence;
	u32 type;
	u32 context;
	u64 address;
	u64 bytes;
};

/**
 * struct vsvm_hw_reply - what the firmware has to say to it
 * @sequence: of the message
 * @status: 0; -EINVAL malformed, or a buffer that is out of turn; -EFAULT it does
 *	not translate; -ENOENT no such context; -EIO refused
 */
struct vsvm_hw_reply {
	u32 sequence;
	int status;
};

/**
 * vsvm_hw_mailbox_send() - send a message
 * @hw: device
 * @message: copied
 *
 * Messages are carried out in the order in which they are sent; replies come
 * later, in any.  All of a buffer must translate, for writing, when it is mapped
 * or added, and until it is removed, forgotten, or the context destroyed.
 *
 * Return: 0; -ENOSPC while there are too many of which the reply has not been
 * read.  Any context.
 */
int vsvm_hw_mailbox_send(struct vsvm_hw *hw, const struct vsvm_hw_message *message);

/** vsvm_hw_mailbox_read() - take a reply; false if there is none; any context */
bool vsvm_hw_mailbox_read(struct vsvm_hw *hw, struct vsvm_hw_reply *out);

/**
 * vsvm_hw_mailbox_reset() - restart the firmware
 * @hw: device
 *
 * Messages and replies that are under way are lost, and the firmware knows of no
 * buffer of any context.  May sleep.
 */
void vsvm_hw_mailbox_reset(struct vsvm_hw *hw);

#endif
