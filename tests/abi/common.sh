# shellcheck shell=bash
# common.sh: how the ABI of the library is described and compared. Sourced.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # used by who sources this
root=$(cd "$here/../.." && pwd)
# shellcheck disable=SC2034
baseline=$here/libpanicmon.so.1.abi

describe() { # LIBRARY OUT: the public ABI of a library, from its debug information
    abidw --exported-interfaces-only --no-elf-needed --no-show-locs --no-corpus-path \
        --no-comp-dir-path --no-parameter-names --type-id-style hash --out-file "$2.whole" "$1" &&
        /usr/bin/python3 "$here/public.py" "$2.whole" "$2" && rm "$2.whole"
}

has_debug_info() { # LIBRARY: without it any two libraries look alike to abidiff
    readelf -S --wide "$1" | grep '\.debug_info' >/dev/null
}

# Additions are left out, and members at the end of an ops table, and new values of an enum; whatever
# else is reported, with whatever exit code, is a break. abidiff's own verdict "incompatible" is too
# mild: it lets through a member inserted in the middle or a changed parameter.
compare() { # BASELINE LIBRARY SCRATCH_FILE: 0 when nothing that a user relies on has changed
    has_debug_info "$2" || { echo "$2 has no debug information"; return 1; }
    describe "$2" "$3" && abidiff --suppressions "$here/panicmon.suppr" --no-added-syms "$1" "$3"
}

symbols() { # LIBRARY: what it exports
    nm -D --defined-only "$1" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | LC_ALL=C sort
}

in_map() { # MAP: what its nodes list as global
    sed 's/#.*//' "$1" | tr -d ' ' | awk '/local:/ {on = 0} on {sub(/;.*/, ""); if ($0) print}
        /global:/ {on = 1}' | LC_ALL=C sort
}

# abidiff calls two members that changed places harmless, and never sees constants that no function
# mentions. Sizes of ops tables grow; all other numbers stay.
compare_layout() { # OLD NEW: whether everything in the old layout is in the new one too
    local changed
    changed=$(grep -vE '^sizeof panicmon_[a-z_]*_ops [0-9]+$' "$1" | grep -vxFf "$2" || true)
    [ -s "$1" ] && [ -z "$changed" ] || { echo "changed or gone: $changed"; return 1; }
}
