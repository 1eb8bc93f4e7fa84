"""What a user does: starter, registry, manager, settings, messages, rounds."""

import asyncio
import http.server
import json
import os
import select
import tempfile
import threading
import time
import unittest

import panicmon
from support import SECONDS, Case, Greeting, Greetings, Steps, until


class Shouting(Greetings):
    def start(self, parsed):
        return Greeting(parsed.upper())


class StarterTest(Case):
    def test_the_context_of_the_strategy_pattern(self):
        with panicmon.MonitorStarter(Greetings()) as starter:
            starter.parse_and_start({"id": "a", "whom": "world"}, "greetings.en")
            first = next(iter(starter.runtime))
            self.assertEqual(first.json(), {"greeting": "hello world"})
            self.assertEqual((first.exchange, first.routing_key), ("greetings", "greeting"))
            starter.strategy = Shouting()
            self.assertIsInstance(starter.strategy, Shouting)
            self.assertEqual(starter.strategy_name, "Shouting")
            starter.parse_and_start({"id": "b", "whom": "moon"}, "greetings.en")
            heard = set()
            for message in starter.runtime:
                heard.add(message.json()["greeting"])
                if len(heard) == 2:
                    break
            self.assertEqual(heard, {"hello world", "hello MOON"})

    def test_a_running_monitor(self):
        with panicmon.Runtime() as runtime:
            starter = panicmon.MonitorStarter(Greetings(), runtime)
            monitor = starter.parse_and_start('{"id": "a", "whom": "x"}', "k")
            self.assertEqual((monitor.id, monitor.name), ("a", "a"))
            self.assertTrue(until(lambda: monitor.rounds > 1))
            self.assertEqual(monitor.state, panicmon.MonitorState.RUNNING)
            with self.assertRaises(panicmon.AlreadyExists):
                starter.parse_and_start({"id": "a", "whom": "x"}, "k")
            monitor.stop()
            monitor.join(SECONDS)
            self.assertEqual(monitor.state, panicmon.MonitorState.STOPPED)
            runtime.wait_idle(SECONDS)
            starter.close()
            monitor.close()

    def test_the_builtin_strategy(self):
        with panicmon.Runtime(settings={"rounds": 1}) as runtime:
            with panicmon.MonitorStarter(panicmon.SubstrateNode(), runtime) as starter:
                self.assertEqual(starter.strategy_name, "substrate_node")
                config = {"node_id": "n", "ws_url": "ws://127.0.0.1:1"}
                with starter.parse_and_start(config, "chains.substrate.x.nodes_config"):
                    runtime.wait_idle(SECONDS)
            self.assertEqual(runtime.next().json()["websocket"]["error"]["code"], 5015)


class RegistryTest(Case):
    def test_patterns(self):
        with panicmon.Registry() as registry:
            strategy = Greetings()
            registry.add("greetings.*", strategy)
            registry.add("#", Shouting())
            self.assertEqual(sorted(registry.match("greetings.en")), ["Greetings", "Shouting"])
            self.assertEqual(registry.match("other"), ["Shouting"])
            with self.assertRaises(panicmon.AlreadyExists):
                registry.add("greetings.*", Greetings())
            with self.assertRaises(panicmon.InvalidArgument):
                registry.add("a..b", strategy)
            registry.remove("greetings.*", strategy)
            with self.assertRaises(LookupError):
                registry.remove("greetings.*", strategy)
            registry.add_builtin()
            self.assertIn("substrate_node", registry.match("chains.substrate.x.nodes_config"))
            registry.add("nodes", panicmon.SubstrateNode())
            with panicmon.Substrate() as shared:
                registry.add("shared", panicmon.SubstrateNode(shared))
                registry.add("shared", panicmon.SubstrateNetwork(shared))
                with self.assertRaises(panicmon.AlreadyExists):
                    registry.add("shared", panicmon.SubstrateNode(shared))
            self.assertEqual(sorted(registry.match("shared")),
                             ["Shouting", "substrate_network", "substrate_node"])
            with self.assertRaises(TypeError):
                registry.add("x", object())

    def test_check(self):
        with panicmon.Registry() as registry:
            registry.add("greetings.*", Greetings())
            good = registry.check("greetings.en", {"a": {"whom": "x"}, "b": {"whom": "y"}})
            self.assertEqual(good, ([], 2))
            bad = registry.check("greetings.en", {"a": {"who": "x"}, "b": {"whom": "y"}})
            self.assertEqual(bad.monitorables, 1)
            self.assertEqual(bad.faults, ["greetings.en: entry 'a': no member 'whom'"])
            with self.assertRaises(panicmon.NotFound):
                registry.check("other", {})
            self.assertEqual(registry.check_all({"greetings.en": {"a": {"whom": "x"}}}), ([], 1))


