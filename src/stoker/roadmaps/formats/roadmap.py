"""ROADMAP v1.0: phases, sections and tasks with contexts, as the older executor's own files."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Container
from typing import Any, NamedTuple

from stoker.roadmaps.document import Phase, Problem, Roadmap
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.outline import Draft, Markdown, Reader, document, trail
from stoker.roadmaps.formats.scanner import BOXED, QUOTE, TEXT, Box, Heading
from stoker.roadmaps.formats.words import paths, slug

_PHASE = re.compile(r"phase\s+([\w.-]*\w)\s*(?:(?::|[-–—](?=\s))\s*(.*))?$", re.IGNORECASE)
_SECTION = re.compile(r"(\d+(?:\.\d+)*|[A-Z]\.\d+(?:\.\d+)*)[.):]?(?:\s+|$)")
_META = re.compile(r"[>\s]*\*\*(Goal|Priority|Effort|Prerequisites?):?\*\*:?\s*(.*?)\s*$",
                   re.IGNORECASE)  # fmt: skip
_FILES = re.compile(r"[\s*+-]*\*\*Files?:?\*\*:?\s*(.*?)\s*$", re.IGNORECASE)
_TICKED = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"(?:\*\*|__)(.+?)(?:\*\*|__)\s*(?:[:.–—-]\s*)?(.*)$", re.DOTALL)
_NAMED_PHASE = re.compile(r"phases?\s+([\w.-]*\w)", re.IGNORECASE)
_SHAPE = re.compile(rb"^##[ \t]+phase[ \t]+\S", re.MULTILINE | re.IGNORECASE)
_DETAIL = re.compile(rb"^(>[ \t]*\*\*(goal|priority|effort|prerequisite)|###[ \t]+\d|\*\*files?)",
                     re.MULTILINE | re.IGNORECASE)  # fmt: skip
_SPEC_KIT = re.compile(rb"^\s*[-*] \[[ xX]\] T\d{3,}", re.MULTILINE)


class RoadmapV1(Markdown):
    """`## Phase N: name`, `### N.M section`, tasks with everything up to the next one."""

    name = "roadmap"
    title = "ROADMAP v1.0: phases, sections and tasks with their context"

    def recognises(self, source: Source) -> int:
        """See `Format`."""
        if source.path.suffix.lower() not in (".md", ".markdown"):
            return 0
        try:
            data = source.read(source.path)
        except NotReadable:
            return 0
        if not _SHAPE.search(data) or _SPEC_KIT.search(data):
            return 0
        return 80 if _DETAIL.search(data) else 60

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        reader = Reader.open(source, source.path, reading)
        scanned = reader.scanned
        sections = reader.sections()
        criteria = reader.criteria(sections)
        trails = trail(scanned.headings)
        phases: list[Phase] = []
        problems: list[Problem] = []
        places = {-1: _NOWHERE}
        place = _NOWHERE
        for heading in scanned.headings:
            phase, number = place.phase, _SECTION.match(heading.text)
            if heading.level <= 2:
                found = _PHASE.match(heading.text) if heading.level == 2 else None
                phase = None
                if found:
                    phases.append(_phase(reader, heading, found, phases, problems))
                    phase = phases[-1].id
                place = _Place(phase, "", -1, "", trails[heading.line])
            elif number:
                name = heading.text[number.end() :]
                place = _Place(phase, number[1], heading.line, name, trails[heading.line])
            else:
                place = place._replace(above=trails[heading.line])
                if heading.level == 3:
                    place = place._replace(number="", start=-1)
            places[heading.line] = place
        located = [places[section.line if section else -1] for section in sections]
        ends = _ends(reader)
        hints = _hints(reader)
        named = _legacy(scanned.boxes, located, criteria.boxes)
        drafts: list[Draft] = []
        for index, box in enumerate(scanned.boxes):
            if index in criteria.boxes:
                continue
            section = sections[index]
            bold = _BOLD.match(box.text) if box.text[:1] in "*_" else None
            fields: dict[str, Any] = {}
            if index in criteria.of:
                fields["acceptance"] = criteria.of[index]
            if bold and bold[2]:
                fields["description"] = bold[2]
            if files := _files(reader, index, hints, section.line if section else -1):
                fields["files"] = files
            drafts.append(
                Draft(
                    index,
                    bold[1] if bold else box.text.removeprefix("~~").removesuffix("~~"),
                    given=named.get(index, ""),
                    phase=located[index].phase,
                    section=section.text if section else None,
                    ancestry=located[index].above,
                    fields=fields,
                )
            )
        built = reader.tasks(drafts, ends)
        return document(
            self.name,
            source,
            [reader],
            text=reader.intro(),
            phases=tuple(phases),
            tasks=built.tasks,
            acceptance=criteria.general,
            problems=(*problems, *built.problems),
        )


class _Place(NamedTuple):
    """What a heading says of the tasks below it."""

    phase: str | None
    number: str
    """Of the numbered section it is in or begins."""
    start: int
    """The line of that section's heading."""
    name: str
    above: tuple[str, ...]


