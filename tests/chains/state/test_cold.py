"""What a group costs in round trips where nothing of its chain is known yet, and where all is."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nodes import MODULES, WALLET
from proxy import Proxy, instead

from stoker.chains.backend import ExecutionBackend
from stoker.chains.evm.job import CaptureJob, ReplayJob
from stoker.chains.evm.pyevm.pool import open_pyevm
from stoker.chains.rpc import Rpc
from stoker.chains.settings import ChainSettings
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler
from stoker.chains.state.commits import Committed
from stoker.chains.state.remote import Remote

SWAP = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import "forge-std/Script.sol";
interface IWETH {{
    function deposit() external payable;
    function approve(address, uint256) external;
}}
interface IRouter {{
    function swapExactTokensForTokens(uint256, uint256, address[] calldata, address, uint256)
        external returns (uint256[] memory);
}}
contract AomiScript is Script {{
    function run() external {{
        vm.startBroadcast();
        IWETH({weth}).deposit{{value: 1 ether}}();
        IWETH({weth}).approve({router}, 1 ether);
        address[] memory path = new address[](2);
        (path[0], path[1]) = ({weth}, {usdc});
        IRouter({router}).swapExactTokensForTokens(1 ether, {least}, path, {wallet}, 2**40);
        vm.stopBroadcast();
    }}
}}
"""


def script(world, least=1):
    names = {"weth": "WETH", "router": "UniswapV2Router02", "usdc": "USDC"}
    return SWAP.format(
        **{one: world[name] for one, name in names.items()}, least=least, wallet=WALLET
    )


@asynccontextmanager
async def plan(url):
    """A backend, an engine, and what counts the round trips."""
    remote = Remote([Rpc("main", 1, url)])
    async with open_pyevm(remote, workers=1) as engine:
        yield ExecutionBackend(remote, {"main": ChainSettings(id=1, rpc=url)}), engine, remote
    await remote.close()


async def carried_out(backend, engine, compiled, index, file, after=()):
    view = await backend.view(home=1, chains=[1], after=after)
    sender = bytes.fromhex(WALLET[2:])
    captured = await engine.capture(CaptureJob(script=compiled, chains=view, sender=sender))
    assert captured.error is None
    sent = captured.transactions
    replay = await engine.replay(ReplayJob(transactions=sent, chains=view))
    assert replay.error is None
    came = await backend.commit(
        index, after=after, view=view, transactions=sent, replay=replay, file=str(file)
    )
    assert isinstance(came, Committed)
    return captured, replay, came


def lists_only(node):
    """A node that traces no calls, but makes access lists with overrides, as current ones do."""

    def access_list(call, block, overrides):
        options = {"tracer": "prestateTracer", "stateOverrides": overrides}
        found = node.rpc("debug_traceCall", call, block, options)
        entries = [
            {"address": address, "storageKeys": list(account.get("storage", {}))}
            for address, account in found.items()
        ]
        return {"accessList": entries, "gasUsed": "0x0"}

    unknown = ValueError(-32601, "Method not found")
    return instead(node, debug_traceCall=unknown, eth_createAccessList=access_list)


@pytest.mark.parametrize(("kind", "most"), [("traces", 2), ("lists", 3)])
def test_a_cold_group_takes_three_round_trips_at_most_and_a_warm_one_none(
    kind, most, nodes, worlds, tmp_path
):
    async def groups(url):
        async with SolidityCompiler(solc=str(MODULES / "solc"), cache=tmp_path) as compiler:
            sources = {"A.s.sol": script(worlds[1])}
            compiled = await compiler.compile(sources, None, CompilerSettings())
        trips = []
        async with plan(url) as (backend, engine, remote):
            for index in range(3):
                after = [index - 1] if index else []
                file = tmp_path / str(index)
                _, _, came = await carried_out(backend, engine, compiled, index, file, after)
                assert [one.nonce for one in came.transactions] == [
                    nonce + index * 3 for nonce in range(first, first + 3)
                ]
                trips.append(remote.trips)
        return trips

    first = int(nodes[1].rpc("eth_getTransactionCount", WALLET, "latest"), 16)
    fault = lists_only(nodes[1]) if kind == "lists" else None
    with Proxy(nodes[1].url, fault, latency=0.02) as proxy:
        cold, warm, again = asyncio.run(groups(proxy.url))
    assert cold <= most, proxy.methods()
    assert warm == again == cold
