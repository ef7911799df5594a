#!/bin/sh
# The predictor's page in a headless Chromium.  TAP on stdout; screenshots stay
# in $BUILD/tests/page.
set -u
BUILD=${BUILD:-build} PYTHON=${PYTHON:-python3}
skip() { echo "ok - page # SKIP $1"; echo 1..1; exit 0; }
[ -z "${SANITIZE:-}" ] || skip 'a browser is too slow beside sanitizers'
chromium=$(command -v chromium || command -v chromium-browser) || skip 'there is no chromium (scripts/deps.sh page)'
command -v "$PYTHON" > /dev/null || skip "there is no $PYTHON"
work=$BUILD/tests/page
rm -rf "$work" && mkdir -p "$work"
server=
: > "$work/serve.err"
trap '[ -z "$server" ] || kill "$server" 2> /dev/null' EXIT

"$BUILD/examples/mnist/mnist" --epochs 4 --save "$work/net.safetensors" --curve "$work/net.svg" --onnx "$work/mnist.onnx" \
    > "$work/train.log" 2>&1 || { sed 's/^/# /' "$work/train.log"; echo 'not ok - page: a net to show'; exit 1; }
other=/usr/share/libonnx-testdata/data/node/test_add/model.onnx
[ -f "$other" ] || other=$work/mnist.onnx
"$BUILD/wengert" serve --host 127.0.0.1 --port 0 --model "mnist=$work/mnist.onnx" --model "other=$other" \
    > "$work/serve.log" 2> "$work/serve.err" &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    url=$(sed -n 's|.*\(http://[^ ]*/\).*|\1|p' "$work/serve.err")
    [ -n "$url" ] && break
    sleep 0.25
done
[ -n "$url" ] || { sed 's/^/# /' "$work/serve.err"; echo 'not ok - page: the server starts'; exit 1; }
PYTHONDONTWRITEBYTECODE=1 "$PYTHON" tests/page/page.py "$chromium" "$url" "$work"
