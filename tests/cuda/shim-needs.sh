#!/bin/sh
# Whether the shim can run here; if not, prints why.
case ${SANITIZE:-} in *thread*) echo 'the thread sanitizer does not know fibres' && exit 1 ;; esac
command -v "${CXX:-c++}" > /dev/null || { echo 'there is no C++ compiler' && exit 1; }
