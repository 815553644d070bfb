// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the fault buffer to the mirror and back.
 *
 * A number of workers stand by.  An interrupt wakes one; it reads a batch,
 * sorts it, folds what asks for the same page, and cuts it into groups of one
 * address space and 2 MiB block.  If there are several groups and idle workers,
 * those are called in to help; the groups are taken one by one from a common
 * list.  While it serves, the interrupt is enabled again, so that faults behind
 * a slow one (a page that must be read from disk) find another worker: no
 * thread hands work to a thread that is always the same.
 *
 * Every record is answered, whatever happens.
 */
#include <linux/jiffies.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sort.h>
#include <linux/workqueue.h>

#include <drm/drm_gem.h>

#include "vm/vm_priv.h"

/**
 * struct vsvm_fault_group - faults of one address space and block
 * @first: index into the sorted list
 * @count: how many
 */
struct vsvm_fault_group {
	u16 first;
	u16 count;
};

/**
 * struct vsvm_fault_worker - one worker
 * @work: queued when it is to run
 * @vmm: whose worker
 * @index: its bit in &vsvm_vmm.idle
 * @help: whose groups to help with when it runs, or NULL; set by who claimed it
 * @service: memory to serve with
 * @record: batch, as read
 * @sorted: pointers into it
 * @group: of the batch
 * @ngroups: of @group
 * @next: group to be taken next
 * @helpers: other workers that have been asked to help and are not done
 */
struct vsvm_fault_worker {
	struct work_struct work;
	struct vsvm_vmm *vmm;
	unsigned int index;
	struct vsvm_fault_worker *help;
	struct vsvm_fault_service service;
	struct vsvm_hw_fault record[VSVM_FAULT_BATCH];
	const struct vsvm_hw_fault *sorted[VSVM_FAULT_BATCH];
	struct vsvm_fault_group group[VSVM_FAULT_BATCH];
	unsigned int ngroups;
	atomic_t next;
	atomic_t helpers;
};

static enum vsvm_svm_access vsvm_fault_access(const struct vsvm_hw_fault *f)
{
	switch (f->access) {
	case VSVM_HW_WRITE:
		return VSVM_SVM_WRITE;
	case VSVM_HW_ATOMIC:
		return VSVM_SVM_ATOMIC;
	default:
		return VSVM_SVM_READ;
	}
}

static int vsvm_fault_compare(const void *a, const void *b)
{
	const struct vsvm_hw_fault *l = *(const struct vsvm_hw_fault **)a;
	const struct vsvm_hw_fault *r = *(const struct vsvm_hw_fault **)b;
	u64 lpage = l->address >> PAGE_SHIFT, rpage = r->address >> PAGE_SHIFT;

	if (l->asid != r->asid)
		return l->asid < r->asid ? -1 : 1;
	if (lpage != rpage)
		return lpage < rpage ? -1 : 1;
	return (int)vsvm_fault_access(l) - (int)vsvm_fault_access(r);
}

static bool vsvm_fault_same_group(const struct vsvm_hw_fault *a,
				  const struct vsvm_hw_fault *b)
{
	return a->asid == b->asid &&
	       a->address >> VSVM_SVM_BLOCK_SHIFT == b->address >> VSVM_SVM_BLOCK_SHIFT;
}

static bool vsvm_fault_same_page(const struct vsvm_hw_fault *a,
				 const struct vsvm_hw_fault *b)
{
	return a->address >> PAGE_SHIFT == b->address >> PAGE_SHIFT &&
	       vsvm_fault_access(a) == vsvm_fault_access(b);
}

static const struct {
	u32 reason;
	u32 error;
} vsvm_fault_verdicts[] = {
	[VSVM_SVM_NO_MAPPING] = { DRM_VSVM_FAULT_NO_MAPPING, EFAULT },
	[VSVM_SVM_PERMISSION] = { DRM_VSVM_FAULT_PERMISSION, EACCES },
	[VSVM_SVM_READ_ONLY] = { DRM_VSVM_FAULT_READ_ONLY, EACCES },
	[VSVM_SVM_NO_ACCESS] = { DRM_VSVM_FAULT_NO_ACCESS, EACCES },
	[VSVM_SVM_BUS] = { DRM_VSVM_FAULT_BUS, EFAULT },
	[VSVM_SVM_UNSUPPORTED] = { DRM_VSVM_FAULT_UNSUPPORTED, EOPNOTSUPP },
	[VSVM_SVM_NO_MEMORY] = { DRM_VSVM_FAULT_NO_MEMORY, ENOMEM },
	[VSVM_SVM_EXITED] = { DRM_VSVM_FAULT_EXITED, ESRCH },
	[VSVM_SVM_TIMEOUT] = { DRM_VSVM_FAULT_TIMEOUT, ETIME },
	[VSVM_SVM_PURGED] = { DRM_VSVM_FAULT_PURGED, EFAULT },
};

