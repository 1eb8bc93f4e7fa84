#!/usr/bin/env python3
"""page_checks.py URL daemon|feed|auto|compat [COUNT]: checks what panicmond serves over HTTP, with nothing but
the standard library. The last line says how many checks hold; returns 1 when one does not."""
import http.client
import json
import re
import socket
import sys
import threading
import time
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
mode = sys.argv[2]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 0
address = (url.hostname, url.port)
checks = failures = 0


def check(what, holds, detail=""):
    global checks, failures
    checks += 1
    if not holds:
        failures += 1
        print(f"NOT OK: {what}: {str(detail)[:400]}")


def get(path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection(*address, timeout=60)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=names)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def raw(data, wait=20):
    """What comes back for these bytes, until the other side closes."""
    got = b""
    with socket.create_connection(address, timeout=wait) as s:
        try:
            s.sendall(data)
            while chunk := s.recv(65536):
                got += chunk
        except OSError:
            pass
    return got


def status_of(data):
    match = re.match(rb"HTTP/1\.1 (\d+)", raw(data))
    return int(match.group(1)) if match else 0


# ---- HTTP ----

def check_http():
    assets = {}
    for path, kind in [("/", "text/html"), ("/page.css", "text/css"), ("/main.js", "text/javascript"),
                       ("/icon.svg", "image/svg+xml"), ("/livez", "application/json"),
                       ("/healthz", "application/json"), ("/readyz", "application/json"),
                       ("/-/healthy", "application/json"), ("/-/ready", "application/json"),
                       ("/api/status.json", "application/json"), ("/api/history.json", "application/json"),
                       ("/metrics", "text/plain")]:
        answer, text = get(path)
        check(f"{path} is there", answer.status == 200, answer.status)
        check(f"{path}: type", answer.getheader("Content-Type", "").startswith(kind), answer.getheaders())
        check(f"{path}: length", int(answer.getheader("Content-Length", -1)) == len(text))
        csp = answer.getheader("Content-Security-Policy", "")
        check(f"{path}: policy", "default-src 'none'" in csp and "unsafe" not in csp, csp)
        check(f"{path}: no guessing", answer.getheader("X-Content-Type-Options") == "nosniff")
        check(f"{path}: no referrer", answer.getheader("Referrer-Policy") == "no-referrer")
        check(f"{path}: not for other sites", answer.getheader("Access-Control-Allow-Origin") is None)
        head, nothing = get(path, "HEAD")
        check(f"HEAD {path}", head.status == 200 and nothing == b"" and
              head.getheader("Content-Type") == answer.getheader("Content-Type"), head.status)
        assets[path] = text.decode()
    for name in re.findall(r'(?:src|href)="([^"#]*)"', assets["/"]):
        check(f"{name} is of this server", name.startswith("/") and not name.startswith("//"))
        check(f"{name} exists", get(name)[0].status == 200)
    pages = assets["/"] + assets["/page.css"] + assets["/main.js"]
    check("nothing from elsewhere", not re.search(r"https?://(?!www\.w3\.org)", pages))
    check("no code inside of the page", not re.search(r"<script(?![^>]*src=)[^>]*>|\son\w+=|\sstyle=", assets["/"]))

    answer, _ = get("/page.css")
    again, text = get("/page.css", If_None_Match=answer.getheader("ETag"))
    check("an asset that is known is not sent", again.status == 304 and text == b"", again.status)
    check("figures are never kept", get("/metrics")[0].getheader("Cache-Control") == "no-store")

    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "FROB"]:
        answer, _ = get("/", method)
        check(f"{method} is refused", answer.status == 405 and answer.getheader("Allow") == "GET, HEAD",
              answer.status)
    answer, _ = get("/-/reload")
    check("a reload is no GET", answer.status == 405 and answer.getheader("Allow") == "POST", answer.status)
    answer, _ = get("/-/reload", "POST", Origin="http://elsewhere.example")
    check("a reload is not for web pages", answer.status == 403, answer.status)
    for path, wanted in [("/probe", 400), ("/probe?target=", 400), ("/probe?target=no-such-thing", 404)]:
        check(f"{path} is {wanted}", get(path)[0].status == wanted)
    for path in ["/nothing", "//", "/index.html", "/page/page.css", "/../../../../etc/passwd",
                 "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/main.js/", "/main.js%00",
                 "/main.js%00.css", "/metrics/", "/" + "a" * 3000]:
        answer, text = get(path)
        check(f"{path[:40]} is not there", answer.status in (400, 404) and b"root:" not in text, answer.status)


