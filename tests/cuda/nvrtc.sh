#!/bin/sh
# The loops of golden tapes by NVRTC itself: that of `make nvrtc-deps` or `make
# cuda-deps`, or the system's.  No GPU is needed.  Prints TAP.
set -u
log=$BUILD/tests/cuda-nvrtc.log
library=$BUILD/tests/libwengert-cuda-host.so
mkdir -p "$BUILD/tests"
if ! command -v "${CXX:-c++}" > /dev/null; then
    echo "ok - loops by NVRTC # SKIP there is no C++ compiler"
    echo "1..1"
    exit 0
fi
if ! ${MAKE:-make} --no-print-directory "$BUILD/tests/cuda-nvrtc" "$library" > "$log" 2>&1; then
    grep -m 20 -E 'error|undefined|\*\*\*' "$log" | sed 's/^/# /'
    echo "not ok - the test of NVRTC compiles"
    echo "1..1"
    exit 1
fi
case $library in /*) ;; *) library=./$library ;; esac
# NVRTC itself looks for its builtins where the loader does.
for deps in "${NVRTC_DEPS:-$BUILD/nvrtc-deps/nvidia/cu13}" "${CUDA_DEPS:-$BUILD/cuda-deps/nvidia/cu13}"; do
    [ -f "$deps/lib/libnvrtc.so.13" ] && LD_LIBRARY_PATH=$deps/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} && break
done
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}"
WG_CUDA_LIBRARY=$library timeout "${WG_CUDA_TEST_SECONDS:-900}" "$BUILD/tests/cuda-nvrtc"
