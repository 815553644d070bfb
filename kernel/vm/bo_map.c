// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects in an address space.
 *
 * A binding is linked to its object under the object's reservation lock, which
 * also keeps the memory where it is: a fault maps under that lock, and whoever
 * moves the memory unmaps it everywhere under that lock first.  The lock of the
 * span is taken inside it.
 */
#include <linux/dma-resv.h>

#include <drm/drm_gem.h>

#include "mem/bo.h"
#include "vm/vm_priv.h"

/**
 * vsvm_bo_link() - let the object of a binding know of it
 * @va: of the binding, in the tree
 *
 * Context: may sleep; bind_lock held.
 * Return: 0 or -ENOMEM.  Nothing to do for a part of the mirror.
 */
int vsvm_bo_link(struct drm_gpuva *va)
{
	struct drm_gem_object *gem = va->gem.obj;
	struct drm_gpuvm_bo *vm_bo;

	if (!gem)
		return 0;
	dma_resv_lock(gem->resv, NULL);
	vm_bo = drm_gpuvm_bo_obtain_locked(va->vm, gem);
	if (!IS_ERR(vm_bo)) {
		drm_gpuva_link(va, vm_bo);
		drm_gpuvm_bo_put(vm_bo);
	}
	dma_resv_unlock(gem->resv);
	return PTR_ERR_OR_ZERO(vm_bo);
}

/** vsvm_bo_unlink() - the opposite; the object may go with it; may sleep */
void vsvm_bo_unlink(struct drm_gpuva *va)
{
	struct drm_gem_object *gem = va->gem.obj;

	if (!gem)
		return;
	drm_gem_object_get(gem);
	dma_resv_lock(gem->resv, NULL);
	drm_gpuva_unlink(va);
	dma_resv_unlock(gem->resv);
	drm_gem_object_put(gem);
}

static int vsvm_bo_zap_span(struct vsvm_svm_span *span, unsigned long start,
			    unsigned long end, void *arg)
{
	struct vsvm_vm *vm = arg;

	vsvm_pt_zap_bo(&vm->pt, to_pt_span(span), start, end);
	return 0;
}

/**
 * vsvm_bo_unmap() - unmap an object from all address spaces
 * @gem: its reservation lock is held
 *
 * When it returns, the device cannot reach the memory any more.  May sleep;
 * takes span locks.
 */
void vsvm_bo_unmap(struct drm_gem_object *gem)
{
	struct drm_gpuvm_bo *vm_bo;
	struct drm_gpuva *va;

	dma_resv_assert_held(gem->resv);
	drm_gem_for_each_gpuvm_bo(vm_bo, gem) {
		struct vsvm_vm *vm = container_of(vm_bo->vm, struct vsvm_gpuvm, base)->vm;

		drm_gpuvm_bo_for_each_va(va, vm_bo)
			vsvm_svm_walk_spans(vm->svm, va->va.addr,
					    va->va.addr + va->va.range,
					    vsvm_bo_zap_span, vm);
	}
}

/* Map what surrounds a fault in its block, as far as the object lies in one piece */
static int vsvm_bo_map(struct vsvm_vm *vm, struct vsvm_pt_span *span, u64 address,
		       const struct vsvm_svm_bounds *bounds, struct vsvm_bo *bo)
{
	u64 block = ALIGN_DOWN(address, VSVM_SVM_BLOCK_SIZE);
	u64 start = max_t(u64, block, bounds->start);
	u64 end = min_t(u64, block + VSVM_SVM_BLOCK_SIZE, bounds->end);
	struct vsvm_pt_table *prepared = NULL;
	struct vsvm_bo_piece piece;
	int err = 0;
	u64 rights;

	if (start != block || end != block + VSVM_SVM_BLOCK_SIZE) {
		prepared = vsvm_pt_prepare(&vm->pt, span, address);
		if (IS_ERR(prepared))
			return PTR_ERR(prepared);
	}
again:
	mutex_lock(&span->base.lock);
	if (vsvm_svm_stopped(vm->svm))
		err = -ESRCH;
	else if (READ_ONCE(*bounds->epoch) != bounds->seen)
		err = -ESTALE;
	for (; !err && start < end; start += piece.bytes) {
		vsvm_bo_piece(bo, bounds->offset + start - bounds->start, &piece);
		piece.bytes = min(piece.bytes, end - start);
		rights = bounds->read_only ? 0 : VSVM_PTE_WRITE | VSVM_PTE_ATOMIC;
		if (piece.vram)
			rights |= VSVM_PTE_VRAM;
		err = vsvm_pt_map_bo(&vm->pt, span, start, piece.address | rights,
				     piece.bytes >> PAGE_SHIFT, &prepared);
		if (err)
			break;
	}
	mutex_unlock(&span->base.lock);
	if (err == -EAGAIN && !prepared) {
		/* The memory is in pieces smaller than a block after all */
		prepared = vsvm_pt_prepare(&vm->pt, span, address);
		err = PTR_ERR_OR_ZERO(prepared);
		if (!err)
			goto again;
		prepared = NULL;
	}
	vsvm_pt_table_destroy(&vm->pt, prepared);
	return err;
}

/**
 * vsvm_bo_serve() - make a page of a bound object accessible
 * @vm: address space
 * @address: page aligned
 * @access: what for
 * @bounds: of the binding
 * @gem: the object, with a reference held
 * @wait: for the fences of an imported object, or not
 *
 * May sleep; takes the reservation lock of the object and may evict others.
 * Return: what became of the request.
 */
enum vsvm_svm_status vsvm_bo_serve(struct vsvm_vm *vm, u64 address,
				   enum vsvm_svm_access access,
				   const struct vsvm_svm_bounds *bounds,
				   struct drm_gem_object *gem,
				   enum vsvm_svm_wait wait)
{
	struct vsvm_bo *bo = vsvm_bo_from_gem(gem);
	struct vsvm_svm_span *span;
	int err;

	if (access && bounds->read_only)
		return VSVM_SVM_READ_ONLY;
	span = vsvm_svm_span(vm->svm, address);
	if (IS_ERR(span))
		return PTR_ERR(span) == -ENOMEM ? VSVM_SVM_NO_MEMORY : VSVM_SVM_EXITED;
	if (vsvm_pt_mapped(&vm->pt, to_pt_span(span), address, access))
		return VSVM_SVM_OK;
	/* What never moves was mapped before anybody could find its binding */
	if (!bo)
		return VSVM_SVM_STALE;
	err = vsvm_bo_lock_for_device(bo, wait == VSVM_SVM_WAIT_USER);
	if (!err) {
		err = vsvm_bo_map(vm, to_pt_span(span), address, bounds, bo);
		vsvm_bo_unlock(bo);
	}
	switch (err) {
	case 0:
		return VSVM_SVM_OK;
	case -ESTALE:
	case -EAGAIN:
		return VSVM_SVM_STALE;
	case -EFAULT:
		return VSVM_SVM_PURGED;
	case -EBUSY:
		return VSVM_SVM_SLOW;
	case -EINTR:
	case -ERESTARTSYS:
	case -ESRCH:
	case -ENODEV:
		return VSVM_SVM_EXITED;
	default:
		return VSVM_SVM_NO_MEMORY;
	}
}
