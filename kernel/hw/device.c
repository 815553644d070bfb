// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the device as a whole
 *
 * Power up and down, address spaces, counters.  See docs/hardware.md for what
 * all of it is, and hw.h for what the driver sees of it.
 */
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "hw/hw_paranoid.h"
#include "hw/hw_priv.h"

#define MAX_FAULT_ENTRIES	65536
#define MAX_QUEUE_DEPTH		65536
#define MAX_TLB_SETS		65536
#define MAX_SLICE_US		USEC_PER_SEC
#define MIN_COPY_ENTRIES	16
#define MAX_COPY_ENTRIES	65536

static bool good_count(u32 count, u32 max)
{
	return count && count <= max;
}

static bool good_copy(const struct vsvm_hw_config *config)
{
	return !config->copy_channels ||
	       (config->copy_channels <= VSVM_HW_MAX_CHANNELS &&
		config->copy_entries >= MIN_COPY_ENTRIES &&
		config->copy_entries <= MAX_COPY_ENTRIES);
}

static bool good_config(const struct vsvm_hw_config *config)
{
	return good_count(config->engines, VSVM_HW_MAX_ENGINES) &&
	       good_count(config->fault_entries, MAX_FAULT_ENTRIES) &&
	       good_count(config->queue_depth, MAX_QUEUE_DEPTH) &&
	       good_count(config->items, VSVM_HW_MAX_ITEMS) &&
	       good_count(config->tlb_sets, MAX_TLB_SETS) &&
	       is_power_of_2(config->tlb_sets) &&
	       good_count(config->tlb_huge_sets, MAX_TLB_SETS) &&
	       is_power_of_2(config->tlb_huge_sets) &&
	       good_count(config->slice_us, MAX_SLICE_US) &&
	       IS_ALIGNED(config->vram_bytes, BIT_ULL(VSVM_HW_HUGE_SHIFT)) &&
	       config->vram_bytes <= VSVM_PTE_ADDR_MASK &&
	       good_copy(config);
}

/* Undo vsvm_hw_init(), all of it or what it got to. */
static void hw_fini(struct vsvm_hw *hw)
{
	u32 i;

	for (i = 0; hw->engines && i < hw->config.engines; i++)
		vsvm_hw_engine_stop(&hw->engines[i]);
	vsvm_hw_copy_fini(hw);
	vsvm_hw_mailbox_fini(hw);
	/* no thread that raises causes any more, and no driver that reads */
	irq_work_sync(&hw->irq_work);
	kvfree(hw->engines);
	vsvm_hw_vram_fini(hw);
	vsvm_hw_paranoid_fini(&hw->paranoid);
	free_percpu(hw->invalidations);
	kvfree(hw->faults.ring);
	xa_destroy(&hw->contexts);
	xa_destroy(&hw->asids);
	mutex_destroy(&hw->mutex);
	kfree(hw);
}

static int hw_init(struct vsvm_hw *hw)
{
	u32 i;
	int ret;

	mutex_init(&hw->mutex);
	xa_init(&hw->asids);
	xa_init_flags(&hw->contexts, XA_FLAGS_ALLOC);
	spin_lock_init(&hw->events.lock);
	INIT_LIST_HEAD(&hw->events.news);
	vsvm_hw_irq_init(hw);

	hw->invalidations = alloc_percpu(u64);
	if (!hw->invalidations)
		return -ENOMEM;
	ret = vsvm_hw_fault_init(&hw->faults, hw->config.fault_entries);
	if (ret)
		return ret;
	ret = vsvm_hw_paranoid_init(&hw->paranoid);
	if (ret)
		return ret;
	ret = vsvm_hw_vram_init(hw);
	if (ret)
		return ret;
	ret = vsvm_hw_copy_init(hw);
	if (ret)
		return ret;
	ret = vsvm_hw_mailbox_init(hw);
	if (ret)
		return ret;
	hw->engines = kvzalloc_objs(*hw->engines, hw->config.engines);
	if (!hw->engines)
		return -ENOMEM;
	for (i = 0; i < hw->config.engines; i++) {
		ret = vsvm_hw_engine_start(hw, &hw->engines[i], i);
		if (ret)
			return ret;
	}
	return 0;
}

/* see hw.h */
struct vsvm_hw *vsvm_hw_create(struct device *dev,
			       const struct vsvm_hw_config *config,
			       void (*irq)(void *priv, u32 causes), void *priv)
{
	struct vsvm_hw *hw;
	int ret;

	if (!good_config(config))
		return ERR_PTR(-EINVAL);
	hw = kzalloc_obj(*hw);
	if (!hw)
		return ERR_PTR(-ENOMEM);
	hw->dev = dev;
	hw->config = *config;
	hw->irq = irq;
	hw->priv = priv;
	ret = hw_init(hw);
	if (ret) {
		hw_fini(hw);
		return ERR_PTR(ret);
	}
	return hw;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_create);

/* see hw.h */
void vsvm_hw_destroy(struct vsvm_hw *hw)
{
	WARN_ON(!xa_empty(&hw->contexts));
	WARN_ON(!xa_empty(&hw->asids));
	hw_fini(hw);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_destroy);

/* see hw.h */
struct vsvm_hw_config *vsvm_hw_config(struct vsvm_hw *hw)
{
	return &hw->config;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_config);

/* see hw.h */
void vsvm_hw_counters(struct vsvm_hw *hw, struct vsvm_hw_counters *out)
{
	unsigned long flags;
	int cpu;
	u32 i;

	*out = (struct vsvm_hw_counters) { };
	for (i = 0; i < hw->config.engines; i++) {
		struct vsvm_hw_engine_counters *counters =
			&hw->engines[i].counters;

		out->blocks += READ_ONCE(counters->blocks);
		out->bytes += READ_ONCE(counters->bytes);
		out->packets += READ_ONCE(counters->packets);
		out->tlb_hits += READ_ONCE(counters->hits);
		out->tlb_misses += READ_ONCE(counters->misses);
		out->stale_translations += READ_ONCE(counters->stale);
	}
	for (i = 0; i < hw->config.copy_channels; i++) {
		out->copies += READ_ONCE(hw->channels[i].copied);
		out->copied_bytes += READ_ONCE(hw->channels[i].bytes);
	}
	for_each_possible_cpu(cpu)
		out->tlb_invalidations += *per_cpu_ptr(hw->invalidations, cpu);
	spin_lock_irqsave(&hw->faults.lock, flags);
	out->faults = hw->faults.raised;
	out->fault_buffer_full = hw->faults.full;
	spin_unlock_irqrestore(&hw->faults.lock, flags);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_counters);

/* see hw.h */
int vsvm_hw_asid_attach(struct vsvm_hw *hw, u32 asid, dma_addr_t root)
{
	struct vsvm_hw_asid *new;
	int ret;

	if (asid >= VSVM_HW_ASIDS || !IS_ALIGNED(root, SZ_4K))
		return -EINVAL;
	new = kzalloc_obj(*new, GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->asid = asid;
	new->root = root;
	ret = xa_insert(&hw->asids, asid, new, GFP_KERNEL_ACCOUNT);
	if (ret)
		kfree(new);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_asid_attach);

/* see hw.h */
void vsvm_hw_asid_detach(struct vsvm_hw *hw, u32 asid)
{
	struct vsvm_hw_asid *old;

	vsvm_hw_tlb_invalidate(hw, asid, 0, BIT_ULL(VSVM_HW_VA_BITS));
	old = xa_erase(&hw->asids, asid);
	if (!old)
		return;
	WARN_ON(old->engines);
	kfree(old);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_hw_asid_detach);
