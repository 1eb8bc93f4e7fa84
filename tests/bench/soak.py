#!/usr/bin/env python3
"""See soak.sh."""
import argparse
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from procs import Broker, Child, Simulator, descriptors, memory_kib, raise_descriptor_limit

CHAIN = 10     # nodes of one config set
SAMPLE_S = 10  # between looks at the daemon
WARM_S = 10    # before anything is changed or cut
# Then ten times the changes for so long, so that each config was changed some times; and the first
# third of what follows is not judged: monitors live ten times as long from there on.
SETTLE_S = 60
# The heap in use: each of the other two thirds is cut into so many blocks, of at least so many
# samples, and the averages of their medians are compared. Growth is noise up to so many standard
# errors of that difference: 99 of 100 by Student's t of eight degrees of freedom.
BLOCKS = 5
BLOCK_SAMPLES = 2
NOISE = 2.9
GRAIN_KIB = 4  # less than a page is no growth
# Where so much of each change would go unseen, nothing was shown: 64 bytes with malloc's own.
LEAK_BYTES = 80
# What is resident may grow by so much of itself a minute, as the heap comes to be in pieces; that
# levels off.
RESIDENT_PART = 0.01


class Configs:
    """The configs, and how they change."""

    def __init__(self, path, port, options):
        self.path, self.port, self.options = path, port, options
        self.nodes = [{"name": f"node {i}", "on": i % 3 < 2} for i in range(options.n)]
        self.deck = []
        self.owed = 0
        self.changes = 0

    def change(self, count):
        """Renames, takes out or puts back some. All have their turn before one has its next, and for
        each that is put back one is taken out: were their number left to chance, the memory in use
        would go up and down with it."""
        for _ in range(count):
            if not self.deck:
                self.deck = random.sample(range(self.options.n), self.options.n)
            i = self.deck.pop()
            node = self.nodes[i]
            self.changes += 1
            if not node["on"]:
                node["on"] = True
                self.owed += 1
            elif self.owed > 0:
                node["on"] = False
                self.owed -= 1
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


def medians(values, blocks):
    """Of each block of neighbours."""
    edges = [len(values) * i // blocks for i in range(blocks + 1)]
    return [statistics.median(values[a:b]) for a, b in zip(edges, edges[1:])]


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


def judge_resident(options, verdict, points):
    half = points[len(points) // 2:]
    slope, error = line_fit([(p[0], p[1]) for p in half])
    text = (f"resident: {slope:+.1f} KiB a minute in the second half, standard error {error:.1f}, "
            f"at {half[-1][1]} KiB")
    if options.wrapped:
        verdict.tell("      " + text + " (not judged: what is freed is kept)")
    else:
        verdict.say(slope - 2 * error <= RESIDENT_PART * half[-1][1], text)


def judge_heap(options, verdict, points):
    third = len(points) // 3
    if third < BLOCKS * BLOCK_SAMPLES:
        verdict.tell("      heap in use: not judged, the run was too short")
        return
    second, last = points[third:2 * third], points[-third:]
    before, after = (medians([p[4] for p in part], BLOCKS) for part in (second, last))
    growth = average(after) - average(before)
    error = math.sqrt((statistics.variance(before) + statistics.variance(after)) / BLOCKS)
    limit = max(NOISE * error, GRAIN_KIB)
    text = (f"heap in use: {growth:+.1f} KiB from the second third to the last, standard error "
            f"{error:.1f}, at most {limit:.1f} is noise; at {average(after):.0f} KiB")
    changes = options.changes * (average([p[0] for p in last]) - average([p[0] for p in second]))
    least = limit * 1024 / changes if changes > 0 else 0
    if changes > 0:
        text += f"; {growth * 1024 / changes:+.0f} bytes of each change, noise {least:.0f}"
    if growth <= limit and least >= LEAK_BYTES:
        text += ": too much to tell, let it run for longer"
    verdict.say(growth <= limit and least < LEAK_BYTES, text)


def judge(options, points, first, last, cuts, lines, consumed, daemon):
    """points: (seconds, resident KiB, descriptors, rounds, KiB of the heap in use)"""
    verdict = Verdict()
    judge_resident(options, verdict, points)
    if not options.wrapped:
        judge_heap(options, verdict, points)
    quarter = len(points) // 4
    before = average([p[2] for p in points[quarter:2 * quarter]])
    after = average([p[2] for p in points[-quarter:]])
    # Connections of nodes that were taken out stay for a while: about a hundred, give or take ten.
    verdict.say(after <= before * 1.05 + 10, f"descriptors: {before:.0f} on average in the second "
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
                 f"{', valgrind' if options.valgrind else ''}"
                 f"{f', {options.leak} bytes of each change leaked' if options.leak else ''}")
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
        made["HEAPWATCH_LEAK"] = f"{options.leak} {options.changes}"
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
    parser.add_argument("--leak", type=int, default=0, metavar="BYTES",
                        help="loses so many for each change, as a fault would: must be found")
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
