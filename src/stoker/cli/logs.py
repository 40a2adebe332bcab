"""`stoker logs`: what steps wrote, finished or while they write it."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import aclosing

from stoker.cli import given
from stoker.cli.ask import add_run
from stoker.cli.context import Context, UsageError
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.log_printer import LogPrinter
from stoker.cli.output import plural
from stoker.cli.show import step_index
from stoker.engine.follow import batches
from stoker.engine.lifecycle import RUN_OVER, STEP_OVER
from stoker.engine.view import Standing, activity, read_run
from stoker.journal.base import AttemptRow, Journal
from stoker.journal.events import (
    ATTEMPT_SETTLED,
    ATTEMPT_STARTING,
    STEP_EXPANDED,
    STEP_REOPENED,
    STEP_SETTLED,
    Event,
)
from stoker.process.logs import LogWatch
from stoker.together import one_error


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker logs`."""
    add_run(parser)
    parser.add_argument("step", nargs="?", metavar="STEP", help="one step; default: all of them")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the step or the run has ended"
    )
    parser.add_argument(
        "--attempt", type=given.at_least(1), metavar="N", help="default: the last one"
    )
    streams = parser.add_mutually_exclusive_group()
    streams.add_argument("--stdout", action="store_true", help="only what went to stdout")
    streams.add_argument("--stderr", action="store_true", help="only what went to stderr")
    parser.add_argument(
        "--tail", type=given.at_least(0), metavar="N", help="only the last N lines of each log"
    )
    parser.epilog = (
        "A step's stdout goes to stdout and its stderr to stderr; with --stderr that goes to\n"
        "stdout. Lines of several steps begin with the step's id.\n\n"
        "examples:\n"
        "  stoker logs last build --stderr --tail 20\n"
        "  stoker logs last -f\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Print or follow the logs of a run's steps. Raises `UsageError`."""
    output = context.output
    async with context.journal() as journal:
        row = await context.find_run(journal, args.run)
        standing = await read_run(journal, row.run_id)
        steps = _chosen(standing, args.step)
        watch = LogWatch(asyncio.get_running_loop())
        printer = LogPrinter(
            output,
            watch,
            stdout=not args.stderr,
            stderr=not args.stdout,
            lines=args.tail,
            prefix=args.step is None or len(steps) > 1,
        )
        try:
            first = _attempts(standing, steps, args.attempt)
            if args.follow and args.attempt is None:
                if activity(row) in ("parked", "interrupted"):
                    output.note(f"nobody drives it now: {context.hint('resume', row.run_id)}")
                    output.flush()
                follower = _Follower(standing, args.step, steps, printer)
                with one_error():
                    await follower.run(journal, first)
            else:
                if not first and args.attempt is not None:
                    raise UsageError(_nothing(standing, args))
                for attempt in first:
                    await printer.print(attempt)
                if not first:
                    output.note(_nothing(standing, args))
        finally:
            watch.close()
    return SUCCEEDED


class _Follower:
    """Prints attempts as they come, until the step (or the run) has ended."""

    def __init__(
        self, standing: Standing, step: str | None, steps: set[str], printer: LogPrinter
    ) -> None:
        self._standing = standing
        self._step = step
        self._steps = steps
        self._printer = printer
        self._over = step is not None and standing.state[step].status in STEP_OVER
        self._ends: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._last: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup

    async def run(self, journal: Journal, first: list[AttemptRow]) -> None:
        standing = self._standing
        running = [attempt for attempt in first if attempt.finished_at is None]
        for attempt in first:
            if attempt.finished_at is not None:
                await self._printer.print(attempt)
        async with asyncio.TaskGroup() as self._group:
            for attempt in running:
                self._begin(
                    attempt.step_id, attempt.attempt, attempt.stdout_path, attempt.stderr_path
                )
            if not self._over and standing.state.status not in RUN_OVER:
                feed = batches(
                    journal, standing.row.run_id, after=standing.state.sequence, follow=True
                )
                async with aclosing(feed) as found:
                    async for events in found:
                        for event in events:
                            self._look(event)
                        if self._over:
                            break
            for end in self._ends.values():
                end.set_result(None)

    def _look(self, event: Event) -> None:
        if event.step is None:
            return
        if event.type == STEP_EXPANDED and event.step == self._step:
            self._steps.update(str(step["id"]) for step in event.data["steps"])
        if self._step is not None and event.step not in self._steps:
            return
        if event.type == ATTEMPT_STARTING:
            data = event.data
            number = event.attempt or 1
            self._begin(event.step, number, data.get("stdout_path"), data.get("stderr_path"))
        elif event.type == ATTEMPT_SETTLED:
            end = self._ends.pop((event.step, event.attempt or 1), None)
            if end is not None:
                end.set_result(None)
        elif event.step == self._step and event.type in (STEP_SETTLED, STEP_REOPENED):
            self._over = event.type == STEP_SETTLED

    def _begin(self, step: str, number: int, stdout: str | None, stderr: str | None) -> None:
        end = self._ends[step, number] = asyncio.get_running_loop().create_future()
        before = self._last.get(step)

        async def follow() -> None:
            if before is not None:
                await before  # attempts of one step one after the other
            await self._printer.follow(step, stdout, stderr, end)

        self._last[step] = self._group.create_task(follow())


def _chosen(standing: Standing, step: str | None) -> set[str]:
    """The step and, if it was expanded, its children; without a step: all."""
    state = standing.state
    if step is None:
        return set(state.graph.ids)
    chosen = state.steps[step_index(standing, step)]
    return {step, *(state.graph.ids[child] for child in chosen.children)}


def _attempts(standing: Standing, steps: set[str], number: int | None) -> list[AttemptRow]:
    """The attempt of that number of each step, or its last one, in the order they began."""
    found = []
    for step, rows in standing.attempts.items():
        if step in steps:
            found += [row for row in rows if row.attempt == number] if number else rows[-1:]
    return sorted(found, key=lambda row: (row.started_at, row.step_id))


def _nothing(standing: Standing, args: argparse.Namespace) -> str:
    if args.step is None:
        has = "has started" if args.attempt is None else f"has an attempt {args.attempt}"
        return f"no step of run {standing.row.run_id} {has}"
    state = standing.state[args.step]
    if args.attempt is not None and state.number:
        return (
            f"step {args.step!r} has {plural(state.number, 'attempt')}, no attempt {args.attempt}"
        )
    reason = f": {state.reason}" if state.reason else ""
    return f"step {args.step!r} has not started ({state.status}{reason})"
