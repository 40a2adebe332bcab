"""A repository with a plan file, and a scripted model behind real HTTP that the built-in agent
asks; helpers beside the tests are imported by their names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "agents"))

from roadmap_world import World
from shell_world import shells


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(tmp_path) as made:
        for name, value in made.env.items():
            monkeypatch.setenv(name, value)
        yield made


shell = pytest.fixture(shells)
