// SPDX-License-Identifier: MIT
/*
 * A model of memory, byte by byte, and random operations on the real thing by
 * the CPU, the device and core-mm.  In each round the device works on some
 * pages while the CPU changes others; then both are compared with the model.
 *
 * VSVM_TEST_SEED repeats a run.
 */
#include <fcntl.h>
#include <linux/falloc.h>

#include "vsvm_harness.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define PAGES	1024
#define QUEUES	3
#define BATCH	36

enum kind { NOTHING, PRIVATE, SHARED };
enum rights { NONE, READ, WRITE };

struct page {
	enum kind kind;
	enum rights rights;
	/* SHARED: page of the file */
	unsigned int file;
	/* What was done to it last, for whoever has to find out */
	const char *last;
};

/* What a packet of the device is to have computed */
struct expect {
	volatile uint64_t *result;
	uint64_t value;
	unsigned int page;
};

struct model {
	struct test_vm *t;
	struct test_queue queues[QUEUES];
	struct test_queue bad;
	volatile uint64_t *results;
	char *arena;
	int fd;
	bool huge;
	uint64_t seed;
	uint64_t start_seed;
	unsigned long round;
	struct page pages[PAGES];
	uint8_t (*private)[PAGE];
	uint8_t (*shared)[PAGE];
	/* In use by the device in this round: pages of the arena, of the file */
	bool busy[PAGES];
	bool file_busy[PAGES];
	struct expect expect[BATCH];
	unsigned int expected;
	unsigned int hot;
	bool failed;
};

static uint64_t roll(struct model *m, uint64_t n)
{
	return test_random(&m->seed) % n;
}

static uint8_t *content(struct model *m, unsigned int i)
{
	return m->pages[i].kind == SHARED ? m->shared[m->pages[i].file] : m->private[i];
}

static char *at(struct model *m, unsigned int i)
{
	return m->arena + i * PAGE;
}

static void wrong(struct model *m, unsigned int i, const char *what)
{
	static const char * const kinds[] = { "nothing", "private", "shared" };

	if (!m->failed)
		fprintf(stderr, "# VSVM_TEST_SEED=%llu round %lu page %u (%s, rights %d), last %s: %s\n",
			(long long)m->start_seed, m->round, i, kinds[m->pages[i].kind],
			m->pages[i].rights, m->pages[i].last ? m->pages[i].last : "untouched", what);
	m->failed = true;
}

/* --- choosing --- */

static bool in_use(struct model *m, unsigned int i)
{
	return m->busy[i] || (m->pages[i].kind == SHARED && m->file_busy[m->pages[i].file]);
}

static void use(struct model *m, unsigned int i)
{
	m->busy[i] = true;
	if (m->pages[i].kind == SHARED)
		m->file_busy[m->pages[i].file] = true;
}

static unsigned int any_page(struct model *m)
{
	/* Most of what happens happens in the same few places */
	if (roll(m, 4))
		return (m->hot + roll(m, 48)) % PAGES;
	return roll(m, PAGES);
}

/*
 * A run of up to most pages from somewhere, none of them in use, all with at
 * least these rights.  Returns how many, 0 if there was none to be had.
 */
static unsigned int run_of(struct model *m, unsigned int most, enum rights rights,
			   unsigned int *first)
{
	unsigned int tries, i, n;

	for (tries = 0; tries < 20; tries++) {
		*first = any_page(m);
		n = 1 + roll(m, most);
		for (i = 0; i < n && *first + i < PAGES; i++) {
			const struct page *page = &m->pages[*first + i];
			unsigned int j;

			if (in_use(m, *first + i) || page->kind == NOTHING || page->rights < rights)
				break;
			/* The same page of the file twice in one range would be an overlap */
			for (j = 0; j < i; j++)
				if (page->kind == SHARED && m->pages[*first + j].kind == SHARED &&
				    m->pages[*first + j].file == page->file)
					break;
			if (j < i)
				break;
		}
		if (i)
			return i;
	}
	return 0;
}

/* --- the model's side of an operation --- */

