#!/bin/sh
# Each example runs and prints what stands in tests/examples/NAME.out; the one
# of MNIST has a script of its own.  TAP on stdout.
set -u
BUILD=${BUILD:-build}
failures=0
for source in examples/*.c; do
    name=$(basename "$source" .c)
    out=$BUILD/tests/$name.out
    if "$BUILD/examples/$name" > "$out" 2>&1 && diff "tests/examples/$name.out" "$out" > "$out.diff"; then
        echo "ok - $name"
    else
        sed 's/^/# /' "$out.diff" "$out"
        echo "not ok - $name"
        failures=1
    fi
done
sh tests/examples/mnist.sh || failures=1
exit $failures
