# Wengert: `make` builds the library, `make test` tests it, `make mnist` trains on digits, `make help` lists the rest.
VERSION := 0.1.0
# What a program is linked to: the version without its last number until 1.0, as a minor one may break the interface.
ABI     := $(basename $(VERSION))

CC       ?= cc
CXX      ?= c++
PREFIX   ?= /usr/local
DESTDIR  ?=
CUDA     ?= auto
BUILD    ?= build
SANITIZE ?=
PYTHON   ?= python3
BENCH    ?=

ifeq ($(filter auto 0 1,$(CUDA)),)
$(error CUDA=$(CUDA): say auto, 0 or 1)
endif

# The libraries that the library itself needs, those of the predictor, and those that only tests need.
LIBS      := -lopenblas -lxxhash -lz -lpthread -lm
WEB_LIBS  := -lmicrohttpd
TEST_LIBS := $(if $(PLAIN),,-lcriterion)
# In src/ no cast takes const away. Threads may have stacks of 128 KiB: what is larger belongs in a workspace (src/cpu/workspace.h) or on the heap.
STRICT    := -Wcast-qual $(if $(SANITIZE),,-Wframe-larger-than=20480)
WARN      := -Wall -Wextra -Wpedantic -Wshadow -Werror
# No contraction: fused and unfused loops must give the same bits.
CFLAGS    ?= -O2 -g
# (What gcc warns of in instrumented code is not always so.)
FLAGS     := -std=c11 -D_GNU_SOURCE $(WARN) $(if $(SANITIZE),-Wno-error) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -fPIC -fvisibility=hidden -pthread \
             -ffp-contract=off -fno-math-errno -fno-trapping-math \
             -DWG_VERSION='"$(VERSION)"' -I$(BUILD)/include -Isrc -Itests -MMD -MP
LDFLAGS   += $(SANITIZE)

# CPU levels: each src/cpu/*/kernel_*.c is compiled once for each.
# The machine that CC compiles for.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ifeq ($(MACHINE),x86_64)
LEVELS       := baseline avx2 avx512
FLAGS_avx2   := -march=x86-64-v3
FLAGS_avx512 := -march=x86-64-v4 -mprefer-vector-width=512
else
LEVELS := baseline
endif

# ---- What is made of what ----