static void model_write(struct model *m, unsigned int first, size_t offset, const void *data,
			size_t bytes, const char *what)
{
	const uint8_t *from = data;

	while (bytes) {
		unsigned int i = first + offset / PAGE;
		size_t in_page = offset % PAGE, part = PAGE - in_page;

		if (part > bytes)
			part = bytes;
		memcpy(content(m, i) + in_page, from, part);
		m->pages[i].last = what;
		from += part;
		offset += part;
		bytes -= part;
	}
}

static void model_read(struct model *m, unsigned int first, size_t offset, void *data, size_t bytes)
{
	uint8_t *to = data;

	while (bytes) {
		unsigned int i = first + offset / PAGE;
		size_t in_page = offset % PAGE, part = PAGE - in_page;

		if (part > bytes)
			part = bytes;
		memcpy(to, content(m, i) + in_page, part);
		to += part;
		offset += part;
		bytes -= part;
	}
}

static void expect(struct model *m, volatile uint64_t *result, uint64_t value, unsigned int page)
{
	m->expect[m->expected++] = (struct expect) { result, value, page };
}

/* --- the device --- */

static uint8_t scratch[4 * PAGE];

static void device_op(struct model *m, unsigned int slot)
{
	struct test_queue *q = &m->queues[roll(m, QUEUES)];
	volatile uint64_t *result = &m->results[slot];
	unsigned int first, other, n, k, i;
	size_t offset, bytes;
	uint64_t value = test_random(&m->seed), old;

	switch (roll(m, 6)) {
	case 0:
		if (!run_of(m, 1, WRITE, &first))
			return;
		offset = roll(m, PAGE / 8) * 8;
		put_store(q, at(m, first) + offset, value, 8);
		model_write(m, first, offset, &value, 8, "device store");
		use(m, first);
		return;
	case 1:
		n = run_of(m, 4, WRITE, &first);
		if (!n)
			return;
		offset = roll(m, PAGE);
		bytes = 1 + roll(m, n * PAGE - offset);
		put_fill(q, at(m, first) + offset, bytes, value);
		for (i = 0; i < bytes; i++)
			scratch[i] = ((uint8_t *)&value)[i % 8];
		model_write(m, first, offset, scratch, bytes, "device fill");
		for (i = 0; i < n; i++)
			use(m, first + i);
		return;
	case 2:
		/* What is read is in use as well: nobody may change it meanwhile */
		n = run_of(m, 3, READ, &first);
		for (i = 0; i < n; i++)
			use(m, first + i);
		k = n ? run_of(m, n, WRITE, &other) : 0;
		if (!k)
			return;
		offset = roll(m, PAGE);
		bytes = roll(m, k * PAGE - offset) + 1;
		put_copy(q, at(m, other) + offset, at(m, first) + offset, bytes);
		model_read(m, first, offset, scratch, bytes);
		model_write(m, other, offset, scratch, bytes, "device copy");
		for (i = 0; i < k; i++)
			use(m, other + i);
		return;
	case 3:
		if (!run_of(m, 1, WRITE, &first))
			return;
		offset = roll(m, PAGE / 8) * 8;
		model_read(m, first, offset, &old, 8);
		put_atomic(q, VSVM_ATOMIC_XOR, 8, at(m, first) + offset, value, 0, result);
		expect(m, result, old, first);
		old ^= value;
		model_write(m, first, offset, &old, 8, "device atomic");
		use(m, first);
		return;
	default:
		n = run_of(m, 4, READ, &first);
		if (!n)
			return;
		offset = roll(m, PAGE);
		bytes = 1 + roll(m, n * PAGE - offset);
		*result = 0;
		put_crc(q, at(m, first) + offset, bytes, 0, result);
		model_read(m, first, offset, scratch, bytes);
		expect(m, result, crc32c(0, scratch, bytes), first);
		for (i = 0; i < n; i++)
			use(m, first + i);
	}
}

