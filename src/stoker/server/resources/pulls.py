"""Attempts where their repository is hosted: pushes and pull requests."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody
from msgspec.structs import asdict

from stoker.server.params import App, Name, sent
from stoker.tasks.model import PullRequest, Refreshed
from stoker.wire.pulls import Proposal, PullRequests, PushRequest, RefreshRequest
from stoker.workspace.remote import Pushed

TAG = "pull-requests"


@post("/v1/attempts/{attempt_id:str}/push", status_code=200, summary="Push an attempt's branch")
async def push(service: App, attempt_id: Name, data: JSONBody[PushRequest | None] = None) -> Pushed:
    return await service.tasks.pulls.push(attempt_id, force=data is not None and data.force)


@get("/v1/attempts/{attempt_id:str}/pull-requests", summary="The pull requests of an attempt")
async def pull_requests(service: App, attempt_id: Name) -> PullRequests:
    await service.tasks.catalog.attempt(attempt_id)
    return PullRequests(await service.tasks.pulls.of(attempt_id))


@post(
    "/v1/attempts/{attempt_id:str}/pull-requests",
    summary="Push an attempt's branch and open a pull request",
    description="One that the branch has already is taken up instead.",
)
async def create(
    service: App,
    attempt_id: Name,
    data: Annotated[Proposal | None, sent("a draft", draft=True)] = None,
) -> PullRequest:
    return await service.tasks.pulls.create(attempt_id, **asdict(data or Proposal()))


@post(
    "/v1/attempts/{attempt_id:str}/pull-requests/attach",
    status_code=200,
    summary="Take up the pull request that an attempt's branch has",
)
async def attach(service: App, attempt_id: Name) -> PullRequest:
    return await service.tasks.pulls.attach(attempt_id)


@post(
    "/v1/attempts/{attempt_id:str}/pull-requests/refresh",
    status_code=200,
    summary="Ask how an attempt's pull request stands",
    description="If it was merged, the task is done. New review comments, of people who may write "
    "to the repository, are told to the agent.",
)
async def refresh(
    service: App, attempt_id: Name, data: JSONBody[RefreshRequest | None] = None
) -> Refreshed:
    return await service.tasks.pulls.refresh(attempt_id, follow_up=data is None or data.follow_up)
