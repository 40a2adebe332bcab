"""Groups that bring their scripts, on real nodes: compiled, captured, replayed, committed."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from deploy import WEI, World
from killed import killed
from msgspec.structs import replace
from nodes import OTHER_WALLET, WALLET, Node, program

import stoker
from stoker.agents.bubblewrap import trouble
from stoker.chains.evm.job import Limits
from stoker.chains.group import Done, GroupResult, TransactionData
from stoker.chains.metrics import of
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.results import output
from stoker.chains.settings import ChainSettings, Settings
from stoker.chains.workshop import opened
from stoker.engine.engine import Engine

T = TypeVar("T")
Scripted = Callable[..., dict[str, Any]]
WRAP = "IToken(<WETH>).deposit{value: 1 ether}();"


def on_engine(
    tmp_path: Path, settings: Settings, work: Callable[[ForgeOrchestrator, Engine], Awaitable[T]]
) -> T:
    async def go() -> T:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            return await work(ForgeOrchestrator(engine, settings), engine)

    return asyncio.run(go())


async def finished(forge: ForgeOrchestrator, groups: Any) -> tuple[str, list[GroupResult]]:
    plan = await forge.create_plan(groups, automatic=True)
    return plan, sorted(
        [one async for one in forge.subscribe_results(plan)], key=lambda one: one.group_index
    )


def done(result: GroupResult) -> Done:
    assert result.inner.done is not None, result
    return result.inner.done


def error(result: GroupResult) -> str:
    assert result.inner.failed is not None, result
    return result.inner.failed.error


def holding(world: World, amount: int) -> dict[str, Any]:
    """What is asserted of the wallet's WETH, of which it had 100 to begin with."""
    return {
        "assertions": [
            {
                "chain_id": 1,
                "account": WALLET,
                "token": world["WETH"],
                "equals": (100 + amount) * WEI,
            }
        ]
    }


def test_groups_see_what_they_depend_on_and_go_on_after_a_restart(
    tmp_path: Path, settings: Settings, scripted: Scripted, worlds: dict[int, World]
) -> None:
    world = worlds[1]
    groups = [
        scripted(WRAP, name="wrap", **holding(world, 1)),
        scripted("require(false, 'no luck');", name="bad"),
        scripted(WRAP, 0, name="again", **holding(world, 2)),
        scripted(WRAP, 1, name="never"),
    ]

    async def before(forge: ForgeOrchestrator, engine: Engine) -> tuple[str, list[GroupResult]]:
        plan, results = await finished(forge, groups)
        (sent,) = done(results[0]).transactions
        assert sent.to == world["WETH"]
        assert (sent.from_, sent.value, sent.data) == (WALLET, hex(WEI), "0xd0e30db0")
        assert sent.rpc_url == settings.chains["mainnet"].rpc
        assert done(results[0]).generated_code == groups[0]["script"]
        assert "no luck" in error(results[1])
        assert results[1].inner.failed is not None
        assert results[1].inner.failed.generated_code == groups[1]["script"]
        assert error(results[3]).startswith("group 1 (bad), which this one depends on, failed")
        handle = await engine.journal.events(plan)
        first = next(e for e in handle if e.type == "step.settled" and e.step == "group-0")
        report = json.loads(Path(first.data["outputs"]["report"]).read_bytes())
        assert report["transactions"][0]["logs"]
        assert report["evidence"]
        assert [int(one["nonce"]) for one in first.data["outputs"]["committed"]["transactions"]]
        return plan, results

    plan, results = on_engine(tmp_path, settings, before)

    async def after(forge: ForgeOrchestrator, engine: Engine) -> None:
        assert await forge.get_results(plan) == results
        await forge.extend_plan(plan, [scripted(WRAP, 2, name="third", **holding(world, 3))])
        told = [one async for one in forge.subscribe_results(plan)]
        assert told[-1].group_index == 4
        assert done(told[-1]).transactions

    on_engine(tmp_path, settings, after)


def test_groups_that_get_in_each_others_way_come_to_what_they_come_to_one_by_one(
    tmp_path: Path, settings: Settings, scripted: Scripted, worlds: dict[int, World]
) -> None:
    async def work(forge: ForgeOrchestrator, engine: Engine) -> None:
        several = [scripted(WRAP, name=f"wrap {n}") for n in range(4)]
        elsewhere = scripted(
            f"payable({OTHER_WALLET}).transfer(1 ether);", name="pay on the other", chain=10
        )
        check = scripted(WRAP, 0, 1, 2, 3, 4, name="all", **holding(worlds[1], 5))
        plan, results = await finished(forge, [*several, elsewhere, check])
        assert all(done(one).transactions for one in results)
        state = (await forge._state(plan)).steps
        nonces = [
            int(one["nonce"])
            for index in (0, 1, 2, 3, 5)
            for one in output(state[index], "committed")["transactions"]
        ]
        assert sorted(nonces) == list(range(min(nonces), min(nonces) + 5))
        counted = {one.name: one.value for one in of(engine).read()}
        assert counted["reruns"] == sum(one.outputs["reruns"] for one in state) >= 3
        assert counted["groups"] == 6
        assert counted["active_nodes_count"] == 0

    on_engine(tmp_path, settings, work)