/* One access that must be refused, of a page nobody else is using */
static void device_refused(struct model *m)
{
	unsigned int i = any_page(m);
	const struct page *page = &m->pages[i];
	char *p = at(m, i) + roll(m, PAGE / 8) * 8;
	bool write = roll(m, 2);
	uint32_t reason = DRM_VSVM_FAULT_PERMISSION, error = EACCES;

	if (in_use(m, i) || (page->kind != NOTHING && page->rights >= (write ? WRITE : READ)))
		return;
	if (page->kind == NOTHING) {
		reason = DRM_VSVM_FAULT_NO_MAPPING;
		error = EFAULT;
	}
	if (write)
		put_store64(&m->bad, p, 0xbadbadbad);
	else
		put_copy(&m->bad, &m->results[BATCH], p, 8);
	if (test_run(&m->bad) != -ECANCELED)
		wrong(m, i, "the device got what it must not get");
	else if (expect_fault(&m->bad, reason, error, p,
			      write ? DRM_VSVM_ACCESS_WRITE : DRM_VSVM_ACCESS_READ))
		wrong(m, i, "the record is not right");
}

/* --- the CPU and core-mm --- */

static int prot_of(enum rights rights)
{
	return rights == WRITE ? PROT_READ | PROT_WRITE : rights == READ ? PROT_READ : PROT_NONE;
}

/* A run of pages that nobody uses, mapped or not */
static unsigned int free_run(struct model *m, unsigned int most, unsigned int *first)
{
	unsigned int n = 1 + roll(m, most), i;

	*first = any_page(m);
	for (i = 0; i < n && *first + i < PAGES && !in_use(m, *first + i); i++)
		;
	return i;
}

static void cpu_map(struct model *m, bool shared)
{
	unsigned int first, n = free_run(m, 16, &first), i;

	if (!n)
		return;
	if (shared)
		for (i = 0; i < n; i++)
			if (m->file_busy[first + i])
				return;
	if (mmap(at(m, first), n * PAGE, PROT_READ | PROT_WRITE,
		 shared ? MAP_SHARED | MAP_FIXED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 shared ? m->fd : -1, shared ? first * PAGE : 0) == MAP_FAILED)
		wrong(m, first, "mmap");
	if (!shared)
		madvise(at(m, first), n * PAGE, m->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < n; i++) {
		m->pages[first + i] = (struct page) {
			.kind = shared ? SHARED : PRIVATE, .rights = WRITE, .file = first + i,
			.last = shared ? "mmap shared" : "mmap private",
		};
		if (!shared)
			memset(m->private[first + i], 0, PAGE);
	}
}

static void cpu_unmap(struct model *m)
{
	unsigned int first, n = free_run(m, 6, &first), i;

	if (n && munmap(at(m, first), n * PAGE))
		wrong(m, first, "munmap");
	for (i = 0; i < n; i++)
		m->pages[first + i] = (struct page) { .last = "munmap" };
}

static void cpu_write(struct model *m)
{
	unsigned int first, n = run_of(m, 4, WRITE, &first);
	size_t offset, bytes, i;

	if (!n)
		return;
	offset = roll(m, PAGE);
	bytes = 1 + roll(m, n * PAGE - offset);
	for (i = 0; i < bytes; i++)
		scratch[i] = test_pattern(m->round, i);
	memcpy(at(m, first) + offset, scratch, bytes);
	model_write(m, first, offset, scratch, bytes, "CPU write");
}

static void cpu_protect(struct model *m)
{
	unsigned int first, n = run_of(m, 12, NONE, &first), i;
	enum rights rights = roll(m, 3) ? WRITE : roll(m, 2) ? READ : NONE;

	if (n && mprotect(at(m, first), n * PAGE, prot_of(rights)))
		wrong(m, first, "mprotect");
	for (i = 0; i < n; i++) {
		m->pages[first + i].rights = rights;
		m->pages[first + i].last = "mprotect";
	}
}

static void cpu_dontneed(struct model *m)
{
	unsigned int first, n = run_of(m, 8, NONE, &first), i;

	if (n && madvise(at(m, first), n * PAGE, MADV_DONTNEED))
		wrong(m, first, "DONTNEED");
	for (i = 0; i < n; i++) {
		if (m->pages[first + i].kind == PRIVATE)
			memset(m->private[first + i], 0, PAGE);
		m->pages[first + i].last = "DONTNEED";
	}
}

