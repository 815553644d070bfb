// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of an address space, and its side of the mirror.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_gem.h>

#include "mem/bo.h"
#include "mem/mem.h"
#include "vm/vm_priv.h"

/* --- what the mirror asks of the page table --- */

static struct vsvm_svm_span *vsvm_vm_span_create(void *priv, unsigned long start,
						 unsigned long end)
{
	struct vsvm_vm *vm = priv;
	struct vsvm_pt_span *span = vsvm_pt_span_create(&vm->pt, start, end);

	return span ? &span->base : NULL;
}

static void vsvm_vm_span_destroy(void *priv, struct vsvm_svm_span *span)
{
	struct vsvm_vm *vm = priv;

	vsvm_pt_span_destroy(&vm->pt, to_pt_span(span));
}

static bool vsvm_vm_span_empty(void *priv, struct vsvm_svm_span *span)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_span_empty(&vm->pt, to_pt_span(span));
}

static void *vsvm_vm_prepare(void *priv, struct vsvm_svm_span *span,
			     unsigned long address)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_prepare(&vm->pt, to_pt_span(span), address);
}

static void vsvm_vm_finish(void *priv, void *prepared)
{
	struct vsvm_vm *vm = priv;

	vsvm_pt_table_destroy(&vm->pt, prepared);
}

static bool vsvm_vm_mapped(void *priv, struct vsvm_svm_span *span,
			   unsigned long address, enum vsvm_svm_access access)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_mapped(&vm->pt, to_pt_span(span), address, access);
}

static int vsvm_vm_map_atomic(void *priv, struct vsvm_svm_span *span,
			      unsigned long address, unsigned long pfn,
			      void **prepared)
{
	struct vsvm_pt_table *table = *prepared;
	struct vsvm_vm *vm = priv;
	int ret;

	ret = vsvm_pt_map_atomic(&vm->pt, to_pt_span(span), address, pfn, &table);
	*prepared = table;
	return ret;
}

static int vsvm_vm_map(void *priv, struct vsvm_svm_span *span,
		       unsigned long address, const unsigned long *pfns,
		       unsigned int npages, unsigned int mode, void **prepared)
{
	struct vsvm_pt_table *table = *prepared;
	struct vsvm_vm *vm = priv;
	int ret;

	ret = vsvm_pt_map(&vm->pt, to_pt_span(span), address, pfns, npages,
			  mode, &table);
	*prepared = table;
	return ret;
}

static int vsvm_vm_map_huge(void *priv, struct vsvm_svm_span *span,
			    unsigned long address, unsigned long pfn, unsigned int mode)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_map_huge(&vm->pt, to_pt_span(span), address, pfn, mode);
}

static unsigned long vsvm_vm_zap(void *priv, struct vsvm_svm_span *span,
				 unsigned long start, unsigned long end,
				 enum vsvm_svm_place place)
{
	struct vsvm_vm *vm = priv;

	unsigned long leaves = vsvm_pt_zap(&vm->pt, to_pt_span(span), start, end, place);

	if (leaves)
		vsvm_vm_attr_zapped(vm, start, end);
	return leaves;
}

static unsigned long vsvm_vm_protect(void *priv, struct vsvm_svm_span *span,
				     unsigned long start, unsigned long end)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_protect(&vm->pt, to_pt_span(span), start, end);
}

static const struct vsvm_svm_ops vsvm_vm_svm_ops = {
	.span_create = vsvm_vm_span_create,
	.span_destroy = vsvm_vm_span_destroy,
	.span_empty = vsvm_vm_span_empty,
	.prepare = vsvm_vm_prepare,
	.finish = vsvm_vm_finish,
	.mapped = vsvm_vm_mapped,
	.map = vsvm_vm_map,
	.map_huge = vsvm_vm_map_huge,
	.map_atomic = vsvm_vm_map_atomic,
	.zap = vsvm_vm_zap,
	.protect = vsvm_vm_protect,
};

/* --- references --- */

