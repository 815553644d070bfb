// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues that take the heap up.
 *
 * The firmware is told of one chunk after the other, of the next when it has
 * replied; but all contexts at the same time, so that one that gets no reply
 * costs the others nothing but its time-out.  An attempt that fails is undone:
 * what the context had before stays, what it got is taken back.  If a reply did
 * not come, nobody knows what the firmware has; the next attempt has it forget
 * everything first.
 */
#include <linux/slab.h>

#include <drm/vsvm_drm.h>

#include "heap/heap_priv.h"
#include "heap/heap_trace.h"
#include "vm/vm.h"

/* --- address spaces --- */

/* Unmap all but the first chunks */
static void vsvm_heap_unmap_vm(struct vsvm_heap *heap, struct vsvm_heap_vm *where, u32 chunks)
{
	while (where->mapped > chunks) {
		where->mapped--;
		vsvm_vm_unbind_fixed(where->vm, vsvm_heap_address(heap, where->mapped),
				     VSVM_HEAP_CHUNK, where->bound[where->mapped]);
	}
}

static int vsvm_heap_map_vm(struct vsvm_heap *heap, struct vsvm_heap_vm *where,
			    const struct vsvm_heap_chunk *chunk)
{
	u32 i = where->mapped;
	int err;

	err = vsvm_vm_bind_fixed(where->vm, vsvm_heap_address(heap, i), VSVM_HEAP_CHUNK,
				 &heap->base, i * VSVM_HEAP_CHUNK, chunk->bus,
				 &where->bound[i]);
	if (!err)
		where->mapped++;
	return err;
}

/** vsvm_heap_unmap_vms() - unmap all but the first chunks everywhere; grow lock held */
void vsvm_heap_unmap_vms(struct vsvm_heap *heap, u32 chunks)
{
	struct vsvm_heap_vm *where;

	lockdep_assert_held(&heap->grow);
	list_for_each_entry(where, &heap->vms, link)
		vsvm_heap_unmap_vm(heap, where, chunks);
}

/**
 * vsvm_heap_map_vms() - map chunks in all address spaces, or in none
 * @heap: heap, grow lock held
 * @chunks: chunks
 * @first: number of the first one
 * @count: of @chunks
 *
 * Return: 0, -ENOMEM, -EEXIST, -EINTR.
 */
int vsvm_heap_map_vms(struct vsvm_heap *heap, struct vsvm_heap_chunk *const *chunks,
		      u32 first, u32 count)
{
	struct vsvm_heap_vm *where;
	int err = 0;
	u32 i;

	lockdep_assert_held(&heap->grow);
	list_for_each_entry(where, &heap->vms, link) {
		for (i = 0; i < count && !err; i++)
			err = vsvm_heap_map_vm(heap, where, chunks[i]);
		if (err)
			break;
	}
	if (err)
		vsvm_heap_unmap_vms(heap, first);
	return err;
}

static struct vsvm_heap_vm *vsvm_heap_join(struct vsvm_heap *heap, struct vsvm_vm *vm)
{
	struct vsvm_heap_vm *where;
	int err = 0;

	list_for_each_entry(where, &heap->vms, link) {
		if (where->vm == vm) {
			where->users++;
			return where;
		}
	}
	where = kzalloc_flex(*where, bound, vsvm_heap_chunks(heap), GFP_KERNEL_ACCOUNT);
	if (!where)
		return ERR_PTR(-ENOMEM);
	where->vm = vm;
	where->users = 1;
	while (where->mapped < heap->committed && !err)
		err = vsvm_heap_map_vm(heap, where, heap->chunk[where->mapped]);
	if (err) {
		vsvm_heap_unmap_vm(heap, where, 0);
		kfree(where);
		return ERR_PTR(err);
	}
	list_add(&where->link, &heap->vms);
	return where;
}

static void vsvm_heap_leave(struct vsvm_heap *heap, struct vsvm_heap_vm *where)
{
	if (--where->users)
		return;
	vsvm_heap_unmap_vm(heap, where, 0);
	list_del(&where->link);
	kfree(where);
}

/* --- telling the firmware --- */

