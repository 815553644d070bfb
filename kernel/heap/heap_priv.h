/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HEAP_PRIV_H_
#define _VSVM_HEAP_PRIV_H_

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_gem.h>
#include <drm/drm_mm.h>

#include "heap/heap.h"
#include "hw/hw.h"

#define VSVM_HEAP_CHUNK_PAGES	((u32)(VSVM_HEAP_CHUNK >> PAGE_SHIFT))

struct iosys_map;
struct shrinker;

/**
 * struct vsvm_heaps - all heaps of a device
 * @drm: device
 * @hw: hardware, from vsvm_heaps_start() to vsvm_heaps_stop()
 * @config: constants, and the knob
 * @lock: guards @list and @serial; leaf
 * @list: of heaps
 * @serial: number of the last one
 * @stopped: the hardware is not there any more, or not yet; written before
 *	vsvm_heaps_stop() takes the grow lock of any heap
 * @empty: pages in empty chunks at the end of heaps
 * @shrinker: gives them back
 * @messages: &struct vsvm_heap_message by sequence number, on their way; a reply
 *	is taken note of under its lock (irq-safe)
 * @next_sequence: where to look for a free number
 * @room: woken when a message has left the mailbox
 */
struct vsvm_heaps {
	struct drm_device *drm;
	struct vsvm_hw *hw;
	struct vsvm_heap_config config;
	spinlock_t lock;	/* list and serial */
	struct list_head list;
	u64 serial;
	bool stopped;
	atomic_long_t empty;
	struct shrinker *shrinker;
	struct xarray messages;
	u32 next_sequence;
	wait_queue_head_t room;
};

/**
 * struct vsvm_heap_message - a message whose reply is awaited
 * @sequence: its number
 * @done: there is a reply, or there will be none
 * @deadline: until when it is awaited, in jiffies
 * @status: what it says; under the lock of &vsvm_heaps.messages until @done
 */
struct vsvm_heap_message {
	u32 sequence;
	struct completion done;
	unsigned long deadline;
	int status;
};

/**
 * struct vsvm_heap_chunk - memory of a heap
 * @store: what shmem memory comes from; its file is NULL for user memory
 * @pages: all of them, in order, pinned
 * @bus: of each, while @mapped
 * @mapped: mapped for DMA; under the grow lock
 * @user: it is memory of the process
 * @accounted: pages are in mm->pinned_vm
 * @used: bytes in objects; under the place lock
 */
struct vsvm_heap_chunk {
	struct drm_gem_object store;
	struct page **pages;
	dma_addr_t *bus;
	bool mapped;
	bool user;
	bool accounted;
	u64 used;
};

/**
 * struct vsvm_heap - a heap
 * @base: what bindings refer to; its references are the heap's
 * @heaps: the device's
 * @link: on &vsvm_heaps.list
 * @serial: number in that list, rising
 * @mm: process that it belongs to; only for comparing and accounting
 * @grow: serialises growth, shrinking and what concerns contexts; held while
 *	the firmware is waited for; guards @contexts and @vms
 * @contexts: heap contexts; changed under both locks
 * @vms: address spaces where it is mapped
 * @committed: chunks that have memory; written under both locks
 * @window: device address of the first byte; constant once @committed is not 0
 * @process: device addresses are those of the process; as @window
 * @place: guards what follows; never held while anything is waited for
 * @space: objects, by offset in the window
 * @tail: what of @space has no memory, if any
 * @used: bytes in objects
 * @bos: objects
 * @empty: chunks at the end without objects
 * @shrink_work: gives empty chunks back when memory is short
 * @chunk: the first ones have memory; changed under both locks
 */
struct vsvm_heap {
	struct drm_gem_object base;
	struct vsvm_heaps *heaps;
	struct list_head link;
	u64 serial;
	struct mm_struct *mm;

	struct mutex grow;	/* see above */
	struct list_head contexts;
	struct list_head vms;

	u32 committed;
	u64 window;
	bool process;

	struct mutex place;	/* see above */
	struct drm_mm space;
	struct drm_mm_node tail;
	u64 used;
	u32 bos;
	u32 empty;

	struct work_struct shrink_work;
	struct vsvm_heap_chunk *chunk[];
};

/**
 * struct vsvm_heap_vm - an address space that a heap is mapped in
 * @link: on &vsvm_heap.vms
 * @vm: address space
 * @users: heap contexts in it
 * @mapped: chunks mapped
 * @bound: what was bound where each chunk is, see vsvm_vm_bind_fixed()
 */
struct vsvm_heap_vm {
	struct list_head link;
	struct vsvm_vm *vm;
	u32 users;
	u32 mapped;
	u32 bound[];
};

