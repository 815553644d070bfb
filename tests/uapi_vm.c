// SPDX-License-Identifier: MIT
/*
 * Hostile input for the ioctls on address spaces: VM_CREATE, VM_DESTROY,
 * VM_BIND, VM_STATE, VM_FAULTS, VM_STATS.  Refused, and nothing changed.
 */
#include "vsvm_harness.h"

FIXTURE(vm)
{
	struct test_vm t;
	int fd;
	char *p;
};

FIXTURE_SETUP(vm)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->fd = self->t.fd;
	self->p = map_anon(16 * PAGE);
}

FIXTURE_TEARDOWN(vm)
{
	/* Whatever was tried, the address space is as it was */
	EXPECT_EQ(0, dev_store64(&self->t, self->p, 4711));
	EXPECT_EQ(4711, *(uint64_t *)self->p);
	EXPECT_EQ(0, test_close(&self->t));
}

static const uint32_t bad_ids[] = { 0, 2, 1000, 0x7fffffff, 0x80000000, 0xffffffff };
static const uint64_t bad_pointers[] = {
	0, 8, 0x00007ffffffff000ull, 0x0000800000000000ull, 0xffff888000000000ull,
	0xffffffff81000000ull, 0xfffffffffffffff8ull,
};

/* --- VM_CREATE, VM_DESTROY --- */

TEST_F(vm, create_with_unknown_flags)
{
	const uint32_t known = DRM_VSVM_VM_FAULT_MODE | DRM_VSVM_VM_RECORD_ALL |
			       DRM_VSVM_VM_EXCLUSIVE_ATOMICS;
	struct drm_vsvm_vm_create create;
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		if (1u << bit & known)
			continue;
		create = (struct drm_vsvm_vm_create) {
			.flags = DRM_VSVM_VM_FAULT_MODE | 1u << bit,
		};
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_CREATE, &create));
		EXPECT_EQ(0, create.vm_id);
	}
	/* Fault mode is required */
	create.flags = 0;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_CREATE, &create));
	create.flags = DRM_VSVM_VM_RECORD_ALL;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_CREATE, &create));
}

TEST_F(vm, create_until_there_are_no_more)
{
	struct drm_vsvm_vm_create create = { .flags = DRM_VSVM_VM_FAULT_MODE };
	struct drm_vsvm_vm_destroy destroy = { 0 };
	uint32_t ids[4096], n;
	int ret = 0;

	for (n = 0; n < ARRAY_SIZE(ids); n++) {
		create.vm_id = 0;
		ret = test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_CREATE, &create);
		if (ret)
			break;
		ids[n] = create.vm_id;
		EXPECT_NE(0, ids[n]);
	}
	if (n < ARRAY_SIZE(ids)) {
		EXPECT_EQ(-ENOSPC, ret);
	}
	EXPECT_LE(16, n);
	while (n--) {
		destroy.vm_id = ids[n];
		ASSERT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy));
	}
	create.vm_id = 0;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_CREATE, &create));
	destroy.vm_id = create.vm_id;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy));
}

TEST_F(vm, destroy_of_nonsense)
{
	struct drm_vsvm_vm_destroy destroy = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		destroy.vm_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy));
	}
	destroy.vm_id = self->t.id;
	destroy.pad = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy));
}

/* --- VM_BIND --- */

static struct drm_vsvm_bind_op map_op(uint64_t address, uint64_t size)
{
	return (struct drm_vsvm_bind_op) {
		.op = DRM_VSVM_BIND_MAP_MIRROR, .address = address, .size = size,
	};
}

static int bind(FIXTURE_DATA(vm) *self, const struct drm_vsvm_bind_op *op, uint32_t *failed)
{
	struct drm_vsvm_vm_bind args = {
		.vm_id = self->t.id,
		.ops = { .stride = sizeof(*op), .count = 1, .pointer = (uintptr_t)op },
	};
	int ret = test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args);

	*failed = args.failed_op;
	return ret;
}

