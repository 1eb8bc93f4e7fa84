# shellcheck shell=bash
# page_common.sh: what the tests of the status page share. To be sourced by bash, with the program
# page-feed as the first argument.
set -uo pipefail

panicmond=${PANICMOND:-}
feed=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ! command -v python3 >/dev/null; then
    echo "skipped: needs python3"
    exit 77
fi
dir=$(mktemp -d)
cd "$dir" || exit 1
factor=${CK_TIMEOUT_MULTIPLIER:-1}
children=()
failures=0

clean_up() {
    for pid in "${children[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$dir"
}
trap clean_up EXIT

check() { # WHAT COMMAND...
    local what=$1
    shift
    if ! "$@"; then
        failures=$((failures + 1))
        echo "NOT OK: $what: $*"
        [ ! -s err ] || tail -n 5 err
    fi
}
is() { [ "$1" = "$2" ]; }
has() { grep -q -- "$2" "$1"; }
within() { # SECONDS COMMAND...
    local tries=$(($1 * 20 * factor))
    shift
    for ((; tries > 0; tries--)); do
        "$@" && return
        sleep 0.05
    done
    return 1
}
fetch() { # URL: the body; fails unless it is 200
    python3 -c 'import sys, urllib.request as r
sys.stdout.buffer.write(r.urlopen(sys.argv[1], timeout=30).read())' "$1" 2>/dev/null
}
address_in() { sed -n 's/.*status page at \(http:[^ ]*[0-9]\).*/\1/p' "$1" | head -n 1; }
is_ready() { fetch "$1/readyz" >/dev/null; }

start() { # ARGUMENT...: the daemon as $daemon, its address as $url
    : >err # what the one before said must not be taken for this one's
    "$panicmond" "$@" >out 2>err &
    daemon=$!
    children+=("$daemon")
    check "it says where it serves" within 10 has err 'status page at http://'
    url=$(address_in err)
}
stop() { # fills $code
    kill -TERM "$daemon"
    wait "$daemon"
    code=$?
}

serve() { # FILE COUNT [TARGETS]: page-feed as $feeding, its address as $url
    mkfifo "$1.in" 2>/dev/null
    sleep 300 >"$1.in" &
    children+=("$!")
    "$feed" "${@:2}" >"$1" <"$1.in" &
    feeding=$!
    children+=("$feeding")
    check "page-feed $2" within 60 has "$1" '^ready'
    url=$(address_in "$1")
}
