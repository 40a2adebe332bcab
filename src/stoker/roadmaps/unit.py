"""What one step of a roadmap's run works at: a task, a subtask, or tasks that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from stoker.roadmaps.document import Task
from stoker.roadmaps.settings import Options


class Unit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tasks that are worked at, verified and committed together."""

    tasks: tuple[Task, ...]
    """In the order of the file; not empty."""
    options: Options = Options()
    goal: str = ""
    """Of the phase."""
    said: tuple[str, ...] = ()
    """By people, of work for it that they turned down in earlier runs."""

    @property
    def id(self) -> str:
        """The step's: the first task's."""
        return self.tasks[0].id.replace("/", "-")

    @property
    def ids(self) -> tuple[str, ...]:
        """The tasks' ids."""
        return tuple(task.id for task in self.tasks)

    @property
    def title(self) -> str:
        """In a line."""
        first = self.tasks[0].title
        return first if len(self.tasks) == 1 else f"{first} and {len(self.tasks) - 1} more"

    @property
    def files(self) -> tuple[str, ...]:
        """What its tasks and their subtasks name."""
        return tuple(dict.fromkeys(path for task in family(self.tasks) for path in task.files))

    @property
    def gate(self) -> bool:
        """Nothing is to be made."""
        return all(task.gate for task in self.tasks)


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all units of a run have in common."""

    root: str
    """The repository's top directory, absolute."""
    source: str
    """The plan file, absolute."""
    format: str
    branch: str
    """Where the work is gathered."""
    base: str
    """The branch's commit when the run began."""
    sha256: str = ""
    """Of the plan file, as it was then."""
    title: str = ""
    plan_files: tuple[str, ...] = ()
    """Files of the repository that only this program may tick."""
    include_fenced: bool = False
    tag: str | None = None
    sync: bool = True
    """Boxes are ticked."""
    tag_every: int | None = None
    """A tag after so many checkpoints."""

    @property
    def plan_id(self) -> str:
        """Of the runs that gather their work there."""
        return f"roadmap-{self.branch.rpartition('/')[2]}"


def family(tasks: Sequence[Task]) -> Iterator[Task]:
    """Tasks and their subtasks, parents first."""
    for task in tasks:
        yield task
        yield from family(task.subtasks)


def is_open(task: Task) -> bool:
    """It is still to be done, as its file says."""
    return task.status in ("pending", "in_progress", "review")
