# cuda.mk - what is built for CUDA; included by the Makefile.
#
#   make libwengert-cuda    the library that runs tapes on CUDA, by nvcc, with cuBLASLt from CUDA_HOME or CUDA_DEPS
#   make CUDA=1             the same beside all else; `make install` installs it where it has been built
#   make cuda-deps          cuBLASLt and NVRTC into CUDA_DEPS, from PyPI
#   make nvrtc-deps         NVRTC alone into NVRTC_DEPS: tests/cuda/nvrtc compiles sources by it
#   make cuda               every kernel for every generation, none of the listed ones spilling registers
#   make gpu-check          on a machine with a GPU: all of it built, tested and measured (tools/gpu-check)
#   make gpu-carry          the programs of gpu-check and their libraries into BUILD/carry, for a machine without -dev packages
#
# CUDA_ARCHS chooses generations; the newest one's PTX is always in.  tests/cuda/tape
# runs whole tapes through the same sources compiled for the host.

CUDA_HOME   ?= /usr/local/cuda
NVCC        ?= $(CUDA_HOME)/bin/nvcc
CUDA_DEPS   ?= $(BUILD)/cuda-deps/nvidia/cu13
CUDA_ARCHS  ?= 75 80 86 89 90 100 120
CUDA_NEWEST := $(lastword $(CUDA_ARCHS))
CUDA_CODE   := $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
               -gencode arch=compute_$(CUDA_NEWEST),code=compute_$(CUDA_NEWEST)
# No contraction: fused and unfused loops must give the same bits.  Subnormal f32 numbers count as zero, as on the CPU.
NVCC_FLAGS   = -std=c++17 -O3 -fmad=false -ftz=true $(CUDA_CODE) -Xcompiler -Wall,-Wextra,-fPIC -Xptxas -v -I$(BUILD)/include -Isrc

CUDA_LIB    := $(BUILD)/libwengert-cuda.so.$(VERSION)
CUDA_O      := $(patsubst %.cu,$(BUILD)/%.cu.o,$(call below,src/cuda,%.cu))
CUDA_LIB_O  := $(patsubst %.c,$(BUILD)/cuda/%.o,$(call below,src/cuda,%.c))
CUDA_INC     = -I$(BUILD)/include -Isrc -isystem $(CUDA_HOME)/include -isystem $(CUDA_DEPS)/include
# A wheel's library has no plain .so beside it, so the file is named.
CUBLAS_FILE  = $(firstword $(wildcard $(foreach d,$(CUDA_DEPS)/lib $(CUDA_HOME)/lib64 $(CUDA_HOME)/targets/x86_64-linux/lib, \
                   $(d)/libcublasLt.so.13 $(d)/libcublasLt.so.12 $(d)/libcublasLt.so)))
CUBLAS       = $(if $(CUBLAS_FILE),-L$(dir $(CUBLAS_FILE)) -l:$(notdir $(CUBLAS_FILE)),-lcublasLt)

# For the host, with the shim.
CUDA_HOST_LIB  := $(BUILD)/tests/libwengert-cuda-host.so
CUDA_TAPER     := $(BUILD)/tests/cuda-tape-tests
CUDA_TAPER_O   := $(patsubst %.c,$(BUILD)/%.o,$(call below,tests/cuda/tape,%.c))

.PHONY: cuda cuda-objects cuda-deps nvrtc-deps libwengert-cuda gpu-check gpu-programs gpu-carry
libwengert-cuda: $(CUDA_LIB)
ifeq ($(CUDA),1)
all: $(CUDA_LIB)
endif

# ---- By nvcc ----

cuda:
	@if command -v '$(NVCC)' > /dev/null; then \
	    $(MAKE) --no-print-directory cuda-objects && scripts/cuda-spills.sh $(CUDA_O:%.o=%.ptxas); \
	else echo "cuda: skipped, there is no $(NVCC) (set CUDA_HOME or NVCC)"; fi
cuda-objects: $(CUDA_O)

# Compiles again what other flags made.
$(BUILD)/cuda.flags: export NOW = $(NVCC) $(NVCC_FLAGS)
$(BUILD)/cuda.flags: FORCE
	@mkdir -p $(@D)
	@echo "$$NOW" | cmp -s - $@ || echo "$$NOW" > $@
$(BUILD)/%.cu.o: %.cu $(BUILD)/cuda.flags | $(LINK)
	@mkdir -p $(@D)
	$(call say,NVCC,$<)
	$(Q)$(NVCC) $(NVCC_FLAGS) -MD -MF $(@:.o=.d) -c $< -o $@ > $(@:.o=.ptxas) 2>&1 || { cat $(@:.o=.ptxas); rm -f $@; exit 1; }

