"""Where each part of a document stands, found from its stream of tokens.

JSON and YAML are reduced to the same tokens, so that positions and duplicate keys are
found by one piece of code. All of this runs only when there is something to report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

Position = tuple[int, int]
"""Line and column, both 1-based."""
Path = tuple[str, ...]
"""From the root to a node; indices of lists as decimal strings."""

_KEY, _VALUE = -1, -2


class Parsed(NamedTuple):
    """What a parser made of a text, and what it noticed but cannot place."""

    value: Any
    duplicate: bool
    """Some map has a key twice."""
    infinite: bool
    """Some number is not finite."""


class Token(NamedTuple):
    """`{`, `[`, a closing bracket of either, or a scalar (in a map: key, value, key, ...)."""

    kind: Literal["{", "[", "]", "scalar"]
    text: str
    position: Position


class Member(NamedTuple):
    """One node of the document, told before its children."""

    path: Path
    key: Position
    """Where its key stands; for an element of a list, where it stands itself."""
    value: Position
    duplicate: bool
    """An earlier member of the same map has the same key."""


def members(tokens: Iterable[Token]) -> Iterator[Member]:
    """Every node of the document `tokens` are of, in the order written."""
    path: list[str] = []
    states: list[int] = []  # per open bracket: `_KEY`, `_VALUE`, or the next index of a list
    keys: list[Position] = []  # per open bracket: where the latest key stands
    seen: list[dict[str, bool]] = []  # per open bracket: key -> whether it came twice
    for token in tokens:
        if token.kind == "]":
            states.pop()
            keys.pop()
            seen.pop()
            if path:
                path.pop()
            continue
        key, duplicate = token.position, False
        if states:
            if states[-1] == _KEY:
                states[-1] = _VALUE
                keys[-1] = token.position
                seen[-1][token.text] = token.text in seen[-1]
                path.append(token.text)
                continue
            if states[-1] == _VALUE:
                states[-1] = _KEY
                key, duplicate = keys[-1], seen[-1][path[-1]]
            else:
                path.append(str(states[-1]))
                states[-1] += 1
        yield Member(tuple(path), key, token.position, duplicate)
        if token.kind != "scalar":
            states.append(_KEY if token.kind == "{" else 0)
            keys.append(token.position)
            seen.append({})
        elif path:
            path.pop()


def locate(tokens: Iterable[Token], paths: Iterable[Path]) -> dict[Path, Member]:
    """The members at `paths`; for a path the document does not have, the nearest one above."""
    asked = set(paths)
    wanted = {path[:length] for path in asked for length in range(len(path) + 1)}
    missing = set(asked)
    found: dict[Path, Member] = {}
    for member in members(tokens):
        if member.path in wanted and member.path not in found:
            found[member.path] = member
            missing.discard(member.path)
            if not missing:
                break
    places: dict[Path, Member] = {}
    for path in asked:
        for length in range(len(path), -1, -1):
            if path[:length] in found:
                places[path] = found[path[:length]]
                break
    return places


class Malformed(Exception):
    """Text that is not a document of its format at all."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def position_at(text: str, offset: int) -> Position:
    """Where the character at `offset` stands."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
