#!/usr/bin/env bash
# The decoder beside polkadot-js: TOOL, the folder of the sources, and a folder to install into.
# Skipped (77) where node or npm is missing or the packages cannot be had.
set -euo pipefail
tool=$1 sources=$2 folder=$3

skip() {
    echo "skipped: $1"
    exit 77
}
command -v node >/dev/null || skip "there is no node"
command -v npm >/dev/null || skip "there is no npm"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "node is older than 18"

mkdir -p "$folder"
if ! cmp -s "$sources/package.json" "$folder/package.json" || [ ! -e "$folder/installed" ]; then
    cp "$sources/package.json" "$folder/package.json"
    rm -f "$folder/installed"
    if ! (cd "$folder" && timeout 300 npm install --no-audit --no-fund --no-package-lock \
        --fetch-retries=1 --fetch-timeout=60000 --loglevel=error) >"$folder/npm.log" 2>&1; then
        skip "the packages cannot be installed: $(tail -n 1 "$folder/npm.log")"
    fi
    touch "$folder/installed"
fi
exec node "$sources/differential.mjs" "$tool" "$folder" "${SEED:-1}"
