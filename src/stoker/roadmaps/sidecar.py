"""`.executor/state.json` and `todos.json`: what other tools read, projected from the journal.

They are those of the plan file whose run was written last; each plan file has its own beside
them. Nothing here is ever read back, but for a state of the older executor, which is imported.
"""

from __future__ import annotations

import time
from asyncio import to_thread
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from stoker import whole_file
from stoker.log import get_logger
from stoker.roadmaps.memory.project import make_folder
from stoker.roadmaps.standing import RunStanding, Standing
from stoker.roadmaps.unit import Job, family

log = get_logger(__name__)

FOLDER: Final = ".executor"
NAMES: Final = ("state.json", "todos.json")
VERSION: Final = "1.0"
_LONGEST: Final = 200
_STATUSES: Final = {"done": "completed"}
_DONE: Final = ("completed", "done", "complete")


async def project(found: RunStanding, job: Job) -> None:
    """Write the sidecars of a run, each whole. That they cannot be written keeps nobody from
    working: the journal has it all."""
    try:
        await to_thread(_write, job, state(found, job), todos(found, job))
    except OSError as error:
        log.warning("sidecars not written", error=str(error))


def state(found: RunStanding, job: Job) -> dict[str, Any]:
    """`state.json`."""
    tasks = {task.id: _task(one) for one in found.units for task in one.unit.tasks}
    counts = Counter(task["status"] for task in tasks.values())
    return {
        "version": VERSION,
        "roadmap_path": _relative(job),
        "roadmap_hash": job.sha256,
        "run_id": found.run_id,
        "created_at": _time(found.created),
        "last_updated": _time(time.time()),
        "tasks": tasks,
        "summary": {"total": len(tasks), **counts},
    }


def todos(found: RunStanding, job: Job) -> dict[str, Any]:
    """`todos.json`: tasks and subtasks, flat, in the order they are worked at."""
    return {
        "version": VERSION,
        "roadmap_path": _relative(job),
        "run_id": found.run_id,
        "todos": [
            {
                "id": task.id,
                "content": task.title,
                "status": _STATUSES.get(one.status, one.status),
                "task_id": one.unit.id,
                "section": task.section,
                "line": task.line,
            }
            for one in found.units
            for task in family(one.unit.tasks)
        ],
    }


def _task(one: Standing) -> dict[str, Any]:
    last = one.last
    ended = _time(one.ended)
    files = last.evidence.files if last and last.evidence else ()
    return {
        "status": _STATUSES.get(one.status, one.status),
        "started_at": _time(one.started),
        "completed_at": ended if one.status.startswith("done") else None,
        "failed_at": ended if one.status == "failed" else None,
        "files_modified": list(files),
        "error": one.reason or None if not one.status.startswith("done") else None,
        "failure_category": last.category if last and one.status == "failed" else None,
        "token_usage": {
            "total": sum(t.tokens for t in one.tries),
            "cost_usd": sum(t.cost_usd for t in one.tries),
        },
        "attempts": len(one.tries),
        "agent_run_id": last.run_id if last else None,
    }


def completed_before(root: Path) -> frozenset[str]:
    """Ids of the tasks that a state of the older executor calls completed; of a state of ours
    none, as the journal knows better."""
    path = root / FOLDER / "state.json"
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return frozenset()
    if not isinstance(found, dict) or (root / FOLDER / ".stoker").exists():
        return frozenset()
    tasks = found.get("tasks")
    if not isinstance(tasks, Mapping):
        return frozenset()
    return frozenset(
        name
        for name, task in tasks.items()
        if isinstance(task, Mapping) and task.get("status") in _DONE
    )


def forget(job: Job) -> None:
    """Remove them; what the project remembers stays."""
    folder = Path(job.root, FOLDER)
    if not folder.is_symlink():
        for name in NAMES:
            for written in _names(name, job):
                (folder / written).unlink(missing_ok=True)


def _write(job: Job, *documents: dict[str, Any]) -> None:
    folder = make_folder(Path(job.root))
    whole_file.replace(folder / ".stoker", b"")
    for name, document in zip(NAMES, documents, strict=True):
        content = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        for written in _names(name, job):
            whole_file.replace(folder / written, content)


def _names(name: str, job: Job) -> tuple[str, str]:
    """Where a sidecar is: the plan file's own has another name for each."""
    plan = quote(_relative(job), safe="")
    if len(plan) > _LONGEST:
        plan = f"{plan[:100]}-{sha256(plan.encode()).hexdigest()}"
    return name, f"{name.removesuffix('.json')}-{plan}.json"


def _relative(job: Job) -> str:
    path = Path(job.source)
    return path.relative_to(job.root).as_posix() if path.is_relative_to(job.root) else str(path)


def _time(seconds: float | None) -> str | None:
    return None if not seconds else datetime.fromtimestamp(seconds, UTC).isoformat()
