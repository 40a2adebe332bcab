"""What agents are to be told next, or in the place of what they were told."""

from __future__ import annotations

from litestar import get

from stoker.client import work
from stoker.server.params import App, Kind, Name
from stoker.server.problems import not_found
from stoker.server.route import route
from stoker.tasks.model import Draft
from stoker.tasks.turns import Turns

TAG = "drafts"

ROUTES = (
    route(
        work.Drafts.save,
        "Write down what an agent is to be told, or change it",
        Turns.save_draft,
        description="`follow_up`: next; `retry`: in the place of a turn. With `expected_version`, "
        "409 if somebody else was faster.",
        example=("one", {"prompt": "Also add a test", "expected_version": 0}),
    ),
    route(work.Drafts.remove, "Take back what is written down", Turns.remove_draft),
    route(
        work.Drafts.queue,
        "Have it sent as soon as the agent is idle, at once if it is, or not",
        Turns.queue_draft,
    ),
    route(
        work.Work.replace,
        "Begin another turn in the place of this and all later ones",
        Turns.replace,
        description="What runs is stopped, the worktree goes back to before the turn, and what is "
        "given up is backed up.",
    ),
)

_ONE = "/v1/attempts/{attempt_id:str}/drafts/{kind:str}"


@get(_ONE, summary="What is written down for an agent")
async def show(service: App, attempt_id: Name, kind: Kind) -> Draft:
    await service.tasks.catalog.attempt(attempt_id)
    found = await service.tasks.turns.draft(attempt_id, kind)
    if found is None:
        raise not_found("nothing is written down")
    return found
