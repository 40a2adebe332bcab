"""What formats share whose tasks have ids of their own, such as those of JSON."""

from __future__ import annotations

from collections.abc import Sequence

from stoker.roadmaps.document import Mark, Roadmap, Status, Task
from stoker.roadmaps.format import Edit, Format, NotReadable, Reading, Source

_PREFIX = 200


class Structured(Format):
    """How their statuses are written."""

    def says(self, source: Source, now: Task, mark: Mark, status: Status) -> str | None:
        """What takes the place of a task's mark; None if the format has no word for it."""
        raise NotImplementedError

    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> Sequence[Edit]:
        """See `Format`. Of the task where it is by now. Raises `NotReadable`."""
        now = self.again(source, task)
        found = [one for one in now.walk() if one.id == task.id]
        if not found:
            raise NotReadable(f"{now.source}: expected a task {task.id}, found none")
        one = next((one for one in found if one.line == task.line), found[0])
        if one.mark is None or one.status == status:
            return ()
        after = self.says(source, one, one.mark, status)
        return replacing(source, one.mark, after) if after is not None else ()

    def again(self, source: Source, task: Task) -> Roadmap:
        """The document with a task, as it is by now. Raises `NotReadable`."""
        return self.read(source, Reading(tag=task.phase))


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
