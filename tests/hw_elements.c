// SPDX-License-Identifier: MIT
/*
 * What each packet does: SUM, GATHER, CHASE, ADD, and all of them on memory
 * that is not there yet.
 */
#include "vsvm_harness.h"

FIXTURE(elements)
{
	struct test_vm t;
	unsigned char *a;
};

#define SIZE	(64 * PAGE)

FIXTURE_SETUP(elements)
{
	ASSERT_EQ(0, test_open(&self->t));
	self->a = map_anon(SIZE);
	fill_pattern(self->a, SIZE, 1);
}

FIXTURE_TEARDOWN(elements)
{
	EXPECT_EQ(0, test_close(&self->t));
}

static uint64_t load(const unsigned char *p, uint32_t width)
{
	return width == 4 ? *(const uint32_t *)p : *(const uint64_t *)p;
}

/* --- SUM --- */

TEST_F(elements, sum_with_every_stride)
{
	static const struct {
		uint64_t count;
		uint64_t stride;
	} cases[] = {
		{ 0, 8 }, { 1, 8 }, { 2, 8 }, { 511, 8 }, { 512, 8 }, { 513, 8 }, { 5000, 8 },
		{ 1000, 16 }, { 1000, 24 }, { 300, 40 }, { 100, 1000 }, { 63, 4088 }, { 64, 4096 },
		{ 60, 4104 }, { 20, 12288 }, { 3, 65536 }, { 1, 1ull << 40 },
	};
	uint32_t width, i;
	uint64_t j, want;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (width = 4; width <= 8; width += 4) {
			want = 0;
			for (j = 0; j < cases[i].count; j++)
				want += load(self->a + 8 + j * cases[i].stride, width);
			self->t.out[0] = 77;
			put_sum(&self->t.q, self->a + 8, cases[i].count, cases[i].stride, width,
				self->t.out);
			ASSERT_EQ(0, test_run(&self->t.q));
			ASSERT_EQ(want, *(volatile uint64_t *)self->t.out)
				TH_LOG("count %llu stride %llu width %u",
				       (long long)cases[i].count, (long long)cases[i].stride,
				       width);
		}
	}
	/* A stride of four bytes is one of width four only */
	want = 0;
	for (j = 0; j < 3000; j++)
		want += load(self->a + 4 + 4 * j, 4);
	put_sum(&self->t.q, self->a + 4, 3000, 4, 4, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(want, *(volatile uint64_t *)self->t.out);
}

TEST_F(elements, sum_of_four_bytes_is_unsigned_and_does_not_wrap)
{
	memset(self->a, 0xff, PAGE);
	put_sum(&self->t.q, self->a, PAGE / 4, 4, 4, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(PAGE / 4 * 0xffffffffull, *(volatile uint64_t *)self->t.out);
	put_sum(&self->t.q, self->a, 3, 8, 8, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(-3ull, *(volatile uint64_t *)self->t.out);
}

/* --- GATHER --- */

static void put_gather(struct test_queue *q, const void *dst, const void *src, const void *index,
		       uint64_t count, uint32_t width, uint32_t index_width)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_GATHER);

	packet->gather.dst = (uintptr_t)dst;
	packet->gather.src = (uintptr_t)src;
	packet->gather.index = (uintptr_t)index;
	packet->gather.count = count;
	packet->gather.width = width;
	packet->gather.index_width = index_width;
}

TEST_F(elements, gather_of_all_widths)
{
	enum { COUNT = 3000 };
	unsigned char *to = map_anon(COUNT * 8 + PAGE), *index = map_anon(COUNT * 8 + PAGE);
	uint32_t width, index_width;
	uint64_t seed = 99;
	int i;

	for (width = 4; width <= 8; width += 4) {
		for (index_width = 4; index_width <= 8; index_width += 4) {
			for (i = 0; i < COUNT; i++) {
				uint64_t n = test_random(&seed) % (SIZE / width);

				if (index_width == 4)
					((uint32_t *)index)[i + 1] = n;
				else
					((uint64_t *)index)[i + 1] = n;
			}
			memset(to, 0, COUNT * 8 + PAGE);
			put_gather(&self->t.q, to + width, self->a, index + index_width, COUNT, width,
				   index_width);
			ASSERT_EQ(0, test_run(&self->t.q));
			for (i = 0; i < COUNT; i++) {
				uint64_t n = load(index + (i + 1) * index_width, index_width);

				ASSERT_EQ(load(self->a + n * width, width),
					  load(to + (i + 1) * width, width));
			}
			EXPECT_EQ(-1, check_bytes(to, width, 0));
			EXPECT_EQ(-1, check_bytes(to + (COUNT + 1) * width, 64, 0));
		}
	}
}

