#!/usr/bin/env bash
# Every C file is as clang-format makes it.
set -euo pipefail
cd "$1"
command -v clang-format >/dev/null || { echo "no clang-format here"; exit 77; }
find include lib examples tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
