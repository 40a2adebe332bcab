"""Plan files run by the command line, with the built-in agent and a scripted model behind real
HTTP, as `benchmarks/roadmaps` does at length; helpers beside the tests are imported by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "run"))
sys.path.insert(0, str(Path(__file__).parents[2] / "agents"))

from scenario_shop import Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with Shop(tmp_path) as made:
        for name, value in made.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{made.server.url}/v1")
        yield made