# The files below a folder that match a pattern, as in $(call below,src,%.c).
below = $(sort $(foreach f,$(wildcard $(1)/*),$(call below,$(f),$(2)) $(filter $(2),$(f))))

KERNELS  := $(wildcard src/cpu/*/kernel_*.c)
# The predictor and CUDA are no part of the library: one goes into the command line, the other is a library of its own.
SOURCES  := $(filter-out $(KERNELS) src/serve/% src/cuda/%,$(call below,src,%.c))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o) $(foreach l,$(LEVELS),$(KERNELS:%.c=$(BUILD)/%.$(l).o))
HEADERS  := $(wildcard include/*.h)
STATIC   := $(BUILD)/libwengert.a
SHARED   := $(BUILD)/libwengert.so.$(VERSION)
LINK     := $(BUILD)/include/wengert

# Criterion runs the tests, each in a process of its own.  Sanitizers and valgrind do not
# get on with its way of starting one: there, a plain runner forks (PLAIN=1).
RUNNER   := tests/support/plain_runner.c
PLAIN    ?=
TESTS    := $(filter-out $(if $(PLAIN),,$(RUNNER)) tests/fuzz/% tests/cuda/% tests/public/% tests/peer/%,$(call below,tests,%.c))
TESTER   := $(BUILD)/tests/wengert-tests
# Tests make the n-th allocation of the library fail.
WRAP     := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
BENCHES  := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/bench_*.c))
SERVE    := $(BUILD)/libwengert-serve.a
SERVE_O  := $(patsubst %.c,$(BUILD)/%.o,$(call below,src/serve,%.c))
TOOLS    := $(patsubst tools/%.c,$(BUILD)/tools/%,$(filter-out tools/wengert.c,$(wildcard tools/*.c)))
TOOL     := $(BUILD)/wengert
TOOL_C   := tools/wengert.c $(wildcard tools/wengert/*.c)
FUZZERS  := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
MNIST    := $(BUILD)/examples/mnist/mnist
MNIST_C  := $(wildcard examples/mnist/*.c)
PROGRAMS := $(EXAMPLES) $(if $(MNIST_C),$(MNIST))

.PHONY: all check-prefix deps test-deps bench-deps peer-deps lint-deps test check test-peer fuzz mnist bench bench-serve install uninstall docs lint format \
        sanitize asan tsan valgrind arm fuzzers clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
all: $(STATIC) $(SHARED) $(TOOL) $(PROGRAMS)

# ---- Compiling and linking (V=1 shows the commands) ----

V ?=
Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-4s %s\n' $(1) $(2))

$(LINK):
	@mkdir -p $(BUILD)/include && ln -sfn $(abspath include) $@

# Compiles again what other flags made, and says at once what is not installed.
$(BUILD)/flags: export NOW = $(CC) $(FLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo "$$NOW" | cmp -s - $@ || { CC='$(CC)' scripts/deps.sh --check build && echo "$$NOW" > $@; }

$(BUILD)/%.o: %.c $(BUILD)/flags | $(LINK)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(FLAGS) $(if $(filter src/%,$<),$(STRICT)) -c $< -o $@

define level_rule
$(BUILD)/src/cpu/%.$(1).o: src/cpu/%.c $(BUILD)/flags | $(LINK)
	@mkdir -p $$(@D)
	$$(call say,CC,"$$< ($(1))")
	$$(Q)$(CC) $(FLAGS) $(STRICT) -O3 $(FLAGS_$(1)) -DWG__LEVEL=$(1) -c $$< -o $$@
endef
$(foreach l,$(LEVELS),$(eval $(call level_rule,$(l))))

$(STATIC): $(OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
# nodelete: threads of the pool live as long as the process, so their code must outlive a dlclose.
$(SHARED): $(OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libwengert.so.$(ABI) -Wl,-z,nodelete $(if $(SANITIZE),,-Wl,--no-undefined) $(LDFLAGS) $^ $(LIBS) -o $@
	@ln -sfn $(@F) $(BUILD)/libwengert.so.$(ABI) && ln -sfn $(@F) $(BUILD)/libwengert.so

$(BUILD)/examples/%: $(BUILD)/examples/%.o $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$(MNIST): $(MNIST_C:%.c=$(BUILD)/%.o) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$(SERVE): $(SERVE_O)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(TOOL): $(TOOL_C:%.c=$(BUILD)/%.o) $(SERVE) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(WEB_LIBS) $(LIBS) -o $@
$(TESTER): $(TESTS:%.c=$(BUILD)/%.o) $(SERVE) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(WRAP) $^ $(WEB_LIBS) $(LIBS) $(TEST_LIBS) -o $@
$(BUILD)/bench/bench_adbench: $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/adbench/*.c))
$(BUILD)/bench/%: $(BUILD)/bench/%.o $(BUILD)/bench/support/common.o $(BUILD)/bench/support/limits.o $(SERVE) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -o $@
# The page is a file of its own, taken into the object as it is.
$(BUILD)/src/serve/http/page.o: $(wildcard src/serve/http/page/*)
$(BUILD)/tools/%: $(BUILD)/tools/%.o $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# ---- CUDA kernels ----

# For the host, with the shim: tests run them without a GPU (tests/cuda/run.sh).
CUDA_TESTER := $(BUILD)/tests/cuda-tests
CUDA_HOST   := -Itests/cuda_host -DWG__CUDA_HOST
CUDA_SHIM   := $(filter-out tests/cuda_host/nvrtc/%,$(call below,tests/cuda_host,%.cc))
CUDA_HOST_O := $(patsubst %,$(BUILD)/cuda_host/%.o,$(basename $(call below,src/cuda,%.cu %.c) $(CUDA_SHIM)))
CUDA_TEST_O := $(patsubst %,$(BUILD)/cuda_host/%.o,$(basename $(wildcard $(addprefix tests/cuda/,*.c *.cc kernels/*.c))))
CUDA_LOOPS  := $(BUILD)/tests/cuda-loops
# Misaligned vectors, and indices outside of arrays of known size, end the kernel.
CUDA_TRAPS  := $(if $(SANITIZE),,-fsanitize=alignment,bounds -fsanitize-undefined-trap-on-error)
CXXFLAGS_HOST = -std=c++17 -D_GNU_SOURCE -Wall -Wextra $(CPPFLAGS) $(CFLAGS) $(SANITIZE) $(CUDA_TRAPS) -fPIC -pthread -ffp-contract=off \
                -fno-math-errno $(CUDA_HOST) -I$(BUILD)/include -Isrc -Itests -MMD -MP

$(BUILD)/cuda_host/%.o: %.cu $(BUILD)/flags | $(LINK)
	@mkdir -p $(@D)
	$(call say,CXX,"$< (host)")
	$(Q)$(CXX) -x c++ $(CXXFLAGS_HOST) -c $< -o $@
$(BUILD)/cuda_host/%.o: %.cc $(BUILD)/flags | $(LINK)
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(CXXFLAGS_HOST) -c $< -o $@
$(BUILD)/cuda_host/%.o: %.c $(BUILD)/flags | $(LINK)
	@mkdir -p $(@D)
	$(call say,CC,"$< (host)")
	$(Q)$(CC) $(CUDA_HOST) $(FLAGS) -c $< -o $@
$(CUDA_TESTER): $(CUDA_TEST_O)
$(CUDA_LOOPS): $(BUILD)/cuda_host/tests/cuda/loop/loops.o
$(CUDA_TESTER) $(CUDA_LOOPS): $(CUDA_HOST_O) $(STATIC)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(LDFLAGS) -rdynamic $(filter %.o,$^) $(STATIC) $(LIBS) -o $@

-include $(call below,$(BUILD)/cuda_host,%.d)
-include cuda.mk
-include $(foreach d,src tests examples bench tools,$(call below,$(BUILD)/$(d),%.d))

# ---- What is needed: installed by apt where that is allowed, else named ----

deps:
	@CC='$(CC)' scripts/deps.sh build
test-deps:
	@CC='$(CC)' CXX='$(CXX)' scripts/deps.sh build test
# What `make bench` compares with; without it that is measured alone.  Some gigabytes.
bench-deps:
	@CC='$(CC)' PYTHON='$(PYTHON)' scripts/deps.sh build bench peers
	@$(MAKE) --no-print-directory $(BUILD)/bench-deps/complete
$(BUILD)/bench-deps/complete: bench/peers/requirements.txt
	rm -rf $(@D)
	$(PYTHON) -m pip install --target $(@D) -r $<
	@touch $@
# What `make test-peer` and `make bench-serve` compare with, in an environment of its own.  Some gigabytes.
peer-deps:
	@CC='$(CC)' PYTHON='$(PYTHON)' scripts/deps.sh build peers
	@$(MAKE) --no-print-directory $(BUILD)/peer-deps/complete
$(BUILD)/peer-deps/complete: tests/peer/requirements.txt
	rm -rf $(@D)
	$(PYTHON) -m pip install --target $(@D) -r $<
	@touch $@
lint-deps:
	@CC='$(CC)' scripts/deps.sh build lint

# ---- Tests ----

# What the test scripts want to know.
export BUILD CC CXX SANITIZE PLAIN VERSION LIBS PYTHON

test: test-deps
	@$(MAKE) --no-print-directory check
# The same, installing nothing.
check: all $(TESTER) $(TOOLS)
	@scripts/test.sh

# Against other runtimes: needs `make peer-deps` or the same packages in $(PYTHON).
test-peer: deps
	@$(MAKE) --no-print-directory all
	$(PYTHON) tests/peer/run --build $(BUILD) $(PEER)

# Each reader of foreign bytes for FUZZ_RUNS inputs that libFuzzer thinks of.
FUZZ_RUNS ?= 2000000
fuzz:
	@CC='$(CC)' scripts/deps.sh build fuzz
	@$(MAKE) --no-print-directory fuzzers BUILD=$(BUILD)/fuzzing CC=clang CFLAGS='-O1 -g' \
	    SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
	@BUILD=$(BUILD)/fuzzing RUNS=$(FUZZ_RUNS) scripts/fuzz.sh
fuzzers: $(FUZZERS)
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(SERVE) $(STATIC)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=fuzzer $(LDFLAGS) $^ $(WEB_LIBS) $(LIBS) -o $@

ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN := -fsanitize=thread -fno-omit-frame-pointer
sanitize: asan tsan
asan: test-deps
	@$(MAKE) --no-print-directory check BUILD=$(BUILD)/asan PLAIN=1 CFLAGS='-O1 -g' SANITIZE='$(ASAN)'
tsan: test-deps
	@$(MAKE) --no-print-directory check BUILD=$(BUILD)/tsan PLAIN=1 CFLAGS='-O1 -g' SANITIZE='$(TSAN)'
valgrind: test-deps
	@$(MAKE) --no-print-directory $(BUILD)/memcheck/tests/wengert-tests BUILD=$(BUILD)/memcheck PLAIN=1 CFLAGS='-O1 -g'
	@BUILD=$(BUILD)/memcheck scripts/valgrind.sh

# The library for AArch64, whose tests an emulator runs; the predictor's tests are about time and sockets.
arm:
	@scripts/deps.sh build test arm
	@$(MAKE) --no-print-directory $(BUILD)/arm/tests/wengert-tests BUILD=$(BUILD)/arm PLAIN=1 CC=aarch64-linux-gnu-gcc
	@BUILD=$(BUILD)/arm scripts/under.sh qemu qemu-aarch64 $(BUILD)/arm/tests/wengert-tests -serve

lint: lint-deps
	@$(MAKE) --no-print-directory $(LINK)
	@scripts/lint.sh $(FLAGS)
format: lint-deps
	@scripts/format.sh

# ---- Examples, benchmarks, documents ----

mnist: deps
	@$(MAKE) --no-print-directory $(if $(MNIST_C),$(MNIST),$(error examples/mnist has no program)) $(TOOL)
	$(MNIST)
	@printf '\nNext: %s predict mnist.safetensors\n      %s serve --model mnist=mnist.onnx\n      %s --help\n' \
	    $(MNIST) $(TOOL) $(MNIST)

bench:
	@CC='$(CC)' PYTHON='$(PYTHON)' scripts/deps.sh build bench
	@$(MAKE) --no-print-directory $(BENCHES)
	$(PYTHON) bench/run --build $(BUILD) $(BENCH)

# The predictor against Python servers with the same model, over HTTP on this machine.
bench-serve:
	@CC='$(CC)' PYTHON='$(PYTHON)' scripts/deps.sh build bench serve
	@$(MAKE) --no-print-directory all $(BENCHES)
	$(PYTHON) bench/serve --build $(BUILD) $(BENCH)

# docs/ops.md comes out of the operators, the tables of docs/onnx.md out of its tests,
# and what programs in documents print out of the programs.
ONNX_DOC := $(BUILD)/onnx-nodes.md $(BUILD)/onnx-operators.md
docs: $(BUILD)/tools/opsdoc $(TESTER)
	$(call say,GEN,docs/ops.md)
	$(Q)$(BUILD)/tools/opsdoc > docs/ops.md
	$(call say,GEN,docs/onnx.md)
	$(Q)rm -f $(ONNX_DOC)
	$(Q)WG_ONNX_TABLE=$(word 1,$(ONNX_DOC)) WG_ONNX_OPERATORS=$(word 2,$(ONNX_DOC)) \
	    $(TESTER) $(if $(PLAIN),onnx_nodes,--quiet --filter 'onnx_nodes/*') > $(BUILD)/docs.log
	$(Q)scripts/splice.sh docs/onnx.md nodes $(word 1,$(ONNX_DOC)) operators $(word 2,$(ONNX_DOC))
	$(call say,RUN,"the programs in README.md and docs/")
	$(Q)UPDATE=1 sh tests/docs/run.sh > $(BUILD)/docs.tap || true

# ---- Installing ----

INCLUDES := $(DESTDIR)$(PREFIX)/include/wengert
LIBDIR   := $(DESTDIR)$(PREFIX)/lib
BINDIR   := $(DESTDIR)$(PREFIX)/bin

# What a shell, sed or pkg-config would take for something else is no folder to install into.
export PREFIX DESTDIR
check-prefix:
	@case "$$PREFIX" in /*) ;; *) echo "PREFIX is an absolute path, not \"$$PREFIX\"" >&2; exit 1 ;; esac
	@case "$$PREFIX$$DESTDIR" in *[[:space:]\"\'\`\$$\&\|\;\#\<\>\(\)\*\?\\]*) \
	    echo 'PREFIX and DESTDIR may not have blanks, quotes or other signs of the shell' >&2; exit 1 ;; esac
install: check-prefix $(STATIC) $(SHARED) $(TOOL)
	install -d $(INCLUDES) $(LIBDIR)/pkgconfig $(BINDIR)
	install -m 755 $(TOOL) $(BINDIR)
	install -m 644 $(HEADERS) $(INCLUDES)
	install -m 644 $(STATIC) $(LIBDIR)
	install -m 755 $(SHARED) $(LIBDIR)
	ln -sfn libwengert.so.$(VERSION) $(LIBDIR)/libwengert.so.$(ABI)
	ln -sfn libwengert.so.$(ABI) $(LIBDIR)/libwengert.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|' wengert.pc.in \
	    > $(LIBDIR)/pkgconfig/wengert.pc
	$(CUDA_INSTALL)
	@$(if $(DESTDIR),,scripts/findable.sh $(LIBDIR))
uninstall:
	rm -f $(addprefix $(INCLUDES)/,$(notdir $(HEADERS)))
	-rmdir $(INCLUDES)
	rm -f $(LIBDIR)/libwengert.a $(LIBDIR)/libwengert.so* $(LIBDIR)/libwengert-cuda.so* $(LIBDIR)/pkgconfig/wengert.pc $(BINDIR)/wengert

clean:
	rm -rf $(BUILD)

help:
	@cat scripts/help.txt
