// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: packets of many elements
 *
 * SUM, ADD, GATHER and CHASE access elements of 4 or 8 bytes that lie anywhere.
 * A block is as many of them as share the pages of one translation, or where
 * every element has a page of its own, up to VSVM_HW_BLOCK_ELEMENTS of them.
 * Progress is noted element by element: a fault in the middle of a block costs
 * nothing that was done before it.
 *
 * Within a block a translation holds, so a &struct stream keeps the last one of
 * an operand.
 */
#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/overflow.h>

#include "hw/hw_mmu.h"
#include "hw/hw_packet.h"

/**
 * struct stream - the last page of an operand, for one block
 * @page: its number, or U64_MAX
 * @base: where it is
 */
struct stream {
	u64 page;
	void *base;
};

#define STREAM()	((struct stream) { .page = U64_MAX })

static __always_inline void *at(struct vsvm_hw_engine *eng,
				struct stream *stream, u64 address, u8 access)
{
	void *found;

	if (stream->page == address >> VSVM_HW_PAGE_SHIFT)
		return stream->base + offset_in_page(address);
	found = vsvm_hw_translate(eng, address, access);
	if (found) {
		stream->page = address >> VSVM_HW_PAGE_SHIFT;
		stream->base = found - offset_in_page(address);
	}
	return found;
}

static __always_inline u64 load(const void *from, u32 width)
{
	if (width == sizeof(u64))
		return READ_ONCE(*(const u64 *)from);
	return READ_ONCE(*(const u32 *)from);
}

static __always_inline void store(void *to, u64 value, u32 width)
{
	if (width == sizeof(u64))
		WRITE_ONCE(*(u64 *)to, value);
	else
		WRITE_ONCE(*(u32 *)to, value);
}

static enum vsvm_hw_step bad_address(struct vsvm_hw_engine *eng, u64 address,
				     enum vsvm_hw_error_code error)
{
	eng->trouble = (struct vsvm_hw_trouble) {
		.kind = VSVM_HW_TROUBLE_ERROR,
		.error = error,
		.access = VSVM_HW_READ,
		.address = address,
	};
	return VSVM_HW_TROUBLE;
}

enum vsvm_hw_step vsvm_hw_op_sum(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	const u64 stride = p->sum.stride;
	const u32 width = p->sum.width;
	u32 left = VSVM_HW_BLOCK_BYTES / width;
	u32 pages;
	void *to;

	for (pages = 0; pages < VSVM_HW_BLOCK_ELEMENTS && left &&
	     slot->done < p->sum.count; pages++) {
		u64 address = p->sum.src + slot->done * stride;
		u64 rest = PAGE_SIZE - offset_in_page(address) - width;
		const void *from = vsvm_hw_translate(eng, address, VSVM_HW_READ);
		u64 sum = 0;
		u64 count;
		u64 i;

		if (!from)
			return VSVM_HW_TROUBLE;
		count = stride > rest ? 1 : rest / stride + 1;
		count = min3(count, p->sum.count - slot->done, (u64)left);
		for (i = 0; i < count; i++, from += stride)
			sum += load(from, width);
		slot->sum += sum;
		slot->done += count;
		left -= count;
		eng->counters.bytes += count * width;
	}
	if (slot->done < p->sum.count || pages)
		return VSVM_HW_MORE;

	to = vsvm_hw_translate(eng, p->sum.result, VSVM_HW_WRITE);
	if (!to)
		return VSVM_HW_TROUBLE;
	WRITE_ONCE(*(u64 *)to, slot->sum);
	eng->counters.bytes += sizeof(u64);
	return VSVM_HW_DONE;
}

enum vsvm_hw_step vsvm_hw_op_add(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	const u32 width = p->add.width;
	u64 dst = p->add.dst + slot->done * width;
	u64 a = p->add.a + slot->done * width;
	u64 b = p->add.b + slot->done * width;
	const void *from_a, *from_b;
	u32 count, i;
	void *to;

	count = PAGE_SIZE - max3(offset_in_page(dst), offset_in_page(a),
				 offset_in_page(b));
	count = min_t(u64, count / width, p->add.count - slot->done);
	if (!count)
		return VSVM_HW_DONE;
	from_a = vsvm_hw_translate(eng, a, VSVM_HW_READ);
	if (!from_a)
		return VSVM_HW_TROUBLE;
	from_b = vsvm_hw_translate(eng, b, VSVM_HW_READ);
	if (!from_b)
		return VSVM_HW_TROUBLE;
	to = vsvm_hw_translate(eng, dst, VSVM_HW_WRITE);
	if (!to)
		return VSVM_HW_TROUBLE;

	if (width == sizeof(u64)) {
		for (i = 0; i < count; i++)
			store(to + i * 8, load(from_a + i * 8, 8) +
			      load(from_b + i * 8, 8), 8);
	} else {
		for (i = 0; i < count; i++)
			store(to + i * 4, load(from_a + i * 4, 4) +
			      load(from_b + i * 4, 4), 4);
	}
	eng->counters.bytes += 3 * count * width;
	slot->done += count;
	return slot->done == p->add.count ? VSVM_HW_DONE : VSVM_HW_MORE;
}

