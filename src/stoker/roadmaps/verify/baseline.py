"""What checks said of a tree, kept: the base of one task is what another has left."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from stoker.roadmaps.verify.project import Check
from stoker.roadmaps.verify.run import Done

_VERSION: Final = b"1"
_MOST: Final = 200
"""Files kept."""


def key(tree: str, checks: Sequence[Sequence[Check]]) -> str:
    """The name of what these checks say of a tree."""
    text = msgspec.json.encode((tree, checks))
    return hashlib.sha256(_VERSION + text).hexdigest()[:40]


def load(cache: Path, name: str) -> list[Done] | None:
    """What was kept under a `key`, if anything was."""
    try:
        return msgspec.json.decode((cache / f"{name}.json").read_bytes(), type=list[Done])
    except (OSError, msgspec.MsgspecError):
        return None


def save(cache: Path, name: str, done: Sequence[Done]) -> None:
    """Keep it, if all is well. What fails excuses what fails later, so it must be seen to fail
    then: it may have been for something that was not installed yet."""
    if not all(one.passed and "failed" not in one.results.values() for one in done):
        return
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = cache / f".{name}.{os.getpid()}"
    temporary.write_bytes(msgspec.json.encode(done))
    temporary.replace(cache / f"{name}.json")
    kept = sorted(cache.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in kept[_MOST:]:
        old.unlink(missing_ok=True)
