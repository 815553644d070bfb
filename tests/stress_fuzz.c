// SPDX-License-Identifier: MIT
/*
 * Random structures thrown at all ioctls from several threads, with queues
 * running.  Nothing may hang, nothing may be harmed that was not aimed at.
 *
 * VSVM_TEST_SEED repeats a run as far as threads can be repeated.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "vsvm_harness.h"

#define THREADS	4
#define ARENA	(2ul << 20)
/* Nobody's memory behind it, so that what runs over its end harms nobody */
#define GUARD	(8ul << 30)

struct fuzz {
	int fds[2];
	char *arena;
	uint64_t end;
	unsigned long refused[13];
	unsigned long accepted[13];
};

struct fuzzer {
	struct fuzz *fuzz;
	uint64_t seed;
	pthread_t thread;
	uint32_t done;
};

static const struct {
	unsigned long request;
	unsigned int size;
	const char *name;
} ioctls[] = {
#define IOCTL(NAME, name) { DRM_IOCTL_VSVM_##NAME, sizeof(struct drm_vsvm_##name), #NAME }
	IOCTL(DEV_QUERY, dev_query), IOCTL(VM_CREATE, vm_create), IOCTL(VM_DESTROY, vm_destroy),
	IOCTL(VM_BIND, vm_bind), IOCTL(VM_STATE, vm_state), IOCTL(VM_FAULTS, vm_faults),
	IOCTL(VM_STATS, vm_stats), IOCTL(QUEUE_CREATE, queue_create),
	IOCTL(QUEUE_DESTROY, queue_destroy), IOCTL(QUEUE_QUERY, queue_query),
	IOCTL(SUBMIT, submit), IOCTL(WAIT_USER_FENCE, wait_user_fence),
	IOCTL(SVM_ATTR, svm_attr),
	IOCTL(HEAP_GROW, heap_grow), IOCTL(HEAP_SHRINK, heap_shrink),
	IOCTL(HEAP_QUERY, heap_query), IOCTL(HEAP_ALLOC, heap_alloc),
	IOCTL(BO_SYNC, bo_sync),
#undef IOCTL
};

static bool one_in(uint64_t *seed, unsigned int n)
{
	return test_random(seed) % n == 0;
}

/* An address: in the arena most of the time, else somewhere bad */
static uint64_t address(struct fuzz *f, uint64_t *seed)
{
	static const uint64_t bad[] = {
		0, 8, 0x1000, 0x00007ffffffff000ull, 0x0000800000000000ull, 1ull << 48,
		0xffff888000000000ull, 0xffffffff81000000ull, 0xfffffffffffffff8ull,
	};
	uint64_t at;

	if (one_in(seed, 12))
		return bad[test_random(seed) % ARRAY_SIZE(bad)];
	at = (uintptr_t)f->arena + test_random(seed) % ARENA;
	return one_in(seed, 8) ? at : one_in(seed, 4) ? at & ~7ull : at & ~63ull;
}

static uint64_t size(uint64_t *seed)
{
	static const uint64_t sizes[] = {
		0, 1, 7, 8, 64, 128, 4096, 8192, 65536, HUGE, 1ull << 32, 1ull << 47, 1ull << 48,
		~0ull, ~0ull - 4095, 1ull << 63,
	};

	if (one_in(seed, 3))
		return test_random(seed) % 64 * 64;
	return sizes[test_random(seed) % ARRAY_SIZE(sizes)];
}

static uint32_t id(uint64_t *seed)
{
	return one_in(seed, 20) ? (uint32_t)test_random(seed) : test_random(seed) % 6 + 1;
}

static uint32_t flags(uint64_t *seed)
{
	return one_in(seed, 6) ? 1u << test_random(seed) % 32 : 0;
}

