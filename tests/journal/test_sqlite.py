"""A SQLite journal among processes, killed writers, full disks and damaged files."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stoker.journal.base import JournalError
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal

_PRELUDE = """
import asyncio, os, resource, sys
from stoker.journal.base import JournalError, NewRun
from stoker.journal.events import Event
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal

def new(run_id):
    return NewRun(run_id=run_id, plan_id="p", plan_version="1", plan_description="",
                  plan_json=b"{}")

def batch(run_id, first, count, size=0):
    return [Event(run_id, first + n, "attempt.starting", 1e9, f"s{first + n}", 1,
                  {"kind": "command", "pad": "x" * size}) for n in range(count)]
"""


def child(body: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"{_PRELUDE}\n{body}", *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_open_a_new_journal_at_once_and_write_side_by_side(tmp_path):
    body = """
async def main():
    for number in range(8):
        print("ready", flush=True)
        sys.stdin.readline()
        journal = await open_journal(f"{sys.argv[1]}/{number}.db")
        run_id = f"r{os.getpid()}"
        await journal.create_run(new(run_id))
        lease = await journal.acquire(run_id, current_engine())
        for first in range(1, 41, 4):
            await journal.commit(lease, batch(run_id, first, 4))
        await journal.close()
asyncio.run(main())
"""
    writers = [child(body, tmp_path) for _ in range(4)]

    async def look(number):
        journal = await open_journal(tmp_path / f"{number}.db")
        runs = await journal.runs()
        assert [run.last_sequence for run in runs] == [40] * 4
        assert await journal.check() == []
        await journal.close()

    for number in range(8):
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        if number:
            asyncio.run(look(number - 1))
        for writer in writers:
            writer.stdin.write("\n")
            writer.stdin.flush()
    assert [writer.wait() for writer in writers] == [0] * 4
    for writer in writers:
        writer.communicate()
    asyncio.run(look(7))


def test_a_killed_writer_leaves_whole_commits_and_all_it_acknowledged(tmp_path, make):
    path = tmp_path / "journal.db"
    body = """
async def main():
    journal = await open_journal(sys.argv[1])
    lease = await journal.acquire("r1", current_engine())
    sequence = (await journal.run("r1")).last_sequence
    for count in map(int, sys.argv[2].split()):
        await journal.commit(lease, batch("r1", sequence + 1, count))
        sequence += count
        print(sequence, flush=True)
asyncio.run(main())
"""
    chance = random.Random(7)

    async def create():
        journal = await open_journal(path)
        from stoker.journal.base import NewRun

        await journal.create_run(
            NewRun(run_id="r1", plan_id="p", plan_version="1", plan_description="", plan_json=b"{}")
        )
        await journal.close()

    async def look(acknowledged):
        journal = await open_journal(path)
        run = await journal.run("r1")
        assert run.last_sequence >= acknowledged
        assert run.last_sequence == len(await journal.events("r1"))
        assert run.last_sequence == len(await journal.attempts("r1"))
        assert await journal.check() == []
        lease = await journal.acquire("r1", current_engine())
        await journal.release(lease)
        await journal.close()

    asyncio.run(create())
    for _ in range(5):
        writer = child(body, path, " ".join(str(chance.randint(1, 40)) for _ in range(5000)))
        for _ in range(chance.randint(1, 60)):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        writer.communicate()
        asyncio.run(look(acknowledged))


def test_a_full_disk_is_said_and_the_next_commit_works_when_there_is_space(tmp_path):
    body = """
