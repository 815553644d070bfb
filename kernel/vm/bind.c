// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is bound where.
 *
 * A call carries out its operations one by one on the tree and keeps a list of
 * what it did; if one fails, the list is taken back in reverse.  The lock is
 * held all the while, so that nobody sees a half-done call, and taking back
 * needs no memory.
 *
 * A fault looks its binding up under the lock and serves without it.  What it
 * found counts only as long as the epoch has not moved on, which is checked
 * under the lock of the span: so an unbind that has moved the epoch and then
 * finds no page mapped can rely on none being mapped later.
 */
#include <linux/jiffies.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>

#include "vm/vm_priv.h"

static const u32 vsvm_bind_flags[] = {
	[DRM_VSVM_BIND_MAP_MIRROR] = DRM_VSVM_BIND_READ_ONLY | DRM_VSVM_BIND_MIGRATE |
				     DRM_VSVM_BIND_REPLACE | DRM_VSVM_BIND_AUTO_RESET,
	[DRM_VSVM_BIND_UNMAP] = DRM_VSVM_BIND_FORCE,
	[DRM_VSVM_BIND_MAP_BO] = DRM_VSVM_BIND_READ_ONLY | DRM_VSVM_BIND_REPLACE,
	[DRM_VSVM_BIND_PREFETCH] = 0,
	[DRM_VSVM_BIND_MAP_USERPTR] = DRM_VSVM_BIND_READ_ONLY | DRM_VSVM_BIND_REPLACE |
				      DRM_VSVM_BIND_IMMEDIATE,
};

/**
 * struct vsvm_bind_step - one change of the tree
 * @link: on &vsvm_bind_call.steps, newest first
 * @binding: put in or taken out
 * @removed: which of the two
 */
struct vsvm_bind_step {
	struct list_head link;
	struct vsvm_binding *binding;
	bool removed;
};

/**
 * struct vsvm_bind_call - a call under way
 * @vm: address space, bind_lock held for writing
 * @steps: what has been done
 */
struct vsvm_bind_call {
	struct vsvm_vm *vm;
	struct list_head steps;
};

static struct vsvm_binding *to_binding(struct drm_gpuva *va)
{
	return container_of(va, struct vsvm_binding, va);
}

static int vsvm_bind_insert(struct vsvm_bind_call *call, u64 address, u64 size,
			    u32 flags, struct drm_gem_object *gem, u64 offset,
			    struct vsvm_userptr_batch *batch)
{
	struct vsvm_bind_step *step = kzalloc_obj(*step, GFP_KERNEL_ACCOUNT);
	struct vsvm_binding *binding = kzalloc_obj(*binding, GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!step || !binding)
		goto err_free;
	binding->va.va.addr = address;
	binding->va.va.range = size;
	binding->va.gem.obj = gem;
	binding->va.gem.offset = offset;
	binding->flags = flags & ~(DRM_VSVM_BIND_REPLACE | DRM_VSVM_BIND_IMMEDIATE);
	err = drm_gpuva_insert(call->vm->gpuvm, &binding->va);
	if (err)
		goto err_free;
	err = vsvm_bo_link(&binding->va);
	if (err) {
		drm_gpuva_remove(&binding->va);
		goto err_free;
	}
	if (batch)
		binding->batch = vsvm_userptr_batch_get(batch);
	step->binding = binding;
	list_add(&step->link, &call->steps);
	return 0;

err_free:
	kfree(binding);
	kfree(step);
	return err;
}

static int vsvm_bind_remove(struct vsvm_bind_call *call, struct vsvm_binding *binding)
{
	struct vsvm_bind_step *step;

	if (binding->flags & VSVM_BINDING_FIXED)
		return -EBUSY;
	step = kzalloc_obj(*step, GFP_KERNEL_ACCOUNT);
	if (!step)
		return -ENOMEM;
	drm_gpuva_remove(&binding->va);
	step->binding = binding;
	step->removed = true;
	list_add(&step->link, &call->steps);
	return 0;
}

