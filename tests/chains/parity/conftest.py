"""Helpers of these tests are beside them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deploy import World
from forge_project import Project, kept_project, sources
from nodes import EVM, Node
from stoker_bench import Bench, opened


@pytest.fixture(scope="session")
def project(worlds: dict[int, World], kept: Path) -> Project:
    return kept_project(worlds, kept)


@pytest.fixture(scope="session")
def bench(
    worlds: dict[int, World], nodes: dict[int, Node], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """Stoker's compiler and engine, warm for all tests."""
    cache = EVM / "cache" / "parity-solidity"
    with asyncio.Runner() as runner:
        context = opened(runner, sources(worlds), nodes, cache)
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))
