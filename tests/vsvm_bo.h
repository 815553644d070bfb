/* SPDX-License-Identifier: MIT */
#ifndef VSVM_BO_H
#define VSVM_BO_H

/* What the tests of buffer objects share; rules as in vsvm_test.h */

#include "vsvm_test.h"

/* A fixture with a device and the size of its memory */
#define FIXTURE_BO(name)						\
	FIXTURE(name)							\
	{								\
		struct vsvm_device *dev;				\
		uint64_t vram;						\
	};								\
	FIXTURE_SETUP(name)						\
	{								\
		ASSERT_EQ(0, vsvm_open(NULL, &self->dev));		\
		self->vram = vsvm_info(self->dev)->vram_bytes;		\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		vsvm_close(self->dev);					\
	}

/* enum drm_vsvm_bo_state; ~0u if that cannot be had */
uint32_t bo_state(struct vsvm_bo *bo);
/* Writes a word to each page through a mapping of its own */
int bo_touch(struct vsvm_bo *bo);
uint64_t bo_vram_used(struct vsvm_device *dev);
/* Waits until that is so, for memory is given back in the background; -ETIME */
int bo_vram_used_becomes(struct vsvm_device *dev, uint64_t bytes);
/* A size in /proc/self/fdinfo of the device; -1 if it is not there */
long bo_fdinfo_kib(struct vsvm_device *dev, const char *key);
/* Does reading a byte there raise SIGBUS? */
bool bo_sigbus(const volatile void *p);

/* Turns a test knob of the hardware in debugfs; 0 or -errno */
int bo_knob(const char *name, unsigned int value);

#endif
