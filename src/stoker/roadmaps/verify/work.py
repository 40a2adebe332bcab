"""What is to be verified, and how."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from stoker.roadmaps.evidence import Level

MODES: Final = ("auto", "agent", "skip")
RUNNERS: Final = (
    *("pytest", "unittest", "tox", "nox", "node", "npm", "go", "cargo", "maven", "gradle"),
    *("dotnet", "make", "just", "mise", "task"),
)
"""What a project's tests may be run by."""
LEVELS: Final[tuple[Level, ...]] = (
    *("files", "syntax", "imports", "build", "types", "tests", "command"),
)


class Work(Struct, frozen=True, kw_only=True):
    """A task's work, and what its author said about it. Paths are relative to the repository;
    patterns as for `fnmatch`, where `*` goes over `/` too."""

    base: str
    """The commit it began from."""
    commit: str
    files: tuple[str, ...] = ()
    """Promised: they must be there afterwards. A name with `*` or that ends with `/` is a
    pattern or a directory of which something must be there."""
    verify: str | tuple[str, ...] | None = None
    """Shell commands of the author's own. `# exit 2` at the end of one declares another exit code
    than 0."""
    gate: bool = False
    """Nothing need be changed; what is there must pass."""
    may_change_tests: tuple[str, ...] = ()
    """Patterns of tests and runners' configuration that it is waived to change or delete."""
    tests_first: bool = False
    """It writes tests of what is still to be made: that they fail is right."""
    within: tuple[str, ...] = ()
    """Patterns: what it may change at all; empty: anything."""
    names: frozenset[str] = frozenset()
    """Functions and the like that the task names: see `owed`."""
    others: frozenset[str] = frozenset()
    """Those that other tasks name that are still open."""
    last: bool = False
    """There is no other try: what fails as before is told of, and no longer held against it."""
    forbidden: tuple[str, ...] = ()
    """Patterns of what it must not change, such as the plan file."""


class Settings(Struct, frozen=True, kw_only=True):
    """How a project's work is verified."""

    mode: str = "auto"
    """One of `RUNNERS`: the tests are run by that and by nothing else. `agent`: no command is
    run, a second agent judges (see `verdict.accepted`). `skip`: only files are looked at."""
    levels: tuple[Level, ...] = LEVELS
    commands: tuple[str, ...] = ()
    """Shell commands that test the project, in place of those that are detected."""
    seconds: float = 600.0
    """That one command may take."""
