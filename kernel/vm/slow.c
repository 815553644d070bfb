// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that only user space can serve.
 *
 * A page under userfaultfd arrives when its monitor feels like it, or never.
 * Such a fault must hold up neither others nor the end of the address space:
 * it is served by a thread of the address space's own, which a signal ends,
 * something a workqueue does not offer.  Threads are made when a fault finds
 * none idle, up to a limit; what is beyond it waits its turn.
 */
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vm/vm_priv.h"

/**
 * struct vsvm_slow_fault - a fault waiting for user space
 * @link: on &vsvm_vm_slow.list
 * @fault: the hardware's record
 */
struct vsvm_slow_fault {
	struct list_head link;
	struct vsvm_hw_fault fault;
};

void vsvm_slow_init(struct vsvm_vm_slow *slow)
{
	spin_lock_init(&slow->lock);
	INIT_LIST_HEAD(&slow->list);
	init_waitqueue_head(&slow->wake);
	mutex_init(&slow->create);
}

static struct vsvm_slow_fault *vsvm_slow_take(struct vsvm_vm_slow *slow)
{
	struct vsvm_slow_fault *f;

	spin_lock(&slow->lock);
	f = list_first_entry_or_null(&slow->list, struct vsvm_slow_fault, link);
	if (f) {
		list_del(&f->link);
		slow->waiting--;
		slow->busy++;
	}
	spin_unlock(&slow->lock);
	return f;
}

static int vsvm_slow_thread(void *arg)
{
	struct vsvm_vm *vm = arg;
	struct vsvm_vm_slow *slow = &vm->slow;
	struct vsvm_fault_service *service;
	struct vsvm_slow_fault *f;

	service = kvzalloc_obj(*service);
	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop()) {
		wait_event_interruptible(slow->wake, kthread_should_stop() ||
					 !list_empty_careful(&slow->list));
		f = vsvm_slow_take(slow);
		if (!f)
			continue;
		if (service) {
			const struct vsvm_hw_fault *fault = &f->fault;

			vsvm_fault_serve(vm, service, &fault, 1, true);
		} else {
			vsvm_hw_fault_answer(vm->vmm->hw, &f->fault, VSVM_HW_TERMINATE,
					     VSVM_VERDICT(DRM_VSVM_FAULT_NO_MEMORY,
							  ENOMEM));
		}
		kfree(f);
		spin_lock(&slow->lock);
		slow->busy--;
		spin_unlock(&slow->lock);
	}
	kvfree(service);
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
 * vsvm_slow_add() - hand a fault to a thread that may wait for user space
 * @vm: address space, with a reference held
 * @fault: the hardware's record, copied
 *
 * Context: may sleep.
 * Return: false if there is no memory or no thread for it; the fault is the
 * caller's to answer.
 */
bool vsvm_slow_add(struct vsvm_vm *vm, const struct vsvm_hw_fault *fault)
{
	struct vsvm_vm_slow *slow = &vm->slow;
	struct vsvm_slow_fault *f = kmalloc_obj(*f);
	bool added;

	if (!f)
		return false;
	f->fault = *fault;
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
		vsvm_svm_count(vm->svm, VSVM_STAT_SLOW, 1);
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
	struct vsvm_slow_fault *f;

	mutex_lock(&slow->create);
	slow->closed = true;
	while (slow->nthreads) {
		struct task_struct *task = slow->thread[--slow->nthreads];

		send_sig(SIGKILL, task, 1);
		kthread_stop(task);
	}
	mutex_unlock(&slow->create);
	while ((f = vsvm_slow_take(slow)))
		kfree(f);
}
