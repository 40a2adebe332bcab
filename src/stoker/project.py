"""Where a project keeps its runs: the state directory, and the journal in it or elsewhere."""

from __future__ import annotations

import os
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
    nearest directory upwards that has one, else of the git work tree, else of `cwd`.
    """
    cwd = cwd or Path.cwd()
    chosen = os.fspath(db) if db else environment.get(VARIABLE, "")
    path = chosen.removeprefix("sqlite:///")
    if path and "://" not in path:
        file = cwd / path
        return Place(file.parent, str(file))
    directory = _root(cwd) / STATE
    return Place(directory, chosen or str(directory / JOURNAL))


def _root(cwd: Path) -> Path:
    for marker in (STATE, ".git"):
        for place in (cwd, *cwd.parents):
            if (place / marker).exists():
                return place
    return cwd
