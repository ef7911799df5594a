#!/bin/sh
# The command line from the outside: what it prints, what it writes, what it
# refuses.  TAP on stdout.
set -u
BUILD=${BUILD:-build} PYTHON=${PYTHON:-python3}
root=$(pwd) given=$BUILD
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
wengert=$BUILD/wengert
nodes=/usr/share/libonnx-testdata/data/node
work=$BUILD/tests/tools
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1
failures=0

# result STATUS NAME: the last command's output is shown if it failed
result() {
    if [ "$1" = 0 ]; then echo "ok - wengert: $2"; else
        sed 's/^/# /' out err 2> /dev/null
        echo "not ok - wengert: $2"
        failures=1
    fi
}
run() { "$wengert" "$@" > out 2> err; }
# refuses STATUS MESSAGE ARGUMENT...: that exit status, one line with that text, nothing on stdout
refuses() {
    want=$1 message=$2
    shift 2
    run "$@"
    [ $? = "$want" ] && [ "$(wc -l < err)" = 1 ] && grep -qF -- "$message" err && [ ! -s out ]
    result $? "refuses: $*"
}

# ---- Help and wrong use ----

run --help && grep -q '^usage: wengert COMMAND' out && [ ! -s err ]
result $? 'help'
for command in show run bench serve; do
    for option in --help -h; do
        run $command $option && grep -q "^usage: wengert $command " out && [ ! -s err ]
        result $? "$option of $command"
    done
done
run --version && grep -q '^wengert ' out
result $? 'version'
refuses 2 'which command? show, run, bench or serve (type: wengert --help)'
refuses 2 'there is no command "sow"' sow
refuses 2 'there is no option --nonsense (type: wengert show --help)' show --nonsense
refuses 2 'which model?' show
refuses 2 '--batch wants a whole number from 1 to 1000000, not "x"' bench m.onnx --batch x
refuses 2 '--batch wants a value: --batch N' bench m.onnx --batch
refuses 2 '--bind wants NAME=SIZE, not "batch"' show nowhere.onnx --bind batch
for name in gpu cuda: cuda:x cuda:-1 cuda:9999 CPU ''; do
    refuses 2 "--device wants cpu, cuda or cuda:N, not \"$name\"" bench m.onnx --device "$name"
done
refuses 1 'nowhere.onnx' show nowhere.onnx
echo 'this is not a model' > text.onnx
refuses 1 'text.onnx' show text.onnx
refuses 2 'which model? --model NAME=PATH' serve
run serve --port 0 --model m=nowhere.onnx
[ $? = 1 ] && grep -q '^wengert serve: model m: .*nowhere.onnx' err
result $? 'refuses to serve what is not there'
run serve --port 0 --model m=text.onnx
[ $? = 1 ] && grep -q '^wengert serve: model m: .*text.onnx' err
result $? 'refuses to serve what is no model'

# ---- A trained net ----

"$BUILD/examples/mnist/mnist" --data "$root/examples/mnist/data" --epochs 1 --save net.st --curve net.svg > train.log 2>&1
result $? 'mnist exports mnist.onnx'
run show mnist.onnx && grep -q '^input  *image f32 \[batch,784\]$' out && grep -q '^output  *probability f32 \[batch,10\]$' out &&
    grep -q '^parameters  *669706 in 6 tensors, 2.6 MiB$' out && grep -q 'Gemm 3' out && grep -q 'test.accuracy = 0\.' out
result $? 'show'
run show mnist.onnx --tape --batch 7 && grep -q 'f32 *\[7,512\]' out
result $? 'show --tape'
run show mnist.onnx --dot && grep -q '^digraph' out
result $? 'show --dot'
run bench mnist.onnx --batch 16 --seconds 1 --threads 1 && grep -q '^run  *median' out && grep -q 'mnist.onnx batch=16' out
result $? 'bench'
# Its rate is along the batch and nothing else, whatever is bound, in whatever way.
run bench mnist.onnx --bind batch=16 --seconds 1 --threads 1 &&
    awk '/^rate/ { exit !($4 > 15.9 * $2 && $4 < 16.1 * $2 && / a second along batch/) }' out
