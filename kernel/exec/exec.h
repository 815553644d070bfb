/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_EXEC_H_
#define _VSVM_EXEC_H_

#include <linux/types.h>
#include <linux/wait.h>

#include <drm/vsvm_drm.h>

/**
 * DOC: queues
 *
 * A queue is a context of the hardware and what the driver remembers of it.
 * Its work may page-fault, so it never signals a dma-fence: completion is told
 * by values that the device writes to memory.  What the hardware has to say is
 * taken note of in its interrupt: it is little, and whoever waits gains the
 * time of a thread switch.
 */

struct vsvm_exec;
struct vsvm_hw;
struct vsvm_queue;
struct vsvm_vm;

/**
 * vsvm_exec_create() - set up the queues of a device
 *
 * Return: the room's state, or NULL: no memory.
 */
struct vsvm_exec *vsvm_exec_create(void);

/** vsvm_exec_start() - give it the hardware; before the first queue */
void vsvm_exec_start(struct vsvm_exec *exec, struct vsvm_hw *hw, u32 engines);

/** vsvm_exec_destroy() - free; no queue is left and the hardware is gone */
void vsvm_exec_destroy(struct vsvm_exec *exec);

/** vsvm_exec_event_irq() - the hardware has news; atomic context */
void vsvm_exec_event_irq(struct vsvm_exec *exec);

/**
 * vsvm_queue_create() - create a queue
 * @exec: the device's
 * @vm: address space; a reference is taken
 * @id: that user space knows it by
 * @engine_mask: engines that may run it, 0: any
 * @wait: to be woken, with the queue's own, when there is news; it must exist
 *	until the queue has been killed
 *
 * Return: the queue with one reference, for vsvm_queue_kill(), or an
 * ERR_PTR(): -EINVAL for a mask without an engine, -ENOMEM.  May sleep.
 */
struct vsvm_queue *vsvm_queue_create(struct vsvm_exec *exec, struct vsvm_vm *vm,
				     u32 id, u32 engine_mask,
				     wait_queue_head_t *wait);

/**
 * vsvm_queue_kill() - end its work, whatever it is doing, and let go of the VM
 * @queue: the caller's reference is taken over
 *
 * Calls on the queue that others still make return -ENOENT.  May sleep.
 */
void vsvm_queue_kill(struct vsvm_queue *queue);

/** vsvm_queue_get() - take a reference; the caller knows that there is one */
void vsvm_queue_get(struct vsvm_queue *queue);

/** vsvm_queue_put() - drop a reference */
void vsvm_queue_put(struct vsvm_queue *queue);

/** vsvm_queue_context_id() - id of its context of the hardware; the queue is alive */
u32 vsvm_queue_context_id(const struct vsvm_queue *queue);

/** vsvm_queue_uses() - does it run in this address space? */
bool vsvm_queue_uses(const struct vsvm_queue *queue, const struct vsvm_vm *vm);

/** vsvm_queue_is_mine() - does its address space belong to the calling process? */
bool vsvm_queue_is_mine(const struct vsvm_queue *queue);

/**
 * vsvm_queue_submit() - hand work to a queue
 * @queue: queue
 * @commands: checked
 * @count: of @commands, less than the depth of the queue; may be 0
 * @fence_address: see &struct drm_vsvm_submit
 * @fence_value: see there
 * @sequence: out
 *
 * Return: 0, -EAGAIN if it is full, -ECANCELED if it is in error, -ENOENT if
 * it has been killed, -ERESTARTSYS.  May sleep.
 */
int vsvm_queue_submit(struct vsvm_queue *queue,
		      const struct drm_vsvm_command *commands, u32 count,
		      u64 fence_address, u64 fence_value, u64 *sequence);

/** vsvm_queue_query() - fill in all but the id */
void vsvm_queue_query(struct vsvm_queue *queue, struct drm_vsvm_queue_query *out);

/**
 * vsvm_wait_user_fence() - wait until a value in memory compares
 * @queue: see &drm_vsvm_wait_user_fence.queue_id, or NULL
 * @wait: woken when there is news of any queue that could write it
 * @args: checked
 * @gone: becomes true when the device goes away, before @wait is woken
 *
 * Return: 0, -ETIME, -ECANCELED, -EFAULT, -ENODEV, -ERESTARTSYS.  May sleep.
 */
int vsvm_wait_user_fence(struct vsvm_queue *queue, wait_queue_head_t *wait,
			 const struct drm_vsvm_wait_user_fence *args,
			 const bool *gone);

#endif
