"""Round trips to a chain's node that a whole group takes, from the plan to its result."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "state"))

from deploy import World
from e2e_field import Surroundings
from nodes import OTHER_WALLET, Node
from proxy import Proxy

import stoker
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.settings import ChainSettings

SCRIPT = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import "forge-std/Script.sol";
interface IToken { function deposit() external payable;
    function transfer(address, uint256) external returns (bool); }
contract AomiScript is Script {
    function run() external {
        vm.startBroadcast();
        IToken(WETH).deposit{value: 2}();
        IToken(WETH).transfer(OTHER, 1);
        IToken(USDC).transfer(OTHER, 1);
        vm.stopBroadcast();
    }
}
"""


def test_a_cold_group_takes_three_and_those_that_follow_only_what_is_new(
    tmp_path: Path, around: Surroundings, worlds: dict[int, World], nodes: dict[int, Node]
) -> None:
    world = worlds[1]
    script = SCRIPT.replace("WETH", world["WETH"]).replace("USDC", world["USDC"])
    group = {
        "description": "wrap and pay",
        "operations": ["wrap 2 wei", "pay 1 of each"],
        "contracts": [[1, world["WETH"], "WETH"], [1, world["USDC"], "USDC"]],
        "script": script.replace("OTHER", OTHER_WALLET),
    }
    several = [group, group | {"dependencies": [0]}, group | {"dependencies": [1]}]
    trips = []

    async def work(url: str) -> None:
        settings = msgspec.structs.replace(
            around.settings, chains={"mainnet": ChainSettings(id=1, rpc=url)}, model=None
        )
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            forge = ForgeOrchestrator(engine, settings)
            for groups in ([group], several):
                plan = await forge.create_plan({"groups": groups}, automatic=True)
                results = [one async for one in forge.subscribe_results(plan)]
                assert all(one.inner.done for one in results), results
                trips.append(proxy.trips)

    with Proxy(nodes[1].url, latency=0.02) as proxy:
        asyncio.run(work(proxy.url))
    cold, more = trips
    assert cold <= 3, proxy.methods()
    assert more - cold <= 1, proxy.methods()  # the other plan's own block
