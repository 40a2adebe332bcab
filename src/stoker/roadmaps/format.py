"""What a format of plan files must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from stoker.roadmaps.document import Problem, Roadmap, Status, Task


class NotReadable(Exception):
    """A plan file that cannot be read: not there, not text, not of its format, too large. The
    message names the file, the line if there is one, what was found and what was expected."""


class Source(Struct, frozen=True, kw_only=True):
    """A plan file, or a directory of them, and what may be read beside it."""

    root: Path
    """The repository, or the directory of the file; nothing outside is read."""
    path: Path
    """Absolute, under `root`."""

    def read(self, path: Path) -> bytes:
        """At most 16 MiB of a regular file under `root`, links followed only within it. Raises
        `NotReadable`."""
        resolved = path.resolve()
        if not resolved.is_relative_to(self.root.resolve()):
            raise NotReadable(f"{path}: expected a file under {self.root}, it leads outside")
        try:
            if not resolved.is_file():
                raise NotReadable(f"{path}: expected a file, found none")
            if (size := resolved.stat().st_size) > _LIMIT:
                raise NotReadable(f"{path}: expected at most {_LIMIT:,} bytes, found {size:,}")
            return resolved.read_bytes()
        except OSError as error:
            raise NotReadable(f"{path}: {error.strerror}") from error

    def relative(self, path: Path) -> str:
        """`path` as documents name it."""
        return path.relative_to(self.root).as_posix()


class Edit(Struct, frozen=True, kw_only=True):
    """A change of bytes in a plan file; made only if `before` is still there, and the lines
    around it are still those that were read. See `writing`."""

    path: str
    start: int
    before: bytes
    after: bytes
    on_line: str = ""
    """What must be written on that line."""
    below: str = ""
    """What must follow that line, apart from the state of boxes; lines end with `\\n`."""


class Reading(Struct, frozen=True, kw_only=True):
    """How a plan file is to be read."""

    include_fenced: bool = False
    """Boxes in fenced code count as tasks."""
    tag: str | None = None
    """The tag of a Task Master file; default: its current one."""


class Format(ABC):
    """A format of plan files. Stateless; one instance, the module's `FORMAT`."""

    name: str
    """As `--format` takes it, such as `spec-kit`."""
    title: str
    """For people, with where it comes from."""

    @abstractmethod
    def recognises(self, source: Source) -> int:
        """How sure it is that `source` is of this format: 0 (it is not) to 100 (nothing else
        can be). Reads as little as it can; never raises."""

    @abstractmethod
    def read(self, source: Source, reading: Reading) -> Roadmap:
        """The document. What is doubtful becomes a problem of it. Raises `NotReadable`."""

    @abstractmethod
    def edits(self, source: Source, roadmap: Roadmap, task: Task, status: Status) -> Sequence[Edit]:
        """What to change so that `task` has `status`; nothing if it says so already, or if the
        format cannot say it. Pure: writes nothing."""

    def document(
        self,
        source: Source,
        path: str,
        data: bytes,
        tasks: Sequence[Task],
        problems: Sequence[Problem],
        **fields: Any,
    ) -> Roadmap:
        """A roadmap of the file or directory `path`, whose content is `data`."""
        return Roadmap(
            source=path,
            root=str(source.root),
            format=self.name,
            sha256=sha256(data).hexdigest(),
            tasks=tuple(tasks),
            problems=tuple(problems),
            **fields,
        )


_LIMIT = 16 * 1024 * 1024
