// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsvm_env.h"
#include "vsvm_userptr.h"

int batch_bind_at(struct test_vm *t, uint64_t address, const struct iovec *iov, uint32_t count,
		  uint32_t flags, uint32_t *failed)
{
	return vsvm_bind_userptr(t->vm, address, iov, count, flags | DRM_VSVM_BIND_REPLACE,
				 failed);
}

int batch_bind(struct test_vm *t, const struct iovec *iov, uint32_t count, uint32_t flags)
{
	return batch_bind_at(t, BATCH_AT, iov, count, flags, NULL);
}

int batch_unbind(struct test_vm *t, uint64_t address, uint64_t size)
{
	return vsvm_unbind(t->vm, address, size, 0);
}

uint64_t batch_size(const struct iovec *iov, uint32_t count)
{
	uint64_t size = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		size += iov[i].iov_len;
	return size;
}

struct iovec *batch_scatter(char *area, uint32_t count, size_t size, uint64_t seed)
{
	struct iovec *iov = malloc(count * sizeof(*iov));
	uint32_t i, j;

	if (!iov)
		abort();
	for (i = 0; i < count; i++)
		iov[i] = (struct iovec) { area + 2 * i * size, size };
	for (i = count - 1; seed && i > 0; i--) {
		struct iovec swap = iov[i];

		j = test_random(&seed) % (i + 1);
		iov[i] = iov[j];
		iov[j] = swap;
	}
	return iov;
}

void batch_fill(const struct iovec *iov, uint32_t count, uint64_t seed)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		fill_pattern(iov[i].iov_base, iov[i].iov_len, seed + i);
}

long batch_check(const struct iovec *iov, uint32_t count, uint64_t seed)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (check_pattern(iov[i].iov_base, iov[i].iov_len, seed + i) >= 0)
			return i;
	return -1;
}

uint32_t batch_crc(const struct iovec *iov, uint32_t count)
{
	uint32_t crc = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		crc = crc32c(crc, iov[i].iov_base, iov[i].iov_len);
	return crc;
}

int batch_dev_crc(struct test_vm *t, uint64_t address, size_t bytes, uint32_t *crc)
{
	int ret;

	t->out[0] = 0;
	put_crc(&t->q, (void *)(uintptr_t)address, bytes, 0, t->out);
	ret = test_run(&t->q);
	*crc = (uint32_t)t->out[0];
	return ret;
}

int batch_all_gone(struct test_vm *t)
{
	struct drm_vsvm_stats s;
	uint64_t since = 0;

	do {
		s = test_stats(t);
		if (!s.batches && !s.batch_ranges && !s.batch_notifiers)
			return 0;
		test_nap();
	} while (test_patient(&since));
	fprintf(stderr, "# %llu batches, %llu ranges, %llu notifiers are left\n",
		(long long)s.batches, (long long)s.batch_ranges, (long long)s.batch_notifiers);
	return -EBUSY;
}
