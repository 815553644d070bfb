// SPDX-License-Identifier: GPL-2.0-only
/* vsvm-kunit.ko: the tests that need no device node and no program. */
#include <kunit/test.h>
#include <linux/module.h>

#include "tests/suites.h"

kunit_test_suites(&vsvm_svm_stream_suite,
		  &vsvm_svm_span_suite,
		  &vsvm_svm_serve_suite,
		  &vsvm_svm_status_suite,
		  &vsvm_svm_race_suite,
		  &vsvm_svm_wait_suite,
		  &vsvm_svm_invalidate_suite,
		  &vsvm_userptr_batch_suite,
		  &vsvm_userptr_serve_suite,
		  &vsvm_pt_map_suite,
		  &vsvm_pt_zap_suite,
		  &vsvm_pt_dirty_suite,
		  &vsvm_pt_table_suite,
		  &vsvm_pt_engine_suite,
		  &vsvm_attr_suite,
		  &vsvm_mem_copy_suite,
		  &vsvm_mem_vmap_suite,
		  &vsvm_hw_packet_suite,
		  &vsvm_hw_tlb_suite,
		  &vsvm_hw_walk_suite,
		  &vsvm_hw_invalidate_suite,
		  &vsvm_hw_fault_suite,
		  &vsvm_hw_queue_suite,
		  &vsvm_hw_ops_suite,
		  &vsvm_hw_ops_paged_suite,
		  &vsvm_hw_copy_suite,
		  &vsvm_hw_mailbox_suite);

MODULE_DESCRIPTION("KUnit tests of vsvm");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
