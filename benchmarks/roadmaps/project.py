"""The repository that the items are worked at in, and what must not change about it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from benchmarks.roadmaps.item import Item

PLAN = "ROADMAP.md"
_OWN = (PLAN, ".executor", ".stoker", ".git")
_BASE = {
    "workshop/__init__.py": "",
    "workshop/core.py": "def greet(name):\n    return f'Hello, {name}!'\n",
    "tests/test_core.py": "from workshop.core import greet\n\n\n"
    "def test_greet():\n    assert greet('you') == 'Hello, you!'\n",
    "js/src/core.js": "export function greet(name) {\n  return `Hello, ${name}!`;\n}\n",
    "js/test/core.test.js": 'import assert from "node:assert/strict";\n'
    'import { test } from "node:test";\nimport { greet } from "../src/core.js";\n\n'
    'test("greet", () => assert.equal(greet("you"), "Hello, you!"));\n',
    "package.json": '{\n  "name": "workshop",\n  "type": "module",\n'
    '  "scripts": { "test": "node --test js/test/*.test.js" }\n}\n',
    "pyproject.toml": '[project]\nname = "workshop"\nversion = "1"\n\n'
    '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n',
    ".gitignore": "__pycache__/\n.pytest_cache/\n.stoker/\n",
    "notes.txt": "kept as it is\n",
}


class Untouched(Struct, frozen=True):
    """What belongs to the user: HEAD, branch, index, stash, files, as digests."""

    head: str
    branch: str
    index: str
    stash: str
    files: str


class Project:
    """A repository in `root` with a roadmap of `items`."""

    def __init__(self, root: Path, items: Iterable[Item]) -> None:
        self.root = root
        self.items = tuple(items)
        root.mkdir(parents=True)
        put(root, _BASE)
        for item in self.items:
            put(root, item.before)
        self.git("init", "-q", "-b", "main")
        (root / PLAN).write_text(_plan(self.items))
        self.git("add", "-A")
        self.git("commit", "-qm", "The workshop")
        # What a user has lying about: staged, changed, stashed and new files.
        (root / "notes.txt").write_text("stashed\n")
        self.git("stash", "-q")
        put(root, {"notes.txt": "changed\n", "staged.txt": "staged\n", "new.txt": "new\n"})
        self.git("add", "staged.txt")
        self.before = self.untouched()
        self.plan_before = (root / PLAN).read_bytes()

    def git(self, *arguments: str) -> str:
        """Raises CalledProcessError."""
        name = ("-c", "user.name=A User", "-c", "user.email=user@example.com")
        return subprocess.run(
            ["git", "-C", str(self.root), *name, *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    @property
    def branch(self) -> str:
        """With the work; empty if there is none."""
        refs = self.git("for-each-ref", "--format=%(refname)", "refs/heads/roadmap/").split()
        return refs[0] if refs else ""

    def untouched(self) -> Untouched:
        """What must be as it was after a run, a rollback and a crash."""
        files = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            relative = path.relative_to(self.root)
            if relative.parts[0] not in _OWN and path.is_file():
                files.update(f"{relative}\0{path.stat().st_mode}\0".encode() + path.read_bytes())
        return Untouched(
            self.git("rev-parse", "HEAD").strip(),
            self.git("rev-parse", "--abbrev-ref", "HEAD").strip(),
            self.git("ls-files", "--stage"),
            self.git("stash", "list", "--format=%H"),
            files.hexdigest(),
        )

    def only_marks_changed(self, before: bytes | None = None) -> bool:
        """Whether the plan file differs from `before` (default: the start) only between
        brackets."""
        was, is_now = before or self.plan_before, (self.root / PLAN).read_bytes()
        return len(was) == len(is_now) and all(
            a == b or (a == ord(" ") and b == ord("x") and was[i - 1 : i + 2] == b"[ ]")
            for i, (a, b) in enumerate(zip(was, is_now, strict=True))
        )

    def ticked(self) -> set[str]:
        """Names of the items that the plan file calls done."""
        text = (self.root / PLAN).read_text()
        return {item.name for item in self.items if f"- [x] **{item.title}**" in text}


def put(root: Path, files: Mapping[str, str]) -> None:
    """Write files under `root`."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _plan(items: Iterable[Item]) -> str:
    lines = ["# The workshop", "", "## Phase 1: Parts", "", "> **Goal**: every part works", ""]
    for number, item in enumerate(items, 1):
        paths = ", ".join(f"`{path}`" for path in item.solution)
        lines += [
            f"### 1.{number} {item.name}",
            "",
            f"**Files**: {paths}",
            "",
            f"- [ ] **{item.title}**",
            f"  {item.text}",
            "",
        ]
    return "\n".join(lines)
