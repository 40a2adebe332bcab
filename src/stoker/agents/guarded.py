"""What an agent's program reads of itself the next time, perhaps outside the sandbox: settings,
hooks, extensions, instructions. They lie among its sessions and logs, which it must write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from stoker.agents.view import View

_NEUTRAL: Final = {".json": "{}\n"}
"""What a file holds that is made; else nothing."""


def words(view: View, scratch: str) -> Iterator[str]:
    """For bubblewrap, after the view's own: nobody changes or makes `view.guarded` then, and what
    is changed in `view.private` is gone with the sandbox. Files to change are put into `scratch`.
    Raises `OSError`."""
    for number, place in enumerate(map(Path, view.writable)):
        if place.is_dir():
            yield from _apart(place, view.guarded)
            for path in _found(place, view.guarded, make=True):
                yield from _bind("--ro-bind", path)
        for path in _found(place, view.private, make=False):
            if path.is_dir():
                yield from ("--tmpfs", str(path))
            else:
                copy = Path(scratch, f"private.{number}.{path.name}")
                Path(scratch).mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                copy.chmod(0o600)
                yield from ("--bind", str(copy), str(path))


def _found(place: Path, names: Sequence[str], *, make: bool) -> Iterator[Path]:
    """What they name in a directory, or the one file that is named; never a link, for that could
    lead to what is not to be seen."""
    if not place.is_dir():
        yield from (place for name in names if place.name == name and place.is_file())
        return
    for name in names:
        if make and not any(one in name for one in "*?["):
            _made(place, name)
        yield from (path for path in sorted(place.glob(name.rstrip("/"))) if not path.is_symlink())


def _made(place: Path, name: str) -> None:
    path = place / name
    if os.path.lexists(path):
        return
    if name.endswith("/"):
        path.mkdir(mode=0o700)
    else:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write(_NEUTRAL.get(path.suffix, ""))


def _apart(place: Path, names: Sequence[str]) -> Iterator[str]:
    """Nothing can be mounted on a link, so it is kept by a directory in the place of the one that
    it is in, with the same in it: what is made beside is gone with the sandbox."""
    if not any((place / name.rstrip("/")).is_symlink() for name in names):
        return
    yield from ("--tmpfs", str(place))
    for path in sorted(place.iterdir()):
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))  # noqa: PTH115
        else:
            yield from _bind("--bind", path)


def _bind(how: str, path: Path) -> tuple[str, str, str]:
    return how, str(path), str(path)
