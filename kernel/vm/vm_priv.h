/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_VM_PRIV_H_
#define _VSVM_VM_PRIV_H_

#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include <drm/drm_gpuvm.h>

#include "attr/attr.h"
#include "userptr/userptr.h"
#include "vm/pt.h"
#include "vm/vm.h"

/* Records read from the hardware at once */
#define VSVM_FAULT_BATCH	256

/* A verdict carries why and what, see vsvm_vm_record_error() */
#define VSVM_VERDICT(reason, error)	((reason) << 16 | (error))
#define VSVM_VERDICT_REASON(code)	((code) >> 16)
#define VSVM_VERDICT_ERROR(code)	((code) & 0xffff)

/* In &vsvm_binding.flags: the driver's own, not for user space to touch */
#define VSVM_BINDING_FIXED		BIT(31)
/* What vsvm_vm_bind_fixed() tells was bound: the mirror, with flags of the binding */
#define VSVM_BOUND_MIRROR		BIT(30)

/**
 * struct vsvm_binding - one bound range, of the mirror, a buffer object or a batch
 * @va: range, and the object if there is one; in the tree under
 *	&vsvm_vm.bind_lock, linked to the object under its reservation lock
 * @flags: DRM_VSVM_BIND_READ_ONLY, DRM_VSVM_BIND_MIGRATE,
 *	DRM_VSVM_BIND_AUTO_RESET, VSVM_BINDING_FIXED; written under
 *	&vsvm_vm.bind_lock
 * @batch: the batch, with a reference, or NULL; constant
 */
struct vsvm_binding {
	struct drm_gpuva va;
	u32 flags;
	struct vsvm_userptr_batch *batch;
};

/**
 * struct vsvm_vm_records - a ring of fault records
 * @lock: guards all of it; taken in interrupts
 * @last: sequence number of the newest, 0: none
 * @ring: record n is at (n - 1) % VSVM_VM_RECORDS
 */
struct vsvm_vm_records {
	spinlock_t lock;	/* the ring */
	u64 last;
	struct drm_vsvm_fault *ring;
};

/* Services of an address space that can wait at the same time */
#define VSVM_SLOW_THREADS	64

/**
 * struct vsvm_vm_slow - faults whose service may have to wait
 * @lock: guards @list, @waiting and @busy
 * @list: of groups of faults to be served
 * @waiting: how many
 * @busy: being served
 * @wake: threads wait here
 * @create: guards @thread, @nthreads and @closed
 * @thread: serve them
 * @nthreads: of @thread
 * @closed: no thread any more
 */
struct vsvm_vm_slow {
	spinlock_t lock;	/* @list and its numbers */
	struct list_head list;
	unsigned int waiting;
	unsigned int busy;
	wait_queue_head_t wake;
	struct mutex create;	/* threads */
	struct task_struct *thread[VSVM_SLOW_THREADS];
	unsigned int nthreads;
	bool closed;
};

/**
 * struct vsvm_vm_attr - attributes of an address space
 * @tree: the attributes, under &vsvm_vm.bind_lock
 * @update: a change under way, under &vsvm_vm.bind_lock
 * @mm: the process; constant
 * @pid: its number, for people; constant
 * @by_mm: in &vsvm_vmm.by_mm
 * @watch: guards @watched
 * @watched: @mni has been inserted
 * @mni: sees what the process unmaps
 * @lock: guards what follows; inside a span's lock
 * @notes: of what was unmapped
 * @sweep: there was no memory for a note
 * @pending: @notes or @sweep; also read without the lock
 * @reset_work: works them off
 * @keep: some range is to stay mapped; set once
 * @restore_start: first address that may have to be mapped again
 * @restore_end: one past the last
 * @restore_work: does it
 */
