"""YAML text -> Python objects, by the core schema of YAML 1.2.

So `on`, `yes` and `no` are strings, `0o17` is octal, `12:30:00` and `2024-01-01` are
strings. Keys are always strings, as written. Merge keys (`<<`) work. Objects are built from
the parser's events in one loop: nesting costs no recursion, and aliases are counted for
what they stand for, so that a few lines cannot unfold into gigabytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from stoker.plan.errors import show
from stoker.plan.json_source import MAX_DEPTH, MAX_DIGITS, MAX_NODES
from stoker.plan.tokens import Malformed, Parsed, Position, Token, position_at

MAX_ALIASED = 1_000_000
"""Nodes that aliases may stand for in all; a node of long text counts for several."""
_CHARACTERS_PER_NODE = 64

_SCALAR_START = frozenset("~nNtTfF0123456789+-.")
_SCALAR = re.compile(
    r"(?P<null>~|null|Null|NULL|)"
    r"|(?P<true>true|True|TRUE)"
    r"|(?P<false>false|False|FALSE)"
    r"|(?P<int>[-+]?[0-9]+)"
    r"|0o(?P<oct>[0-7]+)"
    r"|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<special>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, type] = {
    _TAG + "str": str,
    _TAG + "int": int,
    _TAG + "float": float,
    _TAG + "bool": bool,
    _TAG + "null": type(None),
}
_MERGE = str(object())
"""Stands for a merge key, and is told from any string by identity."""


class _Node(NamedTuple):
    """A finished value, with what it costs wherever it is used."""

    value: Any
    weight: int
    """Nodes in it, aliases unfolded."""
    height: int
    """Levels of lists and maps in it, aliases unfolded."""


class _Open:
    """A list or map that is not closed yet."""

    __slots__ = ("anchor", "height", "key", "merged", "value", "weight")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.merged: list[dict[str, Any]] = []
        self.weight = 1
        self.height = 0


def parse(text: str) -> Parsed:
    """The value `text` holds. Raises `Malformed`."""
    return _Builder().build(text)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a YAML document that parses; an alias is a scalar."""
    for event in _events(text):
        match type(event).__name__:
            case "ScalarEvent":
                yield Token("scalar", event.value, _position(event))
            case "AliasEvent":
                yield Token("scalar", f"*{event.anchor}", _position(event))
            case "MappingStartEvent":
                yield Token("{", "", _position(event))
            case "SequenceStartEvent":
                yield Token("[", "", _position(event))
            case "MappingEndEvent" | "SequenceEndEvent":
                yield Token("]", "", _position(event))


def _events(text: str) -> Iterator[Any]:
    import yaml

    # The pure-Python parser is the same API, for a PyYAML built without libyaml.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise Malformed(
            f"not valid YAML: {reason}", (mark.line + 1, mark.column + 1) if mark else None
        ) from None
    except yaml.YAMLError as error:
        # Only ReaderError is left; libyaml counts bytes.
        offset = len(text.encode()[: getattr(error, "position", 0)].decode(errors="ignore"))
        raise Malformed(
            f"not valid YAML: {getattr(error, 'reason', error)}", position_at(text, offset)
        ) from None
    finally:
        loader.dispose()


