#!/bin/sh
# The MNIST example from the outside: what it says, what it saves, how it goes
# on, what it refuses; and its download script.  TAP on stdout.
set -u
BUILD=${BUILD:-build}
root=$(pwd) given=$BUILD
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
mnist=$BUILD/examples/mnist/mnist
work=$BUILD/tests/mnist
rm -rf "$work" && mkdir -p "$work/tiny" "$work/few" && cd "$work" || exit 1
failures=0

# result STATUS NAME: the last command's output is shown if it failed
result() {
    if [ "$1" = 0 ]; then echo "ok - mnist: $2"; else
        sed 's/^/# /' out err 2> /dev/null
        echo "not ok - mnist: $2"
        failures=1
    fi
}
# run ARGUMENT...: output in out and err.  What the program says of the machine depends on the machine, and goes into warnings.
run() {
    "$mnist" "$@" > out 2> all
    ended=$?
    grep '^mnist: warning: ' all > warnings
    grep -v '^mnist: warning: ' all > err
    return $ended
}
skip() { echo "ok - mnist: $1 # SKIP $2"; }

# refuses STATUS MESSAGE ARGUMENT...: that exit status and nothing but that message
refuses() {
    want=$1 message="mnist: $2"
    shift 2
    run "$@"
    [ $? = "$want" ] && [ "$(cat err)" = "$message" ]
    result $? "refuses: $*"
}

# cut NAME HEADER BYTES FOLDER: the first images or labels of the shipped digits
cut_idx() {
    # shellcheck disable=SC2059  # the header is made of escapes
    { printf "$2" && gzip -dc "$root/examples/mnist/data/$1.gz" | tail -c +"$3" | head -c "$4"; } > "$5/$1"
}
side='\0\0\0\034'
for set in t10k train; do # 600 = 0x258
    cut_idx $set-images-idx3-ubyte "\0\0\010\003\0\0\002\130$side$side" 17 470400 tiny
    cut_idx $set-labels-idx1-ubyte '\0\0\010\001\0\0\002\130' 9 600 tiny
