// SPDX-License-Identifier: GPL-2.0-only
/*
 * What TTM asks of a driver, for buffer objects and for chunks.
 *
 * There are two places, VRAM and system memory.  A move is done when the call
 * returns: the device has let go of the old memory, the copy engines have
 * copied, the old memory is free.  Should they fail, the CPU copies through the
 * aperture, so that no error of theirs loses anything.
 *
 * Pages in system memory are mapped for DMA when the device first needs them,
 * not when they are allocated: many objects are the CPU's alone, and those that
 * outlive the hardware must not be mapped.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/sched/clock.h>
#include <linux/shrinker.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/ttm/ttm_tt.h>
#include <drm/vsvm_drm.h>

#include "hw/hw.h"
#include "mem/bo_priv.h"
#include "mem/mem_trace.h"

/*
 * An importer may have mapped the same pages, and nothing here needs the CPU's
 * caches written back.
 */
#define VSVM_TT_DMA_ATTRS	(DMA_ATTR_REQUIRE_COHERENT | DMA_ATTR_SKIP_CPU_SYNC)

/* Descriptors handed to the copy engines at once, and bytes of one at most */
#define VSVM_MOVE_BATCH		256
#define VSVM_MOVE_BYTES		SZ_2M

/**
 * struct vsvm_tt - pages of an object in system memory
 * @ttm: base
 * @bus: bus address of each page, NULL while they are not mapped for DMA; under
 *	the object's reservation lock
 */
struct vsvm_tt {
	struct ttm_tt ttm;
	dma_addr_t *bus;
};

static struct vsvm_tt *to_vsvm_tt(struct ttm_tt *ttm)
{
	return container_of(ttm, struct vsvm_tt, ttm);
}

static struct vsvm_mem *to_mem(struct ttm_device *ttm)
{
	return container_of(ttm, struct vsvm_mem, ttm);
}

static const struct ttm_place vsvm_system_place = {
	.mem_type = TTM_PL_SYSTEM,
};

struct ttm_placement vsvm_system_placement = {
	.num_placement = 1,
	.placement = &vsvm_system_place,
};

/* --- pages in system memory --- */

/* Pages from @first on that lie side by side */
static u32 vsvm_tt_run(const struct ttm_tt *ttm, u32 first)
{
	unsigned long pfn = page_to_pfn(ttm->pages[first]);
	u32 n = 1;

	while (first + n < ttm->num_pages &&
	       page_to_pfn(ttm->pages[first + n]) == pfn + n)
		n++;
	return n;
}

static void vsvm_tt_unmap_runs(struct vsvm_mem *mem, const struct ttm_tt *ttm,
			       const dma_addr_t *bus, u32 end)
{
	u32 i, run;

	for (i = 0; i < end; i += run) {
		run = vsvm_tt_run(ttm, i);
		dma_unmap_phys(mem->drm->dev, bus[i], (size_t)run << PAGE_SHIFT,
			       DMA_BIDIRECTIONAL, VSVM_TT_DMA_ATTRS);
	}
}

/**
 * vsvm_tt_map() - see that the pages of an object are mapped for DMA
 * @mem: device memory
 * @ttm: populated, its object reserved
 *
 * Return: 0, -ENOMEM, -ENODEV.
 */
int vsvm_tt_map(struct vsvm_mem *mem, struct ttm_tt *ttm)
{
	struct vsvm_tt *tt = to_vsvm_tt(ttm);
	dma_addr_t *bus, at;
	u32 i, j, run;

	if (tt->bus)
		return 0;
	/* Set before vsvm_ttm_stop() takes the reservation lock of any object */
	if (READ_ONCE(mem->stopped))
		return -ENODEV;
	bus = kvmalloc_objs(*bus, ttm->num_pages, GFP_KERNEL_ACCOUNT);
	if (!bus)
		return -ENOMEM;
	for (i = 0; i < ttm->num_pages; i += run) {
		run = vsvm_tt_run(ttm, i);
		at = dma_map_phys(mem->drm->dev, page_to_phys(ttm->pages[i]),
				  (size_t)run << PAGE_SHIFT, DMA_BIDIRECTIONAL,
				  VSVM_TT_DMA_ATTRS);
		if (dma_mapping_error(mem->drm->dev, at)) {
			vsvm_tt_unmap_runs(mem, ttm, bus, i);
			kvfree(bus);
			return -ENOMEM;
		}
		for (j = 0; j < run; j++)
			bus[i + j] = at + ((u64)j << PAGE_SHIFT);
	}
	tt->bus = bus;
	return 0;
}

