/* SPDX-License-Identifier: MIT */
#ifndef VSVM_INTERNAL_H
#define VSVM_INTERNAL_H

#include <pthread.h>

#include <vsvm.h>

struct vsvm_device {
	int fd;
	char *path;
	struct drm_vsvm_dev_info info;
	/* guards bos and all that is not constant of them; held over ioctls on handles */
	pthread_mutex_t lock;
	struct vsvm_bo *bos;
	/* held from looking at the heap to having grown it; outside lock */
	pthread_mutex_t heap_lock;
	/* where addresses are those of the process; under heap_lock */
	char *window;
};

struct vsvm_bo {
	struct vsvm_device *dev;
	uint32_t handle;
	uint64_t size;
	/* times created or imported: the kernel has one handle for them all */
	unsigned long refs;
	void *map;
	unsigned long maps;
	/* in the heap: on the device; 0 elsewhere */
	uint64_t address;
	/* in a heap whose addresses are those of the process, reserved again when unmapped */
	bool shared;
	/* of the device, in no order; what points to this one, so that none is looked for */
	struct vsvm_bo *next;
	struct vsvm_bo **link;
};

struct vsvm_vm {
	struct vsvm_device *dev;
	uint32_t id;
};

struct vsvm_queue {
	struct vsvm_vm *vm;
	uint32_t id;
	/* held from taking a number until the kernel has the submission */
	pthread_mutex_t lock;
	/* number of the last submission; under lock */
	uint64_t submitted;
	/* written by the device: number of the last submission that is complete */
	uint64_t *fence;
	size_t fence_bytes;
	/* in the heap, or NULL: packets of what is submitted; the rest under lock */
	struct vsvm_bo *ring;
	char *ring_map;
	/* bytes ever put in, and those of submissions that are complete */
	uint64_t ring_head;
	uint64_t ring_tail;
	/* what is not complete, in order, a circular list with room for ring_room */
	struct vsvm_ring_entry *ring_entries;
	size_t ring_room;
	size_t ring_first;
	size_t ring_count;
};

/* A submission in the ring: until where it reaches */
struct vsvm_ring_entry {
	uint64_t sequence;
	uint64_t end;
};

struct vsvm_cmds {
	struct vsvm_packet *packets;
	size_t count;
	size_t capacity;
};

/* Take over a handle; dev->lock held.  NULL without memory, and the handle is closed */
struct vsvm_bo *vsvm__bo_add(struct vsvm_device *dev, uint32_t handle, uint64_t size);
/* Forget what a heap has reserved */
void vsvm__heap_fini(struct vsvm_device *dev);
/* Give an object's addresses back to the reservation */
void vsvm__heap_unmap(struct vsvm_bo *bo);
/* 0 or -errno, restarted after a signal */
int vsvm__ioctl(const struct vsvm_device *dev, unsigned long request, void *arg);
/* CLOCK_MONOTONIC time that is timeout_ns from now; negative: never */
int64_t vsvm__deadline(int64_t timeout_ns);
/* The wait ioctl; deadline as of vsvm__deadline() */
int vsvm__wait_value(struct vsvm_device *dev, uint32_t queue_id, const uint64_t *address,
		     uint64_t value, uint64_t mask, enum vsvm_compare compare, int64_t deadline);

static inline uint64_t vsvm__pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

#endif
