// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree of words, and changes that are made as a whole or not.
 *
 * A range that becomes one entry is one store, for which memory is got
 * beforehand.  A range in which words stay different takes more stores, and
 * memory for all of them cannot be had at once.  So that is done in three passes:
 *
 *  1. Boundaries are put at the ends of the range, and what is empty in it is
 *     filled with entries that say "defaults".  Each of these stores may fail,
 *     and none of them changes the word of any page.
 *  2. Each entry is overwritten with its new word.  Range and number of entries
 *     stay, so no memory is needed and nothing can fail.
 *  3. Equal neighbours are merged and defaults taken out.  A store that fails
 *     leaves more entries than need be, and they mean the same.
 */
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <kunit/static_stub.h>
#include <kunit/visibility.h>

#include "attr/attr.h"
#include "attr/attr_priv.h"

/* Neighbours that vsvm_attr_find() looks at on one side */
#define VSVM_ATTR_NEIGHBOURS	64

void vsvm_attr_init(struct vsvm_attr_tree *tree, struct rw_semaphore *lock,
		    u32 granularity)
{
	/*
	 * No space is looked for in it.  But in nodes of the other kind the last
	 * pointer shares its place with the number of pointers, for which core
	 * (7.2, 7.3) does not look out when it frees a large part under RCU.
	 */
	mt_init_flags(&tree->mt, MT_FLAGS_USE_RCU | MT_FLAGS_LOCK_EXTERN |
		      MT_FLAGS_ALLOC_RANGE);
	mt_set_external_lock(&tree->mt, lock);
	tree->lock = lock;
	tree->count = 0;
	tree->granularity = granularity;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_init);

void vsvm_attr_destroy(struct vsvm_attr_tree *tree)
{
	down_write(tree->lock);
	/* Or else all of it is freed at once in a callback of RCU's */
	mt_clear_in_rcu(&tree->mt);
	__mt_destroy(&tree->mt);
	tree->count = 0;
	up_write(tree->lock);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_destroy);

static void *vsvm_attr_entry(u32 word)
{
	return word ? xa_mk_value(word) : NULL;
}

static u32 vsvm_attr_word(void *entry)
{
	return entry ? xa_to_value(entry) : 0;
}

static unsigned long vsvm_attr_page(unsigned long address)
{
	return address >> PAGE_SHIFT;
}

u32 vsvm_attr_find(struct vsvm_attr_tree *tree, unsigned long address, u32 mask,
		   unsigned long *start, unsigned long *end)
{
	MA_STATE(mas, &tree->mt, vsvm_attr_page(address), vsvm_attr_page(address));
	unsigned long lo = vsvm_attr_page(*start), hi = vsvm_attr_page(*end - 1);
	unsigned int n = VSVM_ATTR_NEIGHBOURS;
	unsigned long first, last;
	struct ma_state left;
	void *entry;
	u32 word;

	rcu_read_lock();
	word = vsvm_attr_word(mas_walk(&mas));
	first = mas.index;
	last = mas.last;
	/* From here to both sides, without coming down from the root each time */
	left = mas;
	while (last < hi && n--) {
		entry = mas_next_range(&mas, hi);
		if ((vsvm_attr_word(entry) ^ word) & mask)
			break;
		last = mas.last;
	}
	n = VSVM_ATTR_NEIGHBOURS;
	while (first > lo && n--) {
		entry = mas_prev_range(&left, lo);
		if ((vsvm_attr_word(entry) ^ word) & mask)
			break;
		first = left.index;
	}
	rcu_read_unlock();
	if (first > lo)
		*start = first << PAGE_SHIFT;
	if (last < hi)
		*end = (last + 1) << PAGE_SHIFT;
	return word;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_find);

bool vsvm_attr_any(struct vsvm_attr_tree *tree, unsigned long start,
		   unsigned long end)
{
	MA_STATE(mas, &tree->mt, vsvm_attr_page(start), vsvm_attr_page(start));
	void *entry;

	rcu_read_lock();
	entry = mas_find(&mas, vsvm_attr_page(end - 1));
	rcu_read_unlock();
	return entry;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_any);

