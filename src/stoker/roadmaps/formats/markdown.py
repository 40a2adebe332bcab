"""What formats of Markdown files share: how they are known and how a status is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

from stoker.roadmaps.document import Roadmap, Status, Task
from stoker.roadmaps.findings import Findings
from stoker.roadmaps.format import Edit, Format, NotReadable, Source
from stoker.roadmaps.formats.reader import Reader


class Markdown(Format):
    """Base of these formats."""

    marks: ClassVar[Mapping[Status, str]] = {"done": "x", "pending": " "}
    suffixes: ClassVar[Sequence[str]] = (".md",)
    inside: ClassVar[str] = ""
    """The file that a directory is read by."""

    def file(self, path: Path) -> Path:
        """The file with the tasks."""
        return path / self.inside if self.inside and path.is_dir() else path

    def recognises(self, source: Source) -> int:
        """See `Format`."""
        path = self.file(source.path)
        if path.suffix.lower() not in self.suffixes:
            return 0
        try:
            return self.sure(path, source.read(path))
        except NotReadable:
            return 0

    def sure(self, path: Path, data: bytes) -> int:
        """How sure it is of this content."""
        raise NotImplementedError

    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> list[Edit]:
        """See `Format`."""
        after = self.marks.get(status)
        if task.mark is None or after is None or task.status == status:
            return []
        mark = task.mark
        return [
            Edit(
                path=mark.path,
                start=mark.start,
                before=mark.text.encode(),
                after=after.encode(),
                on_line=task.title,
                below=task.context,
            )
        ]

    def of_readers(
        self, source: Source, readers: Sequence[Reader], tasks: tuple[Task, ...], **fields: Any
    ) -> Roadmap:
        """A roadmap of what was read."""
        path = source.relative(source.path)
        found = (one for reader in readers for one in (*reader.scanned.problems, *reader.problems))
        problems = Findings(path, found)
        if not tasks:
            problems.tell((1, 1), "no-tasks", "expected at least one task, found none", "warning")
        data = b"".join(reader.data for reader in readers)
        fields = {"title": readers[0].title(), "text": readers[0].intro(), **fields}
        problems.sort(key=attrgetter("path", "line"))
        return self.document(source, path, data, tasks, problems, **fields)
