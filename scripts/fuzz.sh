#!/bin/sh
# Runs each fuzzer of $BUILD/fuzz for $RUNS inputs; `make fuzz` tells both,
# arguments choose fuzzers by name.  A line for each; an input that fails is
# left in the work folder and named, and belongs into tests/fuzz/NAME.corpus/.
set -u
work=$BUILD/fuzz-work
RUNS=${RUNS:-100000}

# Folders of good inputs to start from, beside the fuzzer's own corpus.
seeds() {
    case $1 in
    fuzz_onnx) echo "/usr/share/libonnx-testdata/data/node /usr/share/libonnx-testdata/data/simple" ;;
    fuzz_data) echo tests/data/fixtures ;;
    esac
}

# The longest input that it makes.
longest() {
    case $1 in
    fuzz_onnx | fuzz_data) echo 4096 ;;
    *) echo 2048 ;;
    esac
}

run() {
    name=$1
    corpus=$work/$name/corpus
    mkdir -p "$corpus"
    folders=
    for folder in "tests/fuzz/$name.corpus" $(seeds "$name"); do
        [ -d "$folder" ] && folders="$folders $folder"
    done
    # shellcheck disable=SC2086 # a list of folders
    "$BUILD/fuzz/$name" -runs="$RUNS" -max_len="$(longest "$name")" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$work/$name/" "$corpus" $folders > "$work/$name/log" 2>&1
}

failed=0
# shellcheck disable=SC2046 # names without blanks
[ $# -gt 0 ] || set -- $(for file in "$BUILD"/fuzz/fuzz_*; do [ -x "$file" ] && basename "$file"; done)
[ $# -gt 0 ] || { echo "no fuzzers in $BUILD/fuzz" >&2 && exit 1; }
export OPENBLAS_NUM_THREADS=1 WG_THREADS=1
for name in "$@"; do
    if run "$name"; then
        awk -v name="$name" '/executed_units/ { n = $2 } /average_exec/ { s = $2 } / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") c = $(i + 1) }
            END { printf "%s: %d inputs, none failed (%d a second, %d edges)\n", name, n, s, c }' "$work/$name/log"
    else
        failed=1
        echo "$name: FAILED, see $work/$name/log"
        sed -n 's/^Test unit written to /    input: /p; s/^SUMMARY: /    /p' "$work/$name/log"
    fi
done
exit "$failed"
