"""Values as text, and as JSON: of bounded length, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from stoker.chains.address import checksummed
from stoker.chains.report.abi import Parameter

_MAX_TEXT: Final = 1_024
_MAX_BYTES: Final = 160
_MAX_ITEMS: Final = 64

Naming = Callable[[bytes], str | None]
"""What an address is called."""

address_text = lru_cache(maxsize=8_192)(checksummed)


def hex_text(data: bytes, limit: int = _MAX_BYTES) -> str:
    if len(data) <= limit:
        return f"0x{data.hex()}"
    return f"0x{data[:limit].hex()}… ({len(data)} bytes)"


def number_text(number: int) -> str:
    """`1500000000000000000 [1.5e18]`: as it is, and so that its size can be seen."""
    digits = str(abs(number))
    if len(digits) < 7:
        return str(number)
    mantissa = digits[:4].rstrip("0")
    point = f"{mantissa[0]}.{mantissa[1:]}" if len(mantissa) > 1 else mantissa
    return f"{number} [{'-' if number < 0 else ''}{point}e{len(digits) - 1}]"


def quoted(text: str) -> str:
    """With what a terminal would obey made visible."""
    shown = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
    escaped = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown
    )
    return f'"{escaped}"'


def value_text(parameter: Parameter, value: Any, naming: Naming | None = None) -> str:
    """As a trace shows it."""
    text = _value_text(parameter, value, naming)
    return text if len(text) <= 2 * _MAX_TEXT else f"{text[: 2 * _MAX_TEXT]}…"


def _value_text(parameter: Parameter, value: Any, naming: Naming | None) -> str:
    if isinstance(value, bytes):
        return hex_text(value)
    if isinstance(value, tuple):
        element = parameter.element
        shown = value[:_MAX_ITEMS]
        more = [f"… ({len(value)})"] if len(value) > len(shown) else []
        if element is not None:
            items = [value_text(element, one, naming) for one in shown]
            return f"[{', '.join([*items, *more])}]"
        return f"({arguments_text(parameter.components, shown, naming)}{', …' if more else ''})"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return number_text(value)
    if parameter.type == "address":
        return account_text(bytes.fromhex(str(value)[2:]), naming)
    return quoted(str(value))


def account_text(address: bytes, naming: Naming | None = None) -> str:
    """`Name: [0x..]`, or only the address."""
    name = naming(address) if naming else None
    return f"{name}: [{address_text(address)}]" if name else address_text(address)


def arguments_text(
    parameters: Sequence[Parameter],
    values: Sequence[Any],
    naming: Naming | None = None,
    *,
    named: bool = True,
) -> str:
    """`name: value, ...`, without the names where there are none."""
    texts = []
    for one, value in zip(parameters, values, strict=False):
        text = value_text(one, value, naming)
        texts.append(f"{one.name}: {text}" if named and one.name else text)
    return ", ".join(texts)


def plain(parameter: Parameter, value: Any) -> Any:
    """As JSON: numbers in decimal text, bytes in hexadecimal, addresses with their checksum."""
    if isinstance(value, bytes):
        return hex_text(value, _MAX_TEXT)
    if isinstance(value, tuple):
        element, shown = parameter.element, value[:_MAX_ITEMS]
        if element is not None:
            return [plain(element, one) for one in shown]
        return {
            one.name or str(number): plain(one, item)
            for number, (one, item) in enumerate(zip(parameter.components, shown, strict=False))
        }
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if parameter.type == "address":
        return address_text(bytes.fromhex(str(value)[2:]))
    text = str(value)
    return text if len(text) <= 4 * _MAX_TEXT else f"{text[: 4 * _MAX_TEXT]}…"


def arguments_json(parameters: Sequence[Parameter], values: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "type": one.type, "value": plain(one, value)}
        for one, value in zip(parameters, values, strict=True)
    ]
