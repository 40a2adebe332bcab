"""Branches read from the files that git keeps them in: a process that says the same costs 3 ms.

Only what is certain is told. Anything odd (names that need a second look, links, other ways to
keep refs) is left to git.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from stoker.workspace.git import decode

_PART: Final = re.compile(r"\w(?:[\w-]|\.(?=[\w-]))*(?<!\.lock)", re.ASCII)
_OID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEADS: Final = "refs/heads/"
_LONGEST: Final = 4096


def plain(name: str) -> bool:
    """True: git takes this for the name of a branch, and a file system for that of a file."""
    return name != "HEAD" and all(_PART.fullmatch(part) for part in name.split("/"))


def branch(common_dir: Path, name: str) -> str | None:
    """The commit a branch is at; None: git has to be asked."""
    if not plain(name):
        return None
    loose = common_dir / _HEADS / name
    if not os.path.lexists(loose):
        return _packed(common_dir, name)
    return _oid(_said(loose))


def taken(common_dir: Path, name: str) -> bool:
    """True: a branch has this name, which is plain. For repositories that keep refs in files."""
    loose = common_dir / _HEADS / name
    if os.path.lexists(loose) and not loose.is_dir():
        return True
    return _packed(common_dir, name) is not None


def current(git_dir: Path) -> str | None:
    """The branch HEAD is on; None: git has to be asked."""
    ref = (_said(git_dir / "HEAD") or "").removeprefix("ref: ")
    name = ref.removeprefix(_HEADS)
    return name if name != ref and plain(name) else None


def head(git_dir: Path, common_dir: Path) -> str | None:
    """The commit HEAD is at; None: git has to be asked."""
    if name := current(git_dir):
        return branch(common_dir, name)
    return _oid(_said(git_dir / "HEAD"))


def _oid(said: str | None) -> str | None:
    return said if said and _OID.fullmatch(said) else None


def _packed(common_dir: Path, name: str) -> str | None:
    try:
        packed = (common_dir / "packed-refs").read_bytes()
    except OSError:
        return None
    end = packed.find(f" {_HEADS}{name}\n".encode())
    return _oid(decode(packed[packed.rfind(b"\n", 0, end) + 1 : end])) if end >= 0 else None


def _said(file: Path) -> str | None:
    """What a file of a line says; None: it is none, or what a link leads to."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return decode(os.read(fd, _LONGEST)).removesuffix("\n") if regular else None
    finally:
        os.close(fd)
