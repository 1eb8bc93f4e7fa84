"""What the benchmark writes: results.csv, RESULTS.md and the plots. All text with a figure in it is
made from the rows, so that the next run leaves nothing stale."""
import csv
import glob
import os
import platform
import re
import sys

import aims
import plot
from aims import PANIC_ROWS

COLUMNS = ["approach", "kind", "scheme", "n", "rounds", "tick_ms", "cpu_us_per_round",
           "floor_ratio", "rss_kib_each", "pss_kib_each", "threads", "descriptors", "switches_per_round",
           "lag_p50_ms", "lag_p99_ms", "round_p50_ms", "round_p99_ms", "late", "overruns", "errors",
           "frames_per_round", "out_bytes_per_round", "in_bytes_per_round", "messages_per_round",
           "first_rounds_s", "stop_s", "broker_us_per_round", "broker_pss_mib", "note"]
COST = [("approach", "approach"), ("n", "N"), ("cpu_us_per_round", "CPU µs"),
        ("floor_ratio", "to the floor"), ("rss_kib_each", "RSS KiB"),
        ("pss_kib_each", "PSS KiB"), ("threads", "threads"), ("descriptors", "fds"),
        ("switches_per_round", "switches"), ("lag_p50_ms", "lag p50 ms"), ("lag_p99_ms", "lag p99 ms"),
        ("broker_us_per_round", "broker CPU µs"), ("broker_pss_mib", "broker MiB"), ("note", "note")]
DETAIL = [("approach", "approach"), ("n", "N"), ("rounds", "rounds"), ("tick_ms", "tick ms"),
          ("frames_per_round", "frames"), ("out_bytes_per_round", "bytes out"),
          ("in_bytes_per_round", "bytes in"), ("messages_per_round", "messages"),
          ("round_p50_ms", "round p50 ms"), ("round_p99_ms", "round p99 ms"), ("late", "late"),
          ("overruns", "overruns"), ("errors", "errors"), ("first_rounds_s", "first rounds s"),
          ("stop_s", "stop s")]
ORDER = ["PANIC", "processes", "threads-own", "threads-shared", "rounds", "queue", "events", "floor"]


def line(row):
    return " ".join(f"{c}={row[c]}" for c in COLUMNS if row.get(c, "") != "")


def add_ratios(rows):
    floors = {(r["kind"], r["n"]): r.get("cpu_us_per_round") for r in rows if r["approach"] == "floor"}
    for row in rows:
        floor = floors.get((row["kind"], row["n"]))
        if floor and row.get("cpu_us_per_round") and row["approach"] != "PANIC":
            row["floor_ratio"] = round(row["cpu_us_per_round"] / floor, 2)


def table(rows, columns):
    text = "| " + " | ".join(title for _, title in columns) + " |\n"
    text += "|" + "---|" * len(columns) + "\n"
    for row in rows:
        cells = [row.get(key, "") for key, _ in columns]
        text += "| " + " | ".join(f"{c:,}" if isinstance(c, int) else str(c) for c in cells) + " |\n"
    return text


def chosen(rows, kind, scheme):
    found = [r for r in rows if r["kind"] == kind and r["scheme"] == scheme]
    return sorted(found, key=lambda r: (r["n"], ORDER.index(r["approach"])))


def section(title, rows):
    if not rows:
        return ""
    measured = [r for r in rows if "rounds" in r]
    return f"## {title}\n{table(rows, COST)}\n{table(measured, DETAIL)}\n"


def huge_pages():
    """Which memory the kernel gives in huge pages."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as f:
            return re.search(r"\[(\w+)\]", f.read()).group(1)
    except OSError:
        return "none"


def machine():
    model = ""
    with open("/proc/cpuinfo") as f:
        for text in f:
            if text.startswith("model name"):
                model = text.split(":", 1)[1].strip()
                break
    with open("/proc/loadavg") as f:
        load = f.read().split()[0]
    return (f"{os.cpu_count()} cores ({model}), Linux {'.'.join(platform.release().split('.')[:2])}, "
            f"huge pages: {huge_pages()}; load average at the end {load}")


def soaks():
    """What soak.sh has kept."""
    text = ""
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak",
                                              "*.txt"))):
        with open(path) as f:
            text += f"```\n{f.read().strip()}\n```\n"
    return SOAK + text + "\n" if text else ""


INTRO = """# What a round costs under each executor

