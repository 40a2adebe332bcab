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


async def sync_modes(journal, lease, make) -> list[str]:
    """How far SQLite was told to wait for the disk at a commit, and at one with a barrier."""
    (found,) = await journal._fetch("PRAGMA synchronous")
    mode = {1: "NORMAL", 2: "FULL"}[found[0]]
    told: list[str] = []
    journal._db.set_trace_callback(told.append)
    await journal.commit(lease, [make.event(1, "run.started")])
    await journal.commit(lease, [make.event(2, "run.paused")], barrier=True)
    await journal.commit(lease, [make.event(3, "run.unpaused")])
    modes = []
    for statement in told:
        if statement.startswith("PRAGMA synchronous"):
            mode = statement.split()[-1]
        elif statement == "COMMIT":
            modes.append(mode)
    return modes


async def wait_modes(journal, lease, make) -> list[str]:
    """What PostgreSQL waited for at the same commits, by a trigger that fires at their ends."""
    async with journal._connections.lend() as connection:
        await connection.execute(
            """
            CREATE TABLE modes (mode text);
            CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO modes VALUES (current_setting('synchronous_commit')); RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON run_events
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look()"""
        )
    await journal.commit(lease, [make.event(1, "run.started")])
    await journal.commit(lease, [make.event(2, "run.paused")], barrier=True)
    await journal.commit(lease, [make.event(3, "run.unpaused")])
    return [mode for (mode,) in await journal._fetch("SELECT mode FROM modes")]


@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_commit_waits_for_the_disk_where_it_is_to(location, make, durability):
    served = location.startswith("postgres")
    # A server that was set up not to wait.
    place = f"{location}&synchronous_commit=off" if served else location

    async def main():
        journal = await open_journal(place, durability=durability)
        lease = await make.leased(journal)
        modes = await (wait_modes if served else sync_modes)(journal, lease, make)
        lazy, sure = ("off", "on") if served else ("NORMAL", "FULL")
        assert modes == ([lazy, sure, lazy] if durability == "process" else [sure] * 3)
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
