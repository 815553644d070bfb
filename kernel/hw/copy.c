// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: copy engines
 *
 * A channel is a thread and a ring of descriptors.  Descriptors come in groups;
 * a group is copied, completes and is reported as one.  They name bus addresses
 * and offsets into device memory: there is no translation, so nothing to fault,
 * and what they name is checked when they are submitted.
 *
 * The record of a group stays in the ring until the driver has read that it is
 * complete: a driver that does not read gets no room, and loses nothing.
 */
#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/hrtimer.h>
#include <linux/instrumented.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "hw/hw_priv.h"

/* most bytes copied before others may run */
#define PIECE_BYTES	SZ_64K

#define COPY_FLAGS	(VSVM_HW_COPY_SRC_VRAM | VSVM_HW_COPY_DST_VRAM | VSVM_HW_COPY_FILL)

/* Is all of it memory? */
static bool good_address(struct vsvm_hw *hw, u64 address, u32 bytes, bool vram)
{
	phys_addr_t first, last;

	if (!IS_ALIGNED(address, sizeof(u64)) || address + bytes < address)
		return false;
	if (vram)
		return address + bytes <= hw->config.vram_bytes;
	first = dma_to_phys(hw->dev, address);
	last = dma_to_phys(hw->dev, address + bytes - 1);
	return pfn_valid(PHYS_PFN(first)) && pfn_valid(PHYS_PFN(last)) &&
	       !is_device_private_page(pfn_to_page(PHYS_PFN(first)));
}

static bool good_copy(struct vsvm_hw *hw, const struct vsvm_hw_copy *copy)
{
	u32 flags = copy->flags;

	if (!copy->bytes || !IS_ALIGNED(copy->bytes, sizeof(u64)) ||
	    flags & ~COPY_FLAGS)
		return false;
	if (flags & VSVM_HW_COPY_FILL) {
		if (flags & VSVM_HW_COPY_SRC_VRAM)
			return false;
	} else if (!good_address(hw, copy->src, copy->bytes,
				 flags & VSVM_HW_COPY_SRC_VRAM)) {
		return false;
	}
	return good_address(hw, copy->dst, copy->bytes,
			    flags & VSVM_HW_COPY_DST_VRAM);
}

/* The kernel's mapping of an address; *bytes is cut to what is contiguous there. */
static void *map(struct vsvm_hw *hw, u64 address, u32 *bytes, bool vram)
{
	const struct vsvm_hw_chunk *chunk;
	u64 step;

	if (!vram)
		return phys_to_virt(dma_to_phys(hw->dev, address));
	chunk = &hw->chunks[address >> VSVM_HW_HUGE_SHIFT];
	step = chunk->whole ? BIT_ULL(VSVM_HW_HUGE_SHIFT) : PAGE_SIZE;
	*bytes = min_t(u64, *bytes, step - (address & (step - 1)));
	return page_address(vsvm_hw_vram_page(hw, address)) +
	       offset_in_page(address);
}

static void copy_one(struct vsvm_hw *hw, const struct vsvm_hw_copy *copy)
{
	u32 done, bytes;
	void *to;

	for (done = 0; done < copy->bytes; done += bytes) {
		bytes = min_t(u32, copy->bytes - done, PIECE_BYTES);
		to = map(hw, copy->dst + done, &bytes,
			 copy->flags & VSVM_HW_COPY_DST_VRAM);
		if (copy->flags & VSVM_HW_COPY_FILL) {
			instrument_write(to, bytes);
			memset64(to, copy->src, bytes / sizeof(u64));
		} else {
			const void *from = map(hw, copy->src + done, &bytes,
					       copy->flags & VSVM_HW_COPY_SRC_VRAM);

			instrument_read(from, bytes);
			instrument_write(to, bytes);
			memcpy(to, from, bytes);
		}
		cond_resched();
	}
}

