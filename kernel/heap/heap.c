// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heaps of a device, and the life of one.
 */
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_print.h>
#include <drm/vsvm_drm.h>

#include "heap/heap_priv.h"

/* --- one --- */

static void vsvm_heap_free(struct drm_gem_object *gem)
{
	struct vsvm_heap *heap = container_of(gem, struct vsvm_heap, base);
	struct vsvm_heaps *heaps = heap->heaps;
	u32 i;

	spin_lock(&heaps->lock);
	list_del(&heap->link);
	spin_unlock(&heaps->lock);
	/* Nobody else can see it: no lock is needed, and none is taken */
	WARN_ON(!list_empty(&heap->contexts) || !list_empty(&heap->vms));
	atomic_long_sub((long)heap->empty * VSVM_HEAP_CHUNK_PAGES, &heaps->empty);
	vsvm_heap_place_fini(heap);
	for (i = 0; i < heap->committed; i++)
		vsvm_heap_chunk_destroy(heap, heap->chunk[i]);
	mmdrop(heap->mm);
	mutex_destroy(&heap->grow);
	drm_gem_object_release(gem);
	kfree(heap);
}

static const struct drm_gem_object_funcs vsvm_heap_funcs = {
	.free = vsvm_heap_free,
};

struct vsvm_heap *vsvm_heap_create(struct vsvm_heaps *heaps)
{
	u32 chunks = heaps->config.maximum / VSVM_HEAP_CHUNK;
	struct vsvm_heap *heap = kzalloc_flex(*heap, chunk, chunks, GFP_KERNEL_ACCOUNT);

	if (!heap)
		return ERR_PTR(-ENOMEM);
	heap->heaps = heaps;
	heap->mm = current->mm;
	mmgrab(heap->mm);
	heap->window = VSVM_HEAP_BASE;
	mutex_init(&heap->grow);
	INIT_LIST_HEAD(&heap->contexts);
	INIT_LIST_HEAD(&heap->vms);
	INIT_WORK(&heap->shrink_work, vsvm_heap_shrink_work);
	vsvm_heap_place_init(heap);
	heap->base.funcs = &vsvm_heap_funcs;
	drm_gem_private_object_init(heaps->drm, &heap->base, heaps->config.maximum);
	drm_gem_gpuva_init(&heap->base);
	spin_lock(&heaps->lock);
	heap->serial = ++heaps->serial;
	list_add_tail(&heap->link, &heaps->list);
	spin_unlock(&heaps->lock);
	return heap;
}

void vsvm_heap_put(struct vsvm_heap *heap)
{
	drm_gem_object_put(&heap->base);
}

bool vsvm_heap_is_mine(const struct vsvm_heap *heap)
{
	return heap->mm == current->mm;
}

void vsvm_heap_show_fdinfo(struct drm_printer *p, struct vsvm_heap *heap)
{
	struct drm_vsvm_heap_query query = {};

	vsvm_heap_query(heap, &query, NULL, 0);
	/* The chunks, and not also the objects that lie in them */
	drm_printf(p, "drm-total-heap:\t%llu KiB\n", query.committed >> 10);
	drm_printf(p, "drm-resident-heap:\t%llu KiB\n", query.committed >> 10);
	drm_printf(p, "vsvm-heap-used:\t%llu KiB\n", query.used >> 10);
	drm_printf(p, "vsvm-heap-maximum:\t%llu KiB\n", query.maximum >> 10);
	drm_printf(p, "vsvm-heap-largest-hole:\t%llu KiB\n", query.largest_hole >> 10);
	drm_printf(p, "vsvm-heap-bos:\t%u\n", query.bos);
	drm_printf(p, "vsvm-heap-queues:\t%u\n", query.queues);
	drm_printf(p, "vsvm-heap-lagging:\t%u\n", query.lagging);
}

/* --- all --- */

/* The heap after a number in the list, with a reference, or NULL */
static struct vsvm_heap *vsvm_heaps_next(struct vsvm_heaps *heaps, u64 after)
{
	struct vsvm_heap *heap, *found = NULL;

	spin_lock(&heaps->lock);
	list_for_each_entry(heap, &heaps->list, link)
		if (heap->serial > after && kref_get_unless_zero(&heap->base.refcount)) {
			found = heap;
			break;
		}
	spin_unlock(&heaps->lock);
	return found;
}