static void vsvm_fault_replay(struct vsvm_vm *vm, const struct vsvm_hw_fault *f)
{
	if (vm->flags & DRM_VSVM_VM_RECORD_ALL)
		vsvm_records_resolved(vm, f);
	vsvm_hw_fault_answer(vm->vmm->hw, f, VSVM_HW_REPLAY, 0);
}

static void vsvm_fault_terminate(struct vsvm_vmm *vmm, const struct vsvm_hw_fault *f,
				 u32 reason, u32 error)
{
	vsvm_hw_fault_answer(vmm->hw, f, VSVM_HW_TERMINATE,
			     VSVM_VERDICT(reason, error));
}

static void vsvm_fault_answer(struct vsvm_vm *vm, const struct vsvm_hw_fault *f,
			      enum vsvm_svm_status status)
{
	switch (status) {
	case VSVM_SVM_OK:
		vsvm_fault_replay(vm, f);
		break;
	case VSVM_SVM_SLOW:
		/* Without memory for it, the access is tried and faults again */
		if (!vsvm_slow_add(vm, &f, 1, VSVM_SVM_WAIT_USER))
			vsvm_fault_replay(vm, f);
		break;
	case VSVM_SVM_PENDING:
	case VSVM_SVM_STALE:
		vsvm_svm_count(vm->svm, VSVM_STAT_TERMINAL, 1);
		vsvm_fault_terminate(vm->vmm, f, DRM_VSVM_FAULT_NOT_BOUND, EFAULT);
		break;
	default:
		vsvm_svm_count(vm->svm, VSVM_STAT_TERMINAL, 1);
		vsvm_fault_terminate(vm->vmm, f, vsvm_fault_verdicts[status].reason,
				     vsvm_fault_verdicts[status].error);
		break;
	}
}

/*
 * The bindings have changed under a service: is it to be tried again?  @until: 0
 * when it happens for the first time to these requests.
 */
static bool vsvm_fault_again(struct vsvm_vm *vm, unsigned long *until)
{
	if (READ_ONCE(vm->closing) || fatal_signal_pending(current))
		return false;
	if (!*until)
		*until = (jiffies + msecs_to_jiffies(vm->vmm->config.fault_deadline_ms)) | 1;
	return time_before(jiffies, *until);
}

/*
 * Serve requests binding by binding; a binding that changed under a service is
 * looked up again.  What no binding covers stays STALE.  Who goes on changing
 * bindings for longer than a fault may take gets a TIMEOUT.
 */
static void vsvm_fault_serve_requests(struct vsvm_vm *vm,
				      struct vsvm_fault_service *service,
				      unsigned int nreq, enum vsvm_svm_wait wait)
{
	struct vsvm_svm_request *req = service->req;
	struct drm_gem_object *gem;
	struct vsvm_svm_bounds bounds;
	unsigned int i = 0, end, j;
	unsigned long until = 0;
	bool again;

	while (i < nreq) {
		u64 t = local_clock();
		bool bound = vsvm_vm_find_binding(vm, req[i].address, &bounds, &gem);

		vsvm_svm_count(vm->svm, VSVM_STAT_LOOKUP_NS, local_clock() - t);
		if (!bound) {
			req[i++].status = VSVM_SVM_STALE;
			continue;
		}
		if (gem) {
			req[i].status = vsvm_bo_serve(vm, req[i].address, req[i].access,
						      &bounds, gem, wait);
			drm_gem_object_put(gem);
			if (req[i].status == VSVM_SVM_STALE) {
				if (vsvm_fault_again(vm, &until))
					continue;
				req[i].status = VSVM_SVM_TIMEOUT;
			}
			until = 0;
			i++;
			continue;
		}
		for (end = i + 1; end < nreq && req[end].address < bounds.end; end++)
			;
		if (bounds.object) {
			vsvm_userptr_serve(bounds.object, &req[i], end - i, &bounds,
					   &service->userptr, wait);
			vsvm_userptr_batch_put(bounds.object);
		} else {
			vsvm_svm_serve(vm->svm, &req[i], end - i, &bounds,
				       &service->scratch, wait);
		}
		for (j = i; j < end && req[j].status != VSVM_SVM_STALE; j++)
			;
		if (j > i)
			until = 0;
		again = j < end && vsvm_fault_again(vm, &until);
		i = again ? j : end;
		for (; j < end; j++)
			if (req[j].status == VSVM_SVM_STALE)
				req[j].status = again ? VSVM_SVM_PENDING :
							VSVM_SVM_TIMEOUT;
		if (!again)
			until = 0;
	}
}

