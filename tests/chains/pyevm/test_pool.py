"""Workers: what they are asked, what they may take, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from evm_rules import HOSTILE, NodeState, pinned
from nodes import WALLET, Node

from stoker.chains.errors import ChainError, LimitReached, RpcError, ScriptRefused
from stoker.chains.evm.job import CaptureJob, Limits, ReplayJob
from stoker.chains.evm.pyevm.capture import capture
from stoker.chains.evm.pyevm.pool import PyEvm, open_pyevm
from stoker.chains.rpc import Rpc
from stoker.chains.rpc_wire import RpcLimits
from stoker.chains.solidity.compilation import Compilation
from stoker.chains.state.remote import Remote

A = bytes.fromhex(WALLET[2:])
Use = Callable[[PyEvm, Remote], Awaitable[Any]]


@pytest.fixture
def pooled(nodes: dict[int, Node]) -> Callable[[Use], Any]:
    """Runs a coroutine function of a pool of two."""

    def run(use: Use, workers: int = 2) -> Any:
        async def within() -> Any:
            remote = Remote([Rpc(f"{id_}", id_, node.url) for id_, node in nodes.items()])
            try:
                async with open_pyevm(remote, workers=workers) as engine:
                    return await use(engine, remote)
            finally:
                await remote.close()

        return asyncio.run(within())

    return run


@pytest.fixture
def job(nodes: dict[int, Node], compiled: Callable[..., Compilation]) -> Callable[..., CaptureJob]:
    def make(name: str, text: str | None = None, **limits: Any) -> CaptureJob:
        return CaptureJob(
            script=compiled(name, text),
            chains=pinned(nodes),
            sender=A,
            limits=Limits(**limits),
        )

    return make


def hostile(job: Callable[..., CaptureJob], name: str, **limits: Any) -> CaptureJob:
    return job(name, HOSTILE.read_text(), **limits)


def below(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *below(int(child))]
    return found


@pytest.fixture
def processes() -> Callable[[], list[int]]:
    """The one that workers of this test are forked from, and they."""
    others = below(os.getpid())

    def those_now() -> list[int]:
        return [
            pid
            for pid in below(os.getpid())
            if pid not in others and b"pyevm.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    return those_now


def worked(pid: int) -> int:
    """Hundredths of a second."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def test_a_worker_answers_as_the_engine_does_in_process(
    nodes: dict[int, Node], pooled: Callable[..., Any], job: Callable[..., CaptureJob]
) -> None:
    asked = job("Swap")

    async def use(engine: PyEvm, remote: Remote) -> Any:
        await remote.pin(1)
        before = remote.trips
        captured = await engine.capture(asked)
        cold = remote.trips - before
        again = await engine.capture(asked)
        warm = remote.trips - before - cold
        replayed = await engine.replay(
            ReplayJob(transactions=captured.transactions, chains=asked.chains)
        )
        return captured, again, replayed, cold, warm

    captured, again, replayed, cold, warm = pooled(use)
    assert captured == again == capture(asked, NodeState(nodes))
    assert captured.error is None and replayed.error is None
    assert (cold, warm) == (1, 0)


def test_a_hostile_script_reaches_its_limit_and_the_next_runs(
    pooled: Callable[..., Any], job: Callable[..., CaptureJob]
) -> None:
    async def use(engine: PyEvm, remote: Remote) -> None:
        with pytest.raises(LimitReached, match=r"it ran for 0\.5 s"):
            await engine.capture(hostile(job, "Loops", seconds=0.5))
        with pytest.raises(LimitReached, match="64 MiB of memory"):
            await engine.capture(hostile(job, "TakesMemory", memory=64 << 20))
        with pytest.raises(LimitReached, match="more than 64 MiB to tell"):
            await engine.capture(hostile(job, "Remembers"))
        assert (await engine.capture(hostile(job, "Loops", gas=1_000_000))).error == "out of gas"
        assert (await engine.capture(hostile(job, "Fine"))).error is None

    pooled(use, workers=1)


