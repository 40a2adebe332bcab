"""The rules of `forge script`, held against forge itself: transactions byte for byte, and what is
printed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy import World
from evm_rules import rules
from forge_runs import Ran, run_all
from nodes import WALLET, Node

from stoker.chains.evm.job import Capture, Captured
from stoker.chains.report.reverts import reason

AGREE = [
    "Transfers",
    "Swap",
    "Creates",
    "Create2",
    "Senders",
    "Pranks",
    "Libraries",
    "StaticBroadcast",
    "StaticCalls",
    "Caught",
    "Reverts",
    "RevertsInBroadcast",
    "Panics",
    "Blocks",
    "TwoChains",
    "SetsUp",
    "Inside",
    "Proxies",
    "FixedGas",
    "Snapshots",
    "Keys",
    "Texts",
    "Formats",
    "Callers",
    "OwnAddress",
    "StopsNothing",
    "Transient",
    "Asserts",
    "Failures",
    "Records",
    "Olds",
    "Forks",
    "RevertsDeep",
]


def test_scripts_do_what_they_do_in_forge(
    tmp_path: Path,
    worlds: dict[int, World],
    nodes: dict[int, Node],
    captured: Callable[..., Capture],
) -> None:
    differences(tmp_path, rules(worlds), AGREE, nodes, captured)


def test_a_chain_without_the_create2_deployer_gets_libraries_by_their_sender(
    tmp_path: Path,
    worlds: dict[int, World],
    changing: dict[int, Node],
    captured: Callable[..., Capture],
) -> None:
    changing[1].rpc("anvil_setCode", "0x4e59b44847b379578588920cA78FbF26c0B4956C", "0x")
    changing[1].rpc("anvil_mine")
    assert [one.kind for one in captured("Libraries").transactions] == ["CREATE", "CREATE", "CALL"]
    differences(tmp_path, rules(worlds), ["Libraries"], changing, captured)


def differences(
    folder: Path,
    text: str,
    names: list[str],
    nodes: dict[int, Node],
    captured: Callable[..., Capture],
) -> None:
    """Fails with what forge does, and what we do instead."""
    forged = asyncio.run(run_all(folder, text, names, nodes, WALLET))
    others = [
        f"{name}\n  {theirs}\n  {ours}"
        for name in names
        if (ours := told(name, captured(name))) != (theirs := told_by_forge(name, forged[name]))
    ]
    assert not others, "\n".join(others)


def told(name: str, ours: Capture) -> tuple[Any, ...]:
    """What is compared: the error, or transactions by chain and the console."""
    if ours.error is not None:
        output = ours.frame.output if ours.error == "execution reverted" else b""
        return failure(reason(output) if output else ours.error)
    transactions = [transaction(one) for one in ours.transactions]
    return compared(name, transactions, list(ours.console))


def told_by_forge(name: str, theirs: Ran) -> tuple[Any, ...]:
    if theirs.error is not None:
        return failure(theirs.error)
    return compared(name, theirs.transactions, theirs.console)


def failure(why: str) -> tuple[Any, ...]:
    """In the same words, except where forge decodes by its ABIs."""
    return (True, "" if why.startswith(("Wrong", "custom error", "panic")) else why)


def compared(name: str, transactions: list[Any], console: list[str]) -> tuple[Any, ...]:
    if name == "Transient":  # forge keeps it from one transaction to the next, as no chain does
        console = []
    return (False, sorted(transactions, key=lambda one: one[0]), console)


def transaction(one: Captured) -> tuple[Any, ...]:
    return (
        one.chain_id,
        f"0x{one.from_.hex()}",
        f"0x{one.to.hex()}" if one.to is not None else "",
        one.value,
        f"0x{one.data.hex()}",
        one.nonce,
        one.kind,
        f"0x{one.contract.hex()}" if one.contract is not None else None,
        one.gas is not None,
    )
