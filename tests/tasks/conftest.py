"""A repository, and the tasks door on it, in this process; helpers beside the tests are imported
by their names."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from forges import FORGES, TOKEN, Serving

sys.path.insert(0, str(Path(__file__).parent))

from repositories import git, make_repository, script

from stoker.engine.attempt import realm
from stoker.engine.engine import Engine
from stoker.journal.open import open_journal
from stoker.process.survivors import Scan, Survivor
from stoker.steps.registry import kinds
from stoker.tasks.service import Tasks, opened


class World:
    """A state directory and a repository; `run(scenario)` opens the door for a while."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.state.mkdir()
        self.journal = str(self.state / "journal.db")
        self.repository = make_repository(directory / "repository")

    def run(self, scenario: Callable[[Tasks], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            journal = await open_journal(self.journal)
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

    def wait_until_empty(self) -> None:
        """Agents that waited for a follow-up are ending: return when the last is gone."""
        while left := self.processes():
            with suppress(ProcessLookupError):
                pidfd = os.pidfd_open(left[0].pid)
                ended, _, _ = select.select([pidfd], [], [], 20)
                os.close(pidfd)
                assert ended, left

    def processes(self) -> list[Survivor]:
        """All that belong to this state directory."""
        return [one for one in Scan() if one.marker.startswith(realm(self.state))]

    def close(self) -> None:
        """Leave no agent behind, whatever became of the test."""
        for process in self.processes():
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


@pytest.fixture
def stoker(world: World) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`stoker(*words, **variables)`: run `stoker task`, or another command, in the repository."""

    def run(
        *words: str, command: str = "task", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stoker", command, *words],
            cwd=world.repository,
            env={**os.environ, **variables},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def hosted(world: World, provider: str) -> Serving:
    """A code host that the world's repository is pushed to, and a token for it."""
    bare = world.state.parent / "forge" / "acme" / "widgets.git"
    git(world.repository, "clone", "-q", "--bare", ".", str(bare))
    git(bare, "config", "http.receivepack", "true")
    return Serving(provider, bare.parents[1])


def reached(world: World, forge: Any, token: str) -> None:
    """The repository's `origin` is there, and the token where it is looked for."""
    git(world.repository, "remote", "add", "origin", forge.remote)
    settings = world.state / "hosting.toml"
    settings.touch(0o600)
    settings.write_text(
        f'[hosts."{forge.host}"]\nprovider = "{forge.provider}"\n'
        f'api = "{forge.url}{forge.prefix}"\ntoken = "{token}"\n'
    )


@pytest.fixture(params=FORGES)
def forge(request: pytest.FixtureRequest, world: World) -> Iterator[Any]:
    """Each of them, with the world's repository."""
    with hosted(world, request.param) as made:
        reached(world, made, TOKEN)
        yield made


@pytest.fixture
def github(world: World) -> Iterator[Any]:
    """The one, where they do not differ."""
    with hosted(world, "github") as made:
        reached(world, made, TOKEN)
        yield made
