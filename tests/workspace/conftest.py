"""Real repositories, made by a git that knows no user."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from stoker.workspace import creation
from stoker.workspace.repository import Repository

_CONFIG = "[user]\nname = Tester\nemail = t@example.com\n[init]\ndefaultBranch = main\n"


class Bench:
    """A repository with two commits on `main`, and git to look at it with."""

    def __init__(self, top: Path):
        self.top = top
        self.path = top / "repo"

    def git(self, *args, cwd=None, check=True, input=None):
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or self.path,
            capture_output=True,
            input=input,
            check=False,
        )
        assert done.returncode == 0 or not check, (args, done.stderr)
        return done.stdout.decode(errors="surrogateescape").strip()

    def commit(self, name, content, cwd=None):
        file = (cwd or self.path) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        self.git("add", "--all", cwd=cwd)
        self.git("commit", "--quiet", "--message", f"{name}: {content.strip()[:20]}", cwd=cwd)
        return self.git("rev-parse", "HEAD", cwd=cwd)

    def state(self):
        """All that must be as before if something failed."""
        return (
            self.git("for-each-ref"),
            self.git("worktree", "list"),
            sorted(os.listdir(self.path / ".git" / "worktrees"))
            if (self.path / ".git" / "worktrees").is_dir()
            else [],
            sorted(str(p.relative_to(self.top)) for p in self.top.glob("wt/*")),
            sorted((self.path / ".git" / "stoker-intents").glob("*")),
        )

    async def open(self, **options):
        return await Repository.open(self.path, **options)

    async def worktree(self, branch="task", base="main", **options):
        return await creation.create(
            await self.open(), self.top / "wt" / branch.replace("/", "-"), branch, base, **options
        )


@pytest.fixture
def bench(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(_CONFIG)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    made = Bench(tmp_path)
    made.path.mkdir()
    made.git("init", "--quiet")
    made.commit("a.txt", "one\n")
    made.commit("dir/b.txt", "".join(f"line {n}\n" for n in range(30)))
    return made


@pytest.fixture
def run(bench):
    """Run a coroutine to its end."""
    return asyncio.run
