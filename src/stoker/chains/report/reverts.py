"""Why a call reverted."""

from __future__ import annotations

from typing import Final

from stoker.chains.report.abi import Parameter, decoded
from stoker.chains.report.registry import Registry
from stoker.chains.report.values import Naming, arguments_text, hex_text, quoted

PANICS: Final = {
    0x00: "generic panic",
    0x01: "assertion failed",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "conversion to a value that its enum does not have",
    0x22: "access of a byte array in storage that is wrongly encoded",
    0x31: "pop from an empty array",
    0x32: "index out of bounds",
    0x41: "too much memory, or an array too large",
    0x51: "call of a function variable that was never set",
}
_ERROR: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")
_CHEATCODE: Final = bytes.fromhex("eeaa9e6f")
_STRING: Final = (Parameter("", "string"),)
_NUMBER: Final = (Parameter("", "uint256"),)


def reason(
    data: bytes,
    registry: Registry | None = None,
    address: bytes = bytes(20),
    chain_id: int | None = None,
    naming: Naming | None = None,
) -> str:
    """What the data that a call reverted with says: the text of `Error(string)`, the meaning of a
    `Panic`, a custom error with its arguments, else the data."""
    if not data:
        return "reverted without a reason"
    selector, rest = data[:4], data[4:]
    if selector in (_ERROR, _CHEATCODE):
        text = decoded(_STRING, rest)
        if text is not None:
            return quoted(text[0])[1:-1]
    if selector == _PANIC:
        code = decoded(_NUMBER, rest)
        if code is not None:
            return f"panic: {PANICS.get(code[0], 'of unknown meaning')} (0x{code[0]:02x})"
    found = (registry or Registry()).error(data, address, chain_id)
    if found is not None:
        entry, values = found
        return f"{entry.name}({arguments_text(entry.inputs, values, naming)})"
    if len(rest) % 32 == 0 and len(data) >= 4:
        return f"custom error of unknown meaning 0x{selector.hex()}" + (
            f" with {hex_text(rest)}" if rest else ""
        )
    return f"reverted with {hex_text(data)}"
