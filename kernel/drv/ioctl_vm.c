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
#include "heap/heap.h"
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

/**
 * struct vsvm_bind_ioctl - a VM_BIND under way
 * @args: the ioctl's
 * @count: of operations
 * @ops: operations
 * @ranges: of each, or NULL
 * @gems: buffer object of each, or NULL
 * @batches: batch of each, or NULL
 */
struct vsvm_bind_ioctl {
	struct drm_vsvm_vm_bind *args;
	u32 count;
	struct drm_vsvm_bind_op *ops;
	struct drm_vsvm_userptr_range **ranges;
	struct drm_gem_object **gems;
	struct vsvm_userptr_batch **batches;
};

static void vsvm_bind_free(struct vsvm_bind_ioctl *b)
{
	u32 i;

	for (i = 0; i < b->count; i++) {
		if (b->ranges)
			kvfree(b->ranges[i]);
		if (b->gems && b->gems[i])
			drm_gem_object_put(b->gems[i]);
		if (b->batches)
			vsvm_vm_batch_put(b->batches[i]);
	}
	kvfree(b->batches);
	kvfree(b->gems);
	kvfree(b->ranges);
	kvfree(b->ops);
}

/* Read all that user space has passed; it may take as long as it likes for that */
static int vsvm_bind_read(struct vsvm_bind_ioctl *b)
{
	u32 i, left = VSVM_MAX_USERPTR_RANGES;
	void *elements;
	int err;

	elements = vsvm_array_read(&b->args->ops, sizeof(*b->ops));
	if (IS_ERR(elements))
		return PTR_ERR(elements);
	b->ops = elements;
	b->ranges = kvzalloc_objs(*b->ranges, b->count, GFP_KERNEL_ACCOUNT);
	b->gems = kvzalloc_objs(*b->gems, b->count, GFP_KERNEL_ACCOUNT);
	b->batches = kvzalloc_objs(*b->batches, b->count, GFP_KERNEL_ACCOUNT);
	if (!b->ranges || !b->gems || !b->batches)
		return -ENOMEM;
	for (i = 0; i < b->count; i++) {
		const struct drm_vsvm_array *array = &b->ops[i].ranges;

		if (b->ops[i].op != DRM_VSVM_BIND_MAP_USERPTR)
			continue;
		b->args->failed_op = i;
		err = vsvm_array_check(array, left);
		if (err || !array->count)
			return err ?: -EINVAL;
		elements = vsvm_array_read(array, sizeof(**b->ranges));
		if (IS_ERR(elements))
			return PTR_ERR(elements);
		b->ranges[i] = elements;
		left -= array->count;
	}
	b->args->failed_op = ~0u;
	return 0;
}

/* What an operation names */
static int vsvm_bind_lookup(struct vsvm_bind_ioctl *b, struct vsvm_vm *vm,
			    struct drm_file *f, u32 i)
{
	const struct drm_vsvm_bind_op *op = &b->ops[i];
	struct vsvm_userptr_batch *batch;

	switch (op->op) {
	case DRM_VSVM_BIND_PREFETCH:
		return op->size > VSVM_MAX_PREFETCH ? -E2BIG : 0;
	case DRM_VSVM_BIND_MAP_BO:
		b->gems[i] = drm_gem_object_lookup(f, op->handle);
		if (!b->gems[i])
			return -ENOENT;
		/* One of a heap has its address */
		return vsvm_heap_bo_check(b->gems[i]) ? -EOPNOTSUPP : 0;
	case DRM_VSVM_BIND_MAP_USERPTR:
		batch = vsvm_vm_batch_create(vm, op, b->ranges[i], op->ranges.count,
					     &b->args->failed_range);
		if (IS_ERR(batch))
			return PTR_ERR(batch);
		b->batches[i] = batch;
		return 0;
	default:
		return 0;
	}
}

int vsvm_ioctl_vm_bind(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_vm_bind *args = data;
	struct vsvm_bind_ioctl b = { .args = args, .count = args->ops.count };
	struct vsvm_vm *vm;
	int err;
	u32 i;

	if (args->flags)
		return -EINVAL;
	args->failed_op = ~0u;
	args->failed_range = ~0u;
	err = vsvm_array_check(&args->ops, VSVM_MAX_BIND_OPS);
	if (err)
		return err;
	if (!b.count)
		return -EINVAL;
	/* Before there is a reference that the end of the address space waits for */
	err = vsvm_bind_read(&b);
	if (err) {
		vsvm_bind_free(&b);
		return err;
	}
	vm = vsvm_file_vm(f->driver_priv, args->vm_id);
	if (IS_ERR(vm)) {
		vsvm_bind_free(&b);
		return PTR_ERR(vm);
	}
	for (i = 0; i < b.count && !err; i++) {
		err = vsvm_bind_lookup(&b, vm, f, i);
		if (err)
			args->failed_op = i;
	}
	if (!err)
		err = vsvm_vm_bind(vm, b.ops, b.gems, b.batches, b.count,
				   &args->failed_op);
	/* Batches go before the address space may */
	vsvm_bind_free(&b);
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