/** enum vsvm_heap_way - what a round of messages is for */
enum vsvm_heap_way {
	/* Towards the target, by the addresses that chunks have */
	VSVM_HEAP_UP,
	/* Towards the target, by the record */
	VSVM_HEAP_AGAIN,
	/* Back to the floor, where something went wrong */
	VSVM_HEAP_UNDO,
	/* Down to the target */
	VSVM_HEAP_DOWN,
};

/* The next message to a context.  False: there is none. */
static bool vsvm_heap_next(struct vsvm_heap *heap, struct vsvm_heap_context *ctx,
			   enum vsvm_heap_way way, u32 *type, u64 *address)
{
	bool up = way == VSVM_HEAP_UP || way == VSVM_HEAP_AGAIN;

	if (way == VSVM_HEAP_UNDO ? !ctx->error || ctx->unknown : !!ctx->error)
		return false;
	*address = 0;
	*type = VSVM_HW_FORGET_HOST_BUFFERS;
	if (ctx->unknown)
		return true;
	if (up && ctx->told < ctx->target) {
		*type = ctx->told ? VSVM_HW_ADD_HOST_BUFFER : VSVM_HW_MAP_HOST_BUFFER;
		if (way == VSVM_HEAP_UP)
			ctx->address[ctx->told] = vsvm_heap_address(heap, ctx->told);
		*address = ctx->address[ctx->told];
		return true;
	}
	if (!up && ctx->told > (way == VSVM_HEAP_DOWN ? ctx->target : ctx->floor)) {
		*type = VSVM_HW_REMOVE_HOST_BUFFER;
		*address = ctx->address[ctx->told - 1];
		return true;
	}
	return false;
}

/* What the reply to a message means */
static void vsvm_heap_settle(struct vsvm_heap_context *ctx, int err)
{
	if (err) {
		/* It has not done it; or else nobody knows */
		if (err != -EIO)
			WRITE_ONCE(ctx->unknown, true);
		ctx->error = err;
		/* And that is where undoing ends */
		ctx->floor = max(ctx->floor, ctx->type == VSVM_HW_REMOVE_HOST_BUFFER ?
				 ctx->told : 0);
		return;
	}
	switch (ctx->type) {
	case VSVM_HW_FORGET_HOST_BUFFERS:
		WRITE_ONCE(ctx->told, 0);
		ctx->floor = 0;
		WRITE_ONCE(ctx->unknown, false);
		break;
	case VSVM_HW_REMOVE_HOST_BUFFER:
		WRITE_ONCE(ctx->told, ctx->told - 1);
		break;
	default:
		WRITE_ONCE(ctx->told, ctx->told + 1);
	}
}

/* One message to each context, or to one only.  False: none had to be sent. */
static bool vsvm_heap_round(struct vsvm_heap *heap, struct vsvm_heap_context *only,
			    enum vsvm_heap_way way)
{
	struct vsvm_heap_context *ctx;
	bool any = false;
	u64 address;
	int err;

	lockdep_assert_held(&heap->grow);
	list_for_each_entry(ctx, &heap->contexts, link) {
		ctx->sent = false;
		if ((only && ctx != only) ||
		    !vsvm_heap_next(heap, ctx, way, &ctx->type, &address))
			continue;
		any = true;
		err = vsvm_heap_send(heap->heaps, &ctx->message, ctx->type, ctx->id, address);
		/* What was not sent has not been done */
		if (err) {
			ctx->error = err;
			ctx->floor = max(ctx->floor, way == VSVM_HEAP_UNDO ? ctx->told : 0);
		} else {
			ctx->sent = true;
		}
	}
	list_for_each_entry(ctx, &heap->contexts, link)
		if (ctx->sent)
			vsvm_heap_settle(ctx, vsvm_heap_await(heap->heaps, &ctx->message));
	return any;
}

static void vsvm_heap_undo(struct vsvm_heap *heap, struct vsvm_heap_context *only)
{
	struct vsvm_heap_context *ctx;

	while (vsvm_heap_round(heap, only, VSVM_HEAP_UNDO))
		;
	list_for_each_entry(ctx, &heap->contexts, link)
		if (ctx->error && (!only || ctx == only))
			trace_vsvm_heap_rollback(heap, ctx->id, ctx->told, ctx->error);
}

