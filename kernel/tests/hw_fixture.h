/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HW_FIXTURE_H_
#define _VSVM_HW_FIXTURE_H_

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/wait.h>

#include "hw/hw_priv.h"

#define FIXTURE_ASID		7
#define FIXTURE_CONTEXTS	16
#define FIXTURE_FAULTS		256
/* pages that a paged fixture keeps mapped: what one block needs at most, fetching not counted */
#define FIXTURE_RESIDENT	3
#define FIXTURE_PATIENCE	(10 * HZ)
/* where command buffers are mapped */
#define FIXTURE_COMMANDS	0x7000000000ull
#define FIXTURE_COMMAND_PAGES	16

#define PTE_RO			(VSVM_PTE_VALID | VSVM_PTE_READ)
#define PTE_RW			(PTE_RO | VSVM_PTE_WRITE | VSVM_PTE_ATOMIC)

/**
 * struct hw_fixture_context - what is known of a context
 * @context: the context, NULL: unused
 * @completed: sequence last reported
 * @sequence: sequence last submitted
 * @fences: events with a fence in them
 * @failed: an error was reported
 * @error: it
 */
struct hw_fixture_context {
	struct vsvm_hw_context *context;
	u64 completed;
	u64 sequence;
	u32 fences;
	u32 failed;
	struct vsvm_hw_error error;
};

/**
 * struct hw_fixture_page - a page of a paged fixture
 * @address: device address
 * @pte: its leaf, while it is not mapped
 */
struct hw_fixture_page {
	u64 address;
	u64 pte;
};

/**
 * struct hw_fixture - a device with an address space, driven by hand
 * @test: test that it is for
 * @dev: whose bus addresses the device uses
 * @hw: the device
 * @wait: woken by its interrupts
 * @causes: raised and not looked at; what is not raised is not looked at
 * @irqs: how often the handler was called
 * @hold_faults: do not read the fault buffer
 * @paged: map a page when it is accessed, and as few as possible
 * @pages: &struct hw_fixture_page by page number
 * @resident: those that are mapped
 * @paged_in: how often one was mapped
 * @faults: records read, oldest first
 * @nfaults: how many
 * @blocks: pages allocated, in lists of struct hw_fixture_block
 * @root: level 4 table
 * @next_command: offset into the command pages
 * @contexts: contexts created
 */
struct hw_fixture {
	struct kunit *test;
	struct device *dev;
	struct vsvm_hw *hw;
	wait_queue_head_t wait;
	atomic_t causes;
	atomic_t irqs;
	bool hold_faults;
	bool paged;
	struct xarray pages;
	struct hw_fixture_page *resident[FIXTURE_RESIDENT];
	u32 paged_in;
	struct vsvm_hw_fault faults[FIXTURE_FAULTS];
	u32 nfaults;
	struct list_head blocks;
	u64 *root;
	u64 next_command;
	struct hw_fixture_context contexts[FIXTURE_CONTEXTS];
};

struct vsvm_hw_config hw_fixture_config(void);
int hw_fixture_init(struct kunit *test);
int hw_fixture_init_paged(struct kunit *test);
void hw_fixture_exit(struct kunit *test);
void hw_fixture_power(struct hw_fixture *f, const struct vsvm_hw_config *config);

/* memory and page tables; addresses are device addresses unless they are pointers */
void *hw_fixture_alloc(struct hw_fixture *f, u32 order);
u64 *hw_fixture_pte(struct hw_fixture *f, u64 address, u32 level);
void hw_fixture_map_page(struct hw_fixture *f, u64 address, void *page, u64 flags);
void hw_fixture_map(struct hw_fixture *f, u64 address, u64 bytes, u64 flags);
u64 hw_fixture_unmap(struct hw_fixture *f, u64 address);
void *hw_fixture_at(struct hw_fixture *f, u64 address);
u64 hw_fixture_peek(struct hw_fixture *f, u64 address);
void hw_fixture_poke(struct hw_fixture *f, u64 address, u64 value);
void hw_fixture_write(struct hw_fixture *f, u64 address, const void *from, u64 bytes);
void hw_fixture_read(struct hw_fixture *f, u64 address, void *to, u64 bytes);

/* contexts */
struct hw_fixture_context *hw_fixture_context(struct hw_fixture *f, u32 engine);
void hw_fixture_destroy(struct hw_fixture *f, struct hw_fixture_context *c);
u64 hw_fixture_commands(struct hw_fixture *f, const struct vsvm_packet *packets,
			u32 count);
int hw_fixture_submit(struct hw_fixture *f, struct hw_fixture_context *c,
		      const struct vsvm_packet *packets, u32 count,
		      u64 fence_address, u64 fence_value);
void hw_fixture_run(struct hw_fixture *f, struct hw_fixture_context *c,
		    const struct vsvm_packet *packets, u32 count);
void hw_fixture_pump(struct hw_fixture *f);
void hw_fixture_replay(struct hw_fixture *f, u32 from);

/* wait until a condition holds, looking at the device only when it interrupts */
#define hw_fixture_wait(f, condition)					\
do {									\
	struct hw_fixture *__f = (f);					\
									\
	KUNIT_ASSERT_TRUE_MSG(__f->test,				\
			      wait_event_timeout(__f->wait,		\
						 (hw_fixture_pump(__f),	\
						  (condition)),		\
						 FIXTURE_PATIENCE),	\
			      "gave up waiting for: %s", #condition);	\
} while (0)

/* until all that was submitted is complete */
static inline void hw_fixture_wait_done(struct hw_fixture *f,
					struct hw_fixture_context *c)
{
	hw_fixture_wait(f, c->completed >= c->sequence);
}

#define PACKET(what, ...)						\
	((struct vsvm_packet) {						\
		.opcode = VSVM_PACKET_##what,				\
		.length = VSVM_PACKET_BYTES,				\
		__VA_ARGS__						\
	})

#endif