def test_what_scripts_may_not_do_ends_them(
    pooled: Callable[..., Any], job: Callable[..., CaptureJob]
) -> None:
    aliases = "'http://127.0.0.1:1'; those it may reach by their aliases: mainnet, optimism"
    refused = {
        "Ffi": "vm.ffi(string[])",
        "Environment": "vm.envUint(string)",
        "Reads": "vm.readFile(string)",
        "Unknown": "an unknown cheatcode, 0x564fa07e",
        "OtherChain": aliases,
        "OtherBlock": "asks for block 3 of 'mainnet', and its plan is on block",
    }

    async def use(engine: PyEvm, remote: Remote) -> None:
        for name, why in refused.items():
            with pytest.raises(ScriptRefused, match=re.escape(why)):
                await engine.capture(hostile(job, name))

    pooled(use)


def test_calls_are_nested_as_deep_as_the_evm_has_it(
    pooled: Callable[..., Any], job: Callable[..., CaptureJob]
) -> None:
    async def use(engine: PyEvm, remote: Remote) -> Any:
        deep = await engine.capture(hostile(job, "Nests"))
        return deep, await engine.capture(hostile(job, "NestsForever"))

    deep, forever = pooled(use)
    assert int.from_bytes(deep.returned) == 500
    assert forever.error is None
    frame, depth = deep.frame, 0
    while frame.calls:
        frame, depth = frame.calls[-1], depth + 1
    assert depth == 200


def test_workers_end_with_the_engine_and_with_a_job_that_is_cancelled(
    pooled: Callable[..., Any],
    job: Callable[..., CaptureJob],
    processes: Callable[[], list[int]],
) -> None:
    endless = hostile(job, "Loops", seconds=60.0)

    async def use(engine: PyEvm, remote: Remote) -> Any:
        await engine.warm()
        _, first = processes()
        before = worked(first)
        running = asyncio.create_task(engine.capture(endless))
        while worked(first) < before + 20:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await engine.capture(hostile(job, "Fine"))).error is None
        assert not Path(f"/proc/{first}").exists()
        return processes()

    left = pooled(use)
    assert len(left) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in left)


def test_a_worker_that_dies_is_one_clear_error(
    pooled: Callable[..., Any],
    job: Callable[..., CaptureJob],
    processes: Callable[[], list[int]],
) -> None:
    async def use(engine: PyEvm, remote: Remote) -> Any:
        await engine.warm()
        nursery, worker = processes()
        before = worked(worker)
        running = asyncio.create_task(engine.capture(hostile(job, "Loops")))
        while worked(worker) < before + 10:
            await asyncio.sleep(0.01)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(ChainError, match="has died"):
            await running
        assert (await engine.capture(hostile(job, "Fine"))).error is None
        os.kill(nursery, signal.SIGKILL)
        with pytest.raises(LimitReached):
            await engine.capture(hostile(job, "Loops", seconds=0.1))
        return await engine.capture(hostile(job, "Fine"))

    assert pooled(use, workers=1).error is None


def test_workers_have_nothing_of_the_environment_and_no_descriptors(
    pooled: Callable[..., Any],
    job: Callable[..., CaptureJob],
    processes: Callable[[], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")

    async def use(engine: PyEvm, remote: Remote) -> Any:
        await engine.capture(hostile(job, "Fine"))
        _, worker = processes()
        names = Path(f"/proc/{worker}/environ").read_bytes()
        links = [os.readlink(one) for one in Path(f"/proc/{worker}/fd").iterdir()]
        return names, links

    names, links = pooled(use)
    assert b"hush" not in names
    assert len([one for one in links if one != "/dev/null"]) == 1


def test_a_node_that_is_gone_is_told_and_the_worker_is_not_lost(
    nodes: dict[int, Node], job: Callable[..., CaptureJob]
) -> None:
    asked = job("Swap")

    async def use() -> None:
        remote = Remote([Rpc("mainnet", 1, "http://127.0.0.1:9", RpcLimits(attempts=1))])
        async with open_pyevm(remote, workers=1) as engine:
            for _ in range(2):
                with pytest.raises(RpcError):
                    await engine.capture(asked)
        await remote.close()

    asyncio.run(use())
