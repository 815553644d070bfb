// SPDX-License-Identifier: MIT
/*
 * The process changes its memory as fast as it can while the device streams
 * through it.  What the device reads and writes must be right each time, and
 * what it no longer maps it must no longer touch.
 */
#include <pthread.h>

#include "vsvm_harness.h"

#define PAGES	256
#define BYTES	(PAGES * PAGE)

/* A device that streams in a thread of its own, and checks what it streams */
struct stream {
	struct test_vm *t;
	struct test_queue q;
	char *p;
	size_t size;
	volatile uint64_t *sum;
	uint32_t stop;
	/* Only read: the sum must always be this one */
	bool read_only;
	uint64_t expected;
	/* Written and read back, nobody else changes it */
	bool verify;
	unsigned long rounds;
	const char *wrong;
	pthread_t thread;
};

static void *streaming(void *arg)
{
	struct stream *s = arg;
	int ret;

	/* Once at least, however slow the machine */
	do {
		uint64_t value = ++s->rounds;

		if (!s->read_only) {
			put_fill(&s->q, s->p, s->size, value);
			put_barrier(&s->q);
		}
		put_sum(&s->q, s->p, s->size / 8, 8, 8, s->sum);
		ret = test_run(&s->q);
		if (ret)
			s->wrong = ret == -ETIME ? "it hangs" : "its queue has ended";
		else if (s->read_only && *s->sum != s->expected)
			s->wrong = "it read something else";
		else if (s->verify && *s->sum != s->size / 8 * value)
			s->wrong = "it read back something else";
	} while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED) && !s->wrong);
	return NULL;
}

static int stream_start(struct test_vm *t, struct stream *s)
{
	int ret;

	s->t = t;
	s->sum = map_shared(PAGE);
	ret = test_queue_open(t, &s->q);
	return ret ? ret : -pthread_create(&s->thread, NULL, streaming, s);
}

/* 0 if all went well and something went at all */
static int stream_stop(struct stream *s)
{
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
	if (s->wrong)
		fprintf(stderr, "# device in round %lu: %s\n", s->rounds, s->wrong);
	test_queue_close(&s->q);
	return s->wrong || !s->rounds;
}

FIXTURE(invalidate)
{
	struct test_vm t;
	uint64_t end;
};

FIXTURE_SETUP(invalidate)
{
	ASSERT_EQ(0, test_open(&self->t));
	/* Each storm blows for so long */
	self->end = test_now() + test_span(2000);
}

FIXTURE_TEARDOWN(invalidate)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F(invalidate, next_door)
{
	char *p = map_anon(2 * BYTES);
	struct stream s = { .p = p, .size = BYTES, .verify = true };
	struct drm_vsvm_stats before, after;
	unsigned long rounds = 0;

	ASSERT_EQ(0, dev_fill(&self->t, p, BYTES, 1));
	ASSERT_EQ(0, stream_start(&self->t, &s));
	before = test_stats(&self->t);
	while (test_now() < self->end) {
		p[BYTES + rounds % PAGES * PAGE] = 1;
		madvise(p + BYTES, BYTES, MADV_DONTNEED);
		rounds++;
	}
	after = test_stats(&self->t);
	EXPECT_EQ(0, stream_stop(&s));
	/* Not one of them cost the stream a fault: all there were are its first few */
	EXPECT_GE(64, after.faults - before.faults);
	TH_LOG("%lu storms, %lu rounds of the device", rounds, s.rounds);
}

TEST_F(invalidate, under_the_stream)
{
	char *p = map_anon(BYTES);
	struct stream s = { .p = p, .size = BYTES };
	unsigned long rounds = 0;

	/* The pages themselves go, one, some or all; the device writes them anew */
	ASSERT_EQ(0, stream_start(&self->t, &s));
	while (test_now() < self->end) {
		size_t page = rounds * 7 % PAGES, n = rounds % 13 ? rounds % 5 + 1 : PAGES - page;

		if (page + n > PAGES)
			n = PAGES - page;
		EXPECT_EQ(0, madvise(p + page * PAGE, n * PAGE, MADV_DONTNEED));
		rounds++;
	}
	EXPECT_EQ(0, stream_stop(&s));
	/* Quiet now: a last round is right everywhere */
	ASSERT_EQ(0, dev_fill(&self->t, p, BYTES, 0x4711));
	for (rounds = 0; rounds < BYTES / 8; rounds++) {
		ASSERT_EQ(0x4711, ((uint64_t *)p)[rounds]);
	}
}