def test_each_fault_is_one_groups_own_and_bounded(
    tmp_path: Path, settings: Settings, scripted: Scripted, nodes: dict[int, Node]
) -> None:
    settings = replace(
        settings,
        chains={
            **settings.chains,
            "liar": ChainSettings(id=77, rpc=nodes[1].url),
            "down": ChainSettings(id=78, rpc="http://127.0.0.1:9"),
        },
        limits=Limits(seconds=2.0, memory=1 << 28),
    )
    nobody = "0x00000000000000000000000000000000000aBcd1"
    faults = {
        "not Solidity": (scripted("this is no Solidity"), "Script.s.sol:"),
        "refused": (scripted("vm.ffi(new string[](0));"), "ffi"),
        "endless": (scripted("while (true) {}", broadcast=False), "2 s"),
        "hungry": (
            scripted("uint256[] memory m = new uint256[](1 << 40); m[0] = 1;", broadcast=False),
            "",
        ),
        "no code": (
            scripted(f"IToken({nobody}).deposit{{value: 1}}();", contracts=[[1, nobody, "Nobody"]]),
            f"there is no contract at {nobody} (Nobody)",
        ),
        "poor": (scripted(f"payable({nobody}).transfer(1e30);"), ""),
        "dealt": (
            scripted(
                f"vm.deal({WALLET}, 1e30); vm.startBroadcast();"
                f"payable({nobody}).transfer(1e29); vm.stopBroadcast();",
                broadcast=False,
            ),
            "real account",
        ),
        "liar": (scripted(WRAP, spends=[{"chain_id": 77, "amount": 0}]), "77"),
        "down": (scripted(WRAP, spends=[{"chain_id": 78, "amount": 0}]), "'down'"),
        "assertion": (
            scripted(WRAP, assertions=[{"chain_id": 1, "account": WALLET, "at_most": 5}]),
            "which is not at most 5",
        ),
        "spender": (
            scripted(WRAP, spends=[{"chain_id": 1, "amount": 5}]),
            "the group says that it spends",
        ),
    }

    async def work(forge: ForgeOrchestrator, engine: Engine) -> None:
        groups = [scripted(WRAP), *(one for one, _ in faults.values())]
        async with asyncio.timeout(60):
            _, results = await finished(forge, groups)
        assert done(results[0]).transactions
        for (name, (_, words)), result in zip(faults.items(), results[1:], strict=True):
            told = error(result)
            assert words in told, (name, told)
            assert len(told) < 2000, name
            assert "Traceback" not in told, name

    on_engine(tmp_path, settings, work)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_plan_whose_engine_is_killed_comes_to_the_same(
    tmp_path: Path, settings: Settings, scripted: Scripted, worlds: dict[int, World], after: int
) -> None:
    groups = [
        scripted(WRAP, name="wrap"),
        scripted(WRAP, name="beside"),
        scripted(WRAP, 0, 1, name="second", **holding(worlds[1], 3)),
        scripted(WRAP, 2, name="third", **holding(worlds[1], 4)),
    ]
    plan = killed(tmp_path, settings, groups, after)

    async def work(forge: ForgeOrchestrator, engine: Engine) -> None:
        assert await forge.resume() == [plan]
        told = [one async for one in forge.subscribe_results(plan)]
        assert sorted(one.group_index for one in told) == [0, 1, 2, 3]
        assert all(done(one).transactions for one in told)

    on_engine(tmp_path, settings, work)


def test_other_engines_come_to_the_same(
    tmp_path: Path, settings: Settings, scripted: Scripted, worlds: dict[int, World]
) -> None:
    bwrap = shutil.which("bwrap")
    if bwrap is None or trouble(bwrap, True) is not None:
        pytest.skip("there can be no sandbox here, which forge runs in")
    others = replace(
        settings,
        capture="forge",
        replay="anvil",
        forge=str(program("forge")),
        anvil=str(program("anvil")),
    )
    groups = [
        scripted(WRAP, name="wrap", **holding(worlds[1], 1)),
        scripted(WRAP, 0, name="again", **holding(worlds[1], 2)),
    ]

    async def work(forge: ForgeOrchestrator, engine: Engine) -> list[list[TransactionData]]:
        _, results = await finished(forge, groups)
        return [list(done(one).transactions) for one in results]

    assert on_engine(tmp_path / "a", settings, work) == on_engine(tmp_path / "b", others, work)


def test_scripts_are_compiled_once_from_when_the_plan_is_made(
    tmp_path: Path, settings: Settings, scripted: Scripted
) -> None:
    async def work(forge: ForgeOrchestrator, engine: Engine) -> None:
        groups = [scripted(f"{WRAP} // {tmp_path} {n}\n") for n in range(2)]
        plan = await forge.create_plan([*groups, scripted(f"nonsense; // {tmp_path}\n")])
        workshop = await engine.shared(opened)
        compiler = (await workshop.tools(forge._settings)).compiler
        async with asyncio.timeout(30):
            while compiler.asked < 3:
                await asyncio.sleep(0)
        *good, bad = (await forge.next_groups(plan, wait=True)).results
        assert all(done(one) for one in good)
        assert "Undeclared identifier" in error(bad)
        assert (compiler.asked, compiler.hits) == (3, 0)

    on_engine(tmp_path, settings, work)
