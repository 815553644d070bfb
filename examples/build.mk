# SPDX-License-Identifier: MIT
#
# Each example is one file and one program: $(BUILD)/examples/<name>.

examples_bin := $(addprefix $(BUILD)/examples/,vector_add linked_list file_checksum)

$(examples_bin): $(BUILD)/examples/%: examples/%.c $(VSVM_HEADERS) $(VSVM_STATIC) examples/build.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(VSVM_WARNINGS) $(VSVM_CPPFLAGS) $(LDFLAGS) -o $@ $< $(VSVM_STATIC) -pthread

EXAMPLES_OUT += $(examples_bin)
