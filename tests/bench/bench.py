#!/usr/bin/env python3
"""Measures what a round costs under each executor, beside the floor; see run.sh for the options.

The node simulator and the broker are processes of their own and are not counted. CPU is what the
kernel accounts to our processes, read over a window in which all monitorables have had their first
round; a round is one that the daemon counted in that window."""
import argparse
import csv
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

APPROACHES = ["processes", "threads-own", "threads-shared", "rounds", "queue", "events", "floor"]
COLUMNS = ["approach", "kind", "n", "rounds", "cpu_us_per_round", "floor_ratio", "rss_kib_each",
           "pss_kib_each", "threads", "descriptors", "switches_per_round", "lag_p50_ms", "lag_p99_ms",
           "round_p50_ms", "late", "overruns", "errors", "first_rounds_s", "stop_s",
           "broker_cpu_us_per_round", "broker_pss_mib", "note"]
# Nodes of one config set.
CHAIN = 10
# The most monitorables that an approach is asked to hold.
MOST = {"processes": 100, "threads-own": 1000, "threads-shared": 5000, "rounds": 5000,
        "queue": 10000, "events": 10000, "floor": 10000}


def cpu_ns(pid):
    """CPU time of a whole process, its ended threads too."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def smaps(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        text = f.read()
    return (int(re.search(r"^Rss:\s+(\d+)", text, re.M).group(1)),
            int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)))


def listening_pid(port):
    """Which process listens on a port."""
    want = f":{port:04X}"
    inodes = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(name).read().splitlines()[1:]:
            field = line.split()
            if field[1].endswith(want) and field[3] == "0A":
                inodes.add(f"socket:[{field[9]}]")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in inodes:
                    return int(pid)
        except OSError:
            continue
    return None


class Child:
    """A process with its standard error in a file."""

    def __init__(self, command, directory, name):
        self.path = os.path.join(directory, name + ".err")
        self.file = open(self.path, "wb")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.file,
                                        stdin=subprocess.DEVNULL)
        self.pid = self.process.pid

    def wait_ready(self):
        """Until it would not die of SIGUSR1."""
        bit = 1 << (signal.SIGUSR1 - 1)
        for _ in range(1000):
            with open(f"/proc/{self.pid}/status") as f:
                text = f.read()
            masks = re.findall(r"^Sig(?:Blk|Cgt):\s+(\w+)", text, re.M)
            if any(int(mask, 16) & bit for mask in masks):
                return
            time.sleep(0.01)

    def figures(self):
        """Asks for the figures and waits for them."""
        before = os.path.getsize(self.path)
        os.kill(self.pid, signal.SIGUSR1)
        for _ in range(1500):
            with open(self.path, "rb") as f:
                f.seek(before)
                lines = re.findall(rb"figures: (.*)\n", f.read())
            if lines:
                return {k.decode(): int(v) for k, v in re.findall(rb"(\w+)=(-?\d+)", lines[-1])}
            time.sleep(0.01)
        raise RuntimeError("no figures: " + self.tail())

    def tail(self):
        with open(self.path, "rb") as f:
            return f.read()[-600:].decode(errors="replace")

    def end(self):
        """Stops it; gives its resource usage and the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = status
        self.file.close()
        return usage, time.monotonic() - began


