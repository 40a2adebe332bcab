"""The command line as its users have it: real processes in a project of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

TIMEOUT = 60
"""Seconds after which a process that should have ended fails the test."""


class Project:
    """A directory to run `stoker` in."""

    plan_id = "demo"

    def __init__(self, directory: Path) -> None:
        self.directory = self.path = directory
        (directory / ".stoker").mkdir()  # so that no directory above is taken for the project
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("STOKER_")
        }
        self._started: list[subprocess.Popen[str]] = []

    def plan(self, *steps: dict[str, Any], name: str = "plan.json", **fields: Any) -> str:
        """Write a plan file; returns its name."""
        document = {"plan_id": self.plan_id, **fields, "steps": list(steps)}
        (self.directory / name).write_text(json.dumps(document))
        return name

    def run(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self._command(words),
            cwd=self.directory,
            env={**self.environment, **env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command; stdout and stderr are one pipe unless `options` say otherwise."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        given = {"env": self.environment, **pipes, **options}
        process = subprocess.Popen(self._command(words), cwd=self.directory, text=True, **given)
        self._started.append(process)
        return process

    def events(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """Run a command with `--json`; its events."""
        done = self.run(*words, "--json")
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "stoker", *words]

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


class Checked(Project):
    """One in which every command ends as it should, with steps that wait for the test."""

    plan_id = "test"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.run_id = f"run-{uuid4().hex[:12]}"
        """For the test's run."""
        self._gates: dict[str, int] = {}

    def __call__(
        self, *words: str, status: int = 0, stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `stoker WORDS` to its end, which must be `status`."""
        done = self.run(*words, stdin=stdin, **env)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Run `stoker WORDS` beside the test."""
        given = {**self.environment, **env}
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        return super().start(*words, env=given, stdin=null, stderr=pipe)

    def show(self, run: str = "last") -> dict[str, Any]:
        """The document of `stoker show --json`."""
        document: dict[str, Any] = json.loads(self("show", run, "--json").stdout)
        return document

    def statuses(self, run: str = "last") -> dict[str, str]:
        """Step id -> status."""
        return {step["id"]: step["status"] for step in self.show(run)["steps"]}

    def gate(self, name: str) -> dict[str, Any]:
        """A step that runs until `open_gate`, and prints what it is given."""
        os.mkfifo(self.path / f"{name}.gate")
        return {"id": name, "run": f"read word < {self.path}/{name}.gate; echo $word"}

    def knock(self, name: str) -> None:
        """Wait until the gate's step runs; it goes on waiting."""
        path = self.path / f"{name}.gate"
        opened: Future[int] = Future()
        # In a thread: should the step never run, opening would wait for ever.
        Thread(target=lambda: opened.set_result(os.open(path, os.O_WRONLY)), daemon=True).start()
        self._gates[name] = opened.result(TIMEOUT)

    def open_gate(self, name: str, word: str) -> None:
        """Let the step go on that was waited for."""
        os.write(self._gates[name], f"{word}\n".encode())

    def kill(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL, as a crash would have it."""
        process.send_signal(signal.SIGKILL)
        process.wait(TIMEOUT)

    def close(self) -> None:
        super().close()
        for gate in self._gates.values():
            os.close(gate)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Lines the process prints, up to and with the first that holds `text`."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    pytest.fail(f"{text!r} was never printed:\n{seen}")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.close()


@pytest.fixture
def stoker(tmp_path: Path) -> Iterator[Checked]:
    made = Checked(tmp_path)
    yield made
    made.close()


@pytest.fixture
def until() -> Callable[[subprocess.Popen[str], str], str]:
    return read_until
