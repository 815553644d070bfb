/* SPDX-License-Identifier: MIT */
#ifndef VSVM_H
#define VSVM_H

/**
 * DOC: libvsvm
 *
 * Functions return 0 or -errno unless they say otherwise.  There is no hidden
 * state: an object is safe to use from several threads unless its functions
 * say otherwise, and every object is freed by the function that its creator
 * names.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <drm/vsvm_drm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- device --- */

struct vsvm_device;

/*
 * Open a device: PATH of a render node, or NULL for the first one that is vsvm.
 * -ENODEV if it is not vsvm or there is none; with NULL, -EACCES if none was
 * found but a node that could be it may not be opened.
 */
int vsvm_open(const char *path, struct vsvm_device **dev);
void vsvm_close(struct vsvm_device *dev);
int vsvm_fd(const struct vsvm_device *dev);
const char *vsvm_path(const struct vsvm_device *dev);
/* Constants of the device, read once at open */
const struct drm_vsvm_dev_info *vsvm_info(const struct vsvm_device *dev);
int vsvm_counters(struct vsvm_device *dev, struct drm_vsvm_dev_counters *out);

/* --- address spaces --- */

struct vsvm_vm;

/* flags: DRM_VSVM_VM_*, DRM_VSVM_VM_FAULT_MODE is added */
int vsvm_vm_create(struct vsvm_device *dev, uint32_t flags, struct vsvm_vm **vm);
/* -EBUSY while queues use it (nothing is freed then) */
int vsvm_vm_destroy(struct vsvm_vm *vm);
uint32_t vsvm_vm_id(const struct vsvm_vm *vm);
struct vsvm_device *vsvm_vm_device(const struct vsvm_vm *vm);

/* One operation a call; flags: DRM_VSVM_BIND_* */
int vsvm_bind_mirror(struct vsvm_vm *vm, uint64_t address, uint64_t size, uint32_t flags);
/* The whole address space of the process */
int vsvm_bind_mirror_all(struct vsvm_vm *vm);
int vsvm_unbind(struct vsvm_vm *vm, uint64_t address, uint64_t size, uint32_t flags);
/* Several operations, all or none; failed may be NULL */
int vsvm_bind(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *ops, uint32_t count,
	      uint32_t *failed);

/*
 * Scattered ranges of the process, of whole pages, back to back at ADDRESS;
 * flags: DRM_VSVM_BIND_READ_ONLY, _REPLACE, _IMMEDIATE.  failed: index of the
 * range that is wrong, or UINT32_MAX if it is none by itself; may be NULL.
 */
int vsvm_bind_userptr(struct vsvm_vm *vm, uint64_t address, const struct iovec *ranges,
		      uint32_t count, uint32_t flags, uint32_t *failed);

/* Move pages of the process to where they should lie, and map them */
int vsvm_prefetch(struct vsvm_vm *vm, const void *address, size_t size, enum drm_vsvm_place place);

/* One DRM_VSVM_PAGE_* word a page of [address, address + size) */
int vsvm_vm_state(struct vsvm_vm *vm, const void *address, size_t size, uint32_t *pages);
int vsvm_vm_stats(struct vsvm_vm *vm, struct drm_vsvm_stats *out);
/* Records after sequence SINCE; *count: in: room, out: written; lost and last may be NULL */
int vsvm_vm_faults(struct vsvm_vm *vm, uint64_t since, struct drm_vsvm_fault *records,
		   uint32_t *count, uint64_t *lost, uint64_t *last);
/* The sentence that a person needs, at most size bytes with the NUL; returns buf */
char *vsvm_strerror_fault(const struct drm_vsvm_fault *record, char *buf, size_t size);

/* --- attributes of the process' memory: ranges of pages --- */

/* All of the range or nothing; of two with the same type the later counts */
int vsvm_attr_set(struct vsvm_vm *vm, const void *address, size_t size,
		  const struct drm_vsvm_attr *attrs, uint32_t count);
int vsvm_attr_set_one(struct vsvm_vm *vm, const void *address, size_t size,
		      enum drm_vsvm_attr_type type, uint32_t value);
/*
 * Fills in the values for the types in attrs.  next may be NULL: the first address
 * behind where an attribute differs from those of the first page.
 */
int vsvm_attr_get(struct vsvm_vm *vm, const void *address, size_t size,
		  struct drm_vsvm_attr *attrs, uint32_t count, uint64_t *next);