done
cp tiny/* few
cut_idx train-labels-idx1-ubyte '\0\0\010\001\0\0\002\127' 9 599 few

run --help && grep -q '^usage: mnist ' out && grep -q -- '--resume FILE' out && [ ! -s err ]
result $? 'help'
awk '/^```/ { inside = !inside; next } inside && /^usage: mnist / { on = 1 } !inside { on = 0 } on' \
    "$root/examples/mnist/README.md" | cmp -s - out
result $? 'the help in its README is the one it prints'

# ---- A machine that is slower than it could be ----

case " $(sed -n 's/^flags[^:]*://p' /proc/cpuinfo | head -n 1) " in
*' avx2 '*)
    WG_CPU=baseline OPENBLAS_CORETYPE=Prescott run --data no
    [ "$(wc -l < warnings)" = 1 ] && grep -q 'OPENBLAS_CORETYPE=Prescott .* unset it$' warnings
    result $? 'warns once of slow BLAS kernels, with advice' ;;
*) skip 'warns once of slow BLAS kernels, with advice' 'this CPU has no AVX2' ;;
esac
WG_THREADS=many run --data no
grep -q '^mnist: warning: WG_THREADS=many is no number' warnings
result $? 'warns of a wrong number of threads'

# ---- Wrong options ----

list='(mnist --help lists them)'
refuses 2 "there is no option --foo $list" --foo
refuses 2 "there is no option -x $list" -x
refuses 2 "there is no option -- $list" --
refuses 2 "there is no option --epoch=3 $list" --epoch=3
refuses 2 "\"foo\" is no option and no command $list" foo
refuses 2 '--epochs wants a value: --epochs N' --epochs
for n in 0 -1 '' 1e3 ' 5' '5 ' 0x10 1.5 100001 99999999999999999999; do
    refuses 2 "--epochs wants a whole number from 1 to 100000, not \"$n\"" --epochs "$n"
done
refuses 2 '--threads wants a whole number from 1 to 1024, not "0"' --threads=0
refuses 2 '--rate wants a number from 1e-30 to 1e+30, not "nan"' --rate nan
refuses 2 '--rate wants a number from 1e-30 to 1e+30, not "0"' --rate 0
refuses 2 '--dropout wants a number from 0 to 0.99, not "1"' --dropout 1
refuses 2 '--seed wants a whole number from 0 to 18446744073709551615, not "18446744073709551616"' --seed 18446744073709551616
refuses 2 '--solver wants one of sgd momentum nesterov adagrad rmsprop adadelta adam adamw, not "lbfgs"' --solver lbfgs
refuses 2 '--save wants a name, not ""' --save=
refuses 2 '--save and --curve are both x' --save x --curve x
refuses 2 '--save and --onnx are both x' --save x --onnx x
refuses 2 '--curve and --onnx are both x' --curve x --onnx x
refuses 2 '--count goes with predict only' --count 3
refuses 2 'predict wants the file of a saved net: mnist predict FILE' predict
refuses 2 '--epochs does not go with predict' predict x --epochs 3

# ---- Files that are not there, or cannot be ----

refuses 1 '--save no/x: cannot open the directory: No such file or directory' --save no/x
refuses 1 '--save /dev/null: is there and is not a regular file' --save /dev/null
refuses 1 '--curve tiny: is there and is not a regular file' --curve tiny
refuses 1 '--onnx tiny: is there and is not a regular file' --onnx tiny
refuses 1 'no has no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz: --data wants a folder with the four IDX files' --data no
refuses 1 'there are 600 training images, but 599 labels' --data few
refuses 1 '--batch 601 is more than the 600 training images' --data tiny --batch 601
refuses 1 'no: cannot open: No such file or directory' --resume no
refuses 1 'no: cannot open: No such file or directory' predict no --data tiny
[ "$(echo *)" = 'all err few out tiny warnings' ]
result $? 'what was refused left no file'

# ---- Training ----

run --epochs 2 --save full.st --curve full.svg &&
    awk '/^test accuracy/ { if ($3 > 90) good = 1 } END { exit !good }' out
result $? 'two epochs of the shipped digits give more than 90 %'
[ ! -s err ] && ! LC_ALL=C tr -d '\n -~' < out | grep -q . && [ "$(grep -c '^epoch' out)" = 2 ]
result $? 'plain lines where stdout is no terminal'
if command -v xmllint > /dev/null; then xmllint --noout full.svg; else
    grep -q '^<svg ' full.svg && [ "$(tail -n 1 full.svg)" = '</svg>' ] && ! grep -q 'nan\|inf' full.svg
fi
result $? 'the learning curve is well-formed'

COLUMNS=80 run predict full.st --count 3 && grep -q '^[0-9] ([0-9.]* %)  *[0-9] ([0-9.]* %)$' out &&
    grep -q '^[0-3] of 3 right$' out && ! grep -q ' $' out && [ "$(awk 'length > 80' out)" = '' ]
result $? 'predict shows two digits across in 80 columns'
COLUMNS=20 run predict full.st --count 2 && [ "$(grep -c '%' out)" -ge 2 ]
result $? 'predict shows one digit across in 20 columns'

if command -v script > /dev/null; then
    TERM=xterm script -qec "stty cols 80; '$mnist' --data tiny --epochs 2 --save t.st --curve t.svg" /dev/null > out 2> err < /dev/null
    grep -q '\[#*-*\] loss .* images/s  [0-9]*s left' out && tr '\r' '\n' < out | grep '^epoch.*left' | sed 's/.\[K.*//' |
        awk '{ if (length > 79) wide = 1 } END { exit wide || !NR }'
    result $? 'a bar on a terminal, within its columns'
    TERM=xterm script -qec "stty cols 30; '$mnist' --data tiny --epochs 1 --save t.st --curve t.svg" /dev/null > out 2> err < /dev/null
    tr '\r' '\n' < out | grep '^epoch.*\[K' | sed 's/.\[K.*//' | awk '{ if (length > 29) wide = 1 } END { exit wide || !NR }'
    result $? 'a narrow terminal gets what fits'
else
    skip 'a bar on a terminal' 'script(1) is not here'
fi

run --data tiny --solver sgd --rate 1e30 --epochs 3 --save nan.st
[ $? = 1 ] && [ "$(cat err)" = 'mnist: the loss is no number any more in epoch 1: try a --rate below 1e+30' ] && [ ! -e nan.st ]
result $? 'a loss that is no number ends the training'

