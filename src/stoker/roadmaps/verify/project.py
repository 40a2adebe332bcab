"""A project's files, and the commands found in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

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

    def on(self, files: Iterable[str]) -> Check:
        """The same for some of the repository's files, which its command takes as arguments."""
        prefix = f"{self.directory}/" if self.directory else ""
        mine = (path.removeprefix(prefix) for path in files if path.startswith(prefix))
        return replace(self, text=" ".join((self.text, *(shlex.quote(f"./{one}") for one in mine))))


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

    def first(self, *names: str) -> str:
        """The content of the first of the files that there is; empty if there is none."""
        return next((self.files[name] for name in names if name in self.files), "")

    def check(
        self, level: Level, text: str, origin: str, runner: str = "", program: str = ""
    ) -> Check:
        """A command; `origin`: the file or tool that says so, `runner`: what runs it, by default
        its first word, as `program` is."""
        first = text.split(maxsplit=1)[0]
        return Check(
            level=level,
            text=text,
            origin=f"{self.directory}/{origin}" if self.directory else origin,
            runner=runner or first,
            directory=self.directory,
            program=program or first,
        )
