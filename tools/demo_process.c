// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo.h"
#include "tool.h"

/* --- fork --- */

#define PAGES	16
#define OLD	0x0101010101010101ull
#define NEW	0x0202020202020202ull

/* What the child found wrong, in its exit status */
#define CHILD_SUBMITTED	(1 << 0)
#define CHILD_SAW_NEW	(1 << 1)
#define CHILD_NO_WORD	(1 << 2)

static bool all(const uint64_t *data, size_t bytes, uint64_t value)
{
	size_t i;

	for (i = 0; i < bytes / sizeof(*data); i++)
		if (data[i] != value)
			return false;
	return true;
}

/* Fill by the device */
static bool fill(struct demo_work *work, uint64_t *data, size_t bytes, uint64_t value)
{
	if (vsvm_cmd_fill(work->cmds, data, bytes, value))
		return demo_fail("out of memory");
	return demo_work_run(work);
}

/* How many of the pages the device may write to right now, or -errno */
static int writable_pages(struct demo *demo, const void *data, size_t bytes)
{
	uint32_t state[PAGES];
	int ret, i, count = 0;

	ret = vsvm_vm_state(demo->vm, data, bytes, state);
	if (ret)
		return ret;
	for (i = 0; i < PAGES; i++)
		if (state[i] & DRM_VSVM_PAGE_MAPPED && state[i] & DRM_VSVM_PAGE_WRITE)
			count++;
	return count;
}

/* Never returns: no buffers of the parent are flushed a second time */
static void __attribute__((noreturn)) child(struct demo_work *work, const uint64_t *data,
					    size_t bytes, int word)
{
	int wrong = 0;
	char byte;

	if (vsvm_cmd_nop(work->cmds) || vsvm_submit(work->queue, work->cmds, NULL) != -EPERM)
		wrong |= CHILD_SUBMITTED;
	if (read(word, &byte, 1) != 1)
		wrong |= CHILD_NO_WORD;
	if (!all(data, bytes, OLD))
		wrong |= CHILD_SAW_NEW;
	_exit(wrong);
}

static bool child_ended_well(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return demo_fail("waitpid: %s", strerror(errno));
	if (!WIFEXITED(status))
		return demo_fail("the child died");
	if (!WEXITSTATUS(status)) {
		demo_say("child: sees the old data; its own attempt to submit: EPERM");
		return true;
	}
	if (WEXITSTATUS(status) & CHILD_SUBMITTED)
		demo_fail("child: its attempt to submit was not refused with EPERM");
	if (WEXITSTATUS(status) & CHILD_SAW_NEW)
		demo_fail("child: sees what the device wrote for the parent");
	if (WEXITSTATUS(status) & CHILD_NO_WORD)
		demo_fail("child: the parent gave up");
	return false;
}

static bool parent(struct demo *demo, struct demo_work *work, uint64_t *data, size_t bytes)
{
	int writable = writable_pages(demo, data, bytes);

	if (writable < 0)
		return demo_fail("cannot look at the device's mapping: %s", strerror(-writable));
	demo_say("parent: after the fork, %d of them", writable);
	if (writable)
		return demo_fail("these pages are shared with the child now");
	if (!fill(work, data, bytes, NEW))
		return false;
	if (!all(data, bytes, NEW))
		return demo_fail("parent: does not see what the device wrote");
	demo_say("parent: the device has written to them, and the parent sees it");
	return true;
}

static bool fork_and_write(struct demo *demo, struct demo_work *work, uint64_t *data, size_t bytes)
{
	int word[2], writable;
	bool ok;
	pid_t pid;

	if (!fill(work, data, bytes, OLD))
		return false;
	writable = writable_pages(demo, data, bytes);
	if (writable < 0)
		return demo_fail("cannot look at the device's mapping: %s", strerror(-writable));
	demo_say("parent: the device may write to %d of %d pages", writable, PAGES);

	if (pipe(word))
		return demo_fail("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		close(word[0]);
		close(word[1]);
		return demo_fail("fork: %s", strerror(errno));
	}
	if (!pid) {
		close(word[1]);
		child(work, data, bytes, word[0]);
	}
	close(word[0]);
	ok = parent(demo, work, data, bytes);
	/* Now look.  If there is nothing to look at, the end of the pipe tells it */
	if (ok && write(word[1], "", 1) != 1)
		ok = demo_fail("write: %s", strerror(errno));
	close(word[1]);
	return child_ended_well(pid) && ok;
}