struct vsvm_vm_attr {
	struct vsvm_attr_tree tree;
	struct vsvm_attr_update update;
	struct mm_struct *mm;
	pid_t pid;
	struct hlist_node by_mm;
	struct mutex watch;	/* @watched */
	bool watched;
	struct mmu_interval_notifier mni;
	spinlock_t lock;	/* notes, and what to restore */
	struct list_head notes;
	bool sweep;
	bool pending;
	struct delayed_work reset_work;
	bool keep;
	unsigned long restore_start;
	unsigned long restore_end;
	struct delayed_work restore_work;
};

/**
 * struct vsvm_gpuvm - what is bound in an address space
 * @base: the tree
 * @vm: whose
 */
struct vsvm_gpuvm {
	struct drm_gpuvm base;
	struct vsvm_vm *vm;
};

/**
 * struct vsvm_vm - an address space
 * @vmm: the device's
 * @refs: references; the last one completes @released
 * @released: nobody uses it any more
 * @flags: DRM_VSVM_VM_*; constant
 * @asid: its number on the device; constant
 * @closing: set once; services give up when they see it
 * @bind_lock: guards @gpuvm's tree; outside everything but mmap_lock is never
 *	held when it is taken
 * @gpuvm: what is bound
 * @epoch: counts changes of the tree; written under @bind_lock, read under the
 *	lock of a span
 * @pt: page table
 * @svm: mirror
 * @userptr: batches
 * @records: of faults
 * @slow: faults whose service may have to wait
 * @attr: attributes of address ranges
 * @rcu: frees it
 */
struct vsvm_vm {
	struct vsvm_vmm *vmm;
	refcount_t refs;
	struct completion released;
	u32 flags;
	u32 asid;
	bool closing;
	struct rw_semaphore bind_lock;
	struct drm_gpuvm *gpuvm;
	u32 epoch;
	struct vsvm_pt pt;
	struct vsvm_svm *svm;
	struct vsvm_userptr *userptr;
	struct vsvm_vm_records records;
	struct vsvm_vm_slow slow;
	struct vsvm_vm_attr attr;
	struct rcu_head rcu;
};

struct vsvm_fault_worker;

/**
 * struct vsvm_vmm - all address spaces of a device
 * @drm: device
 * @hw: hardware, from vsvm_vmm_start() to vsvm_vmm_stop()
 * @mem: device memory
 * @config: constants
 * @resv: reservation object that the gpuvms share
 * @vms: by asid; its lock guards taking a reference
 * @next_asid: where to look for a free one
 * @by_mm: address spaces by process; read under RCU
 * @by_mm_lock: guards changes of @by_mm
 * @wq: fault service
 * @workers: @nworkers of them
 * @nworkers: at most 64
 * @stopping: no worker is to read the fault buffer any more
 * @idle: bit n: worker n has nothing to do; atomic
 */
struct vsvm_vmm {
	struct drm_device *drm;
	struct vsvm_hw *hw;
	struct vsvm_mem *mem;
	struct vsvm_vmm_config config;
	struct drm_gem_object *resv;
	struct xarray vms;
	u32 next_asid;
	DECLARE_HASHTABLE(by_mm, 6);
	spinlock_t by_mm_lock;	/* @by_mm */
	struct workqueue_struct *wq;
	struct vsvm_fault_worker *workers;
	unsigned int nworkers;
	bool stopping;
	DECLARE_BITMAP(idle, 64);
};

/* fault.c */
int vsvm_fault_init(struct vsvm_vmm *vmm);
void vsvm_fault_stop(struct vsvm_vmm *vmm);
void vsvm_fault_fini(struct vsvm_vmm *vmm);
struct vsvm_vm *vsvm_vmm_find(struct vsvm_vmm *vmm, u32 asid);

/**
 * struct vsvm_fault_service - memory to serve a group of faults with
 * @req: requests of the group
 * @later: faults of the group that another thread is to serve
 * @scratch: for the mirror
 * @userptr: for batches
 */
struct vsvm_fault_service {
	struct vsvm_svm_request req[VSVM_FAULT_BATCH];
	const struct vsvm_hw_fault *later[VSVM_FAULT_BATCH];
	struct vsvm_svm_scratch scratch;
	struct vsvm_userptr_scratch userptr;
};

