"""What is to be verified, and how."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

NO_RUNNERS: Final = ("auto", "agent", "skip")
MODES: Final = (
    *(*NO_RUNNERS, "pytest", "unittest", "tox", "nox", "node", "npm", "go", "cargo", "maven"),
    *("gradle", "dotnet", "make", "just", "mise", "task"),
)
"""How tests may be run: as the project says, not at all, or by one of these."""


class Work(Struct, frozen=True, kw_only=True):
    """A task's work, and what its author said about it. Paths are relative to the repository."""

    base: str
    """The commit it began from."""
    commit: str
    files: tuple[str, ...] = ()
    """Promised: they must be there afterwards. A name with `*` or that ends with `/` is a
    pattern (of `fnmatch`, where `*` goes over `/` too) or a directory of which something must be
    there."""
    verify: tuple[str, ...] = ()
    """Shell commands of the author's own. `# exit 2` at the end of one declares another exit code
    than 0."""
    gate: bool = False
    """Nothing need be changed; what is there must pass."""
    tests_free: bool = False
    """Tests and runners' configuration may be changed and deleted."""
    names: frozenset[str] = frozenset()
    """Functions and the like that the task names: see `owed`."""
    others: frozenset[str] = frozenset()
    """Those that other tasks name that are still open."""
    last: bool = False
    """There is no other try: what fails as before is told of, and no longer held against it."""
    forbidden: tuple[str, ...] = ()
    """Files that it must not change, such as the plan file."""


class Settings(Struct, frozen=True, kw_only=True):
    """How a project's work is verified."""

    mode: str = "auto"
    """One of `MODES`. `agent`: no command is run, a second agent judges (see `verdict.accepted`).
    `skip`: only files are looked at. A runner: the tests are run by that and by nothing else."""
    command: str | None = None
    """A shell command that tests the project, in place of those that are detected."""
    seconds: float = 600.0
    """That one command may take."""