static void vsvm_heap_tell_some(struct vsvm_heap *heap, struct vsvm_heap_context *only,
				u32 chunks)
{
	struct vsvm_heap_context *ctx;

	list_for_each_entry(ctx, &heap->contexts, link) {
		ctx->target = chunks;
		ctx->floor = ctx->told;
		ctx->error = 0;
	}
	while (vsvm_heap_round(heap, only, VSVM_HEAP_UP))
		;
	vsvm_heap_undo(heap, only);
}

/**
 * vsvm_heap_tell() - tell all contexts of the first chunks
 * @heap: heap, grow lock held; they are mapped
 * @chunks: how many
 *
 * One that could not be told lags.
 */
void vsvm_heap_tell(struct vsvm_heap *heap, u32 chunks)
{
	vsvm_heap_tell_some(heap, NULL, chunks);
}

/**
 * vsvm_heap_untell() - have the firmware let go of all but the first chunks
 * @heap: heap, grow lock held
 * @chunks: how many are to be left
 *
 * Return: 0; -EIO, -ETIME, -ENOMEM, -EINTR: somebody may still have one, and who
 * has let go has got it back.
 */
int vsvm_heap_untell(struct vsvm_heap *heap, u32 chunks)
{
	struct vsvm_heap_context *ctx;
	int err = 0;

	list_for_each_entry(ctx, &heap->contexts, link) {
		ctx->target = chunks;
		ctx->floor = 0;
		ctx->error = 0;
	}
	while (vsvm_heap_round(heap, NULL, VSVM_HEAP_DOWN))
		;
	list_for_each_entry(ctx, &heap->contexts, link)
		err = err ?: ctx->error;
	vsvm_heap_tell(heap, err ? heap->committed : chunks);
	return err;
}

static bool vsvm_heap_lags(const struct vsvm_heap_context *ctx)
{
	return READ_ONCE(ctx->unknown) ||
		READ_ONCE(ctx->told) < READ_ONCE(ctx->heap->committed);
}

/** vsvm_heap_lagging() - contexts that lag, and how many there are; place lock held */
u32 vsvm_heap_lagging(struct vsvm_heap *heap, u32 *queues)
{
	struct vsvm_heap_context *ctx;
	u32 n = 0;

	lockdep_assert_held(&heap->place);
	*queues = 0;
	list_for_each_entry(ctx, &heap->contexts, link) {
		n += vsvm_heap_lags(ctx);
		++*queues;
	}
	return n;
}

/** vsvm_heap_count_told() - who has taken up which chunk; place lock held */
void vsvm_heap_count_told(struct vsvm_heap *heap, struct drm_vsvm_heap_chunk *chunks,
			  u32 count)
{
	struct vsvm_heap_context *ctx;
	u32 i;

	lockdep_assert_held(&heap->place);
	list_for_each_entry(ctx, &heap->contexts, link)
		for (i = 0; i < min(count, READ_ONCE(ctx->told)); i++)
			chunks[i].told++;
}

/**
 * vsvm_heap_replay() - tell a firmware that knows nothing what it had been told
 * @heap: heap
 *
 * Context: may sleep, waits for the firmware.
 * Return: contexts that could not be told.
 */
unsigned int vsvm_heap_replay(struct vsvm_heap *heap)
{
	struct vsvm_heap_context *ctx;
	unsigned int failed = 0;

	mutex_lock(&heap->grow);
	if (READ_ONCE(heap->heaps->stopped))
		goto out;
	list_for_each_entry(ctx, &heap->contexts, link) {
		ctx->target = ctx->told;
		ctx->floor = 0;
		ctx->error = 0;
		WRITE_ONCE(ctx->told, 0);
	}
	while (vsvm_heap_round(heap, NULL, VSVM_HEAP_AGAIN))
		;
	vsvm_heap_undo(heap, NULL);
	list_for_each_entry(ctx, &heap->contexts, link) {
		trace_vsvm_heap_replay(heap, ctx->id, ctx->told, ctx->error);
		failed += !!ctx->error;
	}
out:
	mutex_unlock(&heap->grow);
	return failed;
}

/* --- life --- */

static void vsvm_heap_context_free(struct kref *refs)
{
	struct vsvm_heap_context *ctx = container_of(refs, struct vsvm_heap_context, refs);

	if (ctx->ring)
		drm_gem_object_put(ctx->ring);
	vsvm_heap_put(ctx->heap);
	kfree(ctx);
}

