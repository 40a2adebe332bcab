"""GitHub's spec-kit: specs/NNN-slug/tasks.md with its phases, and the documents beside it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Set
from functools import lru_cache
from operator import attrgetter
from pathlib import Path

from stoker.roadmaps.document import Gate, Phase, Priority, Roadmap
from stoker.roadmaps.format import Reading, Source
from stoker.roadmaps.formats.criteria import criteria_of, divide
from stoker.roadmaps.formats.drafts import Draft, tasks_of
from stoker.roadmaps.formats.markdown import Markdown
from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.scanned import BOXED, FENCE
from stoker.roadmaps.formats.words import paths
from stoker.roadmaps.identity import Names, slug

_TASK = re.compile(r"(?:\*\*)?(T\d{3,}+[a-z]?+)\b[:.]?(?:\*\*)?:?\s*((?:\[[^\]]++\]\s*+)*)(.+)")
_LINE = re.compile(rb"^[ \t]*[-*] \[[ xX]\] (?:\*\*)?T\d{3,}[a-z]?\b", re.MULTILINE)
_LABEL = re.compile(r"\[([^\]]+)\]")
_ID = r"T\d{3,9}[a-z]?"
_IDS = re.compile(_ID)
_DEPENDS = re.compile(
    rf"\b(?:depends?|depending|blocked)\s+(?:on|by):?\s+"
    rf"({_ID}(?:(?:\s*(?:,|&|and|-|–|to|,\s*and)\s*){_ID})*)",
    re.IGNORECASE,
)
_ONE = re.compile(rf"\bdepends on ({_ID})\)$")
"""As most write it."""
_RANGE = re.compile(r"T(\d{3,9})[a-z]?\s*(?:-|–|to)\s*T(\d{3,9})")
_PHASE = re.compile(r"phase\s+([\w.]+)\s*(?:[:–—-]\s*(.*))?$", re.IGNORECASE)
_PRIORITY = re.compile(r"\(\s*priority:\s*P(\d)\s*\)|\bP(\d)\b", re.IGNORECASE)
_PRIORITIES: dict[str, Priority] = {"0": "critical", "1": "high", "2": "medium"}
_WORD = re.compile(
    r"\*\*(purpose|goal|independent test|checkpoint)\b[^*]*\*\*:?\s*(.*)$", re.IGNORECASE
)
_DOCUMENTS = ("spec.md", "plan.md", "data-model.md", "research.md", "quickstart.md")
_CONSTITUTIONS = (".specify/memory/constitution.md", "memory/constitution.md")


class SpecKit(Markdown):
    """Tasks have ids (T012), `[P]` and `[US1]`; phases are barriers; checklists are gates."""

    name = "spec-kit"
    title = "spec-kit (GitHub): specs/NNN-slug/tasks.md"

    inside = "tasks.md"

    def sure(self, path: Path, data: bytes) -> int:
        """See `Markdown`."""
        known = len(_LINE.findall(data)) if "templates" not in path.parts else 0
        if not known:
            return 0
        return 95 if (path.parent / "spec.md").exists() or known > 2 else 75

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        path = self.file(source.path)
        reader = Reader(source, path, reading)
        phases = _phases(reader)
        of_section: dict[int, Phase | None] = {-1: None}
        phase: Phase | None = None
        for heading in reader.scanned.headings:
            if heading.level <= 2:
                phase = phases.get(heading.line)
            of_section[heading.line] = phase
        criteria = criteria_of(reader)
        drafts: list[Draft] = []
        others: dict[int, int] = {}
        matches = [_TASK.match(box.text) for box in reader.scanned.boxes]
        known = {found[1] for found in matches if found}
        for index, box, line in criteria.others(reader):
            phase, found = of_section[line], matches[index]
            if found is None and box.parent < 0:
                if phase is None:
                    others[index] = -1
                    continue
                said = f"expected an id such as T012 before {box.text[:40]!r}"
                reader.tell("box-without-id", said, box)
            draft = Draft(index, box.text, "", "", phase.id if phase else None)
            if found:
                draft.explicit, labels, draft.title = found.groups()
                draft.parallel, draft.references = _labels(labels)
                draft.depends_on = _depends(draft.title, known)
            draft.files = paths(draft.title)
            drafts.append(draft)
        tasks = tasks_of(reader, drafts, criteria.of, _ends(reader))
        lists = _checklists(source, path, reading)
        return self.of_readers(
            source,
            [reader, *(checklist for _, checklist in lists)],
            tasks,
            phases=tuple(phases.values()),
            gates=tuple(gate for gate, _ in lists),
            acceptance=(*criteria.general, *divide(reader, others).general),
            documents=_documents(source, path),
        )


def _phases(reader: Reader) -> dict[int, Phase]:
    """The phases, by the lines of their headings."""
    found: dict[int, Phase] = {}
    names = Names()
    outer = [heading for heading in reader.scanned.headings if heading.level <= 2]
    ends = [*(heading.line for heading in outer[1:]), len(reader.scanned.lines)]
    for heading, end in zip(outer, ends, strict=False):
        match = _PHASE.match(heading.text) if heading.level == 2 else None
        if match is None:
            continue
        words = _words(reader, heading.line + 1, end)
        tests = (words.get("independent test"), words.get("checkpoint"))
        priority = _PRIORITY.search(heading.text)
        found[heading.line] = Phase(
            id=names.take(match[1] if match[1] not in names else slug(heading.text)),
            name=(match[2] or "").strip(),
            line=heading.line + 1,
            path="" if reader.main else reader.relative,
            goal=words.get("goal") or words.get("purpose", ""),
            priority=_PRIORITIES.get(priority[1] or priority[2], "low") if priority else "medium",
            barrier=True,
            test_strategy="\n".join(filter(None, tests)),
            text=reader.before_tasks(heading),
        )
    return found


def _words(reader: Reader, first: int, last: int) -> dict[str, str]:
    """What a phase's paragraphs `**Goal**: ...` say, with the lists below them."""
    scanned = reader.scanned
    found: dict[str, list[str]] = {}
    key = ""
    for number in range(first, last):
        line = scanned.lines[number].strip()
        if match := _WORD.match(line) if "**" in line else None:
            key = match[1].lower()
            found[key] = [match[2]]
        elif not line or scanned.kinds[number] in (BOXED, FENCE) or line == "---":
            key = ""
        elif key:
            found[key].append(line)
    return {key: "\n".join(said) for key, said in found.items()}


