/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_BO_H_
#define _VSVM_BO_H_

#include <linux/types.h>

struct drm_device;
struct drm_file;
struct dma_buf_attachment;
struct drm_gem_object;
struct drm_printer;
struct drm_vsvm_bo_info;
struct sg_table;
struct vsvm_bo;
struct vsvm_mem;

/**
 * DOC: buffer objects
 *
 * What user space creates with BO_CREATE or imports.  Whoever maps one on the
 * device asks vsvm_bo_lock_for_device() for its memory, writes the page table
 * while it is locked, and is told by &drm_gpuvm_bo when that must go.
 */

/**
 * vsvm_mem_set_bo_unmap() - tell who maps buffer objects on the device
 * @mem: not yet started
 * @unmap: zaps all bindings of an object; when it returns, the device cannot
 *	reach its memory.  Called with the object's reservation lock held, even
 *	in reclaim; it takes locks of spans only.
 */
void vsvm_mem_set_bo_unmap(struct vsvm_mem *mem,
			   void (*unmap)(struct drm_gem_object *gem));

/** vsvm_bo_create() - see &struct drm_vsvm_bo_create; a GEM object with one reference */
struct drm_gem_object *vsvm_bo_create(struct vsvm_mem *mem, u64 size, u32 placement,
				      u32 flags);

/** vsvm_bo_from_gem() - the object behind a GEM object of this driver; NULL if it is of a heap */
struct vsvm_bo *vsvm_bo_from_gem(struct drm_gem_object *gem);

/**
 * struct vsvm_bo_piece - contiguous memory of a buffer object
 * @vram: @address is an offset into device memory, else a bus address
 * @address: where it begins
 * @bytes: how long it is
 */
struct vsvm_bo_piece {
	bool vram;
	u64 address;
	u64 bytes;
};

/**
 * vsvm_bo_lock_for_device() - lock an object with its memory in place
 * @bo: object
 * @wait: for the exporter of an imported object; only where a signal reaches the
 *	calling thread
 *
 * Context: may sleep, may evict others; no mmap_lock held.
 * Return: 0 with the reservation lock held; -ENOMEM, -EFAULT if it was purged,
 * -ENODEV, -EBUSY if the exporter would have to be waited for, -ERESTARTSYS.
 */
int vsvm_bo_lock_for_device(struct vsvm_bo *bo, bool wait);

/** vsvm_bo_unlock() - drop the reservation lock */
void vsvm_bo_unlock(struct vsvm_bo *bo);

/**
 * vsvm_bo_piece() - the memory at an offset of a locked object
 * @bo: locked by vsvm_bo_lock_for_device()
 * @offset: page aligned
 * @piece: out
 */
void vsvm_bo_piece(struct vsvm_bo *bo, u64 offset, struct vsvm_bo_piece *piece);

/**
 * vsvm_bo_get_info() - see &struct drm_vsvm_bo_info
 * @bo: object
 * @info: out; its handle is left alone
 *
 * May sleep.  Return: 0 or -ERESTARTSYS.
 */
int vsvm_bo_get_info(struct vsvm_bo *bo, struct drm_vsvm_bo_info *info);

/**
 * vsvm_bo_advise() - see &struct drm_vsvm_bo_advise
 * @bo: object
 * @advice: &enum drm_vsvm_bo_advice
 * @retained: out: false if the contents is lost
 *
 * May sleep.  Return: 0, -EINVAL, -EOPNOTSUPP, -ERESTARTSYS.
 */
int vsvm_bo_advise(struct vsvm_bo *bo, u32 advice, bool *retained);

/**
 * vsvm_bo_sync() - see &struct drm_vsvm_bo_sync
 * @bo: object
 * @offset: first byte
 * @size: bytes, checked to lie in the object
 * @direction: &enum drm_vsvm_sync, checked
 *
 * May sleep.  Return: 0, -ERESTARTSYS, what the exporter of an imported one says.
 */
int vsvm_bo_sync(struct vsvm_bo *bo, u64 offset, u64 size, u32 direction);

/** vsvm_bo_is_imported() - is it another device's? */
bool vsvm_bo_is_imported(struct vsvm_bo *bo);

/** vsvm_bo_show_fdinfo() - print what the objects of a file take; may sleep */
void vsvm_bo_show_fdinfo(struct drm_printer *p, struct drm_file *file);

/**
 * vsvm_bo_import() - make an object of the memory of another device
 * @mem: device memory
 * @attach: attachment of this device
 * @sgt: mapped through it; the object's from now on
 *
 * May sleep.  Return: a GEM object with one reference or an ERR_PTR(): -EINVAL if
 * it is not made of whole pages, -ENOMEM, -EINTR, -ENODEV.
 */
struct drm_gem_object *vsvm_bo_import(struct vsvm_mem *mem,
				      struct dma_buf_attachment *attach,
				      struct sg_table *sgt);

#endif
