// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module parameters: what silicon to build and how the driver is tuned.
 * They are read when the device is bound.
 */
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "heap/heap.h"
#include "mem/mem.h"
#include "vm/vm.h"

static unsigned int engines = 4;
module_param(engines, uint, 0644);
MODULE_PARM_DESC(engines, "Engines of the accelerator, 1 to 32 (default 4)");

static unsigned int items = 64;
module_param(items, uint, 0644);
MODULE_PARM_DESC(items, "Work items that an engine runs at once, 1 to 64 (default 64)");

static unsigned int fault_entries = 1024;
module_param(fault_entries, uint, 0644);
MODULE_PARM_DESC(fault_entries, "Records in the fault buffer, 1 to 65536 (default 1024)");

static unsigned int queue_depth = 256;
module_param(queue_depth, uint, 0644);
MODULE_PARM_DESC(queue_depth, "Command buffers that a queue holds, 64 to 65536 (default 256)");

static unsigned int tlb_sets = 1024;
module_param(tlb_sets, uint, 0644);
MODULE_PARM_DESC(tlb_sets, "Sets of four 4 KiB entries in each TLB, a power of two (default 1024)");

static unsigned int tlb_huge_sets = 64;
module_param(tlb_huge_sets, uint, 0644);
MODULE_PARM_DESC(tlb_huge_sets, "Sets of four 2 MiB entries in each TLB, a power of two (default 64)");

static unsigned int vram_mib = 256;
module_param(vram_mib, uint, 0644);
MODULE_PARM_DESC(vram_mib, "MiB of device memory, even, at most 1048576; 0: none (default 256)");

static unsigned int copy_channels = 2;
module_param(copy_channels, uint, 0644);
MODULE_PARM_DESC(copy_channels, "Copy engines, 1 to 8 (default 2)");

static unsigned int copy_entries = 1024;
module_param(copy_entries, uint, 0644);
MODULE_PARM_DESC(copy_entries, "Descriptors that a copy engine holds, 16 to 65536 (default 1024)");

static unsigned int copy_delay_us;
module_param(copy_delay_us, uint, 0644);
MODULE_PARM_DESC(copy_delay_us, "Test knob: least time that a copy engine takes for a group of descriptors, in us, at most 1000000 (default 0)");

static unsigned int return_pages = 16;
module_param(return_pages, uint, 0644);
MODULE_PARM_DESC(return_pages, "Pages that a CPU fault brings back from device memory together, a power of two, 1 to 512 (default 16)");

static unsigned int slice_us = 1000;
module_param(slice_us, uint, 0644);
MODULE_PARM_DESC(slice_us, "Time slice of a queue on an engine, in us (default 1000)");

static unsigned int tlb_delay_us;
module_param(tlb_delay_us, uint, 0644);
MODULE_PARM_DESC(tlb_delay_us, "Test knob: least time that a TLB invalidation takes, in us, at most 1000 (default 0)");

static bool paranoid;
module_param(paranoid, bool, 0644);
MODULE_PARM_DESC(paranoid, "Test knob: check every translation used against the invalidations (default off)");

static unsigned int notifier_mib = 32;
module_param(notifier_mib, uint, 0644);
MODULE_PARM_DESC(notifier_mib, "MiB that one notifier watches, a power of two, 2 to 512 (default 32)");

static unsigned int notifier_idle_ms = 10000;
module_param(notifier_idle_ms, uint, 0644);
MODULE_PARM_DESC(notifier_idle_ms, "Time after which a notifier that has nothing to watch is given up, in ms, 10 to 3600000 (default 10000)");

static unsigned int around = 16;
module_param(around, uint, 0644);
MODULE_PARM_DESC(around, "Pages mapped along with a scattered fault, a power of two, 1 to 512 (default 16)");

static unsigned int fault_deadline_ms = 10000;
module_param(fault_deadline_ms, uint, 0644);
MODULE_PARM_DESC(fault_deadline_ms, "Time after which a fault that cannot be served is terminal, in ms, 1 to 600000 (default 10000)");

static unsigned int fault_workers;
module_param(fault_workers, uint, 0644);
MODULE_PARM_DESC(fault_workers, "Threads that serve faults side by side, at most 64; 0: by the number of CPUs (default 0)");

static unsigned int granularity = 9;
module_param(granularity, uint, 0644);
MODULE_PARM_DESC(granularity, "log2 of the pages that faults move to device memory together, 0 to 63, of which the device does at most 9 (default 9)");
static char *heap = "large";
module_param(heap, charp, 0444);
MODULE_PARM_DESC(heap, "How far the heap of a client grows: small, 64 MiB; large, 512 MiB; huge, 8 GiB (default large)");

static unsigned int firmware_timeout_ms = 5000;
module_param(firmware_timeout_ms, uint, 0644);
MODULE_PARM_DESC(firmware_timeout_ms, "How long a reply of the firmware is waited for, in ms, 1 to 60000 (default 5000)");

