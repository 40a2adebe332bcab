"""Sessions of agents that another program has written down, as tasks.

The file is JSON: `{"version": 1, "agents": {AGENT: SESSION}}`, or `{"version": 2, "sessions":
{SESSION ID: SESSION}}` (in version 3 by name). A session becomes a task of the project; all that
is said of it is kept as it is, and an attempt at the task by the same executor goes on in its
conversation.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.journal.base import Journal
from stoker.tasks.documents import Documents
from stoker.tasks.errors import Invalid
from stoker.tasks.model import Document, Project, Task, TaskStatus
from stoker.tasks.store import DOCUMENTS, TASKS

_SPACE: Final = uuid.UUID("6a3f9d52-3f0e-4c86-9a3c-0d0c6f1f7b11")
_STATUS: Final[dict[str, TaskStatus]] = {
    "completed": "done",
    "abandoned": "cancelled",
    "stopped": "cancelled",
    "cancelled": "cancelled",
    "canceled": "cancelled",
}
"""What is not over well is to be looked at: nobody drives it any more."""
_TEXTS: Final = ("agent", "name", "executor", "executorVariant", "model", "sessionId", "status")
_MORE_TEXTS: Final = ("created", "lastUsed", "lastPrompt", "logFile", "mode", "preset")
_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,199}", re.ASCII)
_TITLE: Final = 200
_DEPTH: Final = 100


class Session(Struct, frozen=True, kw_only=True):
    """One of them, as it was written down."""

    key: str
    pointer: str
    """Of the place in the file."""
    told: dict[str, Any]
    file: str = ""

    def text(self, name: str) -> str:
        """A field that holds text; empty: it has none."""
        return self.told.get(name) or ""

    @property
    def agent(self) -> str:
        named = "" if self.pointer.startswith("/sessions/") else self.key
        return self.text("agent") or named or self.key

    @property
    def session_id(self) -> str:
        named = self.key if self.pointer.startswith("/sessions/") else ""
        return self.text("sessionId") or ("" if self.text("name") == named else named)

    @property
    def executor(self) -> str:
        """As profiles name it."""
        given = self.text("executor").upper().replace("-", "_")
        return "CLAUDE_CODE" if given == "CLAUDE" else given


class Imported(Struct, frozen=True, kw_only=True):
    """What has become of a session."""

    session: Session
    task: Task
    new: bool
    """False: it was there already."""


def parse(text: bytes) -> list[Session]:
    """The sessions of a file. Raises `Invalid` with all that is wrong, and where."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"no JSON: {error}") from error
    if not isinstance(document, dict) or not {"sessions", "agents"} & document.keys():
        raise Invalid("expected an object with `sessions` or `agents` at the top")
    found, wrong = list[Session](), list[str]()
    for part in ("agents", "sessions"):
        entries = document.get(part) or {}
        if not isinstance(entries, dict):
            wrong.append(f"/{part}: expected an object, found {_kind(entries)}")
            continue
        for key, told in entries.items():
            pointer = f"/{part}/{key.replace('~', '~0').replace('/', '~1')}"
            if faults := _faults(pointer, told):
                wrong += faults
                continue
            session = Session(key=key, pointer=pointer, told=told)
            found.append(session)
            if (id := session.session_id) and _ID.fullmatch(id) is None:
                place = f"{pointer}/sessionId" if session.text("sessionId") else pointer
                wrong.append(f"{place}: expected the id of a session, found {id!r}")
    if wrong:
        raise Invalid("\n".join(wrong))
    return found


def _faults(pointer: str, told: Any) -> list[str]:
    if not isinstance(told, dict):
        return [f"{pointer}: expected an object, found {_kind(told)}"]
    if _deep(told):
        return [f"{pointer}: more than {_DEPTH} levels deep"]
    faults = [
        f"{pointer}/{name}: expected text, found {_kind(told[name])}"
        for name in (*_TEXTS, *_MORE_TEXTS)
        if not isinstance(told.get(name), str | None)
    ]
    for name in ("created", "lastUsed"):
        if isinstance(told.get(name), str) and _time(told[name]) is None:
            faults.append(f"{pointer}/{name}: expected a time, found {told[name]!r}")
    return faults


def _deep(value: Any, left: int = _DEPTH) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not left or any(_deep(part, left - 1) for part in parts)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return msgspec.json.encode(value).decode()
    names: dict[type, str] = {dict: "an object", list: "an array", str: "text"}
    return names.get(type(value), "a number")


def _time(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def task_of(project: Project, session: Session) -> Task:
    """The task that a session becomes, the same each time."""
    prompt, name = session.text("lastPrompt"), session.text("name") or session.agent
    first = next((line.strip() for line in prompt.splitlines() if line.strip()), name)
    facts = {
        "Agent": session.agent,
        "Executor": ":".join(filter(None, (session.executor, session.text("executorVariant")))),
        "Model": session.text("model"),
        "Session": session.session_id,
        "Log": session.text("logFile"),
    }
    lines = [f"{what}: {fact}" for what, fact in facts.items() if fact]
    created = _time(session.text("created") or session.text("lastUsed")) or project.created_at
    known = f"{project.project_id}/{session.session_id or session.pointer}"
    return Task(
        task_id=str(uuid.uuid5(_SPACE, known)),
        project_id=project.project_id,
        title=first[:_TITLE],
        description="\n\n".join(filter(None, (prompt, "\n".join(lines)))),
        status=_STATUS.get(session.text("status").lower(), "inreview"),
        labels=("imported",),
        created_at=created,
        updated_at=_time(session.text("lastUsed")) or created,
    )


async def keep(
    journal: Journal, project: Project, sessions: list[Session], *, dry_run: bool = False
) -> list[Imported]:
    """Write them down, all or none; those that are there already stay as they are."""
    done = []
    async with journal.transaction() as transaction:
        for session in sessions:
            task = task_of(project, session)
            new = await TASKS.get(transaction, task.task_id) is None
            if new and not dry_run:
                await TASKS.add(transaction, task)
                content = msgspec.json.encode(session).decode()
                await DOCUMENTS.add(transaction, Document(_name(task.task_id), content))
            done.append(Imported(session=session, task=task, new=new))
    return done


async def conversation(journal: Journal, task_id: str, executor: str) -> str | None:
    """The agent's conversation that a task was imported with, if it is this executor's."""
    session = await Documents(journal).get(_name(task_id), Session)
    if session is None or session.executor != executor:
        return None
    return session.session_id or None


def _name(task_id: str) -> str:
    return f"session/{task_id}"
