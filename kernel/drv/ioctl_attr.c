// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctl on attributes of address ranges.
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/vsvm_drm.h>

#include "drv/drv.h"
#include "vm/vm.h"

static int vsvm_attr_check(const struct drm_vsvm_svm_attr *args, u64 *end)
{
	if (args->op > DRM_VSVM_ATTR_OP_RESET || !args->size ||
	    !PAGE_ALIGNED(args->start | args->size) ||
	    check_add_overflow(args->start, args->size, end) ||
	    *end > BIT_ULL(VSVM_HW_VA_BITS))
		return -EINVAL;
	/* Pairs where they mean something, and only there */
	if (args->op == DRM_VSVM_ATTR_OP_RESET)
		return args->attrs.count ? -EINVAL : 0;
	if (!args->attrs.count)
		return -EINVAL;
	return vsvm_array_check(&args->attrs, VSVM_MAX_ATTRS);
}

int vsvm_ioctl_svm_attr(struct drm_device *drm, void *data, struct drm_file *f)
{
	struct drm_vsvm_svm_attr *args = data;
	struct drm_vsvm_attr *attrs = NULL;
	u32 count = args->attrs.count;
	struct vsvm_vm *vm;
	u64 end, next;
	int err;

	err = vsvm_attr_check(args, &end);
	if (err)
		return err;
	vm = vsvm_file_vm(f->driver_priv, args->vm_id);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	if (count) {
		attrs = vsvm_array_read(&args->attrs, sizeof(*attrs));
		if (IS_ERR(attrs)) {
			err = PTR_ERR(attrs);
			goto out;
		}
	}
	switch (args->op) {
	case DRM_VSVM_ATTR_OP_SET:
		err = vsvm_vm_attr_set(vm, args->start, end, attrs, count);
		break;
	case DRM_VSVM_ATTR_OP_GET:
		err = vsvm_vm_attr_get(vm, args->start, end, attrs, count, &next);
		if (!err)
			err = vsvm_array_write(&args->attrs, attrs, sizeof(*attrs), count);
		if (!err)
			args->next = next;
		break;
	default:
		err = vsvm_vm_attr_reset(vm, args->start, end);
		break;
	}
	kvfree(attrs);
out:
	vsvm_vm_put(vm);
	return err;
}
