// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: a device that is an array
 *
 * It stands in for the device of a mirror: it does what &struct vsvm_svm_ops
 * asks for, remembers what that was, fails when it is told to, and complains of
 * every call that does not keep to the contract: a lock that is not held or
 * should not be, a range that leaves its span, memory that is not given back.
 */
#include <linux/debug_locks.h>
#include <linux/hmm.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "tests/svm_fake.h"

static bool fake_holds(const struct vsvm_svm_span *span)
{
	if (IS_ENABLED(CONFIG_LOCKDEP) && debug_locks)
		return lockdep_is_held(&span->lock);
	return mutex_is_locked((struct mutex *)&span->lock);
}

/* Neither the lock of the span nor the mmap_lock may be held by the caller */
static void fake_expect_free(struct svm_fake *fake, const struct vsvm_svm_span *span)
{
	if (IS_ENABLED(CONFIG_LOCKDEP) && debug_locks) {
		KUNIT_EXPECT_TRUE(fake->test, !span || !lockdep_is_held(&span->lock));
		KUNIT_EXPECT_FALSE(fake->test, lockdep_is_held(&fake->mm->mmap_lock));
	} else if (fake->alone) {
		KUNIT_EXPECT_TRUE(fake->test, !span ||
				  !mutex_is_locked((struct mutex *)&span->lock));
		KUNIT_EXPECT_FALSE(fake->test, rwsem_is_locked(&fake->mm->mmap_lock));
	}
}

static void fake_record(struct svm_fake *fake, enum svm_fake_op op,
			unsigned long start, unsigned long end, long result)
{
	unsigned long flags;

	atomic_inc(&fake->count[op]);
	spin_lock_irqsave(&fake->lock, flags);
	fake->call[fake->ncalls++ % SVM_FAKE_CALLS] = (struct svm_fake_call) {
		.op = op, .start = start, .end = end, .result = result,
	};
	spin_unlock_irqrestore(&fake->lock, flags);
}

static void fake_hook(struct svm_fake *fake, enum svm_fake_op op)
{
	void (*hook)(struct svm_fake *fake) = fake->hook[op];

	if (hook) {
		fake->hook[op] = NULL;
		hook(fake);
	}
}

/* What every call that changes the page table has to keep to */
static bool fake_range_good(struct svm_fake *fake, const struct vsvm_svm_span *span,
			    unsigned long start, unsigned long end)
{
	KUNIT_EXPECT_TRUE(fake->test, fake_holds(span));
	KUNIT_EXPECT_TRUE(fake->test, PAGE_ALIGNED(start | end));
	KUNIT_EXPECT_LT(fake->test, start, end);
	KUNIT_EXPECT_GE(fake->test, start, span->start);
	KUNIT_EXPECT_LE(fake->test, end, span->end);
	return start < end && start >= fake->start &&
	       end <= fake->start + SVM_FAKE_BYTES;
}

static unsigned int fake_index(const struct svm_fake *fake, unsigned long address)
{
	return (address - fake->start) >> PAGE_SHIFT;
}

static struct vsvm_svm_span *fake_span_create(void *priv, unsigned long start,
					      unsigned long end)
{
	struct svm_fake *fake = priv;
	struct vsvm_svm_span *span = NULL;

	fake_hook(fake, SVM_FAKE_SPAN_CREATE);
	fake_expect_free(fake, NULL);
	KUNIT_EXPECT_EQ(fake->test, fake->span_size, end - start);
	KUNIT_EXPECT_TRUE(fake->test, IS_ALIGNED(start, fake->span_size));
	KUNIT_EXPECT_GE(fake->test, start, fake->start);
	KUNIT_EXPECT_LE(fake->test, end, fake->start + SVM_FAKE_BYTES);
	if (fake->fail_span)
		fake->fail_span--;
	else
		span = kzalloc_obj(*span);
	if (span) {
		mutex_init(&span->lock);
		span->start = start;
		span->end = end;
		atomic_inc(&fake->spans);
	}
	fake_record(fake, SVM_FAKE_SPAN_CREATE, start, end, !!span);
	return span;
}

