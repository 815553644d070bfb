/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_VM_H_
#define _VSVM_VM_H_

#include <linux/types.h>

#include <drm/vsvm_drm.h>

/* Bytes of one prefetch: bounds what it costs where little is mapped */
#define VSVM_VM_MAX_PREFETCH	BIT_ULL(36)

/**
 * DOC: address spaces of the device
 *
 * An address space (&struct vsvm_vm) is a page table, what is bound where, and
 * the mirror of the process that created it.  All of a device's address spaces
 * share one &struct vsvm_vmm, which takes the faults that the hardware raises
 * and hands them out to workers.
 */

struct drm_device;
struct drm_gem_object;
struct seq_file;
struct vsvm_hw;
struct vsvm_hw_error;
struct vsvm_mem;
struct vsvm_userptr_batch;
struct vsvm_vm;
struct vsvm_vmm;

/**
 * struct vsvm_vmm_config - constants for all address spaces of a device
 * @notifier_size: bytes that one notifier watches, a power of two, 2 to 512 MiB
 * @notifier_idle_ms: after which one that has nothing to watch is given up
 * @around: pages mapped along with a scattered fault, a power of two, 1 to 512
 * @fault_deadline_ms: after which a fault that cannot be served is terminal
 * @fault_workers: threads that serve faults side by side, 0: by number of CPUs
 * @granularity: log2 of the pages that faults move together, unless an attribute
 *	says something else
 */
struct vsvm_vmm_config {
	unsigned long notifier_size;
	unsigned int notifier_idle_ms;
	unsigned int around;
	unsigned int fault_deadline_ms;
	unsigned int fault_workers;
	unsigned int granularity;
};

/**
 * vsvm_vmm_create() - set up address spaces and fault service of a device
 * @drm: device
 * @config: copied
 *
 * Return: the manager or an ERR_PTR(): -ENOMEM, -EINVAL.  May sleep.
 */
struct vsvm_vmm *vsvm_vmm_create(struct drm_device *drm,
				 const struct vsvm_vmm_config *config);

/** vsvm_vmm_start() - give it the hardware and its memory; before the first address space */
void vsvm_vmm_start(struct vsvm_vmm *vmm, struct vsvm_hw *hw, struct vsvm_mem *mem);

/** vsvm_vmm_stop() - end fault service; all address spaces closed; may sleep */
void vsvm_vmm_stop(struct vsvm_vmm *vmm);

/** vsvm_vmm_destroy() - free; stopped, the hardware gone; may sleep */
void vsvm_vmm_destroy(struct vsvm_vmm *vmm);

/** vsvm_vmm_config() - its constants */
const struct vsvm_vmm_config *vsvm_vmm_config(const struct vsvm_vmm *vmm);

/** vsvm_vmm_fault_irq() - the fault buffer is not empty; any context */
void vsvm_vmm_fault_irq(struct vsvm_vmm *vmm);

/**
 * vsvm_vm_create() - create an address space of the calling process
 * @vmm: the device's
 * @flags: DRM_VSVM_VM_*, checked
 *
 * Return: the address space with one reference, for vsvm_vm_close(), or an
 * ERR_PTR(): -ENOMEM, -ENOSPC if the device has no more.  May sleep.
 */
struct vsvm_vm *vsvm_vm_create(struct vsvm_vmm *vmm, u32 flags);

/**
 * vsvm_vm_close() - unmap everything, stop watching the process, free
 * @vm: in no table any more through which a reference could be had; no queue
 *	uses it; the caller's reference is taken over
 *
 * Waits until all other references are gone.  May sleep.
 */
void vsvm_vm_close(struct vsvm_vm *vm);

/** vsvm_vm_get() - take a reference unless it is being closed; any context */
bool vsvm_vm_get(struct vsvm_vm *vm);

/** vsvm_vm_put() - drop a reference; any context */
void vsvm_vm_put(struct vsvm_vm *vm);

/** vsvm_vm_asid() - its number on the device */
u32 vsvm_vm_asid(const struct vsvm_vm *vm);

/** vsvm_vm_is_mine() - does it belong to the calling process? */
bool vsvm_vm_is_mine(const struct vsvm_vm *vm);

/**
 * vsvm_vm_bind() - carry out bind operations, all or none
 * @vm: address space
 * @ops: operations, not yet checked
 * @gems: for each the buffer object that it names, or NULL
 * @batches: for each the batch that it is to bind, or NULL
 * @count: of @ops
 * @failed: out: which one failed
 *
 * Return: 0 or an error as documented with &enum drm_vsvm_bind_op_type.
 * May sleep.
 */
int vsvm_vm_bind(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *ops,
		 struct drm_gem_object **gems, struct vsvm_userptr_batch **batches,
		 u32 count, u32 *failed);

/* Most ranges of one VM_BIND, most bytes of one batch */
#define VSVM_MAX_USERPTR_RANGES		BIT(20)
#define VSVM_MAX_USERPTR_BYTES		BIT_ULL(46)
/* How much of a batch DRM_VSVM_BIND_IMMEDIATE looks at */
#define VSVM_IMMEDIATE_BYTES		BIT_ULL(32)

