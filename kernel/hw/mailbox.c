// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: firmware
 *
 * A thread that takes messages in, one after the other, carries each out, and
 * replies.  What it knows is which buffers of the host a context has: they lie
 * side by side in its address space, are added and removed at the end, and are
 * looked at when they are added: all of a buffer has to translate.
 *
 * A message has a slot until its reply has been read, so no reply is ever
 * without room.
 */
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "hw/hw_mmu.h"

#define BUFFER_BYTES	BIT_ULL(VSVM_HW_HOST_BUFFER_SHIFT)

/* Take one from a knob that counts down. */
static bool count_down(u32 *knob)
{
	u32 left = READ_ONCE(*knob);

	while (left)
		if (try_cmpxchg(knob, &left, left - 1))
			return true;
	return false;
}

/* Can the context's engine read and write all of the buffer? */
static bool translates(struct vsvm_hw *hw, struct vsvm_hw_context *ctx,
		       u64 address, u64 bytes)
{
	struct vsvm_hw_walk walk = { };
	u64 at;

	/* tables that are taken out meanwhile are freed after an RCU period */
	guard(rcu)();
	for (at = address; at < address + bytes;) {
		if (vsvm_hw_walk(hw, ctx->asid->root, NULL, at, VSVM_HW_READ, &walk) ||
		    !(walk.pte & VSVM_PTE_WRITE))
			return false;
		at += walk.huge ? BIT_ULL(VSVM_HW_HUGE_SHIFT) : PAGE_SIZE;
	}
	return true;
}

static int add_buffer(struct vsvm_hw *hw, struct vsvm_hw_context *ctx,
		      const struct vsvm_hw_message *m)
{
	bool first = m->type == VSVM_HW_MAP_HOST_BUFFER;

	if (!m->address || !IS_ALIGNED(m->address, BUFFER_BYTES) ||
	    m->bytes != BUFFER_BYTES ||
	    m->address + m->bytes > BIT_ULL(VSVM_HW_VA_BITS))
		return -EINVAL;
	if (first != !ctx->buffers || (!first && m->address != ctx->buffer_end))
		return -EINVAL;
	if (!translates(hw, ctx, m->address, m->bytes))
		return -EFAULT;
	ctx->buffers++;
	ctx->buffer_end = m->address + m->bytes;
	return 0;
}

