"""What a model made of a plan file that no format fits, kept under `.executor/normalised/`.

It holds for the very content that it was made from. Statuses are kept in it, not in the plan
file, into which they go only if somebody asks (`back`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from stoker.roadmaps import glyphs
from stoker.roadmaps.document import Mark, Problem, Roadmap, Status, Task
from stoker.roadmaps.editing import Structured, replacing
from stoker.roadmaps.findings import Findings
from stoker.roadmaps.format import Edit, NotReadable, Reading, Source
from stoker.roadmaps.formats.nesting import Phases
from stoker.roadmaps.json_spans import Json
from stoker.roadmaps.text import Text
from stoker.roadmaps.writing import edited

VERSION: Final = 1
_FOLDER: Final = ".executor/normalised"


class Todo(Struct, frozen=True, kw_only=True):
    """One thing to do, as it is kept."""

    id: str
    line: int
    """Of the plan file, where it is said."""
    title: str
    status: Status
    said: Status
    """What the plan file says of it."""
    phase: str = ""


class Kept(Struct, frozen=True, kw_only=True):
    """The normal form of one plan file."""

    version: int
    source: str
    sha256: str
    """Of the plan file's content."""
    model: str
    title: str
    todos: tuple[Todo, ...]
    problems: tuple[Problem, ...] = ()


class Normalised(Structured):
    """See `format.Format`."""

    name = "normalised"
    title = "prose that --normalize-with-llm had a model read before"

    def recognises(self, source: Source) -> int:
        """See `format.Format`. What a person had made goes before lists of boxes and signs."""
        try:
            self.read(source, Reading())
        except NotReadable:
            return 0
        return 50

    def read(self, source: Source, reading: Reading) -> Roadmap:
        """See `format.Format`. Raises `NotReadable` if the plan file has changed since."""
        relative = source.relative(source.path)
        kept = load(source)
        data = source.read(source.path)
        if kept is None or kept.sha256 != sha256(data).hexdigest():
            found = "none" if kept is None else "that of an earlier content"
            raise NotReadable(
                f"{relative}: expected its normal form, found {found}; "
                "`stoker roadmap parse --normalize-with-llm` makes it"
            )
        path = kept_at(source)
        document = Json(Text(source.read(path), source.relative(path)), "status")
        lines = data.decode(errors="replace").split("\n")
        phases = Phases()
        tasks = []
        for todo, said in zip(kept.todos, document.value["todos"], strict=True):
            line = lines[todo.line - 1].rstrip("\r") if todo.line <= len(lines) else ""
            tasks.append(
                Task(
                    id=todo.id,
                    title=todo.title,
                    line=todo.line,
                    column=len(line) - len(line.lstrip()) + 1,
                    context=line.strip(),
                    status=todo.status,
                    mark=document.mark(said, "status"),
                    phase=phases.of(todo.phase, todo.line),
                    section=todo.phase or None,
                )
            )
        return self.document(
            source,
            relative,
            data,
            tasks,
            Findings(relative, kept.problems),
            title=kept.title,
            phases=tuple(phases.values()),
            documents=(relative,),
        )

    def says(self, source: Source, now: Task, mark: Mark, status: Status) -> str:
        """See `Structured`. Of the normal form; the plan file stays."""
        return f'"{status}"'


FORMAT: Final = Normalised()


def kept_at(source: Source) -> Path:
    """Where the normal form of a plan file is kept."""
    relative = source.relative(source.path)
    name = re.sub(r"[^\w.-]+", "-", relative)[-60:]
    return source.root / _FOLDER / f"{name}-{sha256(relative.encode()).hexdigest()[:8]}.json"


def load(source: Source) -> Kept | None:
    """The normal form that is kept of a plan file, whatever content it was made from."""
    try:
        kept = msgspec.json.decode(source.read(kept_at(source)), type=Kept)
    except (NotReadable, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return kept if kept.version == VERSION else None


def back(source: Source, roadmap: Roadmap) -> Sequence[Edit]:
    """What brings the statuses that are kept into the plan file, where it has signs for them:
    edits of both files, to be made together. Raises `NotReadable`."""
    data = source.read(source.path)
    text = Text(data, roadmap.source)
    lines = text.text.split("\n")
    shared = Counter(task.line for task in roadmap.tasks)
    edits: list[Edit] = []
    at = 0
    starts = []
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    for task in roadmap.tasks:
        sign = glyphs.sign_of(lines[task.line - 1].rstrip("\r"))
        if sign is None or sign.status == task.status or not sign.end or shared[task.line] > 1:
            continue
        start = starts[task.line - 1]
        mark = text.mark(start + sign.start, start + sign.end)
        after = glyphs.written(mark.text, task.status)
        if after is not None:
            edits += replacing(source, mark, after)
    if edits:
        digest = sha256(edited(data, roadmap.source, edits)).hexdigest()
        path = kept_at(source)
        document = Json(Text(source.read(path), source.relative(path)), "sha256")
        if (place := document.mark(document.value, "sha256")) is not None:
            edits += replacing(source, place, f'"{digest}"')
    return edits
