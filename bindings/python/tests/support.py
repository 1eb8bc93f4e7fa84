"""Small monitors and strategies, and helpers, for the tests of this folder."""

import gc
import os
import subprocess
import sys
import time
import unittest

import panicmon
from panicmon import _core

SECONDS = 20 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))


class Greeting(panicmon.Monitor):
    """Publishes one greeting a round."""

    period = 0.02

    def __init__(self, whom):
        self.whom = whom

    def step(self, round):
        if round.step == 0:
            round.publish("greetings", "greeting", {"greeting": f"hello {self.whom}"})


class Greetings(panicmon.Strategy):
    """Takes {"whom": text}."""

    def parse(self, config):
        return config["whom"]

    def start(self, parsed):
        return Greeting(parsed)


class Steps(panicmon.Strategy):
    """Monitors whose step is a function of the round."""

    def __init__(self, step, period=0.02):
        self.step, self.period = step, period

    def parse(self, config):
        return config

    def start(self, parsed):
        outer = self

        class Stepper(panicmon.Monitor):
            period = outer.period

            def step(self, round):
                return outer.step(round)

        return Stepper()


def until(condition, seconds=SECONDS):
    """Waits for a condition; gives whether it came true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def tasks():
    """How many threads the process has, of whatever kind."""
    return len(os.listdir("/proc/self/task"))


def run_python(code, seconds=SECONDS):
    """Runs a program in an interpreter of its own."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(
        [os.path.dirname(os.path.abspath(__file__))] + [p for p in sys.path if p]))
    return subprocess.run([sys.executable, "-X", "faulthandler", "-c", code], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds)


class Case(unittest.TestCase):
    """A test after which nothing may be left: no object that C holds, no thread."""

    def setUp(self):
        self.threads = tasks()

    def tearDown(self):
        gc.collect()
        self.assertTrue(until(lambda: gc.collect() is not None and len(_core.objects) == 0, 5),
                        f"left: {_core.objects._objects}")
        self.assertTrue(until(lambda: tasks() <= self.threads, 5))
