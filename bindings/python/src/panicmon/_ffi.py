"""The C interface: finds the shared library and describes every public function and struct.

SIGNATURES holds one line per function of the public headers; the tests compare it with the headers
and with the library's own debug information. The library is opened with CDLL, which gives up the
interpreter's lock during each call: calls wait for library threads, and those may be in a callback.
"""

from __future__ import annotations

import ctypes
import enum
import os
from ctypes import CFUNCTYPE, POINTER, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint16
from ctypes import c_uint32, c_uint8, c_void_p
from typing import Any, Dict, Tuple

SONAME = "libpanicmon.so.1"
# The library must be of this major version and at least of this minor version.
MAJOR, MINOR = 1, 0


# ---- enums ----


class ErrorCode(enum.IntEnum):
    """What a call of the library returns."""

    OK = 0
    ERR_NOMEM = -1
    ERR_INVAL = -2
    ERR_EXISTS = -3
    ERR_NOENT = -4
    ERR_PARSE = -5
    ERR_STATE = -6
    ERR_TIMEOUT = -7
    ERR_CANCELED = -8
    ERR_LIMIT = -9
    ERR_AMQP = -10
    ERR_REDIS = -11
    ERR_WS = -12
    ERR_RPC = -13
    ERR_CALLBACK = -14
    ERR_TOONEW = -15
    ERR_DEADLOCK = -16
    ERR_SYSTEM = -17
    ERR_PROTOCOL = -18
    ERR_HTTP = -19


class LogLevel(enum.IntEnum):
    """How grave a log record is."""

    ERROR = 0
    WARNING = 1
    INFO = 2
    DEBUG = 3


class LogFormat(enum.IntEnum):
    """How Log.to_fd() writes a record."""

    TEXT = 0
    JSON = 1


class Kind(enum.IntEnum):
    """The kind of a monitorable; each kind has its own default period."""

    NODE = 0
    NETWORK = 1
    SYSTEM = 2
    REPO = 3


class MonitorState(enum.IntEnum):
    """What a running monitor is doing."""

    STARTING = 0
    RUNNING = 1
    FAILING = 2
    BACKOFF = 3
    STOPPED = 4


class MonitorFlags(enum.IntFlag):
    """How a monitor wants to be run."""

    BLOCKING = 1


class RpcFlags(enum.IntFlag):
    """How Round.rpc() asks."""

    PINNED = 1
    ALONE = 2


class HttpFlags(enum.IntFlag):
    """How Round.http() asks."""

    FOLLOW = 1


class ListFormat(enum.IntEnum):
    """How panicmon_metadata_list() writes."""

    JSON = 0
    TEXT = 1


class ValueFlags(enum.IntFlag):
    """How Metadata writes values as JSON."""

    CANON = 0
    POLKADOT_JS = 1
    BIG_DECIMAL = 2
    TOP_HEX = 4


# The enums by their names in C; those that have none there by their first constant.
ENUMS: Dict[str, Any] = {
    "panicmon_err": ErrorCode,
    "panicmon_log_level": LogLevel,
    "panicmon_log_format": LogFormat,
    "panicmon_kind": Kind,
    "panicmon_monitor_state": MonitorState,
    "panicmon_list_format": ListFormat,
    "panicmon_value_flags": ValueFlags,
    "PANICMON_MONITOR_BLOCKING": MonitorFlags,
    "PANICMON_RPC_PINNED": RpcFlags,
    "PANICMON_HTTP_FOLLOW": HttpFlags,
}


# ---- opaque objects ----


def _opaque(name: str) -> Any:
    return POINTER(type(name, (ctypes.Structure,), {}))


Config = _opaque("panicmon_config")
ConfigSet = _opaque("panicmon_config_set")
Error = _opaque("panicmon_error")
Launch = _opaque("panicmon_launch")
Log = _opaque("panicmon_log")
Manager = _opaque("panicmon_manager")
Message = _opaque("panicmon_message")
Metadata = _opaque("panicmon_metadata")
Monitor = _opaque("panicmon_monitor")
Plan = _opaque("panicmon_plan")
Registry = _opaque("panicmon_registry")
Reply = _opaque("panicmon_reply")
Round = _opaque("panicmon_round")
Runtime = _opaque("panicmon_runtime")
Settings = _opaque("panicmon_settings")
Sink = _opaque("panicmon_sink")
Starter = _opaque("panicmon_starter")
Stats = _opaque("panicmon_stats")
Substrate = _opaque("panicmon_substrate")

