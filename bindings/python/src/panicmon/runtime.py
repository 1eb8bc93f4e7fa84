"""The runtime, its log and its sink; the manager."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import select
import weakref
from ctypes import byref, c_char_p, c_int, c_int64, string_at
from typing import Any, AsyncIterator, Callable, Dict, Iterator, List, Mapping, Optional, Tuple
from typing import Union

from . import _core, _ffi
from ._core import Handle, Json, call, callback, decode, encode, encode_json, failed, objects
from ._ffi import ErrorCode, LogFormat, LogLevel, lib
from .errors import DeadlockError, StateError, TimedOut, make
from .monitor import wait
from .settings import Settings
from .strategy import Registry

__all__ = ["Log", "LogFormat", "LogLevel", "Manager", "Message", "Runtime", "Sink"]

# At the interpreter's exit a runtime gets this long to end; one with a step that hangs is left.
EXIT_SECONDS = 5.0


class Message:
    """A message of a monitor: exchange, routing key and a body of JSON text."""

    __slots__ = ("exchange", "routing_key", "body")

    def __init__(self, exchange: str, routing_key: str, body: bytes) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.body = body

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<Message {self.exchange} {self.routing_key} {self.body[:60]!r}>"


# ---- log ----

_LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}


def _library_level(level: int) -> LogLevel:
    """The level of the library that lets through what a logger of this level wants."""
    for ours, theirs in reversed(_LEVELS.items()):
        if level <= theirs:
            return ours
    return LogLevel.ERROR


@_ffi.LogFn
def _log(user: Optional[int], level: int, component: bytes, message: bytes) -> None:
    with callback():
        try:
            target: logging.Logger = objects.get(user)
            name = decode(component)
            target.log(_LEVELS.get(LogLevel(level), logging.INFO), "%s: %s", name,
                       decode(message), extra={"component": name})
        except BaseException:  # the log has nowhere to complain to
            pass


class Log(Handle):
    """A log: into a logger of `logging`, or onto a descriptor. Any thread."""

    def __init__(self, target: Union[logging.Logger, str, None] = None,
                 level: Optional[int] = None) -> None:
        """Records go to a logger, `panicmon` when none is named; `level` is a LogLevel, by default
        the one that the logger's own level asks for."""
        logger = target if isinstance(target, logging.Logger) else logging.getLogger(
            target or "panicmon")
        out = _ffi.Log()
        number = objects.put(logger)
        _core.raise_code(lib.panicmon_log_new(byref(out), _log, number, _core.free_object))
        self._adopt(out, lib.panicmon_log_free)
        self.set_level(_library_level(logger.getEffectiveLevel()) if level is None else level)

    @classmethod
    def to_fd(cls, fd: int, format: LogFormat = LogFormat.TEXT,
              level: int = LogLevel.INFO) -> "Log":
        """Records go to a descriptor, which stays yours and must outlive the log."""
        log = cls.__new__(cls)
        out = _ffi.Log()
        _core.raise_code(lib.panicmon_log_new_fd(byref(out), fd, int(format)))
        log._adopt(out, lib.panicmon_log_free)
        log.set_level(level)
        return log

    def set_level(self, level: Union[int, str]) -> None:
        """Drops records above a LogLevel, or above the one of that name, from now on."""
        if isinstance(level, str):
            out = c_int()
            _core.raise_code(lib.panicmon_log_level_parse(encode(level), byref(out)),
                             f"no log level {level!r}")
            level = out.value
        with self._use() as pointer:
            lib.panicmon_log_set_level(pointer, int(level))

    def write(self, level: int, component: str, message: str) -> None:
        """Writes a record of your own."""
        with self._use() as pointer:
            lib.panicmon_log_write(pointer, int(level), encode(component), encode(message))


# ---- sink ----


@_ffi.MessageFn
def _message(user: Optional[int], exchange: bytes, routing_key: bytes, body: Any,
             length: int) -> int:
    with callback():
        try:
            objects.get(user)(Message(decode(exchange), decode(routing_key),
                                      string_at(body, length)))
            return ErrorCode.OK
        except BaseException as exc:
            return failed(exc, None, ErrorCode.ERR_CALLBACK, "", "a sink")


class Sink(Handle):
    """Where messages go: a callable, which library threads call with each Message (an exception
    drops the message), JSON lines on a descriptor, or the broker."""

    def __init__(self, function: Callable[[Message], Any]) -> None:
        if not callable(function):
            raise TypeError("a sink must be callable")
        out = _ffi.Sink()
        number = objects.put(function)
        _core.raise_code(
            lib.panicmon_sink_new_callback(byref(out), _message, number, _core.free_object))
        self._adopt(out, lib.panicmon_sink_free)

    @classmethod
    def _made(cls, out: Any) -> "Sink":
        sink = cls.__new__(cls)
        sink._adopt(out, lib.panicmon_sink_free)
        return sink

    @classmethod
    def jsonl(cls, fd: int) -> "Sink":
        """One line of JSON a message; the descriptor stays yours and must outlive the sink. What its
        reader does not take by the deadline of the message is dropped, counted and logged."""
        out = _ffi.Sink()
        _core.raise_code(lib.panicmon_sink_new_jsonl(byref(out), fd))
        return cls._made(out)

    @classmethod
    def tee(cls, first: "Sink", watcher: "Sink") -> "Sink":
        """Hands each message to `first`, which decides what becomes of it, and a copy to
        `watcher`."""
        out = _ffi.Sink()
        with first._use() as one, watcher._use() as other:
            _core.raise_code(lib.panicmon_sink_new_tee(byref(out), one, other))
        return cls._made(out)

    @classmethod
    def amqp(cls, settings: Settings) -> "Sink":
        """To the broker of the setting `broker.url`."""
        out = _ffi.Sink()
        with settings._use() as pointer:
            call(lib.panicmon_sink_new_amqp, byref(out), pointer)
        return cls._made(out)


