"""Capture by forge, and that the engine in process captures the same."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from nodes import EVM, WALLET, program
from sending import pins_of, remote_of

from stoker.agents.bubblewrap import trouble
from stoker.chains.errors import ChainError, LimitReached, ScriptRefused
from stoker.chains.evm.forge import FallbackEngine, ForgeEngine
from stoker.chains.evm.job import CaptureJob, Chains, Limits
from stoker.chains.evm.pyevm.pool import open_pyevm
from stoker.chains.hexadecimal import data
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler
from stoker.chains.state.change import AccountChange, Delta

BWRAP = shutil.which("bwrap")
CONFINED = BWRAP is not None and trouble(BWRAP, True) is None
"""Whether there can be a sandbox."""
HEAD = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import {Script, console} from "forge-std/Script.sol";
interface IERC20 {
    function approve(address, uint256) external returns (bool);
    function balanceOf(address) external view returns (uint256);
}
interface IRouter {
    function swapExactETHForTokens(uint256, address[] calldata, address, uint256)
        external payable returns (uint256[] memory);
}
interface Outside {
    function toBase64(string calldata) external returns (string memory);
    function ffi(string[] calldata) external returns (bytes memory);
    function readFile(string calldata) external returns (string memory);
    function envString(string calldata) external returns (string memory);
    function createSelectFork(string calldata) external returns (uint256);
    function rpc(string calldata, string calldata, string calldata) external returns (bytes memory);
}
library Sums { function twice(uint256 a) external pure returns (uint256) { return 2 * a; } }
contract Child { uint256 public x = 2; }
contract Deep { fallback() external { (bool done, ) = address(this).call(""); require(done); } }
contract Made {
    uint256 public y; Child public c; event Said(uint256 indexed a, string b);
    constructor(uint256 a) payable { y = a; c = new Child(); }
    function set(uint256 a) external returns (uint256) { y = a; emit Said(a, "set"); return a + 1; }
}
contract AomiScript is Script {
    function run() external returns (uint256 answer) {
        BODY
    }
}
"""
SWAP = """
        console.log("balance", IERC20(@USDC@).balanceOf(msg.sender));
        vm.startBroadcast();
        address[] memory path = new address[](2);
        path[0] = @WETH@;
        path[1] = @USDC@;
        IRouter router = IRouter(@UniswapV2Router02@);
        router.swapExactETHForTokens{value: 1 ether}(0, path, msg.sender, 2 ** 40);
        Made made = new Made{value: 3}(7);
        answer = made.set{gas: 500000}(9);
        new Made{salt: bytes32(uint256(5))}(8);
        payable(address(0x1234)).transfer(1);
        vm.stopBroadcast();
"""
CHAINS = """
        vm.createSelectFork("optimism");
        vm.broadcast();
        IERC20(@10:WETH@).approve(address(1), 5);
        vm.createSelectFork("mainnet");
        vm.startBroadcast();
        IERC20(@WETH@).approve(address(1), 6);
        new Child();
        vm.stopBroadcast();
        vm.selectFork(1);
        vm.broadcast();
        new Child();
"""


@pytest.fixture
def within(nodes, worlds):
    """Compile a script's body, and have it captured."""

    async def ready(scenario):
        remote = remote_of(nodes)
        engine = ForgeEngine(remote, str(program("forge")), confined=CONFINED)
        try:
            async with SolidityCompiler(solc=str(EVM), cache=EVM / "cache") as compiler:

                async def job(body, **more):
                    for chain_id, world in worlds.items():
                        for name, it in world.contracts.items():
                            mark = name if chain_id == 1 else f"{chain_id}:{name}"
                            body = body.replace(f"@{mark}@", it.address)
                    body = body.replace("@URL@", nodes[1].url)
                    text = {"script.s.sol": HEAD.replace("BODY", body)}
                    script = await compiler.compile(text, None, CompilerSettings())
                    chains = Chains(
                        home=1,
                        pins=await pins_of(remote, nodes),
                        aliases={"mainnet": 1, "optimism": 10},
                        deltas=more.pop("deltas", {}),
                    )
                    return CaptureJob(script=script, chains=chains, sender=data(WALLET), **more)

                return await scenario(engine, job, remote)
        finally:
            engine.close()
            await remote.close()

    return lambda scenario: asyncio.run(ready(scenario))