static void fake_span_destroy(void *priv, struct vsvm_svm_span *span)
{
	struct svm_fake *fake = priv;

	fake_hook(fake, SVM_FAKE_SPAN_DESTROY);
	fake_record(fake, SVM_FAKE_SPAN_DESTROY, span->start, span->end, 0);
	fake_expect_free(fake, span);
	KUNIT_EXPECT_EQ_MSG(fake->test, 0,
			    svm_fake_mapped(fake, span->start, span->end),
			    "a span is destroyed in which something is mapped");
	atomic_dec(&fake->spans);
	mutex_destroy(&span->lock);
	kfree(span);
}

static bool fake_span_empty(void *priv, struct vsvm_svm_span *span)
{
	struct svm_fake *fake = priv;

	KUNIT_EXPECT_TRUE(fake->test, fake_holds(span));
	return !svm_fake_mapped(fake, span->start, span->end);
}

static void *fake_prepare(void *priv, struct vsvm_svm_span *span,
			  unsigned long address)
{
	struct svm_fake *fake = priv;
	void *token = NULL;

	fake_expect_free(fake, span);
	KUNIT_EXPECT_GE(fake->test, address, span->start);
	KUNIT_EXPECT_LT(fake->test, address, span->end);
	if (fake->fail_prepare) {
		fake->fail_prepare--;
		token = ERR_PTR(-ENOMEM);
	} else if (!READ_ONCE(fake->table[fake_index(fake, address) /
					  VSVM_SVM_BLOCK_PAGES])) {
		token = kmalloc(1, GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
		if (!IS_ERR(token))
			atomic_inc(&fake->outstanding);
	}
	fake_record(fake, SVM_FAKE_PREPARE, address, address + VSVM_SVM_BLOCK_SIZE,
		    PTR_ERR_OR_ZERO(token));
	/* Last: between this and map is where others come in */
	fake_hook(fake, SVM_FAKE_PREPARE);
	return token;
}

static void fake_finish(void *priv, void *prepared)
{
	struct svm_fake *fake = priv;

	fake_hook(fake, SVM_FAKE_FINISH);
	fake_expect_free(fake, NULL);
	KUNIT_EXPECT_FALSE(fake->test, IS_ERR_OR_NULL(prepared));
	kfree(prepared);
	atomic_dec(&fake->outstanding);
	fake_record(fake, SVM_FAKE_FINISH, 0, 0, 0);
}

static bool fake_mapped(void *priv, struct vsvm_svm_span *span,
			unsigned long address, enum vsvm_svm_access access)
{
	struct svm_fake *fake = priv;
	unsigned long entry;

	KUNIT_EXPECT_GE(fake->test, address, span->start);
	KUNIT_EXPECT_LT(fake->test, address, span->end);
	entry = svm_fake_entry(fake, address);
	return (entry & SVM_FAKE_VALID) && (!access || (entry & SVM_FAKE_WRITE));
}

/* Return: whether the page is new */
static bool fake_set(struct svm_fake *fake, unsigned int i, unsigned long pfn,
		     bool write, unsigned long flags)
{
	unsigned long old = fake->entry[i];
	unsigned long new = pfn << SVM_FAKE_PFN_SHIFT | SVM_FAKE_VALID | flags;

	if (write)
		new |= SVM_FAKE_WRITE;
	if (old & SVM_FAKE_VALID) {
		KUNIT_EXPECT_EQ_MSG(fake->test, pfn, old >> SVM_FAKE_PFN_SHIFT,
				    "page %u is mapped over another one", i);
		new |= old & SVM_FAKE_WRITE;
	}
	WRITE_ONCE(fake->entry[i], new);
	return !(old & SVM_FAKE_VALID);
}

static int fake_map_fails(struct svm_fake *fake)
{
	if (!fake->fail_map)
		return 0;
	if (fake->fail_map != UINT_MAX)
		fake->fail_map--;
	return fake->map_error;
}

/* Memory for small pages, as a page table would need it.  Return: 0 or -EAGAIN */
static int fake_use(struct svm_fake *fake, unsigned int i, void **prepared)
{
	bool *table = &fake->table[i / VSVM_SVM_BLOCK_PAGES];

	if (*table)
		return 0;
	if (!*prepared)
		return -EAGAIN;
	kfree(*prepared);
	*prepared = NULL;
	atomic_dec(&fake->outstanding);
	WRITE_ONCE(*table, true);
	return 0;
}

static bool fake_writes(unsigned long pfn, unsigned int mode)
{
	return !(mode & VSVM_SVM_MAP_READ_ONLY) && (pfn & HMM_PFN_WRITE);
}

static int fake_map(void *priv, struct vsvm_svm_span *span, unsigned long address,
		    const unsigned long *pfns, unsigned int npages, unsigned int mode,
		    void **prepared)
{
	unsigned long end = address + ((unsigned long)npages << PAGE_SHIFT);
	struct svm_fake *fake = priv;
	unsigned int i, first;
	int ret;

	fake_hook(fake, SVM_FAKE_MAP);
	if (!fake_range_good(fake, span, address, end))
		return -EIO;
	KUNIT_EXPECT_EQ_MSG(fake->test, address >> VSVM_SVM_BLOCK_SHIFT,
			    (end - 1) >> VSVM_SVM_BLOCK_SHIFT,
			    "more than one block at once");
	first = fake_index(fake, address);
	ret = fake_map_fails(fake) ?: fake_use(fake, first, prepared);
	for (i = 0; ret >= 0 && i < npages; i++) {
		if (!(pfns[i] & HMM_PFN_VALID))
			continue;
		KUNIT_EXPECT_FALSE(fake->test, pfns[i] & HMM_PFN_ERROR);
		if (fake->unreachable == address + ((unsigned long)i << PAGE_SHIFT))
			ret = -EIO;
		else
			ret += fake_set(fake, first + i, pfns[i] & ~HMM_PFN_FLAGS,
					fake_writes(pfns[i], mode), 0);
	}
	fake_record(fake, SVM_FAKE_MAP, address, end, ret);
	return ret;
}

static int fake_map_huge(void *priv, struct vsvm_svm_span *span,
			 unsigned long address, unsigned long pfn, unsigned int mode)
{
	unsigned long end = address + VSVM_SVM_BLOCK_SIZE;
	struct svm_fake *fake = priv;
	unsigned int i, first;
	int ret;

	fake_hook(fake, SVM_FAKE_MAP_HUGE);
	if (!fake_range_good(fake, span, address, end))
		return -EIO;
	KUNIT_EXPECT_TRUE(fake->test, IS_ALIGNED(address, VSVM_SVM_BLOCK_SIZE));
	KUNIT_EXPECT_TRUE(fake->test, pfn & HMM_PFN_VALID);
	KUNIT_EXPECT_TRUE(fake->test,
			  IS_ALIGNED(pfn & ~HMM_PFN_FLAGS, VSVM_SVM_BLOCK_PAGES));
	first = fake_index(fake, address);
	ret = fake_map_fails(fake);
	if (!ret) {
		ret = !(fake->entry[first] & SVM_FAKE_HUGE);
		for (i = 0; i < VSVM_SVM_BLOCK_PAGES; i++)
			fake_set(fake, first + i, (pfn & ~HMM_PFN_FLAGS) + i,
				 fake_writes(pfn, mode), SVM_FAKE_HUGE);
	}
	fake_record(fake, SVM_FAKE_MAP_HUGE, address, end, ret);
	return ret;
}

/* What has lost a page is no huge leaf any more */
static void fake_split(struct svm_fake *fake, unsigned int i)
{
	unsigned int end = ALIGN(i + 1, VSVM_SVM_BLOCK_PAGES);

	for (i = ALIGN_DOWN(i, VSVM_SVM_BLOCK_PAGES); i < end; i++)
		WRITE_ONCE(fake->entry[i], fake->entry[i] & ~SVM_FAKE_HUGE);
}

static unsigned long fake_change(struct svm_fake *fake, struct vsvm_svm_span *span,
				 enum svm_fake_op op, unsigned long start,
				 unsigned long end)
{
	unsigned long bit = op == SVM_FAKE_ZAP ? SVM_FAKE_VALID : SVM_FAKE_WRITE;
	unsigned long changed = 0;
	unsigned int i;

	fake_hook(fake, op);
	if (!fake_range_good(fake, span, start, end))
		return 0;
	for (i = fake_index(fake, start); i < fake_index(fake, end); i++) {
		unsigned long old = fake->entry[i];

		if (!(old & SVM_FAKE_VALID) || !(old & bit))
			continue;
		changed++;
		if (old & SVM_FAKE_HUGE)
			fake_split(fake, i);
		WRITE_ONCE(fake->entry[i], op == SVM_FAKE_ZAP ? 0 :
			   fake->entry[i] & ~SVM_FAKE_WRITE);
	}
	fake_record(fake, op, start, end, changed);
	return changed;
}

/* A fake device has no atomic operations of its own: what may be written will do */
static int fake_map_atomic(void *priv, struct vsvm_svm_span *span,
			   unsigned long address, unsigned long pfn, void **prepared)
{
	int ret = fake_map(priv, span, address, &pfn, 1, false, prepared);

	return ret < 0 ? ret : 0;
}

/* ... and no memory of its own: all pages lie in the system's */
static unsigned long fake_zap(void *priv, struct vsvm_svm_span *span,
			      unsigned long start, unsigned long end,
			      enum vsvm_svm_place place)
{
	if (place == VSVM_SVM_DEVICE)
		return 0;
	return fake_change(priv, span, SVM_FAKE_ZAP, start, end);
}

static unsigned long fake_protect(void *priv, struct vsvm_svm_span *span,
				  unsigned long start, unsigned long end)
{
	return fake_change(priv, span, SVM_FAKE_PROTECT, start, end);
}

const struct vsvm_svm_ops svm_fake_ops = {
	.span_create = fake_span_create,
	.span_destroy = fake_span_destroy,
	.span_empty = fake_span_empty,
	.prepare = fake_prepare,
	.finish = fake_finish,
	.mapped = fake_mapped,
	.map = fake_map,
	.map_huge = fake_map_huge,
	.map_atomic = fake_map_atomic,
	.zap = fake_zap,
	.protect = fake_protect,
};

void svm_fake_init(struct svm_fake *fake, struct kunit *test, unsigned long start)
{
	fake->test = test;
	fake->start = start;
	fake->alone = true;
	spin_lock_init(&fake->lock);
}

unsigned long svm_fake_entry(const struct svm_fake *fake, unsigned long address)
{
	return READ_ONCE(fake->entry[fake_index(fake, address)]);
}

static unsigned int fake_having(const struct svm_fake *fake, unsigned long start,
				unsigned long end, unsigned long bits)
{
	unsigned int n = 0;

	for (; start < end; start += PAGE_SIZE)
		n += (svm_fake_entry(fake, start) & bits) == bits;
	return n;
}

unsigned int svm_fake_mapped(const struct svm_fake *fake, unsigned long start,
			     unsigned long end)
{
	return fake_having(fake, start, end, SVM_FAKE_VALID);
}

unsigned int svm_fake_writable(const struct svm_fake *fake, unsigned long start,
			       unsigned long end)
{
	return fake_having(fake, start, end, SVM_FAKE_VALID | SVM_FAKE_WRITE);
}

void svm_fake_forget(struct svm_fake *fake)
{
	unsigned int i;

	for (i = 0; i < SVM_FAKE_NR_OPS; i++)
		atomic_set(&fake->count[i], 0);
	fake->ncalls = 0;
}

/* The nth call, from 0, of an operation; NULL if there were not so many */
const struct svm_fake_call *svm_fake_call(const struct svm_fake *fake,
					  enum svm_fake_op op, unsigned int nth)
{
	unsigned int i;

	KUNIT_EXPECT_LE(fake->test, fake->ncalls, SVM_FAKE_CALLS);
	for (i = 0; i < min(fake->ncalls, SVM_FAKE_CALLS); i++)
		if (fake->call[i].op == op && !nth--)
			return &fake->call[i];
	return NULL;
}