# ---- Going on ----

some='--data tiny --batch 64 --epochs 4 --seed 7'
# shellcheck disable=SC2086  # options
{
    run $some --save straight.st --curve straight.svg --threads 2 &&
        run $some --save parts.st --curve parts.svg --stop-after 2 &&
        run --resume parts.st --data tiny --curve parts.svg --threads 1 &&
        cmp straight.st parts.st > err && cmp straight.svg parts.svg > err
}
result $? 'stopped and resumed, on other threads: the same bytes'

refuses 1 'parts.st has 4 epochs already: to go on, say --epochs with more' --resume parts.st --data tiny
refuses 1 'parts.st was trained with --batch 64, not 32: leave --batch out to go on' --resume parts.st --batch 32
refuses 1 'parts.st was trained with --seed 7, not 8: leave --seed out to go on' --resume parts.st --seed 8
refuses 1 'parts.st was trained with --solver adam, not sgd: leave --solver out to go on' --resume parts.st --solver sgd
refuses 1 'parts.st was trained with other --data' --resume parts.st --epochs 5
head -c 5000 parts.st > half.st
: > empty.st
sed 's/mlp 784/mlp 783/' parts.st > foreign.st
sed 's/--batch 64/--batch 6x/' parts.st > bad.st
refuses 1 'foreign.st: no net of this program' --resume foreign.st
for file in half.st empty.st bad.st parts.svg; do
    run --resume $file --data tiny
    [ $? = 1 ] && grep -q '^mnist: ' err
    result $? "a damaged net is not resumed: $file"
done
for file in half.st empty.st parts.svg; do
    run predict $file --data tiny
    [ $? = 1 ] && grep -q "^mnist: $file: " err
    result $? "a damaged net does not predict: $file"
done

# A signal: the file is of a whole epoch, and training goes on from it.
"$mnist" --data tiny --epochs 100000 --save stopped.st --curve s.svg > out 2> err &
pid=$!
tries=0
while [ ! -e stopped.st ] && [ $tries -lt 60 ]; do sleep 0.5; tries=$((tries + 1)); done
kill -TERM $pid
wait $pid 2> /dev/null
[ $? = 143 ] && grep -q 'to go on: mnist --resume stopped.st --data tiny$' err && [ -z "$(ls stopped.st?* 2> /dev/null)" ] &&
    done=$(grep -c '^epoch' out) && run --resume stopped.st --data tiny --stop-after $((done + 1)) --curve s.svg
result $? 'interrupted, it says how to go on, and does'

# The line "to go on" is one that a shell takes back, and a name may be as long as a file's can be.
odd="an odd \$name's file"
long=$(printf 'n%.0s' $(seq 1 240))
mkdir elsewhere && ln -s elsewhere/real.st "$odd"
"$mnist" --data tiny --epochs 100000 --save "$odd" --curve s.svg > out 2> err &
pid=$!
tries=0
while [ ! -e "$odd" ] && [ $tries -lt 60 ]; do sleep 0.5; tries=$((tries + 1)); done
kill -TERM $pid
wait $pid 2> /dev/null
again=$(sed -n 's/.*to go on: mnist //p' err)
eval "set -- $again"
[ "${2:-}" = "$odd" ] && [ -L "$odd" ] && [ "$(ls elsewhere)" = real.st ]
result $? 'a link is saved through, and its odd name is quoted'
rm -r elsewhere "$odd"
run --data tiny --epochs 1 --save "$long" --curve "$long.svg" --onnx "$long.onnx" && [ -s "$long" ] && [ -s "$long.svg" ] &&
    run predict "$long" --data tiny --count 1
result $? 'names of 240 characters and more'
rm "$long"*
run --data "$(printf 'no\033[31m')"
[ $? = 1 ] && grep -qF 'no\x1b[31m has no ' err
result $? 'control characters do not reach the terminal'

# ---- On a device, through the shim: the losses of the CPU ----