/* Part of a binding goes: what is left of it becomes bindings of their own */
int vsvm_bind_step_remap(struct drm_gpuva_op *op, void *priv)
{
	const struct drm_gpuva_op_remap *r = &op->remap;
	struct vsvm_binding *old = to_binding(r->unmap->va);
	struct vsvm_bind_call *call = priv;
	int err;

	err = vsvm_bind_remove(call, old);
	if (!err && r->prev)
		err = vsvm_bind_insert(call, r->prev->va.addr, r->prev->va.range,
				       old->flags, r->prev->gem.obj,
				       r->prev->gem.offset, old->batch);
	if (!err && r->next)
		err = vsvm_bind_insert(call, r->next->va.addr, r->next->va.range,
				       old->flags, r->next->gem.obj,
				       r->next->gem.offset, old->batch);
	return err;
}

int vsvm_bind_step_unmap(struct drm_gpuva_op *op, void *priv)
{
	return vsvm_bind_remove(priv, to_binding(op->unmap.va));
}

static void vsvm_binding_free(struct vsvm_binding *binding)
{
	vsvm_bo_unlink(&binding->va);
	vsvm_userptr_batch_put(binding->batch);
	kfree(binding);
}

static void vsvm_bind_undo(struct vsvm_bind_call *call)
{
	struct vsvm_bind_step *step, *next;

	list_for_each_entry_safe(step, next, &call->steps, link) {
		if (step->removed) {
			drm_gpuva_insert(call->vm->gpuvm, &step->binding->va);
		} else {
			drm_gpuva_remove(&step->binding->va);
			vsvm_binding_free(step->binding);
		}
		kfree(step);
	}
}

static void vsvm_bind_commit(struct vsvm_bind_call *call)
{
	struct vsvm_bind_step *step, *next;

	list_for_each_entry_safe(step, next, &call->steps, link) {
		if (step->removed)
			vsvm_binding_free(step->binding);
		kfree(step);
	}
}

static int vsvm_bind_span_busy(struct vsvm_svm_span *base, unsigned long start,
			       unsigned long end, void *arg)
{
	struct vsvm_pt_span *span = to_pt_span(base);
	struct vsvm_vm *vm = arg;
	unsigned long a = start;
	u64 pte;

	while (a < end) {
		unsigned int b = vsvm_pt_block(span, a);

		if (!span->pde[b] || (!(span->pde[b] & VSVM_PTE_LEAF) &&
				      !span->block[b].live)) {
			a = ALIGN(a + 1, VSVM_SVM_BLOCK_SIZE);
			continue;
		}
		pte = vsvm_pt_lookup(&vm->pt, span, a);
		if (pte && !(pte & VSVM_PT_KIND))
			return -EBUSY;
		a += PAGE_SIZE;
	}
	return 0;
}

static int vsvm_bind_unmap(struct vsvm_bind_call *call,
			   const struct drm_vsvm_bind_op *op)
{
	struct vsvm_vm *vm = call->vm;
	int err;

	if (drm_gpuvm_interval_empty(vm->gpuvm, op->address, op->size))
		return -ENOENT;
	err = drm_gpuvm_sm_unmap(vm->gpuvm, call, op->address, op->size);
	if (err || (op->flags & DRM_VSVM_BIND_FORCE))
		return err;
	return vsvm_svm_walk_spans(vm->svm, op->address, op->address + op->size,
				      vsvm_bind_span_busy, vm);
}

