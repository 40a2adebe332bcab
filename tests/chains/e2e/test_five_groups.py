"""The five-group plan, from plain words to transactions that the nodes take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from deploy import USDC, WEI, World
from e2e_field import Surroundings
from killed import killed
from models import five_groups
from nodes import WALLET, Node

import stoker
from stoker.chains.group import Done, GroupResult
from stoker.chains.orchestrator import ForgeOrchestrator

T = TypeVar("T")


def on_engine(
    tmp_path: Path, around: Surroundings, work: Callable[[ForgeOrchestrator], Awaitable[T]]
) -> T:
    async def go() -> T:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            return await work(ForgeOrchestrator(engine, around.settings))

    return asyncio.run(go())


def in_order(results: Sequence[GroupResult]) -> list[GroupResult]:
    return sorted(results, key=lambda one: one.group_index)


def done(result: GroupResult) -> Done:
    assert result.inner.done is not None, result
    return result.inner.done


async def all_of(forge: ForgeOrchestrator, groups: Any) -> list[GroupResult]:
    plan = await forge.create_plan({"groups": groups}, automatic=True)
    return in_order([one async for one in forge.subscribe_results(plan)])


def test_five_groups_on_two_chains_and_the_nodes_take_their_transactions(
    tmp_path: Path, around: Surroundings, worlds: dict[int, World], changing: dict[int, Node]
) -> None:
    async def work(forge: ForgeOrchestrator) -> list[GroupResult]:
        plan = await forge.create_plan({"groups": five_groups(worlds)})
        first = await forge.next_groups(plan, wait=True)
        assert [one.group_index for one in first.results if done(one)] == [0, 3]
        assert first.remaining_groups == 3
        receipts = await forge.next_groups(plan)
        assert [one.node_id for one in receipts] == ["group-1", "group-2"]
        told = forge.subscribe_results(plan)
        early = [await anext(told) for _ in range(4)]
        await forge.next_groups(plan)
        results = in_order([*early, *[one async for one in told]])
        paths = await forge.dry_run(plan, tmp_path)
        assert all("dry-run" in path.parts for path in paths)
        assert len(paths) == 5
        sending = await forge.broadcast(plan, tmp_path)
        handle = forge._engine.handle(sending)
        assert handle is not None
        assert (await handle.wait()).status == "succeeded"
        return results

    before = changing[1].balance(WALLET, worlds[1]["WETH"])
    results = on_engine(tmp_path, around, work)
    assert [one.group_index for one in results] == [0, 1, 2, 3, 4]
    assert before + 3 * WEI <= changing[1].balance(WALLET, worlds[1]["WETH"]) < before + 4 * WEI
    assert changing[1].balance(WALLET, worlds[1]["Vault"]) > 0
    assert changing[10].balance(WALLET, worlds[10]["USDC"]) > 1_000_000 * USDC
    assert [len(done(one).transactions) for one in results] == [1, 2, 3, 2, 2]
    runs = sorted(tmp_path.glob("broadcast/*/*/run-latest.json"))
    assert [path.parts[-3:-1] for path in runs] == [
        (f"{index}-AomiScript.s.sol", "10" if index == 4 else "1") for index in range(5)
    ]


def test_a_compile_error_and_a_revert_are_mended_and_what_cannot_be_stops_nobody(
    tmp_path: Path, around: Surroundings, worlds: dict[int, World]
) -> None:
    around.writer.faults.update(
        {"Wrap": "compile", "Swap on Uniswap": "revert", "vault": "unmendable"}
    )
    groups = [*five_groups(worlds)]
    groups.append({**groups[0], "description": "Wrap more", "dependencies": [3]})
    results = on_engine(tmp_path, around, lambda forge: all_of(forge, groups))
    for index in (0, 1, 2, 4):
        assert done(results[index]).transactions
    assert "* 2" not in done(results[1]).generated_code
    failed = results[3].inner.failed
    assert failed is not None
    assert "paused" in failed.error
    assert "not mended" in failed.error
    assert "paused" in failed.generated_code
    last = results[5].inner.failed
    assert last is not None
    assert last.error.startswith("group 3 (Deposit into the vault), which this one depends on")


def test_a_plan_whose_engine_is_killed_between_its_groups_goes_on(
    tmp_path: Path, around: Surroundings, worlds: dict[int, World]
) -> None:
    around.writer.faults["Swap on Uniswap"] = "revert"
    plan = killed(tmp_path, around.settings, five_groups(worlds), 2)

    async def work(forge: ForgeOrchestrator) -> list[GroupResult]:
        assert await forge.resume() == [plan]
        return in_order([one async for one in forge.subscribe_results(plan)])

    results = on_engine(tmp_path, around, work)
    assert [one.group_index for one in results] == [0, 1, 2, 3, 4]
    assert all(done(one).transactions for one in results)
