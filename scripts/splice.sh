#!/bin/sh
# splice.sh PAGE NAME FILE [NAME FILE ..]: what stands in PAGE between the lines
# "<!-- NAME:begin -->" and "<!-- NAME:end -->" becomes what is in FILE; where
# there is no FILE it stays.  Called by `make docs`.
set -eu
page=$1
shift
while [ $# -gt 1 ]; do
    [ ! -f "$2" ] || awk -v name="$1" -v file="$2" '
        $0 == "<!-- " name ":end -->" { inside = 0 }
        !inside { print }
        $0 == "<!-- " name ":begin -->" { inside = 1; while ((getline line < file) > 0) print line }' "$page" > "$page.new"
    [ ! -f "$2" ] || { cat "$page.new" > "$page" && rm "$page.new"; }
    shift 2
done