void vsvm_heap_context_get(struct vsvm_heap_context *context)
{
	kref_get(&context->refs);
}

void vsvm_heap_context_put(struct vsvm_heap_context *context)
{
	kref_put(&context->refs, vsvm_heap_context_free);
}

static struct vsvm_heap_context *
vsvm_heap_context_new(struct vsvm_heap *heap, u32 id, struct drm_gem_object *ring)
{
	struct vsvm_heap_context *ctx;

	ctx = kzalloc_flex(*ctx, address, vsvm_heap_chunks(heap), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return NULL;
	kref_init(&ctx->refs);
	ctx->heap = heap;
	drm_gem_object_get(&heap->base);
	ctx->id = id;
	ctx->ring = ring;
	if (ring)
		drm_gem_object_get(ring);
	return ctx;
}

static void vsvm_heap_detach_locked(struct vsvm_heap_context *ctx)
{
	struct vsvm_heap *heap = ctx->heap;

	mutex_lock(&heap->place);
	list_del(&ctx->link);
	mutex_unlock(&heap->place);
	vsvm_heap_leave(heap, ctx->where);
	ctx->where = NULL;
}

struct vsvm_heap_context *vsvm_heap_attach(struct vsvm_heap *heap, struct vsvm_vm *vm,
					   u32 context, struct drm_gem_object *ring)
{
	struct vsvm_heap_context *ctx;
	int err = 0;

	if (ring && (!vsvm_heap_bo_check(ring) || to_heap_bo(ring)->heap != heap))
		return ERR_PTR(-EINVAL);
	if (mutex_lock_killable(&heap->grow))
		return ERR_PTR(-EINTR);
	if (READ_ONCE(heap->heaps->stopped))
		err = -ENODEV;
	else if (!heap->committed)
		err = -ENOENT;
	if (err)
		goto unlock;
	ctx = vsvm_heap_context_new(heap, context, ring);
	if (!ctx) {
		err = -ENOMEM;
		goto unlock;
	}
	ctx->where = vsvm_heap_join(heap, vm);
	if (IS_ERR(ctx->where)) {
		err = PTR_ERR(ctx->where);
		goto put;
	}
	mutex_lock(&heap->place);
	list_add_tail(&ctx->link, &heap->contexts);
	mutex_unlock(&heap->place);
	vsvm_heap_tell_some(heap, ctx, heap->committed);
	err = ctx->error;
	trace_vsvm_heap_attach(heap, ctx->id, ctx->told, err);
	if (!err)
		goto unlock;
	vsvm_heap_detach_locked(ctx);
put:
	vsvm_heap_context_put(ctx);
unlock:
	mutex_unlock(&heap->grow);
	return err ? ERR_PTR(err) : ctx;
}

void vsvm_heap_detach(struct vsvm_heap_context *context)
{
	struct vsvm_heap *heap = context->heap;

	/* With the context of the hardware the firmware has forgotten everything */
	mutex_lock(&heap->grow);
	trace_vsvm_heap_detach(heap, context->id, context->told, 0);
	vsvm_heap_detach_locked(context);
	mutex_unlock(&heap->grow);
	vsvm_heap_context_put(context);
}

int vsvm_heap_context_catch_up(struct vsvm_heap_context *context)
{
	struct vsvm_heap *heap = context->heap;
	int err;

	if (likely(!vsvm_heap_lags(context)))
		return 0;
	if (mutex_lock_killable(&heap->grow))
		return -EINTR;
	if (!context->where) {
		err = -ENOENT;
	} else if (READ_ONCE(heap->heaps->stopped)) {
		err = -ENODEV;
	} else {
		vsvm_heap_tell_some(heap, context, heap->committed);
		err = context->error;
	}
	mutex_unlock(&heap->grow);
	return err;
}

bool vsvm_heap_context_holds(const struct vsvm_heap_context *context, u64 address, u64 bytes)
{
	const struct vsvm_heap_bo *bo;
	u64 start;

	if (!context->ring)
		return true;
	bo = to_heap_bo(context->ring);
	start = context->heap->window + bo->node.start;
	return address >= start && bytes <= bo->node.size &&
		address - start <= bo->node.size - bytes;
}
