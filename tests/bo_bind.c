// SPDX-License-Identifier: MIT
/*
 * Buffer objects used by the device: bound, moved away while they are bound, read
 * only, purged, imported, and left by whoever made them.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(HUGE + 3 * PAGE)
#define ONES	0x0101010101010101ull

FIXTURE_VRAM(bind, 16);

/* Takes all of device memory once, so that whatever is there must go */
static int take_it_all(struct test_vm *t, uint64_t vram)
{
	struct vsvm_bo *full;
	int ret = vsvm_bo_create(t->dev, vram, DRM_VSVM_BO_VRAM, 0, &full);

	if (!ret) {
		ret = bo_touch(full);
		vsvm_bo_destroy(full);
	}
	return ret;
}

TEST_F(bind, evicted_while_bound_and_found_again_by_the_next_access)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;
	static const uint32_t places[] = {
		DRM_VSVM_BO_VRAM, DRM_VSVM_BO_VRAM | DRM_VSVM_BO_SYSTEM
	};
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		struct vsvm_bo *bo;
		char *p, *map;

		ASSERT_EQ(0, vsvm_bo_create(self->t.dev, BYTES, places[i], 0, &bo));
		p = bo_bind_new(&self->t, bo, 0);
		ASSERT_NE(NULL, p);
		ASSERT_EQ(0, dev_fill(&self->t, p, BYTES, 7 * ONES));
		EXPECT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(bo));
		EXPECT_EQ(BYTES / PAGE, vram_pages(&self->t, p, BYTES));
		ASSERT_EQ(0, take_it_all(&self->t, self->vram));
		EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
		/* Nobody reaches what it was */
		EXPECT_EQ(0, count_state(&self->t, p, BYTES, DRM_VSVM_PAGE_MAPPED,
					 DRM_VSVM_PAGE_MAPPED));
		ASSERT_EQ(0, dev_load64(&self->t, p + BYTES - PAGE, &value));
		EXPECT_EQ(7 * ONES, value);
		ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, 8 * ONES));
		EXPECT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(bo));
		ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
		EXPECT_EQ(-1, check_bytes(map, HUGE, 8));
		EXPECT_EQ(-1, check_bytes(map + HUGE, BYTES - HUGE, 7));
		ASSERT_EQ(0, vsvm_unbind(self->t.vm, (uintptr_t)p, BYTES, DRM_VSVM_BIND_FORCE));
		vsvm_bo_destroy(bo);
	}
	after = test_counters(&self->t);
	EXPECT_LE(2, after.evicted_bos - before.evicted_bos);
}

struct evictor {
	struct test_vm *t;
	uint64_t vram;
	volatile uint32_t stop;
	unsigned long rounds;
	int bad;
};

static void *evictor(void *arg)
{
	struct evictor *e = arg;

	while (!e->stop && !e->bad) {
		e->bad = take_it_all(e->t, e->vram);
		e->rounds++;
	}
	return NULL;
}

TEST_F_LONG(bind, evicted_under_a_writing_device, 120)
{
	struct evictor e = { .t = &self->t, .vram = self->vram };
	uint64_t end = test_now() + test_span(4000), i;
	struct vsvm_bo *bo;
	pthread_t thread;
	char *p, *map;

	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, HUGE, DRM_VSVM_BO_VRAM, 0, &bo));
	p = bo_bind_new(&self->t, bo, 0);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
	ASSERT_EQ(0, pthread_create(&thread, NULL, evictor, &e));
	for (i = 1; test_now() < end || e.rounds < 2; i++) {
		/* Each round builds on what the last one has left */
		ASSERT_EQ(0, dev_fill(&self->t, p, HUGE / 2, (i & 0xff) * ONES));
		ASSERT_EQ(0, dev_copy(&self->t, p + HUGE / 2, p, HUGE / 2));
		if (check_bytes(map, HUGE, i & 0xff) != -1)
			break;
		if (e.bad)
			break;
	}
	EXPECT_EQ(-1, check_bytes(map, HUGE, map[0]));
	e.stop = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, e.bad);
	EXPECT_LE(2, e.rounds);
	vsvm_bo_destroy(bo);
}

