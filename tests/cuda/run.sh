#!/bin/sh
# The CUDA kernels, and tapes that use them, compiled for the host and run through
# the shim: no GPU and no CUDA is needed, only a C++ compiler.  Prints TAP.
set -u
log=$BUILD/tests/cuda-tests.log
programs="$BUILD/tests/cuda-tests"
if [ -f tests/cuda/loop/loops.cc ]; then programs="$programs $BUILD/tests/cuda-loops"; fi
mkdir -p "$BUILD/tests"
if ! why=$(sh tests/cuda/shim-needs.sh); then
    echo "ok - kernels through the shim # SKIP $why"
    echo "1..1"
    exit 0
fi
if ! ${MAKE:-make} --no-print-directory $programs > "$log" 2>&1; then
    grep -m 20 -E 'error|undefined|\*\*\*' "$log" | sed 's/^/# /'
    echo "not ok - the kernels compile for the host"
    echo "1..1"
    exit 1
fi
. tests/cuda/nvrtc-path.sh
# One plan for all of them; a program that ends badly is a failure of its own.
{ for program in $programs; do
    timeout "${WG_CUDA_TEST_SECONDS:-900}" "$program" 2>&1
    status=$?
    [ $status -le 1 ] || echo "not ok - $(basename "$program") ended with $status"
    [ $status -ne 1 ] || echo "failed $(basename "$program")"
done
for script in tape nvrtc; do sh tests/cuda/$script.sh || echo "failed $script.sh"; done
} | awk '
    /^1\.\./ { plan += substr($0, 4); next }
    /^failed / { if (!bad) { print "not ok - " $2 " ended with 1"; seen++ } next }
    /^(not )?ok / { seen++; if ($1 == "not") bad++ }
    { print }
    END { print "1.." (plan > seen ? plan : seen); exit bad > 0 || plan > seen }'
