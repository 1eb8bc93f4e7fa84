"""check_notify.py PANICMOND: what the daemon tells the service manager: ready, alive as long as
rounds are completed, reloading, stopping."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notify")
        config = os.path.join(folder, "panicmond.json")
        with open(config, "w") as file:
            json.dump({"period": 0.2, "configs": {"chains.substrate.x.nodes_config": {
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

            try:
                await_state("READY=1")
                began = time.monotonic()
                for _ in range(5):
                    await_state("WATCHDOG=1")
                assert time.monotonic() - began > 0.4, "told too often"
                process.send_signal(signal.SIGHUP)
                await_state("RELOADING=1")
                await_state("READY=1")
                await_state("WATCHDOG=1")
                process.send_signal(signal.SIGTERM)
                await_state("STOPPING=1")
                assert process.wait(10) == 0, process.returncode
            finally:
                process.kill()
                process.wait()


main()
