"""Forgetting runs that are over: their journal rows, their logs, and what nobody owns.

Runs of their own, never inside an engine: deleting old logs just before making new ones
slows the file system that has to do both.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from stoker.engine.attempt import OWNER, owner
from stoker.engine.lifecycle import RUN_OVER
from stoker.journal.base import Journal, RunBusy, RunRow, UnknownRun

_ALL = 1_000_000_000
_YOUNG_SEC = 3600.0
"""Directories changed more recently may belong to a run that is just being made."""


class Policy(Struct, frozen=True):
    """Which runs to keep. A run goes only if both let it."""

    keep: int = 0
    """The newest so many finished runs of every plan stay."""
    older_than_sec: float = 0.0
    """Runs that ended more recently stay."""


class Collected(Struct, frozen=True, kw_only=True):
    """What was deleted, or would be."""

    runs: list[str]
    """Ids, oldest first; nested runs come with the run they belong to."""
    orphans: list[str]
    """Run directories without a run."""
    bytes: int
    """Disk space of the directories, freed."""
    kept: int
    """Runs left in the journal."""


async def collect(
    journal: Journal,
    directory: Path,
    policy: Policy,
    *,
    now: float,
    dry_run: bool = False,
) -> Collected:
    """Delete what `policy` lets go, `now` being seconds since the epoch.

    `directory` is the state directory. With the runs go directories of runs that a journal in
    it has no more; those of other journals' runs are left alone. Runs that are not over are never
    touched, nor is a nested run before the one it belongs to, nor one that is kept
    (`RunOptions.kept`). May be interrupted at any time and run again. Raises `JournalError`, and
    `OSError` for a directory that cannot be deleted.
    """
    present = _directories(directory / "runs", now - _YOUNG_SEC, journal) if journal.local else []
    rows = await journal.runs(limit=_ALL)
    known = {row.run_id for row in rows}
    doomed = [row.run_id for row in reversed(_expired(rows, policy, now))]
    strays = [name for name in present if name not in known and await _gone(journal, name)]
    deleted: list[str] = []
    freed = 0
    for run_id in doomed:
        if not dry_run:
            try:
                await journal.delete_run(run_id)
            except (RunBusy, UnknownRun):
                continue  # an engine has it open again, or another gc was faster
        deleted.append(run_id)
        freed += _delete(directory / "runs" / run_id, dry_run=dry_run)
    for name in strays:
        freed += _delete(directory / "runs" / name, dry_run=dry_run)
    return Collected(runs=deleted, orphans=strays, bytes=freed, kept=len(rows) - len(deleted))


async def forget(journal: Journal, directory: Path, run_id: str, *, kept: bool = False) -> None:
    """Delete one run and those nested in it, with their directories. Raises `UnknownRun`, and
    `RunBusy` if one of them is not over, or the run is nested in one that is still there, or kept
    (`RunOptions.kept`), unless `kept` says that it is whoever keeps it that forgets it."""
    row = await journal.run(run_id)
    rows = await journal.runs(limit=_ALL)
    by_id = {one.run_id: one for one in rows}
    if row.parent_run_id in by_id:
        raise RunBusy(f"run {run_id} is nested in {row.parent_run_id}, and is deleted with it")
    if row.options.get("kept") and not kept:
        raise RunBusy(f"run {run_id} belongs to an attempt at a task")
    family = [row, *(one for one in rows if one is not row and _root(one, by_id) == run_id)]
    for one in family:
        if one.status not in RUN_OVER:
            raise RunBusy(f"run {one.run_id} is not over: it is {one.status}")
    for run in dict.fromkeys(one.run_id for one in family):
        await journal.delete_run(run)
        _delete(directory / "runs" / run, dry_run=False)


def _expired(rows: Iterable[RunRow], policy: Policy, now: float) -> list[RunRow]:
    """The runs to forget, newest first, whole families at a time: a nested run goes with
    the one it belongs to, and only if all of them are over."""
    by_id = {row.run_id: row for row in rows}
    families: dict[str, list[RunRow]] = defaultdict(list)
    for row in by_id.values():
        families[_root(row, by_id)].append(row)
    kept: dict[str, int] = defaultdict(int)
    expired: list[RunRow] = []
    for row in by_id.values():
        family = families.get(row.run_id)
        if family is None or any(member.status not in RUN_OVER for member in family):
            continue
        if row.options.get("kept"):
            continue
        kept[row.plan_id] += 1
        ended = row.finished_at if row.finished_at is not None else row.created_at
        if kept[row.plan_id] > policy.keep and now - ended >= policy.older_than_sec:
            expired.extend(family)
    return expired


def _root(row: RunRow, by_id: Mapping[str, RunRow]) -> str:
    while row.parent_run_id is not None and row.parent_run_id in by_id:
        row = by_id[row.parent_run_id]
    return row.run_id


def _directories(runs: Path, before: float, journal: Journal) -> list[str]:
    try:
        with os.scandir(runs) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_mtime < before
                and _is_of(Path(entry), journal)
            )
    except FileNotFoundError:
        return []


def _is_of(run: Path, journal: Journal) -> bool:
    try:
        return os.readlink(run / OWNER) == owner(journal)  # noqa: PTH115 - as it was written
    except OSError:
        return False


async def _gone(journal: Journal, run_id: str) -> bool:
    try:
        await journal.run(run_id)
    except UnknownRun:
        return True
    return False


def _delete(path: Path, *, dry_run: bool) -> int:
    """Delete a directory; returns the bytes it took on disk."""
    if path.is_symlink() or not path.is_dir():
        return 0
    size = 0
    for folder, _, files in os.walk(path):
        for name in files:
            size += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 - hot
    if not dry_run:
        import shutil

        shutil.rmtree(path)
    return size
