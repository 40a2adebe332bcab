"""Settings for groups on the nodes of these tests, and scripts that groups bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from deploy import World
from nodes import ALIASES, MODULES, WALLET, Node

from stoker.chains.settings import ChainSettings, Settings, SourceSettings

SCRIPT = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;
import "forge-std/Script.sol";
interface IToken {
    function deposit() external payable;
    function approve(address spender, uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
    function balanceOf(address who) external view returns (uint256);
}
contract Group is Script {
    function run() external {
        BODY
    }
}
"""


@pytest.fixture
def settings(nodes: dict[int, Node]) -> Settings:
    """Both nodes, and no explorer."""
    return Settings(
        chains={
            ALIASES[chain_id]: ChainSettings(id=chain_id, rpc=node.url)
            for chain_id, node in nodes.items()
        },
        sender=WALLET,
        solc=str(MODULES / "solc"),
        sources=SourceSettings(etherscan=None, sourcify=None),
    )


Scripted = Callable[..., dict[str, Any]]


@pytest.fixture
def scripted(worlds: dict[int, World]) -> Scripted:
    """Makes a group that brings a script: `body` with the names of contracts in braces."""

    def make(
        body: str,
        *dependencies: int,
        name: str = "",
        chain: int = 1,
        broadcast: bool = True,
        **more: Any,
    ) -> dict[str, Any]:
        for contract, deployed in worlds[chain].contracts.items():
            body = body.replace(f"<{contract}>", deployed.address)
        if broadcast:
            body = f"vm.startBroadcast(); {body} vm.stopBroadcast();"
        return {
            "description": name or body[:40],
            "operations": [name or "as the script says"],
            "dependencies": list(dependencies),
            "contracts": [[chain, worlds[chain]["WETH"], "WETH"]],
            "script": SCRIPT.replace("BODY", body),
            **more,
        }

    return make
