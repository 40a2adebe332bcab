"""JSON text -> Python objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from stoker.plan.tokens import Malformed, Parsed, Token, position_at

MAX_DEPTH = 100
MAX_DIGITS = 300
"""Of a whole number: what a float can hold too, and far from where Python refuses."""
MAX_NODES = 5_000_000
"""Far more than a plan of 100,000 steps has; a file of brackets would fill the memory."""
_TOKEN = re.compile(
    r'(?P<bracket>[{}\[\]])|(?P<string>"(?:[^"\\]|\\.)*+")|(?P<literal>[^\s{}\[\],:"]+)|(?P<line>\n)',
    re.DOTALL,
)


def parse(text: str) -> Parsed:
    """The value `text` holds. Raises `Malformed`."""
    duplicate = infinite = False

    def make_map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal duplicate
        result = dict(pairs)
        if len(result) != len(pairs):
            duplicate = True
        return result

    def make_float(digits: str) -> float:
        nonlocal infinite
        result = float(digits)  # also of `NaN` and `Infinity`, which Python's parser takes
        if not math.isfinite(result):
            infinite = True
        return result

    def make_int(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise _too_long(text)
        return int(digits)

    if sum(map(text.count, ",[{")) > MAX_NODES:
        raise Malformed(f"more than {MAX_NODES:,} values")
    try:
        value = json.loads(
            text,
            object_pairs_hook=make_map,
            parse_int=make_int,
            parse_float=make_float,
            parse_constant=make_float,
        )
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise Malformed(f"not valid JSON: {reason}", position_at(text, error.pos)) from None
    except RecursionError:
        raise _too_deep(text) from None
    if _is_deep(value):
        raise _too_deep(text)
    return Parsed(value, duplicate, infinite)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a JSON document that parses."""
    line, start = 1, 0
    for match in _TOKEN.finditer(text):
        what, found = match.lastgroup, match[0]
        if what == "line":
            line, start = line + 1, match.end()
            continue
        position = (line, match.start() - start + 1)
        if what == "bracket":
            yield Token("{" if found == "{" else "[" if found == "[" else "]", "", position)
        elif what == "string":
            yield Token("scalar", json.loads(found) if "\\" in found else found[1:-1], position)
        else:
            yield Token("scalar", found, position)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            if type(node) is dict or type(node) is list
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _too_deep(text: str) -> Malformed:
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]++|\\.)*"|([{\[])|[}\]]', text, re.DOTALL):
        depth += 1 if match[1] else 0 if match[0][0] == '"' else -1
        if depth > MAX_DEPTH:
            return Malformed(
                f"nested more than {MAX_DEPTH} levels deep", position_at(text, match.start())
            )
    return Malformed(f"nested more than {MAX_DEPTH} levels deep")


def _too_long(text: str) -> Malformed:
    numbers = (match for match in _TOKEN.finditer(text) if match.lastgroup == "literal")
    start = next(match.start() for match in numbers if len(match[0]) > MAX_DIGITS)
    return Malformed(f"a number of more than {MAX_DIGITS} digits", position_at(text, start))
