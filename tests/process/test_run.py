"""Helper processes, run to their end."""

from __future__ import annotations

import asyncio
import gc
import os

import pytest

from stoker.process.redact import Redactor
from stoker.process.run import OutputTooLarge, run
from stoker.process.spawner import Spawner, SpawnError
from stoker.process.spec import Exit


def test_output_is_returned_and_errors_are_logged(bench):
    async def main():
        spawner = Spawner(asyncio.get_running_loop())
        spec = bench.spec("sh", "-c", "cat; echo my secret >&2; exit 2", stdin=b"x" * 200_000)
        return await run(spawner, spec, Redactor(["secret"]))

    assert asyncio.run(main()) == (Exit(code=2), b"x" * 200_000)
    assert bench.err.read_text() == "my ***\n"
    assert not bench.out.exists()


def test_too_much_output_ends_it(bench):
    async def main():
        spawner = Spawner(asyncio.get_running_loop())
        spec = bench.spec("sh", "-c", "trap '' PIPE; while :; do echo xxxxxxxxxxxxxxxx; done")
        with pytest.raises(OutputTooLarge, match="more than 1000000 bytes"):
            await run(spawner, spec, limit=1_000_000)
        assert bench.pids() == []

    asyncio.run(main())


@pytest.mark.parametrize("times", [1, 2])
def test_cancelling_ends_the_tree_before_it_propagates(bench, times):
    async def main():
        spawner = Spawner(asyncio.get_running_loop())
        script = "setsid sh -c 'trap \"\" TERM; echo ready >&2; sleep 1000' & sleep 1000"
        spec = bench.spec("sh", "-c", script, grace_sec=0.05 if times == 1 else 3600)
        task = asyncio.create_task(run(spawner, spec))
        await bench.until("ready", bench.err)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.pids() == []

    asyncio.run(main())


def test_a_refusal_leaves_nothing_open(bench):
    async def main():
        spawner = Spawner(asyncio.get_running_loop())
        for spec in (
            bench.spec("no-such-tool"),
            bench.spec("true", cwd="/no/such"),
            bench.spec("true", stderr_path="/no/such/log"),
        ):
            gc.collect()  # What earlier tests have left may go now, not in between.
            before = os.listdir("/proc/self/fd")
            with pytest.raises(SpawnError):
                await run(spawner, spec)
            assert os.listdir("/proc/self/fd") == before

    asyncio.run(main())
