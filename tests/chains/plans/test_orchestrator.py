"""Plans of groups on an engine: what is begun, what came of it, after restarts too. Their groups
fail, for they name chains that nobody has: no node is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

import stoker
from stoker.chains.errors import BadGroups, UnknownPlan
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.settings import ChainSettings, Settings
from stoker.toml_file import BadFile

T = TypeVar("T")
SENDER = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
SETTINGS = Settings(chains={"one": ChainSettings(id=1, rpc="http://127.0.0.1:9")}, sender=SENDER)


def group(*dependencies: int, name: str = "swap", chain: int = 7) -> dict[str, Any]:
    return {
        "description": name,
        "operations": ["swap it", "and back"],
        "dependencies": list(dependencies),
        "contracts": [],
        "script": "contract S { function run() external {} }",
        "spends": [{"chain_id": chain, "amount": 0}],
    }


def on_engine(tmp_path: Path, work: Callable[[ForgeOrchestrator], Awaitable[T]]) -> T:
    async def go() -> T:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            return await work(ForgeOrchestrator(engine, SETTINGS))

    return asyncio.run(go())


def test_receipts_at_once_then_results_of_all_and_of_who_depends_on_them(tmp_path: Path) -> None:
    async def work(forge: ForgeOrchestrator) -> None:
        plan = await forge.create_plan({"groups": [group(name="a"), group(0, name="b"), group(1)]})
        assert plan.startswith("chain-")
        assert await forge.get_results(plan) == []
        (receipt,) = await forge.next_groups(plan)
        assert (receipt.node_id, receipt.description, receipt.ops_count) == ("group-0", "a", 2)
        assert receipt.execution_id == f"{plan}/group-0/1"
        told = [one async for one in forge.subscribe_results(plan)]
        assert [one.group_index for one in told] == [0, 1, 2]
        errors = [one.inner.failed.error for one in told if one.inner.failed]
        assert "chain 7 is not in the settings; there are: one (1)" in errors[0]
        assert errors[1] == errors[2]
        assert errors[1].startswith("group 0 (a), which this one depends on, failed: chain 7")
        assert told[0].operations == ("swap it", "and back")
        assert await forge.get_results(plan) == told
        assert [one async for one in forge.subscribe_results(plan)] == told
        assert await forge.next_groups(plan) == []

    on_engine(tmp_path, work)


def test_whoever_waits_gets_the_results_of_the_batch(tmp_path: Path) -> None:
    async def work(forge: ForgeOrchestrator) -> None:
        plan = await forge.create_plan([group(), group(0), group()])
        first = await forge.next_groups(plan, wait=True)
        assert [one.group_index for one in first.results] == [0, 1, 2]
        assert first.remaining_groups == 0
        assert await forge.next_groups(plan, wait=True) == type(first)((), 0)

    on_engine(tmp_path, work)


def test_nothing_is_created_of_bad_groups_or_bad_settings(tmp_path: Path) -> None:
    async def work() -> None:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            with pytest.raises(BadGroups):
                await ForgeOrchestrator(engine, SETTINGS).create_plan([group(0)])
            with pytest.raises(BadFile, match="expected how chains are reached"):
                await ForgeOrchestrator(engine).create_plan([group()])
            with pytest.raises(UnknownPlan):
                await ForgeOrchestrator(engine).next_groups("chain-x")
            with pytest.raises(UnknownPlan):
                await ForgeOrchestrator(engine).get_results("chain-x")
            assert await engine.journal.runs() == []

    asyncio.run(work())


def test_the_answer_of_set_execution_plan(tmp_path: Path) -> None:
    async def work(forge: ForgeOrchestrator) -> None:
        answer = await forge.set_execution_plan([group(), group()])
        assert (answer.success, answer.total_groups) == (True, 2)
        assert answer.message == "Execution plan set with 2 groups"
        assert len(await forge.plan(answer.plan_id)) == 2

    on_engine(tmp_path, work)


def test_a_plan_is_extended_also_when_it_was_over(tmp_path: Path) -> None:
    async def work(forge: ForgeOrchestrator) -> None:
        plan = await forge.create_plan([group()])
        assert await forge.extend_plan(plan, [group(0, name="${x} ${{ y }}")]) == 2
        await forge.next_groups(plan, wait=True)
        assert len(await forge.get_results(plan)) == 2
        assert await forge.extend_plan(plan, {"groups": [group(3), group()]}) == 4
        (receipt,) = await forge.next_groups(plan)
        assert receipt.node_id == "group-3"
        told = [one async for one in forge.subscribe_results(plan)]
        assert [one.group_index for one in told] == [0, 1, 3, 2]
        assert told[1].description == "${x} ${{ y }}"
        with pytest.raises(BadGroups):
            await forge.extend_plan(plan, [group(9)])

    on_engine(tmp_path, work)


def test_a_canceled_plan_has_results_that_say_so(tmp_path: Path) -> None:
    async def work(forge: ForgeOrchestrator) -> None:
        plan = await forge.create_plan([group(), group(0)])
        await forge.cancel(plan, "not any more")
        await forge.cancel(plan)
        errors = [
            one.inner.failed.error for one in await forge.get_results(plan) if one.inner.failed
        ]
        assert errors == ["canceled: not any more"] * 2

    on_engine(tmp_path, work)


def test_plans_go_on_after_a_restart(tmp_path: Path) -> None:
    async def before(forge: ForgeOrchestrator) -> tuple[str, str, Any]:
        half = await forge.create_plan([group(), group()])
        await forge.next_groups(half, wait=True)
        await forge.extend_plan(half, [group(name="third")])
        other = await forge.create_plan([group()])
        return half, other, await forge.get_results(half)

    half, other, known = on_engine(tmp_path, before)

    async def after(forge: ForgeOrchestrator) -> None:
        assert await forge.get_results(half) == known
        stream = forge.subscribe_results(half)
        assert [await anext(stream), await anext(stream)] == known
        assert set(await forge.resume()) <= {half, other}
        assert [one.description for one in await forge.next_groups(half)] == ["third"]
        assert [one.group_index async for one in stream] == [2]
        assert len(await forge.next_groups(other)) == 1
        assert [one.group_index async for one in forge.subscribe_results(other)] == [0]

    on_engine(tmp_path, after)


def test_many_plans_at_once_keep_their_results_apart(tmp_path: Path) -> None:
    async def work(forge: ForgeOrchestrator) -> None:
        plans = [await forge.create_plan([group(name=f"{n}"), group()]) for n in range(12)]
        batches = await asyncio.gather(*(forge.next_groups(one, wait=True) for one in plans))
        for number, batch in enumerate(batches):
            assert [one.description for one in batch.results] == [f"{number}", "swap"]

    on_engine(tmp_path, work)


def test_settings_that_were_broken_meanwhile_fail_groups_until_they_are_mended(
    tmp_path: Path,
) -> None:
    file = tmp_path / "chains.toml"
    good = f'sender = "{SENDER}"\n[chains.one]\nid = 1\nrpc = "http://127.0.0.1:9"\n'

    async def go() -> None:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            file.write_text(good)
            forge = ForgeOrchestrator(engine)
            plan = await forge.create_plan([group(), group()])
            other = await forge.create_plan([group()])
            file.write_text("[chains")
            for one in (await forge.next_groups(plan, wait=True)).results:
                assert one.inner.failed is not None
                assert "chains.toml: is not TOML" in one.inner.failed.error
            file.write_text(good)
            (told,) = (await forge.next_groups(other, wait=True)).results
            assert told.inner.failed is not None
            assert "chain 7 is not in the settings" in told.inner.failed.error

    asyncio.run(go())


def test_groups_of_one_plan_have_the_same_settings(tmp_path: Path) -> None:
    async def go() -> None:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            first = ForgeOrchestrator(engine, SETTINGS)
            second = ForgeOrchestrator(engine, replace(SETTINGS, workers=1))
            plan = await first.create_plan([group()])
            await second.extend_plan(plan, [group()])
            results = (await second.next_groups(plan, wait=True)).results
            errors = [one.inner.failed.error for one in results if one.inner.failed]
            assert ["chain 7 is not in the settings" in one for one in errors] == [True, True]

    asyncio.run(go())
