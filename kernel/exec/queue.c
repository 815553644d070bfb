// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: creation, submission, news, end.
 */
#include <linux/slab.h>

#include "exec/exec_priv.h"
#include "vm/vm.h"

struct vsvm_exec *vsvm_exec_create(void)
{
	struct vsvm_exec *exec = kzalloc_obj(*exec);

	if (exec)
		xa_init_flags(&exec->contexts, XA_FLAGS_LOCK_IRQ);
	return exec;
}

void vsvm_exec_start(struct vsvm_exec *exec, struct vsvm_hw *hw, u32 engines)
{
	exec->hw = hw;
	exec->engines = engines;
}

void vsvm_exec_destroy(struct vsvm_exec *exec)
{
	xa_destroy(&exec->contexts);
	kfree(exec);
}

/* Take note of what the hardware said of a queue, under the lock of the table */
static void vsvm_queue_news(struct vsvm_queue *queue, const struct vsvm_hw_event *event)
{
	if (event->flags & VSVM_HW_EVENT_COMPLETED)
		WRITE_ONCE(queue->completed, event->completed);
	if (event->flags & VSVM_HW_EVENT_ERROR) {
		u32 error;

		queue->fault_sequence = vsvm_vm_record_error(queue->vm, &event->error,
							     queue->id, &error);
		/* Whoever sees the error finds the record */
		smp_store_release(&queue->error, error); /* pairs with the loads of it */
	}
	wake_up_all(&queue->wait);
	wake_up_all(queue->client_wait);
}

/* News read in one interrupt; if there are more, enabling it raises it again */
#define VSVM_EXEC_BUDGET	32

void vsvm_exec_event_irq(struct vsvm_exec *exec)
{
	struct vsvm_hw_event event;
	struct vsvm_queue *queue;
	unsigned long flags;
	unsigned int n;

	for (n = 0; n < VSVM_EXEC_BUDGET && vsvm_hw_event_read(exec->hw, &event); n++) {
		xa_lock_irqsave(&exec->contexts, flags);
		queue = xa_load(&exec->contexts, event.context);
		if (queue)
			vsvm_queue_news(queue, &event);
		xa_unlock_irqrestore(&exec->contexts, flags);
	}
	vsvm_hw_irq_enable(exec->hw, VSVM_HW_IRQ_EVENT);
}

static int vsvm_queue_pick_engine(struct vsvm_exec *exec, u32 mask)
{
	u32 all = GENMASK(exec->engines - 1, 0);
	u32 first, i, engine;

	if (!mask)
		mask = all;
	if (mask & ~all)
		return -EINVAL;
	first = READ_ONCE(exec->next_engine);
	for (i = 0; i < exec->engines; i++) {
		engine = (first + i) % exec->engines;
		if (mask & BIT(engine))
			break;
	}
	WRITE_ONCE(exec->next_engine, engine + 1);
	return engine;
}

struct vsvm_queue *vsvm_queue_create(struct vsvm_exec *exec, struct vsvm_vm *vm,
				     u32 id, u32 engine_mask,
				     wait_queue_head_t *wait)
{
	struct vsvm_queue *queue;
	int engine, err;

	engine = vsvm_queue_pick_engine(exec, engine_mask);
	if (engine < 0)
		return ERR_PTR(engine);
	queue = kzalloc_obj(*queue, GFP_KERNEL_ACCOUNT);
	if (!queue)
		return ERR_PTR(-ENOMEM);
	kref_init(&queue->refs);
	queue->exec = exec;
	queue->id = id;
	queue->mm = current->mm;
	queue->engine = engine;
	mutex_init(&queue->lock);
	queue->client_wait = wait;
	init_waitqueue_head(&queue->wait);

	if (!vsvm_vm_get(vm)) {
		err = -ENOENT;
		goto err_free;
	}
	queue->vm = vm;
	queue->context = vsvm_hw_context_create(exec->hw, vsvm_vm_asid(vm), engine);
	if (IS_ERR(queue->context)) {
		err = PTR_ERR(queue->context);
		goto err_vm;
	}
	err = xa_err(xa_store_irq(&exec->contexts, vsvm_hw_context_id(queue->context),
				  queue, GFP_KERNEL_ACCOUNT));
	if (err)
		goto err_context;
	return queue;

err_context:
	vsvm_hw_context_destroy(queue->context);
err_vm:
	vsvm_vm_put(vm);
err_free:
	mutex_destroy(&queue->lock);
	kfree(queue);
	return ERR_PTR(err);
}

