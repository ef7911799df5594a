#!/bin/sh
# The documents hold: every C block of README.md and docs/ compiles, runs and
# prints what the page says, every listing stands in its file, every link leads
# somewhere, and docs/ops.md is what the operators say.  TAP on stdout.
#
#   ```c                a program if it has a main, else statements that are put
#                       into one (see wrap below); run, it must exit with 0
#   ```text             after such a block: exactly what it prints
#   ```c file PATH      lines that stand in PATH just so, one after another
#   ```c part           shows a shape only; not compiled
#
# With UPDATE=1 (`make docs`) the text blocks take what the programs print now,
# and a listing what stands in its file from the listing's first line to its
# last: read the difference before you commit it.
set -u
BUILD=${BUILD:-build} CC=${CC:-cc} SANITIZE=${SANITIZE:-}
LIBS=${LIBS:--lopenblas -lxxhash -lz -lpthread -lm}
work=$BUILD/tests/docs
rm -rf "$work" && mkdir -p "$work"
failures=0

# result STATUS NAME
result() {
    if [ "$1" = 0 ]; then echo "ok - $2"; else echo "not ok - $2"; failures=1; fi
}

# Blocks of a page, each to a file of its own: WORK/PAGE-LINE.c, .text or .listing.
extract() {
    awk -v base="$work/$(echo "${1%.md}" | tr / _)" -v page="$1" '
        !in_block && /^```/ {
            in_block = 1
            out = ""
            if ($1 == "```c" && $2 == "file") { out = sprintf("%s-%03d.listing", base, NR); print $3 > out }
            else if ($1 == "```c" && $2 == "") { program = sprintf("%s-%03d", base, NR); out = program ".c" }
            else if ($1 == "```text" && program) { out = program ".text"; program = "" }
            else program = ""
            next
        }
        in_block && /^```/ { in_block = 0; if (out) close(out); next }
        in_block && out { print > out }
        !in_block && /^#/ { program = "" } # an output belongs to the block before it, in its section
    ' "$1"
}

# Statements become a program with a graph g that is freed at the end.
wrap() {
    grep -q 'int main' "$1" && return
    {
        printf '#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n'
        for h in include/*.h; do echo "#include <wengert/${h#include/}>"; done
        echo 'int main(void)'
        echo '{'
        echo '    wg_graph *g = wg_graph_new();'
        cat "$1"
        echo '    wg_graph_free(g);'
        echo '    return 0;'
        echo '}'
    } > "$1.new" && mv "$1.new" "$1"
}

check_program() {
    wrap "$1"
    base=${1%.c}
    # shellcheck disable=SC2086  # lists of options
    $CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -pthread $SANITIZE -I"$BUILD/include" "$1" "$BUILD/libwengert.a" $LIBS -o "$base" > "$base.log" 2>&1 &&
        (cd "$work" && "./$(basename "$base")" > "$(basename "$base").out" 2>> "$(basename "$base").log") &&
        { [ ! -f "$base.text" ] || diff "$base.text" "$base.out" >> "$base.log"; }
    status=$?
    [ $status = 0 ] || sed 's/^/# /' "$base.log"
    result $status "$(basename "$base")"
}

# The lines after the first stand in the file that the first names.
check_listing() {
    awk 'NR == FNR { if (FNR == 1) next; want[++n] = $0; next }
         { have[++m] = $0 }
         END {
             for (i = 0; i + n <= m && !found; i++) {
                 for (j = 1; j <= n && have[i + j] == want[j]; j++) ;
                 found = j > n
             }
             exit !found
         }' "$1" "$(head -n 1 "$1")"
    result $? "$(basename "$1") of $(head -n 1 "$1")"
}

# Relative links of a page lead to files.
check_links() {
    bad=$(sed -e '/^```/,/^```/d' -e 's/`[^`]*`//g' "$1" | grep -o '](\([^)#:]*\)[)#]' | sed 's/^](//; s/[)#]$//' | while read -r link; do
        [ -z "$link" ] || [ -e "$(dirname "$1")/$link" ] || echo "$link"
    done)
    [ -z "$bad" ] || echo "# $1: $bad"
    [ -z "$bad" ]
    result $? "links of $1"
}

# Each text block below a program that ran becomes what it printed, each
# listing the lines of its file between its first and its last.
update() {
    awk -v base="$work/$(echo "${1%.md}" | tr / _)" '
        function lines_of(path, first, last,    line, text, inside) {
            while ((getline line < path) > 0) {
                if (line == first) inside = 1
                if (inside) text = text line "\n"
                if (inside && line == last) { close(path); return text }
            }
            close(path)
            return ""
        }
        !in_block && $1 == "```c" && $2 == "file" {
            print
            for (n = 0; (getline line) > 0 && line !~ /^```/;) old[++n] = line
            new = lines_of($3, old[1], old[n])
            if (new) printf "%s", new
            else for (i = 1; i <= n; i++) print old[i]
            print line
            program = ""
            next
        }
        !in_block && /^```/ {
            in_block = 1
            print
            if ($1 == "```text" && program) {
                out = program ".out"
                skip = (getline line < out) > 0
                if (skip) do print line; while ((getline line < out) > 0)
                close(out)
            }
            program = $1 == "```c" && $2 == "" ? sprintf("%s-%03d", base, NR) : ""
            next
        }
        in_block && /^```/ { in_block = skip = 0 }
        !in_block && /^#/ { program = "" }
        !skip { print }' "$1" > "$work/page" && cat "$work/page" > "$1"
}

pages='*.md docs/*.md docs/decisions/*.md'
for page in $pages; do
    extract "$page"
    check_links "$page"
done
for program in "$work"/*.c; do [ -f "$program" ] && check_program "$program"; done
for listing in "$work"/*.listing; do [ -f "$listing" ] && check_listing "$listing"; done

"$BUILD/tools/opsdoc" > "$work/ops.md" && diff docs/ops.md "$work/ops.md" > "$work/ops.diff"
result $? 'docs/ops.md is up to date (make docs)'

# A row is "| `name` |", "| `name` (in `wg_other`) |" or "| `name` (inside) |".
: > "$work/ops.diff"
sed -n 's/^| `\([a-z0-9_]*\)`\([^|]*\)|.*/\1 \2/p' docs/ops.md | while read -r name where; do
    case $where in
    '(inside)') grep -q "wg_$name(" include/graph.h include/graph_op.h && echo "$name has a constructor after all" ;;
    '') grep -q "wg_$name(" include/graph.h include/graph_op.h || echo "$name has no constructor of that name" ;;
    *) maker=${where#*\`} && grep -q "${maker%%\`*}(" include/graph.h include/graph_op.h || echo "$name: there is no ${maker%%\`*}" ;;
    esac
done > "$work/ops.diff"
[ ! -s "$work/ops.diff" ] && [ "$(grep -c '^| `' docs/ops.md)" -gt 50 ]
result $? 'docs/ops.md names constructors that exist'

[ -z "${UPDATE:-}" ] || for page in $pages; do update "$page"; done
exit $failures