/** vsvm_tt_unmap() - the reverse; pages not yet freed, the device done with them */
void vsvm_tt_unmap(struct vsvm_mem *mem, struct ttm_tt *ttm)
{
	struct vsvm_tt *tt = to_vsvm_tt(ttm);

	if (!tt->bus)
		return;
	vsvm_tt_unmap_runs(mem, ttm, tt->bus, ttm->num_pages);
	kvfree(tt->bus);
	tt->bus = NULL;
}

/** vsvm_tt_bus() - bus addresses of mapped pages */
const dma_addr_t *vsvm_tt_bus(struct ttm_tt *ttm)
{
	return to_vsvm_tt(ttm)->bus;
}

static struct ttm_tt *vsvm_tt_create(struct ttm_buffer_object *ttm, u32 page_flags)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);
	struct vsvm_tt *tt = kzalloc_obj(*tt, GFP_KERNEL_ACCOUNT);
	int err;

	if (!tt)
		return NULL;
	if (page_flags & TTM_TT_FLAG_EXTERNAL)
		err = ttm_sg_tt_init(&tt->ttm, ttm, page_flags, ttm_cached);
	else
		err = ttm_tt_init(&tt->ttm, ttm, page_flags,
				  bo->flags & DRM_VSVM_BO_WC ?
				  ttm_write_combined : ttm_cached, 0);
	if (err) {
		kfree(tt);
		return NULL;
	}
	return &tt->ttm;
}

static int vsvm_tt_populate(struct ttm_device *ttm_dev, struct ttm_tt *ttm,
			    struct ttm_operation_ctx *ctx)
{
	if (ttm->page_flags & TTM_TT_FLAG_EXTERNAL)
		return 0;
	return ttm_pool_alloc(&ttm_dev->pool, ttm, ctx);
}

static void vsvm_tt_unpopulate(struct ttm_device *ttm_dev, struct ttm_tt *ttm)
{
	if (ttm->page_flags & TTM_TT_FLAG_EXTERNAL)
		return;
	vsvm_tt_unmap(to_mem(ttm_dev), ttm);
	ttm_pool_free(&ttm_dev->pool, ttm);
}

static void vsvm_tt_destroy(struct ttm_device *ttm_dev, struct ttm_tt *ttm)
{
	ttm_tt_fini(ttm);
	kfree(to_vsvm_tt(ttm));
}

/* --- VRAM --- */

static int vsvm_extent_count(u64 offset, u64 bytes, void *arg)
{
	++*(u32 *)arg;
	return 0;
}

/**
 * struct vsvm_extent_fill - extents being written down
 * @next: where to write the next one
 * @start: where it begins in the object
 */
struct vsvm_extent_fill {
	struct vsvm_bo_extent *next;
	u64 start;
};

static int vsvm_extent_fill(u64 offset, u64 bytes, void *arg)
{
	struct vsvm_extent_fill *fill = arg;

	*fill->next++ = (struct vsvm_bo_extent) {
		.start = fill->start,
		.address = offset,
	};
	fill->start += bytes;
	return 0;
}

static struct vsvm_bo_extent *vsvm_extents_create(struct ttm_resource *res, u32 *count)
{
	struct vsvm_extent_fill fill = {};
	struct vsvm_bo_extent *extents;

	*count = 0;
	vsvm_vram_for_each(res, vsvm_extent_count, count);
	extents = kvmalloc_objs(*extents, *count, GFP_KERNEL_ACCOUNT);
	if (!extents)
		return NULL;
	fill.next = extents;
	vsvm_vram_for_each(res, vsvm_extent_fill, &fill);
	return extents;
}

static struct page *vsvm_extent_page(struct vsvm_bo *bo, u64 offset)
{
	u64 bytes;
	const struct vsvm_bo_extent *extent = vsvm_bo_extent(bo, offset, &bytes);

