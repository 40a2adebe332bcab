"""What code hosts tell and take, whichever provider it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

Provider = Literal["github", "gitlab", "gitea"]
"""Forgejo, which Codeberg runs, speaks Gitea's API."""

PullRequestStatus = Literal["open", "merged", "closed"]


class Remote(Struct, frozen=True, kw_only=True):
    """A repository at a code host."""

    provider: Provider
    host: str
    """As the remote's URL has it, with the port if that has one."""
    api: str
    """Base URL of the REST API, without a slash at its end."""
    owner: str
    """User, organisation or group; groups of GitLab may be nested: `a/b`."""
    name: str
    push_url: str | None
    """Where to push with a token; None: over ssh, with the keys of whoever runs this."""

    @property
    def path(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def push_origin(self) -> str | None:
        """Scheme and host of `push_url`: where a token may be sent by git."""
        if self.push_url is None:
            return None
        parts = urlsplit(self.push_url)
        return f"{parts.scheme}://{parts.netloc}/"


class PullRequest(Struct, frozen=True, kw_only=True):
    """A pull request, or merge request, as it is now."""

    number: int
    url: str
    """Of its page."""
    title: str
    status: PullRequestStatus
    target_branch: str
    """What it would be merged into."""
    merged_at: float | None
    """Seconds since the epoch."""
    merge_commit: str | None


def preferred(found: Sequence[PullRequest]) -> PullRequest | None:
    """Of several for one branch: the open one, else the newest."""
    return max(found, key=lambda one: (one.status == "open", one.number), default=None)


class NewPullRequest(Struct, frozen=True, kw_only=True):
    """What to open. Both branches are of the same repository."""

    title: str
    body: str
    source: str
    target: str
    draft: bool = False


class Comment(Struct, frozen=True, kw_only=True):
    """What somebody has written about a pull request."""

    id: str
    """Unique within the pull request."""
    author: str
    trusted: bool
    """The author may write to the repository, as far as the provider tells. Anybody may comment
    on what is public."""
    body: str
    created_at: float
    """Seconds since the epoch."""
    url: str
    path: str | None = None
    """The file it is about; None: the whole."""
    line: int | None = None
    """Of that file as the branch has it."""


class Issue(Struct, frozen=True, kw_only=True):
    """An issue."""

    number: int
    url: str
