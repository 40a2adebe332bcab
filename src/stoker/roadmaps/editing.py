"""Edits of plan files whose tasks have ids of their own, such as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from stoker.roadmaps.document import Mark, Roadmap, Task
from stoker.roadmaps.format import Edit, NotReadable, Source

_PREFIX = 200


def as_it_is(now: Roadmap, task: Task) -> Task:
    """A task in its document as it is by now, wherever it has moved to. Raises `NotReadable` if
    it is no longer there."""
    found = [one for one in now.walk() if one.id == task.id]
    if not found:
        raise NotReadable(f"{now.source}: expected a task {task.id}, found none")
    return next((one for one in found if one.line == task.line), found[0])


def replacing(source: Source, mark: Mark, after: str) -> Sequence[Edit]:
    """The edit that puts `after` where `mark` is, guarded by what stands before it on its line."""
    data = source.read(source.root / mark.path)
    first = max(data.rfind(b"\n", 0, mark.start) + 1, mark.start - _PREFIX)
    before = data[first : mark.start].decode(errors="ignore")
    return (
        Edit(
            path=mark.path,
            start=mark.start,
            before=mark.text.encode(),
            after=after.encode(),
            on_line=before,
        ),
    )
