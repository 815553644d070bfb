// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

#define NODE_DIR	"/dev/dri"
#define NODE_PREFIX	"renderD"
#define DRIVER_NAME	"vsvm"

/*
 * Not drmIoctl(): that one also repeats after EAGAIN, which here means "the
 * queue is full", and would spin until a slot is free.  EINTR alone is safe to
 * repeat at once: an ioctl that fails has changed nothing, and time-outs are
 * absolute, so a wait does not grow with each signal.
 */
int vsvm__ioctl(const struct vsvm_device *dev, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(dev->fd, request, arg);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

static bool driver_is_vsvm(const struct vsvm_device *dev)
{
	char name[sizeof(DRIVER_NAME)] = "";
	struct drm_version version = {
		.name_len = sizeof(name) - 1,
		.name = name,
	};

	if (vsvm__ioctl(dev, DRM_IOCTL_VERSION, &version))
		return false;
	/* name_len comes back as the length of the whole name, cut off or not */
	return version.name_len == sizeof(DRIVER_NAME) - 1 && !strcmp(name, DRIVER_NAME);
}

static int query(struct vsvm_device *dev, uint32_t type, void *out, uint32_t size)
{
	struct drm_vsvm_dev_query arg = {
		.type = type,
		.size = size,
		.pointer = vsvm__pointer(out),
	};

	/* What a kernel older than this library does not know reads as zero */
	memset(out, 0, size);
	return vsvm__ioctl(dev, DRM_IOCTL_VSVM_DEV_QUERY, &arg);
}

static int open_node(const char *path, struct vsvm_device **out)
{
	struct vsvm_device *dev;
	int ret;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0) {
		ret = -errno;
		goto err_free;
	}
	ret = -ENODEV;
	if (!driver_is_vsvm(dev))
		goto err_close;
	ret = query(dev, DRM_VSVM_DEV_QUERY_INFO, &dev->info, sizeof(dev->info));
	if (ret)
		goto err_close;
	ret = -ENOMEM;
	dev->path = strdup(path);
	if (!dev->path)
		goto err_close;
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->heap_lock, NULL);
	*out = dev;
	return 0;

err_close:
	close(dev->fd);
err_free:
	free(dev);
	return ret;
}

static int is_render_node(const struct dirent *entry)
{
	return !strncmp(entry->d_name, NODE_PREFIX, sizeof(NODE_PREFIX) - 1);
}

/* Sorted, so that "the first" is the same one each time */
static int open_first(struct vsvm_device **dev)
{
	struct dirent **nodes;
	int ret = -ENODEV;
	int count, i;

	count = scandir(NODE_DIR, &nodes, is_render_node, versionsort);
	if (count < 0)
		return errno == ENOMEM ? -ENOMEM : -ENODEV;

	for (i = 0; i < count; i++) {
		char path[sizeof(NODE_DIR) + 1 + sizeof(nodes[i]->d_name)];
		int err;

		snprintf(path, sizeof(path), NODE_DIR "/%s", nodes[i]->d_name);
		err = open_node(path, dev);
		if (!err) {
			ret = 0;
			break;
		}
		/* It might have been the one: a better hint than "no such device" */
		if (err == -EACCES)
			ret = -EACCES;
	}

	for (i = 0; i < count; i++)
		free(nodes[i]);
	free(nodes);
	return ret;
}

int vsvm_open(const char *path, struct vsvm_device **dev)
{
	return path ? open_node(path, dev) : open_first(dev);
}

void vsvm_close(struct vsvm_device *dev)
{
	if (!dev)
		return;
	close(dev->fd);
	vsvm__heap_fini(dev);
	pthread_mutex_destroy(&dev->heap_lock);
	pthread_mutex_destroy(&dev->lock);
	free(dev->path);
	free(dev);
}

int vsvm_fd(const struct vsvm_device *dev)
{
	return dev->fd;
}

const char *vsvm_path(const struct vsvm_device *dev)
{
	return dev->path;
}

const struct drm_vsvm_dev_info *vsvm_info(const struct vsvm_device *dev)
{
	return &dev->info;
}

int vsvm_counters(struct vsvm_device *dev, struct drm_vsvm_dev_counters *out)
{
	return query(dev, DRM_VSVM_DEV_QUERY_COUNTERS, out, sizeof(*out));
}