# Short names for the table: an error code, any enum, zero-terminated text, text with a length (read
# with string_at), text that is ours to free, and pointers to fill in.
Err = c_int
Enum = c_int
Text = c_char_p
Body = POINTER(c_char)
Owned = POINTER(POINTER(c_char))
Size = POINTER(c_size_t)
Fail = POINTER(Error)


# ---- callbacks and the two public structs ----

FreeFn: Any = CFUNCTYPE(None, c_void_p)
LogFn: Any = CFUNCTYPE(None, c_void_p, Enum, Text, Text)
MessageFn: Any = CFUNCTYPE(Err, c_void_p, Text, Text, Body, c_size_t)
FaultFn: Any = CFUNCTYPE(None, c_void_p, Text)
PlanFn: Any = CFUNCTYPE(Err, c_void_p, ConfigSet, Plan, Fail)
ParseFn: Any = CFUNCTYPE(Err, c_void_p, Config, POINTER(c_void_p), Fail)
StartFn: Any = CFUNCTYPE(Err, c_void_p, c_void_p, Launch, Fail)
ParsedFreeFn: Any = CFUNCTYPE(None, c_void_p, c_void_p)
StepFn: Any = CFUNCTYPE(Err, c_void_p, Round, Fail)
UpdateFn: Any = CFUNCTYPE(Err, c_void_p, c_void_p)


class StrategyOps(ctypes.Structure):
    """panicmon_strategy_ops."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("name", c_char_p),
        ("plan", PlanFn),
        ("parse", ParseFn),
        ("start", StartFn),
        ("parsed_free", ParsedFreeFn),
        ("user_free", FreeFn),
    ]


class MonitorOps(ctypes.Structure):
    """panicmon_monitor_ops."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("step", StepFn),
        ("update", UpdateFn),
        ("monitor_free", FreeFn),
    ]


STRUCTS: Dict[str, Any] = {
    "panicmon_strategy_ops": StrategyOps,
    "panicmon_monitor_ops": MonitorOps,
}


# ---- functions: name -> (result, argument, ...) ----

