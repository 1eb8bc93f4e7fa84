#!/usr/bin/env bash
# The daemon from outside: flags, exit codes, output, signals, against the node simulator.
set -uo pipefail

panicmond=${PANICMOND:-} simulator=${PANICMON_SIM:-}
if [ -z "$panicmond" ] || [ -z "$simulator" ]; then
    echo "skipped: needs the programs panicmond and panicmon-sim"
    exit 77
fi
source=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
cd "$dir" || exit 1
factor=${CK_TIMEOUT_MULTIPLIER:-1}
children=()
failures=0
checks=0

clean_up() {
    for pid in "${children[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$dir"
}
trap clean_up EXIT

# check WHAT COMMAND...: counts, and tells what did not hold.
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    if ! "$@"; then
        failures=$((failures + 1))
        echo "NOT OK: $what: $*"
        for file in out err; do
            [ ! -s $file ] || sed "s/^/    $file: /" $file | cut -c 1-200 | tail -n 15
        done
    fi
}
is() { [ "$1" = "$2" ]; }
has() { grep -q -- "$2" "$1"; }
lacks() { ! grep -q -- "$2" "$1"; }

# within SECONDS COMMAND...: until it holds.
within() {
    local tries=$(($1 * 20 * factor))
    shift
    for ((; tries > 0; tries--)); do
        "$@" && return
        sleep 0.05
    done
    return 1
}

# run ARGUMENT...: to its end; fills out, err and $code.
run() {
    timeout -s KILL $((60 * factor)) "$panicmond" "$@" >out 2>err
    code=$?
}

# start ARGUMENT...: in the background as $daemon, writing to out and err.
start() {
    "$panicmond" "$@" >out 2>err &
    daemon=$!
    children+=("$daemon")
}

# stop SIGNAL: sends it and fills $code and $took, in milliseconds.
stop() {
    local began
    began=$(date +%s%N)
    kill "-$1" "$daemon"
    wait "$daemon"
    code=$?
    took=$((($(date +%s%N) - began) / 1000000))
}

simulate() { # ARGUMENT...: fills $url
    local file=sim.$RANDOM
    "$simulator" --listen 127.0.0.1:0 "$@" >"$file" 2>&1 &
    children+=("$!")
    if ! within 10 has "$file" '^listening on '; then
        echo "NOT OK: the simulator did not start"
        cat "$file"
        exit 1
    fi
    url=$(sed -n '1s/^listening on \(ws:[^ ]*\).*/\1/p' "$file")
}

simulate --block-time 1 --nodes 3
good=$url
simulate --mode stall
stalled=$url
down=ws://127.0.0.1:1

# ---- once ----
run --node "$good/0" --node "$good/1" --once
check "all gave a result" is "$code" 0
check "a sample of the first" has out '"node_id": "127.0.0.1:[0-9]*/0"'
check "a sample of the second" has out '"node_id": "127.0.0.1:[0-9]*/1"'
check "no line is anything but a message" is \
    "$(grep -cvE '^\{"exchange": "[a-z_]+", "routing_key": "[a-z._]+", "body": \{.*\}\}$' out)" 0
check "one sample each" is "$(grep -c '"exchange": "raw_data"' out)" 2
check "no log on standard output" lacks out 'panicmond:'

run --node "$good" --node "$down" --once
check "an error sample gives 1" is "$code" 1
check "PANIC's code of a node that is down" has out '"code": 5015'
check "the neighbour still gave its sample" has out '"best_height": [0-9]'

timeout -s KILL $((60 * factor)) "$panicmond" --node "$good/0" --once >/dev/full 2>err
code=$?
check "samples that cannot be written give 1" is "$code" 1
check "and the reason is told" has err 'No space left on device'
check "and how many were lost" has err 'messages were lost'

run --node "$stalled" --once --period 1
check "a stalled node gives an error sample" is "$code" 1

run --once
check "nothing to monitor" is "$code" 3
check "nothing to monitor says what to do" has err '--node ws://'
run
check "nothing to monitor, for ever" is "$code" 3

# ---- usage ----
for arguments in --bogus '--format xml' '--period often' '--executor none' '--log-level loud' \
    "--node http://x" "$good" '--node' '-c /nonexistent/file'; do
    # shellcheck disable=SC2086 # words are meant
    run $arguments --once
    check "usage: $arguments" is "$code" 2
    check "usage says why: $arguments" test -s err
done
run --help
check "help" is "$code" 0
check "help names every flag" has out '--check-config'
for name in events threads rounds queue; do
    check "help names the executor $name" has out "\<$name\>"
done
run --version
check "version" has out '^panicmond [0-9]*\.[0-9]*\.[0-9]*$'

