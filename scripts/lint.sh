#!/bin/sh
# Everything that reads the code without running it.  `make lint` passes the
# compiler's options.  Silent tools, then one line.
set -u
status=0
flags=
for f in "$@"; do
    case $f in -I* | -D*) flags="$flags $f" ;; esac
done

echo 'LINT house rules'
scripts/lint-house.sh || status=1

echo 'LINT clang-format'
scripts/format.sh --check || status=1

echo 'LINT clang-tidy' # one file a process: checkers of version 14 carry state from one to the next
# shellcheck disable=SC2086  # a list of options
find src -name '*.c' | sort | xargs -P "$(nproc)" -I FILE \
    clang-tidy --quiet --warnings-as-errors='*' FILE -- -std=c11 $flags -Itests/cuda_host -DWG__CUDA_HOST -DWG__CHECKED -DWG__LEVEL=baseline 2> /dev/null || status=1

echo 'LINT cppcheck'
# shellcheck disable=SC2086
cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability,performance \
    -j"$(nproc)" --suppressions-list=scripts/cppcheck.txt -DWG__CHECKED -DWG__LEVEL=baseline $flags src || status=1

[ $status = 0 ] && echo 'lint: nothing found'
exit $status