# For machines whose CUDA toolkit has none.  Half a gigabyte; NVRTC alone 90 MB.  All wheels at
# once, since pip replaces the folder that they share.
CUDA_WHEELS := nvidia-cublas==13.1.1.3 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*'
NVRTC_DEPS  ?= $(BUILD)/nvrtc-deps/nvidia/cu13
cuda-deps: $(CUDA_DEPS)/lib/libnvrtc.so.13
$(CUDA_DEPS)/lib/libnvrtc.so.13:
	$(PYTHON) -m pip install --no-deps --upgrade --target $(BUILD)/cuda-deps $(CUDA_WHEELS)
nvrtc-deps: $(NVRTC_DEPS)/lib/libnvrtc.so.13
$(NVRTC_DEPS)/lib/libnvrtc.so.13:
	$(PYTHON) -m pip install --no-deps --upgrade --target $(BUILD)/nvrtc-deps 'nvidia-cuda-nvrtc==13.0.*'

$(BUILD)/cuda/%.o: %.c $(BUILD)/flags | $(LINK)
	@mkdir -p $(@D)
	$(call say,CC,"$< (CUDA)")
	$(Q)$(CC) $(CUDA_INC) $(FLAGS) -c $< -o $@
# What it takes of libwengert it keeps to itself.
$(CUDA_LIB): $(CUDA_LIB_O) $(CUDA_O) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(NVCC) -shared -Xlinker -soname,libwengert-cuda.so.$(ABI),--exclude-libs=ALL,-Bsymbolic,--no-undefined,--as-needed \
	    -cudart static $^ $(CUBLAS) $(LIBS) -o $@
	@ln -sfn $(@F) $(BUILD)/libwengert-cuda.so.$(ABI) && ln -sfn $(@F) $(BUILD)/libwengert-cuda.so

# `make install` takes it along where it has been built, and asks for it with CUDA=1.
ifeq ($(CUDA),1)
install: $(CUDA_LIB)
endif
define CUDA_INSTALL
$(if $(filter-out 0,$(CUDA)),@[ ! -f $(CUDA_LIB) ] || { set -ex; install -m 755 $(CUDA_LIB) $(LIBDIR); \
    ln -sfn libwengert-cuda.so.$(VERSION) $(LIBDIR)/libwengert-cuda.so.$(ABI); \
    ln -sfn libwengert-cuda.so.$(ABI) $(LIBDIR)/libwengert-cuda.so; })
endef

# ---- For the host, with the shim ----

$(CUDA_HOST_LIB): $(CUDA_HOST_O) $(STATIC)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) -shared -Wl,--exclude-libs,ALL $(if $(SANITIZE),,-Wl,--no-undefined) $(LDFLAGS) $^ $(LIBS) -o $@
$(CUDA_TAPER): $(CUDA_TAPER_O) $(STATIC)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# NVRTC for the shim, and a test by NVRTC itself, which takes no more of the backend than the sources of loops.
NVRTC_HOST   := $(BUILD)/tests/libnvrtc-host.so
NVRTC_TEST   := $(BUILD)/tests/cuda-nvrtc
NVRTC_TEST_O := $(patsubst %,$(BUILD)/cuda_host/%.o,tests/cuda/nvrtc/main $(addprefix src/cuda/loop/,translate loop_source loop_plan nvrtc))
$(NVRTC_HOST): $(BUILD)/cuda_host/tests/cuda_host/nvrtc/nvrtc.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) -shared $(LDFLAGS) $^ -o $@
$(NVRTC_TEST): $(NVRTC_TEST_O) $(STATIC)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# ---- Measured on a GPU ----

# bench/cuda/tapes is on the public headers alone and runs through the shim too; limits is on CUDA alone.
CUDA_TAPES       := $(BUILD)/bench/cuda/tapes
CUDA_LIMITS      := $(BUILD)/bench/cuda/limits
CUDA_LIMITS_HOST := $(BUILD)/bench/cuda/limits-host
$(CUDA_TAPES): $(BUILD)/bench/cuda/tapes.o $(STATIC)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$(CUDA_LIMITS): $(BUILD)/cuda/bench/cuda/limits.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(NVCC) -cudart static $^ $(CUBLAS) -o $@
$(CUDA_LIMITS_HOST): $(BUILD)/cuda_host/bench/cuda/limits.o \
    $(patsubst %.cc,$(BUILD)/cuda_host/%.o,$(CUDA_SHIM)) $(STATIC)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) $(LDFLAGS) $^ $(LIBS) -o $@

gpu-programs: $(CUDA_LIB) $(CUDA_TAPER) $(CUDA_TAPES) $(CUDA_LIMITS) $(MNIST)
gpu-check:
	@tools/gpu-check $(GPU_CHECK)
gpu-carry: gpu-programs
	@tools/gpu-check --carry $(BUILD)

-include $(foreach d,cuda bench/cuda,$(call below,$(BUILD)/$(d),%.d))
