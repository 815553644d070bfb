// SPDX-License-Identifier: MIT
/*
 * Attributes without a page: defaults, round trips, what GET says of mixed
 * ranges, merging, and input that is refused.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "vsvm_attr.h"
#include "vsvm_harness.h"

#define PAGES	64
#define BYTES	(PAGES * PAGE)

FIXTURE(attr)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(attr)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
}

FIXTURE_TEARDOWN(attr)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F(attr, defaults)
{
	uint32_t type;

	for (type = 0; type < ATTR_TYPES; type++) {
		EXPECT_EQ(attr_default(type), attr_get(&self->t, self->p, BYTES, type)) {
			TH_LOG("%s", vsvm_attr_name(type));
		}
	}
	EXPECT_EQ(0, attr_ranges(&self->t));
	EXPECT_EQ(NULL, vsvm_attr_name(ATTR_TYPES));
}

TEST_F(attr, round_trip_of_every_value)
{
	uint32_t type, value, other;

	for (type = 0; type < ATTR_TYPES; type++) {
		for (value = 0; value <= attr_max(type); value++) {
			ASSERT_EQ(0, attr_set(&self->t, self->p + PAGE, 2 * PAGE, type, value));
			EXPECT_EQ(value, attr_get(&self->t, self->p + PAGE, 2 * PAGE, type));
			/* Only that attribute, and only there */
			for (other = 0; other < ATTR_TYPES; other++) {
				if (other == type)
					continue;
				EXPECT_EQ(attr_default(other),
					  attr_get(&self->t, self->p + PAGE, 2 * PAGE, other));
			}
			EXPECT_EQ(ATTR_TYPES, attr_not_default(&self->t, self->p, PAGE));
			EXPECT_EQ(ATTR_TYPES,
				  attr_not_default(&self->t, self->p + 3 * PAGE, PAGE));
		}
		EXPECT_EQ(-EINVAL, attr_set(&self->t, self->p, PAGE, type, attr_max(type) + 1));
		ASSERT_EQ(0, attr_reset(&self->t, self->p, BYTES));
	}
	EXPECT_EQ(0, attr_ranges(&self->t));
}

TEST_F(attr, granularity_of_0x3f)
{
	ASSERT_EQ(0, attr_set(&self->t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY, 0x3f));
	EXPECT_EQ(0x3f, attr_get(&self->t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY));
	EXPECT_EQ(-EINVAL, attr_set(&self->t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY, 0x40));
	EXPECT_EQ(0x3f, attr_get(&self->t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY));
	/* Whatever it is, the device works on it */
	ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES, 1));
}

TEST_F(attr, flags_do_not_interfere)
{
	uint32_t type;

	for (type = DRM_VSVM_ATTR_GPU_RO; type < ATTR_TYPES; type++)
		ASSERT_EQ(0, attr_set(&self->t, self->p, PAGE, type, !attr_default(type)));
	for (type = DRM_VSVM_ATTR_GPU_RO; type < ATTR_TYPES; type++) {
		EXPECT_EQ(!attr_default(type), attr_get(&self->t, self->p, PAGE, type));
		ASSERT_EQ(0, attr_set(&self->t, self->p, PAGE, type, attr_default(type)));
		EXPECT_EQ(attr_default(type), attr_get(&self->t, self->p, PAGE, type));
	}
	EXPECT_EQ(0, attr_ranges(&self->t));
}

