// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device: its rooms are set up when it is bound and taken down when it is
 * unbound, whatever its users are doing at that moment.
 */
#include <linux/cc_platform.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/swiotlb.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "exec/exec.h"
#include "heap/heap.h"
#include "mem/mem.h"
#include "vm/vm.h"

static const struct drm_ioctl_desc vsvm_ioctls[] = {
	DRM_IOCTL_DEF_DRV(VSVM_DEV_QUERY, vsvm_ioctl_dev_query, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_VM_CREATE, vsvm_ioctl_vm_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_VM_DESTROY, vsvm_ioctl_vm_destroy, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_VM_BIND, vsvm_ioctl_vm_bind, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_VM_STATE, vsvm_ioctl_vm_state, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_VM_FAULTS, vsvm_ioctl_vm_faults, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_VM_STATS, vsvm_ioctl_vm_stats, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_QUEUE_CREATE, vsvm_ioctl_queue_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_QUEUE_DESTROY, vsvm_ioctl_queue_destroy, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_QUEUE_QUERY, vsvm_ioctl_queue_query, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_SUBMIT, vsvm_ioctl_submit, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_WAIT_USER_FENCE, vsvm_ioctl_wait_user_fence,
			  DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_BO_CREATE, vsvm_ioctl_bo_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_BO_INFO, vsvm_ioctl_bo_info, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_BO_MMAP_OFFSET, vsvm_ioctl_bo_mmap_offset,
			  DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_BO_ADVISE, vsvm_ioctl_bo_advise, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_SVM_ATTR, vsvm_ioctl_svm_attr, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_HEAP_GROW, vsvm_ioctl_heap_grow, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_HEAP_SHRINK, vsvm_ioctl_heap_shrink, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_HEAP_QUERY, vsvm_ioctl_heap_query, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_HEAP_ALLOC, vsvm_ioctl_heap_alloc, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VSVM_BO_SYNC, vsvm_ioctl_bo_sync, DRM_RENDER_ALLOW),
};

static const struct file_operations vsvm_fops = {
	.owner = THIS_MODULE,
	DRM_GEM_FOPS,
	.show_fdinfo = drm_show_fdinfo,
};

static const struct drm_driver vsvm_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER,
	.open = vsvm_file_open,
	.postclose = vsvm_file_close,
	.show_fdinfo = vsvm_file_show_fdinfo,
	.ioctls = vsvm_ioctls,
	.num_ioctls = ARRAY_SIZE(vsvm_ioctls),
	.fops = &vsvm_fops,
	.gem_prime_import_sg_table = vsvm_gem_import,
	.name = "vsvm",
	.desc = "Virtual accelerator with shared virtual memory",
	.major = 0,
	.minor = 1,
};

/* The hardware's interrupt */
static void vsvm_irq(void *priv, u32 causes)
{
	struct vsvm_device *vdev = priv;

	if (causes & VSVM_HW_IRQ_EVENT)
		vsvm_exec_event_irq(vdev->exec);
	if (causes & VSVM_HW_IRQ_FAULT)
		vsvm_vmm_fault_irq(vdev->vmm);
	if (causes & VSVM_HW_IRQ_COPY)
		vsvm_mem_copy_irq(vdev->mem);
	if (causes & VSVM_HW_IRQ_MAILBOX)
		vsvm_heaps_irq(vdev->heaps);
}

/*
 * The accelerator reaches memory by physical address and cannot be told of
 * bounce buffers: refuse a machine that would put something in between.
 */
static int vsvm_check_dma(struct device *dev)
{
	dma_addr_t bus;
	void *cpu;
	int err;

	/* What an encrypted guest shares with devices is bounced too */
	if (is_swiotlb_force_bounce(dev) || cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		dev_err(dev, "memory of processes would be copied through bounce buffers (swiotlb=force, or an encrypted guest)\n");
		return -EOPNOTSUPP;
	}
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	dma_set_max_seg_size(dev, UINT_MAX);
	cpu = dma_alloc_coherent(dev, PAGE_SIZE, &bus, GFP_KERNEL);
	if (!cpu)
		return -ENOMEM;
	if (get_dma_ops(dev) || dma_to_phys(dev, bus) != virt_to_phys(cpu)) {
		dev_err(dev, "bus addresses are not physical ones (an IOMMU?)\n");
		err = -EOPNOTSUPP;
	}
	dma_free_coherent(dev, PAGE_SIZE, cpu, bus);
	return err;
}

