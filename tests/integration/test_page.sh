#!/usr/bin/env bash
# test_page.sh PAGE_FEED BUILD_DIR: what panicmond serves over HTTP: by the daemon itself against the
# node simulator, and by made up monitorables; the status page in a browser where there is one, with
# pictures in BUILD_DIR/page.
set -uo pipefail

panicmond=${PANICMOND:-} simulator=${PANICMON_SIM:-}
feed=$1 pictures=$2/page
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$panicmond" ] || [ -z "$simulator" ] || ! command -v python3 >/dev/null; then
    echo "skipped: needs the programs panicmond, panicmon-sim and python3"
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

"$simulator" --listen 127.0.0.1:0 --block-time 1 --nodes 3 >sim 2>&1 &
children+=("$!")
check "the simulator starts" within 10 has sim '^listening on '
node=$(sed -n '1s/^listening on \(ws:[^ ]*\).*/\1/p' sim)

# ---- addresses ----
for address in x host: :65536 1:2:3 ::1 '[]:1' '[::1]' 'a b:1' -1 '/tmp/x:1'; do
    timeout 20 "$panicmond" --node "$node/0" --listen "$address" --once >out 2>err
    check "'$address' is no address" is "$?" 2
    check "and it says so" has err 'listen: '
done
for address in 0 :0 127.0.0.1:0 localhost:0; do
    start --node "$node/0" --period 0.5 --listen "$address"
    check "'$address' is of this machine" has err 'status page at http://\(127\.0\.0\.1\|\[::1\]\):[1-9]'
    check "'$address' answers" within 20 is_ready "$url"
    stop
    check "'$address' stops" is "$code" 0
done
if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
    start --node "$node/0" --period 0.5 --listen '[::1]:0'
    check "IPv6 answers" within 20 is_ready "$url"
    stop
fi
start --node "$node/0" --period 0.5 --listen 0.0.0.0:0
check "who serves everybody is warned" within 10 has err 'asks for no password'
"$panicmond" --node "$node/0" --listen "127.0.0.1:${url##*:}" >out2 2>err2
check "a port that is taken" is "$?" 2
check "is told" has err2 'cannot serve the status page at'
stop
cat >file.json <<END
{"listen": "127.0.0.1:0", "period.node": 1, "configs": {"chains.substrate.sim.nodes_config": {
    "one": {"node_id": "one", "ws_url": "$node/0"}, "two": {"node_id": "two", "ws_url": "$node/1"}}}}
END
start -c file.json
check "the file says where" within 20 is_ready "$url"
rows() { fetch "$url/api/status.json" | grep -c '^\['; }
has_rows() { [ "$(rows)" = "$1" ]; }
check "two rows" within 20 has_rows 2
sed 's/"two": {[^}]*}/"three": {"node_id": "three", "ws_url": "ws:\/\/127.0.0.1:1"}/' file.json >next.json
mv next.json file.json
kill -HUP "$daemon"
gone() { fetch "$url/api/status.json" >rows.json && has rows.json '"three"' && ! has rows.json '"two"'; }
check "a reload swaps rows" within 20 gone
stop

# ---- the daemon ----
start --node "$node/0" --node "$node/1" --node "$node/2" --node ws://127.0.0.1:1 --period 1 --listen 0
all_heard() { has_rows 4 && ! fetch "$url/api/status.json" | grep -q ',0,0,0,0,0\]'; }
check "it becomes ready" within 30 is_ready "$url"
check "all had their rounds" within 30 all_heard
sleep 1.5
check "the daemon over HTTP" python3 "$here/page_checks.py" "$url" daemon
check "it lives" fetch "$url/livez" >live
if command -v promtool >/dev/null; then
    fetch "$url/metrics" >metrics
    # shellcheck disable=SC2094 # it is read only
    check "promtool" promtool check metrics <metrics
else
    echo "no promtool here: its check is left out"
fi
stop
check "it stops" is "$code" 0

# ---- beside a broker, which is away ----
sed 's/{"listen"/{"broker.url": "amqp:\/\/127.0.0.1:1", "listen"/' file.json >broker.json
start -c broker.json --format json
check "ready: what the broker misses is kept" within 30 is_ready "$url"
waits() { fetch "$url/readyz" >ready.json && has ready.json '"waiting":[1-9]'; }
check "and told" within 20 waits
check "it is seen all the same" within 20 has_rows 2
check "and written, for that was asked for" within 20 has out '"node_id": "one"'
stop
check "it stops with messages waiting" test "$code" -lt 2

