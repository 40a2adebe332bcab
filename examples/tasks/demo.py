"""`compare.py` on a repository of its own, with three agents that only follow a script.

python examples/tasks/demo.py [DIRECTORY]
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BROKEN = "def slug(title: str) -> str:\n    return title\n"
SHORT = 'def slug(title: str) -> str:\n    return "-".join(title.lower().split())\n'
LONG = """\
def slug(title: str) -> str:
    words = []
    for word in title.split(" "):
        stripped = word.strip()
        if stripped:
            words.append(stripped.lower())
    return "-".join(words)
"""
WRONG = 'def slug(title: str) -> str:\n    return title.replace(" ", "-")\n'
TEST = """\
import unittest

from slug import slug


class SlugTest(unittest.TestCase):
    def test_slug(self):
        self.assertEqual(slug("Hello  World"), "hello-world")
"""
AGENTS = {
    "HASTY": [{"say": "A replacement will do."}, {"edit": "slug.py", "content": WRONG}],
    "THOROUGH": [{"say": "I go through it word by word."}, {"edit": "slug.py", "content": LONG}],
    "BRIEF": [
        {"say": "split() knows about spaces."},
        {"edit": "slug.py", "content": SHORT},
        {"run": "python3 -m unittest -q"},
    ],
}


def git(repository: Path, *args: str) -> None:
    """Run git there."""
    who = ("-c", "user.name=Demo", "-c", "user.email=demo@example.com")
    subprocess.run(["git", "-C", repository, *who, *args], check=True)


def prepare(directory: Path) -> tuple[Path, Path]:
    """A repository with a failing test, and the profiles of the agents."""
    repository = directory / "repository"
    repository.mkdir()
    (repository / "slug.py").write_text(BROKEN)
    (repository / "test_slug.py").write_text(TEST)
    (repository / ".gitignore").write_text("__pycache__\n")
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "A test that fails")
    variants = {
        name: {"SCRIPTED": {"env": {"STOKER_SCRIPT": json.dumps(script)}}}
        for name, script in AGENTS.items()
    }
    profiles = directory / "profiles.json"
    profiles.write_text(json.dumps({"executors": {"SCRIPTED": variants}}))
    return repository, profiles


def main(directory: Path) -> int:
    """A server, the comparison, and what is on the main branch after it."""
    repository, profiles = prepare(directory)
    env = {**os.environ, "STOKER_PROFILES": str(profiles)}
    server = subprocess.Popen(
        [sys.executable, "-m", "stoker", "serve", "--port", "0"],
        cwd=directory,
        env=env,
        stdout=subprocess.PIPE,
        stderr=(directory / "server.log").open("wb"),
        text=True,
    )
    try:
        url = next(iter(server.stdout or ())).split()[-1]
        done = subprocess.run(
            [
                *(sys.executable, HERE / "compare.py", repository, "Make slug() pass its test"),
                *(word for name in AGENTS for word in ("--agent", f"SCRIPTED:{name}")),
                *("--check", f"{sys.executable} -m unittest -q"),
            ],
            env={**env, "STOKER_URL": url},
            check=False,
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    git(repository, "log", "--oneline", "main")
    return done.returncode


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True)
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as made:
        sys.exit(main(Path(made)))
