"""Repositories whose plan files are run by the command line itself, in this process, with an
agent and a verification that are a few lines of shell: what is tried is everything else."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from roadmap_world import git

from stoker.cli.main import main

AGENT = r"""
told=$(cat)
id=$(printf '%s\n' "$told" | sed -n 's/^## \([^ ]*\): .*/\1/p' | head -n 1)
tried=$(printf '%s\n' "$told" | sed -n 's/.*What was tried before (\([0-9]*\) .*/\1/p')
put() { case "$1" in */*) mkdir -p "${1%%/*}";; esac; printf '%s\n' "$2" > "$1"; }
case "$id/$((tried + 1))" in
CASES
*) put "$(printf '%s' "$id" | tr -c 'a-zA-Z0-9\n' _).rb" "made for $id";;
esac
"""
CHECK = "! grep -rqs BROKEN --include='*.rb' .\n"
SETTINGS = 'agent = "COMMAND:SHELL"\ncommand = "sh check.sh"\n'


class Shell:
    """A task's agent writes `<id>.rb`, with all but letters and digits as `_`, or what `script`
    says: by `ID/TRY` (patterns of the shell) the files and their texts. Work in which a file
    says BROKEN does not pass."""

    def __init__(self, directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.directory, self.capfd = directory, capfd
        self.root = directory / "repository"
        self.root.mkdir()
        self.script: dict[str, Mapping[str, str]] = {}
        self.agent = AGENT
        self.confine = "auto"
        self.env = {
            "STOKER_PROFILES": str(directory / "profiles.json"),
            "HOME": str(directory),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def begin(self, **files: str) -> None:
        """A repository with a commit of these files; `__` in a name stands for a dot."""
        git(self.root, "init", "-q", "-b", "main")
        git(self.root, "config", "user.email", "dev@example.com")
        git(self.root, "config", "user.name", "Dev")
        self.write(".stoker/.gitignore", "*\n")
        self.write(".stoker/roadmap.toml", SETTINGS)
        self.write("check.sh", CHECK)
        for name, text in files.items():
            self.write(name.replace("__", "."), text)
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "begin")

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def settings(self, more: str) -> None:
        """Add to those of the project."""
        self.write(".stoker/roadmap.toml", SETTINGS + more)

    def read(self, path: str = "ROADMAP.md") -> str:
        return (self.root / path).read_text()

    def told(self, *words: str, code: int = 0) -> str:
        """Run `stoker WORDS`; what it says."""
        cases = "\n".join(
            f"{name}) {'; '.join(f'put {shlex.quote(p)} {shlex.quote(t)}' for p, t in f.items())};;"
            for name, f in self.script.items()
        )
        command = ["sh", "-c", self.agent.replace("CASES", cases)]
        shell = {"command": command, "confine": self.confine}
        document = {"executors": {"COMMAND": {"SHELL": shell}}}
        Path(self.env["STOKER_PROFILES"]).write_text(json.dumps(document))
        self.capfd.readouterr()
        status = main(list(words))
        out, err = self.capfd.readouterr()
        assert status == code, (status, out, err)
        return out + err

    def roadmap(self, *words: str, code: int = 0) -> str:
        return self.told("roadmap", *words, code=code)

    def log(self, branch: str = "roadmap/plan") -> list[str]:
        """Subjects of its commits, first to last."""
        return git(self.root, "log", "--reverse", "--format=%s", f"main..{branch}").splitlines()

    def files(self, branch: str = "roadmap/plan") -> set[str]:
        """What its commits have added."""
        return set(git(self.root, "diff", "--name-only", "main", branch).split())

    def standing(self) -> dict[str, str]:
        """Status by first task, as `review` has it."""
        found = json.loads(self.roadmap("review", "--json"))
        return {one["tasks"][0]: one["status"] for one in found["tasks"]}


def shells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    made = Shell(tmp_path, capfd)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(made.root)
    yield made


def plan(*titles: str, head: str = "# Plan\n\n") -> str:
    lines = "".join(f"- [ ] **T{n}** {title}\n" for n, title in enumerate(titles, 1))
    return f"{head}## Phase 1: One\n\n### 1.1 Section\n{lines}"