def check_bad_requests():
    check("garbage", status_of(b"\x00\x01\x02garbage\r\n\r\n") in (0, 400))
    check("no host", status_of(b"GET / HTTP/1.1\r\n\r\n") == 400)
    check("HTTP/9", status_of(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n") in (0, 400, 505))
    check("a huge header", status_of(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
          in (0, 400, 413, 431))
    check("many headers", status_of(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000 + b"\r\n")
          in (0, 400, 413, 431))
    check("a huge path", status_of(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n") in (0, 400, 414, 431))
    check("a body", status_of(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello") == 413)
    check("a body without end", status_of(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") == 413)
    check("a huge upload", status_of(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100000) in (0, 405, 413))
    for query in ["?since=", "?since=-1", "?since=1.2.3", "?since=99999999999999999999999.9", "?since=%00", "?since=a.b"]:
        answer, text = get("/api/status.json" + query)
        check(f"status{query}", answer.status == 200 and json.loads(text)["full"] is True)
    for query in ["?numbers=", "?numbers=x", "?numbers=-1", "?numbers=1,,2", "?numbers=99999999999999999999999",
                  "?numbers=" + ",".join(map(str, range(2000)))]:
        answer, text = get("/api/history.json" + query)
        check(f"history{query[:30]}", answer.status == 200 and len(json.loads(text)) <= 200, answer.status)
    keep = b"".join(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" for _ in range(50))
    got = raw(keep[:-2] + b"Connection: close\r\n\r\n")
    check("fifty requests at once on one connection", got.count(b"HTTP/1.1 200") == 50, got.count(b"HTTP/1.1 200"))


def check_many():
    """More connections than it takes: those that say nothing go, and all others are answered."""
    idle = []
    for _ in range(150):
        s = socket.socket()
        s.settimeout(60)
        s.connect(address)
        idle.append(s)
    for s in idle[:40]:
        s.sendall(b"GET / HTTP/1.1\r\nX: ")
    start = time.monotonic()
    stop = threading.Event()

    def drip():
        while not stop.wait(1):
            for s in idle[:40]:
                try:
                    s.sendall(b"a")
                except OSError:
                    pass

    dripping = threading.Thread(target=drip)
    dripping.start()
    answer, _ = get("/livez")
    took = time.monotonic() - start
    check("answers in spite of slow clients", answer.status == 200)
    closed = 0
    for s in idle[:40]:
        try:
            while s.recv(65536):
                pass
            closed += 1
        except ConnectionError:
            closed += 1
        except OSError:
            pass
    stop.set()
    dripping.join()
    check("clients that drip are cut off", closed == 40, f"{closed} after {time.monotonic() - start:.0f} s")
    for s in idle:
        s.close()
    print(f"with 150 connections open an answer took {took:.1f} s")
    results = []
    threads = [threading.Thread(target=lambda: results.append(get("/api/status.json")[0].status)) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("sixty at once", results == [200] * 60, results)


# ---- metrics ----

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (-?[0-9.eE+]+|NaN|[+-]Inf)$')


def parse(text, openmetrics):
    """Families by name: (type, {(sample, labels): value}); what is no metric is a failure."""
    families, current = {}, None
    lines = text.split("\n")
    check("metrics end with a line end", lines.pop() == "")
    if openmetrics:
        check("OpenMetrics ends with EOF", lines.pop() == "# EOF")
    for line in lines:
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            check(f"{current} stands once", current not in families)
            families[current] = (kind, {})
            continue
        match = SAMPLE.match(line)
        if not match:
            check("a line of metrics", False, line)
            continue
        name, labels, value = match.groups()
        kind = families[current][0]
        base = current + {"counter": "_total", "info": "_info"}.get(kind, "") if openmetrics else current
        if kind == "histogram" and name in (current + "_bucket", current + "_sum", current + "_count"):
            base = name
        if name != base or (name, labels) in families[current][1]:
            check("a sample of its family, once", False, line)
        families[current][1][name, labels] = float(value)
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return families


def check_histogram(name, samples):
    """Steps that only grow, to one that holds all."""
    steps = [(float(labels.split('"')[1]), value) for (sample, labels), value in samples.items()
             if sample == name + "_bucket"]
    count = samples[name + "_count", None]
    check(f"{name}: bounds grow", steps == sorted(steps) and len({bound for bound, _ in steps}) == len(steps), steps)
    check(f"{name}: counts grow", [n for _, n in steps] == sorted(n for _, n in steps), steps)
    check(f"{name}: the last step is all", steps and steps[-1] == (float("inf"), count), steps)
    total = samples[name + "_sum", None]
    check(f"{name}: the sum fits", total >= 0 and (total > 0 or count == 0), total)


def check_metrics():
    answer, text = get("/metrics")
    check("Prometheus by default", answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
    plain = parse(text.decode(), False)
    for accept, wanted in [("application/openmetrics-text", True), ("*/*", False), ("text/plain", False),
                           ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
                           ("application/openmetrics-text;q=0.2,text/plain;q=0.7", False),
                           ("application/openmetrics-text; q=0", False), (",,;;q=,", False)]:
        answer, text = get("/metrics", Accept=accept)
        check(f"Accept: {accept}", ("openmetrics" in answer.getheader("Content-Type")) == wanted)
    families = parse(get("/metrics", Accept="application/openmetrics-text")[1].decode(), True)
    check("both formats have the same", len(families) == len(plain), f"{len(families)} {len(plain)}")
    for name, kind in [("panicmon_build", "info"), ("panicmon_rounds", "counter"), ("panicmon_monitors_running", "gauge"),
                       ("panicmon_messages_produced", "counter"), ("panicmon_messages_dropped", "counter"),
                       ("panicmon_rpc_received_bytes", "counter"), ("panicmon_checks", "counter"),
                       ("panicmon_targets", "gauge"), ("panicmon_check_duration_seconds", "histogram"),
                       ("panicmon_schedule_lag_seconds", "histogram"), ("panicmon_check_overruns", "counter"),
                       ("panicmon_ws_connections", "gauge"), ("panicmon_config_last_reload_successful", "gauge")]:
        check(f"{name} is a {kind}", families.get(name, ("none",))[0] == kind)
    counters = [name for name, (kind, _) in plain.items() if kind == "counter"]
    check("counters end with _total", all(name.endswith("_total") for name in counters), counters)
    return plain


# ---- what is told of monitorables ----

def status(query=""):
    answer = json.loads(get("/api/status.json" + query)[1])
    return answer, {row[2]: dict(zip(answer["columns"], row)) for row in answer["rows"]}


def labels_of(family, part):
    return [labels for (_, labels) in family[1] if part in labels]


def check_daemon():
    """Three good nodes and one that is down, as test_page.sh starts them."""
    ready = json.loads(get("/readyz")[1])
    check("ready", ready["status"] == "ok" and ready["monitorables"] == 4 and ready["broker"] is None, ready)
    answer, rows = status()
    check("four rows", len(rows) == 4, rows.keys())
    good = [row for row in rows.values() if row["error"] == 0]
    bad = [row for row in rows.values() if row["error"] != 0]
    check("three are good", len(good) == 3 and all(row["best"] >= row["finalized"] > 0 for row in good), good)
    check("one is down", len(bad) == 1 and bad[0]["error"] == 5015 and "unreachable" in bad[0]["message"], bad)
    check("rounds were counted", answer["figures"]["rounds"] >= 4 and answer["roundsPerSecond"] > 0, answer["figures"])
    produced = answer["figures"]
    check("figures add up", produced["messages_produced"] == produced["messages_confirmed"]
          + produced["messages_waiting"] + produced["messages_dropped"], produced)
    history = json.loads(get(f"/api/history.json?numbers={good[0]['number']},{bad[0]['number']}")[1])
    check("history of a good one", history[str(good[0]["number"])][1][-1] == 2, history)
    check("history of one that is down", history[str(bad[0]["number"])][1][-1] == -2, history)
    plain = check_metrics()
    ups = plain["panicmon_target_up"][1]
    check("up tells which", sorted(ups.values()) == [0, 1, 1, 1], ups)
    heights = plain["panicmon_substrate_block_height"]
    check("heights of those that are up alone", len(heights[1]) == 9, heights)
    check("no figure of a validator where there is none", not plain["panicmon_substrate_validator_active"][1])
    labels = labels_of(plain["panicmon_target_up"], "")[0]
    check("labels", [part.split("=")[0] for part in labels.split(",")] == ["chain", "node", "id", "strategy"], labels)
    targets = dict(plain["panicmon_targets"][1])
    check("targets by state", [targets["panicmon_targets", f'strategy="substrate_node",state="{state}"']
                               for state in ("up", "down", "stale", "waiting")] == [3, 1, 0, 0], targets)
    checks = plain["panicmon_checks_total"][1]
    check("checks by outcome", checks["panicmon_checks_total", 'strategy="substrate_node",outcome="ok"'] >= 3 and
          checks["panicmon_checks_total", 'strategy="substrate_node",outcome="down"'] >= 1, checks)
    check("the configuration was taken", plain["panicmon_config_last_reload_successful"][1] ==
          {("panicmon_config_last_reload_successful", None): 1})
    limit = plain["process_max_fds"][1]["process_max_fds", None]
    check("open files", 4 < plain["process_open_fds"][1]["process_open_fds", None] < limit, limit)
    check("nothing under names of others", not any(name.startswith(("substrate_", "polkadot_")) for name in plain))
    check_probe(good[0], True)
    check_probe(bad[0], False)


def check_probe(row, up):
    """The figures of one monitorable, by its id and by its name."""
    for which in (row["id"], row["name"]):
        answer, text = get("/probe?target=" + urllib.parse.quote(which, safe=""))
        found = parse(text.decode(), False)
        check(f"probe {which[:20]!r}", answer.status == 200 and
              set(found["panicmon_target_up"][1].values()) == {int(up)}, answer.status)
        ids = {labels.split('id="')[1].split('"')[0] for _, samples in found.values() for _, labels in samples}
        check("a probe tells of nothing else", len(ids) == 1, ids)


def check_feed():
    """Made up monitorables, as page_feed.c has them."""
    answer, rows = status()
    text = json.dumps(answer)
    check("all rows", answer["full"] and len(rows) == count + 1, len(rows))
    size = len(get("/api/status.json")[1])
    print(f"{len(rows)} rows are {size} bytes, metrics {len(get('/metrics')[1])}")
    check("rows are small", size < 400 * len(rows) + 4000, size)
    hostile = rows["id-5"]["name"]
    check("a hostile name comes whole", "\"quote\" \\ \n <script>" in hostile and "\u202e" in hostile, hostile)
    body = get("/api/status.json")[1]
    check("and cannot leave its string", b"<script>" not in body and b"\x01" not in body)
    check("what was never heard of waits", rows["silent"]["rounds"] == 0 and rows["silent"]["heard"] == 0)
    check("null is null", any(row["peers"] is None and row["best"] for row in rows.values()) and "NaN" not in text)
    check("the list names the chain", rows["id-5"]["chain"] == "chain2", rows["id-5"])
    slashed = rows["id-8"]
    check("what was slashed", slashed["validator"] == 1 and slashed["slashed"] > 3e38 and slashed["disabled"] == 1, slashed)
    since = answer["since"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        changes, changed = status("?since=" + since)
        if changed:
            break
        time.sleep(0.2)
    check("changes only", not changes["full"] and 0 < len(changed) < len(rows), len(changed))
    check("nothing of another process", status("?since=1." + since.split(".")[1])[0]["full"])
    history = json.loads(get("/api/history.json?numbers=" + ",".join(str(n) for n in range(1, 300)))[1])
    check("histories are bounded", len(history) == 200 and all(len(lag) <= 60 for lag, _ in history.values()), len(history))
    plain = check_metrics()
    up = plain["panicmon_target_up"]
    check("up for all that were heard of", len(up[1]) == count, len(up[1]))
    check("not for the silent one", not labels_of(up, '"silent"'))
    check("escaped", any('\\"quote\\" \\\\ \\n <script>' in labels for labels in labels_of(up, '"id-5"')),
          labels_of(up, '"id-5"'))
    check("null is absent", len(plain["panicmon_substrate_peers"][1]) < len(plain["panicmon_substrate_era"][1]))
    check("validators have their own", len(plain["panicmon_substrate_validator_elected"][1]) > 0)


def check_compat():
    """Names of other programs, when they are asked for."""
    plain = check_metrics()
    heights = plain["substrate_block_height"][1]
    check("Parity's names", len(heights) == len(plain["panicmon_substrate_block_height"][1]) and
          any('status="sync_target"' in labels for _, labels in heights), len(heights))
    out = set(plain["polkadot_validator_out_of_active_set_state"][1].values())
    check("W3F's names", out == {0, 1}, out)


def check_auto():
    """More monitorables than are told one by one when nobody asks for it."""
    plain = check_metrics()
    check("no figures of each", "panicmon_target_up" not in plain and "panicmon_substrate_block_height" not in plain)
    check("but of all", sum(plain["panicmon_targets"][1].values()) == count + 1, plain["panicmon_targets"])
    found = parse(get("/probe?target=id-7")[1].decode(), False)
    check("and of one that is asked for", list(found["panicmon_target_error_code"][1].values()) == [5015])
    check("the one that was never heard of says nothing", not any(
        samples for name, (_, samples) in parse(get("/probe?target=silent")[1].decode(), False).items()
        if not name.endswith(("checks_total", "errors_total"))))


check_http()
check_bad_requests()
{"daemon": check_daemon, "feed": check_feed, "auto": check_auto, "compat": check_compat}[mode]()
if mode in ("daemon", "feed"):
    check_many()
print(f"{checks - failures} of {checks} checks of {mode} hold")
sys.exit(failures != 0)
