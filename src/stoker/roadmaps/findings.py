"""What a reader of structured data finds wrong with it, and how it reads words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from reprlib import repr as short
from typing import Any, Final, Literal, get_args

from stoker.roadmaps.document import Priority, Problem, Task

Severity = Literal["error", "warning", "note"]
_PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)


class Findings(list[Problem]):
    """The problems of one document."""

    def __init__(self, path: str, found: Iterable[Problem] = ()) -> None:
        super().__init__(found)
        self._path = path

    def tell(
        self,
        place: tuple[int, int],
        code: str,
        message: str,
        severity: Severity = "error",
        path: str | None = None,
    ) -> None:
        """Note a problem. `place`: line and column. `path`: of another file of the document."""
        self.append(
            Problem(
                severity=severity,
                code=code,
                message=message,
                path=path or self._path,
                line=place[0],
                column=place[1],
            )
        )

    def no_id(self, place: tuple[int, int], what: str, found: Any) -> None:
        """Note that this, which should have one, has no id."""
        self.tell(place, "no-id", f"expected a {what} with an `id`, found {short(found)[:80]}")

    def check(self, tasks: Sequence[Task], *, fold: bool = False) -> None:
        """Note ids that stand twice and dependencies that lead nowhere. `fold`: ids that differ
        in case only are the same."""
        every = [*tasks]
        for task in every:
            every.extend(task.subtasks)
        known: set[str] = set()
        for task in every:
            name = task.id.casefold() if fold else task.id
            if name in known:
                self._of(task, "duplicate-id", f"the id {task.id} stands twice", "error")
            known.add(name)
        for task in every:
            for one in task.depends_on:
                if (one.casefold() if fold else one) not in known:
                    message = f"{task.id} depends on {one}, which there is not"
                    self._of(task, "unknown-dependency", message, "warning")

    def _of(self, task: Task, code: str, message: str, severity: Severity) -> None:
        self.tell((task.line, task.column), code, message, severity, task.path)


def word(value: Any) -> str:
    """A text, half characters replaced; empty for anything else."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode(errors="replace").decode()


def priority(value: Any) -> Priority | None:
    """The priority that a word in any case names."""
    said = word(value).lower()
    return next((one for one in _PRIORITIES if one == said), None)


def words(value: Any) -> tuple[str, ...]:
    """The texts of a list; a text alone is one."""
    listed = value if isinstance(value, list) else [value]
    return tuple(filter(None, map(word, listed)))
