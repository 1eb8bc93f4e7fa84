#!/usr/bin/env python3
"""Measures what a round costs under each executor, beside the floor; see run.sh for the options.

The node simulator and the broker are processes of their own and are not counted. CPU is what the
kernel accounts to our processes, read over a window in which all monitorables have had their first
round; a round is one that the daemon counted in that window."""
import argparse
import math
import os
import sys
import time

import plan
import report
from lab import Lab
from procs import cpu_ns, descriptors, memory_kib, raise_descriptor_limit, switches, threads

# The last step of a histogram, which holds all, has a bound beyond any that is measured.
LONGEST_US = 1 << 40


def add(total, figures):
    """Sums counters and histograms."""
    for key, value in figures.items():
        total[key] = total[key] + value if key in total else value


def percentile_ms(before, after, percent):
    """Of the values that came between two looks at a histogram: the bound of the step in which so
    many of a hundred are reached, which is an eighth too much at most. None: none came, or it is
    beyond the last bound."""
    came = after - before
    wanted = math.ceil(came.total() * percent / 100)
    seen = 0
    for bound in sorted(came):
        seen += came[bound]
        if seen >= wanted:
            return round(bound / 1000, 1) if bound < LONGEST_US else None
    return None


def ask_all(children):
    total = {}
    for child in children:
        child.ask()
    for child in children:
        add(total, child.answer())
    return total


class Look:
    """Figures and what the kernel counts, at one moment."""

    def __init__(self, children, broker):
        self.figures = ask_all(children)
        self.cpu = sum(cpu_ns(c.pid) for c in children)
        self.switches = sum(switches(c.pid) for c in children)
        self.broker_cpu = cpu_ns(broker.pid) if broker else 0


class Row:
    """One approach that is being measured."""

    def __init__(self, lab, wanted):
        self.lab = lab
        self.wanted = wanted
        self.row = {"approach": wanted.approach, "kind": wanted.kind, "n": wanted.n,
                    "scheme": "wss" if wanted.tls else "ws", "note": wanted.note}
        if wanted.approach in ("events", "floor"):
            tick = lab.tick(wanted.n)
            override = lab.options.floor_tick
            self.row["tick_ms"] = override if wanted.approach == "floor" and override is not None \
                else tick
        self.children = []
        self.before = self.after = None

    def note(self, text):
        self.row["note"] = "; ".join(filter(None, [self.row["note"], text]))

    def prepare(self):
        """What takes its time and is no part of the start."""
        if self.wanted.approach == "floor":
            self.lab.script(self.wanted.kind, self.wanted.n)

    def start(self):
        self.began = time.monotonic()
        self.children = self.lab.start(self.wanted.approach, self.wanted.kind, self.wanted.n,
                                       self.wanted.tls)
        for child in self.children:
            child.wait_ready()

    def wait_first(self):
        """Until each monitorable has had a round, but not for ever."""
        limit = time.monotonic() + 3 * self.lab.options.period + 20
        while True:
            figures = ask_all(self.children)
            now = time.monotonic()
            if figures.get("rounds", 0) - figures.get("errors", 0) >= self.wanted.n:
                break
            if now > limit:
                self.note("did not come to a first round of all")
                break
            time.sleep(0.25)
        self.row["first_rounds_s"] = round(now - self.began, 1)

    def look(self):
        return Look(self.children, self.lab.broker)

    def measure(self, alone):
        """From the figures before and after the window."""
        before, after, row, n = self.before, self.after, self.row, self.wanted.n
        pids = [c.pid for c in self.children]
        memory = [memory_kib(pid) for pid in pids]
        rounds = after.figures.get("rounds", 0) - before.figures.get("rounds", 0)
        row["rounds"] = rounds
        row["threads"] = sum(map(threads, pids))
        row["descriptors"] = sum(map(descriptors, pids))
        row["rss_kib_each"] = round(sum(m[0] for m in memory) / n, 1)
        row["pss_kib_each"] = round(sum(m[1] for m in memory) / n, 1)
        for key in ("lag", "round"):
            steps = key + "_us_steps"
            for percent in (50, 99) if steps in after.figures else ():
                value = percentile_ms(before.figures[steps], after.figures[steps], percent)
                if value is not None:
                    row[f"{key}_p{percent}_ms"] = value
        for key in ("late", "overruns", "errors"):
            row[key] = after.figures.get(key, 0) - before.figures.get(key, 0)
        if row["errors"] > 0:
            self.note(f"{row['errors']:,} of its {rounds:,} rounds failed")
        if self.lab.broker and alone:
            row["broker_pss_mib"] = round(memory_kib(self.lab.broker.pid)[1] / 1024)
        if rounds > 0:
            self.measure_rounds(rounds, alone)

    def measure_rounds(self, rounds, alone):
        before, after, row = self.before, self.after, self.row
        cpu = (after.cpu - before.cpu) / 1000 / rounds
        row["cpu_us_per_round"] = round(cpu, 1)
        for key, name in (("rpc_frames", "frames_per_round"), ("rpc_bytes_in", "in_bytes_per_round"),
                          ("rpc_bytes_out", "out_bytes_per_round"),
                          ("messages_confirmed", "messages_per_round")):
            if key in after.figures:
                row[name] = round((after.figures[key] - before.figures[key]) / rounds, 1)
        if self.wanted.approach != "rounds":  # whose threads are gone by now
            row["switches_per_round"] = round((after.switches - before.switches) / rounds, 1)
        if self.lab.broker and alone:
            row["broker_us_per_round"] = round((after.broker_cpu - before.broker_cpu) / 1000 / rounds,
                                               1)

    def stop(self):
        began = time.monotonic()
        for child in self.children:
            child.request_end()
        usages = [u for u in (child.wait_end() for child in self.children) if u is not None]
        self.row["stop_s"] = round(time.monotonic() - began, 2)
        total = self.after.figures.get("rounds", 0) if self.after else 0
        if self.wanted.approach == "rounds" and total > 0:
            self.row["switches_per_round"] = round(
                sum(u.ru_nvcsw + u.ru_nivcsw for u in usages) / total, 1)


