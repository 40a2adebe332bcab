"""Where a command works: the project's state directory, its journal, its output."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stoker.cli.output import Output
from stoker.project import locate

if TYPE_CHECKING:
    from stoker.engine.engine import Engine
    from stoker.journal.base import Durability, Journal, RunRow

_SHOWN = 5
_SEARCHED = 100_000


class UsageError(Exception):
    """Asked for something that cannot be; the message tells the person what to do."""


class Context:
    """What every command is given. Nothing is touched or created before it is asked for."""

    def __init__(
        self,
        output: Output,
        *,
        db: str | None = None,
        cwd: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.output = output
        self.environment = dict(environment)
        """As it was in the beginning, with what is taken from steps later."""
        self.cwd = cwd or Path.cwd()
        self._option = db
        self._place = locate(db, cwd=self.cwd, environment=environment)
        self.directory = self._place.directory
        """The state directory, absolute; it may not exist yet."""
        self.location = self._place.location
        """The journal's path or URL."""

    def create(self) -> None:
        """Make the state directory. Raises `UsageError`."""
        try:
            self._place.create()
        except OSError as error:
            raise UsageError(
                f"the state directory {self.directory} cannot be made: {error.strerror}"
            ) from error

    def is_fresh(self) -> bool:
        """Whether the journal is a file that is not there yet."""
        return self._place.file is not None and not self._place.file.exists()

    @asynccontextmanager
    async def journal(
        self, *, create: bool = False, durability: Durability = "process"
    ) -> AsyncIterator[Journal]:
        """The journal, open; without `create` it must exist. Raises `JournalError`."""
        from stoker.journal.open import open_journal

        if create:
            self.create()
        elif self.is_fresh():
            from stoker.journal.base import JournalError

            raise JournalError(
                f"there is no journal at {self.location}: nothing was run here yet "
                "(`stoker run` makes one; --db or STOKER_DB names another)"
            )
        journal = await open_journal(self.location, durability=durability)
        try:
            yield journal
        finally:
            await journal.close()

    @asynccontextmanager
    async def journal_of(self, name: str) -> AsyncIterator[Journal]:
        """The journal, open to go on with a run: as durable as when that was begun. Raises
        `JournalError`, `UsageError`."""
        async with self.journal() as journal:
            run = await self.find_run(journal, name)
            if run.options.get("durability", "process") == "process":
                yield journal
                return
        async with self.journal(durability="power") as journal:
            yield journal

    @asynccontextmanager
    async def journal_if_any(self) -> AsyncIterator[Journal | None]:
        """The journal, open; None if there is none yet. Raises `JournalError`."""
        if self.is_fresh():
            yield None
            return
        async with self.journal() as journal:
            yield journal

    def engine(
        self,
        journal: Journal,
        *,
        max_concurrency: int | None = None,
        resources: Mapping[str, float | str] | None = None,
    ) -> Engine:
        """An engine on this project's state directory, with every kind of step."""
        from stoker.engine.engine import Engine
        from stoker.steps.registry import kinds
        from stoker.telemetry import observers

        return Engine(
            journal,
            self.directory,
            kinds(),
            max_concurrency=max_concurrency,
            resources=resources,
            observers=observers(),
        )

    async def find_run(self, journal: Journal, name: str) -> RunRow:
        """The run a person means: its id, a unique beginning of it, or `last` (also `-`) for
        the newest one that is no attempt at a task. Raises `UsageError`."""
        from stoker.journal.base import UnknownRun

        if not name:
            raise UsageError("expected the id of a run, its beginning or 'last', found ''")
        if name in ("last", "-"):
            rows = await journal.runs(limit=_SEARCHED)
            # Attempts at tasks are found by their tasks.
            own = (row for row in rows if not (row.parent_run_id or row.options.get("kept")))
            newest = next(own, None)
            if newest is None:
                raise UsageError("the journal holds no run yet")
            return newest
        try:
            return await journal.run(name)
        except UnknownRun:
            pass
        found = [row for row in await journal.runs(limit=_SEARCHED) if row.run_id.startswith(name)]
        # A nested run's id begins with its parent's; the parent is what is meant.
        whole = [row for row in found if row.parent_run_id is None] or found
        if len(whole) == 1:
            return whole[0]
        if not whole:
            raise UsageError(f"no run {name!r} in {journal.location}; see `stoker list`")
        shown = ", ".join(row.run_id for row in whole[:_SHOWN])
        more = ", ..." if len(whole) > _SHOWN else ""
        raise UsageError(f"{name!r} is the beginning of {len(whole)} runs: {shown}{more}")

    def hint(self, *words: str) -> str:
        """A command line to go on with: `stoker WORDS`, on the same journal."""
        from shlex import join

        option = self._option or ""
        # A password may stand before the host, or among the parameters of a URL.
        private = "://" in option and ("@" in option or "?" in option)
        db = ("--db", option) if option and not private else ()
        return join(("stoker", *words, *db))
