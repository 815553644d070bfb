// SPDX-License-Identifier: GPL-2.0-only
/*
 * Talking to the firmware.
 *
 * A message is found by its number when the reply comes.  Who gives up waiting
 * takes it out of the table first, under the lock under which replies are taken
 * note of: a reply that comes too late finds nothing.
 */
#include <linux/jiffies.h>
#include <linux/sched/signal.h>

#include "heap/heap_priv.h"

void vsvm_heaps_irq(struct vsvm_heaps *heaps)
{
	struct vsvm_heap_message *message;
	struct vsvm_hw_reply reply;
	unsigned long flags;

	while (vsvm_hw_mailbox_read(heaps->hw, &reply)) {
		xa_lock_irqsave(&heaps->messages, flags);
		message = __xa_erase(&heaps->messages, reply.sequence);
		if (message) {
			message->status = reply.status;
			complete(&message->done);
		}
		xa_unlock_irqrestore(&heaps->messages, flags);
	}
	wake_up_all(&heaps->room);
	vsvm_hw_irq_enable(heaps->hw, VSVM_HW_IRQ_MAILBOX);
}

/**
 * vsvm_heap_send() - send a message about a chunk
 * @heaps: the device's, not stopped
 * @message: for vsvm_heap_await(), which must follow if this returns 0
 * @type: &enum vsvm_hw_message_type
 * @context: id of the context of the hardware
 * @address: of the chunk on the device, 0 for a message that concerns none
 *
 * Context: may sleep; grow lock held.
 * Return: 0; -ETIME if there is no room in the mailbox, -ENOMEM, -EINTR.
 */
int vsvm_heap_send(struct vsvm_heaps *heaps, struct vsvm_heap_message *message,
		   u32 type, u32 context, u64 address)
{
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(heaps->config.timeout_ms));
	struct vsvm_hw_message m = {
		.type = type,
		.context = context,
		.address = address,
		.bytes = address ? VSVM_HEAP_CHUNK : 0,
	};
	long left;
	int err;

	init_completion(&message->done);
	message->status = -ETIME;
	err = xa_alloc_cyclic_irq(&heaps->messages, &message->sequence, message,
				  xa_limit_32b, &heaps->next_sequence, GFP_KERNEL);
	if (err < 0)
		return -ENOMEM;
	m.sequence = message->sequence;
	left = wait_event_killable_timeout(heaps->room,
					   !vsvm_hw_mailbox_send(heaps->hw, &m), timeout);
	if (left > 0) {
		message->deadline = jiffies + timeout;
		return 0;
	}
	xa_erase_irq(&heaps->messages, message->sequence);
	return left ? -EINTR : -ETIME;
}

/**
 * vsvm_heap_await() - wait for the reply to a message
 * @heaps: the device's
 * @message: sent
 *
 * Context: may sleep, until the time-out, which runs since it was sent, or a fatal
 * signal.
 * Return: 0; -EIO if the firmware refuses; -ETIME if it is silent, -EINTR: with
 * either it is not known whether it has done what it was told.
 */
int vsvm_heap_await(struct vsvm_heaps *heaps, struct vsvm_heap_message *message)
{
	/* Others may have been waited for since it was sent */
	long rest = max(1L, (long)(message->deadline - jiffies));
	long left = wait_for_completion_killable_timeout(&message->done, rest);

	if (left <= 0 && xa_erase_irq(&heaps->messages, message->sequence))
		return left ? -EINTR : -ETIME;
	/* The reply may have come with the time */
	return message->status ? -EIO : 0;
}
