"""A project's files, and the commands found in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from stoker.roadmaps.evidence import Level

SUFFIXES: Final = (".sln", ".slnx", ".csproj", ".fsproj")
"""Of .NET's projects."""
_EXIT: Final = re.compile(
    r"(?<!\s)\s+#\s*(?:expect(?:ed|s)?\s+)?exit(?:\s+code)?[ :=]*(\d{1,3})\s*$"
)


class Check(Struct, frozen=True, kw_only=True):
    """A command that verifies something."""

    level: Level
    text: str
    """For `sh -c`."""
    origin: str
    """Where it was found."""
    runner: str = ""
    directory: str = ""
    """Relative; empty: the top."""
    program: str = ""
    """What must be there for it to be run at all."""
    expected: int = 0
    """The exit code that is success."""


def declared(text: str, level: Level, origin: str) -> Check:
    """A command that somebody has given, with the exit code that it is to have."""
    found = _EXIT.search(text)
    text = (text[: found.start()] if found else text).strip().strip("`")
    return Check(level=level, text=text, origin=origin, expected=int(found[1]) if found else 0)


class Project(Struct, frozen=True):
    """A directory with a project's files, and their contents."""

    directory: str
    files: Mapping[str, str]
    """By their names in the directory."""
    tests: bool
    """There are tests of Python in it."""

    def has(self, *names: str) -> bool:
        """Whether there is any of the files."""
        return any(name in self.files for name in names)


def found(
    level: Level, text: str, origin: str, project: Project, runner: str, *, program: str = ""
) -> Check:
    """A command of `project`; `origin`: the file or tool that says so."""
    return Check(
        level=level,
        text=text,
        origin=f"{project.directory}/{origin}" if project.directory else origin,
        runner=runner,
        directory=project.directory,
        program=program or text.split(maxsplit=1)[0],
    )