static void cpu_move(struct model *m)
{
	unsigned int from, to = any_page(m);

	if (!run_of(m, 1, NONE, &from) || in_use(m, to) || from == to)
		return;
	if (mremap(at(m, from), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(m, to)) != at(m, to))
		wrong(m, from, "mremap");
	m->pages[to] = m->pages[from];
	m->pages[to].last = "mremap to here";
	memcpy(m->private[to], m->private[from], PAGE);
	m->pages[from] = (struct page) { .last = "mremap from here" };
}

static void cpu_file(struct model *m)
{
	unsigned int i = any_page(m), j;

	if (m->file_busy[i])
		return;
	if (roll(m, 2)) {
		if (fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, i * PAGE, PAGE))
			wrong(m, i, "fallocate");
		memset(m->shared[i], 0, PAGE);
	} else {
		for (j = 0; j < PAGE; j++)
			m->shared[i][j] = test_pattern(m->round, j);
		if (pwrite(m->fd, m->shared[i], PAGE, i * PAGE) != (ssize_t)PAGE)
			wrong(m, i, "pwrite");
	}
}

/* What changes nothing that can be seen: on any pages, the device's too */
static void neutral(struct model *m)
{
	static const int advice[] = { MADV_PAGEOUT, MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE };
	unsigned int first = any_page(m), n = 1 + roll(m, 12);
	int what = advice[roll(m, ARRAY_SIZE(advice))];

	if (first + n > PAGES)
		n = PAGES - first;
	if (what == MADV_COLLAPSE) {
		if (m->huge && !roll(m, 4))
			madvise(m->arena + roll(m, PAGES * PAGE / HUGE) * HUGE, HUGE, what);
		return;
	}
	madvise(at(m, first), n * PAGE, what);
}

static bool page_is_right(struct model *m, unsigned int i)
{
	return m->pages[i].kind == NOTHING || m->pages[i].rights == NONE ||
	       !memcmp(at(m, i), content(m, i), PAGE);
}

/* The child sees what there is now, whatever comes later, and changes its own */
static void fork_and_look(struct model *m)
{
	unsigned int i;
	pid_t pid = fork();

	if (pid < 0) {
		wrong(m, 0, "fork");
	} else if (!pid) {
		for (i = 0; i < PAGES; i++) {
			/* What is shared with the parent may be changing */
			if (in_use(m, i) || m->pages[i].kind != PRIVATE)
				continue;
			if (!page_is_right(m, i))
				_exit(1);
			if (m->pages[i].rights == WRITE && i % 8 == 0)
				*at(m, i) = 1;
		}
		_exit(0);
	}
	if (pid > 0 && wait_child(pid))
		wrong(m, 0, "a child saw something else");
}

static void cpu_op(struct model *m)
{
	switch (roll(m, 24)) {
	case 0:
	case 1:
		cpu_map(m, false);
		break;
	case 2:
		cpu_map(m, true);
		break;
	case 3:
		cpu_unmap(m);
		break;
	case 4:
	case 5:
		cpu_protect(m);
		break;
	case 6:
	case 7:
		cpu_dontneed(m);
		break;
	case 8:
	case 9:
		cpu_move(m);
		break;
	case 10:
		cpu_file(m);
		break;
	case 11:
	case 12:
	case 13:
		neutral(m);
		break;
	case 14:
		/* Dear: a page table copied, and much of it torn apart again */
		if (!roll(m, 8))
			fork_and_look(m);
		break;
	default:
		cpu_write(m);
	}
}

/* --- rounds --- */

static void check_all(struct model *m, bool everything)
{
	unsigned int i;

	for (i = 0; i < PAGES && !m->failed; i++)
		if ((everything || m->busy[i] || !roll(m, 16)) && !page_is_right(m, i))
			wrong(m, i, "the CPU sees something else");
}

