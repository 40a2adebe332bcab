"""The script agent's tools on a real group: its fork, its state, its traces."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from deploy import World
from explorers import Explorers
from model_script import Call, Conversation, Reply, Say
from model_server import ModelServer, Policy
from models import Writer, five_groups, model_settings
from nodes import ALIASES, MODULES, WALLET, Node

import stoker
from stoker.chains.group import GroupResult
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.settings import ChainSettings, Settings


def done(
    folder: Path,
    worlds: dict[int, World],
    nodes: dict[int, Node],
    policy: Policy,
    groups: list[dict[str, Any]],
) -> tuple[list[GroupResult], ModelServer]:
    """What came of groups whose scripts a model writes."""

    async def main(settings: Settings) -> list[GroupResult]:
        async with stoker.open_engine(folder / "journal.db") as engine:
            forge = ForgeOrchestrator(engine, settings)
            plan = await forge.create_plan({"groups": groups}, automatic=True)
            return [one async for one in forge.subscribe_results(plan)]

    with Explorers(worlds.values()) as explorers, ModelServer(policy, by_schema=True) as server:
        chains = {
            ALIASES[chain_id]: ChainSettings(id=chain_id, rpc=node.url)
            for chain_id, node in nodes.items()
        }
        settings = Settings(
            chains=chains,
            sender=WALLET,
            solc=str(MODULES / "solc"),
            sources=explorers.settings,
            model=model_settings(server),
        )
        return asyncio.run(main(settings)), server


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

    results, server = done(tmp_path, worlds, nodes, policy, five_groups(worlds)[:2])
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


def test_what_a_group_asserts_is_a_check_of_the_script_agents_too(
    tmp_path: Path, worlds: dict[int, World], nodes: dict[int, Node]
) -> None:
    weth = worlds[1]["WETH"]
    least = {"chain_id": 1, "account": WALLET, "token": weth, "at_least": str(107 * 10**18)}
    more = {"old": "deposit{value: 5 ether}", "new": "deposit{value: 7 ether}"}
    writer = Writer()

    def policy(talk: Conversation) -> Reply:
        if not talk.tools:
            return writer(talk)
        return Say(calls=(Call("edit_script", more), Call("execute_contract", {})))

    groups = [five_groups(worlds)[0] | {"assertions": [least]}]
    (result,), server = done(tmp_path, worlds, nodes, policy, groups)
    assert result.inner.done is not None, result
    assert int(result.inner.done.transactions[0].value, 16) == 7 * 10**18
    asked = [one.conversation for one in server.requests if one.conversation]
    (told,) = (one.asked for one in asked if one.tools)
    assert f"The audit finds: the balance of token {weth} of {WALLET} on chain 1 is 105" in told
