"""Exceptions: one class per error code, each also a builtin exception where one fits."""

from __future__ import annotations

from typing import Any, Dict, Type

from ._ffi import ErrorCode, lib

__all__ = [
    "AlreadyExists", "BrokerError", "CallbackError", "Canceled", "DeadlockError", "ErrorCode",
    "HttpError", "InvalidArgument", "LimitReached", "NotFound", "OutOfMemory", "PanicmonError", "ParseError",
    "ProtocolError", "RedisError", "RpcError", "StateError", "SystemCallError", "TimedOut",
    "TooNew", "WebSocketError",
]


class PanicmonError(Exception):
    """A call of the library failed. `code` is the number, `name` its name, `message` says more."""

    code: int = 0

    def __init__(self, message: str = "", code: Any = None) -> None:
        if code is not None:
            self.code = int(code)
        self.message = message or lib.panicmon_strerror(self.code).decode()
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    @property
    def name(self) -> str:
        """The name of the code, for example "ERR_PARSE"."""
        name: bytes = lib.panicmon_err_name(self.code)
        return name.decode()

    @property
    def retriable(self) -> bool:
        """Whether the same call may succeed later without anything being mended."""
        return self.code in _RETRIABLE


class OutOfMemory(PanicmonError, MemoryError):
    code = ErrorCode.ERR_NOMEM


class InvalidArgument(PanicmonError, ValueError):
    code = ErrorCode.ERR_INVAL


class AlreadyExists(PanicmonError, ValueError):
    code = ErrorCode.ERR_EXISTS


class NotFound(PanicmonError, LookupError):
    code = ErrorCode.ERR_NOENT


class ParseError(PanicmonError, ValueError):
    code = ErrorCode.ERR_PARSE


class StateError(PanicmonError, RuntimeError):
    code = ErrorCode.ERR_STATE


class TimedOut(PanicmonError, TimeoutError):
    code = ErrorCode.ERR_TIMEOUT


class Canceled(PanicmonError):
    code = ErrorCode.ERR_CANCELED


class LimitReached(PanicmonError, OverflowError):
    code = ErrorCode.ERR_LIMIT


class BrokerError(PanicmonError, ConnectionError):
    code = ErrorCode.ERR_AMQP


class RedisError(PanicmonError, ConnectionError):
    code = ErrorCode.ERR_REDIS


class WebSocketError(PanicmonError, ConnectionError):
    code = ErrorCode.ERR_WS


class RpcError(PanicmonError):
    code = ErrorCode.ERR_RPC


class CallbackError(PanicmonError, RuntimeError):
    code = ErrorCode.ERR_CALLBACK


class TooNew(PanicmonError, ValueError):
    code = ErrorCode.ERR_TOONEW


class DeadlockError(PanicmonError, RuntimeError):
    code = ErrorCode.ERR_DEADLOCK


class SystemCallError(PanicmonError, OSError):
    code = ErrorCode.ERR_SYSTEM


class ProtocolError(PanicmonError, ConnectionError):
    code = ErrorCode.ERR_PROTOCOL


class HttpError(PanicmonError, ConnectionError):
    code = ErrorCode.ERR_HTTP


_RETRIABLE = frozenset(
    (ErrorCode.ERR_TIMEOUT, ErrorCode.ERR_AMQP, ErrorCode.ERR_REDIS, ErrorCode.ERR_WS,
     ErrorCode.ERR_HTTP)
)

CLASSES: Dict[int, Type[PanicmonError]] = {
    int(cls.code): cls for cls in PanicmonError.__subclasses__()
}


def make(code: int, message: str = "") -> PanicmonError:
    """The exception of a code; PanicmonError itself for codes of a newer library."""
    return CLASSES.get(code, PanicmonError)(message, code)
