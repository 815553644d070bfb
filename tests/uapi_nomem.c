// SPDX-License-Identifier: MIT
/*
 * Memory runs out in the middle of an ioctl: at the first allocation, then at
 * the second, and so on until none fails any more.  Each time the ioctl either
 * says so and has changed nothing, or can do without.
 */
#include <fcntl.h>

#include "vsvm_harness.h"
#include "vsvm_userptr.h"

#define FAIL_NTH	"/proc/self/fail-nth"

FIXTURE(nomem)
{
	struct test_vm t;
	int nth;
	char *p;
	/* What try hands over to undo */
	int fd;
	uint32_t id;
	unsigned int accepted;
	/* Tries that ended in EFAULT */
	unsigned int unknown;
};

/*
 * DMA debugging gives up for good when it has no memory to note a mapping down:
 * its own allocations are not to fail.
 */
static void spare_dma_debug(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[256], start[40] = "", end[40] = "";
	char address[32], name[128];

	while (f && !*end && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %*c %127s", address, name) != 2)
			continue;
		if (*start)
			snprintf(end, sizeof(end), "0x%s", address);
		else if (!strcmp(name, "debug_dma_map_phys"))
			snprintf(start, sizeof(start), "0x%s", address);
	}
	if (f)
		fclose(f);
	if (!*end)
		return;
	write_text("/sys/kernel/debug/failslab/reject-start", start);
	write_text("/sys/kernel/debug/failslab/reject-end", end);
	write_text("/sys/kernel/debug/fail_page_alloc/reject-start", start);
	write_text("/sys/kernel/debug/fail_page_alloc/reject-end", end);
}

FIXTURE_SETUP(nomem)
{
	static const char * const settings[] = {
		"/sys/kernel/debug/failslab/ignore-gfp-wait",
		"/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait",
		"/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem",
	};
	unsigned int i;

	self->nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (self->nth < 0)
		SKIP(return, "this kernel does not fail on demand");
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		write_text(settings[i], "N");
	write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	/* A stack trace each time would take longer than all else */
	write_text("/sys/kernel/debug/failslab/verbose", "0");
	write_text("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	spare_dma_debug();
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(64 * PAGE);
}

FIXTURE_TEARDOWN(nomem)
{
	if (self->nth < 0)
		return;
	EXPECT_EQ(0, dev_fill(&self->t, self->p, 64 * PAGE, 1));
	/* Queues that came to be without the caller being told stay to the end of the file */
	vsvm_close(self->t.dev);
	ASSERT_EQ(0, test_open(&self->t));
	EXPECT_EQ(0, dev_fill(&self->t, self->p, 64 * PAGE, 1));
	EXPECT_EQ(0, test_close(&self->t));
}

/* The nth allocation or copy to or from user space from now on fails; 0: none */
static void fail(FIXTURE_DATA(nomem) *self, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	/* What was set before may hit the first try */
	if (pwrite(self->nth, text, strlen(text), 0) < 0 &&
	    pwrite(self->nth, text, strlen(text), 0) < 0)
		perror("# " FAIL_NTH);
}

/* Whether it came to that; and none fails any more */
static bool failed(FIXTURE_DATA(nomem) *self)
{
	char text[16] = "";

	/* If it had not come to that, it may come to it here */
	if (pread(self->nth, text, sizeof(text) - 1, 0) <= 0)
		return false;
	fail(self, 0);
	return !atoi(text);
}

/*
 * try is repeated with one more that succeeds each time, until none fails;
 * undo, after each time that it went well; same, after each that did not.
 *
 * EFAULT says nothing of what has happened: the last thing that can fail is to
 * tell the caller.
 */
static void each_failure(struct __test_metadata *_metadata, FIXTURE_DATA(nomem) *self,
			 int (*try)(FIXTURE_DATA(nomem) *self),
			 int (*undo)(FIXTURE_DATA(nomem) *self),
			 int (*same)(FIXTURE_DATA(nomem) *self))
{
	int nth, ret = 0;
	bool done = false;

	for (nth = 1; !done; nth++) {
		fail(self, nth);
		ret = try(self);
		done = !failed(self);
		if (ret == -EFAULT) {
			self->unknown++;
		} else if (ret) {
			EXPECT_EQ(-ENOMEM, ret);
			EXPECT_EQ(0, same(self));
		} else {
			EXPECT_EQ(0, undo(self));
		}
		ASSERT_GT(2000, nth);
	}
	EXPECT_EQ(0, ret);
	/* Had nothing failed, nothing would have been tried */
	EXPECT_LT(2, nth);
}

static int nothing(FIXTURE_DATA(nomem) *self)
{
	(void)self;
	return 0;
}

static int open_try(FIXTURE_DATA(nomem) *self)
{
	self->fd = open(vsvm_path(self->t.dev), O_RDWR | O_CLOEXEC);
	return self->fd < 0 ? -errno : 0;
}

static int open_undo(FIXTURE_DATA(nomem) *self)
{
	return close(self->fd);
}

TEST_F(nomem, opening)
{
	each_failure(_metadata, self, open_try, open_undo, nothing);
}

static int vm_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_vm_create create = { .flags = DRM_VSVM_VM_FAULT_MODE };
	int ret = test_ioctl(self->t.fd, DRM_IOCTL_VSVM_VM_CREATE, &create);

	self->id = create.vm_id;
	return ret;
}

