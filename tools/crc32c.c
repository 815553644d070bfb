// SPDX-License-Identifier: MIT
#include <errno.h>
#include <unistd.h>

#include "tool.h"

#define CRC32C_POLYNOMIAL	0x82f63b78u	/* Castagnoli, lowest bit first */

static uint32_t table[256];

static void table_fill(void)
{
	uint32_t i, bit, crc;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
		table[i] = crc;
	}
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
	const unsigned char *p = data;

	if (!table[1])
		table_fill();
	crc = ~crc;
	while (bytes--)
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}

int crc32c_file(int fd, uint64_t size, uint32_t *crc)
{
	static unsigned char buf[1 << 16];
	uint64_t at = 0;

	*crc = 0;
	while (at < size) {
		size_t want = size - at < sizeof(buf) ? size - at : sizeof(buf);
		ssize_t got = pread(fd, buf, want, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ESTALE;
		*crc = crc32c(*crc, buf, got);
		at += got;
	}
	return 0;
}