def test_forge_and_the_engine_in_process_capture_the_same(within):
    bodies = (
        SWAP,
        CHAINS,
        "vm.broadcast(); new Made(Sums.twice(4));",
        "answer = 5;",
        'Deep deep = new Deep(); (bool done, ) = address(deep).call(""); answer = done ? 1 : 2;',
    )

    async def scenario(engine, job, remote):
        asked = [await job(body) for body in bodies]
        async with open_pyevm(remote, workers=1) as pyevm:
            theirs = await asyncio.gather(*map(engine.capture, asked))
            return zip(bodies, theirs, [await pyevm.capture(one) for one in asked], strict=True)

    for body, theirs, ours in within(scenario):
        assert theirs.error is None, body
        assert theirs.transactions == ours.transactions, body
        assert theirs.outcomes == ours.outcomes, body
        assert theirs.console == ours.console, body
        assert theirs.returned == ours.returned, body


def test_what_groups_before_have_done_is_seen(within, worlds):
    async def scenario(engine, job, remote):
        before = Delta({data(worlds[1]["USDC"]): AccountChange(balance=77)})
        asked = await job("answer = @USDC@.balance;", deltas={1: before})
        return await engine.capture(asked)

    assert int.from_bytes(within(scenario).returned) == 77


def test_a_script_that_fails_says_why(within):
    async def scenario(engine, job, remote):
        return await engine.capture(await job('console.log("so far"); require(false, "oh no");'))

    done = within(scenario)
    assert done.error == "oh no"
    assert done.console == ("so far",)
    assert done.transactions == ()


def test_nothing_outside_is_reached(within):
    if not CONFINED:
        pytest.skip("there can be no sandbox here")
    reaching = {
        'string[] memory c = new string[](1); c[0] = "id"; VM.ffi(c);': "FFI",
        'VM.readFile("/etc/passwd");': "not allowed",
        'VM.envString("HOME_OF");': "not found",
        'VM.createSelectFork("@URL@");': ".",
        'VM.rpc("@URL@", "eth_chainId", "[]");': ".",
    }

    async def scenario(engine, job, remote):
        bodies = (body.replace("VM.", "Outside(address(vm)).") for body in reaching)
        asked = [await job(body, limits=Limits(seconds=20)) for body in bodies]
        return await asyncio.gather(*map(engine.capture, asked))

    for (body, why), done in zip(reaching.items(), within(scenario), strict=True):
        assert done.error is not None, body
        assert why in done.error, body


def test_what_is_unknown_in_process_is_left_to_forge_and_what_is_refused_is_not(within):
    async def scenario(engine, job, remote):
        async with open_pyevm(remote, workers=1) as pyevm:
            both = FallbackEngine(pyevm, engine)
            asked = await job('answer = bytes(Outside(address(vm)).toBase64("abc")).length;')
            done = await both.capture(asked)
            with pytest.raises(ScriptRefused, match=r"vm\.readFile"):
                await both.capture(await job('Outside(address(vm)).readFile("foundry.toml");'))
            return done

    done = within(scenario)
    assert done.error is None
    assert int.from_bytes(done.returned) == len("YWJj")


def test_what_takes_too_long_is_ended(within):
    async def scenario(engine, job, remote):
        asked = await job("while (true) answer++;", limits=Limits(seconds=1, gas=2**62))
        with pytest.raises(LimitReached, match="forge took more than 1 s"):
            await engine.capture(asked)

    within(scenario)


def test_where_there_is_no_forge_it_says_so(tmp_path):
    with pytest.raises(ChainError, match="nowhere/forge is no program"):
        ForgeEngine(remote_of({}), str(tmp_path / "nowhere/forge"))
