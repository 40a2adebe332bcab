"""What explorers answer, made safe: nothing of it is believed before it was looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

MAX_FILES: Final = 2_000
MAX_TEXT: Final = 8 << 20
"""Characters of all files of a contract together."""
MAX_ABI: Final = 5_000
_LONGEST_NAME: Final = 300
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,127}")
_TYPE: Final = re.compile(
    r"(?:u?int(?:\d{1,3})?|address|bool|string|bytes(?:\d{1,2})?|function|tuple|u?fixed(?:\d+x\d+)?)"
    r"(?:\[\d{0,9}\]){0,8}"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]+")


class BadAnswer(Exception):
    """An explorer's answer is not what it should be."""


class NotVerified(Exception):
    """The explorer knows no source of the contract."""


class _Parameter(Struct):
    type: str
    name: str = ""
    components: list[_Parameter] = []


class _Entry(Struct):
    type: str
    name: str = ""
    inputs: list[_Parameter] = []
    outputs: list[_Parameter] = []
    stateMutability: Literal["pure", "view", "nonpayable", "payable"] | None = None  # noqa: N815


def abi_of(value: Any) -> list[dict[str, Any]]:
    """An ABI, given as list or as its JSON text; entries with types that no call can have, such as
    libraries have them, are left out. Raises `BadAnswer`."""
    try:
        if isinstance(value, str):
            value = msgspec.json.decode(value)
        entries = msgspec.convert(value, list[_Entry])
        msgspec.msgpack.encode(value)  # as it is kept and handed on: numbers may be too large
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise BadAnswer(f"its ABI is none: {error}") from error
    if len(entries) > MAX_ABI:
        raise BadAnswer(f"its ABI has {len(entries)} entries, more than {MAX_ABI}")
    for entry in entries:
        if entry.name and not _IDENTIFIER.fullmatch(entry.name):
            raise BadAnswer(f"its ABI has a name that is none: {entry.name[:80]!r}")
    return [raw for raw, entry in zip(value, entries, strict=True) if _callable(entry)]


def _callable(entry: _Entry) -> bool:
    return all(map(_plain, (*entry.inputs, *entry.outputs)))


def _plain(parameter: _Parameter) -> bool:
    named = not parameter.name or _IDENTIFIER.fullmatch(parameter.name)
    return bool(named and _TYPE.fullmatch(parameter.type)) and all(
        map(_plain, parameter.components)
    )


def files_of(sources: Any) -> dict[str, str]:
    """Path -> text, of `{path: {"content": text}}`. Paths come from whoever verified the
    contract: they become relative, without `..`. Raises `BadAnswer`."""
    if not isinstance(sources, Mapping) or not sources:
        raise BadAnswer("it has no sources")
    if len(sources) > MAX_FILES:
        raise BadAnswer(f"it has {len(sources)} files, more than {MAX_FILES}")
    found: dict[str, str] = {}
    for path, source in sources.items():
        content = source.get("content") if isinstance(source, Mapping) else None
        if not isinstance(content, str):
            raise BadAnswer(f"its file {path[:80]!r} has no text")
        name = path_of(path)
        while name in found:
            name = f"_/{name}"
        found[name] = content
    if sum(map(len, found.values())) > MAX_TEXT:
        raise BadAnswer(f"its sources have more than {MAX_TEXT} characters")
    return found


def path_of(path: str) -> str:
    """`path` as a relative one that leads nowhere else."""
    parts = _CONTROL.sub("/", path)[-_LONGEST_NAME:].split("/")
    return "/".join(part for part in parts if part.strip() not in ("", ".", "..")) or "source.sol"


def name_of(value: Any) -> str:
    """A contract's name, if it is one. Sourcify and Etherscan may write `path:Name`."""
    last = value.rpartition(":")[2].strip() if isinstance(value, str) else ""
    return last if _IDENTIFIER.fullmatch(last) else "Contract"