TEST_F(bind, read_only_is_read_and_not_written)
{
	static const uint32_t places[] = { DRM_VSVM_BO_SYSTEM, DRM_VSVM_BO_VRAM };
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		struct vsvm_bo *bo;
		char *p, *map;

		ASSERT_EQ(0, vsvm_bo_create(self->t.dev, BYTES, places[i], 0, &bo));
		ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
		fill_pattern(map, BYTES, i);
		p = bo_bind_new(&self->t, bo, DRM_VSVM_BIND_READ_ONLY);
		ASSERT_NE(NULL, p);
		ASSERT_EQ(0, dev_load64(&self->t, p + 2 * PAGE, &value));
		EXPECT_EQ(test_pattern(i, 2 * PAGE / 8), value);
		EXPECT_EQ(0, count_state(&self->t, p, BYTES, DRM_VSVM_PAGE_WRITE,
					 DRM_VSVM_PAGE_WRITE));
		/* Mapped already, and not mapped yet */
		EXPECT_NE(0, dev_store64(&self->t, p + 2 * PAGE, 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES,
					  p + 2 * PAGE, DRM_VSVM_ACCESS_WRITE));
		EXPECT_NE(0, dev_store64(&self->t, p + HUGE + PAGE, 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES,
					  p + HUGE + PAGE, DRM_VSVM_ACCESS_WRITE));
		EXPECT_NE(0, dev_atomic(&self->t, VSVM_ATOMIC_INC, 8, p, 0, 0, NULL));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_READ_ONLY, EACCES, p,
					  DRM_VSVM_ACCESS_ATOMIC));
		EXPECT_EQ(-1, check_pattern(map, BYTES, i));
		/* The CPU's right is another matter */
		*(volatile uint64_t *)map = 4711;
		ASSERT_EQ(0, dev_load64(&self->t, p, &value));
		EXPECT_EQ(4711, value);
		vsvm_bo_destroy(bo);
	}
}

/* Has DONTNEED carried out, by pressure of the kind that the place knows */
static bool purge(struct test_vm *t, struct vsvm_bo *bo, uint64_t vram)
{
	uint64_t since = 0;

	if (vsvm_bo_advise(bo, DRM_VSVM_BO_DONTNEED, NULL))
		return false;
	while (bo_state(bo) != DRM_VSVM_BO_PURGED && test_patient(&since))
		if (bo_state(bo) == DRM_VSVM_BO_IN_VRAM ? take_it_all(t, vram) :
		    write_text("/proc/sys/vm/drop_caches", "2") < 0)
			return false;
	return bo_state(bo) == DRM_VSVM_BO_PURGED;
}

TEST_F(bind, access_to_what_was_purged_is_terminal_and_says_so)
{
	static const uint32_t places[] = { DRM_VSVM_BO_SYSTEM, DRM_VSVM_BO_VRAM };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		struct vsvm_bo *bo, *other;
		char *p, *q;

		ASSERT_EQ(0, vsvm_bo_create(self->t.dev, BYTES, places[i], 0, &bo));
		ASSERT_EQ(0, vsvm_bo_create(self->t.dev, BYTES, places[i], 0, &other));
		p = bo_bind_new(&self->t, bo, 0);
		q = bo_bind_new(&self->t, other, 0);
		ASSERT_NE(NULL, p);
		ASSERT_NE(NULL, q);
		ASSERT_EQ(0, dev_fill(&self->t, p, BYTES, ONES));
		ASSERT_EQ(0, dev_fill(&self->t, q, BYTES, 2 * ONES));
		ASSERT_TRUE(purge(&self->t, bo, self->vram));
		EXPECT_EQ(0, count_state(&self->t, p, BYTES, DRM_VSVM_PAGE_MAPPED,
					 DRM_VSVM_PAGE_MAPPED));
		EXPECT_NE(0, dev_touch_read(&self->t, p + PAGE, 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PURGED, EFAULT, p + PAGE,
					  DRM_VSVM_ACCESS_READ));
		EXPECT_NE(0, dev_store64(&self->t, p + HUGE, 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_PURGED, EFAULT, p + HUGE,
					  DRM_VSVM_ACCESS_WRITE));
		/* Its neighbour has nothing to do with it */
		EXPECT_EQ(0, dev_touch_write(&self->t, q, BYTES));
		vsvm_bo_destroy(bo);
		vsvm_bo_destroy(other);
	}
}

TEST_F(bind, memory_of_another_device_is_used_where_it_lies)
{
	uint64_t value = 0;
	struct vsvm_bo *bo;
	char *p, *memory;
	int fd = make_udmabuf(BYTES, &memory);

	REQUIRE(fd >= 0, "no udmabuf");
	fill_pattern(memory, BYTES, 3);
	ASSERT_EQ(0, vsvm_bo_import(self->t.dev, fd, &bo));
	close(fd);
	p = bo_bind_new(&self->t, bo, 0);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, dev_load64(&self->t, p + HUGE + 2 * PAGE, &value));
	EXPECT_EQ(test_pattern(3, (HUGE + 2 * PAGE) / 8), value);
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, 9 * ONES));
	EXPECT_EQ(0, vram_pages(&self->t, p, BYTES));
	EXPECT_EQ(-1, check_bytes(memory, HUGE, 9));
	EXPECT_EQ(0, memcmp(memory + HUGE + 2 * PAGE, &value, sizeof(value)));
	/* Shortage of device memory is none of its business */
	ASSERT_EQ(0, take_it_all(&self->t, self->vram));
	memory[17] = 42;
	ASSERT_EQ(0, dev_load64(&self->t, p + 16, &value));
	EXPECT_EQ(42, value >> 8 & 0xff);
	/* The handle goes, the binding keeps it */
	vsvm_bo_destroy(bo);
	ASSERT_EQ(0, dev_store64(&self->t, p + PAGE, 77));
	EXPECT_EQ(77, *(uint64_t *)(memory + PAGE));
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, (uintptr_t)p, BYTES, DRM_VSVM_BIND_FORCE));
	EXPECT_NE(0, dev_store64(&self->t, p + PAGE, 78));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NOT_BOUND, EFAULT, p + PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(77, *(uint64_t *)(memory + PAGE));
	munmap(memory, BYTES);
}

