// SPDX-License-Identifier: MIT
/*
 * Random operations on attributes against an oracle: a plain array with the
 * attributes of each page.  Now and then the device has a try, and has to find
 * what the array says.  VSVM_TEST_SEED repeats a run.
 */
#include <stdlib.h>

#include "vsvm_attr.h"
#include "vsvm_harness.h"

#define PAGES	256
#define OPS	120000

struct page {
	uint32_t value[ATTR_TYPES];
};

struct model {
	struct test_vm *t;
	char *p;
	uint64_t seed;
	struct page pages[PAGES];
	bool failed;
};

static uint64_t roll(struct model *m, uint64_t n)
{
	return test_random(&m->seed) % n;
}

static void any_range(struct model *m, unsigned int *first, unsigned int *n)
{
	*first = roll(m, PAGES);
	*n = 1 + roll(m, roll(m, 4) ? 16 : PAGES);
	if (*first + *n > PAGES)
		*n = PAGES - *first;
}

static void wrong(struct model *m, unsigned int page, const char *what, long have, long want)
{
	fprintf(stderr, "# page %u: %s: %ld instead of %ld\n", page, what, have, want);
	m->failed = true;
}

static void model_reset(struct model *m, unsigned int first, unsigned int n)
{
	uint32_t type;

	for (; n--; first++)
		for (type = 0; type < ATTR_TYPES; type++)
			m->pages[first].value[type] = attr_default(type);
}

/* Few values, so that neighbours become equal again */
static uint32_t any_value(struct model *m, uint32_t type)
{
	if (type == DRM_VSVM_ATTR_GRANULARITY)
		return roll(m, 3) * 4 + 1;
	return roll(m, attr_max(type) + 1);
}

static void op_set(struct model *m)
{
	struct drm_vsvm_attr attrs[4];
	unsigned int first, n, i, j, count = 1 + roll(m, 4);
	int ret;

	any_range(m, &first, &n);
	for (i = 0; i < count; i++) {
		do {
			attrs[i].type = roll(m, ATTR_TYPES);
			/* These work on pages, which is dear: seldom */
		} while ((attrs[i].type == DRM_VSVM_ATTR_PREFETCH_LOC ||
			  attrs[i].type == DRM_VSVM_ATTR_ALWAYS_MAPPED) && roll(m, 50));
		attrs[i].value = any_value(m, attrs[i].type);
	}
	/* One bad pair, and nothing happens */
	if (!roll(m, 20)) {
		attrs[roll(m, count)].type = ATTR_TYPES + roll(m, 100);
		ret = vsvm_attr_set(m->t->vm, m->p + first * PAGE, n * PAGE, attrs, count);
		if (ret != -EINVAL)
			wrong(m, first, "bad set", ret, -EINVAL);
		return;
	}
	ret = vsvm_attr_set(m->t->vm, m->p + first * PAGE, n * PAGE, attrs, count);
	if (ret)
		wrong(m, first, "set", ret, 0);
	for (j = first; j < first + n; j++)
		for (i = 0; i < count; i++)
			m->pages[j].value[attrs[i].type] = attrs[i].value;
}

static void op_reset(struct model *m)
{
	unsigned int first, n;
	int ret;

	any_range(m, &first, &n);
	ret = attr_reset(m->t, m->p + first * PAGE, n * PAGE);
	if (ret)
		wrong(m, first, "reset", ret, 0);
	model_reset(m, first, n);
}

static uint32_t combined(const struct model *m, unsigned int first, unsigned int n, uint32_t type)
{
	uint32_t value = m->pages[first].value[type];
	unsigned int i;

	for (i = first + 1; i < first + n; i++) {
		uint32_t other = m->pages[i].value[type];

		switch (type) {
		case DRM_VSVM_ATTR_PREFERRED_LOC:
		case DRM_VSVM_ATTR_PREFETCH_LOC:
		case DRM_VSVM_ATTR_ACCESS:
			/* UNDEFINED and NONE are both 0 */
			if (value != other)
				return 0;
			break;
		case DRM_VSVM_ATTR_GRANULARITY:
			value = other < value ? other : value;
			break;
		default:
			value &= other;
		}
	}
	return value;
}

