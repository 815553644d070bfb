// SPDX-License-Identifier: MIT
/*
 * libvsvm on a device: every command that it builds, fences, errors and their
 * sentences, blocking submission.
 */
#include "vsvm_harness.h"

FIXTURE(library)
{
	struct vsvm_device *dev;
	struct vsvm_vm *vm;
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
	uint64_t *p;
	int64_t patience;
};

FIXTURE_SETUP(library)
{
	ASSERT_EQ(0, vsvm_open(NULL, &self->dev));
	ASSERT_EQ(0, vsvm_vm_create(self->dev, 0, &self->vm));
	ASSERT_EQ(0, vsvm_bind_mirror_all(self->vm));
	ASSERT_EQ(0, vsvm_queue_create(self->vm, 0, &self->queue));
	ASSERT_EQ(0, vsvm_cmds_create(4, &self->cmds));
	self->p = map_anon(16 * PAGE);
	self->patience = (int64_t)test_patience();
}

FIXTURE_TEARDOWN(library)
{
	vsvm_queue_destroy(self->queue);
	vsvm_cmds_destroy(self->cmds);
	EXPECT_EQ(0, vsvm_vm_destroy(self->vm));
	vsvm_close(self->dev);
}

TEST_F(library, every_command)
{
	uint64_t *p = self->p, index[2] = { 1, 0 };
	struct vsvm_chase_result chase = { 0 };
	uint32_t crc = 0;

	p[512] = (uintptr_t)&p[514];
	p[513] = 10;
	p[514] = 0;
	p[515] = 20;
	ASSERT_EQ(0, vsvm_cmd_nop(self->cmds));
	ASSERT_EQ(0, vsvm_cmd_store32(self->cmds, &p[0], 0x11111111));
	ASSERT_EQ(0, vsvm_cmd_store64(self->cmds, &p[1], 2));
	ASSERT_EQ(0, vsvm_cmd_fill(self->cmds, &p[2], 16, 3));
	ASSERT_EQ(0, vsvm_cmd_barrier(self->cmds));
	ASSERT_EQ(0, vsvm_cmd_copy(self->cmds, &p[4], &p[1], 24));
	ASSERT_EQ(0, vsvm_cmd_atomic(self->cmds, VSVM_ATOMIC_ADD, 8, &p[10], 5, 0, &p[11]));
	ASSERT_EQ(0, vsvm_cmd_gather(self->cmds, &p[12], &p[1], index, 2, 8, 8));
	ASSERT_EQ(0, vsvm_cmd_chase(self->cmds, &p[512], 0, 100, 8, &chase));
	ASSERT_EQ(0, vsvm_cmd_crc32c(self->cmds, &p[1], 24, 0, &crc));
	ASSERT_EQ(0, vsvm_cmd_spin(self->cmds, 1000));
	ASSERT_EQ(0, vsvm_cmd_barrier(self->cmds));
	ASSERT_EQ(0, vsvm_cmd_sum(self->cmds, &p[4], 3, 8, 8, &p[14]));
	ASSERT_EQ(0, vsvm_cmd_add(self->cmds, &p[16], &p[4], &p[4], 3, 8));
	ASSERT_EQ(0, vsvm_cmd_fence(self->cmds, &p[20], 77));
	ASSERT_EQ(0, vsvm_cmd_wait(self->cmds, &p[20], 77, ~0ull, VSVM_COMPARE_EQ, 0));
	EXPECT_EQ(16, vsvm_cmds_count(self->cmds));
	ASSERT_EQ(0, vsvm_run(self->queue, self->cmds, self->patience));
	EXPECT_EQ(0x11111111, p[0]);
	EXPECT_EQ(2, p[1]);
	EXPECT_EQ(3, p[3]);
	EXPECT_EQ(2, p[4]);
	EXPECT_EQ(3, p[6]);
	EXPECT_EQ(5, p[10]);
	EXPECT_EQ(0, p[11]);
	EXPECT_EQ(3, p[12]);
	EXPECT_EQ(2, p[13]);
	EXPECT_EQ(8, p[14]);
	EXPECT_EQ(4, p[16]);
	EXPECT_EQ(6, p[18]);
	EXPECT_EQ(77, p[20]);
	EXPECT_EQ((uintptr_t)&p[514], chase.last);
	EXPECT_EQ(2, chase.nodes);
	EXPECT_EQ(30, chase.sum);
	EXPECT_EQ(crc32c(0, &p[1], 24), crc);
}

