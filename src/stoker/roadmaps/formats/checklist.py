"""Any Markdown file with boxes: GFM task lists, Ralph's fix_plan.md, Codex' ExecPlans."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from stoker.roadmaps.document import Phase, Priority, Roadmap
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.outline import Draft, Markdown, Reader, document, trail
from stoker.roadmaps.formats.scanner import Heading
from stoker.roadmaps.formats.words import paths, slug

_PRIORITY = re.compile(r"priority\s+(\d+)\b|\bP(\d)\b|\b(critical|high|medium|low)\s+priority\b",
                       re.IGNORECASE)  # fmt: skip
_NUMBERED: dict[str, Priority] = {"0": "critical", "1": "high", "2": "medium"}
_STAMP = re.compile(r"\((\d{4}-\d\d-\d\d[^)]*)\)\s*")
_BOLD = re.compile(r"\*\*(.+?)\*\*[:.]?$")
_EXEC_PLAN = {"progress", "decision log", "outcomes & retrospective", "context and orientation",
              "plan of work", "concrete steps", "validation and acceptance",
              "surprises & discoveries", "idempotence and recovery"}  # fmt: skip
_ANY = re.compile(rb"^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]*\[[ xX~/-]\][ \t]+\S", re.MULTILINE)


class Checklist(Markdown):
    """Every box is a task, but those under "Acceptance criteria" and the like. Boxes nest by
    indentation. A plan of Codex has its tasks under "Progress" only."""

    name = "checklist"
    title = "Task lists of GitHub Markdown; Ralph's fix_plan.md, ExecPlans of Codex"

    def recognises(self, source: Source) -> int:
        """See `Format`."""
        if source.path.suffix.lower() not in (".md", ".markdown", ".mdx", ".txt", ""):
            return 0
        try:
            data = source.read(source.path)
        except NotReadable:
            return 0
        if not _ANY.search(data):
            return 0
        known = source.path.name.lower() in ("fix_plan.md", "plans.md", "todo.md", "@fix_plan.md")
        return 30 if known else 20

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `Format`."""
        reader = Reader.open(source, source.path, reading)
        scanned = reader.scanned
        sections = reader.sections()
        trails = trail(scanned.headings)
        criteria = reader.criteria(sections)
        names = {heading.text.casefold() for heading in scanned.headings}
        exec_plan = "progress" in names and len(names & _EXEC_PLAN) >= 4
        if exec_plan:  # only its progress is work
            others = [
                index
                for index, section in enumerate(sections)
                if "progress" not in map(str.casefold, trails[section.line] if section else ())
            ]
            criteria = reader.divide(dict.fromkeys(others, -1))
        drafts: list[Draft] = []
        phases: dict[int, Phase] = {}
        groups: dict[int, Heading] = {}
        for heading in scanned.headings:
            if len(trails[heading.line]) == 1:
                group = heading
            if trails[heading.line]:
                groups[heading.line] = group
        known: dict[int, _Place] = {}
        for index, box in enumerate(scanned.boxes):
            section = sections[index]
            line = section.line if section else -1
            if line not in known:
                known[line] = _place(reader, groups.get(line), trails.get(line, ()), phases)
            where = known[line]
            if index in criteria.boxes:
                continue
            fields: dict[str, Any] = {"priority": where.priority} if where.priority else {}
            if "`" in box.text and (files := paths(box.text, ticked_only=True)):
                fields["files"] = files
            if index in criteria.of:
                fields["acceptance"] = criteria.of[index]
            if box.star:
                fields["optional"] = True
            text = _STAMP.sub("", box.text, count=1) if exec_plan else box.text
            title = bold[1] if (bold := _BOLD.match(text)) else text
            drafts.append(
                Draft(
                    index,
                    title.removeprefix("~~").removesuffix("~~"),
                    phase=where.phase,
                    section=section.text if section else None,
                    ancestry=where.above,
                    fields=fields,
                )
            )
        built = reader.tasks(drafts)
        return document(
            self.name,
            source,
            [reader],
            text=reader.intro(),
            phases=tuple(phases.values()),
            tasks=built.tasks,
            acceptance=criteria.general,
            documents=_beside(source),
            problems=built.problems,
        )


class _Place(NamedTuple):
    """What a heading says of the tasks below it."""

    above: tuple[str, ...]
    priority: Priority | None
    phase: str | None


def _place(
    reader: Reader, group: Heading | None, above: tuple[str, ...], phases: dict[int, Phase]
) -> _Place:
    priority = next((found for text in above if (found := _priority(text))), None)
    if group is None:
        return _Place(above, priority, None)
    if group.line not in phases:
        phases[group.line] = Phase(
            id=slug(group.text, {phase.id for phase in phases.values()}),
            name=group.text,
            line=group.line + 1,
            priority=priority or "medium",
            text=reader.before_tasks(group),
        )
    return _Place(above, priority, phases[group.line].id)


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
