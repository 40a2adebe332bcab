"""The values of expressions: what JSON knows. Their types, equality and looks in messages."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from stoker.plan.lexer import INTEGERS, shortened
from stoker.plan.syntax import Literal, unparse

_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "list",
    tuple: "list",
    dict: "map",
}


def type_name(value: Any) -> str:
    """What the language calls the type of `value`."""
    known = _TYPES.get(type(value))
    if known is not None:
        return known
    return "map" if isinstance(value, Mapping) else type(value).__name__


def described(value: Any) -> str:
    """A value for an error message: cut if long, with its type."""
    text = _shown(value)
    return text if value is None or isinstance(value, bool) else f"{text} (a {type_name(value)})"


def _shown(value: Any, depth: int = 2) -> str:
    """The beginning of a value; takes no longer for a longer one."""
    match type_name(value):
        case "string":
            return unparse(Literal(shortened(value)))
        case "number" if isinstance(value, int) and value not in INTEGERS:
            return shortened(hex(value))  # decimal digits take quadratic time, and Python refuses
        case "null" | "boolean" | "number":
            return unparse(Literal(value))
        case "list":
            shown = [_shown(item, depth - 1) for item in islice(value, 4 if depth else 0)]
            brackets = "[]"
        case "map":
            pairs = islice(value.items(), 4 if depth else 0)
            shown = [f"{_shown(key)}: {_shown(item, depth - 1)}" for key, item in pairs]
            brackets = "{}"
        case _:
            return type(value).__name__
    if len(shown) < len(value):
        shown.append("…")
    return f"{brackets[0]}{', '.join(shown)}{brackets[1]}"


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal in value and type, all the way down."""
    pending = [(left, right)]
    while pending:
        a, b = pending.pop()
        kind = type_name(a)
        if kind != type_name(b):
            return False
        if kind == "list":
            if len(a) != len(b):
                return False
            pending.extend(zip(a, b, strict=True))
        elif kind == "map":
            if len(a) != len(b) or any(key not in b for key in a):
                return False
            pending.extend((value, b[key]) for key, value in a.items())
        elif a != b:
            return False
    return True
