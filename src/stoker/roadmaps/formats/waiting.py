"""What the tasks of a Markdown file come after, as their authors say it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.scanned import BOXED, TEXT, Box

if TYPE_CHECKING:
    from stoker.roadmaps.formats.drafts import Draft

_ANY = (b"depend", b"after ", b"needs ", b"requires ")
_INLINE = re.compile(
    r"[(\[]\s*+(depend(?:s|ing|ency|encies)?|after|needs|requires)(?:\s++on)?\b\s*+:?\s*+"
    r"([^()\[\]]++)[)\]]"
    r"|(?<![^\s,;:.])depends\s++on\b:?\s++([\w.#`*-]++(?:\s*+(?:,|&|\band\b)\s*+[\w.#`*-]++)*+)",
    re.IGNORECASE,
)
_BELOW = re.compile(
    r"[\s>*_-]*+depend(?:s|ency|encies)?(?: on)?[*_]*+\s*+:[*_]*+\s*+(.+)", re.IGNORECASE
)
_PARTS = re.compile(r"[,;&]|\band\b")
_NOTHING = {"", "-", "none", "n/a", "nothing", "no"}


class _Name(Struct, frozen=True):
    """What a task depends on, as it is called there."""

    name: str
    line: int
    surely: bool = True
    """It must be meant; `(after lunch)` says something only if there is a task of that name."""


def resolve(
    reader: Reader, drafts: Sequence[Draft], ids: Sequence[str], limits: Sequence[int]
) -> None:
    """Give drafts the ids of what their authors say they depend on: `(depends on 1.1.1, 2.1)` in
    their line, `Depends on: ...` below it, or what their format has found. Ids, titles and
    sections, which stand for all that is in them, are names. What is not there is told and not
    observed; an id of two tasks is an error. `limits`: where drafts end, by their boxes."""
    anywhere = any(map(reader.small.__contains__, _ANY))
    counts = Counter([draft.explicit or draft.given for draft in drafts])
    once = {one for one, count in counts.items() if count == 1}
    wanted: dict[int, list[_Name]] = {}
    for number, draft in enumerate(drafts):
        listed = draft.depends_on
        if listed is None and not anywhere:
            continue
        if listed is not None and ids[number] not in listed and once.issuperset(listed):
            continue
        if names := list(_names(reader, draft, limits[draft.box])):
            wanted[number] = names
    if not wanted:
        return
    by_id: dict[str, list[str]] = {}
    by_title: dict[str, list[str]] = {}
    by_section: dict[str, list[str]] = {}
    for identity, draft in zip(ids, drafts, strict=True):
        for called in {draft.explicit or draft.given or identity, identity}:
            by_id.setdefault(called.casefold(), []).append(identity)
        by_title.setdefault(draft.title.casefold(), []).append(identity)
        by_section.setdefault(identity.rpartition(".")[0].casefold(), []).append(identity)
    for number, names in wanted.items():
        draft, own = drafts[number], ids[number]
        box = reader.scanned.boxes[draft.box]
        before: dict[str, None] = {}
        for name in names:
            called = name.name.casefold()
            at: Box | int = box if name.line == box.line else name.line
            found = by_id.get(called, ())
            if len(found) > 1:
                said = f"depends on {name.name}, which is the id of {len(found)} tasks"
                reader.tell("ambiguous-dependency", said, at, "error")
            titled = by_title.get(called, ())
            found = found[:1] or (titled if len(titled) == 1 else by_section.get(called, ()))
            before |= dict.fromkeys(one for one in found if one != own)
            if name.surely and not before.keys() & set(found):
                said = "itself" if own in found else f"{name.name}, which is not there"
                if len(titled) > 1:
                    said = f"{name.name}, as {len(titled)} tasks are called"
                reader.tell("unknown-dependency", f"depends on {said}: not observed", at)
        draft.depends_on = tuple(before)


def _names(reader: Reader, draft: Draft, end: int) -> Iterator[_Name]:
    scanned = reader.scanned
    box = scanned.boxes[draft.box]
    if draft.depends_on is not None:
        yield from (_Name(name, box.line) for name in draft.depends_on)
        return
    for said in _INLINE.finditer(box.text) if "(" in box.text or "epend" in box.text else ():
        surely = said[1] is not None and said[1][:1] in "dD"
        yield from (_Name(name, box.line, surely) for name in _split(said[2] or said[3]))
    for number in range(box.line + 1, end):
        if scanned.kinds[number] == BOXED:
            return
        if scanned.kinds[number] == TEXT and (below := _BELOW.match(scanned.lines[number])):
            yield from (_Name(name, number) for name in _split(below[1]))


def _split(listed: str) -> list[str]:
    found = (part.strip(" \t.*_`'\"#") for part in _PARTS.split(listed))
    return [name for name in found if name.lower() not in _NOTHING]
