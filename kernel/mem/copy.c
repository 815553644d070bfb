// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying with the copy engines.
 *
 * A call is cut into groups of at most 2 MiB, which go to the channels in turn;
 * one fence stands for all of them.  Each group in flight holds the fence, and
 * its address is the group's cookie.  Interrupts say which groups are complete;
 * the fence signals with the last.
 *
 * A fence always signals: before the hardware is let go of, what is in flight
 * is waited for, and what never completes fails with -ENODEV.
 */
#include <kunit/visibility.h>
#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <drm/drm_device.h>
#include <drm/drm_print.h>

#include "hw/hw.h"
#include "mem/mem_priv.h"

/* Most bytes and descriptors of a group */
#define VSVM_COPY_BYTES		SZ_2M
#define VSVM_COPY_COUNT		512

/* After which the hardware is taken to be dead: no group takes so long */
#define VSVM_COPY_PATIENCE	(30 * HZ)

/**
 * struct vsvm_copy_state - what the copy engines are doing
 * @lock: guards what follows; taken in the interrupt
 * @open: copies are accepted
 * @dead: the hardware has not completed what it should have: do not listen to it
 * @flight: &struct vsvm_copy that have not signalled
 * @completed: groups completed; may be read without the lock
 * @wait: woken when groups have completed
 */
struct vsvm_copy_state {
	spinlock_t lock;	/* taken in the interrupt; outside the fences' locks */
	bool open;
	bool dead;
	struct list_head flight;
	u64 completed;
	wait_queue_head_t wait;
};

/**
 * struct vsvm_copy - a call of vsvm_mem_copy()
 * @fence: base
 * @link: in &vsvm_copy_state.flight; its lock
 * @groups: in flight, and 1 while more are being submitted; its lock
 * @error: first that occurred; its lock
 */
struct vsvm_copy {
	struct dma_fence fence;
	struct list_head link;
	unsigned int groups;
	int error;
};

static const char *vsvm_copy_driver_name(struct dma_fence *fence)
{
	return "vsvm";
}

static const char *vsvm_copy_timeline_name(struct dma_fence *fence)
{
	return "copy";
}

static const struct dma_fence_ops vsvm_copy_fence_ops = {
	.get_driver_name = vsvm_copy_driver_name,
	.get_timeline_name = vsvm_copy_timeline_name,
};

/* A group of @copy has completed.  Return: it was the last; to be put then. */
static bool vsvm_copy_complete(struct vsvm_copy_state *state, struct vsvm_copy *copy,
			       int error)
{
	lockdep_assert_held(&state->lock);
	if (error && !copy->error)
		copy->error = error;
	if (--copy->groups)
		return false;
	list_del_init(&copy->link);
	if (copy->error)
		dma_fence_set_error(&copy->fence, copy->error);
	dma_fence_signal(&copy->fence);
	return true;
}

/* Groups read in one interrupt; if there are more, enabling it raises it again */
#define VSVM_COPY_BUDGET	64

/* see mem.h */
void vsvm_mem_copy_irq(struct vsvm_mem *mem)
{
	struct vsvm_copy_state *state = mem->copy;
	struct vsvm_hw_copy_done done;
	unsigned long flags;
	unsigned int n = 0;

	spin_lock_irqsave(&state->lock, flags);
	if (state->dead) {
		spin_unlock_irqrestore(&state->lock, flags);
		return;
	}
	while (n < VSVM_COPY_BUDGET && vsvm_hw_copy_read(mem->hw, &done)) {
		struct vsvm_copy *copy = (void *)(uintptr_t)done.cookie;

		if (done.error)
			vsvm_mem_count(mem, VSVM_MEM_COPY_ERRORS, 1);
		if (vsvm_copy_complete(state, copy, done.error))
			dma_fence_put(&copy->fence);
		n++;
	}
	WRITE_ONCE(state->completed, state->completed + n);
	spin_unlock_irqrestore(&state->lock, flags);
	if (n)
		wake_up_all(&state->wait);
	vsvm_hw_irq_enable(mem->hw, VSVM_HW_IRQ_COPY);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_mem_copy_irq);

/* Submit a group, waiting for room */
static int vsvm_copy_submit(struct vsvm_mem *mem, struct vsvm_copy *copy,
			    const struct vsvm_hw_copy *copies, u32 count)
{
	struct vsvm_copy_state *state = mem->copy;
	u32 channel = READ_ONCE(mem->next_channel);
	int err;

	WRITE_ONCE(mem->next_channel, channel + 1);
	channel %= mem->config.copy_channels;
	for (;;) {
		u64 completed = READ_ONCE(state->completed);

		/* Before it can complete */
		spin_lock_irq(&state->lock);
		err = state->open ? 0 : -ENODEV;
		copy->groups++;
		spin_unlock_irq(&state->lock);
		if (!err)
			err = vsvm_hw_copy_submit(mem->hw, channel, copies, count,
						  (uintptr_t)copy);
		if (!err)
			return 0;
		spin_lock_irq(&state->lock);
		copy->groups--;
		spin_unlock_irq(&state->lock);
		if (err != -ENOSPC)
			return err;
		if (!wait_event_timeout(state->wait,
					READ_ONCE(state->completed) != completed ||
					!READ_ONCE(state->open), VSVM_COPY_PATIENCE))
			return -ETIMEDOUT;
	}
}