static void packet(struct fuzz *f, uint64_t *seed, struct vsvm_packet *p)
{
	int i;

	memset(p, 0, sizeof(*p));
	p->opcode = test_random(seed) % 15;
	p->length = one_in(seed, 20) ? test_random(seed) : VSVM_PACKET_BYTES;
	p->flags = one_in(seed, 5) ? VSVM_PACKET_F_BARRIER : flags(seed) & 3;
	p->tag = test_random(seed);
	for (i = 0; i < 6; i++) {
		switch (test_random(seed) % 5) {
		case 0:
			p->arg[i] = address(f, seed);
			break;
		case 1:
			p->arg[i] = size(seed);
			break;
		case 2:
			p->arg[i] = test_random(seed) % 12;
			break;
		default:
			/* What makes a packet likely to be good */
			p->arg[i] = i < 2 ? address(f, seed) & ~7ull : i == 2 ? 8 : 0;
		}
	}
	/* Long enough to be in the way, short enough not to be the end */
	if (p->opcode == VSVM_PACKET_SPIN)
		p->arg[0] = test_random(seed) % 200000;
}

static struct drm_vsvm_array array(struct fuzz *f, uint64_t *seed, uint32_t stride)
{
	return (struct drm_vsvm_array) {
		.stride = one_in(seed, 8) ? test_random(seed) % 200 : stride,
		.count = one_in(seed, 12) ? (uint32_t)test_random(seed) : test_random(seed) % 6,
		.pointer = address(f, seed) & ~7ull,
	};
}

/* A batch of ranges of the arena, which others may be changing */
static void fill_batch(struct fuzz *f, uint64_t *seed, struct drm_vsvm_bind_op *op)
{
	struct drm_vsvm_userptr_range *r =
		(void *)((char *)f->arena + test_random(seed) % (ARENA / 64 - 1) * 64);
	uint32_t i, n = 1 + test_random(seed) % 4;

	memset(op, 0, sizeof(*op));
	op->op = DRM_VSVM_BIND_MAP_USERPTR;
	op->flags = one_in(seed, 3) ? flags(seed) : DRM_VSVM_BIND_REPLACE |
		(one_in(seed, 2) ? DRM_VSVM_BIND_IMMEDIATE : 0);
	op->address = one_in(seed, 3) ? address(f, seed) & ~4095ull :
		(1ull << 47) + test_random(seed) % 64 * PAGE;
	for (i = 0; i < n; i++) {
		r[i].start = address(f, seed) & (one_in(seed, 9) ? ~0ull : ~4095ull);
		r[i].size = one_in(seed, 9) ? size(seed) : (1 + test_random(seed) % 16) * PAGE;
		op->size += r[i].size;
	}
	op->ranges = one_in(seed, 9) ? array(f, seed, sizeof(*r)) : (struct drm_vsvm_array) {
		sizeof(*r), n, (uintptr_t)r,
	};
}

/* Make some part of the arena what an array of this kind would hold */
static void fill_array(struct fuzz *f, uint64_t *seed, struct drm_vsvm_array *a, int kind)
{
	char *p = (char *)(uintptr_t)a->pointer;
	uint32_t i;

	if (a->pointer - (uintptr_t)f->arena > ARENA - 8 * 64 || a->count > 8)
		return;
	if (kind == 0 && one_in(seed, 3)) {
		/* One operation that is very likely to be right */
		struct drm_vsvm_bind_op *op = (void *)p;

		memset(op, 0, sizeof(*op));
		op->op = one_in(seed, 2);
		op->flags = op->op ? DRM_VSVM_BIND_FORCE : 0;
		op->address = op->op ? 0 : address(f, seed) & ~4095ull;
		op->size = op->op ? 1ull << 48 : PAGE;
		a->count = 1;
		a->stride = sizeof(*op);
		return;
	}
	for (i = 0; i < a->count; i++) {
		if (kind == 0) {
			struct drm_vsvm_bind_op *op = (void *)(p + i * sizeof(*op));

			if (one_in(seed, 3)) {
				fill_batch(f, seed, op);
				continue;
			}
			memset(op, 0, sizeof(*op));
			op->op = one_in(seed, 10) ? (uint32_t)test_random(seed) : one_in(seed, 2);
			op->flags = one_in(seed, 3) ? 1u << test_random(seed) % 2 : flags(seed);
			op->address = address(f, seed) & (one_in(seed, 9) ? ~0ull : ~4095ull);
			op->size = one_in(seed, 3) ? size(seed) : (1 + test_random(seed) % 64) * PAGE;
		} else if (kind == 2) {
			struct drm_vsvm_attr *attr = (void *)(p + i * sizeof(*attr));

			attr->type = one_in(seed, 20) ? (uint32_t)test_random(seed) :
				test_random(seed) % 12;
			attr->value = one_in(seed, 20) ? (uint32_t)test_random(seed) :
				test_random(seed) % 3;
		} else {
			struct drm_vsvm_command *c = (void *)(p + i * sizeof(*c));

			c->address = address(f, seed) & (one_in(seed, 5) ? ~0ull : ~63ull);
			c->bytes = one_in(seed, 5) ? size(seed) : 64 * (1 + test_random(seed) % 16);
		}
	}
}

