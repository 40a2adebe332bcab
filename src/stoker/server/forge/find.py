"""What the ids of requests stand for.

A process is an attempt of a step: of the setup, a turn, a cleanup, a dev server. Its id is a
UUID of version 8 that holds the attempt's first half, the role, the turn and the number, so
that it is found again without an index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.state import RunState, StepState
from stoker.journal.base import AttemptRow, UnknownRun
from stoker.journal.events import ATTEMPT_STARTING
from stoker.server.service import Service
from stoker.tasks import devserver, plan
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


def of_run(run_id: str) -> str | None:
    """The attempt whose run, or dev servers' run, this is."""
    kind, _, attempt_id = run_id.partition("-")
    return attempt_id if kind in ("task", "dev") else None


def dev_server(service: Service, attempts: Sequence[Attempt]) -> str | None:
    """The process of a dev server of these that runs."""
    for attempt in attempts:
        handle = service.engine.handle(devserver.run_id(attempt))
        for step in handle.state.steps if handle is not None else ():
            what = plan.role(step.step.id)
            if what is not None and step.status == "running":
                return process_id(attempt.attempt_id, *what, step.number)
    return None


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
    found = []
    for run_id, states in (
        (attempt.run_id, service.tasks.progress.state),
        (devserver.run_id(attempt), service.tasks.turns.devservers.state),
    ):
        try:
            rows = await service.journal.attempts(run_id)
            state = await states(attempt) if rows else None
        except UnknownRun:
            continue
        for row in rows:
            what = plan.role(row.step_id)
            if state is None or what is None or what[0] not in _ROLES:
                continue
            if row.step_id not in state.graph.index:
                continue
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
    return sorted(found, key=lambda one: (one.row.started_at, one.row.attempt))


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


async def at_rest(service: Service, key: str) -> Attempt:
    """The attempt, as `attempt`. Callers look only at its processes before they go on: where
    those are over and nothing is left to be done but to keep their work, that is waited for."""
    found = await attempt(service, key)
    turns = service.tasks.turns
    if turns.busy(found.attempt_id):
        steps = (await service.tasks.progress.state(found)).steps
        mine = [one for one in steps if (plan.role(one.step.id) or ("",))[0] in _ROLES]
        if all(one.status in STEP_OVER for one in mine):
            await turns.over(found.attempt_id)
    return found


async def newest(service: Service, attempt: Attempt) -> Process:
    """The turn of an attempt that began last. Raises `Unknown`."""
    for one in reversed(await processes(service, attempt)):
        if one.role == "agent":
            return one
    raise Unknown("execution process", f"of attempt {attempt.attempt_id}")


async def begun(service: Service, attempt: Attempt, turn: int) -> Process:
    """A turn that has begun, or is about to. Raises `Unknown`."""
    if handle := service.engine.handle(attempt.run_id):
        async for event in handle.events():  # what these tell, the journal has
            if event.type == ATTEMPT_STARTING and event.step == f"agent-{turn}":
                break
    for one in await processes(service, attempt):
        if (one.role, one.turn) == ("agent", turn):
            return one
    return await newest(service, attempt)
