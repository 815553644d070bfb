// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: executing packets
 *
 * One function for each opcode executes one block.  It is called within a
 * section of the engine (see mmu.c), for a packet that has passed its checks.
 * It translates what the block needs, accesses it, and advances the work item;
 * when a translation fails it returns with the work item as it was, or advanced
 * by what was done, so that the next call goes on exactly there.  Operations
 * that cannot be repeated translate everything first.
 *
 * Elements of 4 and 8 bytes are accessed whole, with the same instructions that
 * the CPUs use among themselves.  Bulk goes through functions that KASAN
 * instruments, or is announced to it.
 */
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/crc32.h>
#include <linux/instrumented.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "hw/hw_mmu.h"
#include "hw/hw_packet.h"

/* patterns are laid down and rotated as they lie in memory */
static_assert(!IS_ENABLED(CONFIG_CPU_BIG_ENDIAN));

/* Bytes from @address to the end of its page. */
static __always_inline u32 page_rest(u64 address)
{
	return PAGE_SIZE - offset_in_page(address);
}

static __always_inline enum vsvm_hw_step progress(struct vsvm_hw_slot *slot,
						  u64 step, u64 end)
{
	slot->done += step;
	return slot->done == end ? VSVM_HW_DONE : VSVM_HW_MORE;
}

static enum vsvm_hw_step op_nop(struct vsvm_hw_engine *eng,
				struct vsvm_hw_slot *slot)
{
	return VSVM_HW_DONE;
}

static enum vsvm_hw_step op_store(struct vsvm_hw_engine *eng,
				  struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	void *to = vsvm_hw_translate(eng, p->store.address, VSVM_HW_WRITE);

	if (!to)
		return VSVM_HW_TROUBLE;
	if (p->store.width == sizeof(u64))
		WRITE_ONCE(*(u64 *)to, p->store.value);
	else
		WRITE_ONCE(*(u32 *)to, p->store.value);
	eng->counters.bytes += p->store.width;
	return VSVM_HW_DONE;
}

static void fill_bytes(u8 *to, u64 pattern, u32 bytes)
{
	u32 words;

	for (; bytes && !IS_ALIGNED((uintptr_t)to, sizeof(u64)); bytes--) {
		*to++ = pattern;
		pattern = ror64(pattern, 8);
	}
	words = bytes / sizeof(u64);
	instrument_write(to, words * sizeof(u64));
	memset64((u64 *)to, pattern, words);
	to += words * sizeof(u64);
	for (bytes %= sizeof(u64); bytes; bytes--) {
		*to++ = pattern;
		pattern = ror64(pattern, 8);
	}
}

static enum vsvm_hw_step op_fill(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	u64 address = p->fill.address + slot->done;
	u32 bytes = min_t(u64, p->fill.bytes - slot->done, page_rest(address));
	void *to;

	if (!bytes)
		return VSVM_HW_DONE;
	to = vsvm_hw_translate(eng, address, VSVM_HW_WRITE);
	if (!to)
		return VSVM_HW_TROUBLE;
	fill_bytes(to, ror64(p->fill.pattern, slot->done % sizeof(u64) * 8),
		   bytes);
	eng->counters.bytes += bytes;
	return progress(slot, bytes, p->fill.bytes);
}

/*
 * With the function that the kernel has chosen for this processor, which KASAN
 * sees.  The compiler, if it knows that there is at most a page, puts down an
 * instruction instead that is slower on most.
 */
static void copy_bytes(void *to, const void *from, size_t bytes)
{
	OPTIMIZER_HIDE_VAR(bytes);
	memcpy(to, from, bytes);
}

static enum vsvm_hw_step op_copy(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	u64 src = p->copy.src + slot->done;
	u64 dst = p->copy.dst + slot->done;
	u32 bytes = min3(p->copy.bytes - slot->done, (u64)page_rest(src),
			 (u64)page_rest(dst));
	const void *from;
	void *to;

	if (!bytes)
		return VSVM_HW_DONE;
	from = vsvm_hw_translate(eng, src, VSVM_HW_READ);
	if (!from)
		return VSVM_HW_TROUBLE;
	to = vsvm_hw_translate(eng, dst, VSVM_HW_WRITE);
	if (!to)
		return VSVM_HW_TROUBLE;
	copy_bytes(to, from, bytes);
	eng->counters.bytes += 2 * bytes;
	return progress(slot, bytes, p->copy.bytes);
}

static u64 atomic_op_8(void *at, u32 op, u64 operand, u64 compare)
{
	atomic64_t *v = at;

	switch (op) {
	case VSVM_ATOMIC_ADD:
		return atomic64_fetch_add(operand, v);
	case VSVM_ATOMIC_INC:
		return atomic64_fetch_inc(v);
	case VSVM_ATOMIC_AND:
		return atomic64_fetch_and(operand, v);
	case VSVM_ATOMIC_OR:
		return atomic64_fetch_or(operand, v);
	case VSVM_ATOMIC_XOR:
		return atomic64_fetch_xor(operand, v);
	case VSVM_ATOMIC_XCHG:
		return atomic64_xchg(v, operand);
	default:
		return atomic64_cmpxchg(v, compare, operand);
	}
}

static u32 atomic_op_4(void *at, u32 op, u32 operand, u32 compare)
{
	atomic_t *v = at;

	switch (op) {
	case VSVM_ATOMIC_ADD:
		return atomic_fetch_add(operand, v);
	case VSVM_ATOMIC_INC:
		return atomic_fetch_inc(v);
	case VSVM_ATOMIC_AND:
		return atomic_fetch_and(operand, v);
	case VSVM_ATOMIC_OR:
		return atomic_fetch_or(operand, v);
	case VSVM_ATOMIC_XOR:
		return atomic_fetch_xor(operand, v);
	case VSVM_ATOMIC_XCHG:
		return atomic_xchg(v, operand);
	default:
		return atomic_cmpxchg(v, compare, operand);
	}
}

