// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of an address space, and what they do to it.
 *
 * Attributes are looked up together with the binding, under bind_lock, and hold
 * as long as the epoch does.  Who changes them holds the lock for writing and
 * moves the epoch first: from then on nobody maps anything by the old ones, so
 * what is taken away next is all there is.  When the call returns, no mapping is
 * left that the new attributes would not allow, and none that crosses one of
 * their boundaries.
 */
#include <linux/bitfield.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include <drm/drm_gem.h>

#include "vm/vm_priv.h"

static bool vsvm_attr_is_none(u32 word)
{
	return FIELD_GET(VSVM_ATTR_ACCESS, word) == 2;
}

static bool vsvm_attr_is_coherent(u32 word)
{
	return !(word & VSVM_ATTR_NOT_COHERENT) || (word & VSVM_ATTR_EXT_COHERENT);
}

/* Where a fault puts pages.  ANYWHERE: as the binding says */
static enum vsvm_svm_place vsvm_attr_place(u32 word)
{
	switch (FIELD_GET(VSVM_ATTR_PREFERRED, word)) {
	case DRM_VSVM_LOC_DEVICE:
		return VSVM_SVM_DEVICE;
	case DRM_VSVM_LOC_SYSTEM:
		return VSVM_SVM_SYSTEM;
	default:
		return VSVM_SVM_ANYWHERE;
	}
}

/* Faults leave pages where they lie */
static bool vsvm_attr_stays(u32 word)
{
	return FIELD_GET(VSVM_ATTR_ACCESS, word);
}

/**
 * vsvm_vm_attr_bounds() - narrow the bounds of a binding down by attributes
 * @vm: address space, bind_lock held
 * @address: in the bounds
 * @bounds: in: start, end, read_only and migrate of the binding; out: all but
 *	epoch, seen and offset
 *
 * Does not look further down than the 2 MiB block of @address.
 */
void vsvm_vm_attr_bounds(struct vsvm_vm *vm, u64 address,
			 struct vsvm_svm_bounds *bounds)
{
	unsigned long start = max_t(u64, bounds->start,
				    ALIGN_DOWN(address, VSVM_SVM_BLOCK_SIZE));
	unsigned long end = bounds->end;
	unsigned int order;
	bool set;
	u32 word = 0;

	lockdep_assert_held(&vm->bind_lock);
	if (!mtree_empty(&vm->attr.tree.mt)) {
		word = vsvm_attr_find(&vm->attr.tree, address, VSVM_ATTR_EFFECT,
				      &start, &end);
		bounds->start = start;
		bounds->end = end;
	}
	bounds->no_access = vsvm_attr_is_none(word);
	bounds->read_only |= !!(word & VSVM_ATTR_GPU_RO);
	bounds->exec = word & VSVM_ATTR_GPU_EXEC;
	bounds->incoherent = !vsvm_attr_is_coherent(word);
	bounds->read_mostly = word & VSVM_ATTR_READ_MOSTLY;
	order = vsvm_attr_order(&vm->attr.tree, word, &set);
	bounds->granule = order < VSVM_ATTR_MAX_ORDER ? 1u << order : 0;
	bounds->derived = false;
	bounds->recall = false;
	if (vsvm_attr_stays(word)) {
		bounds->migrate = false;
		return;
	}
	switch (vsvm_attr_place(word)) {
	case VSVM_SVM_DEVICE:
		bounds->migrate = true;
		break;
	case VSVM_SVM_SYSTEM:
		bounds->migrate = false;
		bounds->recall = true;
		break;
	default:
		bounds->derived = bounds->migrate;
		break;
	}
}

/* --- what a change does to what is mapped --- */

/**
 * struct vsvm_attr_effect - a change taking effect
 * @vm: address space, bind_lock held for writing
 * @change: being made
 * @start: part of the range
 * @end: one past it
 * @zap: what is in these places goes
 * @zaps: something is to go
 * @protect: the right to write goes
 */
struct vsvm_attr_effect {
	struct vsvm_vm *vm;
	const struct vsvm_attr_change *change;
	unsigned long start;
	unsigned long end;
	enum vsvm_svm_place zap;
	bool zaps;
	bool protect;
};

