#!/usr/bin/env bash
# The simulator against the reference server for frozen states, answer by answer. Needs node, npm's
# `ws` in $PANICMON_NODE_MODULES, and the states ($PANICMON_SHARED); skipped (77) without them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $1"; exit 77; }

[ -n "${PANICMON_SIM:-}" ] || skip "PANICMON_SIM does not name the simulator"
command -v node >/dev/null || skip "there is no node"
[ -d "${PANICMON_NODE_MODULES:-}/ws" ] || skip "PANICMON_NODE_MODULES holds no ws"
server=${PANICMON_SHARED:-}/../substrate-peers/staticpeer.mjs
[ -f "$server" ] || skip "the reference server is not here (PANICMON_SHARED)"

work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
ln -s "$PANICMON_NODE_MODULES" "$work/node_modules"
cp "$server" "$here/sim_compare.mjs" "$work"

for state in "$PANICMON_SHARED"/states/*.json.gz; do
    port=$((20000 + RANDOM % 10000))
    node "$work/staticpeer.mjs" "$state" $port >"$work/peer" 2>&1 &
    pids=($!)
    "$PANICMON_SIM" --listen 127.0.0.1:0 --state "$state" >"$work/sim" &
    pids+=($!)
    for _ in $(seq 300); do
        grep -q on "$work/peer" && grep -q on "$work/sim" && break
        sleep 0.1
    done
    timeout 120 node "$work/sim_compare.mjs" $port "$(sed -n '1s/.*://p' "$work/sim")" "$state"
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null || true
done
