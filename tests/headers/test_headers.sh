#!/usr/bin/env bash
# test_headers.sh INCLUDE_DIR C_COMPILER: each public header alone, twice, in five languages, with
# warnings as errors.
set -euo pipefail
include=$1 cc=$2
case "$(basename "$cc")" in
*clang*) cxx=clang++ ;;
*) cxx=g++ ;;
esac
command -v "$cxx" >/dev/null || { echo "no $cxx here"; exit 77; }
flags=(-I"$include" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only)
failed=0
for header in "$include"/panicmon/*.h; do
    name=panicmon/$(basename "$header")
    for language in c99 c11 c17 c++11 c++20; do
        case "$language" in
        c++*) compile=("$cxx" -x c++) ;;
        *) compile=("$cc" -x c -Wstrict-prototypes) ;;
        esac
        printf '#include <%s>\n#include <%s>\nextern int main_is_elsewhere;\n' "$name" "$name" |
            "${compile[@]}" -std="$language" "${flags[@]}" - || {
            echo "<$name> does not compile alone as $language"
            failed=1
        }
    done
done
exit "$failed"
