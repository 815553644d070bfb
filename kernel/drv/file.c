// SPDX-License-Identifier: GPL-2.0-only
/*
 * An open file and the objects that belong to it.
 *
 * Whoever takes an object out of its table ends it: an ioctl, the end of the
 * file, or the end of the device, whichever comes first.
 */
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "exec/exec.h"
#include "heap/heap.h"
#include "mem/bo.h"
#include "vm/vm.h"

int vsvm_file_open(struct drm_device *drm, struct drm_file *drm_file)
{
	struct vsvm_device *vdev = to_vsvm(drm);
	struct vsvm_file *file = kzalloc_obj(*file, GFP_KERNEL_ACCOUNT);

	if (!file)
		return -ENOMEM;
	file->vdev = vdev;
	mutex_init(&file->lock);
	xa_init_flags(&file->vms, XA_FLAGS_ALLOC1);
	xa_init_flags(&file->queues, XA_FLAGS_ALLOC1);
	xa_init(&file->heap_contexts);
	init_waitqueue_head(&file->wait);
	drm_file->driver_priv = file;

	mutex_lock(&vdev->files_lock);
	list_add(&file->link, &vdev->files);
	mutex_unlock(&vdev->files_lock);
	return 0;
}

/**
 * vsvm_file_end_queue() - end a queue that has been taken out of the table
 * @file: file, its lock held
 * @id: the queue's
 * @queue: queue
 *
 * May sleep.
 */
void vsvm_file_end_queue(struct vsvm_file *file, u32 id, struct vsvm_queue *queue)
{
	struct vsvm_heap_context *context = xa_erase(&file->heap_contexts, id);

	vsvm_queue_kill(queue);
	/* The hardware has let go: only now its memory may go */
	if (context)
		vsvm_heap_detach(context);
}

/**
 * vsvm_file_end_objects() - end all queues and address spaces of a file
 * @file: file
 *
 * May sleep.
 */
void vsvm_file_end_objects(struct vsvm_file *file)
{
	struct vsvm_queue *queue;
	struct vsvm_vm *vm;
	unsigned long id;

	mutex_lock(&file->lock);
	xa_for_each(&file->queues, id, queue)
		if (xa_erase(&file->queues, id))
			vsvm_file_end_queue(file, id, queue);
	xa_for_each(&file->vms, id, vm)
		if (xa_erase(&file->vms, id))
			vsvm_vm_close(vm);
	mutex_unlock(&file->lock);
}

void vsvm_file_close(struct drm_device *drm, struct drm_file *drm_file)
{
	struct vsvm_file *file = drm_file->driver_priv;
	struct vsvm_device *vdev = to_vsvm(drm);

	/* While the end of the device can still see the file, and wait for it */
	vsvm_file_end_objects(file);
	mutex_lock(&vdev->files_lock);
	list_del(&file->link);
	mutex_unlock(&vdev->files_lock);
	xa_destroy(&file->vms);
	xa_destroy(&file->queues);
	xa_destroy(&file->heap_contexts);
	/* Objects that are still mapped have references of their own */
	if (file->heap)
		vsvm_heap_put(file->heap);
	mutex_destroy(&file->lock);
	kfree(file);
}

void vsvm_file_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file)
{
	struct vsvm_file *file = drm_file->driver_priv;
	struct drm_vsvm_stats stats;
	u64 mapped = 0, tables = 0, faults = 0;
	struct vsvm_vm *vm;
	unsigned long id, vms = 0, queues = 0;
	void *queue;

	mutex_lock(&file->lock);
	xa_for_each(&file->queues, id, queue)
		queues++;
	xa_for_each(&file->vms, id, vm) {
		vms++;
		vsvm_vm_stats(vm, &stats);
		mapped += (stats.resident_4k << VSVM_HW_PAGE_SHIFT) +
			(stats.resident_2m << VSVM_HW_HUGE_SHIFT);
		tables += stats.table_bytes;
		faults += stats.faults;
	}
	mutex_unlock(&file->lock);
	vsvm_bo_show_fdinfo(p, drm_file);
	if (READ_ONCE(file->heap))
		vsvm_heap_show_fdinfo(p, file->heap);
	drm_printf(p, "vsvm-vms:\t%lu\n", vms);
	drm_printf(p, "vsvm-queues:\t%lu\n", queues);
	drm_printf(p, "vsvm-mapped:\t%llu KiB\n", mapped >> 10);
	drm_printf(p, "vsvm-tables:\t%llu KiB\n", tables >> 10);
	drm_printf(p, "vsvm-faults:\t%llu\n", faults);
}

/**
 * vsvm_file_vm() - look an address space up
 * @file: file
 * @id: its id
 *
 * Return: it with a reference, or an ERR_PTR(): -ENOENT, -EPERM if it belongs
 * to another process.
 */
struct vsvm_vm *vsvm_file_vm(struct vsvm_file *file, u32 id)
{
	struct vsvm_vm *vm;

	xa_lock(&file->vms);
	vm = xa_load(&file->vms, id);
	if (!vm || !vsvm_vm_get(vm))
		vm = ERR_PTR(-ENOENT);
	xa_unlock(&file->vms);
	if (!IS_ERR(vm) && !vsvm_vm_is_mine(vm)) {
		vsvm_vm_put(vm);
		vm = ERR_PTR(-EPERM);
	}
	return vm;
}

/** vsvm_file_queue() - the same for a queue */
struct vsvm_queue *vsvm_file_queue(struct vsvm_file *file, u32 id)
{
	struct vsvm_queue *queue;

	xa_lock(&file->queues);
	queue = xa_load(&file->queues, id);
	if (queue)
		vsvm_queue_get(queue);
	else
		queue = ERR_PTR(-ENOENT);
	xa_unlock(&file->queues);
	if (!IS_ERR(queue) && !vsvm_queue_is_mine(queue)) {
		vsvm_queue_put(queue);
		queue = ERR_PTR(-EPERM);
	}
	return queue;
}

/** vsvm_file_heap_context() - heap context of a queue, with a reference; NULL if it has none */
struct vsvm_heap_context *vsvm_file_heap_context(struct vsvm_file *file, u32 id)
{
	struct vsvm_heap_context *context;

	if (xa_empty(&file->heap_contexts))
		return NULL;
	xa_lock(&file->heap_contexts);
	context = xa_load(&file->heap_contexts, id);
	if (context)
		vsvm_heap_context_get(context);
	xa_unlock(&file->heap_contexts);
	return context;
}