TEST_F(invalidate, pages_given_back_are_not_written_to)
{
	char *p = map_anon(BYTES), *canary;
	struct stream s = { .p = p, .size = BYTES };
	unsigned long rounds = 0;
	ssize_t at = -1;

	/*
	 * What DONTNEED frees the next allocation gets, most likely.  A write
	 * that still goes to where the page was hits the canary.
	 */
	ASSERT_EQ(0, stream_start(&self->t, &s));
	while (test_now() < self->end && at < 0) {
		EXPECT_EQ(0, madvise(p, BYTES, MADV_DONTNEED));
		canary = map_anon(BYTES);
		memset(canary, 0xc5, BYTES);
		at = check_bytes(canary, BYTES, 0xc5);
		munmap(canary, BYTES);
		rounds++;
	}
	EXPECT_EQ(-1, at);
	EXPECT_EQ(0, stream_stop(&s));
	TH_LOG("%lu canaries, %lu rounds of the device", rounds, s.rounds);
}

TEST_F(invalidate, protection_to_and_fro_under_a_reader)
{
	char *p = map_anon(BYTES);
	struct stream s = { .p = p, .size = BYTES, .read_only = true };
	struct drm_vsvm_stats before, after;
	unsigned long rounds = 0;
	size_t i;

	fill_pattern(p, BYTES, 5);
	for (i = 0; i < BYTES / 8; i++)
		s.expected += ((uint64_t *)p)[i];
	ASSERT_EQ(0, dev_touch_read(&self->t, p, BYTES));
	before = test_stats(&self->t);
	ASSERT_EQ(0, stream_start(&self->t, &s));
	while (test_now() < self->end) {
		size_t page = rounds * 11 % (PAGES - 8);

		ASSERT_EQ(0, mprotect(p + page * PAGE, 8 * PAGE, PROT_READ));
		ASSERT_EQ(0, mprotect(p + page * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE));
		rounds++;
	}
	after = test_stats(&self->t);
	EXPECT_EQ(0, stream_stop(&s));
	/* Reading lost nothing, and so faulted for nothing (its own area aside) */
	EXPECT_GE(32, after.faults - before.faults);
	EXPECT_EQ(0, after.zapped_4k - before.zapped_4k);
}

TEST_F(invalidate, copy_on_write_storm)
{
	char *p = map_anon(BYTES);
	struct stream s = { .p = p, .size = BYTES, .verify = true };
	unsigned long rounds = 0;

	ASSERT_EQ(0, stream_start(&self->t, &s));
	while (test_now() < self->end) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			/* Breaks the sharing of some from its side */
			memset(p + rounds % PAGES * PAGE, 1, PAGE);
			_exit(0);
		}
		EXPECT_EQ(0, wait_child(pid));
		rounds++;
	}
	EXPECT_EQ(0, stream_stop(&s));
}

