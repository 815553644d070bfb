// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that never moves: mapped when it is bound, so that nothing faults on it.
 */
#include <linux/align.h>

#include "vm/vm_priv.h"

/* Pages from the first on that lie side by side */
static unsigned int vsvm_fixed_run(const dma_addr_t *bus, unsigned int npages)
{
	unsigned int n = 1;

	while (n < npages && bus[n] == bus[n - 1] + PAGE_SIZE)
		n++;
	return n;
}

static int vsvm_fixed_map_locked(struct vsvm_vm *vm, struct vsvm_pt_span *span,
				 u64 address, unsigned int npages, const dma_addr_t *bus,
				 struct vsvm_pt_table **prepared)
{
	unsigned int i, run;
	int err = vsvm_svm_stopped(vm->svm) ? -ESRCH : 0;

	for (i = 0; i < npages && !err; i += run) {
		run = vsvm_fixed_run(bus + i, npages - i);
		err = vsvm_pt_map_bo(&vm->pt, span, address + ((u64)i << PAGE_SHIFT),
				     bus[i] | VSVM_PTE_WRITE | VSVM_PTE_ATOMIC, run, prepared);
	}
	return err;
}

/* All in one block */
static int vsvm_fixed_map_block(struct vsvm_vm *vm, u64 address, unsigned int npages,
				const dma_addr_t *bus)
{
	struct vsvm_svm_span *base = vsvm_svm_span(vm->svm, address);
	struct vsvm_pt_table *prepared = NULL;
	struct vsvm_pt_span *span;
	int err;

	if (IS_ERR(base))
		return PTR_ERR(base);
	span = to_pt_span(base);
	do {
		mutex_lock(&base->lock);
		err = vsvm_fixed_map_locked(vm, span, address, npages, bus, &prepared);
		mutex_unlock(&base->lock);
		if (err != -EAGAIN || prepared)
			break;
		/* Not one leaf: a table is needed, unless one has come meanwhile */
		prepared = vsvm_pt_prepare(&vm->pt, span, address);
	} while (!IS_ERR(prepared));
	if (IS_ERR(prepared))
		return PTR_ERR(prepared);
	vsvm_pt_table_destroy(&vm->pt, prepared);
	return err;
}

/**
 * vsvm_fixed_map() - map pages one by one, or as large as they lie
 * @vm: address space, bind_lock held for writing
 * @address: first, page aligned; nothing is mapped there
 * @size: bytes, whole pages
 * @bus: address of each page
 *
 * Return: 0, -ENOMEM, -ESRCH; some may be mapped then.  May sleep.
 */
int vsvm_fixed_map(struct vsvm_vm *vm, u64 address, u64 size, const dma_addr_t *bus)
{
	u64 end = address + size, next;
	struct vsvm_svm_user user;
	int err = 0;

	lockdep_assert_held_write(&vm->bind_lock);
	/* So that a span stays until something is mapped in it */
	vsvm_svm_enter(vm->svm, &user);
	for (; address < end && !err; address = next) {
		unsigned int npages;

		next = min(end, ALIGN(address + 1, VSVM_SVM_BLOCK_SIZE));
		npages = (next - address) >> PAGE_SHIFT;
		err = vsvm_fixed_map_block(vm, address, npages, bus);
		bus += npages;
	}
	vsvm_svm_leave(vm->svm, &user);
	return err;
}
