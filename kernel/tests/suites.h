/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_TESTS_SUITES_H_
#define _VSVM_TESTS_SUITES_H_

struct kunit_suite;

/* the mirror */
extern struct kunit_suite vsvm_svm_stream_suite;
extern struct kunit_suite vsvm_svm_span_suite;
extern struct kunit_suite vsvm_svm_serve_suite;
extern struct kunit_suite vsvm_svm_status_suite;
extern struct kunit_suite vsvm_svm_race_suite;
extern struct kunit_suite vsvm_svm_wait_suite;
extern struct kunit_suite vsvm_svm_invalidate_suite;

/* batches */
extern struct kunit_suite vsvm_userptr_batch_suite;
extern struct kunit_suite vsvm_userptr_serve_suite;

/* the device page table */
extern struct kunit_suite vsvm_pt_map_suite;
extern struct kunit_suite vsvm_pt_zap_suite;
extern struct kunit_suite vsvm_pt_dirty_suite;
extern struct kunit_suite vsvm_pt_table_suite;
extern struct kunit_suite vsvm_pt_engine_suite;

/* attributes */
extern struct kunit_suite vsvm_attr_suite;

/* device memory */
extern struct kunit_suite vsvm_mem_copy_suite;
extern struct kunit_suite vsvm_mem_vmap_suite;

/* the accelerator */
extern struct kunit_suite vsvm_hw_packet_suite;
extern struct kunit_suite vsvm_hw_tlb_suite;
extern struct kunit_suite vsvm_hw_walk_suite;
extern struct kunit_suite vsvm_hw_invalidate_suite;
extern struct kunit_suite vsvm_hw_fault_suite;
extern struct kunit_suite vsvm_hw_queue_suite;
extern struct kunit_suite vsvm_hw_ops_suite;
extern struct kunit_suite vsvm_hw_ops_paged_suite;
extern struct kunit_suite vsvm_hw_copy_suite;
extern struct kunit_suite vsvm_hw_mailbox_suite;

#endif
