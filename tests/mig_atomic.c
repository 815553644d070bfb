// SPDX-License-Identifier: MIT
/*
 * Atomic operations of a device that must have a page for itself, on memory that
 * the CPU works on at the same time.
 *
 * Every increment, of either side, notes what it found.  If none was lost, the
 * notes are all the numbers from 0 on, each once; and who found which tells how
 * often the page has changed hands.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BATCH	64
#define MOST	(1u << 20)

FIXTURE(atomic)
{
	struct test_vm t;
	struct test_vm exclusive;
};

FIXTURE_SETUP(atomic)
{
	ASSERT_EQ(0, test_open(&self->t));
	ASSERT_EQ(0, test_open_on(&self->exclusive, self->t.dev, DRM_VSVM_VM_EXCLUSIVE_ATOMICS));
}

FIXTURE_TEARDOWN(atomic)
{
	EXPECT_EQ(0, test_close(&self->exclusive));
	EXPECT_EQ(0, test_close(&self->t));
}

struct cpu {
	volatile uint64_t *counter;
	uint64_t *found;
	volatile uint32_t count;
	volatile uint32_t stop;
};

static void *cpu(void *arg)
{
	struct cpu *c = arg;

	volatile unsigned int i;

	while (!c->stop && c->count < MOST) {
		c->found[c->count] = __atomic_fetch_add(c->counter, 1, __ATOMIC_SEQ_CST);
		c->count++;
		for (i = 0; i < 200; i++)
			;
	}
	return NULL;
}

/* Writes who into owner[value] for each note; 1 if one is out of range or taken */
static int enter(uint8_t *owner, size_t total, const uint64_t *found, size_t n, uint8_t who)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (found[i] >= total || owner[found[i]]) {
			fprintf(stderr, "# %s found %lu of %zu%s\n", who == 1 ? "the CPU" : "the device",
				(unsigned long)found[i], total,
				found[i] < total ? ", as somebody else did" : "");
			return 1;
		}
		owner[found[i]] = who;
	}
	return 0;
}

