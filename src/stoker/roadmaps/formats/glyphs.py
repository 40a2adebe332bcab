"""Lists whose items have signs for their status: emoji, `TODO`, boxes, a line through."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from stoker.roadmaps import glyphs
from stoker.roadmaps.document import Phase, Roadmap, Status, Task
from stoker.roadmaps.editing import as_it_is, replacing
from stoker.roadmaps.findings import Findings
from stoker.roadmaps.format import Edit, NotReadable, Reading, Source
from stoker.roadmaps.formats.scanner import BOXED, TEXT, scan
from stoker.roadmaps.identity import name, slug
from stoker.roadmaps.text import Text

_SUFFIXES: Final = (".md", ".markdown", ".mdx", ".txt", "")


class Glyphs:
    """See `format.Format`."""

    name = "glyphs"
    title = "lists with signs such as ✅ ⏳ TODO DONE ~~done~~"

    def recognises(self, source: Source) -> int:
        """See `format.Format`."""
        if source.path.suffix.lower() not in _SUFFIXES or source.path.is_dir():
            return 0
        try:
            text = Text(source.read(source.path), "").text
        except NotReadable:
            return 0
        signs = [sign for line in text.splitlines() if (sign := glyphs.sign_of(line))]
        boxes = sum(sign.box for sign in signs)
        if boxes == len(signs):
            return 0
        return 25 if len(signs) - boxes > boxes else 15

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `format.Format`."""
        data = source.read(source.path)
        relative = source.relative(source.path)
        text = Text(data, relative)
        scanned = scan(data, relative, include_fenced=reading.include_fenced)
        lines = text.text.split("\n")
        kinds = scanned.kinds if len(scanned.kinds) == len(lines) else bytes(len(lines))
        headings = {heading.line: heading for heading in scanned.headings}
        found: list[tuple[int, int, glyphs.Sign, str | None]] = []
        at = 0
        section: str | None = None
        title = ""
        for number, line in enumerate(lines):
            if number in headings:
                heading = headings[number]
                title = title or (heading.text if heading.level == 1 else "")
                section = heading.text if heading.level > 1 else section
            elif kinds[number] in (TEXT, BOXED) and (sign := glyphs.sign_of(line.rstrip("\r"))):
                found.append((number, at, sign, section))
            at += len(line) + 1
        phases: dict[str, Phase] = {}
        ids, _ = name([""] * len(found), lambda n: (found[n][2].text, (found[n][3] or "",), ""))
        tasks = []
        for identity, (number, at, sign, above) in zip(ids, found, strict=True):
            tasks.append(
                Task(
                    id=identity,
                    title=sign.text,
                    line=number + 1,
                    column=sign.indent + 1,
                    status=sign.status,
                    mark=text.mark(at + sign.start, at + sign.end) if sign.end else None,
                    phase=_phase(above, phases, number),
                    section=above,
                )
            )
        problems = Findings(relative)
        if not tasks:
            problems.tell((1, 1), "no-tasks", "expected a list with signs, found none", "warning")
        return Roadmap(
            source=relative,
            root=str(source.root),
            format=self.name,
            sha256=sha256(data).hexdigest(),
            title=title,
            phases=tuple(phases.values()),
            tasks=_nested(tasks, [sign.indent for _, _, sign, _ in found]),
            problems=(*scanned.problems, *problems),
        )

    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> Sequence[Edit]:
        """See `format.Format`. A line through stays. Raises `NotReadable`."""
        now = as_it_is(self.read(source, Reading()), task)
        if now.mark is None or now.status == status:
            return ()
        after = glyphs.written(now.mark.text, status)
        return replacing(source, now.mark, after) if after is not None else ()


FORMAT: Final = Glyphs()


def _phase(section: str | None, phases: dict[str, Phase], number: int) -> str | None:
    if section is None:
        return None
    known = next((phase.id for phase in phases.values() if phase.name == section), None)
    if known is None:
        known = slug(section)
        phases[known] = Phase(id=known, name=section, line=number + 1)
    return known


def _nested(tasks: list[Task], indents: list[int]) -> tuple[Task, ...]:
    """Those indented further than the one above, of the same section, are its subtasks."""
    open_: list[tuple[int, str | None, list[Task]]] = [(-1, None, [])]
    for task, indent in zip(reversed(tasks), reversed(indents), strict=True):
        # From the end: what is deeper and comes after a task waits for it on the stack.
        below: list[Task] = []
        while open_[-1][0] > indent and open_[-1][1] == task.section:
            below += reversed(open_.pop()[2])
        found = replace(task, subtasks=tuple(below)) if below else task
        if open_[-1][:2] == (indent, task.section):
            open_[-1][2].append(found)
        else:
            open_.append((indent, task.section, [found]))
    return tuple(task for *_, level in reversed(open_) for task in reversed(level))
