/* SPDX-License-Identifier: MIT */
#ifndef _UAPI_VSVM_DRM_H_
#define _UAPI_VSVM_DRM_H_

#include <drm/drm.h>
#include <drm/vsvm_packet.h>

#if defined(__cplusplus)
extern "C" {
#endif

/**
 * DOC: the contract with user space
 *
 * Types are of fixed size, structs have no holes and are aligned to 8 bytes,
 * pointers travel as u64.  A struct may grow at its end: what an older caller
 * does not pass reads as zero, and zero means the default.  Arrays travel as
 * &struct drm_vsvm_array, whose stride is the size of the element that the
 * caller was built with.
 *
 * An unknown flag, an unknown value or a padding field that is not zero is
 * refused with EINVAL; what an array element has beyond what the kernel knows
 * must be zero, or else E2BIG.  Fields that are only written are not looked at.
 * An ioctl that fails has changed nothing.
 *
 * An address space belongs to the process (the mm) that created it.  Whoever
 * else holds the file descriptor, a forked child for one, gets EPERM.
 */

/** DRM_VSVM_CONTRACT - version of this contract, in &drm_vsvm_dev_info */
#define DRM_VSVM_CONTRACT		1

#define DRM_VSVM_DEV_QUERY		0x00
#define DRM_VSVM_VM_CREATE		0x01
#define DRM_VSVM_VM_DESTROY		0x02
#define DRM_VSVM_VM_BIND		0x03
#define DRM_VSVM_VM_STATE		0x04
#define DRM_VSVM_VM_FAULTS		0x05
#define DRM_VSVM_VM_STATS		0x06
#define DRM_VSVM_QUEUE_CREATE		0x07
#define DRM_VSVM_QUEUE_DESTROY		0x08
#define DRM_VSVM_QUEUE_QUERY		0x09
#define DRM_VSVM_SUBMIT			0x0a
#define DRM_VSVM_WAIT_USER_FENCE	0x0b
#define DRM_VSVM_BO_CREATE		0x0c
#define DRM_VSVM_BO_INFO		0x0d
#define DRM_VSVM_BO_MMAP_OFFSET		0x0e
#define DRM_VSVM_BO_ADVISE		0x0f
#define DRM_VSVM_SVM_ATTR		0x10
#define DRM_VSVM_HEAP_GROW		0x11
#define DRM_VSVM_HEAP_SHRINK		0x12
#define DRM_VSVM_HEAP_QUERY		0x13
#define DRM_VSVM_HEAP_ALLOC		0x14
#define DRM_VSVM_BO_SYNC		0x15

/**
 * struct drm_vsvm_array - an array of the caller's
 * @stride: bytes of one element in the caller's view, a multiple of 8
 * @count: elements
 * @pointer: address of the first one
 *
 * Elements larger than the kernel's own are accepted as long as what is beyond
 * is zero; smaller ones are extended with zeros.
 */
struct drm_vsvm_array {
	__u32 stride;
	__u32 count;
	__u64 pointer;
};

/* --- device --- */

/** enum drm_vsvm_dev_query_type - what &DRM_IOCTL_VSVM_DEV_QUERY can tell */
enum drm_vsvm_dev_query_type {
	/** @DRM_VSVM_DEV_QUERY_INFO: &struct drm_vsvm_dev_info */
	DRM_VSVM_DEV_QUERY_INFO = 0,
	/** @DRM_VSVM_DEV_QUERY_COUNTERS: &struct drm_vsvm_dev_counters */
	DRM_VSVM_DEV_QUERY_COUNTERS = 1,
};

/**
 * struct drm_vsvm_dev_query - ask for one structure
 * @type: &enum drm_vsvm_dev_query_type
 * @size: in: bytes at @pointer; out: bytes that the kernel has (if 0 was
 *	passed) or has written
 * @pointer: where to, 0 together with a @size of 0
 */
struct drm_vsvm_dev_query {
	__u32 type;
	__u32 size;
	__u64 pointer;
};

/** DRM_VSVM_CAP_FAULT - address spaces that take page faults */
#define DRM_VSVM_CAP_FAULT		(1ull << 0)
/** DRM_VSVM_CAP_VRAM - device memory, migration and buffer objects */
#define DRM_VSVM_CAP_VRAM		(1ull << 1)
/** DRM_VSVM_CAP_SVM_ATTR - attributes of address ranges (SVM_ATTR) */
#define DRM_VSVM_CAP_SVM_ATTR		(1ull << 2)
/** DRM_VSVM_CAP_HEAP - a heap that grows, and queues that take it up */
#define DRM_VSVM_CAP_HEAP		(1ull << 3)

/**
 * struct drm_vsvm_dev_info - constants of the device
 * @contract: %DRM_VSVM_CONTRACT of the kernel
 * @engines: number of engines
 * @caps: DRM_VSVM_CAP_*
 * @va_bits: width of a device address
 * @page_shift: log2 of the small page
 * @huge_shift: log2 of the large leaf
 * @pad: zero
 * @notifier_size: bytes that one notifier watches
 * @packet_set: bit n set: packets with opcode n are known
 * @max_bind_ops: most operations of one VM_BIND
 * @max_commands: most command buffers of one SUBMIT
 * @max_queues: most queues of one file
 * @max_pages: most pages of one VM_STATE
 * @fault_entries: capacity of the fault buffer
 * @queue_depth: command buffers that a queue holds before SUBMIT says EAGAIN
 * @vram_bytes: device memory, 0: none
 * @vram_used: of it, in use now
 * @max_vms: most address spaces of one file
 * @max_attrs: most pairs of one SVM_ATTR
 * @max_userptr_bytes: most bytes of one batch of ranges
 * @max_userptr_ranges: most ranges of all batches of one VM_BIND
 * @pad2: zero
 * @heap_base: device address of a heap with device addresses
 * @heap_chunk: bytes that a heap grows by, and what a window is aligned to
 * @heap_maximum: bytes of a heap that has grown to its end
 */
struct drm_vsvm_dev_info {
	__u32 contract;
	__u32 engines;
	__u64 caps;
	__u32 va_bits;
	__u32 page_shift;
	__u32 huge_shift;
	__u32 pad;
	__u64 notifier_size;
	__u64 packet_set;
	__u32 max_bind_ops;
	__u32 max_commands;
	__u32 max_queues;
	__u32 max_pages;
	__u32 fault_entries;
	__u32 queue_depth;
	__u64 vram_bytes;
	__u64 vram_used;
	__u32 max_vms;
	__u32 max_attrs;
	__u64 max_userptr_bytes;
	__u32 max_userptr_ranges;
	__u32 pad2;
	__u64 heap_base;
	__u64 heap_chunk;
	__u64 heap_maximum;
};

/**
 * struct drm_vsvm_dev_counters - of the accelerator, since it was created
 * @blocks: blocks of work executed
 * @bytes: bytes read and written for packets
 * @packets: packets completed
 * @tlb_hits: translations found in a TLB
 * @tlb_misses: translations walked
 * @tlb_invalidations: invalidations carried out
 * @faults: fault records raised
 * @fault_buffer_full: times that a record had to wait for room
 * @stale_translations: uses of a translation after its invalidation returned
 *	(only counted with the paranoid knob; anything but 0 is a bug)
 * @returned_pages: pages brought back to system memory by CPU faults
 * @returns: CPU faults on pages in device memory
 * @return_fallbacks: of these, such that found memory for no more than one page
 * @evicted_pages: pages of processes brought back by eviction
 * @evicted_chunks: pieces of device memory that held them
 * @evicted_bos: buffer objects evicted
 * @copies: groups of copies carried out by the copy engines
 * @copied_bytes: bytes of them
 * @copy_errors: groups that failed
 */
struct drm_vsvm_dev_counters {
	__u64 blocks;
	__u64 bytes;
	__u64 packets;
	__u64 tlb_hits;
	__u64 tlb_misses;
	__u64 tlb_invalidations;
	__u64 faults;
	__u64 fault_buffer_full;
	__u64 stale_translations;
	__u64 returned_pages;
	__u64 returns;
	__u64 return_fallbacks;
	__u64 evicted_pages;
	__u64 evicted_chunks;
	__u64 evicted_bos;
	__u64 copies;
	__u64 copied_bytes;
	__u64 copy_errors;
};

/* --- address spaces --- */

/** DRM_VSVM_VM_FAULT_MODE - work of this address space may page-fault */
#define DRM_VSVM_VM_FAULT_MODE		(1u << 0)
/** DRM_VSVM_VM_RECORD_ALL - keep a record of resolved faults too */
#define DRM_VSVM_VM_RECORD_ALL		(1u << 1)
/**
 * DRM_VSVM_VM_EXCLUSIVE_ATOMICS - atomic operations of the device on anonymous
 * system memory take the page from the CPU first, as a device must that cannot
 * do them on the bus; the next access of the CPU takes it back
 */
#define DRM_VSVM_VM_EXCLUSIVE_ATOMICS	(1u << 2)

/**
 * struct drm_vsvm_vm_create - create an address space of the calling process
 * @flags: %DRM_VSVM_VM_FAULT_MODE is required, others are optional
 * @vm_id: out: not 0
 */
struct drm_vsvm_vm_create {
	__u32 flags;
	__u32 vm_id;
};

/**
 * struct drm_vsvm_vm_destroy - destroy an address space
 * @vm_id: which; EBUSY while queues use it
 * @pad: zero
 */
struct drm_vsvm_vm_destroy {
	__u32 vm_id;
	__u32 pad;
};

/** enum drm_vsvm_bind_op_type - operations of VM_BIND */
enum drm_vsvm_bind_op_type {
	/**
	 * @DRM_VSVM_BIND_MAP_MIRROR: device addresses in the range mean what
	 * they mean in the process.  EEXIST if anything of the range is bound,
	 * unless %DRM_VSVM_BIND_REPLACE is given.
	 */
	DRM_VSVM_BIND_MAP_MIRROR = 0,
	/**
	 * @DRM_VSVM_BIND_UNMAP: take away whatever is bound in the range.
	 * ENOENT if nothing is; EBUSY while the device maps pages of it, unless
	 * %DRM_VSVM_BIND_FORCE is given.
	 */
	DRM_VSVM_BIND_UNMAP = 1,
	/**
	 * @DRM_VSVM_BIND_MAP_BO: device addresses in the range mean a part of
	 * a buffer object.  EEXIST if anything of the range is bound, unless
	 * %DRM_VSVM_BIND_REPLACE is given.  The binding keeps the object alive.
	 */
	DRM_VSVM_BIND_MAP_BO = 2,
	/**
	 * @DRM_VSVM_BIND_PREFETCH: move the pages of the process in the range,
	 * which must be bound to the mirror (ENOENT), and map them; it comes
	 * after all other operations of the call have taken effect, and is
	 * advice: what cannot move is mapped where it lies, what is not there
	 * stays so, and whatever else goes wrong is no error.  At most 64 GiB
	 * (E2BIG).
	 */
	DRM_VSVM_BIND_PREFETCH = 3,
	/**
	 * @DRM_VSVM_BIND_MAP_USERPTR: device addresses in the range mean a
	 * batch: an array of ranges of the process, back to back, whatever the
	 * process maps there now or later.  Ranges may overlap and repeat.
	 * EEXIST if anything of the device's range is bound, unless
	 * %DRM_VSVM_BIND_REPLACE is given.  EINVAL if a range is empty, not page
	 * aligned or not within the process' addresses, or if all together are
	 * not as large as the operation says; E2BIG if there are more than
	 * &drm_vsvm_dev_info.max_userptr_ranges or
	 * &drm_vsvm_dev_info.max_userptr_bytes.  The range that is wrong is told
	 * in &drm_vsvm_vm_bind.failed_range.
	 */
	DRM_VSVM_BIND_MAP_USERPTR = 4,
};

/** enum drm_vsvm_place - where memory lies or should */
enum drm_vsvm_place {
	/** @DRM_VSVM_PLACE_DEFAULT: as the attributes of the range say */
	DRM_VSVM_PLACE_DEFAULT = 0,
	DRM_VSVM_PLACE_DEVICE = 1,
	DRM_VSVM_PLACE_SYSTEM = 2,
};

/** DRM_VSVM_BIND_READ_ONLY - MAP_*: the device may not write */
#define DRM_VSVM_BIND_READ_ONLY		(1u << 0)
/** DRM_VSVM_BIND_FORCE - UNMAP: zap what the device still maps */
#define DRM_VSVM_BIND_FORCE		(1u << 1)
/**
 * DRM_VSVM_BIND_MIGRATE - MAP_MIRROR: faults move pages to device memory, where
 * attributes say nothing else; the heap and stacks stay
 */
#define DRM_VSVM_BIND_MIGRATE		(1u << 2)
/** DRM_VSVM_BIND_REPLACE - MAP_*: unbind and zap what is in the way */
#define DRM_VSVM_BIND_REPLACE		(1u << 3)
/**
 * DRM_VSVM_BIND_AUTO_RESET - MAP_MIRROR: what the process unmaps loses its
 * attributes; without it they outlive munmap()
 */
#define DRM_VSVM_BIND_AUTO_RESET	(1u << 4)
/**
 * DRM_VSVM_BIND_IMMEDIATE - MAP_USERPTR: after all operations of the call have
 * taken effect, map what the process has there already, as far as the first
 * 4 GiB; what is missing is mapped when the device asks for it
 */
#define DRM_VSVM_BIND_IMMEDIATE		(1u << 5)

/**
 * struct drm_vsvm_userptr_range - one range of a batch
 * @start: address of the process, page aligned
 * @size: bytes, a multiple of the page size, not 0
 */
struct drm_vsvm_userptr_range {
	__u64 start;
	__u64 size;
};

/**
 * struct drm_vsvm_bind_op - one operation
 * @op: &enum drm_vsvm_bind_op_type
 * @flags: DRM_VSVM_BIND_*, where the operation knows them
 * @address: first device address, page aligned
 * @size: bytes, a multiple of the page size, not 0
 * @offset: MAP_BO: first byte of the buffer object, page aligned; else zero
 * @handle: MAP_BO: of the buffer object; else zero
 * @place: PREFETCH: &enum drm_vsvm_place; else zero
 * @ranges: MAP_USERPTR: of &struct drm_vsvm_userptr_range, @size bytes together;
 *	else zero
 */
struct drm_vsvm_bind_op {
	__u32 op;
	__u32 flags;
	__u64 address;
	__u64 size;
	__u64 offset;
	__u32 handle;
	__u32 place;
	struct drm_vsvm_array ranges;
};

/**
 * struct drm_vsvm_vm_bind - carry out operations, all or none
 * @vm_id: address space
 * @flags: zero
 * @ops: of &struct drm_vsvm_bind_op
 * @failed_op: out, on error: index of the operation that failed, or
 *	0xffffffff if it was none of them
 * @failed_range: out, on error: index of the range of that operation
 *	that is wrong, or 0xffffffff if it was none of them
 */
struct drm_vsvm_vm_bind {
	__u32 vm_id;
	__u32 flags;
	struct drm_vsvm_array ops;
	__u32 failed_op;
	__u32 failed_range;
};

/* State of one page in &drm_vsvm_vm_state.pages */
/** DRM_VSVM_PAGE_MAPPED - the device has a translation */
#define DRM_VSVM_PAGE_MAPPED		(1u << 0)
#define DRM_VSVM_PAGE_READ		(1u << 1)
#define DRM_VSVM_PAGE_WRITE		(1u << 2)
#define DRM_VSVM_PAGE_EXEC		(1u << 3)
/** DRM_VSVM_PAGE_VRAM - in device memory, else in system memory */
#define DRM_VSVM_PAGE_VRAM		(1u << 4)
/** DRM_VSVM_PAGE_HUGE - through a 2 MiB leaf */
#define DRM_VSVM_PAGE_HUGE		(1u << 5)
/** DRM_VSVM_PAGE_DIRTY - written by the device since it was mapped */
#define DRM_VSVM_PAGE_DIRTY		(1u << 6)
/** DRM_VSVM_PAGE_BOUND - the address is bound, mapped or not */
#define DRM_VSVM_PAGE_BOUND		(1u << 7)

/**
 * struct drm_vsvm_vm_state - how the device maps a range: a snapshot
 * @vm_id: address space
 * @flags: zero
 * @address: page aligned
 * @size: bytes, a multiple of the page size
 * @pages: address of one u32 for each page, DRM_VSVM_PAGE_*
 */
struct drm_vsvm_vm_state {
	__u32 vm_id;
	__u32 flags;
	__u64 address;
	__u64 size;
	__u64 pages;
};

/** enum drm_vsvm_access - what the device tried */
enum drm_vsvm_access {
	DRM_VSVM_ACCESS_READ = 0,
	DRM_VSVM_ACCESS_WRITE = 1,
	DRM_VSVM_ACCESS_ATOMIC = 2,
	DRM_VSVM_ACCESS_EXEC = 3,
	/** @DRM_VSVM_ACCESS_FETCH: reading a packet */
	DRM_VSVM_ACCESS_FETCH = 4,
	/** @DRM_VSVM_ACCESS_NONE: the error is not one of an access */
	DRM_VSVM_ACCESS_NONE = 5,
};

/** enum drm_vsvm_fault_reason - why a fault was terminal */
enum drm_vsvm_fault_reason {
	/** @DRM_VSVM_FAULT_RESOLVED: it was not: error is 0 */
	DRM_VSVM_FAULT_RESOLVED = 0,
	/** @DRM_VSVM_FAULT_NOT_BOUND: no binding covers the address (EFAULT) */
	DRM_VSVM_FAULT_NOT_BOUND = 1,
	/** @DRM_VSVM_FAULT_NO_MAPPING: the process has no mapping there (EFAULT) */
	DRM_VSVM_FAULT_NO_MAPPING = 2,
	/** @DRM_VSVM_FAULT_PERMISSION: the process' mapping forbids the access (EACCES) */
	DRM_VSVM_FAULT_PERMISSION = 3,
	/**
	 * @DRM_VSVM_FAULT_READ_ONLY: the binding, or %DRM_VSVM_ATTR_GPU_RO,
	 * forbids the write (EACCES)
	 */
	DRM_VSVM_FAULT_READ_ONLY = 4,
	/** @DRM_VSVM_FAULT_BUS: past the end of a file, poison, guard page (EFAULT) */
	DRM_VSVM_FAULT_BUS = 5,
	/** @DRM_VSVM_FAULT_UNSUPPORTED: I/O or PFN map: no device may map it (EOPNOTSUPP) */
	DRM_VSVM_FAULT_UNSUPPORTED = 6,
	/** @DRM_VSVM_FAULT_NO_MEMORY: no memory to serve it (ENOMEM) */
	DRM_VSVM_FAULT_NO_MEMORY = 7,
	/** @DRM_VSVM_FAULT_EXITED: the process has gone (ESRCH) */
	DRM_VSVM_FAULT_EXITED = 8,
	/** @DRM_VSVM_FAULT_TIMEOUT: could not be served within the deadline (ETIME) */
	DRM_VSVM_FAULT_TIMEOUT = 9,
	/** @DRM_VSVM_FAULT_ADDRESS: wider than the device's addresses (EFAULT) */
	DRM_VSVM_FAULT_ADDRESS = 10,
	/** @DRM_VSVM_FAULT_RESERVED: reserved bits in a page table: a driver bug (EIO) */
	DRM_VSVM_FAULT_RESERVED = 11,
	/** @DRM_VSVM_FAULT_BAD_OPCODE: unknown packet (EINVAL) */
	DRM_VSVM_FAULT_BAD_OPCODE = 12,
	/** @DRM_VSVM_FAULT_BAD_PACKET: length, flag or argument of a packet (EINVAL) */
	DRM_VSVM_FAULT_BAD_PACKET = 13,
	/** @DRM_VSVM_FAULT_MISALIGNED: address not aligned to the width (EINVAL) */
	DRM_VSVM_FAULT_MISALIGNED = 14,
	/** @DRM_VSVM_FAULT_WAIT_TIMEOUT: a WAIT packet ran out of time (ETIME) */
	DRM_VSVM_FAULT_WAIT_TIMEOUT = 15,
	/** @DRM_VSVM_FAULT_PURGED: memory of a buffer object, taken after DONTNEED (EFAULT) */
	DRM_VSVM_FAULT_PURGED = 16,
	/** @DRM_VSVM_FAULT_NO_ACCESS: %DRM_VSVM_ATTR_ACCESS_NONE (EACCES) */
	DRM_VSVM_FAULT_NO_ACCESS = 17,
};

/**
 * struct drm_vsvm_fault - record of one fault or error
 * @sequence: number in this address space, from 1, without gaps
 * @time_ns: when the device raised it, CLOCK_MONOTONIC
 * @latency_ns: from there to the answer
 * @address: that was accessed
 * @packet: address of the packet that did it
 * @tag: of that packet, 0 if it could not be read
 * @queue_id: of the queue
 * @engine: that ran it
 * @access: &enum drm_vsvm_access
 * @reason: &enum drm_vsvm_fault_reason
 * @error: 0, or the errno of a terminal one, positive
 * @level: of the page table that the device reached, 4 down to 1; 0 none
 */
struct drm_vsvm_fault {
	__u64 sequence;
	__u64 time_ns;
	__u64 latency_ns;
	__u64 address;
	__u64 packet;
	__u64 tag;
	__u32 queue_id;
	__u32 engine;
	__u32 access;
	__u32 reason;
	__u32 error;
	__u32 level;
};

/**
 * struct drm_vsvm_vm_faults - read back fault records
 * @vm_id: address space
 * @flags: zero
 * @since: records with a higher sequence number
 * @records: of &struct drm_vsvm_fault; count: in: room, out: written
 * @lost: out: records after @since that were overwritten before they were read
 * @last: out: highest sequence number so far
 */
struct drm_vsvm_vm_faults {
	__u32 vm_id;
	__u32 flags;
	__u64 since;
	struct drm_vsvm_array records;
	__u64 lost;
	__u64 last;
};

/**
 * struct drm_vsvm_vm_stats - ask for the counters of an address space
 * @vm_id: address space
 * @size: in: bytes at @pointer; out: as in &drm_vsvm_dev_query
 * @pointer: of a &struct drm_vsvm_stats
 */
struct drm_vsvm_vm_stats {
	__u32 vm_id;
	__u32 size;
	__u64 pointer;
};

/**
 * struct drm_vsvm_stats - counters of one address space
 * @faults: records received
 * @folded: of these, answered by the service of another one
 * @valid: of these, already mapped when they were looked at
 * @terminal: of these, terminal
 * @groups: services (one per 2 MiB block and batch)
 * @retries: services repeated because an invalidation came in between
 * @snapshots: walks of the process' page table
 * @populated: pages that the CPU did not have and that were faulted in
 * @ahead: of these, ahead of a stream
 * @around: pages mapped along with a faulting one
 * @mapped_4k: 4 KiB leaves written
 * @mapped_2m: 2 MiB leaves written
 * @upgraded: leaves made writable in place
 * @split_2m: 2 MiB leaves split by an invalidation of a part
 * @invalidations: notifier callbacks
 * @invalidations_hit: of these, some that found something mapped
 * @zapped_4k: 4 KiB leaves zapped
 * @zapped_2m: 2 MiB leaves zapped
 * @downgraded: leaves made read-only in place
 * @tlb_flushes: TLB invalidations asked for
 * @slow: faults handed to a thread that may wait for I/O, user space or mmap_lock
 * @service_ns: time in fault service
 * @populate_ns: of it, faulting pages in
 * @snapshot_ns: of it, walking
 * @map_ns: of it, writing leaves
 * @invalidate_ns: time in notifier callbacks
 * @resident_4k: 4 KiB leaves present now
 * @resident_2m: 2 MiB leaves present now
 * @notifiers: notifiers present now
 * @table_bytes: page-table memory now
 * @meta_bytes: all other memory that grows with what is mapped, now
 * @migrated: pages moved to device memory
 * @migrate_failed: pages that were asked to move and could not
 * @migrate_ns: time spent moving them
 * @prefetched: pages brought back to system memory by PREFETCH, or by faults
 *	because they prefer to be there
 * @guarded: faults that left pages in system memory because they had been
 *	going back and forth
 * @exclusive: pages that device atomics took from the CPU for themselves
 * @batches: batches bound now, or still in use
 * @batch_ranges: ranges of them
 * @batch_notifiers: notifiers that watch their memory now
 * @lookup_ns: time that faults spent looking up bindings and attributes
 * @attr_ranges: ranges with attributes now
 * @attr_resets: ranges whose attributes went with their mapping
 */
struct drm_vsvm_stats {
	__u64 faults;
	__u64 folded;
	__u64 valid;
	__u64 terminal;
	__u64 groups;
	__u64 retries;
	__u64 snapshots;
	__u64 populated;
	__u64 ahead;
	__u64 around;
	__u64 mapped_4k;
	__u64 mapped_2m;
	__u64 upgraded;
	__u64 split_2m;
	__u64 invalidations;
	__u64 invalidations_hit;
	__u64 zapped_4k;
	__u64 zapped_2m;
	__u64 downgraded;
	__u64 tlb_flushes;
	__u64 slow;
	__u64 service_ns;
	__u64 populate_ns;
	__u64 snapshot_ns;
	__u64 map_ns;
	__u64 invalidate_ns;
	__u64 resident_4k;
	__u64 resident_2m;
	__u64 notifiers;
	__u64 table_bytes;
	__u64 meta_bytes;
	__u64 migrated;
	__u64 migrate_failed;
	__u64 migrate_ns;
	__u64 prefetched;
	__u64 guarded;
	__u64 exclusive;
	__u64 batches;
	__u64 batch_ranges;
	__u64 batch_notifiers;
	__u64 lookup_ns;
	__u64 attr_ranges;
	__u64 attr_resets;
};

/* --- attributes of address ranges --- */

/** enum drm_vsvm_attr_op - operations of SVM_ATTR */
enum drm_vsvm_attr_op {
	/**
	 * @DRM_VSVM_ATTR_OP_SET: give all pages of the range these values, and
	 * have the device obey them before the call returns.  All of the range
	 * must be mapped by the process (EFAULT).
	 */
	DRM_VSVM_ATTR_OP_SET = 0,
	/**
	 * @DRM_VSVM_ATTR_OP_GET: fill in the values for these types.  Where pages
	 * differ: a location reads UNDEFINED, access NONE, granularity as the
	 * least of them, a flag as 1 if all pages have it.
	 */
	DRM_VSVM_ATTR_OP_GET = 1,
	/** @DRM_VSVM_ATTR_OP_RESET: return the range to defaults; no pairs */
	DRM_VSVM_ATTR_OP_RESET = 2,
};

/** enum drm_vsvm_attr_location - a place, as &enum drm_vsvm_place has them */
enum drm_vsvm_attr_location {
	DRM_VSVM_LOC_UNDEFINED = 0,
	/** @DRM_VSVM_LOC_DEVICE: memory of this device */
	DRM_VSVM_LOC_DEVICE = 1,
	DRM_VSVM_LOC_SYSTEM = 2,
};

/** enum drm_vsvm_attr_access - what the device may do with a range */
enum drm_vsvm_attr_access {
	/** @DRM_VSVM_ATTR_ACCESS_NONE: a fault is terminal, %DRM_VSVM_FAULT_NO_ACCESS */
	DRM_VSVM_ATTR_ACCESS_NONE = 0,
	/** @DRM_VSVM_ATTR_ACCESS_IN_PLACE: use it where it lies; faults move nothing */
	DRM_VSVM_ATTR_ACCESS_IN_PLACE = 1,
	/** @DRM_VSVM_ATTR_ACCESS_ALLOW_MIGRATE: faults may move it; the default */
	DRM_VSVM_ATTR_ACCESS_ALLOW_MIGRATE = 2,
};

/** enum drm_vsvm_attr_type - attributes */
enum drm_vsvm_attr_type {
	/**
	 * @DRM_VSVM_ATTR_PREFERRED_LOC: &enum drm_vsvm_attr_location: where a
	 * fault puts pages; UNDEFINED (default): as the binding says
	 */
	DRM_VSVM_ATTR_PREFERRED_LOC = 0,
	/**
	 * @DRM_VSVM_ATTR_PREFETCH_LOC: move the pages there now, and map them;
	 * acts each time it is set.  UNDEFINED (default): do nothing.  At most
	 * 64 GiB (E2BIG).
	 */
	DRM_VSVM_ATTR_PREFETCH_LOC = 1,
	/** @DRM_VSVM_ATTR_ACCESS: &enum drm_vsvm_attr_access */
	DRM_VSVM_ATTR_ACCESS = 2,
	/**
	 * @DRM_VSVM_ATTR_GRANULARITY: log2 of the pages of an aligned block that
	 * moves as one, both ways, clipped to pages with equal attributes; 0 to
	 * 63, of which a device does what it can (9: 2 MiB)
	 */
	DRM_VSVM_ATTR_GRANULARITY = 3,
	/** @DRM_VSVM_ATTR_GPU_RO: the device may not write; 0 by default */
	DRM_VSVM_ATTR_GPU_RO = 4,
	/** @DRM_VSVM_ATTR_GPU_EXEC: the right to execute in the device's entries; 0 */
	DRM_VSVM_ATTR_GPU_EXEC = 5,
	/** @DRM_VSVM_ATTR_COHERENT: the coherent kind of entry; 1 by default */
	DRM_VSVM_ATTR_COHERENT = 6,
	/** @DRM_VSVM_ATTR_EXT_COHERENT: the same, whatever COHERENT says; 0 */
	DRM_VSVM_ATTR_EXT_COHERENT = 7,
	/**
	 * @DRM_VSVM_ATTR_READ_MOSTLY: reads of the device move nothing and map
	 * read-only, so that both sides read one page, until the device writes
	 * to it; 0
	 */
	DRM_VSVM_ATTR_READ_MOSTLY = 8,
	/** @DRM_VSVM_ATTR_HIVE_LOCAL: a hint, for devices linked to others; 0 */
	DRM_VSVM_ATTR_HIVE_LOCAL = 9,
	/** @DRM_VSVM_ATTR_HOST_ACCESS: a hint: the CPU will use it; 1 by default */
	DRM_VSVM_ATTR_HOST_ACCESS = 10,
	/**
	 * @DRM_VSVM_ATTR_ALWAYS_MAPPED: what is present is mapped now, and again
	 * after the process' own mappings have changed, without a fault; 0
	 */
	DRM_VSVM_ATTR_ALWAYS_MAPPED = 11,
};

/**
 * struct drm_vsvm_attr - one attribute
 * @type: &enum drm_vsvm_attr_type
 * @value: in for SET, out for GET
 */
struct drm_vsvm_attr {
	__u32 type;
	__u32 value;
};

/**
 * struct drm_vsvm_svm_attr - attributes of a range of the process' memory
 * @vm_id: address space
 * @op: &enum drm_vsvm_attr_op
 * @start: first address, page aligned
 * @size: bytes, a multiple of the page size, not 0
 * @attrs: of &struct drm_vsvm_attr; 1 to &drm_vsvm_dev_info.max_attrs for SET
 *	and GET (E2BIG), none for RESET; of two with the same type the later counts
 * @next: out of GET: first address behind @start where any attribute is another
 *	than at @start, at most the end of the device's addresses
 *
 * SET changes all of the range or nothing; a prefetch that it asks for is advice,
 * as that of VM_BIND.  ENOSPC: there would be more than four million
 * ranges.
 */
struct drm_vsvm_svm_attr {
	__u32 vm_id;
	__u32 op;
	__u64 start;
	__u64 size;
	struct drm_vsvm_array attrs;
	__u64 next;
};

/* --- buffer objects --- */

/** DRM_VSVM_BO_VRAM - may lie in device memory, which is tried first */
#define DRM_VSVM_BO_VRAM		(1u << 0)
/** DRM_VSVM_BO_SYSTEM - may lie in system memory */
#define DRM_VSVM_BO_SYSTEM		(1u << 1)
/** DRM_VSVM_BO_HEAP - BO_INFO only: lies in the heap, see HEAP_ALLOC */
#define DRM_VSVM_BO_HEAP		(1u << 2)

/** DRM_VSVM_BO_WC - CPU mappings are write-combined where the object lies in system memory */
#define DRM_VSVM_BO_WC			(1u << 0)

/**
 * struct drm_vsvm_bo_create - create a buffer object
 * @size: bytes; rounded up to pages; out: what it has become
 * @placement: DRM_VSVM_BO_VRAM, DRM_VSVM_BO_SYSTEM or both; with VRAM alone it
 *	still goes to system memory when it is evicted, and comes back when it
 *	is used
 * @flags: DRM_VSVM_BO_WC
 * @handle: out: GEM handle; closed with DRM_IOCTL_GEM_CLOSE, shared with the
 *	PRIME ioctls
 * @pad: zero
 *
 * Its contents are zero.  ENOSPC if it never fits.
 */
struct drm_vsvm_bo_create {
	__u64 size;
	__u32 placement;
	__u32 flags;
	__u32 handle;
	__u32 pad;
};

/** enum drm_vsvm_bo_state - of the memory of a buffer object */
enum drm_vsvm_bo_state {
	/** @DRM_VSVM_BO_NONE: not allocated yet */
	DRM_VSVM_BO_NONE = 0,
	DRM_VSVM_BO_IN_VRAM = 1,
	DRM_VSVM_BO_IN_SYSTEM = 2,
	/** @DRM_VSVM_BO_PURGED: taken away after DONTNEED; contents lost */
	DRM_VSVM_BO_PURGED = 3,
};

/**
 * struct drm_vsvm_bo_info - ask about a buffer object
 * @handle: which
 * @placement: out: as created; DRM_VSVM_BO_SYSTEM for an imported one,
 *	DRM_VSVM_BO_HEAP for one in the heap
 * @size: out
 * @flags: out: as created
 * @state: out: &enum drm_vsvm_bo_state
 * @advice: out: &enum drm_vsvm_bo_advice
 * @imported: out: 1 if it is another device's
 */
struct drm_vsvm_bo_info {
	__u32 handle;
	__u32 placement;
	__u64 size;
	__u32 flags;
	__u32 state;
	__u32 advice;
	__u32 imported;
};

/**
 * struct drm_vsvm_bo_mmap_offset - where to mmap() a buffer object
 * @handle: which; EOPNOTSUPP for an imported one
 * @pad: zero
 * @offset: out: for mmap() of the device file
 */
struct drm_vsvm_bo_mmap_offset {
	__u32 handle;
	__u32 pad;
	__u64 offset;
};

/** enum drm_vsvm_bo_advice - is the contents needed? */
enum drm_vsvm_bo_advice {
	DRM_VSVM_BO_WILLNEED = 0,
	/** @DRM_VSVM_BO_DONTNEED: the memory may be taken rather than evicted */
	DRM_VSVM_BO_DONTNEED = 1,
};

/**
 * struct drm_vsvm_bo_advise - say whether the contents is needed
 * @handle: which; EOPNOTSUPP for an imported or an exported one
 * @advice: &enum drm_vsvm_bo_advice
 * @retained: out: 0 if the contents is lost for good: accesses of the device
 *	are terminal, of the CPU SIGBUS; else 1
 * @pad: zero
 */
struct drm_vsvm_bo_advise {
	__u32 handle;
	__u32 advice;
	__u32 retained;
	__u32 pad;
};

/** enum drm_vsvm_sync - which way data has gone */
enum drm_vsvm_sync {
	/** @DRM_VSVM_SYNC_TO_DEVICE: the CPU has written, the device is to read */
	DRM_VSVM_SYNC_TO_DEVICE = 1,
	/** @DRM_VSVM_SYNC_FROM_DEVICE: the device has written, the CPU is to read */
	DRM_VSVM_SYNC_FROM_DEVICE = 2,
	DRM_VSVM_SYNC_BOTH = 3,
};

/**
 * struct drm_vsvm_bo_sync - make what one side wrote visible to the other
 * @handle: of a buffer object of any kind
 * @direction: &enum drm_vsvm_sync
 * @offset: first byte
 * @size: bytes, not 0, and not beyond the end of the object
 *
 * On a machine whose devices and CPUs see each other's writes, which is any that
 * the driver runs on today, it changes nothing but is checked all the same.
 * No more than the range is touched, except for an imported object, whose
 * exporter knows no ranges.
 */
struct drm_vsvm_bo_sync {
	__u32 handle;
	__u32 direction;
	__u64 offset;
	__u64 size;
};

/* --- the heap --- */

/**
 * DOC: the heap
 *
 * A file has one heap: a window of device addresses, of which more and more is
 * committed, that is, has memory, in chunks of &drm_vsvm_dev_info.heap_chunk
 * bytes.  Buffer objects are carved out of what is committed and may span
 * chunks.  The heap belongs to the process that used it first; whoever else has
 * the file gets EPERM.
 *
 * Queues that were created with %DRM_VSVM_QUEUE_HEAP take the chunks up: all
 * that are committed are mapped in their address space, and the firmware is told
 * of each.  A chunk that is committed later reaches them too.  One that could
 * not be told (the firmware refused, or was silent) lags, and catches up with
 * the next growth or SUBMIT.
 *
 * The window replaces what the address space mirrors there, and nothing else
 * may be bound in a chunk.
 */

/**
 * DRM_VSVM_HEAP_USER - HEAP_GROW: the memory is the caller's own, at @address.
 * It is pinned until the chunk is given back or the heap ends; unmapping it
 * takes nothing from the heap.
 */
#define DRM_VSVM_HEAP_USER		(1u << 0)
/**
 * DRM_VSVM_HEAP_PROCESS - HEAP_GROW: device addresses are those of the process:
 * the window is @window, which the process has reserved.  For the first chunk,
 * and then for all.
 */
#define DRM_VSVM_HEAP_PROCESS		(1u << 1)

/**
 * struct drm_vsvm_heap_grow - commit chunks
 * @expected: bytes that the caller believes to be committed.  If it is another
 *	number (somebody else was faster), nothing is done: no error.
 * @bytes: to be committed in addition, a multiple of the chunk size, not 0
 * @address: with %DRM_VSVM_HEAP_USER: of the memory, page aligned; with
 *	%DRM_VSVM_HEAP_PROCESS too it must be where the chunk's place in the
 *	window is; else zero
 * @window: with %DRM_VSVM_HEAP_PROCESS: where the window begins, aligned to the
 *	chunk size; all of it must be mapped in the process, PROT_NONE will do;
 *	else zero
 * @committed: out: bytes committed now
 * @flags: DRM_VSVM_HEAP_*
 * @lagging: out: queues that have yet to take something up
 *
 * ENOSPC beyond the maximum; EDQUOT over RLIMIT_MEMLOCK; ENOMEM; EFAULT for
 * memory that cannot be pinned, and a window that is not mapped.
 */
struct drm_vsvm_heap_grow {
	__u64 expected;
	__u64 bytes;
	__u64 address;
	__u64 window;
	__u64 committed;
	__u32 flags;
	__u32 lagging;
};

/**
 * struct drm_vsvm_heap_shrink - give chunks at the end back
 * @expected: as in &drm_vsvm_heap_grow
 * @bytes: to give back, a multiple of the chunk size; 0: as many as are empty
 * @committed: out: bytes committed now
 *
 * EBUSY if something lies in one of them, or if nothing would be left to queues
 * that have taken the heap up; EIO if the firmware keeps one, ETIME if it is
 * silent: nothing is given back then.
 */
struct drm_vsvm_heap_shrink {
	__u64 expected;
	__u64 bytes;
	__u64 committed;
};

/** DRM_VSVM_CHUNK_USER - it is the process' own memory */
#define DRM_VSVM_CHUNK_USER		(1u << 0)

/**
 * struct drm_vsvm_heap_chunk - a chunk
 * @address: on the device
 * @used: bytes in buffer objects
 * @flags: DRM_VSVM_CHUNK_*
 * @told: queues that have taken it up
 */
struct drm_vsvm_heap_chunk {
	__u64 address;
	__u64 used;
	__u32 flags;
	__u32 told;
};

/**
 * struct drm_vsvm_heap_query - ask about the heap
 * @base: out: device address where the window begins
 * @chunk_size: out
 * @maximum: out: bytes of the window
 * @committed: out: bytes that have memory
 * @used: out: bytes in buffer objects
 * @largest_hole: out: bytes of the largest free piece of what is committed
 * @bos: out: buffer objects
 * @queues: out: that take the heap up
 * @lagging: out: of these, such that have yet to take something up
 * @flags: out: DRM_VSVM_HEAP_PROCESS
 * @chunks: of &struct drm_vsvm_heap_chunk; count: in: room, out: written
 */
struct drm_vsvm_heap_query {
	__u64 base;
	__u64 chunk_size;
	__u64 maximum;
	__u64 committed;
	__u64 used;
	__u64 largest_hole;
	__u32 bos;
	__u32 queues;
	__u32 lagging;
	__u32 flags;
	struct drm_vsvm_array chunks;
};

/** DRM_VSVM_HEAP_ALLOC_GROW - the kernel commits chunks if it takes that */
#define DRM_VSVM_HEAP_ALLOC_GROW	(1u << 0)

/**
 * struct drm_vsvm_heap_alloc - make a buffer object in the heap
 * @size: bytes; rounded up to pages; out: what it has become
 * @align: of its address, a power of two; 0: a page
 * @flags: DRM_VSVM_HEAP_ALLOC_GROW
 * @handle: out: GEM handle; closed with DRM_IOCTL_GEM_CLOSE
 * @address: out: on the device
 * @committed: out, also on error: bytes committed when it was tried
 * @needed: out, with ENOBUFS: bytes that must be committed for it to fit
 *
 * It holds what was there before, zeros if that is nothing.  ENOBUFS if it does
 * not fit into what is committed: grow and try again.  ENOSPC if it cannot fit
 * however far the heap grows.  It can be mapped by the CPU and synchronised; it
 * is not exported, bound or advised on (EOPNOTSUPP).
 */
struct drm_vsvm_heap_alloc {
	__u64 size;
	__u64 align;
	__u32 flags;
	__u32 handle;
	__u64 address;
	__u64 committed;
	__u64 needed;
};

/* --- queues --- */

/** DRM_VSVM_QUEUE_HEAP - the queue takes the heap of its file up; ENOENT if that is empty */
#define DRM_VSVM_QUEUE_HEAP		(1u << 0)

/**
 * struct drm_vsvm_queue_create - create a queue
 * @vm_id: address space that its work runs in
 * @flags: DRM_VSVM_QUEUE_HEAP
 * @engine_mask: engines that may run it; 0: any.  One of them is picked.
 * @priority: zero
 * @queue_id: out: not 0
 * @ring_handle: with %DRM_VSVM_QUEUE_HEAP: a buffer object of the heap in which
 *	all command buffers of the queue lie (SUBMIT says EINVAL for others); it
 *	stays as long as the queue does.  0: they lie anywhere.
 */
struct drm_vsvm_queue_create {
	__u32 vm_id;
	__u32 flags;
	__u32 engine_mask;
	__u32 priority;
	__u32 queue_id;
	__u32 ring_handle;
};

/**
 * struct drm_vsvm_queue_destroy - destroy a queue, whatever it is doing
 * @queue_id: which
 * @pad: zero
 */
struct drm_vsvm_queue_destroy {
	__u32 queue_id;
	__u32 pad;
};

/** enum drm_vsvm_queue_state - of a queue */
enum drm_vsvm_queue_state {
	DRM_VSVM_QUEUE_IDLE = 0,
	DRM_VSVM_QUEUE_BUSY = 1,
	/** @DRM_VSVM_QUEUE_ERROR: ended by a terminal error; it takes no more work */
	DRM_VSVM_QUEUE_ERROR = 2,
};

/**
 * struct drm_vsvm_queue_query - state of a queue
 * @queue_id: which
 * @state: out: &enum drm_vsvm_queue_state
 * @error: out: errno that ended it, positive, or 0
 * @engine: out: that it runs on
 * @submitted: out: number of the last submission
 * @completed: out: number of the last one that is complete
 * @fault_sequence: out: sequence of the record that ended it, or 0
 */
struct drm_vsvm_queue_query {
	__u32 queue_id;
	__u32 state;
	__u32 error;
	__u32 engine;
	__u64 submitted;
	__u64 completed;
	__u64 fault_sequence;
};

/**
 * struct drm_vsvm_command - one command buffer
 * @address: of the first packet, aligned to %VSVM_PACKET_BYTES
 * @bytes: a multiple of %VSVM_PACKET_BYTES, not 0
 */
struct drm_vsvm_command {
	__u64 address;
	__u64 bytes;
};

/**
 * struct drm_vsvm_submit - hand work to a queue
 * @queue_id: which; ECANCELED if it was ended by an error
 * @flags: zero
 * @commands: of &struct drm_vsvm_command, run in order; may be empty
 * @fence_address: where the device writes @fence_value when all of this and
 *	everything submitted before is complete; aligned to 8; 0: nowhere
 * @fence_value: what it writes
 * @sequence: out: number of this submission, from 1
 *
 * EAGAIN while the queue is full (&drm_vsvm_dev_info.queue_depth).
 */
struct drm_vsvm_submit {
	__u32 queue_id;
	__u32 flags;
	struct drm_vsvm_array commands;
	__u64 fence_address;
	__u64 fence_value;
	__u64 sequence;
};

/**
 * struct drm_vsvm_wait_user_fence - wait until a value in memory compares
 * @address: of a u64 of the calling process, aligned to 8
 * @value: reference
 * @mask: applied to what is read, before it is compared
 * @timeout_ns: absolute, CLOCK_MONOTONIC; a time gone by only looks; ETIME
 * @compare: &enum vsvm_compare
 * @queue_id: the queue that will write it: the wait ends with ECANCELED when
 *	that queue is in error or destroyed and the value does not compare.
 *	0: any queue of this file may write it, and only the time ends the wait
 * @flags: zero
 * @pad: zero
 */
struct drm_vsvm_wait_user_fence {
	__u64 address;
	__u64 value;
	__u64 mask;
	__s64 timeout_ns;
	__u32 compare;
	__u32 queue_id;
	__u32 flags;
	__u32 pad;
};

#define DRM_IOCTL_VSVM_DEV_QUERY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_DEV_QUERY, struct drm_vsvm_dev_query)
#define DRM_IOCTL_VSVM_VM_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_VM_CREATE, struct drm_vsvm_vm_create)
#define DRM_IOCTL_VSVM_VM_DESTROY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_VM_DESTROY, struct drm_vsvm_vm_destroy)
#define DRM_IOCTL_VSVM_VM_BIND \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_VM_BIND, struct drm_vsvm_vm_bind)
#define DRM_IOCTL_VSVM_VM_STATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_VM_STATE, struct drm_vsvm_vm_state)
#define DRM_IOCTL_VSVM_VM_FAULTS \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_VM_FAULTS, struct drm_vsvm_vm_faults)
#define DRM_IOCTL_VSVM_VM_STATS \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_VM_STATS, struct drm_vsvm_vm_stats)
#define DRM_IOCTL_VSVM_QUEUE_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_QUEUE_CREATE, struct drm_vsvm_queue_create)
#define DRM_IOCTL_VSVM_QUEUE_DESTROY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_QUEUE_DESTROY, struct drm_vsvm_queue_destroy)
#define DRM_IOCTL_VSVM_QUEUE_QUERY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_QUEUE_QUERY, struct drm_vsvm_queue_query)
#define DRM_IOCTL_VSVM_SUBMIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_SUBMIT, struct drm_vsvm_submit)
#define DRM_IOCTL_VSVM_WAIT_USER_FENCE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_WAIT_USER_FENCE, struct drm_vsvm_wait_user_fence)

#define DRM_IOCTL_VSVM_BO_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_BO_CREATE, struct drm_vsvm_bo_create)
#define DRM_IOCTL_VSVM_BO_INFO \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_BO_INFO, struct drm_vsvm_bo_info)
#define DRM_IOCTL_VSVM_BO_MMAP_OFFSET \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_BO_MMAP_OFFSET, struct drm_vsvm_bo_mmap_offset)
#define DRM_IOCTL_VSVM_BO_ADVISE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_BO_ADVISE, struct drm_vsvm_bo_advise)
#define DRM_IOCTL_VSVM_HEAP_GROW \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_HEAP_GROW, struct drm_vsvm_heap_grow)
#define DRM_IOCTL_VSVM_HEAP_SHRINK \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_HEAP_SHRINK, struct drm_vsvm_heap_shrink)
#define DRM_IOCTL_VSVM_HEAP_QUERY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_HEAP_QUERY, struct drm_vsvm_heap_query)
#define DRM_IOCTL_VSVM_HEAP_ALLOC \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_HEAP_ALLOC, struct drm_vsvm_heap_alloc)
#define DRM_IOCTL_VSVM_BO_SYNC \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_BO_SYNC, struct drm_vsvm_bo_sync)

#define DRM_IOCTL_VSVM_SVM_ATTR \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VSVM_SVM_ATTR, struct drm_vsvm_svm_attr)

#if defined(__cplusplus)
}
#endif

#endif