void vsvm_fault_serve(struct vsvm_vm *vm, struct vsvm_fault_service *service,
		      const struct vsvm_hw_fault *const *faults,
		      unsigned int count, enum vsvm_svm_wait wait);

/* slow.c */
void vsvm_slow_init(struct vsvm_vm_slow *slow);
bool vsvm_slow_add(struct vsvm_vm *vm, const struct vsvm_hw_fault *const *faults,
		   unsigned int count, enum vsvm_svm_wait wait);
void vsvm_slow_stop(struct vsvm_vm *vm);

/* record.c */
int vsvm_records_init(struct vsvm_vm_records *records);
void vsvm_records_fini(struct vsvm_vm_records *records);
void vsvm_records_resolved(struct vsvm_vm *vm, const struct vsvm_hw_fault *fault);

/* bind.c */
int vsvm_bind_step_remap(struct drm_gpuva_op *op, void *priv);
int vsvm_bind_step_unmap(struct drm_gpuva_op *op, void *priv);
void vsvm_vm_unbind_all(struct vsvm_vm *vm);
bool vsvm_vm_find_binding(struct vsvm_vm *vm, u64 address,
			  struct vsvm_svm_bounds *bounds,
			  struct drm_gem_object **gem);

/* attr.c */
void vsvm_vm_attr_init(struct vsvm_vm *vm);
void vsvm_vm_attr_fini(struct vsvm_vm *vm);
void vsvm_vm_attr_bounds(struct vsvm_vm *vm, u64 address,
			 struct vsvm_svm_bounds *bounds);
int vsvm_vm_attr_change(struct vsvm_vm *vm, unsigned long start, unsigned long end,
			const struct vsvm_attr_change *change);
void vsvm_vm_attr_prefetch(struct vsvm_vm *vm, unsigned long start, unsigned long end,
			   enum vsvm_svm_place place);
bool vsvm_vmm_return_block(void *arg, struct mm_struct *mm, unsigned long address,
			   unsigned long *start, unsigned long *end);

/* attr_reset.c */
void vsvm_vm_attr_reset_init(struct vsvm_vm *vm);
void vsvm_vm_attr_reset_fini(struct vsvm_vm *vm);
int vsvm_vm_attr_watch(struct vsvm_vm *vm);
void vsvm_vm_attr_drain(struct vsvm_vm *vm);
void vsvm_vm_attr_catch_up(struct vsvm_vm *vm);

/* attr_mapped.c */
void vsvm_vm_attr_mapped_init(struct vsvm_vm *vm);
void vsvm_vm_attr_mapped_fini(struct vsvm_vm *vm);
void vsvm_vm_attr_zapped(struct vsvm_vm *vm, unsigned long start, unsigned long end);
void vsvm_vm_attr_keep_mapped(struct vsvm_vm *vm, unsigned long start,
			      unsigned long end);

/* bo_map.c */
int vsvm_bo_link(struct drm_gpuva *va);
void vsvm_bo_unlink(struct drm_gpuva *va);
void vsvm_bo_unmap(struct drm_gem_object *gem);
enum vsvm_svm_status vsvm_bo_serve(struct vsvm_vm *vm, u64 address,
				   enum vsvm_svm_access access,
				   const struct vsvm_svm_bounds *bounds,
				   struct drm_gem_object *gem,
				   enum vsvm_svm_wait wait);

/* userptr.c */
int vsvm_vm_userptr_init(struct vsvm_vm *vm, const struct vsvm_svm_config *config);
void vsvm_vm_batch_map(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *op);
/* fixed.c */
int vsvm_fixed_map(struct vsvm_vm *vm, u64 address, u64 size, const dma_addr_t *bus);

/* mem_glue.c */
void vsvm_vmm_mem_config(struct vsvm_mem *mem, struct vsvm_svm_mem *out);

#endif
