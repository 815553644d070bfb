// SPDX-License-Identifier: MIT
/*
 * What the driver keeps for the parts of an address space that the device uses:
 * no more than is of use, no longer than it is, and at the expense of who needs it.
 */
#include <pthread.h>

#include "vsvm_harness.h"

#define GIB	(1ull << 30)
#define TIB	(1ull << 40)
#define PARAM	"/sys/module/vsvm/parameters/notifier_idle_ms"

/* Much address space with nothing in it */
static char *reserve(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

/* --- prefetch --- */

FIXTURE_VSVM(prefetch);

/* The same in as many operations as it takes */
static int prefetch_all(struct test_vm *t, char *p, uint64_t size, uint32_t place)
{
	const uint64_t most = 64 * GIB;
	struct drm_vsvm_bind_op op[64] = {};
	uint32_t n = 0;

	for (; size; p += most, size -= most, n++) {
		if (n == ARRAY_SIZE(op) || size % most)
			return -EINVAL;
		op[n] = (struct drm_vsvm_bind_op) {
			.op = DRM_VSVM_BIND_PREFETCH,
			.address = (uintptr_t)p, .size = most, .place = place,
		};
	}
	return vsvm_bind(t->vm, op, n, NULL);
}

TEST_F(prefetch, of_an_empty_terabyte_makes_nothing)
{
	struct drm_vsvm_stats before, after;
	char *p = reserve(TIB);
	uint64_t value = 0;

	REQUIRE(p, "no terabyte of address space");
	ASSERT_EQ(0, dev_store64(&self->t, self->t.out, 1));
	before = test_stats(&self->t);
	EXPECT_EQ(0, prefetch_all(&self->t, p, TIB, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(0, prefetch_all(&self->t, p, TIB, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_EQ(0, prefetch_all(&self->t, p, TIB, DRM_VSVM_PLACE_DEVICE));
	after = test_stats(&self->t);
	EXPECT_EQ(before.notifiers, after.notifiers);
	EXPECT_EQ(before.snapshots, after.snapshots);
	EXPECT_EQ(before.table_bytes, after.table_bytes);
	EXPECT_EQ(before.meta_bytes, after.meta_bytes);
	EXPECT_EQ(0, pagemap_count(p, HUGE, PM_PRESENT));

	/* What is there is found, wherever it is: first, last, and alone in the middle */
	p[0] = 1;
	p[300 * GIB + 5 * PAGE] = 2;
	p[TIB - PAGE] = 3;
	EXPECT_EQ(0, prefetch_all(&self->t, p, TIB, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(DRM_VSVM_PAGE_MAPPED, page_state(&self->t, p) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_EQ(DRM_VSVM_PAGE_MAPPED,
		  page_state(&self->t, p + 300 * GIB + 5 * PAGE) & DRM_VSVM_PAGE_MAPPED);
	EXPECT_EQ(DRM_VSVM_PAGE_MAPPED,
		  page_state(&self->t, p + TIB - PAGE) & DRM_VSVM_PAGE_MAPPED);
	after = test_stats(&self->t);
	/* The last may be where the test has memory of its own */
	EXPECT_LE(before.notifiers + 2, after.notifiers);
	EXPECT_GE(before.notifiers + 3, after.notifiers);
	EXPECT_EQ(before.resident_4k + 3, after.resident_4k);
	ASSERT_EQ(0, dev_load64(&self->t, p + TIB - PAGE, &value));
	EXPECT_EQ(3, value);
	munmap(p, TIB);
}

TEST_F(prefetch, where_nothing_is_mapped_makes_nothing)
{
	struct drm_vsvm_stats before, after;
	char *p = reserve(TIB);

	REQUIRE(p, "no terabyte of address space");
	munmap(p, TIB);
	before = test_stats(&self->t);
	EXPECT_EQ(0, prefetch_all(&self->t, p, TIB, DRM_VSVM_PLACE_DEVICE));
	after = test_stats(&self->t);
	EXPECT_EQ(before.notifiers, after.notifiers);
	EXPECT_EQ(before.table_bytes, after.table_bytes);
}

TEST_F(prefetch, of_more_than_there_may_be_is_refused)
{
	char *p = reserve(TIB);
	uint32_t failed = 0;
	struct drm_vsvm_bind_op op[2] = {
		{ .op = DRM_VSVM_BIND_PREFETCH, .address = (uintptr_t)p, .size = PAGE },
		{ .op = DRM_VSVM_BIND_PREFETCH, .address = (uintptr_t)p,
		  .size = 64 * GIB + PAGE },
	};

	REQUIRE(p, "no terabyte of address space");
	p[0] = 1;
	EXPECT_EQ(-E2BIG, vsvm_bind(self->t.vm, op, 2, &failed));
	EXPECT_EQ(1, failed);
	/* Nothing changed */
	EXPECT_EQ(0, page_state(&self->t, p) & DRM_VSVM_PAGE_MAPPED);
	op[1].size -= PAGE;
	EXPECT_EQ(0, vsvm_bind(self->t.vm, op, 2, &failed));
	EXPECT_EQ(DRM_VSVM_PAGE_MAPPED, page_state(&self->t, p) & DRM_VSVM_PAGE_MAPPED);
	munmap(p, TIB);
}

/* Whatever lies side by side, all of it comes */
TEST_F(prefetch, over_runs_of_blocks_and_holes)
{
	const unsigned int blocks = 64;
	char *p = map_aligned(blocks * HUGE);
	unsigned int i, expected = 0;

	ASSERT_EQ(0, madvise(p, blocks * HUGE, MADV_NOHUGEPAGE));
	/* Runs of 1, 2, 3 ... blocks, one hole between; every seventh page there is */
	for (i = 0; i < blocks; i++) {
		unsigned int j;

		if ((i * i) % 7 == 3 || i % 11 == 10)
			continue;
		for (j = i % 5; j < HUGE / PAGE; j += 7, expected++)
			p[i * HUGE + j * PAGE] = (char)i;
	}
	/* Mappings that begin and end within blocks */
	ASSERT_EQ(0, mprotect(p + 20 * HUGE + 3 * PAGE, HUGE, PROT_READ));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, blocks * HUGE, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(expected, count_state(&self->t, p, blocks * HUGE, DRM_VSVM_PAGE_MAPPED,
					DRM_VSVM_PAGE_MAPPED));
	EXPECT_EQ(expected, pagemap_count(p, blocks * HUGE, PM_PRESENT));
}

TEST_F(prefetch, of_hugetlb)
{
	char *p = map_hugetlb(2 * HUGE);

	REQUIRE(p, "no hugetlb pages");
	p[0] = 1;
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, 2 * HUGE, DRM_VSVM_PLACE_DEFAULT));
	EXPECT_EQ(DRM_VSVM_PAGE_MAPPED, page_state(&self->t, p + PAGE) & DRM_VSVM_PAGE_MAPPED);
	munmap(p, 2 * HUGE);
}

/* --- what is of no more use is given back --- */

FIXTURE(idle)
{
	char device[64];
	long before;
	struct test_vm t;
};

FIXTURE_VARIANT(idle)
{
	unsigned int ms;
};

FIXTURE_VARIANT_ADD(idle, soon) { .ms = 50 };
FIXTURE_VARIANT_ADD(idle, at_once) { .ms = 10 };

FIXTURE_SETUP(idle)
{
	self->before = read_number(PARAM);
	ASSERT_EQ(0, platform_device(self->device, sizeof(self->device)));
	ASSERT_EQ(0, write_text(PARAM, "%u", variant->ms));
	ASSERT_EQ(0, platform_unbind(self->device));
	ASSERT_EQ(0, platform_bind(self->device));
	ASSERT_EQ(0, test_open(&self->t));
}

FIXTURE_TEARDOWN(idle)
{
	EXPECT_EQ(0, test_close(&self->t));
	EXPECT_EQ(0, write_text(PARAM, "%ld", self->before));
	EXPECT_EQ(0, platform_unbind(self->device));
	EXPECT_EQ(0, platform_bind(self->device));
}

/* Waits until there are no more than so many; how many there are */
static uint64_t notifiers_become(struct test_vm *t, uint64_t most)
{
	uint64_t since = 0;

	while (test_stats(t).notifiers > most && test_patient(&since))
		test_nap();
	return test_stats(t).notifiers;
}

/* Waits until the tables take no more than this; what they take */
static uint64_t tables_become(struct test_vm *t, uint64_t most)
{
	uint64_t since = 0;

	while (test_stats(t).table_bytes > most && test_patient(&since))
		test_nap();
	return test_stats(t).table_bytes;
}

TEST_F(idle, scattered_touches_leave_nothing_behind)
{
	const unsigned int places = 96;
	struct drm_vsvm_stats before, full, after;
	char *p = reserve(places * 33 * GIB);
	unsigned int round, i;
	uint64_t value;

	REQUIRE(p, "no address space for it");
	/* Without what the test itself has, which comes and goes as well */
	ASSERT_EQ(0, dev_store64(&self->t, self->t.out, 1));
	before = test_stats(&self->t);
	for (round = 1; round <= 2; round++) {
		for (i = 0; i < places; i++) {
			ASSERT_EQ(0, dev_store64(&self->t, p + i * 33 * GIB + i * PAGE,
						 round * 1000 + i));
		}
		full = test_stats(&self->t);
		/* Those with a page in them have stayed */
		EXPECT_LE(places, full.notifiers);
		EXPECT_LE(before.table_bytes + places * 2 * PAGE, full.table_bytes);
		for (i = 0; i < places; i++) {
			value = 0;
			EXPECT_EQ(round * 1000 + i,
				  *(uint64_t *)(p + i * 33 * GIB + i * PAGE));
			ASSERT_EQ(0, dev_load64(&self->t, p + i * 33 * GIB + i * PAGE, &value));
			EXPECT_EQ(round * 1000 + i, value);
		}
		ASSERT_EQ(0, madvise(p, places * 33 * GIB, MADV_DONTNEED));
		EXPECT_GE(4, notifiers_become(&self->t, 4));
		EXPECT_GE(before.table_bytes + 8 * PAGE,
			  tables_become(&self->t, before.table_bytes + 8 * PAGE));
		after = test_stats(&self->t);
		EXPECT_GE(before.meta_bytes + 16 * PAGE, after.meta_bytes);
	}
	munmap(p, places * 33 * GIB);
}

/* Faults where nothing is end their queue, and that is all they do */
TEST_F(idle, touches_where_nothing_is_leave_nothing_behind)
{
	char *p = reserve(TIB);
	unsigned int i;

	REQUIRE(p, "no terabyte of address space");
	munmap(p, TIB);
	for (i = 0; i < 16; i++) {
		EXPECT_NE(0, dev_store64(&self->t, p + i * 60 * GIB, 1));
		EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT,
					  p + i * 60 * GIB, DRM_VSVM_ACCESS_WRITE));
	}
	EXPECT_GE(4, notifiers_become(&self->t, 4));
}

struct worker {
	struct test_vm *t;
	char *p;
	uint64_t until;
	uint64_t rounds;
	int bad;
};

/* Fills a place, checks it, takes it away, and leaves it alone for as long as it takes */
static void *come_and_go(void *arg)
{
	struct worker *w = arg;
	struct test_queue q;
	uint64_t seed = (uintptr_t)w | 1;

	if (test_queue_open(w->t, &q)) {
		w->bad = __LINE__;
		return NULL;
	}
	for (; test_now() < w->until && !w->bad; w->rounds++) {
		char *p = w->p + test_random(&seed) % 8 * 64 * HUGE +
			test_random(&seed) % 16 * 3 * PAGE;
		struct timespec nap = { .tv_nsec = (long)(test_random(&seed) % 40) * 1000000 };
		int i;

		put_fill(&q, p, 2 * PAGE, w->rounds + 1);
		if (test_run(&q))
			w->bad = __LINE__;
		for (i = 0; i < 1024; i++)
			if (((uint64_t *)p)[i] != w->rounds + 1)
				w->bad = __LINE__;
		/* New memory, which the device must not take for the old */
		if (madvise(p, 2 * PAGE, MADV_DONTNEED))
			w->bad = __LINE__;
		if (w->rounds % 4 == 0)
			nanosleep(&nap, NULL);
		put_copy(&q, q.area + PAGE, p, 8);
		if (test_run(&q) || *(volatile uint64_t *)(q.area + PAGE))
			w->bad = __LINE__;
		madvise(p, 2 * PAGE, MADV_DONTNEED);
	}
	test_queue_close(&q);
	return NULL;
}

TEST_F_LONG(idle, come_and_go_under_the_device, 120)
{
	struct worker w[4];
	pthread_t thread[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		w[i] = (struct worker) {
			.t = &self->t, .until = test_now() + test_span(6000),
			.p = map_aligned(8 * 64 * HUGE),
		};
		ASSERT_EQ(0, madvise(w[i].p, 8 * 64 * HUGE, MADV_NOHUGEPAGE));
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, come_and_go, &w[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, w[i].bad);
		EXPECT_LT(0, w[i].rounds);
		/* What was brought in ahead */
		ASSERT_EQ(0, madvise(w[i].p, 8 * 64 * HUGE, MADV_DONTNEED));
	}
	EXPECT_GE(6, notifiers_become(&self->t, 6));
}

/* --- page tables --- */

FIXTURE_VSVM(tables);

TEST_F(tables, retired_ones_are_collected)
{
	const unsigned int blocks = 12;
	char *p = map_aligned(blocks * HUGE);
	uint64_t before, full;
	unsigned int i;

	ASSERT_EQ(0, madvise(p, blocks * HUGE, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, dev_store64(&self->t, p, 1));
	ASSERT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	before = test_stats(&self->t).table_bytes - PAGE;
	EXPECT_GE(before, tables_become(&self->t, before));
	for (i = 0; i < blocks; i++)
		put_store64(&self->t.q, p + i * HUGE, i);
	ASSERT_EQ(0, test_run(&self->t.q));
	full = test_stats(&self->t).table_bytes;
	EXPECT_LE(before + (blocks - 1) * PAGE, full);
	/* Half of them, then all */
	ASSERT_EQ(0, munmap(p, blocks / 2 * HUGE));
	EXPECT_GE(full - (blocks / 2) * PAGE,
		  tables_become(&self->t, full - (blocks / 2) * PAGE));
	ASSERT_EQ(0, munmap(p + blocks / 2 * HUGE, blocks / 2 * HUGE));
	EXPECT_GE(before, tables_become(&self->t, before));
	EXPECT_EQ(0, test_stats(&self->t).resident_2m);
}

TEST_F(tables, replaced_by_a_huge_leaf_are_collected)
{
	char *p = map_huge(HUGE);
	uint64_t before, value = 0;

	REQUIRE(p, "no huge pages");
	ASSERT_EQ(0, dev_store64(&self->t, p, 1));
	before = test_stats(&self->t).table_bytes;
	REQUIRE(test_stats(&self->t).resident_2m, "not mapped as one");
	/* In pieces, and whole again */
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ));
	ASSERT_EQ(0, dev_load64(&self->t, p + PAGE, &value));
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, munmap(p, HUGE));
	EXPECT_GE(before, tables_become(&self->t, before));
}

/* A field of memory.stat of this group, in bytes */
static long memcg_stat(const char *field)
{
	char path[256], line[128], name[64];
	long value, found = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/vsvm-test-%d/memory.stat", getpid());
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %ld", name, &value) == 2 && !strcmp(name, field))
			found = value;
	if (f)
		fclose(f);
	return found;
}

/* Faults are served by threads of the kernel, but not at its expense */
TEST_F(tables, are_charged_to_the_process)
{
	const unsigned int blocks = 512;
	struct drm_vsvm_stats before, after;
	char *p = map_aligned(blocks * HUGE);
	long kernel, own;
	unsigned int i;

	REQUIRE(!memcg_enter(0), "no memory control groups");
	ASSERT_EQ(0, madvise(p, blocks * HUGE, MADV_NOHUGEPAGE));
	before = test_stats(&self->t);
	kernel = memcg_stat("kernel");
	own = memcg_stat("pagetables");
	for (i = 0; i < blocks; i++) {
		put_store64(&self->t.q, p + i * HUGE, i);
		if (i % 128 == 127) {
			ASSERT_EQ(0, test_run(&self->t.q));
		}
	}
	after = test_stats(&self->t);
	kernel = memcg_stat("kernel") - kernel;
	own = memcg_stat("pagetables") - own;
	memcg_leave();
	EXPECT_LE((long)(blocks * PAGE), (long)(after.table_bytes - before.table_bytes));
	/* Charges are taken in advance and told with delay, by less than this */
	EXPECT_LE((long)(after.table_bytes - before.table_bytes) - 64 * (long)PAGE, kernel - own)
		TH_LOG("kernel %ld, its own page tables %ld", kernel, own);
	/* So are the process' own, which the same threads make */
	EXPECT_LE((long)(blocks * PAGE) - 64 * (long)PAGE, own);
}

TEST_HARNESS_MAIN