TEST_F(vm, bind_of_ranges_that_are_none)
{
	static const struct {
		uint64_t address, size;
	} ranges[] = {
		{ 0x10000, 0 }, { 0x10001, PAGE }, { 0x10000, PAGE + 1 }, { 0x10000, 1 },
		{ 0x10800, PAGE }, { 0x10000, ~0ull }, { 0x10000, 0 - PAGE },
		{ 0 - PAGE, PAGE }, { 0 - PAGE, 2 * PAGE }, { 1ull << 48, PAGE },
		{ (1ull << 48) - PAGE, 2 * PAGE }, { 0, (1ull << 48) + PAGE },
		{ 1ull << 63, PAGE }, { 1ull << 63, 1ull << 63 }, { PAGE, 1ull << 48 },
		{ 0xffff800000000000ull, PAGE },
	};
	struct drm_vsvm_bind_op op;
	uint32_t failed;
	unsigned int i;

	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		op = map_op(ranges[i].address, ranges[i].size);
		EXPECT_EQ(-EINVAL, bind(self, &op, &failed))
			TH_LOG("address %llx size %llx", (long long)ranges[i].address,
			       (long long)ranges[i].size);
		EXPECT_EQ(0, failed);
		op.op = DRM_VSVM_BIND_UNMAP;
		EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	}
	ASSERT_EQ(0, vsvm_bind_mirror_all(self->t.vm));
}

TEST_F(vm, bind_with_unknown_operations_and_flags)
{
	struct drm_vsvm_bind_op op;
	uint32_t failed;
	unsigned int bit;

	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	for (bit = 4; bit < 32; bit++) {
		op = map_op(0x10000, PAGE);
		op.flags = 1u << bit;
		if (op.flags != DRM_VSVM_BIND_AUTO_RESET)
			EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
		op = map_op(0x10000, PAGE);
		op.op = 1u << bit;
		EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	}
	/* An operation that this bit would be, with nothing else that it wants */
	op = map_op(0x10000, PAGE);
	op.op = DRM_VSVM_BIND_MAP_USERPTR;
	EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	/* Flags of the other operation */
	op = map_op(0x10000, PAGE);
	op.flags = DRM_VSVM_BIND_FORCE;
	EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	op.op = DRM_VSVM_BIND_UNMAP;
	op.flags = DRM_VSVM_BIND_READ_ONLY;
	EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	/* Fields of other operations are padding here */
	op = map_op(0x10000, PAGE);
	op.offset = PAGE;
	EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	op = map_op(0x10000, PAGE);
	op.handle = 1;
	EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	op = map_op(0x10000, PAGE);
	op.place = 1;
	EXPECT_EQ(-EINVAL, bind(self, &op, &failed));
	ASSERT_EQ(0, vsvm_bind_mirror_all(self->t.vm));
}

TEST_F(vm, bind_arguments)
{
	struct drm_vsvm_bind_op op = map_op(0x10000, PAGE);
	struct drm_vsvm_vm_bind good = {
		.vm_id = self->t.id,
		.ops = { .stride = sizeof(op), .count = 1, .pointer = (uintptr_t)&op },
	}, args;
	unsigned int i;

	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		args = good;
		args.vm_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
		EXPECT_EQ(~0u, args.failed_op);
	}
	args = good;
	args.flags = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	args = good;
	args.ops.count = 0;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	for (i = 0; i < ARRAY_SIZE(bad_pointers); i++) {
		args = good;
		args.ops.pointer = bad_pointers[i];
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
		EXPECT_EQ(~0u, args.failed_op);
	}
	/* None of it has bound anything */
	EXPECT_EQ(-ENOENT, vsvm_unbind(self->t.vm, 0, 1ull << 48, 0));
	args = good;
	args.failed_op = 77;
	args.failed_range = 77;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0x10000, PAGE, 0));
	ASSERT_EQ(0, vsvm_bind_mirror_all(self->t.vm));
}

TEST_F(vm, bind_with_every_stride)
{
	struct {
		struct drm_vsvm_bind_op op;
		char more[64];
	} large[2];
	/* An operation as it was before it grew: the first three fields */
	uint64_t small[2][3] = {
		{ DRM_VSVM_BIND_MAP_MIRROR, 0x10000, PAGE },
		{ DRM_VSVM_BIND_MAP_MIRROR, 0x20000, PAGE },
	};
	static const uint32_t strides[] = { 0, 1, 4, 7, 12, 23, 41, 1u << 31, ~0u, ~7u };
	struct drm_vsvm_vm_bind args = { .vm_id = self->t.id };
	unsigned int i;

	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	memset(large, 0, sizeof(large));
	large[0].op = map_op(0x10000, PAGE);
	large[1].op = map_op(0x20000, PAGE);
	args.ops.count = 2;
	args.ops.pointer = (uintptr_t)large;
	for (i = 0; i < ARRAY_SIZE(strides); i++) {
		args.ops.stride = strides[i];
		args.failed_op = 0;
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args))
			TH_LOG("stride %u", strides[i]);
	}
	/* Larger with zeros is well, with anything else it is not */
	args.ops.stride = sizeof(large[0]);
	large[1].more[63] = 1;
	EXPECT_EQ(-E2BIG, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	large[1].more[63] = 0;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, 0x10000, PAGE, 0));
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, 0x20000, PAGE, 0));
	/* Smaller is extended with zeros */
	args.ops.stride = sizeof(small[0]);
	args.ops.pointer = (uintptr_t)small;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, 0x10000, PAGE, 0));
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, 0x20000, PAGE, 0));
	/* So small that there is no size */
	args.ops.stride = 8;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	ASSERT_EQ(0, vsvm_bind_mirror_all(self->t.vm));
}

