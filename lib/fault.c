// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

/* Only those that a record can hold; strerrorname_np() is glibc's alone */
static const char *error_name(uint32_t error)
{
	switch (error) {
	case EACCES:
		return "EACCES";
	case ECANCELED:
		return "ECANCELED";
	case EFAULT:
		return "EFAULT";
	case EINVAL:
		return "EINVAL";
	case EIO:
		return "EIO";
	case ENODEV:
		return "ENODEV";
	case ENOMEM:
		return "ENOMEM";
	case EOPNOTSUPP:
		return "EOPNOTSUPP";
	case ESRCH:
		return "ESRCH";
	case ETIME:
		return "ETIME";
	default:
		return NULL;
	}
}

static const char *permission_text(uint32_t access)
{
	switch (access) {
	case DRM_VSVM_ACCESS_WRITE:
	case DRM_VSVM_ACCESS_ATOMIC:
		return "the process' mapping is read-only";
	case DRM_VSVM_ACCESS_READ:
	case DRM_VSVM_ACCESS_FETCH:
		return "the process' mapping may not be read";
	case DRM_VSVM_ACCESS_EXEC:
		return "the process' mapping may not be executed";
	default:
		return "the process' mapping forbids it";
	}
}

static const char *reason_text(const struct drm_vsvm_fault *record)
{
	switch (record->reason) {
	case DRM_VSVM_FAULT_NOT_BOUND:
		return "no binding of the address space covers it";
	case DRM_VSVM_FAULT_NO_MAPPING:
		return "the process has no mapping there";
	case DRM_VSVM_FAULT_PERMISSION:
		return permission_text(record->access);
	case DRM_VSVM_FAULT_READ_ONLY:
		return "it is bound read-only, or its attributes forbid to write";
	case DRM_VSVM_FAULT_NO_ACCESS:
		return "its attributes give the device no access";
	case DRM_VSVM_FAULT_BUS:
		return "past the end of the file, a guard page or broken memory";
	case DRM_VSVM_FAULT_UNSUPPORTED:
		return "memory of a kind that no device may map";
	case DRM_VSVM_FAULT_NO_MEMORY:
		return "no memory left to serve it";
	case DRM_VSVM_FAULT_EXITED:
		return "the process has gone";
	case DRM_VSVM_FAULT_TIMEOUT:
		return "it could not be served in time";
	case DRM_VSVM_FAULT_ADDRESS:
		return "it is beyond the addresses of the device";
	case DRM_VSVM_FAULT_RESERVED:
		return "reserved bits in a page table, a bug of the driver";
	case DRM_VSVM_FAULT_BAD_OPCODE:
		return "unknown opcode";
	case DRM_VSVM_FAULT_BAD_PACKET:
		return "bad length, flag or argument";
	case DRM_VSVM_FAULT_MISALIGNED:
		return "it is not aligned to the width of the access";
	case DRM_VSVM_FAULT_WAIT_TIMEOUT:
		return "the value that it waited for did not come in time";
	default:
		return NULL;
	}
}

static const char *access_text(uint32_t access)
{
	switch (access) {
	case DRM_VSVM_ACCESS_READ:
		return "read from";
	case DRM_VSVM_ACCESS_WRITE:
		return "write to";
	case DRM_VSVM_ACCESS_ATOMIC:
		return "atomic operation on";
	case DRM_VSVM_ACCESS_EXEC:
		return "execution of";
	case DRM_VSVM_ACCESS_FETCH:
		return "fetch of a packet from";
	default:
		return "access to";
	}
}

/* Found when the packet was checked: what is wrong is an argument, not an access */
static bool about_address(const struct drm_vsvm_fault *record)
{
	return record->reason == DRM_VSVM_FAULT_MISALIGNED ||
		record->reason == DRM_VSVM_FAULT_ADDRESS;
}

struct text {
	char *at;
	size_t left;
};

/* Cuts off what does not fit, as snprintf() does, and stays cut off */
static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	if (!text->left)
		return;
	va_start(args, format);
	n = vsnprintf(text->at, text->left, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= text->left) {
		text->left = 0;
	} else {
		text->at += n;
		text->left -= n;
	}
}

char *vsvm_strerror_fault(const struct drm_vsvm_fault *record, char *buf, size_t size)
{
	const char *why = reason_text(record);
	const char *name = error_name(record->error);
	struct text text = { .at = buf, .left = size };

	/* Who did what; a packet that could not be fetched has no tag */
	if (record->access == DRM_VSVM_ACCESS_NONE && about_address(record))
		add(&text, "address 0x%" PRIx64 " of the packet at 0x%" PRIx64 " (tag 0x%" PRIx64 ")",
		    (uint64_t)record->address, (uint64_t)record->packet, (uint64_t)record->tag);
	else if (record->access == DRM_VSVM_ACCESS_NONE)
		add(&text, "packet at 0x%" PRIx64 " (tag 0x%" PRIx64 ")", (uint64_t)record->packet,
		    (uint64_t)record->tag);
	else if (record->access == DRM_VSVM_ACCESS_FETCH)
		add(&text, "%s 0x%" PRIx64, access_text(record->access), (uint64_t)record->address);
	else
		add(&text, "%s 0x%" PRIx64 " by the packet at 0x%" PRIx64 " (tag 0x%" PRIx64 ")",
		    access_text(record->access), (uint64_t)record->address,
		    (uint64_t)record->packet, (uint64_t)record->tag);
	/* The record of a fault that was served may name none */
	if (record->queue_id)
		add(&text, " of queue %" PRIu32, record->queue_id);

	/* What became of it */
	if (record->reason == DRM_VSVM_FAULT_RESOLVED) {
		add(&text, " served in %" PRIu64 ".%03u us", (uint64_t)record->latency_ns / 1000,
		    (unsigned int)(record->latency_ns % 1000));
		return buf;
	}
	add(&text, record->reason == DRM_VSVM_FAULT_WAIT_TIMEOUT ? " gave up: " : " refused: ");
	if (why)
		add(&text, "%s", why);
	else
		add(&text, "reason %" PRIu32, record->reason);
	if (name)
		add(&text, " (%s)", name);
	else
		add(&text, " (errno %" PRIu32 ")", record->error);
	return buf;
}