# ---- runtime ----


def _end_runtime(pointer: Any) -> None:
    """Frees a runtime without waiting for ever: one whose step hangs is left to the exit."""
    lib.panicmon_runtime_request_stop(pointer)
    if lib.panicmon_runtime_join(pointer, _core.milliseconds(EXIT_SECONDS)) == ErrorCode.OK:
        lib.panicmon_runtime_free(pointer)
    else:
        _core.logger.error("a runtime did not end within %g s and was left", EXIT_SECONDS)


class Runtime(Handle):
    """Runs monitors. Life: made, start(), stop(), join(), close(); a `with` block starts and closes
    it. Any thread.

    `sink`: a callable for messages, a Sink, or None: messages go to the broker when the setting
    `broker.url` is set, else they are kept for next(), iteration and `async for`. `log`: a Log, the
    name of a logger, or False for none; by default the logger `panicmon`."""

    def __init__(self, registry: Optional[Registry] = None,
                 settings: Union[Settings, Mapping[str, Any], None] = None, *,
                 sink: Union[Sink, Callable[[Message], Any], None] = None,
                 log: Union[Log, logging.Logger, str, bool, None] = True) -> None:
        own = settings if isinstance(settings, Settings) else Settings(settings or {})
        out = _ffi.Runtime()
        with own._use() as with_settings:
            if registry is None:
                call(lib.panicmon_runtime_new, byref(out), None, with_settings)
            else:
                with registry._use() as with_registry:
                    call(lib.panicmon_runtime_new, byref(out), with_registry, with_settings)
        self._adopt(out, _end_runtime)
        self._managers: "weakref.WeakSet[Manager]" = weakref.WeakSet()
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe()
        weakref.finalize(self, _close_pipe, self._wake_read, self._wake_write)
        if log is not None and log is not False:
            self.set_log(log if isinstance(log, Log) else Log(None if log is True else log))
        if sink is not None:
            self.set_sink(sink if isinstance(sink, Sink) else Sink(sink))

    def set_log(self, log: Log) -> None:
        """Sets the log; not once started."""
        with self._use() as pointer, log._use() as target:
            _core.raise_code(lib.panicmon_runtime_set_log(pointer, target))

    def set_sink(self, sink: Sink) -> None:
        """Sets the sink; not once started."""
        with self._use() as pointer, sink._use() as target:
            _core.raise_code(lib.panicmon_runtime_set_sink(pointer, target))

    def start(self) -> None:
        """Starts the executor. Monitors may be added before and after."""
        with self._use() as pointer:
            call(lib.panicmon_runtime_start, pointer)

    def stop(self) -> None:
        """Asks everything to stop and returns at once; also from a callback."""
        with self._use() as pointer:
            lib.panicmon_runtime_request_stop(pointer)
            if not self._stopping:
                self._stopping = True
                os.write(self._wake_write, b"\0")

    def join(self, timeout: Optional[float] = None) -> None:
        """Waits until all threads have ended after stop(). TimedOut after `timeout` seconds."""
        with self._use() as pointer:
            wait(lambda ms: lib.panicmon_runtime_join(pointer, ms), timeout)

    def wait_idle(self, timeout: Optional[float] = None) -> None:
        """Waits until no monitor is left to run. TimedOut after `timeout` seconds."""
        with self._use() as pointer:
            wait(lambda ms: lib.panicmon_runtime_wait_idle(pointer, ms), timeout)

    def close(self) -> None:
        """Stops and joins everything, also the managers, and frees. Not from a callback."""
        if self.closed or self._generation != _core._Fork.generation:
            return
        if _core.in_callback():
            raise DeadlockError("close() from within a callback")
        for manager in list(self._managers):
            manager.close()
        self.stop()
        self.join()
        super().close()

    def __enter__(self) -> "Runtime":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    # ---- messages ----

    def fileno(self) -> int:
        """A descriptor that is readable while next() has a message: for select and event loops.
        Poll it, never read it. Only once started, and only without a sink."""
        with self._use() as pointer:
            fd: int = lib.panicmon_runtime_event_fd(pointer)
        if fd < 0:
            raise StateError("messages can be read from a runtime that was started without a sink")
        return fd

    def next(self) -> Optional[Message]:
        """The oldest message waiting, or None."""
        out = _ffi.Message()
        with self._use() as pointer:
            status = lib.panicmon_runtime_next(pointer, byref(out))
            if status == ErrorCode.ERR_NOENT:
                return None
            if status != ErrorCode.OK:
                raise make(status, "this runtime has a sink, or was not started")
            try:
                return Message(decode(lib.panicmon_message_exchange(out)),
                               decode(lib.panicmon_message_routing_key(out)),
                               _core.sized(lib.panicmon_message_body, out))
            finally:
                lib.panicmon_message_free(out)

    def _next_unless_closed(self) -> Optional[Message]:
        try:
            return self.next()
        except StateError:
            if self.closed:  # by another thread, just now
                return None
            raise

    def messages(self, timeout: Optional[float] = None) -> Iterator[Message]:
        """Messages as they come, until the runtime stops; TimedOut when none came for `timeout`
        seconds."""
        fds = [self.fileno(), self._wake_read]
        while not self.closed:
            message = self._next_unless_closed()
            if message is not None:
                yield message
            elif self._stopping:
                return
            elif not select.select(fds, [], [], timeout)[0]:
                raise TimedOut(f"no message in {timeout} s")

    def __iter__(self) -> Iterator[Message]:
        return self.messages()

    async def __aiter__(self) -> AsyncIterator[Message]:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        fds = [os.dup(self.fileno()), os.dup(self._wake_read)]
        for fd in fds:
            loop.add_reader(fd, ready.set)
        try:
            while not self.closed:
                message = self._next_unless_closed()
                if message is not None:
                    yield message
                elif self._stopping:
                    return
                else:
                    ready.clear()
                    await ready.wait()
        finally:
            for fd in fds:
                loop.remove_reader(fd)
                os.close(fd)

    # ---- figures ----

    def stats(self) -> Dict[str, int]:
        """The figures of the runtime, by name."""
        out = _ffi.Stats()
        with self._use() as pointer:
            _core.raise_code(lib.panicmon_runtime_stats(pointer, byref(out)))
        try:
            figures: Dict[str, int] = {}
            name, value = c_char_p(), c_int64()
            while lib.panicmon_stats_at(out, len(figures), byref(name), byref(value)) == 0:
                figures[decode(name.value)] = value.value
            return figures
        finally:
            lib.panicmon_stats_free(out)

    def stat(self, name: str) -> int:
        """One figure. NotFound for an unknown name."""
        out = _ffi.Stats()
        with self._use() as pointer:
            _core.raise_code(lib.panicmon_runtime_stats(pointer, byref(out)))
        try:
            value = c_int64()
            status = lib.panicmon_stats_get(out, encode(name), byref(value))
            _core.raise_code(status, f"no figure {name!r}")
            return value.value
        finally:
            lib.panicmon_stats_free(out)

    def histogram(self, name: str) -> List[Tuple[float, int]]:
        """Of "round_us" (how long rounds took) or "lag_us" (how long after its time a round
        began): pairs of seconds and how many stayed below; the last holds all, below infinity."""
        out = _ffi.Stats()
        with self._use() as pointer:
            _core.raise_code(lib.panicmon_runtime_stats(pointer, byref(out)))
        try:
            steps: List[Tuple[float, int]] = []
            bound, count = c_int64(), c_int64()
            while not steps or steps[-1][0] != math.inf:
                status = lib.panicmon_stats_step(
                    out, encode(name), len(steps), byref(bound), byref(count))
                _core.raise_code(status, f"no histogram {name!r}")
                last = bound.value == 2**63 - 1
                steps.append((math.inf if last else bound.value / 1e6, count.value))
            return steps
        finally:
            lib.panicmon_stats_free(out)


