"""GitHub's REST API, version 2022-11-28; GitHub Enterprise Server has it under `/api/v3`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

from msgspec import Struct

from stoker.hosting.api import Api
from stoker.hosting.model import Comment, Issue, NewPullRequest, PullRequest, preferred

_WRITERS: Final = frozenset(("OWNER", "MEMBER", "COLLABORATOR"))
_PAGE: Final = 100


class Branch(Struct):
    """One of the two of a pull request."""

    ref: str
    label: str
    repo_id: int | None = None
    """Gitea's."""


class Pull(Struct):
    """What is told of a pull request."""

    number: int
    html_url: str
    title: str
    state: str
    head: Branch
    base: Branch
    merged_at: datetime | None = None
    merge_commit_sha: str | None = None


class User(Struct):
    """Somebody."""

    login: str


class Written(Struct):
    """What is told of a comment, or of a review."""

    id: int
    html_url: str
    author_association: str = ""
    user: User | None = None
    body: str | None = None
    created_at: datetime | None = None
    submitted_at: datetime | None = None
    state: str = ""
    path: str | None = None
    line: int | None = None
    original_line: int | None = None


class _Issue(Struct):
    number: int
    html_url: str
    body: str | None = None
    pull_request: dict[str, Any] | None = None


class GitHub:
    """GitHub, as GitLab is asked too."""

    page: ClassVar[dict[str, int]] = {"per_page": _PAGE}

    def __init__(self, api: Api) -> None:
        self.api = api
        remote = api.remote
        self.at = f"/repos/{quote(remote.owner, safe='')}/{quote(remote.name, safe='')}"

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        """Of every request."""
        return {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    async def account(self) -> str:
        """Whose token it is, by login: the cheapest way to find out if it is one."""
        return (await self.api.get("/user", User)).login

    async def create(self, wanted: NewPullRequest) -> PullRequest:
        """Open a pull request. Raises `AlreadyExists`: the branch has one; `Rejected`: a branch
        is not there, or there is nothing to merge."""
        body = {
            "title": wanted.title,
            "body": wanted.body,
            "head": wanted.source,
            "base": wanted.target,
            "draft": wanted.draft,
        }
        return pull(await self.api.send("POST", f"{self.at}/pulls", body, Pull))

    async def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        """Ask people, by their logins, for reviews. Raises `Rejected`: one of them is unknown,
        or may not review."""
        teams = [name.rpartition("/")[2] for name in reviewers if "/" in name]
        people = [name for name in reviewers if "/" not in name]
        body = {"reviewers": people, "team_reviewers": teams}
        await self.api.send("POST", f"{self.at}/pulls/{number}/requested_reviewers", body, Any)

    async def find(self, source: str) -> PullRequest | None:
        """That of a branch: an open one if there is, else the newest."""
        found = await self.api.get(
            f"{self.at}/pulls",
            list[Pull],
            head=f"{self.api.remote.owner}:{source}",
            state="all",
            sort="created",
            direction="desc",
            per_page=_PAGE,
        )
        return preferred([pull(one) for one in found])

    async def get(self, number: int) -> PullRequest:
        """As it is now."""
        return pull(await self.api.get(f"{self.at}/pulls/{number}", Pull))

    async def comments(self, number: int) -> list[Comment]:
        """All that people have written about it, on lines and in general, oldest first.

        All, and not only those since some time: what is written in a review that was submitted
        later has an earlier time than comments that were seen before. Keep their ids to know
        the new ones."""
        found: list[Comment] = []
        for kind, path in (
            ("review", f"{self.at}/pulls/{number}/reviews"),
            ("line", f"{self.at}/pulls/{number}/comments"),
            ("issue", f"{self.at}/issues/{number}/comments"),
        ):
            for one in await self.api.all(path, Written, per_page=_PAGE):
                # A review may be no more than its comments; one not submitted is its writer's.
                if (one.body or "").strip() and one.state != "PENDING":
                    trusted = one.author_association in _WRITERS
                    found.append(comment(kind, one, trusted=trusted))
        return sorted(found, key=lambda one: one.created_at)

    async def find_issue(self, mark: str, since: float) -> Issue | None:
        """One whose body has this mark, opened at this time (seconds since the epoch) or later."""
        found = await self.api.all(
            f"{self.at}/issues", _Issue, state="all", since=moment(since), **self.page
        )
        # There, pull requests are issues.
        mine = (one for one in found if one.pull_request is None and mark in (one.body or ""))
        return next((Issue(number=one.number, url=one.html_url) for one in mine), None)

    async def create_issue(self, title: str, body: str) -> Issue:
        """Open an issue."""
        content = {"title": title, "body": body}
        made = await self.api.send("POST", f"{self.at}/issues", content, _Issue)
        return Issue(number=made.number, url=made.html_url)


def moment(time: float) -> str:
    """As APIs take it."""
    return datetime.fromtimestamp(int(time), UTC).isoformat().replace("+00:00", "Z")


def pull(told: Pull) -> PullRequest:
    """As told by GitHub, or Gitea."""
    merged = told.merged_at is not None
    return PullRequest(
        number=told.number,
        url=told.html_url,
        title=told.title,
        status="merged" if merged else "open" if told.state == "open" else "closed",
        target_branch=told.base.ref,
        merged_at=told.merged_at.timestamp() if told.merged_at else None,
        merge_commit=told.merge_commit_sha if merged else None,  # before, it is of a trial
    )


def comment(kind: str, told: Written, *, trusted: bool) -> Comment:
    """As told by GitHub, or Gitea."""
    at = told.submitted_at or told.created_at
    return Comment(
        id=f"{kind}-{told.id}",
        author=told.user.login if told.user else "ghost",
        trusted=trusted,
        body=(told.body or "").strip(),
        created_at=at.timestamp() if at else 0.0,
        url=told.html_url,
        path=told.path,
        line=told.line or told.original_line,
    )
