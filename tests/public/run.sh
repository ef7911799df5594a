#!/bin/sh
# What users see: each public header compiles alone as C11 and as C++11 to 20, the
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
    printf 'extern "C" {\n%s\n}\n' "$(cat "$work/alone.c")" > "$work/inside.cc"
    try "$header between extern \"C\" braces" $CXX -std=c++11 $strict -I"$BUILD/include" -fsyntax-only "$work/inside.cc"
    for std in 11 17 20; do
        try "$header alone as C++$std" $CXX -std=c++$std $strict -Wold-style-cast -I"$BUILD/include" -fsyntax-only "$work/alone.cc"
    done
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

# NULL for each pointer of each function.
nulls() {
    cat include/*.h | awk -f tests/public/nulls.awk > "$work/calls.c"
    $CC -std=c11 -D_POSIX_C_SOURCE=200809L $strict $SANITIZE -Itests/public -I"$BUILD/include" tests/public/nulls.c "$work/calls.c" \
        -o "$work/nulls" "$shared" -Wl,-rpath,"$(cd "$BUILD" && pwd)" && (cd "$work" && ./nulls)
}
try 'NULL for any pointer is refused with a message, or is documented' nulls

# Installed below a folder of its own, as a package builder does it.
prefix=$work/prefix
try 'make install' make --no-print-directory -s install PREFIX="$prefix" DESTDIR=
for bad in 'in st' "in'st" 'in;st' 'in&st' 'in|st' 'in#st' relative; do
    case $bad in relative) ;; *) bad=$work/$bad ;; esac
    try "make install refuses PREFIX=$bad" sh -c '! make --no-print-directory -s install PREFIX="$1" DESTDIR= 2> "$2" && grep -q ^PREFIX "$2"' - "$bad" "$work/why"
done
says_how() { scripts/findable.sh "$prefix/lib" | grep -qF -- "-Wl,-rpath,$prefix/lib"; }
try 'a library where nobody looks: install says how programs find it' says_how
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
flags() { pkg-config "$@" wengert; }
try 'pkg-config knows the version' sh -c "[ \"\$(pkg-config --modversion wengert)\" = $VERSION ]"
program=$work/program
try 'C, shared' $CC -std=c11 $strict $SANITIZE examples/scalar.c -o "$program-c" $(flags --cflags --libs)
try 'C, shared: runs' env LD_LIBRARY_PATH="$prefix/lib" "$program-c"
try 'C, static' $CC -std=c11 $strict $SANITIZE examples/scalar.c -o "$program-s" $(flags --cflags) "$prefix/lib/libwengert.a" $(flags --static --libs-only-l | sed 's/-lwengert//')
try 'C, static: runs' "$program-s"
try 'C, shared, with rpath' $CC -std=c11 $strict $SANITIZE examples/scalar.c -o "$program-r" $(flags --cflags --libs) -Wl,-rpath,"$prefix/lib"
try 'C, shared, with rpath: runs' env -u LD_LIBRARY_PATH "$program-r"
try 'C++11' $CXX -std=c++11 $strict -Wold-style-cast $SANITIZE -fsyntax-only tests/public/program.cc $(flags --cflags)
try 'C++, shared' $CXX -std=c++17 $strict $SANITIZE tests/public/program.cc -o "$program-cc" $(flags --cflags --libs)
try 'C++, shared: runs' env LD_LIBRARY_PATH="$prefix/lib" "$program-cc"
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' README.md > "$work/readme.cc"
try "README's program as C++" $CXX -std=c++11 $strict $SANITIZE "$work/readme.cc" -o "$program-readme" $(flags --cflags --libs)
try "README's program as C++: runs" env LD_LIBRARY_PATH="$prefix/lib" "$program-readme"
try 'make uninstall' make --no-print-directory -s uninstall PREFIX="$prefix" DESTDIR=
left() { find "$prefix" -type f -o -type l; [ -z "$(find "$prefix" -type f -o -type l)" ]; }
try 'uninstall leaves nothing behind' left
exit $failures