	return vsvm_hw_vram_page(bo->mem->hw, extent->address + (offset - extent->start));
}

/* --- moves --- */

/**
 * struct vsvm_move - data on its way
 * @bo: object, whose extents are those of the VRAM concerned
 * @ttm: pages in system memory, NULL: VRAM is cleared
 * @in: to VRAM
 * @copies: descriptors
 * @count: how many there are
 */
struct vsvm_move {
	struct vsvm_bo *bo;
	struct ttm_tt *ttm;
	bool in;
	struct vsvm_hw_copy *copies;
	u32 count;
};

static int vsvm_move_flush(struct vsvm_move *move)
{
	struct dma_fence *fence;
	int err;

	if (!move->count)
		return 0;
	fence = vsvm_mem_copy(move->bo->mem, move->copies, move->count);
	move->count = 0;
	if (IS_ERR(fence))
		return PTR_ERR(fence);
	dma_fence_wait(fence, false);
	err = dma_fence_get_status(fence);
	dma_fence_put(fence);
	return min(err, 0);
}

static int vsvm_move_by_engine(struct vsvm_move *move)
{
	const dma_addr_t *bus = NULL;
	u64 offset, bytes, vram;
	int err;

	if (move->ttm) {
		err = vsvm_tt_map(move->bo->mem, move->ttm);
		if (err)
			return err;
		bus = vsvm_tt_bus(move->ttm);
	}
	move->copies = kmalloc_objs(*move->copies, VSVM_MOVE_BATCH);
	if (!move->copies)
		return -ENOMEM;
	for (offset = 0; offset < move->bo->ttm.base.size; offset += bytes) {
		const struct vsvm_bo_extent *extent;
		struct vsvm_hw_copy *copy = &move->copies[move->count++];

		extent = vsvm_bo_extent(move->bo, offset, &bytes);
		bytes = min(bytes, VSVM_MOVE_BYTES);
		vram = extent->address + (offset - extent->start);
		copy->src = 0;
		copy->flags = VSVM_HW_COPY_FILL | VSVM_HW_COPY_DST_VRAM;
		copy->dst = vram;
		if (bus) {
			bytes = min(bytes, vsvm_bus_run(bus, offset, move->ttm->num_pages));
			copy->src = move->in ? bus[offset >> PAGE_SHIFT] : vram;
			copy->dst = move->in ? vram : bus[offset >> PAGE_SHIFT];
			copy->flags = move->in ? VSVM_HW_COPY_DST_VRAM :
				VSVM_HW_COPY_SRC_VRAM;
		}
		copy->bytes = bytes;
		if (move->count == VSVM_MOVE_BATCH) {
			err = vsvm_move_flush(move);
			if (err)
				goto out;
		}
	}
	err = vsvm_move_flush(move);
out:
	kfree(move->copies);
	return err;
}

static void vsvm_move_by_cpu(struct vsvm_move *move)
{
	u64 offset;

	for (offset = 0; offset < move->bo->ttm.base.size; offset += PAGE_SIZE) {
		struct page *vram = vsvm_extent_page(move->bo, offset);

		if (!move->ttm)
			clear_highpage(vram);
		else if (move->in)
			copy_highpage(vram, move->ttm->pages[offset >> PAGE_SHIFT]);
		else
			copy_highpage(move->ttm->pages[offset >> PAGE_SHIFT], vram);
		cond_resched();
	}
}

/* Copy between @ttm and the VRAM that the extents say, or clear that */
static void vsvm_move_data(struct vsvm_bo *bo, struct ttm_tt *ttm, bool in)
{
	struct vsvm_move move = {
		.bo = bo,
		.ttm = ttm,
		.in = in,
	};

	if (vsvm_move_by_engine(&move))
		vsvm_move_by_cpu(&move);
}

static void vsvm_bo_drop_extents(struct vsvm_bo *bo)
{
	kvfree(bo->extents);
	bo->extents = NULL;
	bo->nr_extents = 0;
}

