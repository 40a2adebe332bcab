"""Scripts compiled, and the chains' nodes as what they are pinned to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from deploy import World
from nodes import WALLET, Node

from stoker.chains.evm.job import Capture, CaptureJob
from stoker.chains.evm.pyevm.capture import capture as capture_
from stoker.chains.solidity.compilation import Compilation

sys.path.insert(0, str(Path(__file__).parent))

from evm_rules import NodeState, compile_all, pinned, rules


@pytest.fixture(scope="session")
def compiled(worlds: dict[int, World]) -> Callable[..., Compilation]:
    """A contract of `Rules.s.sol`, or of another text. All of a text are compiled at once."""
    found: dict[str, dict[str, Compilation]] = {}

    def get(name: str, text: str | None = None) -> Compilation:
        whole = rules(worlds) if text is None else text
        if whole not in found:
            with ThreadPoolExecutor(1) as thread:  # a test may have a loop of its own in this one
                found[whole] = thread.submit(asyncio.run, compile_all(whole)).result()
        return found[whole][name]

    return get


@pytest.fixture
def captured(
    nodes: dict[int, Node], compiled: Callable[..., Compilation]
) -> Callable[..., Capture]:
    """What a contract of `Rules.s.sol` does, run in this process."""

    def run(contract: str, sender: str = WALLET, text: str | None = None, **job: Any) -> Capture:
        return capture_(
            CaptureJob(
                script=compiled(contract, text),
                chains=pinned(nodes),
                sender=bytes.fromhex(sender[2:]),
                **job,
            ),
            NodeState(nodes),
        )

    return run
