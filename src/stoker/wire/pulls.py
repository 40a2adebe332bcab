"""Attempts where their repository is hosted."""

from __future__ import annotations

from msgspec import Struct

from stoker.tasks.changes import LongText, Text
from stoker.tasks.model import PullRequest


class PushRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to push."""

    force: bool = False
    """Over what was last seen there, as after a rebase."""


class Proposal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a pull request is to say; default: what task and commits do."""

    title: Text | None = None
    body: LongText | None = None
    target_branch: Text | None = None
    """Default: where the attempt's work is to go."""
    draft: bool = False


class RefreshRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with what the host says."""

    follow_up: bool = True
    """Tell the agent of new review comments."""


class Delivered(Struct, frozen=True):
    """What a message of a code host has led to."""

    attempts: list[str]
    """Whose pull requests are asked for anew."""


class PullRequests(Struct, frozen=True):
    """Those of an attempt as they were last asked for, oldest first."""

    pull_requests: list[PullRequest]
