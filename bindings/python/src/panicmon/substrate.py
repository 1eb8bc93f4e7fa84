"""Reading Substrate chains: metadata, values, storage keys, addresses."""

from __future__ import annotations

import ctypes
import json
from ctypes import POINTER, byref, c_char, c_char_p, c_size_t, c_uint16, c_uint8, string_at
from typing import Any, Optional, Tuple, Union

from . import _core, _ffi
from ._core import Handle, Json, call, decode, encode, encode_json
from ._ffi import ListFormat, ValueFlags, lib

__all__ = ["Metadata", "ValueFlags", "ss58_decode", "ss58_encode"]

Bytes = Union[bytes, bytearray, str]


def _binary(data: Optional[Bytes]) -> Optional[bytes]:
    """Bytes as they are; text is hex, with or without 0x."""
    if isinstance(data, str):
        return bytes.fromhex(data[2:] if data[:2] in ("0x", "0X") else data)
    return None if data is None else bytes(data)


def _owned(function: Any, *arguments: Any) -> bytes:
    """Text that the function gives away."""
    pointer = POINTER(c_char)()
    length = c_size_t()
    call(function, *arguments, byref(pointer), byref(length))
    try:
        return string_at(pointer, length.value)
    finally:
        lib.panicmon_text_free(pointer)


class Metadata(Handle):
    """A chain's metadata, version 14, 15 or 16. Any thread."""

    def __init__(self, data: Bytes) -> None:
        """`data`: the answer of `state_getMetadata`, as bytes or as hex text."""
        raw = data.encode() if isinstance(data, str) else bytes(data)
        out = _ffi.Metadata()
        call(lib.panicmon_metadata_new, byref(out), raw, len(raw))
        self._adopt(out, lib.panicmon_metadata_free)

    @property
    def version(self) -> int:
        """The version of the metadata's format."""
        with self._use() as pointer:
            return int(lib.panicmon_metadata_version(pointer))

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        with self._use() as pointer:
            return int(lib.panicmon_metadata_size(pointer))

    def describe(self) -> Any:
        """What the chain has: pallets with storage, constants and events; runtime APIs."""
        with self._use() as pointer:
            return json.loads(_owned(lib.panicmon_metadata_list, pointer, ListFormat.JSON))

    def text(self) -> str:
        """The same in lines for people to read."""
        with self._use() as pointer:
            return decode(_owned(lib.panicmon_metadata_list, pointer, ListFormat.TEXT))

    def storage(self, pallet: str, item: str, data: Optional[Bytes],
                flags: int = ValueFlags.CANON) -> Any:
        """The value of a storage item; None for `data`: the chain has none there."""
        raw = _binary(data)
        with self._use() as pointer:
            return json.loads(_owned(lib.panicmon_metadata_decode_storage, pointer, encode(pallet),
                                     encode(item), raw, len(raw or b""), int(flags)))

    def constant(self, pallet: str, name: str, flags: int = ValueFlags.CANON) -> Any:
        """The value of a constant."""
        with self._use() as pointer:
            return json.loads(_owned(lib.panicmon_metadata_decode_constant, pointer,
                                     encode(pallet), encode(name), int(flags)))

    def value(self, type: int, data: Bytes, flags: int = ValueFlags.CANON) -> Any:
        """A value of the type with this number."""
        raw = _binary(data) or b""
        with self._use() as pointer:
            return json.loads(_owned(lib.panicmon_metadata_decode_type, pointer, type, raw,
                                     len(raw), int(flags)))

    def result(self, api: str, method: str, data: Bytes, flags: int = ValueFlags.CANON) -> Any:
        """The result of a method of a runtime API."""
        raw = _binary(data) or b""
        with self._use() as pointer:
            return json.loads(_owned(lib.panicmon_metadata_decode_result, pointer, encode(api),
                                     encode(method), raw, len(raw), int(flags)))

    def encode(self, type: int, value: Json) -> str:
        """The SCALE of a value, as "0x.." text. A str is taken to be JSON text."""
        text = encode_json(value)
        with self._use() as pointer:
            return decode(_owned(lib.panicmon_metadata_encode_type, pointer, type, text,
                                 len(text)))

    def storage_key(self, pallet: str, item: str, *arguments: Union[str, int, bytes]) -> str:
        """A storage key as "0x.." text. An argument is a number, bytes, an address, or JSON."""
        texts = [encode("0x" + value.hex() if isinstance(value, (bytes, bytearray)) else
                        str(value)) for value in arguments]
        array = (c_char_p * len(texts))(*texts)
        with self._use() as pointer:
            return decode(_owned(lib.panicmon_metadata_storage_key, pointer, encode(pallet),
                                 encode(item), array, len(texts)))


def ss58_decode(address: str) -> Tuple[bytes, int]:
    """The 32-byte account and the network prefix of an SS58 address."""
    account = (c_uint8 * 32)()
    prefix = c_uint16()
    text = encode(address)
    _core.raise_code(lib.panicmon_ss58_decode(text, len(text), account, byref(prefix)),
                     f"{address!r} is no SS58 address")
    return bytes(account), prefix.value


def ss58_encode(account: bytes, prefix: int = 42) -> str:
    """The SS58 address of a 32-byte account."""
    if len(account) != 32:
        raise ValueError("an account has 32 bytes")
    if not 0 <= prefix <= 0xFFFF:
        raise ValueError(f"{prefix} is no network prefix")
    text = ctypes.create_string_buffer(64)
    _core.raise_code(lib.panicmon_ss58_encode((c_uint8 * 32)(*account), prefix, text, len(text)),
                     f"{prefix} is no network prefix")
    return decode(text.value)
