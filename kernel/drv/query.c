// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space can ask about the device.
 */
#include <drm/drm_file.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "heap/heap.h"
#include "mem/mem.h"
#include "vm/vm.h"

/* What there is to tell; the device is there and stays until it has been told */
union vsvm_query {
	struct drm_vsvm_dev_info info;
	struct drm_vsvm_dev_counters counters;
};

static size_t vsvm_query_info(struct vsvm_device *vdev, struct drm_vsvm_dev_info *info)
{
	const struct vsvm_hw_config *hw = vsvm_hw_config(vdev->hw);

	*info = (struct drm_vsvm_dev_info) {
		.contract = DRM_VSVM_CONTRACT,
		.engines = hw->engines,
		.caps = DRM_VSVM_CAP_FAULT | DRM_VSVM_CAP_HEAP |
			(vsvm_mem_present(vdev->mem) ? DRM_VSVM_CAP_VRAM : 0) |
			DRM_VSVM_CAP_SVM_ATTR,
		.va_bits = VSVM_HW_VA_BITS,
		.page_shift = VSVM_HW_PAGE_SHIFT,
		.huge_shift = VSVM_HW_HUGE_SHIFT,
		.notifier_size = vsvm_vmm_config(vdev->vmm)->notifier_size,
		.packet_set = GENMASK_ULL(VSVM_PACKET_ADD, VSVM_PACKET_NOP),
		.max_bind_ops = VSVM_MAX_BIND_OPS,
		.max_commands = VSVM_MAX_COMMANDS,
		.max_queues = VSVM_MAX_QUEUES,
		.max_pages = VSVM_MAX_STATE_PAGES,
		.fault_entries = hw->fault_entries,
		.queue_depth = hw->queue_depth,
		.max_vms = VSVM_MAX_VMS,
		.max_userptr_ranges = VSVM_MAX_USERPTR_RANGES,
		.max_userptr_bytes = VSVM_MAX_USERPTR_BYTES,
		.max_attrs = VSVM_MAX_ATTRS,
		.heap_base = VSVM_HEAP_BASE,
		.heap_chunk = VSVM_HEAP_CHUNK,
		.heap_maximum = vsvm_heaps_config(vdev->heaps)->maximum,
	};

	vsvm_mem_usage(vdev->mem, &info->vram_bytes, &info->vram_used);
	return sizeof(*info);
}

static size_t vsvm_query_counters(struct vsvm_device *vdev,
				  struct drm_vsvm_dev_counters *out)
{
	struct vsvm_hw_counters c;

	vsvm_hw_counters(vdev->hw, &c);
	*out = (struct drm_vsvm_dev_counters) {
		.blocks = c.blocks,
		.bytes = c.bytes,
		.packets = c.packets,
		.tlb_hits = c.tlb_hits,
		.tlb_misses = c.tlb_misses,
		.tlb_invalidations = c.tlb_invalidations,
		.faults = c.faults,
		.fault_buffer_full = c.fault_buffer_full,
		.stale_translations = c.stale_translations,
		.returned_pages = vsvm_mem_stat(vdev->mem, VSVM_MEM_RETURNED_PAGES),
		.returns = vsvm_mem_stat(vdev->mem, VSVM_MEM_RETURNS),
		.return_fallbacks = vsvm_mem_stat(vdev->mem, VSVM_MEM_RETURN_FALLBACKS),
		.evicted_pages = vsvm_mem_stat(vdev->mem, VSVM_MEM_EVICTED_PAGES),
		.evicted_chunks = vsvm_mem_stat(vdev->mem, VSVM_MEM_EVICTED_CHUNKS),
		.evicted_bos = vsvm_mem_stat(vdev->mem, VSVM_MEM_EVICTED_BOS),
		.copies = vsvm_mem_stat(vdev->mem, VSVM_MEM_COPIES),
		.copied_bytes = vsvm_mem_stat(vdev->mem, VSVM_MEM_COPIED_BYTES),
		.copy_errors = vsvm_mem_stat(vdev->mem, VSVM_MEM_COPY_ERRORS),
	};
	return sizeof(*out);
}

int vsvm_ioctl_dev_query(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_dev_query *args = data;
	struct vsvm_device *vdev = to_vsvm(drm);
	union vsvm_query query;
	size_t size = 0;
	int err = 0;

	down_read(&vdev->lock);
	if (vdev->gone)
		err = -ENODEV;
	else if (args->type == DRM_VSVM_DEV_QUERY_INFO)
		size = vsvm_query_info(vdev, &query.info);
	else if (args->type == DRM_VSVM_DEV_QUERY_COUNTERS)
		size = vsvm_query_counters(vdev, &query.counters);
	else
		err = -EINVAL;
	up_read(&vdev->lock);
	/* The process decides how long this takes: nobody is to wait for it */
	return err ?: vsvm_struct_write(args->pointer, &args->size, &query, size);
}
