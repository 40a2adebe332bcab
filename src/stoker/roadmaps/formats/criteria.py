"""Boxes that are no tasks but say what must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stoker.roadmaps.document import Criterion
from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.scanned import Box

_CRITERIA = re.compile(
    r"[\s#*_>\-+]*(?:acceptance(?: criteria)?|definition of done|success criteria|exit criteria|"
    r"done when|completion criteria)\b[\s*_:.]*+(?:\([^)]*\))?[\s*_:]*$",
    re.IGNORECASE,
)
_WORDS = (b"acceptance", b" of done", b" criteria", b"done when")


class Criteria(NamedTuple):
    """Boxes that are no tasks but say what must hold."""

    boxes: frozenset[int]
    general: tuple[Criterion, ...]
    """Those of the whole."""
    of: Mapping[int, Sequence[Criterion]]
    """Those of a task, by its box."""

    def others(self, reader: Reader) -> Iterator[tuple[int, Box, int]]:
        """The boxes that are tasks, by their indices, each with the line of the heading it stands
        under, or -1."""
        for index, (box, section) in enumerate(
            zip(reader.scanned.boxes, reader.sections, strict=True)
        ):
            if index not in self.boxes:
                yield index, box, section.line if section else -1


def criteria_of(reader: Reader) -> Criteria:
    """The criteria of a file, by the words above them. They belong to the task before them under
    the same heading, or to the whole."""
    lines, boxes, sections = reader.scanned.lines, reader.scanned.boxes, reader.sections
    found: dict[int, int] = {}
    last = -1  # the last task under this heading
    for index, box in enumerate(boxes) if any(map(reader.small.__contains__, _WORDS)) else ():
        section = sections[index]
        if box.parent in found:
            found[index] = found[box.parent]
            continue
        grouped = box.group >= 0 and _CRITERIA.match(lines[box.group])
        if box.parent >= 0:
            if grouped:
                found[index] = box.parent
            continue
        if last >= 0 and sections[last] is not section:
            last = -1
        above = box.line - 1
        while above >= 0 and not lines[above].strip():
            above -= 1
        previous = index - 1
        while previous >= 0 and boxes[previous].parent >= 0:
            previous = boxes[previous].parent
        goes_on = (
            previous in found
            and sections[previous] is section
            and reader.scanned.ends[previous] > above
        )
        if (
            grouped
            or goes_on
            or (above >= 0 and _CRITERIA.match(lines[above]))
            or (section is not None and _CRITERIA.match(section.text))
        ):
            found[index] = last
        else:
            last = index
    return divide(reader, found)


def divide(reader: Reader, owners: Mapping[int, int]) -> Criteria:
    """Criteria out of the boxes that are some, by box, and the boxes they belong to, or -1."""
    of: dict[int, list[Criterion]] = {}
    for index, owner in owners.items():
        of.setdefault(owner, []).append(reader.criterion(reader.scanned.boxes[index]))
    return Criteria(frozenset(owners), tuple(of.pop(-1, ())), of)
