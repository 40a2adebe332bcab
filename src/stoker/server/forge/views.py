"""From the records of the tasks door, and the states of runs, to what goes over the wire."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from stoker.engine.state import RunState
from stoker.engine.view import iso
from stoker.server.forge import find, shapes
from stoker.server.forge.find import processes
from stoker.server.forge.process_view import STATUSES, process
from stoker.server.service import Service
from stoker.tasks import model, plan
from stoker.tasks.standing import Standing, standings
from stoker.workspace.errors import printable
from stoker.workspace.model import FileDiff

AGENT: Final = "forge-agent"
"""Label of tasks that are no work of their own: they have status `agent`, and are not listed."""
_NOTHING: Final = Standing(under_way=False, last=None, merged=False)


def shown(record: Struct, **more: Any) -> dict[str, Any]:
    """A record whose fields are the contract's, its key as `id`, its times as text."""
    fields = asdict(record)
    key = fields.pop(record.__struct_fields__[0])
    times = {name: iso(fields[name]) for name in ("created_at", "updated_at")}
    return {"id": key, **fields, **times, **more}


# Projects and tasks.


def project(record: model.Project) -> dict[str, Any]:
    """A project."""
    return {
        "id": record.project_id,
        "name": record.name,
        "git_repo_path": record.repository,
        "setup_script": record.setup_script,
        "dev_script": record.dev_script,
        "cleanup_script": record.cleanup_script,
        "copy_files": ", ".join(record.copy_files) or None,
        "created_at": iso(record.created_at),
        "updated_at": iso(record.updated_at),
    }


def task(record: model.Task, dev_server: str | None = None) -> dict[str, Any]:
    """A task."""
    return {
        "id": record.task_id,
        "project_id": record.project_id,
        "title": record.title,
        "description": record.description,
        "status": "agent" if AGENT in record.labels else record.status,
        "parent_task_attempt": record.parent_attempt_id,
        "dev_server_id": dev_server,
        "created_at": iso(record.created_at),
        "updated_at": iso(record.updated_at),
    }


def _status(
    service: Service,
    record: model.Task,
    attempts: Sequence[model.Attempt],
    found: dict[str, Standing],
) -> dict[str, Any]:
    """A task, and how its attempts stand. `executor`: of the newest one, `EXECUTOR:VARIANT`."""
    stand = [found.get(one.attempt_id, _NOTHING) for one in attempts]
    return {
        **task(record, find.dev_server(service, attempts)),
        "has_in_progress_attempt": any(one.under_way for one in stand),
        "has_merged_attempt": any(one.merged for one in stand),
        "last_attempt_failed": bool(stand) and STATUSES.get(stand[-1].last or "") in _BAD,
        "executor": executor(attempts[-1]) if attempts else "",
        "attempt_count": len(attempts),
        "executor_profile_id": _profile(attempts[-1]) if attempts else None,
    }


_BAD: Final = ("failed", "killed")


async def tasks(service: Service, project_id: str) -> list[dict[str, Any]]:
    """Those of a project, newest first."""
    catalog = service.tasks.catalog
    records = [one for one in await catalog.tasks(project_id) if AGENT not in one.labels]
    found = await standings(service.engine, service.journal, project_id=project_id)
    attempts: dict[str, list[model.Attempt]] = {}
    for one in await catalog.attempts():
        attempts.setdefault(one.task_id, []).append(one)
    return [
        _status(service, record, attempts.get(record.task_id, ()), found)
        for record in reversed(records)
    ]


async def task_with_status(service: Service, record: model.Task) -> dict[str, Any]:
    """One of them."""
    attempts = await service.tasks.catalog.attempts(record.task_id)
    found = await standings(service.engine, service.journal, task_id=record.task_id)
    return _status(service, record, attempts, found)


async def started(service: Service, record: model.Task, begun: model.Attempt) -> dict[str, Any]:
    """A task, and the attempt that was begun, in every place where callers look for it."""
    attempts = await service.tasks.catalog.attempts(record.task_id)
    found = await standings(service.engine, service.journal, task_id=record.task_id)
    shown = [_attempt(one, record, found.get(one.attempt_id)) for one in reversed(attempts)]
    return {
        **_status(service, record, attempts, found),
        "task": task(record),
        "task_attempt": next(one for one in shown if one["id"] == begun.attempt_id),
        "attempts": shown,
    }


