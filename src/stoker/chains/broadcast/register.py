"""Which groups were broadcast, and by which run: who asks for it again is not given a second."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence as Several
from pathlib import Path

import msgspec

from stoker import whole_file
from stoker.chains.broadcast.describe import Outgoing
from stoker.chains.errors import ChainError
from stoker.engine.engine import Engine
from stoker.journal.base import RunBusy, RunOver, UnknownRun


class Register:
    """Of one engine's journal: a file for each group, beside it, that names the run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._folder = engine.directory / "chains" / "broadcasts"

    async def again(self, groups: Several[Outgoing]) -> str | None:
        """The run that these groups were begun to be broadcast by, which goes on here; None: there
        is none. Raises `ChainError` where some were, but not all, and where that run is over or
        another engine's."""
        runs = [await self._run(self._path(one)) for one in groups]
        found = {run for run in runs if run is not None}
        if not found:
            return None
        if len(found) > 1 or None in runs:
            told = ", ".join(
                f"{one.script} by {run}" for one, run in zip(groups, runs, strict=True) if run
            )
            raise ChainError(f"broadcast before: {told}. Choose the groups that were not")
        (run_id,) = found
        try:
            await self._engine.resume(run_id, park=False)
        except RunBusy:
            raise ChainError(f"another engine is at it, in run {run_id}") from None
        except RunOver:
            row = await self._engine.journal.run(run_id)
            if row.status == "succeeded":
                raise ChainError(f"it has been sent, by run {run_id}") from None
            raise ChainError(
                f"broadcast {run_id} {row.status}: {row.reason}. `stoker rerun {run_id} --failed` "
                "tries the rest again, and sends nothing twice"
            ) from None
        return run_id

    def note(self, groups: Several[Outgoing], run_id: str) -> None:
        """Before the run begins. Raises `ChainError` if another has them meanwhile."""
        for one in groups:
            try:
                with whole_file.atomic(self._path(one), overwrite=False) as file:
                    file.write(run_id.encode())
            except FileExistsError:
                raise ChainError(f"{one.script} is being broadcast by another") from None

    async def _run(self, path: Path) -> str | None:
        run_id = _read(path)
        if run_id is None:
            return None
        try:
            await self._engine.journal.run(run_id)
        except UnknownRun:  # whoever noted it came no further
            _remove(path)
            return None
        return run_id

    def _path(self, group: Outgoing) -> Path:
        return self._folder / hashlib.sha256(msgspec.json.encode(group)).hexdigest()


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
