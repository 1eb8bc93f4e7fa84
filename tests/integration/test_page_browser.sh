#!/usr/bin/env bash
# test_page_browser.sh PAGE_FEED BUILD_DIR: the status page of panicmond in a browser, over made up
# monitorables, with pictures in BUILD_DIR/page.
pictures=$2/page
# shellcheck source=tests/integration/page_common.sh
. "$(dirname "$0")/page_common.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    echo "skipped: no chromium here"
    exit 77
fi

serve many 10000
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

[ "$failures" = 0 ] && echo "all hold"
[ "$failures" = 0 ]