class Planned(Greetings):
    def plan(self, configs):
        yield configs.word(1), {"whom": ",".join(configs)}


class ManagerTest(Case):
    def setUp(self):
        super().setUp()
        self.registry = panicmon.Registry()
        self.registry.add("greetings.*", Greetings())

    def tearDown(self):
        self.registry.close()
        del self.registry
        super().tearDown()

    def test_config_sets(self):
        with panicmon.Runtime(self.registry) as runtime, panicmon.Manager(runtime) as manager:
            manager.apply("greetings.en", {"a": {"whom": "x"}, "b": {"whom": "y"}})
            self.assertEqual(len(manager), 2)
            with self.assertRaises(ValueError) as raised:
                manager.apply("greetings.en", {"a": {"whom": "x"}, "b": {}})
            self.assertIsInstance(raised.exception, panicmon.ParseError)
            self.assertIn("greetings.en: entry 'b'", str(raised.exception))
            self.assertIsInstance(raised.exception.__cause__, KeyError)
            self.assertTrue(until(lambda: runtime.stats()["monitors_running"] == 2))  # as it was
            manager.apply("greetings.en", {"a": {"whom": "x"}})
            self.assertTrue(until(lambda: runtime.stats()["monitors_running"] == 1))
            manager.apply_all({"greetings.de": {"c": {"whom": "z"}}})
            manager.apply("greetings.en", {})
            manager.apply_all({})
            self.assertEqual(len(manager), 0)
            with self.assertRaises(panicmon.NotFound):
                manager.apply("nothing", {})
            manager.ping()

    def test_plan(self):
        self.registry.add("planned.*", Planned())
        with panicmon.Runtime(self.registry) as runtime, panicmon.Manager(runtime) as manager:
            manager.apply("planned.all", {"a": {"whom": "x"}, "b": {"whom": "y"}})
            for message in runtime.messages(SECONDS):
                if message.exchange == "greetings":
                    self.assertEqual(message.json(), {"greeting": "hello a,b"})
                    break
            self.assertEqual(len(manager), 1)

    def test_closing_the_runtime_closes_its_managers(self):
        runtime = panicmon.Runtime(self.registry)
        manager = panicmon.Manager(runtime)
        runtime.start()
        manager.apply("greetings.en", {"a": {"whom": "x"}})
        runtime.close()
        self.assertTrue(manager.closed)
        manager.close()
        with self.assertRaises(panicmon.StateError):
            manager.apply("greetings.en", {})


class UpdateTest(Case):
    def test_update_in_place(self):
        made, seen = [], []

        class Kept(panicmon.Monitor):
            period = 0.02

            def __init__(self, value):
                self.value = value
                made.append(value)

            def step(self, round):
                seen.append(self.value)

            def update(self, parsed):
                if parsed == "restart":
                    return False
                self.value = parsed
                return True

        class Keeping(Greetings):
            def start(self, parsed):
                return Kept(parsed)

        with panicmon.Registry() as registry:
            registry.add("k", Keeping())
            with panicmon.Runtime(registry) as runtime, panicmon.Manager(runtime) as manager:
                for value in ("one", "two", "restart"):
                    manager.apply("k", {"a": {"whom": value}})
                    self.assertTrue(until(lambda: value in seen))
        self.assertEqual(made, ["one", "restart"])


