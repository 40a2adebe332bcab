"""A server and a repository for clients; servers are started as in the tests of the server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))

from serving import Server


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    with Server(tmp_path, "--rate", "0") as started:
        yield started


@pytest.fixture(scope="session")
def scripted():
    """What the scripted agent is to do, as a prompt."""
    return lambda *actions: json.dumps(actions)
