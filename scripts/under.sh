#!/bin/sh
# Runs the unit tests under another program and counts them: under.sh TOOL COMMAND...  BUILD says where the tests are.
# The reports go to $BUILD/TOOL.tap; what did not pass is printed.
set -u
report=$BUILD/$1.tap
shift
"$@" > "$report" 2>&1
grep -v '^ok - [^#]*$' "$report"
# Fewer tests than were planned: the program ended before all were run.
awk '/^1\.\./ { plan = substr($0, 4) + 0 }
     /^ok .*# SKIP/ { s++; next } /^ok / { p++ } /^not ok / { f++ }
     END { if (p + f + s < plan) f += plan - p - f - s
           printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || !p }' "$report"