static int vsvm_attr_effect_span(struct vsvm_svm_span *base, unsigned long start,
				 unsigned long end, void *arg)
{
	struct vsvm_pt_span *span = to_pt_span(base);
	struct vsvm_attr_effect *e = arg;
	struct vsvm_pt *pt = &e->vm->pt;

	/* First, so that no more goes than has to */
	if (start == e->start)
		vsvm_pt_cut(pt, span, start);
	if (end == e->end && end != base->end)
		vsvm_pt_cut(pt, span, end);
	if (e->zaps)
		vsvm_pt_zap(pt, span, start, end, e->zap);
	if (e->protect)
		vsvm_pt_protect(pt, span, start, end);
	return 0;
}

/* What must go so that pages come to lie where they now should? */
static void vsvm_attr_effect_place(struct vsvm_attr_effect *e, u32 old, u32 new)
{
	if (vsvm_attr_stays(new) ||
	    (vsvm_attr_place(old) == vsvm_attr_place(new) && !vsvm_attr_stays(old)))
		return;
	/* Where the binding decides, it can be the device too */
	e->zaps = true;
	e->zap = vsvm_attr_place(new) == VSVM_SVM_SYSTEM ? VSVM_SVM_DEVICE :
		VSVM_SVM_SYSTEM;
}

static int vsvm_attr_effect(unsigned long start, unsigned long end, u32 old, void *arg)
{
	struct vsvm_attr_effect *e = arg;
	u32 new = vsvm_attr_changed(e->change, old);
	u32 gained = new & ~old;

	if (!((old ^ new) & VSVM_ATTR_EFFECT))
		return 0;
	e->start = start;
	e->end = end;
	e->zaps = false;
	e->zap = VSVM_SVM_ANYWHERE;
	e->protect = gained & (VSVM_ATTR_GPU_RO | VSVM_ATTR_READ_MOSTLY);
	if (vsvm_attr_is_none(new) || ((old ^ new) & VSVM_ATTR_GPU_EXEC) ||
	    vsvm_attr_is_coherent(old) != vsvm_attr_is_coherent(new))
		e->zaps = true;
	else
		vsvm_attr_effect_place(e, old, new);
	vsvm_svm_walk_spans(e->vm->svm, start, end, vsvm_attr_effect_span, e);
	return 0;
}

/**
 * vsvm_vm_attr_change() - change attributes of a range as a whole or not
 * @vm: address space, bind_lock held for writing
 * @start: first address, page aligned
 * @end: one past the last
 * @change: to be made
 *
 * Return: 0, -ENOMEM, -ENOSPC.  May sleep.
 */
int vsvm_vm_attr_change(struct vsvm_vm *vm, unsigned long start, unsigned long end,
			const struct vsvm_attr_change *change)
{
	struct vsvm_attr_effect effect = { .vm = vm, .change = change };
	struct vsvm_attr_update *update = &vm->attr.update;
	int err;

	lockdep_assert_held_write(&vm->bind_lock);
	err = vsvm_attr_begin(update, &vm->attr.tree, start, end, change);
	if (err)
		return err;
	if (change->clear & VSVM_ATTR_EFFECT) {
		/* From here on no fault that looked earlier maps anything */
		WRITE_ONCE(vm->epoch, vm->epoch + 1);
		vsvm_attr_walk(&vm->attr.tree, start, end, vsvm_attr_effect, &effect);
	}
	vsvm_attr_commit(update);
	vsvm_vm_attr_zapped(vm, start, end);
	return 0;
}

/* --- prefetch --- */

/* The part of [*start, end) that begins with the first address bound to the mirror */
static bool vsvm_attr_next_mirror(struct vsvm_vm *vm, unsigned long *start,
				  unsigned long end)
{
	struct drm_gpuva *va;
	bool found = false;

	down_read(&vm->bind_lock);
	drm_gpuvm_for_each_va_range(va, vm->gpuvm, *start, end) {
		if (va->gem.obj)
			continue;
		*start = max_t(u64, *start, va->va.addr);
		found = true;
		break;
	}
	up_read(&vm->bind_lock);
	return found;
}

/**
 * vsvm_vm_attr_prefetch() - move pages of a range and map them, as attributes allow
 * @vm: address space
 * @start: first address, page aligned
 * @end: one past the last
 * @place: where to; ANYWHERE only maps
 *
 * What is not bound to the mirror is left out.  It is advice: ends early for want of
 * memory, on a fatal signal, and when bindings or attributes go on changing for
 * longer than a fault may take.  May sleep.
 */
