#!/bin/sh
# scripts/cuda-spills.sh REPORT...: no kernel named in scripts/cuda-hot.txt keeps
# registers in memory, in any of nvcc's reports (-Xptxas -v).
set -eu
list=$(dirname "$0")/cuda-hot.txt
awk -v list="$list" '
    BEGIN { while ((getline line < list) > 0) if (line !~ /^(#|$)/) hot[line] = 0 }
    # The mangled name has the length of the plain one before it, or is the plain one.
    function kernel(symbol,   k) {
        for (k in hot) if (symbol == k || index(symbol, length(k) k)) return k
        return ""
    }
    /Compiling entry function/ {
        match($0, /function .[^\047]*/)
        symbol = substr($0, RSTART + 10, RLENGTH - 10)
        match($0, /sm_[0-9]+/)
        arch = substr($0, RSTART, RLENGTH)
        name = kernel(symbol)
        kernels++
        if (name != "") hot[name]++
    }
    /bytes spill stores/ {
        match($0, /[0-9]+ bytes spill stores/)
        bytes = substr($0, RSTART) + 0
        if (!bytes) next
        if (name == "") { cool++; next }
        printf "%s: %s spills %d bytes (%s)\n", arch, name, bytes, symbol
        bad++
    }
    END {
        for (k in hot) if (!hot[k]) { printf "%s: no such kernel in the reports\n", k; missing++ }
        printf "cuda: %d compiled kernels; of those in the list %d spill, of the others %d\n", kernels, bad, cool
        exit bad > 0 || missing > 0 || !kernels
    }' "$@"
