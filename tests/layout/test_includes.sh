#!/usr/bin/env bash
# Holds the #include lines of the tree against its layout. Arrows between the rooms of lib/ point
# down only; a dependency is included by one file; public headers stand on nothing but themselves.
set -euo pipefail
cd "$1"
faults=0

fault() {
    echo "$*"
    faults=$((faults + 1))
}

# room: the rooms it may include from, besides the public headers
declare -A below=(
    [base]="base"
    [net]="net base"
    [exec]="exec net base"
    [core]="core exec net base"
    [manager]="manager core exec net base"
    [substrate]="substrate base"
    [strategies]="strategies base"
)
rooms=0
for file in lib/*/*.[ch]; do
    room=${file#lib/}
    room=${room%%/*}
    rooms=$((rooms + 1))
    [ -n "${below[$room]:-}" ] || fault "$file: lib/$room is not a room of the layout"
    while read -r included; do
        case " ${below[$room]:-} " in
        *" ${included%%/*} "*) ;;
        *) fault "$file includes $included, which lib/$room must not know" ;;
        esac
        [ -f "lib/$included" ] || fault "$file includes $included, which is no file below lib/"
    done < <(sed -nE 's/^#include "([^"]+)".*/\1/p' "$file")
done
[ "$rooms" -gt 20 ] || fault "only $rooms files below lib/: is this the right folder?"

# dependency: what its headers look like, and who may include them
while read -r pattern owner; do
    while read -r file; do
        [ "$file" = "$owner" ] || fault "$file includes <$pattern>, which belongs to $owner"
    done < <(grep -lE "^#include <$pattern" lib/*/*.[ch] || true)
    grep -qE "^#include <$pattern" "$owner" || fault "$owner does not include <$pattern> any more"
done <<'TABLE'
(amqp|rabbitmq-c/) lib/net/amqp.c
curl/ lib/net/http.c
hiredis/ lib/net/redis.c
libwebsockets lib/net/ws.c
ev.h lib/net/ev.c
openssl/ lib/net/tls.c
jansson lib/base/settings_load.c
xxhash lib/substrate/hash.c
blake2 lib/substrate/hash.c
TABLE

# The daemon is a program like any other: public headers, and each dependency in one file.
while read -r file included; do
    case "$included" in
    panicmon/*.h) ;;
    jansson.h) [ "$file" = examples/panicmond/document.c ] || fault "$file includes <$included>" ;;
    microhttpd.h) [ "$file" = examples/panicmond/server.c ] || fault "$file includes <$included>" ;;
    *rabbitmq* | amqp* | hiredis* | libwebsockets* | openssl/*) fault "$file includes <$included>" ;;
    esac
done < <(grep -oE '^#include <[^>]+>' examples/panicmond/*.[ch] |
    sed -E 's/:#include <([^>]+)>/ \1/')

for file in include/panicmon/*.h; do
    while read -r included; do
        case "$included" in
        panicmon/*.h | stddef.h | stdint.h) ;;
        *) fault "$file includes <$included>: public headers stand on <panicmon/...> alone" ;;
        esac
    done < <(sed -nE 's/^#include [<"]([^>"]+)[>"].*/\1/p' "$file")
    if grep -nE '(^|[^a-z_])(bool|time_t|off_t|_Bool)[^a-z_]' "$file" | grep -vE '^\S*[0-9]+:\s*\*|/\*'; then
        fault "$file: a type that has no place in the ABI"
    fi
done

for entry in *; do
    case "$entry" in
    CMakeLists.txt | lib | include | examples | tests | pkgconfig | bindings | CHANGELOG.md | \
        README.md | LICENSE | build | install) ;;
    *) fault "$entry: no such name in the layout of the top level" ;;
    esac
done

if [ "$faults" -gt 0 ]; then
    echo "$faults faults"
    exit 1
fi
