"""Attempts where their repository is hosted: pushes and pull requests."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get, post
from litestar.openapi.spec import Example
from litestar.params import Body, JSONBody
from msgspec import Struct

from stoker.server.params import App, Name
from stoker.server.resources.tasks import LongText, Text
from stoker.tasks.model import PullRequest
from stoker.tasks.pulls import Refreshed
from stoker.workspace.remote import Pushed


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


class PullRequests(Struct, frozen=True):
    """Those of an attempt as they were last asked for, oldest first."""

    pull_requests: list[PullRequest]


@post(
    "/v1/attempts/{attempt_id:str}/push",
    tags=["pull-requests"],
    status_code=200,
    summary="Push an attempt's branch",
)
async def push(service: App, attempt_id: Name, data: JSONBody[PushRequest | None] = None) -> Pushed:
    return await service.tasks.pulls.push(attempt_id, force=data is not None and data.force)


@get(
    "/v1/attempts/{attempt_id:str}/pull-requests",
    tags=["pull-requests"],
    summary="The pull requests of an attempt",
)
async def pull_requests(service: App, attempt_id: Name) -> PullRequests:
    await service.tasks.catalog.attempt(attempt_id)
    return PullRequests(await service.tasks.pulls.of(attempt_id))


@post(
    "/v1/attempts/{attempt_id:str}/pull-requests",
    tags=["pull-requests"],
    summary="Push an attempt's branch and open a pull request",
    description="One that the branch has already is taken up instead.",
)
async def create(
    service: App,
    attempt_id: Name,
    data: Annotated[
        Proposal | None, Body(examples=[Example("a draft", value={"draft": True})])
    ] = None,
) -> PullRequest:
    wanted = data or Proposal()
    return await service.tasks.pulls.create(
        attempt_id,
        title=wanted.title,
        body=wanted.body,
        target=wanted.target_branch,
        draft=wanted.draft,
    )


@post(
    "/v1/attempts/{attempt_id:str}/pull-requests/attach",
    tags=["pull-requests"],
    status_code=200,
    summary="Take up the pull request that an attempt's branch has",
)
async def attach(service: App, attempt_id: Name) -> PullRequest:
    return await service.tasks.pulls.attach(attempt_id)


@post(
    "/v1/attempts/{attempt_id:str}/pull-requests/refresh",
    tags=["pull-requests"],
    status_code=200,
    summary="Ask how an attempt's pull request stands",
    description="If it was merged, the task is done. New review comments, of people who may write "
    "to the repository, are told to the agent.",
)
async def refresh(
    service: App, attempt_id: Name, data: JSONBody[RefreshRequest | None] = None
) -> Refreshed:
    return await service.tasks.pulls.refresh(attempt_id, follow_up=data is None or data.follow_up)


ROUTES: list[Any] = [push, pull_requests, create, attach, refresh]