class SettingsTest(Case):
    def test_values(self):
        settings = panicmon.Settings({"period.node": 2.5}, executor="threads")
        self.assertEqual(settings["period.node"], "2.5")
        self.assertEqual(settings["executor"], "threads")
        settings["rounds"] = 3
        self.assertEqual(settings["rounds"], "3")
        with self.assertRaises(KeyError):
            settings["nothing"]
        with self.assertRaises(panicmon.NotFound) as raised:
            settings["periot.node"] = "1"
        self.assertIn("period", str(raised.exception))
        with self.assertRaises(ValueError):
            settings["rounds"] = "many"
        self.assertEqual(set(settings), {known.name for known in settings.known()})
        self.assertEqual(len(settings), len(list(settings)))
        self.assertTrue(all(known.help for known in settings.known()))
        with self.assertRaises(ValueError):
            settings["executor"] = "thr\0eads"

    def test_configurations(self):
        settings = panicmon.Settings()
        settings.load({"period": {"node": 3}, "configs": {"k": {"a": {}}}})
        self.assertEqual(settings.configs, {"k": {"a": {}}})
        self.assertEqual(settings["period.node"], "3")
        with self.assertRaises(panicmon.SettingsError) as raised:
            settings.load({"periot": 1, "rounds": "many"})
        self.assertEqual(len(raised.exception.faults), 2)
        self.assertEqual(settings["period.node"], "3")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"rounds": 7}, file)
            file.flush()
            settings.load_file(file.name)
        self.assertEqual(settings["rounds"], "7")
        with self.assertRaises(OSError):
            settings.load_file("/nonexistent/file")