Made by `tests/bench/run.sh`{how}, in {minutes:.0f} minutes; do not edit, run it again.

A period of {period} s; the node simulator and RabbitMQ run on the same cores in processes of their
own, which are not counted. {machine}. Where others use the machine, ratios count and absolute
figures do not.

* The **floor** is an epoll client that does on the wire what `events` does and no more: frames that
  were seen between a daemon and its nodes, those of a stage when the replies to the stage before are
  there, then the two messages of the round, the second when the first is confirmed. It reads the
  same bytes, parses only the lengths of frames, and lets events gather for the same tick as `events`
  (the column "tick").{traffic}
* CPU is that of all our processes, user and system, per round of the window. Memory is that of the
  processes over N, without the kernel's part of a socket (about 4.5 KiB). Switches, frames, bytes,
  late, overruns and errors are those of the window, and so are the percentiles of lag and of round
  times: from the library's histograms at both ends of it, each the upper bound of a step of an
  eighth of a power of two, so up to an eighth too much. The first rounds of all are not in them.
* Rows of up to {side} monitorables were measured side by side, in a window of {small:.0f} s, so the
  broker's cost could not be told apart.
* From there on `events` and the floor of the same N were measured in one window, each with a
  simulator and a broker of its own: what else the machine does falls on both.
* **PANIC** stands there for comparison, as measured earlier on such a machine: PANIC 1.3.1 with a
  process per monitor, validators and others mixed, its whole tree.

"""


SOAK = """## Soak
Of the nodes two thirds are monitored at any time: for each that a change takes out another one is put
back, since the memory in use goes with their number. Before it is judged each config is changed some
times, at ten times the rate for a minute and then through the first third of the run. Then the heap
in use of the last third is compared with that of the second, by averages of the medians of five
blocks of each. What is more than 2.9 standard errors of the difference is growth (99 of 100, Student's
t of eight degrees of freedom); a run whose noise would hide a leak of 64 bytes of each change fails
too. The run that leaked on purpose shows that one is found.
"""


def traffic(rows):
    """Whether the floor sends what we send."""
    parts = []
    for kind in ("node", "validator"):
        for n in (100, 1000, 10000):
            floor = aims.find(rows, "floor", n, kind)
            ours = aims.find(rows, "events", n, kind)
            if floor and ours and floor.get("frames_per_round") and ours.get("frames_per_round"):
                parts.append(f"{kind}s at {n:,}: {floor['frames_per_round']} and "
                             f"{ours['frames_per_round']} frames, {floor['in_bytes_per_round']:.0f} "
                             f"and {ours['in_bytes_per_round']:.0f} bytes in")
    return " Floor and `events`, of a round: " + "; ".join(parts) + "." if parts else ""


def results(rows, options, seconds, complete):
    how = " --quick" if options.quick else ""
    text = INTRO.format(how=how, minutes=seconds / 60, period=options.period, machine=machine(),
                        side=10, small=options.small_window, traffic=traffic(rows))
    if not complete:
        text += "**The run has not come to its end.**\n\n"
    shown = rows + PANIC_ROWS
    text += aims.section(rows)
    text += section("Nodes that are no validators", chosen(shown, "node", "ws"))
    text += section("Validators", chosen(rows, "validator", "ws"))
    text += section("Nodes by `wss://`", chosen(rows, "node", "wss"))
    text += ("## Plots\n![CPU per round](cpu.svg)\n\n![Memory per monitorable](memory.svg)\n\n"
             if plot.possible(rows) else "")
    text += soaks()
    text += aims.default(rows)
    return text


def write(rows, options, seconds, complete):
    add_ratios(rows)
    rows = sorted(rows, key=lambda r: (r["kind"], r["scheme"], r["n"], ORDER.index(r["approach"])))
    with open(os.path.join(options.out, "results.csv"), "w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with open(os.path.join(options.out, "RESULTS.md"), "w") as f:
        f.write(results(rows, options, seconds, complete))
    plot.draw_all(rows + PANIC_ROWS, options.out)


if __name__ == "__main__":
    sys.exit("run.sh is what to run")
