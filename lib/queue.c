// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/*
 * The fence of a queue has a page of its own: the device writes to it while
 * the CPU may be doing anything else, and nothing else shall then be
 * write-protected, copied or faulted along with it.
 */
static int fence_create(struct vsvm_queue *queue)
{
	size_t bytes = sysconf(_SC_PAGESIZE);
	void *page;

	page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	/*
	 * A fork then leaves the page writable in the parent, instead of making
	 * the device's next write break the sharing; the child, which may not
	 * use the queue, reads zeros.  Without it things are slower, not wrong.
	 */
	(void)madvise(page, bytes, MADV_WIPEONFORK);
	queue->fence = page;
	queue->fence_bytes = bytes;
	return 0;
}

int vsvm_queue_create(struct vsvm_vm *vm, uint32_t engine_mask, struct vsvm_queue **out)
{
	struct drm_vsvm_queue_create arg = {
		.vm_id = vm->id,
		.engine_mask = engine_mask,
	};
	struct vsvm_queue *queue;
	int ret;

	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	ret = fence_create(queue);
	if (ret)
		goto err_free;
	ret = -pthread_mutex_init(&queue->lock, NULL);
	if (ret)
		goto err_unmap;
	ret = vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_QUEUE_CREATE, &arg);
	if (ret)
		goto err_mutex;
	queue->vm = vm;
	queue->id = arg.queue_id;
	*out = queue;
	return 0;

err_mutex:
	pthread_mutex_destroy(&queue->lock);
err_unmap:
	munmap(queue->fence, queue->fence_bytes);
err_free:
	free(queue);
	return ret;
}

void vsvm_queue_destroy(struct vsvm_queue *queue)
{
	struct drm_vsvm_queue_destroy arg = { 0 };

	if (!queue)
		return;
	arg.queue_id = queue->id;
	/* First the device stops, then its fence may go */
	(void)vsvm__ioctl(queue->vm->dev, DRM_IOCTL_VSVM_QUEUE_DESTROY, &arg);
	munmap(queue->fence, queue->fence_bytes);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

uint32_t vsvm_queue_id(const struct vsvm_queue *queue)
{
	return queue->id;
}

int vsvm_queue_query(struct vsvm_queue *queue, struct drm_vsvm_queue_query *out)
{
	*out = (struct drm_vsvm_queue_query) { .queue_id = queue->id };
	return vsvm__ioctl(queue->vm->dev, DRM_IOCTL_VSVM_QUEUE_QUERY, out);
}

int vsvm_queue_fault(struct vsvm_queue *queue, struct drm_vsvm_fault *record)
{
	struct drm_vsvm_queue_query state;
	uint32_t count = 1;
	int ret;

	ret = vsvm_queue_query(queue, &state);
	if (ret)
		return ret;
	if (!state.fault_sequence)
		return -ENOENT;
	ret = vsvm_vm_faults(queue->vm, state.fault_sequence - 1, record, &count, NULL, NULL);
	if (ret)
		return ret;
	/* A later one comes first if it has been overwritten in the meantime */
	if (!count || record->sequence != state.fault_sequence)
		return -ENODATA;
	return 0;
}

/*
 * The queue was full.  Wait until it has completed more than @seen, what its
 * fence said before the attempt: then a place is free, now or very soon.
 */
static int wait_for_room(struct vsvm_queue *queue, uint64_t seen)
{
	static const struct timespec moment = { .tv_nsec = 50 * 1000 };

	if (seen < queue->submitted)
		return vsvm__wait_value(queue->vm->dev, queue->id, queue->fence, seen, UINT64_MAX,
					VSVM_COMPARE_GT, INT64_MAX);
	/*
	 * The device has written the last fence, and the driver has yet to
	 * hear that the work is complete.  There is no value to wait for.
	 */
	nanosleep(&moment, NULL);
	return 0;
}

int vsvm_submit(struct vsvm_queue *queue, const struct vsvm_cmds *cmds, struct vsvm_fence *fence)
{
	const struct drm_vsvm_command command = {
		.address = cmds ? vsvm__pointer(cmds->packets) : 0,
		.bytes = cmds ? cmds->count * VSVM_PACKET_BYTES : 0,
	};
	struct drm_vsvm_submit arg = {
		.queue_id = queue->id,
		.commands = {
			.stride = sizeof(command),
			.count = command.bytes ? 1 : 0,
			.pointer = command.bytes ? vsvm__pointer(&command) : 0,
		},
		.fence_address = vsvm__pointer(queue->fence),
	};
	int ret;

	/*
	 * One thread at a time from taking a number to the kernel having it:
	 * the values that the device writes have to rise.  The lock is kept
	 * while the queue is full, so that who came first also goes first.
	 */
	pthread_mutex_lock(&queue->lock);
	arg.fence_value = queue->submitted + 1;
	for (;;) {
		uint64_t seen = __atomic_load_n(queue->fence, __ATOMIC_ACQUIRE);

		ret = vsvm__ioctl(queue->vm->dev, DRM_IOCTL_VSVM_SUBMIT, &arg);
		if (ret != -EAGAIN)
			break;
		ret = wait_for_room(queue, seen);
		if (ret)
			break;
	}
	if (!ret)
		queue->submitted = arg.fence_value;
	pthread_mutex_unlock(&queue->lock);

	if (!ret && fence) {
		fence->queue = queue;
		fence->sequence = arg.fence_value;
	}
	return ret;
}

int vsvm_run(struct vsvm_queue *queue, const struct vsvm_cmds *cmds, int64_t timeout_ns)
{
	struct vsvm_fence fence;
	int ret;

	ret = vsvm_submit(queue, cmds, &fence);
	return ret ? ret : vsvm_wait(&fence, timeout_ns);
}
