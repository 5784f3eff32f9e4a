# SPDX-License-Identifier: GPL-2.0-only
#
# make            build/skep
# make deps       what it takes to build, test and run the demo, by apt-get (Debian 12; root)
# make test       all tests (root); make unit, bpf-test, e2e, kernel-test: parts of them; SANITIZE=1: with ASan and UBSan.
#                 kernel-test: in an emulated machine with Debian 12's own kernel; KERNEL=6.12: another of Debian's
# make demo       a three-node Swarm in namespaces, and skep on it (root); KEEP=1, SOURCE=file
# make install    DESTDIR= PREFIX=/usr/local
# make fuzz       searches the parsers for inputs that break them, FUZZ_S=60 seconds each of FUZZ_TARGETS; fuzz-keep: keeps
#                 what reached new code in the corpus
# make bench      what the data path costs: per packet, and beside nftables and HAProxy (root); BENCH_QUICK=1: in less time
# make bench-packet   the first part of it alone
# make bench-control  what the control plane costs: memory, time from model to maps (root)
# make bench-http  skep proxy beside nginx and HAProxy, and its ways of moving payload; BENCH_QUICK=1: in three minutes (root)
# make bench-relay  what it costs to move payload: copied, by splice(2), by socket redirect (root)
# make bench-http-parse  what reading and writing the heads of HTTP costs
# make stats      what the verifier counts
# make tidy, make format, make clean
# V=1 shows every command.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

ifneq ($(V),1)
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
endif

PREFIX  ?= /usr/local
BUILD   ?= build
CC      := gcc
CLANG   ?= clang
BPFTOOL := $(shell command -v bpftool || echo /usr/sbin/bpftool)

WARN     := -Wall -Wextra -Werror
CPPFLAGS := -D_GNU_SOURCE -Iinclude -Iuser -I$(BUILD)
CFLAGS   ?= -O2 -g
CFLAGS   += -std=c11 $(WARN) -fstack-protector-strong
LDLIBS   := -lbpf -lmnl -lcurl -ljansson -lmicrohttpd -lgnutls -lssl -lcrypto -lpcre2-8 -lcrypt -lm -lpthread

ifeq ($(SANITIZE),1)
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif

# UAPI headers only. -mcpu=v3: atomics that return a value (kernel 5.12).
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g $(WARN) -Iinclude -I/usr/include/$(shell $(CC) -dumpmachine)

SOURCES := $(wildcard user/*.c user/*/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY := $(filter-out $(BUILD)/user/main.o,$(OBJECTS))
SKELETONS := $(BUILD)/tc.skel.h $(BUILD)/xdp.skel.h $(BUILD)/names.skel.h

UNIT_TESTS := $(patsubst selftests/unit/%.c,$(BUILD)/unit/%,$(wildcard selftests/unit/test_*.c))
BPF_TESTS  := $(patsubst selftests/bpf/%.c,$(BUILD)/bpf-tests/%,$(wildcard selftests/bpf/test_*.c))

include selftests/lib/tools.mk

DEPENDENCIES := gcc libc6-dev clang llvm pkg-config bpftool libbpf-dev libelf-dev zlib1g-dev linux-libc-dev libmnl-dev \
	libpcre2-dev libcrypt-dev libjansson-dev libmicrohttpd-dev libgnutls28-dev libssl-dev libcurl4-openssl-dev libcmocka-dev \
	docker.io iptables iproute2 ethtool procps util-linux busybox-static perl jq curl gnutls-bin openssl valgrind tcpdump \
	clang-format clang-tidy libclang-rt-dev nginx-light haproxy man-db systemd qemu-system-x86 cpio kmod xz-utils

.DEFAULT_GOAL := all

.PHONY: all
all: $(BUILD)/skep

# ---- the programs in the kernel

$(BUILD)/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full
	@rm -f $@.full

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q){ echo '/* NOLINTBEGIN: generated */'; $(BPFTOOL) gen skeleton $< name $*_bpf; \
		echo '/* NOLINTEND */'; } > $@

# ---- the program in user space

$(BUILD)/user/datapath/programs.o: $(BUILD)/tc.skel.h
$(BUILD)/user/datapath/fast_path.o: $(BUILD)/xdp.skel.h
$(BUILD)/user/datapath/names.o: $(BUILD)/names.skel.h

