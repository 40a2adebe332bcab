"""The script agent's tools on a real group: its fork, its state, its traces."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy import World
from explorers import Explorers
from model_script import Call, Conversation, Reply, Say
from model_server import ModelServer
from models import Writer, five_groups, model_settings
from nodes import ALIASES, MODULES, WALLET, Node

import stoker
from stoker.chains.group import GroupResult
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.settings import ChainSettings, Settings


def test_tools_see_what_the_group_sees(
    tmp_path: Path, worlds: dict[int, World], nodes: dict[int, Node]
) -> None:
    """The group follows another one that wraps 5 ETH, which is nowhere but in the plan."""
    writer = Writer({"Swap on Uniswap": "revert"})
    world = worlds[1]

    def read(call: str, *arguments: str) -> Call:
        place = {"chain_id": 1, "address": world["WETH"]}
        given = {"call": call, "arguments": list(arguments)}
        return Call("read_blockchain_state", {**place, **given})

    looks = (
        read("balanceOf(address)", WALLET),
        read("allowance(address,address)", WALLET, world["UniswapV2Router02"]),
        read("withdraw(uint256)", str(10**30)),
        Call("read_blockchain_state", {"chain_id": 1, "address": WALLET}),
        Call("read_blockchain_state", {"chain_id": 10, "address": WALLET}),
        Call("log_analyzer", {"contains": "INSUFFICIENT_OUTPUT"}),
        Call("search_docs", {"query": "INSUFFICIENT_OUTPUT_AMOUNT"}),
        Call("fetch_contract", {"chain_id": 1, "address": world["V2 USDC/WETH"]}),
    )

    def policy(talk: Conversation) -> Reply:
        if not talk.tools or talk.turns:
            return writer(talk)
        return Say(calls=looks)

    async def main(settings: Settings) -> list[GroupResult]:
        async with stoker.open_engine(tmp_path / "journal.db") as engine:
            forge = ForgeOrchestrator(engine, settings)
            groups = five_groups(worlds)[:2]
            plan = await forge.create_plan({"groups": groups}, automatic=True)
            return [one async for one in forge.subscribe_results(plan)]

    with Explorers(worlds.values()) as explorers, ModelServer(policy, by_schema=True) as server:
        chains = {
            ALIASES[chain_id]: ChainSettings(id=chain_id, rpc=node.url)
            for chain_id, node in nodes.items()
        }
        model = model_settings(server)
        results = asyncio.run(
            main(
                Settings(
                    chains=chains,
                    sender=WALLET,
                    solc=str(MODULES / "solc"),
                    sources=explorers.settings,
                    model=model,
                )
            )
        )
    assert all(one.inner.done for one in results), results
    last = server.requests[-1].conversation
    assert last is not None
    said = [one.text for one in last.results]
    assert said[0] == f"uint256: {105 * 10**18} [1.05e20]"
    assert said[1] == "uint256: 0"
    assert said[2].startswith("Error: ")
    ether = int(said[3].removesuffix(" wei"))
    assert 9_990 * 10**18 < ether <= 9_995 * 10**18
    assert said[4] == "Error: chain 10 cannot be seen from here; 1 can"
    assert "swapExactTokensForTokens" in said[5] and "INSUFFICIENT_OUTPUT_AMOUNT" in said[5]
    assert "UniswapV2Library.getAmountOut" in said[6]
    assert "function getReserves() external view" in said[7]
