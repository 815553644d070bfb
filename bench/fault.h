/* SPDX-License-Identifier: MIT */
#ifndef VSVM_BENCH_FAULT_H
#define VSVM_BENCH_FAULT_H

/* The loads of the area fault */

#include "bench.h"

/* What the driver maps along with a scattered fault, by default */
#define AROUND		(16 * PAGE)

/* fault_service.c */
void fault_service(struct bench *b);
void fault_storm(struct bench *b);
void fault_huge(struct bench *b);

/* fault_memory.c */
void fault_metadata(struct bench *b);
void fault_copy(struct bench *b);
void fault_munmap(struct bench *b);
void fault_fork(struct bench *b);

/* fault_stream.c */
void fault_stream(struct bench *b);
void fault_invalidate(struct bench *b);

#endif