class MessagesTest(Case):
    def start(self):
        runtime = panicmon.Runtime()
        runtime.start()
        starter = panicmon.MonitorStarter(Greetings(), runtime)
        starter.parse_and_start({"id": "a", "whom": "w"}).close()
        starter.close()
        return runtime

    def test_the_event_descriptor(self):
        with panicmon.Runtime() as runtime:
            self.assertIsNone(runtime.next())
            starter = panicmon.MonitorStarter(Greetings(), runtime)
            starter.parse_and_start({"id": "a", "whom": "w"}).close()
            self.assertTrue(select.select([runtime], [], [], SECONDS)[0])
            self.assertIsNotNone(runtime.next())
            starter.close()

    def test_iteration_ends_with_the_runtime(self):
        runtime = self.start()
        threading.Timer(0.2, runtime.stop).start()
        self.assertGreater(len(list(runtime)), 0)
        runtime.close()

    def test_closing_while_another_thread_iterates(self):
        runtime = self.start()
        ended = []

        def iterate():
            ended.append(len(list(runtime)))

        thread = threading.Thread(target=iterate)
        thread.start()
        time.sleep(0.1)
        runtime.close()
        thread.join(SECONDS)
        self.assertEqual(len(ended), 1)

    def test_a_timeout(self):
        with panicmon.Runtime() as runtime:
            with self.assertRaises(TimeoutError):
                next(runtime.messages(timeout=0.05))
            with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                with starter.parse_and_start({"id": "a", "whom": "w"}) as monitor:
                    with self.assertRaises(TimeoutError):
                        monitor.join(0.05)
            with self.assertRaises(TimeoutError):
                runtime.wait_idle(0.05)
            with self.assertRaises(panicmon.StateError):
                runtime.join(0.05)

    def test_asyncio(self):
        async def main():
            heard = 0
            with panicmon.Runtime() as runtime:
                with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                    starter.parse_and_start({"id": "a", "whom": "w"}).close()
                async for message in runtime:
                    self.assertEqual(message.json(), {"greeting": "hello w"})
                    heard += 1
                    if heard == 3:
                        runtime.stop()
            return heard

        self.assertGreaterEqual(asyncio.run(asyncio.wait_for(main(), SECONDS)), 3)

    def test_a_callable_as_sink(self):
        heard = []
        with panicmon.Runtime(sink=heard.append) as runtime:
            with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                starter.parse_and_start({"id": "a", "whom": "w"}).close()
            self.assertTrue(until(lambda: len(heard) > 2))
            with self.assertRaises(panicmon.StateError):
                runtime.next()
            with self.assertRaises(panicmon.StateError):
                runtime.fileno()
        self.assertEqual(heard[0].json(), {"greeting": "hello w"})

    def test_json_lines(self):
        read, write = os.pipe()
        with panicmon.Runtime(sink=panicmon.Sink.jsonl(write), settings={"rounds": 1}) as runtime:
            with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                starter.parse_and_start({"id": "a", "whom": "w"}).close()
            runtime.wait_idle(SECONDS)
        os.close(write)
        with open(read) as lines:
            self.assertEqual(json.loads(lines.readline()),
                             {"exchange": "greetings", "routing_key": "greeting",
                              "body": {"greeting": "hello w"}})

    def test_a_sink_with_a_watcher(self):
        heard, watched = [], []
        with panicmon.Sink(heard.append) as first, panicmon.Sink(watched.append) as watcher:
            with self.assertRaises(ValueError):
                panicmon.Sink.tee(first, first)
            sink = panicmon.Sink.tee(first, watcher)
        with sink, panicmon.Runtime(sink=sink, settings={"rounds": 1}) as runtime:
            with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                starter.parse_and_start({"id": "a", "whom": "w"}).close()
            runtime.wait_idle(SECONDS)
        self.assertEqual([m.body for m in heard], [m.body for m in watched])
        self.assertEqual(len(heard), 1)

    def test_a_sink_to_a_broker_needs_its_address(self):
        with self.assertRaises(panicmon.PanicmonError):
            panicmon.Sink.amqp(panicmon.Settings())

    def test_histograms(self):
        with panicmon.Runtime(settings={"rounds": 3}) as runtime:
            with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                starter.parse_and_start({"id": "a", "whom": "x"}).close()
                runtime.wait_idle(SECONDS)
            for name in ("round_us", "lag_us"):
                steps = runtime.histogram(name)
                self.assertEqual(steps[-1], (float("inf"), 3))
                self.assertEqual(steps, sorted(steps))
                self.assertEqual([n for _, n in steps], sorted(n for _, n in steps))
                self.assertGreaterEqual(runtime.stat(name + "_sum"), 0)
            with self.assertRaises(panicmon.NotFound):
                runtime.histogram("nothing")

    def test_stats(self):
        with panicmon.Runtime() as runtime:
            figures = runtime.stats()
            self.assertEqual(figures["rounds"], 0)
            self.assertEqual(runtime.stat("rounds"), 0)
            with self.assertRaises(panicmon.NotFound):
                runtime.stat("nothing")


