#!/usr/bin/env bash
# sim_compare.sh FOLDER: the simulator against the reference server for frozen states, answer by
# answer. Needs node, the states ($PANICMON_SHARED), and npm's `ws`, which is installed into FOLDER
# unless $PANICMON_NODE_MODULES has it; skipped (77) without them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) folder=$1
skip() { echo "skipped: $1"; exit 77; }

[ -n "${PANICMON_SIM:-}" ] || skip "PANICMON_SIM does not name the simulator"
command -v node >/dev/null || skip "there is no node"
server=${PANICMON_SHARED:-}/../substrate-peers/staticpeer.mjs
[ -f "$server" ] || skip "the reference server is not here (PANICMON_SHARED)"
modules=${PANICMON_NODE_MODULES:-$folder/node_modules}
if [ ! -d "$modules/ws" ]; then
    command -v npm >/dev/null || skip "there is no ws in $modules, and no npm"
    mkdir -p "$folder"
    echo '{"private": true, "dependencies": {"ws": "8.18.0"}}' >"$folder/package.json"
    (cd "$folder" && timeout 120 npm install --no-audit --no-fund --no-package-lock \
        --fetch-retries=1 --fetch-timeout=30000 --loglevel=error) >"$folder/npm.log" 2>&1 ||
        skip "ws cannot be installed: $(tail -n 1 "$folder/npm.log")"
    modules=$folder/node_modules
fi

work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
ln -s "$modules" "$work/node_modules"
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
