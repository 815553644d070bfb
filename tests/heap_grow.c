// SPDX-License-Identifier: MIT
/*
 * The heap grows and shrinks: who asks for it, what is told, what is refused,
 * and what queues have of it.
 */
#include <string.h>
#include <sys/mman.h>

#include "vsvm_heap.h"
#include "vsvm_harness.h"

FIXTURE_HEAP(grow);

TEST_F(grow, query_of_an_empty_heap)
{
	struct drm_vsvm_heap_query q = heap_query(self->t.fd);

	EXPECT_EQ(1ull << 47, q.base);
	EXPECT_EQ(64ull << 20, q.chunk_size);
	EXPECT_EQ(self->maximum, q.maximum);
	EXPECT_EQ(0, q.committed | q.used | q.largest_hole | q.bos | q.queues | q.lagging);
	EXPECT_NE(0, vsvm_info(self->t.dev)->caps & DRM_VSVM_CAP_HEAP);
}

TEST_F(grow, by_what_the_caller_believes)
{
	uint64_t committed = 0;

	REQUIRE(self->maximum >= 2 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, &committed));
	EXPECT_EQ(self->chunk, committed);
	/* Somebody was faster: nothing happens, and the caller learns of it */
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, &committed));
	EXPECT_EQ(self->chunk, committed);
	ASSERT_EQ(0, heap_grow(self->t.fd, 2 * self->chunk, self->chunk, &committed));
	EXPECT_EQ(self->chunk, committed);
	EXPECT_EQ(self->chunk, heap_query(self->t.fd).largest_hole);
	ASSERT_EQ(0, heap_grow(self->t.fd, self->chunk, self->chunk, &committed));
	EXPECT_EQ(2 * self->chunk, committed);
	EXPECT_EQ(2 * self->chunk, heap_query(self->t.fd).largest_hole);
}

TEST_F(grow, malformed_calls_change_nothing)
{
	struct drm_vsvm_heap_grow bad[] = {
		{ .bytes = 0 },
		{ .bytes = self->chunk - PAGE },
		{ .bytes = self->chunk, .expected = PAGE },
		{ .bytes = self->chunk, .flags = 4 },
		{ .bytes = self->chunk, .address = PAGE },
		{ .bytes = self->chunk, .window = self->chunk },
		{ .bytes = self->chunk, .flags = DRM_VSVM_HEAP_USER },
		{ .bytes = self->chunk, .flags = DRM_VSVM_HEAP_USER, .address = 5 },
		{ .bytes = self->chunk, .flags = DRM_VSVM_HEAP_USER, .address = ~0xfffull },
		{ .bytes = self->chunk, .flags = DRM_VSVM_HEAP_PROCESS },
		{ .bytes = self->chunk, .flags = DRM_VSVM_HEAP_PROCESS, .window = HUGE },
		{ .bytes = self->chunk, .flags = DRM_VSVM_HEAP_PROCESS, .window = -self->chunk },
	};
	struct drm_vsvm_heap_shrink shrink = { .bytes = PAGE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_GROW, &bad[i]));
	EXPECT_EQ(-EINVAL, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_SHRINK, &shrink));
	shrink = (struct drm_vsvm_heap_shrink) { .bytes = self->chunk };
	EXPECT_EQ(-EINVAL, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_SHRINK, &shrink));
	EXPECT_EQ(-ENOSPC, heap_grow(self->t.fd, 0, self->maximum + self->chunk, NULL));
	EXPECT_EQ(-ENOSPC, heap_grow(self->t.fd, 0, -self->chunk, NULL));
	EXPECT_EQ(0, heap_query(self->t.fd).committed);
}

