#!/usr/bin/env bash
# Measures every executor, and a daemon per monitorable, beside the floor: CPU per round, memory,
# threads, descriptors, context switches, schedule lag, and what the broker pays.
#
#   tests/bench/run.sh [--quick] [--build DIR] [--out DIR] [--approach NAME]... [-n COUNT]...
#                      [--kind node|validator]... [--period S] [--window S] [--set SETTING=VALUE]...
#
# Writes results.csv, results.md and two plots (cpu.svg, memory.svg) to the folder --out. Takes about
# half an hour, --quick about eight minutes. Nothing else should run on the machine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build='' out='' rest=()
while [ $# -gt 0 ]; do
    case "$1" in
    --build) build=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    *) rest+=("$1") && shift ;;
    esac
done
if [ -z "$build" ]; then
    build=$here/../../build/bench
    cmake -S "$here/../.." -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null
    cmake --build "$build" -j "$(nproc)" --target panicmond panicmon-sim bench-floor bench-broker >/dev/null
fi
out=${out:-$build/bench-results}
mkdir -p "$out"
status=0
python3 "$here/bench.py" --build "$(cd "$build" && pwd)" --out "$out" "${rest[@]}" || status=$?
[ ! -s "$out/results.csv" ] || python3 "$here/plot.py" "$out/results.csv" "$out"
exit "$status"