void vsvm_queue_kill(struct vsvm_queue *queue)
{
	struct vsvm_hw_context *context;

	mutex_lock(&queue->lock);
	context = queue->context;
	queue->context = NULL;
	mutex_unlock(&queue->lock);
	xa_erase_irq(&queue->exec->contexts, vsvm_hw_context_id(context));
	vsvm_hw_context_destroy(context);
	WRITE_ONCE(queue->killed, true);
	wake_up_all(&queue->wait);
	wake_up_all(queue->client_wait);
	vsvm_vm_put(queue->vm);
	vsvm_queue_put(queue);
}

void vsvm_queue_get(struct vsvm_queue *queue)
{
	kref_get(&queue->refs);
}

static void vsvm_queue_free(struct kref *refs)
{
	struct vsvm_queue *queue = container_of(refs, struct vsvm_queue, refs);

	mutex_destroy(&queue->lock);
	kfree(queue);
}

void vsvm_queue_put(struct vsvm_queue *queue)
{
	kref_put(&queue->refs, vsvm_queue_free);
}

u32 vsvm_queue_context_id(const struct vsvm_queue *queue)
{
	return vsvm_hw_context_id(queue->context);
}

bool vsvm_queue_uses(const struct vsvm_queue *queue, const struct vsvm_vm *vm)
{
	return queue->vm == vm;
}

bool vsvm_queue_is_mine(const struct vsvm_queue *queue)
{
	return queue->mm == current->mm;
}

int vsvm_queue_submit(struct vsvm_queue *queue,
		      const struct drm_vsvm_command *commands, u32 count,
		      u64 fence_address, u64 fence_value, u64 *sequence)
{
	u32 entries = max(count, 1u);
	u32 i;
	int err;

	err = mutex_lock_interruptible(&queue->lock);
	if (err)
		return err;
	if (!queue->context) {
		err = -ENOENT;
		goto out;
	}
	if (READ_ONCE(queue->error)) {
		err = -ECANCELED;
		goto out;
	}
	if (vsvm_hw_context_room(queue->context) < entries) {
		err = -EAGAIN;
		goto out;
	}
	queue->submitted++;
	for (i = 0; i < entries; i++) {
		bool last = i == entries - 1;
		const struct vsvm_hw_command command = {
			.address = count ? commands[i].address : 0,
			.bytes = count ? commands[i].bytes : 0,
			.fence_address = last ? fence_address : 0,
			.fence_value = last ? fence_value : 0,
			/* A submission is complete when its last entry is */
			.sequence = queue->submitted - !last,
		};

		/*
		 * There is room, so this can only find that the queue has ended
		 * in error meanwhile: the same as if it had a moment later.
		 */
		if (vsvm_hw_context_submit(queue->context, &command))
			break;
	}
	*sequence = queue->submitted;
out:
	mutex_unlock(&queue->lock);
	return err;
}

void vsvm_queue_query(struct vsvm_queue *queue, struct drm_vsvm_queue_query *out)
{
	/* Pairs with vsvm_queue_news(): the record is there */
	out->error = smp_load_acquire(&queue->error);
	out->fault_sequence = out->error ? queue->fault_sequence : 0;
	out->engine = queue->engine;
	/* In this order, so that never more is complete than was submitted */
	out->completed = smp_load_acquire(&queue->completed);
	out->submitted = READ_ONCE(queue->submitted);
	if (out->error)
		out->state = DRM_VSVM_QUEUE_ERROR;
	else if (out->completed != out->submitted)
		out->state = DRM_VSVM_QUEUE_BUSY;
	else
		out->state = DRM_VSVM_QUEUE_IDLE;
}
