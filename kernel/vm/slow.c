// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults whose service may have to wait.
 *
 * A page under userfaultfd arrives when its monitor feels like it, a page of a
 * file when its file system does, mmap_lock becomes free when whoever has it is
 * served: or never.  Such a fault must hold up neither others nor the end of the
 * address space: it is served by a thread of the address space's own, which a
 * signal ends, something a workqueue does not offer.  Threads are made when a
 * fault finds none idle, up to a limit; what is beyond it waits its turn.
 */
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vm/vm_priv.h"

/**
 * struct vsvm_slow_group - faults to be served together
 * @link: on &vsvm_vm_slow.list
 * @wait: for what
 * @count: of @fault
 * @fault: the hardware's records, sorted
 */
struct vsvm_slow_group {
	struct list_head link;
	enum vsvm_svm_wait wait;
	unsigned int count;
	struct vsvm_hw_fault fault[] __counted_by(count);
};

void vsvm_slow_init(struct vsvm_vm_slow *slow)
{
	spin_lock_init(&slow->lock);
	INIT_LIST_HEAD(&slow->list);
	init_waitqueue_head(&slow->wake);
	mutex_init(&slow->create);
}

static struct vsvm_slow_group *vsvm_slow_take(struct vsvm_vm_slow *slow)
{
	struct vsvm_slow_group *f;

	spin_lock(&slow->lock);
	f = list_first_entry_or_null(&slow->list, struct vsvm_slow_group, link);
	if (f) {
		list_del(&f->link);
		slow->waiting--;
		slow->busy++;
	}
	spin_unlock(&slow->lock);
	return f;
}

/**
 * struct vsvm_slow_memory - what a thread serves with
 * @service: see there
 * @fault: pointers into the group
 */
struct vsvm_slow_memory {
	struct vsvm_fault_service service;
	const struct vsvm_hw_fault *fault[VSVM_FAULT_BATCH];
};

static void vsvm_slow_serve(struct vsvm_vm *vm, struct vsvm_slow_memory *memory,
			    const struct vsvm_slow_group *g)
{
	unsigned int i;

	for (i = 0; i < g->count; i++) {
		if (memory)
			memory->fault[i] = &g->fault[i];
		else
			vsvm_hw_fault_answer(vm->vmm->hw, &g->fault[i], VSVM_HW_TERMINATE,
					     VSVM_VERDICT(DRM_VSVM_FAULT_NO_MEMORY,
							  ENOMEM));
	}
	if (memory)
		vsvm_fault_serve(vm, &memory->service, memory->fault, g->count, g->wait);
}

static int vsvm_slow_thread(void *arg)
{
	struct vsvm_vm *vm = arg;
	struct vsvm_vm_slow *slow = &vm->slow;
	struct vsvm_slow_memory *memory;
	struct vsvm_slow_group *f;

	memory = kvzalloc_obj(*memory);
	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop()) {
		wait_event_interruptible(slow->wake, kthread_should_stop() ||
					 !list_empty_careful(&slow->list));
		f = vsvm_slow_take(slow);
		if (!f)
			continue;
		vsvm_slow_serve(vm, memory, f);
		kfree(f);
		spin_lock(&slow->lock);
		slow->busy--;
		spin_unlock(&slow->lock);
	}
	kvfree(memory);
	return 0;
}

static unsigned int vsvm_slow_pending(struct vsvm_vm_slow *slow)
{
	unsigned int pending;

	spin_lock(&slow->lock);
	pending = slow->waiting + slow->busy;
	spin_unlock(&slow->lock);
	return pending;
}

/* Another thread if all are busy; there is one that will look at the list after this */
static bool vsvm_slow_have_thread(struct vsvm_vm *vm)
{
	struct vsvm_vm_slow *slow = &vm->slow;
	struct task_struct *task;

	lockdep_assert_held(&slow->create);
	if (slow->closed)
		return false;
	if (slow->nthreads == VSVM_SLOW_THREADS ||
	    slow->nthreads > vsvm_slow_pending(slow))
		return true;
	task = kthread_run(vsvm_slow_thread, vm, "vsvm-slow/%u", vm->asid);
	if (!IS_ERR(task))
		slow->thread[slow->nthreads++] = task;
	return slow->nthreads;
}

/**
 * vsvm_slow_add() - hand faults to a thread that may wait
 * @vm: address space, with a reference held
 * @faults: the hardware's records, copied; of one block, sorted
 * @count: at most %VSVM_FAULT_BATCH; they are served together, so only one if
 *	each may have to wait for something else
 * @wait: for what
 *
 * Context: may sleep.
 * Return: false if there is no memory or no thread for it; the faults are the
 * caller's to answer.
 */
bool vsvm_slow_add(struct vsvm_vm *vm, const struct vsvm_hw_fault *const *faults,
		   unsigned int count, enum vsvm_svm_wait wait)
{
	struct vsvm_vm_slow *slow = &vm->slow;
	struct vsvm_slow_group *f = kmalloc_flex(*f, fault, count);
	unsigned int i;
	bool added;

	if (!f)
		return false;
	f->wait = wait;
	f->count = count;
	for (i = 0; i < count; i++)
		f->fault[i] = *faults[i];
	mutex_lock(&slow->create);
	added = vsvm_slow_have_thread(vm);
	if (added) {
		spin_lock(&slow->lock);
		list_add_tail(&f->link, &slow->list);
		slow->waiting++;
		spin_unlock(&slow->lock);
		wake_up(&slow->wake);
	}
	mutex_unlock(&slow->create);
	if (added)
		vsvm_svm_count(vm->svm, VSVM_STAT_SLOW, count);
	else
		kfree(f);
	return added;
}

/**
 * vsvm_slow_stop() - end the threads, whatever they are waiting for
 * @vm: address space
 *
 * Faults not served stay unanswered: their contexts are gone.  May sleep.
 */
void vsvm_slow_stop(struct vsvm_vm *vm)
{
	struct vsvm_vm_slow *slow = &vm->slow;
	struct vsvm_slow_group *f;

	mutex_lock(&slow->create);
	slow->closed = true;
	mutex_unlock(&slow->create);
	/* Not under the lock: a thread may be about to hand on what it was given */
	while (slow->nthreads) {
		struct task_struct *task = slow->thread[--slow->nthreads];

		send_sig(SIGKILL, task, 1);
		kthread_stop(task);
	}
	while ((f = vsvm_slow_take(slow)))
		kfree(f);
}
