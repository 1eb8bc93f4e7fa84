#!/usr/bin/env python3
"""See soak.sh."""
import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

from procs import Broker, Child, Simulator, descriptors, memory_kib, raise_descriptor_limit

CHAIN = 10     # nodes of one config set
SAMPLE_S = 10  # between looks at the daemon
WARM_S = 10    # before anything is changed or cut
# Then ten times the changes for so long: each config has been changed some times, and as many
# monitors are switched off as will be on average, before the slope is taken.
SETTLE_S = 60
# Growth of the heap in use is noise when two of its standard errors reach zero, or when it is less
# than so many KiB a minute.
SLOPE_KIB = 8
# What is resident may grow by so much of itself a minute, as the heap comes to be in pieces; that
# levels off.
RESIDENT_PART = 0.01


class Configs:
    """The configs, and how they change."""

    def __init__(self, path, port, options):
        self.path, self.port, self.options = path, port, options
        self.nodes = [{"name": f"node {i}", "on": True} for i in range(options.n)]
        self.changes = 0

    def change(self, count):
        """Renames, takes out or puts back some."""
        for i in random.sample(range(self.options.n), min(count, self.options.n)):
            self.changes += 1
            node = self.nodes[i]
            if random.random() < 0.5 or not node["on"]:
                node["on"] = not node["on"]
            else:
                node["name"] = f"node {i} change {self.changes % 7}"

    def write(self, broker_url):
        sets = {}
        for i, node in enumerate(self.nodes):
            entries = sets.setdefault(f"chains.substrate.soak{i // CHAIN}.nodes_config", {})
            entries[f"node_{i}"] = {
                "id": f"node_{i}", "parent_id": f"chain_{i // CHAIN}", "name": node["name"],
                "node_ws_url": f"ws://127.0.0.1:{self.port}/{i}", "stash_address": "",
                "monitor_node": "true" if node["on"] else "false", "is_validator": "false",
                "use_as_data_source": "false", "is_archive_node": "true"}
        made = {"period": self.options.period, "executor": self.options.executor, "configs": sets}
        if broker_url:
            made.update({"broker.url": broker_url, "broker.publisher": "shared"})
        with open(self.path + ".new", "w") as f:
            json.dump(made, f)
        os.rename(self.path + ".new", self.path)


class Lines(threading.Thread):
    """Counts what the daemon writes to its standard output."""

    def __init__(self):
        super().__init__(daemon=True)
        self.reader, self.writer = os.pipe()
        self.count = 0

    def run(self):
        while True:
            data = os.read(self.reader, 1 << 20)
            if not data:
                return
            self.count += data.count(b"\n")


def line_fit(points):
    """Slope per minute and its standard error, by least squares."""
    n = len(points)
    mean_t = sum(t for t, _ in points) / n
    mean_v = sum(v for _, v in points) / n
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    slope = sum((t - mean_t) * (v - mean_v) for t, v in points) / spread
    rest = sum((v - mean_v - slope * (t - mean_t)) ** 2 for t, v in points)
    return slope * 60, math.sqrt(rest / max(n - 2, 1) / spread) * 60


def average(values):
    return sum(values) / len(values)


class Verdict:
    def __init__(self):
        self.good = True
        self.lines = []

    def say(self, good, text):
        self.good = self.good and good
        self.tell(("ok    " if good else "FAIL  ") + text)

    def tell(self, text):
        self.lines.append(text)
        print(text, flush=True)


def judge_memory(options, verdict, half):
    slope, error = line_fit([(p[0], p[1]) for p in half])
    text = (f"resident: {slope:+.1f} KiB a minute in the second half, standard error {error:.1f}, "
            f"at {half[-1][1]} KiB")
    if options.wrapped:
        verdict.tell("      " + text + " (not judged: what is freed is kept)")
        return
    verdict.say(slope - 2 * error <= RESIDENT_PART * half[-1][1], text)
    slope, error = line_fit([(p[0], p[4]) for p in half])
    verdict.say(slope - 2 * error <= 0 or slope < SLOPE_KIB,
                f"heap in use: {slope:+.1f} KiB a minute in the second half, standard error "
                f"{error:.1f}, at {half[-1][4]} KiB")


