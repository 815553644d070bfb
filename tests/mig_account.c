// SPDX-License-Identifier: MIT
/*
 * What is told of device memory: trace events, fdinfo, the control group for device
 * memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsvm_bo.h"
#include "vsvm_harness.h"

#define BYTES	(4 * HUGE)
#define TRACING	"/sys/kernel/tracing/"
#define CGROUP	"/sys/fs/cgroup/"

FIXTURE_VRAM(account, 16);

/* --- trace events --- */

static int trace_begin(const char *event)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "events/vsvm/%s/enable", event);
	if (access(path, W_OK))
		return -ENOENT;
	write_text(TRACING "tracing_on", "1");
	return write_text(TRACING "trace", " ") ?: write_text(path, "1");
}

static void trace_end(const char *event)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "events/vsvm/%s/enable", event);
	write_text(path, "0");
}

/* Events of a name whose line contains all of the words; sum of what follows KEY */
static unsigned int trace_count(const char *event, const char *a, const char *b,
				const char *key, uint64_t *sum)
{
	FILE *trace = fopen(TRACING "trace", "re");
	unsigned int n = 0;
	char line[512], name[64];

	*sum = 0;
	snprintf(name, sizeof(name), " %s: ", event);
	while (trace && fgets(line, sizeof(line), trace)) {
		const char *at = strstr(line, name), *value;

		if (!at || !strstr(at, a) || !strstr(at, b))
			continue;
		value = strstr(at, key);
		if (!value)
			continue;
		n++;
		*sum += strtoull(value + strlen(key), NULL, 0);
	}
	if (trace)
		fclose(trace);
	return n;
}

TEST_F(account, migrations_are_traced)
{
	uint64_t sum;
	char *p;

	REQUIRE(!trace_begin("vsvm_migrate"), "no trace events");
	ASSERT_EQ(0, trace_begin("vsvm_return"));
	p = vram_make(&self->t, BYTES, false, 1);
	ASSERT_NE(NULL, p);
	EXPECT_LE(1, trace_count("vsvm_migrate", "to=device", "reason=prefetch", " pages=", &sum));
	EXPECT_EQ(BYTES / PAGE, sum);
	trace_count("vsvm_migrate", "to=device", "reason=prefetch", " bytes=", &sum);
	EXPECT_EQ(BYTES, sum);
	trace_count("vsvm_migrate", "to=device", "reason=prefetch", " asked=", &sum);
	EXPECT_EQ(BYTES / PAGE, sum);
	trace_count("vsvm_migrate", "to=device", "reason=prefetch", " ns=", &sum);
	EXPECT_LT(0, sum);
	/* By the CPU */
	(void)*(volatile char *)(p + 3 * HUGE);
	EXPECT_EQ(1, trace_count("vsvm_return", "reason=cpu", "", " pages=", &sum));
	EXPECT_EQ(16, sum);
	trace_count("vsvm_return", "reason=cpu", "", " address=", &sum);
	EXPECT_EQ((uintptr_t)p + 3 * HUGE, sum);
	/* When asked to */
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_SYSTEM));
	EXPECT_LE(1, trace_count("vsvm_migrate", "to=system", "reason=prefetch", " pages=", &sum));
	EXPECT_EQ(BYTES / PAGE - 16, sum);
	/* By a fault of the device */
	ASSERT_EQ(0, vsvm_bind_mirror(self->t.vm, (uintptr_t)p, HUGE,
				      DRM_VSVM_BIND_MIGRATE | DRM_VSVM_BIND_REPLACE));
	ASSERT_EQ(0, dev_touch_write(&self->t, p, PAGE));
	EXPECT_LE(1, trace_count("vsvm_migrate", "to=device", "reason=fault", " pages=", &sum));
	EXPECT_LE(1, sum);
	trace_end("vsvm_migrate");
	trace_end("vsvm_return");
	EXPECT_EQ(-1, check_pattern(p, BYTES, 1));
}

