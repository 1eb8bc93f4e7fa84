#!/usr/bin/env python3
"""See soak.sh."""
import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from bench import CHAIN, Child, smaps


def write(path, port, names, executor):
    sets = {}
    for i, name in enumerate(names):
        nodes = sets.setdefault(f"chains.substrate.soak{i // CHAIN}.nodes_config", {})
        nodes[f"node_{i}"] = {"id": f"node_{i}", "parent_id": f"chain_{i // CHAIN}", "name": name,
                              "node_ws_url": f"ws://127.0.0.1:{port}/{i}", "monitor_node": "true",
                              "use_as_data_source": "false", "is_archive_node": "true",
                              "stash_address": "", "is_validator": "false"}
    with open(path + ".new", "w") as f:
        json.dump({"period": 2, "executor": executor, "configs": sets}, f)
    os.rename(path + ".new", path)


def slope(points):
    """Least squares, per minute."""
    mean_t = sum(t for t, _ in points) / len(points)
    mean_v = sum(v for _, v in points) / len(points)
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    return sum((t - mean_t) * (v - mean_v) for t, v in points) / spread * 60


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--executor", default="events")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="panicmon-soak.")
    sim = subprocess.Popen([os.path.join(options.build, "tests/support/sim/panicmon-sim"), "--listen",
                            "127.0.0.1:0", "--nodes", str(options.n), "--block-time", "1",
                            "--mode", "reset", "--mode", "every=400"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    port = int(re.search(r":(\d+)", sim.stdout.readline().split("//")[1]).group(1))
    names = [f"node {i}" for i in range(options.n)]
    path = os.path.join(directory, "soak.json")
    write(path, port, names, options.executor)
    daemon = Child([os.path.join(options.build, "examples/panicmond/panicmond"), "-c", path, "--format",
                    "json", "--log-level", "error"], directory, "soak")
    daemon.wait_ready()
    time.sleep(5)
    began = time.monotonic()
    points = []
    changes = 0
    while time.monotonic() - began < options.minutes * 60:
        for i in random.sample(range(options.n), max(1, options.n // 100)):
            changes += 1
            names[i] = f"node {i} change {changes % 7}"
        write(path, port, names, options.executor)
        os.kill(daemon.pid, signal.SIGHUP)
        time.sleep(1)
        if len(points) < (time.monotonic() - began) / 10:
            rss, _ = smaps(daemon.pid)
            descriptors = len(os.listdir(f"/proc/{daemon.pid}/fd"))
            points.append((time.monotonic() - began, rss))
            print(f"{points[-1][0]:6.0f} s  rss {rss} KiB  descriptors {descriptors}", flush=True)
    figures = daemon.figures()
    usage, took = daemon.end()
    sim.terminate()
    sim.wait()
    subprocess.run(["rm", "-rf", directory])
    half = points[len(points) // 2:]
    print(f"{changes} changes, {figures.get('rounds')} rounds, {figures.get('rpc_connects')} connects, "
          f"memory slope {slope(half):.1f} KiB a minute, stopped in {took:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
