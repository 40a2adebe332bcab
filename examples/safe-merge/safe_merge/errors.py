"""Why a phase did not succeed, as the exit codes by which the plan decides about a retry."""

from __future__ import annotations

from typing import ClassVar


class MergeError(Exception):
    """A phase failed for good; the message is for a person."""

    exit_code: ClassVar[int] = 1


class Refused(MergeError):
    """The merge must not go on."""


class Unreachable(MergeError):
    """The remote did not answer; it may later. (EX_UNAVAILABLE)"""

    exit_code = 69


class TryAgain(MergeError):
    """Somebody else was faster; another attempt may succeed. (EX_TEMPFAIL)"""

    exit_code = 75


class GitFailed(MergeError):
    """A git command that should have worked did not."""

    def __init__(self, arguments: tuple[str, ...], exit_code: int, stderr: str) -> None:
        super().__init__(f"git {' '.join(arguments)}: exit code {exit_code}: {stderr.strip()}")
        self.status = exit_code
        self.stderr = stderr.strip()