int vsvm_attr_reset(struct vsvm_vm *vm, const void *address, size_t size);
/* "access"; NULL if there is no such attribute.  Counted from 0 without gaps */
const char *vsvm_attr_name(uint32_t type);
/* "in_place"; NULL for values that are but numbers */
const char *vsvm_attr_value_name(uint32_t type, uint32_t value);

/* --- buffer objects --- */

struct vsvm_bo;

/* placement: DRM_VSVM_BO_VRAM, DRM_VSVM_BO_SYSTEM or both; flags: DRM_VSVM_BO_WC */
int vsvm_bo_create(struct vsvm_device *dev, uint64_t size, uint32_t placement, uint32_t flags,
		   struct vsvm_bo **bo);
/* As often as it was created or imported; bindings and exports outlive it */
void vsvm_bo_destroy(struct vsvm_bo *bo);
uint32_t vsvm_bo_handle(const struct vsvm_bo *bo);
uint64_t vsvm_bo_size(const struct vsvm_bo *bo);
int vsvm_bo_info(struct vsvm_bo *bo, struct drm_vsvm_bo_info *out);
/* For the CPU; the same address until it is unmapped as often as it was mapped */
int vsvm_bo_map(struct vsvm_bo *bo, void **address);
void vsvm_bo_unmap(struct vsvm_bo *bo);
/* retained may be NULL */
int vsvm_bo_advise(struct vsvm_bo *bo, enum drm_vsvm_bo_advice advice, bool *retained);
/* A dma-buf: a file descriptor that this or another device can import */
int vsvm_bo_export(struct vsvm_bo *bo, int *fd);
/* fd stays the caller's; what the device already has comes back as the same object */
int vsvm_bo_import(struct vsvm_device *dev, int fd, struct vsvm_bo **bo);
/* SIZE bytes of BO from OFFSET on at ADDRESS; flags: DRM_VSVM_BIND_READ_ONLY, _REPLACE */
int vsvm_bind_bo(struct vsvm_vm *vm, struct vsvm_bo *bo, uint64_t address, uint64_t offset,
		 uint64_t size, uint32_t flags);

/* Make what one side wrote to a part of it visible to the other */
int vsvm_bo_sync(struct vsvm_bo *bo, uint64_t offset, uint64_t size, enum drm_vsvm_sync direction);

/* --- the heap of the device's file: grows as it is used --- */

/*
 * Have device addresses in the heap be those of the process: reserves addresses
 * for all that it can become.  Before the heap is used; -EBUSY later.
 */
int vsvm_heap_share_addresses(struct vsvm_device *dev);
/*
 * A buffer object in the heap, which grows as far as that takes.  align: a power
 * of two, 0: a page.  -ENOSPC if it cannot fit however far it grows.  It has an
 * address on the device, and need not be bound.
 */
int vsvm_heap_alloc(struct vsvm_device *dev, uint64_t size, uint64_t align, struct vsvm_bo **bo);
/* vsvm_bo_destroy() under the name that goes with it */
void vsvm_heap_free(struct vsvm_bo *bo);
/* On the device; 0 for one that is not of the heap */
uint64_t vsvm_bo_address(const struct vsvm_bo *bo);
/* Commit bytes more, a multiple of the chunk size, of memory at address (NULL: the kernel's) */
int vsvm_heap_grow(struct vsvm_device *dev, uint64_t bytes, void *address);
/* Give bytes at the end back; 0: all chunks there that are empty */
int vsvm_heap_shrink(struct vsvm_device *dev, uint64_t bytes);
/* *count: in: room for chunks, out: written; both may be NULL */
int vsvm_heap_query(struct vsvm_device *dev, struct drm_vsvm_heap_query *out,
		    struct drm_vsvm_heap_chunk *chunks, uint32_t *count);

/* --- queues --- */

struct vsvm_queue;

/*
 * A queue that takes the heap up, and has its instruction buffer there: packets
 * are copied into it when they are submitted, and command buffers are free as
 * soon as vsvm_submit() returns.  ring_bytes: 0 for the default; the heap grows
 * if it has to.
 */
int vsvm_queue_create_in_heap(struct vsvm_vm *vm, uint32_t engine_mask, uint64_t ring_bytes,
			      struct vsvm_queue **queue);

/* engine_mask 0: any */
int vsvm_queue_create(struct vsvm_vm *vm, uint32_t engine_mask, struct vsvm_queue **queue);
void vsvm_queue_destroy(struct vsvm_queue *queue);
uint32_t vsvm_queue_id(const struct vsvm_queue *queue);
int vsvm_queue_query(struct vsvm_queue *queue, struct drm_vsvm_queue_query *out);

