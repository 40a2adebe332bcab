"""Artefacts are what forge writes for the same script."""

from __future__ import annotations

import asyncio
import json

import pytest
import solc_program
from nodes import EVM, WALLET, program
from outbox import SCRIPT
from sending import pins_of, remote_of

from stoker.chains.broadcast import files
from stoker.chains.broadcast.describe import outgoing
from stoker.chains.evm.job import CaptureJob, Chains, ReplayJob
from stoker.chains.evm.pyevm.pool import open_pyevm
from stoker.chains.hexadecimal import data
from stoker.chains.report.registry import Registry
from stoker.chains.report.summary import registry_learned
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler

CONFIG = """[profile.default]
src = "."
script = "."
libs = ["lib"]
remappings = ["forge-std/=lib/forge-std/"]
evm_version = "prague"
optimizer = false
bytecode_hash = "none"
offline = true
[lint]
lint_on_build = false
[rpc_endpoints]
mainnet = "@mainnet@"
optimism = "@optimism@"
"""
HEAD = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import {Script, console} from "forge-std/Script.sol";
interface IERC20 {
    function approve(address, uint256) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
}
interface IRouter {
    function swapExactETHForTokens(uint256, address[] calldata, address, uint256)
        external payable returns (uint256[] memory);
}
library L { function f(uint256 a) external pure returns (uint256) { return a + 1; } }
library M {
    struct P { uint256 a; string b; int8[2] c; }
    function g(uint256 a) external pure returns (uint256) { return L.f(a); }
}
contract Child { uint256 public x = 2; }
contract Made {
    uint256 public y; Child public c;
    constructor(uint256 a, M.P memory p, string[] memory, bool, bytes4) payable {
        y = a + p.a; c = new Child();
    }
    function put(M.P[] calldata, int256, bytes calldata) external {}
    receive() external payable { new Child{salt: 0}(); }
}
contract AomiScript is Script {
"""
ONE = """
    function run() external returns (uint256, M.P memory told, bool, Made made) {
        address[] memory path = new address[](2);
        path[0] = @WETH@;
        path[1] = @USDC@;
        M.P memory p;
        p.b = unicode"x\\"y\\\\z'\\n\\té \\x01";
        p.c[1] = -5;
        string[] memory n = new string[](2);
        n[0] = "a";
        vm.startBroadcast();
        IERC20(@WETH@).approve(@UniswapV2Router02@, 5);
        IRouter router = IRouter(@UniswapV2Router02@);
        router.swapExactETHForTokens{value: 1 ether}(0, path, msg.sender, 2 ** 40);
        made = new Made{value: 3}(4, p, n, true, 0x01020304);
        M.P[] memory q = new M.P[](1);
        q[0] = p;
        made.put(q, -77, hex"00ff");
        payable(address(made)).transfer(0);
        new Child{salt: bytes32(uint256(5))}();
        (bool ok,) = address(made).call{value: 1}("");
        require(ok);
        payable(address(0x1234)).transfer(1);
        IERC20(@USDC@).transfer{gas: 200000}(address(0x1234), 6);
        vm.stopBroadcast();
        return (1, p, true, made);
    }
}
"""
LIBRARIES = """
    function run() external {
        vm.startBroadcast();
        console.log(M.g(4));
        new Child();
        vm.stopBroadcast();
    }
}
"""
TWO = """
    function run() external returns (uint256[] memory answer, string memory s) {
        vm.createSelectFork("mainnet");
        vm.startBroadcast();
        IERC20(@WETH@).approve(@UniswapV2Router02@, 5);
        vm.stopBroadcast();
        vm.createSelectFork("optimism");
        vm.startBroadcast();
        IERC20(@10:WETH@).approve(@10:UniswapV2Router02@, 5);
        new Child();
        vm.stopBroadcast();
        vm.selectFork(1);
        vm.broadcast();
        new Child();
        answer = new uint256[](2);
        s = "a b";
    }
}
"""


def _source(worlds, body):
    text = HEAD + body.replace("payable(address(made)).transfer(0);", "")
    for chain_id, world in worlds.items():
        for name, it in world.contracts.items():
            text = text.replace(f"@{name if chain_id == 1 else f'{chain_id}:{name}'}@", it.address)
    return text


async def _theirs(project, nodes, source, solc):
    """forge's own files, beneath `project`."""
    solc_program.write_forge_std(project)
    (project / SCRIPT).write_text(source)
    config = CONFIG.replace("@mainnet@", nodes[1].url).replace("@optimism@", nodes[10].url)
    (project / "foundry.toml").write_text(config)
    process = await asyncio.create_subprocess_exec(
        *(program("forge"), "script", SCRIPT, "--target-contract", "AomiScript", "--use", solc),
        *("--fork-url", nodes[1].url, "--sender", WALLET, "--non-interactive", "--offline"),
        cwd=project,
        env={"HOME": str(project), "PATH": "/usr/bin:/bin"},
        stdout=-1,
        stderr=-1,
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, (said + complained).decode()


async def _ours(root, nodes, source, compiler):
    remote = remote_of(nodes)
    try:
        async with open_pyevm(remote, workers=1) as engine:
            script = await compiler.compile({SCRIPT: source}, None, CompilerSettings())
            chains = Chains(
                home=1, pins=await pins_of(remote, nodes), aliases={"mainnet": 1, "optimism": 10}
            )
            sender = data(WALLET)
            capture = await engine.capture(CaptureJob(script=script, chains=chains, sender=sender))
            assert capture.error is None
            job = ReplayJob(transactions=capture.transactions, chains=chains)
            replay = await engine.replay(job)
            assert replay.error is None
    finally:
        await remote.close()
    group = outgoing(
        SCRIPT,
        capture.transactions,
        replay.transactions,
        registry_learned(Registry(compilations=[script]), capture, replay),
        timestamp=12345,
        capture=capture,
        compiled=script,
    )
    return files.write(root, SCRIPT, group.sequences, dry_run=True)


def _normal(document):
    """What may differ: when it was, gas within reason, and a value of nothing."""
    for sequence in document.get("deployments", [document]):
        sequence["timestamp"] = 0
        sequence["returns"] = dict(sorted(sequence["returns"].items()))
        for one in sequence["transactions"]:
            sent = one["transaction"]
            if not one["isFixedGasLimit"]:
                sent["gas"] = "0x0"
            if "value" not in sent:
                items = list(sent.items())
                items.insert(3, ("value", "0x0"))
                one["transaction"] = dict(items)
    document["timestamp"] = 0
    return document


def _parts(document):
    for sequence in document.get("deployments", [document]):
        for one in sequence["transactions"]:
            yield from one.items()
        yield from sequence.items()


@pytest.mark.parametrize("body", [ONE, LIBRARIES, TWO], ids=["one", "libraries", "two"])
def test_artefacts_are_those_of_forge(nodes, worlds, tmp_path, body):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"

    async def main():
        source = _source(worlds, body)
        async with SolidityCompiler(solc=str(EVM), cache=EVM / "cache") as compiler:
            async with solc_program.serving(compiler) as solc:
                await _theirs(theirs, nodes, source, solc)
            return await _ours(ours, nodes, source, compiler)

    path = asyncio.run(main())
    latest = [one for one in (theirs / "broadcast").rglob("*.json") if "latest" in str(one)]
    (written,) = latest
    own = ours / written.relative_to(theirs)
    assert own.read_bytes() == path.read_bytes()
    said, expected = (json.loads(one.read_bytes()) for one in (own, written))
    gas = [
        [
            int(one["transaction"]["gas"], 16)
            for sequence in document.get("deployments", [document])
            for one in sequence["transactions"]
        ]
        for document in (said, expected)
    ]
    assert all(0.75 < mine / other < 1.34 for mine, other in zip(*gas, strict=True)), gas
    for mine, other in zip(_parts(_normal(said)), _parts(_normal(expected)), strict=True):
        assert mine == other
    # field for field in forge's order
    assert json.dumps(said) == json.dumps(expected)
    # and forge's own can be read
    if "deployments" in expected:
        assert len(files.read(theirs, SCRIPT, dry_run=True)) == len(expected["deployments"])
    else:
        (read,) = files.read(theirs, SCRIPT, 1, dry_run=True)
        assert len(read.transactions) == len(expected["transactions"])
