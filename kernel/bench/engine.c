// SPDX-License-Identifier: GPL-2.0-only
/*
 * The copy engines alone: an accelerator of our own, whose channels are kept
 * busy with descriptors as large as the memory allows.
 */
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "bench/bench.h"
#include "hw/hw.h"

#define BENCH_CHANNELS	2
/* As the driver has it */
#define BENCH_ENTRIES	1024
#define GROUP_BYTES	SZ_2M
#define GROUP_COUNT	512

static struct vsvm_hw *bench_hw;
static struct device *bench_dev;
static DECLARE_WAIT_QUEUE_HEAD(bench_wait);
static atomic_t bench_irqs;

static void bench_irq(void *priv, u32 causes)
{
	atomic_inc(&bench_irqs);
	wake_up(&bench_wait);
}

int bench_engine_init(struct device *dev, u64 vram_bytes)
{
	const struct vsvm_hw_config config = {
		.engines = 1,
		.fault_entries = 16,
		.queue_depth = 16,
		.items = 1,
		.tlb_sets = 1,
		.tlb_huge_sets = 1,
		.vram_bytes = vram_bytes,
		.copy_channels = BENCH_CHANNELS,
		.copy_entries = BENCH_ENTRIES,
		.slice_us = 1000,
	};
	int ret;

	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	bench_dev = dev;
	bench_hw = vsvm_hw_create(dev, &config, bench_irq, NULL);
	return PTR_ERR_OR_ZERO(bench_hw);
}

void bench_engine_fini(void)
{
	vsvm_hw_destroy(bench_hw);
}

/* Take note of groups that are complete.  Return: how many; an error stays */
static unsigned int reap(int *error)
{
	struct vsvm_hw_copy_done done;
	unsigned int n;

	for (n = 0; vsvm_hw_copy_read(bench_hw, &done); n++)
		if (done.error)
			*error = done.error;
	vsvm_hw_irq_enable(bench_hw, VSVM_HW_IRQ_COPY);
	return n;
}

/* Submit all, and wait for it.  Return: 0 or an error */
static int run(const struct vsvm_hw_copy *copies, unsigned int count)
{
	unsigned int at = 0, n, channel = 0, flight = 0;
	int error = 0, ret;
	u64 bytes;

	while (at < count || flight) {
		int irqs = atomic_read(&bench_irqs);

		flight -= reap(&error);
		for (; at < count; at += n) {
			for (n = 0, bytes = 0; at + n < count && n < GROUP_COUNT; n++) {
				bytes += copies[at + n].bytes;
				if (n && bytes > GROUP_BYTES)
					break;
			}
			ret = vsvm_hw_copy_submit(bench_hw, channel, copies + at, n, 0);
			if (ret == -ENOSPC)
				break;
			if (ret)
				return ret;
			channel = (channel + 1) % BENCH_CHANNELS;
			flight++;
		}
		if (flight && !wait_event_timeout(bench_wait,
						  atomic_read(&bench_irqs) != irqs, 10 * HZ))
			return -ETIMEDOUT;
	}
	return error;
}

int bench_engine_copy(struct vsvm_bench_op *op, bool to_device)
{
	unsigned long i, npages = op->size >> PAGE_SHIFT;
	struct vsvm_hw_copy *copies, *c = NULL;
	unsigned int count = 0;
	struct page **pages;
	dma_addr_t *bus;
	int ret = 0;
	u64 t;

	if (op->size > vsvm_hw_config(bench_hw)->vram_bytes)
		return -ENOSPC;
	copies = kvmalloc_array(npages, sizeof(*copies), GFP_KERNEL);
	bus = kvmalloc_array(npages, sizeof(*bus), GFP_KERNEL);
	pages = copies && bus ? bench_pin(op->address, op->size) : ERR_PTR(-ENOMEM);
	if (IS_ERR(pages)) {
		ret = PTR_ERR(pages);
		goto out;
	}
	for (i = 0; i < npages; i++) {
		u64 vram = (u64)i << PAGE_SHIFT;

		bus[i] = dma_map_page(bench_dev, pages[i], 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
		if (dma_mapping_error(bench_dev, bus[i])) {
			ret = -EIO;
			goto out_unmap;
		}
		if (c && c->bytes < GROUP_BYTES && bus[i] == bus[i - 1] + PAGE_SIZE) {
			c->bytes += PAGE_SIZE;
			continue;
		}
		c = &copies[count++];
		*c = (struct vsvm_hw_copy) {
			.src = to_device ? bus[i] : vram,
			.dst = to_device ? vram : bus[i],
			.bytes = PAGE_SIZE,
			.flags = to_device ? VSVM_HW_COPY_DST_VRAM : VSVM_HW_COPY_SRC_VRAM,
		};
	}
	t = ktime_get_ns();
	ret = run(copies, count);
	op->ns = ktime_get_ns() - t;
	op->pages = npages;
out_unmap:
	while (i--)
		dma_unmap_page(bench_dev, bus[i], PAGE_SIZE, DMA_BIDIRECTIONAL);
	bench_unpin(pages, op->size);
out:
	kvfree(bus);
	kvfree(copies);
	return ret;
}
