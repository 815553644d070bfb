// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "internal.h"

static int attr_ioctl(struct vsvm_vm *vm, uint32_t op, const void *address, size_t size,
		      const struct drm_vsvm_attr *attrs, uint32_t count, uint64_t *next)
{
	struct drm_vsvm_svm_attr arg = {
		.vm_id = vm->id,
		.op = op,
		.start = vsvm__pointer(address),
		.size = size,
		.attrs = {
			.stride = sizeof(*attrs),
			.count = count,
			.pointer = vsvm__pointer(attrs),
		},
	};
	int ret;

	ret = vsvm__ioctl(vm->dev, DRM_IOCTL_VSVM_SVM_ATTR, &arg);
	if (!ret && next)
		*next = arg.next;
	return ret;
}

int vsvm_attr_set(struct vsvm_vm *vm, const void *address, size_t size,
		  const struct drm_vsvm_attr *attrs, uint32_t count)
{
	return attr_ioctl(vm, DRM_VSVM_ATTR_OP_SET, address, size, attrs, count, NULL);
}

int vsvm_attr_set_one(struct vsvm_vm *vm, const void *address, size_t size,
		      enum drm_vsvm_attr_type type, uint32_t value)
{
	const struct drm_vsvm_attr attr = { .type = type, .value = value };

	return vsvm_attr_set(vm, address, size, &attr, 1);
}

int vsvm_attr_get(struct vsvm_vm *vm, const void *address, size_t size,
		  struct drm_vsvm_attr *attrs, uint32_t count, uint64_t *next)
{
	return attr_ioctl(vm, DRM_VSVM_ATTR_OP_GET, address, size, attrs, count, next);
}

int vsvm_attr_reset(struct vsvm_vm *vm, const void *address, size_t size)
{
	return attr_ioctl(vm, DRM_VSVM_ATTR_OP_RESET, address, size, NULL, 0, NULL);
}

static const char * const names[] = {
	[DRM_VSVM_ATTR_PREFERRED_LOC] = "preferred_loc",
	[DRM_VSVM_ATTR_PREFETCH_LOC] = "prefetch_loc",
	[DRM_VSVM_ATTR_ACCESS] = "access",
	[DRM_VSVM_ATTR_GRANULARITY] = "granularity",
	[DRM_VSVM_ATTR_GPU_RO] = "gpu_ro",
	[DRM_VSVM_ATTR_GPU_EXEC] = "gpu_exec",
	[DRM_VSVM_ATTR_COHERENT] = "coherent",
	[DRM_VSVM_ATTR_EXT_COHERENT] = "ext_coherent",
	[DRM_VSVM_ATTR_READ_MOSTLY] = "read_mostly",
	[DRM_VSVM_ATTR_HIVE_LOCAL] = "hive_local",
	[DRM_VSVM_ATTR_HOST_ACCESS] = "host_access",
	[DRM_VSVM_ATTR_ALWAYS_MAPPED] = "always_mapped",
};

const char *vsvm_attr_name(uint32_t type)
{
	return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

const char *vsvm_attr_value_name(uint32_t type, uint32_t value)
{
	static const char * const locations[] = { "undefined", "device", "system" };
	static const char * const access[] = { "none", "in_place", "allow_migrate" };

	switch (type) {
	case DRM_VSVM_ATTR_PREFERRED_LOC:
	case DRM_VSVM_ATTR_PREFETCH_LOC:
		return value < 3 ? locations[value] : NULL;
	case DRM_VSVM_ATTR_ACCESS:
		return value < 3 ? access[value] : NULL;
	default:
		return NULL;
	}
}
