"""Where Python and C meet: lifetimes, exceptions, threads, forks and the interpreter's exit."""

import ctypes
import gc
import logging
import os
import signal
import threading
import time
import unittest
import weakref

import panicmon
from panicmon import _core, _ffi
from support import SECONDS, Case, Greeting, Greetings, Steps, run_python, until


class LifetimeTest(Case):
    def test_a_strategy_lives_as_long_as_the_library_uses_it(self):
        strategy = Greetings()
        gone = weakref.ref(strategy)
        registry = panicmon.Registry()
        registry.add("greetings", strategy)
        del strategy
        runtime = panicmon.Runtime(registry)
        runtime.start()
        manager = panicmon.Manager(runtime)
        manager.apply("greetings", {"a": {"whom": "x"}})
        registry.close()
        gc.collect()
        rounds = runtime.stat("rounds")
        self.assertTrue(until(lambda: runtime.stat("rounds") > rounds + 2))
        self.assertIsNotNone(gone())
        runtime.close()
        gc.collect()
        self.assertIsNone(gone())

    def test_a_failed_call_keeps_nothing(self):
        with panicmon.Registry() as registry:
            with self.assertRaises(ValueError):
                registry.add("a..b", Greetings())
            self.assertEqual(len(_core.objects), 0)
        with panicmon.Runtime(log=False) as runtime:
            with self.assertRaises(panicmon.StateError):
                runtime.set_sink(panicmon.Sink(print))
            gc.collect()
            self.assertEqual(len(_core.objects), 0)

    def test_objects_come_and_go_without_leaks(self):
        def once():
            with panicmon.MonitorStarter(Greetings()) as starter:
                starter.parse_and_start({"id": "a", "whom": "x"})
                next(iter(starter.runtime))

        for _ in range(3):
            once()
        gc.collect()
        fds, threads = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        for _ in range(20):
            once()
        gc.collect()
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), fds)
        self.assertLessEqual(len(os.listdir("/proc/self/task")), threads)
        self.assertEqual(len(_core.objects), 0)

    def test_closed_objects_say_so(self):
        runtime = panicmon.Runtime()
        runtime.close()
        runtime.close()
        for use in (runtime.start, runtime.stop, runtime.stats, runtime.next):
            with self.assertRaises(panicmon.StateError):
                use()

    def test_what_is_garbage_is_freed(self):
        runtime = panicmon.Runtime()
        runtime.start()
        starter = panicmon.MonitorStarter(Greetings(), runtime)
        starter.parse_and_start({"id": "a", "whom": "x"})
        del starter, runtime
        gc.collect()
        self.assertEqual(len(_core.objects), 0)

    def test_garbage_collected_inside_a_callback(self):
        done = threading.Event()
        inner = []

        def make():
            runtime = panicmon.Runtime()
            runtime.start()
            inner.append(runtime)

        make()

        def step(round):
            if inner:
                inner.clear()
                gc.collect()
                done.set()

        with panicmon.Runtime() as outer:
            with panicmon.MonitorStarter(Steps(step), outer) as starter:
                starter.parse_and_start({"id": "a"}).close()
            self.assertTrue(done.wait(SECONDS))


