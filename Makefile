# SPDX-License-Identifier: GPL-2.0-only
#
# vsvm. `make help` lists what can be made.
#
# Everything that is built goes below $(BUILD). Each part of user space has its
# build.mk, which appends what it makes to LIB_OUT, TOOLS_OUT, EXAMPLES_OUT,
# TESTS_OUT (run in a VM), HOST_TESTS_OUT (run here) or BENCH_OUT.

VSVM_VERSION := 0.1.0
BUILD ?= build
DESTDIR ?=
PREFIX ?= /usr/local

CFLAGS ?= -O2 -g
UAPI_CFLAGS := -Iinclude/uapi

# kselftest_harness.h is used from the kernel's source, wherever that is kept.
KSELFTEST_DIR := $(BUILD)/kselftest
KSELFTEST_CFLAGS := -isystem $(KSELFTEST_DIR)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

-include lib/build.mk tools/build.mk examples/build.mk tests/build.mk bench/build.mk

INCLUDEDIR ?= $(PREFIX)/include
LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man

.PHONY: help
help:
	@sed -n 's/^#: //p' $(firstword $(MAKEFILE_LIST))

#: Try it
#:   make demo [FILE=...]      boot a VM and show what vsvm does
#:   scripts/vm shell          a prompt in such a VM (scripts/vm --help)

.PHONY: demo
demo: prepared
	@scripts/demo $(BUILD)/tools/vsvm $(if $(FILE),"$(FILE)")

#: Build
#:   make user                 library, tool, examples, tests and benchmarks
#:   make modules [KDIR=...]   vsvm.ko for the kernel in KDIR, or without KDIR
#:                             for the kernel that scripts/kernel builds

# What is missing is installed before anything is built with it.
.PHONY: prepared
prepared:
	@scripts/deps
	@+$(MAKE) --no-print-directory -j$$(nproc) user

.PHONY: user lib tools examples tests benches
user: lib tools examples tests benches
lib: $(LIB_OUT)
tools: $(TOOLS_OUT)
examples: $(EXAMPLES_OUT)
tests: $(TESTS_OUT) $(HOST_TESTS_OUT)
benches: $(BENCH_OUT)

$(TESTS_OBJ) $(TESTS_OUT) $(HOST_TESTS_OUT) $(BENCH_OUT): | $(KSELFTEST_DIR)
$(KSELFTEST_DIR):
	@mkdir -p $(BUILD)
	@src=$$(scripts/kernel src) && \
	ln -sfn "$$src/tools/testing/selftests" $@

FLAVOUR ?= fast

.PHONY: modules
ifneq ($(KDIR),)
modules:
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/kernel MO=$(abspath $(BUILD))/modules modules
else
modules:
	scripts/kernel modules $(FLAVOUR) $(if $(W),W=$(W)) $(if $(C),C=$(C))
endif

#: Check and measure
#:   make check                all tests, in VMs on a fast and on a debug kernel
#:        TESTS="svm_* kunit"  only those
#:        KERNELS=fast         only on that kernel
#:        KERNEL_VERSION=7.3   on another version (default: 7.2)
#:        KERNEL_SRC=DIR       on the kernel in another source tree
#:   make bench                the benchmarks, in a VM on the fast kernel
#:   make checkpatch           the kernel's style check
#:   make shellcheck           the same for the scripts

export KERNEL_VERSION KERNEL_SRC KERNEL_CC

.PHONY: check
check: prepared
	@KERNELS="$(or $(KERNELS),fast debug)" TESTS="$(or $(TESTS),*)" \
	HOST_TESTS="$(HOST_TESTS_OUT)" scripts/check $(TESTS_OUT)

.PHONY: bench
bench: prepared
	@scripts/bench $(BENCH_OUT)

.PHONY: checkpatch
checkpatch:
	@scripts/checkpatch

.PHONY: shellcheck
shellcheck:
	cd scripts && shellcheck -x kernel vm check deps demo bench checkpatch && \
	shellcheck -s sh guest/init guest/check

#: Install (PREFIX, LIBDIR, DESTDIR)
#:   make install              library, headers, tool, man pages and module
#:                             sources for DKMS
#:   make uninstall            take them away again

DKMS_DIR = $(DESTDIR)/usr/src/vsvm-$(VSVM_VERSION)
DKMS_FILES = $(shell find kernel include -type f \( -name '*.[ch]' -o -name Kbuild -o -name Makefile \))

# install-to DIR,MODE,FILES
define install-to
	$(if $(strip $(3)),install -d $(DESTDIR)$(1) && cp -P $(3) $(DESTDIR)$(1) && \
	cd $(DESTDIR)$(1) && find $(notdir $(3)) -maxdepth 0 -type f -exec chmod $(2) {} +)
endef

.PHONY: install
install: lib tools install-dkms
	$(call install-to,$(LIBDIR),644,$(INSTALL_LIB))
	$(call install-to,$(LIBDIR)/pkgconfig,644,$(INSTALL_PC))
	$(call install-to,$(INCLUDEDIR)/vsvm,644,$(INSTALL_H))
	$(call install-to,$(INCLUDEDIR)/vsvm/drm,644,$(INSTALL_H_DRM))
	$(call install-to,$(PREFIX)/bin,755,$(INSTALL_BIN))
	$(call install-to,$(MANDIR)/man1,644,$(INSTALL_MAN1))
	$(call install-to,$(MANDIR)/man3,644,$(INSTALL_MAN3))
	$(call install-to,$(MANDIR)/man4,644,$(INSTALL_MAN4))

.PHONY: install-dkms
install-dkms:
	install -d $(DKMS_DIR)
	sed 's/@VERSION@/$(VSVM_VERSION)/' dkms.conf.in > $(DKMS_DIR)/dkms.conf
	cp --parents $(DKMS_FILES) $(DKMS_DIR)

.PHONY: uninstall
uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(notdir $(INSTALL_LIB))) \
	      $(addprefix $(DESTDIR)$(LIBDIR)/pkgconfig/,$(notdir $(INSTALL_PC))) \
	      $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(INSTALL_BIN))) \
	      $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(INSTALL_MAN1))) \
	      $(addprefix $(DESTDIR)$(MANDIR)/man3/,$(notdir $(INSTALL_MAN3))) \
	      $(addprefix $(DESTDIR)$(MANDIR)/man4/,$(notdir $(INSTALL_MAN4)))
	rm -rf $(DESTDIR)$(INCLUDEDIR)/vsvm $(DKMS_DIR)

#: Clean
#:   make clean                what was built here; kernels stay in the cache
#:   scripts/kernel prune      kernels in the cache that are not in use

.PHONY: clean
clean:
	rm -rf $(BUILD)
