"""Locks that are waited for, and given up."""

import asyncio
import os

from stoker.workspace import locks


def test_a_lock_that_is_not_waited_for_any_more_is_free(tmp_path):
    file = tmp_path / "lock"

    async def wait():
        async with locks.exclusive(file):
            raise AssertionError("somebody else has it")

    async def check():
        theirs = locks.open_file(file)
        assert locks.try_lock(theirs)
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)  # now a thread waits
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert waiting.cancelled()
        os.close(theirs)
        async with asyncio.timeout(30), locks.exclusive(file) as fd:
            assert os.fstat(fd).st_ino == file.stat().st_ino

    asyncio.run(check())
