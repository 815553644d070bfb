/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_BENCH_PRIV_H_
#define _VSVM_BENCH_PRIV_H_

#include <linux/types.h>

#include "bench/vsvm_bench.h"

struct device;
struct page;

/*
 * Pin the caller's pages.  Return: an array for bench_unpin(), or an ERR_PTR().
 */
struct page **bench_pin(u64 address, u64 size);
void bench_unpin(struct page **pages, u64 size);

/* engine.c */
int bench_engine_init(struct device *dev, u64 vram_bytes);
void bench_engine_fini(void);
int bench_engine_copy(struct vsvm_bench_op *op, bool to_device);

/* migrate.c */
int bench_migrate_init(u64 bytes);
void bench_migrate_fini(void);
int bench_migrate(struct vsvm_bench_op *op, bool to_device);

#endif