/* Something that is nearly right */
static void compose(struct fuzz *f, uint64_t *seed, unsigned int which, void *room)
{
	memset(room, 0, ioctls[which].size);
	switch (ioctls[which].request) {
	case DRM_IOCTL_VSVM_DEV_QUERY: {
		struct drm_vsvm_dev_query *a = room;

		a->type = test_random(seed) % 3;
		a->size = test_random(seed) % 200;
		a->pointer = address(f, seed);
		break;
	}
	case DRM_IOCTL_VSVM_VM_CREATE: {
		struct drm_vsvm_vm_create *a = room;

		a->flags = DRM_VSVM_VM_FAULT_MODE | test_random(seed) % 4 | flags(seed);
		break;
	}
	case DRM_IOCTL_VSVM_VM_DESTROY: {
		struct drm_vsvm_vm_destroy *a = room;

		a->vm_id = id(seed);
		break;
	}
	case DRM_IOCTL_VSVM_VM_BIND: {
		struct drm_vsvm_vm_bind *a = room;

		a->vm_id = id(seed);
		a->flags = flags(seed);
		a->ops = array(f, seed, sizeof(struct drm_vsvm_bind_op));
		fill_array(f, seed, &a->ops, 0);
		break;
	}
	case DRM_IOCTL_VSVM_SVM_ATTR: {
		struct drm_vsvm_svm_attr *a = room;

		a->vm_id = id(seed);
		a->op = one_in(seed, 20) ? (uint32_t)test_random(seed) : test_random(seed) % 3;
		a->start = address(f, seed) & (one_in(seed, 9) ? ~0ull : ~4095ull);
		a->size = one_in(seed, 6) ? size(seed) : (1 + test_random(seed) % 64) * PAGE;
		a->attrs = array(f, seed, sizeof(struct drm_vsvm_attr));
		fill_array(f, seed, &a->attrs, 2);
		if (a->op == DRM_VSVM_ATTR_OP_RESET && !one_in(seed, 5))
			a->attrs.count = 0;
		break;
	}
	case DRM_IOCTL_VSVM_VM_STATE: {
		struct drm_vsvm_vm_state *a = room;

		a->vm_id = id(seed);
		a->flags = flags(seed);
		a->address = address(f, seed) & ~4095ull;
		a->size = size(seed);
		a->pages = address(f, seed);
		/* Not over the end of the arena, where other memory may lie */
		if (a->size > 64 * PAGE)
			a->pages = 8;
		break;
	}
	case DRM_IOCTL_VSVM_VM_FAULTS: {
		struct drm_vsvm_vm_faults *a = room;

		a->vm_id = id(seed);
		a->since = one_in(seed, 3) ? 0 : test_random(seed) % 100;
		a->records = array(f, seed, sizeof(struct drm_vsvm_fault));
		if (a->records.count > 64)
			a->records.pointer = 8;
		break;
	}
	case DRM_IOCTL_VSVM_VM_STATS: {
		struct drm_vsvm_vm_stats *a = room;

		a->vm_id = id(seed);
		a->size = test_random(seed) % 400;
		a->pointer = address(f, seed);
		break;
	}
	case DRM_IOCTL_VSVM_QUEUE_CREATE: {
		struct drm_vsvm_queue_create *a = room;

		a->vm_id = id(seed);
		a->engine_mask = test_random(seed) % 8;
		a->flags = one_in(seed, 2) ? DRM_VSVM_QUEUE_HEAP : 0;
		a->ring_handle = a->flags && one_in(seed, 3) ? id(seed) : 0;
		break;
	}
	case DRM_IOCTL_VSVM_HEAP_GROW: {
		struct drm_vsvm_heap_grow *a = room;

		a->expected = test_random(seed) % 4 << 26;
		/* Seldom, and no more than the guest has */
		a->bytes = one_in(seed, 4) ? 1ull << 26 : test_random(seed);
		a->flags = one_in(seed, 2) ? 0 : test_random(seed) % 8;
		a->address = a->flags & DRM_VSVM_HEAP_USER ? address(f, seed) : 0;
		a->window = a->flags & DRM_VSVM_HEAP_PROCESS ? address(f, seed) >> 26 << 26 : 0;
		break;
	}
	case DRM_IOCTL_VSVM_HEAP_SHRINK: {
		struct drm_vsvm_heap_shrink *a = room;

		a->expected = test_random(seed) % 4 << 26;
		a->bytes = test_random(seed) % 3 << 26;
		break;
	}
	case DRM_IOCTL_VSVM_HEAP_QUERY: {
		struct drm_vsvm_heap_query *a = room;

		a->chunks = array(f, seed, sizeof(struct drm_vsvm_heap_chunk));
		break;
	}
	case DRM_IOCTL_VSVM_HEAP_ALLOC: {
		struct drm_vsvm_heap_alloc *a = room;

		a->size = one_in(seed, 8) ? test_random(seed) : test_random(seed) % (1 << 22);
		a->align = one_in(seed, 4) ? test_random(seed) : 1ull << test_random(seed) % 40;
		break;
	}
	case DRM_IOCTL_VSVM_BO_SYNC: {
		struct drm_vsvm_bo_sync *a = room;

		a->handle = id(seed);
		a->direction = test_random(seed) % 5;
		a->offset = one_in(seed, 4) ? test_random(seed) : test_random(seed) % (1 << 20);
		a->size = one_in(seed, 4) ? test_random(seed) : test_random(seed) % (1 << 20);
		break;
	}
	case DRM_IOCTL_VSVM_QUEUE_DESTROY:
	case DRM_IOCTL_VSVM_QUEUE_QUERY:
		*(uint32_t *)room = id(seed);
		break;
	case DRM_IOCTL_VSVM_SUBMIT: {
		struct drm_vsvm_submit *a = room;
		uint64_t at;
		int i;

		a->queue_id = id(seed);
		a->flags = flags(seed);
		a->commands = array(f, seed, sizeof(struct drm_vsvm_command));
		fill_array(f, seed, &a->commands, 1);
		a->fence_address = one_in(seed, 3) ? 0 : address(f, seed);
		a->fence_value = a->fence_address ? test_random(seed) : 0;
		for (i = 0; i < 8; i++) {
			at = ((uintptr_t)f->arena + test_random(seed) % ARENA) & ~63ull;
			packet(f, seed, (struct vsvm_packet *)at);
		}
		break;
	}
	default: {
		struct drm_vsvm_wait_user_fence *a = room;

		a->address = address(f, seed);
		a->value = test_random(seed) % 4;
		a->mask = one_in(seed, 2) ? ~0ull : test_random(seed);
		/* Most of them only look */
		if (one_in(seed, 40))
			a->timeout_ns = (int64_t)test_random(seed);
		else if (one_in(seed, 10))
			a->timeout_ns = (int64_t)(test_now() + test_random(seed) % 1000000);
		a->compare = test_random(seed) % 7;
		a->queue_id = one_in(seed, 2) ? 0 : id(seed);
		a->flags = flags(seed);
	}
	}
}

