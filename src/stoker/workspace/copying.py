"""Files that are in no commit but needed to work, such as `.env`, copied into a new worktree.

Patterns are globs relative to the repository: `*`, `?` and `[...]` within a name, `**` for any
directories. Neither the patterns nor links lead out of the repository or the worktree: no link is
followed, on neither side. A directory that matches is copied whole, without links.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from stoker.workspace.errors import UnsafePath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAGIC = frozenset("*?[")


def check(patterns: Sequence[str]) -> None:
    """Raises `UnsafePath` for a pattern that is absolute, climbs, or names git's directory."""
    for pattern in patterns:
        parts = pattern.split("/")
        if not pattern or pattern.startswith("/") or "\0" in pattern:
            raise UnsafePath(pattern, "is not relative to the repository")
        if ".." in parts or any(part.lower() == ".git" for part in parts):
            raise UnsafePath(pattern, "leads out of the repository's files")


def copy(source: Path, target: Path, patterns: Sequence[str]) -> list[str]:
    """Copy what matches; returns the paths. What is in the target already stays as it is.

    Raises `UnsafePath`, OSError.
    """
    check(patterns)
    found: dict[str, None] = {}
    with ExitStack() as stack:
        top = _open(stack, os.fspath(source), None)
        goal = _open(stack, os.fspath(target), None)
        for pattern in patterns:
            parts = [part for part in pattern.split("/") if part not in ("", ".")]
            for path in _matching(top, parts, ""):
                found[path] = None
        return [path for path in found if _copy(top, goal, path)]


def _matching(folder: int, parts: list[str], prefix: str) -> Iterator[str]:
    """Regular files below an open directory that a pattern, cut at its slashes, matches.

    No parts left: all of them.
    """
    wanted, rest = (parts[0], parts[1:]) if parts else ("*", [])
    if wanted == "**":
        yield from _matching(folder, rest, prefix)
        if not rest:
            return
        wanted, rest = "*", parts
    whole = not rest
    for name in sorted(os.listdir(folder)) if _MAGIC & set(wanted) else [wanted]:
        if name.lower() == ".git" or not (name == wanted or fnmatch.fnmatchcase(name, wanted)):
            continue
        try:
            mode = os.lstat(name, dir_fd=folder).st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(mode):
            with ExitStack() as stack:
                try:
                    inner = _open(stack, name, folder)
                except OSError:  # it has become something else
                    continue
                yield from _matching(inner, rest, f"{prefix}{name}/")
        elif whole and stat.S_ISREG(mode):
            yield prefix + name


def _open(stack: ExitStack, path: str, folder: int | None) -> int:
    fd = os.open(path, _FOLDER, dir_fd=folder)
    stack.callback(os.close, fd)
    return fd


def _copy(top: int, goal: int, path: str) -> bool:
    """Copy one file. False: something is there already, or a link in the way."""
    *folders, name = path.split("/")
    with ExitStack() as stack:
        for folder in folders:
            top = _open(stack, folder, top)
            with suppress(FileExistsError):
                os.mkdir(folder, 0o755, dir_fd=goal)
            try:
                goal = _open(stack, folder, goal)
            except OSError:  # a link, or a file
                return False
        read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=top)
        stack.callback(os.close, read)
        mode = stat.S_IMODE(os.fstat(read).st_mode) & 0o777
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            write = os.open(name, flags, mode, dir_fd=goal)
        except FileExistsError:
            return False
        stack.callback(os.close, write)
        while os.sendfile(write, read, None, 1 << 24):
            pass
    return True