TEST_F(attr, many_pairs_and_the_later_of_two)
{
	struct drm_vsvm_attr attrs[64];
	uint32_t i;

	for (i = 0; i < 64; i++)
		attrs[i] = (struct drm_vsvm_attr) { DRM_VSVM_ATTR_GRANULARITY, i };
	attrs[10] = (struct drm_vsvm_attr) { DRM_VSVM_ATTR_GPU_RO, 1 };
	ASSERT_EQ(0, vsvm_attr_set(self->t.vm, self->p, BYTES, attrs, 64));
	EXPECT_EQ(63, attr_get(&self->t, self->p, BYTES, DRM_VSVM_ATTR_GRANULARITY));
	EXPECT_EQ(1, attr_get(&self->t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO));
	/* Asked for twice, told twice */
	attrs[0].type = DRM_VSVM_ATTR_GPU_RO;
	attrs[1].type = DRM_VSVM_ATTR_GRANULARITY;
	attrs[2].type = DRM_VSVM_ATTR_GPU_RO;
	ASSERT_EQ(0, vsvm_attr_get(self->t.vm, self->p, BYTES, attrs, 3, NULL));
	EXPECT_EQ(1, attrs[0].value);
	EXPECT_EQ(63, attrs[1].value);
	EXPECT_EQ(1, attrs[2].value);
}

