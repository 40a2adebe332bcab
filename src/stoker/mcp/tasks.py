"""Tools for tasks: agents at work in worktrees of their own."""

from __future__ import annotations

import time
from typing import Annotated, Any

from msgspec import Meta, Struct

from stoker.client import api
from stoker.client.client import Client
from stoker.mcp.bounds import Bounded, head, tail, told
from stoker.mcp.tool import Report, Tools
from stoker.wire.attempts import AttemptView

TOOLS = Tools()
Seconds = Annotated[float, Meta(gt=0, le=3600)]
_STEP_SEC = 10.0
_WHO = ("executor", "variant", "base_branch")
"""An agent, as `list_agents` names them, and a branch; default: the one checked out."""


class OfAttempt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    attempt_id: str


class OfTurn(OfAttempt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    turn: int | None = None
    """Default: the last."""


class Answered(OfAttempt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    turn: int
    approval_id: str
    allowed: bool
    reason: str = ""


class WaitFor(OfAttempt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timeout_sec: Seconds = 300


class Done(Struct, frozen=True, kw_only=True):
    done: bool = True


TOOLS.ask(
    "list_projects",
    api.Projects.list,
    "All projects: repositories that tasks are done in.",
    reads=True,
)
TOOLS.ask(
    "create_project",
    api.Projects.create,
    "Make a project of a repository, a git working tree on the server's machine.",
    *("name", "repository"),
)
TOOLS.ask(
    "list_agents",
    api.Server.agents,
    "The agents that tasks can be begun with, and which are installed.",
    reads=True,
)
TOOLS.ask(
    "list_tasks",
    api.Tasks.list,
    "The tasks of a project with their attempts, oldest first. `cursor`: `next_cursor` of the "
    "page before.",
    "cursor",
    reads=True,
    limit=50,
)
TOOLS.ask("view_task", api.Tasks.show, "A task and its attempts.", reads=True)
TOOLS.ask(
    "create_task",
    api.Tasks.create,
    "Write a task down; nobody begins with it yet.",
    *("title", "description"),
)
TOOLS.ask(
    "start_task",
    api.Attempts.create_and_start,
    "Write a task down and have an agent begin with it, on a branch and in a worktree of its own. "
    "Title and description are what the agent is told. It is at work when this answers: "
    "`wait_for_attempt` waits for its end.",
    *("project_id", "title", "description", *_WHO),
)
TOOLS.ask(
    "start_attempt",
    api.Tasks.start,
    "Have an agent begin with a task that is written down already: another try at it.",
    *_WHO,
)
TOOLS.ask(
    "view_attempt",
    api.Attempts.show,
    "How an attempt stands: its branch, its turns and whether its agent is at work (`busy`).",
    reads=True,
)
TOOLS.ask(
    "continue_attempt",
    api.Attempts.follow_up,
    "Tell the agent of an attempt more. While it is at work, this waits for the end of its turn "
    "(`started` is false).",
    "prompt",
)
TOOLS.ask(
    "merge_attempt",
    api.Attempts.merge,
    "Squash an attempt's work into its target branch; its task is done then.",
    destroys=True,
)
TOOLS.ask("list_approvals", api.Attempts.asking, "What agents wait to be allowed.", reads=True)


@TOOLS.add(reads=True)
async def wait_for_attempt(client: Client, given: WaitFor, report: Report) -> AttemptView:
    """Wait until an attempt's agent is at rest or asks for approval, or the time is over: `busy`
    says which."""
    end = time.monotonic() + given.timeout_sec
    while True:
        left = end - time.monotonic()
        view = await client.attempts.show(given.attempt_id, wait_sec=pause(left))
        asks = view.busy and await _asks(client, given.attempt_id)
        if not view.busy or asks or time.monotonic() >= end:
            return view
        await report(given.timeout_sec - left, f"turn {_last(view)} is {view.status}")


def pause(left: float) -> float:
    """For how long to wait at once, of so many seconds, before it is told how far things are."""
    return round(max(0.0, min(left, _STEP_SEC)), 3)


async def _asks(client: Client, attempt_id: str) -> bool:
    asking = (await client.attempts.asking()).approvals
    return any(one.attempt_id == attempt_id for one in asking)


@TOOLS.add(reads=True)
async def attempt_log(client: Client, given: OfTurn, report: Report) -> Bounded:
    """What the agent said and did in a turn; the end of it, if it is long."""
    turn = given.turn or _last(await client.attempts.show(given.attempt_id))
    return tail(told((await client.attempts.transcript(given.attempt_id, turn)).entries))


@TOOLS.add(reads=True)
async def attempt_diff(client: Client, given: OfAttempt, report: Report) -> Bounded:
    """What an attempt has changed, as a patch; the beginning of it, if it is long."""
    return head((await client.attempts.patch(given.attempt_id)).decode(errors="replace"))


@TOOLS.add(destroys=True)
async def stop_attempt(client: Client, given: OfAttempt, report: Report) -> AttemptView:
    """End the turn of an attempt's agent; what it has done is kept on its branch."""
    await client.attempts.stop(given.attempt_id)
    return await client.attempts.show(given.attempt_id)


@TOOLS.add(destroys=True)
async def answer_approval(client: Client, given: Answered, report: Report) -> Done:
    """Allow or refuse what an agent asks for."""
    await client.attempts.answer(
        given.attempt_id,
        given.turn,
        given.approval_id,
        allowed=given.allowed,
        reason=given.reason,
    )
    return Done()


def _last(view: Any) -> int:
    return max((step.turn for step in view.steps), default=1)