TEST_F(elements, gather_names_the_element_that_is_not_there)
{
	uint64_t *index = map_anon(PAGE), *to = map_anon(PAGE);
	char *hole = map_anon(3 * PAGE);

	ASSERT_EQ(0, munmap(hole + PAGE, PAGE));
	index[0] = 1;
	index[1] = (PAGE + 24) / 8;
	put_gather(&self->t.q, to, hole, index, 2, 8, 8);
	EXPECT_NE(0, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, hole + PAGE + 24,
				  DRM_VSVM_ACCESS_READ));
	/* An index that leads out of all address space */
	index[1] = 1ull << 60;
	put_gather(&self->t.q, to, hole, index, 2, 8, 8);
	EXPECT_NE(0, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_ADDRESS, EFAULT,
				  hole + (1ull << 63), DRM_VSVM_ACCESS_READ));
	put_gather(&self->t.q, to, hole, index, 0, 8, 8);
	EXPECT_EQ(0, test_run(&self->t.q));
}

/* --- CHASE --- */

struct node {
	uint64_t value;
	struct node *next;
	char room[48];
};

static void put_chase(struct test_queue *q, const void *first, uint64_t max, bool sum,
		      const void *result)
{
	struct vsvm_packet *packet = put(q, VSVM_PACKET_CHASE);

	packet->chase.first = (uintptr_t)first;
	packet->chase.next_offset = offsetof(struct node, next);
	packet->chase.max_nodes = max;
	packet->chase.result = (uintptr_t)result;
	if (sum) {
		packet->flags = VSVM_PACKET_F_CHASE_SUM;
		packet->chase.value_offset = offsetof(struct node, value);
	}
}

/* A chain through all of the memory in random order; returns its first node */
static struct node *chain(unsigned char *p, size_t size, uint64_t *sum)
{
	size_t n = size / sizeof(struct node), i, j;
	struct node *nodes = (struct node *)p;
	size_t *order = calloc(n, sizeof(*order));
	uint64_t seed = 4711;
	struct node *first;

	if (!order)
		abort();
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n - 1; i; i--) {
		size_t other;

		j = test_random(&seed) % (i + 1);
		other = order[i];
		order[i] = order[j];
		order[j] = other;
	}
	*sum = 0;
	for (i = 0; i < n; i++) {
		nodes[order[i]].value = test_pattern(6, i);
		*sum += test_pattern(6, i);
		nodes[order[i]].next = i + 1 < n ? &nodes[order[i + 1]] : NULL;
	}
	first = &nodes[order[0]];
	free(order);
	return first;
}