int vsvm_attr_walk(struct vsvm_attr_tree *tree, unsigned long start,
		   unsigned long end, vsvm_attr_fn fn, void *arg)
{
	MA_STATE(mas, &tree->mt, vsvm_attr_page(start), vsvm_attr_page(start));
	unsigned long page = vsvm_attr_page(start), hi = vsvm_attr_page(end - 1), last;
	int ret = 0;
	u32 word;

	lockdep_assert_held(tree->lock);
	while (page <= hi && !ret) {
		rcu_read_lock();
		mas_set(&mas, page);
		word = vsvm_attr_word(mas_walk(&mas));
		last = min(mas.last, hi);
		rcu_read_unlock();
		ret = fn(page << PAGE_SHIFT, (last + 1) << PAGE_SHIFT, word, arg);
		page = last + 1;
		cond_resched();
	}
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_walk);

/**
 * vsvm_attr_reserve() - get memory for a store, which every store but one in place needs
 * @mas: set to the range
 * @entry: to be stored
 *
 * Return: 0 or -ENOMEM.
 */
int vsvm_attr_reserve(struct ma_state *mas, void *entry)
{
	KUNIT_STATIC_STUB_REDIRECT(vsvm_attr_reserve, mas, entry);
	return mas_preallocate(mas, entry, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_reserve);

static int vsvm_attr_store(struct vsvm_attr_tree *tree, unsigned long first,
			   unsigned long last, void *entry)
{
	MA_STATE(mas, &tree->mt, first, last);
	int err = vsvm_attr_reserve(&mas, entry);

	if (!err)
		mas_store_prealloc(&mas, entry);
	return err;
}

/* --- pass 1 --- */

/* Have an entry begin at a page, if there is one that holds it */
static int vsvm_attr_cut(struct vsvm_attr_tree *tree, unsigned long page)
{
	MA_STATE(mas, &tree->mt, page, page);
	void *entry = mas_walk(&mas);
	int err;

	if (!entry || mas.index == page)
		return 0;
	err = vsvm_attr_store(tree, page, mas.last, entry);
	if (!err)
		tree->count++;
	return err;
}

/* Fill what is empty */
static int vsvm_attr_fill(struct vsvm_attr_tree *tree, unsigned long first,
			  unsigned long last)
{
	unsigned long page, end;
	int err = 0;

	for (page = first; page <= last && !err; page = end + 1) {
		MA_STATE(mas, &tree->mt, page, page);
		void *entry = mas_walk(&mas);

		end = min(mas.last, last);
		if (entry)
			continue;
		err = vsvm_attr_store(tree, page, end, xa_mk_value(0));
		if (!err)
			tree->count++;
		cond_resched();
	}
	return err;
}

/* --- pass 2 --- */

static void vsvm_attr_overwrite(struct vsvm_attr_update *u)
{
	MA_STATE(mas, &u->tree->mt, u->first, u->first);
	unsigned long page, end;

	for (page = u->first; page <= u->last; page = end + 1) {
		u32 word;

		mas_set(&mas, page);
		word = vsvm_attr_changed(&u->change, vsvm_attr_word(mas_walk(&mas)));
		end = mas.last;
		/* The range is that of an entry: no memory is needed */
		mas_set_range(&mas, page, end);
		WARN_ON_ONCE(mas_store_gfp(&mas, xa_mk_value(word), GFP_NOWAIT));
		cond_resched();
	}
}

/* --- pass 3 --- */

/* The entry before and the one behind may have become equal to what is between */
static void vsvm_attr_merge(struct vsvm_attr_tree *tree, unsigned long first,
			    unsigned long last)
{
	unsigned long page, end, n;

	if (first)
		first--;
	if (last < vsvm_attr_page(ULONG_MAX))
		last++;
	for (page = first; page <= last; page = end + 1) {
		MA_STATE(mas, &tree->mt, page, page);
		void *entry = mas_walk(&mas);
		unsigned long begin = mas.index;
		u32 word = vsvm_attr_word(entry);

		/* What is empty can reach to the end of all addresses */
		end = min(mas.last, last);
		if (!entry)
			continue;
		end = mas.last;
		for (n = 1; end < last; n++) {
			void *next;

			mas_set(&mas, end + 1);
			next = mas_walk(&mas);
			if (!next || vsvm_attr_word(next) != word)
				break;
			end = mas.last;
		}
		if (n == 1 && word)
			continue;
		/* Without memory for it, it stays as it is, which means the same */
		if (!vsvm_attr_store(tree, begin, end, vsvm_attr_entry(word)))
			tree->count -= word ? n - 1 : n;
		cond_resched();
	}
}

/* --- all of it --- */

/**
 * struct vsvm_attr_look - what a range will be
 * @change: to be made
 * @word: that the first part becomes
 * @parts: how many there are
 * @same: all parts become the same
 */
struct vsvm_attr_look {
	const struct vsvm_attr_change *change;
	u32 word;
	unsigned long parts;
	bool same;
};

static int vsvm_attr_look(unsigned long start, unsigned long end, u32 word, void *arg)
{
	struct vsvm_attr_look *look = arg;

	word = vsvm_attr_changed(look->change, word);
	if (!look->parts++)
		look->word = word;
	else if (word != look->word)
		look->same = false;
	return 0;
}

/* Entries of a range, those that it cuts too; and how many parts of those it leaves */
static unsigned long vsvm_attr_entries(struct vsvm_attr_tree *tree, unsigned long first,
				       unsigned long last, unsigned long *left)
{
	MA_STATE(mas, &tree->mt, first, first);
	unsigned long n = 0;

	*left = 0;
	while (mas_find(&mas, last)) {
		*left += (mas.index < first) + (mas.last > last);
		n++;
	}
	return n;
}

/* One store for all: extended over neighbours that are equal */
static int vsvm_attr_begin_single(struct vsvm_attr_update *u)
{
	struct vsvm_attr_tree *tree = u->tree;
	unsigned long lo = u->first, hi = u->last, n, left;
	void *entry;

	MA_STATE(mas, &tree->mt, lo, lo);
	if (u->word && lo) {
		mas_set(&mas, lo - 1);
		entry = mas_walk(&mas);
		if (entry && vsvm_attr_word(entry) == u->word)
			lo = mas.index;
	}
	if (u->word && hi < vsvm_attr_page(ULONG_MAX)) {
		mas_set(&mas, hi + 1);
		entry = mas_walk(&mas);
		if (entry && vsvm_attr_word(entry) == u->word)
			hi = mas.last;
	}
	n = vsvm_attr_entries(tree, lo, hi, &left);
	u->count = tree->count - n + left + !!u->word;
	if (u->count > VSVM_ATTR_MAX_RANGES && u->count > tree->count)
		return -ENOSPC;
	mas_init(&u->mas, &tree->mt, lo);
	mas_set_range(&u->mas, lo, hi);
	return vsvm_attr_reserve(&u->mas, vsvm_attr_entry(u->word));
}

int vsvm_attr_begin(struct vsvm_attr_update *u, struct vsvm_attr_tree *tree,
		    unsigned long start, unsigned long end,
		    const struct vsvm_attr_change *change)
{
	struct vsvm_attr_look look = { .change = change, .same = true };
	unsigned long n, left;
	int err;

	lockdep_assert_held_write(tree->lock);
	u->tree = tree;
	u->first = vsvm_attr_page(start);
	u->last = vsvm_attr_page(end - 1);
	u->change = *change;
	vsvm_attr_walk(tree, start, end, vsvm_attr_look, &look);
	u->single = look.same;
	u->word = look.word;
	if (u->single)
		return vsvm_attr_begin_single(u);

	n = vsvm_attr_entries(tree, u->first, u->last, &left);
	if (look.parts + left > n &&
	    tree->count - n + look.parts + left > VSVM_ATTR_MAX_RANGES)
		return -ENOSPC;
	err = vsvm_attr_cut(tree, u->first);
	if (!err)
		err = vsvm_attr_cut(tree, u->last + 1);
	if (!err)
		err = vsvm_attr_fill(tree, u->first, u->last);
	if (err)
		vsvm_attr_merge(tree, u->first, u->last);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_begin);

void vsvm_attr_commit(struct vsvm_attr_update *u)
{
	lockdep_assert_held_write(u->tree->lock);
	if (u->single) {
		mas_store_prealloc(&u->mas, vsvm_attr_entry(u->word));
		u->tree->count = u->count;
		return;
	}
	vsvm_attr_overwrite(u);
	vsvm_attr_merge(u->tree, u->first, u->last);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_commit);

void vsvm_attr_abort(struct vsvm_attr_update *u)
{
	lockdep_assert_held_write(u->tree->lock);
	if (u->single)
		mas_destroy(&u->mas);
	else
		vsvm_attr_merge(u->tree, u->first, u->last);
}
EXPORT_SYMBOL_IF_KUNIT(vsvm_attr_abort);
