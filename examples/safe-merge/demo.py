#!/usr/bin/env python3
"""A safe merge from nothing: makes a small shop application with a branch that conflicts in
every class of file, merges it with the plan, and shows what became of it.

    python examples/safe-merge/demo.py [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

POLICY = """\
classes:
  generated:
    paths: [docs/api.txt]
    on_conflict: regenerate
    start_from: none
    command: python3 tools/document.py > docs/api.txt
  lock_files:
    paths: [requirements.lock]
    on_conflict: regenerate
    command: python3 tools/lock.py
  documents: {paths: ["*.md", requirements.txt], on_conflict: union}
  binary: {paths: ["*.png"], detect: binary, on_conflict: theirs}
  code: {paths: ["**"], on_conflict: refuse}
"""

BASE = {
    "shop.py": 'def total(prices):\n    """The sum of an order."""\n    return sum(prices)\n',
    "test_shop.py": (
        "import unittest\nimport shop\n\n\nclass Total(unittest.TestCase):\n"
        "    def test_sum(self):\n        self.assertEqual(shop.total([2, 3]), 5)\n"
    ),
    "requirements.txt": "flask\n",
    "requirements.lock": "flask==locked\n",
    "docs/api.txt": "total: The sum of an order.\n",
    "CHANGELOG.md": "# Changes\n\n- first release\n",
    "logo.png": "\0logo\n",
    "tools/document.py": (
        "import inspect, sys\nsys.path.insert(0, '.')\nimport shop\n"
        "for name, f in inspect.getmembers(shop, inspect.isfunction):\n"
        "    sys.stdout.write(f'{name}: {f.__doc__}\\n')\n"
    ),
    "tools/lock.py": (
        "from pathlib import Path\nnames = Path('requirements.txt').read_text().split()\n"
        "Path('requirements.lock').write_text(''.join(f'{n}==locked\\n' for n in sorted(names)))\n"
    ),
    ".gitignore": "__pycache__/\n",
}

FEATURE = {
    "shop.py": BASE["shop.py"].replace("sum(prices)\n", "sum(prices) - discount(prices)\n")
    + '\n\ndef discount(prices):\n    """One off from ten items on."""\n'
    "    return 1 if len(prices) >= 10 else 0\n",
    "requirements.txt": "flask\nredis\n",
    "requirements.lock": "flask==locked\nredis==locked\n",
    "docs/api.txt": "discount: One off from ten items on.\ntotal: The sum of an order.\n",
    "CHANGELOG.md": "# Changes\n\n- first release\n- discounts\n",
    "logo.png": "\0a better logo\n",
}

MAIN = {
    "shop.py": BASE["shop.py"].replace("sum(prices)\n", "round(sum(prices), 2)\n")
    + '\n\ndef tax(price):\n    """What the state takes."""\n    return round(price * 0.19, 2)\n',
    "requirements.txt": "flask\ncelery\n",
    "requirements.lock": "flask==locked\ncelery==locked\n",
    "docs/api.txt": "tax: What the state takes.\ntotal: The sum of an order.\n",
    "CHANGELOG.md": "# Changes\n\n- first release\n- taxes\n",
    "logo.png": "\0another logo\n",
}

AGENT = '''\
"""Stands in for a coding agent: settles the conflict in shop.py as a person would."""
import os
from pathlib import Path

(path,) = Path(os.environ["MERGE_CONFLICTS_FILE"]).read_text().split()
Path(path).write_text(\'\'\'\\
def total(prices):
    """The sum of an order."""
    return round(sum(prices) - discount(prices), 2)


def discount(prices):
    """One off from ten items on."""
    return 1 if len(prices) >= 10 else 0


def tax(price):
    """What the state takes."""
    return round(price * 0.19, 2)
\'\'\')
'''


def main() -> int:
    parser = argparse.ArgumentParser(description="A safe merge, from nothing to merged.")
    parser.add_argument("--keep", metavar="DIRECTORY", help="make it there, and leave it there")
    kept = parser.parse_args().keep
    root = Path(kept or tempfile.mkdtemp(prefix="stoker-demo-")).absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
        _make(root)
        _title("A branch that conflicts with main in five classes of files")
        _git(root / "shop", "log", "--graph", "--all", "--oneline", "--stat=60", show=True)
        _title("stoker run examples/safe-merge/plan.yaml")
        status = _merge(root)
        _title("What became of it")
        _git(root / "shop", "log", "--graph", "--oneline", "main", show=True)
        _git(root / "shop", "show", "--no-patch", "--format=%n%B", "main", show=True)
        return status
    finally:
        if kept is None:
            shutil.rmtree(root)


def _make(root: Path) -> None:
    _git(root, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    shop = root / "shop"
    _git(root, "init", "--quiet", "--initial-branch=main", "shop")
    _git(shop, "config", "user.name", "Demo")
    _git(shop, "config", "user.email", "demo@example.com")
    _git(shop, "remote", "add", "origin", str(root / "remote.git"))
    _commit(shop, BASE, "A shop")
    _git(shop, "checkout", "--quiet", "-b", "discounts")
    _commit(shop, FEATURE, "Discounts")
    _git(shop, "checkout", "--quiet", "main")
    _commit(shop, MAIN, "Taxes")
    _git(shop, "push", "--quiet", "--set-upstream", "origin", "main", "discounts")
    (root / "policy.yaml").write_text(POLICY)
    (root / "agent.py").write_text(AGENT)


def _merge(root: Path) -> int:
    inputs = {
        "repository": root / "shop",
        "source": "discounts",
        "policy": root / "policy.yaml",
        "agent_command": f"python3 {shlex.quote(str(root / 'agent.py'))}",
        "test_command": "python3 -m unittest --quiet",
        "scratch": root / "scratch",
    }
    words = [word for name, value in inputs.items() for word in ("--input", f"{name}={value}")]
    command = [sys.executable, "-m", "stoker", "run", str(HERE / "plan.yaml"), *words]
    return subprocess.run([*command, "--db", str(root / "journal.db")], check=False).returncode


def _commit(where: Path, files: dict[str, str], message: str) -> None:
    for name, content in files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    _git(where, "add", "--all")
    _git(where, "commit", "--quiet", "-m", message)


def _git(where: Path, *words: str, show: bool = False) -> None:
    pager = {**os.environ, "GIT_PAGER": "cat"}
    output = None if show else subprocess.DEVNULL
    subprocess.run(("git", *words), cwd=where, env=pager, stdout=output, check=True)


def _title(text: str) -> None:
    sys.stdout.write(f"\n== {text}\n\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
