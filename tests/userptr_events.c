// SPDX-License-Identifier: MIT
/*
 * Everything that can happen to the memory of a batch, on its first range, one
 * in the middle, its last, and across several: once on its own, to see that
 * exactly the pages hit go, and once while the device streams.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vsvm_harness.h"
#include "vsvm_userptr.h"

#define RANGES		32
#define RANGE_PAGES	4
#define RANGE		(RANGE_PAGES * PAGE)
#define AREA		(2 * RANGES * RANGE)
#define BATCH		(RANGES * RANGE)
/* The first pages of a range appear once more behind the batch */
#define ALIASES		(RANGES * PAGE)

FIXTURE(events)
{
	struct test_vm t;
	struct test_queue stream;
	char *area;
	struct iovec *iov;
	char *copy;
	pthread_t thread;
	pid_t child;
	volatile bool stop;
	volatile unsigned long rounds;
	volatile uint32_t reasons;
	volatile int failed;
};

/* What happens to [p, p + size), and what is left of it */
struct event {
	int (*apply)(FIXTURE_DATA(events) *self, char *p, size_t size);
	/* Undo it where the device could not go on */
	int (*repair)(FIXTURE_DATA(events) *self, char *p, size_t size);
	/* Bits of the pages hit that must not be set afterwards */
	uint32_t gone;
	/* Contents are zero */
	bool zero;
	/* The stream may end for this */
	uint32_t reasons;
	/* Not all pages need to be hit, and more may be */
	bool loose;
};

#define REASON(x)	(1u << DRM_VSVM_FAULT_##x)

static int unmap(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	return munmap(p, size);
}

static int map_again(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	return mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) == p ? 0 : -1;
}

static int protect_none(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	return mprotect(p, size, PROT_NONE);
}

static int protect_read(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	return mprotect(p, size, PROT_READ);
}

static int unprotect(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	return mprotect(p, size, PROT_READ | PROT_WRITE);
}

/* Away, and new memory in its place */
static int move(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	char *to = map_anon(size);

	if (mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return -1;
	munmap(to, size);
	return map_again(self, p, size);
}

static int dontneed(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	return madvise(p, size, MADV_DONTNEED);
}

/* A child that lives until the parent has written to each page */
static int fork_cow(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	volatile uint32_t *flag = (void *)((char *)self->stream.area + PAGE + 512);
	pid_t pid;

	(void)p;
	(void)size;
	*flag = 0;
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid)
		_exit(!flag_wait(flag, 1));
	self->child = pid;
	return 0;
}

static int end_child(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	volatile uint32_t *flag = (void *)((char *)self->stream.area + PAGE + 512);
	size_t i;

	/* Each side of the copy gets its own */
	for (i = 0; i < size; i += PAGE)
		__atomic_fetch_add((uint64_t *)(p + i), 0, __ATOMIC_SEQ_CST);
	flag_set(flag, 1);
	return wait_child(self->child);
}

static int to_device(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	return vsvm_prefetch(self->t.vm, p, size, DRM_VSVM_PLACE_DEVICE);
}

static int to_system(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	return vsvm_prefetch(self->t.vm, p, size, DRM_VSVM_PLACE_SYSTEM);
}

static int page_out(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	int i;

	(void)self;
	for (i = 0; i < 3; i++)
		madvise(p, size, MADV_PAGEOUT);
	return 0;
}

static int cgroup_reclaim(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	(void)p;
	memcg_reclaim(size);
	return 0;
}

#define KSM	"/sys/kernel/mm/ksm/"

/* All of it becomes one page */
static int merge(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	uint64_t since = 0, first;
	size_t i;

	(void)self;
	write_text(KSM "smart_scan", "0");
	write_text(KSM "pages_to_scan", "10000");
	write_text(KSM "sleep_millisecs", "1");
	memset(p, 0x42, size);
	madvise(p, size, MADV_MERGEABLE);
	if (write_text(KSM "run", "1"))
		return 0;
	do {
		first = pagemap(p) & PM_PFN;
		for (i = 0; i < size; i += PAGE)
			/* Those of the ranges; what lies between is not there */
			if ((pagemap(p + i) & PM_PRESENT) && (pagemap(p + i) & PM_PFN) != first)
				break;
		if (first && i >= size)
			return 0;
		test_nap();
	} while (test_patient(&since));
	return 0;
}

static int unmerge(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)self;
	write_text(KSM "run", "2");
	write_text(KSM "run", "0");
	madvise(p, size, MADV_UNMERGEABLE);
	return 0;
}

static int collapse(FIXTURE_DATA(events) *self, char *p, size_t size)
{
	(void)p;
	(void)size;
	/* Needs a block of its own; may well be refused */
	madvise(self->area, AREA, 25 /* MADV_COLLAPSE */);
	return 0;
}

FIXTURE_VARIANT(events)
{
	struct event event;
};

