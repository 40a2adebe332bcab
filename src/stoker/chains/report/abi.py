"""Entries of ABIs: functions, events and errors, and how data is read by them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from eth_abi.decoding import ContextFramesBytesIO
from eth_abi.registry import registry as _coders
from eth_hash.auto import keccak
from msgspec import Struct

MAX_DATA: Final = 1 << 17
"""Bytes; data beyond is not decoded, but shown as raw bytes."""
_MAX_READS: Final = 4_096
_SMALL: Final = 1 << 10
"""Bytes of what is read over and over: in a trace, as JSON, by audits."""
_MAX_ENTRIES: Final = 4_096
_MAX_DEPTH: Final = 8
_ELEMENTARY: Final = re.compile(r"address|bool|string|bytes([1-9]|[12]\d|3[0-2])?|function")
_INTEGER: Final = re.compile(r"u?int(8|16|24|32|40|48|56|64|72|80|88|96|1[0-9]{2}|2[0-5][0-9])?")
_ARRAYS: Final = re.compile(r"((?:\[[1-9]\d{0,3}\]|\[\]){0,4})$")


class Parameter(Struct, frozen=True):
    name: str
    type: str
    """Canonical: tuples as `(uint256,address)`."""
    indexed: bool = False
    components: tuple[Parameter, ...] = ()

    @property
    def element(self) -> Parameter | None:
        """What an array holds; None: this is no array."""
        if not self.type.endswith("]"):
            return None
        return Parameter(self.name, self.type[: self.type.rindex("[")], False, self.components)


class Entry(Struct, frozen=True):
    kind: Literal["function", "event", "error", "constructor"]
    name: str
    inputs: tuple[Parameter, ...] = ()
    outputs: tuple[Parameter, ...] = ()
    contract: str = ""
    """Whose ABI it is from."""

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(one.type for one in self.inputs)})"

    @property
    def topic(self) -> bytes:
        """Of the signature: an event's first topic, and in its first four bytes the selector."""
        return _digest(self.signature)

    @property
    def indexed(self) -> int:
        return sum(one.indexed for one in self.inputs)


@lru_cache(maxsize=8_192)
def _digest(signature: str) -> bytes:
    return bytes(keccak(signature.encode()))


def entries(abi: object, contract: str = "") -> Iterator[Entry]:
    """Those of a JSON ABI that can be understood; whatever else is in it is passed over."""
    if not isinstance(abi, list | tuple):
        return
    for item in abi[:_MAX_ENTRIES]:
        kind = item.get("type", "function") if isinstance(item, dict) else None
        if kind not in ("function", "event", "error", "constructor") or item.get("anonymous"):
            continue
        inputs = _parameters(item.get("inputs", ()))
        outputs = _parameters(item.get("outputs", ()))
        name = item.get("name", "")
        if inputs is not None and _is_name(name):
            yield Entry(kind, name, inputs, outputs or (), contract)


def _parameters(items: object, depth: int = 0) -> tuple[Parameter, ...] | None:
    if not isinstance(items, list | tuple) or len(items) > 256 or depth > _MAX_DEPTH:
        return None
    found = []
    for item in items:
        one = _parameter(item, depth) if isinstance(item, dict) else None
        if one is None:
            return None
        found.append(one)
    return tuple(found)


def _parameter(item: dict[Any, Any], depth: int) -> Parameter | None:
    name, written = item.get("name") or "", item.get("type")
    if not isinstance(written, str) or not _is_name(name) or len(written) > 64:
        return None
    arrays = _ARRAYS.search(written)
    suffix = arrays.group(1) if arrays else ""
    base = written[: len(written) - len(suffix)]
    components: tuple[Parameter, ...] = ()
    if base == "tuple":
        inner = _parameters(item.get("components"), depth + 1)
        if not inner:  # of nothing: takes no bytes, so that any number of them could follow
            return None
        components = inner
        base = f"({','.join(one.type for one in inner)})"
    elif _INTEGER.fullmatch(base):
        base = f"{base}256" if base.endswith("int") else base
    elif not _ELEMENTARY.fullmatch(base):
        return None
    kind = "bytes24" + suffix if base == "function" else base + suffix
    if len(kind) > 1_024:
        return None
    return Parameter(name, kind, item.get("indexed") is True, components)


def _is_name(name: object) -> bool:
    """Whether it can be one: a terminal might obey what is in another."""
    return isinstance(name, str) and len(name) <= 256 and name.isprintable()


class _Stream(ContextFramesBytesIO):
    """Data that may be read only so often: offsets that all point to the same place would make an
    answer that is exponentially larger than the data."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)  # type: ignore[no-untyped-call]
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS:
            raise ValueError("the data makes too large an answer")
        found = super().read(size)
        if len(found) + 31 < (size or 0):  # what only lacks its padding is taken, as Solidity does
            raise ValueError("the data ends before what it says it holds")
        return found


def decoded(parameters: Sequence[Parameter], data: bytes) -> tuple[Any, ...] | None:
    """The values of the parameters; None: the data is not of such."""
    if not parameters:
        return () if not data else None
    if len(data) > MAX_DATA:
        return None
    types = tuple(one.type for one in parameters)
    return _kept(types, data) if len(data) <= _SMALL else _decoded(types, data)


def _decoded(types: tuple[str, ...], data: bytes) -> tuple[Any, ...] | None:
    try:
        decoder = _coders.get_tuple_decoder(*types, strict=False)
        values = decoder(_Stream(data))
        return tuple(values) if isinstance(values, tuple) else None
    except Exception:  # bytes of others: whatever they do to the decoder, they are shown raw
        return None


_kept: Final = lru_cache(maxsize=2_048)(_decoded)


def event_values(entry: Entry, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...] | None:
    """Values of an event's parameters, in their order; of one that is indexed and dynamic its
    digest, as bytes. None: the log is no such event."""
    indexed = [one for one in entry.inputs if one.indexed]
    plain = decoded([one for one in entry.inputs if not one.indexed], data)
    if plain is None or len(indexed) != len(topics) - 1:
        return None
    rest, hashes = iter(plain), iter(topics[1:])
    values: list[Any] = []
    for one in entry.inputs:
        if not one.indexed:
            values.append(next(rest))
            continue
        topic = next(hashes)
        held = None if is_hashed(one) else decoded([one], topic)
        values.append(held[0] if held else topic)
    return tuple(values)


def is_hashed(parameter: Parameter) -> bool:
    """Whether a topic holds only a digest of it."""
    return parameter.type in ("string", "bytes") or parameter.type[-1] in "])"
