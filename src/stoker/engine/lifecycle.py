"""The state machines of runs, steps and attempts: the one place that says what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RUN: Final[Mapping[str, frozenset[str]]] = {
    "pending": frozenset({"running", "canceled"}),
    "running": frozenset({"running", "paused", "succeeded", "failed", "canceled", "quarantined"}),
    # A paused run may end: what was running when it was paused can be all there was.
    "paused": frozenset({"running", "succeeded", "failed", "canceled", "quarantined"}),
    "quarantined": frozenset({"running", "canceled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "canceled": frozenset(),
}

_SETTLED_STEP = frozenset({"succeeded", "failed", "skipped", "canceled", "quarantined"})

STEP: Final[Mapping[str, frozenset[str]]] = {
    "pending": _SETTLED_STEP | {"waiting", "running"},
    "waiting": _SETTLED_STEP | {"waiting", "running", "pending"},
    "running": _SETTLED_STEP | {"waiting", "running"},
    "quarantined": frozenset({"pending", "succeeded", "failed", "canceled", "skipped"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "skipped": frozenset(),
    "canceled": frozenset(),
}

_ENDED_ATTEMPT = frozenset({"succeeded", "failed", "timed_out", "canceled", "lost"})

ATTEMPT: Final[Mapping[str, frozenset[str]]] = {
    "pending": frozenset({"starting"}),
    "starting": _ENDED_ATTEMPT | {"running"},
    "running": _ENDED_ATTEMPT | {"running"},
    **{status: frozenset({"starting"}) for status in _ENDED_ATTEMPT},  # the next attempt
}

RUN_OVER: Final = frozenset({"succeeded", "failed", "canceled"})
STEP_OVER: Final = frozenset({"succeeded", "failed", "skipped", "canceled"})


class IllegalTransition(Exception):
    """The journal or the engine asked for a change the state machine does not have."""

    def __init__(self, what: str, old: str, new: str) -> None:
        super().__init__(f"{what} cannot go from {old!r} to {new!r}")


def advance(table: Mapping[str, frozenset[str]], what: str, old: str, new: str) -> str:
    """Return `new` if it may follow `old`. Raises `IllegalTransition`."""
    if new not in table[old]:
        raise IllegalTransition(what, old, new)
    return new
