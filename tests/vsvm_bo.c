// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
