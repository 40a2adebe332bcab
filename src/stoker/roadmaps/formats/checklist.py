"""Any Markdown file with boxes: GFM task lists, Ralph's fix_plan.md, ExecPlans of Codex."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from stoker.roadmaps.document import Phase, Priority, Roadmap
from stoker.roadmaps.format import Reading, Source
from stoker.roadmaps.formats.criteria import criteria_of, divide
from stoker.roadmaps.formats.drafts import Draft, tasks_of
from stoker.roadmaps.formats.markdown import Markdown
from stoker.roadmaps.formats.reader import Reader
from stoker.roadmaps.formats.words import ticked
from stoker.roadmaps.identity import Names, slug

_PRIORITY = re.compile(r"priority\s+(\d+)\b|\bP(\d)\b|\b(critical|high|medium|low)\s+priority\b",
                       re.IGNORECASE)  # fmt: skip
_NUMBERED: dict[str, Priority] = {"0": "critical", "1": "high", "2": "medium"}
_STAMP = re.compile(r"^\(\d{4}-\d\d-\d\d[^()]*\)\s*")
_BOLD = re.compile(r"\*\*(.+?)\*\*[:.]?$")
_EXEC_PLAN = {"progress", "decision log", "outcomes & retrospective", "context and orientation",
              "plan of work", "concrete steps", "validation and acceptance",
              "surprises & discoveries", "idempotence and recovery"}  # fmt: skip
_ANY = re.compile(rb"^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]*\[[ xX~/-]\][ \t]+\S", re.MULTILINE)
_USUAL = ("fix_plan.md", "plans.md", "todo.md", "@fix_plan.md")


class Checklist(Markdown):
    """Every box is a task, but those under "Acceptance criteria" and the like. Boxes nest by
    indentation. A plan of Codex has its tasks under "Progress" only."""

    name = "checklist"
    title = "Task lists of GitHub Markdown; Ralph's fix_plan.md, ExecPlans of Codex"
    suffixes = (".md", ".markdown", ".mdx", ".txt", "")

    def sure(self, path: Path, data: bytes) -> int:
        """See `Markdown`."""
        return (30 if path.name.lower() in _USUAL else 20) if _ANY.search(data) else 0

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        reader = Reader(source, source.path, reading)
        names = {heading.text.casefold() for heading in reader.scanned.headings}
        exec_plan = "progress" in names and len(names & _EXEC_PLAN) >= 4
        criteria = criteria_of(reader)
        if exec_plan:  # only its progress is work
            others = [
                index
                for index, section in enumerate(reader.sections)
                if "progress"
                not in map(str.casefold, reader.trails[section.line if section else -1])
            ]
            criteria = divide(reader, dict.fromkeys(others, -1))
        places, phases = _places(reader)
        drafts: list[Draft] = []
        for index, box, line in criteria.others(reader):
            where = places[line]
            text = _STAMP.sub("", box.text) if exec_plan else box.text
            title = bold[1] if text[:1] == "*" and (bold := _BOLD.match(text)) else text
            if "~~" in title:
                title = title.removeprefix("~~").removesuffix("~~")
            files = ticked(box.text)
            drafts.append(Draft(index, title, "", "", where.phase, files, where.priority, box.star))
        return self.of_readers(
            source,
            [reader],
            tasks_of(reader, drafts, criteria.of),
            phases=tuple(phases),
            acceptance=criteria.general,
            documents=_beside(source),
        )


class _Place(NamedTuple):
    """What a heading says of the tasks below it."""

    priority: Priority | None
    phase: str | None


def _places(reader: Reader) -> tuple[dict[int, _Place], list[Phase]]:
    """By the lines of headings that have boxes, and -1 for none; and the outermost of these
    headings as phases."""
    used = {section.line for section in reader.sections if section}
    names = Names()
    found = {-1: _Place(None, None)}
    phases: list[Phase] = []
    phase = None
    for heading in reader.scanned.headings:
        above = reader.trails[heading.line]
        if len(above) == 1:
            group, phase = heading, None
        if heading.line not in used:
            continue
        priority = next((one for text in above if (one := _priority(text))), None)
        if above and phase is None:
            phase = names.take(slug(group.text))
            phases.append(
                Phase(
                    id=phase,
                    name=group.text,
                    line=group.line + 1,
                    priority=priority or "medium",
                    text=reader.before_tasks(group),
                )
            )
        found[heading.line] = _Place(priority, phase if above else None)
    return found, phases


def _priority(text: str) -> Priority | None:
    found = _PRIORITY.search(text)
    if found is None:
        return None
    if number := found[1] or found[2]:
        return _NUMBERED.get(number, "low")
    return found[3].lower()  # type: ignore[return-value]


def _beside(source: Source) -> tuple[str, ...]:
    """What Ralph's loop gives its agent beside its plan."""
    if source.path.name.lstrip("@").lower() != "fix_plan.md":
        return ()
    folder = source.path.parent
    named = [folder / name for name in ("PROMPT.md", "AGENT.md")]
    specs = sorted((folder / "specs").rglob("*.md"))
    return tuple(source.relative(path) for path in (*named, *specs) if path.is_file())


FORMAT = Checklist()
