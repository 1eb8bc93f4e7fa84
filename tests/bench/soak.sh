#!/usr/bin/env bash
# A soak under churn: one in a hundred configs changes every second, connections are cut at random,
# and memory and descriptors of the daemon are read all the while.
#
#   tests/bench/soak.sh --build DIR [-n COUNT] [--minutes M] [--executor NAME]
#
# Prints a line every ten seconds, then the slope of the memory in KiB a minute over the second half.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/soak.py" "$@"
