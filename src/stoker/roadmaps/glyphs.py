"""Signs that people write for a status: emoji, words, boxes, a line through."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from stoker.roadmaps.document import Status

_SIGNS: Final[tuple[tuple[Status, str, str, str], ...]] = (
    ("pending", "⏳", "🚀☐🔲⬜", "TODO"),
    ("in_progress", "🚧", "🔄", "WIP"),
    ("done", "✅", "✔☑🎉", "DONE"),
    ("skipped", "⏭️", "⏭", "N/A"),
    ("blocked", "⛔", "🚫", "BLOCKED"),
)
_BOXES: Final[dict[Status, str]] = {
    "pending": " ",
    "in_progress": "~",
    "done": "x",
    "skipped": "-",
}
_BY_SIGN: Final[dict[str, Status]] = {
    **{sign: status for status, first, others, word in _SIGNS for sign in (first, *others, word)},
    **{f"[{mark}]": status for status, mark in _BOXES.items()},
    "[X]": "done",
    "[/]": "in_progress",
}
_EMOJI: Final = "[" + "".join(first[0] + others for _, first, others, _ in _SIGNS) + "]\ufe0f?"
_WORD: Final = "(?:" + "|".join(word for *_, word in _SIGNS) + ")"
_BOX: Final = r"\[[ xX~/-]\]"
_ITEM: Final = re.compile(
    r"(?P<indent>[ \t]*)(?P<bullet>(?:[-*+•]|\d{1,9}[.)])[ \t]+)?"
    rf"(?:(?P<emoji>{_EMOJI})[ \t]*|(?P<box>{_BOX})[ \t]+"
    rf"|\**(?P<word>{_WORD})(?::\**|\**[:.]?(?=[ \t]))[ \t]*[-–—]?[ \t]*)"
    r"(?P<text>\S.*)"
)
_TRAILING: Final = re.compile(
    r"(?P<indent>[ \t]*)(?P<bullet>(?:[-*+•]|\d{1,9}[.)])[ \t]+)(?P<text>\S.*?)[ \t]*"
    rf"(?:(?P<emoji>{_EMOJI})|\((?P<word>{_WORD})\))[ \t]*$",
    re.IGNORECASE,
)
_STRUCK: Final = re.compile(
    r"(?P<indent>[ \t]*)(?P<bullet>(?:[-*+•]|\d{1,9}[.)])[ \t]+)~~(?P<text>\S.*?)~~[ \t]*$"
)


class Sign(Struct, frozen=True, kw_only=True):
    """An item with a sign of its status, in a line."""

    text: str
    status: Status
    indent: int
    start: int
    """Where the sign stands; `start == end` for a line through."""
    end: int
    box: bool = False


def sign_of(line: str) -> Sign | None:
    """The sign in a line, if it has one. Emoji and words count at either end of a list item,
    and at the beginning of a line without a bullet."""
    found = _ITEM.match(line) or _TRAILING.match(line)
    if found is None:
        found = _STRUCK.match(line)
        if found is None:
            return None
        start = end = 0
        status: Status = "done"
    else:
        parts = found.groupdict()
        kind = next(name for name in ("emoji", "box", "word") if parts.get(name))
        start, end = found.span(kind)
        status = _BY_SIGN[found[kind].rstrip("\ufe0f").upper()]
    return Sign(
        text=found["text"].strip(" \t*"),
        status=status,
        indent=len(found["indent"].expandtabs(4)),
        start=start,
        end=end,
        box=line[start:end].startswith("["),
    )


def written(sign: str, status: Status) -> str | None:
    """How a status is written where `sign` stands; None if there is no such sign of its kind."""
    if sign.startswith("["):
        mark = _BOXES.get(status)
        return f"[{mark}]" if mark else None
    is_word = sign.isascii()
    for one, emoji, _, word in _SIGNS:
        if one == status:
            return (word if sign.isupper() else word.lower()) if is_word else emoji
    return None
