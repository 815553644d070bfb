// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls on address spaces: check what came, look the object up, do.
 */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "exec/exec.h"
#include "vm/vm.h"

/* Pages whose state is looked up at once, under one lock */
#define VSVM_STATE_CHUNK	1024

int vsvm_ioctl_vm_create(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct vsvm_device *vdev = to_vsvm(drm);
	struct vsvm_file *file = f->driver_priv;
	struct drm_vsvm_vm_create *args = data;
	struct vsvm_vm *vm;
	u32 id;
	int err;

	if (args->flags & ~(DRM_VSVM_VM_FAULT_MODE | DRM_VSVM_VM_RECORD_ALL |
			    DRM_VSVM_VM_EXCLUSIVE_ATOMICS) ||
	    !(args->flags & DRM_VSVM_VM_FAULT_MODE))
		return -EINVAL;

	down_read(&vdev->lock);
	if (vdev->gone) {
		err = -ENODEV;
		goto out;
	}
	mutex_lock(&file->lock);
	err = xa_alloc(&file->vms, &id, NULL, XA_LIMIT(1, VSVM_MAX_VMS),
		       GFP_KERNEL_ACCOUNT);
	if (err) {
		err = err == -EBUSY ? -ENOSPC : err;
		goto unlock;
	}
	vm = vsvm_vm_create(vdev->vmm, args->flags);
	if (IS_ERR(vm)) {
		err = PTR_ERR(vm);
		xa_erase(&file->vms, id);
		goto unlock;
	}
	xa_store(&file->vms, id, vm, GFP_KERNEL_ACCOUNT);
	args->vm_id = id;
unlock:
	mutex_unlock(&file->lock);
out:
	up_read(&vdev->lock);
	return err;
}

int vsvm_ioctl_vm_destroy(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_vm_destroy *args = data;
	struct vsvm_file *file = f->driver_priv;
	struct vsvm_queue *queue;
	struct vsvm_vm *vm;
	unsigned long id;
	int err = 0;

	if (args->pad)
		return -EINVAL;
	mutex_lock(&file->lock);
	vm = xa_load(&file->vms, args->vm_id);
	if (!vm) {
		err = -ENOENT;
	} else if (!vsvm_vm_is_mine(vm)) {
		err = -EPERM;
	} else {
		xa_for_each(&file->queues, id, queue)
			if (vsvm_queue_uses(queue, vm))
				err = -EBUSY;
	}
	if (!err) {
		xa_erase(&file->vms, args->vm_id);
		/* Under the lock: the end of the device must wait for it */
		vsvm_vm_close(vm);
	}
	mutex_unlock(&file->lock);
	return err;
}

int vsvm_ioctl_vm_bind(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_vm_bind *args = data;
	struct drm_gem_object **gems = NULL;
	struct drm_vsvm_bind_op *ops;
	struct vsvm_vm *vm;
	u32 i;
	int err;

	if (args->flags || args->pad)
		return -EINVAL;
	args->failed_op = ~0u;
	err = vsvm_array_check(&args->ops, VSVM_MAX_BIND_OPS);
	if (err)
		return err;
	if (!args->ops.count)
		return -EINVAL;
	/* Before there is a reference that the end of the address space waits for */
	ops = vsvm_array_read(&args->ops, sizeof(*ops));
	if (IS_ERR(ops))
		return PTR_ERR(ops);
	vm = vsvm_file_vm(f->driver_priv, args->vm_id);
	if (IS_ERR(vm)) {
		kvfree(ops);
		return PTR_ERR(vm);
	}
	gems = kvzalloc_objs(*gems, args->ops.count, GFP_KERNEL_ACCOUNT);
	err = gems ? 0 : -ENOMEM;
	for (i = 0; i < args->ops.count && !err; i++) {
		if (ops[i].op == DRM_VSVM_BIND_PREFETCH &&
		    ops[i].size > VSVM_MAX_PREFETCH) {
			args->failed_op = i;
			err = -E2BIG;
		}
		if (ops[i].op != DRM_VSVM_BIND_MAP_BO)
			continue;
		gems[i] = drm_gem_object_lookup(f, ops[i].handle);
		if (!gems[i]) {
			args->failed_op = i;
			err = -ENOENT;
		}
	}
	if (!err)
		err = vsvm_vm_bind(vm, ops, gems, args->ops.count, &args->failed_op);
	for (i = 0; gems && i < args->ops.count; i++)
		if (gems[i])
			drm_gem_object_put(gems[i]);
	kvfree(gems);
	kvfree(ops);
	vsvm_vm_put(vm);
	return err;
}

int vsvm_ioctl_vm_state(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_vm_state *args = data;
	u32 __user *to = u64_to_user_ptr(args->pages);
	struct vsvm_vm *vm;
	u64 end, done, npages;
	u32 *state;
	int err = 0;

	if (args->flags || !args->size || !PAGE_ALIGNED(args->address | args->size) ||
	    check_add_overflow(args->address, args->size, &end) ||
	    end > BIT_ULL(VSVM_HW_VA_BITS))
		return -EINVAL;
	npages = args->size >> PAGE_SHIFT;
	if (npages > VSVM_MAX_STATE_PAGES)
		return -E2BIG;
	vm = vsvm_file_vm(f->driver_priv, args->vm_id);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	state = kvmalloc_objs(*state, npages, GFP_KERNEL_ACCOUNT);
	if (!state)
		err = -ENOMEM;
	for (done = 0; done < npages && !err; done += VSVM_STATE_CHUNK) {
		u32 n = min(npages - done, VSVM_STATE_CHUNK);

		vsvm_vm_state(vm, args->address + (done << PAGE_SHIFT), n, state + done);
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	vsvm_vm_put(vm);
	if (!err && copy_to_user(to, state, npages * sizeof(*state)))
		err = -EFAULT;
	kvfree(state);
	return err;
}

int vsvm_ioctl_vm_faults(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_vm_faults *args = data;
	struct drm_vsvm_fault *records;
	struct vsvm_vm *vm;
	u64 lost, last;
	u32 max, n = 0;
	int err;

	if (args->flags)
		return -EINVAL;
	err = vsvm_array_check(&args->records, U32_MAX);
	if (err)
		return err;
	vm = vsvm_file_vm(f->driver_priv, args->vm_id);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	max = min_t(u32, args->records.count, VSVM_VM_RECORDS);
	records = kvcalloc(max(max, 1u), sizeof(*records), GFP_KERNEL_ACCOUNT);
	if (records)
		n = vsvm_vm_records(vm, args->since, records, max, &lost, &last);
	vsvm_vm_put(vm);
	if (!records)
		return -ENOMEM;
	err = vsvm_array_write(&args->records, records, sizeof(*records), n);
	kvfree(records);
	if (err)
		return err;
	args->records.count = n;
	args->lost = lost;
	args->last = last;
	return 0;
}

int vsvm_ioctl_vm_stats(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_vm_stats *args = data;
	struct drm_vsvm_stats stats;
	struct vsvm_vm *vm;

	vm = vsvm_file_vm(f->driver_priv, args->vm_id);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	vsvm_vm_stats(vm, &stats);
	vsvm_vm_put(vm);
	return vsvm_struct_write(args->pointer, &args->size, &stats, sizeof(stats));
}