# ---- made up monitorables ----
serve() { # FILE COUNT: page-feed as $feeding, its address as $url
    mkfifo "$1.in" 2>/dev/null
    sleep 300 >"$1.in" &
    children+=("$!")
    "$feed" "$2" >"$1" <"$1.in" &
    feeding=$!
    children+=("$feeding")
    check "page-feed $2" within 60 has "$1" '^ready'
    url=$(address_in "$1")
}
serve many 10000
check "ten thousand" python3 "$here/page_checks.py" "$url" feed 10000
if command -v promtool >/dev/null; then
    fetch "$url/metrics" >metrics
    # shellcheck disable=SC2094
    check "promtool, ten thousand" promtool check metrics <metrics
fi

# ---- in a browser ----
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    echo "no chromium here: the page was not looked at"
else
    mkdir -p "$pictures"
    look() { # NAME WIDTHxHEIGHT SCHEME PATH: the document into NAME.html, a picture into the build
        local scheme=1
        [ "$3" = light ] || scheme=0
        local flags=(--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars
            --user-data-dir="$dir/browser" --window-size="${2/x/,}"
            --blink-settings="preferredColorScheme=$scheme" --virtual-time-budget=5000)
        timeout -s KILL $((60 * factor)) "$browser" "${flags[@]}" \
            --screenshot="$pictures/$1.png" "$url/$4" >browser.log 2>&1
        timeout -s KILL $((60 * factor)) "$browser" "${flags[@]}" --enable-logging=stderr --dump-dom \
            "$url/$4" >"$1.html" 2>"$1.log"
        check "$1: a picture" test -s "$pictures/$1.png"
        check "$1: no errors of the page" lacks_errors "$1.log"
    }
    lacks_errors() { ! grep -E 'CONSOLE.*(Error|Refused|violat|Failed)' "$1"; }
    few_rows() { [ "$(grep -o '<tr class="row' "$1" | wc -l)" -lt 80 ]; }
    look many-light 1400x900 light ''
    check "all are counted" has many-light.html '10,001'
    check "only what is in sight is in the document" few_rows many-light.html
    check "the table says how long it is" has many-light.html 'aria-rowcount="10002"'
    check "and how it is sorted" has many-light.html 'aria-sort="ascending"'
    check "errors come first" has many-light.html 'Node node-7 is unreachable'
    check "with charts" has many-light.html '<path d="M'
    look many-dark 1400x900 dark '#filter=validator&sort=role&down=1&open=id-8'
    check "details of a row" has many-dark.html '3.403e+38'
    look hostile 1400x700 light '#filter=quote&open=id-5'
    check "a name is text" has hostile.html '&lt;script&gt;document.title'
    check "and nothing else" has hostile.html '<title>([0-9]*) panicmond'
    look phone 390x844 dark '#state=error'
    check "filtered" has phone.html 'of 10,001 shown'
    # A daemon that answers once and then is gone.
    cat >once.py <<'END'
import http.server, sys, urllib.request
asked = 0
class Once(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        asked += self.path.startswith("/api/status")
        if asked > 1:
            return self.send_error(503)
        got = urllib.request.urlopen(sys.argv[1] + self.path)
        self.send_response(200)
        self.send_header("Content-Type", got.headers["Content-Type"])
        self.end_headers()
        self.wfile.write(got.read())
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Once)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
END
    python3 once.py "$url" >once &
    children+=("$!")
    check "the one that goes away" within 20 test -s once
    timeout -s KILL $((60 * factor)) "$browser" --headless --no-sandbox --disable-gpu \
        --disable-dev-shm-usage --hide-scrollbars --user-data-dir="$dir/browser" \
        --virtual-time-budget=12000 --window-size=1200,700 \
        --screenshot="$pictures/gone.png" --dump-dom "$(cat once)/" >gone.html 2>browser.log
    check "who is gone is told" grep -qE 'id="lost"[^>]*role="alert">' gone.html
    check "and asked again" has gone.html 'Trying again'
    check "what was known stays" has gone.html 'Node node-7 is unreachable'
    kill "$feeding"
    serve none 0
    look empty 1200x700 light ''
    check "nothing to monitor says what to do" has empty.html 'panicmond --node ws://'
fi

[ "$failures" = 0 ] && echo "all hold"
[ "$failures" = 0 ]
