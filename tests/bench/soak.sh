#!/usr/bin/env bash
# A soak under churn: one in a hundred configs changes every second (is renamed, taken out or put
# back), connections to nodes are cut at random (by a reset, without a word, with a close frame), and
# memory, descriptors and figures of the daemon are read all the while.
#
#   tests/bench/soak.sh [--build DIR] [-n COUNT] [--minutes M] [--cuts PER_SECOND] [--period S]
#                       [--changes PER_SECOND] [--executor NAME] [--broker] [--asan | --valgrind]
#                       [--leak BYTES] [--report FILE]
#
# Of the monitors two thirds run at any time. The heap in use may not be more in the last third of
# the run than in the second by more than its noise; the first third does not count, so that what
# fills up once has filled up. --leak loses so many bytes for each change, to show that a run of that
# length finds it: its status must be 1.
# --broker publishes to a RabbitMQ of its own and counts what comes there. --asan makes a build with
# AddressSanitizer when none is given; with it and with --valgrind the daemon must end without a leak.
# Prints a line every ten seconds and at the end what was found; its status is 0 when all is well.
# What it found goes to --report too: RESULTS.md takes in the files tests/bench/soak/*.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build='' sanitize='' rest=()
while [ $# -gt 0 ]; do
    case "$1" in
    --build) build=$2 && shift 2 ;;
    --asan) sanitize=address && rest+=("$1") && shift ;;
    *) rest+=("$1") && shift ;;
    esac
done
if [ -z "$build" ]; then
    build=$here/../../build/soak${sanitize:+-$sanitize}
    cmake -S "$here/../.." -B "$build" -DPANICMON_SANITIZE="$sanitize" >/dev/null
    cmake --build "$build" -j "$(nproc)" --target panicmond panicmon-sim bench-broker heapwatch >/dev/null
fi
exec python3 "$here/soak.py" --build "$(cd "$build" && pwd)" ${rest[@]+"${rest[@]}"}
