// SPDX-License-Identifier: MIT
/*
 * SET against everything else: faults, invalidations, migration, threads that
 * SET as well, the end of the process.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "vsvm_attr.h"
#include "vsvm_harness.h"

#define PAGES	64
#define BYTES	(PAGES * PAGE)

FIXTURE(race)
{
	struct test_vm t;
	char *p;
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->p = map_anon(BYTES);
	memset(self->p, 0, BYTES);
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, test_close(&self->t));
}

struct setter {
	struct test_vm *t;
	char *p;
	uint32_t stop;
	uint64_t seed;
	unsigned long rounds;
	int ret;
	/* What to set at random */
	const struct drm_vsvm_attr *attrs;
	unsigned int nattrs;
};

static void *set_all_the_time(void *arg)
{
	struct setter *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		unsigned int first = test_random(&s->seed) % PAGES;
		unsigned int n = 1 + test_random(&s->seed) % (PAGES - first);
		int ret;

		if (test_random(&s->seed) % 8)
			ret = vsvm_attr_set(s->t->vm, s->p + first * PAGE, n * PAGE,
					    &s->attrs[test_random(&s->seed) % s->nattrs], 1);
		else
			ret = vsvm_attr_reset(s->t->vm, s->p + first * PAGE, n * PAGE);
		if (ret)
			s->ret = ret;
		s->rounds++;
	}
	return NULL;
}

#define SETTERS(...)							\
	static const struct drm_vsvm_attr attrs[] = { __VA_ARGS__ };	\
	struct setter s[2] = { 0 };					\
	pthread_t threads[2];						\
	unsigned int k;							\
	for (k = 0; k < 2; k++) {					\
		s[k] = (struct setter) {				\
			.t = &self->t, .p = self->p, .seed = 17 + k,	\
			.attrs = attrs, .nattrs = ARRAY_SIZE(attrs),	\
		};							\
		ASSERT_EQ(0, pthread_create(&threads[k], NULL, set_all_the_time, &s[k])); \
	}

#define STOP_SETTERS()							\
	for (k = 0; k < 2; k++) {					\
		__atomic_store_n(&s[k].stop, 1, __ATOMIC_RELAXED);	\
		pthread_join(threads[k], NULL);				\
		EXPECT_EQ(0, s[k].ret);					\
		EXPECT_LT(0, s[k].rounds);				\
	}

TEST_F_LONG(race, defect_look_up_and_free, 60)
{
	uint64_t end = test_now() + test_span(3000), count = 0;
	unsigned int i;

	/* What a fault found must stay good while it is used; nothing is lost */
	SETTERS({ DRM_VSVM_ATTR_GRANULARITY, 1 }, { DRM_VSVM_ATTR_GRANULARITY, 7 },
		{ DRM_VSVM_ATTR_GPU_EXEC, 1 }, { DRM_VSVM_ATTR_COHERENT, 0 },
		{ DRM_VSVM_ATTR_READ_MOSTLY, 1 }, { DRM_VSVM_ATTR_ALWAYS_MAPPED, 1 },
		{ DRM_VSVM_ATTR_HOST_ACCESS, 0 });
	while (test_now() < end) {
		for (i = 0; i < PAGES; i++)
			put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, self->p + i * PAGE, 0, 0, NULL);
		ASSERT_EQ(0, test_run(&self->t.q));
		count++;
	}
	STOP_SETTERS();
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(count, *(uint64_t *)(self->p + i * PAGE));
	}
}

