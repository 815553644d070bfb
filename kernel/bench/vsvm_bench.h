/* SPDX-License-Identifier: MIT */
#ifndef _VSVM_BENCH_H_
#define _VSVM_BENCH_H_

/*
 * What vsvm-bench.ko offers to the program vsvm-bench: yardsticks that only the
 * kernel can measure.  No part of the driver, no promise to anybody.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

#define VSVM_BENCH_NAME	"vsvm-bench"

/**
 * struct vsvm_bench_op - something to be done and timed
 * @address: of the caller's memory, a multiple of the page size
 * @source: the same; 0 where there is none
 * @size: bytes, a multiple of the page size, at most 1 GiB
 * @ns: out: how long it took
 * @pages: out: how many pages it was done to
 */
struct vsvm_bench_op {
	__u64 address;
	__u64 source;
	__u64 size;
	__u64 ns;
	__u64 pages;
};

/* Copy with the kernel's memcpy(), page by page, where the kernel has its pages mapped */
#define VSVM_BENCH_MEMCPY		_IOWR('v', 0, struct vsvm_bench_op)
/*
 * Migrate pages of 4 KiB with nothing but setup, memcpy(), pages and finalize,
 * 2 MiB at a time, to device-private pages and back
 */
#define VSVM_BENCH_MIGRATE_TO_DEVICE	_IOWR('v', 1, struct vsvm_bench_op)
#define VSVM_BENCH_MIGRATE_TO_SYSTEM	_IOWR('v', 2, struct vsvm_bench_op)
/* Have the copy engines of an accelerator copy the pages, which stay where they are */
#define VSVM_BENCH_ENGINE_TO_DEVICE	_IOWR('v', 3, struct vsvm_bench_op)
#define VSVM_BENCH_ENGINE_TO_SYSTEM	_IOWR('v', 4, struct vsvm_bench_op)

#endif
