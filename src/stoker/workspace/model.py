"""What this package tells of repositories. Paths are relative to the working tree, with `/`, and
may hold anything but NUL; bytes that are no UTF-8 are lone surrogates, as in `os.fsdecode`
(`errors.printable` makes them fit for JSON)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Operation = Literal["rebase", "merge", "cherry_pick", "revert"]
"""What may stop half-way for a person to resolve conflicts."""

Change = Literal["added", "deleted", "modified", "renamed", "copied", "permission_change"]


class Author(msgspec.Struct, frozen=True):
    """Who makes commits."""

    name: str
    email: str


STOKER = Author("Stoker", "stoker@localhost")
"""Who makes commits when nobody is configured, and backups always."""


class Branch(msgspec.Struct, frozen=True):
    """A branch, of the repository or of a remote (then `name` is like `origin/main`)."""

    name: str
    is_current: bool
    is_remote: bool
    commit: str
    last_commit_date: datetime


class Comparison(msgspec.Struct, frozen=True):
    """How a commit and HEAD stand to each other."""

    head_oid: str
    target_oid: str
    ahead_from_head: int
    """Commits that HEAD has and the other has not."""
    behind_from_head: int
    is_linear: bool
    """HEAD contains the other."""


class WorktreeEntry(msgspec.Struct, frozen=True):
    """A worktree as the repository lists it, its own checkout included."""

    path: str
    branch: str | None
    missing: bool


class BranchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a worktree and its branch stand to the target branch and to the remote."""

    head_oid: str | None
    branch: str | None
    target_branch_name: str
    commits_ahead: int
    commits_behind: int
    remote_commits_ahead: int | None
    """Against the branch of the same name at the remote, as last seen; None: there is none."""
    remote_commits_behind: int | None
    uncommitted_count: int
    """Tracked files that differ from HEAD."""
    untracked_count: int
    """Files, not directories; ignored ones do not count."""
    operation: Operation | None
    conflicted_files: tuple[str, ...]

    @property
    def has_uncommitted_changes(self) -> bool:
        """Tracked files differ from HEAD."""
        return self.uncommitted_count > 0

    @property
    def is_rebase_in_progress(self) -> bool:
        """A rebase waits to be continued or aborted."""
        return self.operation == "rebase"


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One changed file."""

    change: Change
    old_path: str | None
    """None: added."""
    new_path: str | None
    """None: deleted."""
    old_mode: str | None
    """As git writes it: 100644, 100755, 120000 (a link), 160000 (a submodule)."""
    new_mode: str | None
    old_oid: str | None
    new_oid: str | None
    additions: int | None
    """Lines; None: binary."""
    deletions: int | None
    old_content: str | None = None
    """Not UTF-8: with replacement characters. A link: its target."""
    new_content: str | None = None
    content_omitted: bool = False
    """Contents are there but not here: too large, binary, or not asked for."""

    @property
    def path(self) -> str:
        """Where it is, or was."""
        return self.new_path or self.old_path or ""


class Committed(msgspec.Struct, frozen=True):
    """The outcome of a commit."""

    oid: str | None
    """None: there was nothing to commit."""
    skipped: tuple[str, ...]
    """Untracked paths left out: repositories inside the tree, with a `/` at the end."""


class Backup(msgspec.Struct, frozen=True):
    """Work kept under `refs/backup/<name>/<time>`."""

    ref: str
    name: str
    time: datetime
    commit: str
    """Its tree has all files that were not ignored, its first parent is `head`; if nothing was
    uncommitted, it is `head`."""
    head: str | None
    """What was checked out."""


class Merged(msgspec.Struct, frozen=True):
    """The outcome of a merge."""

    commit: str
    """What the target now is."""
    changed: bool
    """False: the target had it all."""
    backup: str | None
    """The ref that keeps the commits that were squashed, if their branch was moved on."""


class Match(msgspec.Struct, frozen=True):
    """A file or directory found by name."""

    path: str
    is_file: bool
    match_type: Literal["FileName", "DirectoryName", "FullPath"]
