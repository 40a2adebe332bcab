"""A project with chains, for the commands and a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nodes import ALIASES, MODULES, WALLET, Node

sys.path.insert(0, str(Path(__file__).parents[2] / "server"))

SCRIPT = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;
import "forge-std/Script.sol";
interface IWETH { function deposit() external payable; }
contract Group is Script {
    function run() external {
        vm.startBroadcast();
        BODY
        vm.stopBroadcast();
    }
}
"""


@pytest.fixture
def project(nodes: dict[int, Node], tmp_path: Path) -> Path:
    """A directory whose chains are the nodes."""
    (tmp_path / ".stoker").mkdir(mode=0o700)
    chains = "".join(
        f'[chains.{ALIASES[chain_id]}]\nid = {chain_id}\nrpc = "{node.url}"\n'
        for chain_id, node in nodes.items()
    )
    (tmp_path / ".stoker" / "chains.toml").write_text(
        f'sender = "{WALLET}"\nsolc = "{MODULES / "solc"}"\n{chains}'
    )
    return tmp_path


@pytest.fixture
def wrap(worlds: Any) -> Callable[..., dict[str, Any]]:
    """Makes a group that wraps so many ether, or does what `body` says."""

    def make(ether: int, *after: int, body: str = "") -> dict[str, Any]:
        weth = worlds[1]["WETH"]
        done = body or f"IWETH({weth}).deposit{{value: {ether} ether}}();"
        return {
            "description": f"Wrap {ether}",
            "operations": [f"Wrap {ether} ETH"],
            "dependencies": list(after),
            "contracts": [["1", weth, "WETH"]],
            "script": SCRIPT.replace("BODY", done),
        }

    return make


class Told:
    """What a command did."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def stoker(project: Path) -> Callable[..., Told]:
    """Runs a command in the project."""

    def run(*words: str) -> Told:
        env = {name: one for name, one in os.environ.items() if not name.startswith("STOKER_")}
        return Told(
            subprocess.run(
                (sys.executable, "-m", "stoker", *words),
                cwd=project,
                env=env,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        )

    return run


@pytest.fixture
def groups(project: Path) -> Callable[..., str]:
    """Writes groups to a file of the project; its name."""

    def write(*documents: Any, name: str = "groups.json") -> str:
        (project / name).write_text(json.dumps({"groups": documents}))
        return name

    return write
