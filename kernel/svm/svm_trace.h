/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vsvm

#if !defined(_VSVM_SVM_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _VSVM_SVM_TRACE_H_

#include <linux/mmu_notifier.h>
#include <linux/tracepoint.h>

TRACE_EVENT(vsvm_serve,
	TP_PROTO(const void *mirror, unsigned long address, unsigned int requests,
		 unsigned int window, bool huge, u64 ns),
	TP_ARGS(mirror, address, requests, window, huge, ns),
	TP_STRUCT__entry(__field(const void *, mirror)
			 __field(unsigned long, address)
			 __field(unsigned int, requests)
			 __field(unsigned int, window)
			 __field(bool, huge)
			 __field(u64, ns)),
	TP_fast_assign(__entry->mirror = mirror;
		       __entry->address = address;
		       __entry->requests = requests;
		       __entry->window = window;
		       __entry->huge = huge;
		       __entry->ns = ns;),
	TP_printk("mirror=%p address=0x%lx requests=%u window=%u huge=%d ns=%llu",
		  __entry->mirror, __entry->address, __entry->requests,
		  __entry->window, __entry->huge, __entry->ns)
);

TRACE_EVENT(vsvm_invalidate,
	TP_PROTO(const void *mirror, unsigned long start, unsigned long end,
		 enum mmu_notifier_event event, unsigned long leaves),
	TP_ARGS(mirror, start, end, event, leaves),
	TP_STRUCT__entry(__field(const void *, mirror)
			 __field(unsigned long, start)
			 __field(unsigned long, end)
			 __field(unsigned int, event)
			 __field(unsigned long, leaves)),
	TP_fast_assign(__entry->mirror = mirror;
		       __entry->start = start;
		       __entry->end = end;
		       __entry->event = event;
		       __entry->leaves = leaves;),
	TP_printk("mirror=%p start=0x%lx end=0x%lx event=%u leaves=%lu",
		  __entry->mirror, __entry->start, __entry->end, __entry->event,
		  __entry->leaves)
);

TRACE_DEFINE_ENUM(VSVM_SVM_BY_FAULT);
TRACE_DEFINE_ENUM(VSVM_SVM_BY_PREFETCH);

TRACE_EVENT(vsvm_migrate,
	TP_PROTO(const void *mirror, unsigned long start, unsigned long end,
		 bool to_device, int reason, long asked, long pages, u64 ns),
	TP_ARGS(mirror, start, end, to_device, reason, asked, pages, ns),
	TP_STRUCT__entry(__field(const void *, mirror)
			 __field(unsigned long, start)
			 __field(unsigned long, end)
			 __field(bool, to_device)
			 __field(int, reason)
			 __field(long, asked)
			 __field(long, pages)
			 __field(u64, ns)),
	TP_fast_assign(__entry->mirror = mirror;
		       __entry->start = start;
		       __entry->end = end;
		       __entry->to_device = to_device;
		       __entry->reason = reason;
		       __entry->asked = asked;
		       __entry->pages = pages;
		       __entry->ns = ns;),
	TP_printk("mirror=%p start=0x%lx end=0x%lx to=%s reason=%s asked=%ld pages=%ld bytes=%lu ns=%llu",
		  __entry->mirror, __entry->start, __entry->end,
		  __entry->to_device ? "device" : "system",
		  __print_symbolic(__entry->reason, { VSVM_SVM_BY_FAULT, "fault" },
				   { VSVM_SVM_BY_PREFETCH, "prefetch" }),
		  __entry->asked, __entry->pages,
		  (unsigned long)__entry->pages << PAGE_SHIFT, __entry->ns)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH svm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE svm_trace
#include <trace/define_trace.h>
