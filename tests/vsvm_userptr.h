/* SPDX-License-Identifier: MIT */
#ifndef VSVM_USERPTR_H
#define VSVM_USERPTR_H

/* What the tests of batches share; rules as in vsvm_test.h */

#include <sys/uio.h>

#include "vsvm_test.h"

/* Where batches are bound: no process has memory there */
#define BATCH_AT	(1ull << 47)

/* A device address of the batch, for packets */
static inline char *batch_at(size_t offset)
{
	return (char *)(uintptr_t)(BATCH_AT + offset);
}

/* Binds ranges at an address, in place of what is there; failed may be NULL */
int batch_bind_at(struct test_vm *t, uint64_t address, const struct iovec *iov, uint32_t count,
		  uint32_t flags, uint32_t *failed);
/* At BATCH_AT */
int batch_bind(struct test_vm *t, const struct iovec *iov, uint32_t count, uint32_t flags);
int batch_unbind(struct test_vm *t, uint64_t address, uint64_t size);
uint64_t batch_size(const struct iovec *iov, uint32_t count);
/* Every other piece of an area, in random order; free() it */
struct iovec *batch_scatter(char *area, uint32_t count, size_t size, uint64_t seed);
/* A piece of memory filled with what belongs at this place of the batch */
void batch_fill(const struct iovec *iov, uint32_t count, uint64_t seed);
/* The first range that is not so, or -1 */
long batch_check(const struct iovec *iov, uint32_t count, uint64_t seed);
/* What the CPU says of the whole */
uint32_t batch_crc(const struct iovec *iov, uint32_t count);
/* What the device says */
int batch_dev_crc(struct test_vm *t, uint64_t address, size_t bytes, uint32_t *crc);
/* Waits until no batch is left in the address space, for workers let go late */
int batch_all_gone(struct test_vm *t);

#endif