/* And then some of it is made wrong */
static void mutate(struct fuzz *f, uint64_t *seed, unsigned char *room, unsigned int bytes)
{
	unsigned int at = test_random(seed) % bytes;

	switch (test_random(seed) % 8) {
	case 0:
		room[at] ^= 1u << test_random(seed) % 8;
		break;
	case 1:
		room[at] = test_random(seed);
		break;
	case 2:
		if (bytes >= 8) {
			uint64_t value = one_in(seed, 2) ? size(seed) : address(f, seed);

			memcpy(room + at % (bytes / 8) * 8, &value, 8);
		}
		break;
	}
}

/* What is random must not land in memory that is not the arena */
static bool harmless(struct fuzz *f, unsigned int which, const void *room)
{
	uint64_t out = 0, bytes = 0;

	switch (ioctls[which].request) {
	case DRM_IOCTL_VSVM_DEV_QUERY:
	case DRM_IOCTL_VSVM_VM_STATS:
		out = ((const struct drm_vsvm_vm_stats *)room)->pointer;
		bytes = 1024;
		break;
	case DRM_IOCTL_VSVM_VM_STATE: {
		const struct drm_vsvm_vm_state *a = room;

		out = a->pages;
		bytes = a->size / PAGE * 4;
		break;
	}
	case DRM_IOCTL_VSVM_SVM_ATTR: {
		const struct drm_vsvm_svm_attr *a = room;

		out = a->attrs.pointer;
		bytes = (uint64_t)a->attrs.stride * a->attrs.count;
		break;
	}
	case DRM_IOCTL_VSVM_VM_FAULTS: {
		const struct drm_vsvm_vm_faults *a = room;

		out = a->records.pointer;
		bytes = (uint64_t)a->records.stride * a->records.count;
		break;
	}
	}
	/* Nothing is mapped from 47 bits on, nor as far down as this */
	if (out >= 0x7ffffffff000ull || (out < 0x10000 && bytes < 0x10000))
		return true;
	/* What lies behind the arena may not be written to, and so will not be */
	return out - (uintptr_t)f->arena < ARENA && bytes < GUARD;
}

