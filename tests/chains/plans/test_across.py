"""Groups over two chains: scripts that switch, bridges, groups that are all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy import WEI, World
from nodes import OTHER_WALLET, WALLET

import stoker
from stoker.chains.group import GroupResult
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.results import output
from stoker.chains.settings import Settings
from stoker.engine.nested import replayed

Scripted = Callable[..., dict[str, Any]]
NOBODY = "0x00000000000000000000000000000000000aBcd1"
LOCKBOX = "0x00000000000000000000000000000000000aBCD2"


def finished(
    tmp_path: Path, settings: Settings, groups: list[dict[str, Any]]
) -> tuple[list[GroupResult], list[dict[str, Any]]]:
    """Results, and what was committed."""

    async def go() -> tuple[list[GroupResult], list[dict[str, Any]]]:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            forge = ForgeOrchestrator(engine, settings)
            plan = await forge.create_plan(groups, automatic=True)
            async for _ in forge.subscribe_results(plan):
                pass
            state = await replayed(engine.journal, plan)
            kept = [output(step, "committed") or {} for step in state.steps]
            return await forge.get_results(plan), kept

    return asyncio.run(go())


def test_bridges_bring_what_was_locked_to_groups_on_the_other_chain(
    tmp_path: Path, settings: Settings, scripted: Scripted, worlds: dict[int, World]
) -> None:
    def amount(chain: int, amount: int, token: str | None = None) -> dict[str, Any]:
        return {"chain_id": chain, "amount": amount, "token": token}

    weth = {chain: worlds[chain]["WETH"] for chain in worlds}
    bridge = {
        "locked": amount(1, WEI, weth[1]),
        "lockbox": LOCKBOX,
        "minted": amount(10, 3 * WEI),
        "recipient": NOBODY,
    }
    short = {**bridge, "locked": amount(1, 2 * WEI, weth[1])}
    lock = f"IToken(<WETH>).transfer({LOCKBOX}, 1 ether);"

    def holds(amount: int) -> dict[str, Any]:
        return {"assertions": [{"chain_id": 10, "account": NOBODY, "equals": amount}]}

    groups = [
        scripted(lock, name="bridge", bridges=[bridge], **holds(3 * WEI)),
        scripted(
            f"payable({NOBODY}).transfer(1);", 0, chain=10, name="after", **holds(3 * WEI + 1)
        ),
        scripted(f"payable({NOBODY}).transfer(1);", chain=10, name="before", **holds(1)),
        scripted(lock, name="too little", bridges=[short]),
    ]
    results, kept = finished(tmp_path, settings, groups)
    assert [bool(one.inner.done) for one in results] == [True, True, True, False], results
    failed = results[3].inner.failed
    assert failed is not None
    assert "was to get 2000000000000000000" in failed.error
    assert kept[1]["after"] == [0]


def test_scripts_switch_chains_and_atomic_groups_yield_all_or_nothing(
    tmp_path: Path, settings: Settings, scripted: Scripted, worlds: dict[int, World]
) -> None:
    both = (
        f"vm.startBroadcast(); payable({NOBODY}).transfer(1); vm.stopBroadcast();"
        'vm.createSelectFork("optimism");'
        f"vm.startBroadcast(); payable({OTHER_WALLET}).transfer(2); END vm.stopBroadcast();"
    )
    bad = both.replace("END", f"payable({OTHER_WALLET}).transfer(1e40);")
    unknown = both.replace("optimism", "nowhere")
    groups = [
        scripted(both.replace("END", ""), broadcast=False, name="both", atomic=True),
        scripted(bad, broadcast=False, name="atomic", atomic=True),
        scripted(bad, broadcast=False, name="loose"),
        scripted(unknown.replace("END", ""), broadcast=False, name="unknown"),
    ]
    results, _ = finished(tmp_path, settings, groups)
    done = results[0].inner.done
    assert done is not None, results[0]
    urls = [settings.chains[alias].rpc for alias in ("mainnet", "optimism")]
    assert [one.rpc_url for one in done.transactions] == urls
    assert [one.from_ for one in done.transactions] == [WALLET] * 2
    left = [one.inner.failed.transactions for one in results[1:] if one.inner.failed]
    assert left[0] == ()
    assert len(left[1]) >= 2
    unknown_chain = results[3].inner.failed
    assert unknown_chain is not None
    assert "nowhere" in unknown_chain.error
