// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls on queues, and the wait.
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "exec/exec.h"
#include "heap/heap.h"
#include "vm/vm.h"

/* Have a new queue take the heap up.  0 or an error, and the queue is as it was. */
static int vsvm_queue_take_heap(struct drm_file *f, struct vsvm_vm *vm,
				struct vsvm_queue *queue, u32 id, u32 ring_handle)
{
	struct vsvm_file *file = f->driver_priv;
	struct drm_gem_object *ring = NULL;
	struct vsvm_heap_context *context;
	int err;

	if (!file->heap)
		return -ENOENT;
	if (!vsvm_heap_is_mine(file->heap))
		return -EPERM;
	if (ring_handle) {
		ring = drm_gem_object_lookup(f, ring_handle);
		if (!ring)
			return -ENOENT;
	}
	err = xa_reserve(&file->heap_contexts, id, GFP_KERNEL_ACCOUNT);
	if (err)
		goto put;
	context = vsvm_heap_attach(file->heap, vm, vsvm_queue_context_id(queue), ring);
	if (IS_ERR(context)) {
		err = PTR_ERR(context);
		xa_release(&file->heap_contexts, id);
	} else {
		xa_store(&file->heap_contexts, id, context, GFP_KERNEL_ACCOUNT);
	}
put:
	if (ring)
		drm_gem_object_put(ring);
	return err;
}

int vsvm_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct vsvm_device *vdev = to_vsvm(drm);
	struct drm_vsvm_queue_create *args = data;
	struct vsvm_file *file = f->driver_priv;
	struct vsvm_queue *queue;
	struct vsvm_vm *vm;
	u32 id;
	int err;

	if (args->flags & ~DRM_VSVM_QUEUE_HEAP || args->priority ||
	    (args->ring_handle && !(args->flags & DRM_VSVM_QUEUE_HEAP)))
		return -EINVAL;
	down_read(&vdev->lock);
	if (vdev->gone) {
		err = -ENODEV;
		goto out;
	}
	/* Held until the queue is in the table, so that the VM is not destroyed meanwhile */
	mutex_lock(&file->lock);
	vm = vsvm_file_vm(file, args->vm_id);
	if (IS_ERR(vm)) {
		err = PTR_ERR(vm);
		goto unlock;
	}
	err = xa_alloc(&file->queues, &id, NULL, XA_LIMIT(1, VSVM_MAX_QUEUES),
		       GFP_KERNEL_ACCOUNT);
	if (err) {
		err = err == -EBUSY ? -ENOSPC : err;
		goto put;
	}
	queue = vsvm_queue_create(vdev->exec, vm, id, args->engine_mask, &file->wait);
	if (IS_ERR(queue)) {
		err = PTR_ERR(queue);
		xa_erase(&file->queues, id);
		goto put;
	}
	if (args->flags & DRM_VSVM_QUEUE_HEAP)
		err = vsvm_queue_take_heap(f, vm, queue, id, args->ring_handle);
	if (err) {
		vsvm_queue_kill(queue);
		xa_erase(&file->queues, id);
		goto put;
	}
	xa_store(&file->queues, id, queue, GFP_KERNEL_ACCOUNT);
	args->queue_id = id;
put:
	vsvm_vm_put(vm);
unlock:
	mutex_unlock(&file->lock);
out:
	up_read(&vdev->lock);
	return err;
}

int vsvm_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_queue_destroy *args = data;
	struct vsvm_file *file = f->driver_priv;
	struct vsvm_queue *queue;
	int err = 0;

	if (args->pad)
		return -EINVAL;
	mutex_lock(&file->lock);
	queue = xa_load(&file->queues, args->queue_id);
	if (!queue)
		err = -ENOENT;
	else if (!vsvm_queue_is_mine(queue))
		err = -EPERM;
	else
		xa_erase(&file->queues, args->queue_id);
	if (!err)
		vsvm_file_end_queue(file, args->queue_id, queue);
	mutex_unlock(&file->lock);
	return err;
}

int vsvm_ioctl_queue_query(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_queue_query *args = data;
	struct vsvm_queue *queue;

	queue = vsvm_file_queue(f->driver_priv, args->queue_id);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	vsvm_queue_query(queue, args);
	vsvm_queue_put(queue);
	return 0;
}

static int vsvm_submit_check(const struct drm_vsvm_submit *args,
			     const struct drm_vsvm_command *commands)
{
	u64 end;
	u32 i;

	if (args->fence_address % 8 ||
	    args->fence_address >= BIT_ULL(VSVM_HW_VA_BITS))
		return -EINVAL;
	for (i = 0; i < args->commands.count; i++)
		if (commands[i].address % VSVM_PACKET_BYTES || !commands[i].bytes ||
		    commands[i].bytes % VSVM_PACKET_BYTES ||
		    check_add_overflow(commands[i].address, commands[i].bytes, &end) ||
		    end > BIT_ULL(VSVM_HW_VA_BITS))
			return -EINVAL;
	return 0;
}

/* A queue that takes the heap up has to be up to date, and may have a ring there */
static int vsvm_submit_heap(struct vsvm_file *file, const struct drm_vsvm_submit *args,
			    const struct drm_vsvm_command *commands)
{
	struct vsvm_heap_context *context = vsvm_file_heap_context(file, args->queue_id);
	int err = 0;
	u32 i;

	if (!context)
		return 0;
	for (i = 0; i < args->commands.count && !err; i++)
		if (!vsvm_heap_context_holds(context, commands[i].address, commands[i].bytes))
			err = -EINVAL;
	if (!err)
		err = vsvm_heap_context_catch_up(context);
	vsvm_heap_context_put(context);
	return err;
}

int vsvm_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_command *commands = NULL;
	struct drm_vsvm_submit *args = data;
	struct vsvm_queue *queue;
	int err;

	if (args->flags || (!args->fence_address && args->fence_value))
		return -EINVAL;
	err = vsvm_array_check(&args->commands, VSVM_MAX_COMMANDS);
	if (err)
		return err;
	queue = vsvm_file_queue(f->driver_priv, args->queue_id);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	if (args->commands.count) {
		commands = vsvm_array_read(&args->commands, sizeof(*commands));
		if (IS_ERR(commands)) {
			err = PTR_ERR(commands);
			commands = NULL;
			goto out;
		}
	}
	err = vsvm_submit_check(args, commands);
	if (!err)
		err = vsvm_submit_heap(f->driver_priv, args, commands);
	if (!err)
		err = vsvm_queue_submit(queue, commands, args->commands.count,
					args->fence_address, args->fence_value,
					&args->sequence);
out:
	kvfree(commands);
	vsvm_queue_put(queue);
	/* It has gone with the device */
	if (err == -ENOENT && READ_ONCE(to_vsvm(drm)->gone))
		err = -ENODEV;
	return err;
}

int vsvm_ioctl_wait_user_fence(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_wait_user_fence *args = data;
	struct vsvm_device *vdev = to_vsvm(drm);
	struct vsvm_file *file = f->driver_priv;
	struct vsvm_queue *queue = NULL;
	int err;

	if (args->flags || args->pad || args->address % 8 ||
	    args->compare > VSVM_COMPARE_LT)
		return -EINVAL;
	if (args->queue_id) {
		queue = vsvm_file_queue(file, args->queue_id);
		if (IS_ERR(queue))
			return PTR_ERR(queue);
	}
	err = vsvm_wait_user_fence(queue, &file->wait, args, &vdev->gone);
	if (queue)
		vsvm_queue_put(queue);
	return err;
}
