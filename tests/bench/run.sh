#!/usr/bin/env bash
# Measures every executor, and a daemon per monitorable, beside the floor: CPU per round, memory,
# threads, descriptors, context switches, schedule lag, and what the broker pays.
#
#   tests/bench/run.sh [--quick] [--update] [--build DIR] [--out DIR] [--approach NAME]... [-n N]...
#                      [--kind node|validator]... [--tls no|too|only] [--period S] [--window S]
#                      [--floor-tick MS] [--set SETTING=VALUE]... [--no-broker]
#
# Writes results.csv, RESULTS.md and plots to the folder --out, anew after each row, so that a run
# that is cut short is not lost. Takes about 40 minutes, --quick about nine. --update puts them in the
# place of those in tests/bench when the run was whole. Nothing else should run on the machine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build='' out='' update=false rest=()
while [ $# -gt 0 ]; do
    case "$1" in
    --build) build=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    --update) update=true && shift ;;
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
rm -f "$out"/{results.csv,RESULTS.md} "$out"/*.svg
status=0
python3 -u "$here/bench.py" --build "$(cd "$build" && pwd)" --out "$out" ${rest[@]+"${rest[@]}"} || status=$?
if $update && [ "$status" -eq 0 ]; then
    cp "$out"/results.csv "$out"/RESULTS.md "$out"/*.svg "$here"
fi
exit "$status"
