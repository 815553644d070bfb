// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growing and shrinking.
 *
 * A chunk that comes is first memory that only the growth knows of, then mapped
 * in every address space that takes part, then told to the firmware, and at last
 * committed.  Until it is told, all of it can be taken back; from then on nothing
 * fails: a context that could not be told lags.  A chunk that goes takes the same
 * way back, and until the firmware has let go of it everywhere it can stay.
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/vsvm_drm.h>

#include "heap/heap_priv.h"
#include "heap/heap_trace.h"

static void vsvm_heap_destroy_chunks(struct vsvm_heap *heap,
				     struct vsvm_heap_chunk **chunks, u32 count)
{
	while (count--)
		vsvm_heap_chunk_destroy(heap, chunks[count]);
}

/**
 * vsvm_heap_grow_by() - commit chunks, all or none
 * @heap: heap of the calling process, grow lock held
 * @count: chunks, not 0
 * @user: address of the memory, or 0
 *
 * Return: 0, -ENOSPC, -EDQUOT, -ENOMEM, -EFAULT, -EEXIST, -EINTR, -ENODEV.
 */
int vsvm_heap_grow_by(struct vsvm_heap *heap, u32 count, u64 user)
{
	struct vsvm_heap_chunk **chunks;
	u32 first = heap->committed, i;
	int err = 0;

	lockdep_assert_held(&heap->grow);
	if (READ_ONCE(heap->heaps->stopped))
		return -ENODEV;
	if (count > vsvm_heap_chunks(heap) - first)
		return -ENOSPC;
	chunks = kmalloc_objs(*chunks, count);
	if (!chunks)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		chunks[i] = vsvm_heap_chunk_create(heap, user ? user + i * VSVM_HEAP_CHUNK : 0);
		if (IS_ERR(chunks[i])) {
			err = PTR_ERR(chunks[i]);
			break;
		}
	}
	if (!err)
		err = vsvm_heap_map_vms(heap, chunks, first, count);
	if (err) {
		vsvm_heap_destroy_chunks(heap, chunks, i);
		goto out;
	}
	vsvm_heap_tell(heap, first + count);
	mutex_lock(&heap->place);
	memcpy(&heap->chunk[first], chunks, count * sizeof(*chunks));
	vsvm_heap_set_committed(heap, first + count);
	mutex_unlock(&heap->place);
out:
	trace_vsvm_heap_grow(heap, first, heap->committed, err);
	kfree(chunks);
	return err;
}

static int vsvm_heap_grow_check(const struct vsvm_heap *heap,
				const struct drm_vsvm_heap_grow *args)
{
	bool process = args->flags & DRM_VSVM_HEAP_PROCESS;
	bool user = args->flags & DRM_VSVM_HEAP_USER;
	u64 end;

	if (args->flags & ~(DRM_VSVM_HEAP_USER | DRM_VSVM_HEAP_PROCESS))
		return -EINVAL;
	if (!args->bytes || !IS_ALIGNED(args->bytes | args->expected, VSVM_HEAP_CHUNK))
		return -EINVAL;
	if (!!args->address != user || !!args->window != process)
		return -EINVAL;
	if (user && (!PAGE_ALIGNED(args->address) ||
		     check_add_overflow(args->address, args->bytes, &end)))
		return -EINVAL;
	if (process && (!IS_ALIGNED(args->window, VSVM_HEAP_CHUNK) ||
			check_add_overflow(args->window, heap->heaps->config.maximum, &end) ||
			end > BIT_ULL(VSVM_HW_VA_BITS)))
		return -EINVAL;
	return 0;
}

/* Does it agree with what the heap is, and are the addresses those of the window? */
static int vsvm_heap_grow_agrees(struct vsvm_heap *heap,
				 const struct drm_vsvm_heap_grow *args)
{
	bool process = args->flags & DRM_VSVM_HEAP_PROCESS;
	u64 start = args->window + args->expected;

	lockdep_assert_held(&heap->grow);
	if (heap->committed && (heap->process != process ||
				(process && heap->window != args->window)))
		return -EINVAL;
	if (!process)
		return 0;
	if ((args->flags & DRM_VSVM_HEAP_USER) && args->address != start)
		return -EINVAL;
	return heap->committed ?
		vsvm_heap_check_window(start, start + args->bytes) :
		vsvm_heap_check_window(args->window, args->window +
				       heap->heaps->config.maximum);
}