class ExceptionTest(Case):
    def test_in_parse(self):
        class Failing(Greetings):
            def parse(self, config):
                raise self.exception

        strategy = Failing()
        with panicmon.MonitorStarter(strategy) as starter:
            strategy.exception = ZeroDivisionError("mine")
            with self.assertRaises(ZeroDivisionError) as raised:
                starter.parse_and_start({"id": "a"})
            self.assertIs(raised.exception, strategy.exception)
            strategy.exception = ValueError("no good")
            with self.assertRaises(panicmon.ParseError) as refused:
                starter.parse_and_start({"id": "a"}, "some.key")
            self.assertEqual(str(refused.exception), "some.key: entry 'a': ValueError: no good")
            self.assertIs(refused.exception.__cause__, strategy.exception)
            strategy.exception = KeyboardInterrupt()
            with self.assertRaises(KeyboardInterrupt):
                starter.parse_and_start({"id": "a"})

    def test_in_start(self):
        class Failing(Greetings):
            def start(self, parsed):
                if parsed == "nothing":
                    return None
                raise ZeroDivisionError("mine")

        with panicmon.MonitorStarter(Failing()) as starter:
            with self.assertRaises(ZeroDivisionError):
                starter.parse_and_start({"id": "a", "whom": "x"})
            with self.assertRaises(TypeError):
                starter.parse_and_start({"id": "a", "whom": "nothing"})

    def test_in_a_step(self):
        calls = []

        def step(round):
            calls.append(round.step)
            raise ZeroDivisionError("in a step")

        with self.assertLogs("panicmon", logging.ERROR) as logs:
            with panicmon.Runtime() as runtime:
                with panicmon.MonitorStarter(Steps(step), runtime) as starter:
                    with starter.parse_and_start({"id": "a"}) as monitor:
                        self.assertTrue(until(lambda: runtime.stat("failures") > 0))
                        self.assertTrue(until(
                            lambda: monitor.state == panicmon.MonitorState.BACKOFF))
        texts = "\n".join(logs.output)
        self.assertIn("ZeroDivisionError: in a step", texts)
        self.assertIn("Traceback", texts)
        self.assertIn("the monitor is restarted", texts)

    def test_in_a_sink(self):
        def sink(message):
            raise ZeroDivisionError("in a sink")

        with self.assertLogs("panicmon", logging.ERROR) as logs:
            with panicmon.Runtime(sink=sink, settings={"rounds": 1}) as runtime:
                with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                    starter.parse_and_start({"id": "a", "whom": "x"}).close()
                runtime.wait_idle(SECONDS)
        self.assertIn("ZeroDivisionError: in a sink", "\n".join(logs.output))

    def test_in_a_log_handler(self):
        class Broken(logging.Handler):
            def emit(self, record):
                raise ZeroDivisionError("in a handler")

        logger = logging.Logger("broken")
        logger.addHandler(Broken())
        log = panicmon.Log(logger, panicmon.LogLevel.DEBUG)
        log.write(panicmon.LogLevel.ERROR, "me", "text")
        log.close()

    def test_when_closing_a_monitor(self):
        class Sticky(Greeting):
            def close(self):
                raise ZeroDivisionError("at the end")

        class Sticking(Greetings):
            def start(self, parsed):
                return Sticky(parsed)

        with self.assertLogs("panicmon", logging.ERROR) as logs:
            with panicmon.MonitorStarter(Sticking()) as starter:
                starter.parse_and_start({"id": "a", "whom": "x"}).close()
        self.assertIn("at the end", "\n".join(logs.output))

    def test_every_code_has_a_class(self):
        lib = _ffi.lib
        for i in range(lib.panicmon_err_count()):
            code, name = ctypes.c_int(), ctypes.c_char_p()
            lib.panicmon_err_at(i, ctypes.byref(code), ctypes.byref(name), None)
            self.assertEqual(panicmon.ErrorCode(code.value).name, name.value.decode())
            if code.value != 0:
                exc = panicmon.errors.make(code.value)
                self.assertIsNot(type(exc), panicmon.PanicmonError, name.value)
                self.assertEqual((exc.code, exc.name), (code.value, name.value.decode()))
                self.assertNotEqual(str(exc), "")
        self.assertIs(type(panicmon.errors.make(-9999)), panicmon.PanicmonError)
        self.assertEqual(panicmon.errors.make(-9999).name, "ERR_UNKNOWN")
        for name, base in {"TimedOut": TimeoutError, "BrokerError": ConnectionError,
                           "InvalidArgument": ValueError, "NotFound": LookupError,
                           "OutOfMemory": MemoryError, "SystemCallError": OSError}.items():
            self.assertTrue(issubclass(getattr(panicmon, name), base))


class LogTest(Case):
    def test_records_go_to_logging(self):
        with self.assertLogs("some.logger", logging.DEBUG) as logs:
            with panicmon.Log("some.logger") as log:
                log.write(panicmon.LogLevel.WARNING, "me", "watch out")
                log.set_level("error")
                log.write(panicmon.LogLevel.WARNING, "me", "not heard")
        self.assertEqual(logs.output, ["WARNING:some.logger:me: watch out"])
        self.assertEqual(logs.records[0].component, "me")

    def test_the_level_follows_the_logger(self):
        logger = logging.Logger("levels")
        for level, ours in ((logging.DEBUG, 3), (logging.INFO, 2), (logging.WARNING, 1),
                            (logging.ERROR, 0), (logging.CRITICAL, 0), (5, 3)):
            self.assertEqual(panicmon.runtime._library_level(level), ours)
        with panicmon.Log(logger) as log:
            with self.assertRaises(ValueError):
                log.set_level("loud")

    def test_onto_a_descriptor(self):
        read, write = os.pipe()
        with panicmon.Log.to_fd(write, panicmon.LogFormat.JSON) as log:
            log.write(panicmon.LogLevel.INFO, "me", "hello")
        os.close(write)
        with open(read) as text:
            self.assertIn('"message": "hello"', text.read())


