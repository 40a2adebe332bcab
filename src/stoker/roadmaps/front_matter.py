"""The YAML between `---` at the beginning of a Markdown file, with the places of its values.

Everything is read as text: what YAML takes for dates, numbers or null are statuses, ids and
titles here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from stoker.roadmaps.document import Mark
from stoker.roadmaps.format import NotReadable
from stoker.roadmaps.text import Text

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

_BLOCK = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_PEOPLE = re.compile(r"^(?:(?:assignee|reporter):|[ \t]*-[ \t]*@).*$", re.MULTILINE)
"""Some write names as `@name`, which YAML has reserved."""
_NESTING = 1000
_DEEPEST = 100
_FLOW = re.compile(r"[,\[\]{}\n]")


class FrontMatter(Struct, frozen=True):
    """What a file begins with."""

    source: Text
    at: int
    """Offset of the YAML."""
    body: int
    """Offset of what follows."""
    value: dict[str, Any]
    node: Any
    """The `MappingNode` of `value`."""

    def place_of(self, owner: MappingNode, name: str) -> Mark | None:
        """Where a member's value stands, or, of a mapping without it, where `written` puts it;
        None if it is written over several lines, or has no place."""
        node = member(owner, name)
        if node is not None:
            start, end = node.start_mark.index, node.end_mark.index
            plain = getattr(node, "style", "|") not in ("|", ">")
            placed = end > start or self.source.text[self.at + start - 1] == ":"
            return self._mark(start, end) if plain and placed else None
        start = owner.start_mark.index
        if owner.flow_style:
            return self._mark(start, start + 1)
        text = self.source.text
        line = text.rfind("\n", 0, self.at + start)
        return self._mark(line - (text[line - 1] == "\r") - self.at, start)

    def line(self, node: Node) -> tuple[int, int]:
        """Line and column of a node."""
        return self.source.place(self.at + node.start_mark.index)

    def _mark(self, start: int, end: int) -> Mark:
        return self.source.mark(self.at + start, self.at + end)


def member(owner: MappingNode, name: str) -> ScalarNode | Any | None:
    """The value of a member of a mapping."""
    return next((value for key, value in owner.value if key.value == name), None)


def front_matter(source: Text) -> FrontMatter | None:
    """That of a text; None if it has none. Raises `NotReadable` if it is no YAML, or not a map
    with members."""
    found = _BLOCK.match(source.text)
    if found is None:
        return None
    text = _PEOPLE.sub(lambda line: line[0].replace("@", "_"), found[1])
    node, value = _loaded(text, source, found.start(1))
    if not isinstance(value, dict) or not value:
        line = source.place(found.start(1))[0]
        raise NotReadable(f"{source.path}:{line}: expected front matter to be a map of fields")
    return FrontMatter(source, found.start(1), found.end(), value, node)


def yaml_of(data: bytes, path: str) -> dict[str, Any]:
    """A file that is YAML, read as text; empty if it is no map. Raises `NotReadable`."""
    source = Text(data, path)
    _, value = _loaded(source.text, source, 0)
    return value if isinstance(value, dict) else {}


def _loaded(text: str, source: Text, at: int) -> tuple[Any, Any]:
    """Node and value of YAML that stands at an offset of `source`. Raises `NotReadable`."""
    import yaml

    base = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    loader = None
    try:
        if sum(map(text.count, "[{-:?")) > _NESTING:  # deep nesting ends the process
            depth = 0
            for event in yaml.parse(text, base):
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > _DEEPEST:
                    raise NotReadable(f"{source.path}: expected YAML, found it nested too deep")
        loader = base(text)
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        place = getattr(error, "problem_mark", None)
        line = source.place(at + (place.index if place else 0))[0]
        reason = getattr(error, "problem", None) or type(error).__name__
        raise NotReadable(f"{source.path}:{line}: not YAML: {reason}") from error
    finally:
        if loader is not None:
            loader.dispose()


def written(mark: Mark, name: str, value: str) -> str:
    """What takes the place of a mark of `FrontMatter.place_of`, so that `name` has this value,
    in the manner of what stands there."""
    if not mark.text:
        return f" {_scalar(value)}"
    first = mark.text[0]
    if first == "{":
        return f"{{{name}: {_scalar(value)}, "
    if first in ("\r", "\n"):
        prefix = mark.text.lstrip("\r\n")
        end = mark.text.removesuffix(prefix)
        return f"{mark.text}{name}: {_scalar(value)}{end}{' ' * len(prefix)}"
    if first == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return _quoted(value) if first in ("'", '"') else _scalar(value)


def _scalar(value: str) -> str:
    """Plain, where that says the same."""
    import yaml

    try:
        plain = yaml.load(f"a: {value}", yaml.BaseLoader) == {"a": value}  # noqa: S506
    except yaml.YAMLError:
        plain = False
    return value if plain and not _FLOW.search(value) else _quoted(value)


def _quoted(value: str) -> str:
    plain = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in plain) + '"'