# shellcheck source=examples/panicmond/panicmond.bash
. "$source/examples/panicmond/panicmond.bash"
complete_after() { # FLAG: fills $words
    COMP_WORDS=(panicmond "$1" '') COMP_CWORD=2
    _panicmond
    words=${COMPREPLY[*]}
}
complete_after --executor
check "completion names the executors" is "$words" 'events threads rounds queue'
complete_after --once
for flag in $("$panicmond" --help | grep -o '^ *-[-a-zA-Z, ]*' | grep -oE -- '-[-a-z]+'); do
    check "completion knows $flag" grep -qw -- "$flag" <<<" $words -h "
done

# ---- the file ----
cat >file.json <<END
{"period": {"node": 600}, "log.level": "\${TEST_LEVEL}",
 "configs": {"chains.substrate.sim.nodes_config": {
    "one": {"node_id": "one", "ws_url": "$good/0"}}}}
END
export TEST_LEVEL=debug
run -c file.json --check-config
check "a good file" is "$code" 0
check "a good file counts" has out '1 monitor would'
run -c file.json --node "$good/1" --check-config
check "file and flags together" has out '2 monitors would'
run -c file.json --once
check "once by file" is "$code" 0
check "the level of the file holds" has err ' debug '
run -c file.json --once --log-level info
check "the level of the flag beats it" lacks err ' debug '
check "the period of the file holds" has err 'every 600 s'
run -c file.json --once --period 7
check "the period of the flag beats it" has err 'every 7 s'

cat >faults.json <<END
{"periodd": 1, "rounds": -1, "state_dir": "\${TEST_UNSET}", "listen": "a b", "log": {"level": "x"},
 "tls": {"cert_file": "cert.pem"},
 "configs": {"no.such.key": {"x": {}}, "chains.substrate.b.nodes_config": {"x": "\${TEST_UNSET}"},
             "chains.substrate.sim.nodes_config": {
    "good": {"node_id": "good", "ws_url": "$good/0"},
    "bad": {"node_id": "bad", "ws_url": "http://x"},
    "empty": {"node_id": "empty"}}}}
END
run -c faults.json --check-config
check "faults give 2" is "$code" 2
for fault in "'period'" 'rounds: ' 'state_dir: ' "listen: 'a b'" 'log.level: ' 'need each other' \
    'no.such.key' 'chains.substrate.b.nodes_config: x: ' "entry 'bad': ws_url" "entry 'empty'" \
    'cert.pem: No such file' '11 faults'; do
    check "is told: $fault" has err "$fault"
done
check "the good entry has no fault" lacks err "entry 'good'"
sed -i 's/"state_dir": "[^"]*"/"state_dir": "empty.json"/; s/"cert_file": "cert.pem"/"ca_file": "ca.pem"/' faults.json
: >empty.json
run -c faults.json --check-config
check "a CA file that is not there is told" has err 'tls.ca_file: ca.pem: No such file'
check "a state_dir that is none is told" has err 'state_dir: empty.json: Not a directory'
: >ca.pem
run -c faults.json --check-config
check "a CA file without certificates is told" has err 'tls.ca_file: ca.pem: holds no PEM'
echo '{"state_dir": "no/such/state"}' >state.json
run -c state.json --check-config
check "a state_dir that cannot be made is a fault" is "$code" 2
check "and is told" has err 'state_dir: no/such/: No such file'
echo '{"state_dir": "state"}' >state.json
run -c state.json --check-config
check "one that can be made is none" is "$code" 0
check "it is not made" test ! -e state
check "nothing to monitor is told" has err 'nothing to monitor'
run -c faults.json --once
check "faults of settings give 2" is "$code" 2

echo '{"listen": 9616}' >number.json
run -c number.json --check-config
check "a port may be a number" is "$code" 0
run -c empty.json --check-config
check "an empty file is told" has err 'empty.json: is empty'

cat >refused.json <<END
{"configs": {"chains.substrate.sim.nodes_config": {
    "good": {"node_id": "good", "ws_url": "$good/0"},
    "bad": {"node_id": "bad", "ws_url": "http://x"}}}}
END
run -c refused.json --once
check "a refused entry gives 2" is "$code" 2
check "its neighbour runs" has out '"node_id": "good"'
check "it is named" has err "entry 'bad'"

# What looks like neither yes nor no is what PANIC takes it for, and told once.
cat >doubt.json <<END
{"period": 0.2, "configs": {"chains.substrate.sim.nodes_config": {
    "on": {"node_id": "on", "ws_url": "$good/0", "is_validator": "ture"},
    "off": {"node_id": "off", "ws_url": "$good/1", "monitor_node": "ture"}}}}
