/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_DRV_H_
#define _VSVM_DRV_H_

#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>

#include "hw/hw.h"

#define VSVM_MAX_BIND_OPS	1024
#define VSVM_MAX_COMMANDS	64
#define VSVM_MAX_QUEUES		1024
#define VSVM_MAX_VMS		256
#define VSVM_MAX_PREFETCH	VSVM_VM_MAX_PREFETCH
#define VSVM_MAX_ATTRS		64
#define VSVM_MAX_STATE_PAGES	BIT(20)

struct dma_buf_attachment;
struct drm_file;
struct drm_gem_object;
struct drm_printer;
struct drm_vsvm_array;
struct seq_file;
struct sg_table;
struct vsvm_exec;
struct vsvm_heap;
struct vsvm_heap_context;
struct vsvm_heaps;
struct vsvm_mem;
struct vsvm_queue;
struct vsvm_vm;
struct vsvm_vmm;

/**
 * struct vsvm_device - the device
 * @drm: base
 * @hw: hardware; NULL once it is gone, under @lock
 * @mem: device memory
 * @vmm: address spaces
 * @exec: queues
 * @heaps: growable heaps
 * @lock: read by whoever makes an object or asks the hardware, written by
 *	whoever takes the device away.  Outermost.
 * @gone: it has been taken away; written under @lock
 * @files: all open files, under @files_lock
 * @files_lock: guards @files; inside @lock
 */
struct vsvm_device {
	struct drm_device drm;
	struct vsvm_hw *hw;
	struct vsvm_mem *mem;
	struct vsvm_vmm *vmm;
	struct vsvm_exec *exec;
	struct vsvm_heaps *heaps;
	struct rw_semaphore lock;
	bool gone;
	struct list_head files;
	struct mutex files_lock;	/* guards @files */
};

/**
 * struct vsvm_file - an open file
 * @vdev: device
 * @link: on &vsvm_device.files
 * @lock: serialises making and ending objects; guards @vms, @queues and
 *	@heap_contexts, of which the lookup takes a reference under the xarray's
 *	own lock.  Inside &vsvm_device.files_lock.
 * @vms: address spaces by id
 * @queues: queues by id
 * @heap_contexts: those of queues that take the heap up, by id of the queue
 * @heap: growable heap; NULL before it is first used; set once, under @lock
 * @wait: news of any queue
 */
struct vsvm_file {
	struct vsvm_device *vdev;
	struct list_head link;
	struct mutex lock;	/* making and ending objects */
	struct xarray vms;
	struct xarray queues;
	struct xarray heap_contexts;
	struct vsvm_heap *heap;
	wait_queue_head_t wait;
};

static inline struct vsvm_device *to_vsvm(struct drm_device *drm)
{
	return container_of(drm, struct vsvm_device, drm);
}

/* file.c */
int vsvm_file_open(struct drm_device *drm, struct drm_file *drm_file);
void vsvm_file_close(struct drm_device *drm, struct drm_file *drm_file);
void vsvm_file_end_objects(struct vsvm_file *file);
void vsvm_file_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file);
struct vsvm_vm *vsvm_file_vm(struct vsvm_file *file, u32 id);
struct vsvm_queue *vsvm_file_queue(struct vsvm_file *file, u32 id);
void vsvm_file_end_queue(struct vsvm_file *file, u32 id, struct vsvm_queue *queue);
struct vsvm_heap_context *vsvm_file_heap_context(struct vsvm_file *file, u32 id);

/* array.c */
int vsvm_array_check(const struct drm_vsvm_array *array, u32 max);
void *vsvm_array_read(const struct drm_vsvm_array *array, size_t size);
int vsvm_array_write(const struct drm_vsvm_array *array, const void *elements,
		     size_t size, u32 count);
int vsvm_struct_write(u64 pointer, u32 *size, const void *data, size_t have);

/* ioctl_*.c */
int vsvm_ioctl_dev_query(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_vm_create(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_vm_destroy(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_vm_bind(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_vm_state(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_vm_faults(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_vm_stats(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_bo_mmap_offset(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_bo_advise(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_svm_attr(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_queue_query(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_wait_user_fence(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_heap_grow(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_heap_shrink(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_heap_query(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_heap_alloc(struct drm_device *drm, void *data, struct drm_file *f);
int vsvm_ioctl_bo_sync(struct drm_device *drm, void *data, struct drm_file *f);

struct drm_gem_object *vsvm_gem_import(struct drm_device *drm,
				       struct dma_buf_attachment *attach,
				       struct sg_table *sgt);

/* params.c */
void vsvm_params_hw(struct vsvm_hw_config *config);
struct vsvm_vmm_config;
void vsvm_params_vmm(struct vsvm_vmm_config *config);
struct vsvm_mem_config;
void vsvm_params_mem(struct vsvm_mem_config *config);
struct vsvm_heap_config;
void vsvm_params_heap(struct vsvm_heap_config *config);
int vsvm_params_check(void);

/* debugfs.c, debugfs_attr.c */
void vsvm_debugfs_init(struct vsvm_device *vdev);
void vsvm_debugfs_attr_init(struct vsvm_device *vdev);

/* device.c */
extern struct platform_driver vsvm_platform_driver;

#endif
