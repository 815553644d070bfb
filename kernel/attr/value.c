// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between words and the pairs of type and value that user space knows.
 */
#include <linux/bitfield.h>
#include <linux/export.h>
#include <linux/kernel.h>

#include <kunit/visibility.h>

#include "attr/attr.h"

/**
 * struct vsvm_attr_rule - an attribute
 * @mask: where it is in a word
 * @max: largest value
 * @inverted: a flag that is set by default, or stored as @max less the value
 */
struct vsvm_attr_rule {
	u32 mask;
	u32 max;
	bool inverted;
};

static const struct vsvm_attr_rule vsvm_attr_rules[] = {
	[DRM_VSVM_ATTR_PREFERRED_LOC] = { VSVM_ATTR_PREFERRED, DRM_VSVM_LOC_SYSTEM },
	[DRM_VSVM_ATTR_PREFETCH_LOC] = { VSVM_ATTR_PREFETCH, DRM_VSVM_LOC_SYSTEM },
	[DRM_VSVM_ATTR_ACCESS] = {
		VSVM_ATTR_ACCESS, DRM_VSVM_ATTR_ACCESS_ALLOW_MIGRATE, true
	},
	[DRM_VSVM_ATTR_GRANULARITY] = {
		VSVM_ATTR_GRANULARITY, VSVM_ATTR_MAX_GRANULARITY
	},
	[DRM_VSVM_ATTR_GPU_RO] = { VSVM_ATTR_GPU_RO, 1 },
	[DRM_VSVM_ATTR_GPU_EXEC] = { VSVM_ATTR_GPU_EXEC, 1 },
	[DRM_VSVM_ATTR_COHERENT] = { VSVM_ATTR_NOT_COHERENT, 1, true },
	[DRM_VSVM_ATTR_EXT_COHERENT] = { VSVM_ATTR_EXT_COHERENT, 1 },
	[DRM_VSVM_ATTR_READ_MOSTLY] = { VSVM_ATTR_READ_MOSTLY, 1 },
	[DRM_VSVM_ATTR_HIVE_LOCAL] = { VSVM_ATTR_HIVE_LOCAL, 1 },
	[DRM_VSVM_ATTR_HOST_ACCESS] = { VSVM_ATTR_NO_HOST, 1, true },
	[DRM_VSVM_ATTR_ALWAYS_MAPPED] = { VSVM_ATTR_ALWAYS_MAPPED, 1 },
};

/* The field that stands for a value, not shifted into place */
static u32 vsvm_attr_encode(u32 type, u32 value)
{
	const struct vsvm_attr_rule *rule = &vsvm_attr_rules[type];

	if (type == DRM_VSVM_ATTR_GRANULARITY)
		return value + 1;
	return rule->inverted ? rule->max - value : value;
}

int vsvm_attr_parse(const struct drm_vsvm_attr *attrs, u32 count,
		    struct vsvm_attr_change *change)
{
	u32 i;

	*change = (struct vsvm_attr_change) {};
	for (i = 0; i < count; i++) {
		const struct vsvm_attr_rule *rule;
		u32 type = attrs[i].type;

		if (type >= ARRAY_SIZE(vsvm_attr_rules))
			return -EINVAL;
		rule = &vsvm_attr_rules[type];
		if (attrs[i].value > rule->max)
			return -EINVAL;
		change->clear |= rule->mask;
		change->set &= ~rule->mask;
		change->set |= vsvm_attr_encode(type, attrs[i].value) << __ffs(rule->mask);
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_parse);

u32 vsvm_attr_value(const struct vsvm_attr_tree *tree, u32 word, u32 type)
{
	const struct vsvm_attr_rule *rule = &vsvm_attr_rules[type];
	u32 field = (word & rule->mask) >> __ffs(rule->mask);

	if (type == DRM_VSVM_ATTR_GRANULARITY)
		return field ? field - 1 : tree->granularity;
	return rule->inverted ? rule->max - field : field;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_value);

unsigned int vsvm_attr_order(const struct vsvm_attr_tree *tree, u32 word, bool *set)
{
	*set = word & VSVM_ATTR_GRANULARITY;
	return min_t(u32, vsvm_attr_value(tree, word, DRM_VSVM_ATTR_GRANULARITY),
		     VSVM_ATTR_MAX_ORDER);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_order);

/* What two pages have in common */
static u32 vsvm_attr_combine(u32 type, u32 a, u32 b)
{
	switch (type) {
	case DRM_VSVM_ATTR_PREFERRED_LOC:
	case DRM_VSVM_ATTR_PREFETCH_LOC:
		return a == b ? a : DRM_VSVM_LOC_UNDEFINED;
	case DRM_VSVM_ATTR_ACCESS:
		return a == b ? a : DRM_VSVM_ATTR_ACCESS_NONE;
	case DRM_VSVM_ATTR_GRANULARITY:
		return min(a, b);
	default:
		return a & b;
	}
}

/**
 * struct vsvm_attr_sum - what the pages of a range have in common
 * @tree: of them
 * @value: by type, once there was a page
 * @any: there was one
 */
struct vsvm_attr_sum {
	const struct vsvm_attr_tree *tree;
	u32 value[ARRAY_SIZE(vsvm_attr_rules)];
	bool any;
};

static int vsvm_attr_add(unsigned long start, unsigned long end, u32 word, void *arg)
{
	struct vsvm_attr_sum *sum = arg;
	u32 type, value;

	for (type = 0; type < ARRAY_SIZE(vsvm_attr_rules); type++) {
		value = vsvm_attr_value(sum->tree, word, type);
		/* UNDEFINED and NONE stay what they are, whatever comes */
		sum->value[type] = sum->any ?
			vsvm_attr_combine(type, sum->value[type], value) : value;
	}
	sum->any = true;
	return 0;
}

int vsvm_attr_get(struct vsvm_attr_tree *tree, unsigned long start,
		  unsigned long end, struct drm_vsvm_attr *attrs, u32 count)
{
	struct vsvm_attr_sum sum = { .tree = tree };
	u32 i;

	for (i = 0; i < count; i++)
		if (attrs[i].type >= ARRAY_SIZE(vsvm_attr_rules))
			return -EINVAL;
	vsvm_attr_walk(tree, start, end, vsvm_attr_add, &sum);
	for (i = 0; i < count; i++)
		attrs[i].value = sum.value[attrs[i].type];
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_get);
