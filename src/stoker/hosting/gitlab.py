"""GitLab's REST API, version 4: pull requests are merge requests there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from stoker.hosting.api import Api
from stoker.hosting.errors import Rejected
from stoker.hosting.github import moment
from stoker.hosting.model import (
    Comment,
    Issue,
    NewPullRequest,
    PullRequest,
    PullRequestStatus,
    preferred,
)

_DEVELOPER: Final = 30
"""The lowest role that may push."""
_PAGE: Final = 100
_STATUS: Final[dict[str, PullRequestStatus]] = {
    "opened": "open",
    "locked": "open",  # while it is being merged
    "merged": "merged",
    "closed": "closed",
}


class _Request(Struct):
    iid: int
    web_url: str
    title: str
    state: str
    target_branch: str
    source_project_id: int | None
    target_project_id: int
    merged_at: datetime | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    sha: str | None = None


class _User(Struct):
    id: int
    username: str


class _Member(_User):
    access_level: int


class _Position(Struct):
    new_path: str | None = None
    old_path: str | None = None
    new_line: int | None = None
    old_line: int | None = None


class _Note(Struct):
    id: int
    body: str
    author: _User
    created_at: datetime
    system: bool = False
    position: _Position | None = None


class _Issue(Struct):
    iid: int
    web_url: str
    description: str | None = None


class GitLab:
    """See `GitHub`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._at = f"/projects/{quote(api.remote.path, safe='')}"

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        """Of every request: all kinds of tokens go as OAuth's do."""
        return {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    async def account(self) -> str:
        return (await self._api.get("/user", _User)).username

    async def create(self, wanted: NewPullRequest) -> PullRequest:
        body = {
            "source_branch": wanted.source,
            "target_branch": wanted.target,
            "title": f"Draft: {wanted.title}" if wanted.draft else wanted.title,
            "description": wanted.body,
        }
        return _pull(await self._api.send("POST", f"{self._at}/merge_requests", body, _Request))

    async def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        ids = []
        for name in reviewers:
            found = await self._api.get("/users", list[_User], username=name)
            if not found:
                remote = self._api.remote
                raise Rejected(remote.host, remote.path, f"there is no user {name!r}")
            ids.append(found[0].id)
        at = f"{self._at}/merge_requests/{number}"
        await self._api.send("PUT", at, {"reviewer_ids": ids}, Any)

    async def find(self, source: str) -> PullRequest | None:
        found = await self._api.get(
            f"{self._at}/merge_requests",
            list[_Request],
            source_branch=source,
            state="all",
            per_page=_PAGE,
        )
        # A branch of that name in a fork is another.
        mine = [one for one in found if one.source_project_id == one.target_project_id]
        return preferred([_pull(one) for one in mine])

    async def get(self, number: int) -> PullRequest:
        return _pull(await self._api.get(f"{self._at}/merge_requests/{number}", _Request))

    async def comments(self, number: int) -> list[Comment]:
        at = f"{self._at}/merge_requests/{number}"
        page = (await self._api.get(at, _Request)).web_url
        notes = await self._api.all(f"{at}/notes", _Note, sort="asc", per_page=_PAGE)
        notes = [note for note in notes if not note.system and note.body.strip()]
        members = [
            member
            for who in sorted({note.author.id for note in notes})
            for member in await self._api.all(f"{self._at}/members/all", _Member, user_ids=who)
        ]
        writers = {member.id for member in members if member.access_level >= _DEVELOPER}
        found = [_comment(note, page, trusted=note.author.id in writers) for note in notes]
        return sorted(found, key=lambda one: one.created_at)

    async def find_issue(self, mark: str, since: float) -> Issue | None:
        found = await self._api.all(
            f"{self._at}/issues", _Issue, created_after=moment(since), per_page=_PAGE
        )
        mine = (one for one in found if mark in (one.description or ""))
        return next((Issue(number=one.iid, url=one.web_url) for one in mine), None)

    async def create_issue(self, title: str, body: str) -> Issue:
        content = {"title": title, "description": body}
        made = await self._api.send("POST", f"{self._at}/issues", content, _Issue)
        return Issue(number=made.iid, url=made.web_url)


def _pull(told: _Request) -> PullRequest:
    status = _STATUS.get(told.state, "closed")
    # A squash that was fast-forwarded, and a plain fast-forward, have no merge commit.
    commit = told.merge_commit_sha or told.squash_commit_sha or told.sha
    return PullRequest(
        number=told.iid,
        url=told.web_url,
        title=told.title,
        status=status,
        target_branch=told.target_branch,
        merged_at=told.merged_at.timestamp() if told.merged_at else None,
        merge_commit=commit if status == "merged" else None,
    )


def _comment(told: _Note, page: str, *, trusted: bool) -> Comment:
    position = told.position or _Position()
    return Comment(
        id=f"note-{told.id}",
        author=told.author.username,
        trusted=trusted,
        body=told.body.strip(),
        created_at=told.created_at.timestamp(),
        url=f"{page}#note_{told.id}",
        path=position.new_path or position.old_path,
        line=position.new_line or position.old_line,
    )