static int carry_out(struct vsvm_hw *hw, const struct vsvm_hw_message *m)
{
	struct vsvm_hw_context *ctx;

	lockdep_assert_held(&hw->mailbox.busy);
	/* stays until vsvm_hw_mailbox_forget() gets the mutex */
	ctx = xa_load(&hw->contexts, m->context);
	if (!ctx)
		return -ENOENT;
	switch (m->type) {
	case VSVM_HW_MAP_HOST_BUFFER:
	case VSVM_HW_ADD_HOST_BUFFER:
		return add_buffer(hw, ctx, m);
	case VSVM_HW_REMOVE_HOST_BUFFER:
		if (!ctx->buffers || m->bytes != BUFFER_BYTES ||
		    m->address + m->bytes != ctx->buffer_end)
			return -EINVAL;
		ctx->buffers--;
		ctx->buffer_end = m->address;
		return 0;
	case VSVM_HW_FORGET_HOST_BUFFERS:
		if (m->address || m->bytes)
			return -EINVAL;
		ctx->buffers = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Carry the first message out.  Return: whether there was one. */
static bool serve(struct vsvm_hw *hw)
{
	struct vsvm_hw_mailbox *mb = &hw->mailbox;
	struct vsvm_hw_config *config = &hw->config;
	struct vsvm_hw_letter *letter;
	bool lost = false;
	u32 type;

	guard(mutex)(&mb->busy);
	spin_lock_irq(&mb->lock);
	letter = list_first_entry_or_null(&mb->sent, struct vsvm_hw_letter, link);
	if (letter)
		list_del_init(&letter->link);
	spin_unlock_irq(&mb->lock);
	if (!letter)
		return false;

	type = letter->message.type;
	letter->due = 0;
	if (type >= VSVM_HW_MESSAGE_TYPES) {
		letter->status = -EINVAL;
	} else if (count_down(&config->mailbox_skip)) {
		letter->status = carry_out(hw, &letter->message);
	} else if (count_down(&config->mailbox_lose[type])) {
		lost = true;
	} else if (count_down(&config->mailbox_refuse[type])) {
		letter->status = -EIO;
	} else {
		letter->status = carry_out(hw, &letter->message);
		lost = count_down(&config->mailbox_mute[type]);
	}
	if (type < VSVM_HW_MESSAGE_TYPES && READ_ONCE(config->mailbox_delay_us[type]))
		letter->due = ktime_get_ns() +
			(u64)READ_ONCE(config->mailbox_delay_us[type]) * NSEC_PER_USEC;

	spin_lock_irq(&mb->lock);
	list_add_tail(&letter->link, lost ? &mb->free : &mb->waiting);
	spin_unlock_irq(&mb->lock);
	return true;
}

/* Hand over the replies that are due.  Return: when the next one is, or 0. */
static u64 deliver(struct vsvm_hw *hw)
{
	struct vsvm_hw_mailbox *mb = &hw->mailbox;
	struct vsvm_hw_letter *letter, *next;
	u64 now = ktime_get_ns(), due = 0;
	bool any = false;

	spin_lock_irq(&mb->lock);
	list_for_each_entry_safe(letter, next, &mb->waiting, link) {
		if (letter->due <= now) {
			list_move_tail(&letter->link, &mb->ready);
			any = true;
		} else if (!due || letter->due < due) {
			due = letter->due;
		}
	}
	spin_unlock_irq(&mb->lock);
	if (any)
		vsvm_hw_irq_raise(hw, VSVM_HW_IRQ_MAILBOX);
	return due;
}

static int firmware(void *data)
{
	struct vsvm_hw *hw = data;
	struct vsvm_hw_mailbox *mb = &hw->mailbox;

	while (!kthread_should_stop()) {
		bool more = serve(hw);
		u64 due = deliver(hw);
		ktime_t until = ns_to_ktime(due);

		if (more)
			continue;
		/* who sends wakes after the message is there */
		set_current_state(TASK_IDLE);
		if (list_empty_careful(&mb->sent) && !kthread_should_stop()) {
			if (due)
				schedule_hrtimeout_range(&until, NSEC_PER_USEC,
							 HRTIMER_MODE_ABS);
			else
				schedule();
		}
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

/* see hw.h */
int vsvm_hw_mailbox_send(struct vsvm_hw *hw, const struct vsvm_hw_message *message)
{
	struct vsvm_hw_mailbox *mb = &hw->mailbox;
	struct vsvm_hw_letter *letter;
	unsigned long flags;

	spin_lock_irqsave(&mb->lock, flags);
	letter = list_first_entry_or_null(&mb->free, struct vsvm_hw_letter, link);
	if (letter) {
		letter->message = *message;
		list_move_tail(&letter->link, &mb->sent);
	}
	spin_unlock_irqrestore(&mb->lock, flags);
	if (!letter)
		return -ENOSPC;
	wake_up_process(mb->task);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_mailbox_send);

/* see hw.h */
bool vsvm_hw_mailbox_read(struct vsvm_hw *hw, struct vsvm_hw_reply *out)
{
	struct vsvm_hw_mailbox *mb = &hw->mailbox;
	struct vsvm_hw_letter *letter;
	unsigned long flags;

	spin_lock_irqsave(&mb->lock, flags);
	letter = list_first_entry_or_null(&mb->ready, struct vsvm_hw_letter, link);
	if (letter) {
		out->sequence = letter->message.sequence;
		out->status = letter->status;
		list_move_tail(&letter->link, &mb->free);
	}
	spin_unlock_irqrestore(&mb->lock, flags);
	return letter;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_mailbox_read);

/* see hw.h */
void vsvm_hw_mailbox_reset(struct vsvm_hw *hw)
{
	struct vsvm_hw_mailbox *mb = &hw->mailbox;
	struct vsvm_hw_context *ctx;
	unsigned long id;

	guard(mutex)(&mb->busy);
	spin_lock_irq(&mb->lock);
	list_splice_tail_init(&mb->sent, &mb->free);
	list_splice_tail_init(&mb->waiting, &mb->free);
	list_splice_tail_init(&mb->ready, &mb->free);
	spin_unlock_irq(&mb->lock);
	xa_for_each(&hw->contexts, id, ctx)
		ctx->buffers = 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_mailbox_reset);

/** vsvm_hw_mailbox_forget() - a context that cannot be found any more is not in use either */
void vsvm_hw_mailbox_forget(struct vsvm_hw *hw)
{
	mutex_lock(&hw->mailbox.busy);
	mutex_unlock(&hw->mailbox.busy);
}

/** vsvm_hw_mailbox_pending() - is there a reply to be read? */
bool vsvm_hw_mailbox_pending(struct vsvm_hw *hw)
{
	return !list_empty_careful(&hw->mailbox.ready);
}

/** vsvm_hw_mailbox_init() - start the firmware; 0 or -ENOMEM */
int vsvm_hw_mailbox_init(struct vsvm_hw *hw)
{
	struct vsvm_hw_mailbox *mb = &hw->mailbox;
	struct task_struct *task;
	u32 i;

	mutex_init(&mb->busy);
	spin_lock_init(&mb->lock);
	INIT_LIST_HEAD(&mb->free);
	INIT_LIST_HEAD(&mb->sent);
	INIT_LIST_HEAD(&mb->waiting);
	INIT_LIST_HEAD(&mb->ready);
	for (i = 0; i < VSVM_HW_MAILBOX_SLOTS; i++)
		list_add_tail(&mb->letters[i].link, &mb->free);
	task = kthread_run(firmware, hw, "vsvm-firmware");
	if (IS_ERR(task))
		return PTR_ERR(task);
	mb->task = task;
	return 0;
}

/** vsvm_hw_mailbox_fini() - stop it, if it was started */
void vsvm_hw_mailbox_fini(struct vsvm_hw *hw)
{
	if (!hw->mailbox.task)
		return;
	kthread_stop(hw->mailbox.task);
	mutex_destroy(&hw->mailbox.busy);
}
