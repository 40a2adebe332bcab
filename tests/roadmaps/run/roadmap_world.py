"""See conftest."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

from model_server import Call, Conversation, ModelServer, Reply, Say

from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.roadmaps.begin import open_branch, prepare
from stoker.roadmaps.standing import RunStanding, standing
from stoker.steps.registry import kinds

Files = Mapping[str, str]
Try = Files | Reply
"""What an agent writes in one try, or what the model answers instead."""

_TASK = re.compile(r"^## (\S+): ", re.MULTILINE)
_TRIED = re.compile(r"What was tried before \((\d+)")
KEY = "sk-the-key-of-the-test"


def git(directory: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", "-C", directory, *args], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


class World:
    """`script` says what the agent does: by id of the task (a group's: its first), a list of
    tries, of which the last is for all that follow."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.root = directory / "repository"
        self.state.mkdir()
        self.root.mkdir()
        self.script: dict[str, list[Try]] = {}
        self.farewell = "It is all done, and every test passes."
        self.prompts: list[tuple[str, int, str]] = []
        """Task, try and prompt, of each turn that began."""
        self.on_request: Callable[[str, int], None] = lambda task, number: None
        self.on_end: Callable[[str, int], Reply | None] = lambda task, number: None
        """Before a try's last answer; may answer something else."""
        profiles = directory / "profiles.json"
        self.server = ModelServer(self._policy)
        self._profiles = profiles
        self.env = {
            "STOKER_PROFILES": str(profiles),
            "OPENAI_API_KEY": KEY,
            "HOME": str(directory),
            # What else is installed beside pytest takes it seconds to load.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        git(self.root, "init", "-q", "-b", "main")
        git(self.root, "config", "user.email", "dev@example.com")
        git(self.root, "config", "user.name", "Dev")

    def __enter__(self) -> Self:
        self.server.__enter__()
        settings = {
            "model": "scripted",
            "base_url": f"{self.server.url}/v1",
            "permissions": {"edit": "allow", "execute": "allow"},
            "retries": 0,
            "prices": {"scripted": {"input": 1000.0, "output": 1000.0}},
        }
        params = ["--settings", json.dumps(settings)]
        document = {"executors": {"BUILTIN": {"DEFAULT": {"additional_params": params}}}}
        self._profiles.write_text(json.dumps(document))
        return self

    def __exit__(self, *error: Any) -> None:
        self.server.__exit__(*error)

    def _policy(self, talk: Conversation) -> Reply:
        asked = talk.asked
        task = (_TASK.search(asked) or [None, "?"])[1]
        tried = _TRIED.search(asked)
        number = int(tried[1]) + 1 if tried else 1
        if not talk.tools:
            return Say("a title")
        if talk.turns:
            return self.on_end(task, number) or Say(self.farewell)
        self.prompts.append((task, number, asked))
        self.on_request(task, number)
        tries = self.script[task]
        chosen = tries[min(number, len(tries)) - 1]
        if not isinstance(chosen, Mapping):
            return chosen
        calls = tuple(
            Call("write_file", {"path": path, "content": text}) for path, text in chosen.items()
        )
        return Say("I begin", calls=calls)

    # The repository.

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def commit(self, **files: str) -> None:
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "begin")

    def log(self, branch: str) -> list[str]:
        return git(self.root, "log", "--reverse", "--format=%s", f"main..{branch}").splitlines()

    def show(self, branch: str, path: str) -> str:
        return git(self.root, "show", f"{branch}:{path}")

    # Runs.

    def engine(self, scenario: Callable[[Engine], Awaitable[Any]], seconds: float = 120) -> Any:
        async def main() -> Any:
            journal = await open_journal(self.state / "journal.db")
            try:
                async with Engine(journal, self.state, kinds()) as engine:
                    return await asyncio.wait_for(scenario(engine), seconds)
            finally:
                await journal.close()

        return asyncio.run(main())

    def run(
        self,
        file: str = "ROADMAP.md",
        act: Callable[[RunHandle], Awaitable[None]] | None = None,
        **over: Any,
    ) -> RunStanding:
        """Run the plan file; how it stands when the run is over or waits for a person."""

        async def scenario(engine: Engine) -> RunStanding:
            handle = await begin(engine, self, file, **over)
            if act is not None:
                await act(handle)
            await handle.wait()
            return await standing(engine.journal, handle.run_id, self.state / "runs")

        return self.engine(scenario)


async def begin(
    engine: Engine, world: World, file: str, run_id: str = "r", **over: Any
) -> RunHandle:
    prepared = await prepare(world.root / file, world.state, over, kinds=kinds())
    assert prepared.plan is not None
    await open_branch(prepared)
    options = RunOptions(cwd=str(world.root))
    return await engine.start(prepared.plan, options=options, run_id=run_id)