/* To VRAM */
static int vsvm_bo_move_in(struct vsvm_bo *bo, struct ttm_operation_ctx *ctx,
			   struct ttm_resource *new)
{
	bool any = vsvm_bo_has_pages(bo);
	struct vsvm_bo_extent *extents;
	u32 count;
	int err;

	if (READ_ONCE(bo->mem->stopped))
		return -ENODEV;
	err = ttm_bo_wait_ctx(&bo->ttm, ctx);
	/* Brings back what had been swapped out */
	if (!err && any)
		err = ttm_bo_populate(&bo->ttm, ctx);
	if (err)
		return err;
	extents = vsvm_extents_create(new, &count);
	if (!extents)
		return -ENOMEM;
	vsvm_bo_unmap_device(bo);
	bo->extents = extents;
	bo->nr_extents = count;
	vsvm_move_data(bo, any ? bo->ttm.ttm : NULL, true);
	ttm_bo_move_sync_cleanup(&bo->ttm, new);
	return 0;
}

/* To system memory, or to nowhere if the contents is not needed any more */
static int vsvm_bo_move_out(struct vsvm_bo *bo, bool evict,
			    struct ttm_operation_ctx *ctx, struct ttm_resource *new)
{
	bool stopped = READ_ONCE(bo->mem->stopped);
	bool purge = stopped || bo->advice == DRM_VSVM_BO_DONTNEED;
	int err = 0;

	/* Fences are those of importers, who only ever see system memory */
	if (!stopped)
		err = ttm_bo_wait_ctx(&bo->ttm, ctx);
	if (!err && !purge)
		err = ttm_bo_populate(&bo->ttm, ctx);
	if (err)
		return err;
	vsvm_bo_unmap_device(bo);
	if (purge)
		bo->purged = true;
	else
		vsvm_move_data(bo, bo->ttm.ttm, false);
	vsvm_bo_drop_extents(bo);
	if (evict)
		vsvm_mem_count(bo->mem, VSVM_MEM_EVICTED_BOS, 1);
	ttm_bo_move_null(&bo->ttm, new);
	return 0;
}

/* Out of VRAM: a chunk's pages to their processes, an object to system memory */
static int vsvm_ttm_move_out(struct vsvm_bo *bo, bool evict,
			     struct ttm_operation_ctx *ctx, struct ttm_resource *new)
{
	enum vsvm_evict_reason reason = READ_ONCE(bo->mem->stopped) ? VSVM_EVICT_STOP :
					evict ? VSVM_EVICT_ROOM : VSVM_EVICT_SHARE;
	unsigned long pages = 0;
	u64 t = local_clock();
	int err;

	if (bo->chunk) {
		err = vsvm_chunk_evict(bo->chunk, ctx, &pages);
		if (!err)
			ttm_bo_move_null(&bo->ttm, new);
	} else {
		err = vsvm_bo_move_out(bo, evict, ctx, new);
		if (!err)
			pages = bo->ttm.base.size >> PAGE_SHIFT;
	}
	trace_vsvm_evict(bo, bo->chunk, reason, bo->purged, pages,
			 (u64)pages << PAGE_SHIFT, err, local_clock() - t);
	return err;
}

static int vsvm_ttm_move(struct ttm_buffer_object *ttm, bool evict,
			 struct ttm_operation_ctx *ctx, struct ttm_resource *new,
			 struct ttm_place *hop)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);
	bool in = new->mem_type == TTM_PL_VRAM;
	bool was_in = ttm->resource && ttm->resource->mem_type == TTM_PL_VRAM;

	if (was_in && !in)
		return vsvm_ttm_move_out(bo, evict, ctx, new);
	if (!bo->chunk && in && !was_in)
		return vsvm_bo_move_in(bo, ctx, new);
	ttm_bo_move_null(ttm, new);
	return 0;
}

static bool vsvm_ttm_eviction_valuable(struct ttm_buffer_object *ttm,
				       const struct ttm_place *place)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);

	if (bo->chunk && !vsvm_chunk_evictable(bo->chunk))
		return false;
	return ttm_bo_eviction_valuable(ttm, place);
}

static void vsvm_ttm_evict_flags(struct ttm_buffer_object *ttm,
				 struct ttm_placement *placement)
{
	*placement = vsvm_system_placement;
}