TEST_F(invalidate, unmapping_and_mapping_next_to_the_stream)
{
	/* Hole and mapping alternate around pages that stay */
	char *p = map_anon(3 * BYTES);
	struct stream s = { .p = p + BYTES, .size = BYTES, .verify = true };
	unsigned long rounds = 0;

	ASSERT_EQ(0, stream_start(&self->t, &s));
	while (test_now() < self->end) {
		char *side = rounds % 2 ? p : p + 2 * BYTES;

		ASSERT_EQ(0, munmap(side, BYTES));
		ASSERT_EQ(side, mmap(side, BYTES, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
		memset(side + rounds % PAGES * PAGE, 1, PAGE);
		ASSERT_EQ(0, dev_store64(&self->t, side + rounds * 3 % PAGES * PAGE, rounds));
		EXPECT_EQ(rounds, *(uint64_t *)(side + rounds * 3 % PAGES * PAGE));
		rounds++;
	}
	EXPECT_EQ(0, stream_stop(&s));
}

TEST_F(invalidate, huge_pages_come_and_go)
{
	char *p = map_aligned(2 * HUGE);
	struct stream s = { .p = p, .size = 2 * HUGE };
	unsigned long rounds = 0;

	ASSERT_EQ(0, madvise(p, 2 * HUGE, MADV_HUGEPAGE));
	ASSERT_EQ(0, stream_start(&self->t, &s));
	while (test_now() < self->end) {
		char *block = p + rounds % 2 * HUGE;

		switch (rounds % 6) {
		case 0:
			madvise(block, HUGE, MADV_DONTNEED);
			break;
		case 1:
			madvise(block + 100 * PAGE, PAGE, MADV_DONTNEED);
			break;
		case 2:
			madvise(block, HUGE, 25 /* MADV_COLLAPSE */);
			break;
		case 3:
			ASSERT_EQ(0, mprotect(block + 50 * PAGE, PAGE, PROT_READ | PROT_WRITE |
					      PROT_EXEC));
			break;
		case 4:
			ASSERT_EQ(0, mprotect(block, HUGE, PROT_READ | PROT_WRITE));
			break;
		default:
			madvise(block, HUGE, MADV_PAGEOUT);
		}
		rounds++;
	}
	EXPECT_EQ(0, stream_stop(&s));
	ASSERT_EQ(0, dev_fill(&self->t, p, 2 * HUGE, 99));
	EXPECT_EQ(99, *(uint64_t *)(p + 100 * PAGE));
	EXPECT_EQ(99, *(uint64_t *)(p + 2 * HUGE - 8));
}

/* --- several of all that --- */

struct storm {
	char *p;
	uint64_t end;
	unsigned int kind;
	unsigned long rounds;
	pthread_t thread;
};

static void *blow(void *arg)
{
	struct storm *storm = arg;

	do {
		char *p;

		switch (storm->kind) {
		case 0:
			memset(storm->p, 1, 16 * PAGE);
			madvise(storm->p, 16 * PAGE, MADV_DONTNEED);
			break;
		case 1:
			p = map_anon(64 * PAGE);
			memset(p, 2, 64 * PAGE);
			munmap(p, 64 * PAGE);
			break;
		case 2:
			mprotect(storm->p, 16 * PAGE, PROT_READ);
			mprotect(storm->p, 16 * PAGE, PROT_READ | PROT_WRITE);
			break;
		default:
			p = mremap(storm->p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
			if (p != MAP_FAILED)
				storm->p = mremap(p, 32 * PAGE, 16 * PAGE, 0);
		}
		storm->rounds++;
	} while (test_now() < storm->end);
	return NULL;
}

TEST_F_LONG(invalidate, four_storms_and_four_streams, 90)
{
	struct storm storms[4] = { { .kind = 0 }, { .kind = 1 }, { .kind = 2 }, { .kind = 3 } };
	struct stream streams[4] = { { .verify = true }, { .verify = true }, { .verify = true },
				     { .verify = true } };
	char *p = map_anon(4 * (BYTES + 16 * PAGE));
	int i;

	for (i = 0; i < 4; i++) {
		streams[i].p = p + i * (BYTES + 16 * PAGE);
		streams[i].size = BYTES;
		storms[i].p = streams[i].p + BYTES;
		storms[i].end = self->end;
		ASSERT_EQ(0, stream_start(&self->t, &streams[i]));
		ASSERT_EQ(0, pthread_create(&storms[i].thread, NULL, blow, &storms[i]));
	}
	for (i = 0; i < 4; i++)
		pthread_join(storms[i].thread, NULL);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, stream_stop(&streams[i]));
		EXPECT_LT(0, storms[i].rounds);
	}
}

TEST_HARNESS_MAIN
