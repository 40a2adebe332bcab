"""Journals of older versions: what they hold is still there when they were brought up to date."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stoker.journal import migrate
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal

_TASKS = (
    "INSERT INTO projects VALUES ('p1', 'app', '/app', NULL, NULL, '[]', 1, 1)",
    "INSERT INTO tasks VALUES ('t1', 'p1', 'Fix it', NULL, 'todo', NULL, 1, 1)",
    "INSERT INTO attempts VALUES "
    "('a1', 't1', 'r1', 'CLAUDE', NULL, 'b', 'main', 'c0', '/w', 'kept', NULL, 1, 1)",
)


@contextmanager
def only_the_first(number: int, folder: Path) -> Iterator[None]:
    """As if no more migrations than that had been written."""
    for database in ("sqlite", "postgres"):
        place = folder / database
        place.mkdir(parents=True)
        for file in sorted((migrate._FOLDER / database).glob("*.sql"))[:number]:
            shutil.copy(file, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "_FOLDER", folder)
        yield


@pytest.mark.parametrize("version", [1, 2])
def test_a_journal_of_an_older_version_is_brought_up_to_date(location, make, tmp_path, version):
    async def write():
        journal = await open_journal(location)
        lease = await make.leased(journal)
        await journal.commit(
            lease,
            [
                make.event(1, "run.started"),
                make.attempt(2, "starting", kind="command"),
                make.attempt(3, "settled", status="succeeded", exit_code=0),
            ],
        )
        await journal.release(lease)
        if version == 2:
            async with journal.transaction() as session:
                for statement in _TASKS:
                    await session.fetch(statement)
                await session.fetch(
                    "INSERT INTO follow_ups VALUES ('a1', 'and tests', NULL, ?1, 3, 5)", True
                )
        await journal.close()

    async def read():
        journal = await open_journal(location)
        assert [event.sequence for event in await journal.events("r1")] == [1, 2, 3]
        assert [row.status for row in await journal.attempts("r1")] == ["succeeded"]
        assert await journal.check() == []
        lease = await journal.acquire("r1", current_engine())
        await journal.commit(lease, [make.event(4, "run.settled", data={"status": "succeeded"})])
        assert (await journal.run("r1")).status == "succeeded"
        async with journal.snapshot() as session:
            drafts = await session.fetch("SELECT draft_id, prompt, queued, version FROM drafts")
            changes = await session.fetch("SELECT subject, key FROM changes ORDER BY sequence")
        if version == 2:
            assert [tuple(row) for row in drafts] == [("a1/follow_up", "and tests", True, 3)]
            assert [tuple(row) for row in changes] == [
                ("projects", "p1"),
                ("tasks", "t1"),
                ("attempts", "a1"),
                ("drafts", "a1/follow_up"),
            ]
        await journal.close()

    with only_the_first(version, tmp_path / "migrations"):
        asyncio.run(write())
    asyncio.run(read())
