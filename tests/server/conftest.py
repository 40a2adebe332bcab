"""Servers for tests; helpers beside the tests are imported by their names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Server


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[..., Server]]:
    """Starts servers in this test's directory, and stops them after it."""
    with ExitStack() as stack:
        yield lambda *arguments, directory=tmp_path: stack.enter_context(
            Server(directory, *arguments)
        )


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Server]:
    """One server for the tests of a module that do not stop it."""
    with Server(tmp_path_factory.mktemp("server"), "--rate", "0") as server:
        yield server


@pytest.fixture
def api(shared) -> Iterator[httpx.Client]:
    with shared.client() as client:
        yield client


@pytest.fixture
def server(serve):
    return serve("--rate", "0")
