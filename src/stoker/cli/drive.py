"""Driving a run in the foreground: the engine, the view, and what signals mean."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from stoker.cli import exit_codes
from stoker.engine.commands import CommandRefused
from stoker.together import one_error

if TYPE_CHECKING:
    from pathlib import Path

    from stoker.cli.context import Context
    from stoker.cli.progress import View
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.engine.run import Outcome
    from stoker.journal.base import Journal
    from stoker.journal.events import Event


_PACE_SEC = 0.005
"""Between two looks at events, so that a thousand short steps are not a thousand looks."""


async def drive(
    context: Context,
    journal: Journal,
    begin: Callable[[Engine], Awaitable[RunHandle]],
    view: View,
    *,
    resources: Mapping[str, float | str] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> int:
    """Drive the run that `begin` starts or resumes until it is over, parks, or is suspended
    by SIGTERM; returns the exit status. `on_event` hears of every event before `view`.

    Ctrl-C cancels the run, a second one ends this process and all of the run's at once.
    Raises what `begin` raises, and `JournalError`.
    """
    output = context.output
    loop = asyncio.get_running_loop()
    output.out.attach(loop)
    output.err.attach(loop)
    try:
        engine = context.engine(journal, resources=resources)
        with one_error():
            outcome = await _drive(context, journal, engine, begin, view, on_event)
    finally:
        view.close()
        await output.out.detach()
        if output.out.fault is not None:
            output.error(output.out.fault)
        await output.err.detach()
    return exit_codes.BY_STATUS[outcome.status]


async def _drive(
    context: Context,
    journal: Journal,
    engine: Engine,
    begin: Callable[[Engine], Awaitable[RunHandle]],
    view: View,
    on_event: Callable[[Event], None] | None,
) -> Outcome:
    async with asyncio.TaskGroup() as tasks:
        stop = asyncio.Event()
        async with engine:
            handle = await begin(engine)
            # Of a run that goes on, only what is new.
            seen = 0 if handle.state.started_at is None else handle.state.sequence
            view.begin(handle)
            watching = tasks.create_task(_watch(context, handle, view, seen, on_event))
            with _Signals(context, handle, stop, tasks):
                stopping = tasks.create_task(stop.wait())
                over = tasks.create_task(handle.wait())
                await asyncio.wait({stopping, over}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
        outcome = await handle.wait()
        await watching
        view.end(outcome, handle.state, await _hints(context, journal, outcome))
    return outcome


async def _hints(context: Context, journal: Journal, outcome: Outcome) -> list[str]:
    """What a person can do now."""
    if outcome.status == "succeeded":
        return []
    if outcome.status in ("failed", "canceled"):
        return [f"see: {context.hint('show', outcome.run_id)}"]
    from stoker.cli.standing import hints
    from stoker.engine.view import read_run, view

    standing = await read_run(journal, outcome.run_id)
    return hints(standing, view(standing), context)


async def _watch(
    context: Context,
    handle: RunHandle,
    view: View,
    after: int,
    on_event: Callable[[Event], None] | None,
) -> None:
    out = context.output.out
    async for event in handle.events(after, pace=_PACE_SEC):
        if on_event is not None:
            on_event(event)
        view.see(event)
        await out.drained()


class _Signals:
    """While entered: Ctrl-C cancels, twice ends; SIGTERM and SIGHUP suspend."""

    def __init__(
        self, context: Context, handle: RunHandle, stop: asyncio.Event, tasks: asyncio.TaskGroup
    ) -> None:
        self._context = context
        self._handle = handle
        self._stop = stop
        self._tasks = tasks
        self._interrupted = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)

    def __exit__(self, *error: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        if self._interrupted:
            kill(self._context.directory, self._handle.run_id)
            if self._context.output.out.above is not None:
                os.write(1, b"\n")  # the display has left off within a line
            os._exit(exit_codes.CANCELED)
        self._interrupted = True
        self._context.output.note("canceling the run; Ctrl-C again ends it at once")
        self._tasks.create_task(self._cancel())

    async def _cancel(self) -> None:
        try:
            await self._handle.cancel("interrupted by Ctrl-C", by="cli")
        except CommandRefused:
            return  # it was over already


def kill(state: Path, run_id: str) -> None:
    """End all processes of a run, and of those nested in it, by force and without waiting."""
    from stoker.engine.attempt import realm
    from stoker.process.spec import SEPARATOR
    from stoker.process.survivors import Scan

    # Of its steps, of runs nested in it, and of its agents that stay for a follow-up.
    runs = [f"{realm(state)}{of}/{run_id}" for of in ("", ".agents")]
    of_it = tuple(f"{run}{end}" for run in runs for end in "/.")
    for process in Scan():
        if any(marker.startswith(of_it) for marker in process.marker.split(SEPARATOR)):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