async def main():
    journal = await open_journal(sys.argv[1])
    await journal.create_run(new("r1"))
    lease = await journal.acquire("r1", current_engine())
    await journal.commit(lease, batch("r1", 1, 3))
    used = os.path.getsize(sys.argv[1] + "-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (10, 5000, 20000, 100000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (used + room, hard))
        for durable in (False, True):
            try:
                await journal.commit(lease, batch("r1", 4, 40, 5000), barrier=durable)
            except JournalError as error:
                print(error)
            else:
                print("no error with", room)
        assert (await journal.run("r1")).last_sequence == 3
        assert len(await journal.attempts("r1")) == 3
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await journal.commit(lease, batch("r1", 4, 40, 5000))
    assert await journal.check() == []
    await journal.close()
asyncio.run(main())
"""
    path = tmp_path / "journal.db"
    writer = child(body, path)
    said, _ = writer.communicate()
    assert writer.returncode == 0
    assert len(said.splitlines()) == 8
    assert all(
        line.startswith(f"{path}: ") and "full" in line and "SQLITE_" in line
        for line in said.splitlines()
    ), said


def test_a_database_that_may_not_grow_is_full(tmp_path, make):
    async def main():
        journal = await open_journal(tmp_path / "journal.db")
        lease = await make.leased(journal)
        pages = (await journal._fetch("PRAGMA page_count"))[0][0]
        await journal._fetch(f"PRAGMA max_page_count = {pages}")
        big = [make.event(n, "run.created", data={"x": "y" * 9000}) for n in range(1, 9)]
        with pytest.raises(JournalError, match="the disk is full"):
            await journal.commit(lease, big)
        with pytest.raises(JournalError, match="the disk is full"):
            await journal.create_run(make.run("r2", plan_json=b"[%s]" % (b"1," * 50_000)))
        await journal._fetch("PRAGMA max_page_count = 1000000")
        await journal.commit(lease, big)
        assert await journal.check() == []
        await journal.close()

    asyncio.run(main())


@pytest.fixture
def shared_folder():
    folder = Path(tempfile.mkdtemp(prefix="stoker-ro-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("readonly", ["file", "folder"])
def test_a_read_only_journal_is_said_and_stays_whole(shared_folder, make, readonly):
    path = shared_folder / "journal.db"

    async def write():
        journal = await open_journal(path)
        await make.leased(journal)
        await journal.close()

    asyncio.run(write())
    path.chmod(0o444)
    if readonly == "folder":
        shared_folder.chmod(0o555)
    body = """
async def main():
    journal = await open_journal(sys.argv[1])
    try:
        await journal.create_run(new("r2"))
    finally:
        await journal.close()
try:
    asyncio.run(main())
except JournalError as error:
    print(error)
"""
    # The interpreter is started before it gives its rights up: it may lie where only its
    # owner can read. Since Python 3.13 a path needs urllib to say what its URI is.
    if os.geteuid() == 0:
        ahead = "import stoker.journal.sqlite, urllib.parse"
        body = f"{ahead}\nos.setgid(65534); os.setuid(65534)\n{body}"
    before = path.read_bytes()
    writer = child(body, path)
    said, _ = writer.communicate()
    assert writer.returncode == 0
    assert said.startswith(f"{path}: ")
    assert "read-only" in said or "no permission" in said
    assert path.read_bytes() == before


def test_a_locked_journal_is_said_and_the_next_commit_works(tmp_path, make):
    async def main():
        journal = await open_journal(tmp_path / "journal.db")
        lease = await make.leased(journal)
        await journal._fetch("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another process has kept it locked"):
            await journal.commit(lease, [make.event(1, "run.started")])
        with pytest.raises(JournalError, match="another process has kept it locked"):
            await journal.release_locks(lease, "s")
        other.execute("ROLLBACK")
        await journal.commit(lease, [make.event(1, "run.started")])
        other.close()
        await journal.close()

    asyncio.run(main())


def test_a_reader_in_the_middle_blocks_no_writer(tmp_path, make):
    async def main():
        journal = await open_journal(tmp_path / "journal.db")
        lease = await make.leased(journal)
        await journal._fetch("PRAGMA busy_timeout = 1")
        reader = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        reader.execute("BEGIN")
        count = "SELECT COUNT(*) FROM run_events"
        assert reader.execute(count).fetchone() == (0,)
        for sequence in range(1, 50):
            await journal.commit(lease, [make.event(sequence, "run.started")])
        assert reader.execute(count).fetchone() == (0,)
        reader.execute("COMMIT")
        assert reader.execute(count).fetchone() == (49,)
        reader.close()
        await journal.close()

    asyncio.run(main())


def test_a_damaged_file_is_found_by_check_and_said_by_the_rest(tmp_path, make):
    path = tmp_path / "journal.db"

    async def write():
        journal = await open_journal(path)
        lease = await make.leased(journal)
        for first in range(1, 2001, 100):
            await journal.commit(
                lease, [make.attempt(n, "starting", f"s{n}") for n in range(first, first + 100)]
            )
        await journal.close()

    async def read():
        journal = await open_journal(path)
        found = await journal.check()
        with pytest.raises(JournalError, match="the file is damaged"):
            await journal.events("r1")
            await journal.attempts("r1")
        await journal.close()
        return found

    asyncio.run(write())
    with path.open("r+b") as file:
        size = path.stat().st_size
        for page in range(size // 4096 * 3 // 4, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)
    assert asyncio.run(read()) != []


def test_a_cut_file_is_refused(tmp_path, make):
    path = tmp_path / "journal.db"

    async def write():
        journal = await open_journal(path)
        await make.leased(journal)
        await journal.close()

    async def read():
        journal = await open_journal(path)
        try:
            await journal.runs()
        finally:
            await journal.close()

    asyncio.run(write())
    os.truncate(path, 5000)
    with pytest.raises(JournalError, match="the file is damaged"):
        asyncio.run(read())
