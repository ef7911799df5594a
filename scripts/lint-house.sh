#!/bin/sh
# The rules of the house that a compiler does not know.  Prints what breaks
# one, as file:line: text; silent if nothing does.
set -u
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# Arrows point downward only: which rooms of src/ a room may include, and which
# public headers it may know.  A folder in a room has a row of its own, or that of
# the room; who may include a room may include its folders.  What is not here is not allowed.
rooms() {
    cat <<'END'
base  | base                               |
graph | graph base                         | graph graph_op
loop  | loop graph base                    | graph graph_op
cpu   | cpu loop graph base ops/*.def      | graph graph_op
ops   | ops cpu loop graph                 | graph graph_op
grad  | grad ops graph                     | graph graph_op
tape  | tape grad ops cpu loop graph base  | graph graph_op
cuda  | cuda tape ops cpu loop graph base  | graph graph_op
data  | data tape graph base               | graph data
data/csv          | data/csv data/io_impl.h graph base              | graph data
data/numpy        | data/numpy data/io_impl.h graph base            | graph data
train | train data grad cpu graph base     | graph graph_op train data
train/safetensors | train/safetensors data graph base               | graph train data
onnx/proto        | onnx/proto data graph base                      | graph data onnx
onnx/form         | onnx/form base                                  | graph_op
onnx/export       | onnx/export onnx/form onnx/proto data graph base | graph graph_op onnx data
onnx/import       | onnx/import onnx/proto graph base               | graph graph_op data onnx
onnx/import/rows/shapes | onnx/import/import.h onnx/import/import_impl.h onnx/import/rows/shapes | graph graph_op onnx
onnx/import/rows/values | onnx/import/import.h onnx/import/import_impl.h onnx/import/rows        | graph graph_op onnx
serve | serve base                         | graph graph_op data onnx
serve/model       | serve/model base                                | graph graph_op data onnx
END
}

sources() { find src include examples tools tests bench -name '*.[ch]' -o -name '*.def' -o -name '*.cc' 2> /dev/null | sort; }

# The text of a C file with its comments and strings blanked, "file:line: " before each line.
bare() {
    awk '{
        line = $0
        out = ""
        while (line != "") {
            if (inside) {
                i = index(line, "*/")
                if (!i) break
                line = substr(line, i + 2)
                inside = 0
            } else if (match(line, /"([^"\\]|\\.)*"|\/\*/)) {
                out = out substr(line, 1, RSTART - 1)
                if (substr(line, RSTART, 2) == "/*") inside = 1
                else out = out "\"\""
                line = substr(line, RSTART + RLENGTH)
            } else { out = out line; break }
        }
        printf "%s:%d: %s\n", FILENAME, FNR, out
    }' "$1"
}

# The row of a folder below src/: its own, or that of the folder it is in.
row_of() {
    folder=$1
    while ! rooms | grep "^$folder  *|"; do
        case $folder in */*) folder=${folder%/*} ;; *) return 1 ;; esac
    done
}

includes_point_down() {
    find src -type f -name '*.[ch]' -printf '%h\n' | sort -u | while IFS= read -r path; do
        row=$(row_of "${path#src/}") || { echo "$path: a room without a row in scripts/lint-house.sh"; continue; }
        down=$(echo "$row" | cut -d'|' -f2) public=$(echo "$row" | cut -d'|' -f3)
        grep -Hn '^ *#include "' "$path"/*.[ch] 2> /dev/null | while IFS= read -r line; do
            target=$(echo "$line" | sed 's/.*"\(.*\)".*/\1/')
            [ "$target" = "${target#*/}" ] && [ -f "$path/$target" ] && continue
            for allowed in $(set -f; echo $down); do
                # shellcheck disable=SC2254  # a pattern
                case $target in $allowed | "$allowed"/*) continue 2 ;; esac
            done
            echo "$line: $path may not include this"
        done
        grep -Hn '^ *#include <wengert/' "$path"/*.[ch] 2> /dev/null | while IFS= read -r line; do
            header=$(echo "$line" | sed 's/.*<wengert\/\(.*\)\.h>.*/\1/')
            case " $public " in *" $header "*) ;; *) echo "$line: $path may not know this header" ;; esac
        done
    done
}

# A folder has at most fifteen files, beside its folders: more are two rooms.
folders_are_small() {
    find src include examples tools tests bench scripts -type f -not -path '*.corpus/*' -printf '%h\n' | sort | uniq -c |
        awk '$1 > 15 { print $2 ": " $1 " files, over 15: perhaps two rooms" }'
}

# A file name means one thing below src/: what is in two rooms has two names.  Only a family of
# operators has the same name in each room that computes it: ops, cpu/kernels, cuda/kernels.
names_are_one() {
    find src -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' | sort | awk -F/ '
        {
            stem = $NF
            sub(/\.[a-z]+$/, "", stem)
            room = $0
            sub(/\/[^\/]*$/, "", room)
            if (room ~ /^src\/(ops|(cpu|cuda)\/kernels)(\/|$)/) room = "a room of operators"
        }
        (stem in where) && where[stem] != room { print $0 ": " stem " is also the name of a file in " where[stem] }
        { where[stem] = room }'
}

