#!/bin/sh
# scripts/findable.sh DIR: after libwengert.so was installed into DIR, lets programs that are linked with it start, or
# says how they will.  Where DIR is one of the folders that ldconfig looks through, runs ldconfig; where that is not
# allowed or not enough, prints the ways out.
set -u
dir=$1
PATH=$PATH:/usr/sbin:/sbin

searched() { ldconfig -v -N -X 2> /dev/null | sed -n 's/^\(\/[^:]*\):.*/\1/p' | grep -qxF "$dir"; }
cached() { ldconfig -p 2> /dev/null | grep -qF "=> $dir/libwengert.so."; }

command -v ldconfig > /dev/null || exit 0
if searched; then
    ldconfig 2> /dev/null && cached && exit 0
    echo "To let programs find $dir/libwengert.so, run once as root: ldconfig"
else
    echo "$dir is no folder where programs look for libraries. Link with -Wl,-rpath,$dir"
    echo "(cc -o model model.c \$(pkg-config --cflags --libs wengert) -Wl,-rpath,$dir), or as root:"
    echo "    echo $dir > /etc/ld.so.conf.d/wengert.conf && ldconfig"
fi