/* 16: with room elsewhere, nothing that would need growth is chosen */
TEST_F(grow, pitfall_16_committed_space_comes_first)
{
	struct drm_vsvm_heap_alloc arg;
	uint64_t address;
	int first, last;

	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, NULL));
	/* A hole of 3 MiB, and one of 1 MiB in front of what has no memory */
	first = heap_alloc(self->t.fd, 3 * HUGE / 2, 0, 0, &address);
	ASSERT_LT(0, first);
	last = heap_alloc(self->t.fd, self->chunk - 2 * HUGE, 0, 0, NULL);
	ASSERT_LT(0, last);
	ASSERT_EQ(0, heap_close(self->t.fd, first));
	arg = (struct drm_vsvm_heap_alloc) { .size = 3 * HUGE / 4 };
	ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_ALLOC, &arg));
	EXPECT_EQ(address, arg.address);
	EXPECT_EQ(self->chunk, heap_query(self->t.fd).committed);
}

TEST_F(grow, what_does_not_fit_says_what_it_takes)
{
	struct drm_vsvm_heap_alloc arg = { .size = self->chunk / 2 };

	EXPECT_EQ(-ENOBUFS, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_ALLOC, &arg));
	EXPECT_EQ(0, arg.committed);
	EXPECT_EQ(self->chunk, arg.needed);
	ASSERT_EQ(0, heap_grow(self->t.fd, arg.committed, arg.needed - arg.committed, NULL));
	ASSERT_EQ(0, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_ALLOC, &arg));
	REQUIRE(self->maximum >= 3 * self->chunk, "heap=small");
	/* The rest of the first chunk counts */
	arg = (struct drm_vsvm_heap_alloc) { .size = 2 * self->chunk + self->chunk / 2 };
	EXPECT_EQ(-ENOBUFS, test_ioctl(self->t.fd, DRM_IOCTL_VSVM_HEAP_ALLOC, &arg));
	EXPECT_EQ(3 * self->chunk, arg.needed);
	EXPECT_EQ(self->chunk, arg.committed);
}

TEST_F(grow, the_impossible_is_refused_at_once)
{
	uint64_t sizes[] = { self->maximum + 1, ~0ull, 1ull << 62 };
	unsigned int i;
	int handle;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-ENOSPC, heap_alloc(self->t.fd, sizes[i], 0,
					      DRM_VSVM_HEAP_ALLOC_GROW, NULL));
	EXPECT_EQ(-ENOSPC, heap_alloc(self->t.fd, PAGE, 2 * self->maximum, 0, NULL));
	EXPECT_EQ(-EINVAL, heap_alloc(self->t.fd, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, heap_alloc(self->t.fd, PAGE, 3 * PAGE, 0, NULL));
	EXPECT_EQ(-EINVAL, heap_alloc(self->t.fd, PAGE, 0, 2, NULL));
	EXPECT_EQ(0, heap_query(self->t.fd).committed);
	handle = heap_alloc(self->t.fd, PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, NULL);
	ASSERT_LT(0, handle);
	/* All of the window, with something at its beginning */
	EXPECT_EQ(-ENOSPC, heap_alloc(self->t.fd, self->maximum, 0, DRM_VSVM_HEAP_ALLOC_GROW,
				      NULL));
	EXPECT_EQ(self->chunk, heap_query(self->t.fd).committed);
}

TEST_F(grow, all_of_the_heap_as_one_object)
{
	uint64_t address, at;
	char *p;
	int handle;

	REQUIRE(meminfo_kib("MemAvailable:") > (long)(self->maximum >> 10) + 300 * 1024,
		"not enough memory");
	handle = heap_alloc(self->t.fd, self->maximum, 0, DRM_VSVM_HEAP_ALLOC_GROW, &address);
	ASSERT_LT(0, handle);
	EXPECT_EQ(1ull << 47, address);
	EXPECT_EQ(self->maximum, heap_query(self->t.fd).used);
	EXPECT_EQ(0, heap_query(self->t.fd).largest_hole);
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	p = heap_map(self->t.fd, handle, self->maximum);
	ASSERT_NE(MAP_FAILED, p);
	for (at = 0; at < self->maximum; at += self->chunk / 2)
		put_store64(&self->t.q, (void *)(uintptr_t)(address + at), at + 1);
	ASSERT_EQ(0, test_run(&self->t.q));
	for (at = 0; at < self->maximum; at += self->chunk / 2)
		EXPECT_EQ(at + 1, *(volatile uint64_t *)(p + at));
	EXPECT_EQ(-ENOSPC, heap_alloc(self->t.fd, PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, NULL));
	munmap(p, self->maximum);
}