static size_t changes_hands(const uint8_t *owner, size_t total)
{
	size_t i, n = 0;

	for (i = 1; i < total; i++)
		n += owner[i] != owner[i - 1];
	return n;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Increments of somebody else's in the middle of a batch of the device's */
static size_t gaps(uint64_t *found)
{
	size_t i, n = 0;

	qsort(found, BATCH, sizeof(*found), ascending);
	for (i = 1; i < BATCH; i++)
		n += found[i] > found[i - 1] + 1;
	return n;
}

/* A batch that takes its time, so that there is something to come in between */
static int batch(struct test_vm *t, volatile uint64_t *counter, volatile uint64_t *old)
{
	size_t i;

	for (i = 0; i < BATCH; i++) {
		put_atomic(&t->q, VSVM_ATOMIC_INC, 8, counter, 0, 0, &old[i]);
		if (i % 8 == 7) {
			put_barrier(&t->q);
			put_spin(&t->q, 50000);
			put_barrier(&t->q);
		}
	}
	return test_run(&t->q);
}

/* Both sides increment at once, until the page has changed hands often enough */
static int race(struct test_vm *t, volatile uint64_t *counter, unsigned int wanted,
		unsigned int threads)
{
	uint64_t *device = calloc(MOST, sizeof(*device));
	volatile uint64_t *old = map_shared(BATCH * 8);
	struct cpu c[4] = {};
	pthread_t thread[4];
	uint64_t since = 0;
	size_t n = 0, total, hands = 0, i;
	uint8_t *owner = NULL;
	int bad = 0;

	*counter = 0;
	for (i = 0; i < threads; i++) {
		c[i].counter = counter;
		c[i].found = calloc(MOST, sizeof(uint64_t));
		if (!c[i].found || pthread_create(&thread[i], NULL, cpu, &c[i]))
			return __LINE__;
	}
	do {
		if (batch(t, counter, old))
			bad = __LINE__;
		for (i = 0; i < BATCH; i++)
			device[n + i] = old[i];
		hands += gaps(device + n);
		n += BATCH;
	} while (!bad && n + BATCH <= MOST && hands < wanted && test_patient(&since));
	if (!bad && hands < wanted) {
		fprintf(stderr, "# only %zu times has the CPU come in between\n", hands);
		bad = __LINE__;
	}
	for (i = 0; i < threads; i++)
		c[i].stop = 1;
	for (i = 0, total = n; i < threads; i++) {
		pthread_join(thread[i], NULL);
		total += c[i].count;
	}
	if (!bad && *counter != total) {
		fprintf(stderr, "# %lu instead of %zu\n", (unsigned long)*counter, total);
		bad = __LINE__;
	}
	owner = calloc(total + 1, 1);
	if (!bad && enter(owner, total, device, n, 2))
		bad = __LINE__;
	for (i = 0; i < threads; i++) {
		if (!bad && enter(owner, total, c[i].found, c[i].count, 1))
			bad = __LINE__;
		free(c[i].found);
	}
	if (!bad && changes_hands(owner, total) < wanted)
		bad = __LINE__;
	free(owner);
	free(device);
	return bad;
}

TEST_F_LONG(atomic, no_update_is_lost_when_both_sides_increment, 120)
{
	uint64_t *p = map_anon(PAGE);
	struct drm_vsvm_stats before = test_stats(&self->exclusive), after;

	ASSERT_EQ(0, race(&self->exclusive, p + 17, 20, 1));
	after = test_stats(&self->exclusive);
	/* Each time that the device had it, it had to take it */
	EXPECT_LE(10, after.exclusive - before.exclusive);
}

TEST_F_LONG(atomic, several_cpus_and_the_device, 120)
{
	uint64_t *p = map_anon(PAGE);

	ASSERT_EQ(0, race(&self->exclusive, p, 20, 3));
}

TEST_F_LONG(atomic, without_exclusive_access_too, 120)
{
	uint64_t *p = map_anon(PAGE);

	ASSERT_EQ(0, race(&self->t, p, 20, 2));
	EXPECT_EQ(0, test_stats(&self->t).exclusive);
}

TEST_F(atomic, part_of_a_huge_page)
{
	char *p = map_huge(HUGE);

	REQUIRE(p, "no huge pages to be had");
	fill_pattern(p, HUGE, 1);
	ASSERT_EQ(0, race(&self->exclusive, (uint64_t *)(p + 100 * PAGE), 10, 1));
	*(uint64_t *)(p + 100 * PAGE) = test_pattern(1, 100 * PAGE / 8);
	EXPECT_EQ(-1, check_pattern(p, HUGE, 1));
}

TEST_F(atomic, on_pages_of_the_device_and_after_their_return)
{
	uint64_t *p = map_aligned(HUGE);
	unsigned int i;

	REQUIRE(vsvm_info(self->t.dev)->vram_bytes, "no device memory");
	fill_pattern(p, HUGE, 2);
	*p = 0;
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, vsvm_prefetch(self->exclusive.vm, p, HUGE,
					   i % 2 ? DRM_VSVM_PLACE_DEVICE : DRM_VSVM_PLACE_SYSTEM));
		ASSERT_EQ(0, dev_atomic(&self->exclusive, VSVM_ATOMIC_INC, 8, p, 0, 0, NULL));
		/* A device that holds the page for itself must still let it be moved */
		ASSERT_EQ(0, vsvm_prefetch(self->exclusive.vm, p, HUGE, DRM_VSVM_PLACE_DEVICE));
		EXPECT_EQ(2 * i + 1, __atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST));
	}
	*p = test_pattern(2, 0);
	EXPECT_EQ(-1, check_pattern(p, HUGE, 2));
}

TEST_HARNESS_MAIN
