"""How a run comes to be: its id, what the journal keeps of it, and its first events."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from stoker.engine.options import RunOptions
from stoker.engine.state import RunState
from stoker.journal.base import JournalError, NewRun
from stoker.journal.events import RUN_CREATED, STEP_SETTLED, Event
from stoker.plan.inputs import Inputs
from stoker.plan.model import Plan

MAX_RUN_ID = 128
"""A run's id names its directory."""

_RUN_ID = re.compile(rf"[A-Za-z0-9][ -.0-~]{{0,{MAX_RUN_ID - 1}}}")


def new_run(
    plan: Plan,
    inputs: Inputs,
    options: RunOptions,
    *,
    run_id: str | None = None,
    parent: tuple[str, str] | None = None,
) -> NewRun:
    """What the journal is to keep of a new run; secret inputs are left out.

    Raises `JournalError` for an id that cannot name a run's directory.
    """
    if run_id is not None and not _RUN_ID.fullmatch(run_id):
        raise JournalError(
            f"{run_id!r} cannot be a run's id: expected a letter or digit and then up to "
            f"{MAX_RUN_ID - 1} more characters of ASCII, without '/'"
        )
    return NewRun(
        run_id=run_id or new_run_id(),
        plan_id=plan.plan_id,
        plan_version=str(plan.version),
        plan_description=plan.description,
        plan_json=msgspec.json.encode(plan),
        inputs={name: v for name, v in inputs.values.items() if name not in inputs.secrets},
        options=msgspec.to_builtins(options),
        parent_run_id=parent[0] if parent else None,
        parent_step_id=parent[1] if parent else None,
    )


def new_run_id() -> str:
    """Sortable by time, unique enough to type: `20261121-151200-3f9ac2`."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + os.urandom(3).hex()


def nested_run_id(run_id: str, step_id: str, number: int) -> str:
    """The run of a nested plan: the same whenever one attempt is begun, and never too long."""
    full = f"{run_id}.{step_id}.{number}"
    if _RUN_ID.fullmatch(full):
        return full
    import hashlib

    return f"{run_id[: MAX_RUN_ID - 17]}.{hashlib.sha256(full.encode()).hexdigest()[:16]}"


def opening_events(state: RunState, reuse: Mapping[str, Mapping[str, Any]]) -> list[Event]:
    """The first events of a new run: its creation, and what it takes over from another."""
    now = time.time()
    events = [Event(state.run_id, 1, RUN_CREATED, now, data={"plan_id": state.plan.plan_id})]
    for step_id, outputs in reuse.items():
        data = {"status": "succeeded", "reason": "reused", "outputs": dict(outputs)}
        events.append(Event(state.run_id, len(events) + 1, STEP_SETTLED, now, step_id, data=data))
    return events
