"""Lists whose items have signs for their status: emoji, `TODO`, boxes, a line through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stoker.roadmaps import glyphs
from stoker.roadmaps.document import Mark, Roadmap, Status, Task
from stoker.roadmaps.editing import Structured
from stoker.roadmaps.findings import Findings
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.nesting import Phases, nested
from stoker.roadmaps.formats.scanned import BOXED, TEXT
from stoker.roadmaps.formats.scanner import scan
from stoker.roadmaps.identity import name
from stoker.roadmaps.text import Text

_SUFFIXES: Final = (".md", ".markdown", ".mdx", ".txt", "")


class Glyphs(Structured):
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
        phases = Phases()
        titles = [(sign.text, (above or "",)) for _, _, sign, above in found]
        ids, _ = name([""] * len(found), titles.__getitem__, lambda n: "")
        tasks = [
            Task(
                id=identity,
                title=sign.text,
                line=number + 1,
                column=sign.indent + 1,
                status=sign.status,
                mark=text.mark(at + sign.start, at + sign.end) if sign.end else None,
                phase=phases.of(above, number + 1),
                section=above,
            )
            for identity, (number, at, sign, above) in zip(ids, found, strict=True)
        ]
        problems = Findings(relative)
        problems += scanned.problems
        if not tasks:
            problems.tell((1, 1), "no-tasks", "expected a list with signs, found none", "warning")
        return self.document(
            source,
            relative,
            data,
            nested(tasks, _parents(found)),
            problems,
            title=title,
            phases=tuple(phases.values()),
        )

    def says(self, source: Source, now: Task, mark: Mark, status: Status) -> str | None:
        """See `Structured`. A line through stays."""
        return glyphs.written(mark.text, status)


FORMAT: Final = Glyphs()


def _parents(found: Sequence[tuple[int, int, glyphs.Sign, str | None]]) -> list[int]:
    """Those indented further than the one above, of the same section, are its subtasks."""
    parents: list[int] = []
    open_: list[int] = []
    for index, (_, _, sign, section) in enumerate(found):
        while open_ and (
            found[open_[-1]][2].indent >= sign.indent or found[open_[-1]][3] != section
        ):
            open_.pop()
        parents.append(open_[-1] if open_ else -1)
        open_.append(index)
    return parents
