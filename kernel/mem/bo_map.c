// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects mapped by the CPU: by processes, and by the kernel for those
 * it has been shared with.
 */
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_tt.h>
#include <drm/vsvm_drm.h>

#include "mem/bo_priv.h"

static vm_fault_t vsvm_gem_fault_reserved(struct vsvm_bo *bo, struct vm_fault *vmf)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	int err;

	/* The first access gives it its memory; later ones find it where it is */
	if (!vsvm_bo_in_vram(bo) && !vsvm_bo_has_pages(bo)) {
		err = vsvm_bo_place(bo, &ctx);
		if (err == -ERESTARTSYS)
			return VM_FAULT_NOPAGE;
		if (err)
			return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	}
	return ttm_bo_vm_fault_reserved(vmf, vmf->vma->vm_page_prot,
					TTM_BO_VM_NUM_PREFAULT);
}

static vm_fault_t vsvm_gem_fault(struct vm_fault *vmf)
{
	struct ttm_buffer_object *ttm = vmf->vma->vm_private_data;
	struct vsvm_bo *bo = to_vsvm_bo(ttm);
	vm_fault_t ret;
	int idx;

	ret = ttm_bo_vm_reserve(ttm, vmf);
	if (ret)
		return ret;
	if (!drm_dev_enter(ttm->base.dev, &idx)) {
		ret = VM_FAULT_SIGBUS;
	} else {
		ret = bo->purged ? VM_FAULT_SIGBUS : vsvm_gem_fault_reserved(bo, vmf);
		drm_dev_exit(idx);
	}
	/* Asked to try again, it has let go of the lock already */
	if (ret == VM_FAULT_RETRY && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return ret;
	dma_resv_unlock(ttm->base.resv);
	return ret;
}

/* ptrace and /proc/PID/mem */
static int vsvm_gem_access(struct vm_area_struct *vma, unsigned long address,
			   void *buf, int len, int write)
{
	struct ttm_buffer_object *ttm = vma->vm_private_data;
	int ret, idx;

	if (READ_ONCE(to_vsvm_bo(ttm)->purged) || !drm_dev_enter(ttm->base.dev, &idx))
		return -EIO;
	ret = ttm_bo_vm_access(vma, address, buf, len, write);
	drm_dev_exit(idx);
	return ret;
}

const struct vm_operations_struct vsvm_gem_vm_ops = {
	.fault = vsvm_gem_fault,
	.open = ttm_bo_vm_open,
	.close = ttm_bo_vm_close,
	.access = vsvm_gem_access,
};

/** vsvm_gem_mmap() - of &drm_gem_object_funcs; takes over a reference */
int vsvm_gem_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	struct vsvm_bo *bo = to_vsvm_bo_from_gem(gem);
	int err;

	if (bo->import) {
		/* The exporter's mapping: nothing of ours may be left in it */
		vma->vm_private_data = NULL;
		vma->vm_ops = NULL;
		err = dma_buf_mmap(bo->import, vma, 0);
	} else {
		err = ttm_bo_mmap_obj(vma, &bo->ttm);
	}
	/* The mapping has one of its own */
	if (!err)
		drm_gem_object_put(gem);
	return err;
}

/** vsvm_gem_vmap() - of &drm_gem_object_funcs; reserved, until vsvm_gem_vunmap() it stays */
int vsvm_gem_vmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	struct vsvm_bo *bo = to_vsvm_bo_from_gem(gem);
	int err;

	if (bo->import)
		return dma_buf_vmap(bo->import, map);
	err = vsvm_gem_pin(gem);
	if (err)
		return err;
	err = ttm_bo_vmap(&bo->ttm, map);
	if (err)
		vsvm_gem_unpin(gem);
	return err;
}

/** vsvm_gem_vunmap() - of &drm_gem_object_funcs; reserved */
void vsvm_gem_vunmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	struct vsvm_bo *bo = to_vsvm_bo_from_gem(gem);

	if (bo->import) {
		dma_buf_vunmap(bo->import, map);
		return;
	}
	ttm_bo_vunmap(&bo->ttm, map);
	vsvm_gem_unpin(gem);
}
