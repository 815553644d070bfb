# SPDX-License-Identifier: MIT
#
# The command: $(BUILD)/tools/vsvm.  It links the archive, so that it runs from
# wherever it is copied to.

tools_src := $(addprefix tools/,main.c info.c crc.c gather.c attr.c crc32c.c demo.c \
	demo_memory.c demo_move.c demo_gather.c demo_process.c demo_attr.c demo_heap.c)
tools_obj := $(tools_src:%.c=$(BUILD)/%.o)

$(tools_obj): $(BUILD)/tools/%.o: tools/%.c tools/tool.h tools/demo.h $(VSVM_HEADERS) \
		tools/build.mk lib/build.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(VSVM_WARNINGS) $(VSVM_CPPFLAGS) -DVSVM_VERSION='"$(VSVM_VERSION)"' \
		-c -o $@ $<

$(BUILD)/tools/vsvm: $(tools_obj) $(VSVM_STATIC)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(tools_obj) $(VSVM_STATIC) -pthread

TOOLS_OUT += $(BUILD)/tools/vsvm

INSTALL_BIN += $(BUILD)/tools/vsvm
