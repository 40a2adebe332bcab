"""Where a project keeps its runs: the state directory, and the journal in it or elsewhere."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

STATE: Final = ".stoker"
JOURNAL: Final = "journal.db"
VARIABLE: Final = "STOKER_DB"


class Place(NamedTuple):
    """Where things are; nothing of it needs to exist yet."""

    directory: Path
    """State directory, absolute: logs, outputs, artefacts."""
    location: str
    """The journal's path or URL."""

    @property
    def file(self) -> Path | None:
        """The journal's file; None if a server keeps it."""
        return None if "://" in self.location else Path(self.location)

    def create(self) -> None:
        """Make the state directory, private and unseen by git. Raises `OSError`."""
        if not self.directory.is_dir():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.directory / ".gitignore"
        if self.directory.name == STATE and not ignore.exists():
            ignore.write_text("*\n")


def locate(
    db: str | os.PathLike[str] | None = None,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Place:
    """The place for a project at `cwd` (default: the current directory).

    `db`, else `$STOKER_DB`, is a path (`sqlite:///PATH` is one too), whose directory is the
    state directory then, or the URL of a server. Else the journal is in `.stoker` of the
    nearest directory upwards that has one of this user's, else of the git work tree, else of
    `cwd`. Raises `PermissionError` if that is somebody else's.
    """
    cwd = cwd or Path.cwd()
    chosen = os.fspath(db) if db else environment.get(VARIABLE, "")
    path = chosen.removeprefix("sqlite:///")
    if path and "://" not in path:
        file = cwd / path
        return Place(file.parent, str(file))
    directory = _root(cwd) / STATE
    if directory.exists() and not _trusted(directory):
        why = f"{directory} is not this user's alone (--db or {VARIABLE} names a journal)"
        raise PermissionError(errno.EPERM, why)
    return Place(directory, chosen or str(directory / JOURNAL))


def ours(found: os.stat_result) -> bool:
    """Whether it is this user's, and not for everybody to write."""
    return found.st_uid == os.geteuid() and not found.st_mode & stat.S_IWOTH


def _root(cwd: Path) -> Path:
    places = (cwd, *cwd.parents)
    for place in places:
        # A worktree is an agent's: what it says is a project's state is not believed.
        if place.name == "worktrees" and place.parent.name == STATE and _trusted(place.parent):
            return place.parent.parent
    for place in places:
        if _trusted(place / STATE):
            return place
    return next((place for place in places if (place / ".git").exists()), cwd)


def _trusted(directory: Path) -> bool:
    try:
        return ours(directory.stat())
    except OSError:
        return False
