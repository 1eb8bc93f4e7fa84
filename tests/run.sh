#!/usr/bin/env bash
# Installs what the tests need, builds, runs all of them. The last line says how many passed.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(build-essential cmake pkg-config librabbitmq-dev libhiredis-dev libwebsockets-dev
          libjansson-dev libssl-dev zlib1g-dev libxxhash-dev libb2-dev check libsubunit-dev
          redis-server rabbitmq-server)
missing=()
for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing: ${missing[*]}"
    sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

passed=0 failed=0
run_suite() { # name, cmake arguments...
    local dir=build/$1 report
    shift
    echo "== $dir"
    cmake -S . -B "$dir" -DPANICMON_WERROR=ON "$@" >/dev/null
    cmake --build "$dir" -j "$(nproc)" | grep -E 'error|warning|Error' || true
    cmake --build "$dir" >/dev/null
    report=$(ctest --test-dir "$dir" -j "$(nproc)" --output-on-failure 2>&1) || true
    echo "$report" | tail -n 30
    local total bad
    total=$(grep -oE 'tests failed out of [0-9]+' <<<"$report" | grep -oE '[0-9]+$')
    bad=$(grep -oE '[0-9]+ tests failed' <<<"$report" | grep -oE '^[0-9]+')
    passed=$((passed + total - bad)) failed=$((failed + bad))
}

run_suite plain
run_suite asan -DPANICMON_SANITIZE=address
run_suite tsan -DPANICMON_SANITIZE=thread
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