static enum vsvm_hw_step op_atomic(struct vsvm_hw_engine *eng,
				   struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	void *at, *to = NULL;
	u64 old;

	/* both before the operation, which must not be done twice */
	at = vsvm_hw_translate(eng, p->atomic.address, VSVM_HW_ATOMIC);
	if (!at)
		return VSVM_HW_TROUBLE;
	if (p->atomic.old) {
		to = vsvm_hw_translate(eng, p->atomic.old, VSVM_HW_WRITE);
		if (!to)
			return VSVM_HW_TROUBLE;
		eng->counters.bytes += p->atomic.width;
	}

	if (p->atomic.width == sizeof(u64)) {
		old = atomic_op_8(at, p->atomic.op, p->atomic.operand,
				  p->atomic.compare);
		if (to)
			WRITE_ONCE(*(u64 *)to, old);
	} else {
		old = atomic_op_4(at, p->atomic.op, p->atomic.operand,
				  p->atomic.compare);
		if (to)
			WRITE_ONCE(*(u32 *)to, old);
	}
	eng->counters.bytes += 2 * p->atomic.width;
	return VSVM_HW_DONE;
}

static enum vsvm_hw_step op_crc32c(struct vsvm_hw_engine *eng,
				   struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	u64 src = p->crc32c.src + slot->done;
	u32 bytes = min_t(u64, p->crc32c.bytes - slot->done, page_rest(src));
	const void *from;
	void *to;

	if (!slot->done)
		slot->crc = ~(u32)p->crc32c.seed;
	if (bytes) {
		from = vsvm_hw_translate(eng, src, VSVM_HW_READ);
		if (!from)
			return VSVM_HW_TROUBLE;
		instrument_read(from, bytes);
		slot->crc = crc32c(slot->crc, from, bytes);
		eng->counters.bytes += bytes;
		slot->done += bytes;
		return VSVM_HW_MORE;
	}

	to = vsvm_hw_translate(eng, p->crc32c.result, VSVM_HW_WRITE);
	if (!to)
		return VSVM_HW_TROUBLE;
	WRITE_ONCE(*(u32 *)to, ~slot->crc);
	eng->counters.bytes += sizeof(u32);
	return VSVM_HW_DONE;
}

static enum vsvm_hw_step op_fence(struct vsvm_hw_engine *eng,
				  struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	void *to = vsvm_hw_translate(eng, p->fence.address, VSVM_HW_WRITE);

	if (!to)
		return VSVM_HW_TROUBLE;
	/* all that earlier packets wrote, this thread wrote */
	smp_store_release((u64 *)to, p->fence.value);
	eng->counters.bytes += sizeof(u64);
	return VSVM_HW_DONE;
}

/* On the first block: how long may this take?  0: for ever. */
static void set_deadline(struct vsvm_hw_slot *slot, u64 ns)
{
	if (slot->phase)
		return;
	slot->phase = 1;
	if (!ns || check_add_overflow(ktime_get_ns(), ns, &slot->deadline))
		slot->deadline = U64_MAX;
}

static enum vsvm_hw_step op_wait(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot)
{
	const struct vsvm_packet *p = &slot->packet;
	const void *from;
	u64 value;

	/* time runs while it is parked, too */
	set_deadline(slot, p->wait.timeout_ns);
	from = vsvm_hw_translate(eng, p->wait.address, VSVM_HW_READ);
	if (!from)
		return VSVM_HW_TROUBLE;
	/* what later packets read was written before */
	value = smp_load_acquire((const u64 *)from);
	eng->counters.bytes += sizeof(u64);
	if (vsvm_hw_compare(p->wait.compare, value & p->wait.mask,
			    p->wait.value))
		return VSVM_HW_DONE;
	if (slot->deadline == U64_MAX || ktime_get_ns() < slot->deadline)
		return VSVM_HW_WAIT;
	eng->trouble = (struct vsvm_hw_trouble) {
		.kind = VSVM_HW_TROUBLE_ERROR,
		.error = VSVM_HW_ERROR_WAIT_TIMEOUT,
		.access = VSVM_HW_READ,
		.address = p->wait.address,
	};
	return VSVM_HW_TROUBLE;
}

static enum vsvm_hw_step op_spin(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot)
{
	set_deadline(slot, slot->packet.spin.duration_ns);
	return ktime_get_ns() < slot->deadline ? VSVM_HW_SPIN : VSVM_HW_DONE;
}

const vsvm_hw_op_fn vsvm_hw_ops[VSVM_HW_OPCODES] = {
	[VSVM_PACKET_NOP] = op_nop,
	[VSVM_PACKET_STORE] = op_store,
	[VSVM_PACKET_FILL] = op_fill,
	[VSVM_PACKET_COPY] = op_copy,
	[VSVM_PACKET_ATOMIC] = op_atomic,
	[VSVM_PACKET_SUM] = vsvm_hw_op_sum,
	[VSVM_PACKET_GATHER] = vsvm_hw_op_gather,
	[VSVM_PACKET_CHASE] = vsvm_hw_op_chase,
	[VSVM_PACKET_CRC32C] = op_crc32c,
	[VSVM_PACKET_FENCE] = op_fence,
	[VSVM_PACKET_BARRIER] = op_nop,
	[VSVM_PACKET_WAIT] = op_wait,
	[VSVM_PACKET_SPIN] = op_spin,
	[VSVM_PACKET_ADD] = vsvm_hw_op_add,
};
