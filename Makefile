# Wengert: `make` builds the library, `make test` tests it, `make mnist` trains on digits.
VERSION := 0.1.0
MAJOR   := 0

CC       ?= cc
PREFIX   ?= /usr/local
DESTDIR  ?=
CUDA     ?= auto
BUILD    ?= build
SANITIZE ?=
PYTHON   ?= python3

# The libraries that the library itself needs, and those that only tests need.
LIBS      := -lopenblas -lxxhash -lz -lpthread -lm
TEST_LIBS := -lcriterion
WARN      := -Wall -Wextra -Wpedantic -Wshadow -Werror
# No contraction: fused and unfused loops must give the same bits.
CFLAGS    ?= -O2 -g
FLAGS     := -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(SANITIZE) -fPIC -fvisibility=hidden -pthread \
             -ffp-contract=off -fno-math-errno -fno-trapping-math \
             -DWG_VERSION='"$(VERSION)"' -I$(BUILD)/include -Isrc -Itests -MMD -MP
LDFLAGS   += $(SANITIZE)

# CPU levels: each src/cpu/kernel_*.c is compiled once for each.
ifeq ($(shell uname -m),x86_64)
LEVELS       := baseline avx2 avx512
FLAGS_avx2   := -march=x86-64-v3
FLAGS_avx512 := -march=x86-64-v4 -mprefer-vector-width=512
else
LEVELS := baseline
endif

KERNELS  := $(wildcard src/cpu/kernel_*.c)
SOURCES  := $(filter-out $(KERNELS),$(wildcard src/graph/*.c src/ops/*.c src/grad/*.c src/cpu/*.c src/tape/*.c src/train/*.c src/data/*.c))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o) $(foreach l,$(LEVELS),$(KERNELS:%.c=$(BUILD)/%.$(l).o))
HEADERS  := $(wildcard include/*.h)
STATIC   := $(BUILD)/libwengert.a
SHARED   := $(BUILD)/libwengert.so.$(VERSION)
LINK     := $(BUILD)/include/wengert

TESTS    := $(wildcard tests/*.c tests/*/*.c)
TESTER   := $(BUILD)/tests/wengert-tests
# Tests make the n-th allocation of the library fail.
WRAP     := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
BENCHES  := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/bench_*.c))
MNIST    := $(BUILD)/examples/mnist/mnist

.PHONY: all deps test-deps
all: $(STATIC) $(SHARED) $(EXAMPLES) $(MNIST)

$(LINK):
	@mkdir -p $(BUILD)/include && ln -sfn $(abspath include) $@

$(BUILD)/%.o: %.c | $(LINK)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -c $< -o $@

define level_rule
$(BUILD)/src/cpu/%.$(1).o: src/cpu/%.c | $(LINK)
	@mkdir -p $$(@D)
	$(CC) $(FLAGS) -O3 $(FLAGS_$(1)) -DWG__LEVEL=$(1) -c $$< -o $$@
endef
$(foreach l,$(LEVELS),$(eval $(call level_rule,$(l))))

$(STATIC): $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^
$(SHARED): $(OBJECTS)
	$(CC) -shared -Wl,-soname,libwengert.so.$(MAJOR) $(LDFLAGS) $^ $(LIBS) -o $@
	@ln -sfn $(@F) $(BUILD)/libwengert.so.$(MAJOR) && ln -sfn $(@F) $(BUILD)/libwengert.so

$(BUILD)/examples/%: $(BUILD)/examples/%.o $(STATIC)
	$(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$(MNIST): $(patsubst %.c,$(BUILD)/%.o,$(wildcard examples/mnist/*.c)) $(STATIC)
	$(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$(TESTER): $(TESTS:%.c=$(BUILD)/%.o) $(STATIC)
	$(CC) $(LDFLAGS) $(WRAP) $^ $(LIBS) $(TEST_LIBS) -o $@
$(BUILD)/bench/%: $(BUILD)/bench/%.o $(BUILD)/bench/common.o $(STATIC)
	$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
