#!/bin/sh
# What Wengert needs on this machine.
#
#   scripts/deps.sh [--check] GROUP...      groups: build test page bench serve peers fuzz lint arm
#
# Says nothing and succeeds if all is there.  Otherwise installs it with apt
# where this user may (root, or sudo without a password) and names the command
# to type where not.  --check only names it.
set -u
CC=${CC:-cc} CXX=${CXX:-c++} PYTHON=${PYTHON:-python3}

# group | Debian and Ubuntu package | how to know that it is there
table() {
    cat <<'END'
build | gcc               | command -v $CC
build | libc6-dev         | compiles '#include <stdio.h>'
build | libopenblas-dev   | compiles '#include <cblas.h>' -lopenblas
build | libxxhash-dev     | compiles '#include <xxhash.h>' -lxxhash
build | zlib1g-dev        | compiles '#include <zlib.h>' -lz
build | libmicrohttpd-dev | compiles '#include <microhttpd.h>' -lmicrohttpd
test  | libcriterion-dev  | compiles '#include <criterion/criterion.h>' -lcriterion
test  | g++               | command -v $CXX
test  | pkg-config        | command -v pkg-config
test  | locales           | test -f /usr/share/i18n/locales/de_DE
test  | python3           | command -v $PYTHON
test  | libonnx-testdata  | test -d /usr/share/libonnx-testdata
page  | chromium          | command -v chromium
bench | python3           | command -v $PYTHON
serve | wrk               | command -v wrk
fuzz  | clang             | command -v clang
peers | python3-pip       | $PYTHON -m pip --version
lint  | clang-format      | command -v clang-format
lint  | clang-tidy        | command -v clang-tidy
lint  | cppcheck          | command -v cppcheck
arm   | gcc-aarch64-linux-gnu   | command -v aarch64-linux-gnu-gcc
arm   | qemu-user               | command -v qemu-aarch64
arm   | libopenblas-dev:arm64   | arm_has '#include <cblas.h>' -lopenblas
arm   | libxxhash-dev:arm64     | arm_has '#include <xxhash.h>' -lxxhash
arm   | zlib1g-dev:arm64        | arm_has '#include <zlib.h>' -lz
arm   | libmicrohttpd-dev:arm64 | arm_has '#include <microhttpd.h>' -lmicrohttpd
END
}

# compiles 'a line of C' [library]: does it compile and link?
compiles() {
    dir=$(mktemp -d) || return 1
    printf '%s\nint probe(void);\nint probe(void) { return 0; }\n' "$1" > "$dir/probe.c"
    shift
    $CC -shared -fPIC "$dir/probe.c" "$@" -o "$dir/probe.so" > /dev/null 2>&1
    status=$?
    rm -r "$dir"
    return $status
}

arm_has() { (CC=aarch64-linux-gnu-gcc && compiles "$@"); }

# The packages of the groups asked for whose test fails.
missing() {
    table | while IFS='|' read -r group package test; do
        case " $* " in *" ${group%% *} "*) eval "$test" > /dev/null 2>&1 || echo "${package# }" ;; esac
    done | tr -s ' \n' ' '
}

check=
[ "${1:-}" = --check ] && check=1 && shift
packages=$(missing "$@")
[ -z "$packages" ] && exit 0

install="apt-get install -y --no-install-recommends ${packages% }"
as=
[ "$(id -u)" = 0 ] || as='sudo '
foreign=
case "$packages" in *:arm64*) foreign="dpkg --add-architecture arm64" ;; esac
if [ -z "$check" ] && command -v apt-get > /dev/null && { [ -z "$as" ] || sudo -n true 2> /dev/null; }; then
    echo "Installing: ${packages% }"
    log=$(mktemp)
    if { ${foreign:+$as$foreign} && ${as}apt-get update && ${as}env DEBIAN_FRONTEND=noninteractive $install; } > "$log" 2>&1; then
        packages=$(missing "$@")
        [ -z "$packages" ] && rm "$log" && exit 0
    fi
    tail -n 20 "$log"
fi
echo "Missing: ${packages% }" >&2
echo "Please type: ${foreign:+$as$foreign && ${as}apt-get update && }${as}$install" >&2
command -v apt-get > /dev/null || echo "(Debian's names; the packages of your system are called much the same.)" >&2
exit 1