TEST_F(vm, bind_with_as_many_operations_as_there_may_be)
{
	uint32_t most = vsvm_info(self->t.dev)->max_bind_ops, i, failed = 0;
	struct drm_vsvm_bind_op *ops = calloc(most + 1, sizeof(*ops));

	ASSERT_NE(NULL, ops);
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	for (i = 0; i <= most; i++)
		ops[i] = map_op(0x100000 + 2 * i * PAGE, PAGE);
	EXPECT_EQ(-E2BIG, vsvm_bind(self->t.vm, ops, most + 1, &failed));
	EXPECT_EQ(~0u, failed);
	EXPECT_EQ(-E2BIG, vsvm_bind(self->t.vm, ops, ~0u, &failed));
	EXPECT_EQ(0, vsvm_bind(self->t.vm, ops, most, &failed));
	/* The last of them meets the first: all are taken back */
	for (i = 0; i < most; i++)
		ops[i].address += 1ull << 32;
	ops[most - 1].address = 0x100000;
	EXPECT_EQ(-EEXIST, vsvm_bind(self->t.vm, ops, most, &failed));
	EXPECT_EQ(most - 1, failed);
	EXPECT_EQ(-ENOENT, vsvm_unbind(self->t.vm, 1ull << 32, 1ull << 32, 0));
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 32, 0));
	ASSERT_EQ(0, vsvm_bind_mirror_all(self->t.vm));
	free(ops);
}

TEST_F(vm, bind_cut_off_in_the_middle_of_the_array)
{
	struct drm_vsvm_bind_op *ops = map_anon(2 * PAGE);
	struct drm_vsvm_vm_bind args = {
		.vm_id = self->t.id, .ops = { .stride = sizeof(*ops), .count = 4 },
	};
	int i;

	/* The last of four lies beyond the end of the mapping */
	ASSERT_EQ(0, munmap((char *)ops + PAGE, PAGE));
	ops = (struct drm_vsvm_bind_op *)((char *)ops + PAGE) - 3;
	for (i = 0; i < 3; i++)
		ops[i] = (struct drm_vsvm_bind_op) {
			.op = DRM_VSVM_BIND_UNMAP, .flags = DRM_VSVM_BIND_FORCE,
			.address = i * PAGE, .size = PAGE,
		};
	args.ops.pointer = (uintptr_t)ops;
	EXPECT_EQ(-EFAULT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_BIND, &args));
	EXPECT_EQ(DRM_VSVM_PAGE_BOUND, page_state(&self->t, NULL));
}

/* --- VM_STATE --- */

TEST_F(vm, state_of_nonsense)
{
	uint32_t *pages = map_anon(PAGE);
	struct drm_vsvm_vm_state good = {
		.vm_id = self->t.id, .address = (uintptr_t)self->p, .size = 16 * PAGE,
		.pages = (uintptr_t)pages,
	}, args;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		args = good;
		args.vm_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	}
	for (i = 0; i < ARRAY_SIZE(bad_pointers); i++) {
		args = good;
		args.pages = bad_pointers[i];
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	}
	args = good;
	args.flags = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args = good;
	args.size = 0;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args = good;
	args.size = 100;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args = good;
	args.address += 8;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args = good;
	args.address = 0 - PAGE;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args = good;
	args.address = (1ull << 48) - PAGE;
	args.size = 2 * PAGE;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args = good;
	args.address = 1ull << 48;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args = good;
	args.address = 0;
	args.size = ((uint64_t)vsvm_info(self->t.dev)->max_pages + 1) * PAGE;
	EXPECT_EQ(-E2BIG, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	args.size = 1ull << 48;
	EXPECT_EQ(-E2BIG, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	/* Exactly as many words as pages, not one more */
	memset(pages, 0x77, PAGE);
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &good));
	EXPECT_EQ(-1, check_bytes(&pages[16], PAGE - 64, 0x77));
	EXPECT_EQ(DRM_VSVM_PAGE_BOUND, pages[15] & DRM_VSVM_PAGE_BOUND);
}

