// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: the hardware's counters, and its test knobs while it runs.
 */
#include <linux/debugfs.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_file.h>
#include <drm/drm_managed.h>

#include "drv/drv.h"
#include "heap/heap.h"
#include "mem/mem.h"

static int vsvm_debugfs_counters(struct seq_file *m, void *unused)
{
	struct drm_debugfs_entry *entry = m->private;
	struct vsvm_device *vdev = to_vsvm(entry->dev);
	struct vsvm_hw_counters c;

	down_read(&vdev->lock);
	if (vdev->gone) {
		up_read(&vdev->lock);
		return -ENODEV;
	}
	vsvm_hw_counters(vdev->hw, &c);
	up_read(&vdev->lock);
	seq_printf(m, "blocks %llu\nbytes %llu\npackets %llu\n", c.blocks, c.bytes,
		   c.packets);
	seq_printf(m, "tlb_hits %llu\ntlb_misses %llu\ntlb_invalidations %llu\n",
		   c.tlb_hits, c.tlb_misses, c.tlb_invalidations);
	seq_printf(m, "faults %llu\nfault_buffer_full %llu\n", c.faults,
		   c.fault_buffer_full);
	seq_printf(m, "stale_translations %llu\n", c.stale_translations);
	seq_printf(m, "copies %llu\ncopied_bytes %llu\n", c.copies, c.copied_bytes);
	return 0;
}

/**
 * struct vsvm_knob - a test knob that may be turned while the device runs
 * @name: of the file
 * @offset: of the u32 in &struct vsvm_hw_config; or
 * @mem: @which is one of device memory
 * @which: &enum vsvm_mem_knob
 * @max: largest value
 */
struct vsvm_knob {
	const char *name;
	size_t offset;
	bool mem;
	enum vsvm_mem_knob which;
	u32 max;
};

#define HW_KNOB(field, most) \
	{ .name = #field, .offset = offsetof(struct vsvm_hw_config, field), .max = (most) }
#define MEM_KNOB(file, knob, most) \
	{ .name = (file), .mem = true, .which = (knob), .max = (most) }

/* One for each type of message */
#define VSVM_MAILBOX_KNOB(kind, type, message, most)				\
	.name = "mailbox_" #kind "_" #type,					\
	.offset = offsetof(struct vsvm_hw_config, mailbox_##kind[VSVM_HW_##message]), \
	.max = (most)

static const struct vsvm_knob vsvm_knobs[] = {
	HW_KNOB(tlb_delay_us, 1000),
	HW_KNOB(copy_delay_us, 1000000),
	HW_KNOB(copy_fail, U32_MAX),
	HW_KNOB(paranoid, 1),
	MEM_KNOB("vram_fail", VSVM_MEM_VRAM_FAIL, U32_MAX),
	MEM_KNOB("return_fail", VSVM_MEM_RETURN_FAIL, U32_MAX),
	HW_KNOB(mailbox_skip, U32_MAX),
	{ VSVM_MAILBOX_KNOB(refuse, map, MAP_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(lose, map, MAP_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(mute, map, MAP_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(delay_us, map, MAP_HOST_BUFFER, 10000000) },
	{ VSVM_MAILBOX_KNOB(refuse, add, ADD_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(lose, add, ADD_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(mute, add, ADD_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(delay_us, add, ADD_HOST_BUFFER, 10000000) },
	{ VSVM_MAILBOX_KNOB(refuse, remove, REMOVE_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(lose, remove, REMOVE_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(mute, remove, REMOVE_HOST_BUFFER, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(delay_us, remove, REMOVE_HOST_BUFFER, 10000000) },
	{ VSVM_MAILBOX_KNOB(refuse, forget, FORGET_HOST_BUFFERS, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(lose, forget, FORGET_HOST_BUFFERS, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(mute, forget, FORGET_HOST_BUFFERS, U32_MAX) },
	{ VSVM_MAILBOX_KNOB(delay_us, forget, FORGET_HOST_BUFFERS, 10000000) },
};

/**
 * struct vsvm_knob_file - a knob of a device
 * @vdev: device
 * @knob: which
 */
struct vsvm_knob_file {
	struct vsvm_device *vdev;
	const struct vsvm_knob *knob;
};

static u32 *vsvm_knob_value(const struct vsvm_knob_file *file)
{
	if (file->knob->mem)
		return vsvm_mem_knob(file->vdev->mem, file->knob->which);
	return (void *)vsvm_hw_config(file->vdev->hw) + file->knob->offset;
}

static int vsvm_knob_get(void *data, u64 *value)
{
	const struct vsvm_knob_file *file = data;
	int err = 0;

	down_read(&file->vdev->lock);
	if (file->vdev->gone)
		err = -ENODEV;
	else
		*value = READ_ONCE(*vsvm_knob_value(file));
	up_read(&file->vdev->lock);
	return err;
}

static int vsvm_knob_set(void *data, u64 value)
{
	const struct vsvm_knob_file *file = data;
	int err = 0;

	if (value > file->knob->max)
		return -EINVAL;
	down_read(&file->vdev->lock);
	if (file->vdev->gone)
		err = -ENODEV;
	else
		WRITE_ONCE(*vsvm_knob_value(file), value);
	up_read(&file->vdev->lock);
	return err;
}

DEFINE_DEBUGFS_ATTRIBUTE(vsvm_knob_fops, vsvm_knob_get, vsvm_knob_set, "%llu\n");

/*
 * Restart the firmware, which forgets everything, and tell it again what it was
 * told: what a reset does for the heaps.  1: both; 0: restart it only.
 */
static int vsvm_heap_replay_set(void *data, u64 value)
{
	struct vsvm_device *vdev = data;
	int err = 0;

	if (value > 1)
		return -EINVAL;
	down_read(&vdev->lock);
	if (vdev->gone) {
		err = -ENODEV;
	} else {
		vsvm_hw_mailbox_reset(vdev->hw);
		if (value && vsvm_heaps_replay(vdev->heaps))
			err = -EIO;
	}
	up_read(&vdev->lock);
	return err;
}

DEFINE_DEBUGFS_ATTRIBUTE(vsvm_heap_replay_fops, NULL, vsvm_heap_replay_set, "%llu\n");

/** vsvm_debugfs_init() - make the files of a registered device */
void vsvm_debugfs_init(struct vsvm_device *vdev)
{
	struct vsvm_knob_file *files;
	unsigned int i;

	drm_debugfs_add_file(&vdev->drm, "counters", vsvm_debugfs_counters, NULL);
	vsvm_debugfs_attr_init(vdev);
	debugfs_create_file("heap_replay", 0200, vdev->drm.debugfs_root, vdev,
			    &vsvm_heap_replay_fops);
	debugfs_create_u32("firmware_timeout_ms", 0600, vdev->drm.debugfs_root,
			   &vsvm_heaps_config(vdev->heaps)->timeout_ms);
	files = drmm_kcalloc(&vdev->drm, ARRAY_SIZE(vsvm_knobs), sizeof(*files),
			     GFP_KERNEL);
	if (!files)
		return;
	for (i = 0; i < ARRAY_SIZE(vsvm_knobs); i++) {
		files[i].vdev = vdev;
		files[i].knob = &vsvm_knobs[i];
		debugfs_create_file(vsvm_knobs[i].name, 0600, vdev->drm.debugfs_root,
				    &files[i], &vsvm_knob_fops);
	}
}