SIGNATURES: Dict[str, Tuple[Any, ...]] = {
    # error.h
    "panicmon_strerror": (Text, Err),
    "panicmon_err_name": (Text, Err),
    "panicmon_err_count": (c_size_t,),
    "panicmon_err_at": (Err, c_size_t, POINTER(Err), POINTER(Text), POINTER(Text)),
    "panicmon_error_set": (Err, Fail, Err, Text),
    "panicmon_error_free": (None, Error),
    "panicmon_error_code": (Err, Error),
    "panicmon_error_message": (Text, Error),
    # version.h
    "panicmon_version": (Text,),
    "panicmon_version_hex": (c_uint32,),
    # log.h
    "panicmon_log_new": (Err, POINTER(Log), LogFn, c_void_p, FreeFn),
    "panicmon_log_new_fd": (Err, POINTER(Log), c_int, Enum),
    "panicmon_log_set_level": (None, Log, Enum),
    "panicmon_log_level_parse": (Err, Text, POINTER(Enum)),
    "panicmon_log_write": (None, Log, Enum, Text, Text),
    "panicmon_log_free": (None, Log),
    # settings.h
    "panicmon_settings_new": (Err, POINTER(Settings)),
    "panicmon_settings_free": (None, Settings),
    "panicmon_settings_set": (Err, Settings, Text, Text, Fail),
    "panicmon_settings_get": (Text, Settings, Text),
    "panicmon_settings_count": (c_size_t,),
    "panicmon_settings_at": (Err, c_size_t, POINTER(Text), POINTER(Text), POINTER(Text)),
    "panicmon_settings_load": (Err, Settings, Text, c_size_t, FaultFn, c_void_p, Fail),
    "panicmon_settings_load_file": (Err, Settings, Text, FaultFn, c_void_p, Fail),
    "panicmon_settings_configs": (Body, Settings, Size),
    # sink.h
    "panicmon_sink_new_callback": (Err, POINTER(Sink), MessageFn, c_void_p, FreeFn),
    "panicmon_sink_new_jsonl": (Err, POINTER(Sink), c_int),
    "panicmon_sink_new_amqp": (Err, POINTER(Sink), Settings, Fail),
    "panicmon_sink_new_tee": (Err, POINTER(Sink), Sink, Sink),
    "panicmon_sink_free": (None, Sink),
    # strategy.h
    "panicmon_config_set_routing_key": (Text, ConfigSet),
    "panicmon_config_set_word": (Text, ConfigSet, c_size_t),
    "panicmon_config_set_count": (c_size_t, ConfigSet),
    "panicmon_config_set_at": (Config, ConfigSet, c_size_t),
    "panicmon_config_of": (ConfigSet, Config),
    "panicmon_config_id": (Text, Config),
    "panicmon_config_json": (Body, Config, Size),
    "panicmon_config_has": (c_int, Config, Text),
    "panicmon_config_text": (Err, Config, Text, POINTER(Text), Fail),
    "panicmon_config_flag": (Err, Config, Text, c_int, POINTER(c_int), Fail),
    "panicmon_config_fault": (Err, Config, Text, Text, Fail),
    "panicmon_plan_add": (Err, Plan, Text, Text, c_size_t, Fail),
    "panicmon_launch_name": (Err, Launch, Text),
    "panicmon_launch_kind": (Err, Launch, Enum),
    "panicmon_launch_period": (Err, Launch, c_int64),
    "panicmon_launch_source": (Err, Launch, Text, Text, Text),
    "panicmon_launch_monitor": (Err, Launch, POINTER(MonitorOps), c_void_p),
    # monitor.h
    "panicmon_round_step": (c_uint32, Round),
    "panicmon_round_time_ms": (c_int64, Round),
    "panicmon_round_name": (Text, Round),
    "panicmon_round_rpc": (Err, Round, Text, Text, Text, c_uint32, POINTER(c_uint32)),
    "panicmon_round_http": (
        Err, Round, Text, Text, Text, c_void_p, c_size_t, c_uint32, POINTER(c_uint32)),
    "panicmon_round_publish": (Err, Round, Text, Text, Text, c_size_t, POINTER(c_uint32)),
    "panicmon_round_heartbeat": (Err, Round, POINTER(c_uint32)),
    "panicmon_round_load": (Err, Round, Text, POINTER(c_uint32)),
    "panicmon_round_store": (Err, Round, Text, c_void_p, c_size_t, POINTER(c_uint32)),
    "panicmon_round_wait": (Err, Round, c_int64, POINTER(c_uint32)),
    "panicmon_round_reply": (Reply, Round, c_uint32),
    "panicmon_reply_status": (Err, Reply),
    "panicmon_reply_body": (Body, Reply, Size),
    "panicmon_reply_code": (c_int64, Reply),
    "panicmon_reply_message": (Text, Reply),
    "panicmon_round_fail": (None, Round, Err, Text),
    "panicmon_round_log": (None, Round, c_int, Text),
    "panicmon_monitor_id": (Text, Monitor),
    "panicmon_monitor_name": (Text, Monitor),
    "panicmon_monitor_get_state": (Enum, Monitor),
    "panicmon_monitor_rounds": (c_int64, Monitor),
    "panicmon_monitor_stop": (None, Monitor),
    "panicmon_monitor_join": (Err, Monitor, c_int64),
    "panicmon_monitor_free": (None, Monitor),
    # registry.h
    "panicmon_registry_new": (Err, POINTER(Registry)),
    "panicmon_registry_free": (None, Registry),
    "panicmon_registry_add": (Err, Registry, Text, POINTER(StrategyOps), c_void_p, Fail),
    "panicmon_registry_remove": (Err, Registry, Text, Text),
    "panicmon_registry_match": (c_size_t, Registry, Text, c_size_t, POINTER(Text)),
    "panicmon_registry_add_builtin": (Err, Registry, Fail),
    "panicmon_registry_check": (Err, Registry, Text, Text, c_size_t, FaultFn, c_void_p, Size),
    "panicmon_registry_check_all": (Err, Registry, Text, c_size_t, FaultFn, c_void_p, Size),
    # runtime.h
    "panicmon_runtime_new": (Err, POINTER(Runtime), Registry, Settings, Fail),
    "panicmon_runtime_set_log": (Err, Runtime, Log),
    "panicmon_runtime_set_sink": (Err, Runtime, Sink),
    "panicmon_runtime_start": (Err, Runtime, Fail),
    "panicmon_runtime_request_stop": (None, Runtime),
    "panicmon_runtime_join": (Err, Runtime, c_int64),
    "panicmon_runtime_wait_idle": (Err, Runtime, c_int64),
    "panicmon_runtime_free": (None, Runtime),
    "panicmon_runtime_event_fd": (c_int, Runtime),
    "panicmon_runtime_next": (Err, Runtime, POINTER(Message)),
    "panicmon_message_exchange": (Text, Message),
    "panicmon_message_routing_key": (Text, Message),
    "panicmon_message_body": (Body, Message, Size),
    "panicmon_message_free": (None, Message),
    "panicmon_runtime_stats": (Err, Runtime, POINTER(Stats)),
    "panicmon_stats_get": (Err, Stats, Text, POINTER(c_int64)),
    "panicmon_stats_at": (Err, Stats, c_size_t, POINTER(Text), POINTER(c_int64)),
    "panicmon_stats_step": (Err, Stats, Text, c_size_t, POINTER(c_int64), POINTER(c_int64)),
    "panicmon_stats_free": (None, Stats),
    # starter.h
    "panicmon_starter_new": (Err, POINTER(Starter), POINTER(StrategyOps), c_void_p),
    "panicmon_starter_free": (None, Starter),
    "panicmon_starter_set_runtime": (Err, Starter, Runtime),
    "panicmon_starter_set_strategy": (Err, Starter, POINTER(StrategyOps), c_void_p),
    "panicmon_starter_strategy": (Text, Starter),
    "panicmon_starter_parse_and_start": (
        Err, Starter, Text, Text, c_size_t, POINTER(Monitor), Fail),
    # manager.h
    "panicmon_manager_new": (Err, POINTER(Manager), Runtime, Fail),
    "panicmon_manager_free": (None, Manager),
    "panicmon_manager_apply": (Err, Manager, Text, Text, c_size_t, Fail),
    "panicmon_manager_apply_all": (Err, Manager, Text, c_size_t, Fail),
    "panicmon_manager_ping": (Err, Manager),
    "panicmon_manager_count": (c_size_t, Manager),
    # substrate.h
    "panicmon_substrate_new": (Err, POINTER(Substrate)),
    "panicmon_substrate_ref": (Substrate, Substrate),
    "panicmon_substrate_free": (None, Substrate),
    "panicmon_substrate_node_strategy": (POINTER(StrategyOps),),
    "panicmon_substrate_network_strategy": (POINTER(StrategyOps),),
    "panicmon_metadata_new": (Err, POINTER(Metadata), c_void_p, c_size_t, Fail),
    "panicmon_metadata_free": (None, Metadata),
    "panicmon_metadata_version": (c_uint32, Metadata),
    "panicmon_metadata_size": (c_size_t, Metadata),
    "panicmon_metadata_list": (Err, Metadata, c_uint32, Owned, Size, Fail),
    "panicmon_metadata_decode_storage": (
        Err, Metadata, Text, Text, c_void_p, c_size_t, c_uint32, Owned, Size, Fail),
    "panicmon_metadata_decode_constant": (
        Err, Metadata, Text, Text, c_uint32, Owned, Size, Fail),
    "panicmon_metadata_decode_type": (
        Err, Metadata, c_uint32, c_void_p, c_size_t, c_uint32, Owned, Size, Fail),
    "panicmon_metadata_decode_result": (
        Err, Metadata, Text, Text, c_void_p, c_size_t, c_uint32, Owned, Size, Fail),
    "panicmon_metadata_encode_type": (
        Err, Metadata, c_uint32, Text, c_size_t, Owned, Size, Fail),
    "panicmon_metadata_storage_key": (
        Err, Metadata, Text, Text, POINTER(Text), c_size_t, Owned, Size, Fail),
    "panicmon_text_free": (None, Body),
    "panicmon_ss58_decode": (Err, Text, c_size_t, POINTER(c_uint8), POINTER(c_uint16)),
    "panicmon_ss58_encode": (Err, POINTER(c_uint8), c_uint16, Body, c_size_t),
}

