"""A bare remote, two clones and the real command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "safe-merge"
STOKER = (sys.executable, "-m", "stoker")

POLICY = """
classes:
  generated: {paths: [generated/], on_conflict: regenerate, start_from: none, command: make gen}
  lock_files: {paths: [uv.lock], on_conflict: regenerate, start_from: ours, command: make lock}
  documents: {paths: ["*.md"], on_conflict: union}
  binary: {detect: binary, on_conflict: theirs}
  settings: {paths: ["*.ini"], on_conflict: ours}
  code: {paths: ["**"], on_conflict: refuse}
"""

MAKEFILE = """
lock:
\tcat deps/* > uv.lock
gen:
\tmkdir -p generated && wc -l < app.py > generated/lines.txt
"""

BASE: dict[str, str | bytes] = {
    "app.py": "one\ntwo\nthree\n",
    "deps/a": "a==1\n",
    "uv.lock": "a==1\n",
    "generated/lines.txt": "3\n",
    "README.md": "# App\n\n- base\n",
    "logo": b"\0base",
    "app.ini": "[app]\nlevel = 1\n",
    "Makefile": MAKEFILE,
    "notes": "nothing happens here\n",
}


@dataclass
class Done:
    """A finished command line."""

    exit_code: int
    text: str


@dataclass
class World:
    """Everything a merge can touch. `a` is the user's clone, `b` a colleague's."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    salt: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    """Runs of all worlds live on one machine: their ids must differ."""

    @property
    def a(self) -> Path:
        return self.root / "a"

    @property
    def b(self) -> Path:
        return self.root / "b"

    @property
    def remote(self) -> Path:
        return self.root / "remote.git"

    def git(self, where: Path, *words: str) -> str:
        done = subprocess.run(
            ("git", *words), cwd=where, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.rstrip("\n")

    def commit(self, where: Path, files: dict[str, str | bytes | None], message: str) -> str:
        for name, content in files.items():
            path = where / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git(where, "add", "--all")
        self.git(where, "commit", "--quiet", "-m", message)
        return self.git(where, "rev-parse", "HEAD")

    def branches(
        self, feature: dict[str, str | bytes | None], main: dict[str, str | bytes | None]
    ) -> None:
        """Commit and push both sides; the user ends on `main`."""
        self.git(self.a, "checkout", "--quiet", "-b", "feature")
        self.commit(self.a, feature, "feature")
        self.git(self.a, "push", "--quiet", "origin", "feature")
        self.git(self.a, "checkout", "--quiet", "main")
        self.commit(self.a, main, "main")
        self.git(self.a, "push", "--quiet", "origin", "main")
        self.git(self.b, "fetch", "--quiet")
        self.git(self.b, "reset", "--quiet", "--hard", "origin/main")

    # Runs.

    def id(self, name: str) -> str:
        return f"{name}-{self.salt}"

    def command(self, *words: str) -> tuple[str, ...]:
        """`stoker WORDS`, its process id in `engine.pid` before it begins."""
        note = f'echo $$ > "{self.root}/engine.pid"; exec "$@"'
        return ("sh", "-c", note, "sh", *STOKER, *words)

    def inputs(self, clone: Path | None = None, **inputs: Any) -> list[str]:
        given = {
            "repository": str(clone or self.a),
            "source": "feature",
            "test_command": "test -f app.py",
            "policy": str(self.root / "policy.yaml"),
            "event_log": str(self.root / "events.jsonl"),
        } | inputs
        return [word for name, value in given.items() for word in ("--input", f"{name}={value}")]

    def run(self, run_id: str = "r1", clone: Path | None = None, **inputs: Any) -> Done:
        return self.stoker(
            "run",
            str(EXAMPLE / "plan.yaml"),
            "--run-id",
            self.id(run_id),
            *self.inputs(clone, **inputs),
        )

    def stoker(self, *words: str) -> Done:
        done = subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def restore(self, run_id: str = "r1") -> Done:
        """The one command that undoes a run's merge."""
        words = (sys.executable, "-B", str(EXAMPLE / "merge.py"), "restore", str(self.a))
        done = subprocess.run(
            (*words, "origin", "main", self.id(run_id)),
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def begin(self, run_id: str = "r1", clone: Path | None = None, **inputs: Any) -> Any:
        """Start a run and return it, its events as JSON lines on its stdout."""
        plan = str(EXAMPLE / "plan.yaml")
        words = ("run", plan, "--json", "--run-id", self.id(run_id), *self.inputs(clone, **inputs))
        return self._popen(*words)

    def begin_again(self, run_id: str = "r1") -> Any:
        """Resume a run, as `begin` starts one."""
        return self._popen("resume", self.id(run_id), "--json")

    def _popen(self, *words: str) -> Any:
        command = self.command(*words)
        return subprocess.Popen(
            command, cwd=self.root, env=self.env, text=True, stdout=subprocess.PIPE
        )

    def phases(self) -> list[str]:
        """The plan's steps, in order, but for the one that is the fallback of another."""
        graph = self.stoker("plan", "graph", str(EXAMPLE / "plan.yaml")).text
        lines = [line for line in graph.splitlines() if line.startswith("  ")]
        return [line.split()[0] for line in lines if "in place of" not in line]

    def step(self, run_id: str, step: str) -> dict[str, Any]:
        shown = json.loads(self.stoker("show", self.id(run_id), "--json").text)
        found: dict[str, Any] = next(one for one in shown["steps"] if one["id"] == step)
        return found

    def log(self, run_id: str, step: str) -> str:
        """What all attempts of a step wrote."""
        paths = [a[k] for a in self.step(run_id, step)["attempts"] for k in _LOGS]
        return "".join(Path(path).read_text() for path in paths if Path(path).exists())

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "events.jsonl").read_text().splitlines()]

    # Standings.

    def refs(self, where: Path) -> dict[str, str]:
        """Branches and stash; on the remote also a lock."""
        listed = self.git(where, "for-each-ref", "--format=%(refname) %(objectname)")
        pairs = (line.split() for line in listed.splitlines())
        ours = ("refs/stoker/backup/", "refs/stoker/merges/", "refs/remotes/")
        return {ref: oid for ref, oid in pairs if not ref.startswith(ours)}

    def standing(self) -> dict[str, Any]:
        """All that a merge must leave alone, or change as a whole."""
        return {
            "remote": self.refs(self.remote),
            "clone": self.refs(self.a),
            "head": self.git(self.a, "symbolic-ref", "HEAD"),
            "status": self.git(self.a, "status", "--porcelain"),
            "stash": self.git(self.a, "stash", "list"),
            "worktrees": len(self.git(self.a, "worktree", "list").splitlines()),
        }

    def show(self, path: str, ref: str = "main") -> str:
        return self.git(self.remote, "show", f"{ref}:{path}")

    def assert_merged(self, before: dict[str, Any]) -> None:
        """The remote's main is a merge of exactly both; the user's clone followed; no more."""
        main, feature = (before["remote"][f"refs/heads/{name}"] for name in ("main", "feature"))
        merge = self.git(self.remote, "rev-parse", "main")
        parents = self.git(self.remote, "log", "-1", "--format=%P", merge).split()
        assert parents == [main, feature]
        after = self.standing()
        moved = {"refs/heads/main": merge}
        assert after == before | {
            "remote": before["remote"] | moved,
            "clone": before["clone"] | moved,
        }
        assert self.git(self.a, "fsck", "--connectivity-only", "--no-dangling") == ""


_LOGS = ("stdout_path", "stderr_path")


def _environment(root: Path, cache: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        "PYTHONPYCACHEPREFIX": str(cache / "pycache"),
        "STOKER_DB": str(root / "state" / "journal.db"),
        "GIT_CONFIG_GLOBAL": str(root / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "XDG_CACHE_HOME": str(root / "cache"),
    }


def _template(root: Path) -> World:
    world = World(root, _environment(root, root))
    (root / "gitconfig").write_text(
        "[user]\nname = Test\nemail = test@example.com\n[init]\ndefaultBranch = main\n"
        "[gc]\nauto = 0\n[core]\nfsync = none\n"
    )
    (root / "policy.yaml").write_text(POLICY)
    world.git(root, "init", "--quiet", "--bare", "remote.git")
    world.git(root, "init", "--quiet", "a")
    world.commit(world.a, BASE, "base")
    # Relative, so that the whole world can be copied.
    world.git(world.a, "remote", "add", "origin", "../remote.git")
    world.git(world.a, "push", "--quiet", "origin", "main")
    shutil.copytree(world.a, world.b)
    return world


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _template(tmp_path_factory.mktemp("template")).root


@pytest.fixture
def world(template: Path, tmp_path: Path) -> World:
    root = tmp_path / "world"
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("pycache"))
    return World(root, _environment(root, template))


@pytest.fixture
def conflicted(world: World) -> World:
    """Conflicts that the policy settles: a file of every class but code."""
    world.branches(
        {
            "app.py": "one\nTWO\nthree\nfour\n",
            "deps/f": "f==1\n",
            "uv.lock": "a==1\nf==1\n",
            "generated/lines.txt": "4\n",
            "README.md": "# App\n\n- base\n- feature\n",
            "logo": b"\0feature",
            "app.ini": "[app]\nlevel = 2\n",
        },
        {
            "deps/m": "m==1\n",
            "uv.lock": "a==1\nm==1\n",
            "generated/lines.txt": "3 \n",
            "README.md": "# App\n\n- base\n- main\n",
            "logo": b"\0main",
            "app.ini": "[app]\nlevel = 3\n",
        },
    )
    return world


@pytest.fixture
def unresolvable(world: World) -> World:
    """A conflict in code, which the policy refuses, beside one it would settle."""
    world.branches(
        {"app.py": "one\nfeature\nthree\n", "README.md": "# App\n\n- base\n- feature\n"},
        {"app.py": "one\nmain\nthree\n", "README.md": "# App\n\n- base\n- main\n"},
    )
    return world
