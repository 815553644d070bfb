// SPDX-License-Identifier: MIT
#include <errno.h>
#include <time.h>

#include "internal.h"

#define NSEC_PER_SEC	1000000000ll

int64_t vsvm__deadline(int64_t timeout_ns)
{
	struct timespec now;
	int64_t deadline;

	if (timeout_ns < 0)
		return INT64_MAX;
	/* Long gone: the kernel looks and comes back */
	if (!timeout_ns)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (__builtin_add_overflow(now.tv_sec * NSEC_PER_SEC + now.tv_nsec, timeout_ns, &deadline))
		return INT64_MAX;
	return deadline;
}

int vsvm__wait_value(struct vsvm_device *dev, uint32_t queue_id, const uint64_t *address,
		     uint64_t value, uint64_t mask, enum vsvm_compare compare, int64_t deadline)
{
	struct drm_vsvm_wait_user_fence arg = {
		.address = vsvm__pointer(address),
		.value = value,
		.mask = mask,
		.timeout_ns = deadline,
		.compare = compare,
		.queue_id = queue_id,
	};

	return vsvm__ioctl(dev, DRM_IOCTL_VSVM_WAIT_USER_FENCE, &arg);
}

int vsvm_wait(const struct vsvm_fence *fence, int64_t timeout_ns)
{
	struct vsvm_queue *queue = fence->queue;

	/* Acquire: what the device wrote before the fence is visible after it */
	if (__atomic_load_n(queue->fence, __ATOMIC_ACQUIRE) >= fence->sequence)
		return 0;
	return vsvm__wait_value(queue->vm->dev, queue->id, queue->fence, fence->sequence,
				UINT64_MAX, VSVM_COMPARE_GE, vsvm__deadline(timeout_ns));
}

/* No look at the value here first: a bad address shall be EFAULT, not a signal */
int vsvm_wait_value(struct vsvm_device *dev, struct vsvm_queue *queue, const uint64_t *address,
		    uint64_t value, uint64_t mask, enum vsvm_compare compare, int64_t timeout_ns)
{
	return vsvm__wait_value(dev, queue ? queue->id : 0, address, value, mask, compare,
				vsvm__deadline(timeout_ns));
}
