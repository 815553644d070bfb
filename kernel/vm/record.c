// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault records: what user space can read back of faults and errors.
 */
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "vm/vm_priv.h"

int vsvm_records_init(struct vsvm_vm_records *records)
{
	spin_lock_init(&records->lock);
	records->ring = kvcalloc(VSVM_VM_RECORDS, sizeof(*records->ring),
				 GFP_KERNEL_ACCOUNT);
	return records->ring ? 0 : -ENOMEM;
}

void vsvm_records_fini(struct vsvm_vm_records *records)
{
	kvfree(records->ring);
}

static u64 vsvm_records_add(struct vsvm_vm *vm, const struct vsvm_hw_fault *fault,
			    u32 queue_id, u32 reason, u32 error)
{
	struct vsvm_vm_records *records = &vm->records;
	u64 now = ktime_get_ns();
	unsigned long flags;
	u64 sequence;

	spin_lock_irqsave(&records->lock, flags);
	sequence = ++records->last;
	records->ring[(sequence - 1) % VSVM_VM_RECORDS] = (struct drm_vsvm_fault) {
		.sequence = sequence,
		.time_ns = fault->time_ns,
		.latency_ns = now - min(now, fault->time_ns),
		.address = fault->address,
		.packet = fault->packet,
		.tag = fault->tag,
		.queue_id = queue_id,
		.engine = fault->engine,
		.access = fault->access,
		.reason = reason,
		.error = error,
		.level = fault->level,
	};
	spin_unlock_irqrestore(&records->lock, flags);
	return sequence;
}

/**
 * vsvm_records_resolved() - keep a record of a fault that was served
 * @vm: address space
 * @fault: the hardware's record
 *
 * Records of resolved faults carry no queue: the faults of a queue are all of
 * one context, whose number the hardware gave, not user space.
 */
void vsvm_records_resolved(struct vsvm_vm *vm, const struct vsvm_hw_fault *fault)
{
	vsvm_records_add(vm, fault, 0, DRM_VSVM_FAULT_RESOLVED, 0);
}

static const struct {
	u32 reason;
	u32 error;
} vsvm_hw_reasons[] = {
	[VSVM_HW_ERROR_BAD_OPCODE] = { DRM_VSVM_FAULT_BAD_OPCODE, EINVAL },
	[VSVM_HW_ERROR_BAD_PACKET] = { DRM_VSVM_FAULT_BAD_PACKET, EINVAL },
	[VSVM_HW_ERROR_MISALIGNED] = { DRM_VSVM_FAULT_MISALIGNED, EINVAL },
	[VSVM_HW_ERROR_ADDRESS] = { DRM_VSVM_FAULT_ADDRESS, EFAULT },
	[VSVM_HW_ERROR_RESERVED] = { DRM_VSVM_FAULT_RESERVED, EIO },
	[VSVM_HW_ERROR_WAIT_TIMEOUT] = { DRM_VSVM_FAULT_WAIT_TIMEOUT, ETIME },
};

u64 vsvm_vm_record_error(struct vsvm_vm *vm, const struct vsvm_hw_error *error,
			 u32 queue_id, u32 *code)
{
	u32 reason = DRM_VSVM_FAULT_RESERVED;

	*code = EIO;
	if (error->error == VSVM_HW_ERROR_TERMINATED) {
		reason = VSVM_VERDICT_REASON(error->code);
		*code = VSVM_VERDICT_ERROR(error->code);
	} else if (error->error < ARRAY_SIZE(vsvm_hw_reasons) &&
		   vsvm_hw_reasons[error->error].reason) {
		reason = vsvm_hw_reasons[error->error].reason;
		*code = vsvm_hw_reasons[error->error].error;
	}
	return vsvm_records_add(vm, &error->fault, queue_id, reason, *code);
}

/* Records copied with interrupts off at once */
#define VSVM_RECORDS_PIECE	16

u32 vsvm_vm_records(struct vsvm_vm *vm, u64 since, struct drm_vsvm_fault *out,
		    u32 max, u64 *lost, u64 *last)
{
	struct vsvm_vm_records *records = &vm->records;
	u64 first = 0, oldest;
	u32 n = 0, piece;

	*lost = 0;
	do {
		spin_lock_irq(&records->lock);
		*last = records->last;
		oldest = *last > VSVM_VM_RECORDS ? *last - VSVM_VM_RECORDS + 1 : 1;
		if (!n) {
			first = min(since, *last) + 1;
			if (first < oldest) {
				*lost = oldest - first;
				first = oldest;
			}
		}
		piece = VSVM_RECORDS_PIECE;
		/* What has been overwritten meanwhile is lost to the next call */
		while (piece && n < max && first + n >= oldest && first + n <= *last) {
			out[n] = records->ring[(first + n - 1) % VSVM_VM_RECORDS];
			piece--;
			n++;
		}
		spin_unlock_irq(&records->lock);
	} while (!piece);
	return n;
}
