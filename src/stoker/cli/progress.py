"""Watching a run from the command line: what every way of showing it can do, the options that
choose one, and the one for programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from stoker.cli.output import printable, seconds, status_style

if TYPE_CHECKING:
    from stoker.cli.context import Context
    from stoker.cli.output import Stream
    from stoker.cli.plain_view import Detail, PlainView
    from stoker.engine.handle import RunHandle
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState
    from stoker.journal.base import Journal
    from stoker.journal.events import Event

_ORDER = (
    "succeeded",
    "skipped",
    "failed",
    "canceled",
    "quarantined",
    "running",
    "waiting",
    "pending",
)


class View(Protocol):
    """Shows one run while it goes on. Called in the event loop; must not block."""

    def begin(self, handle: RunHandle) -> None:
        """The run is about to start, or to go on."""

    def see(self, event: Event) -> None:
        """Something happened."""

    def end(self, outcome: Outcome, state: RunState, hints: Sequence[str]) -> None:
        """Nothing more will happen here. `hints`: what a person can do now."""

    def close(self) -> None:
        """Give back what it took of the terminal; also after an error, without an `end`."""


def add_progress(parser: ArgumentParser) -> None:
    """`--wait`, `--json`, `--quiet` and `--verbose`."""
    parser.add_argument(
        "--wait",
        action="store_true",
        help="keep waiting for people instead of exiting with status 3",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the run's events as JSON lines")
    how.add_argument("-q", "--quiet", action="store_true", help="print only what went wrong")
    how.add_argument("-v", "--verbose", action="store_true", help="print every start and retry")


async def choose_view(
    args: Namespace,
    context: Context,
    journal: Journal,
    plan_id: str,
    width: int | None = None,
    *,
    lines: type[PlainView] | None = None,
) -> View:
    """The view these options ask for; a live one where stdout is a terminal. `width`: how
    many steps run at once, if it is known; `lines`: what tells of each step."""
    if args.json:
        return JsonView(context)
    detail: Detail = "quiet" if args.quiet else "verbose" if args.verbose else "normal"
    if context.output.out.terminal and not args.quiet and context.environment.get("TERM") != "dumb":
        from stoker.cli.live_view import LiveView
        from stoker.cli.plain_view import PlainView
        from stoker.engine.engine import processors

        durations = await journal.durations(plan_id)
        return LiveView(context, detail, durations, width or processors(), lines or PlainView)
    from stoker.cli.plain_view import PlainView

    return (lines or PlainView)(context, detail)


class JsonView:
    """Each event on a line of stdout, as `stoker events --jsonl` shows it; what a person
    should know at the end, on stderr."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._write = context.output.out.write
        self._encode = msgspec.json.Encoder().encode

    def begin(self, handle: RunHandle) -> None:
        """Nothing: the events say it."""

    def see(self, event: Event) -> None:
        """One line."""
        self._write(self._encode(event).decode() + "\n")

    def end(self, outcome: Outcome, state: RunState, hints: Sequence[str]) -> None:
        """The summary, out of the stream's way."""
        if outcome.status != "succeeded":
            conclude(outcome, state, self._context.output.err, hints)

    def close(self) -> None:
        """It took nothing."""


def conclude(
    outcome: Outcome,
    state: RunState,
    stream: Stream,
    hints: Sequence[str],
    told: str | None = None,
) -> None:
    """Print how the run stands: status, counts (`told`: instead of those of its steps), duration,
    id, and what can be done now."""
    run_id = state.run_id
    status = stream.style(outcome.status, *status_style(outcome.status), "bold")
    spent = ""
    if state.started_at is not None and state.finished_at is not None:
        spent = f" in {seconds(state.finished_at - state.started_at)}"
    stream.line(f"run {run_id} {status}{spent}: {told or counts(state)}")
    if outcome.status in ("failed", "canceled") and outcome.reason:
        stream.line(f"  {printable(outcome.reason)}")
    for hint in hints:
        stream.line(f"  {hint}")


def counts(state: RunState) -> str:
    """`12 succeeded, 1 failed, 3 skipped`."""
    found = Counter(step.status for step in state.steps)
    named = [f"{found[status]} {status}" for status in _ORDER if found[status]]
    return ", ".join(named)
