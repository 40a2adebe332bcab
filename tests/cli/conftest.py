"""The command line as its users have it: real processes in a project of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Project:
    """A directory to run `stoker` in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("STOKER_")
        }
        self._started: list[subprocess.Popen[str]] = []

    def plan(self, *steps: dict[str, Any], name: str = "plan.json", **fields: Any) -> str:
        """Write a plan file; returns its name."""
        document = {"plan_id": "demo", **fields, "steps": list(steps)}
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
            timeout=60,
            check=False,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command; stdout and stderr are one pipe unless `options` say otherwise."""
        process = subprocess.Popen(
            self._command(words),
            cwd=self.directory,
            env=self.environment,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
        )
        self._started.append(process)
        return process

    def events(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """Run a command with `--json`; its events."""
        done = self.run(*words, "--json")
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "stoker.cli", *words]

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


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
    (tmp_path / ".stoker").mkdir()  # so that no directory above is taken for the project
    yield made
    made.close()


@pytest.fixture
def until() -> Callable[[subprocess.Popen[str], str], str]:
    return read_until
