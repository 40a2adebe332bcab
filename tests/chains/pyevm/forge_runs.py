"""What forge makes of contracts of `Rules.s.sol`."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import solc_program
from nodes import EVM, Node, program

from stoker.chains.solidity.compiler import SolidityCompiler

_CONFIG = """[profile.default]
src = "."
script = "."
evm_version = "prague"
optimizer = false
bytecode_hash = "none"
libs = ["lib"]
remappings = ["forge-std/=lib/forge-std/"]
[rpc_endpoints]
mainnet = "{1}"
optimism = "{10}"
"""


@dataclass(frozen=True)
class Ran:
    transactions: list[tuple[Any, ...]]
    """Chain, from, to, value, data, nonce, kind, created, whether its gas is fixed."""
    console: list[str]
    error: str | None


async def run_all(
    folder: Path, text: str, names: Sequence[str], nodes: dict[int, Node], sender: str
) -> dict[str, Ran]:
    solc_program.write_forge_std(folder)
    (folder / "Rules.s.sol").write_text(text)
    urls = {chain_id: node.url for chain_id, node in nodes.items()}
    (folder / "foundry.toml").write_text(_CONFIG.replace("{1}", urls[1]).replace("{10}", urls[10]))
    async with (
        SolidityCompiler(project=EVM, solc=str(EVM), cache=EVM / "cache") as compiler,
        solc_program.serving(compiler) as solc,
    ):
        found = {names[0]: await _run(folder, solc, names[0], urls[1], sender)}  # it compiles
        turn = asyncio.Semaphore(2)

        async def one(name: str) -> None:
            async with turn:
                found[name] = await _run(folder, solc, name, urls[1], sender)

        await asyncio.gather(*map(one, names[1:]))
    return found


async def _run(folder: Path, solc: Path, name: str, url: str, sender: str) -> Ran:
    kept = folder / "broadcasts" / name
    process = await asyncio.create_subprocess_exec(
        *(program("forge"), "script", f"Rules.s.sol:{name}", "--root", folder, "--offline"),
        *("--fork-url", url, "--sender", sender, "--use", solc, "--json"),
        cwd=folder,
        stdout=-1,
        stderr=-1,
        env={**os.environ, "HOME": str(folder), "FOUNDRY_BROADCAST": str(kept)},
    )
    said, complained = await process.communicate()
    told = [json.loads(line) for line in said.decode().splitlines() if line.startswith("{")]
    failed = re.search(r"script failed: (.*)", complained.decode())
    multi = kept.glob("multi/dry-run/*-latest/run.json")
    sequences = [
        sequence
        for path in list(multi) or kept.glob("*/*/dry-run/run-latest.json")
        for read in [json.loads(path.read_text())]
        for sequence in read.get("deployments", [read])
    ]
    return Ran(
        [_transaction(at["chain"], one) for at in sequences for one in at["transactions"]],
        next((line["logs"] for line in told if "logs" in line), []),
        failed[1] if failed else None,
    )


def _transaction(chain: int, one: dict[str, Any]) -> tuple[Any, ...]:
    sent, kind = one["transaction"], one["transactionType"]
    return (
        chain,
        sent["from"].lower(),
        (sent.get("to") or "").lower(),
        int(sent.get("value") or "0x0", 16),
        sent.get("input") or sent.get("data"),
        int(sent["nonce"], 16),
        kind,
        one["contractAddress"].lower() if kind != "CALL" else None,
        one["isFixedGasLimit"],
    )