int vsvm_heap_grow(struct vsvm_heap *heap, struct drm_vsvm_heap_grow *args)
{
	bool process = args->flags & DRM_VSVM_HEAP_PROCESS;
	u64 limit = heap->heaps->config.maximum;
	u32 queues;
	int err;

	err = vsvm_heap_grow_check(heap, args);
	if (err)
		return err;
	if (mutex_lock_killable(&heap->grow))
		return -EINTR;
	/* Somebody was faster, in either direction: that is for the caller to look at */
	if (args->expected != heap->committed * VSVM_HEAP_CHUNK)
		goto out;
	err = args->bytes > limit - args->expected ? -ENOSPC :
		vsvm_heap_grow_agrees(heap, args);
	if (err)
		goto out;
	if (!heap->committed) {
		/* Nothing can lie in it yet */
		mutex_lock(&heap->place);
		heap->process = process;
		heap->window = process ? args->window : VSVM_HEAP_BASE;
		mutex_unlock(&heap->place);
	}
	err = vsvm_heap_grow_by(heap, args->bytes / VSVM_HEAP_CHUNK,
				args->flags & DRM_VSVM_HEAP_USER ? args->address : 0);
out:
	args->committed = heap->committed * VSVM_HEAP_CHUNK;
	mutex_lock(&heap->place);
	args->lagging = vsvm_heap_lagging(heap, &queues);
	mutex_unlock(&heap->place);
	mutex_unlock(&heap->grow);
	return err;
}

/* Give chunks back until @to are left, which are behind all objects */
static int vsvm_heap_shrink_to(struct vsvm_heap *heap, u32 to)
{
	u32 from = heap->committed, i;
	int err;

	lockdep_assert_held(&heap->grow);
	if (READ_ONCE(heap->heaps->stopped))
		return -ENODEV;
	if (to == from)
		return 0;
	if (!to && !list_empty(&heap->contexts))
		return -EBUSY;
	/* From here on nothing is placed there */
	mutex_lock(&heap->place);
	err = from - to > heap->empty ? -EBUSY : 0;
	if (!err)
		vsvm_heap_limit(heap, to);
	mutex_unlock(&heap->place);
	if (err)
		return err;

	err = vsvm_heap_untell(heap, to);
	mutex_lock(&heap->place);
	vsvm_heap_set_committed(heap, err ? from : to);
	mutex_unlock(&heap->place);
	if (!err) {
		vsvm_heap_unmap_vms(heap, to);
		for (i = to; i < from; i++) {
			vsvm_heap_chunk_destroy(heap, heap->chunk[i]);
			heap->chunk[i] = NULL;
		}
	}
	trace_vsvm_heap_shrink(heap, from, heap->committed, err);
	return err;
}

/* As far as it can be without taking anything from anybody */
static u32 vsvm_heap_trimmed(struct vsvm_heap *heap)
{
	u32 to;

	mutex_lock(&heap->place);
	to = heap->committed - heap->empty;
	mutex_unlock(&heap->place);
	return to || list_empty(&heap->contexts) ? to : min(heap->committed, 1u);
}

int vsvm_heap_shrink(struct vsvm_heap *heap, struct drm_vsvm_heap_shrink *args)
{
	u64 committed;
	int err = 0;

	if (!IS_ALIGNED(args->bytes | args->expected, VSVM_HEAP_CHUNK))
		return -EINVAL;
	if (mutex_lock_killable(&heap->grow))
		return -EINTR;
	committed = heap->committed * VSVM_HEAP_CHUNK;
	if (args->expected == committed) {
		if (args->bytes > committed)
			err = -EINVAL;
		else
			err = vsvm_heap_shrink_to(heap, args->bytes ?
						  (committed - args->bytes) / VSVM_HEAP_CHUNK :
						  vsvm_heap_trimmed(heap));
	}
	args->committed = heap->committed * VSVM_HEAP_CHUNK;
	mutex_unlock(&heap->grow);
	return err;
}

/** vsvm_heap_shrink_work() - memory is short; has a reference to the heap */
void vsvm_heap_shrink_work(struct work_struct *work)
{
	struct vsvm_heap *heap = container_of(work, struct vsvm_heap, shrink_work);

	mutex_lock(&heap->grow);
	vsvm_heap_shrink_to(heap, vsvm_heap_trimmed(heap));
	mutex_unlock(&heap->grow);
	vsvm_heap_put(heap);
}