bool vsvm_vm_get(struct vsvm_vm *vm)
{
	return refcount_inc_not_zero(&vm->refs);
}

void vsvm_vm_put(struct vsvm_vm *vm)
{
	if (refcount_dec_and_test(&vm->refs))
		complete(&vm->released);
}

/**
 * vsvm_vmm_find() - the address space behind a number, with a reference
 * @vmm: the device's
 * @asid: its number
 *
 * Return: the address space, or NULL if there is none or it is being closed.
 */
struct vsvm_vm *vsvm_vmm_find(struct vsvm_vmm *vmm, u32 asid)
{
	struct vsvm_vm *vm;

	xa_lock(&vmm->vms);
	vm = xa_load(&vmm->vms, asid);
	if (vm && !vsvm_vm_get(vm))
		vm = NULL;
	xa_unlock(&vmm->vms);
	return vm;
}

u32 vsvm_vm_asid(const struct vsvm_vm *vm)
{
	return vm->asid;
}

bool vsvm_vm_is_mine(const struct vsvm_vm *vm)
{
	return vsvm_svm_mm(vm->svm) == current->mm;
}

/* --- creation and end --- */

static void vsvm_vm_gpuvm_free(struct drm_gpuvm *gpuvm)
{
	kfree(container_of(gpuvm, struct vsvm_gpuvm, base));
}

static const struct drm_gpuvm_ops vsvm_vm_gpuvm_ops = {
	.vm_free = vsvm_vm_gpuvm_free,
	.sm_step_remap = vsvm_bind_step_remap,
	.sm_step_unmap = vsvm_bind_step_unmap,
};

/* Free what has been made so far; the hardware does not know it any more */
static void vsvm_vm_free(struct vsvm_vm *vm)
{
	vsvm_pt_fini(&vm->pt);
	if (vm->gpuvm)
		drm_gpuvm_put(vm->gpuvm);
	vsvm_records_fini(&vm->records);
	/* A CPU fault may be looking at its attributes */
	kfree_rcu(vm, rcu);
}

struct vsvm_vm *vsvm_vm_create(struct vsvm_vmm *vmm, u32 flags)
{
	struct vsvm_svm_config config = {
		.span_size = vmm->config.notifier_size,
		.around = vmm->config.around,
		.deadline_ms = vmm->config.fault_deadline_ms,
		.idle_ms = vmm->config.notifier_idle_ms,
	};
	struct vsvm_gpuvm *gpuvm;
	struct vsvm_vm *vm;
	int err;

