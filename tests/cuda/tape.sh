#!/bin/sh
# Whole tapes on a device, through libwengert-cuda-host.so: the CUDA backend
# compiled for the host.  No GPU and no CUDA is needed.  Prints TAP.
set -u
log=$BUILD/tests/cuda-tape-tests.log
library=$BUILD/tests/libwengert-cuda-host.so
mkdir -p "$BUILD/tests"
if ! why=$(sh tests/cuda/shim-needs.sh); then
    echo "ok - tapes through the shim # SKIP $why"
    echo "1..1"
    exit 0
fi
if ! ${MAKE:-make} --no-print-directory "$BUILD/tests/cuda-tape-tests" "$library" "$BUILD/tests/libnvrtc-host.so" > "$log" 2>&1; then
    grep -m 20 -E 'error|undefined|\*\*\*' "$log" | sed 's/^/# /'
    echo "not ok - the CUDA backend compiles for the host"
    echo "1..1"
    exit 1
fi
case $library in /*) ;; *) library=./$library ;; esac
# NVRTC's code is for GPUs; test_loops.c names one for the shim.
WG_NVRTC=none WG_CUDA_LIBRARY=$library timeout "${WG_CUDA_TEST_SECONDS:-900}" "$BUILD/tests/cuda-tape-tests" --shim