.SECONDARY: $(SKELETONS:.skel.h=.bpf.o)

$(BUILD)/user/%.o: user/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/skep: $(OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# ---- tests

$(BUILD)/unit/%: selftests/unit/%.c $(LIBRARY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Iselftests/unit $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(LIBRARY) $(LDLIBS) -lcmocka -o $@

$(BUILD)/bpf-tests/%.bpf.o: selftests/bpf/%.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Ibpf -MMD -MP -MT $@ -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full
	@rm -f $@.full

$(BUILD)/bpf-tests/%.skel.h: $(BUILD)/bpf-tests/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# One fixture for all of them: every .c that is no test of its own.
BPF_FIXTURE := $(filter-out selftests/bpf/test_%.c %.bpf.c,$(wildcard selftests/bpf/*.c))

.SECONDARY: $(BUILD)/bpf-tests/harness.bpf.o $(BUILD)/bpf-tests/harness.skel.h

$(BUILD)/bpf-tests/test_%: selftests/bpf/test_%.c $(BPF_FIXTURE) $(wildcard selftests/bpf/*.h include/skep/*.h) \
		$(BUILD)/bpf-tests/harness.skel.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -I$(BUILD)/bpf-tests -Iselftests/bpf $(CFLAGS) $(LDFLAGS) $< $(BPF_FIXTURE) \
		-lbpf -lcmocka -o $@

$(BUILD)/selftests/relay_transfers: selftests/e2e/relay_transfers.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -lpthread -o $@

$(BUILD)/selftests/tunnels: selftests/e2e/tunnels.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -lssl -lcrypto -lpthread -o $@

$(BUILD)/selftests/http_differential: selftests/e2e/http_differential.c $(LIBRARY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(LIBRARY) $(LDLIBS) -o $@

# libFuzzer's targets, one file each, with what they may reach of user/, all of it instrumented. From an archive, so that
# each takes only what it needs.
FUZZ_S       ?= 60
FUZZ_TARGETS := $(patsubst selftests/fuzz/%.c,%,$(wildcard selftests/fuzz/*.c))
FUZZ_OBJECTS := $(patsubst %.c,$(BUILD)/fuzz/%.o,\
	$(wildcard $(patsubst %,user/%/*.c,lib http route model)) user/proxy/hello.c user/proxy/proxy_header.c)
FUZZ_CFLAGS  := -O1 -g -std=c11 $(WARN) -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined

$(BUILD)/fuzz/user/%.o: user/%.c
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

$(BUILD)/fuzz/user.a: $(FUZZ_OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/fuzz/%: selftests/fuzz/%.c $(BUILD)/fuzz/user.a
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(CPPFLAGS) -Iselftests/fuzz $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MP $< $(BUILD)/fuzz/user.a $(LDLIBS) -o $@

-include $(FUZZ_OBJECTS:.o=.d)

.PHONY: fuzz fuzz-keep
fuzz: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
	@selftests/fuzz/run.sh $(FUZZ_S) $(FUZZ_TARGETS)

fuzz-keep: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
	@selftests/fuzz/run.sh --keep $(FUZZ_TARGETS)

.PHONY: tests
tests: $(BUILD)/skep $(UNIT_TESTS) $(BPF_TESTS) $(TEST_TOOLS) $(BUILD)/selftests/http_differential $(BUILD)/selftests/relay_transfers \
		$(BUILD)/selftests/tunnels \
		$(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)

.PHONY: test unit bpf-test e2e kernel-test
test: deps
	@$(MAKE) --no-print-directory tests
	@selftests/run
unit: $(UNIT_TESTS)
	@selftests/run unit

bpf-test: $(BPF_TESTS)
	@selftests/run bpf

e2e: $(BUILD)/skep $(TEST_TOOLS) $(BUILD)/selftests/http_differential $(BUILD)/selftests/relay_transfers $(BUILD)/selftests/tunnels
	@selftests/run e2e

kernel-test: $(BUILD)/skep $(TEST_TOOLS)
	@selftests/run kernel

.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory $(BUILD)/skep $(TEST_TOOLS)
	@KEEP=$(KEEP) SOURCE=$(SOURCE) selftests/demo.sh

# ---- the rest

.PHONY: deps
deps:
	$(call say,APT,"what is missing")
	$(Q)selftests/lib/deps.sh $(DEPENDENCIES)

# Not by make test: what it takes to compare with.
BENCH_DEPENDENCIES := $(DEPENDENCIES) haproxy nftables

$(BUILD)/bench/packet.bpf.o: selftests/bench/packet.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full
	@rm -f $@.full

$(BUILD)/bench/bench.skel.h: $(BUILD)/bench/packet.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name bench_bpf > $@

$(BUILD)/bench/packet: selftests/bench/packet.c selftests/bpf/packets.c $(BUILD)/bench/bench.skel.h $(BUILD)/xdp.skel.h \
		$(wildcard selftests/bench/*.h selftests/bpf/packets.h include/skep/*.h)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -I$(BUILD)/bench -Iselftests/bpf $(CFLAGS) $(LDFLAGS) $(filter %.c,$^) -lbpf -o $@

.PHONY: bench bench-packet
bench-packet: $(BUILD)/bench/packet
	@selftests/bench/bench.sh packet

bench: bench-deps
	@$(MAKE) --no-print-directory $(BUILD)/skep $(BUILD)/bench/packet $(TEST_TOOLS)
	@selftests/bench/bench.sh packet network

.PHONY: bench-deps
bench-deps:
	$(call say,APT,"what is missing")
	$(Q)selftests/lib/deps.sh $(BENCH_DEPENDENCIES)

.PHONY: bench-control
bench-control: $(BUILD)/skep $(TEST_TOOLS)
	@selftests/bench/control.sh

.PHONY: bench-http
bench-http: deps
	@$(MAKE) --no-print-directory $(BUILD)/skep $(TEST_TOOLS)
	@selftests/bench/http.sh

.PHONY: bench-relay
bench-relay: $(BUILD)/bench/relay
	@$<

$(BUILD)/bench/relay: $(BUILD)/bench/relay.skel.h

$(BUILD)/bench/relay.bpf.o: selftests/bench/relay.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full
	@rm -f $@.full

$(BUILD)/bench/relay.skel.h: $(BUILD)/bench/relay.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name relay_bpf > $@

.PHONY: bench-http-parse
bench-http-parse: $(BUILD)/bench/http_parse
	@$<

$(BUILD)/bench/%: selftests/bench/%.c $(LIBRARY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(LIBRARY) $(LDLIBS) -o $@

.PHONY: stats
stats: $(BUILD)/tc.bpf.o $(BUILD)/xdp.bpf.o $(BUILD)/names.bpf.o
	@selftests/bench/stats.sh $^

.PHONY: tidy
tidy: $(SKELETONS)
	$(Q)printf '%s\n' $(SOURCES) | xargs -P 2 -I {} sh -c \
		'clang-tidy --quiet --warnings-as-errors="*" {} -- $(CPPFLAGS) -std=c11 2>/dev/null'

.PHONY: format
format:
	$(Q)clang-format -i $(SOURCES) $(wildcard user/*/*.h include/skep/*.h bpf/*.[ch] selftests/*/*.[ch] selftests/lib/tools/*.[ch])

.PHONY: install
install: $(BUILD)/skep
	install -D -m 0755 $(BUILD)/skep $(DESTDIR)$(PREFIX)/sbin/skep
	install -D -m 0644 docs/skep.8 $(DESTDIR)$(PREFIX)/share/man/man8/skep.8
	install -d $(DESTDIR)/etc/skep $(DESTDIR)/lib/systemd/system
	for unit in skep skep-proxy; do \
		sed 's,@PREFIX@,$(PREFIX),g' systemd/$$unit.service > $(DESTDIR)/lib/systemd/system/$$unit.service || exit 1; done
	install -D -m 0644 systemd/skep-proxy.sysusers $(DESTDIR)/usr/lib/sysusers.d/skep-proxy.conf
	install -D -m 0644 systemd/skep.conf.example $(DESTDIR)$(PREFIX)/share/doc/skep/skep.conf.example
	install -D -m 0644 systemd/proxy.conf.example $(DESTDIR)$(PREFIX)/share/doc/skep/proxy.conf.example

.PHONY: clean
clean:
	$(Q)rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d)
