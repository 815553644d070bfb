/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_HW_PARANOID_H_
#define _VSVM_HW_PARANOID_H_

#include "hw/hw_priv.h"

/* records kept for all address spaces together */
#define VSVM_HW_RECORDS		8192

int vsvm_hw_paranoid_init(struct vsvm_hw_paranoid *paranoid);
void vsvm_hw_paranoid_fini(struct vsvm_hw_paranoid *paranoid);
u64 vsvm_hw_paranoid_begin(struct vsvm_hw *hw);
void vsvm_hw_paranoid_record(struct vsvm_hw *hw, u32 asid, u64 start, u64 end,
			     u64 began);
void vsvm_hw_paranoid_enter(struct vsvm_hw_engine *eng);
void vsvm_hw_paranoid_leave(struct vsvm_hw_engine *eng);
void vsvm_hw_paranoid_use(struct vsvm_hw_engine *eng,
			  struct vsvm_hw_tlb_way *way, u64 address);

#endif
