/* SPDX-License-Identifier: MIT */
#ifndef VSVM_BENCH_MIGRATE_H
#define VSVM_BENCH_MIGRATE_H

/* The loads of the area migrate */

#include "bench.h"

struct drm_vsvm_dev_counters bench_counters(struct bench_dev *d);
/* Skip the load if the device has less memory */
void bench_need_vram(struct bench_dev *d, size_t size);
/* Skip it if the machine has less; device memory is not the machine's any more */
void bench_need_memory(size_t size);
/* The time of moving all of it, in ns; dies if a page stays where it was */
double bench_move(struct bench_dev *d, void *p, size_t size, enum drm_vsvm_place place);
/* Bind anew: nothing is mapped, and faults move pages */
void bench_bind_migrate(struct bench_dev *d, void *p, size_t size);

/* migrate_stream.c */
void migrate_sparse(struct bench *b);
void migrate_demand(struct bench *b);
void migrate_over(struct bench *b);
void migrate_flat(struct bench *b);

#endif
