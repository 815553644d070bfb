/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_EXEC_PRIV_H_
#define _VSVM_EXEC_PRIV_H_

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "exec/exec.h"
#include "hw/hw.h"

/**
 * struct vsvm_exec - the queues of a device
 * @hw: hardware
 * @engines: how many it has
 * @contexts: queue by id of its context.  News are taken note of under its
 *	lock (irq-safe), so that a queue taken out of it is left alone.
 * @next_engine: where the next queue goes that may run anywhere; racy on purpose
 */
struct vsvm_exec {
	struct vsvm_hw *hw;
	u32 engines;
	struct xarray contexts;
	u32 next_engine;
};

/**
 * struct vsvm_queue - a queue
 * @refs: references
 * @exec: the device's
 * @vm: address space; a reference is held until @context is NULL
 * @mm: process that it belongs to; only to be compared: the address space,
 *	or its successor in the same process, keeps it from being reused
 * @id: that user space knows it by
 * @engine: that runs it
 * @lock: serialises submissions, guards @context
 * @context: of the hardware; NULL once killed
 * @submitted: number of the last submission; written under @lock
 * @completed: number of the last one complete; written under the lock of
 *	&vsvm_exec.contexts
 * @fault_sequence: record that ended it; written there, before @error
 * @error: errno that ended it, or 0; written there
 * @killed: no more news
 * @client_wait: woken with @wait; valid while in &vsvm_exec.contexts
 * @wait: for news of this queue
 */
struct vsvm_queue {
	struct kref refs;
	struct vsvm_exec *exec;
	struct vsvm_vm *vm;
	const struct mm_struct *mm;
	u32 id;
	u32 engine;
	struct mutex lock;	/* submissions */
	struct vsvm_hw_context *context;
	u64 submitted;
	u64 completed;
	u64 fault_sequence;
	u32 error;
	bool killed;
	wait_queue_head_t *client_wait;
	wait_queue_head_t wait;
};

#endif