/* 6: nobody takes up what is empty */
TEST_F(grow, pitfall_6_a_queue_with_an_empty_heap_is_refused)
{
	EXPECT_EQ(-ENOENT, heap_take(&self->t.q, 0));
	heap_query(self->t.fd);
	EXPECT_EQ(-ENOENT, heap_take(&self->t.q, 0));
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	/* Nor is it taken from under it */
	EXPECT_EQ(-EBUSY, heap_shrink(self->t.fd, self->chunk, self->chunk, NULL));
}

/* 1: when the firmware is told of a chunk, its address means something */
TEST_F(grow, pitfall_1_what_is_told_is_mapped)
{
	struct drm_vsvm_stats before;
	uint64_t address, i;
	int handle;

	handle = heap_alloc(self->t.fd, self->chunk, 0, DRM_VSVM_HEAP_ALLOC_GROW, &address);
	ASSERT_LT(0, handle);
	/* The firmware looks at every page of a buffer: it would refuse */
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	put_store64(&self->t.q, self->t.out, 1);
	ASSERT_EQ(0, test_run(&self->t.q));
	before = test_stats(&self->t);
	for (i = 0; i < self->chunk; i += HUGE)
		put_store64(&self->t.q, (void *)(uintptr_t)(address + i), i);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(before.terminal, test_stats(&self->t).terminal);
	EXPECT_EQ(before.groups, test_stats(&self->t).groups);
}

TEST_F(grow, reaches_queues_that_are_there)
{
	struct test_queue other;
	uint64_t address;
	int handle;

	REQUIRE(self->maximum >= 2 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, NULL));
	ASSERT_EQ(0, test_queue_open(&self->t, &other));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	ASSERT_EQ(0, heap_take(&other, 0));
	handle = heap_alloc(self->t.fd, self->chunk + PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW,
			    &address);
	ASSERT_LT(0, handle);
	EXPECT_EQ(2, heap_told(self->t.fd, 1));
	EXPECT_EQ(2, heap_query(self->t.fd).queues);
	put_store64(&other, (void *)(uintptr_t)(address + self->chunk + 8), 77);
	ASSERT_EQ(0, test_run(&other));
	put_copy(&self->t.q, self->t.out, (void *)(uintptr_t)(address + self->chunk + 8), 8);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(77, *(volatile uint64_t *)self->t.out);
	test_queue_close(&other);
	EXPECT_EQ(1, heap_query(self->t.fd).queues);
}