/* Keep the numbers small, so that they are met again, and bind most of what there is */
static void follow_up(struct fuzz *f, uint64_t *seed, int fd, unsigned int which, void *room)
{
	if (ioctls[which].request == DRM_IOCTL_VSVM_VM_CREATE) {
		struct drm_vsvm_vm_destroy destroy = {
			.vm_id = ((struct drm_vsvm_vm_create *)room)->vm_id,
		};
		struct drm_vsvm_bind_op op = {
			.op = DRM_VSVM_BIND_MAP_MIRROR, .address = (uintptr_t)f->arena,
			.size = ARENA,
		};
		struct drm_vsvm_vm_bind bind = {
			.vm_id = destroy.vm_id, .ops = { sizeof(op), 1, (uintptr_t)&op },
		};

		if (destroy.vm_id > 6)
			test_ioctl(fd, DRM_IOCTL_VSVM_VM_DESTROY, &destroy);
		else if (!one_in(seed, 4))
			test_ioctl(fd, DRM_IOCTL_VSVM_VM_BIND, &bind);
	} else if (ioctls[which].request == DRM_IOCTL_VSVM_QUEUE_CREATE) {
		struct drm_vsvm_queue_destroy destroy = {
			.queue_id = ((struct drm_vsvm_queue_create *)room)->queue_id,
		};

		if (destroy.queue_id > 6)
			test_ioctl(fd, DRM_IOCTL_VSVM_QUEUE_DESTROY, &destroy);
	}
}

