"""A monitor and its rounds."""

from __future__ import annotations

import abc
import ctypes
import json
from ctypes import byref, c_uint32
from typing import Any, Mapping, Optional, Sequence, Tuple, Union

from . import _core, _ffi
from ._core import Handle, Json, callback, decode, encode, encode_json, failed, objects
from ._ffi import ErrorCode, HttpFlags, Kind, MonitorFlags, MonitorState, RpcFlags, lib
from .errors import StateError, TimedOut, make

__all__ = ["Kind", "Monitor", "MonitorState", "Reply", "Request", "Round", "RunningMonitor"]

# Names a request within its round.
Request = int


class Reply:
    """What came back for a request. Valid until the step that received it returns; values read
    from it are copies."""

    __slots__ = ("_round", "_pointer")

    def __init__(self, round: "Round", pointer: Any) -> None:
        self._round = round
        self._pointer = pointer

    def _live(self) -> Any:
        self._round._live()
        return self._pointer

    @property
    def status(self) -> int:
        """How the request ended: ErrorCode.OK, or why there is no body."""
        status: int = lib.panicmon_reply_status(self._live())
        try:
            return ErrorCode(status)
        except ValueError:  # a code of a newer library
            return status

    @property
    def ok(self) -> bool:
        """Whether there is a body."""
        return bool(lib.panicmon_reply_status(self._live()) == ErrorCode.OK)

    @property
    def body(self) -> bytes:
        """The result as JSON text, the content of an HTTP answer, or the loaded value."""
        return _core.sized(lib.panicmon_reply_body, self._live())

    @property
    def code(self) -> int:
        """The code of a JSON-RPC error object, the status of an HTTP answer, else 0."""
        code: int = lib.panicmon_reply_code(self._live())
        return code

    @property
    def message(self) -> str:
        """Why the status is not OK; "" when it is."""
        return decode(lib.panicmon_reply_message(self._live()))

    def raise_for_status(self) -> None:
        """Raises the exception of the status when it is not OK."""
        status = lib.panicmon_reply_status(self._live())
        if status != ErrorCode.OK:
            raise make(status, self.message)

    def json(self) -> Any:
        """The result, read as JSON. Raises when the request failed."""
        self.raise_for_status()
        return json.loads(self.body)