static int vsvm_bind_check(const struct drm_vsvm_bind_op *op,
			   const struct drm_gem_object *gem)
{
	bool is_bo = op->op == DRM_VSVM_BIND_MAP_BO;
	u64 end;

	if (op->op >= ARRAY_SIZE(vsvm_bind_flags) ||
	    op->flags & ~vsvm_bind_flags[op->op])
		return -EINVAL;
	if (!op->size || !PAGE_ALIGNED(op->address | op->size | op->offset) ||
	    check_add_overflow(op->address, op->size, &end) ||
	    end > BIT_ULL(VSVM_HW_VA_BITS))
		return -EINVAL;
	if (op->op != DRM_VSVM_BIND_MAP_USERPTR &&
	    (op->ranges.stride || op->ranges.count || op->ranges.pointer))
		return -EINVAL;
	if ((!is_bo && (op->offset || op->handle)) ||
	    (op->op != DRM_VSVM_BIND_PREFETCH && op->place) ||
	    op->place > DRM_VSVM_PLACE_SYSTEM)
		return -EINVAL;
	if (is_bo && (check_add_overflow(op->offset, op->size, &end) ||
		      end > gem->size))
		return -EINVAL;
	return 0;
}

/* All of the range is bound to the mirror */
static bool vsvm_bind_is_mirror(struct vsvm_vm *vm, u64 start, u64 end)
{
	struct drm_gpuva *va;

	drm_gpuvm_for_each_va_range(va, vm->gpuvm, start, end) {
		if (va->va.addr > start || va->gem.obj || to_binding(va)->batch)
			return false;
		start = va->va.addr + va->va.range;
	}
	return start >= end;
}

static int vsvm_bind_one(struct vsvm_bind_call *call,
			 const struct drm_vsvm_bind_op *op,
			 struct drm_gem_object *gem,
			 struct vsvm_userptr_batch *batch)
{
	struct vsvm_vm *vm = call->vm;
	int err;

	switch (op->op) {
	case DRM_VSVM_BIND_UNMAP:
		return vsvm_bind_unmap(call, op);
	case DRM_VSVM_BIND_PREFETCH:
		return vsvm_bind_is_mirror(vm, op->address, op->address + op->size) ?
			0 : -ENOENT;
	default:
		break;
	}
	if (op->flags & DRM_VSVM_BIND_REPLACE) {
		err = drm_gpuvm_sm_unmap(vm->gpuvm, call, op->address, op->size);
		if (err)
			return err;
	} else if (!drm_gpuvm_interval_empty(vm->gpuvm, op->address, op->size)) {
		return -EEXIST;
	}
	return vsvm_bind_insert(call, op->address, op->size, op->flags, gem, op->offset,
				batch);
}

static int vsvm_bind_zap_span(struct vsvm_svm_span *span, unsigned long start,
			      unsigned long end, void *arg)
{
	struct vsvm_vm *vm = arg;

	vsvm_pt_zap_all(&vm->pt, to_pt_span(span), start, end);
	return 0;
}

/*
 * Carry out a prefetch, binding by binding, as they are by now.  It is advice, and
 * the call has taken effect: there is no error.  Ends when bindings go on
 * changing for longer than a fault may take, and on a fatal signal.
 */
static void vsvm_bind_prefetch(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *op)
{
	unsigned long deadline = msecs_to_jiffies(vm->vmm->config.fault_deadline_ms);
	u64 start = op->address, end = op->address + op->size;
	unsigned long until = jiffies + deadline;
	struct vsvm_svm_bounds bounds;
	int err;

	while (start < end && !READ_ONCE(vm->closing)) {
		struct drm_gem_object *gem;
		enum vsvm_svm_place place;
		u64 to;

		/* Another call may have taken it away since */
		if (!vsvm_vm_find_binding(vm, start, &bounds, &gem))
			return;
		if (gem) {
			drm_gem_object_put(gem);
			return;
		}
		if (bounds.object) {
			vsvm_userptr_batch_put(bounds.object);
			return;
		}
		place = op->place == DRM_VSVM_PLACE_SYSTEM ? VSVM_SVM_SYSTEM :
			op->place == DRM_VSVM_PLACE_DEVICE ? VSVM_SVM_DEVICE :
			bounds.migrate ? VSVM_SVM_DEVICE :
			bounds.recall ? VSVM_SVM_SYSTEM : VSVM_SVM_ANYWHERE;
		to = min(end, bounds.end);
		err = vsvm_svm_prefetch(vm->svm, start, to, &bounds, place);
		if (err == -ESTALE && time_before(jiffies, until) &&
		    !fatal_signal_pending(current))
			continue;
		if (err)
			return;
		start = to;
		until = jiffies + deadline;
	}
}