TEST_F(library, fences_of_many_submissions)
{
	struct vsvm_fence fences[50];
	struct vsvm_cmds *gate;
	int i;

	ASSERT_EQ(0, vsvm_cmds_create(0, &gate));
	ASSERT_EQ(0, vsvm_cmd_wait(gate, self->p, 1, ~0ull, VSVM_COMPARE_EQ, 0));
	ASSERT_EQ(0, vsvm_cmd_atomic(self->cmds, VSVM_ATOMIC_INC, 8, &self->p[8], 0, 0, NULL));
	ASSERT_EQ(0, vsvm_submit(self->queue, gate, NULL));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, &fences[i]));
	}
	EXPECT_EQ(-ETIME, vsvm_wait(&fences[0], 0));
	EXPECT_EQ(-ETIME, vsvm_wait(&fences[49], 1000000));
	*(volatile uint64_t *)self->p = 1;
	EXPECT_EQ(0, vsvm_wait(&fences[49], self->patience));
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, vsvm_wait(&fences[i], 0));
	}
	EXPECT_EQ(50, self->p[8]);
	vsvm_cmds_destroy(gate);
}

TEST_F(library, submission_blocks_while_the_queue_is_full)
{
	uint32_t i, n = 3 * vsvm_info(self->dev)->queue_depth;
	struct vsvm_fence fence;

	ASSERT_EQ(0, vsvm_cmd_spin(self->cmds, 20000));
	ASSERT_EQ(0, vsvm_cmd_atomic(self->cmds, VSVM_ATOMIC_INC, 8, self->p, 0, 0, NULL));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, &fence));
	}
	ASSERT_EQ(0, vsvm_wait(&fence, self->patience));
	EXPECT_EQ(n, self->p[0]);
}

TEST_F(library, error_and_its_sentence)
{
	struct drm_vsvm_fault record;
	char text[256], address[32];
	struct vsvm_fence fence;

	EXPECT_EQ(-ENOENT, vsvm_queue_fault(self->queue, &record));
	ASSERT_EQ(0, mprotect(self->p, PAGE, PROT_READ));
	ASSERT_EQ(0, vsvm_cmd_store64(self->cmds, &self->p[3], 1));
	ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, &fence));
	EXPECT_EQ(-ECANCELED, vsvm_wait(&fence, self->patience));
	EXPECT_EQ(-ECANCELED, vsvm_run(self->queue, self->cmds, self->patience));
	ASSERT_EQ(0, vsvm_queue_fault(self->queue, &record));
	EXPECT_EQ(DRM_VSVM_FAULT_PERMISSION, record.reason);
	EXPECT_EQ((uintptr_t)&self->p[3], record.address);
	snprintf(address, sizeof(address), "%p", (void *)&self->p[3]);
	EXPECT_NE(NULL, strstr(vsvm_strerror_fault(&record, text, sizeof(text)), address));
	EXPECT_NE(NULL, strstr(text, "read-only"));
	EXPECT_NE(NULL, strstr(text, "EACCES"));
}

TEST_F(library, many_packets_make_the_buffer_grow)
{
	int i;

	for (i = 0; i < 5000; i++) {
		ASSERT_EQ(0, vsvm_cmd_store64(self->cmds, &self->p[i], i));
	}
	ASSERT_EQ(0, vsvm_run(self->queue, self->cmds, self->patience));
	for (i = 0; i < 5000; i++) {
		ASSERT_EQ(i, (int)self->p[i]);
	}
	vsvm_cmds_reset(self->cmds);
	EXPECT_EQ(0, vsvm_cmds_count(self->cmds));
	ASSERT_EQ(0, vsvm_cmd_store64(self->cmds, self->p, 1));
	ASSERT_EQ(0, vsvm_run(self->queue, self->cmds, self->patience));
}

TEST_F(library, address_space_with_queues_is_not_destroyed)
{
	EXPECT_EQ(-EBUSY, vsvm_vm_destroy(self->vm));
	ASSERT_EQ(0, vsvm_cmd_store64(self->cmds, self->p, 1));
	EXPECT_EQ(0, vsvm_run(self->queue, self->cmds, self->patience));
}

TEST_F(library, fork_with_a_fence_pending)
{
	struct vsvm_fence fence;
	pid_t pid;

	/* The queue's fence page and the commands are copied on write: nothing may be lost */
	ASSERT_EQ(0, vsvm_cmd_wait(self->cmds, self->p, 1, ~0ull, VSVM_COMPARE_EQ, 0));
	ASSERT_EQ(0, vsvm_cmd_store64(self->cmds, &self->p[1], 2));
	ASSERT_EQ(0, vsvm_submit(self->queue, self->cmds, &fence));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	*(volatile uint64_t *)self->p = 1;
	EXPECT_EQ(0, vsvm_wait(&fence, self->patience));
	EXPECT_EQ(2, self->p[1]);
	kill(pid, SIGKILL);
	wait_child(pid);
}

TEST_F(library, path_of_something_else)
{
	struct vsvm_device *dev = NULL;

	EXPECT_EQ(-ENOENT, vsvm_open("/dev/dri/renderD9999", &dev));
	EXPECT_EQ(-ENODEV, vsvm_open("/dev/null", &dev));
	EXPECT_EQ(NULL, dev);
	ASSERT_EQ(0, vsvm_open(vsvm_path(self->dev), &dev));
	vsvm_close(dev);
}

TEST_HARNESS_MAIN