TEST_F(elements, chase_to_the_end)
{
	volatile struct vsvm_chase_result *result = (void *)self->t.out;
	struct node *first, *last;
	uint64_t sum;

	first = chain(self->a, SIZE, &sum);
	for (last = first; last->next; last = last->next)
		;
	put_chase(&self->t.q, first, ~0ull, true, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ((uintptr_t)last, result->last);
	EXPECT_EQ(SIZE / sizeof(struct node), result->nodes);
	EXPECT_EQ(sum, result->sum);
	/* Without the flag nothing is added up */
	put_chase(&self->t.q, first, ~0ull, false, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(SIZE / sizeof(struct node), result->nodes);
	EXPECT_EQ(0, result->sum);
}

TEST_F(elements, chase_stops_where_it_is_told)
{
	volatile struct vsvm_chase_result *result = (void *)self->t.out;
	struct node *first, *node;
	uint64_t sum, want = 0;
	int i;

	first = chain(self->a, SIZE, &sum);
	for (i = 0, node = first; i < 99; i++, node = node->next)
		want += node->value;
	want += node->value;
	put_chase(&self->t.q, first, 100, true, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ((uintptr_t)node, result->last);
	EXPECT_EQ(100, result->nodes);
	EXPECT_EQ(want, result->sum);
	put_chase(&self->t.q, first, 1, true, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ((uintptr_t)first, result->last);
	EXPECT_EQ(first->value, result->sum);
}

TEST_F(elements, chase_of_nothing)
{
	volatile struct vsvm_chase_result *result = (void *)self->t.out;

	memset(self->t.out, 0xff, sizeof(*result));
	put_chase(&self->t.q, NULL, 100, true, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0, result->last);
	EXPECT_EQ(0, result->nodes);
	EXPECT_EQ(0, result->sum);
	memset(self->t.out, 0xff, sizeof(*result));
	put_chase(&self->t.q, self->a, 0, true, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0, result->nodes);
}

TEST_F(elements, chase_in_a_circle)
{
	volatile struct vsvm_chase_result *result = (void *)self->t.out;
	struct node *nodes = (struct node *)self->a;
	int i;

	for (i = 0; i < 3; i++) {
		nodes[i].value = i + 1;
		nodes[i].next = &nodes[(i + 1) % 3];
	}
	put_chase(&self->t.q, nodes, 100000, true, self->t.out);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(100000, result->nodes);
	EXPECT_EQ(33333 * 6 + 1, result->sum);
	EXPECT_EQ((uintptr_t)&nodes[0], result->last);
}

TEST_F(elements, endless_chase_gives_way)
{
	struct node *nodes = (struct node *)self->a;
	struct test_queue others[8];
	unsigned int i;

	/* A circle without a limit runs until its queue is destroyed, and others run too */
	nodes->next = nodes;
	put_chase(&self->t.q, nodes, ~0ull, false, self->t.out);
	ASSERT_EQ(0, test_submit(&self->t.q));
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &others[i]));
		put_store64(&others[i], self->a + PAGE + 8 * i, i);
		EXPECT_EQ(0, test_run(&others[i]));
		test_queue_close(&others[i]);
	}
	EXPECT_EQ(0, test_queue_renew(&self->t.q));
	EXPECT_EQ(0, dev_store64(&self->t, self->a, 1));
}

TEST_F(elements, chase_names_the_node_that_is_not_there)
{
	struct node *nodes = (struct node *)self->a;
	char *hole = map_anon(PAGE);

	ASSERT_EQ(0, munmap(hole, PAGE));
	nodes[0].next = &nodes[1];
	nodes[1].next = (struct node *)(hole + 512);
	put_chase(&self->t.q, nodes, 100, false, self->t.out);
	EXPECT_NE(0, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, hole + 512 + 8,
				  DRM_VSVM_ACCESS_READ));
	put_chase(&self->t.q, nodes, 100, true, self->t.out);
	EXPECT_NE(0, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_NO_MAPPING, EFAULT, hole + 512,
				  DRM_VSVM_ACCESS_READ));
	/* A pointer that is none */
	nodes[1].next = (struct node *)0xdead000000000000ull;
	put_chase(&self->t.q, nodes, 100, false, self->t.out);
	EXPECT_NE(0, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_ADDRESS, EFAULT,
				  (void *)(0xdead000000000000ull + 8), DRM_VSVM_ACCESS_READ));
	nodes[1].next = (struct node *)((char *)nodes + 3);
	put_chase(&self->t.q, nodes, 100, false, self->t.out);
	EXPECT_NE(0, test_run(&self->t.q));
	EXPECT_EQ(0, expect_fault(&self->t.q, DRM_VSVM_FAULT_MISALIGNED, EINVAL,
				  (char *)nodes + 3 + 8, DRM_VSVM_ACCESS_READ));
}

/* --- ADD --- */

