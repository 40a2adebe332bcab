"""From the records of the tasks door, and the states of runs, to what goes over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from stoker.agents.store import place
from stoker.agents.stream import AssistantMessage, Entries, decode
from stoker.engine.state import RunState
from stoker.engine.view import iso
from stoker.plan.template import compile_template
from stoker.process.tail import last_lines
from stoker.server.forge import find, shapes
from stoker.server.forge.find import Process, processes
from stoker.server.service import Service
from stoker.tasks import model, plan
from stoker.tasks.standing import Standing, standings
from stoker.workspace.errors import printable
from stoker.workspace.model import FileDiff

AGENT: Final = "forge-agent"
"""Label of tasks that are no work of their own: they have status `agent`, and are not listed."""
_STATUSES: Final[dict[str, shapes.ProcessStatus]] = {
    "pending": "running",
    "starting": "running",
    "running": "running",
    "succeeded": "completed",
    "failed": "failed",
    "timed_out": "failed",
    "lost": "failed",
    "canceled": "killed",
}
_REASONS: Final[dict[str, shapes.RunReason]] = {
    "setup": "setupscript",
    "agent": "codingagent",
    "cleanup": "cleanupscript",
    "devserver": "devserver",
}
_CONTEXTS: Final = {
    "setup": "SetupScript",
    "cleanup": "CleanupScript",
    "devserver": "DevServer",
}
_NOTHING: Final = Standing(under_way=False, last=None, merged=False)
_OUTPUT_LINES: Final = 500
_STREAM_BYTES: Final = 8 << 20
"""Of a turn's stream that is read for what its agent has said; of a longer one, its summary."""


# Projects and tasks.


def project(record: model.Project) -> shapes.Project:
    """A project."""
    return shapes.Project(
        id=record.project_id,
        name=record.name,
        git_repo_path=record.repository,
        setup_script=record.setup_script,
        dev_script=record.dev_script,
        cleanup_script=record.cleanup_script,
        copy_files=", ".join(record.copy_files) or None,
        created_at=iso(record.created_at),
        updated_at=iso(record.updated_at),
    )


def _task(record: model.Task, dev_server: str | None = None) -> dict[str, Any]:
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


def task(record: model.Task) -> shapes.Task:
    """A task."""
    return shapes.Task(**_task(record))


def _status(
    service: Service,
    record: model.Task,
    attempts: Sequence[model.Attempt],
    found: dict[str, Standing],
) -> dict[str, Any]:
    stand = [found.get(one.attempt_id, _NOTHING) for one in attempts]
    serving = (find.dev_server(service, one) for one in attempts)
    return {
        **_task(record, next(filter(None, serving), None)),
        "has_in_progress_attempt": any(one.under_way for one in stand),
        "has_merged_attempt": any(one.merged for one in stand),
        "last_attempt_failed": bool(stand) and _STATUSES.get(stand[-1].last or "") in _BAD,
        "executor": executor(attempts[-1]) if attempts else "",
        "attempt_count": len(attempts),
        "executor_profile_id": _profile(attempts[-1]) if attempts else None,
    }


_BAD: Final = ("failed", "killed")


async def tasks(service: Service, project_id: str) -> list[shapes.TaskWithStatus]:
    """Those of a project, newest first."""
    catalog = service.tasks.catalog
    records = [one for one in await catalog.tasks(project_id) if AGENT not in one.labels]
    found = await standings(service.engine, service.journal, project_id=project_id)
    attempts: dict[str, list[model.Attempt]] = {}
    for one in await catalog.attempts():
        attempts.setdefault(one.task_id, []).append(one)
    return [
        shapes.TaskWithStatus(**_status(service, record, attempts.get(record.task_id, ()), found))
        for record in reversed(records)
    ]


async def task_with_status(service: Service, record: model.Task) -> shapes.TaskWithStatus:
    """One of them."""
    attempts = await service.tasks.catalog.attempts(record.task_id)
    found = await standings(service.engine, service.journal, task_id=record.task_id)
    return shapes.TaskWithStatus(**_status(service, record, attempts, found))