def judge(options, points, first, last, cuts, lines, consumed, daemon):
    """points: (seconds, resident KiB, descriptors, rounds, KiB of the heap in use)"""
    verdict = Verdict()
    half = points[len(points) // 2:]
    judge_memory(options, verdict, half)
    quarter = len(points) // 4
    before = average([p[2] for p in points[quarter:2 * quarter]])
    after = average([p[2] for p in points[-quarter:]])
    verdict.say(after <= before * 1.02 + 3, f"descriptors: {before:.0f} on average in the second "
                f"quarter, {after:.0f} in the last")
    least = min(b[3] - a[3] for a, b in zip(points, points[1:]))
    verdict.say(least > 0, f"rounds: {last['rounds']}, never less than {least} in {SAMPLE_S} s; "
                f"{last['errors']} errors, {last['late']} late, {last['overruns']} overruns")
    again = last["rpc_connects"] - first["rpc_connects"]
    verdict.say(cuts > 0 and again >= cuts / 2, f"cuts: {cuts} connections cut, {again} made again "
                "(a node's that had just been taken out are not)")
    kept = last["messages_confirmed"] + last["messages_waiting"] + last["messages_dropped"]
    verdict.say(last["messages_produced"] == kept, f"messages: {last['messages_produced']} produced "
                f"= {last['messages_confirmed']} confirmed + {last['messages_waiting']} waiting + "
                f"{last['messages_dropped']} dropped")
    came = consumed if options.broker else lines
    # What was confirmed came; what was still waiting when the figures were read may have come too.
    verdict.say(came is not None and came >= last["messages_confirmed"],
                f"messages that {'the broker' if options.broker else 'standard output'} got: {came}, "
                f"confirmed before the stop: {last['messages_confirmed']}")
    code = daemon.process.returncode
    verdict.say(code == 0, f"exit status {code}")
    found = [word for word in ("AddressSanitizer", "LeakSanitizer", "runtime error",
                               "definitely lost") if word in daemon.text()]
    verdict.say(not found, f"complaints of the sanitizer: {', '.join(found) or 'none'}")
    if found or code != 0:
        print(daemon.text()[-8000:])
    if options.report:
        title = (f"soak.sh: {options.executor}, {options.n} nodes, period {options.period:g} s, "
                 f"{options.minutes:g} minutes, {options.changes} configs changed and "
                 f"{options.cuts:g} connections cut a second"
                 f"{', to a broker' if options.broker else ''}"
                 f"{', AddressSanitizer' if options.asan else ''}"
                 f"{', valgrind' if options.valgrind else ''}")
        with open(options.report, "w") as f:
            f.write("\n".join([title, *verdict.lines]) + "\n")
    return verdict.good


def command_of(options, path):
    daemon = [os.path.join(options.build, "examples/panicmond/panicmond"), "-c", path, "--log-level",
              "error"]
    if not options.broker:
        daemon += ["--format", "json"]
    if options.valgrind:
        return ["valgrind", "--leak-check=full", "--show-leak-kinds=definite", "--error-exitcode=9",
                "--errors-for-leak-kinds=definite", "-q", *daemon]
    return daemon


def environment(options, heap):
    made = dict(os.environ)
    if not options.wrapped:
        made["HEAPWATCH"] = heap
        # What threads put by for themselves counts as used, so they shall not.
        made["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=0"
        made["LD_PRELOAD"] = os.path.join(options.build, "tests/bench/libheapwatch.so")
    return made


class Heap:
    """What heapwatch says. The least since last asked: while configs are read there is more."""

    def __init__(self, path):
        self.path = path
        self.seen = 0

    def kib(self):
        if not os.path.exists(self.path):
            return 0
        with open(self.path) as f:
            lines = f.read().split()
        new = lines[self.seen:] or lines[-1:]
        self.seen = len(lines)
        return min(map(int, new)) // 1024


def run(options, directory, sim, broker):
    configs = Configs(os.path.join(directory, "soak.json"), sim.port, options)
    url = broker.url if broker else None
    configs.write(url)
    lines = Lines()
    heap = Heap(os.path.join(directory, "heap"))
    daemon = Child(command_of(options, configs.path), directory, "soak", stdout=lines.writer,
                   env=environment(options, heap.path))
    os.close(lines.writer)
    lines.start()
    daemon.wait_ready()
    time.sleep(WARM_S)
    first = daemon.figures()
    sim.ask("sim_set", {"cuts": options.cuts})

    def change(count):
        configs.change(count)
        configs.write(url)
        os.kill(daemon.pid, signal.SIGHUP)

    for _ in range(SETTLE_S if options.changes > 0 and not options.wrapped else 0):
        change(10 * options.changes)
        time.sleep(1)
    began = time.monotonic()
    points = []
    while time.monotonic() - began < options.minutes * 60:
        if options.changes > 0:
            change(options.changes)
        time.sleep(1)
        if len(points) * SAMPLE_S < time.monotonic() - began:
            rounds = daemon.figures()["rounds"]
            points.append((time.monotonic() - began, memory_kib(daemon.pid)[0],
                           descriptors(daemon.pid), rounds, heap.kib()))
            print(f"{points[-1][0]:6.0f} s  rss {points[-1][1]} KiB  heap {points[-1][4]} KiB  "
                  f"descriptors {points[-1][2]}  "
                  f"rounds {rounds}  left {max(0, options.minutes * 60 - points[-1][0]):.0f} s",
                  flush=True)
    cuts = sim.ask("sim_stats", {})["cuts"]
    sim.ask("sim_set", {"cuts": 0})
    time.sleep(2)
    last = daemon.figures()
    stopping = time.monotonic()
    daemon.request_end()
    daemon.wait_end()
    print(f"{configs.changes} configs changed; stopped in {time.monotonic() - stopping:.2f} s")
    lines.join(10)
    return judge(options, points, first, last, cuts, lines.count,
                 broker.close() if broker else None, daemon)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--period", type=float, default=2)
    parser.add_argument("--cuts", type=float, help="connections a second; 1 in 200 of them")
    parser.add_argument("--changes", type=int, help="configs a second; 1 in 100 of them")
    parser.add_argument("--executor", default="events")
    parser.add_argument("--broker", action="store_true", help="publish to a RabbitMQ")
    parser.add_argument("--asan", action="store_true", help="the build has a sanitizer")
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("--report", metavar="FILE", help="what was found, for RESULTS.md")
    options = parser.parse_args()
    options.wrapped = options.asan or options.valgrind
    options.cuts = options.n / 200 if options.cuts is None else options.cuts
    if options.changes is None:
        options.changes = max(1, options.n // 100)
    raise_descriptor_limit()
    directory = tempfile.mkdtemp(prefix="panicmon-soak.")
    sim = Simulator(options.build, options.n, ["--block-time", "1"])
    broker = None
    try:
        broker = Broker(options.build, count=True) if options.broker else None
        return 0 if run(options, directory, sim, broker) else 1
    finally:
        sim.close()
        if broker and broker.process.poll() is None:
            broker.close()
        subprocess.run(["rm", "-rf", directory])


if __name__ == "__main__":
    sys.exit(main())