TEST_F(elements, add_of_both_widths)
{
	unsigned char *b = map_anon(SIZE), *c = map_anon(SIZE);
	uint32_t width;
	size_t i, count;

	fill_pattern(b, SIZE, 2);
	for (width = 4; width <= 8; width += 4) {
		struct vsvm_packet *packet = put(&self->t.q, VSVM_PACKET_ADD);

		/* All three at different places of their pages */
		count = (SIZE - 256) / width;
		packet->add.dst = (uintptr_t)c + 3 * width;
		packet->add.a = (uintptr_t)self->a + width;
		packet->add.b = (uintptr_t)b + 16 * width;
		packet->add.count = count;
		packet->add.width = width;
		memset(c, 0, SIZE);
		ASSERT_EQ(0, test_run(&self->t.q));
		for (i = 0; i < count; i++) {
			uint64_t want = load(self->a + (i + 1) * width, width) +
					load(b + (i + 16) * width, width);

			if (width == 4)
				want = (uint32_t)want;
			ASSERT_EQ(want, load(c + (i + 3) * width, width));
		}
		EXPECT_EQ(-1, check_bytes(c, 3 * width, 0));
		EXPECT_EQ(-1, check_bytes(c + (count + 3) * width, 64, 0));
	}
}

TEST_F(elements, add_in_place)
{
	struct vsvm_packet *packet = put(&self->t.q, VSVM_PACKET_ADD);
	size_t i;

	packet->add.dst = (uintptr_t)self->a;
	packet->add.a = (uintptr_t)self->a;
	packet->add.b = (uintptr_t)self->a;
	packet->add.count = SIZE / 8;
	packet->add.width = 8;
	ASSERT_EQ(0, test_run(&self->t.q));
	for (i = 0; i < SIZE / 8; i++) {
		ASSERT_EQ(2 * test_pattern(1, i), ((uint64_t *)self->a)[i]);
	}
}

/* --- all operands absent --- */

TEST_F(elements, every_operand_faults_in)
{
	/* Each result and each source on memory that nobody has touched */
	char *p = map_anon(64 * PAGE);
	struct vsvm_packet *packet;
	int i = 0;

	put_sum(&self->t.q, p + i * PAGE, 4, PAGE, 8, p + (i + 5) * PAGE);
	i += 6;
	put_gather(&self->t.q, p + i * PAGE, p + (i + 1) * PAGE, p + (i + 2) * PAGE, 300, 8, 8);
	i += 3;
	put_chase(&self->t.q, p + i * PAGE, 10, true, p + (i + 1) * PAGE);
	i += 2;
	put_crc(&self->t.q, p + i * PAGE + 1, 2 * PAGE, 0, p + (i + 3) * PAGE);
	i += 4;
	put_atomic(&self->t.q, VSVM_ATOMIC_INC, 8, p + i * PAGE, 0, 0, p + (i + 1) * PAGE);
	i += 2;
	packet = put(&self->t.q, VSVM_PACKET_ADD);
	packet->add.dst = (uintptr_t)p + i * PAGE;
	packet->add.a = (uintptr_t)p + (i + 2) * PAGE;
	packet->add.b = (uintptr_t)p + (i + 4) * PAGE;
	packet->add.count = 1000;
	packet->add.width = 8;
	i += 6;
	put_copy(&self->t.q, p + i * PAGE + 5, p + (i + 3) * PAGE + 9, 2 * PAGE);
	i += 6;
	put_fill(&self->t.q, p + i * PAGE + 77, 2 * PAGE, ~0ull);
	i += 3;
	put_fence(&self->t.q, p + i * PAGE, 12);
	ASSERT_EQ(0, test_run(&self->t.q));
	EXPECT_EQ(0, *(uint64_t *)(p + 5 * PAGE));
	EXPECT_EQ(1, ((struct vsvm_chase_result *)(p + 10 * PAGE))->nodes);
	EXPECT_EQ(crc32c(0, p + 11 * PAGE + 1, 2 * PAGE), *(uint32_t *)(p + 14 * PAGE));
	/* Done once, though it took two faults to get there */
	EXPECT_EQ(1, *(uint64_t *)(p + 15 * PAGE));
	EXPECT_EQ(0, *(uint64_t *)(p + 16 * PAGE));
	EXPECT_EQ(-1, check_bytes(p + 29 * PAGE + 77, 2 * PAGE, 0xff));
	EXPECT_EQ(12, *(uint64_t *)(p + 32 * PAGE));
}

TEST_HARNESS_MAIN
