// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index of a batch: from the device to the process and back.
 *
 * Both ways are searches in arrays that are filled once.  The way back has to
 * find all ranges that an interval touches, and ranges may overlap: they are
 * sorted by their start, and each node of the binary tree that a search by
 * halves makes of the array knows how far the ranges below it reach.  A node
 * costs 12 bytes and no allocation of its own.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "userptr/userptr_priv.h"

#define VSVM_USERPTR_DIGIT	8
#define VSVM_USERPTR_DIGITS	BIT(VSVM_USERPTR_DIGIT)

static unsigned long vsvm_userptr_key(const struct vsvm_userptr_batch *b, u32 i)
{
	return b->range[i].start >> PAGE_SHIFT;
}

/* One pass of a radix sort: by one digit, keeping the order otherwise */
static void vsvm_userptr_sort_pass(const struct vsvm_userptr_batch *b, const u32 *from,
				   u32 *to, u32 *place, unsigned int shift)
{
	u32 i, n, sum = 0;

	memset(place, 0, VSVM_USERPTR_DIGITS * sizeof(*place));
	for (i = 0; i < b->count; i++)
		place[(vsvm_userptr_key(b, i) >> shift) % VSVM_USERPTR_DIGITS]++;
	for (i = 0; i < VSVM_USERPTR_DIGITS; i++) {
		n = place[i];
		place[i] = sum;
		sum += n;
	}
	for (i = 0; i < b->count; i++) {
		n = (vsvm_userptr_key(b, from[i]) >> shift) % VSVM_USERPTR_DIGITS;
		to[place[n]++] = from[i];
	}
}

/*
 * Sort by start, in time that grows with the number and no faster: digit by
 * digit, leaving out those in which all are the same.
 */
static int vsvm_userptr_sort(struct vsvm_userptr_batch *b)
{
	unsigned long differ = 0;
	u32 i, *other, *place;
	bool sorted = true;
	unsigned int shift;

	for (i = 0; i < b->count; i++) {
		b->order[i] = i;
		if (!i)
			continue;
		sorted &= b->range[i - 1].start <= b->range[i].start;
		differ |= vsvm_userptr_key(b, i) ^ vsvm_userptr_key(b, 0);
	}
	if (sorted)
		return 0;
	other = kvmalloc_objs(*other, b->count + VSVM_USERPTR_DIGITS, GFP_KERNEL_ACCOUNT);
	if (!other)
		return -ENOMEM;
	place = other + b->count;
	for (shift = 0; differ >> shift; shift += VSVM_USERPTR_DIGIT) {
		if (!((differ >> shift) % VSVM_USERPTR_DIGITS))
			continue;
		vsvm_userptr_sort_pass(b, b->order, other, place, shift);
		memcpy(b->order, other, b->count * sizeof(*other));
	}
	kvfree(other);
	return 0;
}

/* Fill in @reach for [lo, hi), not empty; as deep as the number has bits */
static unsigned long vsvm_userptr_reach(struct vsvm_userptr_batch *b, u32 lo, u32 hi)
{
	u32 mid = lo + (hi - lo) / 2;
	unsigned long reach = vsvm_userptr_end(b, b->order[mid]);

	if (lo < mid)
		reach = max(reach, vsvm_userptr_reach(b, lo, mid));
	if (mid + 1 < hi)
		reach = max(reach, vsvm_userptr_reach(b, mid + 1, hi));
	b->reach[mid] = reach;
	return reach;
}

/**
 * vsvm_userptr_batch_find() - the range at an offset
 * @batch: batch
 * @offset: within it
 *
 * Context: any.
 */