TEST_F_LONG(race, with_migration, 90)
{
	uint64_t end = test_now() + test_span(4000), count = 0;
	unsigned int i;

	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
	SETTERS({ DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_DEVICE },
		{ DRM_VSVM_ATTR_PREFERRED_LOC, DRM_VSVM_LOC_SYSTEM },
		{ DRM_VSVM_ATTR_PREFETCH_LOC, DRM_VSVM_LOC_DEVICE },
		{ DRM_VSVM_ATTR_PREFETCH_LOC, DRM_VSVM_LOC_SYSTEM },
		{ DRM_VSVM_ATTR_ACCESS, DRM_VSVM_ATTR_ACCESS_IN_PLACE },
		{ DRM_VSVM_ATTR_GRANULARITY, 0 }, { DRM_VSVM_ATTR_GRANULARITY, 3 },
		{ DRM_VSVM_ATTR_READ_MOSTLY, 1 });
	while (test_now() < end) {
		for (i = 0; i < PAGES; i++)
			put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, self->p + i * PAGE, 0, 0, NULL);
		ASSERT_EQ(0, test_submit(&self->t.q));
		/* The CPU counts as well, on another word */
		for (i = 0; i < PAGES; i++)
			__atomic_fetch_add((uint64_t *)(self->p + i * PAGE + 64), 1,
					   __ATOMIC_RELAXED);
		ASSERT_EQ(0, test_wait(&self->t.q));
		count++;
	}
	STOP_SETTERS();
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(count, *(uint64_t *)(self->p + i * PAGE));
		EXPECT_EQ(count, *(uint64_t *)(self->p + i * PAGE + 64));
	}
}

TEST_F_LONG(race, defect_mapped_after_the_lock_was_dropped, 90)
{
	unsigned long i, rounds = test_scale(150);
	volatile uint64_t *word = (void *)(self->p + 8 * PAGE);
	uint64_t seen;
	int j;

	/*
	 * The device hammers the page; once SET has returned, it has lost it,
	 * whoever was mapping it at that moment.
	 */
	for (i = 0; i < rounds; i++) {
		for (j = 0; j < 200; j++)
			put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, word, 0, 0, NULL);
		/* Faults of neighbours, which map the page along */
		for (j = 0; j < 8; j++)
			put_store64(&self->t.q, self->p + (9 + j) * PAGE, 1);
		ASSERT_EQ(0, test_submit(&self->t.q));
		for (j = 0; j < (int)(i % 50); j++)
			(void)*word;
		ASSERT_EQ(0, attr_set(&self->t, (void *)word, PAGE, i % 2 ? DRM_VSVM_ATTR_GPU_RO :
				      DRM_VSVM_ATTR_ACCESS, i % 2));
		seen = *word;
		if (test_wait(&self->t.q)) {
			EXPECT_EQ(0, expect_fault(&self->t.q, i % 2 ? DRM_VSVM_FAULT_READ_ONLY :
						  DRM_VSVM_FAULT_NO_ACCESS, EACCES, word,
						  DRM_VSVM_ACCESS_ATOMIC));
		}
		EXPECT_EQ(seen, *word);
		EXPECT_EQ(0, page_state(&self->t, word) & DRM_VSVM_PAGE_WRITE);
		ASSERT_EQ(0, attr_reset(&self->t, self->p, BYTES));
		/* Every other time the neighbours have to be mapped anew */
		if (i % 3 == 0)
			ASSERT_EQ(0, madvise(self->p + 9 * PAGE, 8 * PAGE, MADV_DONTNEED));
	}
}

static void *churn(void *arg)
{
	struct setter *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		mprotect(s->p, BYTES, PROT_READ);
		mprotect(s->p, BYTES, PROT_READ | PROT_WRITE);
		madvise(s->p, BYTES, MADV_PAGEOUT);
		s->rounds++;
	}
	return NULL;
}

