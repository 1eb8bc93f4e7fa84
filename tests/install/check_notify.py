"""check_notify.py PANICMOND: what the daemon tells the service manager: ready, alive as long as
rounds are completed and not a moment longer than it is patient, reloading, stopping."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time


PTRACE_ATTACH, PTRACE_DETACH = 16, 17


def loops_of(pid):
    """The threads that run rounds under the executor events."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as file:
            if file.read().startswith("pm:loop"):
                found.append(int(task))
    return found


def ptrace(request, task):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    return libc.ptrace(request, task, None, None) == 0


def check_freeze(pid, told):
    """Stops the threads of the rounds, and no other: the main thread turns on, and yet says
    nothing. Then lets them go on."""
    frozen = [task for task in loops_of(pid) if ptrace(PTRACE_ATTACH, task)]
    if not frozen:
        print("threads cannot be stopped one by one here: what a freeze tells is left out")
        return
    for task in frozen:
        os.waitpid(task, 0x40000000)  # __WALL
    quiet_since = time.monotonic()
    told.settimeout(4)  # twenty times as long as it is between two when all is well
    try:
        while time.monotonic() - quiet_since < 20:
            told.recv(500)  # it is patient for about a second
        raise AssertionError("a daemon without progress says that all is well")
    except TimeoutError:
        pass
    assert b"State:\tZ" not in open(f"/proc/{pid}/status", "rb").read(), "it died"
    for task in frozen:
        ptrace(PTRACE_DETACH, task)
    told.settimeout(20)
    assert told.recv(500) == b"WATCHDOG=1"


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notify")
        config = os.path.join(folder, "panicmond.json")
        with open(config, "w") as file:
            json.dump({"period": 0.2, "round.deadline": 0.2, "configs": {"chains.substrate.x.nodes_config": {
                "n": {"node_id": "n", "ws_url": "ws://127.0.0.1:1"}}}}, file)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(path)
            told.settimeout(20)
            process = subprocess.Popen(
                [sys.argv[1], "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="400000"))

            def await_state(wanted):
                seen = []
                while not any(state.startswith(wanted) for state in seen):
                    seen = told.recv(500).decode().splitlines()
                return seen

            try:
                await_state("READY=1")
                began = time.monotonic()
                for _ in range(5):
                    await_state("WATCHDOG=1")
                assert time.monotonic() - began > 0.4, "told too often"
                check_freeze(process.pid, told)
                process.send_signal(signal.SIGHUP)
                reloading = await_state("RELOADING=1")
                name, stamp = reloading[1].split("=")
                age = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - int(stamp)
                assert name == "MONOTONIC_USEC" and 0 <= age < 60_000_000, reloading
                await_state("READY=1")
                await_state("WATCHDOG=1")
                process.send_signal(signal.SIGTERM)
                await_state("STOPPING=1")
                assert process.wait(10) == 0, process.returncode
            finally:
                process.kill()
                process.wait()


main()
