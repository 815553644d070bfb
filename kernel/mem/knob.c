// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test knobs: allocations that fail when told to.  Unlike the kernel's own fault
 * injection they name the one place, and are there on every kernel.
 */
#include "mem/mem_priv.h"

/* see mem.h */
u32 *vsvm_mem_knob(struct vsvm_mem *mem, enum vsvm_mem_knob knob)
{
	return &mem->knobs[knob];
}

/** vsvm_mem_shall_fail() - is this one of those that are to fail?  Any context */
bool vsvm_mem_shall_fail(struct vsvm_mem *mem, enum vsvm_mem_knob knob)
{
	u32 left = READ_ONCE(mem->knobs[knob]);

	while (unlikely(left))
		if (try_cmpxchg(&mem->knobs[knob], &left, left - 1))
			return true;
	return false;
}
