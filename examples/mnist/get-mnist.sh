#!/bin/sh
# Fetches the full MNIST: 60,000 training and 10,000 test digits, 11 MB.
#
#   examples/mnist/get-mnist.sh [FOLDER]      (mnist-full)
#
# Needs curl or wget, and sha256sum or shasum.  A download that broke off is
# taken up again; a file gets its name once its checksum is right.
# MNIST_MIRRORS: base URLs to try instead, with blanks between them.
set -u
mirrors=${MNIST_MIRRORS:-https://ossci-datasets.s3.amazonaws.com/mnist https://storage.googleapis.com/cvdf-datasets/mnist}

say() { echo "get-mnist: $*" >&2; }

case ${1:-} in
-h | --help)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"
    exit 0
    ;;
-*)
    say "there is no option $1 (usage: get-mnist.sh [FOLDER])"
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
    say 'usage: get-mnist.sh [FOLDER]'
    exit 2
fi
folder=${1:-mnist-full}

if command -v curl > /dev/null; then fetcher=curl; elif command -v wget > /dev/null; then fetcher=wget; else
    say 'needs curl or wget'
    exit 1
fi
if command -v sha256sum > /dev/null; then summer='sha256sum'; elif command -v shasum > /dev/null; then summer='shasum -a 256'; else
    say 'needs sha256sum or shasum'
    exit 1
fi

# download URL FILE: goes on where FILE ends
download() {
    case $fetcher in
    curl) curl --fail --location --silent --show-error --connect-timeout 20 --continue-at - --output "$2" "$1" ;;
    wget) wget --no-verbose --timeout=20 --tries=2 --continue --output-document="$2" "$1" ;;
    esac
}

# is FILE SHA256
is() {
    [ -f "$1" ] && [ "$($summer < "$1" | cut -d ' ' -f 1)" = "$2" ]
}

# The server has answered: the download did not break off, and will not come out right by going on.
answered() {
    case $fetcher-$1 in curl-0 | curl-22 | curl-33 | curl-36 | wget-0 | wget-8) return 0 ;; *) return 1 ;; esac
}

# from MIRROR NAME SHA256: NAME.part, whole and right
from() {
    part=$folder/$2.part whole=$folder/$2.whole
    had=
    [ -s "$part" ] && had=1
    rm -f "$whole"
    download "$1/$2" "$part"
    status=$?
    is "$part" "$3" && return
    answered $status || return 1
    if [ -n "$had" ]; then # what was there may have been of another file: once more from the start
        download "$1/$2" "$whole" && is "$whole" "$3" && mv -f "$whole" "$part" && return
        [ -s "$whole" ] && say "$1/$2: wrong checksum"
        rm -f "$whole"
    elif [ $status = 0 ]; then
        say "$1/$2: wrong checksum"
        rm -f "$part"
    fi
    return 1
}

# get NAME SHA256
get() {
    if is "$folder/$1" "$2"; then
        say "$folder/$1: is there"
        return
    fi
    for mirror in $mirrors; do
        if from "${mirror%/}" "$1" "$2"; then
            mv -f "$folder/$1.part" "$folder/$1" || exit 1
            say "$folder/$1: fetched from $mirror"
            return
        fi
        say "$mirror has no good $1"
    done
    say "$1: no mirror had it; run this again to go on"
    exit 1
}

mkdir -p "$folder" || exit 1
get train-images-idx3-ubyte.gz 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
get train-labels-idx1-ubyte.gz 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
get t10k-images-idx3-ubyte.gz 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
get t10k-labels-idx1-ubyte.gz f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
echo "mnist --data $folder"
