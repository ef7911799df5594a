#!/bin/sh
# The README's way from a trained net to an answer: its commands, just as they
# stand there, one after another.  TAP on stdout.
set -u
BUILD=${BUILD:-build}
skip() { echo "ok - readme # SKIP $1"; echo 1..1; exit 0; }
command -v curl > /dev/null || skip 'there is no curl'
root=$(pwd)
work=$root/$BUILD/tests/readme
case $BUILD in /*) work=$BUILD/tests/readme ;; esac
rm -rf "$work" && mkdir -p "$work/build" && cd "$work" || exit 1
ln -s "$root/examples" examples
case $BUILD in /*) ln -s "$BUILD/wengert" build/wengert ;; *) ln -s "$root/$BUILD/wengert" build/wengert ;; esac
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null' EXIT

# Shell blocks of the section, block N to N.sh.
awk '/^## / { on = /From a trained net to a service/ }
     on && /^```sh/ { inside = 1; n++; next }
     /^```/ { inside = 0 }
     inside { print > (n ".sh") }' "$root/README.md"
sed -n '/ serve /!p' 1.sh > show.sh
# Another port than the one that may be in use here; the rest is as printed.
port=$((20000 + $$ % 20000))
sed -n '/ serve /p' 1.sh | sed "s/\$/ --port $port --host 127.0.0.1/" > serve.sh
sed "s/:8501/:$port/" 2.sh > ask.sh

"$(dirname "$(readlink build/wengert)")/examples/mnist/mnist" --data examples/mnist/data --epochs 2 > mnist.log 2>&1
sh show.sh > show.out 2>&1 && grep -q '^input *image f32' show.out && echo 'ok - readme: show' || {
    sed 's/^/# /' show.out mnist.log
    echo 'not ok - readme: show'
}
: > serve.err
sh -c "exec $(cat serve.sh)" > serve.out 2> serve.err &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q http: serve.err && break
    sleep 0.25
done
sh ask.sh > ask.out 2>&1
# The first test digit is a 6: the seventh probability is the largest.
if tr -d '{}[]" ' < ask.out | sed 's/predictions://' | tr , '\n' | awk '$1 > top { top = $1; best = NR - 1 } END { exit best != 6 || NR != 10 }'
then echo 'ok - readme: serve and curl'
else
    sed 's/^/# /' serve.out serve.err ask.out
    echo 'not ok - readme: serve and curl'
fi
kill "$server" && wait "$server" && echo 'ok - readme: the server ends with 0' || echo 'not ok - readme: the server ends with 0'
server=
echo 1..3