END
run -c doubt.json --check-config
check "a doubt is no fault" is "$code" 0
check "a monitor for one of two" has out '1 monitor would'
for doubt in "'on': is_validator: 'ture' is taken for false" \
    "'off': monitor_node: 'ture' is taken for false"; do
    check "the check tells: $doubt" has err "warning, not a fault: doubt.json: .*$doubt"
done
start -c doubt.json
check "the first runs" within 10 has out '"node_id": "on"'
sed -i 's/"period": 0.2/"period": 0.3/' doubt.json
kill -HUP "$daemon"
check "it is read again" within 10 has err 'was read again: 1 monitorable$'
stop TERM
for doubt in "'on': is_validator: 'ture' is taken for false" \
    "'off': monitor_node: 'ture' is taken for false"; do
    check "the log tells once: $doubt" is "$(grep -c "warning manager: .*$doubt" err)" 1
done
run --once
check "no figures of nothing" lacks err 'figures:'

# ---- reload ----
cp file.json live.json
start -c live.json --period 0.2
check "the first runs" within 10 has out '"node_id": "one"'
cp faults.json live.json
kill -HUP "$daemon"
check "a bad file is told" within 10 has err 'old configs stay'
: >out
check "and the old monitor goes on" within 10 has out '"node_id": "one"'
sed 's/"one"/"two"/g; s/600/5/; s/"log.level"/"rounds": 0, "listen": ":0", "log.level"/' \
    file.json >live.json
kill -HUP "$daemon"
check "a good file is told" within 10 has err 'was read again'
check "the new one runs" within 10 has out '"node_id": "two"'
check "what takes a restart is named" has err 'listen changed'
check "what did not change is not" lacks err 'rounds changed'
sleep 0.5
: >out
check "the new one goes on" within 10 has out '"node_id": "two"'
check "the old one is gone" lacks out '"node_id": "one"'
kill -USR1 "$daemon"
check "figures" within 10 has err 'figures: monitors_started='
stop TERM
check "a stop is no failure" is "$code" 0
check "it says so" has err 'stops: SIGTERM'

# ---- stop ----
start --node "$stalled" --node "$down" --node "$good" --period 60
check "it started" within 10 has err 'monitors 3'
sleep 0.5
stop TERM
check "SIGTERM with a stalled node" is "$code" 0
check "took $took ms" test "$took" -lt $((2000 * factor))
start --node "$good"
check "it started" within 10 has err 'monitors 1'
stop INT
check "SIGINT" is "$code" 0

# ---- nobody reads ----
mkfifo pipe
"$panicmond" --node "$good" --period 0.2 >pipe 2>err &
daemon=$!
children+=("$daemon")
head -n 1 pipe >out
# shellcheck disable=SC2317
is_gone() { ! kill -0 "$daemon" 2>/dev/null; }
within 10 is_gone
wait "$daemon"
check "a reader that left ends it" is "$?" 1
check "and the log says why" has err 'nobody reads standard output'

# ---- table ----
run --node "$good/0" --node "$down" --once --format table
check "a table of one round" has out '^node .*finalized.*state.*age'
check "its columns" grep -qE '/0 +[0-9]+ +[0-9-]+ +[0-9]+ +[0-9-]+ +[0-9]+ .* ok ' out
check "its errors" has out '5015 '
check "no colours in a file" lacks out $'\033'

if command -v script >/dev/null; then
    terminal() { # COLUMNS ARGUMENT...: fills out with what a terminal of that width got
        local columns=$1
        shift
        TERM=xterm timeout -s KILL $((60 * factor)) script -qec \
            "stty cols $columns rows 10; exec '$panicmond' $*" out </dev/null >/dev/null 2>&1
        code=$?
    }
    terminal 100 --node "$good/a-name-that-is-far-too-long-for-any-column-of-a-table-on-a-terminal" \
        --node "$good/0" --once
    check "a terminal gets a table" has out 'finalized'
    check "drawn in place" has out $'\033\\[K'
    check "the cursor comes back" has out $'\033\\[?25h'
    terminal 60 --node "$down" --once
    check "a log line wraps" has out 'is unreachable: ws://127\.0\.0\.1:1: '
    check "as nothing of it is cut" is \
        "$(grep -zcP '(?s)\[\?7l((?!\[\?7h).)*is unreachable: ws' out)" 0
    terminal 30 --node "$good/0" --once
    check "a narrow one fits" lacks out 'finalized'
    check "with a state" has out 'state'
    NO_COLOR=1 terminal 100 --node "$good/0" --once
    check "NO_COLOR" lacks out $'\033\\[3[0-9]m'
    terminal 100 --node "$good/0" --once --format json
    check "--format json on a terminal" has out '"exchange": "raw_data"'
fi

echo "$((checks - failures)) of $checks hold"
[ "$failures" = 0 ]
