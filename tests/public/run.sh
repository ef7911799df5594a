#!/bin/sh
# What users see: each public header compiles alone as C11 and as C++17, the
# library exports what the headers promise and nothing else, and an installed
# copy works through pkg-config, shared and static, from C and from C++.
# TAP on stdout.
set -u
BUILD=${BUILD:-build} CC=${CC:-cc} CXX=${CXX:-c++} SANITIZE=${SANITIZE:-} VERSION=${VERSION:?}
work=$(cd "$BUILD/tests" && pwd)/public
rm -rf "$work" && mkdir -p "$work"
failures=0
strict='-Wall -Wextra -Wpedantic -Wshadow -Werror'

# try NAME COMMAND...
try() {
    name=$1
    shift
    if "$@" > "$work/log" 2>&1; then echo "ok - $name"; else
        sed 's/^/# /' "$work/log"
        echo "not ok - $name"
        failures=1
    fi
}

for path in include/*.h; do
    header=$(basename "$path")
    echo "#include <wengert/$header>" > "$work/alone.c"
    cp "$work/alone.c" "$work/alone.cc"
    try "$header alone as C11" $CC -std=c11 $strict -I"$BUILD/include" -fsyntax-only "$work/alone.c"
    try "$header alone as C++17" $CXX -std=c++17 $strict -I"$BUILD/include" -fsyntax-only "$work/alone.cc"
done

shared=$BUILD/libwengert.so.$VERSION
exports() { nm -D --defined-only "$shared" | awk '$2 ~ /[A-Z]/ && $3 !~ /^(__asan|__odr_asan|__ubsan|_fini|_init)/ { print $3 }' | sort; }
only_public() { exports | grep -v '^wg_[a-z0-9]' ; [ $? = 1 ]; }
# What a header declares: the name before the first parenthesis after WG_API.
declared() {
    cat include/*.h | awk '/^WG_API/ && !/extern/ { sub(/\(.*/, ""); sub(/.*[ *]/, ""); print }' | sort -u
}
all_there() {
    declared > "$work/declared"
    exports > "$work/exported"
    comm -23 "$work/declared" "$work/exported" > "$work/undefined"
    cat "$work/undefined"
    [ ! -s "$work/undefined" ]
}
try 'the shared library exports public names only' only_public
try 'every function of the headers is in the shared library' all_there

# Installed below a folder of its own, as a package builder does it.
prefix=$work/prefix
try 'make install' make --no-print-directory -s install PREFIX="$prefix" DESTDIR=
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
flags() { pkg-config "$@" wengert; }
try 'pkg-config knows the version' sh -c "[ \"\$(pkg-config --modversion wengert)\" = $VERSION ]"
program=$work/program
try 'C, shared' $CC -std=c11 $strict $SANITIZE examples/scalar.c -o "$program-c" $(flags --cflags --libs)
try 'C, shared: runs' env LD_LIBRARY_PATH="$prefix/lib" "$program-c"
try 'C, static' $CC -std=c11 $strict $SANITIZE examples/scalar.c -o "$program-s" $(flags --cflags) "$prefix/lib/libwengert.a" $(flags --static --libs-only-l | sed 's/-lwengert//')
try 'C, static: runs' "$program-s"
try 'C++, shared' $CXX -std=c++17 $strict $SANITIZE tests/public/program.cc -o "$program-cc" $(flags --cflags --libs)
try 'C++, shared: runs' env LD_LIBRARY_PATH="$prefix/lib" "$program-cc"
try 'make uninstall' make --no-print-directory -s uninstall PREFIX="$prefix" DESTDIR=
left() { find "$prefix" -type f -o -type l; [ -z "$(find "$prefix" -type f -o -type l)" ]; }
try 'uninstall leaves nothing behind' left
exit $failures
