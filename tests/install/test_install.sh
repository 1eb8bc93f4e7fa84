#!/usr/bin/env bash
# test_install.sh SOURCE_DIR BUILD_DIR C_COMPILER: installs into an empty folder, moves the result
# elsewhere, and builds and runs the host program of examples/embed against it: through pkg-config
# and through CMake, shared and static, in a clean environment.
set -euo pipefail
source_dir=$1 build_dir=$2 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() {
    echo "-- $*"
}

step "install with DESTDIR"
DESTDIR="$work/stage" cmake --install "$build_dir" --prefix /opt/panicmon >"$work/install.log"
mkdir "$work/moved"
mv "$work/stage/opt/panicmon" "$work/moved/tree" # every file below must be relocatable
prefix=$work/moved/tree
libdir=$(dirname "$(find "$prefix" -name 'libpanicmon.so.1')")

readelf -d "$libdir/libpanicmon.so.1" | grep 'SONAME.*\[libpanicmon.so.1\]' >/dev/null
if grep -rlE "$source_dir|$build_dir|$work/stage" "$libdir/pkgconfig" "$libdir/cmake"; then
    echo "the files above name the folders they were built in"
    exit 1
fi

clean() { # runs a command with little but the package path
    env -i PATH="$PATH" HOME="$work" CC="$cc" PKG_CONFIG_PATH="$libdir/pkgconfig" "$@"
}

check_run() { # runs a built host program and looks at what it printed
    clean LD_LIBRARY_PATH="$libdir" timeout 20 "$1" >"$work/out"
    grep -qF 'hello world' "$work/out"
    grep -qF 'hello moon' "$work/out"
}

for package in panicmon panicmon-static; do
    step "pkg-config $package"
    rm -rf "$work/embed"
    cp -r "$source_dir/examples/embed" "$work/embed"
    clean make -s -C "$work/embed" PACKAGE=$package CC="$cc"
    check_run "$work/embed/embed"
done
readelf -d "$work/embed/embed" | grep 'libpanicmon' >/dev/null && {
    echo "the static program needs libpanicmon.so"
    exit 1
}
flags=$(clean pkg-config --cflags panicmon)
[ "$(wc -w <<<"$flags")" = 1 ] || { echo "users get more than an include path: $flags"; exit 1; }

for static in OFF ON; do
    step "CMake, static $static"
    rm -rf "$work/embed-build"
    clean cmake -S "$source_dir/examples/embed" -B "$work/embed-build" -DEMBED_STATIC=$static \
        -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
    clean cmake --build "$work/embed-build" >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
    check_run "$work/embed-build/embed"
done

for how in make cmake; do
    step "a strategy of one's own, with $how"
    rm -rf "$work/custom"
    cp -r "$source_dir/examples/custom_strategy" "$work/custom"
    if [ $how = make ]; then
        clean make -s -C "$work/custom" CC="$cc"
        program=$work/custom/health_check
    else
        clean cmake -S "$work/custom" -B "$work/custom/build" -DCMAKE_PREFIX_PATH="$prefix" \
            >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
        clean cmake --build "$work/custom/build" >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
        program=$work/custom/build/health_check
    fi
    clean LD_LIBRARY_PATH="$libdir" python3 "$source_dir/tests/install/check_examples.py" "$program"
done
for example in embed/main.c:80 custom_strategy/main.c:110; do
    lines=$(wc -l <"$source_dir/examples/${example%:*}")
    [ "$lines" -lt "${example#*:}" ] || { echo "examples/${example%:*} has $lines lines"; exit 1; }
done

case "$(basename "$cc")" in
*clang*) cxx=clang++ ;;
*) cxx=g++ ;;
esac
if command -v $cxx >/dev/null; then
    step "a C++ program"
    printf '%s\n' '#include <panicmon/panicmon.h>' '#include <cstring>' 'int main() {' \
        '    panicmon_strategy_ops ops = PANICMON_STRATEGY_OPS_INIT;' \
        '    panicmon_registry *registry = nullptr;' \
        '    bool good = panicmon_registry_new(&registry) == PANICMON_OK &&' \
        '        panicmon_registry_add(registry, "x", &ops, nullptr, nullptr) == PANICMON_ERR_INVAL;' \
        '    panicmon_registry_free(registry);' \
        '    return good && std::strlen(panicmon_version()) > 0 ? 0 : 1;' '}' >"$work/main.cpp"
    # shellcheck disable=SC2046
    clean $cxx -std=c++11 -Wall -Wextra -Wpedantic -Werror $(clean pkg-config --cflags panicmon) \
        "$work/main.cpp" -o "$work/main" $(clean pkg-config --libs panicmon)
    clean LD_LIBRARY_PATH="$libdir" "$work/main"
fi
echo "consumers: pkg-config shared and static, CMake shared and static, two examples, C++"
