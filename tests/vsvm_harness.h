/* SPDX-License-Identifier: MIT */
#ifndef VSVM_HARNESS_H
#define VSVM_HARNESS_H

/* The kernel's own test harness, and how this project uses it */

#include "kselftest_harness.h"

#include "vsvm_env.h"
#include "vsvm_test.h"

/* The time-out of a TEST_F is set at start-up: a slow kernel is given longer */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	((int)test_time(60))
#define TEST_F_LONG(fixture, name, seconds) \
	TEST_F_TIMEOUT(fixture, name, (int)test_time(seconds))

/* A fixture with nothing but self->t: device, address space, queue */
#define FIXTURE_VSVM(name)						\
	FIXTURE(name)							\
	{								\
		struct test_vm t;					\
	};								\
	FIXTURE_SETUP(name)						\
	{								\
		ASSERT_EQ(0, test_open(&self->t));			\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		EXPECT_EQ(0, test_close(&self->t));			\
	}

/* Skipping ends the test; what is missing goes into the report */
#define REQUIRE(condition, ...)						\
	do {								\
		if (!(condition))					\
			SKIP(return, __VA_ARGS__);			\
	} while (0)

#endif
