// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/*
 * The builder only writes down what it is told: whether an argument makes
 * sense is the device's to say, in one place, with a record that names the
 * packet.
 */

#define CAPACITY_MIN	16
#define CAPACITY_MAX	(SIZE_MAX / VSVM_PACKET_BYTES / 2)

_Static_assert(sizeof(struct vsvm_packet) == VSVM_PACKET_BYTES, "packets are of one size");

static int resize(struct vsvm_cmds *cmds, size_t capacity)
{
	void *packets;

	if (capacity > CAPACITY_MAX)
		return -ENOMEM;
	if (posix_memalign(&packets, VSVM_PACKET_BYTES, capacity * VSVM_PACKET_BYTES))
		return -ENOMEM;
	if (cmds->count)
		memcpy(packets, cmds->packets, cmds->count * VSVM_PACKET_BYTES);
	free(cmds->packets);
	cmds->packets = packets;
	cmds->capacity = capacity;
	return 0;
}

int vsvm_cmds_create(size_t capacity, struct vsvm_cmds **out)
{
	struct vsvm_cmds *cmds;
	int ret;

	cmds = calloc(1, sizeof(*cmds));
	if (!cmds)
		return -ENOMEM;
	ret = resize(cmds, capacity ? capacity : CAPACITY_MIN);
	if (ret) {
		free(cmds);
		return ret;
	}
	*out = cmds;
	return 0;
}

void vsvm_cmds_destroy(struct vsvm_cmds *cmds)
{
	if (!cmds)
		return;
	free(cmds->packets);
	free(cmds);
}

void vsvm_cmds_reset(struct vsvm_cmds *cmds)
{
	cmds->count = 0;
}

size_t vsvm_cmds_count(const struct vsvm_cmds *cmds)
{
	return cmds->count;
}

const struct vsvm_packet *vsvm_cmds_packets(const struct vsvm_cmds *cmds)
{
	return cmds->packets;
}

struct vsvm_packet *vsvm_cmds_append(struct vsvm_cmds *cmds, enum vsvm_packet_opcode opcode)
{
	struct vsvm_packet *packet;

	if (cmds->count == cmds->capacity && resize(cmds, cmds->capacity * 2))
		return NULL;
	packet = &cmds->packets[cmds->count++];
	memset(packet, 0, sizeof(*packet));
	packet->opcode = opcode;
	packet->length = VSVM_PACKET_BYTES;
	return packet;
}

int vsvm_cmd_nop(struct vsvm_cmds *cmds)
{
	return vsvm_cmds_append(cmds, VSVM_PACKET_NOP) ? 0 : -ENOMEM;
}

static int store(struct vsvm_cmds *cmds, void *address, uint64_t value, uint32_t width)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_STORE);

	if (!packet)
		return -ENOMEM;
	packet->store.address = vsvm__pointer(address);
	packet->store.value = value;
	packet->store.width = width;
	return 0;
}

int vsvm_cmd_store32(struct vsvm_cmds *cmds, void *address, uint32_t value)
{
	return store(cmds, address, value, sizeof(value));
}

int vsvm_cmd_store64(struct vsvm_cmds *cmds, void *address, uint64_t value)
{
	return store(cmds, address, value, sizeof(value));
}

int vsvm_cmd_fill(struct vsvm_cmds *cmds, void *address, size_t bytes, uint64_t pattern)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_FILL);

	if (!packet)
		return -ENOMEM;
	packet->fill.address = vsvm__pointer(address);
	packet->fill.bytes = bytes;
	packet->fill.pattern = pattern;
	return 0;
}

int vsvm_cmd_copy(struct vsvm_cmds *cmds, void *dst, const void *src, size_t bytes)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_COPY);

	if (!packet)
		return -ENOMEM;
	packet->copy.dst = vsvm__pointer(dst);
	packet->copy.src = vsvm__pointer(src);
	packet->copy.bytes = bytes;
	return 0;
}

