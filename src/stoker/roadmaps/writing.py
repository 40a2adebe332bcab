"""Changes to the user's plan files: only the bytes that were asked for, all of them or none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from stoker import whole_file
from stoker.roadmaps.format import Edit, Source

_BOXES = re.compile(r"\[[ \txX~/\-]\]")


class Changed(Exception):
    """A plan file is not the one that was read; nothing was written. The message names the place,
    what was expected there and what was found."""

    def __init__(self, path: str, line: int, expected: str, found: str) -> None:
        super().__init__(f"{path}:{line}: expected {expected}, found {found}: the file has changed")
        self.path = path
        self.line = line


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
    places = {path: (root / path).resolve() for path in changes}
    try:
        with ExitStack() as staged:
            for path, (_, after) in changes.items():
                file = staged.enter_context(whole_file.atomic(places[path], theirs=True))
                file.write(after)
                file.flush()  # that the disk is full shows before anything is replaced
            for path, (before, _) in changes.items():
                if places[path].read_bytes() != before:
                    raise Changed(path, 1, "the file that was just read", "another")
    except OSError:  # of several, some may be in place
        for path, (before, after) in changes.items():
            if places[path].read_bytes() == after:
                whole_file.replace(places[path], before, mode=None, sync=True)
        raise
    return tuple(changes)


def edited(data: bytes, path: str, edits: Iterable[Edit]) -> bytes:
    """What a file is after its edits. Raises `Changed` if they are not for this."""
    parts: list[bytes] = []
    done, line, counted = 0, 1, 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        end = edit.start + len(edit.before)
        found = data[edit.start : end]
        line, counted = line + data.count(b"\n", counted, edit.start), edit.start
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
