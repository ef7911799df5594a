#!/bin/sh
# Lays the sources out by .clang-format, or with --check names those that are
# not.  Laid out by hand: the public headers, which are a text to read, and
# the tests that are tables.
set -u
files=$(find src tests tools examples bench -name '*.[ch]' -o -name '*.cc' | sort |
    grep -v -e '^tests/tape/' -e '^tests/gorgonia/' -e '^src/cpu/each_row.h$' -e '^src/cpu/kernels/declare.h$')
# shellcheck disable=SC2086  # a list of files
case ${1:-} in
    --check) clang-format --dry-run --Werror $files 2>&1 | sed -n 's/: error: code should be clang-formatted.*/: not laid out (make format)/p' |
        awk -F: '!seen[$1]++' | { ! grep .; } ;;
    *) clang-format -i $files ;;
esac