/* Submit the next group of what is left.  Return: descriptors done with, or an error. */
static int vsvm_copy_next(struct vsvm_mem *mem, struct vsvm_copy *copy,
			  const struct vsvm_hw_copy *copies, u32 count, u32 most,
			  u32 *done)
{
	struct vsvm_hw_copy part = copies[0];
	u64 bytes = 0;
	u32 n = 0;
	int err;

	if (*done || part.bytes > VSVM_COPY_BYTES) {
		/* More than a group: in parts, each a group of its own */
		if (!(part.flags & VSVM_HW_COPY_FILL))
			part.src += *done;
		part.dst += *done;
		part.bytes = min_t(u32, part.bytes - *done, VSVM_COPY_BYTES);
		*done += part.bytes;
		if (*done == copies[0].bytes) {
			*done = 0;
			n = 1;
		}
		bytes = part.bytes;
		err = vsvm_copy_submit(mem, copy, &part, 1);
	} else {
		while (n < count && n < most &&
		       (!n || bytes + copies[n].bytes <= VSVM_COPY_BYTES))
			bytes += copies[n++].bytes;
		err = vsvm_copy_submit(mem, copy, copies, n);
	}
	if (err)
		return err;
	vsvm_mem_count(mem, VSVM_MEM_COPIES, 1);
	vsvm_mem_count(mem, VSVM_MEM_COPIED_BYTES, bytes);
	return n;
}

/* see mem.h */
struct dma_fence *vsvm_mem_copy(struct vsvm_mem *mem,
				const struct vsvm_hw_copy *copies, u32 count)
{
	struct vsvm_copy_state *state = mem->copy;
	struct vsvm_copy *copy;
	struct dma_fence *fence;
	u32 done = 0, most;
	int n = 0;

	if (!mem->config.copy_channels)
		return ERR_PTR(-ENODEV);
	copy = kzalloc_obj(*copy);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	copy->groups = 1;
	fence = &copy->fence;
	dma_fence_init(fence, &vsvm_copy_fence_ops, NULL, dma_fence_context_alloc(1), 1);
	spin_lock_irq(&state->lock);
	if (!state->open) {
		spin_unlock_irq(&state->lock);
		dma_fence_set_error(fence, -ENODEV);
		dma_fence_signal(fence);
		dma_fence_put(fence);
		return ERR_PTR(-ENODEV);
	}
	list_add_tail(&copy->link, &state->flight);
	/* Held while it is in flight */
	dma_fence_get(fence);
	spin_unlock_irq(&state->lock);

	most = min_t(u32, VSVM_COPY_COUNT, vsvm_hw_config(mem->hw)->copy_entries);
	for (; count; copies += n, count -= n) {
		n = vsvm_copy_next(mem, copy, copies, count, most, &done);
		if (n < 0)
			break;
	}

	spin_lock_irq(&state->lock);
	if (vsvm_copy_complete(state, copy, min(n, 0)))
		dma_fence_put(fence);
	spin_unlock_irq(&state->lock);
	/* Somebody may be waiting for the end of it all */
	if (unlikely(!READ_ONCE(state->open)))
		wake_up_all(&state->wait);
	return fence;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_mem_copy);

/** vsvm_copy_init() - what outlives the hardware; vsvm_copy_fini() undoes it */
int vsvm_copy_init(struct vsvm_mem *mem)
{
	struct vsvm_copy_state *state;

	state = kzalloc_obj(*state);
	if (!state)
		return -ENOMEM;
	spin_lock_init(&state->lock);
	INIT_LIST_HEAD(&state->flight);
	init_waitqueue_head(&state->wait);
	mem->copy = state;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_copy_init);

/** vsvm_copy_start() - the hardware is there */
void vsvm_copy_start(struct vsvm_mem *mem)
{
	spin_lock_irq(&mem->copy->lock);
	mem->copy->open = true;
	spin_unlock_irq(&mem->copy->lock);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_copy_start);

/** vsvm_copy_stop() - the hardware is going: wait for what is in flight, fail the rest */
void vsvm_copy_stop(struct vsvm_mem *mem)
{
	struct vsvm_copy_state *state = mem->copy;
	struct vsvm_copy *copy, *next;
	u64 completed;

	spin_lock_irq(&state->lock);
	state->open = false;
	spin_unlock_irq(&state->lock);
	wake_up_all(&state->wait);
	/* As long as something comes, more may */
	do {
		completed = READ_ONCE(state->completed);
		wait_event_timeout(state->wait, list_empty_careful(&state->flight) ||
				   READ_ONCE(state->completed) != completed,
				   VSVM_COPY_PATIENCE);
	} while (!list_empty_careful(&state->flight) &&
		 READ_ONCE(state->completed) != completed);

	spin_lock_irq(&state->lock);
	list_for_each_entry_safe(copy, next, &state->flight, link) {
		drm_err(mem->drm, "%u groups of a copy never completed\n", copy->groups);
		copy->groups = 1;
		state->dead = true;
		/* The hardware may still name it: leave it to nobody */
		vsvm_copy_complete(state, copy, -ENODEV);
	}
	spin_unlock_irq(&state->lock);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_copy_stop);

/** vsvm_copy_fini() - free; no interrupt comes any more */
void vsvm_copy_fini(struct vsvm_mem *mem)
{
	kfree(mem->copy);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_copy_fini);
