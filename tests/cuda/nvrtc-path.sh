# shellcheck shell=sh
# Where NVRTC is: that of `make nvrtc-deps` or `make cuda-deps`, or the system's.
# NVRTC itself looks for its builtins where the loader does.
for deps in "${NVRTC_DEPS:-$BUILD/nvrtc-deps/nvidia/cu13}" "${CUDA_DEPS:-$BUILD/cuda-deps/nvidia/cu13}"; do
    [ -f "$deps/lib/libnvrtc.so.13" ] && LD_LIBRARY_PATH=$deps/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} && break
done
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}"
