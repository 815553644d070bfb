/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_ATTR_H_
#define _VSVM_ATTR_H_

#include <linux/bits.h>
#include <linux/maple_tree.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#include <drm/vsvm_drm.h>

/**
 * DOC: attributes of address ranges
 *
 * What user space says of ranges of its memory, kept apart from pages: nothing
 * here knows what is mapped.  All attributes of a page are one *word*, and a
 * word of 0 is the defaults; so a copy is consistent by nature, equal neighbours
 * are told by comparing, and a maple tree holds the words themselves, with no
 * object for a range and nothing at all where there are only defaults.
 *
 * A change is made in two steps, so that it is made as a whole or not:
 * vsvm_attr_begin() gets all memory and may fail, without anybody seeing a
 * difference; vsvm_attr_commit() cannot fail.  In between the caller can look at
 * what is there and what will be (vsvm_attr_walk()).
 *
 * Who changes holds the tree's lock for writing.  Who reads holds it for reading,
 * or, for a look that may be out of date, is in an RCU section.
 */

/* Fields of a word, all of them 0 by default */
#define VSVM_ATTR_PREFERRED	GENMASK(1, 0)
#define VSVM_ATTR_PREFETCH	GENMASK(3, 2)
/* 0: may move; 1: in place; 2: none */
#define VSVM_ATTR_ACCESS	GENMASK(5, 4)
/* 0: not set; else one more than what was set */
#define VSVM_ATTR_GRANULARITY	GENMASK(12, 6)
#define VSVM_ATTR_GPU_RO	BIT(13)
#define VSVM_ATTR_GPU_EXEC	BIT(14)
#define VSVM_ATTR_NOT_COHERENT	BIT(15)
#define VSVM_ATTR_EXT_COHERENT	BIT(16)
#define VSVM_ATTR_READ_MOSTLY	BIT(17)
#define VSVM_ATTR_HIVE_LOCAL	BIT(18)
#define VSVM_ATTR_NO_HOST	BIT(19)
#define VSVM_ATTR_ALWAYS_MAPPED	BIT(20)
#define VSVM_ATTR_ALL		GENMASK(20, 0)

/* What a mapping or a migration of the range depends on */
#define VSVM_ATTR_EFFECT \
	(VSVM_ATTR_ALL & ~(VSVM_ATTR_PREFETCH | VSVM_ATTR_HIVE_LOCAL | \
			   VSVM_ATTR_NO_HOST | VSVM_ATTR_ALWAYS_MAPPED))

/* Largest value of GRANULARITY, and log2 of the pages that the device can move as one */
#define VSVM_ATTR_MAX_GRANULARITY	0x3f
#define VSVM_ATTR_MAX_ORDER		9

/* Most ranges of one tree: a node that maple allocates in bulk is charged to nobody */
#define VSVM_ATTR_MAX_RANGES	BIT(22)

/**
 * struct vsvm_attr_tree - the attributes of an address space
 * @mt: words by page number, as values; a page that has none has the defaults
 * @lock: the caller's, see above
 * @count: entries in @mt; written under @lock
 * @granularity: what GET tells where none is set; constant
 */
struct vsvm_attr_tree {
	struct maple_tree mt;
	struct rw_semaphore *lock;
	unsigned long count;
	u32 granularity;
};

/**
 * struct vsvm_attr_change - what becomes of a word: (word & ~@clear) | @set
 * @clear: bits that are written
 * @set: of these, such that are set
 */
struct vsvm_attr_change {
	u32 clear;
	u32 set;
};

static inline u32 vsvm_attr_changed(const struct vsvm_attr_change *c, u32 word)
{
	return (word & ~c->clear) | c->set;
}

/**
 * struct vsvm_attr_update - a change under way
 * @tree: of it
 * @first: page number
 * @last: page number
 * @change: what it is
 * @mas: with memory for the one store that does it, if @single
 * @single: all of the range becomes one entry, or none
 * @word: that it becomes
 * @count: entries afterwards, if @single
 */
struct vsvm_attr_update {
	struct vsvm_attr_tree *tree;
	unsigned long first;
	unsigned long last;
	struct vsvm_attr_change change;
	struct ma_state mas;
	bool single;
	u32 word;
	unsigned long count;
};