int vsvm_vm_bind(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *ops,
		 struct drm_gem_object **gems, struct vsvm_userptr_batch **batches,
		 u32 count, u32 *failed)
{
	struct vsvm_bind_call call = {
		.vm = vm,
		.steps = LIST_HEAD_INIT(call.steps),
	};
	int err = 0;
	u32 i;

	for (i = 0; i < count; i++) {
		err = vsvm_bind_check(&ops[i], gems[i]);
		if (err) {
			*failed = i;
			return err;
		}
	}

	for (i = 0; i < count && !err; i++)
		if (ops[i].flags & DRM_VSVM_BIND_AUTO_RESET)
			err = vsvm_vm_attr_watch(vm);
	if (err)
		return err;
	err = down_write_killable(&vm->bind_lock);
	if (err)
		return err;
	/* From here on no fault that looked earlier maps anything */
	WRITE_ONCE(vm->epoch, vm->epoch + 1);
	for (i = 0; i < count; i++) {
		err = vsvm_bind_one(&call, &ops[i], gems[i], batches[i]);
		if (err) {
			*failed = i;
			vsvm_bind_undo(&call);
			goto out;
		}
	}
	for (i = 0; i < count; i++)
		if (ops[i].op == DRM_VSVM_BIND_UNMAP ||
		    ops[i].flags & DRM_VSVM_BIND_REPLACE)
			vsvm_svm_walk_spans(vm->svm, ops[i].address,
					    ops[i].address + ops[i].size,
					    vsvm_bind_zap_span, vm);
	/* What was bound watches its memory until nothing of it is mapped */
	vsvm_bind_commit(&call);
out:
	up_write(&vm->bind_lock);
	for (i = 0; i < count && !err; i++) {
		if (ops[i].op == DRM_VSVM_BIND_PREFETCH)
			vsvm_bind_prefetch(vm, &ops[i]);
		else if (ops[i].flags & DRM_VSVM_BIND_IMMEDIATE)
			vsvm_vm_batch_map(vm, &ops[i]);
	}
	return err;
}

/**
 * vsvm_vm_find_binding() - what may be mapped around an address
 * @vm: address space
 * @address: any
 * @bounds: out; @object: the batch, with a reference, or NULL
 * @gem: out: NULL for the mirror, or the buffer object, with a reference
 *
 * Context: may sleep.
 * Return: false if nothing is bound there.
 */
bool vsvm_vm_find_binding(struct vsvm_vm *vm, u64 address,
			  struct vsvm_svm_bounds *bounds,
			  struct drm_gem_object **gem)
{
	struct drm_gpuva *va;

	vsvm_vm_attr_catch_up(vm);
	down_read(&vm->bind_lock);
	va = drm_gpuva_find_first(vm->gpuvm, address, 1);
	if (va) {
		u32 flags = to_binding(va)->flags;

		*bounds = (struct vsvm_svm_bounds) {
			.start = va->va.addr,
			.end = va->va.addr + va->va.range,
			.read_only = flags & DRM_VSVM_BIND_READ_ONLY,
			.migrate = flags & DRM_VSVM_BIND_MIGRATE,
			.offset = va->gem.offset,
			.object = to_binding(va)->batch,
			.epoch = &vm->epoch,
			.seen = vm->epoch,
		};
		*gem = va->gem.obj;
		if (*gem)
			drm_gem_object_get(*gem);
		else if (bounds->object)
			vsvm_userptr_batch_get(bounds->object);
		else
			vsvm_vm_attr_bounds(vm, address, bounds);
	}
	up_read(&vm->bind_lock);
	return va;
}

