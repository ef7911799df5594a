#!/bin/sh
# What a GPU is measured with, without one: the measuring programs through the
# shim, and tools/gpu-check with programs that pretend.  TAP on stdout.
set -u
BUILD=${BUILD:-build}
work=$BUILD/tests/gpu
log=$work/build.log
rm -rf "$work" && mkdir -p "$work/bin" || exit 1
case $work in /*) ;; *) work=$PWD/$work ;; esac
failures=0

# result STATUS NAME: what was printed last is shown if it failed
result() {
    if [ "$1" = 0 ]; then echo "ok - gpu: $2"; else
        sed 's/^/# /' "$work/out" 2> /dev/null
        echo "not ok - gpu: $2"
        failures=1
    fi
}
says() { grep -qF -- "$1" "$work/out"; }

# ---- The measuring programs, through the shim ----

shim=$BUILD/tests/libwengert-cuda-host.so
if ! why=$(sh tests/cuda/shim-needs.sh); then
    echo "ok - gpu: the programs through the shim # SKIP $why"
elif ! ${MAKE:-make} --no-print-directory "$shim" "$BUILD/bench/cuda/tapes" "$BUILD/bench/cuda/limits-host" > "$log" 2>&1; then
    grep -m 20 -E 'error|undefined|\*\*\*' "$log" | sed 's/^/# /'
    echo 'not ok - gpu: the programs compile'
    failures=1
else
    case $shim in /*) ;; *) shim=./$shim ;; esac
    for line in 'train fp32 64' 'train tf32-fed 64' 'train fp32-plain 64' 'train tf32-loops 64' 'bytes elementwise' 'bytes softmax' 'bytes sum_rows' 'bytes sum_columns' \
        'bytes adam' 'product tf32 512' 'latency step' 'latency checked' 'latency host' 'latency adam_small'; do
        echo "$line"
    done > "$work/works"
    WG_CUDA_LIBRARY=$shim WG_NVRTC=none timeout 300 "$BUILD/bench/cuda/tapes" --quick < "$work/works" > "$work/out" 2>&1 &&
        [ "$(grep -cE '^(train|bytes|product|latency) [^:]* [0-9.e+-]+$' "$work/out")" = "$(wc -l < "$work/works")" ]
    result $? 'every work of bench/cuda/tapes'
    ! WG_CUDA_LIBRARY=$shim WG_NVRTC=none "$BUILD/bench/cuda/tapes" --quick 'train fp99 64' 'dance' > "$work/out" 2>&1 &&
        says 'train fp99 64 absent: no such way' && says 'dance absent: no such work'
    result $? 'works that there are not'
    "$BUILD/bench/cuda/limits-host" --quick device copy 'product fp32 512' 'product tf32 512' > "$work/out" 2>&1 &&
        [ "$(grep -c '^limit .* [0-9]' "$work/out")" = 3 ] && says 'device '
    result $? 'bench/cuda/limits'
fi

# ---- tools/gpu-check ----

if ! command -v bash > /dev/null; then
    echo 'ok - gpu: tools/gpu-check # SKIP there is no bash'
    exit $failures
fi
# program NAME: a script from stdin in the place of a program
program() {
    mkdir -p "$(dirname "$work/$1")"
    { echo '#!/bin/sh' && cat; } > "$work/$1"
    chmod +x "$work/$1"
}
check() { PATH=$work/bin:$PATH WG_BUILD=$work/built WG_NVRTC=libnvrtc.so tools/gpu-check "$@" > "$work/out" 2>&1; }

echo 'exit 9' | program bin/nvidia-smi
check --help && says 'usage: tools/gpu-check'
result $? 'help'
check --nonsense
[ $? = 2 ] && says 'unknown option --nonsense'
result $? 'refuses an unknown option'
check --only dance
[ $? = 2 ] && says 'there is no step dance, only build tests mnist bench sanitizer compile'
result $? 'refuses an unknown step'
check
[ $? = 77 ] && says 'there is no NVIDIA GPU here' && [ "$(tail -n 1 "$work/out")" = '0 passed, 0 failed, 6 skipped' ]
result $? 'without a GPU nothing passes'

check --dry-run --archive back.tar.gz && says 'would run tests     random      60 s' && says 'would run compile ' &&
    says 'missing: a GPU' && says 'travels  -' && says 'back     back.tar.gz' && [ ! -e back.tar.gz ]
result $? 'says each step, its limit, and what would travel, on any machine'

check --carry "$work/nowhere"
[ $? = 1 ] && says 'nowhere/libwengert-cuda.so is not there'
result $? 'carries nothing that is not built'

# A machine with a device on which all goes well.
program bin/nvidia-smi << 'END'
case $* in *query-gpu=name*) echo 'Pretender 1, 1.0, 9.0, 8192 MiB' ;; *) echo 9.0 ;; esac
END
mkdir -p "$work/built" && : > "$work/built/libwengert-cuda.so"
program bin/compute-sanitizer << END
case \$* in
    *--help*) echo '  --kernel-name-exclude' ;;
    *) echo "\$WG_CUDA_OPS: \$*" >> "$work/sanitized"; echo '========= ERROR SUMMARY: 0 errors' ;;
esac
END
program built/tests/cuda-tape-tests << 'END'
printf 'ok - one\nok - two\nok - three # SKIP needs the shim\n1..3\n'
END
program built/examples/mnist/mnist << 'END'
echo 'epoch 10/10  loss 0.0317  accuracy 99.20 %  test 98.30 %  19745 images/s'
END
program built/bench/cuda/limits << 'END'
for w; do
    case $w in
        device) echo 'device Pretender 1' ;;
        copy) echo 'limit copy 3e12' ;;
        *) echo "limit $w 9e-6" ;;
    esac
done
END
program built/bench/cuda/tapes << 'END'
while read -r kind a b; do
    case $kind in
        train) echo "train $a $b 2000000 2.3 0.1" ;;
        bytes) echo "bytes $a 2.4e12" ;;
        product) echo "product $a $b 1e-5" ;;
        *) echo "$kind $a 1e-5" ;;
    esac
done
END
program bin/torch << 'END'
while read -r kind way batch; do
    case $way in
        compile-*) echo "$kind $way $batch absent: no compiler" ;;
        *) echo "$kind $way $batch 900000 2.3 0.1" ;;
    esac
done
END
PYTHON=$work/bin/torch check --rounds 2 && [ "$(tail -n 1 "$work/out")" = '15 passed, 0 failed, 5 skipped' ]
result $? 'adds up what went well'
says '| fp32, batch 64 | 2000k | 900k | - | 900k | 2.22 x |' && says '| x z + x, 64 Mi numbers | 2400 | 80 % |' &&
    says '| 512 | 26.8 TFLOP/s | 90 % | 26.8 TFLOP/s | 90 % |' &&
    says "- twice PyTorch's CUDA graphs at batch 64, fp32: reached (2.22 of 2.00)" &&
    says '- 85 % of a copy'"'"'s bandwidth, solver: not reached (0.80 of 0.85)' && says ': no compiler'
result $? 'the table, and what was aimed at'
cp "$work/sanitized" "$work/out"
[ "$(wc -l < "$work/out")" = 3 ] && grep -q 'racecheck.*kns=cutlass.*--racecheck-detect-level error.* ops$' "$work/out" &&
    grep -q 'softmax.*synccheck.* ops$' "$work/out" && grep -q 'memcheck.*--report-api-errors no' "$work/out"
result $? 'the sanitizer looks at kernels of our own'

# What is worth keeping comes back in one file.
PYTHON=$work/bin/torch check --only bench --rounds 1 --archive "$work/back.tar.gz" &&
    tar -tzf "$work/back.tar.gz" > "$work/list" && grep -q '^results/results.txt$' "$work/list" &&
    grep -q '^results/table.md$' "$work/list" && tar -xzOf "$work/back.tar.gz" results/gpu-check.log > "$work/out" &&
    says 'bench: all baselines of PyTorch' && [ "$(tail -n 1 "$work/out")" = '2 passed, 0 failed, 0 skipped' ]
result $? 'one archive has the log, the results and the table'

# PyTorch goes down at one work, and is asked again for those behind it.
program bin/torch << 'END'
while read -r kind way batch; do
    case "$way $batch" in
        'eager-tf32 512') exit 1 ;;
        'graphs-fp32 4096') [ -n "${LOSE:-}" ] && echo "$kind $way $batch absent: out of memory" && continue ;;
    esac
    echo "$kind $way $batch 900000 2.3 0.1"
done
END
PYTHON=$work/bin/torch check --only bench --rounds 1 && says 'bench: all baselines of PyTorch'
result $? 'a peer that went down loses no baseline'
LOSE=1 PYTHON=$work/bin/torch check --only bench --rounds 1
[ $? = 1 ] && says 'FAILED  bench: no baseline of PyTorch: graphs-fp32 4096'
result $? 'a baseline that is missing is a failure'
PYTHON=$work/bin/torch check --only compile && says 'compile: 6 of 6 ways of torch.compile'
result $? 'torch.compile is a step of its own'

# And one on which it does not.
program built/tests/cuda-tape-tests << 'END'
printf '# it is 3, not 4\nnot ok - one\nok - two\n1..2\n'
exit 1
END
program built/examples/mnist/mnist << 'END'
echo 'epoch 10/10  loss 2.3  accuracy 10.00 %  test 11.00 %  19745 images/s'
END
program bin/compute-sanitizer << 'END'
echo '========= Invalid __global__ write of size 4 bytes'
exit 99
END
program built/bench/cuda/tapes << 'END'
read -r line
echo "$line absent: out of memory"
END
PYTHON=$work/bin/nowhere check --rounds 1
[ $? = 1 ] && [ "$(tail -n 1 "$work/out")" = '5 passed, 9 failed, 2 skipped' ] && says 'FAILED  tests: one' && says '# it is 3, not 4' && says 'FAILED  bench: no training was timed' &&
    says 'FAILED  mnist: 11.00 %'
result $? 'tells what went wrong'
program built/tests/cuda-tape-tests << 'END'
echo 'ok - one'
kill -9 $$
END
check --only tests
[ $? = 1 ] && says 'ended early with status 137'
result $? 'tests that end early have failed'
echo "echo 'ok - tapes on a device # SKIP no CUDA driver'; echo 1..1" | program built/tests/cuda-tape-tests
check --only tests
[ $? = 1 ] && says 'the device cannot be used: no CUDA driver'
result $? 'a device that cannot be used is a failure, no skip'
rm "$work/built/bench/cuda/limits"
check --only bench
[ $? = 77 ] && says 'limits is not there' && [ "$(tail -n 1 "$work/out")" = '0 passed, 0 failed, 1 skipped' ]
result $? 'what cannot run is skipped'

printf 'train fp32 64 2e6 2.3 0.1\ntrain fp32 64 4e6 2.3 0.1\ntrain fp32 64 3e6 2.3 0.1\n' > "$work/results"
tools/gpu-check --table "$work/results" > "$work/out" 2>&1 && says '| fp32, batch 64 | 3000k | - | - | - | - |' &&
    says '85 % of a copy'"'"'s bandwidth, elementwise: not measured'
result $? 'a table of what little there is'
exit $failures
