"""Servers for tests; helpers beside the tests are imported by their names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from forges import TOKEN, Serving
from repositories import git

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


@pytest.fixture
def github(tmp_path, server, repository):
    """The server knows the code host of the repository."""
    bare = tmp_path / "forge" / "acme" / "widgets.git"
    git(repository, "clone", "-q", "--bare", ".", str(bare))
    git(bare, "config", "http.receivepack", "true")
    with Serving("github", bare.parents[1]) as forge:
        git(repository, "remote", "add", "origin", forge.remote)
        settings = tmp_path / ".stoker" / "hosting.toml"
        settings.touch(0o600)
        settings.write_text(
            f'[hosts."{forge.host}"]\nprovider = "github"\n'
            f'api = "{forge.url}{forge.prefix}"\ntoken = "{TOKEN}"\nwebhook_secret = "hush-hush"\n'
        )
        yield forge