bool demo_fork(struct demo *demo)
{
	const size_t page = 1u << vsvm_info(demo->dev)->page_shift;
	struct demo_work work;
	uint64_t *data;
	bool ok;

	data = aligned_alloc(page, PAGES * page);
	if (!data)
		return demo_fail("out of memory");
	ok = demo_work_create(demo, &work);
	if (ok) {
		ok = fork_and_write(demo, &work, data, PAGES * page);
		demo_work_destroy(&work);
	}
	free(data);
	return ok;
}

/* --- bad accesses --- */

#define BAD_TAG		0xbad
#define GOOD_NS		(200 * 1000000ull)

/* Run one store that must not succeed, and see that it ends as expected */
static bool refused(struct demo *demo, void *address, uint32_t reason, int error)
{
	struct drm_vsvm_fault record;
	struct vsvm_packet *packet;
	struct demo_work work;
	char why[256];
	bool ok = false;
	int ret;

	if (!demo_work_create(demo, &work))
		return false;
	/* The long form of vsvm_cmd_store64(), to give the packet a tag */
	packet = vsvm_cmds_append(work.cmds, VSVM_PACKET_STORE);
	if (!packet) {
		demo_fail("out of memory");
		goto out;
	}
	packet->tag = BAD_TAG;
	packet->store.address = (uintptr_t)address;
	packet->store.value = 1;
	packet->store.width = sizeof(uint64_t);

	ret = vsvm_run(work.queue, work.cmds, DEMO_TIMEOUT);
	if (ret != -ECANCELED) {
		demo_fail("the device should have been refused, but: %s",
			  ret ? strerror(-ret) : "it was done");
		goto out;
	}
	ret = vsvm_queue_fault(work.queue, &record);
	if (ret) {
		demo_fail("there is no record of it: %s", strerror(-ret));
		goto out;
	}
	demo_say("%s", vsvm_strerror_fault(&record, why, sizeof(why)));
	if (record.reason != reason || (int)record.error != error || record.tag != BAD_TAG ||
	    record.address != (uintptr_t)address) {
		demo_fail("that is not what happened");
		goto out;
	}
	ret = vsvm_submit(work.queue, work.cmds, NULL);
	if (ret != -ECANCELED)
		demo_fail("the queue takes more work: %s", ret ? strerror(-ret) : "no error");
	else
		ok = true;

out:
	demo_work_destroy(&work);
	return ok;
}

bool demo_bad_access(struct demo *demo)
{
	const size_t page = 1u << vsvm_info(demo->dev)->page_shift;
	uint64_t done = 0, *read_only;
	struct vsvm_fence fence;
	struct demo_work good;
	char why[256];
	bool ok = false;
	int ret;

	read_only = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (read_only == MAP_FAILED)
		return demo_fail("mmap: %s", strerror(errno));
	if (!demo_work_create(demo, &good))
		goto out_unmap;

	/* Beside the others: busy for a while, and then there is a result */
	ret = vsvm_cmd_spin(good.cmds, GOOD_NS);
	if (!ret)
		ret = vsvm_cmd_barrier(good.cmds);
	if (!ret)
		ret = vsvm_cmd_store64(good.cmds, &done, OLD);
	if (!ret)
		ret = vsvm_submit(good.queue, good.cmds, &fence);
	if (ret) {
		demo_fail("cannot submit: %s", strerror(-ret));
		goto out_destroy;
	}

	ok = refused(demo, read_only, DRM_VSVM_FAULT_PERMISSION, EACCES);
	if (!refused(demo, NULL, DRM_VSVM_FAULT_NO_MAPPING, EFAULT))
		ok = false;

	ret = vsvm_wait(&fence, DEMO_TIMEOUT);
	if (ret)
		ok = demo_fail("the other queue: %s", tool_why(good.queue, ret, why, sizeof(why)));
	else if (done != OLD)
		ok = demo_fail("the other queue has not done its work");
	else
		demo_say("queue %u, beside them, has done its work", vsvm_queue_id(good.queue));

out_destroy:
	demo_work_destroy(&good);
out_unmap:
	munmap(read_only, page);
	return ok;
}