static int vm_undo(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_vm_destroy destroy = { .vm_id = self->id };

	return test_ioctl(self->t.fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy);
}

TEST_F(nomem, address_spaces)
{
	each_failure(_metadata, self, vm_try, vm_undo, nothing);
}

static int queue_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_queue_create create = { .vm_id = self->t.id };
	int ret = test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_CREATE, &create);

	self->id = create.queue_id;
	return ret;
}

static int queue_undo(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_queue_destroy destroy = { .queue_id = self->id };

	return test_ioctl(self->t.fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy);
}

TEST_F(nomem, queues)
{
	each_failure(_metadata, self, queue_try, queue_undo, nothing);
}

#define OPS	8

static size_t bound(FIXTURE_DATA(nomem) *self)
{
	return count_state(&self->t, self->p, 64 * PAGE, DRM_VSVM_PAGE_BOUND,
			   DRM_VSVM_PAGE_BOUND);
}

static int bind_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_bind_op ops[OPS] = { 0 };
	unsigned int i;
	int ret;

	for (i = 0; i < OPS; i++) {
		ops[i].op = DRM_VSVM_BIND_MAP_MIRROR;
		ops[i].address = (uintptr_t)self->p + 4 * i * PAGE;
		ops[i].size = 3 * PAGE;
	}
	ret = vsvm_bind(self->t.vm, ops, OPS, NULL);
	if (ret == -EFAULT) {
		/* Done or not, but not in part */
		if (bound(self) % (3 * OPS))
			return -EIO;
		vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE);
	}
	return ret;
}

static int bind_undo(FIXTURE_DATA(nomem) *self)
{
	return bound(self) == 3 * OPS ? vsvm_unbind(self->t.vm, 0, 1ull << 48, 0) : -EIO;
}

static int bind_same(FIXTURE_DATA(nomem) *self)
{
	return bound(self) ? -EIO : 0;
}

/* Taking pieces out of a binding needs memory too */
static int unbind_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_bind_op ops[OPS] = { 0 };
	unsigned int i;
	int ret;

	for (i = 0; i < OPS; i++) {
		ops[i].op = DRM_VSVM_BIND_UNMAP;
		ops[i].address = (uintptr_t)self->p + (4 * i + 1) * PAGE;
		ops[i].size = PAGE;
	}
	ret = vsvm_bind(self->t.vm, ops, OPS, NULL);
	if (ret == -EFAULT) {
		if (bound(self) != 64 && bound(self) != 64 - OPS)
			return -EIO;
		vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE);
		vsvm_bind_mirror(self->t.vm, (uintptr_t)self->p, 64 * PAGE, 0);
	}
	return ret;
}

