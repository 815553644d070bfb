// SPDX-License-Identifier: MIT
/*
 * What each packet does: STORE, FILL, COPY, ATOMIC, CRC32C.
 */
#include <pthread.h>

#include "vsvm_harness.h"

FIXTURE(packets)
{
	struct test_vm t;
	/* Two mappings of four pages, and what they should hold */
	unsigned char *a;
	unsigned char *b;
	unsigned char *model;
};

#define SIZE	(4 * PAGE)

FIXTURE_SETUP(packets)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->a = map_anon(SIZE);
	self->b = map_anon(SIZE);
	self->model = map_anon(SIZE);
	fill_pattern(self->a, SIZE, 1);
	fill_pattern(self->b, SIZE, 2);
	memcpy(self->model, self->b, SIZE);
}

FIXTURE_TEARDOWN(packets)
{
	EXPECT_EQ(0, test_close(&self->t));
}

TEST_F(packets, all_that_the_contract_names_are_known)
{
	const struct drm_vsvm_dev_info *info = vsvm_info(self->t.dev);

	EXPECT_EQ((1ull << (VSVM_PACKET_ADD + 1)) - 1, info->packet_set);
}

TEST_F(packets, nop_does_nothing)
{
	struct drm_vsvm_dev_counters before = test_counters(&self->t), after;
	int i;

	for (i = 0; i < 100; i++)
		put(&self->t.q, VSVM_PACKET_NOP);
	ASSERT_EQ(0, test_run(&self->t.q));
	after = test_counters(&self->t);
	EXPECT_LE(100, after.packets - before.packets);
}

TEST_F(packets, store_of_both_widths_at_every_place)
{
	size_t offset;

	for (offset = 0; offset < 128; offset += 4) {
		uint64_t value = test_pattern(3, offset);

		put_store(&self->t.q, self->b + PAGE - 64 + offset, value, 4);
		memcpy(self->model + PAGE - 64 + offset, &value, 4);
	}
	/* In order: packets may overtake one another, barriers may not */
	put_barrier(&self->t.q);
	for (offset = 0; offset < 128; offset += 24) {
		uint64_t value = test_pattern(4, offset);

		put_store(&self->t.q, self->b + PAGE - 64 + offset, value, 8);
		memcpy(self->model + PAGE - 64 + offset, &value, 8);
	}
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0, memcmp(self->b, self->model, SIZE));
}

static void model_fill(unsigned char *to, size_t bytes, uint64_t pattern)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		to[i] = ((unsigned char *)&pattern)[i % 8];
}

TEST_F(packets, fill_of_any_range)
{
	static const size_t lengths[] = { 0, 1, 2, 3, 7, 8, 9, 15, 16, 63, 64, 65, 4095, 4096,
					  4097, 8191, 8192, 8193 };
	uint64_t pattern = 0x0807060504030201ull;
	size_t start;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (start = PAGE - 11; start <= PAGE + 5; start++) {
			pattern += 0x1010101010101010ull;
			put_fill(&self->t.q, self->b + start, lengths[i], pattern);
			put_barrier(&self->t.q);
			model_fill(self->model + start, lengths[i], pattern);
		}
		ASSERT_EQ(0, test_run(&self->t.q));
		ASSERT_EQ(0, memcmp(self->b, self->model, SIZE))
			TH_LOG("length %zu", lengths[i]);
	}
}

TEST_F(packets, copy_of_any_range)
{
	static const size_t lengths[] = { 0, 1, 3, 8, 13, 64, 100, 4095, 4096, 4097, 8189 };
	size_t from, to;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (from = PAGE - 9; from <= PAGE + 3; from += 3) {
			for (to = PAGE - 10; to <= PAGE + 6; to += 4) {
				put_copy(&self->t.q, self->b + to, self->a + from, lengths[i]);
				put_barrier(&self->t.q);
				memcpy(self->model + to, self->a + from, lengths[i]);
			}
		}
		ASSERT_EQ(0, test_run(&self->t.q));
		ASSERT_EQ(0, memcmp(self->b, self->model, SIZE))
			TH_LOG("length %zu", lengths[i]);
	}
	EXPECT_EQ(-1, check_pattern(self->a, SIZE, 1));
}

TEST_F(packets, copy_within_a_page_and_next_to_itself)
{
	/* Ranges that touch but do not overlap */
	ASSERT_EQ(0, dev_copy(&self->t, self->b + 100, self->b, 100));
	memcpy(self->model + 100, self->model, 100);
	ASSERT_EQ(0, dev_copy(&self->t, self->b + 5000, self->b + 5100, 100));
	memcpy(self->model + 5000, self->model + 5100, 100);
	EXPECT_EQ(0, memcmp(self->b, self->model, SIZE));
}

