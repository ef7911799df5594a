#!/bin/sh
# Arrows point downward in what is linked, too: the objects of a room refer to
# no symbol of a room after it.  Prints TAP; BUILD is where the objects are.
set -u
rooms="base graph loop cpu ops grad tape data train onnx serve"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The objects of a room and its folders: of each source one, or one for each CPU level.
objects() {
    find "src/$1" -name '*.c' | while IFS= read -r file; do
        for object in "$BUILD/${file%.c}".o "$BUILD/${file%.c}".*.o; do
            if [ -f "$object" ]; then echo "$object"; fi
        done
    done
}

for room in $rooms; do
    objects "$room" | xargs nm 2>/dev/null > "$work/nm"
    awk 'NF == 2 && $1 == "U" { print $2 }' "$work/nm" | sort -u > "$work/$room.uses"
    awk 'NF == 3 && $2 ~ /^[BDRT]$/ { print $3 }' "$work/nm" | sort -u > "$work/$room.has"
done
below=
for room in $rooms; do
    if ! [ -s "$work/$room.has" ]; then
        echo "not ok - $room has objects"
        continue
    fi
    above=$(for other in $rooms; do
        case " $below $room " in *" $other "*) ;; *) comm -12 "$work/$room.uses" "$work/$other.has" | sed "s/^/$other: /" ;; esac
    done)
    if [ -z "$above" ]; then echo "ok - $room uses only what lies below it"
    else
        echo "$above" | sed 's/^/# /'
        echo "not ok - $room uses only what lies below it"
    fi
    below="$below $room"
done
echo "1..$(echo "$rooms" | wc -w)"
