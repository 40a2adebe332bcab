"""Locations, migrations and who may open what."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys

import pytest

from stoker.journal.base import JournalError, JournalTooNew
from stoker.journal.open import open_journal


def opened(location):
    async def main():
        journal = await open_journal(location)
        await journal.close()
        return journal.location

    return asyncio.run(main())


def test_paths_and_sqlite_urls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert opened(tmp_path / "deep" / "a.db") == str(tmp_path / "deep" / "a.db")
    assert opened("sqlite:///b.db") == "b.db"
    assert opened(f"sqlite:///{tmp_path}/c.db") == f"{tmp_path}/c.db"
    assert sorted(path.name for path in tmp_path.rglob("*.db")) == ["a.db", "b.db", "c.db"]
    assert (tmp_path / "b.db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "deep").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("location", ["", "sqlite:///", "mysql://u:hunter2@host/db"])
def test_other_locations_are_refused_without_their_secrets(location):
    with pytest.raises(JournalError, match="expected") as raised:
        opened(location)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("durability", ["process", "power"])
def test_durability_is_taken(location, make, durability):
    async def main():
        journal = await open_journal(location, durability=durability)
        lease = await make.leased(journal)
        await journal.commit(lease, [make.event(1, "run.started")])
        await journal.commit(lease, [make.event(2, "run.paused")], barrier=True)
        if location.startswith("postgres"):
            mode = (await journal._fetch("SHOW synchronous_commit"))[0][0]
            assert mode == "on"
        else:
            mode = (await journal._fetch("PRAGMA synchronous"))[0][0]
            assert mode == {"process": 1, "power": 2}[durability]
        assert (await journal.run("r1")).last_sequence == 2
        await journal.close()

    asyncio.run(main())


def test_a_journal_is_opened_again_as_it_was_left(location, make):
    async def write():
        journal = await open_journal(location)
        await journal.create_run(make.run())
        await journal.close()

    async def read():
        journal = await open_journal(location)
        assert [run.run_id for run in await journal.runs()] == ["r1"]
        await journal.close()

    asyncio.run(write())
    asyncio.run(read())


def test_a_newer_schema_is_refused(location):
    async def main():
        journal = await open_journal(location)
        async with journal.transaction() as session:
            if location.startswith("postgres"):
                await session.fetch("UPDATE stoker_schema SET version = 999 WHERE version = 1")
            else:
                await session.fetch("PRAGMA user_version = 999")
        await journal.close()
        with pytest.raises(JournalTooNew, match=r"version 999.*up to 3.*upgrade Stoker"):
            await open_journal(location)

    asyncio.run(main())


def test_many_may_open_an_empty_postgres_journal_at_once(postgres_url, make):
    async def main():
        journals = await asyncio.gather(*(open_journal(postgres_url) for _ in range(6)))
        await journals[0].create_run(make.run())
        assert len(await journals[-1].runs()) == 1
        for journal in journals:
            await journal.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/db", "postgresql://127.0.0.1:1/db"),
        ("postgresql://u:hunter2@127.0.0.1:x/db", "not a PostgreSQL URL"),
        ("postgresql://u:hun/ter2@127.0.0.1:1/db", "postgresql://"),
        ("postgresql://127.0.0.1:1/db?user=u&password=hunter2", "postgresql://127.0.0.1:1/db"),
        ("postgresql://u:hu?nter2@127.0.0.1:1/db", "postgresql://"),
    ],
)
def test_a_postgres_journal_out_of_reach_is_named_without_credentials(url, said):
    with pytest.raises(JournalError) as raised:
        opened(url)
    assert said in str(raised.value)
    assert "hun" not in str(raised.value)
    assert "nter2" not in str(raised.value)


def test_the_location_of_a_postgres_journal_has_no_credentials(postgres_url):
    assert opened(postgres_url) == "postgresql:///postgres"


def test_without_asyncpg_the_extra_is_named(tmp_path):
    (tmp_path / "asyncpg.py").write_text("raise ModuleNotFoundError('no', name='asyncpg')")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import asyncio; from stoker.journal.open import open_journal\n"
        "asyncio.run(open_journal('postgresql://u:hunter2@h/d'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "stoker[postgres]" in done.stderr.splitlines()[-1]
    assert "hunter2" not in done.stderr.splitlines()[-1]


def test_a_path_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be created"):
        opened(tmp_path / "file" / "journal.db")
    with pytest.raises(JournalError, match="cannot be opened: not a file"):
        opened(tmp_path)


def test_what_is_no_journal_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but longer than a header of SQLite's " * 20)
    before = text.read_bytes()
    with pytest.raises(JournalError, match="not a SQLite database"):
        opened(text)
    assert text.read_bytes() == before
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = other.read_bytes()
    with pytest.raises(JournalError, match="not a journal of Stoker's"):
        opened(other)
    assert other.read_bytes() == before


def test_an_empty_file_becomes_a_journal(tmp_path):
    (tmp_path / "journal.db").touch()
    opened(tmp_path / "journal.db")
    with sqlite3.connect(tmp_path / "journal.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
    db.close()
