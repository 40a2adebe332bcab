"""ROADMAP v1.0: phases, sections and tasks with contexts, as the older executor's own files."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Any, NamedTuple

from stoker.roadmaps.document import Phase, Roadmap
from stoker.roadmaps.format import Reading, Source
from stoker.roadmaps.formats.criteria import criteria_of
from stoker.roadmaps.formats.drafts import Draft, tasks_of
from stoker.roadmaps.formats.markdown import Markdown
from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.scanned import BOXED, QUOTE, TEXT, Heading
from stoker.roadmaps.formats.words import ticked
from stoker.roadmaps.identity import Names, slug

_PHASE = re.compile(r"phase\s+([\w.-]*\w)\s*(?:(?::|[-–—](?=\s))\s*(.*))?$", re.IGNORECASE)
_SECTION = re.compile(r"(\d+(?:\.\d+)*|[A-Z]\.\d+(?:\.\d+)*)[.):]?(?:\s+|$)")
_META = re.compile(r"[>\s]*\*\*(Goal|Priority|Effort|Prerequisites?):?\*\*:?(.*)$", re.IGNORECASE)
_FILES = re.compile(r"[\s*+-]*\*\*Files?:?\*\*:?(.*)$", re.IGNORECASE)
_TICKED = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"(?:\*\*|__)(.+?)(?:\*\*|__)\s*(?:[:.–—-]\s*)?(.*)$", re.DOTALL)
_NAMED_PHASE = re.compile(r"phases?\s+([\w.-]*\w)", re.IGNORECASE)
_SHAPE = re.compile(rb"^##[ \t]+phase[ \t]+\S", re.MULTILINE | re.IGNORECASE)
_DETAIL = re.compile(rb"^(>[ \t]*\*\*(goal|priority|effort|prerequisite)|###[ \t]+\d|\*\*files?)",
                     re.MULTILINE | re.IGNORECASE)  # fmt: skip
_SPEC_KIT = re.compile(rb"^[ \t]*[-*] \[[ xX]\] T\d{3,}", re.MULTILINE)


class RoadmapV1(Markdown):
    """`## Phase N: name`, `### N.M section`, tasks with everything up to the next one."""

    name = "roadmap"
    title = "ROADMAP v1.0: phases, sections and tasks with their context"
    suffixes = (".md", ".markdown")

    def sure(self, path: Path, data: bytes) -> int:
        """See `Markdown`."""
        if not _SHAPE.search(data) or _SPEC_KIT.search(data):
            return 0
        return 80 if _DETAIL.search(data) else 60

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        reader = Reader(source, source.path, reading)
        criteria = criteria_of(reader)
        phases, places = _places(reader)
        hints = _hints(reader)
        ids = _Ids()
        given: dict[int, str] = {}
        drafts: list[Draft] = []
        at, ends = 0, reader.scanned.ends
        hinted = (*hints.lines, len(reader.scanned.lines))
        for index, box, line in criteria.others(reader):
            place, text, nested = places[line], box.text, box.parent >= 0
            own = ids.below(given.get(box.parent, "")) if nested else ids.of(place)
            given[index] = own
            bold = _BOLD.match(text) if text[:1] in "*_" else None
            title = bold[1] if bold else text.removeprefix("~~").removesuffix("~~")
            files = ticked(text) if "`" in text else ()
            while hinted[at] < box.line:
                at += 1
            if hinted[at] < ends[index] or (at and not nested):
                files = _files(files, ends[index], hints, at, hinted[-1] if nested else line)
            draft = Draft(index, title, "", own, place.phase, files)
            if bold:
                draft.description = bold[2]
            drafts.append(draft)
        return self.of_readers(
            source,
            [reader],
            tasks_of(reader, drafts, criteria.of, _ends(reader)),
            phases=tuple(phases),
            acceptance=criteria.general,
        )


class _Place(NamedTuple):
    """What a heading says of the tasks below it."""

    phase: str | None
    number: str = ""
    """Of the numbered section it is in or begins."""
    start: int = -1
    """The line of that section's heading."""
    name: str = ""


def _places(reader: Reader) -> tuple[list[Phase], dict[int, _Place]]:
    """The phases, and the places by the lines of headings, -1 for none."""
    phases: list[Phase] = []
    names = Names()
    place = _Place(None)
    places = {-1: place}
    for heading in reader.scanned.headings:
        number = _SECTION.match(heading.text)
        if heading.level <= 2:
            found = _PHASE.match(heading.text) if heading.level == 2 else None
            if found:
                phases.append(_phase(reader, heading, found, names))
            place = _Place(phases[-1].id if found else None)
        elif number:
            place = _Place(place.phase, number[1], heading.line, heading.text[number.end() :])
        elif heading.level == 3:
            place = _Place(place.phase, name=place.name)
        places[heading.line] = place
    return phases, places