#define MAPPED	DRM_VSVM_PAGE_MAPPED
#define WRITE	DRM_VSVM_PAGE_WRITE

FIXTURE_VARIANT_ADD(events, munmap)
{
	.event = { unmap, map_again, MAPPED, true, REASON(NO_MAPPING), false },
};

FIXTURE_VARIANT_ADD(events, mprotect_none)
{
	.event = { protect_none, unprotect, MAPPED, false, REASON(PERMISSION), false },
};

FIXTURE_VARIANT_ADD(events, mprotect_read)
{
	.event = { protect_read, unprotect, WRITE, false, REASON(PERMISSION), false },
};

FIXTURE_VARIANT_ADD(events, mremap)
{
	.event = { move, NULL, MAPPED, true, REASON(NO_MAPPING), false },
};

FIXTURE_VARIANT_ADD(events, dontneed)
{
	.event = { dontneed, NULL, MAPPED, true, 0, false },
};

FIXTURE_VARIANT_ADD(events, fork)
{
	.event = { fork_cow, end_child, WRITE, false, 0, true },
};

FIXTURE_VARIANT_ADD(events, to_device_memory)
{
	.event = { to_device, to_system, 0, false, 0, true },
};

FIXTURE_VARIANT_ADD(events, pageout)
{
	.event = { page_out, NULL, 0, false, 0, true },
};

FIXTURE_VARIANT_ADD(events, memcg_reclaim)
{
	.event = { cgroup_reclaim, NULL, 0, false, 0, true },
};

FIXTURE_VARIANT_ADD(events, ksm)
{
	.event = { merge, unmerge, 0, false, 0, true },
};

FIXTURE_VARIANT_ADD(events, collapse)
{
	.event = { collapse, NULL, 0, false, 0, true },
};

FIXTURE_SETUP(events)
{
	struct iovec *iov;
	unsigned int i;

	ASSERT_EQ(0, test_open(&self->t));
	ASSERT_EQ(0, test_queue_open(&self->t, &self->stream));
	swap_on(32);
	if (variant->event.apply == cgroup_reclaim && memcg_enter(0))
		SKIP(return, "no memory control groups");
	if (variant->event.apply == merge && read_number(KSM "run") < 0)
		SKIP(return, "no KSM");
	self->area = map_aligned(AREA > HUGE ? AREA : HUGE);
	madvise(self->area, HUGE, MADV_NOHUGEPAGE);
	/* Where a mapping holds a whole block, core-mm takes all of it when it cuts the mapping */
	if (variant->event.apply != collapse)
		munmap(self->area + AREA, HUGE - AREA);
	self->copy = map_anon(BATCH + ALIASES);
	self->iov = batch_scatter(self->area, RANGES, RANGE, 17);
	iov = calloc(2 * RANGES, sizeof(*iov));
	ASSERT_NE(NULL, iov);
	memcpy(iov, self->iov, RANGES * sizeof(*iov));
	for (i = 0; i < RANGES; i++)
		iov[RANGES + i] = (struct iovec) { self->iov[i].iov_base, PAGE };
	ASSERT_EQ(0, batch_bind(&self->t, iov, 2 * RANGES, 0));
	free(iov);
}

FIXTURE_TEARDOWN(events)
{
	if (self->t.vm)
		vsvm_unbind(self->t.vm, BATCH_AT, BATCH_AT, DRM_VSVM_BIND_FORCE);
	test_queue_close(&self->stream);
	EXPECT_EQ(0, test_close(&self->t));
	memcg_leave();
	swap_off();
}

/* What part of the area is hit: 0 first, 1 middle, 2 last range, 3 across eight of them */
static void target(FIXTURE_DATA(events) *self, int where, char **p, size_t *size)
{
	static const int ranges[] = { 0, RANGES / 2, RANGES - 1 };

	if (where < 3) {
		*p = self->iov[ranges[where]].iov_base;
		*size = RANGE;
	} else {
		/* From the middle of one to the middle of another */
		*p = self->area + 9 * RANGE - 2 * PAGE;
		*size = 16 * RANGE;
	}
}

static bool hit(FIXTURE_DATA(events) *self, unsigned int page, const char *p, size_t size)
{
	const char *at = page < RANGES * RANGE_PAGES ?
		(char *)self->iov[page / RANGE_PAGES].iov_base + page % RANGE_PAGES * PAGE :
		(char *)self->iov[page - RANGES * RANGE_PAGES].iov_base;

	return at >= p && at < p + size;
}

static bool pages_are_as_the_cpu_sees_them(FIXTURE_DATA(events) *self)
{
	size_t at = 0;
	unsigned int i;

	if (dev_copy(&self->t, self->copy, batch_at(0), BATCH + ALIASES))
		return false;
	for (i = 0; i < RANGES; at += RANGE, i++)
		if (memcmp(self->copy + at, self->iov[i].iov_base, RANGE))
			return false;
	for (i = 0; i < RANGES; at += PAGE, i++)
		if (memcmp(self->copy + at, self->iov[i].iov_base, PAGE))
			return false;
	return true;
}

