// SPDX-License-Identifier: MIT
/*
 * A batch against a model: an array of bytes for each page of an arena. The CPU
 * and two queues do things to the arena, through batches that come and go, with
 * aliases, and through the mirror; after each round all that can be seen must be
 * what the array says. VSVM_TEST_SEED repeats a run.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "vsvm_harness.h"
#include "vsvm_userptr.h"

#define PAGES		192
#define BATCHES		3
#define MOST_RANGES	96
#define MOST_PAGES	256
#define STEP		(1ull << 32)

struct batch {
	bool bound;
	bool read_only;
	unsigned int pages;
	/* Page of the arena behind each page of the batch; -1: unbound since */
	int page[MOST_PAGES];
};

struct model {
	struct test_vm *t;
	struct test_queue *q;
	uint64_t seed;
	char *arena;
	uint8_t (*page)[PAGE];
	bool writable[PAGES];
	bool there[PAGES];
	struct batch batch[BATCHES];
	unsigned long round;
	const char *last;
	bool failed;
};

static uint64_t roll(struct model *m, uint64_t n)
{
	return test_random(&m->seed) % n;
}

static char *at(struct model *m, unsigned int page)
{
	return m->arena + page * PAGE;
}

static uint64_t base(unsigned int b)
{
	return BATCH_AT + b * STEP;
}

static void wrong(struct model *m, const char *what, unsigned int n)
{
	if (!m->failed)
		fprintf(stderr, "# round %lu, after %s: %s %u\n", m->round, m->last, what, n);
	m->failed = true;
}

/* --- batches --- */

static void do_bind(struct model *m)
{
	unsigned int b = roll(m, BATCHES), n = 1 + roll(m, MOST_RANGES), i, k, size;
	struct batch *batch = &m->batch[b];
	struct iovec iov[MOST_RANGES];
	uint32_t flags = roll(m, 2) ? DRM_VSVM_BIND_IMMEDIATE : 0;

	m->last = "bind";
	if (batch->bound) {
		/* All of it, whatever is left */
		if (batch_unbind(m->t, base(b), MOST_PAGES * PAGE))
			wrong(m, "unbind", b);
		batch->bound = false;
	}
	batch->pages = 0;
	batch->read_only = !roll(m, 4);
	for (i = 0; i < n; i++) {
		unsigned int first = roll(m, PAGES);

		size = 1 + roll(m, roll(m, 4) ? 3 : 16);
		if (size > PAGES - first)
			size = PAGES - first;
		if (batch->pages + size > MOST_PAGES)
			break;
		iov[i] = (struct iovec) { at(m, first), size * PAGE };
		for (k = 0; k < size; k++)
			batch->page[batch->pages++] = first + k;
	}
	if (!i)
		return;
	for (k = batch->pages; k < MOST_PAGES; k++)
		batch->page[k] = -1;
	if (batch->read_only)
		flags |= DRM_VSVM_BIND_READ_ONLY;
	if (batch_bind_at(m->t, base(b), iov, i, flags, NULL))
		wrong(m, "bind", b);
	batch->bound = true;
}

static void do_unbind_part(struct model *m)
{
	unsigned int b = roll(m, BATCHES), first, n, k;
	struct batch *batch = &m->batch[b];
	bool any = false;

	if (!batch->bound)
		return;
	m->last = "unbind of a part";
	first = roll(m, batch->pages);
	n = 1 + roll(m, batch->pages - first);
	n = n > 8 ? 8 : n;
	for (k = first; k < first + n; k++) {
		any |= batch->page[k] >= 0;
		batch->page[k] = -1;
	}
	if (batch_unbind(m->t, base(b) + first * PAGE, n * PAGE) != (any ? 0 : -ENOENT))
		wrong(m, "unbind of a part", first);
	/* Nothing left is nothing bound */
	for (k = 0; k < batch->pages && batch->page[k] < 0; k++)
		;
	batch->bound = k < batch->pages;
}

/* A page of a batch that may be used: of the arena, or -1 */
static int usable(struct model *m, struct batch *batch, unsigned int k, bool write)
{
	int page = batch->page[k];

	if (page < 0 || !m->there[page] || (write && (!m->writable[page] || batch->read_only)))
		return -1;
	return page;
}

/* A run of up to 12 of them; its length */
static unsigned int choose(struct model *m, unsigned int *b, unsigned int *first, bool write)
{
	unsigned int tries, n;

	for (tries = 0; tries < 20; tries++) {
		struct batch *batch = &m->batch[*b = roll(m, BATCHES)];

		if (!batch->bound)
			continue;
		*first = roll(m, batch->pages);
		for (n = 0; n < 12 && *first + n < batch->pages; n++)
			if (usable(m, batch, *first + n, write) < 0)
				break;
		if (n)
			return 1 + roll(m, n);
	}
	return 0;
}

