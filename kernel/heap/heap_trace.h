/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vsvm

#if !defined(_VSVM_HEAP_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _VSVM_HEAP_TRACE_H_

#include <linux/tracepoint.h>

/* In chunks; a growth or a shrinking that failed has an error and changed nothing */
DECLARE_EVENT_CLASS(vsvm_heap_size,
	TP_PROTO(const void *heap, unsigned int from, unsigned int to, int error),
	TP_ARGS(heap, from, to, error),
	TP_STRUCT__entry(__field(const void *, heap)
			 __field(unsigned int, from)
			 __field(unsigned int, to)
			 __field(int, error)),
	TP_fast_assign(__entry->heap = heap;
		       __entry->from = from;
		       __entry->to = to;
		       __entry->error = error;),
	TP_printk("heap=%p from=%u to=%u error=%d", __entry->heap, __entry->from,
		  __entry->to, __entry->error)
);

DEFINE_EVENT(vsvm_heap_size, vsvm_heap_grow,
	TP_PROTO(const void *heap, unsigned int from, unsigned int to, int error),
	TP_ARGS(heap, from, to, error));

DEFINE_EVENT(vsvm_heap_size, vsvm_heap_shrink,
	TP_PROTO(const void *heap, unsigned int from, unsigned int to, int error),
	TP_ARGS(heap, from, to, error));

/* What a context of the hardware has been told of, in chunks */
DECLARE_EVENT_CLASS(vsvm_heap_context,
	TP_PROTO(const void *heap, unsigned int context, unsigned int told, int error),
	TP_ARGS(heap, context, told, error),
	TP_STRUCT__entry(__field(const void *, heap)
			 __field(unsigned int, context)
			 __field(unsigned int, told)
			 __field(int, error)),
	TP_fast_assign(__entry->heap = heap;
		       __entry->context = context;
		       __entry->told = told;
		       __entry->error = error;),
	TP_printk("heap=%p context=%u told=%u error=%d", __entry->heap,
		  __entry->context, __entry->told, __entry->error)
);

DEFINE_EVENT(vsvm_heap_context, vsvm_heap_attach,
	TP_PROTO(const void *heap, unsigned int context, unsigned int told, int error),
	TP_ARGS(heap, context, told, error));

DEFINE_EVENT(vsvm_heap_context, vsvm_heap_detach,
	TP_PROTO(const void *heap, unsigned int context, unsigned int told, int error),
	TP_ARGS(heap, context, told, error));

DEFINE_EVENT(vsvm_heap_context, vsvm_heap_rollback,
	TP_PROTO(const void *heap, unsigned int context, unsigned int told, int error),
	TP_ARGS(heap, context, told, error));

DEFINE_EVENT(vsvm_heap_context, vsvm_heap_replay,
	TP_PROTO(const void *heap, unsigned int context, unsigned int told, int error),
	TP_ARGS(heap, context, told, error));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH heap
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE heap_trace
#include <trace/define_trace.h>
