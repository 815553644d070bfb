/* SPDX-License-Identifier: MIT */
/*
 * Where a system keeps <drm/drm.h> differs: with the kernel's headers it is
 * <drm/drm.h>, Debian moves it to libdrm-dev as <libdrm/drm.h>, and a small
 * system has neither.  vsvm needs four things of it, too few to make every
 * user of the library install a package: this file takes the system's header
 * if there is one and spells out the four if not.
 */
#if __has_include_next(<drm/drm.h>)
#include_next <drm/drm.h>
#elif __has_include(<libdrm/drm.h>)
#include <libdrm/drm.h>
#else

#ifndef VSVM_DRM_H
#define VSVM_DRM_H

#include <stddef.h>
#include <linux/types.h>
#include <sys/ioctl.h>

#define DRM_IOCTL_BASE			'd'
#define DRM_COMMAND_BASE		0x40
#define DRM_IOWR(nr, type)		_IOWR(DRM_IOCTL_BASE, nr, type)

/* Asks any DRM driver for its name; lengths: in: room, out: bytes that there are */
struct drm_version {
	int version_major;
	int version_minor;
	int version_patchlevel;
	size_t name_len;
	char *name;
	size_t date_len;
	char *date;
	size_t desc_len;
	char *desc;
};

#define DRM_IOCTL_VERSION		DRM_IOWR(0x00, struct drm_version)

/* Lets go of a buffer object */
struct drm_gem_close {
	__u32 handle;
	__u32 pad;
};

#define DRM_IOCTL_GEM_CLOSE		_IOW(DRM_IOCTL_BASE, 0x09, struct drm_gem_close)

/* Between a buffer object and a file descriptor that others can import */
struct drm_prime_handle {
	__u32 handle;
	__u32 flags;
	__s32 fd;
};

#define DRM_CLOEXEC			02000000
#define DRM_RDWR			02
#define DRM_IOCTL_PRIME_HANDLE_TO_FD	DRM_IOWR(0x2d, struct drm_prime_handle)
#define DRM_IOCTL_PRIME_FD_TO_HANDLE	DRM_IOWR(0x2e, struct drm_prime_handle)

#endif
#endif