/* --- command buffers: one thread at a time --- */

struct vsvm_cmds;

/* Room for CAPACITY packets (grows), aligned as the device wants it */
int vsvm_cmds_create(size_t capacity, struct vsvm_cmds **cmds);
/* Not before the device is done with it */
void vsvm_cmds_destroy(struct vsvm_cmds *cmds);
/* Empty it, to be filled again; not before the device is done with it */
void vsvm_cmds_reset(struct vsvm_cmds *cmds);
size_t vsvm_cmds_count(const struct vsvm_cmds *cmds);
const struct vsvm_packet *vsvm_cmds_packets(const struct vsvm_cmds *cmds);
/*
 * Append a zeroed packet with opcode and length set, for the caller to fill;
 * NULL when out of memory.  Valid until the next append.
 */
struct vsvm_packet *vsvm_cmds_append(struct vsvm_cmds *cmds, enum vsvm_packet_opcode opcode);

int vsvm_cmd_nop(struct vsvm_cmds *cmds);
int vsvm_cmd_store32(struct vsvm_cmds *cmds, void *address, uint32_t value);
int vsvm_cmd_store64(struct vsvm_cmds *cmds, void *address, uint64_t value);
int vsvm_cmd_fill(struct vsvm_cmds *cmds, void *address, size_t bytes, uint64_t pattern);
int vsvm_cmd_copy(struct vsvm_cmds *cmds, void *dst, const void *src, size_t bytes);
/* width 4 or 8; compare for VSVM_ATOMIC_CMPXCHG, else 0; old may be NULL */
int vsvm_cmd_atomic(struct vsvm_cmds *cmds, enum vsvm_atomic_op op, uint32_t width, void *address,
		    uint64_t operand, uint64_t compare, void *old);
int vsvm_cmd_sum(struct vsvm_cmds *cmds, const void *src, size_t count, size_t stride,
		 uint32_t width, uint64_t *result);
int vsvm_cmd_gather(struct vsvm_cmds *cmds, void *dst, const void *src, const void *index,
		    size_t count, uint32_t width, uint32_t index_width);
/* value_offset < 0: no sum */
int vsvm_cmd_chase(struct vsvm_cmds *cmds, const void *first, size_t next_offset,
		   uint64_t max_nodes, ptrdiff_t value_offset, struct vsvm_chase_result *result);
int vsvm_cmd_crc32c(struct vsvm_cmds *cmds, const void *src, size_t bytes, uint32_t seed,
		    uint32_t *result);
int vsvm_cmd_fence(struct vsvm_cmds *cmds, uint64_t *address, uint64_t value);
int vsvm_cmd_barrier(struct vsvm_cmds *cmds);
int vsvm_cmd_wait(struct vsvm_cmds *cmds, const uint64_t *address, uint64_t value, uint64_t mask,
		  enum vsvm_compare compare, uint64_t timeout_ns);
int vsvm_cmd_spin(struct vsvm_cmds *cmds, uint64_t duration_ns);
int vsvm_cmd_add(struct vsvm_cmds *cmds, void *dst, const void *a, const void *b, size_t count,
		 uint32_t width);

/* --- running --- */

/* What to wait for; filled by vsvm_submit(), freed with the queue */
struct vsvm_fence {
	struct vsvm_queue *queue;
	uint64_t sequence;
};

/*
 * Hand a command buffer to the queue.  It must stay as it is until the fence
 * has passed.  fence may be NULL.  Blocks while the queue is full.
 */
int vsvm_submit(struct vsvm_queue *queue, const struct vsvm_cmds *cmds, struct vsvm_fence *fence);
/*
 * Wait at most timeout_ns (negative: for ever).  -ETIME; -ECANCELED if the
 * queue ended in error before (vsvm_queue_fault() tells which).
 */
int vsvm_wait(const struct vsvm_fence *fence, int64_t timeout_ns);
/* vsvm_submit() and vsvm_wait() in one */
int vsvm_run(struct vsvm_queue *queue, const struct vsvm_cmds *cmds, int64_t timeout_ns);
/* The record that ended the queue; -ENOENT if none did, -ENODATA if it has been overwritten */
int vsvm_queue_fault(struct vsvm_queue *queue, struct drm_vsvm_fault *record);
/*
 * Wait until (*address & mask) compares with value, which the queue will write
 * (NULL: any of them); timeout as above.
 */
int vsvm_wait_value(struct vsvm_device *dev, struct vsvm_queue *queue, const uint64_t *address,
		    uint64_t value, uint64_t mask, enum vsvm_compare compare, int64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
