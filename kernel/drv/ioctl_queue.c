// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls on queues, and the wait.
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "exec/exec.h"
#include "vm/vm.h"

int vsvm_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct vsvm_device *vdev = to_vsvm(drm);
	struct drm_vsvm_queue_create *args = data;
	struct vsvm_file *file = f->driver_priv;
	struct vsvm_queue *queue;
	struct vsvm_vm *vm;
	u32 id;
	int err;

	if (args->flags || args->priority || args->pad)
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
		vsvm_queue_kill(queue);
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