TEST_F(attr, get_over_mixed_pages)
{
	struct test_vm *t = &self->t;
	char *p = self->p;

	ASSERT_EQ(0, attr_set(t, p, PAGE, DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_DEVICE));
	ASSERT_EQ(0, attr_set(t, p + PAGE, PAGE, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	EXPECT_EQ(DRM_VSVM_LOC_UNDEFINED,
		  attr_get(t, p, 2 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC));
	/* One that differs is enough, wherever it is */
	ASSERT_EQ(0, attr_set(t, p + PAGE, 8 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC,
			      DRM_VSVM_LOC_DEVICE));
	EXPECT_EQ(DRM_VSVM_LOC_DEVICE, attr_get(t, p, 9 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC));
	EXPECT_EQ(DRM_VSVM_LOC_UNDEFINED,
		  attr_get(t, p, 10 * PAGE, DRM_VSVM_ATTR_PREFERRED_LOC));

	ASSERT_EQ(0, attr_set(t, p + 2 * PAGE, PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_IN_PLACE));
	EXPECT_EQ(DRM_VSVM_ATTR_ACCESS_NONE, attr_get(t, p, 4 * PAGE, DRM_VSVM_ATTR_ACCESS));
	EXPECT_EQ(DRM_VSVM_ATTR_ACCESS_ALLOW_MIGRATE,
		  attr_get(t, p, 2 * PAGE, DRM_VSVM_ATTR_ACCESS));

	ASSERT_EQ(0, attr_set(t, p + 3 * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY, 4));
	ASSERT_EQ(0, attr_set(t, p + 5 * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY, 12));
	EXPECT_EQ(4, attr_get(t, p, BYTES, DRM_VSVM_ATTR_GRANULARITY));
	EXPECT_EQ(9, attr_get(t, p + 4 * PAGE, BYTES - 4 * PAGE, DRM_VSVM_ATTR_GRANULARITY));
	EXPECT_EQ(12, attr_get(t, p + 5 * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY));

	/* A flag is set where all have it; one that is by default, too */
	ASSERT_EQ(0, attr_set(t, p, BYTES, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(1, attr_get(t, p, BYTES, DRM_VSVM_ATTR_GPU_RO));
	ASSERT_EQ(0, attr_set(t, p + 63 * PAGE, PAGE, DRM_VSVM_ATTR_GPU_RO, 0));
	EXPECT_EQ(0, attr_get(t, p, BYTES, DRM_VSVM_ATTR_GPU_RO));
	EXPECT_EQ(1, attr_get(t, p, BYTES - PAGE, DRM_VSVM_ATTR_GPU_RO));
	EXPECT_EQ(1, attr_get(t, p, BYTES, DRM_VSVM_ATTR_COHERENT));
	ASSERT_EQ(0, attr_set(t, p + 7 * PAGE, PAGE, DRM_VSVM_ATTR_COHERENT, 0));
	EXPECT_EQ(0, attr_get(t, p, BYTES, DRM_VSVM_ATTR_COHERENT));
}

TEST_F(attr, mixed_prefetch_reads_back_undefined)
{
	struct test_vm *t = &self->t;

	ASSERT_EQ(0, attr_set(t, self->p, 8 * PAGE, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_SYSTEM));
	EXPECT_EQ(DRM_VSVM_LOC_SYSTEM,
		  attr_get(t, self->p, 8 * PAGE, DRM_VSVM_ATTR_PREFETCH_LOC));
	EXPECT_EQ(DRM_VSVM_LOC_UNDEFINED,
		  attr_get(t, self->p, 9 * PAGE, DRM_VSVM_ATTR_PREFETCH_LOC));
	ASSERT_EQ(0, attr_set(t, self->p + 8 * PAGE, 8 * PAGE, DRM_VSVM_ATTR_PREFETCH_LOC,
			      DRM_VSVM_LOC_DEVICE));
	EXPECT_EQ(DRM_VSVM_LOC_UNDEFINED,
		  attr_get(t, self->p, 16 * PAGE, DRM_VSVM_ATTR_PREFETCH_LOC));
}

TEST_F(attr, next_tells_where_it_changes)
{
	struct drm_vsvm_attr attr = { .type = DRM_VSVM_ATTR_GPU_RO };
	uint64_t next = 0;

	ASSERT_EQ(0, vsvm_attr_get(self->t.vm, self->p, PAGE, &attr, 1, &next));
	EXPECT_EQ(1ull << vsvm_info(self->t.dev)->va_bits, next);
	ASSERT_EQ(0, attr_set(&self->t, self->p + 4 * PAGE, 4 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, attr_set(&self->t, self->p + 8 * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY, 1));
	ASSERT_EQ(0, vsvm_attr_get(self->t.vm, self->p, PAGE, &attr, 1, &next));
	EXPECT_EQ((uintptr_t)self->p + 4 * PAGE, next);
	ASSERT_EQ(0, vsvm_attr_get(self->t.vm, self->p + 5 * PAGE, PAGE, &attr, 1, &next));
	EXPECT_EQ((uintptr_t)self->p + 8 * PAGE, next);
	EXPECT_EQ(1, attr.value);
	ASSERT_EQ(0, vsvm_attr_get(self->t.vm, self->p + 8 * PAGE, PAGE, &attr, 1, &next));
	EXPECT_EQ((uintptr_t)self->p + 9 * PAGE, next);
}

TEST_F(attr, defect_neighbours_never_merged)
{
	struct test_vm *t = &self->t;
	unsigned int i;

	/* One page after the other, in an order that merges on either side and both */
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(0, attr_set(t, self->p + i * PAGE, PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(PAGES / 2, attr_ranges(t));
	for (i = 1; i < PAGES; i += 2)
		ASSERT_EQ(0, attr_set(t, self->p + i * PAGE, PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(1, attr_ranges(t));
	/* Different words that become equal */
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(0, attr_set(t, self->p + i * PAGE, PAGE, DRM_VSVM_ATTR_GRANULARITY, i));
	EXPECT_EQ(PAGES, attr_ranges(t));
	ASSERT_EQ(0, attr_set(t, self->p + PAGE, BYTES - 2 * PAGE, DRM_VSVM_ATTR_GRANULARITY, 3));
	EXPECT_EQ(3, attr_ranges(t));
	/* What is by default is not stored */
	ASSERT_EQ(0, attr_set(t, self->p, BYTES, DRM_VSVM_ATTR_GPU_RO, 0));
	EXPECT_EQ(2, attr_ranges(t));
	ASSERT_EQ(0, attr_reset(t, self->p, BYTES));
	EXPECT_EQ(0, attr_ranges(t));
}

TEST_F(attr, defect_one_node_for_each_fault)
{
	char *p = map_aligned(8 * HUGE);

	ASSERT_EQ(0, dev_touch_write(&self->t, p, 8 * HUGE));
	EXPECT_EQ(0, attr_ranges(&self->t));
}

TEST_F(attr, lesson_several_pairs_are_one_transaction)
{
	struct drm_vsvm_attr attrs[3] = {
		{ DRM_VSVM_ATTR_GPU_RO, 1 },
		{ DRM_VSVM_ATTR_ACCESS, DRM_VSVM_ATTR_ACCESS_NONE },
		{ DRM_VSVM_ATTR_GRANULARITY, 0x40 },
	};

	EXPECT_EQ(-EINVAL, vsvm_attr_set(self->t.vm, self->p, BYTES, attrs, 3));
	EXPECT_EQ(ATTR_TYPES, attr_not_default(&self->t, self->p, BYTES));
	attrs[2].type = 4711;
	EXPECT_EQ(-EINVAL, vsvm_attr_set(self->t.vm, self->p, BYTES, attrs, 3));
	EXPECT_EQ(ATTR_TYPES, attr_not_default(&self->t, self->p, BYTES));
	EXPECT_EQ(0, attr_ranges(&self->t));
}

/* --- what is refused --- */

static int raw(FIXTURE_DATA(attr) *self, const struct drm_vsvm_svm_attr *args)
{
	struct drm_vsvm_svm_attr copy = *args;

	return test_ioctl(self->t.fd, DRM_IOCTL_VSVM_SVM_ATTR, &copy);
}

TEST_F(attr, lesson_each_error_has_its_code)
{
	struct drm_vsvm_attr attrs[65] = { 0 };
	struct drm_vsvm_svm_attr good = {
		.vm_id = self->t.id,
		.op = DRM_VSVM_ATTR_OP_SET,
		.start = (uintptr_t)self->p,
		.size = BYTES,
		.attrs = { sizeof(attrs[0]), 1, (uintptr_t)attrs },
	}, bad;
	uint32_t op;
	char *hole;

	attrs[0] = (struct drm_vsvm_attr) { DRM_VSVM_ATTR_GPU_RO, 1 };
	ASSERT_EQ(0, raw(self, &good));
	ASSERT_EQ(0, attr_reset(&self->t, self->p, BYTES));

#define REFUSED(error, field, what)					\
	do {								\
		bad = good;						\
		bad.field = (what);					\
		EXPECT_EQ(-(error), raw(self, &bad));			\
	} while (0)

	for (op = DRM_VSVM_ATTR_OP_SET; op <= DRM_VSVM_ATTR_OP_RESET; op++) {
		good.op = op;
		good.attrs.count = op != DRM_VSVM_ATTR_OP_RESET;
		REFUSED(EINVAL, start, (uintptr_t)self->p + 1);
		REFUSED(EINVAL, start, (uintptr_t)self->p + 2048);
		REFUSED(EINVAL, size, 0);
		REFUSED(EINVAL, size, BYTES + 1);
		REFUSED(EINVAL, size, 1ull << 63);
		REFUSED(EINVAL, size, -PAGE);
		REFUSED(EINVAL, start, 1ull << 48);
		REFUSED(EINVAL, start, -PAGE);
		REFUSED(EINVAL, op, 3);
		REFUSED(EINVAL, op, ~0u);
		REFUSED(ENOENT, vm_id, 0);
		REFUSED(ENOENT, vm_id, self->t.id + 1000);
		REFUSED(EINVAL, attrs.count, op == DRM_VSVM_ATTR_OP_RESET);
		if (op == DRM_VSVM_ATTR_OP_RESET)
			break;
		REFUSED(E2BIG, attrs.count, 65);
		REFUSED(E2BIG, attrs.count, ~0u);
		REFUSED(EINVAL, attrs.stride, 0);
		REFUSED(EINVAL, attrs.stride, 4);
		REFUSED(EFAULT, attrs.pointer, 0);
		REFUSED(EFAULT, attrs.pointer, 0xdead0000ull);
		REFUSED(EFAULT, attrs.pointer, ~0ull << 40);
		attrs[0].type = ATTR_TYPES;
		REFUSED(EINVAL, size, BYTES);
		attrs[0].type = ~0u;
		REFUSED(EINVAL, size, BYTES);
		attrs[0].type = DRM_VSVM_ATTR_GPU_RO;
	}
	good.op = DRM_VSVM_ATTR_OP_SET;
	good.attrs.count = 1;
	attrs[0].value = 2;
	REFUSED(EINVAL, size, BYTES);
	attrs[0].value = 1;
	/* An element with something that the kernel does not know */
	attrs[1].type = 1;
	REFUSED(E2BIG, attrs.stride, 16);
	attrs[1].type = 0;
	good.attrs.stride = 16;
	EXPECT_EQ(0, raw(self, &good));
	ASSERT_EQ(0, attr_reset(&self->t, self->p, BYTES));
	/* A range that is not mapped, or not all of it */
	hole = map_anon(8 * PAGE);
	ASSERT_EQ(0, munmap(hole + 3 * PAGE, PAGE));
	EXPECT_EQ(-EFAULT, attr_set(&self->t, hole, 8 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(-EFAULT, attr_set(&self->t, hole + 3 * PAGE, PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(0, attr_set(&self->t, hole, 3 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(0, attr_reset(&self->t, hole, 8 * PAGE));
	/* A prefetch of more than there may be, before anything else */
	hole = mmap(NULL, 80ull << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	ASSERT_NE(MAP_FAILED, hole);
	EXPECT_EQ(-E2BIG, attr_set(&self->t, hole, 80ull << 30, DRM_VSVM_ATTR_PREFETCH_LOC, 1));
	EXPECT_EQ(-E2BIG, attr_set(&self->t, hole, 80ull << 30, DRM_VSVM_ATTR_ALWAYS_MAPPED, 1));
	EXPECT_EQ(0, attr_ranges(&self->t));
}

TEST_F(attr, invalid_range_unmapped_address_is_refused)
{
	char *p = map_anon(PAGE);

	ASSERT_EQ(0, munmap(p, PAGE));
	EXPECT_EQ(-EFAULT, attr_set(&self->t, p, PAGE, DRM_VSVM_ATTR_ACCESS, 1));
	/* To ask and to take back is allowed: attributes outlive mappings */
	EXPECT_EQ(ATTR_TYPES, attr_not_default(&self->t, p, PAGE));
	EXPECT_EQ(0, attr_reset(&self->t, p, PAGE));
}

TEST_F(attr, of_another_process)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, attr_set(&self->t, self->p, PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	pid = fork();
	if (!pid) {
		struct drm_vsvm_attr attr = { .type = DRM_VSVM_ATTR_GPU_RO };

		if (attr_set(&self->t, self->p, PAGE, DRM_VSVM_ATTR_GPU_RO, 0) != -EPERM)
			_exit(1);
		if (vsvm_attr_get(self->t.vm, self->p, PAGE, &attr, 1, NULL) != -EPERM)
			_exit(2);
		_exit(attr_reset(&self->t, self->p, PAGE) == -EPERM ? 0 : 3);
	}
	status = wait_child(pid);
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, attr_get(&self->t, self->p, PAGE, DRM_VSVM_ATTR_GPU_RO));
}

TEST_F(attr, high_and_low_addresses)
{
	const uint64_t top = (1ull << 47) - 16 * PAGE, low = 1 << 20;
	char *high = mmap((void *)top, 4 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	char *down = mmap((void *)low, 4 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	uint64_t value = 0;

	REQUIRE(high != MAP_FAILED && down != MAP_FAILED, "no such addresses");
	ASSERT_EQ(0, attr_set(&self->t, high, 4 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	ASSERT_EQ(0, attr_set(&self->t, down, 4 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(2, attr_ranges(&self->t));
	EXPECT_EQ(0, dev_load64(&self->t, high, &value));
	EXPECT_NE(0, dev_store64(&self->t, high, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES, high,
				  DRM_VSVM_ACCESS_WRITE));
	/* All that there can be, in one call */
	ASSERT_EQ(0, vsvm_attr_reset(self->t.vm, NULL, 1ull << 48));
	EXPECT_EQ(0, attr_ranges(&self->t));
	EXPECT_EQ(0, dev_store64(&self->t, high, 1));
}

TEST_F_LONG(attr, a_million_alternating_ranges, 240)
{
	/* Where the tree checks itself at each step, fewer will have to do */
	const unsigned long ranges = test_time(1) > 1 ? 10000 : test_scale(1000000);
	struct drm_vsvm_attr attr = { .type = DRM_VSVM_ATTR_GPU_RO };
	uint64_t next = 0;
	unsigned long i;
	char *p;

	p = mmap(NULL, 2 * ranges * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < ranges; i++)
		ASSERT_EQ(0, attr_set(&self->t, p + 2 * i * PAGE, PAGE, DRM_VSVM_ATTR_GPU_RO, 1));
	EXPECT_EQ(ranges, attr_ranges(&self->t));
	for (i = 0; i < ranges; i += ranges / 1000 + 1) {
		ASSERT_EQ(0, vsvm_attr_get(self->t.vm, p + 2 * i * PAGE, PAGE, &attr, 1, &next));
		EXPECT_EQ(1, attr.value);
		EXPECT_EQ((uintptr_t)p + (2 * i + 1) * PAGE, next);
	}
	/* One that changes them all and leaves them different, one that makes them one */
	ASSERT_EQ(0, attr_set(&self->t, p, 2 * ranges * PAGE, DRM_VSVM_ATTR_GRANULARITY, 5));
	EXPECT_EQ(2 * ranges, attr_ranges(&self->t));
	EXPECT_EQ(0, attr_get(&self->t, p, 2 * ranges * PAGE, DRM_VSVM_ATTR_GPU_RO));
	EXPECT_EQ(5, attr_get(&self->t, p, 2 * ranges * PAGE, DRM_VSVM_ATTR_GRANULARITY));
	ASSERT_EQ(0, attr_set(&self->t, p, 2 * ranges * PAGE, DRM_VSVM_ATTR_GPU_RO, 0));
	EXPECT_EQ(1, attr_ranges(&self->t));
	ASSERT_EQ(0, attr_reset(&self->t, p, 2 * ranges * PAGE));
	EXPECT_EQ(0, attr_ranges(&self->t));
	munmap(p, 2 * ranges * PAGE);
}

/* --- who comes first --- */

struct first {
	struct test_vm *t;
	char *p;
	pthread_barrier_t *barrier;
	int ret;
};

static void *be_first(void *arg)
{
	struct first *first = arg;

	pthread_barrier_wait(first->barrier);
	first->ret = attr_set(first->t, first->p, PAGE, DRM_VSVM_ATTR_GPU_RO, 1);
	if (!first->ret)
		first->ret = vsvm_bind_mirror(first->t->vm, (uintptr_t)first->p, PAGE,
					      DRM_VSVM_BIND_AUTO_RESET | DRM_VSVM_BIND_REPLACE);
	return NULL;
}

TEST_F(attr, defect_lazy_initialisation_by_whoever_calls_first)
{
	unsigned long round, rounds = test_scale(20);
	struct first first[4];
	pthread_barrier_t barrier;
	pthread_t threads[4];
	unsigned int i;

	for (round = 0; round < rounds; round++) {
		struct test_vm t;

		ASSERT_EQ(0, test_open_on(&t, self->t.dev, 0));
		pthread_barrier_init(&barrier, NULL, 4);
		for (i = 0; i < 4; i++) {
			first[i] = (struct first) { &t, self->p + 2 * i * PAGE, &barrier, 1 };
			pthread_create(&threads[i], NULL, be_first, &first[i]);
		}
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], NULL);
			EXPECT_EQ(0, first[i].ret);
			EXPECT_EQ(1, attr_get(&t, first[i].p, PAGE, DRM_VSVM_ATTR_GPU_RO));
		}
		EXPECT_EQ(4, attr_ranges(&t));
		pthread_barrier_destroy(&barrier);
		test_queue_close(&t.q);
		EXPECT_EQ(0, vsvm_vm_destroy(t.vm));
	}
}

TEST_HARNESS_MAIN
