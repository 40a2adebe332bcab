"""What the ids of requests stand for.

A process is an attempt of a step: of the setup, a turn, a cleanup, a dev server. Its id is a
UUID of version 8 that holds the attempt's first half, the role, the turn and the number, so
that it is found again without an index.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from stoker.engine.state import RunState, StepState
from stoker.journal.base import AttemptRow, UnknownRun
from stoker.server.service import Service
from stoker.tasks import plan
from stoker.tasks.errors import Unknown
from stoker.tasks.model import Attempt
from stoker.tasks.standing import attempts_like

_ROLES: Final = ("setup", "agent", "cleanup", "devserver")
_PROCESS: Final = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-)8([0-9a-f]{3}-[0-9a-f]{4}-)([0-3])([0-9a-f]{6})([0-9a-f]{5})"
)


class Process(Struct, frozen=True, kw_only=True):
    """A process of an attempt."""

    id: str
    attempt: Attempt
    role: str
    turn: int
    row: AttemptRow
    state: RunState
    """Of the run."""

    @property
    def step(self) -> StepState:
        """What it is an attempt of."""
        return self.state[self.row.step_id]


def process_id(attempt_id: str, role: str, turn: int, number: int) -> str:
    """The id of a process."""
    half = f"{attempt_id[:14]}8{attempt_id[15:24]}"
    return f"{half}{_ROLES.index(role):x}{turn:06x}{number:05x}"


async def attempt(service: Service, key: str) -> Attempt:
    """The attempt; callers may also have only its task's id: then the newest of that. Raises
    `Unknown`."""
    catalog = service.tasks.catalog
    try:
        return await catalog.attempt(key)
    except Unknown:
        if of_task := await catalog.attempts(key):
            return of_task[-1]
        raise


async def processes(service: Service, attempt: Attempt) -> list[Process]:
    """Those of an attempt, oldest first; also those that others have taken the place of."""
    try:
        rows = await service.journal.attempts(attempt.run_id)
        state = await service.tasks.progress.state(attempt)
    except UnknownRun:
        return []
    found = []
    for row in sorted(rows, key=lambda one: (one.started_at, one.attempt)):
        what = plan.role(row.step_id)
        if what is not None and what[0] in _ROLES and row.step_id in state.graph.index:
            found.append(
                Process(
                    id=process_id(attempt.attempt_id, *what, row.attempt),
                    attempt=attempt,
                    role=what[0],
                    turn=what[1],
                    row=row,
                    state=state,
                )
            )
    return found


async def process(service: Service, key: str) -> Process:
    """The process; some callers have only its attempt's id: then its newest turn. Raises
    `Unknown`."""
    if match := _PROCESS.fullmatch(key):
        for one in await attempts_like(service.journal, match[1]):
            if one.attempt_id[15:24] == match[2]:
                for candidate in await processes(service, one):
                    if candidate.id == key:
                        return candidate
        raise Unknown("execution process", key)
    return await newest(service, await attempt(service, key))


async def newest(service: Service, attempt: Attempt, *, begun: bool = False) -> Process:
    """The turn of an attempt that began last; `begun`: the last there is, which is about to
    begin. Raises `Unknown`."""
    if begun:
        last = plan.last((await service.tasks.progress.state(attempt)).steps)
        await service.tasks.progress.begun(attempt, f"agent-{last}")
    for one in reversed(await processes(service, attempt)):
        if one.role == "agent":
            return one
    raise Unknown("execution process", f"of attempt {attempt.attempt_id}")
