"""The command line as its users have it: real processes, a project of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

TIMEOUT = 60
"""Seconds after which a process that should have ended fails the test."""


class Project:
    """A directory with plans and runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / ".stoker").mkdir()
        self.run_id = f"run-{uuid4().hex[:12]}"
        """For the test's run."""
        self._running: list[subprocess.Popen[str]] = []
        self._gates: dict[str, int] = {}

    def plan(self, *steps: dict[str, Any], **fields: Any) -> str:
        """Write `plan.json`; returns its name."""
        (self.path / "plan.json").write_text(
            json.dumps({"plan_id": "test", "steps": steps, **fields})
        )
        return "plan.json"

    def __call__(
        self, *words: str, status: int = 0, stdin: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `stoker WORDS` to its end, which must be `status`."""
        done = subprocess.run(
            self._command(words),
            cwd=self.path,
            env={**os.environ, **env},
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Run `stoker WORDS` beside the test."""
        process = subprocess.Popen(
            self._command(words),
            cwd=self.path,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append(process)
        return process

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
        for process in self._running:
            process.kill()
            process.communicate()
        for gate in self._gates.values():
            os.close(gate)

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "stoker.cli", *words]


@pytest.fixture
def stoker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.delenv("STOKER_DB", raising=False)
    project = Project(tmp_path)
    yield project
    project.close()
