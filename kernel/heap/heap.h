/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HEAP_H_
#define _VSVM_HEAP_H_

#include <linux/bits.h>
#include <linux/types.h>

/**
 * DOC: the growable heap
 *
 * A heap is a window of device addresses that is filled with memory from its
 * beginning on, in chunks of 64 MiB, which never move and stay pinned.  Buffer
 * objects are carved out of it.  It belongs to a file, and lives as long as
 * anything of it is used: an object, a mapping of one, a binding.
 *
 * A queue takes the heap up by a *heap context*: all chunks are mapped in its
 * address space, and the firmware is told of each.  What it was told is kept, so
 * that it can be told again.
 */

struct drm_device;
struct drm_file;
struct drm_gem_object;
struct drm_printer;
struct drm_vsvm_bo_info;
struct drm_vsvm_heap_alloc;
struct drm_vsvm_heap_chunk;
struct drm_vsvm_heap_grow;
struct drm_vsvm_heap_query;
struct drm_vsvm_heap_shrink;
struct vsvm_heap;
struct vsvm_heap_context;
struct vsvm_heaps;
struct vsvm_hw;
struct vsvm_vm;

/* What a heap grows by */
#define VSVM_HEAP_CHUNK		(64ull << 20)
/* Where the window of device addresses begins: no process has memory there */
#define VSVM_HEAP_BASE		BIT_ULL(47)

/**
 * struct vsvm_heap_config - constants of all heaps of a device
 * @maximum: bytes of a window, a multiple of the chunk
 * @timeout_ms: how long a reply of the firmware is waited for (knob)
 */
struct vsvm_heap_config {
	u64 maximum;
	u32 timeout_ms;
};

/** vsvm_heaps_create() - set up the heaps of a device; the room or an ERR_PTR() */
struct vsvm_heaps *vsvm_heaps_create(struct drm_device *drm,
				     const struct vsvm_heap_config *config);

/** vsvm_heaps_start() - give it the hardware; before the first heap */
void vsvm_heaps_start(struct vsvm_heaps *heaps, struct vsvm_hw *hw);

/**
 * vsvm_heaps_stop() - let go of the hardware
 * @heaps: started; all queues and address spaces have ended
 *
 * Memory of heaps that are still in use stays, unmapped for DMA.  May sleep, as
 * long as somebody waits for the firmware.
 */
void vsvm_heaps_stop(struct vsvm_heaps *heaps);

/** vsvm_heaps_destroy() - free; stopped or never started, no heap is left */
void vsvm_heaps_destroy(struct vsvm_heaps *heaps);

/** vsvm_heaps_config() - its constants; the knob may be written (WRITE_ONCE) at any time */
struct vsvm_heap_config *vsvm_heaps_config(struct vsvm_heaps *heaps);

/** vsvm_heaps_irq() - the firmware has replied; atomic context */
void vsvm_heaps_irq(struct vsvm_heaps *heaps);

/**
 * vsvm_heaps_replay() - tell the firmware again what it was told
 * @heaps: started, the device not gone
 *
 * For a firmware that has been restarted and knows nothing any more: every heap
 * context is told exactly what its record says.  One that could not be told
 * lags.  May sleep, waits for the firmware.
 *
 * Return: contexts that could not be told.
 */
unsigned int vsvm_heaps_replay(struct vsvm_heaps *heaps);

/* --- heaps --- */

/**
 * vsvm_heap_create() - an empty heap of the calling process
 * @heaps: the device's
 *
 * Return: the heap with one reference, or an ERR_PTR(): -ENOMEM, -ENODEV.
 */
struct vsvm_heap *vsvm_heap_create(struct vsvm_heaps *heaps);

/** vsvm_heap_put() - drop a reference; may sleep, any task, mmap_lock may be held */
void vsvm_heap_put(struct vsvm_heap *heap);

/** vsvm_heap_is_mine() - does it belong to the calling process? */
bool vsvm_heap_is_mine(const struct vsvm_heap *heap);

/**
 * vsvm_heap_grow() - see &struct drm_vsvm_heap_grow
 * @heap: heap
 * @args: in and out, not yet checked
 *
 * Waits for the firmware, which holds up no allocation.
 * Return: 0, -EINVAL, -ENOSPC, -EDQUOT, -ENOMEM, -EFAULT, -EEXIST, -EINTR,
 * -ENODEV.  May sleep; no mmap_lock held.
 */