static int send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* Makes an object, has its device write it, hands it on and ends */
static int creator(int socket)
{
	struct vsvm_bo *bo;
	struct test_vm t;
	char *p;
	int fd;

	if (test_open(&t) || vsvm_bo_create(t.dev, BYTES, DRM_VSVM_BO_VRAM, 0, &bo))
		return 1;
	p = bo_bind_new(&t, bo, 0);
	if (!p || dev_fill(&t, p, BYTES, 5 * ONES) || bo_state(bo) != DRM_VSVM_BO_IN_VRAM)
		return 2;
	if (vsvm_bo_export(bo, &fd) || send_fd(socket, fd))
		return 3;
	/* Neither closes nor unbinds */
	return 0;
}

TEST_F(bind, exported_object_outlives_the_process_that_made_it)
{
	uint64_t value = 0;
	struct vsvm_bo *bo;
	int sockets[2], fd;
	char *p, *map;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(creator(sockets[1]));
	ASSERT_EQ(0, wait_child(pid));
	fd = receive_fd(sockets[0]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vsvm_bo_import(self->t.dev, fd, &bo));
	EXPECT_EQ(BYTES, vsvm_bo_size(bo));
	p = bo_bind_new(&self->t, bo, 0);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, dev_load64(&self->t, p + HUGE, &value));
	EXPECT_EQ(5 * ONES, value);
	EXPECT_EQ(DRM_VSVM_BO_IN_VRAM, bo_state(bo));
	ASSERT_EQ(0, dev_fill(&self->t, p, HUGE, 6 * ONES));
	/* It is evicted like any other, and is there again for who still has it */
	ASSERT_EQ(0, take_it_all(&self->t, self->vram));
	EXPECT_EQ(DRM_VSVM_BO_IN_SYSTEM, bo_state(bo));
	map = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, check_bytes(map, HUGE, 6));
	EXPECT_EQ(-1, check_bytes(map + HUGE, BYTES - HUGE, 5));
	munmap(map, BYTES);
	close(fd);
	vsvm_bo_destroy(bo);
	ASSERT_EQ(0, dev_load64(&self->t, p, &value));
	EXPECT_EQ(6 * ONES, value);
	ASSERT_EQ(0, vsvm_unbind(self->t.vm, (uintptr_t)p, BYTES, DRM_VSVM_BIND_FORCE));
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
	close(sockets[0]);
	close(sockets[1]);
}

TEST_F(bind, parts_at_odd_places)
{
	struct drm_vsvm_bind_op ops[4];
	uint64_t value = 0;
	uint32_t failed = 9;
	struct vsvm_bo *bo;
	char *p, *map;
	size_t i;

	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, 2 * HUGE, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, vsvm_bo_map(bo, (void **)&map));
	fill_pattern(map, 2 * HUGE, 11);
	p = map_aligned(4 * HUGE);
	/* Out of order, with a hole, one part twice */
	for (i = 0; i < 4; i++)
		ops[i] = (struct drm_vsvm_bind_op) {
			.op = DRM_VSVM_BIND_MAP_BO, .flags = DRM_VSVM_BIND_REPLACE,
			.handle = vsvm_bo_handle(bo), .size = HUGE / 2,
			.address = (uintptr_t)p + i * HUGE + 3 * PAGE,
			.offset = (3 - i) / 2 * HUGE + 5 * PAGE,
		};
	ASSERT_EQ(0, vsvm_bind(self->t.vm, ops, 4, &failed));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, dev_load64(&self->t, p + i * HUGE + 9 * PAGE, &value));
		EXPECT_EQ(test_pattern(11, ((3 - i) / 2 * HUGE + 11 * PAGE) / 8), value);
	}
	/* All or nothing: the last one reaches beyond the object */
	ops[0].offset = 0;
	ops[3].offset = 2 * HUGE - PAGE;
	EXPECT_EQ(-EINVAL, vsvm_bind(self->t.vm, ops, 4, &failed));
	EXPECT_EQ(3, failed);
	ASSERT_EQ(0, dev_load64(&self->t, p + 9 * PAGE, &value));
	EXPECT_EQ(test_pattern(11, (HUGE + 11 * PAGE) / 8), value);
	vsvm_bo_destroy(bo);
}

TEST_HARNESS_MAIN