void vsvm_vm_attr_prefetch(struct vsvm_vm *vm, unsigned long start, unsigned long end,
			   enum vsvm_svm_place place)
{
	unsigned long deadline = msecs_to_jiffies(vm->vmm->config.fault_deadline_ms);
	unsigned long until = jiffies + deadline, to;
	struct vsvm_svm_bounds bounds;
	struct drm_gem_object *gem;
	int err;

	while (start < end && vsvm_attr_next_mirror(vm, &start, end)) {
		if (READ_ONCE(vm->closing) || fatal_signal_pending(current) ||
		    time_after(jiffies, until))
			return;
		cond_resched();
		if (!vsvm_vm_find_binding(vm, start, &bounds, &gem))
			continue;
		to = min_t(u64, end, bounds.end);
		if (gem) {
			drm_gem_object_put(gem);
		} else {
			err = vsvm_svm_prefetch(vm->svm, start, to, &bounds, place);
			if (err == -ESTALE)
				continue;
			if (err)
				return;
		}
		start = to;
		until = jiffies + deadline;
	}
}

/* --- the ioctl --- */

/* All of a range is mapped by the process: a courtesy, true for this moment only */
static int vsvm_attr_check_mapped(struct vsvm_vm *vm, unsigned long start,
				  unsigned long end)
{
	struct mm_struct *mm = vsvm_svm_mm(vm->svm);
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int err;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	err = mmap_read_lock_killable(mm);
	if (err)
		goto out;
	vma_iter_init(&vmi, mm, start);
	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > start)
			break;
		start = vma->vm_end;
	}
	if (start < end)
		err = -EFAULT;
	mmap_read_unlock(mm);
out:
	mmput_async(mm);
	return err;
}

int vsvm_vm_attr_set(struct vsvm_vm *vm, u64 start, u64 end,
		     const struct drm_vsvm_attr *attrs, u32 count)
{
	struct vsvm_attr_change change;
	u32 prefetch = DRM_VSVM_LOC_UNDEFINED, i;
	bool keep;
	int err;

	err = vsvm_attr_parse(attrs, count, &change);
	if (err)
		return err;
	keep = change.clear & change.set & VSVM_ATTR_ALWAYS_MAPPED;
	for (i = 0; i < count; i++)
		if (attrs[i].type == DRM_VSVM_ATTR_PREFETCH_LOC)
			prefetch = attrs[i].value;
	if ((prefetch || keep) && end - start > VSVM_VM_MAX_PREFETCH)
		return -E2BIG;
	err = vsvm_attr_check_mapped(vm, start, end);
	if (err)
		return err;

	err = down_write_killable(&vm->bind_lock);
	if (err)
		return err;
	vsvm_vm_attr_drain(vm);
	err = vsvm_vm_attr_change(vm, start, end, &change);
	up_write(&vm->bind_lock);
	if (err)
		return err;
	if (prefetch)
		vsvm_vm_attr_prefetch(vm, start, end, prefetch == DRM_VSVM_LOC_DEVICE ?
				      VSVM_SVM_DEVICE : VSVM_SVM_SYSTEM);
	if (keep)
		vsvm_vm_attr_keep_mapped(vm, start, end);
	return 0;
}

int vsvm_vm_attr_reset(struct vsvm_vm *vm, u64 start, u64 end)
{
	const struct vsvm_attr_change change = { .clear = VSVM_ATTR_ALL };
	int err = down_write_killable(&vm->bind_lock);

	if (err)
		return err;
	vsvm_vm_attr_drain(vm);
	err = vsvm_vm_attr_change(vm, start, end, &change);
	up_write(&vm->bind_lock);
	return err;
}

int vsvm_vm_attr_get(struct vsvm_vm *vm, u64 start, u64 end,
		     struct drm_vsvm_attr *attrs, u32 count, u64 *next)
{
	unsigned long lo = start, hi = BIT_ULL(VSVM_HW_VA_BITS);
	int err;

	vsvm_vm_attr_catch_up(vm);
	down_read(&vm->bind_lock);
	err = vsvm_attr_get(&vm->attr.tree, start, end, attrs, count);
	vsvm_attr_find(&vm->attr.tree, start, VSVM_ATTR_ALL, &lo, &hi);
	up_read(&vm->bind_lock);
	*next = hi;
	return err;
}

/* --- for the administrator --- */

/**
 * struct vsvm_attr_show - a list being written
 * @vm: address space
 * @m: where to
 */
struct vsvm_attr_show {
	struct vsvm_vm *vm;
	struct seq_file *m;
};