class RoundTest(Case):
    def test_requests_and_replies(self):
        seen = {}

        def step(round):
            if round.step == 0:
                seen["round"] = round
                seen["name"] = round.name
                seen["age"] = time.time() - round.time
                seen["load"] = round.load("nothing")
                seen["rpc"] = round.rpc("ws://127.0.0.1:1", "system_health", [], pinned=True)
                round.store("key", b"\x01\x00\x02")
                round.log(panicmon.LogLevel.DEBUG, "asked")
            elif round.step == 1:
                absent = round.reply(seen["load"])
                seen["absent"] = (absent.status, absent.ok, absent.message != "")
                rpc = round.reply(seen["rpc"])
                seen["rpc status"] = rpc.status
                try:
                    rpc.json()
                except ConnectionError as exc:
                    seen["rpc error"] = exc
                seen["code"] = rpc.code
                with self.assertRaises(LookupError):
                    round.reply(99)
                seen["reload"] = round.load("key")
            elif round.step == 2:
                seen["reply"] = round.reply(seen["reload"])
                seen["value"] = seen["reply"].body
                seen["beat"] = round.heartbeat()
                round.fail("half a result")

        with panicmon.Runtime(settings={"rounds": 1}) as runtime:
            with panicmon.MonitorStarter(Steps(step), runtime) as starter:
                starter.parse_and_start({"id": "node 1"}).close()
            runtime.wait_idle(SECONDS)
            self.assertEqual(runtime.stat("errors"), 1)
            self.assertEqual(runtime.stat("failures"), 0)
            message = runtime.next()
        self.assertEqual((message.exchange, message.json()["component_name"]),
                         ("health_check", "node 1"))
        self.assertEqual(seen["name"], "node 1")
        self.assertLess(abs(seen["age"]), SECONDS)
        self.assertEqual(seen["absent"], (panicmon.ErrorCode.ERR_NOENT, False, True))
        self.assertEqual(seen["rpc status"], panicmon.ErrorCode.ERR_WS)
        self.assertIsInstance(seen["rpc error"], panicmon.WebSocketError)
        self.assertTrue(seen["rpc error"].retriable)
        self.assertEqual(seen["code"], 0)
        self.assertEqual(seen["value"], b"\x01\x00\x02")
        with self.assertRaises(panicmon.StateError):
            seen["round"].step
        with self.assertRaises(panicmon.StateError):
            seen["reply"].body

    def test_http(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(201)
                self.end_headers()
                self.wfile.write(json.dumps([body.decode(), self.headers["X-One"]]).encode())

            def log_message(self, *arguments):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        seen = {}

        def step(round):
            if round.step == 0:
                url = f"http://127.0.0.1:{server.server_port}/"
                seen["good"] = round.http(url, headers={"X-One": "1"}, body="hello")
                seen["bad"] = round.http("http://127.0.0.1:1/", follow=True)
                with self.assertRaises(ValueError):
                    round.http(url, headers={"X-One": "1\r\nX-Two: 2"})
                with self.assertRaises(ValueError):
                    round.http(url, method="GET / HTTP/1.1")
            else:
                good, bad = round.reply(seen["good"]), round.reply(seen["bad"])
                seen["answer"] = (good.code, good.json())
                seen["error"] = (bad.status, bad.code, bad.message)

        try:
            with panicmon.Runtime(settings={"rounds": 1}) as runtime:
                # A request has as long as a round may take.
                with panicmon.MonitorStarter(Steps(step, period=2.0), runtime) as starter:
                    starter.parse_and_start({"id": "a"}).close()
                runtime.wait_idle(SECONDS)
        finally:
            server.shutdown()
            serving.join()
            server.server_close()
        self.assertEqual(seen["answer"], (201, ["hello", "1"]))
        self.assertEqual(seen["error"][:2], (panicmon.ErrorCode.ERR_HTTP, 0))

    def test_what_a_monitor_says_of_itself(self):
        closed = []

        class Named(panicmon.Monitor):
            name, kind, period = "Node One", panicmon.Kind.SYSTEM, 0.02
            source = ("chain", "id", "Node One")
            blocking = True

            def step(self, round):
                round.publish("e", "k", {"name": round.name})

            def close(self):
                closed.append(1)

        class Naming(Greetings):
            name = "naming"

            def start(self, parsed):
                return Named()

        with panicmon.Runtime(settings={"rounds": 1}) as runtime:
            with panicmon.MonitorStarter(Naming(), runtime) as starter:
                with starter.parse_and_start({"id": "a", "whom": "w"}) as monitor:
                    self.assertEqual(monitor.name, "Node One")
            self.assertEqual(next(runtime.messages(SECONDS)).json(), {"name": "Node One"})
        self.assertEqual(closed, [1])


class ConfigTest(Case):
    def test_reading(self):
        seen = []

        class Reading(Greetings):
            def parse(self, config):
                seen.append((config, dict(config), config.text("whom"), config.flag("on"),
                             config.flag("off", True), config.id, config.routing_key))
                return 1

        with panicmon.Registry() as registry:
            registry.add("k.*", Reading())
            registry.check("k.x", {"a": {"whom": "ü", "on": "Yes"}})
        config, members, *rest = seen[0]
        self.assertEqual(members, {"whom": "ü", "on": "Yes"})
        self.assertEqual(rest, ["ü", True, True, "a", "k.x"])
        self.assertEqual(config["whom"], "ü")
        with self.assertRaises(panicmon.StateError):
            config.text("whom")

    def test_faults_name_key_id_and_field(self):
        class Choosy(Greetings):
            def parse(self, config):
                if config["whom"] == "nobody":
                    raise config.fault("whom", "is nobody")
                return config.text("missing")

        with panicmon.Registry() as registry:
            registry.add("k.*", Choosy())
            faults = registry.check("k.x", {"a": {"whom": "nobody"}, "b": {"whom": "x"}}).faults
        self.assertEqual(len(faults), 2)
        self.assertRegex(faults[0], r"^k\.x\b.*'?a'?.*whom.*is nobody$")
        self.assertRegex(faults[1], r"^k\.x\b.*b.*missing")

    def test_none_means_no_monitor(self):
        class Off(Greetings):
            def parse(self, config):
                return None

        with panicmon.Registry() as registry:
            registry.add("k", Off())
            with self.assertLogs("panicmon", "INFO") as logged:
                self.assertEqual(registry.check("k", {"a": {"x": 1}}), ([], 0))
            self.assertEqual(len(logged.records), 1)
            self.assertIn("entry 'a' of k is switched off", logged.output[0])
            with panicmon.Runtime(registry) as runtime, panicmon.Manager(runtime) as manager:
                with self.assertLogs("panicmon", "INFO") as logged:
                    manager.apply("k", {"a": {"x": 1}})
                self.assertIn("entry 'a' of k is switched off", "\n".join(logged.output))
                self.assertEqual(len(manager), 0)
        with panicmon.MonitorStarter(Off()) as starter:
            with self.assertRaises(panicmon.StateError):
                starter.parse_and_start({"id": "a"})


class SubstrateTest(Case):
    ALICE = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"

    def test_addresses(self):
        address = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
        self.assertEqual(panicmon.ss58_decode(address), (bytes.fromhex(self.ALICE), 42))
        self.assertEqual(panicmon.ss58_encode(bytes.fromhex(self.ALICE)), address)
        for bad in ("", "5Grwva", address[:-1] + "Z"):
            with self.assertRaises(panicmon.ParseError):
                panicmon.ss58_decode(bad)
        with self.assertRaises(ValueError):
            panicmon.ss58_encode(b"short")
        with self.assertRaises(ValueError):
            panicmon.ss58_encode(bytes(32), 20000)

    def test_metadata(self):
        path = os.environ.get("PANICMON_SAMPLE_METADATA")
        if path is None:
            self.skipTest("PANICMON_SAMPLE_METADATA names no file")
        with open(path, "rb") as file:
            data = file.read()
        for form in (data, "0x" + data.hex()):
            with panicmon.Metadata(form) as metadata:
                self.assertEqual(metadata.version, 15)
                self.assertGreater(metadata.size, 100)
                pallets = metadata.describe()["pallets"]
                self.assertIn(pallets[0]["name"], metadata.text())
        with panicmon.Metadata(data) as metadata:
            for pallet in pallets:
                for item in pallet["storage"]:
                    key = metadata.storage_key(pallet["name"], item["name"])
                    self.assertRegex(key, "^0x[0-9a-f]{64}$")
                for constant in pallet["constants"]:
                    if constant["name"] == "Broken":  # made to be
                        with self.assertRaises(ValueError):
                            metadata.constant(pallet["name"], constant["name"])
                        continue
                    value = metadata.constant(pallet["name"], constant["name"])
                    scale = metadata.encode(constant["type"]["id"], json.dumps(value))
                    self.assertEqual(metadata.value(constant["type"]["id"], scale), value)
            with self.assertRaises(panicmon.NotFound):
                metadata.storage("No", "Such", None)

    def test_bad_metadata(self):
        for bad in (b"", b"0x", "0x00", b"\x6d\x65\x74\x61\x0c"):
            with self.assertRaises(panicmon.ParseError):
                panicmon.Metadata(bad)


if __name__ == "__main__":
    unittest.main()
