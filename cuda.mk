# cuda.mk - libwengert-cuda.so, the library that runs tapes on CUDA; included by the Makefile.
#
#   make libwengert-cuda    by nvcc, with cuBLASLt from CUDA_HOME, or from $(CUDA_DEPS) by `make cuda-deps`
#
# tests/cuda/tape runs whole tapes through the same sources compiled for the host.

CUDA_LIB    := $(BUILD)/libwengert-cuda.so
CUDA_HOME   ?= /usr/local/cuda
CUDA_DEPS   := $(BUILD)/cuda-deps/nvidia/cu13
CUDA_LIB_O  := $(patsubst %.c,$(BUILD)/cuda/%.o,$(wildcard src/cuda/*.c))
CUDA_INC     = -I$(BUILD)/include -Isrc -isystem $(CUDA_HOME)/include -isystem $(CUDA_DEPS)/include

# For the host, with the shim.
CUDA_HOST_LIB  := $(BUILD)/tests/libwengert-cuda-host.so
CUDA_HOST_LIBO := $(patsubst %,$(BUILD)/cuda_host/%.o,$(basename $(wildcard src/cuda/*.cu src/cuda/*.c tests/cuda_host/*.cc)))
CUDA_TAPER     := $(BUILD)/tests/cuda-tape-tests
CUDA_TAPER_O   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/cuda/tape/*.c))

.PHONY: libwengert-cuda cuda-deps
libwengert-cuda: $(CUDA_LIB)

# cuBLAS for machines whose CUDA toolkit has none.  Half a gigabyte.
cuda-deps: $(CUDA_DEPS)/include/cublasLt.h
$(CUDA_DEPS)/include/cublasLt.h:
	$(PYTHON) -m pip install --no-deps --target $(BUILD)/cuda-deps nvidia-cublas==13.1.1.3

$(BUILD)/cuda/%.o: %.c $(BUILD)/flags | $(LINK)
	@mkdir -p $(@D)
	$(call say,CC,"$< (CUDA)")
	$(Q)$(CC) $(CUDA_INC) $(FLAGS) -c $< -o $@
# What it takes of libwengert it keeps to itself.
$(CUDA_LIB): $(CUDA_LIB_O) $(CUDA_O) $(STATIC)
	$(call say,LD,$@)
	$(Q)$(NVCC) -shared -Xlinker --exclude-libs=ALL,-Bsymbolic,--no-undefined -cudart static $^ \
	    $(if $(wildcard $(CUDA_DEPS)/lib),-L$(CUDA_DEPS)/lib) -l:libcublasLt.so.13 $(LIBS) -o $@

$(CUDA_HOST_LIB): $(CUDA_HOST_LIBO) $(STATIC)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) -shared -Wl,--exclude-libs,ALL $(if $(SANITIZE),,-Wl,--no-undefined) $(LDFLAGS) $^ $(LIBS) -o $@
$(CUDA_TAPER): $(CUDA_TAPER_O) $(STATIC) | $(CUDA_HOST_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(CUDA_TAPER_O) $(STATIC) $(LIBS) -o $@

-include $(wildcard $(BUILD)/tests/cuda/tape/*.d $(BUILD)/cuda/src/cuda/*.d)