static int unbind_undo(FIXTURE_DATA(nomem) *self)
{
	int ret = bound(self) == 64 - OPS ? 0 : -EIO;

	if (!ret)
		ret = vsvm_unbind(self->t.vm, 0, 1ull << 48, 0);
	return ret ? ret : vsvm_bind_mirror(self->t.vm, (uintptr_t)self->p, 64 * PAGE, 0);
}

static int unbind_same(FIXTURE_DATA(nomem) *self)
{
	return bound(self) == 64 ? 0 : -EIO;
}

TEST_F(nomem, bindings)
{
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	each_failure(_metadata, self, bind_try, bind_undo, bind_same);
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)self->p, 64 * PAGE, 0));
	each_failure(_metadata, self, unbind_try, unbind_undo, unbind_same);
	EXPECT_EQ(0, vsvm_unbind(self->t.vm, 0, 1ull << 48, 0));
	ASSERT_EQ(0, vsvm_bind_mirror_all(self->t.vm));
}

/*
 * Batches, each of three ranges, looked at at once.  There is nothing to be seen:
 * to map a page makes the kernel's DMA debugging allocate, which complains.
 */

static size_t bound_batches(FIXTURE_DATA(nomem) *self)
{
	return count_state(&self->t, batch_at(0), 4 * OPS * PAGE, DRM_VSVM_PAGE_BOUND,
			   DRM_VSVM_PAGE_BOUND);
}

static int batch_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_bind_op ops[OPS] = { 0 };
	struct drm_vsvm_userptr_range ranges[OPS][3];
	unsigned int i, k;
	int ret;

	madvise(self->p, 64 * PAGE, MADV_DONTNEED);
	for (i = 0; i < OPS; i++) {
		/* Not in order, so that they have to be sorted */
		for (k = 0; k < 3; k++)
			ranges[i][k] = (struct drm_vsvm_userptr_range) {
				(uintptr_t)self->p + (7 * k + 5 * i) % 64 * PAGE, PAGE,
			};
		ops[i].op = DRM_VSVM_BIND_MAP_USERPTR;
		ops[i].flags = DRM_VSVM_BIND_IMMEDIATE;
		ops[i].address = BATCH_AT + 4 * i * PAGE;
		ops[i].size = 3 * PAGE;
		ops[i].ranges.stride = sizeof(ranges[i][0]);
		ops[i].ranges.count = 3;
		ops[i].ranges.pointer = (uintptr_t)ranges[i];
	}
	ret = vsvm_bind(self->t.vm, ops, OPS, NULL);
	if (ret == -EFAULT) {
		/* Done or not, but not in part */
		if (bound_batches(self) % (3 * OPS))
			return -EIO;
		vsvm_unbind(self->t.vm, BATCH_AT, 4 * OPS * PAGE, 0);
	}
	return ret;
}

/* What could not be mapped is mapped now; and nothing of it stays behind */
static int batch_undo(FIXTURE_DATA(nomem) *self)
{
	unsigned int i;
	int ret = bound_batches(self) == 3 * OPS ? 0 : -EIO;

	for (i = 0; i < OPS && !ret; i++)
		ret = dev_touch_write(&self->t, batch_at(4 * i * PAGE), 3 * PAGE);
	if (!ret)
		ret = vsvm_unbind(self->t.vm, BATCH_AT, 4 * OPS * PAGE, 0);
	return ret ? ret : batch_all_gone(&self->t);
}

static int batch_same(FIXTURE_DATA(nomem) *self)
{
	return bound_batches(self) ? -EIO : batch_all_gone(&self->t);
}

/* From the middle of each batch, which leaves two parts of it */
static int batch_part_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_bind_op ops[OPS] = { 0 };
	unsigned int i;
	int ret;

	for (i = 0; i < OPS; i++) {
		ops[i].op = DRM_VSVM_BIND_UNMAP;
		ops[i].address = BATCH_AT + (4 * i + 1) * PAGE;
		ops[i].size = PAGE;
	}
	ret = vsvm_bind(self->t.vm, ops, OPS, NULL);
	if (ret == -EFAULT && bound_batches(self) != 3 * OPS) {
		/* It was done: once more from the beginning */
		if (bound_batches(self) != 2 * OPS)
			return -EIO;
		vsvm_unbind(self->t.vm, BATCH_AT, 4 * OPS * PAGE, 0);
		fail(self, 0);
		ret = batch_try(self) ? -EIO : -EFAULT;
	}
	return ret;
}

