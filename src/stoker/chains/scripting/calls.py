"""Read-only calls as a model writes them: a signature, and arguments as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stoker.agents.worktree import ToolError

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
    """What a call returned: decoded if the ABI knows the function, else as it is."""
    from stoker.chains.report.abi import decoded, entries
    from stoker.chains.report.values import value_text

    signature = "".join(signature.split())
    for entry in entries(abi):
        if (entry.kind, entry.signature) == ("function", signature):
            values = decoded(entry.outputs, data) or ()
            told = zip(entry.outputs, values, strict=False)
            if values:
                return "\n".join(f"{one.type}: {value_text(one, value)}" for one, value in told)
    raw = f"0x{data.hex()}"
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