class Bench:
    def __init__(self, options):
        self.options = options
        build = options.build
        self.daemon = os.path.join(build, "examples/panicmond/panicmond")
        self.simulator = os.path.join(build, "tests/support/sim/panicmon-sim")
        self.floor = os.path.join(build, "tests/bench/bench-floor")
        self.directory = tempfile.mkdtemp(prefix="panicmon-bench.")
        self.sim = None
        self.broker = None
        self.broker_port = None
        self.broker_pid = None
        self.scripts = {}

    def open(self):
        self.sim = subprocess.Popen(
            [self.simulator, "--listen", "127.0.0.1:0", "--nodes", "10001", "--validators", "100",
             "--nominators", "8"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.sim_port = int(re.search(r":(\d+)", self.sim.stdout.readline().split("//")[1]).group(1))
        if not self.options.no_broker:
            self.broker = subprocess.Popen([os.path.join(self.options.build, "tests/bench/bench-broker")],
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            url = self.broker.stdout.readline().strip()
            if not url:
                raise SystemExit(self.broker.wait() or 1)
            self.broker_url = url
            self.broker_port = int(url.rsplit(":", 1)[1].split("/")[0])
            self.broker_pid = listening_pid(self.broker_port)

    def close(self):
        if self.broker:
            self.broker.stdin.close()
            self.broker.wait()
        if self.sim:
            self.sim.terminate()
            self.sim.wait()
        subprocess.run(["rm", "-rf", self.directory])

    def rpc(self, method, params):
        """One call to the simulator, over a plain WebSocket."""
        with socket.create_connection(("127.0.0.1", self.sim_port)) as s:
            s.sendall(b"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            data = b""
            while b"\r\n\r\n" not in data:
                data += s.recv(4096)
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
            s.sendall(bytes([0x81, 0xFE]) + len(body).to_bytes(2, "big") + b"\0\0\0\0" + body)
            data = data.split(b"\r\n\r\n", 1)[1]
            while b"}" not in data[-1:]:
                data += s.recv(65536)
            return json.loads(data[data.index(b"{"):])

    def config(self, first, count, kind, extra, port=None):
        sets = {}
        stash = ""
        if kind == "validator":
            stash = self.options.stash
        for i in range(first, first + count):
            name = f"node_{i}"
            nodes = sets.setdefault(f"chains.substrate.bench{i // CHAIN}.nodes_config", {})
            nodes[name] = {"id": name, "parent_id": f"chain_{i // CHAIN}", "name": f"bench {i}",
                           "node_ws_url": f"ws://127.0.0.1:{port or self.sim_port}/{i}",
                           "monitor_node": "true", "use_as_data_source": "false",
                           "is_archive_node": "true", "stash_address": stash,
                           "is_validator": "true" if kind == "validator" else "false"}
        made = {"period": self.options.period, "configs": sets}
        made.update(extra)
        path = os.path.join(self.directory, f"config-{first}-{count}.json")
        with open(path, "w") as f:
            json.dump(made, f)
        return path

    def script(self, kind):
        """What the floor sends: frames and messages of a round, taken from the daemon's own."""
        if kind in self.scripts:
            return self.scripts[kind]
        sent = []
        listener = socket.create_server(("127.0.0.1", 0))

        def relay(source, to, keep):
            while True:
                try:
                    data = source.recv(65536)
                    if keep is not None:
                        keep.append(data)
                    if not data:
                        break
                    to.sendall(data)
                except OSError:
                    break

        def serve():
            client, _ = listener.accept()
            node = socket.create_connection(("127.0.0.1", self.sim_port))
            threading.Thread(target=relay, args=(node, client, None), daemon=True).start()
            relay(client, node, sent)
        threading.Thread(target=serve, daemon=True).start()
        path = self.config(0, 1, kind, {"period": 1, "executor": "events"},
                           listener.getsockname()[1])
        process = subprocess.Popen([self.daemon, "-c", path, "--format", "json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        messages = []
        marks = []
        while len(marks) < 4:
            message = json.loads(process.stdout.readline())
            messages.append(message)
            if message["exchange"] == "health_check":
                marks.append((len(b"".join(sent)), len(messages)))
        process.terminate()
        process.wait()
        stream = b"".join(sent)[marks[2][0]:marks[3][0]]
        frames = self.frames(stream)
        path = os.path.join(self.directory, kind + ".script")
        with open(path, "w") as f:
            for text in frames:
                f.write("frame\t" + text + "\n")
            for message in messages[marks[2][1]:marks[3][1]]:
                f.write("\t".join(["message", message["exchange"], message["routing_key"],
                                   json.dumps(message["body"])]) + "\n")
        self.scripts[kind] = path
        return path

    @staticmethod
    def frames(stream):
        found = []
        while len(stream) > 6:
            size = stream[1] & 0x7F
            at = 2
            if size >= 126:
                more = 2 if size == 126 else 8
                size = int.from_bytes(stream[2:2 + more], "big")
                at += more
            mask = stream[at:at + 4]
            at += 4
            if stream[0] & 0x0F == 1:
                found.append(bytes(b ^ mask[i % 4] for i, b in
                                   enumerate(stream[at:at + size])).decode())
            stream = stream[at + size:]
        return found

    def settings(self, approach):
        made = {"executor": approach.split("-")[0]}
        if approach == "processes":
            made["executor"] = "threads"
        if not self.options.no_broker:
            made["broker.url"] = self.broker_url
            made["broker.publisher"] = "shared" if approach in ("threads-shared", "queue", "events") \
                else "own"
        for pair in self.options.set:
            name, value = pair.split("=", 1)
            made[name] = value
        return made

    def tick(self, n):
        """As long as the executor `events` lets events gather."""
        return max(1, min(20, int(n / self.options.period / 2)))

    def start(self, approach, kind, n):
        if approach == "floor":
            command = [self.floor, "--port", str(self.sim_port), "--nodes", str(n), "--period",
                       str(self.options.period * 1000), "--tick", str(self.tick(n)), "--script",
                       self.script(kind)]
            if not self.options.no_broker:
                command += ["--amqp", str(self.broker_port)]
            return [Child(command, self.directory, "floor")]
        if approach == "processes":
            children = []
            for i in range(n):
                children.append(Child([self.daemon, "-c", self.config(i, 1, kind, self.settings(approach)),
                                       "--log-level", "warning"], self.directory, f"p{i}"))
                time.sleep(0.02)
            return children
        return [Child([self.daemon, "-c", self.config(0, n, kind, self.settings(approach)),
                       "--log-level", "warning"], self.directory, approach)]

    def sample(self, children):
        total = {}
        for child in children:
            for key, value in child.figures().items():
                total[key] = max(total.get(key, 0), value) if "_us_" in key else \
                    total.get(key, 0) + value
        return total, sum(cpu_ns(c.pid) for c in children), time.monotonic()

    def measure(self, approach, kind, n):
        began = time.monotonic()
        children = self.start(approach, kind, n)
        for child in children:
            child.wait_ready()
        row = {"approach": approach, "kind": kind, "n": n, "note": ""}
        try:
            limit = began + self.options.period * 3 + 20
            while True:
                figures, _, now = self.sample(children)
                if figures.get("rounds", 0) - figures.get("errors", 0) >= n or now > limit:
                    break
                time.sleep(0.25)
            row["first_rounds_s"] = round(now - began, 1)
            if now > limit:
                row["note"] = "did not come to a first round of all"
            time.sleep(self.options.settle)
            before, cpu_before, t0 = self.sample(children)
            broker_before = cpu_ns(self.broker_pid) if self.broker_pid else 0
            time.sleep(self.options.window)
            after, cpu_after, t1 = self.sample(children)
            broker_after = cpu_ns(self.broker_pid) if self.broker_pid else 0
            memory = [smaps(c.pid) for c in children]
            rounds = after.get("rounds", 0) - before.get("rounds", 0)
            row["rounds"] = rounds
            row["threads"] = sum(len(os.listdir(f"/proc/{c.pid}/task")) for c in children)
            row["descriptors"] = sum(len(os.listdir(f"/proc/{c.pid}/fd")) for c in children)
            row["rss_kib_each"] = round(sum(m[0] for m in memory) / n, 1)
            row["pss_kib_each"] = round(sum(m[1] for m in memory) / n, 1)
            if rounds > 0:
                row["cpu_us_per_round"] = round((cpu_after - cpu_before) / 1000 / rounds, 1)
                row["broker_cpu_us_per_round"] = round((broker_after - broker_before) / 1000 / rounds, 1)
            for key, name in (("lag_us_p50", "lag_p50_ms"), ("lag_us_p99", "lag_p99_ms"),
                              ("round_us_p50", "round_p50_ms")):
                if key in after:
                    row[name] = round(after[key] / 1000, 1)
            for key in ("late", "overruns", "errors"):
                row[key] = after.get(key, 0) - before.get(key, 0)
            if self.broker_pid:
                row["broker_pss_mib"] = round(smaps(self.broker_pid)[1] / 1024, 0)
        except Exception as problem:  # an approach that breaks is a result too
            codes = [c.process.poll() for c in children]
            row["note"] = f"exit {codes[:3]}: " + str(problem)[:200].replace("\n", " ")
        switches = 0
        took = 0.0
        for child in children:
            try:
                usage, seconds = child.end()
                switches += usage.ru_nvcsw + usage.ru_nivcsw
                took = max(took, seconds)
            except (ChildProcessError, ProcessLookupError):
                pass
        row["stop_s"] = round(took, 2)
        total = row.get("rounds", 0) and after.get("rounds", 0)
        if total:
            row["switches_per_round"] = round(switches / total, 1)
        return row


def write_tables(rows, out):
    floors = {(r["kind"], r["n"]): r.get("cpu_us_per_round") for r in rows if r["approach"] == "floor"}
    for row in rows:
        floor = floors.get((row["kind"], row["n"]))
        if floor and row.get("cpu_us_per_round"):
            row["floor_ratio"] = round(row["cpu_us_per_round"] / floor, 2)
    with open(os.path.join(out, "results.csv"), "w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with open(os.path.join(out, "results.md"), "w") as f:
        f.write("| " + " | ".join(c.replace("_", " ") for c in COLUMNS) + " |\n")
        f.write("|" + "---|" * len(COLUMNS) + "\n")
        for row in rows:
            f.write("| " + " | ".join(str(row.get(c, "")) for c in COLUMNS) + " |\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--no-broker", action="store_true", help="messages go to nobody")
    parser.add_argument("--approach", action="append", choices=APPROACHES)
    parser.add_argument("--kind", action="append", choices=["node", "validator"])
    parser.add_argument("-n", type=int, action="append")
    parser.add_argument("--period", type=int, default=10)
    parser.add_argument("--settle", type=float, default=12)
    parser.add_argument("--window", type=float, default=30)
    parser.add_argument("--stash", default="")
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    options = parser.parse_args()
    sizes = options.n or [1, 10, 100, 1000, 5000, 10000]
    if options.quick:
        sizes = options.n or [1, 100, 1000, 10000]
        options.settle, options.window = 5, 10
    if options.smoke:
        sizes = options.n or [3]
        options.period, options.settle, options.window = 1, 0.5, 2
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.makedirs(options.out, exist_ok=True)
    rows = []
    bench = Bench(options)
    try:
        bench.open()
        for kind in options.kind or ["node"]:
            for n in sizes:
                for approach in options.approach or APPROACHES:
                    if n > MOST[approach]:
                        continue
                    row = bench.measure(approach, kind, n)
                    rows.append(row)
                    print(" ".join(f"{c}={row[c]}" for c in COLUMNS if row.get(c, "") != ""),
                          flush=True)
                    write_tables(rows, options.out)
    finally:
        bench.close()
    bad = [r for r in rows if not r.get("rounds")]
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