TEST_F(grow, shrinks_from_the_end_only)
{
	uint64_t committed, address;
	int low, high;

	REQUIRE(self->maximum >= 4 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, 3 * self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	low = heap_alloc(self->t.fd, self->chunk + PAGE, 0, 0, NULL);
	ASSERT_LT(0, low);
	EXPECT_EQ(-EBUSY, heap_shrink(self->t.fd, 3 * self->chunk, 2 * self->chunk, &committed));
	EXPECT_EQ(3 * self->chunk, committed);
	ASSERT_EQ(0, heap_shrink(self->t.fd, self->chunk, self->chunk, &committed));
	EXPECT_EQ(3 * self->chunk, committed);
	ASSERT_EQ(0, heap_shrink(self->t.fd, 3 * self->chunk, self->chunk, &committed));
	EXPECT_EQ(2 * self->chunk, committed);
	EXPECT_EQ(1, heap_told(self->t.fd, 1));
	/* And grows again, with memory that is zero */
	high = heap_alloc(self->t.fd, self->chunk, self->chunk, DRM_VSVM_HEAP_ALLOC_GROW, &address);
	ASSERT_LT(0, high);
	EXPECT_EQ((1ull << 47) + 2 * self->chunk, address);
	EXPECT_EQ(1, heap_told(self->t.fd, 2));
	put_store64(&self->t.q, (void *)(uintptr_t)address, 5);
	ASSERT_EQ(0, test_run(&self->t.q));
	ASSERT_EQ(0, heap_close(self->t.fd, high));
	ASSERT_EQ(0, heap_close(self->t.fd, low));
	ASSERT_EQ(0, heap_shrink(self->t.fd, 3 * self->chunk, 0, &committed));
	EXPECT_EQ(self->chunk, committed);
	/* There is nothing there any more: for the device it is the process' again */
	put_store64(&self->t.q, (void *)(uintptr_t)address, 5);
	ASSERT_EQ(0, test_submit(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
				  (void *)(uintptr_t)address, DRM_VSVM_ACCESS_WRITE));
}

TEST_F(grow, pages_come_back_when_memory_is_short)
{
	uint64_t since = 0;

	REQUIRE(self->maximum >= 3 * self->chunk, "heap=small");
	ASSERT_EQ(0, heap_grow(self->t.fd, 0, 3 * self->chunk, NULL));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	write_text("/proc/sys/vm/drop_caches", "2");
	while (heap_query(self->t.fd).committed != self->chunk && test_patient(&since))
		test_nap();
	EXPECT_EQ(self->chunk, heap_query(self->t.fd).committed);
	EXPECT_EQ(0, heap_query(self->t.fd).lagging);
	put_store64(&self->t.q, (void *)(1ul << 47), 5);
	EXPECT_EQ(0, test_run(&self->t.q));
}

TEST_F(grow, nobody_unbinds_or_replaces_it)
{
	struct drm_vsvm_bind_op op = {
		.op = DRM_VSVM_BIND_UNMAP,
		.flags = DRM_VSVM_BIND_FORCE,
		.address = (1ull << 47) + HUGE,
		.size = HUGE,
	};
	struct vsvm_bo *bo;

	ASSERT_EQ(0, heap_grow(self->t.fd, 0, self->chunk, NULL));
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, HUGE, DRM_VSVM_BO_SYSTEM, 0, &bo));
	ASSERT_EQ(0, vsvm_bind_bo(self->t.vm, bo, 1ull << 47, 0, HUGE, DRM_VSVM_BIND_REPLACE));
	EXPECT_EQ(-EEXIST, heap_take(&self->t.q, 0));
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, 1ull << 47, HUGE, DRM_VSVM_BIND_FORCE));
	ASSERT_EQ(0, heap_take(&self->t.q, 0));
	EXPECT_EQ(-EBUSY, vsvm_bind(self->t.vm, &op, 1, NULL));
	EXPECT_EQ(-EEXIST, vsvm_bind_mirror(self->t.vm, op.address, HUGE, 0));
	EXPECT_EQ(-EBUSY, vsvm_bind_mirror(self->t.vm, op.address, HUGE, DRM_VSVM_BIND_REPLACE));
	EXPECT_EQ(-EBUSY, vsvm_bind_bo(self->t.vm, bo, op.address, 0, HUGE, DRM_VSVM_BIND_REPLACE));
	EXPECT_EQ(-EBUSY, vsvm_unbind(self->t.vm, 0, 1ull << 48, DRM_VSVM_BIND_FORCE));
	put_store64(&self->t.q, (void *)(uintptr_t)op.address, 5);
	EXPECT_EQ(0, test_run(&self->t.q));
	vsvm_bo_destroy(bo);
}

/* 20: what there is can be asked for, and is counted once */
TEST_F(grow, pitfall_20_sizes_are_told_and_counted_once)
{
	struct vsvm_bo *bo;

	ASSERT_EQ(0, vsvm_heap_alloc(self->t.dev, 5 * HUGE, 0, &bo));
	EXPECT_EQ(65536, bo_fdinfo_kib(self->t.dev, "drm-total-heap"));
	EXPECT_EQ(0, bo_fdinfo_kib(self->t.dev, "drm-total-memory"));
	EXPECT_EQ(10240, bo_fdinfo_kib(self->t.dev, "vsvm-heap-used"));
	EXPECT_EQ((long)(self->maximum >> 10), bo_fdinfo_kib(self->t.dev, "vsvm-heap-maximum"));
	EXPECT_EQ(65536 - 10240, bo_fdinfo_kib(self->t.dev, "vsvm-heap-largest-hole"));
	vsvm_heap_free(bo);
	EXPECT_EQ(0, bo_fdinfo_kib(self->t.dev, "vsvm-heap-used"));
}

