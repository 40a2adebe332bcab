"""An attempt with real processes, and a fixture that carries a step out by it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stoker.engine.kinds import ProcessWork, Result
from stoker.engine.registry import kind_of
from stoker.plan.model import Plan, Step
from stoker.process.run import run
from stoker.process.spawner import Spawner
from stoker.process.spec import Exit, ProcessSpec
from stoker.steps.registry import kinds


class LocalAttempt:
    """What the engine gives a kind, without an engine."""

    def __init__(self, home: Path, step: Step, env: Mapping[str, str], **fields: Any) -> None:
        # Of its own: a tree is found, and ended, by this mark.
        self.run_id = f"run-{home.name}-{os.getpid()}"
        self.step_id = step.id
        self.number = 1
        self.token = f"{self.run_id}/{step.id}/1"
        self.resumed = False
        self.env = dict(env)
        self.cwd = str(home / "cwd")
        self.stdin = step.stdin.encode() if step.stdin is not None else None
        self.directory = str(home / "run")
        self.stdout_path = str(home / "run/out")
        self.stderr_path = str(home / "run/err")
        self.nested: list[tuple[Plan, dict[str, Any]]] = []
        for path in (self.cwd, self.directory):
            Path(path).mkdir(exist_ok=True)
        for path in (self.stdout_path, self.stderr_path):
            Path(path).touch()
        for name, value in fields.items():
            setattr(self, name, value)

    def process(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> ProcessSpec:
        return ProcessSpec(
            argv=tuple(argv),
            env=self.env if env is None else env,
            cwd=self.cwd,
            stdout_path=self.stdout_path,
            stderr_path=self.stderr_path,
            marker=self.token,
            stdin=self.stdin,
        )

    async def execute(self, argv: Sequence[str], *, cwd: str | None = None) -> tuple[Exit, bytes]:
        spec = msgspec.structs.replace(self.process(argv), cwd=cwd or self.cwd, stdin=None)
        return await run(Spawner(asyncio.get_running_loop()), spec)

    def write(self, text: str, *, error: bool = False) -> None:
        with Path(self.stderr_path if error else self.stdout_path).open("a") as log:
            log.write(text)

    def redact(self, text: str) -> str:
        return text.replace(Carrier.secret, "***")

    async def run_plan(
        self, plan: Plan, inputs: Mapping[str, Any], *, plan_dir: str | None = None
    ) -> Mapping[str, Any]:
        self.nested.append((plan, dict(inputs)))
        return {"nested": plan.plan_id}

    def log(self, *, error: bool = False) -> str:
        return Path(self.stderr_path if error else self.stdout_path).read_text()


class Outcome(msgspec.Struct):
    result: Result
    attempt: LocalAttempt

    @property
    def out(self) -> str:
        return self.attempt.log()

    @property
    def err(self) -> str:
        return self.attempt.log(error=True)


class Carrier:
    """Carries steps out the way the engine does: decode, check, start, await the end."""

    secret = "s3cret-of-the-run"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cwd = home / "cwd"
        self.cwd.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "STOKER_OUTPUT": str(home / "output"),
        }

    def attempt(self, step: Step, **fields: Any) -> LocalAttempt:
        return LocalAttempt(self.home, step, self.env, **fields)

    def decode(self, step: Step) -> tuple[Any, Any]:
        name, raw = kind_of(step)
        kind = kinds()[name]
        definition = msgspec.convert(raw, kind.definition)
        problems = kind.check(step, definition)
        assert not problems, problems
        return kind, definition

    async def run(self, step: Step, **fields: Any) -> Outcome:
        kind, definition = self.decode(step)
        attempt = self.attempt(step, **fields)
        work = kind.start(step, definition, attempt)
        if not isinstance(work, ProcessWork):
            return Outcome(await work, attempt)
        ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        Spawner(ended.get_loop()).spawn(work.spec, ended.set_result)
        exit_ = await ended
        if work.result is not None:
            return Outcome(work.result(exit_), attempt)
        failed = None if exit_.exit_code == 0 else f"exit code {exit_.exit_code}"
        return Outcome(Result(exit_code=exit_.exit_code, error=failed), attempt)

    def __call__(self, type_: str, *, attempt: Any = None, **definition: Any) -> Outcome:
        step = Step(id="s", step_def={"type": type_, **definition})
        return asyncio.run(self.run(step, **(attempt or {})))

    def problems(self, type_: str, **definition: Any) -> list[str]:
        kind = kinds()[type_]
        step = Step(id="s", step_def={"type": type_, **definition})
        return kind.check(step, msgspec.convert(definition, kind.definition))


@pytest.fixture
def carry(tmp_path: Path) -> Carrier:
    return Carrier(tmp_path)


@pytest.fixture
def write(carry: Carrier) -> Callable[[str, str | bytes], Path]:
    """Make a file below the step's working directory."""

    def make(name: str, content: str | bytes) -> Path:
        path = carry.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