int vsvm_heap_grow(struct vsvm_heap *heap, struct drm_vsvm_heap_grow *args);

/** vsvm_heap_shrink() - see &struct drm_vsvm_heap_shrink; as vsvm_heap_grow() */
int vsvm_heap_shrink(struct vsvm_heap *heap, struct drm_vsvm_heap_shrink *args);

/**
 * vsvm_heap_query() - see &struct drm_vsvm_heap_query
 * @heap: heap
 * @args: out, but for the array
 * @chunks: room for @max
 * @max: of @chunks
 *
 * Return: chunks written.
 */
u32 vsvm_heap_query(struct vsvm_heap *heap, struct drm_vsvm_heap_query *args,
		    struct drm_vsvm_heap_chunk *chunks, u32 max);

/** vsvm_heap_show_fdinfo() - print what it takes */
void vsvm_heap_show_fdinfo(struct drm_printer *p, struct vsvm_heap *heap);

/* --- buffer objects of a heap --- */

/**
 * vsvm_heap_alloc() - see &struct drm_vsvm_heap_alloc
 * @heap: heap
 * @file: to make the handle in
 * @args: in and out, not yet checked
 *
 * Return: 0, -EINVAL, -ENOBUFS, -ENOSPC, -ENOMEM; with
 * %DRM_VSVM_HEAP_ALLOC_GROW also what vsvm_heap_grow() says.
 */
int vsvm_heap_alloc(struct vsvm_heap *heap, struct drm_file *file,
		    struct drm_vsvm_heap_alloc *args);

/** vsvm_heap_bo_check() - is it a buffer object of a heap? */
bool vsvm_heap_bo_check(const struct drm_gem_object *gem);

/** vsvm_heap_bo_info() - see &struct drm_vsvm_bo_info */
void vsvm_heap_bo_info(struct drm_gem_object *gem, struct drm_vsvm_bo_info *info);

/**
 * vsvm_heap_bo_sync() - see &struct drm_vsvm_bo_sync
 * @gem: object of a heap
 * @offset: first byte
 * @size: bytes, checked to lie in the object
 * @direction: &enum drm_vsvm_sync, checked
 *
 * The device must not go away meanwhile.
 */
void vsvm_heap_bo_sync(struct drm_gem_object *gem, u64 offset, u64 size, u32 direction);

/* --- contexts --- */

/**
 * vsvm_heap_attach() - have a queue take the heap up, all of it or nothing
 * @heap: heap
 * @vm: address space of the queue; must exist until vsvm_heap_detach()
 * @context: id of its context of the hardware
 * @ring: object of the heap that all its command buffers lie in, or NULL
 *
 * Context: may sleep, waits for the firmware.
 * Return: the heap context with one reference, for vsvm_heap_detach(), or an
 * ERR_PTR(): -ENOENT if the heap is empty, -EINVAL if the ring is none of its
 * objects, -EEXIST if something else is bound there, -EIO if the firmware
 * refuses, -ETIME if it is silent, -ENOMEM, -EINTR, -ENODEV.
 */
struct vsvm_heap_context *vsvm_heap_attach(struct vsvm_heap *heap, struct vsvm_vm *vm,
					   u32 context, struct drm_gem_object *ring);

/** vsvm_heap_detach() - the opposite, the context of the hardware has gone; may sleep */
void vsvm_heap_detach(struct vsvm_heap_context *context);

/** vsvm_heap_context_get() - take a reference; the caller knows that there is one */
void vsvm_heap_context_get(struct vsvm_heap_context *context);

/** vsvm_heap_context_put() - drop one */
void vsvm_heap_context_put(struct vsvm_heap_context *context);

/**
 * vsvm_heap_context_catch_up() - see that it has taken up all that is committed
 * @context: heap context
 *
 * Costs nothing if it has.  Else it may sleep and waits for the firmware.
 * Return: 0, -EIO, -ETIME, -ENOENT if it has been detached, -EINTR, -ENODEV.
 */
int vsvm_heap_context_catch_up(struct vsvm_heap_context *context);

/** vsvm_heap_context_holds() - may a command buffer lie there? */
bool vsvm_heap_context_holds(const struct vsvm_heap_context *context, u64 address,
			     u64 bytes);

#endif