_NOWHERE = _Place(None, "", -1, "", ())


def _phase(
    reader: Reader,
    heading: Heading,
    found: re.Match[str],
    phases: list[Phase],
    problems: list[Problem],
) -> Phase:
    """A phase with its metadata."""
    named, ids = (found[2] or "").strip(), {phase.id for phase in phases}

    def warn(code: str, message: str, line: int) -> None:
        problems.append(
            Problem(
                severity="warning", code=code, message=message, path=reader.relative, line=line + 1
            )
        )

    identity = found[1]
    if identity in ids:
        identity = slug(f"{identity}-{named}", ids)
        warn("duplicate-phase", f"phase {found[1]} was there before; this one is {identity}",
             heading.line)  # fmt: skip
    text = reader.before_tasks(heading)
    fields: dict[str, Any] = {}
    for offset, line in enumerate(reader.scanned.lines[heading.line + 1 :], heading.line + 1):
        kind = reader.scanned.kinds[offset]
        if kind == BOXED or (kind == TEXT and line.startswith("#")):
            break
        meta = _META.match(line) if kind in (TEXT, QUOTE) else None
        if meta is None:
            continue
        key, value = meta[1].lower(), meta[2]
        if key == "priority":
            if value.lower() in ("critical", "high", "medium", "low"):
                fields[key] = value.lower()
            else:
                warn("bad-priority", f"expected HIGH, MEDIUM or LOW, found {value!r}", offset)
        elif key in ("goal", "effort"):
            fields[key] = value
        else:
            wanted = _NAMED_PHASE.findall(value)
            fields["depends_on"] = tuple(part for part in wanted if part in ids)
            for part in wanted:
                if part not in ids:
                    warn("unknown-dependency", f"there is no phase {part} before this one", offset)
    return Phase(id=identity, name=named, line=heading.line + 1, text=text, **fields)


def _hints(reader: Reader) -> list[tuple[int, tuple[str, ...]]]:
    """The lines `**Files**: ...` and what they name."""
    return [
        (number, tuple(dict.fromkeys(_TICKED.findall(found[1]))))
        for number, line in enumerate(reader.scanned.lines)
        if "**F" in line or "**f" in line
        if reader.scanned.kinds[number] == TEXT and (found := _FILES.match(line))
    ]


def _files(
    reader: Reader, index: int, hints: list[tuple[int, tuple[str, ...]]], section: int
) -> tuple[str, ...]:
    """What a task names itself, and what its section names before it. A line that belongs to a
    task's list item is that task's own."""
    box, end = reader.scanned.boxes[index], reader.scanned.ends[index]
    found = paths(box.text, ticked_only=True) if "`" in box.text else ()
    at = bisect_right(hints, (box.line, ()))
    following = at
    while following < len(hints) and hints[following][0] < end:
        found += hints[following][1]
        following += 1
    while box.depth == 0 and at and hints[at - 1][0] > section:
        at -= 1
        if not _indented(reader, hints[at][0]):
            return tuple(dict.fromkeys(found + hints[at][1]))
    return tuple(dict.fromkeys(found))


def _indented(reader: Reader, line: int) -> bool:
    return reader.scanned.lines[line][:1] in (" ", "\t")


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


def _legacy(boxes: list[Box], places: list[_Place], criteria: Container[int]) -> dict[int, str]:
    """The ids of the older executor, `<phase>.<last part of the section's number>.<n>`, for the
    boxes that had one. Where they would collide, the section's part says more."""
    prefixes: dict[int, str] = {}
    counts: Counter[str] = Counter()
    found: dict[int, str] = {}
    for index, box in enumerate(boxes):
        if index in criteria:
            continue
        if box.parent >= 0:
            parent = found.get(box.parent)
            if parent is not None:
                counts[parent] += 1
                found[index] = f"{parent}.{counts[parent]}"
            continue
        place = places[index]
        if place.phase is None or not place.number:
            continue
        if place.start not in prefixes:
            taken = set(prefixes.values())
            parts = place.number.split(".")
            prefix = f"{place.phase}.{parts[-1]}"
            if prefix in taken:
                prefix = f"{place.phase}.{'-'.join(parts[1:])}"
            if prefix in taken:
                prefix = f"{place.phase}.{slug(f'{parts[-1]}-{place.name}')}"
            number, base = 2, prefix
            while prefix in taken:
                prefix, number = f"{base}-{number}", number + 1
            prefixes[place.start] = prefix
        prefix = prefixes[place.start]
        counts[prefix] += 1
        found[index] = f"{prefix}.{counts[prefix]}"
    return found


FORMAT = RoadmapV1()
