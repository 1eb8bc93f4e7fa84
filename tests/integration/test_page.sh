#!/usr/bin/env bash
# test_page.sh PAGE_FEED: what panicmond serves over HTTP: by the daemon itself against the node
# simulator, and by made up monitorables.
# shellcheck source=tests/integration/page_common.sh
. "$(dirname "$0")/page_common.sh"
simulator=${PANICMON_SIM:-}
if [ -z "$panicmond" ] || [ -z "$simulator" ]; then
    echo "skipped: needs the programs panicmond and panicmon-sim"
    exit 77
fi

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

# ---- reload over HTTP ----
reload() { # WANTED: the status that a POST gives
    [ "$(python3 -c 'import sys, http.client as h, urllib.parse as u
c = h.HTTPConnection(u.urlsplit(sys.argv[1]).netloc, timeout=30)
c.request("POST", "/-/reload")
answer = c.getresponse()
print(answer.status)
print(answer.read().decode(), end="", file=sys.stderr)' "$url" 2>reload.txt)" = "$1" ]
}
figure() { fetch "$url/metrics" | sed -n "s/^$1 //p"; }
before=$(figure panicmon_config_hash)
sed 's/"node_id": "three"/"node_id": "four"/; s/"three":/"four":/' file.json >next.json
mv next.json file.json
check "a reload over HTTP" reload 200
check "has swapped rows when it answers" grep -q '"four"' <(fetch "$url/api/status.json")
check "and changed the hash" test "$(figure panicmon_config_hash)" != "$before"
good=$(figure panicmon_config_last_reload_success_timestamp_seconds)
cp file.json good.json
echo '{"no.such.setting": 1}' >file.json
check "a file with faults" reload 500
check "the answer says so" grep -q "has faults" reload.txt
check "is told" is "$(figure panicmon_config_last_reload_successful)" 0
check "the old configs stay" has_rows 2
check "as does the time of the last good one" is "$(figure panicmon_config_last_reload_success_timestamp_seconds)" "$good"
mv good.json file.json
check "and back" reload 200
check "is told too" is "$(figure panicmon_config_last_reload_successful)" 1
stop

# ---- open files ----
limited() { # LIMIT ARGUMENT...
    local limit=$1
    shift
    (ulimit -Sn "$limit" && ulimit -Hn "$limit" && exec "$panicmond" "$@")
}
many=() # more than there may be files open
for i in $(seq 300); do many+=(--node "ws://127.0.0.1:1/$i"); done
limited 200 "${many[@]}" --check-config >out 2>err
check "too few files are no fault" is "$?" 0
check "but told" has err 'warning.*200 files may be open, but 300 monitorables under the executor events want up to 364'
limited 900 "${many[@]}" --check-config --executor threads >out 2>err
check "threads want more" has err 'executor threads want up to 964'
limited 900 "${many[@]}" --check-config >out 2>err
check "enough is not told" is "$(wc -c <err)" 0
(ulimit -Sn 100 && ulimit -Hn 600 && exec "$panicmond" "${many[@]}" --once --format json) >out 2>err
check "the limit is raised as far as may be" has err 'up to 600 files may be open from now on, not 100'
limited 150 "${many[@]}" --once --format json >out 2>err
check "the daemon tells too few" has err 'warning.*150 files may be open, but 300 monitorables'

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
    rules=$here/../../examples/monitoring
    check "the rules" promtool check rules "$rules/panicmond.rules.yml" >/dev/null
    check "what they fire on" promtool test rules "$rules/panicmond.rules.test.yml" >/dev/null
else
    echo "no promtool here: its checks are left out"
fi
fetch "$url/metrics" >metrics
names_exist() { # FILE: it names no metric that is not served
    local name failed=0
    for name in $(grep -oE '\b(panicmon|process)_[a-z0-9_]+' "$1" | sort -u); do
        grep -qE "^# TYPE ${name%_bucket} " metrics || { echo "no metric $name"; failed=1; }
    done
    return $failed
}
for file in dashboard.json panicmond.rules.yml; do
    check "$file" names_exist "$here/../../examples/monitoring/$file"
done
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
serve more 10000
check "more than are told one by one" python3 "$here/page_checks.py" "$url" auto 10000
kill "$feeding"
serve named 50 auto 'parity, w3f'
check "names of others" python3 "$here/page_checks.py" "$url" compat 50
kill "$feeding"
serve many 2000 always
check "every figure of each" python3 "$here/page_checks.py" "$url" feed 2000
if command -v promtool >/dev/null; then
    fetch "$url/metrics" >metrics
    # shellcheck disable=SC2094
    check "promtool, all figures" promtool check metrics <metrics
fi

[ "$failures" = 0 ] && echo "all hold"
[ "$failures" = 0 ]