/* 18: a queue whose ring needs space gets it, and the ring stays */
TEST_F(grow, pitfall_18_a_queue_may_itself_need_space)
{
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	uint64_t *sum, i;

	ASSERT_EQ(0, heap_query(self->t.fd).committed);
	ASSERT_EQ(0, vsvm_queue_create_in_heap(self->t.vm, 0, 4096, &queue));
	EXPECT_EQ(self->chunk, heap_query(self->t.fd).committed);
	EXPECT_EQ(1, heap_query(self->t.fd).queues);
	ASSERT_EQ(0, vsvm_cmds_create(0, &cmds));
	sum = map_shared(PAGE);
	/* Round the ring many times, and the commands are free at once */
	for (i = 0; i < 1000; i++) {
		struct vsvm_fence fence;
		unsigned int j;

		vsvm_cmds_reset(cmds);
		for (j = 0; j <= i % 7; j++)
			ASSERT_EQ(0, vsvm_cmd_atomic(cmds, VSVM_ATOMIC_ADD, 8, sum, 1, 0, NULL));
		ASSERT_EQ(0, vsvm_submit(queue, cmds, &fence));
		if (i == 999)
			ASSERT_EQ(0, vsvm_wait(&fence, (int64_t)test_patience()));
	}
	EXPECT_EQ(1000 / 7 * 28 + 21, *(volatile uint64_t *)sum);
	vsvm_cmds_reset(cmds);
	for (i = 0; i < 65; i++)
		ASSERT_EQ(0, vsvm_cmd_nop(cmds));
	EXPECT_EQ(-E2BIG, vsvm_submit(queue, cmds, NULL));
	vsvm_queue_destroy(queue);
	vsvm_cmds_destroy(cmds);
	EXPECT_EQ(0, heap_query(self->t.fd).used);
}

TEST_F(grow, commands_outside_of_the_ring_are_refused)
{
	struct drm_vsvm_command command;
	struct vsvm_packet *packets;
	uint64_t address;
	int ring, other;

	ring = heap_alloc(self->t.fd, 2 * PAGE, 0, DRM_VSVM_HEAP_ALLOC_GROW, &address);
	other = heap_alloc(self->t.fd, PAGE, 0, 0, NULL);
	ASSERT_LT(0, ring);
	ASSERT_LT(0, other);
	EXPECT_EQ(-ENOENT, heap_take(&self->t.q, 0xdead));
	ASSERT_EQ(0, heap_take(&self->t.q, ring));
	packets = heap_map(self->t.fd, ring, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, packets);
	packets[127].opcode = VSVM_PACKET_NOP;
	packets[127].length = VSVM_PACKET_BYTES;
	command = (struct drm_vsvm_command) { address + 127 * 64, 64 };
	EXPECT_EQ(0, test_submit_raw(&self->t.q, &command, 1, (uintptr_t)self->t.q.fence, 1, NULL));
	EXPECT_EQ(0, test_wait_value(&self->t, self->t.q.fence, 1, VSVM_COMPARE_GE,
				     test_patience()));
	command.bytes = 128;
	EXPECT_EQ(-EINVAL, test_submit_raw(&self->t.q, &command, 1, 0, 0, NULL));
	command = (struct drm_vsvm_command) { (uintptr_t)self->t.q.packets, 64 };
	EXPECT_EQ(-EINVAL, test_submit_raw(&self->t.q, &command, 1, 0, 0, NULL));
	/* The queue keeps its ring */
	EXPECT_EQ(0, heap_close(self->t.fd, ring));
	EXPECT_EQ(3 * PAGE, heap_query(self->t.fd).used);
	munmap(packets, 2 * PAGE);
}

TEST_HARNESS_MAIN
