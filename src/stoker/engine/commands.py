"""What people and programs may ask of a run that is under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from stoker.engine.machine import RunMachine
from stoker.journal.base import Command
from stoker.plan.model import Step

_OUTCOMES = ("rerun", "succeeded", "failed")


class CommandRefused(Exception):
    """What was asked of a run makes no sense as it stands."""


class ReadSteps(Protocol):
    """Reads and validates new steps for a run. Raises `PlanError`."""

    def __call__(self, text: str, name: str) -> Sequence[Step]: ...


def obey(machine: RunMachine, read_steps: ReadSteps, command: Command, now: float) -> Any:
    """Carry out a command; returns the receipts of a `next`. Raises `CommandRefused`,
    `PlanError`."""
    payload = command.payload
    if command.kind == "cancel":
        machine.cancel(str(payload.get("reason") or f"canceled by {command.by}"), now)
    elif command.kind == "pause":
        machine.pause(now, payload.get("reason"))
    elif command.kind == "unpause":
        machine.unpause(now)
    elif command.kind == "next":
        return machine.advance(now)
    elif command.kind == "extend":
        text = payload.get("steps")
        if not isinstance(text, str):
            raise CommandRefused(f"extend: expected 'steps', a JSON or YAML text, found {text!r}")
        steps = read_steps(text, str(payload.get("name", "extension")))
        if (refusal := machine.exposed(steps)) is not None:
            raise CommandRefused(refusal)
        machine.extend(steps, command.by, now)
    else:
        _answer(machine, command, now)
    return None


def _answer(machine: RunMachine, command: Command, now: float) -> None:
    payload, step_id = command.payload, str(command.payload.get("step"))
    index = machine.state.graph.index.get(step_id)
    if index is None:
        raise CommandRefused(f"no step {step_id!r} in run {command.run_id}")
    comment = str(payload.get("comment") or "")
    if command.kind == "resolve":
        outcome = payload.get("outcome")
        if outcome not in _OUTCOMES:
            raise CommandRefused(
                f"outcome: expected one of {', '.join(_OUTCOMES)}, found {outcome!r}"
            )
        refusal = machine.resolve(index, outcome, comment, command.by, now)
    elif command.kind not in ("approve", "reject"):
        raise CommandRefused(f"no command is called {command.kind!r}")
    else:
        refusal = machine.decide(index, command.kind, comment, command.by, now)
    if refusal is not None:
        raise CommandRefused(refusal)
