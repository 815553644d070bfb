/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_SVM_MIGRATE_H_
#define _VSVM_SVM_MIGRATE_H_

#include <linux/migrate.h>

#include "svm/svm_priv.h"

/* What is moved with one walk ahead of it, and mapped together afterwards */
#define VSVM_WINDOW_BLOCKS	16
#define VSVM_WINDOW_SIZE	(VSVM_WINDOW_BLOCKS * VSVM_SVM_BLOCK_SIZE)

/* What is collected and copied as one, and how many of these are under way */
#define VSVM_FLIGHT_BLOCKS	2
#define VSVM_FLIGHTS		2

/* Mappings of the process that a flight can take in */
#define VSVM_FLIGHT_LEGS	8

/* Pieces that a block is made of when device memory is in pieces */
#define VSVM_ROOM_PIECES	32

/**
 * struct vsvm_svm_room - contiguous device memory for a flight
 * @room: the device's handle
 * @order: log2 of pages
 * @used: pages given out, from the first on; all of it, or none, if @placed
 * @placed: page n is for page n of the block
 */
struct vsvm_svm_room {
	void *room;
	unsigned int order;
	unsigned int used;
	bool placed;
};

/**
 * struct vsvm_svm_leg - what of a flight lies in one mapping
 * @args: to the device: as core-mm has it
 * @back: to system memory: the device's handle, kept from flight to flight
 * @start: first address
 * @end: one past the last
 */
struct vsvm_svm_leg {
	struct migrate_vma args;
	void *back;
	unsigned long start;
	unsigned long end;
};

/**
 * struct vsvm_svm_flight - pages on their way
 * @start: first address
 * @end: one past the last
 * @aloft: between being collected and being finished with: pages are locked,
 *	copies under way, and mmap_lock is held all the while
 * @copying: the device's handle of the copies, NULL if there are none
 * @room: device memory for each block
 * @nrooms: of each block
 * @leg: mappings
 * @nlegs: how many there are
 * @ncopies: of @copy
 * @src: see struct migrate_vma; this and what follows lies behind the struct
 * @dst: see there
 * @copy: what is to be copied
 */
struct vsvm_svm_flight {
	unsigned long start;
	unsigned long end;
	bool aloft;
	void *copying;
	struct vsvm_svm_room room[VSVM_FLIGHT_BLOCKS][VSVM_ROOM_PIECES];
	unsigned int nrooms[VSVM_FLIGHT_BLOCKS];
	struct vsvm_svm_leg leg[VSVM_FLIGHT_LEGS];
	unsigned int nlegs;
	unsigned int ncopies;
	unsigned long *src;
	unsigned long *dst;
	struct vsvm_svm_copy *copy;
};

/**
 * struct vsvm_svm_migration - pages being moved, by one thread
 * @svm: mirror
 * @to_device: direction
 * @evict: others may be evicted for it
 * @blocks: of a flight at most
 * @start: of the window
 * @end: one past it
 * @want: pages of each block of the window that are there to be moved
 * @huge: blocks of the window that are one huge page
 * @moved: pages moved, in all
 * @next: flight to be used next
 * @flight: the second is made when there is use for it
 */
struct vsvm_svm_migration {
	struct vsvm_svm *svm;
	bool to_device;
	bool evict;
	unsigned int blocks;
	unsigned long start;
	unsigned long end;
	unsigned int want[VSVM_WINDOW_BLOCKS];
	DECLARE_BITMAP(huge, VSVM_WINDOW_BLOCKS);
	unsigned long moved;
	unsigned int next;
	struct vsvm_svm_flight *flight[VSVM_FLIGHTS];
};

/* A block of an address, counted from the one that @start lies in */
static inline unsigned int vsvm_svm_block_of(unsigned long start, unsigned long address)
{
	return (address >> VSVM_SVM_BLOCK_SHIFT) - (start >> VSVM_SVM_BLOCK_SHIFT);
}

/* migrate.c */
struct vsvm_svm_migration *vsvm_svm_migration_create(struct vsvm_svm *svm,
						     bool to_device, bool evict,
						     unsigned int blocks);
void vsvm_svm_migration_destroy(struct vsvm_svm_migration *m);
int vsvm_svm_migrate_window(struct vsvm_svm_migration *m, unsigned long start,
			    unsigned long end, enum vsvm_svm_reason reason);

/* room.c */
bool vsvm_svm_room_make(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f,
			unsigned int b, bool last);
void vsvm_svm_room_put_all(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f);
unsigned int vsvm_svm_room_place(struct vsvm_svm_migration *m, struct vsvm_svm_flight *f,
				 unsigned int i);

#endif
