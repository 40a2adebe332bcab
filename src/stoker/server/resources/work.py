"""What attempts have made, in git: moved, looked at, given up, brought back, served."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromQuery, JSONBody

from stoker.client import api, work
from stoker.server import paging
from stoker.server.params import App, Name
from stoker.server.resources.projects import matches, opened
from stoker.server.route import route
from stoker.tasks import devserver
from stoker.tasks.removal import Removal
from stoker.tasks.turns import Turns
from stoker.tasks.work import Work
from stoker.wire.attempts import (
    Children,
    CommitView,
    Deleted,
    DevServerView,
)
from stoker.wire.tasks import EditorRequest, Matches

TAG = "work"

ROUTES = (
    route(
        work.Work.rebase,
        "Put an attempt's commits onto its target, or onto another branch",
        Work.rebase,
        description="Answers with what keeps the commits as they were. 409 `merge-conflict`: the "
        "rebase waits for its conflicts to be resolved, by the agent or by hand, or to be given "
        "up.",
        example=("elsewhere", {"onto": "main"}),
    ),
    route(
        work.Work.resolved,
        "Go on with a rebase whose conflicts are resolved in the files",
        Work.continue_rebase,
    ),
    route(
        work.Work.abort,
        "Go back to before a rebase that stopped at conflicts",
        Work.abort_conflicts,
    ),
    route(work.Work.retarget, "Have an attempt's work go to another branch", Work.change_target),
    route(
        work.Work.backups,
        "What was given up in an attempt, newest first",
        Work.backups,
        of_attempt=True,
    ),
    route(
        work.Work.restore,
        "Bring branch and worktree back to a backup",
        Work.restore,
        description="Answers with what keeps what was there.",
    ),
    route(
        work.Work.stop_step,
        "End what a step has started: a dev server, or the turn under way",
        Turns.stop_step,
    ),
    route(
        api.Attempts.remove,
        "Forget an attempt; its branch stays, what is in no commit is backed up",
        Removal.remove_attempt,
    ),
)

_ONE = "/v1/attempts/{attempt_id:str}"


@delete(f"{_ONE}/files", status_code=200, summary="Delete a file, and commit that")
async def delete_file(service: App, attempt_id: Name, path: FromQuery[str]) -> Deleted:
    return Deleted((await service.tasks.work.delete_file(attempt_id, path)).oid)


@get(f"{_ONE}/commits/{{sha:str}}", summary="A commit, and how HEAD stands to it")
async def commit(service: App, attempt_id: Name, sha: Name) -> CommitView:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    oid, subject = await service.tasks.work.commit_info(attempt, sha)
    compared = await service.tasks.work.compare(attempt, oid)
    return CommitView(
        sha=oid,
        subject=subject,
        head=compared.head_oid,
        ahead=compared.ahead_from_head,
        behind=compared.behind_from_head,
        is_linear=compared.is_linear,
    )


@get(f"{_ONE}/children", summary="What an attempt comes from, and has led to")
async def children(service: App, attempt_id: Name) -> Children:
    parent, attempt, found = await service.tasks.work.children(attempt_id)
    return Children(parent=parent, attempt=attempt, children=found)


@get(f"{_ONE}/search", summary="Files and directories of a worktree by name")
async def search(
    service: App, attempt_id: Name, q: FromQuery[str], limit: paging.Limit = 50
) -> Matches:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    project, _ = await service.tasks.catalog.origin(attempt)
    return matches(await service.tasks.work.search(project, q, attempt=attempt, limit=limit))


@post(
    f"{_ONE}/open-editor",
    status_code=204,
    summary="Open a worktree in an editor, on the server's machine",
)
async def open_editor(
    service: App, attempt_id: Name, data: JSONBody[EditorRequest | None] = None
) -> None:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    await opened(attempt.worktree, data or EditorRequest())


@get(f"{_ONE}/dev-server", summary="Whether the worktree is served")
async def dev_server(service: App, attempt_id: Name) -> DevServerView:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    state = await service.tasks.turns.devservers.state(attempt)
    last = state.steps[-1] if state else None
    return DevServerView(
        run_id=devserver.run_id(attempt),
        step=last.step.id if last else None,
        status=last.status if last else None,
    )


@post(
    f"{_ONE}/dev-server",
    status_code=200,
    summary="Serve the worktree; a server that runs is stopped first",
)
async def start_dev_server(service: App, attempt_id: Name) -> DevServerView:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    step = await service.tasks.turns.start_dev_server(attempt_id)
    return DevServerView(run_id=devserver.run_id(attempt), step=step, status="running")
