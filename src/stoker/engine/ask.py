"""Asking something of a run, whichever process drives it, and hearing what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from stoker.engine.commands import CommandRefused
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.state import StepState
from stoker.engine.view import Standing, activity, asked_of, asks_a_person
from stoker.journal.base import LEASE_SECONDS, Command, CommandKind, Journal, RunRow
from stoker.journal.events import COMMAND_REFUSED, Event
from stoker.journal.waits import DeathWatch
from stoker.together import one_error


class Asked(msgspec.Struct, frozen=True):
    """What became of a request."""

    number: int
    """The command's id."""
    events: Sequence[Event] | None
    """What has happened since, if a live engine dealt with it; None: nobody drives the run,
    and the request stays in the journal."""


def check(standing: Standing, kind: CommandKind, step: StepState) -> None:
    """What would be refused anyway is refused before it wakes a run. Raises `CommandRefused` for a
    step that does not wait for a person to `approve`, `reject` or `resolve` it."""
    step_id = step.step.id
    if kind == "resolve" and step.status != "quarantined":
        raise CommandRefused(f"step {step_id!r} is not quarantined (it is {step.status})")
    if kind in ("approve", "reject") and not asks_a_person(step):
        asking = asked_of(standing)
        hint = f"; waiting are {', '.join(asking[:5])}" if asking else "; no step is"
        raise CommandRefused(
            f"step {step_id!r} is not waiting for approval (it is {step.status}){hint}"
        )


async def ask(
    journal: Journal, row: RunRow, kind: CommandKind, payload: dict[str, Any], *, by: str
) -> Asked:
    """Send a command and wait until the run's engine has dealt with it, if one lives.

    Raises `CommandRefused`, `JournalError`.
    """
    command = Command(run_id=row.run_id, kind=kind, payload=payload, by=by)
    return await answer(journal, row, kind, await journal.send(command))


async def answer(journal: Journal, row: RunRow, kind: CommandKind, number: int) -> Asked:
    """Wait until a command that was sent is dealt with, if an engine lives. Raises as `ask`."""
    run_id, loop = row.run_id, asyncio.get_running_loop()
    woken = asyncio.Event()
    watch = DeathWatch(woken.set)
    deadline = loop.time() + LEASE_SECONDS
    async with AsyncExitStack() as stack:
        stack.enter_context(one_error())
        stack.callback(watch.close)
        changes = await stack.enter_async_context(journal.changes())
        group = await stack.enter_async_context(asyncio.TaskGroup())

        async def listen() -> None:
            async for _ in changes:
                woken.set()

        listening = group.create_task(listen())
        stack.callback(listening.cancel)
        while True:
            woken.clear()
            now = await journal.run(run_id)
            if all(command.id != number for command in await journal.commands(run_id)):
                events = await journal.events(run_id, after=row.last_sequence)
                _raise_refusal(events, number)
                return Asked(number, events)
            if now.status in RUN_OVER:
                raise CommandRefused(f"run {run_id} ended before it could {kind}")
            doing = activity(now)
            # A remote engine that does not answer for as long as its lease lasts is dead, or
            # will refuse to give the run away.
            if doing != "live" and not (doing == "remote" and loop.time() < deadline):
                return Asked(number, None)
            if now.engine is not None:
                watch.watch(now.engine, LEASE_SECONDS)
            await woken.wait()


def _raise_refusal(events: Sequence[Event], number: int) -> None:
    for event in events:
        if event.type == COMMAND_REFUSED and event.data.get("id") == number:
            raise CommandRefused(str(event.data["error"]))
