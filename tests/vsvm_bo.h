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

/*
 * A fixture with an address space on a device with so much memory, for which the
 * module is loaded anew
 */
#define FIXTURE_VRAM(name, mib)						\
	FIXTURE(name)							\
	{								\
		char before[1024];					\
		struct test_vm t;					\
		uint64_t vram;						\
	};								\
	FIXTURE_SETUP(name)						\
	{								\
		REQUIRE(module_found(), "vsvm.ko is not to be found (VSVM_MODULE)"); \
		ASSERT_EQ(0, module_params(self->before, sizeof(self->before))); \
		ASSERT_EQ(0, module_unload());				\
		ASSERT_EQ(0, module_load("vram_mib=" #mib));		\
		ASSERT_EQ(0, test_open(&self->t));			\
		self->vram = vsvm_info(self->t.dev)->vram_bytes;	\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		if (!self->before[0])					\
			return;						\
		EXPECT_EQ(0, test_close(&self->t));			\
		EXPECT_EQ(0, module_unload());				\
		EXPECT_EQ(0, module_load(self->before));		\
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

/* Pages of the range that the device maps in its own memory */
size_t vram_pages(struct test_vm *t, const volatile void *p, size_t size);
/* Moves the range to the device, with some patience; how many of its pages are there then */
size_t vram_move(struct test_vm *t, const void *p, size_t size);
/* Memory with a pattern, huge pages or not, that has been moved to the device; NULL if not all */
char *vram_make(struct test_vm *t, size_t size, bool huge, uint64_t seed);
/* A buffer object bound at an address that means nothing else; NULL if it cannot be */
char *bo_bind_new(struct test_vm *t, struct vsvm_bo *bo, uint32_t flags);
/* A dma-buf of memory of a memfd, which is mapped at *p; -1 if there are none */
int make_udmabuf(size_t size, char **p);

/* Turns a test knob of the hardware in debugfs; 0 or -errno */
int bo_knob(const char *name, unsigned int value);

#endif