def _position(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


class _Builder:
    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Node | None] = {}  # None: its node is still open
        self._aliased = 0
        self._duplicate = False
        self._infinite = False
        self._root: Any = None

    def build(self, text: str) -> Parsed:
        import yaml

        documents = 0
        for count, event in enumerate(_events(text)):
            if count > MAX_NODES:
                raise Malformed(f"more than {MAX_NODES:,} values", _position(event))
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open({}, "map", event)
            elif kind is yaml.SequenceStartEvent:
                self._open([], "seq", event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close(event)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise Malformed("a second document; expected one a file", _position(event))
        return Parsed(self._root, self._duplicate, self._infinite)

    def _open(self, value: list[Any] | dict[str, Any], kind: str, event: Any) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            raise _refused_tag(event)
        if self._expects_key():
            raise Malformed("a list or map as a key; expected a string", _position(event))
        if len(self._stack) >= MAX_DEPTH:
            raise Malformed(f"nested more than {MAX_DEPTH} levels deep", _position(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(value, event.anchor))

    def _close(self, event: Any) -> None:
        top = self._stack.pop()
        for base in top.merged:
            for key, value in base.items():
                top.value.setdefault(key, value)
        node = _Node(top.value, top.weight, top.height + 1)
        if top.anchor is not None:
            self._anchors[top.anchor] = node
        self._add(node, event)

    def _scalar(self, event: Any) -> None:
        text: str = event.value
        if event.tag not in (None, "!") and event.tag not in _SCALAR_TAGS:
            raise _refused_tag(event)
        value: Any = text
        if self._expects_key():
            if text == "<<" and event.implicit[0]:
                value = _MERGE
        elif event.implicit[0] and event.tag is None:
            if not text or text[0] in _SCALAR_START:
                value = _resolve(text, event)
        elif event.tag not in (None, "!", _TAG + "str"):
            value = _tagged(text, event)
        if type(value) is float and not math.isfinite(value):
            self._infinite = True
        node = _Node(value, 1 + len(text) // _CHARACTERS_PER_NODE, 0)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node, event)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        if name not in self._anchors:
            raise Malformed(f"unknown alias *{name}; no &{name} stands before", _position(event))
        node = self._anchors[name]
        if node is None:
            raise Malformed(f"the alias *{name} stands inside what it names", _position(event))
        self._aliased += node.weight
        if self._aliased > MAX_ALIASED:
            raise Malformed(
                f"aliases that unfold to more than {MAX_ALIASED:,} nodes", _position(event)
            )
        if len(self._stack) + node.height > MAX_DEPTH:
            raise Malformed(f"nested more than {MAX_DEPTH} levels deep", _position(event))
        if self._expects_key() and type(node.value) is not str:
            raise Malformed(f"*{name} as a key; expected a string", _position(event))
        self._add(node, event)

    def _expects_key(self) -> bool:
        if not self._stack:
            return False
        top = self._stack[-1]
        return top.key is None and type(top.value) is dict

    def _add(self, node: _Node, event: Any) -> None:
        if not self._stack:
            self._root = node.value
            return
        top = self._stack[-1]
        top.weight += node.weight
        top.height = max(top.height, node.height)
        if type(top.value) is list:
            top.value.append(node.value)
        elif top.key is None:
            top.key = node.value
        elif top.key is _MERGE:
            self._duplicate = self._duplicate or bool(top.merged)
            top.merged.extend(_mergeable(node.value, event))
            top.key = None
        else:
            if top.key in top.value:
                self._duplicate = True
            top.value[top.key] = node.value
            top.key = None


def _mergeable(value: Any, event: Any) -> list[dict[str, Any]]:
    bases = value if isinstance(value, list) else [value]
    if not all(isinstance(base, dict) for base in bases):
        raise Malformed("<< of something else than a map or a list of maps", _position(event))
    return bases


def _resolve(text: str, event: Any) -> Any:
    """A plain scalar by the core schema."""
    match = _SCALAR.fullmatch(text)
    kind = match.lastgroup if match else None
    if kind in ("int", "oct", "hex") and len(text) > MAX_DIGITS:
        raise Malformed(f"a number of more than {MAX_DIGITS} digits", _position(event))
    match kind:
        case None:
            return text
        case "null":
            return None
        case "true" | "false":
            return kind == "true"
        case "int":
            return int(text)
        case "oct":
            return int(text[2:], 8)
        case "hex":
            return int(text[2:], 16)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _tagged(text: str, event: Any) -> Any:
    """A scalar that names its type, such as `!!int "3"`."""
    kind = event.tag.removeprefix(_TAG)
    value = _resolve(text, event)
    if kind == "float" and type(value) is int:
        value = float(value)
    if type(value) is not _SCALAR_TAGS[event.tag]:
        raise Malformed(f"{show(text)} is no {kind}", _position(event))
    return value


def _refused_tag(event: Any) -> Malformed:
    tag = event.tag.replace(_TAG, "!!")
    return Malformed(f"the tag {show(tag)}; a plan is plain data, without tags", _position(event))