/* Its pages are about to be swapped out */
static void vsvm_ttm_swap_notify(struct ttm_buffer_object *ttm)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);

	if (!bo->chunk)
		vsvm_bo_unmap_device(bo);
}

/* It is about to lose its memory: nothing refers to it, so nothing maps it either */
static void vsvm_ttm_delete_mem_notify(struct ttm_buffer_object *ttm)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);

	/* TTM's own objects, which have no device, come by here too */
	if (ttm->base.dev && ttm->type == ttm_bo_type_device) {
		vsvm_bo_count_purgeable(bo, false);
		vsvm_bo_drop_extents(bo);
	}
}

/* --- VRAM as the CPU sees it --- */

static int vsvm_ttm_io_mem_reserve(struct ttm_device *ttm_dev, struct ttm_resource *res)
{
	if (res->mem_type == TTM_PL_VRAM) {
		/* Ordinary pages, each found by vsvm_ttm_io_mem_pfn() */
		res->bus.is_iomem = true;
		res->bus.caching = ttm_cached;
	}
	return 0;
}

static unsigned long vsvm_ttm_io_mem_pfn(struct ttm_buffer_object *ttm,
					 unsigned long page_offset)
{
	return page_to_pfn(vsvm_extent_page(to_vsvm_bo(ttm),
					    (u64)page_offset << PAGE_SHIFT));
}

static int vsvm_ttm_access_memory(struct ttm_buffer_object *ttm, unsigned long offset,
				  void *buf, int len, int write)
{
	struct vsvm_bo *bo = to_vsvm_bo(ttm);
	int done, n;

	for (done = 0; done < len; done += n) {
		struct page *page = vsvm_extent_page(bo, PAGE_ALIGN_DOWN(offset + done));
		size_t in_page = offset_in_page(offset + done);

		n = min_t(size_t, len - done, PAGE_SIZE - in_page);
		if (write)
			memcpy_to_page(page, in_page, buf + done, n);
		else
			memcpy_from_page(buf + done, page, in_page, n);
	}
	return len;
}

static const struct ttm_device_funcs vsvm_ttm_funcs = {
	.ttm_tt_create = vsvm_tt_create,
	.ttm_tt_populate = vsvm_tt_populate,
	.ttm_tt_unpopulate = vsvm_tt_unpopulate,
	.ttm_tt_destroy = vsvm_tt_destroy,
	.eviction_valuable = vsvm_ttm_eviction_valuable,
	.evict_flags = vsvm_ttm_evict_flags,
	.move = vsvm_ttm_move,
	.delete_mem_notify = vsvm_ttm_delete_mem_notify,
	.swap_notify = vsvm_ttm_swap_notify,
	.io_mem_reserve = vsvm_ttm_io_mem_reserve,
	.io_mem_pfn = vsvm_ttm_io_mem_pfn,
	.access_memory = vsvm_ttm_access_memory,
};

/* --- what is not needed any more, in system memory --- */

static unsigned long vsvm_shrink_count(struct shrinker *shrinker,
				       struct shrink_control *sc)
{
	struct vsvm_mem *mem = shrinker->private_data;
	long n = atomic_long_read(&mem->purgeable);

	return n > 0 ? n : SHRINK_EMPTY;
}

static unsigned long vsvm_shrink_scan(struct shrinker *shrinker,
				      struct shrink_control *sc)
{
	struct vsvm_mem *mem = shrinker->private_data;
	struct ttm_operation_ctx ctx = { .no_wait_gpu = true };
	struct ttm_lru_walk_arg arg = {
		.ctx = &ctx,
		.trylock_only = true,
	};
	struct ttm_bo_lru_cursor cursor;
	struct ttm_buffer_object *ttm;
	unsigned long freed = 0;