class ThreadTest(Case):
    def test_the_lock_of_the_interpreter_is_given_up(self):
        self.assertNotIsInstance(_ffi.lib, ctypes.PyDLL)
        entered = threading.Event()

        def step(round):
            entered.set()
            for _ in range(200):  # needs the interpreter's lock while the main thread joins
                time.sleep(0.001)

        with panicmon.Runtime() as runtime:
            with panicmon.MonitorStarter(Steps(step), runtime) as starter:
                with starter.parse_and_start({"id": "a"}) as monitor:
                    self.assertTrue(entered.wait(SECONDS))
                    monitor.stop()
                    monitor.join(SECONDS)

    def test_many_threads(self):
        heard = []
        registry = panicmon.Registry()
        registry.add("g", Greetings())
        with panicmon.Runtime(registry, sink=heard.append) as runtime:
            with panicmon.Manager(runtime) as manager:
                def churn(which):
                    for i in range(10):
                        manager.apply("g", {f"{which}-{j}": {"whom": str(j)} for j in range(i)})

                threads = [threading.Thread(target=churn, args=(n,)) for n in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                manager.apply("g", {"last": {"whom": "last"}})
                self.assertTrue(until(
                    lambda: any("last" in m.json().get("greeting", "") for m in heard)))
        registry.close()

    def test_closing_from_a_callback_is_refused(self):
        caught = []

        def step(round):
            try:
                runtime.close()
            except RuntimeError as exc:
                caught.append(exc)

        with panicmon.Runtime() as runtime:
            with panicmon.MonitorStarter(Steps(step), runtime) as starter:
                starter.parse_and_start({"id": "a"}).close()
            self.assertTrue(until(lambda: caught))
        self.assertIsInstance(caught[0], panicmon.DeadlockError)

    def test_stopping_from_a_callback(self):
        def step(round):
            runtime.stop()

        with panicmon.Runtime() as runtime:
            with panicmon.MonitorStarter(Steps(step), runtime) as starter:
                starter.parse_and_start({"id": "a"}).close()
            self.assertEqual(list(runtime), [])
            runtime.join(SECONDS)

    def test_a_wait_can_be_interrupted(self):
        with panicmon.Runtime() as runtime:
            with panicmon.MonitorStarter(Greetings(), runtime) as starter:
                starter.parse_and_start({"id": "a", "whom": "x"}).close()
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            with self.assertRaises(KeyboardInterrupt):
                runtime.wait_idle()


class ForkTest(Case):
    def test_a_child_can_use_nothing_and_ends_well(self):
        done = run_python("""
import os, sys, time
import panicmon
from support import Greetings
runtime = panicmon.Runtime()
runtime.start()
starter = panicmon.MonitorStarter(Greetings(), runtime)
starter.parse_and_start({"id": "a", "whom": "x"})
pid = os.fork()
if pid == 0:
    try:
        runtime.stats()
    except panicmon.StateError:
        del starter, runtime
        sys.exit(7)
    sys.exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
print(next(iter(runtime)).json()["greeting"])
""")
        self.assertEqual((done.returncode, done.stdout), (0, "hello x\n"), done.stderr)


class ExitTest(Case):
    """Leaving the interpreter without closing anything."""

    START = """
import sys, threading, time
import panicmon
from support import Greetings, Steps
runtime = panicmon.Runtime({extra})
runtime.start()
starter = panicmon.MonitorStarter({strategy}, runtime)
monitors = [starter.parse_and_start({{"id": str(i), "whom": "x"}}) for i in range(8)]
"""

    def leave(self, code, strategy="Greetings()", extra="", status=0):
        done = run_python(self.START.format(strategy=strategy, extra=extra) + code)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertNotIn("Fatal", done.stderr)
        return done

    def test_with_monitors_running(self):
        self.leave("time.sleep(0.1)")

    def test_by_exception(self):
        done = self.leave("time.sleep(0.1); raise SystemExit(3)", status=3)
        self.assertEqual(done.stderr, "")
        self.leave("1 / 0", status=1)

    def test_in_the_middle_of_callbacks(self):
        strategy = "Steps(lambda round: time.sleep(0.3))"
        self.leave("time.sleep(0.2)", strategy)
        self.leave("time.sleep(0.2)", "Greetings()", "sink=lambda m: time.sleep(0.05)")

    def test_with_a_step_that_hangs(self):
        done = self.leave("panicmon.runtime.EXIT_SECONDS = 0.3; time.sleep(0.2)",
                          "Steps(lambda round: time.sleep(3600))")
        self.assertIn("did not end", done.stderr)

    def test_with_iterating_threads(self):
        self.leave("threading.Thread(target=lambda: list(runtime), daemon=True).start()\n"
                   "time.sleep(0.1)")

    def test_with_a_manager(self):
        self.leave("""
registry = panicmon.Registry()
registry.add("g", Greetings())
other = panicmon.Runtime(registry)
manager = panicmon.Manager(other)
other.start()
manager.apply("g", {"a": {"whom": "x"}})
time.sleep(0.1)
""")


class ImportTest(unittest.TestCase):
    def test_a_library_that_is_not_there(self):
        done = run_python("import os; os.environ['PANICMON_LIBRARY'] = '/nonexistent.so'\n"
                          "try:\n    import panicmon\nexcept ImportError as exc:\n    print(exc)")
        self.assertIn("PANICMON_LIBRARY", done.stdout)

    def test_a_library_that_is_none(self):
        done = run_python("import os, ctypes.util\n"
                          "os.environ['PANICMON_LIBRARY'] = ctypes.util.find_library('c')\n"
                          "try:\n    import panicmon\nexcept ImportError as exc:\n    print(exc)")
        self.assertIn("is not the panicmon library", done.stdout)

    def test_a_library_of_another_major_version(self):
        with self.assertRaises(ImportError):
            class Fake:
                class panicmon_version_hex:
                    restype = None

                    def __new__(cls):
                        return 0x020000

            _ffi._check_version(Fake)


if __name__ == "__main__":
    unittest.main()
