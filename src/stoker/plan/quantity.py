"""Amounts of a resource: `2`, `"500m"` (half a cpu), `"8GiB"`."""

from __future__ import annotations

import math
import re

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]*)")
_FACTORS = {"": 1.0, "m": 1e-3, "B": 1.0}
for _power, _prefix in enumerate("kMGTPE", start=1):
    for _unit in ("", "B"):
        _FACTORS[_prefix + _unit] = 1000.0**_power
        _FACTORS[_prefix.upper() + _unit] = 1000.0**_power
        _FACTORS[_prefix.upper() + "i" + _unit] = 1024.0**_power


class QuantityError(ValueError):
    """Not an amount."""


def quantity(value: float | str) -> float:
    """The amount as a number: bytes for sizes, whole units for all else.

    Suffixes: `m` (thousandth); `k M G T P E` (powers of 1000), `Ki Mi Gi Ti Pi Ei` (powers
    of 1024), each with or without `B`. Raises `QuantityError` for what is not an amount,
    not finite or negative.
    """
    amount = _number(value) if isinstance(value, str) else float(value)
    if amount is None or not 0 <= amount < math.inf:
        raise QuantityError(
            f"{value!r} is not an amount; expected a number of 0 or more with an optional unit, "
            "such as 2, '500m' or '8GiB'"
        )
    return amount


def _number(text: str) -> float | None:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in _FACTORS:
        return None
    return float(match[1]) * _FACTORS[match[2]]