# Public functions that Python has no use for, each with the reason. None so far.
EXCLUDED: Dict[str, str] = {
    "panicmon_config_set_stamp": "a ConfigSet is a copy: it has no place to be told by",
}


# ---- the library itself ----


def _open() -> ctypes.CDLL:
    path = os.environ.get("PANICMON_LIBRARY") or SONAME
    try:
        return ctypes.CDLL(path)
    except OSError as exc:
        raise ImportError(
            f"the panicmon library could not be loaded ({exc}); install libpanicmon1, or set "
            f"PANICMON_LIBRARY to the path of {SONAME}"
        ) from exc


def _check_version(library: ctypes.CDLL) -> None:
    try:
        function = library.panicmon_version_hex
    except AttributeError as exc:
        raise ImportError(f"{library._name} is not the panicmon library") from exc
    function.restype = c_uint32
    number = function()
    if number >> 16 != MAJOR or (number >> 8 & 0xFF) < MINOR:
        raise ImportError(
            f"libpanicmon is version {number >> 16}.{number >> 8 & 0xFF}; "
            f"this package needs {MAJOR}.{MINOR} or a later {MAJOR}.x"
        )


def _bind(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, *arguments) in SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError as exc:
            raise ImportError(f"libpanicmon has no function {name}: is it too old?") from exc
        function.restype = result
        function.argtypes = arguments
    return library


lib: Any = _open()
_check_version(lib)
_bind(lib)