class Round:
    """One pass of one monitor. Valid only during the call of step() that received it."""

    __slots__ = ("_pointer",)

    def __init__(self, pointer: Any) -> None:
        self._pointer: Any = pointer

    def _live(self) -> Any:
        if self._pointer is None:
            raise StateError("a round is over when its step returns")
        return self._pointer

    @property
    def step(self) -> int:
        """The number of this step in its round, from 0."""
        step: int = lib.panicmon_round_step(self._live())
        return step

    @property
    def time(self) -> float:
        """When the round began, seconds since the Unix epoch."""
        time: int = lib.panicmon_round_time_ms(self._live())
        return time / 1000

    @property
    def name(self) -> str:
        """The display name of the monitor."""
        return decode(lib.panicmon_round_name(self._live()))

    def rpc(self, url: str, method: str, params: Optional[Union[Sequence[Any], str]] = None, *,
            pinned: bool = False, alone: bool = False) -> Request:
        """Asks for a JSON-RPC call to a WebSocket endpoint. `pinned`: its answer never changes.
        `alone`: it is never joined with the same call of another monitor."""
        out = c_uint32()
        _core.raise_code(lib.panicmon_round_rpc(
            self._live(), encode(url), encode(method),
            None if params is None else encode_json(params if isinstance(params, str)
                                                    else list(params)),
            (RpcFlags.PINNED if pinned else 0) | (RpcFlags.ALONE if alone else 0), byref(out)))
        return out.value

    def http(self, url: str, *, method: Optional[str] = None,
             headers: Optional[Mapping[str, str]] = None, body: Union[bytes, str, None] = None,
             follow: bool = False) -> Request:
        """Asks for an HTTP request: GET, or POST with a body, when no method is named. The reply's
        code is the HTTP status. `follow`: follow redirects of GET and HEAD."""
        data = body.encode() if isinstance(body, str) else bytes(body or b"")
        lines = None if headers is None else "\n".join(
            f"{name}: {value}" for name, value in headers.items())
        out = c_uint32()
        _core.raise_code(lib.panicmon_round_http(
            self._live(), None if method is None else encode(method), encode(url),
            None if lines is None else encode(lines), data, len(data),
            HttpFlags.FOLLOW if follow else 0, byref(out)))
        return out.value

    def publish(self, exchange: str, routing_key: str, body: Json) -> Request:
        """Hands a message to the sink: JSON text, or anything that can be written as JSON. Its
        reply is the sink's confirm."""
        text = encode_json(body)
        out = c_uint32()
        _core.raise_code(lib.panicmon_round_publish(
            self._live(), encode(exchange), encode(routing_key), text, len(text), byref(out)))
        return out.value

    def heartbeat(self) -> Request:
        """Publishes the heartbeat of this monitor."""
        out = c_uint32()
        _core.raise_code(lib.panicmon_round_heartbeat(self._live(), byref(out)))
        return out.value

    def load(self, key: str) -> Request:
        """Asks the state store for a value; the reply's status is ERR_NOENT when there is none."""
        out = c_uint32()
        _core.raise_code(lib.panicmon_round_load(self._live(), encode(key), byref(out)))
        return out.value

    def store(self, key: str, value: Union[bytes, str]) -> Request:
        """Writes a value to the state store."""
        data = value.encode() if isinstance(value, str) else bytes(value)
        out = c_uint32()
        _core.raise_code(lib.panicmon_round_store(
            self._live(), encode(key), data, len(data), byref(out)))
        return out.value

    def wait(self, seconds: float) -> Request:
        """Lets so much time pass (0.001 to 60 seconds); the reply comes then. No thread stands still
        for it. ValueError when it is longer; the reply's status tells when the round has no time
        left before that."""
        out = c_uint32()
        _core.raise_code(lib.panicmon_round_wait(
            self._live(), max(1, round(seconds * 1000)), byref(out)))
        return out.value

    def reply(self, request: Request) -> Reply:
        """The reply to a request of the step before. LookupError for any other number."""
        pointer = lib.panicmon_round_reply(self._live(), request)
        if not pointer:
            raise LookupError(f"the step before made no request {request}")
        return Reply(self, pointer)

    def fail(self, message: str, code: int = ErrorCode.ERR_RPC) -> None:
        """Marks the round as one that gave an error instead of a result. It goes on."""
        lib.panicmon_round_fail(self._live(), int(code), encode(message))

    def log(self, level: int, message: str) -> None:
        """Writes a record to the log of the runtime, under this monitor's name."""
        lib.panicmon_round_log(self._live(), int(level), encode(message))


class Monitor(abc.ABC):
    """The state of one monitorable and the steps of its rounds. Strategy.start() makes it.

    step() is called by threads of the library, one call at a time. It reads the replies to what the
    last step asked for and asks for more; when it asks for nothing, the round is over. An exception
    ends the round and restarts the monitor after a while; a peer that is down is no reason for one:
    use round.fail()."""

    #: The display name; None: the id of the config.
    name: Optional[str] = None
    #: The kind of monitorable.
    kind: Kind = Kind.NODE
    #: Seconds from round to round; None: the period set for the kind.
    period: Optional[float] = None
    #: (chain id, id, name) for PANIC's list of monitorables; None: not announced.
    source: Optional[Tuple[str, str, str]] = None
    #: Whether steps wait for things of their own (sockets, files, sleep).
    blocking: bool = False

    @abc.abstractmethod
    def step(self, round: Round) -> None:
        """Does one step of a round."""

    def update(self, parsed: Any) -> bool:
        """Takes a changed config in, between two rounds; False: restart the monitor instead. Only
        a class that overrides this is asked."""
        return False

    def close(self) -> None:
        """Called once, after the last step."""

    def _freed(self) -> None:
        self.close()


# ---- the C side of a monitor ----


