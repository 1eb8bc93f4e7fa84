"""Strategies, the registry that finds them by routing key, and the starter that holds one."""

from __future__ import annotations

import abc
import ctypes
import json
from ctypes import byref, c_char_p, c_int, c_size_t
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Mapping, NamedTuple, Optional
from typing import Tuple, Union

from . import _core, _ffi
from ._core import Handle, Json, call, callback, decode, encode, encode_json, failed, objects
from ._ffi import ErrorCode, lib
from .errors import NotFound, PanicmonError, StateError
from .monitor import Monitor, RunningMonitor, launch

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = [
    "Check", "Config", "ConfigSet", "MonitorStarter", "MonitorStarterStrategy", "Registry",
    "Strategy", "Substrate", "SubstrateNetwork", "SubstrateNode",
]


class Config(Mapping[str, Any]):
    """One entry of a config set: a mapping of its members, with its id and routing key. The mapping
    stays valid; text() and flag() only until the call that received it returns."""

    def __init__(self, pointer: Any) -> None:
        self._pointer: Any = pointer
        self.id = decode(lib.panicmon_config_id(pointer))
        self.routing_key = decode(
            lib.panicmon_config_set_routing_key(lib.panicmon_config_of(pointer)))
        self._members = json.loads(_core.sized(lib.panicmon_config_json, pointer))

    def __getitem__(self, field: str) -> Any:
        return self._members[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"<Config {self.routing_key} {self.id}>"

    def _live(self) -> Any:
        if self._pointer is None:
            raise StateError("the config is no longer held by the library; its members still are")
        return self._pointer

    def text(self, field: str) -> str:
        """A text member. NotFound when it is absent, ParseError when it is no text; both say
        routing key, id and field."""
        out = c_char_p()
        call(lib.panicmon_config_text, self._live(), encode(field), byref(out))
        return decode(out.value)

    def flag(self, field: str, absent: bool = False) -> bool:
        """A yes-or-no member as PANIC reads it."""
        out = c_int()
        call(lib.panicmon_config_flag, self._live(), encode(field), int(absent), byref(out))
        return bool(out.value)

    def fault(self, field: str, problem: str) -> PanicmonError:
        """The exception to raise for a bad member: it says routing key, id and field."""
        try:
            call(lib.panicmon_config_fault, self._live(), encode(field), encode(problem))
        except PanicmonError as exc:
            return exc
        raise AssertionError("a fault is always an error")


class ConfigSet(Mapping[str, Config]):
    """All entries of one routing key, by id. Valid until the call that received it returns."""

    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer
        self.routing_key = decode(lib.panicmon_config_set_routing_key(pointer))
        self._entries = {}
        for i in range(lib.panicmon_config_set_count(pointer)):
            entry = Config(lib.panicmon_config_set_at(pointer, i))
            self._entries[entry.id] = entry

    def __getitem__(self, id: str) -> Config:
        return self._entries[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def word(self, i: int) -> str:
        """A word of the routing key, between its dots; "" when there is none."""
        words = self.routing_key.split(".")
        return words[i] if 0 <= i < len(words) else ""


class Strategy(abc.ABC):
    """Parses one kind of config and starts its monitor. Its methods are called by any thread, also
    several at once."""

    #: What the strategy is called; None: the name of its class.
    name: Optional[str] = None

    @abc.abstractmethod
    def parse(self, config: Config) -> Any:
        """Checks a config and gives what start() needs. ValueError, KeyError, TypeError and
        config.fault() say that it is bad. None says that it is fine and asks for no monitor: the
        entry is switched off, which is logged. So do not forget to return something."""

    @abc.abstractmethod
    def start(self, parsed: Any) -> Monitor:
        """Makes the monitor of a parsed config. Called again when the monitor is restarted."""

    def plan(self, configs: ConfigSet) -> Iterable[Union[str, Tuple[str, Json]]]:
        """The monitorables that a config set asks for: ids of its entries, or (id, config) pairs.
        Only a class that overrides this is asked; else there is one per entry."""
        return list(configs)


#: The same under the name it has in PANIC's plans.
MonitorStarterStrategy = Strategy


class Substrate(Handle):
    """What the monitors of Substrate chains share: metadata, the state of each chain, events. With
    one, a hundred validators of a chain cost hardly more calls than one."""

    def __init__(self) -> None:
        out = _ffi.Substrate()
        _core.raise_code(lib.panicmon_substrate_new(byref(out)))
        self._adopt(out, lib.panicmon_substrate_free)


class _Builtin:
    """A strategy that stands in the library; `shared`: what its monitors share with others."""

    name = ""

    def __init__(self, shared: Optional[Substrate] = None) -> None:
        self.shared = shared

    def _ops(self) -> Any:
        raise NotImplementedError


class SubstrateNode(_Builtin):
    """The built-in strategy for nodes of Substrate chains."""

    name = "substrate_node"

    def _ops(self) -> Any:
        return lib.panicmon_substrate_node_strategy()


class SubstrateNetwork(_Builtin):
    """The built-in strategy for the governance of Substrate chains."""

    name = "substrate_network"

    def _ops(self) -> Any:
        return lib.panicmon_substrate_network_strategy()


AnyStrategy = Union[Strategy, _Builtin]


# ---- the C side of a strategy ----


class _InUse:
    """A Python strategy that the library uses, with the ops table it was given under."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        plans = type(strategy).plan is not Strategy.plan
        self.ops = _ffi.StrategyOps(
            struct_size=ctypes.sizeof(_ffi.StrategyOps),
            name=encode(strategy.name or type(strategy).__name__),
            plan=_plan if plans else _ffi.PlanFn(),
            parse=_parse,
            start=_start,
            parsed_free=_parsed_free,
            user_free=_core.free_object,
        )


def _refused(exc: BaseException) -> bool:
    return isinstance(exc, (ValueError, KeyError, TypeError)) or (
        isinstance(exc, PanicmonError)
        and exc.code in (ErrorCode.ERR_PARSE, ErrorCode.ERR_NOENT, ErrorCode.ERR_INVAL))


def _bad_config(exc: BaseException, err: Any, where: str, what: str) -> int:
    if not _refused(exc):
        return failed(exc, err, ErrorCode.ERR_CALLBACK, f"{where}: {_core.describe(exc)}", what)
    known = isinstance(exc, PanicmonError) and where in str(exc)
    text = str(exc) if known else f"{where}: {_core.describe(exc)}"
    if not _core._thread.calls:  # the library logs the message; where it came from, on request
        _core.logger.debug("%s refused a config", what, exc_info=exc)
        return int(lib.panicmon_error_set(err, ErrorCode.ERR_PARSE, encode(text)))
    return failed(exc, err, ErrorCode.ERR_PARSE, text, what)


@_ffi.PlanFn
def _plan(user: Optional[int], set_pointer: Any, plan: Any, err: Any) -> int:
    with callback():
        where = "?"
        configs = None
        try:
            configs = ConfigSet(set_pointer)
            where = configs.routing_key
            for item in objects.get(user).strategy.plan(configs):
                id, config = item if isinstance(item, tuple) else (item, None)
                text = None if config is None else encode_json(config)
                call(lib.panicmon_plan_add, plan, encode(id), text, len(text or b""))
            return ErrorCode.OK
        except BaseException as exc:
            return _bad_config(exc, err, where, "plan")
        finally:
            for entry in configs.values() if configs is not None else ():
                entry._pointer = None


@_ffi.ParseFn
def _parse(user: Optional[int], pointer: Any, out: Any, err: Any) -> int:
    with callback():
        where = "?"
        config = None
        try:
            config = Config(pointer)
            where = f"{config.routing_key}: entry '{config.id}'"
            parsed = objects.get(user).strategy.parse(config)
            if parsed is None:
                _core.logger.info("entry '%s' of %s is switched off: parse() gave None",
                                  config.id, config.routing_key)
                return ErrorCode.ERR_STATE
            out[0] = objects.put(parsed)
            return ErrorCode.OK
        except BaseException as exc:
            return _bad_config(exc, err, where, "parse")
        finally:
            if config is not None:
                config._pointer = None


@_ffi.StartFn
def _start(user: Optional[int], parsed: Optional[int], pointer: Any, err: Any) -> int:
    with callback():
        try:
            launch(pointer, objects.get(user).strategy.start(objects.get(parsed)))
            return ErrorCode.OK
        except BaseException as exc:
            return failed(exc, err, ErrorCode.ERR_CALLBACK, _core.describe(exc), "start")


@_ffi.ParsedFreeFn
def _parsed_free(_user: Optional[int], parsed: Optional[int]) -> None:
    objects.drop(parsed)


class _Given:
    """An ops table and the `user` to pass with it; undo() when the library did not take it."""

    def __init__(self, strategy: AnyStrategy) -> None:
        self.user: Any = None
        if isinstance(strategy, _Builtin):
            self.ops = strategy._ops()
            self.undo = self._drop_shared
            if strategy.shared is not None:
                with strategy.shared._use() as pointer:
                    self._shared = lib.panicmon_substrate_ref(pointer)
                self.user = ctypes.cast(self._shared, ctypes.c_void_p)
        elif isinstance(strategy, Strategy):
            used = _InUse(strategy)
            self.ops = ctypes.pointer(used.ops)
            self.undo = self._drop_object
            self.user = objects.put(used)
        else:
            raise TypeError(f"{type(strategy).__name__} is no Strategy")

    def _drop_object(self) -> None:
        objects.drop(self.user)

    def _drop_shared(self) -> None:
        if self.user is not None:
            lib.panicmon_substrate_free(self._shared)


# ---- registry ----


class Check(NamedTuple):
    """The result of Registry.check(). What was taken but looks like a mistake is among the faults,
    beginning with "warning: "."""

    faults: List[str]
    monitorables: int


@_ffi.FaultFn
def _note_fault(user: Optional[int], message: Optional[bytes]) -> None:
    objects.get(user).append(decode(message))


class Registry(Handle):
    """Routing-key patterns and the strategies behind them. Any thread."""

    def __init__(self) -> None:
        out = _ffi.Registry()
        _core.raise_code(lib.panicmon_registry_new(byref(out)))
        self._adopt(out, lib.panicmon_registry_free)

    def add(self, pattern: str, strategy: AnyStrategy) -> None:
        """Adds a strategy under a pattern of AMQP topics: `*` is one word, `#` any number."""
        given = _Given(strategy)
        try:
            with self._use() as pointer:
                call(lib.panicmon_registry_add, pointer, encode(pattern), given.ops, given.user)
        except BaseException:
            given.undo()
            raise

    def remove(self, pattern: str, strategy: Union[AnyStrategy, str]) -> None:
        """Removes a strategy, or the one of that name; monitors it started run on."""
        name = strategy if isinstance(strategy, str) else strategy.name or type(strategy).__name__
        with self._use() as pointer:
            status = lib.panicmon_registry_remove(pointer, encode(pattern), encode(name))
        if status == ErrorCode.ERR_NOENT:
            raise NotFound(f"{pattern}: no strategy {name!r}")
        _core.raise_code(status)

    def match(self, routing_key: str) -> List[str]:
        """The names of the strategies that match a routing key."""
        names: List[str] = []
        with self._use() as pointer:
            out = c_char_p()
            key = encode(routing_key)
            while lib.panicmon_registry_match(pointer, key, len(names), byref(out)) > len(names):
                if out.value is None:
                    break
                names.append(decode(out.value))
        return names

    def add_builtin(self) -> None:
        """Adds every built-in strategy under the routing keys of PANIC."""
        with self._use() as pointer:
            call(lib.panicmon_registry_add_builtin, pointer)

    def check(self, routing_key: str, configs: Json) -> Check:
        """Checks a config set without starting anything. NotFound: no strategy matches."""
        text = encode_json(configs)
        return self._check(lib.panicmon_registry_check, encode(routing_key), text, len(text))

    def check_all(self, configs: Json) -> Check:
        """Checks an object of routing keys and config sets."""
        text = encode_json(configs)
        return self._check(lib.panicmon_registry_check_all, text, len(text))

    def _check(self, function: Any, *arguments: Any) -> Check:
        faults: List[str] = []
        count = c_size_t()
        number = objects.put(faults)
        raised: List[BaseException] = []
        _core._thread.calls.append(raised)
        try:
            with self._use() as pointer:
                status = function(pointer, *arguments, _note_fault, number, byref(count))
        finally:
            _core._thread.calls.pop()
            objects.drop(number)
        for exc in raised:
            if not isinstance(exc, Exception):
                raise exc
        if status not in (ErrorCode.OK, ErrorCode.ERR_PARSE):
            _core.raise_code(status, faults[0] if faults else "")
        return Check(faults, count.value)


# ---- starter ----


class MonitorStarter(Handle):
    """Holds a strategy, which can be swapped, and starts monitors with it: the Context of the
    Strategy pattern. Used by one thread at a time. Without a runtime it makes one of its own at the
    first start, ended by close()."""

    def __init__(self, strategy: AnyStrategy, runtime: Optional["Runtime"] = None) -> None:
        out = _ffi.Starter()
        given = _Given(strategy)
        status = lib.panicmon_starter_new(byref(out), given.ops, given.user)
        if status != ErrorCode.OK:
            given.undo()
            _core.raise_code(status)
        self._adopt(out, lib.panicmon_starter_free)
        self._strategy = strategy
        self._runtime: Optional["Runtime"] = None
        self._owns_runtime = False
        if runtime is not None:
            self.runtime = runtime

    @property
    def strategy(self) -> AnyStrategy:
        """The strategy in use. Setting it swaps it; monitors already started keep theirs."""
        return self._strategy

    @strategy.setter
    def strategy(self, strategy: AnyStrategy) -> None:
        given = _Given(strategy)
        with self._use() as pointer:
            status = lib.panicmon_starter_set_strategy(pointer, given.ops, given.user)
        if status != ErrorCode.OK:
            given.undo()
            _core.raise_code(status)
        self._strategy = strategy

    @property
    def strategy_name(self) -> str:
        """What the library calls the strategy in use."""
        with self._use() as pointer:
            return decode(lib.panicmon_starter_strategy(pointer))

    @property
    def runtime(self) -> "Runtime":
        """Where monitors run."""
        if self._runtime is None:
            from .runtime import Runtime

            self.runtime = Runtime()
            self._owns_runtime = True
            self.runtime.start()
        assert self._runtime is not None
        return self._runtime

    @runtime.setter
    def runtime(self, runtime: "Runtime") -> None:
        with self._use() as pointer, runtime._use() as runs:
            _core.raise_code(lib.panicmon_starter_set_runtime(pointer, runs))
        self._runtime = runtime
        self._owns_runtime = False

    def parse_and_start(self, config: Json, routing_key: str = "") -> RunningMonitor:
        """Parses a config with the strategy and starts its monitor."""
        text = encode_json(config)
        out = _ffi.Monitor()
        runtime = self.runtime
        with self._use() as pointer, runtime._use():
            call(lib.panicmon_starter_parse_and_start, pointer, encode(routing_key), text,
                 len(text), byref(out))
        return RunningMonitor(out)

    def close(self) -> None:
        """Frees the starter, and stops its own runtime if it made one."""
        super().close()
        if self._owns_runtime and self._runtime is not None:
            self._runtime.close()
