"""`step_attempts` in SQLite: projected a moment after the events, many at a time.

Its rows lie all over two B-trees, so that writing them with every commit costs more than
the events themselves. They follow within `LAG_SEC` instead, or at once when the run's own
standing changes; `runs.last_sequence` says how far they are, and readers fold the events
after it (`stoker.journal.attempts`). A killed engine's rest is projected by the next one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from time import monotonic

from stoker.journal import rows
from stoker.journal.attempts import TAIL
from stoker.journal.events import Event
from stoker.journal.projection import ATTEMPT_COLUMNS, RUN_EVENTS, project

LAG_SEC = 0.05

_TAIL = TAIL.replace("?1", "?")
_START = (
    f"INSERT OR REPLACE INTO step_attempts ({', '.join(ATTEMPT_COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(ATTEMPT_COLUMNS))})"
)
_CHANGE = (
    "UPDATE step_attempts SET status = ?, pid = COALESCE(?, pid), exit_code = ?, error = ?, "
    "finished_at = ? WHERE run_id = ? AND step_id = ? AND attempt = ?"
)
_RUN = (
    "UPDATE runs SET status = ?, reason = ?, started_at = COALESCE(started_at, ?), "
    "finished_at = ? WHERE run_id = ?"
)
_REACHED = "UPDATE runs SET last_sequence = ? WHERE run_id = ?"


class LaggingProjection:
    """Projects the events of runs on one connection. `catch_up(run_id)` is called on the
    event loop when a run has been quiet for a while: it is to call `project` in a transaction."""

    def __init__(self, db: sqlite3.Connection, catch_up: Callable[[str], None]) -> None:
        self._db = db
        self._catch_up = catch_up
        self._due: dict[str, float] = {}
        """When the runs that have unprojected events are to be projected."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tails: dict[str, list[Event]] = {}
        """The unprojected events of runs of which all are known here."""

    def follow(self, run_id: str, events: Sequence[Event]) -> None:
        """In the transaction that has appended `events`: project them now, or soon."""
        tail = self._tails.get(run_id)
        if tail is not None:
            tail.extend(events)
        due = self._due.get(run_id)
        if due is None:
            due = self._due[run_id] = monotonic() + LAG_SEC
            if run_id not in self._timers:
                self._arm(run_id)
        elif monotonic() >= due:
            self.project(run_id)
            return
        for event in events:
            if event.type in RUN_EVENTS:
                self.project(run_id)
                return

    def project(self, run_id: str) -> None:
        """In a transaction: bring the rows of a run up to its last event."""
        self._due.pop(run_id, None)
        events = self._tails.get(run_id)
        if events is None:
            events = [rows.event_row(row) for row in self._db.execute(_TAIL, (run_id, run_id))]
        self._tails[run_id] = []
        if not events:
            return
        changes = project(events)
        if changes.started:
            self._db.executemany(_START, changes.started.values())
        if changes.changed:
            self._db.executemany(_CHANGE, [(*row, *key) for key, row in changes.changed.items()])
        run = changes.run
        if run is not None:
            values = (run.status, run.reason, run.started_at, run.finished_at, run_id)
            self._db.execute(_RUN, values)
        self._db.execute(_REACHED, (events[-1].sequence, run_id))

    def forget(self, run_id: str) -> None:
        """A transaction on the run was rolled back, or others may write to it from now on."""
        self._tails.pop(run_id, None)

    def close(self) -> None:
        """Call nobody any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _arm(self, run_id: str) -> None:
        loop = asyncio.get_running_loop()
        self._timers[run_id] = loop.call_later(2 * LAG_SEC, self._look, run_id)

    def _look(self, run_id: str) -> None:
        del self._timers[run_id]
        due = self._due.get(run_id)
        if due is None:
            return
        if monotonic() < due:
            self._arm(run_id)
        else:
            self._catch_up(run_id)
