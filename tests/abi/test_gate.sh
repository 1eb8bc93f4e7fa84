#!/usr/bin/env bash
# test_gate.sh C_COMPILER: the gate itself: tiny libraries that differ in one thing each, of which
# some may pass and others must not.
set -euo pipefail
# shellcheck source=tests/abi/common.sh
. "$(dirname "$0")/common.sh"
cc=$1
command -v abidiff >/dev/null || { echo "no abidiff here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

variant() { # NAME [SED EXPRESSION]...: builds the library changed by the expressions
    local dir=$work/$1 edits=()
    shift
    for edit in "$@"; do edits+=(-e "$edit"); done
    mkdir -p "$dir/include/panicmon"
    sed -e '' "${edits[@]}" "$here/gate/panicmon/panicmon.h" >"$dir/include/panicmon/panicmon.h"
    sed -e '' "${edits[@]}" "$here/gate/gate.c" >"$dir/gate.c"
    "$cc" -shared -fPIC "${debug--g}" -fvisibility=hidden -I "$dir/include" "$dir/gate.c" \
        -Wl,-soname,libgate.so.1 -o "$dir/libgate.so"
}

variant base
layout() { /usr/bin/python3 "$here/headers.py" "$work/$1/include" "$cc" layout; }
layout base >"$work/base.layout"
describe "$work/base/libgate.so" "$work/base.abi"
failed=0
expect() { # pass|fail NAME
    local got=pass
    { compare "$work/base.abi" "$work/$2/libgate.so" "$work/new.abi" &&
        layout "$2" >"$work/new.layout" &&
        compare_layout "$work/base.layout" "$work/new.layout"; } >"$work/report" 2>&1 || got=fail
    [ "$got" = "$1" ] && { echo "ok: $2 ($got)"; return; }
    cat "$work/report"
    echo "FAULT: '$2' should $1"
    failed=1
}

expect pass base
variant 'member appended' 's|/\* appended \*/|int (*more)(void *user);|'
expect pass 'member appended'
variant 'function added' 's|/\* function \*/|API panicmon_err panicmon_added(int x);|' \
    's|/\* body \*/|panicmon_err panicmon_added(int x) { return x ? 0 : PANICMON_ERR_A; }|'
expect pass 'function added'
variant 'value added' 's|/\* value \*/|PANICMON_ERR_C = -3,|'
expect pass 'value added'
variant 'opaque object changed' 's|/\* inside \*/|long more;|'
expect pass 'opaque object changed'

variant 'member inserted' 's|/\* inserted \*/|int (*more)(void *user);|'
expect fail 'member inserted'
variant 'constant changed' 's|PANICMON_FLAG_A = 1|PANICMON_FLAG_A = 2|' # no function mentions it
expect fail 'constant changed'
variant 'members swapped' 's|/\* last \*/.*|int (*stop)(void *user);|' 's|/\* first \*/.*|int (*start)(void *user, int x);|'
expect fail 'members swapped'
variant 'parameter added' 's|panicmon_call(panicmon_thing \*thing|&, int more|'
expect fail 'parameter added'
variant 'parameter changed' 's|, int count|, long count|'
expect fail 'parameter changed'
variant 'result changed' 's|int64_t panicmon_count|int32_t panicmon_count|'
expect fail 'result changed'
variant 'code renumbered' 's|PANICMON_ERR_B = -2|PANICMON_ERR_B = -7|'
expect fail 'code renumbered'
variant 'function removed' 's|.*panicmon_count.*||'
expect fail 'function removed'
debug=-g0 variant 'built without debug information'
expect fail 'built without debug information'
exit $failed
