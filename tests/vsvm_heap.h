/* SPDX-License-Identifier: MIT */
#ifndef VSVM_HEAP_H
#define VSVM_HEAP_H

/* What the tests of the heap share; rules as in vsvm_test.h */

#include "vsvm_bo.h"
#include "vsvm_env.h"

/* A fixture with a device, an address space that mirrors everything, a queue */
#define FIXTURE_HEAP(name)						\
	FIXTURE(name)							\
	{								\
		struct test_vm t;					\
		uint64_t chunk;						\
		uint64_t maximum;					\
	};								\
	FIXTURE_SETUP(name)						\
	{								\
		ASSERT_EQ(0, heap_calm());				\
		ASSERT_EQ(0, test_open(&self->t));			\
		self->chunk = vsvm_info(self->t.dev)->heap_chunk;	\
		self->maximum = vsvm_info(self->t.dev)->heap_maximum;	\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		heap_calm();						\
		EXPECT_EQ(0, test_close(&self->t));			\
	}

/* The call as it is; *committed may be NULL */
int heap_grow(int fd, uint64_t expected, uint64_t bytes, uint64_t *committed);
int heap_shrink(int fd, uint64_t expected, uint64_t bytes, uint64_t *committed);
struct drm_vsvm_heap_alloc heap_alloc_arg(uint64_t size, uint64_t align, uint32_t flags);
/* Makes an object; its handle, or -errno */
int heap_alloc(int fd, uint64_t size, uint64_t align, uint32_t flags, uint64_t *address);
int heap_close(int fd, uint32_t handle);
void *heap_map(int fd, uint32_t handle, uint64_t size);
/* All zeros if it cannot be had */
struct drm_vsvm_heap_query heap_query(int fd);
/* Queues that have taken up a chunk; -1 if there is no such chunk */
int heap_told(int fd, unsigned int chunk);
/* Replaces the queue by one that takes the heap up; 0 or -errno, and it is as it was */
int heap_take(struct test_queue *q, uint32_t ring_handle);
/* Every knob of the firmware off, and its time-out as it is by default */
int heap_calm(void);
/* Restart the firmware; replay: and have the driver tell it what it knew */
int heap_restart(bool replay);

#endif
