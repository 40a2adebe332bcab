"""Attempts in git: how their branches stand, and where their work goes."""

from __future__ import annotations

from typing import Any

from litestar.params import FromQuery
from msgspec import Struct
from msgspec.structs import asdict

from stoker.engine.view import iso
from stoker.server.forge import find, pulls, views
from stoker.server.forge.envelope import (
    Business,
    Envelope,
    Unreadable,
    get,
    ok,
    post,
    read,
)
from stoker.server.params import App, Asked, Name
from stoker.server.service import Service
from stoker.tasks.model import Attempt
from stoker.workspace.errors import (
    MergeConflict,
    NoOperationInProgress,
    RebaseInProgress,
    UnknownBranch,
    printable,
)

_ONE = "/api/task-attempts/{attempt_id:str}"


class Rebase(Struct, frozen=True, kw_only=True):
    """Onto what: `base_branch` is what the client calls it."""

    old_base_branch: str | None = None
    new_base_branch: str | None = None
    base_branch: str | None = None


class Target(Struct, frozen=True, kw_only=True):
    """Where the work is to go: `target_branch` is what the client calls it."""

    new_target_branch: str | None = None
    target_branch: str | None = None


@get(f"{_ONE}/branch-status")
async def branch_status(service: App, attempt_id: Name) -> Envelope:
    record = await find.attempt(service, attempt_id)
    found = await service.tasks.work.branch_status(record)
    shown = asdict(found)
    del shown["branch"], shown["operation"]
    return ok(
        {
            **shown,
            "has_uncommitted_changes": found.has_uncommitted_changes,
            "merges": await _merges(service, record),
            "is_rebase_in_progress": found.is_rebase_in_progress,
            "conflict_op": found.operation,
            "conflicted_files": [printable(one) for one in found.conflicted_files],
        }
    )


@post(f"{_ONE}/rebase")
async def rebase(service: App, request: Asked, attempt_id: Name) -> Envelope:
    body = await read(request, Rebase)
    record = await find.at_rest(service, attempt_id)
    try:
        await service.tasks.work.rebase(
            record.attempt_id,
            onto=body.new_base_branch or body.base_branch,
            old_base=body.old_base_branch,
        )
    except MergeConflict as error:
        told = {"type": "merge_conflicts", "message": str(error), "op": error.operation}
        raise Business(None, told) from error
    except RebaseInProgress as error:
        raise Business(None, {"type": "rebase_in_progress"}) from error
    except UnknownBranch as error:
        raise _no_branch(error) from error
    return ok()


@post(f"{_ONE}/merge")
async def merge(service: App, attempt_id: Name) -> Envelope:
    record = await find.at_rest(service, attempt_id)
    await service.tasks.work.merge(record.attempt_id)
    return ok()


@post(f"{_ONE}/conflicts/abort")
async def abort(service: App, attempt_id: Name) -> Envelope:
    """Where nothing is to be aborted, it is aborted."""
    record = await find.at_rest(service, attempt_id)
    try:
        await service.tasks.work.abort_conflicts(record.attempt_id)
    except NoOperationInProgress:
        return ok()
    return ok()


@post(f"{_ONE}/change-target-branch")
async def change_target(service: App, request: Asked, attempt_id: Name) -> Envelope:
    body = await read(request, Target)
    branch = body.new_target_branch or body.target_branch
    if branch is None:
        raise Unreadable(422, "Failed to deserialize the JSON body: no `new_target_branch`")
    record = await find.attempt(service, attempt_id)
    try:
        found = await service.tasks.work.change_target(record.attempt_id, branch)
    except UnknownBranch as error:
        raise _no_branch(error) from error
    status = [found.commits_ahead, found.commits_behind]
    return ok({"new_target_branch": branch, "status": status})


@get(f"{_ONE}/commit-info")
async def commit_info(service: App, attempt_id: Name, sha: FromQuery[str]) -> Envelope:
    record = await find.attempt(service, attempt_id)
    found, subject = await service.tasks.work.commit_info(record, sha)
    return ok({"sha": found, "subject": subject})


@get(f"{_ONE}/commit-compare")
async def compare(service: App, attempt_id: Name, sha: FromQuery[str]) -> Envelope:
    record = await find.attempt(service, attempt_id)
    return ok(await service.tasks.work.compare(record, sha))


@get(f"{_ONE}/children")
async def children(service: App, attempt_id: Name) -> Envelope:
    record = await find.attempt(service, attempt_id)
    parent, current, found = await service.tasks.work.children(record.attempt_id)
    return ok(
        {
            "parent_task": None if parent is None else views.task(parent),
            "current_attempt": await views.attempt_light(service, current),
            "children": [views.task(one) for one in found],
        }
    )


@post(f"{_ONE}/delete-file")
async def delete_file(service: App, attempt_id: Name, file_path: FromQuery[str]) -> Envelope:
    record = await find.at_rest(service, attempt_id)
    await service.tasks.work.delete_file(record.attempt_id, file_path)
    return ok()


def _no_branch(error: UnknownBranch) -> Business:
    return Business(f"Branch '{error.name}' does not exist in the repository")


async def _merges(service: Service, record: Attempt) -> list[dict[str, Any]]:
    """Merges made here, and pull requests."""
    direct = [
        {
            "type": "direct",
            "id": one.merge_id,
            "task_attempt_id": one.attempt_id,
            "merge_commit": one.merge_commit,
            "target_branch_name": one.target_branch,
            "created_at": iso(one.created_at),
        }
        for one in await service.tasks.work.merges(record)
    ]
    proposed = [pulls.merge(one) for one in await service.tasks.pulls.of(record.attempt_id)]
    return sorted([*direct, *proposed], key=lambda one: str(one["created_at"]))
