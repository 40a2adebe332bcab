"""What a line of Markdown can begin, from its first character that is not blank."""

from __future__ import annotations

import re

from msgspec import Struct

ANY_BOX = re.compile(r"(?:>[ \t]*)*(?:[-*+]|\d{1,9}[.)])[ \t]*\[[ xX]\]\s")
_ITEM = re.compile(
    r"([-*+]|(\d{1,9})[.)])(?:([ \t]+)(?=\S)|[ \t]*$|(?=\[[ xX~/\-]\]\*?[ \t]))"
    r"(?:\[([ \t\u00a0xX~/\-✓✔✅⏭])\](\*?)[ \t\u00a0]+(?=[^ \t\u00a0]))?"
)
FENCE_LINE = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
SETEXT = re.compile(r"(=+|-+)[ \t]*$")
_RAW = re.compile(r"<(script|pre|style|textarea)(?:[\s>]|$)", re.IGNORECASE)
_RAW_END = re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE)
_TAGS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|"
    "dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|"
    "header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|"
    "param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul"
)
_HTML = re.compile(rf"</?(?:{_TAGS})(?:[\s>]|/>|$)", re.IGNORECASE)
_TAG = re.compile(
    r"(?:</[a-z][\w-]*\s*|<[a-z][\w-]*(?:\s+[\w:.-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|"
    r"[^\s\"'=<>`]+))?)*\s*/?)>\s*$",
    re.IGNORECASE,
)
LISTS = frozenset("-*+0123456789")
HEADS = LISTS | frozenset("=#`~<>_")
"""What anything but text begins with."""


class Item(Struct, gc=False):
    """The beginning of a list item."""

    marker: int
    """How long its marker is."""
    number: str
    """In an ordered list."""
    blank: str
    """What stands between the marker and the content."""
    state: str = ""
    """What is in its box; empty: it has none."""
    at: int = 0
    """Where that stands."""
    star: bool = False
    text: int = 0
    """Where what follows the box begins."""


PLAIN = {
    f"{marker} [{state}] ": Item(1, "", " ", state, 3, False, 6)
    for marker in "-*+"
    for state in " xX"
}
"""As nearly all boxes are written, if what follows is not blank; see `plain`."""


def plain(line: str, at: int) -> bool:
    """Whether such a box stands here."""
    return line[at : at + 6] in PLAIN and " " < line[at + 6 : at + 7] < "\x7f"


def item_of(rest: str) -> Item | None:
    """The list item that begins here."""
    if plain(rest, 0):
        return PLAIN[rest[:6]]
    found = _ITEM.match(rest)
    if found is None or (rest[-1] in "-* \t" and rule(rest)):
        return None
    marker, number, blank, state, star = found.groups("")
    if not state:
        return Item(len(marker), number, blank)
    return Item(len(marker), number, blank, state, found.start(4), star == "*", found.end())


def starts_block(rest: str) -> bool:
    """Whether this can end a paragraph."""
    head = rest[0]
    return bool(
        head == ">"
        or (head == "#" and heading(rest))
        or (head in "`~" and FENCE_LINE.match(rest))
        or (head == "<" and html_end(rest, 0) is not None)
        or (head in "-*_" and rule(rest))
    )


def heading(rest: str) -> tuple[int, str] | None:
    """Level and text of the heading that this is."""
    level = len(rest) - len(rest.lstrip("#"))
    text = rest[level:].rstrip(" \t")
    if level > 6 or text[:1] not in ("", " ", "\t"):
        return None
    bare = text.rstrip("#")
    return level, (bare if bare[-1:] in ("", " ", "\t") else text).strip()


def rule(rest: str) -> bool:
    """Whether this is a thematic break."""
    return not rest.strip(rest[0] + " \t") and rest.count(rest[0]) >= 3


def html_end(rest: str, paragraph: int) -> re.Pattern[str] | str | None:
    """What ends the HTML block that begins here; None: none does."""
    if rest.startswith("<!--"):
        return "-->"
    if _RAW.match(rest):
        return _RAW_END
    if _HTML.match(rest) or (paragraph < 0 and _TAG.match(rest)):
        return ""
    return None