static int batch_part_same(FIXTURE_DATA(nomem) *self)
{
	return bound_batches(self) == 3 * OPS ? dev_touch_write(&self->t, batch_at(PAGE), PAGE) :
		-EIO;
}

static int batch_part_undo(FIXTURE_DATA(nomem) *self)
{
	int ret = bound_batches(self) == 2 * OPS ? 0 : -EIO;

	if (!ret)
		ret = vsvm_unbind(self->t.vm, BATCH_AT, 4 * OPS * PAGE, 0);
	if (!ret)
		ret = batch_all_gone(&self->t);
	return ret ? ret : batch_try(self);
}

TEST_F(nomem, batches)
{
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, BATCH_AT, 4 * OPS * PAGE, DRM_VSVM_BIND_FORCE));
	each_failure(_metadata, self, batch_try, batch_undo, batch_same);
	ASSERT_EQ(0, batch_try(self));
	each_failure(_metadata, self, batch_part_try, batch_part_undo, batch_part_same);
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, BATCH_AT, 4 * OPS * PAGE, DRM_VSVM_BIND_FORCE));
	EXPECT_EQ(0, batch_all_gone(&self->t));
}

static int submit_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_command commands[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		commands[i].address = (uintptr_t)self->t.q.packets;
		commands[i].bytes = 64;
	}
	return test_submit_raw(&self->t.q, commands, ARRAY_SIZE(commands), 0, 0, NULL);
}

static int submit_undo(FIXTURE_DATA(nomem) *self)
{
	self->accepted++;
	return 0;
}

TEST_F(nomem, submissions)
{
	put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, self->p, 0, 0, NULL);
	self->t.q.start = self->t.q.count;
	each_failure(_metadata, self, submit_try, submit_undo, nothing);
	put_barrier(&self->t.q);
	ASSERT_EQ(0, test_run(&self->t.q));
	/* Accepted or not: nothing in between */
	EXPECT_EQ(0, *(uint64_t *)self->p % 16);
	EXPECT_LE(16 * self->accepted, *(uint64_t *)self->p);
	EXPECT_GE(16 * (self->accepted + self->unknown), *(uint64_t *)self->p);
}

static int state_try(FIXTURE_DATA(nomem) *self)
{
	uint32_t state[64];

	return vsvm_vm_state(self->t.vm, self->p, 64 * PAGE, state);
}

static int faults_try(FIXTURE_DATA(nomem) *self)
{
	struct drm_vsvm_fault records[16];
	uint32_t count = ARRAY_SIZE(records);

	return vsvm_vm_faults(self->t.vm, 0, records, &count, NULL, NULL);
}

TEST_F(nomem, asking)
{
	ASSERT_EQ(0, dev_fill(&self->t, self->p, 64 * PAGE, 1));
	each_failure(_metadata, self, state_try, nothing, nothing);
	each_failure(_metadata, self, faults_try, nothing, nothing);
}

/* Pieces that stay different, so that a SET has to store more than once */
static int attr_prepare(FIXTURE_DATA(nomem) *self)
{
	unsigned int i;
	int ret = vsvm_attr_reset(self->t.vm, self->p, 64 * PAGE);

	for (i = 0; i < 64 && !ret; i += 4)
		ret = vsvm_attr_set_one(self->t.vm, self->p + i * PAGE, PAGE,
					DRM_VSVM_ATTR_GRANULARITY, i);
	return ret;
}

static int attr_try(FIXTURE_DATA(nomem) *self)
{
	return vsvm_attr_set_one(self->t.vm, self->p, 62 * PAGE, DRM_VSVM_ATTR_GPU_RO, 1);
}