/* --- the device: one packet, waited for, so that the order is known --- */

static void run(struct model *m, struct test_queue *q, const char *what)
{
	int ret = test_run(q);

	m->last = what;
	if (ret)
		wrong(m, "the device failed", -ret);
}

static bool has_aliases(const struct batch *batch, unsigned int first, unsigned int n)
{
	unsigned int i, k;

	for (i = first; i < first + n; i++)
		for (k = i + 1; k < first + n; k++)
			if (batch->page[i] == batch->page[k])
				return true;
	return false;
}

static void device_fill(struct model *m)
{
	unsigned int b, first, n = choose(m, &b, &first, true), i;
	uint64_t value = test_random(&m->seed);
	size_t from, bytes;

	/* Which of two aliases is written last within one packet is not said */
	if (!n || has_aliases(&m->batch[b], first, n))
		return;
	from = roll(m, PAGE);
	bytes = 1 + roll(m, n * PAGE - from);
	put_fill(m->q, (char *)(uintptr_t)base(b) + first * PAGE + from, bytes, value);
	run(m, m->q, "device fill");
	for (i = 0; i < bytes; i++) {
		size_t byte = from + i;

		m->page[m->batch[b].page[first + byte / PAGE]][byte % PAGE] =
			((uint8_t *)&value)[i % 8];
	}
}

static void device_crc(struct model *m)
{
	unsigned int b, first, n = choose(m, &b, &first, false), i;
	uint32_t crc = 0, device;

	if (!n)
		return;
	m->last = "device checksum";
	if (batch_dev_crc(m->t, base(b) + first * PAGE, n * PAGE, &device))
		wrong(m, "the device failed", b);
	for (i = first; i < first + n; i++)
		crc = crc32c(crc, m->page[m->batch[b].page[i]], PAGE);
	if (crc != device)
		wrong(m, "the device saw something else in batch", b);
}

static void device_mirror(struct model *m)
{
	unsigned int i = roll(m, PAGES);
	uint64_t value = test_random(&m->seed);
	size_t off = roll(m, PAGE / 8) * 8;

	if (!m->there[i] || !m->writable[i])
		return;
	put_store64(m->q, at(m, i) + off, value);
	run(m, m->q, "device store through the mirror");
	memcpy(m->page[i] + off, &value, 8);
}

static void device_atomic(struct model *m)
{
	unsigned int b, first, n = choose(m, &b, &first, true);
	size_t off = roll(m, PAGE / 8) * 8;
	uint64_t value;
	uint8_t *byte;

	if (!n)
		return;
	byte = m->page[m->batch[b].page[first]] + off;
	put_atomic(m->q, VSVM_ATOMIC_ADD, 8, (char *)(uintptr_t)base(b) + first * PAGE + off, 7,
		   0, NULL);
	run(m, m->q, "device atomic");
	memcpy(&value, byte, 8);
	value += 7;
	memcpy(byte, &value, 8);
}

static void device_refused(struct model *m)
{
	unsigned int b = roll(m, BATCHES), k;
	struct batch *batch = &m->batch[b];
	struct drm_vsvm_fault fault;
	bool write = roll(m, 2);
	uint32_t reason;
	int page;

	if (!batch->bound)
		return;
	k = roll(m, batch->pages);
	if (usable(m, batch, k, write) >= 0)
		return;
	page = batch->page[k];
	if (page < 0)
		reason = DRM_VSVM_FAULT_NOT_BOUND;
	else if (write && batch->read_only)
		reason = DRM_VSVM_FAULT_READ_ONLY;
	else if (!m->there[page])
		reason = DRM_VSVM_FAULT_NO_MAPPING;
	else
		reason = DRM_VSVM_FAULT_PERMISSION;
	m->last = "an access to be refused";
	if (write)
		put_store64(m->q, (char *)(uintptr_t)base(b) + k * PAGE, 1);
	else
		put_copy(m->q, m->t->out, (char *)(uintptr_t)base(b) + k * PAGE, 8);
	if (test_run(m->q) != -ECANCELED || test_fault(m->q, &fault))
		wrong(m, "it was not, page", k);
	else if (fault.reason != reason)
		wrong(m, "for another reason", fault.reason);
	if (test_queue_renew(m->q))
		wrong(m, "no queue", 0);
}

/* --- the CPU and core-mm --- */

static unsigned int some(struct model *m, unsigned int *first)
{
	unsigned int n = 1 + roll(m, 8);

	*first = roll(m, PAGES);
	return n > PAGES - *first ? PAGES - *first : n;
}