static void *fuzzing(void *arg)
{
	struct fuzzer *fuzzer = arg;
	struct fuzz *f = fuzzer->fuzz;
	uint64_t *seed = &fuzzer->seed;
	union {
		unsigned char bytes[256];
		uint64_t align;
	} room;

	while (test_now() < f->end) {
		unsigned int which = test_random(seed) % ARRAY_SIZE(ioctls);
		int fd = f->fds[test_random(seed) % 2], ret;

		compose(f, seed, which, &room);
		mutate(f, seed, room.bytes, ioctls[which].size);
		if (!harmless(f, which, &room))
			continue;
		ret = test_ioctl(fd, ioctls[which].request, &room);
		if (!ret)
			follow_up(f, seed, fd, which, &room);
		__atomic_fetch_add(ret ? &f->refused[which] : &f->accepted[which], 1,
				   __ATOMIC_RELAXED);
		if (one_in(seed, 300)) {
			/* The memory that all this is about changes too */
			char *part = f->arena + test_random(seed) % (ARENA / PAGE) * PAGE;

			madvise(part, PAGE, one_in(seed, 2) ? MADV_DONTNEED : MADV_PAGEOUT);
		}
	}
	__atomic_store_n(&fuzzer->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

/*
 * Runs in a process of its own: what its device writes where random packets say
 * is its own affair.  0, or what went wrong.
 */
static int fuzz_all(struct fuzz *f, const char *path, uint64_t seed)
{
	struct sigaction action = { .sa_handler = nothing };
	struct fuzzer fuzzers[THREADS];
	unsigned int i, running = THREADS;

	/* Waits that would last for ever are ended by signals */
	sigaction(SIGUSR1, &action, NULL);
	f->arena = mmap(NULL, ARENA + GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);
	if (f->arena == MAP_FAILED ||
	    mmap(f->arena, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		return 1;
	for (i = 0; i < 2; i++) {
		f->fds[i] = open(path, O_RDWR | O_CLOEXEC);
		if (f->fds[i] < 0)
			return 2;
	}
	for (i = 0; i < THREADS; i++) {
		fuzzers[i] = (struct fuzzer) { .fuzz = f, .seed = (seed + i * 0x9e3779b9) | 1 };
		if (pthread_create(&fuzzers[i].thread, NULL, fuzzing, &fuzzers[i]))
			return 3;
	}
	while (running) {
		test_nap();
		for (i = 0, running = 0; i < THREADS; i++) {
			if (__atomic_load_n(&fuzzers[i].done, __ATOMIC_SEQ_CST))
				continue;
			running++;
			pthread_kill(fuzzers[i].thread, SIGUSR1);
		}
		if (test_now() > f->end + test_patience())
			return 4;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(fuzzers[i].thread, NULL);
	return 0;
}

FIXTURE(fuzz)
{
	/* A user who does nothing wrong */
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(fuzz)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(64 * PAGE);
}

FIXTURE_TEARDOWN(fuzz)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F_LONG(fuzz, all_ioctls, 120)
{
	const char *text = getenv("VSVM_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : test_now() | 1, round = 0;
	struct fuzz *f = map_shared(sizeof(*f));
	int status;
	unsigned int i;
	pid_t pid;

	TH_LOG("VSVM_TEST_SEED=%llu", (long long)seed);
	f->end = test_now() + test_span(8000);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(fuzz_all(f, vsvm_path(self->t.dev), seed));
	while (test_now() < f->end) {
		/* The one who behaves gets what is his, all the while */
		round++;
		put_fill(&self->t.q, self->p, 64 * PAGE, round);
		put_barrier(&self->t.q);
		put_sum(&self->t.q, self->p, 64 * PAGE / 8, 8, 8, self->t.out);
		ASSERT_EQ(0, test_run(&self->t.q));
		ASSERT_EQ(64 * PAGE / 8 * round, *(volatile uint64_t *)self->t.out);
		test_nap();
	}
	/* Its threads are given as long again to come back */
	ASSERT_LT(test_now(), f->end + 2 * test_patience());
	status = wait_child(pid);
	if (status != -1 && WIFSIGNALED(status)) {
		/* It can happen that a packet out of nowhere hits its own process */
		TH_LOG("the fuzzer has ended itself with signal %d", WTERMSIG(status));
	} else {
		EXPECT_EQ(0, status);
	}
	for (i = 0; i < ARRAY_SIZE(ioctls); i++) {
		TH_LOG("%-16s %7lu accepted %7lu refused", ioctls[i].name, f->accepted[i],
		       f->refused[i]);
		/* A slow machine may not come far enough for chance to be fair */
		if (f->accepted[i] + f->refused[i] < 100)
			continue;
		EXPECT_LT(0, f->accepted[i]);
		EXPECT_LT(0, f->refused[i]);
	}
	ASSERT_EQ(0, dev_store64(&self->t, self->p, 1));
}

TEST_HARNESS_MAIN
