"""Changes to the user's plan files: only the bytes that were asked for, all of them or none."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from glob import escape
from pathlib import Path
from typing import NamedTuple

from stoker.roadmaps.format import Edit, Source

_BOXES = re.compile(r"\[[ \txX~/\-]\]")


class Changed(Exception):
    """A plan file is not the one that was read; nothing was written. The message names the place,
    what was expected there and what was found."""

    def __init__(self, path: str, line: int, expected: str, found: str) -> None:
        super().__init__(f"{path}:{line}: expected {expected}, found {found}: the file has changed")
        self.path = path
        self.line = line


class _Staged(NamedTuple):
    """A file that is about to take the place of another."""

    target: Path
    before: bytes
    new: Path


def apply(root: Path, edits: Iterable[Edit]) -> tuple[str, ...]:
    """Make all edits, or none; returns the files that were written, relative to `root`.

    Each file is replaced as a whole, atomically and durably; its mode and owner stay, and so does
    a link that leads to it. Raises `Changed` if a file is no longer what was read, `NotReadable`
    if it is gone or leads outside of `root`, `OSError` if it cannot be written.
    """
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    source = Source(root=root, path=root)
    changes: dict[str, tuple[bytes, bytes]] = {}
    for path, of_file in by_path.items():
        data = source.read(root / path)
        after = edited(data, path, of_file)
        if after != data:
            changes[path] = data, after
    staged: list[_Staged] = []
    try:
        for path, (data, after) in changes.items():
            target = (root / path).resolve()
            staged.append(_Staged(target, data, _write(target, after)))
        for path, stage in zip(changes, staged, strict=True):
            if stage.target.read_bytes() != stage.before:
                raise Changed(path, 1, "the file that was just read", "another")
        _replace(staged)
    finally:
        for stage in staged:
            stage.new.unlink(missing_ok=True)
    return tuple(changes)


def edited(data: bytes, path: str, edits: Iterable[Edit]) -> bytes:
    """What a file is after its edits. Raises `Changed` if they are not for this."""
    parts: list[bytes] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        end = edit.start + len(edit.before)
        found = data[edit.start : end]
        line = data.count(b"\n", 0, edit.start) + 1
        if found != edit.before or edit.start < done:
            raise Changed(
                path, line, repr(edit.before.decode()), repr(found.decode(errors="replace"))
            )
        _check(data, path, line, edit)
        parts += (data[done : edit.start], edit.after)
        done = end
    return b"".join((*parts, data[done:]))


def _check(data: bytes, path: str, number: int, edit: Edit) -> None:
    """Whether the line and what follows are those that were read."""
    if not edit.on_line and not edit.below:
        return
    first = max(data.rfind(b"\n", 0, edit.start), data.rfind(b"\r", 0, edit.start)) + 1
    # Enough for what must follow, with every line's end of two bytes and empty lines before it.
    enough = edit.start + 4096 + 2 * len(edit.below.encode()) + len(edit.on_line.encode())
    text = data[first:enough].decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    line, _, rest = text.partition("\n")
    if edit.on_line not in line:
        raise Changed(path, number, repr(edit.on_line), repr(line))
    below, found = (_BOXES.sub("[ ]", part.lstrip("\n")) for part in (edit.below, rest))
    if not found.startswith(below):
        raise Changed(path, number, f"below it {below[:80]!r}", repr(found[:80]))


def _write(target: Path, data: bytes) -> Path:
    """A file beside `target` with its mode and owner, on the disk."""
    stat = target.stat()
    _sweep(target)
    path = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(6)}.tmp")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if (stat.st_uid, stat.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, stat.st_uid, stat.st_gid)
            os.fchmod(descriptor, stat.st_mode & 0o7777)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _sweep(target: Path) -> None:
    """Remove what writers of `target` have left that were killed."""
    for path in target.parent.glob(f".{escape(target.name)}.*-*.tmp"):
        pid = path.name.removeprefix(f".{target.name}.").partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)


def _replace(staged: list[_Staged]) -> None:
    """Put the new files in place; if one cannot be, those before it are put back."""
    done: list[_Staged] = []
    try:
        for stage in staged:
            stage.new.replace(stage.target)
            done.append(stage)
    except BaseException:
        for stage in done:
            _write(stage.target, stage.before).replace(stage.target)
        raise
    for folder in {stage.target.parent for stage in done}:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