result $? 'bench --bind'
for command in bench show; do
    refuses 1 "mnist.onnx: bind 'bacth': no input has such a dimension" $command mnist.onnx --bind bacth=64
done
refuses 2 '--dot shows dimensions by their names: leave --bind out' show mnist.onnx --dot --bind batch=64

# A .npy file of zeros: npy NAME DTYPE SHAPE BYTES
npy() {
    header="{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
    printf '\223NUMPY\001\000\166\000%-117s\n' "$header" > "$1"
    head -c "$4" /dev/zero >> "$1"
}
npy x32.npy '<f4' '(2, 784)' 6272
npy x64.npy '<f8' '(2, 784)' 12544
npy x3.npy '<f4' '(2, 3)' 24
run run mnist.onnx --input x32.npy --output y.npy && [ "$(wc -c < y.npy)" = 208 ]
result $? 'run, into a file'
run run mnist.onnx --input image=x64.npy --output probability=y64.npy && cmp -s y.npy y64.npy
result $? 'run converts f64 to f32'
run run mnist.onnx --input x32.npy && grep -q '^probability f32 \[2,10\]$' out
result $? 'run, printed'
refuses 1 "input 'image': it is [batch,784], and given as [2,3]" run mnist.onnx --input x3.npy
refuses 2 'input "image" is missing' run mnist.onnx
refuses 2 'the model has no input "picture"' run mnist.onnx --input picture=x32.npy
refuses 2 'the model has no output "logits"' run mnist.onnx --input x32.npy --output logits=y.npy
refuses 1 'nowhere.npy' run mnist.onnx --input nowhere.npy

# ---- On a device ----

export WG_CUDA_LIBRARY=/nonexistent
missing='compile: cannot load WG_CUDA_LIBRARY: /nonexistent: cannot open shared object file'
refuses 1 "$missing" run mnist.onnx --input x32.npy --device cuda
refuses 1 "$missing" bench mnist.onnx --seconds 1 --device cuda:1
run bench mnist.onnx --seconds 1 --device cpu && grep -q '^device  *[^ ]' out
result $? 'bench names the CPU'
unset WG_CUDA_LIBRARY
library=$given/tests/libwengert-cuda-host.so
if ! why=$(sh "$root/tests/cuda/shim-needs.sh"); then
    echo "ok - wengert: on a device # SKIP $why"
elif ! (cd "$root" && BUILD=$given ${MAKE:-make} --no-print-directory "$library") > out 2> err; then
    result 1 'the CUDA backend compiles for the host'
else
    export WG_CUDA_LIBRARY="$BUILD/tests/libwengert-cuda-host.so" WG_NVRTC=none
    numbers() { tail -n 2 | tr -cs '0-9.e-' '\n' | grep .; }
    run run mnist.onnx --input x32.npy --device cpu && numbers < out > numbers.cpu &&
        run run mnist.onnx --input x32.npy --device cuda && grep -q '^on .*(CUDA 0)$' out && numbers < out | paste numbers.cpu - |
        awk '{ d = $1 - $2; if (d < -1e-5 || d > 1e-5) bad = 1 } END { exit bad || NR != 20 }'
    result $? 'run on a device gives the values of the CPU'
    run bench mnist.onnx --batch 16 --seconds 1 --device=cuda:0 && grep -q '^device .*(CUDA 0)$' out && grep -q '^run  *median' out &&
        grep -q 'one read of the outputs' out
    result $? 'bench on a device'
    refuses 1 'there is no CUDA device 7, only 1' run mnist.onnx --input x32.npy --device cuda:7
    unset WG_CUDA_LIBRARY
fi

