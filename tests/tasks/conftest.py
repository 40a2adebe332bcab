"""A repository, and the tasks door on it, in this process; helpers beside the tests are imported
by their names."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stoker.engine.attempt import realm
from stoker.engine.engine import Engine
from stoker.journal.open import open_journal
from stoker.process.survivors import Scan
from stoker.steps.registry import kinds
from stoker.tasks.service import Tasks, opened


def script(*actions: dict[str, Any]) -> str:
    """What the scripted agent is to do, as a prompt."""
    return json.dumps(actions)


def git(directory: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", "-C", directory, *args], check=True, capture_output=True, text=True
    )
    return done.stdout


class World:
    """A state directory and a repository; `run(scenario)` opens the door for a while."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.state.mkdir()
        self.repository = directory / "repository"
        self.repository.mkdir()
        git(self.repository, "init", "-q", "-b", "main")
        git(self.repository, "config", "user.email", "dev@example.com")
        git(self.repository, "config", "user.name", "Dev")
        (self.repository / "a.txt").write_text("one\n")
        git(self.repository, "add", ".")
        git(self.repository, "commit", "-q", "-m", "first")

    def run(self, scenario: Callable[[Tasks], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            journal = await open_journal(self.state / "journal.db")
            try:
                async with (
                    Engine(journal, self.state, kinds()) as engine,
                    opened(engine) as tasks,
                ):
                    return await asyncio.wait_for(scenario(tasks), 60)
            finally:
                await journal.close()

        return asyncio.run(main())

    def branches(self) -> list[str]:
        return git(self.repository, "branch", "--format=%(refname:short)").split()

    def worktrees(self) -> list[Path]:
        folder = self.state / "worktrees"
        return sorted(folder.iterdir()) if folder.exists() else []

    def close(self) -> None:
        """Leave no agent behind, whatever became of the test."""
        for process in Scan():
            if process.marker.startswith(realm(self.state)):
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def scripted() -> Callable[..., str]:
    return script