static void one_round(struct model *m)
{
	unsigned int i, n;

	memset(m->busy, 0, sizeof(m->busy));
	memset(m->file_busy, 0, sizeof(m->file_busy));
	m->expected = 0;
	if (!roll(m, 8))
		m->hot = roll(m, PAGES);
	n = 1 + roll(m, BATCH - 1);
	for (i = 0; i < n; i++)
		device_op(m, i);
	for (i = 0; i < QUEUES; i++)
		if (test_submit(&m->queues[i]))
			wrong(m, 0, "submit");
	n = roll(m, 16);
	for (i = 0; i < n && !m->failed; i++)
		cpu_op(m);
	if (!roll(m, 4))
		device_refused(m);
	for (i = 0; i < QUEUES; i++) {
		struct drm_vsvm_fault fault = { 0 };
		int ret = test_wait(&m->queues[i]);

		if (!ret)
			continue;
		if (ret == -ECANCELED)
			test_fault(&m->queues[i], &fault);
		fprintf(stderr, "# wait: %d, reason %u at page %lld\n", ret, fault.reason,
			((long long)fault.address - (long long)(uintptr_t)m->arena) / (long long)PAGE);
		wrong(m, 0, "good work did not end well");
	}
	for (i = 0; i < m->expected && !m->failed; i++)
		if (*m->expect[i].result != m->expect[i].value)
			wrong(m, m->expect[i].page, "the device saw something else");
	check_all(m, m->round % 64 == 0);
	m->round++;
}

FIXTURE(model)
{
	struct test_vm t;
	struct model *m;
};

FIXTURE_VARIANT(model)
{
	bool huge;
};

FIXTURE_VARIANT_ADD(model, small_pages)
{
	.huge = false,
};

FIXTURE_VARIANT_ADD(model, huge_pages)
{
	.huge = true,
};

FIXTURE_SETUP(model)
{
	const char *text = getenv("VSVM_TEST_SEED");
	struct model *m = calloc(1, sizeof(*m));
	int i;

	ASSERT_NE(NULL, m);
	ASSERT_EQ(0, test_open(&self->t));
	self->m = m;
	m->t = &self->t;
	m->huge = variant->huge;
	m->start_seed = text ? strtoull(text, NULL, 0) : test_now() | 1;
	m->seed = m->start_seed;
	for (i = 0; i < QUEUES; i++) {
		ASSERT_EQ(0, test_queue_open(&self->t, &m->queues[i]));
	}
	ASSERT_EQ(0, test_queue_open(&self->t, &m->bad));
	m->results = map_shared(PAGE);
	m->private = map_anon(PAGES * PAGE);
	m->shared = map_anon(PAGES * PAGE);
	m->fd = temp_memfd(PAGES * PAGE);
	ASSERT_LE(0, m->fd);
	m->arena = map_aligned(PAGES * PAGE);
	madvise(m->arena, PAGES * PAGE, m->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < PAGES; i++)
		m->pages[i] = (struct page) { .kind = PRIVATE, .rights = WRITE };
	/* Something to page out to, if there is */
	swap_on(16);
}

FIXTURE_TEARDOWN(model)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		test_queue_close(&self->m->queues[i]);
	test_queue_close(&self->m->bad);
	EXPECT_EQ(0, test_close(&self->t));
	swap_off();
}

TEST_F_LONG(model, memory_is_what_the_model_says, 120)
{
	uint64_t end = test_now() + test_span(9000);
	struct model *m = self->m;
	unsigned int i;

	TH_LOG("VSVM_TEST_SEED=%llu", (long long)m->start_seed);
	while (test_now() < end && !m->failed)
		one_round(m);
	/* In the end everything can be looked at */
	memset(m->busy, 0, sizeof(m->busy));
	for (i = 0; i < PAGES && !m->failed; i++) {
		if (m->pages[i].kind != NOTHING && m->pages[i].rights == NONE) {
			ASSERT_EQ(0, mprotect(at(m, i), PAGE, PROT_READ));
			m->pages[i].rights = READ;
		}
	}
	check_all(m, true);
	EXPECT_EQ(false, m->failed);
	TH_LOG("%lu rounds", m->round);
}

TEST_HARNESS_MAIN
