// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vsvm_env.h"
#include "vsvm_test.h"

#define PARAM_DIR	"/sys/module/vsvm/parameters"
#define DRIVER_DIR	"/sys/bus/platform/drivers/vsvm"

int module_params(char *buf, size_t size)
{
	struct dirent *entry;
	DIR *dir = opendir(PARAM_DIR);
	size_t used = 0;
	char path[512], value[128];
	int n;

	if (!dir)
		return -errno;
	buf[0] = '\0';
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), PARAM_DIR "/%s", entry->d_name);
		if (read_text(path, value, sizeof(value)) <= 0)
			continue;
		value[strcspn(value, "\n")] = '\0';
		n = snprintf(buf + used, size - used, "%s%s=%s", used ? " " : "", entry->d_name,
			     value);
		if (n < 0 || (size_t)n >= size - used)
			break;
		used += (size_t)n;
	}
	closedir(dir);
	return 0;
}

/* The module: VSVM_MODULE, or where modules are kept */
static const char *module_path(void)
{
	static char path[512];
	static const char * const places[] = {
		"/lib/modules/%s/extra/vsvm.ko", "/lib/modules/%s/updates/vsvm.ko",
		"/lib/modules/%s/vsvm.ko", "/lib/modules/vsvm.ko", "/vsvm.ko", "/modules/vsvm.ko",
	};
	const char *named = getenv("VSVM_MODULE");
	struct utsname name;
	unsigned int i;

	if (named)
		return access(named, R_OK) ? NULL : named;
	if (uname(&name))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
		snprintf(path, sizeof(path), places[i], name.release);
#pragma GCC diagnostic pop
		if (!access(path, R_OK))
			return path;
	}
	return NULL;
}

bool module_found(void)
{
	return module_path() != NULL;
}

int module_load(const char *params)
{
	const char *path = module_path();
	int fd, ret = 0;

	if (!path)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, params, 0))
		ret = -errno;
	close(fd);
	return ret;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "vsvm", O_NONBLOCK) ? -errno : 0;
}

int platform_device(char *buf, size_t size)
{
	struct dirent *entry;
	DIR *dir = opendir(DRIVER_DIR);
	struct stat st;
	char path[512];
	int ret = -ENODEV;

	if (!dir)
		return -errno;
	/* The device is the link that is not called "module" */
	while (ret && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "module"))
			continue;
		snprintf(path, sizeof(path), DRIVER_DIR "/%s", entry->d_name);
		if (lstat(path, &st) || !S_ISLNK(st.st_mode))
			continue;
		snprintf(buf, size, "%s", entry->d_name);
		ret = 0;
	}
	closedir(dir);
	return ret;
}

int platform_bind(const char *name)
{
	return write_text(DRIVER_DIR "/bind", "%s", name);
}

int platform_unbind(const char *name)
{
	return write_text(DRIVER_DIR "/unbind", "%s", name);
}
