"""The chains that all tests of this area share, and what is on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deploy import World, kept_worlds, read_worlds, start_kept
from nodes import ALIASES, Node, stop_all


@pytest.fixture(scope="session")
def kept() -> Path:
    """Where the nodes' states are kept: `start_kept(kept, 1)` is a node of a test's own."""
    return kept_worlds()


@pytest.fixture(scope="session")
def worlds(kept: Path) -> dict[int, World]:
    """What is deployed, by chain id."""
    return read_worlds(kept)


@pytest.fixture(scope="session")
def nodes(kept: Path) -> Iterator[dict[int, Node]]:
    """Two running chains, by id: 1 and 10. A test that changes them asks for `changing`, too."""
    started = {chain_id: start_kept(kept, chain_id) for chain_id in ALIASES}
    yield started
    stop_all(list(started.values()))


@pytest.fixture
def changing(nodes: dict[int, Node]) -> Iterator[dict[int, Node]]:
    """The chains, for a test that sends transactions: they are put back when it is over."""
    before = {chain_id: node.rpc("evm_snapshot") for chain_id, node in nodes.items()}
    yield nodes
    for chain_id, node in nodes.items():
        assert node.rpc("evm_revert", before[chain_id])