static void vsvm_rooms_destroy(struct drm_device *drm, void *arg)
{
	struct vsvm_device *vdev = arg;

	if (!IS_ERR_OR_NULL(vdev->vmm))
		vsvm_vmm_destroy(vdev->vmm);
	if (vdev->exec)
		vsvm_exec_destroy(vdev->exec);
	if (!IS_ERR_OR_NULL(vdev->heaps))
		vsvm_heaps_destroy(vdev->heaps);
	if (!IS_ERR_OR_NULL(vdev->mem))
		vsvm_mem_destroy(vdev->mem);
	mutex_destroy(&vdev->files_lock);
}

/* What open files may still touch when the hardware has gone; freed with the last of them */
static int vsvm_rooms_create(struct vsvm_device *vdev)
{
	struct vsvm_heap_config heap_config;
	struct vsvm_mem_config mem_config;
	struct vsvm_vmm_config config;
	int err;

	init_rwsem(&vdev->lock);
	mutex_init(&vdev->files_lock);
	INIT_LIST_HEAD(&vdev->files);
	err = drmm_add_action_or_reset(&vdev->drm, vsvm_rooms_destroy, vdev);
	if (err)
		return err;
	vsvm_params_mem(&mem_config);
	vdev->mem = vsvm_mem_create(&vdev->drm, &mem_config);
	if (IS_ERR(vdev->mem))
		return PTR_ERR(vdev->mem);
	vsvm_params_heap(&heap_config);
	vdev->heaps = vsvm_heaps_create(&vdev->drm, &heap_config);
	if (IS_ERR(vdev->heaps))
		return PTR_ERR(vdev->heaps);
	vdev->exec = vsvm_exec_create();
	if (!vdev->exec)
		return -ENOMEM;
	vsvm_params_vmm(&config);
	vdev->vmm = vsvm_vmm_create(&vdev->drm, &config);
	return PTR_ERR_OR_ZERO(vdev->vmm);
}

static int vsvm_probe(struct platform_device *pdev)
{
	struct vsvm_hw_config config;
	struct vsvm_device *vdev;
	int err;

	err = vsvm_params_check();
	if (err)
		return err;
	err = vsvm_check_dma(&pdev->dev);
	if (err)
		return err;
	vdev = devm_drm_dev_alloc(&pdev->dev, &vsvm_driver, struct vsvm_device, drm);
	if (IS_ERR(vdev))
		return PTR_ERR(vdev);
	platform_set_drvdata(pdev, vdev);
	err = vsvm_rooms_create(vdev);
	if (err)
		return err;

	vsvm_params_hw(&config);
	vdev->hw = vsvm_hw_create(&pdev->dev, &config, vsvm_irq, vdev);
	if (IS_ERR(vdev->hw))
		return PTR_ERR(vdev->hw);
	err = vsvm_mem_start(vdev->mem, vdev->hw);
	if (err)
		goto err_hw;
	vsvm_vmm_start(vdev->vmm, vdev->hw, vdev->mem);
	vsvm_exec_start(vdev->exec, vdev->hw, config.engines);
	vsvm_heaps_start(vdev->heaps, vdev->hw);

	err = drm_dev_register(&vdev->drm, 0);
	if (err)
		goto err_stop;
	vsvm_debugfs_init(vdev);
	return 0;

err_stop:
	vsvm_heaps_stop(vdev->heaps);
	vsvm_vmm_stop(vdev->vmm);
	vsvm_mem_stop(vdev->mem);
err_hw:
	vsvm_hw_destroy(vdev->hw);
	return err;
}

static void vsvm_remove(struct platform_device *pdev)
{
	struct vsvm_device *vdev = platform_get_drvdata(pdev);
	struct vsvm_file *file;

	drm_dev_unplug(&vdev->drm);

	/* From here on no object is made and nobody asks the hardware */
	down_write(&vdev->lock);
	WRITE_ONCE(vdev->gone, true);
	up_write(&vdev->lock);

	mutex_lock(&vdev->files_lock);
	list_for_each_entry(file, &vdev->files, link) {
		vsvm_file_end_objects(file);
		wake_up_all(&file->wait);
	}
	mutex_unlock(&vdev->files_lock);

	vsvm_heaps_stop(vdev->heaps);
	vsvm_vmm_stop(vdev->vmm);
	vsvm_mem_stop(vdev->mem);
	vsvm_hw_destroy(vdev->hw);
}

struct platform_driver vsvm_platform_driver = {
	.probe = vsvm_probe,
	.remove = vsvm_remove,
	.driver = {
		.name = "vsvm",
	},
};
