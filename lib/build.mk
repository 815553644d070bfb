# SPDX-License-Identifier: MIT
#
# libvsvm: $(BUILD)/lib/libvsvm.so.0, .so, .a and .pc.  For the other fragments:
#   VSVM_CPPFLAGS   what a program needs to find <vsvm.h>
#   VSVM_WARNINGS   what everything in user space compiles clean with
#   VSVM_STATIC     the archive; a program in this tree links it, so that it
#                   runs from wherever it is copied to
# For the install target, lists of files by where they go:
#   INSTALL_LIB      to $(LIBDIR), symbolic links kept
#   INSTALL_PC       to $(LIBDIR)/pkgconfig
#   INSTALL_H        to $(INCLUDEDIR)/vsvm
#   INSTALL_H_DRM    to $(INCLUDEDIR)/vsvm/drm
#   INSTALL_BIN      to $(PREFIX)/bin (tools/build.mk)
#   INSTALL_MAN1, INSTALL_MAN3, INSTALL_MAN4
#                    to $(MANDIR)/man1, man3, man4

BUILD ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
VSVM_VERSION ?= 0.1.0

VSVM_CPPFLAGS := -Iinclude/uapi -Ilib/include -D_GNU_SOURCE
VSVM_WARNINGS := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wformat=2 -Werror
VSVM_HEADERS := include/uapi/drm/vsvm_drm.h include/uapi/drm/vsvm_packet.h lib/include/vsvm.h \
	lib/include/drm/drm.h
VSVM_STATIC := $(BUILD)/lib/libvsvm.a

lib_src := $(addprefix lib/,device.c vm.c attr.c bo.c heap.c queue.c cmds.c wait.c fault.c)
lib_obj := $(lib_src:%.c=$(BUILD)/%.o)
lib_pic := $(lib_src:%.c=$(BUILD)/%.pic.o)
lib_cflags = $(CFLAGS) $(VSVM_WARNINGS) $(VSVM_CPPFLAGS)

$(lib_obj): $(BUILD)/lib/%.o: lib/%.c lib/internal.h $(VSVM_HEADERS) lib/build.mk
	@mkdir -p $(@D)
	$(CC) $(lib_cflags) -c -o $@ $<

$(lib_pic): $(BUILD)/lib/%.pic.o: lib/%.c lib/internal.h $(VSVM_HEADERS) lib/build.mk
	@mkdir -p $(@D)
	$(CC) $(lib_cflags) -fPIC -c -o $@ $<

# A fresh archive each time: ar would keep members of files that have gone
$(VSVM_STATIC): $(lib_obj)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/lib/libvsvm.so.0: $(lib_pic) lib/libvsvm.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libvsvm.so.0 \
		-Wl,--version-script=lib/libvsvm.map -Wl,-z,defs -o $@ $(lib_pic) -pthread

$(BUILD)/lib/libvsvm.so: $(BUILD)/lib/libvsvm.so.0
	ln -sf libvsvm.so.0 $@

# Rewritten when PREFIX has changed, which no time stamp tells
.PHONY: lib-force
lib-force:
$(BUILD)/lib/libvsvm.pc: lib/libvsvm.pc.in lib-force
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VSVM_VERSION)|' $< > $@.tmp
	@if cmp -s $@.tmp $@; then rm $@.tmp; else mv $@.tmp $@; fi

LIB_OUT += $(VSVM_STATIC) $(BUILD)/lib/libvsvm.so.0 $(BUILD)/lib/libvsvm.so \
	$(BUILD)/lib/libvsvm.pc

INSTALL_LIB += $(VSVM_STATIC) $(BUILD)/lib/libvsvm.so.0 $(BUILD)/lib/libvsvm.so
INSTALL_PC += $(BUILD)/lib/libvsvm.pc
INSTALL_H += lib/include/vsvm.h
INSTALL_H_DRM += $(filter-out lib/include/vsvm.h,$(VSVM_HEADERS))

# A page for each function: those that have none of their own are links to the
# page whose NAME line has them.  A function that no page names is an error.
lib_functions := $(shell sed -n 's/^\t\(vsvm_[a-z0-9_]*\);/\1/p' lib/libvsvm.map)
lib_pages := $(wildcard docs/man/*.3)
lib_links := $(filter-out $(lib_pages:docs/man/%=$(BUILD)/man/%), \
	$(lib_functions:%=$(BUILD)/man/%.3))

$(lib_links): $(BUILD)/man/%.3: $(lib_pages) lib/build.mk
	@mkdir -p $(@D)
	@page=$$(sed -n '/^\.SH NAME/{n;/\<$*\>/F}' $(lib_pages)); \
		[ -n "$$page" ] || { echo "docs/man: no page for $*" >&2; exit 1; }; \
		echo ".so man3/$${page##*/}" > $@

LIB_OUT += $(lib_links)

INSTALL_MAN1 += $(wildcard docs/man/*.1)
INSTALL_MAN3 += $(lib_pages) $(lib_links)
INSTALL_MAN4 += $(wildcard docs/man/*.4)

# What can be tested without a device.  The harness is the kernel's
host_lib := $(BUILD)/lib/host_lib
$(host_lib): lib/tests/host_lib.c lib/internal.h tools/tool.h $(VSVM_HEADERS) $(VSVM_STATIC) \
		$(BUILD)/tools/crc32c.o lib/build.mk
	$(CC) $(CFLAGS) $(VSVM_WARNINGS) $(VSVM_CPPFLAGS) $(KSELFTEST_CFLAGS) $(LDFLAGS) \
		-Wl,--wrap=ioctl -o $@ $< $(VSVM_STATIC) $(BUILD)/tools/crc32c.o -pthread

HOST_TESTS_OUT += $(host_lib)

# The header is for C++ too; not every machine has a compiler for it
ifneq ($(shell command -v $(CXX)),)
$(BUILD)/lib/cxx.o: lib/tests/cxx.cc $(VSVM_HEADERS) lib/build.mk
	@mkdir -p $(@D)
	$(CXX) -std=c++11 -Wall -Wextra -Wshadow -Werror $(VSVM_CPPFLAGS) -c -o $@ $<

LIB_OUT += $(BUILD)/lib/cxx.o
endif