TEST_F_LONG(race, lesson_no_mmap_lock_is_held_across_steps, 90)
{
	uint64_t end = test_now() + test_span(3000), seen = 0, value;
	struct setter c = { .p = self->p };
	pthread_t churner;

	/* Sets, faults and changes of the mappings: all of them get on */
	ASSERT_EQ(0, pthread_create(&churner, NULL, churn, &c));
	SETTERS({ DRM_VSVM_ATTR_GRANULARITY, 1 }, { DRM_VSVM_ATTR_GPU_RO, 1 },
		{ DRM_VSVM_ATTR_GPU_EXEC, 1 });
	while (test_now() < end) {
		ASSERT_EQ(0, dev_load64(&self->t, self->p + seen % PAGES * PAGE, &value));
		seen++;
	}
	STOP_SETTERS();
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
	pthread_join(churner, NULL);
	EXPECT_LT(0, c.rounds);
	EXPECT_LT(0, seen);
}

TEST_F_LONG(race, defect_retries_without_end, 60)
{
	uint64_t end = test_now() + test_span(2000);
	unsigned long done = 0;

	/* A storm of changes does not keep a fault from being served, or from ending */
	SETTERS({ DRM_VSVM_ATTR_COHERENT, 0 }, { DRM_VSVM_ATTR_COHERENT, 1 });
	while (test_now() < end) {
		put_store64(&self->t.q, self->p + done % PAGES * PAGE, done);
		ASSERT_EQ(0, test_run(&self->t.q));
		done++;
	}
	STOP_SETTERS();
	EXPECT_LT(0, done);
}

TEST_F(race, the_process_is_killed_while_it_sets)
{
	unsigned long i, rounds = test_scale(10);

	for (i = 0; i < rounds; i++) {
		volatile uint32_t *ready = map_shared(PAGE);
		pid_t pid = fork();

		if (!pid) {
			static const struct drm_vsvm_attr attrs[] = {
				{ DRM_VSVM_ATTR_ACCESS, 1 }, { DRM_VSVM_ATTR_GRANULARITY, 2 },
				{ DRM_VSVM_ATTR_PREFETCH_LOC, 1 }, { DRM_VSVM_ATTR_ALWAYS_MAPPED, 1 },
			};
			struct setter s = { .seed = i + 1, .attrs = attrs, .nattrs = 4 };
			struct test_vm t;
			pthread_t thread;

			if (test_open(&t))
				_exit(1);
			s.t = &t;
			s.p = map_anon(BYTES);
			memset(s.p, 1, BYTES);
			if (vsvm_bind_mirror(t.vm, (uintptr_t)s.p, BYTES,
					     DRM_VSVM_BIND_AUTO_RESET | DRM_VSVM_BIND_REPLACE))
				_exit(2);
			pthread_create(&thread, NULL, set_all_the_time, &s);
			flag_set(ready, 1);
			for (;;)
				dev_fill(&t, s.p, BYTES, 1);
		}
		ASSERT_LT(0, pid);
		EXPECT_EQ(true, flag_wait(ready, 1));
		test_nap();
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		munmap((void *)ready, PAGE);
	}
	/* And the device is as good as ever */
	ASSERT_EQ(0, dev_fill(&self->t, self->p, BYTES, 1));
}

/* --- a fault that waits for somebody --- */

static int uffd_over(char *p, size_t size)
{
	struct uffdio_register range = {
		.range = { (uintptr_t)p, size }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool uffd_waits(int fd)
{
	struct uffd_msg msg;
	uint64_t since = 0;

	while (read(fd, &msg, sizeof(msg)) != sizeof(msg)) {
		if (!test_patient(&since))
			return false;
		test_nap();
	}
	return true;
}

TEST_F(race, defect_a_blocked_fault_obeys_what_was_set_meanwhile)
{
	char *q = map_anon(4 * PAGE), *source = map_anon(PAGE);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)q + PAGE, .src = (uintptr_t)source, .len = PAGE,
	};
	int fd = uffd_over(q, 4 * PAGE);

	REQUIRE(fd >= 0, "no userfaultfd");
	*(uint64_t *)source = 42;
	put_store64(&self->t.q, q + PAGE, 1);
	ASSERT_EQ(0, test_submit(&self->t.q));
	ASSERT_EQ(true, uffd_waits(fd));
	/* It was looked up before; what counts is what holds when it is mapped */
	ASSERT_EQ(0, attr_set(&self->t, q, 4 * PAGE, DRM_VSVM_ATTR_ACCESS,
			      DRM_VSVM_ATTR_ACCESS_NONE));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	EXPECT_NE(0, test_wait(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_ACCESS, EACCES, q + PAGE,
				  DRM_VSVM_ACCESS_WRITE));
	EXPECT_EQ(42, *(uint64_t *)(q + PAGE));
	close(fd);
}

