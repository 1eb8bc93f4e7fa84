#!/usr/bin/env bash
# Installs what the tests need, builds, and runs all of them: with gcc, with clang, under the
# sanitizers and under valgrind. The last line says how many passed.
#
#   tests/run.sh [SUITE...]     SUITE: plain clang asan tsan fuzz valgrind; all of them when none is named
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=tests/support/packages.sh
. tests/support/packages.sh
install_packages "${build_packages[@]}" check libsubunit-dev clang clang-format clang-tidy llvm \
    libclang-rt-14-dev valgrind redis-server rabbitmq-server openssl python3 python3-pip mypy \
    abigail-tools doxygen mandoc lintian

known=(plain clang asan tsan fuzz valgrind)
suites=("$@")
[ $# -gt 0 ] || suites=("${known[@]}")
launcher=()
! command -v ccache >/dev/null || launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
passed=0 failed=0 skipped=0

count() { # REGEX FILE: the number in the last line that matches
    grep -oE "$1" "$2" | tail -n 1 | grep -oE '[0-9]+' | head -n 1 || echo 0
}

run_suite() { # NAME LABELS LEFT_OUT [CMAKE ARGUMENT...]
    local name=$1 labels=$2 left_out=$3 dir=build/$1 log=build/$1.log bad total not_run
    shift 3
    echo "== $name"
    cmake -S . -B "$dir" -DPANICMON_WERROR=ON "${launcher[@]}" "$@" >"$log" 2>&1 &&
        cmake --build "$dir" -j "$(nproc)" >>"$log" 2>&1 || {
        tail -n 60 "$log"
        echo "$name: could not be built"
        failed=$((failed + 1))
        return
    }
    # Many wait for servers most of the time, so one more than there are processors runs at once.
    # A test that fails runs once more, since machines are shared; the first failure is told too.
    ctest --test-dir "$dir" -j "$(($(nproc) + 1))" -L "$labels" -E "$left_out" --repeat until-pass:2 \
        --output-on-failure 2>&1 | tee "$log" | grep -vE '^ +Start ' || true
    total=$(count 'tests failed out of [0-9]+' "$log")
    bad=$(count '[0-9]+ tests failed' "$log")
    not_run=$(grep -cE '\*\*\*Skipped' "$log" || true)
    [ "$total" -gt 0 ] || { echo "$name: no test ran"; bad=1 total=1; }
    passed=$((passed + total - bad - not_run)) failed=$((failed + bad)) skipped=$((skipped + not_run))
}

mkdir -p build
for suite in "${suites[@]}"; do
    case "$suite" in
    plain) run_suite plain . '^$' -DCMAKE_C_COMPILER=gcc -DPANICMON_TIDY=ON ;;
    clang) run_suite clang 'unit|fuzz|headers' '^$' -DCMAKE_C_COMPILER=clang ;;
    asan)
        # The faults are shared out: those of the broker, with threads under load, to the next suite.
        run_suite asan 'unit|integration|fuzz|fault' 'differential|fault_broker$' \
            -DCMAKE_C_COMPILER=gcc -DPANICMON_SANITIZE=address
        ;;
    tsan)
        run_suite tsan 'unit|integration|fault' 'differential|fault_(proxy|redis|security)$' \
            -DCMAKE_C_COMPILER=gcc -DPANICMON_SANITIZE=thread
        ;;
    fuzz) run_suite fuzz search '^$' -DCMAKE_C_COMPILER=clang -DPANICMON_SANITIZE=fuzz -DPANICMON_EXAMPLES=OFF ;;
    valgrind)
        run_suite valgrind unit 'unit[.]exec$' -DCMAKE_C_COMPILER=gcc \
            "-DPANICMON_TEST_LAUNCHER=valgrind;--quiet;--error-exitcode=99;--leak-check=full;--errors-for-leak-kinds=definite;--trace-children=no"
        ;;
    *)
        echo "no suite '$suite': ${known[*]}" >&2
        exit 2
        ;;
    esac
done
grep -hE 'Skipped' build/*.log 2>/dev/null | sed -E 's/^[^:]*: //' | sort -u || true
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
