#!/bin/sh
# The tests under memcheck: any bad access, use of an undefined value or lost
# block fails the test in which it happens.  `make valgrind` tells BUILD;
# arguments choose tests by how their names begin.
set -u
report=$BUILD/valgrind.tap
# OpenBLAS and its threads are not what is tested; the baseline kernels do not
# need instructions that valgrind has not got.
export OPENBLAS_NUM_THREADS=1 WG_CPU=baseline WG_THREADS=2
valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9 \
    "$BUILD/tests/wengert-tests" "$@" > "$report" 2>&1
grep -v '^ok - [^#]*$' "$report"
awk '/^ok .*# SKIP/ { s++; next } /^ok / { p++ } /^not ok / { f++ }
     END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || !p }' "$report"
