// SPDX-License-Identifier: GPL-2.0-only
/*
 * How far to look ahead, from the pattern of the faults, as file readahead
 * does: one page for scattered touches, doubling up to a block for a run of
 * faults each of which begins where what was brought in before ended.
 *
 * Each notifier follows a few runs at once, so that the source and the
 * destination of a copy do not hide one another.
 */
#include <linux/export.h>
#include <linux/kernel.h>
#include <kunit/visibility.h>

#include "svm/svm_priv.h"

/* A fault counts as the continuation of a run if it misses by no more than this */
#define VSVM_SVM_STREAM_SLACK	(2 * PAGE_SIZE)

static struct vsvm_svm_stream *
vsvm_svm_stream_find(struct vsvm_svm_stream *streams, unsigned long address)
{
	unsigned int i;

	for (i = 0; i < VSVM_SVM_STREAMS; i++) {
		unsigned long next = READ_ONCE(streams[i].next);

		if (next && address >= next &&
		    address - next <= VSVM_SVM_STREAM_SLACK)
			return &streams[i];
	}
	return NULL;
}

/**
 * vsvm_svm_stream_window() - tell how many pages to bring in from a fault on
 * @streams: runs followed
 * @victim: which to replace next
 * @address: of the fault
 * @npages: pages asked for at once from @address on
 *
 * Return: pages, 1 for a scattered touch, at most a block.
 */
unsigned int vsvm_svm_stream_window(struct vsvm_svm_stream *streams,
				    unsigned int *victim, unsigned long address,
				    unsigned int npages)
{
	struct vsvm_svm_stream *s = vsvm_svm_stream_find(streams, address);
	unsigned int window;

	if (s) {
		window = min_t(unsigned int, READ_ONCE(s->window) * 2,
			       VSVM_SVM_BLOCK_PAGES);
	} else {
		unsigned int v = READ_ONCE(*victim) % VSVM_SVM_STREAMS;

		s = &streams[v];
		WRITE_ONCE(*victim, v + 1);
		window = 1;
	}
	window = max(window, npages);
	WRITE_ONCE(s->window, window);
	WRITE_ONCE(s->next, address + ((unsigned long)window << PAGE_SHIFT));
	return window;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_stream_window);

/**
 * vsvm_svm_stream_advance() - tell where what was brought in really ended
 * @streams: runs followed
 * @address: somewhere in what was brought in
 * @end: one past its end
 *
 * What lay around a fault was mapped along, and the end of the block cuts a
 * window short: the next fault of a run comes behind what is mapped, not where
 * the window ended.
 */
void vsvm_svm_stream_advance(struct vsvm_svm_stream *streams,
			     unsigned long address, unsigned long end)
{
	unsigned int i;

	for (i = 0; i < VSVM_SVM_STREAMS; i++) {
		unsigned long next = READ_ONCE(streams[i].next);

		if (next > address && next - address <= VSVM_SVM_BLOCK_SIZE) {
			WRITE_ONCE(streams[i].next, end);
			return;
		}
	}
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_svm_stream_advance);