def _phase(reader: Reader, heading: Heading, found: re.Match[str], names: Names) -> Phase:
    """A phase with its metadata."""
    identity, named = found[1], (found[2] or "").strip()
    if identity in names:
        identity = slug(f"{identity}-{named}")
    own = names.take(identity)
    if own != found[1]:
        message = f"phase {found[1]} was there before; this one is {own}"
        reader.tell("duplicate-phase", message, heading)
    scanned = reader.scanned
    fields: dict[str, Any] = {}
    for line in range(heading.line + 1, len(scanned.lines)):
        kind = scanned.kinds[line]
        if kind == BOXED or (kind == TEXT and scanned.lines[line].startswith("#")):
            break
        meta = _META.match(scanned.lines[line]) if kind in (TEXT, QUOTE) else None
        if meta is None:
            continue
        key, value = meta[1].lower(), meta[2].strip()
        if key == "priority":
            if value.lower() in ("critical", "high", "medium", "low"):
                fields[key] = value.lower()
            else:
                message = f"expected HIGH, MEDIUM or LOW, found {value!r}"
                reader.tell("bad-priority", message, line)
        elif key in ("goal", "effort"):
            fields[key] = value
        else:
            wanted = _NAMED_PHASE.findall(value)
            fields["depends_on"] = tuple(one for one in wanted if one in names and one != own)
            for one in wanted:
                if one not in fields["depends_on"]:
                    message = f"there is no phase {one} before this one"
                    reader.tell("unknown-dependency", message, line)
    text = reader.before_tasks(heading)
    return Phase(id=own, name=named, line=heading.line + 1, text=text, **fields)


class _Hints(NamedTuple):
    """The lines `**Files**: ...`."""

    lines: list[int]
    files: list[tuple[str, ...]]
    outer: list[tuple[int, tuple[str, ...]]]
    """For each the last such line that belongs to no list item, up to this one."""


def _hints(reader: Reader) -> _Hints:
    found = _Hints([], [], [])
    outer: tuple[int, tuple[str, ...]] = (-1, ())
    for number, line in enumerate(reader.scanned.lines):
        if (
            ("**F" in line or "**f" in line)
            and reader.scanned.kinds[number] == TEXT
            and (said := _FILES.match(line))
        ):
            files = tuple(dict.fromkeys(_TICKED.findall(said[1])))
            outer = outer if line[0] in " \t" else (number, files)
            found.lines.append(number)
            found.files.append(files)
            found.outer.append(outer)
    return found


def _files(own: tuple[str, ...], end: int, hints: _Hints, at: int, section: int) -> tuple[str, ...]:
    """What a task names, `own` in its title, and what its section names before it. A line that
    belongs to a task's list item, until `end`, is that task's own. `at`: the first line below it;
    `section`: the line of the heading, or behind all if it is a part of a task."""
    found = own
    for files in hints.files[at : bisect_left(hints.lines, end, at)]:
        found += files
    if at and (outer := hints.outer[at - 1])[0] > section:
        found += outer[1]
    return tuple(dict.fromkeys(found)) if len(found) > 1 else found


def _ends(reader: Reader) -> list[int]:
    """Where what is written with each box ends: for a task at the next task or heading, not
    where its list item does."""
    scanned = reader.scanned
    ends = list(scanned.ends)
    tops = [index for index, box in enumerate(scanned.boxes) if box.depth == 0]
    stops = sorted(
        [scanned.boxes[index].line for index in tops] + [head.line for head in scanned.headings]
    )
    stops.append(len(scanned.lines))
    for index in tops:
        line = scanned.boxes[index].line
        end = stops[bisect_right(stops, line)]
        while end > line + 1 and scanned.lines[end - 1].strip() in ("", "---", "***", "___"):
            end -= 1
        ends[index] = end
    return ends


class _Ids:
    """The ids of the older executor, `<phase>.<last part of the section's number>.<n>`, for the
    boxes that had one. Where they would collide, the section's part says more."""

    def __init__(self) -> None:
        self._names = Names()
        self._prefixes: dict[int, str] = {}
        self._counts: dict[str, int] = {}

    def of(self, place: _Place) -> str:
        """Of the next task of a section; empty if it had none."""
        if place.phase is None or not place.number:
            return ""
        prefix = self._prefixes.get(place.start)
        if prefix is None:
            first, *rest = place.number.split(".")
            last = rest[-1] if rest else first
            wanted = [*filter(None, (last, "-".join(rest))), slug(f"{last}-{place.name}")]
            free = (one for part in wanted if (one := f"{place.phase}.{part}") not in self._names)
            prefix = self._names.take(next(free, f"{place.phase}.{wanted[-1]}"))
            self._prefixes[place.start] = prefix
        return self.below(prefix)

    def below(self, above: str) -> str:
        """Of the next part of a task or section."""
        if not above:
            return ""
        self._counts[above] = count = self._counts.get(above, 0) + 1
        return f"{above}.{count}"


FORMAT = RoadmapV1()
