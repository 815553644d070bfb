// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

int vsvm_vm_create(struct vsvm_device *dev, uint32_t flags, struct vsvm_vm **out)
{
	struct drm_vsvm_vm_create arg = {
		.flags = flags | DRM_VSVM_VM_FAULT_MODE,
	};
	struct vsvm_vm *vm;
	int ret;

	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	ret = vsvm__ioctl(dev, DRM_IOCTL_VSVM_VM_CREATE, &arg);
	if (ret) {
		free(vm);
		return ret;
	}
	vm->dev = dev;
	vm->id = arg.vm_id;
	*out = vm;
	return 0;
}

int vsvm_vm_destroy(struct vsvm_vm *vm)
{
	struct drm_vsvm_vm_destroy arg = { 0 };
	int ret;

	if (!vm)
		return 0;
	arg.vm_id = vm->id;
	ret = vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_VM_DESTROY, &arg);
	/*
	 * Any other error means that there is nothing to come back for: the
	 * device has gone, or this is a forked child, whose copy it may free.
	 */
	if (ret != -EBUSY)
		free(vm);
	return ret;
}

uint32_t vsvm_vm_id(const struct vsvm_vm *vm)
{
	return vm->id;
}

struct vsvm_device *vsvm_vm_device(const struct vsvm_vm *vm)
{
	return vm->dev;
}

int vsvm_bind(struct vsvm_vm *vm, const struct drm_vsvm_bind_op *ops, uint32_t count,
	      uint32_t *failed)
{
	struct drm_vsvm_vm_bind arg = {
		.vm_id = vm->id,
		.ops = {
			.stride = sizeof(*ops),
			.count = count,
			.pointer = vsvm__pointer(ops),
		},
	};
	int ret;

	ret = vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_VM_BIND, &arg);
	if (failed)
		/* A device that has gone does not come as far as to say "none" */
		*failed = ret && ret != -ENODEV ? arg.failed_op : UINT32_MAX;
	return ret;
}

int vsvm_bind_mirror(struct vsvm_vm *vm, uint64_t address, uint64_t size, uint32_t flags)
{
	const struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_MAP_MIRROR,
		.flags = flags,
		.address = address,
		.size = size,
	};

	return vsvm_bind(vm, &op, 1, NULL);
}

int vsvm_bind_mirror_all(struct vsvm_vm *vm)
{
	/* All that the device can address: no process has more of it than that */
	return vsvm_bind_mirror(vm, 0, 1ull << vm->dev->info.va_bits, 0);
}

int vsvm_unbind(struct vsvm_vm *vm, uint64_t address, uint64_t size, uint32_t flags)
{
	const struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_UNMAP,
		.flags = flags,
		.address = address,
		.size = size,
	};

	return vsvm_bind(vm, &op, 1, NULL);
}

int vsvm_bind_userptr(struct vsvm_vm *vm, uint64_t address, const struct iovec *ranges,
		      uint32_t count, uint32_t flags, uint32_t *failed)
{
	struct drm_vsvm_userptr_range *copy = NULL;
	struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_MAP_USERPTR,
		.flags = flags,
		.address = address,
		.ranges = {
			.stride = sizeof(*copy),
			.count = count,
			.pointer = vsvm__pointer(ranges),
		},
	};
	struct drm_vsvm_vm_bind arg = {
		.vm_id = vm->id,
		.ops = {
			.stride = sizeof(op),
			.count = 1,
			.pointer = vsvm__pointer(&op),
		},
	};
	uint32_t i;
	int ret;

	if (failed)
		*failed = UINT32_MAX;
	for (i = 0; i < count; i++) {
		if (__builtin_add_overflow(op.size, ranges[i].iov_len, &op.size)) {
			if (failed)
				*failed = i;
			return -EINVAL;
		}
	}
	/* Where pointers have 64 bits, that is what an iovec looks like */
	if (sizeof(*ranges) != sizeof(*copy)) {
		copy = calloc(count ? count : 1, sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		for (i = 0; i < count; i++) {
			copy[i].start = vsvm__pointer(ranges[i].iov_base);
			copy[i].size = ranges[i].iov_len;
		}
		op.ranges.pointer = vsvm__pointer(copy);
	}
	ret = vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_VM_BIND, &arg);
	if (ret && ret != -ENODEV && failed)
		*failed = arg.failed_range;
	free(copy);
	return ret;
}

int vsvm_prefetch(struct vsvm_vm *vm, const void *address, size_t size, enum drm_vsvm_place place)
{
	const struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_PREFETCH,
		.address = vsvm__pointer(address),
		.size = size,
		.place = place,
	};

	return vsvm_bind(vm, &op, 1, NULL);
}

int vsvm_vm_state(struct vsvm_vm *vm, const void *address, size_t size, uint32_t *pages)
{
	const struct drm_vsvm_dev_info *info = &vm->dev->info;
	const uint64_t most = (uint64_t)info->max_pages << info->page_shift;
	uint64_t at = vsvm__pointer(address);
	uint64_t left = size;

	/* At least one call, so that the kernel judges an empty range */
	do {
		uint64_t part = left < most || !most ? left : most;
		struct drm_vsvm_vm_state arg = {
			.vm_id = vm->id,
			.address = at,
			.size = part,
			.pages = vsvm__pointer(pages),
		};
		int ret;

		ret = vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_VM_STATE, &arg);
		if (ret)
			return ret;
		pages += part >> info->page_shift;
		at += part;
		left -= part;
	} while (left);
	return 0;
}

int vsvm_vm_stats(struct vsvm_vm *vm, struct drm_vsvm_stats *out)
{
	struct drm_vsvm_vm_stats arg = {
		.vm_id = vm->id,
		.size = sizeof(*out),
		.pointer = vsvm__pointer(out),
	};

	/* What a kernel older than this library does not know reads as zero */
	memset(out, 0, sizeof(*out));
	return vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_VM_STATS, &arg);
}

int vsvm_vm_faults(struct vsvm_vm *vm, uint64_t since, struct drm_vsvm_fault *records,
		   uint32_t *count, uint64_t *lost, uint64_t *last)
{
	struct drm_vsvm_vm_faults arg = {
		.vm_id = vm->id,
		.since = since,
		.records = {
			.stride = sizeof(*records),
			.count = *count,
			.pointer = vsvm__pointer(records),
		},
	};
	int ret;

	ret = vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_VM_FAULTS, &arg);
	if (ret)
		return ret;
	*count = arg.records.count;
	if (lost)
		*lost = arg.lost;
	if (last)
		*last = arg.last;
	return 0;
}
