"""How a run comes to be: its id, what the journal keeps of it, and its first events."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from stoker.engine.options import RunOptions
from stoker.journal.base import Journal, JournalError, NewRun, RunRow
from stoker.journal.events import RUN_CREATED, STEP_EXPANDED, STEP_SETTLED, Event
from stoker.plan.errors import PlanError, Problem
from stoker.plan.inputs import Inputs, declared
from stoker.plan.model import Plan, Step
from stoker.plan.template import as_text
from stoker.process.redact import Redactor

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
    reuse: Mapping[str, Mapping[str, Any]] | None = None,
    expanded: Mapping[str, Sequence[Step]] | None = None,
) -> NewRun:
    """What the journal is to keep of a new run; of secret inputs only that they were given.

    `parent` is the run and step it is nested in; `reuse` are outputs by id of steps that
    count as succeeded; `expanded` are the children of steps that need not be expanded any more,
    by their id. Raises `JournalError` for an id that cannot name a run's directory.
    """
    if run_id is not None and not _RUN_ID.fullmatch(run_id):
        raise JournalError(
            f"{run_id!r} cannot be a run's id: expected a letter or digit and then up to "
            f"{MAX_RUN_ID - 1} more characters of ASCII, without '/'"
        )
    run_id = run_id or new_run_id()
    secrets = tuple(sorted(name for name in inputs.secrets if inputs.values[name] is not None))
    return NewRun(
        run_id=run_id,
        plan_id=plan.plan_id,
        plan_version=str(plan.version),
        plan_description=plan.description,
        plan_json=msgspec.json.encode(plan),
        inputs={name: v for name, v in inputs.values.items() if name not in inputs.secrets},
        options=msgspec.to_builtins(msgspec.structs.replace(options, secrets=secrets)),
        parent_run_id=parent[0] if parent else None,
        parent_step_id=parent[1] if parent else None,
        opening=_opening(run_id, plan, reuse or {}, expanded or {}),
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


def _opening(
    run_id: str,
    plan: Plan,
    reuse: Mapping[str, Mapping[str, Any]],
    expanded: Mapping[str, Sequence[Step]],
) -> tuple[Event, ...]:
    """The first events: the run's creation, and what it takes over from another."""
    now = time.time()
    events = [Event(run_id, 1, RUN_CREATED, now, data={"plan_id": plan.plan_id})]

    def add(type_: str, step_id: str, data: dict[str, Any]) -> None:
        events.append(Event(run_id, len(events) + 1, type_, now, step_id, data=data))

    for step_id, steps in expanded.items():  # before any child settles
        add(STEP_EXPANDED, step_id, {"steps": msgspec.to_builtins(steps)})
    for step_id, outputs in reuse.items():
        data = {"status": "succeeded", "reason": "reused", "outputs": dict(outputs)}
        add(STEP_SETTLED, step_id, data)
    return tuple(events)


def hidden(inputs: Inputs, names: Iterable[str], secrets: Sequence[str]) -> Inputs:
    """The inputs with more of them secret: those of `names`, and those that hold any of
    `secrets`, as a nested run is given its parent's."""
    redactor = Redactor(secrets)
    texts = {name: as_text(value) for name, value in inputs.values.items()} if redactor else {}
    holding = (name for name, text in texts.items() if redactor.text(text) != text)
    return msgspec.structs.replace(inputs, secrets=inputs.secrets.union(names, holding))


async def stored_plan(journal: Journal, run_id: str) -> Plan:
    """The plan of a run, as it was when that began. Raises `UnknownRun`."""
    return msgspec.json.decode(await journal.plan_json(run_id), type=Plan)


def stand_ins(plan: Plan, row: RunRow) -> dict[str, Any]:
    """Values for the secret inputs of a run that is only to be canceled: nothing will start
    that could read them."""
    given = row.options.get("secrets", ())
    return {
        name: "" if declaration.default is None else declaration.default
        for name, declaration in declared(plan).items()
        if (declaration.required or name in given) and name not in row.inputs
    }


def require_secrets(names: Iterable[str], inputs: Inputs) -> None:
    """Secrets are not stored: raises `PlanError` for those a resume was not given."""
    missing = [name for name in names if inputs.values.get(name) is None]
    if missing:
        raise PlanError(
            [
                Problem(
                    message="this secret input was given when the run began and is not stored; "
                    "give it again",
                    pointer=f"/inputs/{name}",
                )
                for name in missing
            ]
        )
