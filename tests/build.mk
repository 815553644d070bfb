# SPDX-License-Identifier: MIT
#
# The tests in user space. Included by the Makefile at the top.
#
# Every <kind>_<theme>.c is a program of its own; the rest of the directory is
# linked into all of them. They are static, so that they run in a guest that
# has nothing but a shell.

TESTS_DIR := tests
TESTS_KINDS := svm attr userptr uapi exec hw bo heap mig stress
TESTS_SRC := $(sort $(foreach kind,$(TESTS_KINDS),$(wildcard $(TESTS_DIR)/$(kind)_*.c)))
TESTS_COMMON := $(TESTS_DIR)/vsvm_test.c $(TESTS_DIR)/vsvm_env.c $(TESTS_DIR)/vsvm_module.c \
	$(TESTS_DIR)/vsvm_bo.c $(TESTS_DIR)/vsvm_userptr.c $(TESTS_DIR)/vsvm_heap.c
TESTS_OBJ := $(patsubst $(TESTS_DIR)/%.c,$(BUILD)/tests/obj/%.o,$(TESTS_COMMON))
TESTS_OUT += $(patsubst $(TESTS_DIR)/%.c,$(BUILD)/tests/%,$(TESTS_SRC))

TESTS_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread \
	$(VSVM_CPPFLAGS) -I$(TESTS_DIR) $(KSELFTEST_CFLAGS)

$(BUILD)/tests/obj/%.o: $(TESTS_DIR)/%.c $(TESTS_DIR)/build.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(TESTS_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: $(TESTS_DIR)/%.c $(TESTS_OBJ) $(VSVM_STATIC) $(TESTS_DIR)/build.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(TESTS_CFLAGS) -MMD -MP -MF $@.d -static -o $@ $< $(TESTS_OBJ) \
		$(VSVM_STATIC)

-include $(TESTS_OBJ:.o=.d) $(addsuffix .d,$(TESTS_OUT))