def measure(lab, group):
    """The rows of one group, side by side."""
    pair = plan.is_pair(group)
    rows = [Row(lab.beside() if pair and wanted.approach == "floor" else lab, wanted)
            for wanted in group]
    alone = len(rows) == 1 or pair
    window = max(wanted.window for wanted in group)
    try:
        for row in rows:
            row.prepare()
        for row in rows:
            row.start()
        for row in rows:
            row.wait_first()
        time.sleep(lab.options.settle)
        for row in rows:
            row.before = row.look()
        time.sleep(window)
        for row in rows:
            row.after = row.look()
        for row in rows:
            row.measure(alone)
    except Exception as problem:  # an approach that breaks is a result too
        for row in rows:
            codes = {c.process.poll() for c in row.children} - {None}
            row.note(f"exit {sorted(codes)}: " + " ".join(str(problem).split())[:200])
    for row in rows:
        row.stop()
    return [row.row for row in rows]


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--no-broker", action="store_true", help="messages go to nobody")
    parser.add_argument("--approach", action="append", choices=plan.APPROACHES)
    parser.add_argument("--kind", action="append", choices=["node", "validator"])
    parser.add_argument("--tls", choices=["no", "too", "only"], help="wss:// too, or only")
    parser.add_argument("-n", type=int, action="append")
    parser.add_argument("--period", type=int, default=10)
    parser.add_argument("--settle", type=float)
    parser.add_argument("--window", type=float)
    parser.add_argument("--floor-tick", type=int, metavar="MS",
                        help="the floor's instead of that of `events`; 0: none")
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    options = parser.parse_args()
    plan.defaults(options)
    return options


def left(groups, options):
    seconds = sum(plan.seconds_of(group, options) for group in groups)
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def main():
    options = parse()
    limit = raise_descriptor_limit()
    groups, skipped = plan.make(options, limit)
    os.makedirs(options.out, exist_ok=True)
    rows = list(skipped)
    lab = Lab(options)
    bad = 0
    began = time.monotonic()
    try:
        lab.open()
        for i, group in enumerate(groups):
            names = ", ".join(str(wanted) for wanted in group)
            print(f"[{time.monotonic() - began:4.0f} s] {names}: {left(groups[i:], options)}",
                  flush=True)
            for row in measure(lab, group):
                rows.append(row)
                bad += not row.get("rounds")
                print("    " + report.line(row), flush=True)
            report.write(rows, options, time.monotonic() - began, i + 1 == len(groups))
            if i + 1 < len(groups) and groups[i + 1][0].tls != group[0].tls:
                lab.close_sim(group[0].tls)
    finally:
        lab.close()
    print(f"done in {(time.monotonic() - began) / 60:.1f} min", flush=True)
    return 1 if bad or not groups else 0


if __name__ == "__main__":
    sys.exit(main())
