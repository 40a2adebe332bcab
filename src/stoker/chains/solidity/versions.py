"""Which compilers a `pragma solidity` allows."""

from __future__ import annotations

import re
from typing import Final

Version = tuple[int, int, int]

_PART: Final = re.compile(
    r"\s*(?P<sign>\|\||[<>]=?|=|\^|~|-)?\s*"
    r"(?P<numbers>(?:\d+|[xX*])(?:\.(?:\d+|[xX*])){0,2})?"
)
_TOP: Final = 1 << 62


def version(text: str) -> Version:
    """`0.8.37+commit...` or `Version: 0.8.37`. Raises `ValueError`."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    if found is None:
        raise ValueError(f"no version in {text[:100]!r}")
    return int(found[1]), int(found[2]), int(found[3])


def allows(pragma: str, found: Version) -> bool:
    """Whether an expression such as `>=0.8.0 <0.9.0 || ^0.7.1` takes a version. What is no such
    expression takes all: the compiler says what is wrong with it."""
    try:
        return any(_all(part, found) for part in pragma.split("||"))
    except ValueError:
        return True


def _all(part: str, found: Version) -> bool:
    bounds: list[tuple[Version, Version]] = []
    at = 0
    part = part.strip()
    while at < len(part):
        match = _PART.match(part, at)
        if match is None or match["numbers"] is None:
            raise ValueError(part)
        at = match.end()
        low, high = _range(match["sign"] or "", match["numbers"])
        if match["sign"] == "-":
            if not bounds:
                raise ValueError(part)
            bounds[-1] = (bounds[-1][0], high)
        else:
            bounds.append((low, high))
    return all(low <= found < high for low, high in bounds)


def _range(sign: str, numbers: str) -> tuple[Version, Version]:
    """From, and up to but without."""
    given = [int(one) for one in re.split(r"\.?[xX*].*|\.", numbers) if one]
    low = _padded(given)
    last = len(given)
    """How many numbers an end above must share with `low`, and so which one it raises."""
    if sign == "^":
        last = min(last, next((at + 1 for at, one in enumerate(low) if one), 3))
    elif sign == "~":
        last = min(last, 2)
    if last == 0:
        return (0, 0, 0), (_TOP, 0, 0)
    high = _padded([*low[: last - 1], low[last - 1] + 1])
    match sign:
        case ">=":
            return low, (_TOP, 0, 0)
        case ">":
            return high, (_TOP, 0, 0)
        case "<":
            return (0, 0, 0), low
        case "<=":
            return (0, 0, 0), high
        case _:
            return low, high


def _padded(numbers: list[int]) -> Version:
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major, minor, patch
