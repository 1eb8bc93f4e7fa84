"""Processes of the benchmark and of the soak: how they are started, asked and ended, and what the
kernel says of them."""
import collections
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

READY_S = 60
ANSWER_S = 60


def raise_descriptor_limit():
    """Gives the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_ns(pid):
    """CPU time of a whole process, its ended threads too. What the kernel tells of user and system
    time apart is sampled by the clock that also wakes the loops, and so is no figure."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def memory_kib(pid):
    """Resident and proportional."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        text = f.read()
    return tuple(int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) for name in ("Rss", "Pss"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def switches(pid):
    """Of the threads there are now."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status") as f:
                total += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", f.read())))
        except OSError:
            pass
    return total


def listening_pid(port):
    """Which process listens on a port."""
    want = f":{port:04X}"
    inodes = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name) as f:
            for line in f.read().splitlines()[1:]:
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


def parse_figures(line):
    """Numbers; and of a histogram a Counter of how many there were up to each bound."""
    made = {}
    for name, value in re.findall(r"(\w+)=(\S*)", line):
        if name.endswith("_steps"):
            steps = (step.split(":") for step in value.split(",") if step)
            made[name] = collections.Counter({int(bound): int(count) for bound, count in steps})
        else:
            made[name] = int(value)
    return made


class Child:
    """A process that prints figures when it gets SIGUSR1; its standard error is in a file."""

    def __init__(self, command, directory, name, stdout=subprocess.DEVNULL, env=None):
        self.path = os.path.join(directory, name + ".err")
        self.asked_at = 0
        with open(self.path, "wb") as file:
            self.process = subprocess.Popen(command, stdout=stdout, stderr=file,
                                            stdin=subprocess.DEVNULL, env=env)
        self.pid = self.process.pid

    def wait_ready(self):
        """Until it would not die of SIGUSR1."""
        bit = 1 << (signal.SIGUSR1 - 1)
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with open(f"/proc/{self.pid}/status") as f:
                masks = re.findall(r"^Sig(?:Blk|Cgt):\s+(\w+)", f.read(), re.M)
            if any(int(mask, 16) & bit for mask in masks):
                return
            time.sleep(0.01)
        raise RuntimeError("did not start: " + self.tail())

    def ask(self):
        self.asked_at = os.path.getsize(self.path)
        os.kill(self.pid, signal.SIGUSR1)

    def answer(self):
        until = time.monotonic() + ANSWER_S
        while time.monotonic() < until and self.process.poll() is None:
            with open(self.path, "rb") as f:
                f.seek(self.asked_at)
                lines = re.findall(rb"figures: (.*)\n", f.read())
            if lines:
                return parse_figures(lines[-1].decode())
            time.sleep(0.005)
        raise RuntimeError("no figures: " + self.tail())

    def figures(self):
        self.ask()
        return self.answer()

    def text(self):
        with open(self.path, "rb") as f:
            return f.read().decode(errors="replace")

    def tail(self):
        return self.text()[-400:]

    def request_end(self):
        try:
            self.process.send_signal(signal.SIGTERM)
        except ProcessLookupError:
            pass

    def wait_end(self):
        """Its resource usage; None when somebody asked for its end before."""
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except ChildProcessError:
            return None
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return usage


class Simulator:
    """A panicmon-sim on a free port."""

    def __init__(self, build, nodes, options=(), tls=None):
        program = os.path.join(build, "tests/support/sim/panicmon-sim")
        command = [program, "--listen", "127.0.0.1:0", "--nodes", str(nodes), *options]
        if tls is not None:
            command += ["--cert", tls + ".pem", "--key", tls + ".key"]
        self.scheme = "ws" if tls is None else "wss"
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)
        first = self.process.stdout.readline()
        found = re.search(r"//[^:]+:(\d+)", first)
        if found is None:
            raise RuntimeError("the simulator did not start: " + first)
        self.port = int(found.group(1))

    def ask(self, method, params):
        """One call, over a plain WebSocket of its own."""
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        with socket.create_connection(("127.0.0.1", self.port)) as s, s.makefile("rb") as answer:
            s.sendall(b"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                      b"Sec-WebSocket-Version: 13\r\n\r\n")
            while answer.readline() not in (b"\r\n", b""):
                pass
            s.sendall(bytes([0x81, 0xFE]) + len(call).to_bytes(2, "big") + b"\0\0\0\0" + call)
            size = answer.read(2)[1]
            if size >= 126:
                size = int.from_bytes(answer.read(2 if size == 126 else 8), "big")
            return json.loads(answer.read(size))["result"]

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Broker:
    """A RabbitMQ of our own. `count`: its queue is emptied and the messages are counted."""

    def __init__(self, build, count=False):
        command = [os.path.join(build, "tests/bench/bench-broker")] + (["--count"] if count else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        said = ""
        for line in self.process.stdout:
            said += line
            if line.startswith("amqp://"):
                break
        else:  # 77: it is not installed
            print(said[-2000:], flush=True)
            raise SystemExit(self.process.wait() or 1)
        self.url = line.strip()
        self.port = int(self.url.rsplit(":", 1)[1].split("/")[0])
        self.pid = listening_pid(self.port)

    def close(self):
        """With `count`, how many messages came."""
        self.process.stdin.close()
        last = self.process.stdout.read().strip()
        self.process.wait()
        self.process.stdout.close()
        return int(last) if last.isdigit() else None


def make_certificate(directory):
    """A certificate for 127.0.0.1 that vouches for itself; the path without its ending."""
    path = os.path.join(directory, "node")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", path + ".key", "-out", path + ".pem"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path