static int vsvm_attr_show_range(unsigned long start, unsigned long end, u32 word,
				void *arg)
{
	struct vsvm_attr_show *show = arg;
	u32 type, value;

	if (!word)
		return 0;
	seq_printf(show->m, "%u %d 0x%lx 0x%lx", show->vm->asid, show->vm->attr.pid, start,
		   end - start);
	for (type = 0; type <= DRM_VSVM_ATTR_ALWAYS_MAPPED; type++) {
		value = vsvm_attr_value(&show->vm->attr.tree, word, type);
		if (value != vsvm_attr_value(&show->vm->attr.tree, 0, type))
			seq_printf(show->m, " %u=%u", type, value);
	}
	seq_putc(show->m, '\n');
	/* The file is written again, with more room */
	return seq_has_overflowed(show->m);
}

void vsvm_vmm_attr_show(struct vsvm_vmm *vmm, struct seq_file *m)
{
	struct vsvm_attr_show show = { .m = m };
	unsigned long asid;

	for (asid = 1; xa_find(&vmm->vms, &asid, ULONG_MAX, XA_PRESENT); asid++) {
		show.vm = vsvm_vmm_find(vmm, asid);
		if (!show.vm)
			continue;
		seq_printf(m, "# %lu %d %lu ranges\n", asid, show.vm->attr.pid,
			   show.vm->attr.tree.count);
		down_read(&show.vm->bind_lock);
		vsvm_attr_walk(&show.vm->attr.tree, 0, BIT(VSVM_HW_VA_BITS),
			       vsvm_attr_show_range, &show);
		up_read(&show.vm->bind_lock);
		vsvm_vm_put(show.vm);
	}
}

struct vsvm_vm *vsvm_vmm_attr_vm(struct vsvm_vmm *vmm, u32 asid)
{
	return vsvm_vmm_find(vmm, asid);
}

/* --- the way back --- */

/*
 * Which pages come back from device memory together with one that the CPU has
 * touched?  Called by core-mm's fault; no locks but RCU.
 */
bool vsvm_vmm_return_block(void *arg, struct mm_struct *mm, unsigned long address,
			   unsigned long *start, unsigned long *end)
{
	struct vsvm_vmm *vmm = arg;
	struct vsvm_vm *vm;
	bool set, any = false;

	rcu_read_lock();
	hash_for_each_possible_rcu(vmm->by_mm, vm, attr.by_mm, (unsigned long)mm) {
		unsigned long lo, hi, size;
		u32 word;

		if (vm->attr.mm != mm || mtree_empty(&vm->attr.tree.mt))
			continue;
		lo = ALIGN_DOWN(address, VSVM_SVM_BLOCK_SIZE);
		hi = lo + VSVM_SVM_BLOCK_SIZE;
		word = vsvm_attr_find(&vm->attr.tree, address, VSVM_ATTR_EFFECT,
				      &lo, &hi);
		size = PAGE_SIZE << vsvm_attr_order(&vm->attr.tree, word, &set);
		if (!set)
			continue;
		*start = max3(*start, lo, ALIGN_DOWN(address, size));
		*end = min3(*end, hi, ALIGN_DOWN(address, size) + size);
		any = true;
	}
	rcu_read_unlock();
	return any;
}

/* --- life --- */

void vsvm_vm_attr_init(struct vsvm_vm *vm)
{
	struct vsvm_vmm *vmm = vm->vmm;

	vsvm_attr_init(&vm->attr.tree, &vm->bind_lock, vmm->config.granularity);
	vm->attr.mm = current->mm;
	vm->attr.pid = task_tgid_nr(current);
	vsvm_vm_attr_reset_init(vm);
	vsvm_vm_attr_mapped_init(vm);
	spin_lock(&vmm->by_mm_lock);
	hash_add_rcu(vmm->by_mm, &vm->attr.by_mm, (unsigned long)vm->attr.mm);
	spin_unlock(&vmm->by_mm_lock);
}

/* Nobody uses it any more, but a CPU fault that looks */
void vsvm_vm_attr_fini(struct vsvm_vm *vm)
{
	struct vsvm_vmm *vmm = vm->vmm;

	vsvm_vm_attr_mapped_fini(vm);
	vsvm_vm_attr_reset_fini(vm);
	spin_lock(&vmm->by_mm_lock);
	hash_del_rcu(&vm->attr.by_mm);
	spin_unlock(&vmm->by_mm_lock);
	if (vm->attr.tree.count)
		synchronize_rcu();
	vsvm_attr_destroy(&vm->attr.tree);
}