/* The knob: is this group one of those that are to fail? */
static bool shall_fail(struct vsvm_hw *hw)
{
	u32 left = READ_ONCE(hw->config.copy_fail);

	while (left)
		if (try_cmpxchg(&hw->config.copy_fail, &left, left - 1))
			return true;
	return false;
}

/* The knob: do not be done before @until. */
static void delay(u64 until)
{
	u64 now;

	for (now = ktime_get_ns(); now < until; now = ktime_get_ns()) {
		ktime_t rest = ns_to_ktime(until - now);

		set_current_state(TASK_IDLE);
		if (kthread_should_stop()) {
			__set_current_state(TASK_RUNNING);
			return;
		}
		schedule_hrtimeout_range(&rest, NSEC_PER_USEC, HRTIMER_MODE_REL);
	}
}

/* The group to copy next, or NULL after a sleep. */
static struct vsvm_hw_copy_group *take(struct vsvm_hw_copy_channel *ch)
{
	struct vsvm_hw_copy_group *group = NULL;

	spin_lock_irq(&ch->lock);
	if (ch->complete != ch->submitted) {
		group = &ch->groups[ch->complete % ch->size];
	} else {
		ch->asleep = true;
		set_current_state(TASK_IDLE);
	}
	spin_unlock_irq(&ch->lock);
	if (group)
		return group;

	if (!kthread_should_stop())
		schedule();
	__set_current_state(TASK_RUNNING);
	spin_lock_irq(&ch->lock);
	ch->asleep = false;
	spin_unlock_irq(&ch->lock);
	return NULL;
}

static void run(struct vsvm_hw_copy_channel *ch, struct vsvm_hw_copy_group *group)
{
	u32 least = READ_ONCE(ch->hw->config.copy_delay_us);
	u64 begin = least ? ktime_get_ns() : 0;
	u64 bytes = 0;
	u32 i;

	group->error = shall_fail(ch->hw) ? -EIO : 0;
	/* only the thread changes the head */
	for (i = 0; !group->error && i < group->count; i++) {
		const struct vsvm_hw_copy *copy =
			&ch->ring[(ch->head + i) % ch->size];

		copy_one(ch->hw, copy);
		bytes += copy->bytes;
	}
	if (least)
		delay(begin + (u64)least * NSEC_PER_USEC);

	spin_lock_irq(&ch->lock);
	ch->head += group->count;
	if (!group->error) {
		WRITE_ONCE(ch->copied, ch->copied + 1);
		WRITE_ONCE(ch->bytes, ch->bytes + bytes);
	}
	WRITE_ONCE(ch->complete, ch->complete + 1);
	spin_unlock_irq(&ch->lock);
	vsvm_hw_irq_raise(ch->hw, VSVM_HW_IRQ_COPY);
}