int vsvm_cmd_atomic(struct vsvm_cmds *cmds, enum vsvm_atomic_op op, uint32_t width, void *address,
		    uint64_t operand, uint64_t compare, void *old)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_ATOMIC);

	if (!packet)
		return -ENOMEM;
	packet->atomic.address = vsvm__pointer(address);
	packet->atomic.operand = operand;
	packet->atomic.compare = compare;
	packet->atomic.old = vsvm__pointer(old);
	packet->atomic.op = op;
	packet->atomic.width = width;
	return 0;
}

int vsvm_cmd_sum(struct vsvm_cmds *cmds, const void *src, size_t count, size_t stride,
		 uint32_t width, uint64_t *result)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_SUM);

	if (!packet)
		return -ENOMEM;
	packet->sum.src = vsvm__pointer(src);
	packet->sum.count = count;
	packet->sum.stride = stride;
	packet->sum.result = vsvm__pointer(result);
	packet->sum.width = width;
	return 0;
}

int vsvm_cmd_gather(struct vsvm_cmds *cmds, void *dst, const void *src, const void *index,
		    size_t count, uint32_t width, uint32_t index_width)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_GATHER);

	if (!packet)
		return -ENOMEM;
	packet->gather.dst = vsvm__pointer(dst);
	packet->gather.src = vsvm__pointer(src);
	packet->gather.index = vsvm__pointer(index);
	packet->gather.count = count;
	packet->gather.width = width;
	packet->gather.index_width = index_width;
	return 0;
}

int vsvm_cmd_chase(struct vsvm_cmds *cmds, const void *first, size_t next_offset,
		   uint64_t max_nodes, ptrdiff_t value_offset, struct vsvm_chase_result *result)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_CHASE);

	if (!packet)
		return -ENOMEM;
	packet->chase.first = vsvm__pointer(first);
	packet->chase.next_offset = next_offset;
	packet->chase.max_nodes = max_nodes;
	packet->chase.result = vsvm__pointer(result);
	if (value_offset >= 0) {
		packet->flags |= VSVM_PACKET_F_CHASE_SUM;
		packet->chase.value_offset = value_offset;
	}
	return 0;
}

int vsvm_cmd_crc32c(struct vsvm_cmds *cmds, const void *src, size_t bytes, uint32_t seed,
		    uint32_t *result)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_CRC32C);

	if (!packet)
		return -ENOMEM;
	packet->crc32c.src = vsvm__pointer(src);
	packet->crc32c.bytes = bytes;
	packet->crc32c.result = vsvm__pointer(result);
	packet->crc32c.seed = seed;
	return 0;
}

int vsvm_cmd_fence(struct vsvm_cmds *cmds, uint64_t *address, uint64_t value)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_FENCE);

	if (!packet)
		return -ENOMEM;
	packet->fence.address = vsvm__pointer(address);
	packet->fence.value = value;
	return 0;
}

int vsvm_cmd_barrier(struct vsvm_cmds *cmds)
{
	return vsvm_cmds_append(cmds, VSVM_PACKET_BARRIER) ? 0 : -ENOMEM;
}

int vsvm_cmd_wait(struct vsvm_cmds *cmds, const uint64_t *address, uint64_t value, uint64_t mask,
		  enum vsvm_compare compare, uint64_t timeout_ns)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_WAIT);

	if (!packet)
		return -ENOMEM;
	packet->wait.address = vsvm__pointer(address);
	packet->wait.value = value;
	packet->wait.mask = mask;
	packet->wait.timeout_ns = timeout_ns;
	packet->wait.compare = compare;
	return 0;
}

int vsvm_cmd_spin(struct vsvm_cmds *cmds, uint64_t duration_ns)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_SPIN);

	if (!packet)
		return -ENOMEM;
	packet->spin.duration_ns = duration_ns;
	return 0;
}

int vsvm_cmd_add(struct vsvm_cmds *cmds, void *dst, const void *a, const void *b, size_t count,
		 uint32_t width)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_ADD);

	if (!packet)
		return -ENOMEM;
	packet->add.dst = vsvm__pointer(dst);
	packet->add.a = vsvm__pointer(a);
	packet->add.b = vsvm__pointer(b);
	packet->add.count = count;
	packet->add.width = width;
	return 0;
}
