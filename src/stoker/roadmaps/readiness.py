"""Whether a run's work can be verified on this machine: asked before an agent is paid for it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from stoker.process.run import run
from stoker.process.spawner import Spawner
from stoker.process.spec import Exit, ProcessSpec
from stoker.roadmaps.begin import Prepared
from stoker.roadmaps.checking import place
from stoker.roadmaps.verify.checkout import Checkout
from stoker.roadmaps.verify.project import Check
from stoker.roadmaps.verify.run import MISSING, guard
from stoker.roadmaps.verify.runner import Runner
from stoker.roadmaps.verify.verification import checks_of
from stoker.roadmaps.verify.work import Settings
from stoker.workspace.repository import Repository

_SECONDS: Final = 20.0
_PLAIN: Final = re.compile(r"[A-Za-z][\w.+-]*")


class _Outside:
    """Runs helpers of no attempt."""

    def __init__(self, env: Mapping[str, str], spawner: Spawner) -> None:
        self.env = env
        self._spawner = spawner

    async def execute(self, argv: Sequence[str], *, cwd: str | None = None) -> tuple[Exit, bytes]:
        spec = ProcessSpec(
            argv=tuple(argv),
            env=self.env,
            cwd=cwd or "/",
            stdout_path=os.devnull,
            stderr_path=os.devnull,
            marker=f"readiness/{os.getpid()}/1",
        )
        return await run(self._spawner, spec)

    def redact(self, text: str) -> str:
        return text


async def doubts(prepared: Prepared, state: Path, env: Mapping[str, str]) -> list[str]:
    """What a person should know before agents begin: tests that cannot be run where work is
    verified, and that this is not confined. `state`: the engine's directory; `env`: what the run's
    steps will have. Raises `WorkspaceError`, OSError."""
    options = (one.unit.options for one in prepared.units)
    said = dict.fromkeys((one.verify, one.command) for one in options)
    wanted = [(mode, command) for mode, command in said if mode not in ("agent", "skip")]
    if not wanted:
        return []
    base = prepared.job.base
    repository = await Repository.open(prepared.job.root)
    spawner = Spawner(asyncio.get_running_loop())
    try:
        async with place(state) as (directory, scratch, index):
            await asyncio.to_thread(os.mkdir, directory)
            runner = await Runner.open(
                _Outside(env, spawner), directory=directory, scratch=scratch, state=str(state)
            )
            checkout = Checkout(repository, directory, index)
            tree, _, _ = await checkout.both(base, base)
            lists: list[list[Check]] = []
            for mode, command in wanted:
                lists += await checks_of(checkout, tree, Settings(mode=mode, command=command))
            found = [runner.warning] if runner.warning else []
            for some in lists:
                if some[0].level == "tests" and (gone := await _missing(some, runner)):
                    tests = " or ".join(dict.fromkeys(one.text for one in some))
                    found.append(
                        f"work cannot be tested by {tests}: {gone} cannot be run in the sandbox "
                        "that it is verified in, so tasks will end done-unverified"
                    )
            return list(dict.fromkeys(f"verification: {one}" for one in found))
    finally:
        spawner.close()


async def _missing(checks: list[Check], runner: Runner) -> str:
    """The programs of all of them, if none can be run."""
    programs = dict.fromkeys(one.program or one.text.split()[0] for one in checks)
    for program in programs:
        if not _PLAIN.fullmatch(program):  # the project's own, or more than a name
            return ""
        words = ["sh", "-c", f"{guard(program)}{program} --version"]
        ran = await runner.run(words, cwd=runner.directory, env={}, seconds=_SECONDS)
        if ran.exit_code not in MISSING:
            return ""
    return ", ".join(programs)
