"""What stands beside the daemons that are measured: simulated nodes, a broker, and the script of
the floor, which is taken from the wire."""
import json
import os
import subprocess
import tempfile
import threading
import time

from procs import Broker, Child, Simulator, make_certificate
from wire import Relay, rounds_of

CHAIN = 10            # nodes of one config set
NODES = 10001         # simulated
VALIDATORS = 100      # of the chain
CHAIN_OPTIONS = ["--validators", str(VALIDATORS), "--nominators", "8"]
BLOCK_S = 6
# The floor's script is taken at a tenth of the period with blocks ten times as fast, from a daemon
# with as many nodes, but no more than this.
HURRY = 10
SCRIPT_NODES = 300
SCRIPT_RELAYED = 5


class Lab:
    def __init__(self, options):
        self.options = options
        self.build = options.build
        self.daemon = os.path.join(options.build, "examples/panicmond/panicmond")
        self.floor = os.path.join(options.build, "tests/bench/bench-floor")
        self.directory = tempfile.mkdtemp(prefix="panicmon-bench.")
        self.broker = None
        self.sims = {}
        self.certificate = None
        self.scripts = {}
        self.other = None

    def open(self):
        if not self.options.no_broker:
            self.broker = Broker(self.build)

    def beside(self):
        """Another one, with a simulator and a broker of its own."""
        if self.other is None:
            self.other = Lab(self.options)
            self.other.open()
        return self.other

    def close(self):
        if self.other:
            self.other.close()
        for sim in self.sims.values():
            sim.close()
        if self.broker:
            self.broker.close()
        subprocess.run(["rm", "-rf", self.directory])

    def sim(self, tls=False):
        """Started when first asked for."""
        if tls not in self.sims:
            if tls and self.certificate is None:
                self.certificate = make_certificate(self.directory)
            self.sims[tls] = Simulator(self.build, NODES,
                                       ["--block-time", str(BLOCK_S), *CHAIN_OPTIONS],
                                       self.certificate if tls else None)
        return self.sims[tls]

    def close_sim(self, tls):
        if tls in self.sims:
            self.sims.pop(tls).close()

    @staticmethod
    def stashes(sim):
        return [v["address"] for v in sim.ask("sim_state", {})["validators"] if v["active"]]

    def config(self, name, sim, first, count, kind, settings, port_of=None):
        """Writes a config file of nodes `first` to `first` + `count`."""
        stashes = self.stashes(sim) if kind == "validator" else [""]
        sets = {}
        for i in range(first, first + count):
            nodes = sets.setdefault(f"chains.substrate.bench{i // CHAIN}.nodes_config", {})
            port = port_of(i) if port_of else sim.port
            nodes[f"node_{i}"] = {
                "id": f"node_{i}", "parent_id": f"chain_{i // CHAIN}", "name": f"bench {i}",
                "node_ws_url": f"{sim.scheme}://127.0.0.1:{port}/{i}", "monitor_node": "true",
                "use_as_data_source": "false", "is_archive_node": "true",
                "stash_address": stashes[i % len(stashes)],
                "is_validator": "true" if kind == "validator" else "false"}
        made = {"configs": sets, **settings}
        if sim.scheme == "wss":
            made["tls.ca_file"] = self.certificate + ".pem"
        path = os.path.join(self.directory, name + ".json")
        with open(path, "w") as f:
            json.dump(made, f)
        return path

    # ---- the script of the floor ----

    def script(self, kind, n):
        """What the floor sends: rounds seen on the wire between nodes and a daemon that runs
        `events` with as many nodes, and the messages of one of them."""
        n = min(n, SCRIPT_NODES)
        if (kind, n) in self.scripts:
            return self.scripts[kind, n]
        sim = Simulator(self.build, n, ["--block-time", str(BLOCK_S / HURRY), *CHAIN_OPTIONS])
        relays = [Relay(sim.port) for _ in range(min(n, SCRIPT_RELAYED))]
        period = self.options.period / HURRY
        path = self.config("script", sim, 0, n, kind, {"period": period, "executor": "events"},
                           lambda i: relays[i].port if i < len(relays) else sim.port)
        daemon = subprocess.Popen([self.daemon, "-c", path, "--format", "json", "--log-level", "error"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        messages = {}

        def read():
            for line in daemon.stdout:
                message = json.loads(line)
                if message["exchange"] in ("raw_data", "health_check"):
                    messages[message["exchange"]] = message
        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(self.options.script_seconds + 3 * period)
        daemon.terminate()
        daemon.wait()
        reader.join()
        sim.close()
        rounds = []
        for relay in relays:
            relay.close()
            rounds += rounds_of(relay.frames, period / 2)[2:-1]  # without start and end
        if not rounds or len(messages) != 2:
            raise RuntimeError("saw no round to make the script of the floor from")
        made = os.path.join(self.directory, f"floor-{kind}-{n}.script")
        self.write_script(made, rounds[:250], [messages["raw_data"], messages["health_check"]])
        self.scripts[kind, n] = made
        return made

    @staticmethod
    def write_script(path, rounds, messages):
        with open(path, "w") as f:
            for stages in rounds:
                f.write("round\n")
                for stage in stages:
                    f.write("stage\n" + "".join(f"frame\t{text}\n" for text in stage))
            for message in messages:
                f.write("\t".join(["message", message["exchange"], message["routing_key"],
                                   json.dumps(message["body"])]) + "\n")

    # ---- what is measured ----

    def settings(self, approach):
        made = {"period": self.options.period, "executor": approach.split("-")[0]}
        if approach == "processes":
            made["executor"] = "threads"
        if self.broker:
            shared = approach in ("threads-shared", "queue")
            made["broker.url"] = self.broker.url
            made["broker.publisher"] = "shared" if shared else "own"
        for pair in self.options.set:
            name, value = pair.split("=", 1)
            made[name] = value
        return made

    def tick(self, n):
        """How long the executor `events` lets events gather, in milliseconds (events_loop.c): one
        for each two rounds a second, at most the time of 20 rounds or 50 ms."""
        rate = n / self.options.period
        tick = int(min(rate / 2, max(5, min(50, 20000 / rate))))
        return tick if tick > 1 else 0

    def start(self, approach, kind, n, tls):
        """The processes of one row."""
        sim = self.sim(tls)
        if approach == "floor":
            tick = self.tick(n) if self.options.floor_tick is None else self.options.floor_tick
            command = [self.floor, "--port", str(sim.port), "--nodes", str(n), "--period",
                       str(self.options.period * 1000), "--tick", str(tick), "--script",
                       self.script(kind, n)]
            if self.broker:
                command += ["--amqp", str(self.broker.port)]
            return [Child(command, self.directory, f"floor-{n}")]
        settings = self.settings(approach)
        if approach != "processes":
            name = f"{approach}-{n}"
            path = self.config(name, sim, 0, n, kind, settings)
            return [Child([self.daemon, "-c", path, "--log-level", "warning"], self.directory, name)]
        children = []
        for i in range(n):
            path = self.config(f"process-{n}-{i}", sim, i, 1, kind, settings)
            children.append(Child([self.daemon, "-c", path, "--log-level", "warning"],
                                  self.directory, f"process-{n}-{i}"))
            time.sleep(0.02)
        return children
