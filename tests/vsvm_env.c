// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_env.h"
#include "vsvm_test.h"

#ifndef BLKGETSIZE64
#define BLKGETSIZE64	_IOR(0x12, 114, size_t)
#endif

/* --- memory --- */

static void *map(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("# mmap");
		abort();
	}
	return p;
}

void *map_anon(size_t size)
{
	void *p = map(size, MAP_PRIVATE);

	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

void *map_shared(size_t size)
{
	return map(size, MAP_SHARED);
}

void *map_aligned(size_t size)
{
	char *p = map(size + HUGE, MAP_PRIVATE);
	size_t head = (HUGE - (uintptr_t)p % HUGE) % HUGE;

	if (head)
		munmap(p, head);
	munmap(p + head + size, HUGE - head);
	return p + head;
}

void *map_huge(size_t size)
{
	char *p = map_aligned(size);
	size_t i;

	if (madvise(p, size, MADV_HUGEPAGE)) {
		munmap(p, size);
		return NULL;
	}
	for (i = 0; i < size; i += HUGE)
		p[i] = 0;
	if (smaps_kib(p, "AnonHugePages:") < (long)(size >> 10)) {
		munmap(p, size);
		return NULL;
	}
	return p;
}

void *map_hugetlb(size_t size)
{
	const char *path = "/proc/sys/vm/nr_hugepages";
	long want = (long)(size / HUGE) + 1;
	void *p;

	if (meminfo_kib("HugePages_Free:") < want)
		write_text(path, "%ld", read_number(path) + want);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		 -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* --- what the CPU maps --- */

uint64_t pagemap(const volatile void *p)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)p / PAGE * sizeof(entry))) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}

size_t pagemap_count(const volatile void *p, size_t size, uint64_t mask)
{
	size_t found = 0, i;

	for (i = 0; i < size; i += PAGE)
		found += !!(pagemap((const volatile char *)p + i) & mask);
	return found;
}

long smaps_kib(const volatile void *p, const char *field)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	bool inside = false;
	char line[512];
	long kib = -1;

	if (!smaps)
		return -1;
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)p >= start && (uintptr_t)p < end;
		else if (inside && !strncmp(line, field, strlen(field)))
			sscanf(line + strlen(field), "%ld", &kib);
	}
	fclose(smaps);
	return kib;
}

static long field_of(const char *path, const char *field)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long value = -1;

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, field, strlen(field)) && strchr(": ", line[strlen(field)]))
			sscanf(line + strlen(field) + 1, "%ld", &value);
	fclose(file);
	return value;
}

long meminfo_kib(const char *field)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", field);
	name[strcspn(name, ":")] = '\0';
	return field_of("/proc/meminfo", name);
}

long vmstat(const char *field)
{
	return field_of("/proc/vmstat", field);
}

bool find_mapping(const char *name, uintptr_t *start, uintptr_t *end)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	bool found = false;
	char line[512];

	if (!maps)
		return false;
	while (!found && fgets(line, sizeof(line), maps)) {
		found = strstr(line, name) && sscanf(line, "%lx-%lx ", &from, &to) == 2;
		if (found) {
			*start = from;
			*end = to;
		}
	}
	fclose(maps);
	return found;
}

/* --- files --- */

int write_text(const char *path, const char *format, ...)
{
	char text[512];
	va_list args;
	ssize_t n;
	int fd, ret = 0;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		ret = -errno;
	close(fd);
	return ret;
}

ssize_t read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	close(fd);
	return n;
}

long read_number(const char *path)
{
	char text[64];

	return read_text(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 0) : -1;
}

int temp_file(size_t size)
{
	char name[] = "/tmp/vsvm-test-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd < 0)
		return -1;
	unlink(name);
	if (ftruncate(fd, (off_t)size)) {
		close(fd);
		return -1;
	}
	return fd;
}

int temp_memfd(size_t size)
{
	int fd = memfd_create("vsvm-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size)) {
		close(fd);
		return -1;
	}
	return fd;
}

#define DISK_READY	"/mnt/disk"
#define DISK_DEVICE	"/dev/ram15"
#define DISK_MOUNT	"/tmp/vsvm-test-disk"

static bool is_disk(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == EXT4_SUPER_MAGIC;
}

/* A disk that is there, or else a small one in memory */
static const char *disk_mount(void)
{
	if (is_disk(DISK_READY))
		return DISK_READY;
	mkdir(DISK_MOUNT, 0700);
	/* Something from a test that was cut off may still be mounted */
	umount2(DISK_MOUNT, MNT_DETACH);
	if (system("mke2fs -F " DISK_DEVICE " >/dev/null 2>&1 || "
		   "busybox mke2fs -F " DISK_DEVICE " >/dev/null 2>&1"))
		return NULL;
	if (mount(DISK_DEVICE, DISK_MOUNT, "ext4", 0, NULL) &&
	    mount(DISK_DEVICE, DISK_MOUNT, "ext2", 0, NULL))
		return NULL;
	return DISK_MOUNT;
}