# Attempts.


def executor(record: model.Attempt) -> str:
    """`EXECUTOR:VARIANT`."""
    return f"{record.executor}:{record.variant or 'DEFAULT'}"


def _profile(record: model.Attempt) -> shapes.ProfileId:
    return shapes.ProfileId(executor=record.executor, variant=record.variant)


def _attempt(
    record: model.Attempt, of: model.Task, standing: Standing | None, **more: Any
) -> dict[str, Any]:
    stand = standing or _NOTHING
    last = STATUSES.get(stand.last or "succeeded", "failed")
    return {
        "id": record.attempt_id,
        "task_id": record.task_id,
        "container_ref": record.worktree or None,
        "branch": record.branch,
        "target_branch": record.target_branch,
        "executor": executor(record),
        "worktree_deleted": not os.path.exists(record.worktree),  # noqa: PTH110 - of thousands
        "setup_completed_at": None,
        "input_tokens": None,
        "output_tokens": None,
        "cache_creation_tokens": None,
        "cache_read_tokens": None,
        "created_at": iso(record.created_at),
        "updated_at": iso(record.updated_at),
        # Callers know no other ends of an attempt.
        "status": "running" if stand.under_way else "failed" if last in _BAD else "completed",
        "project_id": of.project_id,
        "title": of.title,
        "description": of.description,
        "executor_profile_id": _profile(record),
        **more,
    }


async def attempts(
    service: Service, *, project_id: str | None = None, task_id: str | None = None
) -> list[dict[str, Any]]:
    """Those of a project, of a task, or all; newest first; without what only their runs tell."""
    catalog = service.tasks.catalog
    found = await standings(service.engine, service.journal, project_id=project_id, task_id=task_id)
    records = [one for one in await catalog.attempts(task_id) if one.attempt_id in found]
    if task_id is not None:
        of = {task_id: await catalog.task(task_id)}
    else:
        keys = [project_id] if project_id else [one.project_id for one in await catalog.projects()]
        of = {one.task_id: one for key in keys for one in await catalog.tasks(key)}
    return [_attempt(one, of[one.task_id], found[one.attempt_id]) for one in reversed(records)]


async def attempt_light(service: Service, record: model.Attempt) -> dict[str, Any]:
    """One attempt, as lists have it."""
    of = await service.tasks.catalog.task(record.task_id)
    key = record.attempt_id
    found = await standings(service.engine, service.journal, attempt_id=key)
    return _attempt(record, of, found.get(key))


async def attempt(service: Service, record: model.Attempt) -> dict[str, Any]:
    """One attempt, whole: with its processes, oldest first."""
    _, of = await service.tasks.catalog.origin(record)
    key = record.attempt_id
    found = await standings(service.engine, service.journal, attempt_id=key)
    of_run = await processes(service, record)
    tokens = _tokens(of_run[0].state) if of_run else {}
    setup = next((one for one in of_run if one.role == "setup"), None)
    if setup is not None and setup.row.status == "succeeded" and setup.row.finished_at:
        tokens["setup_completed_at"] = iso(setup.row.finished_at)
    shown = [process(one) for one in of_run]
    kept = [one for one in shown if not one["dropped"]]
    return _attempt(record, of, found.get(key), **tokens, execution_processes=kept)


def _tokens(state: RunState) -> dict[str, Any]:
    used = [
        step.outputs["tokens"]
        for step in state.steps
        if plan.role(step.step.id) and isinstance(step.outputs.get("tokens"), dict)
    ]
    if not used:
        return {}
    cached = sum(one.get("cached", 0) for one in used)
    return {
        "input_tokens": sum(one.get("input", 0) for one in used) - cached,
        "output_tokens": sum(one.get("output", 0) for one in used),
        "cache_read_tokens": cached,
    }


def diff(one: FileDiff) -> dict[str, Any]:
    """A changed file."""
    change = "permissionChange" if one.change == "permission_change" else one.change
    return {
        "change": change,
        "oldPath": None if one.old_path is None else printable(one.old_path),
        "newPath": None if one.new_path is None else printable(one.new_path),
        "oldContent": one.old_content,
        "newContent": one.new_content,
        "contentOmitted": one.content_omitted,
        "additions": one.additions,
        "deletions": one.deletions,
    }