static void cpu_op(struct model *m)
{
	unsigned int first, n = some(m, &first), i, k;
	bool writable = roll(m, 3);
	size_t off = roll(m, PAGE);

	switch (roll(m, 9)) {
	case 0:
		m->last = "munmap";
		munmap(at(m, first), n * PAGE);
		for (i = first; i < first + n; i++)
			m->there[i] = false;
		return;
	case 1:
	case 2:
		m->last = "mmap";
		if (mmap(at(m, first), n * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			wrong(m, "mmap", first);
		madvise(at(m, first), n * PAGE, MADV_NOHUGEPAGE);
		for (i = first; i < first + n; i++) {
			m->there[i] = true;
			m->writable[i] = true;
			memset(m->page[i], 0, PAGE);
		}
		return;
	case 3:
		for (i = first; i < first + n; i++) {
			if (!m->there[i])
				continue;
			m->last = "mprotect";
			if (mprotect(at(m, i), PAGE, PROT_READ | (writable ? PROT_WRITE : 0)))
				wrong(m, "mprotect", i);
			m->writable[i] = writable;
		}
		return;
	case 4:
		for (i = first; i < first + n; i++) {
			if (!m->there[i])
				continue;
			m->last = "DONTNEED";
			madvise(at(m, i), PAGE, MADV_DONTNEED);
			memset(m->page[i], 0, PAGE);
		}
		return;
	case 5:
		i = roll(m, PAGES);
		if (!m->there[first] || i == first)
			return;
		m->last = "mremap";
		if (mremap(at(m, first), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(m, i)) !=
		    at(m, i))
			wrong(m, "mremap", first);
		memcpy(m->page[i], m->page[first], PAGE);
		m->there[i] = true;
		m->writable[i] = m->writable[first];
		m->there[first] = false;
		return;
	case 6:
		m->last = "PAGEOUT";
		madvise(at(m, first), n * PAGE, MADV_PAGEOUT);
		return;
	case 7:
		m->last = "to the device or back";
		vsvm_prefetch(m->t->vm, at(m, first), n * PAGE,
			      roll(m, 2) ? DRM_VSVM_PLACE_DEVICE : DRM_VSVM_PLACE_SYSTEM);
		return;
	default:
		for (i = first; i < first + n; i++) {
			if (!m->there[i] || !m->writable[i])
				continue;
			m->last = "CPU write";
			for (k = off; k < PAGE; k++)
				m->page[i][k] = (uint8_t)test_pattern(m->round, k);
			memcpy(at(m, i) + off, m->page[i] + off, PAGE - off);
		}
	}
}

static void check(struct model *m)
{
	unsigned int i;

	for (i = 0; i < PAGES && !m->failed; i++)
		if (m->there[i] && memcmp(at(m, i), m->page[i], PAGE))
			wrong(m, "the CPU sees something else in page", i);
}

static void one_round(struct model *m)
{
	switch (roll(m, 16)) {
	case 0:
		do_bind(m);
		break;
	case 1:
		if (!roll(m, 4))
			do_unbind_part(m);
		break;
	case 2:
	case 3:
	case 4:
		device_fill(m);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		device_crc(m);
		break;
	case 9:
		device_atomic(m);
		break;
	case 10:
		device_mirror(m);
		break;
	case 11:
		if (!roll(m, 3))
			device_refused(m);
		break;
	default:
		cpu_op(m);
	}
	if (!(++m->round % 32))
		check(m);
}

FIXTURE(model)
{
	struct test_vm t;
	struct model *m;
};

FIXTURE_SETUP(model)
{
	const char *text = getenv("VSVM_TEST_SEED");
	struct model *m = calloc(1, sizeof(*m));
	unsigned int i;

	ASSERT_NE(NULL, m);
	ASSERT_EQ(0, test_open(&self->t));
	self->m = m;
	m->t = &self->t;
	m->q = &self->t.q;
	m->seed = text ? strtoull(text, NULL, 0) : test_now() | 1;
	m->page = (void *)map_anon(PAGES * PAGE);
	m->arena = map_anon(PAGES * PAGE);
	for (i = 0; i < PAGES; i++) {
		m->there[i] = true;
		m->writable[i] = true;
	}
	swap_on(16);
	TH_LOG("VSVM_TEST_SEED=%llu", (long long)m->seed);
}

FIXTURE_TEARDOWN(model)
{
	if (self->t.vm)
		vsvm_unbind(self->t.vm, BATCH_AT, BATCH_AT, DRM_VSVM_BIND_FORCE);
	EXPECT_EQ(0, test_close(&self->t));
	swap_off();
}

TEST_F_LONG(model, memory_is_what_the_model_says, 120)
{
	uint64_t end = test_now() + test_span(9000);
	struct model *m = self->m;
	unsigned int b;

	for (b = 0; b < BATCHES; b++)
		do_bind(m);
	while (test_now() < end && !m->failed)
		one_round(m);
	check(m);
	EXPECT_EQ(false, m->failed);
	TH_LOG("%lu rounds", m->round);
}

TEST_HARNESS_MAIN
