"""Processes, as they go over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec

from stoker.agents.store import place
from stoker.agents.stream import AssistantMessage, load
from stoker.engine.state import RunState
from stoker.engine.view import iso
from stoker.plan.template import compile_template
from stoker.process.tail import last_lines
from stoker.server.forge.find import Process
from stoker.server.service import Service
from stoker.tasks import plan

STATUSES: Final = {
    "pending": "running",
    "starting": "running",
    "running": "running",
    "succeeded": "completed",
    "failed": "failed",
    "timed_out": "failed",
    "lost": "failed",
    "canceled": "killed",
}
_REASONS: Final = {
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
_OUTPUT_LINES: Final = 500
_STREAM_BYTES: Final = 8 << 20
"""Of a turn's stream that is read for what its agent has said; of a longer one, its summary."""


async def process_with_output(service: Service, one: Process) -> dict[str, Any]:
    """A process, and what it has said."""
    return {**process(one), "output": await asyncio.to_thread(_output, service, one)}


def process(one: Process) -> dict[str, Any]:
    """A process: a script, or a turn of an agent."""
    row = one.row
    before, after = _commits(one)
    status = STATUSES.get(row.status, "failed")
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
    return "\n\n".join(one.text for one in load(stream) if isinstance(one, AssistantMessage))
