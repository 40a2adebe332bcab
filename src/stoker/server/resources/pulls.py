"""Attempts where their repository is hosted: pushes and pull requests."""

from __future__ import annotations

from litestar import get

from stoker.client import api
from stoker.server.params import App, Name
from stoker.server.route import route
from stoker.tasks.pulls import Pulls
from stoker.wire.pulls import PullRequests

TAG = "pull-requests"

ROUTES = (
    route(api.Pulls.push, "Push an attempt's branch", Pulls.push),
    route(
        api.Pulls.create,
        "Push an attempt's branch and open a pull request",
        Pulls.create,
        description="One that the branch has already is taken up instead.",
        example=("a draft", {"draft": True}),
        status=201,
    ),
    route(api.Pulls.attach, "Take up the pull request that an attempt's branch has", Pulls.attach),
    route(
        api.Pulls.refresh,
        "Ask how an attempt's pull request stands",
        Pulls.refresh,
        description="If it was merged, the task is done. New review comments, of people who may "
        "write to the repository, are told to the agent.",
    ),
)


@get("/v1/attempts/{attempt_id:str}/pull-requests", summary="The pull requests of an attempt")
async def pull_requests(service: App, attempt_id: Name) -> PullRequests:
    await service.tasks.catalog.attempt(attempt_id)
    return PullRequests(await service.tasks.pulls.of(attempt_id))