/**
 * vsvm_fault_serve() - serve and answer faults
 * @vm: address space, with a reference held
 * @service: the caller's memory
 * @faults: of one 2 MiB block, sorted by page, reads before writes
 * @count: at most %VSVM_FAULT_BATCH
 * @wait: see vsvm_svm_serve()
 *
 * May sleep.
 */
void vsvm_fault_serve(struct vsvm_vm *vm, struct vsvm_fault_service *service,
		      const struct vsvm_hw_fault *const *faults,
		      unsigned int count, enum vsvm_svm_wait wait)
{
	struct vsvm_svm_request *req = service->req;
	unsigned int i, nreq = 0, later = 0;
	struct vsvm_svm_user user;

	for (i = 0; i < count; i++) {
		if (i && vsvm_fault_same_page(faults[i - 1], faults[i]))
			continue;
		req[nreq++] = (struct vsvm_svm_request) {
			.address = ALIGN_DOWN(faults[i]->address, PAGE_SIZE),
			.access = vsvm_fault_access(faults[i]),
		};
	}
	vsvm_svm_enter(vm->svm, &user);
	vsvm_fault_serve_requests(vm, service, nreq, wait);
	vsvm_svm_leave(vm->svm, &user);

	if (wait == VSVM_SVM_WAIT_NOT) {
		vsvm_svm_count(vm->svm, VSVM_STAT_FAULTS, count);
		vsvm_svm_count(vm->svm, VSVM_STAT_FOLDED, count - nreq);
	}
	for (i = 0, nreq = 0; i < count; i++) {
		if (i && !vsvm_fault_same_page(faults[i - 1], faults[i]))
			nreq++;
		if (req[nreq].status == VSVM_SVM_LATER)
			service->later[later++] = faults[i];
		else
			vsvm_fault_answer(vm, faults[i], req[nreq].status);
	}
	if (later && !vsvm_slow_add(vm, service->later, later, VSVM_SVM_WAIT_LOCK))
		for (i = 0; i < later; i++)
			vsvm_fault_replay(vm, service->later[i]);
}

static void vsvm_fault_serve_group(struct vsvm_fault_worker *w,
				   const struct vsvm_fault_worker *batch,
				   const struct vsvm_fault_group *g)
{
	const struct vsvm_hw_fault *const *faults = &batch->sorted[g->first];
	struct vsvm_vm *vm = vsvm_vmm_find(w->vmm, faults[0]->asid);
	unsigned int i;

	if (!vm) {
		for (i = 0; i < g->count; i++)
			vsvm_fault_terminate(w->vmm, faults[i],
					     DRM_VSVM_FAULT_EXITED, ESRCH);
		return;
	}
	vsvm_fault_serve(vm, &w->service, faults, g->count, VSVM_SVM_WAIT_NOT);
	vsvm_vm_put(vm);
}

/* Take groups of a batch, one's own or another's, until none is left */
static void vsvm_fault_work_off(struct vsvm_fault_worker *w,
				struct vsvm_fault_worker *batch)
{
	unsigned int g;

	while ((g = atomic_fetch_inc(&batch->next)) < batch->ngroups)
		vsvm_fault_serve_group(w, batch, &batch->group[g]);
}

static struct vsvm_fault_worker *vsvm_fault_claim(struct vsvm_vmm *vmm)
{
	unsigned int i;

	for_each_set_bit(i, vmm->idle, vmm->nworkers)
		if (test_and_clear_bit(i, vmm->idle))
			return &vmm->workers[i];
	return NULL;
}

