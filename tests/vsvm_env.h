/* SPDX-License-Identifier: MIT */
#ifndef VSVM_ENV_H
#define VSVM_ENV_H

/*
 * The machine around the tests: memory of every kind, files in /proc and /sys,
 * control groups, swap, the module itself.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- memory --- */

/* Private anonymous memory, readable and writable, never huge; aborts if there is none */
void *map_anon(size_t size);
/* Shared anonymous memory, for handshakes between processes */
void *map_shared(size_t size);
/* Private anonymous memory aligned to 2 MiB, huge pages left as they come */
void *map_aligned(size_t size);
/* The same with MADV_HUGEPAGE, populated; NULL unless all of it became huge */
void *map_huge(size_t size);
/* Reserve hugetlb pages and map them; NULL if there are none to be had */
void *map_hugetlb(size_t size);

/* --- what the CPU maps --- */

#define PM_PRESENT	(1ull << 63)
#define PM_SWAP		(1ull << 62)
#define PM_FILE		(1ull << 61)
#define PM_EXCLUSIVE	(1ull << 56)
#define PM_PFN		((1ull << 55) - 1)
uint64_t pagemap(const volatile void *p);
/* Pages of the range for which (pagemap & mask) is not 0 */
size_t pagemap_count(const volatile void *p, size_t size, uint64_t mask);
/* A field of /proc/self/smaps of the mapping that holds p, in KiB; -1 if there is none */
long smaps_kib(const volatile void *p, const char *field);
/* A field of /proc/meminfo in KiB */
long meminfo_kib(const char *field);
/* A line of /proc/vmstat */
long vmstat(const char *field);
/* First mapping of /proc/self/maps with this name */
bool find_mapping(const char *name, uintptr_t *start, uintptr_t *end);

/* --- files --- */

/* Writes the text; 0 or -errno */
int write_text(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
long read_number(const char *path);
/* Reads at most size - 1 bytes and ends them with a NUL; their number or -errno */
ssize_t read_text(const char *path, char *buf, size_t size);
/* A file of this size in memory, without a name any more */
int temp_file(size_t size);
/* A memfd of this size */
int temp_memfd(size_t size);
/* A file on a file system with a disk behind it, of this size; -1 if there can be none */
int disk_file(size_t size);
void disk_file_done(void);
/* Has the page cache give up what it can */
void drop_caches(void);

/* --- pressure --- */

/* Swap space of at least so many MiB; 0 or -errno */
int swap_on(size_t mib);
void swap_off(void);
/* Make a control group with these limits (0: none), enter it; 0 or -errno */
int memcg_enter(size_t max_bytes);
/* Have it reclaim so many bytes; 0 or -errno (-EAGAIN: less could be had) */
int memcg_reclaim(size_t bytes);
long memcg_current(void);
void memcg_leave(void);

/* --- the module --- */

/* Parameters it runs with, as "a=b c=d"; 0 or -errno */
int module_params(char *buf, size_t size);
int module_unload(void);
/* Loads it with these parameters; -ENOENT if its file cannot be found */
int module_load(const char *params);
/* Whether module_load() will find it */
bool module_found(void);
/* Platform device of the driver in sysfs, by name; 0 or -errno */
int platform_device(char *buf, size_t size);
int platform_bind(const char *name);
int platform_unbind(const char *name);

/*
 * Have the device check each translation that it uses (VSVM_TEST_PARANOID=0: do
 * not); whether it does
 */
bool paranoid_on(void);

/* --- processes and threads --- */

/* Waits for the child at most PATIENCE; its status, or -1 and the child is killed */
int wait_child(pid_t pid);
/* A flag in shared memory: set by one process, awaited by another */
void flag_set(volatile uint32_t *flag, uint32_t value);
/* False when PATIENCE ran out */
bool flag_wait(volatile uint32_t *flag, uint32_t value);

#endif
