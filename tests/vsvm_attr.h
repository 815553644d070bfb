/* SPDX-License-Identifier: MIT */
#ifndef VSVM_ATTR_H
#define VSVM_ATTR_H

/* What the tests of attributes share; rules as in vsvm_test.h */

#include "vsvm_test.h"

#define ATTR_TYPES	(DRM_VSVM_ATTR_ALWAYS_MAPPED + 1)

#define STATE_RO	(DRM_VSVM_PAGE_MAPPED | DRM_VSVM_PAGE_READ)
#define STATE_RW	(STATE_RO | DRM_VSVM_PAGE_WRITE)

static inline int attr_set(struct test_vm *t, const volatile void *p, size_t size,
			   enum drm_vsvm_attr_type type, uint32_t value)
{
	return vsvm_attr_set_one(t->vm, (const void *)p, size, type, value);
}

/* The value of one attribute, ~0u if that cannot be had */
static inline uint32_t attr_get(struct test_vm *t, const volatile void *p, size_t size,
				enum drm_vsvm_attr_type type)
{
	struct drm_vsvm_attr attr = { .type = type };

	return vsvm_attr_get(t->vm, (const void *)p, size, &attr, 1, NULL) ? ~0u : attr.value;
}

static inline int attr_reset(struct test_vm *t, const volatile void *p, size_t size)
{
	return vsvm_attr_reset(t->vm, (const void *)p, size);
}

static inline uint32_t attr_default(enum drm_vsvm_attr_type type)
{
	switch (type) {
	case DRM_VSVM_ATTR_ACCESS:
		return DRM_VSVM_ATTR_ACCESS_ALLOW_MIGRATE;
	case DRM_VSVM_ATTR_GRANULARITY:
		return 9;
	case DRM_VSVM_ATTR_COHERENT:
	case DRM_VSVM_ATTR_HOST_ACCESS:
		return 1;
	default:
		return 0;
	}
}

static inline uint32_t attr_max(enum drm_vsvm_attr_type type)
{
	switch (type) {
	case DRM_VSVM_ATTR_PREFERRED_LOC:
	case DRM_VSVM_ATTR_PREFETCH_LOC:
	case DRM_VSVM_ATTR_ACCESS:
		return 2;
	case DRM_VSVM_ATTR_GRANULARITY:
		return 0x3f;
	default:
		return 1;
	}
}

/* The first attribute of the range that is not at its default, or ATTR_TYPES */
static inline uint32_t attr_not_default(struct test_vm *t, const volatile void *p, size_t size)
{
	uint32_t type;

	for (type = 0; type < ATTR_TYPES; type++)
		if (attr_get(t, p, size, type) != attr_default(type))
			break;
	return type;
}

static inline size_t count_vram(struct test_vm *t, const volatile void *p, size_t size)
{
	return count_state(t, p, size, DRM_VSVM_PAGE_VRAM, DRM_VSVM_PAGE_VRAM);
}

static inline uint64_t attr_ranges(struct test_vm *t)
{
	return test_stats(t).attr_ranges;
}

/* Longer than pages have to stay on the device for their return not to look like thrashing */
static inline void attr_calm(void)
{
	uint64_t end = test_now() + 150000000;

	while (test_now() < end)
		test_nap();
}

#endif
