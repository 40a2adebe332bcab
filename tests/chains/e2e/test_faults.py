"""What is wrong around a group ends that group, with a clear error, in bounded time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy import World
from e2e_field import Surroundings
from explorers import Limited, Slow
from models import five_groups
from msgspec.structs import replace

import stoker
from stoker.chains.group import GroupResult
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.settings import ModelSettings, Settings


def results(tmp_path: Path, settings: Settings, groups: list[object]) -> list[GroupResult]:
    async def go() -> list[GroupResult]:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            forge = ForgeOrchestrator(engine, settings)
            plan = await forge.create_plan(groups, automatic=True)
            async with asyncio.timeout(60):
                told = [one async for one in forge.subscribe_results(plan)]
            return sorted(told, key=lambda one: one.group_index)

    return asyncio.run(go())


def error(result: GroupResult) -> str:
    assert result.inner.failed is not None, result
    return result.inner.failed.error


def test_sources_that_nobody_knows_and_answers_that_are_none_fail_their_groups_alone(
    tmp_path: Path, around: Surroundings, worlds: dict[int, World]
) -> None:
    wrap, _, liquidity, vault, _ = five_groups(worlds)
    liquidity["dependencies"] = []
    for explorer in ("etherscan", "sourcify"):
        around.explorers.unverify(explorer, worlds[1]["Vault"])
    around.explorers.next("etherscan", Limited())
    around.writer.faults["liquidity"] = "never valid"
    nobody = "0x00000000000000000000000000000000000aBcd1"
    empty = {**wrap, "description": "Wrap nowhere", "contracts": [[1, nobody, "Nobody"]]}
    found = results(tmp_path, around.settings, [wrap, liquidity, vault, empty])
    assert found[0].inner.done is not None, found[0]
    assert "no valid script in 3 attempts" in error(found[1])
    assert f"Vault ({worlds[1]['Vault']} on chain 1): Etherscan: not verified" in error(found[2])
    assert f"Nobody ({nobody} on chain 1): there is no contract" in error(found[3])


def test_sources_that_do_not_come_are_waited_for_no_longer_than_the_limit(
    tmp_path: Path, around: Surroundings, worlds: dict[int, World]
) -> None:
    around.explorers.always("etherscan", Slow())
    settings = replace(around.settings, sources=replace(around.settings.sources, wait=0.5))
    (found,) = results(tmp_path, settings, five_groups(worlds)[:1])
    assert "no answer within 0.5 s" in error(found)


def test_a_model_that_is_down_or_not_there_is_told(
    tmp_path: Path, around: Surroundings, worlds: dict[int, World]
) -> None:
    wrap = five_groups(worlds)[:1]
    down = ModelSettings(base_url="http://127.0.0.1:9/v1", model="none", timeout=5)
    (found,) = results(tmp_path, replace(around.settings, model=down), wrap)
    assert "the model none" in error(found)
    (found,) = results(tmp_path, replace(around.settings, model=None), wrap)
    assert "the group brings no script" in error(found)