u32 vsvm_userptr_batch_find(const struct vsvm_userptr_batch *batch, u64 offset)
{
	u32 lo = 0, hi = batch->count;

	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;

		if (batch->range[mid].offset <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_batch_find);

static int vsvm_userptr_hit(const struct vsvm_userptr_batch *b, u32 i,
			    unsigned long start, unsigned long end,
			    vsvm_userptr_hit_fn fn, void *arg)
{
	unsigned long from = max(start, b->range[i].start);
	unsigned long to = min(end, vsvm_userptr_end(b, i));
	u64 at = b->address + b->range[i].offset + (from - b->range[i].start);

	return fn(at, at + (to - from), arg);
}

/**
 * vsvm_userptr_batch_hits() - all places where addresses of the process appear
 * @batch: batch
 * @start: first address of the process
 * @end: one past the last
 * @fn: called with addresses of the device, in the order of the process
 * @arg: passed to @fn
 *
 * Context: any; no more than @fn allows.
 * Return: what @fn returned last, or 0.
 */
int vsvm_userptr_batch_hits(const struct vsvm_userptr_batch *batch, unsigned long start,
			    unsigned long end, vsvm_userptr_hit_fn fn, void *arg)
{
	struct {
		u32 mid;
		u32 hi;
	} up[BITS_PER_TYPE(u32)];
	u32 lo = 0, hi = batch->count, mid;
	unsigned int depth = 0;
	int ret;

	for (;;) {
		while (lo < hi) {
			mid = lo + (hi - lo) / 2;
			if (batch->reach[mid] <= start)
				break;
			up[depth].mid = mid;
			up[depth++].hi = hi;
			hi = mid;
		}
		if (!depth)
			return 0;
		mid = up[--depth].mid;
		hi = up[depth].hi;
		/* All that is left begins even later */
		if (batch->range[batch->order[mid]].start >= end)
			return 0;
		if (vsvm_userptr_end(batch, batch->order[mid]) > start) {
			ret = vsvm_userptr_hit(batch, batch->order[mid], start, end,
					       fn, arg);
			if (ret)
				return ret;
		}
		lo = mid + 1;
	}
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_batch_hits);

/* The three arrays, one behind the other; the last one is the most coarsely aligned */
static size_t vsvm_userptr_batch_bytes(u32 count)
{
	return struct_size_t(struct vsvm_userptr_batch, range, (size_t)count + 1) +
		count * (sizeof(unsigned long) + sizeof(u32));
}

static int vsvm_userptr_batch_fill(struct vsvm_userptr_batch *b,
				   const struct vsvm_userptr_piece *pieces,
				   const struct vsvm_userptr_limits *limits, u32 *failed)
{
	u64 end, sum = 0;
	u32 i;

	b->first = ULONG_MAX;
	for (i = 0; i < b->count; i++) {
		const struct vsvm_userptr_piece *p = &pieces[i];

		*failed = i;
		if (!p->size || !PAGE_ALIGNED(p->start | p->size) ||
		    check_add_overflow(p->start, p->size, &end) || end > limits->end)
			return -EINVAL;
		b->range[i].start = p->start;
		b->range[i].offset = sum;
		if (check_add_overflow(sum, p->size, &sum))
			return -EINVAL;
		if (sum > limits->bytes)
			return -E2BIG;
		b->first = min(b->first, p->start);
		b->last = max(b->last, end - 1);
	}
	b->range[i].offset = sum;
	*failed = ~0u;
	return 0;
}

struct vsvm_userptr_batch *
vsvm_userptr_batch_create(struct vsvm_userptr *up, u64 address,
			  const struct vsvm_userptr_piece *pieces, u32 count,
			  const struct vsvm_userptr_limits *limits, u32 *failed)
{
	size_t bytes = vsvm_userptr_batch_bytes(count);
	struct vsvm_userptr_batch *b = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
	int err;

	*failed = ~0u;
	if (!b)
		return ERR_PTR(-ENOMEM);
	memset(b, 0, sizeof(*b));
	refcount_set(&b->refs, 1);
	b->up = up;
	b->address = address;
	b->count = count;
	b->reach = (unsigned long *)&b->range[count + 1];
	b->order = (u32 *)&b->reach[count];
	xa_init(&b->links);
	err = vsvm_userptr_batch_fill(b, pieces, limits, failed);
	if (!err)
		err = vsvm_userptr_sort(b);
	if (err) {
		kvfree(b);
		return ERR_PTR(err);
	}
	vsvm_userptr_reach(b, 0, count);
	atomic_long_inc(&up->batches);
	atomic_long_add(count, &up->ranges);
	atomic_long_add(bytes, &up->bytes);
	return b;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_batch_create);

struct vsvm_userptr_batch *vsvm_userptr_batch_get(struct vsvm_userptr_batch *batch)
{
	refcount_inc(&batch->refs);
	return batch;
}

void vsvm_userptr_batch_put(struct vsvm_userptr_batch *batch)
{
	struct vsvm_userptr *up;

	if (!batch || !refcount_dec_and_test(&batch->refs))
		return;
	up = batch->up;
	vsvm_userptr_unlink(batch);
	atomic_long_dec(&up->batches);
	atomic_long_sub(batch->count, &up->ranges);
	atomic_long_sub(vsvm_userptr_batch_bytes(batch->count), &up->bytes);
	kvfree(batch);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_batch_put);

u64 vsvm_userptr_batch_size(const struct vsvm_userptr_batch *batch)
{
	return batch->range[batch->count].offset;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_userptr_batch_size);