	vm = kzalloc_obj(*vm, GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm->vmm = vmm;
	vm->flags = flags;
	refcount_set(&vm->refs, 1);
	init_completion(&vm->released);
	init_rwsem(&vm->bind_lock);
	vsvm_slow_init(&vm->slow);
	vm->pt.hw = vmm->hw;

	err = vsvm_records_init(&vm->records);
	if (err)
		goto err_free;
	err = vsvm_pt_init(&vm->pt, vmm->drm->dev);
	if (err)
		goto err_free;
	gpuvm = kzalloc_obj(*gpuvm, GFP_KERNEL_ACCOUNT);
	if (!gpuvm) {
		err = -ENOMEM;
		goto err_free;
	}
	gpuvm->vm = vm;
	vm->gpuvm = &gpuvm->base;
	drm_gpuvm_init(vm->gpuvm, "vsvm", 0, vmm->drm, vmm->resv, 0,
		       BIT_ULL(VSVM_HW_VA_BITS), 0, 0, &vsvm_vm_gpuvm_ops);
	vsvm_vmm_mem_config(vmm->mem, &config.mem);
	vm->pt.vram_pfn = config.mem.first_pfn;
	vm->pt.vram_pages = config.mem.npages;
	vm->pt.system_atomics = !(flags & DRM_VSVM_VM_EXCLUSIVE_ATOMICS);
	vm->svm = vsvm_svm_create(&vsvm_vm_svm_ops, vm, &config);
	if (!vm->svm) {
		err = -ENOMEM;
		goto err_free;
	}
	vm->pt.counters = vsvm_svm_counters(vm->svm);
	err = vsvm_vm_userptr_init(vm, &config);
	if (err)
		goto err_svm;

	/* Nobody can name it before the hardware knows it */
	err = xa_alloc_cyclic(&vmm->vms, &vm->asid, NULL,
			      XA_LIMIT(1, VSVM_HW_ASIDS - 1), &vmm->next_asid,
			      GFP_KERNEL_ACCOUNT);
	if (err < 0) {
		if (err == -EBUSY)
			err = -ENOSPC;
		goto err_svm;
	}
	vm->pt.asid = vm->asid;
	err = vsvm_hw_asid_attach(vmm->hw, vm->asid, vm->pt.root->table.bus);
	if (err)
		goto err_asid;
	vsvm_vm_attr_init(vm);
	xa_store(&vmm->vms, vm->asid, vm, GFP_KERNEL_ACCOUNT);
	return vm;

err_asid:
	xa_erase(&vmm->vms, vm->asid);
err_svm:
	vsvm_userptr_destroy(vm->userptr);
	vsvm_svm_destroy(vm->svm);
err_free:
	vsvm_vm_free(vm);
	return ERR_PTR(err);
}

void vsvm_vm_close(struct vsvm_vm *vm)
{
	struct vsvm_vmm *vmm = vm->vmm;

	WRITE_ONCE(vm->closing, true);
	/* The number stays taken until the hardware has forgotten it */
	xa_store(&vmm->vms, vm->asid, XA_ZERO_ENTRY, GFP_KERNEL_ACCOUNT);
	vsvm_slow_stop(vm);
	vsvm_svm_stop(vm->svm);
	vsvm_vm_put(vm);
	wait_for_completion(&vm->released);

	vsvm_vm_attr_fini(vm);
	vsvm_vm_unbind_all(vm);
	vsvm_userptr_destroy(vm->userptr);
	vsvm_svm_destroy(vm->svm);
	vsvm_hw_asid_detach(vmm->hw, vm->asid);
	xa_erase(&vmm->vms, vm->asid);
	vsvm_vm_free(vm);
}

/* --- all address spaces of a device --- */

struct vsvm_vmm *vsvm_vmm_create(struct drm_device *drm,
				 const struct vsvm_vmm_config *config)
{
	struct vsvm_vmm *vmm = kzalloc_obj(*vmm);
	int err;

	if (!vmm)
		return ERR_PTR(-ENOMEM);
	vmm->drm = drm;
	vmm->config = *config;
	xa_init_flags(&vmm->vms, XA_FLAGS_ALLOC);
	hash_init(vmm->by_mm);
	spin_lock_init(&vmm->by_mm_lock);
	vmm->resv = drm_gpuvm_resv_object_alloc(drm);
	if (!vmm->resv) {
		err = -ENOMEM;
		goto err_free;
	}
	err = vsvm_fault_init(vmm);
	if (err)
		goto err_resv;
	return vmm;

err_resv:
	drm_gem_object_put(vmm->resv);
err_free:
	kfree(vmm);
	return ERR_PTR(err);
}

void vsvm_vmm_start(struct vsvm_vmm *vmm, struct vsvm_hw *hw, struct vsvm_mem *mem)
{
	vmm->hw = hw;
	vmm->stopping = false;
	vmm->mem = mem;
	vsvm_mem_set_bo_unmap(mem, vsvm_bo_unmap);
	vsvm_mem_set_return_block(mem, vsvm_vmm_return_block, vmm);
}

void vsvm_vmm_stop(struct vsvm_vmm *vmm)
{
	vsvm_fault_stop(vmm);
}

void vsvm_vmm_destroy(struct vsvm_vmm *vmm)
{
	vsvm_fault_fini(vmm);
	drm_gem_object_put(vmm->resv);
	xa_destroy(&vmm->vms);
	kfree(vmm);
}

const struct vsvm_vmm_config *vsvm_vmm_config(const struct vsvm_vmm *vmm)
{
	return &vmm->config;
}
