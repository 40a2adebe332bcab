"""Progress on a terminal: what runs and for how long, what is next, and a bar.

The display has a thread of its own, because writing to a terminal can block (one keypress
stops it) and must not stop the run. The thread is started, and rich imported, only when a
run has lasted long enough for somebody to look.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from stoker.cli.estimate import Estimate
from stoker.cli.output import cells, cut, one_line, padded, seconds
from stoker.cli.plain_view import Detail, PlainView
from stoker.journal.events import STEP_SETTLED

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from stoker.cli.context import Context
    from stoker.cli.output import Stream
    from stoker.engine.handle import RunHandle
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState
    from stoker.journal.events import Event

_PATIENCE_SEC: Final = 0.15
_FRAME_SEC: Final = 0.1
_ROWS: Final = 12
_NEXT: Final = 3
_NAME: Final = 12
"""Columns a step's name keeps before its usual duration is shown beside it."""
_BAR: Final = (8, 30)
"""Columns of the bar, at least and at most."""
_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Row(Struct, frozen=True):
    """A running step."""

    step: str
    elapsed: float
    expected: float | None


class Frame(Struct, frozen=True):
    """All that the display shows at one moment."""

    rows: tuple[Row, ...]
    more: int
    """Running steps that have no row."""
    waiting: tuple[str, ...]
    """Steps that something holds up, each with what does."""
    next: tuple[str, ...]
    settled: int
    total: int
    failed: int
    elapsed: float
    remaining: float | None