def _close_pipe(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


# ---- manager ----


class Manager(Handle):
    """Keeps the running monitors in step with config sets. Any thread."""

    def __init__(self, runtime: Runtime) -> None:
        out = _ffi.Manager()
        with runtime._use() as pointer:
            call(lib.panicmon_manager_new, byref(out), pointer)
        self._adopt(out, lib.panicmon_manager_free)
        self.runtime = runtime
        runtime._managers.add(self)

    def apply(self, routing_key: str, configs: Json) -> None:
        """Makes the monitors of a routing key match a config set: an object from id to config. An
        absent id is removed. ParseError tells the first bad entry; its neighbours start."""
        text = encode_json(configs)
        with self._use() as pointer:
            call(lib.panicmon_manager_apply, pointer, encode(routing_key), text, len(text))

    def apply_all(self, configs: Json) -> None:
        """Applies an object from routing key to config set."""
        text = encode_json(configs)
        with self._use() as pointer:
            call(lib.panicmon_manager_apply_all, pointer, text, len(text))

    def ping(self) -> None:
        """Publishes the manager heartbeats."""
        with self._use() as pointer:
            _core.raise_code(lib.panicmon_manager_ping(pointer))

    def __len__(self) -> int:
        """How many monitors are meant to run now."""
        with self._use() as pointer:
            return int(lib.panicmon_manager_count(pointer))

    def __bool__(self) -> bool:
        return True