TEST_F(vm, state_of_as_many_pages_as_there_may_be)
{
	uint64_t most = vsvm_info(self->t.dev)->max_pages;
	uint32_t *pages = map_anon(most * 4);
	struct drm_vsvm_vm_state args = {
		.vm_id = self->t.id, .address = (uintptr_t)self->p & ~((1ull << 32) - 1),
		.size = most * PAGE, .pages = (uintptr_t)pages,
	};

	ASSERT_EQ(0, dev_store64(&self->t, self->p, 1));
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATE, &args));
	if ((uintptr_t)self->p - args.address < args.size) {
		EXPECT_NE(0, pages[((uintptr_t)self->p - args.address) / PAGE] &
			  DRM_VSVM_PAGE_MAPPED);
	}
	EXPECT_NE(0, pages[most - 1] & DRM_VSVM_PAGE_BOUND);
}

/* --- VM_FAULTS --- */

TEST_F(vm, faults_of_nonsense)
{
	struct drm_vsvm_fault records[2];
	struct drm_vsvm_vm_faults good = {
		.vm_id = self->t.id,
		.records = { .stride = sizeof(records[0]), .count = 2,
			     .pointer = (uintptr_t)records },
	}, args;
	static const uint32_t strides[] = { 0, 1, 4, 12, 81, 1u << 31, ~0u, ~7u };
	unsigned int i;

	EXPECT_NE(0, dev_store64(&self->t, NULL, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, NULL,
				  DRM_VSVM_ACCESS_WRITE));
	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		args = good;
		args.vm_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	}
	for (i = 0; i < ARRAY_SIZE(bad_pointers); i++) {
		args = good;
		args.records.pointer = bad_pointers[i];
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	}
	for (i = 0; i < ARRAY_SIZE(strides); i++) {
		args = good;
		args.records.stride = strides[i];
		EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	}
	args = good;
	args.flags = 1;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	/* More room than anybody has: what there is comes, and no more is written */
	args = good;
	memset(records, 0x77, sizeof(records));
	args.records.count = ~0u;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	EXPECT_EQ(1, args.records.count);
	EXPECT_EQ(1, records[0].sequence);
	EXPECT_EQ(-1, check_bytes(&records[1], sizeof(records[1]), 0x77));
	/* No room: only how many there are */
	args = good;
	args.records = (struct drm_vsvm_array) { 0 };
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	EXPECT_EQ(1, args.last);
	EXPECT_EQ(0, args.lost);
	/* From the future */
	args = good;
	args.since = ~0ull;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	EXPECT_EQ(0, args.records.count);
	EXPECT_EQ(1, args.last);
	EXPECT_EQ(0, args.lost);
}

TEST_F(vm, faults_in_records_of_other_sizes)
{
	struct {
		struct drm_vsvm_fault record;
		char more[32];
	} large;
	uint64_t small[2] = { 0, 0x7777 };
	struct drm_vsvm_vm_faults args = { .vm_id = self->t.id };

	EXPECT_NE(0, dev_store64(&self->t, NULL, 1));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, NULL,
				  DRM_VSVM_ACCESS_WRITE));
	memset(&large, 0x77, sizeof(large));
	args.records = (struct drm_vsvm_array) { sizeof(large), 1, (uintptr_t)&large };
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	EXPECT_EQ(EFAULT, large.record.error);
	EXPECT_EQ(-1, check_bytes(large.more, sizeof(large.more), 0));
	memset(&args, 0, sizeof(args));
	args.vm_id = self->t.id;
	args.records = (struct drm_vsvm_array) { 8, 1, (uintptr_t)small };
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_FAULTS, &args));
	EXPECT_EQ(1, small[0]);
	EXPECT_EQ(0x7777, small[1]);
}

/* Read all records in pieces: rising without gaps; their number, or -1 */
static long read_all(struct test_vm *t, uint64_t *lost_in_all, uint64_t *last)
{
	struct drm_vsvm_fault records[37];
	uint64_t since = 0, lost;
	long n = 0;
	uint32_t count, i;

	*lost_in_all = 0;
	for (;;) {
		count = ARRAY_SIZE(records);
		if (vsvm_vm_faults(t->vm, since, records, &count, &lost, last))
			return -1;
		*lost_in_all += lost;
		if (!count)
			return n;
		since += lost;
		for (i = 0; i < count; i++)
			if (records[i].sequence != ++since)
				return -1;
		n += count;
	}
}

