#!/usr/bin/env bash
# Builds panicmond and monitors the nodes of the given URLs, or a simulated one.
set -euo pipefail

usage() {
    cat <<'END'
usage: examples/quickstart.sh [URL...]

Installs what is missing (Debian packages; as root or through sudo), builds into build/quickstart
and monitors the Substrate nodes at the ws:// or wss:// URLs. Without a URL it starts the node
simulator of this repository and monitors that.

On a terminal the nodes stand in a table, else every message is a line of JSON. Ctrl-C ends it.

  examples/quickstart.sh ws://127.0.0.1:9944
END
}

for argument in "$@"; do
    case $argument in
    -h | --help)
        usage
        exit 0
        ;;
    ws://* | wss://*) ;;
    *)
        echo "quickstart: '$argument' is no ws:// or wss:// URL" >&2
        usage >&2
        exit 2
        ;;
    esac
done

cd "$(dirname "$0")/.."
build=build/quickstart
scratch=$(mktemp -d)
simulator=

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    if [ -n "$simulator" ]; then
        kill "$simulator" 2>/dev/null || true
        wait "$simulator" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap clean_up EXIT

say() { echo "quickstart: $*" >&2; }

# run WHAT COMMAND...: quiet; the whole log when it fails.
run() {
    local what=$1
    shift
    say "$what"
    "$@" >"$scratch/log" 2>&1 && return
    cat "$scratch/log" >&2
    say "failed: $what (the log stands above)"
    exit 1
}

# shellcheck source=tests/support/packages.sh
. tests/support/packages.sh
install_packages "${build_packages[@]}" || exit 1

targets=(panicmond)
[ $# -gt 0 ] || targets+=(panicmon-sim)
run "configuring $build" cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DPANICMON_TESTS=OFF -DPANICMON_EXAMPLES=ON
run "building (the first time takes a minute)" \
    cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}"
panicmond=$build/examples/panicmond/panicmond

urls=("$@")
if [ $# = 0 ]; then
    program=$(find "$build" -name panicmon-sim -type f -perm -u+x | head -n 1)
    # In a process group of its own, so that Ctrl-C leaves it to us.
    : >"$scratch/simulator"
    set -m
    "$program" --listen 127.0.0.1:0 --block-time 3 >"$scratch/simulator" 2>"$scratch/log" &
    simulator=$!
    set +m
    for _ in $(seq 100); do
        url=$(sed -n '1s/^listening on \(ws:[^ ]*\).*/\1/p' "$scratch/simulator")
        if [ -n "$url" ] || ! kill -0 "$simulator" 2>/dev/null; then
            break
        fi
        sleep 0.1
    done
    if [ -z "$url" ]; then
        cat "$scratch/log" >&2
        say "the node simulator did not start"
        exit 1
    fi
    say "no URL was given, so this is a SIMULATION: a made-up chain at $url"
    say "to monitor a real node: examples/quickstart.sh ws://HOST:9944"
    urls=("$url")
fi

nodes=()
for url in "${urls[@]}"; do
    nodes+=(--node "$url")
done
# Ctrl-C reaches panicmond by itself; any other end of this script is passed on to it.
"$panicmond" "${nodes[@]}" &
monitor=$!
trapped=
trap 'trapped=1' INT
trap 'trapped=1; kill -TERM "$monitor" 2>/dev/null' TERM HUP
while :; do
    trapped=
    code=0
    wait "$monitor" || code=$?
    [ -n "$trapped" ] || break # else it was the trap that ended the wait
done
exit "$code"
