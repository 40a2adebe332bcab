"""What chain groups are measured on: a node with real contracts, groups that bring their scripts,
and `forge script` for the same scripts through the same solc."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/chains"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/chains/state"))

import solc_program
from deploy import kept_worlds, read_worlds, start_kept
from nodes import ALIASES, MODULES, WALLET, program
from proxy import Proxy

import stoker
from stoker.chains.orchestrator import ForgeOrchestrator
from stoker.chains.settings import ChainSettings, Settings, SourceSettings
from stoker.chains.solidity import forge_std
from stoker.chains.solidity.compilation import CompilerSettings
from stoker.chains.solidity.imports import reach
from stoker.chains.tools import Tools
from stoker.chains.workshop import opened

__all__ = ("Field", "ForgeOrchestrator", "Foundry", "Proxy", "done", "door")
_HEAD = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import "forge-std/Script.sol";
interface IWETH {
    function deposit() external payable;
    function approve(address, uint256) external returns (bool);
    function transfer(address, uint256) external returns (bool);
}
interface IRouter {
    function swapExactTokensForTokens(uint256, uint256, address[] calldata, address, uint256)
        external returns (uint256[] memory);
}
contract Group is Script {
    function run() external {
        vm.startBroadcast();
        BODY
        vm.stopBroadcast();
    }
}
"""
_SWAP = """IWETH(WETH).deposit{value: 1 ether + NUMBER}();
        IWETH(WETH).approve(ROUTER, 1 ether);
        address[] memory path = new address[](2);
        (path[0], path[1]) = (WETH, USDC);
        IRouter(ROUTER).swapExactTokensForTokens(1 ether, 1, path, msg.sender, 2**40);"""
_WRAP = """IWETH(WETH).deposit{value: 1000 + NUMBER}();
        IWETH(WETH).approve(ROUTER, NUMBER);
        IWETH(WETH).transfer(address(uint160(0x10000 + NUMBER)), 1);"""
_CONFIG = """[profile.default]
src = "."
script = "."
evm_version = "prague"
optimizer = false
bytecode_hash = "none"
libs = ["lib"]
remappings = ["forge-std/=lib/forge-std/"]
rpc_storage_caching = { chains = "all", endpoints = "all" }
[lint]
lint_on_build = false
"""


_HEAT = 10


class Field:
    """A node, and groups for it, no two of which are the same. A context manager."""

    def __init__(self) -> None:
        kept = kept_worlds()
        self.world = read_worlds(kept)[1]
        self.node = start_kept(kept, 1)
        self.senders = self.node.rpc("eth_accounts")
        self._numbers = itertools.count(time.time_ns() // 1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.node.stop()

    def swap(self, *after: int) -> dict[str, Any]:
        """Wraps, approves and swaps on Uniswap V2."""
        return self._group(_SWAP, after, WALLET)

    def wrap(self, *after: int, sender: int) -> dict[str, Any]:
        """Wraps, approves and pays; those of different senders are in nobody's way."""
        return self._group(_WRAP, after, self.senders[sender])

    def _group(self, body: str, after: tuple[int, ...], sender: str) -> dict[str, Any]:
        number = next(self._numbers)
        world = self.world
        at = {"WETH": world["WETH"], "USDC": world["USDC"], "ROUTER": world["UniswapV2Router02"]}
        for name, value in (at | {"NUMBER": str(number)}).items():
            body = re.sub(rf"\b{name}\b", value, body)
        return {
            "description": f"group {number}",
            "operations": ["as the script says"],
            "dependencies": list(after),
            "contracts": [[1, at["WETH"], "WETH"]],
            "sender": sender,
            "script": _HEAD.replace("BODY", body),
        }

    def settings(self, url: str) -> Settings:
        return Settings(
            chains={ALIASES[1]: ChainSettings(id=1, rpc=url)},
            sender=WALLET,
            solc=str(MODULES / "solc"),
            sources=SourceSettings(etherscan=None, sourcify=None),
        )


@asynccontextmanager
async def door(
    folder: Path, field: Field, url: str
) -> AsyncIterator[tuple[ForgeOrchestrator, Foundry]]:
    """An engine that knows nothing of the chain, and forge with the same compiler. That is hot: of
    code that it has just loaded, solc-js takes ten times as long for its first questions."""
    (folder / "foundry").mkdir()
    async with stoker.open_engine(folder / "journal.db") as engine:
        forge = ForgeOrchestrator(engine, field.settings(url))
        tools: Tools = await (await engine.shared(opened)).tools(forge._settings)
        await tools.capturing.warm()  # type: ignore[attr-defined]
        for _ in range(_HEAT):
            groups = [field.swap(), *(field.wrap(sender=0) for _ in range(5))]
            await asyncio.gather(
                *(tools._compile(one["script"], CompilerSettings()) for one in groups)
            )
        async with solc_program.serving(tools.compiler) as serving:
            solc = _quick(folder / "solc", serving)
            yield forge, Foundry(folder / "foundry", solc)


async def done(forge: ForgeOrchestrator, groups: list[dict[str, Any]]) -> float:
    """Seconds from the making of a plan to the last result."""
    began = time.perf_counter()
    plan = await forge.create_plan(groups, automatic=True)
    found = [one async for one in forge.subscribe_results(plan)]
    took = time.perf_counter() - began
    assert len(found) == len(groups)
    assert all(one.inner.done for one in found), found
    return took


class Foundry:
    """A project of Foundry's, with as much of forge-std as Stoker gives to its compiler."""

    def __init__(self, folder: Path, solc: Path) -> None:
        self._folder = folder
        self._solc = solc
        (folder / "foundry.toml").write_text(_CONFIG)

    async def script(self, group: dict[str, Any], url: str, home: Path) -> float:
        """Seconds of `forge script`, dry. `home`: where it keeps what it was told by nodes."""
        for name, text in reach({"Group.s.sol": group["script"]}, None).items():
            file = self._folder / (f"lib/{name}" if name.startswith(forge_std.PREFIX) else name)
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_text() != text:
                file.write_text(text)
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(program("forge"), "script", "Group.s.sol:Group", "--root", self._folder),
            *("--offline", "--use", self._solc, "--fork-url", url, "--sender", group["sender"]),
            "--non-interactive",
            cwd=self._folder,
            env={**os.environ, "HOME": str(home), "NO_COLOR": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        took = time.perf_counter() - began
        assert process.returncode == 0, said.decode()
        assert b"SIMULATION COMPLETE" in said, said.decode()
        return took


def _quick(file: Path, serving: Path) -> Path:
    """One that tells its version without the start of anything."""
    told = subprocess.run([serving, "--version"], capture_output=True, text=True, check=True).stdout
    file.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "{told}" && exit\nexec {serving} "$@"\n'
    )
    file.chmod(0o755)
    return file
