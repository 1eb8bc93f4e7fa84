#!/usr/bin/env bash
# test_abi.sh LIBRARY C_COMPILER: the library has the ABI of the baseline, additions aside, and
# exports what its version script and its headers name: no more, no less.
set -euo pipefail
# shellcheck source=tests/abi/common.sh
. "$(dirname "$0")/common.sh"
library=$1 cc=$2
failed=0
fault() { echo "FAULT: $*"; failed=1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

# The name, and what it needs of other libraries.
soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libpanicmon.so.1 ] || fault "SONAME is '$soname'"
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux' | sort >"$work/needed"
sort "$here/needed.txt" | grep -v '^#' >"$work/known"
diff "$work/known" "$work/needed" || fault "NEEDED differs from tests/abi/needed.txt (< listed, > library)"
readelf -d "$library" | grep -E '\((RPATH|RUNPATH)\)' >/dev/null && fault "it has a run path"
readelf -d "$library" | grep 'BIND_NOW' >/dev/null || fault "not linked with -z now"
readelf -d "$library" | grep 'NODELETE' >/dev/null || fault "not linked with -z nodelete"
readelf -l --wide "$library" | grep 'GNU_RELRO' >/dev/null || fault "not linked with -z relro"
readelf -l --wide "$library" | grep -E 'GNU_STACK.*RWE' >/dev/null && fault "it has an executable stack"

# Exported symbols = version script = headers.
symbols "$library" >"$work/exported"
in_map "$root/lib/libpanicmon.map" >"$work/map"
/usr/bin/python3 "$here/headers.py" "$root/include" "$cc" functions | sort >"$work/headers"
[ "$(wc -l <"$work/headers")" -gt 50 ] || fault "the headers could not be read"
diff "$work/headers" "$work/map" ||
    fault "lib/libpanicmon.map differs from the headers (< headers, > map): run tests/abi/update.sh"
diff "$work/headers" "$work/exported" || fault "symbols differ from the headers (< headers, > library)"

# Sizes, offsets and constants only ever grow in number.
/usr/bin/python3 "$here/headers.py" "$root/include" "$cc" layout >"$work/layout"
compare_layout "$here/layout-1.0.txt" "$work/layout" || fault "the layout of 1.0 has changed"

command -v abidiff >/dev/null || { [ $failed = 1 ] && exit 1; echo "no abidiff here"; exit 77; }
compare "$baseline" "$library" "$work/new.abi" || fault "the ABI has changed (exit code $?)"
exit $failed
