"""The live display, as it looks on a real terminal."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import sqlite3
import struct
import termios
from collections.abc import Iterator

import pyte
import pytest


class Terminal:
    """A terminal that commands of a project are at work in, one at a time."""

    def __init__(self, project, columns: int = 100, lines: int = 24) -> None:
        self._project = project
        self._size = struct.pack("HHHH", lines, columns, 0, 0)
        self._screen = pyte.HistoryScreen(columns, lines, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self._environment = {**project.environment, "TERM": "xterm"}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            self._environment.pop(name, None)
        self._fd: int

    def run(self, *words: str) -> None:
        self._fd, theirs = os.openpty()
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, self._size)
        self.process = self._project.start(
            *words, stdin=theirs, stdout=theirs, stderr=theirs, env=self._environment
        )
        os.close(theirs)

    @property
    def lines(self) -> list[str]:
        """What stands there."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def past(self) -> list[str]:
        """What has scrolled away."""
        rows = self._screen.history.top
        return ["".join(row[x].data for x in range(self._screen.columns)).rstrip() for row in rows]

    @property
    def has_cursor(self) -> bool:
        return not self._screen.cursor.hidden

    def shows(self, *texts: str) -> None:
        """Wait until all the texts stand there at once."""
        while not all(any(text in line for line in self.lines) for text in texts):
            assert self._read(), f"never showed {texts}:\n" + "\n".join([*self.past, *self.lines])

    def end(self) -> int:
        """Wait until the command has ended; its exit status."""
        while self._read():
            pass
        os.close(self._fd)
        return self.process.wait()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], 30)
        assert ready, "nothing is written any more:\n" + "\n".join([*self.past, *self.lines])
        try:
            more = os.read(self._fd, 65536)
        except OSError:  # nobody has the other side open any more
            return False
        self._stream.feed(more)
        return bool(more)


@pytest.fixture
def gate(project) -> Iterator[str]:
    """A shell command that waits until the fixture's end, or until somebody writes to `gate`."""
    path = project.directory / "gate"
    os.mkfifo(path)
    yield "read word < gate"


def test_it_shows_what_runs_what_is_next_and_a_bar(project, gate: str) -> None:
    plan = project.plan(
        {"id": "quick", "run": "true"},
        {"id": "held", "run": gate},
        {"id": "final", "run": "echo why >&2; false", "depends_on": ["held", "quick"]},
    )
    terminal = Terminal(project)
    terminal.run("run", plan, "--run-id", "r")
    terminal.shows("1/3 33%")
    started, quick, held, following, bar = terminal.lines
    assert started.endswith("run r started: demo, 3 steps")
    assert re.search(r"quick succeeded in [0-9.]+ s$", quick)
    assert re.fullmatch(r". held [0-9.]+ s", held)
    assert following == "  next: final"
    assert re.fullmatch(r"━+.━+ 1/3 33% [0-9.]+ s", bar)
    assert terminal.has_cursor  # also for the shell of whoever kills it now
    (project.directory / "gate").write_text("\n")
    assert terminal.end() == 1
    _, _, held, final, why, _, over, reason, hint = terminal.lines  # none is of the display
    assert re.search(r"held succeeded in [0-9.]+ s$", held)
    assert re.search(r"final failed in [0-9.]+ s: exit code 1", final)
    assert why == "  | why"
    assert re.search(r"run r failed in .*: 2 succeeded, 1 failed", over)
    assert "exit code 1" in reason
    assert "stoker show r" in hint


def test_it_fits_into_a_low_terminal(project, gate: str) -> None:
    plan = project.plan(
        *({"id": f"held-{n}", "run": gate} for n in range(9)), globals={"max_concurrency": 9}
    )
    terminal = Terminal(project, lines=7)
    terminal.run("run", plan, "--run-id", "r")
    terminal.shows("held-3", "  and 5 more", "0/9 0%")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == 143
    assert [line for line in (*terminal.past, *terminal.lines) if "held" in line] == []


def test_steps_that_are_held_up_are_shown(project, gate: str) -> None:
    plan = project.plan(
        {"id": "publish", "run": "true", "approval": {"prompt": "Publish?"}},
        {"id": "flaky", "run": "false", "retries": 9, "retry": {"delay_sec": 600}},
    )
    terminal = Terminal(project)
    terminal.run("run", plan, "--run-id", "r")
    held_up = "  waiting: publish for a person, flaky to try again"
    terminal.shows(held_up)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == 143
    again = Terminal(project)
    again.run("resume", "r")
    again.shows(held_up)
    project.run("approve", "r", "publish")
    again.shows("publish succeeded", "  waiting: flaky to try again")
    again.process.send_signal(signal.SIGTERM)
    assert again.end() == 143


def test_what_ctrl_c_does_is_told_above_it(project) -> None:
    os.mkfifo(project.directory / "gate")
    plan = project.plan({"id": "deaf", "run": "trap '' TERM; while :; do read w < gate; done"})
    terminal = Terminal(project)
    terminal.run("run", plan, "--run-id", "r")
    terminal.shows("0/1 0%")
    terminal.process.send_signal(signal.SIGINT)
    terminal.shows("run canceling", "0/1 0%")
    assert terminal.lines[1] == "canceling the run; Ctrl-C again ends it at once"
    assert [line for line in terminal.lines[:3] if "deaf" in line] == []
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert terminal.has_cursor


def test_an_error_that_ends_the_run_is_told_in_its_place(project, gate: str) -> None:
    plan = project.plan({"id": "held", "run": gate})
    terminal = Terminal(project)
    terminal.run("run", plan, "--run-id", "r")
    terminal.shows("0/1 0%")
    with sqlite3.connect(project.directory / ".stoker/journal.db") as db:
        db.execute("UPDATE runs SET lease_epoch = lease_epoch + 1")
    (project.directory / "gate").write_text("\n")
    assert terminal.end() == 2
    started, error = terminal.lines
    assert "run r started" in started
    assert error.startswith("stoker: ")
