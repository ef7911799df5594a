#!/bin/sh
# The loops of golden tapes by NVRTC itself.  No GPU is needed.  Prints TAP.
set -u
log=$BUILD/tests/cuda-nvrtc.log
library=$BUILD/tests/libwengert-cuda-host.so
mkdir -p "$BUILD/tests"
if ! why=$(sh tests/cuda/shim-needs.sh); then
    echo "ok - loops by NVRTC # SKIP $why"
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
. tests/cuda/nvrtc-path.sh
WG_CUDA_LIBRARY=$library timeout "${WG_CUDA_TEST_SECONDS:-900}" "$BUILD/tests/cuda-nvrtc"
