/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vsvm

#if !defined(_VSVM_MEM_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _VSVM_MEM_TRACE_H_

#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(VSVM_EVICT_ROOM);
TRACE_DEFINE_ENUM(VSVM_EVICT_SHARE);
TRACE_DEFINE_ENUM(VSVM_EVICT_SHRINK);
TRACE_DEFINE_ENUM(VSVM_EVICT_STOP);

TRACE_EVENT(vsvm_evict,
	TP_PROTO(const void *object, bool chunk, int reason, bool purged,
		 unsigned long pages, u64 bytes, int error, u64 ns),
	TP_ARGS(object, chunk, reason, purged, pages, bytes, error, ns),
	TP_STRUCT__entry(__field(const void *, object)
			 __field(bool, chunk)
			 __field(int, reason)
			 __field(bool, purged)
			 __field(unsigned long, pages)
			 __field(u64, bytes)
			 __field(int, error)
			 __field(u64, ns)),
	TP_fast_assign(__entry->object = object;
		       __entry->chunk = chunk;
		       __entry->reason = reason;
		       __entry->purged = purged;
		       __entry->pages = pages;
		       __entry->bytes = bytes;
		       __entry->error = error;
		       __entry->ns = ns;),
	TP_printk("object=%p kind=%s reason=%s purged=%d pages=%lu bytes=%llu error=%d ns=%llu",
		  __entry->object, __entry->chunk ? "chunk" : "bo",
		  __print_symbolic(__entry->reason, { VSVM_EVICT_ROOM, "room" },
				   { VSVM_EVICT_SHARE, "share" },
				   { VSVM_EVICT_SHRINK, "shrink" },
				   { VSVM_EVICT_STOP, "stop" }),
		  __entry->purged, __entry->pages, __entry->bytes, __entry->error,
		  __entry->ns)
);

TRACE_EVENT(vsvm_return,
	TP_PROTO(unsigned long address, long pages, u64 ns),
	TP_ARGS(address, pages, ns),
	TP_STRUCT__entry(__field(unsigned long, address)
			 __field(long, pages)
			 __field(u64, ns)),
	TP_fast_assign(__entry->address = address;
		       __entry->pages = pages;
		       __entry->ns = ns;),
	TP_printk("address=0x%lx reason=cpu pages=%ld bytes=%lu ns=%llu",
		  __entry->address, __entry->pages,
		  __entry->pages > 0 ? (unsigned long)__entry->pages << PAGE_SHIFT : 0,
		  __entry->ns)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH mem
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE mem_trace
#include <trace/define_trace.h>