/**
 * struct vsvm_heap_context - a queue that takes the heap up
 * @refs: references
 * @heap: heap; a GEM reference is held
 * @link: on &vsvm_heap.contexts; under the grow lock, as all but @ring
 * @where: address space, NULL once it is detached
 * @id: of the context of the hardware
 * @told: chunks that the firmware has been told of; read without the lock
 * @target: chunks that it is to be told of
 * @floor: chunks that it is left with if that fails
 * @unknown: what the firmware has is not known: a reply did not come; read
 *	without the lock
 * @error: of the last attempt
 * @message: on its way
 * @sent: @message is
 * @type: of @message
 * @ring: object that all command buffers lie in, with a reference; constant
 * @address: the record: of each chunk that it was told of
 */
struct vsvm_heap_context {
	struct kref refs;
	struct vsvm_heap *heap;
	struct list_head link;
	struct vsvm_heap_vm *where;
	u32 id;
	u32 told;
	u32 target;
	u32 floor;
	bool unknown;
	int error;
	struct vsvm_heap_message message;
	bool sent;
	u32 type;
	struct drm_gem_object *ring;
	u64 address[];
};

/**
 * struct vsvm_heap_bo - a buffer object of a heap
 * @base: base
 * @heap: heap; a GEM reference is held
 * @node: its place, by offset in the window
 */
struct vsvm_heap_bo {
	struct drm_gem_object base;
	struct vsvm_heap *heap;
	struct drm_mm_node node;
};

static inline struct vsvm_heap_bo *to_heap_bo(struct drm_gem_object *gem)
{
	return container_of(gem, struct vsvm_heap_bo, base);
}

static inline u32 vsvm_heap_chunks(const struct vsvm_heap *heap)
{
	return heap->heaps->config.maximum / VSVM_HEAP_CHUNK;
}

/* Device address of a chunk */
static inline u64 vsvm_heap_address(const struct vsvm_heap *heap, u32 chunk)
{
	return heap->window + chunk * VSVM_HEAP_CHUNK;
}

/* The page at an offset of the window that has memory */
static inline struct page *vsvm_heap_page(const struct vsvm_heap *heap, u64 offset)
{
	return heap->chunk[offset / VSVM_HEAP_CHUNK]->pages[(offset % VSVM_HEAP_CHUNK) >>
							     PAGE_SHIFT];
}

/* chunk.c */
struct vsvm_heap_chunk *vsvm_heap_chunk_create(struct vsvm_heap *heap, u64 user);
void vsvm_heap_chunk_destroy(struct vsvm_heap *heap, struct vsvm_heap_chunk *chunk);
void vsvm_heap_chunk_unmap(struct vsvm_heap *heap, struct vsvm_heap_chunk *chunk);
int vsvm_heap_check_window(u64 start, u64 end);

/* place.c */
void vsvm_heap_place_init(struct vsvm_heap *heap);
void vsvm_heap_place_fini(struct vsvm_heap *heap);
void vsvm_heap_set_committed(struct vsvm_heap *heap, u32 chunks);
void vsvm_heap_limit(struct vsvm_heap *heap, u32 chunks);
int vsvm_heap_place(struct vsvm_heap *heap, struct drm_mm_node *node, u64 size,
		    u64 align, u64 *committed, u64 *needed);
void vsvm_heap_unplace(struct vsvm_heap *heap, struct drm_mm_node *node);

/* grow.c */
int vsvm_heap_grow_by(struct vsvm_heap *heap, u32 count, u64 user);
void vsvm_heap_shrink_work(struct work_struct *work);

/* context.c */
int vsvm_heap_map_vms(struct vsvm_heap *heap, struct vsvm_heap_chunk *const *chunks,
		      u32 first, u32 count);
void vsvm_heap_unmap_vms(struct vsvm_heap *heap, u32 chunks);
void vsvm_heap_tell(struct vsvm_heap *heap, u32 chunks);
int vsvm_heap_untell(struct vsvm_heap *heap, u32 chunks);
void vsvm_heap_count_told(struct vsvm_heap *heap, struct drm_vsvm_heap_chunk *chunks,
			  u32 count);
u32 vsvm_heap_lagging(struct vsvm_heap *heap, u32 *queues);
unsigned int vsvm_heap_replay(struct vsvm_heap *heap);

/* firmware.c */
int vsvm_heap_send(struct vsvm_heaps *heaps, struct vsvm_heap_message *message,
		   u32 type, u32 context, u64 address);
int vsvm_heap_await(struct vsvm_heaps *heaps, struct vsvm_heap_message *message);

/* bo.c */
extern const struct drm_gem_object_funcs vsvm_heap_bo_funcs;

#endif
