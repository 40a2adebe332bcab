"""What can be asked of a code host, whichever provider it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stoker.hosting.model import Comment, Issue, NewPullRequest, PullRequest


class Client(Protocol):
    """One repository at one code host. Every method raises `HostError`, in its kinds."""

    async def account(self) -> str:
        """Whose token it is, by login: the cheapest way to find out if it is one."""

    async def create(self, wanted: NewPullRequest) -> PullRequest:
        """Open a pull request. Raises `AlreadyExists`: the branch has one; `Rejected`: a branch
        is not there, or there is nothing to merge."""

    async def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        """Ask people, by their logins, for reviews. Raises `Rejected`: one of them is unknown,
        or may not review."""

    async def find(self, source: str) -> PullRequest | None:
        """That of a branch: an open one if there is, else the newest."""

    async def get(self, number: int) -> PullRequest:
        """As it is now."""

    async def comments(self, number: int) -> list[Comment]:
        """All that people have written about it, on lines and in general, oldest first.

        All, and not only those since some time: what is written in a review that was submitted
        later has an earlier time than comments that were seen before. Keep their ids to know
        the new ones."""

    async def find_issue(self, mark: str, since: float) -> Issue | None:
        """One whose body has this mark, opened at this time (seconds since the epoch) or later."""

    async def create_issue(self, title: str, body: str) -> Issue:
        """Open an issue."""


def preferred(found: Sequence[PullRequest]) -> PullRequest | None:
    """Of several for one branch: the open one, else the newest."""
    return max(found, key=lambda one: (one.status == "open", one.number), default=None)