/** vsvm_vm_unbind_all() - forget all bindings; nobody else uses @vm any more */
void vsvm_vm_unbind_all(struct vsvm_vm *vm)
{
	struct drm_gpuva *va, *next;

	down_write(&vm->bind_lock);
	drm_gpuvm_for_each_va_safe(va, next, vm->gpuvm) {
		if (va->gem.obj || to_binding(va)->batch)
			vsvm_svm_walk_spans(vm->svm, va->va.addr,
					    va->va.addr + va->va.range,
					    vsvm_bind_zap_span, vm);
		drm_gpuva_remove(va);
		vsvm_binding_free(to_binding(va));
	}
	up_write(&vm->bind_lock);
}

/* --- what the driver binds itself --- */

/* -EEXIST unless what is bound is the mirror; *bound: its flags, if it is all one */
static int vsvm_bind_replaces(struct vsvm_vm *vm, u64 start, u64 end, u32 *bound)
{
	struct drm_gpuva *va;
	u32 flags = 0;

	*bound = 0;
	if (vsvm_bind_is_mirror(vm, start, end))
		*bound = VSVM_BOUND_MIRROR;
	drm_gpuvm_for_each_va_range(va, vm->gpuvm, start, end) {
		if (va->gem.obj || to_binding(va)->batch)
			return -EEXIST;
		if (va->va.addr > start && flags != to_binding(va)->flags)
			*bound = 0;
		flags = to_binding(va)->flags;
	}
	if (*bound)
		*bound |= flags;
	return 0;
}

int vsvm_vm_bind_fixed(struct vsvm_vm *vm, u64 address, u64 size,
		       struct drm_gem_object *gem, u64 offset, const dma_addr_t *bus,
		       u32 *bound)
{
	struct vsvm_bind_call call = {
		.vm = vm,
		.steps = LIST_HEAD_INIT(call.steps),
	};
	u64 end = address + size;
	int err;

	if (down_write_killable(&vm->bind_lock))
		return -EINTR;
	/* From here on no fault that looked earlier maps anything */
	WRITE_ONCE(vm->epoch, vm->epoch + 1);
	err = vsvm_bind_replaces(vm, address, end, bound);
	if (!err && !drm_gpuvm_interval_empty(vm->gpuvm, address, size))
		err = drm_gpuvm_sm_unmap(vm->gpuvm, &call, address, size);
	if (!err)
		err = vsvm_bind_insert(&call, address, size, VSVM_BINDING_FIXED, gem, offset,
				       NULL);
	if (!err) {
		/* What is mirrored comes back by faults, should the rest fail */
		vsvm_svm_walk_spans(vm->svm, address, end, vsvm_bind_zap_span, vm);
		err = vsvm_fixed_map(vm, address, size, bus);
	}
	if (err) {
		vsvm_svm_walk_spans(vm->svm, address, end, vsvm_bind_zap_span, vm);
		vsvm_bind_undo(&call);
	} else {
		vsvm_bind_commit(&call);
	}
	up_write(&vm->bind_lock);
	return err;
}

void vsvm_vm_unbind_fixed(struct vsvm_vm *vm, u64 address, u64 size, u32 bound)
{
	struct drm_gpuva *va;

	down_write(&vm->bind_lock);
	WRITE_ONCE(vm->epoch, vm->epoch + 1);
	va = drm_gpuva_find(vm->gpuvm, address, size);
	vsvm_svm_walk_spans(vm->svm, address, address + size, vsvm_bind_zap_span, vm);
	if (!WARN_ON(!va)) {
		vsvm_bo_unlink(va);
		if (bound) {
			va->gem.obj = NULL;
			va->gem.offset = 0;
			to_binding(va)->flags = bound & ~VSVM_BOUND_MIRROR;
		} else {
			drm_gpuva_remove(va);
			kfree(to_binding(va));
		}
	}
	up_write(&vm->bind_lock);
}
