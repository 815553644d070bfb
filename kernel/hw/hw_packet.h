/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HW_PACKET_H_
#define _VSVM_HW_PACKET_H_

#include <linux/types.h>

#include "hw/hw.h"

#define VSVM_HW_OPCODES	14

/* one past the last address */
#define VSVM_HW_VA_END	BIT_ULL(VSVM_HW_VA_BITS)

struct vsvm_hw_engine;
struct vsvm_hw_slot;

/* execute one block of a packet, within vsvm_hw_enter() and vsvm_hw_leave() */
typedef enum vsvm_hw_step (*vsvm_hw_op_fn)(struct vsvm_hw_engine *eng,
					   struct vsvm_hw_slot *slot);

extern const vsvm_hw_op_fn vsvm_hw_ops[VSVM_HW_OPCODES];

enum vsvm_hw_step vsvm_hw_op_sum(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot);
enum vsvm_hw_step vsvm_hw_op_gather(struct vsvm_hw_engine *eng,
				    struct vsvm_hw_slot *slot);
enum vsvm_hw_step vsvm_hw_op_chase(struct vsvm_hw_engine *eng,
				   struct vsvm_hw_slot *slot);
enum vsvm_hw_step vsvm_hw_op_add(struct vsvm_hw_engine *eng,
				 struct vsvm_hw_slot *slot);

enum vsvm_hw_error_code vsvm_hw_packet_check(const struct vsvm_packet *packet,
					     u64 *address);
enum vsvm_hw_error_code
vsvm_hw_command_check(const struct vsvm_hw_command *command, u64 *address);
bool vsvm_hw_compare(u64 op, u64 value, u64 reference);

/** vsvm_hw_is_barrier() - does a packet hold all behind it until it is complete? */
static inline bool vsvm_hw_is_barrier(const struct vsvm_packet *packet)
{
	return packet->flags & VSVM_PACKET_F_BARRIER ||
	       packet->opcode == VSVM_PACKET_BARRIER;
}

#endif