static int attr_check(FIXTURE_DATA(nomem) *self, uint32_t read_only)
{
	struct drm_vsvm_attr attrs[2] = {
		{ .type = DRM_VSVM_ATTR_GPU_RO }, { .type = DRM_VSVM_ATTR_GRANULARITY },
	};
	unsigned int i;

	for (i = 0; i < 64; i++)
		if (vsvm_attr_get(self->t.vm, self->p + i * PAGE, PAGE, attrs, 2, NULL) ||
		    attrs[0].value != (i < 62 ? read_only : 0) ||
		    attrs[1].value != (i % 4 ? 9 : i))
			return 1;
	return 0;
}

static int attr_undo(FIXTURE_DATA(nomem) *self)
{
	return attr_check(self, 1) || attr_prepare(self);
}

static int attr_same(FIXTURE_DATA(nomem) *self)
{
	return attr_check(self, 0);
}

TEST_F(nomem, defect_set_not_transactional)
{
	ASSERT_EQ(0, attr_prepare(self));
	each_failure(_metadata, self, attr_try, attr_undo, attr_same);
	ASSERT_EQ(0, vsvm_attr_reset(self->t.vm, self->p, 64 * PAGE));
	EXPECT_EQ(0, test_stats(&self->t).attr_ranges);
}

TEST_F(nomem, lesson_no_table_can_be_had_under_the_lock)
{
	char *p = map_huge(HUGE);
	uint64_t value;
	int n, ret;

	/* A boundary within a large leaf, with or without memory to split it */
	REQUIRE(p, "no huge pages to be had");
	for (n = 1; n < 20; n++) {
		memset(p, n, HUGE);
		madvise(p, HUGE, 25 /* MADV_COLLAPSE */);
		ASSERT_EQ(0, vsvm_attr_reset(self->t.vm, p, HUGE));
		ASSERT_EQ(0, dev_touch_write(&self->t, p, HUGE));
		fail(self, n);
		ret = vsvm_attr_set_one(self->t.vm, p + n * PAGE, PAGE, DRM_VSVM_ATTR_ACCESS,
					DRM_VSVM_ATTR_ACCESS_NONE);
		failed(self);
		/* That says nothing of what has happened, as above */
		if (ret == -EFAULT)
			continue;
		if (ret) {
			EXPECT_EQ(-ENOMEM, ret);
			EXPECT_EQ(0, dev_load64(&self->t, p + n * PAGE, &value));
			continue;
		}
		/* More may have gone than had to, never less */
		EXPECT_EQ(0, page_state(&self->t, p + n * PAGE) & DRM_VSVM_PAGE_MAPPED);
		EXPECT_EQ(0, count_state(&self->t, p, HUGE, DRM_VSVM_PAGE_HUGE,
					 DRM_VSVM_PAGE_HUGE));
		EXPECT_EQ(0, dev_load64(&self->t, p + (n + 1) * PAGE, &value));
		EXPECT_EQ(0x0101010101010101ull * n, value);
	}
	EXPECT_EQ(0, vsvm_attr_reset(self->t.vm, p, HUGE));
}

TEST_F(nomem, changing_memory_that_the_device_maps)
{
	char *p = map_huge(HUGE);
	int n;

	/* An invalidation cannot fail, with or without memory to split a leaf */
	REQUIRE(p, "no huge pages to be had");
	for (n = 1; n < 40; n++) {
		memset(p, 1, HUGE);
		madvise(p, HUGE, 25 /* MADV_COLLAPSE */);
		ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, n));
		fail(self, n);
		madvise(p + n * PAGE, PAGE, MADV_DONTNEED);
		failed(self);
		EXPECT_EQ(0, page_state(&self->t, p + n * PAGE) & DRM_VSVM_PAGE_MAPPED);
		EXPECT_EQ(0, *(uint64_t *)(p + n * PAGE));
		EXPECT_EQ(n, *(int *)(p + (n + 1) * PAGE));
		put_sum(&self->t.q, p + n * PAGE, 1024, 8, 8, self->t.out);
		ASSERT_EQ(0, test_run(&self->t.q));
		EXPECT_EQ(512ull * n, self->t.out[0]);
	}
}

TEST_HARNESS_MAIN
