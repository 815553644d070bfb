// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays and structures that grow, to and from user space.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/vsvm_drm.h>

#include "drv/drv.h"

/* No element is larger: keeps a stride from turning into an endless copy */
#define VSVM_ARRAY_MAX_STRIDE	4096

/**
 * vsvm_array_check() - check an array that user space passed
 * @array: the array
 * @max: most elements
 *
 * Return: 0, -EINVAL if it is malformed, -E2BIG if it has too many elements.
 */
int vsvm_array_check(const struct drm_vsvm_array *array, u32 max)
{
	if (!array->count)
		return 0;
	if (!array->stride || array->stride % 8 ||
	    array->stride > VSVM_ARRAY_MAX_STRIDE)
		return -EINVAL;
	return array->count > max ? -E2BIG : 0;
}

/**
 * vsvm_array_read() - copy an array from user space
 * @array: checked, not empty
 * @size: of the kernel's element
 *
 * Return: the elements, for kvfree(), or an ERR_PTR(): -ENOMEM, -EFAULT,
 * -E2BIG if an element has something beyond what the kernel knows.
 */
void *vsvm_array_read(const struct drm_vsvm_array *array, size_t size)
{
	char *elements = kvcalloc(array->count, size, GFP_KERNEL_ACCOUNT);
	u32 i;

	if (!elements)
		return ERR_PTR(-ENOMEM);
	if (array->stride == size) {
		if (!copy_from_user(elements, u64_to_user_ptr(array->pointer),
				    array->count * size))
			return elements;
		kvfree(elements);
		return ERR_PTR(-EFAULT);
	}
	for (i = 0; i < array->count; i++) {
		int err = copy_struct_from_user(elements + i * size, size,
						u64_to_user_ptr(array->pointer +
								(u64)i * array->stride),
						array->stride);

		if (err) {
			kvfree(elements);
			return ERR_PTR(err);
		}
	}
	return elements;
}

/**
 * vsvm_array_write() - copy elements to an array of user space
 * @array: checked
 * @elements: the kernel's
 * @size: of one
 * @count: of them, at most as many as the array has
 *
 * What the kernel has more than the caller knows is left out; what the caller
 * knows more is filled with zeros.
 * Return: 0 or -EFAULT.
 */
int vsvm_array_write(const struct drm_vsvm_array *array, const void *elements,
		     size_t size, u32 count)
{
	size_t n = min_t(size_t, size, array->stride);
	u32 i;

	for (i = 0; i < count; i++) {
		void __user *to = u64_to_user_ptr(array->pointer +
						  (u64)i * array->stride);

		if (copy_to_user(to, elements + i * size, n) ||
		    (array->stride > n && clear_user(to + n, array->stride - n)))
			return -EFAULT;
	}
	return 0;
}

/**
 * vsvm_struct_write() - answer a query for one structure
 * @pointer: where to; 0 with a size of 0: tell the size
 * @size: in: room; out: what the kernel has, or has written
 * @data: the structure
 * @have: bytes of it
 *
 * Return: 0, -EINVAL, -EFAULT.
 */
int vsvm_struct_write(u64 pointer, u32 *size, const void *data, size_t have)
{
	if (!*size) {
		if (pointer)
			return -EINVAL;
		*size = have;
		return 0;
	}
	if (!pointer)
		return -EINVAL;
	have = min_t(size_t, *size, have);
	if (copy_to_user(u64_to_user_ptr(pointer), data, have))
		return -EFAULT;
	*size = have;
	return 0;
}
