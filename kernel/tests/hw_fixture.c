// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: a device on the bench
 *
 * Tests of the hardware drive it the way the driver does, through hw.h, but
 * with page tables made by hand, so that each test says exactly what is mapped.
 * The fixture looks at faults and events only when it was interrupted: an
 * interrupt that gets lost is a test that times out.
 *
 * A *paged* fixture maps nothing before it is accessed, and takes away what has
 * been mapped longest for it, so that a packet faults on every page it comes
 * to, again and again.
 */
#include <kunit/device.h>
#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "tests/hw_fixture.h"

/**
 * struct hw_fixture_block - pages that a fixture has allocated
 * @node: in &hw_fixture.blocks
 * @page: the first
 * @order: log2 of how many
 */
struct hw_fixture_block {
	struct list_head node;
	struct page *page;
	u32 order;
};

/* A small device: everything runs out soon. */
struct vsvm_hw_config hw_fixture_config(void)
{
	return (struct vsvm_hw_config) {
		.engines = 2,
		.fault_entries = 64,
		.queue_depth = 16,
		.items = 64,
		.tlb_sets = 16,
		.tlb_huge_sets = 4,
		.vram_bytes = 2 * BIT_ULL(VSVM_HW_HUGE_SHIFT),
		.slice_us = 1000,
		.paranoid = true,
	};
}

static void fixture_irq(void *priv, u32 causes)
{
	struct hw_fixture *f = priv;

	WARN_ON_ONCE(!irqs_disabled());
	atomic_or(causes, &f->causes);
	atomic_inc(&f->irqs);
	wake_up(&f->wait);
}

static dma_addr_t bus_address(struct hw_fixture *f, void *at)
{
	return phys_to_dma(f->dev, virt_to_phys(at));
}

/* Pages that live as long as the fixture, cleared. */
void *hw_fixture_alloc(struct hw_fixture *f, u32 order)
{
	struct hw_fixture_block *block;

	block = kzalloc_obj(*block);
	KUNIT_ASSERT_NOT_NULL(f->test, block);
	block->order = order;
	block->page = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);
	if (!block->page) {
		kfree(block);
		KUNIT_FAIL_AND_ABORT(f->test, "no memory");
	}
	list_add(&block->node, &f->blocks);
	return page_address(block->page);
}

/* The entry of @level for @address; tables on the way are made. */
u64 *hw_fixture_pte(struct hw_fixture *f, u64 address, u32 level)
{
	u64 *table = f->root;
	u64 *entry;
	u32 i;

	for (i = VSVM_HW_LEVELS;; i--) {
		entry = &table[address >> (VSVM_HW_PAGE_SHIFT + 9 * (i - 1)) &
			       (VSVM_HW_TABLE_ENTRIES - 1)];
		if (i == level)
			return entry;
		if (*entry & VSVM_PTE_VALID) {
			table = phys_to_virt(dma_to_phys(f->dev, *entry &
							 VSVM_PTE_ADDR_MASK));
			continue;
		}
		table = hw_fixture_alloc(f, 0);
		WRITE_ONCE(*entry, bus_address(f, table) | VSVM_PTE_VALID);
	}
}

static struct hw_fixture_page *paged_at(struct hw_fixture *f, u64 address)
{
	return xa_load(&f->pages, address >> PAGE_SHIFT);
}