static const struct {
	const char *name;
	u64 bytes;
} vsvm_heap_profiles[] = {
	{ "small", SZ_64M },
	{ "large", SZ_512M },
	{ "huge", 8ull * SZ_1G },
};

/* Bytes of a heap at most, or 0 */
static u64 vsvm_params_heap_bytes(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vsvm_heap_profiles); i++)
		if (sysfs_streq(heap, vsvm_heap_profiles[i].name))
			return vsvm_heap_profiles[i].bytes;
	return 0;
}

/**
 * vsvm_params_check() - refuse what makes no device
 *
 * Return: 0 or -EINVAL, with a line in the log that says why.
 */
int vsvm_params_check(void)
{
	const struct {
		const char *name;
		unsigned int value, min, max;
		bool power;
		unsigned int multiple;
	} rules[] = {
		{ "engines", engines, 1, 32 },
		{ "items", items, 1, 64 },
		{ "fault_entries", fault_entries, 1, 65536 },
		{ "queue_depth", queue_depth, VSVM_MAX_COMMANDS, 65536 },
		{ "tlb_sets", tlb_sets, 1, 65536, true },
		{ "tlb_huge_sets", tlb_huge_sets, 1, 65536, true },
		{ "vram_mib", vram_mib, 0, SZ_1M, false, SZ_2M / SZ_1M },
		{ "copy_channels", copy_channels, 1, 8 },
		{ "copy_entries", copy_entries, 16, 65536 },
		{ "copy_delay_us", copy_delay_us, 0, 1000000 },
		{ "return_pages", return_pages, 1, 512, true },
		{ "slice_us", slice_us, 1, 1000000 },
		{ "tlb_delay_us", tlb_delay_us, 0, 1000 },
		{ "notifier_mib", notifier_mib, 2, 512, true },
		{ "notifier_idle_ms", notifier_idle_ms, 10, 3600000 },
		{ "around", around, 1, 512, true },
		{ "fault_deadline_ms", fault_deadline_ms, 1, 600000 },
		{ "fault_workers", fault_workers, 0, 64 },
		{ "granularity", granularity, 0, 63 },
		{ "firmware_timeout_ms", firmware_timeout_ms, 1, 60000 },
	};
	unsigned int i;

	if (!vsvm_params_heap_bytes()) {
		pr_err("vsvm: heap=%s: must be small, large or huge\n", heap);
		return -EINVAL;
	}
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].value >= rules[i].min && rules[i].value <= rules[i].max &&
		    (!rules[i].power || is_power_of_2(rules[i].value)) &&
		    (!rules[i].multiple || rules[i].value % rules[i].multiple == 0))
			continue;
		pr_err("vsvm: %s=%u: must be %s%u to %u\n", rules[i].name,
		       rules[i].value, rules[i].power ? "a power of two, " :
		       rules[i].multiple ? "even, " : "",
		       rules[i].min, rules[i].max);
		return -EINVAL;
	}
	return 0;
}

/** vsvm_params_hw() - the configuration of the hardware */
void vsvm_params_hw(struct vsvm_hw_config *config)
{
	*config = (struct vsvm_hw_config) {
		.engines = engines,
		.fault_entries = fault_entries,
		.queue_depth = queue_depth,
		.items = items,
		.tlb_sets = tlb_sets,
		.tlb_huge_sets = tlb_huge_sets,
		.vram_bytes = (u64)vram_mib * SZ_1M,
		.copy_channels = copy_channels,
		.copy_entries = copy_entries,
		.copy_delay_us = copy_delay_us,
		.slice_us = slice_us,
		.tlb_delay_us = tlb_delay_us,
		.paranoid = paranoid,
	};
}

/** vsvm_params_vmm() - the configuration of the address spaces */
void vsvm_params_vmm(struct vsvm_vmm_config *config)
{
	*config = (struct vsvm_vmm_config) {
		.notifier_size = (unsigned long)notifier_mib * SZ_1M,
		.notifier_idle_ms = notifier_idle_ms,
		.around = around,
		.fault_deadline_ms = fault_deadline_ms,
		.fault_workers = fault_workers,
		.granularity = granularity,
	};
}

/** vsvm_params_mem() - the configuration of device memory */
void vsvm_params_mem(struct vsvm_mem_config *config)
{
	*config = (struct vsvm_mem_config) {
		.vram_bytes = (u64)vram_mib * SZ_1M,
		.copy_channels = copy_channels,
		.return_pages = return_pages,
	};
}

/** vsvm_params_heap() - the configuration of heaps */
void vsvm_params_heap(struct vsvm_heap_config *config)
{
	*config = (struct vsvm_heap_config) {
		.maximum = vsvm_params_heap_bytes(),
		.timeout_ms = firmware_timeout_ms,
	};
}
