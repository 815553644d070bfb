/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_BO_PRIV_H_
#define _VSVM_BO_PRIV_H_

#include <linux/minmax.h>
#include <linux/sizes.h>

#include <drm/ttm/ttm_tt.h>

#include "mem/bo.h"
#include "mem/mem_priv.h"

/* What ttm.c, bo.c, bo_map.c and dmabuf.c share; nobody else's */

extern const struct drm_gem_object_funcs vsvm_gem_funcs;
extern struct ttm_placement vsvm_system_placement;

static inline struct vsvm_bo *to_vsvm_bo_from_gem(struct drm_gem_object *gem)
{
	return container_of(gem, struct vsvm_bo, ttm.base);
}

/* ttm.c */
int vsvm_tt_map(struct vsvm_mem *mem, struct ttm_tt *ttm);
void vsvm_tt_unmap(struct vsvm_mem *mem, struct ttm_tt *ttm);
const dma_addr_t *vsvm_tt_bus(struct ttm_tt *ttm);

/* bo.c */
const struct vsvm_bo_extent *vsvm_bo_extent(struct vsvm_bo *bo, u64 offset, u64 *bytes);
void vsvm_bo_count_purgeable(struct vsvm_bo *bo, bool alive);
int vsvm_bo_purge(struct vsvm_bo *bo, struct ttm_operation_ctx *ctx);
int vsvm_bo_place(struct vsvm_bo *bo, struct ttm_operation_ctx *ctx);
int vsvm_bo_to_system(struct vsvm_bo *bo, struct ttm_operation_ctx *ctx);
struct vsvm_bo *vsvm_bo_alloc(struct vsvm_mem *mem, u64 size);
int vsvm_bo_publish(struct vsvm_bo *bo);
void vsvm_bo_destroy(struct ttm_buffer_object *ttm);

/* bo_map.c */
int vsvm_gem_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma);
int vsvm_gem_vmap(struct drm_gem_object *gem, struct iosys_map *map);
void vsvm_gem_vunmap(struct drm_gem_object *gem, struct iosys_map *map);
extern const struct vm_operations_struct vsvm_gem_vm_ops;

/* dmabuf.c */
struct dma_buf *vsvm_gem_export(struct drm_gem_object *gem, int flags);
int vsvm_gem_pin(struct drm_gem_object *gem);
void vsvm_gem_unpin(struct drm_gem_object *gem);
struct sg_table *vsvm_gem_get_sg_table(struct drm_gem_object *gem);
void vsvm_bo_detach(struct vsvm_bo *bo);

/* Has it pages in system memory, or swapped out from there? */
static inline bool vsvm_bo_has_pages(struct vsvm_bo *bo)
{
	struct ttm_tt *ttm = bo->ttm.ttm;

	return ttm && (ttm_tt_is_populated(ttm) || ttm_tt_is_swapped(ttm));
}

static inline bool vsvm_bo_in_vram(struct vsvm_bo *bo)
{
	return bo->ttm.resource && bo->ttm.resource->mem_type == TTM_PL_VRAM;
}

/* Bytes from an offset on that lie side by side on the bus, 2 MiB at most */
static inline u64 vsvm_bus_run(const dma_addr_t *bus, u64 offset, u32 npages)
{
	u32 first = offset >> PAGE_SHIFT;
	u32 end = min_t(u64, npages, (u64)first + (SZ_2M >> PAGE_SHIFT));
	u32 i = first + 1;

	while (i < end && bus[i] == bus[i - 1] + PAGE_SIZE)
		i++;
	return (u64)(i - first) << PAGE_SHIFT;
}

#endif