static int channel_thread(void *data)
{
	struct vsvm_hw_copy_channel *ch = data;
	struct vsvm_hw_copy_group *group;

	while (!kthread_should_stop()) {
		group = take(ch);
		if (group)
			run(ch, group);
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

/* see hw.h */
int vsvm_hw_copy_submit(struct vsvm_hw *hw, u32 channel,
			const struct vsvm_hw_copy *copies, u32 count, u64 cookie)
{
	struct vsvm_hw_copy_channel *ch;
	unsigned long flags;
	bool wake = false;
	u32 at, i;

	if (channel >= hw->config.copy_channels)
		return -EINVAL;
	ch = &hw->channels[channel];
	if (!count || count > ch->size)
		return -EINVAL;
	for (i = 0; i < count; i++)
		if (!good_copy(hw, &copies[i]))
			return -EINVAL;

	spin_lock_irqsave(&ch->lock, flags);
	if (ch->tail - ch->head + count > ch->size ||
	    ch->submitted - ch->read == ch->size) {
		spin_unlock_irqrestore(&ch->lock, flags);
		return -ENOSPC;
	}
	at = ch->tail % ch->size;
	i = min(count, ch->size - at);
	memcpy(&ch->ring[at], copies, i * sizeof(*copies));
	memcpy(ch->ring, copies + i, (count - i) * sizeof(*copies));
	ch->tail += count;
	ch->groups[ch->submitted++ % ch->size] = (struct vsvm_hw_copy_group) {
		.cookie = cookie,
		.count = count,
	};
	wake = ch->asleep;
	ch->asleep = false;
	spin_unlock_irqrestore(&ch->lock, flags);
	if (wake)
		wake_up_process(ch->task);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_copy_submit);

/* Anything to read in the channel?  Without the lock: the answer may be old. */
static bool channel_pending(const struct vsvm_hw_copy_channel *ch)
{
	return READ_ONCE(ch->complete) != READ_ONCE(ch->read);
}

/* see hw.h */
bool vsvm_hw_copy_read(struct vsvm_hw *hw, struct vsvm_hw_copy_done *out)
{
	u32 n = hw->config.copy_channels;
	u32 first = READ_ONCE(hw->next_read);
	struct vsvm_hw_copy_channel *ch;
	unsigned long flags;
	bool found;
	u32 i;

	for (i = 0; i < n; i++) {
		ch = &hw->channels[(first + i) % n];
		if (!channel_pending(ch))
			continue;
		spin_lock_irqsave(&ch->lock, flags);
		found = ch->read != ch->complete;
		if (found) {
			struct vsvm_hw_copy_group *group =
				&ch->groups[ch->read % ch->size];

			out->cookie = group->cookie;
			out->error = group->error;
			WRITE_ONCE(ch->read, ch->read + 1);
		}
		spin_unlock_irqrestore(&ch->lock, flags);
		if (found) {
			WRITE_ONCE(hw->next_read, first + i + 1);
			return true;
		}
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_copy_read);

/** vsvm_hw_copy_pending() - would vsvm_hw_copy_read() find something?  Any context */
bool vsvm_hw_copy_pending(struct vsvm_hw *hw)
{
	u32 i;

	for (i = 0; i < hw->config.copy_channels; i++)
		if (channel_pending(&hw->channels[i]))
			return true;
	return false;
}

static int channel_start(struct vsvm_hw *hw, struct vsvm_hw_copy_channel *ch,
			 u32 index)
{
	struct task_struct *task;

	ch->hw = hw;
	ch->index = index;
	ch->size = hw->config.copy_entries;
	spin_lock_init(&ch->lock);
	ch->ring = kvzalloc_objs(*ch->ring, ch->size);
	ch->groups = kvzalloc_objs(*ch->groups, ch->size);
	if (!ch->ring || !ch->groups)
		return -ENOMEM;
	task = kthread_create(channel_thread, ch, "vsvm-copy/%u", index);
	if (IS_ERR(task))
		return PTR_ERR(task);
	ch->task = task;
	wake_up_process(task);
	return 0;
}

/** vsvm_hw_copy_init() - start the copy engines; vsvm_hw_copy_fini() in any case */
int vsvm_hw_copy_init(struct vsvm_hw *hw)
{
	u32 i;
	int ret;

	if (!hw->config.copy_channels)
		return 0;
	hw->channels = kvzalloc_objs(*hw->channels, hw->config.copy_channels);
	if (!hw->channels)
		return -ENOMEM;
	for (i = 0; i < hw->config.copy_channels; i++) {
		ret = channel_start(hw, &hw->channels[i], i);
		if (ret)
			return ret;
	}
	return 0;
}

/** vsvm_hw_copy_fini() - stop them; groups that are not complete are dropped */
void vsvm_hw_copy_fini(struct vsvm_hw *hw)
{
	u32 i;

	for (i = 0; hw->channels && i < hw->config.copy_channels; i++) {
		struct vsvm_hw_copy_channel *ch = &hw->channels[i];

		if (ch->task)
			kthread_stop(ch->task);
		kvfree(ch->groups);
		kvfree(ch->ring);
	}
	kvfree(hw->channels);
}
