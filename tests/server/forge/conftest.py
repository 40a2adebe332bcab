"""Servers with a repository."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from forge_client import Forge
from repositories import make_repository
from serving import Server


@pytest.fixture
def forge(serve: Callable[..., Server], tmp_path: Path) -> Iterator[Forge]:
    """A server of the test's own, which may be killed."""
    repository = make_repository(tmp_path / "repository")
    server = serve("--rate", "0")
    with server.client() as client:
        yield Forge(server, client, repository)


@pytest.fixture(scope="module")
def common(shared: Server) -> Iterator[Forge]:
    """One server for the tests of a module."""
    repository = make_repository(shared.directory / "repository")
    with shared.client() as client:
        yield Forge(shared, client, repository)


@pytest.fixture
def serve_forge(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Forge]:
    """A server whose profiles and agents' files are the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    repository = make_repository(tmp_path / "repository")
    server = serve("--rate", "0")
    with server.client() as client:
        yield Forge(server, client, repository)
