// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device memory as a whole: set up, taken down, counted.
 */
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_print.h>

#include "hw/hw.h"
#include "mem/mem_priv.h"

/* How often to say that memory does not come free */
#define VSVM_MEM_COMPLAIN	(10 * HZ)

/* Times that eviction is tried before processes are searched for what they have */
#define VSVM_MEM_TRIES		10

/* see mem.h */
struct vsvm_mem *vsvm_mem_create(struct drm_device *drm,
				 const struct vsvm_mem_config *config)
{
	struct vsvm_mem *mem;
	int err;

	mem = kzalloc_obj(*mem);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	mem->drm = drm;
	mem->config = *config;
	init_llist_head(&mem->freed);
	INIT_WORK(&mem->free_work, vsvm_chunk_free_work);
	err = vsvm_copy_init(mem);
	if (err) {
		kfree(mem);
		return ERR_PTR(err);
	}
	return mem;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_mem_create);

/* see mem.h */
int vsvm_mem_start(struct vsvm_mem *mem, struct vsvm_hw *hw)
{
	int err;

	mem->hw = hw;
	err = vsvm_ttm_init(mem);
	if (err)
		return err;
	mem->ttm_ready = true;
	if (mem->config.copy_channels)
		vsvm_copy_start(mem);
	if (mem->config.vram_bytes) {
		err = vsvm_vram_init(mem);
		if (!err)
			err = vsvm_pages_init(mem);
		if (err) {
			vsvm_copy_stop(mem);
			vsvm_vram_fini(mem);
			return err;
		}
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_mem_start);

/*
 * Bring back all there is.  A page that cannot be brought back now can be later,
 * and there is no going on without it: whoever has it mapped would be left with
 * memory that is not there.
 */
static void vsvm_mem_empty(struct vsvm_mem *mem)
{
	unsigned long complain = jiffies + VSVM_MEM_COMPLAIN;
	unsigned int tries = 0;

	while (vsvm_vram_empty(mem)) {
		if (++tries % VSVM_MEM_TRIES == 0)
			vsvm_return_everywhere(mem);
		if (time_after(jiffies, complain)) {
			drm_warn(mem->drm, "%llu bytes of device memory are still in use\n",
				 vsvm_vram_used(mem));
			complain = jiffies + VSVM_MEM_COMPLAIN;
		}
		flush_work(&mem->free_work);
		msleep(20);
	}
	flush_work(&mem->free_work);
}

/* see mem.h */
void vsvm_mem_stop(struct vsvm_mem *mem)
{
	vsvm_ttm_stop(mem);
	if (mem->vram) {
		vsvm_mem_empty(mem);
		vsvm_pages_fini(mem);
		/* The last pages may have been freed while that was waiting */
		vsvm_mem_empty(mem);
	}
	vsvm_copy_stop(mem);
	vsvm_vram_fini(mem);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_mem_stop);

/* see mem.h */
void vsvm_mem_destroy(struct vsvm_mem *mem)
{
	if (mem->ttm_ready)
		vsvm_ttm_fini(mem);
	vsvm_copy_fini(mem);
	kfree(mem);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_mem_destroy);

/* see mem.h */
bool vsvm_mem_present(const struct vsvm_mem *mem)
{
	return mem->config.vram_bytes;
}

/* see mem.h */
void *vsvm_mem_owner(struct vsvm_mem *mem)
{
	return mem;
}

/* see mem.h */
struct device *vsvm_mem_device(const struct vsvm_mem *mem)
{
	return mem->drm->dev;
}

/* see mem.h */
void vsvm_mem_usage(struct vsvm_mem *mem, u64 *total, u64 *used)
{
	*total = mem->config.vram_bytes;
	*used = mem->vram ? vsvm_vram_used(mem) : 0;
}

/* see mem.h */
u64 vsvm_mem_stat(struct vsvm_mem *mem, enum vsvm_mem_stat stat)
{
	return atomic64_read(&mem->stats[stat]);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_mem_stat);
