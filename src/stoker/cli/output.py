"""Everything the command line prints goes through here.

Text is buffered. A command that only prints writes it out with `flush`, which may block.
While a run is driven, `attach` hands that to the event loop instead, so that a reader that
is slow, or gone, never slows the run.
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

_BLOCK: Final = 4096
"""A pipe that is writable at all takes this much at once (PIPE_BUF)."""
_FULL: Final = 1 << 20
"""Buffered bytes at which `drained` makes a writer wait."""

_STYLES: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}
_STATUSES: Final = {
    "succeeded": ("green",),
    "failed": ("red",),
    "timed_out": ("red",),
    "lost": ("red",),
    "interrupted": ("red",),
    "quarantined": ("yellow", "bold"),
    "waiting": ("yellow",),
    "paused": ("yellow",),
    "suspended": ("yellow",),
    "canceled": ("yellow",),
    "running": ("cyan",),
    "starting": ("cyan",),
    "skipped": ("dim",),
    "pending": ("dim",),
}
_UNPRINTABLE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_DECEPTIVE = re.compile(r"[\n\t\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""Line ends, tabs, and characters without width or that change the direction of writing."""


class OutputError(Exception):
    """What was printed could not be written, as where the disk is full."""


class Stream:
    """Standard output or standard error. Raises `BrokenPipeError` from `write` and `flush`
    when nobody reads any more, and `OutputError` when it cannot be written to, but not while
    it is attached: then text is dropped."""

    def __init__(self, fd: int, environment: Mapping[str, str]) -> None:
        self.fd = fd
        self.fault: str | None = None
        """Why it cannot be written to; None also where only nobody reads any more."""
        self.terminal = os.isatty(fd)
        self.colour = (
            self.terminal
            and not environment.get("NO_COLOR")
            and environment.get("TERM", "dumb") != "dumb"
        )
        self.above: Callable[[str], None] | None = None
        """Where a display has the end of the terminal: what prints text above it."""
        self._buffer = bytearray()
        self._broken = False
        self._loop: AbstractEventLoop | None = None
        self._scheduled = False
        self._watched = False
        self._empty: Future[None] | None = None

    def write(self, text: str) -> None:
        """Print text as it is, without adding a line's end."""
        if self.above is not None:
            self.above(text)
            return
        if self._broken:
            return
        self._buffer += text.encode("utf-8", "backslashreplace")
        if self._loop is None:
            if len(self._buffer) >= 1 << 16:
                self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._pump)

    def line(self, text: str = "") -> None:
        """Print one line."""
        self.write(text + "\n")

    def flush(self) -> None:
        """Write out what is buffered; blocks until it is taken."""
        while self._buffer:
            try:
                written = os.write(self.fd, self._buffer)
            except BrokenPipeError:
                self._give_up()
                raise
            except OSError as error:
                self._fail(error)
                raise OutputError(self.fault) from error
            del self._buffer[:written]

    def attach(self, loop: AbstractEventLoop) -> None:
        """From now on, write only when it does not block."""
        self._loop = loop
        self._pump()

    async def detach(self) -> None:
        """Wait until everything is written, then go back to blocking writes."""
        if self._loop is None:
            return
        self._pump()
        while self._buffer:
            await self._until_empty()
        self._loop = None

    async def drained(self) -> None:
        """Wait while more is buffered than should be; for those who can wait."""
        while len(self._buffer) > _FULL:
            await self._until_empty()

    async def _until_empty(self) -> None:
        from asyncio import shield

        assert self._loop is not None  # noqa: S101 - only an attached stream comes here
        if self._empty is None:
            self._empty = self._loop.create_future()
        await shield(self._empty)

    def _pump(self) -> None:
        """Write what can be written without blocking; go on when more can."""
        self._scheduled = False
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        try:
            while self._buffer and poll.poll(0):
                del self._buffer[: os.write(self.fd, self._buffer[:_BLOCK])]
        except BrokenPipeError:  # the reader is gone; the run goes on
            self._give_up()
        except OSError as error:  # told once the run is over
            self._fail(error)
        if self._buffer and not self._watched and self._loop is not None:
            self._watched = True
            self._loop.add_writer(self.fd, self._pump)
        elif not self._buffer:
            self._unwatch()
            if self._empty is not None:
                self._empty.set_result(None)
                self._empty = None

    def _unwatch(self) -> None:
        if self._watched and self._loop is not None:
            self._loop.remove_writer(self.fd)
        self._watched = False

    def _fail(self, error: OSError) -> None:
        name = "standard output" if self.fd == 1 else "standard error"
        self.fault = f"{name}: {error.strerror}"
        self._give_up()

    def _give_up(self) -> None:
        self._broken = True
        self._buffer.clear()

    def style(self, text: str, *styles: str) -> str:
        """The text in those styles (`bold`, `red`, ...) where colours are wanted."""
        if not self.colour or not styles:
            return text
        return f"\x1b[{';'.join(_STYLES[name] for name in styles)}m{text}\x1b[0m"


class Output:
    """The two streams of a command, and what goes where: results to `out`, everything about
    them (errors, hints, progress of `--json` commands) to `err`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.out = Stream(1, environment)
        self.err = Stream(2, environment)

    def line(self, text: str = "") -> None:
        """One line of result."""
        self.out.line(text)

    def json(self, value: Any) -> None:
        """A value as an indented JSON document."""
        import msgspec

        self.out.line(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())

    def json_line(self, value: Any) -> None:
        """A value as JSON on one line."""
        import msgspec

        self.out.line(msgspec.json.encode(value).decode())

    def note(self, text: str) -> None:
        """A line on stderr."""
        self.err.line(text)

    def error(self, text: str) -> None:
        """An error, on stderr."""
        self.err.line(f"{self.err.style('stoker:', 'red', 'bold')} {text}")

    def style(self, text: str, *styles: str) -> str:
        """`Stream.style` of stdout."""
        return self.out.style(text, *styles)

    def flush(self) -> None:
        """Write out both streams. Raises `BrokenPipeError`, `OutputError`."""
        self.out.flush()
        self.err.flush()


def printable(text: str) -> str:
    """Text that came from outside (a step's output, a name) without what would command the
    terminal: escape sequences and control characters other than tabs and line ends."""
    return _UNPRINTABLE.sub("", text)


def one_line(text: str) -> str:
    """`printable` text for the middle of a line: what would end the line, hide, or turn the
    text after it around is shown as an escape (`\\n`, `\\u202e`)."""
    return _DECEPTIVE.sub(lambda found: _escaped(found[0]), printable(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def plural(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def seconds(value: float) -> str:
    """A duration for people: `0.04 s`, `1.2 s`, `12 s`, `3 min 5 s`, `2 h 4 min`."""
    if value < 0.1:
        return f"{max(value, 0.0):.2f} s"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def status_style(status: str) -> tuple[str, ...]:
    """Styles (`Stream.style`) of a run's, step's or attempt's status."""
    return _STATUSES.get(status, ())


def cells(text: str) -> int:
    """The columns that printed text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """The text, with blanks up to so many columns."""
    return text + " " * (width - cells(text))


def cut(text: str, width: int) -> str:
    """The text, its end replaced by `…` where it takes more columns than `width`."""
    if cells(text) <= width:
        return text
    while text and cells(text) >= width:
        text = text[:-1]
    return text + "…"[:width]