/* Call a function for each heap, with a reference and no lock held */
static void vsvm_heaps_each(struct vsvm_heaps *heaps,
			    void (*fn)(struct vsvm_heap *heap, void *arg), void *arg)
{
	struct vsvm_heap *heap;
	u64 serial = 0;

	while ((heap = vsvm_heaps_next(heaps, serial))) {
		serial = heap->serial;
		fn(heap, arg);
		vsvm_heap_put(heap);
	}
}

/* --- when memory is short --- */

static unsigned long vsvm_heaps_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct vsvm_heaps *heaps = shrinker->private_data;
	long n = atomic_long_read(&heaps->empty);

	return n > 0 ? n : SHRINK_EMPTY;
}

/* The work has a reference of its own */
static void vsvm_heap_trim_later(struct vsvm_heap *heap, void *arg)
{
	if (!READ_ONCE(heap->empty))
		return;
	drm_gem_object_get(&heap->base);
	if (!queue_work(system_dfl_wq, &heap->shrink_work))
		vsvm_heap_put(heap);
}

/*
 * The firmware may hold a chunk, and nobody waits for it in reclaim: a worker
 * gives the chunks back, and what reclaims now looks elsewhere.
 */
static unsigned long vsvm_heaps_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct vsvm_heaps *heaps = shrinker->private_data;

	vsvm_heaps_each(heaps, vsvm_heap_trim_later, NULL);
	return SHRINK_STOP;
}

/* --- the room --- */

struct vsvm_heaps *vsvm_heaps_create(struct drm_device *drm,
				     const struct vsvm_heap_config *config)
{
	struct vsvm_heaps *heaps = kzalloc_obj(*heaps);

	if (!heaps)
		return ERR_PTR(-ENOMEM);
	heaps->shrinker = shrinker_alloc(0, "vsvm-heap");
	if (!heaps->shrinker) {
		kfree(heaps);
		return ERR_PTR(-ENOMEM);
	}
	heaps->drm = drm;
	heaps->config = *config;
	heaps->stopped = true;
	spin_lock_init(&heaps->lock);
	INIT_LIST_HEAD(&heaps->list);
	xa_init_flags(&heaps->messages, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
	init_waitqueue_head(&heaps->room);
	/* Small pages will do where there is none */
	if (drm_gem_huge_mnt_create(drm, "within_size"))
		drm_dbg(drm, "no huge pages for heaps\n");
	heaps->shrinker->count_objects = vsvm_heaps_count;
	heaps->shrinker->scan_objects = vsvm_heaps_scan;
	heaps->shrinker->private_data = heaps;
	shrinker_register(heaps->shrinker);
	return heaps;
}

void vsvm_heaps_start(struct vsvm_heaps *heaps, struct vsvm_hw *hw)
{
	heaps->hw = hw;
	WRITE_ONCE(heaps->stopped, false);
}

static void vsvm_heap_stop(struct vsvm_heap *heap, void *arg)
{
	u32 i;

	mutex_lock(&heap->grow);
	for (i = 0; i < heap->committed; i++)
		vsvm_heap_chunk_unmap(heap, heap->chunk[i]);
	mutex_unlock(&heap->grow);
}

void vsvm_heaps_stop(struct vsvm_heaps *heaps)
{
	WRITE_ONCE(heaps->stopped, true);
	vsvm_heaps_each(heaps, vsvm_heap_stop, NULL);
}

void vsvm_heaps_destroy(struct vsvm_heaps *heaps)
{
	shrinker_free(heaps->shrinker);
	WARN_ON(!list_empty(&heaps->list));
	xa_destroy(&heaps->messages);
	kfree(heaps);
}

struct vsvm_heap_config *vsvm_heaps_config(struct vsvm_heaps *heaps)
{
	return &heaps->config;
}

static void vsvm_heap_replay_one(struct vsvm_heap *heap, void *arg)
{
	unsigned int *failed = arg;

	*failed += vsvm_heap_replay(heap);
}

unsigned int vsvm_heaps_replay(struct vsvm_heaps *heaps)
{
	unsigned int failed = 0;

	vsvm_heaps_each(heaps, vsvm_heap_replay_one, &failed);
	return failed;
}