# y = -x, and an input "idle" that y does not need, each f32 [2].
# value FIELD NAME: a ValueInfoProto in that field of the graph
value() {
    size=${#2}
    printf "\\$1\\$(printf %o $((size + 14)))\\012\\$(printf %o "$size")%s" "$2"
    printf '\022\012\012\010\010\001\022\004\012\002\010\002'
}
{
    printf '\012\013\012\001x\022\001y\042\003Neg\022\001g'
    value 132 x && value 132 idle && value 142 y
} > graph
{
    printf "\010\010\072\\$(printf %o "$(wc -c < graph)")"
    cat graph && printf '\102\002\020\021'
} > idle.onnx
npy x2.npy '<f4' '(2,)' 8
run run idle.onnx --input x=x2.npy --input idle=x2.npy && grep -q '^y f32 \[2\]$' out
result $? 'run with an input that no output needs'

# The same with inputs called "x=y" and "x".
{
    printf '\012\015\012\003x=y\022\001y\042\003Neg\022\001g'
    value 132 x=y && value 132 x && value 142 y
} > graph
{
    printf "\010\010\072\\$(printf %o "$(wc -c < graph)")"
    cat graph && printf '\102\002\020\034'
} > equals.onnx
run run equals.onnx --input x=y=x2.npy --input x=x2.npy && grep -q '^y f32 \[2\]$' out
result $? 'run with "=" in the name of an input, at opset 28'

# ---- Sizes ----

run show mnist.onnx --bind batch=3 && grep -q '^input  *image f32 \[3,784\]$' out
result $? 'show with a size that is known before'
printf 'hello, world' > text.onnx
refuses 1 'text.onnx: byte 0: this is not an ONNX model' show text.onnx

# ---- Names that a shell, or a terminal, takes for something else ----

# negate NAME FILE: y = -NAME, each f32 [2]
negate() {
    size=${#1}
    {
        printf "\\012\\$(printf %o $((size + 10)))\\012\\$(printf %o "$size")%s" "$1"
        printf '\022\001y\042\003Neg\022\001g'
        value 132 "$1" && value 142 y
    } > graph
    {
        printf "\\010\\010\\072\\$(printf %o "$(wc -c < graph)")"
        cat graph && printf '\102\002\020\021'
    } > "$2"
}
negate 'a=b' equals2.onnx
cp x2.npy 'c=d.npy'
for value in 'a=b=x2.npy' 'a=b=c=d.npy' 'a=b=./c=d.npy'; do
    run run equals2.onnx --input "$value" --output 'y=e=f.npy' && [ -s 'e=f.npy' ] && rm 'e=f.npy'
    result $? "run --input $value"
done
refuses 2 'the model has no input "a"' run equals2.onnx --input 'a=x2.npy'

escape=$(printf '\033]0;title\007')
negate "$escape" escape.onnx
# steers FILE...: a byte that no terminal should get from a file
steers() { LC_ALL=C tr -d '\n\t -~' < "$1" | grep -q .; }
for option in '' --tape --dot; do
    # shellcheck disable=SC2086 # none or one
    run show escape.onnx $option && grep -qF ']0;title' out && ! steers out
    result $? "show $option of a name with control characters"
done
run run escape.onnx --input x3.npy
[ $? = 1 ] && grep -qF '\x1b]0;title\x07' err && ! steers err
result $? 'a message with control characters from a file'
npy "bad.npy" "$escape" '(2,)' 8
run run idle.onnx --input x=bad.npy
[ $? = 1 ] && grep -qF "dtype '\\x1b]0;title\\x07'" err && ! steers err
result $? 'a message of a reader with control characters from its file'


# ---- Serving ----

# url_of: where the server says that it is, once it does, in a file that was not there before
url_of() {
    for i in 1 2 3 4 5 6 7 8 9 10; do
        url=$(sed -n 's/^wengert serve: \(http:.*\)/\1/p' err 2> /dev/null)
        [ -n "$url" ] && return
        sleep 0.3
    done
}
ask() { "$PYTHON" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()' "$url$1"; }
# goes_on NAME: the server $pid answers, and ends with 0
goes_on() {
    url_of
    ask v2 && sleep 0.3 && ask v2 && kill $pid && wait $pid
    result $? "$1"
}
rm -f pipe && mkfifo pipe
head -c 1 pipe > /dev/null &
rm -f err
"$wengert" serve --port 0 --model m=mnist.onnx > pipe 2> err &
pid=$! && goes_on 'serves although nobody reads the log'
rm -f err
"$wengert" serve --port 0 --model m=mnist.onnx >&- 2> err &
pid=$! && goes_on 'serves without a standard output'
rm -f err
"$wengert" serve --port 0 --host ::1 --model m=mnist.onnx > out 2> err &
pid=$! && url_of
case $url in 'http://[::1]:'*) true ;; *) false ;; esac && kill $pid && wait $pid
result $? 'an address of IPv6 in brackets'
rm -f err
"$wengert" serve --port 0 --model m=mnist.onnx > out 2> err &
pid=$! && url_of
"$PYTHON" - "$url" $pid << 'END'
import os, signal, socket, sys, time, urllib.parse
s = socket.create_connection(("127.0.0.1", urllib.parse.urlparse(sys.argv[1]).port))
s.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
for wait in 0.3, 0.3:
    time.sleep(wait)
    os.kill(int(sys.argv[2]), signal.SIGTERM)
END
wait $pid
[ $? = 143 ]
result $? 'a second signal ends it at once'
rm -f err
cp mnist.onnx reloaded.onnx
"$wengert" serve --port 0 --poll 0 --model m=reloaded.onnx > out 2> err &
pid=$! && url_of
echo 'no model' > new.onnx && mv new.onnx reloaded.onnx && kill -HUP $pid && sleep 1 && ask v2 && kill $pid && wait $pid
[ $? = 0 ] && grep -q 'version 1 was not loaded' out
result $? 'SIGHUP loads all models again, and what does not load changes nothing'
refuses 2 '--non-finite wants null, error or words, not "nan"' serve --model m=mnist.onnx --non-finite nan
run serve --port 0 --model m=mnist.onnx --batching n=off
[ $? = 1 ] && grep -q 'batching: there is no model of the name in "n=off"' err
result $? 'refuses an option for a model that is not there'
run serve --port 0 --model m=mnist.onnx --admin-token-file nowhere
[ $? = 1 ] && grep -q 'the token of nowhere' err
result $? 'refuses a token that is not there'

# ---- ONNX's own test data ----

if [ -d "$nodes" ]; then
    add=$nodes/test_add
    run run "$add/model.onnx" --input "x=$add/test_data_set_0/input_0.pb" --input "y=$add/test_data_set_0/input_1.pb" \
        --output sum.pb && run run "$add/model.onnx" --input "x=sum.pb" --input "y=$add/test_data_set_0/input_1.pb"
    result $? 'run with TensorProto files'
    refuses 2 'the model has 2 inputs: write --input NAME=x.npy' run "$add/model.onnx" --input x.npy
    tile=$nodes/test_tile
    run run "$tile/model.onnx" --input "x=$tile/test_data_set_0/input_0.pb" --input "y=$tile/test_data_set_0/input_1.pb" \
        --output tiled.pb && tail -c 1000 tiled.pb > have && tail -c 1000 "$tile/test_data_set_0/output_0.pb" > want &&
        cmp -s have want
    result $? 'run with an input that shapes the graph'
    run show "$nodes/test_strnormalizer_nostopwords_nochangecase/model.onnx"
    [ $? = 1 ] && grep -q 'string tensors' err && grep -q 'StringNormalizer (opset 10)' err
    result $? 'names all that a model uses and Wengert has not'
else
    echo "ok - wengert: run with TensorProto files # SKIP no libonnx-testdata"
fi
exit $failures
