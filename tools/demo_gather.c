// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "demo.h"
#include "tool.h"

#define PIECES	4096
#define PIECE	(16 << 10)

/* Pieces that do not touch one another, in an order that is none */
static void choose(char *area, struct iovec *ranges)
{
	unsigned int i;

	for (i = 0; i < PIECES; i++) {
		/* 1,021 has no factor in common with the number of pieces */
		size_t at = i * 1021ul % PIECES;

		ranges[i] = (struct iovec) { area + 2 * at * PIECE, PIECE };
	}
}

bool demo_gather(struct demo *demo)
{
	uint64_t address = 1ull << (vsvm_info(demo->dev)->va_bits - 1);
	struct iovec *ranges = calloc(PIECES, sizeof(*ranges));
	uint32_t device = 0, cpu = 0;
	struct demo_work work;
	bool ok = false;
	uint64_t start;
	unsigned int i;
	char *area;
	int ret;

	area = mmap(NULL, 2ul * PIECES * PIECE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!ranges || area == MAP_FAILED) {
		demo_fail("out of memory");
		goto out_free;
	}
	choose(area, ranges);
	for (i = 0; i < PIECES; i++)
		memset(ranges[i].iov_base, (int)i * 7 + 1, PIECE);
	if (!demo_work_create(demo, &work))
		goto out_unmap;

	start = demo_now_ns();
	ret = vsvm_bind_userptr(demo->vm, address, ranges, PIECES,
				DRM_VSVM_BIND_REPLACE | DRM_VSVM_BIND_IMMEDIATE, NULL);
	if (ret) {
		demo_fail("cannot bind: %s", strerror(-ret));
		goto out_destroy;
	}
	demo_say("%d pieces of %d KiB, one range of the device: %" PRIu64 " us", PIECES,
		 PIECE >> 10, (demo_now_ns() - start) / 1000);
	start = demo_now_ns();
	if (vsvm_cmd_crc32c(work.cmds, (void *)(uintptr_t)address, (size_t)PIECES * PIECE, 0,
			    &device)) {
		demo_fail("out of memory");
		goto out_unbind;
	}
	if (!demo_work_run(&work))
		goto out_unbind;
	demo_say("CRC32C of the whole by one packet: %08x, %" PRIu64 " us", device,
		 (demo_now_ns() - start) / 1000);
	for (i = 0; i < PIECES; i++)
		cpu = crc32c(cpu, ranges[i].iov_base, PIECE);
	ok = cpu == device;
	if (!ok)
		demo_fail("the CPU says %08x", cpu);

out_unbind:
	vsvm_unbind(demo->vm, address, (uint64_t)PIECES * PIECE, 0);
out_destroy:
	demo_work_destroy(&work);
out_unmap:
	munmap(area, 2ul * PIECES * PIECE);
out_free:
	free(ranges);
	return ok;
}