class LiveView:
    """A display that is redrawn in place, with the lines of a `PlainView` above it."""

    def __init__(
        self,
        context: Context,
        detail: Detail,
        durations: Mapping[str, float],
        width: int,
        lines: type[PlainView],
    ) -> None:
        self._plain = lines(context, detail)
        self._context = context
        self._durations = durations
        self._width = width
        self._queue: SimpleQueue[str | Frame | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._state: RunState
        self._estimate: Estimate

    def begin(self, handle: RunHandle) -> None:
        self._state = handle.state
        self._estimate = Estimate(handle.state, self._durations, self._width)
        self._plain.begin(handle)
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SEC, self._tick)

    def see(self, event: Event) -> None:
        self._estimate.see(event)
        if event.type == STEP_SETTLED and event.data["status"] == "failed":
            self._failed += 1
        self._plain.see(event)

    def end(self, outcome: Outcome, state: RunState, hints: Sequence[str]) -> None:
        self.close()
        self._plain.end(outcome, state, hints)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            for stream in self._terminals():
                stream.above = None

    def _terminals(self) -> list[Stream]:
        output = self._context.output
        return [stream for stream in (output.out, output.err) if stream.terminal]

    def _tick(self) -> None:
        if self._thread is None:
            for stream in self._terminals():
                stream.above = self._queue.put
            self._thread = threading.Thread(target=self._show, name="display", daemon=True)
            self._thread.start()
        if self._queue.empty():  # else the terminal is slower than we are
            self._queue.put(self._frame(time.time()))
        self._timer = asyncio.get_running_loop().call_later(_FRAME_SEC, self._tick)

    def _frame(self, now: float) -> Frame:
        state, estimate = self._state, self._estimate
        running = list(estimate.running.items())
        return Frame(
            rows=tuple(
                Row(step, now - started, estimate.expected(step))
                for step, started in running[:_ROWS]
            ),
            more=max(0, len(running) - _ROWS),
            waiting=tuple(islice(estimate.waiting.values(), _NEXT)),
            next=tuple(estimate.next(_NEXT)),
            settled=len(state.steps) - state.unsettled,
            total=len(state.steps),
            failed=self._failed,
            elapsed=now - (state.started_at or now),
            remaining=estimate.remaining(now),
        )

    # In the thread.

    def _show(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        console = Console(no_color=not self._context.output.out.colour, highlight=False)
        live = Live(console=console, auto_refresh=False, transient=True)
        try:
            with live:
                # Whoever is killed cannot bring it back.
                console.show_cursor(True)
                while (item := self._queue.get()) is not None:
                    if isinstance(item, str):
                        # Of a long line the terminal makes two, which are copied as one.
                        console.print(Text.from_ansi(item.removesuffix("\n")), soft_wrap=True)
                    else:
                        live.update(render(item, console), refresh=True)
        except OSError:
            return  # the terminal is gone; the run goes on


def render(frame: Frame, console: Console) -> RenderableType:
    """The frame, not larger than the console: what does not fit is left out or cut, and no line
    becomes two."""
    from rich.console import Group
    from rich.text import Text

    told = {"waiting": frame.waiting, "next": frame.next}
    below = [f"  {word}: {one_line(', '.join(steps))}" for word, steps in told.items() if steps]
    # Less than its height: when the display ends, it goes to the line after it.
    height = max(1, console.height - 1)
    room = max(0, height - 1 - len(below))
    rows, more = frame.rows, frame.more
    if len(rows) + bool(more) > room:
        rows = rows[: max(0, room - 1)]
        more += len(frame.rows) - len(rows)
    if more:
        below.insert(0, f"  and {more} more")
    lines = [*_running(rows, frame.elapsed, console), *(Text(line, "dim") for line in below)]
    lines = lines[: height - 1]
    for line in lines:
        line.truncate(console.width, overflow="ellipsis")
        line.no_wrap = True
    return Group(*lines, _bar(frame, console.width))


def _running(rows: Sequence[Row], elapsed: float, console: Console) -> list[Text]:
    """A line for each row: a mark, the step, how long it runs, and how long it usually does."""
    from rich.text import Text

    turn = _SPINNER[int(elapsed / _FRAME_SEC) % len(_SPINNER)]
    mark = turn if console.encoding.startswith("utf") else "*"
    names = [one_line(row.step) for row in rows]
    times = [seconds(row.elapsed) for row in rows]
    usual = ["" if r.expected is None else f" of about {seconds(r.expected)}" for r in rows]
    timed = max(map(len, times), default=0)
    left = console.width - len(f"{mark}  ") - timed
    if left - max(map(len, usual), default=0) < _NAME:
        usual = [""] * len(usual)
    else:
        left -= max(map(len, usual), default=0)
    named = max(0, min(max(map(cells, names), default=0), left))
    return [
        Text.assemble(
            (mark, "cyan"),
            f" {padded(cut(name, named), named)} ",
            (spent.ljust(timed), "cyan"),
            (expected, "dim"),
        )
        for name, spent, expected in zip(names, times, usual, strict=True)
    ]


def _bar(frame: Frame, width: int) -> RenderableType:
    """How far the run is; the least important goes first where there is no room."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    total = max(frame.total, 1)
    left = "" if frame.remaining is None else f"about {seconds(frame.remaining)} left"
    words = {
        "count": Text(f"{frame.settled}/{frame.total}"),
        "share": Text(f"{100 * frame.settled // total}%", "bold"),
        "elapsed": Text(seconds(frame.elapsed), "cyan"),
        "failed": Text(f"{frame.failed} failed" if frame.failed else "", "red"),
        "left": Text(left, "dim"),
    }
    words = {name: word for name, word in words.items() if word}
    for name in ("left", "elapsed", "share", "failed"):
        if sum(len(word) + 1 for word in words.values()) > width + 1:
            words.pop(name, None)
    words["count"].truncate(width)
    room = width - sum(len(word) + 1 for word in words.values())
    grid = Table.grid(padding=(0, 1))
    parts: list[RenderableType] = list(words.values())
    if room >= _BAR[0]:
        bar = min(room, _BAR[1])
        parts.insert(0, ProgressBar(total=total, completed=frame.settled, width=bar))
    for _ in parts:
        grid.add_column(no_wrap=True)
    grid.add_row(*parts)
    return grid
