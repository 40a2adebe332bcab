"""What can go wrong with a repository, as types that carry the facts."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s]+@")
_AUTHORIZATION = re.compile(r"(authorization:\s*\S+\s+)\S+", re.IGNORECASE)


def redact(text: str) -> str:
    """`text` without the credentials of URLs and of HTTP headers."""
    return _AUTHORIZATION.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", text))


def printable(path: str) -> str:
    """A file's name for people and JSON: bytes that are no UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class WorkspaceError(Exception):
    """All errors of this package."""


class NotARepository(WorkspaceError):
    """Nothing that git accepts as a repository is at `path`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{printable(path)} is not a git repository: {redact(reason)}")
        self.path = path
        self.reason = redact(reason)


class NotAWorktree(WorkspaceError):
    """The repository has no worktree at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the repository has no worktree at {printable(path)}")
        self.path = path


class InvalidName(WorkspaceError):
    """`git check-ref-format` refuses the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not a name that git accepts for a branch")
        self.name = name


class UnknownBranch(WorkspaceError):
    """No branch, local or of a remote, has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no branch {name!r}")
        self.name = name


class UnknownCommit(WorkspaceError):
    """No commit has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no commit {name!r}")
        self.name = name


class BranchExists(WorkspaceError):
    """A branch of the name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a branch {name!r} already")
        self.name = name


class BranchInUse(WorkspaceError):
    """The branch is checked out at `path` already."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(f"branch {name!r} is checked out at {printable(path)}")
        self.name = name
        self.path = path


class PathExists(WorkspaceError):
    """Something is where a worktree was to be made."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{printable(path)} exists already")
        self.path = path


class UnsafePath(WorkspaceError):
    """A path or pattern that leads out of the repository."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path!r} {reason}")
        self.path = path
        self.reason = reason


class WorktreeDirty(WorkspaceError):
    """There is work at `path` that is in no commit; `files` are some of it."""

    def __init__(self, path: str, files: Sequence[str]) -> None:
        super().__init__(f"{printable(path)} has work that is in no commit: {_some(files)}")
        self.path = path
        self.files = tuple(files)


class MergeConflict(WorkspaceError):
    """`files` conflict. `operation` is what was tried: merge, rebase, cherry_pick or revert."""

    def __init__(self, files: Sequence[str], operation: str) -> None:
        super().__init__(f"{operation}: conflicts in {_some(files)}")
        self.files = tuple(files)
        self.operation = operation


class Diverged(WorkspaceError):
    """`target` has `behind` commits that `source` has not."""

    def __init__(self, source: str, target: str, ahead: int, behind: int) -> None:
        super().__init__(
            f"{source!r} is {behind} commits behind {target!r} ({ahead} ahead); rebase it first"
        )
        self.source = source
        self.target = target
        self.ahead = ahead
        self.behind = behind


class RebaseInProgress(WorkspaceError):
    """A rebase is under way at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"a rebase is in progress in {printable(path)}")
        self.path = path


class NoOperationInProgress(WorkspaceError):
    """There is nothing to continue or abort at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no rebase or merge is in progress in {printable(path)}")
        self.path = path


class UnsafeOperation(WorkspaceError):
    """What is in progress would run commands that the repository names."""


class IndexLocked(WorkspaceError):
    """`path`, the lock of an index, is there: another git is at work, or was killed."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{printable(path)} exists: another git is at work there, or was killed")
        self.path = path


class GitFailed(WorkspaceError):
    """git ended with `exit_code` (negative: the signal); no secrets in `argv` and `stderr`."""

    def __init__(self, argv: Sequence[str], exit_code: int, stderr: str) -> None:
        self.argv = tuple(redact(word) for word in argv)
        self.exit_code = exit_code
        self.stderr = redact(stderr).strip()
        what = self.argv[1] if len(self.argv) > 1 else "git"
        super().__init__(f"git {what} failed: {self.stderr or f'exit code {exit_code}'}")


class GitTimeout(GitFailed):
    """git took longer than `seconds` and was ended."""

    def __init__(self, argv: Sequence[str], seconds: float) -> None:
        super().__init__(argv, -15, f"no end after {seconds:g} s")
        self.seconds = seconds


class OutputTooLarge(GitFailed):
    """git wrote more than `limit` bytes and was ended."""

    def __init__(self, argv: Sequence[str], limit: int) -> None:
        super().__init__(argv, -15, f"more than {limit} bytes of output")
        self.limit = limit


class RemoteFailed(GitFailed):
    """Talking to a remote failed, for a reason that no subclass names."""


class AuthFailed(RemoteFailed):
    """The remote wants credentials, or others."""


class RemoteUnreachable(RemoteFailed):
    """The remote is not there, or not for us."""


class PushRejected(RemoteFailed):
    """The remote, or the lease, refuses; `reasons` by ref."""

    def __init__(
        self, argv: Sequence[str], exit_code: int, stderr: str, reasons: dict[str, str]
    ) -> None:
        super().__init__(argv, exit_code, stderr)
        self.reasons = {ref: redact(reason) for ref, reason in reasons.items()}
        said = ", ".join(f"{ref}: {reason}" for ref, reason in self.reasons.items())
        self.args = (f"push rejected: {said}",)


def _some(files: Sequence[str]) -> str:
    named = ", ".join(map(printable, files[:10]))
    return f"{named} and {len(files) - 10} more" if len(files) > 10 else named