def _ends(reader: Reader) -> list[int]:
    """A task's text ends before the line that ends its phase."""
    scanned = reader.scanned
    ends = list(scanned.ends)
    stops = [number for number, line in enumerate(scanned.lines) if "**" in line]
    for stop in stops:
        if _WORD.match(scanned.lines[stop].strip()):
            open_ = bisect_left(scanned.boxes, stop, key=attrgetter("line")) - 1
            while open_ >= 0:
                ends[open_] = min(ends[open_], stop)
                open_ = scanned.boxes[open_].parent
    return ends


@lru_cache(maxsize=256)
def _labels(text: str) -> tuple[bool, tuple[str, ...]]:
    """Whether `[P]` is among them, and the others."""
    labels = _LABEL.findall(text)
    return "P" in labels, tuple(label for label in labels if label != "P")


def _depends(text: str, known: Set[str]) -> tuple[str, ...] | None:
    """The ids of `(depends on T010, T012-T014)`; of a range those that are `known`."""
    small = text.lower()
    begin = 0 if "blocked" in small else small.find("depend")
    if begin < 0:
        return None
    if one := _ONE.match(text, begin):
        return (one[1],)
    found: dict[str, None] = {}
    for named in _DEPENDS.findall(text, begin):
        ids = _IDS.findall(named)
        found |= dict.fromkeys(ids)
        for first, last in _RANGE.findall(named) if len(ids) > 1 else ():
            numbers = range(int(first), min(int(last), int(first) + 1000) + 1)
            inside = (f"T{number:0{len(first)}}" for number in numbers)
            found |= dict.fromkeys(task for task in inside if task in known)
    return tuple(sorted(found)) or None


def _checklists(source: Source, path: Path, reading: Reading) -> list[tuple[Gate, Reader]]:
    found = []
    for file in sorted((path.parent / "checklists").glob("*.md")):
        reader = Reader(source, file, reading)
        items = tuple(reader.criterion(box) for box in reader.scanned.boxes)
        found.append((Gate(name=file.stem, path=reader.relative, items=items), reader))
    return found


def _documents(source: Source, path: Path) -> tuple[str, ...]:
    beside = [path.parent / name for name in _DOCUMENTS]
    contracts = sorted((path.parent / "contracts").rglob("*"))
    constitutions = [source.root / name for name in _CONSTITUTIONS]
    every = (*beside, *contracts, *constitutions)
    return tuple(source.relative(file) for file in every if file.is_file())


FORMAT = SpecKit()
