"""Read-only calls as a model writes them: a signature, and arguments as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stoker.agents.worktree import ToolError
from stoker.chains.sources.interface import functions

_SIGNATURE: Final = re.compile(r"[A-Za-z_$][\w$]*\(.*\)", re.ASCII | re.DOTALL)
_LONGEST: Final = 500


def calldata(signature: str, arguments: Sequence[Any]) -> bytes:
    """`balanceOf(address)` and `["0x.."]`, encoded. Raises `ToolError`."""
    from eth_abi.abi import encode
    from eth_hash.auto import keccak

    signature = "".join(signature.split())
    if len(signature) > _LONGEST or not _SIGNATURE.fullmatch(signature):
        raise ToolError(
            f"expected a signature such as balanceOf(address), found {signature!r:.200}"
        )
    try:
        types = _types(signature[signature.index("(") :])
        values = [_value(kind, one) for kind, one in zip(types, arguments, strict=True)]
        return bytes(keccak(signature.encode())[:4]) + encode(types, values)
    except Exception as error:  # whatever the encoder makes of it, it is the model's to hear
        raise ToolError(f"{signature} cannot be called with {list(arguments)}: {error}") from error


def answer(data: bytes, signature: str, abi: Sequence[Mapping[str, Any]]) -> str:
    """What a call returned: decoded if the ABI knows the function, and as it is."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    raw = f"0x{data.hex()}"
    entry = functions(abi).get("".join(signature.split()))
    outputs = entry.get("outputs", ()) if entry else ()
    if outputs and all(not str(one["type"]).startswith("tuple") for one in outputs):
        types = [str(one["type"]) for one in outputs]
        try:
            values = decode(types, data)
        except (DecodingError, OverflowError, ValueError):
            return raw
        return "\n".join(f"{kind}: {_shown(one)}" for kind, one in zip(types, values, strict=True))
    return f"{raw} = {int.from_bytes(data)}" if len(data) == 32 else raw


def _types(kinds: str) -> list[str]:
    from eth_abi.grammar import parse

    return [] if kinds == "()" else [part.to_type_str() for part in parse(kinds).components]


def _value(kind: str, given: Any) -> Any:
    """JSON has no integers beyond 2^53 for all who write it, and no bytes: texts are taken."""
    if kind.endswith("]"):
        if not isinstance(given, list):
            raise TypeError(f"expected a list for {kind}")
        inner = kind[: kind.rindex("[")]
        return [_value(inner, one) for one in given]
    if kind.startswith("("):
        types = _types(kind)
        if not isinstance(given, list) or len(given) != len(types):
            raise TypeError(f"expected a list of {len(types)} for {kind}")
        return tuple(_value(one, each) for one, each in zip(types, given, strict=True))
    if "int" in kind and isinstance(given, str):
        return int(given, 0)
    if kind == "bool" and isinstance(given, str):
        return given.lower() == "true"
    if kind.startswith("bytes") and isinstance(given, str):
        return bytes.fromhex(given.removeprefix("0x"))
    if kind == "address" and isinstance(given, str):
        return given.lower()
    return given


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)
