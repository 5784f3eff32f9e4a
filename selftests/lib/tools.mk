# SPDX-License-Identifier: GPL-2.0-only
# The test backend and client: static, so that they run in any container; and an XDP program for links' far ends. Included by the Makefile; lib.sh also
# calls it alone (make -f selftests/lib/tools.mk test-tools), so that a test runs by itself.

BUILD ?= build
TEST_PROGRAMS := $(BUILD)/selftests/backend $(BUILD)/selftests/client $(BUILD)/selftests/prober
TEST_TOOLS := $(TEST_PROGRAMS) $(BUILD)/selftests/xdp_pass.bpf.o
TEST_TOOL_CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror
TEST_TOOL_DIR := selftests/lib/tools

.PHONY: test-tools
test-tools: $(TEST_TOOLS)

$(BUILD)/selftests/backend: $(wildcard $(TEST_TOOL_DIR)/backend*.c)
$(BUILD)/selftests/client: $(wildcard $(TEST_TOOL_DIR)/client*.c) \
	$(TEST_TOOL_DIR)/http.c $(TEST_TOOL_DIR)/tally.c

$(BUILD)/selftests/prober: $(TEST_TOOL_DIR)/prober.c $(TEST_TOOL_DIR)/tally.c

$(TEST_PROGRAMS): $(TEST_TOOL_DIR)/endpoint.c $(wildcard $(TEST_TOOL_DIR)/*.h)
	$(if $(V),,@printf '  %-8s %s\n' CC $@;) mkdir -p $(@D) && \
		$(CC) $(TEST_TOOL_CFLAGS) -static -o $@ $(filter %.c,$^)

$(BUILD)/selftests/%.bpf.o: $(TEST_TOOL_DIR)/%.bpf.c
	$(if $(V),,@printf '  %-8s %s\n' BPF $@;) mkdir -p $(@D) && \
		clang -target bpf -O2 -g -Wall -Wextra -Werror -I/usr/include/$(shell $(CC) -dumpmachine) -c -o $@ $<