# The library never ends the process and never prints: it returns.  errno is
# read only where the system is called.
library_is_quiet() {
    find src -name '*.[ch]' -o -name '*.def' | sort | while IFS= read -r file; do
        bare "$file" | grep -E '(^|[^a-zA-Z0-9_.>])(printf|puts|putchar|perror|abort|exit|_exit|quick_exit|assert) *\(|std(err|out)'
        case $file in src/base/system/calls.h | src/data/*.c | src/cpu/pool.c | src/onnx/proto/outside.c | src/serve/*.c) ;; *) bare "$file" | grep -w errno ;; esac
    done
}

files_are_short() {
    sources | xargs wc -l | awk '$2 != "total" && $1 > 500 { print $2 ": " $1 " lines, over 500: perhaps two files" }'
}

lines_are_short() { # but a row of a table is one line
    sources | grep -v '\.def$' | xargs awk 'length > 120 { print FILENAME ":" FNR ": " length " columns, over 120" }'
}

# A paragraph of declarations in a public header has a comment above or in it.
headers_explain() {
    for header in include/*.h; do
        awk '
            function done() { if (first && !comment) print FILENAME ":" first ": declared without a word of comment"; first = comment = 0 }
            /^[ \t]*$/ { done() }
            /\/\*|\*\// { comment = 1 }
            /^WG_API .*\(/ && !first { first = FNR }
            END { done() }' "$header"
    done
}

# A struct that several files share has one definition, so that its name means one thing.
shared_structs_are_one() {
    grep -rnoE '^ *struct wg__[a-z0-9_]+ \{' src --include='*.[ch]' --include='*.cu' --include='*.cuh' |
        sed -E 's/^([^:]+:[0-9]+): *struct (wg__[a-z0-9_]+) \{/\2 \1/' | sort |
        awk '$1 == last { print $2 ": struct " $1 " is also at " where } { last = $1; where = $2 }'
}

# The comment of a function begins with a verb of scripts/verbs.txt, or with a formula in lower case.
comments_begin_with_a_verb() {
    find src include examples tools bench -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' | sort | xargs awk '
        FILENAME == "scripts/verbs.txt" { verb[$1] = 1; next }
        FNR == 1 { text = ""; open = 0 }
        open { text = text " " $0; if (index($0, "*/")) { open = 0; ended = FNR } next }
        /^\/\*/ && !/^\/\* ----/ {
            text = $0
            start = ended = FNR
            open = !index($0, "*/")
            next
        }
        text && ended == FNR - 1 && /^[a-zA-Z_][^=#]*\(/ && !/^typedef|^struct .*\{$/ && text !~ /\*\/[ \t]*[^ \t]/ {
            word = text
            sub(/^\/\*+[ \t]*/, "", word)
            sub(/[^A-Za-z].*/, "", word)
            if (word ~ /^[A-Z]/ && !(word in verb)) print FILENAME ":" start ": " word ": the comment of a function begins with a verb"
        }
        { text = "" }' scripts/verbs.txt
}

# No const is cast away, by way of an integer either (gcc's -Wcast-qual sees the rest): but what an old libmicrohttpd
# gives as const is its own buffer, in which a line has to be mended (src/serve/http/refusal.c).
const_is_true() {
    grep -rnE '\*\) *\(uintptr_t\)' src examples tools --include='*.[ch]' | grep -v '^src/serve/http/http.c:.*wg__refusal_prevent'
}

# A comma hides no second action: `return x = y, 0;` and `a = 1, b = 2;` are two statements.  To report and leave in
# one, `return wg__fail(..), NULL;`, is fine, and so are declarations and the head of a for.
commas_hide_nothing() {
    find src examples tools -name '*.[ch]' | sort | while IFS= read -r file; do
        bare "$file" | grep -E \
            -e ': *(.*[);:}] )?(else )?return [^(;=!<>]*(\[[^]]*\])?[^(;=!<>]* [-+*/|&^]?= [^;]*, [^;(]*;' \
            -e '(: *|\) |else )[a-z_]+((->|\.)[a-z_]+|\[[^]]*\])* *(\+\+|--|[-+*/|&^]?= [^;]*), *[a-z_*-]+((->|\.)[a-z_]+|\[[^]]*\])* *(\+\+|--|[-+*/|&^]?= )' |
            grep -v 'for ('
    done
}

# Spelling of the tree: no tabs, no blanks at a line'"'"'s end.
blanks_are_clean() {
    sources | xargs grep -nE '	| +$'
}

for rule in includes_point_down folders_are_small names_are_one library_is_quiet files_are_short lines_are_short headers_explain shared_structs_are_one comments_begin_with_a_verb const_is_true commas_hide_nothing blanks_are_clean; do
    $rule >> "$found"
done
cat "$found"
[ ! -s "$found" ]