refuses 2 '--device wants cpu, cuda or cuda:N, not "gpu"' --device gpu
refuses 2 '--device wants cpu, cuda or cuda:N, not "cuda:"' --device=cuda:
export WG_CUDA_LIBRARY=/nonexistent
refuses 1 'compile: cannot load WG_CUDA_LIBRARY: /nonexistent: cannot open shared object file: No such file or directory' --data tiny --device cuda
unset WG_CUDA_LIBRARY

# losses FILE: of each epoch of a saved net, one a line
losses() { LC_ALL=C sed -n 's/.*"epochs":"\([^"]*\)".*/\1/p' "$1" | head -n 1 | tr ';' '\n' | cut -d ' ' -f 1; }
device='100 steps on a device give the losses of the CPU'
library=$given/tests/libwengert-cuda-host.so
if ! why=$(sh "$root/tests/cuda/shim-needs.sh"); then
    skip "$device" "$why"
elif ! (cd "$root" && BUILD=$given ${MAKE:-make} --no-print-directory "$library") > out 2> err; then
    result 1 'the CUDA backend compiles for the host'
else
    mkdir ten
    cut_idx train-images-idx3-ubyte "\0\0\010\003\0\0\0\120$side$side" 17 62720 ten
    cut_idx train-labels-idx1-ubyte '\0\0\010\001\0\0\0\120' 9 80 ten
    cut_idx t10k-images-idx3-ubyte "\0\0\010\003\0\0\0\012$side$side" 17 7840 ten
    cut_idx t10k-labels-idx1-ubyte '\0\0\010\001\0\0\0\012' 9 10 ten
    run --data ten --batch 8 --save cpu.st --curve c.svg && losses cpu.st > cpu.losses &&
        export WG_CUDA_LIBRARY="$BUILD/tests/libwengert-cuda-host.so" WG_NVRTC=none &&
        run --data ten --batch 8 --device cuda --save device.st --curve c.svg &&
        grep -q '^on .* (CUDA 0)$' out &&
        losses device.st | paste cpu.losses - |
        awk '{ d = ($1 - $2) / $1; if (d < -1e-4 || d > 1e-4) bad = 1; if ($1 > 0) n++ } END { exit bad || n != 10 }'
    result $? "$device"
    run predict cpu.st --data ten --count 10 --device cuda && mv out device.out &&
        run predict cpu.st --data ten --count 10 && cmp -s out device.out
    result $? 'predict on a device'
    unset WG_CUDA_LIBRARY
fi

# ---- get-mnist.sh, with other files and their checksums ----

get() { MNIST_MIRRORS=$1 sh "$work/get.sh" got > out 2> err; }
if command -v curl > /dev/null && command -v sha256sum > /dev/null; then
    mkdir good bad
    cp "$root/examples/mnist/get-mnist.sh" get.sh
    for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
        gzip -c "tiny/$name-ubyte" > good/$name-ubyte.gz
        echo damaged > bad/$name-ubyte.gz
        sum=$(sha256sum < good/$name-ubyte.gz | cut -d ' ' -f 1)
        sed "s/^\(get $name-ubyte.gz\) .*/\1 $sum/" get.sh > get.new && mv get.new get.sh
    done
    ! get "file://$work/bad" && grep -q 'wrong checksum' err && [ -z "$(ls got)" ]
    result $? 'get-mnist.sh: nothing of a wrong checksum stays'
    head -c 1000 good/train-images-idx3-ubyte.gz > got/train-images-idx3-ubyte.gz.part
    head -c 300 tiny/train-images-idx3-ubyte > got/t10k-images-idx3-ubyte.gz.part
    get "file://$work/none file://$work/bad file://$work/good" && diff -r good got > err
    result $? 'get-mnist.sh: the next mirror, and partial files'
    rm got/*
    first=train-images-idx3-ubyte.gz
    mkdir later && cp good/* later # the start of the file is right in the partial download only
    head -c 1000 good/$first > got/$first.part
    { head -c 1000 /dev/zero && tail -c +1001 good/$first; } > later/$first
    get "file://$work/later" && diff -r good got > err
    result $? 'get-mnist.sh: goes on where a download broke off'
    get "file://$work/none" && [ "$(grep -c 'is there' err)" = 4 ]
    result $? 'get-mnist.sh: what is there is not fetched'
else
    skip 'get-mnist.sh' 'needs curl and sha256sum'
fi
exit $failures