TEST_F_LONG(events, exactly_the_pages_hit_go, 120)
{
	const struct event *e = &variant->event;
	uint32_t state;
	unsigned int i;
	int where, ret;
	size_t size;
	char *p;

	for (where = 0; where < 4; where++) {
		batch_fill(self->iov, RANGES, where);
		target(self, where, &p, &size);
		ASSERT_EQ(0, dev_touch_write(&self->t, batch_at(0), BATCH + ALIASES));
		ASSERT_EQ(RANGES * 5, count_state(&self->t, batch_at(0), BATCH + ALIASES,
						  MAPPED | WRITE, MAPPED | WRITE));
		ret = e->apply(self, p, size);
		ASSERT_LE(0, ret);
		for (i = 0; i < RANGES * 5; i++) {
			state = page_state(&self->t, batch_at(i * PAGE));
			if (hit(self, i, p, size)) {
				EXPECT_EQ(0, state & e->gone) TH_LOG("page %u, %d", i, where);
			} else if (!e->loose) {
				EXPECT_EQ(MAPPED | WRITE, state & (MAPPED | WRITE))
					TH_LOG("page %u, %d", i, where);
			}
		}
		if (e->repair)
			ASSERT_EQ(0, e->repair(self, p, size));
		/* Through the device, the CPU and again the device */
		EXPECT_EQ(true, pages_are_as_the_cpu_sees_them(self));
		if (e->zero) {
			EXPECT_EQ(-1, check_bytes(p, RANGE, 0));
		} else if (e->apply != merge && where < 3) {
			EXPECT_EQ(-1, batch_check(self->iov, RANGES, where));
		}
		ASSERT_EQ(0, dev_fill(&self->t, batch_at(0), BATCH, 0x1111 * (where + 1)));
		for (i = 0; i < RANGES; i++) {
			EXPECT_EQ(0x1111 * (where + 1), *(int *)self->iov[i].iov_base);
		}
		EXPECT_EQ(true, pages_are_as_the_cpu_sees_them(self));
	}
}

/* A word is the round's stamp, zero, or what KSM was given to merge */
static void *stream_thread(void *arg)
{
	FIXTURE_DATA(events) * self = arg;
	struct test_queue *q = &self->stream;
	struct drm_vsvm_fault fault;

	while (!self->stop) {
		int ret;

		/* Read all of it, and write where it hurts nobody: the same again */
		put_sum(q, batch_at(0), (BATCH + ALIASES) / 64, 64, 8, (char *)q->area + PAGE);
		put_atomic(q, VSVM_ATOMIC_OR, 8, batch_at(0), 0, 0, NULL);
		put_atomic(q, VSVM_ATOMIC_OR, 8, batch_at(BATCH / 2 + PAGE), 0, 0, NULL);
		put_atomic(q, VSVM_ATOMIC_OR, 8, batch_at(BATCH - PAGE), 0, 0, NULL);
		ret = test_run(q);
		if (ret == -ECANCELED) {
			if (!test_fault(q, &fault))
				self->reasons |= 1u << fault.reason;
			ret = test_queue_renew(q);
		}
		if (ret)
			self->failed = ret;
		self->rounds++;
	}
	return NULL;
}

TEST_F_LONG(events, while_the_device_streams, 180)
{
	uint64_t end = test_now() + test_span(1200);
	const struct event *e = &variant->event;
	unsigned long stamp = 1, seen;
	uint64_t since;
	size_t size;
	char *p;
	int ret;

	batch_fill(self->iov, RANGES, 0);
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, stream_thread, self));
	do {
		target(self, stamp % 4, &p, &size);
		ret = e->apply(self, p, size);
		EXPECT_LE(0, ret);
		if (e->repair)
			EXPECT_EQ(0, e->repair(self, p, size));
		/* What the CPU writes now is what the device finds */
		batch_fill(self->iov, RANGES, stamp);
		EXPECT_EQ(true, pages_are_as_the_cpu_sees_them(self));
		EXPECT_EQ(-1, batch_check(self->iov, RANGES, stamp));
		seen = self->rounds;
		for (since = 0; self->rounds == seen && test_patient(&since);)
			test_nap();
		/* It goes on, whatever happened */
		EXPECT_NE(seen, self->rounds);
		stamp++;
	} while ((test_now() < end || stamp < 9) && !self->failed);
	self->stop = true;
	pthread_join(self->thread, NULL);
	EXPECT_EQ(0, self->failed);
	EXPECT_EQ(0, self->reasons & ~e->reasons);
	TH_LOG("%lu events, %lu rounds", stamp, self->rounds);
}

TEST_HARNESS_MAIN
