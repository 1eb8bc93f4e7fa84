"""How a runtime is set up: named settings, checked when set."""

from __future__ import annotations

import json
import os
from ctypes import byref, c_char_p
from typing import Any, Iterator, List, Mapping, MutableMapping, NamedTuple, Union

from . import _core, _ffi
from ._core import Handle, Json, call, decode, encode, encode_json, objects
from ._ffi import ErrorCode, lib
from .errors import PanicmonError, ParseError

__all__ = ["Setting", "Settings", "SettingsError"]


class Setting(NamedTuple):
    """What Settings.known() says of a setting."""

    name: str
    default: str
    help: str


class SettingsError(ParseError):
    """A configuration that was refused: `faults` lists everything that is wrong with it."""

    def __init__(self, message: str, faults: List[str]) -> None:
        super().__init__(message)
        self.faults = faults


@_ffi.FaultFn
def _note_fault(user: Any, message: Any) -> None:
    objects.get(user).append(decode(message))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Settings(Handle, MutableMapping[str, str]):
    """A mapping of all settings to their values as text; deleting one is not possible. Used by one
    thread at a time; a runtime takes a copy."""

    def __init__(self, values: Mapping[str, Any] = {}, **more: Any) -> None:
        """Values may be text, numbers and booleans. In keywords `__` stands for a dot."""
        out = _ffi.Settings()
        _core.raise_code(lib.panicmon_settings_new(byref(out)))
        self._adopt(out, lib.panicmon_settings_free)
        for name, value in values.items():
            self[name] = value
        for name, value in more.items():
            self[name.replace("__", ".")] = value

    def __setitem__(self, name: str, value: Any) -> None:
        with self._use() as pointer:
            call(lib.panicmon_settings_set, pointer, encode(name), encode(_text(value)))

    def __getitem__(self, name: str) -> str:
        with self._use() as pointer:
            value = lib.panicmon_settings_get(pointer, encode(name))
        if value is None:
            raise KeyError(name)
        return decode(value)

    def __delitem__(self, name: str) -> None:
        raise TypeError("settings cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return (setting.name for setting in self.known())

    def __len__(self) -> int:
        return int(lib.panicmon_settings_count())

    @staticmethod
    def known() -> List[Setting]:
        """Every setting with its default and a sentence that explains it."""
        name, default, help = c_char_p(), c_char_p(), c_char_p()
        known = []
        for i in range(lib.panicmon_settings_count()):
            _core.raise_code(lib.panicmon_settings_at(i, byref(name), byref(default), byref(help)))
            known.append(Setting(decode(name.value), decode(default.value), decode(help.value)))
        return known

    def load(self, configuration: Json) -> None:
        """Reads a configuration. SettingsError lists every fault; the settings then stay."""
        text = encode_json(configuration)
        self._load(lib.panicmon_settings_load, text, len(text))

    def load_file(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Reads a configuration file."""
        self._load(lib.panicmon_settings_load_file, os.fsencode(path))

    def _load(self, function: Any, *arguments: Any) -> None:
        faults: List[str] = []
        number = objects.put(faults)
        try:
            with self._use() as pointer:
                call(function, pointer, *arguments, _note_fault, number)
        except PanicmonError as exc:
            if exc.code == ErrorCode.ERR_PARSE:
                raise SettingsError(str(exc), faults) from None
            raise
        finally:
            objects.drop(number)

    @property
    def configs(self) -> Any:
        """The member `configs` of the loaded configuration: routing key to config set."""
        with self._use() as pointer:
            return json.loads(_core.sized(lib.panicmon_settings_configs, pointer))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)