/** vsvm_attr_init() - an empty tree under a lock of the caller's */
void vsvm_attr_init(struct vsvm_attr_tree *tree, struct rw_semaphore *lock,
		    u32 granularity);

/** vsvm_attr_destroy() - free; nobody uses it, readers under RCU neither; takes the lock */
void vsvm_attr_destroy(struct vsvm_attr_tree *tree);

/**
 * vsvm_attr_find() - the attributes of a page and how far they reach
 * @tree: tree, locked for reading or RCU
 * @address: any
 * @mask: bits that matter
 * @start: in: do not look further down than this; out: first address with the
 *	same bits
 * @end: in: nor further up; out: one past the last address with the same bits
 *
 * Looks at a limited number of neighbours that differ in other bits only.
 * Return: the word of the page.
 */
u32 vsvm_attr_find(struct vsvm_attr_tree *tree, unsigned long address, u32 mask,
		   unsigned long *start, unsigned long *end);

/** vsvm_attr_any() - has any page of [start, end) attributes?  Locked or RCU. */
bool vsvm_attr_any(struct vsvm_attr_tree *tree, unsigned long start,
		   unsigned long end);

/**
 * vsvm_attr_begin() - prepare a change
 * @u: out
 * @tree: locked for writing
 * @start: first address, page aligned
 * @end: one past the last
 * @change: to be made
 *
 * Must be followed by vsvm_attr_commit() or vsvm_attr_abort() under the same lock.
 * Return: 0; -ENOMEM, -ENOSPC: too many ranges; nothing has changed then, and
 * nothing must follow.  May sleep.
 */
int vsvm_attr_begin(struct vsvm_attr_update *u, struct vsvm_attr_tree *tree,
		    unsigned long start, unsigned long end,
		    const struct vsvm_attr_change *change);

/** vsvm_attr_commit() - make it; cannot fail.  May sleep. */
void vsvm_attr_commit(struct vsvm_attr_update *u);

/** vsvm_attr_abort() - do not make it */
void vsvm_attr_abort(struct vsvm_attr_update *u);

/** typedef vsvm_attr_fn - called for each part of a range with one word; not 0 ends the walk */
typedef int (*vsvm_attr_fn)(unsigned long start, unsigned long end, u32 word, void *arg);

/**
 * vsvm_attr_walk() - call a function for each part of a range
 * @tree: locked
 * @start: first address, page aligned
 * @end: one past the last
 * @fn: called in order of addresses, for parts without attributes too
 * @arg: passed to @fn
 *
 * Return: what @fn returned last, or 0.
 */
int vsvm_attr_walk(struct vsvm_attr_tree *tree, unsigned long start,
		   unsigned long end, vsvm_attr_fn fn, void *arg);

/* --- between words and pairs of type and value, see value.c --- */

/**
 * vsvm_attr_parse() - what pairs change
 * @attrs: pairs; of two with the same type the later one counts
 * @count: of @attrs
 * @change: out
 *
 * Return: 0, or -EINVAL for an unknown type or value.
 */
int vsvm_attr_parse(const struct drm_vsvm_attr *attrs, u32 count,
		    struct vsvm_attr_change *change);

/** vsvm_attr_value() - the value of one attribute in a word, by a type that exists */
u32 vsvm_attr_value(const struct vsvm_attr_tree *tree, u32 word, u32 type);

/**
 * vsvm_attr_get() - read attributes of a range into pairs
 * @tree: locked for reading
 * @start: first address, page aligned
 * @end: one past the last
 * @attrs: types in, values out; where pages differ, see docs/uapi.md
 * @count: of @attrs
 *
 * Return: 0, or -EINVAL for an unknown type.
 */
int vsvm_attr_get(struct vsvm_attr_tree *tree, unsigned long start,
		  unsigned long end, struct drm_vsvm_attr *attrs, u32 count);

/** vsvm_attr_order() - log2 of the pages that move as one; @set: whether user space said so */
unsigned int vsvm_attr_order(const struct vsvm_attr_tree *tree, u32 word, bool *set);

#endif
