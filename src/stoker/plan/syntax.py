"""Expressions as trees: the nodes and the printer.

A tree is printed in CEL's spelling, and parsing what was printed gives the same tree again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct

from stoker.plan.lexer import INTEGERS, MAX_LENGTH

MAX_NODES: Final = 500
MAX_DEPTH: Final = 50


class Literal(Struct, frozen=True):
    """A string, number, boolean or null."""

    value: str | int | float | bool | None


class Name(Struct, frozen=True):
    """What stands at the root of a look-up: `prev`, `env`, ..."""

    name: str


class Lookup(Struct, frozen=True):
    """`base.key`, `base['key']`, `base[0]`, one after the other."""

    base: Node
    keys: tuple[Node, ...]


class Items(Struct, frozen=True):
    """`[a, b]`"""

    items: tuple[Node, ...]


class Not(Struct, frozen=True):
    """`!a`, `not a`"""

    operand: Node


class Logic(Struct, frozen=True):
    """`a && b && c` or `a || b || c`: one node for the whole chain."""

    operator: str
    operands: tuple[Node, ...]


class Compare(Struct, frozen=True):
    """`==`, `!=`, `<`, `<=`, `>`, `>=` or `in` between two values."""

    operator: str
    left: Node
    right: Node


class Choice(Struct, frozen=True):
    """`condition ? then : otherwise`"""

    condition: Node
    then: Node
    otherwise: Node


Node: TypeAlias = Literal | Name | Lookup | Items | Not | Logic | Compare | Choice


def transform(node: Node, change: Callable[[Node], Node]) -> Node:
    """`node` with each of its children replaced by `change(child)`."""
    match node:
        case Lookup(base, keys):
            return Lookup(change(base), tuple(map(change, keys)))
        case Items(items):
            return Items(tuple(map(change, items)))
        case Not(operand):
            return Not(change(operand))
        case Logic(operator, operands):
            return Logic(operator, tuple(map(change, operands)))
        case Compare(operator, left, right):
            return Compare(operator, change(left), change(right))
        case Choice(condition, then, otherwise):
            return Choice(change(condition), change(then), change(otherwise))
    return node


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything beneath it."""
    pending = [node]

    def visit(child: Node) -> Node:
        pending.append(child)
        return child

    while pending:
        yield (current := pending.pop())
        if not isinstance(current, Literal | Name):
            transform(current, visit)


# How tightly an operator binds. '!' binds tightly as in CEL, 'not' loosely as in Python, so
# `!a == b` and `not a == b` mean what readers of either expect.
CHOICE, OR, AND, NOT, COMPARE, UNARY, PRIMARY = range(1, 8)
BINDING: Final = {
    "?": CHOICE,
    "||": OR,
    "&&": AND,
    "not": COMPARE,  # after a value: `not in`
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), COMPARE),
}


# CEL takes neither its own words nor a hyphen after a dot.
_MEMBER = re.compile(r"(?!(?:true|false|null|in)\Z)[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def unparse(node: Node) -> str:
    """The text of a tree, in CEL's spelling."""
    return _printed(node, 0)


def _printed(node: Node, least: int) -> str:
    match node:
        case Literal(value):
            return _literal_text(value)
        case Name(name):
            return name
        case Lookup(base, keys):
            return _printed(base, PRIMARY) + "".join(map(_key_text, keys))
        case Items(items):
            return f"[{', '.join(map(unparse, items))}]"
        case Not(operand):
            # `!(!a)`: CEL drops a plain `!!`, and with it the check of a's type.
            text, binding = "!" + _printed(operand, PRIMARY), UNARY
        case Logic(operator, operands):
            binding = BINDING[operator]
            text = f" {operator} ".join(_printed(operand, binding + 1) for operand in operands)
        case Compare(operator, left, right):
            text = f"{_printed(left, UNARY)} {operator} {_printed(right, UNARY)}"
            binding = COMPARE
        case Choice(condition, then, otherwise):
            text = (
                f"{_printed(condition, OR)} ? {_printed(then, OR)} : {_printed(otherwise, CHOICE)}"
            )
            binding = CHOICE
    return text if binding >= least else f"({text})"


def _key_text(key: Node) -> str:
    if isinstance(key, Literal) and isinstance(key.value, str) and _MEMBER.fullmatch(key.value):
        return "." + key.value
    return f"[{unparse(key)}]"


def _literal_text(value: str | int | float | bool | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{''.join(map(_character_text, value))}'"
    return repr(value)


def _character_text(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def literal(value: Any, depth: int = 0) -> Node:
    """The tree that evaluates to `value`. Raises `ValueError` for what an expression cannot
    hold: a map, a number out of range, something very long or deep."""
    match value:
        case None | bool():
            return Literal(value)
        case str() if len(value) <= MAX_LENGTH:
            return Literal(value)
        case int() if value in INTEGERS:
            return Literal(value)
        case float() if math.isfinite(value):
            return Literal(value)
        case list() | tuple() if depth < MAX_DEPTH and len(value) <= MAX_NODES:
            return Items(tuple(literal(item, depth + 1) for item in value))
    raise ValueError("no literal of an expression")