static void op_get(struct model *m)
{
	struct drm_vsvm_attr attrs[ATTR_TYPES];
	unsigned int first, n;
	uint64_t next = 0;
	uint32_t type;
	int ret;

	any_range(m, &first, &n);
	for (type = 0; type < ATTR_TYPES; type++)
		attrs[type] = (struct drm_vsvm_attr) { type, 4711 };
	ret = vsvm_attr_get(m->t->vm, m->p + first * PAGE, n * PAGE, attrs, ATTR_TYPES, &next);
	if (ret)
		wrong(m, first, "get", ret, 0);
	for (type = 0; type < ATTR_TYPES; type++)
		if (attrs[type].value != combined(m, first, n, type))
			wrong(m, first, vsvm_attr_name(type), attrs[type].value,
			      combined(m, first, n, type));
	for (n = first + 1; n < PAGES; n++)
		if (memcmp(&m->pages[first], &m->pages[n], sizeof(m->pages[n])))
			break;
	/* A granularity that was set to the default is another one than none */
	if (n < PAGES ? next > (uintptr_t)m->p + n * PAGE : next < (uintptr_t)m->p + first * PAGE)
		wrong(m, first, "next", (next - (uintptr_t)m->p) / PAGE, n);
}

/* Nothing is mapped that attributes do not allow; the device can do what they do allow */
static void op_device(struct model *m)
{
	unsigned int first = roll(m, PAGES);
	char *p = m->p + first * PAGE;
	const uint32_t *value = m->pages[first].value;
	bool write = roll(m, 2);
	bool good = value[DRM_VSVM_ATTR_ACCESS] && !(write && value[DRM_VSVM_ATTR_GPU_RO]);
	uint32_t reason = value[DRM_VSVM_ATTR_ACCESS] ? DRM_VSVM_FAULT_READ_ONLY :
		DRM_VSVM_FAULT_NO_ACCESS;
	uint64_t data = 0;
	int ret;

	ret = write ? dev_store64(m->t, p, first) : dev_load64(m->t, p, &data);
	if (good && ret)
		wrong(m, first, "device", ret, 0);
	if (!good && !ret)
		wrong(m, first, "device got in", value[DRM_VSVM_ATTR_ACCESS], write);
	if (ret && expect_fault(&m->t->q, reason, EACCES, p,
				write ? DRM_VSVM_ACCESS_WRITE : DRM_VSVM_ACCESS_READ))
		wrong(m, first, "record", 0, reason);
	if (good && !write && data != *(uint64_t *)p)
		wrong(m, first, "data", data, *(uint64_t *)p);
}

static void check_mappings(struct model *m)
{
	static uint32_t state[PAGES];
	unsigned int i;

	if (vsvm_vm_state(m->t->vm, m->p, PAGES * PAGE, state))
		return wrong(m, 0, "state", 1, 0);
	for (i = 0; i < PAGES; i++) {
		const uint32_t *value = m->pages[i].value;

		if (!(state[i] & DRM_VSVM_PAGE_MAPPED))
			continue;
		if (!value[DRM_VSVM_ATTR_ACCESS])
			wrong(m, i, "mapped without access", state[i], 0);
		if (value[DRM_VSVM_ATTR_GPU_RO] && (state[i] & DRM_VSVM_PAGE_WRITE))
			wrong(m, i, "writable", state[i], 0);
		if (value[DRM_VSVM_ATTR_GPU_EXEC] != !!(state[i] & DRM_VSVM_PAGE_EXEC))
			wrong(m, i, "executable", state[i], value[DRM_VSVM_ATTR_GPU_EXEC]);
	}
}

FIXTURE(model)
{
	struct test_vm t;
	struct model m;
};

FIXTURE_SETUP(model)
{
	const char *text = getenv("VSVM_TEST_SEED");

	ASSERT_EQ(0, test_open(&self->t));
	self->m.t = &self->t;
	self->m.p = map_anon(PAGES * PAGE);
	self->m.seed = text ? strtoull(text, NULL, 0) : test_now() | 1;
	TH_LOG("VSVM_TEST_SEED=%llu", (unsigned long long)self->m.seed);
	fill_pattern(self->m.p, PAGES * PAGE, 1);
	model_reset(&self->m, 0, PAGES);
}

FIXTURE_TEARDOWN(model)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F_LONG(model, attributes_are_what_the_array_says, 240)
{
	unsigned long i, ops = test_scale(OPS);
	struct model *m = &self->m;

	for (i = 0; i < ops && !m->failed; i++) {
		switch (roll(m, 32)) {
		case 0:
			op_device(m);
			break;
		case 1:
			check_mappings(m);
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			op_reset(m);
			break;
		case 6:
		case 7:
		case 8:
		case 9:
		case 10:
		case 11:
		case 12:
		case 13:
			op_get(m);
			break;
		default:
			op_set(m);
		}
	}
	EXPECT_EQ(false, m->failed) {
		TH_LOG("at operation %lu", i);
	}
	ASSERT_EQ(0, attr_reset(&self->t, m->p, PAGES * PAGE));
	EXPECT_EQ(0, attr_ranges(&self->t));
	ASSERT_EQ(0, dev_fill(&self->t, m->p, PAGES * PAGE, 7));
}

TEST_HARNESS_MAIN
