#!/bin/sh
# Runs every test and adds up; the last line is "N passed, N failed, N skipped".
#
# Called by `make check`, which tells BUILD, CC and so on.  Each part writes
# TAP: "ok - name", "not ok - name", "ok - name # SKIP why", and "1..N" where it
# knows how many there are.
set -u
reports=$BUILD/tests/reports
rm -rf "$reports" && mkdir -p "$reports"

# part NAME COMMAND...: runs it, keeps its TAP, shows what is not plainly ok:
# remarks come before the test that they are about.
part() {
    printf '%-4s %s\n' TEST "$1"
    report=$reports/$1.tap
    shift
    { "$@" 2>&1; echo "exit $?"; } > "$report"
    awk '/^ok / && !/# SKIP/ { remarks = "" }
         /^ok .*# SKIP/ { printf "%s%s\n", remarks, $0; remarks = ""; next }
         /^(ok |1\.\.|exit 0$|TAP version|\[)|^# *(Running|Criterion|$)/ { next }
         /^#/ { remarks = remarks $0 "\n"; next }
         { printf "%s%s\n", remarks, $0; remarks = "" }' "$report"
}

# Criterion writes its report to a file.
criterion() {
    rm -f "$reports/criterion.out"
    WG_CPU=${1:-${WG_CPU:-}} "$BUILD/tests/wengert-tests" --quiet --tap="$reports/criterion.out"
    status=$?
    cat "$reports/criterion.out"
    return $status
}

# The CPU levels below the best one of this machine.
lower_levels() {
    flags=" $(sed -n 's/^flags[^:]*://p' /proc/cpuinfo | head -n 1) "
    case $flags in *' avx2 '*) echo baseline ;; esac
    case $flags in *' avx512bw '*) echo avx2 ;; esac
}

if [ -n "${PLAIN:-}" ]; then
    part units "$BUILD/tests/wengert-tests"
else
    part units criterion
    for level in $(lower_levels); do part "units-$level" criterion "$level"; done
fi
for script in tests/*/run.sh; do
    part "$(basename "$(dirname "$script")")" sh "$script"
done

# A part that ended badly, or ran fewer tests than it planned, has failed.
awk '
    FNR == 1 { close_part(); plan = seen = bad = 0 }
    /^1\.\.[0-9]+/ { plan = substr($0, 4) + 0 }
    /^ok .*# SKIP/ { skipped++; seen++; next }
    /^ok / { passed++; seen++ }
    /^not ok / { failed++; seen++; bad++ }
    /^exit / { status = $2 }
    function close_part() {
        if (NR == 1) return
        if (plan > seen) failed += plan - seen
        else if (status != 0 && !bad) failed++
    }
    END { NR++; close_part(); printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 || !passed }
' "$reports"/*.tap