TEST_F(packets, copy_of_megabytes)
{
	const size_t size = 5ul << 20;
	char *from = map_anon(size), *to = map_anon(size + PAGE);

	fill_pattern(from, size, 5);
	ASSERT_EQ(0, dev_copy(&self->t, to + 1234, from, size));
	EXPECT_EQ(-1, check_pattern(to + 1234, size, 5));
	EXPECT_EQ(-1, check_bytes(to, 1234, 0));
	EXPECT_EQ(-1, check_bytes(to + 1234 + size, PAGE - 1234, 0));
}

static uint64_t model_atomic(uint32_t op, uint64_t old, uint64_t operand, uint64_t compare)
{
	switch (op) {
	case VSVM_ATOMIC_ADD:
		return old + operand;
	case VSVM_ATOMIC_INC:
		return old + 1;
	case VSVM_ATOMIC_AND:
		return old & operand;
	case VSVM_ATOMIC_OR:
		return old | operand;
	case VSVM_ATOMIC_XOR:
		return old ^ operand;
	case VSVM_ATOMIC_XCHG:
		return operand;
	default:
		return old == compare ? operand : old;
	}
}

TEST_F(packets, atomics_of_both_widths)
{
	static const uint64_t values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff,
					   0x123456789abcdef0ull, ~0ull };
	uint64_t *word = (uint64_t *)(self->b + PAGE - 8), old;
	uint32_t op, width;
	unsigned int i, j;

	for (op = VSVM_ATOMIC_ADD; op <= VSVM_ATOMIC_CMPXCHG; op++) {
		for (i = 0; i < ARRAY_SIZE(values); i++) {
			for (j = 0; j < ARRAY_SIZE(values); j++) {
				for (width = 4; width <= 8; width += 4) {
					uint64_t mask = width == 4 ? 0xffffffff : ~0ull;
					uint64_t operand = op == VSVM_ATOMIC_INC ? 0 :
							   values[j] & mask;
					uint64_t compare = 0, want;

					/* Once with what is there, else with something else */
					if (op == VSVM_ATOMIC_CMPXCHG)
						compare = (j % 2 ? values[i] : ~values[i]) & mask;
					*word = values[i];
					want = model_atomic(op, values[i] & mask, operand, compare);
					want = (values[i] & ~mask) | (want & mask);
					old = 0x5555555555555555ull;
					ASSERT_EQ(0, dev_atomic(&self->t, op, width, word, operand,
								compare, &old));
					ASSERT_EQ(want, *word)
						TH_LOG("op %u width %u on %llx with %llx", op,
						       width, (long long)values[i],
						       (long long)operand);
					EXPECT_EQ(values[i] & mask, old);
				}
			}
		}
	}
	memcpy(self->model + PAGE - 8, word, 8);
	EXPECT_EQ(0, memcmp(self->b, self->model, SIZE));
}

TEST_F(packets, atomic_of_four_bytes_in_the_upper_half)
{
	uint64_t old = 0;

	*(uint64_t *)self->b = 0x00000001ffffffffull;
	ASSERT_EQ(0, dev_atomic(&self->t, VSVM_ATOMIC_ADD, 4, self->b, 1, 0, &old));
	/* It wraps and does not carry */
	EXPECT_EQ(0x0000000100000000ull, *(uint64_t *)self->b);
	EXPECT_EQ(0xffffffff, old);
	ASSERT_EQ(0, dev_atomic(&self->t, VSVM_ATOMIC_XCHG, 4, self->b + 4, 7, 0, &old));
	EXPECT_EQ(0x0000000700000000ull, *(uint64_t *)self->b);
	EXPECT_EQ(1, (uint32_t)old);
}

TEST_F(packets, old_value_goes_where_it_is_told_and_no_further)
{
	uint64_t *old = (uint64_t *)(self->b + 2 * PAGE - 8);

	*(uint64_t *)self->b = 42;
	put_atomic(&self->t.q, VSVM_ATOMIC_INC, 4, self->b, 0, 0, old);
	ASSERT_EQ(0, test_run(&self->t.q));
	*(uint64_t *)self->model = 43;
	*(uint32_t *)(self->model + 2 * PAGE - 8) = 42;
	EXPECT_EQ(0, memcmp(self->b, self->model, SIZE));
}

struct counter {
	volatile uint64_t *word64;
	volatile uint32_t *word32;
	unsigned long count;
	uint32_t stop;
};

