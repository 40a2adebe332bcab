"""Signature -> handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from stoker.chains.errors import ScriptRefused
from stoker.chains.evm.pyevm.cheats.refused import REFUSED

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Answer, Computation
    from stoker.chains.evm.pyevm.script import Script

Handler = Callable[..., Any]
"""Takes the script, who calls, and the arguments; addresses are 20 bytes. Gives nothing, the one
value it returns, or a tuple of several."""
_FAILED = keccak(text="CheatcodeError(string)")[:4]


class CheatFailed(Exception):
    """A cheatcode cannot do it; the script may catch it."""


class Cheat:
    __slots__ = ("handler", "inputs", "outputs", "signature")

    def __init__(self, signature: str, outputs: str, handler: Handler) -> None:
        self.signature = signature
        self.inputs = types_of(signature[signature.index("(") :])
        self.outputs = types_of(outputs)
        self.handler = handler


CHEATS: dict[bytes, Cheat] = {}


def types_of(text: str) -> list[str]:
    """`(uint256,(address,bytes)[])` -> its parts."""
    parts: list[str] = []
    depth = start = 0
    text = text[1:-1]
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]] if text else []


def cheat(*signatures: str, returns: str = "()") -> Callable[[Handler], Handler]:
    """List a handler."""

    def listed(handler: Handler) -> Handler:
        for signature in signatures:
            CHEATS[keccak(text=signature)[:4]] = Cheat(signature, returns, handler)
        return handler

    return listed


def answer(script: Script, caller: Computation, data: bytes) -> Answer:
    """What a call of the cheatcodes' address comes to. Raises `ScriptRefused`."""
    found = CHEATS.get(data[:4])
    if found is None:
        name = REFUSED.get(data[:4])
        what = f"vm.{name}" if name else f"an unknown cheatcode, 0x{data[:4].hex()}"
        raise ScriptRefused(f"the script uses {what}, which scripts may not")
    try:
        arguments = decode(found.inputs, data[4:])
    except (DecodingError, OverflowError) as error:
        return failed(f"arguments of vm.{found.signature}: {error}")
    given = [
        bytes.fromhex(value[2:]) if kind == "address" else value
        for kind, value in zip(found.inputs, arguments, strict=True)
    ]
    try:
        result = found.handler(script, caller, *given)
    except CheatFailed as error:
        name = found.signature.partition("(")[0]
        return failed(str(error) if "assert" in name else f"vm.{name}: {error}")
    if not found.outputs:
        return True, b""
    return True, encode(found.outputs, result if len(found.outputs) > 1 else (result,))


def failed(message: str) -> Answer:
    return False, _FAILED + encode(["string"], [message])
