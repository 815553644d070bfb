# SPDX-License-Identifier: MIT
#
# The benchmarks: $(BUILD)/bench/vsvm-bench.  It links the archive, so that it
# runs from wherever it is copied to.

bench_src := $(sort $(wildcard bench/*.c))
bench_obj := $(bench_src:%.c=$(BUILD)/%.o)

$(bench_obj): $(BUILD)/bench/%.o: bench/%.c $(wildcard bench/*.h) $(VSVM_HEADERS) \
		kernel/bench/vsvm_bench.h bench/build.mk lib/build.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(VSVM_WARNINGS) $(VSVM_CPPFLAGS) -Ikernel -pthread -c -o $@ $<

$(BUILD)/bench/vsvm-bench: $(bench_obj) $(VSVM_STATIC)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(bench_obj) $(VSVM_STATIC) -pthread -lm

BENCH_OUT += $(BUILD)/bench/vsvm-bench
