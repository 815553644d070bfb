// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches in an address space.
 *
 * A binding holds a reference to its batch, and what is bound of a batch lies at
 * the same distance from its beginning for ever: a binding that is cut leaves
 * parts of it and the batch as it was.  So a page of the process is found in the
 * page table without looking at bindings; where a part of the batch has been
 * unbound, there is nothing of a batch, or something of another, which then loses
 * a page that it gets back with the next fault.
 *
 * Entries of batches have a mark of their own, as those of buffer objects have:
 * the process' address that the mirror maps at the same place is another one.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>

#include "userptr/userptr.h"
#include "vm/vm_priv.h"

/* --- what batches ask of the page table --- */

static void *vsvm_batch_prepare(void *priv, struct vsvm_svm_span *span,
				unsigned long address)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_prepare(&vm->pt, to_pt_span(span), address);
}

static void vsvm_batch_finish(void *priv, void *prepared)
{
	struct vsvm_vm *vm = priv;

	vsvm_pt_table_destroy(&vm->pt, prepared);
}

static bool vsvm_batch_mapped(void *priv, struct vsvm_svm_span *span,
			      unsigned long address, enum vsvm_svm_access access)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_mapped(&vm->pt, to_pt_span(span), address, access);
}

static int vsvm_batch_map(void *priv, struct vsvm_svm_span *span, unsigned long address,
			  const unsigned long *pfns, unsigned int npages, unsigned int mode,
			  void **prepared)
{
	struct vsvm_pt_table *table = *prepared;
	struct vsvm_vm *vm = priv;
	int ret;

	ret = vsvm_pt_map_as(&vm->pt, to_pt_span(span), VSVM_PT_BATCH, address, pfns,
			     npages, mode, &table);
	*prepared = table;
	return ret;
}

static int vsvm_batch_map_huge(void *priv, struct vsvm_svm_span *span,
			       unsigned long address, unsigned long pfn, unsigned int mode)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_map_huge_as(&vm->pt, to_pt_span(span), VSVM_PT_BATCH, address,
				   pfn, mode);
}

static int vsvm_batch_map_atomic(void *priv, struct vsvm_svm_span *span,
				 unsigned long address, unsigned long pfn,
				 void **prepared)
{
	struct vsvm_pt_table *table = *prepared;
	struct vsvm_vm *vm = priv;
	int ret;

	ret = vsvm_pt_map_atomic_as(&vm->pt, to_pt_span(span), VSVM_PT_BATCH, address,
				    pfn, &table);
	*prepared = table;
	return ret;
}

static unsigned long vsvm_batch_zap(void *priv, struct vsvm_svm_span *span,
				    unsigned long start, unsigned long end,
				    enum vsvm_svm_place place)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_zap_kind(&vm->pt, to_pt_span(span), VSVM_PT_BATCH, start, end,
				place);
}

static unsigned long vsvm_batch_protect(void *priv, struct vsvm_svm_span *span,
					unsigned long start, unsigned long end)
{
	struct vsvm_vm *vm = priv;

	return vsvm_pt_protect_kind(&vm->pt, to_pt_span(span), VSVM_PT_BATCH, start,
				    end);
}

static const struct vsvm_svm_ops vsvm_batch_ops = {
	.prepare = vsvm_batch_prepare,
	.finish = vsvm_batch_finish,
	.mapped = vsvm_batch_mapped,
	.map = vsvm_batch_map,
	.map_huge = vsvm_batch_map_huge,
	.map_atomic = vsvm_batch_map_atomic,
	.zap = vsvm_batch_zap,
	.protect = vsvm_batch_protect,
};

/**
 * vsvm_vm_userptr_init() - make an address space ready for batches
 * @vm: with its mirror
 * @config: of the mirror
 *
 * Return: 0 or -ENOMEM.  May sleep.
 */
int vsvm_vm_userptr_init(struct vsvm_vm *vm, const struct vsvm_svm_config *config)
{
	vm->userptr = vsvm_userptr_create(&vsvm_batch_ops, vm, vm->svm, config);
	return vm->userptr ? 0 : -ENOMEM;
}

struct vsvm_userptr_batch *
vsvm_vm_batch_create(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *op,
		     const struct drm_vsvm_userptr_range *ranges, u32 count, u32 *failed)
{
	const struct vsvm_userptr_limits limits = {
		.end = vsvm_svm_mm(vm->svm)->task_size,
		.bytes = VSVM_MAX_USERPTR_BYTES,
	};
	struct vsvm_userptr_batch *batch;

	static_assert(sizeof(*ranges) == sizeof(struct vsvm_userptr_piece));
	static_assert(offsetof(struct drm_vsvm_userptr_range, size) ==
		      offsetof(struct vsvm_userptr_piece, size));
	batch = vsvm_userptr_batch_create(vm->userptr, op->address,
					  (const struct vsvm_userptr_piece *)ranges,
					  count, &limits, failed);
	if (!IS_ERR(batch) && vsvm_userptr_batch_size(batch) != op->size) {
		vsvm_userptr_batch_put(batch);
		batch = ERR_PTR(-EINVAL);
	}
	return batch;
}

void vsvm_vm_batch_put(struct vsvm_userptr_batch *batch)
{
	vsvm_userptr_batch_put(batch);
}

/**
 * vsvm_vm_batch_map() - map what is there of a batch that has just been bound
 * @vm: address space
 * @op: the operation
 *
 * It is advice: what is not mapped here is mapped when the device asks for it.
 * Context: may sleep; bind_lock not held.
 */
void vsvm_vm_batch_map(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *op)
{
	u64 start = op->address, end = start + min_t(u64, op->size, VSVM_IMMEDIATE_BYTES);
	struct vsvm_userptr_scratch *scratch;
	struct drm_gem_object *gem = NULL;
	struct vsvm_svm_bounds bounds;
	struct vsvm_svm_user user;

	scratch = kvmalloc_obj(*scratch);
	if (!scratch)
		return;
	/* Another call may have changed it since: then it is none of this one's */
	if (vsvm_vm_find_binding(vm, start, &bounds, &gem)) {
		if (bounds.object && bounds.start == op->address &&
		    bounds.end == op->address + op->size) {
			vsvm_svm_enter(vm->svm, &user);
			vsvm_userptr_map_present(bounds.object, start, end, &bounds,
						 scratch);
			vsvm_svm_leave(vm->svm, &user);
		}
		vsvm_userptr_batch_put(bounds.object);
		if (gem)
			drm_gem_object_put(gem);
	}
	kvfree(scratch);
}
