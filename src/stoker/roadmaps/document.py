"""What a plan file says, whatever its format: the normal form, immutable.

`stoker roadmap parse FILE --json` prints it. Lines and columns count from 1, columns in
characters; where a status is written is a span of bytes of the file, so that it can be
changed without touching anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

Status = Literal["pending", "in_progress", "review", "done", "blocked", "deferred", "skipped"]
"""What a task's author says of it. `skipped`: it shall not be done (cancelled, N/A)."""
Priority = Literal["low", "medium", "high", "critical"]
DEEPEST: Final = 16
"""So deep tasks may nest: each holds the text of what is below it. What is deeper is taken as of
this level, which is a problem `deep-nesting`."""


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the document's parts. Immutable, thus without cycles: nothing to collect."""


class Mark(Item, frozen=True):
    """Where a status is written: `data[start:end] == text`, in bytes of `path`."""

    path: str
    """Relative to the roadmap's root, `/` between the parts."""
    start: int
    end: int
    text: str


class Criterion(Item, frozen=True):
    """Something that must hold for a task to be done. Its box is not a task."""

    text: str
    done: bool = False
    line: int = 0
    mark: Mark | None = None


class CodeBlock(Item, frozen=True):
    """Code given with a task."""

    language: str
    text: str
    line: int


class Task(Item, frozen=True):
    """One piece of work. `omit_defaults` makes its JSON short; every field has a default but
    the identity and the position."""

    id: str
    """Unique in the document, and stable: the written one, or one that follows from what the
    task says and under what it stands; see `identity`."""
    title: str
    line: int
    column: int
    path: str = ""
    """The file it stands in, if that is not the document's source."""
    description: str = ""
    context: str = ""
    """Everything that is written with it, as it stands in the file."""
    status: Status = "pending"
    mark: Mark | None = None
    """None: the format has no place for a status of this task."""
    explicit: bool = False
    """Its author gave it the id."""
    phase: str | None = None
    """Id of its phase."""
    section: str | None = None
    """The heading it stands under, as written, without the hashes."""
    priority: Priority | None = None
    files: tuple[str, ...] = ()
    """What it will touch or make, as its author says; relative to the repository."""
    depends_on: tuple[str, ...] = ()
    parallel: bool = False
    """Its author says it may run beside others."""
    optional: bool = False
    gate: bool = False
    """Nothing is to be made: verification must pass here before what follows may begin."""
    verify: str | None = None
    """A shell command its author gave to verify it by."""
    test_strategy: str = ""
    """How it is to be tested, in words."""
    references: tuple[str, ...] = ()
    """Requirements, stories and properties it names."""
    acceptance: tuple[Criterion, ...] = ()
    code: tuple[CodeBlock, ...] = ()
    subtasks: tuple[Task, ...] = ()


class Phase(Item, frozen=True):
    """A group of tasks under a heading, a story, a tag."""

    id: str
    name: str
    line: int
    path: str = ""
    goal: str = ""
    priority: Priority = "medium"
    effort: str = ""
    depends_on: tuple[str, ...] = ()
    """Ids of phases that must be done before."""
    barrier: bool = False
    """Every phase before it must be done first, because the format says so."""
    verify: str | None = None
    test_strategy: str = ""
    text: str = ""
    """What stands between its heading and its first task."""


class Gate(Item, frozen=True):
    """A checklist that must be complete before the work begins; its boxes are no tasks."""

    name: str
    path: str
    items: tuple[Criterion, ...] = ()


class Problem(Item, frozen=True):
    """Something wrong or doubtful in a plan file. Errors keep it from being run."""

    severity: Literal["error", "warning", "note"]
    code: str
    """Stable, for tools: `duplicate-id`, `unbalanced-fence`, `fenced-boxes`, ..."""
    message: str
    path: str
    line: int
    column: int = 1


class Roadmap(Item, frozen=True):
    """A plan file, read."""

    source: str
    """The path it was read from, relative to `root`; a directory for formats of many files."""
    root: str
    """Absolute; the repository or the directory that all paths are relative to."""
    format: str
    sha256: str
    """Of every file it was read from."""
    title: str = ""
    text: str = ""
    """What stands before the first phase or task: aims, context."""
    phases: tuple[Phase, ...] = ()
    tasks: tuple[Task, ...] = ()
    gates: tuple[Gate, ...] = ()
    acceptance: tuple[Criterion, ...] = ()
    """What must hold when all is done."""
    documents: tuple[str, ...] = ()
    """Files that belong to it and that an agent should know, such as a spec and its design."""
    problems: tuple[Problem, ...] = ()

    def walk(self) -> Iterator[Task]:
        """Every task and subtask, in the order of the file, parents first."""
        pending = list(reversed(self.tasks))
        while pending:
            task = pending.pop()
            yield task
            pending.extend(reversed(task.subtasks))
