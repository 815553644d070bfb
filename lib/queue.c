// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

#define RING_DEFAULT	(64ul << 10)
#define RING_SMALLEST	(2ul * VSVM_PACKET_BYTES)

static void ring_destroy(struct vsvm_queue *queue)
{
	if (queue->ring)
		vsvm_heap_free(queue->ring);
	free(queue->ring_entries);
}

/* An instruction buffer in the heap */
static int ring_create(struct vsvm_queue *queue, struct vsvm_device *dev, uint64_t bytes)
{
	int ret;

	if (!bytes)
		bytes = RING_DEFAULT;
	if (bytes < RING_SMALLEST || bytes % VSVM_PACKET_BYTES)
		return -EINVAL;
	ret = vsvm_heap_alloc(dev, bytes, 0, &queue->ring);
	if (ret)
		return ret;
	ret = vsvm_bo_map(queue->ring, (void **)&queue->ring_map);
	if (ret)
		goto err;
	queue->ring_room = bytes / VSVM_PACKET_BYTES;
	queue->ring_entries = calloc(queue->ring_room, sizeof(*queue->ring_entries));
	if (queue->ring_entries)
		return 0;
	ret = -ENOMEM;
err:
	ring_destroy(queue);
	return ret;
}

static int queue_create(struct vsvm_vm *vm, uint32_t engine_mask, bool heap, uint64_t ring_bytes,
			struct vsvm_queue **out)
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
	if (heap) {
		ret = ring_create(queue, vm->dev, ring_bytes);
		if (ret)
			goto err_free;
		arg.flags = DRM_VSVM_QUEUE_HEAP;
		arg.ring_handle = vsvm_bo_handle(queue->ring);
	}
	ret = fence_create(queue);
	if (ret)
		goto err_ring;
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
err_ring:
	ring_destroy(queue);
err_free:
	free(queue);
	return ret;
}

int vsvm_queue_create(struct vsvm_vm *vm, uint32_t engine_mask, struct vsvm_queue **queue)
{
	return queue_create(vm, engine_mask, false, 0, queue);
}

int vsvm_queue_create_in_heap(struct vsvm_vm *vm, uint32_t engine_mask, uint64_t ring_bytes,
			      struct vsvm_queue **queue)
{
	return queue_create(vm, engine_mask, true, ring_bytes, queue);
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
	ring_destroy(queue);
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

/* Take back the room of what is complete */
static void ring_reap(struct vsvm_queue *queue)
{
	uint64_t done = __atomic_load_n(queue->fence, __ATOMIC_ACQUIRE);

	while (queue->ring_count) {
		const struct vsvm_ring_entry *entry = &queue->ring_entries[queue->ring_first];

		if (entry->sequence > done)
			break;
		queue->ring_tail = entry->end;
		queue->ring_first = (queue->ring_first + 1) % queue->ring_room;
		queue->ring_count--;
	}
	/* It begins anew where nothing is in it, so that all of it is in one piece */
	if (!queue->ring_count)
		queue->ring_head = queue->ring_tail = 0;
}

/*
 * Copy packets into the ring, in one piece, and wait for room if there is none;
 * *head: where the ring ends with them.
 */
static int ring_put(struct vsvm_queue *queue, struct drm_vsvm_command *command, uint64_t *head)
{
	const uint64_t size = vsvm_bo_size(queue->ring);
	const void *packets = (const void *)(uintptr_t)command->address;
	uint64_t at;
	int ret;

	if (command->bytes > size)
		return -E2BIG;
	for (;;) {
		ring_reap(queue);
		at = queue->ring_head;
		/* Not around the end */
		if (at % size + command->bytes > size)
			at += size - at % size;
		if (at + command->bytes - queue->ring_tail <= size)
			break;
		ret = vsvm__wait_value(queue->vm->dev, queue->id, queue->fence,
				       queue->ring_entries[queue->ring_first].sequence,
				       UINT64_MAX, VSVM_COMPARE_GE, INT64_MAX);
		if (ret)
			return ret;
	}
	memcpy(queue->ring_map + at % size, packets, command->bytes);
	command->address = vsvm_bo_address(queue->ring) + at % size;
	*head = at + command->bytes;
	return vsvm_bo_sync(queue->ring, at % size, command->bytes, DRM_VSVM_SYNC_TO_DEVICE);
}

/* The kernel has them */
static void ring_commit(struct vsvm_queue *queue, uint64_t head)
{
	size_t last = (queue->ring_first + queue->ring_count) % queue->ring_room;

	queue->ring_entries[last] = (struct vsvm_ring_entry) {
		.sequence = queue->submitted,
		.end = head,
	};
	queue->ring_count++;
	queue->ring_head = head;
}

int vsvm_submit(struct vsvm_queue *queue, const struct vsvm_cmds *cmds, struct vsvm_fence *fence)
{
	struct drm_vsvm_command command = {
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
	bool ring = queue->ring && command.bytes;
	uint64_t head = 0;
	int ret = 0;

	/*
	 * One thread at a time from taking a number to the kernel having it:
	 * the values that the device writes have to rise.  The lock is kept
	 * while the queue is full, so that who came first also goes first.
	 */
	pthread_mutex_lock(&queue->lock);
	arg.fence_value = queue->submitted + 1;
	if (ring)
		ret = ring_put(queue, &command, &head);
	while (!ret) {
		uint64_t seen = __atomic_load_n(queue->fence, __ATOMIC_ACQUIRE);

		ret = vsvm__ioctl(queue->vm->dev, DRM_IOCTL_VSVM_SUBMIT, &arg);
		if (ret != -EAGAIN)
			break;
		ret = wait_for_room(queue, seen);
	}
	if (!ret)
		queue->submitted = arg.fence_value;
	if (!ret && ring)
		ring_commit(queue, head);
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
