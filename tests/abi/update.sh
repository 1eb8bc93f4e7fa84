#!/usr/bin/env bash
# update.sh BUILD_DIR [C_COMPILER]: makes everything that tests/abi compares with from the present
# headers and library: the version script, the baseline of the ABI, the frozen headers and the table
# of constants. For additions during the work on a release; what a release has shipped stays:
# functions of a later one go into a node of their own in lib/libpanicmon.map.
set -euo pipefail
# shellcheck source=tests/abi/common.sh
. "$(dirname "$0")/common.sh"
build=$1 cc=${2:-gcc}
python=/usr/bin/python3
headers() { "$python" "$here/headers.py" "$root/include" "$cc" "$1"; }

map=$root/lib/libpanicmon.map
{
    echo "# What the library exports, a node per minor release. tests/abi/update.sh writes it."
    echo "PANICMON_1.0 {"
    echo "    global:"
    headers functions | sed 's/.*/        &;/'
    printf '    local:\n        *;\n};\n'
} >"$map.new"
mv "$map.new" "$map"
headers frozen >"$here/panicmon-1.0.h"
headers layout >"$here/layout-1.0.txt"

cmake --build "$build" --target panicmon >/dev/null
library=$build/lib/libpanicmon.so.1
has_debug_info "$library" || { echo "build with debug information"; exit 1; }
describe "$library" "$baseline"
echo "$(headers functions | wc -l) functions, $(wc -l <"$here/layout-1.0.txt") sizes, offsets and constants"