void hw_fixture_map_page(struct hw_fixture *f, u64 address, void *page,
			 u64 flags)
{
	u64 *entry = hw_fixture_pte(f, address, 1);
	u64 pte = bus_address(f, page) | flags;
	struct hw_fixture_page *new;

	if (!f->paged) {
		/* what is in the page before it can be found */
		smp_store_release(entry, pte);
		return;
	}
	new = kunit_kzalloc(f->test, sizeof(*new), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(f->test, new);
	new->address = address;
	new->pte = pte;
	KUNIT_ASSERT_EQ(f->test, 0, xa_insert(&f->pages, address >> PAGE_SHIFT,
					      new, GFP_KERNEL));
}

/* Map the page of a fault, and take another one away. */
static void page_in(struct hw_fixture *f, const struct vsvm_hw_fault *fault)
{
	struct hw_fixture_page *in = paged_at(f, fault->address);
	struct hw_fixture_page **out;

	if (!in) {
		KUNIT_FAIL(f->test, "fault at %#llx", fault->address);
		vsvm_hw_fault_answer(f->hw, fault, VSVM_HW_TERMINATE, 1);
		return;
	}
	/* two records may be of the same page */
	if (in->pte) {
		out = &f->resident[f->paged_in++ % FIXTURE_RESIDENT];
		if (*out)
			(*out)->pte = hw_fixture_unmap(f, (*out)->address);
		*out = in;
		WRITE_ONCE(*hw_fixture_pte(f, in->address, 1), in->pte);
		in->pte = 0;
	}
	vsvm_hw_fault_answer(f->hw, fault, VSVM_HW_REPLAY, 0);
}

/* Fresh pages, none beside its neighbour. */
void hw_fixture_map(struct hw_fixture *f, u64 address, u64 bytes, u64 flags)
{
	u64 at;

	for (at = address & PAGE_MASK; at < address + bytes; at += PAGE_SIZE)
		hw_fixture_map_page(f, at, hw_fixture_alloc(f, 0), flags);
}

/* Take a page away and wait until no engine uses it.  Return: the leaf that was. */
u64 hw_fixture_unmap(struct hw_fixture *f, u64 address)
{
	u64 old = xchg(hw_fixture_pte(f, address, 1), 0);

	vsvm_hw_tlb_invalidate(f->hw, FIXTURE_ASID, address & PAGE_MASK,
			       (address & PAGE_MASK) + PAGE_SIZE);
	return old;
}

/* The kernel's pointer to a device address that is mapped. */
void *hw_fixture_at(struct hw_fixture *f, u64 address)
{
	struct hw_fixture_page *paged = paged_at(f, address);
	u64 pte = *hw_fixture_pte(f, address, 1);

	if (paged && paged->pte)
		pte = paged->pte;
	KUNIT_ASSERT_TRUE(f->test, pte & VSVM_PTE_VALID);
	if (pte & VSVM_PTE_VRAM)
		return page_address(vsvm_hw_vram_page(f->hw, pte &
						      VSVM_PTE_ADDR_MASK)) +
		       offset_in_page(address);
	return phys_to_virt(dma_to_phys(f->dev, pte & VSVM_PTE_ADDR_MASK)) +
	       offset_in_page(address);
}

u64 hw_fixture_peek(struct hw_fixture *f, u64 address)
{
	return READ_ONCE(*(u64 *)hw_fixture_at(f, address));
}

void hw_fixture_poke(struct hw_fixture *f, u64 address, u64 value)
{
	WRITE_ONCE(*(u64 *)hw_fixture_at(f, address), value);
}

void hw_fixture_write(struct hw_fixture *f, u64 address, const void *from,
		      u64 bytes)
{
	u64 n;

	for (; bytes; bytes -= n, address += n, from += n) {
		n = min(bytes, (u64)PAGE_SIZE - offset_in_page(address));
		memcpy(hw_fixture_at(f, address), from, n);
	}
}

void hw_fixture_read(struct hw_fixture *f, u64 address, void *to, u64 bytes)
{
	u64 n;

	for (; bytes; bytes -= n, address += n, to += n) {
		n = min(bytes, (u64)PAGE_SIZE - offset_in_page(address));
		memcpy(to, hw_fixture_at(f, address), n);
	}
}

/* Create the device anew, with another configuration. */
void hw_fixture_power(struct hw_fixture *f, const struct vsvm_hw_config *config)
{
	struct vsvm_hw *hw;

	if (f->hw) {
		vsvm_hw_asid_detach(f->hw, FIXTURE_ASID);
		vsvm_hw_destroy(f->hw);
		f->hw = NULL;
	}
	hw = vsvm_hw_create(f->dev, config, fixture_irq, f);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, hw);
	f->hw = hw;
	KUNIT_ASSERT_EQ(f->test, 0,
			vsvm_hw_asid_attach(hw, FIXTURE_ASID,
					    bus_address(f, f->root)));
}

static int fixture_init(struct kunit *test, bool paged)
{
	struct vsvm_hw_config config = hw_fixture_config();
	struct hw_fixture *f;

	f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	f->test = test;
	init_waitqueue_head(&f->wait);
	INIT_LIST_HEAD(&f->blocks);
	xa_init(&f->pages);
	f->paged = paged;
	test->priv = f;
	f->dev = kunit_device_register(test, "vsvm-hw");
	if (IS_ERR(f->dev))
		return PTR_ERR(f->dev);
	f->root = hw_fixture_alloc(f, 0);
	hw_fixture_map(f, FIXTURE_COMMANDS, FIXTURE_COMMAND_PAGES * PAGE_SIZE,
		       PTE_RO);
	hw_fixture_power(f, &config);
	return 0;
}

/* For the init of a suite: test->priv is the fixture. */
int hw_fixture_init(struct kunit *test)
{
	return fixture_init(test, false);
}

int hw_fixture_init_paged(struct kunit *test)
{
	return fixture_init(test, true);
}