static void vsvm_fault_group(struct vsvm_fault_worker *w, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		w->sorted[i] = &w->record[i];
	if (n > 1)
		sort(w->sorted, n, sizeof(*w->sorted), vsvm_fault_compare, NULL);
	w->ngroups = 0;
	for (i = 0; i < n; i++) {
		if (!i || !vsvm_fault_same_group(w->sorted[i - 1], w->sorted[i]))
			w->group[w->ngroups++] = (struct vsvm_fault_group) {
				.first = i,
			};
		w->group[w->ngroups - 1].count++;
	}
	atomic_set(&w->next, 0);
}

static void vsvm_fault_batch(struct vsvm_fault_worker *w, unsigned int n)
{
	unsigned int helpers;

	vsvm_fault_group(w, n);
	helpers = min(w->ngroups, num_online_cpus()) - 1;
	while (helpers--) {
		struct vsvm_fault_worker *other = vsvm_fault_claim(w->vmm);

		if (!other)
			break;
		atomic_inc(&w->helpers);
		other->help = w;
		queue_work(w->vmm->wq, &other->work);
	}
	vsvm_fault_work_off(w, w);
	/* The batch is theirs too until they let go of it */
	wait_var_event(&w->helpers, !atomic_read(&w->helpers));
}

static void vsvm_fault_work(struct work_struct *work)
{
	struct vsvm_fault_worker *w = container_of(work, struct vsvm_fault_worker, work);
	struct vsvm_vmm *vmm = w->vmm;
	struct vsvm_fault_worker *help = w->help;
	unsigned int n;

	if (help) {
		w->help = NULL;
		vsvm_fault_work_off(w, help);
		if (atomic_dec_and_test(&help->helpers))
			wake_up_var(&help->helpers);
	}
	while (!READ_ONCE(vmm->stopping) &&
	       (n = vsvm_hw_fault_read(vmm->hw, w->record, VSVM_FAULT_BATCH))) {
		vsvm_hw_irq_enable(vmm->hw, VSVM_HW_IRQ_FAULT);
		vsvm_fault_batch(w, n);
		cond_resched();
	}
	/*
	 * Idle first: a fault raised from here on finds this worker if no other,
	 * and if it queues the work while that is still ending here, the work
	 * runs again.
	 */
	set_bit(w->index, vmm->idle);
	smp_mb__after_atomic();	/* pairs with the interrupt looking for an idle worker */
	vsvm_hw_irq_enable(vmm->hw, VSVM_HW_IRQ_FAULT);
}

void vsvm_vmm_fault_irq(struct vsvm_vmm *vmm)
{
	struct vsvm_fault_worker *w;

	if (READ_ONCE(vmm->stopping))
		return;
	w = vsvm_fault_claim(vmm);
	/* If all are busy, whichever is done first reads the buffer again */
	if (w)
		queue_work(vmm->wq, &w->work);
}

int vsvm_fault_init(struct vsvm_vmm *vmm)
{
	unsigned int i;

	vmm->nworkers = vmm->config.fault_workers ?:
		clamp(2 * num_possible_cpus(), 4, 32);
	vmm->workers = kvcalloc(vmm->nworkers, sizeof(*vmm->workers), GFP_KERNEL);
	if (!vmm->workers)
		return -ENOMEM;
	vmm->wq = alloc_workqueue("vsvm-fault", WQ_UNBOUND | WQ_HIGHPRI,
				  vmm->nworkers);
	if (!vmm->wq) {
		kvfree(vmm->workers);
		return -ENOMEM;
	}
	for (i = 0; i < vmm->nworkers; i++) {
		struct vsvm_fault_worker *w = &vmm->workers[i];

		INIT_WORK(&w->work, vsvm_fault_work);
		w->vmm = vmm;
		w->index = i;
		set_bit(i, vmm->idle);
	}
	return 0;
}

/* No fault is raised any more: let the workers finish */
void vsvm_fault_stop(struct vsvm_vmm *vmm)
{
	WRITE_ONCE(vmm->stopping, true);
	/* Twice: a worker that ends during the first may have called in a helper */
	flush_workqueue(vmm->wq);
	flush_workqueue(vmm->wq);
}

void vsvm_fault_fini(struct vsvm_vmm *vmm)
{
	destroy_workqueue(vmm->wq);
	kvfree(vmm->workers);
}