TEST_F(account, evictions_are_traced)
{
	struct vsvm_bo *bo, *full;
	uint64_t sum;
	char name[64];
	char *p;

	REQUIRE(!trace_begin("vsvm_evict"), "no trace events");
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, HUGE, DRM_VSVM_BO_VRAM, 0, &bo));
	ASSERT_EQ(0, bo_touch(bo));
	p = vram_make(&self->t, BYTES, false, 2);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(0, trace_count("vsvm_evict", "", "", " pages=", &sum));
	ASSERT_EQ(0, vsvm_bo_create(self->t.dev, self->vram, DRM_VSVM_BO_VRAM, 0, &full));
	ASSERT_EQ(0, bo_touch(full));
	EXPECT_EQ(1, trace_count("vsvm_evict", "kind=bo", "reason=room", " pages=", &sum));
	EXPECT_EQ(HUGE / PAGE, sum);
	EXPECT_LE(4, trace_count("vsvm_evict", "kind=chunk", "reason=room", " pages=", &sum));
	EXPECT_EQ(BYTES / PAGE, sum);
	trace_count("vsvm_evict", "kind=chunk", "reason=room", " bytes=", &sum);
	EXPECT_EQ(BYTES, sum);
	trace_count("vsvm_evict", "kind=chunk", "reason=room", " ns=", &sum);
	EXPECT_LT(0, sum);
	/* What is not needed */
	ASSERT_EQ(0, vsvm_bo_advise(full, DRM_VSVM_BO_DONTNEED, NULL));
	ASSERT_EQ(0, bo_touch(bo));
	ASSERT_EQ(0, vsvm_prefetch(self->t.vm, p, BYTES, DRM_VSVM_PLACE_DEVICE));
	EXPECT_EQ(1, trace_count("vsvm_evict", "kind=bo", "purged=1", " pages=", &sum));
	EXPECT_EQ(self->vram / PAGE, sum);
	vsvm_bo_destroy(full);
	vsvm_bo_destroy(bo);
	/* The device goes */
	ASSERT_EQ(0, platform_device(name, sizeof(name)));
	ASSERT_EQ(0, platform_unbind(name));
	EXPECT_LE(1, trace_count("vsvm_evict", "kind=chunk", "reason=stop", " pages=", &sum));
	EXPECT_EQ(BYTES / PAGE, sum);
	trace_end("vsvm_evict");
	EXPECT_EQ(-1, check_pattern(p, BYTES, 2));
	ASSERT_EQ(0, platform_bind(name));
	vsvm_close(self->t.dev);
	ASSERT_EQ(0, test_open(&self->t));
}

/* --- fdinfo --- */

TEST_F(account, fdinfo_follows_objects_wherever_they_go)
{
	struct vsvm_device *dev = self->t.dev;
	struct vsvm_bo *a, *b, *full;
	const long mib = 1024;

	ASSERT_EQ(0, vsvm_bo_create(dev, 2 * HUGE, DRM_VSVM_BO_VRAM, 0, &a));
	ASSERT_EQ(0, vsvm_bo_create(dev, HUGE, DRM_VSVM_BO_SYSTEM, 0, &b));
	EXPECT_EQ(4 * mib, bo_fdinfo_kib(dev, "drm-total-vram0"));
	EXPECT_EQ(2 * mib, bo_fdinfo_kib(dev, "drm-total-memory"));
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-resident-vram0"));
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-resident-memory"));
	ASSERT_EQ(0, bo_touch(a));
	ASSERT_EQ(0, bo_touch(b));
	EXPECT_EQ(4 * mib, bo_fdinfo_kib(dev, "drm-resident-vram0"));
	EXPECT_EQ(2 * mib, bo_fdinfo_kib(dev, "drm-resident-memory"));
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-purgeable-vram0"));
	ASSERT_EQ(0, vsvm_bo_advise(a, DRM_VSVM_BO_DONTNEED, NULL));
	EXPECT_EQ(4 * mib, bo_fdinfo_kib(dev, "drm-purgeable-vram0"));
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-purgeable-memory"));
	ASSERT_EQ(0, vsvm_bo_advise(a, DRM_VSVM_BO_WILLNEED, NULL));
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-purgeable-vram0"));
	/* Evicted, it counts where it is now */
	ASSERT_EQ(0, vsvm_bo_create(dev, self->vram, DRM_VSVM_BO_VRAM, 0, &full));
	ASSERT_EQ(0, bo_touch(full));
	EXPECT_EQ((long)(self->vram >> 10), bo_fdinfo_kib(dev, "drm-total-vram0"));
	EXPECT_EQ((long)(self->vram >> 10), bo_fdinfo_kib(dev, "drm-resident-vram0"));
	EXPECT_EQ(6 * mib, bo_fdinfo_kib(dev, "drm-total-memory"));
	EXPECT_EQ(6 * mib, bo_fdinfo_kib(dev, "drm-resident-memory"));
	/* Purged, it is nowhere */
	ASSERT_EQ(0, vsvm_bo_advise(full, DRM_VSVM_BO_DONTNEED, NULL));
	vsvm_bo_destroy(a);
	ASSERT_EQ(0, vsvm_bo_create(dev, 2 * HUGE, DRM_VSVM_BO_VRAM, 0, &a));
	ASSERT_EQ(0, bo_touch(a));
	EXPECT_EQ(DRM_VSVM_BO_PURGED, bo_state(full));
	EXPECT_EQ(4 * mib, bo_fdinfo_kib(dev, "drm-resident-vram0"));
	EXPECT_EQ(2 * mib, bo_fdinfo_kib(dev, "drm-resident-memory"));
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-purgeable-memory"));
	vsvm_bo_destroy(full);
	vsvm_bo_destroy(a);
	vsvm_bo_destroy(b);
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-total-vram0"));
	EXPECT_EQ(0, bo_fdinfo_kib(dev, "drm-total-memory"));
}

