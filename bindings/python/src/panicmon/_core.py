"""What every wrapper stands on: text conversion, checked calls, handles that own a C object, and
the objects that callbacks reach by number.

Three rules keep callbacks safe. The trampolines are made once, at import, and live for ever; what
they act on is found by a number that the library carries as `user` and gives back to a free
function exactly once. No exception leaves a trampoline: it is kept for the call that led to it, or
logged. And no C object is freed from within a callback, where its threads could not be joined.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import weakref
from ctypes import byref, c_size_t, string_at
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Union
from contextlib import contextmanager

from . import _ffi
from ._ffi import ErrorCode, lib
from .errors import DeadlockError, PanicmonError, StateError, make

logger = logging.getLogger("panicmon")

Json = Union[str, bytes, bytearray, Mapping[str, Any], List[Any], int, float, bool, None]


# ---- text ----


def encode(text: str) -> bytes:
    """UTF-8; a zero byte, which would silently end the text in C, is refused."""
    data = text.encode()
    if b"\0" in data:
        raise ValueError("text with a zero character")
    return data


def encode_json(value: Json) -> bytes:
    """Text is taken to be JSON already; anything else is made JSON."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, default=_plain, ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def decode(text: Optional[bytes]) -> str:
    return "" if text is None else text.decode("utf-8", "replace")


def sized(function: Callable[..., Any], *arguments: Any) -> bytes:
    """The text of a function that gives a pointer and, as its last argument, a length."""
    length = c_size_t()
    pointer = function(*arguments, byref(length))
    return string_at(pointer, length.value) if pointer else b""


def milliseconds(seconds: Optional[float]) -> int:
    return -1 if seconds is None else max(0, round(seconds * 1000))


# ---- the state of a thread ----


class _Thread(threading.local):
    def __init__(self) -> None:
        self.depth = 0  # callbacks this thread is in
        self.calls: List[List[BaseException]] = []  # exceptions raised under each running call


_thread = _Thread()


def in_callback() -> bool:
    return _thread.depth > 0


# ---- objects that callbacks reach by number ----


class Objects:
    """Numbers from 1 up for Python objects that C holds on to. Any thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._objects: Dict[int, Any] = {}

    def put(self, thing: Any) -> int:
        number = next(self._numbers)
        self._objects[number] = thing
        return number

    def get(self, number: Optional[int]) -> Any:
        return self._objects[number or 0]

    def drop(self, number: Optional[int]) -> Any:
        return self._objects.pop(number or 0, None)

    def __len__(self) -> int:
        return len(self._objects)


objects = Objects()


# ---- callbacks ----


def describe(exc: BaseException) -> str:
    if isinstance(exc, KeyError) and len(exc.args) == 1:
        return f"no member {exc.args[0]!r}"
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


def failed(exc: BaseException, err: Any, code: int, message: str, what: str) -> int:
    """Ends a callback that raised: keeps the exception for the call this thread is in, or logs it
    with its traceback when there is none, since the thread is the library's."""
    if _thread.calls:
        _thread.calls[-1].append(exc)
    else:
        logger.error("%s raised %s", what, describe(exc), exc_info=exc)
    if err:
        lib.panicmon_error_set(err, code, message.encode("utf-8", "replace").replace(b"\0", b" "))
    return int(code)


@contextmanager
def callback() -> Iterator[None]:
    _thread.depth += 1
    try:
        yield
    finally:
        _thread.depth -= 1


@_ffi.FreeFn
def free_object(user: Optional[int]) -> None:
    """The free function of every object behind a number; calls the object's own `_freed`."""
    _thread.depth += 1
    try:
        thing = objects.drop(user)
        freed = getattr(thing, "_freed", None)
        if freed is not None:
            freed()
    except BaseException as exc:  # nothing can be told to C here
        failed(exc, None, ErrorCode.ERR_CALLBACK, "", "closing a monitor")
    finally:
        _thread.depth -= 1


# ---- calls ----


def raise_code(code: int, message: str = "") -> None:
    if code != ErrorCode.OK:
        raise make(code, message)


def call(function: Callable[..., int], *arguments: Any, code: bool = False) -> int:
    """A call whose last argument is an error object. Raises its exception; where a callback of
    this same thread raised one, that one or, for a refused config, with it as the cause."""
    err = _ffi.Error()
    raised: List[BaseException] = []
    _thread.calls.append(raised)
    try:
        status = function(*arguments, byref(err))
    finally:
        _thread.calls.pop()
    message = decode(lib.panicmon_error_message(err))
    lib.panicmon_error_free(err)
    for exc in raised:
        if not isinstance(exc, Exception):  # KeyboardInterrupt and the like are not swallowed
            raise exc
    if status == ErrorCode.ERR_CALLBACK and raised:
        raise raised[0]
    if status != ErrorCode.OK and not code:
        raise make(status, message) from (raised[0] if raised else None)
    return status


# ---- handles ----


class _Fork:
    """Counts forks: what was made before one belongs to the parent."""

    generation = 0


def _forked() -> None:
    _Fork.generation += 1
    _thread.depth = 0
    _thread.calls = []


os.register_at_fork(after_in_child=_forked)


def _release(free: Callable[[Any], None], pointer: Any, generation: int) -> None:
    if generation != _Fork.generation:
        return
    if in_callback():  # a free that joins threads may not run in one of them
        threading.Thread(target=free, args=(pointer,), name="panicmon-free").start()
    else:
        free(pointer)


class Handle:
    """Owns one C object: freed by close(), at the end of a `with` block, when it is garbage, or at
    the exit of the interpreter, whatever comes first; the last made goes first. Using it after
    that, or in a forked child, raises StateError. close() waits for calls of other threads."""

    def _adopt(self, pointer: Any, free: Callable[[Any], None]) -> None:
        self._pointer: Any = pointer
        self._generation = _Fork.generation
        self._idle = threading.Condition(threading.Lock())
        self._users: Dict[int, int] = {}  # thread -> calls it is in; guarded by _idle
        self._finalizer = weakref.finalize(self, _release, free, pointer, self._generation)

    @contextmanager
    def _use(self) -> Iterator[Any]:
        me = threading.get_ident()
        if self._generation != _Fork.generation:
            raise StateError("this object belongs to the parent process: make a new one here")
        with self._idle:
            pointer = self._pointer
            if pointer is None:
                raise StateError(f"this {type(self).__name__} is closed")
            self._users[me] = self._users.get(me, 0) + 1
        try:
            yield pointer
        finally:
            with self._idle:
                self._users[me] -= 1
                if self._users[me] == 0:
                    del self._users[me]
                    self._idle.notify_all()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._pointer is None

    def close(self) -> None:
        """Frees the C object. Again: nothing."""
        if self._generation != _Fork.generation:
            return
        with self._idle:
            if threading.get_ident() in self._users or in_callback():
                raise DeadlockError("close() from within a call or a callback of the object")
            self._pointer = None
            self._idle.wait_for(lambda: not self._users)
        self._finalizer()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()


__all__ = ["Handle", "Json", "PanicmonError"]
