"""What attempts have made, in git: moved, looked at, given up, brought back, served."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromQuery, JSONBody
from msgspec.structs import asdict

from stoker.server import paging
from stoker.server.params import App, Name, sent
from stoker.server.resources.projects import matches, opened
from stoker.tasks import devserver
from stoker.wire.attempts import (
    Backups,
    Children,
    CommitView,
    Deleted,
    DevServerView,
    RebaseRequest,
    RestoreRequest,
    TargetRequest,
)
from stoker.wire.tasks import EditorRequest, Matches
from stoker.workspace.model import Backup, BranchStatus

TAG = "work"

_ONE = "/v1/attempts/{attempt_id:str}"


@post(
    f"{_ONE}/rebase",
    status_code=200,
    summary="Put an attempt's commits onto its target, or onto another branch",
    description="Answers with what keeps the commits as they were. 409 `merge-conflict`: the "
    "rebase waits for its conflicts to be resolved, by the agent or by hand, or to be given up.",
)
async def rebase(
    service: App,
    attempt_id: Name,
    data: Annotated[RebaseRequest | None, sent("elsewhere", onto="main")] = None,
) -> Backup:
    return await service.tasks.work.rebase(attempt_id, **asdict(data or RebaseRequest()))


@post(
    f"{_ONE}/conflicts/continue",
    status_code=204,
    summary="Go on with a rebase whose conflicts are resolved in the files",
)
async def resume(service: App, attempt_id: Name) -> None:
    await service.tasks.work.continue_rebase(attempt_id)


@post(
    f"{_ONE}/conflicts/abort",
    status_code=200,
    summary="Go back to before a rebase that stopped at conflicts",
)
async def abort(service: App, attempt_id: Name) -> Backup:
    return await service.tasks.work.abort_conflicts(attempt_id)


@post(f"{_ONE}/target", status_code=200, summary="Have an attempt's work go to another branch")
async def retarget(service: App, attempt_id: Name, data: JSONBody[TargetRequest]) -> BranchStatus:
    return await service.tasks.work.change_target(attempt_id, data.branch)


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


@get(f"{_ONE}/backups", summary="What was given up in an attempt, newest first")
async def backups(service: App, attempt_id: Name) -> Backups:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    return Backups(await service.tasks.work.backups(attempt))


@post(
    f"{_ONE}/restore",
    status_code=200,
    summary="Bring branch and worktree back to a backup",
    description="Answers with what keeps what was there.",
)
async def restore(service: App, attempt_id: Name, data: JSONBody[RestoreRequest]) -> Backup:
    return await service.tasks.work.restore(attempt_id, data.ref)


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


@post(
    f"{_ONE}/steps/{{step:str}}/stop",
    status_code=204,
    summary="End what a step has started: a dev server, or the turn under way",
)
async def stop_step(service: App, attempt_id: Name, step: Name) -> None:
    await service.tasks.turns.stop_step(attempt_id, step)


@delete(_ONE, summary="Forget an attempt; its branch stays, what is in no commit is backed up")
async def remove(service: App, attempt_id: Name) -> None:
    await service.tasks.removal.remove_attempt(attempt_id)