/* --- control group --- */

/* Bytes in a file of a group for this device's memory; -1 if there is no such line */
static long dmem(const char *dir, const char *file)
{
	char path[128], buf[1024], *line;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	if (read_text(path, buf, sizeof(buf)) < 0)
		return -1;
	line = strstr(buf, "/vram ");
	return line ? atol(line + strlen("/vram ")) : -1;
}

static int dmem_limit(const char *dir, const char *value)
{
	char path[128], buf[1024], *end;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/dmem.max", dir);
	n = read_text(path, buf, sizeof(buf));
	end = n > 0 ? strstr(buf, "/vram ") : NULL;
	if (!end)
		return -ENOENT;
	end[strlen("/vram")] = '\0';
	while (end > buf && end[-1] != '\n')
		end--;
	return write_text(path, "%s %s", end, value);
}

/* In a group of its own: 0, or the line where it went wrong */
static int charged(const char *dir)
{
	struct vsvm_bo *bo;
	struct test_vm t;
	char path[128];
	size_t there;
	char *p;
	int line = 0;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	if (write_text(path, "%d", getpid()) || test_open(&t))
		return __LINE__;
	if (dmem(dir, "dmem.current") > 0)
		return __LINE__;
	if (vsvm_bo_create(t.dev, HUGE, DRM_VSVM_BO_VRAM, 0, &bo) || bo_touch(bo))
		return __LINE__;
	if (dmem(dir, "dmem.current") != (long)HUGE)
		return __LINE__;
	p = vram_make(&t, 2 * HUGE, false, 1);
	if (!p || dmem(dir, "dmem.current") != (long)(3 * HUGE))
		return __LINE__;
	vsvm_bo_destroy(bo);
	if (bo_vram_used_becomes(t.dev, 2 * HUGE) || dmem(dir, "dmem.current") != (long)(2 * HUGE))
		return __LINE__;
	/* No more than that: what does not fit stays in system memory, and all is well */
	snprintf(path, sizeof(path), "%lu", 3 * HUGE);
	if (dmem_limit(dir, path))
		return __LINE__;
	p = map_aligned(4 * HUGE);
	fill_pattern(p, 4 * HUGE, 2);
	if (vsvm_prefetch(t.vm, p, 4 * HUGE, DRM_VSVM_PLACE_DEVICE))
		return __LINE__;
	there = vram_pages(&t, p, 4 * HUGE);
	if (!there || there > 3 * HUGE / PAGE || dmem(dir, "dmem.current") > (long)(3 * HUGE)) {
		fprintf(stderr, "# %zu pages there, %ld bytes charged\n", there,
			dmem(dir, "dmem.current"));
		return __LINE__;
	}
	if (dev_touch_write(&t, p, 4 * HUGE) || check_pattern(p, 4 * HUGE, 2) != -1)
		line = __LINE__;
	if (!line && dmem_limit(dir, "0"))
		line = __LINE__;
	return test_close(&t) ? __LINE__ : line;
}

TEST_F(account, control_group_pays_for_device_memory)
{
	char dir[64];
	pid_t pid;
	int status;

	if (write_text(CGROUP "cgroup.subtree_control", "+dmem"))
		SKIP(return, "no control group for device memory");
	snprintf(dir, sizeof(dir), CGROUP "vsvm-dmem-%d", getpid());
	ASSERT_EQ(0, mkdir(dir, 0700));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int line = charged(dir);

		if (line)
			fprintf(stderr, "# mig_account.c:%d\n", line);
		_exit(!!line);
	}
	status = wait_child(pid);
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, bo_vram_used_becomes(self->t.dev, 0));
	EXPECT_EQ(0, rmdir(dir));
}

TEST_HARNESS_MAIN