static void *count_along(void *arg)
{
	struct counter *counter = arg;

	while (!__atomic_load_n(&counter->stop, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(counter->word64, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(counter->word32, 1, __ATOMIC_SEQ_CST);
		counter->count++;
	}
	return NULL;
}

TEST_F_LONG(packets, no_update_is_lost_between_device_and_cpu, 60)
{
	struct counter counter = { .word64 = (void *)self->a, .word32 = (void *)(self->a + 8) };
	struct test_queue queues[4];
	unsigned long round, rounds = test_scale(20);
	pthread_t thread;
	unsigned int i, j;

	*counter.word64 = 0;
	*counter.word32 = 0;
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &queues[i]));
	}
	ASSERT_EQ(0, pthread_create(&thread, NULL, count_along, &counter));
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < ARRAY_SIZE(queues); i++) {
			for (j = 0; j < 200; j++) {
				put_atomic(&queues[i], VSVM_ATOMIC_ADD, 8, counter.word64, 3, 0,
					   NULL);
				put_atomic(&queues[i], VSVM_ATOMIC_INC, 4, counter.word32, 0, 0,
					   NULL);
			}
			ASSERT_EQ(0, test_submit(&queues[i]));
		}
		for (i = 0; i < ARRAY_SIZE(queues); i++) {
			ASSERT_EQ(0, test_wait(&queues[i]));
		}
	}
	__atomic_store_n(&counter.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(counter.count + rounds * 4 * 200 * 3, *counter.word64);
	EXPECT_EQ((uint32_t)(counter.count + rounds * 4 * 200), *counter.word32);
	for (i = 0; i < ARRAY_SIZE(queues); i++)
		test_queue_close(&queues[i]);
}

TEST_F(packets, compare_and_exchange_makes_a_lock)
{
	volatile uint64_t *lock = (void *)self->a, *data = (void *)(self->a + PAGE);
	unsigned long i, rounds = test_scale(100);
	uint64_t old;

	/* Ownership goes to and fro between CPU and device, and what it guards with it */
	*lock = 0;
	*data = 0;
	for (i = 0; i < rounds; i++) {
		put_wait(&self->t.q, lock, 1, VSVM_COMPARE_EQ, 0);
		put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, data, 0, 0, NULL);
		put_barrier(&self->t.q);
		put_atomic(&self->t.q, VSVM_ATOMIC_CMPXCHG, 8, lock, 2, 1, self->t.out);
		ASSERT_EQ(0, test_submit(&self->t.q));
		*data = *data + 1;
		__atomic_store_n(lock, 1, __ATOMIC_RELEASE);
		ASSERT_EQ(0, test_wait(&self->t.q));
		old = *(volatile uint64_t *)self->t.out;
		EXPECT_EQ(1, old);
		EXPECT_EQ(2, *lock);
		EXPECT_EQ(2 * (i + 1), *data);
		*lock = 0;
	}
}

TEST_F(packets, crc_is_the_known_one)
{
	static const char nine[] = "123456789";
	uint32_t *result = (uint32_t *)self->t.out;

	memcpy(self->a, nine, 9);
	put_crc(&self->t.q, self->a, 9, 0, result);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0xe3069283, *(volatile uint32_t *)result);
	EXPECT_EQ(0xe3069283, crc32c(0, nine, 9));
}

TEST_F(packets, crc_of_any_range)
{
	static const size_t lengths[] = { 0, 1, 5, 8, 63, 4095, 4096, 4097, 12000 };
	volatile uint32_t *result = (volatile uint32_t *)self->t.out;
	unsigned int i, offset;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (offset = 0; offset < 9; offset += 4) {
			result[1] = 0x99999999;
			put_crc(&self->t.q, self->a + offset, lengths[i], 0, result);
			ASSERT_EQ(0, test_run(&self->t.q));
			EXPECT_EQ(crc32c(0, self->a + offset, lengths[i]), *result);
			EXPECT_EQ(0x99999999, result[1]);
		}
	}
}

TEST_F(packets, crc_in_parts_is_that_of_the_whole)
{
	static const size_t parts[] = { 1, 4095, 3, 5000, 100 };
	volatile uint32_t *result = (volatile uint32_t *)self->t.out;
	uint32_t crc = 0;
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		put_crc(&self->t.q, self->a + at, parts[i], crc, result);
		ASSERT_EQ(0, test_run(&self->t.q));
		crc = *result;
		at += parts[i];
	}
	EXPECT_EQ(crc32c(0, self->a, at), crc);
}

TEST_HARNESS_MAIN
