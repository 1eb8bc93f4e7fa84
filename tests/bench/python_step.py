"""python_step.py LIBRARY [--seconds S] [--cc CC]: what a step in Python costs: the same monitors, each
publishing one message a round, once with the steps in C and once with the steps in Python. CPU time
of the whole process per round; the difference is the price of Python."""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MONITORS = 50
PERIOD = 0.01
BODY = '{"a": 1}'

C_STRATEGY = r"""
#include <panicmon/panicmon.h>
#include <string.h>

static panicmon_err step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    (void)monitor, (void)err;
    if (panicmon_round_step(round) > 0)
        return PANICMON_OK;
    return panicmon_round_publish(round, "e", "k", "{\"a\": 1}", 8, NULL);
}
static panicmon_err parse(void *user, const panicmon_config *config, void **parsed,
                          panicmon_error **err)
{
    (void)user, (void)config, (void)err;
    *parsed = (void *)"";
    return PANICMON_OK;
}
static panicmon_err start(void *user, void *parsed, panicmon_launch *launch, panicmon_error **err)
{
    const panicmon_monitor_ops ops = {.struct_size = sizeof ops, .step = step};
    (void)user, (void)err;
    panicmon_launch_period(launch, 10);
    return panicmon_launch_monitor(launch, &ops, parsed);
}
const panicmon_strategy_ops strategy = {
    .struct_size = sizeof strategy, .name = "c", .parse = parse, .start = start};
"""


def measure(panicmon, strategy, seconds, executor):
    """CPU microseconds per round."""
    with open(os.devnull, "w") as null, panicmon.Registry() as registry:
        registry.add("bench", strategy)
        with panicmon.Runtime(registry, {"executor": executor},
                              sink=panicmon.Sink.jsonl(null.fileno()), log=False) as runtime:
            with panicmon.Manager(runtime) as manager:
                manager.apply("bench", {str(i): {} for i in range(MONITORS)})
                time.sleep(1.2)  # until all have had their first round
                rounds, cpu = runtime.stat("rounds"), time.process_time()
                time.sleep(seconds)
                cpu = time.process_time() - cpu
                rounds = runtime.stat("rounds") - rounds
                return cpu * 1e6 / max(rounds, 1), rounds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--cc", default="cc")
    arguments = parser.parse_args()
    os.environ["PANICMON_LIBRARY"] = arguments.library
    sys.path.insert(0, os.path.join(ROOT, "bindings/python/src"))
    import panicmon
    from panicmon import _ffi
    from panicmon.strategy import _Builtin

    class PythonMonitor(panicmon.Monitor):
        period = PERIOD

        def step(self, round):
            if round.step == 0:
                round.publish("e", "k", BODY)

    class PythonStrategy(panicmon.Strategy):
        def parse(self, config):
            return 1

        def start(self, parsed):
            return PythonMonitor()

    class CStrategy(_Builtin):
        name = "c"

        def _ops(self):
            return ctypes.pointer(table)

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "strategy.so")
        subprocess.run([arguments.cc, "-O2", "-shared", "-fPIC", "-x", "c", "-I",
                        os.path.join(ROOT, "include"), "-", "-x", "none", "-o", path,
                        arguments.library], input=C_STRATEGY, text=True, check=True)
        table = _ffi.StrategyOps.in_dll(ctypes.CDLL(path), "strategy")
        print(f"| executor | CPU of a round in C, µs | in Python {sys.version.split()[0]}, µs "
              "| a step in Python, µs |\n|---|---|---|---|")
        for executor in ("threads", "events"):
            c, rounds = measure(panicmon, CStrategy(), arguments.seconds, executor)
            python, more = measure(panicmon, PythonStrategy(), arguments.seconds, executor)
            assert rounds > 0 and more > 0, "no rounds"
            # A round has two steps: one that publishes, one that ends it.
            print(f"| {executor} | {c:.1f} | {python:.1f} | {(python - c) / 2:.1f} |")


main()
