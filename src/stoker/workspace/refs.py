"""Branches read from the files that git keeps them in: a process that says the same costs 3 ms.

Only what is certain is told. Anything odd (names that need a second look, links, other ways to
keep refs) is left to git.
"""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import Final

from stoker.workspace.git import decode
from stoker.workspace.model import Author

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


def create(common_dir: Path, name: str, commit: str, author: Author) -> bool:
    """Make a branch whose name is plain, under its lock and with a reflog, as git does. False:
    git has to say what is in the way. For repositories that keep refs in files."""
    loose, log = common_dir / _HEADS / name, common_dir / "logs" / _HEADS / name
    lock = loose.with_name(f"{loose.name}.lock")
    who = f"{author.name} <{author.email}> {int(time.time())} +0000"
    try:
        loose.parent.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("x")
    except OSError:  # a branch where a directory is needed, say, or a lock of another's
        return False
    made = False
    try:
        if not os.path.lexists(loose) and not _nested(common_dir, name):
            with file:
                file.write(f"{commit}\n")
                file.flush()
                os.fsync(file.fileno())  # an empty one would have git fail
            with log.open("a", encoding="utf-8", errors="surrogateescape") as entries:
                said = f"branch: Created from {commit}"
                entries.write(f"{'0' * len(commit)} {commit} {who}\t{said}\n")
            lock.rename(loose)
            made = True
    except OSError:
        return False
    finally:
        file.close()
        if not made:
            lock.unlink(missing_ok=True)
    return made


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


def nowhere(common_dir: Path, name: str) -> bool:
    """True: the branch is checked out in no worktree. False: git has to be asked."""
    for git_dir in (common_dir, *common_dir.glob("worktrees/*")):
        on = current(git_dir)
        if on == name or (on is None and _oid(_said(git_dir / "HEAD")) is None):
            return False
    return True


def _oid(said: str | None) -> str | None:
    return said if said and _OID.fullmatch(said) else None


def _nested(common_dir: Path, name: str) -> bool:
    """A packed branch has the name, or one above or beneath it."""
    packed = _content(common_dir)
    parts = name.split("/")
    above = ("/".join(parts[:count]) + "\n" for count in range(1, len(parts) + 1))
    return any(f" {_HEADS}{one}".encode() in packed for one in (*above, f"{name}/"))


def _content(common_dir: Path) -> bytes:
    try:
        return (common_dir / "packed-refs").read_bytes()
    except FileNotFoundError:
        return b""


def _packed(common_dir: Path, name: str) -> str | None:
    try:
        packed = _content(common_dir)
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
