"""The rules of `forge script`, held against forge itself: transactions byte for byte, and what is
printed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from deploy import World
from evm_rules import rules
from forge_runs import Ran, run_all
from nodes import WALLET, Node

from stoker.chains.evm.job import Capture, Captured

AGREE = """Transfers Swap Creates Create2 Senders Pranks Libraries StaticBroadcast StaticCalls Caught
Reverts RevertsInBroadcast Panics Blocks TwoChains SetsUp Inside Proxies FixedGas Snapshots Mocks
ExpectsReverts Keys Texts Formats Callers OwnAddress StopsNothing Transient""".split()


@pytest.fixture(scope="module")
def forged(
    tmp_path_factory: pytest.TempPathFactory, worlds: dict[int, World], nodes: dict[int, Node]
) -> dict[str, Ran]:
    folder = tmp_path_factory.mktemp("forge")
    return asyncio.run(run_all(folder, rules(worlds), AGREE, nodes, WALLET))


def told(one: Captured) -> tuple[Any, ...]:
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


def by_chain(transactions: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(transactions, key=lambda one: one[0])


@pytest.mark.parametrize("name", AGREE)
def test_a_script_does_what_it_does_in_forge(
    name: str, forged: dict[str, Ran], captured: Callable[..., Capture]
) -> None:
    theirs, ours = forged[name], captured(name)
    if theirs.error is not None:
        assert ours.error is not None
        reason = theirs.error.partition(" (0x")[0].removeprefix("EvmError: ")
        if not reason.startswith(("Wrong", "panic")):  # which forge decodes by its ABI
            assert ours.error == f"execution reverted: {reason}"
        return
    assert ours.error is None
    assert by_chain([told(one) for one in ours.transactions]) == by_chain(theirs.transactions)
    if name != "Transient":  # forge keeps it from one transaction to the next, as no chain does
        assert list(ours.console) == theirs.console