TEST_F(vm, ring_of_records_overflows_and_says_so)
{
	const size_t size = 48ul << 20, step = 24 * PAGE;
	uint64_t lost = 0, last = 0, before;
	struct test_vm all;
	char *p = map_anon(size);
	int round;
	size_t i;
	long n;

	/* With all faults recorded, a page far from the next each time makes a record each */
	ASSERT_EQ(0, test_open_on(&all, self->t.dev, DRM_VSVM_VM_RECORD_ALL));
	ASSERT_EQ(0, dev_store64(&all, p, 1));
	n = read_all(&all, &lost, &last);
	EXPECT_LT(0, n);
	EXPECT_EQ(0, lost);
	EXPECT_EQ(last, (uint64_t)n);
	for (round = 0; round < 40 && !lost; round++) {
		before = last;
		/* Up and down, so that it is no stream */
		for (i = 0; i < size / step; i++)
			put_store64(&all.q, p + (i % 2 ? i : size / step - 1 - i) * step, 1);
		ASSERT_EQ(0, test_run(&all.q));
		n = read_all(&all, &lost, &last);
		EXPECT_LT(0, n);
		EXPECT_EQ(last, (uint64_t)n + lost);
		EXPECT_LT(before, last);
		madvise(p, size, MADV_DONTNEED);
	}
	/* So it has run over, and what came last is what is there */
	EXPECT_LT(0, lost);
	EXPECT_EQ(0, test_close(&all));
}

TEST_F(vm, resolved_faults_are_recorded_when_asked_for)
{
	struct drm_vsvm_fault records[64];
	struct test_vm all;
	uint32_t count = ARRAY_SIZE(records), i, found = 0;
	uint64_t last;

	ASSERT_EQ(0, test_open_on(&all, self->t.dev, DRM_VSVM_VM_RECORD_ALL));
	ASSERT_EQ(0, dev_store64(&all, self->p + 3 * PAGE + 24, 1));
	ASSERT_EQ(0, vsvm_vm_faults(all.vm, 0, records, &count, NULL, &last));
	EXPECT_EQ(count, last);
	for (i = 0; i < count; i++) {
		EXPECT_EQ(0, records[i].error);
		EXPECT_EQ(DRM_VSVM_FAULT_RESOLVED, records[i].reason);
		if (records[i].address != (uintptr_t)self->p + 3 * PAGE + 24)
			continue;
		found++;
		EXPECT_EQ(DRM_VSVM_ACCESS_WRITE, records[i].access);
		EXPECT_EQ((uintptr_t)all.q.packets, records[i].packet);
		EXPECT_EQ(all.q.packets[0].tag, records[i].tag);
		EXPECT_LT(0, records[i].latency_ns);
		EXPECT_GT(test_patience(), records[i].latency_ns);
	}
	EXPECT_LE(1, found);
	EXPECT_EQ(0, test_close(&all));
	/* And not when they are not */
	ASSERT_EQ(0, dev_store64(&self->t, self->p + 9 * PAGE, 1));
	count = ARRAY_SIZE(records);
	ASSERT_EQ(0, vsvm_vm_faults(self->t.vm, 0, records, &count, NULL, &last));
	EXPECT_EQ(0, count);
	EXPECT_EQ(0, last);
}

/* --- VM_STATS --- */

TEST_F(vm, stats_of_nonsense)
{
	struct drm_vsvm_stats stats;
	struct drm_vsvm_vm_stats good = {
		.vm_id = self->t.id, .size = sizeof(stats), .pointer = (uintptr_t)&stats,
	}, args;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		args = good;
		args.vm_id = bad_ids[i];
		EXPECT_EQ(-ENOENT, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATS, &args));
	}
	for (i = 0; i < ARRAY_SIZE(bad_pointers); i++) {
		args = good;
		args.pointer = bad_pointers[i];
		EXPECT_EQ(bad_pointers[i] ? -EFAULT : -EINVAL,
			  test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATS, &args));
	}
	args = good;
	args.size = 0;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATS, &args));
	args.pointer = 0;
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATS, &args));
	EXPECT_LE(31 * 8, args.size);
	args = good;
	args.size = 12;
	memset(&stats, 0x77, sizeof(stats));
	EXPECT_EQ(0, test_ioctl(self->fd, DRM_IOCTL_VSVM_VM_STATS, &args));
	EXPECT_EQ(12, args.size);
	EXPECT_EQ(-1, check_bytes((char *)&stats + 12, sizeof(stats) - 12, 0x77));
}

TEST_HARNESS_MAIN
