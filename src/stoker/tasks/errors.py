"""What can be wrong with what is asked of projects, tasks and attempts."""

from __future__ import annotations


class TasksError(Exception):
    """All errors of this package."""


class Unknown(TasksError):
    """There is no such project, task or attempt."""

    def __init__(self, what: str, key: str) -> None:
        super().__init__(f"no {what} {key!r}")
        self.what = what
        self.key = key


class Conflict(TasksError):
    """It cannot be done as things stand; the message says why."""


class NotReady(Conflict):
    """A task cannot be begun yet: it waits for others, or for room."""


class Invalid(TasksError):
    """A value makes no sense; the message names it and says what was expected."""