	ttm_bo_lru_for_each_reserved_guarded(&cursor, &mem->ttm.sysman, &arg, ttm) {
		struct vsvm_bo *bo = to_vsvm_bo(ttm);
		u32 pages;

		if (!ttm->base.dev)
			continue;
		/* What does not need its memory any more lies at the front */
		if (ttm->priority >= VSVM_BO_PRIORITY)
			break;
		pages = bo->purgeable;
		if (pages && !ttm->deleted && !vsvm_bo_purge(bo, &ctx)) {
			freed += pages;
			trace_vsvm_evict(bo, false, VSVM_EVICT_SHRINK, true, pages,
					 (u64)pages << PAGE_SHIFT, 0, 0);
		}
		if (freed >= sc->nr_to_scan)
			break;
	}
	return freed ? freed : SHRINK_STOP;
}

/**
 * vsvm_ttm_init() - set TTM up
 * @mem: with its device
 *
 * May sleep.  Return: 0 or -ENOMEM.
 */
int vsvm_ttm_init(struct vsvm_mem *mem)
{
	struct drm_device *drm = mem->drm;
	int err;

	INIT_LIST_HEAD(&mem->bos);
	spin_lock_init(&mem->bos_lock);
	mem->shrinker = shrinker_alloc(0, "drm-vsvm:%s", drm->unique);
	if (!mem->shrinker)
		return -ENOMEM;
	err = ttm_device_init(&mem->ttm, &vsvm_ttm_funcs, drm->dev,
			      drm->anon_inode->i_mapping, drm->vma_offset_manager, 0);
	if (err) {
		shrinker_free(mem->shrinker);
		return err;
	}
	mem->shrinker->count_objects = vsvm_shrink_count;
	mem->shrinker->scan_objects = vsvm_shrink_scan;
	mem->shrinker->private_data = mem;
	shrinker_register(mem->shrinker);
	return 0;
}

/*
 * The first object that may still have to do with the hardware, with a
 * reference; NULL if there is none, or an ERR_PTR() if it is being freed.
 */
static struct vsvm_bo *vsvm_ttm_first(struct vsvm_mem *mem)
{
	struct vsvm_bo *bo;

	spin_lock(&mem->bos_lock);
	bo = list_first_entry_or_null(&mem->bos, struct vsvm_bo, link);
	if (bo && !kref_get_unless_zero(&bo->ttm.base.refcount))
		bo = ERR_PTR(-EAGAIN);
	spin_unlock(&mem->bos_lock);
	return bo;
}

static int vsvm_bo_stop(struct vsvm_bo *bo)
{
	struct ttm_operation_ctx ctx = {};
	int err = 0;

	dma_resv_lock(bo->ttm.base.resv, NULL);
	if (bo->import) {
		vsvm_bo_detach(bo);
	} else {
		if (vsvm_bo_in_vram(bo))
			err = ttm_bo_validate(&bo->ttm, &vsvm_system_placement, &ctx);
		if (!err && bo->ttm.ttm) {
			vsvm_bo_unmap_device(bo);
			vsvm_tt_unmap(bo->mem, bo->ttm.ttm);
		}
	}
	if (!err) {
		spin_lock(&bo->mem->bos_lock);
		list_del_init(&bo->link);
		spin_unlock(&bo->mem->bos_lock);
	}
	dma_resv_unlock(bo->ttm.base.resv);
	return err;
}

/**
 * vsvm_ttm_stop() - part the objects that are left from the hardware
 * @mem: started; no new objects are made
 *
 * What lies in VRAM is lost: nobody can get at it any more.  Shortage of
 * memory is waited out, and so are objects that are being freed.  May sleep.
 */
void vsvm_ttm_stop(struct vsvm_mem *mem)
{
	struct vsvm_bo *bo;

	spin_lock(&mem->bos_lock);
	WRITE_ONCE(mem->stopped, true);
	spin_unlock(&mem->bos_lock);

	while ((bo = vsvm_ttm_first(mem))) {
		int err = PTR_ERR_OR_ZERO(bo);

		if (!err) {
			err = vsvm_bo_stop(bo);
			drm_gem_object_put(&bo->ttm.base);
		}
		if (err)
			usleep_range(500, 1000);
	}
}

/** vsvm_ttm_fini() - take TTM down; may sleep */
void vsvm_ttm_fini(struct vsvm_mem *mem)
{
	shrinker_free(mem->shrinker);
	/* Waits for objects that are being freed */
	ttm_device_fini(&mem->ttm);
}
