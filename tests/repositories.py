"""Git repositories for tests, and what the scripted agent is to do in them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


def script(*actions: Any) -> str:
    """Actions of the scripted agent, as a prompt."""
    return json.dumps(actions)


def git(directory: Path | str, *args: str) -> str:
    """What git says, stripped."""
    done = subprocess.run(
        ["git", "-C", directory, *args], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(path: Path) -> Path:
    """One commit on `main`, with a file `a.txt`."""
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    git(path, "config", "user.email", "dev@example.com")
    git(path, "config", "user.name", "Dev")
    (path / "a.txt").write_text("one\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "first")
    return path