async def started(service: Service, record: model.Task, begun: model.Attempt) -> shapes.Started:
    """A task, and the attempt that was begun."""
    attempts = await service.tasks.catalog.attempts(record.task_id)
    found = await standings(service.engine, service.journal, task_id=record.task_id)
    shown = [_light(one, record, found.get(one.attempt_id)) for one in reversed(attempts)]
    return shapes.Started(
        **_status(service, record, attempts, found),
        task=task(record),
        task_attempt=next(one for one in shown if one.id == begun.attempt_id),
        attempts=shown,
    )


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
    last = _STATUSES.get(stand.last or "succeeded", "failed")
    return {
        "id": record.attempt_id,
        "task_id": record.task_id,
        "container_ref": record.worktree or None,
        "branch": record.branch,
        "target_branch": record.target_branch,
        "executor": executor(record),
        "worktree_deleted": not Path(record.worktree).exists(),
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


def _light(record: model.Attempt, of: model.Task, standing: Standing | None) -> shapes.Attempt:
    return shapes.Attempt(**_attempt(record, of, standing))


async def attempts(
    service: Service, *, project_id: str | None = None, task_id: str | None = None
) -> list[shapes.Attempt]:
    """Those of a project, of a task, or all; newest first; without what only their runs tell."""
    catalog = service.tasks.catalog
    found = await standings(service.engine, service.journal, project_id=project_id, task_id=task_id)
    records = [one for one in await catalog.attempts(task_id) if one.attempt_id in found]
    of = {key: await catalog.task(key) for key in {one.task_id for one in records}}
    return [_light(one, of[one.task_id], found[one.attempt_id]) for one in reversed(records)]


async def attempt_light(service: Service, record: model.Attempt) -> shapes.Attempt:
    """One attempt, as lists have it."""
    of = await service.tasks.catalog.task(record.task_id)
    key = record.attempt_id
    found = await standings(service.engine, service.journal, attempt_id=key)
    return _light(record, of, found.get(key))


async def attempt(service: Service, record: model.Attempt) -> shapes.AttemptWithProcesses:
    """One attempt, whole."""
    _, of = await service.tasks.catalog.origin(record)
    key = record.attempt_id
    found = await standings(service.engine, service.journal, attempt_id=key)
    of_run = await processes(service, record)
    tokens = _tokens(of_run[0].state) if of_run else {}
    setup = next((one for one in of_run if one.role == "setup"), None)
    if setup is not None and setup.row.status == "succeeded" and setup.row.finished_at:
        tokens["setup_completed_at"] = iso(setup.row.finished_at)
    shown = [process(one) for one in of_run]
    return shapes.AttemptWithProcesses(
        **_attempt(record, of, found.get(key), **tokens),
        execution_processes=[one for one in shown if not one.dropped],
    )


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


# Processes.


def process(one: Process) -> shapes.Process:
    """A process."""
    return shapes.Process(**_process(one))


async def process_with_output(service: Service, one: Process) -> shapes.ProcessWithOutput:
    """A process, and what it has said."""
    said = await asyncio.to_thread(_output, service, one)
    return shapes.ProcessWithOutput(**_process(one), output=said)


def _process(one: Process) -> dict[str, Any]:
    row = one.row
    before, after = _commits(one)
    status = _STATUSES.get(row.status, "failed")
    return {
        "id": one.id,
        "task_attempt_id": one.attempt.attempt_id,
        "run_reason": _REASONS[one.role],
        "executor_action": _action(one.state, one.role, one.turn),
        "before_head_commit": before,
        "after_head_commit": after,
        "status": status,
        "exit_code": row.exit_code,
        "dropped": one.role != "devserver" and one.turn in plan.dropped(one.state.steps),
        "started_at": iso(row.started_at),
        "completed_at": None if row.finished_at is None else iso(row.finished_at),
        "created_at": iso(row.started_at),
        "updated_at": iso(row.finished_at or row.started_at),
    }


def _commits(one: Process) -> tuple[str | None, str | None]:
    """What was checked out before and after."""
    begun = one.attempt.base_commit or None
    if one.role in ("setup", "devserver"):
        return begun, begun
    before = _origin(one).before or begun
    index = one.state.graph.index.get(f"checkpoint-{one.turn}")
    if index is None or not one.state.steps[index].satisfied:
        return before, None
    after = one.state.steps[index].outputs.get("commit") or before
    return (before, after) if one.role == "agent" else (after, after)


def _origin(one: Process) -> plan.Origin:
    return msgspec.convert(one.state[f"agent-{one.turn}"].step.ui_hints, plan.Origin)


def _action(state: RunState, role: str, turn: int) -> dict[str, Any]:
    """What a process does, and what is to follow it."""
    step_id = role if role == "setup" else f"{role}-{turn}"
    step = state[step_id].step
    if role != "agent":
        typ: dict[str, Any] = {
            "type": "ScriptRequest",
            "script": _literal(step.run or ""),
            "language": "Bash",
            "context": _CONTEXTS[role],
        }
        return {"typ": typ, "next_action": _action(state, "agent", 1) if role == "setup" else None}
    asked = step.step_def or {}
    name, _, variant = _literal(asked["profile"]).partition(":")
    typ = {"type": "CodingAgentInitialRequest", "prompt": _literal(asked["prompt"])}
    if asked.get("session") or asked.get("continues"):
        typ["type"] = "CodingAgentFollowUpRequest"
        typ["session_id"] = _literal(asked.get("session") or "")
    typ["executor_profile_id"] = {"executor": name, "variant": variant or None}
    follows = f"cleanup-{turn}" in state.graph.index
    return {"typ": typ, "next_action": _action(state, "cleanup", turn) if follows else None}


def _literal(template: str) -> str:
    """The text that a template without expressions stands for."""
    return "".join(part for part in compile_template(template).parts if isinstance(part, str))


def _output(service: Service, one: Process) -> str:
    if one.role == "agent":
        run = service.tasks.progress.directory(one.attempt)
        return said(place(run, one.row.step_id, one.row.attempt) / "stream") or str(
            one.step.outputs.get("summary") or one.row.error or ""
        )
    lines: list[str] = []
    for path in filter(None, (one.row.stdout_path, one.row.stderr_path)):
        if Path(path).exists():
            lines += last_lines(path, _OUTPUT_LINES)
    return "\n".join(lines)


def said(stream: Path) -> str:
    """What an agent has said in a turn, message by message; empty if it was too much."""
    if not stream.exists() or stream.stat().st_size > _STREAM_BYTES:
        return ""
    lines = stream.read_bytes().split(b"\n")[:-1]
    entries = Entries(decode(line) for line in lines)
    return "\n\n".join(one.text for one in entries if isinstance(one, AssistantMessage))


# What is in git.


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