int disk_file(size_t size)
{
	const char *dir = disk_mount();
	char name[64];
	int fd;

	if (!dir)
		return -1;
	snprintf(name, sizeof(name), "%s/vsvm-test-XXXXXX", dir);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return -1;
	unlink(name);
	if (ftruncate(fd, (off_t)size)) {
		close(fd);
		return -1;
	}
	return fd;
}

void disk_file_done(void)
{
	umount2(DISK_MOUNT, MNT_DETACH);
	rmdir(DISK_MOUNT);
}

void drop_caches(void)
{
	sync();
	write_text("/proc/sys/vm/drop_caches", "1");
}

/* --- pressure --- */

#define SWAP_DEVICES	12

static int swap_device_on(unsigned int i, size_t *bytes)
{
	static char header[PAGE];
	uint32_t *words = (uint32_t *)(header + 1024);
	uint64_t size = 0;
	char path[32];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/dev/ram%u", i);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, BLKGETSIZE64, &size) || size < 16 * PAGE) {
		close(fd);
		return -ENODEV;
	}
	memset(header, 0, sizeof(header));
	words[0] = 1;				/* version */
	words[1] = (uint32_t)(size / PAGE - 1);	/* last page */
	memcpy(header + PAGE - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, header, PAGE, 0) != (ssize_t)PAGE || fsync(fd))
		ret = -EIO;
	close(fd);
	if (!ret && swapon(path, 0))
		ret = errno == EBUSY ? 0 : -errno;
	if (!ret)
		*bytes += size;
	return ret;
}

int swap_on(size_t mib)
{
	size_t bytes = 0;
	unsigned int i;
	int ret = 0;

	if (meminfo_kib("SwapFree:") >= (long)mib << 10)
		return 0;
	for (i = 0; i < SWAP_DEVICES && bytes < mib << 20 && !ret; i++)
		ret = swap_device_on(i, &bytes);
	if (!ret && bytes < mib << 20)
		ret = -ENOSPC;
	return ret;
}

void swap_off(void)
{
	unsigned int i;
	char path[32];

	for (i = 0; i < SWAP_DEVICES; i++) {
		snprintf(path, sizeof(path), "/dev/ram%u", i);
		swapoff(path);
	}
}

#define CGROUP_ROOT	"/sys/fs/cgroup"

static char cgroup_path[64];

int memcg_enter(size_t max_bytes)
{
	char path[128];
	int ret;

	ret = write_text(CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	if (ret)
		return ret;
	snprintf(cgroup_path, sizeof(cgroup_path), CGROUP_ROOT "/vsvm-test-%d", getpid());
	if (mkdir(cgroup_path, 0700) && errno != EEXIST)
		return -errno;
	if (max_bytes) {
		snprintf(path, sizeof(path), "%s/memory.max", cgroup_path);
		ret = write_text(path, "%zu", max_bytes);
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup_path);
	return ret ? ret : write_text(path, "%d", getpid());
}

int memcg_reclaim(size_t bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.reclaim", cgroup_path);
	return write_text(path, "%zu", bytes);
}

long memcg_current(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.current", cgroup_path);
	return read_number(path);
}

void memcg_leave(void)
{
	if (!cgroup_path[0])
		return;
	write_text(CGROUP_ROOT "/cgroup.procs", "%d", getpid());
	rmdir(cgroup_path);
	cgroup_path[0] = '\0';
}

bool paranoid_on(void)
{
	static const char dir[] = "/sys/kernel/debug/dri";
	const char *wanted = getenv("VSVM_TEST_PARANOID");
	struct dirent *entry;
	bool done = false;
	char path[512];
	DIR *dri;

	if (wanted && !strcmp(wanted, "0"))
		return false;
	dri = opendir(dir);
	while (dri && (entry = readdir(dri))) {
		snprintf(path, sizeof(path), "%s/%s/paranoid", dir, entry->d_name);
		if (entry->d_name[0] == '.' || access(path, F_OK))
			continue;
		write_text(path, "1");
		done |= read_number(path) == 1;
	}
	if (dri)
		closedir(dri);
	return done;
}

/* --- processes --- */

int wait_child(pid_t pid)
{
	uint64_t since = 0;
	int status;
	pid_t ret;

	do {
		ret = waitpid(pid, &status, WNOHANG);
		if (ret == pid)
			return status;
		if (ret < 0)
			return -1;
		test_nap();
	} while (test_patient(&since));
	fprintf(stderr, "# child %d does not end\n", pid);
	kill(pid, SIGKILL);
	return -1;
}

void flag_set(volatile uint32_t *flag, uint32_t value)
{
	__atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

bool flag_wait(volatile uint32_t *flag, uint32_t value)
{
	uint64_t since = 0;

	while (__atomic_load_n(flag, __ATOMIC_SEQ_CST) != value) {
		if (!test_patient(&since)) {
			fprintf(stderr, "# flag is %u after all that time, not %u\n", *flag, value);
			return false;
		}
		test_nap();
	}
	return true;
}
