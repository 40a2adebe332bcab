"""The REST API, version 1, of Gitea and of Forgejo, which began as Gitea."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec.structs import replace

from stoker.hosting.github import GitHub, Pull, User, Written, comment, pull
from stoker.hosting.model import Comment, NewPullRequest, PullRequest, preferred

_PAGE: Final = 50
"""What servers give at most, unless configured otherwise."""
_NO_REVIEWS: Final = frozenset(("PENDING", "REQUEST_REVIEW"))


class _Written(Written):
    comments_count: int = 0
    position: int = 0
    """A line, unlike GitHub's."""
    original_position: int = 0


class Gitea(GitHub):
    """Its API was made after GitHub's, and differs where this does."""

    page: ClassVar = {"limit": _PAGE}

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        return {"Authorization": f"token {token}", "Accept": "application/json"}

    async def create(self, wanted: NewPullRequest) -> PullRequest:
        # Drafts are told by their titles.
        title = f"WIP: {wanted.title}" if wanted.draft else wanted.title
        return await super().create(replace(wanted, title=title, draft=False))

    async def find(self, source: str) -> PullRequest | None:
        # It cannot be asked for by its branch alone. Of those closed, the latest are looked at.
        query = {"sort": "recentupdate", "limit": _PAGE}
        found = await self.api.all(f"{self.at}/pulls", Pull, state="open", **query)
        found += await self.api.get(f"{self.at}/pulls", list[Pull], state="closed", **query)
        # A branch of that name in a fork is another.
        mine = [one for one in found if one.head.repo_id == one.base.repo_id]
        return preferred([pull(one) for one in mine if one.head.label == source])

    async def comments(self, number: int) -> list[Comment]:
        # Who may be assigned may write.
        assignees = await self.api.get(f"{self.at}/assignees", list[User])
        writers = {user.login for user in assignees}
        at = f"{self.at}/pulls/{number}/reviews"
        reviews = await self.api.all(at, _Written, limit=_PAGE)
        told = [("review", review) for review in reviews if review.state not in _NO_REVIEWS]
        for _, review in told.copy():
            if review.comments_count:
                lines = await self.api.get(f"{at}/{review.id}/comments", list[_Written])
                told += [("line", one) for one in lines]
        general = await self.api.get(f"{self.at}/issues/{number}/comments", list[_Written])
        told += [("issue", one) for one in general]
        found = []
        for kind, one in told:
            if (one.body or "").strip():
                one.line = one.position or one.original_position or None
                trusted = one.user is not None and one.user.login in writers
                found.append(comment(kind, one, trusted=trusted))
        return sorted(found, key=lambda one: one.created_at)
