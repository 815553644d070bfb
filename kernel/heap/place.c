// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where objects lie.
 *
 * What has no memory is taken by a node of its own, the tail: so every hole of
 * the allocator has memory, the smallest that fits is the right one, and no
 * object is ever put where growth would be needed while there is room elsewhere.
 */
#include <linux/align.h>

#include <drm/vsvm_drm.h>

#include "heap/heap_priv.h"

static void vsvm_heap_set_tail(struct vsvm_heap *heap, u32 chunks)
{
	u64 start = chunks * VSVM_HEAP_CHUNK;

	lockdep_assert_held(&heap->place);
	if (drm_mm_node_allocated(&heap->tail))
		drm_mm_remove_node(&heap->tail);
	heap->tail = (struct drm_mm_node) {
		.start = start,
		.size = heap->heaps->config.maximum - start,
	};
	/* What it takes is free, or has been the tail's already */
	if (heap->tail.size)
		WARN_ON(drm_mm_reserve_node(&heap->space, &heap->tail));
}

/** vsvm_heap_place_init() - all of the window, none of it with memory */
void vsvm_heap_place_init(struct vsvm_heap *heap)
{
	mutex_init(&heap->place);
	drm_mm_init(&heap->space, 0, heap->heaps->config.maximum);
	mutex_lock(&heap->place);
	vsvm_heap_set_tail(heap, 0);
	mutex_unlock(&heap->place);
}

/** vsvm_heap_place_fini() - no object is left */
void vsvm_heap_place_fini(struct vsvm_heap *heap)
{
	if (drm_mm_node_allocated(&heap->tail))
		drm_mm_remove_node(&heap->tail);
	drm_mm_takedown(&heap->space);
	mutex_destroy(&heap->place);
}

/* Count the empty chunks at the end, for the shrinker */
static void vsvm_heap_count_empty(struct vsvm_heap *heap)
{
	u32 n = 0;

	lockdep_assert_held(&heap->place);
	while (n < heap->committed && !heap->chunk[heap->committed - 1 - n]->used)
		n++;
	atomic_long_add(((long)n - heap->empty) * VSVM_HEAP_CHUNK_PAGES, &heap->heaps->empty);
	WRITE_ONCE(heap->empty, n);
}

/**
 * vsvm_heap_set_committed() - from here on so many chunks have memory
 * @heap: heap, both locks held; @chunk is filled in as far
 * @chunks: number
 */
void vsvm_heap_set_committed(struct vsvm_heap *heap, u32 chunks)
{
	lockdep_assert_held(&heap->grow);
	WRITE_ONCE(heap->committed, chunks);
	vsvm_heap_set_tail(heap, chunks);
	vsvm_heap_count_empty(heap);
}

/** vsvm_heap_limit() - place nothing more behind so many chunks; place lock held */
void vsvm_heap_limit(struct vsvm_heap *heap, u32 chunks)
{
	vsvm_heap_set_tail(heap, chunks);
}

/* Count an object in, or out, of each chunk that it touches */
static void vsvm_heap_use(struct vsvm_heap *heap, const struct drm_mm_node *node, bool use)
{
	u64 at = node->start, end = node->start + node->size, next;
	bool edge = false;

	for (; at < end; at = next) {
		struct vsvm_heap_chunk *chunk = heap->chunk[at / VSVM_HEAP_CHUNK];

		next = min(end, ALIGN(at + 1, VSVM_HEAP_CHUNK));
		edge |= !chunk->used;
		chunk->used += use ? next - at : at - next;
		edge |= !chunk->used;
	}
	heap->used += use ? node->size : -node->size;
	heap->bos += use ? 1 : -1;
	if (edge)
		vsvm_heap_count_empty(heap);
}

/*
 * It does not fit into what is committed: bytes that must be committed so that
 * it does, which is more than a window has if it never does.
 */
static u64 vsvm_heap_needed(struct vsvm_heap *heap, u64 size, u64 align)
{
	struct drm_mm_node *before;
	u64 start;

	if (!drm_mm_node_allocated(&heap->tail))
		return U64_MAX;
	before = list_prev_entry(&heap->tail, node_list);
	start = drm_mm_hole_follows(before) ? drm_mm_hole_node_start(before) :
		heap->tail.start;
	start = ALIGN(start, align);
	/* Neither is more than a window, or nearly so */
	return ALIGN(start + size, VSVM_HEAP_CHUNK);
}

/**
 * vsvm_heap_place() - find a place
 * @heap: heap
 * @node: zeroed
 * @size: whole pages, at most the maximum
 * @align: power of two, at most the maximum
 * @committed: out: bytes committed
 * @needed: out: with -ENOBUFS: bytes that must be
 *
 * Return: 0, -ENOBUFS, -ENOSPC.
 */
int vsvm_heap_place(struct vsvm_heap *heap, struct drm_mm_node *node, u64 size,
		    u64 align, u64 *committed, u64 *needed)
{
	int err;

	mutex_lock(&heap->place);
	*committed = heap->committed * VSVM_HEAP_CHUNK;
	/* Alignment is of addresses, and a window may begin anywhere at a chunk */
	if (heap->window & (align - 1)) {
		mutex_unlock(&heap->place);
		return -ENOSPC;
	}
	err = drm_mm_insert_node_generic(&heap->space, node, size, align, 0,
					 DRM_MM_INSERT_BEST);
	if (!err) {
		vsvm_heap_use(heap, node, true);
	} else {
		*needed = vsvm_heap_needed(heap, size, align);
		err = *needed <= heap->heaps->config.maximum ? -ENOBUFS : -ENOSPC;
	}
	mutex_unlock(&heap->place);
	return err;
}

/** vsvm_heap_unplace() - give a place back; mmap_lock may be held */
void vsvm_heap_unplace(struct vsvm_heap *heap, struct drm_mm_node *node)
{
	mutex_lock(&heap->place);
	vsvm_heap_use(heap, node, false);
	drm_mm_remove_node(node);
	mutex_unlock(&heap->place);
}

static u64 vsvm_heap_largest_hole(struct vsvm_heap *heap)
{
	struct rb_node *first = rb_first_cached(&heap->space.holes_size);

	return first ? rb_entry(first, struct drm_mm_node, rb_hole_size)->hole_size : 0;
}

u32 vsvm_heap_query(struct vsvm_heap *heap, struct drm_vsvm_heap_query *args,
		    struct drm_vsvm_heap_chunk *chunks, u32 max)
{
	u32 i, n;

	mutex_lock(&heap->place);
	args->base = heap->window;
	args->chunk_size = VSVM_HEAP_CHUNK;
	args->maximum = heap->heaps->config.maximum;
	args->committed = heap->committed * VSVM_HEAP_CHUNK;
	args->used = heap->used;
	args->largest_hole = vsvm_heap_largest_hole(heap);
	args->bos = heap->bos;
	args->flags = heap->process ? DRM_VSVM_HEAP_PROCESS : 0;
	n = min(max, heap->committed);
	for (i = 0; i < n; i++)
		chunks[i] = (struct drm_vsvm_heap_chunk) {
			.address = vsvm_heap_address(heap, i),
			.used = heap->chunk[i]->used,
			.flags = heap->chunk[i]->user ? DRM_VSVM_CHUNK_USER : 0,
		};
	args->lagging = vsvm_heap_lagging(heap, &args->queues);
	vsvm_heap_count_told(heap, chunks, n);
	mutex_unlock(&heap->place);
	return n;
}