/**
 * vsvm_vm_batch_create() - make a batch out of an array of ranges
 * @vm: address space
 * @op: the operation, not yet checked
 * @ranges: of the process
 * @count: of them, not 0
 * @failed: out: which one is wrong, or ~0
 *
 * Return: the batch, for vsvm_vm_bind() and then vsvm_vm_batch_put(), or an
 * ERR_PTR() as documented with &enum drm_vsvm_bind_op_type.  May sleep.
 */
struct vsvm_userptr_batch *
vsvm_vm_batch_create(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *op,
		     const struct drm_vsvm_userptr_range *ranges, u32 count, u32 *failed);

/** vsvm_vm_batch_put() - what is bound of it stays; or NULL; may sleep */
void vsvm_vm_batch_put(struct vsvm_userptr_batch *batch);

/**
 * vsvm_vm_bind_fixed() - bind memory that never moves, and map it
 * @vm: address space
 * @address: first, page aligned
 * @size: bytes, whole pages
 * @gem: what the memory belongs to; the binding has a reference
 * @offset: of the memory in it
 * @bus: address of each page
 * @bound: out: what was bound there, for vsvm_vm_unbind_fixed()
 *
 * It takes the place of what is mirrored there; user space can neither unbind
 * nor replace it (EBUSY).
 * Return: 0, -EEXIST if a buffer object is bound there, -ENOMEM, -EINTR, -ESRCH.
 * May sleep.
 */
int vsvm_vm_bind_fixed(struct vsvm_vm *vm, u64 address, u64 size,
		       struct drm_gem_object *gem, u64 offset, const dma_addr_t *bus,
		       u32 *bound);

/**
 * vsvm_vm_unbind_fixed() - take it away again; what was mirrored is mirrored again
 * @vm: address space
 * @address: as it was bound
 * @size: as it was bound
 * @bound: of vsvm_vm_bind_fixed()
 *
 * When it returns the device cannot reach the memory through it any more.  May
 * sleep; needs no memory.
 */
void vsvm_vm_unbind_fixed(struct vsvm_vm *vm, u64 address, u64 size, u32 bound);

/**
 * vsvm_vm_state() - tell how pages are mapped
 * @vm: address space
 * @start: first address
 * @npages: pages
 * @out: one word each, DRM_VSVM_PAGE_*
 *
 * May sleep.
 */
void vsvm_vm_state(struct vsvm_vm *vm, u64 start, u32 npages, u32 *out);

/**
 * vsvm_vm_attr_set() - set attributes of a range
 * @vm: address space
 * @start: first address, page aligned
 * @end: one past the last
 * @attrs: what to set, not yet checked
 * @count: of @attrs
 *
 * Return: 0 or an error as documented with &struct drm_vsvm_svm_attr.  May sleep.
 */
int vsvm_vm_attr_set(struct vsvm_vm *vm, u64 start, u64 end,
		     const struct drm_vsvm_attr *attrs, u32 count);

/** vsvm_vm_attr_reset() - return a range to defaults; as vsvm_vm_attr_set() */
int vsvm_vm_attr_reset(struct vsvm_vm *vm, u64 start, u64 end);

/**
 * vsvm_vm_attr_get() - read attributes of a range
 * @vm: address space
 * @start: first address, page aligned
 * @end: one past the last
 * @attrs: types in, values out
 * @count: of @attrs
 * @next: out: where attributes first differ from those at @start
 *
 * Return: 0, -EINVAL.  May sleep.
 */
int vsvm_vm_attr_get(struct vsvm_vm *vm, u64 start, u64 end,
		     struct drm_vsvm_attr *attrs, u32 count, u64 *next);

/** vsvm_vmm_attr_show() - write the attributes of all address spaces to a file; may sleep */
void vsvm_vmm_attr_show(struct vsvm_vmm *vmm, struct seq_file *m);

/** vsvm_vmm_attr_vm() - an address space by its number, with a reference, or NULL */
struct vsvm_vm *vsvm_vmm_attr_vm(struct vsvm_vmm *vmm, u32 asid);

/** vsvm_vm_stats() - read the counters */
void vsvm_vm_stats(struct vsvm_vm *vm, struct drm_vsvm_stats *out);

/**
 * vsvm_vm_record_error() - keep a record of what ended a context
 * @vm: address space
 * @error: the hardware's word
 * @queue_id: whose context it was
 * @code: out: errno, positive
 *
 * Any context.
 * Return: sequence number of the record.
 */
u64 vsvm_vm_record_error(struct vsvm_vm *vm, const struct vsvm_hw_error *error,
			 u32 queue_id, u32 *code);

/**
 * vsvm_vm_records() - read records back
 * @vm: address space
 * @since: records with a higher sequence number
 * @out: room for @max
 * @max: records
 * @lost: out: how many after @since had been overwritten
 * @last: out: highest sequence number so far
 *
 * Return: number of records.  May sleep.
 */
u32 vsvm_vm_records(struct vsvm_vm *vm, u64 since, struct drm_vsvm_fault *out,
		    u32 max, u64 *lost, u64 *last);

/* Records kept of each address space */
#define VSVM_VM_RECORDS		1024

#endif
