"""A forge of each provider, with a repository that has `main` and `task`."""

import subprocess
import sys
from pathlib import Path

import pytest
from forges import FORGES, Serving

sys.path.insert(0, str(Path(__file__).parent))

_IDENTITY = ("-c", "user.name=Dev", "-c", "user.email=dev@example.com")


@pytest.fixture
def bare(tmp_path):
    root = tmp_path / "forge"
    path = root / "acme" / "widgets.git"
    path.mkdir(parents=True)

    def git(*args):
        done = subprocess.run(
            ["git", "-C", path, *_IDENTITY, *args], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q", "--bare", "-b", "main")
    git("config", "http.receivepack", "true")
    tree = git("hash-object", "-t", "tree", "-w", "/dev/null")
    first = git("commit-tree", "-m", "first", tree)
    git("update-ref", "refs/heads/main", first)
    git("update-ref", "refs/heads/task", git("commit-tree", "-p", first, "-m", "work", tree))
    return root


@pytest.fixture(params=FORGES)
def forge(request, bare):
    with Serving(request.param, bare) as made:
        yield made


@pytest.fixture
def github(bare):
    with Serving("github", bare) as made:
        yield made
