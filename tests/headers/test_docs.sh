#!/usr/bin/env bash
# test_docs.sh SOURCE_DIR BUILD_DIR SETTINGS_DOC: every public symbol is documented (Doxygen, warnings
# as errors), the manual pages are clean, and what they say of settings is what the library says.
set -euo pipefail
source=$1 build=$2 settings_doc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 skipped=
fault() { echo "FAULT: $*"; failed=1; }

# The list of settings in panicmond.conf(5) is the one of the library, word for word.
conf=$source/examples/panicmond/panicmond.conf.5
"$settings_doc" list >"$work/list"
[ "$(grep -c '^\.It Va' "$work/list")" -gt 20 ] || fault "the library tells of too few settings"
"$settings_doc" page >"$work/page"
grep -qF '| `broker.url` |' "$work/page" || fault "the page of settings lacks some"
sed -n '/^\.It Va /,/^\.El/p' "$conf" | sed '/^\.El/,$d' >"$work/written"
diff "$work/written" "$work/list" ||
    fault "panicmond.conf.5 differs from 'settings_doc list' (< manual, > library)"

# Each member of a config that the built-in strategies read is explained.
keys=$(sed -nE 's/.*\{"([a-z_]+)",.*/\1/p; s/.*config_(text|flag)\(config, "([a-z_]+)".*/\2/p' \
    "$source"/lib/substrate/{sources,network_config}.c | sort -u)
[ "$(wc -l <<<"$keys")" -gt 9 ] || fault "members of configs were not found"
for key in $keys; do
    grep -qE "^\.It Li (.* )?$key( |$)" "$conf" || fault "panicmond.conf.5: no member $key of a config"
done

# Each header and each function has a place in a page for people.
for header in "$source"/include/panicmon/*.h; do
    name=panicmon/$(basename "$header")
    case "$name" in panicmon/export.h | panicmon/panicmon.h | panicmon/version.h) continue ;; esac
    grep -q "^\.It In $name" "$source/pkgconfig/libpanicmon.3" || fault "libpanicmon.3 lacks <$name>"
done
for function in $(grep -oE '\bpanicmon_[a-z0-9_]+\b' "$source/pkgconfig/libpanicmon.3" | sort -u); do
    grep -rqw "$function" "$source/include/panicmon"/*.h || fault "libpanicmon.3: no $function"
done

# Every figure of the library is explained.
"$settings_doc" figures >"$work/figures"
[ "$(wc -l <"$work/figures")" -gt 20 ] || fault "the library tells of too few figures"
while read -r figure; do
    grep -qF "\`$figure\`" "$source/include/panicmon/concepts.dox" || fault "concepts.dox: no figure $figure"
done <"$work/figures"

# README names every package that a build takes.
# shellcheck source=tests/support/packages.sh
. "$source/tests/support/packages.sh"
for package in "${build_packages[@]}"; do
    grep -qwF -- "$package" "$source/README.md" || fault "README.md does not say that $package is needed"
done

if command -v mandoc >/dev/null; then
    mkdir -p "$work/man/man1" "$work/man/man3" "$work/man/man5" "$work/man/man8"
    cp "$source/examples/scale/panicmon-scale.1" "$work/man/man1"
    cp "$source/pkgconfig/libpanicmon.3" "$work/man/man3"
    cp "$source/examples/panicmond/panicmond.conf.5" "$work/man/man5"
    cp "$source/examples/panicmond/panicmond.8" "$work/man/man8"
    for page in "$work"/man/*/*; do # references to pages that this machine lacks are none of ours
        mandoc -Tlint -Wstyle "$page" >"$work/lint" 2>&1 || true
        ! grep -vE 'referenced manual not found|mandoc\.db|unknown library name' "$work/lint" ||
            fault "$(basename "$page") is not clean"
    done
else
    skipped=mandoc
fi

if command -v doxygen >/dev/null; then
    mkdir -p "$work/docs"
    "$settings_doc" page >"$work/docs/settings.dox"
    sed "s|^OUTPUT_DIRECTORY .*|OUTPUT_DIRECTORY = $work/docs|
         s|[^ ]*/docs/settings.dox|$work/docs/settings.dox|" "$build/pkgconfig/Doxyfile" >"$work/Doxyfile"
    doxygen "$work/Doxyfile" >"$work/log" 2>&1 || { cat "$work/log"; fault "Doxygen complains"; }
    /usr/bin/python3 "$source/tests/abi/headers.py" "$source/include" cc functions >"$work/functions"
    while read -r function; do
        grep -rq "<name>$function</name>" "$work/docs/xml" || fault "$function is in no page"
    done <"$work/functions"
    for page in model threads memory abi broker settings figures errors; do
        [ -f "$work/docs/html/$page.html" ] || fault "no page '$page'"
    done
else
    skipped="$skipped doxygen"
fi
[ $failed = 0 ] || exit 1
[ -z "$skipped" ] || { echo "not here: $skipped"; exit 77; }