@_ffi.StepFn
def _step(number: Optional[int], pointer: Any, err: Any) -> int:
    _core._thread.depth += 1
    round = Round(pointer)
    try:
        objects.get(number).step(round)
        return ErrorCode.OK
    except BaseException as exc:
        return failed(exc, err, ErrorCode.ERR_CALLBACK, _core.describe(exc), "a step")
    finally:
        round._pointer = None
        _core._thread.depth -= 1


@_ffi.UpdateFn
def _update(number: Optional[int], parsed: Optional[int]) -> int:
    with callback():
        try:
            taken = objects.get(number).update(objects.get(parsed))
            return ErrorCode.OK if taken else ErrorCode.ERR_STATE
        except BaseException as exc:
            return failed(exc, None, ErrorCode.ERR_CALLBACK, "", "an update")


def launch(pointer: Any, monitor: Monitor) -> None:
    """Hands a monitor over to the library, with all that its attributes say of it."""
    if not callable(getattr(monitor, "step", None)):
        raise TypeError(f"start() gave {type(monitor).__name__}, which is no Monitor")
    if monitor.name is not None:
        _core.raise_code(lib.panicmon_launch_name(pointer, encode(monitor.name)))
    if monitor.source is not None:
        _core.raise_code(lib.panicmon_launch_source(pointer, *map(encode, monitor.source)))
    if monitor.period is not None:
        _core.raise_code(lib.panicmon_launch_period(
            pointer, max(1, _core.milliseconds(monitor.period))))
    _core.raise_code(lib.panicmon_launch_kind(pointer, int(monitor.kind)))
    updates = type(monitor).update is not Monitor.update
    ops = _ffi.MonitorOps(
        struct_size=ctypes.sizeof(_ffi.MonitorOps),
        flags=MonitorFlags.BLOCKING if monitor.blocking else 0,
        step=_step,
        update=_update if updates else _ffi.UpdateFn(),
        monitor_free=_core.free_object,
    )
    number = objects.put(monitor)
    status = lib.panicmon_launch_monitor(pointer, byref(ops), number)
    if status != ErrorCode.OK:
        objects.drop(number)
        raise make(status)


# ---- a monitor that runs ----


class RunningMonitor(Handle):
    """A started monitor, seen from outside. It runs on when this object is closed or gone."""

    def __init__(self, pointer: Any) -> None:
        self._adopt(pointer, lib.panicmon_monitor_free)

    @property
    def id(self) -> str:
        """The id of the monitorable."""
        with self._use() as pointer:
            return decode(lib.panicmon_monitor_id(pointer))

    @property
    def name(self) -> str:
        """The display name."""
        with self._use() as pointer:
            return decode(lib.panicmon_monitor_name(pointer))

    @property
    def state(self) -> MonitorState:
        """What it is doing."""
        with self._use() as pointer:
            return MonitorState(lib.panicmon_monitor_get_state(pointer))

    @property
    def rounds(self) -> int:
        """Rounds completed so far."""
        with self._use() as pointer:
            return int(lib.panicmon_monitor_rounds(pointer))

    def stop(self) -> None:
        """Asks it to end after the step it is in; returns at once."""
        with self._use() as pointer:
            lib.panicmon_monitor_stop(pointer)

    def join(self, timeout: Optional[float] = None) -> None:
        """Waits until it has ended. TimedOut after `timeout` seconds."""
        with self._use() as pointer:
            wait(lambda ms: lib.panicmon_monitor_join(pointer, ms), timeout)


# How long a wait stays in C at a time: signals such as Ctrl-C are handled in between.
SLICE_MS = 100


def wait(function: Any, timeout: Optional[float]) -> None:
    """Calls a function that waits for up to the milliseconds it is given, in slices."""
    left = _core.milliseconds(timeout)
    while True:
        ms = SLICE_MS if left < 0 else min(left, SLICE_MS)
        status = function(ms)
        if status != ErrorCode.ERR_TIMEOUT:
            _core.raise_code(status)
            return
        if left >= 0:
            left -= ms
            if left <= 0:
                raise TimedOut()
