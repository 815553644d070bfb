// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_env.h"

uint32_t bo_state(struct vsvm_bo *bo)
{
	struct drm_vsvm_bo_info info;

	return vsvm_bo_info(bo, &info) ? ~0u : info.state;
}

int bo_touch(struct vsvm_bo *bo)
{
	uint64_t at;
	void *map;
	int ret = vsvm_bo_map(bo, &map);

	if (ret)
		return ret;
	for (at = 0; at < vsvm_bo_size(bo); at += PAGE)
		*(volatile uint64_t *)((char *)map + at) = at;
	vsvm_bo_unmap(bo);
	return 0;
}

uint64_t bo_vram_used(struct vsvm_device *dev)
{
	struct drm_vsvm_dev_info info = {};
	struct drm_vsvm_dev_query query = {
		.type = DRM_VSVM_DEV_QUERY_INFO,
		.size = sizeof(info),
		.pointer = (uintptr_t)&info,
	};

	return test_ioctl(vsvm_fd(dev), DRM_IOCTL_VSVM_DEV_QUERY, &query) ? ~0ull : info.vram_used;
}

int bo_vram_used_becomes(struct vsvm_device *dev, uint64_t bytes)
{
	uint64_t since = 0;

	while (bo_vram_used(dev) != bytes) {
		if (!test_patient(&since))
			return -ETIME;
		test_nap();
	}
	return 0;
}

long bo_fdinfo_kib(struct vsvm_device *dev, const char *key)
{
	char path[64], buf[4096];
	const char *line, *unit;
	unsigned long value;
	char *end;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", vsvm_fd(dev));
	if (read_text(path, buf, sizeof(buf)) < 0)
		return -1;
	for (line = buf; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, strlen(key)) || line[strlen(key)] != ':')
			continue;
		value = strtoul(line + strlen(key) + 1, &end, 10);
		unit = end + strspn(end, " ");
		if (!strncmp(unit, "MiB", 3))
			return (long)(value << 10);
		return (long)(strncmp(unit, "KiB", 3) ? value >> 10 : value);
	}
	return -1;
}

static sigjmp_buf sigbus_jump;

static void sigbus_handler(int sig)
{
	siglongjmp(sigbus_jump, sig);
}

bool bo_sigbus(const volatile void *p)
{
	struct sigaction action = { .sa_handler = sigbus_handler };
	struct sigaction old;
	bool bus;

	sigaction(SIGBUS, &action, &old);
	bus = sigsetjmp(sigbus_jump, 1);
	if (!bus)
		(void)*(const volatile char *)p;
	sigaction(SIGBUS, &old, NULL);
	return bus;
}

size_t vram_pages(struct test_vm *t, const volatile void *p, size_t size)
{
	return count_state(t, p, size, DRM_VSVM_PAGE_VRAM, DRM_VSVM_PAGE_VRAM);
}

size_t vram_move(struct test_vm *t, const void *p, size_t size)
{
	size_t there = 0, at;
	unsigned int i;

	for (i = 0; i < 10 && there < size / PAGE; i++) {
		/*
		 * Pages in swap are not there to be moved, and those on their way to
		 * the LRU lists of another CPU cannot be
		 */
		for (at = 0; i && at < size; at += PAGE)
			if (!vram_pages(t, (const char *)p + at, PAGE))
				(void)*((const volatile char *)p + at);
		if (i)
			drop_caches();
		if (vsvm_prefetch(t->vm, p, size, DRM_VSVM_PLACE_DEVICE))
			return 0;
		there = vram_pages(t, p, size);
	}
	return there;
}

char *vram_make(struct test_vm *t, size_t size, bool huge, uint64_t seed)
{
	char *p = map_aligned(size);
	size_t there;

	madvise(p, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	fill_pattern(p, size, seed);
	there = vram_move(t, p, size);
	if (there == size / PAGE)
		return p;
	fprintf(stderr, "# %zu of %zu pages have moved to the device\n", there, size / PAGE);
	return NULL;
}

char *bo_bind_new(struct test_vm *t, struct vsvm_bo *bo, uint32_t flags)
{
	size_t size = vsvm_bo_size(bo), whole = (size + HUGE - 1) / HUGE * HUGE;
	char *p = map_aligned(whole);

	/* Whoever gets here by mistake, the CPU or the mirror, shall notice */
	mprotect(p, whole, PROT_NONE);
	if (vsvm_bind_bo(t->vm, bo, (uintptr_t)p, 0, size, flags | DRM_VSVM_BIND_REPLACE))
		return NULL;
	return p;
}

int make_udmabuf(size_t size, char **p)
{
	struct udmabuf_create create = { .size = size, .flags = UDMABUF_FLAGS_CLOEXEC };
	int dev, fd;

	dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -1;
	create.memfd = (uint32_t)memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (ftruncate((int)create.memfd, (off_t)size) ||
	    fcntl((int)create.memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		close((int)create.memfd);
		close(dev);
		return -1;
	}
	*p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, (int)create.memfd, 0);
	fd = ioctl(dev, UDMABUF_CREATE, &create);
	close((int)create.memfd);
	close(dev);
	return fd;
}

int bo_knob(const char *name, unsigned int value)
{
	static const char dir[] = "/sys/kernel/debug/dri";
	struct dirent *entry;
	char path[512];
	DIR *dri = opendir(dir);
	int ret = -ENOENT;

	while (dri && ret && (entry = readdir(dri))) {
		snprintf(path, sizeof(path), "%s/%s/%s", dir, entry->d_name, name);
		if (entry->d_name[0] != '.')
			ret = write_text(path, "%u", value) < 0 ? -ENOENT : 0;
	}
	if (dri)
		closedir(dri);
	return ret;
}
