// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeping an anon_vma while pages are migrated by page frame.
 *
 * Pages that are being migrated are mapped by nobody, so nothing keeps the
 * anon_vma by which core-mm finds its way back to their page tables: another
 * thread may unmap the last mapping meanwhile.  migrate_vma_setup() is called
 * with mmap_lock held, which prevents that; migrate_device_pfns() is not, and
 * leaves it to its caller.  Core-mm has functions for it, but keeps them for
 * itself; what is here does the same with the same structures.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/rmap.h>
#include <linux/slab.h>

#include "mem/mem_priv.h"

/**
 * vsvm_pin_anon() - keep the anon_vma of a folio
 * @folio: locked
 *
 * Return: what to give to vsvm_unpin_anon(), or NULL if nobody maps it.
 */
struct anon_vma *vsvm_pin_anon(const struct folio *folio)
{
	struct anon_vma *anon_vma = NULL;
	unsigned long mapping;

	rcu_read_lock();
	mapping = (unsigned long)READ_ONCE(folio->mapping);
	if ((mapping & FOLIO_MAPPING_FLAGS) == FOLIO_MAPPING_ANON && folio_mapped(folio)) {
		anon_vma = (struct anon_vma *)(mapping - FOLIO_MAPPING_ANON);
		if (!atomic_inc_not_zero(&anon_vma->refcount))
			anon_vma = NULL;
	}
	rcu_read_unlock();

	/* Not mapped any more: then it may have been freed before, and be another's */
	if (anon_vma && !folio_mapped(folio)) {
		vsvm_unpin_anon(anon_vma);
		anon_vma = NULL;
	}
	return anon_vma;
}

static void vsvm_anon_free(struct anon_vma *anon_vma)
{
	/* Who has got hold of the lock by a page, without a reference, comes first */
	if (rwsem_is_locked(&anon_vma->root->rwsem)) {
		down_write(&anon_vma->root->rwsem);
		up_write(&anon_vma->root->rwsem);
	}
	kfree(anon_vma);
}

/** vsvm_unpin_anon() - undo vsvm_pin_anon(); may sleep */
void vsvm_unpin_anon(struct anon_vma *anon_vma)
{
	struct anon_vma *root = anon_vma->root;

	might_sleep();
	if (!atomic_dec_and_test(&anon_vma->refcount))
		return;
	vsvm_anon_free(anon_vma);
	if (root != anon_vma && atomic_dec_and_test(&root->refcount))
		vsvm_anon_free(root);
}