TEST_F(race, defect_a_blocked_fault_wakes_after_the_end)
{
	char *q = map_anon(4 * PAGE), *source = map_anon(PAGE);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)q + PAGE, .src = (uintptr_t)source, .len = PAGE,
	};
	struct test_vm t;
	int fd;

	ASSERT_EQ(0, test_open_on(&t, self->t.dev, 0));
	ASSERT_EQ(0, vsvm_bind_mirror(t.vm, (uintptr_t)q, 4 * PAGE,
				      DRM_VSVM_BIND_AUTO_RESET | DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, attr_set(&t, q, 4 * PAGE, DRM_VSVM_ATTR_ALWAYS_MAPPED, 1));
	fd = uffd_over(q, 4 * PAGE);
	REQUIRE(fd >= 0, "no userfaultfd");
	put_store64(&t.q, q + PAGE, 1);
	ASSERT_EQ(0, test_submit(&t.q));
	ASSERT_EQ(true, uffd_waits(fd));
	EXPECT_EQ(0, test_close(&t));
	*(uint64_t *)source = 42;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	EXPECT_EQ(42, *(uint64_t *)(q + PAGE));
	ASSERT_EQ(0, munmap(q, 4 * PAGE));
	close(fd);
}

static const struct drm_vsvm_attr ones[] = {
	{ DRM_VSVM_ATTR_GPU_RO, 1 }, { DRM_VSVM_ATTR_GRANULARITY, 3 },
	{ DRM_VSVM_ATTR_HIVE_LOCAL, 1 },
}, zeros[] = {
	{ DRM_VSVM_ATTR_GPU_RO, 0 }, { DRM_VSVM_ATTR_GRANULARITY, 5 },
	{ DRM_VSVM_ATTR_HIVE_LOCAL, 0 },
};

static void *set_to_and_fro(void *arg)
{
	struct setter *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		int ret = vsvm_attr_set(s->t->vm, s->p, BYTES, s->rounds++ % 2 ? ones : zeros, 3);

		if (ret)
			s->ret = ret;
	}
	return NULL;
}

TEST_F_LONG(race, every_reader_sees_a_set_as_a_whole, 60)
{
	uint64_t end = test_now() + test_span(2000);
	struct setter s = { .t = &self->t, .p = self->p };
	struct drm_vsvm_attr now[3];
	unsigned long seen[2] = { 0 };
	pthread_t thread;
	unsigned int i;

	/* Pieces that stay different, so that each SET takes many steps */
	ASSERT_EQ(0, vsvm_attr_set(self->t.vm, self->p, BYTES, zeros, 3));
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(0, attr_set(&self->t, self->p + i * PAGE, PAGE,
				      DRM_VSVM_ATTR_EXT_COHERENT, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, set_to_and_fro, &s));
	while (test_now() < end) {
		memcpy(now, ones, sizeof(now));
		ASSERT_EQ(0, vsvm_attr_get(self->t.vm, self->p, BYTES, now, 3, NULL));
		EXPECT_EQ(now[0].value, now[2].value);
		EXPECT_EQ(now[0].value ? 3 : 5, now[1].value);
		seen[now[0].value & 1]++;
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, s.ret);
	EXPECT_LT(0, seen[0]);
	EXPECT_LT(0, seen[1]);
}

TEST_HARNESS_MAIN
