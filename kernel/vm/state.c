// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be asked about an address space: how pages are mapped, counters.
 */
#include "vm/vm_priv.h"

/**
 * struct vsvm_state_walk - a walk for vsvm_vm_state()
 * @vm: address space
 * @start: address of @out[0]
 * @out: one word a page
 */
struct vsvm_state_walk {
	struct vsvm_vm *vm;
	unsigned long start;
	u32 *out;
};

static u32 vsvm_state_of(u64 pte)
{
	u32 state = 0;

	if (!pte)
		return 0;
	state |= DRM_VSVM_PAGE_MAPPED;
	if (pte & VSVM_PTE_READ)
		state |= DRM_VSVM_PAGE_READ;
	if (pte & VSVM_PTE_WRITE)
		state |= DRM_VSVM_PAGE_WRITE;
	if (pte & VSVM_PTE_EXEC)
		state |= DRM_VSVM_PAGE_EXEC;
	if (pte & VSVM_PTE_VRAM)
		state |= DRM_VSVM_PAGE_VRAM;
	if (pte & VSVM_PTE_LEAF)
		state |= DRM_VSVM_PAGE_HUGE;
	if (pte & VSVM_PTE_DIRTY)
		state |= DRM_VSVM_PAGE_DIRTY;
	return state;
}

static int vsvm_state_span(struct vsvm_svm_span *span, unsigned long start,
			   unsigned long end, void *arg)
{
	struct vsvm_state_walk *walk = arg;
	unsigned long a;

	for (a = start; a < end; a += PAGE_SIZE)
		walk->out[(a - walk->start) >> PAGE_SHIFT] |=
			vsvm_state_of(vsvm_pt_lookup(&walk->vm->pt,
						     to_pt_span(span), a));
	return 0;
}

void vsvm_vm_state(struct vsvm_vm *vm, u64 start, u32 npages, u32 *out)
{
	struct vsvm_state_walk walk = { .vm = vm, .start = start, .out = out };
	u64 end = start + ((u64)npages << PAGE_SHIFT);
	struct drm_gpuva *va;
	u64 a;

	memset(out, 0, npages * sizeof(*out));
	down_read(&vm->bind_lock);
	drm_gpuvm_for_each_va_range(va, vm->gpuvm, start, end)
		for (a = max(start, va->va.addr);
		     a < min(end, va->va.addr + va->va.range); a += PAGE_SIZE)
			out[(a - start) >> PAGE_SHIFT] = DRM_VSVM_PAGE_BOUND;
	up_read(&vm->bind_lock);
	vsvm_svm_walk_spans(vm->svm, start, end, vsvm_state_span, &walk);
}

void vsvm_vm_stats(struct vsvm_vm *vm, struct drm_vsvm_stats *out)
{
	struct vsvm_userptr_usage usage;

	vsvm_userptr_usage(vm->userptr, &usage);
#define STAT(field, stat) .field = vsvm_svm_stat(vm->svm, VSVM_STAT_##stat)
	*out = (struct drm_vsvm_stats) {
		STAT(faults, FAULTS),
		STAT(folded, FOLDED),
		STAT(valid, VALID),
		STAT(terminal, TERMINAL),
		STAT(groups, GROUPS),
		STAT(retries, RETRIES),
		STAT(snapshots, SNAPSHOTS),
		STAT(populated, POPULATED),
		STAT(ahead, AHEAD),
		STAT(around, AROUND),
		STAT(mapped_4k, MAPPED_4K),
		STAT(mapped_2m, MAPPED_2M),
		STAT(upgraded, UPGRADED),
		STAT(split_2m, SPLIT_2M),
		STAT(invalidations, INVALIDATIONS),
		STAT(invalidations_hit, INVALIDATIONS_HIT),
		STAT(zapped_4k, ZAPPED_4K),
		STAT(zapped_2m, ZAPPED_2M),
		STAT(downgraded, DOWNGRADED),
		STAT(tlb_flushes, TLB_FLUSHES),
		STAT(slow, SLOW),
		STAT(service_ns, SERVICE_NS),
		STAT(populate_ns, POPULATE_NS),
		STAT(snapshot_ns, SNAPSHOT_NS),
		STAT(map_ns, MAP_NS),
		STAT(invalidate_ns, INVALIDATE_NS),
		STAT(migrated, MIGRATED),
		STAT(migrate_failed, MIGRATE_FAILED),
		STAT(migrate_ns, MIGRATE_NS),
		STAT(prefetched, PREFETCHED),
		STAT(guarded, GUARDED),
		STAT(exclusive, EXCLUSIVE),
		STAT(lookup_ns, LOOKUP_NS),
		STAT(attr_resets, ATTR_RESETS),
		.attr_ranges = READ_ONCE(vm->attr.tree.count),
		.resident_4k = atomic_long_read(&vm->pt.resident_4k),
		.resident_2m = atomic_long_read(&vm->pt.resident_2m),
		.notifiers = vsvm_svm_spans(vm->svm),
		.table_bytes = atomic_long_read(&vm->pt.table_bytes),
		.meta_bytes = atomic_long_read(&vm->pt.meta_bytes) +
			vsvm_svm_meta_bytes(vm->svm) + usage.bytes,
		.batches = usage.batches,
		.batch_ranges = usage.ranges,
		.batch_notifiers = usage.windows,
	};
#undef STAT
}