/* For the exit of a suite. */
void hw_fixture_exit(struct kunit *test)
{
	struct hw_fixture *f = test->priv;
	struct hw_fixture_block *block, *next;
	struct vsvm_hw_counters counters;
	u32 i;

	if (!f)
		return;
	for (i = 0; i < FIXTURE_CONTEXTS; i++)
		hw_fixture_destroy(f, &f->contexts[i]);
	if (f->hw) {
		vsvm_hw_counters(f->hw, &counters);
		if (!f->hw->sabotage)
			KUNIT_EXPECT_EQ(test, counters.stale_translations, 0);
		vsvm_hw_asid_detach(f->hw, FIXTURE_ASID);
		vsvm_hw_destroy(f->hw);
	}
	list_for_each_entry_safe(block, next, &f->blocks, node) {
		__free_pages(block->page, block->order);
		kfree(block);
	}
	xa_destroy(&f->pages);
}

struct hw_fixture_context *hw_fixture_context(struct hw_fixture *f, u32 engine)
{
	struct hw_fixture_context *c = f->contexts;
	struct vsvm_hw_context *context;

	while (c->context)
		c++;
	KUNIT_ASSERT_LT(f->test, c - f->contexts, FIXTURE_CONTEXTS);
	context = vsvm_hw_context_create(f->hw, FIXTURE_ASID, engine);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, context);
	*c = (struct hw_fixture_context) { .context = context };
	return c;
}

void hw_fixture_destroy(struct hw_fixture *f, struct hw_fixture_context *c)
{
	if (!c->context)
		return;
	vsvm_hw_context_destroy(c->context);
	c->context = NULL;
}

/* Put packets into command memory.  Return: their address. */
u64 hw_fixture_commands(struct hw_fixture *f, const struct vsvm_packet *packets,
			u32 count)
{
	u64 bytes = count * sizeof(*packets);
	u64 address;

	if (f->next_command + bytes > FIXTURE_COMMAND_PAGES * PAGE_SIZE)
		f->next_command = 0;
	address = FIXTURE_COMMANDS + f->next_command;
	f->next_command += bytes;
	hw_fixture_write(f, address, packets, bytes);
	return address;
}

/* Submit packets, @fence_address may be 0.  Return: of the submission. */
int hw_fixture_submit(struct hw_fixture *f, struct hw_fixture_context *c,
		      const struct vsvm_packet *packets, u32 count,
		      u64 fence_address, u64 fence_value)
{
	struct vsvm_hw_command command = {
		.address = count ? hw_fixture_commands(f, packets, count) : 0,
		.bytes = count * sizeof(*packets),
		.fence_address = fence_address,
		.fence_value = fence_value,
		.sequence = c->sequence + 1,
	};
	int ret = vsvm_hw_context_submit(c->context, &command);

	if (!ret)
		c->sequence++;
	return ret;
}

/* Submit and wait until it is complete. */
void hw_fixture_run(struct hw_fixture *f, struct hw_fixture_context *c,
		    const struct vsvm_packet *packets, u32 count)
{
	KUNIT_ASSERT_EQ(f->test, 0,
			hw_fixture_submit(f, c, packets, count, 0, 0));
	hw_fixture_wait(f, c->completed >= c->sequence || c->failed);
	KUNIT_ASSERT_EQ(f->test, 0, c->failed);
}

static void take_event(struct hw_fixture *f, const struct vsvm_hw_event *event)
{
	u32 i;

	for (i = 0; i < FIXTURE_CONTEXTS; i++) {
		struct hw_fixture_context *c = &f->contexts[i];

		if (!c->context || vsvm_hw_context_id(c->context) !=
				   event->context)
			continue;
		if (event->flags & VSVM_HW_EVENT_COMPLETED)
			c->completed = event->completed;
		if (event->flags & VSVM_HW_EVENT_FENCE)
			c->fences++;
		if (event->flags & VSVM_HW_EVENT_ERROR) {
			c->failed++;
			c->error = event->error;
		}
	}
}

/* Look at what the device has interrupted for. */
void hw_fixture_pump(struct hw_fixture *f)
{
	u32 handle = VSVM_HW_IRQ_EVENT;
	struct vsvm_hw_event event;
	u32 causes;

	if (!f->hold_faults)
		handle |= VSVM_HW_IRQ_FAULT;
	causes = atomic_fetch_andnot(handle, &f->causes) & handle;
	if (causes & VSVM_HW_IRQ_FAULT) {
		while (f->nfaults < FIXTURE_FAULTS &&
		       vsvm_hw_fault_read(f->hw, &f->faults[f->nfaults], 1)) {
			if (f->paged)
				page_in(f, &f->faults[f->nfaults]);
			else
				f->nfaults++;
		}
	}
	if (causes & VSVM_HW_IRQ_EVENT) {
		while (vsvm_hw_event_read(f->hw, &event))
			take_event(f, &event);
	}
	if (causes)
		vsvm_hw_irq_enable(f->hw, causes);
}

/* Answer the faults from number @from on with replay. */
void hw_fixture_replay(struct hw_fixture *f, u32 from)
{
	for (; from < f->nfaults; from++)
		vsvm_hw_fault_answer(f->hw, &f->faults[from], VSVM_HW_REPLAY, 0);
}