enum vsvm_hw_step vsvm_hw_op_gather(struct vsvm_hw_engine *eng,
				    struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	const u32 index_width = p->gather.index_width;
	const u32 width = p->gather.width;
	struct stream indices = STREAM();
	struct stream source = STREAM();
	struct stream target = STREAM();
	u32 i;

	for (i = 0; i < VSVM_HW_BLOCK_ELEMENTS &&
	     slot->done < p->gather.count; i++) {
		const void *from;
		u64 address;
		u64 index;
		void *to;

		from = at(eng, &indices,
			  p->gather.index + slot->done * index_width,
			  VSVM_HW_READ);
		if (!from)
			return VSVM_HW_TROUBLE;
		index = load(from, index_width);

		if (check_mul_overflow(index, (u64)width, &address) ||
		    check_add_overflow(p->gather.src, address, &address) ||
		    address > VSVM_HW_VA_END - width)
			return bad_address(eng, p->gather.src + index * width,
					   VSVM_HW_ERROR_ADDRESS);
		from = at(eng, &source, address, VSVM_HW_READ);
		if (!from)
			return VSVM_HW_TROUBLE;
		to = at(eng, &target, p->gather.dst + slot->done * width,
			VSVM_HW_WRITE);
		if (!to)
			return VSVM_HW_TROUBLE;
		store(to, load(from, width), width);
		slot->done++;
		eng->counters.bytes += index_width + 2 * width;
	}
	return slot->done == p->gather.count ? VSVM_HW_DONE : VSVM_HW_MORE;
}

/* What CHASE does next, in this order for each node. */
enum chase_phase {
	CHASE_START = 0,
	CHASE_VALUE,
	CHASE_NEXT,
	CHASE_LAST,
	CHASE_NODES,
	CHASE_SUM,
};

/* Read a u64 of the node that CHASE is at, @offset into it. */
static enum vsvm_hw_step chase_read(struct vsvm_hw_engine *eng,
				    struct vsvm_hw_slot *slot,
				    struct stream *stream, u64 offset,
				    u64 *value)
{
	const void *from;
	u64 address;

	/* neither overflows: the node may be anything, the offset is short */
	if (slot->node > VSVM_HW_VA_END ||
	    slot->node + offset > VSVM_HW_VA_END - sizeof(u64))
		return bad_address(eng, slot->node + offset,
				   VSVM_HW_ERROR_ADDRESS);
	address = slot->node + offset;
	if (!IS_ALIGNED(address, sizeof(u64)))
		return bad_address(eng, address, VSVM_HW_ERROR_MISALIGNED);
	from = at(eng, stream, address, VSVM_HW_READ);
	if (!from)
		return VSVM_HW_TROUBLE;
	*value = load(from, sizeof(u64));
	eng->counters.bytes += sizeof(u64);
	return VSVM_HW_MORE;
}

static enum vsvm_hw_step chase_write(struct vsvm_hw_engine *eng,
				     struct vsvm_hw_slot *slot,
				     struct stream *stream, u64 offset,
				     u64 value)
{
	void *to = at(eng, stream, slot->packet.chase.result + offset,
		      VSVM_HW_WRITE);

	if (!to)
		return VSVM_HW_TROUBLE;
	store(to, value, sizeof(u64));
	eng->counters.bytes += sizeof(u64);
	slot->phase++;
	return VSVM_HW_MORE;
}

/* One access of CHASE, or one change of phase. */
static enum vsvm_hw_step chase_once(struct vsvm_hw_engine *eng,
				    struct vsvm_hw_slot *slot,
				    struct stream *nodes,
				    struct stream *result)
{
	const struct vsvm_packet *p = &slot->packet;
	enum vsvm_hw_step step;
	u64 value;

	switch (slot->phase) {
	case CHASE_START:
		slot->node = p->chase.first;
		slot->phase = slot->node && p->chase.max_nodes ? CHASE_VALUE :
								 CHASE_LAST;
		return VSVM_HW_MORE;
	case CHASE_VALUE:
		if (p->flags & VSVM_PACKET_F_CHASE_SUM) {
			step = chase_read(eng, slot, nodes,
					  p->chase.value_offset, &value);
			if (step != VSVM_HW_MORE)
				return step;
			slot->sum += value;
		}
		slot->nodes++;
		slot->phase = slot->nodes == p->chase.max_nodes ? CHASE_LAST :
								  CHASE_NEXT;
		return VSVM_HW_MORE;
	case CHASE_NEXT:
		step = chase_read(eng, slot, nodes, p->chase.next_offset,
				  &value);
		if (step != VSVM_HW_MORE)
			return step;
		if (value)
			slot->node = value;
		slot->phase = value ? CHASE_VALUE : CHASE_LAST;
		return VSVM_HW_MORE;
	case CHASE_LAST:
		return chase_write(eng, slot, result,
				   offsetof(struct vsvm_chase_result, last),
				   slot->nodes ? slot->node : 0);
	case CHASE_NODES:
		return chase_write(eng, slot, result,
				   offsetof(struct vsvm_chase_result, nodes),
				   slot->nodes);
	default:
		step = chase_write(eng, slot, result,
				   offsetof(struct vsvm_chase_result, sum),
				   slot->sum);
		return step == VSVM_HW_MORE ? VSVM_HW_DONE : step;
	}
}

enum vsvm_hw_step vsvm_hw_op_chase(struct vsvm_hw_engine *eng,
				   struct vsvm_hw_slot *slot)
{
	enum vsvm_hw_step step = VSVM_HW_MORE;
	struct stream nodes = STREAM();
	struct stream result = STREAM();
	u32 i;

	for (i = 0; i < VSVM_HW_BLOCK_ELEMENTS && step == VSVM_HW_MORE; i++)
		step = chase_once(eng, slot, &nodes, &result);
	return step;
}
