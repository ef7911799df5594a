#!/bin/sh
# The tests under memcheck: any bad access, use of an undefined value or lost
# block fails the test in which it happens.  `make valgrind` tells BUILD;
# arguments choose tests by how their names begin.
set -u
# What takes minutes there, mostly by arithmetic on much data; ASan runs it.
slow='gemm/agrees gemm_own ops_large cpu_math cpu_levels loop/random loop/a_head loop_tail/tails loop_tail/large
    loop_tail/long npz/any_damage npz/zip64 csv/any_damage npy/any_damage idx/any_damage idx/mnist
    graph/a_chain_of_a_million grad/a_chain_of_a_million gorgonia_bugs/bug_14 tape_fuse/passes_change
    tape_eager/random_graphs ops_random/moments ops_registry/structured pool/many_short
    tape_run/training_does_not tape_run/tapes_in_parallel tape_fuse/threads_change'
[ $# -gt 0 ] || for name in $slow; do set -- "$@" "-$name"; done
# OpenBLAS and its threads are not what is tested; the baseline kernels do not
# need instructions that valgrind has not got.  What detached threads hold at
# the end is "possibly lost".
export OPENBLAS_NUM_THREADS=1 WG_CPU=baseline WG_THREADS=2
exec scripts/under.sh valgrind valgrind --quiet --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --error-exitcode=9 "$BUILD/tests/wengert-tests" "$@"
