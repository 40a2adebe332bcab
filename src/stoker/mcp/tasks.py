"""Tools for tasks: agents at work in worktrees of their own."""

from __future__ import annotations

import time
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict

from stoker.client.client import Client
from stoker.mcp.bounds import Bounded, head, tail, told
from stoker.mcp.tool import Report, Tools
from stoker.tasks.model import Project, Started, Task
from stoker.wire.attempts import Asking, AttemptView, Told
from stoker.wire.server import Agents
from stoker.wire.tasks import Projects, Tasks, TaskView
from stoker.workspace.model import Merged

TOOLS = Tools()
Seconds = Annotated[float, Meta(gt=0, le=3600)]
_STEP_SEC = 10.0


class Nothing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No arguments."""


class OfProject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    project_id: str
    cursor: str | None = None
    """`next_cursor` of the page before."""


class OfTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    task_id: str


class OfAttempt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    attempt_id: str


class OfTurn(OfAttempt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    turn: int | None = None
    """Default: the last."""


class NewProject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    repository: str
    """Path of a git working tree on the server's machine."""


class NewTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    project_id: str
    title: str
    description: str | None = None


class Begin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    executor: str
    """An agent, as `list_agents` names them."""
    variant: str | None = None
    base_branch: str | None = None
    """Default: the one checked out in the repository."""


class BeginTask(Begin, frozen=True, kw_only=True, forbid_unknown_fields=True):
    project_id: str
    title: str
    description: str | None = None


class BeginAttempt(Begin, frozen=True, kw_only=True, forbid_unknown_fields=True):
    task_id: str


class More(OfAttempt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prompt: str


class Answered(OfAttempt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    turn: int
    approval_id: str
    allowed: bool
    reason: str = ""


class WaitFor(OfAttempt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timeout_sec: Seconds = 300


class Done(Struct, frozen=True, kw_only=True):
    done: bool = True


@TOOLS.add(reads=True)
async def list_projects(client: Client, given: Nothing, report: Report) -> Projects:
    """All projects: repositories that tasks are done in."""
    return await client.projects.list()


@TOOLS.add()
async def create_project(client: Client, given: NewProject, report: Report) -> Project:
    """Make a project of a repository."""
    return await client.projects.create(**asdict(given))


@TOOLS.add(reads=True)
async def list_agents(client: Client, given: Nothing, report: Report) -> Agents:
    """The agents that tasks can be begun with, and which are installed."""
    return await client.server.agents()


@TOOLS.add(reads=True)
async def list_tasks(client: Client, given: OfProject, report: Report) -> Tasks:
    """The tasks of a project with their attempts, oldest first."""
    return await client.tasks.list(given.project_id, cursor=given.cursor, limit=50)


@TOOLS.add(reads=True)
async def view_task(client: Client, given: OfTask, report: Report) -> TaskView:
    """A task and its attempts."""
    return await client.tasks.show(given.task_id)


@TOOLS.add()
async def create_task(client: Client, given: NewTask, report: Report) -> Task:
    """Write a task down; nobody begins with it yet."""
    return await client.tasks.create(
        given.project_id, title=given.title, description=given.description
    )


@TOOLS.add()
async def start_task(client: Client, given: BeginTask, report: Report) -> Started:
    """Write a task down and have an agent begin with it, on a branch and in a worktree of its
    own. Title and description are what the agent is told. It is at work when this answers:
    `wait_for_attempt` waits for its end."""
    return await client.attempts.create_and_start(**asdict(given))


@TOOLS.add()
async def start_attempt(client: Client, given: BeginAttempt, report: Report) -> Started:
    """Have an agent begin with a task that is written down already: another try at it."""
    return await client.tasks.start(
        given.task_id,
        executor=given.executor,
        variant=given.variant,
        base_branch=given.base_branch,
    )


@TOOLS.add(reads=True)
async def view_attempt(client: Client, given: OfAttempt, report: Report) -> AttemptView:
    """How an attempt stands: its branch, its turns and whether its agent is at work (`busy`)."""
    return await client.attempts.show(given.attempt_id)


@TOOLS.add(reads=True)
async def wait_for_attempt(client: Client, given: WaitFor, report: Report) -> AttemptView:
    """Wait until an attempt's agent is at rest or asks for approval, or the time is over: `busy`
    says which."""
    end = time.monotonic() + given.timeout_sec
    while True:
        left = end - time.monotonic()
        view = await client.attempts.show(
            given.attempt_id, wait_sec=round(max(0.0, min(left, _STEP_SEC)), 3)
        )
        asks = view.busy and await _asks(client, given.attempt_id)
        if not view.busy or asks or time.monotonic() >= end:
            return view
        await report(given.timeout_sec - left, f"turn {_last(view)} is {view.status}")


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


@TOOLS.add()
async def continue_attempt(client: Client, given: More, report: Report) -> Told:
    """Tell the agent of an attempt more. While it is at work, this waits for the end of its turn
    (`started` is false)."""
    return await client.attempts.follow_up(given.attempt_id, prompt=given.prompt)


@TOOLS.add(destroys=True)
async def stop_attempt(client: Client, given: OfAttempt, report: Report) -> AttemptView:
    """End the turn of an attempt's agent; what it has done is kept on its branch."""
    await client.attempts.stop(given.attempt_id)
    return await client.attempts.show(given.attempt_id)


@TOOLS.add(destroys=True)
async def merge_attempt(client: Client, given: OfAttempt, report: Report) -> Merged:
    """Squash an attempt's work into its target branch; its task is done then."""
    return await client.attempts.merge(given.attempt_id)


@TOOLS.add(reads=True)
async def list_approvals(client: Client, given: Nothing, report: Report) -> Asking:
    """What agents wait to be allowed."""
    return await client.attempts.asking()


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
